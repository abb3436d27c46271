//! Many certificates at once: two persons, batches, interruptions.

use curve::SystemRandom;
use jiff::SignedDuration;
use model::{CertificateState, KeySlot, RevocationReason, SuspensionCause};
use npc::{Carrier, CertificateAuthority, Cohort, IssueRequest, Measure, Npc};
use store::testkit::each_engine;
use store::{When, params, transaction};
use x509::Serial;

use crate::support::*;

/// Three cards with an RSA and a P-521 key each, in two series of dates.
async fn country(npc: &Npc) -> Vec<Serial> {
    let mut serials = Vec::new();
    for number in 1..=3 {
        for slot in [KeySlot::SigningRsa, KeySlot::SigningEc] {
            let mut request = request(npc, number, slot, number as usize).await;
            if number == 3 {
                request.issue_date = date("2025-08-01");
                // A reissue years later need not know it again.
                request.chip_model = slot.is_rsa().then(|| "NE-0256".into());
            }
            serials.push(npc.issue(&request, now()).await.unwrap().serial);
        }
    }
    serials
}

async fn states(npc: &Npc, serials: &[Serial]) -> Vec<&'static str> {
    let mut all = Vec::new();
    for serial in serials {
        all.push(npc.status(serial, now()).await.unwrap().unwrap().as_str());
    }
    all
}

// proves: NPC-55, NPC-57, RECALL-15
#[tokio::test]
async fn a_cohort_is_chosen_proposed_by_one_and_approved_by_another() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serials = country(&npc).await;
        let rsa = Cohort { key_class: Some("RSA-2048".into()), ..Cohort::default() };
        let everybody = npc.propose_incident(Cohort::default(), Measure::Suspend, "anna", now()).await;
        assert_eq!(everybody.unwrap_err().code(), "NPC-REQUEST");
        let proposed = npc.propose_incident(rsa, Measure::Suspend, "anna", now()).await.unwrap();
        assert_eq!((proposed.concerned, proposed.changed, proposed.finished_at), (3, 0, None));
        // Not by one person alone, and not by waiting.
        let alone = npc.approve_incident(proposed.number, "anna", now()).await;
        assert_eq!(alone.unwrap_err().code(), "NPC-SAME-PERSON");
        npc.maintain(now()).await.unwrap();
        assert_eq!(states(&npc, &serials).await, ["good"; 6]);
        // What the holder had suspended stays so when the incident's suspension ends.
        npc.suspend(card(1), SuspensionCause::Holder, "holder", now()).await.unwrap();
        let done = npc.approve_incident(proposed.number, "bert", now()).await.unwrap();
        assert_eq!((done.looked_at, done.changed, done.finished_at), (3, 3, Some(now())));
        let held = ["suspended", "suspended", "suspended", "good", "suspended", "good"];
        assert_eq!(states(&npc, &serials).await, held);
        // A recall of the second card that begins and ends meanwhile is not the incident's end.
        npc.suspend(card(2), SuspensionCause::Authority, "recall", now()).await.unwrap();
        npc.resume(card(2), SuspensionCause::Authority, "recall", now()).await.unwrap();
        assert_eq!(states(&npc, &serials).await[2], "suspended");
        // The public hears of it: the complete list has the three, and the other one of the holder.
        let list = npc.crl(npc::Scope::Complete, now()).await.unwrap();
        assert_eq!(x509::crl::Crl::parse(&list.der).unwrap().entries().count(), 4);
        let again = npc.approve_incident(proposed.number, "carl", now()).await.unwrap();
        assert_eq!(again, done, "once");
        let of = Measure::Resume { of: proposed.number };
        let ended = npc.propose_incident(Cohort::default(), of, "bert", now()).await.unwrap();
        let ended = npc.approve_incident(ended.number, "anna", now()).await.unwrap();
        assert_eq!(ended.changed, 3);
        assert_eq!(states(&npc, &serials).await, ["suspended", "suspended", "good", "good", "good", "good"]);
        npc.resume(card(1), SuspensionCause::Holder, "holder", now()).await.unwrap();

        // One card; certificates of a time; a time at which there were none.
        let chosen = async |cohort: Cohort| {
            npc.propose_incident(cohort, Measure::Suspend, "anna", now()).await.unwrap().concerned
        };
        assert_eq!(chosen(Cohort { cards: Some((card(2), card(2))), ..Cohort::default() }).await, 2);
        assert_eq!(chosen(Cohort { cards: Some((card(2), card(3))), ..Cohort::default() }).await, 4);
        let from = Some(at("2026-07-01T00:00:00Z"));
        assert_eq!(chosen(Cohort { from, ..Cohort::default() }).await, 4);
        assert_eq!(chosen(Cohort { to: from, ..Cohort::default() }).await, 2);
        let chip_model = Some("NE-0256".into());
        assert_eq!(chosen(Cohort { chip_model, ..Cohort::default() }).await, 2);
        // Sound keys: no RSA key has the form of ROCA, and the class of the others is their curve.
        for (fingerprint, count) in [("roca", 0), ("secp521r1", 3)] {
            let fingerprint = Some(fingerprint.to_owned());
            assert_eq!(chosen(Cohort { fingerprint, ..Cohort::default() }).await, count);
        }
        let card_only = Some(npc::Carrier::CertificateCard);
        assert_eq!(chosen(Cohort { carrier: card_only, ..Cohort::default() }).await, 0);

        let gone = Cohort { cards: Some((card(2), card(2))), ..Cohort::default() };
        let reason = RevocationReason::KeyCompromise;
        let gone = npc.propose_incident(gone, Measure::Revoke(reason), "anna", now()).await.unwrap();
        npc.approve_incident(gone.number, "bert", now()).await.unwrap();
        let state = npc.status(&serials[2], now()).await.unwrap().unwrap();
        assert_eq!(state, CertificateState::Revoked { reason, at: now() });
        assert_eq!(states(&npc, &serials).await, ["good", "good", "revoked", "revoked", "good", "good"]);
        assert_eq!(npc.incidents().await.unwrap().first().unwrap().measure, Measure::Revoke(reason));
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// Cards that another system's books select: a batch, a maker, a version. The incident keeps the list, through restarts too, and the
/// queue of its reissue is of the same cards.
// proves: RECALL-01
#[tokio::test]
async fn an_incident_concerns_the_cards_of_a_list() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serials = country(&npc).await;
        let listed = [card(1), card(3), card(77)];
        let by = "製卡批號 batch N5A-000000";
        let any = Cohort::default;
        let nobody = npc.propose_incident_for(&[], by, any(), Measure::Suspend, "anna", now()).await;
        assert_eq!(nobody.unwrap_err().code(), "NPC-REQUEST");
        let proposed =
            npc.propose_incident_for(&listed, by, any(), Measure::Suspend, "anna", now()).await.unwrap();
        assert_eq!(proposed.concerned, 4);
        let list = proposed.cohort.listed.as_ref().unwrap();
        assert_eq!((list.selected_by.as_str(), list.cards), (by, 3));
        // With another criterion both must hold; and one list is not the other's.
        let rsa = Cohort { key_class: Some("RSA-2048".into()), ..any() };
        let some =
            npc.propose_incident_for(&[card(2), card(3)], by, rsa, Measure::Suspend, "anna", now()).await;
        assert_eq!(some.unwrap().concerned, 2);
        let copied = npc.propose_incident(proposed.cohort.clone(), Measure::Suspend, "anna", now()).await;
        assert_eq!(copied.unwrap_err().code(), "NPC-REQUEST", "a list belongs to its incident");

        let again = open(&db).await;
        let done = again.approve_incident(proposed.number, "bert", now()).await.unwrap();
        assert_eq!((done.changed, &done.cohort), (4, &proposed.cohort));
        let held = ["suspended", "suspended", "good", "good", "suspended", "suspended"];
        assert_eq!(states(&again, &serials).await, held);
        let plan = npc::QueuePlan {
            classes: vec!["everybody".into()],
            per_day: 10,
            offices: Default::default(),
            weekdays: vec![1],
            tries: 1,
        };
        again.open_queue(done.number, &plan, "anna", now()).await.unwrap();
        let report = again.queue_report(done.number).await.unwrap();
        assert_eq!(report[0].waiting + report[0].done, 2);
        again.verify_audit(None).await.unwrap();
    })
    .await;
}

/// Certificates in many different states, in batches that divide cards: each gets its own next state, a number of its own
/// and one event that names the incident; the queue counts what each card needs.
#[tokio::test]
async fn certificates_in_different_states_keep_what_is_theirs() {
    each_engine("npc", async |db| {
        let config = npc::NpcConfig { incident_batch: 2, ..config() };
        let open = Npc::open(db.clone(), shared_keys(), config, Box::new(SystemRandom), now());
        let npc = open.await.unwrap();
        let serials = country(&npc).await;
        let minute = |n| now() + SignedDuration::from_mins(n);
        npc.suspend(card(1), SuspensionCause::Holder, "holder", minute(1)).await.unwrap();
        npc.suspend(card(2), SuspensionCause::Loss, "clerk", minute(2)).await.unwrap();
        npc.suspend(card(2), SuspensionCause::Holder, "holder", minute(3)).await.unwrap();
        let everything = Cohort { carrier: Some(Carrier::NewEid), ..Cohort::default() };
        let proposed = npc.propose_incident(everything, Measure::Suspend, "anna", minute(4)).await.unwrap();
        let done = npc.approve_incident(proposed.number, "bert", minute(5)).await.unwrap();
        assert_eq!((done.concerned, done.looked_at, done.changed), (6, 6, 6));
        use SuspensionCause::{Holder, Incident, Loss};
        let expected = [
            vec![(Holder, minute(1)), (Incident, minute(5))],
            vec![(Holder, minute(3)), (Loss, minute(2)), (Incident, minute(5))],
            vec![(Incident, minute(5))],
        ];
        for (serial, expected) in serials.iter().zip(expected.iter().flat_map(|causes| [causes, causes])) {
            match npc.status(serial, minute(6)).await.unwrap().unwrap() {
                CertificateState::Suspended { causes } => {
                    assert_eq!(causes, expected.iter().copied().collect());
                }
                state => panic!("{state:?}"),
            }
        }
        let count = async |sql: &'static str| db.one(sql, params![]).await.unwrap().read::<i64>(0).unwrap();
        assert_eq!(count("SELECT count(DISTINCT serial) FROM event WHERE incident = 1").await, 6);
        assert_eq!(count("SELECT count(*) FROM event WHERE incident = 1 AND actor = 'bert'").await, 6);
        assert_eq!(count("SELECT count(*) FROM event WHERE incident IS NULL AND kind = 'suspend'").await, 6);
        assert_eq!(count("SELECT count(DISTINCT state_seq) FROM certificate_state").await, 6);
        let batches = "SELECT count(*) FROM audit_entry WHERE action = 'incident-batch'";
        assert_eq!(count(batches).await, 4, "three of two, and one that finds no more");
        let plan = npc::QueuePlan {
            classes: vec!["all".into()],
            per_day: 5,
            offices: std::collections::BTreeMap::new(),
            weekdays: vec![1],
            tries: 1,
        };
        assert!(npc.open_queue(1, &plan, "anna", minute(7)).await.unwrap().filled);
        assert_eq!(count("SELECT count(*) FROM reissue WHERE needs = 2 AND new_card = TRUE").await, 3);
        // An incident that an earlier version has finished has kept no list: the queue makes it.
        let forget = async |sql: &'static str| {
            transaction!(db, |tx| tx.execute(sql, params![]).await).unwrap();
        };
        forget("DELETE FROM incident_certificate").await;
        forget("DELETE FROM reissue").await;
        forget("DELETE FROM reissue_queue").await;
        forget("UPDATE incident SET selected = FALSE").await;
        npc.revoke(card(3), RevocationReason::KeyCompromise, "clerk", minute(7)).await.unwrap();
        npc.open_queue(1, &plan, "anna", minute(8)).await.unwrap();
        assert_eq!(count("SELECT count(*) FROM reissue WHERE needs = 2").await, 3);
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// The module is gone with requests stored and not signed, issuing is stopped, and two persons decide about the lot: what is
/// signed when the module is back is suspended like the rest, or is never signed; and the reissue knows its card.
// proves: NPC-55, NPC-57
#[tokio::test]
async fn what_is_stored_and_not_signed_is_of_the_cohort() {
    for measure in [Measure::Suspend, Measure::Revoke(RevocationReason::KeyCompromise)] {
        each_engine("npc", async |db| {
            let npc = open(&db).await;
            issued(&npc, 1, KeySlot::SigningRsa, 0).await;
            let mut unsigned = Vec::new();
            for number in [2, 3] {
                let request = request(&npc, number, KeySlot::SigningRsa, number as usize).await;
                db.fail_after(1, When::AfterCommit);
                npc.issue(&request, now()).await.err().unwrap();
                db.revive();
                unsigned.push(request);
            }
            npc.stop_issuing("anna", now()).await.unwrap();
            let lot = Cohort { chip_model: Some("NE-0144".into()), ..Cohort::default() };
            let proposed = npc.propose_incident(lot.clone(), measure, "anna", now()).await.unwrap();
            assert_eq!(proposed.concerned, 3);
            let done = npc.approve_incident(proposed.number, "bert", now()).await.unwrap();
            assert_eq!((done.looked_at, done.changed), (3, 3));
            // Whoever asks again, and a restart.
            let again = npc.issue(&unsigned[0], now()).await;
            let restarted = open(&db).await;
            let last = restarted.certificates_of(card(3), now()).await.unwrap();
            let list = restarted.crl(npc::Scope::Complete, now()).await.unwrap();
            let listed = x509::crl::Crl::parse(&list.der).unwrap().entries().count();
            if measure == Measure::Suspend {
                let states = [again.unwrap().state, last[0].state.clone()];
                for state in states {
                    let CertificateState::Suspended { causes } = state else { panic!("{state:?}") };
                    assert_eq!(causes.into_keys().collect::<Vec<_>>(), [SuspensionCause::Incident]);
                }
                assert_eq!(listed, 3);
                let of = Measure::Resume { of: proposed.number };
                let ended = restarted.propose_incident(lot, of, "anna", now()).await.unwrap();
                let ended = restarted.approve_incident(ended.number, "bert", now()).await.unwrap();
                assert_eq!(ended.changed, 3);
            } else {
                assert_eq!(again.err().unwrap().code(), "NPC-REVOKED");
                assert_eq!((last.len(), listed), (0, 1), "never signed, and so in no list");
            }
            let plan = npc::QueuePlan {
                classes: vec!["all".into()],
                per_day: 5,
                offices: std::collections::BTreeMap::new(),
                weekdays: vec![1],
                tries: 1,
            };
            if measure != Measure::Suspend {
                restarted.open_queue(proposed.number, &plan, "anna", now()).await.unwrap();
                assert_eq!(restarted.queue_report(proposed.number).await.unwrap()[0].waiting, 3);
            }
            restarted.verify_audit(None).await.unwrap();
        })
        .await;
    }
}

/// Seven days, and what was shown: a certificate of the cohort that came into being since is neither missed nor changed unseen.
// proves: NPC-55
#[tokio::test]
async fn what_is_approved_is_what_was_shown_and_within_seven_days() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        country(&npc).await;
        let week = now() + SignedDuration::from_hours(7 * 24);
        let lot = Cohort { chip_model: Some("NE-0144".into()), ..Cohort::default() };
        let of_cards = Cohort { cards: Some((card(1), card(2))), ..Cohort::default() };
        let propose = async |cohort: &Cohort, measure| {
            npc.propose_incident(cohort.clone(), measure, "anna", now()).await.unwrap()
        };
        let old = propose(&lot, Measure::Suspend).await;
        let late = npc.approve_incident(old.number, "bert", week).await.unwrap_err();
        assert_eq!((late.code(), old.lapsed(week)), ("NPC-LAPSED", true));
        let just_before = week - SignedDuration::from_secs(1);
        assert!(!old.lapsed(just_before));

        // One is revoked and one comes into being: as many as were shown, but not the same.
        let revoke = propose(&lot, Measure::Revoke(RevocationReason::KeyCompromise)).await;
        let others = propose(&of_cards, Measure::Suspend).await;
        npc.revoke_certificate(
            &npc.certificates_of(card(1), now()).await.unwrap()[0].serial,
            RevocationReason::Superseded,
            "clerk",
            now(),
        )
        .await
        .unwrap();
        let made = issued(&npc, 4, KeySlot::SigningRsa, 4).await;
        for proposed in [&old, &revoke] {
            let grown = npc.approve_incident(proposed.number, "bert", just_before).await.unwrap_err();
            assert_eq!(grown.code(), "NPC-GROWN");
            assert!(grown.to_string().contains("1 certificates"), "{grown}");
        }
        assert_eq!(states(&npc, &[made.serial]).await, ["good"]);
        let again = propose(&lot, Measure::Suspend).await;
        assert_eq!(again.concerned, 4);
        // What has grown elsewhere is as it was shown.
        let done = npc.approve_incident(others.number, "bert", just_before).await.unwrap();
        assert_eq!(done.changed, 3);
        let done = npc.approve_incident(again.number, "bert", just_before).await.unwrap();
        assert_eq!((done.looked_at, done.approved_by.as_deref()), (4, Some("bert")));
        assert_eq!(states(&npc, &[made.serial]).await, ["suspended"]);
        assert!(!done.lapsed(week), "it was approved");
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// Between the approval and its first batch, the program is killed, and somebody goes on issuing: that is not of the incident.
#[tokio::test]
async fn what_comes_into_being_after_the_approval_is_not_of_the_incident() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serials = country(&npc).await;
        let rsa = Cohort { key_class: Some("RSA-2048".into()), ..Cohort::default() };
        let proposed = npc.propose_incident(rsa, Measure::Suspend, "anna", now()).await.unwrap();
        // The list is one commit, the approval the next.
        db.fail_after(2, When::AfterCommit);
        npc.approve_incident(proposed.number, "bert", now()).await.unwrap_err();
        db.revive();
        let later = issued(&npc, 4, KeySlot::SigningRsa, 4).await;
        npc.maintain(now()).await.unwrap();
        assert_eq!(npc.incidents().await.unwrap()[0].changed, 3);
        assert_eq!(states(&npc, &[serials[0], later.serial]).await, ["suspended", "good"]);
    })
    .await;
}

/// What was noted down for a proposal that nobody has approved in the end means nothing, and goes when nobody can approve it any more.
#[tokio::test]
async fn what_was_noted_and_never_approved_is_forgotten() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serials = country(&npc).await;
        let rsa = Cohort { key_class: Some("RSA-2048".into()), ..Cohort::default() };
        let proposed = npc.propose_incident(rsa, Measure::Suspend, "anna", now()).await.unwrap();
        db.fail_after(1, When::AfterCommit);
        npc.approve_incident(proposed.number, "bert", now()).await.unwrap_err();
        db.revive();
        let noted = async || {
            let sql = "SELECT count(*) FROM incident_certificate";
            db.one(sql, params![]).await.unwrap().read::<i64>(0).unwrap()
        };
        npc.maintain(now()).await.unwrap();
        assert_eq!((noted().await, states(&npc, &serials).await), (3, vec!["good"; 6]));
        npc.maintain(now() + SignedDuration::from_hours(24 * 8 + 1)).await.unwrap();
        assert_eq!(noted().await, 0);
    })
    .await;
}

/// Hundreds of holders have suspended their certificates, each at another moment: each state has its own next one.
#[tokio::test]
async fn states_of_their_own_are_changed_row_by_row() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let mut pattern = request(&npc, 999_999, KeySlot::SigningRsa, 0).await;
        pattern.chip_model = None;
        let pattern = npc.issue(&pattern, now()).await.unwrap().serial;
        let cards: Vec<_> = (1..=200).map(card).collect();
        let lot = npc::DrillLot { cards: &cards, chip_model: "NE-0144", fingerprint: "roca" };
        npc.write_drill_lot(&pattern, lot, now()).await.unwrap();
        let minute = |n| now() + SignedDuration::from_mins(n);
        for (n, card) in (1..).zip(&cards[..30]) {
            npc.suspend(*card, SuspensionCause::Holder, "holder", minute(n)).await.unwrap();
        }
        npc.revoke(cards[100], RevocationReason::Superseded, "clerk", minute(1)).await.unwrap();
        let lot = Cohort { chip_model: Some("NE-0144".into()), ..Cohort::default() };
        let proposed = npc.propose_incident(lot, Measure::Suspend, "anna", minute(40)).await.unwrap();
        let done = npc.approve_incident(proposed.number, "bert", minute(50)).await.unwrap();
        assert_eq!((done.looked_at, done.changed), (398, 398));
        for (n, card) in (1..).zip(&cards[..30]) {
            let made = npc.certificates_of(*card, minute(60)).await.unwrap();
            let causes = [(SuspensionCause::Holder, minute(n)), (SuspensionCause::Incident, minute(50))];
            let expected = CertificateState::Suspended { causes: causes.into_iter().collect() };
            assert!(made.len() == 2 && made.iter().all(|one| one.state == expected), "{card:?}");
        }
        let last = npc.certificates_of(cards[199], minute(60)).await.unwrap();
        let causes = [(SuspensionCause::Incident, minute(50))].into_iter().collect();
        assert_eq!(last[0].state, CertificateState::Suspended { causes });
        let count = async |sql: &'static str| db.one(sql, params![]).await.unwrap().read::<i64>(0).unwrap();
        assert_eq!(count("SELECT count(*) FROM event WHERE incident = 1").await, 398);
        assert_eq!(count("SELECT count(*) - count(DISTINCT state_seq) FROM certificate_state").await, 0);
    })
    .await;
}

/// Killed at every commit, another process goes on, and each certificate is changed once.
#[tokio::test]
async fn an_interrupted_incident_is_finished_by_the_next_maintenance() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serials = country(&npc).await;
        let rsa = Cohort { key_class: Some("RSA-2048".into()), ..Cohort::default() };
        let proposed = npc.propose_incident(rsa, Measure::Suspend, "anna", now()).await.unwrap();
        for commit in [1, 2, 3, 4] {
            for when in [When::BeforeCommit, When::AfterCommit] {
                db.fail_after(commit, when);
                let _ = npc.approve_incident(proposed.number, "bert", now()).await;
                db.revive();
            }
        }
        let later = now() + SignedDuration::from_secs(60);
        let other = open(&db).await;
        other.maintain(later).await.unwrap();
        assert_eq!(
            states(&other, &serials).await,
            ["suspended", "good", "suspended", "good", "suspended", "good"]
        );
        let sql = "SELECT count(*) FROM event WHERE kind = 'suspend'";
        assert_eq!(db.one(sql, params![]).await.unwrap().read::<i64>(0).unwrap(), 3);
        let incident = other.incidents().await.unwrap().remove(0);
        assert_eq!((incident.changed, incident.finished_at.is_some()), (3, true));
    })
    .await;
}

// proves: NPC-55
#[tokio::test]
async fn issuing_can_be_stopped_and_what_was_issued_stays() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let first = request(&npc, 1, KeySlot::SigningRsa, 0).await;
        let issued = npc.issue(&first, now()).await.unwrap();
        npc.stop_issuing("anna", now()).await.unwrap();
        npc.stop_issuing("bert", now()).await.unwrap();
        let second: IssueRequest = request(&npc, 2, KeySlot::SigningRsa, 1).await;
        // Also in another process, and after a restart.
        for npc in [&npc, &open(&db).await] {
            let refused = npc.issue(&second, now()).await.err().unwrap();
            assert_eq!(refused.code(), "NPC-STOPPED");
            assert!(!refused.is_refusal(), "to be sent again later");
            assert!(npc.issue(&first, now()).await.unwrap() == issued);
        }
        npc.start_issuing("anna", now()).await.unwrap();
        npc.issue(&second, now()).await.unwrap();
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// A page that starts an incident goes on while it is worked on.
#[test]
fn an_incident_can_be_worked_on_by_a_task_of_its_own() {
    fn sendable<T: Send>(_future: T) {}
    let _ = |npc: &Npc| {
        sendable(npc.approve_incident(1, "anna", now()));
        sendable(npc.maintain(now()));
    };
}
