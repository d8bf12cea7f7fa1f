#!/usr/bin/env bash
# The measured policy: a key with a provider, and a second one as fallback. With `governed`, also limits that a request
# counts against: money of a key, of its team and its company, tokens and requests over time.
#
# bench/policy.sh ADDRESS [governed]
set -euo pipefail
provider() {
    cat << END
{ "namespace": "default", "name": "$1", "type": "OpenAICompatible", "endpoint": "http://$2/v1",
  "models": [{ "name": "bench-1" }], "defaultPrice": { "input": 1000000000, "output": 10000000000 },
  "credentials": [{ "name": "main", "weight": 1,
                    "secret": { "namespace": "default", "name": "main", "key": "apiKey" } }] }
END
}
entry() {
    echo "{ \"name\": \"$1\", \"provider\": { \"namespace\": \"default\", \"name\": \"$1\" }, \"weight\": $2 }"
}
limits() {
    [ "${1:-}" = governed ] || return 0
    cat << END
             "budgets": [{ "namespace": "default", "name": "team" }],
             "limits": {
               "budgets": [{ "name": "month", "max": 1000000000000000, "window": $month }],
               "tokens": [{ "name": "hour", "max": 1000000000000000, "window": { "rolling": { "ms": 3600000 } } }],
               "requests": [{ "name": "hour", "max": 1000000000000000, "window": { "rolling": { "ms": 3600000 } } }] },
END
}
budgets() {
    [ "${1:-}" = governed ] || return 0
    local budget='"namespace": "default", "unit": "Money", "max": 1000000000000000, "window": '$month
    echo "\"budgets\": [{ $budget, \"name\": \"company\" },"
    echo "  { $budget, \"name\": \"team\", \"parent\": { \"namespace\": \"default\", \"name\": \"company\" } }],"
}
month='{ "calendar": { "unit": "Month", "zone": "Europe/Paris", "anchor": 1 } }'
cat << END
{ "format": 1, "sequence": 1, "defaultKey": "default/app", $(budgets "${2:-}")
  "providers": [$(provider first "$1"), $(provider second "$1")],
  "keys": [{ "namespace": "default", "name": "app", "extraFields": true, $(limits "${2:-}")
             "providers": [$(entry first 1), $(entry second 0)] }] }
END
