//! Machines read the rendered card: zbar the barcodes, poppler the PDF.

use crate::{data, fonts};
use cardface::{Arrangement, Face, Sheet, Side, Symbology};
use std::process::Command;

/// Runs a program of a Debian package that reads a file.
fn run(program: &str, package: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{program} is missing ({error}): apt-get install -y --no-install-recommends {package}")
    });
    String::from_utf8_lossy(&output.stdout).into_owned()
}

// Nothing else is there to be read: no QR code that would lead somewhere.
// proves: CARDFACE-12, CARDFACE-27, OPEN-45
#[test]
fn zbar_reads_both_barcodes_back_at_every_resolution() {
    let fonts = fonts();
    let directory = tempfile::tempdir().expect("a directory");
    for (serial, id) in
        [("TWA000123", "A234567893"), ("1Z9987654", "F131104093"), ("000000000", "Z899999996")]
    {
        let face = Face::new(
            &data(|zone| {
                zone.card_serial = serial.into();
                zone.id_number = id.into();
            }),
            fonts,
        )
        .expect("lays out");
        for dpi in [300, 400, 600] {
            for (name, png) in
                [("back", face.render_png(Sheet::Side(Side::Back), dpi)), ("proof", face.render_proof(dpi))]
            {
                let file = directory.path().join(format!("{serial}-{dpi}-{name}.png"));
                std::fs::write(&file, png.expect("renders")).expect("writes");
                let read = run(
                    "zbarimg",
                    "zbar-tools",
                    &["-q", "-Sdisable", "-Scode128.enable", "-Sqrcode.enable", &file.to_string_lossy()],
                );
                let mut codes: Vec<&str> = read.lines().collect();
                codes.sort_unstable();
                let mut expected = [format!("CODE-128:{serial}"), format!("CODE-128:{id}")];
                expected.sort_unstable();
                assert_eq!(codes, expected, "{serial} at {dpi} dots per inch, {name}");
            }
        }
    }
}

// proves: CARDFACE-12, OPEN-45
#[test]
fn code_39_is_a_choice_of_the_layout_and_zbar_reads_it_back() {
    let fonts = fonts();
    let directory = tempfile::tempdir().expect("a directory");
    for (serial, id) in
        [("TWA000123", "A234567893"), ("1Z9987654", "F131104093"), ("WWW888888", "W288888882")]
    {
        let mut record = data(|zone| {
            zone.card_serial = serial.into();
            zone.id_number = id.into();
        });
        assert_eq!(record.barcodes, Symbology::Code128, "unless somebody chooses");
        record.barcodes = Symbology::Code39;
        let face = Face::new(&record, fonts).expect("lays out");
        for dpi in [300, 600] {
            for (name, png) in
                [("back", face.render_png(Sheet::Side(Side::Back), dpi)), ("proof", face.render_proof(dpi))]
            {
                let file = directory.path().join(format!("{serial}-{dpi}-{name}.png"));
                std::fs::write(&file, png.expect("renders")).expect("writes");
                let every =
                    ["-q", "-Sdisable", "-Scode39.enable", "-Scode128.enable", &file.to_string_lossy()];
                let read = run("zbarimg", "zbar-tools", &every);
                let mut codes: Vec<&str> = read.lines().collect();
                codes.sort_unstable();
                let mut expected = [format!("CODE-39:{serial}"), format!("CODE-39:{id}")];
                expected.sort_unstable();
                assert_eq!(codes, expected, "{serial} at {dpi} dots per inch, {name}");
            }
        }
    }
}

#[test]
fn the_pdf_has_two_pages_of_the_size_of_the_card() {
    let fonts = fonts();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("card.pdf");
    let face = Face::new(&data(|_| {}), fonts).expect("lays out");
    std::fs::write(&file, face.render_pdf(Sheet::Both(Arrangement::Vertical)).expect("writes"))
        .expect("writes");
    let read = run("pdfinfo", "poppler-utils", &[&file.to_string_lossy()]);
    assert!(read.contains("Pages:           2"), "{read}");
    assert!(read.contains("242.646 x 153.014 pts") || read.contains("242.65 x 153.01 pts"), "{read}");
}
