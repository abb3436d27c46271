//! Time stamps (RFC 3161, with ESSCertIDv2 of RFC 5816): requests read and written, tokens signed, responses checked.
//!
//! [`Authority::stamp`] signs a token for a request; the serial number and the time are the caller's, who must never give
//! the same number twice and never go back in time. What it leaves out: ordering, extensions (a request with a critical
//! one is refused), and SHA-1 imprints.

mod request;
mod response;
mod token;

pub use request::{Imprint, Request, build_request};
pub use response::{Failure, Response, rejection};
pub use token::{Authority, Stamp, Token};

/// The longest request that is looked at.
pub const MAX_REQUEST_BYTES: usize = 4 * 1024;

/// The longest nonce that is repeated.
pub const MAX_NONCE: usize = 64;
