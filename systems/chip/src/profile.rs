//! Card profiles: what differs between kinds of cards, as data (`profiles/*.toml`), checked when it is read.
//!
//! A profile cannot weaken the minimum access table (CARD-42), and its lines must not contradict each other: one that does is
//! refused with the rule it breaks. Only a sample card (`sample = true`) may use its certificate keys in the clear, carry the
//! eMRTD application identifier, show its household zone to anybody who passes, speak Basic Access Control, prove itself by
//! Chip Authentication of passports, or have an identifier for each sector.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use curve::{Curve, Hash};
use eac::pace::{Mapping, Parameters};
use eac::restricted_identification;
use eac::security_infos::{SecurityInfo, encode_set_in_order};
use eac::{Cipher, PasswordReference};
use lds::eid::{Field, Placement};

use crate::access::{Condition, Interface};
use crate::commands::{RESTRICTED_HASH, RESTRICTED_KEY_ID};
use crate::profile_rules::{PLACEMENT, RULES, Rule};

/// The texts of the profiles built into the chip.
const TEXTS: [&str; 5] = [
    include_str!("../profiles/national.toml"),
    include_str!("../profiles/interop.toml"),
    include_str!("../profiles/bac-lab.toml"),
    include_str!("../profiles/reserve-p384.toml"),
    include_str!("../profiles/mldsa-lab.toml"),
];

/// The profiles built into the chip.
static BUILT_IN: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    TEXTS
        .into_iter()
        .map(|text| Profile::parse(text).expect("built-in profiles are checked by a test"))
        .collect()
});

/// The type of a chip: what its Card Production Life Cycle data and its answer to reset say of it.
// CARD-12, CARD-13: an attribute of each single card; a profile is for one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChipType {
    /// Maker of the chip (CPLC).
    pub fabricator: u16,
    /// Type of the chip (CPLC).
    pub ic_type: u16,
    /// Operating system (CPLC).
    pub operating_system: u16,
    /// Pre-issuing data in the historical bytes of ATR and ATS (CARD-14).
    pub pre_issuing: [u8; 4],
}

impl ChipType {
    /// The planned type.
    pub const PLANNED: Self =
        Self { fabricator: 0x4E45, ic_type: 0x0144, operating_system: 0x4E31, pre_issuing: *b"NeID" };

    /// How registers and lots call it: the maker's letters and the type in hexadecimal, `NE-0144`.
    pub fn name(self) -> String {
        let [first, second] = self.fabricator.to_be_bytes().map(char::from);
        format!("{first}{second}-{:04X}", self.ic_type)
    }

    /// The answer to reset of this type, as a reader of this interface shows it (CARD-14).
    pub fn atr(self, interface: Interface) -> Vec<u8> {
        crate::atr::atr(interface, self.pre_issuing)
    }

    /// The type of the chip with these CPLC data, among those that have a profile.
    pub(crate) fn of(cplc: &[u8]) -> Option<Self> {
        BUILT_IN.iter().map(|profile| profile.chip).find(|chip| chip.made(cplc))
    }

    /// Whether a chip with these CPLC data is of this type.
    pub(crate) fn made(self, cplc: &[u8]) -> bool {
        let words = [self.fabricator, self.ic_type, self.operating_system].map(u16::to_be_bytes);
        cplc.starts_with(words.as_flattened())
    }
}

/// What the document signer of a card signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentSigner {
    /// ECDSA on this curve with its hash.
    Ecdsa(Curve),
    /// ML-DSA-65 (FIPS 204).
    MlDsa65,
}

/// On which interface an application answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Contact and contactless.
    Both,
    /// Contact only.
    Contact,
    /// Not installed.
    None,
}

impl Presence {
    /// Whether it answers on `interface`.
    pub const fn on(self, interface: Interface) -> bool {
        match self {
            Self::Both => true,
            Self::Contact => matches!(interface, Interface::Contact),
            Self::None => false,
        }
    }
}

/// One profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name, which INITIALISE carries.
    pub name: String,
    /// Sample card: may do what a citizen's card must not.
    pub sample: bool,
    /// The type of chip it is for.
    pub chip: ChipType,
    /// The household zone's application.
    pub household: Presence,
    /// The public zone under its national identifier.
    pub public_national: Presence,
    /// The public zone under the eMRTD identifier.
    pub public_icao: Presence,
    /// The encrypted zone's application.
    pub eid: Presence,
    /// The certificate zone's two applications.
    pub certificate: Presence,
    /// Reading the household zone, contact.
    pub read_household_contact: Condition,
    /// Reading the household zone, contactless.
    pub read_household_contactless: Condition,
    /// Reading the public zone.
    pub read_public: Condition,
    /// Reading the encrypted zone.
    pub read_encrypted: Condition,
    /// Reading the certificate zone.
    pub read_certificate: Condition,
    /// Using a private key of the certificate zone.
    pub use_certificate: Condition,
    /// In which data groups the six fields of the encrypted zone stand.
    pub fields: Placement,
    /// Digits of PIN1.
    pub pin1_digits: RangeInclusive<usize>,
    /// Digits of PIN2.
    pub pin2_digits: RangeInclusive<usize>,
    /// Wrong entries that block a PIN.
    pub tries: u8,
    /// PACE parameters, preferred first; generic mapping before the others.
    pub pace: Vec<Parameters>,
    /// The passwords PACE takes.
    pub passwords: Vec<PasswordReference>,
    /// Whether Basic Access Control opens the public zone.
    pub bac: bool,
    /// Whether the public zone offers Chip Authentication of version 1, as passports have it.
    pub chip_authentication: bool,
    /// Whether the encrypted zone gives an identifier for each sector (Restricted Identification).
    pub restricted_identification: bool,
    /// The curve of all keys made on the chip.
    pub curve: Curve,
    /// The length of RSA keys made on the chip.
    pub rsa_bits: u16,
    /// The hash of active authentication (ecdsa-plain), which DG14 announces.
    pub active_authentication: Hash,
    /// What the security objects of the card are signed with.
    pub document_signer: DocumentSigner,
}

/// Why a text is no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Neither a section, nor `key = value`, nor a comment.
    #[error("line {0}: expected [section] or key = value")]
    Syntax(usize),
    /// A key that means nothing, stands twice, or is in the wrong section.
    #[error("unknown or repeated key {0}")]
    Unknown(String),
    /// A key that must be there.
    #[error("missing key {0}")]
    Missing(&'static str),
    /// A value that the key does not take.
    #[error("{key}: {value:?} is not a possible value")]
    Value {
        /// The key, with its section.
        key: &'static str,
        /// The value found.
        value: String,
    },
    /// Values that contradict each other or the minimum access table.
    #[error("contradiction: {}", .0.en)]
    Contradiction(&'static Rule),
}

impl ProfileError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "PROFILE-SYNTAX",
            Self::Unknown(_) => "PROFILE-UNKNOWN-KEY",
            Self::Missing(_) => "PROFILE-MISSING-KEY",
            Self::Value { .. } => "PROFILE-VALUE",
            Self::Contradiction(rule) => rule.code,
        }
    }

    /// The same in Traditional Chinese.
    pub fn zh(&self) -> String {
        match self {
            Self::Syntax(line) => format!("第 {line} 行：應為 [section] 或 key = value"),
            Self::Unknown(key) => format!("不認得或重複的項目 {key}"),
            Self::Missing(key) => format!("缺少項目 {key}"),
            Self::Value { key, value } => format!("{key}：不能是 {value:?}"),
            Self::Contradiction(rule) => format!("矛盾：{}", rule.zh),
        }
    }
}

impl Profile {
    /// The built-in profile with this name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        BUILT_IN.iter().find(|p| p.name == name)
    }

    /// All built-in profiles.
    pub fn built_in() -> &'static [Self] {
        &BUILT_IN
    }

    /// The text of the built-in profile with this name: a file to start from.
    pub fn text(name: &str) -> Option<&'static str> {
        BUILT_IN.iter().zip(TEXTS).find(|(profile, _)| profile.name == name).map(|(_, text)| text)
    }

    /// The PACEInfos of the profile in the order of EF.CardAccess.
    pub fn card_access(&self) -> Vec<u8> {
        encode_set_in_order(&self.pace.iter().map(|parameters| parameters.info()).collect::<Vec<_>>())
    }

    /// What EF.CardSecurity announces of Restricted Identification; nothing where the card has none.
    pub fn restricted_identification_infos(&self) -> Vec<SecurityInfo> {
        let infos = self
            .restricted_identification
            .then(|| restricted_identification::infos(RESTRICTED_HASH, RESTRICTED_KEY_ID, self.curve));
        infos.flatten().into_iter().flatten().collect()
    }

    /// Reads and checks a profile.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        match Self::inspect(text)? {
            (profile, broken) if broken.is_empty() => Ok(profile),
            (_, broken) => Err(ProfileError::Contradiction(broken[0])),
        }
    }

    /// Reads a profile and says every rule that it breaks: for whoever writes one. A text whose form is wrong is an error, and
    /// so are fields in data groups where no reader knows them.
    pub fn inspect(text: &str) -> Result<(Self, Vec<&'static Rule>), ProfileError> {
        let mut values = Values::parse(text)?;
        let profile = Self {
            name: values.string("name")?,
            sample: values.choice("sample", &[("true", true), ("false", false)])?,
            chip: ChipType {
                fabricator: values.with("chip.fabricator", word)?,
                ic_type: values.with("chip.type", word)?,
                operating_system: values.with("chip.operating-system", word)?,
                pre_issuing: values.with("chip.pre-issuing", |v| v.as_bytes().try_into().ok())?,
            },
            household: values.choice("applications.household", PRESENCE)?,
            public_national: values.choice("applications.public-national", PRESENCE)?,
            public_icao: values.choice("applications.public-icao", PRESENCE)?,
            eid: values.choice("applications.eid", PRESENCE)?,
            certificate: values.choice("applications.certificate", PRESENCE)?,
            read_household_contact: values.choice("read.household-contact", READ)?,
            read_household_contactless: values.choice("read.household-contactless", READ)?,
            read_public: values.choice("read.public", READ)?,
            read_encrypted: values.choice("read.encrypted", READ)?,
            read_certificate: values.choice("read.certificate", READ)?,
            use_certificate: values.choice("use.certificate", USE)?,
            fields: placement(&mut values)?,
            pin1_digits: values.with("pins.pin1-digits", range)?,
            pin2_digits: values.with("pins.pin2-digits", range)?,
            tries: values.with("pins.tries", |v| v.parse().ok())?,
            pace: values.with("pace.parameters", |v| v.split(',').map(|p| parameters(p.trim())).collect())?,
            passwords: values
                .with("pace.passwords", |v| v.split(',').map(|w| password(w.trim())).collect())?,
            bac: values.choice("bac.public", &[("on", true), ("off", false)])?,
            chip_authentication: values
                .choice("chip-authentication.public", &[("on", true), ("off", false)])?,
            restricted_identification: values
                .choice("restricted-identification.eid", &[("on", true), ("off", false)])?,
            curve: values.with("keys.curve", Curve::from_name)?,
            rsa_bits: values.with("keys.rsa-bits", |v| v.parse().ok())?,
            active_authentication: values.choice("keys.active-authentication", AA_HASHES)?,
            document_signer: values.with("documents.signer", document_signer)?,
        };
        values.finish()?;
        let broken = profile.broken();
        Ok((profile, broken))
    }

    /// The rules that the profile breaks.
    fn broken(&self) -> Vec<&'static Rule> {
        RULES.iter().filter(|rule| !rule.holds(self)).collect()
    }

    /// The condition for reading the household zone on `interface`.
    pub const fn read_household(&self, interface: Interface) -> Condition {
        match interface {
            Interface::Contact => self.read_household_contact,
            Interface::Contactless => self.read_household_contactless,
        }
    }
}

const PRESENCE: &[(&str, Presence)] =
    &[("both", Presence::Both), ("contact", Presence::Contact), ("none", Presence::None)];

const READ: &[(&str, Condition)] = &[
    ("always", Condition::Always),
    ("channel", Condition::Channel),
    ("access-number", Condition::AccessNumber),
    ("field-right", Condition::FieldRight),
    ("never", Condition::Never),
];

const USE: &[(&str, Condition)] = &[("pin2", Condition::Pin2), ("pin2-in-channel", Condition::Pin2InChannel)];

/// The data group of each field, which together must be a placement that readers know.
fn placement(values: &mut Values) -> Result<Placement, ProfileError> {
    let mut possible = Placement::ALL.to_vec();
    for (key, field) in [
        ("fields.spouse", Field::Spouse),
        ("fields.father", Field::Father),
        ("fields.mother", Field::Mother),
        ("fields.birthplace", Field::Birthplace),
        ("fields.sex", Field::Sex),
        ("fields.access-number", Field::AccessNumber),
    ] {
        let group: u8 = values.with(key, |v| v.parse().ok())?;
        possible.retain(|placement| placement.group(field) == group);
    }
    possible.first().copied().ok_or(ProfileError::Contradiction(&PLACEMENT))
}

/// `8-12`, or `6` for exactly six.
fn range(value: &str) -> Option<RangeInclusive<usize>> {
    let (from, to) = value.split_once('-').unwrap_or((value, value));
    let range = from.parse().ok()?..=to.parse().ok()?;
    (!range.is_empty()).then_some(range)
}

/// `18 AES-256`, `13 IM-AES-128`, `18 CAM-AES-256`: number of the standardised domain parameters, mapping (generic where
/// none is named) and cipher.
fn parameters(value: &str) -> Option<Parameters> {
    let (id, protocol) = value.split_once(' ')?;
    let (mapping, cipher) = match protocol.split_once('-')? {
        ("IM", cipher) => (Mapping::Integrated, cipher),
        ("CAM", cipher) => (Mapping::ChipAuthentication, cipher),
        _ => (Mapping::Generic, protocol),
    };
    let cipher = match cipher {
        "AES-128" => Cipher::Aes128,
        "AES-192" => Cipher::Aes192,
        "AES-256" => Cipher::Aes256,
        _ => return None,
    };
    let parameters = Parameters { mapping, curve: Curve::from_parameter_id(id.parse().ok()?)?, cipher };
    parameters.is_possible().then_some(parameters)
}

fn password(value: &str) -> Option<PasswordReference> {
    Some(match value {
        "MRZ" => PasswordReference::Mrz,
        "CAN" => PasswordReference::Can,
        "PIN1" => PasswordReference::Pin,
        "PUK" => PasswordReference::Puk,
        _ => return None,
    })
}

const AA_HASHES: &[(&str, Hash)] = &[
    ("ecdsa-plain-SHA256", Hash::Sha256),
    ("ecdsa-plain-SHA384", Hash::Sha384),
    ("ecdsa-plain-SHA512", Hash::Sha512),
];

fn document_signer(value: &str) -> Option<DocumentSigner> {
    if value == "ML-DSA-65" {
        return Some(DocumentSigner::MlDsa65);
    }
    Curve::from_name(value).map(DocumentSigner::Ecdsa)
}

/// Four hexadecimal digits.
fn word(value: &str) -> Option<u16> {
    u16::from_str_radix(value, 16).ok().filter(|_| value.len() == 4)
}

/// The `key = value` pairs of a text, with their sections. The format is the part of TOML that profiles need: comments,
/// sections, strings without escapes, numbers and booleans.
struct Values(BTreeMap<String, String>);

impl Values {
    fn parse(text: &str) -> Result<Self, ProfileError> {
        let (mut values, mut section) = (BTreeMap::new(), String::new());
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = format!("{name}.");
                continue;
            }
            let (key, value) = line.split_once('=').ok_or(ProfileError::Syntax(i + 1))?;
            let value = value.trim();
            let value = match value.strip_prefix('"') {
                Some(rest) => rest
                    .strip_suffix('"')
                    .filter(|v| !v.contains(['"', '\\']))
                    .ok_or(ProfileError::Syntax(i + 1))?,
                None => value,
            };
            let key = format!("{section}{}", key.trim());
            if values.insert(key.clone(), value.to_owned()).is_some() {
                return Err(ProfileError::Unknown(key));
            }
        }
        Ok(Self(values))
    }

    fn string(&mut self, key: &'static str) -> Result<String, ProfileError> {
        self.0.remove(key).ok_or(ProfileError::Missing(key))
    }

    fn with<T>(&mut self, key: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<T, ProfileError> {
        let value = self.string(key)?;
        read(&value).ok_or(ProfileError::Value { key, value })
    }

    fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Result<T, ProfileError> {
        self.with(key, |v| choices.iter().find(|(name, _)| *name == v).map(|(_, value)| *value))
    }

    fn finish(self) -> Result<(), ProfileError> {
        match self.0.into_keys().next() {
            Some(key) => Err(ProfileError::Unknown(key)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NATIONAL: &str = include_str!("../profiles/national.toml");
    const INTEROP: &str = include_str!("../profiles/interop.toml");
    const BAC_LAB: &str = include_str!("../profiles/bac-lab.toml");
    const RESERVE: &str = include_str!("../profiles/reserve-p384.toml");
    /// The PACE line of the national profile.
    const PACE: &str = "\"18 AES-256, 13 AES-128, 18 CAM-AES-256\"";

    fn refusal(text: &str, from: &str, to: &str) -> String {
        assert!(text.contains(from), "{from}");
        let refused = Profile::parse(&text.replacen(from, to, 1));
        refused.err().unwrap_or_else(|| panic!("{to} is accepted")).to_string()
    }

    // The sample cards of the laboratory are bound by rules too, and each refusal says which.
    #[test]
    fn contradictions_between_lines_are_named() {
        let no_mrz = refusal(BAC_LAB, "\"CAN, MRZ, PIN1\"", "\"CAN, PIN1\"");
        assert!(no_mrz.contains("takes its keys from the MRZ"), "{no_mrz}");
        let no_emrtd = refusal(BAC_LAB, "public-icao = \"both\"", "public-icao = \"none\"");
        assert!(no_emrtd.contains("belongs to the eMRTD application"), "{no_emrtd}");
        let no_emrtd = refusal(INTEROP, "public-icao = \"both\"", "public-icao = \"none\"");
        assert!(no_emrtd.contains("version 1 belongs to the eMRTD application"), "{no_emrtd}");
        let issued = refusal(BAC_LAB, "sample = true", "sample = false");
        assert!(issued.contains("only a sample card"), "{issued}");
        let hash = refusal(RESERVE, "ecdsa-plain-SHA384", "ecdsa-plain-SHA512");
        assert!(hash.contains("fits the size of its key"), "{hash}");
        let chip = refusal(NATIONAL, "curve = \"secp521r1\"", "curve = \"secp384r1\"");
        assert!(chip.starts_with("contradiction"), "{chip}");
        // There is no integrated mapping on secp224r1 at all.
        let impossible = refusal(INTEROP, "13 IM-AES-128", "10 IM-AES-128");
        assert!(impossible.contains("pace.parameters"), "{impossible}");
        for value in ["144", "01440", "01G4"] {
            assert!(refusal(NATIONAL, "\"0144\"", &format!("\"{value}\"")).contains("chip.type"));
        }
        assert!(refusal(NATIONAL, "\"NeID\"", "\"TooLong\"").contains("chip.pre-issuing"));
    }

    #[test]
    fn all_built_in_profiles_are_sound() {
        let names: Vec<_> = Profile::built_in().iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["national", "interop", "bac-lab", "reserve-p384", "mldsa-lab"]);
        assert!(Profile::by_name("passport").is_none());
        for name in names {
            let text = Profile::text(name).expect("a text");
            assert_eq!(Profile::parse(text).as_ref(), Ok(Profile::by_name(name).expect("a profile")));
        }
        assert!(Profile::text("passport").is_none());
    }

    // proves: OPEN-06, OPEN-52
    #[test]
    fn no_issued_profile_uses_3des() {
        for profile in Profile::built_in() {
            assert!(!profile.bac || profile.sample, "{}", profile.name);
        }
        assert!(!Profile::by_name("national").expect("a profile").bac);
        assert!(!Profile::by_name("interop").expect("a profile").bac);
        assert!(Profile::by_name("bac-lab").expect("a profile").bac);
    }

    // proves: CARD-12, OPEN-15
    #[test]
    fn the_reserve_chip_is_another_type_with_its_own_keys() {
        let reserve = Profile::by_name("reserve-p384").expect("a profile");
        assert_ne!(reserve.chip, ChipType::PLANNED);
        assert_eq!((ChipType::PLANNED.name(), reserve.chip.name()), ("NE-0144".into(), "RS-0180".into()));
        assert_ne!(reserve.chip.pre_issuing, ChipType::PLANNED.pre_issuing);
        assert_eq!((reserve.curve, reserve.active_authentication), (Curve::P384, Hash::Sha384));
        assert_eq!(reserve.pace[0].curve, Curve::P384);
        assert!(!reserve.sample, "it goes to citizens when the planned chip cannot");
    }

    // The sample card differs from the citizen's card in nothing but what it says it does.
    #[test]
    fn interop_differs_from_national_in_what_its_head_says() {
        let national = Profile::parse(NATIONAL).expect("sound");
        let interop = Profile::parse(INTEROP).expect("sound");
        let as_national = Profile {
            name: national.name.clone(),
            sample: false,
            public_icao: Presence::None,
            fields: Placement::NATIONAL,
            chip_authentication: false,
            restricted_identification: false,
            read_certificate: Condition::Channel,
            use_certificate: Condition::Pin2InChannel,
            pace: interop.pace.iter().copied().filter(|p| p.mapping != Mapping::Integrated).collect(),
            ..interop
        };
        assert_eq!(as_national, national);
    }

    #[test]
    fn the_laboratory_profiles_differ_in_what_their_heads_say() {
        let interop = Profile::by_name("interop").expect("a profile").clone();
        let bac = Profile::by_name("bac-lab").expect("a profile").clone();
        assert_eq!(Profile { name: interop.name.clone(), bac: false, ..bac }, interop);
        let mldsa = Profile::by_name("mldsa-lab").expect("a profile").clone();
        assert_eq!(mldsa.document_signer, DocumentSigner::MlDsa65);
        let signer = interop.document_signer;
        assert_eq!(Profile { name: interop.name.clone(), document_signer: signer, ..mldsa }, interop);
    }

    // proves: CARD-30, CARD-31, CARD-34, CARD-35, CARD-36, CARD-42, OPEN-01, OPEN-02, OPEN-15
    #[test]
    fn a_profile_that_weakens_the_minimum_table_is_refused() {
        for (from, to) in [
            ("eid = \"contact\"", "eid = \"both\""),
            ("certificate = \"contact\"", "certificate = \"both\""),
            ("public-icao = \"none\"", "public-icao = \"both\""),
            ("public = \"access-number\"", "public = \"always\""),
            ("public = \"access-number\"", "public = \"channel\""),
            ("encrypted = \"field-right\"", "encrypted = \"access-number\""),
            ("certificate = \"channel\"", "certificate = \"always\""),
            ("certificate = \"pin2-in-channel\"", "certificate = \"pin2\""),
            ("spouse = 14", "spouse = 18"),
            ("pin1-digits = \"6\"", "pin1-digits = \"6-12\""),
            ("pin2-digits = \"8-12\"", "pin2-digits = \"6-12\""),
            ("tries = 3", "tries = 10"),
            ("curve = \"secp521r1\"", "curve = \"secp256r1\""),
            (PACE, "\"13 AES-128\""),
            (PACE, "\"18 AES-256, 15 AES-256\""),
            ("household-contact = \"always\"", "household-contact = \"never\""),
            ("contactless = \"access-number\"", "contactless = \"always\""),
            (PACE, "\"18 AES-256, 18 CAM-AES-256, 13 AES-128\""),
            (PACE, "\"18 CAM-AES-256, 18 AES-256\""),
            (PACE, "\"18 AES-256, 13 AES-128, 13 CAM-AES-128\""),
            (PACE, "\"18 AES-256, 9 AES-128\""),
            ("\"CAN, MRZ, PIN1\"", "\"CAN, MRZ\""),
            ("\"CAN, MRZ, PIN1\"", "\"MRZ, PIN1\""),
            ("\"CAN, MRZ, PIN1\"", "\"CAN, PIN1\""),
            ("\"CAN, MRZ, PIN1\"", "\"CAN, MRZ, PIN1, PUK\""),
            ("\"CAN, MRZ, PIN1\"", "\"CAN, MRZ, PIN1, CAN\""),
            ("public = \"off\"", "public = \"on\""),
            ("[chip-authentication]\npublic = \"off\"", "[chip-authentication]\npublic = \"on\""),
            ("[restricted-identification]\neid = \"off\"", "[restricted-identification]\neid = \"on\""),
            ("ecdsa-plain-SHA512", "ecdsa-plain-SHA256"),
            ("signer = \"secp521r1\"", "signer = \"ML-DSA-65\""),
            ("signer = \"secp521r1\"", "signer = \"secp384r1\""),
        ] {
            assert!(NATIONAL.contains(from), "{from}");
            let text = NATIONAL.replacen(from, to, 1);
            assert!(matches!(Profile::parse(&text), Err(ProfileError::Contradiction(_))), "{to}");
        }
    }

    #[test]
    fn malformed_profiles_are_refused_with_the_place() {
        assert_eq!(Profile::parse("name"), Err(ProfileError::Syntax(1)));
        assert_eq!(Profile::parse("\nname = \"a\\n\""), Err(ProfileError::Syntax(2)));
        assert_eq!(Profile::parse("name = \"a\""), Err(ProfileError::Missing("sample")));
        let unknown = format!("{NATIONAL}\ncolour = \"blue\"\n");
        assert_eq!(Profile::parse(&unknown), Err(ProfileError::Unknown("documents.colour".into())));
        let twice = format!("{NATIONAL}\nsigner = \"secp521r1\"\n");
        assert_eq!(Profile::parse(&twice), Err(ProfileError::Unknown("documents.signer".into())));
        let value = NATIONAL.replace("tries = 3", "tries = three");
        assert!(matches!(Profile::parse(&value), Err(ProfileError::Value { key: "pins.tries", .. })));
    }
}
