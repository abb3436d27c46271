//! `neweid npc policy` and `neweid npc cps`: the certificate policy as data, and the practice statement made of it.

use clap::Subcommand;
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub enum Policy {
    /// 現行版本 Print the version in force; its JSON form is what is edited and proposed.
    Show {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 列出 List all versions, newest first.
    List {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 提案 Propose a version; it is in force when another person has approved it.
    Propose {
        /// 政策檔 JSON file in the form of `show`.
        file: PathBuf,
        /// 提案者帳號 Account of whoever proposes, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 核可 Put another person's proposal in force. A running `neweid up` takes it over within a minute.
    Approve {
        /// 版本 The version.
        version: u32,
        /// 核可者帳號 Account of whoever approves, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
}
