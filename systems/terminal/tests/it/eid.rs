//! The encrypted zone through the terminal library: reading with reasons, PIN management, updates.

use std::sync::{Arc, LazyLock};

use chip::Interface;
use curve::{Curve, Hash, SecretBytes, SecretKey};
use eac::Password;
use eac::auxiliary_data::AuxiliaryData;
use eac::cvc::{
    Body, Certificate, Chat, Date, Extension, Extensions, PublicKey, Rights, Role, TrustPoint, UpdateRights,
};
use eac::restricted_identification::SectorKey;
use lds::eid::{EncryptedZone, Field, PersonName};
use terminal::eid::{
    Document, EidError, EncryptedZoneReport, FieldOutcome, Grant, IdentityError, Session, TerminalIdentity,
    UpdateFiles, read_access_number, read_encrypted_zone,
};
use terminal::perso::{EncryptedZoneFiles, PinReference};
use terminal::{ReadReport, Refusal, TrustStore, Verdict};
use x509::EcSigner;

use crate::country::{COUNTRY, Country, now};
use crate::ours::{self, Channel, PIN1, can, encrypted_zone, open, rng};

const ROOT: &str = "TWCVCA00001";
const VERIFIER: &str = "TWDVCA00001";

fn key(name: &str) -> SecretKey {
    SecretKey::generate(Curve::P521, &mut rng(name))
}

fn certificate(
    authority: &str,
    holder: &str,
    role: Role,
    rights: Rights,
    updates: UpdateRights,
    change: impl FnOnce(&mut Body),
) -> Certificate {
    let public = key(holder).public_key();
    let mut body = Body {
        authority: authority.parse().expect("a reference"),
        public_key: if role == Role::Cvca {
            PublicKey::explicit(&public)
        } else {
            PublicKey::inheriting(&public)
        },
        holder: holder.parse().expect("a reference"),
        chat: Chat::authentication(role, rights),
        effective: Date::new(2026, 1, 1).expect("a day"),
        expiration: Date::new(2027, 12, 31).expect("a day"),
        extensions: Extensions::new(vec![Extension::updates(updates)]).expect("one"),
    };
    change(&mut body);
    body.issue(|bytes| Ok::<_, IdentityError>(key(authority).sign_digest(&curve::Hash::Sha512.digest(bytes))))
        .expect("signs")
}

pub(crate) fn root() -> Certificate {
    static CERTIFICATE: LazyLock<Certificate> =
        LazyLock::new(|| certificate(ROOT, ROOT, Role::Cvca, !Rights::NONE, UpdateRights::ALL, |_| {}));
    CERTIFICATE.clone()
}

/// What a card gets at personalisation.
pub(crate) fn trust_point() -> Vec<u8> {
    TrustPoint::from_root(&root()).expect("a root").encode()
}

fn verifier() -> Certificate {
    certificate(ROOT, VERIFIER, Role::OfficialVerifier, !Rights::NONE, UpdateRights::ALL, |_| {})
}

fn signer(name: &str) -> Arc<EcSigner> {
    Arc::new(EcSigner::new(key(name)))
}

pub(crate) fn identity(rights: Rights, updates: UpdateRights) -> TerminalIdentity {
    let own = certificate(VERIFIER, "TWAGENCY00001", Role::Terminal, rights, updates, |_| {});
    // As a file holds them, the root too, in no order.
    let file = [own.encode(), root().encode(), verifier().encode()].concat();
    TerminalIdentity::new(&file, signer("TWAGENCY00001")).expect("an identity")
}

pub(crate) fn read(fields: &[u8]) -> Rights {
    fields.iter().fold(Rights::NONE, |all, group| all | Rights::read_dg(*group).expect("a data group"))
}

/// A card whose holder has set PIN1.
pub(crate) fn card(profile: &'static str) -> chip::Flash {
    let flash = ours::card(profile);
    ours::set_pin1(&flash, &SecretBytes::new(PIN1));
    flash
}

pub(crate) fn pin1() -> Password {
    Password::pin(PIN1)
}

pub(crate) fn channel(profile: &'static str) -> Channel {
    open(&card(profile), Interface::Contact)
}

pub(crate) fn session<C: apdu::CardChannel>(
    channel: C,
    password: &Password,
    identity: &TerminalIdentity,
) -> Result<Session<C>, EidError> {
    let (questions, trust) = (AuxiliaryData::new(), COUNTRY.trust());
    Session::open(channel, password, None, identity, Grant::ALL, &questions, &trust, now(), &mut rng("eid"))
}

pub(crate) fn refusal(
    channel: Channel,
    password: &Password,
    identity: &TerminalIdentity,
    trust: &TrustStore,
) -> Refusal {
    let report =
        read_encrypted_zone(channel, password, None, identity, Grant::ALL, trust, now(), &mut rng("eid"));
    assert_eq!(report.verdict, Verdict::Refused);
    report.refusal.expect("a reason")
}

// proves: CARD-32, CARD-33, DOCPKI-04, DOCPKI-06
#[test]
fn an_agency_reads_and_verifies_the_fields_it_may_and_is_told_why_not_the_others() {
    for (profile, birthplace, sex) in [("national", 9, 11), ("interop", 9, 7)] {
        let identity = identity(read(&[birthplace, sex]), UpdateRights::NONE);
        let report = read_encrypted_zone(
            channel(profile),
            &pin1(),
            None,
            &identity,
            Grant::ALL,
            &COUNTRY.trust(),
            now(),
            &mut rng("eid"),
        );
        assert_eq!(report.verdict, Verdict::Verified, "{report:?}");
        assert_eq!(report.trust_point, ROOT);
        let field = |field| report.field(field).expect("every field is reported");
        assert_eq!(field(Field::Birthplace).value.as_deref(), Some("臺南市"));
        assert_eq!(field(Field::Sex).value.as_deref(), Some("F"));
        for other in [Field::Spouse, Field::Father, Field::Mother, Field::AccessNumber] {
            assert_eq!(field(other).outcome, FieldOutcome::NoRight);
            assert!(field(other).value.is_none() && field(other).detail.starts_with("READ_DG"));
        }
        assert!(!format!("{report:?}").contains("臺南"), "Debug shows no personal data");
    }
}

#[test]
fn a_right_that_only_the_terminals_own_certificate_has_is_refused_by_the_card_and_named() {
    let poor = certificate(ROOT, VERIFIER, Role::OfficialVerifier, read(&[9]), UpdateRights::NONE, |_| {});
    let own =
        certificate(VERIFIER, "TWAGENCY00001", Role::Terminal, read(&[9, 11]), UpdateRights::NONE, |_| {});
    let identity =
        TerminalIdentity::from_certificates(vec![poor, own], signer("TWAGENCY00001")).expect("an identity");
    let report = read_encrypted_zone(
        channel("national"),
        &pin1(),
        None,
        &identity,
        Grant::ALL,
        &COUNTRY.trust(),
        now(),
        &mut rng("eid"),
    );
    let sex = report.field(Field::Sex).expect("reported");
    assert_eq!(sex.outcome, FieldOutcome::NotGranted);
    assert!(sex.detail.contains("READ_DG11") && sex.detail.contains("6982"), "{}", sex.detail);
    assert_eq!(report.field(Field::Birthplace).expect("reported").outcome, FieldOutcome::Verified);
}

#[test]
fn every_refusal_names_its_reason() {
    let good = || identity(read(&[9]), UpdateRights::NONE);
    let trust = COUNTRY.trust();
    let other = |change: fn(&mut Body), signed_by: &str| {
        let own =
            certificate(signed_by, "TWAGENCY00001", Role::Terminal, read(&[9]), UpdateRights::NONE, change);
        TerminalIdentity::from_certificates(vec![verifier(), own], signer("TWAGENCY00001"))
            .expect("an identity")
    };
    // The password.
    let wrong = Password::pin(b"000000");
    assert_eq!(refusal(channel("national"), &wrong, &good(), &trust), Refusal::Pin1Wrong);
    assert_eq!(
        refusal(open(&ours::card("national"), Interface::Contact), &pin1(), &good(), &trust),
        Refusal::Pin1NotSet
    );
    let contactless = open(&card("national"), Interface::Contactless);
    assert_eq!(refusal(contactless, &pin1(), &good(), &trust), Refusal::Pin1Absent);
    // The terminal.
    let stranger = other(|body| body.authority = "XXDVCA00001".parse().expect("a reference"), VERIFIER);
    assert_eq!(refusal(channel("national"), &pin1(), &stranger, &trust), Refusal::TerminalUntrusted);
    let expired = other(
        |body| {
            body.effective = Date::new(2025, 1, 1).expect("a day");
            body.expiration = Date::new(2025, 6, 1).expect("a day");
        },
        VERIFIER,
    );
    assert_eq!(refusal(channel("national"), &pin1(), &expired, &trust), Refusal::TerminalCertificateRefused);
    // The access number where PIN1 is needed.
    let error = session(channel("national"), &can(), &good()).err().expect("refused");
    assert_eq!(error.refusal, Refusal::TerminalRight);
    assert!(error.detail.contains("CAN_ALLOWED"), "{error}");
    // Who vouches for the chip.
    assert_eq!(refusal(channel("national"), &pin1(), &good(), &TrustStore::new()), Refusal::SignerUntrusted);
    let other_country = Country::new("another", x509::Validity::new(now(), now()).expect("in order"));
    assert_eq!(
        refusal(channel("national"), &pin1(), &good(), &other_country.trust()),
        Refusal::SignerUntrusted
    );
    // Files that are no identity.
    let file = [verifier().encode(), root().encode()].concat();
    assert_eq!(TerminalIdentity::new(&file, signer("TWAGENCY00001")).err(), Some(IdentityError::OtherKey));
    assert_eq!(TerminalIdentity::new(b"PEM", signer("TWAGENCY00001")).err(), Some(IdentityError::Malformed));
}

// proves: OPEN-04
#[test]
fn a_terminal_that_may_read_the_access_number_opens_the_public_zone_without_typing() {
    for (profile, group) in [("national", 12), ("interop", 13)] {
        let flash = card(profile);
        let trust = COUNTRY.trust();
        let number = |identity: &TerminalIdentity, trust: &TrustStore| {
            let channel = open(&flash, Interface::Contact);
            read_access_number(channel, &pin1(), identity, trust, now(), &mut rng("eid"))
        };
        let password = number(&identity(read(&[group]), UpdateRights::NONE), &trust).expect("the number");
        let options = terminal::ReadOptions::default();
        let channel = open(&flash, Interface::Contact);
        let report = terminal::read_card(channel, &password, &trust, &options, now(), &mut rng("read"));
        assert_eq!(report.verdict, Verdict::Verified, "{profile}");
        assert!(report.public_zone().is_some(), "{profile}");
        // Without the right for this field, in the own certificate or above it, the right is named; and nobody's word counts
        // whom no trusted signer vouches for.
        let all_but = identity(read(&[4, 7, 9, 11]), UpdateRights::NONE);
        let error = number(&all_but, &trust).expect_err("no right");
        assert_eq!(error.refusal, Refusal::TerminalRight);
        assert_eq!(error.detail, format!("access-number: READ_DG{group}"));
        let poor =
            certificate(ROOT, VERIFIER, Role::OfficialVerifier, read(&[9]), UpdateRights::NONE, |_| {});
        let own = certificate(
            VERIFIER,
            "TWAGENCY00001",
            Role::Terminal,
            read(&[group]),
            UpdateRights::NONE,
            |_| {},
        );
        let above = TerminalIdentity::from_certificates(vec![poor, own], signer("TWAGENCY00001"));
        let error = number(&above.expect("an identity"), &trust).expect_err("no right above");
        assert_eq!(error.refusal, Refusal::TerminalRight);
        assert!(error.detail.contains(&format!("READ_DG{group}")), "{error}");
        let reader = identity(read(&[group]), UpdateRights::NONE);
        let error = number(&reader, &TrustStore::new()).expect_err("nobody is trusted");
        assert_eq!(error.refusal, Refusal::SignerUntrusted);
    }
}

// The card gives a status word; which check it was is found out here.
#[test]
fn a_refused_certificate_is_told_with_the_check_it_failed() {
    let day = |year, month, day| Date::new(year, month, day).expect("a day");
    let terminal = |signed_by: &str, change: &dyn Fn(&mut Body)| {
        certificate(signed_by, "TWAGENCY00001", Role::Terminal, read(&[9]), UpdateRights::NONE, change)
    };
    let reissued = |mut body: Body, key_of: &str| {
        body.holder = VERIFIER.parse().expect("a reference");
        body.issue(|bytes| Ok::<_, IdentityError>(key(key_of).sign_digest(&Hash::Sha512.digest(bytes))))
            .expect("signs")
    };
    let good = || terminal(VERIFIER, &|_| {});
    let flash = card("national");
    let detail = |certificates: Vec<Certificate>| {
        let identity = TerminalIdentity::from_certificates(certificates, signer("TWAGENCY00001"));
        let channel = open(&flash, Interface::Contact);
        let error = session(channel, &pin1(), &identity.expect("an identity")).err().expect("refused");
        assert_eq!(error.refusal, Refusal::TerminalCertificateRefused, "{error}");
        error.detail
    };
    let says = |certificates: Vec<Certificate>, holder: &str, check: &str| {
        let detail = detail(certificates);
        assert!(detail.starts_with(&format!("{holder}: {check}")), "{check}: {detail}");
    };
    let own = "TWAGENCY00001";
    // Signature: of the terminal's certificate, and of the verifier's where the root is at hand.
    let body = |certificate: &Certificate| certificate.body().clone();
    let forged = body(&good())
        .issue(|bytes| Ok::<_, IdentityError>(key("stranger").sign_digest(&Hash::Sha512.digest(bytes))))
        .expect("signs");
    says(vec![verifier(), forged.clone()], own, "signature: not that of TWDVCA00001, SW 6300");
    says(vec![root(), verifier(), forged], own, "signature: not that of TWDVCA00001, SW 6300");
    let other = reissued(body(&verifier()), "stranger");
    says(vec![root(), other.clone(), good()], VERIFIER, "signature: not that of TWCVCA00001, SW 6300");
    // Without the root nobody here can tell whether it signed.
    says(
        vec![other, good()],
        VERIFIER,
        "not under the card's trust point TWCVCA00001, or expired by the card's date",
    );
    // Role: a terminal under the root itself.
    says(
        vec![terminal(ROOT, &|_| {})],
        own,
        "role: a terminal below TWCVCA00001, which is a root (CVCA), SW 6300",
    );
    // Dates: ended before its verifier began, begun after it has ended, and past by this computer's clock.
    let past = terminal(VERIFIER, &|body| {
        (body.effective, body.expiration) = (day(2025, 1, 1), day(2025, 6, 1));
    });
    says(vec![verifier(), past], own, "dates: expired 2025-06-01, before TWDVCA00001 began (2026-01-01)");
    let early = terminal(VERIFIER, &|body| {
        (body.effective, body.expiration) = (day(2028, 1, 1), day(2028, 6, 1));
    });
    says(vec![verifier(), early], own, "dates: begins 2028-01-01, when TWDVCA00001 has ended (2027-12-31)");
    // The card has met a certificate of a later day: what has not expired here has expired there.
    let later = terminal(VERIFIER, &|body| {
        (body.effective, body.expiration) = (day(2027, 6, 1), day(2027, 9, 1));
    });
    let identity = TerminalIdentity::from_certificates(vec![verifier(), later], signer(own));
    session(open(&flash, Interface::Contact), &pin1(), &identity.expect("an identity")).expect("accepted");
    let short = terminal(VERIFIER, &|body| body.expiration = day(2027, 3, 1));
    says(vec![verifier(), short], own, "expired by the card's date: 2027-03-01, SW 6300");
}

// UPDATE-02: the right that an office lacks is named, whether its own certificate lacks it or one above.
#[test]
fn an_update_without_its_right_is_refused_with_the_name_of_the_right() {
    let flash = card("national");
    let refused = |identity: &TerminalIdentity, fields: &[u8]| {
        let mut session = session(open(&flash, Interface::Contact), &can(), identity).expect("a session");
        let name = |text: &str| Some(PersonName { text: text.into(), cns: Vec::new() });
        let mut new = encrypted_zone("national");
        (new.spouse, new.father, new.birthplace) = (name("王小明"), name("林大同"), "高雄市".into());
        let spki = curve::spki_from_point(session.chip_key());
        let EncryptedZoneFiles { groups, security_object } = ours::encrypted(&COUNTRY, &new, 1, &spki);
        let groups = groups.into_iter().filter(|(group, _)| fields.contains(group)).collect();
        let encrypted = Some(EncryptedZoneFiles { groups, security_object });
        let files = UpdateFiles { encrypted, ..UpdateFiles::default() };
        let package = files.package(session.chip_key(), 0).expect("well formed").encode();
        let error = session.update(&COUNTRY.sign(tlv::oid::CHIP_UPDATE, &package), &[]).expect_err("refused");
        assert_eq!(error.refusal, Refusal::TerminalRight);
        error.detail
    };
    let office = |updates| identity(Rights::CAN_ALLOWED, updates);
    assert_eq!(refused(&office(UpdateRights::ADDRESS), &[14]), "COMMIT: SPOUSE, SW 6982");
    assert_eq!(refused(&office(UpdateRights::SPOUSE), &[14, 15, 9]), "COMMIT: FATHER BIRTHPLACE, SW 6982");
    // Nothing may be written at all: the first block is refused.
    assert_eq!(refused(&office(UpdateRights::NONE), &[14]), "STORE DATA: SPOUSE, SW 6982");
    let both = UpdateRights::SPOUSE.with(UpdateRights::FATHER);
    let verifier =
        certificate(ROOT, VERIFIER, Role::OfficialVerifier, !Rights::NONE, UpdateRights::SPOUSE, |_| {});
    let own = certificate(VERIFIER, "TWAGENCY00001", Role::Terminal, Rights::NONE, both, |_| {});
    let above = TerminalIdentity::from_certificates(vec![verifier, own], signer("TWAGENCY00001"));
    assert_eq!(refused(&above.expect("an identity"), &[14, 15]), "COMMIT: FATHER, SW 6982");
}

/// Somebody between terminal and cards who shows another card after each reset, and stays with the last.
struct Switch {
    cards: Vec<Channel>,
    resets: usize,
}

impl Switch {
    fn card(&mut self) -> &mut Channel {
        let at = self.resets.saturating_sub(1).min(self.cards.len() - 1);
        &mut self.cards[at]
    }
}

impl apdu::CardChannel for Switch {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, apdu::ChannelError> {
        self.card().transmit(command)
    }

    fn reset(&mut self) -> Result<Vec<u8>, apdu::ChannelError> {
        self.resets += 1;
        self.card().reset()
    }
}

/// Reads the public zone and then, bound to it, the encrypted zone of whatever card is there then.
fn both_zones(mut channel: impl apdu::CardChannel, password: &Password) -> (ReadReport, EncryptedZoneReport) {
    let (trust, options) = (COUNTRY.trust(), terminal::ReadOptions::default());
    let report =
        terminal::read_card(&mut channel, password, &trust, &options, now(), &mut rng("public zone"));
    let document = Some(Document { password, fresh_pin1: true, report: &report });
    let identity = identity(read(&[9, 12, 13]), UpdateRights::NONE);
    let zone = read_encrypted_zone(
        channel,
        &pin1(),
        document,
        &identity,
        Grant::ALL,
        &trust,
        now(),
        &mut rng("eid"),
    );
    (report, zone)
}

// CARD-32: the fields are those of the holder whose portrait was shown, not only of some card of the country.
#[test]
fn every_session_is_with_the_chip_whose_public_zone_was_read() {
    for profile in ["national", "interop"] {
        for password in [can(), Password::mrz(ours::SERIAL, "900805", "361120")] {
            let (public, zone) = both_zones(channel(profile), &password);
            assert_eq!((public.verdict, zone.verdict), (Verdict::Verified, Verdict::Verified), "{zone:?}");
        }
    }
    // Both cards are genuine, and have the same access number and PIN1.
    let switch = || Switch { cards: vec![channel("national"), channel(ours::ANOTHER)], resets: 0 };
    let (public, zone) = both_zones(switch(), &can());
    assert_eq!(public.verdict, Verdict::Verified);
    assert_eq!((zone.verdict, zone.refusal), (Verdict::Refused, Some(Refusal::AnotherChip)));
    assert_eq!((zone.detail.as_str(), zone.fields.len()), ("EF.SOD", 0), "nothing of the other card is told");
    let (_, zone) = both_zones(channel(ours::ANOTHER), &can());
    assert_eq!(zone.verdict, Verdict::Verified, "the other card by itself");
    // A session that only asks questions is no exception.
    let (questions, trust) = (AuxiliaryData::new().born_on_or_before("20081122"), COUNTRY.trust());
    let asking = identity(Rights::AGE_VERIFICATION, UpdateRights::NONE);
    let password = can();
    let document = Some(Document { password: &password, fresh_pin1: true, report: &public });
    let session = |card| {
        let (grant, rng) = (Grant::ALL, &mut rng("asking"));
        Session::open(channel(card), &pin1(), document, &asking, grant, &questions, &trust, now(), rng)
    };
    let error = session(ours::ANOTHER).err().expect("another card");
    assert_eq!(error.refusal, Refusal::AnotherChip);
    let mut own = session("national").expect("the card that was read");
    own.select().expect("selected");
    assert_eq!(own.ask(tlv::oid::AUXILIARY_DATE_OF_BIRTH), Ok(true));
    // A chip with somebody else's key can say of the public zone what it likes, but not what DG14 signs.
    let flash = card("interop");
    let options = terminal::ReadOptions::default();
    let public = terminal::read_card(
        open(&flash, Interface::Contact),
        &password,
        &trust,
        &options,
        now(),
        &mut rng("public zone"),
    );
    ours::with_a_foreign_key("interop", &flash);
    let document = Some(Document { password: &password, fresh_pin1: true, report: &public });
    let channel = open(&flash, Interface::Contact);
    let error = Session::open(
        channel,
        &pin1(),
        document,
        &asking,
        Grant::ALL,
        &AuxiliaryData::new(),
        &trust,
        now(),
        &mut rng("asking"),
    );
    let error = error.err().expect("another key");
    assert_eq!((error.refusal, error.detail.as_str()), (Refusal::AnotherChip, "DG14"));
}

#[test]
fn a_public_zone_that_was_not_read_is_nobodys() {
    let wrong = Password::can("000124");
    let (trust, options) = (COUNTRY.trust(), terminal::ReadOptions::default());
    let report =
        terminal::read_card(channel("national"), &wrong, &trust, &options, now(), &mut rng("public zone"));
    let password = can();
    let document = Some(Document { password: &password, fresh_pin1: true, report: &report });
    let identity = identity(read(&[9]), UpdateRights::NONE);
    let zone = read_encrypted_zone(
        channel("national"),
        &pin1(),
        document,
        &identity,
        Grant::ALL,
        &trust,
        now(),
        &mut rng("eid"),
    );
    assert_eq!((zone.verdict, zone.refusal), (Verdict::Refused, Some(Refusal::NoSecurityObject)));
    // A PIN1 with one try left needs the access number, which comes with the document.
    let flash = card("national");
    for _ in 0..2 {
        let wrong = Password::pin(b"000000");
        let channel = open(&flash, Interface::Contact);
        assert_eq!(refusal(channel, &wrong, &identity, &trust), Refusal::Pin1Wrong);
    }
    let suspended = refusal(open(&flash, Interface::Contact), &pin1(), &identity, &trust);
    assert_eq!(suspended, Refusal::Pin1Suspended);
    // And the PIN1 that is just typed: what another session has sent is not sent where it would be the last try.
    let again = |fresh_pin1, pin1: &Password| {
        let (mut channel, random) = (open(&flash, Interface::Contact), &mut rng("eid"));
        let (password, options) = (can(), terminal::ReadOptions::default());
        let report =
            terminal::read_card(&mut channel, &password, &trust, &options, now(), &mut rng("public zone"));
        let document = Some(Document { password: &password, fresh_pin1, report: &report });
        read_encrypted_zone(channel, pin1, document, &identity, Grant::ALL, &trust, now(), random)
    };
    let kept = again(false, &pin1());
    assert_eq!(kept.refusal, Some(Refusal::Pin1Suspended));
    assert_eq!(kept.unopened().map(|error| error.refusal), kept.refusal);
    let (_, zone) = both_zones(open(&flash, Interface::Contact), &can());
    assert_eq!((zone.verdict, zone.unopened()), (Verdict::Verified, None), "{zone:?}");
    // With all its tries again it is sent by whoever asks.
    assert_eq!(again(false, &pin1()).verdict, Verdict::Verified);
}

// CARD-32, DOCPKI-06: what the issuer has listed and the card does not give is no verified zone.
#[test]
fn a_field_that_is_gone_or_malformed_spoils_the_zone() {
    let read_zone = |flash: &chip::Flash| {
        read_encrypted_zone(
            open(flash, Interface::Contact),
            &pin1(),
            None,
            &identity(read(&[9, 11]), UpdateRights::NONE),
            Grant::ALL,
            &COUNTRY.trust(),
            now(),
            &mut rng("eid"),
        )
    };
    let write = |flash: &chip::Flash, changes: &[(u16, Option<Vec<u8>>)]| {
        let mut memory = chip::RamMemory::open(flash.clone()).expect("a memory");
        chip::Memory::commit(&mut memory, changes).expect("written");
    };
    let outcome = |report: &EncryptedZoneReport, field| report.field(field).expect("reported").outcome;
    let flash = card("national");
    write(&flash, &[(0x0609, None)]);
    let report = read_zone(&flash);
    assert_eq!((report.verdict, report.refusal), (Verdict::Refused, Some(Refusal::GroupMissing)));
    assert_eq!(outcome(&report, Field::Birthplace), FieldOutcome::Missing);
    assert_eq!(outcome(&report, Field::Sex), FieldOutcome::Verified);
    assert_eq!(report.detail, Field::Birthplace.name());
    // One that this terminal may not read is not asked for: whether it is there is not known.
    let flash = card("national");
    write(&flash, &[(0x060E, None)]);
    assert_eq!(read_zone(&flash).verdict, Verdict::Verified);
    // Signed, and yet no place of birth.
    let flash = card("national");
    let office = identity(Rights::CAN_ALLOWED, UpdateRights::SPOUSE);
    let key =
        session(open(&flash, Interface::Contact), &can(), &office).expect("a session").chip_key().clone();
    let spki = curve::spki_from_point(&key);
    let mut files = ours::encrypted(&COUNTRY, &encrypted_zone("national"), 0, &spki);
    for (_, file) in files.groups.iter_mut().filter(|(group, _)| *group == 9) {
        *file =
            lds::field_security::with_salt(&[0x69, 0x02, 0x05, 0x00], &[9; lds::field_security::SALT_LEN]);
    }
    let hashed = files.groups.iter().map(|(group, file)| (*group, file.as_slice()));
    let object =
        lds::FieldSecurityObject::over(Hash::Sha512, key.as_uncompressed(), 0, hashed).expect("salted");
    let object = COUNTRY.sign(tlv::oid::FIELD_SECURITY_OBJECT, &object.encode());
    let place = files.groups.iter().find(|(group, _)| *group == 9).map(|(_, file)| file.clone());
    write(&flash, &[(0x0609, place), (0x0618, Some(object))]);
    let report = read_zone(&flash);
    assert_eq!((report.verdict, report.refusal), (Verdict::Refused, Some(Refusal::GroupMalformed)));
    assert_eq!(outcome(&report, Field::Birthplace), FieldOutcome::Malformed);
}

/// A reader that knows short length only, whatever the card announces.
struct ShortReader(Channel);

impl apdu::CardChannel for ShortReader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, apdu::ChannelError> {
        match apdu::Command::parse(command) {
            Ok(command) if command.extended => Err(apdu::ChannelError::Reader("too long".into())),
            _ => self.0.transmit(command),
        }
    }

    fn reset(&mut self) -> Result<Vec<u8>, apdu::ChannelError> {
        self.0.reset()
    }
}

// proves: CARD-02
#[test]
fn a_reader_with_short_length_reads_and_updates_too() {
    let flash = card("national");
    let reader = || ShortReader(open(&flash, Interface::Contact));
    let (public, zone) = both_zones(reader(), &can());
    assert_eq!((public.verdict, zone.verdict), (Verdict::Verified, Verdict::Verified), "{zone:?}");
    let office = identity(Rights::NONE, UpdateRights::SPOUSE);
    let mut session = session(reader(), &can(), &office).expect("a session");
    let new = EncryptedZone {
        spouse: Some(PersonName { text: "王小明".into(), cns: Vec::new() }),
        ..encrypted_zone("national")
    };
    let spki = curve::spki_from_point(session.chip_key());
    let EncryptedZoneFiles { groups, security_object } = ours::encrypted(&COUNTRY, &new, 1, &spki);
    let groups = groups.into_iter().filter(|(group, _)| *group == 14).collect();
    let encrypted = Some(EncryptedZoneFiles { groups, security_object });
    let files = UpdateFiles { encrypted, ..UpdateFiles::default() };
    let package = files.package(session.chip_key(), 0).expect("well formed").encode();
    let receipt = session.update(&COUNTRY.sign(tlv::oid::CHIP_UPDATE, &package), &[]).expect("updated");
    assert_eq!((receipt.number, &receipt.package), (1, &Hash::Sha256.digest(&package)));
    let again = session.last_update().expect("answers").expect("a receipt");
    assert_eq!((again.number, again.package), (receipt.number, receipt.package));
}

/// Somebody between terminal and card who shows another EF.CardAccess.
struct Downgrade {
    channel: Channel,
    shown: Vec<u8>,
}

impl apdu::CardChannel for Downgrade {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, apdu::ChannelError> {
        // READ BINARY of EF.CardAccess by its short identifier, in the clear.
        match command {
            [0x00, 0xB0, 0x9C, 0x00, ..] => Ok([self.shown.as_slice(), &[0x90, 0x00]].concat()),
            _ => self.channel.transmit(command),
        }
    }

    fn reset(&mut self) -> Result<Vec<u8>, apdu::ChannelError> {
        self.channel.reset()
    }
}

// proves: CARD-43
#[test]
fn a_session_over_a_weakened_ef_card_access_is_refused() {
    let identity = identity(read(&[9]), UpdateRights::NONE);
    let all = || chip::Profile::by_name("national").expect("a profile").pace.iter().map(|p| p.info());
    let open_with = |infos: Vec<eac::security_infos::SecurityInfo>| {
        let shown = eac::security_infos::encode_set_in_order(&infos);
        let channel = Downgrade { channel: channel("national"), shown };
        let (questions, trust) = (AuxiliaryData::new(), COUNTRY.trust());
        let rng = &mut rng("eid");
        Session::open(channel, &pin1(), None, &identity, Grant::ALL, &questions, &trust, now(), rng)
            .map(drop)
            .map_err(|error| error.refusal)
    };
    assert_eq!(open_with(all().collect()), Ok(()), "what the card says itself");
    // Each entry taken away, also where the one that is used is signed.
    for left in 0..all().count() {
        assert_eq!(open_with(vec![all().nth(left).expect("an entry")]), Err(Refusal::CardAccessAltered));
    }
}

// proves: CARD-51
#[test]
fn an_office_manages_pins_with_the_access_number() {
    let flash = card("national");
    let rights = Rights::CAN_ALLOWED | Rights::PIN_MANAGEMENT;
    let office = identity(rights, UpdateRights::NONE);
    let mut open_session = session(open(&flash, Interface::Contact), &can(), &office).expect("a session");
    open_session.set_pin(PinReference::Pin1, &SecretBytes::new(b"246802")).expect("set");
    open_session.unblock_pin(PinReference::Pin2).expect("unblocked");
    drop(open_session);
    let agency = identity(read(&[9]), UpdateRights::NONE);
    let mut reading =
        session(open(&flash, Interface::Contact), &Password::pin(b"246802"), &agency).expect("the new PIN1");
    // PIN1 opened the channel, and still only the right counts.
    for (pin, value) in [(PinReference::Pin1, &b"135790"[..]), (PinReference::Pin2, b"12345678")] {
        let error = reading.set_pin(pin, &SecretBytes::new(value)).expect_err("no right");
        assert_eq!(error.refusal, Refusal::TerminalRight);
        assert!(error.detail.contains("PIN_MANAGEMENT"));
    }
}

// proves: CARD-47, OPEN-41
#[test]
fn an_office_updates_a_field_and_an_agency_verifies_it_afterwards() {
    let flash = card("national");
    let office = identity(Rights::NONE, UpdateRights::SPOUSE);
    let mut session = session(open(&flash, Interface::Contact), &can(), &office).expect("a session");
    let new = EncryptedZone {
        spouse: Some(PersonName { text: "王小明".into(), cns: Vec::new() }),
        ..encrypted_zone("national")
    };
    let spki = curve::spki_from_point(session.chip_key());
    let EncryptedZoneFiles { groups, security_object } = ours::encrypted(&COUNTRY, &new, 1, &spki);
    let groups = groups.into_iter().filter(|(group, _)| *group == 14).collect();
    let encrypted = Some(EncryptedZoneFiles { groups, security_object });
    let files = UpdateFiles { encrypted, ..UpdateFiles::default() };
    let package = files.package(session.chip_key(), 0).expect("well formed").encode();
    assert_eq!(session.last_update(), Ok(None), "no receipt before the first update");
    let receipt = session.update(&COUNTRY.sign(tlv::oid::CHIP_UPDATE, &package), &[]).expect("updated");
    assert_eq!((receipt.number, &receipt.package), (1, &Hash::Sha256.digest(&package)));
    let again = session.last_update().expect("answers").expect("a receipt");
    assert_eq!((again.number, &again.package), (1, &receipt.package));
    // Once, and by nobody else.
    let refused = |result: Result<lds::UpdateReceipt, EidError>| result.expect_err("refused").refusal;
    let again = session.update(&COUNTRY.sign(tlv::oid::CHIP_UPDATE, &package), &[]);
    assert_eq!(refused(again), Refusal::UpdateOutdated);
    let stranger = Country::new("another", x509::Validity::new(now(), now()).expect("in order"));
    let forged = session.update(&stranger.sign(tlv::oid::CHIP_UPDATE, &package), &[]);
    assert_eq!(refused(forged), Refusal::UpdateSigner);
    assert_eq!(refused(session.update(&[0x30, 0x00], &[])), Refusal::UpdateUnfit);
    drop(session);
    let report = read_encrypted_zone(
        open(&flash, Interface::Contact),
        &pin1(),
        None,
        &identity(read(&[14, 9]), UpdateRights::NONE),
        Grant::ALL,
        &COUNTRY.trust(),
        now(),
        &mut rng("eid"),
    );
    assert_eq!((report.verdict, report.version), (Verdict::Verified, 1));
    assert!(report.to_json().contains("neither a network identity nor a signature"));
    assert_eq!(report.field(Field::Spouse).and_then(|f| f.value.as_deref()), Some("王小明"));
}

// proves: CARD-45, CARD-47, UPDATE-02
#[test]
fn the_public_zone_changes_in_address_and_military_service_alone() {
    let flash = card("national");
    let zone_now = || {
        let trust = COUNTRY.trust();
        let options = terminal::ReadOptions::default();
        let channel = open(&flash, Interface::Contact);
        let report = terminal::read_card(channel, &can(), &trust, &options, now(), &mut rng("read"));
        assert!(
            report
                .check(terminal::CheckKind::SecurityObject)
                .is_some_and(|c| c.outcome == terminal::Outcome::Passed)
        );
        report.public_zone().expect("decodes").clone()
    };
    let number = std::cell::Cell::new(0);
    let update = |updates, change: &dyn Fn(&mut lds::PublicZone)| {
        let mut zone = zone_now();
        let mut files = zone.data_groups().expect("encodes");
        change(&mut zone);
        let mut changed = zone.data_groups().expect("encodes");
        // What an update may write; the other groups stay those of the card, also in what is signed.
        for group in [lds::DataGroup::Dg11, lds::DataGroup::Dg13] {
            files.insert(group, changed.remove(&group).expect("encoded"));
        }
        let sod = COUNTRY.security_object(&files);
        files.insert(lds::DataGroup::Sod, sod);
        let written = [lds::DataGroup::Dg11, lds::DataGroup::Dg13, lds::DataGroup::Sod];
        let public = written.map(|group| (group.fid(), files[&group].clone())).to_vec();
        let office = identity(Rights::NONE, updates);
        let mut session = session(open(&flash, Interface::Contact), &can(), &office).expect("a session");
        let files = UpdateFiles { public, ..UpdateFiles::default() };
        let package =
            files.package(session.chip_key(), number.replace(number.get() + 1)).expect("well formed");
        let signed = COUNTRY.sign(tlv::oid::CHIP_UPDATE, &package.encode());
        session.update(&signed, &[])
    };
    let both = UpdateRights::ADDRESS.with(UpdateRights::MILITARY_SERVICE);
    assert_eq!(update(both, &|zone| zone.address.rest = "新路1號".into()).map(drop), Ok(()));
    assert_eq!(zone_now().address.rest, "新路1號");
    // Table 4: nothing else, even signed by the issuer.
    let error =
        update(both, &|zone| zone.chinese_name = "李小四".into()).expect_err("no right lets it change");
    assert_eq!(error.refusal, Refusal::TerminalRight);
    assert_eq!(error.detail, "COMMIT: a field that no right lets change, SW 6982");
    let another_day = lds::Date::new(1999, 9, 9).expect("a day");
    type Change<'a> = &'a dyn Fn(&mut lds::PublicZone);
    let fields: [(&str, Change); 6] = [
        ("romanised name", &|zone| zone.romanised_name = Some("Lí Sió-sì".into())),
        ("foreign name", &|zone| zone.foreign_name = Some("LEE, FOUR".into())),
        ("identification number", &|zone| zone.id_number = "A123456789".into()),
        ("birth", &|zone| zone.birth = another_day),
        ("issue", &|zone| zone.issue = another_day),
        ("renewal", &|zone| zone.renewal = Some(lds::Date::new(2099, 9, 9).expect("a day"))),
    ];
    let before = zone_now();
    for (field, change) in fields {
        let error = update(both, change).expect_err(field);
        // A date stands in DG1 or DG12 too, which no update writes: the zone would contradict itself.
        let why = match field {
            "birth" | "issue" | "renewal" => "COMMIT: SW 6A80",
            _ => "COMMIT: a field that no right lets change, SW 6982",
        };
        assert_eq!(error.detail, why, "{field}");
    }
    assert!(zone_now() == before);
    let address = update(UpdateRights::MILITARY_SERVICE, &|zone| zone.address.rest = "舊路2號".into());
    assert_eq!(address.expect_err("no right").detail, "COMMIT: ADDRESS, SW 6982");
    assert_eq!(zone_now().marital_status.code, "married");
    let single =
        |zone: &mut lds::PublicZone| zone.marital_status = lds::dg13::Term::new("single", "無", "Single");
    assert_eq!(update(both, &single).map_err(|error| error.refusal).err(), Some(Refusal::TerminalRight));
    let after = zone_now();
    assert_eq!((after.address.rest.as_str(), after.marital_status.code.as_str()), ("新路1號", "married"));
}

// TR-03110-2 §3.5.
#[test]
fn a_service_knows_a_card_by_the_identifier_in_its_own_sector_alone() {
    let sector = |name: &str| SectorKey::new(&key(name).public_key(), Hash::Sha256).expect("a sector");
    let (bank, post) = (sector("bank"), sector("post"));
    let identity = |rights, sectors: [&SectorKey; 2]| {
        let hash = |sector: &SectorKey| Hash::Sha512.digest(sector.raw());
        let named = Extension::sectors(hash(sectors[0]), Some(hash(sectors[1])));
        let own =
            certificate(VERIFIER, "TWAGENCY00001", Role::Terminal, rights, UpdateRights::NONE, |body| {
                body.extensions = Extensions::new(vec![named]).expect("one");
            });
        let file = [own.encode(), root().encode(), verifier().encode()].concat();
        TerminalIdentity::new(&file, signer("TWAGENCY00001")).expect("an identity")
    };
    let right = Rights::RESTRICTED_IDENTIFICATION;
    let flash = card("interop");
    let open = |identity: &TerminalIdentity| {
        session(open(&flash, Interface::Contact), &pin1(), identity).expect("a session")
    };
    let service = identity(right, [&bank, &post]);
    let both = open(&service).sector_identifiers(&bank, Some(&post)).expect("identifiers");
    assert_eq!(open(&service).sector_identifiers(&bank, None).expect("one").first, both.first);
    assert_eq!(open(&service).sector_identifiers(&bank, None).expect("one").second, None);
    assert_ne!(Some(both.first), both.second);
    // Why not: another's sector, no right, a card that has none.
    let refused = |identity: &TerminalIdentity, first: &SectorKey| {
        open(identity).sector_identifiers(first, None).expect_err("refused")
    };
    let foreign = refused(&service, &post);
    assert_eq!(foreign.refusal, Refusal::EidCommandRefused);
    assert!(foreign.detail.contains("6A88"), "{foreign}");
    let without = refused(&identity(read(&[9]), [&bank, &post]), &bank);
    assert_eq!(without.refusal, Refusal::TerminalRight);
    assert!(without.detail.contains("RESTRICTED_IDENTIFICATION"), "{without}");
    let mut citizen = session(channel("national"), &pin1(), &service).expect("a session");
    let none = citizen.sector_identifiers(&bank, None).expect_err("a citizen's card has none");
    assert!(none.detail.contains("EF.CardSecurity"), "{none}");
}
