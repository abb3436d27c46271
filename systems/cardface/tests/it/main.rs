//! The card face: what it shows, that it fits, that machines read it back.

mod face;
mod machines;

use cardface::{FaceData, FontSet};
use lds::Date;
use lds::dg13::Term;
use lds::public_zone::{Address, PublicZone};
use std::sync::OnceLock;

pub(crate) const PORTRAIT: &[u8] = include_bytes!("../data/portrait.jpg");

/// The fonts of this machine, once for all tests.
pub(crate) fn fonts() -> &'static FontSet {
    static FONTS: OnceLock<FontSet> = OnceLock::new();
    FONTS.get_or_init(|| {
        FontSet::system().expect(
            "the fonts of the card face are missing: apt-get install -y --no-install-recommends \
             fonts-cns11643-kai fonts-cns11643-sung fonts-noto-cjk fonts-ocr-b fonts-babelstone-han",
        )
    })
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
