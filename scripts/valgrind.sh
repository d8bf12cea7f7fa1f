#!/usr/bin/env bash
# scripts/valgrind.sh
# Installs Debian's valgrind if it is missing. Fails with a message if that is not possible.
set -euo pipefail
! command -v valgrind > /dev/null || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "counting needs valgrind (Debian's package valgrind; install it as root)" >&2
    exit 1
fi
echo "installing valgrind"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 valgrind libc6-dbg > /dev/null
