//! A command line that cannot be understood, in the form of every other failure: a code, what is wrong in both languages, and
//! how the command is used. What was typed is not repeated but for names of options: it may be a secret in the wrong place.

use crate::cli::Arguments;
use crate::failure::{Failure, Fault};
use clap::Parser;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use std::error::Error as _;
use std::process::ExitCode;

/// The arguments; or the exit code, after help, version or the failure was printed.
pub fn arguments() -> Result<Arguments, ExitCode> {
    let error = match Arguments::try_parse() {
        Ok(arguments) => return Ok(arguments),
        Err(error) => error,
    };
    let json = std::env::args_os().any(|argument| argument == "--json");
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A program that reads only the beginning ends the pipe.
            let _ = error.print();
            return Err(ExitCode::SUCCESS);
        }
        // The list of commands says what may follow; the failure says that something must.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !json => {
            let _ = error.print();
            eprintln!();
        }
        _ => {}
    }
    Err(failure(&error).report(json))
}

fn failure(error: &Error) -> Failure {
    let (zh, en) = cause(error);
    let usage = text(error, ContextKind::Usage);
    let usage = usage.trim_start_matches("Usage:").split_whitespace().collect::<Vec<_>>().join(" ");
    let command: Vec<&str> = usage
        .split(' ')
        .take_while(|word| {
            !word.is_empty()
                && !word.starts_with('-')
                && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        })
        .collect();
    let command = if command.is_empty() { "neweid".to_owned() } else { command.join(" ") };
    let remedy = match (usage.is_empty(), text(error, ContextKind::SuggestedArg)) {
        (_, near) if !near.is_empty() => format!("是否為 Did you mean {near}? {command} --help"),
        (false, _) => format!("用法 Usage: {usage}; {command} --help"),
        (true, _) => format!("{command} --help"),
    };
    Failure::new("NEWEID-E-USAGE", Fault::Caller, zh, en, remedy).exit(2)
}

fn cause(error: &Error) -> (String, String) {
    let argument = named(&text(error, ContextKind::InvalidArg));
    let values = text(error, ContextKind::ValidValue);
    match error.kind() {
        ErrorKind::MissingRequiredArgument => {
            (format!("缺少參數：{argument}"), format!("Something is missing: {argument}"))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            ("缺少指令。".into(), "A command is missing.".into())
        }
        ErrorKind::InvalidSubcommand => ("沒有這個指令。".into(), "There is no such command.".into()),
        ErrorKind::UnknownArgument if argument.is_empty() => {
            ("多了一個參數。".into(), "There is an argument too many.".into())
        }
        ErrorKind::UnknownArgument => {
            (format!("沒有這個選項：{argument}"), format!("There is no such option: {argument}"))
        }
        ErrorKind::ArgumentConflict => {
            let other = named(&text(error, ContextKind::PriorArg));
            let both = [argument, other].join(" + ");
            (format!("不能同時使用：{both}"), format!("They do not go together: {both}"))
        }
        ErrorKind::InvalidValue if !values.is_empty() => (
            format!("{argument} 的值不正確，可用：{values}"),
            format!("The value of {argument} is wrong; it may be: {values}"),
        ),
        ErrorKind::ValueValidation => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            (format!("{argument} 的值不正確：{why}"), format!("The value of {argument} is wrong: {why}"))
        }
        _ => (
            format!("{argument} 的值不正確或缺少。"),
            format!("The value of {argument} is wrong or missing."),
        ),
    }
}

/// The options and places of a list; a word that was typed where none belongs is left out, and what follows a `=`.
fn named(list: &str) -> String {
    let known = list.split(", ").filter(|name| name.starts_with(['-', '<', '[']));
    known.map(|name| name.split('=').next().unwrap_or(name)).collect::<Vec<_>>().join(", ")
}

fn text(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        Some(ContextValue::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(arguments: &[&str]) -> (String, String) {
        let error = Arguments::try_parse_from([&["neweid"], arguments].concat()).expect_err("wrong");
        let failure = failure(&error);
        (failure.message.clone(), format!("{failure:?}"))
    }

    #[test]
    fn what_is_wrong_is_said_and_what_was_typed_is_not() {
        let read = ["read", "--reader", "x", "--out", "y"];
        for (arguments, expected) in [
            (&["read", "--pin1", "FILE"][..], "--out <OUT>"),
            (&["reed"], "There is no such command."),
            (&["card"], "A command is missing."),
            (&[&read[..], &["--can", "123456", "--mrz", "z"]].concat(), "--can <CAN> + --mrz <MRZ>"),
            (&["card", "insert", "N5A000000", "--interface", "telepathy"], "contact, contactless"),
            (&["up", "--port-base", "135790"], "--port-base"),
            (&["card", "list", "--pin=135790"], "There is no such option: --pin"),
            (&["card", "list", "135790"], "There is an argument too many."),
            (&["pin", "change", "135790"], "<WHICH>"),
            (&["read", "--trust"], "--trust"),
        ] {
            let (said, whole) = failed(arguments);
            assert!(said.contains(expected), "{arguments:?}: {said}");
            let secret = whole.contains("135790") && !arguments.contains(&"--port-base");
            assert!(!secret && whole.contains("neweid") && whole.contains("--help"), "{whole}");
        }
    }
}
