//! The character table against its sources, and names with rare characters.

use model::PersonName;
use model::cns::{CnsCode, Table};

const SOURCES: [&str; 4] = ["BMP", "2", "3", "15"];

fn path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cns11643").join(name)
}

/// Every pair of the published tables.
fn published() -> Vec<(CnsCode, char)> {
    let mut pairs = Vec::new();
    for source in SOURCES {
        let text =
            std::fs::read_to_string(path(&format!("cns2unicode-{source}.txt"))).expect("published table");
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (code, point) = line.split_once('\t').expect("two fields");
            let point = u32::from_str_radix(point, 16).ok().and_then(char::from_u32).expect("a code point");
            pairs.push((code.parse().expect("a code"), point));
        }
    }
    pairs
}

fn compact(pairs: &[(CnsCode, char)]) -> Vec<u8> {
    let mut entries: Vec<[u8; 6]> = pairs
        .iter()
        .map(|(code, character)| {
            let [_, a, b, c] = u32::from(*character).to_be_bytes();
            let [plane, row, column] = code.to_bytes();
            [a, b, c, plane, row, column]
        })
        .collect();
    entries.sort_unstable();
    entries.concat()
}

#[test]
fn the_compact_table_is_made_from_the_published_ones() {
    assert!(
        compact(&published()) == std::fs::read(path("cns.bin")).expect("cns.bin"),
        "cns.bin is out of date"
    );
}

#[test]
#[ignore = "writes cns.bin; run it after the published tables change"]
fn write_the_compact_table() {
    std::fs::write(path("cns.bin"), compact(&published())).expect("cns.bin");
}

// proves: CARD-55
#[test]
fn every_published_code_leads_to_its_character_and_back() {
    let table = Table::bundled();
    let pairs = published();
    assert_eq!((pairs.len(), table.len()), (104_662, 104_662));
    let mut others = Vec::new();
    for (code, character) in pairs {
        assert_eq!(table.character(code), Some(character), "{code}");
        match table.code(character) {
            Some(found) if found == code => {}
            Some(found) => {
                assert_eq!(table.character(found), Some(character), "{found}");
                others.push(code.to_string());
            }
            None => panic!("no code for U+{:X}", u32::from(character)),
        }
    }
    // Two characters have two codes each; the lower plane is preferred, the other is still read.
    others.sort();
    assert_eq!(others, ["10-2668", "10-3C40"]);
}

// proves: CARD-55
#[test]
fn a_name_with_characters_of_planes_2_3_and_15_is_kept_without_loss() {
    let table = Table::bundled();
    let per_plane = |low: u32, high: u32| {
        published()
            .into_iter()
            .map(|(_, c)| c)
            .filter(move |c| (low..=high).contains(&u32::from(*c)))
            .collect::<Vec<_>>()
    };
    for (low, high) in [(0x4E00, 0x9FFF), (0x2_0000, 0x2_FFFF), (0x3_0000, 0x3_FFFF), (0xF_0000, 0xF_FFFD)] {
        for chunk in per_plane(low, high).chunks(60) {
            let text: String = chunk.iter().collect();
            let name = PersonName::new(&text).expect("a name");
            let codes: Vec<CnsCode> = name.codes().iter().map(|code| code.expect("a code")).collect();
            let again = PersonName::from_codes(&codes).expect("assigned");
            assert!(again == name && again.chinese() == text, "U+{low:X}");
            assert!(low < 0x1_0000 || name.has_rare_characters());
            let json = serde_json::to_string(&name).expect("serialises");
            assert!(serde_json::from_str::<PersonName>(&json).expect("reads") == name);
        }
    }
    assert_eq!(table.code('🀄'), None);
    assert!(PersonName::new("王🀄").expect("a name").codes()[1].is_none());
}

#[test]
fn the_second_code_of_a_character_survives() {
    let second: CnsCode = "10-3C40".parse().expect("a code");
    let name = PersonName::from_codes(&[second]).expect("assigned");
    let json = serde_json::to_string(&name).expect("serialises");
    assert_eq!(serde_json::from_str::<PersonName>(&json).expect("reads").codes(), [Some(second)]);
}

#[test]
fn unassigned_and_malformed_codes_are_refused() {
    assert_eq!(PersonName::from_codes(&["1-7E7E".parse().expect("form")]), Err(model::Error::CnsUnassigned));
    for bad in [
        "", "1", "1-", "1-442", "1-44210", "0-4421", "81-4421", "1-2021", "1-217F", "1-+421", "+1-4421",
        "１-4421",
    ] {
        assert_eq!(bad.parse::<CnsCode>(), Err(model::Error::CnsCode), "{bad}");
    }
}

// The tables are read where they lie and indexed on first use; the goal is 20 ms, the limit is for a busy machine and a
// build that is not optimised.
#[test]
#[allow(clippy::disallowed_methods)] // this test measures time
fn first_use_of_the_tables_is_quick() {
    let start = std::time::Instant::now();
    let name = PersonName::new("陳\u{2000B}\u{FB379}").expect("a name");
    let codes: Vec<CnsCode> = name.codes().iter().flatten().copied().collect();
    assert_eq!(PersonName::from_codes(&codes).expect("assigned").chinese(), name.chinese());
    let characters = start.elapsed();
    assert_eq!(model::Divisions::bundled().villages().len(), 7747);
    println!("characters {characters:?}, with divisions {:?}", start.elapsed());
    assert!(start.elapsed() < std::time::Duration::from_secs(5));
}
