//! Loss and its withdrawal, on every way that a holder has, and at every hour.

use std::time::Duration;

use curve::{Random, SystemRandom};
use jiff::SignedDuration;
use mgmt::{CallerAnswers, DataListStatus, ListedField};
use model::{ApplicationKind, CardState};
use production::Interface;
use ra::functions::{Channel, Function};
use ra::{Detail, Done, Proof, RaError};
use registry::{CardMark, Register};
use uuid::Uuid;

use crate::support::{Counter, code, refused, request};
use crate::world::{CLERK, application, directory, office};

impl Counter {
    fn answers(&self) -> CallerAnswers {
        CallerAnswers {
            number: self.person.id,
            birth: self.person.birth,
            district: self.person.address.village().district().to_string(),
            representative: None,
        }
    }

    /// Card, mark in the register, certificates.
    async fn stands(&self) -> (CardState, CardMark, Vec<String>) {
        let state = self.world.mgmt.card(self.card).await.unwrap().state;
        let mark = self.world.register.card_mark(&self.person.id, self.card).await.unwrap();
        (state, mark, self.world.certificate_states(self.card).await)
    }

    async fn on_the_site(&self, lost: bool) -> Result<Done, RaError> {
        let mut id = [0; 16];
        SystemRandom.fill(&mut id);
        let id = Uuid::from_bytes(id);
        self.ra.loss_online(id, &self.person.id, &code(), lost, self.world.now).await
    }
}

fn lost() -> (CardState, CardMark, Vec<String>) {
    (CardState::Suspended, CardMark::Lost, vec!["suspended".into(); 2])
}

fn in_force() -> (CardState, CardMark, Vec<String>) {
    (CardState::Active, CardMark::InForce, vec!["good".into(); 2])
}

/// The holder alone, by number and user code, in each hour of a week, nights and Sundays too.
// proves: LOSS-03
#[tokio::test(flavor = "multi_thread")]
async fn a_loss_is_reported_online_round_the_clock() {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/", dir.join("db").display());
    std::fs::create_dir(dir.join("db")).unwrap();
    let mut counter = Counter::open(&url, &dir).await;
    for hour in 0..7 * 24 {
        counter.world.now += SignedDuration::from_hours(1);
        counter.on_the_site(true).await.unwrap_or_else(|error| panic!("hour {hour}: {error}"));
        assert_eq!(counter.stands().await, lost(), "hour {hour}");
        counter.on_the_site(false).await.unwrap_or_else(|error| panic!("hour {hour}: {error}"));
        assert_eq!(counter.stands().await, in_force(), "hour {hour}");
    }
    // Nobody else: a wrong code, and a number that has no card, are answered alike.
    let (now, wrong) = (counter.world.now, "wrong11".parse().unwrap());
    let nobody = crate::world::person(9).id;
    for (number, code) in [(counter.person.id, wrong), (nobody, code())] {
        let done = counter.ra.loss_online(Uuid::from_bytes([9; 16]), &number, &code, true, now).await;
        assert_eq!(refused(done), "MGMT-E-USER-CODE-WRONG");
    }
    assert_eq!(counter.stands().await, in_force());
    counter.close().await;
}

/// However often somebody tries, a number without a card, a card whose code is locked and one without a code are answered as a wrong
/// code is, after as much work; and each try is noted under something that is no number.
// proves: NPC-54
#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_online_who_has_a_card() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        // A hash that takes its time.
        let cost = mgmt::UserCodeCost { memory: 32 * 1024, passes: 4 };
        let mut counter = Counter::open_with(&url, &dir, |config| config.user_code_cost = cost).await;
        let nobody = crate::world::person(9).id;
        let tried = async |counter: &Counter, number: &model::NationalIdNo, code: &model::UserCode| {
            let mut id = [0; 16];
            SystemRandom.fill(&mut id);
            let (id, now) = (Uuid::from_bytes(id), counter.world.now);
            let begun = tokio::time::Instant::now();
            let error = counter.ra.loss_online(id, number, code, true, now).await.unwrap_err();
            (format!("{} {error} {error:?}", error.code()), begun.elapsed())
        };
        let wrong = "wrong11".parse().unwrap();
        let mut answers = Vec::new();
        let mut in_time = Vec::new();
        // Five lock it.
        for _ in 0..8 {
            for number in [&counter.person.id, &nobody] {
                let (answer, time) = tried(&counter, number, &wrong).await;
                answers.push(answer);
                in_time.push(time);
            }
        }
        answers.push(tried(&counter, &counter.person.id, &code()).await.0);
        assert_eq!(counter.stands().await, in_force(), "locked, for the right one too");
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert!(answers[0].starts_with("MGMT-E-USER-CODE-WRONG"), "{answers:?}");
        // Hashing is the work: of the holder's code while it is not locked it is management's, which is quick here.
        let hasher = mgmt::UserCodeHasher::new(cost);
        let mut hashing = Duration::MAX;
        for _ in 0..5 {
            let begun = tokio::time::Instant::now();
            hasher.matches_nothing(&wrong).await.unwrap();
            hashing = hashing.min(begun.elapsed());
        }
        for (n, time) in in_time.iter().enumerate().filter(|(n, _)| n % 2 == 1 || *n >= 10) {
            assert!(*time > hashing / 10, "try {n}: {time:?} of {hashing:?}");
        }
        let refused = async |counter: &Counter| {
            let all = audit::events(&counter.db, None, 0, 10_000).await.unwrap();
            let all = all.into_iter().filter(|event| event.action == "request-refuse");
            all.map(|event| (event.subject, event.detail)).collect::<Vec<_>>()
        };
        let noted = refused(&counter).await;
        let of_card = noted.iter().filter(|(subject, _)| subject == counter.card.as_str()).count();
        let of_nobody: Vec<_> = noted.iter().filter(|(subject, _)| subject.starts_with("number-")).collect();
        assert_eq!((of_card, of_nobody.len(), noted.len()), (9, 8, 17));
        assert!(of_nobody.iter().all(|(subject, _)| *subject == of_nobody[0].0));
        assert!(noted.iter().all(|(subject, detail)| {
            ![subject, detail].iter().any(|text| text.contains(nobody.as_str()) || text.contains("wrong11"))
        }));

        // Open again; and a card whose holder has no code yet.
        counter.world.now += SignedDuration::from_mins(16);
        counter.on_the_site(true).await.unwrap();
        counter.on_the_site(false).await.unwrap();
        let sql = "UPDATE card SET user_code = NULL WHERE serial = $1";
        let management = &counter.world.dbs[4];
        assert_eq!(management.execute(sql, store::params![counter.card.as_str()]).await.unwrap(), 1);
        for _ in 0..8 {
            answers.push(tried(&counter, &counter.person.id, &wrong).await.0);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        counter.close().await;
    })
    .await;
}

/// When no office is open, and at any other hour, an operator of the hotline takes a report on the caller's answers alone, who need
/// not know the number of the card; and does nothing else.
// proves: LOSS-05
#[tokio::test(flavor = "multi_thread")]
async fn the_hotline_takes_loss_reports_and_nothing_else() {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/", dir.join("db").display());
    std::fs::create_dir(dir.join("db")).unwrap();
    let mut counter = Counter::open(&url, &dir).await;
    // A Sunday, three in the morning; a Monday, ten in the morning.
    for (time, number) in [("2026-07-04T19:00:00Z", 1), ("2026-07-06T02:00:00Z", 2)] {
        let now = time.parse().unwrap();
        counter.world.now = now;
        let call = async |answers: CallerAnswers| {
            let (id, by) = (Uuid::from_bytes([number; 16]), ("line-1", answers));
            counter.ra.loss_by_caller(Channel::Hotline, id, None, by, now).await
        };
        let wrong = CallerAnswers { birth: model::RocDate::in_taipei(now), ..counter.answers() };
        let nobody = CallerAnswers { number: crate::world::person(9).id, ..counter.answers() };
        let refusals = async || {
            let all = audit::events(&counter.db, None, 0, 10_000).await.unwrap();
            all.into_iter().filter(|event| event.action == "request-refuse").collect::<Vec<_>>()
        };
        let before = refusals().await.len();
        for answers in [wrong, nobody] {
            assert_eq!(refused(call(answers).await), "RA-E-CALLER");
        }
        // NPC-54: also of somebody who has no card.
        let noted = refusals().await.split_off(before);
        let [of_card, of_nobody] = &noted[..] else { panic!("two") };
        assert_eq!((of_card.subject.as_str(), of_card.actor.as_str()), (counter.card.as_str(), "line-1"));
        assert!(of_nobody.subject.starts_with("number-") && of_nobody.actor == "line-1");
        assert_eq!(counter.stands().await, in_force());
        let done = call(counter.answers()).await.unwrap();
        assert_eq!(counter.stands().await, lost());
        let event = audit::events(&counter.db, Some(counter.card.as_str()), 0, 10_000).await.unwrap();
        let event = event.iter().rfind(|event| event.action == "request-done").unwrap();
        assert_eq!((event.actor.as_str(), format!("RA-{:010}", event.seq)), ("line-1", done.receipt));
        for function in Function::ALL.into_iter().filter(|function| *function != Function::ReportLoss) {
            let proof = Proof::Caller { operator: "line-1".into(), answers: counter.answers() };
            let asked = request(function, counter.card, Detail::Nothing, now);
            let done = counter.ra.act(Channel::Hotline, &asked, &proof, None, now).await;
            assert_eq!(refused(done), "RA-E-NOT-OFFERED", "{function:?}");
        }
        counter.on_the_site(false).await.unwrap();
    }
    counter.close().await;
}

/// Found again: at a counter, by telephone or online the report is withdrawn, and card, certificates and chip data lists are good
/// again; once a replacement was applied for none of the three ways does it.
// proves: LOSS-06, LOSS-08
#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_withdrawn_at_a_counter_by_telephone_or_online() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let (mgmt, now) = (&counter.world.mgmt, counter.world.now);
        let reader = counter.world.centre.reader(counter.card, Interface::Contactless).unwrap();
        let by = (office(&counter.person), CLERK);
        let list = mgmt.make_data_list(counter.card, reader, &[ListedField::Name], by, now).await.unwrap();
        let listed = async || mgmt.data_list_status(&list.number, Some(&list.file)).await.unwrap();
        let withdraw = async |way: Channel| match way {
            Channel::Online => counter.on_the_site(false).await,
            Channel::Telephone => {
                let proof = Proof::CallerUserCode { operator: "clerk-7".into(), code: code() };
                let asked = request(Function::WithdrawLoss, counter.card, Detail::Nothing, now);
                counter.ra.act(way, &asked, &proof, None, now).await
            }
            _ => counter.at_counter(Function::WithdrawLoss, Detail::Nothing).await,
        };
        let ways = [Channel::Counter, Channel::Telephone, Channel::Online];
        for way in ways {
            assert_eq!((counter.stands().await, listed().await), (in_force(), DataListStatus::Valid));
            counter.on_the_site(true).await.unwrap();
            assert_eq!((counter.stands().await, listed().await), (lost(), DataListStatus::Suspended));
            withdraw(way).await.unwrap();
            assert_eq!(
                (counter.stands().await, listed().await),
                (in_force(), DataListStatus::Valid),
                "{way:?}"
            );
        }
        counter.on_the_site(true).await.unwrap();
        let kind = ApplicationKind::Replacement;
        let wish = mgmt::NewApplication { kind, ..application(&counter.person) };
        mgmt.submit(wish, CLERK, now).await.unwrap();
        mgmt.advance(now).await.unwrap();
        for way in ways {
            withdraw(way).await.map(drop).expect_err("a replacement was applied for");
        }
        let gone = (CardState::Void, CardMark::Void, vec!["revoked".to_owned(); 2]);
        assert_eq!((counter.stands().await, listed().await), (gone, DataListStatus::Void));
        counter.close().await;
    })
    .await;
}
