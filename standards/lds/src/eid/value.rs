//! What stands in a data group, and its encoding.
//!
//! ```text
//! 61 13 document type     62 13 issuing state     63 12 CCYYMMDD, empty if unlimited   64 0C given names
//! 65 0C family names      68 12 CCYYMMDD          69 A1 0C place of birth              6A 13 nationality
//! 6B 13 M or F
//! 6C 31 { 30 { 06 type of the access number, 12 digits } }
//! 6E 6F 70   30 { 06 type of the name, 0C name, 04 CNS 11643 codes }        national
//! 67 6D      0C text                                                       sample card: sex, access number
//! 72         04 name in UTF-8       73 74   A1 0C name                      sample card: names
//! ```

use const_oid::ObjectIdentifier;
use tlv::oid;

use super::field::{Field, Placement};
use crate::{Date, Error};

/// The sex as the register has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    /// 男
    Male,
    /// 女
    Female,
}

/// A person's name: its characters, and the CNS 11643 code (plane, row, column) of each where there is one (CARD-55).
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct PersonName {
    /// The characters.
    pub text: String,
    /// A code per character; empty where the data group has no room for them.
    pub cns: Vec<Option<[u8; 3]>>,
}

/// The content of one data group.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Document type, issuing state, nationality, given or family names, birthplace, access number.
    Text(String),
    /// Spouse, father, mother. `None`: the register has none; the field is there and empty.
    Name(Option<PersonName>),
    /// Date of birth or of expiry. `None`: unlimited.
    Date(Option<Date>),
    /// Sex.
    Sex(Sex),
}

const UTF8: u32 = 0x0C;
const NUMERIC: u32 = 0x12;
const PRINTABLE: u32 = 0x13;
const OCTETS: u32 = 0x04;
const OID: u32 = 0x06;
/// freetextPlace of GeneralPlace; uncompressed of Text.
const CONTEXT_1: u32 = 0xA1;

impl Value {
    /// The file of data group `group` with this content.
    pub(super) fn encode(&self, placement: &Placement, group: u8) -> Result<Vec<u8>, Error> {
        let field = placement.field(group);
        let body = match (group, field, self) {
            (1 | 2 | 10, None, Self::Text(text)) => {
                if text.is_empty() || !text.bytes().all(|b| b.is_ascii_uppercase()) {
                    return Err(Error::Unwritable("code"));
                }
                tlv::encode(PRINTABLE, text.as_bytes())
            }
            (3 | 8, None, Self::Date(date)) => {
                tlv::encode(NUMERIC, date.map(Date::compact).unwrap_or_default().as_bytes())
            }
            (4 | 5, None, Self::Text(text)) => tlv::encode(UTF8, text.as_bytes()),
            (9, Some(Field::Birthplace), Self::Text(text)) => {
                tlv::encode(CONTEXT_1, &tlv::encode(UTF8, text.as_bytes()))
            }
            (_, Some(Field::Sex), Self::Sex(sex)) => {
                let tag = if placement.is_national() { PRINTABLE } else { UTF8 };
                tlv::encode(tag, sex.letter().as_bytes())
            }
            (_, Some(Field::AccessNumber), Self::Text(digits)) => {
                if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(Error::Unwritable("access number"));
                }
                if placement.is_national() {
                    let typed =
                        [tlv::encode_oid(oid::FIELD_ACCESS_NUMBER), tlv::encode(NUMERIC, digits.as_bytes())];
                    tlv::encode(0x31, &tlv::encode(0x30, &typed.concat()))
                } else {
                    tlv::encode(UTF8, digits.as_bytes())
                }
            }
            (_, Some(field @ (Field::Spouse | Field::Father | Field::Mother)), Self::Name(name)) => {
                let name = name.clone().unwrap_or_default();
                if !name.cns.is_empty() && name.cns.len() != name.text.chars().count() {
                    return Err(Error::Unwritable("CNS 11643 codes"));
                }
                match group {
                    _ if placement.is_national() => {
                        let codes: Vec<u8> =
                            name.cns.iter().flat_map(|code| code.unwrap_or_default()).collect();
                        tlv::sequence(&[
                            &tlv::encode_oid(type_of(field)),
                            &tlv::encode(UTF8, name.text.as_bytes()),
                            &tlv::encode(OCTETS, &codes),
                        ])
                    }
                    18 => tlv::encode(OCTETS, name.text.as_bytes()),
                    _ => tlv::encode(CONTEXT_1, &tlv::encode(UTF8, name.text.as_bytes())),
                }
            }
            _ => return Err(Error::Unwritable("data group")),
        };
        Ok(tlv::encode(tag_of(group), &body))
    }

    /// Reads the file of data group `group`.
    pub fn decode(placement: &Placement, group: u8, file: &[u8]) -> Result<Self, Error> {
        let name = name_of(group);
        let tlv_error = Error::tlv(name);
        let malformed = |what| Error::Malformed { file: name, what };
        let body = tlv::expect(file, tag_of(group)).map_err(tlv_error)?;
        let mut reader = body.children();
        let text =
            |value: &[u8]| std::str::from_utf8(value).map(str::to_owned).map_err(|_| malformed("the text"));
        let value = match (group, placement.field(group)) {
            (1 | 2 | 10, None) => Self::Text(text(reader.expect(PRINTABLE).map_err(tlv_error)?.value)?),
            (3 | 8, None) => match reader.expect(NUMERIC).map_err(tlv_error)?.value {
                [] => Self::Date(None),
                digits => Self::Date(Some(Date::from_compact(digits).ok_or(malformed("the date"))?)),
            },
            (4 | 5, None) => Self::Text(text(reader.expect(UTF8).map_err(tlv_error)?.value)?),
            (_, Some(Field::Birthplace)) => {
                let place = reader.expect(CONTEXT_1).map_err(tlv_error)?;
                Self::Text(text(tlv::expect(place.value, UTF8).map_err(tlv_error)?.value)?)
            }
            (_, Some(Field::Sex)) => {
                let tag = if placement.is_national() { PRINTABLE } else { UTF8 };
                match reader.expect(tag).map_err(tlv_error)?.value {
                    b"M" => Self::Sex(Sex::Male),
                    b"F" => Self::Sex(Sex::Female),
                    _ => return Err(malformed("the sex")),
                }
            }
            (_, Some(Field::AccessNumber)) if placement.is_national() => {
                let set = reader.expect(0x31).map_err(tlv_error)?;
                let mut data = tlv::expect(set.value, 0x30).map_err(tlv_error)?.children();
                expect_type(data.expect(OID).map_err(tlv_error)?.value, oid::FIELD_ACCESS_NUMBER)
                    .ok_or(malformed("the type"))?;
                let digits = text(data.expect(NUMERIC).map_err(tlv_error)?.value)?;
                data.finish().map_err(tlv_error)?;
                Self::Text(digits)
            }
            (_, Some(Field::AccessNumber)) => {
                Self::Text(text(reader.expect(UTF8).map_err(tlv_error)?.value)?)
            }
            (_, Some(field)) if placement.is_national() => {
                let mut data = reader.expect(0x30).map_err(tlv_error)?.children();
                expect_type(data.expect(OID).map_err(tlv_error)?.value, type_of(field))
                    .ok_or(malformed("the type"))?;
                let text = text(data.expect(UTF8).map_err(tlv_error)?.value)?;
                let (codes, []) = data.expect(OCTETS).map_err(tlv_error)?.value.as_chunks::<3>() else {
                    return Err(malformed("the CNS 11643 codes"));
                };
                data.finish().map_err(tlv_error)?;
                let cns: Vec<_> =
                    codes.iter().map(|code| Some(*code).filter(|code| *code != [0; 3])).collect();
                if !cns.is_empty() && cns.len() != text.chars().count() {
                    return Err(malformed("the CNS 11643 codes"));
                }
                Self::Name(Some(PersonName { text, cns }).filter(|name| !name.text.is_empty()))
            }
            (18, Some(_)) => Self::name(text(reader.expect(OCTETS).map_err(tlv_error)?.value)?),
            (_, Some(_)) => {
                let wrapped = reader.expect(CONTEXT_1).map_err(tlv_error)?;
                Self::name(text(tlv::expect(wrapped.value, UTF8).map_err(tlv_error)?.value)?)
            }
            _ => return Err(malformed("the data group")),
        };
        reader.finish().map_err(tlv_error)?;
        Ok(value)
    }

    /// What people read.
    pub fn display(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Name(name) => name.as_ref().map(|name| name.text.clone()).unwrap_or_default(),
            Self::Date(date) => date.map(Date::iso).unwrap_or_default(),
            Self::Sex(sex) => sex.letter().to_owned(),
        }
    }

    fn name(text: String) -> Self {
        Self::Name(Some(PersonName { text, cns: Vec::new() }).filter(|name| !name.text.is_empty()))
    }
}

impl Sex {
    /// `M` or `F`.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Male => "M",
            Self::Female => "F",
        }
    }
}

// TR-03110-4 Appendix C: data group n is [APPLICATION n], constructed.
const fn tag_of(group: u8) -> u32 {
    0x60 + group as u32
}

const fn type_of(field: Field) -> ObjectIdentifier {
    match field {
        Field::Spouse => oid::FIELD_SPOUSE,
        Field::Father => oid::FIELD_FATHER,
        _ => oid::FIELD_MOTHER,
    }
}

fn expect_type(found: &[u8], expected: ObjectIdentifier) -> Option<()> {
    (found == expected.as_bytes()).then_some(())
}

const fn name_of(group: u8) -> &'static str {
    const NAMES: [&str; 23] = [
        "eID file", "eID DG1", "eID DG2", "eID DG3", "eID DG4", "eID DG5", "eID DG6", "eID DG7", "eID DG8",
        "eID DG9", "eID DG10", "eID DG11", "eID DG12", "eID DG13", "eID DG14", "eID DG15", "eID DG16",
        "eID DG17", "eID DG18", "eID DG19", "eID DG20", "eID DG21", "eID DG22",
    ];
    if group as usize >= NAMES.len() { NAMES[0] } else { NAMES[group as usize] }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Value(***)")
    }
}

impl std::fmt::Debug for PersonName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonName(***)")
    }
}

impl std::fmt::Debug for Sex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sex(***)")
    }
}
