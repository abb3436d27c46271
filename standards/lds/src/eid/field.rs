//! The six fields of the zone and where they stand.

use std::fmt;

/// One of the six fields of the Encrypted Zone (CARD-28).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// 配偶姓名
    Spouse,
    /// 父姓名
    Father,
    /// 母姓名
    Mother,
    /// 出生地
    Birthplace,
    /// 性別
    Sex,
    /// 讀取碼: with it an authorised reader goes on to the Public Zone (OPEN-04).
    AccessNumber,
}

impl Field {
    /// All of them, in the order of the catalogue.
    pub const ALL: [Self; 6] =
        [Self::Spouse, Self::Father, Self::Mother, Self::Birthplace, Self::Sex, Self::AccessNumber];

    /// The word for it in reports and profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spouse => "spouse",
            Self::Father => "father",
            Self::Mother => "mother",
            Self::Birthplace => "birthplace",
            Self::Sex => "sex",
            Self::AccessNumber => "access-number",
        }
    }

    /// Its name in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Spouse => "配偶姓名",
            Self::Father => "父姓名",
            Self::Mother => "母姓名",
            Self::Birthplace => "出生地",
            Self::Sex => "性別",
            Self::AccessNumber => "讀取碼",
        }
    }

    /// The field with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Whether it may change without a new card.
    // CARD-45, table 4.
    pub const fn is_updatable(self) -> bool {
        matches!(self, Self::Spouse | Self::Father | Self::Mother | Self::Birthplace)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The data group of each field, and the document type (DG1) that says so to readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Placement {
    document_type: &'static str,
    groups: [u8; 6],
}

impl Placement {
    /// What citizens get: fields that TR-03110-4 does not know stand in data groups 14 to 16 with national types, and the
    /// document type says so, so that no foreign server takes DG15 for a date.
    pub const NATIONAL: Self = Self { document_type: "NE", groups: [14, 15, 16, 9, 11, 12] };
    /// The sample card for tests with foreign programs: every field stands in a data group whose right such programs let
    /// through. Their labels are wrong then: a test of protocols, not a product.
    pub const INTEROP: Self = Self { document_type: "ID", groups: [18, 19, 20, 9, 7, 13] };

    /// Both.
    pub const ALL: [Self; 2] = [Self::NATIONAL, Self::INTEROP];

    /// The placement a document type stands for.
    pub fn from_document_type(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|placement| placement.document_type == text)
    }

    /// The placement that has exactly these data groups.
    pub fn from_groups(groups: impl IntoIterator<Item = u8>) -> Option<Self> {
        let mut groups: Vec<u8> = groups.into_iter().collect();
        groups.sort_unstable();
        Self::ALL.into_iter().find(|placement| placement.groups() == groups)
    }

    /// The document type.
    pub const fn document_type(&self) -> &'static str {
        self.document_type
    }

    /// The data group of a field.
    pub const fn group(&self, field: Field) -> u8 {
        self.groups[field as usize]
    }

    /// The field in a data group, if it holds one.
    pub fn field(&self, group: u8) -> Option<Field> {
        Field::ALL.into_iter().find(|field| self.group(*field) == group)
    }

    /// Every data group of the zone in ascending order: the fields and the mirrors.
    pub fn groups(&self) -> Vec<u8> {
        let mut groups: Vec<u8> = self.groups.into_iter().chain(super::MIRRORS).collect();
        groups.sort_unstable();
        groups
    }

    /// Whether fields are written in national types.
    pub(super) fn is_national(&self) -> bool {
        *self == Self::NATIONAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: CARD-28
    #[test]
    fn every_field_has_a_data_group_of_its_own() {
        for placement in Placement::ALL {
            let groups = placement.groups();
            assert_eq!(groups.len(), 13);
            assert!(groups.windows(2).all(|pair| pair[0] < pair[1]), "none stands twice: {groups:?}");
            for field in Field::ALL {
                assert_eq!(placement.field(placement.group(field)), Some(field));
                assert_eq!(Field::from_name(field.name()), Some(field));
            }
            assert_eq!(Placement::from_document_type(placement.document_type()), Some(placement));
            assert_eq!(Placement::from_groups(groups), Some(placement));
        }
        assert_eq!(Placement::from_document_type("P"), None);
    }

    // proves: CARD-45
    #[test]
    fn four_fields_may_change_and_two_never() {
        let changing: Vec<_> = Field::ALL.into_iter().filter(|field| field.is_updatable()).collect();
        assert_eq!(changing, [Field::Spouse, Field::Father, Field::Mother, Field::Birthplace]);
    }
}
