//! docs/chip-files.md is the file table for people: this test keeps the two the same.

use std::fmt::Write;

use chip::files::{Content, FILES, Read, Write as MayWrite};
use chip::{Interface, Profile};

/// The table as the document has it.
fn table() -> String {
    let mut out = String::from(
        "| File | Directory | FID | SFI | Read: contact | Read: contactless | Written after issue by |\n|---|---|---|---|---|---|---|\n",
    );
    let national = Profile::by_name("national").unwrap();
    let interop = Profile::by_name("interop").unwrap();
    for file in FILES {
        let sfi = file.sfi.map_or_else(|| "-".into(), |sfi| format!("{sfi:02X}"));
        let contactless_absent = matches!(file.zone, chip::Zone::Encrypted | chip::Zone::Certificate);
        let condition = |interface| {
            if interface == Interface::Contactless && contactless_absent {
                return "absent".to_owned();
            }
            if matches!(file.content, Content::PrivateKey(_)) || file.read == Read::Never {
                return "never".to_owned();
            }
            let of = |profile| file.condition(profile, interface).name();
            let pin2 = if file.needs_pin2_set() { ", PIN2 set" } else { "" };
            if of(national) == of(interop) {
                format!("{}{pin2}", of(national))
            } else {
                format!("{} (interop: {}){pin2}", of(national), of(interop))
            }
        };
        let write = match file.write {
            MayWrite::Never => "nobody",
            MayWrite::UpdateTerminal => "update terminal",
            MayWrite::PinManagement => "PIN management",
        };
        writeln!(
            out,
            "| {} | {:?} | {:04X} | {sfi} | {} | {} | {write} |",
            file.name,
            file.directory,
            file.fid,
            condition(Interface::Contact),
            condition(Interface::Contactless)
        )
        .unwrap();
    }
    out
}

#[test]
fn the_document_shows_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/chip-files.md");
    let document = std::fs::read_to_string(path).unwrap_or_default();
    let table = table();
    assert!(document.contains(&table), "docs/chip-files.md should contain:\n{table}");
}
