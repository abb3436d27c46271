#!/usr/bin/env bash
# Installs what New eID needs on a Debian machine. Idempotent; returns at once when all is there.
#   scripts/setup.sh run     what building and running needs
#   scripts/setup.sh test    also the foreign programs that judge it (conformance/)
# As root it installs; as another user it prints the line that does and goes on if only judges are missing:
# a judge that is not there is skipped with its reason, never counted as passed.
set -u
cd "$(dirname "$0")/.." || exit 1
purpose=${1:-test}
case "$purpose" in run | test) ;; *) echo "usage: scripts/setup.sh [run|test]" >&2; exit 2 ;; esac

# Where Go and Rust land by their own installers.
PATH=$PATH:$HOME/.cargo/bin:/usr/local/go/bin:/usr/sbin
say() { printf 'setup: %s\n' "$*"; }
program() { command -v "$1" >/dev/null 2>&1; }
any() { local f; for f in "$@"; do [ -e "$f" ] && return 0; done; return 1; }

# Each line: probe | Debian package. A probe is a program's name, a pattern of files when it begins with a slash, a
# command to try when it begins with a question mark.
building=(
  'cc|build-essential'
  'pkg-config|pkg-config'
  '/usr/include/PCSC/winscard.h|libpcsclite-dev'
  'git|git'
)
running=(
  '/usr/share/fonts/truetype/cns11643/TW-Kai*.ttf /usr/share/fonts/*/*/TW-Kai*.ttf|fonts-cns11643-kai'
  '/usr/share/fonts/opentype/noto/NotoSansCJK*|fonts-noto-cjk'
  '/usr/share/fonts/opentype/ocr-b/OCRB.otf|fonts-ocr-b'
  '/usr/share/fonts/truetype/babelstone/BabelStoneHan.ttf|fonts-babelstone-han'
  '/usr/sbin/pcscd|pcscd'
  '/usr/lib/pcsc/drivers/serial/libifdvpcd.so|vsmartcard-vpcd'
  'openssl|openssl'
)
judging=(
  'curl|curl'
  '/usr/share/fonts/truetype/cns11643/TW-Sung*.ttf /usr/share/fonts/*/*/TW-Sung*.ttf|fonts-cns11643-sung'
  'pcsc_scan|pcsc-tools'
  'opensc-tool|opensc'
  'AusweisApp2|ausweisapp2'
  '/usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so|softhsm2'
  '/usr/lib/postgresql/*/bin/initdb|postgresql'
  'zbarimg|zbar-tools'
  'cvc-create|openpace'
  '/usr/share/tesseract-ocr/*/tessdata/eng.traineddata|tesseract-ocr'
  'pdftotext|poppler-utils'
  '?python3 -c "import ensurepip, venv"|python3-venv'
  'javac|default-jdk-headless'
  'certtool|gnutls-bin'
  '/usr/sbin/slapd|slapd'
  'ldapsearch|ldap-utils'
  'crlutil|libnss3-tools'
  'mvn|maven'
  'go|golang-go'
  'chromium|chromium'
)

# Prints the packages whose probe fails.
missing() {
  local line probe
  for line in "$@"; do
    probe=${line%|*}
    # shellcheck disable=SC2086 # the patterns are meant to expand
    case "$probe" in
      /*) any $probe || echo "${line#*|}" ;;
      \?*) eval "${probe#?}" >/dev/null 2>&1 || echo "${line#*|}" ;;
      *) program "$probe" || echo "${line#*|}" ;;
    esac
  done
}

# Installs packages together; where the whole set fails, one by one, so that one absent package does not sink the rest.
install() {
  export DEBIAN_FRONTEND=noninteractive
  local options=(-y -qq --no-install-recommends -o Dpkg::Use-Pty=0) package
  apt-get install "${options[@]}" "$@" >/dev/null 2>&1 && return 0
  say "refreshing the package lists"
  apt-get update -qq || say "apt-get update failed; going on with the lists that are there"
  apt-get install "${options[@]}" "$@" >/dev/null && return 0
  for package in "$@"; do
    apt-get install "${options[@]}" "$package" >/dev/null || say "could not install $package"
  done
}

wanted=("${building[@]}" "${running[@]}")
[ "$purpose" = test ] && wanted+=("${judging[@]}")
mapfile -t packages < <(missing "${wanted[@]}")
if [ "${#packages[@]}" -gt 0 ]; then
  if ! program apt-get; then
    say "this machine has no apt-get; install what these Debian packages hold: ${packages[*]}"
  elif [ "$(id -u)" = 0 ]; then
    say "installing ${packages[*]}"
    install "${packages[@]}"
  else
    say "missing packages; install them with:"
    printf '  sudo apt-get update && sudo apt-get install -y --no-install-recommends %s\n' "${packages[*]}"
  fi
fi

status=0
mapfile -t needed < <(missing "${building[@]}")
if [ "${#needed[@]}" -gt 0 ]; then
  say "cannot build without: ${needed[*]}"
  status=1
fi
if ! program cargo; then
  say "the Rust toolchain is missing; with rustup: rustup toolchain install 1.95 --component clippy,rustfmt"
  status=1
fi
[ "$status" = 0 ] || exit "$status"

if [ "$purpose" = test ]; then
  conformance/setup || say "some judges are not ready; their checks will be skipped with the reason"
fi
say "ready"
