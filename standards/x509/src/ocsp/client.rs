//! Responses as a relying party reads and checks them.

use curve::Hash;
use jiff::Timestamp;
use tlv::oid;

use super::request::{CertId, IssuerHashes, read_extensions};
use crate::asn1::{Der, ENUMERATED, GENERALIZED_TIME, OCTET_STRING, explicit};
use crate::crl::Reason;
use crate::{Certificate, Error, Serial, SignatureAlgorithm, key, name, time, verify};

/// What a response says about one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateStatus {
    /// Not revoked.
    Good,
    /// Revoked or suspended.
    Revoked {
        /// Since when.
        at: Timestamp,
        /// Why, if it says so.
        reason: Option<Reason>,
    },
    /// Not known to the responder.
    Unknown,
}

/// One SingleResponse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleStatus {
    /// Which certificate.
    pub id: CertId,
    /// Its status.
    pub status: CertificateStatus,
    /// When the status was known to be right.
    pub this_update: Timestamp,
    /// When newer information will be there.
    pub next_update: Option<Timestamp>,
}

/// A parsed successful response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicResponse {
    data: Vec<u8>,
    responder: ResponderId,
    /// When it was signed.
    pub produced_at: Timestamp,
    /// The answers.
    pub answers: Vec<SingleStatus>,
    /// The nonce it repeats.
    pub nonce: Option<Vec<u8>>,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
    certificates: Vec<Certificate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ResponderId {
    Name(Vec<u8>),
    Key(Vec<u8>),
}

impl BasicResponse {
    /// Reads a DER OCSPResponse. An error response is an error here.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut outer = Der::outer(der)?;
        if outer.expect(ENUMERATED)?.value != [0] {
            return Err(Error::Malformed("OCSP response: not successful"));
        }
        let mut bytes = Der::outer(outer.expect(explicit(0))?.value)?;
        outer.finish()?;
        if bytes.oid()? != oid::OCSP_BASIC {
            return Err(Error::Malformed("OCSP response type"));
        }
        let mut basic = Der::outer(bytes.octets()?)?;
        bytes.finish()?;
        let data = basic.any()?.raw;
        let algorithm = SignatureAlgorithm::from_identifier(basic.any()?.raw)?
            .ok_or(Error::UnsupportedAlgorithm("signature of an OCSP response"))?;
        let signature = basic.bits()?.to_vec();
        let mut certificates = Vec::new();
        if let Some(list) = basic.optional(explicit(0))? {
            let mut list = Der::outer(list.value)?;
            while !list.is_empty() {
                if certificates.len() == 8 {
                    return Err(Error::TooMany("certificates in an OCSP response"));
                }
                certificates.push(Certificate::parse(list.any()?.raw)?);
            }
        }
        basic.finish()?;

        let mut inner = Der::outer(data)?;
        inner.optional(explicit(0))?;
        let id = inner.any()?;
        let responder = match id.tag {
            0xA1 => ResponderId::Name(id.value.to_vec()),
            0xA2 => ResponderId::Key(tlv::expect(id.value, OCTET_STRING)?.value.to_vec()),
            _ => return Err(Error::Malformed("responderID")),
        };
        let produced_at = time::parse(GENERALIZED_TIME, inner.expect(GENERALIZED_TIME)?.value)?;
        let mut list = inner.sequence()?;
        let mut answers = Vec::new();
        while !list.is_empty() {
            answers.push(single(&mut list)?);
        }
        let nonce = match inner.optional(explicit(1))? {
            Some(extensions) => read_extensions(extensions.value)?,
            None => None,
        };
        inner.finish()?;
        Ok(Self {
            data: data.to_vec(),
            responder,
            produced_at,
            answers,
            nonce,
            algorithm,
            signature,
            certificates,
        })
    }

    /// Checks that `issuer` or a responder it delegated signed this, at `now`.
    pub fn verify(&self, issuer: &Certificate, now: Timestamp) -> Result<(), Error> {
        let signer = self
            .certificates
            .iter()
            .chain([issuer])
            .find(|c| self.is_responder(c))
            .ok_or(Error::Malformed("OCSP response without its responder's certificate"))?;
        if signer.der() != issuer.der() {
            // RFC 6960 §4.2.2.2: a delegated responder is issued directly by the CA and has id-kp-OCSPSigning.
            let delegated = signer.extended_key_usage().contains(&oid::KP_OCSP_SIGNING)
                && name::same(signer.issuer(), issuer.subject())
                && signer.validity().contains(now);
            if !delegated {
                return Err(Error::Malformed("OCSP responder is not delegated"));
            }
            signer.verify_signature(issuer.spki())?;
        }
        verify(signer.spki(), self.algorithm, &self.data, &self.signature)
    }

    /// The answer about certificate `serial` of `issuer`, if it is there and not out of date.
    pub fn status_of(&self, issuer: &IssuerHashes, serial: &Serial, now: Timestamp) -> Option<&SingleStatus> {
        self.answers.iter().find(|a| {
            let fresh = a.this_update <= now && a.next_update.is_none_or(|next| now <= next);
            fresh && issuer.matches(&a.id) && a.id.serial_octets() == serial.octets()
        })
    }

    fn is_responder(&self, certificate: &Certificate) -> bool {
        match &self.responder {
            ResponderId::Name(name) => name::same(name, certificate.subject()),
            ResponderId::Key(hash) => {
                key::public_key_bits(certificate.spki()).is_ok_and(|bits| Hash::Sha1.digest(bits) == *hash)
            }
        }
    }
}

fn single(list: &mut Der<'_>) -> Result<SingleStatus, Error> {
    let mut inner = list.sequence()?;
    let id = CertId::parse(inner.any()?.raw)?;
    let status = inner.any()?;
    let status = match status.tag {
        0x80 if status.value.is_empty() => CertificateStatus::Good,
        0xA1 => {
            let mut info = Der::new(status.value);
            let at = time::parse(GENERALIZED_TIME, info.expect(GENERALIZED_TIME)?.value)?;
            let reason = match info.optional(explicit(0))? {
                None => None,
                Some(reason) => match tlv::expect(reason.value, ENUMERATED)?.value {
                    [code] => Some(Reason::from_code(*code).ok_or(Error::Malformed("reasonCode"))?),
                    _ => return Err(Error::Malformed("reasonCode")),
                },
            };
            info.finish()?;
            CertificateStatus::Revoked { at, reason }
        }
        0x82 if status.value.is_empty() => CertificateStatus::Unknown,
        _ => return Err(Error::Malformed("certStatus")),
    };
    let this_update = time::parse(GENERALIZED_TIME, inner.expect(GENERALIZED_TIME)?.value)?;
    let next_update = match inner.optional(explicit(0))? {
        Some(next) => Some(time::parse(GENERALIZED_TIME, tlv::expect(next.value, GENERALIZED_TIME)?.value)?),
        None => None,
    };
    if let Some(extensions) = inner.optional(explicit(1))? {
        read_extensions(extensions.value)?;
    }
    inner.finish()?;
    Ok(SingleStatus { id, status, this_update, next_update })
}
