//! Generations, roots, links and cross certificates, made by ceremonies.

use curve::{Curve, Hash, SystemRandom};
use jiff::SignedDuration;
use keys::KeyKind;
use model::{KeySlot, RevocationReason};
use npc::{Ceremony, CertificateAuthority, Hands, List, Npc, NpcConfig, Plan, Provisions, Scope};
use status::filter::{Filter, State};
use store::testkit::{each_engine, each_engine_url};
use store::{Db, When};
use x509::certificate::issue;
use x509::certificate::profiles::{self, Issuer, NpcCross, NpcIntermediate, NpcRoot};
use x509::crl::{Crl, Reason};
use x509::ocsp::{self, CertificateStatus};
use x509::{Certificate, Name, Serial, Signer, Validity};

use crate::openssl::Judge;
use crate::support::*;

pub(crate) const HANDS: Hands<'_> = Hands { operator: "chief", witness: "auditor" };

/// Quick keys.
pub(crate) fn quick() -> NpcConfig {
    let key = KeyKind::Ec(Curve::P384);
    NpcConfig { root_key: key, ca_key: key, partitions: 4, ..config() }
}

pub(crate) async fn open_at(db: &Db, directory: &std::path::Path) -> Npc {
    Npc::open(db.clone(), key_store(directory), quick(), Box::new(SystemRandom), now()).await.unwrap()
}

async fn approved(npc: &Npc, plan: Plan) -> u64 {
    let number = npc.propose_ceremony(plan, "chief", now()).await.unwrap().number;
    npc.approve_ceremony(number, "deputy", now()).await.unwrap();
    number
}

pub(crate) async fn run(npc: &Npc, plan: Plan) -> Ceremony {
    let number = approved(npc, plan).await;
    carry_out(npc, number).await
}

async fn carry_out(npc: &Npc, number: u64) -> Ceremony {
    loop {
        // A clock finer than the database.
        let at = now() + SignedDuration::from_nanos(77);
        let ceremony = npc.ceremony_step(number, HANDS, Provisions::default(), at).await.unwrap();
        if ceremony.finished_at.is_some() {
            for finding in npc.verify_ceremony(number, now()).await.unwrap() {
                assert!(finding.right, "{finding:?}");
            }
            return ceremony;
        }
    }
}

fn published(npc: &Npc, name: &str) -> Certificate {
    let all = npc.ca_certificates().published;
    all.into_iter().find(|(label, _)| label == name).unwrap_or_else(|| panic!("no {name}")).1
}

async fn crl_pem(npc: &Npc, generation: u32, scope: Scope) -> String {
    let list = npc.list(List { generation, scope }, now()).await.unwrap();
    x509::pem::encode("X509 CRL", &list.der)
}

const AT: &str = "1785898800"; // now()

// proves: NPC-21
#[tokio::test]
async fn each_generation_has_its_own_lists_responder_and_filter_and_one_issues() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let npc = open_at(&db, directory.path()).await;
        // Another process that serves meanwhile.
        let other = open_at(&db, directory.path()).await;
        let mut all = vec![(1, issued(&npc, 1, KeySlot::SigningRsa, 0).await)];
        all.push((1, issued(&npc, 2, KeySlot::SigningRsa, 1).await));
        for (generation, kind) in [(2, KeyKind::Ec(Curve::P521)), (3, KeyKind::Rsa(2048))] {
            run(&npc, Plan::Generation { key: kind, partitions: Some(2) }).await;
            assert_eq!(npc.issuing_generation(), generation);
            let number = generation * 2 + 1;
            // The other process issues next, and follows.
            all.push((generation, issued(&other, number, KeySlot::SigningRsa, number as usize - 1).await));
            assert_eq!(other.issuing_generation(), generation);
            all.push((generation, issued(&npc, number + 1, KeySlot::SigningRsa, number as usize).await));
        }
        let cas: Vec<Certificate> = npc.ca_certificates().generations.into_iter().map(|(_, ca)| ca).collect();
        assert_eq!(cas.len(), 3);
        for ca in &cas[1..] {
            assert_eq!(ca.subject(), cas[0].subject(), "one name");
            assert_ne!(ca.subject_key_identifier(), cas[0].subject_key_identifier());
        }
        // Every second one is revoked.
        for (_, certificate) in all.iter().skip(1).step_by(2) {
            npc.revoke(certificate.card, RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        }
        let filter = npc.filter(now()).await.unwrap();
        let content = x509::cms::SignedData::parse(&filter.der).unwrap();
        let filter = Filter::read(content.content().unwrap()).unwrap();
        let judge = Judge::new();
        judge.file("root.pem", npc.ca_certificates().root.to_pem());
        let mut together: String = cas.iter().map(Certificate::to_pem).collect();
        judge.file("cas.pem", &together);
        together.clear();
        for generation in 1..=3 {
            together.push_str(&crl_pem(&npc, generation, Scope::Complete).await);
        }
        together.push_str(&crl_pem(&npc, 1, Scope::Root).await);
        judge.file("complete.pem", &together);
        for (place, (generation, issued)) in all.iter().enumerate() {
            let certificate = Certificate::parse(&issued.der).unwrap();
            let ca = &cas[*generation as usize - 1];
            assert_eq!(certificate.authority_key_identifier(), ca.subject_key_identifier());
            certificate.verify_signature(ca.spki()).unwrap();
            let partitions = if *generation == 1 { 4 } else { 2 };
            let partition = u16::from(*issued.serial.octets().last().unwrap()) & (partitions - 1);
            let list = List { generation: *generation, scope: Scope::Partition(partition) };
            let points = certificate.crl_distribution_points();
            assert!(points[0].ends_with(&list.file()), "{points:?}");
            let revoked = place % 2 == 1;
            // Its own partition has it, and of other generations the complete list alone: one name has issued them all.
            for of in 1..=3 {
                let of_all = if of == 1 { 4 } else { 2 };
                let partition = u16::from(*issued.serial.octets().last().unwrap()) & (of_all - 1);
                for (scope, right) in
                    [(Scope::Complete, revoked), (Scope::Partition(partition), revoked && of == *generation)]
                {
                    let list = npc.list(List { generation: of, scope }, now()).await.unwrap();
                    let list = Crl::parse(&list.der).unwrap();
                    list.verify_signature(cas[of as usize - 1].spki()).unwrap();
                    let mut entries = list.entries().map(Result::unwrap);
                    let listed = entries.any(|e| e.serial == certificate.serial_octets());
                    assert_eq!(listed, right, "{of} {scope:?}");
                }
            }
            // OCSP chooses by the issuer's key, with either hash; a serial number under another key is unknown.
            for hash in [Hash::Sha1, Hash::Sha256] {
                for (asked, ca) in (1..).zip(&cas) {
                    let issuer = ocsp::IssuerHashes::new(ca).unwrap();
                    let id = ocsp::CertId::new(&issuer, hash, &issued.serial).unwrap();
                    let answer = other.ocsp(&ocsp::build_request(&[id], None), now()).await;
                    let answer = ocsp::BasicResponse::parse(&answer).unwrap();
                    answer.verify(ca, now()).unwrap();
                    let status = &answer.answers[0].status;
                    let right = match status {
                        CertificateStatus::Good => asked == *generation && !revoked,
                        CertificateStatus::Revoked { .. } => asked == *generation && revoked,
                        CertificateStatus::Unknown => asked != *generation,
                    };
                    assert!(right, "{place} asked of {asked}: {status:?}");
                }
            }
            let state = filter.state(ca, &issued.serial);
            assert_eq!(state, Some(if revoked { State::Revoked } else { State::Good }));
            // OpenSSL has three CAs and three lists of one name before it, and finds the right ones.
            let file = judge.file(&format!("{place}.pem"), certificate.to_pem());
            let arguments = ["verify", "-x509_strict", "-attime", AT, "-CAfile", "root.pem", "-untrusted"];
            let arguments =
                [&arguments[..], &["cas.pem", "-crl_check_all", "-CRLfile", "complete.pem", &file]].concat();
            if revoked {
                judge.refuses(&arguments, "certificate revoked").await;
            } else {
                judge.accepts(&arguments).await;
            }
        }
        // A run later everything is as it was.
        let again = open_at(&db, directory.path()).await;
        assert_eq!(again.ca_certificates(), npc.ca_certificates());
        again.maintain(now()).await.unwrap();
        again.verify_audit(None).await.unwrap();
    })
    .await;
}

/// Lists and answers of a generation end with its last certificate, and not before.
#[tokio::test]
async fn a_generation_tells_status_until_its_last_certificate_has_ended() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let npc = open_at(&db, directory.path()).await;
        let first = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        npc.revoke(card(1), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        run(&npc, Plan::Generation { key: KeyKind::Ec(Curve::P384), partitions: None }).await;
        let end = first.validity.not_after;
        let generations = |npc: &Npc| -> Vec<u32> {
            npc.ca_certificates().generations.into_iter().map(|(number, _)| number).collect()
        };
        let open = async |at| {
            Npc::open(db.clone(), key_store(directory.path()), quick(), Box::new(SystemRandom), at)
                .await
                .unwrap()
        };
        let before = open(end - SignedDuration::from_hours(1)).await;
        assert_eq!(generations(&before), [1, 2]);
        let destroy = || Plan::KeyDestruction { label: "npc-ca".into() };
        let error = before.propose_ceremony(destroy(), "chief", end).await.unwrap_err();
        assert_eq!(error.code(), "NPC-CEREMONY");
        let late = end + SignedDuration::from_hours(72);
        let after = open(late).await;
        assert_eq!(generations(&after), [2]);
        after.maintain(late).await.unwrap();
        let list = after.list(List { generation: 1, scope: Scope::Complete }, late).await;
        assert!(list.is_err());
        // Now its key may go, and its certificate stays to be read.
        let number = after.propose_ceremony(destroy(), "chief", late).await.unwrap().number;
        after.approve_ceremony(number, "deputy", late).await.unwrap();
        for _ in 0..2 {
            after.ceremony_step(number, HANDS, Provisions::default(), late).await.unwrap();
        }
        assert!(after.verify_ceremony(number, late).await.unwrap().iter().all(|finding| finding.right));
        let labels: Vec<_> =
            key_store(directory.path()).list().unwrap().into_iter().map(|k| k.label).collect();
        assert!(!labels.contains(&"npc-ca".to_owned()) && labels.contains(&"npc-ca-g2".to_owned()));
        published(&after, "npc-ca");
        assert_eq!(generations(&open(late).await), [2], "opens without the key");
    })
    .await;
}

// proves: SECURITY-08, SECURITY-35
#[tokio::test]
async fn two_persons_decide_and_two_carry_out() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let npc = open_at(&db, directory.path()).await;
        let plan = || Plan::Generation { key: KeyKind::Ec(Curve::P384), partitions: None };
        let number = npc.propose_ceremony(plan(), "chief", now()).await.unwrap().number;
        let step = async |operator: &str, witness: &str| {
            let hands = Hands { operator, witness };
            npc.ceremony_step(number, hands, Provisions::default(), now()).await.map_err(|e| e.code())
        };
        assert_eq!(step("chief", "auditor").await, Err("NPC-CEREMONY"), "nobody has approved");
        let code = async |operator: &str, at| {
            npc.approve_ceremony(number, operator, at).await.map(|_| ()).map_err(|e| e.code())
        };
        assert_eq!(code("chief", now()).await, Err("NPC-SAME-PERSON"));
        assert_eq!(
            code("deputy", now() + SignedDuration::from_hours(24 * 8)).await,
            Err("NPC-CEREMONY"),
            "lapsed"
        );
        assert_eq!(code("not a name", now()).await, Err("NPC-REQUEST"));
        let stale = npc.propose_ceremony(plan(), "chief", now()).await.unwrap().number;
        code("deputy", now()).await.unwrap();
        assert_eq!(code("deputy", now()).await, Ok(()), "again");
        assert_eq!(code("third", now()).await, Err("NPC-CEREMONY"));
        let second = npc.approve_ceremony(stale, "deputy", now()).await.unwrap_err();
        assert!(second.to_string().contains("another ceremony is under way"));
        assert_eq!(step("deputy", "deputy").await, Err("NPC-SAME-PERSON"));
        assert_eq!(step("clerk", "auditor").await, Err("NPC-CEREMONY"), "strangers");
        assert_eq!(npc.verify_ceremony(number, now()).await.unwrap_err().code(), "NPC-CEREMONY");
        step("clerk", "deputy").await.unwrap();
        carry_out(&npc, number).await;
        // What was approved for generation 2 does nothing to generation 3.
        let late = npc.approve_ceremony(stale, "deputy", now()).await.unwrap_err();
        assert!(late.to_string().contains("the hierarchy has changed"));
        // Given up by two, one of whom decided, who say why.
        let left = approved(&npc, plan()).await;
        npc.ceremony_step(left, HANDS, Provisions::default(), now()).await.unwrap();
        for (operator, witness, because, code) in [
            ("chief", "chief", "wrong kind of key", "NPC-SAME-PERSON"),
            ("clerk", "auditor", "wrong kind of key", "NPC-CEREMONY"),
            ("chief", "auditor", " ", "NPC-REQUEST"),
        ] {
            let hands = Hands { operator, witness };
            let error = npc.abandon_ceremony(left, hands, because, now()).await.unwrap_err();
            assert_eq!(error.code(), code);
        }
        npc.abandon_ceremony(left, HANDS, "wrong kind of key", now()).await.unwrap();
        assert_eq!(npc.issuing_generation(), 2);
        let step = npc.ceremony_step(left, HANDS, Provisions::default(), now()).await;
        assert!(step.unwrap_err().to_string().contains("it was given up"));
        // A record that somebody with access to the database has touched does not verify.
        let record = npc.ceremony_record(number, now()).await.unwrap();
        let forged = record.document.replace("auditor", "nobody");
        assert_ne!(forged, record.document);
        let sql = "UPDATE ceremony SET record = $2 WHERE number = $1";
        db.execute(sql, store::params![number as i64, &forged]).await.unwrap();
        let findings = npc.verify_ceremony(number, now()).await.unwrap();
        let wrong: Vec<_> = findings.iter().filter(|finding| !finding.right).map(|f| f.what.1).collect();
        assert_eq!(
            wrong,
            ["the record tells the steps", "the audit log says the same", "the time stamp holds"]
        );
        // OpenSSL reads the time stamp over the record as it was.
        let judge = Judge::new();
        judge.file("record.json", &record.document);
        judge.file("record.tsr", &record.time_stamp);
        judge.file("root.pem", npc.ca_certificates().root.to_pem());
        let cas: String = npc.ca_certificates().generations.iter().map(|(_, ca)| ca.to_pem()).collect();
        judge.file("cas.pem", cas);
        let arguments = ["ts", "-verify", "-in", "record.tsr", "-data", "record.json", "-attime", AT];
        judge.accepts(&[&arguments[..], &["-CAfile", "root.pem", "-untrusted", "cas.pem"]].concat()).await;
    })
    .await;
}

#[tokio::test]
async fn a_ceremony_killed_at_any_commit_goes_on_where_it_was() {
    each_engine_url(async |url| {
        let directory = tempfile::tempdir().unwrap();
        let mut commits = 0;
        loop {
            commits += 1;
            let schema = format!("npc_{commits}");
            let db = Db::open(&url, &schema).await.unwrap();
            let npc = open_at(&db, directory.path()).await;
            let number =
                approved(&npc, Plan::Generation { key: KeyKind::Ec(Curve::P384), partitions: None }).await;
            let when = if commits % 2 == 0 { When::BeforeCommit } else { When::AfterCommit };
            db.fail_after(commits, when);
            let mut killed = false;
            for _ in 0..6 {
                killed |= npc.ceremony_step(number, HANDS, Provisions::default(), now()).await.is_err();
                if killed {
                    break;
                }
            }
            let died = db.revive();
            let db = Db::open(&url, &schema).await.unwrap();
            let npc = open_at(&db, directory.path()).await;
            let ceremony = npc.ceremony(number).await.unwrap();
            let ceremony =
                if ceremony.finished_at.is_none() { carry_out(&npc, number).await } else { ceremony };
            assert_eq!(ceremony.done.len(), 6);
            assert_eq!(npc.issuing_generation(), 2);
            issued(&npc, 1, KeySlot::SigningRsa, 0).await;
            npc.verify_audit(None).await.unwrap();
            db.close().await;
            if !died && !killed {
                break;
            }
        }
        assert!(commits > 12, "six steps with their effects: {commits}");
    })
    .await;
}

fn labels_of(keys: &std::path::Path) -> Vec<String> {
    key_store(keys).list().unwrap().into_iter().map(|key| key.label).collect()
}

async fn steps(npc: &Npc, plan: Plan, count: usize) -> u64 {
    let number = approved(npc, plan).await;
    for _ in 0..count {
        npc.ceremony_step(number, HANDS, Provisions::default(), now()).await.unwrap();
    }
    number
}

async fn given_up(npc: &Npc, number: u64) -> Ceremony {
    let done = npc.abandon_ceremony(number, HANDS, "the check fails", now()).await.unwrap();
    assert!(done.is_abandoned());
    for finding in npc.verify_ceremony(number, now()).await.unwrap() {
        assert!(finding.right, "{finding:?}");
    }
    done
}

async fn root_lists(npc: &Npc, certificate: &Certificate) -> bool {
    let list = npc.list(List { generation: 1, scope: Scope::Root }, now()).await.unwrap();
    let list = Crl::parse(&list.der).unwrap();
    list.verify_signature(published(npc, "npc-root").spki()).unwrap();
    list.find(certificate.serial_octets()).is_some_and(|entry| entry.reason == Reason::CessationOfOperation)
}

// proves: SECURITY-08, SECURITY-35
#[tokio::test]
async fn a_ceremony_whose_check_fails_is_given_up_and_the_next_one_goes() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let npc = open_at(&db, directory.path()).await;
        let plan = || Plan::Generation { key: KeyKind::Ec(Curve::P384), partitions: None };
        let number = steps(&npc, plan(), 3).await;
        // What was signed does not verify: a defect of the token, say.
        let read = async |label: &str| -> Certificate {
            let sql = "SELECT der FROM authority WHERE label = $1";
            let row = db.one(sql, store::params![label]).await.unwrap();
            Certificate::parse(&row.read::<Vec<u8>>(0).unwrap()).unwrap()
        };
        let mut der = read("npc-ca-g2").await.der().to_vec();
        *der.last_mut().unwrap() ^= 1;
        let sql = "UPDATE authority SET der = $2 WHERE label = $1";
        db.execute(sql, store::params!["npc-ca-g2", &der]).await.unwrap();
        let check = npc.ceremony_step(number, HANDS, Provisions::default(), now()).await;
        assert!(check.unwrap_err().to_string().contains("does not validate"));
        let second = npc.propose_ceremony(plan(), "chief", now()).await.unwrap().number;
        let blocked = npc.approve_ceremony(second, "deputy", now()).await.unwrap_err();
        assert!(blocked.to_string().contains("another ceremony is under way"));
        // Nobody is shown what no ceremony has published.
        let shown = |npc: &Npc| -> Vec<String> {
            npc.ca_certificates().published.into_iter().map(|(label, _)| label).collect()
        };
        assert_eq!(shown(&open_at(&db, directory.path()).await), ["npc-ca", "npc-root"]);

        let leave = async || npc.abandon_ceremony(number, HANDS, "the check fails", now()).await.unwrap();
        let done = leave().await;
        // The record says what the check has seen: this is not the certificate that was signed.
        let findings = npc.verify_ceremony(number, now()).await.unwrap();
        let wrong: Vec<_> = findings.iter().filter(|f| !f.right).map(|f| (f.what.1, f.of.as_str())).collect();
        assert_eq!(wrong, [("the certificate is the recorded one", "npc-ca-g2")]);
        let refused = read("npc-ca-g2").await;
        assert!(root_lists(&npc, &refused).await);
        assert!(!labels_of(directory.path()).contains(&"npc-ca-g2".to_owned()));
        assert_eq!(shown(&npc), ["npc-ca", "npc-root"]);
        assert_eq!(npc.issuing_generation(), 1);
        let record = npc.ceremony_record(number, now()).await.unwrap();
        let document: serde_json::Value = serde_json::from_str(&record.document).unwrap();
        assert_eq!(document["abandoned"]["operator"], "chief");
        assert_eq!(document["abandoned"]["witness"], "auditor");
        assert_eq!(document["abandoned"]["because"], "the check fails");
        assert!(done.text().contains("the check fails") && done.text().contains("npc-ca-g2"));
        // Again it is what it was; a step goes nowhere.
        assert_eq!(leave().await, done);
        let step = npc.ceremony_step(number, HANDS, Provisions::default(), now()).await.unwrap_err();
        assert!(step.to_string().contains("it was given up"));
        // What was proposed meanwhile had the number that is spent; a new one takes the next.
        let stale = npc.approve_ceremony(second, "deputy", now()).await.unwrap_err();
        assert!(stale.to_string().contains("the hierarchy has changed"));
        run(&npc, plan()).await;
        assert_eq!(npc.issuing_generation(), 3);
        let again = open_at(&db, directory.path()).await;
        assert_eq!(again.issuing_generation(), 3);
        let issued = issued(&again, 1, KeySlot::SigningRsa, 0).await;
        let issued = Certificate::parse(&issued.der).unwrap();
        issued.verify_signature(published(&again, "npc-ca-g3").spki()).unwrap();
        assert!(root_lists(&again, &refused).await, "stays listed");
        again.maintain(now()).await.unwrap();
        again.verify_audit(None).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_ceremony_can_be_given_up_at_every_step() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let npc = open_at(&db, directory.path()).await;
        let before = labels_of(directory.path());
        let key = KeyKind::Ec(Curve::P384);
        for count in 0..6 {
            let number = steps(&npc, Plan::Root { key }, count).await;
            given_up(&npc, number).await;
        }
        for count in 0..6 {
            let number = steps(&npc, Plan::Generation { key, partitions: None }, count).await;
            given_up(&npc, number).await;
        }
        let foreign = Foreign::new();
        for count in 0..4 {
            let plan = Plan::Cross {
                foreign: foreign.root.der().to_vec(),
                path_len: 1,
                permitted: vec![Name::builder().country("JP").build().unwrap()],
                policy: THEIR_POLICY.into(),
                days: 365,
            };
            let number = steps(&npc, plan, count).await;
            given_up(&npc, number).await;
        }
        // The keys are those from before, and nothing is published that was not.
        assert_eq!(labels_of(directory.path()), before);
        assert_eq!(npc.ca_certificates().published.len(), 2);
        assert_eq!((npc.issuing_generation(), npc.ca_certificates().roots.len()), (1, 1));
        // Signed by the root: generations at three steps, links at two, a cross certificate.
        let list = npc.list(List { generation: 1, scope: Scope::Root }, now()).await.unwrap();
        let listed = Crl::parse(&list.der).unwrap().entries().count();
        assert_eq!(listed, 3 + 2 + 1);
        // Withdrawn before anybody approved it; what stands under its number is none of its business.
        let proposed = npc.propose_ceremony(Plan::Root { key }, "chief", now()).await.unwrap().number;
        run(&npc, Plan::Root { key }).await;
        given_up(&npc, proposed).await;
        assert_eq!(npc.ca_certificates().roots.len(), 2);
        let error = npc.approve_ceremony(proposed, "deputy", now()).await.unwrap_err();
        assert!(error.to_string().contains("it was given up"));
        // What is finished is not given up, and what serves is finished first.
        let done = run(&npc, Plan::Generation { key, partitions: None }).await.number;
        let error = npc.abandon_ceremony(done, HANDS, "too late", now()).await.unwrap_err();
        assert!(error.to_string().contains("it is finished"));
        let number = steps(&npc, Plan::Generation { key, partitions: None }, 5).await;
        db.fail_after(2, When::BeforeCommit);
        let step = npc.ceremony_step(number, HANDS, Provisions::default(), now()).await;
        assert!(step.is_err() && db.revive(), "it issues, and nobody has written it down");
        let error = npc.abandon_ceremony(number, HANDS, "too late", now()).await.unwrap_err();
        assert!(error.to_string().contains("serves already"), "{error}");
        carry_out(&npc, number).await;
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn giving_up_that_was_killed_at_any_commit_is_finished_by_the_next() {
    each_engine_url(async |url| {
        let directory = tempfile::tempdir().unwrap();
        let mut commits = 0;
        loop {
            commits += 1;
            let schema = format!("npc_{commits}");
            let keys = directory.path().join(&schema);
            let db = Db::open(&url, &schema).await.unwrap();
            let npc = open_at(&db, &keys).await;
            let before = labels_of(&keys);
            let plan = || Plan::Generation { key: KeyKind::Ec(Curve::P384), partitions: None };
            // Published, so that its responder and its lists are there too.
            let number = steps(&npc, plan(), 5).await;
            let made = published(&npc, "npc-ca-g2");
            let when = if commits % 2 == 0 { When::BeforeCommit } else { When::AfterCommit };
            db.fail_after(commits, when);
            let killed = npc.abandon_ceremony(number, HANDS, "the check fails", now()).await.is_err();
            let died = db.revive();
            let db = Db::open(&url, &schema).await.unwrap();
            let npc = open_at(&db, &keys).await;
            given_up(&npc, number).await;
            assert!(root_lists(&npc, &made).await);
            assert_eq!(labels_of(&keys), before);
            let old = npc.list(List { generation: 2, scope: Scope::Complete }, now()).await;
            assert!(old.is_err(), "tells status no more");
            run(&npc, plan()).await;
            assert_eq!(npc.issuing_generation(), 3);
            npc.verify_audit(None).await.unwrap();
            db.close().await;
            if !died && !killed {
                break;
            }
        }
        assert!(commits > 4, "decision, list, record, time stamp: {commits}");
    })
    .await;
}

#[tokio::test]
async fn whoever_trusts_one_root_reaches_what_the_other_issued() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let npc = open_at(&db, directory.path()).await;
        let old = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        run(&npc, Plan::Root { key: KeyKind::Ec(Curve::P521) }).await;
        run(&npc, Plan::Generation { key: KeyKind::Ec(Curve::P384), partitions: None }).await;
        let new = issued(&npc, 2, KeySlot::SigningRsa, 1).await;
        let roots = npc.ca_certificates().roots;
        let judge = Judge::new();
        for (number, root) in &roots {
            judge.file(&format!("root-{number}.pem"), root.to_pem());
        }
        assert_eq!(roots[0].1.subject(), roots[1].1.subject(), "one name");
        let [back, forward] = ["npc-root-g1-by-g2", "npc-root-g2-by-g1"].map(|name| published(&npc, name));
        for link in [&back, &forward] {
            assert!(link.is_self_issued() && link.is_ca());
        }
        assert_eq!(forward.spki(), roots[1].1.spki());
        forward.verify_signature(roots[0].1.spki()).unwrap();
        let (one, two) = (published(&npc, "npc-ca"), published(&npc, "npc-ca-g2"));
        let all: String = [&one, &two, &back, &forward].map(Certificate::to_pem).concat();
        judge.file("all.pem", all);
        let mut lists = String::new();
        for generation in [1, 2] {
            lists.push_str(&crl_pem(&npc, generation, Scope::Complete).await);
            lists.push_str(&crl_pem(&npc, generation, Scope::Root).await);
        }
        judge.file("lists.pem", lists);
        let verify = |root: &str, file: &str| -> Vec<String> {
            let arguments =
                ["verify", "-x509_strict", "-attime", AT, "-CAfile", root, "-untrusted", "all.pem"];
            let lists = ["-crl_check_all", "-CRLfile", "lists.pem", file];
            arguments.iter().chain(&lists).map(|argument| (*argument).to_owned()).collect()
        };
        for (name, certificate) in [("old.pem", &old), ("new.pem", &new)] {
            judge.file(name, Certificate::parse(&certificate.der).unwrap().to_pem());
            for root in ["root-1.pem", "root-2.pem"] {
                let arguments = verify(root, name);
                judge.accepts(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
            }
        }
        // Without the link there is no way.
        let arguments = [
            "verify",
            "-attime",
            AT,
            "-CAfile",
            "root-1.pem",
            "-untrusted",
            &judge.file("two.pem", two.to_pem()),
            "new.pem",
        ];
        judge.refuses(&arguments, "unable to get local issuer certificate").await;
        // A link that its root has revoked leads nowhere.
        let plan = Plan::Revocation { label: "npc-root-g2-by-g1".into(), reason: Reason::Superseded };
        run(&npc, plan).await;
        judge.file("lists.pem", {
            let mut lists = String::new();
            for generation in [1, 2] {
                lists.push_str(&crl_pem(&npc, generation, Scope::Complete).await);
                lists.push_str(&crl_pem(&npc, generation, Scope::Root).await);
            }
            lists
        });
        let arguments = verify("root-1.pem", "new.pem");
        judge.refuses(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), "certificate revoked").await;
        let arguments = verify("root-1.pem", "old.pem");
        judge.accepts(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
        // What still issues or certifies cannot go.
        for (plan, why) in [
            (
                Plan::Revocation { label: "npc-ca-g2".into(), reason: Reason::CaCompromise },
                "this generation issues",
            ),
            (
                Plan::Revocation { label: "npc-root".into(), reason: Reason::CaCompromise },
                "revoked by nobody",
            ),
            (Plan::Revocation { label: "npc-ca".into(), reason: Reason::CertificateHold }, "for good"),
            (Plan::KeyDestruction { label: "npc-root-g2".into() }, "the newest"),
            (Plan::KeyDestruction { label: "npc-root".into() }, "have not ended"),
            (Plan::KeyDestruction { label: "npc-ocsp-1".into() }, "keys of services"),
        ] {
            let error = npc.propose_ceremony(plan, "chief", now()).await.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    })
    .await;
}

/// A foreign country: root, CA, and a certificate for somebody there.
struct Foreign {
    root: Certificate,
    root_key: x509::EcSigner,
    ca: Certificate,
}

const THEIR_POLICY: &str = "1.2.392.100300.1";

impl Foreign {
    fn new() -> Self {
        let name = |common: &str| {
            Name::builder().country("JP").organization("Test").common_name(common).build().unwrap()
        };
        let (root_key, ca_key) = (ec(Curve::P256, 900), ec(Curve::P256, 901));
        let day = SignedDuration::from_hours(24);
        let validity = Validity::new(now() - day * 30, now() + day * 3_000).unwrap();
        let serial = || Serial::random(&mut SystemRandom);
        let root = profiles::npc_root(&NpcRoot {
            serial: serial(),
            subject: &name("Root"),
            validity,
            spki: root_key.spki(),
            algorithm: root_key.algorithm(),
        });
        let root = issue(&root.unwrap(), &root_key).unwrap();
        let ca = profiles::npc_intermediate(&NpcIntermediate {
            serial: serial(),
            issuer: &Issuer::new(&root, &root_key).unwrap(),
            subject: &name("CA"),
            validity,
            spki: ca_key.spki(),
            policy: THEIR_POLICY.parse().unwrap(),
            crl_uri: "http://jp.test/root.crl",
            ca_issuers_uri: "http://jp.test/root.cer",
        });
        let ca = issue(&ca.unwrap(), &root_key).unwrap();
        Self { root, root_key, ca }
    }

    /// Under its own CA, or under one that claims another country.
    fn citizen(&self, policy: &str, country: &str) -> (Certificate, Certificate) {
        let day = SignedDuration::from_hours(24);
        let validity = Validity::new(now() - day, now() + day * 100).unwrap();
        let (ca, key) = if country == "JP" {
            (self.ca.clone(), ec(Curve::P256, 901))
        } else {
            let name = Name::builder().country(country).common_name("CA").build().unwrap();
            let key = ec(Curve::P256, 902);
            let ca = profiles::npc_intermediate(&NpcIntermediate {
                serial: Serial::random(&mut SystemRandom),
                issuer: &Issuer::new(&self.root, &self.root_key).unwrap(),
                subject: &name,
                validity: self.ca.validity(),
                spki: key.spki(),
                policy: policy.parse().unwrap(),
                crl_uri: "http://jp.test/root.crl",
                ca_issuers_uri: "http://jp.test/root.cer",
            });
            (issue(&ca.unwrap(), &self.root_key).unwrap(), key)
        };
        let holder = ec(Curve::P256, 903);
        let issuer = Issuer::new(&ca, &key).unwrap();
        let citizen = profiles::npc_citizen_signing(&profiles::Citizen {
            serial: Serial::random(&mut SystemRandom),
            issuer: &issuer,
            name: "Hanako",
            holder_number: "0000000000000001",
            id_tail: "0001",
            card_number: "J1",
            holder_rank: None,
            validity,
            spki: holder.spki(),
            policy: policy.parse().unwrap(),
            locations: profiles::StatusLocations {
                partition_crl: "http://jp.test/0.crl",
                complete_crl: "http://jp.test/all.crl",
                ca_issuers: "http://jp.test/ca.cer",
                ocsp: "http://jp.test/ocsp",
            },
        });
        (ca, issue(&citizen.unwrap(), &key).unwrap())
    }
}

#[tokio::test]
async fn a_foreign_root_is_certified_within_limits_and_certifies_ours() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let npc = open_at(&db, directory.path()).await;
        let foreign = Foreign::new();
        let japan = || Name::builder().country("JP").build().unwrap();
        let plan = |foreign: &Certificate, policy: &str, permitted: Vec<Name>| Plan::Cross {
            foreign: foreign.der().to_vec(),
            path_len: 1,
            permitted,
            policy: policy.into(),
            days: 365,
        };
        for (wrong, why) in [
            (plan(&foreign.ca, THEIR_POLICY, vec![japan()]), "not a self-signed CA"),
            (plan(&npc.ca_certificates().root, THEIR_POLICY, vec![japan()]), "linked, not cross-certified"),
            (plan(&foreign.root, "2.5.29.32.0", vec![japan()]), "anyPolicy"),
            (plan(&foreign.root, "policy", vec![japan()]), "object identifier"),
            (plan(&foreign.root, THEIR_POLICY, Vec::new()), "what may stand below"),
        ] {
            let error = npc.propose_ceremony(wrong, "chief", now()).await.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let done = run(&npc, plan(&foreign.root, THEIR_POLICY, vec![japan()])).await;
        let cross = published(&npc, &format!("npc-cross-{}", done.number));
        let judge = Judge::new();
        judge.file("root.pem", npc.ca_certificates().root.to_pem());
        let check = async |name: &str, policy: &str, country: &str| {
            let (ca, citizen) = foreign.citizen(policy, country);
            judge.file(&format!("{name}.pem"), citizen.to_pem());
            judge.file(&format!("{name}-way.pem"), [cross.to_pem(), ca.to_pem()].concat());
            let (file, way) = (format!("{name}.pem"), format!("{name}-way.pem"));
            // Our policy is asked for: theirs counts as ours by the mapping alone.
            let ours = npc.config().policy.to_string();
            let arguments =
                ["verify", "-x509_strict", "-attime", AT, "-policy", &ours, "-explicit_policy", "-CAfile"];
            judge.openssl(&[&arguments[..], &["root.pem", "-untrusted", &way, &file]].concat()).await
        };
        let (good, text) = check("good", THEIR_POLICY, "JP").await;
        assert!(good, "{text}");
        let (good, text) = check("elsewhere", THEIR_POLICY, "KR").await;
        assert!(!good && text.contains("permitted subtree violation"), "{text}");
        let (good, text) = check("policy", "1.2.392.100300.2", "JP").await;
        assert!(!good && text.contains("policy"), "{text}");

        // The other way round: their root certifies ours, and whoever trusts theirs reaches our citizens.
        let ours = npc.ca_certificates().root;
        let citizen = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let taiwan = Name::builder().country("TW").build().unwrap();
        let made = profiles::npc_cross(&NpcCross {
            serial: Serial::random(&mut SystemRandom),
            issuer: &Issuer::new(&foreign.root, &foreign.root_key).unwrap(),
            subject: &ours,
            validity: Validity::new(
                now() - SignedDuration::from_hours(1),
                now() + SignedDuration::from_hours(999),
            )
            .unwrap(),
            path_len: 1,
            permitted: &[taiwan],
            policies: (THEIR_POLICY.parse().unwrap(), npc.config().policy),
            crl_uri: "http://jp.test/root.crl",
            ca_issuers_uri: "http://jp.test/root.cer",
        });
        let made = issue(&made.unwrap(), &foreign.root_key).unwrap();
        let import = |certificate: &Certificate, by: &Certificate| Plan::CrossImport {
            certificate: certificate.der().to_vec(),
            by: by.der().to_vec(),
        };
        for (wrong, why) in [
            (import(&foreign.ca, &foreign.root), "for no root of ours"),
            (import(&made, &ours), "by that root"),
        ] {
            let error = npc.propose_ceremony(wrong, "chief", now()).await.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let done = run(&npc, import(&made, &foreign.root)).await;
        let imported = published(&npc, &format!("npc-cross-by-{}", done.number));
        assert_eq!(imported, made);
        judge.file("their-root.pem", foreign.root.to_pem());
        judge.file("to-us.pem", [imported.to_pem(), npc.ca_certificate().to_pem()].concat());
        judge.file("citizen.pem", Certificate::parse(&citizen.der).unwrap().to_pem());
        let theirs = ["-policy", THEIR_POLICY, "-explicit_policy", "-CAfile", "their-root.pem"];
        let arguments = ["verify", "-x509_strict", "-attime", AT];
        let way = ["-untrusted", "to-us.pem", "citizen.pem"];
        judge.accepts(&[&arguments[..], &theirs, &way].concat()).await;
    })
    .await;
}

// proves: SECURITY-35
#[tokio::test]
async fn a_lost_key_of_a_ca_comes_back_and_signs() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let npc = open_at(&db, directory.path()).await;
        let plan = || Plan::KeyBackup { label: "npc-ca".into(), threshold: 2, shares: 3 };
        let number = approved(&npc, plan()).await;
        let step = npc.ceremony_step(number, HANDS, Provisions::default(), now()).await;
        assert_eq!(step.unwrap_err().code(), "NPC-CEREMONY", "nowhere to put it");
        let (mut copy, mut shares) = (Vec::new(), Vec::new());
        let mut keep = |backup: &keys::Backup| {
            copy = backup.copy.clone();
            shares = backup.shares.clone();
            Ok(())
        };
        let provisions = Provisions { keep: Some(&mut keep), ..Provisions::default() };
        npc.ceremony_step(number, HANDS, provisions, now()).await.unwrap();
        assert!(npc.verify_ceremony(number, now()).await.unwrap().iter().all(|finding| finding.right));
        // No share stands in any table.
        let record = npc.ceremony_record(number, now()).await.unwrap().document;
        for share in &shares {
            let share: serde_json::Value = serde_json::from_slice(share.expose()).unwrap();
            assert!(!record.contains(share["value"].as_str().unwrap()));
        }
        for (wrong, code) in [
            (Plan::KeyBackup { label: "npc-ocsp-1".into(), threshold: 2, shares: 3 }, "NPC-CEREMONY"),
            (Plan::KeyBackup { label: "npc-ca".into(), threshold: 1, shares: 3 }, "NPC-REQUEST"),
            (Plan::KeyBackup { label: "none".into(), threshold: 2, shares: 3 }, "KEYS-MISSING"),
            (Plan::KeyRestore { label: "npc-ca".into() }, "NPC-CEREMONY"),
        ] {
            assert_eq!(npc.propose_ceremony(wrong, "chief", now()).await.unwrap_err().code(), code);
        }
        // The key's file is lost while the CA runs.
        std::fs::remove_file(directory.path().join("npc-ca.key")).unwrap();
        let number = approved(&npc, Plan::KeyRestore { label: "npc-ca".into() }).await;
        let few = Provisions { restore: Some((&copy, &shares[..1])), ..Provisions::default() };
        let step = npc.ceremony_step(number, HANDS, few, now()).await;
        assert_eq!(step.unwrap_err().code(), "KEYS-SHARES");
        let enough = Provisions { restore: Some((&copy, &shares[1..])), ..Provisions::default() };
        npc.ceremony_step(number, HANDS, enough, now()).await.unwrap();
        let again = open_at(&db, directory.path()).await;
        let issued = issued(&again, 1, KeySlot::SigningRsa, 0).await;
        let issued = Certificate::parse(&issued.der).unwrap();
        issued.verify_signature(npc.ca_certificate().spki()).unwrap();
    })
    .await;
}

// proves: NPC-56
#[tokio::test]
async fn a_generation_with_ml_dsa_issues_and_publishes_under_a_root_with_ml_dsa() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let npc = open_at(&db, directory.path()).await;
        let old = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        run(&npc, Plan::Root { key: KeyKind::MlDsa65 }).await;
        run(&npc, Plan::Generation { key: KeyKind::MlDsa65, partitions: None }).await;
        let new = issued(&npc, 2, KeySlot::SigningRsa, 1).await;
        npc.revoke(card(2), RevocationReason::KeyCompromise, "clerk", now()).await.unwrap();
        let made = npc.ca_certificates();
        let list = Crl::parse(&npc.crl(Scope::Complete, now()).await.unwrap().der).unwrap();
        list.verify_signature(made.ca.spki()).unwrap();
        assert_eq!(list.entries().count(), 1);
        let root = Crl::parse(&npc.crl(Scope::Root, now()).await.unwrap().der).unwrap();
        let lists = [list, root];
        let options = |lists| x509::path::Options::at(now()).crls(lists, x509::path::Revocation::Required);
        let certificate = Certificate::parse(&new.der).unwrap();
        assert_eq!(certificate.signature_algorithm(), Some(x509::SignatureAlgorithm::MlDsa65));
        let anchors = [made.root.clone()];
        let between = [made.ca.clone()];
        let refusal = x509::path::validate(&certificate, &between, &anchors, &options(&lists)).unwrap_err();
        assert!(matches!(refusal, x509::path::Refusal::Revoked { depth: 0, .. }), "{refusal}");
        // What was issued before with RSA or on curves is reached over the link from the new root.
        let between: Vec<_> = made.published.iter().map(|(_, certificate)| certificate.clone()).collect();
        let certificate = Certificate::parse(&old.der).unwrap();
        let unchecked = x509::path::Options {
            revocation: x509::path::Revocation::Unchecked,
            ..x509::path::Options::at(now())
        };
        let path = x509::path::validate(&certificate, &between, &anchors, &unchecked).unwrap();
        assert_eq!(path.certificates().len(), 4, "citizen, CA, link, root");
    })
    .await;
}
