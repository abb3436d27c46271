//! Requests that share their commits: each is answered as if it had come alone, and none is lost or doubled.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex};

use curve::{Curve, Random, SystemRandom};
use keys::{KeyInfo, KeyKind, KeyStore, Purpose};
use model::KeySlot;
use npc::{CertificateAuthority, IssueRequest, IssuedCertificate, Npc, Period};
use store::testkit::{each_engine, each_engine_url};
use store::{Db, When, params};
use x509::{Certificate, SignError, SignatureAlgorithm, Signer};

use crate::support::*;

async fn count(db: &Db, sql: &'static str) -> i64 {
    db.one(sql, params![]).await.unwrap().read(0).unwrap()
}

/// Waits until a count is reached, which must come.
async fn until(db: &Db, sql: &'static str, least: i64) {
    let reached = async {
        while count(db, sql).await < least {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), reached).await.expect("it is reached");
}

async fn ec_requests(npc: &Npc, numbers: std::ops::Range<u32>) -> Vec<IssueRequest> {
    let mut requests = Vec::new();
    for number in numbers {
        requests.push(request(npc, number, KeySlot::SigningEc, 0).await);
    }
    requests
}

/// Requests with everything that can be wrong with one among good ones, after card 1 has a certificate over the first key.
async fn mixed(npc: &Npc) -> Vec<IssueRequest> {
    let before = request(npc, 1, KeySlot::SigningRsa, 0).await;
    let good = request(npc, 2, KeySlot::SigningEc, 0).await;
    let other_key = || csr_of(&ec(Curve::P521, 4711));
    let five_years_old = |request: IssueRequest| IssueRequest {
        issue_date: date("2021-09-01"),
        renewal_date: Some(date("2031-09-01")),
        ..request
    };
    let reissue = |request: IssueRequest, number: u128| IssueRequest {
        request_id: id(number),
        period: Period::Reissue { day: date("2028-03-05") },
        chip_model: None,
        ..five_years_old(request)
    };
    vec![
        good.clone(),
        good.clone(),
        // The same content under another number.
        IssueRequest { request_id: id(1_001), ..good.clone() },
        // Its number with other content.
        IssueRequest { subject_name: "測試用王".into(), ..good.clone() },
        // Its slot with another key, and its key in another slot.
        IssueRequest { request_id: id(1_002), csr: other_key(), ..good.clone() },
        IssueRequest { csr: good.csr.clone(), ..request(npc, 3, KeySlot::EncryptionEc, 0).await },
        // What stands in the database counts as much: slot, key, number, and the same request.
        IssueRequest { request_id: id(1_003), ..request(npc, 1, KeySlot::SigningRsa, 1).await },
        request(npc, 4, KeySlot::EncryptionRsa, 0).await,
        IssueRequest { id_tail: "0000".into(), ..before.clone() },
        before,
        IssueRequest { holder_no: "0000000000000000".into(), ..request(npc, 5, KeySlot::SigningEc, 0).await },
        // Nothing to reissue, and then something that this group itself has issued.
        reissue(request(npc, 6, KeySlot::SigningEc, 0).await, 1_004),
        five_years_old(request(npc, 6, KeySlot::SigningRsa, 2).await),
        reissue(request(npc, 6, KeySlot::SigningEc, 0).await, 1_005),
        reissue(request(npc, 6, KeySlot::EncryptionEc, 0).await, 1_006),
        IssueRequest { csr: vec![0x30, 0], ..request(npc, 7, KeySlot::SigningEc, 0).await },
        IssueRequest { csr: csr_of(&rsa(3)), ..request(npc, 7, KeySlot::SigningEc, 0).await },
        request(npc, 8, KeySlot::EncryptionRsa, 4).await,
    ]
}

/// What was answered, with the first place of each certificate instead of its random number.
fn shape(answers: &[npc::Result<IssuedCertificate>]) -> Vec<String> {
    let place = |issued: &IssuedCertificate| {
        answers.iter().position(|other| other.as_ref().is_ok_and(|other| other == issued)).unwrap()
    };
    let one = |answer: &npc::Result<IssuedCertificate>| match answer {
        Ok(issued) => format!("{}", place(issued)),
        Err(error) => error.code().to_owned(),
    };
    answers.iter().map(one).collect()
}

const EXPECTED: [&str; 18] = [
    "0",
    "0",
    "0",
    "NPC-CONFLICT",
    "NPC-SLOT-TAKEN",
    "NPC-DUPLICATE-KEY",
    "NPC-SLOT-TAKEN",
    "NPC-DUPLICATE-KEY",
    "NPC-CONFLICT",
    "9",
    "NPC-REQUEST",
    "NPC-NOTHING-TO-REISSUE",
    "12",
    "13",
    "NPC-NOTHING-TO-REISSUE",
    "NPC-CSR",
    "NPC-KEY-TYPE",
    "17",
];

/// In one group, one after the other, and each in a task of its own: the answers and the books are the same.
#[tokio::test]
async fn a_group_is_answered_as_its_requests_would_be_one_after_the_other() {
    each_engine_url(async |url| {
        for together in [true, false] {
            let db = Db::open(&url, if together { "npc_many" } else { "npc_one" }).await.unwrap();
            let npc = open(&db).await;
            let before = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
            let requests = mixed(&npc).await;
            let answers = if together {
                npc.issue_many(&requests, now()).await
            } else {
                let mut answers = Vec::new();
                for request in &requests {
                    answers.push(npc.issue(request, now()).await);
                }
                answers
            };
            assert_eq!(shape(&answers), EXPECTED, "together: {together}");
            assert!(answers[9].as_ref().unwrap() == &before);
            for issued in answers.iter().flatten() {
                let certificate = Certificate::parse(&issued.der).unwrap();
                certificate.verify_signature(npc.ca_certificate().spki()).unwrap();
                assert!(npc.certificate(&issued.serial, now()).await.unwrap().as_ref() == Some(issued));
            }
            assert_eq!(count(&db, "SELECT count(*) FROM certificate WHERE der IS NOT NULL").await, 5);
            assert_eq!(count(&db, "SELECT count(*) FROM certificate_state WHERE signed = TRUE").await, 5);
            assert_eq!(count(&db, "SELECT count(DISTINCT state_seq) FROM certificate_state").await, 5);
            assert_eq!(count(&db, "SELECT count(*) FROM event WHERE kind = 'issue'").await, 5);
            for action in ["certificate-issue", "certificate-sign"] {
                let sql = "SELECT count(*) FROM audit_entry WHERE action = $1";
                let found = db.one(sql, params![action]).await.unwrap();
                assert_eq!(found.read::<i64>(0).unwrap(), 5, "{action}");
            }
            assert_eq!(npc.certificates_known(), 5 + own_services());
            assert_eq!(count(&db, "SELECT CAST(SUM(count) AS BIGINT) FROM issuance").await, 5);
            // The model of the chip is that of the card's first certificate, also where that was stored a moment ago.
            let sql = "SELECT count(*) FROM certificate WHERE card = 'TWA000006' AND chip_model = 'NE-0144'";
            assert_eq!(count(&db, sql).await, 2);
            npc.verify_audit(None).await.unwrap();
            db.close().await;
        }
    })
    .await;
}

/// OCSP responder, time stamps, status signer and CMP signer, about which OCSP is asked too.
fn own_services() -> u64 {
    4
}

/// One transaction stores them, one signs them: the audit log has the entries in this order and in no other.
#[tokio::test]
async fn a_group_has_two_commits() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let requests = ec_requests(&npc, 1..11).await;
        let from = npc.verify_audit(None).await.unwrap().seq;
        db.fail_after(3, When::BeforeCommit);
        let answers = npc.issue_many(&requests, now()).await;
        assert!(answers.iter().all(Result::is_ok), "no third commit");
        assert!(!db.revive());
        let entries = audit::events(&db, None, from, 100).await.unwrap();
        let actions: Vec<_> =
            entries.iter().map(|entry| (entry.action.as_str(), entry.subject.as_str())).collect();
        let cards: Vec<_> = requests.iter().map(|request| request.card).collect();
        let stored = cards.iter().map(|card| ("certificate-issue", card.as_str()));
        assert_eq!(actions[..10], stored.collect::<Vec<_>>());
        assert!(actions[10..].iter().all(|(action, _)| *action == "certificate-sign"));
        let signed: BTreeSet<_> = actions[10..].iter().map(|(_, card)| *card).collect();
        assert_eq!((actions.len(), signed.len()), (20, 10));
    })
    .await;
}

#[tokio::test]
async fn a_group_that_is_killed_at_any_commit_is_there_exactly_once() {
    each_engine_url(async |url| {
        let mut commits = 0;
        loop {
            commits += 1;
            let mut survived = true;
            for when in [When::BeforeCommit, When::AfterCommit] {
                for restart_finishes in [false, true] {
                    let after = u8::from(when == When::AfterCommit);
                    let schema = format!("npc_{commits}_{after}_{}", u8::from(restart_finishes));
                    let db = Db::open(&url, &schema).await.unwrap();
                    let npc = open(&db).await;
                    let mut requests = ec_requests(&npc, 1..5).await;
                    requests.push(requests[1].clone());
                    db.fail_after(commits, when);
                    let killed = npc.issue_many(&requests, now()).await;
                    let died = db.revive();
                    assert!(killed.iter().all(|answer| answer.is_err() == died));
                    survived &= !died;
                    let before = bytes_to_be_signed(&db).await;
                    assert!(before.is_empty() || before.len() == 4, "a group is stored whole");
                    drop(npc);
                    db.close().await;

                    let db = Db::open(&url, &schema).await.unwrap();
                    let npc = open(&db).await;
                    if restart_finishes && !before.is_empty() {
                        let signed =
                            count(&db, "SELECT count(*) FROM certificate WHERE der IS NOT NULL").await;
                        assert_eq!(signed, 4, "the next start signs what was stored");
                    }
                    let answers = npc.issue_many(&requests, now()).await;
                    let issued: Vec<_> = answers.into_iter().collect::<Result<_, _>>().unwrap();
                    assert!(issued[1] == issued[4]);
                    let after = bytes_to_be_signed(&db).await;
                    assert!(before.is_empty() || before == after, "the same bytes are signed");
                    for issued in &issued {
                        let certificate = Certificate::parse(&issued.der).unwrap();
                        certificate.verify_signature(npc.ca_certificate().spki()).unwrap();
                        assert!(after.contains(certificate.tbs()));
                    }
                    assert_eq!(count(&db, "SELECT count(*) FROM certificate").await, 4);
                    assert_eq!(count(&db, "SELECT count(*) FROM event").await, 4);
                    for request in &requests {
                        let entries = audit::events(&db, Some(request.card.as_str()), 0, 10).await.unwrap();
                        assert_eq!(entries.len(), 2, "issued once, signed once");
                    }
                    npc.verify_audit(None).await.unwrap();
                    db.close().await;
                }
            }
            if survived {
                break;
            }
        }
        assert_eq!(commits, 3, "two commits, and none beyond");
    })
    .await;
}

async fn bytes_to_be_signed(db: &Db) -> BTreeSet<Vec<u8>> {
    let rows = db.all("SELECT tbs, der FROM certificate", params![]).await.unwrap();
    let bytes = rows.iter().map(|row| match row.read::<Option<Vec<u8>>>("der").unwrap() {
        Some(der) => Certificate::parse(&der).unwrap().tbs().to_vec(),
        None => row.read("tbs").unwrap(),
    });
    bytes.collect()
}

/// The database refuses: everybody hears it, and everybody may ask again.
#[tokio::test]
async fn what_is_wrong_with_the_database_is_everybodys_answer() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let requests = ec_requests(&npc, 1..4).await;
        db.execute("ALTER TABLE audit_entry RENAME TO away", params![]).await.unwrap();
        for answer in npc.issue_many(&requests, now()).await {
            assert_eq!(answer.err().unwrap().code(), "STORE-SQL");
        }
        assert_eq!(count(&db, "SELECT count(*) FROM certificate").await, 0);
        db.execute("ALTER TABLE away RENAME TO audit_entry", params![]).await.unwrap();
        assert!(npc.issue_many(&requests, now()).await.iter().all(Result::is_ok));
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// What the database has against one row is not held against the others.
#[tokio::test]
async fn one_row_that_the_database_refuses_does_not_take_its_group_with_it() {
    struct Stuck;
    impl Random for Stuck {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(0x5A);
        }
    }
    each_engine("npc", async |db| {
        open(&db).await;
        let stuck = Npc::open(db.clone(), shared_keys(), config(), Box::new(Stuck), now()).await.unwrap();
        let first = request(&stuck, 1, KeySlot::SigningEc, 0).await;
        // Of the same holder, since numbers of holders repeat too.
        let other = |slot, seed| IssueRequest {
            request_id: id(u128::from(seed)),
            slot,
            csr: csr_of(&ec(Curve::P521, seed)),
            ..first.clone()
        };
        let requests = [first.clone(), other(KeySlot::EncryptionEc, 7_001)];
        let answers = stuck.issue_many(&requests, now()).await;
        assert!(answers[0].is_ok());
        assert_eq!(answers[1].as_ref().err().unwrap().code(), "STORE-UNIQUE");
        assert_eq!(count(&db, "SELECT count(*) FROM certificate").await, 1);
        stuck.verify_audit(None).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn issuing_that_was_stopped_still_gives_what_was_issued() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let mut requests = ec_requests(&npc, 1..3).await;
        let before: Vec<_> = npc.issue_many(&requests, now()).await.into_iter().map(Result::unwrap).collect();
        requests.extend(ec_requests(&npc, 3..5).await);
        npc.stop_issuing("anna", now()).await.unwrap();
        let answers = npc.issue_many(&requests, now()).await;
        assert_eq!(shape(&answers), ["0", "1", "NPC-STOPPED", "NPC-STOPPED"]);
        assert!(answers[0].as_ref().unwrap() == &before[0]);
    })
    .await;
}

/// A filter that another process has published since the serial numbers were drawn may call them revoked: they are drawn anew.
#[tokio::test]
async fn a_filter_of_another_process_calls_no_certificate_of_a_group_revoked() {
    each_engine("npc", async |db| {
        let (here, there) = (open(&db).await, open(&db).await);
        here.issue_many(&ec_requests(&here, 1..9).await, now()).await;
        for number in 1..9 {
            let reason = model::RevocationReason::Superseded;
            there.revoke(card(number), reason, "clerk", now()).await.unwrap();
        }
        let document = there.filter(now()).await.unwrap();
        let made = there.ca_certificates();
        let (anchors, intermediates) = ([made.root], [made.ca]);
        let trust = status::filter::Trust { anchors: &anchors, intermediates: &intermediates };
        let filter = status::filter::Filter::open(&document.der, &trust, now()).unwrap();
        // Enough that some number would be called revoked by chance, had nobody looked.
        for answer in here.issue_many(&ec_requests(&here, 20..60).await, now()).await {
            let state = filter.state(&here.ca_certificate(), &answer.unwrap().serial);
            assert_eq!(state, Some(status::filter::State::Good));
        }
    })
    .await;
}

/// A key store whose signatures wait until they are let through.
struct Gate {
    inner: Arc<dyn KeyStore>,
    open: Arc<(Mutex<bool>, Condvar)>,
}

struct Waiting {
    inner: Arc<dyn Signer>,
    open: Arc<(Mutex<bool>, Condvar)>,
}

fn set(gate: &(Mutex<bool>, Condvar), open: bool) {
    *gate.0.lock().unwrap() = open;
    gate.1.notify_all();
}

impl KeyStore for Gate {
    fn generate(&self, label: &str, kind: KeyKind, purpose: Purpose) -> keys::Result<KeyInfo> {
        self.inner.generate(label, kind, purpose)
    }

    fn signer(&self, label: &str, purpose: Purpose) -> keys::Result<Arc<dyn Signer>> {
        Ok(Arc::new(Waiting { inner: self.inner.signer(label, purpose)?, open: self.open.clone() }))
    }

    fn list(&self) -> keys::Result<Vec<KeyInfo>> {
        self.inner.list()
    }

    fn destroy(&self, label: &str) -> keys::Result<()> {
        self.inner.destroy(label)
    }
}

impl Signer for Waiting {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }

    fn spki(&self) -> &[u8] {
        self.inner.spki()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        drop(self.open.1.wait_while(self.open.0.lock().unwrap(), |open| !*open).unwrap());
        self.inner.sign(message)
    }
}

/// Whoever goes away while the key is busy holds up nobody and loses nothing; what comes meanwhile is stored together and signed
/// together.
#[tokio::test]
async fn a_caller_who_goes_away_loses_nothing() {
    each_engine("npc", async |db| {
        let gate = Arc::new((Mutex::new(true), Condvar::new()));
        let keys = Arc::new(Gate { inner: shared_keys(), open: gate.clone() });
        let npc = Npc::open(db.clone(), keys, config(), Box::new(SystemRandom), now()).await.unwrap();
        let npc = Arc::new(npc);
        let requests = ec_requests(&npc, 1..9).await;
        set(&gate, false);
        let begin = |request: &IssueRequest| {
            let (npc, request) = (npc.clone(), request.clone());
            tokio::spawn(async move { npc.issue(&request, now()).await })
        };
        let gone = begin(&requests[0]);
        until(&db, "SELECT count(*) FROM certificate", 1).await;
        gone.abort();
        assert!(gone.await.is_err_and(|error| error.is_cancelled()));
        let others: Vec<_> = requests[1..].iter().map(begin).collect();
        until(&db, "SELECT count(*) FROM certificate", 8).await;
        assert_eq!(count(&db, "SELECT count(*) FROM certificate WHERE der IS NOT NULL").await, 0);
        set(&gate, true);
        let mut issued = Vec::new();
        for other in others {
            issued.push(other.await.unwrap().unwrap());
        }
        until(&db, "SELECT count(*) FROM certificate WHERE der IS NOT NULL", 8).await;
        // Whoever comes back finds the certificate.
        issued.push(npc.issue(&requests[0], now()).await.unwrap());
        issued.sort_by_key(|issued| issued.serial);
        issued.dedup_by_key(|issued| issued.serial);
        assert_eq!(issued.len(), 8);
        assert_eq!(count(&db, "SELECT count(*) FROM event").await, 8);
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}
