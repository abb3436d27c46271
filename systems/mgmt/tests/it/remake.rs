//! Cards that fail: at the centre, at the office, or because the person changed.

use mgmt::{Checked, Inspection, Refusal};
use model::{ApplicationState, CardState};
use npc::CertificateAuthority;
use production::Interface;
use registry::Change;
use terminal::Verdict;

use crate::world::{CLERK, World, application, directory, start};

// proves: MGMT-47, MGMT-48, PRODUCTION-41, PRODUCTION-43
#[tokio::test(flavor = "multi_thread")]
async fn a_flawed_card_is_made_again_without_a_second_photo() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(2).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        let person = world.person(1).await;
        let no = mgmt.submit(application(&person), CLERK, now).await.expect("submits");
        while mgmt.case(no).await.expect("a case").state != ApplicationState::Produced {
            if mgmt.case(no).await.expect("a case").state == ApplicationState::Submitted {
                mgmt.review(no, mgmt::Decision::Approve(mgmt::portrait::REVIEW), CLERK, now)
                    .await
                    .expect("approves");
                mgmt.batch(10, CLERK, now).await.expect("batches");
            }
            world.centre.run_line(now).await.expect("works");
            mgmt.advance(now).await.expect("advances");
        }
        let office = mgmt.case(no).await.expect("a case").office;
        let (box_no, cards) = mgmt.expected_boxes(office).await.expect("a list").swap_remove(0);
        // Another office's box, and a box that is miscounted.
        let other = "6300001000".parse().expect("an office");
        let refused = mgmt.receive_box(other, &box_no, &cards, CLERK, now).await.expect_err("not theirs");
        assert_eq!(refused.refusal(), Some(Refusal::BoxUnknown));
        let stray = "N5A000000".parse().expect("a serial");
        let receipt = mgmt.receive_box(office, &box_no, &[stray], CLERK, now).await.expect("counts");
        assert_eq!(
            (receipt.received.len(), receipt.missing, receipt.unexpected),
            (0, cards.clone(), vec![stray])
        );
        let receipt = mgmt.receive_box(office, &box_no, &cards, CLERK, now).await.expect("counts");
        assert_eq!(receipt.received, [no]);

        let flawed = cards[0];
        let inspection = Inspection::Flawed { defect: "portrait stained".into() };
        let checked = mgmt.check_received(no, inspection, CLERK, now).await.expect("checks");
        assert_eq!(checked, Checked::Remade);
        assert_eq!(mgmt.card(flawed).await.expect("a card").state, CardState::Flawed);
        assert_eq!(world.certificate_states(flawed).await, ["revoked"; 2]);

        world.produce(no).await.expect("is produced again");
        let serial = mgmt.case(no).await.expect("a case").serial.expect("a card");
        assert_ne!(serial, flawed);
        assert_eq!(world.read(serial, Interface::Contact).verdict, Verdict::Verified);
        assert_eq!(world.certificate_states(serial).await, ["good"; 2]);
        assert_eq!(world.centre.card_state(flawed).await.expect("known"), CardState::Void);
        let destroyed = world.centre.destroy_waste("D-1", CLERK, now).await.expect("destroys");
        assert_eq!(destroyed, [flawed]);
        assert!(world.centre.stocktake().await.expect("counts").agrees());
        world.close().await;
    })
    .await;
}

// proves: PRODUCTION-39, PRODUCTION-41, PRODUCTION-43
#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_fails_quality_control_is_scrapped_and_replaced() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        world.restock(2).await;
        let now = world.now;
        let person = world.person(1).await;
        let no = world.mgmt.submit(application(&person), CLERK, now).await.expect("submits");
        world
            .mgmt
            .review(no, mgmt::Decision::Approve(mgmt::portrait::REVIEW), CLERK, now)
            .await
            .expect("approves");
        world.mgmt.batch(10, CLERK, now).await.expect("batches");
        world.centre.work(now).await.expect("initialises");
        world.mgmt.advance(now).await.expect("delivers");
        let first = world.mgmt.case(no).await.expect("a case").serial.expect("a card");
        // Between delivery and quality control another card's file lies in the machine: a stock error.
        let path = world.centre.shelf().path(first);
        std::fs::remove_file(&path).expect("the card is lifted out");
        let spare = world.centre.shelf().cards().expect("lists").into_iter().next().expect("another card");
        std::fs::copy(world.centre.shelf().path(spare), &path).expect("the wrong card is put in");
        for _ in 0..4 {
            world.centre.run_line(world.now).await.expect("works");
            world.now = crate::world::later(world.now, 5);
        }
        assert_eq!(world.centre.card_state(first).await.expect("known"), CardState::Flawed);
        world.mgmt.advance(world.now).await.expect("takes the report");
        assert_eq!(world.mgmt.card(first).await.expect("a card").state, CardState::Flawed);
        assert_eq!(world.certificate_states(first).await, ["revoked"; 2]);
        assert_eq!(world.mgmt.case(no).await.expect("a case").state, ApplicationState::Approved);
        world.produce(no).await.expect("is produced again");
        let second = world.mgmt.case(no).await.expect("a case").serial.expect("a card");
        assert_ne!(first, second);
        assert_eq!(world.certificate_states(second).await, ["good"; 2]);
        world.close().await;
    })
    .await;
}

// proves: CARDFACE-24, NPC-33, OPEN-53
#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_production_decides_at_the_counter() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(7).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        let mut ready = Vec::new();
        for number in 1..=5 {
            let person = world.person(number).await;
            let no = mgmt.submit(application(&person), CLERK, now).await.expect("submits");
            world.produce(no).await.expect("is produced");
            ready.push((no, mgmt.case(no).await.expect("a case").serial.expect("a card"), person));
        }
        let change = async |who: usize, change: Change| {
            world.register.record(&ready[who].2.id, &change, now).await.expect("records");
        };
        change(0, Change::Death(world.today())).await;
        change(1, Change::MarriageEnded).await;
        change(2, Change::Guardianship(true)).await;
        change(3, Change::Moved(ready[0].2.address.clone())).await;
        let new_name = registry::sample_persons().swap_remove(0).person.name;
        assert_ne!(new_name.chinese(), ready[4].2.name.chinese());
        change(4, Change::Name(new_name.clone())).await;

        let refused = mgmt.hand_over(ready[0].0, CLERK, now).await.expect_err("is dead");
        assert_eq!(refused.refusal(), Some(Refusal::NoLongerEntitled));
        assert_eq!(mgmt.card(ready[0].1).await.expect("a card").state, CardState::Void);
        assert_eq!(mgmt.case(ready[0].0).await.expect("a case").state, ApplicationState::Withdrawn);
        assert_eq!(world.certificate_states(ready[0].1).await, ["revoked"; 2]);

        let refused = mgmt.hand_over(ready[1].0, CLERK, now).await.expect_err("is printed otherwise");
        assert_eq!(refused.refusal(), Some(Refusal::FaceOutdated));
        assert_eq!(mgmt.card(ready[1].1).await.expect("a card").state, CardState::Void);
        world.produce(ready[1].0).await.expect("is made again");
        let remade = mgmt.hand_over(ready[1].0, CLERK, now).await.expect("is handed over").serial;
        let report = world.read(remade, Interface::Contactless);
        assert_eq!(report.public_zone().map(|zone| zone.marital_status.code.as_str()), Some("single"));

        let refused = mgmt.hand_over(ready[4].0, CLERK, now).await.expect_err("bears another name");
        assert_eq!(refused.refusal(), Some(Refusal::FaceOutdated));
        assert_eq!(mgmt.card(ready[4].1).await.expect("a card").state, CardState::Void);
        world.produce(ready[4].0).await.expect("is made again");
        let remade = mgmt.hand_over(ready[4].0, CLERK, now).await.expect("is handed over").serial;
        let report = world.read(remade, Interface::Contactless);
        assert_eq!(report.public_zone().map(|zone| zone.chinese_name.as_str()), Some(new_name.chinese()));

        let given =
            mgmt.hand_over(ready[2].0, CLERK, now).await.expect("a card without certificates in force");
        assert_eq!(given.serial, ready[2].1);
        assert_eq!(world.certificate_states(given.serial).await, ["revoked"; 2]);
        assert_eq!(world.npc.certificates_of(given.serial, now).await.expect("answers").len(), 2);

        let given = mgmt.hand_over(ready[3].0, CLERK, now).await.expect("an address is not printed");
        assert_eq!(given.serial, ready[3].1);
        world.close().await;
    })
    .await;
}

// proves: MGMT-49, NPC-33, OPEN-53
#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_production_decides_at_the_office_check() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(4).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        let mut cases = Vec::new();
        for number in 1..=4 {
            let person = world.person(number).await;
            let no = mgmt.submit(application(&person), CLERK, now).await.expect("submits");
            world.produce_until(no, ApplicationState::Received).await.expect("arrives");
            cases.push((no, mgmt.case(no).await.expect("a case").serial.expect("a card"), person));
        }
        let changes = [
            (
                Change::Guardianship(true),
                Checked::ReadyWithoutCertificates,
                CardState::AwaitingCollection,
                "revoked",
            ),
            (Change::MovedAbroad(world.today()), Checked::Void, CardState::Void, "revoked"),
            (Change::Death(world.today()), Checked::Void, CardState::Void, "revoked"),
            (
                Change::Moved(cases[0].2.address.clone()),
                Checked::Ready,
                CardState::AwaitingCollection,
                "good",
            ),
        ];
        for ((no, serial, person), (change, checked, state, certificates)) in cases.iter().zip(changes) {
            world.register.record(&person.id, &change, now).await.expect("records");
            let found = mgmt.check_received(*no, Inspection::Good, CLERK, now).await.expect("checks");
            assert_eq!(found, checked);
            assert_eq!(mgmt.card(*serial).await.expect("a card").state, state);
            assert_eq!(world.certificate_states(*serial).await, [certificates; 2]);
        }
        world.close().await;
    })
    .await;
}
