//! The files of the card.

use ::lds::eid::{Placement, Value};
use ::lds::household::HouseholdData;
use ::lds::{ChipUpdate, FieldSecurityObject, UpdateReceipt};
use ::lds::{
    DataGroup, LdsSecurityObject, PublicZone, Td1, com, dg1, dg2, dg11, dg12, dg13, dg14, dg15, sod,
};
use std::collections::BTreeMap;

pub(crate) fn mrz(data: &[u8]) {
    if let Ok(zone) = Td1::from_bytes(data) {
        let lines = zone.lines();
        assert!(lines.iter().all(|line| line.len() == 30));
        assert!(Td1::parse(&lines.join("\n")).is_ok_and(|again| again == zone));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Td1::parse(text);
    }
}

/// Every decoder sees the input; then it stands for each file of a Public Zone in turn.
pub(crate) fn data_group(data: &[u8]) {
    let _ = com::Com::decode(data);
    let _ = dg1::decode(data);
    let _ = dg2::decode(data).map(|p| p.map(|p| dg2::jpeg_dimensions(p.data)));
    let _ = dg2::jpeg_dimensions(data);
    let _ = dg11::PersonalDetails::decode(data);
    let _ = dg12::DocumentDetails::decode(data);
    let _ = dg13::OptionalDetails::decode(data);
    let _ = dg14::decode(data);
    let _ = dg15::decode(data);
    let _ = sod::unwrap(data);
    if let Ok((object, _)) = tlv::read_one(data)
        && let Some(group) = DataGroup::from_tag(object.tag)
    {
        let _ = PublicZone::from_data_groups(&BTreeMap::from([(group, data.to_vec())]));
    }
}

pub(crate) fn security_object(data: &[u8]) {
    if let Ok(object) = LdsSecurityObject::decode(data) {
        let again = LdsSecurityObject::decode(&object.encode()).expect("own encoding");
        assert_eq!(again, object);
    }
}

pub(crate) fn household(data: &[u8]) {
    if let Ok(household) = HouseholdData::decode(data) {
        let written = household.encode().expect("what was read can be written");
        assert!(HouseholdData::decode(&written).is_ok_and(|again| again == household));
    }
}

pub(crate) fn field_security(data: &[u8]) {
    if let Ok(object) = FieldSecurityObject::decode(data) {
        assert!(FieldSecurityObject::decode(&object.encode()).is_ok_and(|again| again == object));
    }
    if let Ok(group) = ::lds::field_security::without_salt(data) {
        assert!(data.starts_with(group));
    }
}

pub(crate) fn chip_update(data: &[u8]) {
    if let Ok(update) = ChipUpdate::decode(data) {
        assert!(ChipUpdate::decode(&update.encode()).is_ok_and(|again| again == update));
    }
}

/// Written back, and nobody's: a key of ours has signed none of it.
pub(crate) fn update_receipt(data: &[u8]) {
    if let Ok(receipt) = UpdateReceipt::decode(data) {
        assert!(UpdateReceipt::decode(&receipt.encode()).is_ok_and(|again| again == receipt));
        assert!(!receipt.is_signed_by(data));
    }
}

/// The data groups of the Encrypted Zone by their tag.
pub(crate) fn encrypted_zone(data: &[u8]) {
    if let Ok((object, _)) = tlv::read_one(data)
        && let Some(group) = object.tag.checked_sub(0x60).and_then(|group| u8::try_from(group).ok())
    {
        for placement in Placement::ALL {
            let _ = Value::decode(&placement, group, data).map(|value| value.display());
        }
    }
}
