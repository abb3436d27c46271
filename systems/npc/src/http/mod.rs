//! What relying parties see: OCSP, revocation lists, the CA's certificates, time stamps, filter and card status lists. All
//! answers but those with a nonce, and tokens, come from memory as they are.
//!
//! | path | content |
//! |---|---|
//! | `POST /ocsp`, `GET /ocsp/{base64}` | OCSP (RFC 6960 appendix A.1) |
//! | `GET /crl/npc.crl` | the complete list |
//! | `GET /crl/npc-N.crl` | partition N |
//! | `GET /crl/npc-root.crl` | the root's list |
//! | `GET /crl/npc-N-delta.crl` | what changed in partition N since its base |
//! | `GET /crl/npc-gG.crl`, `npc-gG-N.crl`, `npc-gG-N-delta.crl`, `npc-root-gG.crl` | the same of generation G of the CA, or of root G, from the second on |
//! | `POST /tsa` | time stamps (RFC 3161 §3.4) |
//! | `POST /cmp` | CMP for registration authorities (RFC 9811 §3) |
//! | `GET /status/filter` | the revocation filter (crate `status`) |
//! | `GET /status/cards`, `/status/cards-delta` | the card status list and the delta to it |
//! | `GET /certs/npc-root.cer`, `/certs/npc-ca.cer`, `/certs/npc-tsa.cer` | root, issuing CA, time stamping authority, DER; later ones `npc-root-g2.cer`, `npc-ca-g2.cer` |
//! | `GET /certs/issued-to-this-ca.p7b` | the certificates issued to the issuing CA, all generations, the links between roots, and what other CAs issued for the root, CMS |
//! | `GET /certs/issued-by-this-ca.p7b` | the links between roots, and the cross certificates for roots of others, CMS |
//! | `GET /certs/LABEL.cer` | each of them by itself: `npc-root-g2-by-g1`, `npc-cross-7` |
//! | `GET /cps` | the certification practice statement, Chinese and English, Markdown (NPC-05) |
//! | `GET /repository/...` | published certificates of citizens (`repository`) |
//! | an address that an authority taken over had | what was there: OCSP, the complete list, its certificate (`addresses`) |

mod addresses;
mod content;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use jiff::Timestamp;
use tlv::{encode, encode_oid};
use x509::certificate::Kind;
use x509::{Certificate, ocsp, tsp};

use crate::authority::{FOREIGN_CHAIN, hex};
use crate::ceremony::FOREIGN_CROSS;
use crate::ocsp::Answered;
use crate::request::sha256;
use crate::{List, Npc, NpcError, Peer, PublishedDocument};

pub(crate) use addresses::{Addresses, load as load_addresses};

use content::Content;

/// Where the time comes from; only applications know.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

#[derive(Clone)]
struct Service {
    npc: Arc<Npc>,
    clock: Clock,
}

/// The HTTP side of the CA. An application adds a [`Peer`] to the extensions of each request, so that one sender of CMP messages does not
/// take the turn of all.
pub fn router(npc: Arc<Npc>, clock: Clock) -> Router {
    let kept = npc.addresses().clone();
    let router = Router::new()
        .route("/ocsp", post(ocsp_post))
        .route("/ocsp/", post(ocsp_post))
        .route("/ocsp/{*request}", get(ocsp_get))
        .route("/crl/{name}", get(crl))
        .route("/tsa", post(time_stamp))
        .route("/status/{name}", get(document))
        .route("/certs/{name}", get(certificate))
        .route("/cps", get(practice_statement))
        .layer(DefaultBodyLimit::max(ocsp::MAX_REQUEST_BYTES))
        .merge(
            Router::new()
                .route("/cmp", post(cmp_post))
                .layer(DefaultBodyLimit::max(x509::cmp::MAX_MESSAGE_BYTES)),
        )
        .with_state(Service { npc: npc.clone(), clock })
        .merge(crate::repository::router(npc));
    addresses::lead_to(router, kept)
}

async fn ocsp_post(State(service): State<Service>, headers: HeaderMap, body: Bytes) -> Response {
    // RFC 6960 appendix A.1: a POST carries application/ocsp-request.
    if !has_type(&headers, "application/ocsp-request") {
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
    let Some(shared) = answered.shared else {
        let head = [(CONTENT_TYPE, "application/ocsp-response"), (CACHE_CONTROL, "no-store")];
        return (head, answered.der).into_response();
    };
    let content = Content {
        body: answered.der,
        media_type: "application/ocsp-response",
        etag: &shared.etag,
        last_modified: Some(shared.this_update),
        until: shared.next_update,
    };
    content.answer(now, headers)
}

async fn crl(State(service): State<Service>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let now = (service.clock)();
    let Some(list) = List::of_file(&name) else { return StatusCode::NOT_FOUND.into_response() };
    // Another process may have made the generation.
    if !service.npc.publishes(list)
        && (service.npc.follow_if_due(now).await.is_err() || !service.npc.publishes(list))
    {
        return StatusCode::NOT_FOUND.into_response();
    }
    let list = match service.npc.list(list, now).await {
        Ok(list) => list,
        Err(error) => {
            tracing::error!(code = error.code(), "no revocation list");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let content = Content {
        body: list.der.clone(),
        media_type: "application/pkix-crl",
        etag: &list.etag,
        last_modified: Some(list.this_update),
        until: list.next_update,
    };
    content.answer_in_one_of_two_forms(list.gzip(), now, &headers)
}

async fn time_stamp(State(service): State<Service>, headers: HeaderMap, body: Bytes) -> Response {
    // RFC 3161 §3.4: a POST carries application/timestamp-query.
    if !has_type(&headers, "application/timestamp-query") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    if body.len() > tsp::MAX_REQUEST_BYTES {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let reply = service.npc.stamp(&body, (service.clock)()).await;
    let head = [(CONTENT_TYPE, "application/timestamp-reply"), (CACHE_CONTROL, "no-store")];
    if reply.later {
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], head, reply.der).into_response();
    }
    (head, reply.der).into_response()
}

async fn cmp_post(
    State(service): State<Service>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // RFC 9811 §3.3: the media type is application/pkixcmp.
    if !has_type(&headers, "application/pkixcmp") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    match service.npc.cmp_of(&body, peer.map(|Extension(peer)| peer), (service.clock)()).await {
        Ok(Some(reply)) => {
            let head = [(CONTENT_TYPE, "application/pkixcmp"), (CACHE_CONTROL, "no-store")];
            (head, reply).into_response()
        }
        Ok(None) => StatusCode::BAD_REQUEST.into_response(),
        Err(NpcError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response(),
        Err(error) => {
            tracing::error!(code = error.code(), "no answer to a CMP message");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn document(State(service): State<Service>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let now = (service.clock)();
    let found: Option<Arc<PublishedDocument>> = match name.as_str() {
        "filter" => match service.npc.served_filter(now).await {
            Ok(filter) => Some(filter),
            Err(error) => {
                tracing::error!(code = error.code(), "no revocation filter");
                service.npc.present_filter().filter(|filter| now < filter.next_update)
            }
        },
        "cards" => service.npc.served_cards(false, now).await,
        "cards-delta" => service.npc.served_cards(true, now).await,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let Some(document) = found else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let content = Content {
        body: document.der.clone(),
        media_type: "application/pkcs7-mime",
        etag: &document.etag,
        last_modified: Some(document.this_update),
        until: document.next_update,
    };
    content.answer(now, &headers)
}

fn has_type(headers: &HeaderMap, wanted: &str) -> bool {
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    found.trim().to_ascii_lowercase().starts_with(wanted)
}

async fn certificate(
    State(service): State<Service>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let now = (service.clock)();
    let mut found = service.npc.published_certificate(&name);
    if found.is_none() && service.npc.follow_if_due(now).await.is_ok() {
        found = service.npc.published_certificate(&name);
    }
    let Some((body, media_type)) = found else { return StatusCode::NOT_FOUND.into_response() };
    let etag = format!("\"{}\"", &hex(&sha256(&body))[..32]);
    let until = now + jiff::SignedDuration::from_hours(24);
    Content { body: body.into(), media_type, etag: &etag, last_modified: None, until }.answer(now, &headers)
}

/// RFC 7763: Markdown, which a program that does not know it shows as it is.
async fn practice_statement(State(service): State<Service>, headers: HeaderMap) -> Response {
    let now = (service.clock)();
    let text = match service.npc.practice_statement().await {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(code = error.code(), "no practice statement");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let etag = format!("\"{}\"", &hex(&sha256(text.as_bytes()))[..32]);
    let until = now + jiff::SignedDuration::from_hours(24);
    let media_type = "text/markdown; charset=utf-8";
    Content { body: text.into(), media_type, etag: &etag, last_modified: None, until }.answer(now, &headers)
}

impl Npc {
    /// A certificate or collection of the CA's by its file name, and its media type.
    fn published_certificate(&self, name: &str) -> Option<(Vec<u8>, &'static str)> {
        // RFC 5280 §4.2.2.1 and RFC 2585 §4.1
        const CERTIFICATE: &str = "application/pkix-cert";
        const COLLECTION: &str = "application/pkcs7-mime";
        let authority = self.authority();
        let some_of = |wanted: fn(&str) -> bool| {
            let papers = authority.papers.values().filter(|paper| wanted(&paper.profile));
            let papers: Vec<&Certificate> = papers.map(|paper| &paper.certificate).collect();
            certificates_only(&papers)
        };
        match name {
            "npc-tsa.cer" => Some((authority.tsa.authority.certificate().der().to_vec(), CERTIFICATE)),
            "issued-to-this-ca.p7b" => Some((some_of(issued_to_this_ca), COLLECTION)),
            "issued-by-this-ca.p7b" => Some((some_of(issued_by_this_ca), COLLECTION)),
            _ => {
                let paper = authority.papers.get(name.strip_suffix(".cer")?)?;
                Some((paper.certificate.der().to_vec(), CERTIFICATE))
            }
        }
    }
}

fn issued_to_this_ca(profile: &str) -> bool {
    [Kind::NpcIntermediate.name(), Kind::NpcRootLink.name(), FOREIGN_CROSS, FOREIGN_CHAIN].contains(&profile)
}

fn issued_by_this_ca(profile: &str) -> bool {
    [Kind::NpcRootLink.name(), Kind::NpcCross.name()].contains(&profile)
}

/// A CMS SignedData without signers: certificates only (RFC 5652 §5.1, RFC 8551 §3.8).
pub(crate) fn certificates_only(certificates: &[&Certificate]) -> Vec<u8> {
    const SIGNED_DATA: const_oid::ObjectIdentifier =
        const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
    const DATA: const_oid::ObjectIdentifier = const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
    // X.690 §11.6: the encodings of a SET OF ascend.
    let mut ders: Vec<&[u8]> = certificates.iter().map(|certificate| certificate.der()).collect();
    ders.sort_unstable();
    let all = ders.concat();
    let version = [0x02, 1, 1];
    let empty_set = encode(0x31, &[]);
    let content = tlv::sequence(&[&encode_oid(DATA)]);
    let signed = tlv::sequence(&[&version, &empty_set, &content, &encode(0xA0, &all), &empty_set]);
    tlv::sequence(&[&encode_oid(SIGNED_DATA), &encode(0xA0, &signed)])
}
