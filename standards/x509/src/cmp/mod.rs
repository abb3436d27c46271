//! The certificate management protocol (RFC 9810, which replaces RFC 4210) with the request format of RFC 4211: the
//! messages that a registration authority and a CA exchange, protected by signatures.
//!
//! Read: ir, cr, kur, p10cr, rr, genm, certConf. Written: ip, cp, kup, rp, genp, pkiConf, error. This is the subset that RFC 9483
//! asks of a CA behind a registration authority. Left out: protection by a shared secret (a registration authority has a
//! certificate), proof of possession by encryption, keys made by the CA, nested messages and polling: answers are
//! never late.
//!
//! The protection is a signature over header and body in their DER form; both are kept as they were read.

mod body;
mod message;
mod request;

pub use body::{CertificateReply, Confirmation, FailureInfo, General, ReplyBody, Status};
pub use message::{Body, Header, Message, Reply, body_tag};
pub use request::{CertificateRequest, Possession, RevocationRequest};

/// The longest message that is read, in octets.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// The most requests, confirmations or revocations in one message.
pub const MAX_PARTS: usize = 100;
