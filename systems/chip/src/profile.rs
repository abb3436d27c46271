//! Card profiles: what differs between kinds of cards, as data (`profiles/*.toml`), checked when it is read.
//!
//! A profile cannot weaken the minimum access table (CARD-42), and its lines must not contradict each other: one that does is
//! refused with the rule it breaks. Only a sample card (`sample = true`) may use its certificate keys in the clear, carry the
//! eMRTD application identifier, show its household zone to anybody who passes, speak Basic Access Control, prove itself by
//! Chip Authentication of passports, or have an identifier for each sector.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{LazyLock, Mutex, PoisonError};

use curve::{Curve, Hash};
use eac::pace::{Mapping, Parameters};
use eac::restricted_identification;
use eac::security_infos::{SecurityInfo, encode_set_in_order};
use eac::{Cipher, PasswordReference};
use lds::eid::{Field, Placement};

use crate::access::{Condition, Interface};
use crate::commands::{RESTRICTED_HASH, RESTRICTED_KEY_ID};
use crate::profile_rules::{OWN_RULES, PLACEMENT, RULES, Rule, TOO_LONG, TOO_MANY};

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
    /// Reading each of the six certificates: those of the four keys, root, intermediate (CARD-38).
    pub read_certificates: [Condition; 6],
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

/// One thing that is wrong with a text that wants to be a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The stable code, as docs/card-profiles.md lists it.
    pub code: &'static str,
    /// What is wrong, in Traditional Chinese.
    pub zh: String,
    /// What is wrong, in English.
    pub en: String,
    /// The keys it is about, with their lines.
    pub places: Vec<Place>,
}

/// A key of a profile, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The key with its section; empty where the line is none.
    pub key: String,
    /// Its line, from 1; none where the key is missing.
    pub line: Option<usize>,
}

impl Finding {
    fn of(rule: &Rule, values: &Values) -> Self {
        let places = rule.keys.iter().map(|key| values.place(key)).collect();
        Self { code: rule.code, zh: rule.zh.to_owned(), en: rule.en.to_owned(), places }
    }
}

impl ProfileError {
    fn finding(&self, values: &Values) -> Finding {
        let places = match self {
            Self::Syntax(line) => vec![Place { key: String::new(), line: Some(*line) }],
            // Of a key that stands twice, the second time is one too many.
            Self::Unknown(key) => match values.repeated.get(key) {
                Some(line) => vec![Place { key: key.clone(), line: Some(*line) }],
                None => vec![values.place(key)],
            },
            Self::Missing(key) | Self::Value { key, .. } => vec![values.place(key)],
            Self::Contradiction(rule) => return Finding::of(rule, values),
        };
        Finding { code: self.code(), zh: self.zh(), en: self.to_string(), places }
    }
}

/// Most profiles of somebody's own that one program keeps at a time.
pub const MAX_OWN: usize = 64;
/// Longest text of such a profile, in bytes.
pub const MAX_OWN_TEXT: usize = 16 * 1024;

// What cards of this program's time were made with; a profile is a few hundred bytes and never changes.
static OWN: Mutex<Vec<&'static Profile>> = Mutex::new(Vec::new());

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

    /// Reads a profile and says every rule that it breaks. A text whose form is wrong is an error, and so are fields in data groups
    /// where no reader knows them.
    pub fn inspect(text: &str) -> Result<(Self, Vec<&'static Rule>), ProfileError> {
        let mut values = Values::parse(text);
        match Self::read(&mut values) {
            Some(profile) if values.wrong.is_empty() => {
                let broken = profile.broken();
                Ok((profile, broken))
            }
            // Without a profile something is wrong; the first that was found.
            _ => Err(values.wrong.into_iter().next().unwrap_or(ProfileError::Missing("name"))),
        }
    }

    /// Reads a profile for whoever writes one: everything that is wrong with its form, or every rule that it breaks, each with the
    /// lines it is about.
    pub fn examine(text: &str) -> Result<Self, Vec<Finding>> {
        Self::examine_for(text, &[])
    }

    /// Reads a profile of somebody's own, of which a sample card may be made: one that keeps the rules, is for a sample card and
    /// for a type of chip that there is, and does not take the name of a profile that is built in. A program keeps at most
    /// [`MAX_OWN`] of them; beyond, and for a text that is too long, the answer is the finding that says so.
    pub fn own(text: &str) -> Result<&'static Self, Vec<Finding>> {
        if text.len() > MAX_OWN_TEXT {
            return Err(vec![Finding::of(&TOO_LONG, &Values::default())]);
        }
        let profile = Self::examine_for(text, OWN_RULES)?;
        let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = own.iter().copied().find(|known| **known == profile) {
            return Ok(known);
        }
        if own.len() >= MAX_OWN {
            return Err(vec![Finding::of(&TOO_MANY, &Values::default())]);
        }
        let kept: &'static Self = Box::leak(Box::new(profile));
        own.push(kept);
        Ok(kept)
    }

    /// What INITIALISE and a chip's memory call a profile: the name of one that is built in, or the text of somebody's own.
    pub fn given(text: &str) -> Option<&'static Self> {
        if text.contains('\n') { Self::own(text).ok() } else { Self::by_name(text) }
    }

    /// The text of a profile as a chip keeps it: without comments and empty lines.
    pub fn without_comments(text: &str) -> String {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    fn examine_for(text: &str, more: &'static [Rule]) -> Result<Self, Vec<Finding>> {
        let mut values = Values::parse(text);
        let profile = Self::read(&mut values);
        let mut findings: Vec<Finding> = values.wrong.iter().map(|error| error.finding(&values)).collect();
        if let (Some(profile), true) = (profile, findings.is_empty()) {
            let broken = RULES.iter().chain(more).filter(|rule| !rule.holds(&profile));
            findings.extend(broken.map(|rule| Finding::of(rule, &values)));
            if findings.is_empty() {
                return Ok(profile);
            }
        }
        Err(findings)
    }

    // Every line is looked at before the first mistake ends the reading.
    fn read(values: &mut Values) -> Option<Self> {
        let name = values.string("name");
        let sample = values.choice("sample", &[("true", true), ("false", false)]);
        let fabricator = values.with("chip.fabricator", word);
        let ic_type = values.with("chip.type", word);
        let operating_system = values.with("chip.operating-system", word);
        let pre_issuing = values.with("chip.pre-issuing", |v| v.as_bytes().try_into().ok());
        let household = values.choice("applications.household", PRESENCE);
        let public_national = values.choice("applications.public-national", PRESENCE);
        let public_icao = values.choice("applications.public-icao", PRESENCE);
        let eid = values.choice("applications.eid", PRESENCE);
        let certificate = values.choice("applications.certificate", PRESENCE);
        let read_household_contact = values.choice("read.household-contact", READ);
        let read_household_contactless = values.choice("read.household-contactless", READ);
        let read_public = values.choice("read.public", READ);
        let read_encrypted = values.choice("read.encrypted", READ);
        let read_certificate = values.choice("read.certificate", READ);
        let read_certificates = certificate_rights(values, read_certificate);
        let use_certificate = values.choice("use.certificate", USE);
        let fields = placement(values);
        let pin1_digits = values.with("pins.pin1-digits", range);
        let pin2_digits = values.with("pins.pin2-digits", range);
        let tries = values.with("pins.tries", |v| v.parse().ok());
        let pace = values.with("pace.parameters", |v| v.split(',').map(|p| parameters(p.trim())).collect());
        let passwords = values.with("pace.passwords", |v| v.split(',').map(|w| password(w.trim())).collect());
        let bac = values.choice("bac.public", SWITCH);
        let chip_authentication = values.choice("chip-authentication.public", SWITCH);
        let restricted_identification = values.choice("restricted-identification.eid", SWITCH);
        let curve = values.with("keys.curve", Curve::from_name);
        let rsa_bits = values.with("keys.rsa-bits", |v| v.parse().ok());
        let active_authentication = values.choice("keys.active-authentication", AA_HASHES);
        let document_signer = values.with("documents.signer", document_signer);
        values.finish();
        Some(Self {
            name: name?,
            sample: sample?,
            chip: ChipType {
                fabricator: fabricator?,
                ic_type: ic_type?,
                operating_system: operating_system?,
                pre_issuing: pre_issuing?,
            },
            household: household?,
            public_national: public_national?,
            public_icao: public_icao?,
            eid: eid?,
            certificate: certificate?,
            read_household_contact: read_household_contact?,
            read_household_contactless: read_household_contactless?,
            read_public: read_public?,
            read_encrypted: read_encrypted?,
            read_certificate: read_certificate?,
            read_certificates: read_certificates?,
            use_certificate: use_certificate?,
            fields: fields?,
            pin1_digits: pin1_digits?,
            pin2_digits: pin2_digits?,
            tries: tries?,
            pace: pace?,
            passwords: passwords?,
            bac: bac?,
            chip_authentication: chip_authentication?,
            restricted_identification: restricted_identification?,
            curve: curve?,
            rsa_bits: rsa_bits?,
            active_authentication: active_authentication?,
            document_signer: document_signer?,
        })
    }

    /// The rules that the profile breaks.
    fn broken(&self) -> Vec<&'static Rule> {
        RULES.iter().filter(|rule| !rule.holds(self)).collect()
    }

    /// The condition for reading the certificate in `slot`: 1 to 4 those of the keys, 5 root, 6 intermediate.
    pub const fn read_certificate_in(&self, slot: u8) -> Condition {
        match slot {
            1..=6 => self.read_certificates[slot as usize - 1],
            _ => Condition::Never,
        }
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

const READ_ONE: &[(&str, Condition)] = &[
    ("always", Condition::Always),
    ("channel", Condition::Channel),
    ("pin2", Condition::Pin2),
    ("pin2-in-channel", Condition::Pin2InChannel),
];

/// The keys of the six certificates, in the order of their slots.
const CERTIFICATE_KEYS: [&str; 6] = [
    "certificates.signing-rsa",
    "certificates.encryption-rsa",
    "certificates.signing-ec",
    "certificates.encryption-ec",
    "certificates.root",
    "certificates.intermediate",
];

const SWITCH: &[(&str, bool)] = &[("on", true), ("off", false)];

const USE: &[(&str, Condition)] = &[("pin2", Condition::Pin2), ("pin2-in-channel", Condition::Pin2InChannel)];

/// The data group of each field, which together must be a placement that readers know.
fn placement(values: &mut Values) -> Option<Placement> {
    let mut possible = Some(Placement::ALL.to_vec());
    for (key, field) in [
        ("fields.spouse", Field::Spouse),
        ("fields.father", Field::Father),
        ("fields.mother", Field::Mother),
        ("fields.birthplace", Field::Birthplace),
        ("fields.sex", Field::Sex),
        ("fields.access-number", Field::AccessNumber),
    ] {
        let group: Option<u8> = values.with(key, |v| v.parse().ok());
        possible = possible.zip(group).map(|(mut possible, group)| {
            possible.retain(|placement| placement.group(field) == group);
            possible
        });
    }
    let possible = possible?;
    if possible.is_empty() {
        values.wrong.push(ProfileError::Contradiction(&PLACEMENT));
    }
    possible.first().copied()
}

/// The right to read each certificate; where the profile does not say one, that of the zone.
fn certificate_rights(values: &mut Values, zone: Option<Condition>) -> Option<[Condition; 6]> {
    let rights = CERTIFICATE_KEYS.map(|key| match values.lines.contains_key(key) {
        true => values.choice(key, READ_ONE),
        false => zone,
    });
    rights.into_iter().collect::<Option<Vec<_>>>()?.try_into().ok()
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

/// The `key = value` pairs of a text, with their sections, and what is wrong with it. The format is the part of TOML that profiles
/// need: comments, sections, strings without escapes, numbers and booleans.
#[derive(Default)]
struct Values {
    values: BTreeMap<String, String>,
    /// The line of each key.
    lines: BTreeMap<String, usize>,
    /// The line on which a key stands once more.
    repeated: BTreeMap<String, usize>,
    wrong: Vec<ProfileError>,
}

impl Values {
    fn parse(text: &str) -> Self {
        let (mut found, mut section) = (Self::default(), String::new());
        for (i, line) in text.lines().enumerate() {
            let (line, number) = (line.trim(), i + 1);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = format!("{name}.");
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                found.wrong.push(ProfileError::Syntax(number));
                continue;
            };
            let key = format!("{section}{}", key.trim());
            let value = value.trim();
            let value = match value.strip_prefix('"') {
                Some(rest) => rest.strip_suffix('"').filter(|v| !v.contains(['"', '\\'])),
                None => Some(value),
            };
            let Some(value) = value else {
                found.wrong.push(ProfileError::Syntax(number));
                // It is there, if not as it should be: it is not missing as well.
                found.lines.insert(key, number);
                continue;
            };
            if found.lines.contains_key(&key) {
                found.repeated.insert(key.clone(), number);
                found.wrong.push(ProfileError::Unknown(key));
                continue;
            }
            found.lines.insert(key.clone(), number);
            found.values.insert(key, value.to_owned());
        }
        found
    }

    fn string(&mut self, key: &'static str) -> Option<String> {
        let value = self.values.remove(key);
        if value.is_none() && !self.lines.contains_key(key) {
            self.wrong.push(ProfileError::Missing(key));
        }
        value
    }

    fn with<T>(&mut self, key: &'static str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.string(key)?;
        let read = read(&value);
        if read.is_none() {
            self.wrong.push(ProfileError::Value { key, value });
        }
        read
    }

    fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        self.with(key, |v| choices.iter().find(|(name, _)| *name == v).map(|(_, value)| *value))
    }

    fn finish(&mut self) {
        let unknown = std::mem::take(&mut self.values).into_keys().map(ProfileError::Unknown);
        self.wrong.extend(unknown);
    }

    fn place(&self, key: &str) -> Place {
        Place { key: key.to_owned(), line: self.lines.get(key).copied() }
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
            read_certificates: [Condition::Channel; 6],
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
    fn everything_wrong_is_said_at_once_with_its_line() {
        let at = |text: &str, what: &str| text.lines().position(|line| line.contains(what)).map(|n| n + 1);
        assert_eq!(Profile::examine(NATIONAL).as_ref(), Ok(Profile::by_name("national").expect("a profile")));
        // Form: a line that is none, a value that is none, a key too many, one twice, one gone.
        let text = NATIONAL
            .replace("tries = 3", "tries = three\ntries = 3\ncolour = 1\nnonsense")
            .replace("rsa-bits = 2048\n", "");
        let found = Profile::examine(&text).expect_err("five mistakes");
        let told: Vec<_> =
            found.iter().map(|f| (f.code, f.places[0].key.as_str(), f.places[0].line)).collect();
        let tries = at(&text, "tries = three");
        let line = |more: usize| tries.map(|line| line + more);
        assert_eq!(
            told,
            [
                ("PROFILE-UNKNOWN-KEY", "pins.tries", line(1)),
                ("PROFILE-SYNTAX", "", line(3)),
                ("PROFILE-VALUE", "pins.tries", tries),
                ("PROFILE-MISSING-KEY", "keys.rsa-bits", None),
                ("PROFILE-UNKNOWN-KEY", "pins.colour", line(2)),
            ]
        );
        // Contradictions: both lines of one that is about two.
        let text = NATIONAL
            .replace("public-icao = \"none\"", "public-icao = \"both\"")
            .replace("tries = 3", "tries = 9");
        let found = Profile::examine(&text).expect_err("two contradictions");
        assert_eq!(
            found.iter().map(|f| f.code).collect::<Vec<_>>(),
            ["PROFILE-SAMPLE-ICAO", "PROFILE-TRIES"]
        );
        let places: Vec<_> = found[0].places.iter().map(|place| (place.key.as_str(), place.line)).collect();
        assert_eq!(
            places,
            [("applications.public-icao", at(&text, "public-icao")), ("sample", at(&text, "sample = false"))]
        );
        let nowhere = NATIONAL.replace("spouse = 14", "spouse = 18");
        let found = Profile::examine(&nowhere).expect_err("nobody knows them");
        assert_eq!((found.len(), found[0].code, found[0].places.len()), (1, "PROFILE-FIELDS", 6));
    }

    // Every key that a rule names is one that profiles have: a rule about nothing could not be found.
    #[test]
    fn rules_name_keys_that_there_are() {
        let values = Values::parse(NATIONAL);
        for rule in RULES.iter().chain(OWN_RULES).chain([&PLACEMENT]) {
            assert!(!rule.keys.is_empty(), "{}", rule.code);
            for key in rule.keys {
                // A certificate that is not named has the right of its zone.
                let known = values.lines.contains_key(*key) || CERTIFICATE_KEYS.contains(key);
                assert!(known, "{}: {key}", rule.code);
            }
        }
    }

    #[test]
    fn a_profile_of_ones_own_is_for_samples_and_has_its_own_name() {
        let own = INTEROP.replace("name = \"interop\"", "name = \"mine\"").replace("13 AES-128, ", "");
        let profile = Profile::own(&own).expect("sound");
        assert_eq!((profile.name.as_str(), profile.pace.len()), ("mine", 4));
        // As a chip keeps it: the same profile, the very same object.
        let kept = Profile::without_comments(&own);
        assert!(!kept.contains('#') && kept.len() < 1_500, "{kept}");
        assert!(std::ptr::eq(Profile::given(&kept).expect("sound"), profile));
        assert_eq!(Profile::given("interop"), Profile::by_name("interop"));
        assert!(Profile::given("mine").is_none(), "a name alone says nothing of it");
        for (text, code) in [
            (INTEROP.to_owned(), "PROFILE-OWN-NAME"),
            (NATIONAL.replace("name = \"national\"", "name = \"mine\""), "PROFILE-OWN-SAMPLE"),
            (own.replace("type = \"0144\"", "type = \"0199\""), "PROFILE-OWN-CHIP"),
            (own.replace("tries = 3", "tries = 4"), "PROFILE-TRIES"),
            (format!("{own}\n#{}", " ".repeat(MAX_OWN_TEXT)), "PROFILE-OWN-LONG"),
        ] {
            let found = Profile::own(&text).expect_err(code);
            assert_eq!(found.iter().map(|finding| finding.code).collect::<Vec<_>>(), [code]);
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
