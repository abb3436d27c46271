//! A clerk acts in a case that management has, about this card, this person and this function.

use jiff::{SignedDuration, Timestamp};
use mgmt::{CaseService, NewCounterCase};
use model::{CardSerial, CaseNo, KeySlot, NationalIdNo, RevocationReason};
use npc::Carrier;
use ra::functions::{Channel, Function, RULES};
use ra::{Consent, Detail, NewCard, NextKeys, Proof, RaError};
use store::When;

use crate::support::{Counter, code, refused, request};
use crate::world::{CLERK, directory, office};

impl Counter {
    async fn opened(
        &self,
        card: CardSerial,
        person: Option<NationalIdNo>,
        services: &[CaseService],
        now: Timestamp,
    ) -> Result<CaseNo, mgmt::MgmtError> {
        let case = NewCounterCase { card, person, services: services.to_vec(), office: office(&self.person) };
        self.world.mgmt.open_counter_case(&case, CLERK, now).await
    }

    async fn in_case(
        &self,
        case: CaseNo,
        card: CardSerial,
        function: Function,
        detail: Detail,
        now: Timestamp,
    ) -> Result<ra::Done, RaError> {
        let proof = Proof::Clerk { clerk: CLERK.into(), office: office(&self.person), case, consent: None };
        let asked = request(function, card, detail, now);
        self.ra.act(Channel::Counter, &asked, &proof, None, now).await
    }
}

// proves: NPC-43, NPC-54
#[tokio::test(flavor = "multi_thread")]
async fn a_clerk_acts_in_an_open_case_about_this_card_and_person_and_wish() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let (card, now, mgmt) = (counter.card, counter.world.now, &counter.world.mgmt);
        let other_make: CardSerial = "TWC000001".parse().unwrap();
        let stranger = NationalIdNo::sample(model::Sex::Male, [8; 9]);
        let all = CaseService::ALL;
        let suspend = async |case, card, now| {
            refused(counter.in_case(case, card, Function::Suspend, Detail::Nothing, now).await)
        };

        // Invented; that of an application; about another card; for something else; closed; a month old.
        let application: CaseNo = "C11500000001".parse().unwrap();
        assert!(mgmt.case(application).await.is_ok());
        for unknown in ["C11599999999".parse().unwrap(), application] {
            assert_eq!(suspend(unknown, card, now).await, "RA-E-CASE-UNKNOWN");
        }
        let another = counter.opened(other_make, Some(counter.person.id), &all, now).await.unwrap();
        assert_eq!(suspend(another, card, now).await, "RA-E-CASE-OTHER");
        let contact = counter.opened(card, None, &[CaseService::Contact], now).await.unwrap();
        assert_eq!(suspend(contact, card, now).await, "RA-E-CASE-SERVICE");
        let closed = counter.opened(card, None, &all, now).await.unwrap();
        for _ in 0..2 {
            mgmt.close_counter_case(closed, CLERK, now).await.unwrap();
        }
        assert_eq!(suspend(closed, card, now).await, "RA-E-CASE-CLOSED");
        let old = counter.opened(card, None, &all, now - SignedDuration::from_hours(24 * 30)).await.unwrap();
        assert_eq!(suspend(old, card, now).await, "RA-E-CASE-CLOSED");
        assert_eq!(counter.world.certificate_states(card).await, ["good"; 2]);

        // Management opens none about a card and somebody whose it is not, nor where nobody is named.
        for (card, person) in [(card, Some(stranger)), (other_make, None)] {
            let opened = counter.opened(card, person, &all, now).await;
            assert_eq!(opened.unwrap_err().code(), "MGMT-E-CASE-PERSON");
        }
        let unknown = mgmt.close_counter_case("C11599999999".parse().unwrap(), CLERK, now).await;
        assert_eq!(unknown.unwrap_err().code(), "MGMT-E-CASE-UNKNOWN");

        // A new card for somebody else than who came, and then keys and a suspension of another's card.
        let new = |person| {
            let requests = vec![(KeySlot::SigningRsa, Vec::new()), (KeySlot::EncryptionRsa, Vec::new())];
            let carrier = Carrier::CertificateCard;
            Detail::NewCard(Box::new(NewCard { carrier, person, resident_name: None, requests }))
        };
        let issue = async |case, detail| {
            refused(counter.in_case(case, other_make, Function::Issue, detail, now).await)
        };
        assert_eq!(issue(another, new(stranger)).await, "RA-E-CASE-OTHER");
        assert_eq!(issue(another, new(counter.person.id)).await, "NPC-CSR", "this far the case is right");
        counter
            .db
            .execute(
                "INSERT INTO certificate_card (card, carrier, person, issued_at) VALUES ($1, $2, $3, $4)",
                store::params![other_make.as_str(), "certificate-card", mgmt_link(&counter), now],
            )
            .await
            .unwrap();
        let of_stranger = counter.opened(other_make, Some(stranger), &all, now).await.unwrap();
        assert_eq!(suspend(of_stranger, other_make, now).await, "RA-E-CASE-OTHER");
        let keys = NextKeys { person: stranger, resident_name: None, requests: Vec::new() };
        let modify = request(Function::Modify, other_make, Detail::NextKeys(Box::new(keys)), now);
        let consented = Proof::Clerk {
            clerk: CLERK.into(),
            office: office(&counter.person),
            case: another,
            consent: Some(Consent::UserCode(code())),
        };
        let modify = counter.ra.act(Channel::Counter, &modify, &consented, None, now).await;
        assert_eq!(refused(modify), "RA-E-CASE-OTHER");

        // The right one; and what was begun in it is finished after it was closed.
        let right = counter.opened(card, None, &[CaseService::Certificates], now).await.unwrap();
        counter.in_case(right, card, Function::Suspend, Detail::Nothing, now).await.unwrap();
        assert_eq!(counter.world.certificate_states(card).await, ["suspended"; 2]);
        let proof =
            Proof::Clerk { clerk: CLERK.into(), office: office(&counter.person), case: right, consent: None };
        let resume = request(Function::Resume, card, Detail::Nothing, now);
        counter.db.fail_after(1, When::AfterCommit);
        counter.ra.act(Channel::Counter, &resume, &proof, None, now).await.unwrap_err();
        assert!(counter.db.revive());
        mgmt.close_counter_case(right, CLERK, now).await.unwrap();
        counter.ra.act(Channel::Counter, &resume, &proof, None, now).await.unwrap();
        assert_eq!(counter.world.certificate_states(card).await, ["good"; 2]);
        let reason = Detail::Reason(RevocationReason::Unspecified);
        let revoke = counter.in_case(right, card, Function::Revoke, reason, now).await;
        assert_eq!(refused(revoke), "RA-E-CASE-CLOSED", "nothing new");
        mgmt.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

/// What was refused is over: its number is no paper for later, when the case is closed and what it asks for would be possible.
// proves: NPC-54
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_refused_or_left_lying_is_authorised_again() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let (card, now, mgmt) = (counter.card, counter.world.now, &counter.world.mgmt);
        let states = async || counter.world.certificate_states(card).await;
        let by_clerk =
            |case| Proof::Clerk { clerk: CLERK.into(), office: office(&counter.person), case, consent: None };
        let send = async |asked: &ra::Request, proof: &Proof, now| {
            counter.ra.act(Channel::Counter, asked, proof, None, now).await
        };
        let later = now + SignedDuration::from_hours(24 * 60);

        // Nothing to resume and no loss to withdraw: management refuses both.
        let case = counter.opened(card, None, &CaseService::ALL, now).await.unwrap();
        let resume = request(Function::Resume, card, Detail::Nothing, now);
        let found = request(Function::WithdrawLoss, card, Detail::Nothing, now);
        for asked in [&resume, &found] {
            // Refused it stays, however often it is sent: not done because things are as it would have them.
            for _ in 0..2 {
                assert_eq!(refused(send(asked, &by_clerk(case), now).await), "MGMT-E-WRONG-STATE");
            }
        }
        mgmt.close_counter_case(case, CLERK, now).await.unwrap();
        counter.online(Function::Suspend, Detail::Nothing).await.unwrap();
        counter.online(Function::ReportLoss, Detail::Nothing).await.unwrap();
        for asked in [&resume, &found] {
            assert_eq!(refused(send(asked, &by_clerk(case), now).await), "RA-E-CASE-CLOSED");
            let again = counter.opened(card, None, &CaseService::ALL, later).await.unwrap();
            for case in [case, again] {
                assert_eq!(refused(send(asked, &by_clerk(case), later).await), "RA-E-STALE");
            }
        }
        assert_eq!(mgmt.card(card).await.unwrap().state, model::CardState::Suspended);
        assert_eq!(states().await, ["suspended"; 2]);

        // In an open case, and soon, the same number does what it asks for, and stands under that case.
        let open = counter.opened(card, None, &CaseService::ALL, now).await.unwrap();
        for asked in [&found, &resume] {
            let done = send(asked, &by_clerk(open), now).await.unwrap();
            assert!(!done.repeated);
            assert_eq!(send(asked, &by_clerk(open), now).await.unwrap().receipt, done.receipt);
            let sql = "SELECT case_no FROM request WHERE id = $1";
            let row = counter.db.one(sql, store::params![asked.id]).await.unwrap();
            assert_eq!(row.read::<String>(0).unwrap(), open.as_str());
        }
        assert_eq!(states().await, ["good"; 2]);

        // A signature counts while its certificate is good, for what was refused before too.
        let modify = request(Function::Modify, card, Detail::Nothing, now);
        let signed = counter.sign(&modify, KeySlot::SigningRsa);
        let online = async || counter.ra.act(Channel::Online, &modify, &signed, None, now).await;
        assert_eq!(refused(online().await), "RA-E-UNCHANGED");
        counter.online(Function::Suspend, Detail::Nothing).await.unwrap();
        assert_eq!(refused(online().await), "RA-E-SIGNATURE");
        counter.at_counter(Function::Resume, Detail::Nothing).await.unwrap();

        // Begun and interrupted: taken up for a day by what authorised it, and then no more.
        for (hours, code) in [(23, None), (25, Some("RA-E-STALE"))] {
            counter.at_counter(Function::Suspend, Detail::Nothing).await.unwrap();
            let resume = request(Function::Resume, card, Detail::Nothing, now);
            let case = counter.opened(card, None, &[CaseService::Certificates], now).await.unwrap();
            counter.db.fail_after(1, When::AfterCommit);
            send(&resume, &by_clerk(case), now).await.unwrap_err();
            assert!(counter.db.revive());
            mgmt.close_counter_case(case, CLERK, now).await.unwrap();
            let taken_up = send(&resume, &by_clerk(case), now + SignedDuration::from_hours(hours)).await;
            assert_eq!(taken_up.err().map(|error| error.code()), code, "{hours} hours");
        }
        assert_eq!(states().await, ["suspended"; 2]);
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

fn mgmt_link(counter: &Counter) -> [u8; 32] {
    mgmt::CardManagement::person_link(&counter.world.mgmt, &counter.person.id)
}

/// Whatever a counter offers, somebody can come for.
#[test]
fn every_function_of_a_counter_belongs_to_a_service() {
    for rule in RULES.iter().filter(|rule| rule.channel == Channel::Counter) {
        let between_systems = rule.function == Function::MutualVerification;
        assert_eq!(rule.function.services().is_empty(), between_systems, "{:?}", rule.function);
    }
    for service in CaseService::ALL {
        assert_eq!(CaseService::from_name(service.as_str()), Some(service));
        assert!(RULES.iter().any(|rule| rule.function.services().contains(&service)), "{service:?}");
    }
}
