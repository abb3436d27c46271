//! What is signed, what is refused, and that the same request gets the same bytes.

use std::process::Command;

use curve::{Curve, Hash};
use docsigner::{Config, DocSignerError, DocumentSigning};
use keys::KeyKind;
use lds::household::HouseholdData;
use lds::{LdsSecurityObject, sod};
use store::Db;
use store::testkit::{each_engine, each_engine_url};
use tlv::oid;
use x509::cms::SignedData;
use x509::pem;

use crate::support::*;

// proves: DOCPKI-01, DOCPKI-02, DOCPKI-06, OPEN-38
#[tokio::test]
async fn a_security_object_is_verified_through_the_csca() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let object = object(1);
        let file = signer.sign_public_zone(&card(1), &object, now()).await.expect("signed");
        let cms = sod::unwrap(&file).expect("an EF.SOD");
        verify(&signer, cms, now()).await.expect("valid");
        let signed = SignedData::parse(cms).expect("well formed");
        assert_eq!(signed.content_type(), oid::LDS_SECURITY_OBJECT);
        assert_eq!(
            LdsSecurityObject::decode(signed.content().expect("inside")).expect("well formed"),
            object
        );
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}

// The generation of the reserve chip, and that of the laboratory: nothing but the configuration differs.
// proves: CARD-12, OPEN-15
#[tokio::test]
async fn generations_with_other_keys_sign_and_roll_over_alike() {
    each_engine_url(async |url| {
        for (schema, csca_key, signer_key, name) in [
            ("docsigner_mldsa", KeyKind::MlDsa65, KeyKind::MlDsa65, "ML-DSA-65"),
            ("docsigner_p384", KeyKind::Ec(Curve::P521), KeyKind::Ec(Curve::P384), "secp384r1"),
        ] {
            let place = Place::new(Db::open(&url, schema).await.expect("the database opens"));
            let config = Config { parallel_signers: 1, csca_key, signer_key, ..Config::default() };
            let signer = place.open_with(config.clone(), now()).await.expect("opens");
            let file = signer.sign_public_zone(&card(1), &object(1), now()).await.expect("signed");
            let cms = sod::unwrap(&file).expect("an EF.SOD");
            verify(&signer, cms, now()).await.expect("valid");
            let signed = SignedData::parse(cms).expect("well formed");
            let key = x509::PublicKey::from_spki(signed.verify().expect("verifies").spki()).expect("a key");
            assert!(key.name().contains(name), "{}", key.name());
            let again = place.open_with(config, days(1)).await.expect("opens again");
            let same = again.sign_public_zone(&card(1), &object(1), days(1)).await.expect("signed");
            assert_eq!(same, file, "kept, not signed anew");
            // The successor's link certificate and both lists are signed with keys of the same kind.
            let before = again.csca_certificate().await.expect("a CSCA");
            roll_over(&again, days(2)).await.expect("rolls over");
            let after = again.csca_certificate().await.expect("a CSCA");
            assert_ne!(before.der(), after.der());
            let kind = |c: &x509::Certificate| x509::PublicKey::from_spki(c.spki()).expect("a key").name();
            assert_eq!(kind(&before), kind(&after));
            assert_eq!(again.csca_crls(days(2)).await.expect("lists").len(), 2);
            place.db.close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_same_card_and_object_get_the_same_bytes_also_after_a_restart() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let first = signer.sign_public_zone(&card(1), &object(1), now()).await.expect("signed");
        let again = signer.sign_public_zone(&card(1), &object(1), days(3)).await.expect("signed");
        assert_eq!(first, again);
        let restarted = place.open(days(4)).await.expect("opens");
        assert_eq!(restarted.sign_public_zone(&card(1), &object(1), days(4)).await.expect("signed"), first);
        assert_ne!(signer.sign_public_zone(&card(1), &object(2), now()).await.expect("signed"), first);
        assert_ne!(signer.sign_public_zone(&card(2), &object(1), now()).await.expect("signed"), first);
        assert_eq!(count(&place.db, "SELECT count(*) FROM signature").await, 3);
        assert_eq!(
            signer.csca_certificate().await.unwrap().der(),
            restarted.csca_certificate().await.unwrap().der()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_get_the_same_bytes() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let signer = signer.clone();
                tokio::spawn(async move { signer.sign_public_zone(&card(1), &object(1), now()).await })
            })
            .collect();
        let mut files = Vec::new();
        for task in tasks {
            files.push(task.await.expect("no panic").expect("signed"));
        }
        files.dedup();
        assert_eq!(files.len(), 1);
        assert_eq!(count(&place.db, "SELECT count(*) FROM signature").await, 1);
    })
    .await;
}

// proves: OPEN-03, CARD-20
#[tokio::test]
async fn all_residents_of_a_neighbourhood_share_one_signature() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let first = signer.sign_household(&household(12), now()).await.expect("signed");
        for day in [0, 1, 30] {
            assert_eq!(signer.sign_household(&household(12), days(day)).await.expect("signed"), first);
        }
        assert_ne!(signer.sign_household(&household(13), now()).await.expect("signed"), first);
        verify(&signer, &first, now()).await.expect("valid");
        let signed = SignedData::parse(&first).expect("well formed");
        assert_eq!(signed.content_type(), oid::HOUSEHOLD_DATA);
        let content = HouseholdData::decode(signed.content().expect("inside")).expect("well formed");
        assert!(content == household(12), "the neighbourhood and nothing else");
        assert_eq!(signed.signers()[0].signing_time(), None, "a time would tell cards apart");
    })
    .await;
}

// proves: DOCPKI-03, DOCPKI-07
#[tokio::test]
async fn keys_of_the_chip_are_always_under_a_signature() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let refused = |result: docsigner::Result<Vec<u8>>| {
            assert!(matches!(result, Err(DocSignerError::Refused(_))), "{result:?}");
        };
        for group in [1, 2, 14, 15] {
            let mut without = object(1);
            without.hashes.remove(&group);
            refused(signer.sign_public_zone(&card(1), &without, now()).await);
        }
        let mut short = object(1);
        short.hashes.insert(2, vec![0; 32]);
        refused(signer.sign_public_zone(&card(1), &short, now()).await);
        let weak = object(1).hashes.into_keys().map(|n| (n, vec![0; 20])).collect();
        let weak = LdsSecurityObject { hash: Hash::Sha1, hashes: weak };
        refused(signer.sign_public_zone(&card(1), &weak, now()).await);

        refused(signer.sign_card_security(b"", now()).await);
        refused(signer.sign_card_security(&tlv::set(&[]), now()).await);
        let only_pace = tlv::sequence(&[&tlv::encode_oid(oid::PACE_ECDH_GM_AES_CBC_CMAC_256)]);
        refused(signer.sign_card_security(&tlv::set(&[&only_pace]), now()).await);
        assert_eq!(count(&place.db, "SELECT count(*) FROM signature").await, 0);

        let file = signer.sign_card_security(&card_security(), now()).await.expect("signed");
        assert_eq!(signer.sign_card_security(&card_security(), days(1)).await.expect("signed"), file);
        verify(&signer, &file, now()).await.expect("valid");
        let signed = SignedData::parse(&file).expect("well formed");
        assert_eq!(signed.content_type(), oid::CARD_SECURITY_OBJECT);
        assert_eq!(signed.content(), Some(card_security().as_slice()));
    })
    .await;
}

#[tokio::test]
async fn the_log_holds_no_content_and_openssl_verifies_what_is_signed() {
    each_engine("docsigner", async |db| {
        let place = Place::new(db);
        let signer = place.open(now()).await.expect("opens");
        let household = signer.sign_household(&household(1), now()).await.expect("signed");
        let file = signer.sign_public_zone(&card(9), &object(9), now()).await.expect("signed");
        let rows = place.db.all("SELECT content_hash, signature FROM signature", store::params![]).await;
        for row in rows.expect("rows") {
            // An ECDSA signature on P-521 has at most 139 bytes: nothing else is kept.
            assert_eq!(row.read::<Vec<u8>>(0).expect("a hash").len(), 32);
            assert!(row.read::<Vec<u8>>(1).expect("a signature").len() <= 139);
        }
        if Command::new("openssl").arg("version").output().is_err() {
            return;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).expect("writable");
            path
        };
        let csca = write("csca.pem", signer.csca_certificate().await.expect("a CSCA").to_pem().as_bytes());
        let list = signer.csca_crl(now()).await.expect("a list");
        let list = write("csca.crl", pem::encode("X509 CRL", &list).as_bytes());
        for cms in [household.as_slice(), sod::unwrap(&file).expect("an EF.SOD")] {
            let cms = write("object.der", cms);
            let output = Command::new("openssl")
                .args(["cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any", "-attime"])
                .arg(now().as_second().to_string())
                .args(["-crl_check", "-in"])
                .arg(&cms)
                .arg("-CAfile")
                .arg(&csca)
                .arg("-certfile")
                .arg(&csca)
                .arg("-out")
                .arg(dir.path().join("content"))
                .arg("-CAfile")
                .arg(write(
                    "both.pem",
                    &[std::fs::read(&csca).unwrap(), std::fs::read(&list).unwrap()].concat(),
                ))
                .output()
                .expect("openssl runs");
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{text}");
        }
    })
    .await;
}
