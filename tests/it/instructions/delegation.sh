# Runs in a network namespace of its own. Starts a name server for the zone above with the records in
# delegation.zone, nic53 by the command in serve.sh, and a resolver; then runs lookups.sh.
#
# NIC53 is the program; the configuration files of BIND are in the working directory.
set -eu

nic53() {
    "$NIC53" "$@"
}

# Waits until the name server $1 answers for the SOA of $2.
wait_for() {
    tries=0
    until dig +time=1 +tries=1 +short "@$1" "$2" SOA | grep -q '[0-9]$'; do
        tries=$((tries + 1))
        if [ "$tries" = 200 ]; then
            echo "$1 does not answer for $2" >&2
            tail -n 20 ./*.log >&2
            exit 1
        fi
        sleep 0.1
    done
}

ip link set lo up
for address in 203.0.113.5 10.53.0.1 10.53.0.3; do ip address add "$address/32" dev lo; done
cat delegation.zone >>parent.zone
# A copy, because AppArmor lets Debian's own read nothing outside of its folders.
cp "$(command -v named)" named
for server in parent resolver; do ./named -g -c "$server.conf" >"$server.log" 2>&1 & done
. ./serve.sh >nic53.log 2>&1 &
wait_for 10.53.0.1 example.org
wait_for 203.0.113.5 home.example.org
wait_for 10.53.0.3 .
host=router.home.example.org
token=$(nic53 token --zones home.example.org=EMBEDDED "$host")
curl --silent --show-error --user "$host:$token" "http://203.0.113.5/nic/update?hostname=$host&myip=198.51.100.7"
echo
. ./lookups.sh
echo end
