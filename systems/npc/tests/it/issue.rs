//! Issuing: content, idempotence, races.

use model::{CertificateState, KeySlot, RevocationReason, SuspensionCause};
use npc::{Carrier, CertificateAuthority, IssueRequest, NpcConfig, Period};
use store::testkit::{each_engine, each_engine_url};
use store::{Db, params};
use tlv::oid;
use x509::extension::{DirectoryValue, KeyUsage};
use x509::{Certificate, PublicKey};

use crate::support::*;

// proves: NPC-15, NPC-16, NPC-19
#[tokio::test]
async fn the_certificates_of_a_card_say_what_they_must() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let usages = [
            (KeySlot::SigningRsa, KeyUsage::DIGITAL_SIGNATURE, "RSA-2048"),
            (KeySlot::EncryptionRsa, KeyUsage::KEY_ENCIPHERMENT.and(KeyUsage::DATA_ENCIPHERMENT), "RSA-2048"),
            (KeySlot::SigningEc, KeyUsage::DIGITAL_SIGNATURE, "secp521r1"),
            (KeySlot::EncryptionEc, KeyUsage::KEY_AGREEMENT, "secp521r1"),
        ];
        let mut holder = None;
        for (n, (slot, usage, key)) in usages.into_iter().enumerate() {
            let issued = issued(&npc, 7, slot, n).await;
            assert_eq!((issued.card, issued.slot, &issued.state), (card(7), slot, &CertificateState::Good));
            let certificate = Certificate::parse(&issued.der).unwrap();
            certificate.verify_signature(npc.ca_certificate().spki()).unwrap();
            assert_eq!(certificate.key_usage(), Some(usage));
            assert_eq!(PublicKey::from_spki(certificate.spki()).unwrap().name(), key);
            assert_eq!(certificate.serial().unwrap(), issued.serial);
            assert_eq!(issued.serial.octets().len(), 16);
            let subject = certificate.subject_name().unwrap();
            assert_eq!(subject.common_name(), Some("測試用𠮷田"));
            let number = subject.attribute(oid::SERIAL_NUMBER).unwrap().to_owned();
            assert!(number.len() == 16 && number.bytes().all(|b| b.is_ascii_digit()));
            assert_eq!(
                *holder.get_or_insert(number.clone()),
                number,
                "one number for all certificates of a person"
            );
            assert_eq!(certificate.directory_attribute(oid::GPKI_TAIL_OF_CITIZEN_ID), Some("6789"));
            assert_eq!(certificate.directory_attribute(oid::GPKI_CARD_NUMBER), Some("TWA000007"));
            let natural_person = (oid::GPKI_SUBJECT_TYPE, DirectoryValue::Oid(oid::GPKI_NATURAL_PERSON));
            assert!(certificate.directory_attributes().contains(&natural_person));
            let partition =
                u16::from(*issued.serial.octets().last().unwrap()) & (npc.config().partitions - 1);
            let lists = [
                format!("http://npc.neweid.test/crl/npc-{partition}.crl"),
                "http://npc.neweid.test/crl/npc.crl".into(),
            ];
            assert_eq!(certificate.crl_distribution_points(), lists);
            assert_eq!(certificate.access_location(oid::AD_OCSP), Some("http://npc.neweid.test/ocsp"));
            assert_eq!(
                certificate.access_location(oid::AD_CA_ISSUERS),
                Some("http://npc.neweid.test/certs/issued-to-this-ca.p7b")
            );
            assert_eq!(certificate.certificate_policies(), [NpcConfig::default().policy]);
        }
        assert_eq!(npc.certificates_of(card(7), now()).await.unwrap().len(), 4);
        assert!(npc.certificates_of(card(8), now()).await.unwrap().is_empty());
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

// proves: NPC-22
#[tokio::test]
async fn periods_follow_the_card() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let period = async |number: u32, key: usize, renewal: Option<&str>| {
            let request = IssueRequest {
                issue_date: date("2021-07-01"),
                renewal_date: renewal.map(date),
                ..request(&npc, number, KeySlot::SigningRsa, key).await
            };
            let issued = npc.issue(&request, now()).await.unwrap();
            let validity = Certificate::parse(&issued.der).unwrap().validity();
            (validity.not_before().to_string(), validity.not_after().to_string())
        };
        let from = "2021-06-30T16:00:00Z".to_owned();
        assert_eq!(period(1, 0, Some("2031-07-01")).await, (from.clone(), "2026-07-01T15:59:59Z".into()));
        assert_eq!(period(2, 1, None).await, (from.clone(), "2026-07-01T15:59:59Z".into()));
        assert_eq!(period(3, 2, Some("2024-02-29")).await, (from, "2024-02-29T15:59:59Z".into()));
        let nothing = IssueRequest {
            renewal_date: Some(date("2020-01-01")),
            ..request(&npc, 4, KeySlot::SigningRsa, 3).await
        };
        assert_eq!(npc.issue(&nothing, now()).await.err().unwrap().code(), "NPC-NO-PERIOD");
    })
    .await;
}

// proves: NPC-23, NPC-24, NPC-28
#[tokio::test]
async fn a_card_is_reissued_once_on_its_elliptic_curve_keys_if_the_first_certificate_stands() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let reissue = async |number: u32, slot: KeySlot, key: usize| {
            let mut request = request(&npc, number, slot, key).await;
            request.issue_date = date("2021-07-01");
            request.renewal_date = Some(date("2031-07-01"));
            request.period = Period::Reissue { day: date("2028-03-05") };
            request
        };
        let early = reissue(1, KeySlot::SigningEc, 0).await;
        assert_eq!(npc.issue(&early, now()).await.err().unwrap().code(), "NPC-NOTHING-TO-REISSUE");
        issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let rsa = reissue(1, KeySlot::EncryptionRsa, 1).await;
        assert_eq!(npc.issue(&rsa, now()).await.err().unwrap().code(), "NPC-REQUEST");
        let second = npc.issue(&early, now()).await.unwrap();
        assert_eq!(second.validity.not_after.to_string(), "2031-07-01T15:59:59Z", "however late");
        let again = IssueRequest { request_id: id(99), csr: csr_of(&ec(curve::Curve::P521, 4711)), ..early };
        assert_eq!(npc.issue(&again, now()).await.err().unwrap().code(), "NPC-SLOT-TAKEN");
        issued(&npc, 2, KeySlot::SigningRsa, 2).await;
        npc.revoke(card(2), RevocationReason::Unspecified, "clerk", now()).await.unwrap();
        let gone = reissue(2, KeySlot::SigningEc, 0).await;
        assert_eq!(npc.issue(&gone, now()).await.err().unwrap().code(), "NPC-NOTHING-TO-REISSUE");
    })
    .await;
}

#[tokio::test]
async fn the_same_request_gives_the_same_certificate_and_another_is_refused() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let request = request(&npc, 1, KeySlot::SigningRsa, 0).await;
        let first = npc.issue(&request, now()).await.unwrap();
        assert!(npc.issue(&request, now()).await.unwrap() == first);
        // A restart of the CA, and a restart of the caller who has lost his number.
        let npc = open(&db).await;
        assert!(npc.issue(&request, now()).await.unwrap() == first);
        let renumbered = IssueRequest { request_id: id(5), ..request.clone() };
        assert!(npc.issue(&renumbered, now()).await.unwrap() == first);
        let changes: [(&str, IssueRequest); 3] = [
            ("NPC-CONFLICT", IssueRequest { subject_name: "別人".into(), ..request.clone() }),
            ("NPC-SLOT-TAKEN", IssueRequest { request_id: id(6), csr: csr_of(&rsa(1)), ..request.clone() }),
            ("NPC-DUPLICATE-KEY", IssueRequest { request_id: id(7), card: card(2), ..request.clone() }),
        ];
        for (code, request) in changes {
            let error = npc.issue(&request, now()).await.err().unwrap();
            assert_eq!(error.code(), code);
            assert!(error.is_refusal());
        }
        let rows = db.one("SELECT count(*) FROM certificate", params![]).await.unwrap();
        assert_eq!(rows.read::<i64>(0).unwrap(), 1);
        assert_eq!(db.one("SELECT count(*) FROM event", params![]).await.unwrap().read::<i64>(0).unwrap(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_requests_end_with_one_certificate_for_a_slot() {
    each_engine_url(async |url| {
        let mut authorities = Vec::new();
        for _ in 0..3 {
            authorities.push(std::sync::Arc::new(open(&Db::open(&url, "npc").await.unwrap()).await));
        }
        let same = request(&authorities[0], 1, KeySlot::SigningRsa, 0).await;
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..9usize {
            let npc = authorities[n % 3].clone();
            // Three callers, three numbers for one card: each sends its request three times through different processes.
            let other =
                IssueRequest { request_id: id(n as u128 / 3 + 50), csr: csr_of(&rsa(n / 3)), ..same.clone() };
            tasks.spawn(async move { npc.issue(&other, now()).await });
        }
        let results = tasks.join_all().await;
        let (good, bad): (Vec<_>, Vec<_>) = results.into_iter().partition(|result| result.is_ok());
        let good: Vec<_> = good.into_iter().map(|result| result.unwrap()).collect();
        assert_eq!(good.len(), 3, "one of the three requests");
        assert!(good.iter().all(|issued| *issued == good[0]));
        assert!(bad.into_iter().all(|result| result.err().unwrap().code() == "NPC-SLOT-TAKEN"));
        for npc in authorities {
            npc.verify_audit(None).await.unwrap();
            npc.db().close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_person_keeps_the_holder_number_and_nobody_else_has_it() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let mut seen = std::collections::BTreeSet::new();
        for person in 0..50u8 {
            let number = npc.holder_number(&[person; 32], now()).await.unwrap();
            assert!(number.len() == 16 && number.bytes().all(|b| b.is_ascii_digit()));
            assert_eq!(npc.holder_number(&[person; 32], now()).await.unwrap(), number);
            assert!(seen.insert(number));
        }
        let again = open(&db).await;
        assert!(seen.contains(&again.holder_number(&[9; 32], now()).await.unwrap()));
    })
    .await;
}

// proves: NPC-02, NPC-03, NPC-34, OPEN-60
#[tokio::test]
async fn a_person_has_several_carriers_and_each_lives_by_itself() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let card_of = async |number: u32, carrier: Carrier, tail: &str, key: usize| {
            let mut request = request(&npc, number, KeySlot::SigningRsa, key).await;
            request.holder_no = npc.holder_number(&[7; 32], now()).await.unwrap();
            IssueRequest { carrier, id_tail: tail.into(), renewal_date: None, ..request }
        };
        let old = card_of(1, Carrier::CertificateCard, "6789", 0).await;
        let new = card_of(2, Carrier::NewEid, "6789", 1).await;
        let (old, new) = (npc.issue(&old, now()).await.unwrap(), npc.issue(&new, now()).await.unwrap());
        assert_eq!(old.holder_no, new.holder_no);
        assert_eq!(npc.status(&old.serial, now()).await.unwrap().unwrap(), CertificateState::Good);
        npc.suspend(card(2), SuspensionCause::Loss, "hotline", now()).await.unwrap();
        npc.revoke(card(2), RevocationReason::Superseded, "clerk", now()).await.unwrap();
        assert_eq!(npc.status(&old.serial, now()).await.unwrap().unwrap(), CertificateState::Good);
        // A certificate card has two periods too (NPC-27); its first certificate and what was another card's stay as they are.
        let mut again = card_of(1, Carrier::CertificateCard, "6789", 2).await;
        again.request_id = id(0x9001);
        again.slot = KeySlot::SigningEc;
        again.csr = csr_of(&ec(curve::Curve::P521, 1));
        again.period = Period::Reissue { day: date("2031-09-01") };
        let virtual_card = IssueRequest { carrier: Carrier::VirtualSmartCard, ..again.clone() };
        assert_eq!(npc.issue(&virtual_card, now()).await.err().unwrap().code(), "NPC-REQUEST");
        let second = npc.issue(&again, now()).await.unwrap();
        assert_eq!(second.validity.not_after.to_string(), "2036-08-01T15:59:59Z");
        let reason = RevocationReason::AffiliationChanged;
        npc.revoke_certificate(&old.serial, reason, "clerk", now()).await.unwrap();
        assert_eq!(npc.status(&second.serial, now()).await.unwrap().unwrap(), CertificateState::Good);
        let states = npc.certificates_of(card(1), now()).await.unwrap();
        assert_eq!(states[0].state.as_str(), "revoked");
        // A foreign resident: the tail of the permit's number, five years, whatever the permit says of itself.
        let foreign = card_of(3, Carrier::ForeignResidentCard, "0123", 2).await;
        let foreign = npc.issue(&foreign, now()).await.unwrap();
        let certificate = Certificate::parse(&foreign.der).unwrap();
        assert_eq!(certificate.directory_attribute(oid::GPKI_TAIL_OF_CITIZEN_ID), Some("0123"));
        assert_eq!(foreign.validity.not_after.to_string(), "2031-08-01T15:59:59Z");
        // What the carrier is belongs to the request: the same one cannot become another's.
        let mut other = card_of(1, Carrier::CertificateCard, "6789", 0).await;
        other.carrier = Carrier::NewEid;
        assert_eq!(npc.issue(&other, now()).await.err().unwrap().code(), "NPC-CONFLICT");
    })
    .await;
}
