//! Every function, interrupted before and after every commit of the registration authority's own database: the same request sent
//! again ends with the effect once, one receipt, and no try of a secret lost.

use jiff::SignedDuration;
use mgmt::CallerAnswers;
use model::{CardState, KeySlot, PersonName, RevocationReason};
use npc::CertificateAuthority;
use ra::functions::{Channel, Function, RULES};
use ra::{Consent, Detail, Done, HandedOver, Outcome, Proof};
use registry::Change;
use store::When;
use terminal::npc_card::Pin2Status;
use terminal::perso::PinReference;

use crate::certificate_cards::OtherCard;
use crate::support::{Counter, PIN2, code, request, secret};
use crate::virtual_cards::device;
use crate::world::directory;

/// Commits of one request at most: the try of a code, what is begun, what the function stores itself, the receipt.
const COMMITS: u64 = 7;

/// How often the same commit is interrupted.
const TIMES: u64 = 4;

/// Sends a request, killed at its first commit as often as that comes to anything, then at its second one, and so on; then once
/// more. It says how often it was killed.
async fn sent_again_and_again(
    counter: &Counter,
    channel: Channel,
    asked: &ra::Request,
    proof: &Proof,
) -> (Done, usize) {
    let reader = || asked.function.needs_card().then(|| counter.reader());
    let mut killed = 0;
    for n in 1..=COMMITS {
        for _ in 0..TIMES {
            let mut reached = false;
            for when in [When::BeforeCommit, When::AfterCommit] {
                counter.db.fail_after(n, when);
                let result = counter.ra.act(channel, asked, proof, reader(), counter.world.now).await;
                let died = counter.db.revive();
                assert_eq!(
                    result.is_err(),
                    died,
                    "{} {n} {when:?} {:?}",
                    asked.function.as_str(),
                    result.err()
                );
                killed += usize::from(died);
                reached |= died;
            }
            if !reached {
                break;
            }
        }
    }
    let done = counter.ra.act(channel, asked, proof, reader(), counter.world.now).await.unwrap();
    let again = counter.ra.act(channel, asked, proof, reader(), counter.world.now).await.unwrap();
    assert_eq!((&again.receipt, done.repeated, again.repeated), (&done.receipt, true, true));
    let mut events = audit::events(&counter.db, Some(asked.card.as_str()), 0, 10_000).await.unwrap();
    let number = asked.id.simple().to_string();
    events.retain(|entry| entry.action == "request-done" && entry.detail.contains(&number));
    assert_eq!(events.len(), 1, "{} is done once", asked.function.as_str());
    (done, killed)
}

// proves: NPC-44, NPC-54
#[tokio::test(flavor = "multi_thread")]
async fn every_function_is_done_once_wherever_it_was_interrupted() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let card = counter.card;
        let mut tested = std::collections::BTreeSet::new();
        let mut go = async |counter: &Counter, channel, function, detail, proof: Option<Proof>| {
            let asked = request(function, card, detail, counter.world.now);
            // Signed where nobody brings another proof.
            let proof = proof.unwrap_or_else(|| counter.sign(&asked, KeySlot::SigningRsa));
            let (done, killed) = sent_again_and_again(counter, channel, &asked, &proof).await;
            assert!(killed >= 4, "{} was killed {killed} times", function.as_str());
            tested.insert(function);
            done
        };
        let by_code = || Some(Proof::UserCode(code()));
        let with_consent = |counter: &Counter| Some(counter.clerk_with(Consent::UserCode(code())));
        let (online, counter_, hotline) = (Channel::Online, Channel::Counter, Channel::Hotline);

        go(&counter, online, Function::Suspend, Detail::Nothing, None).await;
        assert_eq!(counter.world.certificate_states(card).await, ["suspended"; 2]);
        go(&counter, online, Function::Resume, Detail::Nothing, by_code()).await;
        assert_eq!(counter.world.certificate_states(card).await, ["good"; 2]);
        let answers = CallerAnswers {
            number: counter.person.id,
            birth: counter.person.birth,
            district: counter.person.address.village().district().to_string(),
            representative: None,
        };
        let caller = Proof::Caller { operator: "op-1".into(), answers };
        go(&counter, hotline, Function::ReportLoss, Detail::Nothing, Some(caller)).await;
        assert_eq!(counter.world.mgmt.card(card).await.unwrap().state, CardState::Suspended);
        go(&counter, online, Function::WithdrawLoss, Detail::Nothing, by_code()).await;
        assert_eq!(counter.world.mgmt.card(card).await.unwrap().state, CardState::Active);
        go(&counter, online, Function::QueryStatus, Detail::Nothing, None).await;
        go(&counter, online, Function::ChangePublication, Detail::Published(true), None).await;
        assert!(counter.world.npc.is_published(card).await.unwrap());
        go(&counter, online, Function::Barcode, Detail::Nothing, by_code()).await;
        let (_, device) = device(counter.person.id);
        let made = go(&counter, online, Function::VirtualCard, device, None).await;
        assert!(matches!(made.outcome, Outcome::VirtualCard(_, HandedOver(all)) if all.len() == 2));
        let mail = Detail::Email(Some("holder@example.test".into()));
        go(&counter, counter_, Function::ChangeEmail, mail, Some(counter.clerk())).await;
        let mobile = Detail::Mobile(Some("0912345678".into()));
        go(&counter, counter_, Function::ChangeMobile, mobile, Some(counter.clerk())).await;
        let rewritten =
            go(&counter, counter_, Function::Rewrite, Detail::Nothing, with_consent(&counter)).await;
        assert_eq!(rewritten.outcome, Outcome::Written(2));
        go(&counter, Channel::Systems, Function::ConfirmPassword, Detail::Nothing, by_code()).await;

        // The card changes its PIN2 and the receipt is not stored: the present one of the request is the old one by now.
        let change = Proof::Pin2Change(PIN2.parse().unwrap(), "30303030".parse().unwrap());
        go(&counter, online, Function::ChangePin, Detail::Nothing, Some(change)).await;
        assert_eq!(counter.zone().pin2_status(), Ok(Pin2Status::Required { tries_left: 3 }));
        let mut zone = counter.zone();
        zone.verify_pin2(&secret("30303030")).unwrap();
        zone.change_pin2(&secret("30303030"), &secret(PIN2)).unwrap();
        drop(zone);

        // The code that was sent is used for the request, however often that comes.
        counter.block_pin2();
        let now = counter.world.now;
        counter.ra.send_one_time_code(card, &code(), now).await.unwrap();
        let messages = counter.ra.messages(100, now).await.unwrap();
        let mut words = messages.iter().flat_map(|message| message.text.split(|c: char| !c.is_ascii_digit()));
        let sent = words.find(|word| word.len() == 8).unwrap().to_owned();
        let pin2 = Detail::Pins(vec![PinReference::Pin2]);
        go(&counter, online, Function::Unblock, pin2, Some(Proof::OneTimeCode(code(), sent))).await;
        assert_eq!(counter.zone().pin2_status(), Ok(Pin2Status::Required { tries_left: 3 }));

        let other: model::UserCode = "another1".parse().unwrap();
        let change = Proof::UserCodeChange(code(), other.clone());
        go(&counter, online, Function::ChangeUserCode, Detail::Nothing, Some(change)).await;
        let back = Proof::UserCodeChange(other, code());
        go(&counter, online, Function::ChangeUserCode, Detail::Nothing, Some(back)).await;

        // The reissue has two steps of its own.
        counter.world.now += SignedDuration::from_hours(24 * (5 * 365 - 60));
        let extended = go(&counter, online, Function::Extend, Detail::Nothing, by_code()).await;
        assert_eq!(extended.outcome, Outcome::Written(2));
        assert_eq!(counter.world.npc.certificates_of(card, counter.world.now).await.unwrap().len(), 4);
        go(&counter, counter_, Function::ResetUserCode, Detail::Nothing, Some(counter.clerk())).await;
        let reason = Detail::Reason(RevocationReason::CessationOfOperation);
        go(&counter, counter_, Function::Revoke, reason, Some(counter.clerk())).await;
        assert_eq!(counter.world.certificate_states(card).await, ["revoked"; 4]);

        // Cards of another make: one whose content changes, one with a second period. `crash.rs` kills both at the CA's commits too.
        let states =
            async |counter: &Counter, card: &OtherCard| counter.world.certificate_states(card.serial).await;
        for (serial, next) in [("TWC000001", Function::Modify), ("TWC000002", Function::Extend)] {
            let other = OtherCard::new(serial, counter.person.id, None);
            for function in [Function::Issue, next] {
                let now = counter.world.now;
                let (channel, detail) = match function {
                    Function::Issue => (counter_, other.new_card()),
                    _ => (online, other.next()),
                };
                let asked = other.wish(function, detail, now);
                let proof = match function {
                    Function::Issue => counter.clerk(),
                    _ => other.sign(&counter, &asked).await,
                };
                let (done, killed) = sent_again_and_again(&counter, channel, &asked, &proof).await;
                assert!(killed >= 4, "{} was killed {killed} times", function.as_str());
                match done.outcome {
                    Outcome::Certificates(HandedOver(all)) => assert_eq!(all.len(), 2),
                    // What has signed the request is revoked by it, and is shown no certificates any more.
                    Outcome::Written(2) => assert_eq!(function, Function::Modify),
                    other => panic!("{}: {other:?}", function.as_str()),
                }
                tested.insert(function);
                match (function, next) {
                    (Function::Issue, Function::Modify) => {
                        let change = Change::Name(PersonName::new("林新名").unwrap());
                        counter.world.register.record(&counter.person.id, &change, now).await.unwrap();
                    }
                    (Function::Issue, _) => {
                        counter.world.now += SignedDuration::from_hours(24 * (5 * 365 - 60))
                    }
                    (Function::Modify, _) => {
                        assert_eq!(states(&counter, &other).await, ["revoked", "revoked", "good", "good"]);
                    }
                    _ => assert_eq!(states(&counter, &other).await, ["good"; 4]),
                }
            }
        }

        // A recall has tests of its own (`rekey.rs`); between systems there is no request.
        let mut all: std::collections::BTreeSet<_> = RULES.iter().map(|rule| rule.function).collect();
        for elsewhere in [Function::Rekey, Function::MutualVerification] {
            all.remove(&elsewhere);
        }
        assert_eq!(tested, all);
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

/// The new PIN2 is tried first only where it may be the present one, and never as the last try.
// proves: NPC-44, NPC-54
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_pin2_that_was_begun_does_not_block_it() {
    let (_keep, dir) = directory();
    let url = format!("sqlite:{}/", dir.join("db").display());
    std::fs::create_dir(dir.join("db")).unwrap();
    let counter = Counter::open(&url, &dir).await;
    let now = counter.world.now;
    let change = |old: &str| Proof::Pin2Change(old.parse().unwrap(), "30303030".parse().unwrap());
    let tries = |left| Ok(Pin2Status::Required { tries_left: left });
    let asked = request(Function::ChangePin, counter.card, Detail::Nothing, now);
    let act = async |proof: &Proof| {
        counter.ra.act(Channel::Online, &asked, proof, Some(counter.reader()), now).await
    };
    // Wrong: a new request does not try the new one.
    act(&change("11111111")).await.unwrap_err();
    assert_eq!(counter.zone().pin2_status(), tries(2));
    // Begun: the new one is tried, is wrong, and the present one is right.
    act(&change(PIN2)).await.unwrap();
    assert_eq!(counter.zone().pin2_status(), tries(3));

    // Begun with one try left: that is for the present one.
    let asked = request(Function::ChangePin, counter.card, Detail::Nothing, now);
    let act = async |proof: &Proof| {
        counter.ra.act(Channel::Online, &asked, proof, Some(counter.reader()), now).await
    };
    let change = |old: &str| Proof::Pin2Change(old.parse().unwrap(), "40404040".parse().unwrap());
    act(&change("11111111")).await.unwrap_err();
    counter.zone().verify_pin2(&secret("99999999")).unwrap_err();
    assert_eq!(counter.zone().pin2_status(), tries(1));
    act(&change("30303030")).await.unwrap();
    assert_eq!(counter.zone().pin2_status(), tries(3));
    counter.zone().verify_pin2(&secret("40404040")).unwrap();
    counter.close().await;
}
