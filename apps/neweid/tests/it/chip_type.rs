//! `neweid chip-type`: the register of chip types as an operator sees it, and the two persons who judge a type.

use crate::support::{Country, Ran, cards, in_dir, neweid, text};
use std::path::Path;

fn propose(dir: &Path, name: &str, risk: &str, operator: &str) -> Ran {
    let mut command = neweid();
    command.args(["chip-type", "propose", name, "--risk", risk, "--reason", "測試用 a doubt", "--operator"]);
    Ran::of(command.arg(operator).arg("--dir").arg(dir))
}

fn approve(dir: &Path, number: &str, operator: &str) -> Ran {
    in_dir(dir, ["chip-type", "approve", number, "--operator", operator])
}

fn risk(dir: &Path, name: &str) -> String {
    let list = in_dir(dir, ["chip-type", "list", "--json"]).json();
    let types = list.as_array().expect("an array");
    let found = types.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{list}"));
    text(&found["risk"])
}

// proves: CARD-13
#[test]
fn the_register_of_chip_types_is_shown_and_changed_by_two_persons() {
    let country = Country::new();
    let dir = country.dir();
    let types = in_dir(&dir, ["chip-type", "list", "--json"]).json();
    let name = text(&types[0]["name"]);
    for field in ["manufacturer", "chip", "operating_system", "atr", "ats"] {
        assert!(!text(&types[0][field]).is_empty(), "{field}: {types}");
    }
    assert!(types[0]["certificates"].as_array().is_some_and(|list| list.len() >= 2), "{types}");
    assert_eq!((&types[0]["patchable"], &types[1]["patchable"]), (&false.into(), &true.into()), "{types}");
    let told = in_dir(&dir, ["chip-type", "list"]).success();
    assert_eq!(
        (&types[0]["hardware"]["body"], &types[0]["hardware"]["service_years"]),
        (&"PC".into(), &10.into())
    );
    assert!(told.contains("PC，10 年 years") && told.contains("A 106, 212, 424 kbit/s"), "{told}");
    assert!(told.contains("endurance   100000"), "{told}");
    assert!(told.contains("patchable   否 no") && told.contains("patchable   可 yes"), "{told}");
    assert!(told.contains(&name) && told.contains("正常 normal") && told.contains("安全認證"), "{told}");
    // Every card of the country is on a type, and the cards of a type are listed.
    let on_type = in_dir(&dir, ["chip-type", "cards", &name, "--json"]).json();
    let listed: Vec<&str> =
        on_type.as_array().expect("an array").iter().filter_map(|card| card["serial"].as_str()).collect();
    for card in cards(&dir) {
        assert!(listed.contains(&text(&card["serial"]).as_str()), "{card}");
    }
    assert!(in_dir(&dir, ["chip-type", "cards", &name]).success().contains("張 cards"));

    // A new version is entered as the list shows it; the judgement in the file counts for nothing.
    let file = dir.join("entry.json");
    let register = |entry: &serde_json::Value| {
        std::fs::write(&file, entry.to_string()).expect("written");
        let path = file.to_str().expect("a path");
        in_dir(&dir, ["chip-type", "register", path, "--operator", "anna"])
    };
    let mut entry = types[0].clone();
    entry["operating_system"] = "測試用 OS 9.1".into();
    entry["risk"] = "stopped".into();
    assert!(register(&entry).success().contains(&name));
    let now = in_dir(&dir, ["chip-type", "list", "--json"]).json();
    assert_eq!(
        (&now[0]["operating_system"], &now[0]["risk"]),
        (&entry["operating_system"], &"normal".into())
    );
    entry["name"] = "XX-0000".into();
    assert_eq!(register(&entry).code, Some(1), "no chip has this name");
    entry["versions"] = 1.into();
    register(&entry).fails(2, "NEWEID-E-CHIP-TYPE");
    register(&serde_json::json!([])).fails(2, "NEWEID-E-CHIP-TYPE");

    // One person proposes, nothing changes; the same cannot approve; another does.
    assert!(in_dir(&dir, ["chip-type", "proposals"]).success().contains("There are no proposals"));
    assert!(propose(&dir, &name, "watch", "anna").success().contains("Nothing changes until"));
    assert_eq!(risk(&dir, &name), "normal");
    assert_ne!(approve(&dir, "1", "anna").code, Some(0));
    assert_eq!(risk(&dir, &name), "normal");
    let waiting = in_dir(&dir, ["chip-type", "proposals", "--json"]).json();
    assert!(waiting[0]["approved_by"].is_null() && waiting[0]["proposed_by"] == "anna", "{waiting}");
    assert!(approve(&dir, "1", "bert").success().contains("approved by bert"));
    assert_eq!(risk(&dir, &name), "watch");
    let told = in_dir(&dir, ["chip-type", "list"]).success();
    assert!(told.contains("觀察 watch") && told.contains("測試用 a doubt"), "{told}");
    // CARD-12: a new country has a year for its first assessment; one person enters it, another approves, and it is due again in a year.
    assert!(told.contains("RSA-2048：尚未評估 not assessed yet，期限 due "), "{told}");
    assert!(told.contains("secp384r1：尚無晶片 no chips yet"), "{told}");
    let assess = |algorithm: &str| {
        let args = ["chip-type", "assess", &name, "--algorithm", algorithm, "--result", "normal"];
        let who = ["--findings", "測試用 nothing new", "--operator", "anna", "--dir"];
        Ran::of(neweid().args(args).args(who).arg(&dir))
    };
    assert_ne!(assess("DES").code, Some(0));
    assert!(assess("RSA-2048").success().contains("approve-assessment 1"));
    let second = |operator| in_dir(&dir, ["chip-type", "approve-assessment", "1", "--operator", operator]);
    assert_ne!(second("anna").code, Some(0));
    let risks = || in_dir(&dir, ["chip-type", "list", "--json"]).json()[0]["key_risks"].clone();
    let first_due = risks()[0]["due"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
    assert!(first_due > jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 364), "{first_due}");
    assert_eq!((&risks()[0]["overdue"], &risks()[0]["last"]), (&false.into(), &serde_json::Value::Null));
    assert!(second("bert").success().contains("approved by bert"));
    assert_eq!((&risks()[0]["algorithm"], &risks()[0]["overdue"]), (&"RSA-2048".into(), &false.into()));
    assert_eq!(risks()[0]["last"]["assessed_by"], "anna");
    assert!(risks()[1]["last"].is_null());
    let told = in_dir(&dir, ["chip-type", "list"]).success();
    assert!(told.contains("RSA-2048：正常 normal") && told.contains("anna / bert"), "{told}");
    assert!(in_dir(&dir, ["chip-type", "assessments"]).success().contains("nothing new"));
    // Twice, unknown, not a word, not an account.
    assert_ne!(approve(&dir, "1", "carl").code, Some(0));
    assert_ne!(approve(&dir, "9", "bert").code, Some(0));
    assert_ne!(propose(&dir, "XX-0000", "watch", "anna").code, Some(0));
    assert_eq!(propose(&dir, &name, "doubtful", "anna").code, Some(2));
    propose(&dir, &name, "normal", "安娜").fails(2, "NEWEID-E-OPERATOR");
    approve(&dir, "1", "").fails(2, "NEWEID-E-OPERATOR");
    assert_eq!(risk(&dir, &name), "watch");
}
