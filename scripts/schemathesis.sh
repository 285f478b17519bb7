#!/usr/bin/env bash
# Throws generated requests at the OAuth endpoints of a running broker: scripts/schemathesis.sh [EXAMPLES].
# Nothing may be answered with a 5xx, nor with what tests/schemathesis/openapi.json does not say.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly examples=${1:-200} dir="$PWD/.clients/schemathesis"
readonly program=$dir/bin/schemathesis
if ! cmp -s tests/schemathesis/requirements.txt "$dir/installed"; then
    rm -rf "$dir"
    python3 -m venv "$dir"
    "$dir/bin/pip" install --quiet --disable-pip-version-check -r tests/schemathesis/requirements.txt
    cp tests/schemathesis/requirements.txt "$dir/installed"
fi
cargo build --quiet --bins

state=$(mktemp -d)
readonly state port=18471 sim_port=18472
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$state"' EXIT
target/debug/forgejo-sim --json --listen "127.0.0.1:$sim_port" \
    --oauth-app-redirect "http://127.0.0.1:$port/oauth/callback" >"$state/sim.json" &
pids+=($!)
until [ -s "$state/sim.json" ]; do kill -0 "${pids[0]}"; sleep 0.1; done
member() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$state/sim.json" "$1"; }

export FJMCP_BROKER_PUBLIC_URL=http://127.0.0.1:$port FJMCP_BROKER_LISTEN=127.0.0.1:$port
export FJMCP_BROKER_FORGEJO_URL=http://127.0.0.1:$sim_port
FJMCP_BROKER_FORGEJO_OAUTH_CLIENT_ID=$(member client_id)
FJMCP_BROKER_FORGEJO_OAUTH_CLIENT_SECRET=$(member client_secret)
export FJMCP_BROKER_FORGEJO_OAUTH_CLIENT_ID FJMCP_BROKER_FORGEJO_OAUTH_CLIENT_SECRET
export FJMCP_BROKER_STORE_PATH=$state/broker.db FJMCP_BROKER_EPHEMERAL_KEY=true
export FJMCP_BROKER_WORKER_COMMAND=$PWD/target/debug/fixture-child FJMCP_BROKER_WORKER_ARGS="--habits 2.34.1"
# What is looked for is answers to odd requests, not to many.
for limit in REGISTER AUTHORIZE TOKEN; do export FJMCP_BROKER_RATE_LIMIT_$limit=off; done
# Names of generated metadata documents lead nowhere.
export FJMCP_BROKER_CLIENT_METADATA_DOCUMENTS=false
target/debug/fjmcp-broker serve 2>"$state/broker.log" &
pids+=($!)
until target/debug/fjmcp-broker healthcheck >/dev/null 2>&1; do
    kill -0 "${pids[1]}" || { cat "$state/broker.log"; exit 1; }
    sleep 0.2
done

status=0
"$program" --no-color run tests/schemathesis/openapi.json --url "http://127.0.0.1:$port" --workers 1 \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
    --phases examples,coverage,fuzzing --max-examples "$examples" --generation-database none --suppress-health-check all \
    --request-timeout 30 || status=$?
kill -0 "${pids[1]}" || { echo "the broker has ended"; tail "$state/broker.log"; status=1; }
if grep -q '"panic"' "$state/broker.log"; then
    grep '"panic"' "$state/broker.log" | head
    status=1
fi
exit "$status"
