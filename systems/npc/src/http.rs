//! What relying parties see: OCSP, revocation lists, the CA's certificates.
//!
//! | path | content |
//! |---|---|
//! | `POST /ocsp`, `GET /ocsp/{base64}` | OCSP (RFC 6960 appendix A.1) |
//! | `GET /crl/npc.crl` | the complete list |
//! | `GET /crl/npc-N.crl` | partition N |
//! | `GET /crl/npc-root.crl` | the root's list |
//! | `GET /certs/npc-root.cer`, `/certs/npc-ca.cer` | root and issuing CA, DER |
//! | `GET /certs/issued-to-this-ca.p7b` | the certificates issued to the issuing CA, CMS |

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, EXPIRES, IF_NONE_MATCH, LAST_MODIFIED};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tlv::{encode, encode_oid};
use x509::{Certificate, ocsp};

use crate::authority::hex;
use crate::ocsp::Answered;
use crate::request::sha256;
use crate::{Npc, Scope};

/// Where the time comes from; only applications know.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

#[derive(Clone)]
struct Service {
    npc: Arc<Npc>,
    clock: Clock,
}

/// The HTTP side of the CA.
pub fn router(npc: Arc<Npc>, clock: Clock) -> Router {
    Router::new()
        .route("/ocsp", post(ocsp_post))
        .route("/ocsp/", post(ocsp_post))
        .route("/ocsp/{*request}", get(ocsp_get))
        .route("/crl/{name}", get(crl))
        .route("/certs/{name}", get(certificate))
        .layer(DefaultBodyLimit::max(ocsp::MAX_REQUEST_BYTES))
        .with_state(Service { npc, clock })
}

async fn ocsp_post(State(service): State<Service>, headers: HeaderMap, body: Bytes) -> Response {
    // RFC 6960 appendix A.1: a POST carries application/ocsp-request.
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.trim().to_ascii_lowercase().starts_with("application/ocsp-request") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let now = (service.clock)();
    ocsp_response(service.npc.answer(&body, now).await, now, &HeaderMap::new())
}

async fn ocsp_get(State(service): State<Service>, uri: Uri, headers: HeaderMap) -> Response {
    let now = (service.clock)();
    // The path as it was sent: base64 has slashes, and its percent signs are not the router's business.
    let encoded = uri.path().split_once("/ocsp/").map_or("", |(_, encoded)| encoded);
    let answered = match ocsp::decode_get_path(encoded) {
        Ok(request) => service.npc.answer(&request, now).await,
        Err(_) => service.npc.answer(&[], now).await,
    };
    ocsp_response(answered, now, &headers)
}

fn ocsp_response(answered: Answered, now: Timestamp, headers: &HeaderMap) -> Response {
    let Some(until) = answered.until else {
        let head = [(CONTENT_TYPE, "application/ocsp-response"), (CACHE_CONTROL, "no-store")];
        return (head, answered.der.to_vec()).into_response();
    };
    let etag = format!("\"{}\"", &hex(&sha256(&answered.der))[..32]);
    cached(&answered.der, "application/ocsp-response", &etag, None, until, now, headers)
}

async fn crl(State(service): State<Service>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(scope) = scope_of(&name, service.npc.config().partitions) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let now = (service.clock)();
    match service.npc.crl(scope, now).await {
        Ok(list) => {
            let last = Some(list.this_update);
            cached(&list.der, "application/pkix-crl", &list.etag, last, list.next_update, now, &headers)
        }
        Err(error) => {
            tracing::error!(code = error.code(), "no revocation list");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn certificate(
    State(service): State<Service>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let certificates = service.npc.ca_certificates();
    let (content, media_type) = match name.as_str() {
        // RFC 5280 §4.2.2.1 and RFC 2585 §4.1
        "npc-root.cer" => (certificates.root.der().to_vec(), "application/pkix-cert"),
        "npc-ca.cer" => (certificates.ca.der().to_vec(), "application/pkix-cert"),
        "issued-to-this-ca.p7b" => (certificates_only(&[&certificates.ca]), "application/pkcs7-mime"),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let now = (service.clock)();
    let etag = format!("\"{}\"", &hex(&sha256(&content))[..32]);
    cached(&content, media_type, &etag, None, now + jiff::SignedDuration::from_hours(24), now, &headers)
}

fn scope_of(name: &str, partitions: u16) -> Option<Scope> {
    match name.strip_suffix(".crl")?.strip_prefix("npc")? {
        "" => Some(Scope::Complete),
        "-root" => Some(Scope::Root),
        rest => {
            let number = rest.strip_prefix('-')?;
            let partition: u16 = number.parse().ok()?;
            // One name for each list: no leading zeros, no plus.
            (partition < partitions && partition.to_string() == number).then_some(Scope::Partition(partition))
        }
    }
}

/// A response that caches may keep for a minute: a suspension must be seen soon, whatever `until` says.
fn cached(
    body: &[u8],
    media_type: &'static str,
    etag: &str,
    last_modified: Option<Timestamp>,
    until: Timestamp,
    now: Timestamp,
    headers: &HeaderMap,
) -> Response {
    let mut out = HeaderMap::new();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    let age = until.duration_since(now).as_secs().clamp(0, 60);
    let mut put = |name, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            out.insert(name, value);
        }
    };
    put(CACHE_CONTROL, format!("public, no-transform, must-revalidate, max-age={age}"));
    put(ETAG, etag.to_owned());
    put(EXPIRES, http_date(until.min(now + jiff::SignedDuration::from_secs(60))));
    if let Some(at) = last_modified {
        put(LAST_MODIFIED, http_date(at));
    }
    let seen = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if seen.is_some_and(|seen| {
        seen.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag || tag.trim() == "*")
    }) {
        return (StatusCode::NOT_MODIFIED, out).into_response();
    }
    (out, body.to_vec()).into_response()
}

/// RFC 9110 §5.6.7
fn http_date(at: Timestamp) -> String {
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}

/// A CMS SignedData without signers: certificates only (RFC 5652 §5.1, RFC 8551 §3.8).
fn certificates_only(certificates: &[&Certificate]) -> Vec<u8> {
    const SIGNED_DATA: const_oid::ObjectIdentifier =
        const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
    const DATA: const_oid::ObjectIdentifier = const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
    let all: Vec<u8> =
        certificates.iter().flat_map(|certificate| certificate.der().iter().copied()).collect();
    let version = [0x02, 1, 1];
    let empty_set = encode(0x31, &[]);
    let content = tlv::sequence(&[&encode_oid(DATA)]);
    let signed = tlv::sequence(&[&version, &empty_set, &content, &encode(0xA0, &all), &empty_set]);
    tlv::sequence(&[&encode_oid(SIGNED_DATA), &encode(0xA0, &signed)])
}
