# Runs in a network namespace of its own. Starts nic53 with the settings in nic53.env and nginx with
# the block in site.conf, asks as clients on other machines would, and prints the answers.
#
# NIC53 is the program, TLS a certificate and its key.
set -eu

main() {
    ip link set lo up
    for address in 203.0.113.80/32 198.51.100.7/32 2001:db8::80/128 2001:db8::7/128; do
        ip address add "$address" dev lo
    done
    set -a
    . ./nic53.env
    set +a
    token=$("$NIC53" token home.example)
    "$NIC53" serve --dns off >nic53.log 2>&1 &
    nginx -p . -e stderr -c nginx.conf >nginx.log 2>&1 &
    wait_for_both
    echo "http: $(update http)"
    echo "https: $(update https)"
    echo "forged: $(update http --header 'X-Forwarded-For: 192.0.2.66')"
    echo "own page: $(update http --header 'Origin: http://dyn.example.org')"
    echo "other page: $(update http --header 'Origin: http://other.example.org')"
    echo "ipv6: $(as_client 2001:db8::7 '[2001:db8::80]' https://dyn.example.org/ip)"
    grep -o ' update .*source address is private' nic53.log | head -n 1 | sed 's/.*: /log: /'
    echo end
}

# Asks the URL $3 of the proxy at $2 from the address $1, with the options behind them.
as_client() {
    from=$1 at=$2
    shift 2
    curl --silent --show-error --insecure --interface "$from" \
        --resolve "dyn.example.org:80:$at" --resolve "dyn.example.org:443:$at" "$@"
}

# Moves the host without an address, over $1, with the options behind it.
update() {
    scheme=$1
    shift
    as_client 198.51.100.7 203.0.113.80 --user "home.example:$token" "$@" \
        "$scheme://dyn.example.org/nic/update?hostname=home.example"
}

# Waits until the proxy passes requests on.
wait_for_both() {
    tries=0
    until as_client 198.51.100.7 203.0.113.80 http://dyn.example.org/healthz 2>curl.log | grep -qx ok; do
        tries=$((tries + 1))
        if [ "$tries" = 200 ]; then
            cat curl.log nic53.log nginx.log >&2
            exit 1
        fi
        sleep 0.1
    done
}

main
