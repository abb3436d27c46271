//! What breaks beside the program: random numbers that repeat, a database or a token that goes away in the middle, a clock that
//! goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use curve::{Hash, Random, SystemRandom};
use jiff::SignedDuration;
use keys::{KeyError, KeyInfo, KeyKind, KeyStore, Purpose};
use model::{KeySlot, RevocationReason, SuspensionCause};
use npc::{CertificateAuthority, Cohort, IssueRequest, Measure, Npc, Scope};
use store::testkit::{OwnServer, each_engine, each_engine_url};
use store::{Db, Engine, params, transaction};
use x509::ocsp::{BasicResponse, CertId, IssuerHashes, build_request};
use x509::{Serial, SignError, SignatureAlgorithm, Signer};

use crate::support::*;

/// A random source that is broken in the worst way.
struct Stuck;

impl Random for Stuck {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0x5A);
    }
}

async fn count(db: &Db, sql: &'static str) -> i64 {
    db.one(sql, params![]).await.unwrap().read(0).unwrap()
}

#[tokio::test]
async fn no_serial_number_is_given_twice_even_by_a_random_source_that_repeats() {
    each_engine("npc", async |db| {
        open(&db).await;
        let stuck = Npc::open(db.clone(), shared_keys(), config(), Box::new(Stuck), now()).await.unwrap();
        let first = request(&stuck, 1, KeySlot::SigningRsa, 0).await;
        let issued = stuck.issue(&first, now()).await.unwrap();
        let second = IssueRequest {
            request_id: id(2),
            slot: KeySlot::EncryptionRsa,
            csr: csr_of(&rsa(1)),
            ..first.clone()
        };
        // The number is known to be taken, and no other comes.
        assert_eq!(stuck.issue(&second, now()).await.err().unwrap().code(), "NPC-NO-SERIAL");
        assert_eq!(count(&db, "SELECT count(*) FROM certificate").await, 1, "nothing is half");
        assert_eq!(count(&db, "SELECT count(*) FROM certificate_state").await, 1);
        // With random numbers again, the same request is issued.
        let mended =
            Npc::open(db.clone(), shared_keys(), config(), Box::new(SystemRandom), now()).await.unwrap();
        assert!(mended.issue(&second, now()).await.unwrap().serial != issued.serial);
        mended.verify_audit(None).await.unwrap();
    })
    .await;
}

/// A server that fails over cuts every connection, wherever a statement is just then.
#[tokio::test]
async fn requests_and_incidents_survive_a_database_that_cuts_its_connections() {
    each_engine_url(async |url| {
        let db = Db::open(&url, "npc").await.unwrap();
        if db.engine() != Engine::Postgres {
            return;
        }
        let outside = Db::open(&url, "outside").await.unwrap();
        let cut = async || {
            let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name = 'neweid-npc'";
            transaction!(outside, |tx| tx.all(sql, params![]).await.map(drop)).unwrap();
        };
        let npc = open(&db).await;
        for number in 1..=4 {
            let request = request(&npc, number, KeySlot::SigningRsa, number as usize).await;
            let (first, (), ()) = tokio::join!(npc.issue(&request, now()), cut(), cut());
            // Refused or lost, it is nobody's fault but the database's, and asking again helps.
            if let Err(error) = &first {
                assert!(!error.is_refusal(), "{}", error.code());
            }
            let mut issued = npc.issue(&request, now()).await;
            for _ in 0..20 {
                if issued.is_ok() {
                    break;
                }
                issued = npc.issue(&request, now()).await;
            }
            let issued = issued.unwrap();
            if let Ok(first) = first {
                assert!(first == issued);
            }
        }
        assert_eq!(count(&db, "SELECT count(*) FROM certificate WHERE der IS NOT NULL").await, 4);
        assert_eq!(count(&db, "SELECT count(*) FROM event WHERE kind = 'issue'").await, 4);
        let rsa = Cohort { key_class: Some("RSA-2048".into()), ..Cohort::default() };
        let incident = npc.propose_incident(rsa, Measure::Suspend, "anna", now()).await.unwrap();
        let _ = tokio::join!(npc.approve_incident(incident.number, "bert", now()), cut(), cut());
        let mut done = npc.approve_incident(incident.number, "bert", now()).await;
        for _ in 0..20 {
            if done.as_ref().is_ok_and(|incident| incident.finished_at.is_some()) {
                break;
            }
            let _ = npc.maintain(now()).await;
            done = npc.approve_incident(incident.number, "bert", now()).await;
        }
        assert_eq!(done.unwrap().changed, 4);
        assert_eq!(count(&db, "SELECT count(*) FROM event WHERE kind = 'suspend'").await, 4);
        npc.verify_audit(None).await.unwrap();
        outside.close().await;
        db.close().await;
    })
    .await;
}

/// The server dies under requests and comes back: whatever was answered is there, whatever was not can be asked again, and nothing is
/// there twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn issuing_goes_on_after_the_database_server_was_killed() {
    let mut server = OwnServer::start();
    let db = Db::open(&server.url(), "npc").await.unwrap();
    let npc = Arc::new(open(&db).await);
    let before = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
    npc.revoke(card(1), RevocationReason::Superseded, "clerk", now()).await.unwrap();
    let mut requests = Vec::new();
    for number in 2..=41 {
        requests.push(request(&npc, number, KeySlot::SigningEc, 0).await);
    }
    // Several counters at once; each goes on asking until it has an answer.
    let mut counters = tokio::task::JoinSet::new();
    for part in requests.chunks(10) {
        let (npc, part) = (npc.clone(), part.to_vec());
        counters.spawn(async move {
            let (mut serials, begun) = (Vec::new(), tokio::time::Instant::now());
            for request in part {
                serials.push(loop {
                    match npc.issue(&request, now()).await {
                        Ok(issued) => break issued.serial,
                        Err(error) => {
                            assert!(!error.is_refusal(), "{}", error.code());
                            assert!(
                                begun.elapsed().as_secs() < 120,
                                "{}: the server does not come back",
                                error.code()
                            );
                            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                        }
                    }
                });
            }
            serials
        });
    }
    let server = tokio::task::spawn_blocking(move || {
        for _ in 0..3 {
            server.kill_and_restart();
        }
        server
    });
    let _server = server.await.unwrap();
    let mut serials: Vec<Serial> = counters.join_all().await.into_iter().flatten().collect();
    serials.push(before.serial);
    serials.sort();
    serials.dedup();
    assert_eq!(serials.len(), 41);
    assert_eq!(count(&db, "SELECT count(*) FROM certificate WHERE der IS NOT NULL").await, 41);
    assert_eq!(count(&db, "SELECT count(*) FROM event WHERE kind = 'issue'").await, 41);
    // What was answered before the server died is known, to this process and to the next.
    for npc in [&*npc, &open(&db).await] {
        npc.maintain(now()).await.unwrap();
        let list = npc.crl(Scope::Complete, now()).await.unwrap();
        let list = x509::crl::Crl::parse(&list.der).unwrap();
        assert!(list.find(before.serial.octets()).is_some() && list.entries().count() == 1);
        npc.verify_audit(None).await.unwrap();
    }
    db.close().await;
}

/// A token that can be pulled out.
struct Token {
    inner: Arc<dyn KeyStore>,
    // The keys that are in it; none: all.
    keys: &'static [&'static str],
    gone: Arc<AtomicBool>,
}

struct Held {
    inner: Arc<dyn Signer>,
    gone: Arc<AtomicBool>,
}

impl Token {
    fn here(&self) -> keys::Result<()> {
        if self.gone.load(Ordering::SeqCst) { Err(KeyError::TokenGone("t".into())) } else { Ok(()) }
    }

    fn whole(&self) -> keys::Result<()> {
        if self.keys.is_empty() { self.here() } else { Ok(()) }
    }
}

impl KeyStore for Token {
    fn generate(&self, label: &str, kind: KeyKind, purpose: Purpose) -> keys::Result<KeyInfo> {
        self.whole()?;
        self.inner.generate(label, kind, purpose)
    }

    fn signer(&self, label: &str, purpose: Purpose) -> keys::Result<Arc<dyn Signer>> {
        if !self.keys.is_empty() && !self.keys.contains(&label) {
            return self.inner.signer(label, purpose);
        }
        self.here()?;
        Ok(Arc::new(Held { inner: self.inner.signer(label, purpose)?, gone: self.gone.clone() }))
    }

    fn list(&self) -> keys::Result<Vec<KeyInfo>> {
        self.whole()?;
        self.inner.list()
    }

    fn destroy(&self, label: &str) -> keys::Result<()> {
        self.whole()?;
        self.inner.destroy(label)
    }
}

impl Signer for Held {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }

    fn spki(&self) -> &[u8] {
        self.inner.spki()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        if self.gone.load(Ordering::SeqCst) {
            return Err(SignError::KeyStore("the token is gone".into()));
        }
        self.inner.sign(message)
    }
}

/// Requests wait or fail whole: what was stored is signed once the token is back, as it was stored; answers and lists that were
/// signed are given as long as they hold, a list that lacks a revocation is not.
#[tokio::test]
async fn a_token_that_is_pulled_out_leaves_nothing_half_done() {
    each_engine("npc", async |db| {
        let gone = Arc::new(AtomicBool::new(false));
        let token = Arc::new(Token { inner: shared_keys(), keys: &[], gone: gone.clone() });
        let npc = Npc::open(db.clone(), token, config(), Box::new(SystemRandom), now()).await.unwrap();
        let before = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        npc.maintain(now()).await.unwrap();
        let id = |serial: &Serial| {
            CertId::new(&IssuerHashes::new(&npc.ca_certificate()).unwrap(), Hash::Sha256, serial).unwrap()
        };
        let known = build_request(&[id(&before.serial)], None);
        let answer = npc.ocsp(&known, now()).await;
        let list = npc.crl(Scope::Complete, now()).await.unwrap();

        gone.store(true, Ordering::SeqCst);
        let wanted = request(&npc, 2, KeySlot::SigningRsa, 1).await;
        for _ in 0..2 {
            let failed = npc.issue(&wanted, now()).await.err().unwrap();
            assert!(!failed.is_refusal(), "{}: to be sent again", failed.code());
        }
        let row = db.one("SELECT serial, tbs FROM certificate WHERE der IS NULL", params![]).await.unwrap();
        let (stored, tbs): (Vec<u8>, Vec<u8>) = (row.read(0).unwrap(), row.read(1).unwrap());
        let later = |minutes| now() + SignedDuration::from_mins(minutes);
        assert_eq!(npc.ocsp(&known, later(1)).await, answer, "signed before");
        let with_nonce = build_request(&[id(&before.serial)], Some(b"12345678"));
        assert_eq!(npc.ocsp(&with_nonce, later(1)).await, [0x30, 3, 0x0A, 1, 2], "internalError");
        assert_eq!(npc.crl(Scope::Complete, later(13 * 60)).await.unwrap().number, list.number, "it holds");
        // What needs no signature is done; what would not say so is not told.
        npc.revoke(card(1), RevocationReason::KeyCompromise, "clerk", later(2)).await.unwrap();
        assert!(npc.crl(Scope::Complete, later(2)).await.is_err());
        assert_eq!(npc.ocsp(&known, later(2)).await, [0x30, 3, 0x0A, 1, 2]);
        assert!(npc.maintain(later(3)).await.is_err());

        gone.store(false, Ordering::SeqCst);
        let issued = npc.issue(&wanted, later(4)).await.unwrap();
        assert_eq!(issued.serial.octets(), stored);
        assert_eq!(x509::Certificate::parse(&issued.der).unwrap().tbs(), tbs, "the same bytes");
        npc.maintain(later(4)).await.unwrap();
        let list = npc.crl(Scope::Complete, later(4)).await.unwrap();
        assert!(x509::crl::Crl::parse(&list.der).unwrap().find(before.serial.octets()).is_some());
        BasicResponse::parse(&npc.ocsp(&known, later(4)).await).unwrap();
        assert_eq!(count(&db, "SELECT count(*) FROM certificate").await, 2);
        assert_eq!(count(&db, "SELECT count(*) FROM event WHERE kind = 'issue'").await, 2);
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// Nobody asks again: once the token is back, the maintenance signs what was stored, as it was stored, and tells it; what holds or
/// revokes a card meanwhile counts.
#[tokio::test]
async fn what_waits_for_its_signature_is_signed_by_the_maintenance_once_the_token_is_back() {
    each_engine("npc", async |db| {
        let gone = Arc::new(AtomicBool::new(false));
        let token = Arc::new(Token { inner: shared_keys(), keys: &[], gone: gone.clone() });
        let npc = Npc::open(db.clone(), token, config(), Box::new(SystemRandom), now()).await.unwrap();
        gone.store(true, Ordering::SeqCst);
        for number in 1..=3 {
            let wanted = request(&npc, number, KeySlot::SigningEc, 0).await;
            assert!(!npc.issue(&wanted, now()).await.err().unwrap().is_refusal());
        }
        let later = |seconds| now() + SignedDuration::from_secs(seconds);
        let mut stored: Vec<Vec<u8>> = Vec::new();
        for row in db.all("SELECT tbs FROM certificate ORDER BY card", params![]).await.unwrap() {
            stored.push(row.read(0).unwrap());
        }
        npc.suspend(card(2), SuspensionCause::Loss, "hotline", now()).await.unwrap();
        npc.revoke(card(3), RevocationReason::CessationOfOperation, "clerk", now()).await.unwrap();
        npc.maintain(later(120)).await.unwrap_err();
        assert_eq!(npc.waiting(later(120)).await.unwrap().unsigned, 2);

        gone.store(false, Ordering::SeqCst);
        // What came a moment ago may be in other hands.
        npc.maintain(later(59)).await.unwrap();
        assert_eq!(npc.waiting(now()).await.unwrap().unsigned, 2);
        npc.maintain(later(121)).await.unwrap();
        assert_eq!(npc.waiting(now()).await.unwrap().unsigned, 0);
        for (number, state) in [(1, "good"), (2, "suspended")] {
            let made = npc.certificates_of(card(number), later(121)).await.unwrap().remove(0);
            assert_eq!(made.state.as_str(), state);
            let signed = x509::Certificate::parse(&made.der).unwrap();
            assert_eq!(signed.tbs(), stored[number as usize - 1], "as it was stored");
            let issuer = IssuerHashes::new(&npc.ca_certificate()).unwrap();
            let asked = build_request(&[CertId::new(&issuer, Hash::Sha256, &made.serial).unwrap()], None);
            let answer = BasicResponse::parse(&npc.ocsp(&asked, later(122)).await).unwrap();
            let good = matches!(answer.answers[0].status, x509::ocsp::CertificateStatus::Good);
            assert_eq!(good, state == "good", "status services know it");
        }
        assert!(npc.certificates_of(card(3), later(121)).await.unwrap().is_empty(), "never signed");
        let sql = "SELECT count(*) FROM certificate WHERE der IS NOT NULL";
        assert_eq!(count(&db, sql).await, 2);
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// The root's key is in a safe when its list is due: all other lists are made, and the failure is told.
#[tokio::test]
async fn a_list_that_cannot_be_made_keeps_no_other_from_being_made() {
    each_engine("npc", async |db| {
        let gone = Arc::new(AtomicBool::new(false));
        let token = Arc::new(Token { inner: shared_keys(), keys: &["npc-root"], gone: gone.clone() });
        let npc = Npc::open(db.clone(), token, config(), Box::new(SystemRandom), now()).await.unwrap();
        npc.maintain(now()).await.unwrap();
        let of_root = async || {
            let all = npc.published().await.unwrap();
            all.into_iter().find(|one| one.name == "npc-root.crl").unwrap()
        };
        let at = of_root().await.next_update - SignedDuration::from_mins(10);
        gone.store(true, Ordering::SeqCst);
        npc.maintain(at).await.unwrap_err();
        for published in npc.published().await.unwrap() {
            let made = published.this_update.as_second() == at.as_second();
            assert_eq!(made, published.name != "npc-root.crl", "{published:?}");
        }
        gone.store(false, Ordering::SeqCst);
        npc.maintain(at).await.unwrap();
        assert_eq!(of_root().await.this_update.as_second(), at.as_second());
    })
    .await;
}

/// A responder whose successor cannot be made answers until its own certificate ends, and no answer lasts longer.
#[tokio::test]
async fn a_responder_answers_to_its_end_while_the_ca_is_away() {
    each_engine("npc", async |db| {
        let gone = Arc::new(AtomicBool::new(false));
        let token = Arc::new(Token { inner: shared_keys(), keys: &["npc-ca"], gone: gone.clone() });
        let npc = Npc::open(db.clone(), token, config(), Box::new(SystemRandom), now()).await.unwrap();
        let made = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let issuer = IssuerHashes::new(&npc.ca_certificate()).unwrap();
        let asked = CertId::new(&issuer, Hash::Sha256, &made.serial).unwrap();
        let end = npc.ca_certificates().ocsp.validity().not_after();
        gone.store(true, Ordering::SeqCst);
        let late = end - SignedDuration::from_mins(5);
        for nonce in [None, Some(&b"12345678"[..])] {
            let answer = npc.ocsp(&build_request(std::slice::from_ref(&asked), nonce), late).await;
            let answer = BasicResponse::parse(&answer).unwrap();
            assert_eq!(answer.answers[0].next_update, Some(end));
        }
        let after = end + SignedDuration::from_secs(1);
        let answer = npc.ocsp(&build_request(std::slice::from_ref(&asked), None), after).await;
        assert_eq!(answer, [0x30, 3, 0x0A, 1, 3], "tryLater");
        gone.store(false, Ordering::SeqCst);
        let later = after + SignedDuration::from_secs(2);
        let answer = npc.ocsp(&build_request(&[asked], None), later).await;
        BasicResponse::parse(&answer).unwrap();
        assert!(npc.ca_certificates().ocsp.validity().not_after() > end);
    })
    .await;
}

/// What was stored while the token was away, and the CA ended before it came back, is signed by nobody: neither by the process that
/// goes on nor by one that begins.
#[tokio::test]
async fn what_a_ca_did_not_sign_while_it_lasted_it_never_signs() {
    each_engine("npc", async |db| {
        let gone = Arc::new(AtomicBool::new(false));
        let open = async |at| {
            let token = Arc::new(Token { inner: shared_keys(), keys: &[], gone: gone.clone() });
            Npc::open(db.clone(), token, config(), Box::new(SystemRandom), at).await.unwrap()
        };
        let npc = open(now()).await;
        let end = npc.ca_certificate().validity().not_after();
        gone.store(true, Ordering::SeqCst);
        let wanted = request(&npc, 1, KeySlot::SigningRsa, 0).await;
        assert!(!npc.issue(&wanted, now()).await.err().unwrap().is_refusal());
        gone.store(false, Ordering::SeqCst);
        let after = end + SignedDuration::from_mins(1);
        npc.maintain(after).await.unwrap();
        open(after).await.maintain(after).await.unwrap();
        assert_eq!(count(&db, "SELECT count(*) FROM certificate WHERE der IS NULL").await, 1);
        assert_eq!(npc.issue(&wanted, after).await.err().unwrap().code(), "NPC-CA-ENDED");
    })
    .await;
}

/// A clock that was ahead and is put right: nobody is given an answer or a filter of a time to come, and what is issued begins when
/// its card was issued, as ever.
#[tokio::test]
async fn a_clock_that_goes_back_gives_answers_and_filters_of_now() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let first = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let ahead = now() + SignedDuration::from_hours(5);
        let issuer = IssuerHashes::new(&npc.ca_certificate()).unwrap();
        let asked = build_request(&[CertId::new(&issuer, Hash::Sha256, &first.serial).unwrap()], None);
        let times = async |at| {
            let answer = BasicResponse::parse(&npc.ocsp(&asked, at).await).unwrap();
            (answer.answers[0].this_update, answer.produced_at)
        };
        npc.maintain(ahead).await.unwrap();
        assert_eq!(times(ahead).await, (ahead, ahead));
        let filter = npc.filter(ahead).await.unwrap();
        // Back.
        assert_eq!(times(now()).await, (now(), now()));
        npc.maintain(now()).await.unwrap();
        let right = npc.filter(now()).await.unwrap();
        assert_eq!(right.this_update, now());
        assert!(right.number > filter.number);
        assert_eq!(times(now() + SignedDuration::from_secs(30)).await.0, now());
        let second = issued(&npc, 2, KeySlot::SigningRsa, 1).await;
        assert_eq!(second.validity.not_before, first.validity.not_before);
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}
