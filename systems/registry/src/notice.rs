//! Changes as files: what a registration office types in, read whole or not at all, and never quoted in an error.
//!
//! ```json
//! {"change": "moved", "address": {"village": "63000050001", "neighbourhood": 3, "rest": "徐州路5號"}}
//! {"notice": "府民戶字第1150000001號", "village": "63000050001", "into": "63000050002",
//!  "houses": [{"neighbourhood": 3, "rest": "徐州路5號", "becomes": {"neighbourhood": 4, "rest": "徐州路15號"}}]}
//! ```

use model::divisions::VillageCode;
use model::{Address, MilitaryServiceCategory, PersonName, RocDate};
use serde::{Deserialize, Serialize};

use crate::error::RegistryError;
use crate::register::Change;

/// The longest name of a place of birth in characters.
const MAX_BIRTHPLACE: usize = 60;
/// The longest number of a notice in characters.
const MAX_NOTICE: usize = 60;
/// The most houses of one notice.
const MAX_HOUSES: usize = 10_000;

impl Change {
    /// Reads a change from JSON.
    pub fn from_json(json: &[u8]) -> Result<Self, RegistryError> {
        let change = match read(json)? {
            Form::Death { day } => Self::Death(day),
            Form::MovedAbroad { day } => Self::MovedAbroad(day),
            Form::Returned { address } => Self::Returned(address),
            Form::Missing { day } => Self::Missing(day),
            Form::Found {} => Self::Found,
            Form::Guardianship { ordered } => Self::Guardianship(ordered),
            Form::Moved { address } => Self::Moved(address),
            Form::Name { name } => Self::Name(name),
            Form::Married { spouse } => Self::Married(spouse),
            Form::MarriageEnded {} => Self::MarriageEnded,
            Form::Spouse { name } => Self::Spouse(name),
            Form::MilitaryService { category } => Self::MilitaryService(category),
            Form::Parents { father, mother } => Self::Parents(father, mother),
            Form::Birthplace { place } if is_line(&place, MAX_BIRTHPLACE) => Self::Birthplace(place),
            Form::Birthplace { .. } => return Err(FORM),
        };
        Ok(change)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "change", deny_unknown_fields)]
enum Form {
    Death { day: RocDate },
    MovedAbroad { day: RocDate },
    Returned { address: Address },
    Missing { day: RocDate },
    Found {},
    Guardianship { ordered: bool },
    Moved { address: Address },
    Name { name: PersonName },
    Married { spouse: PersonName },
    MarriageEnded {},
    Spouse { name: PersonName },
    MilitaryService { category: MilitaryServiceCategory },
    Parents { father: Option<PersonName>, mother: Option<PersonName> },
    Birthplace { place: String },
}

/// A renumbering of houses (門牌整編) or a change of an administrative area (行政區域調整): addresses of one village, and what
/// they become. It names houses and no person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renumbering {
    notice: String,
    village: VillageCode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    into: Option<VillageCode>,
    #[serde(default)]
    houses: Vec<House>,
}

/// A house with its old number and the new one. Floors and rooms of it (`徐州路5號3樓`) follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct House {
    /// The old neighbourhood (鄰).
    pub neighbourhood: u16,
    /// The old road and number.
    pub rest: String,
    /// What it becomes.
    pub becomes: Door,
}

/// A neighbourhood, and road and number in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Door {
    /// The neighbourhood (鄰).
    pub neighbourhood: u16,
    /// Road and number.
    pub rest: String,
}

impl Renumbering {
    /// Reads a renumbering from JSON. Refused: villages that do not exist, addresses that cannot be, a house named twice,
    /// and a notice that changes nothing.
    pub fn from_json(json: &[u8]) -> Result<Self, RegistryError> {
        let notice: Self = read(json)?;
        let target = notice.into.unwrap_or(notice.village);
        let exists = |village, neighbourhood, rest: &str| Address::new(village, neighbourhood, rest).is_ok();
        // A village without houses in the notice is checked with an address of its first neighbourhood.
        let good = is_line(&notice.notice, MAX_NOTICE)
            && notice.into != Some(notice.village)
            && (notice.into.is_some() || !notice.houses.is_empty())
            && notice.houses.len() <= MAX_HOUSES
            && exists(notice.village, 1, "1")
            && exists(target, 1, "1")
            && notice.houses.iter().all(|house| {
                exists(notice.village, house.neighbourhood, &house.rest)
                    && exists(target, house.becomes.neighbourhood, &house.becomes.rest)
            });
        let mut doors: Vec<_> = notice.houses.iter().map(|h| (h.neighbourhood, &h.rest)).collect();
        doors.sort_unstable();
        if good && doors.windows(2).all(|pair| pair[0] != pair[1]) { Ok(notice) } else { Err(FORM) }
    }

    /// The number of the notice, which is carried out once.
    pub fn notice(&self) -> &str {
        &self.notice
    }

    /// What an address becomes; nothing if the notice does not concern it.
    pub(crate) fn apply(&self, address: &Address) -> Result<Option<Address>, RegistryError> {
        if address.village() != self.village {
            return Ok(None);
        }
        let here = self.houses.iter().filter(|house| house.neighbourhood == address.neighbourhood());
        let found = here.filter_map(|house| Some((house, below(address.rest(), &house.rest)?)));
        // The longest: where both 5號 and 5號之1 are named, each has its own.
        let found = found.max_by_key(|(house, _)| house.rest.len());
        let (neighbourhood, rest) = match (found, self.into) {
            (Some((house, floor)), _) => {
                (house.becomes.neighbourhood, [house.becomes.rest.as_str(), floor].concat())
            }
            (None, Some(_)) => (address.neighbourhood(), address.rest().to_owned()),
            (None, None) => return Ok(None),
        };
        Address::new(self.into.unwrap_or(self.village), neighbourhood, &rest)
            .map(Some)
            .map_err(|_| RegistryError::ChangeUnfit)
    }

    pub(crate) fn to_stored(&self) -> Result<Vec<u8>, RegistryError> {
        serde_json::to_vec(self).map_err(|_| RegistryError::Data("renumbering"))
    }
}

/// What of an address lies inside a house: nothing, or its floor and room. `5號之1` is another house than `5號`.
fn below<'a>(rest: &'a str, house: &str) -> Option<&'a str> {
    let inside = rest.strip_prefix(house)?;
    let floor = inside.contains('樓') && !inside.starts_with('之') && house.ends_with('號');
    (inside.is_empty() || floor).then_some(inside)
}

fn is_line(text: &str, most: usize) -> bool {
    let length = text.chars().take(most + 1).count();
    (1..=most).contains(&length) && text.trim() == text && !text.chars().any(char::is_control)
}

fn read<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, RegistryError> {
    serde_json::from_slice(json)
        .map_err(|error| RegistryError::ChangeForm { line: error.line(), column: error.column() })
}

/// Well-formed JSON whose content cannot be.
const FORM: RegistryError = RegistryError::ChangeForm { line: 0, column: 0 };

#[cfg(test)]
mod tests {
    use super::*;

    const NOTICE: &str = r#"{"notice":"測試用第1號","village":"V","houses":[
        {"neighbourhood":3,"rest":"徐州路5號","becomes":{"neighbourhood":3,"rest":"徐州路15號"}},
        {"neighbourhood":3,"rest":"徐州路15號","becomes":{"neighbourhood":4,"rest":"徐州路25號"}},
        {"neighbourhood":3,"rest":"徐州路5號之1","becomes":{"neighbourhood":3,"rest":"徐州路17號"}}]}"#;

    fn villages() -> [VillageCode; 2] {
        let mut codes: Vec<_> =
            crate::sample_persons().iter().map(|sample| sample.person.address.village()).collect();
        codes.sort();
        codes.dedup();
        [codes[0], codes[1]]
    }

    fn notice(text: &str) -> Result<Renumbering, RegistryError> {
        let [village, other] = villages();
        let text = text.replace("\"V\"", &format!("\"{village}\"")).replace("\"W\"", &format!("\"{other}\""));
        Renumbering::from_json(text.as_bytes())
    }

    #[test]
    fn every_house_gets_its_new_number_at_once() {
        let [village, other] = villages();
        let renumbering = notice(NOTICE).expect("a notice");
        let becomes = |neighbourhood, rest: &str| {
            let address = Address::new(village, neighbourhood, rest).expect("an address");
            let new = renumbering.apply(&address).expect("an address");
            new.map(|a| (a.village(), a.neighbourhood(), a.rest().to_owned()))
        };
        assert_eq!(becomes(3, "徐州路5號"), Some((village, 3, "徐州路15號".into())));
        assert_eq!(becomes(3, "徐州路15號"), Some((village, 4, "徐州路25號".into())));
        assert_eq!(becomes(3, "徐州路5號3樓之2"), Some((village, 3, "徐州路15號3樓之2".into())));
        assert_eq!(becomes(3, "徐州路5號之1"), Some((village, 3, "徐州路17號".into())));
        assert_eq!(becomes(3, "徐州路5號之2"), None);
        assert_eq!(becomes(3, "徐州路51號"), None);
        assert_eq!(becomes(2, "徐州路5號"), None);
        // A whole village that becomes part of another: who is not named keeps road and number.
        let text = NOTICE.replacen("\"houses\"", "\"into\":\"W\",\"houses\"", 1);
        let merged = notice(&text).expect("a notice");
        let address = Address::new(village, 9, "忠孝路1號").expect("an address");
        let new = merged.apply(&address).expect("an address").expect("concerned");
        assert_eq!((new.village(), new.neighbourhood(), new.rest()), (other, 9, "忠孝路1號"));
        let elsewhere = Address::new(other, 9, "忠孝路1號").expect("an address");
        assert!(merged.apply(&elsewhere).expect("an address").is_none());
    }

    #[test]
    fn a_notice_is_read_whole_or_not_at_all() {
        for (from, to) in [
            ("\"V\"", "\"00000000000\""),
            ("\"houses\"", "\"into\":\"V\",\"houses\""),
            ("\"houses\"", "\"homes\""),
            ("\"neighbourhood\":4", "\"neighbourhood\":0"),
            ("徐州路5號之1", "徐州路5號"),
            ("測試用第1號", ""),
            ("測試用第1號", "測試用\\n第1號"),
        ] {
            assert!(notice(&NOTICE.replacen(from, to, 1)).is_err(), "{from} → {to}");
        }
        assert!(notice(r#"{"notice":"1","village":"V"}"#).is_err(), "changes nothing");
        notice(r#"{"notice":"1","village":"V","into":"W"}"#).expect("a village becomes another");
    }

    #[test]
    fn a_change_is_read_whole_or_not_at_all_and_never_quoted() {
        let [village, _] = villages();
        let address = format!(r#"{{"village":"{village}","neighbourhood":3,"rest":"測試路1號"}}"#);
        let changes = [
            format!(r#"{{"change":"moved","address":{address}}}"#),
            format!(r#"{{"change":"returned","address":{address}}}"#),
            r#"{"change":"spouse","name":{"chinese":"測試用王小明"}}"#.into(),
            r#"{"change":"married","spouse":{"chinese":"測試用王小明"}}"#.into(),
            r#"{"change":"marriage_ended"}"#.into(),
            r#"{"change":"military_service","category":"exempt"}"#.into(),
            r#"{"change":"parents","father":{"chinese":"測試用王小明"},"mother":null}"#.into(),
            r#"{"change":"birthplace","place":"澎湖縣"}"#.into(),
            r#"{"change":"death","day":"2026-11-21"}"#.into(),
            r#"{"change":"found"}"#.into(),
        ];
        for change in &changes {
            Change::from_json(change.as_bytes()).unwrap_or_else(|error| panic!("{change}: {error}"));
            let more = change.replacen('{', r#"{"姓名":"測試用王小明","#, 1);
            let error = Change::from_json(more.as_bytes()).expect_err("an unknown field");
            assert!(!format!("{error} {error:?}").contains("王小明"), "{error}");
        }
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"change":"測試用王小明"}"#,
            r#"{"change":"birthplace","place":""}"#,
            r#"{"change":"spouse","name":{"chinese":" "}}"#,
            r#"{"change":"death","day":"yesterday"}"#,
        ] {
            let error = Change::from_json(bad.as_bytes()).expect_err(bad);
            assert_eq!(error.code(), "REGISTRY-E-CHANGE-FORM");
            assert!(!format!("{error} {error:?}").contains("王小明"), "{error}");
        }
    }
}
