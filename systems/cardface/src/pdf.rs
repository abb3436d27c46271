//! The drawing as PDF/A-2b: one page of the size of the card per side, all in paths, the portrait as the JPEG it is.

use krilla::Document;
use krilla::SerializeSettings;
use krilla::color::rgb;
use krilla::configure::{Archival, ConfigurationBuilder};
use krilla::geom::{PathBuilder, Size, Transform};
use krilla::image::Image;
use krilla::metadata::{DateTime, Metadata};
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule, LinearGradient, Paint, SpreadMethod, Stop, Stroke};
use krilla::surface::Surface;

use crate::Error;
use crate::drawing::{Colour, Drawing, HEIGHT_MM, Item, Path, Rect, Segment, WIDTH_MM};

const POINTS_PER_MM: f32 = 72.0 / 25.4;

/// Writes the sides as pages; `issue` is the date of the document.
pub(crate) fn write(sides: &[&Drawing], portrait: Option<&[u8]>, issue: lds::Date) -> Result<Vec<u8>, Error> {
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A2_B)
        .finish()
        .map_err(|_| Error::Render("PDF/A is not available"))?;
    let mut document =
        Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    // PDF/A wants a date; the day of issue keeps the file the same whenever it is written.
    let date = DateTime::new(issue.year()).month(issue.month()).day(issue.day());
    document
        .set_metadata(Metadata::new().title("New eID".into()).language("zh-TW".into()).creation_date(date));
    for side in sides {
        let settings = PageSettings::from_wh(WIDTH_MM * POINTS_PER_MM, HEIGHT_MM * POINTS_PER_MM)
            .ok_or(Error::Render("the page has no size"))?;
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        surface.push_transform(&Transform::from_scale(POINTS_PER_MM, POINTS_PER_MM));
        for item in &side.items {
            draw(&mut surface, item, portrait)?;
        }
        surface.pop();
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|_| Error::Render("the PDF is not written"))
}

fn draw(surface: &mut Surface<'_>, item: &Item, portrait: Option<&[u8]>) -> Result<(), Error> {
    match item {
        Item::Fill { path, colour, opacity, .. } => {
            let Some(path) = outline(path) else { return Ok(()) };
            let fill = Fill { paint: paint(*colour), opacity: share(*opacity), rule: FillRule::NonZero };
            surface.set_stroke(None);
            surface.set_fill(Some(fill));
            surface.draw_path(&path);
        }
        Item::Stroke { path, colour, opacity, width } => {
            let Some(path) = outline(path) else { return Ok(()) };
            surface.set_fill(None);
            let stroke = Stroke {
                paint: paint(*colour),
                opacity: share(*opacity),
                width: *width,
                ..Stroke::default()
            };
            surface.set_stroke(Some(stroke));
            surface.draw_path(&path);
        }
        Item::Gradient { rect, from, to } => {
            let Some(path) = outline(&rect.path()) else { return Ok(()) };
            let stop = |offset: f32, colour: Colour| Stop {
                offset: share(offset),
                color: rgb::Color::new(colour.0, colour.1, colour.2).into(),
                opacity: NormalizedF32::ONE,
            };
            let gradient = LinearGradient {
                x1: rect.x,
                y1: rect.y,
                x2: rect.x + rect.w,
                y2: rect.y + rect.h,
                transform: Transform::default(),
                spread_method: SpreadMethod::Pad,
                stops: vec![stop(0.0, *from), stop(1.0, *to)],
                anti_alias: false,
            };
            surface.set_stroke(None);
            surface.set_fill(Some(Fill { paint: gradient.into(), ..Fill::default() }));
            surface.draw_path(&path);
        }
        Item::Portrait { rect, size } => picture(surface, *rect, *size, portrait.ok_or(Error::Portrait)?)?,
    }
    Ok(())
}

fn picture(surface: &mut Surface<'_>, rect: Rect, size: (u32, u32), jpeg: &[u8]) -> Result<(), Error> {
    let image = Image::from_jpeg(jpeg.to_vec().into(), false).map_err(|_| Error::Portrait)?;
    let clip = outline(&rect.path()).ok_or(Error::Render("the portrait has no place"))?;
    let place = rect.cover(size);
    let extent = Size::from_wh(place.w, place.h).ok_or(Error::Render("the portrait has no size"))?;
    surface.push_clip_path(&clip, &FillRule::NonZero);
    surface.push_transform(&Transform::from_translate(place.x, place.y));
    surface.draw_image(image, extent);
    surface.pop();
    surface.pop();
    Ok(())
}

fn outline(path: &Path) -> Option<krilla::geom::Path> {
    let mut builder = PathBuilder::new();
    for segment in &path.0 {
        match *segment {
            Segment::Move(x, y) => builder.move_to(x, y),
            Segment::Line(x, y) => builder.line_to(x, y),
            Segment::Quad(a, b, x, y) => builder.quad_to(a, b, x, y),
            Segment::Cubic(a, b, c, d, x, y) => builder.cubic_to(a, b, c, d, x, y),
            Segment::Close => builder.close(),
        }
    }
    builder.finish()
}

fn paint(colour: Colour) -> Paint {
    rgb::Color::new(colour.0, colour.1, colour.2).into()
}

fn share(value: f32) -> NormalizedF32 {
    NormalizedF32::new(value.clamp(0.0, 1.0)).unwrap_or(NormalizedF32::ONE)
}
