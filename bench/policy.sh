#!/usr/bin/env bash
# The policy that is measured: a key with a provider, and a second one to fall back to. bench/policy.sh ADDRESS
set -euo pipefail
provider() {
    cat << END
{ "namespace": "default", "name": "$1", "type": "OpenAICompatible", "endpoint": "http://$2/v1",
  "credentials": [{ "name": "main", "weight": 1,
                    "secret": { "namespace": "default", "name": "main", "key": "apiKey" } }] }
END
}
entry() {
    echo "{ \"name\": \"$1\", \"provider\": { \"namespace\": \"default\", \"name\": \"$1\" }, \"weight\": $2 }"
}
cat << END
{ "format": 1, "sequence": 1, "defaultKey": "default/app",
  "providers": [$(provider first "$1"), $(provider second "$1")],
  "keys": [{ "namespace": "default", "name": "app", "extraFields": true,
             "providers": [$(entry first 1), $(entry second 0)] }] }
END
