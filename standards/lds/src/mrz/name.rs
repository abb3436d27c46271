//! Names in the machine readable zone: transliteration (ICAO Doc 9303-3 §6, table A), punctuation (§4.6) and truncation
//! (9303-5 §4.2.2.3 and §4.2.3).

use std::fmt;

use super::{FILLER, MrzError};

/// The components of a name in A to Z: primary identifier (family name) and secondary identifier (given names).
#[derive(Clone, PartialEq, Eq, Default)]
pub struct MrzName {
    primary: Vec<String>,
    secondary: Vec<String>,
}

impl MrzName {
    /// From the two identifiers in any Latin letters. Refuses a letter that the transliteration does not know.
    pub fn new(primary: &str, secondary: &str) -> Result<Self, MrzError> {
        let (primary, secondary) = (components(primary)?, components(secondary)?);
        if primary.is_empty() && !secondary.is_empty() {
            // 9303-5 §4.2.2.3: a name of one part goes to the primary identifier.
            return Ok(Self { primary: secondary, secondary: Vec::new() });
        }
        Ok(Self { primary, secondary })
    }

    /// From a name as it is written: what stands before the first comma is the primary identifier; without a comma all is.
    pub fn from_latin(name: &str) -> Result<Self, MrzError> {
        let (primary, secondary) = name.split_once(',').unwrap_or((name, ""));
        Self::new(primary, secondary)
    }

    /// The primary identifier, components separated by spaces.
    pub fn primary(&self) -> String {
        self.primary.join(" ")
    }

    /// The secondary identifier, components separated by spaces.
    pub fn secondary(&self) -> String {
        self.secondary.join(" ")
    }

    /// Whether there is no name at all.
    pub fn is_empty(&self) -> bool {
        self.primary.is_empty()
    }

    /// Reads a name field. Whether it was truncated cannot be told for sure; a letter in the last position hints at it.
    pub(super) fn from_field(field: &[u8]) -> Self {
        let text = super::text(field).trim_end_matches('<');
        let (primary, secondary) = text.split_once("<<").unwrap_or((text, ""));
        let split = |part: &str| part.split('<').filter(|c| !c.is_empty()).map(str::to_owned).collect();
        Self { primary: split(primary), secondary: split(secondary) }
    }

    /// The name field of `N` characters.
    ///
    /// If the name does not fit, each component in turn keeps as many characters as leave room for the initials of those that
    /// follow, so that the primary identifier is kept rather than the secondary, earlier components rather than later ones, and
    /// the last position holds a letter. Components of the secondary identifier whose initials have no room are dropped from the end; of the primary
    /// identifier, if its initials alone have none beside one of the secondary.
    pub(super) fn field<const N: usize>(&self) -> [u8; N] {
        let mut parts: Vec<(&str, usize)> = Vec::new();
        for (components, first) in [(&self.primary, 0), (&self.secondary, 2)] {
            for (index, component) in components.iter().enumerate() {
                parts.push((component, if index > 0 { 1 } else { first }));
            }
        }
        let least = |parts: &[(&str, usize)]| parts.iter().map(|(_, fillers)| fillers + 1).sum::<usize>();
        let mut primaries = self.primary.len();
        while least(&parts) > N {
            if parts.len() > primaries + 1 {
                parts.pop();
            } else {
                primaries -= 1;
                parts.remove(primaries);
            }
        }
        let mut out = [FILLER; N];
        let mut at = 0;
        for (index, (component, fillers)) in parts.iter().enumerate() {
            at += fillers;
            let room = N.saturating_sub(at + least(&parts[index + 1..]));
            let length = component.len().min(room);
            out[at..at + length].copy_from_slice(&component.as_bytes()[..length]);
            at += length;
        }
        out
    }
}

impl fmt::Debug for MrzName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MrzName(***)")
    }
}

// ICAO 9303-3 §4.6: apostrophes and full stops are left out, hyphens and spaces separate components, a comma that does
// not separate the identifiers is left out or separates.
fn components(part: &str) -> Result<Vec<String>, MrzError> {
    let mut out = vec![String::new()];
    for character in part.chars() {
        match character {
            ' ' | '-' | ',' | '<' | '\u{2010}' | '\u{2011}' | '\u{2013}' | '\u{2027}' | '\u{00B7}'
            | '\u{30FB}' | '\u{3000}' => {
                out.push(String::new());
            }
            '\''
            | '.'
            | '`'
            | '\u{2018}'
            | '\u{2019}'
            | '\u{02BC}'
            | '\u{02BB}'
            | '\u{0300}'..='\u{036F}' => {}
            _ => {
                let letters = transliterate(character).ok_or(MrzError::Field("name"))?;
                if let Some(last) = out.last_mut() {
                    last.push_str(letters);
                }
            }
        }
    }
    out.retain(|component| !component.is_empty());
    Ok(out)
}

// ICAO 9303-3 §6, table A: multinational Latin characters; the first of the recommended forms.
fn transliterate(character: char) -> Option<&'static str> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let upper = character.to_ascii_uppercase();
    if let Some(index) = LETTERS.find(upper) {
        return LETTERS.get(index..=index);
    }
    Some(match character {
        'ß' | 'ẞ' => "SS",
        'À'..='Ã' | 'à'..='ã' | 'Ā'..='ą' | 'Ǎ' | 'ǎ' | 'Ạ'..='ặ' => "A",
        'Ä' | 'ä' | 'Æ' | 'æ' => "AE",
        'Å' | 'å' => "AA",
        'Ç' | 'ç' | 'Ć'..='č' => "C",
        'Ð' | 'ð' | 'Ď'..='đ' => "D",
        'È'..='Ë' | 'è'..='ë' | 'Ē'..='ě' | 'Ẹ'..='ệ' | 'Ə' | 'ə' => "E",
        'Ĝ'..='ģ' => "G",
        'Ĥ'..='ħ' => "H",
        'Ì'..='Ï' | 'ì'..='ï' | 'Ĩ'..='ı' | 'Ǐ' | 'ǐ' | 'Ỉ'..='ị' | 'Ɨ' | 'ɨ' => "I",
        'Ĳ' | 'ĳ' => "IJ",
        'Ĵ' | 'ĵ' => "J",
        'Ķ'..='ĸ' => "K",
        'Ĺ'..='ł' => "L",
        'Ḿ' | 'ḿ' => "M",
        'Ñ' | 'ñ' | 'Ń'..='ŋ' | 'Ǹ' | 'ǹ' => "N",
        'Ò'..='Õ' | 'ò'..='õ' | 'Ō'..='ő' | 'Ơ' | 'ơ' | 'Ǒ' | 'ǒ' | 'Ọ'..='ợ' => "O",
        'Ö' | 'ö' | 'Ø' | 'ø' | 'Œ' | 'œ' => "OE",
        'Ŕ'..='ř' => "R",
        'Ś'..='š' | 'Ș' | 'ș' => "S",
        'Ţ'..='ŧ' | 'Ț' | 'ț' => "T",
        'Þ' | 'þ' => "TH",
        'Ù'..='Û' | 'ù'..='û' | 'Ũ'..='ų' | 'Ư' | 'ư' | 'Ǔ' | 'ǔ' | 'Ụ'..='ự' | 'Ʉ' | 'ʉ' => {
            "U"
        }
        'Ü' | 'ü' | 'Ǖ'..='ǜ' => "UE",
        'Ŵ' | 'ŵ' => "W",
        'Ý' | 'ý' | 'ÿ' | 'Ŷ'..='Ÿ' | 'Ỳ'..='ỹ' => "Y",
        'Ź'..='ž' => "Z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(latin: &str) -> String {
        String::from_utf8(MrzName::from_latin(latin).expect(latin).field::<30>().to_vec()).expect("letters")
    }

    #[test]
    fn punctuation_and_letters_with_marks() {
        assert_eq!(field("O'Connor, Enya Siobhan"), "OCONNOR<<ENYA<SIOBHAN<<<<<<<<<");
        assert_eq!(field("Müller-Lüdenscheidt, Jörg"), "MUELLER<LUEDENSCHEIDT<<JOERG<<");
        assert_eq!(field("Tân, Bí-lē"), "TAN<<BI<LE<<<<<<<<<<<<<<<<<<<<");
        assert_eq!(field("Nguyễn, Thị Ánh Đào"), "NGUYEN<<THI<ANH<DAO<<<<<<<<<<<");
        assert_eq!(field("Kolas\u{2027}Yotaka"), "KOLAS<YOTAKA<<<<<<<<<<<<<<<<<<");
        assert_eq!(field("Å, ß"), "AA<<SS<<<<<<<<<<<<<<<<<<<<<<<<");
        assert_eq!(MrzName::from_latin("王, 小明"), Err(MrzError::Field("name")));
        assert_eq!(MrzName::from_latin("R2D2"), Err(MrzError::Field("name")));
    }

    #[test]
    fn one_part_is_primary() {
        assert_eq!(MrzName::from_latin(", Anna").map(|n| n.primary()), Ok("ANNA".into()));
        assert!(MrzName::from_latin("").expect("empty").is_empty());
        assert_eq!(field(""), "<".repeat(30));
    }

    #[test]
    fn names_without_end_keep_one_letter_of_each_identifier() {
        let long = "Abcdefghij ".repeat(9);
        let text = field(&format!("{long}, Anna Maria"));
        assert!(text.contains("<<A") && text.ends_with(|c: char| c.is_ascii_uppercase()), "{text}");
        let initials = "A ".repeat(40);
        assert!(field(&format!("{initials}, {initials}")).contains("<<A"));
    }
}
