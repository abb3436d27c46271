//! Revocation lists.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use model::{KeySlot, RevocationReason, SuspensionCause};
use npc::{CertificateAuthority, Cohort, Measure, Npc, Scope};
use store::testkit::{each_engine, each_engine_url};
use store::{Db, When, params, transaction};
use x509::crl::{Crl, Reason};

use crate::support::*;

async fn list(npc: &Npc, scope: Scope, at: Timestamp) -> Crl {
    let list = npc.crl(scope, at).await.unwrap();
    let crl = Crl::parse(&list.der).unwrap();
    crl.verify_signature(npc.ca_certificate().spki()).unwrap();
    assert_eq!(crl.number(), Some(list.number));
    assert!(crl.this_update() <= at && at < crl.next_update().unwrap());
    crl
}

fn entries(crl: &Crl) -> Vec<(Vec<u8>, Reason)> {
    crl.entries().map(|entry| entry.unwrap()).map(|entry| (entry.serial.to_vec(), entry.reason)).collect()
}

/// Enters so many revoked certificates that nobody signed.
async fn revoke_many(db: &Db, count: i64) {
    transaction!(db, |tx| {
        let sql = "UPDATE counter SET value = value + $1 WHERE name = 'state' RETURNING value";
        let last: i64 = tx.one(sql, params![count]).await?.read(0)?;
        let rows = (0..count).map(|n| {
            let serial = [[0x40; 8], n.to_be_bytes()].concat();
            let ends = now() + SignedDuration::from_hours(9_000);
            params![serial, 1_i64, true, last - n, 2_i64, now(), 1_i64, ends, "{}"].to_vec()
        });
        let insert = "INSERT INTO certificate_state (serial, generation, signed, state_seq, status, status_at, \
            reason, ends, state)";
        tx.insert_many(insert, 9, rows.collect::<Vec<_>>()).await.map(drop)
    })
    .unwrap();
}

/// Whoever asks after each change does not keep the authority busy with a long list: it is made anew a second for each megabyte after
/// the last. A short one follows at once, as partitions do; operators and incidents do not wait.
// proves: NPC-57
#[tokio::test]
async fn a_long_list_is_not_made_anew_for_each_who_asks() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        let at = |seconds| now() + SignedDuration::from_secs(seconds);
        let complete = async |seconds| {
            let made = npc.crl(Scope::Complete, at(seconds)).await.unwrap();
            (made.number, Crl::parse(&made.der).unwrap().find(serial.octets()).is_some())
        };
        let (holder, hold) = (SuspensionCause::Holder, Measure::Suspend);
        let (short, named) = complete(0).await;
        assert!(!named);
        npc.suspend(card(1), holder, "holder", at(0)).await.unwrap();
        let (next, named) = complete(0).await;
        assert!(next > short && named, "a short list lacks nothing");
        revoke_many(&db, 60_000).await;
        let bytes = npc.crl(Scope::Complete, at(0)).await.unwrap().der.len();
        assert!((2_000_000..3_000_000).contains(&bytes), "{bytes}");
        let long = complete(0).await;
        assert!(long.0 > next && long.1);
        npc.resume(card(1), holder, "holder", at(0)).await.unwrap();
        assert_eq!(complete(0).await, long);
        npc.maintain(at(1)).await.unwrap();
        assert_eq!(complete(1).await, long, "nor by the maintenance");
        for scope in npc.scopes() {
            if let Scope::Partition(_) = scope {
                assert!(list(&npc, scope, at(1)).await.find(serial.octets()).is_none(), "{scope:?}");
            }
        }
        let (later, named) = complete(2).await;
        assert!(later > long.0 && !named);
        npc.suspend(card(1), holder, "holder", at(2)).await.unwrap();
        assert_eq!(complete(2).await, (later, false));
        npc.publish_now("anna", at(2)).await.unwrap();
        let (published, named) = complete(2).await;
        assert!(published > later && named, "at once");
        npc.resume(card(1), holder, "holder", at(2)).await.unwrap();
        assert_eq!(complete(2).await, (published, true));
        let cohort = Cohort { cards: Some((card(1), card(1))), ..Cohort::default() };
        let incident = npc.propose_incident(cohort, hold, "anna", at(2)).await.unwrap();
        npc.approve_incident(incident.number, "bert", at(2)).await.unwrap();
        let (of_incident, named) = complete(2).await;
        assert!(of_incident > published && named, "at once");
        // The database goes away: the long list holds, as it would if the database were there.
        npc.suspend(card(1), SuspensionCause::Loss, "hotline", at(2)).await.unwrap();
        db.fail_after(1, When::BeforeCommit);
        npc.suspend(card(1), holder, "holder", at(2)).await.unwrap_err();
        assert_eq!(complete(3).await, (of_incident, true));
        db.revive();
    })
    .await;
}

#[tokio::test]
async fn each_change_is_in_the_next_list_and_only_in_its_partition() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let certificate = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let serial = certificate.serial.octets().to_vec();
        let mine = Scope::Partition(u16::from(*serial.last().unwrap()) & 15);
        assert!(entries(&list(&npc, Scope::Complete, now()).await).is_empty());
        assert!(entries(&list(&npc, mine, now()).await).is_empty());

        npc.suspend(card(1), SuspensionCause::Holder, "holder", now()).await.unwrap();
        for scope in npc.scopes().into_iter().filter(|scope| *scope != Scope::Root) {
            let crl = list(&npc, scope, now()).await;
            let expected = if scope == mine || scope == Scope::Complete {
                vec![(serial.clone(), Reason::CertificateHold)]
            } else {
                vec![]
            };
            assert_eq!(entries(&crl), expected, "{scope:?}");
            // The partition names itself as the certificates do; the complete list names nothing, so that every reader
            // takes it.
            match scope {
                Scope::Partition(n) => {
                    let uris = &crl.issuing_distribution_point().unwrap().uris;
                    assert_eq!(*uris, [format!("http://npc.neweid.test/crl/npc-{n}.crl")]);
                }
                _ => assert!(crl.issuing_distribution_point().is_none()),
            }
        }
        npc.resume(card(1), SuspensionCause::Holder, "holder", now()).await.unwrap();
        assert!(entries(&list(&npc, mine, now()).await).is_empty());
        npc.revoke(card(1), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        assert_eq!(entries(&list(&npc, mine, now()).await), [(serial.clone(), Reason::KeyCompromise)]);
        assert_eq!(entries(&list(&npc, Scope::Complete, now()).await), [(serial, Reason::KeyCompromise)]);
    })
    .await;
}

#[tokio::test]
async fn numbers_ascend_over_changes_heartbeats_and_restarts() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let number = async |npc: &Npc, hours: i64| {
            let crl = list(npc, Scope::Complete, now() + SignedDuration::from_hours(hours)).await;
            assert!(crl.authority_key_identifier().is_some());
            crl.number().unwrap()
        };
        let first = number(&npc, 0).await;
        assert_eq!(number(&npc, 11).await, first, "nothing changed, half of the time is not over");
        let second = number(&npc, 12).await;
        assert!(second > first, "half of the time is over");
        npc.suspend(card(1), SuspensionCause::Loss, "hotline", now()).await.unwrap();
        let third = number(&npc, 12).await;
        assert!(third > second);
        let npc = open(&db).await;
        assert_eq!(number(&npc, 12).await, third, "the signed bytes were kept");
        npc.resume(card(1), SuspensionCause::Loss, "hotline", now()).await.unwrap();
        let fourth = number(&npc, 12).await;
        assert!(fourth > third);
        assert!(number(&npc, 24 * 40).await > fourth);
    })
    .await;
}

/// A certificate is resumed and the program ends before a list is asked for: whoever opens it next has never known it listed, and
/// does not serve the list of before, which names it. Nor does a process that was not the one to resume it.
#[tokio::test]
async fn a_certificate_resumed_before_a_restart_leaves_the_lists() {
    each_engine_url(async |url| {
        let db = Db::open(&url, "npc").await.unwrap();
        let npc = open(&db).await;
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        let scopes = [Scope::Partition(u16::from(*serial.octets().last().unwrap()) & 15), Scope::Complete];
        let minute = |n| now() + SignedDuration::from_mins(n);
        npc.suspend(card(1), SuspensionCause::Holder, "holder", now()).await.unwrap();
        for scope in scopes {
            assert_eq!(entries(&list(&npc, scope, now()).await).len(), 1);
        }
        let beside = open(&Db::open(&url, "npc").await.unwrap()).await;
        npc.resume(card(1), SuspensionCause::Holder, "holder", minute(1)).await.unwrap();
        let restarted = open(&Db::open(&url, "npc").await.unwrap()).await;
        for (npc, minutes) in [(&restarted, 2), (&beside, 3)] {
            for scope in scopes {
                assert!(entries(&list(npc, scope, minute(minutes)).await).is_empty(), "{scope:?}");
            }
        }
        for npc in [&npc, &beside, &restarted] {
            npc.db().close().await;
        }
    })
    .await;
}

/// Killed anywhere in the end of an incident, until its lists are out: the next maintenance makes every list that still names one
/// of its certificates.
// proves: NPC-55
#[tokio::test]
async fn lists_follow_the_end_of_an_incident_wherever_it_is_killed() {
    each_engine("npc", async |db| {
        let serial = {
            let npc = open(&db).await;
            issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial
        };
        let named = async || {
            let sql = "SELECT der FROM crl WHERE number IN (SELECT MAX(number) FROM crl WHERE der IS NOT NULL GROUP BY scope)";
            let lists = db.all(sql, params![]).await.unwrap();
            let lists = lists.iter().map(|row| row.read::<Vec<u8>>("der").unwrap());
            lists.filter(|der| Crl::parse(der).unwrap().find(serial.octets()).is_some()).count()
        };
        let lot = Cohort { chip_model: Some("NE-0144".into()), ..Cohort::default() };
        // Killed after the first, nobody has approved it.
        for commits in 2.. {
            let minute = |n| now() + SignedDuration::from_mins(10 * commits as i64 + n);
            let npc = open(&db).await;
            let incident = async |measure, at| {
                let proposed = npc.propose_incident(lot.clone(), measure, "anna", at).await.unwrap();
                if measure != Measure::Suspend {
                    db.fail_after(commits, When::AfterCommit);
                }
                (proposed.number, npc.approve_incident(proposed.number, "bert", at).await.is_ok())
            };
            let (of, held) = incident(Measure::Suspend, minute(0)).await;
            assert!(held);
            assert_eq!(named().await, 2, "its partition's and the complete list");
            let (_, whole) = incident(Measure::Resume { of }, minute(1)).await;
            db.revive();
            let restarted = open(&db).await;
            restarted.maintain(minute(2)).await.unwrap();
            assert_eq!(named().await, 0, "killed after {commits} commits");
            if whole {
                assert!(commits > 3, "{commits}");
                break;
            }
        }
    })
    .await;
}

/// One sequence for all lists of all processes: no number is ever given twice, whoever goes on after a failover.
#[tokio::test]
async fn two_processes_never_give_one_number_twice() {
    each_engine_url(async |url| {
        let mut numbers = Vec::new();
        for round in 0..3 {
            // The one dies with a number taken and nothing signed; the other goes on.
            let db = Db::open(&url, "npc").await.unwrap();
            let here = open(&db).await;
            let there = open(&Db::open(&url, "npc").await.unwrap()).await;
            if round == 0 {
                issued(&here, 1, KeySlot::SigningRsa, 0).await;
            }
            let later = now() + SignedDuration::from_hours(13 * round);
            for scope in [Scope::Complete, Scope::Partition(1)] {
                numbers.push(there.crl(scope, later).await.unwrap().number);
            }
            db.fail_after(1, When::AfterCommit);
            assert!(here.crl(Scope::Partition(2), later).await.is_err());
            db.revive();
            numbers.push(there.crl(Scope::Partition(2), later).await.unwrap().number);
            there.db().close().await;
            db.close().await;
        }
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    })
    .await;
}

// proves: NPC-53
#[tokio::test]
async fn only_changed_lists_are_signed_again() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        let mine = u16::from(*serial.octets().last().unwrap()) & 15;
        let minute = |n| now() + SignedDuration::from_mins(n);
        let numbers = async |at| {
            let mut numbers = Vec::new();
            for n in 0..16 {
                numbers.push(npc.crl(Scope::Partition(n), at).await.unwrap().number);
            }
            numbers
        };
        let before = numbers(now()).await;
        npc.revoke(card(1), RevocationReason::KeyCompromise, "clerk", minute(1)).await.unwrap();
        let after = numbers(minute(2)).await;
        for n in 0..16u16 {
            let changed = after[usize::from(n)] != before[usize::from(n)];
            assert_eq!(changed, n == mine, "partition {n}");
        }
    })
    .await;
}

// proves: NPC-21
#[tokio::test]
async fn a_delta_says_what_changed_since_its_base_and_nobody_needs_it() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        let serial = serial.octets().to_vec();
        let n = u16::from(*serial.last().unwrap()) & 15;
        npc.suspend(card(1), SuspensionCause::Holder, "holder", now()).await.unwrap();
        let minute = |n| now() + SignedDuration::from_mins(n);
        let both = async |at| {
            let full = list(&npc, Scope::Partition(n), at).await;
            let delta = list(&npc, Scope::Delta(n), at).await;
            assert!(delta.is_delta() && !full.is_delta());
            assert_eq!(delta.number(), full.number(), "of the same moment");
            assert_eq!(delta.issuing_distribution_point(), full.issuing_distribution_point());
            assert_eq!(full.freshest(), [format!("http://npc.neweid.test/crl/npc-{n}-delta.crl")]);
            assert!(delta.freshest().is_empty());
            (full, delta)
        };
        let (base, delta) = both(now()).await;
        assert_eq!((entries(&base).len(), entries(&delta).len()), (1, 0));
        assert_eq!(delta.base_number(), base.number());
        // The end of a suspension: the base without it is issued again, and the delta says so too.
        npc.resume(card(1), SuspensionCause::Holder, "holder", minute(1)).await.unwrap();
        let (full, delta) = both(minute(1)).await;
        assert!(entries(&full).is_empty());
        assert_eq!(entries(&delta), [(serial.clone(), Reason::RemoveFromCrl)]);
        assert_eq!(delta.base_number(), base.number());
        npc.revoke(card(1), RevocationReason::KeyCompromise, "clerk", minute(2)).await.unwrap();
        let (full, delta) = both(minute(2)).await;
        assert_eq!(entries(&full), [(serial.clone(), Reason::KeyCompromise)]);
        assert_eq!(entries(&delta), [(serial.clone(), Reason::KeyCompromise)]);
        // Half a day later there is a new base.
        let (full, delta) = both(now() + SignedDuration::from_hours(13)).await;
        assert_eq!((delta.base_number(), entries(&delta).len()), (full.number(), 0));
        // The complete list, which every reader must understand, names no delta.
        assert!(list(&npc, Scope::Complete, minute(3)).await.freshest().is_empty());
    })
    .await;
}

/// Whoever has any list from the base on may add the delta to it (RFC 5280 §5.2.4), and whoever is asked gives the same.
// proves: NPC-21
#[tokio::test]
async fn a_delta_takes_back_what_only_a_list_after_its_base_has_named() {
    each_engine_url(async |url| {
        let db = Db::open(&url, "npc").await.unwrap();
        let here = open(&db).await;
        let there = open(&Db::open(&url, "npc").await.unwrap()).await;
        let minute = |n| now() + SignedDuration::from_mins(n);
        let serial = issued(&here, 1, KeySlot::SigningRsa, 0).await.serial.octets().to_vec();
        let n = Scope::Partition(u16::from(*serial.last().unwrap()) & 15);
        let Scope::Partition(number) = n else { unreachable!() };
        let delta = Scope::Delta(number);
        let base = list(&here, n, now()).await.number();
        here.suspend(card(1), SuspensionCause::Holder, "holder", minute(1)).await.unwrap();
        let held = list(&there, n, minute(1)).await;
        assert_eq!(entries(&held), [(serial.clone(), Reason::CertificateHold)]);
        for npc in [&there, &here] {
            assert_eq!(
                entries(&list(npc, delta, minute(1)).await),
                [(serial.clone(), Reason::CertificateHold)]
            );
        }
        here.resume(card(1), SuspensionCause::Holder, "holder", minute(2)).await.unwrap();
        let full = list(&here, n, minute(2)).await;
        assert!(entries(&full).is_empty());
        let afterwards = open(&Db::open(&url, "npc").await.unwrap()).await;
        for npc in [&here, &there, &afterwards] {
            let delta = list(npc, delta, minute(2)).await;
            assert_eq!((delta.number(), delta.base_number()), (full.number(), base));
            assert_eq!(entries(&delta), [(serial.clone(), Reason::RemoveFromCrl)]);
        }
        // A list that was signed and not stored is nobody's base, though its time has come.
        let half_a_day = now() + SignedDuration::from_hours(13);
        db.fail_after(2, When::BeforeCommit);
        assert_eq!(list(&here, n, half_a_day).await.number(), full.number(), "which still holds");
        db.revive();
        let new_base = list(&there, n, half_a_day).await.number();
        for npc in [&here, &there] {
            let delta = list(npc, delta, half_a_day).await;
            assert_eq!((delta.number(), delta.base_number()), (new_base, new_base));
            assert!(entries(&delta).is_empty());
        }
        let mut kept =
            db.all("SELECT number FROM crl WHERE scope = $1", params![i64::from(number)]).await.unwrap();
        assert_eq!(kept.pop().map(|row| row.read::<i64>(0).unwrap() as u64), new_base);
        assert!(kept.is_empty(), "the base of before has gone with the last list that needed it");
        for db in [there.db(), afterwards.db(), &db] {
            db.close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn every_list_that_was_stored_stands_in_the_audit() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let made = npc.crl(Scope::Complete, now()).await.unwrap();
        let told = async || {
            let entries = audit::events(&db, Some("lists"), 0, 100).await.unwrap();
            let told = entries.iter().flat_map(|entry| {
                let detail: serde_json::Value = serde_json::from_str(&entry.detail).unwrap();
                detail["lists"].as_array().unwrap().clone()
            });
            told.map(|list| (list["list"].as_str().unwrap().to_owned(), list["sha256"].clone()))
                .collect::<Vec<_>>()
        };
        let digest = curve::Hash::Sha256.digest(&made.der);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(told().await, [("npc.crl".to_owned(), digest.into())]);
        // All that are due, together.
        npc.maintain(now()).await.unwrap();
        let told = told().await;
        assert_eq!(told.len(), npc.lists().len(), "{told:?}");
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

/// A clock that was ahead and is put right: lists from the future are replaced, and numbers still ascend.
#[tokio::test]
async fn a_clock_that_goes_back_gives_lists_of_now() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let ahead = npc.crl(Scope::Complete, now() + SignedDuration::from_hours(5)).await.unwrap();
        let right = npc.crl(Scope::Complete, now()).await.unwrap();
        assert!(right.number > ahead.number);
        list(&npc, Scope::Complete, now()).await;
    })
    .await;
}

#[tokio::test]
async fn a_list_killed_at_any_commit_is_made_anew_under_a_higher_number() {
    each_engine_url(async |url| {
        for (n, when) in
            [(1, When::BeforeCommit), (1, When::AfterCommit), (2, When::BeforeCommit), (2, When::AfterCommit)]
        {
            let schema = format!("npc_{n}_{}", u8::from(when == When::AfterCommit));
            let db = Db::open(&url, &schema).await.unwrap();
            let npc = open(&db).await;
            issued(&npc, 1, KeySlot::SigningRsa, 0).await;
            let before = npc.crl(Scope::Complete, now()).await.unwrap();
            npc.revoke(card(1), RevocationReason::Unspecified, "clerk", now()).await.unwrap();
            db.fail_after(n, when);
            assert_eq!(npc.crl(Scope::Complete, now()).await.unwrap_err().code(), "STORE-INJECTED");
            assert!(db.revive());
            let npc = open(&Db::open(&url, &schema).await.unwrap()).await;
            let crl = list(&npc, Scope::Complete, now()).await;
            assert_eq!(entries(&crl).len(), 1);
            assert!(crl.number().unwrap() > before.number);
            let kept = db.one("SELECT count(*) FROM crl WHERE scope = -1", params![]).await.unwrap();
            assert_eq!(kept.read::<i64>(0).unwrap(), 1, "nothing half made is left");
            db.close().await;
            npc.db().close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_change_by_another_process_is_in_the_list_at_once() {
    each_engine_url(async |url| {
        let here = open(&Db::open(&url, "npc").await.unwrap()).await;
        let there = open(&Db::open(&url, "npc").await.unwrap()).await;
        issued(&here, 1, KeySlot::SigningRsa, 0).await;
        assert!(entries(&list(&here, Scope::Complete, now()).await).is_empty());
        there.revoke(card(1), RevocationReason::Unspecified, "clerk", now()).await.unwrap();
        assert_eq!(entries(&list(&here, Scope::Complete, now()).await).len(), 1);
        // And a list that the other has made is taken, not made again.
        let theirs = there.crl(Scope::Partition(3), now()).await.unwrap();
        assert_eq!(here.crl(Scope::Partition(3), now()).await.unwrap().der, theirs.der);
        here.db().close().await;
        there.db().close().await;
    })
    .await;
}

/// RFC 5280 §3.3: an entry stays on one list beyond the certificate's end.
#[tokio::test]
async fn an_entry_leaves_after_one_list_beyond_its_end() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        npc.revoke(card(1), RevocationReason::Unspecified, "clerk", now()).await.unwrap();
        let count =
            async |at: &str| entries(&list(&npc, Scope::Complete, crate::support::at(at)).await).len();
        assert_eq!(count("2031-07-31T00:00:00Z").await, 1);
        assert_eq!(count("2031-08-02T00:00:00Z").await, 1, "the first list after the end");
        assert_eq!(count("2031-08-03T00:00:00Z").await, 0);
    })
    .await;
}

#[tokio::test]
async fn maintenance_keeps_every_list_young() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let later = now() + SignedDuration::from_hours(100);
        npc.maintain(now()).await.unwrap();
        npc.maintain(later).await.unwrap();
        let rows = db
            .all("SELECT scope, number, next_update, der FROM crl ORDER BY scope", params![])
            .await
            .unwrap();
        assert_eq!(rows.len(), 18);
        for row in &rows {
            assert!(row.read::<Timestamp>("next_update").unwrap() > later);
            let root = row.read::<i64>("scope").unwrap() == -2;
            // The root's list of the first round still holds.
            assert_eq!(row.read::<i64>("number").unwrap() > 18, !root);
            Crl::parse(&row.read::<Vec<u8>>("der").unwrap()).unwrap();
        }
    })
    .await;
}

/// Two days of a country that is kept up every few minutes, with turns that are missed: no list and no filter that was published
/// has ended, and whatever is made new has a higher number than everything before.
#[tokio::test]
async fn nothing_published_runs_out_also_when_turns_are_missed() {
    each_engine("npc", async |db| {
        let config = npc::NpcConfig { partitions: 2, ..config() };
        let npc =
            Npc::open(db.clone(), shared_keys(), config, Box::new(curve::SystemRandom), now()).await.unwrap();
        issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let (mut lists, mut filters) = (BTreeMap::new(), 0);
        for minute in (0..48 * 60).step_by(8) {
            // Away for three quarters of an hour, and for a night.
            if (600..645).contains(&minute) || (1500..1980).contains(&minute) {
                continue;
            }
            let at = now() + SignedDuration::from_mins(minute);
            if minute == 640 + 8 {
                // Before anybody comes back: what was published holds.
                for published in npc.published().await.unwrap() {
                    assert!(published.next_update > at, "{}", published.name);
                }
            }
            if minute == 1984 {
                let night = npc.published().await.unwrap();
                assert!(night.iter().all(|one| one.name == "filter" || one.next_update > at));
            }
            if minute % 400 == 0 {
                let cause = SuspensionCause::Holder;
                npc.suspend(card(1), cause, "holder", at).await.unwrap();
                npc.maintain(at).await.unwrap();
                npc.resume(card(1), cause, "holder", at).await.unwrap();
            }
            npc.maintain(at).await.unwrap();
            let highest = lists.values().copied().max().unwrap_or(0);
            for published in npc.published().await.unwrap() {
                let left = published.next_update.duration_since(at);
                if published.name == "filter" {
                    assert!(left >= SignedDuration::from_mins(45), "{left:?} of the filter");
                    assert!(published.number >= filters);
                    filters = published.number;
                    continue;
                }
                assert!(left > SignedDuration::from_hours(12), "{left:?} of {}", published.name);
                let before = lists.insert(published.name.clone(), published.number);
                let same = before == Some(published.number);
                assert!(same || published.number > highest, "{} {before:?}", published.name);
            }
        }
        assert_eq!(lists.len(), 4, "root, complete, two partitions");
        // A filter for every quarter of an hour in which there was a turn, and lists twice a day.
        assert!(filters > 100 && *lists.values().max().unwrap() > 16, "{filters} {lists:?}");
    })
    .await;
}

/// What cannot be done does not keep the lists from being renewed.
#[tokio::test]
async fn one_step_that_fails_does_not_stop_the_maintenance() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        npc.maintain(now()).await.unwrap();
        let sql = "INSERT INTO incident (number, what, concerned, proposed_by, proposed_at, approved_by, after, looked_at, \
            changed, published) VALUES (7, 'no incident', 0, 'anna', 0, 'bert', $1, 0, 0, FALSE)";
        let nothing: &[u8] = &[];
        db.execute(sql, params![nothing]).await.unwrap();
        let later = now() + SignedDuration::from_hours(13);
        assert_eq!(npc.maintain(later).await.unwrap_err().code(), "NPC-INCONSISTENT");
        for published in npc.published().await.unwrap() {
            let made = published.this_update;
            assert!(published.name == "npc-root.crl" || made.as_second() == later.as_second(), "{published:?}");
        }
    })
    .await;
}

/// Two processes make the same list at the same time: whoever is overtaken by a later number hands out the later one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_list_that_another_process_has_overtaken_is_nobodys_error() {
    each_engine("npc", async |db| {
        let (one, other) = (open(&db).await, open(&db).await);
        for number in 1..=6 {
            issued(&one, number, KeySlot::SigningEc, 0).await;
            one.revoke(card(number), RevocationReason::Superseded, "clerk", now()).await.unwrap();
            // Not what young lists are spared: every change is to be in the next.
            let at = now() + SignedDuration::from_hours(i64::from(number));
            let (first, second) = tokio::join!(one.crl(Scope::Complete, at), other.crl(Scope::Complete, at));
            for list in [first.unwrap(), second.unwrap()] {
                let parsed = Crl::parse(&list.der).unwrap();
                assert_eq!((parsed.number(), parsed.entries().count()), (Some(list.number), number as usize));
            }
            let (first, second) = tokio::join!(one.maintain(at), other.maintain(at));
            first.unwrap();
            second.unwrap();
        }
    })
    .await;
}
