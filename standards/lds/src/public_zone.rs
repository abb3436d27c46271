//! The Public Zone as one value: the ten fields of CARD-23 with what belongs to the card, to and from its data groups.
//!
//! | Field | Data group |
//! |---|---|
//! | card serial, name in Latin letters, dates of birth and renewal in short | DG1 |
//! | portrait | DG2 |
//! | Chinese name, national identification number, full date of birth, registered address | DG11 |
//! | issuing authority, date of issue | DG12 |
//! | marital status, military service category, romanised and foreign name, CNS codes, dates in both calendars, village code | DG13 |
//! | SecurityInfos, Active Authentication key | DG14, DG15 |

use std::collections::BTreeMap;

use curve::Hash;

use crate::com::Com;
use crate::dg11::PersonalDetails;
use crate::dg12::DocumentDetails;
use crate::dg13::{OptionalDetails, Term};
use crate::mrz::{Fields, MrzDate, MrzName, MrzSex};
use crate::{DataGroup, Date, Error, LdsSecurityObject, Td1, dg1, dg2, dg14, dg15};

/// The files of a Public Zone by data group.
pub type Files = BTreeMap<DataGroup, Vec<u8>>;

/// The content of the Public Zone.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicZone {
    /// The name in Chinese characters.
    pub chinese_name: String,
    /// The CNS 11643 code (plane, row, column) of each character of it.
    pub cns: Vec<Option<[u8; 3]>>,
    /// The registered romanised name.
    pub romanised_name: Option<String>,
    /// The foreign name.
    pub foreign_name: Option<String>,
    /// The name in Latin letters for the machine readable zone, `FAMILY NAME, GIVEN NAMES`.
    pub mrz_name: String,
    /// The national identification number.
    pub id_number: String,
    /// The date of birth.
    pub birth: Date,
    /// The registered address.
    pub address: Address,
    /// The marital status.
    pub marital_status: Term,
    /// The military service category.
    pub military_service: Term,
    /// The card serial number.
    pub card_serial: String,
    /// The date of renewal; `None` from 65 years on.
    pub renewal: Option<Date>,
    /// The date of issue.
    pub issue: Date,
    /// The portrait, the same JPEG as printed (CARD-24); `None` where it is exempted.
    pub portrait: Option<Vec<u8>>,
    /// The issuing authority.
    pub issuing_authority: String,
    /// The SET of SecurityInfos.
    pub security_infos: Vec<u8>,
    /// The SubjectPublicKeyInfo of the Active Authentication key.
    pub active_authentication_key: Vec<u8>,
}

/// The registered address.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The county or city.
    pub county: String,
    /// The township or district.
    pub district: String,
    /// The village.
    pub village: String,
    /// The code of the village, eleven digits.
    pub village_code: String,
    /// The number of the neighbourhood.
    pub neighbourhood: u16,
    /// Road, number and floor.
    pub rest: String,
}

impl PublicZone {
    /// The machine readable zone. Document code `ID`, issuer and nationality TWN, optional data empty (OPEN-45), sex
    /// unspecified (OPEN-07), no date of expiry where there is no date of renewal (OPEN-09).
    pub fn td1(&self) -> Result<Td1, Error> {
        Ok(Td1::new(&Fields {
            document_code: "ID".into(),
            issuer: "TWN".into(),
            document_number: self.card_serial.clone(),
            optional_data_1: String::new(),
            birth: self.birth.mrz(),
            sex: MrzSex::Unspecified,
            expiry: self.renewal.map_or(MrzDate::NONE, Date::mrz),
            nationality: "TWN".into(),
            optional_data_2: String::new(),
            name: MrzName::from_latin(&self.mrz_name)?,
        })?)
    }

    /// EF.COM and the data groups, without EF.SOD.
    pub fn data_groups(&self) -> Result<Files, Error> {
        let address = &self.address;
        let personal = PersonalDetails {
            name: self.chinese_name.clone(),
            personal_number: self.id_number.clone(),
            birth: Some(self.birth),
            address: vec![
                address.county.clone(),
                address.district.clone(),
                address.village.clone(),
                format!("{}鄰", address.neighbourhood),
                address.rest.clone(),
            ],
        };
        if personal.address.iter().any(String::is_empty)
            || self.chinese_name.is_empty()
            || self.id_number.is_empty()
        {
            return Err(Error::Unwritable("empty name, number or part of the address"));
        }
        if self.issuing_authority.is_empty() {
            return Err(Error::Unwritable("empty issuing authority"));
        }
        if self.cns.len() != self.chinese_name.chars().count() {
            return Err(Error::Unwritable("number of CNS 11643 codes"));
        }
        let document =
            DocumentDetails { issuing_authority: self.issuing_authority.clone(), issue: Some(self.issue) };
        let optional = OptionalDetails {
            romanised: self.romanised_name.clone(),
            foreign: self.foreign_name.clone(),
            cns: self.cns.clone(),
            mrz_name: self.mrz_name.clone(),
            marital_status: self.marital_status.clone(),
            military_service: self.military_service.clone(),
            birth: self.birth,
            issue: self.issue,
            renewal: self.renewal,
            village_code: address.village_code.clone(),
            neighbourhood: address.neighbourhood,
        };
        let mut files = Files::from([
            (DataGroup::Dg1, dg1::encode(&self.td1()?)),
            (DataGroup::Dg2, dg2::encode(self.portrait.as_deref())?),
            (DataGroup::Dg11, personal.encode()?),
            (DataGroup::Dg12, document.encode()),
            (DataGroup::Dg13, optional.encode()?),
            (DataGroup::Dg14, dg14::encode(&self.security_infos)?),
            (DataGroup::Dg15, dg15::encode(&self.active_authentication_key)?),
        ]);
        files.insert(DataGroup::Com, Com::new(files.keys().copied()).encode());
        Ok(files)
    }

    /// The security object over these files.
    pub fn security_object(hash: Hash, files: &Files) -> LdsSecurityObject {
        LdsSecurityObject::over(hash, files.iter().map(|(group, file)| (*group, file.as_slice())))
    }

    /// Reads the zone back. Verifies that what stands in two data groups agrees; signatures and hashes are not looked at.
    pub fn from_data_groups(files: &Files) -> Result<Self, Error> {
        let file = |group: DataGroup| files.get(&group).map(Vec::as_slice).ok_or(Error::Absent(group.name()));
        let zone = dg1::decode(file(DataGroup::Dg1)?)?;
        let portrait = dg2::decode(file(DataGroup::Dg2)?)?;
        let personal = PersonalDetails::decode(file(DataGroup::Dg11)?)?;
        let document = DocumentDetails::decode(file(DataGroup::Dg12)?)?;
        let optional = OptionalDetails::decode(file(DataGroup::Dg13)?)?;
        let [county, district, village, neighbourhood, rest] = personal.address.as_slice() else {
            return Err(Error::Malformed { file: "DG11", what: "the address" });
        };
        if neighbourhood.strip_suffix('鄰').and_then(|n| n.parse().ok()) != Some(optional.neighbourhood) {
            return Err(Error::Contradiction("the neighbourhood"));
        }
        if personal.birth != Some(optional.birth) || zone.birth() != optional.birth.mrz() {
            return Err(Error::Contradiction("the date of birth"));
        }
        if document.issue != Some(optional.issue) {
            return Err(Error::Contradiction("the date of issue"));
        }
        if zone.expiry() != optional.renewal.map_or(MrzDate::NONE, Date::mrz) {
            return Err(Error::Contradiction("the date of renewal"));
        }
        if optional.cns.len() != personal.name.chars().count() {
            return Err(Error::Contradiction("the length of the name"));
        }
        let this = Self {
            chinese_name: personal.name,
            cns: optional.cns,
            romanised_name: optional.romanised,
            foreign_name: optional.foreign,
            mrz_name: optional.mrz_name,
            id_number: personal.personal_number,
            birth: optional.birth,
            address: Address {
                county: county.clone(),
                district: district.clone(),
                village: village.clone(),
                village_code: optional.village_code,
                neighbourhood: optional.neighbourhood,
                rest: rest.clone(),
            },
            marital_status: optional.marital_status,
            military_service: optional.military_service,
            card_serial: zone.document_number(),
            renewal: optional.renewal,
            issue: optional.issue,
            portrait: portrait.map(|portrait| portrait.data.to_vec()),
            issuing_authority: document.issuing_authority,
            security_infos: dg14::decode(file(DataGroup::Dg14)?)?.to_vec(),
            active_authentication_key: dg15::decode(file(DataGroup::Dg15)?)?.to_vec(),
        };
        if this.td1()? != zone {
            return Err(Error::Contradiction("the machine readable zone"));
        }
        Ok(this)
    }
}

impl Address {
    /// The address in one line: `臺北市中正區黎明里3鄰徐州路5號`.
    pub fn zh(&self) -> String {
        format!("{}{}{}{}鄰{}", self.county, self.district, self.village, self.neighbourhood, self.rest)
    }
}

impl std::fmt::Debug for PublicZone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublicZone(***)")
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address(***)")
    }
}
