//! OCSP answers.

use std::task::Poll;

use curve::Hash;
use jiff::{SignedDuration, Timestamp};
use model::{KeySlot, RevocationReason, SuspensionCause};
use npc::{CertificateAuthority, Npc};
use store::testkit::{each_engine, each_engine_url};
use store::{Db, params};
use x509::crl::Reason;
use x509::ocsp::{BasicResponse, CertId, CertificateStatus, IssuerHashes, build_request};
use x509::{Certificate, Serial};

use crate::support::*;

fn cert_id(npc: &Npc, hash: Hash, serial: &Serial) -> CertId {
    CertId::new(&IssuerHashes::new(&npc.ca_certificate()).unwrap(), hash, serial).unwrap()
}

async fn ask(npc: &Npc, serial: &Serial, at: Timestamp) -> BasicResponse {
    let response = npc.ocsp(&build_request(&[cert_id(npc, Hash::Sha256, serial)], None), at).await;
    let response = BasicResponse::parse(&response).unwrap();
    response.verify(&npc.ca_certificate(), at).unwrap();
    response
}

async fn status(npc: &Npc, serial: &Serial) -> CertificateStatus {
    ask(npc, serial, now()).await.answers[0].status
}

#[tokio::test]
async fn good_suspended_revoked_and_never_issued() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        assert_eq!(status(&npc, &serial).await, CertificateStatus::Good);
        let second = Timestamp::from_second(now().as_second()).unwrap();
        npc.suspend(card(1), SuspensionCause::Loss, "hotline", now()).await.unwrap();
        let held = CertificateStatus::Revoked { at: second, reason: Some(Reason::CertificateHold) };
        assert_eq!(status(&npc, &serial).await, held);
        npc.resume(card(1), SuspensionCause::Loss, "clerk", now()).await.unwrap();
        assert_eq!(status(&npc, &serial).await, CertificateStatus::Good);
        npc.revoke(card(1), RevocationReason::PrivilegeWithdrawn, "clerk", now()).await.unwrap();
        let gone = CertificateStatus::Revoked { at: second, reason: Some(Reason::PrivilegeWithdrawn) };
        assert_eq!(status(&npc, &serial).await, gone);
        assert_eq!(status(&npc, &Serial::from_u128(77).unwrap()).await, CertificateStatus::Unknown);
    })
    .await;
}

/// A number that is stored but was never signed has never been given out.
#[tokio::test]
async fn what_was_not_signed_yet_is_unknown() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let request = request(&npc, 1, KeySlot::SigningRsa, 0).await;
        db.fail_after(1, store::When::AfterCommit);
        npc.issue(&request, now()).await.err().unwrap();
        db.revive();
        let row = db.one("SELECT serial FROM certificate WHERE der IS NULL", params![]).await.unwrap();
        let serial = Serial::from_octets(&row.read::<Vec<u8>>(0).unwrap()).unwrap();
        assert_eq!(status(&npc, &serial).await, CertificateStatus::Unknown);
        npc.issue(&request, now()).await.unwrap();
        assert_eq!(status(&npc, &serial).await, CertificateStatus::Good);
    })
    .await;
}

#[tokio::test]
async fn both_hashes_several_certificates_and_nonces_are_answered() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let good = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        let bad = issued(&npc, 2, KeySlot::SigningRsa, 1).await.serial;
        npc.revoke(card(2), RevocationReason::Unspecified, "clerk", now()).await.unwrap();
        let ids = [
            cert_id(&npc, Hash::Sha1, &good),
            cert_id(&npc, Hash::Sha256, &bad),
            cert_id(&npc, Hash::Sha1, &bad),
        ];
        for nonce in [None, Some(&[7u8; 32][..]), Some(&[9u8; 128][..])] {
            let response = BasicResponse::parse(&npc.ocsp(&build_request(&ids, nonce), now()).await).unwrap();
            response.verify(&npc.ca_certificate(), now()).unwrap();
            assert_eq!(response.nonce.as_deref(), nonce);
            assert_eq!(
                response.answers.iter().map(|a| a.id.der()).collect::<Vec<_>>(),
                ids.iter().map(CertId::der).collect::<Vec<_>>()
            );
            assert_eq!(response.answers[0].status, CertificateStatus::Good);
            assert!(matches!(response.answers[1].status, CertificateStatus::Revoked { .. }));
            assert_eq!(response.answers[1].status, response.answers[2].status);
        }
    })
    .await;
}

#[tokio::test]
async fn strangers_and_nonsense_get_errors() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        // The root is an issuer too, but not the one this responder answers for.
        let root = IssuerHashes::new(&npc.ca_certificates().root).unwrap();
        let foreign = CertId::new(&root, Hash::Sha256, &serial).unwrap();
        let unauthorized = [0x30, 3, 0x0A, 1, 6];
        let malformed = [0x30, 3, 0x0A, 1, 1];
        assert_eq!(npc.ocsp(&build_request(std::slice::from_ref(&foreign), None), now()).await, unauthorized);
        let mixed = build_request(&[cert_id(&npc, Hash::Sha1, &serial), foreign], None);
        assert_eq!(npc.ocsp(&mixed, now()).await, unauthorized);
        for nonsense in [&[][..], &[0x30], &[0x30, 0], &[0xFF; 100], &mixed[..mixed.len() - 1]] {
            assert_eq!(npc.ocsp(nonsense, now()).await, malformed);
        }
        let too_long = build_request(&[cert_id(&npc, Hash::Sha1, &serial)], Some(&[1; 129]));
        assert_eq!(npc.ocsp(&too_long, now()).await, malformed);
    })
    .await;
}

/// The database is away, as while another takes over: what was known goes on being told, as of when it was known, until an
/// answer of that time would have ended.
#[tokio::test]
async fn without_the_database_answers_are_as_old_as_what_is_known() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        let minutes = |n| now() + SignedDuration::from_mins(n);
        ask(&npc, &serial, minutes(10)).await;
        db.fail_after(1, store::When::BeforeCommit);
        npc.suspend(card(1), SuspensionCause::Loss, "x", minutes(10)).await.unwrap_err();
        for (minute, nonce) in [(11, None), (50, None), (69, None), (69, Some(&b"nonce"[..]))] {
            let asked = build_request(&[cert_id(&npc, Hash::Sha1, &serial)], nonce);
            let response = BasicResponse::parse(&npc.ocsp(&asked, minutes(minute)).await).unwrap();
            let known = response.answers[0].this_update;
            assert!(minutes(9) <= known && known <= minutes(10), "{known}");
        }
        let asked = build_request(&[cert_id(&npc, Hash::Sha1, &serial)], None);
        assert_eq!(npc.ocsp(&asked, minutes(71)).await, [0x30, 3, 0x0A, 1, 3], "nothing true is left to say");
        db.revive();
        npc.suspend(card(1), SuspensionCause::Loss, "x", minutes(72)).await.unwrap();
        let answer = ask(&npc, &serial, minutes(72)).await;
        assert!(matches!(answer.answers[0].status, CertificateStatus::Revoked { .. }));
    })
    .await;
}

/// The database hangs, and one asker waits for it: what the others hear holds at the moment they ask, or they come again.
#[tokio::test]
async fn while_another_waits_for_the_database_nothing_is_signed_that_has_ended() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        let asked = build_request(&[cert_id(&npc, Hash::Sha256, &serial)], Some(b"12345678"));
        // Begins to read, and is not woken. Now and then the database answers within the first look: then another hour.
        let mut begins = now();
        let waits = loop {
            ask(&npc, &serial, begins + SignedDuration::from_mins(10)).await;
            let mut waits = Box::pin(npc.ocsp(&asked, begins + SignedDuration::from_mins(69)));
            let pending =
                std::future::poll_fn(|context| Poll::Ready(waits.as_mut().poll(context).is_pending()));
            if pending.await {
                break waits;
            }
            drop(waits);
            begins += SignedDuration::from_mins(70);
            assert!(begins < now() + SignedDuration::from_hours(100), "it never waits");
        };
        let minutes = |n| begins + SignedDuration::from_mins(n);
        let others = BasicResponse::parse(&npc.ocsp(&asked, minutes(69)).await).unwrap();
        let (known, until) = (others.answers[0].this_update, others.answers[0].next_update.unwrap());
        assert_eq!((known, until), (minutes(10), minutes(70)), "what is known, as of then");
        for minute in [70, 71, 200] {
            assert_eq!(npc.ocsp(&asked, minutes(minute)).await, [0x30, 3, 0x0A, 1, 3], "minute {minute}");
        }
        // The database answers after all.
        let answer = BasicResponse::parse(&waits.await).unwrap();
        assert_eq!(answer.answers[0].this_update, minutes(69));
        assert_eq!(ask(&npc, &serial, minutes(200)).await.answers[0].this_update, minutes(200));
    })
    .await;
}

/// Answers for one asker alone have their own budget: a flood of nonces, or of numbers made up, leaves the others alone.
#[tokio::test]
async fn a_flood_of_nonces_does_not_starve_the_others() {
    each_engine("npc", async |db| {
        let config = npc::NpcConfig { on_demand_per_second: 5, ..config() };
        let npc =
            Npc::open(db.clone(), shared_keys(), config, Box::new(curve::SystemRandom), now()).await.unwrap();
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        let try_later = [0x30, 3, 0x0A, 1, 3];
        let with_nonce = build_request(&[cert_id(&npc, Hash::Sha256, &serial)], Some(b"nonce"));
        let made_up = |n| build_request(&[cert_id(&npc, Hash::Sha256, &Serial::from_u128(n).unwrap())], None);
        let plain = build_request(&[cert_id(&npc, Hash::Sha256, &serial)], None);
        for _ in 0..3 {
            BasicResponse::parse(&npc.ocsp(&with_nonce, now()).await).unwrap();
        }
        for n in 1..3 {
            BasicResponse::parse(&npc.ocsp(&made_up(n), now()).await).unwrap();
        }
        for n in 3..50 {
            assert_eq!(npc.ocsp(&with_nonce, now()).await, try_later);
            assert_eq!(npc.ocsp(&made_up(n), now()).await, try_later);
            BasicResponse::parse(&npc.ocsp(&plain, now()).await).unwrap();
        }
        let next = now() + SignedDuration::from_secs(1);
        BasicResponse::parse(&npc.ocsp(&with_nonce, next).await).unwrap();
    })
    .await;
}

/// What a country is given without being asked: as much as each of its processors is to sign.
#[test]
fn the_limits_grow_with_the_processors() {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u32);
    let given = npc::NpcConfig::default();
    assert_eq!(given.on_demand_per_second, 30_000 * processors);
    assert_eq!(given.first_asked_per_second, 20_000 * processors);
    assert_eq!(given.stamps_per_second, 20_000 * processors);
}

/// Whoever asks about everything that a list names has a budget too; what is kept is given out as before.
#[tokio::test]
async fn asking_about_everybody_once_does_not_starve_the_others() {
    each_engine("npc", async |db| {
        let config = npc::NpcConfig { first_asked_per_second: 3, ..config() };
        let npc =
            Npc::open(db.clone(), shared_keys(), config, Box::new(curve::SystemRandom), now()).await.unwrap();
        let mut plain = Vec::new();
        for n in 1..=5 {
            let serial = issued(&npc, n, KeySlot::SigningEc, 0).await.serial;
            plain.push(build_request(&[cert_id(&npc, Hash::Sha256, &serial)], None));
        }
        let try_later = [0x30, 3, 0x0A, 1, 3];
        for _ in 0..3 {
            for request in &plain[..3] {
                BasicResponse::parse(&npc.ocsp(request, now()).await).unwrap();
            }
            for request in &plain[3..] {
                assert_eq!(npc.ocsp(request, now()).await, try_later);
            }
        }
        let next = now() + SignedDuration::from_secs(1);
        for request in &plain {
            BasicResponse::parse(&npc.ocsp(request, next).await).unwrap();
        }
    })
    .await;
}

/// The services' own certificates have a status too.
#[tokio::test]
async fn the_certificates_of_the_services_are_known() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let made = npc.ca_certificates();
        for certificate in [made.tsa, made.status, made.ocsp] {
            assert_eq!(status(&npc, &certificate.serial().unwrap()).await, CertificateStatus::Good);
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_used_again_while_it_is_young_and_true() {
    each_engine_url(async |url| {
        let here = open(&Db::open(&url, "npc").await.unwrap()).await;
        let there = open(&Db::open(&url, "npc").await.unwrap()).await;
        let serial = issued(&here, 1, KeySlot::SigningRsa, 0).await.serial;
        let request = build_request(&[cert_id(&here, Hash::Sha256, &serial)], None);
        let minutes = |n| now() + SignedDuration::from_mins(n);
        let first = here.ocsp(&request, minutes(0)).await;
        assert_eq!(here.ocsp(&request, minutes(29)).await, first);
        let renewed = here.ocsp(&request, minutes(30)).await;
        assert_ne!(renewed, first);
        // Another process changes the state: the kept answer is no longer given.
        there.revoke(card(1), RevocationReason::Unspecified, "clerk", minutes(30)).await.unwrap();
        let answer = ask(&here, &serial, minutes(31)).await;
        assert!(matches!(answer.answers[0].status, CertificateStatus::Revoked { .. }));
        assert_eq!(answer.answers[0].this_update, Timestamp::from_second(minutes(31).as_second()).unwrap());
        assert_eq!(
            answer.answers[0].next_update.unwrap().duration_since(answer.answers[0].this_update),
            SignedDuration::from_hours(1)
        );
        here.db().close().await;
        there.db().close().await;
    })
    .await;
}

/// Whoever asks for what is asked for again and again never waits for a signature, and nobody ever gets an answer that has ended.
#[tokio::test]
async fn what_is_asked_for_again_is_signed_anew_before_it_is_too_old() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        let forgotten = issued(&npc, 2, KeySlot::SigningRsa, 1).await.serial;
        let minutes = |n| now() + SignedDuration::from_mins(n);
        let made = async |serial: &Serial, minute: i64| {
            let answer = ask(&npc, serial, minutes(minute)).await.answers.remove(0);
            assert!(answer.next_update.unwrap() > minutes(minute), "what has ended is not told");
            (answer.this_update.duration_since(now()).as_mins(), answer.status)
        };
        let good = |minute| (minute, CertificateStatus::Good);
        for one in [&serial, &forgotten] {
            assert_eq!(made(one, 0).await, good(0));
        }
        assert_eq!(made(&serial, 1).await, good(0), "asked for again");
        // Not before a quarter of its life is over; in any case before it is no longer used.
        npc.maintain(minutes(14)).await.unwrap();
        assert_eq!(made(&serial, 14).await, good(0));
        npc.maintain(minutes(27)).await.unwrap();
        assert_eq!(made(&serial, 31).await, good(27), "nobody waited");
        assert_eq!(
            made(&forgotten, 31).await,
            good(31),
            "what nobody asked for again is signed for its asker"
        );
        // What has changed meanwhile is told as it is.
        npc.suspend(card(1), SuspensionCause::Holder, "holder", minutes(40)).await.unwrap();
        npc.maintain(minutes(54)).await.unwrap();
        let (minute, status) = made(&serial, 55).await;
        assert_eq!(minute, 54);
        assert!(matches!(status, CertificateStatus::Revoked { reason: Some(Reason::CertificateHold), .. }));
        npc.resume(card(1), SuspensionCause::Holder, "holder", minutes(56)).await.unwrap();
        // Turns that were missed: the next who asks has it signed, and hours later it is gone.
        assert_eq!(made(&serial, 57).await, good(57));
        assert_eq!(made(&serial, 58).await, good(57));
        assert_eq!(made(&serial, 87).await, good(87));
        npc.maintain(minutes(400)).await.unwrap();
        assert_eq!(made(&serial, 401).await, good(401));
        // Without the database nothing becomes newer than what was known last, and that is told while it holds.
        assert_eq!(made(&serial, 402).await, good(401));
        db.fail_after(1, store::When::BeforeCommit);
        npc.suspend(card(1), SuspensionCause::Loss, "x", minutes(402)).await.unwrap_err();
        npc.maintain(minutes(428)).await.unwrap_err();
        assert_eq!(made(&serial, 429).await, good(402));
        db.revive();
    })
    .await;
}

#[tokio::test]
async fn certificates_of_another_ca_with_the_same_name_are_not_ours() {
    each_engine_url(async |url| {
        let npc = open(&Db::open(&url, "npc").await.unwrap()).await;
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(&url, "other").await.unwrap();
        let random = Box::new(curve::SystemRandom);
        let other =
            Npc::open(db.clone(), key_store(directory.path()), config(), random, now()).await.unwrap();
        let theirs: Certificate = other.ca_certificate();
        assert_eq!(theirs.subject(), npc.ca_certificate().subject());
        let id = CertId::new(&IssuerHashes::new(&theirs).unwrap(), Hash::Sha256, &serial).unwrap();
        assert_eq!(npc.ocsp(&build_request(&[id], None), now()).await, [0x30, 3, 0x0A, 1, 6]);
        db.close().await;
        npc.db().close().await;
    })
    .await;
}
