//! Virtual smart cards: what rests on a card follows it.

use curve::Hash;
use model::{CertificateState, KeySlot, RevocationReason, SuspensionCause};
use npc::{Carrier, CertificateAuthority, Cohort, Enrolment, IssueRequest, Measure, Npc, NpcError};
use store::testkit::each_engine;
use store::{Db, params};
use tlv::oid;
use x509::Certificate;
use x509::extension::DirectoryValue;

use crate::support::*;

const RA: &str = "virtual-cards";

async fn country(db: &Db) -> Npc {
    let npc = open(db).await;
    // Whose messages count over CMP is tested there; here it is a name to enrol under.
    let ra = npc.ca_certificates().cmp;
    registered(&npc, RA, ra.der(), now()).await;
    npc
}

/// The enrolment of a virtual smart card of whoever has the card.
fn enrolment(number: u32, holder: u32, rests_on: Option<u32>) -> Enrolment {
    Enrolment {
        request_id: id(u128::from(number) << 8),
        ra: RA.into(),
        carrier: Carrier::VirtualSmartCard,
        card: card(number),
        rests_on: rests_on.map(card),
        chip_model: None,
        slot: KeySlot::SigningRsa,
        person: Hash::Sha256.digest(&holder.to_be_bytes()).try_into().unwrap(),
        subject_name: "測試用𠮷田".into(),
        id_tail: "6789".into(),
        issue_date: date("2026-08-05"),
        renewal_date: None,
        reissue: None,
    }
}

/// What the registration authority makes of the enrolment when the device has sent its key.
async fn wish(npc: &Npc, db: &Db, e: &Enrolment, key: usize) -> IssueRequest {
    let row = db.one("SELECT renewal_date FROM enrolment WHERE card = $1", params![e.card.as_str()]).await;
    IssueRequest {
        request_id: e.request_id,
        carrier: e.carrier,
        card: e.card,
        chip_model: None,
        slot: e.slot,
        csr: csr_of(&rsa(key)),
        subject_name: e.subject_name.clone(),
        id_tail: e.id_tail.clone(),
        holder_no: npc.holder_number(&e.person, now()).await.unwrap(),
        issue_date: e.issue_date,
        renewal_date: row.unwrap().read::<Option<String>>(0).unwrap().map(|text| date(&text)),
        period: npc::Period::First,
    }
}

// proves: MOBILE-16, MOBILE-19
#[tokio::test]
async fn a_virtual_smart_card_follows_the_card_it_rests_on() {
    each_engine("derived", async |db| {
        let npc = country(&db).await;
        let primary = issued(&npc, 7, KeySlot::SigningRsa, 0).await;
        let e = enrolment(1007, 7, Some(7));
        npc.enrol(&e, "clerk", now()).await.unwrap();
        let derived = npc.issue(&wish(&npc, &db, &e, 1).await, now()).await.unwrap();
        let certificate = Certificate::parse(&derived.der).unwrap();
        let secondary = (oid::GPKI_HOLDER_RANK, DirectoryValue::Printable("secondary".into()));
        assert!(certificate.directory_attributes().contains(&secondary));
        let of_card = Certificate::parse(&primary.der).unwrap();
        assert_eq!(of_card.directory_attribute(oid::GPKI_HOLDER_RANK), None);
        // Five years from a later day would be longer than the card's own.
        assert_eq!(certificate.not_after(), of_card.not_after());
        assert_eq!(derived.holder_no, primary.holder_no);
        let link =
            db.one("SELECT rests_on, linked_by FROM derived WHERE card = 'TWA001007'", params![]).await;
        let link = link.unwrap();
        assert_eq!(link.read::<String>(0).unwrap(), card(7).as_str());
        assert_eq!(link.read::<String>(1).unwrap(), "clerk");

        let state = async || npc.status(&derived.serial, now()).await.unwrap().unwrap();
        let causes = async || match state().await {
            CertificateState::Suspended { causes } => causes.into_keys().collect::<Vec<_>>(),
            CertificateState::Good => Vec::new(),
            state => panic!("{state:?}"),
        };
        use SuspensionCause::{Holder, Loss, Primary};
        let receipt = npc.suspend(card(7), Loss, "clerk", now()).await.unwrap();
        assert_eq!(receipt.changed, [primary.serial, derived.serial]);
        assert_eq!(causes().await, [Primary]);
        // Its own suspension is its own; the card's second cause changes nothing more.
        npc.suspend(derived.card, Holder, "holder", now()).await.unwrap();
        npc.suspend(card(7), Holder, "holder", now()).await.unwrap();
        npc.resume(card(7), Loss, "clerk", now()).await.unwrap();
        assert_eq!(causes().await, [Holder, Primary]);
        npc.resume(card(7), Holder, "holder", now()).await.unwrap();
        assert_eq!(causes().await, [Holder]);
        npc.resume(derived.card, Holder, "holder", now()).await.unwrap();
        assert_eq!(state().await, CertificateState::Good);
        // What befalls the device does not befall the card.
        npc.suspend(derived.card, Loss, "holder", now()).await.unwrap();
        assert_eq!(npc.status(&primary.serial, now()).await.unwrap(), Some(CertificateState::Good));
        npc.revoke(card(7), RevocationReason::CessationOfOperation, "clerk", now()).await.unwrap();
        assert!(matches!(
            state().await,
            CertificateState::Revoked { reason: RevocationReason::CessationOfOperation, .. }
        ));
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

// proves: LOSS-07
#[tokio::test]
async fn a_virtual_smart_card_follows_the_incidents_of_its_card() {
    each_engine("derived_incidents", async |db| {
        let npc = country(&db).await;
        issued(&npc, 7, KeySlot::SigningRsa, 0).await;
        let e = enrolment(1007, 7, Some(7));
        npc.enrol(&e, "clerk", now()).await.unwrap();
        let derived = npc.issue(&wish(&npc, &db, &e, 1).await, now()).await.unwrap();
        let state = async || npc.status(&derived.serial, now()).await.unwrap().unwrap().as_str();
        let incident = async |measure| {
            let cohort = Cohort { cards: Some((card(7), card(7))), ..Cohort::default() };
            let proposed = npc.propose_incident(cohort, measure, "anna", now()).await.unwrap();
            let done = npc.approve_incident(proposed.number, "bert", now()).await.unwrap();
            // The cohort was the card's certificate alone.
            assert_eq!(done.changed, 1);
            proposed.number
        };
        let first = incident(Measure::Suspend).await;
        assert_eq!(state().await, "suspended");
        let sql = "SELECT kind, actor, incident FROM event WHERE serial = $1 AND incident IS NOT NULL";
        let event = db.one(sql, params![derived.serial.octets()]).await.unwrap();
        assert_eq!(event.read::<String>(0).unwrap(), "suspend");
        assert_eq!(event.read::<String>(1).unwrap(), "bert");
        assert_eq!(event.read::<i64>(2).unwrap(), first as i64);
        incident(Measure::Resume { of: first }).await;
        assert_eq!(state().await, "good");
        // Two causes that overlap: the card holds again when the second has ended, and so does what rests on it.
        npc.suspend(card(7), SuspensionCause::Loss, "clerk", now()).await.unwrap();
        let second = incident(Measure::Suspend).await;
        npc.resume(card(7), SuspensionCause::Loss, "clerk", now()).await.unwrap();
        assert_eq!(state().await, "suspended");
        incident(Measure::Resume { of: second }).await;
        assert_eq!(state().await, "good");
        incident(Measure::Revoke(RevocationReason::KeyCompromise)).await;
        assert_eq!(state().await, "revoked");
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_virtual_smart_card_rests_on_a_card_of_its_holder_that_holds() {
    each_engine("derived_refused", async |db| {
        let npc = country(&db).await;
        issued(&npc, 7, KeySlot::SigningRsa, 0).await;
        issued(&npc, 8, KeySlot::EncryptionRsa, 2).await;
        let refused = async |e: &Enrolment| npc.enrol(e, "clerk", now()).await.unwrap_err().code();
        // No card, nobody's card, another holder's, one without a certificate that signs.
        assert_eq!(refused(&enrolment(1007, 7, None)).await, "NPC-REQUEST");
        assert_eq!(refused(&enrolment(1007, 7, Some(99))).await, "NPC-PRIMARY");
        assert_eq!(refused(&enrolment(1007, 8, Some(7))).await, "NPC-PRIMARY");
        assert_eq!(refused(&enrolment(1008, 8, Some(8))).await, "NPC-PRIMARY");
        let plain = Enrolment { carrier: Carrier::CertificateCard, ..enrolment(1007, 7, Some(7)) };
        assert_eq!(refused(&plain).await, "NPC-REQUEST");
        assert_eq!(count(&db, "derived").await + count(&db, "enrolment").await, 0, "nothing half done");

        let e = enrolment(1007, 7, Some(7));
        npc.enrol(&e, "clerk", now()).await.unwrap();
        npc.enrol(&e, "clerk", now()).await.unwrap();
        let good = wish(&npc, &db, &e, 1).await;
        // Without a link there is no such certificate, nor one that outlasts the card, nor while the card is suspended.
        let issue = async |request: IssueRequest| match npc.issue(&request, now()).await {
            Ok(_) => "issued",
            Err(error) => error.code(),
        };
        assert_eq!(issue(IssueRequest { card: card(1009), ..good.clone() }).await, "NPC-PRIMARY");
        assert_eq!(issue(IssueRequest { renewal_date: None, ..good.clone() }).await, "NPC-PRIMARY");
        npc.suspend(card(7), SuspensionCause::Loss, "clerk", now()).await.unwrap();
        assert_eq!(issue(good.clone()).await, "NPC-PRIMARY");
        npc.resume(card(7), SuspensionCause::Loss, "clerk", now()).await.unwrap();
        assert_eq!(issue(good).await, "issued");
        // It carries no other.
        let other = Enrolment { slot: KeySlot::SigningRsa, ..enrolment(1010, 7, Some(1007)) };
        assert_eq!(refused(&other).await, "NPC-PRIMARY");
        // Nor does it move to another card of the holder's.
        let second = IssueRequest { card: card(9), ..request(&npc, 7, KeySlot::SigningEc, 0).await };
        npc.issue(&second, now()).await.unwrap();
        let more = Enrolment { request_id: id(5), slot: KeySlot::EncryptionRsa, ..e };
        assert_eq!(refused(&Enrolment { rests_on: Some(card(9)), ..more.clone() }).await, "NPC-PRIMARY");
        npc.enrol(&more, "clerk", now()).await.unwrap();
    })
    .await;
}

/// A card is revoked while a certificate that rests on it is made: one of the two sees the other, in whichever order.
#[tokio::test]
async fn no_virtual_smart_card_outlives_its_card_by_a_race() {
    each_engine("derived_race", async |db| {
        let npc = country(&db).await;
        for round in 0..4 {
            let (number, key) = (20 + round, round as usize);
            let request = request(&npc, number, KeySlot::SigningEc, 0).await;
            npc.issue(&request, now()).await.unwrap();
            let e = enrolment(2000 + number, number, Some(number));
            npc.enrol(&e, "clerk", now()).await.unwrap();
            let wished = wish(&npc, &db, &e, key).await;
            let (issued, revoked) = tokio::join!(npc.issue(&wished, now()), async {
                npc.revoke(card(number), RevocationReason::Superseded, "clerk", now()).await
            });
            revoked.unwrap();
            if let Err(error) = issued {
                assert!(matches!(error, NpcError::Primary(_) | NpcError::Revoked(_)), "{error}");
            }
            let sql = "SELECT count(*) FROM certificate JOIN certificate_state USING (serial) \
                WHERE card = $1 AND status <> 2";
            let left = db.one(sql, params![e.card.as_str()]).await.unwrap();
            assert_eq!(left.read::<i64>(0).unwrap(), 0);
        }
    })
    .await;
}

/// As many as at the registration authority's own door, those that are only enrolled among them.
#[tokio::test]
async fn no_more_than_five_devices_are_enrolled_under_a_card() {
    each_engine("derived", async |db| {
        let npc = country(&db).await;
        issued(&npc, 7, KeySlot::SigningRsa, 0).await;
        for device in 1..=5 {
            let e = enrolment(1000 + device, 7, Some(7));
            npc.enrol(&e, "clerk", now()).await.unwrap();
            if device < 3 {
                npc.issue(&wish(&npc, &db, &e, device as usize).await, now()).await.unwrap();
            }
        }
        let sixth = enrolment(1006, 7, Some(7));
        assert_eq!(npc.enrol(&sixth, "clerk", now()).await.unwrap_err().code(), "NPC-DEVICES");
        npc.enrol(&enrolment(1005, 7, Some(7)), "clerk", now()).await.unwrap();
        npc.revoke(card(1001), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        npc.enrol(&sixth, "clerk", now()).await.unwrap();
    })
    .await;
}

async fn count(db: &Db, table: &'static str) -> i64 {
    let sql = match table {
        "derived" => "SELECT count(*) FROM derived",
        _ => "SELECT count(*) FROM enrolment",
    };
    db.one(sql, params![]).await.unwrap().read(0).unwrap()
}
