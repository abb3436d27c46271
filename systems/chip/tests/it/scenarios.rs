//! Dialogues as data: `tests/scenarios/*.txt`, one file per subject, command and response as a reader and the card exchange
//! them.
//!
//! ```text
//! = title                       a new scenario: a fresh card
//! @ interop contact             profile and interface of the card that is in use (or a production stage)
//! @ pace can|mrz|pin1|..        opens a channel; what follows with -> goes through it
//! @ reset                       power off and on
//! -> 00A4040C07A0000002471001   a command, through the channel if there is one
//! plain 00A4000C                a command in the clear
//! <- 9000                       the expected response: hex, `..` for any bytes
//! # comment
//! ```

use apdu::Command;
use chip::Interface;

use crate::support::*;

#[test]
fn dialogues() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let (mut scenarios, mut exchanges) = (0, 0);
    for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "txt")) {
        let text = std::fs::read_to_string(path).unwrap();
        for scenario in text.split("\n= ").skip(1) {
            let name = path.file_name().unwrap().to_string_lossy();
            exchanges += run(&name, scenario);
            scenarios += 1;
        }
    }
    assert!(scenarios >= 20 && exchanges >= 100, "{scenarios} scenarios, {exchanges} exchanges");
}

fn run(file: &str, scenario: &str) -> usize {
    let mut lines = scenario.lines();
    let title = lines.next().unwrap_or_default();
    let (mut reader, mut answer, mut exchanges) = (None, None::<(String, Vec<u8>)>, 0);
    for line in lines.map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let here = format!("{file}: {title}: {line}");
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "@" => set_up(&mut reader, rest, &here),
            "->" | "plain" => {
                assert!(answer.is_none(), "{here}: the command before has no expected response");
                let reader = reader.as_mut().unwrap_or_else(|| panic!("{here}: no card"));
                let bytes = hex::decode(rest.replace(' ', "")).unwrap_or_else(|_| panic!("{here}: hex"));
                let response = match (word, Command::parse(&bytes)) {
                    ("->", Ok(command)) => reader.send(&command).to_bytes(),
                    _ => apdu::CardChannel::transmit(&mut reader.channel, &bytes).unwrap(),
                };
                answer = Some((rest.to_owned(), response));
            }
            "<-" => {
                let (command, response) = answer.take().unwrap_or_else(|| panic!("{here}: no command"));
                assert!(
                    matches(rest, &response),
                    "{file}: {title}: {command} gave {}, expected {rest}",
                    hex::encode_upper(&response)
                );
                exchanges += 1;
            }
            _ => panic!("{here}: unknown line"),
        }
    }
    assert!(answer.is_none(), "{file}: {title}: the last command has no expected response");
    exchanges
}

fn set_up(reader: &mut Option<Reader>, what: &str, here: &str) {
    let words: Vec<&str> = what.split(' ').collect();
    match (words.as_slice(), reader.as_mut()) {
        (["reset"], Some(reader)) => reader.reset(),
        (["pace", password], Some(reader)) => {
            let password = match *password {
                "can" => can(),
                "mrz" => mrz(),
                "pin1" => pin1(),
                _ => panic!("{here}: password"),
            };
            reader.pace(&password).unwrap();
        }
        (["channel", "forgotten"], Some(reader)) => reader.sm = None,
        ([stage, interface], _) => {
            let stage = match *stage {
                "delivered" => Stage::Delivered,
                "washed" => Stage::Washed,
                "initialised" => Stage::Initialised("national"),
                "issued" => Stage::Personalised("national", true),
                "closed" => Stage::Personalised("national", false),
                "national" => Stage::InUse("national"),
                "interop" => Stage::InUse("interop"),
                _ => panic!("{here}: stage"),
            };
            let interface = if *interface == "contact" { Interface::Contact } else { Interface::Contactless };
            *reader = Some(Reader::new(stage.chip(), interface));
        }
        _ => panic!("{here}"),
    }
}

/// `6A82`, `..9000` (any data), `61..9000` (data that begins so).
fn matches(pattern: &str, response: &[u8]) -> bool {
    let response = hex::encode_upper(response);
    match pattern.split_once("..") {
        None => pattern.replace(' ', "") == response,
        Some((start, end)) => {
            let (start, end) = (start.replace(' ', ""), end.replace(' ', ""));
            response.len() >= start.len() + end.len()
                && response.starts_with(&start)
                && response.ends_with(&end)
        }
    }
}
