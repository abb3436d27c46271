//! A recall on the command line, and an incident whose cards the card centre's books select.

use crate::support::{Country, PATIENCE, Ran, Up, cards, get, in_dir, neweid, run, text};
use model::CardSerial;
use status::cards::{CardList, Listed};
use status::filter::Trust;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn propose(dir: &Path, chip: &str, level: &str) -> Ran {
    propose_to(dir, chip, level, "new-card")
}

fn propose_to(dir: &Path, chip: &str, level: &str, treatment: &str) -> Ran {
    let args = ["recall", "propose", "--chip-type", chip, "--level", level, "--treatment", treatment];
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
    // OPEN-13: the software of these chips lies in ROM.
    let update = propose_to(&dir, &chip, "scheduled", "update");
    assert!(update.code != Some(0) && update.stdout.contains("MGMT-E-RECALL-NOT-PATCHABLE"), "{update}");
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

/// A card that was made wrongly is called in like many: by a range of one.
// proves: RECALL-15
#[test]
fn a_single_card_is_recalled_by_a_range_of_one() {
    let country = Country::new();
    let dir = country.dir();
    let active: Vec<String> = cards(&dir)
        .iter()
        .filter(|card| card["state"] == "active")
        .map(|card| text(&card["serial"]))
        .collect();
    let propose = |range: &str| {
        let what = ["recall", "propose", "--cards", range, "--level", "immediate", "--treatment", "new-card"];
        let who = ["--reason", "wrongly made", "--operator", "ca-anna", "--json", "--dir"];
        Ran::of(neweid().args(what).args(who).arg(&dir))
    };
    let backwards = propose("N5A000002..N5A000001");
    assert!(backwards.code == Some(1) && backwards.stdout.contains("PRODUCTION-E-SELECTION"), "{backwards}");
    assert_eq!(propose("N5A000001..").code, Some(2));
    let one = &active[1];
    let proposed = propose(one).json();
    assert_eq!(proposed["cards"], 1, "{proposed}");
    assert!(proposed["replacement"].is_null(), "{proposed}");
    // RECALL-13: on another type of chip, which whoever approves it sees; cards of citizens alone.
    let named = |profile: &str| {
        let what = ["recall", "propose", "--cards", one, "--level", "scheduled", "--treatment", "new-card"];
        let who = ["--reason", "wrongly made", "--replacement", profile, "--operator", "ca-anna", "--dir"];
        Ran::of(neweid().args(what).args(who).arg(&dir))
    };
    assert!(named("reserve-p384").success().contains("（新卡卡別 reserve-p384，晶片 RS-0180）"));
    let sample = named("interop");
    assert!(sample.code != Some(0) && sample.stderr.contains("MGMT-E-RECALL-REPLACEMENT"), "{sample}");
    approve(&dir, "ca-bert").json();
    let up = Up::start(&dir);
    let begun = Instant::now();
    let state_of = |serial: &String| {
        let all = cards(&dir);
        text(&all.iter().find(|card| card["serial"] == **serial).expect("a card")["state"])
    };
    while state_of(one) == "active" {
        assert!(begun.elapsed() < PATIENCE, "it is not called in");
        std::thread::sleep(Duration::from_millis(20));
    }
    for serial in &active {
        assert_eq!(state_of(serial), if serial == one { "recalled" } else { "active" }, "{serial}");
    }
    up.stop();
}

/// An immediate recall reaches whoever has a card before them, from the books of the offices: the list of cards by serial number,
/// and OCSP and CRL of their certificates, which are revoked by the cards' serial numbers.
// proves: RECALL-04
#[test]
fn recalled_cards_are_told_by_serial_number_and_their_certificates_by_ocsp_and_crl() {
    let country = Country::new();
    let (dir, pki) = (country.dir(), country.beside("pki"));
    let path = |path: &Path| path.display().to_string();
    run(["pki", "export", "--dir", &path(&dir), "--out", &path(&pki)]).success();
    let certificate = |name: &str| {
        let pem = std::fs::read_to_string(pki.join(name)).expect("exported");
        x509::Certificate::parse(&x509::pem::decode("CERTIFICATE", &pem).expect("PEM"))
            .expect("a certificate")
    };
    let (anchors, intermediates) = ([certificate("npc-root.pem")], [certificate("npc-ca.pem")]);
    let trust = Trust { anchors: &anchors, intermediates: &intermediates };
    let published = |up: &Up| {
        let open = |path: &str| {
            CardList::open(&get(&up.status(), path).body, &trust, jiff::Timestamp::now()).expect("signed")
        };
        open("/status/cards").with(&open("/status/cards-delta")).expect("a delta to it")
    };
    let state_of = |serial: &str| {
        let all = cards(&dir);
        text(&all.iter().find(|card| card["serial"] == *serial).expect("a card")["state"])
    };
    let active: Vec<String> = cards(&dir)
        .iter()
        .filter(|card| card["state"] == "active")
        .map(|card| text(&card["serial"]))
        .collect();
    assert!(active.len() > 3);
    let listed = |up: &Up, serial: &str| {
        published(up).status(serial.parse::<CardSerial>().expect("a serial")).expect("a list")
    };
    let types = in_dir(&dir, ["chip-type", "list", "--json"]).json();
    let recalled: Vec<String> = {
        let proposed = propose(&dir, types[0]["name"].as_str().expect("a name"), "immediate").json();
        assert!(proposed["cards"].as_u64() >= Some(2), "{proposed}");
        let all = in_dir(&dir, ["recall", "cards", "1", "--json"]).json();
        let all = all.as_array().expect("a list").iter().map(|card| text(&card["serial"]));
        all.filter(|serial| active.contains(serial)).collect()
    };
    let up = Up::start(&dir);
    assert!(active.iter().all(|serial| listed(&up, serial).is_none()), "nobody has approved it");
    approve(&dir, "ca-bert").json();
    let begun = Instant::now();
    while recalled.iter().any(|serial| state_of(serial) == "active") {
        assert!(begun.elapsed() < PATIENCE, "the cards are not called in");
        std::thread::sleep(Duration::from_millis(20));
    }
    up.stop();
    // The list is published before anything is announced.
    let up = Up::start(&dir);
    for serial in &active {
        let expected = recalled.contains(serial).then_some(Listed::Suspended);
        assert_eq!(listed(&up, serial), expected, "{serial}");
    }
    let (crl, pem) = (country.beside("npc.crl"), country.beside("crl.pem"));
    std::fs::write(&crl, get(&up.status(), "/crl/npc.crl").body).expect("written");
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).stdin(Stdio::null()).output();
        let output = output.expect("openssl is missing: apt-get install -y --no-install-recommends openssl");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    openssl(&["crl", "-inform", "DER", "-in", &path(&crl), "-out", &path(&pem)]);
    let (root, issuer) = (path(&pki.join("npc-root.pem")), path(&pki.join("npc-ca.pem")));
    let url = text(&up.endpoints()["ocsp"]);
    // Revoked by serial number for good, which two persons decide once more.
    let revoke = |verb: &str, operator: &str, more: &[&str]| {
        let what = ["recall", verb, "1", "--operator", operator, "--json", "--dir"];
        Ran::of(neweid().args(what).arg(&dir).args(more))
    };
    let serial_of = |serial: &str| {
        let own = certificate(&format!("sample-citizen-{serial}-sign.pem"));
        own.serial()
            .expect("a number")
            .octets()
            .iter()
            .map(|octet| format!("{octet:02X}"))
            .collect::<String>()
    };
    let certified = |serial: &&String| pki.join(format!("sample-citizen-{serial}-sign.pem")).exists();
    let revoked: Vec<_> = recalled.iter().filter(certified).map(|serial| serial_of(serial)).collect();
    revoke("revoke", "ca-anna", &["--reason", "superseded"]).json();
    let alone = revoke("approve-revocation", "ca-anna", &[]);
    assert!(alone.code != Some(0) && alone.stdout.contains("MGMT-E-RECALL-APPROVAL"), "{alone}");
    let listed_as = |up: &Up, reason: &str| {
        std::fs::write(&crl, get(&up.status(), "/crl/npc.crl").body).expect("written");
        openssl(&["crl", "-inform", "DER", "-in", &path(&crl), "-out", &path(&pem)]);
        let words = openssl(&["crl", "-in", &path(&pem), "-noout", "-text"]);
        let entry = |serial: &String| {
            let rest = words.split(&format!("Serial Number: {serial}")).nth(1);
            rest.is_some_and(|rest| {
                rest.split("Serial Number").next().is_some_and(|own| own.contains(reason))
            })
        };
        revoked.iter().filter(|serial| entry(serial)).count()
    };
    // The certificates follow their cards.
    let begun = Instant::now();
    while listed_as(&up, "Certificate Hold") < revoked.len() {
        assert!(begun.elapsed() < PATIENCE, "the list does not tell it");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(revoke("approve-revocation", "ca-bert", &[]).json()["approved_by"], "ca-bert");
    let begun = Instant::now();
    while listed_as(&up, "Superseded") < revoked.len() {
        assert!(begun.elapsed() < PATIENCE, "the list does not tell it");
        std::thread::sleep(Duration::from_millis(100));
    }
    let persons = in_dir(&dir, ["recall", "persons", "1", "--json"]).json();
    assert!(persons.as_array().expect("a list").iter().all(|one| one["revoked"] == true), "{persons}");
    // Who was told, and how, in both languages; nobody is listed before the others.
    let at = path(&dir);
    let notices = |more: &[&str]| {
        let what = [&["notice", "list", "--recall", "1", "--json", "--dir"][..], &[&at], more].concat();
        run(what).json().as_array().expect("a list").clone()
    };
    let (all, id) = (notices(&[]), |notice: &serde_json::Value| text(&notice["id"]));
    assert!(all.len() > 1 && notices(&["--after", &id(&all[0])]) == all[1..]);
    let of_way = |way: &str| notices(&["--way", way]).len();
    assert_eq!(of_way("sms") + of_way("email") + of_way("post"), all.len());
    let told = ["notice", "told", &id(&all[0]), "--way", "telephone", "--operator", "gateway", "--dir"];
    Ran::of(neweid().args(told).arg(&dir)).success();
    assert_eq!(notices(&[]), all[1..]);
    let persons = in_dir(&dir, ["recall", "persons", "1"]).success();
    assert!(persons.contains("，電話 telephone "), "{persons}");
    let mut judged = 0;
    for serial in &recalled {
        let own = path(&pki.join(format!("sample-citizen-{serial}-sign.pem")));
        if !Path::new(&own).exists() {
            continue;
        }
        let verify =
            ["verify", "-crl_check", "-CAfile", &root, "-untrusted", &issuer, "-CRLfile", &path(&pem), &own];
        let said = openssl(&verify);
        assert!(said.contains("certificate revoked"), "{said}");
        let ask = [
            "ocsp",
            "-issuer",
            &issuer,
            "-cert",
            &own,
            "-url",
            &url,
            "-CAfile",
            &root,
            "-verify_other",
            &issuer,
        ];
        let said = openssl(&ask);
        assert!(said.contains("Response verify OK") && said.contains(": revoked"), "{said}");
        assert!(said.contains("Reason: superseded"), "{said}");
        judged += 1;
    }
    assert!(judged > 0, "of a card with certificate");
    up.stop();
}
