//! What a camera or a program wrote into a JPEG file beside the picture: the day it was taken, and the names of programs that had
//! it in hand (CARDFACE-19, CARDFACE-20). Evidence for the reviewing clerk, no proof: whoever wants to can write anything there.
//!
//! Exif by CIPA DC-008 (TIFF 6.0 inside APP1), XMP in APP1 and Photoshop's resources in APP13. Whatever is malformed counts as not
//! there: the picture is judged by [`accept`](crate::photo::accept).

use jiff::civil::Date;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The day the camera says the picture was taken on.
    pub taken: Option<Date>,
    /// Programs that wrote their name, each once, as they wrote it.
    pub software: Vec<String>,
}

/// Longest name of a program that is kept.
const LONGEST: usize = 80;
/// Most names that are kept.
const MOST: usize = 8;

impl Metadata {
    /// Looks through the segments before the picture.
    pub fn read(file: &[u8]) -> Self {
        let mut found = Self::default();
        let mut rest = file.strip_prefix(&[0xFF, 0xD8]).unwrap_or_default();
        // ISO/IEC 10918-1 annex B.1.1: FF, marker, length with its own two bytes, content.
        while let [0xFF, marker, high, low, after @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low])).saturating_sub(2);
            let Some(content) = after.get(..length) else { break };
            match marker {
                // SOS: the picture begins.
                0xDA => break,
                0xE1 => {
                    if let Some(tiff) = content.strip_prefix(b"Exif\0\0") {
                        found.exif(tiff);
                    } else if content.starts_with(b"http://ns.adobe.com/xap/1.0/\0") {
                        found.xmp(content);
                    }
                }
                0xED if content.starts_with(b"Photoshop ") => found.program("Adobe Photoshop (APP13)"),
                _ => {}
            }
            rest = &after[length..];
        }
        found
    }

    fn program(&mut self, name: &str) {
        let name: String = name.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        let name = name.trim();
        if !name.is_empty() && self.software.len() < MOST && self.software.iter().all(|known| known != name) {
            self.software.push(name.to_owned());
        }
    }

    fn exif(&mut self, tiff: &[u8]) {
        let Some(tiff) = Tiff::new(tiff) else { return };
        let Some(first) = tiff.long(4) else { return };
        if let Some(software) = tiff.text(first, SOFTWARE) {
            self.program(&software);
        }
        let original = tiff
            .find(first, EXIF_DIRECTORY)
            .and_then(|at| tiff.long(at + 8))
            .and_then(|directory| tiff.text(directory, DATE_TIME_ORIGINAL));
        if let Some(date) = original.as_deref().and_then(exif_date) {
            self.taken = Some(date);
        }
    }

    // XMP writes properties as attributes or as elements; both name the program right after the property.
    fn xmp(&mut self, packet: &[u8]) {
        let text = String::from_utf8_lossy(packet);
        for property in ["CreatorTool", "softwareAgent"] {
            for (at, _) in text.match_indices(property) {
                let after = &text[at + property.len()..];
                let value = match after.as_bytes().first() {
                    Some(b'=') => after.get(2..).and_then(|value| value.split(['"', '\'']).next()),
                    Some(b'>') => after.get(1..).and_then(|value| value.split('<').next()),
                    _ => None,
                };
                if let Some(value) = value {
                    self.program(value);
                }
            }
        }
    }
}

/// `2026:07:01 10:00:00`.
fn exif_date(text: &str) -> Option<Date> {
    let mut parts = text.get(..10)?.split(':');
    let mut next = || parts.next()?.parse::<i16>().ok();
    let (year, month, day) = (next()?, next()?, next()?);
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

const SOFTWARE: u16 = 0x0131;
const EXIF_DIRECTORY: u16 = 0x8769;
const DATE_TIME_ORIGINAL: u16 = 0x9003;

/// A TIFF structure: numbers in either order, offsets from its beginning.
struct Tiff<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl<'a> Tiff<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        match bytes.get(..4)? {
            [b'I', b'I', 42, 0] => Some(Self { bytes, little: true }),
            [b'M', b'M', 0, 42] => Some(Self { bytes, little: false }),
            _ => None,
        }
    }

    fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn long(&self, at: usize) -> Option<usize> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        let value = if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) };
        usize::try_from(value).ok()
    }

    /// Where the entry with this tag begins: tag (2), type (2), count (4), value or offset (4).
    fn find(&self, directory: usize, tag: u16) -> Option<usize> {
        let count = usize::from(self.short(directory)?);
        (0..count)
            .map(|number| directory.saturating_add(2 + 12 * number))
            .take_while(|at| at.saturating_add(12) <= self.bytes.len())
            .find(|at| self.short(*at) == Some(tag))
    }

    /// The ASCII value (type 2) of a tag.
    fn text(&self, directory: usize, tag: u16) -> Option<String> {
        let at = self.find(directory, tag)?;
        if self.short(at + 2)? != 2 {
            return None;
        }
        let count = self.long(at + 4)?;
        let from = if count <= 4 { at + 8 } else { self.long(at + 8)? };
        let value = self.bytes.get(from..from.checked_add(count)?)?;
        let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An Exif segment with a program and a day, in either order of bytes.
    pub(crate) fn exif(little: bool, software: &str, taken: &str) -> Vec<u8> {
        let short = |n: u16| if little { n.to_le_bytes() } else { n.to_be_bytes() };
        let long = |n: usize| if little { (n as u32).to_le_bytes() } else { (n as u32).to_be_bytes() };
        let entry = |tag: u16, kind: u16, count: usize, value: usize| {
            [&short(tag)[..], &short(kind), &long(count), &long(value)].concat()
        };
        // Header, directory with two entries, Exif directory with one, then the texts.
        let (first, second) = (8, 8 + 2 + 24 + 4);
        let texts = second + 2 + 12 + 4;
        let mut tiff = if little { b"II\x2a\0".to_vec() } else { b"MM\0\x2a".to_vec() };
        tiff.extend(long(first));
        tiff.extend(short(2));
        tiff.extend(entry(SOFTWARE, 2, software.len() + 1, texts));
        tiff.extend(entry(EXIF_DIRECTORY, 4, 1, second));
        tiff.extend(long(0));
        tiff.extend(short(1));
        tiff.extend(entry(DATE_TIME_ORIGINAL, 2, taken.len() + 1, texts + software.len() + 1));
        tiff.extend(long(0));
        tiff.extend([software.as_bytes(), b"\0", taken.as_bytes(), b"\0"].concat());
        segment(0xE1, &[b"Exif\0\0", tiff.as_slice()].concat())
    }

    pub(crate) fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len() + 2).expect("short").to_be_bytes();
        [&[0xFF, marker][..], &length, content].concat()
    }

    /// A file with these segments before a picture.
    pub(crate) fn with(picture: &[u8], segments: &[Vec<u8>]) -> Vec<u8> {
        [&[0xFF, 0xD8][..], &segments.concat(), &picture[2..]].concat()
    }

    const PICTURE: &[u8] = &[0xFF, 0xD8, 0xFF, 0xDA, 0, 2, 0, 0xFF, 0xD9];

    // proves: CARDFACE-19, CARDFACE-20
    #[test]
    fn day_and_programs_are_found_wherever_they_are_written() {
        for little in [true, false] {
            let file = with(PICTURE, &[exif(little, "Adobe Photoshop 27.1", "2026:06:30 09:08:07")]);
            let found = Metadata::read(&file);
            assert_eq!(found.taken, Some(jiff::civil::date(2026, 6, 30)));
            assert_eq!(found.software, ["Adobe Photoshop 27.1"]);
        }
        let xmp = b"http://ns.adobe.com/xap/1.0/\0<x xmp:CreatorTool=\"GIMP 3.0\"><stEvt:softwareAgent>FaceTune</stEvt:softwareAgent>";
        let photoshop = segment(0xED, b"Photoshop 3.0\08BIM");
        let found = Metadata::read(&with(PICTURE, &[segment(0xE1, xmp), photoshop.clone(), photoshop]));
        assert_eq!(found.software, ["GIMP 3.0", "FaceTune", "Adobe Photoshop (APP13)"]);
        assert_eq!(Metadata::read(PICTURE), Metadata::default());
    }

    // What is cut or changed anywhere is read without a panic, and a name stays short.
    #[test]
    fn no_file_breaks_the_reader() {
        let file = with(
            PICTURE,
            &[
                exif(true, "x", "2026:06:30 09:08:07"),
                segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0CreatorTool="),
            ],
        );
        for end in 0..file.len() {
            Metadata::read(&file[..end]);
            for value in [0, 1, 0x7F, 0x80, 0xFF, file[end].wrapping_add(1)] {
                let mut changed = file.clone();
                changed[end] = value;
                Metadata::read(&changed);
            }
        }
        let long = "x".repeat(5_000);
        assert_eq!(Metadata::read(&with(PICTURE, &[exif(false, &long, "")])).software[0].len(), LONGEST);
        assert_eq!(exif_date("2026:13:01 00:00:00"), None);
        assert_eq!(exif_date("20é6:1"), None);
    }
}
