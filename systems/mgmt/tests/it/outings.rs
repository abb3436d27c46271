//! Updates away from the counter: at the announced place and time, with the announced devices, for changes of whole places.

use apdu::CardChannel;
use jiff::Timestamp;
use mgmt::{Applicant, Document, MgmtError, NewOuting, Occasion, OnOuting, Refusal, UpdateRequest};
use model::CardSerial;
use production::Interface;
use registry::{Change, sample_persons};
use store::params;

use crate::world::{CLERK, ClerkCard, World, directory, later, office, start};

async fn asked(
    world: &World,
    card: CardSerial,
    occasion: Occasion,
    documents: &[Document],
    on: OnOuting,
    now: Timestamp,
) -> Result<UpdateRequest, MgmtError> {
    let (clerk, who) = (CLERK, Applicant::Holder);
    world.mgmt.request_update_on_outing(card, clerk, occasion, who, documents, on, now).await
}

/// An office announces place, time and devices; there and then, and nowhere else, a clerk who has seen the papers updates chips, and
/// every record of it says on which outing and with which device.
// proves: UPDATE-11
#[tokio::test(flavor = "multi_thread")]
async fn an_office_updates_at_the_announced_place_and_time() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        world.restock(1).await;
        let person = world.person(1).await;
        let serial = world.card_of(&person).await;
        let clerk = ClerkCard::new(&world, 1).await;
        let (here, now) = (office(&person), world.now);
        let certificate = clerk.certificate.der();
        world.mgmt.appoint_clerk(CLERK, here, certificate, "admin", now).await.expect("appointed");
        let elsewhere = registry::offices().map(|one| one.code).find(|code| *code != here).expect("another");
        let outing = NewOuting {
            office: here,
            place: "某里活動中心".into(),
            from: later(now, 60),
            until: later(now, 240),
            devices: vec!["tablet-7".into(), "tablet-8".into()],
        };
        for (wrong, refusal) in [
            (NewOuting { office: elsewhere, ..outing.clone() }, Refusal::OutingElsewhere),
            (NewOuting { place: " ".into(), ..outing.clone() }, Refusal::OutingIncomplete),
            (NewOuting { devices: Vec::new(), ..outing.clone() }, Refusal::OutingIncomplete),
            (NewOuting { from: now, ..outing.clone() }, Refusal::OutingIncomplete),
            (NewOuting { until: outing.from, ..outing.clone() }, Refusal::OutingIncomplete),
        ] {
            let refused = world.mgmt.announce_outing(wrong, CLERK, now).await.expect_err("is refused");
            assert_eq!(refused.refusal(), Some(refusal));
        }
        let announced = world.mgmt.announce_outing(outing.clone(), CLERK, now).await.expect("announced");
        assert_eq!((announced.number, &announced.announced, announced.updates), (1, &outing, 0));
        assert_eq!(world.mgmt.outings(Some(now), None, 10).await.expect("lists"), [announced]);

        let samples = sample_persons();
        let address = samples.iter().map(|sample| &sample.person.address).find(|one| **one != person.address);
        let change = Change::Renumbered(address.expect("another").clone());
        world.register.record(&person.id, &change, now).await.expect("recorded");
        let on = |outing: u64, device: &str| OnOuting { outing, device: device.into() };
        let there = later(now, 90);
        let (card, renumbered) = (&[Document::Card][..], Occasion::Renumbering);
        for (occasion, on, at, refusal) in [
            (renumbered, on(1, "tablet-7"), later(now, 59), Refusal::OutingElsewhere),
            (renumbered, on(1, "tablet-7"), later(now, 241), Refusal::OutingElsewhere),
            (renumbered, on(1, "tablet-9"), there, Refusal::OutingElsewhere),
            (renumbered, on(2, "tablet-7"), there, Refusal::OutingElsewhere),
            (Occasion::Registration, on(1, "tablet-7"), there, Refusal::OutingElsewhere),
            (Occasion::MilitaryService, on(1, "tablet-7"), there, Refusal::OutingElsewhere),
        ] {
            let refused = asked(&world, serial, occasion, card, on, at).await.expect_err("is refused");
            assert_eq!(refused.refusal(), Some(refusal), "{occasion:?} {at}");
        }
        // The papers are the same as at a counter.
        let refused = asked(&world, serial, renumbered, &[], on(1, "tablet-7"), there).await;
        assert_eq!(refused.expect_err("no papers").refusal(), Some(Refusal::IdentityNotVerified));

        let request =
            asked(&world, serial, renumbered, card, on(1, "tablet-7"), there).await.expect("is asked");
        let signed = clerk.sign(&request.to_json());
        let update = async |at: Timestamp| {
            let channel = world.centre.reader(serial, Interface::Contact).expect("the card is there");
            let updated = world.mgmt.update_card(&signed, channel, at).await;
            updated.map(|(update, mut channel)| {
                channel.reset().expect("the card answers");
                update
            })
        };
        // When everybody has gone home the request is of no use any more.
        let late = update(later(now, 241)).await.expect_err("is over");
        assert_eq!(late.refusal(), Some(Refusal::OutingElsewhere));
        assert_eq!(update(there).await.expect("updated").fields, ["HOUSEHOLD", "ADDRESS"]);
        let proofs = world.mgmt.verify_updates(serial).await.expect("verifies");
        assert!(proofs.len() == 1 && proofs[0].problems.is_empty(), "{proofs:?}");
        let kept = proofs[0].request.as_ref().expect("is kept");
        assert_eq!((kept.on.clone(), kept.clerk.as_str()), (Some(on(1, "tablet-7")), CLERK));
        assert_eq!(world.mgmt.outings(None, None, 10).await.expect("lists")[0].updates, 1);
        assert!(
            world.mgmt.outings(Some(later(now, 241)), None, 10).await.expect("lists").is_empty(),
            "it is over"
        );
        world.now = there;
        assert_eq!(world.read(serial, Interface::Contact).verdict, terminal::Verdict::Verified);
        world.close().await;
    })
    .await;
}

/// After years of outings a new one is announced and stands first, and all of them are read page by page.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_outing_stands_before_a_thousand_old_ones() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        let clerk = ClerkCard::new(&world, 1).await;
        let (here, now) = (office(&world.person(1).await), world.now);
        world
            .mgmt
            .appoint_clerk(CLERK, here, clerk.certificate.der(), "admin", now)
            .await
            .expect("appointed");
        let old = |number: i64| {
            let begins = later(now, 60 * (number - 2_000));
            let row = params![number, here.as_str(), "old", begins, later(begins, 30), "[]", CLERK, begins];
            row.to_vec()
        };
        let db = &world.dbs[4];
        store::transaction!(db, |tx| {
            let insert = "INSERT INTO outing (number, office, place, begins, ends, devices, clerk, at)";
            tx.insert_many(insert, 8, (1..=1_000).map(old)).await?;
            Ok::<_, store::StoreError>(())
        })
        .expect("stored");
        let outing = NewOuting {
            office: here,
            place: "new".into(),
            from: later(now, 60),
            until: later(now, 120),
            devices: vec!["tablet-7".into()],
        };
        let announced = world.mgmt.announce_outing(outing, CLERK, now).await.expect("is announced");
        assert_eq!(announced.number, 1_001);
        let (mut numbers, mut after) = (Vec::new(), None);
        loop {
            let page = world.mgmt.outings(None, after, 400).await.expect("lists");
            let Some(last) = page.last() else { break };
            after = Some(last.number);
            numbers.extend(page.iter().map(|one| one.number));
        }
        assert_eq!(numbers, (1..=1_001).rev().collect::<Vec<_>>());
        assert_eq!(world.mgmt.outings(Some(now), None, 10).await.expect("lists"), [announced]);
        world.close().await;
    })
    .await;
}
