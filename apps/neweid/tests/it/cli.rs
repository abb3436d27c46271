//! What scripts rely on: names of fields and files, exit codes, stable codes of failures.

use crate::support::{Country, Ran, card_of, cards, in_dir, neweid, run, serial_of, template, text};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

// The welcome of the first run: every address, and three commands that can be typed as they stand.
#[test]
fn up_prints_addresses_and_the_next_three_commands() {
    let template = template();
    let (dir, welcome) = (template.dir.display().to_string(), &template.welcome);
    assert!(welcome.contains("數位身分識別證系統") && welcome.contains("Created and started"), "{welcome}");
    for service in ["web", "ocsp", "crl", "ca_issuers"] {
        let line = welcome.lines().find(|line| line.trim_start().starts_with(&format!("{service} ")));
        assert!(line.is_some_and(|line| line.contains("http://127.0.0.1:")), "{service}: {welcome}");
    }
    let commands: Vec<&str> = welcome.lines().filter_map(|line| line.strip_prefix("  neweid ")).collect();
    assert_eq!(commands.len(), 3, "{welcome}");
    assert_eq!(commands[0], format!("demo --dir {dir}"));
    assert_eq!(commands[1], format!("card list --dir {dir}"));
    let serial = serial_of(&template.dir, "active_interop");
    assert_eq!(commands[2], format!("card insert {serial} --dir {dir} --interface contactless"));
}

const FIELDS: [&str; 10] =
    ["serial", "holder", "can", "mrz", "state", "profile", "persona", "user_code", "pin1", "pin2"];

#[test]
fn the_list_of_cards_has_its_fields() {
    let cards = cards(&template().dir);
    assert_eq!(cards.len(), 11, "one of the twelve has only applied");
    for card in &cards {
        let object = card.as_object().expect("an object");
        for field in FIELDS {
            assert!(object.contains_key(field), "{field}: {card}");
        }
        let serial = text(&card["serial"]);
        assert_eq!(serial.len(), 9);
        assert!(serial[3..].bytes().all(|b| b.is_ascii_digit()), "{serial}");
        assert_eq!(text(&card["can"]), serial[3..], "the access number is the last six of the serial");
        assert!(!text(&card["holder"]).is_empty());
        let state = text(&card["state"]);
        assert!(state.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{state}");
        assert!(["national", "interop"].contains(&card["profile"].as_str().expect("text")), "{card}");
        secrets_have_their_form(card);
        machine_readable_zone(card);
    }
    let actives: Vec<&Value> = cards.iter().filter(|card| card["state"] == "active").collect();
    assert!(actives.iter().any(|card| card["profile"] == "interop" && card["pin2"].is_string()));
    assert!(actives.iter().any(|card| card["profile"] == "national" && card["pin2"].is_string()));
    // Not set: a card that was never handed over, and PIN2 of a card without certificates.
    let waiting = card_of(&cards, "ready");
    assert!(
        waiting["user_code"].is_null() && waiting["pin1"].is_null() && waiting["pin2"].is_null(),
        "{waiting}"
    );
    for persona in ["no_certificate", "minor"] {
        let card = card_of(&cards, persona);
        assert!(card["pin1"].is_string() && card["pin2"].is_null(), "{card}");
    }
    let personas: BTreeSet<String> = cards.iter().map(|card| text(&card["persona"])).collect();
    assert_eq!(personas.len(), cards.len());
    assert_eq!(text(&card_of(&cards, "suspended")["state"]), "suspended");
    assert_eq!(text(&card_of(&cards, "recalled")["state"]), "recalled");
}

fn secrets_have_their_form(card: &Value) {
    let digits = |field: &str, least: usize, most: usize| {
        if let Some(secret) = card[field].as_str() {
            assert!(
                (least..=most).contains(&secret.len()) && secret.bytes().all(|b| b.is_ascii_digit()),
                "{field}"
            );
        } else {
            assert!(card[field].is_null(), "{field} is text or null");
        }
    };
    digits("pin1", 6, 6);
    digits("pin2", 8, 12);
    if let Some(code) = card["user_code"].as_str() {
        assert!((6..=10).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}

// ICAO 9303-3 §4.9, computed here once more and independently: weights 7, 3, 1; digits as they are, A = 10, < = 0.
fn check_digit(text: &str) -> char {
    let sum: u32 = text
        .chars()
        .zip([7, 3, 1].into_iter().cycle())
        .map(|(c, weight)| weight * if c == '<' { 0 } else { c.to_digit(36).expect("0-9, A-Z or <") })
        .sum();
    char::from_digit(sum % 10, 10).expect("a digit")
}

fn machine_readable_zone(card: &Value) {
    let lines: Vec<String> = card["mrz"].as_array().expect("lines").iter().map(text).collect();
    assert_eq!(lines.len(), 3);
    for line in &lines {
        assert_eq!(line.len(), 30, "{line}");
        assert!(line.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'<'), "{line}");
    }
    let at = |line: usize, index: usize| char::from(lines[line].as_bytes()[index]);
    // ICAO 9303-5 §4.2.2
    assert_eq!(lines[0][5..14], text(&card["serial"]), "the document number is the card's serial");
    assert_eq!(at(0, 14), check_digit(&lines[0][5..14]), "document number");
    assert_eq!(at(1, 6), check_digit(&lines[1][..6]), "birth");
    assert_eq!(at(1, 7), '<', "no sex is shown");
    assert_eq!(at(1, 14), check_digit(&lines[1][8..14]), "expiry");
    let composite = [&lines[0][5..30], &lines[1][..7], &lines[1][8..15], &lines[1][18..29]].concat();
    assert_eq!(at(1, 29), check_digit(&composite), "composite");
    assert!(lines[2].contains("<<"), "surname and given names");
}

// proves: CARD-42
#[test]
fn profiles_are_listed_shown_and_checked() {
    let listed = run(["card", "profile", "list", "--json"]).json();
    let names: Vec<String> = listed.as_array().expect("rows").iter().map(|row| text(&row["name"])).collect();
    assert_eq!(names, ["national", "interop", "bac-lab", "reserve-p384", "mldsa-lab"]);
    let plain = run(["card", "profile", "list"]).success();
    for row in listed.as_array().expect("rows") {
        assert!(plain.contains(&text(&row["zh"])) && plain.contains(&text(&row["en"])), "{row}");
    }
    let place = tempfile::tempdir().expect("a temporary directory");
    let file = place.path().join("mine.toml");
    for name in &names {
        let shown = run(["card", "profile", "show", name]).success();
        let built_in = chip::Profile::text(name).expect("a profile");
        assert_eq!(shown.trim_end(), built_in.trim_end(), "the file as it is");
        std::fs::write(&file, shown).expect("writable");
        let checked = Ran::of(neweid().args(["card", "profile", "check", "--json"]).arg(&file)).json();
        assert_eq!((&checked["ok"], &checked["name"]), (&true.into(), &name.as_str().into()));
        assert_eq!(checked["slots"].as_array().map(Vec::len), Some(6), "{checked}");
        assert!(checked["pace"].as_array().is_some_and(|pace| pace.len() >= 2), "{checked}");
    }
    run(["card", "profile", "show", "passport"]).fails(2, "NEWEID-E-PROFILE-UNKNOWN");
    run(["card", "profile", "show", "passport", "--json"]).fails_in_json(2, "NEWEID-E-PROFILE-UNKNOWN");
    run(["card", "profile", "check", "absent.toml"]).fails(2, "NEWEID-E-PROFILE-FILE");
    run(["card", "profile", "check"]).fails(2, "NEWEID-E-USAGE");

    // Every contradiction, with its code and its lines, in one run.
    let interop = chip::Profile::text("interop").expect("a profile");
    let wrong = interop.replace("sample = true", "sample = false").replace("tries = 3", "tries = 10");
    std::fs::write(&file, &wrong).expect("writable");
    let ran = Ran::of(neweid().args(["card", "profile", "check", "--json"]).arg(&file));
    assert_eq!((ran.code, &ran.json()["ok"]), (Some(1), &false.into()), "{ran}");
    let findings = ran.json()["findings"].as_array().expect("findings").clone();
    let codes: BTreeSet<String> = findings.iter().map(|finding| text(&finding["code"])).collect();
    for code in ["PROFILE-TRIES", "PROFILE-SAMPLE-ICAO", "PROFILE-SAMPLE-KEYS", "PROFILE-SAMPLE-RI"] {
        assert!(codes.contains(code), "{code}: {codes:?}");
    }
    let tries = findings.iter().find(|finding| finding["code"] == "PROFILE-TRIES").expect("found");
    let line = wrong.lines().position(|line| line == "tries = 10").map(|n| n + 1);
    assert_eq!(
        (&tries["places"][0]["key"], &tries["places"][0]["line"]),
        (&"pins.tries".into(), &line.into())
    );
    let ran = Ran::of(neweid().args(["card", "profile", "check"]).arg(&file));
    assert_eq!(ran.code, Some(1), "{ran}");
    for finding in &findings {
        let told = [text(&finding["code"]), text(&finding["zh"]), text(&finding["en"])];
        assert!(told.iter().all(|words| ran.stdout.contains(words)), "{finding}: {ran}");
    }
    std::fs::write(&file, interop.replace("tries = 3", "tries: 3")).expect("writable");
    let ran = Ran::of(neweid().args(["card", "profile", "check"]).arg(&file));
    assert!(ran.code == Some(1) && ran.stdout.contains("PROFILE-SYNTAX"), "{ran}");
}

#[test]
fn the_list_for_people_names_every_card() {
    let dir = &template().dir;
    let list = in_dir(dir, ["card", "list"]).success();
    for card in cards(dir) {
        assert!(list.contains(&text(&card["serial"])) && list.contains(&text(&card["holder"])), "{list}");
    }
}

#[test]
fn certificates_and_lists_are_exported_under_telling_names() {
    let dir = &template().dir;
    let place = tempfile::tempdir().expect("a temporary directory");
    let out = place.path().join("pki");
    let printed = in_dir(dir, ["pki", "export", "--out", out.to_str().expect("a path")]).success();
    let mut expected: BTreeSet<String> =
        ["csca.pem", "ds-1.pem", "npc-root.pem", "npc-ca.pem", "ocsp.pem", "npc.crl", "csca.crl"]
            .map(str::to_owned)
            .into();
    for card in cards(dir) {
        if card["state"] == "active" && card["certificate"] == true {
            for what in ["sign", "encrypt"] {
                expected.insert(format!("sample-citizen-{}-{what}.pem", text(&card["serial"])));
            }
        }
    }
    assert!(expected.len() > 12, "some sample cards are active");
    for name in expected {
        let path = out.join(&name);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(printed.contains(&path.display().to_string()), "{name} is printed");
        if name.ends_with(".crl") {
            assert_eq!(bytes[0], 0x30, "{name} is DER");
            assert!(x509::crl::Crl::parse(&bytes).is_ok(), "{name}");
        } else {
            assert!(bytes.starts_with(b"-----BEGIN CERTIFICATE-----\n"), "{name} is PEM");
        }
    }
    // Nobody's certificate whose card is not in use, and no private key but those of the sample terminals.
    for entry in std::fs::read_dir(&out).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.starts_with("terminal-") && name.ends_with(".key") {
            continue;
        }
        let bytes = std::fs::read(&path).expect("readable");
        assert!(!String::from_utf8_lossy(&bytes).contains("PRIVATE"), "{}", path.display());
    }
    let suspended = serial_of(dir, "suspended");
    assert!(!out.join(format!("sample-citizen-{suspended}-sign.pem")).exists());
}

#[test]
fn a_face_is_a_picture_or_a_document() {
    let dir = &template().dir;
    let serial = serial_of(dir, "rare_characters");
    let place = tempfile::tempdir().expect("a temporary directory");
    let face = |name: &str, serial: &str| {
        let out = place.path().join(name);
        (in_dir(dir, ["card", "face", serial, "--out", out.to_str().expect("a path")]), out)
    };
    let (ran, out) = face("card.png", &serial);
    ran.success();
    let png = image::open(&out).expect("a picture");
    assert!(
        png.width() > 1_000 && png.height() > 1_200,
        "front above back: {} x {}",
        png.width(),
        png.height()
    );
    assert!(std::fs::read(&out).expect("readable").starts_with(b"\x89PNG\r\n\x1a\n"));
    // Serials are taken as people type them, endings too.
    let (ran, out) = face("card.PDF", &serial.to_lowercase());
    ran.success();
    let pdf = std::fs::read(&out).expect("readable");
    assert!(pdf.starts_with(b"%PDF-") && pdf.len() > 10_000);
    // For programs: what was written, and why nothing was.
    let named = |out| in_dir(dir, ["card", "face", &serial, "--json", "--out", out]);
    let told = named(out.to_str().expect("a path")).json();
    assert_eq!((&told["card"], &told["format"]), (&serial.clone().into(), &"pdf".into()), "{told}");
    assert_eq!(told["file"], out.to_str().expect("a path"), "{told}");
    named("card.gif").fails_in_json(2, "NEWEID-E-FACE-FORMAT");

    // One side, beside each other, or as a drawing that needs no fonts.
    let side = |name: &str, more: &[&str]| {
        let out = place.path().join(name);
        let mut command = neweid();
        command.args(["card", "face", &serial, "--dir"]).arg(dir).arg("--out").arg(&out).args(more);
        Ran::of(&mut command).success();
        out
    };
    let size =
        |path| image::open(path).map(|picture| (picture.width(), picture.height())).expect("a picture");
    assert_eq!(size(side("front.png", &["--side", "front", "--dpi", "300"])), (1_011, 638));
    let (width, height) = size(side("wide.png", &["--layout", "horizontal", "--dpi", "300"]));
    assert!(width > 2_022 && height == 638, "front beside back: {width} x {height}");
    let svg = std::fs::read_to_string(side("back.svg", &["--side", "back"])).expect("text");
    assert!(svg.starts_with("<svg ") && !svg.contains("<text") && !svg.contains("<image"));
    let both = std::fs::read_to_string(side("both.svg", &[])).expect("text");
    assert!(both.contains("<image") && both.contains("translate("));

    // The symbology of the barcodes is a parameter; zbar reads what was chosen.
    for (chosen, name) in [("code128", "CODE-128:"), ("code39", "CODE-39:")] {
        let back = side(&format!("{chosen}.png"), &["--side", "back", "--dpi", "600", "--barcodes", chosen]);
        let read = std::process::Command::new("zbarimg").arg("-q").arg("-Sqrcode.disable").arg(back).output();
        let read = read.expect("zbarimg is missing: apt-get install -y --no-install-recommends zbar-tools");
        let read = String::from_utf8_lossy(&read.stdout).into_owned();
        assert!(read.lines().count() == 2 && read.lines().all(|line| line.starts_with(name)), "{read}");
        assert!(read.contains(&format!("{name}{serial}")), "{read}");
    }

    face("card.jpg", &serial).0.fails(2, "NEWEID-E-FACE-FORMAT");
    face("card", &serial).0.fails(2, "NEWEID-E-FACE-FORMAT");
    face("x.png", "N5A000000").0.fails(1, "NEWEID-E-CARD-NOT-FOUND");
    for wrong in ["", "N5A12345", "../../x", "N5A12345６"] {
        face("x.png", wrong).0.fails(2, "NEWEID-E-CARD-SERIAL");
    }
    assert!(!place.path().join("x.png").exists());
    let nowhere = place.path().join("no/such/dir/card.png");
    in_dir(dir, ["card", "face", &serial, "--out", nowhere.to_str().expect("a path")])
        .fails(1, "NEWEID-E-IO");
}

#[test]
fn doctor_says_what_is_there_and_how_to_get_the_rest() {
    let ran = run(["doctor", "--json"]);
    assert_eq!(ran.code, Some(0), "nothing is required: {ran}");
    let findings = ran.json();
    let findings = findings.as_array().expect("an array");
    for name in ["openssl", "pcscd", "opensc-tool", "zbarimg", "softhsm2-util", "java", "vpcd"] {
        let finding = findings.iter().find(|f| f["name"] == name).unwrap_or_else(|| panic!("{name}"));
        assert!(finding["present"].is_boolean() && finding["required"].is_boolean(), "{finding}");
        assert!(finding["mend"].as_str().is_some_and(|mend| !mend.is_empty()), "{finding}");
    }
    // A machine without anything is told so, and the country needs none of it.
    let bare = Ran::of(neweid().arg("doctor").env("PATH", "/nonexistent"));
    assert_eq!(bare.code, Some(0), "{bare}");
    assert!(bare.stdout.contains("apt-get install -y openssl"), "{bare}");
}

#[test]
fn reading_without_a_reader_says_so() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let out = place.path().join("out");
    let mrz = place.path().join("mrz");
    let read = |args: &[&str]| {
        let mut command = neweid();
        command.args(["read", "--reader", "No such reader 77", "--out"]).arg(&out).args(args);
        Ran::of(&mut command)
    };
    read(&["--can", "123456"]).fails(4, "NEWEID-E-NO-CARD");
    read(&["--can", "123456", "--json"]).fails_in_json(4, "NEWEID-E-NO-CARD");
    for can in ["12345", "1234567", "12345a", "１２３４５６", ""] {
        read(&["--can", can]).fails(2, "NEWEID-E-CAN-FORMAT");
    }
    let mrz_path = mrz.to_str().expect("a path");
    read(&["--mrz", mrz_path]).fails(2, "NEWEID-E-MRZ-FILE");
    for wrong in [
        "",
        "hello",
        "IDTWNN5A0556994<<<<<<<<<<<<<<<\n7508089<3611214TWN<<<<<<<<<<<3\nTSAI<<CHIA<LING<<<<<<<<<<<<<<<",
    ] {
        std::fs::write(&mrz, wrong).expect("writable");
        read(&["--mrz", mrz_path]).fails(2, "NEWEID-E-MRZ-FORMAT");
    }
    std::fs::write(&mrz, [0xFF, 0xFE, 0x00]).expect("writable");
    read(&["--mrz", mrz_path]).fails(2, "NEWEID-E-MRZ-FILE");
    let lines = "IDTWNN5A0556994<<<<<<<<<<<<<<<\r\n7508088<3611214TWN<<<<<<<<<<<2\r\nTSAI<<CHIA<LING<<<<<<<<<<<<<<<\r\n";
    std::fs::write(&mrz, lines).expect("writable");
    read(&["--mrz", mrz_path]).fails(4, "NEWEID-E-NO-CARD");
    read(&["--can", "123456", "--trust", "/nonexistent"]).fails(2, "NEWEID-E-TRUST");
    assert!(!out.exists(), "nothing is written where nothing was read");
}

#[test]
fn wrong_arguments_exit_with_2() {
    for args in [
        &["fly"][..],
        &[],
        &["up", "--port-base", "65535"],
        &["up", "--port-base", "0"],
        &["up", "--port-base", "65536"],
        &["up", "--listen", "localhost"],
        &["up", "--npc-partitions", "3"],
        &["up", "--npc-partitions", "2048"],
        &["up", "--pkcs11-module", "/x.so"],
        &["card", "insert", "N5A000000"],
        &["card", "insert", "N5A000000", "--interface", "telepathy"],
        &["read", "--reader", "x", "--out", "y"],
        &["read", "--pin1", "z"],
        &["sign", "--serial", "N5A000000"],
        &["pin"],
        &["read", "--reader", "x", "--out", "y", "--can", "123456", "--mrz", "z"],
    ] {
        let place = tempfile::tempdir().expect("a temporary directory");
        let ran = Ran::of(neweid().args(args).current_dir(place.path()));
        ran.fails(2, "NEWEID-E-USAGE");
        Ran::of(neweid().args(args).arg("--json").current_dir(place.path()))
            .fails_in_json(2, "NEWEID-E-USAGE");
        assert!(
            std::fs::read_dir(place.path()).expect("readable").next().is_none(),
            "{args:?} left something behind"
        );
    }
    assert!(run(["--help"]).success().contains("neweid"));
    for verb in [&["pin", "change"][..], &["card", "face"], &["ra", "ics", "register"]] {
        for help in ["--help", "-h"] {
            let told = run([verb, &[help]].concat()).success();
            assert!(told.contains("neweid") && told.contains("說明 Print help"), "{told}");
        }
    }
    // What is missing is named, and no word that was typed in a wrong place.
    let told = run(["read", "--pin1", "z"]);
    assert!(told.stderr.contains("--out <OUT>") && told.stderr.contains("neweid read --help"), "{told}");
    let told = run(["pin", "change", "135790"]);
    assert!(!told.stderr.contains("135790") && told.stderr.contains("pin1, pin2"), "{told}");
    assert!(run(["--version"]).success().starts_with("neweid "));
}

#[test]
fn without_a_country_every_command_says_so() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let none = place.path().join("none");
    let out = place.path().join("out.png");
    let out = out.to_str().expect("a path");
    in_dir(&none, ["card", "list"]).fails(1, "NEWEID-E-DIR-NOT-FOUND");
    in_dir(&none, ["card", "list", "--json"]).fails_in_json(1, "NEWEID-E-DIR-NOT-FOUND");
    in_dir(&none, ["card", "face", "N5A123456", "--out", out]).fails(1, "NEWEID-E-DIR-NOT-FOUND");
    in_dir(&none, ["card", "insert", "N5A123456", "--interface", "contact"])
        .fails(1, "NEWEID-E-DIR-NOT-FOUND");
    in_dir(&none, ["pki", "export", "--out", out]).fails(1, "NEWEID-E-DIR-NOT-FOUND");
    assert!(!none.exists() && !Path::new(out).exists());
}

#[test]
fn a_card_without_a_reader_to_go_into() {
    let country = Country::new();
    let serial = serial_of(&country.dir(), "active_interop");
    // Nothing listens on port 1.
    let insert = |serial: &str, vpcd: &str| {
        in_dir(&country.dir(), ["card", "insert", serial, "--interface", "contact", "--vpcd", vpcd])
    };
    insert(&serial, "127.0.0.1:1").fails(4, "NEWEID-E-VPCD-UNREACHABLE");
    insert(&serial, "nonsense").fails(2, "NEWEID-E-VPCD-ADDRESS");
    insert("N5A000000", "127.0.0.1:1").fails(1, "NEWEID-E-CARD-NOT-FOUND");
}

// A program that reads only the beginning of a list ends the pipe; that is no fault of anybody.
#[test]
fn a_closed_pipe_is_no_panic() {
    let dir = &template().dir;
    let mut child = neweid()
        .args(["card", "list", "--json", "--dir"])
        .arg(dir)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
}
