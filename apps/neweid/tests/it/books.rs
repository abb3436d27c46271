//! What must be true of a country at rest, however it came to be: nothing lost, nothing doubled, every chip readable.
//!
//! The books of all systems are read directly and held against each other, the shelf, and the chips themselves.

use crate::support::{Up, cards, in_dir, text};
use chip::{Chip, FileMemory, InProcessChannel, Interface};
use curve::{Hash, SecretBytes, SystemRandom};
use eac::Password;
use model::{CardSerial, KeySlot};
use production::{Centre, CentreConfig};
use sealed::{MasterKey, SharedRandom};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Db, params};
use terminal::npc_card::{CertificateId, NpcCard, Pin2Status};
use terminal::{ReadOptions, TrustStore, Verdict, read_card};

/// Runs a future to its end.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// The databases of a country.
pub struct Books {
    dir: PathBuf,
    url: Option<String>,
}

impl Books {
    pub fn of(dir: &Path) -> Self {
        let settings: Value =
            serde_json::from_slice(&std::fs::read(dir.join("neweid.json")).expect("settings")).expect("JSON");
        Self { dir: dir.to_owned(), url: settings["database"].as_str().map(str::to_owned) }
    }

    /// The database of one system.
    pub async fn db(&self, system: &str) -> Db {
        let file = format!("sqlite:{}", self.dir.join("db").join(format!("{system}.sqlite")).display());
        Db::open(self.url.as_ref().unwrap_or(&file), system).await.expect("the database opens")
    }

    /// One number.
    pub fn count(&self, system: &str, sql: &'static str) -> i64 {
        wait(async {
            let db = self.db(system).await;
            let count = db.one(sql, params![]).await.expect("answers").read(0).expect("a number");
            db.close().await;
            count
        })
    }

    /// The first column of a query, as text.
    pub fn texts(&self, system: &str, sql: &'static str) -> Vec<String> {
        wait(async {
            let db = self.db(system).await;
            let rows = db.all(sql, params![]).await.expect("answers");
            let texts = rows.iter().map(|row| row.read::<String>(0).expect("text")).collect();
            db.close().await;
            texts
        })
    }

    /// Whether no case and no card is under way but what is held.
    fn at_rest(&self) -> bool {
        self.count("mgmt", "SELECT count(*) FROM application WHERE stage <> 'idle' AND NOT held") == 0
            && self.count("mgmt", "SELECT count(*) FROM job") == 0
            && self.count("production", "SELECT count(*) FROM job WHERE NOT dead") == 0
    }
}

/// Lets the country finish what is under way, in a `neweid up` of its own.
pub fn settle(dir: &Path) {
    let up = Up::start(dir);
    let books = Books::of(dir);
    let begun = Instant::now();
    while !books.at_rest() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "never at rest: {:?} {:?}\n{}",
            books.texts("mgmt", "SELECT case_no || ' ' || stage FROM application WHERE stage <> 'idle'"),
            books.texts("production", "SELECT queue || ' ' || coalesce(problem, '') FROM job"),
            up.stderr()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    up.stop();
}

/// Asserts that the country at rest in `dir` is whole, with this many cards beside those of the sample persons.
pub fn assert_whole(dir: &Path, more_cards: usize) {
    let books = Books::of(dir);
    let listed = cards(dir);
    persons(&books, &listed, more_cards);
    let out = tempfile::tempdir().expect("a temporary directory");
    in_dir(dir, ["pki", "export", "--out", out.path().to_str().expect("a path")]).success();
    let trust = TrustStore::from_dir(out.path()).expect("trust anchors");
    let certificates = certificates(&books, &listed);
    wait(stock(&books, &trust));
    wait(audit_chains(&books));
    for card in &listed {
        chip(dir, card, &certificates, &trust);
    }
}

/// The certificates management has on file; a case that is held has asked for none yet.
const FILED: &str = "SELECT f.serial, f.slot, f.certificate FROM card_certificate f \
    JOIN card ON card.serial = f.serial WHERE card.state <> 'paired'";

// Twelve persons, each with one case; eleven cards (one has only applied); nobody has two.
fn persons(books: &Books, listed: &[Value], more: usize) {
    let personas = books.texts("mgmt", "SELECT persona FROM sample");
    let expected: BTreeSet<String> =
        registry::sample_persons().iter().map(|p| p.persona.to_owned()).collect();
    assert_eq!(personas.len(), 12);
    assert_eq!(personas.into_iter().collect::<BTreeSet<_>>(), expected);
    let persons = books.count(
        "mgmt",
        "SELECT count(DISTINCT person) FROM application JOIN sample ON sample.case_no = application.case_no",
    );
    assert_eq!(persons, 12);
    let with_two_cases =
        "SELECT count(*) FROM (SELECT person FROM application GROUP BY person HAVING count(*) > 1) AS twice";
    assert_eq!(books.count("mgmt", with_two_cases), 0);
    let with_two_cards =
        "SELECT count(*) FROM (SELECT person FROM card GROUP BY person HAVING count(*) > 1) AS twice";
    assert_eq!(books.count("mgmt", with_two_cards), 0);
    assert_eq!(
        books.count("mgmt", "SELECT count(*) FROM card WHERE attempt > 0"),
        0,
        "no card was made a second time"
    );
    assert_eq!(listed.len(), 11 + more, "{listed:#?}");
    let serials: BTreeSet<String> = listed.iter().map(|card| text(&card["serial"])).collect();
    assert_eq!(serials.len(), listed.len(), "a serial number twice");
    let shown: BTreeSet<String> =
        listed.iter().filter_map(|card| card["persona"].as_str().map(str::to_owned)).collect();
    assert_eq!(shown.len(), 11, "{shown:?}");
}

/// The certificates of every card by slot, after holding the CA's books against management's.
fn certificates(books: &Books, listed: &[Value]) -> BTreeMap<String, BTreeMap<KeySlot, Vec<u8>>> {
    let (issued, filed) = wait(async {
        let npc = books.db("npc").await;
        let rows = npc.all("SELECT card, slot, der FROM certificate", params![]).await.expect("answers");
        let issued: Vec<(String, KeySlot, Option<Vec<u8>>)> = rows
            .iter()
            .map(|row| {
                let slot = KeySlot::from_id(row.read::<u8>("slot").expect("a slot")).expect("a slot");
                (row.read("card").expect("text"), slot, row.read("der").expect("bytes"))
            })
            .collect();
        npc.close().await;
        let mgmt = books.db("mgmt").await;
        let rows = mgmt.all(FILED, params![]).await.expect("answers");
        let filed: Vec<(String, KeySlot, Option<Vec<u8>>)> = rows
            .iter()
            .map(|row| {
                let slot = row.read::<String>("slot").expect("text").parse().expect("a slot");
                (row.read("serial").expect("text"), slot, row.read("certificate").expect("bytes"))
            })
            .collect();
        mgmt.close().await;
        (issued, filed)
    });
    let by_card = |rows: Vec<(String, KeySlot, Option<Vec<u8>>)>| {
        let mut cards: BTreeMap<String, BTreeMap<KeySlot, Vec<u8>>> = BTreeMap::new();
        for (card, slot, der) in rows {
            let der = der.unwrap_or_else(|| panic!("{card} {slot:?} was never signed"));
            let before = cards.entry(card.clone()).or_default().insert(slot, der);
            assert!(before.is_none(), "{card} has two certificates for {slot:?}");
        }
        cards
    };
    let (issued, filed) = (by_card(issued), by_card(filed));
    assert!(issued == filed, "the CA and management know different certificates");
    for card in listed {
        let slots: Vec<KeySlot> = issued
            .get(&text(&card["serial"]))
            .map(|slots| slots.keys().copied().collect())
            .unwrap_or_default();
        let expected = match (card["certificate"].as_bool(), card["profile"].as_str()) {
            _ if card["state"] == "paired" => vec![],
            (Some(false), _) => vec![],
            (_, Some("interop")) => KeySlot::ALL.to_vec(),
            _ => vec![KeySlot::SigningRsa, KeySlot::EncryptionRsa],
        };
        assert_eq!(slots, expected, "{card}");
    }
    let listed: BTreeSet<String> = listed.iter().map(|card| text(&card["serial"])).collect();
    assert!(issued.keys().all(|card| listed.contains(card)), "certificates for a card nobody has");
    issued
}

// Books, ledger and shelf agree; every card made was shipped; nothing was wasted.
async fn stock(books: &Books, trust: &TrustStore) {
    let key =
        std::fs::read_to_string(books.dir.join("keys/production/master.key")).expect("the centre's key");
    let key = MasterKey::from_bytes(&SecretBytes::from(hex::decode(key.trim()).expect("hexadecimal")))
        .expect("a key");
    let fonts = Arc::new(cardface::FontSet::system().expect("fonts"));
    let config = CentreConfig::new(books.dir.join("cards"), trust.clone(), fonts);
    let db = books.db("production").await;
    let centre =
        Centre::open(db.clone(), &key, config, SharedRandom::new(SystemRandom)).await.expect("opens");
    let stocktake = centre.stocktake().await.expect("counted");
    assert!(stocktake.agrees(), "{stocktake:?}");
    let count = async |sql: &'static str| -> i64 {
        db.one(sql, params![]).await.expect("answers").read(0).expect("a number")
    };
    assert_eq!(
        count("SELECT count(*) FROM card WHERE state IN ('flawed', 'void', 'destroyed')").await,
        0,
        "waste"
    );
    assert_eq!(count("SELECT count(*) FROM job WHERE dead").await, 0, "given up");
    // One is set aside for the case on hold.
    let ordered = count("SELECT count(*) FROM card WHERE state IN ('paired', 'shipped')").await;
    assert_eq!(count("SELECT count(*) FROM card WHERE state = 'paired'").await, 1);
    assert_eq!(ordered, count("SELECT count(*) FROM card_order").await, "orders and cards");
    let mgmt = books.db("mgmt").await;
    let made: i64 =
        mgmt.one("SELECT count(*) FROM card", params![]).await.expect("answers").read(0).expect("a number");
    assert_eq!(ordered, made);
    // Personal data is destroyed with its key when a card is packed (PRODUCTION-36).
    assert_eq!(
        count("SELECT count(*) FROM card_order WHERE wrapped_dek IS NOT NULL OR package IS NOT NULL").await,
        0
    );
    mgmt.close().await;
    db.close().await;
}

async fn audit_chains(books: &Books) {
    for system in ["mgmt", "production", "npc", "docsigner"] {
        let db = books.db(system).await;
        let head = audit::verify(&db, None).await.unwrap_or_else(|error| panic!("{system}: {error}"));
        assert!(head.seq > 0, "{system}");
        db.close().await;
    }
}

/// Opens the chip of a card as it lies in the directory.
pub fn open_chip(dir: &Path, serial: &str) -> Chip {
    let file = dir.join("cards").join(format!("{serial}.card"));
    // A child that another test is just starting holds a copy of every lock of this process for a moment.
    let begun = Instant::now();
    let memory = loop {
        match FileMemory::open(&file) {
            Ok(memory) => break memory,
            Err(chip::MemoryError::Locked(_)) if begun.elapsed() < Duration::from_secs(5) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => panic!("{serial}: {error}"),
        }
    };
    Chip::open(Box::new(memory), Box::new(SystemRandom)).unwrap_or_else(|error| panic!("{serial}: {error}"))
}

// A stranger reads and believes the card; its certificates are those of the books; PIN2 opens it and its keys sign.
fn chip(
    dir: &Path,
    card: &Value,
    certificates: &BTreeMap<String, BTreeMap<KeySlot, Vec<u8>>>,
    trust: &TrustStore,
) {
    let name = text(&card["serial"]);
    let serial: CardSerial = name.parse().expect("a serial");
    let can = Password::can(serial.can().as_str());
    let channel = |interface| InProcessChannel::new(open_chip(dir, &name), interface).without_waiting();
    let now = jiff::Timestamp::now();
    let report = read_card(
        channel(Interface::Contactless),
        &can,
        trust,
        &ReadOptions::default(),
        now,
        &mut SystemRandom,
    );
    if card["state"] == "paired" {
        assert_eq!(report.verdict, Verdict::Refused, "{name}: nothing of anybody is on it yet");
        return;
    }
    assert_eq!(report.verdict, Verdict::Verified, "{name}: {:?}", report.checks);
    let zone = report.public_zone().expect("a public zone");
    assert_eq!(
        zone.td1().expect("a zone").lines().to_vec(),
        card["mrz"].as_array().expect("lines").to_vec(),
        "{name}"
    );

    let Some(slots) = certificates.get(&name) else {
        assert!(
            NpcCard::open(channel(Interface::Contact), &can, &mut SystemRandom).is_err(),
            "{name}: zone is closed"
        );
        return;
    };
    let mut npc =
        NpcCard::open(channel(Interface::Contact), &can, &mut SystemRandom).expect("the zone opens");
    if !["active", "suspended", "recalled"].contains(&card["state"].as_str().expect("text")) {
        // The holder has not set PIN2 yet, and until then the zone says nothing.
        assert_eq!(npc.pin2_status().ok(), Some(Pin2Status::NotSet), "{name}");
        return;
    }
    for (slot, der) in slots {
        let on_card = npc.certificate(CertificateId::from(*slot)).expect("a certificate");
        assert!(on_card == *der, "{name} {slot:?}: card and books differ");
    }
    let Some(pin2) = card["pin2"].as_str() else {
        return;
    };
    if card["persona"] == "pin_blocked" {
        assert_eq!(npc.pin2_status().ok(), Some(Pin2Status::Blocked));
        return;
    }
    npc.verify_pin2(&SecretBytes::new(pin2.as_bytes())).unwrap_or_else(|error| panic!("{name}: {error}"));
    let message = b"after the storm";
    let signature = npc.sign_rsa(Hash::Sha256, message).expect("signed");
    let certificate = x509::Certificate::parse(&slots[&KeySlot::SigningRsa]).expect("a certificate");
    x509::verify(certificate.spki(), x509::SignatureAlgorithm::RsaSha256, message, &signature)
        .expect("valid");
}
