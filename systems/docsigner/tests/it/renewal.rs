//! Signers come and go, and are revoked.

use curve::SeedRandom;
use docsigner::{Config, DocSignerError, DocumentSigning, SignerState};
use lds::sod;
use store::testkit::each_engine;
use x509::crl::{Crl, Reason};
use x509::path::Refusal;

use crate::support::*;

async fn renew(signer: &docsigner::DocSigner, day: i64) -> (Vec<u32>, Vec<u32>) {
    let done = signer.renew(days(day), &mut SeedRandom::new(&day.to_be_bytes())).await.expect("renewed");
    (done.begun, done.retired)
}

// proves: DOCPKI-11
#[tokio::test]
async fn several_signers_share_the_cards_for_a_short_time() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let mut files = Vec::new();
        for number in 0..20 {
            files.push(signer.sign_public_zone(&card(number), &object(1), now()).await.expect("signed"));
        }
        let (one, two) = (signer.cards_signed_by(1).await.unwrap(), signer.cards_signed_by(2).await.unwrap());
        assert!(one.len() >= 4 && two.len() >= 4 && one.len() + two.len() == 20);

        assert_eq!(renew(&signer, 1).await, (vec![], vec![]), "nothing to do");
        assert_eq!(renew(&signer, 82).await, (vec![3, 4], vec![]), "successors come in time");
        assert_eq!(renew(&signer, 91).await, (vec![], vec![1, 2]));
        let labels: Vec<_> = place.keys.list().unwrap().into_iter().map(|k| k.label).collect();
        assert_eq!(
            labels,
            ["csca-1", "ds-3", "ds-4", "file-2", "mls-1"],
            "keys whose time is over are destroyed"
        );
        let states: Vec<_> = signer.ds_certificates().await.unwrap().iter().map(|s| s.state).collect();
        use SignerState::{Active, Retired};
        assert_eq!(states, [Retired, Retired, Active, Active]);

        // What a retired signer signed stays valid for the life of the card, and is given out again.
        let again = signer.sign_public_zone(&card(0), &object(1), days(91)).await.expect("kept");
        assert_eq!(again, files[0]);
        // Sixty years: a card without date of renewal outlives no certificate (decision 16).
        verify(&signer, sod::unwrap(&again).unwrap(), days(60 * 365))
            .await
            .expect("valid as long as the card");
        let new = signer.sign_public_zone(&card(0), &object(2), days(91)).await.expect("signed");
        let ds = verify(&signer, sod::unwrap(&new).unwrap(), days(91)).await.expect("valid");
        assert!(signer.ds_certificates().await.unwrap()[2..].iter().any(|s| s.certificate == ds));
        let gone = "SELECT count(*) FROM audit_entry WHERE action = 'key-destroy'";
        assert_eq!(count(&place.db, gone).await, 2, "that a key is gone is on record");
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}

// proves: DOCPKI-11
#[tokio::test]
async fn a_signer_ends_by_the_number_of_its_signatures() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let config = Config { parallel_signers: 1, signer_signatures: 10, ..Config::default() };
        let signer = place.open_with(config, now()).await.expect("opens");
        for number in 0..8 {
            signer.sign_public_zone(&card(number), &object(1), now()).await.expect("signed");
        }
        assert_eq!(renew(&signer, 0).await, (vec![], vec![]));
        signer.sign_public_zone(&card(8), &object(1), now()).await.expect("signed");
        assert_eq!(renew(&signer, 0).await, (vec![2], vec![]), "a successor in the last tenth");
        signer.sign_public_zone(&card(0), &object(1), now()).await.expect("given out again, not counted");
        for number in 9..40 {
            let made = signer.sign_public_zone(&card(number), &object(1), now()).await;
            if made.is_err() {
                assert!(matches!(made, Err(DocSignerError::NoSigner)), "{made:?}");
                renew(&signer, 0).await;
                signer.sign_public_zone(&card(number), &object(1), now()).await.expect("a new signer");
            }
        }
        for number in 1..=2 {
            assert!(signer.cards_signed_by(number).await.unwrap().len() <= 10, "never more than its share");
        }
        assert!(!place.keys.list().unwrap().iter().any(|key| key.label == "ds-1"));
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}

#[tokio::test]
async fn a_household_signature_lasts_as_long_as_its_signer_signs() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let first = signer.sign_household(&household(1), now()).await.expect("signed");
        renew(&signer, 91).await;
        let second = signer.sign_household(&household(1), days(91)).await.expect("signed");
        assert_ne!(first, second, "the old signer's certificate would not outlive a new card");
        verify(&signer, &second, days(91)).await.expect("valid");
        verify(&signer, &first, days(91)).await.expect("still valid");
    })
    .await;
}

// proves: DOCPKI-06, DOCPKI-11
#[tokio::test]
async fn a_revoked_signer_is_published_and_replaced() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let file = signer.sign_public_zone(&card(1), &object(1), now()).await.expect("signed");
        let ds = verify(&signer, sod::unwrap(&file).unwrap(), now()).await.expect("valid");
        let signers = signer.ds_certificates().await.unwrap();
        let bad = signers.iter().find(|s| s.certificate == ds).expect("one of ours").number;
        let before = Crl::parse(&signer.csca_crl(now()).await.unwrap()).unwrap();
        assert_eq!((before.number(), before.entries().count()), (Some(1), 0));

        assert!(matches!(
            revoke(&signer, 99, Reason::KeyCompromise, days(1)).await,
            Err(DocSignerError::NoSuchSigner(99))
        ));
        assert!(revoke(&signer, bad, Reason::CertificateHold, days(1)).await.is_err());
        for _ in 0..2 {
            revoke(&signer, bad, Reason::KeyCompromise, days(1)).await.expect("revoked");
        }
        let list = Crl::parse(&signer.csca_crl(days(1)).await.unwrap()).unwrap();
        assert_eq!((list.number(), list.entries().count()), (Some(2), 1));
        let entry = list.find(ds.serial_octets()).expect("listed");
        assert_eq!((entry.reason, entry.at), (Reason::KeyCompromise, days(1)));
        let refused = verify(&signer, sod::unwrap(&file).unwrap(), days(1)).await;
        assert!(matches!(refused, Err(Refusal::Revoked { depth: 0, .. })), "{refused:?}");

        // The same request now goes to a signer that is trusted; the cards of the bad one are known.
        let again = signer.sign_public_zone(&card(1), &object(1), days(1)).await.expect("signed");
        assert_ne!(again, file);
        verify(&signer, sod::unwrap(&again).unwrap(), days(1)).await.expect("valid");
        assert_eq!(signer.cards_signed_by(bad).await.unwrap(), [card(1)]);
        let (begun, _) = renew(&signer, 2).await;
        assert_eq!(begun, [3], "the number of signers is made up");
        assert!(!place.keys.list().unwrap().iter().any(|k| k.label == format!("ds-{bad}")));
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}

#[tokio::test]
async fn a_list_is_kept_until_a_third_of_its_time_is_over() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let first = signer.csca_crl(now()).await.unwrap();
        assert_eq!(signer.csca_crl(days(29)).await.unwrap(), first);
        let second = signer.csca_crl(days(30)).await.unwrap();
        assert_ne!(second, first);
        assert_eq!(Crl::parse(&second).unwrap().number(), Some(2));
    })
    .await;
}

#[tokio::test]
async fn without_a_signer_nothing_is_signed() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let late = signer.sign_public_zone(&card(1), &object(1), days(91)).await;
        assert!(matches!(late, Err(DocSignerError::NoSigner)));
        // Years later the CSCA signs no more signers; the country still opens, and says what is due.
        let years = 6 * 365;
        let signer = place.open(days(years)).await.expect("opens");
        let due = signer.renew(days(years), &mut SeedRandom::new(b"x")).await;
        assert!(matches!(due, Err(DocSignerError::CscaRetired)));
        assert!(signer.csca_crl(days(years)).await.is_ok(), "lists go on");
    })
    .await;
}
