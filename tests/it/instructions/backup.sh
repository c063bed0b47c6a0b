# Moves a host, makes a backup by backup-lines.sh, loses the data folder, and restores it by
# restore-lines.sh in another folder, as the page says. Prints the answers.
#
# NIC53 is the program; OLD and NEW are the folders, both of them ROOT/var/lib/nic53 to the page.
set -eu

nic53() {
    "$NIC53" "$@"
}

# Stops or starts the server of the folder $data, which systemd would do.
systemctl() {
    case $1 in
    stop)
        [ -n "${server:-}" ] || return 0
        kill -TERM "$server"
        wait "$server"
        server=
        ;;
    start)
        rm -f serve.log
        "$NIC53" serve --http 127.0.0.1:0 --dns off --data "$data" >serve.log 2>>errors.log &
        server=$!
        until http=$(sed -n 's|^nic53 listening on \(http://[^ ]*\) .*|\1|p' serve.log) && [ -n "$http" ]; do
            kill -0 "$server"
            sleep 0.05
        done
        ;;
    esac
}

# Moves the host to 203.0.113.7 with the token $1.
update() {
    curl --silent --show-error --user "router.home.example:$1" "$http/nic/update?hostname=router.home.example&myip=203.0.113.7"
    echo
}

data=$OLD
mkdir -m 700 "$OLD"
systemctl start nic53
token=$(nic53 token --data "$OLD" router.home.example)
update "$token"
. ./backup-lines.sh
systemctl stop nic53
rm -r "$OLD"
data=$NEW
. ./restore-lines.sh
nic53 export --data "$NEW" | grep '^router'
update "$token"
systemctl stop nic53
tar -tf nic53-backup.tar | sort
ls -l "$NEW" | sed -n 's/^\(-[^ ]*\).* /\1 /p'
echo end
