//! Certificate barcodes, the carriers of invoices that are aggregated to them, and what receipts charge.

use curve::{Random, SystemRandom};
use jiff::SignedDuration;
use model::{KeySlot, NationalIdNo, RevocationReason, RocDate};
use npc::CertificateAuthority;
use ra::functions::{Channel, Function};
use ra::{
    Ask, Barcode, CarrierInquiry, Charges, Detail, Done, Firm, Inquiry, Outcome, Proof, RaError, UseClass,
};

use crate::certificate_cards::OtherCard;
use crate::firms::Asker;
use crate::support::{Counter, refused, request};
use crate::world::{CLERK, directory};

fn barcode(done: Result<Done, RaError>) -> Barcode {
    let Outcome::Barcode(barcode) = done.unwrap().outcome else { panic!("a barcode") };
    barcode
}

async fn given_to(counter: &Counter, card: &str) -> i64 {
    let sql = "SELECT count(*) FROM barcode WHERE card = $1";
    counter.db.one(sql, store::params![card]).await.unwrap().read(0).unwrap()
}

/// Each card has one barcode, another card another one; whoever may ask sees it, in whichever way the holder is known.
// proves: NPC-65
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_sees_the_barcode_of_the_card() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let now = counter.world.now;
        let first = barcode(counter.online(Function::Barcode, Detail::Nothing).await);
        assert_eq!(barcode(counter.at_counter(Function::Barcode, Detail::Nothing).await), first);
        let asked = request(Function::Barcode, counter.card, Detail::Nothing, now);
        let signed = counter.sign(&asked, KeySlot::SigningRsa);
        let act = async |proof: &Proof| counter.ra.act(Channel::Online, &asked, proof, None, now).await;
        assert_eq!(barcode(act(&signed).await), first);
        // Sent again it is answered again, but to nobody else.
        assert_eq!(barcode(act(&signed).await), first);
        let wrong = Proof::UserCode("wrong11".parse().unwrap());
        assert_eq!(refused(act(&wrong).await), "MGMT-E-USER-CODE-WRONG");
        assert_eq!(refused(act(&Proof::Signature(b"none".to_vec())).await), "RA-E-SIGNATURE");
        let counter = counter.reopen(&url, &dir, now).await;
        assert_eq!(barcode(counter.online(Function::Barcode, Detail::Nothing).await), first);

        // A certificate-only card has it from the moment it is issued, and it is another one, for the same person too.
        let card = OtherCard::new("TWC000001", counter.person.id, None);
        let ask =
            async |card: &OtherCard| card.at_counter(&counter, Function::Barcode, Detail::Nothing).await;
        assert_eq!(refused(ask(&card).await), "RA-E-NO-CERTIFICATE");
        card.issue(&counter).await;
        assert_eq!(given_to(&counter, "TWC000001").await, 1);
        let second = barcode(ask(&card).await);
        assert_ne!(second, first);
        // Two that are asked for at once are one.
        let third = OtherCard::new("TWC000003", counter.person.id, None);
        third.issue(&counter).await;
        let sql = "DELETE FROM barcode WHERE card = $1";
        counter.db.execute(sql, store::params!["TWC000003"]).await.unwrap();
        let (one, other) = tokio::join!(ask(&third), ask(&third));
        assert_eq!(barcode(one), barcode(other));

        // A suspended card keeps it; one that has ended has none to show.
        card.at_counter(&counter, Function::Suspend, Detail::Nothing).await.unwrap();
        assert_eq!(barcode(ask(&card).await), second);
        let reason = Detail::Reason(RevocationReason::Superseded);
        card.at_counter(&counter, Function::Revoke, reason).await.unwrap();
        assert_eq!(refused(ask(&card).await), "RA-E-NO-CERTIFICATE");
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

/// The invoice platform and whom it asks.
struct Platform<'a> {
    counter: &'a Counter,
    asker: Asker,
    name: &'static str,
}

impl<'a> Platform<'a> {
    async fn new(counter: &'a Counter, name: &'static str, classes: Vec<UseClass>) -> Self {
        let platform = Self { counter, asker: Asker::new(counter), name };
        let firm = Firm {
            name: name.into(),
            certificate: platform.asker.certificate.der().to_vec(),
            classes,
            until: RocDate::in_taipei(counter.world.now),
            per_minute: 60,
        };
        counter.ra.register_firm(&firm, CLERK, counter.world.now).await.unwrap();
        platform
    }

    fn inquiry(&self, barcode: Barcode, ask: Ask) -> CarrierInquiry {
        let mut nonce = [0; 16];
        SystemRandom.fill(&mut nonce);
        CarrierInquiry { barcode, ask, at: self.counter.world.now, nonce }
    }

    async fn send(&self, inquiry: &CarrierInquiry) -> Result<bool, &'static str> {
        let signed = self.asker.signed(&inquiry.encode());
        let answer = self.counter.ra.answer_about_barcode(&signed, self.counter.world.now).await;
        answer.map_err(|error| error.code())
    }

    async fn ask(&self, barcode: Barcode, ask: Ask) -> Result<bool, &'static str> {
        self.send(&self.inquiry(barcode, ask)).await
    }

    /// Has the card sign, and asks.
    async fn with_consent(
        &self,
        card: &OtherCard,
        barcode: Barcode,
        ask: fn(String, Vec<u8>) -> Ask,
        carrier: &str,
    ) -> Result<bool, &'static str> {
        let mut inquiry = self.inquiry(barcode, ask(carrier.into(), Vec::new()));
        let words = inquiry.consent(self.name).unwrap();
        inquiry.ask = ask(carrier.into(), card.sign_text(self.counter, &words, inquiry.at).await);
        self.send(&inquiry).await
    }
}

const CARRIER: &str = "1K0001/TRANSIT.20260701";

/// Yes or no to a platform under contract; a carrier is aggregated by the holder's signature alone, and stays the holder's when
/// the card is replaced.
// proves: NPC-65
#[tokio::test(flavor = "multi_thread")]
async fn carriers_are_aggregated_by_the_holders_signature_and_outlive_the_card() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let now = counter.world.now;
        let platform = Platform::new(&counter, "invoice-platform", vec![UseClass::Invoice]).await;
        let bank = Platform::new(&counter, "sample-bank", vec![UseClass::Contract]).await;
        let other = Platform::new(&counter, "other-platform", vec![UseClass::Invoice]).await;
        let resident = NationalIdNo::sample_resident(model::Sex::Female, [1; 9]);
        let own = OtherCard::new("TWC000001", counter.person.id, None);
        let foreign = OtherCard::new("TWF000001", resident, Some("SAMPLE NGUYEN THI"));
        let mut shown = Vec::new();
        for card in [&own, &foreign] {
            card.issue(&counter).await;
            shown.push(barcode(card.at_counter(&counter, Function::Barcode, Detail::Nothing).await));
        }
        let (mine, theirs) = (shown[0], shown[1]);

        // Known and in force, or not; and only for whom the contract is.
        assert_eq!(platform.ask(mine, Ask::InForce).await, Ok(true));
        let nobody = Barcode::sample([1; 16]);
        assert_eq!(platform.ask(nobody, Ask::InForce).await, Ok(false));
        assert_eq!(bank.ask(mine, Ask::InForce).await, Err("RA-E-FIRM-CONTRACT"));
        let once = platform.inquiry(mine, Ask::InForce);
        assert_eq!(platform.send(&once).await, Ok(true));
        assert_eq!(platform.send(&once).await, Err("RA-E-FIRM-MESSAGE"), "sent before");
        let old =
            CarrierInquiry { at: now - SignedDuration::from_mins(6), ..platform.inquiry(mine, Ask::InForce) };
        assert_eq!(platform.send(&old).await, Err("RA-E-STALE"));
        // Nor does it hear who anybody is.
        let certificate =
            counter.world.npc.certificates_of(own.serial, now).await.unwrap().swap_remove(0).der;
        let who = Inquiry {
            class: UseClass::Invoice,
            certificate,
            number: counter.person.id,
            at: now,
            nonce: [5; 16],
        };
        let told = counter.ra.confirm_identity(&platform.asker.signed(&who.encode()), now).await;
        assert_eq!(told.map_err(|error| error.code()), Err("RA-E-FIRM-CONTRACT"));
        own.at_counter(&counter, Function::Suspend, Detail::Nothing).await.unwrap();
        assert_eq!(platform.ask(mine, Ask::InForce).await, Ok(false));
        let held = platform.with_consent(&own, mine, Ask::Aggregate, CARRIER).await;
        assert_eq!(held, Ok(false), "suspended");
        own.at_counter(&counter, Function::Resume, Detail::Nothing).await.unwrap();

        // The holder's signature over these words, by this card.
        let aggregated = |to| platform.ask(to, Ask::Aggregated(CARRIER.into()));
        let refused = Err("RA-E-SIGNATURE");
        assert_eq!(platform.ask(mine, Ask::Aggregate(CARRIER.into(), b"none".to_vec())).await, refused);
        assert_eq!(platform.with_consent(&foreign, mine, Ask::Aggregate, CARRIER).await, refused);
        // Words for another platform, barcode, carrier, number or deed are not these.
        for changed in 0..5 {
            let mut inquiry = platform.inquiry(mine, Ask::Aggregate(CARRIER.into(), Vec::new()));
            let (mut signed, mut to) = (inquiry.clone(), platform.name);
            match changed {
                0 => to = other.name,
                1 => signed.barcode = theirs,
                2 => signed.ask = Ask::Aggregate("1K0001/OTHER".into(), Vec::new()),
                3 => signed.nonce = [0; 16],
                _ => signed.ask = Ask::Release(CARRIER.into(), Vec::new()),
            }
            let words = signed.consent(to).unwrap();
            inquiry.ask = Ask::Aggregate(CARRIER.into(), own.sign_text(&counter, &words, now).await);
            assert_eq!(platform.send(&inquiry).await, refused, "{words}");
        }
        assert_eq!(aggregated(mine).await, Ok(false));
        assert_eq!(platform.with_consent(&own, mine, Ask::Aggregate, CARRIER).await, Ok(true));
        assert_eq!(platform.with_consent(&own, mine, Ask::Aggregate, CARRIER).await, Ok(true), "again");
        assert_eq!(aggregated(mine).await, Ok(true));
        assert_eq!(aggregated(theirs).await, Ok(false));
        assert_eq!(other.ask(mine, Ask::Aggregated(CARRIER.into())).await, Ok(false), "another platform's");
        // Nobody takes it away, nor releases it.
        assert_eq!(platform.with_consent(&foreign, theirs, Ask::Aggregate, CARRIER).await, Ok(false));
        assert_eq!(platform.with_consent(&foreign, theirs, Ask::Release, CARRIER).await, Ok(false));
        assert_eq!(aggregated(mine).await, Ok(true));

        // Another card of the holder's stands beside it until the first has ended; then it stands for it.
        let next = OtherCard::new("TWC000002", counter.person.id, None);
        next.issue(&counter).await;
        let new = barcode(next.at_counter(&counter, Function::Barcode, Detail::Nothing).await);
        assert_eq!(aggregated(new).await, Ok(false));
        assert_eq!(platform.ask(new, Ask::Follows(mine)).await, Ok(false));
        let reason = Detail::Reason(RevocationReason::Superseded);
        own.at_counter(&counter, Function::Revoke, reason).await.unwrap();
        assert_eq!(platform.ask(mine, Ask::InForce).await, Ok(false));
        assert_eq!(platform.ask(new, Ask::Follows(mine)).await, Ok(true));
        assert_eq!(platform.ask(new, Ask::Follows(theirs)).await, Ok(false));
        assert_eq!(platform.ask(theirs, Ask::Follows(mine)).await, Ok(false));
        assert_eq!((aggregated(new).await, aggregated(mine).await), (Ok(true), Ok(false)));
        assert_eq!(platform.with_consent(&next, new, Ask::Release, CARRIER).await, Ok(true));
        assert_eq!(aggregated(new).await, Ok(false));
        assert_eq!(platform.with_consent(&next, new, Ask::Release, CARRIER).await, Ok(false));
        assert_eq!(
            platform.with_consent(&foreign, theirs, Ask::Aggregate, CARRIER).await,
            Ok(true),
            "free again"
        );

        // What is kept names no carrier, and the log of it no card.
        let row = counter.db.one("SELECT carrier FROM aggregation", store::params![]).await.unwrap();
        let kept: Vec<u8> = row.read(0).unwrap();
        assert_eq!(kept.len(), 32);
        let sql =
            "SELECT count(*) FROM audit_entry WHERE action LIKE 'carrier-%' AND subject = 'invoice-platform'";
        let events: i64 = counter.db.one(sql, store::params![]).await.unwrap().read(0).unwrap();
        assert_eq!(events, 4);
        let tallies = counter.ra.ics_tallies().await.unwrap();
        assert!(tallies.iter().all(|tally| tally.class == UseClass::Invoice), "{tallies:?}");
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

/// The certificate costs nothing, whatever is asked; the carrier what the policy said when it was asked for.
// proves: NPC-12
#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_free_and_the_carrier_costs_what_the_policy_says() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let now = counter.world.now;
        let card = OtherCard::new("TWC000001", counter.person.id, None);
        let new = card.wish(Function::Issue, card.new_card(), now);
        let issue = async |counter: &Counter, asked: &ra::Request| {
            counter.ra.act(Channel::Counter, asked, &counter.clerk(), None, now).await.unwrap()
        };
        let built_in = issue(&counter, &new).await.charges;
        assert_eq!((built_in.certificate(), built_in.carrier, built_in.total()), (0, 250, 250));

        // Two persons decide on another fee; what was charged stays what it was.
        let npc = &counter.world.npc;
        let policy = npc::Policy { carrier_fee: 275, ..npc.policy().await.unwrap().1 };
        let document = serde_json::to_string(&policy).unwrap();
        let version = npc.propose_policy(&document, "ca-anna", now).await.unwrap();
        let resident = NationalIdNo::sample_resident(model::Sex::Female, [1; 9]);
        let foreign = OtherCard::new("TWF000001", resident, Some("SAMPLE NGUYEN THI"));
        let cards = [OtherCard::new("TWC000002", counter.person.id, None), foreign];
        assert_eq!(cards[0].issue(&counter).await.charges.carrier, 250, "proposed by one");
        npc.approve_policy(version, "ca-bert", now).await.unwrap();
        assert_eq!(cards[1].issue(&counter).await.charges, Charges { carrier: 275 });
        let again = issue(&counter, &new).await;
        assert_eq!((again.repeated, again.charges), (true, built_in));
        let statement = npc.practice_statement().await.unwrap();
        let (_, fees) = statement.split_once("9.1.1 ").unwrap();
        assert!(fees.split("9.1.2").next().unwrap().contains("NT$ 275"), "{fees}");

        // Everything else that such a card is offered.
        let own = card.own_code(&counter).await;
        let reason = Detail::Reason(RevocationReason::Unspecified);
        let mut free = Vec::new();
        for (function, detail) in [
            (Function::QueryStatus, Detail::Nothing),
            (Function::Barcode, Detail::Nothing),
            (Function::ChangePublication, Detail::Published(true)),
            (Function::ChangeEmail, Detail::Email(Some("a@example.test".into()))),
            (Function::Suspend, Detail::Nothing),
            (Function::Resume, Detail::Nothing),
            (Function::ReportLoss, Detail::Nothing),
            (Function::WithdrawLoss, Detail::Nothing),
            (Function::Rewrite, Detail::Nothing),
        ] {
            free.push(card.by_code(&counter, function, detail, &own).await);
        }
        free.push(card.at_counter(&counter, Function::ChangeMobile, Detail::Mobile(None)).await);
        free.push(card.at_counter(&counter, Function::ResetUserCode, Detail::Nothing).await);
        counter.world.now += SignedDuration::from_hours(24 * (5 * 365 - 60));
        free.push(card.by_pin2(&counter, Function::Extend, card.next()).await);
        free.push(card.at_counter(&counter, Function::Revoke, reason).await);
        free.push(counter.at_counter(Function::Suspend, Detail::Nothing).await);
        for done in free {
            assert_eq!(done.unwrap().charges, Charges::default());
        }
        let sql = "SELECT count(*) FROM request WHERE carrier_fee > 0 AND function <> 'issue'";
        let others: i64 = counter.db.one(sql, store::params![]).await.unwrap().read(0).unwrap();
        assert_eq!(others, 0);
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}
