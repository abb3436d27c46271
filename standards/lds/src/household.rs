//! The Household Zone (CARD-20): county, district, village and neighbourhood by code and by name, and nothing else. All
//! residents of a neighbourhood have the same bytes, so that neither they nor their signature can track a card (OPEN-03).

use crate::Error;
use crate::public_zone::Address;

/// The content of the Household Zone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HouseholdData {
    /// The county or city (縣市).
    pub county: String,
    /// The township or district (鄉鎮市區).
    pub district: String,
    /// The village (村里).
    pub village: String,
    /// The code of the village, eleven digits (村里代碼).
    pub village_code: String,
    /// The number of the neighbourhood (鄰).
    pub neighbourhood: u16,
}

const FILE: &str = "the Household Zone";

impl HouseholdData {
    /// Whether this is the neighbourhood of the address.
    pub fn is_of(&self, address: &Address) -> bool {
        let Self { county, district, village, village_code, neighbourhood } = self;
        *county == address.county
            && *district == address.district
            && *village == address.village
            && *village_code == address.village_code
            && *neighbourhood == address.neighbourhood
    }

    // docs/public-zone.md, section 3:
    // SEQUENCE { version INTEGER (0), villageCode PrintableString, neighbourhood INTEGER, county UTF8String,
    //            district UTF8String, village UTF8String }
    /// Encodes the zone in DER, the content that the document signer signs.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let code = self.village_code.as_bytes();
        if code.len() != 11 || !code.iter().all(u8::is_ascii_digit) {
            return Err(Error::Unwritable("village code"));
        }
        if self.neighbourhood == 0 {
            return Err(Error::Unwritable("neighbourhood"));
        }
        Ok(tlv::sequence(&[
            &tlv::integer_unsigned(&[0]),
            &tlv::encode(0x13, code),
            &tlv::integer_unsigned(&self.neighbourhood.to_be_bytes()),
            &tlv::encode(0x0C, self.county.as_bytes()),
            &tlv::encode(0x0C, self.district.as_bytes()),
            &tlv::encode(0x0C, self.village.as_bytes()),
        ]))
    }

    /// Reads the zone.
    pub fn decode(der: &[u8]) -> Result<Self, Error> {
        let tlv_error = Error::tlv(FILE);
        let malformed = |what| Error::Malformed { file: FILE, what };
        let mut reader = tlv::expect(der, 0x30).map_err(tlv_error)?.children();
        match reader.expect(0x02).map_err(tlv_error)?.value {
            [0] => {}
            [version] => return Err(Error::Version { file: FILE, version: u64::from(*version) }),
            _ => return Err(malformed("the version")),
        }
        let code = reader.expect(0x13).map_err(tlv_error)?.value;
        if code.len() != 11 || !code.iter().all(u8::is_ascii_digit) {
            return Err(malformed("the village code"));
        }
        let neighbourhood = match reader.expect(0x02).map_err(tlv_error)?.value {
            [low @ 1..=0x7F] => u16::from(*low),
            [high @ 0..=0x7F, low] => u16::from_be_bytes([*high, *low]),
            [0, high @ 0x80..=0xFF, low] => u16::from_be_bytes([*high, *low]),
            _ => return Err(malformed("the neighbourhood")),
        };
        let mut text = |what| {
            let value = reader.expect(0x0C).map_err(tlv_error)?.value;
            std::str::from_utf8(value).map(str::to_owned).map_err(|_| malformed(what))
        };
        let (county, district, village) = (text("the county")?, text("the district")?, text("the village")?);
        reader.finish().map_err(tlv_error)?;
        let village_code = String::from_utf8_lossy(code).into_owned();
        Ok(Self { county, district, village, village_code, neighbourhood })
    }
}

impl std::fmt::Debug for HouseholdData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HouseholdData(***)")
    }
}
