//! The natural-person authority of the laboratory: root and issuing CA with ML-DSA-65, for the certificates of the persona that
//! shows the algorithm. Database and keys lie in `DIR/personas/mldsa/npc`, so that the country's own authority stays as it is;
//! what it publishes is at `/mldsa` of the status services, as its certificates say.

use super::shelf::{create_private, root};
use crate::clock;
use crate::country::Country;
use crate::directory::{Directory, write_atomically};
use crate::failure::Failure;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use curve::SystemRandom;
use jiff::Timestamp;
use keys::{KeyKind, SoftwareKeyStore, WrappingKey};
use npc::{Npc, NpcConfig, Scope, Urls};
use std::path::PathBuf;
use std::sync::Arc;
use store::Db;
use tower::ServiceExt;

/// Where the status services have it.
const ADDRESS: &str = "/mldsa";
/// What it puts before its published files; the country's begin with `npc`.
pub const PREFIX: &str = "npc-mldsa";
/// The files of its chain and lists, as [`files`] names them.
pub const FILES: [&str; 4] =
    ["npc-mldsa-root.pem", "npc-mldsa-ca.pem", "npc-mldsa-root.crl", "npc-mldsa.crl"];

fn place(directory: &Directory) -> PathBuf {
    root(directory).join("mldsa").join("npc")
}

/// Whether it has been made.
pub fn exists(directory: &Directory) -> bool {
    place(directory).join("created").exists()
}

/// The authority; made at the first call, which only the process that makes personas may do.
pub async fn authority(country: &Country) -> Result<Arc<Npc>, Failure> {
    let opened = country.laboratory.get_or_try_init(|| open(&country.directory)).await?;
    Ok(Arc::clone(opened))
}

async fn open(directory: &Directory) -> Result<Arc<Npc>, Failure> {
    let place = place(directory);
    create_private(&place)?;
    let url = format!("sqlite:{}", place.join("npc.sqlite").display());
    let db = Db::open(&url, "npc").await.map_err(Failure::from_system)?;
    let wrapping =
        WrappingKey::create(&place.join("wrapping.key"), &mut SystemRandom).map_err(Failure::from_system)?;
    let keys = SoftwareKeyStore::open(&place.join("keys"), wrapping, Box::new(SystemRandom))
        .map_err(Failure::from_system)?;
    let config = NpcConfig::test(Urls::at(&format!("{}{ADDRESS}", directory.settings.status_url)));
    // A list without a scope is for a name (RFC 5280 §5): an authority with books of its own needs names of its own.
    let name = |unit: &str| x509::Name::test_authority(unit).map_err(Failure::ours);
    let config = NpcConfig {
        root_name: name("ML-DSA-65 憑證總管理中心")?,
        ca_name: name("ML-DSA-65 自然人憑證管理中心")?,
        root_key: KeyKind::MlDsa65,
        ca_key: KeyKind::MlDsa65,
        ..config
    };
    let now = clock::now();
    let npc = Npc::open(db, Arc::new(keys), config, Box::new(SystemRandom), now).await;
    let npc = npc.map_err(Failure::from_system)?;
    let created = place.join("created");
    if !created.exists() {
        write_atomically(&created, now.to_string().as_bytes())?;
    }
    Ok(Arc::new(npc))
}

/// Renews what runs out, once there is such an authority.
pub async fn keep_up(country: &Country, now: Timestamp) -> Result<(), Failure> {
    if !exists(&country.directory) {
        return Ok(());
    }
    authority(country).await?.maintain(now).await.map_err(Failure::from_system)
}

/// What relying parties need of an authority: roots, issuing CAs, and the lists that cover all of them; `prefix` stands for the
/// `npc` that their names begin with.
pub async fn files(npc: &Npc, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let named = |name: &str| name.replacen("npc", prefix, 1);
    let certificates = npc.ca_certificates();
    let mut files = vec![
        (named("npc-root.pem"), certificates.root.to_pem().into_bytes()),
        (named("npc-ca.pem"), certificates.ca.to_pem().into_bytes()),
    ];
    // Later roots and generations, and the links between them, under the names they are published by.
    for (name, certificate) in &certificates.published {
        let (name, pem) = (named(&format!("{name}.pem")), certificate.to_pem().into_bytes());
        match files.iter_mut().find(|(there, _)| *there == name) {
            Some(there) => there.1 = pem,
            None => files.push((name, pem)),
        }
    }
    let now = clock::now();
    for list in npc.lists() {
        if matches!(list.scope, Scope::Root | Scope::Complete) {
            let made = npc.list(list, now).await.map_err(Failure::from_system)?;
            files.push((named(&list.file()), made.der.to_vec()));
        }
    }
    Ok(files)
}

/// Its status services, beside the country's: they answer once a persona has been made that needs them, by whatever process.
pub fn router(country: Arc<Country>) -> Router {
    Router::new().nest(ADDRESS, Router::new().fallback(answer).with_state(country))
}

async fn answer(State(country): State<Arc<Country>>, request: Request) -> Response {
    if !exists(&country.directory) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match authority(&country).await {
        Ok(npc) => match npc::router(npc, country.clock()).oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        Err(failure) => failure.into_response(),
    }
}
