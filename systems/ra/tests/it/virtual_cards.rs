//! Devices whose certificates rest on a card: the holder applies with the card itself.

use model::{KeySlot, NationalIdNo, RevocationReason};
use npc::CertificateAuthority;
use ra::functions::{Channel, Function};
use ra::{Detail, Device, Done, HandedOver, Outcome, Proof, RaError};
use store::{When, params};
use x509::Certificate;

use crate::certificate_cards::{OtherCard, csr};
use crate::support::{Counter, code, refused, request};
use crate::world::directory;

/// The keys of a device, which sign as those of another make of card do.
pub(crate) fn device(person: NationalIdNo) -> (OtherCard, Detail) {
    let keys = OtherCard::new("VXX000000", person, None);
    let requests =
        vec![(KeySlot::SigningRsa, csr(&keys.signing)), (KeySlot::EncryptionRsa, csr(&keys.encryption))];
    (keys, Detail::Device(Box::new(Device { person, requests })))
}

fn handed(done: Result<Done, RaError>) -> (model::CardSerial, HandedOver) {
    let Outcome::VirtualCard(serial, handed) = done.unwrap().outcome else { panic!("a virtual card") };
    (serial, handed)
}

// proves: NPC-63
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_applies_for_a_virtual_smart_card_with_the_card() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let (now, person) = (counter.world.now, counter.person.id);
        let (mut phone, detail) = device(person);
        let asked = request(Function::VirtualCard, counter.card, detail, now);
        let act = async |counter: &Counter, channel, asked: &ra::Request, proof: &Proof| {
            counter.ra.act(channel, asked, proof, None, now).await
        };
        // With the card and nothing less, for its holder and nobody else.
        let by_code = act(&counter, Channel::Online, &asked, &Proof::UserCode(code())).await;
        assert_eq!(refused(by_code), "RA-E-NOT-AUTHORISED");
        assert_eq!(
            refused(act(&counter, Channel::Counter, &asked, &counter.clerk()).await),
            "RA-E-NOT-OFFERED"
        );
        let (_, other) = device(NationalIdNo::sample(model::Sex::Male, [8; 9]));
        let other = request(Function::VirtualCard, counter.card, other, now);
        let signed = counter.sign(&other, KeySlot::SigningRsa);
        assert_eq!(refused(act(&counter, Channel::Online, &other, &signed).await), "RA-E-OTHER-PERSON");
        assert_eq!(refused(act(&counter, Channel::Online, &asked, &signed).await), "RA-E-SIGNATURE");
        let links = async |counter: &Counter| -> i64 {
            let row = counter.world.dbs[2].one("SELECT count(*) FROM derived", params![]).await.unwrap();
            row.read(0).unwrap()
        };
        assert_eq!(links(&counter).await, 0);

        // The program dies in the middle; the same request goes on with the same number.
        let proof = counter.sign(&asked, KeySlot::SigningRsa);
        counter.world.kill_at(2, 2, When::BeforeCommit);
        assert!(act(&counter, Channel::Online, &asked, &proof).await.is_err());
        assert!(counter.world.dbs[2].revive());
        let counter = counter.reopen(&url, &dir, now).await;
        let (serial, certificates) = handed(act(&counter, Channel::Online, &asked, &proof).await);
        assert_eq!(links(&counter).await, 1);
        let again = act(&counter, Channel::Online, &asked, &proof).await.unwrap();
        assert!(again.repeated && again.charges.total() == 0);
        assert_eq!(handed(Ok(again)), (serial, certificates.clone()));

        // What the card says, of secondary rank, no longer than the card.
        let of_card = counter.world.npc.certificates_of(counter.card, now).await.unwrap();
        let issued = counter.world.npc.certificates_of(serial, now).await.unwrap();
        assert_eq!(issued.len(), 2);
        for ((slot, der), issued) in certificates.0.iter().zip(&issued) {
            let certificate = Certificate::parse(der).unwrap();
            assert_eq!(certificate.directory_attribute(tlv::oid::GPKI_HOLDER_RANK), Some("secondary"));
            assert_eq!((*slot, &issued.holder_no), (issued.slot, &of_card[0].holder_no));
            let card = Certificate::parse(&of_card[0].der).unwrap();
            let name = |certificate: &Certificate| {
                certificate.subject_name().unwrap().common_name().map(str::to_owned)
            };
            assert_eq!(name(&certificate), name(&card));
            assert!(certificate.not_after() <= card.not_after());
        }
        // It follows the card, acts for itself as a card does, and no other rests on it.
        phone.serial = serial;
        counter.at_counter(Function::Suspend, Detail::Nothing).await.unwrap();
        assert_eq!(counter.world.certificate_states(serial).await, ["suspended"; 2]);
        counter.at_counter(Function::Resume, Detail::Nothing).await.unwrap();
        assert_eq!(counter.world.certificate_states(serial).await, ["good"; 2]);
        let own = phone.by_pin2(&counter, Function::Barcode, Detail::Nothing).await.unwrap();
        assert!(matches!(own.outcome, Outcome::Barcode(_)));
        let (_, second) = device(person);
        assert_eq!(refused(phone.by_pin2(&counter, Function::VirtualCard, second).await), "NPC-PRIMARY");
        let reason = Detail::Reason(RevocationReason::Superseded);
        phone.by_pin2(&counter, Function::Revoke, reason).await.unwrap();
        assert_eq!(counter.world.certificate_states(serial).await, ["revoked"; 2]);
        assert_eq!(counter.world.certificate_states(counter.card).await, ["good"; 2]);

        // Five at a time; one that was given up counts no more.
        let one_more = async |counter: &Counter| {
            let (_, detail) = device(person);
            let asked = request(Function::VirtualCard, counter.card, detail, now);
            let signed = counter.sign(&asked, KeySlot::SigningRsa);
            act(counter, Channel::Online, &asked, &signed).await
        };
        let (first, _) = handed(one_more(&counter).await);
        for _ in 1..5 {
            handed(one_more(&counter).await);
        }
        assert_eq!(refused(one_more(&counter).await), "NPC-DEVICES");
        counter.world.npc.revoke(first, RevocationReason::Superseded, "clerk", now).await.unwrap();
        handed(one_more(&counter).await);

        // A certificate-only card is a card to rest on too.
        let card = OtherCard::new("TWC000001", person, None);
        card.issue(&counter).await;
        let (_, detail) = device(person);
        let (third, _) = handed(card.by_pin2(&counter, Function::VirtualCard, detail).await);
        assert_ne!(third, serial);
        card.at_counter(&counter, Function::ReportLoss, Detail::Nothing).await.unwrap();
        assert_eq!(counter.world.certificate_states(third).await, ["suspended"; 2]);
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}
