//! What the holder of a certificate-only card has, whose card management does not know: changed content, a second period, the
//! certificates again, a user code and a contact.

use curve::rsa::RsaPrivateKey;
use curve::{Curve, SecretKey, SystemRandom};
use jiff::{SignedDuration, Timestamp};
use mgmt::CallerAnswers;
use model::{
    CardSerial, CertificateState, KeySlot, NationalIdNo, PersonName, RevocationReason, RocDate, UserCode,
};
use npc::{Carrier, CertificateAuthority};
use ra::functions::{Channel, Function, OnCertificateCard};
use ra::{Consent, Detail, Done, NewCard, NextKeys, Outcome, Proof, RaError, Way};
use registry::Change;
use terminal::perso::PinReference;
use x509::cms::{self, Spec};
use x509::{Certificate, EcSigner, Name, RsaSigner, Signer};

use crate::support::{Counter, refused, request};
use crate::world::directory;

/// A card of another make: its keys, as its own software uses them.
pub(crate) struct OtherCard {
    pub(crate) serial: CardSerial,
    person: NationalIdNo,
    resident_name: Option<String>,
    pub(crate) signing: RsaSigner,
    pub(crate) encryption: RsaSigner,
    next: [EcSigner; 2],
}

pub(crate) fn csr(signer: &dyn Signer) -> Vec<u8> {
    let subject = Name::builder().country("TW").common_name("card").build().unwrap();
    x509::csr::build(&subject, signer.spki(), signer.algorithm(), |info| signer.sign(info)).unwrap()
}

impl OtherCard {
    pub(crate) fn new(serial: &str, person: NationalIdNo, resident_name: Option<&str>) -> Self {
        let rsa = || RsaSigner::new(RsaPrivateKey::generate(2048).unwrap());
        let ec = || EcSigner::new(SecretKey::generate(Curve::P521, &mut SystemRandom));
        Self {
            serial: serial.parse().unwrap(),
            person,
            resident_name: resident_name.map(Into::into),
            signing: rsa(),
            encryption: rsa(),
            next: [ec(), ec()],
        }
    }

    /// What its first certificates are asked for with.
    pub(crate) fn new_card(&self) -> Detail {
        let carrier = match self.resident_name {
            None => Carrier::CertificateCard,
            Some(_) => Carrier::ForeignResidentCard,
        };
        let new = NewCard {
            carrier,
            person: self.person,
            resident_name: self.resident_name.clone(),
            requests: vec![
                (KeySlot::SigningRsa, csr(&self.signing)),
                (KeySlot::EncryptionRsa, csr(&self.encryption)),
            ],
        };
        Detail::NewCard(Box::new(new))
    }

    /// Issues its first certificates at a counter.
    pub(crate) async fn issue(&self, counter: &Counter) -> Done {
        let asked = self.wish(Function::Issue, self.new_card(), counter.world.now);
        counter.ra.act(Channel::Counter, &asked, &counter.clerk(), None, counter.world.now).await.unwrap()
    }

    pub(crate) fn wish(&self, function: Function, detail: Detail, at: Timestamp) -> ra::Request {
        request(function, self.serial, detail, at)
    }

    /// The second pair of keys.
    fn next_keys(&self) -> NextKeys {
        let [signing, encryption] = &self.next;
        NextKeys {
            person: self.person,
            resident_name: None,
            requests: vec![(KeySlot::SigningEc, csr(signing)), (KeySlot::EncryptionEc, csr(encryption))],
        }
    }

    pub(crate) fn next(&self) -> Detail {
        Detail::NextKeys(Box::new(self.next_keys()))
    }

    /// Signs a request with the first key, as the card's own software does.
    pub(crate) async fn sign(&self, counter: &Counter, asked: &ra::Request) -> Proof {
        Proof::Signature(self.sign_text(counter, &asked.text(), asked.at).await)
    }

    /// The same of any text.
    pub(crate) async fn sign_text(&self, counter: &Counter, text: &str, at: Timestamp) -> Vec<u8> {
        let all = counter.world.npc.certificates_of(self.serial, at).await.unwrap();
        let der = &all.iter().find(|certificate| certificate.slot == KeySlot::SigningRsa).unwrap().der;
        let certificate = Certificate::parse(der).unwrap();
        let spec = Spec::new(tlv::oid::CMS_DATA, text.as_bytes(), &certificate, self.signing.algorithm());
        let spec = Spec { detached: true, signing_time: Some(at), ..spec };
        cms::sign(&spec, &self.signing).unwrap()
    }

    /// Asks online, signed with PIN2.
    pub(crate) async fn by_pin2(
        &self,
        counter: &Counter,
        function: Function,
        detail: Detail,
    ) -> Result<Done, RaError> {
        let asked = self.wish(function, detail, counter.world.now);
        let proof = self.sign(counter, &asked).await;
        counter.ra.act(Channel::Online, &asked, &proof, None, counter.world.now).await
    }

    pub(crate) async fn by_code(
        &self,
        counter: &Counter,
        function: Function,
        detail: Detail,
        code: &UserCode,
    ) -> Result<Done, RaError> {
        let asked = self.wish(function, detail, counter.world.now);
        let proof = Proof::UserCode(code.clone());
        counter.ra.act(Channel::Online, &asked, &proof, None, counter.world.now).await
    }

    pub(crate) async fn at_counter(
        &self,
        counter: &Counter,
        function: Function,
        detail: Detail,
    ) -> Result<Done, RaError> {
        let asked = self.wish(function, detail, counter.world.now);
        counter.ra.act(Channel::Counter, &asked, &counter.clerk(), None, counter.world.now).await
    }

    /// The same with the user code as the holder's consent.
    async fn with_consent(
        &self,
        counter: &Counter,
        function: Function,
        detail: Detail,
        code: &UserCode,
    ) -> Result<Done, RaError> {
        let asked = self.wish(function, detail, counter.world.now);
        let proof = counter.clerk_with(Consent::UserCode(code.clone()));
        counter.ra.act(Channel::Counter, &asked, &proof, None, counter.world.now).await
    }

    /// The holder gets a user code at the counter and changes it.
    pub(crate) async fn own_code(&self, counter: &Counter) -> UserCode {
        let done = self.at_counter(counter, Function::ResetUserCode, Detail::Nothing).await.unwrap();
        let Outcome::UserCode(default) = done.outcome else { panic!("a code") };
        let own: UserCode = "mine111".parse().unwrap();
        let asked = self.wish(Function::ChangeUserCode, Detail::Nothing, counter.world.now);
        let proof = Proof::UserCodeChange(default, own.clone());
        counter.ra.act(Channel::Online, &asked, &proof, None, counter.world.now).await.unwrap();
        own
    }
}

/// Names, by slot.
fn names(done: &Done) -> Vec<(KeySlot, String)> {
    let Outcome::Certificates(handed) = &done.outcome else { panic!("certificates") };
    let name = |der: &[u8]| {
        Certificate::parse(der).unwrap().subject_name().unwrap().common_name().unwrap().to_owned()
    };
    handed.0.iter().map(|(slot, der)| (*slot, name(der))).collect()
}

/// Another name in the register: certificates with it over the second pair of keys, signed for with PIN2; the old ones are
/// revoked because the content changed, and nobody's period grew.
// proves: NPC-44, OPEN-17
#[tokio::test(flavor = "multi_thread")]
async fn changed_content_is_certified_for_the_second_keys_and_ends_the_first_certificates() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let counter = Counter::open(&url, &dir).await;
        let card = OtherCard::new("TWC000001", counter.person.id, None);
        let issued = card.issue(&counter).await;
        let old_name = counter.person.name.chinese().to_owned();
        assert_eq!(names(&issued)[0], (KeySlot::SigningRsa, old_name));

        // Nothing has changed.
        assert_eq!(refused(card.by_pin2(&counter, Function::Modify, card.next()).await), "RA-E-UNCHANGED");
        let new_name = PersonName::new("林新名").unwrap();
        let now = counter.world.now;
        let change = Change::Name(new_name.clone());
        counter.world.register.record(&counter.person.id, &change, now).await.unwrap();

        // Another's number; not the second keys; on New eID the name is printed.
        let stranger =
            NextKeys { person: NationalIdNo::sample(model::Sex::Male, [8; 9]), ..card.next_keys() };
        let result = card.by_pin2(&counter, Function::Modify, Detail::NextKeys(Box::new(stranger))).await;
        assert_eq!(refused(result), "RA-E-OTHER-PERSON");
        let first =
            vec![(KeySlot::SigningRsa, csr(&card.signing)), (KeySlot::EncryptionRsa, csr(&card.encryption))];
        let first = NextKeys { requests: first, ..card.next_keys() };
        for detail in [Detail::Nothing, Detail::NextKeys(Box::new(first))] {
            assert_eq!(refused(card.by_pin2(&counter, Function::Modify, detail).await), "RA-E-INCOMPLETE");
        }
        let asked = request(Function::Modify, counter.card, Detail::Nothing, now);
        let signed = counter.sign(&asked, KeySlot::SigningRsa);
        let result = counter.ra.act(Channel::Online, &asked, &signed, None, now).await;
        assert_eq!(refused(result), "RA-E-NEW-CARD-NEEDED");
        // Neither the clerk's word nor PIN2 moves what is suspended.
        card.at_counter(&counter, Function::Suspend, Detail::Nothing).await.unwrap();
        let result = card.at_counter(&counter, Function::Modify, card.next()).await;
        assert_eq!(refused(result), "RA-E-NOT-AUTHORISED", "not without the holder's consent");
        let code = card.own_code(&counter).await;
        let result = card.with_consent(&counter, Function::Modify, card.next(), &code).await;
        assert_eq!(refused(result), "RA-E-SUSPENDED");
        card.at_counter(&counter, Function::Resume, Detail::Nothing).await.unwrap();
        assert_eq!(counter.world.certificate_states(card.serial).await, ["good"; 2]);

        // The program dies after the new certificates and before the old ones are revoked; the same request finishes it.
        let asked = card.wish(Function::Modify, card.next(), now);
        let proof = card.sign(&counter, &asked).await;
        counter.world.kill_at(2, 4, store::When::BeforeCommit);
        let died = counter.ra.act(Channel::Online, &asked, &proof, None, now).await;
        assert!(died.is_err());
        let counter = counter.reopen(&url, &dir, now).await;
        assert_eq!(counter.world.certificate_states(card.serial).await, ["good"; 4], "in the middle");
        let done = counter.ra.act(Channel::Online, &asked, &proof, None, now).await.unwrap();
        let new = new_name.chinese().to_owned();
        assert_eq!(names(&done), [(KeySlot::SigningEc, new.clone()), (KeySlot::EncryptionEc, new)]);
        let all = counter.world.npc.certificates_of(card.serial, now).await.unwrap();
        assert_eq!(all.len(), 4);
        for certificate in &all {
            let first = certificate.slot.is_rsa();
            match &certificate.state {
                CertificateState::Revoked { reason, .. } if first => {
                    assert_eq!(*reason, RevocationReason::AffiliationChanged);
                }
                state => assert!(!first && *state == CertificateState::Good, "{state:?}"),
            }
            assert_eq!(certificate.validity, all[0].validity, "no longer and no shorter");
            assert_eq!(certificate.holder_no, all[0].holder_no);
        }
        assert_eq!(counter.world.certificate_states(counter.card).await, ["good"; 2], "another card's stay");

        // Sent again: the receipt, though what signed for it is revoked by now.
        let again = counter.ra.act(Channel::Online, &asked, &proof, None, now).await.unwrap();
        assert_eq!(
            (&again.receipt, again.repeated, &again.outcome),
            (&done.receipt, true, &Outcome::Written(2))
        );
        // Both pairs are used.
        let change = Change::Name(counter.person.name.clone());
        counter.world.register.record(&counter.person.id, &change, now).await.unwrap();
        for function in [Function::Modify, Function::Extend] {
            let mut keys = card.next_keys();
            keys.requests = OtherCard::new("TWC000001", card.person, None).next_keys().requests;
            let keys = Detail::NextKeys(Box::new(keys));
            let result = card.with_consent(&counter, function, keys, &code).await;
            assert_eq!(refused(result), "RA-E-NO-FURTHER-KEYS", "{function:?}");
        }
        // The certificates again, for the card's own software.
        let rewritten = card.by_code(&counter, Function::Rewrite, Detail::Nothing, &code).await.unwrap();
        assert_eq!(names(&rewritten), names(&done));
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

/// Five years, and five more with other keys.
// proves: NPC-23, NPC-27, NPC-49
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_card_has_a_second_period_once() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let resident = NationalIdNo::sample_resident(model::Sex::Female, [1; 9]);
        let citizen = OtherCard::new("TWC000001", counter.person.id, None);
        let foreign = OtherCard::new("TWF000001", resident, Some("SAMPLE NGUYEN THI"));
        let issued = RocDate::in_taipei(counter.world.now);
        for card in [&citizen, &foreign] {
            card.issue(&counter).await;
            let early = card.by_pin2(&counter, Function::Extend, card.next()).await;
            assert_eq!(refused(early), "RA-E-TOO-EARLY");
        }
        counter.world.now += SignedDuration::from_hours(24 * (5 * 365 - 60));
        for card in [&citizen, &foreign] {
            let done = card.by_pin2(&counter, Function::Extend, card.next()).await.unwrap();
            assert_eq!(names(&done).len(), 2);
            let all = counter.world.npc.certificates_of(card.serial, counter.world.now).await.unwrap();
            let second = all.iter().find(|certificate| certificate.slot == KeySlot::SigningEc).unwrap();
            let (begins, ends) = (second.validity.not_before, second.validity.not_after);
            assert_eq!(RocDate::in_taipei(begins), issued.plus_years(5));
            assert_eq!(RocDate::in_taipei(ends), issued.plus_years(10));
            assert!(all.iter().all(|certificate| certificate.state == CertificateState::Good));
            let again = card.by_pin2(&counter, Function::Extend, card.next()).await;
            assert_eq!(refused(again), "RA-E-ALREADY-REISSUED");
        }
        // NPC-34: the name of a foreign resident stays as it was seen on the permit, until a clerk sees another.
        let code = foreign.own_code(&counter).await;
        let done = foreign.by_code(&counter, Function::Rewrite, Detail::Nothing, &code).await.unwrap();
        assert!(names(&done).iter().all(|(_, name)| name == "SAMPLE NGUYEN THI"));
        let result = foreign.by_pin2(&counter, Function::Modify, foreign.next()).await;
        assert_eq!(refused(result), "RA-E-PERMIT-NEEDED");
        let seen = |name: &str| {
            let keys = NextKeys { resident_name: Some(name.into()), ..foreign.next_keys() };
            Detail::NextKeys(Box::new(keys))
        };
        let result = foreign.by_pin2(&counter, Function::Modify, seen("SAMPLE TRAN THI")).await;
        assert_eq!(refused(result), "RA-E-PERMIT-NEEDED", "nobody has seen it");
        let result = foreign.with_consent(&counter, Function::Modify, seen("SAMPLE TRAN THI"), &code).await;
        assert_eq!(refused(result), "RA-E-NO-FURTHER-KEYS");
        let other =
            OtherCard::new("TWF000002", NationalIdNo::sample_resident(model::Sex::Male, [2; 9]), Some("A B"));
        other.issue(&counter).await;
        let keys = NextKeys { resident_name: Some("A C".into()), ..other.next_keys() };
        let keys = Detail::NextKeys(Box::new(keys));
        let code = other.own_code(&counter).await;
        let done = other.with_consent(&counter, Function::Modify, keys, &code).await.unwrap();
        assert!(names(&done).iter().all(|(_, name)| name == "A C"));

        // NPC-23: what is revoked is not reissued.
        let third = OtherCard::new("TWC000003", counter.person.id, None);
        third.issue(&counter).await;
        let reason = Detail::Reason(RevocationReason::KeyCompromise);
        third.at_counter(&counter, Function::Revoke, reason).await.unwrap();
        let code = third.own_code(&counter).await;
        for function in [Function::Extend, Function::Modify] {
            let result = third.with_consent(&counter, function, third.next(), &code).await;
            assert_eq!(refused(result), "RA-E-ENDED", "{function:?}");
        }
        counter.close().await;
    })
    .await;
}

/// What management keeps for New eID is kept here for a certificate-only card: the user code, counted and locked, and how the
/// holder is reached.
// proves: NPC-40, NPC-45, NPC-46
#[tokio::test(flavor = "multi_thread")]
async fn the_holder_of_a_certificate_card_has_a_user_code_and_is_reached() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let card = OtherCard::new("TWC000001", counter.person.id, None);
        card.issue(&counter).await;
        let query = async |counter: &Counter, code: &str| {
            let code = code.parse().unwrap();
            card.by_code(counter, Function::QueryStatus, Detail::Nothing, &code).await
        };

        // None yet, the default one, the holder's own; the default one does not act.
        assert_eq!(refused(query(&counter, "guess11").await), "MGMT-E-USER-CODE-WRONG");
        let asked = card.wish(Function::ResetUserCode, Detail::Nothing, counter.world.now);
        let reset = async |counter: &Counter| {
            let (clerk, now) = (counter.clerk(), counter.world.now);
            counter.ra.act(Channel::Counter, &asked, &clerk, None, now).await.unwrap()
        };
        let done = reset(&counter).await;
        let Outcome::UserCode(default) = &done.outcome else { panic!("a code") };
        let again = reset(&counter).await;
        assert_eq!((&again.receipt, &again.outcome), (&done.receipt, &Outcome::Done), "told once");
        assert_eq!(refused(query(&counter, default.expose()).await), "MGMT-E-USER-CODE-DEFAULT");
        let change = async |counter: &Counter, present: &UserCode, new: &str| {
            let asked = card.wish(Function::ChangeUserCode, Detail::Nothing, counter.world.now);
            let proof = Proof::UserCodeChange(present.clone(), new.parse().unwrap());
            counter.ra.act(Channel::Online, &asked, &proof, None, counter.world.now).await
        };
        assert_eq!(refused(change(&counter, default, default.expose()).await), "MGMT-E-USER-CODE-UNCHANGED");
        let wrong = "wrong11".parse().unwrap();
        let requests = async |counter: &Counter| -> i64 {
            let row = counter.db.one("SELECT count(*) FROM request", store::params![]).await.unwrap();
            row.read(0).unwrap()
        };
        let before = requests(&counter).await;
        assert_eq!(refused(change(&counter, &wrong, "mine111").await), "MGMT-E-USER-CODE-WRONG");
        assert_eq!(requests(&counter).await, before, "whoever guesses fills no table");
        change(&counter, default, "mine111").await.unwrap();
        assert_eq!(refused(query(&counter, default.expose()).await), "MGMT-E-USER-CODE-WRONG");
        query(&counter, "mine111").await.unwrap();
        let confirm = card.wish(Function::ConfirmPassword, Detail::Nothing, counter.world.now);
        let proof = Proof::UserCode("mine111".parse().unwrap());
        counter.ra.act(Channel::Systems, &confirm, &proof, None, counter.world.now).await.unwrap();

        // Nothing of a code is readable in the table, and five wrong ones lock it for a quarter of an hour.
        let sql = "SELECT user_code FROM certificate_card WHERE card = $1";
        let row = counter.db.one(sql, store::params![card.serial.as_str()]).await.unwrap();
        let kept: String = row.read(0).unwrap();
        assert!(kept.starts_with("$argon2id$") && !kept.to_uppercase().contains("MINE111"), "{kept}");
        for _ in 0..4 {
            assert_eq!(refused(query(&counter, "wrong11").await), "MGMT-E-USER-CODE-WRONG");
        }
        query(&counter, "mine111").await.unwrap();
        for _ in 0..5 {
            assert_eq!(refused(query(&counter, "wrong11").await), "MGMT-E-USER-CODE-WRONG");
        }
        assert_eq!(refused(query(&counter, "mine111").await), "MGMT-E-USER-CODE-LOCKED");
        counter.world.now += SignedDuration::from_mins(14);
        assert_eq!(refused(query(&counter, "mine111").await), "MGMT-E-USER-CODE-LOCKED");
        counter.world.now += SignedDuration::from_mins(1);
        query(&counter, "mine111").await.unwrap();

        // The mobile number at the counter, e-mail online; each change is told to the old contact.
        let code = "mine111".parse().unwrap();
        let none = counter.ra.send_one_time_code(card.serial, &code, counter.world.now).await.unwrap_err();
        assert_eq!(none.code(), "RA-E-NO-CONTACT");
        let bad = Detail::Mobile(Some("12".into()));
        let result = card.at_counter(&counter, Function::ChangeMobile, bad).await;
        assert_eq!(refused(result), "MGMT-E-CONTACT-MISSING");
        let mobile = Detail::Mobile(Some("0912345678".into()));
        card.at_counter(&counter, Function::ChangeMobile, mobile).await.unwrap();
        for message in counter.ra.messages(100, counter.world.now).await.unwrap() {
            counter.ra.message_sent(message.id, counter.world.now).await.unwrap();
        }
        let email = Detail::Email(Some("other@example.test".into()));
        card.by_code(&counter, Function::ChangeEmail, email, &code).await.unwrap();
        let told = counter.ra.messages(100, counter.world.now).await.unwrap();
        let mut told: Vec<_> = told.iter().map(|message| (message.way, message.to.as_str())).collect();
        told.sort_by_key(|message| message.1);
        assert_eq!(told, [(Way::Sms, "0912345678"), (Way::Email, "other@example.test")]);
        let sql = "SELECT contact FROM certificate_card WHERE card = $1";
        let row = counter.db.one(sql, store::params![card.serial.as_str()]).await.unwrap();
        let sealed: Vec<u8> = row.read(0).unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains("example"));

        // By telephone, with the same questions; and what needs keys of the card is refused in words.
        let answers = CallerAnswers {
            number: counter.person.id,
            birth: counter.person.birth,
            district: counter.person.address.village().district().to_string(),
            representative: None,
        };
        let other =
            CallerAnswers { number: NationalIdNo::sample(model::Sex::Male, [8; 9]), ..answers.clone() };
        for (answers, expected) in [(other, Err("RA-E-CALLER")), (answers, Ok(()))] {
            let asked = card.wish(Function::ReportLoss, Detail::Nothing, counter.world.now);
            let proof = Proof::Caller { operator: "hotline-7".into(), answers };
            let result = counter.ra.act(Channel::Hotline, &asked, &proof, None, counter.world.now).await;
            assert_eq!(result.map(drop).map_err(|error| error.code()), expected);
        }
        assert_eq!(counter.world.certificate_states(card.serial).await, ["suspended"; 2]);
        card.by_code(&counter, Function::WithdrawLoss, Detail::Nothing, &code).await.unwrap();
        assert_eq!(counter.world.certificate_states(card.serial).await, ["good"; 2]);
        let pins = Detail::Pins(vec![PinReference::Pin2]);
        let asked = card.wish(Function::Unblock, pins, counter.world.now);
        let by_code = counter.clerk_with(Consent::UserCode(code.clone()));
        let unblock = counter.ra.act(Channel::Counter, &asked, &by_code, None, counter.world.now).await;
        assert_eq!(refused(unblock), "RA-E-NO-CARD-KEYS");
        let asked = card.wish(Function::ChangePin, Detail::Nothing, counter.world.now);
        let pins = Proof::Pin2Change("20212021".parse().unwrap(), "30303030".parse().unwrap());
        let result = counter.ra.act(Channel::Online, &asked, &pins, None, counter.world.now).await;
        assert_eq!(refused(result), "RA-E-NO-CARD-KEYS");
        for function in Function::ALL {
            let refused = matches!(function.on_certificate_card(), OnCertificateCard::Refused(_));
            let theirs = matches!(function, Function::Unblock | Function::ChangePin | Function::Rekey);
            assert_eq!(refused, theirs, "{function:?}");
        }
        counter.ra.verify_audit().await.unwrap();
        counter.close().await;
    })
    .await;
}

/// The CA would refuse one of the two requests: neither gets a certificate, and the pair is asked for with other keys.
// proves: NPC-23
#[tokio::test(flavor = "multi_thread")]
async fn a_pair_of_which_one_is_refused_is_not_begun() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut counter = Counter::open(&url, &dir).await;
        let card = OtherCard::new("TWC000001", counter.person.id, None);
        card.issue(&counter).await;
        counter.world.now += SignedDuration::from_hours(24 * (5 * 365 - 60));
        let mut keys = card.next_keys();
        // A kind of key that no citizen has.
        keys.requests[1].1 = csr(&EcSigner::new(SecretKey::generate(Curve::P256, &mut SystemRandom)));
        let result = card.by_pin2(&counter, Function::Extend, Detail::NextKeys(Box::new(keys))).await;
        let code = refused(result);
        assert!(code.starts_with("NPC-"), "{code}");
        assert_eq!(counter.world.certificate_states(card.serial).await, ["good"; 2]);
        let other = OtherCard::new("TWC000001", card.person, None);
        card.by_pin2(&counter, Function::Extend, other.next()).await.unwrap();
        assert_eq!(counter.world.certificate_states(card.serial).await, ["good"; 4]);
        counter.close().await;
    })
    .await;
}
