#!/usr/bin/env bash
# scripts/room.sh TARGET
# Warns if the disks may be too small for `make test`. Otherwise it would fail many minutes later with an unclear error.
# Space that the files already use counts, because they are replaced. It is only a warning, because the figures are
# estimates.
set -euo pipefail
cd "$(dirname "$0")/.."
# In MB, measured plus a fifth: build artifacts, also with incremental compilation and debug information.
built=6000 built_by_hand=12600
# In .cache/ and node_modules/: Python environments, Node, the control plane, a small model. In the temporary folder:
# one cluster with its images.
installed=4300 temporary=1500

target=$1 here=. temp=${TMPDIR:-/tmp}
[ "${CARGO_INCREMENTAL:-}" = 0 ] || built=$built_by_hand
mkdir -p "$target"
megabytes() { du -sm "$@" 2> /dev/null | awk '{ sum += $1 } END { print sum + 0 }'; }
missing() { echo $(($1 > $2 ? $1 - $2 : 0)); }

# A file system with several of these folders needs room for all of them.
declare -A needed
while read -r place more; do
    disk=$(df --output=target "$place" | tail -n 1)
    needed[$disk]=$((${needed[$disk]:-0} + more))
done << LIST
$target $(missing $built "$(megabytes "$target")")
$here $(missing $installed "$(megabytes .cache tests/clients/{node,agents}/node_modules)")
$temp $temporary
LIST

for disk in "${!needed[@]}"; do
    free=$(df --output=avail -m "$disk" | tail -n 1 | tr -d ' ')
    if [ "$free" -lt "${needed[$disk]}" ]; then
        echo "make test may need ${needed[$disk]} MB of free space on $disk, and there are $free MB." >&2
        echo "If it fails for want of space: free some, or set CARGO_TARGET_DIR and TMPDIR to other disks." >&2
    fi
done
