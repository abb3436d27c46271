//! One file per command.

mod card_face;
mod card_insert;
mod card_list;
mod demo;
pub mod doctor;
mod npc_cases;
mod npc_simulate;
mod pki_ceremony;
mod pki_export;
mod read;
mod status_check;
mod up;

use crate::cli::{Arguments, Card, Command, Npc, Pki, Status};
use crate::failure::Failure;
use std::process::ExitCode;

/// Runs the command that was asked for.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Up(up) => up::run(up).await,
        Command::Demo(demo) => demo::run(demo).await,
        Command::Card(Card::List { dir, json }) => card_list::run(&dir, json).await,
        Command::Card(Card::Insert { serial, dir, interface, vpcd }) => {
            card_insert::run(&serial, &dir, interface, vpcd.as_deref()).await
        }
        Command::Card(Card::Face { serial, dir, out }) => card_face::run(&serial, &dir, &out).await,
        Command::Read(read) => read::run(read).await,
        Command::Pki(Pki::Export { dir, out }) => pki_export::run(&dir, &out).await,
        Command::Pki(Pki::Propose { what, operator, dir }) => {
            pki_ceremony::check_operator(&operator)?;
            pki_ceremony::propose(&dir, &what, &operator).await
        }
        Command::Pki(Pki::Approve { number, operator, dir }) => {
            pki_ceremony::check_operator(&operator)?;
            pki_ceremony::approve(&dir, number, &operator).await
        }
        Command::Pki(Pki::Proposals { dir, json }) => pki_ceremony::proposals(&dir, json).await,
        Command::Doctor(doctor) => doctor::run(&doctor),
        Command::Status(Status::Check(check)) => status_check::run(&check),
        Command::Npc(Npc::Simulate(simulate)) => npc_simulate::run(&simulate),
    }
}
