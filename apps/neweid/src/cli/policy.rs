//! `neweid npc policy` and `neweid npc cps`: the certificate policy as data, and the practice statement made of it.

use clap::Subcommand;
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub enum Policy {
    /// 現行版本 Print the version in force; its JSON form is what is edited and proposed.
    Show {
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 列出 List all versions, newest first.
    List {
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// 提案 Propose a version; it is in force when another person has approved it.
    Propose {
        /// JSON file in the form of `show`.
        file: PathBuf,
        /// Account of whoever proposes, for the log.
        #[arg(long)]
        operator: String,
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 核可 Put another person's proposal in force. A running `neweid up` takes it over within a minute.
    Approve {
        version: u32,
        /// Account of whoever approves, for the log.
        #[arg(long)]
        operator: String,
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
}
