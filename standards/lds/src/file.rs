//! The elementary files of an eMRTD application (ICAO 9303-10 §4): number, tag, file identifier, short identifier, names.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// EF.COM, the sixteen data groups and EF.SOD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DataGroup {
    /// EF.COM: version and list of the data groups present.
    Com = 0x1E,
    /// Machine readable zone.
    Dg1 = 1,
    /// Face.
    Dg2 = 2,
    /// Fingers; never on this card (CARD-17).
    Dg3 = 3,
    /// Irises; never on this card.
    Dg4 = 4,
    /// Displayed portrait.
    Dg5 = 5,
    /// Reserved.
    Dg6 = 6,
    /// Displayed signature.
    Dg7 = 7,
    /// Data features.
    Dg8 = 8,
    /// Structure features.
    Dg9 = 9,
    /// Substance features.
    Dg10 = 10,
    /// Additional personal details.
    Dg11 = 11,
    /// Additional document details.
    Dg12 = 12,
    /// Optional details, with our own schema.
    Dg13 = 13,
    /// Security options.
    Dg14 = 14,
    /// Active Authentication public key.
    Dg15 = 15,
    /// Persons to notify.
    Dg16 = 16,
    /// EF.SOD: the document security object.
    Sod = 0x1D,
}

impl DataGroup {
    /// EF.COM, DG1 to DG16, EF.SOD.
    pub const ALL: [Self; 18] = [
        Self::Com,
        Self::Dg1,
        Self::Dg2,
        Self::Dg3,
        Self::Dg4,
        Self::Dg5,
        Self::Dg6,
        Self::Dg7,
        Self::Dg8,
        Self::Dg9,
        Self::Dg10,
        Self::Dg11,
        Self::Dg12,
        Self::Dg13,
        Self::Dg14,
        Self::Dg15,
        Self::Dg16,
        Self::Sod,
    ];

    /// The data groups of our Public Zone with EF.COM and EF.SOD, in the order in which a reader takes them.
    pub const PUBLIC_ZONE: [Self; 9] = [
        Self::Com,
        Self::Sod,
        Self::Dg1,
        Self::Dg2,
        Self::Dg11,
        Self::Dg12,
        Self::Dg13,
        Self::Dg14,
        Self::Dg15,
    ];

    /// 1 to 16; `None` for EF.COM and EF.SOD, which have no data group number.
    pub const fn number(self) -> Option<u8> {
        match self {
            Self::Com | Self::Sod => None,
            _ => Some(self as u8),
        }
    }

    /// The data group with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|dg| dg.number() == Some(number))
    }

    // ICAO 9303-10 §4.6, Table 35 and following: the tag of each file.
    /// The outermost tag of the file.
    pub const fn tag(self) -> u32 {
        match self {
            Self::Com => 0x60,
            Self::Dg1 => 0x61,
            Self::Dg2 => 0x75,
            Self::Dg3 => 0x63,
            Self::Dg4 => 0x76,
            Self::Dg5 => 0x65,
            Self::Dg6 => 0x66,
            Self::Dg7 => 0x67,
            Self::Dg8 => 0x68,
            Self::Dg9 => 0x69,
            Self::Dg10 => 0x6A,
            Self::Dg11 => 0x6B,
            Self::Dg12 => 0x6C,
            Self::Dg13 => 0x6D,
            Self::Dg14 => 0x6E,
            Self::Dg15 => 0x6F,
            Self::Dg16 => 0x70,
            Self::Sod => 0x77,
        }
    }

    /// The file with this outermost tag.
    pub fn from_tag(tag: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|dg| dg.tag() == tag)
    }

    /// The file identifier.
    pub const fn fid(self) -> u16 {
        0x0100 | self as u16
    }

    /// The file with this identifier.
    pub fn from_fid(fid: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|dg| dg.fid() == fid)
    }

    /// The short file identifier.
    pub const fn sfi(self) -> u8 {
        self as u8
    }

    /// `EF.COM`, `DG1`, `EF.SOD`, for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Com => "EF.COM",
            Self::Dg1 => "DG1",
            Self::Dg2 => "DG2",
            Self::Dg3 => "DG3",
            Self::Dg4 => "DG4",
            Self::Dg5 => "DG5",
            Self::Dg6 => "DG6",
            Self::Dg7 => "DG7",
            Self::Dg8 => "DG8",
            Self::Dg9 => "DG9",
            Self::Dg10 => "DG10",
            Self::Dg11 => "DG11",
            Self::Dg12 => "DG12",
            Self::Dg13 => "DG13",
            Self::Dg14 => "DG14",
            Self::Dg15 => "DG15",
            Self::Dg16 => "DG16",
            Self::Sod => "EF.SOD",
        }
    }

    /// `ef_com.bin`, `dg1.bin`, `ef_sod.bin`: the name under which a reader stores the file.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Com => "ef_com.bin",
            Self::Dg1 => "dg1.bin",
            Self::Dg2 => "dg2.bin",
            Self::Dg3 => "dg3.bin",
            Self::Dg4 => "dg4.bin",
            Self::Dg5 => "dg5.bin",
            Self::Dg6 => "dg6.bin",
            Self::Dg7 => "dg7.bin",
            Self::Dg8 => "dg8.bin",
            Self::Dg9 => "dg9.bin",
            Self::Dg10 => "dg10.bin",
            Self::Dg11 => "dg11.bin",
            Self::Dg12 => "dg12.bin",
            Self::Dg13 => "dg13.bin",
            Self::Dg14 => "dg14.bin",
            Self::Dg15 => "dg15.bin",
            Self::Dg16 => "dg16.bin",
            Self::Sod => "ef_sod.bin",
        }
    }

    /// The value inside the outermost tag of an encoded file.
    pub fn unwrap(self, file: &[u8]) -> Result<&[u8], Error> {
        Ok(tlv::expect(file, self.tag()).map_err(Error::tlv(self.name()))?.value)
    }

    /// The encoded file around a value.
    pub fn wrap(self, value: &[u8]) -> Vec<u8> {
        tlv::encode(self.tag(), value)
    }
}

impl fmt::Display for DataGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DataGroup {
    type Err = Error;

    /// Reads `DG1`, `EF.COM`, `dg1.bin`, `ef_com.bin`.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|dg| text.eq_ignore_ascii_case(dg.name()) || text == dg.file_name())
            .ok_or(Error::Unwritable("file name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_unique_and_read_back() {
        for dg in DataGroup::ALL {
            assert_eq!(DataGroup::from_tag(dg.tag()), Some(dg));
            assert_eq!(DataGroup::from_fid(dg.fid()), Some(dg));
            assert_eq!(dg.name().parse(), Ok(dg));
            assert_eq!(dg.file_name().parse(), Ok(dg));
            assert!((1..=30).contains(&dg.sfi()));
        }
        assert_eq!(
            (DataGroup::Com.fid(), DataGroup::Sod.fid(), DataGroup::Dg15.fid()),
            (0x011E, 0x011D, 0x010F)
        );
        assert_eq!(
            (DataGroup::from_number(0), DataGroup::from_number(17), DataGroup::from_number(0x1E)),
            (None, None, None)
        );
        assert_eq!(DataGroup::from_number(16), Some(DataGroup::Dg16));
    }
}
