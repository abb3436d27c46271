//! Where everything stands (CARDFACE-03, table 3), in millimetres.
//!
//! The contacts of the chip stand on the front where ISO/IEC 7816-2 has them (left, a little above the middle), so the portrait
//! stands on the right. The machine readable zone follows ICAO 9303-5: thirty characters at ten per inch, 4 mm from the left
//! edge, in the lower 23.2 mm of the back.

use crate::barcode::{self, Symbology};
use crate::data::FaceData;
use crate::drawing::{BLACK, Colour, Drawing, HEIGHT_MM, Item, Path, Rect, Segment, Text, WIDTH_MM};
use crate::fonts::{FontSet, Role};
use crate::text::{self, INK, Style};
use crate::{Error, background};

/// The portrait: 35 to 45 (CARDFACE-18).
const PORTRAIT: Rect = Rect::new(58.4, 11.4, 23.2, 23.2 * 45.0 / 35.0);
/// The plate of the chip, kept free of print.
const CHIP: Rect = Rect::new(8.9, 17.9, 12.6, 11.6);
/// The national flag (CARDFACE-15), 3 to 2.
const FLAG: Rect = Rect::new(75.2, 3.0, 6.9, 4.6);
/// The tactile mark: raised dots by which a finger finds which way round the card is (CARDFACE-15).
const TACTILE: Rect = Rect::new(8.9, 33.4, 12.6, 4.6);
/// Where the tactile mark is embossed on the front, in millimetres: left, top, width, height. Nothing is printed there.
pub const TACTILE_MM: [f32; 4] = [TACTILE.x, TACTILE.y, TACTILE.w, TACTILE.h];
/// Left edge and width of the text beside the chip.
const COLUMN_X: f32 = 25.2;
const COLUMN_W: f32 = 31.4;

const GREEN: Colour = Colour(0x1F, 0x5F, 0x5B);
const GREY: Colour = Colour(0x4A, 0x55, 0x58);
const RED: Colour = Colour(0xB0, 0x2A, 0x30);

const LABEL: Style = Style::new(Role::Sans, 1.95).colour(GREY);
const TITLE: Style = Style::new(Role::Bold, 4.5).colour(GREEN);
const SUBTITLE: Style = Style::new(Role::Sans, 2.5).colour(GREEN);
const CHINESE_NAME: Style = Style::new(Role::Name, 6.8).lines(3);
const LATIN_NAME: Style = Style::new(Role::Sans, 2.7).lines(2);
const VALUE: Style = Style::new(Role::Sans, 3.3);
const VALUE_EN: Style = Style::new(Role::Sans, 2.8);
const NUMBER: Style = Style::new(Role::Bold, 5.4);

/// The front.
pub(crate) fn front(
    data: &FaceData,
    fonts: &FontSet,
    portrait: Option<(u32, u32)>,
) -> Result<Drawing, Error> {
    let mut drawing = Drawing::default();
    background::draw(&mut drawing, false);
    let mut put = |place: Rect, text: &str, style: Style, field: &'static str| {
        text::draw(&mut drawing, fonts, place, text, style, field)
    };
    put(Rect::new(5.0, 3.0, 35.0, 5.2), "數位身分識別證", TITLE, "the title")?;
    put(Rect::new(42.2, 3.9, 31.0, 3.9), "New eID  National ID Card", SUBTITLE, "the title")?;

    // CARDFACE-04: the registered romanisation stands beside the Chinese name, the foreign name where it was chosen.
    put(Rect::new(COLUMN_X, 11.4, COLUMN_W, 2.3), "姓名 Name", LABEL, "a label")?;
    let others: Vec<&str> =
        [&data.romanised_name, &data.foreign_name].into_iter().filter_map(|n| n.as_deref()).collect();
    let name_height = if others.is_empty() { 9.6 } else { 8.2 };
    put(
        Rect::new(COLUMN_X, 14.2, COLUMN_W, name_height),
        &data.chinese_name,
        CHINESE_NAME.mark(data.specimen),
        "the Chinese name",
    )?;
    let latin = if others.len() == 2 { 3.2 } else { 5.2 };
    for (index, name) in others.into_iter().enumerate() {
        let place = Rect::new(COLUMN_X, 23.0 + index as f32 * (latin + 0.4), COLUMN_W, latin);
        put(place, name, LATIN_NAME.mark(data.specimen), "the name in Latin letters")?;
    }

    // CARDFACE-05: both calendars, not padded.
    put(Rect::new(COLUMN_X, 31.0, COLUMN_W, 2.3), "出生日期 Date of Birth", LABEL, "a label")?;
    let (zh, en) = dates(data.birth);
    put(Rect::new(COLUMN_X, 33.7, COLUMN_W, 3.9), &zh, VALUE, "the date of birth")?;
    put(Rect::new(COLUMN_X, 38.0, COLUMN_W, 3.1), &en, VALUE_EN, "the date of birth")?;

    put(Rect::new(5.0, 42.9, 50.0, 2.3), "統一編號 ID NO.", LABEL, "a label")?;
    put(Rect::new(5.0, 45.6, 51.0, 5.2), &data.id_number, NUMBER, "the national identification number")?;

    match portrait {
        Some(size) => drawing.items.push(Item::Portrait { rect: PORTRAIT, size }),
        None => exempted(&mut drawing, fonts)?,
    }
    drawing.items.push(Item::Stroke { path: PORTRAIT.path(), colour: GREY, opacity: 0.6, width: 0.12 });
    chip(&mut drawing);
    flag(&mut drawing);
    tactile(&mut drawing);
    if data.specimen {
        specimen(&mut drawing, fonts, Rect::new(4.0, 12.0, 77.0, 36.0), 0.16)?;
    }
    Ok(drawing)
}

/// The back.
pub(crate) fn back(data: &FaceData, fonts: &FontSet) -> Result<Drawing, Error> {
    let mut drawing = Drawing::default();
    background::draw(&mut drawing, true);
    // The zone that machines read is plain (ICAO 9303-3 §4: nothing may disturb it).
    let plain = Rect::new(0.0, 31.6, WIDTH_MM, HEIGHT_MM - 31.6 + 0.2).path();
    drawing.items.push(Item::Fill {
        path: plain,
        colour: Colour(255, 255, 255),
        opacity: 0.88,
        crisp: false,
    });

    // Both barcodes begin on whole modules, so that no bar is blurred at 300 or 600 dots per inch.
    let symbology = data.barcodes;
    let module = symbology.module_mm();
    let (left, right) = match symbology {
        Symbology::Code128 => (22.0 * module, 203.0 * module),
        Symbology::Code39 => (33.0 * module, 287.0 * module),
    };
    let serial = &data.card_serial;
    let width = barcode::draw(&mut drawing, symbology, (left, 4.0), 8.0, serial, "the card serial")?;
    let below = Rect::new(left, 12.9, width, 2.8);
    text::draw(&mut drawing, fonts, below, serial, Style::new(Role::Mrz, 3.4).centred(), "the card serial")?;
    // The national identification number is not printed below its barcode.
    let field = "the national identification number";
    barcode::draw(&mut drawing, symbology, (right, 4.0), 8.0, &data.id_number, field)?;

    let (issue_zh, issue_en) = dates(data.issue);
    // OPEN-09: 無 where there is no date of renewal.
    let (renewal_zh, renewal_en) = data.renewal.map_or(("無".to_owned(), "None".to_owned()), dates);
    let (marital_zh, marital_en) = &data.marital_status;
    for (x, w, label, zh, en, field) in [
        (5.6, 20.0, "結婚狀態 Marital Status", marital_zh, marital_en, "the marital status"),
        (29.6, 25.0, "製證日期 Date of Issue", &issue_zh, &issue_en, "the date of issue"),
        (57.2, 25.0, "應換領日期 Date of Renewal", &renewal_zh, &renewal_en, "the date of renewal"),
    ] {
        text::draw(&mut drawing, fonts, Rect::new(x, 18.2, w, 2.3), label, LABEL, "a label")?;
        text::draw(&mut drawing, fonts, Rect::new(x, 21.0, w, 3.9), zh, VALUE, field)?;
        text::draw(&mut drawing, fonts, Rect::new(x, 25.4, w, 3.1), en, VALUE_EN, field)?;
    }
    if data.specimen {
        specimen(&mut drawing, fonts, Rect::new(8.0, 16.5, 69.0, 14.5), 0.16)?;
    }
    machine_readable_zone(&mut drawing, fonts, data)?;
    Ok(drawing)
}

fn dates(date: lds::Date) -> (String, String) {
    (date.roc(), format!("{}/{}/{}", date.year(), date.month(), date.day()))
}

// ICAO 9303-3 §4.3 and 9303-5 §4.1.3: OCR-B size 1, 2.54 mm from character to character.
fn machine_readable_zone(drawing: &mut Drawing, fonts: &FontSet, data: &FaceData) -> Result<(), Error> {
    const PITCH: f32 = 2.54;
    const LEFT: f32 = 4.6;
    const LINES: [f32; 3] = [38.6, 42.85, 47.1];
    let missing = Error::NoGlyph { field: "the machine readable zone" };
    // The size at which the font's own width is the pitch; a narrower glyph of a substitute stands in the middle of its place.
    let advance = fonts.shape(Role::Mrz, "0").ok_or(missing.clone())?.advance;
    let size = PITCH / advance.max(0.3);
    let capital = fonts.shape(Role::Mrz, "H").and_then(|h| h.path.bounds()).ok_or(missing.clone())?;
    let (mut path, mut typefaces) = (Path::default(), Vec::new());
    for (line, centre) in data.mrz.lines().iter().zip(LINES) {
        for (index, character) in line.chars().enumerate() {
            let glyph = fonts.shape(Role::Mrz, character.encode_utf8(&mut [0; 4])).ok_or(missing.clone())?;
            let x = LEFT + index as f32 * PITCH + (PITCH - glyph.advance * size) / 2.0;
            let y = centre + capital.h * size / 2.0;
            path.0.extend(glyph.path.map(|px, py| (x + px * size, y + py * size)).0);
            typefaces.extend(glyph.faces.into_iter().map(|(part, font)| (part, fonts.family(font))));
        }
    }
    if let Some(ink) = path.bounds() {
        let place = Rect::new(LEFT - 0.3, 33.0, 30.0 * PITCH + 0.6, 18.0);
        drawing.texts.push(Text { content: data.mrz.lines().join("\n"), place, ink, typefaces });
    }
    drawing.items.push(Item::Fill { path, colour: BLACK, opacity: 1.0, crisp: false });
    Ok(())
}

/// CARDFACE-23: the frame says that the portrait is exempted.
fn exempted(drawing: &mut Drawing, fonts: &FontSet) -> Result<(), Error> {
    drawing.items.push(Item::Fill {
        path: PORTRAIT.path(),
        colour: Colour(255, 255, 255),
        opacity: 0.6,
        crisp: false,
    });
    let (x, w) = (PORTRAIT.x + 1.0, PORTRAIT.w - 2.0);
    text::draw(drawing, fonts, Rect::new(x, 22.0, w, 4.0), "免印相片", VALUE.centred(), "a label")?;
    text::draw(
        drawing,
        fonts,
        Rect::new(x, 26.6, w, 2.6),
        "Portrait exempted",
        LABEL.centred().colour(INK),
        "a label",
    )
}

/// The national flag: red, in its upper left quarter blue with a white sun of twelve rays.
// 中華民國國徽國旗法 §4-6: the canton is a quarter of the flag; the sun's disc has an eighth of the canton's length as radius, the
// rays reach a quarter of it, and a blue ring of a fifteenth of the disc's diameter parts them.
fn flag(drawing: &mut Drawing) {
    let (red, blue, white) = (Colour(0xD8, 0x1E, 0x2C), Colour(0x14, 0x2A, 0x8C), Colour(255, 255, 255));
    let canton = Rect::new(FLAG.x, FLAG.y, FLAG.w / 2.0, FLAG.h / 2.0);
    let (cx, cy) = (canton.x + canton.w / 2.0, canton.y + canton.h / 2.0);
    let disc = canton.w / 8.0;
    let (ring, tip) = (disc + disc * 2.0 / 15.0, canton.w / 4.0);
    let mut rays = Path::default();
    for corner in 0u8..24 {
        let radius = if corner % 2 == 0 { tip } else { ring };
        let (sin, cos) = (f32::from(corner) * std::f32::consts::PI / 12.0).sin_cos();
        let (x, y) = (cx + radius * sin, cy - radius * cos);
        rays.0.push(if corner == 0 { Segment::Move(x, y) } else { Segment::Line(x, y) });
    }
    rays.0.push(Segment::Close);
    let circle = |r: f32| Rect::new(cx - r, cy - r, 2.0 * r, 2.0 * r).ellipse();
    for (path, colour) in [
        (FLAG.path(), red),
        (canton.path(), blue),
        (rays, white),
        (circle(ring), blue),
        (circle(disc), white),
    ] {
        drawing.items.push(Item::Fill { path, colour, opacity: 1.0, crisp: false });
    }
}

/// Three dots where the tactile mark is embossed: seen on the picture, felt on the card.
fn tactile(drawing: &mut Drawing) {
    let size = TACTILE.h * 0.5;
    for part in [0.2, 0.5, 0.8] {
        let (x, y) = (TACTILE.x + TACTILE.w * part, TACTILE.y + TACTILE.h / 2.0);
        let dot = Rect::new(x - size / 2.0, y - size / 2.0, size, size).ellipse();
        drawing.items.push(Item::Stroke { path: dot, colour: GREY, opacity: 0.55, width: 0.15 });
    }
}

/// The plate of the chip as it will lie in the card: seen on the picture, made of metal on the card.
fn chip(drawing: &mut Drawing) {
    let gold = Colour(0xD9, 0xB9, 0x6A);
    drawing.items.push(Item::Fill { path: CHIP.rounded(1.4), colour: gold, opacity: 0.9, crisp: false });
    let Rect { x, y, w, h } = CHIP;
    let (a, b) = (x + w * 0.33, x + w * 0.67);
    let mut lines = Path::default();
    for row in [0.25, 0.5, 0.75] {
        let at = y + h * row;
        lines.0.extend([
            Segment::Move(x, at),
            Segment::Line(a, at),
            Segment::Move(b, at),
            Segment::Line(x + w, at),
        ]);
    }
    for column in [a, b] {
        lines.0.extend([Segment::Move(column, y), Segment::Line(column, y + h)]);
    }
    drawing.items.push(Item::Stroke { path: lines, colour: INK, opacity: 0.45, width: 0.15 });
}

/// 測試用 SPECIMEN, rising across a place.
fn specimen(drawing: &mut Drawing, fonts: &FontSet, place: Rect, opacity: f32) -> Result<(), Error> {
    let shaped =
        fonts.shape(Role::Bold, "測試用 SPECIMEN").ok_or(Error::NoGlyph { field: "the specimen mark" })?;
    let ink = shaped.path.bounds().ok_or(Error::Render("the specimen mark is empty"))?;
    // The diagonal of the place, as steep as it is, but not more than a third.
    let slope = (place.h / place.w * 0.55).min(0.33);
    let angle = -slope.atan();
    let (sin, cos) = angle.sin_cos();
    let (w, h) = (ink.w * cos + ink.h * sin.abs(), ink.w * sin.abs() + ink.h * cos);
    let size = (place.w / w).min(place.h / h);
    let (cx, cy) = (place.x + place.w / 2.0, place.y + place.h / 2.0);
    let (mx, my) = (ink.x + ink.w / 2.0, ink.y + ink.h / 2.0);
    let path = shaped.path.map(|x, y| {
        let (dx, dy) = ((x - mx) * size, (y - my) * size);
        (cx + dx * cos - dy * sin, cy + dx * sin + dy * cos)
    });
    drawing.items.push(Item::Fill { path, colour: RED, opacity, crisp: false });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lds::{Date, PublicZone, dg13::Term, public_zone::Address};

    fn record(chinese: &str, romanised: Option<&str>, foreign: Option<&str>, marital: &str) -> FaceData {
        let zone = PublicZone {
            chinese_name: chinese.into(),
            cns: Vec::new(),
            romanised_name: romanised.map(str::to_owned),
            foreign_name: foreign.map(str::to_owned),
            mrz_name: "W".repeat(60),
            id_number: "W288888882".into(),
            birth: day(1888, 12, 28),
            address: Address::default(),
            marital_status: Term::new("x", marital, marital),
            military_service: Term::default(),
            card_serial: "WWW888888".into(),
            renewal: Some(day(2888, 12, 28)),
            issue: day(2888, 12, 28),
            portrait: None,
            issuing_authority: String::new(),
            security_infos: Vec::new(),
            active_authentication_key: Vec::new(),
        };
        FaceData::new(&zone, true).expect("valid")
    }

    fn day(year: u16, month: u8, day: u8) -> Date {
        Date::new(year, month, day).expect("a day")
    }

    fn fonts() -> FontSet {
        FontSet::system().expect(
            "the fonts of the card face are missing: apt-get install -y --no-install-recommends \
             fonts-cns11643-kai fonts-cns11643-sung fonts-noto-cjk fonts-ocr-b fonts-babelstone-han",
        )
    }

    fn inside(inner: Rect, outer: Rect) -> bool {
        const HAIR: f32 = 0.01;
        inner.x >= outer.x - HAIR
            && inner.y >= outer.y - HAIR
            && inner.x + inner.w <= outer.x + outer.w + HAIR
            && inner.y + inner.h <= outer.y + outer.h + HAIR
    }

    fn apart(a: Rect, b: Rect) -> bool {
        a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y
    }

    #[test]
    fn no_text_leaves_its_box_and_no_box_touches_another() {
        let fonts = fonts();
        let long_latin = "Wilhelmina-Wolfeschlegelsteinhausenbergerdorff Wwwwww Mmmmmm";
        let marks = "Ta\u{0302}n Sia\u{030D}u-li\u{0302}ng gjpqy";
        let indigenous = "谷辣斯\u{2027}尤達卡\u{2027}瓦歷斯\u{2027}諾幹";
        let (many, wide) = ("龘".repeat(60), "W".repeat(60));
        for chinese in ["王", "陳筱玲", "歐陽司馬諸葛上官", indigenous, &many, &wide, "gjpqy", "\u{2027}"]
        {
            for romanised in [None, Some("Kolas Yotaka"), Some(long_latin), Some(marks)] {
                for foreign in [None, Some("CHEN, ELAINE"), Some(long_latin)] {
                    let data = record(chinese, romanised, foreign, "有無有無有無有無有無 Married Single");
                    let front = front(&data, &fonts, None).expect("lays out");
                    let back = back(&data, &fonts).expect("lays out");
                    fits(&front, &[CHIP]);
                    fits(&back, &[]);
                }
            }
        }
    }

    fn fits(drawing: &Drawing, solid: &[Rect]) {
        let card = Rect::new(2.0, 2.0, WIDTH_MM - 4.0, HEIGHT_MM - 4.0);
        for (index, text) in drawing.texts.iter().enumerate() {
            assert!(inside(text.ink, text.place) && inside(text.place, card), "{text:?}");
            for other in drawing.texts[index + 1..].iter().map(|other| &other.place).chain(solid) {
                assert!(apart(text.place, *other), "{text:?} touches {other:?}");
            }
        }
    }

    fn contents(drawing: &Drawing) -> Vec<&str> {
        drawing.texts.iter().map(|text| text.content.as_str()).collect()
    }

    // proves: CARD-18, CARDFACE-01, CARDFACE-02, CARDFACE-03, CARDFACE-04, CARDFACE-05, CARDFACE-06, OPEN-34
    #[test]
    fn the_texts_of_both_sides_are_those_of_table_3() {
        let fonts = fonts();
        let mut data = record("陳筱玲", Some("Tân Siáu-lîng"), Some("CHEN, ELAINE"), "無");
        data.marital_status = ("無".into(), "Single".into());
        (data.birth, data.issue) = (day(2006, 8, 5), day(2026, 11, 20));
        data.renewal = Some(day(2036, 1, 2));
        let front = front(&data, &fonts, Some((35, 45))).expect("lays out");
        assert_eq!(
            contents(&front),
            [
                "數位身分識別證",
                "New eID  National ID Card",
                "姓名 Name",
                "陳筱玲",
                "Tân Siáu-lîng",
                "CHEN, ELAINE",
                "出生日期 Date of Birth",
                "民國95年8月5日",
                "2006/8/5",
                "統一編號 ID NO.",
                "W288888882",
            ]
        );
        assert!(front.items.iter().any(|item| matches!(item, Item::Portrait { .. })));
        let mrz = data.mrz.lines().join("\n");
        let back = back(&data, &fonts).expect("lays out");
        assert_eq!(
            contents(&back),
            [
                // The card serial stands below its barcode, the national identification number does not.
                "WWW888888",
                "結婚狀態 Marital Status",
                "無",
                "Single",
                "製證日期 Date of Issue",
                "民國115年11月20日",
                "2026/11/20",
                "應換領日期 Date of Renewal",
                "民國125年1月2日",
                "2036/1/2",
                mrz.as_str(),
            ]
        );
    }

    // proves: CARDFACE-15
    #[test]
    fn mountain_flag_and_tactile_mark_are_on_the_front() {
        let fonts = fonts();
        let drawing = front(&record("王", None, None, "無"), &fonts, Some((35, 45))).expect("lays out");
        // Contour lines run around the peak: several levels, each a long curve, over both sides.
        let contours = drawing.items.iter().filter(
            |item| matches!(item, Item::Stroke { path, opacity, .. } if path.0.len() > 40 && *opacity < 0.5),
        );
        assert!(contours.count() >= 10);
        let fill = |wanted: Rect| {
            drawing.items.iter().find_map(|item| match item {
                Item::Fill { path, colour, opacity, .. }
                    if path.bounds().is_some_and(|found| inside(found, wanted) && inside(wanted, found)) =>
                {
                    Some((*colour, *opacity))
                }
                _ => None,
            })
        };
        let (red, opaque) = fill(FLAG).expect("the flag");
        assert!(red.0 > 180 && red.1 < 80 && red.2 < 80 && opaque >= 1.0, "{red:?}");
        let canton = Rect::new(FLAG.x, FLAG.y, FLAG.w / 2.0, FLAG.h / 2.0);
        let (blue, _) = fill(canton).expect("the canton");
        assert!(blue.2 > 100 && blue.0 < 60, "{blue:?}");
        let rays = drawing.items.iter().any(
            |item| matches!(item, Item::Fill { path, .. } if path.0.len() == 25 && path.bounds().is_some_and(|b| inside(b, canton))),
        );
        assert!(rays, "a sun of twelve rays");
        // The mark is embossed where nothing is printed, chip and portrait included.
        let solid = [PORTRAIT, CHIP, FLAG, TACTILE];
        for (index, rect) in solid.iter().enumerate() {
            assert!(solid[index + 1..].iter().all(|other| apart(*rect, *other)), "{rect:?}");
            assert!(drawing.texts.iter().all(|text| apart(text.ink, *rect)), "{rect:?}");
        }
    }

    // proves: OPEN-09, CARDFACE-23
    #[test]
    fn no_date_of_renewal_and_no_portrait_are_said_in_words() {
        let fonts = fonts();
        let mut data = record("王", None, None, "無");
        data.renewal = None;
        let back = back(&data, &fonts).expect("lays out");
        let label = contents(&back).iter().position(|text| text.starts_with("應換領日期")).expect("a label");
        assert_eq!(contents(&back)[label + 1..label + 3], ["無", "None"]);
        let front = front(&data, &fonts, None).expect("lays out");
        assert!(contents(&front).contains(&"免印相片"));
        assert!(!front.items.iter().any(|item| matches!(item, Item::Portrait { .. })));
    }

    // proves: CARDFACE-10
    #[test]
    fn the_machine_readable_zone_stands_where_the_standard_wants_it() {
        let fonts = fonts();
        let drawing = back(&record("王", None, None, "無"), &fonts).expect("lays out");
        let extent = drawing.texts.last().expect("the zone is drawn last").ink;
        // ICAO 9303-5: within the lower 23.2 mm, left margin 4 mm give or take one, thirty characters at 2.54 mm.
        assert!(extent.y >= HEIGHT_MM - 23.2 && (3.0..=5.5).contains(&extent.x), "{extent:?}");
        assert!((73.0..=76.2).contains(&extent.w), "{extent:?}");
    }
}
