//! The card face: what it shows, that it fits, that machines read it back.

#![allow(clippy::print_stdout)] // a skipped test says why

mod face;
mod machines;

use cardface::{FaceData, FontSet};
use lds::Date;
use lds::dg13::Term;
use lds::public_zone::{Address, PublicZone};
use std::sync::OnceLock;

pub(crate) const PORTRAIT: &[u8] = include_bytes!("../data/portrait.jpg");

/// The fonts of this machine, once for all tests; `None` where they are not installed.
pub(crate) fn fonts() -> Option<&'static FontSet> {
    static FONTS: OnceLock<Option<FontSet>> = OnceLock::new();
    FONTS
        .get_or_init(|| match FontSet::system() {
            Ok(fonts) => Some(fonts),
            Err(error) => {
                println!("skipped: {error}");
                None
            }
        })
        .as_ref()
}

/// A record with a name of ordinary length.
pub(crate) fn zone() -> PublicZone {
    PublicZone {
        chinese_name: "陳筱玲".into(),
        cns: vec![None; 3],
        romanised_name: None,
        foreign_name: None,
        mrz_name: "CHEN, HSIAO-LING".into(),
        id_number: "A234567893".into(),
        birth: Date::new(2006, 8, 5).expect("valid"),
        address: Address::default(),
        marital_status: Term::new("single", "無", "Single"),
        military_service: Term::default(),
        card_serial: "TWA000123".into(),
        renewal: Some(Date::new(2036, 11, 20).expect("valid")),
        issue: Date::new(2026, 11, 20).expect("valid"),
        portrait: Some(PORTRAIT.to_vec()),
        issuing_authority: "測試用".into(),
        security_infos: Vec::new(),
        active_authentication_key: Vec::new(),
    }
}

pub(crate) fn data(change: impl Fn(&mut PublicZone)) -> FaceData {
    let mut zone = zone();
    change(&mut zone);
    FaceData::new(&zone, true).expect("a valid record")
}
