#!/usr/bin/env bash
# Runs the tests of tests/browser in Debian's Chromium (CHROMIUM names another one). Screenshots are left in tests/browser/screenshots.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${CHROMIUM:-}" ] && ! command -v chromium >/dev/null 2>&1; then
  echo "installing: chromium" >&2
  run=()
  if [ "$(id -u)" -ne 0 ]; then run=(sudo); fi
  "${run[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi
export CHROMIUM=${CHROMIUM:-$(command -v chromium)}

if [ ! -e tests/browser/node_modules/.package-lock.json ] ||
  [ tests/browser/package-lock.json -nt tests/browser/node_modules/.package-lock.json ]; then
  (cd tests/browser && npm ci --silent)
fi
rm -rf tests/browser/screenshots
mkdir -p tests/browser/screenshots
"${CARGO:-cargo}" build --quiet --bins
"${CARGO:-cargo}" run --quiet -p e2e --bin browser
