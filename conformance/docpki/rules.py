"""The checks of ICAO Doc 9303-12 that public key directories apply, over an export: rules.py DIRECTORY.

Every file is decoded by pyca/cryptography, which shares no code with the program that made it. Prints one line per broken rule.
"""

import base64
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID as E
from cryptography.x509.oid import NameOID

MASTER_LIST_SIGNING = "2.23.136.1.1.3"
DOCUMENT_SIGNING = "1.3.6.1.5.5.7.3.36"
DOCUMENT_TYPES = "2.23.136.1.1.6.2"
CA_EXTENSIONS = {
    E.AUTHORITY_KEY_IDENTIFIER, E.SUBJECT_KEY_IDENTIFIER, E.KEY_USAGE, E.BASIC_CONSTRAINTS,
    E.SUBJECT_ALTERNATIVE_NAME, E.ISSUER_ALTERNATIVE_NAME, E.CRL_DISTRIBUTION_POINTS, E.PRIVATE_KEY_USAGE_PERIOD,
}

broken = []
seen = {"csca": 0, "link": 0, "ds": 0, "mls": 0, "file": 0, "crl": 0}


def rule(name, what, holds):
    if not holds:
        broken.append(f"{name}: {what}")


def extension(certificate, oid):
    return next((e for e in certificate.extensions if e.oid == oid), None)


def country(name):
    values = name.get_attributes_for_oid(NameOID.COUNTRY_NAME)
    return values[0].value if len(values) == 1 else None


def usages(certificate):
    usage = extension(certificate, E.KEY_USAGE)
    if usage is None:
        return set()
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
    return {n for n in names if getattr(usage.value, n)}


def certificate_rules(name, kind, c, roots):
    seen[kind] += 1
    oids = {e.oid for e in c.extensions}
    critical = {e.oid for e in c.extensions if e.critical}
    rule(name, "version 3", c.version == x509.Version.v3)
    rule(name, "serial number positive, at most 20 octets", 0 < c.serial_number < 1 << 159)
    rule(name, "issuer and subject have one country", country(c.issuer) is not None and country(c.issuer) == country(c.subject))
    rule(name, "country in upper case", (country(c.subject) or "").isupper())
    rule(name, "keyUsage critical", E.KEY_USAGE in critical)
    rule(name, "authority and subject key identifier", {E.AUTHORITY_KEY_IDENTIFIER, E.SUBJECT_KEY_IDENTIFIER} <= oids)
    rule(name, "alternative names of both", {E.SUBJECT_ALTERNATIVE_NAME, E.ISSUER_ALTERNATIVE_NAME} <= oids)
    rule(name, "distribution point", E.CRL_DISTRIBUTION_POINTS in oids)
    rule(name, "privateKeyUsagePeriod", E.PRIVATE_KEY_USAGE_PERIOD in oids)
    rule(name, "no freshestCRL", E.FRESHEST_CRL not in oids)
    rule(name, "no subjectDirectoryAttributes", E.SUBJECT_DIRECTORY_ATTRIBUTES not in oids)
    names = extension(c, E.SUBJECT_ALTERNATIVE_NAME)
    places = [n.value for n in (names.value if names else []) if isinstance(n, x509.DirectoryName)]
    localities = [a.value for p in places for a in p.get_attributes_for_oid(NameOID.LOCALITY_NAME)]
    rule(name, "the ICAO code as locality", localities == ["TWN"])
    rule(name, "same signature algorithm inside and outside", c.signature_algorithm_oid is not None)
    signed = False
    for root in roots:
        try:
            c.verify_directly_issued_by(root)
            signed = True
        except Exception:  # another generation's
            pass
    rule(name, "signed by a country signing key", signed)
    if kind in ("csca", "link"):
        constraints = extension(c, E.BASIC_CONSTRAINTS)
        rule(name, "keyCertSign and cRLSign only", usages(c) == {"key_cert_sign", "crl_sign"})
        rule(name, "basicConstraints critical with pathLen 0", constraints is not None and constraints.critical and constraints.value.ca and constraints.value.path_length == 0)
        rule(name, "no extKeyUsage", E.EXTENDED_KEY_USAGE not in oids)
        rule(name, "no other extension", oids <= CA_EXTENSIONS)
        rule(name, "issuer and subject are the same octets", c.issuer.public_bytes() == c.subject.public_bytes())
        return
    rule(name, "digitalSignature only", usages(c) == {"digital_signature"})
    rule(name, "no basicConstraints", E.BASIC_CONSTRAINTS not in oids)
    wanted = {"ds": None, "mls": MASTER_LIST_SIGNING, "file": DOCUMENT_SIGNING}[kind]
    extended = extension(c, E.EXTENDED_KEY_USAGE)
    if wanted is None:
        rule(name, "no extKeyUsage", extended is None)
        types = next((e for e in c.extensions if e.oid.dotted_string == DOCUMENT_TYPES), None)
        rule(name, "documentTypeList, not critical", types is not None and not types.critical)
    else:
        rule(name, f"extKeyUsage critical and only {wanted}", extended is not None and extended.critical and [u.dotted_string for u in extended.value] == [wanted])


def list_rules(name, crl, roots):
    seen["crl"] += 1
    oids = {e.oid for e in crl.extensions}
    rule(name, "authorityKeyIdentifier and CRLNumber, nothing else", oids == {E.AUTHORITY_KEY_IDENTIFIER, E.CRL_NUMBER})
    rule(name, "no delta, no issuingDistributionPoint, no freshestCRL", not oids & {E.DELTA_CRL_INDICATOR, E.ISSUING_DISTRIBUTION_POINT, E.FRESHEST_CRL})
    rule(name, "nextUpdate", crl.next_update_utc is not None)
    rule(name, "signed by a country signing key", any(crl.is_signature_valid(root.public_key()) for root in roots))
    # An empty revokedCertificates would be a SEQUENCE of length 0 before the extensions.
    rule(name, "no empty list of entries", len(crl) > 0 or b"\x30\x00\xa0" not in crl.tbs_certlist_bytes)


def ldif_rules(name, text):
    lines = text.replace("\n ", "").splitlines()
    values = [line.split(":: ", 1) for line in lines if ":: " in line]
    certificates = [base64.b64decode(v) for k, v in values if k == "userCertificate;binary"]
    lists = [base64.b64decode(v) for k, v in values if k == "certificateRevocationList;binary"]
    rule(name, "a certificate for every file", len(certificates) == sum(seen[k] for k in ("csca", "link", "ds", "mls", "file")))
    rule(name, "a list for every generation", len(lists) == seen["crl"])
    for der in certificates:
        x509.load_der_x509_certificate(der)
    for der in lists:
        x509.load_der_x509_crl(der)
    rule(name, "a master list", any(k == "pkdMasterListContent" for k, _ in values))


def main():
    directory = sys.argv[1]

    def read(name):
        with open(os.path.join(directory, name), "rb") as file:
            return file.read()

    names = sorted(os.listdir(directory))
    certificates = {n: x509.load_pem_x509_certificate(read(n)) for n in names if n.endswith(".pem") and n.split("-")[0].split(".")[0] in ("csca", "link", "ds", "mls", "file")}
    roots = [c for n, c in certificates.items() if n.startswith("csca")]
    for name, certificate in certificates.items():
        certificate_rules(name, name.split("-")[0].split(".")[0], certificate, roots)
        certificate.public_bytes(Encoding.DER)
    for name in names:
        if name.startswith("csca") and name.endswith(".crl"):
            list_rules(name, x509.load_der_x509_crl(read(name)), roots)
    ldif_rules("pkd.ldif", read("pkd.ldif").decode("ascii"))
    rule(directory, "something of every kind", all(seen.values()))
    for line in broken:
        print(line)
    print(", ".join(f"{count} {kind}" for kind, count in seen.items()))
    return 1 if broken else 0


sys.exit(main())
