//! From an application to a card in use.

use mgmt::{Acceptance, Decision, Inspection, NewApplication, Refusal};
use model::{ApplicationState, CardState, KeySlot, Pin1, Pin2, PortraitExemption, UserCode};
use npc::CertificateAuthority;
use production::Interface;
use registry::Register;
use store::params;
use terminal::npc_card::{NpcCard, Pin2Status};
use terminal::{Portrait, Verdict};

use crate::world::{CLERK, World, application, directory, person, start};

fn parsed<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("valid")
}

// proves: MGMT-37, MGMT-42, MGMT-59, MGMT-60, MGMT-72, CARD-50, CARD-51, CARDFACE-07, NPC-10, NPC-37, NPC-38, NPC-41, OPEN-14, PRODUCTION-36
#[tokio::test(flavor = "multi_thread")]
async fn an_application_becomes_a_card_in_use() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(2).await;
        let person = world.person(1).await;
        let mgmt = &world.mgmt;
        let no = mgmt.submit(application(&person), CLERK, world.now).await.expect("submits");
        // MGMT-37: only reviewed cases go forward.
        assert!(mgmt.batch(10, CLERK, world.now).await.expect("batches").is_empty());
        world.produce(no).await.expect("is produced");
        let case = mgmt.case(no).await.expect("a case");
        assert_eq!(case.state, ApplicationState::Ready);
        let serial = case.serial.expect("a card");

        // Nothing personal is left with management's case or with the card centre.
        let left = world.dbs[4].one("SELECT count(*) FROM case_data", params![]).await.expect("counts");
        assert_eq!(left.read::<i64>(0).expect("a number"), 0);
        let sql = "SELECT count(*) FROM application WHERE wrapped_key IS NOT NULL";
        let left = world.dbs[4].one(sql, params![]).await.expect("counts");
        assert_eq!(left.read::<i64>(0).expect("a number"), 0);
        let sql = "SELECT count(*) FROM card_order WHERE wrapped_dek IS NOT NULL OR package IS NOT NULL OR proof IS NOT NULL";
        let left = world.dbs[3].one(sql, params![]).await.expect("counts");
        assert_eq!(left.read::<i64>(0).expect("a number"), 0);

        // The card as a stranger reads it, over both interfaces.
        for interface in [Interface::Contact, Interface::Contactless] {
            let report = world.read(serial, interface);
            assert_eq!(report.verdict, Verdict::Verified, "{:?}", report.refusal());
            let zone = report.public_zone().expect("decodes");
            assert_eq!(zone.id_number, person.id.as_str());
            assert_eq!(zone.chinese_name, person.name.chinese());
            assert_eq!(zone.td1().expect("an MRZ").lines(), mgmt.card(serial).await.expect("a card").mrz);
            assert!(zone.portrait.as_ref().is_some_and(|jpeg| jpeg.len() < 15 * 1024));
        }
        let certificates = world.npc.certificates_of(serial, world.now).await.expect("answers");
        assert_eq!(certificates.len(), 2, "the RSA slots; the others are reserved (OPEN-14)");

        // The date of issue of card and certificates is one (CARDFACE-07).
        let issue = mgmt.card(serial).await.expect("a card").issue;
        for certificate in &certificates {
            assert_eq!(certificate.state.as_str(), "good", "active when written");
            assert_eq!(model::RocDate::in_taipei(certificate.validity.not_before), issue);
        }
        let can = eac::Password::can(serial.can().as_str());
        let reader = world.centre.reader(serial, Interface::Contact).expect("there");
        let mut card = NpcCard::open(reader, &can, &mut curve::SystemRandom).expect("opens");
        assert_eq!(card.pin2_status().expect("answers"), Pin2Status::NotSet);
        drop(card);

        // Hand-over, then the user code, then the PINs.
        let confirmation = mgmt.hand_over(no, CLERK, world.now).await.expect("is handed over");
        let default = confirmation.default_user_code;
        let (code, pin1, pin2): (UserCode, Pin1, Pin2) = (parsed("abc123"), parsed("246810"), parsed("13579135"));
        let card = world.centre.reader(serial, Interface::Contact).expect("there");
        let refused = mgmt.set_pins(serial, &default, &pin1, Some(&pin2), card, world.now).await.map(drop);
        assert_eq!(refused.expect_err("the default code sets no PIN").refusal(), Some(Refusal::UserCodeDefault));
        let refused = mgmt.change_user_code(serial, &default, &default, world.now).await;
        assert_eq!(refused.expect_err("the same").refusal(), Some(Refusal::UserCodeUnchanged));
        mgmt.change_user_code(serial, &default, &code, world.now).await.expect("changes");
        let card = world.centre.reader(serial, Interface::Contact).expect("there");
        let refused = mgmt.set_pins(serial, &code, &pin1, None, card, world.now).await.map(drop);
        assert_eq!(refused.expect_err("PIN2 belongs to it").refusal(), Some(Refusal::Pin2Missing));
        let card = world.centre.reader(serial, Interface::Contact).expect("there");
        let card = mgmt.set_pins(serial, &code, &pin1, Some(&pin2), card, world.now).await.expect("sets");

        // The holder signs with PIN2, and the certificate is the one of the CA.
        let mut card = NpcCard::open(card, &can, &mut curve::SystemRandom).expect("opens");
        card.verify_pin2(&curve::SecretBytes::from(b"13579135".to_vec())).expect("the right PIN2");
        card.sign_rsa(curve::Hash::Sha256, b"agreed").expect("signs");
        let on_card: Vec<Vec<u8>> =
            card.certificates().expect("reads").into_iter().map(|(_, der)| der).collect();
        assert!(certificates.iter().all(|c| on_card.contains(&c.der)));
        assert_eq!(on_card.len(), 4, "two of the holder, root, intermediate");

        // Forgotten and blocked: the user code sets another one, a wrong one does not.
        let wrong = curve::SecretBytes::from(b"00000000".to_vec());
        for _ in 0..3 {
            card.verify_pin2(&wrong).expect_err("wrong");
        }
        assert_eq!(card.pin2_status().expect("answers"), Pin2Status::Blocked);
        drop(card);
        let reader = world.centre.reader(serial, Interface::Contact).expect("there");
        let refused = mgmt.set_pins(serial, &default, &pin1, Some(&pin2), reader, world.now).await.map(drop);
        assert_eq!(refused.expect_err("no longer the code").refusal(), Some(Refusal::UserCodeWrong));
        let reader = world.centre.reader(serial, Interface::Contact).expect("there");
        let another: Pin2 = parsed("97531975");
        let card = mgmt.set_pins(serial, &code, &pin1, Some(&another), reader, world.now).await.expect("sets");
        let mut card = NpcCard::open(card, &can, &mut curve::SystemRandom).expect("opens");
        card.verify_pin2(&curve::SecretBytes::from(b"97531975".to_vec())).expect("the new PIN2");
        drop(card);

        let summary = mgmt.card(serial).await.expect("a card");
        assert_eq!((summary.state, summary.user_code_set), (CardState::Active, true));
        assert!(summary.pins_set.is_some() && summary.sample.is_none());
        assert!(world.centre.stocktake().await.expect("counts").agrees());
        mgmt.verify_audit().await.expect("the chain is whole");
        world.centre.verify_audit().await.expect("the chain is whole");
        let history: Vec<CardState> =
            mgmt.card_history(serial).await.expect("events").iter().map(|e| e.to.state()).collect();
        use CardState::*;
        assert_eq!(history, [Paired, Personalised, Finished, Shipped, Received, AwaitingCollection, Active]);
        world.close().await;
    })
    .await;
}

// proves: CARDFACE-23, OPEN-62
#[tokio::test(flavor = "multi_thread")]
async fn an_exempted_portrait_is_on_file_and_neither_printed_nor_in_the_chip() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(2).await;
        let person = world.person(1).await;
        let mut wish = application(&person);
        wish.portrait_exemption = Some(PortraitExemption::FacialInjury);
        // The photo must be handed in all the same.
        let without = NewApplication { photo: Vec::new(), ..wish.clone() };
        let refused = world.mgmt.submit(without, CLERK, world.now).await;
        assert_eq!(refused.expect_err("no photo").refusal(), Some(Refusal::PhotoNotJpeg));
        let no = world.mgmt.submit(wish, CLERK, world.now).await.expect("submits");
        // The office decides about the exemption by its name; whatever else it says, nothing is filed and nothing approved.
        let review = mgmt::portrait::REVIEW;
        for undecided in
            [Decision::Approve(review), Decision::ApproveExempted(review, PortraitExemption::SeriousIllness)]
        {
            let refused = world.mgmt.review(no, undecided, CLERK, world.now).await.expect_err("undecided");
            assert_eq!(refused.refusal(), Some(Refusal::ExemptionUndecided));
            assert_eq!(world.mgmt.case(no).await.expect("a case").state, ApplicationState::Submitted);
            assert_eq!(world.register.portrait(&person.id).await.expect("answers"), None);
        }
        // An exemption that nobody applied for, and one that the office refuses.
        let submit = async |number: u8, portrait_exemption| {
            let wish = NewApplication { portrait_exemption, ..application(&world.person(number).await) };
            world.mgmt.submit(wish, CLERK, world.now).await.expect("submits")
        };
        let plain = submit(2, None).await;
        let unasked = Decision::ApproveExempted(review, PortraitExemption::FacialInjury);
        let refused = world.mgmt.review(plain, unasked, CLERK, world.now).await.expect_err("not applied for");
        assert_eq!(refused.refusal(), Some(Refusal::ExemptionUndecided));
        let declined = submit(3, Some(PortraitExemption::SeriousIllness)).await;
        let reason = "免列印相片之申請不予核准".to_owned();
        world.mgmt.review(declined, Decision::Reject { reason }, CLERK, world.now).await.expect("declines");
        assert_eq!(world.mgmt.case(declined).await.expect("a case").state, ApplicationState::Rejected);
        assert_eq!(world.mgmt.batch(10, CLERK, world.now).await.expect("batches"), []);
        let exempt = Decision::ApproveExempted(review, PortraitExemption::FacialInjury);
        world.mgmt.review(no, exempt, CLERK, world.now).await.expect("approves");
        // The exemption stays with the case when the card has to be made again, from what is left of it.
        world.produce_until(no, ApplicationState::Received).await.expect("is produced");
        let flawed = world.mgmt.case(no).await.expect("a case").serial.expect("a card");
        let inspection = Inspection::Flawed { defect: "scratched".into() };
        world.mgmt.check_received(no, inspection, CLERK, world.now).await.expect("checks");
        world.produce(no).await.expect("is produced again");
        let serial = world.mgmt.case(no).await.expect("a case").serial.expect("a card");
        assert_ne!(serial, flawed);
        let on_file = world.register.portrait(&person.id).await.expect("answers");
        assert!(on_file.is_some_and(|jpeg| jpeg.len() > 10_000));
        for serial in [flawed, serial] {
            let report = world.read(serial, Interface::Contactless);
            assert_eq!(report.verdict, Verdict::Verified, "{:?}", report.refusal());
            assert!(report.public_zone().expect("decodes").portrait.is_none());
            let holder = report.holder.expect("decodes");
            assert_eq!(holder.portrait, Some(Portrait::Exempted), "the reader says so");
        }
        world.close().await;
    })
    .await;
}

/// Whoever applies from home is identified once: when the card is collected, with certificates that were issued before. What they
/// say stands on the confirmation; whoever has it and says nothing has accepted them, and an objection revokes them.
// proves: NPC-36, NPC-39
#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_accepted_when_the_card_is_collected() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(4).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        let mut cards = Vec::new();
        for number in 1..=4 {
            let person = world.person(number).await;
            let mut wish = application(&person);
            wish.channel = model::Channel::Online;
            wish.wants_certificate = number < 4;
            let no = mgmt.submit(wish, "applicant", now).await.expect("submits");
            world.produce(no).await.expect("is produced");
            let serial = mgmt.case(no).await.expect("a case").serial.expect("a card");
            assert_eq!(mgmt.acceptance(serial).await.expect("answers"), None, "nobody was there yet");
            let issued = if number < 4 { vec!["good"; 2] } else { Vec::new() };
            assert_eq!(world.certificate_states(serial).await, issued);
            let early = mgmt.answer_certificates(serial, true, CLERK, now).await.expect_err("not collected");
            assert_eq!(early.refusal(), Some(Refusal::WrongState));
            let confirmation = mgmt.hand_over(no, CLERK, now).await.expect("is handed over");
            let certificates = world.npc.certificates_of(serial, now).await.expect("answers");
            assert_eq!(confirmation.certificates.len(), certificates.len());
            for (printed, issued) in confirmation.certificates.iter().zip(&certificates) {
                let parsed = x509::Certificate::parse(&issued.der).expect("a certificate");
                assert_eq!(printed.subject, parsed.subject_name().expect("a name").to_string());
                assert!(printed.subject.contains(person.name.chinese()));
                assert_eq!((printed.slot, printed.not_after), (issued.slot, issued.validity.not_after));
            }
            // One act of identification: a clerk's, at the collection.
            let sql =
                "SELECT actor FROM audit_entry WHERE subject = $1 AND action = 'collection-confirmation'";
            let acts = world.dbs[4].all(sql, params![serial.as_str()]).await.expect("reads");
            let actors: Vec<String> = acts.iter().map(|row| row.read(0).expect("text")).collect();
            assert_eq!(actors, [CLERK]);
            cards.push((serial, confirmation));
        }
        let accepted = async |n: usize| mgmt.acceptance(cards[n].0).await.expect("answers");
        let answer = async |n: usize, accepts| {
            mgmt.answer_certificates(cards[n].0, accepts, CLERK, now).await.map_err(|error| error.refusal())
        };
        // The first says nothing, the second confirms, the third objects, the fourth has none.
        assert_eq!(accepted(0).await, Some(Acceptance::NotObjected));
        assert_eq!(answer(1, true).await, Ok(()));
        assert_eq!(accepted(1).await, Some(Acceptance::Confirmed));
        assert_eq!(answer(1, false).await, Err(Some(Refusal::WrongState)), "confirmed is confirmed");
        assert_eq!(world.certificate_states(cards[1].0).await, ["good"; 2]);
        assert_eq!(answer(2, false).await, Ok(()));
        assert_eq!(accepted(2).await, Some(Acceptance::Objected));
        assert_eq!(world.certificate_states(cards[2].0).await, ["revoked"; 2]);
        assert_eq!(
            mgmt.card(cards[2].0).await.expect("a card").state,
            CardState::Active,
            "the card is not at fault"
        );
        assert_eq!((accepted(3).await, answer(3, false).await), (None, Err(Some(Refusal::WrongState))));
        // Whoever has set the PINs has begun to use them.
        let (serial, confirmation) = &cards[0];
        let code: UserCode = parsed("abc123");
        mgmt.change_user_code(*serial, &confirmation.default_user_code, &code, now).await.expect("changes");
        let card = world.centre.reader(*serial, Interface::Contact).expect("there");
        let (pin1, pin2): (Pin1, Pin2) = (parsed("246810"), parsed("13579135"));
        drop(mgmt.set_pins(*serial, &code, &pin1, Some(&pin2), card, now).await.expect("sets"));
        assert_eq!(answer(0, false).await, Err(Some(Refusal::WrongState)));
        assert_eq!(world.certificate_states(*serial).await, ["good"; 2]);
        world.close().await;
    })
    .await;
}

// proves: CARD-40, NPC-35, OPEN-46
#[tokio::test(flavor = "multi_thread")]
async fn a_card_without_certificate_has_its_zone_closed() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(1).await;
        let person = world.person(1).await;
        let mut wish = application(&person);
        wish.wants_certificate = false;
        let no = world.mgmt.submit(wish, CLERK, world.now).await.expect("submits");
        world.produce(no).await.expect("is produced");
        let confirmation = world.mgmt.hand_over(no, CLERK, world.now).await.expect("is handed over");
        let serial = confirmation.serial;
        assert!(world.npc.certificates_of(serial, world.now).await.expect("answers").is_empty());
        let channel = world.centre.reader(serial, Interface::Contact).expect("there");
        let can = eac::Password::can(serial.can().as_str());
        assert!(NpcCard::open(channel, &can, &mut curve::SystemRandom).is_err());
        let code: UserCode = parsed("abc123");
        world
            .mgmt
            .change_user_code(serial, &confirmation.default_user_code, &code, world.now)
            .await
            .expect("changes");
        let card = world.centre.reader(serial, Interface::Contact).expect("there");
        let refused = world
            .mgmt
            .set_pins(serial, &code, &parsed("246810"), Some(&parsed("13579135")), card, world.now)
            .await;
        let refused = refused.map(drop).expect_err("no PIN2").refusal();
        assert_eq!(refused, Some(Refusal::CertificateZoneClosed));
        let card = world.centre.reader(serial, Interface::Contact).expect("there");
        drop(
            world.mgmt.set_pins(serial, &code, &parsed("246810"), None, card, world.now).await.expect("sets"),
        );
        world.close().await;
    })
    .await;
}

/// The holder decides what the card says and carries: a foreign name that the register has stands on it only where it was
/// asked for, and the certificates for signing and for encryption come as the holder chose, both or none.
// proves: PRIVACY-09
#[tokio::test(flavor = "multi_thread")]
async fn the_holder_chooses_the_foreign_name_and_the_certificates() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(4).await;
        for (number, foreign_name, wants_certificate) in
            [(1, true, true), (2, true, false), (3, false, true), (4, false, false)]
        {
            let somebody = person(number);
            let name = somebody.name.with_romanised("LIN, HSIN-MING").expect("a name");
            let name = name.with_foreign("LYNN, ELAINE").expect("a name");
            let holder = registry::Person { name, ..somebody };
            world.register.enrol(std::slice::from_ref(&holder), world.now).await.expect("enrols");
            let wish = NewApplication { foreign_name, wants_certificate, ..application(&holder) };
            let no = world.mgmt.submit(wish, CLERK, world.now).await.expect("submits");
            world.produce(no).await.expect("is produced");
            let serial = world.mgmt.hand_over(no, CLERK, world.now).await.expect("is handed over").serial;
            let report = world.read(serial, Interface::Contact);
            let zone = report.public_zone().expect("read");
            assert_eq!(zone.foreign_name.as_deref(), foreign_name.then_some("LYNN, ELAINE"));
            assert_eq!(zone.mrz_name.starts_with("LYNN"), foreign_name, "{}", zone.mrz_name);
            let issued = world.npc.certificates_of(serial, world.now).await.expect("answers");
            let slots: Vec<_> = issued.iter().map(|certificate| certificate.slot).collect();
            let both = [KeySlot::SigningRsa, KeySlot::EncryptionRsa];
            assert_eq!(slots, if wants_certificate { &both[..] } else { &[] });
        }
        world.close().await;
    })
    .await;
}
