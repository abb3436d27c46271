//! `neweid card watch`: a line per command for a card that `neweid card insert` holds in a reader, until it is taken out.

use crate::cards::{self, CardFile};
use crate::failure::Failure;
use crate::watch;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;

/// Runs the command.
pub async fn run(card: &str, dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let card = CardFile::find(card, dir)?;
    cards::expect(&card)?;
    let stream = watch::attach(&card)?;
    tokio::task::spawn_blocking(move || {
        for line in BufReader::new(stream).lines() {
            let line = line?;
            if json {
                say!("{line}");
                continue;
            }
            let told: serde_json::Value = serde_json::from_str(&line).map_err(Failure::ours)?;
            let word = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
            // 2026-11-21T08:30:00.123456Z: the time of day, to the millisecond.
            let at = word("at");
            let time = at.get(11..).map_or("", |time| time.get(..12).unwrap_or(time)).trim_end_matches('Z');
            say!("{time:<12} {}", word("text"));
        }
        if !json {
            say!("卡片已取出 The card was taken out.");
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
    .map_err(Failure::ours)?
}
