//! Code 128 (ISO/IEC 15417), the symbology of both barcodes of the card where nobody chooses Code 39 (ISO/IEC 16388, OPEN-45). Code 39 is
//! that of the barcode of its certificate too (NPC-65), which is not printed on the card but shown by itself.

use barcoders::sym::code39::Code39;
use barcoders::sym::code128::Code128;

use crate::Error;
use crate::drawing::{Colour, Drawing, Item, Path, Rect};
use crate::svg;

/// The symbology of both barcodes of the card: a parameter of its layout (CARDFACE-12).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Symbology {
    /// Code 128, for readers of today.
    #[default]
    Code128,
    /// Code 39, for readers that know nothing else.
    Code39,
}

impl Symbology {
    /// The width of a module in millimetres. Code 39 needs more modules for the same text; two such symbols stand beside each
    /// other with two pixels a module at 300 dots per inch, four at 600.
    pub(crate) const fn module_mm(self) -> f32 {
        match self {
            Self::Code128 => MODULE_MM,
            Self::Code39 => 25.4 / 150.0,
        }
    }

    fn modules(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Code128 => modules(text),
            Self::Code39 => wide_modules(text).filter(|_| text.len() <= 10),
        }
    }
}

/// The width of a module of Code 128: three pixels at 300 dots per inch, six at 600, so that no bar is blurred.
pub(crate) const MODULE_MM: f32 = 25.4 / 100.0;

/// The light margin on both sides, in modules.
pub(crate) const QUIET: usize = 10;

/// Draws `text` on white, the first bar at `x`. Returns the width of the bars.
pub(crate) fn draw(
    drawing: &mut Drawing,
    symbology: Symbology,
    (x, y): (f32, f32),
    height: f32,
    text: &str,
    field: &'static str,
) -> Result<f32, Error> {
    let modules = symbology.modules(text).ok_or(Error::Barcode(field))?;
    Ok(bars(drawing, (x, y), height, &modules, symbology.module_mm()))
}

/// A text of capital letters and digits as Code 39 with nothing else, the text below its bars, as an SVG.
///
/// # Errors
/// [`Error::Barcode`] for any other text, or one of more than 24 characters.
pub fn code_39_svg(text: &str) -> Result<String, Error> {
    let modules = wide_modules(text).ok_or(Error::Barcode("the text of a Code 39 barcode"))?;
    let mut drawing = Drawing::default();
    let margin = QUIET as f32 * MODULE_MM;
    let width = bars(&mut drawing, (margin, 2.0), CODE_39_HEIGHT_MM, &modules, MODULE_MM);
    let size = code_39_size(width);
    let mut out = svg::write(&[(&drawing, (0.0, 0.0))], size, None, None);
    let words = format!(
        r#"<text x="{}" y="{}" text-anchor="middle" font-family="monospace" font-size="4">{text}</text>"#,
        size.0 / 2.0,
        size.1 - 1.6
    );
    // The text is the last thing in the picture. It has capital letters and digits alone.
    out.insert_str(out.rfind("</svg>").unwrap_or(out.len()), &format!("{words}\n"));
    Ok(out)
}

/// Width and height of the picture around bars of a width, in millimetres.
fn code_39_size(bars: f32) -> (f32, f32) {
    (bars + 2.0 * QUIET as f32 * MODULE_MM, CODE_39_HEIGHT_MM + 8.0)
}

/// ISO/IEC 16388: at least 15 per cent of the length of the symbol.
const CODE_39_HEIGHT_MM: f32 = 14.0;

/// Draws modules on white, and returns the width of the bars.
fn bars(drawing: &mut Drawing, (x, y): (f32, f32), height: f32, modules: &[u8], module: f32) -> f32 {
    let width = modules.len() as f32 * module;
    let margin = QUIET as f32 * module;
    let white = Rect::new(x - margin, y - 0.6, width + 2.0 * margin, height + 1.2).rounded(0.6);
    drawing.items.push(Item::Fill { path: white, colour: Colour(255, 255, 255), opacity: 1.0, crisp: false });
    let mut bars = Path::default();
    let mut at = 0;
    for run in modules.chunk_by(|a, b| a == b) {
        if run[0] == 1 {
            let left = x + at as f32 * module;
            bars.0.extend(Rect::new(left, y, run.len() as f32 * module, height).path().0);
        }
        at += run.len();
    }
    drawing.items.push(Item::Fill { path: bars, colour: Colour(0, 0, 0), opacity: 1.0, crisp: true });
    width
}

/// The modules of a Code 39 symbol with its start and stop characters, 1 for dark.
fn wide_modules(text: &str) -> Option<Vec<u8>> {
    let formed = text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !formed || !(1..=24).contains(&text.len()) {
        return None;
    }
    let narrow = Code39::new(text).ok()?.encode();
    // ISO/IEC 16388: where a narrow element is less than half a millimetre a wide one has more than 2.2 of it. The symbol comes
    // with wide elements of two modules; they get three.
    let elements = narrow.chunk_by(|a, b| a == b);
    Some(elements.flat_map(|run| vec![run[0]; if run.len() > 1 { 3 } else { 1 }]).collect())
}

/// The modules of the symbol, 1 for dark. Character set B, then C for an even number of digits at the end.
pub(crate) fn modules(text: &str) -> Option<Vec<u8>> {
    if text.is_empty()
        || text.len() > 12
        || !text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    {
        return None;
    }
    let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (first, pairs) = text.split_at(text.len() - digits / 2 * 2);
    let data = match (first, pairs) {
        ("", _) => format!("\u{0106}{pairs}"),
        (_, "") => format!("\u{0181}{first}"),
        _ => format!("\u{0181}{first}\u{0106}{pairs}"),
    };
    Some(Code128::new(data).ok()?.encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_have_the_expected_length() {
        // Start, 3 characters, switch, 3 pairs, check: 9 symbols of 11 modules, and 13 of the stop pattern.
        assert_eq!(modules("TWA000123").map(|m| m.len()), Some(9 * 11 + 13));
        assert_eq!(modules("A123456789").map(|m| m.len()), Some(9 * 11 + 13));
        assert_eq!(modules("123456").map(|m| m.len()), Some(5 * 11 + 13));
        assert!(modules("ABC").is_some());
        for bad in ["", "twa000123", "TWA 00123", "身", "1234567890123"] {
            assert_eq!(modules(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_code_39_symbol_has_nine_elements_a_character_and_three_of_them_wide() {
        // 16 characters, start and stop: 6 narrow and 3 wide elements each, and a narrow gap between them.
        let symbol = wide_modules("AB01234567890123").expect("valid");
        assert_eq!(symbol.len(), 18 * (6 + 3 * 3) + 17);
        assert_eq!((symbol.first(), symbol.last()), (Some(&1), Some(&1)));
        for bad in ["", "ab", "A B", "A*B", "身", "A234567890123456789012345"] {
            assert!(code_39_svg(bad).is_err(), "{bad}");
        }
        let svg = code_39_svg("AB01234567890123").expect("valid");
        assert!(svg.contains(">AB01234567890123</text>") && svg.trim_end().ends_with("</svg>"), "{svg}");
    }

    // proves: NPC-65
    #[test]
    fn zbar_reads_code_39_back() {
        let directory = tempfile::tempdir().expect("a directory");
        for text in ["AB01234567890123", "ZZ99999999999999", "QX10000000000008"] {
            let width = wide_modules(text).expect("valid").len() as f32 * MODULE_MM;
            let svg = code_39_svg(text).expect("valid");
            for dpi in [200, 300, 600] {
                let file = directory.path().join(format!("{text}-{dpi}.png"));
                let picture = crate::png::write(&svg, code_39_size(width), dpi).expect("renders");
                std::fs::write(&file, picture).expect("written");
                let arguments = ["-q", "-Sdisable", "-Scode39.enable", &file.to_string_lossy()];
                let read = std::process::Command::new("zbarimg").args(arguments).output();
                let read =
                    read.expect("zbarimg is missing: apt-get install -y --no-install-recommends zbar-tools");
                let read = String::from_utf8_lossy(&read.stdout).into_owned();
                assert_eq!(read.trim(), format!("CODE-39:{text}"), "{dpi} dots per inch");
            }
        }
    }

    #[test]
    fn a_symbol_begins_and_ends_with_a_bar() {
        let modules = modules("TWA000123").expect("valid");
        assert_eq!((modules.first(), modules.last()), (Some(&1), Some(&1)));
        assert!(modules.iter().all(|m| *m <= 1));
    }
}
