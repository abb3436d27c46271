//! A recall on the command line, and an incident whose cards the card centre's books select.

use crate::support::{Country, Ran, in_dir, neweid};
use std::path::Path;

fn propose(dir: &Path, chip: &str, level: &str) -> Ran {
    let args = ["recall", "propose", "--chip-type", chip, "--level", level, "--treatment", "new-card"];
    let who = ["--reason", "演習 drill", "--cost", "250000", "--operator", "ca-anna", "--json", "--dir"];
    Ran::of(neweid().args(args).args(who).arg(dir))
}

fn approve(dir: &Path, operator: &str) -> Ran {
    Ran::of(neweid().args(["recall", "approve", "1", "--operator", operator, "--json", "--dir"]).arg(dir))
}

// proves: RECALL-02, RECALL-03
#[test]
fn a_recall_is_listed_approved_by_another_and_reported_by_office() {
    let country = Country::new();
    let dir = country.dir();
    let types = in_dir(&dir, ["chip-type", "list", "--json"]).json();
    let chip = types[0]["name"].as_str().expect("a name").to_owned();
    let proposed = propose(&dir, &chip, "scheduled").json();
    let cards = proposed["cards"].as_u64().expect("a number");
    assert!(cards > 3 && proposed["approved_by"].is_null(), "{proposed}");
    assert_eq!((&proposed["treatment"], &proposed["cost"]), (&"new-card".into(), &250_000.into()));
    let listed = in_dir(&dir, ["recall", "cards", "1", "--json"]).json();
    assert_eq!(listed.as_array().expect("a list").len() as u64, cards);
    let text = in_dir(&dir, ["recall", "cards", "1"]).success();
    assert!(text.ends_with(&format!("{cards} 張 cards\n")), "{text}");

    let alone = approve(&dir, "ca-anna");
    assert!(alone.code != Some(0) && alone.stdout.contains("MGMT-E-RECALL-APPROVAL"), "{alone}");
    assert_eq!(approve(&dir, "ca-bert").json()["approved_by"], "ca-bert");
    let report = in_dir(&dir, ["recall", "report", "1", "--json"]).json();
    let waiting = report["now"].as_array().expect("a list").iter().map(|office| office["waiting"].as_u64());
    assert_eq!(waiting.sum::<Option<u64>>(), Some(cards));
    let early = in_dir(&dir, ["recall", "close", "1", "--operator", "ca-anna"]);
    assert!(early.code != Some(0) && early.stderr.contains("MGMT-E-RECALL-WAITS"), "{early}");
    let unknown = in_dir(&dir, ["recall", "report", "7"]);
    assert!(unknown.code != Some(0) && unknown.stderr.contains("MGMT-E-RECALL-UNKNOWN"), "{unknown}");
    assert!(in_dir(&dir, ["recall", "list"]).success().contains("ca-bert"));

    // The certificates of the same cards, by what the card centre knows of them.
    let maker = types[0]["manufacturer"].as_str().expect("a maker");
    let args = ["npc", "incident", "propose", "suspend", "--manufacturer", maker, "--made-to", "2999-12-31"];
    let chosen = Ran::of(neweid().args(args).args(["--operator", "ca-anna", "--dir"]).arg(&dir)).success();
    assert!(chosen.contains(&format!("製造商 manufacturer {maker}")), "{chosen}");
    let args =
        ["npc", "incident", "propose", "suspend", "--lot", "XXX-000000", "--operator", "ca-anna", "--dir"];
    let nobody = Ran::of(neweid().args(args).arg(&dir));
    assert!(nobody.code != Some(0) && nobody.stderr.contains("NPC-REQUEST"), "{nobody}");
}
