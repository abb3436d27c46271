//! The personas as files: made by the real chain, the same ever after, and read for what they are meant to be.

use crate::support::{Country, Ran, cards, in_dir, neweid, run, text};
use chip::{Chip, FileMemory, InProcessChannel, Interface};
use curve::SystemRandom;
use eac::Password;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use terminal::eid::{EncryptedZoneReport, Grant, TerminalIdentity, read_encrypted_zone};
use terminal::{Refusal, TrustStore, Verdict};

fn export(dir: &Path, name: &str, out: &Path) -> Value {
    let out = out.to_str().expect("a path");
    let json = in_dir(dir, ["persona", "export", name, "--json", "--out", out]).success();
    let exports: Value = serde_json::from_str(&json).expect("JSON");
    exports[0].clone()
}

#[test]
fn the_catalogue_names_each_persona_and_its_verdict() {
    let rows = run(["persona", "list", "--json"]).json();
    let rows = rows.as_array().expect("an array");
    assert!(rows.len() >= 19);
    let refused = rows.iter().filter(|row| row["verdict"] == "refused").count();
    assert!(refused >= 7 && rows.iter().all(|row| row["check"].is_null() == (row["verdict"] == "verified")));
    let list = run(["persona", "list"]).success();
    for row in rows {
        assert!(list.contains(&text(&row["name"])) && list.contains(&text(&row["zh"])), "{row}");
    }
}

// A healthy card, a clone of one (two chips of which one is shown), and a card of ten years ago. The others take the same ways;
// conformance/jmrtd reads all of them.
#[test]
fn personas_are_made_once_and_stay_out_of_the_countrys_books() {
    let country = Country::new();
    let (dir, out) = (country.dir(), country.beside("out"));
    let before = cards(&dir);
    for (name, verdict, check, trust) in [
        ("normal", "verified", Value::Null, "csca.pem"),
        ("cloned", "refused", "chip".into(), "csca.pem"),
        ("expired", "refused", "expiry".into(), "csca-earlier.pem"),
    ] {
        let first = export(&dir, name, &out);
        assert_eq!((&first["expected"]["verdict"], &first["expected"]["check"]), (&verdict.into(), &check));
        assert_eq!(text(&first["can"]), text(&first["serial"])[3..]);
        assert_eq!(text(&first["mrz"][0])[5..14], text(&first["serial"]));
        assert!(out.join("trust").join(trust).exists() && out.join(format!("{name}.card")).exists());
        let again = export(&dir, name, &country.beside("again"));
        assert_eq!(first["sha256"], again["sha256"], "the same card ever after");
        assert_eq!(first["pin1"], again["pin1"]);
    }
    assert_eq!(cards(&dir), before, "the country knows nothing of them");
    assert!(!dir.join("personas/work").exists(), "nothing of the making is left");

    // The card is one to be drawn, and to be put into a reader, wherever it lies.
    let card = out.join("normal.card");
    let face = country.beside("face.svg");
    let drawn = Ran::of(neweid().args(["card", "face"]).arg(&card).arg("--out").arg(&face));
    drawn.success();
    assert!(std::fs::read_to_string(&face).expect("readable").starts_with("<svg "));
    let mut insert = neweid();
    insert.args(["card", "insert"]).arg(out.join("nobody.card")).args(["--interface", "contact"]);
    Ran::of(&mut insert).fails(1, "NEWEID-E-CARD-NOT-FOUND");
    // Port 9 (discard) has no reader: the card was found and opened.
    let mut insert = neweid();
    insert.args(["card", "insert"]).arg(&card).args(["--interface", "contact", "--vpcd", "127.0.0.1:9"]);
    let refused = Ran::of(&mut insert);
    assert!(refused.code != Some(0) && !refused.stderr.contains("NEWEID-E-CARD"), "{refused}");

    let out = out.to_str().expect("a path");
    in_dir(&dir, ["persona", "export", "nobody", "--out", out]).fails(2, "NEWEID-E-PERSONA-UNKNOWN");
    assert_eq!(in_dir(&dir, ["persona", "export", "--out", out]).code, Some(2));
}

// One card of each further authority: the reserve chip's document signer on P-384, and the one with ML-DSA-65. The export has
// read each as a stranger would; here another process does.
// proves: CARD-12, OPEN-15
#[test]
fn personas_about_a_profile_keep_it_and_bring_their_trust() {
    let country = Country::new();
    let (dir, out) = (country.dir(), country.beside("out"));
    for (name, profile, trust) in [
        ("bac-lab", "bac-lab", "csca.pem"),
        ("reserve-chip", "reserve-p384", "csca-reserve.pem"),
        ("mldsa-lab", "mldsa-lab", "csca-mldsa.pem"),
    ] {
        let record = export(&dir, name, &out);
        assert_eq!(
            (text(&record["profile"]).as_str(), &record["expected"]["check"]),
            (profile, &Value::Null)
        );
        assert_eq!(text(&record["trust"][0]), format!("trust/{trust}"));
        let national =
            Ran::of(neweid().args(["persona", "export", name, "--profile", "national", "--json"]).args([
                "--dir".as_ref(),
                dir.as_os_str(),
                "--out".as_ref(),
                out.as_os_str(),
            ]));
        let same: Value = serde_json::from_str(&national.success()).expect("JSON");
        assert_eq!(same[0]["sha256"], record["sha256"], "{name} has one profile");
    }
    let out = out.to_str().expect("a path");
    let unknown = in_dir(&dir, ["persona", "export", "normal", "--profile", "bac-lab", "--out", out]);
    assert_eq!(unknown.code, Some(2), "{unknown}");
}

/// Reads the encrypted zone of a card's file with the country's sample terminal, with the named certificates.
fn encrypted_zone(card: &Path, record: &Value, pki: &Path, certificates: &[&str]) -> EncryptedZoneReport {
    let read = |name: &str| std::fs::read(pki.join(name)).expect("exported");
    let chain: Vec<u8> = certificates.iter().flat_map(|name| read(name)).collect();
    let key = String::from_utf8(read("terminal-identity-server.key")).expect("PEM");
    let key =
        curve::SecretKey::from_pkcs8(&x509::pem::decode("PRIVATE KEY", &key).expect("PEM")).expect("a key");
    let identity = TerminalIdentity::new(&chain, Arc::new(x509::EcSigner::new(key))).expect("a terminal");
    let mut trust = TrustStore::new();
    let csca = String::from_utf8(read("csca.pem")).expect("PEM");
    let csca = x509::pem::decode("CERTIFICATE", &csca).expect("PEM");
    assert!(trust.add_certificate(x509::Certificate::parse(&csca).expect("a certificate")));
    let chip =
        Chip::open(Box::new(FileMemory::open(card).expect("opens")), Box::new(SystemRandom)).expect("a chip");
    let pin1 = Password::pin(text(&record["pin1"]["value"]).as_bytes());
    let channel = InProcessChannel::new(chip, Interface::Contact);
    // A sample country was made this very minute; so are its certificates.
    #[allow(clippy::disallowed_methods)]
    let now = jiff::Timestamp::now();
    read_encrypted_zone(channel, &pin1, None, &identity, Grant::ALL, &trust, now, &mut SystemRandom)
}

// proves: EACPKI-03
#[test]
fn a_card_of_the_cvca_before_follows_the_link_certificate() {
    let country = Country::new();
    let (dir, out, pki) = (country.dir(), country.beside("out"), country.beside("pki"));
    let record = export(&dir, "old-trust-point", &out);
    in_dir(&dir, ["pki", "export", "--out", pki.to_str().expect("a path")]).success();
    let card = out.join("old-trust-point.card");
    let without = ["dv.cvcert", "terminal-identity-server.cvcert"];
    let refused = encrypted_zone(&card, &record, &pki, &without);
    assert_eq!((refused.verdict, refused.refusal), (Verdict::Refused, Some(Refusal::TerminalUntrusted)));
    assert!(refused.detail.contains("TWNEIDCVCA00001"), "{}", refused.detail);
    let with = ["cvca-link-00002.cvcert", "dv.cvcert", "terminal-identity-server.cvcert"];
    let read = encrypted_zone(&card, &record, &pki, &with);
    assert_eq!(
        (read.verdict, read.trust_point.as_str()),
        (Verdict::Verified, "TWNEIDCVCA00001"),
        "{}",
        read.detail
    );
    // From now on the card trusts the present CVCA, and needs no link.
    let read = encrypted_zone(&card, &record, &pki, &without);
    assert_eq!(
        (read.verdict, read.trust_point.as_str()),
        (Verdict::Verified, "TWNEIDCVCA00002"),
        "{}",
        read.detail
    );
}
