#!/usr/bin/env bash
# Runs every fuzz target for a while: scripts/fuzz.sh [SECONDS [TARGET...]]. Findings stay in fuzz/artifacts and fail the run.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
VERSION=0.13.2
tools=.children/tools
fuzz=$(command -v cargo-fuzz || true)
if ! "${fuzz:-false}" --version 2>/dev/null | grep -q "$VERSION"; then
  fuzz=$tools/bin/cargo-fuzz
fi
if ! "$fuzz" --version 2>/dev/null | grep -q "$VERSION"; then
  echo "installing: cargo-fuzz $VERSION" >&2
  CARGO_TARGET_DIR=$tools/target cargo install cargo-fuzz --version "$VERSION" --locked --debug --quiet --root "$tools"
  rm -rf "$tools/target"
fi
# The instrumentation is a nightly option of a compiler that is the same otherwise.
export RUSTC_BOOTSTRAP=1
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <("$fuzz" list)
"$fuzz" build
failed=()
for target in "${targets[@]}"; do
  # What is found beyond the seeds goes to a folder of its own, so that the seeds stay few.
  mkdir -p "fuzz/artifacts/$target" "fuzz/target/corpus/$target"
  log=fuzz/target/$target.log
  if "$fuzz" run "$target" "fuzz/target/corpus/$target" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 >"$log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "$target: ${runs:-?} runs, nothing found"
  else
    failed+=("$target")
    echo "$target: FAILED"
    tail -40 "$log"
  fi
done
echo "$((${#targets[@]} - ${#failed[@]})) passed, ${#failed[@]} failed"
[ "${#failed[@]}" -eq 0 ]
