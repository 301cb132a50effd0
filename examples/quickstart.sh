#!/usr/bin/env bash
# The main job on real parts, on loopback: one Redis master, two replicas, three Sentinels, rolecall in
# front. Writes through rolecall, kills the master, and prints what the clients saw.
#
#   examples/quickstart.sh            runs, prints, and leaves nothing running
#   examples/quickstart.sh --keep     leaves everything running to look at; the last lines say how to stop it
set -euo pipefail
cd "$(dirname "$0")/.."
keep=no
[ "${1:-}" = --keep ] && keep=yes

. tests/packages.sh
need redis-server:redis-server redis-sentinel:redis-sentinel redis-cli:redis-tools cc:gcc python3:python3

echo "building rolecall ..."
cargo build --release --quiet
rolecall=${CARGO_TARGET_DIR:-target}/release/rolecall

dir=$(mktemp -d)
pids=()
sudo=
if [ "$(id -u)" -ne 0 ]; then sudo=sudo; fi # the config has chroot and user: it starts as root
finish() {
    local pid
    if [ "$keep" = yes ] && [ "${done_well:-no}" = yes ]; then return; fi
    if [ -s "$dir/pid" ]; then $sudo kill "$(cat "$dir/pid")" 2>/dev/null || true; fi
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    $sudo rm -rf "$dir"
}
trap finish EXIT

# Nine ports that nobody uses, below the range of outgoing connections.
read -r port stats log r1 r2 r3 s1 s2 s3 < <(python3 - <<'PY'
import random, socket
found = []
while len(found) < 9:
    port = random.randrange(12000, 30000)
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
    if port not in found:
        found.append(port)
print(*found)
PY
)
password=my-redis-password
cli() { REDISCLI_AUTH=$password redis-cli -h 127.0.0.1 -p "$@" 2>/dev/null; }
until_true() { # SECONDS TEXT COMMAND...
    local end=$((SECONDS + $1)) text=$2
    shift 2
    until "$@"; do
        if [ "$SECONDS" -ge "$end" ]; then
            echo "gave up waiting: $text" >&2
            exit 1
        fi
        sleep 0.05
    done
}
redis() { # PORT [MASTER]
    mkdir -p "$dir/redis-$1"
    redis-server --port "$1" --bind 127.0.0.1 --dir "$dir/redis-$1" --save "" --appendonly no \
        --requirepass "$password" --masterauth "$password" --repl-diskless-sync-delay 0 \
        ${2:+--replicaof 127.0.0.1 "$2"} >"$dir/redis-$1/log" 2>&1 &
    pids+=($!)
}
sentinel() { # PORT
    mkdir -p "$dir/sentinel-$1"
    printf '%s\n' "port $1" "bind 127.0.0.1" "dir $dir/sentinel-$1" "sentinel monitor mymaster 127.0.0.1 $r1 2" \
        "sentinel auth-pass mymaster $password" "sentinel down-after-milliseconds mymaster 1000" \
        "sentinel failover-timeout mymaster 10000" >"$dir/sentinel-$1/sentinel.conf"
    redis-sentinel "$dir/sentinel-$1/sentinel.conf" >"$dir/sentinel-$1/log" 2>&1 &
    pids+=($!)
}
answers() { [ "$(cli "$1" ping)" = PONG ]; }
linked() { cli "$1" info replication | grep -q master_link_status:up; }
watched() { redis-cli -p "$1" sentinel master mymaster 2>/dev/null | tr '\n' ' ' | grep -q 'num-slaves 2 num-other-sentinels 2'; }

echo "starting 1 master, 2 replicas, 3 sentinels in $dir ..."
redis "$r1"; master_pid=${pids[-1]}
until_true 20 "the master answers" answers "$r1"
redis "$r2" "$r1"; redis "$r3" "$r1"
until_true 20 "the first replica is in sync" linked "$r2"
until_true 20 "the second replica is in sync" linked "$r3"
for s in "$s1" "$s2" "$s3"; do sentinel "$s"; done
for s in "$s1" "$s2" "$s3"; do until_true 30 "the Sentinels know each other" watched "$s"; done

sed -e "s/@PORT@/$port/; s/@STATS@/$stats/; s/@LOG@/$log/; s/@REDIS1@/$r1/; s/@REDIS2@/$r2/; s/@REDIS3@/$r3/" \
    examples/quickstart.cfg >"$dir/haproxy.cfg"
$sudo mkdir -p /var/lib/haproxy
"$rolecall" -c -q -f "$dir/haproxy.cfg"
$sudo "$rolecall" -q -f "$dir/haproxy.cfg" -p "$dir/pid"
until_true 10 "rolecall serves" answers "$port"
echo "rolecall serves Redis on 127.0.0.1:$port and its stats page on http://127.0.0.1:$stats/"

echo "writing through rolecall with 4 clients; the master (port $r1) is killed in 2 s ..."
python3 examples/quickstart_writers.py "$port" "$password" "$log" "$master_pid"

echo "master now: port $(cli "$port" config get port | tail -n 1), says rolecall; \
port $(redis-cli -p "$s1" sentinel get-master-addr-by-name mymaster | tail -n 1), says Sentinel"
done_well=yes
if [ "$keep" = yes ]; then
    echo "still running; look at http://127.0.0.1:$stats/ and stop everything with:"
    echo "    ${sudo:+sudo }kill $(cat "$dir/pid") ${pids[*]}; ${sudo:+sudo }rm -rf $dir"
else
    echo "stats page while it ran: http://127.0.0.1:$stats/ (run with --keep to look at it)"
fi
