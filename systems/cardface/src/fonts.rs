//! The fonts: found once by name, mapped into memory whenever a text is shaped, never read whole.
//!
//! CARDFACE-13: Chinese names are set in the 全字庫 faces (TW-Kai and its extensions), everything
//! else in a sans-serif face (黑體), the machine readable zone in OCR-B. Each character takes the first font of its role that has a glyph
//! for it.

use std::path::Path as FilePath;

use harfrust::{ShapeOptions, ShaperData, UnicodeBuffer};
use resvg::usvg::fontdb::{Database, ID, Stretch, Style};
use skrifa::MetadataProvider;
use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};

use crate::Error;
use crate::drawing::{Path, Rect, Segment};

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The Chinese name.
    Name,
    /// Labels and values.
    Sans,
    /// The title and the national identification number.
    Bold,
    /// Machine readable zone and card serial.
    Mrz,
}

/// The fonts of each role, in the order in which they are asked for a glyph.
pub struct FontSet {
    database: Database,
    name: Vec<ID>,
    sans: Vec<ID>,
    bold: Vec<ID>,
    mrz: Vec<ID>,
}

/// The directories in which Debian has its fonts.
pub(crate) const SYSTEM_DIRECTORIES: [&str; 2] = ["/usr/share/fonts", "/usr/local/share/fonts"];

const NAME: [&str; 9] = [
    "TW-Kai",
    "TW-Kai-Plus",
    "TW-Kai-Ext-B",
    "TW-Sung",
    "TW-Sung-Plus",
    "TW-Sung-Ext-B",
    // Some characters of plane 3, which the faces above gained only after 2018.
    "BabelStone Han",
    "Noto Serif CJK TC",
    "Noto Sans CJK TC",
];
const SANS: [&str; 3] = ["Noto Sans CJK TC", "Noto Sans", "DejaVu Sans"];
const MRZ: [&str; 4] = ["OCR B", "Liberation Mono", "DejaVu Sans Mono", "Noto Sans Mono"];

impl FontSet {
    /// Finds the fonts under `directories`. Fails if there is no sans-serif face with Chinese characters, none for names or no fixed-width
    /// face at all; missing extensions show only when a name needs them.
    pub fn load(directories: &[impl AsRef<FilePath>]) -> Result<Self, Error> {
        let mut database = Database::new();
        for directory in directories {
            database.load_fonts_dir(directory);
        }
        let find = |families: &[&str], weight: u16| {
            families.iter().filter_map(|f| face(&database, f, weight)).collect::<Vec<ID>>()
        };
        let (name, mut sans, mut bold, mrz) =
            (find(&NAME, 400), find(&SANS, 400), find(&SANS, 700), find(&MRZ, 400));
        for (found, role, package) in [
            (&name, "Chinese names", "fonts-cns11643-kai"),
            (&sans, "labels", "fonts-noto-cjk"),
            (&mrz, "the machine readable zone", "fonts-ocr-b"),
        ] {
            if found.is_empty() {
                return Err(Error::Font { role, package });
            }
        }
        // A romanised name may hold letters that only the wide fonts have, a value rare characters.
        bold.extend(&sans);
        sans.extend(&name);
        bold.extend(&name);
        Ok(Self { database, name, sans, bold, mrz })
    }

    /// Finds the fonts where Debian has them.
    pub fn system() -> Result<Self, Error> {
        Self::load(&SYSTEM_DIRECTORIES)
    }

    /// The family of the machine readable zone: `OCR B`, or the fixed-width face that stands in for it.
    pub fn mrz_family(&self) -> String {
        self.mrz.first().map(|id| self.family(*id)).unwrap_or_default()
    }

    /// The family of a font.
    pub(crate) fn family(&self, font: ID) -> String {
        let family = self.database.face(font).and_then(|face| face.families.first());
        family.map(|(name, _)| plain(name)).unwrap_or_default()
    }

    /// Shapes a text. `None` if a character has no glyph in any font of the role.
    pub(crate) fn shape(&self, role: Role, text: &str) -> Option<Shaped> {
        self.shape_or_mark(role, text, false)
    }

    /// As [`FontSet::shape`]; with `mark`, a character without glyph becomes a frame with its code point, for samples only.
    pub(crate) fn shape_or_mark(&self, role: Role, text: &str, mark: bool) -> Option<Shaped> {
        let fonts = match role {
            Role::Name => &self.name,
            Role::Sans => &self.sans,
            Role::Bold => &self.bold,
            Role::Mrz => &self.mrz,
        };
        let mut shaped = Shaped::default();
        let mut rest = text;
        for run in self.runs(fonts, text) {
            let (part, after) = rest.split_at(run.bytes);
            rest = after;
            match run.font {
                Some(font) => {
                    self.database.with_face_data(font, |data, index| shaped.append(data, index, part))??;
                    shaped.faces.push((part.to_owned(), font));
                }
                None if mark => {
                    for character in part.chars() {
                        shaped.append_mark(self, character)?;
                    }
                }
                None => return None,
            }
        }
        Some(shaped)
    }

    /// Cuts a text into stretches that one font each has the glyphs for. A letter and its combining marks come from one font.
    fn runs(&self, fonts: &[ID], text: &str) -> Vec<Run> {
        let mut clusters: Vec<&str> = Vec::new();
        let mut start = 0;
        for (at, character) in text.char_indices().skip(1) {
            if !matches!(character, '\u{0300}'..='\u{036F}') {
                clusters.push(&text[start..at]);
                start = at;
            }
        }
        clusters.push(&text[start..]);
        let mut chosen: Vec<Option<ID>> = vec![None; clusters.len()];
        for font in fonts {
            if chosen.iter().all(Option::is_some) {
                break;
            }
            self.database.with_face_data(*font, |data, index| {
                let Ok(face) = skrifa::FontRef::from_index(data, index) else { return };
                let map = face.charmap();
                // Glyph 0 is the sign for a missing one.
                let has = |character: char| map.map(character).is_some_and(|glyph| glyph.to_u32() != 0);
                for (cluster, choice) in clusters.iter().zip(&mut chosen) {
                    if choice.is_none() && cluster.chars().all(has) {
                        *choice = Some(*font);
                    }
                }
            });
        }
        let mut runs: Vec<Run> = Vec::new();
        for (cluster, choice) in clusters.iter().zip(&chosen) {
            match runs.last_mut() {
                Some(run) if run.font == *choice => run.bytes += cluster.len(),
                _ => runs.push(Run { font: *choice, bytes: cluster.len() }),
            }
        }
        runs
    }
}

impl std::fmt::Debug for FontSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FontSet({} faces)", self.database.len())
    }
}

/// A stretch of text and its font, `None` if no font has its glyphs.
struct Run {
    font: Option<ID>,
    bytes: usize,
}

/// A shaped text as one outline: unit one em, baseline at 0, y downwards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shaped {
    pub(crate) path: Path,
    pub(crate) advance: f32,
    /// Its stretches in order, each with its font.
    pub(crate) faces: Vec<(String, ID)>,
}

impl Shaped {
    /// Appends the glyphs of one font.
    fn append(&mut self, data: &[u8], index: u32, text: &str) -> Option<()> {
        let font = skrifa::FontRef::from_index(data, index).ok()?;
        let scale = 1.0 / f32::from(font.metrics(Size::unscaled(), LocationRef::default()).units_per_em);
        let outlines = font.outline_glyphs();
        let shaper_data = ShaperData::new(&font);
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.set_direction(harfrust::Direction::LeftToRight);
        buffer.guess_segment_properties();
        let output = shaper_data.shaper(&font).build().shape(buffer, ShapeOptions::new());
        for (info, position) in output.glyph_infos().iter().zip(output.glyph_positions()) {
            if info.glyph_id == 0 {
                return None;
            }
            let mut pen = Pen {
                path: &mut self.path,
                scale,
                x: self.advance + position.x_offset as f32 * scale,
                y: -(position.y_offset as f32) * scale,
            };
            if let Some(glyph) = outlines.get(info.glyph_id.into()) {
                glyph
                    .draw(DrawSettings::unhinted(Size::unscaled(), LocationRef::default()), &mut pen)
                    .ok()?;
            }
            self.advance += position.x_advance as f32 * scale;
        }
        Some(())
    }
}

impl Shaped {
    /// Appends a frame of one em with the code point of the character in two rows.
    fn append_mark(&mut self, fonts: &FontSet, character: char) -> Option<()> {
        const LINE: f32 = 0.04;
        let (left, top, size) = (self.advance + 0.05, -0.84, 0.9);
        let frame = [
            Rect::new(left, top, size, LINE),
            Rect::new(left, top + size - LINE, size, LINE),
            Rect::new(left, top, LINE, size),
            Rect::new(left + size - LINE, top, LINE, size),
        ];
        self.path.0.extend(frame.iter().flat_map(|rect| rect.path().0));
        let code = format!("{:06X}", u32::from(character));
        for (row, digits) in [&code[..3], &code[3..]].into_iter().enumerate() {
            let text = fonts.shape(Role::Sans, digits)?;
            let ink = text.path.bounds()?;
            let scale = (0.74 / ink.w).min(0.3 / ink.h);
            let (x, y) = (left + (size - ink.w * scale) / 2.0, top + 0.1 + row as f32 * 0.4);
            self.path
                .0
                .extend(text.path.map(|px, py| (x + (px - ink.x) * scale, y + (py - ink.y) * scale)).0);
        }
        self.advance += 1.0;
        Some(())
    }
}

/// Takes an outline over into a path.
struct Pen<'a> {
    path: &'a mut Path,
    scale: f32,
    x: f32,
    y: f32,
}

impl Pen<'_> {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl OutlinePen for Pen<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.0.push(Segment::Move(x, y));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.0.push(Segment::Line(x, y));
    }

    fn quad_to(&mut self, a: f32, b: f32, x: f32, y: f32) {
        let ((a, b), (x, y)) = (self.at(a, b), self.at(x, y));
        self.path.0.push(Segment::Quad(a, b, x, y));
    }

    fn curve_to(&mut self, a: f32, b: f32, c: f32, d: f32, x: f32, y: f32) {
        let ((a, b), (c, d), (x, y)) = (self.at(a, b), self.at(c, d), self.at(x, y));
        self.path.0.push(Segment::Cubic(a, b, c, d, x, y));
    }

    fn close(&mut self) {
        self.path.0.push(Segment::Close);
    }
}

/// The upright face of a family whose weight is nearest; the plainest of those (the family OCR B has several cuts).
fn face(database: &Database, family: &str, weight: u16) -> Option<ID> {
    let same = |name: &str| plain(name) == family;
    database
        .faces()
        .filter(|face| face.style == Style::Normal && face.stretch == Stretch::Normal)
        .filter(|face| face.families.iter().any(|(name, _)| same(name)))
        .min_by_key(|face| (face.weight.0.abs_diff(weight), face.families.len(), face.post_script_name.len()))
        .map(|face| face.id)
}

/// The name of a family: the fonts of the 全字庫 write their hyphens as `\-`.
fn plain(name: &str) -> String {
    name.replace('\\', "")
}
