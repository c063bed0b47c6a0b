# Runs in a network namespace of its own. Starts a gateway on another machine, with a name that has an A record only
# and one that has an AAAA record too, does what `nic53 setup` prints for clients on this machine, word for word, and
# prints the records that they then have.
#
# NIC53 is the program, GATEWAY the name that the clients are told, `dyn` (an A record) or `dyn46` (both); the settings
# of the gateway are in the environment.
set -eu

gateway=$GATEWAY
v4=198.51.100.7
v6=2001:db8:7::7

main() {
    own_etc
    stand_ins
    connect
    wait_for_the_gateway
    url=http://$gateway.example.net
    "$NIC53" check "$url" >checked || true
    sed -n "s/^\(ok\|note\|wrong\) \(name\|checkip-ipv.\): /check: /p" checked
    ddclient_of ddclient3
    ddclient_of ddclient4
    inadyn_of_debian
    pasted curl "cut -d' ' -f6- crontab.lines | sh -e"
    pasted systemd run_services
    pasted ddupdate :
    pasted asus :
    own_client
    for fetcher in gnu_wget busybox_wget curl; do openwrt "$fetcher"; done
    echo end
}

# A copy of /etc that belongs to this test, so that files go where their text says. The rest of the machine is left
# alone. Users have this one's number, because a namespace has no other.
own_etc() {
    mkdir etc run cache log
    export XDG_STATE_HOME="$PWD/state"
    # What only root may read is not needed.
    cp -R /etc/. etc 2>/dev/null || true
    mount --bind etc /etc
    mount --bind run /run
    mount --bind log /var/log
    mount --bind cache /var/cache
    mkdir -p /var/cache/ddclient /var/cache/inadyn
    sed -i 's/^\(debian-inadyn\):x:[0-9]*:[0-9]*:/\1:x:0:0:/' /etc/passwd
    sed -i 's/^\(debian-inadyn\):x:[0-9]*:/\1:x:0:/' /etc/group
    printf '127.0.0.1 localhost\n203.0.113.80 dyn.example.net dyn46.example.net\n2001:db8:80::80 dyn46.example.net\n' \
        >/etc/hosts
    echo 'nameserver 203.0.113.80' >/etc/resolv.conf
}

# What a device or this machine has, and a test cannot have: it keeps what it is told.
stand_ins() {
    mkdir bin
    cat >bin/crontab <<'END'
#!/bin/sh
if [ "$1" = - ]; then cat >"$HOME/crontab.new" && mv "$HOME/crontab.new" "$HOME/crontab.lines"; else cat "$HOME/crontab.lines"; fi
END
    printf '#!/bin/sh\nprintf "%%s\\n" "$2" >>"$HOME/uci.lines"\n' >bin/uci
    for name in systemctl service; do printf '#!/bin/sh\n' >"bin/$name"; done
    chmod +x bin/*
    PATH=$PWD/bin:$PATH
    cat >network.sh <<END
network_get_ipaddr() { eval "\$1=$v4"; }
network_get_ipaddr6() { eval "\$1=$v6"; }
END
}

# Two machines with a cable between them: this one, and one with the gateway.
connect() {
    ip link set lo up
    unshare --net sleep 600 &
    other=$!
    until [ "$(readlink "/proc/$other/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
    ip link add wan type veth peer name lan netns "$other"
    ip address add "$v4/32" dev wan
    ip address add "$v6/128" dev wan nodad
    ip link set wan up
    there ip link set lo up
    there ip address add 203.0.113.80/32 dev lan
    there ip address add 2001:db8:80::80/128 dev lan nodad
    there ip link set lan up
    ip route add 203.0.113.80/32 dev wan src "$v4"
    ip route add 2001:db8:80::80/128 dev wan src "$v6"
    there ip route add "$v4/32" dev lan src 203.0.113.80
    there ip route add "$v6/128" dev lan src 2001:db8:80::80
    there "$NIC53" serve --http '[::]:80' --dns 203.0.113.80:53 >nic53.log 2>&1 &
}

# Runs a program on the other machine.
there() {
    nsenter --net="/proc/$other/ns/net" "$@"
}

# Waits until the gateway answers over both families.
wait_for_the_gateway() {
    for family in 4 6; do
        tries=0
        until curl -"$family" --silent http://dyn46.example.net/healthz >/dev/null; do
            tries=$((tries + 1))
            if [ "$tries" = 200 ]; then
                cat nic53.log >&2
                exit 1
            fi
            sleep 0.1
        done
    done
}

# What is pasted for the client $1 and the hosts behind it.
setup() {
    client=$1
    shift
    "$NIC53" setup "$client" "$@" --url "$url" 2>>warnings
}

# Prints the records of the host $1, behind the words $2.
records() {
    a_record=$(dig +short +tries=1 @203.0.113.80 "$1" A | tr '\n' ' ')
    aaaa_record=$(dig +short +tries=1 @203.0.113.80 "$1" AAAA | tr '\n' ' ')
    echo "${2:-}$1: A=${a_record% } AAAA=${aaaa_record% }"
}

# Two hosts in one file for ddclient, by the recipe $1.
ddclient_of() {
    a=$1-a.example.com b=$1-b.example.com
    setup "$1" "$a" "$b" >/etc/ddclient.conf
    chmod 600 /etc/ddclient.conf
    rm -f /var/cache/ddclient/*
    ddclient -daemon=0 -foreground >"$1.log" 2>&1 || echo "ddclient ended with $?: $(cat "$1.log")"
    records "$a"
    records "$b"
}

# Two hosts in one file for Debian's inadyn, started and stopped by Debian's own script.
inadyn_of_debian() {
    a=inadyn-a.example.com b=inadyn-b.example.com
    setup inadyn "$a" "$b" >/etc/inadyn.conf
    cp default-inadyn /etc/default/inadyn
    rm -rf /var/cache/inadyn/* /run/inadyn
    /etc/init.d/inadyn start >inadyn.log 2>&1 || true
    wait_for_a "$b"
    /etc/init.d/inadyn stop >>inadyn.log 2>&1
    records "$a"
    records "$b"
}

# Waits until the host $1 has an A record, or long enough.
wait_for_a() {
    tries=0
    until dig +short @203.0.113.80 "$1" A | grep -q .; do
        tries=$((tries + 1))
        if [ "$tries" = 100 ]; then
            echo "$1 has no A record: $(cat inadyn.log)"
            break
        fi
        sleep 0.1
    done
}

# Pastes what the client $1 is told for one host and then for a second one, and runs the command $2.
pasted() {
    a=$1-a.example.com b=$1-b.example.com
    for host in "$a" "$b"; do
        setup "$1" "$host" >commands
        sh -e commands >output 2>&1 || echo "$1: $(cat output)"
    done
    eval "$2" >output 2>&1 || echo "$1: $(cat output)"
    records "$a"
    records "$b"
}

# Runs what the timers of systemd start, with the credentials that it hands over.
run_services() {
    systemd-analyze verify --man=no "/etc/systemd/system/nic53-update@$a.timer" "/etc/systemd/system/nic53-update@$b.service"
    start=$(sed -n 's/^ExecStart=//p' /etc/systemd/system/nic53-update@.service)
    for host in "$a" "$b"; do
        mkdir -p credentials
        cp "$(sed -n "s|^LoadCredential=curl:\(.*\)%i|\1$host|p" /etc/systemd/system/nic53-update@.service)" credentials/curl
        CREDENTIALS_DIRECTORY=$PWD/credentials sh -ec "$start"
    done
}

# Two hosts in one file for nic53's own client.
own_client() {
    a=nic53-a.example.com b=nic53-b.example.com
    setup nic53 "$a" "$b" >/etc/dyndns.conf
    chmod 600 /etc/dyndns.conf
    env -u NIC53_SECRET -u NIC53_ZONES "$NIC53" update >output 2>&1 || echo "nic53: $(cat output)"
    records "$a"
    records "$b"
}

# Pastes what OpenWrt is told for the host of the fetcher $1, and asks as ddns-scripts ask with that fetcher.
openwrt() {
    host=$1.example.com
    setup openwrt "$host" | sed 's|/lib/functions/network.sh|./network.sh|' >commands
    # In BusyBox's shell, wget is BusyBox's own.
    shell=sh
    [ "$1" != busybox_wget ] || shell='busybox sh'
    rm -f uci.lines
    $shell -e commands >output 2>&1 || echo "openwrt: $(cat output)"
    records "$host" 'created by '
    for service in "" _v6; do
        case $service in
        "") address=198.51.100.8 from=$v4 ;;
        *) address=2001:0db8:0007:0000:0000:0000:0000:0008 from=$v6 ;;
        esac
        url_of_service "$service" "$address" >asked
        rm -f data
        "by_$1" "$(cat asked)" || true
    done
    records "$host"
}

# The URL that ddns-scripts make of the service $1 and the address $2. No other character needs percent-encoding here.
url_of_service() {
    id=$(printf %s "$host" | sed 's/_/___/g; s/-/__/g; s/\./_/g')$1
    option() { sed -n "s/^ddns\.$id\.$1=//p" uci.lines; }
    option update_url | sed -e "s#\[USERNAME\]#$(option username)#" -e "s#\[PASSWORD\]#$(option password)#" \
        -e "s#\[DOMAIN\]#$(option domain)#" -e "s#\[IP\]#$2#"
}

# The fetchers with the flags of ddns-scripts; the address or the device is that of the service.
by_gnu_wget() { wget --hsts-file=hsts -nv -t 1 -O data -o errors --bind-address="$from" --no-proxy "$1"; }
by_curl() { curl -RsS -o data --stderr errors --interface wan --noproxy '*' "$1"; }
by_busybox_wget() { busybox wget -q -O data -Y off "$1" 2>errors; }

main
