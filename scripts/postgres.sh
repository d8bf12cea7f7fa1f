#!/usr/bin/env bash
# scripts/postgres.sh
# Installs Debian's PostgreSQL programs if they are missing; it starts no server. If that fails, it only reports it: the
# tests that need it then fail and name what is missing.
set -euo pipefail
! command -v initdb > /dev/null || exit 0
! compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "the tests of the ledger's stores need PostgreSQL (Debian's package postgresql; install it as root)" >&2
    exit 0
fi
echo "installing postgresql"
export DEBIAN_FRONTEND=noninteractive
# Otherwise the package would create a cluster and start it.
mkdir -p /etc/postgresql-common/createcluster.d
echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.d/outrigger.conf
apt-get update -qq
apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 postgresql > /dev/null
