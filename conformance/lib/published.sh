# shellcheck shell=bash
# What the linters look at: every certificate and CRL of the export, and one OCSP response of each kind, fetched with
# OpenSSL. Sets the array PUBLISHED.
published() {
  local citizen url revoked
  PUBLISHED=("$PKI"/*.pem "$PKI"/*.crl)
  command -v openssl >/dev/null || return 0
  url=$(endpoint ocsp)
  citizen=$(find "$PKI" -name 'sample-citizen-*-sign.pem' | sort | head -n 1)
  revoked=$(openssl crl -inform DER -in "$PKI/npc.crl" -noout -text | awk '/Serial Number:/ { print $3; exit }')
  ask() { openssl ocsp -url "$url" -issuer "$PKI/npc-ca.pem" "${@:2}" -noverify -respout "$MINE/$1.ocsp" >/dev/null 2>&1; }
  ask good -cert "$citizen"
  [ -z "$revoked" ] || ask revoked -serial "0x$revoked"
  ask unknown -serial "0x0$(openssl rand -hex 15)"
  PUBLISHED+=("$MINE"/*.ocsp)
}
