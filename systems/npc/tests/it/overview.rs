//! What operators see.

use jiff::SignedDuration;
use model::{CertificateState, KeySlot, SuspensionCause};
use npc::{Carrier, CertificateAuthority, Cohort, Measure, Waiting};
use store::{params, testkit::each_engine};

use crate::support::*;

/// Counts are kept as certificates are issued, once for each, by the day in Taipei; nothing shown names the holder.
#[tokio::test]
async fn issuance_is_counted_once_and_by_days_of_taipei() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        // 15:59 UTC is still the fifth in Taipei, 16:00 is the sixth.
        let (late, next) = (at("2026-08-05T15:59:59Z"), at("2026-08-05T16:00:00Z"));
        let first = request(&npc, 1, KeySlot::SigningEc, 0).await;
        let made = npc.issue(&first, late).await.unwrap();
        npc.issue(&first, next).await.unwrap();
        let other = npc::IssueRequest {
            carrier: Carrier::CertificateCard,
            ..request(&npc, 2, KeySlot::SigningEc, 0).await
        };
        npc.issue(&other, next).await.unwrap();
        let third = request(&npc, 3, KeySlot::SigningEc, 0).await;
        npc.issue(&third, next).await.unwrap();
        // One that is refused counts for nothing.
        let again = npc::IssueRequest { request_id: id(99), ..third };
        let same = npc.issue(&again, next).await.unwrap();
        let taken = npc::IssueRequest { id_tail: "0000".into(), ..again };
        assert!(npc.issue(&npc::IssueRequest { request_id: id(100), ..taken }, next).await.is_err());
        let day = |text: &str| date(text).date();
        let issued = npc.issued_since(day("2026-08-05")).await.unwrap();
        let rows: Vec<_> = issued.iter().map(|i| (i.day, i.carrier.as_str(), i.count)).collect();
        let expected = [
            (day("2026-08-06"), "certificate-card", 1),
            (day("2026-08-06"), "new-eid", 1),
            (day("2026-08-05"), "new-eid", 1),
        ];
        assert_eq!(rows, expected);
        assert_eq!(npc.issued_since(day("2026-08-07")).await.unwrap(), []);
        let in_all: u64 = npc.issued_in_all().await.unwrap().into_iter().map(|(_, _, count)| count).sum();
        assert_eq!((in_all, npc.certificates_known() >= 3), (3, true));
        let recent = npc.recently_issued(2).await.unwrap();
        assert_eq!((recent.len(), recent[0].at, recent[0].key_class.as_str()), (2, next, "secp521r1"));
        assert!(
            recent.iter().any(|one| one.serial == same.serial)
                && recent.iter().all(|one| one.serial != made.serial)
        );
        // A database of before has its counts from the events.
        let count = "SELECT CAST(SUM(count) AS BIGINT) FROM issuance";
        let kept: i64 = db.one(count, params![]).await.unwrap().read(0).unwrap();
        let sql = "SELECT COUNT(*) FROM event WHERE kind = 'issue'";
        assert_eq!(kept, db.one(sql, params![]).await.unwrap().read::<i64>(0).unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_certificate_its_lists_and_what_waits() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let one = issued(&npc, 1, KeySlot::SigningEc, 0).await;
        let now = now() + SignedDuration::from_secs(1);
        npc.suspend(card(1), SuspensionCause::Loss, "clerk-7", now).await.unwrap();
        let found = npc.find_certificate(&one.serial, now).await.unwrap().unwrap();
        assert!(matches!(found.state, CertificateState::Suspended { .. }) && found.signed);
        let events: Vec<_> =
            found.events.iter().map(|event| (event.kind.as_str(), event.actor.as_str())).collect();
        assert_eq!(events, [("suspend", "clerk-7"), ("issue", "npc")]);
        assert!(!format!("{found:?}").contains("測試用") && !format!("{found:?}").contains(&one.holder_no));
        let long_after = now + SignedDuration::from_hours(24 * 366 * 6);
        let found = npc.find_certificate(&one.serial, long_after).await.unwrap().unwrap();
        assert!(matches!(found.state, CertificateState::Expired));
        let unknown = x509::Serial::from_u128(5).unwrap();
        assert!(npc.find_certificate(&unknown, now).await.unwrap().is_none());

        npc.maintain(now).await.unwrap();
        let published = npc.published().await.unwrap();
        let names: Vec<&str> = published.iter().map(|list| list.name.as_str()).collect();
        for name in ["npc-root.crl", "npc.crl", "npc-0.crl", "filter"] {
            assert!(names.contains(&name), "{names:?}");
        }
        let complete = published.iter().find(|list| list.name == "npc.crl").unwrap();
        let list = npc.crl(npc::Scope::Complete, now).await.unwrap();
        assert_eq!((complete.number, complete.bytes), (list.number, list.der.len() as u64));
        assert!(complete.this_update <= now && complete.next_update > now);
        assert!(npc.authorities().await.unwrap().iter().all(|entry| entry.certificate.is_some()));

        assert_eq!(npc.waiting(now).await.unwrap(), Waiting::default());
        let cohort = Cohort { key_class: Some("secp521r1".into()), ..Cohort::default() };
        npc.propose_incident(cohort, Measure::Suspend, "anna", now).await.unwrap();
        assert_eq!(npc.waiting(now).await.unwrap(), Waiting { proposed: 1, ..Waiting::default() });
        let week = now + SignedDuration::from_hours(7 * 24);
        assert_eq!(npc.waiting(week).await.unwrap(), Waiting::default(), "lapsed");
        assert!(!npc.issuing_is_stopped().await.unwrap());
        npc.stop_issuing("anna", now).await.unwrap();
        assert!(npc.issuing_is_stopped().await.unwrap());
        assert_eq!(npc.states_known_at(now).await.unwrap(), now);
    })
    .await;
}

/// What a page asks for is found by an index, however many certificates there are.
#[tokio::test]
async fn no_page_reads_the_whole_table() {
    each_engine("npc", async |db| {
        open(&db).await;
        if db.engine() != store::Engine::Sqlite {
            // PostgreSQL decides by the size of the table, which is empty here.
            return;
        }
        for sql in npc::PAGE_QUERIES {
            let plan =
                db.all(store::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")), params![]).await.unwrap();
            assert!(!plan.is_empty(), "{sql}");
            for row in plan {
                let step: String = row.read("detail").unwrap();
                // Of incidents there are few, of the index of issues the last rows are read, and one has the unsigned alone.
                let few = ["SCAN incident", "SCAN CONSTANT ROW"].iter().any(|few| step.starts_with(few));
                let bounded = !step.starts_with("SCAN")
                    || step.contains("event_issued")
                    || few
                    || step.ends_with("INDEX certificate_state_unsigned");
                assert!(bounded, "{sql}: {step}");
            }
        }
    })
    .await;
}
