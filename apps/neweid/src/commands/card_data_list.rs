//! `neweid card data-list`: chosen fields of a card on paper, with a verification number (國民身分證晶片資料清單). Whether a list holds, `neweid
//! pki paper status` tells.

use super::card_update::no_serial;
use super::pki_ceremony::check_operator;
use crate::cards;
use crate::cli::DataListArgs;
use crate::clock;
use crate::country::Country;
use crate::directory::write_atomically;
use crate::failure::Failure;
use crate::hand::{Stop, work};
use std::process::ExitCode;
use tokio::runtime::Handle;

/// Runs the command.
pub async fn run(arguments: DataListArgs) -> Result<ExitCode, Failure> {
    work(move |stop| make(&arguments, stop)).await
}

fn make(arguments: &DataListArgs, stop: &Stop) -> Result<ExitCode, Failure> {
    check_operator(&arguments.clerk)?;
    let serial = arguments.card.serial.as_ref().or(arguments.of.as_ref()).ok_or_else(no_serial)?;
    let serial = cards::parse_serial(serial)?;
    let country = Handle::current().block_on(Country::open(&arguments.card.dir))?;
    let channel = arguments.card.take(stop)?;
    let by = (arguments.office, arguments.clerk.as_str());
    let made = country.mgmt.make_data_list(serial, channel, &arguments.fields, by, clock::now());
    let list = Handle::current().block_on(made).map_err(Failure::from_system)?;
    let signature = arguments.out.with_added_extension("p7s");
    write_atomically(&arguments.out, &list.file)?;
    write_atomically(&signature, &list.signature)?;
    if arguments.card.json {
        let document = serde_json::json!({
            "number": list.number, "file": arguments.out, "signature": signature,
        });
        say!("{document:#}");
    } else {
        say!("晶片資料清單 Chip data list {}: {}", list.number, arguments.out.display());
    }
    Ok(ExitCode::SUCCESS)
}
