//! The personas as files: made by the real chain, the same ever after, and read for what they are meant to be.

use crate::holder::{judged, shown};
use crate::support::{Country, Ran, Up, cards, get, in_dir, neweid, run, text};
use chip::{Chip, FileMemory, InProcessChannel, Interface};
use curve::SystemRandom;
use eac::Password;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use terminal::eid::{EncryptedZoneReport, Grant, TerminalIdentity, read_encrypted_zone};
use terminal::npc_card::{CertificateId, NpcCard};
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

// A healthy card, a clone of one (two chips of which one is shown), a card of ten years ago, and one without a portrait. The others take the same ways;
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

    // OPEN-62: of a holder who is exempted from the portrait the reader says that, and that nothing is missing.
    let exempted = export(&dir, "portrait-exempted", &out);
    assert_eq!(exempted["expected"]["verdict"], "verified");
    let (trust, read) = (shown(&out.join("trust")), shown(&country.beside("exempted")));
    let card = out.join("portrait-exempted.card");
    let options = ["read", "--trust", &trust, "--out", &read];
    let document = on_card(&card, &[&options[..], &["--json"]].concat()).json();
    assert_eq!(document["holder"]["portrait"], "exempted", "{document}");
    assert!(on_card(&card, &options).success().contains("portrait exempted"));

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

// proves: CARD-08
#[test]
fn the_secure_channel_is_opened_in_the_way_that_is_asked_for() {
    let country = Country::new();
    let (dir, out) = (country.dir(), country.beside("out"));
    let mrz = |name: &str| {
        let record = export(&dir, name, &out);
        let lines: Vec<String> = record["mrz"].as_array().expect("three lines").iter().map(text).collect();
        let file = out.join(format!("{name}-mrz.txt"));
        std::fs::write(&file, lines.join("\n")).expect("writable");
        shown(&file)
    };
    let (normals, mrz) = (mrz("normal"), mrz("bac-lab"));
    let (card, trust) = (out.join("bac-lab.card"), shown(&out.join("trust")));
    let files = shown(&country.beside("read"));
    let read = |access: &[&str]| {
        let args = ["read", "--trust", &trust, "--out", &files, "--json"];
        on_card(&card, &[&args[..], access].concat())
    };
    // TR-03110-3 §A.1.1.1: the last two numbers are the mapping and the cipher.
    for (access, protocol, mechanism) in [
        (&["--access", "pace"][..], "0.4.0.127.0.7.2.2.4.2.4", "active_authentication"),
        (&["--access", "gm"], "0.4.0.127.0.7.2.2.4.2.4", "active_authentication"),
        (&["--access", "im"], "0.4.0.127.0.7.2.2.4.4.4", "active_authentication"),
        (&["--access", "cam"], "0.4.0.127.0.7.2.2.4.6.4", "chip_authentication_mapping"),
        (&["--access", "bac", "--mrz", &mrz], "BAC", "active_authentication"),
        (&["--access", "bac", "--mrz", &mrz, "--chip-authentication"], "BAC", "chip_authentication"),
        (&["--chip-authentication"], "0.4.0.127.0.7.2.2.4.2.4", "chip_authentication"),
    ] {
        let ran = read(access);
        let document = ran.json();
        assert_eq!((ran.code, &document["verdict"]), (Some(0), &"verified".into()), "{access:?} {ran}");
        assert_eq!(document["channel"]["protocol"], protocol, "{access:?}");
        assert_eq!(document["chip_mechanism"], mechanism, "{access:?}");
    }
    // The access number opens no Basic Access Control, and no card that is issued has it.
    let refused = read(&["--access", "bac"]);
    assert_eq!(refused.code, Some(11), "{refused}");
    assert!(refused.stdout.contains("TERMINAL-E-PACE-UNSUPPORTED"), "{refused}");
    let args = ["read", "--trust", &trust, "--out", &files, "--access", "bac", "--mrz", &normals];
    let refused = on_card(&out.join("normal.card"), &args);
    assert!(refused.code != Some(0) && !refused.stdout.contains("姓名 Name"), "{refused}");
}

/// What a card says of itself to somebody who has its file.
fn on_card(card: &Path, args: &[&str]) -> Ran {
    Ran::of(neweid().args(args).arg("--serial").arg(card))
}

// proves: OPEN-15, NPC-56
#[test]
fn every_certificate_of_the_laboratory_card_is_signed_with_ml_dsa() {
    let country = Country::new();
    let (dir, out) = (country.dir(), country.beside("out"));
    let record = export(&dir, "mldsa-lab", &out);
    let named: Vec<String> = record["trust"].as_array().expect("names").iter().map(text).collect();
    for name in ["npc-mldsa-root.pem", "npc-mldsa-ca.pem", "npc-mldsa.crl", "npc-mldsa-root.crl"] {
        assert!(named.contains(&format!("trust/{name}")) && out.join("trust").join(name).exists(), "{name}");
    }
    let card = out.join("mldsa-lab.card");
    let chip = Chip::open(Box::new(FileMemory::open(&card).expect("opens")), Box::new(SystemRandom));
    let channel = InProcessChannel::new(chip.expect("a chip"), Interface::Contact);
    let mut zone = NpcCard::open_in_clear(channel).expect("a sample card");
    let mut addresses = Vec::new();
    for id in CertificateId::ALL {
        let der = zone.certificate(id).expect("all six slots are filled");
        let certificate = x509::Certificate::parse(&der).expect("a certificate");
        assert_eq!(certificate.signature_algorithm(), Some(x509::SignatureAlgorithm::MlDsa65), "{id:?}");
        assert!(der.len() > 3_309, "{id:?}: the signature alone has 3309 bytes (FIPS 204 table 2)");
        addresses.extend(certificate.crl_distribution_points().to_vec());
    }
    drop(zone);
    assert!(addresses.iter().all(|address| address.contains("/mldsa/crl/npc")), "{addresses:?}");

    // The chip's own keys are as on every card: they fit, sign, and the chain is good up to the laboratory's root.
    let pin2 = country.beside("pin2");
    std::fs::write(&pin2, text(&record["pin2"]["value"])).expect("writable");
    std::fs::set_permissions(&pin2, std::fs::Permissions::from_mode(0o600)).expect("ours");
    let (trust, pin2) = (shown(&out.join("trust")), shown(&pin2));
    let listed = on_card(&card, &["cert", "list", "--json", "--pin2", &pin2, "--trust", &trust]).json();
    let slots = listed.as_array().expect("slots");
    assert_eq!(slots.len(), 6);
    for slot in slots {
        assert_eq!(slot["status"], "good", "{slot}");
        assert_eq!(slot["signed_with"], "ML-DSA-65", "{slot}");
        let own = slot["slot"].as_u64().is_some_and(|n| n <= 4);
        assert_eq!(slot["key_fits"].as_bool(), own.then_some(true), "{slot}");
        assert_eq!(text(&slot["key"]).starts_with("ML-DSA"), !own, "{slot}");
    }
    let (letter, signed) = (shown(&country.beside("letter")), shown(&country.beside("letter.p7s")));
    std::fs::write(&letter, "同意書 I agree.\n").expect("writable");
    for key in ["rsa-sign", "ec-sign"] {
        let args =
            ["sign", "--key", key, "--format", "cms", "--in", &letter, "--out", &signed, "--pin2", &pin2];
        on_card(&card, &args).success();
        // The chain is more than OpenSSL 3.0 can judge; the signature of the card's own key is not.
        let verify = ["cms", "-verify", "-noverify", "-inform", "DER", "-binary", "-in", &signed, "-content"];
        judged(&[&verify[..], &[&letter, "-out", "/dev/null"]].concat());
    }
    let read = ["read", "--trust", &trust, "--out", &shown(&country.beside("read"))];
    on_card(&card, &read).success();

    // What the certificates name is there: the running country, which has not made the card, serves the lists.
    let up = Up::start(&dir);
    let ca = std::fs::read_to_string(out.join("trust/npc-mldsa-ca.pem")).expect("exported");
    let ca = x509::Certificate::parse(&x509::pem::decode("CERTIFICATE", &ca).expect("PEM")).expect("a CA");
    let list = get(&up.status(), "/mldsa/crl/npc.crl");
    assert_eq!(list.status, 200, "{list:?}");
    let list = x509::crl::Crl::parse(&list.body).expect("a list");
    list.verify_signature(ca.spki()).expect("signed by the laboratory's authority");
    assert_eq!(get(&up.status(), "/mldsa/crl/nothing.crl").status, 404);
    // Another process has made it and none has been made elsewhere: it stays the one authority.
    assert_eq!(export(&dir, "mldsa-lab", &out)["sha256"], record["sha256"]);
    up.stop();
}

/// A profile of one's own: a built-in one with changes, as a file.
fn own_profile(country: &Country, from: &str, changes: &[(&str, &str)]) -> String {
    let mut text = run(["card", "profile", "show", from]).success();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let file = country.beside("mine.toml");
    std::fs::write(&file, text).expect("writable");
    shown(&file)
}

// proves: CARD-12
#[test]
fn a_card_is_made_by_a_profile_of_ones_own_and_keeps_it() {
    let country = Country::new();
    let (dir, out) = (country.dir(), country.beside("out"));
    let made = |name: &str, profile: &str| {
        in_dir(&dir, ["persona", "export", name, "--profile", profile, "--json", "--out", &shown(&out)])
    };
    let file = own_profile(
        &country,
        "interop",
        &[
            ("name = \"interop\"", "name = \"mine\""),
            (
                "\"18 AES-256, 13 AES-128, 18 CAM-AES-256, 13 IM-AES-128, 18 IM-AES-256\"",
                "\"16 AES-192, 13 AES-128\"",
            ),
        ],
    );
    assert_eq!(run(["card", "profile", "check", &file]).code, Some(0));
    let record: Value = serde_json::from_str(&made("normal", &file).success()).expect("JSON");
    assert_eq!(
        (&record[0]["profile"], &record[0]["expected"]["verdict"]),
        (&"mine".into(), &"verified".into())
    );
    // Another process knows the card by itself: the offer is the file's, not that of any profile of the program.
    let card = out.join("normal.card");
    let (trust, read) = (shown(&out.join("trust")), shown(&country.beside("read")));
    let report = on_card(&card, &["read", "--json", "--trust", &trust, "--out", &read]).json();
    assert_eq!(report["verdict"], "verified", "{report}");
    let channel = report["channel"].to_string();
    assert!(channel.contains("brainpoolP384r1"), "{channel}");
    let listed = on_card(&card, &["cert", "list", "--json", "--trust", &trust]).json();
    assert!(listed.as_array().expect("slots").iter().all(|slot| slot["status"] == "good"), "{listed}");

    // Another document signer, and a persona whose PIN was forgotten over a channel of the profile's own offer.
    let changes = [
        ("name = \"interop\"", "name = \"mine-pq\""),
        (
            "\"18 AES-256, 13 AES-128, 18 CAM-AES-256, 13 IM-AES-128, 18 IM-AES-256\"",
            "\"16 AES-192, 13 AES-128\"",
        ),
        ("signer = \"secp521r1\"", "signer = \"ML-DSA-65\""),
    ];
    let file = own_profile(&country, "interop", &changes);
    let record: Value = serde_json::from_str(&made("pin1-blocked", &file).success()).expect("JSON");
    assert_eq!(
        (&record[0]["profile"], &record[0]["trust"][0]),
        (&"mine-pq".into(), &"trust/csca-mldsa.pem".into())
    );
    // Another type of chip with other keys and signer.
    let changes = [("name = \"reserve-p384\"", "name = \"mine-384\""), ("sample = false", "sample = true")];
    let file = own_profile(&country, "reserve-p384", &changes);
    let record: Value = serde_json::from_str(&made("pin2-blocked", &file).success()).expect("JSON");
    assert_eq!(
        (&record[0]["profile"], &record[0]["trust"][0]),
        (&"mine-384".into(), &"trust/csca-reserve.pem".into())
    );
    let listed = on_card(&out.join("pin2-blocked.card"), &["cert", "list", "--json"]).json();
    // The authority certifies RSA-2048 and P-521 (NPC-59): the pairs on P-384 stay without a certificate.
    let present: Vec<_> = listed.as_array().expect("slots").iter().map(|slot| &slot["present"]).collect();
    assert_eq!(present, [true, true, false, false, true, true]);
    let status = on_card(&out.join("pin1-blocked.card"), &["pin", "status", "--json"]).json();
    assert_eq!(status["pin1"]["state"], "blocked", "{status}");

    // What is no profile, is none for samples, or asks for more than one.
    let file = own_profile(
        &country,
        "interop",
        &[("name = \"interop\"", "name = \"mine\""), ("tries = 3", "tries = 9")],
    );
    made("normal", &file).fails_in_json(2, "NEWEID-E-PROFILE");
    made("normal", &shown(&country.beside("absent.toml"))).fails_in_json(2, "NEWEID-E-PROFILE-FILE");
    let file = own_profile(&country, "interop", &[]);
    let refused = made("normal", &file);
    refused.fails_in_json(2, "NEWEID-E-PROFILE");
    assert!(refused.stdout.contains("PROFILE-OWN-NAME"), "{refused}");
    let file = own_profile(&country, "interop", &[("name = \"interop\"", "name = \"mine\"")]);
    made("expired", &file).fails_in_json(2, "NEWEID-E-PERSONA-PROFILE");
    made("cloned", &file).fails_in_json(2, "NEWEID-E-PERSONA-PROFILE");
    made("--all", &file).fails_in_json(2, "NEWEID-E-PERSONA-PROFILE");
    let changes =
        [("name = \"interop\"", "name = \"mine\""), ("signer = \"secp521r1\"", "signer = \"secp256r1\"")];
    let file = own_profile(&country, "interop", &changes);
    made("normal", &file).fails_in_json(2, "NEWEID-E-PROFILE-SIGNER");
    assert!(!dir.join("personas/own/normal.card").exists() && !dir.join("personas/work").exists());
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
