//! OpenSSL as judge.

use std::path::Path;
use std::process::Command;

use curve::{Curve, Hash};
use tempfile::TempDir;
use tlv::oid;
use x509::certificate::issue;
use x509::certificate::profiles::{self, Issuer};
use x509::cms::{self, SignerIdentity, Spec};
use x509::crl::{self, Reason};
use x509::master_list::MasterList;
use x509::ocsp::{self, CertId, IssuerHashes, Status};
use x509::{Name, Signer, csr, pem, tsp};

use crate::crl::{life, revoked};
use crate::support::*;

struct OpenSsl {
    dir: TempDir,
}

impl OpenSsl {
    fn new() -> Self {
        Self { dir: TempDir::new().expect("temporary directory") }
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).expect("writable");
        path.to_str().expect("UTF-8 path").to_owned()
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Exit code 0, and everything it printed.
    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("openssl").args(arguments).current_dir(self.path()).output();
        let output = output.expect("openssl is missing: apt-get install -y --no-install-recommends openssl");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    #[track_caller]
    fn accepts(&self, arguments: &[&str]) -> String {
        let (ok, text) = self.run(arguments);
        assert!(ok, "openssl {arguments:?}\n{text}");
        text
    }

    #[track_caller]
    fn refuses(&self, arguments: &[&str], because: &str) {
        let (ok, text) = self.run(arguments);
        assert!(!ok && text.contains(because), "openssl {arguments:?}\n{text}");
    }
}

const EPOCH: &str = "1782878400"; // 2026-07-01T04:00:00Z

#[test]
fn the_test_clock_is_the_one_openssl_is_given() {
    assert_eq!(now().as_second().to_string(), EPOCH);
}

#[test]
fn openssl_reads_the_citizen_certificate_and_verifies_its_chain() {
    let judge = OpenSsl::new();
    for npc in [&*NPC, &*NPC_EC] {
        let root = judge.file("root.pem", npc.root.to_pem());
        let ca = judge.file("ca.pem", npc.ca.to_pem());
        let holder = ec(Curve::P521, "holder");
        for encryption in [false, true] {
            let c = npc.citizen("citizen", &holder, encryption);
            let leaf = judge.file("leaf.pem", c.to_pem());
            let text = judge.accepts(&["x509", "-in", &leaf, "-noout", "-text", "-nameopt", "utf8"]);
            for part in [
                "X509v3 Key Usage: critical",
                "http://crl.npc.test/crl/npc-1-37.crl",
                "OCSP - URI:http://ocsp.npc.test/ocsp",
                "Policy: 2.16.886.101.0.3.0",
                "X509v3 Subject Directory Attributes",
                "Not After : Jul  1 15:59:59 2031 GMT",
                "王小明𠀋",
            ] {
                assert!(text.contains(part), "{part} in\n{text}");
            }
            let verify =
                ["verify", "-x509_strict", "-attime", EPOCH, "-CAfile", &root, "-untrusted", &ca, &leaf];
            judge.accepts(&verify);
        }
        let root_text = judge.accepts(&["x509", "-in", &root, "-noout", "-text"]);
        assert!(root_text.contains("Jun 30 15:59:59 2056 GMT"));
    }
}

#[test]
fn openssl_honours_complete_and_partition_lists() {
    let judge = OpenSsl::new();
    let npc = &*NPC;
    let root = judge.file("root.pem", npc.root.to_pem());
    let ca = judge.file("ca.pem", npc.ca.to_pem());
    let leaf = judge.file("leaf.pem", npc.citizen("citizen", &ec(Curve::P256, "holder"), false).to_pem());
    let issuer = npc.issuer();
    let write = |name: &str, tbs: crl::TbsCrl| {
        let der = crl::issue(&tbs, &*npc.ca_key).expect("signed");
        judge.file(name, pem::encode("X509 CRL", &der))
    };
    let entry = || [revoked("other", Reason::Superseded), revoked("citizen", Reason::CertificateHold)];
    write("empty.pem", crl::complete(&issuer, life(1), []).expect("writable"));
    let full = write("full.pem", crl::complete(&issuer, life(2), entry()).expect("writable"));
    write("part.pem", crl::partition(&issuer, life(3), PARTITION, entry()).expect("writable"));
    let other =
        crl::partition(&issuer, life(4), "http://crl.npc.test/crl/npc-1-38.crl", []).expect("writable");
    write("other.pem", other);

    let text = judge.accepts(&["crl", "-in", &full, "-noout", "-text", "-CAfile", &ca]);
    assert!(
        text.contains("verify OK") && text.contains("Certificate Hold") && text.contains("X509v3 CRL Number")
    );
    let verify = |list: &str| {
        let crl = format!("{}/{list}", judge.path().display());
        [
            "verify",
            "-attime",
            EPOCH,
            "-crl_check",
            "-CAfile",
            &root,
            "-untrusted",
            &ca,
            "-CRLfile",
            &crl,
            &leaf,
        ]
        .map(str::to_owned)
    };
    let run = |list: &str| {
        let arguments = verify(list);
        judge.run(&arguments.each_ref().map(String::as_str))
    };
    assert!(run("empty.pem").0, "{}", run("empty.pem").1);
    for list in ["full.pem", "part.pem"] {
        let (ok, text) = run(list);
        assert!(!ok && text.contains("certificate revoked"), "{text}");
    }
    let (ok, text) = run("other.pem");
    assert!(!ok && text.contains("different CRL scope"), "{text}");
}

#[test]
fn openssl_verifies_the_list_of_the_country_signing_ca() {
    let judge = OpenSsl::new();
    let d = &*DOCUMENTS;
    let csca = judge.file("csca.pem", d.csca.to_pem());
    let ds = judge.file("ds.pem", d.ds.to_pem());
    judge.accepts(&["verify", "-x509_strict", "-attime", EPOCH, "-CAfile", &csca, &ds]);
    let issuer = Issuer::new(&d.csca, &d.csca_key).expect("issuer");
    for (name, entries) in [("none", vec![]), ("one", vec![revoked("ds", Reason::KeyCompromise)])] {
        let der = crl::issue(&crl::csca(&issuer, life(1), &entries).expect("writable"), &d.csca_key);
        let file = judge.file(name, pem::encode("X509 CRL", &der.expect("signed")));
        assert!(judge.accepts(&["crl", "-in", &file, "-noout", "-CAfile", &csca]).contains("verify OK"));
        let check = ["verify", "-attime", EPOCH, "-crl_check", "-CAfile", &csca, "-CRLfile", &file, &ds];
        if entries.is_empty() {
            judge.accepts(&check);
        } else {
            judge.refuses(&check, "certificate revoked");
        }
    }
}

#[test]
fn openssl_asks_and_reads_ocsp() {
    let judge = OpenSsl::new();
    for npc in [&*NPC, &*NPC_EC] {
        let chain = judge.file("chain.pem", npc.ca.to_pem() + &npc.root.to_pem());
        let ca = judge.file("ca.pem", npc.ca.to_pem());
        let hashes = IssuerHashes::new(&npc.ca).expect("issuer");
        for (name, status, wanted) in [
            ("good", Status::Good, ": good"),
            ("revoked", Status::Revoked { at: now(), reason: Reason::KeyCompromise }, ": revoked"),
            ("unknown", Status::Unknown, ": unknown"),
        ] {
            // OpenSSL makes the request; our responder answers it; OpenSSL verifies the answer.
            let number = serial(name);
            let hex = format!("0x{number}");
            for digest in ["-sha1", "-sha256"] {
                let out = judge.path().join("request.der").display().to_string();
                judge.accepts(&["ocsp", digest, "-issuer", &ca, "-serial", &hex, "-reqout", &out]);
                let request = std::fs::read(&out).expect("written");
                let parsed = ocsp::Request::parse(&request).expect("a request of OpenSSL");
                let hash = if digest == "-sha1" { Hash::Sha1 } else { Hash::Sha256 };
                assert_eq!(parsed.certificates[0], CertId::new(&hashes, hash, &number).expect("id"));
                assert!(parsed.nonce.is_some());
                let response = ocsp::respond(
                    &crate::ocsp::responder(npc),
                    &request,
                    crate::ocsp::answer(),
                    now(),
                    &npc.ocsp_key,
                    |s| (*s == number).then_some(status),
                );
                let file = judge.file("response.der", response.expect("signed"));
                let text = judge.accepts(&[
                    "ocsp",
                    digest,
                    "-issuer",
                    &ca,
                    "-serial",
                    &hex,
                    "-respin",
                    &file,
                    "-CAfile",
                    &chain,
                    "-attime",
                    EPOCH,
                    "-no_nonce",
                    "-resp_text",
                    "-validity_period",
                    "3153600000",
                ]);
                assert!(text.contains("Response verify OK") && text.contains(wanted), "{text}");
            }
        }
        let refused = judge.file("refused.der", ocsp::error_response(ocsp::ErrorStatus::Unauthorized));
        let (_, text) = judge.run(&["ocsp", "-respin", &refused]);
        assert!(text.contains("unauthorized (6)"), "{text}");
    }
}

// proves: DOCPKI-03
#[test]
fn openssl_verifies_signed_data_of_every_key_type() {
    let judge = OpenSsl::new();
    for curve in Curve::ALL {
        let d = Documents::new(Curve::P521, curve);
        let csca = judge.file("csca.pem", d.csca.to_pem());
        for identity in [SignerIdentity::IssuerAndSerial, SignerIdentity::SubjectKeyIdentifier] {
            let mut spec = Spec::new(oid::LDS_SECURITY_OBJECT, b"the hashes", &d.ds, d.ds_key.algorithm());
            spec.identity = identity;
            spec.signing_time = Some(now());
            let file = judge.file("sod.der", cms::sign(&spec, &d.ds_key).expect("signed"));
            let out = judge.path().join("content").display().to_string();
            judge.accepts(&[
                "cms", "-verify", "-inform", "DER", "-in", &file, "-CAfile", &csca, "-purpose", "any",
                "-attime", EPOCH, "-binary", "-out", &out,
            ]);
            assert_eq!(std::fs::read(&out).expect("written"), b"the hashes");
        }
    }
}

#[test]
fn openssl_verifies_a_holders_detached_signature_and_we_verify_openssls() {
    let judge = OpenSsl::new();
    let npc = &*NPC;
    let anchors = judge.file("root.pem", npc.root.to_pem());
    let key = rsa(2048);
    let c = npc.citizen("citizen", &key, false);
    let mut spec = Spec::new(oid::CMS_DATA, b"contract", &c, key.algorithm());
    spec.detached = true;
    let more = [&npc.ca];
    spec.more_certificates = &more;
    let content = judge.file("contract", b"contract");
    let file = judge.file("signature.der", cms::sign(&spec, &key).expect("signed"));
    judge.accepts(&[
        "cms", "-verify", "-inform", "DER", "-in", &file, "-content", &content, "-binary", "-CAfile",
        &anchors, "-purpose", "any", "-attime", EPOCH,
    ]);
    let forged = judge.file("forged", b"Contract");
    judge.refuses(
        &[
            "cms", "-verify", "-inform", "DER", "-in", &file, "-content", &forged, "-binary", "-CAfile",
            &anchors, "-purpose", "any", "-attime", EPOCH,
        ],
        "verification failure",
    );
    // The other way round, with keys OpenSSL makes itself.
    for (name, algorithm) in [("rsa", "rsa:2048"), ("ec", "ec")] {
        let mut request =
            vec!["req", "-x509", "-newkey", algorithm, "-nodes", "-keyout", "own.key", "-out", "own.pem"];
        request.extend(["-subj", "/C=TW/CN=OpenSSL", "-days", "30"]);
        if name == "ec" {
            request.extend(["-pkeyopt", "ec_paramgen_curve:P-256"]);
        }
        judge.accepts(&request);
        for extra in [&[][..], &["-keyid"]] {
            let mut sign = vec!["cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-md", "sha256"];
            sign.extend(["-in", "contract", "-signer", "own.pem", "-inkey", "own.key", "-out", "own.der"]);
            sign.extend(extra);
            judge.accepts(&sign);
            let der = std::fs::read(judge.path().join("own.der")).expect("written");
            let signed = cms::SignedData::parse(&der).expect("a message of OpenSSL");
            assert_eq!(signed.content(), Some(&b"contract"[..]));
            signed.verify().expect("a signature of OpenSSL");
        }
    }
}

#[test]
fn openssl_verifies_requests_and_we_verify_openssls() {
    let judge = OpenSsl::new();
    let subject = Name::builder().country("TW").common_name("AB1000123").build().expect("name");
    let (rsa, ecs) = (rsa(2048), Curve::ALL.map(|c| ec(c, "request")));
    for key in ecs.iter().map(|k| k as &dyn Signer).chain([&rsa as &dyn Signer]) {
        let der = csr::build(&subject, key.spki(), key.algorithm(), |m| key.sign(m)).expect("signed");
        let file = judge.file("request.der", der);
        judge.accepts(&["req", "-inform", "DER", "-in", &file, "-noout", "-verify"]);
    }
    judge.accepts(&[
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "k",
        "-subj",
        "/C=TW/CN=x",
        "-addext",
        "keyUsage=digitalSignature",
        "-outform",
        "DER",
        "-out",
        "r",
    ]);
    let der = std::fs::read(judge.path().join("r")).expect("written");
    csr::Csr::parse(&der).expect("a request of OpenSSL").verify().expect("possession");
}

// proves: DOCPKI-11
#[test]
fn openssl_goes_from_the_old_country_signing_key_over_the_link_to_the_new_one() {
    let judge = OpenSsl::new();
    let (old, new_key) = (&*DOCUMENTS, ec(Curve::P521, "csca 2"));
    let name = old.csca.subject_name().expect("a name");
    let root = profiles::csca_root(&profiles::CscaRoot {
        serial: serial("csca 2"),
        subject: &name,
        validity: years(26),
        private_key_usage: years(5),
        spki: new_key.spki(),
        algorithm: new_key.algorithm(),
        authority: &authority(),
    });
    let root = issue(&root.expect("profile"), &new_key).expect("CSCA");
    let link = profiles::csca_link(&profiles::CscaLink {
        serial: serial("link"),
        issuer: &Issuer::new(&old.csca, &old.csca_key).expect("issuer"),
        validity: years(26),
        private_key_usage: years(5),
        spki: new_key.spki(),
        authority: &authority(),
    });
    let link = issue(&link.expect("profile"), &old.csca_key).expect("link");
    let (ds_key, list_key) = (ec(Curve::P521, "ds 2"), ec(Curve::P521, "list"));
    let issuer = Issuer::new(&root, &new_key).expect("issuer");
    let ds = profiles::document_signer(&profiles::DocumentSigner {
        serial: serial("ds 2"),
        issuer: &issuer,
        subject: &icao_name("Document Signer 2"),
        validity: years(12),
        private_key_usage: years(1),
        spki: ds_key.spki(),
        document_types: &["ID"],
        authority: &authority(),
    });
    let ds = issue(&ds.expect("profile"), &new_key).expect("document signer");
    let [old_pem, new_pem, link_pem, ds_pem] =
        [("old.pem", &old.csca), ("new.pem", &root), ("link.pem", &link), ("ds.pem", &ds)]
            .map(|(file, certificate)| judge.file(file, certificate.to_pem()));
    let at = ["verify", "-attime", EPOCH, "-CAfile"];
    judge.accepts(&[&at[..], &[&new_pem, &ds_pem]].concat());
    judge.accepts(&[&at[..], &[&old_pem, "-untrusted", &link_pem, &ds_pem]].concat());
    judge.refuses(&[&at[..], &[&old_pem, &ds_pem]].concat(), "unable to get");
    // Each key signs the list of what it issued; a revoked signer is refused on both ways.
    let entry = revoked("ds 2", Reason::KeyCompromise);
    let lists =
        [(&old.csca, &old.csca_key, &[][..]), (&root, &new_key, &[entry][..])].map(|(ca, key, entries)| {
            let issuer = Issuer::new(ca, key).expect("issuer");
            let list = crl::issue(&crl::csca(&issuer, life(1), entries).expect("list"), key).expect("signed");
            pem::encode("X509 CRL", &list)
        });
    let lists = judge.file("lists.pem", lists.concat());
    let checked = ["verify", "-attime", EPOCH, "-crl_check_all", "-CRLfile", &lists, "-CAfile"];
    judge.refuses(&[&checked[..], &[&new_pem, &ds_pem]].concat(), "certificate revoked");
    judge.refuses(
        &[&checked[..], &[&old_pem, "-untrusted", &link_pem, &ds_pem]].concat(),
        "certificate revoked",
    );
    let own = judge.file("old-ds.pem", old.ds.to_pem());
    judge.accepts(&[&checked[..], &[&old_pem, &own]].concat());
    // The master list under the new key.
    let signer = profiles::list_signer(&profiles::Delegate {
        serial: serial("list"),
        issuer: &issuer,
        subject: &icao_name("Master List Signer 1"),
        validity: years(2),
        private_key_usage: years(1),
        spki: list_key.spki(),
        authority: &authority(),
    });
    let signer = issue(&signer.expect("profile"), &new_key).expect("issued");
    let content = MasterList::new([old.csca.clone(), root.clone(), link]).expect("CSCAs").encode();
    let csca = [&root];
    let spec = MasterList::spec(&content, &signer, list_key.algorithm(), &csca, now());
    let file = judge.file("list.ml", cms::sign(&spec, &list_key).expect("signed"));
    let out = judge.path().join("out").display().to_string();
    let verify = [
        "cms", "-verify", "-inform", "DER", "-in", &file, "-purpose", "any", "-binary", "-attime", EPOCH,
        "-out", &out, "-CAfile",
    ];
    judge.accepts(&[&verify[..], &[&new_pem]].concat());
    assert!(std::fs::read(&out).expect("written") == content);
    judge.refuses(&[&verify[..], &[&own]].concat(), "certificate verify error");
}

/// A delta tells OpenSSL what its base does not: a revocation, and the end of a suspension. Without `-use_deltas`, as in
/// every other program, the base alone counts.
// proves: NPC-21
#[test]
fn openssl_adds_deltas_to_their_base() {
    let judge = OpenSsl::new();
    let npc = &*NPC_EC;
    let holder = ec(Curve::P521, "holder");
    let root = judge.file("root.pem", npc.root.to_pem());
    let ca = judge.file("ca.pem", npc.ca.to_pem());
    let [stays, held, gone] = ["stays", "held", "gone"]
        .map(|seed| judge.file(&format!("{seed}.pem"), npc.citizen(seed, &holder, false).to_pem()));
    let table = crl::Table::new([revoked("held", Reason::CertificateHold)]).expect("writable");
    let freshest = "http://crl.npc.test/crl/npc-1-37-delta.crl";
    let pointers = crl::Pointers { partition: Some(PARTITION), freshest: Some(freshest), base: None };
    let sign = |tbs: crl::TbsCrl| crl::issue(&tbs, &*npc.ca_key).expect("signed");
    let base = sign(crl::from_table(&npc.issuer(), life(7), &table, pointers).expect("writable"));
    assert_eq!(crl::Crl::parse(&base).expect("own list").freshest(), [freshest]);
    let changes = [revoked("held", Reason::RemoveFromCrl), revoked("gone", Reason::KeyCompromise)];
    let delta = sign(crl::delta(&npc.issuer(), life(9), PARTITION, 7, changes).expect("writable"));
    let read = crl::Crl::parse(&delta).expect("own list");
    assert_eq!((read.is_delta(), read.base_number(), read.number()), (true, Some(7), Some(9)));
    let other = "http://crl.npc.test/crl/npc-1-38.crl";
    let pointers = crl::Pointers { partition: Some(other), ..crl::Pointers::default() };
    let elsewhere = sign(crl::from_table(&npc.issuer(), life(8), &table, pointers).expect("writable"));
    let [base, delta, elsewhere] = [("base", base), ("delta", delta), ("elsewhere", elsewhere)]
        .map(|(name, der)| judge.file(&format!("{name}.pem"), pem::encode("X509 CRL", &der)));
    let check = |lists: &[&str], more: &[&str], certificate: &str| {
        let mut arguments = vec!["verify", "-attime", EPOCH, "-crl_check", "-extended_crl", "-CAfile", &root];
        arguments.extend(["-untrusted", &ca]);
        arguments.extend(lists.iter().flat_map(|list| ["-CRLfile", list]));
        arguments.extend(more);
        arguments.push(certificate);
        judge.run(&arguments)
    };
    for (more, expected) in [(&[][..], [true, false, true]), (&["-use_deltas"][..], [true, true, false])] {
        for (certificate, good) in [&stays, &held, &gone].into_iter().zip(expected) {
            let (ok, text) = check(&[&base, &delta], more, certificate);
            assert_eq!(ok, good, "{certificate} {more:?} {text}");
            assert!(ok || text.contains("certificate revoked"), "{text}");
        }
    }
    // The list of another partition says nothing about these certificates.
    let (ok, text) = check(&[&elsewhere], &[], &stays);
    assert!(!ok && text.contains("scope"), "{text}");
}

// proves: NPC-06
#[test]
fn openssl_verifies_a_time_stamp() {
    let judge = OpenSsl::new();
    let npc = &*NPC_EC;
    let (key, authority) = crate::tsp::authority(npc);
    let data = judge.file("data", b"what is stamped");
    let other = judge.file("other", b"something else");
    let root = judge.file("root.pem", npc.root.to_pem());
    let more = judge.file("ca.pem", npc.ca.to_pem() + &authority.certificate().to_pem());
    for (hash, certificate) in [("-sha256", true), ("-sha384", true), ("-sha512", true), ("-sha256", false)] {
        let mut arguments = vec!["ts", "-query", "-data", &data, hash, "-out", "query"];
        arguments.extend(certificate.then_some("-cert"));
        judge.accepts(&arguments);
        let query = std::fs::read(judge.path().join("query")).expect("written");
        let request = tsp::Request::parse(&query).expect("a request");
        assert_eq!(request.certificate, certificate);
        let stamp = tsp::Stamp { serial: 1 << 64 | 5, at: now(), accuracy: 1 };
        let reply = judge.file("reply", authority.stamp(&request, stamp, &key).expect("stamped"));
        let verify = |against: &[&str]| {
            let mut arguments = vec!["ts", "-verify", "-in", &reply, "-CAfile", &root, "-untrusted", &more];
            arguments.extend(["-attime", EPOCH]);
            arguments.extend(against);
            judge.run(&arguments)
        };
        for against in [["-queryfile", "query"], ["-data", &data]] {
            let (ok, text) = verify(&against);
            assert!(ok && text.contains("Verification: OK"), "{text}");
        }
        assert!(!verify(&["-data", &other]).0);
        let text = judge.accepts(&["ts", "-reply", "-in", &reply, "-text"]);
        assert!(
            text.contains("Status: Granted.") && text.contains("Serial number: 0x010000000000000005"),
            "{text}"
        );
    }
}
