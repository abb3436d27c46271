//! What holders do by themselves: with PIN2, the user code, and a code that was sent to them.

use jiff::{SignedDuration, Timestamp};
use model::{KeySlot, RevocationReason, RocDate};
use npc::CertificateAuthority;
use ra::functions::{Channel, Function};
use ra::{Detail, Outcome, Proof, Way};
use terminal::npc_card::{CertificateId, Pin2Status};
use terminal::perso::PinReference;

use crate::support::{Counter, PIN2, code, refused, request, secret};
use crate::world::{CLERK, directory};

fn years_later(now: Timestamp, days: i64) -> Timestamp {
    now + SignedDuration::from_hours(24 * days)
}

// proves: NPC-47, NPC-48, NPC-50, NPC-54, PRIVACY-09
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_carried_out_once_and_only_for_its_holder() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let (card, now) = (counter.card, counter.world.now);

        // The same request again: the same receipt, and nothing happens twice.
        let suspend = request(Function::Suspend, card, Detail::Nothing, now);
        let by_code = Proof::UserCode(code());
        let first = counter.ra.act(Channel::Online, &suspend, &by_code, None, now).await.unwrap();
        assert!(first.receipt.starts_with("RA-0") && !first.repeated);
        assert_eq!(counter.world.certificate_states(card).await, ["suspended"; 2]);
        let again = counter.ra.act(Channel::Online, &suspend, &by_code, None, now).await.unwrap();
        assert_eq!((&again.receipt, again.repeated), (&first.receipt, true));
        let mut other = suspend.clone();
        other.function = Function::Resume;
        let result = counter.ra.act(Channel::Online, &other, &by_code, None, now).await;
        assert_eq!(refused(result), "RA-E-CONFLICT");

        // A suspended certificate authorises nothing, not even its own resumption.
        let publish = request(Function::ChangePublication, card, Detail::Published(true), now);
        let signature = counter.sign(&publish, KeySlot::SigningRsa);
        let result = counter.ra.act(Channel::Online, &publish, &signature, None, now).await;
        assert_eq!(refused(result), "RA-E-SIGNATURE");
        let resume = request(Function::Resume, card, Detail::Nothing, now);
        let signed = counter.sign(&resume, KeySlot::SigningRsa);
        let result = counter.ra.act(Channel::Online, &resume, &signed, None, now).await;
        assert_eq!(refused(result), "RA-E-NOT-AUTHORISED");
        counter.online(Function::Resume, Detail::Nothing).await.unwrap();
        assert_eq!(counter.world.certificate_states(card).await, ["good"; 2]);

        // PIN2: a signature is for one request, by a signing key of this card, and fresh.
        assert!(!counter.world.npc.is_published(card).await.unwrap());
        let result = counter.ra.act(Channel::Online, &suspend_of(&suspend), &signature, None, now).await;
        assert_eq!(refused(result), "RA-E-SIGNATURE");
        let mut altered = publish.clone();
        altered.detail = Detail::Published(false);
        let result = counter.ra.act(Channel::Online, &altered, &signature, None, now).await;
        assert_eq!(refused(result), "RA-E-SIGNATURE");
        let late = now + SignedDuration::from_mins(11);
        let result = counter.ra.act(Channel::Online, &publish, &signature, None, late).await;
        assert_eq!(refused(result), "RA-E-STALE");
        counter.ra.act(Channel::Online, &publish, &signature, None, now).await.unwrap();
        assert!(counter.world.npc.is_published(card).await.unwrap());

        // The user code is counted and locked by the card management centre.
        for _ in 0..5 {
            let wrong = Proof::UserCode("wrong11".parse().unwrap());
            let query = request(Function::QueryStatus, card, Detail::Nothing, now);
            let result = counter.ra.act(Channel::Online, &query, &wrong, None, now).await;
            assert!(refused(result).starts_with("MGMT-E-USER-CODE-"));
        }
        assert_eq!(
            refused(counter.online(Function::QueryStatus, Detail::Nothing).await),
            "MGMT-E-USER-CODE-LOCKED"
        );
        counter.world.now = now + SignedDuration::from_mins(20);
        let now = counter.world.now;
        let query = request(Function::QueryStatus, card, Detail::Nothing, now);
        let asked = counter.ra.act(Channel::Online, &query, &by_code, None, now).await.unwrap();
        let Outcome::Status { certificates, published, .. } = asked.outcome else { panic!("a status") };
        assert_eq!((certificates.len(), published), (2, true));
        assert!(certificates.iter().all(|c| c.state == "good"));
        // The answer to a question is given to nobody else, whoever knows its number.
        let wrong = Proof::UserCode("wrong11".parse().unwrap());
        let result = counter.ra.act(Channel::Online, &query, &wrong, None, now).await;
        assert_eq!(refused(result), "MGMT-E-USER-CODE-WRONG");

        // For good, with PIN2 alone; the same request afterwards still gets its receipt.
        let reason = Detail::Reason(RevocationReason::CessationOfOperation);
        assert_eq!(refused(counter.online(Function::Revoke, reason.clone()).await), "RA-E-NOT-AUTHORISED");
        let revoke = request(Function::Revoke, card, reason, now);
        let signature = counter.sign(&revoke, KeySlot::SigningRsa);
        let done = counter.ra.act(Channel::Online, &revoke, &signature, None, now).await.unwrap();
        assert_eq!(counter.world.certificate_states(card).await, ["revoked"; 2]);
        let again = counter.ra.act(Channel::Online, &revoke, &signature, None, now).await.unwrap();
        assert_eq!(again.receipt, done.receipt);
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

fn suspend_of(request: &ra::Request) -> ra::Request {
    let mut other = request.clone();
    other.id = uuid::Uuid::from_bytes([7; 16]);
    other
}

/// A pair of which one certificate cannot be reissued is not reissued by half.
#[tokio::test(flavor = "multi_thread")]
async fn a_reissue_is_whole_or_none() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let card = counter.card;
        let (npc, now) = (&counter.world.npc, counter.world.now);
        let all = npc.certificates_of(card, now).await.unwrap();
        let one = all.iter().find(|made| made.slot == KeySlot::EncryptionRsa).unwrap();
        npc.revoke_certificate(&one.serial, RevocationReason::KeyCompromise, "clerk", now).await.unwrap();
        counter.world.now = years_later(now, 5 * 365 - 60);
        let now = counter.world.now;
        for _ in 0..2 {
            let asked = request(Function::Extend, card, Detail::Nothing, now);
            let by_code = Proof::UserCode(code());
            let result = counter.ra.act(Channel::Online, &asked, &by_code, Some(counter.reader()), now).await;
            assert_eq!(refused(result), "NPC-NOTHING-TO-REISSUE");
            assert_eq!(counter.world.npc.certificates_of(card, now).await.unwrap().len(), 2);
        }
        counter.close().await;
    })
    .await;
}

// proves: NPC-23, NPC-24, NPC-25, NPC-27, NPC-29, NPC-30, OPEN-18, UPDATE-20
#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_reissued_once_and_rewritten() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let card = counter.card;
        let extend = |counter: &Counter| request(Function::Extend, card, Detail::Nothing, counter.world.now);
        let by_code = Proof::UserCode(code());

        let asked = extend(&counter);
        let early = counter
            .ra
            .act(Channel::Online, &asked, &by_code, Some(counter.reader()), counter.world.now)
            .await;
        assert_eq!(refused(early), "RA-E-TOO-EARLY");
        // Four years and ten months later; suspended meanwhile, which moves nothing.
        counter.online(Function::Suspend, Detail::Nothing).await.unwrap();
        let first_ends = RocDate::in_taipei(counter.world.now).plus_years(5);
        counter.world.now = years_later(counter.world.now, 5 * 365 - 60);
        let asked = extend(&counter);
        let now = counter.world.now;
        let held = counter.ra.act(Channel::Online, &asked, &by_code, Some(counter.reader()), now).await;
        assert_eq!(refused(held), "RA-E-SUSPENDED");
        counter.online(Function::Resume, Detail::Nothing).await.unwrap();
        let result = counter.ra.act(Channel::Online, &asked, &by_code, None, now).await;
        assert_eq!(refused(result), "RA-E-NO-CARD");

        // The card is taken out in the middle: the certificates are issued, and the same request finishes the work.
        let torn = Torn { card: counter.reader(), left: 6 };
        let result = counter.ra.act(Channel::Online, &asked, &by_code, Some(Box::new(torn)), now).await;
        assert_eq!(refused(result), "MGMT-E-CARD");
        let issued = counter.world.npc.certificates_of(card, now).await.unwrap();
        assert_eq!(issued.len(), 4);
        let next_day = years_later(now, 1);
        let done = counter
            .ra
            .act(Channel::Online, &asked, &by_code, Some(counter.reader()), next_day)
            .await
            .unwrap();
        assert_eq!(done.outcome, Outcome::Written(2));
        let issued = counter.world.npc.certificates_of(card, now).await.unwrap();
        assert_eq!(issued.len(), 4, "none twice");

        // Its second period follows the first and ends with the card's date of renewal.
        let second = issued.iter().find(|c| c.slot == KeySlot::SigningEc).unwrap();
        let renewal = counter.world.mgmt.card(card).await.unwrap().renewal.unwrap();
        assert_eq!(RocDate::in_taipei(second.validity.not_before), first_ends);
        assert_eq!(RocDate::in_taipei(second.validity.not_after), renewal);
        for (id, slot) in [
            (CertificateId::SigningEc, KeySlot::SigningEc),
            (CertificateId::EncryptionEc, KeySlot::EncryptionEc),
        ] {
            let on_card = counter.zone().certificate(id).unwrap();
            assert_eq!(on_card, issued.iter().find(|c| c.slot == slot).unwrap().der);
        }
        let mut zone = counter.zone();
        zone.verify_pin2(&secret(PIN2)).unwrap();
        assert!(zone.key_fits(KeySlot::SigningEc, &mut curve::SystemRandom).unwrap());
        drop(zone);

        // Once is all.
        counter.world.now = next_day;
        let more = extend(&counter);
        let result = counter.ra.act(Channel::Online, &more, &by_code, Some(counter.reader()), next_day).await;
        assert_eq!(refused(result), "RA-E-ALREADY-REISSUED");

        // After the first period the new key authorises, and the old one does no more.
        counter.world.now = years_later(next_day, 90);
        let now = counter.world.now;
        let rewrite = request(Function::Rewrite, card, Detail::Nothing, now);
        let old = counter.sign(&rewrite, KeySlot::SigningRsa);
        let result = counter.ra.act(Channel::Online, &rewrite, &old, Some(counter.reader()), now).await;
        assert_eq!(refused(result), "RA-E-SIGNATURE");
        let new = counter.sign(&rewrite, KeySlot::SigningEc);
        let done =
            counter.ra.act(Channel::Online, &rewrite, &new, Some(counter.reader()), now).await.unwrap();
        assert_eq!(done.outcome, Outcome::Written(2), "those that ended are not written");

        // At ten years the certificates end with the card, and nothing that the holder does alone brings another one.
        let ended = years_later(now, 5 * 365);
        assert!(RocDate::in_taipei(ended) > renewal);
        let counter = counter.reopen(&url, &dir, ended).await;
        assert_eq!(counter.world.certificate_states(card).await, ["expired"; 4]);
        for (function, expected) in
            [(Function::Extend, "RA-E-ALREADY-REISSUED"), (Function::Rewrite, "RA-E-NOTHING-TO-WRITE")]
        {
            let asked = request(function, card, Detail::Nothing, ended);
            let signed = counter.sign(&asked, KeySlot::SigningEc);
            let alone = counter.ra.act(Channel::Online, &asked, &signed, Some(counter.reader()), ended).await;
            assert_eq!(refused(alone), "RA-E-SIGNATURE");
            let by_code =
                counter.ra.act(Channel::Online, &asked, &by_code, Some(counter.reader()), ended).await;
            assert_eq!(refused(by_code), expected);
        }
        // At a counter the person is identified, and applies for another card with another certificate.
        let wish = mgmt::NewApplication {
            kind: model::ApplicationKind::Renewal,
            photo_taken: RocDate::in_taipei(ended),
            ..crate::world::application(&counter.person)
        };
        let mgmt = &counter.world.mgmt;
        let case = mgmt.submit(wish, CLERK, ended).await.unwrap();
        let good = mgmt::Decision::Approve(mgmt::portrait::REVIEW);
        mgmt.review(case, good, CLERK, ended).await.unwrap();
        assert_eq!(mgmt.case(case).await.unwrap().state, model::ApplicationState::Approved);
        // The other card is made, and handed over for the old one. In ten years two persons have rolled the country signing key
        // over, which signs for five (ICAO 9303-12 §5.3): without that a card waits.
        counter.world.restock(1).await;
        assert!(matches!(counter.world.produce(case).await, Err(mgmt::MgmtError::Unfinished)));
        counter.world.roll_over_country_signing(ended).await;
        let later = years_later(ended, 1);
        let counter = counter.reopen(&url, &dir, later).await;
        counter.world.produce(case).await.unwrap();
        let mgmt = &counter.world.mgmt;
        let next = mgmt.hand_over(case, CLERK, later).await.unwrap().serial;
        assert!(next != card);
        assert_eq!(mgmt.card(card).await.unwrap().state, model::CardState::Void);
        assert_eq!(counter.world.certificate_states(card).await, ["expired"; 4]);
        assert_eq!(counter.world.certificate_states(next).await, ["good"; 2]);
        let first = counter.world.npc.certificates_of(next, later).await.unwrap().remove(0);
        assert!(RocDate::in_taipei(first.validity.not_before) >= RocDate::in_taipei(ended));
        counter.close().await;
    })
    .await;
}

/// A card that is taken out after some commands.
pub(crate) struct Torn {
    pub(crate) card: mgmt::Reader,
    pub(crate) left: usize,
}

impl apdu::CardChannel for Torn {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, apdu::ChannelError> {
        self.left = self.left.checked_sub(1).ok_or(apdu::ChannelError::CardGone)?;
        self.card.transmit(command)
    }

    fn reset(&mut self) -> Result<Vec<u8>, apdu::ChannelError> {
        self.card.reset()
    }
}

// proves: NPC-10, NPC-40, NPC-45, NPC-46, OPEN-44
#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_card_is_unblocked_with_a_code_that_was_sent() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let card = counter.card;
        counter.block_pin2();
        assert_eq!(counter.zone().pin2_status(), Ok(Pin2Status::Blocked));

        let none = counter.ra.send_one_time_code(card, &code(), counter.world.now).await.unwrap_err();
        assert_eq!(none.code(), "RA-E-NO-CONTACT");
        // NPC-44: the mobile number at the counter only.
        let mobile = Detail::Mobile(Some("0912345678".into()));
        assert_eq!(refused(counter.online(Function::ChangeMobile, mobile.clone()).await), "RA-E-NOT-OFFERED");
        counter.at_counter(Function::ChangeMobile, mobile).await.unwrap();
        let bad = Detail::Email(Some("nobody".into()));
        assert_eq!(refused(counter.online(Function::ChangeEmail, bad).await), "MGMT-E-CONTACT-MISSING");
        let way = counter.ra.send_one_time_code(card, &code(), counter.world.now).await;
        assert_eq!(way.unwrap_err().code(), "RA-E-CONTACT-TOO-NEW", "a failed change waits too");
        // The old contact hears of a change, and the new one gets the receipt.
        let taken = async |counter: &Counter| -> Vec<(Way, String)> {
            let now = counter.world.now;
            let waiting = counter.ra.messages(100, now).await.unwrap();
            for message in &waiting {
                counter.ra.message_sent(message.id, now).await.unwrap();
                counter.ra.message_sent(message.id, now).await.unwrap();
            }
            let mut told: Vec<_> = waiting.into_iter().map(|message| (message.way, message.to)).collect();
            told.sort_by(|one, other| one.1.cmp(&other.1));
            told
        };
        let (first, second) = ((Way::Sms, "0912345678".to_owned()), (Way::Sms, "0912345679".to_owned()));
        taken(&counter).await;
        let other = Detail::Mobile(Some(second.1.clone()));
        counter.at_counter(Function::ChangeMobile, other).await.unwrap();
        assert_eq!(taken(&counter).await, [first, second.clone()]);
        assert_eq!(counter.ra.send_one_time_code(card, &code(), counter.world.now).await.unwrap(), Way::Sms);

        // An e-mail address is preferred, once it has waited.
        assert_eq!(taken(&counter).await, std::slice::from_ref(&second), "the code");
        let email = Detail::Email(Some("holder@example.test".into()));
        counter.online(Function::ChangeEmail, email).await.unwrap();
        let early = counter.ra.send_one_time_code(card, &code(), counter.world.now).await.unwrap_err();
        assert_eq!(early.code(), "RA-E-CONTACT-TOO-NEW");
        let new = (Way::Email, "holder@example.test".to_owned());
        assert_eq!(taken(&counter).await, [second, new]);
        // Each SMS is counted once: the receipt of the first change and the notice of the one that was refused, two of the second
        // change, the code, and the notice of the last.
        assert_eq!(counter.ra.sms_sent().await.unwrap(), [("2026-07".to_owned(), 6)]);

        counter.world.now += SignedDuration::from_hours(25);
        let now = counter.world.now;
        let unblock = |at| request(Function::Unblock, card, Detail::Pins(vec![PinReference::Pin2]), at);
        let asked = unblock(now);
        let result = counter
            .ra
            .act(Channel::Online, &asked, &Proof::UserCode(code()), Some(counter.reader()), now)
            .await;
        assert_eq!(refused(result), "RA-E-NOT-AUTHORISED");
        let sent = async |counter: &Counter| {
            let way = counter.ra.send_one_time_code(card, &code(), counter.world.now).await.unwrap();
            assert_eq!(way, Way::Email);
            let messages = counter.ra.messages(100, counter.world.now).await.unwrap();
            let newest = messages.last().unwrap();
            for message in &messages {
                counter.ra.message_sent(message.id, counter.world.now).await.unwrap();
            }
            let mut words = newest.text.split(|c: char| !c.is_ascii_digit());
            words.find(|word| word.len() == 8).unwrap().to_owned()
        };
        let right = sent(&counter).await;
        let wrong = if right == "00000000" { "00000001" } else { "00000000" };
        for _ in 0..3 {
            let proof = Proof::OneTimeCode(code(), wrong.into());
            let result = counter.ra.act(Channel::Online, &asked, &proof, Some(counter.reader()), now).await;
            assert_eq!(refused(result), "RA-E-ONE-TIME-CODE");
        }
        let proof = Proof::OneTimeCode(code(), right);
        let result = counter.ra.act(Channel::Online, &asked, &proof, Some(counter.reader()), now).await;
        assert_eq!(refused(result), "RA-E-ONE-TIME-CODE", "three wrong ones end it");
        let proof = Proof::OneTimeCode(code(), sent(&counter).await);
        let late = now + SignedDuration::from_mins(10);
        let result =
            counter.ra.act(Channel::Online, &unblock(late), &proof, Some(counter.reader()), late).await;
        assert_eq!(refused(result), "RA-E-ONE-TIME-CODE", "out of date");
        let proof = Proof::OneTimeCode(code(), sent(&counter).await);
        let asked = unblock(now);
        counter.ra.act(Channel::Online, &asked, &proof, Some(counter.reader()), now).await.unwrap();
        let result =
            counter.ra.act(Channel::Online, &unblock(now), &proof, Some(counter.reader()), now).await;
        assert_eq!(refused(result), "RA-E-ONE-TIME-CODE", "used");
        assert_eq!(counter.zone().pin2_status(), Ok(Pin2Status::Required { tries_left: 3 }));

        // PIN2 is changed with PIN2, which the card compares.
        let change = |old: &str, new: &str| Proof::Pin2Change(old.parse().unwrap(), new.parse().unwrap());
        let asked = request(Function::ChangePin, card, Detail::Nothing, now);
        let wrong = change("11111111", "30303030");
        let result = counter.ra.act(Channel::Online, &asked, &wrong, Some(counter.reader()), now).await;
        assert_eq!(refused(result), "MGMT-E-CARD");
        let right = change(PIN2, "30303030");
        counter.ra.act(Channel::Online, &asked, &right, Some(counter.reader()), now).await.unwrap();
        counter.zone().verify_pin2(&secret("30303030")).unwrap();
        counter.close().await;
    })
    .await;
}
