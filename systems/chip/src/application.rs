//! The applications of the card and their identifiers (ISO/IEC 7816-4 §12.2.3).

use crate::access::{Interface, Zone};
use crate::profile::Profile;

/// What SELECT by identifier can select, and the MF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Application {
    /// The master file: no application.
    Master,
    /// Household zone.
    Household,
    /// Public zone under its national identifier.
    PublicNational,
    /// Public zone under the eMRTD identifier.
    PublicIcao,
    /// Encrypted zone.
    Eid,
    /// Certificate zone as a SmartCard-HSM shows it.
    SmartCardHsm,
    /// Certificate zone as PKCS #15 shows it.
    Pkcs15,
    /// The issuer security domain: production and PIN management.
    Issuer,
}

impl Application {
    /// Everything that has an identifier.
    pub const ALL: [Self; 7] = [
        Self::Household,
        Self::PublicNational,
        Self::PublicIcao,
        Self::Eid,
        Self::SmartCardHsm,
        Self::Pkcs15,
        Self::Issuer,
    ];

    /// The application identifier.
    pub const fn aid(self) -> &'static [u8] {
        match self {
            Self::Master => &[],
            Self::Household => &[0xF0, 0x4E, 0x45, 0x49, 0x44, 0x48, 0x01],
            Self::PublicNational => &[0xF0, 0x4E, 0x45, 0x49, 0x44, 0x50, 0x01],
            // ICAO 9303-10 §3.11.1: the LDS1 eMRTD application.
            Self::PublicIcao => &[0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01],
            // TR-03110-4 §2.2: the eID application.
            Self::Eid => &[0xE8, 0x07, 0x04, 0x00, 0x7F, 0x00, 0x07, 0x03, 0x02],
            Self::SmartCardHsm => &[0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x01],
            // ISO/IEC 7816-15 §7.5.3: RID of PKCS #15, "PKCS-15".
            Self::Pkcs15 => &[0xA0, 0x00, 0x00, 0x00, 0x63, 0x50, 0x4B, 0x43, 0x53, 0x2D, 0x31, 0x35],
            Self::Issuer => &[0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00],
        }
    }

    /// The application with exactly this identifier.
    pub fn from_aid(aid: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.aid() == aid)
    }

    /// The file identifier of its DF. The eMRTD identifier is a second name of the public zone's DF.
    pub const fn fid(self) -> u16 {
        match self {
            Self::Master => 0x3F00,
            Self::Household => 0x4801,
            Self::PublicNational | Self::PublicIcao => 0x5001,
            Self::Eid => 0x6501,
            Self::SmartCardHsm => 0x4301,
            // PKCS #15 v1.1 §5.5: DF(PKCS15) is 5015 under the MF.
            Self::Pkcs15 => 0x5015,
            Self::Issuer => 0x7501,
        }
    }

    /// What people call it, in EF.DIR.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Master => "",
            Self::Household => "戶籍地區 Household",
            Self::PublicNational => "公開區 Public",
            Self::PublicIcao => "eMRTD",
            Self::Eid => "加密區 eID",
            Self::SmartCardHsm => "SmartCard-HSM",
            Self::Pkcs15 => "自然人憑證 Certificates",
            Self::Issuer => "",
        }
    }

    /// The zone whose files it shows.
    pub const fn zone(self) -> Zone {
        match self {
            Self::Master => Zone::Card,
            Self::Household => Zone::Household,
            Self::PublicNational | Self::PublicIcao => Zone::Public,
            Self::Eid => Zone::Encrypted,
            Self::SmartCardHsm | Self::Pkcs15 => Zone::Certificate,
            Self::Issuer => Zone::System,
        }
    }

    /// Whether the profile installs it on `interface`.
    pub const fn answers(self, profile: &Profile, interface: Interface) -> bool {
        match self {
            Self::Master => true,
            Self::Household => profile.household.on(interface),
            Self::PublicNational => profile.public_national.on(interface),
            Self::PublicIcao => profile.public_icao.on(interface),
            Self::Eid => profile.eid.on(interface),
            Self::SmartCardHsm | Self::Pkcs15 => profile.certificate.on(interface),
            Self::Issuer => matches!(interface, Interface::Contact),
        }
    }

    /// Its bit in the record of suspended applications.
    pub(crate) const fn bit(self) -> u8 {
        1 << self.zone() as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_as_long_as_the_standard_allows_and_different() {
        for (i, application) in Application::ALL.into_iter().enumerate() {
            assert!((5..=16).contains(&application.aid().len()));
            assert!(Application::ALL[i + 1..].iter().all(|other| other.aid() != application.aid()));
        }
    }
}
