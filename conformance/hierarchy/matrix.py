"""Programs over certificates of two generations under one name: matrix.py PROGRAM DIRECTORY, for one of PROGRAMS.

Every case is judged; the verdicts must be those of `matrix.expected`, which has a line `CERTIFICATE LISTS` with a column for
each program. LISTS are `complete` (of the certificate's own generation), `partition` (its own), `wrong-partition` (another of
its generation), `other-key` (the complete list of the other generation), `both` (both complete lists), `-` (none asked
for), `later` (none, two days after the certificate's end), `link` and `no-link` (the way to the other root).
"""

import datetime
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = ["openssl", "java", "gnutls", "nss", "pyca"]


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **more)
    return done.returncode, done.stdout + done.stderr


class Case:
    """A certificate with the lists that stand for the words of the table."""

    def __init__(self, name, lists):
        self.name, self.lists = name, lists
        self.generation = 1 if name.startswith("g1") else 2
        self.ca = "npc-ca" if self.generation == 1 else "npc-ca-g2"
        self.root = "npc-root" if self.generation == 1 else "npc-root-g2"
        self.other_root = "npc-root-g2" if self.generation == 1 else "npc-root"
        self.link = "npc-root-g1-by-g2" if self.generation == 1 else "npc-root-g2-by-g1"
        complete = ["npc", "npc-g2"]
        own, other = (complete if self.generation == 1 else complete[::-1])
        partition = self.partition()
        self.files = {
            "complete": [own],
            "partition": [partition],
            "wrong-partition": [self.neighbour(own, partition)],
            "other-key": [other],
            "both": complete,
        }.get(lists, [])

    def partition(self):
        text = run("openssl", "x509", "-in", f"{self.name}.pem", "-noout", "-ext", "crlDistributionPoints")[1]
        return text.split("URI:")[1].split()[0].rsplit("/", 1)[1].removesuffix(".crl")

    @staticmethod
    def neighbour(own, partition):
        return f"{own}-0" if partition != f"{own}-0" else f"{own}-1"

    def end(self):
        text = run("openssl", "x509", "-in", f"{self.name}.pem", "-noout", "-enddate")[1]
        return datetime.datetime.strptime(text.split("=")[1].strip(), "%b %d %H:%M:%S %Y GMT")

    def at(self):
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        return self.end() + datetime.timedelta(days=2) if self.lists == "later" else now


def openssl(case):
    command = ["openssl", "verify", "-x509_strict"]
    if case.lists in ("link", "no-link"):
        between = ["-untrusted", f"pki/{case.ca}.pem"] + (["-untrusted", f"pki/{case.link}.pem"] if case.lists == "link" else [])
        code, said = run(*command, "-CAfile", f"pki/{case.other_root}.pem", *between, f"{case.name}.pem")
    else:
        lists = [word for name in case.files for word in ("-CRLfile", f"{name}.crl.pem")]
        checked = ["-crl_check", "-extended_crl", *lists] if case.files else []
        at = ["-attime", str(int(case.at().replace(tzinfo=datetime.timezone.utc).timestamp()))]
        code, said = run(*command, *at, "-CAfile", "roots.pem", "-untrusted", "to.pem", *checked, f"{case.name}.pem")
    if code == 0:
        return "good"
    for text, verdict in [
        ("certificate revoked", "revoked"),
        ("ifferent CRL scope", "undetermined"),
        ("unable to get certificate CRL", "undetermined"),
        ("has expired", "expired"),
        ("unable to get local issuer", "no-path"),
        ("CRL path validation error", "undetermined"),
    ]:
        if text in said:
            return verdict
    return said


def java(cases):
    lines = []
    for case in cases:
        days = (case.at() - datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)).days
        lines.append(f"{case.name} {','.join(case.files) or '-'} {days if case.lists == 'later' else 0}")
    code, said = run("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", f"{HERE}/Cases.java", ".", input="\n".join(lines) + "\n")
    verdicts = said.strip().splitlines()
    return verdicts if len(verdicts) == len(cases) else [said] * len(cases)


def gnutls(case):
    if case.lists in ("link", "no-link"):
        chain = "".join(
            open(name).read()
            for name in [f"{case.name}.pem", f"pki/{case.ca}.pem"] + ([f"pki/{case.link}.pem"] if case.lists == "link" else [])
        )
        anchor = f"pki/{case.other_root}.pem"
    else:
        chain = open(f"{case.name}.pem").read() + open(f"pki/{case.ca}.pem").read()
        anchor = "roots.pem"
    if case.files:
        open("gnutls.crl.pem", "w").write("".join(open(f"{name}.crl.pem").read() for name in case.files))
    lists = ["--load-crl", "gnutls.crl.pem"] if case.files else []
    code, said = run("certtool", "--verify", "--load-ca-certificate", anchor, *lists, input=chain)
    last = said[said.rfind("Chain verification output"):]
    for text, verdict in [("revoked", "revoked"), ("NOT trusted", "no-path"), ("is trusted", "good")]:
        if text in last:
            return verdict
    return said


def nss(case):
    """A database for each case: NSS keeps one list for a name."""
    run("rm", "-rf", "nss")
    os.mkdir("nss")
    db = ["-d", "sql:nss"]
    run("certutil", "-N", *db, "--empty-password")
    anchor = case.other_root if case.lists in ("link", "no-link") else case.root
    between = [case.ca] + ([case.link] if case.lists == "link" else [])
    run("certutil", "-A", *db, "-n", "anchor", "-t", "C,C,C", "-a", "-i", f"pki/{anchor}.pem")
    # Who has certificates of both generations knows both keys.
    if case.lists in ("other-key", "both"):
        between += ["npc-ca-g2" if case.generation == 1 else "npc-ca"]
        run("certutil", "-A", *db, "-n", "other-anchor", "-t", "C,C,C", "-a", "-i", f"pki/{case.other_root}.pem")
    for name in between:
        run("certutil", "-A", *db, "-n", name, "-t", ",,", "-a", "-i", f"pki/{name}.pem")
    for name in case.files:
        code, said = run("crlutil", "-I", *db, "-i", f"{name}.crl", "-t", "1")
        if code != 0:
            return "list-refused"
    # The option takes whole minutes; what was revoked within this one must lie behind it.
    at = (case.at() + datetime.timedelta(minutes=2)).strftime("%y%m%d%H%MZ")
    code, said = run("vfychain", *db, "-b", at, "-u", "4", "-a", f"{case.name}.pem")
    if "Chain is good" in said:
        return "good"
    for text, verdict in [
        ("has been revoked", "revoked"),
        ("expired", "expired"),
        ("issuer is not recognized", "no-path"),
        ("not trusted", "no-path"),
        ("UNKNOWN_ISSUER", "no-path"),
    ]:
        if text.lower() in said.lower():
            return verdict
    return said


def pyca(case):
    """Path by the verifier of pyca/cryptography, which asks no list; the lists by its parser: signature, scope, entry."""
    from cryptography import x509
    from cryptography.x509 import verification as v
    from cryptography.x509.oid import ExtensionOID

    def read(name):
        return x509.load_pem_x509_certificate(open(name, "rb").read())

    certificate = read(f"{case.name}.pem")
    link = case.lists in ("link", "no-link")
    anchors = [read(f"pki/{case.other_root}.pem")] if link else [read(f"pki/{n}.pem") for n in (case.root, case.other_root)]
    between = [read(f"pki/{case.ca}.pem")] + ([read(f"pki/{case.link}.pem")] if case.lists == "link" else [])
    policy = v.ExtensionPolicy.permit_all()
    ca_policy = policy.require_present(x509.BasicConstraints, v.Criticality.CRITICAL, None)
    builder = v.PolicyBuilder().store(v.Store(anchors)).time(case.at())
    builder = builder.extension_policies(ca_policy=ca_policy, ee_policy=policy)
    try:
        builder.build_client_verifier().verify(certificate, between)
    except v.VerificationError as refused:
        said = str(refused)
        if "not valid at validation time" in said:
            return "expired"
        return "no-path" if "candidates exhausted" in said else said
    known = not case.files
    issuer = read(f"pki/{case.ca}.pem")
    for name in case.files:
        crl = x509.load_der_x509_crl(open(f"{name}.crl", "rb").read())
        if not crl.is_signature_valid(issuer.public_key()):
            continue
        scope = [e.value for e in crl.extensions if e.oid == ExtensionOID.ISSUING_DISTRIBUTION_POINT]
        points = certificate.extensions.get_extension_for_oid(ExtensionOID.CRL_DISTRIBUTION_POINTS).value
        if scope and not any(point.full_name == scope[0].full_name for point in points):
            continue
        known = True
        if crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            return "revoked"
    return "good" if known else "undetermined"


def main():
    program, directory = sys.argv[1:3]
    with open(f"{HERE}/matrix.expected", encoding="utf-8") as file:
        table = [line.split() for line in file if line.strip() and not line.startswith("#")]
    os.chdir(directory)
    column = 2 + PROGRAMS.index(program)
    cases = [Case(line[0], line[1]) for line in table if line[column] != "."]
    expected = [line[column] for line in table if line[column] != "."]
    judge = {"openssl": openssl, "gnutls": gnutls, "nss": nss, "pyca": pyca}.get(program)
    verdicts = [judge(case) for case in cases] if judge else java(cases)
    wrong = 0
    for case, wanted, verdict in zip(cases, expected, verdicts):
        print(case.name, case.lists, verdict)
        if verdict != wanted:
            wrong += 1
            print(f"  expected {wanted}")
    print(f"{len(cases)} cases, {wrong} otherwise")
    sys.exit(1 if wrong else 0)


main()
