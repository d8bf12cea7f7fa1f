# Sourced by the counting scripts: an upstream, two policies, and a gateway under valgrind. The caller sets `tools` (a
# folder with `upstream` and `load`) and `sidecar`.
few=${FEW:-100} many=${MANY:-600}
work=$(mktemp -d)
started=()
finish() {
    for pid in "${started[@]}"; do kill "$pid" 2> /dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

"$tools/upstream" --every 0 > "$work/upstream" &
started+=($!)
until [ -s "$work/upstream" ]; do sleep 0.05; done
upstream=$(cat "$work/upstream")
mkdir "$work/policy"
bench/policy.sh "$upstream" > "$work/policy/policy.v1.json"
# As long as a real key: a short value would be searched in headers that no real one fits into.
printf sk-bench-0123456789abcdefghijklmnopqrstuvwxyz01234567 > "$work/policy/default_main_apiKey"
cp -r "$work/policy" "$work/governed"
bench/policy.sh "$upstream" governed > "$work/governed/policy.v1.json"
policy=policy

# count NAME REQUESTS OPTION...: runs the gateway under valgrind, whose output goes to $work/log.
count() {
    local name=$1 requests=$2 clients=127.0.0.1:$((30000 + RANDOM % 2000)) admin=127.0.0.1:$((32000 + RANDOM % 700)) pid
    shift 2
    valgrind "$@" --log-file="$work/log" "$sidecar" --policy "$work/$policy" --state "$work/state" --listen "$clients" --admin "$admin" \
        > /dev/null 2>&1 &
    pid=$!
    started+=("$pid")
    until (: < "/dev/tcp/${clients/://}") 2> /dev/null; do
        kill -0 "$pid" || { cat "$work/log" >&2; exit 1; }
        sleep 0.2
    done
    "$tools/load" --via "$clients" --send "$requests" --only "$name"
    kill "$pid"
    wait "$pid" || true
}
