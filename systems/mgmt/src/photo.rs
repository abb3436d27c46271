//! The photo an applicant hands in: the rules of the digital file, and the two pictures made of it.
//!
//! What is checked here is what a program can decide without looking at a face: format, size, dimensions, a frame around the
//! picture, the day it was taken. Head height, distance and retouching are the reviewing clerk's (CARDFACE-18, 20), who is
//! shown what the file says of the programs that had it in hand.

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, GenericImageView, ImageDecoder, ImageReader, Limits, RgbImage};
use jiff::Span;
use jiff::civil::Date;
use std::io::Cursor;

/// Largest file, 5 MB (CARDFACE-21).
pub const MAX_FILE_BYTES: usize = 5 * 1024 * 1024;
/// Least width in pixels (CARDFACE-21).
pub const MIN_WIDTH: u32 = 826;
/// Least height in pixels (CARDFACE-21).
pub const MIN_HEIGHT: u32 = 1062;

/// Largest side that is decoded at all: bounds memory against a small file that unfolds into a huge picture.
const MAX_SIDE: u32 = 10_000;
/// Largest picture in memory while decoding: 10,000 x 10,000 would be 300 MB, so the area is bounded too.
const MAX_DECODED_BYTES: u64 = 192 * 1024 * 1024;

/// The portrait in the chip: 413 x 531 pixels are 3.5 x 4.5 cm at 300 dpi.
const CHIP_SIZE: (u32, u32) = (413, 531);
/// Most bytes of the portrait in the chip; the four zones together have 120 KB (CARD-05).
const CHIP_MAX_BYTES: usize = 15 * 1024;
/// The portrait for the colour printer: 600 dpi.
const PRINT_SIZE: (u32, u32) = (826, 1062);
const PRINT_QUALITY: u8 = 90;

/// Why a photo is refused (CARDFACE-22): the applicant hands in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PhotoFault {
    /// More than 5 MB.
    TooLarge,
    /// Not a JPEG file.
    NotJpeg,
    /// Begins as a JPEG file but cannot be decoded.
    Damaged,
    /// Fewer pixels than the rule asks for.
    TooSmall {
        /// Width found, after turning the picture upright.
        width: u32,
        /// Height found.
        height: u32,
    },
    /// More pixels than any camera gives; not decoded.
    TooManyPixels,
    /// A frame around the picture (CARDFACE-18).
    Border,
    /// In the few bytes of the chip it is no longer the picture that would be printed (CARD-24).
    TooDetailed,
}

/// For how many months a photo may be used (CARDFACE-19).
pub const MONTHS: i32 = 6;

/// Why the day a photo was taken on does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayFault {
    /// More than six months before the application, or after it.
    TooOld,
    /// The camera wrote another day than the applicant declares.
    Differs,
}

/// Whether the declared day is within six months before the application, and the camera's day, where the file has one, the
/// same: a clock set to another zone may be a day off.
pub fn check_day(taken: Date, camera: Option<Date>, application: Date) -> Result<(), DayFault> {
    let earliest = application.saturating_sub(Span::new().months(MONTHS));
    if taken > application || taken < earliest {
        return Err(DayFault::TooOld);
    }
    let apart = |camera: Date| (camera - taken).get_days().abs();
    if camera.is_some_and(|camera| apart(camera) > 1) { Err(DayFault::Differs) } else { Ok(()) }
}

/// Checks a file by the rules of CARDFACE-21 and gives the picture that is printed and kept on file: upright, cropped to
/// 35 x 45 mm, a JPEG of 826 x 1062 pixels. The one for the chip can be made of it.
pub fn accept(file: &[u8]) -> Result<Vec<u8>, PhotoFault> {
    if file.len() > MAX_FILE_BYTES {
        return Err(PhotoFault::TooLarge);
    }
    // ISO/IEC 10918-1 annex B.1.1.3: SOI, then another marker.
    if !file.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return Err(PhotoFault::NotJpeg);
    }
    // The decoder fills what a broken transfer left out with grey.
    if !is_whole(file) {
        return Err(PhotoFault::Damaged);
    }
    let image = decode(file)?;
    let (width, height) = image.dimensions();
    if width < MIN_WIDTH || height < MIN_HEIGHT {
        return Err(PhotoFault::TooSmall { width, height });
    }
    if has_border(&image) {
        return Err(PhotoFault::Border);
    }
    let upright = crop_to_ratio(&image, PRINT_SIZE);
    let print = encode(&scaled(upright, PRINT_SIZE), PRINT_QUALITY)?;
    // What production would refuse is refused at the counter: there another photo can be had.
    for_chip(&print)?;
    Ok(print)
}

/// The same picture at the size and in the few bytes the chip has room for: a JPEG of 413 x 531 pixels (CARD-24). Production
/// compares the two before it prints; a card that it would scrap is not ordered.
pub fn for_chip(print: &[u8]) -> Result<Vec<u8>, PhotoFault> {
    let chip = encode_below(&scaled(decode(print)?, CHIP_SIZE), CHIP_MAX_BYTES)?;
    if chip.len() <= CHIP_MAX_BYTES && production::is_one_picture(print, &chip) {
        Ok(chip)
    } else {
        Err(PhotoFault::TooDetailed)
    }
}

/// Whether the picture runs to its end of image; what cameras put behind that is their business.
fn is_whole(file: &[u8]) -> bool {
    let mut rest = &file[2..];
    let mut in_scan = false;
    // ISO/IEC 10918-1 annex B.1.1: a marker is FF and a byte that is neither 00 (stuffing) nor FF (fill).
    while let Some(at) = rest.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xFF)) {
        let marker = rest[at + 1];
        rest = &rest[at + 2..];
        match marker {
            // EOI
            0xD9 => return in_scan,
            // RSTm and TEM stand alone.
            0xD0..=0xD7 | 0x01 => {}
            // Every other marker begins a segment that says its length; thumbnails inside one have an end of their own.
            _ => {
                in_scan |= marker == 0xDA;
                let Some(length) = rest.first_chunk().map(|bytes| usize::from(u16::from_be_bytes(*bytes)))
                else {
                    return false;
                };
                let Some(after) = rest.get(length..) else { return false };
                rest = after;
            }
        }
    }
    false
}

/// Decodes and turns the picture upright: phones write the sensor's rows and an orientation tag.
fn decode(file: &[u8]) -> Result<DynamicImage, PhotoFault> {
    let mut reader = ImageReader::with_format(Cursor::new(file), image::ImageFormat::Jpeg);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(fault)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    if decoder.total_bytes() > MAX_DECODED_BYTES {
        return Err(PhotoFault::TooManyPixels);
    }
    let mut image = DynamicImage::from_decoder(decoder).map_err(fault)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn fault(error: image::ImageError) -> PhotoFault {
    match error {
        image::ImageError::Limits(_) => PhotoFault::TooManyPixels,
        _ => PhotoFault::Damaged,
    }
}

/// Whether all four edges of the picture are of one and the same colour. Behind a head the background runs to three of them;
/// shoulders meet the lower one, unless a frame was put around the picture.
fn has_border(image: &DynamicImage) -> bool {
    /// How far a channel strays within a plain edge after JPEG's losses.
    const STRAY: u8 = 12;
    let (width, height) = image.dimensions();
    let (right, bottom) = (width.saturating_sub(3), height.saturating_sub(3));
    let mut least = [255u8; 3];
    let mut most = [0u8; 3];
    let mut add = |x: u32, y: u32| {
        for ((value, least), most) in image.get_pixel(x, y).0.iter().zip(&mut least).zip(&mut most) {
            *least = (*least).min(*value);
            *most = (*most).max(*value);
        }
    };
    // The third pixel from the outside: the first may be mixed with what lies beyond.
    for x in (2..right).step_by(7) {
        add(x, 2);
        add(x, bottom);
    }
    for y in (2..bottom).step_by(7) {
        add(2, y);
        add(right, y);
    }
    least.iter().zip(most).all(|(least, most)| most.saturating_sub(*least) <= STRAY)
}

/// The largest centred part with the ratio of `size` (35 x 45 mm).
fn crop_to_ratio(image: &DynamicImage, size: (u32, u32)) -> DynamicImage {
    let (width, height) = image.dimensions();
    let (w, h) = (u64::from(width), u64::from(height));
    let (rw, rh) = (u64::from(size.0), u64::from(size.1));
    let (cw, ch) = if w * rh > h * rw { (h * rw / rh, h) } else { (w, w * rh / rw) };
    // Both fit u32: they are at most the sides of the picture.
    let (cw, ch) = (cw as u32, ch as u32);
    image.crop_imm((width - cw) / 2, (height - ch) / 2, cw, ch)
}

fn scaled(image: DynamicImage, size: (u32, u32)) -> RgbImage {
    // In three bytes a pixel before scaling: a picture may come with 16 bits a channel.
    let image = DynamicImage::ImageRgb8(image.into_rgb8());
    if image.dimensions() == size {
        return image.into_rgb8();
    }
    image.resize_exact(size.0, size.1, FilterType::CatmullRom).into_rgb8()
}

/// The best quality whose file is not longer than `limit`; the least there is where none is so short.
fn encode_below(image: &RgbImage, limit: usize) -> Result<Vec<u8>, PhotoFault> {
    // Bisection over the quality scale; the size grows with the quality.
    let (mut low, mut high) = (5u8, 92u8);
    let mut best = encode(image, low)?;
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let candidate = encode(image, middle)?;
        if candidate.len() <= limit {
            low = middle;
            best = candidate;
        } else {
            high = middle - 1;
        }
    }
    Ok(best)
}

fn encode(image: &RgbImage, quality: u8) -> Result<Vec<u8>, PhotoFault> {
    let mut out = Vec::with_capacity(32 * 1024);
    JpegEncoder::new_with_quality(&mut out, quality)
        .encode(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .map_err(|_| PhotoFault::Damaged)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(width: u32, height: u32, quality: u8) -> Vec<u8> {
        let mut state = 1u32;
        let image = RgbImage::from_fn(width, height, |x, y| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 28) as u8;
            image::Rgb([(x / 5) as u8 ^ noise, (y / 7) as u8, 128u8.wrapping_add(noise)])
        });
        encode(&image, quality).expect("encodes")
    }

    // proves: CARDFACE-21, CARDFACE-22
    #[test]
    fn the_rules_of_the_file_each_have_their_own_refusal() {
        assert!(accept(&jpeg(826, 1062, 90)).is_ok());
        assert_eq!(
            accept(&jpeg(825, 1062, 90)).err(),
            Some(PhotoFault::TooSmall { width: 825, height: 1062 })
        );
        assert_eq!(
            accept(&jpeg(826, 1061, 90)).err(),
            Some(PhotoFault::TooSmall { width: 826, height: 1061 })
        );
        assert_eq!(accept(b"\x89PNG\r\n\x1a\n....").err(), Some(PhotoFault::NotJpeg));
        assert_eq!(accept(b"").err(), Some(PhotoFault::NotJpeg));
        let mut huge = jpeg(826, 1062, 90);
        huge.resize(MAX_FILE_BYTES, 0);
        assert!(accept(&huge).is_ok(), "5 MB are allowed");
        huge.push(0);
        assert_eq!(accept(&huge).err(), Some(PhotoFault::TooLarge));
        assert_eq!(accept(&[0xFF, 0xD8, 0xFF, 0xE0, 0, 4]).err(), Some(PhotoFault::Damaged));
    }

    // proves: CARDFACE-18
    #[test]
    fn the_picture_is_35_to_45_and_has_no_frame() {
        for (width, height) in [(826, 1062), (1500, 1500), (900, 2000)] {
            let print = accept(&jpeg(width, height, 90)).expect("accepted");
            let print = image::load_from_memory(&print).expect("decodes");
            // 3.5 cm by 4.5 cm, to the pixel.
            assert_eq!(print.width() * 45 / 35, print.height());
        }
        let portrait = crate::portrait::draw(7);
        accept(&portrait).expect("a portrait on a plain background has no frame");
        let portrait = image::load_from_memory(&portrait).expect("decodes").to_rgb8();
        for (frame, colour) in [(16, [255, 255, 255]), (40, [0, 0, 0]), (12, [200, 30, 30])] {
            let (width, height) = (portrait.width() + 2 * frame, portrait.height() + 2 * frame);
            let mut framed = RgbImage::from_pixel(width, height, image::Rgb(colour));
            image::imageops::overlay(&mut framed, &portrait, i64::from(frame), i64::from(frame));
            let file = encode(&framed, 92).expect("encodes");
            assert_eq!(accept(&file).err(), Some(PhotoFault::Border), "{frame} pixels of {colour:?}");
        }
    }

    // proves: CARDFACE-19
    #[test]
    fn a_photo_is_at_most_six_months_old_and_the_camera_agrees() {
        let day = |month, day| jiff::civil::date(2026, month, day);
        let today = day(7, 15);
        for (taken, camera, verdict) in [
            (today, None, Ok(())),
            (day(1, 15), None, Ok(())),
            (day(1, 14), None, Err(DayFault::TooOld)),
            (day(7, 16), None, Err(DayFault::TooOld)),
            (day(6, 1), Some(day(6, 1)), Ok(())),
            (day(6, 1), Some(day(5, 31)), Ok(())),
            (day(6, 1), Some(day(6, 3)), Err(DayFault::Differs)),
            (day(6, 1), Some(jiff::civil::date(2021, 6, 1)), Err(DayFault::Differs)),
        ] {
            assert_eq!(check_day(taken, camera, today), verdict, "{taken} {camera:?}");
        }
        // The last of August is six months before the end of February.
        assert_eq!(check_day(jiff::civil::date(2025, 8, 28), None, day(2, 28)), Ok(()));
    }

    // proves: CARDFACE-22
    #[test]
    fn a_picture_that_was_cut_off_anywhere_is_refused() {
        let whole = jpeg(826, 1062, 90);
        for part in 1..64 {
            let cut = &whole[..whole.len() * part / 64];
            assert_eq!(accept(cut).err(), Some(PhotoFault::Damaged), "{part}/64");
        }
        assert_eq!(accept(&whole[..whole.len() - 1]).err(), Some(PhotoFault::Damaged));
        // A thumbnail in an APP1 segment ends before the picture does.
        let thumbnail = [b"Exif\0\0".as_slice(), &[0xFF, 0xD8, 0xFF, 0xDA, 0, 2, 0xFF, 0xD9]].concat();
        let length = u16::try_from(thumbnail.len() + 2).expect("short").to_be_bytes();
        let with = [&[0xFF, 0xD8, 0xFF, 0xE1], length.as_slice(), &thumbnail, &whole[2..]].concat();
        assert!(accept(&with).is_ok());
        assert_eq!(accept(&with[..with.len() / 2]).err(), Some(PhotoFault::Damaged));
        assert!(accept(&[&whole, b"maker's data".as_slice()].concat()).is_ok());
    }

    #[test]
    fn a_small_file_that_claims_a_huge_picture_is_not_decoded() {
        let mut file = jpeg(826, 1062, 90);
        // The frame header (SOF0): FF C0, length, precision, height, width.
        let at = file.windows(2).position(|w| w == [0xFF, 0xC0]).expect("baseline frame");
        file[at + 5..at + 9].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(accept(&file).err(), Some(PhotoFault::TooManyPixels));
    }

    // Two pixels of the print are one in the chip: grain of that size is grey there.
    #[test]
    fn a_photo_that_would_be_another_picture_in_the_chip_is_refused_at_the_counter() {
        let grain = |side: u32| {
            let mut image = image::load_from_memory(&crate::portrait::draw(7)).expect("decodes").to_rgb8();
            let mut state = 1u32;
            for y in (0..image.height()).step_by(side as usize) {
                for x in (0..image.width()).step_by(side as usize) {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let colour = image::Rgb([if state >> 31 == 0 { 0 } else { 255 }; 3]);
                    for (x, y) in (0..side).flat_map(|i| (0..side).map(move |j| (x + i, y + j))) {
                        if x < image.width() && y < image.height() {
                            image.put_pixel(x, y, colour);
                        }
                    }
                }
            }
            encode(&image, 90).expect("encodes")
        };
        assert!(accept(&crate::portrait::draw(7)).is_ok());
        assert_eq!(accept(&grain(4)).err(), Some(PhotoFault::TooDetailed));
    }

    // proves: CARD-24
    #[test]
    fn chip_and_print_pictures_have_their_sizes() {
        let print = accept(&jpeg(1500, 1500, 92)).expect("accepted");
        let chip = for_chip(&print).expect("fits");
        assert!(chip.len() <= CHIP_MAX_BYTES, "{}", chip.len());
        assert!(chip.len() > 8 * 1024, "quality wasted: {}", chip.len());
        let chip = image::load_from_memory(&chip).expect("decodes");
        let print = image::load_from_memory(&print).expect("decodes");
        assert_eq!(chip.dimensions(), CHIP_SIZE);
        assert_eq!(print.dimensions(), PRINT_SIZE);
        // The same crop: scaled to one size, the mean difference of a channel is small.
        let small = image::imageops::resize(&print.to_rgb8(), CHIP_SIZE.0, CHIP_SIZE.1, FilterType::Triangle);
        let difference: u64 =
            small.iter().zip(chip.to_rgb8().iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!(difference / (small.len() as u64) < 24, "{}", difference / small.len() as u64);
    }
}
