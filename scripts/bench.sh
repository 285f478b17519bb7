#!/usr/bin/env bash
# Builds what a benchmark needs and runs `bench` with the given arguments: scripts/bench.sh run|soak|report ...
set -euo pipefail
cd "$(dirname "$0")/.."

readonly target="${CARGO_TARGET_DIR:-$PWD/target}"
cargo build --quiet --release --bin fjmcp-broker --bin bench --bin bench-echo
E2E_PROGRAMS="$target/release" exec "$target/release/bench" "$@"
