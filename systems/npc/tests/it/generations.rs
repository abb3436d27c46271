//! The lists of several generations of the CA, which have one name.

use std::sync::{Arc, Mutex};

use curve::{Curve, Random, SystemRandom};
use jiff::{SignedDuration, Timestamp};
use keys::KeyKind;
use model::{KeySlot, RevocationReason, SuspensionCause};
use npc::{CertificateAuthority, List, Npc, Plan, Provisions, Scope};
use store::params;
use store::testkit::each_engine;
use x509::crl::{Crl, Reason};
use x509::ocsp::{BasicResponse, CertId, IssuerHashes, build_request};

use crate::ceremonies::{HANDS, open_at, quick, run};
use crate::support::*;

fn complete(generation: u32) -> List {
    List { generation, scope: Scope::Complete }
}

async fn entries(npc: &Npc, list: List, at: Timestamp) -> Vec<(Vec<u8>, Reason)> {
    let crl = Crl::parse(&npc.list(list, at).await.unwrap().der).unwrap();
    let authority = npc.ca_certificates().generations.into_iter().find(|(n, _)| *n == list.generation);
    crl.verify_signature(authority.unwrap().1.spki()).unwrap();
    let entries = crl.entries().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.serial.to_vec(), entry.reason)).collect()
}

async fn next_generation(npc: &Npc) {
    run(npc, Plan::Generation { key: KeyKind::Ec(Curve::P384), partitions: None }).await;
}

/// One name has issued them all: the complete list of any generation has what is revoked and suspended in every one, and
/// partitions and deltas have that of their own.
// proves: NPC-21, NPC-53
#[tokio::test]
async fn the_complete_list_of_every_generation_has_the_listed_of_all() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let npc = open_at(&db, directory.path()).await;
        let other = open_at(&db, directory.path()).await;
        let mut serials = Vec::new();
        for number in 1..=3u32 {
            if number > 1 {
                next_generation(&npc).await;
            }
            for n in 0..2 {
                let made = issued(&npc, number * 2 + n, KeySlot::SigningRsa, (number * 2 + n - 2) as usize);
                serials.push(made.await.serial.octets().to_vec());
            }
        }
        // The first of each generation is revoked, the second suspended; each by another process.
        let mut expected = Vec::new();
        for (n, serial) in serials.iter().enumerate() {
            let who = if n % 3 == 0 { &other } else { &npc };
            if n % 2 == 0 {
                let reason = RevocationReason::KeyCompromise;
                who.revoke(card(n as u32 + 2), reason, "clerk", now()).await.unwrap();
                expected.push((serial.clone(), Reason::KeyCompromise));
            } else {
                who.suspend(card(n as u32 + 2), SuspensionCause::Loss, "hotline", now()).await.unwrap();
                expected.push((serial.clone(), Reason::CertificateHold));
            }
            // At once, in the lists of the others too.
            let mut sorted = expected.clone();
            sorted.sort();
            for generation in 1..=3 {
                assert_eq!(entries(&npc, complete(generation), now()).await, sorted, "{generation}");
                assert_eq!(entries(&other, complete(generation), now()).await, sorted, "{generation}");
            }
        }
        for generation in 1..=3u32 {
            let own = (generation as usize - 1) * 2;
            let (mut found, mut expected) = (Vec::new(), expected[own..own + 2].to_vec());
            for n in 0..4 {
                found.extend(entries(&npc, List { generation, scope: Scope::Partition(n) }, now()).await);
                // A base of the same moment: nothing has changed since.
                let delta = List { generation, scope: Scope::Delta(n) };
                assert!(npc.list(delta, now()).await.is_ok());
            }
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "partitions of {generation}");
        }
        // The end of a suspension in one generation makes the lists of all due, each under a higher number, and no partition
        // of another generation.
        let mut before = Vec::new();
        for generation in 1..=3 {
            before.push(npc.list(complete(generation), now()).await.unwrap().number);
        }
        let of_others = List { generation: 3, scope: Scope::Partition(0) };
        let partition = npc.list(of_others, now()).await.unwrap().number;
        npc.resume(card(3), SuspensionCause::Loss, "hotline", now()).await.unwrap();
        npc.maintain(now()).await.unwrap();
        let mut last = *before.iter().max().unwrap();
        for generation in 1..=3 {
            let made = npc.list(complete(generation), now()).await.unwrap();
            assert!(made.number > last, "generation {generation}");
            last = made.number;
            let listed = entries(&npc, complete(generation), now()).await;
            assert_eq!(listed.len(), expected.len() - 1);
            assert!(listed.iter().all(|(serial, _)| *serial != serials[1]));
        }
        assert_eq!(npc.list(of_others, now()).await.unwrap().number, partition, "nothing changed there");
        // A run later the same, and what is published is still right.
        let again = open_at(&db, directory.path()).await;
        assert_eq!(again.list(complete(3), now()).await.unwrap().number, last);
        again.verify_audit(None).await.unwrap();
    })
    .await;
}

/// RFC 5280 §3.3, where several lists have one entry: it leaves them once each of them had it beyond the certificate's end.
#[tokio::test]
async fn an_entry_leaves_when_every_complete_list_had_it_beyond_its_end() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let npc = open_at(&db, directory.path()).await;
        let first = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        npc.revoke(card(1), RevocationReason::Unspecified, "clerk", now()).await.unwrap();
        next_generation(&npc).await;
        let end = first.validity.not_after;
        let count = async |generation, hours: i64| {
            entries(&npc, complete(generation), end + SignedDuration::from_hours(hours)).await.len()
        };
        assert_eq!((count(1, -1).await, count(2, -1).await), (1, 1));
        // Two lists of the first generation beyond the end, and none of the second yet.
        assert_eq!((count(1, 12).await, count(1, 25).await), (1, 1));
        assert_eq!(count(2, 26).await, 1, "its first beyond the end");
        assert_eq!((count(1, 39).await, count(2, 39).await), (0, 0));
    })
    .await;
}

/// Randomness that draws one serial number again and again while it is told to.
struct Stuck(Arc<Mutex<bool>>);

impl Random for Stuck {
    fn fill(&mut self, out: &mut [u8]) {
        SystemRandom.fill(out);
        if out.len() == 16 && *self.0.lock().unwrap() {
            out.fill(0x42);
        }
    }
}

/// RFC 5280 §4.1.2.2: name and serial number name one certificate, and all generations have one name. So a number that one of them
/// has given out is drawn by none again; and where two processes have drawn the same, the table takes it once.
#[tokio::test]
async fn no_two_generations_give_out_one_serial_number() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let stuck = Arc::new(Mutex::new(false));
        let open = async || {
            let random = Box::new(Stuck(stuck.clone()));
            Npc::open(db.clone(), key_store(directory.path()), quick(), random, now()).await.unwrap()
        };
        let issue = async |npc: &Npc, number: u32| {
            let request = request(npc, number, KeySlot::SigningRsa, number as usize).await;
            *stuck.lock().unwrap() = true;
            let issued = npc.issue(&request, now()).await;
            *stuck.lock().unwrap() = false;
            issued
        };
        let (here, there) = (open().await, open().await);
        assert_eq!(issue(&here, 1).await.unwrap().serial.octets(), [0x42; 16]);
        next_generation(&here).await;
        assert_eq!(here.issuing_generation(), 2);
        // It knows the number, and goes on drawing as long as one may.
        assert_eq!(issue(&here, 2).await.err().unwrap().code(), "NPC-NO-SERIAL");
        // It has not heard of it.
        assert_eq!(issue(&there, 2).await.err().unwrap().code(), "STORE-UNIQUE");
        assert_eq!(there.issuing_generation(), 2);
        let row =
            db.one("SELECT COUNT(*), MIN(issuer), MAX(issuer) FROM certificate", params![]).await.unwrap();
        let read = |n: usize| row.read::<i64>(n).unwrap();
        assert_eq!((read(0), read(1), read(2)), (1, 1, 1), "nothing was stored");
        // The next draw is another number.
        let request = request(&there, 2, KeySlot::SigningRsa, 2).await;
        assert_ne!(there.issue(&request, now()).await.unwrap().serial.octets(), [0x42; 16]);
    })
    .await;
}

/// Lists that an earlier version made have their own generation alone: they are made anew at once, not when their time is half over.
#[tokio::test]
async fn complete_lists_of_an_earlier_version_are_made_anew() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let npc = open_at(&db, directory.path()).await;
        issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        next_generation(&npc).await;
        npc.revoke(card(1), RevocationReason::Unspecified, "clerk", now()).await.unwrap();
        let lists = [complete(1), complete(2), List { generation: 2, scope: Scope::Partition(1) }];
        let numbers = async |npc: &Npc| {
            let mut numbers = Vec::new();
            for list in lists {
                numbers.push(npc.list(list, now()).await.unwrap().number);
            }
            numbers
        };
        let before = numbers(&npc).await;
        assert_eq!(numbers(&open_at(&db, directory.path()).await).await, before, "a restart makes none");
        db.execute("DELETE FROM store_migration WHERE version = 18", params![]).await.unwrap();
        let after = numbers(&open_at(&db, directory.path()).await).await;
        let anew: Vec<bool> = before.iter().zip(&after).map(|(before, after)| after > before).collect();
        assert_eq!(anew, [true, true, false]);
    })
    .await;
}

/// The last certificate of a generation ends on the last day of its CA, which is not the end of the others: in those days one
/// responder serves to the end, and an hour after it nothing of the generation keeps a process from opening or from going on.
#[tokio::test]
async fn a_generation_that_ends_with_its_ca_takes_no_other_with_it() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let first = open_at(&db, directory.path()).await;
        let serial = issued(&first, 1, KeySlot::SigningRsa, 0).await.serial;
        let ca = first.ca_certificate();
        let end = ca.validity().not_after();
        let years_later = now() + SignedDuration::from_hours(5 * 8766);
        let plan = Plan::Generation { key: KeyKind::Ec(Curve::P384), partitions: None };
        let number = first.propose_ceremony(plan, "chief", years_later).await.unwrap().number;
        first.approve_ceremony(number, "deputy", years_later).await.unwrap();
        let step = async || first.ceremony_step(number, HANDS, Provisions::default(), years_later).await;
        while step().await.unwrap().finished_at.is_none() {}
        assert!(first.ca_certificate().validity().not_after() > end);
        let last = params![end - SignedDuration::from_hours(1)];
        db.execute("UPDATE generation SET last_end = $1 WHERE number = 1", last).await.unwrap();

        let keys = key_store(directory.path());
        let open = async |at| Npc::open(db.clone(), keys.clone(), quick(), Box::new(SystemRandom), at).await;
        let day = end - SignedDuration::from_hours(24);
        let npc = open(day).await.unwrap();
        let services = async || {
            let sql = "SELECT COUNT(*) FROM authority WHERE profile = 'ocsp-responder' AND issuer = 1";
            db.one(sql, params![]).await.unwrap().read::<i64>(0).unwrap()
        };
        let generations =
            |npc: &Npc| npc.ca_certificates().generations.iter().map(|(n, _)| *n).collect::<Vec<_>>();
        let before = (services().await, npc.ca_certificates());
        assert_eq!(generations(&npc), [1, 2]);
        for minute in 0..3 {
            npc.maintain(day + SignedDuration::from_mins(minute)).await.unwrap();
        }
        assert!((services().await, npc.ca_certificates()) == before, "one serves to the end");
        // The last answer lasts as long as its signer.
        let id = CertId::new(&IssuerHashes::new(&ca).unwrap(), curve::Hash::Sha256, &serial).unwrap();
        let question = build_request(&[id], None);
        let late = end - SignedDuration::from_mins(10);
        let answer = BasicResponse::parse(&npc.ocsp(&question, late).await).unwrap();
        answer.verify(&ca, late).unwrap();
        assert_eq!(answer.answers[0].next_update, Some(end));

        let after = end + SignedDuration::from_hours(1);
        assert!(
            BasicResponse::parse(&npc.ocsp(&question, after).await).is_err(),
            "nobody is left to sign it"
        );
        npc.maintain(after).await.unwrap();
        let opened = open(after).await.unwrap();
        for npc in [&npc, &opened] {
            assert_eq!(generations(npc), [2]);
            npc.list(complete(2), after).await.unwrap();
            npc.maintain(after + SignedDuration::from_mins(1)).await.unwrap();
        }
        let person = [7; 32];
        assert!(opened.holder_number(&person, after).await.is_ok());
        assert!(opened.certificates_known() > 0, "the second generation's own");
        opened.verify_audit(None).await.unwrap();
    })
    .await;
}

/// A CMP message of nobody's, which is answered with a signed refusal.
fn question_over_cmp() -> Vec<u8> {
    let nobody = tlv::encode(0xA4, &tlv::sequence(&[]));
    let header = tlv::sequence(&[&[2, 1, 2], &nobody, &nobody]);
    // genm [21] without anything asked.
    tlv::sequence(&[&header, &tlv::encode(0xB5, &tlv::sequence(&[]))])
}

/// The CA that issues has ended, and nobody has made the next one in time: what it published is served, another generation tells
/// status as before, nothing is issued, and the ceremony that should have been held can be held.
#[tokio::test]
async fn an_issuing_ca_that_has_ended_opens_and_issues_nothing() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let first = open_at(&db, directory.path()).await;
        let made = issued(&first, 1, KeySlot::SigningRsa, 0).await;
        first.revoke(card(1), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        let ca = first.ca_certificate();
        let end = ca.validity().not_after();
        first.maintain(end - SignedDuration::from_mins(10)).await.unwrap();
        let after = end + SignedDuration::from_hours(1);
        let day = model::RocDate::in_taipei(after);
        let wanted = npc::IssueRequest {
            issue_date: day,
            renewal_date: Some(day.plus_years(10)),
            ..request(&first, 2, KeySlot::SigningEc, 1).await
        };
        let wanted = npc::IssueRequest { slot: KeySlot::SigningRsa, csr: csr_of(&rsa(1)), ..wanted };
        // A process that goes on, and one that begins.
        let keys = key_store(directory.path());
        let open = async || Npc::open(db.clone(), keys.clone(), quick(), Box::new(SystemRandom), after).await;
        let documents = async || {
            let sql = "SELECT COUNT(*), MAX(number) FROM status_document";
            let row = db.one(sql, params![]).await.unwrap();
            (row.read::<i64>(0).unwrap(), row.read::<i64>(1).unwrap())
        };
        first.publish_cards(&[], end - SignedDuration::from_mins(10)).await.unwrap();
        assert!(first.cmp(&question_over_cmp(), end).await.unwrap().is_some());
        let published = documents().await;
        first.maintain(after).await.unwrap();
        let opened = open().await.unwrap();
        for npc in [&first, &opened] {
            npc.maintain(after + SignedDuration::from_mins(1)).await.unwrap();
            assert_eq!(npc.ca_certificate(), ca);
            let refused = npc.issue(&wanted, after).await.err().unwrap();
            assert_eq!((refused.code(), refused.is_refusal()), ("NPC-CA-ENDED", false));
            let list = npc.list(complete(1), after).await.unwrap();
            Crl::parse(&list.der).unwrap().verify_signature(ca.spki()).unwrap();
            let state = npc.status(&made.serial, after).await.unwrap().unwrap();
            assert_eq!(state.as_str(), "revoked");
            let id =
                CertId::new(&IssuerHashes::new(&ca).unwrap(), curve::Hash::Sha256, &made.serial).unwrap();
            let question = build_request(&[id], None);
            assert_eq!(
                npc.ocsp(&question, after).await,
                [0x30, 3, 0x0A, 1, 3],
                "tryLater: who would sign it has ended"
            );
            // So has who would sign these.
            let later = after + SignedDuration::from_hours(48);
            assert_eq!(npc.cmp(&question_over_cmp(), after).await.unwrap_err().code(), "NPC-CA-ENDED");
            assert_eq!(npc.filter(later).await.unwrap_err().code(), "NPC-CA-ENDED");
            assert_eq!(npc.publish_now("chief", after).await.unwrap_err().code(), "NPC-CA-ENDED");
            assert_eq!(npc.publish_cards(&[], later).await.unwrap_err().code(), "NPC-CA-ENDED");
            assert!(npc.has_ended(after) && !npc.has_ended(end));
        }
        assert_eq!(documents().await, published, "nothing is published any more");
        let sql = "SELECT COUNT(*) FROM authority";
        let certificates = async || db.one(sql, params![]).await.unwrap().read::<i64>(0).unwrap();
        let before = certificates().await;
        open().await.unwrap();
        assert_eq!(certificates().await, before, "nothing is certified by what has ended");

        let plan = Plan::Generation { key: KeyKind::Ec(Curve::P384), partitions: None };
        let number = opened.propose_ceremony(plan, "chief", after).await.unwrap().number;
        opened.approve_ceremony(number, "deputy", after).await.unwrap();
        let step = async || opened.ceremony_step(number, HANDS, Provisions::default(), after).await;
        while step().await.unwrap().finished_at.is_none() {}
        let again = opened.issue(&wanted, after).await.unwrap();
        assert!(again.validity.not_after > after);
        opened.maintain(after + SignedDuration::from_mins(2)).await.unwrap();
        opened.publish_now("chief", after).await.unwrap();
        opened.publish_cards(&[], after).await.unwrap();
        assert!(opened.cmp(&question_over_cmp(), after).await.unwrap().is_some());
        assert_eq!(
            open().await.unwrap().ca_certificates().generations.len(),
            1,
            "the ended one is left behind"
        );
        opened.verify_audit(None).await.unwrap();
    })
    .await;
}
