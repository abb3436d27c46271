//! The sample country: every persona in its state, made by the real flow, and made whole after an interruption.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use mgmt::{CardSummary, sample};
use model::{ApplicationState, CardProfile, CardState};
use npc::CertificateAuthority;
use production::Interface;
use store::When;
use terminal::Verdict;
use terminal::npc_card::{NpcCard, Pin2Status};

use crate::world::{World, directory, later, start};

async fn personas(world: &World) -> BTreeMap<String, CardSummary> {
    let cards = world.mgmt.cards(None, 1_000).await.expect("lists");
    cards.into_iter().filter_map(|card| Some((card.sample.as_ref()?.persona.clone(), card))).collect()
}

async fn check(world: &World) {
    let cards = personas(world).await;
    let state = |persona: &str| cards.get(persona).map(|card| card.state);
    assert_eq!(state("just_applied"), None);
    let case = world.mgmt.sample_case("just_applied").await.expect("a case");
    assert_eq!(world.mgmt.case(case).await.expect("a case").state, ApplicationState::Submitted);
    assert_eq!(state("in_production"), Some(CardState::Paired));
    assert_eq!(state("ready"), Some(CardState::AwaitingCollection));
    for persona in [
        "active_national",
        "active_interop",
        "pin_blocked",
        "no_certificate",
        "minor",
        "senior",
        "rare_characters",
    ] {
        assert_eq!(state(persona), Some(CardState::Active), "{persona}");
        let card = &cards[persona];
        let secrets = card.sample.as_ref().expect("secrets");
        assert!(secrets.user_code.is_some() && secrets.pin1.is_some(), "{persona}");
        assert_eq!(secrets.pin2.is_some(), card.certificate, "{persona}");
        let report = world.read(card.serial, Interface::Contactless);
        assert_eq!(report.verdict, Verdict::Verified, "{persona}");
    }
    assert_eq!(state("suspended"), Some(CardState::Suspended));
    assert_eq!(state("recalled"), Some(CardState::Recalled));
    assert!(cards["ready"].sample.as_ref().is_some_and(|s| s.user_code.is_none() && s.pin1.is_none()));
    assert!(!cards["no_certificate"].certificate && !cards["minor"].certificate);
    assert_eq!(cards["senior"].renewal, None);
    assert_eq!(&cards["senior"].mrz[1][8..14], "<<<<<<");
    assert_eq!(cards["active_interop"].profile, CardProfile::Interop);
    assert_eq!(cards["minor"].renewal.map(|d| d.iso()).as_deref(), Some("2031-07-01"));
    let planes: Vec<u32> = cards["rare_characters"].holder.chars().map(|c| u32::from(c) >> 16).collect();
    assert_eq!(planes, [2, 3, 15]);
    assert_eq!(world.certificate_states(cards["suspended"].serial).await, ["suspended"; 2]);
    assert_eq!(world.certificate_states(cards["recalled"].serial).await, ["revoked"; 2]);
    let all = world.npc.certificates_of(cards["active_interop"].serial, world.now).await.expect("answers");
    assert_eq!(all.len(), 4);
    let card = world.centre.reader(cards["pin_blocked"].serial, Interface::Contact).expect("there");
    let can = eac::Password::can(cards["pin_blocked"].serial.can().as_str());
    let mut card = NpcCard::open(card, &can, &mut curve::SystemRandom).expect("opens");
    assert_eq!(card.pin2_status().expect("answers"), Pin2Status::Blocked);
    assert!(world.centre.stocktake().await.expect("counts").agrees());
}

// proves: OPEN-09, OPEN-14
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods)] // The one test that measures: the first run has a time limit.
async fn every_persona_is_in_its_state() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open_with(&url, &dir, start(), mgmt::Config::default()).await;
        world.restock(16).await;
        let begun = SystemTime::now();
        sample::create_country(&world.mgmt, &world.register, &world.centre, world.now)
            .await
            .expect("creates");
        let took = begun.elapsed().unwrap_or(Duration::ZERO);
        eprintln!("sample country in {took:?}");
        check(&world).await;
        // A later start changes nothing.
        sample::create_country(&world.mgmt, &world.register, &world.centre, world.now).await.expect("again");
        check(&world).await;
        // Nor does the work of a running country, until the clerk lets the held case go on.
        world.centre.run_line(world.now).await.expect("works");
        world.mgmt.advance(world.now).await.expect("advances");
        check(&world).await;
        let held = world.mgmt.sample_case("in_production").await.expect("a case");
        world.mgmt.hold_case(held, false, "shown", "clerk-1", world.now).await.expect("releases");
        world.produce(held).await.expect("is produced");
        world.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_first_run_is_finished_by_the_next() {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/db/", dir.display());
    let mut now = start();
    // Each run dies a little later, in one system after the other, until one comes through.
    let mut runs = 0;
    let mut deaths = 0;
    loop {
        let world = World::open(&url, &dir, now).await;
        if world.centre.available().await.expect("counts") == 0 && runs == 0 {
            world.restock(16).await;
        }
        let system = [4, 3, 4, 3, 4, 3, 2, 1][runs % 8];
        let when = if runs % 2 == 0 { When::BeforeCommit } else { When::AfterCommit };
        world.kill_at(system, 1 + (runs as u64 * 3) % 5, when);
        let made = sample::create_country(&world.mgmt, &world.register, &world.centre, now).await;
        let died = world.dbs[system].revive();
        if made.is_ok() && !died {
            check(&world).await;
            world.close().await;
            break;
        }
        deaths += usize::from(died);
        world.close().await;
        now = later(now, 10);
        runs += 1;
        assert!(runs < 400, "the first run never ends");
    }
    assert!(deaths > 8, "only {deaths} interruptions");
}
