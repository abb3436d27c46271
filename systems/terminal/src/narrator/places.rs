//! Applications and files by name.

use super::Words;

/// The application that is current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Place {
    #[default]
    Master,
    Household,
    Public,
    Eid,
    SmartCardHsm,
    Pkcs15,
    Issuer,
    Unknown,
}

/// Identifier, place, name.
const APPLICATIONS: &[(&[u8], Place, &str, &str)] = &[
    (crate::commands::AID_HOUSEHOLD, Place::Household, "戶籍地區", "household zone"),
    (crate::commands::AID_PUBLIC, Place::Public, "公開區", "public zone"),
    (crate::commands::AID_EMRTD, Place::Public, "公開區（eMRTD 識別碼）", "public zone (as eMRTD)"),
    (
        &[0xE8, 0x07, 0x04, 0x00, 0x7F, 0x00, 0x07, 0x03, 0x02],
        Place::Eid,
        "加密區（eID）",
        "encrypted zone (eID)",
    ),
    (
        crate::commands::AID_CERTIFICATE,
        Place::SmartCardHsm,
        "憑證區（SmartCard-HSM）",
        "certificate zone (SmartCard-HSM)",
    ),
    (b"\xA0\x00\x00\x00\x63PKCS-15", Place::Pkcs15, "憑證區（PKCS#15）", "certificate zone (PKCS#15)"),
    (
        &[0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00],
        Place::Issuer,
        "發卡者安全網域",
        "issuer security domain",
    ),
];

impl Place {
    pub(super) fn of_aid(aid: &[u8]) -> Self {
        APPLICATIONS.iter().find(|(known, ..)| *known == aid).map_or(Self::Unknown, |(_, place, ..)| *place)
    }

    /// The name of an application, or its identifier.
    pub(super) fn name_of_aid(aid: &[u8]) -> Words {
        match APPLICATIONS.iter().find(|(known, ..)| *known == aid) {
            Some((_, _, zh, en)) => Words::new(*zh, *en),
            None => {
                let aid = hex(aid);
                Words::new(format!("應用程式 {aid}"), format!("application {aid}"))
            }
        }
    }

    /// Whether the certificate zone is current, in either view.
    pub(super) const fn is_certificate_zone(self) -> bool {
        matches!(self, Self::SmartCardHsm | Self::Pkcs15)
    }

    /// The name of a file of this application, if it is known.
    pub(super) fn file(self, fid: u16) -> Option<Words> {
        let [high, low] = fid.to_be_bytes();
        let group = |application: &str, low: u8| {
            let (zh, en) = data_group(self, low);
            let separator = if zh.is_empty() { "" } else { " " };
            Words::new(
                format!("{application}DG{low}{separator}{zh}"),
                format!("{application}DG{low}{separator}{en}"),
            )
        };
        let words = |zh: &str, en: &str| Some(Words::new(zh, en));
        let numbered = |zh: &str, en: &str, n: u8| Some(Words::new(format!("{zh} {n}"), format!("{en} {n}")));
        match (self, fid) {
            (Self::Master, 0x2F00) => words("EF.DIR（應用程式清單）", "EF.DIR (list of applications)"),
            (Self::Master, 0x2F01) => words("EF.ATR/INFO（長度限制）", "EF.ATR/INFO (length limits)"),
            (Self::Master, 0x011C) => words("EF.CardAccess（PACE 參數）", "EF.CardAccess (PACE parameters)"),
            (Self::Master, 0x011D) => {
                words("EF.CardSecurity（已簽章的參數）", "EF.CardSecurity (signed parameters)")
            }
            (Self::Household, 0x0101) => words("戶籍地區資料", "household data"),
            (Self::Public, 0x011E) => words("EF.COM（資料群組清單）", "EF.COM (list of data groups)"),
            (Self::Public, 0x011D) => words("EF.SOD（安全物件）", "EF.SOD (security object)"),
            (Self::Public, 0x0101..=0x0110) => Some(group("", low)),
            (Self::Eid, 0x0101..=0x0116) => Some(group("eID ", low)),
            (Self::Eid, 0x0118) => words("加密區安全物件", "security object of the encrypted zone"),
            (Self::SmartCardHsm, 0x2F02) => words("裝置憑證", "device certificate"),
            (Self::SmartCardHsm, 0x2F03) | (Self::Pkcs15, 0x5032) => words("EF.TokenInfo", "EF.TokenInfo"),
            (Self::SmartCardHsm, _) if matches!(high, 0xCC | 0xC4 | 0xC8 | 0xCA | 0xCE) => match high {
                0xCC => numbered("私鑰", "private key", low),
                0xC4 => numbered("私鑰說明", "description of private key", low),
                0xC8 => numbered("CA 憑證說明", "description of CA certificate", low),
                0xCA => numbered("CA 憑證", "CA certificate", low),
                _ => numbered("憑證", "certificate", low),
            },
            (Self::Pkcs15, 0x5031) => words("EF.ODF", "EF.ODF"),
            (Self::Pkcs15, 0x4401) => words("EF.AODF（PIN 說明）", "EF.AODF (PINs)"),
            (Self::Pkcs15, 0x4402) => words("EF.PrKDF（私鑰清單）", "EF.PrKDF (private keys)"),
            (Self::Pkcs15, 0x4403) => words("EF.CDF（憑證清單）", "EF.CDF (certificates)"),
            (Self::Pkcs15, 0x4301..=0x4304) => numbered("憑證", "certificate", low),
            (Self::Pkcs15, 0x4305..=0x4306) => numbered("CA 憑證", "CA certificate", low),
            _ => None,
        }
    }

    /// The file with a short identifier: each application numbers its files so that the identifiers follow from them.
    pub(super) fn fid_of(self, sfi: u8) -> Option<u16> {
        Some(match (self, sfi) {
            (Self::Master, 0x1E) => 0x2F00,
            (Self::Master, 0x01) => 0x2F01,
            (Self::Master | Self::Household | Self::Public | Self::Eid, _) => 0x0100 | u16::from(sfi),
            (Self::Pkcs15, 0x11) => 0x5031,
            (Self::Pkcs15, 0x12) => 0x5032,
            (Self::Pkcs15, 0x01..=0x03) => 0x4400 | u16::from(sfi),
            _ => return None,
        })
    }
}

/// What a data group is for. ICAO 9303-10 §4.7 in the public zone; in the encrypted zone, where profiles give the groups
/// different fields, only what TR-03110-4 §A.1 and both profiles agree on.
const fn data_group(place: Place, number: u8) -> (&'static str, &'static str) {
    match (place, number) {
        (Place::Public, 1) => ("機讀區", "machine readable zone"),
        (Place::Public, 2) => ("相片", "portrait"),
        (Place::Public, 3) => ("指紋", "fingers"),
        (Place::Public, 4) => ("虹膜", "irises"),
        (Place::Public, 11) => ("個人資料", "personal details"),
        (Place::Public, 12) => ("證件資料", "document details"),
        (Place::Public, 13) => ("其他欄位", "further fields"),
        (Place::Public, 14) => ("安全參數", "security parameters"),
        (Place::Public, 15) => ("主動驗證公鑰", "active authentication key"),
        (Place::Eid, 9) => ("出生地", "place of birth"),
        _ => ("", ""),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02X}");
        out
    })
}
