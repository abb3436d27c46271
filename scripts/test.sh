#!/usr/bin/env bash
# The whole of `make test`: setup, static checks, every Rust test, the decoders against kept and changed inputs
# (fuzz/), the foreign judges.
# Each phase runs even when an earlier one failed. The last line is the tally, alone: `N passed, M failed, K skipped`.
# The same line is left in target/test/tally, what each phase said in target/test/PHASE.log.
set -u
cd "$(dirname "$0")/.." || exit 1
PATH=$PATH:$HOME/.cargo/bin:/usr/local/go/bin:/usr/sbin
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
logs=$target/test
mkdir -p "$logs" && rm -f "$logs"/*
passed=0 failed=0 skipped=0

# phase NAME COMMAND...: runs it, keeps what it said, and hands its exit code on
phase() {
  local name=$1 started=$SECONDS status
  shift
  printf '\n== %s\n' "$name"
  "$@" 2>&1 | tee "$logs/$name.log"
  status=${PIPESTATUS[0]}
  printf '== %s: %d s, exit code %d\n' "$name" "$((SECONDS - started))" "$status"
  return "$status"
}

# count LOG STATUS: adds the verdicts of a log. A phase that failed without naming a failed check counts as one.
count() {
  local p f s
  read -r p f s < <(awk '
    /^test result: / { for (i = 1; i < NF; i++) {
      if ($(i + 1) ~ /^passed/) p += $i
      if ($(i + 1) ~ /^failed/) f += $i
      if ($(i + 1) ~ /^ignored/) s += $i } }
    /^ok [^ ]+\/[^ ]+/ { p++ }
    /^FAIL [^ ]+\/[^ ]+/ { f++ }
    /^skip [^ ]+\/[^ ]+/ { s++ }
    END { print p + 0, f + 0, s + 0 }' "$1")
  [ "$2" != 0 ] && [ "$f" = 0 ] && f=1
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# What is built is linted on the way. A warning fails the run and stops nothing.
build() {
  cargo test --profile ci --workspace --no-run || return 1
  if grep -q '^warning' "$logs/build.log"; then echo "FAIL check/clippy: see above"; return 1; fi
  echo "ok check/clippy"
}

phase setup scripts/setup.sh test
setup=$?
if [ "$setup" != 0 ]; then
  count "$logs/setup.log" "$setup"
else
  # clippy's compiler lints what it compiles: `cargo clippy` beside the build would read everything a second time.
  export RUSTC_WORKSPACE_WRAPPER=clippy-driver
  phase check scripts/check.sh without-lints
  count "$logs/check.log" $?
  phase build build
  count "$logs/build.log" $?
  # A test that hangs fails, and its log names it. Properties draw the same inputs each time: what is wrong is wrong for everybody
  # who runs this; PROPTEST_RNG_SEED=NUMBER draws others.
  export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-1}"
  phase tests timeout -k 30 2700 cargo test --profile ci --workspace --no-fail-fast
  count "$logs/tests.log" $?
  phase fuzz timeout -k 30 1200 cargo test --manifest-path fuzz/Cargo.toml --target-dir "$target" --profile ci --no-fail-fast
  count "$logs/fuzz.log" $?
  # The tests of apps/neweid have built the program, with the features of the whole workspace: building it once more by
  # itself would compile half of its dependencies again.
  if [ -x "$target/ci/neweid" ]; then
    phase conformance conformance/run "$target/ci/neweid"
    count "$logs/conformance.log" $?
  else
    echo "FAIL conformance/program target/ci/neweid was not built"
    failed=$((failed + 1))
  fi
fi

printf '\n'
grep -hE '^(FAIL |test .* \.\.\. FAILED$|error(\[|:))' "$logs"/*.log | sort -u | head -n 40
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped" | tee "$logs/tally"
[ "$failed" = 0 ]
