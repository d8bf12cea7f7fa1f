#!/usr/bin/env bash
# Builds what ships, measures it on loopback, and prints the tables of docs/performance.md. Takes about three minutes.
#
#   bench/run.sh [--quick]      OUTRIGGER_SIDECAR=FILE measures that binary instead
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=7 runs=30 seconds=5
[ "${1:-}" = --quick ] && rounds=3 runs=10 seconds=2

target=${CARGO_TARGET_DIR:-target} tools=${CARGO_TARGET_DIR:-target}/profiling
# Built one by one: together they would share features that only one of them needs.
[ -n "${OUTRIGGER_SIDECAR:-}" ] || cargo build -q --profile dist --locked -p outrigger-sidecar
cargo build -q --profile profiling --locked -p outrigger-bench
sidecar=${OUTRIGGER_SIDECAR:-$target/dist/outrigger-sidecar}

work=$(mktemp -d)
started=()
finish() {
    for pid in "${started[@]}"; do kill "$pid" 2> /dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null || break
    done
    echo "$port"
}

# Pinned if there is a processor for each side; otherwise the scheduler decides.
on() {
    local cpu=$1
    shift
    if command -v taskset > /dev/null && [ "$(nproc)" -ge 2 ]; then exec taskset -c "$cpu" "$@"; else exec "$@"; fi
}

"$tools/upstream" > "$work/upstream" &
started+=($!)
until [ -s "$work/upstream" ]; do sleep 0.05; done
upstream=$(cat "$work/upstream")

mkdir "$work/policy"
bench/policy.sh "$upstream" > "$work/policy/policy.v1.json"
printf sk-bench-0123456789abcdefghijklmnopqrstuvwxyz01234567 > "$work/policy/default_main_apiKey"
cp -r "$work/policy" "$work/governed"
bench/policy.sh "$upstream" governed > "$work/governed/policy.v1.json"
policy=policy

# Starts a sidecar, and sets $clients and $gateway to its address and process id.
sidecar() {
    local admin
    clients=127.0.0.1:$(free_port) admin=127.0.0.1:$(free_port)
    "$@" "$sidecar" --policy "$work/$policy" --state "$work/state" --listen "$clients" --admin "$admin" > /dev/null 2> "$work/log" &
    gateway=$!
    started+=("$gateway")
    until (: < "/dev/tcp/${clients/://}") 2> /dev/null; do
        kill -0 "$gateway" || { cat "$work/log"; exit 1; }
        sleep 0.05
    done
}

echo "$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2- | xargs), $(nproc) processors, Linux $(uname -r)"
echo
echo "Microseconds; the median of $rounds rounds."
echo
sidecar
"$tools/load" --direct "$upstream" --via "$clients" --pid "$gateway" --rounds "$rounds"

echo
echo "Governed: five limits, written down before and after."
echo
policy=governed
sidecar
"$tools/load" --direct "$upstream" --via "$clients" --pid "$gateway" --rounds "$rounds" --only "same dialect"
policy=policy

echo
echo "| one processor for the gateway, another for the rest | |"
echo "|---|---|"
sidecar on 0
on 1 "$tools/load" --via "$clients" --pid "$gateway" --saturate "$seconds" &
wait $!

echo
echo "| | |"
echo "|---|---|"
"$tools/start" --sidecar "$sidecar" --policy "$work/policy" --runs "$runs"
echo "| binary, stripped | $(stat -c %s "$sidecar" | awk '{ printf "%.1f MB", $1 / 1e6 }') |"
