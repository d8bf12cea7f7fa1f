#!/usr/bin/env bash
# scripts/node-packages.sh
# Installs the Debian packages for the tests' node, if they are missing. If that fails, it only reports it: the tests
# that need them then fail and name what is missing.
set -euo pipefail
missing=()
# A program of each package, and its path.
while read -r package program; do
    [ -e "$program" ] || command -v "$program" > /dev/null || missing+=("$package")
done <<LIST
containerd containerd
runc runc
containernetworking-plugins /usr/lib/cni/bridge
busybox-static busybox
nftables nft
iproute2 ip
conntrack conntrack
libfaketime /usr/lib/$(uname -m)-linux-gnu/faketime/libfaketime.so.1
LIST
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "the tests' node needs: ${missing[*]} (Debian's names; install them as root)" >&2
    exit 0
fi
echo "installing ${missing[*]}"
# Only the tests start containerd, with their own configuration. It must not run as a service of this machine.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 "${missing[@]}" > /dev/null
