//! Machines read the rendered card: zbar the barcodes, poppler the PDF. Where they are not installed the test says so.

use crate::{data, fonts};
use cardface::{Arrangement, Face, Sheet, Side};
use std::process::Command;

/// Runs a program that reads a file; `None` if it is not installed.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(_) => {
            println!("skipped: {program} is not installed");
            None
        }
    }
}

// Nothing else is there to be read: no QR code that would lead somewhere.
// proves: CARDFACE-12, CARDFACE-27, OPEN-45
#[test]
fn zbar_reads_both_barcodes_back_at_every_resolution() {
    let Some(fonts) = fonts() else { return };
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
                let Some(read) = run(
                    "zbarimg",
                    &["-q", "-Sdisable", "-Scode128.enable", "-Sqrcode.enable", &file.to_string_lossy()],
                ) else {
                    return;
                };
                let mut codes: Vec<&str> = read.lines().collect();
                codes.sort_unstable();
                let mut expected = [format!("CODE-128:{serial}"), format!("CODE-128:{id}")];
                expected.sort_unstable();
                assert_eq!(codes, expected, "{serial} at {dpi} dots per inch, {name}");
            }
        }
    }
}

#[test]
fn the_pdf_has_two_pages_of_the_size_of_the_card() {
    let Some(fonts) = fonts() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("card.pdf");
    let face = Face::new(&data(|_| {}), fonts).expect("lays out");
    std::fs::write(&file, face.render_pdf(Sheet::Both(Arrangement::Vertical)).expect("writes"))
        .expect("writes");
    let Some(read) = run("pdfinfo", &[&file.to_string_lossy()]) else { return };
    assert!(read.contains("Pages:           2"), "{read}");
    assert!(read.contains("242.646 x 153.014 pts") || read.contains("242.65 x 153.01 pts"), "{read}");
}
