//! The SVG as pixels.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::Error;

/// Renders an SVG of this size in millimetres.
pub(crate) fn write(svg: &str, (width, height): (f32, f32), dpi: u32) -> Result<Vec<u8>, Error> {
    if !(72..=1200).contains(&dpi) {
        return Err(Error::Resolution);
    }
    let scale = dpi as f32 / 25.4;
    let pixels = |mm: f32| (mm * scale).round() as u32;
    let mut canvas = Pixmap::new(pixels(width), pixels(height)).ok_or(Error::Resolution)?;
    canvas.fill(resvg::tiny_skia::Color::WHITE);
    let tree =
        Tree::from_str(svg, &Options::default()).map_err(|_| Error::Render("the SVG is not read back"))?;
    // The tree counts in pixels of 96 to the inch; one factor makes them ours, so that bars stay on whole pixels.
    let factor = dpi as f32 / 96.0;
    resvg::render(&tree, Transform::from_scale(factor, factor), &mut canvas.as_mut());
    // The canvas is opaque; without the fourth channel and with light compression the file is as small and made in half the time.
    let rgb: Vec<u8> = canvas.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Adaptive)
        .write_image(&rgb, canvas.width(), canvas.height(), ExtendedColorType::Rgb8)
        .map_err(|_| Error::Render("the PNG is not written"))?;
    Ok(with_resolution(png, dpi))
}

// PNG (ISO/IEC 15948) §11.3.5.3: the chunk pHYs says how many pixels a metre has; it stands before the first IDAT, here right after IHDR.
fn with_resolution(png: Vec<u8>, dpi: u32) -> Vec<u8> {
    const AFTER_IHDR: usize = 8 + 25;
    let per_metre = (f64::from(dpi) / 0.0254).round() as u32;
    let mut chunk = Vec::with_capacity(21);
    chunk.extend(9u32.to_be_bytes());
    chunk.extend(b"pHYs");
    chunk.extend(per_metre.to_be_bytes());
    chunk.extend(per_metre.to_be_bytes());
    chunk.push(1);
    chunk.extend(crc(&chunk[4..]).to_be_bytes());
    match png.get(AFTER_IHDR..) {
        Some(rest) => [&png[..AFTER_IHDR], &chunk, rest].concat(),
        None => png,
    }
}

// ISO/IEC 15948 Annex D.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
        crc
    })
}
