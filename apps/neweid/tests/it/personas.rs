//! The personas as files: made by the real chain, the same ever after, and read for what they are meant to be.

use crate::support::{Country, Ran, cards, in_dir, neweid, run, text};
use serde_json::Value;
use std::path::Path;

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
// proves: CARDFACE-17
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
