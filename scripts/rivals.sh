#!/usr/bin/env bash
# Installs the bridges that `make bench` compares with into .bench (ignored by git), and writes .bench/rivals.json:
#   {"present":{NAME:PATH},"absent":{NAME:REASON},"versions":{NAME:VERSION}}
# A bridge that cannot be installed is named with the reason; that is no failure.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly dir="$PWD/.bench" rust_version=0.6.0 rust_seconds=3000 package_seconds=300
mkdir -p "$dir"
exec 9>"$dir/lock"
if command -v flock >/dev/null; then flock 9; fi

present='' absent=''
quoted() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "${text//[[:cntrl:]]/ }"
}
take() { present+="${present:+, }$(quoted "$1"): $(quoted "$2")" && echo "$1: $2"; }
skip() { absent+="${absent:+, }$(quoted "$1"): $(quoted "$2")" && echo "$1: absent: $2"; }
# said LOG: the last line that says something
said() { grep -v '^[[:space:]]*$' "$1" | tail -n 1 | cut -c 1-200 || true; }

# starts COMMAND…: whether it can tell its version, or how it is used
starts() { timeout 30 "$@" >/dev/null 2>&1 </dev/null 9>&-; }

rust() {
    local root="$dir/rust-mcp-proxy" log="$dir/rust-mcp-proxy.log"
    if ! grep -qs "\"mcp-proxy $rust_version " "$root/.crates.toml" || ! starts "$root/bin/mcp-proxy" --help; then
        echo "Rust mcp-proxy $rust_version: building, which takes some minutes" >&2
        if ! CARGO_TARGET_DIR="$dir/build" timeout "$rust_seconds" cargo install --quiet --locked --force --version "$rust_version" --root "$root" mcp-proxy \
            >"$log" 2>&1 </dev/null; then
            skip rust-mcp-proxy "cargo install mcp-proxy $rust_version failed: $(said "$log")"
            return
        fi
        rm -rf "$dir/build"
    fi
    take rust-mcp-proxy "$root/bin/mcp-proxy"
}

node() {
    local root="$dir/npm" log="$dir/npm.log" name node
    if ! node=$(scripts/node.sh 2>"$log" 9>&-); then
        for name in supergateway npm-mcp-proxy node-broker; do skip "$name" "$(said "$log")"; done
        return
    fi
    if ! cmp -s bench/rivals/package-lock.json "$root/installed.json" || ! starts "$node" "$root/node_modules/supergateway/dist/index.js" --help ||
        ! starts "$node" "$root/node_modules/mcp-proxy/dist/bin/mcp-proxy.mjs" --help; then
        mkdir -p "$root"
        cp bench/rivals/package.json bench/rivals/package-lock.json "$root/"
        if ! timeout "$package_seconds" npm ci --prefix "$root" --ignore-scripts --no-audit --no-fund --loglevel error >"$log" 2>&1 </dev/null; then
            for name in supergateway npm-mcp-proxy node-broker; do skip "$name" "npm ci failed: $(said "$log")"; done
            return
        fi
        cp "$root/package-lock.json" "$root/installed.json"
    fi
    cp bench/rivals/node-broker.mjs "$root/"
    take node "$node"
    take supergateway "$root/node_modules/supergateway/dist/index.js"
    take npm-mcp-proxy "$root/node_modules/mcp-proxy/dist/bin/mcp-proxy.mjs"
    take node-broker "$root/node-broker.mjs"
}

python() {
    local root="$dir/python" log="$dir/python.log"
    # Whatever broke it is mended by making it anew.
    starts "$root/bin/mcp-proxy" --version || rm -rf "$root"
    if ! scripts/python.sh "$root" bench/rivals/requirements.txt >/dev/null 2>"$log" 9>&-; then
        skip python-mcp-proxy "$(said "$log")"
        return
    fi
    if ! starts "$root/bin/mcp-proxy" --version; then
        skip python-mcp-proxy "$root/bin/mcp-proxy does not start"
        return
    fi
    take python-mcp-proxy "$root/bin/mcp-proxy"
}

proxy() {
    local nginx
    if nginx=$(PATH="$PATH:/usr/sbin" command -v nginx); then take nginx "$nginx"; else skip nginx "not installed (PREPARE_PROXIES=1 scripts/prepare.sh does)"; fi
}

rust
node
python
proxy
printf '{"present": {%s}, "absent": {%s}}\n' "$present" "$absent" >"$dir/rivals.json"
