//! The printed face: both sides of a card drawn at the resolution of a preview.

use crate::Failure;
use crate::country::public_zone;
use crate::figure::{Figure, millis};
use crate::measure::typical;
use cardface::{Arrangement, Face, FaceData, FontSet, Sheet, Side};
use image::{DynamicImage, ImageFormat, RgbImage};
use std::io::Cursor;
use std::time::Duration;

const GROUP: &str = "the face of a card";
const GOAL: Duration = Duration::from_millis(200);
const DPI: u32 = 300;

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let fonts = FontSet::system()?;
    let mut zone = public_zone(&[]);
    zone.portrait = Some(portrait()?);
    let data = FaceData::new(&zone, true)?;
    let draw = || -> Result<(), cardface::Error> {
        let face = Face::new(&data, &fonts)?;
        face.render_png(Sheet::Side(Side::Front), DPI)?;
        face.render_png(Sheet::Side(Side::Back), DPI)?;
        Ok(())
    };
    draw()?;
    let face = Face::new(&data, &fonts)?;
    face.render_pdf(Sheet::Both(Arrangement::Vertical))?;
    Ok(vec![
        Figure::time(GROUP, "both sides laid out and drawn, 300 dpi", typical(25, draw))
            .beside("goal", millis(GOAL)),
        Figure::time(
            GROUP,
            "both sides as PDF",
            typical(25, || face.render_pdf(Sheet::Both(Arrangement::Vertical))),
        ),
    ])
}

/// A picture of the size in the chip.
fn portrait() -> Result<Vec<u8>, Failure> {
    let picture = RgbImage::from_fn(413, 531, |x, y| image::Rgb([(x / 2) as u8, (y / 3) as u8, 0x80]));
    let mut file = Cursor::new(Vec::new());
    DynamicImage::from(picture).write_to(&mut file, ImageFormat::Jpeg)?;
    Ok(file.into_inner())
}
