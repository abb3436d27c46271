//! Responses: error codes in five bytes, and signed BasicOCSPResponses with the responder named by key.

use curve::Hash;
use jiff::Timestamp;
use tlv::{encode, encode_oid, oid};

use super::request::{CertId, IssuerHashes, Request, nonce_extension};
use crate::asn1::{ENUMERATED, OCTET_STRING, bit_string, explicit, implicit, sequence_of_parts};
use crate::crl::Reason;
use crate::{Certificate, Error, Serial, SignatureAlgorithm, Signer, key, time};

/// `OCSPResponseStatus` of a response without content (RFC 6960 §4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ErrorStatus {
    /// The request is not what it should be.
    MalformedRequest = 1,
    /// The responder failed.
    InternalError = 2,
    /// Come back later.
    TryLater = 3,
    /// The request must be signed.
    SigRequired = 5,
    /// This responder does not answer for that issuer.
    Unauthorized = 6,
}

/// An unsigned error response.
pub const fn error_response(status: ErrorStatus) -> [u8; 5] {
    [0x30, 0x03, ENUMERATED as u8, 0x01, status as u8]
}

/// What is known about a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Issued and not revoked.
    Good,
    /// Revoked or suspended.
    Revoked {
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: Reason,
    },
    /// Never issued here.
    Unknown,
}

/// The times of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// When the status was known to be right.
    pub this_update: Timestamp,
    /// When newer information will be there.
    pub next_update: Timestamp,
}

/// A responder: its certificate, and the issuer it answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Responder {
    certificate: Vec<u8>,
    spki: Vec<u8>,
    key_hash: Vec<u8>,
    issuer: IssuerHashes,
    algorithm: SignatureAlgorithm,
}

impl Responder {
    /// The responder with `certificate`, delegated by `issuer`, signing with `algorithm`.
    pub fn new(
        certificate: &Certificate,
        issuer: &Certificate,
        algorithm: SignatureAlgorithm,
    ) -> Result<Self, Error> {
        // RFC 6960 §4.2.2.2: issued directly by the CA, with id-kp-OCSPSigning.
        let delegated = certificate.extended_key_usage().contains(&oid::KP_OCSP_SIGNING)
            && crate::name::same(certificate.issuer(), issuer.subject());
        if !delegated {
            return Err(Error::Profile("the issuer did not delegate OCSP to this certificate"));
        }
        Ok(Self {
            certificate: certificate.der().to_vec(),
            spki: certificate.spki().to_vec(),
            key_hash: Hash::Sha1.digest(key::public_key_bits(certificate.spki())?),
            issuer: IssuerHashes::new(issuer)?,
            algorithm,
        })
    }

    /// The issuer it answers for.
    pub const fn issuer(&self) -> &IssuerHashes {
        &self.issuer
    }

    /// A signed response to `request` with the answers in the order of its certificates.
    pub fn sign(
        &self,
        certificates: &[(&CertId, Status)],
        nonce: Option<&[u8]>,
        answer: Answer,
        produced_at: Timestamp,
        signer: &dyn Signer,
    ) -> Result<Vec<u8>, Error> {
        if signer.algorithm() != self.algorithm || signer.spki() != self.spki {
            return Err(Error::WrongSigner("the key is not that of the responder's certificate"));
        }
        let mut singles = Vec::with_capacity(certificates.len() * 120);
        for (id, status) in certificates {
            singles.extend(single_response(id, *status, answer));
        }
        let extensions =
            nonce.map(|n| encode(explicit(1), &tlv::sequence(&[&nonce_extension(n)]))).unwrap_or_default();
        // RFC 6960 §4.2.1: responderID byKey [2] is the SHA-1 hash of the responder's public key.
        let data = tlv::sequence(&[
            &encode(explicit(2), &encode(OCTET_STRING, &self.key_hash)),
            &time::generalized(produced_at),
            &tlv::sequence(&[&singles]),
            &extensions,
        ]);
        let signature = signer.sign(&data)?;
        let basic = sequence_of_parts(&[
            &data,
            &self.algorithm.identifier(),
            &bit_string(&signature),
            &encode(explicit(0), &tlv::sequence(&[&self.certificate])),
        ]);
        let bytes = tlv::sequence(&[&encode_oid(oid::OCSP_BASIC), &encode(OCTET_STRING, &basic)]);
        // responseStatus successful(0)
        Ok(tlv::sequence(&[&[ENUMERATED as u8, 1, 0], &encode(explicit(0), &bytes)]))
    }
}

/// Answers an encoded request. `status` is asked for every serial number in it; `None` stands for a failed look-up and
/// gives `tryLater`. The answer is always a well-formed response; an error is only that the signer failed.
pub fn respond(
    responder: &Responder,
    request: &[u8],
    answer: Answer,
    produced_at: Timestamp,
    signer: &dyn Signer,
    mut status: impl FnMut(&Serial) -> Option<Status>,
) -> Result<Vec<u8>, Error> {
    let error = |status| Ok(error_response(status).to_vec());
    let request = match Request::parse(request) {
        Ok(request) => request,
        // RFC 6960 §2.3: a hash this responder cannot match is an issuer it does not answer for.
        Err(Error::UnsupportedAlgorithm(_)) => return error(ErrorStatus::Unauthorized),
        Err(_) => return error(ErrorStatus::MalformedRequest),
    };
    let mut answers = Vec::with_capacity(request.certificates.len());
    for id in &request.certificates {
        if !responder.issuer.matches(id) {
            return error(ErrorStatus::Unauthorized);
        }
        let known = match id.serial() {
            Some(serial) => match status(&serial) {
                Some(status) => status,
                None => return error(ErrorStatus::TryLater),
            },
            None => Status::Unknown,
        };
        answers.push((id, known));
    }
    responder.sign(&answers, request.nonce.as_deref(), answer, produced_at, signer)
}

fn single_response(id: &CertId, status: Status, answer: Answer) -> Vec<u8> {
    let status = match status {
        Status::Good => encode(implicit(0), &[]),
        Status::Revoked { at, reason } => {
            let reason = match reason {
                Reason::Unspecified => Vec::new(),
                reason => encode(explicit(0), &[ENUMERATED as u8, 1, reason.code()]),
            };
            encode(explicit(1), &[time::generalized(at), reason].concat())
        }
        Status::Unknown => encode(implicit(2), &[]),
    };
    tlv::sequence(&[
        id.der(),
        &status,
        &time::generalized(answer.this_update),
        &encode(explicit(0), &time::generalized(answer.next_update)),
    ])
}
