#!/bin/sh
# Tells rolecall the new master the moment Sentinel switches, through the runtime socket. In sentinel.conf:
#
#     sentinel client-reconfig-script mymaster /etc/rolecall/client-reconfig.sh
#
# rolecall needs no such script where it can reach the Sentinels, as it listens to them itself; it is for networks
# in which it cannot. What it says is a hint: rolecall asks the server, and believes only its own `role:master`.
#
# Sentinel calls it with: <master-name> <role> <state> <from-ip> <from-port> <to-ip> <to-port>. Exit code 1 makes
# Sentinel try again (up to ten times), 2 and above does not. It needs socat.
#
# ROLECALL_SOCKET   the `stats socket` of level admin; a path, or HOST:PORT
# ROLECALL_BACKEND  the backend of that master
set -eu

socket=${ROLECALL_SOCKET:-/run/rolecall.sock}
backend=${ROLECALL_BACKEND:-redis_backend}
[ $# -eq 7 ] || { echo "usage: $0 MASTER-NAME ROLE STATE FROM-IP FROM-PORT TO-IP TO-PORT" >&2; exit 2; }
to_ip=$6 to_port=$7

# The answer may take `timeout freeze`, 10 s if nothing else is configured.
ask() {
    case $socket in
        /*) echo "$1" | socat -t 15 - "UNIX-CONNECT:$socket" ;;
        *) echo "$1" | socat -t 15 - "TCP:$socket,connect-timeout=5" ;;
    esac
}

# The server of that address; the columns are found by their names, in the line that begins with '#'.
servers=$(ask "show servers state $backend") || exit 1
server=$(echo "$servers" | awk -v ip="$to_ip" -v port="$to_port" '
    $1 == "#" { for (i = 2; i <= NF; i++) column[$i] = i - 1; next }
    NF && $column["srv_addr"] == ip && $column["srv_port"] == port { print $column["srv_name"]; exit }')
if [ -z "$server" ]; then
    echo "$backend has no server at $to_ip:$to_port" >&2
    exit 2
fi

answer=$(ask "set redis master $backend/$server") || exit 1
case $answer in
    "") ;;
    *) echo "$answer" >&2; exit 1 ;;
esac
