#!/usr/bin/env bash
# cargo deny: licences, banned crates and sources; advisories where their database can be reached.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.20.2
tools=.children/tools
deny=$tools/bin/cargo-deny
if ! "$deny" --version 2>/dev/null | grep -q "$VERSION"; then
  deny=$(command -v cargo-deny || true)
fi
if [ -z "$deny" ]; then
  echo "installing: cargo-deny $VERSION" >&2
  CARGO_TARGET_DIR=$tools/target cargo install cargo-deny --version "$VERSION" --locked --debug --quiet --root "$tools"
  rm -rf "$tools/target"
  deny=$tools/bin/cargo-deny
fi
"$deny" --log-level error check bans licenses sources
if ! output=$("$deny" --log-level error check advisories 2>&1); then
  if grep -qE 'failed to fetch|unable to fetch|failed to clone|could not fetch' <<<"$output"; then
    echo "advisories: skipped, the advisory database cannot be reached from here"
  else
    echo "$output"
    exit 1
  fi
fi
