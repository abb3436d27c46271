//! The drawing as SVG.

use std::fmt::Write;

use base64ct::{Base64, Encoding};

use crate::drawing::{Drawing, Item, Module, Path, Segment};

/// Writes sides beside or below each other, each at its place; `size` is that of the whole in millimetres. With
/// `module`, only what that machine makes.
pub(crate) fn write(
    sides: &[(&Drawing, (f32, f32))],
    size: (f32, f32),
    portrait: Option<&[u8]>,
    module: Option<Module>,
) -> String {
    let (width, height) = size;
    let mut out = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}mm" height="{height}mm" viewBox="0 0 {width} {height}">"#
    );
    for (number, (drawing, (x, y))) in sides.iter().enumerate() {
        if (*x, *y) == (0.0, 0.0) {
            out.push_str("\n<g>");
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "\n<g transform=\"translate({x} {y})\">");
        }
        items(&mut out, number, drawing, portrait, module);
        out.push_str("\n</g>");
    }
    out.push_str("\n</svg>\n");
    out
}

/// Everything one side shows; `number` keeps the names of its gradients apart from those of the other side.
fn items(
    out: &mut String,
    number: usize,
    drawing: &Drawing,
    portrait: Option<&[u8]>,
    module: Option<Module>,
) {
    for (index, item) in drawing.items.iter().enumerate() {
        if module.is_some_and(|module| item.module() != module) {
            continue;
        }
        out.push('\n');
        // Writing to a String cannot fail.
        let _ = match item {
            Item::Fill { path, colour, opacity, crisp } => {
                let crisp = if *crisp { r#" shape-rendering="crispEdges""# } else { "" };
                let _ = write!(
                    out,
                    r#"<path fill="{}"{}{crisp} d=""#,
                    colour.hex(),
                    number_attribute("fill-opacity", *opacity)
                );
                steps(out, path);
                write!(out, r#""/>"#)
            }
            Item::Stroke { path, colour, opacity, width } => {
                let opacity = number_attribute("stroke-opacity", *opacity);
                let _ = write!(
                    out,
                    r#"<path fill="none" stroke="{}"{opacity} stroke-width="{width}" d=""#,
                    colour.hex()
                );
                steps(out, path);
                write!(out, r#""/>"#)
            }
            Item::Gradient { rect, from, to } => write!(
                out,
                r#"<linearGradient id="g{number}-{index}" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="{}"/><stop offset="1" stop-color="{}"/></linearGradient><rect fill="url(#g{number}-{index})" x="{}" y="{}" width="{}" height="{}"/>"#,
                from.hex(),
                to.hex(),
                rect.x,
                rect.y,
                rect.w,
                rect.h
            ),
            Item::Portrait { rect, .. } => write!(
                out,
                r#"<image x="{}" y="{}" width="{}" height="{}" preserveAspectRatio="xMidYMid slice" href="data:image/jpeg;base64,{}"/>"#,
                rect.x,
                rect.y,
                rect.w,
                rect.h,
                Base64::encode_string(portrait.unwrap_or_default())
            ),
        };
    }
}

fn number_attribute(name: &str, value: f32) -> String {
    if value < 1.0 { format!(r#" {name}="{value}""#) } else { String::new() }
}

fn steps(out: &mut String, path: &Path) {
    let mut put = |letter: char, numbers: &[f32]| {
        out.push(letter);
        for (index, number) in numbers.iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            // A thousandth of a millimetre is finer than any printer.
            let _ = write!(out, "{}", (number * 1000.0).round() / 1000.0);
        }
    };
    for segment in &path.0 {
        match *segment {
            Segment::Move(x, y) => put('M', &[x, y]),
            Segment::Line(x, y) => put('L', &[x, y]),
            Segment::Quad(a, b, x, y) => put('Q', &[a, b, x, y]),
            Segment::Cubic(a, b, c, d, x, y) => put('C', &[a, b, c, d, x, y]),
            Segment::Close => put('Z', &[]),
        }
    }
}
