#!/usr/bin/env bash
# scripts/venv.sh NAME REQUIREMENTS
# Creates a Python environment at .cache/venv/NAME with exactly the packages that REQUIREMENTS pins. Does nothing if it
# exists:
# the stamp has the hash of the requirements and of the interpreter.
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
# --no-deps, because the file lists every package. A missing one must fail here, and not be installed unpinned.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$requirements"
"$venv/bin/python" -m pip check
printf '%s\n' "$want" > "$stamp"
