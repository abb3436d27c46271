//! A recall from the proposal to its records: whom it concerns, who decides, what becomes of each card, how far offices are.

use mgmt::{Decision, KeyPair, NewApplication, RecallLevel, RecallPlan, Refusal, Treatment};
use model::{
    ApplicationKind, ApplicationState, CardProfile, CardSerial, CardState, CaseNo, ChipRisk, OfficeCode,
    RevocationReason, VoidReason,
};
use production::{Interface, MakeCriteria};
use store::params;
use terminal::Verdict;

use crate::world::{CLERK, World, application, directory, later, office, person, start};

fn plan(criteria: MakeCriteria, level: RecallLevel, treatment: Treatment) -> RecallPlan {
    let revocation = RevocationReason::Superseded;
    let (reason, cost) = ("測試 test".into(), Some(1_200_000));
    RecallPlan { criteria, level, treatment, revocation, reason, cost, replacement: None }
}

impl World {
    /// A card in its holder's hands that another office gave out.
    async fn card_at(&self, number: u8, office: OfficeCode) -> CardSerial {
        let person = self.person(number).await;
        let mut wish = application(&person);
        wish.office = office;
        let no = self.mgmt.submit(wish, CLERK, self.now).await.expect("submits");
        self.produce(no).await.expect("is produced");
        self.mgmt.hand_over(no, CLERK, self.now).await.expect("is handed over").serial
    }

    async fn state(&self, serial: CardSerial) -> CardState {
        self.mgmt.card(serial).await.expect("a card").state
    }
}

// proves: RECALL-01, RECALL-02, RECALL-03, RECALL-11, RECALL-12, OPEN-13
#[tokio::test(flavor = "multi_thread")]
async fn a_recall_is_decided_by_two_and_followed_card_by_card() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        let here = office(&person(1));
        let there =
            registry::offices().map(|office| office.code).find(|code| *code > here).expect("an office");
        // A batch of two, one more batch of one.
        world.restock(2).await;
        let (first, second) = (world.card_at(1, here).await, world.card_at(2, there).await);
        world.restock(1).await;
        let other = world.card_at(3, here).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        let batch = MakeCriteria { lot: Some("N5A-000000".into()), ..MakeCriteria::default() };
        let urgent = plan(batch.clone(), RecallLevel::Immediate, Treatment::Update);

        let no_reason = RecallPlan { reason: " ".into(), ..urgent.clone() };
        let refused = mgmt.propose_recall(&no_reason, "anna", now).await.expect_err("no reason");
        assert_eq!(refused.refusal(), Some(Refusal::RecallEmpty));
        let everybody = RecallPlan { criteria: MakeCriteria::default(), ..urgent.clone() };
        assert!(mgmt.propose_recall(&everybody, "anna", now).await.is_err());
        let nobody = MakeCriteria { lot: Some("N5A-999999".into()), ..MakeCriteria::default() };
        let nobody = RecallPlan { criteria: nobody, ..urgent.clone() };
        let nobody = mgmt.propose_recall(&nobody, "anna", now).await.expect("proposes");
        let refused = mgmt.approve_recall(nobody.number, "bert", now).await.expect_err("concerns nobody");
        assert_eq!((nobody.cards, refused.refusal()), (0, Some(Refusal::RecallEmpty)));

        // OPEN-13: the software of these chips lies in ROM, until a type is registered that takes another version.
        let refused = mgmt.propose_recall(&urgent, "anna", now).await.expect_err("not patchable");
        assert_eq!(refused.refusal(), Some(Refusal::RecallNotPatchable));
        let exchanged = RecallPlan { treatment: Treatment::NewCard, ..urgent.clone() };
        assert_eq!(mgmt.propose_recall(&exchanged, "anna", now).await.expect("proposes").cards, 2);
        let types = world.centre.chip_types().await.expect("lists");
        let planned = types.into_iter().find(|chip| chip.entry.name == "NE-0144").expect("registered");
        let patchable = production::ChipTypeEntry { patchable: true, ..planned.entry };
        world.centre.register_chip_type(&patchable, "officer-1", now).await.expect("registers");

        // The list and its number stand before anybody approves, and nothing has happened to a card.
        let proposed = mgmt.propose_recall(&urgent, "anna", now).await.expect("proposes");
        let number = proposed.number;
        assert_eq!((proposed.cards, &proposed.plan), (2, &urgent));
        let listed = async |office| -> Vec<CardSerial> {
            let cards = mgmt.recall_cards(number, office, None, 10).await.expect("lists");
            cards.into_iter().map(|card| card.serial).collect()
        };
        let mut both = vec![first, second];
        both.sort();
        assert_eq!(listed(None).await, both);
        assert_eq!(listed(Some(there)).await, [second]);
        mgmt.advance(now).await.expect("advances");
        assert_eq!(world.state(first).await, CardState::Active);
        // RECALL-03: two persons, in time, once.
        let week = later(now, 7 * 24 * 60);
        for (who, at, refusal) in [
            ("anna", now, Refusal::RecallApproval),
            ("", now, Refusal::RecallApproval),
            ("bert", week, Refusal::RecallLapsed),
        ] {
            let refused = mgmt.approve_recall(number, who, at).await.expect_err("not so");
            assert_eq!(refused.refusal(), Some(refusal), "{who}");
        }
        assert!(proposed.lapsed(week) && !proposed.lapsed(later(week, -1)));
        let approved = mgmt.approve_recall(number, "bert", now).await.expect("approves");
        assert_eq!(approved.approved_by.as_deref(), Some("bert"));
        assert!(mgmt.approve_recall(number, "carl", now).await.is_err());

        // Called in: not to be accepted, certificates on hold, holders told; the other batch has nothing to do with it.
        assert_eq!(mgmt.advance(now).await.expect("advances"), 2);
        for serial in [first, second] {
            assert_eq!(world.state(serial).await, CardState::Recalled);
            assert_eq!(world.certificate_states(serial).await, ["suspended"; 2]);
        }
        assert_eq!(world.state(other).await, CardState::Active);
        let refused = mgmt.cards_not_to_be_accepted(now).await.expect("lists");
        assert_eq!(refused, both.iter().map(|card| (*card, CardState::Recalled)).collect::<Vec<_>>());
        // Listed until no reader accepts them for their date, nor one whose clock is behind.
        let renewal = mgmt.card(first).await.expect("a card").renewal.expect("an adult's").date();
        let on = |days: i64| {
            let day = renewal.checked_add(jiff::Span::new().days(days)).expect("a day");
            day.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8))).expect("a time").timestamp()
        };
        for (days, listed) in [(0, 2), (30, 2), (31, 0)] {
            let refused = mgmt.cards_not_to_be_accepted(on(days)).await.expect("lists");
            assert_eq!(refused.len(), listed, "{days} days after the date of renewal");
        }
        let sql = "SELECT count(*) FROM notice WHERE kind = 'recall-update'";
        assert_eq!(
            world.dbs[4].one(sql, params![]).await.expect("counts").read::<i64>(0).expect("a number"),
            2
        );
        assert_eq!(mgmt.advance(now).await.expect("advances"), 0, "once");

        // One is updated at the other office, one is given up.
        let treat = async |serial, version: &str| {
            mgmt.treat_card(number, serial, version, (there, "clerk-2"), now).await.map_err(|e| e.refusal())
        };
        assert_eq!(treat(other, "eid 2.1").await, Err(Some(Refusal::WrongState)), "not of this recall");
        assert_eq!(treat(first, " ").await, Err(Some(Refusal::WrongState)), "to no version");
        assert_eq!(treat(first, "eid 2.1").await, Ok(()));
        assert_eq!(treat(first, "eid 2.1").await, Err(Some(Refusal::WrongState)), "once");
        assert_eq!(world.state(first).await, CardState::Active);
        assert_eq!(world.certificate_states(first).await, ["good"; 2]);
        let progress = async || -> Vec<_> {
            let progress = mgmt.recall_progress(number).await.expect("reports");
            progress.into_iter().map(|p| (p.office, p.cards, p.updated, p.exchanged, p.waiting)).collect()
        };
        assert_eq!(progress().await, [(here, 1, 1, 0, 0), (there, 1, 0, 0, 1)]);
        let refused = mgmt.close_recall(number, "anna", now).await.expect_err("one waits");
        assert_eq!(refused.refusal(), Some(Refusal::RecallWaits));
        let tomorrow = later(now, 24 * 60);
        mgmt.advance(tomorrow).await.expect("advances");
        mgmt.void_card(second, VoidReason::Recall, "clerk-2", tomorrow).await.expect("voids");
        assert_eq!(progress().await, [(here, 1, 1, 0, 0), (there, 1, 0, 1, 0)]);

        // A scheduled one leaves cards valid; what is void is no more in it.
        let kind = MakeCriteria { chip_type: Some("NE-0144".into()), ..MakeCriteria::default() };
        let slow = plan(kind, RecallLevel::Scheduled, Treatment::NewCard);
        let slow = mgmt.propose_recall(&slow, "bert", tomorrow).await.expect("proposes");
        assert_eq!(slow.cards, 2);
        mgmt.approve_recall(slow.number, "anna", tomorrow).await.expect("approves");
        mgmt.advance(tomorrow).await.expect("advances");
        assert_eq!(world.state(other).await, CardState::Active);
        assert_eq!(world.certificate_states(other).await, ["good"; 2]);
        let wrong = mgmt.treat_card(slow.number, other, "eid 2.1", (here, CLERK), tomorrow).await;
        assert_eq!(wrong.map_err(|e| e.refusal()), Err(Some(Refusal::WrongState)), "a new card was decided");

        mgmt.close_recall(number, "anna", tomorrow).await.expect("closes");
        let again = mgmt.close_recall(number, "anna", tomorrow).await.expect_err("is closed");
        assert_eq!(again.refusal(), Some(Refusal::WrongState));

        // The records stay, for another program years later.
        world.close().await;
        world = World::open(&url, &dir, tomorrow).await;
        let mgmt = &world.mgmt;
        let kept = mgmt.recall(number).await.expect("is kept");
        assert_eq!((kept.plan, kept.cards, kept.closed_at), (urgent, 2, Some(tomorrow)));
        assert_eq!(mgmt.recalls().await.expect("lists").len(), 4);
        let cards = mgmt.recall_cards(number, None, None, 10).await.expect("lists");
        let updated = cards.iter().find(|card| card.serial == first).expect("is kept");
        assert_eq!(updated.updated_to.as_deref(), Some("eid 2.1"));
        let reports = mgmt.recall_reports(number).await.expect("are kept");
        let told: Vec<_> = reports.iter().map(|(day, p)| (day.iso(), p.office, p.waiting)).collect();
        let days = ["2026-07-01", "2026-07-02"];
        let [on_the_first, on_the_second] = days.map(str::to_owned);
        assert_eq!(
            told,
            [
                (on_the_first.clone(), here, 1),
                (on_the_first, there, 1),
                (on_the_second.clone(), here, 0),
                (on_the_second, there, 0)
            ]
        );
        let subject = format!("recall-{number}");
        let sql = "SELECT action, actor FROM audit_entry WHERE subject = $1 ORDER BY seq";
        let entries = world.dbs[4].all(sql, params![subject]).await.expect("reads");
        let entries: Vec<(String, String)> =
            entries.iter().map(|row| (row.read(0).expect("text"), row.read(1).expect("text"))).collect();
        let expected = [("recall-propose", "anna"), ("recall-approve", "bert"), ("recall-close", "anna")];
        assert_eq!(entries, expected.map(|(action, actor)| (action.to_owned(), actor.to_owned())));
        world.close().await;
    })
    .await;
}

/// Which cards of a recall have other keys to go on with: those whose doubted keys serve, if the others are free. Whoever has no
/// certificates, or has lost the card, waits for another one.
// proves: OPEN-13
#[tokio::test(flavor = "multi_thread")]
async fn a_recall_marks_the_cards_that_have_other_keys() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        world.restock(4).await;
        let here = office(&person(1));
        let with = world.card_at(1, here).await;
        let without = {
            let person = world.person(2).await;
            let wish = mgmt::NewApplication { wants_certificate: false, ..application(&person) };
            let no = world.mgmt.submit(wish, CLERK, world.now).await.expect("submits");
            world.produce(no).await.expect("is produced");
            world.mgmt.hand_over(no, CLERK, world.now).await.expect("is handed over").serial
        };
        let lost = world.card_at(3, here).await;
        world.mgmt.report_loss(lost, CLERK, world.now).await.expect("is reported");
        // As if it had been certified with its curve keys first.
        let curves = world.card_at(4, here).await;
        for (old, new) in [("signing_rsa", "signing_ec"), ("encryption_rsa", "encryption_ec")] {
            let sql = "UPDATE card_certificate SET slot = $3 WHERE serial = $1 AND slot = $2";
            let values = params![curves.as_str(), old, new];
            assert_eq!(world.dbs[4].execute(sql, values).await.expect("writes"), 1);
        }
        let marks = async |world: &World, algorithm: Option<&str>| -> Result<Vec<_>, _> {
            let criteria = MakeCriteria {
                chip_type: Some("NE-0144".into()),
                algorithm: algorithm.map(str::to_owned),
                ..MakeCriteria::default()
            };
            let plan = plan(criteria, RecallLevel::Scheduled, Treatment::Rekey);
            let proposed = world.mgmt.propose_recall(&plan, "anna", world.now).await?;
            let cards = world.mgmt.recall_cards(proposed.number, None, None, 10).await?;
            Ok::<_, mgmt::MgmtError>(cards.into_iter().map(|card| (card.serial, card.other_keys)).collect())
        };
        let sorted = |mut all: Vec<(CardSerial, Option<KeyPair>)>| {
            all.sort_by_key(|(serial, _)| *serial);
            all
        };
        let (rsa, ec) = (Some(KeyPair::Rsa), Some(KeyPair::Ec));
        for (algorithm, of_with, of_lost, of_curves) in
            [(None, ec, ec, rsa), (Some("RSA-2048"), ec, ec, None), (Some("secp521r1"), None, None, rsa)]
        {
            let expected = vec![(with, of_with), (without, None), (lost, of_lost), (curves, of_curves)];
            let marked = marks(&world, algorithm).await.expect("proposes");
            assert_eq!(marked, sorted(expected), "{algorithm:?}");
        }
        // RSA serves no second period.
        world.now = later(world.now, 60 * 24 * (5 * 365 + 3));
        let expected = sorted(vec![(with, ec), (without, None), (lost, ec), (curves, None)]);
        assert_eq!(marks(&world, None).await.expect("proposes"), expected);
        let none = marks(&world, Some("secp521r1")).await.expect_err("nobody has any");
        assert_eq!(none.refusal(), Some(Refusal::RecallNoOtherKeys));

        // Called in: who has other keys is told to bring the card, who has none to apply for another.
        let (mgmt, now) = (&world.mgmt, world.now);
        let criteria = MakeCriteria { chip_type: Some("NE-0144".into()), ..MakeCriteria::default() };
        let plan = plan(criteria, RecallLevel::Immediate, Treatment::Rekey);
        let number = mgmt.propose_recall(&plan, "anna", now).await.expect("proposes").number;
        mgmt.approve_recall(number, "bert", now).await.expect("approves");
        mgmt.advance(now).await.expect("advances");
        let told = async |kind: &str| -> i64 {
            let sql = "SELECT count(*) FROM notice WHERE kind = $1";
            world.dbs[4].one(sql, params![kind]).await.expect("counts").read(0).expect("a number")
        };
        assert_eq!((told("recall-rekey").await, told("recall-exchange").await), (2, 2));
        // No clerk says that it is done, and nothing is done to a card that is lost.
        use mgmt::CardManagement;
        let treated = mgmt.treat_card(number, with, "eid 2.1", (here, CLERK), now).await;
        assert_eq!(treated.map_err(|e| e.refusal()), Err(Some(Refusal::WrongState)));
        for card in [with, without, lost] {
            let said = mgmt.note_rekeyed(card, number, CLERK, now).await;
            assert_eq!(said.map_err(|e| e.refusal()), Err(Some(Refusal::WrongState)), "{card}");
        }
        let case = mgmt.rekey_case(with).await.expect("answers").expect("is decided");
        assert_eq!((case.recall, case.pair, case.done), (number, KeyPair::Ec, false));
        for card in [without, lost] {
            assert_eq!(mgmt.rekey_case(card).await.expect("answers"), None, "{card}");
        }
        let progress = mgmt.recall_progress(number).await.expect("reports");
        assert_eq!(
            progress.iter().map(|office| (office.rekeyed, office.waiting)).collect::<Vec<_>>(),
            [(0, 4)]
        );
        world.close().await;
    })
    .await;
}

/// The list of cards that are not to be accepted and the counts by state are made each minute: an index has them, however many
/// cards there are.
#[tokio::test(flavor = "multi_thread")]
async fn cards_are_found_by_their_state_without_reading_all() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        let db = &world.dbs[4];
        let states = params!["suspended", "recalled", "void", "destroyed", "2026-11-23"];
        let plan = async |sql: &'static str, values: &[store::Value<'_>]| -> String {
            let mut tx = db.begin().await.expect("begins");
            let rows = if db.engine() == store::Engine::Sqlite {
                tx.all(store::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")), values).await
            } else {
                // Of an empty table everything is read at once, unless that is forbidden.
                tx.execute("SET LOCAL enable_seqscan = off", params![]).await.expect("set");
                tx.all(store::AssertSqlSafe(format!("EXPLAIN {sql}")), values).await
            };
            let column = usize::from(db.engine() == store::Engine::Sqlite) * 3;
            let steps = rows.expect("explains");
            let steps = steps.iter().map(|row| row.read::<String>(column).expect("a step"));
            steps.collect::<Vec<_>>().join("\n")
        };
        for (sql, values) in [(mgmt::NOT_ACCEPTED, states), (mgmt::CARD_COUNTS, &[])] {
            let plan = plan(sql, values).await;
            assert!(plan.contains("card_state"), "{sql}: {plan}");
        }
        world.close().await;
    })
    .await;
}

impl World {
    /// A recall of everything, or of one batch, approved.
    async fn decided(&self, lot: Option<&str>, level: RecallLevel, treatment: Treatment) -> u64 {
        let criteria = MakeCriteria {
            chip_type: Some("NE-0144".into()),
            lot: lot.map(str::to_owned),
            ..MakeCriteria::default()
        };
        let plan = plan(criteria, level, treatment);
        let number = self.mgmt.propose_recall(&plan, "anna", self.now).await.expect("proposes").number;
        self.mgmt.approve_recall(number, "bert", self.now).await.expect("approves");
        self.mgmt.advance(self.now).await.expect("advances");
        number
    }
}

/// A card that two recalls have called in is treated in both before it is what it was, in whichever order; the second one lists it,
/// tells its holder and waits for it.
// proves: RECALL-02, RECALL-07
#[tokio::test(flavor = "multi_thread")]
async fn a_card_leaves_when_every_recall_is_done_with_it() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        let here = office(&person(1));
        world.restock(3).await;
        let (first, second, third) =
            (world.card_at(1, here).await, world.card_at(2, here).await, world.card_at(3, here).await);
        let (mgmt, now) = (&world.mgmt, world.now);
        let types = world.centre.chip_types().await.expect("lists");
        let planned = types.into_iter().find(|chip| chip.entry.name == "NE-0144").expect("registered");
        let patchable = production::ChipTypeEntry { patchable: true, ..planned.entry };
        world.centre.register_chip_type(&patchable, "officer-1", now).await.expect("registers");

        let slow = world.decided(None, RecallLevel::Scheduled, Treatment::Update).await;
        let one = world.decided(None, RecallLevel::Immediate, Treatment::Update).await;
        let two = world.decided(None, RecallLevel::Immediate, Treatment::Update).await;
        for number in [slow, one, two] {
            let which = mgmt::WhichNotices { recall: Some(number), ..mgmt::WhichNotices::default() };
            let told: Vec<_> =
                mgmt.notices(&which, 10).await.expect("lists").iter().map(|n| n.card).collect();
            for card in [first, second, third] {
                assert!(told.contains(&card), "{number} {card}");
            }
            assert_eq!(mgmt.recall(number).await.expect("is kept").cards, 3);
        }
        let treat = async |number, serial| {
            mgmt.treat_card(number, serial, "eid 2.1", (here, CLERK), now).await.expect("treats");
            (world.state(serial).await, world.certificate_states(serial).await.remove(0))
        };
        let (called_in, in_use) =
            ((CardState::Recalled, "suspended".to_owned()), (CardState::Active, "good".to_owned()));
        assert_eq!(treat(one, first).await, called_in);
        assert_eq!(treat(two, first).await, in_use);
        assert_eq!(treat(two, second).await, called_in);
        assert_eq!(treat(slow, second).await, called_in);
        assert_eq!(treat(one, second).await, in_use);
        let waiting = async |number| -> u64 {
            mgmt.recall_progress(number).await.expect("reports").iter().map(|office| office.waiting).sum()
        };
        assert_eq!((waiting(slow).await, waiting(one).await, waiting(two).await), (2, 1, 1));
        mgmt.void_card(third, VoidReason::Recall, CLERK, now).await.expect("voids");
        assert_eq!((waiting(slow).await, waiting(one).await, waiting(two).await), (1, 0, 0));
        mgmt.verify_audit().await.expect("the chain is whole");
        world.close().await;
    })
    .await;
}

/// A new card that is called in while it waits at the office is in nobody's hands: the old one stays its holder's.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_waits_at_the_office_is_called_in_beside_the_old_one() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(1).await;
        let holder = world.person(1).await;
        let old = world.card_of(&holder).await;
        world.restock(1).await;
        let kind = model::ApplicationKind::Renewal;
        let wish = mgmt::NewApplication { kind, ..application(&holder) };
        let no = world.mgmt.submit(wish, CLERK, world.now).await.expect("submits");
        world.produce(no).await.expect("is produced");
        let new = world.mgmt.case(no).await.expect("a case").serial.expect("a card");
        let number = world.decided(Some("N5A-000001"), RecallLevel::Immediate, Treatment::NewCard).await;
        assert_eq!(world.mgmt.recall(number).await.expect("is kept").cards, 1);
        assert_eq!(
            (world.state(new).await, world.state(old).await),
            (CardState::Recalled, CardState::Active)
        );
        use mgmt::CardManagement;
        assert_eq!(world.mgmt.card_in_hands(&holder.id).await.expect("answers"), Some(old));
        world.close().await;
    })
    .await;
}

impl World {
    /// An application of the person with this number that a clerk has approved.
    async fn approved(&self, number: u8, kind: ApplicationKind) -> CaseNo {
        let wish = NewApplication { kind, ..application(&person(number)) };
        let no = self.mgmt.submit(wish, CLERK, self.now).await.expect("submits");
        let approve = Decision::Approve(mgmt::portrait::REVIEW);
        self.mgmt.review(no, approve, CLERK, self.now).await.expect("approves");
        no
    }

    /// Card centre and management, until nothing is left to do.
    async fn settle(&self) {
        while self.mgmt.advance(self.now).await.expect("advances")
            + self.centre.run_line(self.now).await.expect("works")
            > 0
        {}
    }

    async fn judge_reserve(&self, risk: ChipRisk) {
        let proposal = self.centre.propose_chip_risk("RS-0180", risk, "test", "wu", self.now).await;
        let number = proposal.expect("proposes").number;
        self.centre.approve_chip_risk(number, "yang", self.now).await.expect("approves");
    }
}

/// Exchanges because of a recall are a queue of their own beside the ordinary one, come before it at the card centre, and are made on
/// the chip that the recall names.
// proves: RECALL-13, CARD-12
#[tokio::test(flavor = "multi_thread")]
async fn recalled_cards_are_exchanged_first_on_the_chip_that_was_chosen_and_take_nobodys_place() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(2).await;
        let here = office(&person(1));
        let (first, second) = (world.card_at(1, here).await, world.card_at(2, here).await);
        let (mgmt, centre, now) = (&world.mgmt, &world.centre, world.now);

        // New cards are none of the samples', and neither on the type that is called in as such nor on one that is stopped.
        let one = |card| MakeCriteria { cards: Some((card, card)), ..MakeCriteria::default() };
        let type_of = |name: &str| MakeCriteria { chip_type: Some(name.into()), ..MakeCriteria::default() };
        let made_as = |criteria, profile| RecallPlan {
            replacement: Some(profile),
            ..plan(criteria, RecallLevel::Scheduled, Treatment::NewCard)
        };
        let reserve = made_as(one(first), CardProfile::ReserveP384);
        let refused = async |plan: &RecallPlan| {
            let refused = mgmt.propose_recall(plan, "anna", now).await.expect_err("not so");
            assert_eq!(refused.refusal(), Some(Refusal::RecallReplacement), "{plan:?}");
        };
        refused(&made_as(one(first), CardProfile::Interop)).await;
        refused(&made_as(type_of("NE-0144"), CardProfile::National)).await;
        world.judge_reserve(ChipRisk::Stopped).await;
        refused(&reserve).await;
        world.judge_reserve(ChipRisk::Normal).await;
        let propose_and_approve = async |plan: &RecallPlan| {
            let proposed = mgmt.propose_recall(plan, "anna", now).await.expect("proposes");
            assert_eq!(&proposed.plan, plan);
            mgmt.approve_recall(proposed.number, "bert", now).await.expect("approves");
            proposed.number
        };
        let on_reserve = propose_and_approve(&reserve).await;
        let (zh, en) = reserve.treatment_words();
        assert!(zh.contains("RS-0180") && en.contains("reserve-p384 on RS-0180"), "{zh} {en}");
        let as_applied = plan(one(second), RecallLevel::Immediate, Treatment::NewCard);
        propose_and_approve(&as_applied).await;
        mgmt.advance(now).await.expect("advances");

        // Two who applied before the exchanges keep their places, and the exchanges have their own.
        let mut others = Vec::new();
        for number in [3, 4] {
            world.person(number).await;
            others.push(world.approved(number, ApplicationKind::First).await);
        }
        let mut exchanges = Vec::new();
        for number in [1, 2] {
            exchanges.push(world.approved(number, ApplicationKind::Renewal).await);
        }
        assert_eq!(mgmt.batch(1, CLERK, now).await.expect("batches"), [exchanges[0], others[0]]);
        assert_eq!(mgmt.batch(1, CLERK, now).await.expect("batches"), [exchanges[1], others[1]]);
        assert_eq!(mgmt.batch(1, CLERK, now).await.expect("batches"), []);
        let classes =
            world.dbs[3].all("SELECT class FROM card_order ORDER BY case_no DESC LIMIT 4", params![]);
        let classes: Vec<String> =
            classes.await.expect("reads").iter().map(|row| row.read(0).expect("text")).collect();
        assert_eq!(classes, ["recall", "recall", "ordinary", "ordinary"]);

        // One chip of the planned type: the exchange gets it, though somebody else was batched before. The other exchange waits for
        // the reserve, and keeps nobody from a planned chip.
        assert_eq!(centre.wanting(CardProfile::ReserveP384).await.expect("counts"), 1);
        assert_eq!(centre.wanting(CardProfile::National).await.expect("counts"), 3);
        let made = async || {
            let mut made = Vec::new();
            for no in [exchanges[0], exchanges[1], others[0], others[1]] {
                made.push(mgmt.case(no).await.expect("a case").state == ApplicationState::Produced);
            }
            made
        };
        world.settle().await;
        assert_eq!(made().await, [false; 4]);
        world.restock(1).await;
        world.settle().await;
        assert_eq!(made().await, [false, true, false, false]);
        world.restock(1).await;
        world.settle().await;
        assert_eq!(made().await.iter().filter(|made| **made).count(), 2);
        world.restock(1).await;
        world.settle().await;
        assert_eq!(made().await, [false, true, true, true]);
        world.restock_reserve(1).await;
        world.settle().await;
        assert_eq!(made().await, [true; 4]);
        assert_eq!(centre.wanting(CardProfile::ReserveP384).await.expect("counts"), 0);

        // The holder has a card on the reserve chip, and the recall is done with the old one.
        world.produce(exchanges[0]).await.expect("to the counter");
        let handed = mgmt.hand_over(exchanges[0], CLERK, now).await.expect("hands over");
        assert_eq!(handed.voided, [first]);
        assert_eq!(centre.card_make(handed.serial).await.expect("known").chip_type, "RS-0180");
        let card = mgmt.card(handed.serial).await.expect("a card");
        assert_eq!((card.profile, card.state), (CardProfile::ReserveP384, CardState::Active));
        assert_eq!(world.read(handed.serial, Interface::Contact).verdict, Verdict::Verified);
        world.produce(exchanges[1]).await.expect("to the counter");
        let applied = mgmt.hand_over(exchanges[1], CLERK, now).await.expect("hands over").serial;
        assert_eq!(mgmt.card(applied).await.expect("a card").profile, CardProfile::National);
        mgmt.close_recall(on_reserve, "anna", now).await.expect("closes");

        // The next card of the same person is exchanged for no recall.
        let next = world.approved(1, ApplicationKind::Renewal).await;
        mgmt.batch(1, CLERK, now).await.expect("batches");
        let sql = "SELECT class FROM card_order WHERE case_no = $1";
        let class = world.dbs[3].one(sql, params![next.as_str()]).await.expect("placed");
        assert_eq!(class.read::<String>(0).expect("text"), "ordinary");
        mgmt.verify_audit().await.expect("whole");
        world.close().await;
    })
    .await;
}
