//! The Estonian precedent of 2017 in the ratios of RECALL-14: 1,125 holders, 750 of them with suspected cards, 400 affected.

use std::sync::Arc;

use jiff::SignedDuration;
use model::{CardSerial, CertificateState, KeySlot, RevocationReason};
use npc::{CertificateAuthority, Cohort, DrillLot, IssueRequest, Measure, Npc, Period, QueuePlan, Scope};
use status::filter::{Filter, State, key_hash};
use store::testkit::each_engine;
use x509::Serial;

use crate::support::*;

const SUSPECTED: &str = "NE-0144";

struct Drill {
    affected: Vec<u128>,
    cleared: Vec<u128>,
    others: Vec<u128>,
    published: String,
}

async fn populate(npc: &Npc) -> Drill {
    let mut pattern = request(npc, 999_999, KeySlot::SigningRsa, 0).await;
    pattern.chip_model = None;
    let pattern = npc.issue(&pattern, now()).await.unwrap().serial;
    npc.publish(card(999_999), true, "holder", now()).await.unwrap();
    let published = pattern.octets().iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let cards: Vec<CardSerial> = (1..=1_125).map(card).collect();
    let lot = async |range: std::ops::Range<usize>, chip_model, fingerprint| {
        let lot = DrillLot { cards: &cards[range], chip_model, fingerprint };
        npc.write_drill_lot(&pattern, lot, now()).await.unwrap()
    };
    Drill {
        affected: lot(0..400, SUSPECTED, "roca").await,
        cleared: lot(400..750, SUSPECTED, "100001-1-0").await,
        others: lot(750..1_125, "NE-0256", "100001-1-0").await,
        published: format!("/repository/serial/{published}"),
    }
}

async fn listed(npc: &Npc) -> usize {
    let list = npc.crl(Scope::Complete, now()).await.unwrap();
    x509::crl::Crl::parse(&list.der).unwrap().entries().count()
}

async fn filter_says(npc: &Npc, serials: &[u128]) -> Vec<State> {
    let document = npc.filter(now()).await.unwrap();
    let content = x509::cms::SignedData::parse(&document.der).unwrap();
    let filter = Filter::read(content.content().unwrap()).unwrap();
    let key = key_hash(&npc.ca_certificate());
    let mut said: Vec<State> = serials.iter().map(|n| filter.state_by_key(&key, *n).unwrap()).collect();
    said.dedup();
    said
}

async fn cohort(npc: &Npc, cohort: Cohort, measure: Measure) -> u64 {
    let proposed = npc.propose_incident(cohort, measure, "anna", now()).await.unwrap();
    let done = npc.approve_incident(proposed.number, "bert", now()).await.unwrap();
    assert_eq!((done.changed, done.looked_at), (done.concerned, done.concerned));
    done.changed
}

// proves: RECALL-14, NPC-57
#[tokio::test]
async fn the_estonian_drill() {
    each_engine("npc", async |db| {
        let (npc, address) = served(&db, Arc::new(now)).await;
        let drill = populate(&npc).await;
        npc.maintain(now()).await.unwrap();
        assert_eq!(listed(&npc).await, 0);
        let by_chip = || Cohort { chip_model: Some(SUSPECTED.into()), ..Cohort::default() };

        // Issuing stops, and so does the directory of public keys; everything on the suspected chips is suspended, and the
        // world hears of it at once.
        assert_eq!(fetch(address, &drill.published).await.status, 200);
        npc.stop_issuing("anna", now()).await.unwrap();
        npc.close_repository("anna", now()).await.unwrap();
        assert_eq!(fetch(address, &drill.published).await.status, 503);
        assert_eq!(cohort(&npc, by_chip(), Measure::Suspend).await, 1_500);
        assert_eq!(listed(&npc).await, 1_500);
        for (serials, said) in [
            (&drill.affected, State::Suspended),
            (&drill.cleared, State::Suspended),
            (&drill.others, State::Good),
        ] {
            assert_eq!(filter_says(&npc, serials).await, [said], "without waiting for the next filter");
        }
        // Another process on the same database serves the same.
        let other = open(&db).await;
        other.maintain(now()).await.unwrap();
        assert_eq!(filter_says(&other, &drill.affected).await, [State::Suspended]);

        // Whose keys are sound gets them back.
        let sound = Cohort { fingerprint: Some("100001-1-0".into()), ..by_chip() };
        let of = npc.incidents().await.unwrap()[0].number;
        assert_eq!(cohort(&npc, sound, Measure::Resume { of }).await, 700);
        assert_eq!(listed(&npc).await, 800);
        assert_eq!(filter_says(&npc, &drill.cleared).await, [State::Good]);

        // The others get keys and certificates on the cards they have.
        let plan = QueuePlan {
            classes: vec!["medical".into(), "everybody".into()],
            per_day: 10,
            offices: [("online".to_owned(), 100)].into(),
            weekdays: vec![1, 2, 3, 4, 5, 6, 7],
            tries: 3,
        };
        let suspension = npc.incidents().await.unwrap().last().unwrap().number;
        npc.start_issuing("anna", now()).await.unwrap();
        npc.open_queue(suspension, &plan, "anna", now()).await.unwrap();
        let lists: Vec<_> = (1..=400)
            .map(|n| {
                let class = if n > 390 { "medical" } else { "everybody" };
                (card(n), class.to_owned(), Some(if n % 4 == 0 { "65000010" } else { "online" }.to_owned()))
            })
            .collect();
        assert_eq!(npc.assign_queue(suspension, &lists, "anna", now()).await.unwrap(), 400);
        assert_eq!(npc.plan_queue(suspension, date("2026-08-06"), "anna", now()).await.unwrap(), 400);
        let report = npc.queue_report(suspension).await.unwrap();
        assert_eq!((report[0].waiting, report[1].waiting), (10, 390));
        // 100 cards at ten a day take ten days.
        assert_eq!(report[1].until, Some(date("2026-08-15")));
        let first = npc.due_in_queue(suspension, "online", date("2026-08-06"), 1).await.unwrap().remove(0);
        assert_eq!(first.class, "medical");
        let sql = "SELECT holder FROM certificate WHERE card = $1 LIMIT 1";
        let holder_no = db.one(sql, store::params![first.card.as_str()]).await.unwrap().read(0).unwrap();
        let mut second: IssueRequest = request(&npc, 391, KeySlot::SigningEc, 0).await;
        second.card = first.card;
        second.holder_no = holder_no;
        second.period = Period::Reissue { day: date("2026-08-05") };
        for slot in [KeySlot::SigningEc, KeySlot::EncryptionEc] {
            let csr = csr_of(&ec(curve::Curve::P521, 9_000 + u32::from(slot.id())));
            let request = IssueRequest { request_id: id(slot.id().into()), slot, csr, ..second.clone() };
            npc.issue(&request, now()).await.unwrap();
        }
        assert_eq!(npc.queue_report(suspension).await.unwrap()[0].done, 1);

        // Months later what was not replaced, and what was, loses its old certificates for good; the new ones stay.
        let affected = Cohort { fingerprint: Some("roca".into()), ..by_chip() };
        assert_eq!(cohort(&npc, affected, Measure::Revoke(RevocationReason::KeyCompromise)).await, 800);
        assert_eq!(listed(&npc).await, 800);
        assert_eq!(filter_says(&npc, &drill.affected).await, [State::Revoked]);
        npc.open_repository("anna", now()).await.unwrap();
        assert_eq!(fetch(address, &drill.published).await.status, 200);
        let of_card = npc.certificates_of(first.card, now() + SignedDuration::from_secs(1)).await.unwrap();
        let states: Vec<_> = of_card.iter().map(|c| c.state.as_str()).collect();
        assert_eq!(states, ["revoked", "revoked", "good", "good"]);
        let gone = npc.status(&Serial::from_u128(drill.affected[0]).unwrap(), now()).await.unwrap().unwrap();
        assert!(matches!(gone, CertificateState::Revoked { reason: RevocationReason::KeyCompromise, .. }));
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// A drill writes certificates that nobody signed: never beside those of people.
#[tokio::test]
async fn no_drill_where_there_are_certificates_of_people() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let pattern = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        issued(&npc, 2, KeySlot::SigningRsa, 1).await;
        let lot = DrillLot { cards: &[card(3)], chip_model: SUSPECTED, fingerprint: "roca" };
        let refused = npc.write_drill_lot(&pattern, lot, now()).await;
        assert_eq!(refused.unwrap_err().code(), "NPC-REQUEST");
        assert!(npc.certificates_of(card(3), now()).await.unwrap().is_empty());
    })
    .await;
}
