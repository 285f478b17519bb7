#!/usr/bin/env bash
# Counts the instructions of the hot path's pieces under valgrind and holds them against bench/instructions.txt.
#
#   scripts/instructions.sh           compare; more than 3 % above the baseline is a failure, more than 3 % below asks for a new one
#   scripts/instructions.sh --write   write the baseline
#
# Counts belong to a compiler, a C library, a valgrind and what that says the processor can do; all four are in the baseline, and where one
# is another nothing is compared. (valgrind shows every processor with AVX2 as the same one.) Without valgrind, and where it can't be
# installed, nothing is counted, which is no failure.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly baseline=bench/instructions.txt percent=3
# How many times each is done.
readonly pieces=(request:1000 request_modern:1000 answer:1000 answer_34k:100 lines:1000 scrub:1000 scrub_34k:100 bearer:1000 call:1000)

if ! command -v valgrind >/dev/null; then
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        echo "installing: valgrind" >&2
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valgrind; } >/dev/null || true
    fi
    if ! command -v valgrind >/dev/null; then
        echo "instructions: skipped: there is no valgrind here"
        exit 0
    fi
fi

# comparable NAME VALUE: whether the baseline has the same
comparable() {
    [[ $mode == write ]] && return
    local there
    there=$(sed -n "s/^$1: //p" "$baseline" 2>/dev/null || true)
    [[ $there == "$2" ]] && return
    echo "instructions: not compared: $baseline has $1 \"$there\" and this machine \"$2\"; make instructions WRITE=1 writes it for this one"
    return 1
}

mode=compare
[[ ${1:-} == --write ]] && mode=write
readonly mode
compiler="$(rustc --version | cut -d ' ' -f 1,2) $(uname -m)"
library=$(getconf GNU_LIBC_VERSION 2>/dev/null || echo unknown)
valgrind=$(valgrind --version)
# Known before anything is built.
comparable compiler "$compiler" && comparable library "$library" && comparable valgrind "$valgrind" || exit 0

readonly target="$PWD/target/pieces"
cargo build --quiet --locked --release --manifest-path bench/pieces/Cargo.toml --target-dir "$target"
readonly program="$target/release/pieces"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# under TOOL…: runs the program in an empty environment; what goes wrong is said
under() {
    env -i valgrind "$@" 2>"$scratch/log" || {
        cat "$scratch/log" >&2
        exit 1
    }
}
processor=$(under --tool=none "$program" processor)
comparable processor "$processor" || exit 0

# count PIECE TIMES: instructions of one time
count() {
    under --tool=callgrind --toggle-collect='pieces::counted*' --callgrind-out-file="$scratch/out" "$program" "$1" "$2" >/dev/null
    local all
    all=$(sed -nE 's/^(summary|totals): ([0-9]+).*/\2/p' "$scratch/out" | head -n 1)
    [[ ${all:-0} -gt $2 ]] || {
        echo "instructions: nothing was counted of $1" >&2
        exit 1
    }
    echo $((all / $2))
}

counted="compiler: $compiler"$'\n'"library: $library"$'\n'"valgrind: $valgrind"$'\n'"processor: $processor"$'\n'
failed=0
printf '%-16s %12s %12s %8s\n' piece baseline now change
for one in "${pieces[@]}"; do
    piece=${one%:*}
    now=$(count "$piece" "${one#*:}")
    counted+="$piece: $now"$'\n'
    before=$(sed -n "s/^$piece: //p" "$baseline" 2>/dev/null || true)
    if [[ -z $before ]]; then
        printf '%-16s %12s %12s\n' "$piece" - "$now"
        # A piece without a baseline would never be compared.
        [[ $mode == write ]] || failed=1
        continue
    fi
    change=$(awk -v now="$now" -v before="$before" 'BEGIN { printf "%+.2f", (now - before) * 100 / before }')
    word=''
    if awk -v change="$change" -v percent="$percent" 'BEGIN { exit !(change > percent) }'; then
        word=' too many'
        failed=1
    elif awk -v change="$change" -v percent="$percent" 'BEGIN { exit !(change < -percent) }'; then
        word=' fewer: write the baseline anew (make instructions WRITE=1)'
    fi
    printf '%-16s %12s %12s %7s%%%s\n' "$piece" "$before" "$now" "$change" "$word"
done
if [[ $mode == write ]]; then
    printf '%s' "$counted" >"$baseline"
    exit 0
fi
if [[ $failed == 1 ]]; then
    echo "instructions: a call costs over $percent % more than before, or a piece has no baseline; find out why, or write the baseline anew and say why in the commit" >&2
    exit 1
fi
