#!/usr/bin/env bash
# Measures the memory of an idle `outrigger run`. The goal is below 12 MiB.
#
#   bench/resident.sh [BINARY]
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${1:-${CARGO_TARGET_DIR:-target}/dist/outrigger}
work=$(mktemp -d)
trap 'kill "$pid" 2> /dev/null || true; rm -rf "$work"' EXIT
# Port 0: any free port.
XDG_STATE_HOME=$work "$binary" run examples/quickstart --listen 127.0.0.1:0 --admin 127.0.0.1:0 > /dev/null 2> "$work/log" &
pid=$!
until grep -q '^outrigger: serves' "$work/log"; do
    kill -0 "$pid" || { cat "$work/log" >&2; exit 1; }
    sleep 0.05
done
sleep 1
awk '/^(VmRSS|RssAnon):/ { resident[$1] = $2 / 1024 }
    END { printf "outrigger run, idle: %.1f MiB resident, %.1f of it not the file of the program\n", resident["VmRSS:"], resident["RssAnon:"] }' \
    "/proc/$pid/status"
