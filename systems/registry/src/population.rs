//! Invented households in the real villages, one after the other from a seed.
//!
//! A household has a village, an address and one to six members whose ages, names and relations fit together. The
//! same seed and day give the same persons in the same order on every machine.

use curve::{Random, SeedRandom};
use model::divisions::{Divisions, Village};
use model::{Address, MaritalStatus, MilitaryServiceCategory, NationalIdNo, PersonName, RocDate, Sex};

use crate::names::{FEMALE, MALE, RARE, ROADS, SURNAMES, Syllable};
use crate::person::{Person, Status};

/// Ten million numbers behind each letter and sex; far fewer persons than that are drawn for any of them.
pub(crate) const MOST: u64 = 25_000_000;

/// The persons of one seed, household by household.
pub struct Population {
    seed: u64,
    today: RocDate,
    household: u64,
    /// Members of the present household still to be given out, last first.
    members: Vec<Person>,
    numbers: Numbers,
}

impl Population {
    /// The population of `seed` as it is `today`.
    pub fn new(seed: u64, today: RocDate) -> Self {
        Self { seed, today, household: 0, members: Vec::new(), numbers: Numbers::default() }
    }

    fn next_household(&mut self) {
        let seed = [self.seed.to_be_bytes(), self.household.to_be_bytes()].concat();
        self.household += 1;
        let mut dice = Dice(SeedRandom::new(&seed));
        let mut household = Household::new(&mut dice, self.today, &mut self.numbers);
        household.fill(&mut dice);
        self.members = household.members;
        self.members.reverse();
    }
}

impl Iterator for Population {
    type Item = Person;

    fn next(&mut self) -> Option<Person> {
        while self.members.is_empty() {
            self.next_household();
        }
        self.members.pop()
    }
}

/// Gives each person a number of their own: a permutation of the running number of letter and sex.
#[derive(Default)]
struct Numbers {
    used: [[u64; 2]; 26],
}

impl Numbers {
    fn next(&mut self, letter: u8, sex: Sex) -> NationalIdNo {
        let used = &mut self.used[usize::from(letter % 26)][usize::from(sex == Sex::Female)];
        // 6,700,417 is prime and divides no power of ten, so the multiples run through all seven-digit numbers. The
        // summand keeps the first numbers free for the sample persons.
        let digits = (*used * 6_700_417 + 1_234_567) % 10_000_000;
        *used += 1;
        number(letter, sex, digits)
    }
}

/// The number with this letter (0 is A) and these seven digits.
pub(crate) fn number(letter: u8, sex: Sex, digits: u64) -> NationalIdNo {
    let mut random = [0; 9];
    random[0] = letter;
    random[1..].copy_from_slice(&digits.to_be_bytes());
    NationalIdNo::sample(sex, random)
}

/// The letter of a place of first registration, by county code.
pub(crate) fn letter_of(village: &Village) -> u8 {
    let county = village.code.district().county().to_string();
    let letter = match county.as_str() {
        "63000000" => b'A',
        "66000000" => b'B',
        "10017000" => b'C',
        "67000000" => b'D',
        "64000000" => b'E',
        "65000000" => b'F',
        "10002000" => b'G',
        "68000000" => b'H',
        "10020000" => b'I',
        "10004000" => b'J',
        "10005000" => b'K',
        "10008000" => b'M',
        "10007000" => b'N',
        "10018000" => b'O',
        "10009000" => b'P',
        "10010000" => b'Q',
        "10013000" => b'T',
        "10015000" => b'U',
        "10014000" => b'V',
        "09020000" => b'W',
        "10016000" => b'X',
        _ => b'Z',
    };
    letter - b'A'
}

struct Household<'a> {
    today: RocDate,
    numbers: &'a mut Numbers,
    village: &'static Village,
    address: Option<Address>,
    birthplace: String,
    members: Vec<Person>,
}

impl<'a> Household<'a> {
    fn new(dice: &mut Dice, today: RocDate, numbers: &'a mut Numbers) -> Self {
        let divisions = Divisions::bundled();
        let village = dice.pick(divisions.villages());
        let neighbourhood = 1 + dice.below(25) as u16;
        let rest = match dice.below(3) {
            0 => format!("{}{}號", dice.pick(ROADS), 1 + dice.below(400)),
            1 => format!("{}{}號{}樓", dice.pick(ROADS), 1 + dice.below(300), 2 + dice.below(12)),
            _ => format!("{}{}巷{}號", dice.pick(ROADS), 1 + dice.below(120), 1 + dice.below(60)),
        };
        let county = divisions.county(village.code.district().county());
        Self {
            today,
            numbers,
            village,
            address: Address::new(village.code, neighbourhood, &rest).ok(),
            birthplace: county.map(|county| county.name.to_owned()).unwrap_or_default(),
            members: Vec::new(),
        }
    }

    fn fill(&mut self, dice: &mut Dice) {
        match dice.below(100) {
            // One person alone.
            0..25 => {
                let age = 20 + dice.below(65);
                let sex = dice.sex();
                self.member(dice, Birth { age, sex, surname: None, parents: None });
            }
            // An elderly couple.
            25..37 => {
                let age = 66 + dice.below(25);
                self.couple(dice, age);
            }
            // Parents with children, sometimes with a grandmother.
            kind => {
                let age = 27 + dice.below(32);
                let Some((father, mother, surname)) = self.couple(dice, age) else { return };
                for _ in 0..dice.below(4) {
                    let child = Birth {
                        age: dice.below((age - 24).clamp(1, 25)),
                        sex: dice.sex(),
                        surname: Some(surname),
                        parents: Some((father.clone(), mother.clone())),
                    };
                    self.member(dice, child);
                }
                if kind >= 88 {
                    let grandmother = Birth {
                        age: age + 24 + dice.below(8),
                        sex: Sex::Female,
                        surname: None,
                        parents: None,
                    };
                    self.member(dice, grandmother);
                }
            }
        }
    }

    /// Two members married to each other; their names and the family's surname.
    fn couple(&mut self, dice: &mut Dice, age: u64) -> Option<(PersonName, PersonName, &'static Syllable)> {
        let surname = dice.surname();
        let first = self.members.len();
        self.member(dice, Birth { age, sex: Sex::Male, surname: Some(surname), parents: None });
        let younger = age.saturating_sub(dice.below(5)).max(20);
        self.member(dice, Birth { age: younger, sex: Sex::Female, surname: None, parents: None });
        let [.., husband, wife] = self.members.get_mut(first..)? else { return None };
        husband.marital = MaritalStatus::Married;
        wife.marital = MaritalStatus::Married;
        husband.spouse = Some(wife.name.clone());
        wife.spouse = Some(husband.name.clone());
        Some((husband.name.clone(), wife.name.clone(), surname))
    }

    fn member(&mut self, dice: &mut Dice, birth: Birth) {
        let Birth { age, sex, surname, parents } = birth;
        let surname = surname.unwrap_or_else(|| dice.surname());
        let (father, mother) = match parents {
            Some((father, mother)) => (Some(father), Some(mother)),
            None => (dice.name(surname, Sex::Male), {
                let other = dice.surname();
                dice.name(other, Sex::Female)
            }),
        };
        let (Some(name), Some(address)) = (dice.name(surname, sex), self.address.clone()) else { return };
        let birth = dice.birth(self.today, age);
        self.members.push(Person {
            id: self.numbers.next(letter_of(self.village), sex),
            name,
            birth,
            sex,
            address,
            marital: MaritalStatus::Single,
            military: dice.military(sex, birth.years_until(self.today)),
            spouse: None,
            father,
            mother,
            birthplace: self.birthplace.clone(),
            status: dice.status(self.today),
            guardianship: dice.below(250) == 0,
        });
    }
}

struct Birth {
    age: u64,
    sex: Sex,
    surname: Option<&'static Syllable>,
    parents: Option<(PersonName, PersonName)>,
}

/// Choices drawn from a reproducible generator.
struct Dice(SeedRandom);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_be_bytes(bytes) % bound.max(1)
    }

    fn pick<T>(&mut self, from: &'static [T]) -> &'static T {
        &from[self.below(from.len() as u64) as usize]
    }

    fn sex(&mut self) -> Sex {
        if self.below(2) == 0 { Sex::Male } else { Sex::Female }
    }

    fn surname(&mut self) -> &'static Syllable {
        let total: u32 = SURNAMES.iter().map(|(_, weight)| weight).sum();
        let mut at = self.below(u64::from(total)) as u32;
        for (surname, weight) in SURNAMES {
            if at < *weight {
                return surname;
            }
            at -= weight;
        }
        &SURNAMES[0].0
    }

    fn name(&mut self, surname: &Syllable, sex: Sex) -> Option<PersonName> {
        let list = if sex == Sex::Male { MALE } else { FEMALE };
        let first = self.pick(list);
        let second = match self.below(1_000) {
            0..8 => Some(self.pick(RARE)),
            8..60 => None,
            _ => Some(self.pick(list)),
        };
        compose(surname, first, second)
    }

    fn birth(&mut self, today: RocDate, age: u64) -> RocDate {
        let birthday = today.plus_years(-(age as i16));
        let earlier = i64::try_from(self.below(365)).unwrap_or(0);
        birthday.date().checked_sub(jiff::Span::new().days(earlier)).map_or(birthday, RocDate::from)
    }

    fn military(&mut self, sex: Sex, age: i16) -> MilitaryServiceCategory {
        use MilitaryServiceCategory::{
            Alternative, Exempt, Militia, None, NotServed, Officer, Replacement, Standing,
        };
        match (sex, age, self.below(100)) {
            (Sex::Female, ..) | (_, ..18, _) => None,
            (_, 18..22, 0..75) => NotServed,
            (_, _, 0..70) => Standing,
            (_, _, 70..85) => Alternative,
            (_, _, 85..90) => Replacement,
            (_, _, 90..94) => Exempt,
            (_, _, 94..97) => Militia,
            _ => Officer,
        }
    }

    fn status(&mut self, today: RocDate) -> Status {
        let since = today.plus_years(-1 - (self.below(8) as i16));
        match self.below(1_000) {
            0..8 => Status::Deceased(since),
            8..20 => Status::Abroad(since),
            20 => Status::Missing(since),
            _ => Status::Living,
        }
    }
}

/// A name of surname and one or two given characters, romanised as in a passport.
pub(crate) fn compose(surname: &Syllable, first: &Syllable, second: Option<&Syllable>) -> Option<PersonName> {
    let han = [surname.han, first.han, second.map_or("", |s| s.han)].concat();
    let given = match second {
        Some(second) => format!("{}-{}", first.latin, second.latin),
        None => first.latin.to_owned(),
    };
    PersonName::new(&han).ok()?.with_romanised(&format!("{}, {given}", surname.latin)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn today() -> RocDate {
        "2026-07-01".parse().expect("a date")
    }

    #[test]
    fn the_same_seed_gives_the_same_persons() {
        let one: Vec<_> = Population::new(7, today()).take(300).collect();
        let two: Vec<_> = Population::new(7, today()).take(300).collect();
        let other: Vec<_> = Population::new(8, today()).take(300).collect();
        assert!(one == two && one != other);
    }

    #[test]
    fn persons_are_whole_and_numbers_are_their_own() {
        let persons: Vec<_> = Population::new(1, today()).take(20_000).collect();
        let ids: HashSet<_> = persons.iter().map(|p| p.id).collect();
        assert_eq!(ids.len(), persons.len());
        let villages: HashSet<_> = persons.iter().map(|p| p.address.village()).collect();
        assert!(villages.len() > 3_500, "{} villages", villages.len());
        let share = |test: &dyn Fn(&Person) -> bool| persons.iter().filter(|p| test(p)).count();
        assert!(share(&|p| p.name.has_rare_characters()) > 50);
        assert!(share(&|p| p.status != Status::Living) > 200);
        assert!(share(&|p| p.guardianship) > 30);
        assert!(share(&|p| p.age_on(today()) < 14) > 500);
        assert!(share(&|p| p.age_on(today()) >= 65) > 1_000);
        for p in &persons {
            assert_eq!(p.id.sex(), p.sex);
            assert_eq!(p.spouse.is_some(), p.marital == MaritalStatus::Married);
            assert!(p.name.latin().is_some());
            assert!(p.birth <= today() && p.age_on(today()) < 120);
            assert!(p.age_on(today()) >= 18 || p.military == MilitaryServiceCategory::None);
        }
    }

    #[test]
    fn every_syllable_has_a_place_in_the_tables() {
        for syllable in SURNAMES.iter().map(|(s, _)| s).chain(MALE).chain(FEMALE).chain(RARE) {
            let name = PersonName::new(syllable.han).expect("a name");
            assert!(name.codes().iter().all(Option::is_some), "{:?}", syllable.han);
        }
        assert!(RARE.iter().all(|s| s.han.chars().all(model::is_rare)));
    }
}
