//! Tokens (RFC 3161 §2.4.2): TSTInfo in SignedData with the signing certificate's hash.

use const_oid::ObjectIdentifier as Oid;
use curve::Hash;
use jiff::Timestamp;
use tlv::{encode, encode_oid, oid};

use super::{Imprint, Request};
use crate::asn1::{Der, GENERALIZED_TIME, INTEGER, OCTET_STRING, SET, explicit, integer, small_integer};
use crate::cms::{self, SignedData, Spec};
use crate::{Certificate, Error, SignatureAlgorithm, Signer, time};

/// A time stamping authority: its certificate, policy and accuracy.
#[derive(Debug, Clone)]
pub struct Authority {
    certificate: Certificate,
    algorithm: SignatureAlgorithm,
    policy: Oid,
    signing_certificate: Vec<u8>,
}

/// What a token says beyond the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The serial number: never twice in the life of the authority.
    pub serial: u128,
    /// The time, a whole second.
    pub at: Timestamp,
    /// How far the time may be off, in seconds.
    pub accuracy: u32,
}

impl Authority {
    /// The authority with this certificate.
    pub fn new(certificate: &Certificate, algorithm: SignatureAlgorithm, policy: Oid) -> Result<Self, Error> {
        // RFC 3161 §2.3: extKeyUsage critical, with id-kp-timeStamping alone.
        let proper = certificate.extended_key_usage() == [oid::KP_TIME_STAMPING]
            && certificate.extension(oid::EXTENDED_KEY_USAGE).is_some_and(|e| e.critical);
        if !proper {
            return Err(Error::Profile("the certificate is not for time stamps alone"));
        }
        Ok(Self {
            algorithm,
            policy,
            signing_certificate: signing_certificate(certificate),
            certificate: certificate.clone(),
        })
    }

    /// Its certificate.
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its policy.
    pub const fn policy(&self) -> Oid {
        self.policy
    }

    /// A granted TimeStampResp.
    pub fn stamp(&self, request: &Request, stamp: Stamp, signer: &dyn Signer) -> Result<Vec<u8>, Error> {
        if signer.spki() != self.certificate.spki() || signer.algorithm() != self.algorithm {
            return Err(Error::WrongSigner("the key is not that of the authority's certificate"));
        }
        let nonce = request.nonce.as_ref().map(|n| encode(INTEGER, n)).unwrap_or_default();
        let info = tlv::sequence(&[
            &integer(1),
            &encode_oid(self.policy),
            request.imprint.der(),
            &tlv::integer_unsigned(&stamp.serial.to_be_bytes()),
            &time::generalized(stamp.at),
            &tlv::sequence(&[&integer(stamp.accuracy.into())]),
            &nonce,
        ]);
        let attributes = [self.signing_certificate.as_slice()];
        let spec = Spec {
            more_attributes: &attributes,
            // RFC 3161 §2.4.1: without certReq the certificates field MUST NOT be present.
            without_certificates: !request.certificate,
            ..Spec::new(oid::TST_INFO, &info, &self.certificate, self.algorithm)
        };
        let prepared = cms::prepare(&spec)?;
        let token = prepared.assemble(&signer.sign(prepared.to_be_signed())?);
        // PKIStatus granted(0)
        Ok(tlv::sequence(&[&tlv::sequence(&[&integer(0)]), &token]))
    }
}

/// The attribute signing-certificate-v2 (RFC 5816 §2.2.1, RFC 5035 §3) with SHA-256, which is the default and not written.
fn signing_certificate(certificate: &Certificate) -> Vec<u8> {
    let names = tlv::sequence(&[&encode(explicit(4), certificate.issuer())]);
    let issuer_serial = tlv::sequence(&[&names, &encode(INTEGER, certificate.serial_octets())]);
    let id = tlv::sequence(&[&encode(OCTET_STRING, &Hash::Sha256.digest(certificate.der())), &issuer_serial]);
    let value = tlv::sequence(&[&tlv::sequence(&[&id])]);
    tlv::sequence(&[&encode_oid(oid::ATTR_SIGNING_CERTIFICATE_V2), &encode(SET, &value)])
}

/// A parsed token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    signed: SignedData,
    /// The policy.
    pub policy: Oid,
    /// What was stamped.
    pub imprint: Imprint,
    /// The content octets of the serial number.
    pub serial: Vec<u8>,
    /// When.
    pub at: Timestamp,
    /// The seconds of the accuracy.
    pub accuracy: Option<u32>,
    /// The content octets of the nonce.
    pub nonce: Option<Vec<u8>>,
}

impl Token {
    /// Reads a DER ContentInfo with a TSTInfo.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let signed = SignedData::parse(der)?;
        if signed.content_type() != oid::TST_INFO {
            return Err(Error::Malformed("time stamp token: content type"));
        }
        let content = signed.content().ok_or(Error::Malformed("time stamp token without content"))?;
        let mut info = Der::outer(content)?;
        if info.small()? != 1 {
            return Err(Error::Malformed("version of a TSTInfo"));
        }
        let policy = info.oid()?;
        let imprint = Imprint::parse(info.any()?.raw)?;
        let serial = info.integer()?.to_vec();
        let at = time::parse(GENERALIZED_TIME, info.expect(GENERALIZED_TIME)?.value)?;
        let accuracy = match info.optional(crate::asn1::SEQUENCE)? {
            Some(accuracy) => {
                let mut accuracy = Der::new(accuracy.value);
                accuracy.optional(INTEGER)?.map(|t| small_integer(t.value)).transpose()?
            }
            None => None,
        };
        info.default_false()?;
        let nonce = match info.peek() {
            Some(INTEGER) => Some(info.integer()?.to_vec()),
            _ => None,
        };
        // tsa [0] and extensions [1] say nothing that is used here.
        info.optional(explicit(0))?;
        info.optional(explicit(1))?;
        info.finish()?;
        Ok(Self { policy, imprint, serial, at, accuracy, nonce, signed })
    }

    /// Checks the signature with the certificate inside, which must be one for time stamps and is returned.
    pub fn verify(&self) -> Result<&Certificate, Error> {
        let certificate = self.signed.verify()?;
        if certificate.extended_key_usage() != [oid::KP_TIME_STAMPING] {
            return Err(Error::Malformed("time stamp by a certificate for something else"));
        }
        Ok(certificate)
    }
}
