//! `neweid notice`: what holders are to be told, for the gateway that sends it, the office that prints letters and the clerk who calls.

use super::pki_ceremony::check_operator;
use crate::clock::{self, taipei};
use crate::country::Country;
use crate::failure::Failure;
use clap::Subcommand;
use mgmt::{NoticeWay, ToldBy, WhichNotices};
use std::path::PathBuf;
use std::process::ExitCode;
use uuid::Uuid;

/// Notices shown at a time.
const MOST: u32 = 1_000;

#[derive(Subcommand, Debug)]
pub enum Notice {
    /// 待通知 List the notices that wait, oldest first. They hold addresses and numbers: for whoever sends them alone.
    List {
        /// 召回案編號 Of this recall alone.
        #[arg(long)]
        recall: Option<u64>,
        /// 通知方式 Of holders who chose this way alone: sms, email or post.
        #[arg(long, value_parser = chosen)]
        way: Option<NoticeWay>,
        /// 接續編號 Those behind this notice: at most 1,000 are listed at a time.
        #[arg(long, value_name = "ID")]
        after: Option<Uuid>,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 登記結果 Note that a notice reached its holder, or did not.
    Told {
        /// 編號 Its number.
        id: Uuid,
        /// 通知方式 How: sms, email, telephone or post.
        #[arg(long, value_parser = way)]
        way: ToldBy,
        /// 未達 It was tried in vain; the notice waits on.
        #[arg(long)]
        in_vain: bool,
        /// 操作者帳號 Account of whoever told it, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
}

impl Notice {
    /// Whether failures are to be printed as JSON.
    pub const fn wants_json(&self) -> bool {
        matches!(self, Self::List { json: true, .. })
    }
}

fn way(text: &str) -> Result<ToldBy, String> {
    ToldBy::from_name(text).ok_or_else(|| "sms, email, telephone, post".to_owned())
}

fn chosen(text: &str) -> Result<NoticeWay, String> {
    NoticeWay::from_name(text).ok_or_else(|| "sms, email, post".to_owned())
}

/// Runs the command.
pub async fn run(command: &Notice) -> Result<ExitCode, Failure> {
    match command {
        Notice::List { recall, way, after, dir, json } => {
            let country = Country::open(dir).await?;
            let which = WhichNotices { recall: *recall, way: *way, after: *after };
            let waiting = country.mgmt.notices(&which, MOST).await.map_err(Failure::from_system)?;
            if *json {
                let list: Vec<_> = waiting
                    .iter()
                    .map(|notice| {
                        serde_json::json!({
                            "id": notice.id.to_string(), "card": notice.card.as_str(), "kind": notice.kind,
                            "way": notice.way.as_str(), "to": notice.to, "telephone": notice.telephone,
                            "text": notice.text, "tries": notice.tries, "at": notice.at.to_string(),
                        })
                    })
                    .collect();
                say!("{}", serde_json::to_string_pretty(&list).map_err(Failure::ours)?);
            } else if waiting.is_empty() {
                say!("沒有待通知事項。 No notice waits.");
            } else {
                for notice in &waiting {
                    let (way, to, at) = (notice.way, &notice.to, taipei(notice.at));
                    let (zh, way) = (way.zh(), way.as_str());
                    say!(
                        "{} {} {zh} {way} {to}，{at}（未達 in vain {}）",
                        notice.id,
                        notice.kind,
                        notice.tries
                    );
                    say!("{}", notice.text);
                }
                if let Some(last) = waiting.last().filter(|_| waiting.len() == MOST as usize) {
                    say!("其後 the ones behind: --after {}", last.id);
                }
            }
        }
        Notice::Told { id, way, in_vain, operator, dir } => {
            check_operator(operator)?;
            let country = Country::open(dir).await?;
            let noted = country.mgmt.notice_told(*id, *way, !in_vain, operator, clock::now()).await;
            noted.map_err(Failure::from_system)?;
            say!("{}", if *in_vain { "已登記未達 noted: in vain" } else { "已登記送達 noted: told" });
        }
    }
    Ok(ExitCode::SUCCESS)
}
