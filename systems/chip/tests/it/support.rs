//! Cards in every state, made once and copied, and a small reader.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use apdu::{CardChannel, ChannelError, Command, Response};
use chip::{Chip, ChipType, FactoryData, Flash, InProcessChannel, Interface, Profile, RamMemory, factory};
use curve::{Curve, Random, SecretKey, SeedRandom};
use eac::pace::{self, Parameters};
use eac::{
    Cipher, Password,
    security_infos::{self, SecurityInfo},
    sm,
};
use lds::FieldSecurityObject;
use lds::eid::{EncryptedZone, PersonName, Sex};
use lds::field_security::{SALT_LEN, with_salt};
use scp::KeySet;
use terminal::perso::{
    self, EncryptedZoneFiles, InitialisationRequest, InitialisedCard, PersonalisationFiles, PinReference,
    Session,
};
use x509::{Name, SignatureAlgorithm};

use crate::eac_pki;

pub const SERIAL: &str = "AB1234567";
pub const CAN: &str = "234567";
pub const MRZ: &str = "AB1234567485010183101019";
pub const PIN1: &[u8] = b"135790";
pub const PIN2: &[u8] = b"24681357";
pub const CHIP_ID: [u8; 8] = [0x63, 0x20, 0xC0, 0xFF, 0xEE, 0x01, 0x00, 0x07];

pub const SC_HSM: &[u8] = &[0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x01];
pub const PKCS15: &[u8] = &[0xA0, 0x00, 0x00, 0x00, 0x63, 0x50, 0x4B, 0x43, 0x53, 0x2D, 0x31, 0x35];
pub const HOUSEHOLD: &[u8] = &[0xF0, 0x4E, 0x45, 0x49, 0x44, 0x48, 0x01];
pub const PUBLIC: &[u8] = &[0xF0, 0x4E, 0x45, 0x49, 0x44, 0x50, 0x01];
pub const EMRTD: &[u8] = &[0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01];
pub const EID: &[u8] = &[0xE8, 0x07, 0x04, 0x00, 0x7F, 0x00, 0x07, 0x03, 0x02];
pub const ISSUER: &[u8] = &[0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00];

pub const P521: Parameters = Parameters::generic(Curve::P521, Cipher::Aes256);
pub const BRAINPOOL: Parameters = Parameters::generic(Curve::BrainpoolP256r1, Cipher::Aes128);

pub fn rng(seed: &str) -> SeedRandom {
    SeedRandom::new(seed.as_bytes())
}

pub fn boxed_rng(seed: &str) -> Box<dyn Random + Send> {
    Box::new(rng(seed))
}

fn keys(seed: &str, len: usize) -> KeySet {
    KeySet::random(len, &mut rng(seed)).unwrap()
}

pub fn transport_keys() -> KeySet {
    keys("transport", 16)
}

pub fn centre_keys() -> KeySet {
    keys("centre", 32)
}

pub fn management_keys() -> KeySet {
    keys("management", 32)
}

/// A stage of production; each holds what the one before holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stage {
    Delivered,
    Washed,
    Initialised(&'static str),
    /// Profile, and whether the certificate zone is open.
    Personalised(&'static str, bool),
    /// Personalised with an open certificate zone, both PINs set.
    InUse(&'static str),
    /// In use, then suspended as a whole.
    Suspended(&'static str),
    /// In use, then erased.
    Terminated(&'static str),
}

impl Stage {
    pub fn chip(self) -> Chip {
        open(&self.flash())
    }

    /// Cells of their own with a card in this state.
    pub fn flash(self) -> Flash {
        static IMAGES: OnceLock<Mutex<HashMap<Stage, Vec<u8>>>> = OnceLock::new();
        let images = IMAGES.get_or_init(Mutex::default);
        if let Some(image) = images.lock().unwrap().get(&self) {
            return Flash::from_image(image.clone());
        }
        // Keys are not made twice alike: where two tests make the same card at once, both take the first one's.
        let made = self.make().image();
        let image = images.lock().unwrap().entry(self).or_insert(made).clone();
        Flash::from_image(image)
    }

    /// A chip of another type on which no profile has been put yet.
    pub fn of_type(self, chip: ChipType) -> Flash {
        let memory = RamMemory::new();
        let flash = memory.flash();
        let data = FactoryData::new(CHIP_ID, transport_keys()).of_type(chip);
        factory::manufacture(Box::new(memory), &data, boxed_rng("factory")).unwrap();
        if self == Self::Washed {
            let mut session = session(&flash, perso::TRANSPORT_KEY_VERSION, &transport_keys());
            session.put_keys(perso::CENTRE_KEY_VERSION, &centre_keys()).unwrap();
        }
        flash
    }

    fn make(self) -> Flash {
        match self {
            Self::Delivered | Self::Washed => self.of_type(ChipType::PLANNED),
            Self::Initialised(profile) => {
                let flash = Self::Washed.of_type(Profile::given(profile).unwrap().chip);
                centre(&flash).initialise(&request(profile)).unwrap();
                flash
            }
            Self::Personalised(profile, open) => {
                let flash = Self::Initialised(profile).flash();
                let mut centre = centre(&flash);
                let card = centre.initialised_card().unwrap();
                centre.personalise(&files_of(profile, &card, open)).unwrap();
                flash
            }
            Self::InUse(profile) => {
                let flash = Self::Personalised(profile, true).flash();
                let mut management = management(&flash);
                management.set_pin(PinReference::Pin1, &PIN1.into()).unwrap();
                management.set_pin(PinReference::Pin2, &PIN2.into()).unwrap();
                flash
            }
            Self::Suspended(profile) => {
                let flash = Self::InUse(profile).flash();
                management(&flash).lock_card().unwrap();
                flash
            }
            Self::Terminated(profile) => {
                let flash = Self::InUse(profile).flash();
                management(&flash).terminate_card().unwrap();
                flash
            }
        }
    }
}

pub fn open(flash: &Flash) -> Chip {
    Chip::open(Box::new(RamMemory::open(flash.clone()).unwrap()), boxed_rng("chip")).unwrap()
}

pub type Contact = InProcessChannel<Chip>;

pub fn contact(chip: Chip) -> Contact {
    InProcessChannel::new(chip, Interface::Contact).without_waiting()
}

pub fn session(flash: &Flash, version: u8, keys: &KeySet) -> Session<Contact> {
    Session::open(contact(open(flash)), version, keys, &mut rng("host")).unwrap()
}

pub fn centre(flash: &Flash) -> Session<Contact> {
    session(flash, perso::CENTRE_KEY_VERSION, &centre_keys())
}

pub fn management(flash: &Flash) -> Session<Contact> {
    session(flash, perso::PIN_MANAGEMENT_KEY_VERSION, &management_keys())
}

pub fn request(profile: &str) -> InitialisationRequest {
    InitialisationRequest { serial: SERIAL.into(), profile: profile.into() }
}

/// A package for an initialised card of the national profile.
pub fn files(card: &InitialisedCard, with_certificates: bool) -> PersonalisationFiles {
    files_of("national", card, with_certificates)
}

/// A package for an initialised card. The contents of the public zone's data groups are recognisable, not meaningful.
pub fn files_of(profile: &str, card: &InitialisedCard, with_certificates: bool) -> PersonalisationFiles {
    let chip_key = curve::point_from_spki(&card.ca_spki).unwrap();
    let mut infos = vec![
        P521.info(),
        SecurityInfo::chip_authentication(Cipher::Aes256, None),
        SecurityInfo::chip_authentication_public_key(&chip_key, None),
    ];
    infos.extend(Profile::given(profile).unwrap().restricted_identification_infos());
    let group = |tag: u32, len: usize| tlv::encode(tag, &vec![tag as u8; len]);
    PersonalisationFiles {
        serial: SERIAL.into(),
        can: CAN.into(),
        mrz_information: MRZ.into(),
        household: group(0x30, 900),
        public: vec![
            (0x011E, group(0x60, 30)),
            (0x0101, group(0x61, 93)),
            (0x0102, group(0x75, 15_000)),
            (0x010B, group(0x6B, 120)),
            (0x010C, group(0x6C, 60)),
            (0x010D, group(0x6D, 200)),
            (0x010E, group(0x6E, 300)),
            (0x010F, tlv::encode(0x6F, &card.aa_spki)),
            (0x011D, group(0x77, 2_000)),
        ],
        card_access: card_access_of(profile),
        encrypted: encrypted(&zone(profile), 0, &card.ca_spki),
        trust_point: eac_pki::trust_point(),
        document_anchor: crate::document_pki::COUNTRY.csca.der().to_vec(),
        card_security: signed(tlv::oid::CARD_SECURITY_OBJECT, &security_infos::encode_set(&infos)),
        certificates: if with_certificates { certificates(card) } else { Vec::new() },
        pin_management_keys: management_keys(),
    }
}

/// What the encrypted zone of the fixture says.
pub fn zone(profile: &str) -> EncryptedZone {
    let name = |text: &str| Some(PersonName { text: text.into(), cns: Vec::new() });
    EncryptedZone {
        placement: Profile::given(profile).expect("a profile").fields,
        state: "TWN".into(),
        expiry: lds::Date::new(2036, 1, 31).ok(),
        given_names: "HSIAO-LING".into(),
        family_names: "CHEN".into(),
        birth: lds::Date::new(1990, 2, 28).unwrap(),
        spouse: None,
        father: name("陳大明"),
        mother: name("林美"),
        birthplace: "臺南市".into(),
        sex: Sex::Female,
        access_number: CAN.into(),
    }
}

/// The files of the zone with their salts, signed, after so many updates.
pub fn encrypted(zone: &EncryptedZone, sequence: u16, ca_spki: &[u8]) -> EncryptedZoneFiles {
    let files = zone.files().unwrap().into_iter();
    let groups: Vec<_> =
        files.map(|(group, file)| (group, with_salt(&file, &[group ^ sequence as u8; SALT_LEN]))).collect();
    EncryptedZoneFiles { security_object: security_object(&groups, sequence, ca_spki), groups }
}

/// The signed security object over these files.
pub fn security_object(groups: &[(u8, Vec<u8>)], sequence: u16, ca_spki: &[u8]) -> Vec<u8> {
    let salted = groups.iter().map(|(group, file)| (*group, file.as_slice()));
    let key = curve::point_from_spki(ca_spki).unwrap();
    let object =
        FieldSecurityObject::over(curve::Hash::Sha512, key.as_uncompressed(), sequence, salted).unwrap();
    signed(tlv::oid::FIELD_SECURITY_OBJECT, &object.encode())
}

/// CMS by a signer whom nobody has to trust here.
pub fn signed(content_type: const_oid::ObjectIdentifier, content: &[u8]) -> Vec<u8> {
    let key = SecretKey::generate(Curve::P256, &mut rng("certificate authority"));
    let own = curve::spki_from_point(&key.public_key());
    let signer = x509::Certificate::parse(&certificate(&key, "root", &own, 9)).unwrap();
    let spec = x509::cms::Spec::new(content_type, content, &signer, SignatureAlgorithm::EcdsaSha256);
    x509::cms::sign(&spec, &x509::EcSigner::new(key)).unwrap()
}

/// EF.CardAccess of a card with this profile: what the fixture has always said, or what the profile offers where that is
/// something else.
fn card_access_of(profile: &str) -> Vec<u8> {
    let profile = Profile::given(profile).unwrap();
    if profile.pace.contains(&P521) { card_access() } else { profile.card_access() }
}

pub fn card_access() -> Vec<u8> {
    let infos = [P521.info(), BRAINPOOL.info(), SecurityInfo::terminal_authentication()];
    security_infos::encode_set_in_order(&infos)
}

pub fn certificates(card: &InitialisedCard) -> Vec<(u8, Vec<u8>)> {
    let ca = SecretKey::generate(Curve::P256, &mut rng("certificate authority"));
    let own = curve::spki_from_point(&ca.public_key());
    let mut out: Vec<(u8, Vec<u8>)> = card
        .csrs
        .iter()
        .map(|(slot, der)| {
            let request = x509::csr::Csr::parse(der).unwrap();
            request.verify().unwrap();
            (*slot, certificate(&ca, "holder", request.spki(), *slot))
        })
        .collect();
    out.push((5, certificate(&ca, "root", &own, 5)));
    out.push((6, certificate(&ca, "intermediate", &own, 6)));
    out
}

/// A certificate of the plainest kind.
pub fn certificate(ca: &SecretKey, subject: &str, spki: &[u8], serial: u8) -> Vec<u8> {
    let name = |n: &str| Name::builder().common_name(n).build().unwrap().der().to_vec();
    let algorithm = SignatureAlgorithm::EcdsaSha256;
    let time = |text: &str| tlv::encode(0x17, text.as_bytes());
    let tbs = tlv::sequence(&[
        &tlv::encode(0xA0, &[0x02, 0x01, 0x02]),
        &tlv::integer_unsigned(&[serial]),
        &algorithm.identifier(),
        &name("root"),
        &tlv::sequence(&[&time("260101000000Z"), &time("360101000000Z")]),
        &name(subject),
        spki,
    ]);
    let signature = ca.sign_digest(&curve::Hash::Sha256.digest(&tbs)).to_der();
    x509::certificate::assemble(&tbs, algorithm, &signature)
}

/// A reader: a channel to one interface of a chip, with or without secure messaging.
pub struct Reader {
    pub channel: Contact,
    pub sm: Option<sm::Terminal>,
    rng: SeedRandom,
}

impl Reader {
    pub fn new(chip: Chip, interface: Interface) -> Self {
        let channel = InProcessChannel::new(chip, interface).without_waiting();
        Self { channel, sm: None, rng: rng("reader") }
    }

    pub fn contact(stage: Stage) -> Self {
        Self::new(stage.chip(), Interface::Contact)
    }

    pub fn contactless(stage: Stage) -> Self {
        Self::new(stage.chip(), Interface::Contactless)
    }

    /// Sends a command, through the channel if there is one.
    pub fn send(&mut self, command: &Command) -> Response {
        self.try_send(command).unwrap()
    }

    /// The same with a card that may lose its power.
    pub fn try_send(&mut self, command: &Command) -> Result<Response, ChannelError> {
        match self.sm.as_mut() {
            None => self.channel.exchange(command),
            Some(sm) => {
                let wrapped = sm.wrap(command).unwrap();
                let response = self.channel.exchange(&wrapped)?;
                Ok(sm.unwrap(&response).unwrap_or_else(|_| Response::from(response.sw)))
            }
        }
    }

    /// Sends a command without secure messaging even if there is a channel.
    pub fn send_plain(&mut self, command: &Command) -> Response {
        self.channel.exchange(command).unwrap()
    }

    /// The status word of a command.
    pub fn sw(&mut self, command: &Command) -> u16 {
        self.send(command).sw.0
    }

    pub fn select(&mut self, aid: &[u8]) -> u16 {
        self.sw(&Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(aid))
    }

    pub fn select_mf(&mut self) -> u16 {
        self.sw(&Command::new(0x00, 0xA4, 0x00, 0x0C).with_data([0x3F, 0x00]))
    }

    pub fn select_file(&mut self, fid: u16) -> u16 {
        self.sw(&Command::new(0x00, 0xA4, 0x02, 0x0C).with_data(fid.to_be_bytes()))
    }

    pub fn read_sfi(&mut self, sfi: u8) -> Response {
        self.send(&Command::new(0x00, 0xB0, 0x80 | sfi, 0).with_le(65_536))
    }

    pub fn verify(&mut self, pin: &[u8]) -> u16 {
        self.sw(&Command::new(0x00, 0x20, 0x00, 0x81).with_data(pin))
    }

    /// The answer to MSE:Set AT with the reference of PIN1.
    pub fn pin1_status(&mut self) -> u16 {
        self.sw(&pace::terminal::Start::new(P521, &pin1()).unwrap().mse_set_at())
    }

    pub fn pin2_status(&mut self) -> u16 {
        self.sw(&Command::new(0x00, 0x20, 0x00, 0x81))
    }

    /// Opens a channel with a password, inside the present one if there is one.
    pub fn pace(&mut self, password: &Password) -> Result<(), u16> {
        self.pace_with(P521, password)
    }

    pub fn pace_with(&mut self, parameters: Parameters, password: &Password) -> Result<(), u16> {
        self.try_pace(parameters, password).unwrap()
    }

    /// The same with a card that may lose its power.
    pub fn try_pace(
        &mut self,
        parameters: Parameters,
        password: &Password,
    ) -> Result<Result<(), u16>, ChannelError> {
        let status = |error: eac::Error| match error {
            eac::Error::Refused { sw, .. } => sw.0,
            eac::Error::WrongPassword { tries_left } => tries_left.map_or(0x6300, |n| 0x63C0 | u16::from(n)),
            other => panic!("{other}"),
        };
        macro_rules! step {
            ($result:expr) => {
                match $result {
                    Ok(next) => next,
                    Err(error) => return Ok(Err(status(error))),
                }
            };
        }
        let mut random = self.rng.clone();
        let start = pace::terminal::Start::new(parameters, password).unwrap();
        let response = self.try_send(&start.mse_set_at())?;
        let (command, next) = step!(start.step(&response));
        let response = self.try_send(&command)?;
        let (command, next) = step!(next.step(&response, &mut random));
        let response = self.try_send(&command)?;
        let (command, next) = step!(next.step(&response, &mut random));
        let response = self.try_send(&command)?;
        let (command, next) = step!(next.step(&response));
        let response = self.try_send(&command)?;
        self.rng = random;
        self.sm = Some(step!(next.step(&response)).sm);
        Ok(Ok(()))
    }

    pub fn reset(&mut self) {
        self.channel.reset().unwrap();
        self.sm = None;
    }
}

pub fn can() -> Password {
    Password::can(CAN)
}

pub fn wrong_can() -> Password {
    Password::can("000000")
}

pub fn mrz() -> Password {
    Password::mrz_information(MRZ)
}

pub fn pin1() -> Password {
    Password::pin(PIN1)
}

pub fn wrong_pin1() -> Password {
    Password::pin(b"000000")
}

/// A bare SCP03 host, for commands that `terminal::perso` never sends.
pub struct Host {
    pub channel: Contact,
    pub session: scp::HostSession,
}

impl Host {
    pub fn open(mut channel: Contact, version: u8, keys: &scp::KeySet) -> Self {
        channel.exchange(&Command::new(0, 0xA4, 4, 0x0C).with_data(ISSUER)).unwrap();
        let (command, host) = scp::Host::initialize_update(version, &[7; 8]).unwrap();
        let pending = host.on_response(&channel.exchange(&command).unwrap(), keys).unwrap();
        let (command, done) = pending.external_authenticate(scp::SecurityLevel::Full).unwrap();
        let session = done.on_response(&channel.exchange(&command).unwrap()).unwrap();
        Self { channel, session }
    }

    pub fn send(&mut self, command: &Command) -> apdu::Response {
        let wrapped = self.session.wrap(command).unwrap();
        let response = self.channel.exchange(&wrapped).unwrap();
        self.session.unwrap(&response).unwrap_or_else(|_| apdu::Response::from(response.sw))
    }
}
