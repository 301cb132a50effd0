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

step() { printf '\n== %s\n' "$1"; }
row() { printf '   %-18s %s\n' "$1" "$2"; }

step "Building rolecall (the first time takes some minutes)"
began=$SECONDS
cargo build --release --quiet
row "built in" "$((SECONDS - began)) s"
rolecall=${CARGO_TARGET_DIR:-target}/release/rolecall

dir=$(mktemp -d)
pids=()
# The config has chroot and user, which only root can honour. Without root and without sudo it runs without them.
sudo=
drops_privileges=yes
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo true; then sudo=sudo; else drops_privileges=no; fi
fi
gone() { # PID: within five seconds
    local tries
    for tries in {1..100}; do
        [ -d "/proc/$1" ] || return 0
        sleep 0.05
    done
}
finish() {
    local pid
    if [ "$keep" = yes ] && [ "${done_well:-no}" = yes ]; then return; fi
    if [ -s "$dir/pid" ]; then
        pid=$(cat "$dir/pid")
        $sudo kill "$pid" 2>/dev/null || true
        gone "$pid"
    fi
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do gone "$pid"; done
    $sudo rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

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
remember() { # PID; disowned, so that bash does not report the master's end as a mishap of its own
    pids+=("$1")
    disown "$1"
}
redis() { # PORT [MASTER]
    mkdir -p "$dir/redis-$1"
    redis-server --port "$1" --bind 127.0.0.1 --dir "$dir/redis-$1" --save "" --appendonly no \
        --requirepass "$password" --masterauth "$password" --repl-diskless-sync-delay 0 \
        ${2:+--replicaof 127.0.0.1 "$2"} >"$dir/redis-$1/log" 2>&1 &
    remember $!
}
sentinel() { # PORT
    mkdir -p "$dir/sentinel-$1"
    printf '%s\n' "port $1" "bind 127.0.0.1" "dir $dir/sentinel-$1" "sentinel monitor mymaster 127.0.0.1 $r1 2" \
        "sentinel auth-pass mymaster $password" "sentinel down-after-milliseconds mymaster 1000" \
        "sentinel failover-timeout mymaster 10000" >"$dir/sentinel-$1/sentinel.conf"
    redis-sentinel "$dir/sentinel-$1/sentinel.conf" >"$dir/sentinel-$1/log" 2>&1 &
    remember $!
}
answers() { [ "$(cli "$1" ping)" = PONG ]; }
linked() { cli "$1" info replication | grep -q master_link_status:up; }
watched() { redis-cli -p "$1" sentinel master mymaster 2>/dev/null | tr '\n' ' ' | grep -q 'num-slaves 2 num-other-sentinels 2'; }

step "Starting a Redis master, two replicas, three Sentinels and rolecall"
redis "$r1"; master_pid=${pids[-1]}
until_true 20 "the master answers" answers "$r1"
redis "$r2" "$r1"; redis "$r3" "$r1"
until_true 20 "the first replica is in sync" linked "$r2"
until_true 20 "the second replica is in sync" linked "$r3"
for s in "$s1" "$s2" "$s3"; do sentinel "$s"; done
for s in "$s1" "$s2" "$s3"; do until_true 30 "the Sentinels know each other" watched "$s"; done

sed -e "s/@PORT@/$port/; s/@STATS@/$stats/; s/@LOG@/$log/; s/@REDIS1@/$r1/; s/@REDIS2@/$r2/; s/@REDIS3@/$r3/" \
    examples/quickstart.cfg >"$dir/haproxy.cfg"
if [ "$drops_privileges" = yes ]; then
    $sudo mkdir -p /var/lib/haproxy
else
    sed -i -E '/^ *(chroot|user|group) /d' "$dir/haproxy.cfg"
fi
"$rolecall" -c -q -f "$dir/haproxy.cfg"
$sudo "$rolecall" -q -f "$dir/haproxy.cfg" -p "$dir/pid"
until_true 10 "rolecall serves" answers "$port"
row "Redis master" "127.0.0.1:$r1"
row "Redis replicas" "127.0.0.1:$r2, 127.0.0.1:$r3"
row "Sentinels" "127.0.0.1:$s1, 127.0.0.1:$s2, 127.0.0.1:$s3"
row "rolecall" "127.0.0.1:$port, with the config $dir/haproxy.cfg"
row "stats page" "http://127.0.0.1:$stats/"
if [ "$drops_privileges" = no ]; then
    row "note" "neither root nor sudo: chroot, user and group are left out of the config"
fi

step "Four clients write through rolecall for 10 s; after 2 s the master is killed (kill -9)"
python3 examples/quickstart_writers.py "$port" "$password" "$log" "$master_pid"

step "Who is master now"
said=$(cli "$port" config get port | tail -n 1)
known=$(redis-cli -p "$s1" sentinel get-master-addr-by-name mymaster | tail -n 1)
row "through rolecall" "127.0.0.1:$said"
row "Sentinel says" "127.0.0.1:$known"
if [ "$said" != "$known" ]; then
    echo "they disagree" >&2
    exit 1
fi
done_well=yes
echo
if [ "$keep" = yes ]; then
    echo "Everything still runs. Look at http://127.0.0.1:$stats/ and stop it all with:"
    echo "    ${sudo:+sudo }kill $(cat "$dir/pid") ${pids[*]}; ${sudo:+sudo }rm -rf $dir"
else
    echo "Everything is stopped. To look at the stats page: examples/quickstart.sh --keep"
fi
