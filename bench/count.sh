#!/usr/bin/env bash
# Counts where time would only be guessed: instructions and allocations for one request, of the binary that ships. Needs
# valgrind. A run with many requests less one with few leaves out what starting costs.
#
#   bench/count.sh [NAME]       a part of a scenario's name, as the tables have it
set -euo pipefail
cd "$(dirname "$0")/.."

few=100 many=600
target=${CARGO_TARGET_DIR:-target} tools=${CARGO_TARGET_DIR:-target}/profiling
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

"$tools/upstream" --every 0 > "$work/upstream" &
started+=($!)
until [ -s "$work/upstream" ]; do sleep 0.05; done
upstream=$(cat "$work/upstream")
mkdir "$work/policy"
bench/policy.sh "$upstream" > "$work/policy/policy.v1.json"
# As long as a real one: a short value would be looked for in headers that no real one fits into.
printf sk-bench-0123456789abcdefghijklmnopqrstuvwxyz01234567 > "$work/policy/default_main_apiKey"
cp -r "$work/policy" "$work/governed"
bench/policy.sh "$upstream" governed > "$work/governed/policy.v1.json"
policy=policy

# count NAME REQUESTS OPTION...: what valgrind says at the end.
count() {
    local name=$1 requests=$2 clients=127.0.0.1:$((30000 + RANDOM % 2000)) admin=127.0.0.1:$((32000 + RANDOM % 700)) pid
    shift 2
    valgrind "$@" --log-file="$work/log" "$sidecar" --policy "$work/$policy" --state "$work/state" --listen "$clients" --admin "$admin" \
        > /dev/null 2>&1 &
    pid=$!
    started+=("$pid")
    until (: < "/dev/tcp/${clients/://}") 2> /dev/null; do
        kill -0 "$pid" || { cat "$work/log" >&2; exit 1; }
        sleep 0.2
    done
    "$tools/load" --via "$clients" --send "$requests" --only "$name"
    kill "$pid"
    wait "$pid" || true
}
instructions() {
    count "$1" "$2" --tool=callgrind --callgrind-out-file=/dev/null
    grep -o 'Collected : [0-9]*' "$work/log" | tr -dc 0-9
}
heap() {
    count "$1" "$2" --tool=memcheck --undef-value-errors=no --leak-check=no
    # "total heap usage: 1,234 allocs, 1,200 frees, 56,789 bytes allocated"
    grep -o 'usage: .*' "$work/log" | tr -d , | awk '{ print $2, $6 }'
}

echo "| one request | instructions | allocations | bytes allocated |"
echo "|---|---|---|---|"
if [ $# -gt 0 ]; then
    names=("$1")
else
    names=("same dialect, 1 kB" "same dialect, 90 kB" "Anthropic to OpenAI, 1 kB" "stream, same dialect"
        "stream, Anthropic to OpenAI")
fi
told=
measure() {
    local name=$1 a b c d e f n
    a=$(instructions "$name" $few) b=$(instructions "$name" $many)
    read -r c d < <(heap "$name" $few)
    read -r e f < <(heap "$name" $many)
    n=$((many - few))
    echo "| $name$told | $(((b - a) / n)) | $(((e - c) / n)) | $(((f - d) / n)) |"
}
for name in "${names[@]}"; do measure "$name"; done
# What accounts cost: five limits, written down before and after.
policy=governed told=", governed"
for name in "${names[@]}"; do measure "$name"; done
