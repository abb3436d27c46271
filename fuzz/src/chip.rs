//! Sequences of commands on the chip: plain on either side, inside a secure channel, and in every state of its life.
//!
//! The first byte of the input chooses the state of the chip, its side and whether a channel is opened with the access
//! number first. The rest is cut into commands: each begins with a byte that gives its length. Whatever comes, the chip
//! answers with a status word, shows nothing of its holder to somebody who did not open a channel, and opens again from its
//! memory afterwards.

use crate::standards::pieces;
use ::terminal::perso::{
    self, EncryptedZoneFiles, InitialisationRequest, InitialisedCard, PersonalisationFiles, PinReference,
    Session,
};
use apdu::{CardChannel, Command, Response};
use chip::{Chip, FactoryData, Flash, InProcessChannel, Interface, Memory, RamMemory, factory};
use const_oid::ObjectIdentifier;
use curve::{Curve, Hash, SecretKey, SeedRandom};
use eac::cvc::{self, Body, Chat, Extensions, PublicKey, Reference, Rights, Role, TrustPoint};
use eac::pace::{Parameters, terminal};
use eac::security_infos::SecurityInfo;
use eac::{Cipher, Password, security_infos, sm};
use lds::eid::{EncryptedZone, PersonName, Placement, Sex};
use lds::field_security::{SALT_LEN, with_salt};
use lds::{Date, FieldSecurityObject};
use scp::KeySet;
use std::sync::OnceLock;
use tlv::oid;
use x509::{Name, SignatureAlgorithm};

const SERIAL: &str = "AB1234567";
pub(crate) const CAN: &str = "234567";
pub(crate) const MRZ: &str = "AB1234567485010183101019";
pub(crate) const PIN2: &[u8] = b"24681357";

/// Stands in every file that only a channel may show.
pub(crate) const MARK: &[u8] = b"HOLDER-ONLY";

const PARAMETERS: Parameters = Parameters::generic(Curve::P521, Cipher::Aes256);

pub(crate) fn sequence(data: &[u8]) {
    drive(data);
}

/// A profile is a file that somebody edits: what is no profile is refused with a reason, and what is one keeps the rules.
pub(crate) fn profile(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match chip::Profile::parse(text) {
        Ok(profile) => {
            assert!(profile.sample || !profile.bac);
            assert!(profile.pace.iter().all(|offer| offer.curve.field_len() >= 32));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    // The same judgement with every finding, each with a line that there is; and what a chip keeps of it says the same.
    let lines = text.lines().count();
    match chip::Profile::examine(text) {
        Ok(profile) => {
            assert_eq!(chip::Profile::parse(text).as_ref(), Ok(&profile));
            assert_eq!(chip::Profile::parse(&chip::Profile::without_comments(text)), Ok(profile));
        }
        Err(findings) => {
            assert!(chip::Profile::parse(text).is_err() && !findings.is_empty());
            let mut places = findings.iter().flat_map(|finding| &finding.places);
            assert!(places.all(|place| place.line.is_none_or(|line| (1..=lines).contains(&line))));
        }
    }
}

/// A card is a file, and sample cards are files that anybody may hand over. What is no card is refused; one whose records say
/// strange things may refuse whatever it likes, but it answers.
pub(crate) fn card_file(data: &[u8]) {
    // As it came; then as records in the journal of a card, whose checksums fit: the first byte chooses the card.
    knock(&Flash::from_image(data.to_vec()));
    let Some((&choice, data)) = data.split_first() else { return };
    let flash = Flash::from_image(states()[usize::from(choice % STATES)].clone());
    let changes: Vec<_> = pieces(data, 250)
        .filter_map(|piece| piece.split_first_chunk())
        .map(|(key, value)| (u16::from_be_bytes(*key), (!value.is_empty()).then(|| value.to_vec())))
        .collect();
    let mut memory = RamMemory::open(flash.clone()).expect("memory");
    if memory.commit(&changes).is_ok() {
        drop(memory);
        knock(&flash);
    }
}

/// What every reader begins with, on both sides.
fn knock(flash: &Flash) {
    for interface in [Interface::Contact, Interface::Contactless] {
        let Ok(memory) = RamMemory::open(flash.clone()) else { return };
        let Ok(chip) = Chip::open(Box::new(memory), Box::new(SeedRandom::new(b"chip"))) else { return };
        let mut channel = InProcessChannel::new(chip, interface).without_waiting();
        let _ = channel.reset();
        let probe = Command::new(0x00, 0x22, 0xC1, 0xA4);
        let probe = probe.with_data(
            [&tlv::encode(0x80, oid::PACE_ECDH_GM_AES_CBC_CMAC_256.as_bytes())[..], &[0x83, 1, 3]].concat(),
        );
        let select = |aid: &[u8]| Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(aid);
        let read = |sfi: u8| Command::new(0x00, 0xB0, 0x80 | sfi, 0x00).with_le(65_536);
        let commands = [
            Command::new(0x00, 0xA4, 0x00, 0x0C).with_data([0x3F, 0x00]),
            read(0x1E),
            read(0x1C),
            probe,
            select(&[0xF0, 0x4E, 0x45, 0x49, 0x44, 0x48, 0x01]),
            read(0x01),
            select(&[0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x01]),
            Command::new(0x80, 0x58, 0x00, 0x00).with_le(65_536),
            Command::new(0x00, 0x20, 0x00, 0x81),
            Command::new(0x80, 0xCA, 0x9F, 0x7F).with_le(256),
        ];
        for command in commands {
            channel.exchange(&command).expect("the chip answers");
        }
        if let Some(mut session) = pace(&mut channel) {
            for command in [select(&[0xF0, 0x4E, 0x45, 0x49, 0x44, 0x50, 0x01]), read(0x1D), read(0x0E)] {
                let Ok(command) = session.wrap(&command) else { return };
                let answer = channel.exchange(&command).expect("the chip answers");
                let _ = session.unwrap(&answer);
            }
        }
    }
}

/// Gives the answers as whoever sent the commands sees them.
fn drive(data: &[u8]) -> Vec<Response> {
    let Some((&choice, data)) = data.split_first() else { return Vec::new() };
    let flash = Flash::from_image(states()[usize::from(choice % STATES)].clone());
    let interface = if choice & 0x40 == 0 { Interface::Contact } else { Interface::Contactless };
    let mut channel = InProcessChannel::new(open(&flash), interface).without_waiting();
    let mut session = if choice & 0x80 != 0 { pace(&mut channel) } else { None };
    let mut answers = Vec::new();
    for piece in pieces(data, 250) {
        let secured = match (&mut session, Command::parse(piece)) {
            (Some(session), Ok(command)) => session.wrap(&command).map(|c| c.to_bytes()).ok(),
            _ => None,
        };
        let was_secured = secured.is_some();
        let response = channel.transmit(secured.as_deref().unwrap_or(piece)).expect("the chip answers");
        assert!((2..=8192).contains(&response.len()), "a response of {} bytes", response.len());
        assert!(!contains(&response, MARK), "the holder's data went out in the clear");
        let mut response = Response::parse(&response).expect("a status word");
        if was_secured {
            match session.as_mut().map(|session| session.unwrap(&response)) {
                Some(Ok(opened)) => response = opened,
                _ => session = None,
            }
        }
        answers.push(response);
    }
    drop(channel);
    // What is left in the memory is a chip.
    open(&flash);
    answers
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

pub(crate) fn open(flash: &Flash) -> Chip {
    let memory = RamMemory::open(flash.clone()).expect("memory");
    Chip::open(Box::new(memory), Box::new(SeedRandom::new(b"chip"))).expect("the memory holds a chip")
}

/// Opens a channel with the access number; `None` in a state in which there is none to open.
fn pace(channel: &mut InProcessChannel) -> Option<sm::Terminal> {
    let mut rng = SeedRandom::new(b"reader");
    let start = terminal::Start::new(PARAMETERS, &Password::can(CAN)).expect("a password");
    let response = channel.exchange(&start.mse_set_at()).ok()?;
    let (command, state) = start.step(&response).ok()?;
    let (command, state) = state.step(&channel.exchange(&command).ok()?, &mut rng).ok()?;
    let (command, state) = state.step(&channel.exchange(&command).ok()?, &mut rng).ok()?;
    let (command, state) = state.step(&channel.exchange(&command).ok()?).ok()?;
    Some(state.step(&channel.exchange(&command).ok()?).ok()?.sm)
}

/// Images of a chip that was delivered, washed, initialised, personalised, and that is in use, in both profiles.
pub(crate) fn states() -> &'static [Vec<u8>] {
    static STATES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    STATES.get_or_init(|| {
        let memory = RamMemory::new();
        let flash = memory.flash();
        let data = FactoryData::new([1, 2, 3, 4, 5, 6, 7, 8], keys(0x10));
        factory::manufacture(Box::new(memory), &data, Box::new(SeedRandom::new(b"factory"))).expect("made");
        let mut images = vec![flash.image()];
        session(&flash, perso::TRANSPORT_KEY_VERSION, 0x10)
            .put_keys(perso::CENTRE_KEY_VERSION, &keys(0x20))
            .expect("washed");
        images.push(flash.image());
        for profile in ["national", "interop"] {
            let flash = Flash::from_image(images[1].clone());
            let request = InitialisationRequest { serial: SERIAL.into(), profile: profile.into() };
            let card =
                session(&flash, perso::CENTRE_KEY_VERSION, 0x20).initialise(&request).expect("initialised");
            images.push(flash.image());
            session(&flash, perso::CENTRE_KEY_VERSION, 0x20)
                .personalise(&files(&card, profile))
                .expect("personalised");
            images.push(flash.image());
            let mut management = session(&flash, perso::PIN_MANAGEMENT_KEY_VERSION, 0x30);
            management.set_pin(PinReference::Pin1, &b"135790"[..].into()).expect("PIN1");
            management.set_pin(PinReference::Pin2, &PIN2.into()).expect("PIN2");
            images.push(flash.image());
        }
        images
    })
}

/// How many states there are to choose from.
pub(crate) const STATES: u8 = 8;

fn keys(fill: u8) -> KeySet {
    KeySet::new(&[fill; 16], &[fill + 1; 16], &[fill + 2; 16]).expect("three keys")
}

fn session(flash: &Flash, version: u8, fill: u8) -> Session<InProcessChannel> {
    let channel = InProcessChannel::new(open(flash), Interface::Contact).without_waiting();
    Session::open(channel, version, &keys(fill), &mut SeedRandom::new(b"host")).expect("opens")
}

/// A session of PIN management, if the card still has the power for it.
pub(crate) fn host_session(flash: &Flash) -> Option<Session<InProcessChannel>> {
    let channel = InProcessChannel::new(open(flash), Interface::Contact).without_waiting();
    Session::open(channel, perso::PIN_MANAGEMENT_KEY_VERSION, &keys(0x30), &mut SeedRandom::new(b"host")).ok()
}

fn files(card: &InitialisedCard, profile: &str) -> PersonalisationFiles {
    let placement = ::chip::Profile::by_name(profile).expect("a profile").fields;
    let chip_key = curve::point_from_spki(&card.ca_spki).expect("the chip's key");
    let signed_infos = [SecurityInfo::chip_authentication_public_key(&chip_key, None)];
    let group = |tag: u32, len: usize| tlv::encode(tag, &[MARK, &vec![tag as u8; len]].concat());
    let infos = [PARAMETERS.info(), security_infos::SecurityInfo::terminal_authentication()];
    PersonalisationFiles {
        serial: SERIAL.into(),
        can: CAN.into(),
        mrz_information: MRZ.into(),
        household: tlv::encode(0x30, &[7; 300]),
        public: vec![
            (0x011E, group(0x60, 30)),
            (0x0101, group(0x61, 93)),
            (0x0102, group(0x75, 3_000)),
            (0x010B, group(0x6B, 120)),
            (0x010C, group(0x6C, 60)),
            (0x010D, group(0x6D, 200)),
            (0x010E, group(0x6E, 300)),
            (0x010F, tlv::encode(0x6F, &card.aa_spki)),
            (0x011D, group(0x77, 2_000)),
        ],
        card_access: security_infos::encode_set_in_order(&infos),
        encrypted: encrypted_zone(placement, &card.ca_spki, signed),
        trust_point: trust_point(),
        document_anchor: document_anchor(),
        card_security: signed(oid::CARD_SECURITY_OBJECT, &security_infos::encode_set(&signed_infos)),
        certificates: certificates(card),
        pin_management_keys: keys(0x30),
    }
}

fn certificates(card: &InitialisedCard) -> Vec<(u8, Vec<u8>)> {
    let ca = SecretKey::generate(Curve::P256, &mut SeedRandom::new(b"authority"));
    let own = curve::spki_from_point(&ca.public_key());
    let requests = card.csrs.iter().map(|(slot, der)| {
        let request = x509::csr::Csr::parse(der).expect("the chip's own request");
        (*slot, certificate(&ca, request.spki(), *slot))
    });
    requests.chain([(5, certificate(&ca, &own, 5)), (6, certificate(&ca, &own, 6))]).collect()
}

/// Whose signers' updates the card takes.
fn document_anchor() -> Vec<u8> {
    let key = SecretKey::generate(Curve::P256, &mut SeedRandom::new(b"authority"));
    certificate(&key, &curve::spki_from_point(&key.public_key()), 7)
}

fn certificate(ca: &SecretKey, spki: &[u8], serial: u8) -> Vec<u8> {
    let name = Name::builder().common_name("fuzz").build().expect("a name").der().to_vec();
    let algorithm = SignatureAlgorithm::EcdsaSha256;
    let time = |text: &str| tlv::encode(0x17, text.as_bytes());
    let tbs = tlv::sequence(&[
        &tlv::encode(0xA0, &[0x02, 0x01, 0x02]),
        &tlv::integer_unsigned(&[serial]),
        &algorithm.identifier(),
        &name,
        &tlv::sequence(&[&time("260101000000Z"), &time("360101000000Z")]),
        &name,
        spki,
    ]);
    let signature = ca.sign_digest(&Hash::Sha256.digest(&tbs)).to_der();
    x509::certificate::assemble(&tbs, algorithm, &signature)
}

/// The encrypted zone with its salts, signed by `sign`.
fn encrypted_zone(
    placement: Placement,
    ca_spki: &[u8],
    sign: impl Fn(ObjectIdentifier, &[u8]) -> Vec<u8>,
) -> EncryptedZoneFiles {
    let name = |text: &str| Some(PersonName { text: text.into(), cns: Vec::new() });
    let zone = EncryptedZone {
        placement,
        state: "TWN".into(),
        expiry: None,
        given_names: "MEI".into(),
        family_names: "LIN".into(),
        birth: Date::new(1990, 1, 1).expect("a day"),
        spouse: None,
        father: name("林大明"),
        mother: name("陳美"),
        birthplace: "臺北市".into(),
        sex: Sex::Female,
        access_number: CAN.into(),
    };
    let files = zone.files().expect("encodes").into_iter();
    let groups: Vec<_> = files.map(|(group, file)| (group, with_salt(&file, &[group; SALT_LEN]))).collect();
    let key = curve::point_from_spki(ca_spki).expect("the chip's key");
    let salted = groups.iter().map(|(group, file)| (*group, file.as_slice()));
    let object = FieldSecurityObject::over(Hash::Sha512, key.as_uncompressed(), 0, salted).expect("salted");
    EncryptedZoneFiles { security_object: sign(oid::FIELD_SECURITY_OBJECT, &object.encode()), groups }
}

/// The root of an authorisation PKI.
fn trust_point() -> Vec<u8> {
    let key = SecretKey::generate(Curve::P521, &mut SeedRandom::new(b"cvca"));
    let name: Reference = "TWCVCA00001".parse().expect("a reference");
    let body = Body {
        authority: name.clone(),
        public_key: PublicKey::explicit(&key.public_key()),
        holder: name,
        chat: Chat::authentication(Role::Cvca, !Rights::NONE),
        effective: cvc::Date::new(2026, 1, 1).expect("a day"),
        expiration: cvc::Date::new(2046, 1, 1).expect("a day"),
        extensions: Extensions::default(),
    };
    let sign = |bytes: &[u8]| Ok::<_, std::fmt::Error>(key.sign_digest(&Hash::Sha512.digest(bytes)));
    let root = body.issue(sign).expect("signs");
    TrustPoint::from_root(&root).expect("a root").encode()
}

/// CMS by a signer whom nobody has to trust here.
fn signed(content_type: ObjectIdentifier, content: &[u8]) -> Vec<u8> {
    let key = SecretKey::generate(Curve::P256, &mut SeedRandom::new(b"authority"));
    let own = curve::spki_from_point(&key.public_key());
    let signer = x509::Certificate::parse(&certificate(&key, &own, 9)).expect("well formed");
    let spec = x509::cms::Spec::new(content_type, content, &signer, SignatureAlgorithm::EcdsaSha256);
    x509::cms::sign(&spec, &x509::EcSigner::new(key)).expect("signs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_file_is_opened_and_asked() {
        assert_eq!(crate::corpus::seeds("card_file").len(), 3);
        knock(&Flash::from_image(states()[4].clone()));
    }

    // A target whose seeds go nowhere would find nothing.
    #[test]
    fn the_seeds_reach_what_they_are_meant_to_reach() {
        assert_eq!(states().len(), usize::from(STATES));
        let answers: Vec<_> = crate::corpus::seeds("chip").iter().flat_map(|seed| drive(seed)).collect();
        let any = |test: &dyn Fn(&Response) -> bool| answers.iter().any(test);
        assert!(any(&|r| contains(&r.data, MARK)), "no channel shows a data group");
        assert!(any(&|r| r.sw.is_ok() && r.data.len() == 132), "no chip is authenticated");
        assert!(any(&|r| r.sw.is_ok() && r.data.len() == 256), "no RSA signature");
        assert!(any(&|r| r.data.starts_with(&[0x7C])), "no PACE is begun");
        assert!(any(&|r| r.sw.is_ok() && r.data.len() == 29), "no SCP03 is begun");
        for refused in [0x6982, 0x6985, 0x6A82] {
            assert!(any(&|r| r.sw.0 == refused), "nothing answers {refused:04X}");
        }
    }
}
