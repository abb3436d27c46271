# shellcheck shell=bash
# What the linters look at: every certificate and CRL of the export, a delta that has entries (a country's first hours may have
# none), and one OCSP response of each kind, fetched with OpenSSL. Sets the array PUBLISHED.
published() {
  local citizen url revoked
  PUBLISHED=("$PKI"/*.pem "$PKI"/*.crl)
  "$NEWEID" npc simulate --certificates 100 --revoked 10 --suspended 2 --dir "$MINE/simulated" >/dev/null || return 1
  cp "$MINE/simulated/cases/npc-0-delta.crl" "$MINE/changed-delta.crl"
  PUBLISHED+=("$MINE/changed-delta.crl")
  command -v openssl >/dev/null || return 0
  url=$(endpoint ocsp)
  citizen=$(citizen)
  revoked=$(openssl crl -inform DER -in "$PKI/npc.crl" -noout -text | awk '/Serial Number:/ { print $3; exit }')
  ask() { openssl ocsp -url "$url" -issuer "$PKI/npc-ca.pem" "${@:2}" -noverify -respout "$MINE/$1.ocsp" >/dev/null 2>&1; }
  ask good -cert "$citizen"
  [ -z "$revoked" ] || ask revoked -serial "0x$revoked"
  ask unknown -serial "0x0$(openssl rand -hex 15)"
  PUBLISHED+=("$MINE"/*.ocsp)
}
