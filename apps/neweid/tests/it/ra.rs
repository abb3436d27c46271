//! The functions of the registration authority from a shell, on a running country, with OpenSSL agreeing at each step.

use crate::support::{Country, PATIENCE, Up, card_of, cards, exchange, get, run, text};
use serde_json::Value;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const OPENSSL: &str = "openssl is missing: apt-get install -y --no-install-recommends openssl";

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

    /// Opens a case about a card at a counter.
    fn case(&self, serial: &str, services: &str, more: &[&str]) -> String {
        let dir = shown(&self.country.dir());
        let at = ["--clerk", "clerk-1", "--office", "6300001000", "--dir", &dir, "--json"];
        let what = ["ra", "case", "--serial", serial, "--for", services];
        text(&run([&what[..], &at, more].concat()).json()["case"])
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
            let output = output.expect(OPENSSL);
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(said.contains("Response verify OK"), "{said}");
            if said.contains(&format!(": {expected}")) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{expected}: {said}");
        }
    }
}

fn shown(path: &Path) -> String {
    path.to_str().expect("a path").to_owned()
}

/// A recall by which a card goes on with its other keys: proposed, approved and called in, done by the holder, and told to OpenSSL.
// proves: OPEN-13, OPEN-17
#[test]
fn a_recalled_card_is_rekeyed_by_its_holder_and_openssl_agrees() {
    let desk = Desk::open("active_national");
    let code = desk.secret("code", &text(&desk.card["user_code"]));
    let pin2 = desk.secret("pin2", &text(&desk.card["pin2"]));
    let old = desk.pki(&format!("sample-citizen-{}-sign.pem", desk.serial()));
    desk.expect_status(&old, "good");
    desk.ra("rekey", &["--user-code", &code]).fails_in_json(1, "RA-E-NO-REKEY");

    let (dir, serial) = (shown(&desk.country.dir()), desk.serial());
    let recall =
        |verb: &str, more: &[&str]| run([&["recall", verb][..], more, &["--json", "--dir", &dir]].concat());
    let what = [
        "--cards",
        &serial,
        "--level",
        "scheduled",
        "--treatment",
        "rekey",
        "--revocation",
        "key_compromise",
    ];
    let proposed = recall("propose", &[&what[..], &["--reason", "drill", "--operator", "ca-anna"]].concat());
    let proposed = proposed.json();
    assert_eq!(
        (&proposed["treatment"], &proposed["revocation"]),
        (&"rekey".into(), &"key_compromise".into())
    );
    recall("approve", &["1", "--operator", "ca-bert"]).success();
    let listed = || recall("cards", &["1"]).json()[0].clone();
    assert_eq!((&listed()["other_keys"], &listed()["rekeyed"]), (&"ec".into(), &false.into()));
    let begun = Instant::now();
    while listed()["called"] == false {
        assert!(begun.elapsed() < PATIENCE, "its turn does not come");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Until its turn comes, and after it, the card is valid: PIN2 signs the request with the key that is given up.
    let done = desk.ra("rekey", &["--pin2", &pin2]).json();
    assert!(text(&done["receipt"]).starts_with("RA-"), "{done}");
    desk.expect_status(&old, "revoked");
    assert_eq!((&listed()["certified"], &listed()["rekeyed"]), (&true.into(), &true.into()));
    let report = recall("report", &["1"]).json();
    assert_eq!((&report["now"][0]["rekeyed"], &report["now"][0]["waiting"]), (&1.into(), &0.into()));
    recall("close", &["1", "--operator", "ca-anna"]).success();
    // The other key authorises from now on, once and for all.
    desk.ra("query", &["--pin2", &pin2]).success();
    desk.ra("rekey", &["--pin2", &pin2]).fails_in_json(1, "RA-E-NO-REKEY");
    let told = run(["recall", "cards", "1", "--dir", &dir]).success();
    assert!(told.contains("橢圓曲線金鑰 EC keys：已更換 in use"), "{told}");
}

// proves: NPC-30, NPC-43, NPC-44, NPC-54, PRIVACY-09
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
    // A clerk acts in a case: one that exists, is open, and is about this card and this wish.
    let case = desk.case(&desk.serial(), "certificates", &[]);
    let another = desk.case("TWC000009", "certificates", &["--person", &desk.secret("who", "A123456789")]);
    let contact = desk.case(&desk.serial(), "contact", &[]);
    let closed = desk.case(&desk.serial(), "certificates", &[]);
    let dir = shown(&desk.country.dir());
    run(["ra", "close-case", &closed, "--clerk", "clerk-1", "--dir", &dir]).success();
    for (case, code) in [
        ("C11599999999", "RA-E-CASE-UNKNOWN"),
        (another.as_str(), "RA-E-CASE-OTHER"),
        (contact.as_str(), "RA-E-CASE-SERVICE"),
        (closed.as_str(), "RA-E-CASE-CLOSED"),
    ] {
        let clerk = ["--clerk", "clerk-1", "--office", "6300001000", "--case", case];
        desk.ra("suspend", &clerk).fails_in_json(1, code);
    }
    desk.expect_status(&first, "good");
    desk.ra("hide", &["--clerk", "clerk-1", "--office", "6300001000", "--case", &case]).success();
    assert_eq!(get(&desk.up.status(), &path).status, 404);

    // The reissue: written to the card, taken from it, and judged for the day it begins on.
    desk.ra("modify", &["--pin2", &pin2]).fails_in_json(1, "RA-E-UNCHANGED");
    let clerk = ["--clerk", "clerk-1", "--office", "6300001000", "--case", &case];
    desk.ra("extend", &clerk).fails_in_json(1, "RA-E-NOT-AUTHORISED");
    assert_eq!(desk.ra("extend", &["--pin2", &pin2]).json()["written"], 2);
    desk.ra("extend", &["--pin2", &pin2]).fails_in_json(1, "RA-E-ALREADY-REISSUED");
    assert_eq!(desk.ra("rewrite", &["--user-code", &code]).json()["written"], 4);
    let consent = [&clerk[..], &["--pin2", &pin2]].concat();
    assert_eq!(desk.ra("rewrite", &consent).json()["written"], 4);
    let nowhere = ["--clerk", "clerk-1", "--office", "9999999900", "--case", &case];
    desk.ra("query", &nowhere).fails_in_json(1, "RA-E-NO-OFFICE");
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

/// The programs of another maker hold a card's keys: OpenSSL makes them, asks, signs, and judges what is handed over.
// proves: NPC-02, NPC-44
#[test]
fn a_card_of_another_make_gets_certificates_for_changed_content() {
    let desk = Desk::open("active_national");
    let (dir, beside) = (shown(&desk.country.dir()), |name: &str| shown(&desk.country.beside(name)));
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).stdin(Stdio::null()).output().expect(OPENSSL);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    };
    let (rsa, p521) = (["RSA", "rsa_keygen_bits:2048"], ["EC", "ec_paramgen_curve:P-521"]);
    for (name, [algorithm, option]) in [("rs", rsa), ("re", rsa), ("es", p521), ("ee", p521)] {
        let (key, request) = (beside(&format!("{name}.key")), beside(&format!("{name}.csr")));
        openssl(&["genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", &key]);
        openssl(&["req", "-new", "-sha512", "-key", &key, "-subj", "/CN=card", "-out", &request]);
    }
    let whose = run(["register", "show", "--of", &desk.serial(), "--json", "--dir", &dir]).json();
    let person = desk.secret("person", &text(&whose["id"]));
    let ra = |verb: &str, more: &[&str]| {
        run([&["ra", verb, "--dir", &dir, "--serial", "TWC000001"], more].concat())
    };
    let case = desk.case("TWC000001", "new-card,certificates,loss,codes,contact", &["--person", &person]);
    let clerk = ["--clerk", "clerk-1", "--office", "6300001000", "--case", &case];
    let (rs, re, es, ee) = (beside("rs.csr"), beside("re.csr"), beside("es.csr"), beside("ee.csr"));
    let (first, second) = (beside("first"), beside("second"));
    let pair = ["--person", &person, "--signing", &rs, "--encryption", &re, "--out", &first];
    ra("issue", &[&pair[..], &clerk].concat()).success();
    let verify = |folder: &str, name: &str| {
        let file = |name: &str| format!("{folder}/{name}.pem");
        let (root, issuer, own) = (file("npc-root"), file("npc-ca"), file(name));
        openssl(&["verify", "-x509_strict", "-CAfile", &root, "-untrusted", &issuer, &own]);
        let subject = ["x509", "-noout", "-subject", "-nameopt", "utf8", "-in", &own];
        (PathBuf::from(&own), openssl(&subject))
    };
    let (old, subject) = verify(&first, "rsa-sign");
    assert!(subject.contains(&text(&whose["name"]["chinese"])), "{subject}");
    desk.expect_status(&old, "good");

    // Another name in the register; the card signs the text it is shown.
    let change = desk.secret("change", r#"{"change": "name", "name": {"chinese": "林新名"}}"#);
    run(["register", "change", &change, "--of", &desk.serial(), "--dir", &dir]).success();
    let pair = ["--person", &person, "--signing", &es, "--encryption", &ee, "--out", &second];
    let words = ra("modify", &[&pair[..], &["--text"]].concat()).success();
    let line = |name: &str| {
        let found = words.lines().find_map(|line| line.strip_prefix(name));
        found.expect("a line").to_owned()
    };
    let (number, at, request, signature) =
        (line("number: "), line("time: "), beside("request.txt"), beside("request.p7s"));
    std::fs::write(&request, &words).expect("written");
    let (signer, key) = (shown(&old), beside("rs.key"));
    let sign = ["cms", "-sign", "-binary", "-outform", "DER", "-in", &request, "-out", &signature];
    openssl(&[&sign[..], &["-signer", &signer, "-inkey", &key]].concat());
    let signed = ["--signature", &signature, "--request", &number, "--at", &at, "--json"];
    let done = ra("modify", &[&pair[..], &signed].concat()).json();
    assert!(text(&done["receipt"]).starts_with("RA-"), "{done}");
    assert_eq!(done["handed_over"].as_array().map(Vec::len), Some(4), "{done}");
    let (new, subject) = verify(&second, "ec-sign");
    assert!(subject.contains("林新名"), "{subject}");
    desk.expect_status(&new, "good");
    desk.expect_status(&old, "revoked");
    let again = ra("modify", &[&pair[..], &signed].concat()).json();
    assert_eq!((&again["receipt"], &again["repeated"]), (&done["receipt"], &Value::Bool(true)));

    // The user code: a default one from the counter, then the holder's own.
    let default = ra("reset-user-code", &[&clerk[..], &["--json"]].concat()).json();
    let default = desk.secret("default", &text(&default["user_code"]));
    let own = desk.secret("own", "mine111");
    let rewrite = |code: &str| ra("rewrite", &["--user-code", code, "--out", &second, "--json"]);
    rewrite(&default).fails_in_json(1, "MGMT-E-USER-CODE-DEFAULT");
    ra("change-user-code", &["--user-code", &default, "--new", &own]).success();
    assert_eq!(rewrite(&own).json()["handed_over"].as_array().map(Vec::len), Some(4));
    ra("unblock", &[&clerk[..], &["--json"]].concat()).fails_in_json(1, "RA-E-NOT-AUTHORISED");
    let consent = [&clerk[..], &["--user-code", &own, "--json"]].concat();
    ra("unblock", &consent).fails_in_json(1, "RA-E-NO-CARD-KEYS");
    desk.up.stop();
}

/// A firm under contract asks over HTTP; it has signed with OpenSSL. What it asks is heard once, and nobody else is heard.
// proves: NPC-62, NPC-64
#[test]
fn a_firm_asks_over_http_whose_certificate_it_is() {
    let desk = Desk::open("active_national");
    let (dir, beside) = (shown(&desk.country.dir()), |name: &str| shown(&desk.country.beside(name)));
    let (certificate, key) = (beside("firm.pem"), beside("firm.key"));
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).stdin(Stdio::null()).output().expect(OPENSSL);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=sample bank", "-days", "9"];
    openssl(&[&new[..], &["-keyout", &key, "-out", &certificate]].concat());
    let whose = run(["register", "show", "--of", &desk.serial(), "--json", "--dir", &dir]).json();
    let pem = std::fs::read_to_string(desk.pki(&format!("sample-citizen-{}-sign.pem", desk.serial())));
    let der = x509::pem::decode("CERTIFICATE", &pem.expect("a file")).expect("PEM");
    let hexadecimal: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
    let inquiry = |number: &str, class: &str, nonce: u8| {
        let (content, signed) = (beside("inquiry"), beside("inquiry.p7s"));
        let document = serde_json::json!({
            "class": class, "certificate": hexadecimal, "number": number, "at": jiff::Timestamp::now().to_string(),
            "nonce": format!("{nonce:032x}"),
        });
        std::fs::write(&content, document.to_string()).expect("written");
        let sign =
            ["cms", "-sign", "-nodetach", "-binary", "-outform", "DER", "-in", &content, "-out", &signed];
        openssl(&[&sign[..], &["-signer", &certificate, "-inkey", &key]].concat());
        std::fs::read(&signed).expect("signed")
    };
    let post = |body: &[u8], kind: &str| {
        let head = format!(
            "POST /ics HTTP/1.1\r\nHost: neweid.test\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        exchange(&desk.up.web(), &[head.as_bytes(), body].concat()).expect("an answer")
    };
    let said = |body: &[u8]| {
        let answer = post(body, "application/pkcs7-mime");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let document: Value = serde_json::from_slice(&answer.body).expect("JSON");
        (
            answer.status,
            document["confirmed"].as_bool(),
            document["error"]["code"].as_str().map(str::to_owned),
        )
    };
    let refused = |status, code: &str| (status, None, Some(code.to_owned()));
    let number = text(&whose["id"]);
    let right = inquiry(&number, "contract", 1);
    assert_eq!(said(&right), refused(400, "RA-E-FIRM-MESSAGE"), "not under contract");
    let firm = ["ics", "register", "sample-bank", "--class", "contract", "--until", "2999-12-31"];
    let more = ["--certificate", &certificate, "--operator", "ca-anna", "--dir", &dir];
    run([&["ra"][..], &firm, &more].concat()).success();
    assert_eq!(said(&right), (200, Some(true), None));
    assert_eq!(said(&right), refused(400, "RA-E-FIRM-MESSAGE"), "sent again");
    assert_eq!(said(&inquiry("A123456789", "contract", 2)), (200, Some(false), None));
    assert_eq!(said(&inquiry(&number, "account", 3)), refused(403, "RA-E-FIRM-CONTRACT"));
    assert_eq!(said(b"0"), refused(400, "RA-E-FIRM-MESSAGE"));
    assert_eq!(post(&right, "application/json").status, 415);
    assert_eq!(get(&desk.up.web(), "/ics").status, 405);
    let code = desk.secret("code", &text(&desk.card["user_code"]));
    desk.ra("suspend", &["--user-code", &code]).success();
    assert_eq!(said(&inquiry(&number, "contract", 4)), (200, Some(false), None), "suspended");
    desk.up.stop();
}

/// A holder's barcode as a scanner reads it, and an invoice platform that asks over HTTP; the words are those of docs/cli.md,
/// signed with the card in the reader and with OpenSSL.
// proves: NPC-65
#[test]
fn a_barcode_is_shown_and_a_carrier_aggregated_over_http() {
    let desk = Desk::open("active_national");
    let (dir, beside) = (shown(&desk.country.dir()), |name: &str| shown(&desk.country.beside(name)));
    let code = desk.secret("code", &text(&desk.card["user_code"]));
    let picture = beside("barcode.svg");
    let shown_barcode = desk.ra("barcode", &["--user-code", &code, "--svg", &picture]).json();
    assert_eq!(shown_barcode["charges"], serde_json::json!({ "certificate": 0, "carrier": 0 }));
    let barcode = text(&shown_barcode["barcode"]);
    let svg = std::fs::read_to_string(&picture).expect("drawn");
    assert!(svg.contains(&format!(">{barcode}</text>")), "{svg}");

    let (certificate, key) = (beside("platform.pem"), beside("platform.key"));
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).stdin(Stdio::null()).output().expect(OPENSSL);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=invoices", "-days", "9"];
    openssl(&[&new[..], &["-keyout", &key, "-out", &certificate]].concat());
    let firm = ["ra", "ics", "register", "invoices", "--class", "invoice", "--until", "2999-12-31"];
    run([&firm[..], &["--certificate", &certificate, "--operator", "ca-anna", "--dir", &dir]].concat())
        .success();
    let signed = |document: &Value| {
        let (content, signed) = (beside("question"), beside("question.p7s"));
        std::fs::write(&content, document.to_string()).expect("written");
        let sign =
            ["cms", "-sign", "-nodetach", "-binary", "-outform", "DER", "-in", &content, "-out", &signed];
        openssl(&[&sign[..], &["-signer", &certificate, "-inkey", &key]].concat());
        signed
    };
    let ask = |document: &Value| {
        let body = std::fs::read(signed(document)).expect("signed");
        let head = format!(
            "POST /ics/barcode HTTP/1.1\r\nHost: neweid.test\r\nContent-Type: application/cms\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let answer = exchange(&desk.up.web(), &[head.as_bytes(), &body].concat()).expect("an answer");
        let said: Value = serde_json::from_slice(&answer.body).expect("JSON");
        (answer.status, said["answer"].as_bool(), said["error"]["code"].as_str().map(str::to_owned))
    };
    let at = jiff::Timestamp::now().to_string();
    let question = |ask: &str, nonce: u8| serde_json::json!({ "ask": ask, "barcode": barcode, "at": at, "nonce": format!("{nonce:032x}") });
    assert_eq!(ask(&question("in-force", 1)), (200, Some(true), None));
    assert_eq!(ask(&question("whose", 2)), (400, None, Some("RA-E-FIRM-MESSAGE".into())));

    let carrier = "1K0001/TRANSIT.1";
    let (words, consent) = (beside("words.txt"), beside("words.p7s"));
    let text_of = |nonce: u8| {
        format!(
            "New eID 電子發票載具 invoice carrier\nplatform: invoices\naction: aggregate 歸戶\nbarcode: {barcode}\ncarrier: {carrier}\ntime: {at}\nnumber: {nonce:032x}\n"
        )
    };
    std::fs::write(&words, text_of(3)).expect("written");
    let pin2 = desk.secret("pin2", &text(&desk.card["pin2"]));
    let sign =
        ["sign", "--key", "rsa-sign", "--in", &words, "--format", "cms", "--out", &consent, "--pin2", &pin2];
    run([&sign[..], &["--serial", &desk.serial(), "--dir", &dir]].concat()).success();
    let signature: String =
        std::fs::read(&consent).expect("signed").iter().map(|byte| format!("{byte:02x}")).collect();
    let aggregate = |nonce: u8| {
        let mut document = question("aggregate", nonce);
        document["carrier"] = carrier.into();
        document["consent"] = signature.clone().into();
        document
    };
    assert_eq!(ask(&aggregate(4)), (400, None, Some("RA-E-SIGNATURE".into())), "signed for another question");
    assert_eq!(ask(&aggregate(3)), (200, Some(true), None));
    let mut known = question("aggregated", 5);
    known["carrier"] = carrier.into();
    assert_eq!(ask(&known), (200, Some(true), None));
    desk.ra("suspend", &["--user-code", &code]).success();
    let file = signed(&question("in-force", 6));
    let answered = run(["ra", "ics", "barcode", &file, "--json", "--dir", &dir]).json();
    assert_eq!(answered["answer"], false);
    desk.up.stop();
}

/// What a holder says after the hand-over, and whoever lost the paper card of before.
// proves: NPC-39, LOSS-14
#[test]
fn certificates_are_accepted_and_a_lost_paper_card_is_reported() {
    let desk = Desk::open("active_national");
    let dir = shown(&desk.country.dir());
    let card =
        |more: &[&str]| run([&["card"], more, &["--clerk", "clerk-1", "--dir", &dir, "--json"]].concat());
    let serial = desk.serial();
    // In use: nothing is objected to any more, and confirmed once.
    card(&["accept", &serial, "--object"]).fails_in_json(1, "MGMT-E-WRONG-STATE");
    let confirmed = card(&["accept", &serial]).json();
    assert_eq!((text(&confirmed["card"]), &confirmed["accepted"]), (serial.clone(), &Value::Bool(true)));
    card(&["accept", &serial]).fails_in_json(1, "MGMT-E-WRONG-STATE");
    // Another one, as it was handed over: PINs are not set.
    let other = text(&card_of(&cards(&desk.country.dir()), "active_interop")["serial"]);
    let books = crate::books::Books::of(&desk.country.dir());
    crate::books::wait(async {
        let db = books.db("mgmt").await;
        let sql = "UPDATE card SET pins_set_at = NULL WHERE serial = $1";
        db.execute(sql, store::params![other.as_str()]).await.expect("ours");
        db.close().await;
    });
    let first = desk.pki(&format!("sample-citizen-{other}-sign.pem"));
    desk.expect_status(&first, "good");
    assert_eq!(card(&["accept", &other, "--object"]).json()["accepted"], false);
    desk.expect_status(&first, "revoked");

    // Nobody without a New eID but the one whose application waits; whoever has one reports that.
    let waiting = registry::sample_persons().into_iter().find(|one| one.persona == "just_applied");
    let number = desk.secret("number", waiting.expect("a sample person").person.id.as_str());
    for _ in 0..2 {
        assert_eq!(card(&["paper-loss", "--person", &number]).json()["reported"], true);
    }
    assert_eq!(books.count("mgmt", "SELECT count(*) FROM paper_loss"), 1);
    let holder = run(["register", "show", "--of", &serial, "--json", "--dir", &dir]).json();
    let holder = desk.secret("holder", &text(&holder["id"]));
    card(&["paper-loss", "--person", &holder]).fails_in_json(1, "MGMT-E-CARD-EXISTS");
    let nobody = desk.secret("nobody", "not a number");
    card(&["paper-loss", "--person", &nobody]).fails_in_json(2, "NEWEID-E-PERSON-NUMBER");
    desk.up.stop();
}

// proves: NPC-30, NPC-43
#[test]
fn a_contact_is_changed_and_a_card_unblocked() {
    let desk = Desk::open("pin_blocked");
    let code = desk.secret("code", &text(&desk.card["user_code"]));
    let case = desk.case(&desk.serial(), "certificates,codes,contact", &[]);
    let clerk = ["--clerk", "clerk-1", "--office", "6300001000", "--case", &case];
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
    desk.ra("unblock", &clerk).fails_in_json(1, "RA-E-NOT-AUTHORISED");
    desk.ra("unblock", &["--user-code", &code, "--one-time-code", &sent]).success();
    let status = run(["pin", "status", "--json", "--serial", &desk.serial(), "--dir", &dir]).json();
    assert_eq!(status["pin2"]["tries_left"], 3, "{status}");
    // The reissue at the counter, to which the holder consents with the user code.
    desk.ra("extend", &clerk).fails_in_json(1, "RA-E-NOT-AUTHORISED");
    assert_eq!(desk.ra("extend", &[&clerk[..], &["--user-code", &code]].concat()).json()["written"], 2);
    let verified = run(["ra", "verify", "--json", "--dir", &dir]).json();
    assert_eq!(verified["verified"], true);
    desk.up.stop();
}

/// The holder reports the loss on the country's site with number and user code, which is open at every hour, and withdraws it there;
/// certificates, the register's mark and a chip data list on paper follow, and OpenSSL agrees.
// proves: LOSS-03, LOSS-06, LOSS-08
#[test]
fn a_lost_card_is_reported_and_found_again_on_the_site() {
    let desk = Desk::open("active_national");
    let (dir, serial) = (shown(&desk.country.dir()), desk.serial());
    let holder = run(["register", "show", "--of", &serial, "--json", "--dir", &dir]).json();
    let (number, code) = (text(&holder["id"]), text(&desk.card["user_code"]));
    let certificate = desk.pki(&format!("sample-citizen-{serial}-sign.pem"));
    let list = shown(&desk.country.beside("list.txt"));
    let by = ["--clerk", "clerk-1", "--office", "6300001000", "--dir", &dir, "--json"];
    let make = ["card", "data-list", "--serial", &serial, "--fields", "name,address", "--out", &list];
    let made = run([&make[..], &by].concat()).json();
    let paper = |expected: &str, exit: i32| {
        let ran =
            run(["pki", "paper", "status", &text(&made["number"]), "--in", &list, "--json", "--dir", &dir]);
        assert_eq!((ran.code, text(&ran.json()["status"])), (Some(exit), expected.to_owned()));
    };
    paper("valid", 0);
    let root = shown(&desk.pki("csca.pem"));
    let verify = ["cms", "-verify", "-inform", "DER", "-binary", "-purpose", "any", "-out", "/dev/null"];
    let signature = format!("{list}.p7s");
    crate::holder::judged(&[&verify[..], &["-in", &signature, "-content", &list, "-CAfile", &root]].concat());

    let send = |number: &str, code: &str, what: &str| {
        let body = format!("number={number}&code={code}&what={what}");
        let head = format!(
            "POST /loss HTTP/1.1\r\nHost: neweid.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let answer = exchange(&desk.up.web(), head.as_bytes()).expect("an answer");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let page = String::from_utf8(answer.body.clone()).expect("UTF-8");
        assert!(!page.contains(number) && !page.contains(code) && !page.contains(&serial), "{page}");
        (answer.status, page)
    };
    let form = get(&desk.up.web(), "/loss");
    assert!(form.status == 200 && String::from_utf8_lossy(&form.body).contains("action=\"/loss\""));
    // Who has no card and who has the wrong code hear the same.
    let (status, wrong) = send(&number, "wrong11", "report");
    let (other, nobody) = send("A123456789", &code, "report");
    assert!(
        (status, other) == (403, 403) && wrong == nobody && wrong.contains("MGMT-E-USER-CODE-WRONG"),
        "{wrong}"
    );
    assert_eq!(send(&number, &code, "sell").0, 400);
    desk.expect_status(&certificate, "good");
    let mark =
        || text(&run(["register", "show", "--of", &serial, "--json", "--dir", &dir]).json()["card_mark"]);
    for _ in 0..2 {
        let (status, page) = send(&number, &code, "report");
        assert!(status == 200 && page.contains("RA-0"), "{page}");
        desk.expect_status(&certificate, "revoked");
        assert_eq!(mark(), "lost");
        paper("suspended", 6);
        assert_eq!(send(&number, &code, "report").0, 403, "it is lost");
        let (status, page) = send(&number, &code, "withdraw");
        assert!(status == 200 && page.contains("RA-0"), "{page}");
        desk.expect_status(&certificate, "good");
        assert_eq!(mark(), "in-force");
        paper("valid", 0);
    }
    // Nor do more tries than a code has tell the two apart, nor the right one after them.
    for _ in 0..6 {
        assert_eq!(send(&number, "wrong11", "report"), (403, nobody.clone()));
        assert_eq!(send("A123456789", "wrong11", "report"), (403, nobody.clone()));
    }
    assert_eq!(send(&number, &code, "report"), (403, nobody));
    desk.up.stop();
}
