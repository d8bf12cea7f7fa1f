#!/usr/bin/env bash
# scripts/chromium.sh
# Installs Debian's Chromium if it is missing. If that fails, it only reports it: the tests that need it then fail and
# name what is missing. CHROMIUM names another browser.
set -euo pipefail
[ -z "${CHROMIUM:-}" ] || exit 0
! command -v chromium > /dev/null || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "the tests in a browser need Chromium (Debian's package chromium; install it as root, or name one in CHROMIUM)" >&2
    exit 0
fi
echo "installing chromium"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 chromium > /dev/null
