//! Texts in boxes: as large as wanted, smaller or on more lines where the box demands it, never outside it.

use crate::Error;
use crate::drawing::{Colour, Drawing, Item, Path, Rect, Text};
use crate::fonts::{FontSet, Role, Shaped};

/// The colour of laser engraving, which blackens the card and knows no hue (CARDFACE-14).
pub(crate) const INK: Colour = Colour(0x1A, 0x1A, 0x1A);

/// How a text is set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) role: Role,
    /// The size in millimetres that is used if the box allows it.
    pub(crate) size: f32,
    pub(crate) lines: usize,
    pub(crate) align: Align,
    pub(crate) colour: Colour,
    /// Whether a character without glyph becomes a mark; otherwise it is an error.
    pub(crate) mark: bool,
}

/// Where in its box a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Start,
    Centre,
}

impl Style {
    pub(crate) const fn new(role: Role, size: f32) -> Self {
        Self { role, size, lines: 1, align: Align::Start, colour: INK, mark: false }
    }

    pub(crate) const fn lines(self, lines: usize) -> Self {
        Self { lines, ..self }
    }

    pub(crate) const fn centred(self) -> Self {
        Self { align: Align::Centre, ..self }
    }

    pub(crate) const fn mark(self, mark: bool) -> Self {
        Self { mark, ..self }
    }

    pub(crate) const fn colour(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }
}

/// Distance of baselines in ems.
const LEADING: f32 = 1.18;

/// Draws `text` into `place`. `field` names the text in errors.
pub(crate) fn draw(
    drawing: &mut Drawing,
    fonts: &FontSet,
    place: Rect,
    text: &str,
    style: Style,
    field: &'static str,
) -> Result<(), Error> {
    let missing = Error::NoGlyph { field };
    let pieces = pieces(text)
        .into_iter()
        .map(|piece| fonts.shape_or_mark(style.role, piece, style.mark).map(|shaped| (piece, shaped.advance)))
        .collect::<Option<Vec<_>>>()
        .ok_or(missing.clone())?;
    let mut best: Option<(f32, Vec<Shaped>)> = None;
    for count in 1..=style.lines {
        let lines = broken(&pieces, count)
            .iter()
            .map(|line| fonts.shape_or_mark(style.role, line.trim(), style.mark))
            .collect::<Option<Vec<_>>>()
            .ok_or(missing.clone())?;
        let size = style.size.min(largest(&lines, place));
        if best.as_ref().is_none_or(|(other, _)| size > *other * 1.02) {
            best = Some((size, lines));
        }
    }
    let Some((size, lines)) = best else { return Ok(()) };
    let block = block(&lines);
    let Some(ink) = block.bounds() else { return Ok(()) };
    // The block stands in the middle of the height; lines start at the left edge of the ink or are centred.
    let y = place.y + (place.h - ink.h * size) / 2.0 - ink.y * size;
    let mut all = Path::default();
    for (index, line) in lines.iter().enumerate() {
        let Some(extent) = line.path.bounds() else { continue };
        let x = match style.align {
            Align::Start => place.x - extent.x * size,
            Align::Centre => place.x + (place.w - extent.w * size) / 2.0 - extent.x * size,
        };
        let down = y + index as f32 * LEADING * size;
        all.0.extend(line.path.map(|px, py| (x + px * size, down + py * size)).0);
    }
    if let Some(ink) = all.bounds() {
        let faces = lines.iter().flat_map(|line| &line.faces);
        let typefaces = faces.map(|(part, font)| (part.clone(), fonts.family(*font))).collect();
        drawing.texts.push(Text { content: text.to_owned(), place, ink, typefaces });
    }
    drawing.items.push(Item::Fill { path: all, colour: style.colour, opacity: 1.0, crisp: false });
    Ok(())
}

/// The lines of a block at one em.
fn block(lines: &[Shaped]) -> Path {
    let mut all = Path::default();
    for (index, line) in lines.iter().enumerate() {
        all.0.extend(line.path.map(|x, y| (x, y + index as f32 * LEADING)).0);
    }
    all
}

/// The largest size at which all lines fit, by their ink.
fn largest(lines: &[Shaped], place: Rect) -> f32 {
    let width = lines.iter().filter_map(|line| line.path.bounds()).map(|b| b.w).fold(0.0, f32::max);
    let height = block(lines).bounds().map_or(0.0, |b| b.h);
    // A hair less, so that rounding cannot carry the ink over the edge.
    0.999 * (place.w / width.max(0.01)).min(place.h / height.max(0.01))
}

/// The smallest pieces between which a line may be broken: after spaces, hyphens and commas, and before and after any
/// character that is not a letter of an alphabet.
fn pieces(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut previous: Option<char> = None;
    for (at, character) in text.char_indices() {
        let wide = |c: char| c > '\u{2E7F}';
        let breaks =
            previous.is_some_and(|p| matches!(p, ' ' | '-' | ',' | '\u{2027}') || wide(p) || wide(character));
        if breaks && character != ' ' && character != '\u{2027}' && at > start {
            out.push(&text[start..at]);
            start = at;
        }
        previous = Some(character);
    }
    out.push(&text[start..]);
    out
}

/// Breaks into at most `count` lines so that the longest is as short as can be.
fn broken(pieces: &[(&str, f32)], count: usize) -> Vec<String> {
    let total: f32 = pieces.iter().map(|(_, width)| width).sum();
    let widest = pieces.iter().map(|(_, width)| *width).fold(0.0, f32::max);
    let mut limit = widest.max(total / count as f32);
    loop {
        let mut lines: Vec<(String, f32)> = Vec::new();
        for (piece, width) in pieces {
            match lines.last_mut() {
                Some((line, used)) if *used + width <= limit * 1.0001 => {
                    line.push_str(piece);
                    *used += width;
                }
                _ => lines.push(((*piece).to_owned(), *width)),
            }
        }
        if lines.len() <= count {
            return lines.into_iter().map(|(line, _)| line).collect();
        }
        limit *= 1.02;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_stand_at_spaces_and_between_chinese_characters() {
        assert_eq!(pieces("Chen, Hsiao-Ling"), ["Chen, ", "Hsiao-", "Ling"]);
        assert_eq!(pieces("陳筱玲"), ["陳", "筱", "玲"]);
        assert_eq!(pieces("谷辣斯\u{2027}尤達卡"), ["谷", "辣", "斯\u{2027}", "尤", "達", "卡"]);
        assert_eq!(pieces(""), [""]);
    }

    #[test]
    fn lines_are_balanced() {
        let pieces: Vec<(&str, f32)> = ["a ", "b ", "c ", "d "].into_iter().map(|p| (p, 1.0)).collect();
        assert_eq!(broken(&pieces, 1), ["a b c d "]);
        assert_eq!(broken(&pieces, 2), ["a b ", "c d "]);
        assert_eq!(broken(&pieces, 3).len(), 2);
        assert_eq!(broken(&[("long", 9.0), ("x", 1.0)], 5), ["long", "x"]);
    }
}
