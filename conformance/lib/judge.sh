# shellcheck shell=bash
# What every judge's `run` begins with. The runner exports:
#   NEWEID  the program     COUNTRY its directory     ROOT  the repository     OUT  target/conformance
#   WORK    this run's files   PKI  `neweid pki export`   CARDS `neweid card list --json`   ENDPOINTS endpoints.json
#   READERS "yes" where pcscd with vpcd is up
set -u
JUDGE=$(basename "$(dirname "$(realpath "$0")")")
MINE=$WORK/$JUDGE
mkdir -p "$MINE"
STATUS=0

# check NAME COMMAND...: passes when the command succeeds; what it said is kept in $WORK/JUDGE/NAME.log
check() {
  local name=$1 log
  shift
  log=$MINE/$name.log
  if ("$@") >"$log" 2>&1; then
    echo "ok $JUDGE/$name"
  else
    STATUS=1
    echo "FAIL $JUDGE/$name $(grep -v '^[[:space:]]*$' "$log" | tail -n 1 | cut -c1-200) (see $log)"
  fi
}

skip() { echo "skip $JUDGE/$1 $2"; }

# need PROGRAM PACKAGE: leaves the judge with a skip where the program is not installed
need() {
  command -v "$1" >/dev/null 2>&1 && return 0
  skip all "$1 is not installed (Debian package $2)"
  exit 0
}

# need_readers: leaves the judge with a skip where no virtual reader is up
need_readers() {
  [ "$READERS" = yes ] && return 0
  skip all "$READERS"
  exit 0
}

# said TEXT COMMAND...: the command's output contains the text, whatever its exit code
said() {
  local text=$1 output
  shift
  output=$("$@" 2>&1)
  printf '%s\n' "$output"
  grep -qF -- "$text" <<<"$output" || { echo "expected: $text"; return 1; }
}

# fails COMMAND...: the command must fail; a judge that cannot say no is no judge
fails() { if "$@"; then echo "succeeded, but must fail: $*"; return 1; fi; }

# card FIELD... [KEY=VALUE...]: the fields of the first sample card that matches, one per line
card() { python3 "$ROOT/conformance/lib/card.py" "$CARDS" "$@"; }

# citizen: the signing certificate of a card that no judge's journey touches. (The console's judge suspends one by an incident; numbers
# are drawn at random, so that "the first" is now and then that one.)
citizen() { printf '%s/sample-citizen-%s-sign.pem\n' "$PKI" "$(card serial persona=active_national state=active)"; }

# endpoint NAME
endpoint() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$ENDPOINTS" "$1"; }

# refused TEXT COMMAND...: the command must fail, and for the reason that the text names
refused() {
  local text=$1 output status
  shift
  output=$("$@" 2>&1)
  status=$?
  printf '%s\n' "$output"
  [ "$status" != 0 ] || { echo "succeeded, but must fail: $*"; return 1; }
  grep -qF -- "$text" <<<"$output" || { echo "expected: $text"; return 1; }
}
