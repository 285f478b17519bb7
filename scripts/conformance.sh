#!/usr/bin/env bash
# Runs the public conformance suite, pinned, against the built broker, and the workers alone for comparison.
#
#   scripts/conformance.sh                  every run; prints the table
#   scripts/conformance.sh --write          and writes it to docs/conformance.md
#   scripts/conformance.sh --run legacy:2025-11-25    one run; see --help
#
# The suite goes into .clients/conformance (ignored by git), with a node of its own if this machine's is older than 22.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly dir="$PWD/.clients/conformance" sources="$PWD/tests/conformance"
# Brings node's own binary; the suite needs fs.globSync.
readonly node_package=node@22.23.3

mkdir -p "$dir"
exec 9>"$dir/lock"
if command -v flock >/dev/null; then flock 9; fi

# fits NODE: whether it is at least version 22
fits() {
    "$1" -e 'process.exit(Number(process.versions.node.split(".")[0]) < 22 ? 1 : 0)' 2>/dev/null
}

# quietly COMMAND...: its output only if it fails
quietly() {
    local output
    if ! output=$("$@" 2>&1 </dev/null); then
        printf '%s\n' "$output" >&2
        return 1
    fi
}

if ! cmp -s "$sources/package-lock.json" "$dir/installed.json"; then
    cp "$sources/package.json" "$sources/package-lock.json" "$sources/.npmrc" "$dir/"
    (cd "$dir" && quietly npm ci --no-audit --no-fund)
    cp "$sources/package-lock.json" "$dir/installed.json"
fi
node=$(command -v node)
if ! fits "$node"; then
    node="$dir/node_modules/node/bin/node"
    if ! fits "$node"; then
        (cd "$dir" && quietly npm install --no-save --no-audit --no-fund "$node_package")
    fi
fi

exec "${CARGO:-cargo}" run --quiet -p e2e --bin conformance -- \
    --node "$node" --suite "$dir" --date "$(date -u +%F)" "$@" 9>&-
