//! What the face shows, taken from the same Public Zone that the chip gets, so that the two cannot differ (CARD-24).

use lds::{Date, PublicZone, Td1};

use crate::{Error, Symbology};

/// The content of both sides.
#[derive(Clone)]
pub struct FaceData {
    /// The name in Chinese characters.
    pub chinese_name: String,
    /// The registered romanised name, printed beside it (CARDFACE-04).
    pub romanised_name: Option<String>,
    /// The foreign name, at the applicant's choice.
    pub foreign_name: Option<String>,
    /// The national identification number.
    pub id_number: String,
    /// The date of birth.
    pub birth: Date,
    /// The marital status in Chinese and English: 有 and Married, 無 and Single.
    pub marital_status: (String, String),
    /// The date of issue.
    pub issue: Date,
    /// The date of renewal, `None` from 65 years on.
    pub renewal: Option<Date>,
    /// The card serial number.
    pub card_serial: String,
    /// The machine readable zone.
    pub mrz: Td1,
    /// The portrait as JPEG, `None` where it is exempted (CARDFACE-23).
    pub portrait: Option<Vec<u8>>,
    /// The symbology of both barcodes.
    pub barcodes: Symbology,
    /// Whether 測試用 SPECIMEN is printed across both sides.
    pub specimen: bool,
}

impl FaceData {
    /// Takes what is printed from a Public Zone.
    pub fn new(zone: &PublicZone, specimen: bool) -> Result<Self, Error> {
        Ok(Self {
            chinese_name: zone.chinese_name.clone(),
            romanised_name: zone.romanised_name.clone(),
            foreign_name: zone.foreign_name.clone(),
            id_number: zone.id_number.clone(),
            birth: zone.birth,
            marital_status: (zone.marital_status.zh.clone(), zone.marital_status.en.clone()),
            issue: zone.issue,
            renewal: zone.renewal,
            card_serial: zone.card_serial.clone(),
            mrz: zone.td1().map_err(|_| Error::Record("machine readable zone"))?,
            portrait: zone.portrait.clone(),
            barcodes: Symbology::default(),
            specimen,
        })
    }
}

impl std::fmt::Debug for FaceData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaceData(***)")
    }
}
