//! Draws a sample card: `cargo run -p cardface --example card_face -- DIRECTORY` writes front.png, back.png, front.svg, back.svg and card.pdf.

use cardface::{Arrangement, Face, FaceData, FontSet, Sheet, Side};
use lds::Date;
use lds::dg13::Term;
use lds::public_zone::{Address, PublicZone};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::path::PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    let zone = PublicZone {
        chinese_name: std::env::args().nth(2).unwrap_or_else(|| "陳筱玲".into()),
        cns: vec![None; 3],
        romanised_name: std::env::args().nth(3).filter(|name| !name.is_empty()),
        foreign_name: std::env::args().nth(4).filter(|name| !name.is_empty()),
        mrz_name: "CHEN, HSIAO-LING".into(),
        id_number: "A234567893".into(),
        birth: Date::new(2006, 8, 5)?,
        address: Address::default(),
        marital_status: Term::new("single", "無", "Single"),
        military_service: Term::default(),
        card_serial: "TWA000123".into(),
        renewal: Some(Date::new(2036, 11, 20)?),
        issue: Date::new(2026, 11, 20)?,
        portrait: Some(include_bytes!("../tests/data/portrait.jpg").to_vec()),
        issuing_authority: "測試用".into(),
        security_infos: Vec::new(),
        active_authentication_key: Vec::new(),
    };
    let fonts = FontSet::system()?;
    let face = Face::new(&FaceData::new(&zone, true)?, &fonts)?;
    for (side, name) in [(Side::Front, "front"), (Side::Back, "back")] {
        std::fs::write(directory.join(format!("{name}.png")), face.render_png(Sheet::Side(side), 300)?)?;
        std::fs::write(directory.join(format!("{name}.svg")), face.render_svg(Sheet::Side(side)))?;
    }
    std::fs::write(directory.join("card.pdf"), face.render_pdf(Sheet::Both(Arrangement::Vertical))?)?;
    Ok(())
}
