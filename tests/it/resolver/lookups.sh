# Runs in a network namespace of its own. Starts a root name server that delegates three zones to two
# nic53 servers, gives them hosts, and prints what resolvers make of them.
#
# NIC53 is the program; the configuration files of BIND are in the working directory.
set -eu

main() {
    ip link set lo up
    for n in 1 2 3 4 5; do ip address add "10.53.0.$n/32" dev lo; done
    # A copy, because AppArmor lets Debian's own read nothing outside of its folders.
    cp "$(command -v named)" named
    for server in root hosts-first ns-first; do ./named -g -c "$server.conf" >"$server.log" 2>&1 & done
    serve 10.53.0.2 home.example=Z1,other.example=Z2 --name-server ns.home.example=10.53.0.2
    serve 10.53.0.5 bare.example=Z3
    wait_for 10.53.0.1 .
    wait_for 10.53.0.2 home.example
    wait_for 10.53.0.5 bare.example
    wait_for 10.53.0.3 .
    wait_for 10.53.0.4 .
    for n in 1 2; do
        update 10.53.0.2 home.example=Z1 "h$n.home.example" "198.51.100.$n"
        update 10.53.0.2 other.example=Z2 "h$n.other.example" "198.51.100.1$n"
        update 10.53.0.5 bare.example=Z3 "h$n.bare.example" "198.51.100.2$n"
    done
    for zone in home other bare; do
        ask 10.53.0.3 "h1.$zone.example" A
        ask 10.53.0.3 "$zone.example" NS
        ask 10.53.0.4 "$zone.example" NS
    done
    # BIND keeps the addresses of a delegation for ten seconds, whatever the zone itself says.
    sleep 12
    for zone in home other; do
        ask 10.53.0.3 "h2.$zone.example" A
        ask 10.53.0.4 "h2.$zone.example" A
    done
    ask 10.53.0.3 h2.bare.example A
    for host in h1.home.example h1.bare.example h1.lame.example; do
        "$NIC53" check http://10.53.0.2 "$host" --resolver 10.53.0.3 --wait 0 || true
    done
    echo end
}

# Starts nic53 for the zones $2 on the address $1, with the flags behind them.
serve() {
    address=$1 zones=$2
    shift 2
    "$NIC53" serve --zones "$zones" --data "data-$address" --http "$address:80" --dns "$address:53" "$@" \
        >"nic53-$address.log" 2>&1 &
}

# Waits until the name server $1 answers for the SOA of $2.
wait_for() {
    tries=0
    until dig +time=1 +tries=1 +short "@$1" "$2" SOA | grep -q '[0-9]$'; do
        tries=$((tries + 1))
        if [ "$tries" = 200 ]; then
            echo "$1 does not answer for $2"
            tail -n 20 ./*.log
            exit 1
        fi
        sleep 0.1
    done
}

# Gives the host $3 of the zone $2 the address $4, by the server $1.
update() {
    token=$("$NIC53" token --zones "$2" "$3")
    curl --silent --show-error --user "$3:$token" "http://$1/nic/update?hostname=$3&myip=$4"
    echo
}

# Prints what the resolver $1 has for the name $2 and the type $3.
ask() {
    dig +time=20 +tries=1 "@$1" "$2" "$3" >answer
    code=$(sed -n 's/.*status: \([A-Z]*\),.*/\1/p' answer)
    data=$(sed -n "s/^$2\\.[[:space:]].*[[:space:]]$3[[:space:]]*//p" answer)
    echo "$1 $2 $3: $code $data"
}

main
