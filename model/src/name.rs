//! Names: in Chinese characters with the CNS 11643 code of each, and in Latin letters.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::cns::{CnsCode, Table};

/// A person's name. Personal data: `Debug` hides it, there is no `Display`.
///
/// The Chinese name is kept as the register has it, code point by code point, planes 2, 3 and 15 included. Beside each
/// character stands its CNS 11643 code, because two code points have two codes, and because a program without the font can
/// still look a private-use character up by its code (CARD-22, CARD-55).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct PersonName {
    chinese: String,
    codes: Vec<Option<CnsCode>>,
    romanised: Option<String>,
    foreign: Option<String>,
}

impl PersonName {
    /// The longest name in characters, far above what the register has (indigenous names written with `‧`).
    pub const MAX_CHARS: usize = 60;

    /// A name in Chinese characters; the codes come from the table, where it has the character.
    pub fn new(chinese: &str) -> Result<Self, Error> {
        let table = Table::bundled();
        Self::with_codes(chinese, chinese.chars().map(|c| table.code(c)).collect())
    }

    /// A name from the codes of the register. Refuses a code without a character.
    pub fn from_codes(codes: &[CnsCode]) -> Result<Self, Error> {
        let table = Table::bundled();
        let chinese = codes
            .iter()
            .map(|code| table.character(*code).ok_or(Error::CnsUnassigned))
            .collect::<Result<String, Error>>()?;
        Self::with_codes(&chinese, codes.iter().copied().map(Some).collect())
    }

    /// A name with a code for each character. Refuses a code that means another character.
    pub fn with_codes(chinese: &str, codes: Vec<Option<CnsCode>>) -> Result<Self, Error> {
        check(chinese)?;
        let table = Table::bundled();
        if codes.len() != chinese.chars().count() {
            return Err(Error::Name);
        }
        for (character, code) in chinese.chars().zip(&codes) {
            if code.is_some_and(|code| table.character(code) != Some(character)) {
                return Err(Error::CnsUnassigned);
            }
        }
        Ok(Self { chinese: chinese.to_owned(), codes, romanised: None, foreign: None })
    }

    /// Adds the registered romanised name (羅馬拼音), which is printed beside the Chinese one.
    pub fn with_romanised(mut self, romanised: &str) -> Result<Self, Error> {
        check(romanised)?;
        self.romanised = Some(romanised.to_owned());
        Ok(self)
    }

    /// Adds the foreign name (外文姓名), which the applicant may choose to have, as `SURNAME, GIVEN NAMES`.
    pub fn with_foreign(mut self, foreign: &str) -> Result<Self, Error> {
        check(foreign)?;
        self.foreign = Some(foreign.to_owned());
        Ok(self)
    }

    /// The name in Chinese characters.
    pub fn chinese(&self) -> &str {
        &self.chinese
    }

    /// The CNS 11643 code of each character, `None` where the standard has none.
    pub fn codes(&self) -> &[Option<CnsCode>] {
        &self.codes
    }

    /// The registered romanised name.
    pub fn romanised(&self) -> Option<&str> {
        self.romanised.as_deref()
    }

    /// The foreign name.
    pub fn foreign(&self) -> Option<&str> {
        self.foreign.as_deref()
    }

    /// The name in Latin letters for the machine readable zone: the foreign name, else the romanised one.
    pub fn latin(&self) -> Option<&str> {
        self.foreign().or(self.romanised())
    }

    /// Whether a character lies outside the Basic Multilingual Plane or in a private use area (罕用字).
    pub fn has_rare_characters(&self) -> bool {
        self.chinese.chars().any(is_rare)
    }
}

/// Whether ordinary fonts and programs are likely to lack the character.
pub fn is_rare(character: char) -> bool {
    character > '\u{FFFF}' || ('\u{E000}'..='\u{F8FF}').contains(&character)
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(***)")
    }
}

fn check(text: &str) -> Result<(), Error> {
    let length = text.chars().take(PersonName::MAX_CHARS + 1).count();
    let trimmed = text.trim() == text;
    if length == 0 || length > PersonName::MAX_CHARS || !trimmed || text.chars().any(char::is_control) {
        return Err(Error::Name);
    }
    Ok(())
}

/// What is stored and sent.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    chinese: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    codes: Option<Vec<Option<CnsCode>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    romanised: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    foreign: Option<String>,
}

impl TryFrom<Parts> for PersonName {
    type Error = Error;

    fn try_from(parts: Parts) -> Result<Self, Error> {
        let mut name = match parts.codes {
            Some(codes) => Self::with_codes(&parts.chinese, codes)?,
            None => Self::new(&parts.chinese)?,
        };
        if let Some(romanised) = &parts.romanised {
            name = name.with_romanised(romanised)?;
        }
        if let Some(foreign) = &parts.foreign {
            name = name.with_foreign(foreign)?;
        }
        Ok(name)
    }
}

impl From<PersonName> for Parts {
    fn from(name: PersonName) -> Self {
        Self {
            chinese: name.chinese,
            codes: Some(name.codes),
            romanised: name.romanised,
            foreign: name.foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_must_mean_its_character() {
        let wrong = "1-4421".parse().map(Some).expect("code of 一");
        assert_eq!(PersonName::with_codes("王", vec![wrong]), Err(Error::CnsUnassigned));
        assert_eq!(PersonName::with_codes("王", vec![]), Err(Error::Name));
        assert!(PersonName::with_codes("一", vec![wrong]).is_ok());
    }

    #[test]
    fn names_are_checked_and_hidden() {
        for bad in ["", " 王", "王\n小明", "王\u{0}", &"王".repeat(61)] {
            assert_eq!(PersonName::new(bad), Err(Error::Name), "{bad:?}");
        }
        let name =
            PersonName::new("陳筱玲").and_then(|n| n.with_romanised("Chen, Hsiao-Ling")).expect("valid");
        assert_eq!(format!("{name:?}"), "PersonName(***)");
        assert_eq!(name.latin(), Some("Chen, Hsiao-Ling"));
        assert_eq!(name.with_foreign("CHEN, ELAINE").expect("valid").latin(), Some("CHEN, ELAINE"));
    }
}
