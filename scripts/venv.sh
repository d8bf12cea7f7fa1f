#!/usr/bin/env bash
# scripts/venv.sh NAME REQUIREMENTS
# A Python environment at .cache/venv/NAME with exactly what REQUIREMENTS pins. Does nothing when it already has:
# the stamp holds the hash of the requirements and the interpreter they were installed for.
set -euo pipefail
name=$1 requirements=$2
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=.cache/venv/$name
stamp=$venv/.stamp
want="$(sha256sum < "$requirements") $("$python" -c 'import sys; print(sys.version, sys.executable)')"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then exit 0; fi
echo "installing $requirements into $venv"
rm -rf "$venv"
"$python" -m venv "$venv"
# --no-deps: the file names every package; one that it forgets must fail here, not come in unpinned.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$requirements"
"$venv/bin/python" -m pip check
printf '%s\n' "$want" > "$stamp"
