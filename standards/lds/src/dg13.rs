//! DG13 (ICAO 9303-10 §4.7.13): optional details at the discretion of the issuer. Here stand the fields of the Public Zone that
//! no other data group can hold. The schema is ours; docs/public-zone.md section 2 describes it for other implementers.
//!
//! ```text
//! 6D
//!   80 version (1 byte, 01)
//!   81 registered romanised name (UTF-8, empty if none)      82 foreign name (UTF-8, empty if none)
//!   83 CNS 11643 codes, three bytes per character of the Chinese name (plane, row, column; 000000 where there is none)
//!   84 name in Latin letters from which the machine readable zone was made (UTF-8)
//!   A5 marital status: term                                  A6 military service category: term
//!   A7 date of birth: day          A8 date of issue: day     A9 date of renewal: day, empty if none
//!   8A village code (11 digits)                              8B neighbourhood (2 bytes)
//!   term = 80 code (ASCII), 81 Chinese (UTF-8), 82 English (ASCII)
//!   day  = 80 Gregorian CCYYMMDD (8 digits), 81 calendar of the Republic (UTF-8); or empty and 無
//! ```

use crate::{DataGroup, Date, Error};

/// A value of a closed set in both languages (CARD-18), so that a reader can show it without knowing the set.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Term {
    /// The stable code: `married`.
    pub code: String,
    /// In Chinese: 有.
    pub zh: String,
    /// In English: Married.
    pub en: String,
}

impl Term {
    /// A term of three texts.
    pub fn new(code: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code: code.into(), zh: zh.into(), en: en.into() }
    }
}

impl std::fmt::Debug for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Term(***)")
    }
}

/// The content of DG13.
#[derive(Clone, PartialEq, Eq)]
pub struct OptionalDetails {
    /// The registered romanised name.
    pub romanised: Option<String>,
    /// The foreign name.
    pub foreign: Option<String>,
    /// The CNS 11643 code (plane, row, column) of each character of the Chinese name.
    pub cns: Vec<Option<[u8; 3]>>,
    /// The whole name from which the machine readable zone was made.
    pub mrz_name: String,
    /// The marital status.
    pub marital_status: Term,
    /// The military service category.
    pub military_service: Term,
    /// The date of birth.
    pub birth: Date,
    /// The date of issue.
    pub issue: Date,
    /// The date of renewal; `None` from 65 years on: the field is present and empty (OPEN-09).
    pub renewal: Option<Date>,
    /// The code of the village of the registered address.
    pub village_code: String,
    /// The number of the neighbourhood.
    pub neighbourhood: u16,
}

const FILE: &str = "DG13";
const VERSION: u8 = 1;

impl OptionalDetails {
    /// Encodes the file.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        if self.romanised.as_deref() == Some("") || self.foreign.as_deref() == Some("") {
            return Err(Error::Unwritable("name that is present and empty"));
        }
        if self.cns.contains(&Some([0; 3])) {
            return Err(Error::Unwritable("CNS 11643 code of zeros"));
        }
        let text = |value: &Option<String>| value.clone().unwrap_or_default().into_bytes();
        let codes: Vec<u8> = self.cns.iter().flat_map(|code| code.unwrap_or_default()).collect();
        let term = |term: &Term| {
            [(0x80, &term.code), (0x81, &term.zh), (0x82, &term.en)]
                .map(|(tag, t)| tlv::encode(tag, t.as_bytes()))
                .concat()
        };
        let day = |date: Option<Date>| {
            let (digits, roc) =
                date.map_or((String::new(), "無".to_owned()), |date| (date.compact(), date.roc()));
            [tlv::encode(0x80, digits.as_bytes()), tlv::encode(0x81, roc.as_bytes())].concat()
        };
        let body = [
            tlv::encode(0x80, &[VERSION]),
            tlv::encode(0x81, &text(&self.romanised)),
            tlv::encode(0x82, &text(&self.foreign)),
            tlv::encode(0x83, &codes),
            tlv::encode(0x84, self.mrz_name.as_bytes()),
            tlv::encode(0xA5, &term(&self.marital_status)),
            tlv::encode(0xA6, &term(&self.military_service)),
            tlv::encode(0xA7, &day(Some(self.birth))),
            tlv::encode(0xA8, &day(Some(self.issue))),
            tlv::encode(0xA9, &day(self.renewal)),
            tlv::encode(0x8A, self.village_code.as_bytes()),
            tlv::encode(0x8B, &self.neighbourhood.to_be_bytes()),
        ];
        Ok(DataGroup::Dg13.wrap(&body.concat()))
    }

    /// Reads the file. Objects that follow the known ones are passed over, so that later versions can add some.
    pub fn decode(file: &[u8]) -> Result<Self, Error> {
        let mut reader = tlv::Reader::new(DataGroup::Dg13.unwrap(file)?);
        let mut next = |tag: u32| reader.expect(tag).map_err(Error::tlv(FILE));
        match next(0x80)?.value {
            [VERSION] => {}
            [version] => return Err(Error::Version { file: FILE, version: u64::from(*version) }),
            _ => return Err(malformed("the version")),
        }
        let romanised = Some(text(next(0x81)?, "a name")?).filter(|name| !name.is_empty());
        let foreign = Some(text(next(0x82)?, "a name")?).filter(|name| !name.is_empty());
        let (codes, []) = next(0x83)?.value.as_chunks::<3>() else {
            return Err(malformed("the CNS 11643 codes"));
        };
        let cns = codes.iter().map(|code| Some(*code).filter(|code| *code != [0; 3])).collect();
        let mrz_name = text(next(0x84)?, "a name")?;
        let marital_status = term(next(0xA5)?)?;
        let military_service = term(next(0xA6)?)?;
        let birth = day(next(0xA7)?)?.ok_or(malformed("a date"))?;
        let issue = day(next(0xA8)?)?.ok_or(malformed("a date"))?;
        let renewal = day(next(0xA9)?)?;
        let village_code = text(next(0x8A)?, "the village code")?;
        let neighbourhood = next(0x8B)?.value.try_into().map(u16::from_be_bytes);
        let neighbourhood = neighbourhood.map_err(|_| malformed("the neighbourhood"))?;
        Ok(Self {
            romanised,
            foreign,
            cns,
            mrz_name,
            marital_status,
            military_service,
            birth,
            issue,
            renewal,
            village_code,
            neighbourhood,
        })
    }
}

impl std::fmt::Debug for OptionalDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OptionalDetails(***)")
    }
}

const fn malformed(what: &'static str) -> Error {
    Error::Malformed { file: FILE, what }
}

fn text(object: tlv::Tlv<'_>, what: &'static str) -> Result<String, Error> {
    std::str::from_utf8(object.value).map(str::to_owned).map_err(|_| malformed(what))
}

fn term(object: tlv::Tlv<'_>) -> Result<Term, Error> {
    let mut reader = object.children();
    let mut next = |tag: u32| text(reader.expect(tag).map_err(Error::tlv(FILE))?, "a term");
    Ok(Term { code: next(0x80)?, zh: next(0x81)?, en: next(0x82)? })
}

/// The Gregorian form decides; the other must say the same.
fn day(object: tlv::Tlv<'_>) -> Result<Option<Date>, Error> {
    let mut reader = object.children();
    let digits = reader.expect(0x80).map_err(Error::tlv(FILE))?.value;
    let roc = reader.expect(0x81).map_err(Error::tlv(FILE))?.value;
    let date = match digits {
        [] => None,
        _ => Some(Date::from_compact(digits).ok_or(malformed("a date"))?),
    };
    let expected = date.map_or("無".to_owned(), Date::roc);
    if roc == expected.as_bytes() { Ok(date) } else { Err(malformed("a date")) }
}
