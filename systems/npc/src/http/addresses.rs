//! Addresses that stand in certificates which an authority issued before it was taken over (NPC-01): what they name is served there
//! as before. The path alone counts: that the host's name leads here is its zone's business.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use store::{Db, params};

use crate::authority::ca_label;
use crate::{List, Npc, NpcError, Result, Scope, Serves};

/// Paths of before, and those of this service in their place.
pub(crate) type Addresses = Arc<BTreeMap<String, String>>;

pub(crate) async fn load(db: &Db) -> Result<Addresses> {
    let mut all = BTreeMap::new();
    for row in db.all("SELECT path, serves FROM address", params![]).await? {
        let serves = Serves::from_name(&row.read::<String>("serves")?);
        let path = match serves.ok_or(NpcError::Inconsistent("address"))? {
            Serves::Ocsp => "/ocsp".to_owned(),
            Serves::List(generation) => {
                format!("/crl/{}", List { generation, scope: Scope::Complete }.file())
            }
            Serves::Certificate(generation) => format!("/certs/{}.cer", ca_label(generation)),
        };
        all.insert(row.read("path")?, path);
    }
    Ok(Arc::new(all))
}

impl Npc {
    pub(crate) const fn addresses(&self) -> &Addresses {
        &self.addresses
    }
}

/// The service, at these addresses too.
pub(super) fn lead_to(router: Router, addresses: Addresses) -> Router {
    if addresses.is_empty() {
        return router;
    }
    // Outside of the router, which looks at the path after this has.
    Router::new().fallback_service(router).layer(from_fn_with_state(addresses, lead))
}

async fn lead(State(addresses): State<Addresses>, mut request: Request, next: Next) -> Response {
    if let Some(path) = present(&addresses, request.uri().path())
        && let Ok(uri) = path.parse::<Uri>()
    {
        *request.uri_mut() = uri;
    }
    next.run(request).await
}

/// What is served here in the place of `path`. RFC 6960 appendix A.1: behind the address of OCSP stands a request.
fn present(addresses: &BTreeMap<String, String>, path: &str) -> Option<String> {
    if let Some(here) = addresses.get(path.trim_end_matches('/')) {
        return Some(here.clone());
    }
    addresses.iter().filter(|(_, here)| here.as_str() == "/ocsp").find_map(|(before, here)| {
        let request = path.strip_prefix(before.as_str())?.strip_prefix('/')?;
        Some(format!("{here}/{request}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_before_leads_to_what_was_there() {
        let pairs = [("/cgi/ocsp", "/ocsp"), ("/all.crl", "/crl/npc.crl")];
        let addresses = pairs.map(|(before, here)| (before.to_owned(), here.to_owned())).into();
        for (path, here) in [
            ("/cgi/ocsp", Some("/ocsp")),
            ("/cgi/ocsp/", Some("/ocsp")),
            ("/cgi/ocsp/MEkw/x%3D", Some("/ocsp/MEkw/x%3D")),
            ("/all.crl", Some("/crl/npc.crl")),
            ("/all.crl/x", None),
            ("/cgi/ocspx", None),
            ("/ocsp", None),
        ] {
            assert_eq!(present(&addresses, path).as_deref(), here, "{path}");
        }
    }
}
