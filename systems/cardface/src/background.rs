//! The background: a light wash and the contour lines of an imaginary mountain (CARDFACE-15), drawn from a height field by
//! marching squares. The same on every card, so made once.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::drawing::{Colour, Drawing, HEIGHT_MM, Item, Path, Rect, Segment, WIDTH_MM};

/// Draws wash and contour lines. `faint` for the side with the machine readable zone.
pub(crate) fn draw(drawing: &mut Drawing, faint: bool) {
    let (from, to) = (Colour(0xEC, 0xF4, 0xF2), Colour(0xF8, 0xF1, 0xE6));
    drawing.items.push(Item::Gradient { rect: Rect::new(0.0, 0.0, WIDTH_MM, HEIGHT_MM), from, to });
    for (index, path) in contours().iter().enumerate() {
        // Every fourth line is stronger, as on a map.
        let strong = index % 4 == 3;
        drawing.items.push(Item::Stroke {
            path: path.clone(),
            colour: Colour(0x4F, 0x8F, 0x86),
            opacity: if faint { 0.22 } else { 0.34 },
            width: if strong { 0.17 } else { 0.09 },
        });
    }
}

const LEVELS: usize = 15;
const STEP: f32 = 0.9;
const COLUMNS: usize = (WIDTH_MM / STEP) as usize + 3;
const ROWS: usize = (HEIGHT_MM / STEP) as usize + 3;

fn contours() -> &'static [Path] {
    static PATHS: OnceLock<Vec<Path>> = OnceLock::new();
    PATHS.get_or_init(|| {
        let heights: Vec<f32> = (0..ROWS * COLUMNS)
            .map(|i| height((i % COLUMNS) as f32 * STEP, (i / COLUMNS) as f32 * STEP))
            .collect();
        (1..=LEVELS).map(|level| contour(&heights, level as f32 / (LEVELS + 1) as f32)).collect()
    })
}

/// Height between 0 and 1: a main peak, a shoulder, foothills, and a ripple for ridges.
fn height(x: f32, y: f32) -> f32 {
    let hill = |cx: f32, cy: f32, rx: f32, ry: f32, top: f32| {
        let (dx, dy) = ((x - cx) / rx, (y - cy) / ry);
        top * (-(dx * dx + dy * dy)).exp()
    };
    let ripple = 0.035 * ((x * 0.31 + y * 0.17).sin() + (y * 0.43 - x * 0.12).sin());
    let total = hill(47.0, 27.0, 20.0, 15.0, 0.78)
        + hill(66.0, 38.0, 14.0, 11.0, 0.42)
        + hill(18.0, 42.0, 16.0, 10.0, 0.40)
        + hill(80.0, 8.0, 15.0, 10.0, 0.34)
        + hill(10.0, 6.0, 12.0, 9.0, 0.28);
    (total + ripple).clamp(0.0, 1.0)
}

/// A point of a contour stands on an edge of the grid: the edge's cell and whether it runs down or to the right.
type Edge = (usize, bool);

/// The line of one level, its pieces chained to curves.
fn contour(heights: &[f32], level: f32) -> Path {
    let mut next: HashMap<Edge, Vec<Edge>> = HashMap::new();
    for row in 0..ROWS - 1 {
        for column in 0..COLUMNS - 1 {
            let cell = row * COLUMNS + column;
            let above = |i: usize| heights[i] > level;
            let corners = [above(cell), above(cell + 1), above(cell + COLUMNS + 1), above(cell + COLUMNS)];
            let (top, right, bottom, left) =
                ((cell, false), (cell + 1, true), (cell + COLUMNS, false), (cell, true));
            let crossed: Vec<Edge> = [top, right, bottom, left]
                .into_iter()
                .zip(0..4)
                .filter(|(_, i)| corners[*i] != corners[(i + 1) % 4])
                .map(|(edge, _)| edge)
                .collect();
            for pair in crossed.chunks_exact(2) {
                next.entry(pair[0]).or_default().push(pair[1]);
                next.entry(pair[1]).or_default().push(pair[0]);
            }
        }
    }
    let mut starts: Vec<Edge> = next.keys().copied().collect();
    // Open curves from their ends first, then the closed ones; the order is fixed so that every card is the same.
    starts.sort_unstable_by_key(|edge| (next[edge].len(), *edge));
    let mut path = Path::default();
    for start in starts {
        let mut points = vec![point(heights, level, start)];
        let mut at = start;
        while let Some(to) = next.get_mut(&at).and_then(Vec::pop) {
            if let Some(back) = next.get_mut(&to) {
                back.retain(|edge| *edge != at);
            }
            points.push(point(heights, level, to));
            at = to;
        }
        if points.len() > 2 {
            smooth(&points, &mut path);
        }
    }
    path
}

/// Where on its edge the level lies.
fn point(heights: &[f32], level: f32, (cell, down): Edge) -> (f32, f32) {
    let other = if down { cell + COLUMNS } else { cell + 1 };
    let (a, b) = (heights[cell], heights[other]);
    let t = if (b - a).abs() < 1e-6 { 0.5 } else { ((level - a) / (b - a)).clamp(0.0, 1.0) };
    let (x, y) = ((cell % COLUMNS) as f32 * STEP, (cell / COLUMNS) as f32 * STEP);
    let (x, y) = if down { (x, y + t * STEP) } else { (x + t * STEP, y) };
    (x.min(WIDTH_MM), y.min(HEIGHT_MM))
}

/// A curve through the middles of the pieces.
fn smooth(points: &[(f32, f32)], path: &mut Path) {
    let middle = |a: (f32, f32), b: (f32, f32)| ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
    path.0.push(Segment::Move(points[0].0, points[0].1));
    for pair in points[1..].windows(2) {
        let (x, y) = middle(pair[0], pair[1]);
        path.0.push(Segment::Quad(pair[0].0, pair[0].1, x, y));
    }
    if let Some(last) = points.last() {
        path.0.push(Segment::Line(last.0, last.1));
    }
}
