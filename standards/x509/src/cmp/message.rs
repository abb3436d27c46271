//! PKIMessage: header, body, protection (RFC 9810 §5.1).

use jiff::Timestamp;
use tlv::{encode, oid};

use super::body::{Confirmation, General, ReplyBody};
use super::request::{CertificateRequest, RevocationRequest};
use crate::asn1::{BIT_STRING, Der, GENERALIZED_TIME, SEQUENCE, bit_string, explicit, integer};
use crate::{Certificate, Error, Name, SignatureAlgorithm, Signer, time, verify};

/// Numbers of the alternatives of PKIBody.
pub mod body_tag {
    /// Initialization request.
    pub const IR: u32 = 0;
    /// Its answer.
    pub const IP: u32 = 1;
    /// Certification request.
    pub const CR: u32 = 2;
    /// Its answer.
    pub const CP: u32 = 3;
    /// PKCS #10 request.
    pub const P10CR: u32 = 4;
    /// Key update request.
    pub const KUR: u32 = 7;
    /// Its answer.
    pub const KUP: u32 = 8;
    /// Revocation request.
    pub const RR: u32 = 11;
    /// Its answer.
    pub const RP: u32 = 12;
    /// The answer to a confirmation.
    pub const PKI_CONF: u32 = 19;
    /// General message.
    pub const GENM: u32 = 21;
    /// Its answer.
    pub const GENP: u32 = 22;
    /// Error.
    pub const ERROR: u32 = 23;
    /// Confirmation of certificates.
    pub const CERT_CONF: u32 = 24;
}

/// A PKIHeader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// pvno: 2, or 3 with what RFC 9810 adds.
    pub version: u32,
    /// The sender, a GeneralName in DER.
    pub sender: Vec<u8>,
    /// messageTime
    pub time: Option<Timestamp>,
    /// protectionAlg: `None` if there is none or it is none of ours.
    pub protection: Option<SignatureAlgorithm>,
    /// senderKID: the subjectKeyIdentifier of the sender's certificate.
    pub sender_kid: Option<Vec<u8>>,
    /// transactionID
    pub transaction: Option<Vec<u8>>,
    /// senderNonce
    pub sender_nonce: Option<Vec<u8>>,
    /// recipNonce
    pub recipient_nonce: Option<Vec<u8>>,
    /// Whether the sender will not confirm (id-it-implicitConfirm).
    pub implicit_confirm: bool,
}

impl Header {
    fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut inner = Der::outer(der)?;
        let version = inner.small()?;
        let sender = general_name(&mut inner)?;
        general_name(&mut inner)?;
        let mut header = Self {
            version,
            sender,
            time: None,
            protection: None,
            sender_kid: None,
            transaction: None,
            sender_nonce: None,
            recipient_nonce: None,
            implicit_confirm: false,
        };
        let mut last = None;
        while !inner.is_empty() {
            let field = inner.any()?;
            let number = field.tag.wrapping_sub(explicit(0));
            // [0] to [8], all explicit, each once and in this order.
            if number > 8 || last.is_some_and(|last| number <= last) {
                return Err(Error::Malformed("PKIHeader"));
            }
            last = Some(number);
            let mut value = Der::new(field.value);
            match number {
                0 => {
                    header.time = Some(time::parse(GENERALIZED_TIME, value.expect(GENERALIZED_TIME)?.value)?)
                }
                1 => header.protection = SignatureAlgorithm::from_identifier(value.any()?.raw)?,
                2 => header.sender_kid = Some(value.octets()?.to_vec()),
                4 => header.transaction = Some(value.octets()?.to_vec()),
                5 => header.sender_nonce = Some(value.octets()?.to_vec()),
                6 => header.recipient_nonce = Some(value.octets()?.to_vec()),
                8 => {
                    let all = General::parse_all(value.any()?.raw)?;
                    header.implicit_confirm = all.iter().any(|entry| entry.oid == oid::IT_IMPLICIT_CONFIRM);
                }
                _ => {
                    value.any()?;
                }
            }
            value.finish()?;
        }
        Ok(header)
    }
}

/// A GeneralName in context, whatever it is.
fn general_name(list: &mut Der<'_>) -> Result<Vec<u8>, Error> {
    let name = list.any()?;
    if name.tag & 0xC0 != 0x80 || name.tag & 0x1F > 8 {
        return Err(Error::Malformed("GeneralName"));
    }
    Ok(name.raw.to_vec())
}

/// What a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// ir, cr or kur.
    Requests(Vec<CertificateRequest>),
    /// p10cr: the DER CertificationRequest (RFC 2986), not read yet.
    Pkcs10(Vec<u8>),
    /// rr
    Revocations(Vec<RevocationRequest>),
    /// certConf
    Confirmations(Vec<Confirmation>),
    /// genm
    General(Vec<General>),
    /// Everything else, by its tag.
    Other,
}

/// A parsed PKIMessage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The header.
    pub header: Header,
    /// The number of the alternative in PKIBody: [`body_tag`].
    pub tag: u32,
    /// The body.
    pub body: Body,
    protected_part: Vec<u8>,
    signature: Option<Vec<u8>>,
    /// extraCerts, each in DER and not read yet.
    pub extra_certificates: Vec<Vec<u8>>,
}

impl Message {
    /// Reads a DER message.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        if der.len() > super::MAX_MESSAGE_BYTES {
            return Err(Error::TooMany("octets"));
        }
        let mut outer = Der::outer(der)?;
        let header = outer.expect(SEQUENCE)?.raw;
        let body = outer.any()?;
        let mut signature = None;
        if let Some(protection) = outer.optional(explicit(0))? {
            let mut inner = Der::new(protection.value);
            signature = match inner.expect(BIT_STRING)?.value {
                [0, octets @ ..] => Some(octets.to_vec()),
                _ => return Err(Error::Malformed("PKIProtection")),
            };
            inner.finish()?;
        }
        let mut extra_certificates = Vec::new();
        if let Some(extra) = outer.optional(explicit(1))? {
            let mut list = Der::outer(extra.value)?;
            while !list.is_empty() {
                if extra_certificates.len() == super::MAX_PARTS {
                    return Err(Error::TooMany("extra certificates"));
                }
                extra_certificates.push(list.expect(SEQUENCE)?.raw.to_vec());
            }
        }
        outer.finish()?;
        // The tags of PKIBody are all explicit and below 31.
        let tag = body.tag.wrapping_sub(explicit(0));
        if tag > 26 {
            return Err(Error::Malformed("PKIBody"));
        }
        let content = body.value;
        Ok(Self {
            protected_part: tlv::sequence(&[header, body.raw]),
            header: Header::parse(header)?,
            tag,
            body: match tag {
                body_tag::IR | body_tag::CR | body_tag::KUR => {
                    Body::Requests(CertificateRequest::parse_all(content)?)
                }
                body_tag::P10CR => Body::Pkcs10(content.to_vec()),
                body_tag::RR => Body::Revocations(RevocationRequest::parse_all(content)?),
                body_tag::CERT_CONF => Body::Confirmations(Confirmation::parse_all(content)?),
                body_tag::GENM => Body::General(General::parse_all(content)?),
                _ => Body::Other,
            },
            signature,
            extra_certificates,
        })
    }

    /// Checks the protection with the sender's key.
    pub fn verify(&self, spki: &[u8]) -> Result<(), Error> {
        match (self.header.protection, &self.signature) {
            (Some(algorithm), Some(signature)) => verify(spki, algorithm, &self.protected_part, signature),
            _ => Err(Error::Signature),
        }
    }

    /// Whether there is a protection by a signature of a kind we know.
    pub const fn is_signed(&self) -> bool {
        self.header.protection.is_some() && self.signature.is_some()
    }

    /// The bytes that are protected: the same request again has the same.
    pub fn protected_part(&self) -> &[u8] {
        &self.protected_part
    }
}

/// An answer to be protected.
#[derive(Debug, Clone)]
pub struct Reply<'a> {
    /// The header of what is answered; `None` if it could not be read.
    pub to: Option<&'a Header>,
    /// A fresh nonce.
    pub nonce: [u8; 16],
    /// The time.
    pub now: Timestamp,
    /// Whether no confirmation is awaited.
    pub implicit_confirm: bool,
    /// The answer.
    pub body: &'a ReplyBody,
}

impl Reply<'_> {
    /// The message, protected by `signer`, whose `certificate` goes along with the others of its chain.
    pub fn protect(
        &self,
        certificate: &Certificate,
        signer: &dyn Signer,
        chain: &[&Certificate],
    ) -> Result<Vec<u8>, Error> {
        let sender = directory_name(&certificate.subject_name()?);
        let nobody = || encode(explicit(4), &encode(SEQUENCE, &[]));
        let recipient = self.to.map_or_else(nobody, |header| header.sender.clone());
        let field = |number: u32, value: &[u8]| encode(explicit(number), value);
        let octets = |number: u32, value: Option<&[u8]>| {
            value.map(|value| field(number, &encode(0x04, value))).unwrap_or_default()
        };
        // RFC 9810 §7: an answer has the version of what it answers.
        let version = self.to.map_or(2, |header| header.version.clamp(2, 3));
        let confirm = General { oid: oid::IT_IMPLICIT_CONFIRM, value: Some(vec![5, 0]) }.der();
        let general = if self.implicit_confirm { field(8, &tlv::sequence(&[&confirm])) } else { Vec::new() };
        let header = tlv::sequence(&[
            &integer(u64::from(version)),
            &sender,
            &recipient,
            &field(0, &time::generalized(self.now)),
            &field(1, &signer.algorithm().identifier()),
            &octets(2, certificate.subject_key_identifier()),
            &octets(4, self.to.and_then(|header| header.transaction.as_deref())),
            &octets(5, Some(&self.nonce)),
            &octets(6, self.to.and_then(|header| header.sender_nonce.as_deref())),
            &general,
        ]);
        let body = self.body.der();
        let protected = tlv::sequence(&[&header, &body]);
        let signature = signer.sign(&protected)?;
        verify(signer.spki(), signer.algorithm(), &protected, &signature)?;
        let extra: Vec<u8> =
            [certificate].iter().chain(chain).flat_map(|certificate| certificate.der().to_vec()).collect();
        let extra = encode(explicit(1), &tlv::sequence(&[&extra]));
        Ok(tlv::sequence(&[&header, &body, &field(0, &bit_string(&signature)), &extra]))
    }
}

/// directoryName
fn directory_name(name: &Name) -> Vec<u8> {
    encode(explicit(4), name.der())
}
