//! Filters and card status lists, as a reader at home uses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use model::{CardSerial, KeySlot, RevocationReason, SuspensionCause};
use npc::{CertificateAuthority, IssuedCertificate, Npc};
use status::cards::{CardList, Listed};
use status::check::{Verdict, check};
use status::filter::{Filter, State, Trust};
use store::testkit::{each_engine, each_engine_url};
use store::{Db, params};
use x509::Certificate;

use crate::support::*;

async fn filter(npc: &Npc, at: Timestamp) -> Filter {
    let made = npc.ca_certificates();
    let (anchors, intermediates) = ([made.root], [made.ca]);
    let trust = Trust { anchors: &anchors, intermediates: &intermediates };
    Filter::open(&npc.filter(at).await.unwrap().der, &trust, at).unwrap()
}

fn verdict(npc: &Npc, filter: &Filter, issued: &IssuedCertificate, at: Timestamp) -> Verdict {
    let made = npc.ca_certificates();
    let (anchors, intermediates) = ([made.root], [made.ca]);
    let trust = Trust { anchors: &anchors, intermediates: &intermediates };
    check(&Certificate::parse(&issued.der).unwrap(), filter, &trust, at)
}

/// The whole journey at home: good, suspended, resumed, revoked, each told by the next filter.
// proves: NPC-52, PRIVACY-04
#[tokio::test]
async fn each_state_is_in_the_next_filter() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let minutes = |n| now() + SignedDuration::from_mins(n);
        let before = filter(&npc, now()).await;
        let mine = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let other = issued(&npc, 2, KeySlot::SigningRsa, 1).await;
        // Younger than the filter: good, because the number was drawn for it.
        assert_eq!(verdict(&npc, &before, &mine, now()), Verdict::State(State::Good));
        npc.suspend(card(1), SuspensionCause::Loss, "hotline", minutes(1)).await.unwrap();
        assert_eq!(filter(&npc, minutes(14)).await.number(), before.number(), "not yet time");
        let judge = async |at, expected| {
            let filter = filter(&npc, at).await;
            assert_eq!(verdict(&npc, &filter, &mine, at), Verdict::State(expected));
            assert_eq!(verdict(&npc, &filter, &other, at), Verdict::State(State::Good));
        };
        judge(minutes(15), State::Suspended).await;
        npc.resume(card(1), SuspensionCause::Loss, "hotline", minutes(16)).await.unwrap();
        judge(minutes(30), State::Good).await;
        npc.revoke(card(1), RevocationReason::KeyCompromise, "clerk", minutes(31)).await.unwrap();
        judge(minutes(45), State::Revoked).await;
        // Of the old filters those are kept that somebody may still use.
        let rows =
            db.all("SELECT number FROM status_document WHERE kind = 'filter'", params![]).await.unwrap();
        assert_eq!(rows.len(), 4);
        filter(&npc, minutes(45) + SignedDuration::from_hours(3)).await;
        let rows =
            db.all("SELECT number FROM status_document WHERE kind = 'filter'", params![]).await.unwrap();
        assert_eq!(rows.len(), 1);
    })
    .await;
}

/// Lists and filter made at somebody's word, before their turn; another process serves them a second later.
#[tokio::test]
async fn a_filter_published_at_once_is_served_by_every_process() {
    each_engine("npc", async |db| {
        let seconds = Arc::new(AtomicI64::new(0));
        let told = seconds.clone();
        let clock = move || now() + SignedDuration::from_secs(told.load(Ordering::Relaxed));
        let (npc, address) = served(&db, Arc::new(clock)).await;
        let mine = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let made = npc.ca_certificates();
        let (anchors, intermediates) = ([made.root], [made.ca]);
        let trust = Trust { anchors: &anchors, intermediates: &intermediates };
        let asked = async |second| {
            seconds.store(second, Ordering::Relaxed);
            let at = now() + SignedDuration::from_secs(second);
            let filter = Filter::open(&fetch(address, "/status/filter").await.body, &trust, at).unwrap();
            (filter.number(), filter.state(&npc.ca_certificate(), &mine.serial))
        };
        let (first, said) = asked(0).await;
        assert_eq!(said, Some(State::Good));
        let other = open(&db).await;
        let at = now() + SignedDuration::from_secs(1);
        other.suspend(card(1), SuspensionCause::Loss, "clerk", at).await.unwrap();
        assert_eq!(asked(1).await, (first, Some(State::Good)), "its turn has not come");
        let number = other.publish_now("anna", at).await.unwrap();
        assert!(number > first);
        assert_eq!(asked(1).await, (first, Some(State::Good)), "looked for within this second");
        assert_eq!(asked(2).await, (number, Some(State::Suspended)));
        assert_eq!(other.publish_now("no name", at).await.unwrap_err().code(), "NPC-REQUEST");
    })
    .await;
}

/// No filter in use, of whatever process, says anything but good about a certificate issued after it.
#[tokio::test]
async fn new_certificates_are_good_in_every_filter_in_use() {
    each_engine_url(async |url| {
        let here = Arc::new(open(&Db::open(&url, "npc").await.unwrap()).await);
        let there = open(&Db::open(&url, "npc").await.unwrap()).await;
        // A small population half of which is revoked makes filters that are noise for half of all numbers.
        for (number, key) in [(1, 0), (2, 1), (3, 2), (4, 3)] {
            issued(&here, number, KeySlot::SigningRsa, key).await;
        }
        here.revoke(card(1), RevocationReason::Superseded, "clerk", now()).await.unwrap();
        here.suspend(card(2), SuspensionCause::Loss, "clerk", now()).await.unwrap();
        let mut filters = Vec::new();
        for round in 0..3u32 {
            let at = now() + SignedDuration::from_mins(i64::from(round) * 16);
            let publisher: &Npc = if round % 2 == 0 { &here } else { &there };
            filters.push(filter(publisher, at).await);
            for number in 0..6 {
                let request = request(&here, 100 + round * 10 + number, KeySlot::SigningEc, 0).await;
                let issued = here.issue(&request, at).await.unwrap();
                for filter in &filters {
                    let state = filter.state(&here.ca_certificate(), &issued.serial);
                    assert_eq!(state, Some(State::Good));
                }
            }
        }
        here.db().close().await;
        there.db().close().await;
    })
    .await;
}

// proves: LOSS-12, OPEN-37
#[tokio::test]
async fn the_card_list_is_published_with_a_new_salt_each_day() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let made = npc.ca_certificates();
        let (anchors, intermediates) = ([made.root], [made.ca]);
        let trust = Trust { anchors: &anchors, intermediates: &intermediates };
        let card = |n| CardSerial::new("N5A", n).unwrap();
        let hours = |n| now() + SignedDuration::from_hours(n);
        let publish = async |npc: &Npc, cards: &[(CardSerial, Listed)], at| {
            let (full, delta) = npc.publish_cards(cards, at).await.unwrap();
            let open = |der: &[u8]| CardList::open(der, &trust, at).unwrap();
            (open(&full.der), open(&delta.der))
        };
        let lost = [(card(1), Listed::Suspended)];
        let (base, first) = publish(&npc, &lost, hours(0)).await;
        assert_eq!(base.status(card(1)), Ok(Some(Listed::Suspended)));
        assert_eq!((first.base(), first.len()), (Some(base.number()), 0));
        let (again, second) = publish(&npc, &lost, hours(1)).await;
        assert_eq!((again.number(), second.number()), (base.number(), first.number()), "nothing changed");
        let void = [(card(1), Listed::Void), (card(2), Listed::Suspended)];
        let (again, third) = publish(&npc, &void, hours(2)).await;
        assert_eq!(again.number(), base.number());
        let whole = base.with(&third).unwrap();
        assert_eq!(whole.status(card(1)), Ok(Some(Listed::Void)));
        assert_eq!(whole.status(card(2)), Ok(Some(Listed::Suspended)));
        // Another process goes on from the stored list.
        let npc = open(&db).await;
        let (again, fourth) = publish(&npc, &[], hours(3)).await;
        assert_eq!(again.number(), base.number());
        assert!(base.with(&fourth).unwrap().is_empty());
        let (next, _) = publish(&npc, &void, hours(24)).await;
        assert!(next.number() > fourth.number());
        assert_ne!(next.salt(), base.salt());
    })
    .await;
}

/// Two processes publish the card list of one country, in turn and at once: there is one full list, and every delta is added to it.
// proves: OPEN-37
#[tokio::test]
async fn the_card_lists_of_two_processes_fit_together() {
    each_engine("npc", async |db| {
        let (here, there) = (open(&db).await, open(&db).await);
        let card = |n| CardSerial::new("N5A", n).unwrap();
        let hours = |n| now() + SignedDuration::from_hours(n);
        let content = |der: &[u8]| {
            let signed = x509::cms::SignedData::parse(der).unwrap();
            CardList::read(signed.content().unwrap()).unwrap()
        };
        let publish = async |npc: &Npc, cards: &[(CardSerial, Listed)], at| {
            let (full, delta) = npc.publish_cards(cards, at).await.unwrap();
            (content(&full.der), content(&delta.der))
        };
        let (lost, void) = ([(card(1), Listed::Suspended)], [(card(1), Listed::Void)]);
        let (first, _) = publish(&here, &lost, hours(0)).await;
        let (same, delta) = publish(&there, &void, hours(1)).await;
        assert_eq!((same.number(), delta.base()), (first.number(), Some(first.number())));
        // The other one is told what it would have said itself.
        let (_, again) = publish(&here, &void, hours(2)).await;
        assert_eq!(again.number(), delta.number());
        // One makes the list of the next day; the other goes on from it, not from its own.
        let (second, _) = publish(&there, &lost, hours(24)).await;
        let (same, delta) = publish(&here, &void, hours(25)).await;
        assert_eq!((same.number(), delta.base()), (second.number(), Some(second.number())));
        assert_eq!(second.with(&delta).unwrap().status(card(1)), Ok(Some(Listed::Void)));
        // Both at once.
        let (one, other) = tokio::join!(publish(&here, &void, hours(48)), publish(&there, &void, hours(48)));
        assert!(one.0.number() > second.number());
        assert_eq!(one.0.number(), other.0.number());
        for (_, delta) in [&one, &other] {
            assert_eq!(delta.base(), Some(one.0.number()));
        }
        here.verify_audit(None).await.unwrap();
    })
    .await;
}

/// A process that has published no card list serves that of another, and nobody is served one that has ended.
// proves: OPEN-37
#[tokio::test]
async fn every_process_serves_the_card_list_while_it_holds() {
    each_engine("npc", async |db| {
        let seconds = Arc::new(AtomicI64::new(0));
        let clock = seconds.clone();
        let clock = move || now() + SignedDuration::from_secs(clock.load(Ordering::SeqCst));
        let (_npc, address) = served(&db, Arc::new(clock)).await;
        let get = async |name: &str, hours: i64, more: i64| {
            seconds.store(hours * 3600 + more, Ordering::SeqCst);
            let reply = fetch(address, &format!("/status/{name}")).await;
            (reply.status, reply.body)
        };
        assert_eq!(get("cards", 0, 0).await.0, 503, "nobody has published one");
        let other = open(&db).await;
        let lost = [(CardSerial::new("N5A", 1).unwrap(), Listed::Suspended)];
        let (full, delta) = other.publish_cards(&lost, now()).await.unwrap();
        assert_eq!(get("cards", 0, 1).await, (200, full.der.to_vec()));
        assert_eq!(get("cards-delta", 0, 1).await, (200, delta.der.to_vec()));
        let (_, newer) = other.publish_cards(&[], now() + SignedDuration::from_hours(1)).await.unwrap();
        assert_eq!(get("cards-delta", 1, 1).await, (200, newer.der.to_vec()));
        // Nobody publishes any more.
        assert_eq!(get("cards-delta", 24, 3599).await.0, 200);
        assert_eq!(get("cards-delta", 25, 0).await.0, 503);
        assert_eq!(get("cards", 47, 3599).await, (200, full.der.to_vec()));
        assert_eq!(get("cards", 48, 0).await.0, 503);
    })
    .await;
}
