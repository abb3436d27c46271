//! What counters and operators do for holders, and the table as a whole.

use curve::rsa::RsaPrivateKey;
use curve::{Curve, Hash, SecretKey};
use mgmt::{CallerAnswers, CardManagement, PeerProof, PeerStatement};
use model::{CardState, KeySlot, NationalIdNo};
use npc::{Carrier, CertificateAuthority};
use ra::functions::{Authorisation, Channel, Function, rule_of};
use ra::{Consent, Detail, HandedOver, NewCard, Outcome, Proof, Way};
use registry::Change;
use terminal::npc_card::Pin2Status;
use terminal::perso::PinReference;
use x509::{Name, RsaSigner, Signer};

use crate::support::{Counter, code, refused, request};
use crate::world::{CLERK, directory};

/// What a function needs beside the card.
fn detail_of(function: Function) -> Detail {
    match function {
        Function::ChangeEmail => Detail::Email(Some("a@example.test".into())),
        Function::ChangeMobile => Detail::Mobile(None),
        Function::ChangePublication => Detail::Published(true),
        Function::Revoke => Detail::Reason(model::RevocationReason::Unspecified),
        Function::VirtualCard => Detail::Device(Box::new(ra::Device {
            person: NationalIdNo::sample(model::Sex::Male, [1; 9]),
            requests: Vec::new(),
        })),
        Function::Unblock => Detail::Pins(vec![PinReference::Pin2]),
        _ => Detail::Nothing,
    }
}

// proves: NPC-43, NPC-44
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_that_the_table_does_not_offer() {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/", dir.join("db").display());
    std::fs::create_dir(dir.join("db")).unwrap();
    let counter = Counter::open(&url, &dir).await;
    let (card, now) = (counter.card, counter.world.now);
    let answers = CallerAnswers {
        number: counter.person.id,
        birth: counter.person.birth,
        district: "00000000".into(),
        representative: None,
    };
    let proofs = [
        counter.clerk(),
        counter.clerk_with(Consent::Signature(b"no signature".to_vec())),
        counter.clerk_with(Consent::UserCode("wrong11".parse().unwrap())),
        Proof::Signature(b"no signature".to_vec()),
        Proof::UserCode("wrong11".parse().unwrap()),
        Proof::OneTimeCode(code(), "12345678".into()),
        Proof::Pin2Change("11111111".parse().unwrap(), "22222222".parse().unwrap()),
        Proof::UserCodeChange("wrong11".parse().unwrap(), "other11".parse().unwrap()),
        Proof::Caller { operator: "op-1".into(), answers },
        Proof::CallerUserCode { operator: "op-1".into(), code: "wrong11".parse().unwrap() },
    ];
    let mut refusals = 0;
    for function in Function::ALL {
        for channel in Channel::ALL {
            for proof in &proofs {
                let rule = rule_of(function, channel);
                if rule.is_some_and(|rule| rule.authorised_by.contains(&proof.kind())) {
                    continue;
                }
                let asked = request(function, card, detail_of(function), now);
                let expected = if rule.is_some() { "RA-E-NOT-AUTHORISED" } else { "RA-E-NOT-OFFERED" };
                let result = counter.ra.act(channel, &asked, proof, Some(counter.reader()), now).await;
                assert_eq!(refused(result), expected, "{function:?} {channel:?} {:?}", proof.kind());
                refusals += 1;
            }
        }
    }
    assert!(refusals > 800, "{refusals}");
    // Whoever proves nothing gets nothing where it is offered either; the clerk's word is the proof at the counter.
    let channels = [Channel::Online, Channel::Counter];
    for (function, channel) in Function::ALL.into_iter().flat_map(|f| channels.map(|channel| (f, channel))) {
        for proof in &proofs[1..] {
            let Some(rule) = rule_of(function, channel) else { continue };
            if rule.authorised_by.contains(&proof.kind()) && proof.kind() != Authorisation::PresentPin {
                let asked = request(function, card, detail_of(function), now);
                let result = counter.ra.act(channel, &asked, proof, Some(counter.reader()), now).await;
                let code = refused(result);
                assert!(
                    matches!(
                        code,
                        "RA-E-SIGNATURE"
                            | "RA-E-ONE-TIME-CODE"
                            | "MGMT-E-USER-CODE-WRONG"
                            | "MGMT-E-USER-CODE-LOCKED"
                    ),
                    "{function:?} {code}"
                );
            }
        }
    }
    assert_eq!(counter.world.certificate_states(card).await, ["good"; 2]);
    counter.close().await;
}

/// A counter is where a clerk is: a temporary one in the evening of a Sunday does what the office does, under a code of its own.
// proves: NPC-67
#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_counter_does_what_its_office_does() {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/", dir.join("db").display());
    std::fs::create_dir(dir.join("db")).unwrap();
    let counter = Counter::open(&url, &dir).await;
    let sunday_evening = "2026-07-05T12:30:00Z".parse().unwrap();
    let Proof::Clerk { clerk, office, case, consent } = counter.clerk() else { panic!("a clerk") };
    let there = model::OfficeCode::new(office.district().unwrap(), 91).unwrap();
    assert!(registry::office(there).unwrap().name.ends_with("機動櫃檯2"));
    let at = |office| Proof::Clerk { clerk: clerk.clone(), office, case, consent: consent.clone() };
    let asked = request(Function::Suspend, counter.card, Detail::Nothing, sunday_evening);
    // Where no office is, there is no counter: neither a district that is none nor a number that no office has opened.
    let nowhere: model::OfficeCode = "9999999990".parse().unwrap();
    for office in [nowhere, model::OfficeCode::new(office.district().unwrap(), 1).unwrap()] {
        let result = counter.ra.act(Channel::Counter, &asked, &at(office), None, sunday_evening).await;
        assert_eq!(refused(result), "RA-E-NO-OFFICE");
    }
    assert_eq!(counter.world.certificate_states(counter.card).await, ["good"; 2]);
    counter.ra.act(Channel::Counter, &asked, &at(there), None, sunday_evening).await.unwrap();
    assert_eq!(counter.world.certificate_states(counter.card).await, ["suspended"; 2]);
    let sql = "SELECT office FROM request WHERE id = $1";
    let row = counter.db.one(sql, store::params![asked.id]).await.unwrap();
    assert_eq!(row.read::<String>(0).unwrap(), there.as_str());
    counter.close().await;
}

/// Every household registration office is a counter, whichever is the holder's.
// proves: NPC-09
#[tokio::test(flavor = "multi_thread")]
async fn every_household_registration_office_is_a_counter() {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/", dir.join("db").display());
    std::fs::create_dir(dir.join("db")).unwrap();
    let counter = Counter::open(&url, &dir).await;
    let (card, now) = (counter.card, counter.world.now);
    let mut there = Vec::new();
    for office in registry::offices() {
        let services = vec![mgmt::CaseService::Certificates];
        let case = mgmt::NewCounterCase { card, person: None, services, office: office.code };
        let case = counter.world.mgmt.open_counter_case(&case, CLERK, now).await.unwrap();
        let proof = Proof::Clerk { clerk: CLERK.into(), office: office.code, case, consent: None };
        let asked = request(Function::QueryStatus, card, Detail::Nothing, now);
        let done = counter.ra.act(Channel::Counter, &asked, &proof, None, now).await.unwrap();
        assert!(matches!(done.outcome, Outcome::Status { card: Some(CardState::Active), .. }));
        there.push(office.code.as_str().to_owned());
    }
    assert_eq!(there.len(), 368);
    let rows = counter.db.all("SELECT office FROM request ORDER BY at, office", &[]).await.unwrap();
    let mut noted: Vec<String> = rows.iter().map(|row| row.read(0).unwrap()).collect();
    noted.sort();
    there.sort();
    assert_eq!(noted, there);
    counter.close().await;
}

/// By telephone: under 14 a parent alone, from then on the child too, and nobody else for either.
// proves: LOSS-04
#[tokio::test(flavor = "multi_thread")]
async fn a_parent_reports_the_loss_of_a_childs_card_by_telephone() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let (world, now) = (&counter.world, counter.world.now);
        for (number, age, child_may) in [(2, 10, false), (3, 16, true)] {
            world.restock(1).await;
            let mut child = crate::world::person(number);
            let days = 24 * (366 * age + 30);
            child.birth = model::RocDate::in_taipei(now - jiff::SignedDuration::from_hours(days));
            child.father = Some(model::PersonName::new("林大同").unwrap());
            world.register.enrol(std::slice::from_ref(&child), now).await.unwrap();
            let alone = crate::world::application(&child);
            let wish = mgmt::NewApplication { wants_certificate: false, ..alone };
            let case = world.mgmt.submit(wish, CLERK, now).await.unwrap();
            world.produce(case).await.unwrap();
            let card = world.mgmt.hand_over(case, CLERK, now).await.unwrap().serial;
            let call = async |representative: Option<&str>| {
                let answers = CallerAnswers {
                    number: child.id,
                    birth: child.birth,
                    district: child.address.village().district().to_string(),
                    representative: representative.map(str::to_owned),
                };
                let proof = Proof::Caller { operator: "operator-7".into(), answers };
                let asked = request(Function::ReportLoss, card, Detail::Nothing, now);
                let done = counter.ra.act(Channel::Telephone, &asked, &proof, None, now).await;
                done.map(drop).map_err(|error| error.code())
            };
            let state = async || world.mgmt.card(card).await.unwrap().state;
            assert_eq!(call(Some("張三")).await, Err("RA-E-CALLER"), "{age}");
            assert_eq!(call(None).await.is_ok(), child_may, "{age}");
            let reported = if child_may { CardState::Suspended } else { CardState::Active };
            assert_eq!(state().await, reported, "{age}");
            if child_may {
                world.mgmt.withdraw_loss(card, CLERK, now).await.unwrap();
            }
            call(Some("林大同")).await.unwrap();
            assert_eq!(state().await, CardState::Suspended, "{age}");
        }
        counter.close().await;
    })
    .await;
}

/// Who declined the certificate gets it later, on a card of its own or with another New eID.
// proves: NPC-42
#[tokio::test(flavor = "multi_thread")]
async fn whoever_declined_the_certificate_gets_one_later() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let (world, now) = (&counter.world, counter.world.now);
        world.restock(2).await;
        let person = world.person(2).await;
        let declined =
            mgmt::NewApplication { wants_certificate: false, ..crate::world::application(&person) };
        let case = world.mgmt.submit(declined, CLERK, now).await.unwrap();
        world.produce(case).await.unwrap();
        let without = world.mgmt.hand_over(case, CLERK, now).await.unwrap().serial;
        assert!(world.certificate_states(without).await.is_empty());
        let asked = request(Function::Suspend, without, Detail::Nothing, now);
        let result = counter.ra.act(Channel::Counter, &asked, &counter.clerk(), None, now).await;
        assert_eq!(refused(result), "MGMT-E-CERTIFICATE-ZONE-CLOSED");

        // A card of its own, which is paid for; the certificate is not.
        let of = |slot| {
            let signer = RsaSigner::new(RsaPrivateKey::generate(2048).unwrap());
            let subject = Name::builder().country("TW").common_name("card").build().unwrap();
            let sign = |info: &[u8]| signer.sign(info);
            (slot, x509::csr::build(&subject, signer.spki(), signer.algorithm(), sign).unwrap())
        };
        let new = NewCard {
            carrier: Carrier::CertificateCard,
            person: person.id,
            resident_name: None,
            requests: vec![of(KeySlot::SigningRsa), of(KeySlot::EncryptionRsa)],
        };
        let own = "TWC000001".parse().unwrap();
        let asked = request(Function::Issue, own, Detail::NewCard(Box::new(new)), now);
        let done = counter.ra.act(Channel::Counter, &asked, &counter.clerk(), None, now).await.unwrap();
        let fee = world.npc.carrier_fee(Carrier::CertificateCard).await.unwrap();
        assert!(fee > 0 && (done.charges.carrier, done.charges.certificate()) == (fee, 0));
        assert_eq!(world.certificate_states(own).await, ["good"; 2]);

        // Or another New eID with the certificate, in the place of the one without.
        let kind = model::ApplicationKind::Renewal;
        let renewal = mgmt::NewApplication { kind, ..crate::world::application(&person) };
        let case = world.mgmt.submit(renewal, CLERK, now).await.unwrap();
        world.produce(case).await.unwrap();
        let with = world.mgmt.hand_over(case, CLERK, now).await.unwrap().serial;
        assert_eq!(world.certificate_states(with).await, ["good"; 2]);
        assert_eq!(world.mgmt.card(without).await.unwrap().state, CardState::Void);
        assert_eq!(world.certificate_states(own).await, ["good"; 2], "that of its own stays");
        counter.close().await;
    })
    .await;
}

/// A loss is reported and card and certificates are asked about at one door, and both answers agree at every moment.
// proves: LOSS-15
#[tokio::test(flavor = "multi_thread")]
async fn one_door_takes_loss_reports_and_tells_card_and_certificates() {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/", dir.join("db").display());
    std::fs::create_dir(dir.join("db")).unwrap();
    let counter = Counter::open(&url, &dir).await;
    let told = async || {
        let done = counter.at_counter(Function::QueryStatus, Detail::Nothing).await.unwrap();
        let Outcome::Status { card, certificates, .. } = done.outcome else { panic!("a status") };
        (card, certificates.into_iter().map(|c| c.state).collect::<Vec<_>>())
    };
    assert_eq!(told().await, (Some(CardState::Active), vec!["good"; 2]));
    counter.at_counter(Function::ReportLoss, Detail::Nothing).await.unwrap();
    assert_eq!(told().await, (Some(CardState::Suspended), vec!["suspended"; 2]));
    counter.at_counter(Function::WithdrawLoss, Detail::Nothing).await.unwrap();
    assert_eq!(told().await, (Some(CardState::Active), vec!["good"; 2]));
    counter.close().await;
}

/// Whoever reports a loss or withdraws it, and wherever, at another office than that of the holder too: the holder hears of it,
/// once, by the contact on file, with the receipt.
// proves: LOSS-02, LOSS-13
#[tokio::test(flavor = "multi_thread")]
async fn the_holder_hears_of_every_report_of_loss_and_of_its_withdrawal() {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/", dir.join("db").display());
    std::fs::create_dir(dir.join("db")).unwrap();
    let counter = Counter::open(&url, &dir).await;
    let (card, now) = (counter.card, counter.world.now);
    // By letter where there is neither mail nor telephone.
    for function in [Function::ReportLoss, Function::WithdrawLoss] {
        let done = counter.at_counter(function, Detail::Nothing).await.unwrap();
        let told = counter.ra.messages(100, now).await.unwrap();
        assert_eq!(told.len(), 1, "{function:?}");
        assert_eq!((told[0].way, told[0].to.as_str()), (Way::Letter, card.as_str()));
        assert!(told[0].text.contains(function.zh()) && told[0].text.contains(&done.receipt));
        counter.ra.message_sent(told[0].id, now).await.unwrap();
    }
    assert!(counter.ra.sms_sent().await.unwrap().is_empty());
    let mobile = Detail::Mobile(Some("0912345678".into()));
    counter.at_counter(Function::ChangeMobile, mobile).await.unwrap();
    let answers = CallerAnswers {
        number: counter.person.id,
        birth: counter.person.birth,
        district: counter.person.address.village().district().to_string(),
        representative: None,
    };
    let operator = || "operator-7".to_owned();
    let caller = Proof::Caller { operator: operator(), answers: answers.clone() };
    let stranger = CallerAnswers { district: "00000000".into(), ..answers };
    let stranger = Proof::Caller { operator: operator(), answers: stranger };
    let by_code = Proof::UserCode(code());
    let says_code = Proof::CallerUserCode { operator: operator(), code: code() };
    let (lost, found) = (Function::ReportLoss, Function::WithdrawLoss);
    let Proof::Clerk { clerk, office, case, consent } = counter.clerk() else { panic!("a clerk") };
    let far = registry::offices().map(|one| one.code).filter(|code| *code != office).last().unwrap();
    let elsewhere = Proof::Clerk { clerk, office: far, case, consent };
    let steps = [
        (Channel::Counter, lost, elsewhere),
        (Channel::Counter, found, counter.clerk()),
        (Channel::Online, lost, by_code.clone()),
        (Channel::Online, found, by_code),
        (Channel::Telephone, lost, caller.clone()),
        (Channel::Telephone, found, says_code),
        (Channel::Hotline, lost, caller),
    ];
    for message in counter.ra.messages(100, now).await.unwrap() {
        counter.ra.message_sent(message.id, now).await.unwrap();
    }
    for (channel, function, proof) in steps {
        let asked = request(function, card, Detail::Nothing, now);
        let done = counter.ra.act(channel, &asked, &proof, None, now).await.unwrap();
        // Sent again it is not told again.
        counter.ra.act(channel, &asked, &proof, None, now).await.unwrap();
        let told = counter.ra.messages(100, now).await.unwrap();
        assert_eq!(told.len(), 1, "{channel:?} {function:?}");
        let text = &told[0].text;
        assert_eq!((told[0].way, told[0].to.as_str()), (Way::Sms, "0912345678"));
        assert!(text.contains(function.zh()) && text.contains(function.as_str()), "{text}");
        assert!(text.contains(&done.receipt) && !text.contains(card.as_str()), "{text}");
        counter.ra.message_sent(told[0].id, now).await.unwrap();
    }
    // A report that was refused is none.
    let asked = request(lost, card, Detail::Nothing, now);
    let result = counter.ra.act(Channel::Hotline, &asked, &stranger, None, now).await;
    assert_eq!(refused(result), "RA-E-CALLER");
    assert!(counter.ra.messages(100, now).await.unwrap().is_empty());
    counter.close().await;
}

// proves: CARD-51, LOSS-01, LOSS-10, OPEN-43, NPC-33, OPEN-53, UPDATE-20
#[tokio::test(flavor = "multi_thread")]
async fn counters_and_operators_act_for_holders() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let (card, now) = (counter.card, counter.world.now);
        let state = async || counter.world.mgmt.card(card).await.unwrap().state;

        // A case and a clerk stand in every act of a counter.
        let mut nobody = counter.clerk();
        if let Proof::Clerk { clerk, .. } = &mut nobody {
            *clerk = " ".into();
        }
        let asked = request(Function::Suspend, card, Detail::Nothing, now);
        let result = counter.ra.act(Channel::Counter, &asked, &nobody, None, now).await;
        assert_eq!(refused(result), "RA-E-NO-CLERK");

        // Suspended at the holder's wish, lost, found: suspended still.
        counter.at_counter(Function::Suspend, Detail::Nothing).await.unwrap();
        counter.online(Function::ReportLoss, Detail::Nothing).await.unwrap();
        assert_eq!(state().await, CardState::Suspended);
        counter.online(Function::WithdrawLoss, Detail::Nothing).await.unwrap();
        assert_eq!(state().await, CardState::Active);
        assert_eq!(counter.world.certificate_states(card).await, ["suspended"; 2]);
        counter.at_counter(Function::Resume, Detail::Nothing).await.unwrap();
        assert_eq!(counter.world.certificate_states(card).await, ["good"; 2]);

        // By telephone: questions about the holder; the withdrawal needs the user code.
        let answers = CallerAnswers {
            number: counter.person.id,
            birth: counter.person.birth,
            district: counter.person.address.village().district().to_string(),
            representative: None,
        };
        let call = |channel, answers: &CallerAnswers| {
            let asked = request(Function::ReportLoss, card, Detail::Nothing, now);
            let proof = Proof::Caller { operator: "hotline-7".into(), answers: answers.clone() };
            let ra = counter.ra.clone();
            async move { ra.act(channel, &asked, &proof, None, now).await }
        };
        let stranger = CallerAnswers { district: "00000000".into(), ..answers.clone() };
        assert_eq!(refused(call(Channel::Hotline, &stranger).await), "RA-E-CALLER");
        let parent = CallerAnswers { representative: Some("林大同".into()), ..answers.clone() };
        assert_eq!(refused(call(Channel::Telephone, &parent).await), "RA-E-CALLER", "the holder is of age");
        call(Channel::Hotline, &answers).await.unwrap();
        assert_eq!(state().await, CardState::Suspended);
        let asked = request(Function::WithdrawLoss, card, Detail::Nothing, now);
        let by = |code| Proof::CallerUserCode { operator: CLERK.into(), code };
        let wrong = by("wrong11".parse().unwrap());
        let result = counter.ra.act(Channel::Telephone, &asked, &wrong, None, now).await;
        assert_eq!(refused(result), "MGMT-E-USER-CODE-WRONG");
        counter.ra.act(Channel::Telephone, &asked, &by(code()), None, now).await.unwrap();
        assert_eq!(state().await, CardState::Active);

        // LOSS-11: the CA does not answer; the loss holds, and its certificates follow when it does.
        counter.world.kill_at(2, 1, store::When::BeforeCommit);
        counter.at_counter(Function::ReportLoss, Detail::Nothing).await.unwrap();
        assert_eq!(state().await, CardState::Suspended);
        let now = now + jiff::SignedDuration::from_mins(10);
        let counter = counter.reopen(&url, &dir, now).await;
        while counter.world.mgmt.advance(now).await.unwrap() > 0 {}
        assert_eq!(counter.world.certificate_states(card).await, ["suspended"; 2]);
        counter.at_counter(Function::WithdrawLoss, Detail::Nothing).await.unwrap();
        assert_eq!(counter.world.certificate_states(card).await, ["good"; 2]);

        // The counter unblocks a card with the user code, and with nothing less: a clerk would have tries without end.
        counter.block_pin2();
        let asked = request(Function::Unblock, card, detail_of(Function::Unblock), now);
        let unblock = async |asked: &ra::Request, proof: &Proof| {
            counter.ra.act(Channel::Counter, asked, proof, Some(counter.reader()), now).await
        };
        let signed = counter.clerk_with(Consent::Signature(b"no signature".to_vec()));
        for proof in [counter.clerk(), signed] {
            assert_eq!(refused(unblock(&asked, &proof).await), "RA-E-NOT-AUTHORISED");
        }
        let wrong = counter.clerk_with(Consent::UserCode("wrong11".parse().unwrap()));
        assert_eq!(refused(unblock(&asked, &wrong).await), "MGMT-E-USER-CODE-WRONG");
        assert_eq!(counter.zone().pin2_status(), Ok(Pin2Status::Blocked));
        unblock(&asked, &counter.clerk_with(Consent::UserCode(code()))).await.unwrap();
        assert_eq!(counter.zone().pin2_status(), Ok(Pin2Status::Required { tries_left: 3 }));
        // UPDATE-20: with the holder's consent by PIN2 or user code, and not on the clerk's word alone.
        let asked = request(Function::Rewrite, card, Detail::Nothing, now);
        let rewrite = async |asked: &ra::Request, proof: &Proof| {
            counter.ra.act(Channel::Counter, asked, proof, Some(counter.reader()), now).await
        };
        assert_eq!(refused(rewrite(&asked, &counter.clerk()).await), "RA-E-NOT-AUTHORISED");
        let wrong = counter.clerk_with(Consent::UserCode("wrong11".parse().unwrap()));
        assert_eq!(refused(rewrite(&asked, &wrong).await), "MGMT-E-USER-CODE-WRONG");
        let by_code = counter.clerk_with(Consent::UserCode(code()));
        assert_eq!(rewrite(&asked, &by_code).await.unwrap().outcome, Outcome::Written(2));
        let asked = request(Function::Rewrite, card, Detail::Nothing, now);
        let Proof::Signature(signed) = counter.sign(&asked, KeySlot::SigningRsa) else {
            panic!("a signature")
        };
        let by_pin2 = counter.clerk_with(Consent::Signature(signed));
        let other = request(Function::Rewrite, card, Detail::Nothing, now);
        assert_eq!(refused(rewrite(&other, &by_pin2).await), "RA-E-SIGNATURE", "consent to something else");
        assert_eq!(rewrite(&asked, &by_pin2).await.unwrap().outcome, Outcome::Written(2));

        // What a certificate of New eID says is printed on the card: nothing changed, nothing to do.
        let asked = request(Function::Modify, card, Detail::Nothing, now);
        let signed = counter.sign(&asked, model::KeySlot::SigningRsa);
        let result = counter.ra.act(Channel::Online, &asked, &signed, None, now).await;
        assert_eq!(refused(result), "RA-E-UNCHANGED");

        // NPC-33: guardianship revokes at once, and nothing is issued or written any more.
        counter.world.register.record(&counter.person.id, &Change::Guardianship(true), now).await.unwrap();
        counter.world.mgmt.advance(now).await.unwrap();
        assert_eq!(counter.world.certificate_states(card).await, ["revoked"; 2]);
        let asked = request(Function::Rewrite, card, Detail::Nothing, now);
        let result = counter.ra.act(Channel::Counter, &asked, &by_code, Some(counter.reader()), now).await;
        assert_eq!(refused(result), "RA-E-NOTHING-TO-WRITE");
        assert_eq!(
            refused(counter.at_counter(Function::Resume, Detail::Nothing).await),
            "MGMT-E-WRONG-STATE"
        );
        counter.close().await;
    })
    .await;
}

// proves: NPC-02, NPC-03, NPC-31, NPC-32, NPC-33, NPC-34, NPC-51, OPEN-60, PRIVACY-13
#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_certificates_on_several_cards_each_with_a_life_of_its_own() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let (world, now) = (&counter.world, counter.world.now);
        let requests = || {
            let of = |slot| {
                let signer = RsaSigner::new(RsaPrivateKey::generate(2048).unwrap());
                let subject = Name::builder().country("TW").common_name("card").build().unwrap();
                let sign = |info: &[u8]| signer.sign(info);
                (slot, x509::csr::build(&subject, signer.spki(), signer.algorithm(), sign).unwrap())
            };
            vec![of(KeySlot::SigningRsa), of(KeySlot::EncryptionRsa)]
        };
        let wish = |card: &str, new: NewCard| {
            let card = card.parse().unwrap();
            request(Function::Issue, card, Detail::NewCard(Box::new(new)), now)
        };
        let citizen = |requests| NewCard {
            carrier: Carrier::CertificateCard,
            person: counter.person.id,
            resident_name: None,
            requests,
        };
        let made = requests();
        let asked = wish("TWC000001", citizen(made.clone()));
        let clerk = counter.clerk();
        let issue =
            async |asked: &ra::Request| counter.ra.act(Channel::Counter, asked, &clerk, None, now).await;
        let done = issue(&asked).await.unwrap();
        let again = issue(&asked).await.unwrap();
        assert_eq!((&again.receipt, &again.outcome), (&done.receipt, &done.outcome));
        let own: model::CardSerial = "TWC000001".parse().unwrap();
        let issued = world.npc.certificates_of(own, now).await.unwrap();
        let handed = issued.iter().map(|c| (c.slot, c.der.clone())).collect();
        assert_eq!(done.outcome, Outcome::Certificates(HandedOver(handed)), "for the card's own software");
        let eid = world.npc.certificates_of(counter.card, now).await.unwrap();
        assert_eq!(issued.len(), 2);
        assert_eq!(issued[0].holder_no, eid[0].holder_no, "one person, one holder number");
        // PRIVACY-13: of the number its last four characters, and no more of it, whatever the carrier.
        let number = counter.person.id;
        for certificate in issued.iter().chain(&eid) {
            let parsed = x509::Certificate::parse(&certificate.der).unwrap();
            assert_eq!(parsed.directory_attribute(tlv::oid::GPKI_TAIL_OF_CITIZEN_ID), Some(number.tail()));
            shows_no_more_than_the_tail(&certificate.der, number);
        }
        // New eID does not become such a card.
        let taken = wish(counter.card.as_str(), citizen(made.clone()));
        assert_eq!(refused(issue(&taken).await), "RA-E-INCOMPLETE");
        // The same keys again are refused by the CA.
        assert_eq!(refused(issue(&wish("TWC000002", citizen(made.clone()))).await), "NPC-DUPLICATE-KEY");

        // New eID is lost: the other card is not.
        counter.at_counter(Function::ReportLoss, Detail::Nothing).await.unwrap();
        assert_eq!(world.certificate_states(counter.card).await, ["suspended"; 2]);
        assert_eq!(world.certificate_states(own).await, ["good"; 2]);
        let suspend = request(Function::Suspend, own, Detail::Nothing, now);
        counter.ra.act(Channel::Counter, &suspend, &clerk, None, now).await.unwrap();
        counter.at_counter(Function::WithdrawLoss, Detail::Nothing).await.unwrap();
        assert_eq!(world.certificate_states(own).await, ["suspended"; 2]);
        assert_eq!(world.certificate_states(counter.card).await, ["good"; 2]);

        // A foreign resident: the number of the residence permit, and the name that stands on it.
        let resident = NationalIdNo::sample_resident(model::Sex::Female, [1; 9]);
        let foreign = |name: Option<&str>, person, requests| NewCard {
            carrier: Carrier::ForeignResidentCard,
            person,
            resident_name: name.map(Into::into),
            requests,
        };
        issue(&wish("TWF000001", foreign(Some("SAMPLE NGUYEN THI"), resident, requests()))).await.unwrap();
        let issued = world.npc.certificates_of("TWF000001".parse().unwrap(), now).await.unwrap();
        let text = String::from_utf8_lossy(&issued[0].der).into_owned();
        assert!(text.contains("SAMPLE NGUYEN THI") && text.contains(resident.tail()));
        issued.iter().for_each(|certificate| shows_no_more_than_the_tail(&certificate.der, resident));
        for (card, name, person) in
            [("TWF000002", None, resident), ("TWF000003", Some("SAMPLE NGUYEN THI"), counter.person.id)]
        {
            let new = foreign(name, person, made.clone());
            assert_eq!(refused(issue(&wish(card, new)).await), "RA-E-INCOMPLETE");
        }

        // Not in the register, too young, under guardianship.
        let stranger =
            NewCard { person: NationalIdNo::sample(model::Sex::Male, [9; 9]), ..citizen(made.clone()) };
        assert_eq!(refused(issue(&wish("TWC000003", stranger)).await), "MGMT-E-PERSON-UNKNOWN");
        let mut child = crate::world::person(2);
        child.birth = model::RocDate::in_taipei(now - jiff::SignedDuration::from_hours(24 * 366 * 15));
        world.register.enrol(std::slice::from_ref(&child), now).await.unwrap();
        let young = NewCard { person: child.id, ..citizen(made.clone()) };
        assert_eq!(refused(issue(&wish("TWC000004", young)).await), "MGMT-E-TOO-YOUNG-FOR-CERTIFICATE");
        world.register.record(&counter.person.id, &Change::Guardianship(true), now).await.unwrap();
        let again = issue(&wish("TWC000005", citizen(made.clone()))).await;
        assert_eq!(refused(again), "MGMT-E-GUARDIANSHIP-NO-CERTIFICATE");
        // And the card that was issued before ends with it, once.
        assert!(counter.ra.follow_register(now).await.unwrap() > 0);
        assert_eq!(counter.ra.follow_register(now).await.unwrap(), 0);
        assert_eq!(world.certificate_states(own).await, ["revoked"; 2]);
        assert_eq!(world.certificate_states("TWF000001".parse().unwrap()).await, ["good"; 2]);
        counter.close().await;
    })
    .await;
}

/// No five characters of the number in a row stand in the certificate, as text of any of the usual kinds; and none of its
/// hashes that anybody could compute.
fn shows_no_more_than_the_tail(der: &[u8], number: NationalIdNo) {
    let holds = |bytes: &[u8]| der.windows(bytes.len()).any(|window| window == bytes);
    let text = number.as_str().as_bytes();
    for part in text.windows(5) {
        let wide: Vec<u8> = part.iter().flat_map(|byte| [0, *byte]).collect();
        assert!(!holds(part) && !holds(&wide), "{part:?}");
    }
    for hash in [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512] {
        assert!(!holds(&hash.digest(text)), "{hash:?}");
    }
}

// proves: NPC-11
#[tokio::test(flavor = "multi_thread")]
async fn management_and_registration_authority_know_each_other() {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/", dir.join("db").display());
    std::fs::create_dir(dir.join("db")).unwrap();
    let counter = Counter::open(&url, &dir).await;
    let now = counter.world.now;
    let first = counter.ra.verify_management(now).await.unwrap();
    assert_ne!(counter.ra.verify_management(now).await.unwrap(), first);
    // Somebody else under the same name, an altered and an old statement.
    let management: &dyn CardManagement = &counter.world.mgmt;
    let other = SecretKey::generate(Curve::P256, &mut curve::SystemRandom);
    let statement = PeerStatement { at: now, nonce: [1; 32] };
    let stranger = PeerProof::sign("ra", &other, statement);
    assert_eq!(management.verify_peer(&stranger, now).await.unwrap_err().code(), "MGMT-E-PEER-UNKNOWN");
    let new = PeerProof::sign("hotline", &other, statement);
    let altered = PeerProof { statement: PeerStatement { nonce: [2; 32], ..statement }, ..new.clone() };
    assert_eq!(management.verify_peer(&altered, now).await.unwrap_err().code(), "MGMT-E-PEER-UNKNOWN");
    let late = now + jiff::SignedDuration::from_mins(3);
    assert_eq!(management.verify_peer(&new, late).await.unwrap_err().code(), "MGMT-E-PEER-UNKNOWN");
    let answer = management.verify_peer(&new, now).await.unwrap();
    assert!(answer.holds(now) && answer.statement == statement);
    counter.close().await;
}
