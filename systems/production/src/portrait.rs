//! Whether the photo that is printed is the picture in the chip (CARD-24): the same picture in another size and with other losses of
//! JPEG. Nobody's face is recognised here; a picture of somebody else differs in more than its losses.

use image::imageops::{FilterType, resize};
use image::{ImageFormat, RgbImage, load_from_memory_with_format};

/// Compares the printed photo with the portrait of DG2, both JPEG files. Says what is wrong.
pub(crate) fn difference(printed: Option<&[u8]>, chip: Option<&[u8]>) -> Option<&'static str> {
    match (printed, chip) {
        (None, None) => None,
        (Some(printed), Some(chip)) => {
            let (Some(printed), Some(chip)) = (decode(printed), decode(chip)) else {
                return Some("a portrait that is no picture");
            };
            (!same(&printed, &chip)).then_some("the printed portrait is not that of the chip")
        }
        (Some(_), None) => Some("a printed portrait and none in the chip"),
        (None, Some(_)) => Some("a portrait in the chip and none printed"),
    }
}

/// Whether quality control will take these two JPEG files for one picture: the photo to be printed, and the portrait for the chip.
/// For whoever makes the one from the other, before a card is ordered with them.
pub fn is_one_picture(printed: &[u8], chip: &[u8]) -> bool {
    difference(Some(printed), Some(chip)).is_none()
}

fn decode(jpeg: &[u8]) -> Option<RgbImage> {
    load_from_memory_with_format(jpeg, ImageFormat::Jpeg).ok().map(|image| image.into_rgb8())
}

/// Both pictures in few pixels, which losses and noise hardly change: the mean difference of all of them, and the largest of a
/// ninth or so of a head.
fn same(a: &RgbImage, b: &RgbImage) -> bool {
    /// 35 to 45, as the portrait.
    const FINE: (u32, u32) = (70, 90);
    const COARSE: (u32, u32) = (14, 18);
    const MEAN: u64 = 8;
    const LARGEST: u8 = 20;
    // Not stretched: a picture of another shape is another picture. One pixel is rounding.
    let shape = |image: &RgbImage| u64::from(image.width()) * 45;
    let other = |image: &RgbImage| u64::from(image.height()) * 35;
    if [a, b].into_iter().any(|image| shape(image).abs_diff(other(image)) > 45) {
        return false;
    }
    let small = |image, (width, height)| resize(image, width, height, FilterType::Triangle);
    let differences = |size| {
        let pair = (small(a, size).into_raw(), small(b, size).into_raw());
        pair.0.into_iter().zip(pair.1).map(|(a, b)| a.abs_diff(b)).collect::<Vec<u8>>()
    };
    let fine = differences(FINE);
    let sum: u64 = fine.iter().map(|difference| u64::from(*difference)).sum();
    sum <= MEAN * fine.len() as u64 && differences(COARSE).into_iter().all(|one| one <= LARGEST)
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, Rgb};

    use super::*;

    /// Somebody before a grey wall: hair, face and coat in colours of their own, with the noise of a camera.
    fn somebody(width: u32, hair: [u8; 3], face: [u8; 3], coat: [u8; 3], smile: bool) -> RgbImage {
        let height = width * 45 / 35;
        let mut noise = 1u32;
        RgbImage::from_fn(width, height, |x, y| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (x, y) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(width));
            let round =
                |cx: f64, cy: f64, rx: f64, ry: f64| ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) < 1.0;
            let mouth = smile && round(0.5, 0.78, 0.12, 0.04);
            let colour = if mouth {
                [170, 60, 60]
            } else if round(0.5, 0.62, 0.25, 0.33) && y > 0.42 {
                face
            } else if round(0.5, 0.5, 0.32, 0.36) {
                hair
            } else if y > 1.05 {
                coat
            } else {
                [200, 205, 210]
            };
            Rgb(colour.map(|channel: u8| channel.saturating_add((noise >> 29) as u8)))
        })
    }

    fn jpeg(image: &RgbImage, quality: u8) -> Vec<u8> {
        let mut out = Vec::new();
        JpegEncoder::new_with_quality(&mut out, quality)
            .encode(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8)
            .expect("encodes");
        out
    }

    fn in_chip(image: &RgbImage, quality: u8) -> Vec<u8> {
        jpeg(&resize(image, 413, 531, FilterType::CatmullRom), quality)
    }

    // proves: CARD-24
    #[test]
    fn the_same_picture_is_the_same_in_every_size_and_quality_and_another_is_not() {
        let (black, brown) = ([30, 28, 30], [110, 70, 40]);
        let (light, dark) = ([225, 190, 165], [170, 125, 95]);
        let (blue, white) = ([40, 50, 90], [235, 235, 235]);
        let looks = [
            (black, light, blue, false),
            (brown, light, blue, false),
            (black, dark, blue, false),
            (black, light, white, false),
            (black, light, blue, true),
        ];
        let people = looks.map(|(hair, face, coat, smile)| somebody(826, hair, face, coat, smile));
        for (n, person) in people.iter().enumerate() {
            let print = jpeg(person, 90);
            for quality in [92, 60, 30, 12] {
                assert_eq!(
                    difference(Some(&print), Some(&in_chip(person, quality))),
                    None,
                    "{n} at {quality}"
                );
            }
            for (m, other) in people.iter().enumerate().filter(|(m, _)| *m != n) {
                let found = difference(Some(&print), Some(&in_chip(other, 60)));
                assert!(found.is_some(), "{n} printed, {m} in the chip");
            }
            let stretched = jpeg(&resize(person, 531, 531, FilterType::Triangle), 80);
            assert!(difference(Some(&print), Some(&stretched)).is_some());
            assert!(difference(Some(&print), None).is_some() && difference(None, Some(&print)).is_some());
            assert!(difference(Some(&print), Some(&print[..400])).is_some(), "no picture");
        }
        assert_eq!(difference(None, None), None, "exempted");
    }
}
