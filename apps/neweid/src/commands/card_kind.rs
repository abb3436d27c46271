//! `neweid card kind`: what kind of card lies in a reader, and which middleware works with it.

use crate::cli::CardKindOf;
use crate::failure::Failure;
use crate::hand::work;
use std::process::ExitCode;
use terminal::Card;
use terminal::recognise::recognise;

/// Runs the command.
pub async fn run(arguments: CardKindOf) -> Result<ExitCode, Failure> {
    work(move |stop| {
        let mut card = Card::new(arguments.card.take(stop)?);
        let kind = recognise(&mut card)?;
        if arguments.card.json {
            say!("{}", serde_json::json!({ "kind": kind, "middleware": kind.middleware() }));
        } else {
            say!("{} {}", kind.words().0, kind.words().1);
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}
