//! The program dies while the second pair of keys of a card is certified: at a restart, or when the request is sent again, what was
//! begun is finished once.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use model::{CardSerial, CertificateState, PersonName, RevocationReason, RocDate, SuspensionCause};
use npc::{Carrier, CertificateAuthority, Cohort, IssueRequest, IssuedCertificate, Measure, Npc, Receipt};
use ra::functions::{Channel, Function};
use ra::{Detail, Outcome};
use registry::Change;
use store::{Db, When, params};
use x509::Serial;

use crate::certificate_cards::OtherCard;
use crate::support::{Counter, authority_with, refused};
use crate::world::directory;

const NPC: usize = 2;
/// More than a reissue has commits, twice for each of two systems.
const CARDS: usize = 40;

/// At every commit of the registration authority and of the CA, before and after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_reissue_that_dies_anywhere_is_finished_once() {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/", dir.join("db").display());
    std::fs::create_dir(dir.join("db")).unwrap();
    let mut counter = Counter::open(&url, &dir).await;
    let mut cards = Vec::new();
    for number in 1..=CARDS {
        let card = OtherCard::new(&format!("TWC{number:06}"), counter.person.id, None);
        card.issue(&counter).await;
        cards.push(card);
    }
    let now = counter.world.now + SignedDuration::from_hours(24 * (5 * 365 - 60));
    counter.world.now = now;
    let mut deaths = [0; 2];
    for (system, deaths) in deaths.iter_mut().enumerate() {
        for when in [When::BeforeCommit, When::AfterCommit] {
            for n in 1.. {
                let card = cards.pop().expect("a reissue has fewer commits");
                let asked = card.wish(Function::Extend, card.next(), now);
                let proof = card.sign(&counter, &asked).await;
                let db = if system == 0 { &counter.db } else { &counter.world.dbs[NPC] };
                db.fail_after(n, when);
                let begun = counter.ra.act(Channel::Online, &asked, &proof, None, now).await;
                let db = if system == 0 { &counter.db } else { &counter.world.dbs[NPC] };
                let died = db.revive();
                let what = format!("system {system}, commit {n}, {when:?}");
                assert_eq!(begun.is_err(), died, "{what}");
                if died {
                    *deaths += 1;
                    counter = counter.reopen(&url, &dir, now).await;
                }
                // What was begun is gone on with on another day; what never came is asked for while it is fresh.
                let sql = "SELECT count(*) FROM request WHERE id = $1";
                let known: i64 = counter.db.one(sql, params![asked.id]).await.unwrap().read(0).unwrap();
                let later = now + SignedDuration::from_hours(24 * known);
                let done = counter.ra.act(Channel::Online, &asked, &proof, None, later).await;
                let done = done.unwrap_or_else(|error| panic!("{what}: {error}"));
                if let Ok(begun) = begun {
                    assert_eq!((begun.receipt, true), (done.receipt, done.repeated));
                }
                let all = counter.world.npc.certificates_of(card.serial, now).await.unwrap();
                assert_eq!(all.len(), 4, "{what}");
                assert!(all.iter().all(|one| one.state == CertificateState::Good), "{what}");
                let count = async |sql: &'static str, of: store::Value<'_>| -> i64 {
                    counter.db.one(sql, &[of]).await.unwrap().read(0).unwrap()
                };
                let written = "SELECT count(*) FROM reissue WHERE card = $1 AND written_at IS NOT NULL";
                assert_eq!(count(written, card.serial.as_str().into()).await, 1, "{what}");
                let receipts = "SELECT count(*) FROM audit_entry WHERE subject = $1 AND action = 'request-done' \
                    AND detail LIKE '%extend%'";
                assert_eq!(count(receipts, card.serial.as_str().into()).await, 1, "{what}");
                let left = "SELECT count(*) FROM next_pair WHERE card = $1";
                assert_eq!(count(left, card.serial.as_str().into()).await, 0, "{what}");
                let again = card.by_pin2(&counter, Function::Extend, card.next()).await;
                assert_eq!(refused(again), "RA-E-ALREADY-REISSUED", "{what}");
                if !died {
                    break;
                }
            }
        }
    }
    assert!(deaths.iter().all(|deaths| *deaths >= 4), "{deaths:?}");
    counter.ra.verify_audit().await.unwrap();
    counter.close().await;
}

/// Changed content under the second pair, killed at every commit of the registration authority and of the CA: once both new
/// certificates are there the old ones are revoked, though nobody asks again; and the same request ends with one receipt.
// proves: NPC-44
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_content_that_dies_anywhere_leaves_no_two_names() {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/", dir.join("db").display());
    std::fs::create_dir(dir.join("db")).unwrap();
    let mut counter = Counter::open(&url, &dir).await;
    let mut cards = Vec::new();
    for number in 1..=CARDS {
        let card = OtherCard::new(&format!("TWC{number:06}"), counter.person.id, None);
        card.issue(&counter).await;
        cards.push(card);
    }
    let now = counter.world.now;
    let change = Change::Name(PersonName::new("林新名").unwrap());
    counter.world.register.record(&counter.person.id, &change, now).await.unwrap();
    let (mut deaths, mut in_the_middle) = ([0; 2], 0);
    for (system, deaths) in deaths.iter_mut().enumerate() {
        for when in [When::BeforeCommit, When::AfterCommit] {
            for n in 1.. {
                let card = cards.pop().expect("a change has fewer commits");
                let asked = card.wish(Function::Modify, card.next(), now);
                let proof = card.sign(&counter, &asked).await;
                let db = if system == 0 { &counter.db } else { &counter.world.dbs[NPC] };
                db.fail_after(n, when);
                let begun = counter.ra.act(Channel::Online, &asked, &proof, None, now).await;
                let db = if system == 0 { &counter.db } else { &counter.world.dbs[NPC] };
                let died = db.revive();
                let what = format!("system {system}, commit {n}, {when:?}");
                assert_eq!(begun.is_err(), died, "{what}");
                if died {
                    *deaths += 1;
                    counter = counter.reopen(&url, &dir, now).await;
                    let states = counter.world.certificate_states(card.serial).await;
                    in_the_middle +=
                        usize::from(states.len() == 4 && states[..2].iter().any(|state| state == "good"));
                    counter.ra.follow_register(now).await.unwrap();
                    let states = counter.world.certificate_states(card.serial).await;
                    match states.len() {
                        4 => assert_eq!(states, ["revoked", "revoked", "good", "good"], "{what}"),
                        _ => assert_eq!(states, ["good"; 2], "{what}"),
                    }
                }
                let done = counter.ra.act(Channel::Online, &asked, &proof, None, now).await;
                done.unwrap_or_else(|error| panic!("{what}: {error}"));
                let states = counter.world.certificate_states(card.serial).await;
                assert_eq!(states, ["revoked", "revoked", "good", "good"], "{what}");
                let count = async |sql: &'static str| -> i64 {
                    counter.db.one(sql, params![card.serial.as_str()]).await.unwrap().read(0).unwrap()
                };
                let receipts = "SELECT count(*) FROM audit_entry WHERE subject = $1 AND action = 'request-done' \
                    AND detail LIKE '%modify%'";
                assert_eq!(count(receipts).await, 1, "{what}");
                assert_eq!(count("SELECT count(*) FROM next_pair WHERE card = $1").await, 0, "{what}");
                if !died {
                    break;
                }
            }
        }
    }
    assert!(deaths.iter().all(|deaths| *deaths >= 4), "{deaths:?}");
    assert!(in_the_middle >= 2, "{in_the_middle}");
    counter.ra.verify_audit().await.unwrap();
    counter.close().await;
}

/// A CA that hears of a loss when it is about to certify a pair, or of an incident, and may die when it is told to suspend that too.
struct LosesCard {
    npc: Arc<Npc>,
    db: Db,
    befalls: Befalls,
    dies: bool,
}

/// What befalls a card.
#[derive(Clone, Copy, PartialEq)]
enum Befalls {
    Loss,
    /// Two persons suspend what it has by then, and it is lost.
    IncidentAndLoss,
    /// Two persons suspend it between the two certificates of a pair.
    IncidentBetween,
}

impl LosesCard {
    fn of(counter: &Counter, befalls: Befalls, dies: bool) -> Arc<Self> {
        let (npc, db) = (counter.world.npc.clone(), counter.world.dbs[NPC].clone());
        Arc::new(Self { npc, db, befalls, dies })
    }

    async fn incident(&self, card: CardSerial, now: Timestamp) {
        let cohort = Cohort { cards: Some((card, card)), ..Cohort::default() };
        decided(&self.npc, cohort, Measure::Suspend, now).await;
    }
}

/// Two persons decide.
async fn decided(npc: &Npc, cohort: Cohort, measure: Measure, now: Timestamp) {
    let proposed = npc.propose_incident(cohort, measure, "anna", now).await.unwrap();
    npc.approve_incident(proposed.number, "bert", now).await.unwrap();
}

/// What holds each certificate of a card.
async fn held_by(counter: &Counter, card: CardSerial) -> Vec<String> {
    let all = counter.world.npc.certificates_of(card, counter.world.now).await.unwrap();
    let causes = |state: &CertificateState| match state {
        CertificateState::Suspended { causes } => {
            causes.keys().map(|cause| cause.as_str()).collect::<Vec<_>>().join(" ")
        }
        state => state.as_str().to_owned(),
    };
    all.iter().map(|one| causes(&one.state)).collect()
}

/// An incident suspends the first pair, and the card is lost, while the second pair is certified: nothing good comes to stand beside
/// it, the new certificates are handed over, and each cause ends by itself.
// proves: NPC-55
#[tokio::test(flavor = "multi_thread")]
async fn a_second_pair_is_held_by_an_incident_that_began_meanwhile() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let card = OtherCard::new("TWC000001", counter.person.id, None);
        card.issue(&counter).await;
        counter.world.now += SignedDuration::from_hours(24 * (5 * 365 - 60));
        let now = counter.world.now;
        let asked = card.wish(Function::Extend, card.next(), now);
        let proof = card.sign(&counter, &asked).await;
        let loses = LosesCard::of(&counter, Befalls::IncidentAndLoss, false);
        let (db, ra) = authority_with(&url, &counter.world, loses).await;
        let done = ra.act(Channel::Online, &asked, &proof, None, now).await.unwrap();
        db.close().await;
        let Outcome::Certificates(handed) = done.outcome else { panic!("certificates") };
        assert_eq!(handed.0.len(), 2);
        assert_eq!(held_by(&counter, card.serial).await, ["loss incident"; 4]);
        card.at_counter(&counter, Function::WithdrawLoss, Detail::Nothing).await.unwrap();
        assert_eq!(held_by(&counter, card.serial).await, ["incident"; 4]);
        let of = counter.world.npc.incidents().await.unwrap()[0].number;
        decided(&counter.world.npc, Cohort::default(), Measure::Resume { of }, now).await;
        assert_eq!(held_by(&counter, card.serial).await, ["good"; 4]);
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

/// The same, and the program dies before the second pair has followed. It follows after the restart, beside a row that nobody can
/// read; and a death in the register revokes whatever holds a card.
// proves: NPC-33, NPC-51, NPC-55
#[tokio::test(flavor = "multi_thread")]
async fn an_incident_keeps_nobody_from_following_the_register() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let card = OtherCard::new("TWC000001", counter.person.id, None);
        card.issue(&counter).await;
        counter.world.now += SignedDuration::from_hours(24 * (5 * 365 - 60));
        let now = counter.world.now;
        let asked = card.wish(Function::Extend, card.next(), now);
        let proof = card.sign(&counter, &asked).await;
        let loses = LosesCard::of(&counter, Befalls::IncidentAndLoss, true);
        let (db, ra) = authority_with(&url, &counter.world, loses).await;
        assert!(ra.act(Channel::Online, &asked, &proof, None, now).await.is_err());
        assert!(counter.world.dbs[NPC].revive());
        db.close().await;

        let mut counter = counter.reopen(&url, &dir, now).await;
        let (first, next) = ("loss incident", "incident");
        assert_eq!(held_by(&counter, card.serial).await, [first, first, next, next], "in the middle");
        let sql = "INSERT INTO next_pair (card, at, modify) VALUES ('?', $1, FALSE)";
        counter.db.execute(sql, params![now]).await.unwrap();
        counter.ra.follow_register(now).await.unwrap();
        assert_eq!(held_by(&counter, card.serial).await, [first; 4]);

        let death = Change::Death(counter.world.today());
        counter.world.register.record(&counter.person.id, &death, now).await.unwrap();
        counter.world.now = now + SignedDuration::from_mins(1);
        assert!(counter.ra.follow_register(counter.world.now).await.unwrap() > 0);
        assert_eq!(held_by(&counter, card.serial).await, ["revoked"; 4]);
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

/// Between the two certificates of a new card: the second begins as the first is held, and the card is issued all the same.
// proves: NPC-55
#[tokio::test(flavor = "multi_thread")]
async fn a_card_whose_first_certificate_an_incident_holds_gets_no_good_second_one() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let (card, now) = (OtherCard::new("TWC000001", counter.person.id, None), counter.world.now);
        let loses = LosesCard::of(&counter, Befalls::IncidentBetween, false);
        let (db, ra) = authority_with(&url, &counter.world, loses).await;
        let asked = card.wish(Function::Issue, card.new_card(), now);
        ra.act(Channel::Counter, &asked, &counter.clerk(), None, now).await.unwrap();
        db.close().await;
        assert_eq!(held_by(&counter, card.serial).await, ["incident"; 2]);
        let of = counter.world.npc.incidents().await.unwrap()[0].number;
        decided(&counter.world.npc, Cohort::default(), Measure::Resume { of }, now).await;
        assert_eq!(held_by(&counter, card.serial).await, ["good"; 2]);
        counter.close().await;
    })
    .await;
}

/// The card is reported lost between the look at the first pair and the second certificates, and the program dies before these
/// have followed: they follow at the restart, though nobody asks again.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_pair_follows_the_first_though_the_program_died() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let card = OtherCard::new("TWC000001", counter.person.id, None);
        card.issue(&counter).await;
        counter.world.now += SignedDuration::from_hours(24 * (5 * 365 - 60));
        let now = counter.world.now;
        let asked = card.wish(Function::Extend, card.next(), now);
        let proof = card.sign(&counter, &asked).await;
        let loses = LosesCard::of(&counter, Befalls::Loss, true);
        let (db, ra) = authority_with(&url, &counter.world, loses).await;
        assert!(ra.act(Channel::Online, &asked, &proof, None, now).await.is_err());
        assert!(counter.world.dbs[NPC].revive());
        db.close().await;

        let counter = counter.reopen(&url, &dir, now).await;
        let states = async || counter.world.certificate_states(card.serial).await;
        assert_eq!(states().await, ["suspended", "suspended", "good", "good"], "in the middle");
        counter.ra.follow_register(now).await.unwrap();
        assert_eq!(states().await, ["suspended"; 4]);
        let act = async || counter.ra.act(Channel::Online, &asked, &proof, None, now).await;
        assert_eq!(refused(act().await), "RA-E-SUSPENDED");
        card.at_counter(&counter, Function::WithdrawLoss, Detail::Nothing).await.unwrap();
        assert_eq!(states().await, ["good"; 4]);
        act().await.unwrap();
        assert_eq!(states().await, ["good"; 4]);
        // What is long over is not looked at any more.
        let later = now + SignedDuration::from_mins(11);
        counter.ra.follow_register(later).await.unwrap();
        let left = counter.db.one("SELECT count(*) FROM next_pair", params![]).await.unwrap();
        assert_eq!(left.read::<i64>(0).unwrap(), 0);
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

#[async_trait]
impl CertificateAuthority for LosesCard {
    async fn holder_number(&self, person: &[u8; 32], now: Timestamp) -> npc::Result<String> {
        self.npc.holder_number(person, now).await
    }

    async fn issue(&self, request: &IssueRequest, now: Timestamp) -> npc::Result<IssuedCertificate> {
        self.npc.issue(request, now).await
    }

    async fn check_many(&self, requests: &[IssueRequest], now: Timestamp) -> Vec<npc::Result<()>> {
        self.npc.check_many(requests, now).await
    }

    async fn issue_many(
        &self,
        requests: &[IssueRequest],
        now: Timestamp,
    ) -> Vec<npc::Result<IssuedCertificate>> {
        let card = requests[0].card;
        if self.befalls == Befalls::IncidentBetween {
            let first = self.npc.issue(&requests[0], now).await;
            self.incident(card, now).await;
            return vec![first, self.npc.issue(&requests[1], now).await];
        }
        if self.befalls == Befalls::IncidentAndLoss {
            self.incident(card, now).await;
        }
        self.npc.suspend(card, SuspensionCause::Loss, "hotline", now).await.unwrap();
        let answers = self.npc.issue_many(requests, now).await;
        if self.dies {
            self.db.fail_after(1, When::BeforeCommit);
        }
        answers
    }

    async fn suspend(
        &self,
        card: CardSerial,
        cause: SuspensionCause,
        actor: &str,
        now: Timestamp,
    ) -> npc::Result<Receipt> {
        self.npc.suspend(card, cause, actor, now).await
    }

    async fn resume(
        &self,
        card: CardSerial,
        cause: SuspensionCause,
        actor: &str,
        now: Timestamp,
    ) -> npc::Result<Receipt> {
        self.npc.resume(card, cause, actor, now).await
    }

    async fn revoke(
        &self,
        card: CardSerial,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> npc::Result<Receipt> {
        self.npc.revoke(card, reason, actor, now).await
    }

    async fn revoke_certificate(
        &self,
        serial: &Serial,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> npc::Result<Receipt> {
        self.npc.revoke_certificate(serial, reason, actor, now).await
    }

    async fn certificates_of(&self, card: CardSerial, now: Timestamp) -> npc::Result<Vec<IssuedCertificate>> {
        self.npc.certificates_of(card, now).await
    }

    async fn publish(
        &self,
        card: CardSerial,
        published: bool,
        actor: &str,
        now: Timestamp,
    ) -> npc::Result<Receipt> {
        self.npc.publish(card, published, actor, now).await
    }

    async fn is_published(&self, card: CardSerial) -> npc::Result<bool> {
        self.npc.is_published(card).await
    }

    async fn certificate(&self, serial: &Serial, now: Timestamp) -> npc::Result<Option<IssuedCertificate>> {
        self.npc.certificate(serial, now).await
    }

    async fn status(&self, serial: &Serial, now: Timestamp) -> npc::Result<Option<CertificateState>> {
        self.npc.status(serial, now).await
    }

    async fn issuing_is_stopped(&self) -> npc::Result<bool> {
        self.npc.issuing_is_stopped().await
    }

    async fn rest_on(
        &self,
        device: CardSerial,
        primary: CardSerial,
        holder_no: &str,
        actor: &str,
        now: Timestamp,
    ) -> npc::Result<RocDate> {
        self.npc.rest_on(device, primary, holder_no, actor, now).await
    }

    async fn carrier_fee(&self, carrier: Carrier) -> npc::Result<u32> {
        self.npc.carrier_fee(carrier).await
    }

    async fn chain_of(&self, certificate: &[u8]) -> npc::Result<Option<(Vec<u8>, Vec<u8>)>> {
        self.npc.chain_of(certificate).await
    }
}
