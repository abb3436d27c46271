//! Hostile input: every decoder refuses it without panic. The files of a good card are cut and changed at every place.

use lds::dg11::PersonalDetails;
use lds::dg12::DocumentDetails;
use lds::dg13::OptionalDetails;
use lds::household::HouseholdData;
use lds::public_zone::PublicZone;
use lds::{DataGroup, LdsSecurityObject, com::Com, dg1, dg2, dg14, dg15, sod};
use proptest::prelude::*;

fn every_decoder(file: &[u8]) {
    let _ = Com::decode(file);
    let _ = dg1::decode(file);
    let _ = dg2::decode(file);
    let _ = dg2::jpeg_dimensions(file);
    let _ = PersonalDetails::decode(file);
    let _ = DocumentDetails::decode(file);
    let _ = OptionalDetails::decode(file);
    let _ = dg14::decode(file);
    let _ = dg15::decode(file);
    let _ = sod::unwrap(file);
    let _ = LdsSecurityObject::decode(file);
    let _ = HouseholdData::decode(file);
}

#[test]
fn files_cut_at_every_byte_and_with_every_byte_changed() {
    let files = crate::zone::sample().data_groups().expect("encodes");
    for (group, file) in &files {
        for end in 0..file.len() {
            every_decoder(&file[..end]);
            let mut zone = files.clone();
            zone.insert(*group, file[..end].to_vec());
            assert!(*group == DataGroup::Com || PublicZone::from_data_groups(&zone).is_err());
        }
        for at in 0..file.len() {
            for value in [0x00, 0x01, 0x7F, 0x80, 0x84, 0xFF, file[at] ^ 1] {
                let mut changed = file.clone();
                changed[at] = value;
                every_decoder(&changed);
                let mut zone = files.clone();
                zone.insert(*group, changed);
                let _ = PublicZone::from_data_groups(&zone);
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_under_every_tag(body in prop::collection::vec(any::<u8>(), 0..200)) {
        every_decoder(&body);
        for group in DataGroup::ALL {
            every_decoder(&group.wrap(&body));
        }
        every_decoder(&DataGroup::Dg2.wrap(&tlv::encode(0x7F61, &[&[2, 1, 1][..], &tlv::encode(0x7F60, &tlv::encode(0x5F2E, &body))].concat())));
        every_decoder(&[&[0xFF, 0xD8][..], &body].concat());
    }
}
