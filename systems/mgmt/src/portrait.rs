//! Neutral synthetic portraits for sample persons: drawn, so that no real person's picture is needed.
//!
//! A plain background, shoulders, neck, head, hair and the features of a face in flat tones with soft shading;
//! colours and proportions follow a seed, so every sample person looks different and always the same.

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ExtendedColorType, Rgb, RgbImage};
use model::Sex;

/// Width and height: exactly the least the photo rules ask for. Drawn at half that size and scaled up.
const SIZE: (u32, u32) = (crate::photo::MIN_WIDTH, crate::photo::MIN_HEIGHT);

/// Draws the portrait of one seed as a JPEG file; the seed decides everything.
pub fn draw(seed: u64) -> Vec<u8> {
    draw_as(seed, if seed.is_multiple_of(2) { Sex::Male } else { Sex::Female })
}

/// Draws the portrait of one seed for a person of this sex.
pub fn draw_as(seed: u64, sex: Sex) -> Vec<u8> {
    let face = Face::from_seed(seed, sex);
    let image = RgbImage::from_fn(SIZE.0 / 2, SIZE.1 / 2, |x, y| {
        // Coordinates with the origin in the middle at the height of the eyes, one unit about the width of a face.
        // CARDFACE-18: from crown to chin the head takes 70 to 80 % of the height.
        let u = (x as f32 - SIZE.0 as f32 / 4.0) / 205.0;
        let v = (y as f32 - 262.0) / 205.0;
        Rgb(face.colour(u, v))
    });
    let image = DynamicImage::ImageRgb8(image).resize_exact(SIZE.0, SIZE.1, FilterType::Triangle);
    let mut out = Vec::with_capacity(64 * 1024);
    JpegEncoder::new_with_quality(&mut out, 88)
        .encode(image.as_bytes(), SIZE.0, SIZE.1, ExtendedColorType::Rgb8)
        .expect("an RGB picture of this size always encodes into memory");
    out
}

/// What a clerk finds on a drawn portrait: its proportions are those of [`draw_as`].
pub const REVIEW: crate::PhotoReview =
    crate::PhotoReview { head_percent: 75, unaltered: true, recognisable: true };

type Colour = [f32; 3];

struct Face {
    background: Colour,
    skin: Colour,
    hair: Colour,
    shirt: Colour,
    width: f32,
    height: f32,
    hair_length: f32,
    fringe: f32,
    glasses: bool,
}

impl Face {
    fn from_seed(seed: u64, sex: Sex) -> Self {
        let mut state = seed;
        let mut next = move || {
            // SplitMix64: a picture needs variety, not secrecy.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
        };
        let tone = next();
        let grey = next();
        Self {
            background: [232.0 + 10.0 * next(), 236.0 + 8.0 * next(), 242.0],
            skin: [236.0 - 40.0 * tone, 200.0 - 48.0 * tone, 172.0 - 50.0 * tone],
            hair: if grey > 0.85 {
                [170.0, 168.0, 166.0]
            } else {
                [30.0 + 40.0 * grey, 24.0 + 26.0 * grey, 22.0 + 18.0 * grey]
            },
            shirt: [60.0 + 120.0 * next(), 70.0 + 90.0 * next(), 90.0 + 110.0 * next()],
            width: 0.62 + 0.1 * next(),
            height: 0.86 + 0.1 * next(),
            hair_length: if sex == Sex::Female { 0.45 + 0.55 * next() } else { 0.0 },
            fringe: 0.32 + 0.2 * next(),
            glasses: next() > 0.7,
        }
    }

    fn colour(&self, u: f32, v: f32) -> [u8; 3] {
        let mut c = self.background;
        // Long hair falls behind the neck.
        if self.hair_length > 0.5 {
            let fall = 0.55 + 0.75 * self.hair_length;
            let width = self.width * (1.1 + 0.14 * ((v + 0.3) * 0.9).clamp(0.0, 1.0));
            c = mix(c, self.hair, edge(width - u.abs()).min(edge(fall - v - 0.5 * u * u)).min(edge(v + 0.1)));
        }
        // Shoulders and neck.
        let shoulder = 1.12 + 0.42 * (u.abs() - 0.25).max(0.0).powf(1.6);
        c = mix(c, self.skin.map(|s| s * 0.86), edge(0.27 - u.abs()).min(edge(v - 0.5)));
        let collar = shoulder + 0.14 * (1.0 - (u.abs() / 0.27).min(1.0));
        c = mix(c, self.shirt, edge(v - collar));
        // Ears, then the head.
        for side in [-1.0f32, 1.0] {
            c = mix(c, self.skin.map(|s| s * 0.92), ellipse(u - side * self.width, v - 0.05, 0.08, 0.16));
        }
        let head = ellipse(u, v - 0.05, self.width, self.height);
        let light = 1.0 - 0.10 * (u / self.width) - 0.05 * v;
        c = mix(c, self.skin.map(|s| (s * light).min(255.0)), head);
        // Hair: the upper part of a slightly larger head, down to the fringe.
        let crown = ellipse(u, v - 0.0, self.width * 1.1, self.height * 1.06);
        let line =
            -self.fringe - 0.18 * (1.0 - (u / self.width).powi(2)).max(0.0) + 0.35 * (u / self.width).powi(4);
        c = mix(c, self.hair, crown.min(edge(line - v)));
        // Brows, eyes, nose, mouth.
        for side in [-1.0f32, 1.0] {
            let (x, y) = (u - side * 0.27, v + 0.02);
            c = mix(c, self.hair, ellipse(x, y + 0.15 - 0.04 * x * side, 0.15, 0.02));
            c = mix(c, [250.0, 250.0, 248.0], ellipse(x, y, 0.12, 0.052));
            c = mix(c, [36.0, 26.0, 22.0], ellipse(x, y, 0.05, 0.05));
            if self.glasses {
                let ring = ellipse(x, y, 0.21, 0.15) - ellipse(x, y, 0.19, 0.13);
                c = mix(c, [40.0, 40.0, 48.0], ring.max(0.0));
            }
        }
        c = mix(c, self.skin.map(|s| s * 0.84), ellipse(u, v - 0.26, 0.09, 0.035));
        c = mix(c, [186.0, 96.0, 92.0], ellipse(u, v - 0.5, 0.18, 0.045));
        c = mix(c, [150.0, 70.0, 70.0], ellipse(u, v - 0.5, 0.18, 0.008));
        c.map(|x| x.clamp(0.0, 255.0) as u8)
    }
}

/// 1 inside, 0 outside, soft over a few pixels.
fn edge(distance: f32) -> f32 {
    (distance * 160.0 + 0.5).clamp(0.0, 1.0)
}

fn ellipse(u: f32, v: f32, a: f32, b: f32) -> f32 {
    edge((1.0 - ((u / a).powi(2) + (v / b).powi(2)).sqrt()) * a.min(b))
}

fn mix(under: Colour, over: Colour, amount: f32) -> Colour {
    std::array::from_fn(|i| under[i] + (over[i] - under[i]) * amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portraits_pass_the_photo_rules_and_differ() {
        let (one, two) = (draw_as(1, Sex::Female), draw_as(2, Sex::Male));
        assert_ne!(one, two);
        assert_eq!(one, draw(1));
        assert!(crate::photo::accept(&one).is_ok());
    }
}
