//! The printed face of the card: front and back from one personalisation record (CARDFACE-26), as SVG, PNG and PDF.
//!
//! The face is laid out once as a [drawing](drawing) in millimetres in which every text already is an outline, measured and
//! fitted into its box. The three formats only write that drawing down, so that they cannot differ, need no fonts where they are shown, and
//! carry rare characters of planes 2, 3 and 15 to any printer. The layout is our own after CARDFACE-03; it shows neither flag nor emblem of
//! any state.
//!
//! Left out: the physical security features (CARDFACE-16) and the colour management of the printing machines.

mod background;
mod barcode;
mod data;
mod drawing;
mod error;
mod fonts;
mod layout;
mod pdf;
mod png;
mod svg;
mod text;

pub use data::FaceData;
pub use drawing::{HEIGHT_MM, WIDTH_MM};
pub use error::Error;
pub use fonts::FontSet;

use drawing::Drawing;

/// One of the two sides of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Name, number, date of birth, portrait.
    Front,
    /// Marital status, dates, barcodes, machine readable zone.
    Back,
}

/// A card face laid out and ready to be written in any format.
pub struct Face {
    front: Drawing,
    back: Drawing,
    portrait: Option<Vec<u8>>,
    issue: lds::Date,
}

impl Face {
    /// Lays out both sides. Fails rather than print a character of a name without a glyph, a portrait that cannot be decoded, or
    /// a number that its barcode cannot hold. On a specimen a missing glyph becomes a frame with the code point, so that
    /// samples can be made on a machine without all fonts.
    pub fn new(data: &FaceData, fonts: &FontSet) -> Result<Self, Error> {
        let size = data.portrait.as_deref().map(picture_size).transpose()?;
        Ok(Self {
            front: layout::front(data, fonts, size)?,
            back: layout::back(data, fonts)?,
            portrait: data.portrait.clone(),
            issue: data.issue,
        })
    }

    /// One side as an SVG of 85.6 by 53.98 mm, without fonts or links.
    pub fn render_svg(&self, side: Side) -> String {
        svg::write(self.drawing(side), self.portrait.as_deref())
    }

    /// One side as a PNG, at 72 to 1200 dots per inch (300 to 600 for print).
    pub fn render_png(&self, side: Side, dpi: u32) -> Result<Vec<u8>, Error> {
        png::write(&[self.render_svg(side)], dpi)
    }

    /// The front above the back as one PNG: the proof image of quality control.
    pub fn render_proof(&self, dpi: u32) -> Result<Vec<u8>, Error> {
        png::write(&[self.render_svg(Side::Front), self.render_svg(Side::Back)], dpi)
    }

    /// Both sides as a PDF/A of two pages of the size of the card, in paths; the portrait is the JPEG as it is.
    pub fn render_pdf(&self) -> Result<Vec<u8>, Error> {
        pdf::write(&[&self.front, &self.back], self.portrait.as_deref(), self.issue)
    }

    const fn drawing(&self, side: Side) -> &Drawing {
        match side {
            Side::Front => &self.front,
            Side::Back => &self.back,
        }
    }
}

/// Decodes the portrait once, so that a broken one is found before anything is printed, and tells its size.
fn picture_size(jpeg: &[u8]) -> Result<(u32, u32), Error> {
    // The decoder fills what a cut file lacks with grey. A whole one has an end (FFD9) after its last scan (FFDA), which
    // byte stuffing keeps from occurring inside one.
    let last = |marker: [u8; 2]| jpeg.windows(2).rposition(|bytes| bytes == marker);
    if last([0xFF, 0xD9]) <= last([0xFF, 0xDA]) {
        return Err(Error::Portrait);
    }
    let picture =
        image::load_from_memory_with_format(jpeg, image::ImageFormat::Jpeg).map_err(|_| Error::Portrait)?;
    Ok((picture.width(), picture.height()))
}
