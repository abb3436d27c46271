//! The program is stopped at every single commit, on both sides of it, and started again.

use docsigner::{DocumentSigning, SignerState};
use lds::sod;
use store::When;
use store::testkit::each_engine;
use x509::crl::{Crl, Reason};

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
                assert_eq!(place.keys.list().unwrap().len(), 3, "no key is made twice");
                assert_eq!(count(&place.db, "SELECT count(*) FROM country_signer").await, 1);
                let file = signer.sign_public_zone(&card(1), &object(1), days(1)).await.expect("signed");
                verify(&signer, sod::unwrap(&file).unwrap(), days(1)).await.expect("valid");
                audit::verify(&place.db, None).await.expect("an unbroken log");
            })
            .await;
            if !reached.get() {
                assert!(n > 8, "the first run has more commits than {n}");
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
            place.db.fail_after(n, when);
            let first = signer.revoke_ds(number, Reason::KeyCompromise, "chief", days(day)).await;
            assert!(place.db.revive() && first.is_err(), "three commits: state, list, signature of the list");
            let signer = place.open(days(day)).await.expect("opens");
            signer.revoke_ds(number, Reason::KeyCompromise, "chief", days(day)).await.expect("revoked");
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
        assert_eq!(place.keys.list().unwrap().len(), 3);
        let file = two.sign_public_zone(&card(1), &object(1), now()).await.expect("signed");
        verify(&one, sod::unwrap(&file).unwrap(), now()).await.expect("valid");
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}
