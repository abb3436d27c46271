//! The fields of a card as a report shows them: plain values for people and other programs.
//!
//! Cards of this country decode into an [`lds::PublicZone`]. From a foreign document the machine readable zone and the
//! portrait are taken: that is what every issuer fills in the same way.

use lds::household::HouseholdData;
use lds::mrz::check_digit;
use lds::{DataGroup, Date, PublicZone, Td1, dg13};
use model::divisions::Divisions;
use serde::Serialize;

/// Who holds the card, as the card says.
#[derive(Clone, Serialize)]
pub struct Holder {
    /// The machine readable zone, line by line.
    pub mrz: Vec<String>,
    /// `ID`, `P`.
    pub document_code: String,
    /// The issuing state.
    pub issuing_state: String,
    /// The number of the document.
    pub document_number: String,
    /// The nationality.
    pub nationality: String,
    /// The name in Latin letters, `FAMILY NAME, GIVEN NAMES`.
    pub latin_name: String,
    /// The six characters of the date of birth.
    pub birth: String,
    /// `F`, `M`, or `<` for unspecified.
    pub sex: char,
    /// The six characters of the date of expiry; `<<<<<<` for none.
    pub expiry: String,
    /// Whether there is a portrait to compare the face with; none where nobody read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portrait: Option<Portrait>,
    /// What only the public zone of this country holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_zone: Option<PublicZoneFields>,
}

/// What the card says about the portrait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Portrait {
    /// It is there.
    Present,
    /// The field is there and empty: the holder is exempted from it, and nothing is missing.
    // OPEN-62.
    Exempted,
}

/// The fields of the public zone beyond the machine readable zone.
#[derive(Clone, Serialize)]
pub struct PublicZoneFields {
    /// The name in Chinese characters.
    pub chinese_name: String,
    /// The CNS 11643 codes of its characters: plane-row-column, hexadecimal; empty where there is none.
    pub cns_11643: Vec<String>,
    /// The registered romanised name.
    pub romanised_name: Option<String>,
    /// The foreign name.
    pub foreign_name: Option<String>,
    /// The national identification number.
    pub national_id_number: String,
    /// The date of birth.
    pub birth: Day,
    /// The registered address in one line, where it was asked for ([`ReadOptions::address`](super::ReadOptions::address)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered_address: Option<String>,
    /// The code of its village, as the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub village_code: Option<String>,
    /// The marital status.
    pub marital_status: Term,
    /// The military service category, as the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub military_service: Option<Term>,
    /// The card serial number.
    pub card_serial: String,
    /// The date of issue.
    pub issue: Day,
    /// The date of renewal; none from 65 years on.
    pub renewal: Option<Day>,
    /// The issuing authority.
    pub issuing_authority: String,
}

/// A date in both calendars.
#[derive(Clone, Serialize)]
pub struct Day {
    /// `2006-08-05`.
    pub iso: String,
    /// `民國95年8月5日`.
    pub roc: String,
}

/// A value of a closed set.
#[derive(Clone, Serialize)]
pub struct Term {
    /// The stable code.
    pub code: String,
    /// In Chinese.
    pub zh_hant: String,
    /// In English.
    pub en: String,
}

/// The household zone.
#[derive(Clone, Serialize)]
pub struct Household {
    /// The county or city.
    pub county: String,
    /// The township or district.
    pub district: String,
    /// The village.
    pub village: String,
    /// The code of the village.
    pub village_code: String,
    /// The number of the neighbourhood.
    pub neighbourhood: u16,
    /// What the code stands for in the table of divisions; none where the table does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered: Option<Registered>,
    /// The line to be shown: the names of the card, or, where they have a character that cannot be displayed everywhere, those
    /// that belong to the code.
    // CARD-22.
    pub shown: String,
}

/// A village by its code, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registered {
    /// `臺北市中正區黎明里`.
    pub zh_hant: String,
    /// `Liming Vil., Zhongzheng District, Taipei City`.
    pub en: String,
}

impl From<HouseholdData> for Household {
    fn from(data: HouseholdData) -> Self {
        let HouseholdData { county, district, village, village_code, neighbourhood } = data;
        let code = village_code.parse().ok();
        let place = code.and_then(|code| Divisions::bundled().place(code));
        let registered = place.map(|place| Registered { zh_hant: place.zh(), en: place.en() });
        let own = [county.as_str(), &district, &village].concat();
        let names = match &registered {
            Some(registered) if !own.chars().all(is_displayed_everywhere) => registered.zh_hant.clone(),
            _ => own,
        };
        let shown = format!("{names}{neighbourhood}鄰");
        Self { county, district, village, village_code, neighbourhood, registered, shown }
    }
}

/// Whether fonts of ordinary computers have the character: those of the supplementary planes and of the private use areas,
/// which rare characters lie in, are in few of them.
fn is_displayed_everywhere(character: char) -> bool {
    !matches!(character, '\u{E000}'..='\u{F8FF}' | '\u{FFF0}'..) && !character.is_control()
}

impl From<Date> for Day {
    fn from(date: Date) -> Self {
        Self { iso: date.iso(), roc: date.roc() }
    }
}

impl From<&dg13::Term> for Term {
    fn from(term: &dg13::Term) -> Self {
        Self { code: term.code.clone(), zh_hant: term.zh.clone(), en: term.en.clone() }
    }
}

impl PublicZoneFields {
    /// The fields of a zone; address and military service category only where `address` asks for them.
    // OPEN-08: whoever holds the card or a copy of its back can read both, so no reader tells them unasked.
    pub(super) fn new(zone: &PublicZone, address: bool) -> Self {
        let cns = |code: &Option<[u8; 3]>| {
            code.map_or_else(String::new, |[plane, row, column]| format!("{plane:X}-{row:02X}{column:02X}"))
        };
        Self {
            chinese_name: zone.chinese_name.clone(),
            cns_11643: zone.cns.iter().map(cns).collect(),
            romanised_name: zone.romanised_name.clone(),
            foreign_name: zone.foreign_name.clone(),
            national_id_number: zone.id_number.clone(),
            birth: zone.birth.into(),
            registered_address: address.then(|| zone.address.zh()),
            village_code: address.then(|| zone.address.village_code.clone()),
            marital_status: (&zone.marital_status).into(),
            military_service: address.then(|| (&zone.military_service).into()),
            card_serial: zone.card_serial.clone(),
            issue: zone.issue.into(),
            renewal: zone.renewal.map(Day::from),
            issuing_authority: zone.issuing_authority.clone(),
        }
    }
}

/// What is wrong with DG1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MrzFault {
    /// No machine readable zone of a known size.
    Malformed,
    /// A check digit.
    CheckDigit,
}

/// Reads DG1 of any ICAO document: three lines of 30, two of 36 or two of 44 characters.
pub(super) fn machine_readable_zone(dg1: &[u8]) -> Result<Holder, MrzFault> {
    let body = DataGroup::Dg1.unwrap(dg1).map_err(|_| MrzFault::Malformed)?;
    let zone = tlv::find(body, 0x5F1F).ok_or(MrzFault::Malformed)?.value;
    if zone.len() == 90 {
        return match Td1::from_bytes(zone) {
            Ok(zone) => Ok(td1(&zone)),
            Err(lds::MrzError::CheckDigit(_)) => Err(MrzFault::CheckDigit),
            Err(_) => Err(MrzFault::Malformed),
        };
    }
    two_lines(zone)
}

fn td1(zone: &Td1) -> Holder {
    let name = zone.name();
    let sex = match zone.sex() {
        lds::mrz::MrzSex::Female => 'F',
        lds::mrz::MrzSex::Male => 'M',
        lds::mrz::MrzSex::Unspecified => '<',
    };
    Holder {
        mrz: zone.lines().to_vec(),
        document_code: zone.document_code().to_owned(),
        issuing_state: zone.issuer().to_owned(),
        document_number: zone.document_number(),
        nationality: zone.nationality().to_owned(),
        latin_name: joined(&name.primary(), &name.secondary()),
        birth: zone.birth().as_str().to_owned(),
        sex,
        expiry: zone.expiry().as_str().to_owned(),
        portrait: None,
        public_zone: None,
    }
}

// ICAO 9303-4 §4.2.2 (TD3: 44 characters) and 9303-6 §4.2.2 (TD2: 36): the lower lines begin alike.
fn two_lines(zone: &[u8]) -> Result<Holder, MrzFault> {
    let length = match zone.len() {
        88 => 44,
        72 => 36,
        _ => return Err(MrzFault::Malformed),
    };
    let allowed = |c: &u8| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == b'<';
    let text = std::str::from_utf8(zone).map_err(|_| MrzFault::Malformed)?;
    if !zone.iter().all(allowed) {
        return Err(MrzFault::Malformed);
    }
    let (upper, lower) = text.split_at(length);
    let digits = lower.as_bytes();
    for (field, at) in [(0..9, 9), (13..19, 19), (21..27, 27)] {
        if check_digit(&digits[field]) != digits[at] {
            return Err(MrzFault::CheckDigit);
        }
    }
    let composite = [&digits[..10], &digits[13..20], &digits[21..length - 1]].concat();
    if check_digit(&composite) != digits[length - 1] {
        return Err(MrzFault::CheckDigit);
    }
    let plain = |field: &str| field.trim_end_matches('<').to_owned();
    let (primary, secondary) = upper[5..].split_once("<<").unwrap_or((&upper[5..], ""));
    let words = |name: &str| name.trim_matches('<').replace('<', " ");
    Ok(Holder {
        mrz: vec![upper.to_owned(), lower.to_owned()],
        document_code: plain(&upper[..2]),
        issuing_state: plain(&upper[2..5]),
        document_number: plain(&lower[..9]),
        nationality: plain(&lower[10..13]),
        latin_name: joined(&words(primary), &words(secondary)),
        birth: lower[13..19].to_owned(),
        sex: char::from(digits[20]),
        expiry: lower[21..27].to_owned(),
        portrait: None,
        public_zone: None,
    })
}

fn joined(primary: &str, secondary: &str) -> String {
    if secondary.is_empty() { primary.to_owned() } else { format!("{primary}, {secondary}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dg1(zone: &str) -> Vec<u8> {
        DataGroup::Dg1.wrap(&tlv::encode(0x5F1F, zone.as_bytes()))
    }

    // The specimens of ICAO 9303-4, 9303-5 and 9303-6.
    const TD3: &str =
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10";
    const TD2: &str = "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<D231458907UTO7408122F1204159<<<<<<<6";
    const TD1: &str =
        "I<UTOD231458907<<<<<<<<<<<<<<<7408122F1204159UTO<<<<<<<<<<<6ERIKSSON<<ANNA<MARIA<<<<<<<<<<";

    #[test]
    fn the_three_sizes_of_documents() {
        for (zone, number, lines) in [(TD3, "L898902C3", 2), (TD2, "D23145890", 2), (TD1, "D23145890", 3)] {
            let holder = machine_readable_zone(&dg1(zone)).expect("a specimen");
            assert_eq!((holder.document_number.as_str(), holder.mrz.len()), (number, lines));
            assert_eq!((holder.issuing_state.as_str(), holder.nationality.as_str()), ("UTO", "UTO"));
            assert_eq!(
                (holder.birth.as_str(), holder.expiry.as_str(), holder.sex),
                ("740812", "120415", 'F')
            );
            assert_eq!(holder.latin_name, "ERIKSSON, ANNA MARIA");
        }
    }

    #[test]
    fn a_changed_digit_is_found_in_every_size() {
        for zone in [TD3, TD2, TD1] {
            let changed = zone.replacen("740812", "740813", 1);
            assert_eq!(machine_readable_zone(&dg1(&changed)).err(), Some(MrzFault::CheckDigit));
        }
        assert_eq!(machine_readable_zone(&dg1("P<UTO")).err(), Some(MrzFault::Malformed));
        assert_eq!(machine_readable_zone(&dg1(&TD3.to_lowercase())).err(), Some(MrzFault::Malformed));
        assert_eq!(machine_readable_zone(b"").err(), Some(MrzFault::Malformed));
    }
}

#[cfg(test)]
mod household_tests {
    use super::*;

    fn household(village: &str, code: &str) -> Household {
        let data = HouseholdData {
            county: "臺北市".into(),
            district: "中正區".into(),
            village: village.into(),
            village_code: code.into(),
            neighbourhood: 3,
        };
        data.into()
    }

    // proves: CARD-22
    #[test]
    fn a_village_with_a_rare_character_is_looked_up_by_its_code() {
        let plain = household("黎明里", "63000050024");
        assert_eq!(plain.shown, "臺北市中正區黎明里3鄰");
        let registered = plain.registered.expect("in the table");
        assert_eq!(registered.zh_hant, "臺北市中正區黎明里");
        assert!(registered.en.ends_with("Zhongzheng District, Taipei City"), "{}", registered.en);
        // Beyond the basic plane, in a private use area, lost on the way.
        for rare in ["黎\u{20BB7}里", "黎\u{E123}里", "黎\u{F0005}里", "黎\u{FFFD}里"] {
            let household = household(rare, "63000050024");
            assert_eq!(household.shown, "臺北市中正區黎明里3鄰");
            assert_eq!(household.village, rare, "what the card says stays as it is");
        }
        // What the card says is shown as long as it can be, and where nobody knows the code.
        assert_eq!(household("光明里", "63000050024").shown, "臺北市中正區光明里3鄰");
        let unknown = household("黎\u{20BB7}里", "99999999999");
        assert_eq!((unknown.shown.as_str(), unknown.registered), ("臺北市中正區黎\u{20BB7}里3鄰", None));
    }
}
