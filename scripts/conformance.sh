#!/usr/bin/env bash
# Runs the public conformance suite, pinned, against the built broker, and the workers alone for comparison.
#
#   scripts/conformance.sh                  every run; prints the table
#   scripts/conformance.sh --write          and writes it to docs/conformance.md
#   scripts/conformance.sh --run legacy:2025-11-25    one run; see --help
#   scripts/conformance.sh --decide         the runs through the broker and the authorization server, as `make test` has them
#
# The suite goes into .clients/conformance (ignored by git).
set -euo pipefail
cd "$(dirname "$0")/.."

readonly dir="$PWD/.clients/conformance" sources="$PWD/tests/conformance"

mkdir -p "$dir"
exec 9>"$dir/lock"
if command -v flock >/dev/null; then flock 9; fi

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
node=$(scripts/node.sh 9>&-)

if [[ ${1:-} == --decide ]]; then
    shift
    set -- --run legacy:2025-11-25 --run legacy:2026-07-28 --run modern:2025-11-25 --run modern:2026-07-28 --run authorization "$@"
fi
# As `make test` builds them, so that nothing is built twice.
"${CARGO:-cargo}" build --quiet --workspace --bins 9>&-
exec "${CARGO_TARGET_DIR:-target}/debug/conformance" \
    --node "$node" --suite "$dir" --date "$(date -u +%F)" "$@" 9>&-
