//! Confirmations, general messages, and what a CA answers (RFC 9810 §5.2.3, §5.3).

use const_oid::ObjectIdentifier as Oid;
use curve::Hash;
use tlv::{encode, encode_oid};

use crate::Error;
use crate::asn1::{BIT_STRING, Der, NULL, SEQUENCE, UTF8_STRING, explicit, integer};

/// Bits of PKIFailureInfo (RFC 9810 §5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum FailureInfo {
    /// The algorithm is not accepted.
    BadAlg = 0,
    /// The protection does not verify.
    BadMessageCheck = 1,
    /// The transaction is not permitted or not supported.
    BadRequest = 2,
    /// messageTime is not close enough.
    BadTime = 3,
    /// No certificate of that identifier.
    BadCertId = 4,
    /// The message has the wrong form.
    BadDataFormat = 5,
    /// The authority of the request is another.
    WrongAuthority = 6,
    /// The requester's data is not correct.
    IncorrectData = 7,
    /// The proof of possession failed.
    BadPop = 9,
    /// The certificate has been revoked already.
    CertRevoked = 10,
    /// The certificate has been confirmed already.
    CertConfirmed = 11,
    /// The protection is not of the wanted kind.
    WrongIntegrity = 12,
    /// The recipient's nonce is missing or wrong.
    BadRecipientNonce = 13,
    /// Something more is needed first.
    AddInfoNotAvailable = 17,
    /// The sender's nonce is missing or too short.
    BadSenderNonce = 18,
    /// The template is not acceptable.
    BadCertTemplate = 19,
    /// The signer is not trusted.
    SignerNotTrusted = 20,
    /// The transaction number is in use.
    TransactionIdInUse = 21,
    /// The version is not supported.
    UnsupportedVersion = 22,
    /// The sender may not ask for this.
    NotAuthorized = 23,
    /// The system cannot answer now.
    SystemUnavail = 24,
    /// The system has failed.
    SystemFailure = 25,
    /// The certificate exists already.
    DuplicateCertReq = 26,
}

impl FailureInfo {
    // X.690 §11.2.2: a named bit list ends with its last one bit.
    fn der(self) -> Vec<u8> {
        let bit = usize::from(self as u8);
        let mut octets = vec![0; bit / 8 + 2];
        octets[0] = 7 - (bit % 8) as u8;
        octets[1 + bit / 8] = 0x80 >> (bit % 8);
        encode(BIT_STRING, &octets)
    }
}

/// A PKIStatusInfo to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// accepted (0)
    Accepted,
    /// grantedWithMods (1): something like what was asked for, with words for people that say what.
    GrantedWithMods(String),
    /// rejection (2), with its reason and words for people.
    Rejected(FailureInfo, String),
}

impl Status {
    fn der(&self) -> Vec<u8> {
        match self {
            Self::Accepted => tlv::sequence(&[&integer(0)]),
            Self::GrantedWithMods(text) => {
                let text = tlv::sequence(&[&encode(UTF8_STRING, text.as_bytes())]);
                tlv::sequence(&[&integer(1), &text])
            }
            Self::Rejected(failure, text) => {
                let text = tlv::sequence(&[&encode(UTF8_STRING, text.as_bytes())]);
                tlv::sequence(&[&integer(2), &text, &failure.der()])
            }
        }
    }
}

/// A CertStatus of a certConf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The hash of the certificate.
    pub hash: Vec<u8>,
    /// With what, if not with the hash of the certificate's signature.
    pub algorithm: Option<Hash>,
    /// certReqId; `None` for -1, that of a p10cr.
    pub id: Option<u32>,
    /// Whether the certificate is accepted.
    pub accepted: bool,
}

impl Confirmation {
    /// Reads a CertConfirmContent.
    pub(super) fn parse_all(content: &[u8]) -> Result<Vec<Self>, Error> {
        let mut list = Der::outer(content)?;
        let mut all = Vec::new();
        while !list.is_empty() {
            if all.len() == super::MAX_PARTS {
                return Err(Error::TooMany("confirmations"));
            }
            let mut status = list.sequence()?;
            let hash = status.octets()?.to_vec();
            let id = request_id(status.integer()?)?;
            let mut accepted = true;
            if let Some(info) = status.optional(SEQUENCE)? {
                // PKIStatus: accepted (0), grantedWithMods (1); everything else refuses.
                accepted = Der::new(info.value).small()? <= 1;
            }
            let mut algorithm = None;
            if let Some(named) = status.optional(explicit(0))? {
                let mut named = Der::outer(named.value)?;
                let hash = Hash::from_oid(named.oid()?);
                named.optional(NULL)?;
                named.finish()?;
                algorithm = Some(hash.ok_or(Error::UnsupportedAlgorithm("hash of a confirmation"))?);
            }
            status.finish()?;
            all.push(Self { hash, algorithm, id, accepted });
        }
        Ok(all)
    }
}

fn request_id(value: &[u8]) -> Result<Option<u32>, Error> {
    // RFC 9810 §5.3.4: -1 answers a p10cr.
    if value == [0xFF] { Ok(None) } else { crate::asn1::small_integer(value).map(Some) }
}

/// One InfoTypeAndValue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct General {
    /// infoType
    pub oid: Oid,
    /// infoValue, DER.
    pub value: Option<Vec<u8>>,
}

impl General {
    /// Reads a SEQUENCE OF InfoTypeAndValue.
    pub(super) fn parse_all(content: &[u8]) -> Result<Vec<Self>, Error> {
        let mut list = Der::outer(content)?;
        let mut all = Vec::new();
        while !list.is_empty() {
            if all.len() == super::MAX_PARTS {
                return Err(Error::TooMany("general information"));
            }
            let mut entry = list.sequence()?;
            let oid = entry.oid()?;
            let value = if entry.is_empty() { None } else { Some(entry.any()?.raw.to_vec()) };
            entry.finish()?;
            all.push(Self { oid, value });
        }
        Ok(all)
    }

    pub(super) fn der(&self) -> Vec<u8> {
        tlv::sequence(&[&encode_oid(self.oid), self.value.as_deref().unwrap_or_default()])
    }
}

/// A CertResponse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateReply {
    /// certReqId; `None` for -1, that of a p10cr.
    pub id: Option<u32>,
    /// What became of the request.
    pub status: Status,
    /// The certificate, if there is one.
    pub certificate: Option<Vec<u8>>,
}

impl CertificateReply {
    fn der(&self) -> Vec<u8> {
        let id = self.id.map_or_else(|| vec![0x02, 0x01, 0xFF], |id| integer(u64::from(id)));
        // CertifiedKeyPair with certOrEncCert: certificate [0].
        let pair = self.certificate.as_ref().map(|der| tlv::sequence(&[&encode(explicit(0), der)]));
        tlv::sequence(&[&id, &self.status.der(), pair.as_deref().unwrap_or_default()])
    }
}

/// What a CA answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyBody {
    /// ip, cp or kup: the answers to ir, cr or p10cr, and kur.
    Certificates {
        /// The tag of the request's body, [`super::body_tag`].
        request: u32,
        /// The CA's own certificates (caPubs), in an ip only.
        ca_certificates: Vec<Vec<u8>>,
        /// The answers.
        replies: Vec<CertificateReply>,
    },
    /// rp: one status for each revocation asked for.
    Revocations(Vec<Status>),
    /// pkiConf
    Confirmed,
    /// genp
    General(Vec<General>),
    /// error
    Error(FailureInfo, String),
}

impl ReplyBody {
    /// The PKIBody.
    pub(super) fn der(&self) -> Vec<u8> {
        use super::body_tag as tag;
        let (number, content) = match self {
            Self::Certificates { request, ca_certificates, replies } => {
                let own = if ca_certificates.is_empty() {
                    Vec::new()
                } else {
                    encode(explicit(1), &tlv::sequence(&[&ca_certificates.concat()]))
                };
                let replies: Vec<u8> = replies.iter().flat_map(CertificateReply::der).collect();
                let number = match *request {
                    tag::IR => tag::IP,
                    tag::KUR => tag::KUP,
                    // RFC 9810 §5.3.2: a p10cr is answered by a cp.
                    _ => tag::CP,
                };
                (number, tlv::sequence(&[&own, &tlv::sequence(&[&replies])]))
            }
            Self::Revocations(statuses) => {
                let statuses: Vec<u8> = statuses.iter().flat_map(Status::der).collect();
                (tag::RP, tlv::sequence(&[&tlv::sequence(&[&statuses])]))
            }
            Self::Confirmed => (tag::PKI_CONF, encode(NULL, &[])),
            Self::General(all) => {
                let all: Vec<u8> = all.iter().flat_map(General::der).collect();
                (tag::GENP, tlv::sequence(&[&all]))
            }
            Self::Error(failure, text) => {
                let status = Status::Rejected(*failure, text.clone()).der();
                (tag::ERROR, tlv::sequence(&[&status]))
            }
        };
        encode(explicit(number), &content)
    }
}
