//! The file system as a table: for every file where it is, whose it is, and who may read and write it.
//!
//! `docs/chip-files.md` is this table for people; a test compares the two.

use crate::access::{Condition, Interface, Zone};
use crate::application::Application;
use crate::nvm::key;
use crate::profile::Profile;

/// One elementary file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Its name in the standards.
    pub name: &'static str,
    /// Whose it is.
    pub zone: Zone,
    /// The directory it is in.
    pub directory: Directory,
    /// File identifier.
    pub fid: u16,
    /// Short file identifier.
    pub sfi: Option<u8>,
    /// Where the content comes from.
    pub content: Content,
    /// Who may read it.
    pub read: Read,
    /// Who may write it once the card is personalised. Before, only the card centre writes.
    pub write: Write,
}

/// The directories of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Directory {
    /// The MF.
    Master,
    /// Household zone.
    Household,
    /// Public zone, under both of its names.
    Public,
    /// Encrypted zone.
    Eid,
    /// Certificate zone, SmartCard-HSM view.
    SmartCardHsm,
    /// Certificate zone, PKCS #15 view.
    Pkcs15,
}

/// Where the content of a file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A record of the memory.
    Stored(u16),
    /// Made when it is read, from the profile and the interface.
    Directory,
    /// Made when it is read: limits of the transport.
    Info,
    /// Made when it is read: a description in PKCS #15 form.
    Pkcs15(Pkcs15),
    /// A private key: has a name but no content.
    PrivateKey(u8),
}

/// Descriptions in PKCS #15 form, and the device certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pkcs15 {
    /// EF.TokenInfo.
    TokenInfo,
    /// EF.ODF.
    Objects,
    /// EF.PrKDF: all private keys.
    PrivateKeys,
    /// EF.CDF: all certificates.
    Certificates,
    /// EF.AODF: PIN2.
    Authentication,
    /// One private key.
    PrivateKey(u8),
    /// One CA certificate.
    CaCertificate(u8),
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Anybody, on any interface.
    Always,
    /// Whoever has opened a secure channel, an authenticated terminal too: Chip Authentication needs it (TR-03110-3 §3.4).
    Channel,
    /// As the profile says for the zone.
    Zone,
    /// As the profile says for the zone, and in the channel of an authenticated terminal too: hashes, no values.
    ZoneAlsoTerminal,
    /// As the profile says for the zone, even while PIN2 is not set: it tells what the token is, not whose.
    ZoneBeforePin2,
    /// As the profile says for this certificate (CARD-38).
    Certificate(u8),
    /// As the profile says for the encrypted zone, with the right for this data group.
    Group(u8),
    /// A terminal that was authenticated, whatever its rights: hashes, no values.
    Terminal,
    /// Nobody.
    Never,
}

/// Who may write a file of a personalised card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Nobody: the field never changes.
    Never,
    /// The field may change at an office, by a terminal with the right to update it (CARD-45, OPEN-41).
    UpdateTerminal,
    /// PIN management (SCP03 key set 31): the slot takes another certificate for the same card.
    PinManagement,
}

impl File {
    /// What a reader must have shown to read this file.
    pub const fn condition(&self, profile: &Profile, interface: Interface) -> Condition {
        match self.read {
            Read::Always => Condition::Always,
            Read::Channel => Condition::ChannelAlsoTerminal,
            Read::Never => Condition::Never,
            Read::Terminal => Condition::Terminal,
            Read::Group(_) => profile.read_encrypted,
            Read::Certificate(slot) => profile.read_certificate_in(slot),
            Read::Zone | Read::ZoneBeforePin2 => self.condition_of_zone(profile, interface),
            Read::ZoneAlsoTerminal => match self.condition_of_zone(profile, interface) {
                Condition::AccessNumber => Condition::AccessNumberAlsoTerminal,
                other => other,
            },
        }
    }

    const fn condition_of_zone(&self, profile: &Profile, interface: Interface) -> Condition {
        match self.zone {
            Zone::Household => profile.read_household(interface),
            Zone::Public => profile.read_public,
            Zone::Encrypted => profile.read_encrypted,
            Zone::Certificate => profile.read_certificate,
            Zone::Card => Condition::ChannelAlsoTerminal,
            Zone::System => Condition::Never,
        }
    }

    /// Whether it can only be read once PIN2 has been set (CARD-50).
    pub const fn needs_pin2_set(&self) -> bool {
        matches!(self.zone, Zone::Certificate) && !matches!(self.read, Read::ZoneBeforePin2)
    }
}

impl Directory {
    /// The directory an application shows.
    pub const fn of(application: Application) -> Option<Self> {
        match application {
            Application::Master => Some(Self::Master),
            Application::Household => Some(Self::Household),
            Application::PublicNational | Application::PublicIcao => Some(Self::Public),
            Application::Eid => Some(Self::Eid),
            Application::SmartCardHsm => Some(Self::SmartCardHsm),
            Application::Pkcs15 => Some(Self::Pkcs15),
            Application::Issuer => None,
        }
    }
}

/// The file with this identifier in `directory`.
pub fn by_fid(directory: Directory, fid: u16) -> Option<&'static File> {
    FILES.iter().find(|f| f.directory == directory && f.fid == fid)
}

/// The file with this short identifier in `directory`.
pub fn by_sfi(directory: Directory, sfi: u8) -> Option<&'static File> {
    FILES.iter().find(|f| f.directory == directory && f.sfi == Some(sfi))
}

const fn file(
    name: &'static str,
    directory: Directory,
    fid: u16,
    sfi: u8,
    content: Content,
    read: Read,
    write: Write,
) -> File {
    let zone = match directory {
        Directory::Master => Zone::Card,
        Directory::Household => Zone::Household,
        Directory::Public => Zone::Public,
        Directory::Eid => Zone::Encrypted,
        Directory::SmartCardHsm | Directory::Pkcs15 => Zone::Certificate,
    };
    File { name, zone, directory, fid, sfi: if sfi == 0 { None } else { Some(sfi) }, content, read, write }
}

use Content::{PrivateKey, Stored};
use Directory::{Eid, Household, Master, Public, SmartCardHsm};
use Write::{Never, PinManagement, UpdateTerminal};

const P15: Directory = Directory::Pkcs15;

/// Every file of the card.
#[rustfmt::skip]
pub const FILES: &[File] = &[
    //    name                      directory     FID     SFI   content                          read                  write
    file("EF.DIR",                  Master,       0x2F00, 0x1E, Content::Directory,              Read::Always,         Never),
    file("EF.ATR/INFO",             Master,       0x2F01, 0x01, Content::Info,                   Read::Always,         Never),
    file("EF.CardAccess",           Master,       0x011C, 0x1C, Stored(key::CARD_ACCESS),        Read::Always,         Never),
    file("EF.CardSecurity",         Master,       0x011D, 0x1D, Stored(key::CARD_SECURITY),      Read::Channel,        Never),

    file("EF.Household",            Household,    0x0101, 0x01, Stored(key::HOUSEHOLD),          Read::Zone,           UpdateTerminal),

    file("EF.COM",                  Public,       0x011E, 0x1E, Stored(0x011E),                  Read::Zone,           Never),
    file("EF.SOD",                  Public,       0x011D, 0x1D, Stored(0x011D),                  Read::ZoneAlsoTerminal, UpdateTerminal),
    file("EF.DG1",                  Public,       0x0101, 0x01, Stored(0x0101),                  Read::Zone,           Never),
    file("EF.DG2",                  Public,       0x0102, 0x02, Stored(0x0102),                  Read::Zone,           Never),
    file("EF.DG11",                 Public,       0x010B, 0x0B, Stored(0x010B),                  Read::Zone,           UpdateTerminal),
    file("EF.DG12",                 Public,       0x010C, 0x0C, Stored(0x010C),                  Read::Zone,           Never),
    file("EF.DG13",                 Public,       0x010D, 0x0D, Stored(0x010D),                  Read::Zone,           UpdateTerminal),
    file("EF.DG14",                 Public,       0x010E, 0x0E, Stored(0x010E),                  Read::Zone,           Never),
    file("EF.DG15",                 Public,       0x010F, 0x0F, Stored(0x010F),                  Read::Zone,           Never),

    file("EF.DG1 (eID)",            Eid,          0x0101, 0x01, Stored(0x0601),                 Read::Group(1),       Never),
    file("EF.DG2 (eID)",            Eid,          0x0102, 0x02, Stored(0x0602),                 Read::Group(2),       Never),
    file("EF.DG3 (eID)",            Eid,          0x0103, 0x03, Stored(0x0603),                 Read::Group(3),       Never),
    file("EF.DG4 (eID)",            Eid,          0x0104, 0x04, Stored(0x0604),                 Read::Group(4),       Never),
    file("EF.DG5 (eID)",            Eid,          0x0105, 0x05, Stored(0x0605),                 Read::Group(5),       Never),
    file("EF.DG7 (eID)",            Eid,          0x0107, 0x07, Stored(0x0607),                 Read::Group(7),       Never),
    file("EF.DG8 (eID)",            Eid,          0x0108, 0x08, Stored(0x0608),                 Read::Group(8),       Never),
    file("EF.DG9 (eID)",            Eid,          0x0109, 0x09, Stored(0x0609),                 Read::Group(9),       UpdateTerminal),
    file("EF.DG10 (eID)",           Eid,          0x010A, 0x0A, Stored(0x060A),                 Read::Group(10),      Never),
    file("EF.DG11 (eID)",           Eid,          0x010B, 0x0B, Stored(0x060B),                 Read::Group(11),      Never),
    file("EF.DG12 (eID)",           Eid,          0x010C, 0x0C, Stored(0x060C),                 Read::Group(12),      Never),
    file("EF.DG13 (eID)",           Eid,          0x010D, 0x0D, Stored(0x060D),                 Read::Group(13),      Never),
    file("EF.DG14 (eID)",           Eid,          0x010E, 0x0E, Stored(0x060E),                 Read::Group(14),      UpdateTerminal),
    file("EF.DG15 (eID)",           Eid,          0x010F, 0x0F, Stored(0x060F),                 Read::Group(15),      UpdateTerminal),
    file("EF.DG16 (eID)",           Eid,          0x0110, 0x10, Stored(0x0610),                 Read::Group(16),      UpdateTerminal),
    file("EF.DG18 (eID)",           Eid,          0x0112, 0x12, Stored(0x0612),                 Read::Group(18),      UpdateTerminal),
    file("EF.DG19 (eID)",           Eid,          0x0113, 0x13, Stored(0x0613),                 Read::Group(19),      UpdateTerminal),
    file("EF.DG20 (eID)",           Eid,          0x0114, 0x14, Stored(0x0614),                 Read::Group(20),      UpdateTerminal),
    file("EF.SOD (eID)",            Eid,          0x0118, 0x18, Stored(key::EID_SECURITY_OBJECT), Read::Terminal,       UpdateTerminal),

    file("C.DevAut",                SmartCardHsm, 0x2F02, 0x00, Stored(key::DEVICE_CERTIFICATE), Read::ZoneBeforePin2, Never),
    file("EF.TokenInfo",            SmartCardHsm, 0x2F03, 0x00, Content::Pkcs15(Pkcs15::TokenInfo), Read::ZoneBeforePin2, Never),
    file("private key 1",           SmartCardHsm, 0xCC01, 0x00, PrivateKey(1),                   Read::Never,          Never),
    file("private key 2",           SmartCardHsm, 0xCC02, 0x00, PrivateKey(2),                   Read::Never,          Never),
    file("private key 3",           SmartCardHsm, 0xCC03, 0x00, PrivateKey(3),                   Read::Never,          Never),
    file("private key 4",           SmartCardHsm, 0xCC04, 0x00, PrivateKey(4),                   Read::Never,          Never),
    file("PrKD 1",                  SmartCardHsm, 0xC401, 0x00, Content::Pkcs15(Pkcs15::PrivateKey(1)), Read::Zone,    Never),
    file("PrKD 2",                  SmartCardHsm, 0xC402, 0x00, Content::Pkcs15(Pkcs15::PrivateKey(2)), Read::Zone,    Never),
    file("PrKD 3",                  SmartCardHsm, 0xC403, 0x00, Content::Pkcs15(Pkcs15::PrivateKey(3)), Read::Zone,    Never),
    file("PrKD 4",                  SmartCardHsm, 0xC404, 0x00, Content::Pkcs15(Pkcs15::PrivateKey(4)), Read::Zone,    Never),
    file("certificate 1",           SmartCardHsm, 0xCE01, 0x00, Stored(0x0401),                  Read::Certificate(1), PinManagement),
    file("certificate 2",           SmartCardHsm, 0xCE02, 0x00, Stored(0x0402),                  Read::Certificate(2), PinManagement),
    file("certificate 3",           SmartCardHsm, 0xCE03, 0x00, Stored(0x0403),                  Read::Certificate(3), PinManagement),
    file("certificate 4",           SmartCardHsm, 0xCE04, 0x00, Stored(0x0404),                  Read::Certificate(4), PinManagement),
    file("CD 5",                    SmartCardHsm, 0xC805, 0x00, Content::Pkcs15(Pkcs15::CaCertificate(5)), Read::Zone, Never),
    file("CD 6",                    SmartCardHsm, 0xC806, 0x00, Content::Pkcs15(Pkcs15::CaCertificate(6)), Read::Zone, Never),
    file("CA certificate 5",        SmartCardHsm, 0xCA05, 0x00, Stored(0x0405),                  Read::Certificate(5), PinManagement),
    file("CA certificate 6",        SmartCardHsm, 0xCA06, 0x00, Stored(0x0406),                  Read::Certificate(6), PinManagement),

    file("EF.ODF",                  P15,          0x5031, 0x11, Content::Pkcs15(Pkcs15::Objects), Read::ZoneBeforePin2, Never),
    file("EF.TokenInfo",            P15,          0x5032, 0x12, Content::Pkcs15(Pkcs15::TokenInfo), Read::ZoneBeforePin2, Never),
    file("EF.AODF",                 P15,          0x4401, 0x01, Content::Pkcs15(Pkcs15::Authentication), Read::ZoneBeforePin2, Never),
    file("EF.PrKDF",                P15,          0x4402, 0x02, Content::Pkcs15(Pkcs15::PrivateKeys), Read::Zone,      Never),
    file("EF.CDF",                  P15,          0x4403, 0x03, Content::Pkcs15(Pkcs15::Certificates), Read::Zone,     Never),
    file("certificate 1",           P15,          0x4301, 0x00, Stored(0x0401),                  Read::Certificate(1), PinManagement),
    file("certificate 2",           P15,          0x4302, 0x00, Stored(0x0402),                  Read::Certificate(2), PinManagement),
    file("certificate 3",           P15,          0x4303, 0x00, Stored(0x0403),                  Read::Certificate(3), PinManagement),
    file("certificate 4",           P15,          0x4304, 0x00, Stored(0x0404),                  Read::Certificate(4), PinManagement),
    file("CA certificate 5",        P15,          0x4305, 0x00, Stored(0x0405),                  Read::Certificate(5), PinManagement),
    file("CA certificate 6",        P15,          0x4306, 0x00, Stored(0x0406),                  Read::Certificate(6), PinManagement),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_identifier_stands_twice_in_a_directory() {
        for (i, file) in FILES.iter().enumerate() {
            for other in FILES[i + 1..].iter().filter(|o| o.directory == file.directory) {
                assert_ne!(file.fid, other.fid, "{}", file.name);
                assert!(file.sfi.is_none() || file.sfi != other.sfi, "{}", file.name);
            }
            // ISO/IEC 7816-4 §7.3.1.1: 1 to 30.
            assert!(file.sfi.is_none_or(|sfi| (1..=30).contains(&sfi)));
        }
    }

    // proves: CARD-16, CARD-46
    #[test]
    fn nothing_outside_the_four_zones_and_nothing_changeable_beyond_table_4() {
        for file in FILES {
            assert_ne!(file.zone, Zone::System, "{}: no file shows the system", file.name);
            if file.write == Write::UpdateTerminal {
                assert!(
                    matches!(file.zone, Zone::Household | Zone::Public | Zone::Encrypted),
                    "{}",
                    file.name
                );
            }
            if file.write == Write::PinManagement {
                assert!(file.name.contains("certificate"), "{}", file.name);
            }
        }
    }
}
