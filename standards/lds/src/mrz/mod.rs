//! The machine readable zone of a TD1 card: ICAO Doc 9303-3 §4 (check digits, names) and 9303-5 §4.2 (positions).
//!
//! A [`Td1`] is always valid: three lines of thirty characters whose check digits agree, whether it was built from fields or
//! read. TD2 and TD3 are left out; no New eID has them.

mod name;

use std::fmt;

pub use name::MrzName;

/// What is wrong with a machine readable zone or with the fields for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MrzError {
    /// Not three lines of thirty characters.
    #[error("MRZ: three lines of 30 characters are required")]
    Length,
    /// A character other than A to Z, 0 to 9 and `<`.
    #[error("MRZ: only A to Z, 0 to 9 and < are allowed")]
    Character,
    /// A field holds what it must not, or is too long.
    #[error("MRZ: {0} is malformed")]
    Field(&'static str),
    /// A check digit that does not agree with its field.
    #[error("MRZ: check digit of {0} is wrong")]
    CheckDigit(&'static str),
}

/// Six digits, or fillers where a date or a part of it is not known.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MrzDate(pub(crate) [u8; 6]);

/// The sex in the machine readable zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MrzSex {
    /// `<`: what this card always has (OPEN-07).
    #[default]
    Unspecified,
    /// `F`
    Female,
    /// `M`
    Male,
}

/// The fields of a TD1 machine readable zone, without fillers and check digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Fields {
    /// One or two characters: `ID` on this card.
    pub document_code: String,
    /// The issuing State, one to three letters: `TWN`.
    pub issuer: String,
    /// The document number; more than nine characters continue in the optional data.
    pub document_number: String,
    /// Optional data of the upper line.
    pub optional_data_1: String,
    /// The date of birth.
    pub birth: MrzDate,
    /// The sex.
    pub sex: MrzSex,
    /// The date of expiry; [`MrzDate::NONE`] for a document without one (OPEN-09).
    pub expiry: MrzDate,
    /// The nationality.
    pub nationality: String,
    /// Optional data of the middle line.
    pub optional_data_2: String,
    /// The name.
    pub name: MrzName,
}

/// A valid machine readable zone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Td1([u8; 90]);

const FILLER: u8 = b'<';

impl Td1 {
    /// Builds the three lines. Names that do not fit are truncated as 9303-5 §4.2.2.3 says; nothing else may be too long.
    pub fn new(fields: &Fields) -> Result<Self, MrzError> {
        let mut zone = [FILLER; 90];
        let (upper, rest) = zone.split_at_mut(30);
        let (middle, lower) = rest.split_at_mut(30);

        // 9303-5 §4.2.2.1, note k: A, C or I first; V never second; AI and AC have other meanings.
        let code = fields.document_code.as_bytes();
        if !matches!(code, [b'A' | b'C' | b'I'] | [b'A' | b'C' | b'I', b'A'..=b'Z'])
            || code.get(1) == Some(&b'V')
            || code == b"AI"
        {
            return Err(MrzError::Field("document code"));
        }
        put(&mut upper[..2], &fields.document_code, "document code")?;
        put_letters(&mut upper[2..5], &fields.issuer, "issuing State")?;
        let number = fields.document_number.as_bytes();
        if number.is_empty() || !number.iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()) {
            return Err(MrzError::Field("document number"));
        }
        if number.len() <= 9 {
            put(&mut upper[5..14], &fields.document_number, "document number")?;
            upper[14] = check_digit(&upper[5..14]);
            put(&mut upper[15..], &fields.optional_data_1, "optional data")?;
        } else {
            // 9303-5 §4.2.2.3, note j: nine characters, a filler instead of the check digit, the others in the optional data,
            // then the check digit and a filler.
            let (principal, others) = number.split_at(9);
            let end = 15 + others.len();
            if end > 28 {
                return Err(MrzError::Field("document number"));
            }
            upper[5..14].copy_from_slice(principal);
            upper[15..end].copy_from_slice(others);
            upper[end] = check_digit(number);
            put(&mut upper[end + 2..], &fields.optional_data_1, "optional data")?;
        }

        middle[..6].copy_from_slice(&fields.birth.0);
        middle[6] = check_digit(&fields.birth.0);
        middle[7] = match fields.sex {
            MrzSex::Unspecified => FILLER,
            MrzSex::Female => b'F',
            MrzSex::Male => b'M',
        };
        middle[8..14].copy_from_slice(&fields.expiry.0);
        middle[14] = check_digit(&fields.expiry.0);
        put_letters(&mut middle[15..18], &fields.nationality, "nationality")?;
        put(&mut middle[18..29], &fields.optional_data_2, "optional data")?;
        lower.copy_from_slice(&fields.name.field::<30>());
        zone[59] = composite(&zone);
        Ok(Self(zone))
    }

    /// Reads ninety characters, with or without line ends between the lines, and verifies every check digit.
    pub fn parse(text: &str) -> Result<Self, MrzError> {
        let mut zone = [0; 90];
        let mut filled = 0;
        for (index, line) in text.split_whitespace().enumerate() {
            let joined = index == 0 && line.len() == 90;
            if !joined && line.len() != 30 {
                return Err(MrzError::Length);
            }
            let place = zone.get_mut(filled..filled + line.len()).ok_or(MrzError::Length)?;
            place.copy_from_slice(line.as_bytes());
            filled += line.len();
        }
        if filled != 90 {
            return Err(MrzError::Length);
        }
        Self::from_bytes(&zone)
    }

    /// Reads the ninety characters of DG1.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MrzError> {
        let zone: [u8; 90] = bytes.try_into().map_err(|_| MrzError::Length)?;
        if !zone.iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == FILLER) {
            return Err(MrzError::Character);
        }
        let this = Self(zone);
        let (number, digit, _) = this.split_upper();
        if check_digit(&number) != digit {
            return Err(MrzError::CheckDigit("the document number"));
        }
        for (range, position, what) in [(30..36, 36, "the date of birth"), (38..44, 44, "the date of expiry")]
        {
            if !zone[range.clone()].iter().all(|c| c.is_ascii_digit() || *c == FILLER) {
                return Err(MrzError::Field(what));
            }
            if check_digit(&zone[range]) != zone[position] {
                return Err(MrzError::CheckDigit(what));
            }
        }
        if !matches!(zone[37], b'M' | b'F' | b'X' | FILLER) {
            return Err(MrzError::Field("sex"));
        }
        if composite(&zone) != zone[59] {
            return Err(MrzError::CheckDigit("the whole zone"));
        }
        Ok(this)
    }

    /// The three lines as they are printed.
    pub fn lines(&self) -> [String; 3] {
        let line = |range: std::ops::Range<usize>| text(&self.0[range]).to_owned();
        [line(0..30), line(30..60), line(60..90)]
    }

    /// The ninety characters as DG1 stores them.
    pub const fn as_bytes(&self) -> &[u8; 90] {
        &self.0
    }

    /// `ID`, or whatever another document has.
    pub fn document_code(&self) -> &str {
        trimmed(&self.0[..2])
    }

    /// The issuing State.
    pub fn issuer(&self) -> &str {
        trimmed(&self.0[2..5])
    }

    /// The document number, put together where it is longer than nine characters.
    pub fn document_number(&self) -> String {
        trimmed(&self.split_upper().0).to_owned()
    }

    /// The optional data of the upper line.
    pub fn optional_data_1(&self) -> &str {
        trimmed(self.split_upper().2)
    }

    /// The date of birth.
    pub fn birth(&self) -> MrzDate {
        self.date(30)
    }

    /// The sex. `X`, which some issuers write, reads as unspecified.
    pub fn sex(&self) -> MrzSex {
        match self.0[37] {
            b'F' => MrzSex::Female,
            b'M' => MrzSex::Male,
            _ => MrzSex::Unspecified,
        }
    }

    /// The date of expiry, [`MrzDate::NONE`] if there is none.
    pub fn expiry(&self) -> MrzDate {
        self.date(38)
    }

    /// The nationality.
    pub fn nationality(&self) -> &str {
        trimmed(&self.0[45..48])
    }

    /// The optional data of the middle line.
    pub fn optional_data_2(&self) -> &str {
        trimmed(&self.0[48..59])
    }

    /// The name, possibly truncated.
    pub fn name(&self) -> MrzName {
        MrzName::from_field(&self.0[60..])
    }

    // ICAO 9303-11 §4.4.4.1 and §9.7.3: document number, date of birth and date of expiry, each with its check digit.
    /// The text from which the keys of PACE with the MRZ and of BAC are derived.
    pub fn information(&self) -> String {
        let (number, digit, _) = self.split_upper();
        let mut out = text(&number).to_owned();
        out.push(char::from(digit));
        out.push_str(text(&self.0[30..37]));
        out.push_str(text(&self.0[38..45]));
        out
    }

    fn date(&self, at: usize) -> MrzDate {
        let mut date = [0; 6];
        date.copy_from_slice(&self.0[at..at + 6]);
        MrzDate(date)
    }

    /// The document number (nine characters with fillers, or all of a longer one), its check digit, and the optional data.
    fn split_upper(&self) -> (Vec<u8>, u8, &[u8]) {
        let (principal, optional) = (&self.0[5..14], &self.0[15..30]);
        let end = optional.iter().position(|c| *c == FILLER).unwrap_or(15);
        // A filler instead of the check digit means a longer number, if there is anything it could continue with.
        if self.0[14] == FILLER && (2..15).contains(&end) {
            let others = &optional[..end - 1];
            return ([principal, others].concat(), optional[end - 1], &optional[end + 1..]);
        }
        (principal.to_vec(), self.0[14], optional)
    }
}

impl MrzDate {
    /// No date: six fillers, as on a card without date of renewal (OPEN-09).
    pub const NONE: Self = Self([FILLER; 6]);

    /// From the six characters.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MrzError> {
        let date: [u8; 6] = bytes.try_into().map_err(|_| MrzError::Field("date"))?;
        if date.iter().all(|c| c.is_ascii_digit() || *c == FILLER) {
            Ok(Self(date))
        } else {
            Err(MrzError::Field("date"))
        }
    }

    /// The six characters.
    pub fn as_str(&self) -> &str {
        text(&self.0)
    }

    /// Whether nothing is known of the date.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

impl fmt::Debug for MrzDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MrzDate(***)")
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fields(***)")
    }
}

impl fmt::Debug for Td1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Td1(***)")
    }
}

/// The text of PACE and BAC from the three fields alone, as a reader has them that was not given the whole zone.
pub fn information(document_number: &str, birth: MrzDate, expiry: MrzDate) -> Result<String, MrzError> {
    let number = document_number.as_bytes();
    let form = |c: &u8| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == FILLER;
    if number.is_empty() || number.len() > 22 || !number.iter().all(form) {
        return Err(MrzError::Field("document number"));
    }
    let mut out = format!("{document_number:<<9}");
    out.push(char::from(check_digit(out.as_bytes())));
    for date in [birth, expiry] {
        out.push_str(date.as_str());
        out.push(char::from(check_digit(&date.0)));
    }
    Ok(out)
}

// ICAO 9303-3 §4.9: weights 7, 3, 1; digits count as they are, A to Z as 10 to 35, the filler as 0.
/// The check digit over `field`, as a character.
pub fn check_digit(field: &[u8]) -> u8 {
    let sum: u32 =
        field.iter().zip([7, 3, 1].into_iter().cycle()).map(|(c, weight)| weight * value(*c)).sum();
    b'0' + (sum % 10) as u8
}

const fn value(character: u8) -> u32 {
    match character {
        b'0'..=b'9' => (character - b'0') as u32,
        b'A'..=b'Z' => (character - b'A') as u32 + 10,
        _ => 0,
    }
}

// ICAO 9303-5 §4.2.4: positions 6 to 30 of the upper line; 1 to 7, 9 to 15 and 19 to 29 of the middle line.
fn composite(zone: &[u8; 90]) -> u8 {
    check_digit(&[&zone[5..30], &zone[30..37], &zone[38..45], &zone[48..59]].concat())
}

fn put(place: &mut [u8], value: &str, what: &'static str) -> Result<(), MrzError> {
    let bytes = value.as_bytes();
    if bytes.len() > place.len()
        || !bytes.iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == FILLER)
    {
        return Err(MrzError::Field(what));
    }
    place[..bytes.len()].copy_from_slice(bytes);
    Ok(())
}

fn put_letters(place: &mut [u8], value: &str, what: &'static str) -> Result<(), MrzError> {
    if value.is_empty() || !value.bytes().all(|c| c.is_ascii_uppercase()) {
        return Err(MrzError::Field(what));
    }
    put(place, value, what)
}

fn trimmed(bytes: &[u8]) -> &str {
    text(bytes).trim_end_matches('<')
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
