#!/bin/sh
# schemathesis [SECONDS]: holds the release server against its own OpenAPI document for so many seconds (60), with the
# Schemathesis of this version: no answer of 5xx, and none that the document does not have.
#
# Schemathesis comes from PyPI, once, into a folder of its own below the target folder.
set -eu
cd "$(dirname "$0")/.."

version=4.32.5
seconds=${1:-60}
case $seconds in
    '' | *[!0-9]*) echo "usage: schemathesis [SECONDS]" >&2; exit 2 ;;
esac
target=${CARGO_TARGET_DIR:-$(pwd)/target}
server=${SERVER_BINARY:-$target/release/server}
tools=$target/tools/schemathesis
program=$tools/bin/schemathesis

fail() {
    echo "schemathesis: $*" >&2
    exit 1
}

[ -x "$server" ] || fail "$server is missing: cargo build --release -p server"
case $("$program" --version 2>/dev/null) in
    *" $version") ;;
    *)
        python3 -c 'import ensurepip, venv' 2>/dev/null || fail "Python with venv is missing: apt-get install python3-venv"
        echo "schemathesis: installing $version from PyPI" >&2
        rm -rf "$tools"
        python3 -m venv "$tools"
        "$tools/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
        ;;
esac

folder=$(mktemp -d)
running=
stop() {
    [ -z "$running" ] || { kill "$running" 2>/dev/null && wait "$running" 2>/dev/null; } || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

INBOUND_KEY=inbound-key-of-the-run-with-schemathesis
OPERATOR_TOKEN=operator-token-of-the-run-with-schemathesis
export INBOUND_KEY OPERATOR_TOKEN

# Nobody keeps a port free for us, so where another program was faster we take another. The server reads a .env of its
# folder; there is none in this one.
for try in 1 2 3 4 5 6 7 8; do
    port=$((20000 + ($(od -An -N2 -tu2 /dev/urandom) + try) % 10000))
    (
        cd "$folder"
        exec env -i PATH="$PATH" HOST=127.0.0.1 PORT=$port DATABASE_URL=sqlite://tickets.db RATE_LIMITS=off \
            RAILWAY_INBOUND_SECRET=$INBOUND_KEY OPERATOR_TOKEN=$OPERATOR_TOKEN RUST_LOG=warn LOG_FORMAT=json "$server"
    ) >"$folder/server.log" 2>&1 &
    running=$!
    for _ in $(seq 1 100); do
        ! curl -fs "http://127.0.0.1:$port/health/ready" >/dev/null 2>&1 || break 2
        kill -0 "$running" 2>/dev/null || break
        sleep 0.1
    done
    kill "$running" 2>/dev/null || true
    running=
done
[ -n "$running" ] || fail "the server did not start: $(tail -n 3 "$folder/server.log")"

# Its hypotheses are drawn anew on each run, but on a build server, where a change is judged by the same ones as the change
# before it. What failed is shown with a request that can be repeated.
log=$folder/schemathesis.log
code=0
(
    cd "$folder"
    export PYTHONPATH="$OLDPWD/tests" PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=schemathesis_hooks
    "$program" --config-file "$OLDPWD/tests/schemathesis.toml" --no-color run "http://127.0.0.1:$port/api/openapi.json" \
        --max-time "$seconds" --generation-database none --seed 8 --continue-on-failure --warnings off ${CI:+--seed 1}
) >"$log" 2>&1 || code=$?
kill -0 "$running" 2>/dev/null || fail "the server ended: $(tail -n 5 "$folder/server.log")"
if [ "$code" -ne 0 ]; then
    cat "$log" >&2
    exit "$code"
fi
cases=$(sed -n 's/^ *\([0-9]*\) generated.*/\1/p' "$log")
echo "schemathesis: nothing found by ${cases:-?} requests in $seconds s"
