//! The printed face of the card: front and back from one personalisation record (CARDFACE-26), as SVG, PNG and PDF.
//!
//! The face is laid out once as a [drawing](drawing) in millimetres in which every text already is an outline, measured and
//! fitted into its box. The three formats only write that drawing down, so that they cannot differ, need no fonts where they are shown, and
//! carry rare characters of planes 2, 3 and 15 to any printer. The layout is our own after CARDFACE-03. Background, flag and the
//! place of the tactile mark are those of CARDFACE-15; every sample card says 測試用 across them.
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

pub use barcode::{Symbology, code_39_svg};
pub use data::FaceData;
pub use drawing::{HEIGHT_MM, Module, WIDTH_MM};
pub use error::Error;
pub use fonts::FontSet;
pub use layout::TACTILE_MM;

use drawing::Drawing;

/// One of the two sides of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Name, number, date of birth, portrait.
    Front,
    /// Marital status, dates, barcodes, machine readable zone.
    Back,
}

/// How both sides stand on one sheet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Arrangement {
    /// 直式: the front above the back.
    #[default]
    Vertical,
    /// 橫式: the front to the left of the back.
    Horizontal,
}

/// What is written into one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sheet {
    /// One side.
    Side(Side),
    /// Both sides; a PDF has a page for each.
    Both(Arrangement),
}

/// The gap between the sides of a sheet: a whole number of barcode modules (and of pixels at 100, 300 and 600 dots per inch), so
/// that no bar is blurred.
const GAP_MM: f32 = 12.0 * barcode::MODULE_MM;

/// A side and where its upper left corner is, in millimetres.
type Placed = (Side, (f32, f32));

impl Sheet {
    /// The sides with their places, and the size of the whole, in millimetres.
    fn places(self) -> (Vec<Placed>, (f32, f32)) {
        // The second side begins on a whole module, and with that on a whole pixel.
        let after = |length: f32| (length / barcode::MODULE_MM).ceil() * barcode::MODULE_MM + GAP_MM;
        match self {
            Self::Side(side) => (vec![(side, (0.0, 0.0))], (WIDTH_MM, HEIGHT_MM)),
            Self::Both(Arrangement::Vertical) => {
                let down = after(HEIGHT_MM);
                (vec![(Side::Front, (0.0, 0.0)), (Side::Back, (0.0, down))], (WIDTH_MM, down + HEIGHT_MM))
            }
            Self::Both(Arrangement::Horizontal) => {
                let right = after(WIDTH_MM);
                (vec![(Side::Front, (0.0, 0.0)), (Side::Back, (right, 0.0))], (right + WIDTH_MM, HEIGHT_MM))
            }
        }
    }
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

    /// A sheet as an SVG without fonts or links; one side has 85.6 by 53.98 mm.
    pub fn render_svg(&self, sheet: Sheet) -> String {
        let (places, size) = sheet.places();
        let sides: Vec<_> = places.into_iter().map(|(side, at)| (self.drawing(side), at)).collect();
        svg::write(&sides, size, self.portrait.as_deref(), None)
    }

    /// What one machine puts on a sheet, as an SVG of the same size (CARDFACE-14).
    pub fn render_module(&self, sheet: Sheet, module: Module) -> String {
        let (places, size) = sheet.places();
        let sides: Vec<_> = places.into_iter().map(|(side, at)| (self.drawing(side), at)).collect();
        svg::write(&sides, size, self.portrait.as_deref(), Some(module))
    }

    /// A sheet as a PNG, at 72 to 1200 dots per inch (300 to 600 for print).
    pub fn render_png(&self, sheet: Sheet, dpi: u32) -> Result<Vec<u8>, Error> {
        png::write(&self.render_svg(sheet), sheet.places().1, dpi)
    }

    /// The front above the back as one PNG: the proof image of quality control.
    pub fn render_proof(&self, dpi: u32) -> Result<Vec<u8>, Error> {
        self.render_png(Sheet::Both(Arrangement::Vertical), dpi)
    }

    /// A sheet as a PDF/A with pages of the size of the card, in paths; the portrait is the JPEG as it is.
    pub fn render_pdf(&self, sheet: Sheet) -> Result<Vec<u8>, Error> {
        let sides: Vec<_> = sheet.places().0.into_iter().map(|(side, _)| self.drawing(side)).collect();
        pdf::write(&sides, self.portrait.as_deref(), self.issue)
    }

    /// The texts of a side in the order they were drawn, cut into stretches, each with the family it was set in.
    // CARDFACE-13: quality control can see which font a rare character came from.
    pub fn typefaces(&self, side: Side) -> impl Iterator<Item = (&str, &str)> {
        let texts = &self.drawing(side).texts;
        texts.iter().flat_map(|text| &text.typefaces).map(|(part, family)| (part.as_str(), family.as_str()))
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
