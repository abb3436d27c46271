//! The program is stopped at every single commit, on both sides of it, and started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use curve::SeedRandom;
use docsigner::{Act, DocSignerError, DocumentSigning, SignerState};
use keys::{KeyError, KeyInfo, KeyKind, KeyStore, Purpose};
use lds::sod;
use store::When;
use store::testkit::each_engine;
use x509::crl::{Crl, Reason};
use x509::{SignError, SignatureAlgorithm, Signer};

use crate::support::*;

const SIDES: [When; 2] = [When::BeforeCommit, When::AfterCommit];

#[tokio::test]
async fn an_interrupted_first_run_is_finished_by_the_next() {
    for when in SIDES {
        for n in 1.. {
            let reached = std::cell::Cell::new(true);
            each_engine("docsigner", async |db| {
                let place = Place::new(db);
                place.db.migrate(docsigner::MIGRATIONS).await.expect("tables");
                place.db.fail_after(n, when);
                let first = place.open(now()).await;
                let came = place.db.revive();
                reached.set(came);
                assert_eq!(first.is_err(), came, "commit {n}");
                let signer = place.open(days(1)).await.expect("opens");
                let signers = signer.ds_certificates().await.unwrap();
                assert_eq!(signers.len(), 2, "commit {n}");
                assert!(signers.iter().all(|s| s.state == SignerState::Active));
                assert_eq!(place.keys.list().unwrap().len(), 5, "no key is made twice");
                assert_eq!(count(&place.db, "SELECT count(*) FROM country_signer").await, 1);
                let file = signer.sign_public_zone(&card(1), &object(1), days(1)).await.expect("signed");
                verify(&signer, sod::unwrap(&file).unwrap(), days(1)).await.expect("valid");
                audit::verify(&place.db, None).await.expect("an unbroken log");
            })
            .await;
            if !reached.get() {
                assert!(n > 16, "the first run has more commits than {n}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_interrupted_signature_is_made_once() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        place.open(now()).await.expect("opens");
        let mut number = 0;
        for when in SIDES {
            for n in 1..=3 {
                number += 1;
                let signer = place.open(now()).await.expect("opens");
                place.db.fail_after(n, when);
                let first = signer.sign_public_zone(&card(number), &object(1), now()).await;
                let came = place.db.revive();
                assert_eq!(came, n <= 2, "one commit before the signature, one after it");
                assert_eq!(first.is_err(), came);
                let signer = place.open(now()).await.expect("opens");
                let second = signer.sign_public_zone(&card(number), &object(1), now()).await.expect("signed");
                let third = signer.sign_public_zone(&card(number), &object(1), now()).await.expect("signed");
                assert_eq!(second, third);
            }
        }
        assert_eq!(count(&place.db, "SELECT count(*) FROM signature").await, i64::from(number));
        assert_eq!(count(&place.db, "SELECT count(*) FROM signature WHERE signature IS NULL").await, 0);
        let events = "SELECT count(*) FROM audit_entry WHERE action = 'public-zone-sign'";
        assert_eq!(count(&place.db, events).await, i64::from(number), "one event for each signature");
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}

#[tokio::test]
async fn an_interrupted_revocation_reaches_the_list() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        for (number, (when, n)) in SIDES.iter().flat_map(|w| [(*w, 1), (*w, 2), (*w, 3)]).enumerate() {
            let day = number as i64 + 1;
            let signer = place.open(days(day)).await.expect("opens");
            let number = number as u32 + 1;
            let act = Act::Revoke { number, reason: Reason::KeyCompromise };
            let proposal = signer.propose(act, "chief", days(day)).await.expect("proposed").number;
            place.db.fail_after(n, when);
            let mut rng = SeedRandom::new(b"approve");
            let first = signer.approve(proposal, "deputy", days(day), &mut rng).await;
            assert!(place.db.revive() && first.is_err(), "three commits: state, list, signature of the list");
            let signer = place.open(days(day)).await.expect("opens");
            signer.approve(proposal, "deputy", days(day), &mut rng).await.expect("revoked");
            let list = Crl::parse(&signer.csca_crl(days(day)).await.unwrap()).unwrap();
            assert_eq!(list.entries().count() as u32, number);
            assert!(u64::from(number) <= list.number().unwrap());
        }
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_first_runs_at_once_make_one_country() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let (one, two) = tokio::join!(place.open(now()), place.open(days(0)));
        let (one, two) = (one.expect("opens"), two.expect("opens"));
        assert_eq!(one.csca_certificate().await.unwrap(), two.csca_certificate().await.unwrap());
        assert_eq!(one.ds_certificates().await.unwrap().len(), 2);
        assert_eq!(place.keys.list().unwrap().len(), 5);
        let file = two.sign_public_zone(&card(1), &object(1), now()).await.expect("signed");
        verify(&one, sod::unwrap(&file).unwrap(), now()).await.expect("valid");
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}

/// The next roll-over is stopped at every commit; in the end there is one new generation with one link.
#[tokio::test]
async fn an_interrupted_roll_over_is_finished() {
    for when in SIDES {
        for n in 1.. {
            let reached = std::cell::Cell::new(true);
            each_engine("docsigner", async |db| {
                let place = Place::new(db);
                let signer = place.open(now()).await.expect("opens");
                let proposal =
                    signer.propose(Act::RollOver, "chief", days(1)).await.expect("proposed").number;
                place.db.fail_after(n, when);
                let first = signer.approve(proposal, "deputy", days(1), &mut SeedRandom::new(b"1")).await;
                let came = place.db.revive();
                reached.set(came);
                assert_eq!(first.is_err(), came, "commit {n}");
                let signer = place.open(days(1)).await.expect("opens");
                signer.approve(proposal, "deputy", days(1), &mut SeedRandom::new(b"2")).await.expect("done");
                let generations = "SELECT count(*) FROM country_signer WHERE link IS NOT NULL";
                assert_eq!(count(&place.db, generations).await, 1, "commit {n}");
                assert_eq!(count(&place.db, "SELECT count(*) FROM country_signer").await, 2);
                let keys = place.keys.list().unwrap();
                assert_eq!(keys.iter().filter(|key| key.label.starts_with("csca")).count(), 2);
                audit::verify(&place.db, None).await.expect("an unbroken log");
            })
            .await;
            if !reached.get() {
                assert!(n > 10, "a roll-over has more commits than {n}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_goes_away_costs_no_signature_and_no_list() {
    each_engine("docsigner", async |db| {
        let mut place = Place::new(db);
        let token = Token::over(place.keys.clone());
        place.keys = token.clone();
        let signer = place.open(now()).await.expect("opens");
        let list = signer.csca_crl(now()).await.expect("a list");
        // It goes away before each of its operations in turn: fetching the key, signing.
        for (number, operations) in [0, 1].into_iter().enumerate() {
            token.leave_after(operations);
            let lost =
                signer.sign_public_zone(&card(number as u32), &object(1), now()).await.expect_err("gone");
            assert!(lost.code().starts_with("KEYS-TOKEN"), "{}", lost.code());
            token.come_back();
            let file =
                signer.sign_public_zone(&card(number as u32), &object(1), now()).await.expect("signed");
            verify(&signer, sod::unwrap(&file).unwrap(), now()).await.expect("valid");
            let again = signer.sign_public_zone(&card(number as u32), &object(1), now()).await.expect("kept");
            assert_eq!(again, file);
        }
        assert_eq!(count(&place.db, "SELECT count(*) FROM signature").await, 2, "one entry for each request");
        token.leave_after(0);
        // The last list serves for as long as it is valid, though a new one would be due.
        assert_eq!(signer.csca_crl(days(45)).await.expect("the last list"), list);
        let overdue = signer.csca_crl(days(90)).await.expect_err("overdue");
        assert_eq!(overdue.code(), "DOCSIGNER-LIST-OVERDUE");
        token.come_back();
        let new = Crl::parse(&signer.csca_crl(days(90)).await.expect("a list")).unwrap();
        assert_eq!(new.number(), Some(2));
        // With a revocation the last list is no longer good enough.
        let act = Act::Revoke { number: 1, reason: Reason::KeyCompromise };
        let proposal = signer.propose(act, "chief", days(91)).await.expect("proposed").number;
        token.leave_after(0);
        assert!(signer.approve(proposal, "deputy", days(91), &mut SeedRandom::new(b"1")).await.is_err());
        assert_eq!(signer.csca_crl(days(91)).await.expect_err("late").code(), "DOCSIGNER-LIST-OVERDUE");
        token.come_back();
        let list = Crl::parse(&signer.csca_crl(days(91)).await.expect("a list")).unwrap();
        assert_eq!(list.entries().count(), 1);
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_went_back_signs_nothing() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        signer.sign_public_zone(&card(1), &object(1), now()).await.expect("signed");
        let code = |error: DocSignerError| error.code();
        let new = signer.sign_public_zone(&card(2), &object(1), days(-1)).await;
        assert_eq!(code(new.expect_err("too early")), "DOCSIGNER-CLOCK");
        assert_eq!(code(signer.csca_crl(days(-1)).await.expect_err("too early")), "DOCSIGNER-CLOCK");
        let renewed = signer.renew(days(-1), &mut SeedRandom::new(b"x")).await;
        assert_eq!(code(renewed.expect_err("too early")), "DOCSIGNER-CLOCK");
        assert_eq!(count(&place.db, "SELECT count(*) FROM signature").await, 1);
        // The country opens all the same, so that somebody can look why.
        place.open(days(-1)).await.expect("opens");
        // A list made while the clock ran ahead is followed by one with a higher number.
        let ahead = Crl::parse(&signer.csca_crl(days(400)).await.unwrap()).unwrap();
        let back = Crl::parse(&signer.csca_crl(days(2)).await.unwrap()).unwrap();
        assert!(back.number() > ahead.number() && back.this_update() < ahead.this_update());
        // Successors made before the clock went back wait; those whose certificates are valid then go on.
        assert_eq!(signer.renew(days(82), &mut SeedRandom::new(b"y")).await.expect("renewed").begun, [3, 4]);
        for number in 10..18 {
            let file = signer.sign_public_zone(&card(number), &object(1), days(80)).await.expect("signed");
            verify(&signer, sod::unwrap(&file).unwrap(), days(80)).await.expect("valid on that day");
        }
    })
    .await;
}

/// A token that can be pulled: after some operations every further one fails until it is back.
struct Token {
    inner: Arc<dyn KeyStore>,
    left: Arc<AtomicI64>,
}

struct Pulled {
    inner: Arc<dyn Signer>,
    left: Arc<AtomicI64>,
}

impl Token {
    fn over(inner: Arc<dyn KeyStore>) -> Arc<Self> {
        Arc::new(Self { inner, left: Arc::new(AtomicI64::new(i64::MAX)) })
    }

    fn leave_after(&self, operations: i64) {
        self.left.store(operations, Ordering::SeqCst);
    }

    fn come_back(&self) {
        self.left.store(i64::MAX, Ordering::SeqCst);
    }

    fn operation(&self) -> keys::Result<()> {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            Ok(())
        } else {
            Err(KeyError::TokenGone("t".into()))
        }
    }
}

impl KeyStore for Token {
    fn generate(&self, label: &str, kind: KeyKind, purpose: Purpose) -> keys::Result<KeyInfo> {
        self.operation()?;
        self.inner.generate(label, kind, purpose)
    }

    fn signer(&self, label: &str, purpose: Purpose) -> keys::Result<Arc<dyn Signer>> {
        self.operation()?;
        Ok(Arc::new(Pulled { inner: self.inner.signer(label, purpose)?, left: self.left.clone() }))
    }

    fn list(&self) -> keys::Result<Vec<KeyInfo>> {
        self.operation()?;
        self.inner.list()
    }

    fn destroy(&self, label: &str) -> keys::Result<()> {
        self.operation()?;
        self.inner.destroy(label)
    }
}

impl Signer for Pulled {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }

    fn spki(&self) -> &[u8] {
        self.inner.spki()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            self.inner.sign(message)
        } else {
            Err(SignError::KeyStore("the token is gone".into()))
        }
    }
}
