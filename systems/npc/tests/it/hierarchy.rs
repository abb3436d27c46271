//! Root, issuing CA, OCSP responder.

use curve::SystemRandom;
use jiff::SignedDuration;
use keys::{KeyKind, Purpose};
use model::KeySlot;
use npc::{CertificateAuthority, Npc, NpcConfig, Urls};
use store::testkit::{each_engine, each_engine_url};
use store::{Db, When, params};
use x509::path::{Options, Purpose as Use, Revocation};
use x509::{Certificate, PublicKey, Serial, ocsp, path};

use crate::support::*;

// proves: NPC-06
#[tokio::test]
async fn the_first_run_makes_rsa_4096_authorities_and_a_responder() {
    let directory = tempfile::tempdir().unwrap();
    let database = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}/", database.path().display()), "npc").await.unwrap();
    let keys = key_store(directory.path());
    let npc = Npc::open(db.clone(), keys.clone(), NpcConfig::default(), Box::new(SystemRandom), now())
        .await
        .unwrap();
    let made = npc.ca_certificates();
    for authority in [&made.root, &made.ca] {
        let PublicKey::Rsa(key) = PublicKey::from_spki(authority.spki()).unwrap() else { panic!("not RSA") };
        assert_eq!(key.bits(), 4096);
        assert!(authority.is_ca());
        let subject = authority.subject_name().unwrap();
        assert!(subject.attributes().iter().any(|a| a.value.contains("測試用")), "no real authority's name");
    }
    made.root.verify_signature(made.root.spki()).unwrap();
    made.ca.verify_signature(made.root.spki()).unwrap();
    made.ocsp.verify_signature(made.ca.spki()).unwrap();
    assert_eq!(PublicKey::from_spki(made.ocsp.spki()).unwrap().name(), "secp256r1");
    assert!(made.ca.crl_distribution_points().iter().all(|uri| uri.contains(".test/")), "no real host");
    // The CA's keys sign certificates and lists and nothing else.
    for label in ["npc-root", "npc-ca"] {
        for purpose in Purpose::ALL.into_iter().filter(|p| *p != Purpose::CertificateAuthority) {
            assert_eq!(keys.signer(label, purpose).err().unwrap().code(), "KEYS-PURPOSE");
        }
    }
    assert_eq!(
        keys.signer("npc-ocsp-1", Purpose::CertificateAuthority).err().unwrap().code(),
        "KEYS-PURPOSE"
    );
    // The second run finds the same.
    let again = Npc::open(
        db,
        keys,
        NpcConfig::default(),
        Box::new(SystemRandom),
        now() + SignedDuration::from_hours(24),
    );
    assert_eq!(again.await.unwrap().ca_certificates(), made);
}

#[tokio::test]
async fn a_first_run_killed_at_any_commit_is_finished_by_the_next() {
    each_engine_url(async |url| {
        let mut commits = 0;
        loop {
            commits += 1;
            let mut survived = true;
            for when in [When::BeforeCommit, When::AfterCommit] {
                let schema = format!("npc_{commits}_{}", u8::from(when == When::AfterCommit));
                let db = Db::open(&url, &schema).await.unwrap();
                db.fail_after(commits, when);
                let killed = try_open(&db).await;
                let died = db.revive();
                assert_eq!(killed.is_err(), died);
                survived &= !died;
                // A new process.
                let db = Db::open(&url, &schema).await.unwrap();
                let npc = open(&db).await;
                let made = npc.ca_certificates();
                made.ca.verify_signature(made.root.spki()).unwrap();
                made.ocsp.verify_signature(made.ca.spki()).unwrap();
                let row = db.one("SELECT count(*), count(der) FROM authority", params![]).await.unwrap();
                assert_eq!(
                    (row.read::<i64>(0).unwrap(), row.read::<i64>(1).unwrap()),
                    (6, 6),
                    "{commits} {when:?}"
                );
                // Six certificates; the record of the first run, which has eight steps.
                assert_eq!(npc.verify_audit(None).await.unwrap().seq, 6 + 10);
                if let Ok(before) = killed {
                    assert_eq!(before.ca_certificates(), made);
                }
                db.close().await;
            }
            if survived {
                break;
            }
        }
        assert!(commits > 8, "migrations, settings and five certificates in two commits each: {commits}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_first_runs_at_once_make_one_authority() {
    each_engine_url(async |url| {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let url = url.clone();
            tasks.spawn(async move {
                let db = Db::open(&url, "npc").await.unwrap();
                let made = open(&db).await.ca_certificates();
                db.close().await;
                made
            });
        }
        let made = tasks.join_all().await;
        assert!(made.iter().all(|certificates| *certificates == made[0]));
    })
    .await;
}

#[tokio::test]
async fn what_stands_in_certificates_stays_as_the_first_run_was_given_it() {
    each_engine("npc", async |db| {
        let first = open(&db).await;
        let other = NpcConfig { partitions: 64, urls: Urls::at("http://elsewhere.test"), ..config() };
        let npc = Npc::open(db.clone(), shared_keys(), other, Box::new(SystemRandom), now()).await.unwrap();
        assert_eq!(npc.config().partitions, first.config().partitions);
        assert_eq!(npc.config().urls, first.config().urls);
        let odd = NpcConfig { partitions: 12, ..config() };
        let error =
            Npc::open(db.clone(), shared_keys(), odd, Box::new(SystemRandom), now()).await.err().unwrap();
        assert_eq!(error.code(), "NPC-REQUEST");
    })
    .await;
}

#[tokio::test]
async fn the_responder_is_renewed_before_it_ends_and_old_keys_go() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let keys = key_store(directory.path());
        let config = NpcConfig {
            root_key: KeyKind::Ec(curve::Curve::P384),
            ca_key: KeyKind::Ec(curve::Curve::P384),
            ..config()
        };
        let open = async |at| {
            Npc::open(db.clone(), keys.clone(), config.clone(), Box::new(SystemRandom), at).await.unwrap()
        };
        let npc = open(now()).await;
        let first = npc.ca_certificates().ocsp;
        let day = |n: i64| now() + SignedDuration::from_hours(24 * n);
        npc.maintain(day(19)).await.unwrap();
        assert_eq!(npc.ca_certificates().ocsp, first, "more than a third is left");
        npc.maintain(day(21)).await.unwrap();
        let second = npc.ca_certificates().ocsp;
        assert_ne!(second, first);
        assert!(second.validity().contains(day(21)));
        // Never maintained, a responder that has run out is replaced by the request itself.
        let issuer = ocsp::IssuerHashes::new(&npc.ca_certificate()).unwrap();
        let id = ocsp::CertId::new(&issuer, curve::Hash::Sha256, &Serial::from_u128(5).unwrap()).unwrap();
        let response = npc.ocsp(&ocsp::build_request(&[id], None), day(60)).await;
        let response = ocsp::BasicResponse::parse(&response).unwrap();
        let third = npc.ca_certificates().ocsp;
        assert_ne!(third, second);
        assert!(third.validity().contains(day(60)));
        assert!(response.answers[0].next_update.unwrap() <= third.validity().not_after());
        let labels: Vec<_> = keys.list().unwrap().into_iter().map(|key| key.label).collect();
        let expected = [
            "npc-ca",
            "npc-cmp-1",
            "npc-cmp-2",
            "npc-ocsp-2",
            "npc-ocsp-3",
            "npc-root",
            "npc-status-1",
            "npc-status-2",
            "npc-tsa-1",
            "npc-tsa-2",
        ];
        assert_eq!(labels, expected);
        // Opened late, the next run renews too.
        let late = open(day(200)).await;
        assert!(late.ca_certificates().ocsp.validity().contains(day(200)));
        late.verify_audit(None).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_chain_of_a_citizen_validates_with_the_lists() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let good = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let bad = issued(&npc, 2, KeySlot::SigningRsa, 1).await;
        npc.revoke(card(2), model::RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        let made = npc.ca_certificates();
        let complete =
            x509::crl::Crl::parse(&npc.crl(npc::Scope::Complete, now()).await.unwrap().der).unwrap();
        let root = x509::crl::Crl::parse(&npc.crl(npc::Scope::Root, now()).await.unwrap().der).unwrap();
        let lists = [complete, root];
        let validate = |der: &[u8]| {
            let certificate = Certificate::parse(der).unwrap();
            let options =
                Options::at(now()).purpose(Use::DigitalSignature).crls(&lists, Revocation::Required);
            let anchors = std::slice::from_ref(&made.root);
            path::validate(&certificate, std::slice::from_ref(&made.ca), anchors, &options)
                .map(|_| ())
                .map_err(|e| e.to_string())
        };
        validate(&good.der).unwrap();
        assert!(validate(&bad.der).unwrap_err().contains("revoked"));
    })
    .await;
}
