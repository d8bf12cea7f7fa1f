#!/usr/bin/env bash
# Compares the cost of a request with bench/counts.tsv: instructions and allocations of the debug build, which the tests
# have built anyway. They say nothing about speed, but they grow as soon as a request does more. Fails if a figure has
# changed by more than 5 %, also if it has shrunk, so that the next growth is noticed. Needs valgrind.
#
#   bench/check-counts.sh [--update]       with --update: rewrites bench/counts.tsv
set -euo pipefail
cd "$(dirname "$0")/.."

slack=5 committed=bench/counts.tsv
tools=${CARGO_TARGET_DIR:-target}/debug sidecar=${OUTRIGGER_SIDECAR:-${CARGO_TARGET_DIR:-target}/debug/outrigger-sidecar}
FEW=10 MANY=50
. bench/counting.sh

# once NAME REQUESTS: instructions and allocations of a whole run.
once() {
    count "$1" "$2" --tool=callgrind --callgrind-out-file="$work/out" --compress-strings=no --compress-pos=no
    awk '
        /^summary: / { instructions = $2 }
        /^cfn=(malloc|calloc|realloc|posix_memalign|aligned_alloc)$/ { allocates = 1; next }
        allocates && /^calls=/ { split($1, calls, "="); allocations += calls[2] }
        { allocates = 0 }
        END { print instructions, allocations }
    ' "$work/out"
}
# The cost of starting is removed: a run with many requests minus one with few.
measure() {
    local label=$1 name=$2 instructions allocations more_instructions more_allocations n=$((many - few))
    read -r instructions allocations < <(once "$name" $few)
    read -r more_instructions more_allocations < <(once "$name" $many)
    printf '%s\t%d\t%d\n' "$label" $(((more_instructions - instructions) / n)) $(((more_allocations - allocations) / n))
}
for name in "same dialect, 1 kB" "same dialect, 90 kB" "Anthropic to OpenAI, 1 kB" "stream, same dialect" "stream, Anthropic to OpenAI"; do
    measure "$name" "$name"
done > "$work/counts"
policy=governed
measure "same dialect, 1 kB, governed" "same dialect, 1 kB" >> "$work/counts"

if [ "${1:-}" = --update ]; then
    { printf '# one request\tinstructions\tallocations\n'; cat "$work/counts"; } > "$committed"
    cat "$committed"
    exit
fi
awk -F '\t' -v slack=$slack '
    function compare(what, before, now) {
        change = (now - before) * 100 / before
        far = change > slack || change < -slack
        printf "%-30s %-13s %10d %10d %+6.1f %%%s\n", $1, what, before, now, change, far ? "  <--" : ""
        if (far) wrong = 1
    }
    NR == FNR { if (!/^#/) { instructions[$1] = $2; allocations[$1] = $3 }; next }
    !($1 in instructions) { print $1 " is not in the committed figures"; wrong = 1; next }
    { compare("instructions", instructions[$1], $2); compare("allocations", allocations[$1], $3) }
    END { exit wrong }
' "$committed" "$work/counts" || {
    echo "A figure differs by more than $slack %. If that is meant, run: make counts" >&2
    exit 1
}
