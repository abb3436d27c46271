//! `neweid status card`: whether a card may be accepted, from a card status list on this machine. Nobody is asked.
//!
//! Exit code 0 good, 3 suspended, 4 void.

use crate::card_status::{CardStatusList, words};
use crate::cards::parse_serial;
use crate::cli::StatusCard;
use crate::clock;
use crate::failure::Failure;
use std::process::ExitCode;
use terminal::CardStatus;

/// Runs the command.
pub fn run(arguments: &StatusCard) -> Result<ExitCode, Failure> {
    let serial = parse_serial(&arguments.serial)?;
    let now = arguments.at.unwrap_or_else(clock::now);
    let list = CardStatusList::open(&arguments.card_list, &arguments.trust, now)?;
    let (status, edition) = (list.status(serial)?, list.edition());
    let (zh, word) = words(status);
    if arguments.json {
        let document =
            serde_json::json!({ "status": word, "serial": serial.to_string(), "card_list": edition });
        say!("{document:#}");
    } else {
        say!("{zh} {word}，截至 as of {}", edition.this_update);
        say!("  卡片 Card  {serial}");
        say!("  清單 List  {} ({} – {})", edition.number, edition.this_update, edition.next_update);
    }
    Ok(ExitCode::from(match status {
        CardStatus::Valid => 0,
        CardStatus::Suspended => 3,
        CardStatus::Void => 4,
        CardStatus::Unknown => 5,
    }))
}
