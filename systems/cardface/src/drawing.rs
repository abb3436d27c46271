//! The drawing: paths and one picture, in millimetres from the upper left corner of the card.

/// Width of an ID-1 card (ISO/IEC 7810).
pub const WIDTH_MM: f32 = 85.6;
/// Height of an ID-1 card.
pub const HEIGHT_MM: f32 = 53.98;

/// A rectangle by its upper left corner and size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rect {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) w: f32,
    pub(crate) h: f32,
}

/// A step of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Segment {
    Move(f32, f32),
    Line(f32, f32),
    Quad(f32, f32, f32, f32),
    Cubic(f32, f32, f32, f32, f32, f32),
    Close,
}

/// A path of any number of parts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Path(pub(crate) Vec<Segment>);

/// An opaque colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Colour(pub(crate) u8, pub(crate) u8, pub(crate) u8);

/// What is drawn, later items over earlier ones.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// A filled path. `crisp` edges are not smoothed: for the bars of barcodes.
    Fill { path: Path, colour: Colour, opacity: f32, crisp: bool },
    /// A line along a path.
    Stroke { path: Path, colour: Colour, opacity: f32, width: f32 },
    /// A rectangle with a gradient from its upper left to its lower right corner.
    Gradient { rect: Rect, from: Colour, to: Colour },
    /// The portrait, `size` in pixels, covering the rectangle; what stands over is cut on both sides alike.
    Portrait { rect: Rect, size: (u32, u32) },
}

/// Which machine puts an item on the card (CARDFACE-14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Module {
    /// Printed on every card body alike before it is anybody's: background, flag, labels.
    Body,
    /// The colour printer: the portrait.
    Colour,
    /// The laser: everything personal but the portrait, monochrome.
    Laser,
}

impl Item {
    /// Which machine makes it. What is filled with the colour of engraving is engraved.
    pub(crate) fn module(&self) -> Module {
        match self {
            Self::Portrait { .. } => Module::Colour,
            Self::Fill { colour, .. } if *colour == crate::text::INK || *colour == BLACK => Module::Laser,
            _ => Module::Body,
        }
    }
}

/// Barcodes and the machine readable zone: as dark as the laser gets.
pub(crate) const BLACK: Colour = Colour(0, 0, 0);

/// One side of a card.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Drawing {
    pub(crate) items: Vec<Item>,
    /// What was written where: read by tests, and by nothing else.
    pub(crate) texts: Vec<Text>,
}

/// A text that was drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Text {
    pub(crate) content: String,
    /// The box it had to fit.
    pub(crate) place: Rect,
    /// The extent of its ink.
    pub(crate) ink: Rect,
    /// Its stretches in order, each with the family it was set in.
    pub(crate) typefaces: Vec<(String, String)>,
}

impl Rect {
    pub(crate) const fn new(x: f32, y: f32, w: f32, h: f32) -> Self {
        Self { x, y, w, h }
    }

    /// The rectangle that the picture fills when it covers `self` without distortion.
    pub(crate) fn cover(self, (width, height): (u32, u32)) -> Self {
        let scale = (self.w / width as f32).max(self.h / height as f32);
        let (w, h) = (width as f32 * scale, height as f32 * scale);
        Self { x: self.x - (w - self.w) / 2.0, y: self.y - (h - self.h) / 2.0, w, h }
    }

    pub(crate) fn path(self) -> Path {
        let Self { x, y, w, h } = self;
        Path(vec![
            Segment::Move(x, y),
            Segment::Line(x + w, y),
            Segment::Line(x + w, y + h),
            Segment::Line(x, y + h),
            Segment::Close,
        ])
    }

    /// The ellipse that fills it.
    pub(crate) fn ellipse(self) -> Path {
        // A quarter of a circle as a cubic curve.
        const K: f32 = 0.552_284_8;
        let (rx, ry) = (self.w / 2.0, self.h / 2.0);
        let (cx, cy) = (self.x + rx, self.y + ry);
        let quarter = |sx: f32, sy: f32, tx: f32, ty: f32| {
            let at = |x: f32, y: f32| (cx + x * rx, cy + y * ry);
            let (a, b, c) = (at(sx + tx * K, sy + ty * K), at(tx + sx * K, ty + sy * K), at(tx, ty));
            Segment::Cubic(a.0, a.1, b.0, b.1, c.0, c.1)
        };
        Path(vec![
            Segment::Move(cx + rx, cy),
            quarter(1.0, 0.0, 0.0, 1.0),
            quarter(0.0, 1.0, -1.0, 0.0),
            quarter(-1.0, 0.0, 0.0, -1.0),
            quarter(0.0, -1.0, 1.0, 0.0),
            Segment::Close,
        ])
    }

    pub(crate) fn rounded(self, r: f32) -> Path {
        let Self { x, y, w, h } = self;
        let (right, bottom) = (x + w, y + h);
        Path(vec![
            Segment::Move(x + r, y),
            Segment::Line(right - r, y),
            Segment::Quad(right, y, right, y + r),
            Segment::Line(right, bottom - r),
            Segment::Quad(right, bottom, right - r, bottom),
            Segment::Line(x + r, bottom),
            Segment::Quad(x, bottom, x, bottom - r),
            Segment::Line(x, y + r),
            Segment::Quad(x, y, x + r, y),
            Segment::Close,
        ])
    }
}

impl Path {
    /// Every point moved by `map`, which must be affine.
    pub(crate) fn map(&self, map: impl Fn(f32, f32) -> (f32, f32)) -> Self {
        let step = |segment: &Segment| match *segment {
            Segment::Move(x, y) => {
                let (x, y) = map(x, y);
                Segment::Move(x, y)
            }
            Segment::Line(x, y) => {
                let (x, y) = map(x, y);
                Segment::Line(x, y)
            }
            Segment::Quad(a, b, x, y) => {
                let ((a, b), (x, y)) = (map(a, b), map(x, y));
                Segment::Quad(a, b, x, y)
            }
            Segment::Cubic(a, b, c, d, x, y) => {
                let ((a, b), (c, d), (x, y)) = (map(a, b), map(c, d), map(x, y));
                Segment::Cubic(a, b, c, d, x, y)
            }
            Segment::Close => Segment::Close,
        };
        Self(self.0.iter().map(step).collect())
    }

    /// A rectangle around all points, control points included; `None` for an empty path.
    pub(crate) fn bounds(&self) -> Option<Rect> {
        let mut corners: Option<(f32, f32, f32, f32)> = None;
        let mut add = |x: f32, y: f32| {
            let (l, t, r, b) = corners.unwrap_or((x, y, x, y));
            corners = Some((l.min(x), t.min(y), r.max(x), b.max(y)));
        };
        for segment in &self.0 {
            match *segment {
                Segment::Move(x, y) | Segment::Line(x, y) => add(x, y),
                Segment::Quad(a, b, x, y) => {
                    add(a, b);
                    add(x, y);
                }
                Segment::Cubic(a, b, c, d, x, y) => {
                    add(a, b);
                    add(c, d);
                    add(x, y);
                }
                Segment::Close => {}
            }
        }
        corners.map(|(l, t, r, b)| Rect { x: l, y: t, w: r - l, h: b - t })
    }
}

impl Colour {
    pub(crate) fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}
