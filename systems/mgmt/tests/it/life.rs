//! A card in use: loss, suspension, revocation, register events, user code.

use mgmt::Refusal;
use model::{ApplicationKind, CardState, RevocationReason, UserCode, VoidReason};
use registry::Change;

use crate::world::{CLERK, World, application, directory, later, start};

// proves: LOSS-10, NPC-47
#[tokio::test(flavor = "multi_thread")]
async fn certificates_follow_the_card_and_remember_why() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(1).await;
        let person = world.person(1).await;
        let serial = world.card_of(&person).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        assert_eq!(world.certificate_states(serial).await, ["good"; 2]);

        mgmt.report_loss(serial, "hotline", now).await.expect("reports");
        assert_eq!(mgmt.card(serial).await.expect("a card").state, CardState::Suspended);
        assert_eq!(world.certificate_states(serial).await, ["suspended"; 2]);
        let again = mgmt.report_loss(serial, "hotline", now).await.expect_err("is lost already");
        assert_eq!(again.refusal(), Some(Refusal::WrongState));
        mgmt.withdraw_loss(serial, CLERK, now).await.expect("found");
        assert_eq!(mgmt.card(serial).await.expect("a card").state, CardState::Active);
        assert_eq!(world.certificate_states(serial).await, ["good"; 2]);

        // The holder's own suspension outlives a loss and its withdrawal.
        mgmt.suspend_certificates(serial, "holder", now).await.expect("suspends");
        assert_eq!(mgmt.card(serial).await.expect("a card").state, CardState::Active);
        assert_eq!(world.certificate_states(serial).await, ["suspended"; 2]);
        mgmt.report_loss(serial, "hotline", now).await.expect("reports");
        mgmt.withdraw_loss(serial, CLERK, now).await.expect("found");
        assert_eq!(world.certificate_states(serial).await, ["suspended"; 2]);
        mgmt.resume_certificates(serial, "holder", now).await.expect("resumes");
        assert_eq!(world.certificate_states(serial).await, ["good"; 2]);

        // Online with the user code, once it is the holder's own.
        let default = mgmt.reset_user_code(serial, CLERK, now).await.expect("resets");
        let code: UserCode = "mycode1".parse().expect("a code");
        let refused = mgmt.suspend_certificates_online(serial, &default, now).await.expect_err("default");
        assert_eq!(refused.refusal(), Some(Refusal::UserCodeDefault));
        mgmt.change_user_code(serial, &default, &code, now).await.expect("changes");
        let refused = mgmt.suspend_certificates_online(serial, &default, now).await.expect_err("wrong");
        assert_eq!(refused.refusal(), Some(Refusal::UserCodeWrong));
        mgmt.suspend_certificates_online(serial, &code, now).await.expect("suspends");
        assert_eq!(world.certificate_states(serial).await, ["suspended"; 2]);
        mgmt.resume_certificates_online(serial, &code, now).await.expect("resumes");
        assert_eq!(world.certificate_states(serial).await, ["good"; 2]);

        mgmt.revoke_certificates(serial, RevocationReason::Unspecified, "holder", now)
            .await
            .expect("revokes");
        assert_eq!(world.certificate_states(serial).await, ["revoked"; 2]);
        assert_eq!(mgmt.card(serial).await.expect("a card").state, CardState::Active);
        let again = mgmt.resume_certificates(serial, "holder", now).await.expect_err("revocation is final");
        assert_eq!(again.refusal(), Some(Refusal::WrongState));
        world.close().await;
    })
    .await;
}

// proves: LOSS-09, MGMT-63, MGMT-73, NPC-51, OPEN-19
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_card_is_void_from_the_application_on() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(3).await;
        let person = world.person(1).await;
        let first = world.card_of(&person).await;
        let (mgmt, now) = (&world.mgmt, world.now);

        let mut wish = application(&person);
        let refused = mgmt.submit(wish.clone(), CLERK, now).await.expect_err("has a card");
        assert_eq!(refused.refusal(), Some(Refusal::CardExists));
        wish.kind = ApplicationKind::Replacement;
        let refused = mgmt.submit(wish.clone(), CLERK, now).await.expect_err("is not lost");
        assert_eq!(refused.refusal(), Some(Refusal::LossNotReported));
        mgmt.report_loss(first, "hotline", now).await.expect("reports");
        let mut renewal = wish.clone();
        renewal.kind = ApplicationKind::Renewal;
        let refused = mgmt.submit(renewal.clone(), CLERK, now).await.expect_err("is lost");
        assert_eq!(refused.refusal(), Some(Refusal::CardLost));

        // The certificate system does not answer while the replacement is applied for: the revocation follows later.
        world.kill_at(2, 1, store::When::BeforeCommit);
        let no = mgmt.submit(wish.clone(), CLERK, now).await.expect("submits");
        assert_eq!(mgmt.card(first).await.expect("a card").state, CardState::Void);
        let _ = mgmt.advance(now).await;
        assert!(world.dbs[2].revive());
        assert_eq!(world.certificate_states(first).await, ["suspended"; 2]);
        mgmt.advance(later(now, 120)).await.expect("advances");
        assert_eq!(world.certificate_states(first).await, ["revoked"; 2]);
        let refused = mgmt.withdraw_loss(first, CLERK, now).await.expect_err("is replaced");
        assert_eq!(refused.refusal(), Some(Refusal::ReplacementApplied));
        let refused = mgmt.submit(wish, CLERK, now).await.expect_err("has a case");
        assert_eq!(refused.refusal(), Some(Refusal::CaseOpen));

        world.produce(no).await.expect("is produced");
        let second = mgmt.hand_over(no, CLERK, now).await.expect("is handed over");
        assert!(second.voided.is_empty());

        // Renewal: the old card is valid until the new one is handed over.
        let no = mgmt.submit(renewal, CLERK, now).await.expect("submits");
        world.produce(no).await.expect("is produced");
        assert_eq!(mgmt.card(second.serial).await.expect("a card").state, CardState::Active);
        let third = mgmt.hand_over(no, CLERK, now).await.expect("is handed over");
        assert_eq!(third.voided, [second.serial]);
        assert_eq!(mgmt.card(second.serial).await.expect("a card").state, CardState::Void);
        assert_eq!(world.certificate_states(second.serial).await, ["revoked"; 2]);
        assert_eq!(world.certificate_states(third.serial).await, ["good"; 2]);
        let active = mgmt
            .cards(None, 100)
            .await
            .expect("lists")
            .iter()
            .filter(|c| c.state == CardState::Active)
            .count();
        assert_eq!(active, 1);
        world.close().await;
    })
    .await;
}

/// Whoever lost the paper card of before may apply for replacement from home, once the loss is reported.
// proves: LOSS-14
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_paper_card_is_reported_before_it_is_replaced_online() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(1).await;
        let person = world.person(1).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        let mut wish = application(&person);
        (wish.kind, wish.channel) = (ApplicationKind::Replacement, model::Channel::Online);
        let refused = mgmt.submit(wish.clone(), "applicant", now).await.expect_err("was not reported");
        assert_eq!(refused.refusal(), Some(Refusal::LossNotReported));
        for _ in 0..2 {
            mgmt.report_paper_loss(&person.id, "holder", now).await.expect("reports");
        }
        let no = mgmt.submit(wish, "applicant", now).await.expect("submits");
        world.produce(no).await.expect("is produced");
        let card = mgmt.hand_over(no, CLERK, now).await.expect("is handed over").serial;
        assert_eq!(mgmt.card(card).await.expect("a card").state, CardState::Active);
        let refused = mgmt.report_paper_loss(&person.id, "holder", now).await.expect_err("has a New eID");
        assert_eq!(refused.refusal(), Some(Refusal::CardExists));
        world.close().await;
    })
    .await;
}

// proves: NPC-33, NPC-51, OPEN-53
#[tokio::test(flavor = "multi_thread")]
async fn cards_follow_the_register() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(3).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        let mut cards = Vec::new();
        for number in 1..=3 {
            let person = world.person(number).await;
            cards.push((world.card_of(&person).await, person));
        }
        let record = async |who: usize, change: Change| {
            world.register.record(&cards[who].1.id, &change, now).await.expect("records");
        };
        record(0, Change::Death(world.today())).await;
        record(1, Change::Guardianship(true)).await;
        record(2, Change::MovedAbroad(world.today())).await;
        mgmt.advance(now).await.expect("advances");
        let state = async |who: usize| mgmt.card(cards[who].0).await.expect("a card").state;
        assert_eq!(state(0).await, CardState::Void);
        assert_eq!(state(1).await, CardState::Active);
        assert_eq!(state(2).await, CardState::Void);
        for (serial, _) in &cards {
            assert_eq!(world.certificate_states(*serial).await, ["revoked"; 2]);
        }
        // Followed once.
        assert_eq!(mgmt.advance(now).await.expect("advances"), 0);
        let refused =
            mgmt.void_card(cards[0].0, VoidReason::NotEntitled, CLERK, now).await.expect_err("is void");
        assert_eq!(refused.refusal(), Some(Refusal::WrongState));
        world.close().await;
    })
    .await;
}

// proves: MGMT-62
#[tokio::test(flavor = "multi_thread")]
async fn the_user_code_is_counted_locked_and_nowhere_to_be_read() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(1).await;
        let person = world.person(1).await;
        let serial = world.card_of(&person).await;
        let (mgmt, mut now) = (&world.mgmt, world.now);
        let default = mgmt.reset_user_code(serial, CLERK, now).await.expect("resets");
        let code: UserCode = "mycode1".parse().expect("a code");
        let wrong: UserCode = "wrong01".parse().expect("a code");
        mgmt.change_user_code(serial, &default, &code, now).await.expect("changes");

        let row = world.dbs[4].one("SELECT user_code FROM card", store::params![]).await.expect("a row");
        let stored: String = row.read(0).expect("a text");
        assert!(stored.starts_with("$argon2id$") && !stored.contains("MYCODE1"));

        for _ in 0..5 {
            let refused = mgmt.change_user_code(serial, &wrong, &default, now).await.expect_err("wrong");
            assert_eq!(refused.refusal(), Some(Refusal::UserCodeWrong));
        }
        // Locked, also for the right one, and only for a while.
        let refused = mgmt.change_user_code(serial, &code, &default, now).await.expect_err("locked");
        assert_eq!(refused.refusal(), Some(Refusal::UserCodeLocked));
        now = later(now, 16);
        mgmt.change_user_code(serial, &code, &default, now).await.expect("open again");
        // Four wrong ones and a right one leave no trace.
        for _ in 0..4 {
            mgmt.change_user_code(serial, &wrong, &code, now).await.expect_err("wrong");
        }
        mgmt.change_user_code(serial, &default, &code, now).await.expect("right");
        mgmt.change_user_code(serial, &wrong, &code, now).await.expect_err("wrong");
        mgmt.change_user_code(serial, &code, &default, now).await.expect("right");
        world.close().await;
    })
    .await;
}

/// Many tries at once count as many tries.
#[tokio::test(flavor = "multi_thread")]
async fn tries_at_the_same_time_are_each_counted() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(1).await;
        let person = world.person(1).await;
        let serial = world.card_of(&person).await;
        let wrong: UserCode = "wrong01".parse().expect("a code");
        let new: UserCode = "mycode1".parse().expect("a code");
        let mut tries = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (mgmt, wrong, new, now) = (world.mgmt.clone(), wrong.clone(), new.clone(), world.now);
            tries.spawn(async move { mgmt.change_user_code(serial, &wrong, &new, now).await });
        }
        let mut compared = 0;
        while let Some(tried) = tries.join_next().await {
            let refused = tried.expect("no panic").expect_err("wrong").refusal();
            compared += usize::from(refused == Some(Refusal::UserCodeWrong));
        }
        assert_eq!(compared, 5, "tries beyond the limit were compared");
        world.close().await;
    })
    .await;
}
