#!/usr/bin/env bash
# Makes a Python environment with pinned packages, unless it is there already, and prints the path of its interpreter. One that was moved
# is made anew: its programs name the interpreter by its path.
#
#   scripts/python.sh FOLDER REQUIREMENTS
#
# As root on Debian, a missing python3-venv is installed. Where it cannot be done, the last line of stderr says why.
set -euo pipefail

readonly dir=$1 requirements=$2 seconds=300
readonly python="$dir/bin/python"

# find_python: prints an interpreter of at least 3.10
find_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# in_place: whether its programs name the interpreter that is here
in_place() { head -n 3 "$dir/bin/pip" 2>/dev/null | grep -qF "$(realpath "$dir")/bin/python"; }

if cmp -s "$requirements" "$dir/installed.txt" && "$python" -c '' 2>/dev/null && in_place; then
    echo "$python"
    exit
fi
if ! found=$(find_python); then
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        echo "no Python of at least 3.10 with venv (on Debian: apt-get install python3-venv)" >&2
        exit 1
    fi
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3 python3-venv >&2
    found=$(find_python)
fi
rm -rf "$dir"
timeout "$seconds" "$found" -m venv "$dir" >&2 </dev/null
timeout "$seconds" "$python" -m pip install --quiet --disable-pip-version-check --timeout 30 --retries 3 -r "$requirements" >&2 </dev/null
cp "$requirements" "$dir/installed.txt"
echo "$python"
