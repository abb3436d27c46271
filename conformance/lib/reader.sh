# shellcheck shell=bash
# Virtual readers: pcscd with vsmartcard's vpcd driver, and cards put into them by `neweid card insert`.
# Only what was started here is stopped here.
CONTACT_READER="Virtual PCD 00 00"
CONTACTLESS_READER="Virtual PCD 00 01"
# vpcd's port for the contact slot; the contactless slot has the next one. 35963 is Debian's.
export VPCD_PORT=${VPCD_PORT:-35963}
PCSCD_PID=
PCSCD_DIRECTORY=
CARD_PID=

reader_names() { timeout 5 opensc-tool --list-readers 2>/dev/null; }

# readers_start LOG: makes sure that virtual readers answer; prints why not. As root it starts a pcscd of its own, where
# the kernel allows it with a private socket, so that a pcscd in use on this machine is left alone.
readers_start() {
  local log=$1
  command -v opensc-tool >/dev/null || { echo "opensc-tool is not installed (Debian package opensc)"; return 1; }
  [ -x /usr/sbin/pcscd ] || { echo "pcscd is not installed (Debian package pcscd)"; return 1; }
  local driver=/usr/lib/pcsc/drivers/serial/libifdvpcd.so
  [ -e "$driver" ] || { echo "the virtual reader is not installed (Debian package vsmartcard-vpcd)"; return 1; }
  if [ "$(id -u)" = 0 ]; then
    PCSCD_DIRECTORY=$(mktemp -d)
    mkdir -p /run/pcscd
    VPCD_PORT=$(free_ports 2)
    printf 'FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:0x%X\nLIBPATH %s\nCHANNELID 0x%X\n' "$VPCD_PORT" "$driver" "$VPCD_PORT" \
      >"$PCSCD_DIRECTORY/reader.conf"
    chmod 755 "$PCSCD_DIRECTORY"
    export PCSCLITE_CSOCK_NAME=$PCSCD_DIRECTORY/pcscd.comm
    # pcscd's own end of the socket has a fixed path, so it gets a view of the file system of its own.
    # shellcheck disable=SC2016 # the inner shell expands
    start_pcscd "$log" unshare --mount sh -c 'mount --bind "$1" /run/pcscd && shift && exec "$@"' sh "$PCSCD_DIRECTORY" && return 0
    unset PCSCLITE_CSOCK_NAME
    start_pcscd "$log" env && return 0
    VPCD_PORT=35963
  fi
  reader_names | grep -qF "$CONTACT_READER" && return 0
  if [ "$(id -u)" = 0 ]; then
    echo "pcscd shows no virtual reader: $(tail -n 1 "$log")"
  else
    echo "pcscd with the vpcd driver is not running and only root can start it"
  fi
  readers_stop
  return 1
}

# start_pcscd LOG WRAPPER...: starts it under the wrapper and waits for the reader
start_pcscd() {
  local log=$1
  shift
  "$@" /usr/sbin/pcscd --foreground --error --config "$PCSCD_DIRECTORY/reader.conf" >"$log" 2>&1 &
  PCSCD_PID=$!
  for _ in $(seq 50); do
    reader_names | grep -qF "$CONTACT_READER" && return 0
    kill -0 "$PCSCD_PID" 2>/dev/null || break
    sleep 0.1
  done
  kill "$PCSCD_PID" 2>/dev/null
  wait "$PCSCD_PID" 2>/dev/null
  PCSCD_PID=
  return 1
}

readers_stop() {
  if [ -n "$PCSCD_PID" ]; then
    kill "$PCSCD_PID" 2>/dev/null
    wait "$PCSCD_PID" 2>/dev/null
  fi
  [ -z "$PCSCD_DIRECTORY" ] || rm -rf "$PCSCD_DIRECTORY"
  PCSCD_PID=
  PCSCD_DIRECTORY=
}

# free_ports N: prints the first of N consecutive ports that nothing listens on
free_ports() {
  python3 - "$1" <<'PY'
import random, socket, sys
for _ in range(200):
    base, held = random.randrange(20000, 32000), []
    try:
        for port in range(base, base + int(sys.argv[1])):
            held.append(socket.socket())
            held[-1].bind(("127.0.0.1", port))
    except OSError:
        continue
    finally:
        for one in held:
            one.close()
    print(base)
    break
PY
}

# insert SERIAL-OR-FILE contact|contactless LOG: puts a card into a reader and waits until the reader feels it
insert() {
  local serial=$1 interface=$2 log=$3 slot=0 try
  [ "$interface" = contactless ] && slot=1
  "$NEWEID" card insert "$serial" --dir "$COUNTRY" --interface "$interface" --vpcd "127.0.0.1:$((VPCD_PORT + slot))" >"$log" 2>&1 &
  CARD_PID=$!
  for try in $(seq 100); do
    reader_names | awk -v slot="$slot" '$1 == slot && $2 == "Yes" { found = 1 } END { exit !found }' && return 0
    kill -0 "$CARD_PID" 2>/dev/null || break
    sleep 0.1
  done
  echo "the reader felt no card after $try tries: $(tail -n 1 "$log")"
  remove
  return 1
}

# remove: takes the card out, as a person would: by interrupting the program. Returns when no reader feels a card.
remove() {
  [ -n "$CARD_PID" ] || return 0
  interrupt "$CARD_PID"
  CARD_PID=
  # pcscd notices after some hundred milliseconds.
  for _ in $(seq 50); do
    reader_names | awk '$2 == "Yes" { found = 1 } END { exit found }' && return 0
    sleep 0.1
  done
}

# interrupt PID [SECONDS]: asks a child to stop, and insists where it does not within so many seconds (5); hands on its exit code
interrupt() {
  local signal tries
  for signal in INT TERM KILL; do
    kill "-$signal" "$1" 2>/dev/null
    for tries in $(seq $((${2:-5} * 10))); do
      kill -0 "$1" 2>/dev/null || break 2
      sleep 0.1
    done
    echo "process $1 did not stop $((tries / 10)) s after SIG$signal" >&2
  done
  wait "$1" 2>/dev/null
}
