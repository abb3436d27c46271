//! The functions of the registration authority from a shell, on a running country, with OpenSSL agreeing at each step.

use crate::support::{Country, Up, card_of, cards, get, run, text};
use serde_json::Value;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A running country, one of its cards, and files that its owner alone reads.
struct Desk {
    country: Country,
    up: Up,
    card: Value,
}

impl Desk {
    fn open(persona: &str) -> Self {
        let country = Country::new();
        let up = Up::start(&country.dir());
        let card = card_of(&cards(&country.dir()), persona);
        let pki = country.beside("pki");
        run(["pki", "export", "--dir", &shown(&country.dir()), "--out", &shown(&pki)]).success();
        Self { country, up, card }
    }

    fn secret(&self, name: &str, content: &str) -> String {
        let path = self.country.beside(name);
        let mut options = std::fs::File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        std::io::Write::write_all(&mut options.open(&path).expect("ours"), content.as_bytes())
            .expect("written");
        shown(&path)
    }

    fn serial(&self) -> String {
        text(&self.card["serial"])
    }

    /// `neweid ra VERB` for the card, with more arguments.
    fn ra(&self, verb: &str, more: &[&str]) -> crate::support::Ran {
        let (dir, serial) = (shown(&self.country.dir()), self.serial());
        let mut arguments = vec!["ra", verb, "--json", "--dir", &dir, "--serial", &serial];
        arguments.extend(more);
        run(arguments)
    }

    fn pki(&self, name: &str) -> PathBuf {
        self.country.beside("pki").join(name)
    }

    /// What the responder tells OpenSSL about a certificate, once it has heard of the change.
    fn expect_status(&self, certificate: &Path, expected: &str) {
        let url = text(&self.up.endpoints()["ocsp"]);
        let begun = Instant::now();
        loop {
            let output = Command::new("openssl")
                .args(["ocsp", "-issuer"])
                .arg(self.pki("npc-ca.pem"))
                .arg("-cert")
                .arg(certificate)
                .args(["-url", &url, "-CAfile"])
                .arg(self.pki("npc-root.pem"))
                .arg("-verify_other")
                .arg(self.pki("npc-ca.pem"))
                .stdin(Stdio::null())
                .output();
            let Ok(output) = output else {
                eprintln!("openssl is not installed: nobody judges");
                return;
            };
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(said.contains("Response verify OK"), "{said}");
            if said.contains(&format!(": {expected}")) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{expected}: {said}");
        }
    }
}

fn shown(path: &Path) -> String {
    path.to_str().expect("a path").to_owned()
}

// proves: NPC-30, NPC-43, NPC-44, NPC-54
#[test]
fn from_suspension_to_revocation_and_openssl_agrees() {
    let desk = Desk::open("active_national");
    let code = desk.secret("code", &text(&desk.card["user_code"]));
    let pin2 = desk.secret("pin2", &text(&desk.card["pin2"]));
    let first = desk.pki(&format!("sample-citizen-{}-sign.pem", desk.serial()));
    desk.expect_status(&first, "good");

    let suspended = desk.ra("suspend", &["--pin2", &pin2]).json();
    assert!(text(&suspended["receipt"]).starts_with("RA-"), "{suspended}");
    desk.expect_status(&first, "revoked");
    // The same request again is not carried out twice; a signature by what is suspended is none.
    let (request, at) = (text(&suspended["request"]), text(&suspended["at"]));
    let again = desk.ra("suspend", &["--user-code", &code, "--request", &request, "--at", &at]).json();
    assert_eq!((&again["receipt"], &again["repeated"]), (&suspended["receipt"], &Value::Bool(true)));
    desk.ra("publish", &["--pin2", &pin2]).fails_in_json(1, "RA-E-SIGNATURE");
    desk.ra("resume", &["--user-code", &code]).success();
    desk.expect_status(&first, "good");

    // What is not published is not found; what is, is.
    let status = desk.ra("query", &["--user-code", &code]).json();
    let serial = text(&status["certificates"][0]["serial"]);
    let path = format!("/repository/serial/{serial}");
    assert_eq!(get(&desk.up.status(), &path).status, 404);
    desk.ra("publish", &["--pin2", &pin2]).success();
    let answer = get(&desk.up.status(), &path);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/pkix-cert")));
    desk.ra("hide", &["--clerk", "clerk-1", "--office", "6300001000", "--case", "C11500000001"]).success();
    assert_eq!(get(&desk.up.status(), &path).status, 404);

    // The reissue: written to the card, taken from it, and judged for the day it begins on.
    desk.ra("modify", &["--pin2", &pin2]).fails_in_json(1, "RA-E-UNCHANGED");
    assert_eq!(desk.ra("extend", &["--pin2", &pin2]).json()["written"], 2);
    desk.ra("extend", &["--pin2", &pin2]).fails_in_json(1, "RA-E-ALREADY-REISSUED");
    assert_eq!(desk.ra("rewrite", &["--user-code", &code]).json()["written"], 4);
    desk.ra("publish", &["--user-code", &code]).success();
    let status = desk.ra("query", &["--pin2", &pin2]).json();
    let listed = status["certificates"].as_array().expect("a list");
    let ec = listed.iter().find(|c| c["key"] == "ec-sign").expect("the new one");
    let answer = get(&desk.up.status(), &format!("/repository/serial/{}", text(&ec["serial"])));
    let second = desk.country.beside("second.cer");
    std::fs::write(&second, &answer.body).expect("written");
    desk.expect_status(&second, "good");
    let day =
        (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 366 * 6)).as_second().to_string();
    let judged = Command::new("openssl")
        .args(["verify", "-x509_strict", "-attime", &day, "-CAfile"])
        .arg(desk.pki("npc-root.pem"))
        .arg("-untrusted")
        .arg(desk.pki("npc-ca.pem"))
        .arg(&second)
        .output();
    if let Ok(judged) = judged {
        assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    }

    desk.ra("revoke", &["--user-code", &code]).fails_in_json(1, "RA-E-NOT-AUTHORISED");
    desk.ra("revoke", &["--pin2", &pin2, "--reason", "superseded"]).success();
    desk.expect_status(&first, "revoked");
    desk.expect_status(&second, "revoked");
    desk.ra("resume", &["--user-code", &code]).fails_in_json(1, "MGMT-E-WRONG-STATE");
    desk.up.stop();
}

#[test]
fn a_contact_is_changed_and_a_card_unblocked() {
    let desk = Desk::open("pin_blocked");
    let code = desk.secret("code", &text(&desk.card["user_code"]));
    let clerk = ["--clerk", "clerk-1", "--office", "6300001000", "--case", "C11500000001"];
    desk.ra("code", &["--user-code", &code]).fails_in_json(1, "RA-E-NO-CONTACT");
    let mobile = desk.secret("mobile", "0912345678\n");
    desk.ra("contact", &["--mobile", &mobile, "--user-code", &code]).fails_in_json(1, "RA-E-NOT-OFFERED");
    desk.ra("contact", &[&["--mobile", &mobile][..], &clerk].concat()).success();
    assert_eq!(desk.ra("code", &["--user-code", &code]).json()["sent"], "sms");
    let dir = shown(&desk.country.dir());
    let outbox = run(["ra", "outbox", "list", "--json", "--dir", &dir]).json();
    let messages = outbox.as_array().expect("a list");
    let message = messages.iter().find(|m| text(&m["text"]).contains("一次性密碼")).expect("a code");
    assert_eq!(text(&message["to"]), "0912345678");
    let words = text(&message["text"]);
    let sent = words.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 8).expect("eight digits");
    let sent = desk.secret("sent", sent);
    run(["ra", "outbox", "sent", &text(&message["id"]), "--dir", &dir]).success();
    desk.ra("unblock", &["--user-code", &code]).fails_in_json(1, "RA-E-NOT-AUTHORISED");
    desk.ra("unblock", &["--user-code", &code, "--one-time-code", &sent]).success();
    let status = run(["pin", "status", "--json", "--serial", &desk.serial(), "--dir", &dir]).json();
    assert_eq!(status["pin2"]["tries_left"], 3, "{status}");
    let verified = run(["ra", "verify", "--json", "--dir", &dir]).json();
    assert_eq!(verified["verified"], true);
    desk.up.stop();
}
