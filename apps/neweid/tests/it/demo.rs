//! The demonstration: on a directory that does not exist yet, beside a running country, with a real photo, and where a
//! foreign program does not agree.

use crate::books::{assert_whole, settle};
use crate::support::{Country, Ran, Up, cards, free_ports, in_dir, neweid, text};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// An official portrait of NASA; see `tests/data/README.md`.
pub fn portrait() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/portrait.jpg")
}

fn demo(dir: &Path, args: &[&str]) -> Ran {
    let port = free_ports().to_string();
    Ran::of(neweid().arg("demo").arg("--dir").arg(dir).args(["--port-base", &port]).args(args))
}

// The document of `--json` as scripts read it; returns the serial of the card.
fn check_document(ran: &Ran) -> String {
    let document = ran.json();
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(document["passed"], true, "{ran}");
    assert!(document["foreign_program"].as_str().is_some_and(|name| name.starts_with("OpenSSL ")), "{ran}");
    assert!(document["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0));
    assert!(text(&document["case"]).starts_with('C'));
    let steps = document["steps"].as_array().expect("steps");
    let mut checks = 0;
    for (index, step) in steps.iter().enumerate() {
        assert_eq!(step["number"], index + 1);
        for field in ["system", "zh", "en"] {
            assert!(!text(&step[field]).is_empty());
        }
        assert!(step["milliseconds"].as_f64().is_some_and(|time| time >= 0.0));
        for check in step["checks"].as_array().expect("checks") {
            checks += 1;
            assert_eq!(check["passed"], true, "{check}");
            for field in ["check", "command", "said"] {
                assert!(!text(&check[field]).is_empty(), "{check}");
            }
        }
    }
    assert_eq!(document["checks"], checks);
    assert_eq!(document["checks_failed"], 0);
    for system in ["registry", "mgmt", "production", "terminal", "npc", "chip"] {
        assert!(steps.iter().any(|step| step["system"] == system), "{system} has its part");
    }
    // What openssl is asked about: the document signature, chains, both lists, the responder, both signatures.
    for command in ["openssl cms -verify", "openssl verify", "openssl crl", "openssl ocsp", "openssl dgst"] {
        let asked = |step: &Value| {
            step["checks"]
                .as_array()
                .is_some_and(|c| c.iter().any(|c| text(&c["command"]).starts_with(command)))
        };
        assert!(steps.iter().any(asked), "{command}");
    }
    let files = PathBuf::from(text(&document["files"]));
    for name in ["ef_sod.bin", "dg1.bin", "dg2.bin", "report.json", "csca.pem", "npc.crl", "document.rsa"] {
        assert!(files.join(name).exists(), "{name}");
    }
    text(&document["serial"])
}

// A directory that is not there yet, and a real photo: the whole country and the whole journey in one command.
#[test]
fn on_a_fresh_directory_with_a_real_photo() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let dir = place.path().join("country");
    let portrait = portrait();
    let ran = demo(&dir, &["--json", "--photo", portrait.to_str().expect("a path")]);
    let serial = check_document(&ran);
    assert!(!dir.join("endpoints.json").exists(), "nothing answers any more");

    // Nobody's secrets are recorded but the sample persons'.
    let cards = cards(&dir);
    let card =
        cards.iter().find(|card| card["serial"] == serial.as_str()).expect("the card of the demonstration");
    assert_eq!((&card["state"], &card["profile"]), (&Value::from("active"), &Value::from("interop")));
    for field in ["persona", "user_code", "pin1", "pin2"] {
        assert!(card[field].is_null(), "{field} of a person who is no sample: {card}");
    }
    // The portrait went through to the chip as a picture of its own size.
    let files = PathBuf::from(text(&ran.json()["files"]));
    let portrait =
        std::fs::read(files.join("photo.jpg")).or_else(|_| std::fs::read(files.join("portrait.jpg")));
    let portrait = image::load_from_memory(&portrait.expect("the photo of the chip")).expect("a picture");
    assert!(looks_like(&portrait, &image::open(self::portrait()).expect("a picture")), "another face");
    settle(&dir);
    assert_whole(&dir, 1);
}

// Two pictures scaled to a few pixels differ little in every one.
fn looks_like(one: &image::DynamicImage, other: &image::DynamicImage) -> bool {
    let small = |picture: &image::DynamicImage| {
        picture.resize_exact(12, 16, image::imageops::FilterType::Triangle).to_luma8().into_raw()
    };
    let (one, other) = (small(one), small(other));
    let far = one.iter().zip(&other).filter(|(a, b)| a.abs_diff(**b) > 40).count();
    far < one.len() / 20
}

// Beside a country that another process serves, and twice at the same time.
#[test]
fn beside_a_running_country() {
    let country = Country::new();
    let up = Up::start(&country.dir());
    let endpoints = up.endpoints();
    let (first, second) = std::thread::scope(|scope| {
        let dir = country.dir();
        let other = dir.clone();
        let first = scope.spawn(move || demo(&dir, &["--json"]));
        let second = scope.spawn(move || demo(&other, &[]));
        (first.join().expect("ends"), second.join().expect("ends"))
    });
    check_document(&first);
    let printed = second.success();
    assert!(printed.contains("全部通過。") && printed.contains("All passed."), "{printed}");
    assert!(
        printed.contains("Verified OK") && printed.contains(": revoked"),
        "openssl's own words: {printed}"
    );
    assert_eq!(up.endpoints(), endpoints, "the running country is left as it was");
    up.stop();
    settle(&country.dir());
    assert_whole(&country.dir(), 2);
}

// Whoever asks is told the truth: when the foreign program does not agree, the demonstration has failed.
#[test]
fn a_foreign_program_that_disagrees_fails_the_demonstration() {
    let country = Country::new();
    let programs = country.beside("bin");
    std::fs::create_dir(&programs).expect("a new directory");
    let openssl = programs.join("openssl");
    std::fs::write(&openssl, "#!/bin/sh\necho 'Verification failure' >&2\nexit 1\n").expect("writable");
    std::fs::set_permissions(&openssl, std::fs::Permissions::from_mode(0o755)).expect("ours");
    let run = |json: bool, path: &Path| {
        let mut command = neweid();
        command.arg("demo").arg("--dir").arg(country.dir()).args(["--port-base", &free_ports().to_string()]);
        Ran::of(command.args(json.then_some("--json")).env("PATH", path))
    };
    let failed = run(true, &programs);
    assert_eq!(failed.code, Some(1), "{failed}");
    let document = failed.json();
    assert_eq!(document["passed"], false);
    assert!(document["checks_failed"].as_u64().is_some_and(|failed| failed > 10), "{failed}");
    // A program that says yes to everything is not believed either: a revoked certificate must be found revoked.
    std::fs::write(&openssl, "#!/bin/sh\necho 'Verified OK verify OK Response verify OK: good'\nexit 0\n")
        .expect("writable");
    let believed = run(false, &programs);
    assert_eq!(believed.code, Some(1), "{believed}");
    assert!(believed.stdout.contains("✗ FAILED") && believed.stdout.contains("有檢查未通過。"), "{believed}");
    // Without the program the country checks itself, and says that nobody else did.
    let alone = run(true, Path::new("/nonexistent"));
    assert_eq!(alone.code, Some(0), "{alone}");
    let document = alone.json();
    assert!(document["foreign_program"].is_null() && document["passed"] == true, "{alone}");
}

#[test]
fn a_photo_that_cannot_be_read() {
    let country = Country::new();
    let path = country.beside("no.jpg");
    let path = path.to_str().expect("a path");
    demo(&country.dir(), &["--photo", path]).fails(2, "NEWEID-E-PHOTO-FILE");
    demo(&country.dir(), &["--json", "--photo", path]).fails_in_json(2, "NEWEID-E-PHOTO-FILE");
    // A directory is no photo.
    demo(&country.dir(), &["--photo", country.dir().to_str().expect("a path")])
        .fails(2, "NEWEID-E-PHOTO-FILE");
    assert_eq!(in_dir(&country.dir(), ["card", "list", "--json"]).json().as_array().map(Vec::len), Some(11));
}
