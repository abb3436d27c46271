#!/usr/bin/env bash
# Everything that can be said about the sources without running them. All checks run even when one fails.
# Prints `ok NAME` or `FAIL NAME` per check; scripts/test.sh counts those lines. `without-lints` leaves clippy out.
set -u
cd "$(dirname "$0")/.." || exit 1
PATH=$PATH:$HOME/.cargo/bin
status=0

check() {
  local name=$1
  shift
  if "$@"; then echo "ok check/$name"; else echo "FAIL check/$name: $*"; status=1; fi
}

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
check fmt cargo fmt --all --check
check fuzz-fmt cargo fmt --manifest-path fuzz/Cargo.toml --check
# scripts/test.sh lints while it compiles.
if [ "${1:-}" != without-lints ]; then
  check clippy cargo clippy --quiet --profile ci --workspace --all-targets -- -D warnings
  check fuzz-clippy cargo clippy --quiet --manifest-path fuzz/Cargo.toml --target-dir "$target" --profile ci --all-targets -- -D warnings
fi
check deps cargo xtask check-deps
check trace cargo xtask trace --check
check links cargo xtask check-links
exit "$status"
