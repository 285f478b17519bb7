#!/usr/bin/env bash
# Installs the real MCP clients of the end-to-end tests, pinned: those of npm into tests/clients/node_modules, those of PyPI into
# .clients/python, the Rust SDK's into .clients/rmcp (all ignored by git).
#
# Prints one line per client: ready, or why it is skipped. Writes the same to .clients/clients.json for the tests:
#   {"clients":[{"name","command"}],"skipped":[{"name","reason"}],"browser"}
# `browser` is the program that stands in for the desktop's. A client that cannot be installed is no failure.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly dir="$PWD/.clients" sources="$PWD/tests/clients"
readonly npm_clients=(ts-v1 ts-v2 mcp-remote inspector) python_clients=(python_mcp fastmcp)
# Seconds: for one npm or pip, and for one build of the Rust client.
readonly seconds=300 build_seconds=900

mkdir -p "$dir"
exec 9>"$dir/lock"
if command -v flock >/dev/null; then flock 9; fi

clients='' skipped='' node='' problem=''

# json TEXT: the text as a JSON string; control characters become spaces
json() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "${text//[[:cntrl:]]/ }"
}

# ready NAME COMMAND...
ready() {
    local name=$1 command='' word
    shift
    for word in "$@"; do command+="${command:+,}$(json "$word")"; done
    echo "$name: ready"
    clients+="${clients:+,
    }{\"name\":$(json "$name"),\"command\":[$command]}"
}

# skip REASON NAME...
skip() {
    local reason=$1 name
    shift
    for name in "$@"; do
        echo "$name: skipped: $reason"
        skipped+="${skipped:+,
    }{\"name\":$(json "$name"),\"reason\":$(json "$reason")}"
    done
}

# logged LOG COMMAND...: runs it with its stderr kept; on failure `problem` is the last thing it said
logged() {
    local log="$dir/$1.log" status=0
    shift
    "$@" 2>"$log" </dev/null || status=$?
    if [[ $status == 0 ]]; then return 0; fi
    problem=$(grep -v '^[[:space:]]*$' "$log" | tail -n 1 | cut -c 1-300 || true)
    if [[ $status == 124 ]]; then problem="not done in time"; fi
    problem=${problem:-status $status}
    return 1
}

find_node() { logged node scripts/node.sh 9>&- >"$dir/node.path" && node=$(<"$dir/node.path"); }

install_npm_clients() {
    local client
    if ! find_node; then
        skip "$problem" "${npm_clients[@]}"
        return
    fi
    if ! cmp -s "$sources/package-lock.json" "$dir/package-lock.installed" || [[ ! -d $sources/node_modules ]]; then
        # Nothing here has to be compiled or fetched at installation.
        if ! logged npm timeout "$seconds" npm ci --prefix "$sources" --ignore-scripts --no-audit --no-fund --loglevel error >/dev/null; then
            skip "npm ci failed: $problem" "${npm_clients[@]}"
            return
        fi
        cp "$sources/package-lock.json" "$dir/package-lock.installed"
    fi
    for client in "${npm_clients[@]}"; do ready "$client" "$node" "$sources/$client.mjs"; done
}

install_python_clients() {
    local python client
    if ! logged python scripts/python.sh "$dir/python" "$sources/requirements.txt" 9>&- >"$dir/python.path"; then
        skip "$problem" "${python_clients[@]}"
        return
    fi
    python=$(<"$dir/python.path")
    for client in "${python_clients[@]}"; do ready "$client" "$python" "$sources/${client%_mcp}_client.py"; done
}

install_rmcp() {
    local program="$dir/rmcp/rmcp-client" stamp
    if ! command -v cargo >/dev/null; then
        skip "there is no cargo to build it" rmcp
        return
    fi
    stamp=$(cat "$sources/rmcp/Cargo.lock" "$sources/rmcp/Cargo.toml" "$sources/rmcp/src/main.rs" | sha256sum)
    if [[ ! -x $program || $stamp != "$(cat "$dir/rmcp/stamp" 2>/dev/null)" ]]; then
        echo "rmcp: building, which takes some minutes" >&2
        mkdir -p "$dir/rmcp"
        if ! logged rmcp timeout "$build_seconds" cargo build --quiet --locked --manifest-path "$sources/rmcp/Cargo.toml" --target-dir "$dir/rmcp/target"; then
            skip "cargo build failed: $problem" rmcp
            return
        fi
        mv "$dir/rmcp/target/debug/rmcp-client" "$program"
        rm -rf "$dir/rmcp/target"
        echo "$stamp" >"$dir/rmcp/stamp"
    fi
    ready rmcp "$program"
}

install_npm_clients
install_python_clients
if [[ -n $node ]]; then
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$node" "$sources/open-browser.mjs" >"$dir/open-browser"
    chmod +x "$dir/open-browser"
    install_rmcp
else
    skip "the browser that it opens needs node: $problem" rmcp
fi

cat >"$dir/clients.json.new" <<JSON
{
  "clients": [
    $clients
  ],
  "skipped": [
    $skipped
  ],
  "browser": $(json "$dir/open-browser")
}
JSON
mv "$dir/clients.json.new" "$dir/clients.json"
