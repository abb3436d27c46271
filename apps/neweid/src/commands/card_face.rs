//! `neweid card face`: the printed face of a card as a picture or a document.

use crate::cards;
use crate::directory::{Directory, write_atomically};
use crate::failure::{Failure, Fault};
use std::path::Path;
use std::process::ExitCode;

/// Resolution of the picture, in dots per inch: fine enough for barcode readers.
pub const DPI: u32 = 400;

/// Runs the command.
pub async fn run(serial: &str, dir: &Path, out: &Path) -> Result<ExitCode, Failure> {
    let directory = Directory::open(dir)?;
    let serial = cards::parse_serial(serial)?;
    let kind = out.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    if kind != "png" && kind != "pdf" {
        return Err(Failure::new(
            "NEWEID-E-FACE-FORMAT",
            Fault::Caller,
            "輸出檔名必須以 .png 或 .pdf 結尾。",
            "The output file must end in .png or .pdf.",
            "例 Example: --out card.png",
        )
        .exit(2));
    }
    let face = cards::face(&directory, serial)?;
    let bytes = match kind.as_str() {
        "pdf" => face.render_pdf().map_err(Failure::ours)?,
        _ => face.render_proof(DPI).map_err(Failure::ours)?,
    };
    write_atomically(out, &bytes)?;
    say!("{}", out.display());
    Ok(ExitCode::SUCCESS)
}
