//! What a recall does to people and certificates: each holder is told, as far as that takes, and what waits is revoked.

use mgmt::{Contact, Notice, NoticeWay, RecallLevel, RecallPlan, RecallStage, Refusal, ToldBy, Treatment};
use model::{CardSerial, RevocationReason, VoidReason};
use production::MakeCriteria;

use crate::world::{CLERK, World, application, directory, later, start};

impl World {
    /// A card in the hands of somebody who is reached like this.
    async fn card_reached(&self, number: u8, contact: Contact) -> CardSerial {
        let wish = mgmt::NewApplication { contact, ..application(&self.person(number).await) };
        let no = self.mgmt.submit(wish, CLERK, self.now).await.expect("submits");
        self.produce(no).await.expect("is produced");
        self.mgmt.hand_over(no, CLERK, self.now).await.expect("is handed over").serial
    }
}

fn reached(way: NoticeWay) -> Contact {
    let mobile = (way != NoticeWay::Post).then(|| "0912345678".to_owned());
    let email = (way == NoticeWay::Email).then(|| "holder@example.test".to_owned());
    Contact { mobile, email, way }
}

async fn recalled(world: &World, level: RecallLevel) -> u64 {
    let batch = MakeCriteria { lot: Some("N5A-000000".into()), ..MakeCriteria::default() };
    let reason = "測試 test".into();
    let (treatment, revocation) = (Treatment::NewCard, model::RevocationReason::Superseded);
    let plan = RecallPlan { criteria: batch, level, treatment, revocation, reason, cost: None };
    let number = world.mgmt.propose_recall(&plan, "anna", world.now).await.expect("proposes").number;
    world.mgmt.approve_recall(number, "bert", world.now).await.expect("approves");
    number
}

/// Each holder is told by SMS or e-mail as chosen, by a clerk who calls where that failed, and by letter without either; who was
/// told, how, when and after how many tries is known for each of them, until the card is exchanged.
// proves: RECALL-07
#[tokio::test(flavor = "multi_thread")]
async fn each_holder_is_told_and_followed() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(3).await;
        let mut cards = Vec::new();
        for (number, way) in [(1, NoticeWay::Sms), (2, NoticeWay::Email), (3, NoticeWay::Post)] {
            cards.push(world.card_reached(number, reached(way)).await);
        }
        let (mgmt, now) = (&world.mgmt, world.now);
        // To collect the card was one notice each, which the office has told.
        for notice in mgmt.notices(None, 100).await.expect("lists") {
            assert_eq!(notice.kind, "collect");
            mgmt.notice_told(notice.id, ToldBy::Post, true, CLERK, now).await.expect("noted");
        }
        let number = recalled(&world, RecallLevel::Scheduled).await;
        let stages = async || -> Vec<_> {
            let persons = mgmt.recall_persons(number, None, 10).await.expect("lists");
            cards
                .iter()
                .map(|card| persons.iter().find(|one| one.serial == *card).expect("listed"))
                .map(|one| (one.stage, one.told_by, one.tries))
                .collect()
        };
        assert_eq!(stages().await, [(RecallStage::Listed, None, 0); 3]);
        mgmt.advance(now).await.expect("advances");
        assert_eq!(stages().await, [(RecallStage::Called, None, 0); 3]);
        let waiting = mgmt.notices(Some(number), 100).await.expect("lists");
        assert_eq!(waiting.len(), 3);
        assert!(mgmt.notices(Some(number + 1), 100).await.expect("lists").is_empty());
        let of =
            |card: CardSerial| -> &Notice { waiting.iter().find(|one| one.card == card).expect("waits") };
        let letter = cards[2].as_str();
        let expected = [
            (NoticeWay::Sms, "0912345678", Some("0912345678")),
            (NoticeWay::Email, "holder@example.test", Some("0912345678")),
            (NoticeWay::Post, letter, None),
        ];
        for (card, (way, to, telephone)) in cards.iter().zip(expected) {
            let notice = of(*card);
            assert_eq!((notice.way, notice.to.as_str(), notice.telephone.as_deref()), (way, to, telephone));
            assert!(notice.text.contains("換發新證") && notice.text.contains("apply for a new one"));
            assert!(notice.text.contains(&card.as_str()[5..]) && !notice.text.contains(card.as_str()));
        }

        let told = async |card, way, reached, at| {
            mgmt.notice_told(of(card).id, way, reached, "gateway", at).await.map_err(|error| error.refusal())
        };
        assert_eq!(told(cards[0], ToldBy::Sms, true, now).await, Ok(()));
        assert_eq!(told(cards[0], ToldBy::Sms, true, now).await, Err(Some(Refusal::WrongState)), "once");
        // The mail comes back twice; a clerk calls.
        for _ in 0..2 {
            assert_eq!(told(cards[1], ToldBy::Email, false, now).await, Ok(()));
        }
        assert_eq!(stages().await[1], (RecallStage::Called, None, 2));
        assert_eq!(mgmt.notices(Some(number), 100).await.expect("lists").len(), 2);
        let tomorrow = later(now, 24 * 60);
        assert_eq!(told(cards[1], ToldBy::Telephone, true, tomorrow).await, Ok(()));
        let persons = mgmt.recall_persons(number, None, 10).await.expect("lists");
        assert!(persons.iter().any(|one| one.serial == cards[1] && one.told_at == Some(tomorrow)));
        mgmt.void_card(cards[0], VoidReason::Recall, CLERK, tomorrow).await.expect("voids");
        let expected = [
            (RecallStage::Exchanged, Some(ToldBy::Sms), 0),
            (RecallStage::Told, Some(ToldBy::Telephone), 2),
            (RecallStage::Called, None, 0),
        ];
        assert_eq!(stages().await, expected);
        world.close().await;
    })
    .await;
}

/// Two persons have the certificates of the cards that wait revoked by serial number; what was given up before is left alone, and it is
/// done once, also if the program dies on the way.
// proves: RECALL-04
#[tokio::test(flavor = "multi_thread")]
async fn the_cards_that_wait_are_revoked_by_serial_number() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        world.restock(3).await;
        let mut cards = Vec::new();
        for number in 1..=3 {
            cards.push(world.card_reached(number, Contact::by_post()).await);
        }
        world.restock(1).await;
        let other = world.card_reached(4, Contact::by_post()).await;
        let now = world.now;
        let number = recalled(&world, RecallLevel::Immediate).await;
        let reason = RevocationReason::Superseded;
        {
            let mgmt = &world.mgmt;
            mgmt.advance(now).await.expect("advances");
            let unknown = mgmt.propose_recall_revocation(number + 1, reason, "anna", now).await;
            assert_eq!(unknown.expect_err("unknown").refusal(), Some(Refusal::RecallUnknown));
            let proposed =
                mgmt.propose_recall_revocation(number, reason, "anna", now).await.expect("proposes");
            assert_eq!((proposed.reason, proposed.approved_by), (reason, None));
            mgmt.advance(now).await.expect("advances");
            assert_eq!(world.certificate_states(cards[0]).await, ["suspended"; 2], "nobody has approved it");
            let week = later(now, 7 * 24 * 60);
            for (who, at, refusal) in [
                ("anna", now, Refusal::RecallApproval),
                ("", now, Refusal::RecallApproval),
                ("bert", week, Refusal::RecallLapsed),
            ] {
                let refused = mgmt.approve_recall_revocation(number, who, at).await.expect_err("not so");
                assert_eq!(refused.refusal(), Some(refusal), "{who}");
            }
            // Given up for another reason before: revoked for that one.
            mgmt.void_card(cards[2], VoidReason::Recall, CLERK, now).await.expect("voids");
            mgmt.approve_recall_revocation(number, "bert", now).await.expect("approves");
            let again = mgmt.propose_recall_revocation(number, reason, "carl", now).await;
            assert_eq!(again.expect_err("is approved").refusal(), Some(Refusal::WrongState));
        }
        // Dead at the second commit of it.
        world.kill_at(4, 2, store::When::BeforeCommit);
        assert!(world.mgmt.advance(now).await.is_err());
        assert!(world.dbs[4].revive());
        world.close().await;
        world = World::open(&url, &dir, later(now, 5)).await;
        let mgmt = &world.mgmt;
        mgmt.advance(world.now).await.expect("advances");
        for card in &cards {
            assert_eq!(world.certificate_states(*card).await, ["revoked"; 2]);
        }
        assert_eq!(world.certificate_states(other).await, ["good"; 2]);
        let revoked = mgmt.recall_revocation(number).await.expect("answers").expect("is kept");
        assert_eq!((revoked.revoked, revoked.approved_by.as_deref()), (2, Some("bert")));
        let certificates = npc::CertificateAuthority::certificates_of(&*world.npc, cards[0], world.now).await;
        for one in certificates.expect("answers") {
            assert!(matches!(one.state, model::CertificateState::Revoked { reason: r, .. } if r == reason));
        }
        let persons = mgmt.recall_persons(number, None, 10).await.expect("lists");
        let reached: Vec<_> = cards
            .iter()
            .map(|card| persons.iter().find(|one| one.serial == *card).expect("listed").revoked)
            .collect();
        assert_eq!(reached, [true, true, false]);
        assert_eq!(mgmt.advance(world.now).await.expect("advances"), 0, "once");
        mgmt.verify_audit().await.expect("the chain is whole");
        world.close().await;
    })
    .await;
}
