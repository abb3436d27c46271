//! The chip-type register: what it says of real cards, who changes a judgement, and what a stopped type keeps from being made.

use std::collections::BTreeMap;

use chip::{Chip, FileMemory, Interface};
use model::{CardProfile, CardState, ChipRisk};
use production::{CardCentre, Finding, MakeCriteria, ProductionError, ReportKind, face_features};

use crate::support::{CLERK, Hall, directory, lot, manufacturer, order};

const PLANNED: &str = "NE-0144";
const RESERVE: &str = "RS-0180";

impl Hall {
    async fn judge(&self, name: &str, risk: ChipRisk) {
        let proposal = self.centre.propose_chip_risk(name, risk, "test", "officer-1", self.now).await;
        let number = proposal.expect("proposes").number;
        self.centre.approve_chip_risk(number, "officer-2", self.now).await.expect("approves");
    }
}

// proves: CARD-12, CARD-13
#[tokio::test(flavor = "multi_thread")]
async fn cards_know_their_type_and_a_stopped_type_makes_none() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let hall = Hall::open(&url, &dir).await;
        let centre = &hall.centre;
        hall.restock(3).await;
        let (first, card) = hall.paired(1).await;

        // What the register says of the chip is what the chip says of itself.
        let types = centre.chip_types().await.expect("lists");
        assert_eq!(types.iter().map(|t| t.entry.name.as_str()).collect::<Vec<_>>(), [PLANNED, RESERVE]);
        let planned = &types[0];
        assert_eq!(planned.risk, ChipRisk::Normal);
        assert_eq!(centre.cards_by_type().await.expect("counts"), [(PLANNED.to_owned(), 3)].into());
        let memory = FileMemory::open(centre.shelf().path(card.serial)).expect("opens");
        let mut real = Chip::open(Box::new(memory), Box::new(hall.random.clone())).expect("a chip");
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        assert_eq!(planned.atr, hex(real.power_on(Interface::Contact)));
        assert_eq!(planned.ats, hex(real.power_on(Interface::Contactless)));
        drop(real);
        let make = centre.card_make(card.serial).await.expect("known");
        assert_eq!(make.chip_type, PLANNED);
        assert_eq!(make.algorithms.as_deref(), Some("secp521r1, RSA-2048, ecdsa-plain-SHA512"));
        assert!(make.applets.is_some_and(|applets| applets.contains("eid 2.0")));

        // One person alone changes nothing.
        let proposal = centre.propose_chip_risk(PLANNED, ChipRisk::Stopped, "ROCA", "officer-1", hall.now).await;
        let number = proposal.expect("proposes").number;
        let alone = centre.approve_chip_risk(number, "officer-1", hall.now).await;
        assert!(matches!(alone, Err(ProductionError::DualControl(_))));
        assert_eq!(centre.chip_types().await.expect("lists")[0].risk, ChipRisk::Normal);
        let late = crate::support::later(hall.now, 60 * 24 * 7);
        let lapsed = centre.approve_chip_risk(number, "officer-2", late).await;
        assert!(matches!(lapsed, Err(ProductionError::DualControl(_))));
        centre.approve_chip_risk(number, "officer-2", hall.now).await.expect("approves");
        let again = centre.approve_chip_risk(number, "officer-3", hall.now).await;
        assert!(matches!(again, Err(ProductionError::DualControl(_))));
        let stopped = &centre.chip_types().await.expect("lists")[0];
        assert_eq!((stopped.risk, stopped.reason.as_deref()), (ChipRisk::Stopped, Some("ROCA")));
        let sql = "SELECT action FROM audit_entry WHERE subject = $1";
        let events = hall.db.all(sql, store::params![PLANNED]).await.expect("reads");
        let actions: Vec<String> = events.iter().map(|row| row.read(0).expect("text")).collect();
        for action in ["chip-type-register", "chip-risk-propose", "chip-risk-approve"] {
            assert!(actions.iter().any(|found| found == action), "{action}: {actions:?}");
        }

        // Neither received, nor initialised, nor paired; and what is paired gets no personal data.
        let more = production::LotOrder { lot: "L9".into(), first: 10, ..lot(1) };
        let delivery = manufacturer().make(&more, centre.shelf(), hall.now, &hall.random).expect("makes");
        let refused = centre.receive_lot(&delivery, 1, CLERK, hall.now).await;
        assert!(matches!(refused, Err(ProductionError::ChipTypeStopped)), "{refused:?}");
        let package = hall.package(&card, &hall.signer, |_| {}).await;
        hall.deliver(first, &package).await.expect("delivers");
        let second = order(2, CardProfile::National, "6300001000");
        centre.place(&[second], hall.now).await.expect("places");
        centre.work(hall.now).await.expect("works");
        assert_eq!(centre.pair(second.order, hall.now).await.expect("answers"), None);
        assert_eq!(centre.card_state(card.serial).await.expect("known"), CardState::Flawed);
        let reports = centre.reports_after(0, 10).await.expect("answers");
        assert!(
            matches!(reports.as_slice(), [r] if r.order == first && matches!(r.kind, ReportKind::Scrapped { .. }))
        );

        // The reserve goes on, on its own chips.
        centre.restock_type(&manufacturer(), RESERVE, "R5A", 1, CLERK, hall.now).await.expect("receives");
        let reserve = order(3, CardProfile::ReserveP384, "6300001000");
        centre.place(&[reserve], hall.now).await.expect("places");
        centre.work(hall.now).await.expect("works");
        let other = centre.pair(reserve.order, hall.now).await.expect("answers").expect("in stock");
        assert_eq!(centre.card_make(other.serial).await.expect("known").chip_type, RESERVE);
        let selected = centre.cards_of_type(RESERVE).await.expect("lists");
        assert_eq!(selected.iter().map(|make| make.serial).collect::<Vec<_>>(), [other.serial]);

        // Used again, the order that waited is made.
        hall.judge(PLANNED, ChipRisk::Watch).await;
        centre.work(hall.now).await.expect("works");
        assert!(centre.pair(second.order, hall.now).await.expect("answers").is_some());
        centre.verify_audit().await.expect("whole");
    })
    .await;
}

// proves: CARD-12
#[tokio::test(flavor = "multi_thread")]
async fn key_risk_is_assessed_by_two_persons_and_is_due_again_after_the_interval() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let interval = jiff::SignedDuration::from_hours(24 * 30);
        let hall = Hall::open_with(&url, &dir, |config| config.key_assessment_interval = interval).await;
        let (centre, now) = (&hall.centre, hall.now);
        let overdue = async |at| -> Vec<(String, String)> {
            let risks = centre.key_risks(at).await.expect("answers");
            risks.into_iter().filter(|risk| risk.overdue).map(|risk| (risk.name, risk.algorithm)).collect()
        };
        let key = |name: &str, algorithm: &str| (name.to_owned(), algorithm.to_owned());
        let (rsa, curve) = (key(PLANNED, "RSA-2048"), key(PLANNED, "secp521r1"));
        let reserve = [key(RESERVE, "RSA-2048"), key(RESERVE, "secp384r1")];
        // A new country has no keys to assess; with the first chips of a type the interval begins, and not again with later ones.
        assert_eq!(overdue(now + interval * 100).await, []);
        assert!(centre.key_risks(now).await.expect("answers").iter().all(|risk| risk.due.is_none()));
        hall.restock(1).await;
        let first = now;
        let now = now + interval;
        let series = ["N5B", "R5A"];
        for (chip, series) in [PLANNED, RESERVE].into_iter().zip(series) {
            centre.restock_type(&manufacturer(), chip, series, 1, CLERK, now).await.expect("receives");
        }
        let due: Vec<_> = centre.key_risks(now).await.expect("answers").iter().map(|risk| risk.due).collect();
        assert_eq!(
            due,
            [Some(first + interval), Some(first + interval), Some(now + interval), Some(now + interval)]
        );
        assert_eq!(overdue(crate::support::later(now, -1)).await, []);
        assert_eq!(overdue(now).await, [rsa.clone(), curve.clone()]);
        // Another interval, and nobody has looked.
        let now = now + interval;
        let never = [rsa.clone(), curve.clone(), reserve[0].clone(), reserve[1].clone()];
        assert_eq!(overdue(now).await, never);

        let assess = async |algorithm: &str, findings: &str, actor: &str, at| {
            centre.assess_keys(PLANNED, algorithm, ChipRisk::Watch, findings, actor, at).await
        };
        for (algorithm, findings, actor) in
            [("secp384r1", "none", "anna"), ("RSA-2048", " ", "anna"), ("RSA-2048", "none", "")]
        {
            assert!(
                assess(algorithm, findings, actor, now).await.is_err(),
                "{algorithm} {findings:?} {actor:?}"
            );
        }
        let unknown = centre.assess_keys("XX-0000", "RSA-2048", ChipRisk::Normal, "none", "anna", now).await;
        assert!(unknown.is_err());
        // One person alone has assessed nothing; a second one in time has.
        let number =
            assess("RSA-2048", "fingerprints of 10,000 keys", "anna", now).await.expect("enters").number;
        assert_eq!(overdue(now).await, never);
        let late = crate::support::later(now, 60 * 24 * 7);
        for (who, at) in [("anna", now), ("", now), ("bert", late)] {
            let refused = centre.approve_key_assessment(number, who, at).await;
            assert!(matches!(refused, Err(ProductionError::DualControl(_))), "{who}");
        }
        centre.approve_key_assessment(number, "bert", now).await.expect("approves");
        let again = centre.approve_key_assessment(number, "carl", now).await;
        assert!(matches!(again, Err(ProductionError::DualControl(_))));
        assert_eq!(overdue(now).await, never[1..]);
        let risks = centre.key_risks(now).await.expect("answers");
        let last = risks[0].last.as_ref().expect("assessed");
        assert_eq!((last.result, last.assessed_by.as_str()), (ChipRisk::Watch, "anna"));
        assert_eq!((last.approved_by.as_deref(), last.assessed_at), (Some("bert"), now));
        assert_eq!(risks[0].due, Some(now + interval));
        // The judgement of the type is another decision.
        assert_eq!(centre.chip_types().await.expect("lists")[0].risk, ChipRisk::Normal);

        // Due again when the interval is over, and not before; the last one counts.
        let end = now + interval;
        assert_eq!(overdue(crate::support::later(end, -1)).await, never[1..]);
        assert_eq!(overdue(end).await, never);
        let second = assess("RSA-2048", "the same", "bert", end).await.expect("enters").number;
        centre.approve_key_assessment(second, "anna", end).await.expect("approves");
        assert_eq!(overdue(end).await, never[1..]);
        // One that was entered before the one that counts would never count: nobody approves it, and those of other keys stay.
        let older = assess("RSA-2048", "the first of two", "anna", end).await.expect("enters");
        let other = assess("secp521r1", "other keys", "anna", end).await.expect("enters");
        let newer = assess("RSA-2048", "the second of two", "anna", end).await.expect("enters");
        centre.approve_key_assessment(newer.number, "bert", end).await.expect("approves");
        let refused = centre.approve_key_assessment(older.number, "bert", end).await;
        assert!(matches!(refused, Err(ProductionError::DualControl(_))));
        let all = centre.key_assessments().await.expect("lists");
        assert!(older.outdone(&all) && !other.outdone(&all));
        assert_eq!(all.len(), 5);
        let sql =
            "SELECT action FROM audit_entry WHERE subject = $1 AND action LIKE 'key-assess%' ORDER BY seq";
        let events = hall.db.all(sql, store::params![PLANNED]).await.expect("reads");
        let actions: Vec<String> = events.iter().map(|row| row.read(0).expect("text")).collect();
        let (enter, approve) = ("key-assess", "key-assess-approve");
        assert_eq!(actions, [enter, approve, enter, approve, enter, enter, enter, approve]);
    })
    .await;
}

// proves: RECALL-01
#[tokio::test(flavor = "multi_thread")]
async fn cards_are_selected_by_what_they_are_made_of_and_when_and_in_which_batch() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut hall = Hall::open(&url, &dir).await;
        hall.restock(2).await;
        let first = hall.paired(1).await.1.serial;
        // Another batch, another type, another day.
        hall.now = crate::support::later(hall.now, 24 * 60);
        let centre = &hall.centre;
        centre.restock_type(&manufacturer(), RESERVE, "R5A", 1, CLERK, hall.now).await.expect("receives");
        let reserve = order(2, CardProfile::ReserveP384, "6300001000");
        centre.place(&[reserve], hall.now).await.expect("places");
        centre.work(hall.now).await.expect("works");
        let other = centre.pair(reserve.order, hall.now).await.expect("answers").expect("in stock").serial;

        let all: Vec<_> = centre.shelf().cards().expect("lists").into_iter().collect();
        assert_eq!(all.len(), 3);
        let blank = *all.iter().find(|serial| ![first, other].contains(serial)).expect("a blank");
        let chosen = async |criteria: MakeCriteria| -> Vec<_> {
            let found = centre.select(&criteria).await.expect("selects");
            found.into_iter().map(|make| make.serial).collect()
        };
        let sorted = |mut cards: Vec<_>| {
            cards.sort();
            cards
        };
        let entry = async |name: &str| {
            let types = centre.chip_types().await.expect("lists");
            types.into_iter().find(|t| t.entry.name == name).expect("known").entry
        };
        let (planned, reserved) = (entry(PLANNED).await, entry(RESERVE).await);
        let some = |text: &str| Some(text.to_owned());
        let none = MakeCriteria::default;
        let of_planned = sorted(vec![first, blank]);
        assert_eq!(chosen(MakeCriteria { chip_type: some(PLANNED), ..none() }).await, of_planned);
        assert_eq!(chosen(MakeCriteria { lot: some("N5A-000000"), ..none() }).await, of_planned);
        assert_eq!(chosen(MakeCriteria { lot: some("R5A-000000"), ..none() }).await, [other]);
        assert_ne!(planned.manufacturer, reserved.manufacturer);
        assert_eq!(
            chosen(MakeCriteria { manufacturer: some(&reserved.manufacturer), ..none() }).await,
            [other]
        );
        assert_eq!(chosen(MakeCriteria { algorithm: some("secp521r1"), ..none() }).await, [first]);
        assert_eq!(
            chosen(MakeCriteria { algorithm: some("RSA-2048"), ..none() }).await,
            sorted(vec![first, other]),
            "both have it; a blank has no keys"
        );
        let applet = &planned.applets[0];
        let version = format!("{} {}", applet.name, applet.version);
        assert!(chosen(MakeCriteria { applet: some(&version), ..none() }).await.contains(&first));
        assert_eq!(
            chosen(MakeCriteria { applet: some(&applet.name), ..none() }).await,
            [],
            "with its version"
        );
        // A card is made when its keys are.
        let day = model::RocDate::in_taipei(hall.now);
        assert_eq!(chosen(MakeCriteria { made_from: Some(day), ..none() }).await, [other]);
        let before: model::RocDate = day.date().yesterday().expect("a day").into();
        assert_eq!(chosen(MakeCriteria { made_to: Some(before), ..none() }).await, [first]);
        let between = MakeCriteria { made_from: Some(before), made_to: Some(day), ..none() };
        assert_eq!(chosen(between).await, sorted(vec![first, other]));
        // A range of serial numbers, of one card too; not across series, and not backwards.
        let range = |first, last| MakeCriteria { cards: Some((first, last)), ..none() };
        let (low, high) = (first.min(blank), first.max(blank));
        assert_eq!(chosen(range(low, high)).await, of_planned);
        for one in [first, blank, other] {
            assert_eq!(chosen(range(one, one)).await, [one]);
        }
        for (from, to) in [(high, low), (low.min(other), low.max(other))] {
            let refused = centre.select(&range(from, to)).await;
            assert!(matches!(refused, Err(ProductionError::Selection)), "{refused:?}");
        }
        // All that is given must hold; what nobody has selects nobody; nothing given is no selection.
        let both = MakeCriteria { chip_type: some(PLANNED), made_from: Some(day), ..none() };
        assert_eq!(chosen(both).await, []);
        assert_eq!(chosen(MakeCriteria { manufacturer: some("nobody"), ..none() }).await, []);
        let nothing = centre.select(&none()).await;
        assert!(matches!(nothing, Err(ProductionError::Selection)), "{nothing:?}");
    })
    .await;
}

// proves: CARDFACE-16
#[tokio::test(flavor = "multi_thread")]
async fn no_card_is_made_of_a_lot_whose_face_was_not_inspected() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let hall = Hall::open_with(&url, &dir, |config| config.inspect_face = true).await;
        let centre = &hall.centre;
        hall.restock(1).await;
        let wanted = order(1, CardProfile::National, "6300001000");
        centre.place(&[wanted], hall.now).await.expect("places");
        centre.work(hall.now).await.expect("works");
        assert_eq!(centre.pair(wanted.order, hall.now).await.expect("answers"), None, "not inspected");

        let chosen = face_features().iter().filter(|feature| feature.chosen);
        let good: BTreeMap<_, _> = chosen.map(|feature| (feature.code.clone(), Finding::Good)).collect();
        let lot = "N5A-000000";
        let mut open = good.clone();
        open.remove("microtext");
        let refused = centre.inspect_lot(lot, &open, "inspector", hall.now).await;
        assert!(matches!(refused, Err(ProductionError::Inspection(_))), "{refused:?}");
        centre.work(hall.now).await.expect("works");
        assert_eq!(centre.pair(wanted.order, hall.now).await.expect("answers"), None, "an answer is missing");

        assert_eq!(centre.inspect_lot(lot, &good, "inspector", hall.now).await.expect("passes"), [""; 0]);
        centre.work(hall.now).await.expect("works");
        assert!(centre.pair(wanted.order, hall.now).await.expect("answers").is_some());

        // A faulty lot stays out, whatever is answered later.
        centre.restock(&manufacturer(), "N5A", 1, CLERK, hall.now).await.expect("receives");
        let mut faulty = good.clone();
        faulty.insert("ovd".into(), Finding::Faulty);
        assert_eq!(
            centre.inspect_lot("N5A-000001", &faulty, "inspector", hall.now).await.expect("answers"),
            ["ovd"]
        );
        assert!(centre.inspect_lot("N5A-000001", &good, "inspector", hall.now).await.is_err());
        let next = order(2, CardProfile::National, "6300001000");
        centre.place(&[next], hall.now).await.expect("places");
        centre.work(hall.now).await.expect("works");
        assert_eq!(centre.pair(next.order, hall.now).await.expect("answers"), None);
    })
    .await;
}
