//! `neweid card face`: the printed face of a card as a drawing, a picture or a document.

use crate::cards::{self, CardFile};
use crate::cli::{FaceBarcodes, FaceLayout, FaceSide};
use crate::directory::write_atomically;
use crate::failure::{Failure, Fault};
use cardface::{Arrangement, Sheet, Side, Symbology};
use std::path::Path;
use std::process::ExitCode;

/// Runs the command.
pub async fn run(
    card: &str,
    dir: &Path,
    out: &Path,
    (side, layout, barcodes, dpi): (FaceSide, FaceLayout, FaceBarcodes, u32),
    json: bool,
) -> Result<ExitCode, Failure> {
    let card = CardFile::find(card, dir)?;
    let kind = out.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    if !["svg", "png", "pdf"].contains(&kind.as_str()) {
        return Err(Failure::new(
            "NEWEID-E-FACE-FORMAT",
            Fault::Caller,
            "輸出檔名必須以 .svg、.png 或 .pdf 結尾。",
            "The output file must end in .svg, .png or .pdf.",
            "例 Example: --out card.png",
        )
        .exit(2));
    }
    let sheet = match (side, layout) {
        (FaceSide::Front, _) => Sheet::Side(Side::Front),
        (FaceSide::Back, _) => Sheet::Side(Side::Back),
        (FaceSide::Both, FaceLayout::Vertical) => Sheet::Both(Arrangement::Vertical),
        (FaceSide::Both, FaceLayout::Horizontal) => Sheet::Both(Arrangement::Horizontal),
    };
    let symbology = match barcodes {
        FaceBarcodes::Code128 => Symbology::Code128,
        FaceBarcodes::Code39 => Symbology::Code39,
    };
    let face = cards::face(&card, symbology)?;
    let bytes = match kind.as_str() {
        "svg" => face.render_svg(sheet).into_bytes(),
        "pdf" => face.render_pdf(sheet).map_err(Failure::ours)?,
        _ => face.render_png(sheet, dpi).map_err(Failure::ours)?,
    };
    write_atomically(out, &bytes)?;
    if json {
        let document = serde_json::json!({ "card": card.name, "format": kind, "file": out });
        say!("{}", serde_json::to_string_pretty(&document).map_err(Failure::ours)?);
    } else {
        say!("{}", out.display());
    }
    Ok(ExitCode::SUCCESS)
}
