//! A person as the household register knows one.

use model::{Address, MaritalStatus, MilitaryServiceCategory, NationalIdNo, PersonName, RocDate, Sex};
use serde::{Deserialize, Serialize};

use crate::RegistryError;

/// Everything a card shows or stores of a person, and what decides whether a card may be issued.
///
/// Personal data: `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// National identification number (國民身分證統一編號).
    pub id: NationalIdNo,
    /// Name with characters as registered, romanised and foreign form.
    pub name: PersonName,
    /// Date of birth.
    pub birth: RocDate,
    /// Sex.
    pub sex: Sex,
    /// Registered address (戶籍地址).
    pub address: Address,
    /// Whether married.
    pub marital: MaritalStatus,
    /// Military service category (役別).
    pub military: MilitaryServiceCategory,
    /// Spouse's name.
    pub spouse: Option<PersonName>,
    /// Father's name.
    pub father: Option<PersonName>,
    /// Mother's name.
    pub mother: Option<PersonName>,
    /// Place of birth (出生地): a county or city.
    pub birthplace: String,
    /// Whether and where the person lives.
    pub status: Status,
    /// Under guardianship (受監護宣告).
    pub guardianship: bool,
}

/// What the register says of a person's whereabouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status", content = "since")]
pub enum Status {
    /// Registered in the country (現戶戶籍之現住人口).
    Living,
    /// Dead, or declared dead.
    Deceased(RocDate),
    /// Registration moved abroad (戶籍遷出國外).
    Abroad(RocDate),
    /// On the missing list (失蹤人口).
    Missing(RocDate),
}

impl Person {
    /// Completed years on `day`.
    pub fn age_on(&self, day: RocDate) -> i16 {
        self.birth.years_until(day)
    }

    /// The stored form, for a system that seals what the register said at one moment.
    pub fn to_stored(&self) -> Result<Vec<u8>, RegistryError> {
        serde_json::to_vec(&StoredPerson::from(self.clone())).map_err(|_| RegistryError::Data("person"))
    }

    /// Reads the stored form.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, RegistryError> {
        let stored: StoredPerson =
            serde_json::from_slice(bytes).map_err(|_| RegistryError::Data("person"))?;
        Ok(stored.into())
    }
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person(***)")
    }
}

/// The stored form, version 1. Fields are only added, with a default.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPerson {
    id: NationalIdNo,
    name: PersonName,
    birth: RocDate,
    sex: Sex,
    address: Address,
    marital: MaritalStatus,
    military: MilitaryServiceCategory,
    spouse: Option<PersonName>,
    father: Option<PersonName>,
    mother: Option<PersonName>,
    birthplace: String,
    status: Status,
    guardianship: bool,
}

impl From<Person> for StoredPerson {
    fn from(p: Person) -> Self {
        let Person {
            id,
            name,
            birth,
            sex,
            address,
            marital,
            military,
            spouse,
            father,
            mother,
            birthplace,
            status,
            guardianship,
        } = p;
        Self {
            id,
            name,
            birth,
            sex,
            address,
            marital,
            military,
            spouse,
            father,
            mother,
            birthplace,
            status,
            guardianship,
        }
    }
}

impl From<StoredPerson> for Person {
    fn from(p: StoredPerson) -> Self {
        let StoredPerson {
            id,
            name,
            birth,
            sex,
            address,
            marital,
            military,
            spouse,
            father,
            mother,
            birthplace,
            status,
            guardianship,
        } = p;
        Self {
            id,
            name,
            birth,
            sex,
            address,
            marital,
            military,
            spouse,
            father,
            mother,
            birthplace,
            status,
            guardianship,
        }
    }
}
