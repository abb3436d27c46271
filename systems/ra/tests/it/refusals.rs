//! What is refused before it is begun stands in the audit log, and nobody fills the disk with it.

use jiff::SignedDuration;
use ra::functions::{Channel, Function};
use ra::{Detail, Proof};

use crate::support::{Counter, refused, request};
use crate::world::directory;

async fn entries(counter: &Counter, action: &str) -> Vec<audit::Entry> {
    let mut all = audit::events(&counter.db, None, 0, 10_000).await.unwrap();
    all.retain(|entry| entry.action == action);
    all
}

// proves: NPC-54
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_authorisation_stands_in_the_audit_log_up_to_a_limit() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let (card, now) = (counter.card, counter.world.now);
        let garbage = Proof::Signature(b"no signature".to_vec());
        let nobody = Proof::Clerk {
            clerk: "a\nb".into(),
            office: crate::world::office(&counter.person),
            case: "C11500000077".parse().unwrap(),
            consent: None,
        };
        let wrong_code = Proof::OneTimeCode(crate::support::code(), "12345678".into());
        let pins = Detail::Pins(vec![terminal::perso::PinReference::Pin2]);
        for (channel, function, detail, proof, code, actor) in [
            (Channel::Online, Function::Suspend, Detail::Nothing, &garbage, "RA-E-SIGNATURE", "holder"),
            (Channel::Online, Function::Resume, Detail::Nothing, &garbage, "RA-E-NOT-AUTHORISED", "holder"),
            (Channel::Counter, Function::Suspend, Detail::Nothing, &nobody, "RA-E-NO-CLERK", "holder"),
            (Channel::Online, Function::Unblock, pins, &wrong_code, "RA-E-ONE-TIME-CODE", "holder"),
        ] {
            let asked = request(function, card, detail, now);
            assert_eq!(refused(counter.ra.act(channel, &asked, proof, None, now).await), code);
            let last = entries(&counter, "request-refuse").await.pop().unwrap();
            assert_eq!((last.actor.as_str(), last.subject.as_str()), (actor, card.as_str()));
            for word in [code, function.as_str(), channel.as_str(), &asked.id.simple().to_string()] {
                assert!(last.detail.contains(word), "{word}: {}", last.detail);
            }
            assert!(!last.detail.contains("12345678") && !last.detail.contains("mycode1"));
        }
        assert_eq!(entries(&counter, "request-refuse").await.len(), 4);
        assert!(entries(&counter, "request-begin").await.is_empty());

        // Twenty of a card in an hour; the rest is a number, told when the hour is over.
        let bad = async |counter: &Counter, card: &str| {
            let asked = request(Function::Suspend, card.parse().unwrap(), Detail::Nothing, counter.world.now);
            let result = counter.ra.act(Channel::Online, &asked, &garbage, None, counter.world.now).await;
            assert_eq!(refused(result), "RA-E-SIGNATURE");
        };
        for _ in 0..23 {
            bad(&counter, card.as_str()).await;
        }
        assert_eq!(entries(&counter, "request-refuse").await.len(), 20);
        bad(&counter, "TWC000001").await;
        assert_eq!(entries(&counter, "request-refuse").await.len(), 21, "another card");
        counter.ra.sum_up_refusals(counter.world.now).await.unwrap();
        assert!(entries(&counter, "request-refuse-more").await.is_empty(), "the hour is not over");
        counter.world.now = now + SignedDuration::from_hours(1);
        counter.ra.sum_up_refusals(counter.world.now).await.unwrap();
        counter.ra.sum_up_refusals(counter.world.now).await.unwrap();
        let more = entries(&counter, "request-refuse-more").await;
        assert_eq!(more.len(), 1);
        assert!(more[0].detail.contains("\"more\":7"), "{}", more[0].detail);
        bad(&counter, card.as_str()).await;
        assert_eq!(entries(&counter, "request-refuse").await.len(), 22, "a new hour");
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

/// In all no more than the policy says, whatever cards are named.
// proves: NPC-54
#[tokio::test(flavor = "multi_thread")]
async fn many_cards_do_not_fill_the_log_either() {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/", dir.join("db").display());
    std::fs::create_dir(dir.join("db")).unwrap();
    let counter = Counter::open_with(&url, &dir, |config| config.refusals_an_hour = 30).await;
    let garbage = Proof::Signature(b"no signature".to_vec());
    for number in 1..=40 {
        let card = model::CardSerial::new("TWC", number).unwrap();
        let asked = request(Function::Suspend, card, Detail::Nothing, counter.world.now);
        let result = counter.ra.act(Channel::Online, &asked, &garbage, None, counter.world.now).await;
        assert_eq!(refused(result), "RA-E-SIGNATURE");
    }
    assert_eq!(entries(&counter, "request-refuse").await.len(), 30);
    let rows = counter.db.one("SELECT count(*), sum(counted) FROM refused", &[]).await.unwrap();
    assert_eq!((rows.read::<i64>(0).unwrap(), rows.read::<i64>(1).unwrap()), (31, 10));
    counter.close().await;
}
