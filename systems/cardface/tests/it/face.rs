//! What the faces show and refuse.

use crate::{PORTRAIT, data, fonts};
use cardface::{Arrangement, Error, Face, FontSet, Module, Sheet, Side};

#[test]
fn both_sides_are_written_in_every_format() {
    let fonts = fonts();
    let face = Face::new(&data(|_| {}), fonts).expect("lays out");
    for side in [Side::Front, Side::Back] {
        let svg = face.render_svg(Sheet::Side(side));
        assert!(svg.starts_with("<svg ") && svg.contains("width=\"85.6mm\" height=\"53.98mm\""));
        // Outlines only: the file looks the same on a machine without the fonts.
        assert!(!svg.contains("<text") && !svg.contains("font-"));
        for (dpi, width, height) in [(300, 1011, 638), (600, 2022, 1275)] {
            let png = face.render_png(Sheet::Side(side), dpi).expect("renders");
            let picture = image::load_from_memory_with_format(&png, image::ImageFormat::Png).expect("a PNG");
            assert_eq!((picture.width(), picture.height()), (width, height));
            let at = png.windows(4).position(|w| w == b"pHYs").expect("a resolution");
            let per_metre = u32::from_be_bytes(png[at + 4..at + 8].try_into().expect("four bytes"));
            assert_eq!(per_metre, (f64::from(dpi) / 0.0254).round() as u32);
        }
    }
    let pdf = face.render_pdf(Sheet::Both(Arrangement::Vertical)).expect("writes");
    assert!(pdf.starts_with(b"%PDF-") && pdf.windows(5).any(|w| w == b"pdfai"));
    assert_eq!(face.render_png(Sheet::Side(Side::Front), 71), Err(Error::Resolution));
    assert_eq!(face.render_png(Sheet::Side(Side::Front), 1201), Err(Error::Resolution));
}

// proves: CARD-24
#[test]
fn the_printed_portrait_is_the_file_of_the_chip() {
    let fonts = fonts();
    let face = Face::new(&data(|_| {}), fonts).expect("lays out");
    let pdf = face.render_pdf(Sheet::Both(Arrangement::Vertical)).expect("writes");
    assert!(pdf.windows(PORTRAIT.len()).any(|w| w == PORTRAIT));
    assert!(face.render_svg(Sheet::Side(Side::Front)).contains("data:image/jpeg;base64,"));
    assert!(!face.render_svg(Sheet::Side(Side::Back)).contains("<image"));
}

// proves: CARDFACE-23
#[test]
fn an_exempted_portrait_leaves_a_frame_that_says_so() {
    let fonts = fonts();
    let face = Face::new(&data(|zone| zone.portrait = None), fonts).expect("lays out");
    assert!(!face.render_svg(Sheet::Side(Side::Front)).contains("<image"));
    assert!(
        face.render_pdf(Sheet::Both(Arrangement::Vertical)).is_ok()
            && face.render_png(Sheet::Side(Side::Front), 300).is_ok()
    );
}

#[test]
fn a_broken_portrait_is_found_before_anything_is_printed() {
    let fonts = fonts();
    for broken in [&b""[..], b"GIF89a", &PORTRAIT[..PORTRAIT.len() / 2], &PORTRAIT[..20]] {
        let data = data(|zone| zone.portrait = Some(broken.to_vec()));
        assert_eq!(Face::new(&data, fonts).err(), Some(Error::Portrait), "{} bytes", broken.len());
    }
}

// proves: CARD-55, CARDFACE-13
#[test]
fn names_with_characters_of_planes_2_3_and_15_are_printed_in_the_fonts_of_the_register() {
    let fonts = fonts();
    for (rare, family, package) in [
        ("筱", "TW-Kai", "fonts-cns11643-kai"),
        ("\u{2000B}", "TW-Kai-Ext-B", "fonts-cns11643-kai"),
        ("\u{2F817}", "TW-Kai-Ext-B", "fonts-cns11643-kai"),
        ("\u{F0000}", "TW-Kai-Plus", "fonts-cns11643-kai"),
        ("\u{FFF95}", "TW-Kai-Plus", "fonts-cns11643-kai"),
        // Which the 全字庫 gained after these fonts were made.
        ("\u{31C2D}", "BabelStone Han", "fonts-babelstone-han"),
    ] {
        for package in [package, "fonts-cns11643-kai"] {
            assert!(
                installed(package),
                "{package} is missing: apt-get install -y --no-install-recommends {package}"
            );
        }
        let mut record = data(|zone| zone.chinese_name = format!("陳{rare}玲"));
        record.specimen = false;
        let face = Face::new(&record, fonts).expect("lays out");
        let front: Vec<(&str, &str)> = face.typefaces(Side::Front).collect();
        // Each character in the face of the register that has it, whatever other fonts have it too.
        let wanted = match family {
            "TW-Kai" => vec![("陳筱玲", "TW-Kai")],
            _ => vec![("陳", "TW-Kai"), (rare, family), ("玲", "TW-Kai")],
        };
        assert!(front.windows(wanted.len()).any(|part| part == wanted), "{wanted:?} in {front:?}");
        // Everything else is sans-serif (黑體), and nothing else is in a face of names.
        let names: String = front.iter().filter(|(_, family)| !sans(family)).map(|(part, _)| *part).collect();
        assert_eq!(names, record.chinese_name);
        let back: Vec<(&str, &str)> = face.typefaces(Side::Back).collect();
        let (zone, labels): (Vec<_>, Vec<_>) = back.iter().partition(|(_, f)| **f == fonts.mrz_family());
        assert!(!labels.is_empty() && labels.iter().all(|(_, family)| sans(family)), "{labels:?}");
        let zone: String = zone.iter().map(|(part, _)| *part).collect();
        assert!(zone.contains(&record.mrz.lines().concat()), "{zone}");
    }
}

/// A sans-serif face.
fn sans(family: &str) -> bool {
    ["Noto Sans CJK TC", "Noto Sans", "DejaVu Sans"].contains(&family)
}

fn installed(package: &str) -> bool {
    let directory = if package == "fonts-babelstone-han" { "babelstone" } else { "cns11643" };
    std::path::Path::new("/usr/share/fonts/truetype").join(directory).exists()
}

#[test]
fn a_name_without_glyph_is_refused_and_never_printed_with_a_hole() {
    let fonts = fonts();
    let mut unknown = data(|zone| zone.chinese_name = "陳\u{10FFFD}".into());
    // A specimen shows a frame with the code point instead.
    assert!(Face::new(&unknown, fonts).is_ok());
    unknown.specimen = false;
    assert_eq!(Face::new(&unknown, fonts).err(), Some(Error::NoGlyph { field: "the Chinese name" }));
}

#[test]
fn missing_fonts_are_named_with_their_package() {
    let empty = tempfile::tempdir().expect("a directory");
    let error = FontSet::load(&[empty.path()]).expect_err("no fonts");
    assert!(error.to_string().contains("apt install fonts-"), "{error}");
}

/// Every colour of an SVG.
fn colours(svg: &str) -> Vec<[u8; 3]> {
    let hex = |text: &str| u8::from_str_radix(text, 16).expect("hexadecimal");
    let found = svg.match_indices("=\"#").map(|(at, mark)| &svg[at + mark.len()..at + mark.len() + 6]);
    found.map(|code| [hex(&code[..2]), hex(&code[2..4]), hex(&code[4..])]).collect()
}

// proves: CARDFACE-14
#[test]
fn the_portrait_is_in_colour_and_everything_else_personal_is_engraved_in_one_tone() {
    let fonts = fonts();
    let plain = Face::new(&data(|_| {}), fonts).expect("lays out");
    let both = Sheet::Both(Arrangement::Vertical);
    let laser = plain.render_module(both, Module::Laser);
    let tones = colours(&laser);
    assert!(tones.len() > 10 && tones.iter().all(|[r, g, b]| r == g && g == b && *r < 0x40), "{tones:?}");
    assert!(!laser.contains("<image"));
    let colour = plain.render_module(both, Module::Colour);
    assert_eq!((colour.matches("<image").count(), colours(&colour).len()), (1, 0));

    // What is on the body belongs to nobody; whatever is somebody's is engraved, or is the portrait.
    let day = lds::Date::new(2001, 1, 2).expect("valid");
    type Change<'a> = &'a dyn Fn(&mut lds::PublicZone);
    let changes: [Change; 7] = [
        &|z| z.chinese_name = "王小明".into(),
        &|z| z.foreign_name = Some("CHEN, ELAINE".into()),
        &|z| z.id_number = "A123456789".into(),
        &|z| z.birth = day,
        &|z| z.marital_status = lds::dg13::Term::new("married", "有", "Married"),
        &|z| z.renewal = None,
        &|z| z.card_serial = "TWA000124".into(),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let face = Face::new(&data(change), fonts).expect("lays out");
        assert_eq!(
            face.render_module(both, Module::Body),
            plain.render_module(both, Module::Body),
            "{index}"
        );
        assert_eq!(face.render_module(both, Module::Colour), colour, "{index}");
        assert_ne!(face.render_module(both, Module::Laser), laser, "{index}");
    }

    // On the picture: the portrait's pixels have hues, the ink of the name has none.
    let png = plain.render_png(Sheet::Side(Side::Front), 300).expect("renders");
    let front = image::load_from_memory(&png).expect("a PNG").to_rgb8();
    let hue = |x: u32, y: u32| {
        let [r, g, b] = front.get_pixel(x, y).0;
        r.max(g).max(b) - r.min(g).min(b)
    };
    let at = |mm: f32| (mm / 25.4 * 300.0) as u32;
    let portrait = (at(60.0)..at(80.0)).flat_map(|x| (at(14.0)..at(38.0)).map(move |y| (x, y)));
    let coloured = portrait.clone().filter(|(x, y)| hue(*x, *y) > 24).count();
    assert!(coloured * 4 > portrait.count(), "{coloured} coloured pixels");
    let name = (at(25.4)..at(56.0)).flat_map(|x| (at(14.4)..at(22.0)).map(move |y| (x, y)));
    let dark: Vec<_> = name.filter(|(x, y)| front.get_pixel(*x, *y).0.iter().all(|c| *c < 0x38)).collect();
    assert!(dark.len() > 200 && dark.iter().all(|(x, y)| hue(*x, *y) < 16), "{} dark pixels", dark.len());
}

#[test]
fn samples_are_marked_and_others_are_not() {
    let fonts = fonts();
    let mut record = data(|_| {});
    let marked = Face::new(&record, fonts).expect("lays out").render_svg(Sheet::Side(Side::Front));
    record.specimen = false;
    let unmarked = Face::new(&record, fonts).expect("lays out").render_svg(Sheet::Side(Side::Front));
    assert!(marked.contains("#b02a30") && !unmarked.contains("#b02a30"));
}

/// Both sides of a record.
fn sides(change: impl Fn(&mut lds::PublicZone)) -> [String; 2] {
    let face = Face::new(&data(change), fonts()).expect("lays out");
    [Side::Front, Side::Back].map(|side| face.render_svg(Sheet::Side(side)))
}

// proves: CARDFACE-25, CARDFACE-26
#[test]
fn every_field_changes_the_sides_it_stands_on_and_no_other() {
    let plain = sides(|_| {});
    let day = lds::Date::new(2001, 1, 2).expect("valid");
    type Change<'a> = &'a dyn Fn(&mut lds::PublicZone);
    let changes: [(Change, bool, bool); 13] = [
        (&|z| z.chinese_name = "陳筱鈴".into(), true, false),
        (&|z| z.romanised_name = Some("Tân Siáu-lîng".into()), true, false),
        (&|z| z.foreign_name = Some("CHEN, ELAINE".into()), true, false),
        (&|z| z.id_number = "A123456789".into(), true, true),
        (&|z| z.birth = day, true, true),
        (&|z| z.portrait = None, true, false),
        (&|z| z.marital_status = lds::dg13::Term::new("married", "有", "Married"), false, true),
        (&|z| z.issue = day, false, true),
        (&|z| z.renewal = None, false, true),
        (&|z| z.card_serial = "TWA000124".into(), false, true),
        (&|z| z.mrz_name = "CHEN, XIAOLING".into(), false, true),
        // Only the chip has these (CARDFACE-01).
        (&|z| z.address.rest = "徐州路5號".into(), false, false),
        (&|z| z.military_service.zh = "免役".into(), false, false),
    ];
    for (index, (change, front, back)) in changes.into_iter().enumerate() {
        let changed = sides(change);
        assert_eq!([changed[0] != plain[0], changed[1] != plain[1]], [front, back], "change {index}");
    }
}
