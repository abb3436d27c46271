"""pyca/cryptography over every list: pyca.py DIRECTORY. Signature, number, scope and entries are what they must be."""

import sys

from cryptography import x509
from cryptography.x509.oid import ExtensionOID as E

directory = sys.argv[1] + "/"


def certificate(name):
    return x509.load_pem_x509_certificate(open(directory + name + ".pem", "rb").read())


ca = certificate("npc-ca")
names = ["good", "revoked", "held", "late", "resumed", "expired"]
R = x509.ReasonFlags
full = {"revoked": R.key_compromise, "held": R.certificate_hold, "resumed": R.certificate_hold}
expected = {
    "npc": (full, None, None),
    "npc-0": (full, "npc-0", None),
    "npc-1": ({}, "npc-1", None),
    "npc-0-delta": ({"late": R.superseded, "resumed": R.remove_from_crl}, "npc-0", 4),
}
for name, (entries, scope, base) in expected.items():
    crl = x509.load_der_x509_crl(open(directory + name + ".crl", "rb").read())
    assert crl.is_signature_valid(ca.public_key()), name
    found = {}
    for one in names:
        entry = crl.get_revoked_certificate_by_serial_number(certificate(one).serial_number)
        if entry is not None:
            found[one] = entry.extensions.get_extension_for_oid(x509.CRLEntryExtensionOID.CRL_REASON).value.reason
    assert found == entries, (name, found)
    extensions = {extension.oid: extension for extension in crl.extensions}
    assert (E.ISSUING_DISTRIBUTION_POINT in extensions) == (scope is not None), name
    if scope is not None:
        point = extensions[E.ISSUING_DISTRIBUTION_POINT]
        assert point.critical and point.value.full_name[0].value.endswith(f"/{scope}.crl"), name
        first = certificate("good").extensions.get_extension_for_oid(E.CRL_DISTRIBUTION_POINTS).value[0]
        assert (point.value.full_name == first.full_name) == (scope == "npc-0"), name
    assert (E.DELTA_CRL_INDICATOR in extensions) == (base is not None), name
    if base is not None:
        assert extensions[E.DELTA_CRL_INDICATOR].critical
        assert extensions[E.DELTA_CRL_INDICATOR].value.crl_number == base
    assert (E.FRESHEST_CRL in extensions) == (name == "npc-0"), name
print("all lists")
