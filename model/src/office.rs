//! The codes by which offices and cases are known.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::divisions::DistrictCode;

/// A household registration office (戶政事務所): the district code it stands in and two digits for the office or branch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OfficeCode([u8; 10]);

/// The number of an application: `C`, the year of the Republic (3 digits), and a running number of eight digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CaseNo([u8; 12]);

impl OfficeCode {
    /// The office or branch `number` of a district; 00 is the central office (中心所).
    pub fn new(district: DistrictCode, number: u8) -> Result<Self, Error> {
        format!("{district}{number:02}").parse()
    }

    /// The code in full.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The district the office stands in.
    pub fn district(&self) -> Result<DistrictCode, Error> {
        self.as_str()[..8].parse()
    }
}

impl CaseNo {
    /// The case `number` of a year of the Republic.
    pub fn new(roc_year: u16, number: u32) -> Result<Self, Error> {
        format!("C{roc_year:03}{number:08}").parse()
    }

    /// The number in full.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for OfficeCode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes: [u8; 10] = text.as_bytes().try_into().map_err(|_| Error::Form("office code"))?;
        if bytes.iter().all(u8::is_ascii_digit) { Ok(Self(bytes)) } else { Err(Error::Form("office code")) }
    }
}

impl FromStr for CaseNo {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes: [u8; 12] = text.as_bytes().try_into().map_err(|_| Error::Form("case number"))?;
        let form = bytes[0] == b'C' && bytes[1..].iter().all(u8::is_ascii_digit);
        if form { Ok(Self(bytes)) } else { Err(Error::Form("case number")) }
    }
}

macro_rules! shown {
    ($($type:ident),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self.as_str())
            }
        }
        crate::text::string_conversions!($type);
    )*};
}

shown!(OfficeCode, CaseNo);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_one_form() {
        let district: DistrictCode = "63000010".parse().expect("a code");
        assert_eq!(OfficeCode::new(district, 0).map(|o| o.to_string()), Ok("6300001000".into()));
        assert_eq!(OfficeCode::new(district, 0).and_then(|o| o.district()), Ok(district));
        assert_eq!(OfficeCode::new(district, 100), Err(Error::Form("office code")));
        assert_eq!(CaseNo::new(115, 42).map(|c| c.to_string()), Ok("C11500000042".into()));
        assert_eq!("X11500000042".parse::<CaseNo>(), Err(Error::Form("case number")));
        assert_eq!("C1150000004".parse::<CaseNo>(), Err(Error::Form("case number")));
    }
}
