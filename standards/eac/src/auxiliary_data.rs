//! Authenticated auxiliary data (TR-03110-3 §A.6.5, TR-03110-2 §3.6 and §4.4): questions that a terminal signs together with
//! its authentication and asks afterwards, one by one, and that a card answers with yes or no.
//!
//! ```text
//! 67 { 73 { 06 id, 53 reference value } ... }       in MSE:Set AT
//! 8C 20 80 00 { 06 id }  ->  9000 or 6300           VERIFY
//! ```

use apdu::Command;
use const_oid::ObjectIdentifier;
use tlv::{Reader, oid};

use crate::Error;
use crate::cvc::Rights;
use crate::error::Step;

/// Tag of the auxiliary data.
pub const AUXILIARY_DATA: u32 = 0x67;
const TEMPLATE: u32 = 0x73;
const OBJECT_IDENTIFIER: u32 = 0x06;
const VALUE: u32 = 0x53;
const MAX_TEMPLATES: usize = 8;

const MALFORMED: Error = Error::Malformed(Step::AuxiliaryData);

/// The questions of a terminal, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuxiliaryData(Vec<(ObjectIdentifier, Vec<u8>)>);

/// What a card compares the reference values with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Date of birth, YYYYMMDD in digits; unknown parts as the latest that is possible.
    pub date_of_birth: &'a [u8],
    /// Last day of the document, YYYYMMDD in digits; absent where it never ends.
    pub date_of_expiry: Option<&'a [u8]>,
    /// Code of the municipality, from the largest unit to the smallest.
    pub municipality: &'a [u8],
}

impl AuxiliaryData {
    /// No question.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Asks whether the holder was born on this day or before: `YYYYMMDD`.
    #[must_use]
    pub fn born_on_or_before(self, date: &str) -> Self {
        self.with(oid::AUXILIARY_DATE_OF_BIRTH, date.as_bytes())
    }

    /// Asks whether the document is valid on this day: `YYYYMMDD`.
    #[must_use]
    pub fn valid_on(self, date: &str) -> Self {
        self.with(oid::AUXILIARY_DATE_OF_EXPIRY, date.as_bytes())
    }

    /// Asks whether the municipality begins with this code.
    #[must_use]
    pub fn lives_in(self, municipality: &[u8]) -> Self {
        self.with(oid::AUXILIARY_MUNICIPALITY, municipality)
    }

    /// Another question.
    #[must_use]
    pub fn with(mut self, oid: ObjectIdentifier, value: &[u8]) -> Self {
        self.0.push((oid, value.to_vec()));
        self
    }

    /// Reads the data object 67.
    pub fn parse(input: &[u8]) -> Result<Self, Error> {
        let object = tlv::expect(input, AUXILIARY_DATA).map_err(|_| MALFORMED)?;
        let mut data = Self::default();
        for template in object.children() {
            let template = template.map_err(|_| MALFORMED)?;
            if template.tag != TEMPLATE || data.0.len() == MAX_TEMPLATES {
                return Err(MALFORMED);
            }
            let mut parts = template.children();
            let identifier = parts.expect(OBJECT_IDENTIFIER).map_err(|_| MALFORMED)?;
            let value = parts.expect(VALUE).map_err(|_| MALFORMED)?.value.to_vec();
            parts.finish().map_err(|_| MALFORMED)?;
            let oid = ObjectIdentifier::from_bytes(identifier.value).map_err(|_| MALFORMED)?;
            if data.value(oid).is_some() {
                return Err(MALFORMED);
            }
            data.0.push((oid, value));
        }
        Ok(data)
    }

    /// The data object 67; nothing where nothing is asked.
    pub fn encode(&self) -> Vec<u8> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let templates = self.0.iter().flat_map(|(oid, value)| {
            tlv::encode(TEMPLATE, &[tlv::encode_oid(*oid), tlv::encode(VALUE, value)].concat())
        });
        tlv::encode(AUXILIARY_DATA, &templates.collect::<Vec<u8>>())
    }

    /// Whether nothing is asked.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn value(&self, oid: ObjectIdentifier) -> Option<&[u8]> {
        self.0.iter().find(|(id, _)| *id == oid).map(|(_, value)| value.as_slice())
    }

    /// Answers the question `oid`. [`Error::NotFound`] if it was not asked, or its reference value is none.
    // TR-03110-2 §4.4: born on or before the reference date; not expired on it; municipality equal in its leading part.
    pub fn verify(&self, oid: ObjectIdentifier, facts: &Facts<'_>) -> Result<bool, Error> {
        let value = self.value(oid).ok_or(Error::NotFound(Step::AuxiliaryData))?;
        let date = || if is_date(value) { Ok(value) } else { Err(Error::NotFound(Step::AuxiliaryData)) };
        match oid {
            oid::AUXILIARY_DATE_OF_BIRTH => {
                date().map(|date| is_date(facts.date_of_birth) && facts.date_of_birth <= date)
            }
            oid::AUXILIARY_DATE_OF_EXPIRY => {
                date().map(|date| facts.date_of_expiry.is_none_or(|expiry| is_date(expiry) && expiry >= date))
            }
            oid::AUXILIARY_MUNICIPALITY if !value.is_empty() => Ok(facts.municipality.starts_with(value)),
            _ => Err(Error::NotFound(Step::AuxiliaryData)),
        }
    }
}

/// The right a terminal needs for a question; validity may be asked by every authenticated terminal.
// TR-03110-2 §3.2.
pub fn required_right(oid: ObjectIdentifier) -> Rights {
    match oid {
        oid::AUXILIARY_DATE_OF_BIRTH => Rights::AGE_VERIFICATION,
        oid::AUXILIARY_MUNICIPALITY => Rights::MUNICIPALITY_VERIFICATION,
        _ => Rights::NONE,
    }
}

/// VERIFY of auxiliary data, 80 20 80 00; under secure messaging the class byte becomes 8C.
// TR-03110-3 §B.11.9.
pub fn verify_command(oid: ObjectIdentifier) -> Command {
    Command::new(0x80, 0x20, 0x80, 0x00).with_data(tlv::encode_oid(oid))
}

/// Reads the data field of VERIFY: the question that is asked.
pub fn parse_verify(data: &[u8]) -> Result<ObjectIdentifier, Error> {
    let mut reader = Reader::new(data);
    let object = reader.expect(OBJECT_IDENTIFIER).map_err(|_| MALFORMED)?;
    reader.finish().map_err(|_| MALFORMED)?;
    ObjectIdentifier::from_bytes(object.value).map_err(|_| MALFORMED)
}

fn is_date(value: &[u8]) -> bool {
    value.len() == 8 && value.iter().all(u8::is_ascii_digit)
}
