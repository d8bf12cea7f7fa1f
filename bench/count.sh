#!/usr/bin/env bash
# Counts the instructions and allocations of one request, in the binary that ships. Times would be too noisy. Needs
# valgrind. A run with many requests minus one with few removes the cost of starting.
#
#   bench/count.sh [NAME]       a part of a scenario's name, as the tables have it
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target} tools=${CARGO_TARGET_DIR:-target}/profiling
[ -n "${OUTRIGGER_SIDECAR:-}" ] || cargo build -q --profile dist --locked -p outrigger-sidecar
cargo build -q --profile profiling --locked -p outrigger-bench
sidecar=${OUTRIGGER_SIDECAR:-$target/dist/outrigger-sidecar}

. bench/counting.sh

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
variant=
measure() {
    local name=$1 a b c d e f n
    a=$(instructions "$name" $few) b=$(instructions "$name" $many)
    read -r c d < <(heap "$name" $few)
    read -r e f < <(heap "$name" $many)
    n=$((many - few))
    echo "| $name$variant | $(((b - a) / n)) | $(((e - c) / n)) | $(((f - d) / n)) |"
}
for name in "${names[@]}"; do measure "$name"; done
# The cost of accounts: five limits, written to disk before and after.
policy=governed variant=", governed"
for name in "${names[@]}"; do measure "$name"; done
