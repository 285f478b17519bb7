#!/usr/bin/env bash
# Counts the instructions of the hot path's pieces under valgrind and holds them against bench/instructions.txt.
#
#   scripts/instructions.sh           compare; more than 3 % above the baseline is a failure, more than 3 % below asks for a new one
#   scripts/instructions.sh --write   write the baseline
#
# Counts belong to a compiler and a processor architecture, both of which are in the baseline; on another one nothing is compared.
# Without valgrind, and where it can't be installed, nothing is counted, which is no failure.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly baseline=bench/instructions.txt percent=3
readonly pieces=(request request_modern answer answer_34k lines scrub scrub_34k bearer call)
# Times of the two runs whose difference counts.
readonly few=200 many=1200

compiler="$(rustc --version | cut -d ' ' -f 1,2) $(uname -m)"
counted="compiler: $compiler"$'\n'
failed=0
# Known before anything is built.
if [[ ${1:-} != --write ]] && ! grep -qsxF "compiler: $compiler" "$baseline"; then
    echo "instructions: not compared: bench/instructions.txt is not of $compiler; make instructions WRITE=1 writes it"
    exit 0
fi

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

readonly target="$PWD/target/pieces"
cargo build --quiet --locked --release --manifest-path bench/pieces/Cargo.toml --target-dir "$target"
readonly program="$target/release/pieces"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# count PIECE TIMES: instructions of the whole run
count() {
    env -i GLIBC_TUNABLES=glibc.malloc.tcache_count=7 valgrind --tool=callgrind --callgrind-out-file="$scratch/out" "$program" "$1" "$2" >/dev/null 2>"$scratch/log" || {
        cat "$scratch/log" >&2
        exit 1
    }
    sed -nE 's/^(summary|totals): ([0-9]+).*/\2/p' "$scratch/out" | head -n 1
}

printf '%-16s %12s %12s %8s\n' piece baseline now change
for piece in "${pieces[@]}"; do
    first=$(count "$piece" "$few")
    now=$((($(count "$piece" "$many") - first) / (many - few)))
    counted+="$piece: $now"$'\n'
    before=$(sed -n "s/^$piece: //p" "$baseline" 2>/dev/null || true)
    if [[ -z $before ]]; then
        printf '%-16s %12s %12s\n' "$piece" - "$now"
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
if [[ ${1:-} == --write ]]; then
    printf '%s' "$counted" >"$baseline"
    exit 0
fi
if [[ $failed == 1 ]]; then
    echo "instructions: a call costs more than $percent % more than before; find out why, or write the baseline anew and say why in the commit" >&2
    exit 1
fi
