//! The named personas of a new country: one invented person for each interesting state of a card.

use model::divisions::Divisions;
use model::{Address, MaritalStatus, MilitaryServiceCategory, PersonName, RocDate, Sex};

use crate::person::{Person, Status};
use crate::population::{letter_of, number};

/// A persona and its person.
#[derive(Debug, Clone)]
pub struct SamplePerson {
    /// What it shows: `active_national`, `minor`, ...
    pub persona: &'static str,
    /// The invented person.
    pub person: Person,
}

/// One line per persona. Places are real, persons are not.
struct Line {
    persona: &'static str,
    name: &'static str,
    romanised: &'static str,
    foreign: Option<&'static str>,
    sex: Sex,
    birth: &'static str,
    place: (&'static str, &'static str),
    rest: &'static str,
    spouse: Option<&'static str>,
    father: &'static str,
    mother: &'static str,
}

const LINES: &[Line] = &[
    line(
        "just_applied",
        "陳怡君",
        "CHEN, YI-CHUN",
        Sex::Female,
        "1998-03-12",
        ("臺北市", "中正區"),
        "徐州路5號",
        "陳文雄",
        "林淑芬",
    ),
    line(
        "in_production",
        "林志豪",
        "LIN, CHIH-HAO",
        Sex::Male,
        "1987-11-30",
        ("新北市", "板橋區"),
        "府中路30號",
        "林國雄",
        "王秀英",
    ),
    line(
        "ready",
        "黃雅婷",
        "HUANG, YA-TING",
        Sex::Female,
        "1991-07-04",
        ("桃園市", "中壢區"),
        "環北路380號",
        "黃清榮",
        "吳美玲",
    ),
    Line {
        foreign: Some("CHANG, DAVID CHIEN-MING"),
        spouse: Some("許惠玲"),
        ..line(
            "active_national",
            "張建明",
            "CHANG, CHIEN-MING",
            Sex::Male,
            "1979-05-21",
            ("臺中市", "西區"),
            "民權路99號",
            "張金福",
            "李月娥",
        )
    },
    Line {
        spouse: Some("周俊傑"),
        ..line(
            "active_interop",
            "王美惠",
            "WANG, MEI-HUI",
            Sex::Female,
            "1984-09-09",
            ("臺南市", "東區"),
            "大學路1號",
            "王正義",
            "蔡麗珠",
        )
    },
    line(
        "pin_blocked",
        "吳承恩",
        "WU, CHENG-EN",
        Sex::Male,
        "2001-01-17",
        ("高雄市", "左營區"),
        "博愛三路1號",
        "吳文彥",
        "楊雅雯",
    ),
    line(
        "suspended",
        "劉宏偉",
        "LIU, HUNG-WEI",
        Sex::Male,
        "1990-12-25",
        ("新竹市", "東區"),
        "光復路二段101號",
        "劉德祥",
        "鄭淑真",
    ),
    Line {
        spouse: Some("謝志成"),
        ..line(
            "recalled",
            "蔡佳玲",
            "TSAI, CHIA-LING",
            Sex::Female,
            "1975-08-08",
            ("花蓮縣", "花蓮市"),
            "中山路100號",
            "蔡榮福",
            "郭鳳英",
        )
    },
    line(
        "no_certificate",
        "楊宗翰",
        "YANG, TSUNG-HAN",
        Sex::Male,
        "1995-04-01",
        ("屏東縣", "屏東市"),
        "自由路527號",
        "楊清正",
        "洪美華",
    ),
    line(
        "minor",
        "許芷晴",
        "HSU, CHIH-CHING",
        Sex::Female,
        "2017-10-10",
        ("宜蘭縣", "羅東鎮"),
        "中正北路12號",
        "許家豪",
        "簡怡婷",
    ),
    Line {
        spouse: Some("鄭陳月珠"),
        ..line(
            "senior",
            "鄭水木",
            "CHENG, SHUI-MU",
            Sex::Male,
            "1948-02-29",
            ("澎湖縣", "馬公市"),
            "治平路32號",
            "鄭金水",
            "呂秀月",
        )
    },
    // Characters of the Unicode planes 2 (吉 with a long lower stroke), 3 and 15 (private use): CNS 11643 6-2428,
    // 5-7C53 and 11-6A3B.
    Line {
        spouse: Some("游\u{2137C}\u{FB379}"),
        ..line(
            "rare_characters",
            "\u{20BB7}\u{30E6C}\u{FB379}",
            "CHI, HSUN-LING",
            Sex::Female,
            "1988-06-18",
            ("金門縣", "金城鎮"),
            "民生路2號",
            "\u{20BB7}金木",
            "翁\u{2000B}珠",
        )
    },
];

#[allow(clippy::too_many_arguments)] // One row of a table.
const fn line(
    persona: &'static str,
    name: &'static str,
    romanised: &'static str,
    sex: Sex,
    birth: &'static str,
    place: (&'static str, &'static str),
    rest: &'static str,
    father: &'static str,
    mother: &'static str,
) -> Line {
    Line { persona, name, romanised, foreign: None, sex, birth, place, rest, spouse: None, father, mother }
}

/// The personas, in a fixed order.
pub fn sample_persons() -> Vec<SamplePerson> {
    LINES.iter().enumerate().filter_map(|(index, line)| line.person(index)).collect()
}

impl Line {
    fn person(&self, index: usize) -> Option<SamplePerson> {
        let divisions = Divisions::bundled();
        let county = divisions.counties().iter().find(|c| c.name == self.place.0)?;
        let district = divisions.districts_of(county.code).iter().find(|d| d.name == self.place.1)?;
        let village = divisions.villages_of(district.code).first()?;
        let mut name = PersonName::new(self.name).ok()?.with_romanised(self.romanised).ok()?;
        if let Some(foreign) = self.foreign {
            name = name.with_foreign(foreign).ok()?;
        }
        let relative = |text: &str| PersonName::new(text).ok();
        let birth: RocDate = self.birth.parse().ok()?;
        let adult = birth < RocDate::new(2006, 1, 1).ok()?;
        let person = Person {
            id: number(letter_of(village), self.sex, 9_000_000 + index as u64 * 137),
            name,
            birth,
            sex: self.sex,
            address: Address::new(village.code, 3 + index as u16, self.rest).ok()?,
            marital: if self.spouse.is_some() { MaritalStatus::Married } else { MaritalStatus::Single },
            military: match self.sex {
                Sex::Male if adult => MilitaryServiceCategory::Standing,
                _ => MilitaryServiceCategory::None,
            },
            spouse: self.spouse.and_then(relative),
            father: relative(self.father),
            mother: relative(self.mother),
            birthplace: county.name.to_owned(),
            status: Status::Living,
            guardianship: false,
        };
        Some(SamplePerson { persona: self.persona, person })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_line_makes_a_person() {
        let persons = sample_persons();
        assert_eq!(persons.len(), LINES.len());
        let names: HashSet<_> = persons.iter().map(|p| p.persona).collect();
        assert_eq!(names.len(), 12);
        let ids: HashSet<_> = persons.iter().map(|p| p.person.id).collect();
        assert_eq!(ids.len(), 12);
        for sample in &persons {
            let p = &sample.person;
            assert!(p.father.is_some() && p.mother.is_some());
            assert!(p.name.codes().iter().all(Option::is_some), "{}", sample.persona);
        }
    }

    // proves: CARD-55
    #[test]
    fn the_rare_persona_has_characters_of_planes_2_3_and_15() {
        let persons = sample_persons();
        let rare = persons.iter().find(|p| p.persona == "rare_characters").expect("a persona");
        let planes: Vec<u32> = rare.person.name.chinese().chars().map(|c| u32::from(c) >> 16).collect();
        assert_eq!(planes, [2, 3, 15]);
        let codes: Vec<String> = rare.person.name.codes().iter().flatten().map(ToString::to_string).collect();
        assert_eq!(codes, ["6-2428", "5-7C53", "11-6A3B"]);
    }
}
