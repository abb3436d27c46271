//! Our own card, made as the card centre makes it, read and used through the terminal.

use std::sync::{LazyLock, OnceLock};

use apdu::{CardChannel, ChannelError, Command, StatusWord};
use chip::{Chip, DocumentSigner, FactoryData, Flash, InProcessChannel, Interface, RamMemory, factory};
use curve::{Curve, Hash, Random, SecretBytes, SecretKey, SeedRandom, rsa};
use eac::chip_authentication::Parameters as ChipParameters;
use eac::pace::Mapping;
use eac::security_infos::{SecurityInfo, encode_set, encode_set_in_order};
use eac::{Cipher, Password};
use lds::com::Com;
use lds::eid::{EncryptedZone, PersonName, Sex};
use lds::field_security::{SALT_LEN, with_salt};
use lds::{DataGroup, FieldSecurityObject};
use scp::KeySet;
use terminal::npc_card::{self, CertificateId, NpcCard, NpcError, Pin2Status};
use terminal::perso::{
    self, EncryptedZoneFiles, InitialisationRequest, InitialisedCard, PersonalisationFiles, PinReference,
    Session,
};
use terminal::pin1::{self, Pin1Status};
use terminal::{
    Access, Card, CheckKind, ChipMechanism, FileRef, Lengths, Outcome, ReadOptions, ReadReport, Refusal,
    TrustStore, Verdict, commands, read_card,
};
use tlv::oid;
use x509::certificate::profiles::{self, Citizen, Issuer, StatusLocations};
use x509::certificate::{Certificate, issue};
use x509::{EcSigner, Name, Serial, Signer, Validity};

use crate::country::{self, COUNTRY, Country, now};

/// A country that signs with ML-DSA-65.
static LABORATORY: LazyLock<Country> = LazyLock::new(Country::of_the_laboratory);

pub(crate) const SERIAL: &str = "TWA000123";
pub(crate) const PIN2: &[u8] = b"13572468";
pub(crate) const OTHER_PIN2: &[u8] = b"864213579";
pub(crate) const PIN1: &[u8] = b"135790";

pub(crate) fn rng(seed: &str) -> SeedRandom {
    SeedRandom::new(seed.as_bytes())
}

pub(crate) fn boxed_rng(seed: &str) -> Box<dyn Random + Send> {
    Box::new(rng(seed))
}

fn keys(fill: u8) -> KeySet {
    KeySet::new(&[fill; 32], &[fill + 1; 32], &[fill + 2; 32]).expect("AES keys")
}

pub(crate) fn can() -> Password {
    Password::can("000123")
}

/// An interop card whose signed files say nothing of active authentication, as those of passports that have Chip
/// Authentication alone.
pub(crate) const PASSPORT_LIKE: &str = "interop without DG15";

/// The card of another citizen, with the same access number.
pub(crate) const ANOTHER: &str = "national of another holder";

fn profile_of(kind: &str) -> &'static chip::Profile {
    let name = match kind {
        PASSPORT_LIKE => "interop",
        ANOTHER => "national",
        name => name,
    };
    chip::Profile::by_name(name).expect("a profile")
}

fn serial_of(kind: &str) -> &'static str {
    if kind == ANOTHER { "TWB000123" } else { SERIAL }
}

pub(crate) type Channel = InProcessChannel<Chip>;

pub(crate) fn open(flash: &Flash, interface: Interface) -> Channel {
    open_seeded(flash, interface, "chip")
}

fn open_seeded(flash: &Flash, interface: Interface, seed: &str) -> Channel {
    let memory = RamMemory::open(flash.clone()).expect("a memory");
    let chip = Chip::open(Box::new(memory), boxed_rng(seed)).expect("a chip");
    InProcessChannel::new(chip, interface).without_waiting()
}

/// A finished card with PIN2 set; made once for each profile.
pub(crate) fn card(profile: &'static str) -> Flash {
    static NATIONAL: OnceLock<Vec<u8>> = OnceLock::new();
    static INTEROP: OnceLock<Vec<u8>> = OnceLock::new();
    static BAC_LAB: OnceLock<Vec<u8>> = OnceLock::new();
    static MLDSA_LAB: OnceLock<Vec<u8>> = OnceLock::new();
    static PASSPORT: OnceLock<Vec<u8>> = OnceLock::new();
    static OTHER: OnceLock<Vec<u8>> = OnceLock::new();
    let image = match profile {
        "national" => &NATIONAL,
        "interop" => &INTEROP,
        "bac-lab" => &BAC_LAB,
        PASSPORT_LIKE => &PASSPORT,
        ANOTHER => &OTHER,
        _ => &MLDSA_LAB,
    };
    Flash::from_image(image.get_or_init(|| make(profile)).clone())
}

fn make(profile: &str) -> Vec<u8> {
    let memory = RamMemory::new();
    let flash = memory.flash();
    let factory_data = FactoryData::new([0x63, 0x20, 0, 0, 0, 1, 0, 7], keys(0x10));
    factory::manufacture(Box::new(memory), &factory_data, boxed_rng("factory")).expect("a chip");
    // Another chip has other keys.
    let seed = if profile == ANOTHER { "another chip" } else { "chip" };
    let session = |version, keys: &KeySet| {
        let channel = open_seeded(&flash, Interface::Contact, seed);
        Session::open(channel, version, keys, &mut rng("host")).expect("a session")
    };
    session(perso::TRANSPORT_KEY_VERSION, &keys(0x10))
        .put_keys(perso::CENTRE_KEY_VERSION, &keys(0x20))
        .expect("washed");
    let mut centre = session(perso::CENTRE_KEY_VERSION, &keys(0x20));
    let name = profile_of(profile).name.clone();
    let request = InitialisationRequest { serial: serial_of(profile).into(), profile: name };
    let initialised = centre.initialise(&request).expect("initialised");
    centre.personalise(&files(&initialised, profile)).expect("personalised");
    let mut management = session(perso::PIN_MANAGEMENT_KEY_VERSION, &keys(0x30));
    management.set_pin(PinReference::Pin2, &SecretBytes::new(PIN2)).expect("PIN2 set");
    flash.image()
}

/// Sets PIN1 as PIN management does.
pub(crate) fn set_pin1(flash: &Flash, pin: &SecretBytes) {
    let channel = open(flash, Interface::Contact);
    let keys = keys(0x30);
    let mut management = Session::open(channel, perso::PIN_MANAGEMENT_KEY_VERSION, &keys, &mut rng("host"))
        .expect("a session");
    management.set_pin(PinReference::Pin1, pin).expect("PIN1 set");
}

/// The encrypted zone of the card.
pub(crate) fn encrypted_zone(profile: &str) -> EncryptedZone {
    let name = |text: &str| Some(PersonName { text: text.into(), cns: Vec::new() });
    EncryptedZone {
        placement: profile_of(profile).fields,
        state: "TWN".into(),
        expiry: lds::Date::new(2036, 1, 31).ok(),
        given_names: "HSIAO-LING".into(),
        family_names: "CHEN".into(),
        birth: lds::Date::new(1990, 2, 28).expect("a day"),
        spouse: None,
        father: name("陳大明"),
        mother: name("林美"),
        birthplace: "臺南市".into(),
        sex: Sex::Female,
        access_number: "000123".into(),
    }
}

/// Its files, signed by the country, after so many updates.
pub(crate) fn encrypted(
    country: &Country,
    zone: &EncryptedZone,
    sequence: u16,
    ca_spki: &[u8],
) -> EncryptedZoneFiles {
    let groups: Vec<_> = zone
        .files()
        .expect("encodes")
        .into_iter()
        .map(|(group, file)| (group, with_salt(&file, &[group; SALT_LEN])))
        .collect();
    let key = curve::point_from_spki(ca_spki).expect("a key");
    let salted = groups.iter().map(|(group, file)| (*group, file.as_slice()));
    let object = FieldSecurityObject::over(Hash::Sha512, key.as_uncompressed(), sequence, salted);
    let object = object.expect("salted").encode();
    EncryptedZoneFiles { groups, security_object: country.sign(oid::FIELD_SECURITY_OBJECT, &object) }
}

fn files(card: &InitialisedCard, profile: &str) -> PersonalisationFiles {
    let facts = profile_of(profile);
    let laboratory = facts.document_signer == DocumentSigner::MlDsa65;
    let country: &Country = if laboratory { &LABORATORY } else { &COUNTRY };
    let mut zone = country::public_zone(18_000);
    zone.card_serial = serial_of(profile).into();
    let key = curve::point_from_spki(&card.ca_spki).expect("a key");
    let mut infos: Vec<_> = facts.pace.iter().map(|parameters| parameters.info()).collect();
    let mut signed = infos.clone();
    if profile != PASSPORT_LIKE {
        signed.push(SecurityInfo::active_authentication(oid::ECDSA_PLAIN_SHA512));
    }
    if facts.chip_authentication {
        let parameters = ChipParameters { curve: key.curve(), cipher: Cipher::Aes256, key_id: None };
        signed.push(SecurityInfo::chip_authentication_version_1(parameters));
        signed.push(SecurityInfo::chip_authentication_named_key(&key, None));
    }
    zone.security_infos = encode_set(&signed);
    zone.active_authentication_key = card.aa_spki.clone();
    let mut files = zone.data_groups().expect("encodes");
    let mut named = files.clone();
    if profile == PASSPORT_LIKE {
        named.remove(&DataGroup::Dg15);
        files.insert(DataGroup::Com, Com::new(named.keys().copied()).encode());
    }
    let sod = country.security_object(&named);
    files.insert(DataGroup::Sod, sod);
    infos.push(SecurityInfo::terminal_authentication());
    let card_access = encode_set_in_order(&infos);
    infos.push(SecurityInfo::chip_authentication(Cipher::Aes256, None));
    infos.push(SecurityInfo::chip_authentication_public_key(&key, None));
    infos.extend(facts.restricted_identification_infos());
    PersonalisationFiles {
        serial: serial_of(profile).into(),
        can: "000123".into(),
        mrz_information: zone.td1().expect("a zone").information(),
        household: country.sign(oid::HOUSEHOLD_DATA, &country::household().encode().expect("encodes")),
        public: files.into_iter().map(|(group, file)| (group.fid(), file)).collect(),
        encrypted: encrypted(country, &encrypted_zone(profile), 0, &card.ca_spki),
        trust_point: crate::eid::trust_point(),
        document_anchor: country.csca.der().to_vec(),
        card_security: country.sign(oid::CARD_SECURITY_OBJECT, &encode_set(&infos)),
        card_access,
        certificates: certificates(card),
        pin_management_keys: keys(0x30),
    }
}

fn certificates(card: &InitialisedCard) -> Vec<(u8, Vec<u8>)> {
    let signer = |seed: &str| EcSigner::new(SecretKey::generate(Curve::P384, &mut rng(seed)));
    let serial = |seed: &str| Serial::random(&mut rng(seed));
    let until = |time: &str| Validity::new(now(), time.parse().expect("a time")).expect("in order");
    let (root_key, ca_key) = (signer("npc root"), signer("npc ca"));
    let root = profiles::npc_root(&profiles::NpcRoot {
        serial: serial("root"),
        subject: &Name::test_authority("政府根憑證管理中心").expect("a name"),
        validity: until("2056-06-30T15:59:59Z"),
        spki: root_key.spki(),
        algorithm: root_key.algorithm(),
    });
    let root = issue(&root.expect("profile"), &root_key).expect("root");
    let ca = profiles::npc_intermediate(&profiles::NpcIntermediate {
        serial: serial("ca"),
        issuer: &Issuer::new(&root, &root_key).expect("issuer"),
        subject: &Name::test_authority("內政部憑證管理中心").expect("a name"),
        validity: until("2046-06-30T15:59:59Z"),
        spki: ca_key.spki(),
        policy: oid::GPKI_POLICY_TEST,
        crl_uri: "http://crl.npc.test/crl/root.crl",
        ca_issuers_uri: "http://npc.test/certs/npc-root.cer",
    });
    let ca = issue(&ca.expect("profile"), &root_key).expect("intermediate");
    let issuer = Issuer::new(&ca, &ca_key).expect("issuer");
    let mut out = Vec::new();
    for (slot, csr) in &card.csrs {
        let csr = x509::csr::Csr::parse(csr).expect("a request");
        csr.verify().expect("the card holds the key");
        let citizen = Citizen {
            serial: serial(&format!("citizen {slot}")),
            issuer: &issuer,
            name: "陳\u{2000B}玲",
            holder_number: "0000000112345678",
            id_tail: "6781",
            card_number: SERIAL,
            holder_rank: None,
            validity: until("2031-11-20T15:59:59Z"),
            spki: csr.spki(),
            policy: oid::GPKI_POLICY_TEST,
            locations: StatusLocations {
                partition_crl: "http://crl.npc.test/crl/npc-1-37.crl",
                complete_crl: "http://crl.npc.test/crl/npc-complete.crl",
                ca_issuers: "http://npc.test/certs/npc-ca.cer",
                ocsp: "http://ocsp.npc.test/ocsp",
            },
        };
        let tbs = if slot % 2 == 1 {
            profiles::npc_citizen_signing(&citizen)
        } else {
            profiles::npc_citizen_encryption(&citizen)
        };
        out.push((*slot, issue(&tbs.expect("profile"), &ca_key).expect("citizen").der().to_vec()));
    }
    out.push((5, root.der().to_vec()));
    out.push((6, ca.der().to_vec()));
    out
}

fn read(channel: &mut impl CardChannel, password: &Password) -> ReadReport {
    let options = ReadOptions { address: true, ..ReadOptions::default() };
    read_card(channel, password, &COUNTRY.trust(), &options, now(), &mut rng("terminal"))
}

#[track_caller]
fn assert_verified(report: &ReadReport) {
    let open: Vec<_> = report.checks.iter().filter(|c| c.outcome != Outcome::Passed).collect();
    assert_eq!((report.verdict, open.len()), (Verdict::Verified, 1), "{open:?}");
}

fn read_with(channel: &mut impl CardChannel, password: &Password, access: Access) -> ReadReport {
    let options = ReadOptions { access, ..ReadOptions::default() };
    read_card(channel, password, &COUNTRY.trust(), &options, now(), &mut rng("terminal"))
}

// proves: CARD-08, CARD-27
#[test]
fn every_mapping_reads_the_card_and_chip_authentication_mapping_proves_the_chip() {
    for mapping in [Mapping::Generic, Mapping::Integrated, Mapping::ChipAuthentication] {
        let mut channel = open(&card("interop"), Interface::Contactless);
        let report = read_with(&mut channel, &can(), Access::Mapping(mapping));
        assert_verified(&report);
        assert_eq!(report.channel.as_ref().map(|c| c.curve), Some(Curve::P521.name()), "{mapping:?}");
        let read = report.files().iter().any(|(name, _)| *name == "ef_card_security.bin");
        assert_eq!(read, mapping == Mapping::ChipAuthentication);
    }
    // The citizen's card does not offer integrated mapping.
    let mut channel = open(&card("national"), Interface::Contact);
    let report = read_with(&mut channel, &can(), Access::Mapping(Mapping::Integrated));
    assert_refused_with(&report, CheckKind::SecureChannel, Refusal::PaceUnsupported);
}

/// What a reading says of the chip, and how it knows.
fn chip_check(report: &ReadReport) -> (Option<ChipMechanism>, Outcome, Option<Refusal>) {
    let check = report.check(CheckKind::Chip).expect("a check of the chip");
    (report.chip_mechanism, check.outcome, check.refusal)
}

// ICAO 9303-11 §6.2.
#[test]
fn a_document_without_active_authentication_proves_its_chip_by_chip_authentication() {
    for interface in [Interface::Contact, Interface::Contactless] {
        let report = read(&mut open(&card(PASSPORT_LIKE), interface), &can());
        assert_eq!(chip_check(&report), (Some(ChipMechanism::ChipAuthentication), Outcome::Passed, None));
        assert_eq!(report.statements.signature_valid, Outcome::Passed);
        // The reading goes on in the new channel; only the contents miss something, since this country's cards have DG15.
        let failed: Vec<_> = report.checks.iter().filter(|c| c.outcome == Outcome::Failed).collect();
        assert!(matches!(&failed[..], [contents] if contents.check == CheckKind::Contents), "{failed:?}");
        assert!(report.to_json().contains("\"chip_mechanism\": \"chip_authentication\""));
        let check = report.check(CheckKind::Chip).expect("a check");
        assert_eq!(check.title.en, "chip (chip authentication)");
    }
    // A sample card has both: active authentication is asked for first, unless the reader wants the other.
    for (profile, chip_authentication, expected) in [
        ("interop", false, ChipMechanism::ActiveAuthentication),
        ("interop", true, ChipMechanism::ChipAuthentication),
        ("national", true, ChipMechanism::ActiveAuthentication),
    ] {
        let options = ReadOptions { chip_authentication, ..ReadOptions::default() };
        let mut channel = open(&card(profile), Interface::Contact);
        let report = read_card(&mut channel, &can(), &COUNTRY.trust(), &options, now(), &mut rng("terminal"));
        assert_eq!(chip_check(&report), (Some(expected), Outcome::Passed, None), "{profile}");
        assert_verified(&report);
    }
    // The mapping of PACE has proved it already; and after Basic Access Control, as on older passports.
    let mapping = Access::Mapping(Mapping::ChipAuthentication);
    let report = read_with(&mut open(&card(PASSPORT_LIKE), Interface::Contact), &can(), mapping);
    assert_eq!(chip_check(&report).0, Some(ChipMechanism::ChipAuthenticationMapping));
    let options = ReadOptions { access: Access::Basic, chip_authentication: true, ..ReadOptions::default() };
    let mrz = Password::mrz(SERIAL, "900805", "361120");
    let mut channel = open(&card("bac-lab"), Interface::Contact);
    let report = read_card(&mut channel, &mrz, &COUNTRY.trust(), &options, now(), &mut rng("terminal"));
    assert_eq!(chip_check(&report), (Some(ChipMechanism::ChipAuthentication), Outcome::Passed, None));
}

#[test]
fn a_copy_fails_chip_authentication_and_a_key_nobody_signed_proves_nothing() {
    // All files of a genuine card on a chip with another key.
    let flash = card(PASSPORT_LIKE);
    let mut memory = RamMemory::open(flash.clone()).expect("a memory");
    let other = SecretKey::generate(Curve::P521, &mut rng("the copy's own"));
    let record = other.to_pkcs8().expose().to_vec();
    chip::Memory::commit(&mut memory, &[(0x0036, Some(record))]).expect("written");
    let report = read(&mut open(&flash, Interface::Contactless), &can());
    assert_eq!(report.verdict, Verdict::Refused);
    let failed =
        (Some(ChipMechanism::ChipAuthentication), Outcome::Failed, Some(Refusal::ChipAuthenticationFailed));
    assert_eq!(chip_check(&report), failed);
    // The chip holds the key of DG14, but nobody who is trusted has signed DG14.
    let mut channel = open(&card(PASSPORT_LIKE), Interface::Contactless);
    let trust = TrustStore::default();
    let options = ReadOptions::default();
    let report = read_card(&mut channel, &can(), &trust, &options, now(), &mut rng("terminal"));
    let unsigned =
        (Some(ChipMechanism::ChipAuthentication), Outcome::Unknown, Some(Refusal::ChipKeyUnsigned));
    assert_eq!(chip_check(&report), unsigned);
    // Whoever relays the protocol has no keys for what comes after it.
    let inner = open(&card(PASSPORT_LIKE), Interface::Contactless);
    let report = read(&mut Relay { inner, authenticated: false }, &can());
    assert_eq!(chip_check(&report), failed);
}

/// Stands between reader and card, and answers every command after Chip Authentication itself: 9000.
struct Relay<C> {
    inner: C,
    authenticated: bool,
}

impl<C: CardChannel> CardChannel for Relay<C> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        if self.authenticated {
            return Ok(vec![0x90, 0x00]);
        }
        // GENERAL AUTHENTICATE in secure messaging: PACE runs in the clear.
        self.authenticated = command[0] & 0x0C == 0x0C && command[1] == 0x86;
        self.inner.transmit(command)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.authenticated = false;
        self.inner.reset()
    }
}

/// A chip with all files of a genuine card, a chip authentication key of somebody else's, and the EF.CardSecurity that the
/// country signed for that one: whoever has one key of the country can make it.
pub(crate) fn with_a_foreign_key(kind: &'static str, flash: &Flash) {
    let key = SecretKey::generate(Curve::P521, &mut rng("somebody else's"));
    let mut infos: Vec<_> = profile_of(kind).pace.iter().map(|parameters| parameters.info()).collect();
    infos.push(SecurityInfo::terminal_authentication());
    infos.push(SecurityInfo::chip_authentication(Cipher::Aes256, None));
    infos.push(SecurityInfo::chip_authentication_public_key(&key.public_key(), None));
    let security = COUNTRY.sign(oid::CARD_SECURITY_OBJECT, &encode_set(&infos));
    let own = SecretKey::generate(Curve::P521, &mut rng("the copy's own"));
    let mut memory = RamMemory::open(flash.clone()).expect("a memory");
    let record = |key: &SecretKey| Some(key.to_pkcs8().expose().to_vec());
    let changes = [(0x051D, Some(security)), (0x0035, record(&own)), (0x0036, record(&key))];
    chip::Memory::commit(&mut memory, &changes).expect("written");
}

// ICAO 9303-11 §4.4.3.5.2: the mapping proves a key; that it is this document's key, only what is signed for the document says.
#[test]
fn chip_authentication_mapping_with_the_key_of_another_card_proves_no_copy_of_a_document() {
    let mapping = Access::Mapping(Mapping::ChipAuthentication);
    for (kind, mechanism, refusal) in [
        ("national", ChipMechanism::ActiveAuthentication, Refusal::ActiveAuthenticationFailed),
        ("interop", ChipMechanism::ActiveAuthentication, Refusal::ActiveAuthenticationFailed),
        (PASSPORT_LIKE, ChipMechanism::ChipAuthentication, Refusal::ChipAuthenticationFailed),
    ] {
        let flash = card(kind);
        with_a_foreign_key(kind, &flash);
        let report = read_with(&mut open(&flash, Interface::Contact), &can(), mapping);
        assert_eq!(chip_check(&report), (Some(mechanism), Outcome::Failed, Some(refusal)), "{kind}");
        assert_eq!(report.verdict, Verdict::Refused, "{kind}");
    }
    // Where DG14 names the key the mapping settles it; a citizen's DG14 names none, and active authentication follows.
    for (kind, mechanism) in [
        ("interop", ChipMechanism::ChipAuthenticationMapping),
        ("national", ChipMechanism::ActiveAuthentication),
    ] {
        let report = read_with(&mut open(&card(kind), Interface::Contact), &can(), mapping);
        assert_eq!(chip_check(&report), (Some(mechanism), Outcome::Passed, None), "{kind}");
    }
}

// proves: CARD-12
#[test]
fn a_card_signed_with_ml_dsa_is_read_and_verified() {
    let trust = LABORATORY.trust();
    let options = ReadOptions::default();
    for access in [Access::Strongest, Access::Mapping(Mapping::ChipAuthentication)] {
        let options = ReadOptions { access, ..options };
        let mut channel = open(&card("mldsa-lab"), Interface::Contactless);
        let report = read_card(&mut channel, &can(), &trust, &options, now(), &mut rng("terminal"));
        assert_verified(&report);
        let file = report.file("ef_sod.bin").expect("EF.SOD");
        assert!(file.len() > 3_309 + 1_952, "signature and key are in it: {} bytes", file.len());
    }
    // Another country's root does not vouch for it, and a changed byte is found out.
    let report = read(&mut open(&card("mldsa-lab"), Interface::Contact), &can());
    assert_refused_with(&report, CheckKind::Signer, Refusal::SignerUntrusted);
    let (used, budget) = open(&card("mldsa-lab"), Interface::Contact).chip().memory_use();
    let total: usize = used.iter().map(|(_, bytes)| bytes).sum();
    assert!(total < budget, "{total} of {budget} bytes: the larger files fit");
}

// proves: CARD-08
#[test]
fn basic_access_control_reads_the_laboratory_card_and_no_other() {
    let mrz = Password::mrz(SERIAL, "900805", "361120");
    for interface in [Interface::Contact, Interface::Contactless] {
        let report = read_with(&mut open(&card("bac-lab"), interface), &mrz, Access::Basic);
        assert_eq!(report.verdict, Verdict::Verified, "{:?}", report.checks);
        assert_eq!(report.channel.as_ref().map(|c| c.protocol.as_str()), Some("BAC"));
        assert_eq!(report.public_zone().expect("decodes").card_serial, SERIAL);
    }
    let report = read_with(&mut open(&card("bac-lab"), Interface::Contact), &can(), Access::Basic);
    assert_refused_with(&report, CheckKind::SecureChannel, Refusal::PaceUnsupported);
    let wrong = Password::mrz(SERIAL, "900805", "361121");
    let report = read_with(&mut open(&card("bac-lab"), Interface::Contact), &wrong, Access::Basic);
    assert_refused_with(&report, CheckKind::SecureChannel, Refusal::WrongPassword);
    let report = read_with(&mut open(&card("interop"), Interface::Contact), &mrz, Access::Basic);
    assert_ne!(report.verdict, Verdict::Verified, "not allowed by its profile");
    assert!(report.holder.is_none());
}

#[track_caller]
fn assert_refused_with(report: &ReadReport, check: CheckKind, refusal: Refusal) {
    let found = report.checks.iter().find(|c| c.check == check).map(|c| (c.outcome, c.refusal));
    assert_eq!(found, Some((Outcome::Failed, Some(refusal))));
}

// proves: CARD-02, CARD-25, CARD-26, CARD-27, OPEN-63
#[test]
fn both_interfaces_both_passwords_both_profiles() {
    for profile in ["national", "interop"] {
        for interface in [Interface::Contact, Interface::Contactless] {
            for password in [can(), Password::mrz(SERIAL, "900805", "361120")] {
                let report = read(&mut open(&card(profile), interface), &password);
                assert_verified(&report);
                assert_eq!(report.application, Some("public_zone"));
                assert_eq!(report.channel.as_ref().map(|c| c.curve), Some(Curve::P521.name()));
                let zone = report.public_zone().expect("decodes");
                assert_eq!(zone.card_serial, SERIAL);
                assert_eq!(zone.portrait, Some(country::jpeg(18_000)));
                assert!(report.file("ef_dir.bin").is_some() && report.file("household.bin").is_some());
                assert_eq!(report.household.as_ref().map(|h| h.village.as_str()), Some("黎明里"));
            }
        }
    }
}

// proves: CARD-25
#[test]
fn a_wrong_can_gives_nothing_of_the_public_zone() {
    for interface in [Interface::Contact, Interface::Contactless] {
        let report = read(&mut open(&card("national"), interface), &Password::can("000124"));
        let refused = report.check(CheckKind::SecureChannel).and_then(|check| check.refusal);
        assert_eq!((report.verdict, refused), (Verdict::Refused, Some(Refusal::WrongPassword)));
        assert!(report.holder.is_none() && report.data_groups.is_empty());
        // Contact: the household zone is free. Contactless: not even that.
        assert_eq!(report.file("household.bin").is_some(), interface == Interface::Contact);
    }
}

// proves: OPEN-02
#[test]
fn the_household_zone_is_free_on_contact_and_in_the_channel_on_contactless() {
    let household = FileRef::new(0x0101, 0x01);
    let mut contact = Card::new(open(&card("national"), Interface::Contact));
    contact.select_application(commands::AID_HOUSEHOLD).expect("selected");
    assert!(contact.read_object(household).is_ok());
    let mut contactless = Card::new(open(&card("national"), Interface::Contactless));
    let refused = contactless
        .select_application(commands::AID_HOUSEHOLD)
        .and_then(|()| contactless.read_object(household).map(drop))
        .expect_err("refused");
    assert_eq!(refused.status_word(), Some(StatusWord::SECURITY_STATUS_NOT_SATISFIED));
    let report = read(&mut contactless.into_channel(), &can());
    assert_eq!(report.statements.household_signature_valid, Outcome::Passed);
}

/// Hears everything that passes.
struct Wiretap {
    inner: Channel,
    heard: Vec<Vec<u8>>,
}

impl CardChannel for Wiretap {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let answer = self.inner.transmit(command)?;
        self.heard.extend([command.to_vec(), answer.clone()]);
        Ok(answer)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.inner.reset()
    }
}

// proves: CARD-43
#[test]
fn nothing_of_the_public_zone_travels_in_the_clear() {
    let mut tap = Wiretap { inner: open(&card("national"), Interface::Contactless), heard: Vec::new() };
    let report = read(&mut tap, &can());
    assert_verified(&report);
    let portrait = country::jpeg(18_000);
    let secrets: [&[u8]; 6] = [
        "陳".as_bytes(),
        b"CHEN",
        b"A223456781",
        SERIAL.as_bytes(),
        "徐州路".as_bytes(),
        &portrait[2000..2016],
    ];
    for message in &tap.heard {
        for secret in secrets {
            assert!(!message.windows(secret.len()).any(|window| window == secret));
        }
    }
    // After PACE every single message is protected.
    let first =
        tap.heard.iter().position(|m| m.len() > 4 && m[..2] == [0x0C, 0xA4]).expect("a protected SELECT");
    assert!(tap.heard[first..].iter().step_by(2).all(|command| eac::sm::is_protected(command[0])));
    assert!(tap.heard.len() - first > 20);
    // And the same reading looks different each time.
    let mut again = Wiretap { inner: open(&card("national"), Interface::Contactless), heard: Vec::new() };
    let options = ReadOptions::default();
    read_card(&mut again, &can(), &COUNTRY.trust(), &options, now(), &mut rng("another terminal"));
    assert!(
        again.heard[first..]
            .iter()
            .all(|message| !tap.heard[first..].contains(message) || message.len() <= 4)
    );
}

#[test]
fn short_length_reads_the_same_card() {
    let options = ReadOptions { lengths: Some(Lengths::Short), ..ReadOptions::default() };
    let mut channel = open(&card("national"), Interface::Contactless);
    let report = read_card(&mut channel, &can(), &COUNTRY.trust(), &options, now(), &mut rng("terminal"));
    assert_verified(&report);
    assert_eq!(report.file("portrait.jpg"), Some(&country::jpeg(18_000)[..]));
}

pub(crate) fn secret(pin: &[u8]) -> SecretBytes {
    SecretBytes::new(pin)
}

pub(crate) fn national() -> NpcCard<Channel> {
    NpcCard::open(open(&card("national"), Interface::Contact), &can(), &mut rng("holder")).expect("the zone")
}

#[test]
fn the_holder_signs_and_deciphers_in_the_secure_channel() {
    let mut zone = national();
    assert_eq!(zone.pin2_status(), Ok(Pin2Status::Required { tries_left: 3 }));
    let certificates = zone.certificates().expect("certificates");
    assert_eq!(certificates.iter().map(|(id, _)| *id).collect::<Vec<_>>(), CertificateId::ALL);
    let parsed: Vec<_> =
        certificates.iter().map(|(_, der)| Certificate::parse(der).expect("a certificate")).collect();
    assert!(zone.objects().expect("objects").contains(&0xCE03));
    // No signature without PIN2.
    assert_eq!(zone.sign_rsa(Hash::Sha256, b"text").err(), Some(NpcError::PinRequired));
    zone.verify_pin2(&secret(PIN2)).expect("PIN2");
    assert_eq!(zone.pin2_status(), Ok(Pin2Status::Verified));

    for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
        let signature = zone.sign_rsa(hash, b"text").expect("a signature");
        let key = rsa::RsaPublicKey::from_spki(parsed[0].spki()).expect("RSA");
        assert_eq!(key.verify_pkcs1(hash, &hash.digest(b"text"), &signature), Ok(()));
        let signature = zone.sign_ec(hash, b"text").expect("a signature");
        let key = curve::point_from_spki(parsed[2].spki()).expect("EC");
        assert_eq!(curve::verify_digest(&key, &hash.digest(b"text"), &signature), Ok(()));
    }
    let key = rsa::RsaPublicKey::from_spki(parsed[1].spki()).expect("RSA");
    for message in [&b""[..], b"a key of sixteen", &[7; 200]] {
        let cryptogram = key.encrypt_pkcs1(message).expect("enciphered");
        assert_eq!(zone.decipher_rsa(&cryptogram).expect("deciphered").expose(), message);
    }
    let own = SecretKey::generate(Curve::P521, &mut rng("sender"));
    let card_key = curve::point_from_spki(parsed[3].spki()).expect("EC");
    let shared = zone.agree_ec(&own.public_key()).expect("agreed");
    assert_eq!(shared.expose(), own.agree(&card_key).expect("agreed").expose());
    assert_eq!(zone.decipher_rsa(&[0xFF; 256]).err(), Some(NpcError::Input));
}

#[test]
fn every_use_of_the_zone_in_short_length() {
    let mut card = Card::new(open(&card("national"), Interface::Contact));
    card.set_lengths(Lengths::Short);
    card.open_channel(country::BOTH[0], &can(), &mut rng("holder")).expect("a channel");
    let mut zone = NpcCard::select(card).expect("the zone");
    zone.verify_pin2(&secret(PIN2)).expect("PIN2");
    assert_eq!(zone.certificates().expect("certificates").len(), 6);
    assert_eq!(zone.sign_ec(Hash::Sha512, b"text").map(|s| s.curve()), Ok(Curve::P521));
}

#[test]
fn pin2_is_changed_counted_and_blocked() {
    let mut zone = national();
    let wrong = secret(b"99999999");
    // A PIN that cannot be one costs no try.
    for form in [&b""[..], b"1234567", b"1234567890123", b"1234567a"] {
        assert_eq!(zone.verify_pin2(&secret(form)), Err(NpcError::PinForm));
        assert_eq!(zone.change_pin2(&secret(PIN2), &secret(form)), Err(NpcError::PinForm));
    }
    assert_eq!(zone.verify_pin2(&wrong), Err(NpcError::WrongPin { tries_left: 2 }));
    zone.change_pin2(&secret(PIN2), &secret(OTHER_PIN2)).expect("changed");
    zone.verify_pin2(&secret(OTHER_PIN2)).expect("the new PIN2");
    // A wrong old PIN costs a try whatever its length: the card does not tell for nothing how long the right one is.
    let changed = zone.change_pin2(&secret(b"13572468"), &secret(PIN2));
    assert_eq!(changed, Err(NpcError::WrongPin { tries_left: 2 }));
    let changed = zone.change_pin2(&secret(b"135724680"), &secret(PIN2));
    assert_eq!(changed, Err(NpcError::WrongPin { tries_left: 1 }));
    assert_eq!(zone.verify_pin2(&wrong), Err(NpcError::PinBlocked));
    assert_eq!(zone.verify_pin2(&secret(OTHER_PIN2)), Err(NpcError::PinBlocked));
    assert_eq!(zone.pin2_status(), Ok(Pin2Status::Blocked));
    // The other zones do not care (OPEN-64).
    assert_verified(&read(&mut zone.into_card().into_channel(), &can()));
}

/// A reader that knows short length only, whatever the card announces.
struct ShortReader<C>(C);

impl<C: CardChannel> CardChannel for ShortReader<C> {
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

/// The holder's zone and both PINs with such a reader; nothing is tried twice to find it out.
// proves: CARD-02
#[test]
fn a_reader_with_short_length_takes_both_pins_and_signs() {
    let (flash, laboratory) = (card("national"), card("interop"));
    set_pin1(&flash, &secret(PIN1));
    let reader = || ShortReader(open(&flash, Interface::Contact));
    let mut zone = NpcCard::open(reader(), &can(), &mut rng("holder")).expect("opened");
    assert_eq!(zone.pin2_status(), Ok(Pin2Status::Required { tries_left: 3 }));
    assert_eq!(zone.certificates().expect("read").len(), 6);
    zone.change_pin2(&secret(PIN2), &secret(OTHER_PIN2)).expect("changed");
    zone.verify_pin2(&secret(OTHER_PIN2)).expect("the new PIN2");
    zone.sign_ec(Hash::Sha512, b"text").expect("signs");
    drop(zone);
    let mut card = Card::new(reader());
    let parameters = card.connect_for_pace().expect("offered");
    assert_eq!(pin1::status(&mut card, parameters), Ok(Pin1Status::Usable { tries_left: 3 }));
    let (old, new) = (secret(PIN1), secret(b"246802"));
    pin1::change(&mut card, parameters, &old, &new, None, &mut rng("holder")).expect("changed");
    let mut card = Card::new(reader());
    let parameters = card.connect_for_pace().expect("offered");
    pin1::open_channel(&mut card, parameters, &new, None, &mut rng("holder")).expect("the new PIN1");
    // The card of a laboratory in the clear, as OpenSC uses it.
    let mut zone =
        NpcCard::open_in_clear(ShortReader(open(&laboratory, Interface::Contact))).expect("selected");
    assert_eq!(zone.certificates().expect("read").len(), 6);
    zone.verify_pin2(&secret(PIN2)).expect("PIN2");
    zone.sign_ec(Hash::Sha256, b"text").expect("signs");
}

#[test]
fn the_national_profile_has_no_certificate_zone_in_the_clear_or_without_contact() {
    let mut zone = NpcCard::open_in_clear(open(&card("national"), Interface::Contact)).expect("selected");
    let closed = Err(NpcError::ZoneClosed(StatusWord::SECURITY_STATUS_NOT_SATISFIED));
    assert_eq!(zone.verify_pin2(&secret(PIN2)), closed);
    assert_eq!(zone.change_pin2(&secret(PIN2), &secret(OTHER_PIN2)), closed);
    assert!(zone.certificate(CertificateId::SigningEc).is_err());
    // CARD-43: and PIN2 was never sent to find that out.
    let mut tap = Wiretap { inner: open(&card("national"), Interface::Contact), heard: Vec::new() };
    let mut zone = NpcCard::open_in_clear(&mut tap).expect("selected");
    assert_eq!(zone.verify_pin2(&secret(PIN2)), closed);
    assert_eq!(zone.change_pin2(&secret(PIN2), &secret(OTHER_PIN2)), closed);
    for digits in [PIN2, OTHER_PIN2] {
        assert!(!tap.heard.iter().any(|message| message.windows(digits.len()).any(|part| part == digits)));
    }
    let contactless =
        NpcCard::open(open(&card("national"), Interface::Contactless), &can(), &mut rng("holder"));
    assert_eq!(contactless.err(), Some(NpcError::ZoneClosed(StatusWord::FILE_NOT_FOUND)));
    // The interop profile takes them in the clear, as the SmartCard-HSM driver of OpenSC sends them.
    let mut zone = NpcCard::open_in_clear(open(&card("interop"), Interface::Contact)).expect("selected");
    zone.verify_pin2(&secret(PIN2)).expect("PIN2");
    assert!(zone.sign_ec(Hash::Sha256, b"text").is_ok());
}

#[test]
fn debug_of_commands_and_errors_hides_pins() {
    let pin = secret(PIN2);
    let shown = format!(
        "{:?} {:?} {:?}",
        npc_card::verify_pin2(pin.expose()),
        npc_card::change_pin2(pin.expose(), OTHER_PIN2),
        national().verify_pin2(&secret(b"99999999"))
    );
    for digits in ["13572468", "864213579", "99999999"] {
        assert!(!shown.contains(digits));
    }
    let _: Command = npc_card::pin2_status();
}
