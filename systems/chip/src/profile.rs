//! Card profiles: what differs between kinds of cards, as data (`profiles/*.toml`), checked when it is read.
//!
//! A profile cannot weaken the minimum access table (CARD-42): one that tries is refused. Only a sample card
//! (`sample = true`) may use its certificate keys in the clear or carry the eMRTD application identifier.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use curve::Curve;
use eac::Cipher;
use eac::pace::Parameters;

use crate::access::{Condition, Interface};

/// The profiles built into the chip.
static BUILT_IN: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    [include_str!("../profiles/national.toml"), include_str!("../profiles/interop.toml")]
        .into_iter()
        .map(|text| Profile::parse(text).expect("built-in profiles are checked by a test"))
        .collect()
});

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
    /// Digits of PIN1.
    pub pin1_digits: RangeInclusive<usize>,
    /// Digits of PIN2.
    pub pin2_digits: RangeInclusive<usize>,
    /// Wrong entries that block a PIN.
    pub tries: u8,
    /// PACE parameters, preferred first.
    pub pace: Vec<Parameters>,
    /// The curve of all keys made on the chip.
    pub curve: Curve,
    /// The length of RSA keys made on the chip.
    pub rsa_bits: u16,
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
    #[error("contradiction: {0}")]
    Contradiction(&'static str),
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

    /// Reads and checks a profile.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        let mut values = Values::parse(text)?;
        let profile = Self {
            name: values.string("name")?,
            sample: values.choice("sample", &[("true", true), ("false", false)])?,
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
            pin1_digits: values.with("pins.pin1-digits", range)?,
            pin2_digits: values.with("pins.pin2-digits", range)?,
            tries: values.with("pins.tries", |v| v.parse().ok())?,
            pace: values.with("pace.parameters", |v| v.split(',').map(|p| parameters(p.trim())).collect())?,
            curve: values.with("keys.curve", Curve::from_name)?,
            rsa_bits: values.with("keys.rsa-bits", |v| v.parse().ok())?,
        };
        values.finish()?;
        profile.check()?;
        Ok(profile)
    }

    /// The applications and conditions that this profile must not weaken.
    fn check(&self) -> Result<(), ProfileError> {
        let rules = [
            // CARD-31, CARD-34.
            (self.eid == Presence::Contact, "the encrypted zone answers on contact only"),
            (self.certificate == Presence::Contact, "the certificate zone answers on contact only"),
            (self.household == Presence::Both, "the household zone answers on both interfaces"),
            (self.public_national == Presence::Both, "the public zone answers on both interfaces"),
            // OPEN-01.
            (
                self.sample || self.public_icao == Presence::None,
                "only a sample card carries the eMRTD application identifier",
            ),
            // CARD-42.
            (self.read_household_contact == Condition::Always, "the household zone is free on contact"),
            (
                matches!(self.read_household_contactless, Condition::Always | Condition::AccessNumber),
                "the household zone needs nothing, or the access number on contactless",
            ),
            (
                self.read_public == Condition::AccessNumber,
                "the public zone needs the access number or the MRZ",
            ),
            (
                self.read_encrypted == Condition::FieldRight,
                "the encrypted zone needs the right for each field",
            ),
            (
                self.sample || self.use_certificate == Condition::Pin2InChannel,
                "only a sample card uses its certificate keys outside a secure channel",
            ),
            (
                self.sample || self.read_certificate == Condition::Channel,
                "only a sample card shows its certificates outside a secure channel",
            ),
            // CARD-30, CARD-35, CARD-36.
            (self.pin1_digits == (6..=6), "PIN1 has exactly six digits"),
            (self.pin2_digits == (8..=12), "PIN2 has eight to twelve digits"),
            (self.tries == 3, "three wrong entries block a PIN"),
            // OPEN-15.
            (
                matches!(self.curve, Curve::P521 | Curve::P384),
                "keys are on P-521, or P-384 on the reserve chip",
            ),
            (self.rsa_bits >= 2048, "RSA keys have at least 2048 bits"),
            (
                self.pace.first().is_some_and(|p| p.curve.field_len() >= 48),
                "the preferred PACE parameters have at least 384 bits",
            ),
            (
                self.pace
                    .iter()
                    .enumerate()
                    .all(|(i, p)| self.pace[..i].iter().all(|other| other.protocol() != p.protocol())),
                "each PACE protocol has one set of domain parameters",
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(ProfileError::Contradiction(rule)),
            None => Ok(()),
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

const USE: &[(&str, Condition)] = &[("pin2", Condition::Pin2), ("pin2-in-channel", Condition::Pin2InChannel)];

/// `8-12`, or `6` for exactly six.
fn range(value: &str) -> Option<RangeInclusive<usize>> {
    let (from, to) = value.split_once('-').unwrap_or((value, value));
    let range = from.parse().ok()?..=to.parse().ok()?;
    (!range.is_empty()).then_some(range)
}

/// `18 AES-256`: number of the standardised domain parameters and cipher.
fn parameters(value: &str) -> Option<Parameters> {
    let (id, cipher) = value.split_once(' ')?;
    let cipher = match cipher {
        "AES-128" => Cipher::Aes128,
        "AES-192" => Cipher::Aes192,
        "AES-256" => Cipher::Aes256,
        _ => return None,
    };
    Some(Parameters::generic(Curve::from_parameter_id(id.parse().ok()?)?, cipher))
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

    #[test]
    fn both_built_in_profiles_are_sound() {
        let names: Vec<_> = Profile::built_in().iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["national", "interop"]);
        assert!(Profile::by_name("passport").is_none());
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
            read_certificate: Condition::Channel,
            use_certificate: Condition::Pin2InChannel,
            ..interop
        };
        assert_eq!(as_national, national);
    }

    // proves: CARD-30, CARD-31, CARD-34, CARD-35, CARD-36, CARD-42, OPEN-01, OPEN-15
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
            ("pin1-digits = \"6\"", "pin1-digits = \"6-12\""),
            ("pin2-digits = \"8-12\"", "pin2-digits = \"6-12\""),
            ("tries = 3", "tries = 10"),
            ("curve = \"secp521r1\"", "curve = \"secp256r1\""),
            ("\"18 AES-256, 13 AES-128\"", "\"13 AES-128\""),
            ("\"18 AES-256, 13 AES-128\"", "\"18 AES-256, 15 AES-256\""),
            ("household-contact = \"always\"", "household-contact = \"never\""),
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
        assert_eq!(Profile::parse(&unknown), Err(ProfileError::Unknown("keys.colour".into())));
        let twice = format!("{NATIONAL}\ncurve = \"secp521r1\"\n");
        assert_eq!(Profile::parse(&twice), Err(ProfileError::Unknown("keys.curve".into())));
        let value = NATIONAL.replace("tries = 3", "tries = three");
        assert!(matches!(Profile::parse(&value), Err(ProfileError::Value { key: "pins.tries", .. })));
    }
}
