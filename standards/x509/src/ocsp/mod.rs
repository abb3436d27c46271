//! OCSP (RFC 6960, nonce RFC 9654): requests read, responses signed, and responses checked as a client does.
//!
//! [`respond`] is a whole responder but for the look-up: it reads the request, answers `malformedRequest` or
//! `unauthorized` where it must, asks for the status of each serial number and signs. A certificate that was never issued
//! is `unknown`, never `good`. What it leaves out: signed requests (the signature is skipped, nothing depends on it) and
//! requests for several issuers at once.

mod client;
mod request;
mod response;

pub use client::{BasicResponse, CertificateStatus, SingleStatus};
pub use request::{CertId, IssuerHashes, Request, build_request, decode_get_path};
pub use response::{Answer, ErrorStatus, Responder, Status, error_response, respond};

/// The most certificates one request may ask for.
pub const MAX_REQUESTS: usize = 32;

/// The longest request that is looked at.
pub const MAX_REQUEST_BYTES: usize = 16 * 1024;

// RFC 9654 §2.1: a nonce has 1 to 128 octets.
pub(crate) const MAX_NONCE: usize = 128;
