//! What keeps a case waiting without being a failure of it: no blank cards, a full disk of a neighbour.

use crate::world::{CLERK, World, application, directory, later, start};
use jiff::SignedDuration;
use mgmt::Decision;
use model::{ApplicationState, CardState, CaseNo};
use store::When;

const NPC: usize = 2;
const PRODUCTION: usize = 3;

/// So many failures a case may have.
const MOST_FAILURES: u32 = 20;
const ROUNDS: u32 = MOST_FAILURES + 10;

async fn batched(world: &World, number: u8) -> CaseNo {
    let person = world.person(number).await;
    let no = world.mgmt.submit(application(&person), CLERK, world.now).await.expect("submits");
    world
        .mgmt
        .review(no, Decision::Approve(mgmt::portrait::REVIEW), CLERK, world.now)
        .await
        .expect("approves");
    world.mgmt.batch(100, CLERK, world.now).await.expect("batches");
    no
}

/// Whoever works is told of the full disk each time, whichever system it is of; no case is given up for it, and nothing else
/// waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_a_neighbour_is_told_and_counts_against_no_case() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        world.restock(6).await;
        for (number, system) in [(1, NPC), (2, PRODUCTION)] {
            let in_use = world.person(10 + number).await;
            let in_use = world.card_of(&in_use).await;
            let no = batched(&world, number).await;
            world.dbs[system].disk_full(true);
            let mut told = 0;
            for round in 1..=ROUNDS {
                if round == 2 && system == PRODUCTION {
                    // The certificates of a lost card do not wait for the disk of the card centre.
                    world.mgmt.report_loss(in_use, "hotline", world.now).await.expect("reports");
                }
                world.now += SignedDuration::from_secs(5);
                // A card has to be set aside first.
                let line = world.centre.run_line(world.now).await;
                assert!(line.is_ok() || system == PRODUCTION, "{line:?}");
                if let Err(error) = world.mgmt.advance(world.now).await {
                    assert!(store::is_disk_full(&error), "{error}");
                    told += 1;
                }
            }
            assert!(told > MOST_FAILURES, "told {told} times");
            if system == PRODUCTION {
                assert_eq!(world.certificate_states(in_use).await, ["suspended"; 2]);
            }
            world.dbs[system].disk_full(false);
            world.now += SignedDuration::from_secs(5);
            world.produce(no).await.expect("is produced");
            world.mgmt.hand_over(no, CLERK, world.now).await.expect("is handed over");
        }
        world.close().await;
    })
    .await;
}

/// A case that waited long for a blank card has failed not once: the first failure is tried again in a second.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_blank_cards_is_no_failure() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        let no = batched(&world, 1).await;
        for _ in 0..ROUNDS {
            world.mgmt.advance(world.now).await.expect("waits");
        }
        world.restock(1).await;
        world.kill_at(PRODUCTION, 1, When::BeforeCommit);
        let _ = world.mgmt.advance(world.now).await;
        assert!(world.dbs[PRODUCTION].revive(), "the centre was asked");
        world.now += SignedDuration::from_secs(1);
        world.produce_until(no, ApplicationState::Ready).await.expect("is produced");
        let serial =
            world.mgmt.hand_over(no, CLERK, later(world.now, 1)).await.expect("is handed over").serial;
        assert_eq!(world.mgmt.card(serial).await.expect("a card").state, CardState::Active);
        world.close().await;
    })
    .await;
}
