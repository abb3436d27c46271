//! What a recall does to people and certificates: each holder is told, as far as that takes, and what waits is revoked.

use mgmt::{
    Contact, Notice, NoticeWay, RecallLevel, RecallPlan, RecallStage, Refusal, RevocationNo, ToldBy,
    Treatment, WhichNotices,
};
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

fn of_recall(number: u64) -> WhichNotices {
    WhichNotices { recall: Some(number), ..WhichNotices::default() }
}

async fn recalled(world: &World, level: RecallLevel) -> u64 {
    let batch = MakeCriteria { lot: Some("N5A-000000".into()), ..MakeCriteria::default() };
    let reason = "測試 test".into();
    let (treatment, revocation) = (Treatment::NewCard, model::RevocationReason::Superseded);
    let plan =
        RecallPlan { criteria: batch, level, treatment, revocation, reason, cost: None, replacement: None };
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
        for notice in mgmt.notices(&WhichNotices::default(), 100).await.expect("lists") {
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
        let waiting = mgmt.notices(&of_recall(number), 100).await.expect("lists");
        assert_eq!(waiting.len(), 3);
        assert!(mgmt.notices(&of_recall(number + 1), 100).await.expect("lists").is_empty());
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
        assert_eq!(mgmt.notices(&of_recall(number), 100).await.expect("lists").len(), 2);
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
            assert_eq!((proposed.reason, &proposed.approved_by, proposed.waiting), (reason, &None, 3));
            let first = proposed.number();
            mgmt.advance(now).await.expect("advances");
            assert_eq!(world.certificate_states(cards[0]).await, ["suspended"; 2], "nobody has approved it");
            let week = later(now, 7 * 24 * 60);
            for (who, at, refusal) in [
                ("anna", now, Refusal::RecallApproval),
                ("", now, Refusal::RecallApproval),
                ("bert", week, Refusal::RecallLapsed),
            ] {
                let refused = mgmt.approve_recall_revocation(first, who, at).await.expect_err("not so");
                assert_eq!(refused.refusal(), Some(refusal), "{who}");
            }
            // Given up for another reason before: revoked for that one.
            mgmt.void_card(cards[2], VoidReason::Recall, CLERK, now).await.expect("voids");
            // Replaced by another reason before anybody approves it: whoever looked at the first one approves no other.
            let compromise = RevocationReason::KeyCompromise;
            let other =
                mgmt.propose_recall_revocation(number, compromise, "carl", now).await.expect("proposes");
            let back = mgmt.propose_recall_revocation(number, reason, "anna", now).await.expect("proposes");
            assert_eq!(
                (other.number().to_string(), back.number().to_string()),
                (format!("{number}.2"), format!("{number}.3"))
            );
            assert_eq!((back.waiting, format!("{number}").parse()), (2, Ok(first)));
            let shown = mgmt.recall_revocations().await.expect("lists");
            assert_eq!(shown, std::slice::from_ref(&back));
            let second = back.number();
            for (of, refusal) in [
                (first, Refusal::RecallReplaced),
                (other.number(), Refusal::RecallReplaced),
                (RevocationNo { proposal: 4, ..first }, Refusal::RecallUnknown),
                (RevocationNo { proposal: 0, ..first }, Refusal::RecallUnknown),
                (RevocationNo { recall: number + 1, proposal: 1 }, Refusal::RecallUnknown),
            ] {
                let refused = mgmt.approve_recall_revocation(of, "bert", now).await.expect_err("not so");
                assert_eq!(refused.refusal(), Some(refusal), "{of}");
            }
            mgmt.approve_recall_revocation(second, "bert", now).await.expect("approves");
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
        let (done, waiting) = (revoked.revoked, revoked.waiting);
        assert_eq!((done, waiting, revoked.approved_by.as_deref()), (2, 0, Some("bert")));
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

/// Notices that nobody can be reached with hide no others: they are listed behind one of them, and by the way that holders chose. Once
/// the card is treated or void there is nothing to tell. Two recalls of the same moment have a notice each.
// proves: RECALL-07
#[tokio::test(flavor = "multi_thread")]
async fn notices_are_listed_page_by_page_and_by_way() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut world = World::open(&url, &dir, start()).await;
        world.restock(4).await;
        let mut cards = Vec::new();
        for number in 1..=4 {
            let way = if number < 4 { NoticeWay::Post } else { NoticeWay::Sms };
            cards.push(world.card_reached(number, reached(way)).await);
        }
        let now = world.now;
        let first = recalled(&world, RecallLevel::Scheduled).await;
        let second = recalled(&world, RecallLevel::Scheduled).await;
        world.mgmt.advance(now).await.expect("advances");
        // As an earlier version has stored them: which recall a notice is of follows from the moment.
        for sql in [
            "DROP INDEX notice_recall",
            "ALTER TABLE notice DROP COLUMN recall",
            "ALTER TABLE recall_revocation DROP COLUMN proposal",
            "DELETE FROM store_migration WHERE version = 16",
        ] {
            world.dbs[4].execute(sql, store::params![]).await.expect("is taken back");
        }
        world.close().await;
        world = World::open(&url, &dir, now).await;
        let mgmt = &world.mgmt;
        let list = async |which: WhichNotices, limit| mgmt.notices(&which, limit).await.expect("lists");
        for number in [first, second] {
            let of: Vec<_> = list(of_recall(number), 100).await.iter().map(|one| one.card).collect();
            assert!(of.len() == 4 && cards.iter().all(|card| of.contains(card)), "{of:?}");
            let persons = mgmt.recall_persons(number, None, 10).await.expect("lists");
            assert_eq!(persons.len(), 4, "each person once");
        }
        // Page by page everything comes once, in the order of the list.
        let all: Vec<_> = list(WhichNotices::default(), 100).await.iter().map(|one| one.id).collect();
        assert_eq!(all.len(), 4 + 8, "to collect, and two recalls");
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = list(WhichNotices { after, ..WhichNotices::default() }, 5).await;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            paged.extend(page.iter().map(|one| one.id));
        }
        assert_eq!(paged, all);
        let unknown = WhichNotices { after: Some(uuid::Uuid::nil()), ..WhichNotices::default() };
        let refused = mgmt.notices(&unknown, 5).await.err().and_then(|error| error.refusal());
        assert_eq!(refused, Some(Refusal::WrongState));
        // The letters of the others do not stand before the one message.
        let by_sms = WhichNotices { way: Some(NoticeWay::Sms), ..of_recall(first) };
        let found = list(by_sms, 1).await;
        assert!(found.len() == 1 && found[0].card == cards[3] && found[0].way == NoticeWay::Sms);
        let by_sms = WhichNotices { after: Some(found[0].id), ..by_sms };
        assert!(list(by_sms, 1).await.is_empty());

        mgmt.void_card(cards[0], VoidReason::Recall, CLERK, now).await.expect("voids");
        assert_eq!(list(of_recall(first), 100).await.len(), 3);
        assert_eq!(list(of_recall(second), 100).await.len(), 3);
        let sql = "UPDATE recall_card SET rekeyed_at = $3 WHERE recall = $1 AND serial = $2";
        let treated = store::params![first as i64, cards[1].as_str(), now];
        assert_eq!(world.dbs[4].execute(sql, treated).await.expect("writes"), 1);
        assert_eq!(list(of_recall(first), 100).await.len(), 2);
        assert_eq!(list(of_recall(second), 100).await.len(), 3, "this recall is not done with it");
        world.close().await;
    })
    .await;
}
