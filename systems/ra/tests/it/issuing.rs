//! A certificate-only card has both of its first certificates or none that counts, and can be ended at every moment in between.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use curve::rsa::RsaPrivateKey;
use curve::{Curve, SecretKey, SystemRandom};
use jiff::Timestamp;
use model::{CardSerial, CertificateState, KeySlot, RevocationReason, SuspensionCause};
use npc::{Carrier, CertificateAuthority, IssueRequest, IssuedCertificate, NpcError, Receipt};
use ra::functions::{Channel, Function};
use ra::{Config, Detail, Done, NewCard, Outcome, Proof, Ra, RaError, Request};
use registry::Change;
use sealed::SharedRandom;
use store::When;
use x509::{EcSigner, Name, RsaSigner, Serial, Signer};

use crate::support::{Counter, Desk, code, refused, request};
use crate::world::directory;

/// A request of a fresh RSA-2048 key; the n-th of this process, whose tests have databases of their own.
fn nth(n: usize) -> Vec<u8> {
    static MADE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap();
    while made.len() <= n {
        made.push(csr(&RsaSigner::new(RsaPrivateKey::generate(2048).unwrap())));
    }
    made[n].clone()
}

fn csr(signer: &dyn Signer) -> Vec<u8> {
    let subject = Name::builder().country("TW").common_name("card").build().unwrap();
    x509::csr::build(&subject, signer.spki(), signer.algorithm(), |info| signer.sign(info)).unwrap()
}

fn elliptic() -> Vec<u8> {
    csr(&EcSigner::new(SecretKey::generate(Curve::P521, &mut SystemRandom)))
}

fn asked(counter: &Counter, card: CardSerial, signing: &[u8], encryption: &[u8]) -> Request {
    let new = NewCard {
        carrier: Carrier::CertificateCard,
        person: counter.person.id,
        resident_name: None,
        requests: vec![
            (KeySlot::SigningRsa, signing.to_vec()),
            (KeySlot::EncryptionRsa, encryption.to_vec()),
        ],
    };
    request(Function::Issue, card, Detail::NewCard(Box::new(new)), counter.world.now)
}

async fn issue(counter: &Counter, asked: &Request) -> Result<Done, RaError> {
    counter.ra.act(Channel::Counter, asked, &counter.clerk(), None, counter.world.now).await
}

async fn change(counter: &Counter, function: Function, card: CardSerial) -> Result<Done, RaError> {
    let asked = request(function, card, Detail::Nothing, counter.world.now);
    counter.ra.act(Channel::Counter, &asked, &counter.clerk(), None, counter.world.now).await
}

/// The same key twice, and a key of another kind: nothing is issued, and the card is free for a sound pair.
// proves: NPC-02, NPC-54
#[tokio::test(flavor = "multi_thread")]
async fn what_one_request_is_refused_for_refuses_both() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let card: CardSerial = "TWC000001".parse().unwrap();
        let (one, two, curve) = (nth(0), nth(1), elliptic());
        for (signing, encryption, code) in [
            (&one, &one, "NPC-DUPLICATE-KEY"),
            (&one, &curve, "NPC-KEY-TYPE"),
            (&curve, &one, "NPC-KEY-TYPE"),
        ] {
            assert_eq!(refused(issue(&counter, &asked(&counter, card, signing, encryption)).await), code);
            assert!(counter.world.certificate_states(card).await.is_empty(), "{code}");
            assert!(!counter.ra.is_certificate_card(card).await.unwrap());
        }
        issue(&counter, &asked(&counter, card, &one, &two)).await.unwrap();
        assert_eq!(counter.world.certificate_states(card).await, ["good"; 2]);
        // Asked for otherwise once more: refused, and what is there stays.
        let other = asked(&counter, card, &one, &nth(2));
        assert_eq!(refused(issue(&counter, &other).await), "NPC-SLOT-TAKEN");
        assert_eq!(counter.world.certificate_states(card).await, ["good"; 2]);
        counter.close().await;
    })
    .await;
}

/// While issuing is stopped nothing is applied for in vain; what was issued before the stop is handed over.
// proves: NPC-55
#[tokio::test(flavor = "multi_thread")]
async fn while_issuing_is_stopped_no_application_is_taken() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let (now, npc) = (counter.world.now, &counter.world.npc);
        let first: CardSerial = "TWC000001".parse().unwrap();
        let begun = asked(&counter, first, &nth(0), &nth(1));
        // Issued, and nobody was told.
        counter.db.fail_after(3, When::BeforeCommit);
        issue(&counter, &begun).await.unwrap_err();
        assert!(counter.db.revive());
        assert_eq!(counter.world.certificate_states(first).await, ["good"; 2]);
        npc.stop_issuing("anna", now).await.unwrap();

        let wish = asked(&counter, "TWC000002".parse().unwrap(), &nth(2), &nth(3));
        assert_eq!(refused(issue(&counter, &wish).await), "RA-E-ISSUING-STOPPED");
        let rows =
            counter.db.one("SELECT count(*) FROM request WHERE id = $1", store::params![wish.id]).await;
        assert_eq!(rows.unwrap().read::<i64>(0).unwrap(), 0, "nothing is begun");
        let by_code = Proof::UserCode(code());
        let extend = request(Function::Extend, counter.card, Detail::Nothing, now);
        let result = counter.ra.act(Channel::Online, &extend, &by_code, Some(counter.reader()), now).await;
        assert_eq!(refused(result), "RA-E-ISSUING-STOPPED");
        let (_, device) = crate::virtual_cards::device(counter.person.id);
        for (function, detail) in [(Function::Modify, Detail::Nothing), (Function::VirtualCard, device)] {
            let asked = request(function, counter.card, detail, now);
            let signed = counter.sign(&asked, KeySlot::SigningRsa);
            let result = counter.ra.act(Channel::Online, &asked, &signed, None, now).await;
            assert_eq!(refused(result), "RA-E-ISSUING-STOPPED");
        }
        // What needs no certificate goes on, and so does what was begun.
        counter.online(Function::Suspend, Detail::Nothing).await.unwrap();
        let done = issue(&counter, &begun).await.unwrap();
        assert!(matches!(done.outcome, Outcome::Certificates(all) if all.0.len() == 2));
        npc.start_issuing("anna", now).await.unwrap();
        issue(&counter, &wish).await.unwrap();
        counter.close().await;
    })
    .await;
}

/// Killed at every commit of either system: what exists can be suspended, and the same request ends with one pair.
// proves: NPC-54
#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_being_issued_can_be_ended_at_every_moment() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let mut number = 0;
        let mut halfway = 0;
        // The CA's commits and our own.
        for ours in [false, true] {
            for n in 1.. {
                let mut reached = true;
                for when in [When::BeforeCommit, When::AfterCommit] {
                    number += 1;
                    let card = CardSerial::new("TWC", number).unwrap();
                    let keys = 2 * number as usize;
                    let wish = asked(&counter, card, &nth(keys), &nth(keys + 1));
                    if ours {
                        counter.db.fail_after(n, when)
                    } else {
                        counter.world.kill_at(2, n, when)
                    }
                    let result = issue(&counter, &wish).await;
                    if result.is_ok() {
                        counter.db.revive();
                        reached = false;
                        break;
                    }
                    let now = counter.world.now;
                    counter = counter.reopen(&url, &dir, now).await;
                    let there = counter.world.certificate_states(card).await;
                    if !there.is_empty() {
                        halfway += 1;
                        change(&counter, Function::Suspend, card).await.unwrap();
                        assert!(
                            counter.world.certificate_states(card).await.iter().all(|s| *s == "suspended")
                        );
                        change(&counter, Function::Resume, card).await.unwrap();
                    }
                    // What was begun is taken up on the next day.
                    let sql = "SELECT 1 FROM request WHERE id = $1";
                    if counter.db.optional(sql, store::params![wish.id]).await.unwrap().is_some() {
                        counter.world.now += jiff::SignedDuration::from_hours(24);
                    }
                    let done = issue(&counter, &wish).await.unwrap();
                    assert!(matches!(done.outcome, Outcome::Certificates(all) if all.0.len() == 2));
                    assert_eq!(counter.world.certificate_states(card).await, ["good"; 2]);
                    assert_eq!(issue(&counter, &wish).await.unwrap().receipt, done.receipt);
                }
                if !reached {
                    assert!(n > 3, "{ours} {n}");
                    break;
                }
            }
        }
        assert!(halfway >= 2, "{halfway}");
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

/// The register takes the right away while a card is being issued: before anything is issued, and before what was issued is here.
// proves: NPC-33, NPC-51
#[tokio::test(flavor = "multi_thread")]
async fn the_register_ends_a_card_that_is_being_issued() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let now = counter.world.now;
        let (before, after): (CardSerial, CardSerial) =
            ("TWC000001".parse().unwrap(), "TWC000002".parse().unwrap());
        let first = asked(&counter, before, &nth(0), &nth(1));
        // Begun here and entered; the CA stores nothing. Its holder number is a commit of its own.
        counter.db.fail_after(2, When::AfterCommit);
        assert!(issue(&counter, &first).await.is_err());
        assert!(counter.db.revive());
        assert!(counter.ra.is_certificate_card(before).await.unwrap());
        let second = asked(&counter, after, &nth(2), &nth(3));
        // Issued, and the receipt is missing.
        counter.db.fail_after(3, When::BeforeCommit);
        assert!(issue(&counter, &second).await.is_err());
        assert!(counter.db.revive());
        assert_eq!(counter.world.certificate_states(after).await, ["good"; 2]);

        counter.world.register.record(&counter.person.id, &Change::Guardianship(true), now).await.unwrap();
        counter.ra.follow_register(now).await.unwrap();
        assert_eq!(counter.world.certificate_states(after).await, ["revoked"; 2]);
        // Whoever ended them: neither the clerk nor the holder.
        let all = audit::events(&counter.db, None, 0, 1_000).await.unwrap();
        let ends: Vec<_> = all.iter().filter(|entry| entry.action == "card-end").collect();
        assert_eq!(ends.len(), 2);
        assert!(ends.iter().all(|entry| entry.actor == "register-events"));
        for wish in [&first, &second] {
            assert_eq!(refused(issue(&counter, wish).await), "MGMT-E-GUARDIANSHIP-NO-CERTIFICATE");
        }
        // A request on its way reaches the CA only now, and whoever sent it is gone.
        let late = IssueRequest {
            request_id: uuid::Uuid::from_bytes([9; 16]),
            carrier: Carrier::CertificateCard,
            card: before,
            chip_model: None,
            slot: KeySlot::SigningRsa,
            csr: nth(4),
            subject_name: counter.person.name.chinese().to_owned(),
            id_tail: counter.person.id.tail().to_owned(),
            holder_no: counter.world.npc.certificates_of(counter.card, now).await.unwrap()[0]
                .holder_no
                .clone(),
            issue_date: model::RocDate::in_taipei(now),
            renewal_date: None,
            period: npc::Period::First,
        };
        counter.world.npc.issue(&late, now).await.unwrap();
        assert_eq!(counter.world.certificate_states(before).await, ["good"]);
        counter.ra.follow_register(now).await.unwrap();
        assert_eq!(counter.world.certificate_states(before).await, ["revoked"]);
        counter.close().await;
    })
    .await;
}

/// The certificates of one card cannot be revoked: those of the person's other cards are, and those of persons whom the register names
/// later. Whoever follows it hears of that one, which is tried again until it is done.
// proves: NPC-33, NPC-51
#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_cannot_be_revoked_holds_up_no_other() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let (world, now) = (&counter.world, counter.world.now);
        let other = world.person(2).await;
        let cards = ["TWC000001", "TWC000002", "TWC000003"].map(|card| card.parse::<CardSerial>().unwrap());
        for (place, card) in cards.into_iter().enumerate() {
            let mut wish = asked(&counter, card, &nth(2 * place), &nth(2 * place + 1));
            if place == 2
                && let Detail::NewCard(new) = &mut wish.detail
            {
                new.person = other.id;
            }
            issue(&counter, &wish).await.unwrap();
        }
        // A row of the CA's that nobody can read.
        let npc = &world.dbs[2];
        let sql =
            "SELECT state FROM certificate_state JOIN certificate USING (serial) WHERE card = 'TWC000001'";
        let whole: String = npc.all(sql, store::params![]).await.unwrap()[0].read(0).unwrap();
        let sql = "UPDATE certificate_state SET state = $1 \
            WHERE serial IN (SELECT serial FROM certificate WHERE card = 'TWC000001')";
        assert_eq!(npc.execute(sql, store::params!["broken"]).await.unwrap(), 2);
        for person in [&counter.person, &other] {
            world.register.record(&person.id, &Change::Guardianship(true), now).await.unwrap();
        }
        for _ in 0..2 {
            let told = counter.ra.follow_register(now).await.unwrap_err();
            assert_eq!(told.code(), "NPC-INCONSISTENT");
            for card in &cards[1..] {
                assert_eq!(world.certificate_states(*card).await, ["revoked"; 2], "{card}");
            }
        }
        // Ended it is all the same.
        let again = asked(&counter, cards[0], &nth(6), &nth(7));
        assert_eq!(refused(issue(&counter, &again).await), "MGMT-E-GUARDIANSHIP-NO-CERTIFICATE");
        assert_eq!(npc.execute(sql, store::params![&whole]).await.unwrap(), 2);
        assert_eq!(world.certificate_states(cards[0]).await, ["good"; 2]);
        counter.ra.follow_register(now).await.unwrap();
        assert_eq!(world.certificate_states(cards[0]).await, ["revoked"; 2]);
        assert_eq!(counter.ra.follow_register(now).await.unwrap(), 0);
        let left = counter.db.one("SELECT count(*) FROM to_revoke", store::params![]).await.unwrap();
        assert_eq!(left.read::<i64>(0).unwrap(), 0);
        let all = audit::events(&counter.db, None, 0, 1_000).await.unwrap();
        assert_eq!(all.iter().filter(|entry| entry.action == "card-end").count(), 3, "each once");
        counter.close().await;
    })
    .await;
}

/// Two sound requests, of which another is quicker with one key: the other half is revoked, and the card has nothing.
// proves: NPC-54
#[tokio::test(flavor = "multi_thread")]
async fn half_a_pair_is_revoked() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let quicker = Arc::new(Quicker(counter.world.npc.clone()));
        let keys = sealed::MasterKey::generate(&mut curve::SeedRandom::new(b"ra"));
        let hurried = Ra::open(
            counter.db.clone(),
            Arc::new(counter.world.mgmt.clone()),
            quicker,
            counter.world.register.clone(),
            &keys,
            Config::default(),
            SharedRandom::new(SystemRandom),
        );
        let hurried = Desk::new(hurried.await.unwrap(), &counter.world);
        let card: CardSerial = "TWC000001".parse().unwrap();
        let key = nth(0);
        let wish = asked(&counter, card, &key, &key);
        let result = hurried.act(Channel::Counter, &wish, &counter.clerk(), None, counter.world.now).await;
        assert_eq!(refused(result), "NPC-DUPLICATE-KEY");
        let all = counter.world.npc.certificates_of(card, counter.world.now).await.unwrap();
        assert!(matches!(
            all[..],
            [IssuedCertificate { state: CertificateState::Revoked { reason, .. }, .. }]
                if reason == RevocationReason::CessationOfOperation
        ));
        assert!(counter.ra.is_certificate_card(card).await.unwrap());
        // Nothing more comes of it, with these keys or with others.
        for wish in [wish, asked(&counter, card, &nth(1), &nth(2))] {
            assert_eq!(refused(issue(&counter, &wish).await), "RA-E-ENDED");
        }
        counter.close().await;
    })
    .await;
}

/// The CA as a caller finds it who was told that all is well, a moment before somebody else was quicker.
struct Quicker(Arc<npc::Npc>);

#[async_trait]
impl CertificateAuthority for Quicker {
    async fn check_many(&self, requests: &[IssueRequest], _now: Timestamp) -> Vec<Result<(), NpcError>> {
        requests.iter().map(|_| Ok(())).collect()
    }

    async fn holder_number(&self, person: &[u8; 32], now: Timestamp) -> Result<String, NpcError> {
        self.0.holder_number(person, now).await
    }

    async fn issue(&self, request: &IssueRequest, now: Timestamp) -> Result<IssuedCertificate, NpcError> {
        self.0.issue(request, now).await
    }

    async fn suspend(
        &self,
        card: CardSerial,
        cause: SuspensionCause,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt, NpcError> {
        self.0.suspend(card, cause, actor, now).await
    }

    async fn resume(
        &self,
        card: CardSerial,
        cause: SuspensionCause,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt, NpcError> {
        self.0.resume(card, cause, actor, now).await
    }

    async fn revoke(
        &self,
        card: CardSerial,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt, NpcError> {
        self.0.revoke(card, reason, actor, now).await
    }

    async fn revoke_certificate(
        &self,
        serial: &Serial,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt, NpcError> {
        self.0.revoke_certificate(serial, reason, actor, now).await
    }

    async fn certificates_of(
        &self,
        card: CardSerial,
        now: Timestamp,
    ) -> Result<Vec<IssuedCertificate>, NpcError> {
        self.0.certificates_of(card, now).await
    }

    async fn publish(
        &self,
        card: CardSerial,
        published: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt, NpcError> {
        self.0.publish(card, published, actor, now).await
    }

    async fn is_published(&self, card: CardSerial) -> Result<bool, NpcError> {
        self.0.is_published(card).await
    }

    async fn certificate(
        &self,
        serial: &Serial,
        now: Timestamp,
    ) -> Result<Option<IssuedCertificate>, NpcError> {
        self.0.certificate(serial, now).await
    }

    async fn status(&self, serial: &Serial, now: Timestamp) -> Result<Option<CertificateState>, NpcError> {
        self.0.status(serial, now).await
    }

    async fn issuing_is_stopped(&self) -> Result<bool, NpcError> {
        self.0.issuing_is_stopped().await
    }

    async fn rest_on(
        &self,
        device: CardSerial,
        primary: CardSerial,
        holder_no: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<model::RocDate, NpcError> {
        self.0.rest_on(device, primary, holder_no, actor, now).await
    }

    async fn carrier_fee(&self, carrier: Carrier) -> Result<u32, NpcError> {
        self.0.carrier_fee(carrier).await
    }

    async fn chain_of(&self, certificate: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>, NpcError> {
        self.0.chain_of(certificate).await
    }
}
