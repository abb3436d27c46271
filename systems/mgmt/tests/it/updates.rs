//! Updates of the chip at an office, and the terminal with which the offices act.

use apdu::CardChannel;
use apdu::ChannelError;
use mgmt::{Applicant, Document, Occasion, Refusal, SignedRequest, UpdateRequest};
use model::{CardSerial, MilitaryServiceCategory};
use production::Interface;
use registry::{Change, Person, sample_persons};
use terminal::Verdict;

use crate::world::{CLERK, ClerkCard, World, directory, later, office, person as adult, start};

/// A clerk of the office where everybody here lives.
async fn appointed(world: &World, person: &Person) -> ClerkCard {
    let clerk = ClerkCard::new(world, 1).await;
    let certificate = clerk.certificate.der();
    world
        .mgmt
        .appoint_clerk(CLERK, office(person), certificate, "admin", world.now)
        .await
        .expect("appointed");
    clerk
}

/// What the clerk signs where the holder came with the card.
async fn request(world: &World, serial: CardSerial) -> UpdateRequest {
    let (occasion, applicant) = (Occasion::Registration, Applicant::Holder);
    let requested =
        world.mgmt.request_update(serial, CLERK, occasion, applicant, &[Document::Card], world.now).await;
    requested.expect("a request")
}

async fn update(
    world: &World,
    clerk: &ClerkCard,
    serial: CardSerial,
    in_reader: CardSerial,
) -> Result<mgmt::CardUpdate, Refusal> {
    let signed = clerk.sign(&request(world, serial).await.to_json());
    update_by(world, &signed, in_reader).await
}

async fn update_by(
    world: &World,
    signed: &SignedRequest,
    in_reader: CardSerial,
) -> Result<mgmt::CardUpdate, Refusal> {
    let channel = world.centre.reader(in_reader, Interface::Contact).expect("the card is there");
    let updated = world.mgmt.update_card(signed, channel, world.now).await;
    updated
        .map(|(update, mut channel)| {
            channel.reset().expect("the card answers");
            update
        })
        .map_err(|error| error.refusal().unwrap_or_else(|| panic!("{error}")))
}

// proves: CARD-45, EACPKI-20, UPDATE-02, UPDATE-03, UPDATE-05, UPDATE-06, UPDATE-12
#[tokio::test]
async fn a_card_is_brought_to_what_the_register_says() {
    store::testkit::each_engine_url(async |url| {
        let (_place, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        world.restock(3).await;
        let person = world.person(1).await;
        let serial = world.card_of(&person).await;
        let clerk = appointed(&world, &person).await;
        // Nothing changed: nothing is signed, and nothing written.
        let nothing = update(&world, &clerk, serial, serial).await.expect("verified");
        assert_eq!((nothing.number, nothing.fields.len()), (None, 0));

        let samples = sample_persons();
        let elsewhere = samples.iter().map(|sample| &sample.person.address);
        let new_home =
            elsewhere.clone().find(|address| **address != person.address).expect("another").clone();
        let father = Some(samples[0].person.name.clone());
        let change = async |world: &World, change: Change| {
            world.register.record(&person.id, &change, world.now).await.expect("recorded");
        };
        change(&world, Change::Moved(new_home.clone())).await;
        change(&world, Change::Parents(father.clone(), person.mother.clone())).await;
        world.now = later(world.now, 60);
        // A comparison tells the fields and does nothing.
        let channel = world.centre.reader(serial, Interface::Contact).expect("the card is there");
        let (differing, mut channel) =
            world.mgmt.compare_card(serial, channel, world.now).await.expect("compared");
        channel.reset().expect("the card answers");
        drop(channel);
        assert_eq!(differing, ["HOUSEHOLD", "ADDRESS", "FATHER"]);
        assert!(world.mgmt.card_updates(serial).await.expect("kept").is_empty());
        let first = update(&world, &clerk, serial, serial).await.expect("updated");
        assert_eq!(
            (first.number, first.fields.as_slice()),
            (Some(1), &["HOUSEHOLD", "ADDRESS", "FATHER"][..])
        );
        // The card is as good as before, with the new data.
        let report = world.read(serial, Interface::Contact);
        assert_eq!(report.verdict, Verdict::Verified, "{:?}", report.refusal());
        let zone = report.public_zone().expect("decodes");
        assert_eq!(zone.address.rest, new_home.rest());
        // Twice the same: the card has it.
        assert_eq!(update(&world, &clerk, serial, serial).await.expect("verified").number, None);
        // The next one touches one field of the encrypted zone and one of the public zone.
        change(&world, Change::Birthplace("高雄市".into())).await;
        let military = if person.military == MilitaryServiceCategory::None {
            MilitaryServiceCategory::Exempt
        } else {
            MilitaryServiceCategory::None
        };
        change(&world, Change::MilitaryService(military)).await;
        let second = update(&world, &clerk, serial, serial).await.expect("updated");
        assert_eq!(second.fields, ["MILITARY_SERVICE", "BIRTHPLACE"]);
        assert_eq!(update(&world, &clerk, serial, serial).await.expect("verified").number, None);

        // What is kept: names of fields, no values.
        let records = world.mgmt.card_updates(serial).await.expect("kept");
        assert_eq!(
            records.iter().map(|r| (r.number, r.result.as_str())).collect::<Vec<_>>(),
            [(1, "written"), (2, "written")]
        );
        assert_eq!((records[0].clerk.as_str(), records[0].office), (CLERK, office(&person)));
        let kept = format!("{records:?}");
        assert!(!kept.contains("高雄") && !kept.contains(new_home.rest()), "{kept}");
        world.mgmt.verify_audit().await.expect("the chain is whole");

        // Another card in the reader, and a printed field.
        let other = world.person(2).await;
        let other_serial = world.card_of(&other).await;
        change(&world, Change::Birthplace("臺北市".into())).await;
        assert_eq!(update(&world, &clerk, serial, other_serial).await.err(), Some(Refusal::OtherCard));
        change(&world, Change::Married(samples[1].person.name.clone())).await;
        let married = person.marital == model::MaritalStatus::Married;
        let refused = update(&world, &clerk, serial, serial).await;
        assert_eq!(refused.err(), (!married).then_some(Refusal::NewCardNeeded));
        world.mgmt.report_loss(other_serial, CLERK, world.now).await.expect("suspended");
        assert_eq!(update(&world, &clerk, other_serial, other_serial).await.err(), Some(Refusal::WrongState));
        world.close().await;
    })
    .await;
}

/// The record of the chip that holds the access number.
const ACCESS_NUMBER: u16 = 0x1001;

/// Somebody between reader and cards: the first card until the second reset, then the other.
struct Switch<C> {
    cards: [C; 2],
    resets: usize,
}

impl<C> Switch<C> {
    fn card(&mut self) -> &mut C {
        &mut self.cards[usize::from(self.resets > 1)]
    }
}

impl<C: CardChannel> CardChannel for Switch<C> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        self.card().transmit(command)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.resets += 1;
        self.card().reset()
    }
}

// UPDATE-05: what the document signer signs is made from what was read; it must have been read from the card that gets it.
#[tokio::test]
async fn the_public_zone_of_another_card_is_never_signed_for_this_one() {
    store::testkit::each_engine_url(async |url| {
        let (_place, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        world.restock(2).await;
        let person = world.person(1).await;
        let serial = world.card_of(&person).await;
        let others = world.card_of(&world.person(2).await).await;
        // The card of somebody else. Whoever stands between knows the access numbers of both, and opens each channel with its
        // own; here the other card takes that of the first instead.
        let file = dir.join("cards").join(format!("{others}.card"));
        let mut memory = chip::FileMemory::open(&file).expect("free");
        let number = serial.can().as_str().as_bytes().to_vec();
        chip::Memory::commit(&mut memory, &[(ACCESS_NUMBER, Some(number))]).expect("written");
        drop(memory);
        let clerk = appointed(&world, &person).await;
        let change = Change::Birthplace("高雄市".into());
        world.register.record(&person.id, &change, world.now).await.expect("recorded");
        world.now = later(world.now, 60);
        let signed = clerk.sign(&request(&world, serial).await.to_json());
        let reader = |card| world.centre.reader(card, Interface::Contact).expect("the card is there");
        let channel = Switch { cards: [reader(others), reader(serial)], resets: 0 };
        let refused = world.mgmt.update_card(&signed, channel, world.now).await;
        assert_eq!(refused.err().and_then(|error| error.refusal()), Some(Refusal::OtherCard));
        let channel = Switch { cards: [reader(others), reader(serial)], resets: 0 };
        let refused = world.mgmt.compare_card(serial, channel, world.now).await;
        assert_eq!(refused.err().and_then(|error| error.refusal()), Some(Refusal::OtherCard));
        assert!(world.mgmt.card_updates(serial).await.expect("kept").is_empty(), "nothing was signed");
        // The card by itself gets its update.
        let updated = update(&world, &clerk, serial, serial).await.expect("updated");
        assert_eq!(updated.fields, ["BIRTHPLACE"]);
        world.close().await;
    })
    .await;
}

// proves: UPDATE-14
#[tokio::test]
async fn a_renumbering_marks_cards_as_out_of_date_and_leaves_them_valid() {
    store::testkit::each_engine_url(async |url| {
        let (_place, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        world.restock(3).await;
        let (first, second, elsewhere) =
            (world.person(1).await, world.person(2).await, world.person(3).await);
        let samples = sample_persons();
        let other =
            samples.iter().map(|s| &s.person.address).find(|a| **a != first.address).expect("another");
        world
            .register
            .record(&elsewhere.id, &Change::Moved(other.clone()), world.now)
            .await
            .expect("recorded");
        let mut serials = Vec::new();
        for person in [&first, &second, &elsewhere] {
            serials.push(world.card_of(person).await);
        }
        let marked = async |world: &World| -> Vec<CardSerial> {
            let cards = world.mgmt.outdated_cards(None, 10).await.expect("a list");
            assert!(
                cards.iter().all(|card| card.outdated.as_ref().is_some_and(|(_, by)| by == "renumbered"))
            );
            cards.iter().map(|card| card.serial).collect()
        };
        let clerk = appointed(&world, &first).await;
        world.mgmt.follow_register(world.now).await.expect("followed");
        assert_eq!(marked(&world).await, []);
        let home = &first.address;
        let notice = format!(
            r#"{{"notice":"測試用第1號","village":"{0}","houses":[{{"neighbourhood":{1},"rest":"{2}",
                "becomes":{{"neighbourhood":{1},"rest":"測試用新路1號"}}}}]}}"#,
            home.village(),
            home.neighbourhood(),
            home.rest()
        );
        let notice = registry::Renumbering::from_json(notice.as_bytes()).expect("a notice");
        world.now = later(world.now, 60);
        assert_eq!(world.register.renumber(&notice, world.now).await.expect("carried out"), 2);
        assert_eq!(world.mgmt.follow_register(world.now).await.expect("followed"), 2);
        let mut both = serials[..2].to_vec();
        both.sort();
        assert_eq!(marked(&world).await, both);
        // Valid all the same: in the books, on the list for readers, and for a reader.
        for serial in &serials {
            assert_eq!(world.mgmt.card(*serial).await.expect("a card").state, model::CardState::Active);
            let report = world.read(*serial, Interface::Contactless);
            assert_eq!(report.verdict, Verdict::Verified, "{:?}", report.refusal());
        }
        assert_eq!(world.mgmt.cards_not_to_be_accepted(world.now).await.expect("a list"), []);
        // The holders are to be told, once each.
        let told = "SELECT serial FROM notice WHERE kind = 'content-outdated' ORDER BY serial";
        let told = world.dbs[4].all(told, store::params![]).await.expect("notices");
        let told: Vec<String> = told.iter().map(|row| row.read("serial").expect("a serial")).collect();
        assert_eq!(told, both.iter().map(ToString::to_string).collect::<Vec<_>>());
        // The mark goes with the update, and with it alone.
        let updated = update(&world, &clerk, serials[0], serials[0]).await.expect("updated");
        assert_eq!(updated.fields, ["ADDRESS"]);
        assert_eq!(marked(&world).await, [serials[1]]);
        let zone = world.read(serials[0], Interface::Contact);
        assert_eq!(zone.public_zone().expect("decodes").address.rest, "測試用新路1號");
        // Back where it was: the card says what the register says, without any update.
        world.register.record(&second.id, &Change::Moved(home.clone()), world.now).await.expect("recorded");
        assert_eq!(update(&world, &clerk, serials[1], serials[1]).await.expect("verified").number, None);
        assert_eq!(marked(&world).await, []);
        world.close().await;
    })
    .await;
}

// proves: UPDATE-04, UPDATE-09
#[tokio::test]
async fn nothing_begins_before_a_clerk_has_verified_who_asks_and_signed_that() {
    store::testkit::each_engine_url(async |url| {
        let (_place, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        world.restock(3).await;
        let person = world.person(1).await;
        let serial = world.card_of(&person).await;
        let child = Person { birth: "2016-05-01".parse().expect("a day"), ..adult(2) };
        world.register.enrol(std::slice::from_ref(&child), world.now).await.expect("enrols");
        let application =
            mgmt::NewApplication { wants_certificate: false, ..crate::world::application(&child) };
        let no = world.mgmt.submit(application, CLERK, world.now).await.expect("submits");
        world.produce(no).await.expect("is produced");
        let childs = world.mgmt.hand_over(no, CLERK, world.now).await.expect("is handed over").serial;
        let clerk = appointed(&world, &person).await;

        // Who may ask on which occasion, with which papers.
        use {Applicant as A, Document as D, Occasion as O};
        type Case<'a> = (CardSerial, O, A, &'a [D], Option<Refusal>);
        let cases: [Case<'_>; 13] = [
            (serial, O::Registration, A::Holder, &[D::Card], None),
            (serial, O::Registration, A::Holder, &[], Some(Refusal::IdentityNotVerified)),
            (
                serial,
                O::Registration,
                A::LegalRepresentative,
                &[D::Card, D::RepresentativeId],
                Some(Refusal::ApplicantNotEntitled),
            ),
            (serial, O::Registration, A::Delegate, &[D::Card, D::DelegateId, D::Proxy], None),
            (
                serial,
                O::Registration,
                A::Delegate,
                &[D::Card, D::DelegateId],
                Some(Refusal::IdentityNotVerified),
            ),
            (
                serial,
                O::Registration,
                A::Delegate,
                &[D::DelegateId, D::Proxy],
                Some(Refusal::IdentityNotVerified),
            ),
            (
                serial,
                O::Registration,
                A::HouseholdMember,
                &[D::Card, D::MemberId],
                Some(Refusal::ApplicantNotEntitled),
            ),
            (
                serial,
                O::MilitaryService,
                A::HouseholdMember,
                &[D::Card, D::MemberId],
                Some(Refusal::ApplicantNotEntitled),
            ),
            (serial, O::Renumbering, A::HouseholdMember, &[D::Card, D::MemberId], None),
            (serial, O::Area, A::HouseholdMember, &[D::Card], Some(Refusal::IdentityNotVerified)),
            (childs, O::Registration, A::Holder, &[D::Card], Some(Refusal::RepresentativeNeeded)),
            (childs, O::Registration, A::LegalRepresentative, &[D::Card, D::RepresentativeId], None),
            (childs, O::Registration, A::LegalRepresentative, &[D::Card], Some(Refusal::IdentityNotVerified)),
        ];
        for (card, occasion, applicant, documents, expected) in cases {
            let made =
                world.mgmt.request_update(card, CLERK, occasion, applicant, documents, world.now).await;
            let refused = made.as_ref().err().map(|error| error.refusal().expect("a refusal"));
            assert_eq!(refused, expected, "{occasion:?} {applicant:?} {documents:?}");
            // A clerk's program that leaves the check out does not get further.
            let mut request = request(&world, serial).await;
            (request.card, request.occasion, request.applicant) = (card, occasion, applicant);
            request.documents = documents.to_vec();
            let begun = update_by(&world, &clerk.sign(&request.to_json()), card).await;
            assert_eq!(begun.err(), expected, "{occasion:?} {applicant:?} {documents:?}");
        }

        // Not signed, signed by somebody else, changed afterwards, no request at all.
        let good = request(&world, serial).await;
        let text = good.to_json();
        let signed = clerk.sign(&text);
        let stranger = ClerkCard::new(&world, 2).await;
        let with = |content: &[u8], signature: &[u8]| SignedRequest {
            content: content.to_vec(),
            signature: signature.to_vec(),
        };
        let changed = String::from_utf8(text.clone()).expect("text").replace("registration", "area");
        let (mut other_clerk, mut other_office) = (good.clone(), good.clone());
        other_clerk.clerk = "clerk-2".into();
        let elsewhere = registry::offices().find(|one| one.code != good.office).expect("another").code;
        other_office.office = elsewhere;
        for (attempt, refusal) in [
            (with(&text, &[]), Refusal::UpdateRequestSignature),
            (stranger.sign(&text), Refusal::UpdateRequestSignature),
            (with(changed.as_bytes(), &signed.signature), Refusal::UpdateRequestSignature),
            (clerk.sign(&other_clerk.to_json()), Refusal::ClerkUnknown),
            (clerk.sign(&other_office.to_json()), Refusal::UpdateRequestSignature),
            (clerk.sign(b"{}"), Refusal::UpdateRequestMalformed),
            (clerk.sign("I have read the contract.".as_bytes()), Refusal::UpdateRequestMalformed),
        ] {
            assert_eq!(update_by(&world, &attempt, serial).await.err(), Some(refusal));
        }
        // Of yesterday, and of tomorrow.
        let noon = world.now;
        for (minutes, refusal) in [
            (479, None),
            (481, Some(Refusal::UpdateRequestStale)),
            (-4, None),
            (-6, Some(Refusal::UpdateRequestStale)),
        ] {
            let mut request = request(&world, serial).await;
            request.at = later(noon, -minutes);
            let signed = clerk.sign(&request.to_json());
            assert_eq!(update_by(&world, &signed, serial).await.err(), refusal, "{minutes}");
        }
        // Once an update was written by it a request is used; until then it may be taken up again.
        assert_eq!(update_by(&world, &signed, serial).await.expect("nothing to do").number, None);
        let change = Change::Birthplace("澎湖縣".into());
        world.register.record(&person.id, &change, world.now).await.expect("recorded");
        assert_eq!(update_by(&world, &signed, serial).await.expect("updated").number, Some(1));
        assert_eq!(update_by(&world, &signed, serial).await.err(), Some(Refusal::UpdateRequestUsed));
        // A clerk whose certificates are suspended, and one who is not a clerk any more.
        let fresh = clerk.sign(&request(&world, serial).await.to_json());
        let card = "TWC000001".parse().expect("a serial number");
        let cause = model::SuspensionCause::Loss;
        use npc::CertificateAuthority;
        world.npc.suspend(card, cause, "test", world.now).await.expect("suspended");
        assert_eq!(update_by(&world, &fresh, serial).await.err(), Some(Refusal::ClerkCertificate));
        world.npc.resume(card, cause, "test", world.now).await.expect("resumed");
        world.mgmt.dismiss_clerk(CLERK, "admin", world.now).await.expect("dismissed");
        assert_eq!(update_by(&world, &fresh, serial).await.err(), Some(Refusal::ClerkUnknown));
        let again = world.mgmt.dismiss_clerk(CLERK, "admin", world.now).await;
        assert_eq!(again.expect_err("gone").refusal(), Some(Refusal::ClerkUnknown));
        // Nobody becomes a clerk without a certificate.
        let foreign = world.mgmt.appoint_clerk("x", good.office, b"none", "admin", world.now).await;
        assert_eq!(foreign.expect_err("refused").refusal(), Some(Refusal::ClerkCertificate));
        world.now = noon;
        world.close().await;
    })
    .await;
}

/// Somebody with access to the database.
async fn alter(db: &store::Db, sql: &str, values: &[store::Value<'_>]) {
    let altered =
        store::transaction!(db, |tx| tx.execute(store::AssertSqlSafe(sql.to_owned()), values).await);
    assert_eq!(altered.expect("altered"), 1, "{sql}");
}

/// A card that leaves the reader at one command: before it is sent, or before its answer.
struct Leaving<C> {
    card: C,
    at: usize,
    answers: bool,
}

impl<C: CardChannel> CardChannel for Leaving<C> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        self.at = self.at.saturating_sub(1);
        match (self.at, self.answers) {
            (0, false) => Err(ChannelError::CardGone),
            (0, true) => {
                self.card.transmit(command)?;
                Err(ChannelError::CardGone)
            }
            _ => self.card.transmit(command),
        }
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.card.reset()
    }
}

/// Counts the commands.
struct Counted<C>(C, std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl<C: CardChannel> CardChannel for Counted<C> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.0.transmit(command)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.0.reset()
    }
}

// proves: UPDATE-08, UPDATE-12, UPDATE-13
#[tokio::test]
async fn request_and_receipt_prove_an_update_and_show_every_alteration() {
    store::testkit::each_engine_url(async |url| {
        let (_place, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        world.restock(3).await;
        let person = world.person(1).await;
        let serial = world.card_of(&person).await;
        let clerk = appointed(&world, &person).await;
        let born = async |world: &World, place: &str| {
            let change = Change::Birthplace(place.into());
            world.register.record(&person.id, &change, world.now).await.expect("recorded");
        };
        born(&world, "澎湖縣").await;
        let signed = clerk.sign(&request(&world, serial).await.to_json());
        let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let channel = world.centre.reader(serial, Interface::Contact).expect("the card is there");
        let channel = Counted(channel, count.clone());
        let (update, _) = world.mgmt.update_card(&signed, channel, world.now).await.expect("updated");
        assert_eq!(update.number, Some(1));
        // The last command is COMMIT: lost on its way, then its answer lost; by the same number of commands, or one block more.
        let commands = count.load(std::sync::atomic::Ordering::SeqCst);
        let leave = async |world: &World, signed: &SignedRequest, at: usize, answers: bool| {
            let card = world.centre.reader(serial, Interface::Contact).expect("the card is there");
            world.mgmt.update_card(signed, Leaving { card, at, answers }, world.now).await.is_err()
        };
        born(&world, "金門縣").await;
        world.now = later(world.now, 10);
        let signed = clerk.sign(&request(&world, serial).await.to_json());
        assert!(leave(&world, &signed, commands, false).await, "the card left");
        let states = async |world: &World| -> Vec<(u16, String)> {
            let records = world.mgmt.card_updates(serial).await.expect("kept");
            records.into_iter().map(|record| (record.number, record.result)).collect()
        };
        let state = |number: u16, result: &str| (number, result.to_owned());
        assert_eq!(states(&world).await, [state(1, "written"), state(2, "signed")]);
        // The same request takes it up again; this time the card has it, and nobody hears of it.
        assert!(leave(&world, &signed, commands, true).await, "the card left");
        let third = [state(1, "written"), state(2, "lost"), state(3, "signed")];
        assert_eq!(states(&world).await, third);
        // The card itself says so at the next visit: nothing to write, and the books are closed with its receipt.
        assert_eq!(update_by(&world, &signed, serial).await.expect("verified").number, None);
        let closed = [state(1, "written"), state(2, "lost"), state(3, "written")];
        assert_eq!(states(&world).await, closed);

        let problems = async |world: &World| -> Vec<Vec<&'static str>> {
            match world.mgmt.verify_updates(serial).await {
                Ok(proofs) => proofs.into_iter().map(|proof| proof.problems).collect(),
                Err(error) => panic!("{error}"),
            }
        };
        let none: Vec<Vec<&str>> = vec![vec![]; 3];
        assert_eq!(problems(&world).await, none);
        let proofs = world.mgmt.verify_updates(serial).await.expect("verified");
        assert!(proofs.iter().all(|proof| proof.request.as_ref().is_some_and(|r| r.clerk == CLERK)));
        // Receipt and request can be verified by whoever has them, without the books.
        let record = &proofs[0].record;
        let receipt = lds::UpdateReceipt::decode(record.receipt.as_deref().expect("kept")).expect("decodes");
        let key = world
            .read(serial, Interface::Contact)
            .public_zone()
            .expect("read")
            .active_authentication_key
            .clone();
        assert!(receipt.is_signed_by(&key) && record.receipt_key.as_deref() == Some(&key[..]));
        assert_eq!(
            receipt.package,
            curve::Hash::Sha256.digest(
                x509::cms::SignedData::parse(&update.package).expect("CMS").content().expect("inside")
            )
        );

        // Any column altered shows; put back, all is well.
        let db = world.dbs[4].clone();
        let other = clerk.sign(&request(&world, serial).await.to_json());
        for (set, back) in [
            ("fields = 'SPOUSE'", "fields = 'BIRTHPLACE'"),
            ("clerk = 'clerk-9'", "clerk = 'clerk-1'"),
            ("result = 'refused'", "result = 'written'"),
            ("result = 'signed'", "result = 'written'"),
        ] {
            for (change, holds) in [(set, false), (back, true)] {
                alter(&db, &format!("UPDATE card_update SET {change} WHERE number = 1"), &[]).await;
                assert_eq!(problems(&world).await[0].is_empty(), holds, "{change}");
            }
        }
        let columns = ["package_hash", "receipt", "receipt_key", "content", "signature"];
        for column in columns {
            let (table, wher) = match column {
                "content" | "signature" => ("update_request", "request"),
                _ => ("card_update", "request"),
            };
            let id = record.request.as_deref().expect("a request");
            let read = format!("SELECT {column} FROM {table} WHERE {wher} = $1");
            let row = db.one(store::AssertSqlSafe(read), store::params![id]).await.expect("kept");
            let before: Vec<u8> = row.read(0).expect("bytes");
            let write = format!("UPDATE {table} SET {column} = $2 WHERE {wher} = $1");
            let write = async |bytes: &[u8]| alter(&db, &write, store::params![id, bytes]).await;
            for place in [0, before.len() / 2, before.len() - 1] {
                let mut altered = before.clone();
                altered[place] ^= 1;
                write(&altered).await;
                assert_ne!(problems(&world).await[0], [""; 0], "{column}, byte {place}");
            }
            // Another good one in its place is not this one.
            let swapped = match column {
                "content" => other.content.clone(),
                "signature" => other.signature.clone(),
                "receipt" => proofs[2].record.receipt.clone().expect("kept"),
                _ => Vec::new(),
            };
            write(&swapped).await;
            assert_ne!(problems(&world).await[0], [""; 0], "{column}, another");
            write(&before).await;
            assert_eq!(problems(&world).await, none, "{column}, put back");
        }
        // And the log itself cannot be made to fit.
        let log = "UPDATE audit_entry SET detail = replace(detail, 'BIRTHPLACE', 'SPOUSE') \
            WHERE action = 'card-update' AND detail LIKE '%\"number\":1,%'";
        alter(&db, log, &[]).await;
        assert!(world.mgmt.verify_updates(serial).await.is_err());
        world.close().await;
    })
    .await;
}
