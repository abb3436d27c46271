#!/usr/bin/env bash
# Everything that can be said about the sources without running them. All checks run even when one fails.
# Prints `ok NAME` or `FAIL NAME` per check; scripts/test.sh counts those lines.
set -u
cd "$(dirname "$0")/.." || exit 1
PATH=$PATH:$HOME/.cargo/bin
status=0

check() {
  local name=$1
  shift
  if "$@"; then echo "ok check/$name"; else echo "FAIL check/$name: $*"; status=1; fi
}

check fmt cargo fmt --all --check
check clippy cargo clippy --quiet --profile ci --workspace --all-targets -- -D warnings
# fuzz/ is a workspace of its own; the same profile and target directory share what is built.
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
check fuzz-fmt cargo fmt --manifest-path fuzz/Cargo.toml --check
check fuzz-clippy cargo clippy --quiet --manifest-path fuzz/Cargo.toml --target-dir "$target" --profile ci --all-targets -- -D warnings
check deps cargo xtask check-deps
check trace cargo xtask trace --check
check links cargo xtask check-links
exit "$status"
