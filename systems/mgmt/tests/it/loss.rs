//! Loss and its withdrawal at every system that has to know: management, register, certificates, chip data lists.

use mgmt::{DataListStatus, ListedField, Refusal};
use model::{ApplicationKind, CardSerial, CardState, CertificateState, SuspensionCause};
use npc::CertificateAuthority;
use production::Interface;
use registry::{CardMark, Register};
use store::When;

use crate::world::{CLERK, World, application, directory, later, office, person, start};

const REGISTER: usize = 0;
const NPC: usize = 2;
const MGMT: usize = 4;

/// What each of them says of a card.
async fn everywhere(world: &World, serial: CardSerial) -> (CardState, CardMark, Vec<String>) {
    let state = world.mgmt.card(serial).await.expect("a card").state;
    let (_, id) = world.mgmt.holder_of(serial).await.expect("a holder");
    let mark = world.register.card_mark(&id, serial).await.expect("answers");
    (state, mark, world.certificate_states(serial).await)
}

fn lost() -> (CardState, CardMark, Vec<String>) {
    (CardState::Suspended, CardMark::Lost, vec!["suspended".into(); 2])
}

fn in_force() -> (CardState, CardMark, Vec<String>) {
    (CardState::Active, CardMark::InForce, vec!["good".into(); 2])
}

/// Killed before and after every commit of the three systems that take part, a report and a withdrawal are everywhere or nowhere
/// once the program is up again; also where the holder thinks better of it before anybody has tried again.
// proves: LOSS-11
#[tokio::test(flavor = "multi_thread")]
async fn a_loss_is_marked_everywhere_or_nowhere_wherever_the_program_dies() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut now = start();
        let mut world = World::open(&url, &dir, now).await;
        world.restock(1).await;
        let serial = world.card_of(&person_of(&world).await).await;
        let mut deaths = [0; 5];
        for system in [REGISTER, NPC, MGMT] {
            for when in [When::BeforeCommit, When::AfterCommit] {
                for n in 1.. {
                    let mut died = false;
                    // Reported, killed, and reported or withdrawn at once after the restart; then the same with a withdrawal.
                    for (lose, then) in
                        [(true, true), (false, false), (true, false), (true, true), (false, true)]
                    {
                        let before = everywhere(&world, serial).await;
                        let of = |lose: bool| if lose { lost() } else { in_force() };
                        assert!(before == lost() || before == in_force(), "{before:?}");
                        if before == of(lose) {
                            continue;
                        }
                        world.kill_at(system, n, when);
                        let acted = act(&world, serial, lose).await;
                        died |= world.dbs[system].revive();
                        world.close().await;
                        world = World::open(&url, &dir, now).await;
                        let what = format!("system {system}, commit {n}, {when:?}, {lose} {then}");
                        let state = world.mgmt.card(serial).await.expect("a card").state;
                        if acted.is_ok() {
                            assert_eq!(state, of(lose).0, "{what}");
                        }
                        if (state == CardState::Suspended) != then {
                            act(&world, serial, then).await.unwrap_or_else(|e| panic!("{what}: {e}"));
                        }
                        // What the dead one had claimed is taken up when its lease is over.
                        now = later(now, 5);
                        world.now = now;
                        world.mgmt.advance(now).await.expect("advances");
                        assert_eq!(everywhere(&world, serial).await, of(then), "{what}");
                    }
                    deaths[system] += u32::from(died);
                    if !died {
                        break;
                    }
                }
            }
        }
        assert!(deaths[REGISTER] >= 2 && deaths[NPC] >= 2 && deaths[MGMT] >= 6, "{deaths:?}");
        world.mgmt.verify_audit().await.expect("the chain is whole");
        world.close().await;
    })
    .await;
}

async fn act(world: &World, serial: CardSerial, lose: bool) -> Result<(), mgmt::MgmtError> {
    if lose {
        world.mgmt.report_loss(serial, "hotline", world.now).await
    } else {
        world.mgmt.withdraw_loss(serial, "hotline", world.now).await
    }
}

async fn person_of(world: &World) -> registry::Person {
    world.person(1).await
}

/// Either neighbour may be away for days: the other one is told at once, and it is told when it is back, however often it was tried.
// proves: LOSS-11
#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_for_days_is_told_on_return() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        world.restock(2).await;
        let serial = world.card_of(&person_of(&world).await).await;
        let mut away = vec![REGISTER, NPC];
        while let Some(system) = away.pop() {
            let mut now = world.now;
            for lose in [true, false] {
                // Nothing of it is committed for thirty attempts, which take more than a day.
                world.kill_at(system, 1, When::BeforeCommit);
                act(&world, serial, lose).await.expect("management takes it");
                for _ in 0..30 {
                    now = later(now, 61);
                    let _ = world.mgmt.advance(now).await;
                }
                assert!(world.dbs[system].revive());
                let (state, mark, certificates) = everywhere(&world, serial).await;
                let (new, old) = if lose { (lost(), in_force()) } else { (in_force(), lost()) };
                assert_eq!(state, new.0);
                let new_there = new.clone();
                let there = if system == NPC { (new.1, old.2) } else { (old.1, new.2) };
                assert_eq!((mark, certificates), there, "{system}");
                now = later(now, 61);
                world.now = now;
                world.mgmt.advance(now).await.expect("advances");
                assert_eq!(everywhere(&world, serial).await, new_there);
            }
        }
        // A card without certificates is marked all the same, and a card that was replaced is void there too.
        let other = world.person(2).await;
        let wish = mgmt::NewApplication { wants_certificate: false, ..application(&other) };
        let no = world.mgmt.submit(wish.clone(), CLERK, world.now).await.expect("submits");
        world.produce(no).await.expect("is produced");
        let plain = world.mgmt.hand_over(no, CLERK, world.now).await.expect("is handed over").serial;
        let mark = async || everywhere(&world, plain).await.1;
        assert_eq!(mark().await, CardMark::InForce);
        act(&world, plain, true).await.expect("reported");
        assert_eq!(mark().await, CardMark::Lost);
        act(&world, plain, false).await.expect("withdrawn");
        assert_eq!(mark().await, CardMark::InForce);
        act(&world, plain, true).await.expect("reported");
        let kind = model::ApplicationKind::Replacement;
        let again = mgmt::NewApplication { kind, ..wish };
        world.mgmt.submit(again, CLERK, world.now).await.expect("submits");
        world.mgmt.advance(world.now).await.expect("advances");
        assert_eq!(mark().await, CardMark::Void);
        world.close().await;
    })
    .await;
}

/// A mark that comes late does not undo a newer one.
// proves: LOSS-11
#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_comes_late_is_not_heard() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        let (id, now) = (person_of(&world).await.id, world.now);
        let card: CardSerial = "ABC000001".parse().expect("a serial");
        let marked = async |mark, step| {
            world.register.mark_card(&id, card, mark, step, now).await.expect("marks");
            world.register.card_mark(&id, card).await.expect("answers")
        };
        assert_eq!(marked(CardMark::InForce, 4).await, CardMark::InForce);
        assert_eq!(marked(CardMark::Lost, 3).await, CardMark::InForce);
        assert_eq!(marked(CardMark::Lost, 5).await, CardMark::Lost);
        assert_eq!(marked(CardMark::InForce, 5).await, CardMark::Lost);
        let nobody = person(9).id;
        assert!(world.register.mark_card(&nobody, card, CardMark::Lost, 1, now).await.is_err());
        world.close().await;
    })
    .await;
}

/// With the card its certificates and its chip data lists are suspended at once and good again after the withdrawal; a list is void
/// with its card, and no list is made of a lost one.
// proves: LOSS-06
#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_chip_data_lists_follow_a_lost_card() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(1).await;
        let who = person_of(&world).await;
        let serial = world.card_of(&who).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        let make = async |fields: &[ListedField]| {
            let channel = world.centre.reader(serial, Interface::Contactless).expect("the card is there");
            mgmt.make_data_list(serial, channel, fields, (office(&who), CLERK), now).await
        };
        let list = make(&[ListedField::Address, ListedField::Name]).await.expect("is made");
        let words = String::from_utf8(list.file.clone()).expect("text");
        assert!(words.contains(who.name.chinese()) && words.contains(who.address.rest()), "{words}");
        assert!(!words.contains(who.id.as_str()), "what was not asked for is not shown");
        let other = make(&[ListedField::Name]).await.expect("is made");
        let status = async |number: &str, file: Option<&[u8]>| {
            mgmt.data_list_status(number, file).await.expect("answers")
        };
        let both = async || [status(&list.number, Some(&list.file)).await, status(&other.number, None).await];
        assert_eq!(both().await, [DataListStatus::Valid; 2]);
        assert_eq!(status(&list.number, Some(&other.file)).await, DataListStatus::Altered);
        assert_eq!(status("CDL-22222222222222222222", None).await, DataListStatus::Unknown);

        for _ in 0..2 {
            mgmt.report_loss(serial, "hotline", now).await.expect("reported");
            assert_eq!(everywhere(&world, serial).await, lost());
            assert_eq!(both().await, [DataListStatus::Suspended; 2]);
            let refused = make(&[ListedField::Name]).await.map(drop).expect_err("is lost");
            assert_eq!(refused.refusal(), Some(Refusal::WrongState));
            mgmt.withdraw_loss(serial, "hotline", now).await.expect("withdrawn");
            assert_eq!(everywhere(&world, serial).await, in_force());
            assert_eq!(both().await, [DataListStatus::Valid; 2]);
        }
        mgmt.void_card(serial, model::VoidReason::NotEntitled, CLERK, now).await.expect("voids");
        assert_eq!(both().await, [DataListStatus::Void; 2]);
        world.close().await;
    })
    .await;
}

/// A card can be lost and called in, in either order. The register says lost as long as it is; its certificates are suspended for each
/// cause by itself; found again it is called in still, and nobody renews it as if it were there.
// proves: LOSS-11
#[tokio::test(flavor = "multi_thread")]
async fn a_recalled_card_is_lost_and_found_everywhere() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        world.restock(2).await;
        let who = person_of(&world).await;
        let card = world.card_of(&who).await;
        let causes = async |world: &World| -> Vec<Vec<SuspensionCause>> {
            let all = world.npc.certificates_of(card, world.now).await.expect("answers");
            let causes = |state: &CertificateState| match state {
                CertificateState::Suspended { causes } => causes.keys().copied().collect(),
                _ => Vec::new(),
            };
            all.iter().map(|one| causes(&one.state)).collect()
        };
        let mark = async |world: &World| world.register.card_mark(&who.id, card).await.expect("answers");
        let (loss, authority) = (SuspensionCause::Loss, SuspensionCause::Authority);
        let mut both = vec![loss, authority];
        both.sort();
        act(&world, card, true).await.expect("reported");
        world.mgmt.recall_card(card, "R-1", CLERK, world.now).await.expect("called in");
        for _ in 0..2 {
            assert_eq!(everywhere(&world, card).await.0, CardState::Recalled);
            assert_eq!((mark(&world).await, causes(&world).await), (CardMark::Lost, vec![both.clone(); 2]));
            let again = act(&world, card, true).await.expect_err("is lost already");
            assert_eq!(again.refusal(), Some(Refusal::WrongState));
            act(&world, card, false).await.expect("found");
            assert_eq!(everywhere(&world, card).await.0, CardState::Recalled);
            assert_eq!(
                (mark(&world).await, causes(&world).await),
                (CardMark::InForce, vec![vec![authority]; 2])
            );
            assert!(act(&world, card, false).await.is_err(), "is found already");
            act(&world, card, true).await.expect("lost again");
        }
        // The audit says which it was.
        let sql =
            "SELECT detail FROM audit_entry WHERE subject = $1 AND action = 'card-recalled' ORDER BY seq";
        let told = world.dbs[MGMT].all(sql, store::params![card.as_str()]).await.expect("reads");
        let told: Vec<String> = told.iter().map(|row| row.read(0).expect("text")).collect();
        assert!(told[1].contains("loss-withdrawn") && told[2].contains("loss-reported"), "{told:?}");

        let kind = |kind| mgmt::NewApplication { kind, ..application(&who) };
        let refused = world.mgmt.submit(kind(ApplicationKind::Renewal), CLERK, world.now).await;
        assert_eq!(refused.expect_err("is lost").refusal(), Some(Refusal::CardLost));
        act(&world, card, false).await.expect("found");
        let refused = world.mgmt.submit(kind(ApplicationKind::Replacement), CLERK, world.now).await;
        assert_eq!(refused.expect_err("is there").refusal(), Some(Refusal::LossNotReported));
        act(&world, card, true).await.expect("lost for good");
        world.mgmt.submit(kind(ApplicationKind::Replacement), CLERK, world.now).await.expect("is replaced");
        world.mgmt.advance(world.now).await.expect("advances");
        assert_eq!(
            everywhere(&world, card).await,
            (CardState::Void, CardMark::Void, vec!["revoked".into(); 2])
        );
        world.close().await;

        // A loss that ends while a recall begins: wherever the program dies of what it tells, nothing is good.
        world = World::open(&url, &dir, later(start(), 60)).await;
        let other = world.person(2).await;
        let card = world.card_of(&other).await;
        act(&world, card, true).await.expect("reported");
        world.kill_at(NPC, 1, When::BeforeCommit);
        act(&world, card, false).await.expect("found");
        world.mgmt.recall_card(card, "R-1", CLERK, world.now).await.expect("called in");
        assert!(world.dbs[NPC].revive());
        let mut deaths = 0;
        for n in 1.. {
            world.kill_at(NPC, n, When::AfterCommit);
            let now = later(world.now, 61);
            let _ = world.mgmt.advance(now).await;
            let died = world.dbs[NPC].revive();
            world.close().await;
            world = World::open(&url, &dir, now).await;
            assert_eq!(world.certificate_states(card).await, ["suspended"; 2], "commit {n}");
            if !died {
                break;
            }
            deaths += 1;
        }
        assert!(deaths > 0, "it was told");
        let (state, mark, certificates) = everywhere(&world, card).await;
        assert_eq!((state, mark), (CardState::Recalled, CardMark::InForce));
        assert_eq!(certificates, ["suspended"; 2]);
        world.close().await;
    })
    .await;
}
