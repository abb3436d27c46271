//! Updates of the chip at an office, and the terminal with which the offices act.

use apdu::CardChannel;
use mgmt::Refusal;
use model::{CardSerial, MilitaryServiceCategory};
use production::Interface;
use registry::{Change, Person, sample_persons};
use terminal::Verdict;

use crate::world::{CLERK, World, directory, later, office, start};

async fn update(
    world: &World,
    serial: CardSerial,
    in_reader: CardSerial,
    person: &Person,
) -> Result<mgmt::CardUpdate, Refusal> {
    let channel = world.centre.reader(in_reader, Interface::Contact).expect("the card is there");
    let updated = world.mgmt.update_card(serial, office(person), CLERK, channel, world.now).await;
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
        // Nothing changed: nothing is signed, and nothing written.
        let nothing = update(&world, serial, serial, &person).await.expect("verified");
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
        let first = update(&world, serial, serial, &person).await.expect("updated");
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
        assert_eq!(update(&world, serial, serial, &person).await.expect("verified").number, None);
        // The next one touches one field of the encrypted zone and one of the public zone.
        change(&world, Change::Birthplace("高雄市".into())).await;
        let military = if person.military == MilitaryServiceCategory::None {
            MilitaryServiceCategory::Exempt
        } else {
            MilitaryServiceCategory::None
        };
        change(&world, Change::MilitaryService(military)).await;
        let second = update(&world, serial, serial, &person).await.expect("updated");
        assert_eq!(second.fields, ["MILITARY_SERVICE", "BIRTHPLACE"]);
        assert_eq!(update(&world, serial, serial, &person).await.expect("verified").number, None);

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
        assert_eq!(update(&world, serial, other_serial, &person).await.err(), Some(Refusal::OtherCard));
        change(&world, Change::Married(samples[1].person.name.clone())).await;
        let married = person.marital == model::MaritalStatus::Married;
        let refused = update(&world, serial, serial, &person).await;
        assert_eq!(refused.err(), (!married).then_some(Refusal::NewCardNeeded));
        world.mgmt.report_loss(other_serial, CLERK, world.now).await.expect("suspended");
        assert_eq!(update(&world, other_serial, other_serial, &other).await.err(), Some(Refusal::WrongState));
        world.close().await;
    })
    .await;
}
