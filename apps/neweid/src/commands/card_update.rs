//! `neweid card update`: the fields of a card that may change, without PIN1. Two ways: as an office of the country in `--dir`,
//! which compares the card with the register and signs the difference; or with a package that was signed elsewhere, as a
//! terminal with the right to update.

use crate::cli::CardUpdate;
use crate::clock;
use crate::country::Country;
use crate::directory::write_atomically;
use crate::failure::{Failure, Fault};
use crate::hand::{Stop, work};
use crate::{cards, terminals};
use curve::SystemRandom;
use eac::auxiliary_data::AuxiliaryData;
use eac::cvc::{Rights, UpdateRights};
use mgmt::SignedRequest;
use std::path::Path;
use std::process::ExitCode;
use terminal::eid::{Grant, Session};
use tokio::runtime::Handle;

/// Runs the command.
pub async fn run(arguments: CardUpdate) -> Result<ExitCode, Failure> {
    work(move |stop| match &arguments.package {
        Some(package) => apply(&arguments, package, stop),
        None => office(&arguments, stop),
    })
    .await
}

/// The office: register, comparison, signature and card in one step.
fn office(arguments: &CardUpdate, stop: &Stop) -> Result<ExitCode, Failure> {
    let serial = arguments.card.serial.as_ref().or(arguments.of.as_ref()).ok_or_else(no_serial)?;
    let serial = cards::parse_serial(serial)?;
    let country = Handle::current().block_on(Country::open(&arguments.card.dir))?;
    let channel = arguments.card.take(stop)?;
    if arguments.compare {
        let compared = country.mgmt.compare_card(serial, channel, clock::now());
        let (fields, _) = Handle::current().block_on(compared).map_err(Failure::from_system)?;
        if arguments.card.json {
            say!("{}", serde_json::json!({ "fields": fields }));
        } else if fields.is_empty() {
            say!("{SAME}");
        } else {
            say!("待更新 To be updated: {}", fields.join(" "));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (Some(request), Some(signature)) = (&arguments.request, &arguments.signature) else {
        return Err(Failure::ours("clap asks for both"));
    };
    let read = |file: &Path| std::fs::read(file).map_err(|error| terminals::unreadable(file, &error));
    let signed = SignedRequest { content: read(request)?, signature: read(signature)? };
    let updated = country.mgmt.update_card(&signed, channel, clock::now());
    let (update, _) = Handle::current().block_on(updated).map_err(Failure::from_system)?;
    if let (Some(out), Some(_)) = (&arguments.out, update.number) {
        std::fs::create_dir_all(out)?;
        write_atomically(&out.join("update.p7"), &update.package)?;
        write_atomically(&out.join("links.der"), &update.links)?;
    }
    if arguments.card.json {
        say!("{}", serde_json::json!({ "number": update.number, "fields": update.fields }));
    } else {
        match update.number {
            Some(number) => {
                say!("已更新 Updated: {}（第 {number} 次 number {number}）", update.fields.join(" "));
            }
            None => say!("{SAME}"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A package from elsewhere, given to the card by a terminal of one's own.
fn apply(arguments: &CardUpdate, package: &Path, stop: &Stop) -> Result<ExitCode, Failure> {
    let (Some(key), Some(trust)) = (&arguments.terminal_key, &arguments.trust) else {
        return Err(Failure::ours("clap asks for both"));
    };
    let identity = terminals::identity(&arguments.terminal_cert, key)?;
    let trust = super::read::trust_store(trust)?;
    let package = std::fs::read(package).map_err(|error| terminals::unreadable(package, &error))?;
    let links = match &arguments.links {
        Some(links) => std::fs::read(links).map_err(|error| terminals::unreadable(links, &error))?,
        None => Vec::new(),
    };
    let can = arguments.card.access_number()?.ok_or_else(no_serial)?;
    let channel = arguments.card.take(stop)?;
    let grant = Grant { rights: Rights::CAN_ALLOWED, updates: UpdateRights::ALL };
    let (questions, now) = (AuxiliaryData::new(), clock::now());
    let mut session =
        Session::open(channel, &can, None, &identity, grant, &questions, &trust, now, &mut SystemRandom)?;
    session.update(&package, &links)?;
    let terminal = identity.certificate().body().holder.to_string();
    if arguments.card.json {
        say!(
            "{}",
            serde_json::json!({ "updated": true, "terminal": terminal, "trust_point": session.trust_point })
        );
    } else {
        say!("已更新 Updated by {terminal} ← {}", session.trust_point);
    }
    Ok(ExitCode::SUCCESS)
}

const SAME: &str = "與戶籍資料一致，無須更新。 The card says what the register says: nothing to update.";

pub fn no_serial() -> Failure {
    Failure::new(
        "NEWEID-E-CARD-UNNAMED",
        Fault::Caller,
        "未指明讀卡機中是哪一張卡片。",
        "Which card lies in the reader was not said.",
        "卡片序號 --of SERIAL；使用 --package 時為讀取碼 --can Card serial with --of; with --package the access number with --can",
    )
    .exit(2)
}
