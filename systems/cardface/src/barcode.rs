//! Code 128 (ISO/IEC 15417), the symbology of both barcodes (OPEN-45).

use barcoders::sym::code128::Code128;

use crate::Error;
use crate::drawing::{Colour, Drawing, Item, Path, Rect};

/// The width of a module: three pixels at 300 dots per inch, six at 600, so that no bar is blurred.
pub(crate) const MODULE_MM: f32 = 25.4 / 100.0;

/// The light margin on both sides, in modules.
pub(crate) const QUIET: usize = 10;

/// Draws `text` on white, the first bar at `x`. Returns the width of the bars.
pub(crate) fn draw(
    drawing: &mut Drawing,
    x: f32,
    y: f32,
    height: f32,
    text: &str,
    field: &'static str,
) -> Result<f32, Error> {
    let modules = modules(text).ok_or(Error::Barcode(field))?;
    let width = modules.len() as f32 * MODULE_MM;
    let margin = QUIET as f32 * MODULE_MM;
    let white = Rect::new(x - margin, y - 0.6, width + 2.0 * margin, height + 1.2).rounded(0.6);
    drawing.items.push(Item::Fill { path: white, colour: Colour(255, 255, 255), opacity: 1.0, crisp: false });
    let mut bars = Path::default();
    let mut at = 0;
    for run in modules.chunk_by(|a, b| a == b) {
        if run[0] == 1 {
            let left = x + at as f32 * MODULE_MM;
            bars.0.extend(Rect::new(left, y, run.len() as f32 * MODULE_MM, height).path().0);
        }
        at += run.len();
    }
    drawing.items.push(Item::Fill { path: bars, colour: Colour(0, 0, 0), opacity: 1.0, crisp: true });
    Ok(width)
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
    fn a_symbol_begins_and_ends_with_a_bar() {
        let modules = modules("TWA000123").expect("valid");
        assert_eq!((modules.first(), modules.last()), (Some(&1), Some(&1)));
        assert!(modules.iter().all(|m| *m <= 1));
    }
}
