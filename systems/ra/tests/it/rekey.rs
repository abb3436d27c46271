//! A recall whose treatment is other keys: the card stays, its other pair is certified and written, the old certificates are revoked.

use std::path::Path;

use curve::SystemRandom;
use jiff::{SignedDuration, Timestamp};
use mgmt::{KeyPair, RecallCard, RecallLevel, RecallPlan, RecallStage, Treatment, WhichNotices};
use model::{CardState, CertificateState, KeySlot, RevocationReason, RocDate};
use npc::{CertificateAuthority, Cohort, Measure, QueuePlan};
use production::MakeCriteria;
use ra::functions::{Channel, Function};
use ra::{Consent, Detail, Outcome, Proof};
use store::{When, params};
use terminal::npc_card::CertificateId;

use crate::holder::Torn;
use crate::support::{Counter, PIN2, code, refused, request, secret};
use crate::world::{World, directory, start, test_config};

const MGMT: usize = 4;
const NPC: usize = 2;

impl Counter {
    /// An approved recall of the card, called in; with this reason the old certificates are to be revoked.
    async fn recall(&self, level: RecallLevel, algorithm: Option<&str>, revocation: RevocationReason) -> u64 {
        let (mgmt, now) = (&self.world.mgmt, self.world.now);
        let criteria = MakeCriteria {
            cards: Some((self.card, self.card)),
            algorithm: algorithm.map(str::to_owned),
            ..MakeCriteria::default()
        };
        let treatment = Treatment::Rekey;
        let (reason, cost, replacement) = ("測試 test".into(), None, None);
        let plan = RecallPlan { criteria, level, treatment, revocation, reason, cost, replacement };
        let number = mgmt.propose_recall(&plan, "anna", now).await.unwrap().number;
        assert_eq!(mgmt.recall(number).await.unwrap().plan, plan);
        mgmt.approve_recall(number, "bert", now).await.unwrap();
        mgmt.advance(now).await.unwrap();
        number
    }

    async fn listed(&self, number: u64) -> RecallCard {
        let mut cards = self.world.mgmt.recall_cards(number, None, None, 10).await.unwrap();
        assert_eq!(cards.len(), 1);
        cards.pop().unwrap()
    }

    /// How far the holder is, as who sends notices sees it.
    async fn stage(&self, number: u64) -> RecallStage {
        let persons = self.world.mgmt.recall_persons(number, None, 10).await.unwrap();
        assert_eq!(persons.len(), 1);
        persons[0].stage
    }

    /// Slots and states of the certificates, and why they were revoked.
    async fn states(&self) -> Vec<(KeySlot, &'static str, Option<RevocationReason>)> {
        let all = self.world.npc.certificates_of(self.card, self.world.now).await.unwrap();
        let state = |state: &CertificateState| match state {
            CertificateState::Revoked { reason, .. } => Some(*reason),
            _ => None,
        };
        all.iter().map(|one| (one.slot, one.state.as_str(), state(&one.state))).collect()
    }

    async fn serves_with(&self, pair: KeyPair, revoked: RevocationReason) {
        let expected = KeySlot::ALL.iter().map(|slot| match pair.has(*slot) {
            true => (*slot, "good", None),
            false => (*slot, "revoked", Some(revoked)),
        });
        assert_eq!(self.states().await, expected.collect::<Vec<_>>());
        assert_eq!(self.world.mgmt.card(self.card).await.unwrap().state, CardState::Active);
        let all = self.world.npc.certificates_of(self.card, self.world.now).await.unwrap();
        let [signing, encryption] = match pair {
            KeyPair::Rsa => [CertificateId::SigningRsa, CertificateId::EncryptionRsa],
            KeyPair::Ec => [CertificateId::SigningEc, CertificateId::EncryptionEc],
        };
        for (id, slot) in [signing, encryption].into_iter().zip(pair.slots()) {
            let issued = all.iter().find(|certificate| certificate.slot == slot).unwrap();
            assert_eq!(self.zone().certificate(id).unwrap(), issued.der);
        }
        let mut zone = self.zone();
        zone.verify_pin2(&secret(PIN2)).unwrap();
        assert!(zone.key_fits(pair.slots()[0], &mut SystemRandom).unwrap());
    }
}

/// What the holder is sent after a request with this receipt.
async fn told_after(counter: &Counter, receipt: &str) -> String {
    let all = counter.ra.messages(100, counter.world.now).await.unwrap();
    all.into_iter().find(|message| message.text.contains(receipt)).unwrap().text
}

fn days_later(now: Timestamp, days: i64) -> Timestamp {
    now + SignedDuration::from_hours(24 * days)
}

/// An immediate recall: the card is called in, and what the holder does at home with the user code brings it back with its
/// curve keys.
// proves: OPEN-13, OPEN-17, UPDATE-20
#[tokio::test(flavor = "multi_thread")]
async fn a_recalled_card_goes_on_with_its_other_keys() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let (card, by_code) = (counter.card, Proof::UserCode(code()));
        let wish = |counter: &Counter| request(Function::Rekey, card, Detail::Nothing, counter.world.now);
        let asked = wish(&counter);
        let now = counter.world.now;
        let unasked = counter.ra.act(Channel::Online, &asked, &by_code, Some(counter.reader()), now).await;
        assert_eq!(refused(unasked), "RA-E-NO-REKEY");
        let old = counter.world.npc.certificates_of(card, now).await.unwrap();

        let number = counter.recall(RecallLevel::Immediate, None, RevocationReason::KeyCompromise).await;
        let listed = counter.listed(number).await;
        assert_eq!((listed.other_keys, listed.certified, listed.rekeyed), (Some(KeyPair::Ec), false, false));
        assert_eq!(listed.state, CardState::Recalled);
        assert_eq!(counter.world.certificate_states(card).await, ["suspended"; 2]);
        let sql = "SELECT count(*) FROM notice WHERE kind = 'recall-rekey'";
        let told = counter.world.dbs[MGMT].one(sql, params![]).await.unwrap();
        assert_eq!(told.read::<i64>(0).unwrap(), 1);
        let which = WhichNotices { recall: Some(number), ..WhichNotices::default() };
        let notices = counter.world.mgmt.notices(&which, 10).await.unwrap();
        let [notice] = notices.as_slice() else { panic!("{} notices", notices.len()) };
        assert!(
            notice.text.contains("更換憑證金鑰，卡片留用") && notice.text.contains("move to its other keys")
        );
        assert!(notice.text.contains(&card.as_str()[5..]) && !notice.text.contains(card.as_str()));
        assert_eq!(counter.stage(number).await, RecallStage::Called);
        // The doubted key authorises nothing any more, and there is nothing to do without the card.
        let asked = wish(&counter);
        let by_old_key = counter.sign(&asked, KeySlot::SigningRsa);
        let result = counter.ra.act(Channel::Online, &asked, &by_old_key, Some(counter.reader()), now).await;
        assert_eq!(refused(result), "RA-E-SIGNATURE");
        let result = counter.ra.act(Channel::Online, &asked, &by_code, None, now).await;
        assert_eq!(refused(result), "RA-E-NO-CARD");

        // The card is taken out in the middle: it is certified, still called in, and nobody says that it is done.
        let torn = Torn { card: counter.reader(), left: 6 };
        let result = counter.ra.act(Channel::Online, &asked, &by_code, Some(Box::new(torn)), now).await;
        assert_eq!(refused(result), "MGMT-E-CARD");
        assert_eq!(counter.world.certificate_states(card).await, ["suspended"; 4]);
        let listed = counter.listed(number).await;
        assert_eq!((listed.certified, listed.rekeyed), (true, false));
        assert!(counter.world.mgmt.close_recall(number, "anna", now).await.is_err(), "it waits");
        counter.world.now = days_later(now, 1);
        let now = counter.world.now;
        let done = counter.ra.act(Channel::Online, &asked, &by_code, Some(counter.reader()), now).await;
        assert_eq!(done.unwrap().outcome, Outcome::Written(2));
        counter.serves_with(KeyPair::Ec, RevocationReason::KeyCompromise).await;

        // They end when the old ones would have.
        let new = counter.world.npc.certificates_of(card, now).await.unwrap();
        let of = |slot| new.iter().find(|certificate| certificate.slot == slot).unwrap();
        assert_eq!(of(KeySlot::SigningEc).validity, old[0].validity);
        let listed = counter.listed(number).await;
        assert!(listed.rekeyed);
        assert_eq!(counter.stage(number).await, RecallStage::Rekeyed);
        let progress = counter.world.mgmt.recall_progress(number).await.unwrap();
        let counts: Vec<_> = progress.iter().map(|p| (p.cards, p.updated, p.rekeyed, p.waiting)).collect();
        assert_eq!(counts, [(1, 0, 1, 0)]);
        counter.world.mgmt.close_recall(number, "anna", now).await.unwrap();
        let noted = counter.world.mgmt.recall_reports(number).await.unwrap();
        assert_eq!(noted.last().map(|(_, report)| report.rekeyed), Some(1));
        let sql = "SELECT actor FROM audit_entry WHERE action = 'recall-rekey' AND subject = $1";
        let entries = counter.world.dbs[MGMT].all(sql, params![card.as_str()]).await.unwrap();
        let by: Vec<String> = entries.iter().map(|row| row.read(0).unwrap()).collect();
        assert_eq!(by, ["holder"]);

        // From now on the other key authorises. Once is all, and there is no second period: both pairs are used.
        let query = request(Function::QueryStatus, card, Detail::Nothing, now);
        let new_key = counter.sign(&query, KeySlot::SigningEc);
        counter.ra.act(Channel::Online, &query, &new_key, None, now).await.unwrap();
        let again = wish(&counter);
        let result = counter.ra.act(Channel::Online, &again, &by_code, Some(counter.reader()), now).await;
        assert_eq!(refused(result), "RA-E-NO-REKEY");
        counter.world.now = days_later(start(), 5 * 365 - 60);
        let (late, now) =
            (request(Function::Extend, card, Detail::Nothing, counter.world.now), counter.world.now);
        let result = counter.ra.act(Channel::Online, &late, &by_code, Some(counter.reader()), now).await;
        assert_eq!(refused(result), "RA-E-NO-FURTHER-KEYS");
        // The keys that it gave up are no other keys.
        let criteria = MakeCriteria { cards: Some((card, card)), ..MakeCriteria::default() };
        let plan = RecallPlan { criteria, ..counter.world.mgmt.recall(number).await.unwrap().plan };
        let back = counter.world.mgmt.propose_recall(&plan, "anna", now).await.unwrap_err();
        assert_eq!(back.code(), "MGMT-E-RECALL-NO-OTHER-KEYS");
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

/// An incident holds the card's certificates: other keys are no way round it, unless its queue waits for exactly these. The answer and
/// the notice say that the new certificates are on hold.
// proves: NPC-55
#[tokio::test(flavor = "multi_thread")]
async fn a_rekeyed_card_is_held_by_an_incident_as_it_was_but_for_the_queue_of_that() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let (npc, card, now) = (&counter.world.npc, counter.card, counter.world.now);
        let decided = async |measure| {
            let proposed = match measure {
                Measure::Suspend => {
                    let by = "lot 1";
                    npc.propose_incident_for(&[card], by, Cohort::default(), measure, "anna", now).await
                }
                _ => npc.propose_incident(Cohort::default(), measure, "anna", now).await,
            };
            npc.approve_incident(proposed.unwrap().number, "bert", now).await.unwrap().number
        };
        let (queued, other) = (decided(Measure::Suspend).await, decided(Measure::Suspend).await);
        let plan = QueuePlan {
            classes: vec!["everybody".into()],
            per_day: 1,
            offices: [].into(),
            weekdays: vec![1],
            tries: 1,
        };
        npc.open_queue(queued, &plan, "anna", now).await.unwrap();
        counter.recall(RecallLevel::Immediate, None, RevocationReason::KeyCompromise).await;
        let asked = request(Function::Rekey, card, Detail::Nothing, now);
        let by_code = Proof::UserCode(code());
        let act = async || {
            let done = counter.ra.act(Channel::Online, &asked, &by_code, Some(counter.reader()), now).await;
            done.unwrap()
        };
        let done = act().await;
        assert_eq!(done.outcome, Outcome::WrittenOnHold(2));
        let again = act().await;
        assert_eq!(
            (again.outcome, again.receipt, again.repeated),
            (done.outcome, done.receipt.clone(), true)
        );
        let told = told_after(&counter, &done.receipt).await;
        assert!(told.contains("新憑證停用中") && told.contains("are on hold"), "{told}");
        let states = async || counter.world.certificate_states(card).await;
        assert_eq!(states().await, ["revoked", "revoked", "suspended", "suspended"], "the other one's");
        assert_eq!(npc.queue_report(queued).await.unwrap()[0].done, 1);
        decided(Measure::Resume { of: other }).await;
        assert_eq!(states().await, ["revoked", "revoked", "good", "good"], "what the queue waited for");
        counter.serves_with(KeyPair::Ec, RevocationReason::KeyCompromise).await;
        npc.verify_audit(None).await.unwrap();
        counter.close().await;
    })
    .await;
}

/// A scheduled one at the counter, with PIN2; and a card that has all of its certificates, whose curve keys are doubted: it keeps
/// the RSA ones.
// proves: OPEN-13, OPEN-17
#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_rekeyed_at_the_counter_in_either_direction() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let all_slots = mgmt::Config { all_slots: true, ..test_config() };
        let world = World::open_with(&url, &dir, start(), all_slots).await;
        let counter = Counter::of(&url, world, |_| {}).await;
        let (card, now) = (counter.card, counter.world.now);
        // Both kinds serve: without a word which is doubted there is no other.
        let criteria = MakeCriteria { cards: Some((card, card)), ..MakeCriteria::default() };
        let plan = RecallPlan {
            criteria,
            level: RecallLevel::Scheduled,
            treatment: Treatment::Rekey,
            revocation: RevocationReason::Superseded,
            reason: "test".into(),
            cost: None,
            replacement: None,
        };
        let unclear = counter.world.mgmt.propose_recall(&plan, "anna", now).await.unwrap_err();
        assert_eq!(unclear.code(), "MGMT-E-RECALL-NO-OTHER-KEYS");
        let number =
            counter.recall(RecallLevel::Scheduled, Some("secp521r1"), RevocationReason::Superseded).await;
        let listed = counter.listed(number).await;
        assert_eq!((listed.other_keys, listed.certified), (Some(KeyPair::Rsa), true));
        assert_eq!(listed.state, CardState::Active);
        assert_eq!(counter.world.certificate_states(card).await, ["good"; 4]);

        let asked = request(Function::Rekey, card, Detail::Nothing, now);
        let alone =
            counter.ra.act(Channel::Counter, &asked, &counter.clerk(), Some(counter.reader()), now).await;
        assert_eq!(refused(alone), "RA-E-NOT-AUTHORISED", "the holder consents");
        let Proof::Signature(cms) = counter.sign(&asked, KeySlot::SigningRsa) else { panic!("a signature") };
        let proof = counter.clerk_with(Consent::Signature(cms));
        let done = counter.ra.act(Channel::Counter, &asked, &proof, Some(counter.reader()), now).await;
        let done = done.unwrap();
        assert_eq!(done.outcome, Outcome::Written(2));
        assert!(!told_after(&counter, &done.receipt).await.contains("are on hold"));
        counter.serves_with(KeyPair::Rsa, RevocationReason::Superseded).await;
        counter.close().await;
    })
    .await;
}

/// A card whose first period is over, and that was not reissued in time: its other pair serves the second period.
// proves: OPEN-13
#[tokio::test(flavor = "multi_thread")]
async fn after_the_first_period_the_other_keys_serve_the_second() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        counter.world.now = days_later(start(), 6 * 365);
        let (card, now) = (counter.card, counter.world.now);
        let number = counter.recall(RecallLevel::Immediate, None, RevocationReason::KeyCompromise).await;
        let asked = request(Function::Rekey, card, Detail::Nothing, now);
        let by_code = Proof::UserCode(code());
        counter.ra.act(Channel::Online, &asked, &by_code, Some(counter.reader()), now).await.unwrap();
        let states: Vec<_> = counter.states().await.into_iter().map(|(_, state, _)| state).collect();
        assert_eq!(states, ["expired", "expired", "good", "good"]);
        let all = counter.world.npc.certificates_of(card, now).await.unwrap();
        let renewal = counter.world.mgmt.card(card).await.unwrap().renewal.unwrap();
        assert_eq!(RocDate::in_taipei(all[2].validity.not_after), renewal);
        assert!(counter.listed(number).await.rekeyed);
        let more = request(Function::Extend, card, Detail::Nothing, now);
        let result = counter.ra.act(Channel::Online, &more, &by_code, Some(counter.reader()), now).await;
        assert_eq!(refused(result), "RA-E-ALREADY-REISSUED");
        counter.close().await;
    })
    .await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// The program dies at any commit of the three systems, before or after it: the same request finishes the work once, and at no
/// moment is an old certificate good beside a new one of a card that was called in.
// proves: OPEN-13
#[tokio::test(flavor = "multi_thread")]
async fn a_rekey_that_dies_anywhere_is_finished_once() {
    let (_keep, first) = directory();
    let url = |dir: &Path| format!("sqlite:{}/", dir.join("db").display());
    std::fs::create_dir(first.join("db")).unwrap();
    let counter = Counter::open(&url(&first), &first).await;
    let (person, card, now) = (counter.person.clone(), counter.card, counter.world.now);
    let number = counter.recall(RecallLevel::Immediate, None, RevocationReason::KeyCompromise).await;
    counter.close().await;
    let mut deaths = [0; 3];
    for (place, system) in [None, Some(MGMT), Some(NPC)].into_iter().enumerate() {
        for when in [When::BeforeCommit, When::AfterCommit] {
            for n in 1.. {
                let (_keep, dir) = directory();
                copy(&first, &dir);
                let url = url(&dir);
                let mut counter = Counter::there(&url, &dir, person.clone(), card, now).await;
                let asked = request(Function::Rekey, card, Detail::Nothing, now);
                let by_code = Proof::UserCode(code());
                let db = |counter: &Counter| match system {
                    None => counter.db.clone(),
                    Some(system) => counter.world.dbs[system].clone(),
                };
                db(&counter).fail_after(n, when);
                let begun =
                    counter.ra.act(Channel::Online, &asked, &by_code, Some(counter.reader()), now).await;
                let died = db(&counter).revive();
                let what = format!("system {system:?}, commit {n}, {when:?}");
                if died {
                    deaths[place] += 1;
                    counter = counter.reopen(&url, &dir, now).await;
                    let states = counter.states().await;
                    let good = |rsa: bool| {
                        states.iter().any(|(slot, state, _)| slot.is_rsa() == rsa && *state == "good")
                    };
                    assert!(!good(true), "{what}: {states:?}");
                }
                let done =
                    counter.ra.act(Channel::Online, &asked, &by_code, Some(counter.reader()), now).await;
                let done = done.unwrap_or_else(|error| panic!("{what}: {error}"));
                if let Ok(begun) = begun {
                    assert_eq!((begun.receipt, true), (done.receipt, done.repeated), "{what}");
                }
                // What the dead program had claimed is another's after its lease.
                counter.world.mgmt.advance(now + SignedDuration::from_mins(10)).await.unwrap();
                counter.serves_with(KeyPair::Ec, RevocationReason::KeyCompromise).await;
                assert!(counter.listed(number).await.rekeyed, "{what}");
                let sql = "SELECT count(*) FROM audit_entry WHERE action = 'recall-rekey'";
                let noted = counter.world.dbs[MGMT].one(sql, params![]).await.unwrap();
                assert_eq!(noted.read::<i64>(0).unwrap(), 1, "{what}");
                counter.ra.verify_audit().await.unwrap();
                counter.close().await;
                if !died {
                    break;
                }
            }
        }
    }
    assert!(deaths.iter().all(|deaths| *deaths >= 4), "{deaths:?}");
}

/// Two recalls overlap. The one that holds the card is asked, whichever is older, and what it does is done for the other too; where the
/// card is lost in between it is found first.
// proves: OPEN-13
#[tokio::test(flavor = "multi_thread")]
async fn the_recall_that_holds_a_card_has_it_rekeyed_when_it_is_not_lost() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let (card, now) = (counter.card, counter.world.now);
        let slow = counter.recall(RecallLevel::Scheduled, None, RevocationReason::Superseded).await;
        let urgent = counter.recall(RecallLevel::Immediate, None, RevocationReason::KeyCompromise).await;
        let later = counter.recall(RecallLevel::Immediate, None, RevocationReason::Superseded).await;
        let rekey = async || {
            let asked = request(Function::Rekey, card, Detail::Nothing, now);
            let by_code = Proof::UserCode(code());
            counter.ra.act(Channel::Online, &asked, &by_code, Some(counter.reader()), now).await
        };
        counter.online(Function::ReportLoss, Detail::Nothing).await.unwrap();
        assert_eq!(counter.listed(urgent).await.state, CardState::Recalled);
        assert_eq!(refused(rekey().await), "RA-E-NO-REKEY");
        counter.online(Function::WithdrawLoss, Detail::Nothing).await.unwrap();
        assert_eq!(rekey().await.unwrap().outcome, Outcome::Written(2));
        counter.serves_with(KeyPair::Ec, RevocationReason::KeyCompromise).await;
        for number in [slow, urgent, later] {
            assert!(counter.listed(number).await.rekeyed, "{number}");
            counter.world.mgmt.close_recall(number, "anna", now).await.unwrap();
        }
        assert_eq!(refused(rekey().await), "RA-E-NO-REKEY", "once");
        counter.close().await;
    })
    .await;
}

/// One recall doubts one pair of keys and another the other one: what the first gives up the second cannot have the card go on with.
/// It is exchanged, and its holder is told so.
// proves: OPEN-13
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_were_given_up_are_no_way_out_of_another_recall() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let all_slots = mgmt::Config { all_slots: true, ..test_config() };
        let world = World::open_with(&url, &dir, start(), all_slots).await;
        let counter = Counter::of(&url, world, |_| {}).await;
        let (card, now) = (counter.card, counter.world.now);
        let rsa =
            counter.recall(RecallLevel::Immediate, Some("RSA-2048"), RevocationReason::KeyCompromise).await;
        let ec =
            counter.recall(RecallLevel::Immediate, Some("secp521r1"), RevocationReason::Superseded).await;
        assert_eq!(counter.listed(ec).await.other_keys, Some(KeyPair::Rsa));
        let told = async || {
            let which = mgmt::WhichNotices { recall: Some(ec), ..Default::default() };
            let waiting = counter.world.mgmt.notices(&which, 10).await.unwrap();
            waiting.iter().map(|one| one.kind.clone()).collect::<Vec<_>>()
        };
        assert_eq!(told().await, ["recall-rekey"]);
        let asked = request(Function::Rekey, card, Detail::Nothing, now);
        let by_code = Proof::UserCode(code());
        let done = counter.ra.act(Channel::Online, &asked, &by_code, Some(counter.reader()), now).await;
        let done = done.unwrap();
        assert_eq!(done.outcome, Outcome::WrittenOnHold(2), "the other recall holds the card");
        assert!(told_after(&counter, &done.receipt).await.contains("are on hold"));
        assert!(counter.listed(rsa).await.rekeyed);
        let left = counter.listed(ec).await;
        assert_eq!((left.state, left.other_keys, left.rekeyed), (CardState::Recalled, None, false));
        assert_eq!(told().await, ["recall-exchange"]);
        assert_eq!(
            counter.world.certificate_states(card).await,
            ["revoked", "revoked", "suspended", "suspended"]
        );
        let again = request(Function::Rekey, card, Detail::Nothing, now);
        let result = counter.ra.act(Channel::Online, &again, &by_code, Some(counter.reader()), now).await;
        assert_eq!(refused(result), "RA-E-NO-REKEY");
        counter.close().await;
    })
    .await;
}
