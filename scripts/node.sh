#!/usr/bin/env bash
# scripts/node.sh DIR
# Installs the Node packages of DIR/package-lock.json in DIR/node_modules, including Node itself (npm package `node`).
# Does nothing if they are installed: the stamp has the hash of both files.
set -euo pipefail
cd "$(dirname "$0")/../$1"
stamp=node_modules/.stamp
want=$(cat package.json package-lock.json | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then exit 0; fi
echo "installing $1/package-lock.json"
npm ci --no-audit --no-fund --loglevel=error
node_modules/.bin/node --version > /dev/null
printf '%s\n' "$want" > "$stamp"
