//! The queue of a mass reissue: who comes first, at what pace, and that only what was issued is done.

use model::{CardSerial, KeySlot};
use npc::{
    CertificateAuthority, ClassReport, Cohort, IssueRequest, Measure, Npc, NpcError, Period, QueuePlan,
};
use store::testkit::each_engine;
use store::{Db, When, params};

use crate::support::*;

fn plan(per_day: u32) -> QueuePlan {
    QueuePlan {
        classes: ["medical", "courts", "everybody"].map(String::from).to_vec(),
        per_day,
        offices: [("online".to_owned(), 2)].into(),
        weekdays: vec![1, 2, 3, 4, 5],
        tries: 2,
    }
}

/// Four cards whose RSA keys are suspended, the first with two of them; one more that has nothing to do with it, and one
/// whose other keys are in use already.
async fn suspended(npc: &Npc) -> u64 {
    for (number, slot, key) in [
        (1, KeySlot::SigningRsa, 0),
        (1, KeySlot::EncryptionRsa, 1),
        (2, KeySlot::SigningRsa, 2),
        (3, KeySlot::SigningRsa, 3),
        (4, KeySlot::SigningRsa, 4),
        (5, KeySlot::SigningRsa, 5),
        (6, KeySlot::SigningEc, 0),
    ] {
        let mut request = request(npc, number, slot, key).await;
        if number == 5 {
            request.chip_model = None;
        }
        npc.issue(&request, now()).await.unwrap();
    }
    let cohort = Cohort { chip_model: Some("NE-0144".into()), ..Cohort::default() };
    let incident = npc.propose_incident(cohort, Measure::Suspend, "anna", now()).await.unwrap();
    assert_eq!(incident.concerned, 6);
    incident.number
}

async fn reissue(npc: &Npc, number: u32, slot: KeySlot) -> Result<(), NpcError> {
    let mut request: IssueRequest = request(npc, number, slot, 0).await;
    request.period = Period::Reissue { day: date("2026-08-05") };
    npc.issue(&request, now()).await.map(drop)
}

fn counts(report: &[ClassReport]) -> Vec<(u64, u64, u64)> {
    report.iter().map(|class| (class.waiting, class.done, class.failed)).collect()
}

// proves: NPC-55, NPC-57
#[tokio::test]
async fn the_urgent_come_first_each_office_at_its_pace_and_done_means_issued() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let incident = suspended(&npc).await;
        let early = npc.open_queue(incident, &plan(1), "anna", now()).await;
        assert_eq!(early.unwrap_err().code(), "NPC-REQUEST", "nobody has approved it");
        npc.approve_incident(incident, "bert", now()).await.unwrap();
        let queue = npc.open_queue(incident, &plan(1), "anna", now()).await.unwrap();
        assert!(queue.filled);
        npc.open_queue(incident, &plan(1), "anna", now()).await.unwrap();
        let report = npc.queue_report(incident).await.unwrap();
        assert_eq!(counts(&report), [(0, 0, 0), (0, 0, 0), (5, 0, 0)]);
        assert_eq!(report[2].need_new_card, 1, "card 6 has used its other keys");

        let office = |name: &str| Some(name.to_owned());
        let lists = [
            (card(3), "medical".to_owned(), office("65000010")),
            (card(2), "courts".to_owned(), office("65000010")),
            (card(1), "everybody".to_owned(), office("65000010")),
            (card(4), "everybody".to_owned(), office("online")),
            (card(5), "medical".to_owned(), office("65000010")),
        ];
        assert_eq!(
            npc.assign_queue(incident, &lists, "anna", now()).await.unwrap(),
            4,
            "card 5 is not in it"
        );
        let unknown = [(card(1), "friends".to_owned(), None)];
        assert_eq!(
            npc.assign_queue(incident, &unknown, "anna", now()).await.unwrap_err().code(),
            "NPC-REQUEST"
        );
        // 2026-08-07 is a Friday.
        let friday = date("2026-08-07");
        assert_eq!(npc.plan_queue(incident, friday, "anna", now()).await.unwrap(), 5);
        let due = async |day: &str| {
            let due = npc.due_in_queue(incident, "65000010", date(day), 10).await.unwrap();
            due.into_iter().map(|q| (q.card, q.class, q.day.unwrap().iso())).collect::<Vec<_>>()
        };
        let entry = |n, class: &str, day: &str| -> (CardSerial, String, String) {
            (card(n), class.to_owned(), day.to_owned())
        };
        let first = entry(3, "medical", "2026-08-07");
        let second = entry(2, "courts", "2026-08-10");
        assert_eq!(due("2026-08-06").await, []);
        assert_eq!(due("2026-08-09").await, std::slice::from_ref(&first));
        assert_eq!(due("2026-08-10").await, [first, second]);
        assert_eq!(npc.queue_report(incident).await.unwrap()[2].until, Some(date("2026-08-11")));

        // One key of two is not enough; of a card that needs one it is.
        reissue(&npc, 1, KeySlot::SigningEc).await.unwrap();
        reissue(&npc, 3, KeySlot::SigningEc).await.unwrap();
        assert_eq!(counts(&npc.queue_report(incident).await.unwrap()), [(0, 1, 0), (1, 0, 0), (3, 0, 0)]);
        reissue(&npc, 1, KeySlot::EncryptionEc).await.unwrap();
        assert_eq!(counts(&npc.queue_report(incident).await.unwrap()), [(0, 1, 0), (1, 0, 0), (2, 1, 0)]);
        let twice = npc.fail_in_queue(incident, card(3), "reader", "clerk", now()).await;
        assert_eq!(twice.unwrap_err().code(), "NPC-REQUEST", "what is done has not failed");

        // After two failures a person decides; then it waits again.
        assert!(!npc.fail_in_queue(incident, card(2), "card-session", "clerk", now()).await.unwrap());
        assert_eq!(npc.plan_queue(incident, friday, "anna", now()).await.unwrap(), 3);
        assert!(npc.fail_in_queue(incident, card(2), "card-session", "clerk", now()).await.unwrap());
        assert_eq!(counts(&npc.queue_report(incident).await.unwrap())[1], (0, 0, 1));
        npc.settle_in_queue(incident, card(2), false, "anna", now()).await.unwrap();
        assert_eq!(counts(&npc.queue_report(incident).await.unwrap())[1], (1, 0, 0));
        // Only for a card without further keys another card is the answer.
        let replaced = async |n| npc.settle_in_queue(incident, card(n), true, "anna", now()).await;
        assert!(replaced(2).await.is_err());
        replaced(6).await.unwrap();
        assert_eq!(counts(&npc.queue_report(incident).await.unwrap()), [(0, 1, 0), (1, 0, 0), (1, 2, 0)]);
        for (subject, actions) in [
            ("TWA000002", &["reissue-fail", "reissue-fail", "reissue-again"][..]),
            ("TWA000003", &["reissue-done"][..]),
        ] {
            let entries = audit::events(&db, Some(subject), 0, 50).await.unwrap();
            let steps: Vec<_> =
                entries.iter().map(|e| e.action.as_str()).filter(|a| a.starts_with("reissue")).collect();
            assert_eq!(steps, actions);
        }
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// Killed at every commit, the same call again fills the queue, and no card is in it twice or missing.
#[tokio::test]
async fn an_interrupted_queue_is_filled_once() {
    each_engine("npc", async |db: Db| {
        let npc = open(&db).await;
        let incident = suspended(&npc).await;
        npc.approve_incident(incident, "bert", now()).await.unwrap();
        for n in 1..=5 {
            for when in [When::BeforeCommit, When::AfterCommit] {
                db.fail_after(n, when);
                let _ = npc.open_queue(incident, &plan(1), "anna", now()).await;
                db.revive();
            }
        }
        assert!(npc.open_queue(incident, &plan(1), "anna", now()).await.unwrap().filled);
        let sql = "SELECT count(*) FROM reissue";
        let row = db.one(sql, params![]).await.unwrap();
        assert_eq!(row.read::<i64>(0).unwrap(), 5);
        assert_eq!(counts(&npc.queue_report(incident).await.unwrap())[2], (5, 0, 0));
        let counted = npc.queue_counts(incident).await.unwrap().unwrap();
        assert_eq!((counted.at, counts(&counted.classes)[2]), (now(), (5, 0, 0)));
        // Pages show what was counted last, and the maintenance counts again.
        reissue(&npc, 2, KeySlot::SigningEc).await.unwrap();
        assert_eq!(counts(&npc.queue_report(incident).await.unwrap())[2], (4, 1, 0));
        let minute = |n| now() + jiff::SignedDuration::from_mins(n);
        npc.maintain(minute(9)).await.unwrap();
        assert_eq!(npc.queue_counts(incident).await.unwrap().unwrap(), counted);
        npc.maintain(minute(10)).await.unwrap();
        let counted = npc.queue_counts(incident).await.unwrap().unwrap();
        assert_eq!((counted.at, counts(&counted.classes)[2]), (minute(10), (4, 1, 0)));
    })
    .await;
}

#[test]
fn a_plan_that_serves_nobody_is_no_plan() {
    let read = |text: &str| serde_json::from_str::<QueuePlan>(text);
    let short = read(r#"{"classes":["all"],"per_day":40}"#).unwrap();
    assert_eq!((short.weekdays.len(), short.tries), (5, 3));
    assert!(read(r#"{"classes":["all"],"per_day":40,"per_week":3}"#).is_err());
    for bad in [
        QueuePlan { classes: vec![], ..plan(1) },
        QueuePlan { classes: vec!["a".into(), "a".into()], ..plan(1) },
        QueuePlan { classes: vec!["a,b".into()], ..plan(1) },
        QueuePlan { per_day: 0, ..plan(1) },
        QueuePlan { offices: [("x".to_owned(), 0)].into(), ..plan(1) },
        QueuePlan { weekdays: vec![], ..plan(1) },
        QueuePlan { weekdays: vec![8], ..plan(1) },
        QueuePlan { tries: 0, ..plan(1) },
    ] {
        assert_eq!(bad.check().unwrap_err().code(), "NPC-REQUEST", "{bad:?}");
    }
}
