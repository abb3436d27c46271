//! The public key directory over HTTP (DOCPKI-10): what a relying party needs to verify documents, each file under the
//! address that stands in the certificates.

use super::{Site, not_found};
use crate::clock;
use crate::failure::Failure;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use docsigner::{DocumentSigning, PublishedKind};

/// What the page of the directory shows.
#[derive(Template)]
#[template(path = "pkd.html")]
struct Pkd {
    files: Vec<Line>,
}

struct Line {
    name: String,
    zh: &'static str,
    en: &'static str,
    size: usize,
}

/// `GET /pkd/`
pub async fn page(State(site): State<Site>) -> Result<Html<String>, Failure> {
    let files = site.country.docsigner.publication(clock::now()).await.map_err(Failure::from_system)?;
    let files = files
        .into_iter()
        .map(|file| {
            let (zh, en) = words(file.kind);
            Line { name: file.name, zh, en, size: file.content.len() }
        })
        .collect();
    Pkd { files }.render().map(Html).map_err(Failure::ours)
}

/// `GET /pkd/NAME`. `csca.cer` and `csca.crl` are those of the generation that signs now.
pub async fn file(State(site): State<Site>, Path(name): Path<String>) -> Result<Response, Failure> {
    let signer = &site.country.docsigner;
    let now = clock::now();
    let (kind, content) = match name.as_str() {
        "csca.cer" => {
            let certificate = signer.csca_certificate().await.map_err(Failure::from_system)?;
            (PublishedKind::Csca, certificate.der().to_vec())
        }
        "csca.crl" => {
            (PublishedKind::RevocationList, signer.csca_crl(now).await.map_err(Failure::from_system)?)
        }
        _ => {
            let files = signer.publication(now).await.map_err(Failure::from_system)?;
            match files.into_iter().find(|file| file.name == name) {
                Some(file) => (file.kind, file.content),
                None => return Ok(not_found()),
            }
        }
    };
    let media = match kind {
        PublishedKind::RevocationList => "application/pkix-crl",
        // RFC 7193.
        PublishedKind::MasterList => "application/cms",
        PublishedKind::Ldif => "text/plain; charset=utf-8",
        _ => "application/pkix-cert",
    };
    Ok(([(header::CONTENT_TYPE, media)], content).into_response())
}

const fn words(kind: PublishedKind) -> (&'static str, &'static str) {
    match kind {
        PublishedKind::Csca => ("國家簽章憑證機構憑證", "country signing CA certificate"),
        PublishedKind::Link => ("金鑰更換連結憑證", "link certificate from the key before"),
        PublishedKind::DocumentSigner => ("文件簽章憑證", "document signer certificate"),
        PublishedKind::Delegate => ("主清單或文件檔簽章憑證", "signer of master lists or files"),
        PublishedKind::RevocationList => ("憑證廢止清冊", "revocation list"),
        PublishedKind::MasterList => ("主清單", "master list"),
        PublishedKind::Ldif => ("整個目錄（LDIF）", "the whole directory as LDIF"),
    }
}
