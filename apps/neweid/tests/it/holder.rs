//! What the holder of a card does with it, and a developer who looks on: PINs, signatures, decipherment, certificates, trace
//! and watch; every card held in process, OpenSSL as the judge.

use crate::support::{Country, PATIENCE, Ran, Up, card_of, cards, get, neweid, text};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A copy of the country with a card in use, and files beside it.
struct Desk {
    country: Country,
    card: Value,
}

impl Desk {
    fn new(persona: &str) -> Self {
        let country = Country::new();
        let card = card_of(&cards(&country.dir()), persona);
        Self { country, card }
    }

    fn serial(&self) -> String {
        text(&self.card["serial"])
    }

    /// A file that only its owner can read.
    fn secret(&self, name: &str, content: &str) -> String {
        let path = self.country.beside(name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&path).and_then(|mut file| file.write_all(content.as_bytes())).expect("writable");
        shown(&path)
    }

    fn pin2(&self) -> String {
        self.secret("pin2", &text(&self.card["pin2"]))
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.country.beside(name);
        fs::write(&path, content).expect("writable");
        shown(&path)
    }

    fn path(&self, name: &str) -> String {
        shown(&self.country.beside(name))
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.country.beside(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A command on the card, which this process holds.
    fn card(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = neweid();
        command.args(args).args(["--serial", &self.serial(), "--dir"]).arg(self.country.dir());
        command
    }

    /// The certificates of the country, and the chain of the card's.
    fn pki(&self) -> PathBuf {
        let out = self.country.beside("pki");
        if !out.exists() {
            let mut export = neweid();
            export.args(["pki", "export", "--out"]).arg(&out).arg("--dir").arg(self.country.dir());
            Ran::of(&mut export).success();
        }
        out
    }

    fn certificate(&self, use_: &str) -> String {
        shown(&self.pki().join(format!("sample-citizen-{}-{use_}.pem", self.serial())))
    }
}

pub fn shown(path: &Path) -> String {
    path.to_str().expect("a path").to_owned()
}

pub fn openssl(args: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(args).stdin(Stdio::null()).output();
    let output = output.expect("openssl is missing: apt-get install -y --no-install-recommends openssl");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), said)
}

pub fn judged(args: &[&str]) {
    let (passed, said) = openssl(args);
    assert!(passed, "openssl {args:?}: {said}");
}

// proves: CARD-35, CARD-39
#[test]
fn a_document_is_signed_and_openssl_verifies() {
    for persona in ["active_interop", "active_national"] {
        let desk = Desk::new(persona);
        let document = desk.file("letter", "同意書 I agree.\n".as_bytes());
        let pin2 = desk.pin2();
        let keys = [("rsa-sign", "-sha256", "sign"), ("ec-sign", "-sha512", "sign-ec")];
        // OPEN-14: the EC slots of a national card are filled at reissue.
        let filled = if persona == "active_national" { 1 } else { 2 };
        for (key, hash, certificate) in &keys[..filled] {
            let signature = desk.path(key);
            let args = ["sign", "--key", key, "--in", &document, "--out", &signature, "--pin2", &pin2];
            let told = desk.card(&[&args[..], &["--json"]].concat());
            assert_eq!(told.json()["key"], *key, "{told}");
            let public = desk.path("public.pem");
            let certificate = desk.certificate(certificate);
            judged(&["x509", "-in", &certificate, "-pubkey", "-noout", "-out", &public]);
            judged(&["dgst", hash, "-verify", &public, "-signature", &signature, &document]);

            let cms = desk.path("cms");
            desk.card(&[
                "sign", "--key", key, "--in", &document, "--out", &cms, "--pin2", &pin2, "--format", "cms",
            ])
            .success();
            let root = shown(&desk.pki().join("npc-root.pem"));
            let verify = |content: &str| {
                openssl(&[
                    "cms",
                    "-verify",
                    "-inform",
                    "DER",
                    "-in",
                    &cms,
                    "-binary",
                    "-content",
                    content,
                    "-CAfile",
                    &root,
                    "-purpose",
                    "any",
                    "-out",
                    "/dev/null",
                ])
            };
            let (passed, said) = verify(&document);
            assert!(passed, "{said}");
            let changed = desk.file("changed", b"I do not agree.\n");
            assert!(!verify(&changed).0);
        }
    }
}

// proves: CARD-37, CARD-39
#[test]
fn what_openssl_enciphers_the_card_opens() {
    let desk = Desk::new("active_interop");
    let secret = "只給持卡人 for the holder alone".as_bytes();
    let plain = desk.file("plain", secret);
    let (pin2, out) = (desk.pin2(), desk.path("opened"));
    let open =
        |input: &str| desk.card(&["decipher", "--in", input, "--out", &out, "--pin2", &pin2, "--json"]);
    let cases: [(&str, &[&str], &str); 5] = [
        ("encrypt", &["-aes256"], "rsa-decrypt"),
        ("encrypt", &["-aes128", "-keyid"], "rsa-decrypt"),
        ("encrypt-ec", &["-aes256"], "ec-agree"),
        ("encrypt-ec", &["-aes128", "-keyopt", "ecdh_kdf_md:sha512", "-keyid"], "ec-agree"),
        ("encrypt-ec", &["-aes192", "-keyopt", "ecdh_kdf_md:sha256"], "ec-agree"),
    ];
    for (i, (use_, options, key)) in cases.into_iter().enumerate() {
        let certificate = desk.certificate(use_);
        let envelope = desk.path(&format!("envelope-{i}"));
        let form = if i == 0 { "PEM" } else { "DER" };
        // Options of a recipient stand after -recip.
        let (cipher, more) = options.split_first().expect("a cipher");
        let mut args =
            vec!["cms", "-encrypt", "-binary", "-in", &plain, "-outform", form, "-out", &envelope, cipher];
        args.extend(more.iter().filter(|o| **o == "-keyid"));
        args.extend(["-recip", &certificate]);
        args.extend(more.iter().filter(|o| **o != "-keyid"));
        judged(&args);
        let ran = open(&envelope);
        assert_eq!(ran.json()["key"], key, "{args:?}: {ran}");
        assert_eq!(desk.read("opened"), secret, "{args:?}");
        fs::remove_file(&out).expect("written");
    }

    // One RSA block, and the other half of a key agreement.
    let public = desk.path("public.pem");
    judged(&["x509", "-in", &desk.certificate("encrypt"), "-pubkey", "-noout", "-out", &public]);
    let block = desk.path("block");
    judged(&["pkeyutl", "-encrypt", "-pubin", "-inkey", &public, "-in", &plain, "-out", &block]);
    assert_eq!(open(&block).json()["format"], "rsa");
    assert_eq!(desk.read("opened"), secret);
    let (own, own_public) = (desk.path("own.pem"), desk.path("own-public.pem"));
    judged(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521", "-out", &own]);
    judged(&["pkey", "-in", &own, "-pubout", "-out", &own_public]);
    judged(&["x509", "-in", &desk.certificate("encrypt-ec"), "-pubkey", "-noout", "-out", &public]);
    let agreed = desk.path("agreed");
    judged(&["pkeyutl", "-derive", "-inkey", &own, "-peerkey", &public, "-out", &agreed]);
    assert_eq!(open(&own_public).json()["format"], "ecdh");
    assert_eq!(desk.read("opened"), desk.read("agreed"));
    fs::remove_file(&out).expect("written");

    // Changed, for somebody else, or nothing of the kind.
    let mut damaged = desk.read("block");
    damaged[7] ^= 1;
    open(&desk.file("damaged", &damaged)).fails_in_json(18, "TERMINAL-E-KEY-INPUT");
    // AES-CBC: a bit of the last block but one is a bit of the padding, which is wrong then whatever the key.
    let mut cut = desk.read("envelope-1");
    let at = cut.len() - 17;
    cut[at] ^= 1;
    open(&desk.file("cut", &cut)).fails_in_json(18, "TERMINAL-E-KEY-INPUT");
    let stranger = Desk::new("active_national");
    let other = desk.path("other");
    let to = stranger.certificate("encrypt");
    judged(&["cms", "-encrypt", "-in", &plain, "-outform", "DER", "-out", &other, "-aes256", "-recip", &to]);
    open(&other).fails_in_json(18, "TERMINAL-E-KEY-INPUT");
    open(&plain).fails_in_json(2, "NEWEID-E-DECIPHER-INPUT");
    open(&desk.path("no such file")).fails_in_json(2, "NEWEID-E-INPUT-FILE");
    assert!(!Path::new(&out).exists(), "nothing is written where nothing was opened");
}

// proves: CARD-38
#[test]
fn the_certificates_of_a_card_are_listed_and_judged() {
    let desk = Desk::new("active_interop");
    let pki = shown(&desk.pki());
    let pin2 = desk.pin2();
    let ran = desk.card(&["cert", "list", "--json", "--pin2", &pin2, "--trust", &pki]);
    assert_eq!(ran.code, Some(0), "{ran}");
    let slots = ran.json();
    let slots = slots.as_array().expect("an array");
    let names: Vec<String> = slots.iter().map(|slot| text(&slot["name"])).collect();
    assert_eq!(names, ["rsa-sign", "rsa-decrypt", "ec-sign", "ec-agree", "root", "intermediate"]);
    for slot in slots {
        assert_eq!((&slot["present"], &slot["valid_now"]), (&true.into(), &true.into()), "{slot}");
        assert_eq!(slot["status"], "good", "{slot}");
        let own = slot["slot"].as_u64().is_some_and(|n| n <= 4);
        assert_eq!(slot["key_fits"].as_bool(), own.then_some(true), "{slot}");
        assert!(
            !text(&slot["subject"]).is_empty() && text(&slot["fingerprint_sha256"]).len() == 64,
            "{slot}"
        );
    }
    let plain = desk.card(&["cert", "list"]).success();
    assert!(plain.contains("ec-agree") && !plain.contains("fits") && !plain.contains("status"), "{plain}");
    // A card whose holder did not ask for certificates has no zone; neither has the contactless side.
    Desk::new("no_certificate").card(&["cert", "list"]).fails(19, "TERMINAL-E-ZONE-CLOSED");
    desk.card(&["cert", "list", "--interface", "contactless"]).fails(19, "TERMINAL-E-ZONE-CLOSED");
}

// CARD-43: without the access number there is no secure channel, and PIN2 is not sent before somebody says that it may be.
#[test]
fn pin2_leaves_in_the_clear_only_where_that_is_asked_for() {
    let desk = Desk::new("active_interop");
    let (document, out, pin2) = (desk.file("block", &[7; 256]), desk.path("out"), desk.pin2());
    let in_reader = |args: &[&str], more: &[&str]| {
        let mut command = neweid();
        Ran::of(command.args(args).args(["--reader", "no such reader"]).args(more))
    };
    for args in [
        &["sign", "--key", "rsa-sign", "--in", &document, "--out", &out, "--pin2", &pin2][..],
        &["decipher", "--in", &document, "--out", &out, "--format", "rsa", "--pin2", &pin2],
        &["cert", "list", "--pin2", &pin2],
        &["pin", "change", "pin2", "--old", &pin2, "--new", &pin2],
    ] {
        in_reader(args, &[]).fails(2, "NEWEID-E-CAN-MISSING");
        in_reader(args, &["--in-clear"]).fails(4, "NEWEID-E-NO-CARD");
        in_reader(args, &["--can", "000017"]).fails(4, "NEWEID-E-NO-CARD");
        assert_eq!(in_reader(args, &["--can", "000017", "--in-clear"]).code, Some(2), "one or the other");
    }
    // What sends no PIN2 needs neither.
    in_reader(&["cert", "list"], &[]).fails(4, "NEWEID-E-NO-CARD");
    in_reader(&["pin", "change", "pin1", "--old", &pin2, "--new", &pin2], &[]).fails(4, "NEWEID-E-NO-CARD");
}

fn states(desk: &Desk, more: &[&str]) -> (String, String) {
    let ran = desk.card(&[&["pin", "status", "--json"], more].concat());
    assert_eq!(ran.code, Some(0), "{ran}");
    let document = ran.json();
    (text(&document["pin1"]["state"]), text(&document["pin2"]["state"]))
}

fn pair(a: &str, b: &str) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

// proves: CARD-30, CARD-35, CARD-50, CARD-51, OPEN-64
#[test]
fn pins_are_asked_for_changed_suspended_and_blocked() {
    let desk = Desk::new("active_national");
    assert_eq!(states(&desk, &[]), pair("usable", "usable"));
    assert_eq!(states(&desk, &["--interface", "contactless"]), pair("absent", "absent"));
    assert_eq!(states(&Desk::new("ready"), &[]).0, "not_set");
    assert_eq!(states(&Desk::new("no_certificate"), &[]).1, "absent");

    let change = |which: &str, old: &str, new: &str| {
        let (old, new) = (desk.secret("old", old), desk.secret("new", new));
        desk.card(&["pin", "change", which, "--old", &old, "--new", &new])
    };
    let (pin1, pin2) = (text(&desk.card["pin1"]), text(&desk.card["pin2"]));
    let other = |digits: &str| -> String {
        digits.bytes().map(|digit| char::from(b'0' + (digit - b'0' + 1) % 10)).collect()
    };
    assert!(change("pin1", &pin1, &other(&pin1)).success().contains("PIN1"));
    assert!(change("pin2", &pin2, &format!("{}00", other(&pin2))).success().contains("PIN2"));
    change("pin2", &pin2, &other(&pin2)).fails(17, "TERMINAL-E-PIN2-WRONG");
    // A form that cannot be is refused before the card is asked.
    change("pin1", "12345", &pin1).fails(17, "TERMINAL-E-PIN1-FORM");
    change("pin2", "1234567", "12345678").fails(17, "TERMINAL-E-PIN2-FORM");
    change("pin2", "12345678", "1234567890123").fails(17, "TERMINAL-E-PIN2-FORM");
    let wrong = change("pin1", &pin1, &pin1);
    wrong.fails(17, "TERMINAL-E-PIN1-WRONG");
    assert!(wrong.stderr.contains("2 tries left"), "{wrong}");
    change("pin1", &pin1, &pin1).fails(17, "TERMINAL-E-PIN1-WRONG");
    assert_eq!(states(&desk, &[]).0, "suspended");
    // The access number is known here (--serial), so the right PIN1 is taken, and the counter starts anew.
    change("pin1", &other(&pin1), &pin1).success();
    assert_eq!(states(&desk, &[]), pair("usable", "usable"));
    for _ in 0..2 {
        change("pin2", "99999999", "11111111");
    }
    change("pin2", "99999999", "11111111").fails(17, "TERMINAL-E-PIN2-BLOCKED");
    change("pin2", &format!("{}00", other(&pin2)), "11111111").fails(17, "TERMINAL-E-PIN2-BLOCKED");
    assert_eq!(states(&desk, &[]), pair("usable", "blocked"));
}

#[test]
fn pins_come_from_files_and_standard_input_but_never_from_arguments() {
    let desk = Desk::new("active_interop");
    let document = desk.file("letter", b"text");
    let out = desk.path("signature");
    let args = ["sign", "--key", "ec-sign", "--in", &document, "--out", &out];
    let with = |more: &[&str]| desk.card(&[&args[..], more].concat());
    // No terminal to ask at: the test has none.
    let mut command = desk.command(&args);
    let asked = Ran::of(
        Command::new("setsid")
            .arg("-w")
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::null()),
    );
    asked.fails(2, "NEWEID-E-PIN-MISSING");
    with(&["--pin2", &desk.path("absent")]).fails(2, "NEWEID-E-PIN-FILE");
    with(&["--pin2", &desk.file("open", b"12345678")]).fails(2, "NEWEID-E-PIN-FILE");
    with(&["--pin2", "-"]).fails(2, "NEWEID-E-PIN-MISSING");
    let from_stdin = |mut command: Command, text: String| {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("taken");
        let output = child.wait_with_output().expect("ends");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    command.args(["--pin2", "-"]);
    let ended = from_stdin(command, format!("{}\n", text(&desk.card["pin2"])));
    assert_eq!(ended.0, Some(0), "{}", ended.1);
    let change = desk.command(&["pin", "change", "pin2", "--old", "-", "--new", "-"]);
    let ended = from_stdin(change, format!("{}\n13579135\n", text(&desk.card["pin2"])));
    assert_eq!(ended.0, Some(0), "{}", ended.1);
    with(&["--pin2", &desk.secret("new", "13579135")]).success();
    // There is no such argument, and the PIN is not repeated.
    let ran = with(&["--pin", "13579135"]);
    assert_eq!(ran.code, Some(2), "{ran}");
}

#[test]
fn a_trace_tells_what_passes_and_no_secret() {
    let desk = Desk::new("active_interop");
    let document = desk.file("letter", b"text");
    let (pin2, out) = (desk.pin2(), desk.path("signature"));
    let args = ["sign", "--key", "rsa-sign", "--in", &document, "--out", &out, "--pin2", &pin2, "--trace"];
    let ran = desk.card(&args);
    assert_eq!(ran.code, Some(0), "{ran}");
    for expected in ["PACE step 4 of 4", "VERIFY PIN2 (hidden)", "SIGN with key 1", "SIGN 以金鑰 1", "> 0C"]
    {
        assert!(ran.stderr.contains(expected), "{expected}: {ran}");
    }
    let digits = text(&desk.card["pin2"]);
    let hidden = [digits.clone(), digits.bytes().map(|digit| format!("{digit:02X}")).collect()];
    assert!(hidden.iter().all(|secret| !ran.stderr.contains(secret.as_str())));
    let json = desk.card(&[&args[..], &["--json"]].concat());
    assert_eq!(json.json()["key"], "rsa-sign");
    let events: Vec<Value> =
        json.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON per line")).collect();
    assert_eq!(events[0]["trace"]["event"], "reset");
    assert!(events.iter().any(|event| event["trace"]["line"]["answer"]["en"] == "done"));
}

#[test]
fn a_card_says_what_it_is() {
    let desk = Desk::new("active_national");
    for interface in ["contact", "contactless"] {
        let ran = desk.card(&["card", "kind", "--interface", interface, "--json"]);
        let document = ran.json();
        assert_eq!(
            (&document["kind"], &document["middleware"]),
            (&"new_eid".into(), &"new_eid".into()),
            "{ran}"
        );
    }
}

// proves: CARD-25, CARD-27
#[test]
fn a_card_is_read_without_any_reader() {
    let desk = Desk::new("active_national");
    let (out, pki) = (desk.path("read"), shown(&desk.pki()));
    for interface in ["contact", "contactless"] {
        let ran = desk.card(&["read", "--out", &out, "--trust", &pki, "--interface", interface, "--json"]);
        assert_eq!((ran.code, &ran.json()["verdict"]), (Some(0), &"verified".into()), "{ran}");
    }
    let number = if text(&desk.card["can"]) == "000000" { "111111" } else { "000000" };
    let wrong = desk.card(&["read", "--out", &out, "--can", number]);
    assert_eq!(wrong.code, Some(11), "{wrong}");
    assert!(wrong.stdout.contains("TERMINAL-E-WRONG-PASSWORD"), "{wrong}");
}

#[test]
fn the_household_zone_is_told_with_the_address() {
    let desk = Desk::new("active_national");
    let (out, pki) = (desk.path("read"), shown(&desk.pki()));
    let read = |more: &[&str]| desk.card(&[&["read", "--out", &out, "--trust", &pki], more].concat());
    let zone = read(&["--address", "--json"]).json()["household"].clone();
    let told = read(&["--address"]).success();
    let line =
        told.lines().find(|line| line.contains("戶籍地區 Household")).unwrap_or_else(|| panic!("{told}"));
    for part in ["county", "district", "village"] {
        assert!(line.contains(&text(&zone[part])), "{part}: {told}");
    }
    assert!(line.contains(&zone["neighbourhood"].to_string()) && told.contains(&text(&zone["village_code"])));
    // Without it only that the zone was read and is the country's: what it says is most of the address.
    let (silent, json) = (read(&[]).success(), read(&["--json"]));
    assert!(silent.contains("通過 pass  戶籍地區簽章 signature of the household zone"), "{silent}");
    assert_eq!(json.json()["statements"]["household_signature_valid"], "passed");
    for part in ["village", "village_code"] {
        assert!(!silent.contains(&text(&zone[part])), "{part}: {silent}");
        assert!(!json.stdout.contains(&text(&zone[part])), "{part}: {json}");
    }
}

#[test]
fn a_reader_says_to_what_the_holder_consents_and_keeps_the_address_back() {
    let desk = Desk::new("active_national");
    let (out, pki) = (desk.path("read"), shown(&desk.pki()));
    let ran = |more: &[&str]| desk.card(&[&["read", "--out", &out, "--trust", &pki], more].concat());
    let read = |more: &[&str]| ran(more).success();
    // Before anything else, and not where the answer goes: that begins with the verdict.
    let first = ran(&[]);
    let line = first.stderr.lines().next().unwrap_or_default();
    assert!(line.contains("同意") && line.contains("consents"), "{first}");
    let told = read(&[]);
    assert!(told.starts_with("驗證通過 VERIFIED"), "{told}");
    assert!(!told.contains("戶籍地址 Address") && !told.contains("役別 Military"), "{told}");
    assert!(desk.read("read/dg1.bin").len() > 90);
    for file in ["read/dg11.bin", "read/dg13.bin", "read/household.bin"] {
        assert!(!std::path::Path::new(&desk.path(file)).exists(), "{file}");
    }
    let json: Value = serde_json::from_slice(&desk.read("read/report.json")).expect("JSON");
    assert_eq!(json["holder"]["portrait"], "present");
    assert!(json["holder"]["public_zone"]["registered_address"].is_null(), "{json}");
    assert!(json["household"].is_null(), "{json}");
    let told = read(&["--address"]);
    assert!(told.contains("戶籍地址 Address") && told.contains("役別 Military"), "{told}");
    for file in ["read/dg11.bin", "read/dg13.bin", "read/household.bin"] {
        assert!(!desk.read(file).is_empty(), "{file}");
    }
}

#[test]
fn a_card_answers_questions_with_yes_or_no() {
    let desk = Desk::new("active_national");
    let (out, pki) = (desk.path("read"), shown(&desk.pki()));
    let pin1 = desk.secret("pin1", &text(&desk.card["pin1"]));
    let read = |name: &str, questions: &[&str], more: &[&str]| {
        let terminal = terminal(&desk, name);
        let mut args = vec!["read", "--out", &out, "--trust", &pki, "--pin1", &pin1];
        args.extend(terminal.iter().map(String::as_str));
        args.extend(questions.iter().flat_map(|question| ["--ask", question]));
        desk.card(&[&args[..], more].concat())
    };
    let answers = |questions: &[&str]| {
        let ran = read("identity-server", questions, &["--json"]);
        assert_eq!(ran.code, Some(0), "{ran}");
        let document = ran.json();
        let answers = document["answers"].as_array().expect("answers").clone();
        (document, answers.iter().map(|answer| answer["answer"].clone()).collect::<Vec<Value>>())
    };
    // What the card says elsewhere is what it answers by.
    let document = read("identity-server", &["valid-on=2026-01-01"], &["--json", "--address"]).json();
    let birth = text(&document["holder"]["public_zone"]["birth"]["iso"]);
    let day: jiff::civil::Date = birth.parse().expect("a day");
    let before = day.yesterday().expect("a day").to_string();
    let village = text(&document["household"]["village_code"]);
    let asked =
        [format!("born-by={birth}"), format!("lives-in={}", &village[..5]), "valid-on=2026-12-31".into()];
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    assert_eq!(answers(&asked).1, [true, true, true]);
    let elsewhere = if village.starts_with('1') { "2" } else { "1" };
    let asked = [format!("born-by={before}"), format!("lives-in={elsewhere}"), "valid-on=2099-12-31".into()];
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    assert_eq!(answers(&asked).1, [false, false, false]);
    let told = read("identity-server", &[&format!("born-by={birth}")], &[]).success();
    assert!(told.contains(&format!("born on or before {birth}: 是 yes")), "{told}");
    // A terminal without the right learns nothing, but whether the card is valid everybody may ask whom PIN1 let in.
    let ran = read("two-fields", &["born-by=2008-01-01", "valid-on=2026-12-31"], &["--json"]);
    let document = ran.json();
    assert_eq!((ran.code, &document["answers"][1]["answer"]), (Some(19), &true.into()), "{ran}");
    let refused = &document["answers"][0];
    assert_eq!(refused["refusal"]["code"], "TERMINAL-E-TERMINAL-RIGHT", "{ran}");
    assert!(text(&refused["detail"]).contains("AGE_VERIFICATION") && refused["answer"].is_null(), "{ran}");
    let twice = ["born-by=2008-01-01", "born-by=2009-01-01"];
    read("identity-server", &twice, &["--json"]).fails_in_json(2, "NEWEID-E-ASK");
    for wrong in ["age=18", "born-by=2008-02-30", "lives-in=", "lives-in=63a", "lives-in=123456789012"] {
        assert_eq!(read("identity-server", &[wrong], &[]).code, Some(2), "{wrong}");
    }
}

/// The files of a sample terminal, as arguments.
fn terminal(desk: &Desk, name: &str) -> Vec<String> {
    let pki = desk.pki();
    let file = |name: String| shown(&pki.join(name));
    let certificates = [file(format!("terminal-{name}.cvcert")), file("dv.cvcert".into())];
    let key = file(format!("terminal-{name}.key"));
    [&["--terminal-cert".to_owned()], &certificates[..], &["--terminal-key".to_owned(), key]].concat()
}

// proves: CARD-32, CARD-33, EACPKI-01, EACPKI-10, EACPKI-16
#[test]
fn the_encrypted_zone_is_read_with_pin1_and_the_rights_of_a_terminal() {
    let desk = Desk::new("active_national");
    let (out, pki) = (desk.path("read"), shown(&desk.pki()));
    let digits = text(&desk.card["pin1"]);
    let pin1 = desk.secret("pin1", &digits);
    let read = |name: &str, more: &[&str]| {
        let terminal = terminal(&desk, name);
        let mut args = vec!["read", "--out", &out, "--trust", &pki];
        args.extend(terminal.iter().map(String::as_str));
        desk.card(&[&args[..], more].concat())
    };
    let field = |document: &Value, name: &str| -> Value {
        let fields = document["encrypted_zone"]["fields"].as_array().expect("fields").clone();
        fields.into_iter().find(|field| field["name"] == name).unwrap_or_else(|| panic!("{name}"))
    };
    // All six fields, and not one more than the certificate says.
    let ran = read("identity-server", &["--pin1", &pin1, "--json", "--trace"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    let document = ran.json();
    assert_eq!(document["verdict"], "verified", "{ran}");
    assert_eq!(document["encrypted_zone"]["verdict"], "verified", "{ran}");
    for name in ["spouse", "father", "mother", "birthplace", "sex", "access-number"] {
        let field = field(&document, name);
        assert_eq!(field["outcome"], "verified", "{field}");
        assert!(field["value"].is_string(), "{field}");
    }
    assert_eq!(field(&document, "access-number")["value"], desk.card["can"]);
    // The bytes on the wire are enciphered, and have any six digits now and then; what is said of them never has.
    let traced = ran.stderr.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let words: Vec<String> = traced.map(|event| event["trace"]["line"].to_string()).collect();
    assert!(words.len() > 20 && !words.iter().any(|line| line.contains(&digits)), "PIN1 is not told");
    let hexadecimal: String = digits.bytes().map(|digit| format!("{digit:02X}")).collect();
    assert!(!ran.stderr.contains(&hexadecimal), "nor as it is sent");
    // Each session is bound to the public zone that was read: its chip shows the same security object.
    let sessions = |ran: &Ran| ran.stderr.matches("READ BINARY: read EF.SOD (security object)").count();
    assert_eq!(sessions(&ran), 2, "the public zone and the encrypted zone: {ran}");
    let asked =
        read("identity-server", &["--pin1", &pin1, "--json", "--trace", "--ask", "valid-on=2026-12-31"]);
    assert_eq!((asked.code, sessions(&asked)), (Some(0), 3), "and the questions: {asked}");
    let stored: Value = serde_json::from_slice(&desk.read("read/report.json")).expect("JSON");
    assert_eq!(stored["encrypted_zone"], document["encrypted_zone"]);
    // Two fields, and for the others which right is missing.
    let ran = read("two-fields", &["--pin1", &pin1, "--json"]);
    let document = ran.json();
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(field(&document, "sex")["value"].is_string());
    let spouse = field(&document, "spouse");
    assert_eq!((&spouse["outcome"], &spouse["detail"]), (&"no_right".into(), &"READ_DG14".into()));
    assert!(spouse["value"].is_null() && spouse["cause"]["zh_hant"].is_string(), "{spouse}");
    let told = read("two-fields", &["--pin1", &pin1]).success();
    assert!(told.contains("READ_DG14") && told.contains("加密區 Encrypted zone"), "{told}");
    // Neither PIN1 nor certificate does alone: without PIN1 nothing is read, and the access number is no PIN1.
    let wrong = if digits == "000000" { "111111" } else { "000000" };
    let ran = read("identity-server", &["--pin1", &desk.secret("wrong", wrong), "--json"]);
    assert_eq!(
        (ran.code, &ran.json()["encrypted_zone"]["refusal"]["code"]),
        (Some(17), &"TERMINAL-E-PIN1-WRONG".into())
    );
    assert_eq!(ran.json()["encrypted_zone"]["fields"], Value::Array(Vec::new()), "{ran}");
    read("identity-server", &["--pin1", &desk.secret("short", "12345")]).fails(17, "TERMINAL-E-PIN1-FORM");
    let ran = read("identity-server", &["--pin1", &pin1, "--interface", "contactless", "--json"]);
    assert_eq!(ran.code, Some(19), "{ran}");
    // OPEN-04: nobody types the access number where the terminal may read it, so none is asked for; here no reader is there.
    let mut unnumbered = neweid();
    unnumbered.args(["read", "--reader", "no such reader", "--out", &out, "--trust", &pki, "--pin1", &pin1]);
    Ran::of(unnumbered.args(self::terminal(&desk, "identity-server"))).fails(4, "NEWEID-E-NO-CARD");
    // Files that are no terminal's.
    let file = |name: &str| shown(&desk.pki().join(name));
    let key = file("terminal-update.key");
    let other =
        ["read", "--out", &out, "--terminal-cert", &file("terminal-two-fields.cvcert"), "--terminal-key"];
    desk.card(&[&other[..], &[&key, "--pin1", &pin1]].concat()).fails(2, "TERMINAL-E-TERMINAL-KEY");
    desk.card(&[&other[..], &[&file("csca.pem"), "--pin1", &pin1]].concat()).fails(2, "NEWEID-E-FILE-READ");
    // A chain that lacks the document verifier leads nowhere.
    let own = file("terminal-two-fields.key");
    let ran = desk.card(&[&other[..], &[&own, "--pin1", &pin1, "--trust", &pki, "--json"]].concat());
    assert_eq!(
        (ran.code, &ran.json()["encrypted_zone"]["refusal"]["code"]),
        (Some(19), &"TERMINAL-E-TERMINAL-UNTRUSTED".into())
    );
}

// A reading opens a session for the fields, one for the identifiers and one for the questions, all with the PIN1 that was typed
// once: mistyped it is one wrong PIN1, and the last try is for whoever types it anew.
// proves: CARD-30
#[test]
fn a_mistyped_pin1_costs_one_try_however_much_is_asked() {
    let desk = Desk::new("active_interop");
    let (out, pki) = (desk.path("read"), shown(&desk.pki()));
    let digits = text(&desk.card["pin1"]);
    let wrong = desk.secret("wrong", if digits == "000000" { "111111" } else { "000000" });
    let right = desk.secret("pin1", &digits);
    let (agency, sector) =
        (terminal(&desk, "identity-server"), shown(&desk.pki().join("terminal-identity-server.sector")));
    let read = |pin1: &str| {
        let mut args = vec!["read", "--out", &out, "--trust", &pki, "--json", "--pin1", pin1];
        args.extend(agency.iter().map(String::as_str));
        args.extend(["--restricted-id", sector.as_str(), "--ask", "valid-on=2026-12-31"]);
        desk.card(&args)
    };
    let refusals = |ran: &Ran| {
        let document = ran.json();
        let parts =
            [&document["encrypted_zone"], &document["restricted_identification"], &document["answers"][0]];
        parts.map(|part| part["refusal"]["code"].clone())
    };
    let left = || {
        let status = desk.card(&["pin", "status", "--json"]).json();
        status["pin1"].clone()
    };
    let refused = read(&wrong);
    assert_eq!((refused.code, refusals(&refused)), (Some(17), ["TERMINAL-E-PIN1-WRONG"; 3].map(Value::from)));
    assert_eq!(left()["tries_left"], 2, "{}", left());
    // With one try left the access number, which is there, lets one session use it: the next one is for PIN1 typed anew.
    read(&wrong);
    assert_eq!(left()["tries_left"], 1, "{}", left());
    // The right one, and every session has it.
    let ran = read(&right);
    assert_eq!((ran.code, refusals(&ran)), (Some(0), [Value::Null, Value::Null, Value::Null]), "{ran}");
    assert_eq!(left()["tries_left"], 3, "{}", left());
    for expected in [2, 1, 0] {
        read(&wrong);
        assert_eq!(left()["tries_left"], expected, "{}", left());
    }
}

#[test]
fn a_card_has_another_identifier_in_every_sector() {
    let read = |desk: &Desk, name: &str, sector: &str| -> (Option<i32>, Value) {
        let (out, pki) = (desk.path("read"), desk.pki());
        let (trust, pin1) = (shown(&pki), desk.secret("pin1", &text(&desk.card["pin1"])));
        let sector = shown(&pki.join(format!("terminal-{sector}.sector")));
        let agency = terminal(desk, name);
        let mut args = vec!["read", "--out", &out, "--trust", &trust, "--json", "--pin1", &pin1];
        args.extend(agency.iter().map(String::as_str));
        args.extend(["--restricted-id", sector.as_str()]);
        let ran = desk.card(&args);
        (ran.code, ran.json()["restricted_identification"].clone())
    };
    let desk = Desk::new("active_interop");
    let (code, server) = read(&desk, "identity-server", "identity-server");
    assert_eq!(code, Some(0), "{server}");
    assert_eq!(read(&desk, "identity-server", "identity-server").1, server, "the same at every visit");
    let (code, fields) = read(&desk, "two-fields", "two-fields");
    assert_eq!(code, Some(0), "{fields}");
    let identifiers = [&server["identifier"], &server["second_identifier"], &fields["identifier"]].map(text);
    assert!(identifiers.iter().all(|identifier| identifier.len() == 64), "{identifiers:?}");
    let distinct: std::collections::BTreeSet<_> = identifiers.iter().collect();
    assert_eq!(distinct.len(), 3, "{identifiers:?}");
    assert!(fields["second_identifier"].is_null(), "{fields}");
    // Another agency's sectors are not for this one; a citizen's card has no such identifier at all.
    let (code, foreign) = read(&desk, "two-fields", "identity-server");
    assert!(foreign["identifier"].is_null() && code != Some(0), "{foreign}");
    assert!(text(&foreign["detail"]).contains("6A88"), "{foreign}");
    let (code, none) = read(&Desk::new("active_national"), "identity-server", "identity-server");
    assert_eq!(none["refusal"]["code"], "TERMINAL-E-EID-COMMAND", "{none}");
    assert!(text(&none["detail"]).contains("EF.CardSecurity"), "{none}");
    assert_ne!(code, Some(0));
}

/// Everything the ministry's systems keep: databases, keys, settings. The cards are their holders'.
fn ministry(dir: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut kept = std::collections::BTreeMap::new();
    let mut directories = vec![dir.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("readable") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true if path.ends_with("cards") => {}
                true => directories.push(path),
                false => drop(kept.insert(path.clone(), fs::read(path).expect("readable"))),
            }
        }
    }
    kept
}

// proves: EACPKI-14, EACPKI-15, PRIVACY-02
#[test]
fn reading_asks_the_ministry_nothing_and_leaves_nothing_there() {
    let desk = Desk::new("active_national");
    let dir = desk.country.dir();
    let (out, pki) = (desk.path("agency"), shown(&desk.pki()));
    let pin1 = desk.secret("pin1", &text(&desk.card["pin1"]));
    let agency = terminal(&desk, "two-fields");
    let public = ["read", "--out", &out, "--trust", &pki, "--json"];
    let mut encrypted = [&public[..], &["--pin1", &pin1]].concat();
    encrypted.extend(agency.iter().map(String::as_str));
    let verified = |ran: &Ran| {
        let document = ran.json();
        assert_eq!((ran.code, &document["verdict"]), (Some(0), &"verified".into()), "{ran}");
        document
    };
    // Whose data was read, by whom, is in the agency's own record and nowhere else.
    let before = ministry(&dir);
    assert!(before.keys().any(|path| path.ends_with("db/mgmt.sqlite")), "{:?}", before.keys());
    let document = verified(&desk.card(&encrypted));
    verified(&desk.card(&public));
    assert!(ministry(&dir) == before, "the ministry's systems are as they were");
    let record: Value = serde_json::from_slice(&desk.read("agency/report.json")).expect("JSON");
    assert_eq!(record["holder"], document["holder"]);
    desk.card(&encrypted).success();
    let record: Value = serde_json::from_slice(&desk.read("agency/report.json")).expect("JSON");
    let zone = &record["encrypted_zone"];
    assert!(text(&zone["terminal"]).contains("TWOFIELDS") && zone["rights"].is_array(), "{zone}");
    // No application, no authorisation, no call back: the public zone is read where no system of the ministry is left.
    for system in ["db", "keys"] {
        fs::remove_dir_all(dir.join(system)).expect("removed");
    }
    let alone = verified(&desk.card(&public));
    let persons = registry::sample_persons();
    let person = &persons.iter().find(|one| one.persona == "active_national").expect("a persona").person;
    assert_eq!(alone["holder"], document["holder"]);
    assert!(alone["holder"].to_string().contains(person.name.chinese()), "{alone}");
    verified(&desk.card(&encrypted));
}

/// Records a change of the card's holder in the register, as an office does.
fn record(desk: &Desk, change: &Value) -> Ran {
    let file = desk.file("change.json", change.to_string().as_bytes());
    let mut command = neweid();
    command.args(["register", "change", &file, "--of", &desk.serial(), "--json", "--dir"]);
    Ran::of(command.arg(desk.country.dir()))
}

/// A clerk who signs with the own card.
struct Clerk {
    card: Value,
}

impl Clerk {
    fn of(desk: &Desk) -> Self {
        let card = card_of(&cards(&desk.country.dir()), "active_interop");
        let certificate = desk.pki().join(format!("sample-citizen-{}-sign.pem", text(&card["serial"])));
        let office = registry::offices().next().expect("an office").code;
        let mut add = neweid();
        add.args(["clerk", "add", "clerk-7", "--operator", "chief", "--office", office.as_str()]);
        Ran::of(add.arg("--certificate").arg(certificate).arg("--dir").arg(desk.country.dir())).success();
        Self { card }
    }

    /// A request for the card on the desk, by its holder, signed; as arguments of `card update`.
    fn request(&self, desk: &Desk) -> [String; 4] {
        let (request, signature) = (desk.path("request.json"), desk.path("request.p7s"));
        let mut ask = neweid();
        ask.args(["card", "request", "--of", &desk.serial(), "--clerk", "clerk-7", "--seen", "card"]);
        let told = Ran::of(ask.args(["--out", &request, "--json", "--dir"]).arg(desk.country.dir())).json();
        assert_eq!(
            (&told["card"], &told["request"]),
            (&desk.serial().into(), &request.clone().into()),
            "{told}"
        );
        let pin2 = desk.secret("clerks-pin2", &text(&self.card["pin2"]));
        let mut sign = neweid();
        sign.args(["sign", "--serial", &text(&self.card["serial"]), "--key", "rsa-sign", "--format", "cms"]);
        sign.args(["--in", &request, "--out", &signature, "--pin2", &pin2, "--dir"]).arg(desk.country.dir());
        Ran::of(&mut sign).success();
        ["--request".into(), request, "--signature".into(), signature]
    }

    /// The same on an outing, after a renumbering.
    fn request_on(&self, desk: &Desk, outing: &str, device: &str) -> Ran {
        let request = desk.path("request.json");
        let mut ask = neweid();
        ask.args(["card", "request", "--of", &desk.serial(), "--clerk", "clerk-7", "--seen", "card"]);
        ask.args(["--occasion", "renumbering", "--outing", outing, "--device", device]);
        let asked = Ran::of(ask.args(["--out", &request, "--json", "--dir"]).arg(desk.country.dir()));
        if asked.code == Some(0) {
            let pin2 = desk.secret("clerks-pin2", &text(&self.card["pin2"]));
            let mut sign = neweid();
            sign.args([
                "sign",
                "--serial",
                &text(&self.card["serial"]),
                "--key",
                "rsa-sign",
                "--format",
                "cms",
            ]);
            sign.args(["--in", &request, "--out", &desk.path("request.p7s"), "--pin2", &pin2, "--dir"]);
            Ran::of(sign.arg(desk.country.dir())).success();
        }
        asked
    }

    /// The office's update of the card on the desk.
    fn update(&self, desk: &Desk, more: &[&str]) -> Ran {
        let request = self.request(desk);
        let request: Vec<&str> = request.iter().map(String::as_str).collect();
        desk.card(&[&["card", "update", "--json"], &request[..], more].concat())
    }
}

/// An outing is announced on the country's site before it begins; a clerk updates a card on it with one of its devices, and the record
/// of the update says so.
// proves: UPDATE-11
#[test]
fn a_card_is_updated_on_an_outing_that_the_site_has_announced() {
    let desk = Desk::new("active_national");
    let dir = shown(&desk.country.dir());
    let clerk = Clerk::of(&desk);
    let up = Up::start(&desk.country.dir());
    let page = || String::from_utf8(get(&up.web(), "/outings").body).expect("UTF-8");
    assert!(page().contains("Nothing is announced"), "{}", page());
    let office = registry::offices().next().expect("an office").code;
    let (now, second) = (jiff::Timestamp::now(), jiff::SignedDuration::from_secs(1));
    let announce = |from: jiff::Timestamp| {
        let (from, until) = (from.to_string(), (now + second * 3600).to_string());
        let what =
            ["outing", "announce", "--office", office.as_str(), "--place", "某里活動中心", "--from", &from];
        let with = ["--until", &until, "--device", "tablet-7", "--clerk", "clerk-7", "--json", "--dir", &dir];
        Ran::of(neweid().args(what).args(with))
    };
    announce(now).fails_in_json(1, "MGMT-E-OUTING");
    // Time enough for one command on a busy machine.
    let begins = jiff::Timestamp::now() + second * 12;
    assert_eq!(announce(begins).json()[0]["number"], 1);
    assert!(page().contains("某里活動中心"), "{}", page());
    assert!(page().contains("aria-label=\"公告 announced places\""), "{}", page());
    record(&desk, &serde_json::json!({ "change": "birthplace", "place": "澎湖縣" })).success();
    clerk.request_on(&desk, "1", "tablet-8").fails_in_json(1, "MGMT-E-OUTING-ELSEWHERE");
    while jiff::Timestamp::now() <= begins {
        clerk.request_on(&desk, "2", "tablet-7").fails_in_json(1, "MGMT-E-OUTING-ELSEWHERE");
    }
    clerk.request_on(&desk, "1", "tablet-7").success();
    let (request, signature) = (desk.path("request.json"), desk.path("request.p7s"));
    let with = ["--request", &request, "--signature", &signature];
    assert_eq!(desk.card(&[&["card", "update", "--json"], &with[..]].concat()).json()["number"], 1);
    let updates = Ran::of(neweid().args(["card", "updates", &desk.serial(), "--json", "--dir", &dir])).json();
    assert_eq!((&updates[0]["outing"], &updates[0]["device"]), (&1.into(), &"tablet-7".into()), "{updates}");
    let list = Ran::of(neweid().args(["outing", "list", "--json", "--dir", &dir])).json();
    assert_eq!(list[0]["updates"], 1, "{list}");
    up.stop();
}

// proves: OPEN-41, UPDATE-01, UPDATE-05, UPDATE-07, UPDATE-08, UPDATE-09
#[test]
fn a_card_is_updated_by_its_office_and_by_nobody_else() {
    let desk = Desk::new("active_national");
    let dir = shown(&desk.country.dir());
    let persons = registry::sample_persons();
    let person = persons.iter().find(|p| p.persona == "active_national").expect("a persona").person.clone();
    let home = persons.iter().map(|p| &p.person.address).find(|a| **a != person.address).expect("another");
    // Without a clerk's word nothing begins.
    assert_eq!(desk.card(&["card", "update", "--json"]).code, Some(2));
    let clerk = Clerk::of(&desk);
    assert_eq!(clerk.update(&desk, &[]).json()["number"], Value::Null);
    let moved = record(&desk, &serde_json::json!({ "change": "moved", "address": home }));
    assert_eq!(moved.json()["change"], "moved", "{moved}");
    record(&desk, &serde_json::json!({ "change": "birthplace", "place": "澎湖縣" })).success();
    // The register has it, the card does not: it is out of date and valid.
    let registered = Ran::of(neweid().args(["register", "show", "--of", &desk.serial(), "--dir", &dir]));
    assert!(registered.success().contains("澎湖縣"));
    let outdated = || Ran::of(neweid().args(["card", "list", "--outdated", "--json", "--dir", &dir])).json();
    assert_eq!(outdated()[0]["serial"], desk.serial().as_str());
    let differing = desk.card(&["card", "update", "--compare", "--json"]).json();
    assert_eq!(differing, serde_json::json!({ "fields": ["HOUSEHOLD", "ADDRESS", "BIRTHPLACE"] }));
    let kept = desk.path("kept");
    let ran = clerk.update(&desk, &["--out", &kept]);
    assert_eq!(ran.code, Some(0), "{ran}");
    let document = ran.json();
    assert_eq!(document["number"], 1, "{ran}");
    assert_eq!(document["fields"], serde_json::json!(["HOUSEHOLD", "ADDRESS", "BIRTHPLACE"]), "{ran}");
    assert!(!format!("{ran}").contains("澎湖"), "names of fields and no values: {ran}");
    assert_eq!(outdated(), serde_json::json!([]));
    assert_eq!(
        desk.card(&["card", "update", "--compare", "--json"]).json(),
        serde_json::json!({ "fields": [] })
    );
    // The holder sees it, verified, with PIN1.
    let (out, pki) = (desk.path("read"), shown(&desk.pki()));
    let pin1 = desk.secret("pin1", &text(&desk.card["pin1"]));
    let mut args = vec!["read", "--out", &out, "--trust", &pki, "--pin1", &pin1, "--json"];
    let identity = terminal(&desk, "two-fields");
    args.extend(identity.iter().map(String::as_str));
    let ran = desk.card(&args);
    assert_eq!(ran.code, Some(0), "{ran}");
    let zone = &ran.json()["encrypted_zone"];
    assert_eq!((&zone["verdict"], &zone["version"]), (&"verified".into(), &1.into()), "{ran}");
    assert!(ran.stdout.contains("澎湖縣"), "{ran}");
    // What proves it: the clerk's signature, the chip's, the log. A request is good for one update.
    let updates = Ran::of(neweid().args(["card", "updates", &desk.serial(), "--json", "--dir", &dir]));
    let proof = &updates.json()[0];
    assert_eq!((&proof["verified"], &proof["clerk"]), (&true.into(), &"clerk-7".into()), "{updates}");
    assert_eq!((&proof["result"], &proof["applicant"]), (&"written".into(), &"holder".into()), "{updates}");
    assert!(!text(&proof["receipt"]).is_empty() && !updates.stdout.contains("澎湖"), "{updates}");
    let (request, signature) = (desk.path("request.json"), desk.path("request.p7s"));
    let by = |request: &str, signature: &str| {
        desk.card(&["card", "update", "--json", "--request", request, "--signature", signature])
    };
    by(&request, &signature).fails_in_json(1, "MGMT-E-UPDATE-REQUEST-USED");
    let forged = String::from_utf8(desk.read("request.json")).expect("text").replace("holder", "delegate");
    by(&desk.file("forged.json", forged.as_bytes()), &signature)
        .fails_in_json(1, "MGMT-E-UPDATE-REQUEST-SIGNATURE");
    // The same package again, another card's, one that is none, and a terminal without the right.
    let package = desk.path("kept/update.p7");
    let update = |desk: &Desk, package: &str, name: &str| {
        let identity = terminal(desk, name);
        let mut args = vec!["card", "update", "--package", package, "--trust", &pki];
        args.extend(identity.iter().map(String::as_str));
        desk.card(&args)
    };
    update(&desk, &package, "update").fails(13, "TERMINAL-E-UPDATE-OUTDATED");
    update(&desk, &package, "identity-server").fails(19, "TERMINAL-E-TERMINAL-RIGHT");
    update(&desk, &desk.file("none", &[0x30, 0]), "update").fails(13, "TERMINAL-E-UPDATE-UNFIT");
    let mut forged = desk.read("kept/update.p7");
    let last = forged.len() - 1;
    forged[last] ^= 1;
    update(&desk, &desk.file("forged", &forged), "update").fails(12, "TERMINAL-E-UPDATE-SIGNER");
    update(&desk, &desk.path("absent"), "update").fails(2, "NEWEID-E-FILE-READ");
    desk.card(&["card", "update", "--package", &package]).code.filter(|code| *code == 2).expect("refused");

    // A file that is no change, a change that cannot be, a marriage: what is printed means a new card.
    record(&desk, &serde_json::json!({ "change": "moved" })).fails_in_json(1, "REGISTRY-E-CHANGE-FORM");
    let single = person.marital == model::MaritalStatus::Single;
    let name = serde_json::json!({ "chinese": "測試用王小明" });
    if single {
        let spouse = record(&desk, &serde_json::json!({ "change": "spouse", "name": name }));
        spouse.fails_in_json(1, "REGISTRY-E-CHANGE-UNFIT");
        record(&desk, &serde_json::json!({ "change": "married", "spouse": name })).success();
    } else {
        record(&desk, &serde_json::json!({ "change": "marriage_ended" })).success();
    }
    clerk.update(&desk, &[]).fails_in_json(1, "MGMT-E-NEW-CARD-NEEDED");
}

// proves: UPDATE-14
#[test]
fn renumbered_houses_give_a_list_of_cards_that_stay_valid() {
    let desk = Desk::new("active_national");
    let dir = shown(&desk.country.dir());
    let persons = registry::sample_persons();
    let home = &persons.iter().find(|p| p.persona == "active_national").expect("a persona").person.address;
    let notice = |number: &str, rest: &str| {
        let becomes = serde_json::json!({ "neighbourhood": home.neighbourhood(), "rest": rest });
        let house = serde_json::json!({
            "neighbourhood": home.neighbourhood(), "rest": home.rest(), "becomes": becomes
        });
        let notice =
            serde_json::json!({ "notice": number, "village": home.village(), "houses": [house] }).to_string();
        let file = desk.file("notice.json", notice.as_bytes());
        Ran::of(neweid().args(["register", "renumber", &file, "--json", "--dir", &dir]))
    };
    let ran = notice("測試用第1號", "測試用新路1號");
    let cards: Vec<String> =
        serde_json::from_value(ran.json()["outdated"].clone()).unwrap_or_else(|_| panic!("{ran}"));
    assert!(cards.contains(&desk.serial()), "{ran}");
    // The same again is the same; the number for another renumbering is refused.
    assert_eq!(notice("測試用第1號", "測試用新路1號").json(), ran.json());
    notice("測試用第1號", "測試用新路2號").fails_in_json(1, "REGISTRY-E-NOTICE-KNOWN");
    let (out, pki) = (desk.path("read"), shown(&desk.pki()));
    let read = || desk.card(&["read", "--address", "--out", &out, "--trust", &pki]).success();
    assert!(read().contains(home.rest()));
    let updated = Clerk::of(&desk).update(&desk, &[]);
    assert_eq!(updated.json()["fields"], serde_json::json!(["ADDRESS"]), "{updated}");
    assert!(read().contains("測試用新路1號"));
}

/// A reader of vpcd's protocol that this test is.
struct Reader {
    listener: TcpListener,
}

struct Inserted {
    stream: TcpStream,
}

impl Reader {
    fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").expect("a free port") }
    }

    fn address(&self) -> String {
        self.listener.local_addr().expect("bound").to_string()
    }

    fn feel(&self) -> Inserted {
        let (stream, _) = self.listener.accept().expect("a card");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Inserted { stream }
    }
}

impl Inserted {
    fn control(&mut self, code: u8) {
        self.stream.write_all(&[0, 1, code]).expect("connected");
    }

    fn apdu(&mut self, command: &[u8]) -> Vec<u8> {
        use std::io::Read;
        let length = u16::try_from(command.len()).expect("short").to_be_bytes();
        self.stream.write_all(&[&length, command].concat()).expect("connected");
        let mut length = [0; 2];
        self.stream.read_exact(&mut length).expect("an answer");
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        self.stream.read_exact(&mut answer).expect("an answer");
        answer
    }
}

#[test]
fn a_developer_watches_what_a_program_does_with_an_inserted_card() {
    let desk = Desk::new("active_interop");
    let (serial, dir) = (desk.serial(), desk.country.dir());
    let watch = |json: bool| {
        let mut command = neweid();
        command.args(["card", "watch", &serial, "--dir"]).arg(&dir);
        if json {
            command.arg("--json");
        }
        command
    };
    Ran::of(&mut watch(false)).fails(1, "NEWEID-E-CARD-NOT-INSERTED");
    let reader = Reader::new();
    let mut card = neweid()
        .args(["card", "insert", &serial, "--interface", "contact", "--vpcd", &reader.address()])
        .args(["--watch", "--json", "--dir"])
        .arg(&dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut slot = reader.feel();
    slot.control(1);
    assert!(!slot.apdu(&[4]).is_empty(), "the ATR");
    let mut watcher = watch(true).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("starts");
    let mut lines = BufReader::new(watcher.stdout.take().expect("a pipe")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("a line").expect("readable");
        serde_json::from_str(&line).expect("JSON per line")
    };
    // The first line comes before anything else happens.
    let first = next();
    assert_eq!((&first["event"], text(&first["serial"])), (&"watching".into(), serial.clone()));
    assert_eq!(slot.apdu(&[0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00]), [0x90, 0x00]);
    slot.apdu(&[0x00, 0xB0, 0x9C, 0x00, 0x00]);
    let hsm =
        [&[0x00, 0xA4, 0x04, 0x0C, 0x0B][..], &[0xE8, 0x2B, 6, 1, 4, 1, 0x81, 0xC3, 0x1F, 2, 1]].concat();
    assert_eq!(slot.apdu(&hsm), [0x90, 0x00]);
    slot.apdu(&[&[0x00, 0x20, 0x00, 0x81, 0x08][..], b"99999999"].concat());
    slot.control(2);
    slot.control(0);
    for (event, words) in [
        ("exchange", "SELECT the master file → 9000 done"),
        ("exchange", "read EF.CardAccess (PACE parameters) → 9000"),
        ("exchange", "SELECT certificate zone (SmartCard-HSM) → 9000 done"),
        ("exchange", "VERIFY PIN2 (hidden) → 63C2 failed, 2 tries left (wrong PIN)"),
        ("reset", "reset"),
        ("power_off", "power off"),
    ] {
        let told = next();
        assert_eq!(told["event"], event, "{told}");
        assert!(text(&told["text"]).contains(words), "{words}: {told}");
        assert!(!told.to_string().contains("99999999"));
    }
    let interrupt = Command::new("kill").args(["-INT", &card.id().to_string()]).status();
    assert!(interrupt.is_ok_and(|status| status.success()));
    assert!(card.wait().expect("ends").success());
    // Who holds the card is told the same, one document per line, from the insertion to the end.
    let held = BufReader::new(card.stdout.take().expect("a pipe")).lines();
    let held: Vec<Value> =
        held.map(|line| serde_json::from_str(&line.expect("readable")).expect("JSON per line")).collect();
    let events: Vec<String> = held.iter().map(|told| text(&told["event"])).collect();
    assert_eq!(events[0], "inserted", "{events:?}");
    assert_eq!(events.last().map(String::as_str), Some("taken_out"), "{events:?}");
    assert_eq!((text(&held[0]["card"]), text(&held[0]["reader"])), (serial.clone(), reader.address()));
    assert_eq!(events.iter().filter(|event| *event == "exchange").count(), 4, "{events:?}");
    // Taken out: the watcher ends by itself, and nothing is left behind.
    assert!(lines.next().is_none());
    assert!(watcher.wait().expect("ends").success());
    assert!(!dir.join("cards").join(format!("{serial}.watch")).exists());
}
