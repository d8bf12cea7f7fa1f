#!/usr/bin/env bash
# Runs the tests of one file, and prints its output when it ends, so that files that run at the same time do not mix.
#
#     scripts/test-file.sh FILE PYTEST...
set -uo pipefail
file=$1
shift
start=$SECONDS
output=$("$@" -q "$file" 2>&1)
code=$?
printf '%s (%s s)\n%s\n' "$file" "$((SECONDS - start))" "$output"
exit $code
