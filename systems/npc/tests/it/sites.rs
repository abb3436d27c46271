//! Two sites with a hardware module each (NPC-14): a module's keys are copied by its own means, here the directory of a SoftHSM
//! token, and what is made later is each site's own.
//!
//! SoftHSM reads its configuration once in a process, so a site is a process: the outer test starts this program again for each
//! ([`a_site_in_a_process_of_its_own`]), tells it what to do, reads what it has done, and kills it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use curve::{Curve, Hash, SecretBytes, SystemRandom};
use jiff::{SignedDuration, Timestamp};
use keys::{KeyKind, KeyStore, Pkcs11KeyStore};
use model::{KeySlot, RevocationReason};
use npc::{CertificateAuthority, List, Npc, NpcConfig, Scope};
use store::testkit::OwnServer;
use store::{Db, params};
use x509::crl::Crl;
use x509::ocsp::{self, CertificateStatus};
use x509::tsp;
use x509::{Certificate, Serial};

use crate::support::*;
use crate::token::{PIN, module, token_in};

/// What a site says: a word, a number, and what it stands for.
#[derive(Debug, Clone)]
struct Said {
    word: String,
    number: String,
    of: String,
}

struct Site {
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Site {
    /// `work` is a word of [`a_site_in_a_process_of_its_own`], `cards` the number of its first card.
    fn start(token: &Path, url: &str, work: &str, cards: u32, day: i64) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sites::a_site_in_a_process_of_its_own", "--ignored", "--nocapture"])
            .env("SOFTHSM2_CONF", token.join("softhsm2.conf"))
            .env("NEWEID_TEST_SITE", format!("{work} {cards} {day} {url}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    /// The next thing it says; none if it has ended.
    fn next(&mut self) -> Option<Said> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // The test program says something too, also in the same line.
            let Some((_, said)) = line.split_once("SITE ") else { continue };
            let mut words = said.split_whitespace().map(str::to_owned);
            let mut word = || words.next().unwrap_or_default();
            return Some(Said { word: word(), number: word(), of: word() });
        }
    }

    fn go_on(&mut self) {
        self.process.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    }

    /// Everything it says until its end, which must be a good one.
    fn all(mut self) -> Vec<Said> {
        let said: Vec<_> = std::iter::from_fn(|| self.next()).collect();
        assert!(self.process.wait().unwrap().success(), "{said:?}");
        said
    }
}

/// No list and no time stamp has the number of another; no certificate the serial number of another.
#[derive(Default)]
struct Ledger(BTreeMap<(String, String), String>);

impl Ledger {
    fn add(&mut self, all: &[Said]) {
        for said in all {
            let before = self.0.insert((said.word.clone(), said.number.clone()), said.of.clone());
            assert!(before.is_none_or(|before| before == said.of), "{said:?} was given twice");
        }
    }

    fn highest(&self, word: &str) -> u64 {
        let numbers = self.0.keys().filter(|(of, _)| of == word).map(|(_, number)| number.parse().unwrap());
        numbers.max().unwrap_or(0)
    }

    fn count(&self, word: &str) -> usize {
        self.0.keys().filter(|(of, _)| of == word).count()
    }
}

/// The first site is killed in the midst of its work; the second goes on with the copy of the module, also when the keys of services
/// are due for others; the first comes back with its own module, and both serve at the same time.
// proves: NPC-14, DOCPKI-12
#[test]
fn a_second_site_with_a_copy_of_the_module_goes_on_and_both_serve_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (here, there) = (directory.path().join("here"), directory.path().join("there"));
    token_in(&here);
    let database = OwnServer::start();
    let url = database.url();
    let mut ledger = Ledger::default();

    let mut first = Site::start(&here, &url, "work", 1, 0);
    assert_eq!(first.next().unwrap().word, "open");
    // The off-site copy, by the token's own means.
    token_in(&there);
    copied(&here.join("tokens"), &there.join("tokens"));
    first.go_on();
    let mut done = Vec::new();
    while done.iter().filter(|said: &&Said| said.word == "round").count() < 4 {
        done.push(first.next().unwrap());
    }
    first.process.kill().unwrap();
    first.process.wait().unwrap();
    ledger.add(&done);
    let (complete, stamps) = (ledger.highest("complete"), ledger.highest("stamp"));
    assert!(complete > 0 && stamps > 0);

    let done = Site::start(&there, &url, "go-on", 101, 0).all();
    assert_eq!(done.iter().filter(|said| said.word == "round").count(), 3);
    for said in &done {
        let number = said.number.parse::<u64>().unwrap_or(u64::MAX);
        assert!(said.word != "complete" || number > complete, "{said:?} goes back");
        assert!(said.word != "stamp" || number > stamps, "{said:?} goes back");
    }
    ledger.add(&done);

    // Three weeks later new services are due: the second site makes them in its module. The first comes back without these keys.
    let (mut a, mut b) =
        (Site::start(&there, &url, "work-three", 201, 21), Site::start(&here, &url, "work-three", 301, 21));
    for site in [&mut a, &mut b] {
        assert_eq!(site.next().unwrap().word, "open");
    }
    a.go_on();
    b.go_on();
    let both = std::thread::scope(|scope| {
        let both = [a, b].map(|site| scope.spawn(|| site.all()));
        both.map(|site| site.join().unwrap())
    });
    let responders: Vec<BTreeSet<String>> = both
        .iter()
        .map(|said| said.iter().filter(|s| s.word == "responder").map(|s| s.number.clone()).collect())
        .collect();
    assert!(responders[0].is_disjoint(&responders[1]), "each signs with a key of its own: {responders:?}");
    both.iter().for_each(|said| ledger.add(said));
    assert!(ledger.count("certificate") >= 4 + 3 + 6, "{}", ledger.count("certificate"));

    // Whoever looks at the database afterwards finds nothing half done.
    let done = Site::start(&there, &url, "look", 0, 21).all();
    assert!(done.iter().any(|said| said.word == "whole"));
}

fn copied(from: &Path, to: &Path) {
    std::fs::remove_dir_all(to).unwrap();
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&place).unwrap();
            copied(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).unwrap();
        }
    }
}

#[tokio::test]
#[ignore = "run by a_second_site_with_a_copy_of_the_module_goes_on_and_both_serve_at_once"]
#[allow(clippy::disallowed_methods, reason = "the outer test hands over what is to be done")]
async fn a_site_in_a_process_of_its_own() {
    let told = std::env::var("NEWEID_TEST_SITE").unwrap();
    let [work, cards, day, url] = told.splitn(4, ' ').collect::<Vec<_>>()[..] else { panic!("{told}") };
    let (first, day): (u32, i64) = (cards.parse().unwrap(), day.parse().unwrap());
    let at = now() + SignedDuration::from_hours(24 * day);
    let keys: Arc<dyn KeyStore> =
        Arc::new(Pkcs11KeyStore::open(&module(), "npc", &SecretBytes::new(PIN.as_bytes())).unwrap());
    let key = KeyKind::Ec(Curve::P384);
    let config = NpcConfig { root_key: key, ca_key: key, partitions: 2, ..config() };
    let db = Db::open(url, "npc").await.unwrap();
    let npc = Npc::open(db, keys, config, Box::new(SystemRandom), at).await.unwrap();
    match work {
        "work" => {
            wait();
            for n in 0.. {
                round(&npc, first + n, at + SignedDuration::from_secs(n.into())).await;
            }
        }
        "go-on" => {
            // What the other has confirmed is all there, and in its state.
            for n in 1..=4 {
                let [made] = &npc.certificates_of(card(n), at).await.unwrap()[..] else { panic!("card {n}") };
                let certificate = Certificate::parse(&made.der).unwrap();
                certificate.verify_signature(npc.ca_certificate().spki()).unwrap();
                assert_eq!(status(&npc, &made.serial, at).await, n % 2 == 0, "card {n}");
            }
            // Behind the other, whose last moment is in its time stamps.
            let later = at + SignedDuration::from_mins(5);
            for n in 0..3 {
                round(&npc, first + n, later + SignedDuration::from_secs(n.into())).await;
            }
        }
        "work-three" => {
            wait();
            for n in 0..3 {
                npc.maintain(at).await.unwrap();
                round(&npc, first + n, at).await;
                // A card that both are asked for: there is one certificate, whoever comes first.
                let request = request(&npc, 900 + n, KeySlot::SigningEc, 0).await;
                match npc.issue(&request, at).await {
                    Ok(made) => tell(format_args!("certificate {} {}", made.serial, 900 + n)),
                    Err(error) => {
                        assert!(
                            ["NPC-CONFLICT", "NPC-SLOT-TAKEN", "STORE-UNIQUE"].contains(&error.code()),
                            "{error}"
                        );
                    }
                }
            }
        }
        _ => look(&npc).await,
    }
    npc.db().close().await;
}

#[allow(clippy::print_stdout, reason = "what the outer test reads")]
fn tell(what: std::fmt::Arguments<'_>) {
    println!("SITE {what}");
}

/// Tells that everything is open, and goes on when told to.
fn wait() {
    tell(format_args!("open"));
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Issues, revokes every second card, publishes, answers, stamps; tells what was given out.
async fn round(npc: &Npc, number: u32, at: Timestamp) {
    let request = request(npc, number, KeySlot::SigningEc, 0).await;
    let made = npc.issue(&request, at).await.unwrap();
    tell(format_args!("certificate {} {number}", made.serial));
    let revoked = number % 2 == 1;
    if revoked {
        npc.revoke(card(number), RevocationReason::KeyCompromise, "clerk", at).await.unwrap();
    }
    for scope in [Scope::Complete, Scope::Partition(0), Scope::Partition(1)] {
        let list = npc.list(List { generation: 1, scope }, at).await.unwrap();
        let crl = Crl::parse(&list.der).unwrap();
        crl.verify_signature(npc.ca_certificate().spki()).unwrap();
        assert_eq!(crl.number(), Some(list.number));
        let listed = crl.entries().any(|entry| entry.unwrap().serial == made.serial.octets());
        let last = u16::from(*made.serial.octets().last().unwrap());
        assert_eq!(listed, revoked && (scope == Scope::Complete || scope == Scope::Partition(last & 1)));
        let hash: String = Hash::Sha256.digest(&list.der).iter().map(|byte| format!("{byte:02x}")).collect();
        tell(format_args!("list {} {hash}", list.number));
        if scope == Scope::Complete {
            tell(format_args!("complete {} {hash}", list.number));
        }
    }
    assert_eq!(status(npc, &made.serial, at).await, !revoked);
    let query = tsp::build_request(&tsp::Imprint::of(Hash::Sha256, &made.der), None, None);
    let response = tsp::Response::parse(&npc.time_stamp(&query, at).await).unwrap();
    response.verify(&tsp::Request::parse(&query).unwrap()).unwrap();
    let tsp::Response::Token(token) = response else { panic!("refused") };
    let sequence = token.serial.iter().rev().take(8).rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
    tell(format_args!("stamp {sequence} {number}"));
    tell(format_args!("round {number} {number}"));
}

/// Whether OCSP says good, in an answer that holds.
async fn status(npc: &Npc, serial: &Serial, at: Timestamp) -> bool {
    let ca = npc.ca_certificate();
    let id = ocsp::CertId::new(&ocsp::IssuerHashes::new(&ca).unwrap(), Hash::Sha256, serial).unwrap();
    let answer = ocsp::BasicResponse::parse(&npc.ocsp(&ocsp::build_request(&[id], None), at).await).unwrap();
    answer.verify(&ca, at).unwrap();
    tell(format_args!("responder {} ocsp", npc.ca_certificates().ocsp.serial().unwrap()));
    match answer.answers[0].status {
        CertificateStatus::Good => true,
        CertificateStatus::Revoked { .. } => false,
        CertificateStatus::Unknown => panic!("given out, and not known"),
    }
}

async fn look(npc: &Npc) {
    npc.verify_audit(None).await.unwrap();
    let count = async |sql: &'static str| npc.db().one(sql, params![]).await.unwrap().read::<i64>(0).unwrap();
    assert_eq!(count("SELECT COUNT(*) FROM certificate WHERE der IS NULL").await, 0);
    assert_eq!(count("SELECT COUNT(*) FROM authority WHERE der IS NULL").await, 0);
    assert_eq!(count("SELECT COUNT(*) FROM certificate WHERE card >= 'TWA000900'").await, 3);
    tell(format_args!("whole"));
}
