//! DG2 (ICAO 9303-10 §4.7.2): the portrait, one facial record of ISO/IEC 19794-5:2005 in a biometric information template of
//! ISO/IEC 7816-11.
//!
//! The portrait is a JPEG. What the record could say about the person (sex, eyes, hair, pose) stays unspecified: the card
//! stores no more than its face shows (CARD-17). A card whose portrait is exempted has a DG2 with no instance (OPEN-62).

use crate::{DataGroup, Error};

/// How the picture is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// JPEG (ISO/IEC 10918).
    Jpeg,
    /// JPEG 2000 (ISO/IEC 15444); read, never written.
    Jpeg2000,
}

/// A picture found in DG2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Portrait<'a> {
    /// How it is encoded.
    pub kind: ImageKind,
    /// Its width as the record says.
    pub width: u16,
    /// Its height as the record says.
    pub height: u16,
    /// The picture file.
    pub data: &'a [u8],
}

impl std::fmt::Debug for Portrait<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Portrait({:?}, {} x {}, {} bytes)", self.kind, self.width, self.height, self.data.len())
    }
}

/// Encodes the file around a JPEG, or without one where the portrait is exempted.
pub fn encode(jpeg: Option<&[u8]>) -> Result<Vec<u8>, Error> {
    let Some(jpeg) = jpeg else {
        return Ok(DataGroup::Dg2.wrap(&tlv::encode(0x7F61, &tlv::encode(0x02, &[0]))));
    };
    let (width, height) = jpeg_dimensions(jpeg).ok_or(Error::Unwritable("portrait that is not a JPEG"))?;
    // ICAO 9303-10 Table 40: biometric header template: ICAO version 1.1, face (type 02), format owner ISO/IEC JTC 1/SC 37
    // (0101), format type face (0008).
    let header = [
        tlv::encode(0x80, &[0x01, 0x01]),
        tlv::encode(0x81, &[0x02]),
        tlv::encode(0x82, &[0x00]),
        tlv::encode(0x87, &[0x01, 0x01]),
        tlv::encode(0x88, &[0x00, 0x08]),
    ]
    .concat();
    let record = facial_record(jpeg, width, height)?;
    let template = [tlv::encode(0xA1, &header), tlv::encode(0x5F2E, &record)].concat();
    let group = [tlv::encode(0x02, &[1]), tlv::encode(0x7F60, &template)].concat();
    Ok(DataGroup::Dg2.wrap(&tlv::encode(0x7F61, &group)))
}

/// Reads the first picture of the file; `None` where the file says that there is none.
pub fn decode(file: &[u8]) -> Result<Option<Portrait<'_>>, Error> {
    let missing = |tag: u32| Error::Missing { file: "DG2", tag };
    let group = tlv::find(DataGroup::Dg2.unwrap(file)?, 0x7F61).ok_or(missing(0x7F61))?;
    let count = group.child(0x02).ok_or(missing(0x02))?;
    if count.value == [0] {
        return Ok(None);
    }
    let template = group.child(0x7F60).ok_or(missing(0x7F60))?;
    let block = template.child(0x5F2E).or_else(|| template.child(0x7F2E)).ok_or(missing(0x5F2E))?;
    read_facial_record(block.value)
        .map(Some)
        .ok_or(Error::Malformed { file: "DG2", what: "the facial record" })
}

const RECORD_HEADER: usize = 14;
const FACIAL_INFORMATION: usize = 20;
const FEATURE_POINT: usize = 8;
const IMAGE_INFORMATION: usize = 12;

/// One face without feature points.
fn facial_record(jpeg: &[u8], width: u16, height: u16) -> Result<Vec<u8>, Error> {
    let too_long = |_| Error::Unwritable("portrait");
    let block_length = FACIAL_INFORMATION + IMAGE_INFORMATION + jpeg.len();
    let mut out = Vec::with_capacity(RECORD_HEADER + block_length);
    // ISO/IEC 19794-5:2005 §5.4: format identifier, version 010, length of the record, number of images.
    out.extend(b"FAC\0");
    out.extend(b"010\0");
    out.extend(u32::try_from(RECORD_HEADER + block_length).map_err(too_long)?.to_be_bytes());
    out.extend(1u16.to_be_bytes());
    // §5.5: length of the block, no feature points; sex, eyes, hair, properties, expression, pose and its uncertainty
    // unspecified (0).
    out.extend(u32::try_from(block_length).map_err(too_long)?.to_be_bytes());
    out.extend(0u16.to_be_bytes());
    out.extend([0; 14]);
    // §5.7: full frontal (1), JPEG (0), size, 24-bit RGB (1), source unspecified (0), device and quality unspecified (0).
    out.extend([1, 0]);
    out.extend(width.to_be_bytes());
    out.extend(height.to_be_bytes());
    out.extend([1, 0, 0, 0, 0, 0]);
    out.extend(jpeg);
    Ok(out)
}

fn read_facial_record(record: &[u8]) -> Option<Portrait<'_>> {
    if record.get(..4)? != b"FAC\0" || u16::from_be_bytes(record.get(12..14)?.try_into().ok()?) == 0 {
        return None;
    }
    let block = record.get(RECORD_HEADER..)?;
    let length = usize::try_from(u32::from_be_bytes(block.get(..4)?.try_into().ok()?)).ok()?;
    let points = usize::from(u16::from_be_bytes(block.get(4..6)?.try_into().ok()?));
    let block = block.get(..length)?;
    let image = block.get(FACIAL_INFORMATION + points * FEATURE_POINT..)?;
    let kind = match image.get(1)? {
        0 => ImageKind::Jpeg,
        1 => ImageKind::Jpeg2000,
        _ => return None,
    };
    Some(Portrait {
        kind,
        width: u16::from_be_bytes(image.get(2..4)?.try_into().ok()?),
        height: u16::from_be_bytes(image.get(4..6)?.try_into().ok()?),
        data: image.get(IMAGE_INFORMATION..)?,
    })
}

// ISO/IEC 10918-1 §B.1.1.2, §B.2.2: segments of FF, marker and length up to the frame header (SOF0 to SOF15 without DHT, JPG
// and DAC), which holds precision, height and width.
/// Width and height of a JPEG, `None` if it is none.
pub fn jpeg_dimensions(jpeg: &[u8]) -> Option<(u16, u16)> {
    let mut rest = jpeg.strip_prefix(&[0xFF, 0xD8])?;
    loop {
        let [0xFF, marker, after @ ..] = rest else { return None };
        match marker {
            // Fill bytes before a marker.
            0xFF => rest = &rest[1..],
            // Markers without a segment.
            0x01 | 0xD0..=0xD7 => rest = after,
            // End or start of scan before any frame header.
            0xD8..=0xDA | 0x00 => return None,
            _ => {
                let length = usize::from(u16::from_be_bytes(after.get(..2)?.try_into().ok()?));
                let segment = after.get(2..length)?;
                if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) {
                    let height = u16::from_be_bytes(segment.get(1..3)?.try_into().ok()?);
                    let width = u16::from_be_bytes(segment.get(3..5)?.try_into().ok()?);
                    return (width > 0 && height > 0).then_some((width, height));
                }
                rest = &after[length..];
            }
        }
    }
}
