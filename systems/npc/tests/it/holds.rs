//! Several incidents hold the same certificates: each ends its own hold and nobody else's.

use model::{CertificateState, KeySlot, RevocationReason, RocDate, SuspensionCause};
use npc::{
    CertificateAuthority, Cohort, Incident, IssueRequest, IssuedCertificate, Measure, Npc, Period, QueuePlan,
};
use store::testkit::each_engine;
use store::{When, params};
use x509::Serial;

use crate::support::*;

/// A country of four cards, and what two persons decide in it.
struct Country {
    npc: Npc,
    serials: Vec<Serial>,
}

impl Country {
    async fn new(db: &store::Db) -> Self {
        let npc = open(db).await;
        let mut serials = Vec::new();
        for number in 1..=4 {
            serials.push(issued(&npc, number, KeySlot::SigningEc, 0).await.serial);
        }
        Self { npc, serials }
    }

    async fn done(&self, cards: Option<(u32, u32)>, measure: Measure) -> Incident {
        let proposed = self.npc.propose_incident(of_cards(cards), measure, "anna", now()).await.unwrap();
        self.npc.approve_incident(proposed.number, "bert", now()).await.unwrap()
    }

    async fn suspended(&self, first: u32, last: u32) -> u64 {
        self.done(Some((first, last)), Measure::Suspend).await.number
    }

    async fn ended(&self, of: u64) -> Incident {
        self.done(None, Measure::Resume { of }).await
    }

    async fn refused(&self, cards: Option<(u32, u32)>, of: u64) -> &'static str {
        let measure = Measure::Resume { of };
        self.npc.propose_incident(of_cards(cards), measure, "anna", now()).await.unwrap_err().code()
    }

    /// Of each card what holds its certificate: `i` an incident, `h` the holder; `-` nothing; `x` it is revoked.
    async fn holds(&self) -> String {
        let mut all = Vec::new();
        for serial in &self.serials {
            all.push(match self.npc.status(serial, now()).await.unwrap().unwrap() {
                CertificateState::Suspended { causes } => {
                    causes.keys().map(|cause| &cause.as_str()[..1]).collect()
                }
                CertificateState::Good => "-".to_owned(),
                CertificateState::Revoked { .. } => "x".to_owned(),
                CertificateState::Expired => "expired".to_owned(),
            });
        }
        all.join(" ")
    }
}

fn of_cards(cards: Option<(u32, u32)>) -> Cohort {
    Cohort { cards: cards.map(|(first, last)| (card(first), card(last))), ..Cohort::default() }
}

/// Cards 1 to 3 are of incident A, 2 to 4 of B: whichever ends first, what both hold stays on hold until the other ends too.
// proves: NPC-55, LOSS-10
#[tokio::test]
async fn each_incident_ends_its_own_hold_in_either_order() {
    each_engine("npc", async |db| {
        let country = Country::new(&db).await;
        for a_first in [true, false] {
            let a = country.suspended(1, 3).await;
            let b = country.suspended(2, 4).await;
            assert_eq!(country.holds().await, "i i i i");
            let (first, then, between) = if a_first { (a, b, "- i i i") } else { (b, a, "i i i -") };
            let one = country.ended(first).await;
            assert_eq!((one.concerned, one.also_held, one.looked_at, one.changed), (3, 2, 3, 1));
            assert_eq!(country.holds().await, between);
            assert_eq!(country.refused(None, first).await, "NPC-NOT-HELD", "once");
            let other = country.ended(then).await;
            assert_eq!((other.concerned, other.also_held, other.changed), (3, 0, 3));
            assert_eq!(country.holds().await, "- - - -");
        }
        country.npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// The end of a hold may concern a part of it; the same cards may be held again, and that is another hold.
#[tokio::test]
async fn a_hold_ends_in_parts_and_comes_again() {
    each_engine("npc", async |db| {
        let country = Country::new(&db).await;
        let a = country.suspended(1, 4).await;
        country.done(Some((1, 2)), Measure::Resume { of: a }).await;
        assert_eq!(country.holds().await, "- - i i");
        assert_eq!(country.refused(Some((1, 2)), a).await, "NPC-NOT-HELD");
        let again = country.suspended(2, 3).await;
        assert_eq!(country.holds().await, "- i i i");
        let rest = country.ended(a).await;
        assert_eq!((rest.concerned, rest.also_held, rest.changed), (2, 1, 1));
        assert_eq!(country.holds().await, "- i i -", "what the second one holds stays");
        country.ended(again).await;
        assert_eq!(country.holds().await, "- - - -");
        country.npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// The holder's own suspension is a cause beside both, whenever it begins and ends; and no single caller ends an incident's.
// proves: LOSS-10
#[tokio::test]
async fn the_holders_suspension_and_two_incidents_are_three_causes() {
    each_engine("npc", async |db| {
        let country = Country::new(&db).await;
        let (npc, holder) = (&country.npc, SuspensionCause::Holder);
        npc.suspend(card(2), holder, "holder", now()).await.unwrap();
        let a = country.suspended(1, 3).await;
        npc.suspend(card(3), holder, "holder", now()).await.unwrap();
        let b = country.suspended(2, 3).await;
        assert_eq!(country.holds().await, "i hi hi -");
        for cause in [SuspensionCause::Incident] {
            let one = npc.resume(card(2), cause, "clerk", now()).await.unwrap_err();
            assert_eq!(one.code(), "NPC-REQUEST");
            let one = npc.suspend(card(4), cause, "clerk", now()).await.unwrap_err();
            assert_eq!(one.code(), "NPC-REQUEST");
        }
        npc.resume(card(2), holder, "holder", now()).await.unwrap();
        assert_eq!(country.holds().await, "i i hi -");
        country.ended(a).await;
        assert_eq!(country.holds().await, "- i hi -");
        country.ended(b).await;
        assert_eq!(country.holds().await, "- - h -");
        npc.resume(card(3), holder, "holder", now()).await.unwrap();
        assert_eq!(country.holds().await, "- - - -");
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// What one of them revokes is revoked for good, and the other's end neither brings it back nor stops at it.
#[tokio::test]
async fn a_revocation_by_one_of_them_is_final_for_both() {
    each_engine("npc", async |db| {
        let country = Country::new(&db).await;
        let a = country.suspended(1, 3).await;
        let b = country.suspended(2, 4).await;
        let revoke = Measure::Revoke(RevocationReason::KeyCompromise);
        assert_eq!(country.done(Some((2, 2)), revoke).await.changed, 1);
        assert_eq!(country.refused(Some((2, 2)), a).await, "NPC-NOT-HELD");
        // It is revoked between proposal and approval.
        let measure = Measure::Resume { of: b };
        let proposed = country.npc.propose_incident(of_cards(None), measure, "anna", now()).await.unwrap();
        assert_eq!((proposed.concerned, proposed.also_held), (2, 1));
        country.done(Some((3, 3)), revoke).await;
        let ended = country.npc.approve_incident(proposed.number, "bert", now()).await.unwrap();
        assert_eq!((ended.looked_at, ended.changed), (1, 1));
        assert_eq!(country.holds().await, "i x x -");
        country.ended(a).await;
        assert_eq!(country.holds().await, "- x x -");
        for other in [ended.number, 99] {
            assert_eq!(country.refused(None, other).await, "NPC-NOT-HELD", "no suspension");
        }
        country.npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// A suspension that is not finished cannot be ended: its last batches would suspend what its end has passed. And two ends that
/// are interrupted after their approval are both finished, in whichever order.
#[tokio::test]
async fn ends_that_are_interrupted_leave_nothing_on_hold() {
    each_engine("npc", async |db| {
        let country = Country::new(&db).await;
        let npc = &country.npc;
        let cohort = of_cards(Some((1, 3)));
        let a = npc.propose_incident(cohort, Measure::Suspend, "anna", now()).await.unwrap().number;
        assert_eq!(country.refused(None, a).await, "NPC-NOT-HELD", "not approved");
        db.fail_after(2, When::AfterCommit);
        npc.approve_incident(a, "bert", now()).await.unwrap_err();
        db.revive();
        assert_eq!(country.refused(None, a).await, "NPC-NOT-HELD", "not finished");
        // Nobody but the interrupted one holds them, and that counts.
        let b = country.suspended(2, 4).await;
        let early = country.ended(b).await;
        assert_eq!((early.also_held, early.changed), (2, 1));
        assert_eq!(country.holds().await, "- i i -");
        npc.maintain(now()).await.unwrap();
        assert_eq!(country.holds().await, "i i i -");

        let c = country.suspended(1, 4).await;
        let mut ends = Vec::new();
        for of in [a, c] {
            let end = npc.propose_incident(of_cards(None), Measure::Resume { of }, "anna", now()).await;
            ends.push(end.unwrap().number);
        }
        for end in ends {
            db.fail_after(2, When::AfterCommit);
            npc.approve_incident(end, "bert", now()).await.unwrap_err();
            db.revive();
        }
        assert_eq!(country.holds().await, "i i i i");
        // A certificate that is issued now is of no incident.
        npc.maintain(now()).await.unwrap();
        assert_eq!(country.holds().await, "- - - -");
        let sql = "SELECT count(*) FROM event WHERE kind = 'resume'";
        assert_eq!(db.one(sql, params![]).await.unwrap().read::<i64>(0).unwrap(), 5);
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// A further certificate of a card that incidents hold begins on hold for each of them whose queue does not wait for it, and for no
/// other: not for one whose queue has what it waited for, nor for one that is over. Whoever asks.
// proves: NPC-55, LOSS-10
#[tokio::test]
async fn a_further_certificate_is_held_by_every_incident_whose_queue_does_not_wait_for_it() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let first = |number: u32| issued(&npc, number, KeySlot::SigningRsa, number as usize);
        let decided = async |number: u32, measure| {
            let cohort = match measure {
                Measure::Suspend => of_cards(Some((number, number))),
                _ => of_cards(None),
            };
            let proposed = npc.propose_incident(cohort, measure, "anna", now()).await.unwrap();
            npc.approve_incident(proposed.number, "bert", now()).await.unwrap().number
        };
        let suspended = async |number| decided(number, Measure::Suspend).await;
        let ended = async |of| decided(0, Measure::Resume { of }).await;
        let queued = async |incident| {
            let plan = QueuePlan {
                classes: vec!["everybody".into()],
                per_day: 1,
                offices: [].into(),
                weekdays: vec![1],
                tries: 1,
            };
            npc.open_queue(incident, &plan, "anna", now()).await.unwrap();
        };
        let further = async |number: u32, slot: KeySlot| {
            let again = IssueRequest {
                period: Period::Reissue { day: now_date() },
                ..request(&npc, number, slot, 0).await
            };
            npc.issue(&again, now()).await.unwrap()
        };
        let next = async |number| further(number, KeySlot::SigningEc).await;
        let state =
            async |one: &IssuedCertificate| npc.status(&one.serial, now()).await.unwrap().unwrap().as_str();

        // One incident and its queue: the remedy. Without a queue it is none.
        first(1).await;
        queued(suspended(1).await).await;
        assert_eq!(state(&next(1).await).await, "good");
        first(2).await;
        let alone = suspended(2).await;
        let held = next(2).await;
        assert_eq!(state(&held).await, "suspended");
        ended(alone).await;
        assert_eq!(state(&held).await, "good");

        // Two of them, one with a queue: held for the other, and good when that ends though the first goes on.
        first(3).await;
        let (with, without) = (suspended(3).await, suspended(3).await);
        queued(with).await;
        let held = next(3).await;
        assert_eq!(state(&held).await, "suspended");
        ended(without).await;
        assert_eq!(state(&held).await, "good");
        // Its queue has what it waited for: the next one is held.
        issued(&npc, 3, KeySlot::EncryptionRsa, 0).await;
        let more = further(3, KeySlot::EncryptionEc).await;
        assert_eq!((state(&held).await, state(&more).await), ("good", "suspended"));

        // The one with the queue has ended, and its row waits for ever.
        first(4).await;
        let over = suspended(4).await;
        queued(over).await;
        ended(over).await;
        let present = suspended(4).await;
        let held = next(4).await;
        assert_eq!(state(&held).await, "suspended");
        ended(present).await;
        assert_eq!(state(&held).await, "good");

        // Approved, and interrupted before its first batch: no state says so yet.
        first(5).await;
        let cohort = of_cards(Some((5, 5)));
        let interrupted = npc.propose_incident(cohort, Measure::Suspend, "anna", now()).await.unwrap().number;
        db.fail_after(2, When::AfterCommit);
        npc.approve_incident(interrupted, "bert", now()).await.unwrap_err();
        db.revive();
        let held = next(5).await;
        assert_eq!(state(&held).await, "suspended");
        npc.maintain(now()).await.unwrap();
        ended(interrupted).await;
        assert_eq!(state(&held).await, "good");
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

fn now_date() -> RocDate {
    RocDate::in_taipei(now())
}

/// What an earlier version has left behind: a proposal that names no incident is made anew, an approved one is finished as it was
/// approved, and a suspension whose list was not kept has it again.
#[tokio::test]
async fn proposals_of_an_earlier_version_are_finished_or_made_anew() {
    each_engine("npc", async |db| {
        let country = Country::new(&db).await;
        let a = country.suspended(1, 3).await;
        let b = country.suspended(2, 4).await;
        let earlier = async |number: u64, sql: &'static str| {
            store::transaction!(db, |tx| tx.execute(sql, params![number as i64]).await).unwrap();
        };
        let proposed = async |of| {
            let measure = Measure::Resume { of };
            country.npc.propose_incident(of_cards(Some((1, 4))), measure, "anna", now()).await.unwrap().number
        };
        const UNNAMED: &str = "UPDATE incident SET what = replace(what, ',\"of\":1', '') WHERE number = $1";
        let waits = proposed(a).await;
        earlier(waits, UNNAMED).await;
        let refused = country.npc.approve_incident(waits, "bert", now()).await.unwrap_err();
        assert_eq!(refused.code(), "NPC-NOT-HELD");
        // Approved, and interrupted before its first batch.
        let all = proposed(a).await;
        db.fail_after(2, When::AfterCommit);
        country.npc.approve_incident(all, "bert", now()).await.unwrap_err();
        db.revive();
        earlier(all, UNNAMED).await;
        country.npc.maintain(now()).await.unwrap();
        assert_eq!(country.holds().await, "- - - i", "what was noted down, whoever held it");
        let last = country.ended(b).await;
        assert_eq!((last.concerned, last.changed), (1, 1));

        let c = country.suspended(1, 2).await;
        earlier(c, "DELETE FROM incident_certificate WHERE incident = $1").await;
        earlier(c, "UPDATE incident SET selected = FALSE WHERE number = $1").await;
        assert_eq!(country.ended(c).await.changed, 2);
        country.npc.verify_audit(None).await.unwrap();
    })
    .await;
}
