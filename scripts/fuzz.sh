#!/usr/bin/env bash
# fuzz.sh [SECONDS [TARGET]...]: feeds every decoder, SECONDS each (20), from the fixtures on.
# A TARGET is a platform's name, or another target of fuzz/ (numbers, …). Without one: all.
#
# libFuzzer comes with the crate libfuzzer-sys and is built by the C++ compiler; the coverage
# counters are the stable compiler's own. Nothing is installed.
#
# Exit code: 0 nothing found · 1 something found, or it does not build · 3 no C++ compiler
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../fuzz"

seconds="${1:-20}"
shift || true
command -v c++ >/dev/null || command -v g++ >/dev/null || {
  echo "fuzz: a C++ compiler is needed (apt-get install g++)" >&2
  exit 3
}

host="$(rustc -vV | sed -n 's/^host: //p')"
# With --target the flags reach our code and not the build scripts. What cargo-fuzz sets, less the
# sanitizer, which needs nightly and finds little in code without `unsafe`.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
# The versions are those of the workspace; what only fuzzing needs is added to the copy.
cp ../Cargo.lock Cargo.lock
cargo build --quiet --bins --target "$host"
bin="target/$host/debug"

# libFuzzer misses the sanitizer, in words, each time it starts.
ask() { FUZZ_ASK="$1" "$bin/decoders" 2> >(grep -v '^WARNING: Failed to find function' >&2); }
platforms="$(ask platforms)"
others="$(sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.toml | grep -vxE 'switchhook-fuzz|decoders')"
if [ $# = 0 ]; then
  # shellcheck disable=SC2086 # names are words
  set -- $platforms $others
fi

failed=0 passed=0
for target in "$@"; do
  name="$target" platform=""
  if grep -qx "$target" <<<"$platforms"; then name=decoders platform="$target"; fi
  corpus="corpus/$target" seeds="corpus/$target.seeds"
  mkdir -p "$corpus" "$seeds" found
  if [ "$target" = mappings ]; then cp ../mappings/*.toml "$seeds"; else ask "seeds $target $seeds"; fi
  printf '%-14s ' "$target"
  log="$(mktemp)"
  if FUZZ_PLATFORM="$platform" "$bin/$name" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 \
    -max_len=16384 -artifact_prefix="found/$target-" -print_final_stats=1 "$corpus" "$seeds" >"$log" 2>&1; then
    sed -n 's/^stat::number_of_executed_units: *\(.*\)/\1 runs, nothing found/p' "$log"
    passed=$((passed + 1))
  else
    echo "FOUND:"
    tail -n 40 "$log"
    failed=$((failed + 1))
  fi
  rm -f "$log"
done
echo "test result: $passed passed; $failed failed; 0 ignored"
[ "$failed" = 0 ]
