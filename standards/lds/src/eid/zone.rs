//! The whole zone, as the issuer fills it.

use std::collections::BTreeMap;

use super::field::{Field, Placement};
use super::value::{PersonName, Sex, Value};
use crate::{Date, Error};

/// The content of the Encrypted Zone.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedZone {
    /// Where the fields stand.
    pub placement: Placement,
    /// Issuing state and nationality, three letters.
    pub state: String,
    /// Date of renewal; `None` from 65 years on (OPEN-09).
    pub expiry: Option<Date>,
    /// Given names in Latin letters.
    pub given_names: String,
    /// Family names in Latin letters.
    pub family_names: String,
    /// Date of birth.
    pub birth: Date,
    /// 配偶姓名
    pub spouse: Option<PersonName>,
    /// 父姓名
    pub father: Option<PersonName>,
    /// 母姓名
    pub mother: Option<PersonName>,
    /// 出生地
    pub birthplace: String,
    /// 性別
    pub sex: Sex,
    /// 讀取碼
    pub access_number: String,
}

impl EncryptedZone {
    /// The files of the zone by data group.
    pub fn files(&self) -> Result<BTreeMap<u8, Vec<u8>>, Error> {
        self.placement
            .groups()
            .into_iter()
            .map(|group| Ok((group, self.value(group).encode(&self.placement, group)?)))
            .collect()
    }

    /// The file of one field, for an update.
    pub fn file(&self, field: Field) -> Result<Vec<u8>, Error> {
        let group = self.placement.group(field);
        self.value(group).encode(&self.placement, group)
    }

    /// Whether the file of data group `group`, read back, says what the zone says (DOCPKI-05). An error is one of form.
    pub fn is_in(&self, group: u8, file: &[u8]) -> Result<bool, Error> {
        let mut value = self.value(group);
        // The sample card's data groups have no room for CNS 11643 codes.
        if let Value::Name(Some(name)) = &mut value
            && !self.placement.is_national()
        {
            name.cns.clear();
        }
        Ok(Value::decode(&self.placement, group, file)? == value)
    }

    fn value(&self, group: u8) -> Value {
        match (group, self.placement.field(group)) {
            (_, Some(Field::Spouse)) => Value::Name(self.spouse.clone()),
            (_, Some(Field::Father)) => Value::Name(self.father.clone()),
            (_, Some(Field::Mother)) => Value::Name(self.mother.clone()),
            (_, Some(Field::Birthplace)) => Value::Text(self.birthplace.clone()),
            (_, Some(Field::Sex)) => Value::Sex(self.sex),
            (_, Some(Field::AccessNumber)) => Value::Text(self.access_number.clone()),
            (1, None) => Value::Text(self.placement.document_type().to_owned()),
            (3, None) => Value::Date(self.expiry),
            (4, None) => Value::Text(self.given_names.clone()),
            (5, None) => Value::Text(self.family_names.clone()),
            (8, None) => Value::Date(Some(self.birth)),
            _ => Value::Text(self.state.clone()),
        }
    }
}

impl std::fmt::Debug for EncryptedZone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EncryptedZone(***)")
    }
}
