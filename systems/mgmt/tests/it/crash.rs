//! `kill -9` at every commit of every system on the way from an application to a card in use: after a restart the
//! journey goes on, no card is lost or doubled, and no key has two certificates.

use std::collections::BTreeSet;
use std::path::Path;

use mgmt::{MgmtError, Refusal};
use model::{ApplicationState, CardSerial, CardState, CaseNo, KeySlot, Pin1, Pin2, UserCode};
use npc::CertificateAuthority;
use production::Interface;
use registry::Person;
use store::{When, params};
use terminal::Verdict;

use crate::world::{CLERK, SYSTEMS, World, application, directory, later, person, start};

/// The whole journey of one person, begun or taken up wherever it stands. `case` is what the clerk has noted.
async fn journey(world: &World, person: &Person, case: &mut Option<CaseNo>) -> Result<CardSerial, MgmtError> {
    let (mgmt, now) = (&world.mgmt, world.now);
    let no = match *case {
        Some(no) => no,
        None => match mgmt.submit(application(person), CLERK, now).await {
            // It was stored, but nobody heard of it: the newest open case is the one.
            Err(MgmtError::Refused(Refusal::CaseOpen)) => {
                let cases = mgmt.cases(None, None, 10_000).await?;
                cases.last().expect("an open case").case
            }
            submitted => submitted?,
        },
    };
    *case = Some(no);
    world.produce(no).await?;
    let mut default = None;
    if mgmt.case(no).await?.state == ApplicationState::Ready {
        default = Some(mgmt.hand_over(no, CLERK, now).await?.default_user_code);
    }
    let serial = mgmt.case(no).await?.serial.expect("a card");
    let code: UserCode = "abc123".parse().expect("a code");
    let card = mgmt.card(serial).await?;
    if !card.user_code_set {
        let default = match default {
            Some(default) => default,
            None => mgmt.reset_user_code(serial, CLERK, now).await?,
        };
        mgmt.change_user_code(serial, &default, &code, now).await?;
    }
    if card.pins_set.is_none() {
        let reader = world.centre.reader(serial, Interface::Contact)?;
        let (pin1, pin2): (Pin1, Pin2) =
            ("246810".parse().expect("a PIN1"), "13579135".parse().expect("a PIN2"));
        drop(mgmt.set_pins(serial, &code, &pin1, Some(&pin2), reader, now).await?);
    }
    Ok(serial)
}

/// What must be true of a finished journey, whatever happened on the way.
async fn check(world: &World, no: CaseNo, serial: CardSerial) {
    let cards = world.mgmt.cards(None, 10_000).await.expect("lists");
    let mine: Vec<_> = cards.iter().filter(|card| card.case == no).collect();
    assert_eq!(mine.len(), 1, "one card a case");
    assert_eq!((mine[0].serial, mine[0].state), (serial, CardState::Active));
    let serials: BTreeSet<_> = cards.iter().map(|card| card.serial).collect();
    assert_eq!(serials.len(), cards.len(), "no serial twice");

    let issued = world.npc.certificates_of(serial, world.now).await.expect("answers");
    let slots: Vec<KeySlot> = issued.iter().map(|c| c.slot).collect();
    assert_eq!(slots, [KeySlot::SigningRsa, KeySlot::EncryptionRsa], "one certificate a slot");
    assert!(issued.iter().all(|c| c.state.as_str() == "good"));
    let noted = world.mgmt.certificates(serial).await.expect("lists");
    assert!(noted.iter().all(|(slot, der)| issued.iter().any(|c| c.slot == *slot && c.der == *der)));

    let report = world.read(serial, Interface::Contact);
    assert_eq!(report.verdict, Verdict::Verified, "the chip agrees: {:?}", report.refusal());
    assert_eq!(report.public_zone().map(|zone| zone.card_serial.as_str()), Some(serial.as_str()));

    let sql = "SELECT count(*) FROM card WHERE order_no LIKE $1";
    let made = world.dbs[3].one(sql, params![format!("{no}-%")]).await.expect("counts");
    assert_eq!(made.read::<i64>(0).expect("a number"), 1, "one card was taken from stock");
    let sql = "SELECT count(*) FROM card_order WHERE case_no = $1 AND (wrapped_dek IS NOT NULL OR package IS NOT NULL)";
    let left = world.dbs[3].one(sql, params![no.as_str()]).await.expect("counts");
    assert_eq!(left.read::<i64>(0).expect("a number"), 0, "the centre's copy is destroyed");
    let sql = "SELECT count(*) FROM case_data WHERE case_no = $1";
    let left = world.dbs[4].one(sql, params![no.as_str()]).await.expect("counts");
    assert_eq!(left.read::<i64>(0).expect("a number"), 0, "management's copy is destroyed");
    let stocktake = world.centre.stocktake().await.expect("counts");
    assert!(stocktake.agrees(), "{stocktake:?}");
}

/// Kills at every `step`-th commit of each of these systems, before and after it. Returns how many deaths there were.
async fn kill_everywhere(url: &str, dir: &Path, systems: &[usize], step: u64) -> usize {
    let mut now = start();
    let mut deaths = 0;
    let mut number = 0;
    for system in systems.iter().copied() {
        for when in [When::BeforeCommit, When::AfterCommit] {
            let mut n = 1;
            loop {
                let mut world = World::open(url, dir, now).await;
                if world.centre.available().await.expect("counts") == 0 {
                    world.restock(8).await;
                }
                number += 1;
                let person = person(number);
                world.register.enrol(std::slice::from_ref(&person), now).await.expect("enrols");
                let mut case = None;
                world.kill_at(system, n, when);
                let ended = journey(&world, &person, &mut case).await;
                let died = world.dbs[system].revive();
                if died {
                    deaths += 1;
                    // Everything in memory is gone; what was being done is done again when its lease is over.
                    world.close().await;
                    now = later(now, 5);
                    world = World::open(url, dir, now).await;
                    let serial = journey(&world, &person, &mut case).await;
                    let serial = serial.unwrap_or_else(|error| {
                        panic!("{} commit {n} {when:?}: the journey does not go on: {error}", SYSTEMS[system])
                    });
                    check(&world, case.expect("a case"), serial).await;
                } else {
                    // The journey has fewer commits than n: this system is done.
                    let serial = ended.expect("nothing was injected");
                    check(&world, case.expect("a case"), serial).await;
                }
                world.mgmt.verify_audit().await.expect("the chain is whole");
                world.centre.verify_audit().await.expect("the chain is whole");
                world.close().await;
                if !died {
                    break;
                }
                n += step;
            }
        }
    }
    deaths
}

async fn on_sqlite(systems: &[usize]) -> usize {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/db/", dir.display());
    kill_everywhere(&url, &dir, systems, 1).await
}

// proves: PRODUCTION-33
#[tokio::test(flavor = "multi_thread")]
async fn the_card_centre_killed_at_every_commit_loses_and_doubles_no_card() {
    let deaths = on_sqlite(&[3]).await;
    assert!(deaths > 25, "only {deaths} commits were hit");
}

#[tokio::test(flavor = "multi_thread")]
async fn management_killed_at_every_commit_loses_and_doubles_no_card() {
    let deaths = on_sqlite(&[4]).await;
    assert!(deaths > 35, "only {deaths} commits were hit");
}

#[tokio::test(flavor = "multi_thread")]
async fn signers_killed_at_every_commit_sign_once() {
    let deaths = on_sqlite(&[1, 2]).await;
    assert!(deaths > 8, "only {deaths} commits were hit");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_on_postgresql_at_every_fifth_commit() {
    store::testkit::each_engine_url(async |url| {
        if url.starts_with("postgres") {
            let (_keep, dir) = directory();
            let deaths = kill_everywhere(&url, &dir, &[1, 2, 3, 4], 5).await;
            assert!(deaths > 12, "only {deaths} commits were hit");
        }
    })
    .await;
}

/// Two programs on the same databases and the same shelf share the work; nothing is made twice.
#[tokio::test(flavor = "multi_thread")]
async fn two_programs_work_side_by_side() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let one = World::open(&url, &dir, start()).await;
        one.restock(8).await;
        let two = World::open(&url, &dir, start()).await;
        let mut cases = Vec::new();
        for number in 1..=6 {
            let person = one.person(number).await;
            let no = one.mgmt.submit(application(&person), CLERK, one.now).await.expect("submits");
            one.mgmt
                .review(no, mgmt::Decision::Approve(mgmt::portrait::REVIEW), CLERK, one.now)
                .await
                .expect("approves");
            cases.push(no);
        }
        let work = async |world: &World| {
            let mut idle = 0;
            for round in 0.. {
                let now = later(world.now, round);
                world.mgmt.batch(3, CLERK, now).await.expect("batches");
                let steps = world.centre.run_line(now).await.expect("works")
                    + world.mgmt.advance(now).await.expect("advances");
                let open =
                    world.mgmt.cases(Some(ApplicationState::Produced), None, 100).await.expect("lists");
                let shipped = world.mgmt.cards(None, 100).await.expect("lists");
                let shipped = shipped.iter().filter(|card| card.state == CardState::Shipped).count();
                if open.len() == cases.len() && shipped == cases.len() {
                    return;
                }
                // The other one may be making keys, which takes seconds on a busy machine.
                idle = if steps == 0 { idle + 1 } else { 0 };
                assert!(idle < 1_000, "the work does not end");
                if idle > 0 {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        };
        tokio::join!(work(&one), work(&two));
        for no in &cases {
            let serial = one.mgmt.case(*no).await.expect("a case").serial.expect("a card");
            assert_eq!(one.read(serial, Interface::Contact).verdict, Verdict::Verified);
            assert_eq!(one.npc.certificates_of(serial, one.now).await.expect("answers").len(), 2);
        }
        let cards = one.mgmt.cards(None, 100).await.expect("lists");
        assert_eq!(cards.len(), cases.len(), "one card a case");
        assert!(one.centre.stocktake().await.expect("counts").agrees());
        one.mgmt.verify_audit().await.expect("the chain is whole");
        one.centre.verify_audit().await.expect("the chain is whole");
        one.close().await;
        two.close().await;
    })
    .await;
}
