//! `neweid pki paper sign|status|withdraw`: the electronic files of paper documents. A temporary certificate or a chip data list
//! bears a verification number; its file is signed by a key that signs no chips, and is checked against what was recorded when it
//! was made (DOCPKI-14). The file itself is kept by whoever made it.

use super::pki_ceremony;
use crate::cli::{Paper, PaperArgs};
use crate::clock;
use crate::country::Country;
use crate::directory::write_atomically;
use crate::failure::{Failure, Fault};
use docsigner::PaperStatus;
use mgmt::DataListStatus;
use std::path::Path;
use std::process::ExitCode;

/// Runs the command.
pub async fn run(paper: &Paper) -> Result<ExitCode, Failure> {
    match paper {
        Paper::Sign { paper, out, operator } => {
            pki_ceremony::check_operator(operator)?;
            let (country, file) = opened(paper).await?;
            let signed = country.docsigner.sign_file(&paper.number, &file, operator, clock::now()).await;
            write_atomically(out, &signed.map_err(Failure::from_system)?)?;
            say!("{}", out.display());
            Ok(ExitCode::SUCCESS)
        }
        Paper::Status { paper, json } => {
            let (country, file) = opened(paper).await?;
            let (word, zh, exit) = status(&country, &paper.number, &file).await?;
            if *json {
                let document = serde_json::json!({ "number": paper.number, "status": word });
                say!("{}", serde_json::to_string_pretty(&document).map_err(Failure::ours)?);
            } else {
                say!("{zh} {word}");
            }
            Ok(ExitCode::from(exit))
        }
        Paper::Withdraw { number, operator, dir } => {
            pki_ceremony::check_operator(operator)?;
            let country = Country::open(dir).await?;
            let done = country.docsigner.withdraw_paper(number, operator, clock::now()).await;
            done.map_err(Failure::from_system)?;
            say!("已註銷 withdrawn");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What the document signer's records say, and of a chip data list what its card says.
async fn status(
    country: &Country,
    number: &str,
    file: &[u8],
) -> Result<(&'static str, &'static str, u8), Failure> {
    let status = country.docsigner.paper_status(number, file).await.map_err(Failure::from_system)?;
    if status == PaperStatus::Valid {
        let list = country.mgmt.data_list_status(number, Some(file)).await.map_err(Failure::from_system)?;
        match list {
            DataListStatus::Suspended => return Ok(("suspended", "暫時停止效力", 6)),
            DataListStatus::Void => return Ok(words(PaperStatus::Withdrawn)),
            _ => {}
        }
    }
    Ok(words(status))
}

async fn opened(paper: &PaperArgs) -> Result<(Country, Vec<u8>), Failure> {
    let file = std::fs::read(&paper.input).map_err(|error| unreadable(&paper.input, &error))?;
    Ok((Country::open(&paper.dir).await?, file))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        "NEWEID-E-FILE-READ",
        Fault::Caller,
        format!("無法讀取 {}：{error}", path.display()),
        format!("{} cannot be read: {error}", path.display()),
        "檢查路徑 Check the path.",
    )
    .exit(2)
}

/// The word in both languages, and the exit code.
const fn words(status: PaperStatus) -> (&'static str, &'static str, u8) {
    match status {
        PaperStatus::Valid => ("valid", "有效", 0),
        PaperStatus::Withdrawn => ("withdrawn", "已註銷", 3),
        PaperStatus::Altered => ("altered", "內容不符", 4),
        PaperStatus::Unknown => ("unknown", "查無此號碼", 5),
    }
}
