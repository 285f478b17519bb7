#!/usr/bin/env bash
# Installs what building and testing need and this machine lacks. Says one line per thing it installs, nothing if all is there.
#
# PREPARE_PROXIES=1  also the reverse proxies that the tests of deploy/ run; without them those tests are skipped. Not by default,
#                    because their packages start a web server.
set -euo pipefail

MINIMUM_RUST=1.95

missing=()
need() { # need COMMAND PACKAGE...
  local command=$1
  shift
  command -v "$command" >/dev/null 2>&1 || missing+=("$@")
}

need cc build-essential
need make make
need git git
need curl curl
need node nodejs
need npm npm
need python3 python3
if ! python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then missing+=(python3-venv); fi
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
# The tests start servers of their own with these; nothing is asked of one that the package starts.
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
[ -x /usr/sbin/pgbouncer ] || need pgbouncer pgbouncer
if [ "${PREPARE_PROXIES:-}" = 1 ]; then
  need caddy caddy
  [ -x /usr/sbin/nginx ] || need nginx nginx
  need openssl openssl
fi

if [ "${#missing[@]}" -gt 0 ]; then
  echo "installing: ${missing[*]}" >&2
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "this machine has no apt-get; install these by hand and try again: ${missing[*]}" >&2
    exit 1
  fi
  run=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
      echo "not root and no sudo; install these by hand and try again: ${missing[*]}" >&2
      exit 1
    }
    run=(sudo)
  fi
  "${run[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! command -v cargo >/dev/null 2>&1; then
  if apt-cache policy rustup 2>/dev/null | grep -q 'Candidate: [0-9]'; then
    echo "installing: rustup" >&2
    if [ "$(id -u)" -eq 0 ]; then apt-get install -y -qq rustup >/dev/null; else sudo apt-get install -y -qq rustup >/dev/null; fi
    rustup default stable >/dev/null
  else
    echo "Rust is missing: install $MINIMUM_RUST or newer with rustup (https://rustup.rs) and try again" >&2
    exit 1
  fi
fi
have=$(cargo --version | sed -E 's/cargo ([0-9]+\.[0-9]+).*/\1/')
if [ "$(printf '%s\n%s\n' "$MINIMUM_RUST" "$have" | sort -V | head -n 1)" != "$MINIMUM_RUST" ]; then
  echo "Rust $have is too old: run \`rustup update stable\` to get $MINIMUM_RUST or newer" >&2
  exit 1
fi
