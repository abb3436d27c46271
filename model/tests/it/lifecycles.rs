//! The life cycles: the whole way, the whole table, and what each state remembers.

use std::collections::HashSet;

use model::application::ApplicationEvent;
use model::card::CardEvent;
use model::{
    Application, ApplicationState, Card, CardState, CertificateState, Error, RevocationReason, Stamp,
    SuspensionCause, VoidReason,
};

type CardStep<'a> = &'a dyn Fn(Card) -> Result<(Card, CardEvent), Error>;
type ApplicationStep<'a> = &'a dyn Fn(Application) -> Result<(Application, ApplicationEvent), Error>;

fn stamp(second: i64) -> Stamp {
    Stamp::new(jiff::Timestamp::from_second(1_800_000_000 + second).expect("a time"), "clerk-7", "mgmt")
}

/// A card in each state, and what every transition makes of it.
fn cards() -> Vec<Card> {
    let case = "C11500000042".parse().expect("a case");
    let office = "6300001000".parse().expect("an office");
    let step = |card: Card, f: CardStep| f(card).expect("allowed").0;
    let mut cards = vec![Card::Blank];
    let steps: [CardStep; 12] = [
        &|c| c.wash(stamp(1)),
        &|c| c.initialise(stamp(2)),
        &|c| c.pair(case, stamp(3)),
        &|c| c.personalise(stamp(4)),
        &|c| c.finish(stamp(5)),
        &|c| c.ship(office, stamp(6)),
        &|c| c.receive(stamp(7)),
        &|c| c.accept(stamp(8)),
        &|c| c.hand_over(stamp(9)),
        &|c| c.report_loss(stamp(10)),
        &|c| c.void(VoidReason::Replaced, stamp(11)),
        &|c| c.destroy("L-1", stamp(12)),
    ];
    for f in steps {
        cards.push(step(cards.last().expect("not empty").clone(), f));
    }
    let active = cards.iter().find(|c| c.state() == CardState::Active).expect("on the way").clone();
    cards.push(step(active.clone(), &|c| c.recall("R-1", stamp(20))));
    cards.push(step(active, &|c| c.expire(stamp(21))));
    cards.push(step(Card::Blank, &|c| c.flaw("no answer to reset", stamp(22))));
    cards
}

fn every_step(card: &Card) -> Vec<Result<(Card, CardEvent), Error>> {
    let case = "C11500000043".parse().expect("a case");
    let office = "6300001000".parse().expect("an office");
    let c = || card.clone();
    vec![
        c().wash(stamp(0)),
        c().initialise(stamp(0)),
        c().pair(case, stamp(0)),
        c().personalise(stamp(0)),
        c().finish(stamp(0)),
        c().ship(office, stamp(0)),
        c().receive(stamp(0)),
        c().accept(stamp(0)),
        c().hand_over(stamp(0)),
        c().report_loss(stamp(0)),
        c().withdraw_loss(stamp(0)),
        c().recall("R-2", stamp(0)),
        c().next_recall("R-3", stamp(0)),
        c().release_recall(stamp(0)),
        c().expire(stamp(0)),
        c().flaw("scratched", stamp(0)),
        c().void(VoidReason::Returned, stamp(0)),
        c().destroy("L-2", stamp(0)),
    ]
}

// proves: MGMT-71, PRODUCTION-46
#[test]
fn every_card_state_is_reached_and_no_step_leaves_the_table() {
    let cards = cards();
    let reached: HashSet<CardState> = cards.iter().map(Card::state).collect();
    assert_eq!(reached, CardState::ALL.iter().copied().collect());
    for card in &cards {
        for step in every_step(card) {
            match step {
                Ok((after, event)) => {
                    assert!(card.state().may_become(after.state()), "{} to {}", card.state(), after.state());
                    assert_eq!((event.from.as_str(), &event.to), (card.state().as_str(), &after));
                    assert_eq!(event.apply(), after);
                }
                Err(Error::Transition { life, from, .. }) => {
                    assert_eq!((life, from), ("card", card.state().as_str()))
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

// proves: PRODUCTION-46
#[test]
fn a_card_goes_back_only_from_a_loss_report_or_a_recall() {
    use CardState::*;
    let order = [
        Blank,
        Washed,
        Initialised,
        Paired,
        Personalised,
        Finished,
        Shipped,
        Received,
        AwaitingCollection,
        Active,
        Suspended,
        Recalled,
        Expired,
        Flawed,
        Void,
        Destroyed,
    ];
    let rank = |state: CardState| order.iter().position(|s| *s == state).expect("listed");
    let mut back: Vec<(CardState, CardState)> = Vec::new();
    for from in CardState::ALL {
        for to in from.next() {
            assert!((from != to || *from == Recalled) && *from != Destroyed && *to != Blank);
            if rank(*to) < rank(*from) {
                back.push((*from, *to));
            }
        }
    }
    back.sort();
    assert_eq!(
        back,
        [
            (Suspended, Active),
            (Recalled, Received),
            (Recalled, AwaitingCollection),
            (Recalled, Active),
            (Recalled, Suspended),
        ]
    );
    assert!(CardState::ALL.iter().all(|s| s.may_become(Void) || matches!(s, Void | Destroyed)));
    assert_eq!(Void.step(Active), Err(Error::Transition { life: "card", from: "void", to: "active" }));
}

#[test]
fn a_recalled_card_returns_to_what_it_was() {
    let find = |state: CardState| cards().into_iter().find(|c| c.state() == state).expect("reached");
    for state in [CardState::Received, CardState::AwaitingCollection, CardState::Active, CardState::Suspended]
    {
        let before = find(state);
        let (recalled, _) = before.clone().recall("R-1", stamp(30)).expect("allowed");
        assert_eq!(recalled.release_recall(stamp(31)).expect("allowed").0, before);
    }
    let (active, _) = find(CardState::Suspended).withdraw_loss(stamp(30)).expect("allowed");
    assert_eq!(active, find(CardState::Active));
}

/// A recalled card is lost and found like any other in use, and is what it then is after its recall, or the next one.
#[test]
fn a_recalled_card_is_lost_and_found() {
    let find = |state: CardState| cards().into_iter().find(|c| c.state() == state).expect("reached");
    let (active, suspended) = (find(CardState::Active), find(CardState::Suspended));
    let recalled = active.clone().recall("R-1", stamp(9)).expect("allowed").0;
    assert!(recalled.in_hands() && !recalled.lost());
    assert!(recalled.clone().withdraw_loss(stamp(10)).is_err());
    let lost = recalled.clone().report_loss(stamp(10)).expect("allowed").0;
    assert_eq!(lost, suspended.clone().recall("R-1", stamp(9)).expect("allowed").0);
    assert!(lost.in_hands() && lost.lost() && lost.clone().report_loss(stamp(11)).is_err());
    assert_eq!(lost.clone().withdraw_loss(stamp(11)).expect("allowed").0, recalled);
    let next = lost.next_recall("R-2", stamp(12)).expect("allowed").0;
    assert!(matches!(&next, Card::Recalled { recall, .. } if recall == "R-2"));
    assert_eq!(next.release_recall(stamp(13)).expect("allowed").0, suspended);
    // Expired, a lost card is lost still, recalled or not, and one that was not is not.
    let lost_and_recalled = suspended.clone().recall("R-1", stamp(14)).expect("allowed").0;
    for card in [suspended.clone(), lost_and_recalled] {
        let expired = card.expire(stamp(15)).expect("allowed").0;
        assert!(expired.lost() && expired.in_hands() && expired.state() == CardState::Expired);
    }
    for card in [active.clone(), recalled] {
        assert!(!card.expire(stamp(15)).expect("allowed").0.lost());
    }
    // One that waits at an office is in nobody's hands, and nobody loses it.
    let waiting = find(CardState::AwaitingCollection).recall("R-1", stamp(9)).expect("allowed").0;
    assert!(!waiting.in_hands() && !waiting.lost() && waiting.report_loss(stamp(10)).is_err());
    assert!(active.next_recall("R-2", stamp(12)).is_err());
}

#[test]
fn a_flawed_card_names_the_case_that_needs_a_remake() {
    let ready = cards().into_iter().find(|c| c.state() == CardState::AwaitingCollection).expect("reached");
    let case = ready.case();
    let (flawed, _) = ready.flaw("portrait stained", stamp(30)).expect("allowed");
    assert!(case.is_some() && flawed.case() == case);
}

// proves: MGMT-72
#[test]
fn an_event_names_time_actor_system_and_reason_and_is_read_back() {
    for card in cards() {
        for (after, event) in every_step(&card).into_iter().flatten() {
            let event = CardEvent { stamp: event.stamp.because("stocktake"), ..event };
            let json = serde_json::to_value(&event).expect("serialises");
            assert_eq!(json["actor"], "clerk-7");
            assert_eq!(json["system"], "mgmt");
            assert_eq!(json["reason"], "stocktake");
            assert_eq!(json["at"], "2027-01-15T08:00:00Z");
            assert_eq!(json["to"]["state"], after.state().as_str());
            assert_eq!(serde_json::from_value::<CardEvent>(json).expect("reads"), event);
        }
    }
}

fn applications() -> Vec<Application> {
    let office = "6300001000".parse().expect("an office");
    let card = "TWA000001".parse().expect("a serial");
    let mut all = vec![Application::draft()];
    let steps: [ApplicationStep; 9] = [
        &|a| a.submit(stamp(1)),
        &|a| a.take_up(stamp(2)),
        &|a| a.approve(stamp(3)),
        &|a| a.batch("B-1", stamp(4)),
        &|a| a.begin_production(card, stamp(5)),
        &|a| a.report_produced(stamp(6)),
        &|a| a.receive(office, stamp(7)),
        &|a| a.make_ready(stamp(8)),
        &|a| a.collect(stamp(9)),
    ];
    for f in steps {
        all.push(f(all.last().expect("not empty").clone()).expect("allowed").0);
    }
    all.push(all[2].clone().reject("no such person", stamp(10)).expect("allowed").0);
    all.push(all[0].clone().withdraw("changed mind", stamp(11)).expect("allowed").0);
    all
}

#[test]
fn every_application_state_is_reached_and_no_step_leaves_the_table() {
    let office = "6300001000".parse().expect("an office");
    let card = "TWA000001".parse().expect("a serial");
    let all = applications();
    let reached: HashSet<ApplicationState> = all.iter().map(Application::state).collect();
    assert_eq!(reached, ApplicationState::ALL.iter().copied().collect());
    for application in &all {
        let a = || application.clone();
        let steps = [
            a().submit(stamp(0)),
            a().take_up(stamp(0)),
            a().return_for_correction("photo", stamp(0)),
            a().approve(stamp(0)),
            a().reject("no", stamp(0)),
            a().batch("B-2", stamp(0)),
            a().begin_production(card, stamp(0)),
            a().report_produced(stamp(0)),
            a().receive(office, stamp(0)),
            a().make_ready(stamp(0)),
            a().collect(stamp(0)),
            a().remake(stamp(0)),
            a().withdraw("no", stamp(0)),
        ];
        let mut to = HashSet::new();
        for step in steps {
            match step {
                Ok((after, event)) => {
                    to.insert(after.state());
                    let json = serde_json::to_string(&event).expect("serialises");
                    assert_eq!(
                        serde_json::from_str::<ApplicationEvent>(&json).expect("reads").apply(),
                        after
                    );
                }
                Err(Error::Transition { life, from, .. }) => {
                    assert_eq!((life, from), ("application", application.state().as_str()));
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(to, application.state().next().iter().copied().collect(), "{}", application.state());
        assert_eq!(application.state().is_open(), !to.is_empty());
    }
}

#[test]
fn a_remake_counts_and_keeps_the_day_of_application() {
    let ready = applications().into_iter().find(|a| a.state() == ApplicationState::Ready).expect("reached");
    let before = ready.approval().expect("approved");
    let (again, _) = ready.remake(stamp(30)).expect("allowed");
    let after = again.approval().expect("approved");
    assert_eq!((after.submitted, after.remakes, before.remakes), (before.submitted, 1, 0));
    assert_eq!(again.card(), None);
}

// proves: LOSS-10
#[test]
fn the_holders_own_suspension_outlives_a_withdrawn_loss_report() {
    let good = CertificateState::default();
    let (by_holder, _) = good.clone().suspend(SuspensionCause::Holder, stamp(1)).expect("allowed");
    let (by_both, _) = by_holder.clone().suspend(SuspensionCause::Loss, stamp(2)).expect("allowed");
    assert_eq!(by_both.suspended_since(), Some(stamp(1).at));
    let (after, _) = by_both.resume(SuspensionCause::Loss, stamp(3)).expect("allowed");
    assert_eq!(after, by_holder);
    let (by_loss, _) = good.clone().suspend(SuspensionCause::Loss, stamp(1)).expect("allowed");
    assert_eq!(by_loss.clone().resume(SuspensionCause::Loss, stamp(2)).expect("allowed").0, good);
    assert!(by_loss.resume(SuspensionCause::Holder, stamp(2)).is_err());
}

#[test]
fn a_revocation_is_for_good() {
    let good = CertificateState::Good;
    let (revoked, event) = good.clone().revoke(RevocationReason::Superseded, stamp(1)).expect("allowed");
    assert_eq!((event.from.as_str(), revoked.as_str()), ("good", "revoked"));
    for cause in SuspensionCause::ALL {
        assert!(revoked.clone().suspend(*cause, stamp(2)).is_err());
        assert!(revoked.clone().resume(*cause, stamp(2)).is_err());
    }
    assert!(revoked.clone().revoke(RevocationReason::KeyCompromise, stamp(2)).is_err());
    assert!(revoked.expire(stamp(2)).is_err());
    let (expired, _) = good.expire(stamp(1)).expect("allowed");
    assert!(expired.revoke(RevocationReason::KeyCompromise, stamp(2)).is_err());
    let json = serde_json::to_string(
        &CertificateState::Good.suspend(SuspensionCause::Loss, stamp(1)).expect("allowed"),
    );
    assert!(
        serde_json::from_str::<(CertificateState, model::Event<CertificateState>)>(
            &json.expect("serialises")
        )
        .is_ok()
    );
}
