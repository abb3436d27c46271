//! `neweid`: the whole country as one program. `neweid up` starts every system in one process; the other commands are
//! what people and scripts do with it. Only this crate (with bench/ and xtask/) knows the clock, sockets, signals and
//! the random source of the machine.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]
// In a program `pub` says what a module offers the others; nothing is reachable from outside.
#![allow(unreachable_pub)]

#[macro_use]
mod console;

mod card_status;
mod cards;
mod cli;
mod cli_ra;
mod clock;
mod commands;
mod country;
#[cfg(test)]
mod decoders;
mod directory;
mod failure;
mod figures;
mod hand;
mod http;
mod listed;
mod listener;
mod memory;
mod meter;
mod openssl;
mod personas;
mod questions;
mod secrets;
mod signals;
mod terminals;
mod usage;
mod vpcd;
mod watch;
mod web;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Longest that a computation under way may hold up the end: the slowest, an RSA key pair, takes a second or two.
const LAST_COMPUTATION: Duration = Duration::from_secs(8);

fn main() -> ExitCode {
    let arguments = match usage::arguments() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    if arguments.stays() {
        memory::give_back();
    }
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter(
            tracing_subscriber::EnvFilter::try_from_env("NEWEID_LOG")
                .unwrap_or_else(|_| "warn,neweid=info".into()),
        );
    tracing_subscriber::registry().with(log).with(meter::ErrorCounter.with_filter(LevelFilter::WARN)).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::from(error).report(arguments.wants_json()),
    };
    let json = arguments.wants_json();
    let code = match runtime.block_on(commands::run(arguments)) {
        Ok(code) => code,
        Err(failure) => failure.report(json),
    };
    // What still computes (a key pair that nobody waits for any more) ends first: at exit the crypto library wipes its
    // random generators and aborts a thread that asks one for more.
    runtime.shutdown_timeout(LAST_COMPUTATION);
    code
}
