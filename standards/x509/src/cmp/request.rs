//! What is asked for: certificates (RFC 4211) and revocations (RFC 9810 §5.3.9).

use const_oid::ObjectIdentifier as Oid;
use tlv::{encode, oid};

use crate::asn1::{Der, ENUMERATED, SEQUENCE, explicit, implicit, minimal_integer, small_integer};
use crate::crl::Reason;
use crate::extension::{self, MAX_EXTENSIONS};
use crate::{Error, Name, Serial, SignatureAlgorithm, verify};

/// How a request shows that whoever made it holds the private key (RFC 4211 §4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Possession {
    /// The registration authority says that it has seen to it. This says nothing to the CA.
    RaVerified,
    /// A signature by the key over the request.
    Signature {
        /// What it is signed with.
        algorithm: SignatureAlgorithm,
        /// The signature.
        signature: Vec<u8>,
    },
    /// None, or a way that is not read here.
    None,
}

/// A CertReqMsg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    der: Vec<u8>,
    // The CertRequest: what a proof of possession signs.
    signed: Vec<u8>,
    /// certReqId
    pub id: u32,
    /// The subject asked for.
    pub subject: Option<Name>,
    /// The key.
    pub spki: Option<Vec<u8>>,
    /// The certificate that is to be replaced: the DER Name of its issuer, and its serial number (id-regCtrl-oldCertID).
    pub old_certificate: Option<(Vec<u8>, Serial)>,
    /// Who holds the key.
    pub possession: Possession,
}

impl CertificateRequest {
    /// Reads a CertReqMessages.
    pub(super) fn parse_all(content: &[u8]) -> Result<Vec<Self>, Error> {
        let mut list = Der::outer(content)?;
        let mut requests = Vec::new();
        while !list.is_empty() {
            if requests.len() == super::MAX_PARTS {
                return Err(Error::TooMany("certificate requests"));
            }
            requests.push(Self::parse(list.expect(SEQUENCE)?.raw)?);
        }
        if requests.is_empty() { Err(Error::Malformed("CertReqMessages")) } else { Ok(requests) }
    }

    /// Reads one CertReqMsg.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut outer = Der::outer(der)?;
        let signed = outer.expect(SEQUENCE)?.raw;
        // RFC 4211 §4: ProofOfPossession is [0] to [3].
        let possession = match outer.peek() {
            Some(tag) if tag == implicit(0) => {
                if !outer.any()?.value.is_empty() {
                    return Err(Error::Malformed("raVerified"));
                }
                Possession::RaVerified
            }
            Some(tag) if tag == explicit(1) => proof(outer.any()?.value)?,
            Some(tag) if tag == explicit(2) || tag == explicit(3) => {
                outer.any()?;
                Possession::None
            }
            _ => Possession::None,
        };
        outer.optional(SEQUENCE)?;
        outer.finish()?;

        let mut request = Der::outer(signed)?;
        let id = request.small()?;
        let mut template = Der::new(request.expect(SEQUENCE)?.value);
        let (mut subject, mut spki) = (None, None);
        let mut last = None;
        while !template.is_empty() {
            let field = template.any()?;
            let number = field.tag & 0x1F;
            // RFC 4211 §5: [0] to [9], each once and in this order.
            if field.tag & 0xC0 != 0x80 || number > 9 || last.is_some_and(|last| number <= last) {
                return Err(Error::Malformed("CertTemplate"));
            }
            last = Some(number);
            match number {
                // Name is a CHOICE, so its tag is explicit.
                5 if field.tag == explicit(5) => subject = Some(Name::parse(field.value)?),
                6 if field.tag == explicit(6) => spki = Some(encode(SEQUENCE, field.value)),
                5 | 6 => return Err(Error::Malformed("CertTemplate")),
                _ => {}
            }
        }
        let mut old_certificate = None;
        if let Some(controls) = request.optional(SEQUENCE)? {
            let mut controls = Der::new(controls.value);
            while !controls.is_empty() {
                let mut control = controls.sequence()?;
                let kind = control.oid()?;
                let value = control.any()?;
                control.finish()?;
                if kind == oid::REG_CTRL_OLD_CERT_ID {
                    old_certificate = Some(certificate_id(value.raw)?);
                }
            }
        }
        request.finish()?;
        Ok(Self {
            der: der.to_vec(),
            signed: signed.to_vec(),
            id,
            subject,
            spki,
            old_certificate,
            possession,
        })
    }

    /// The whole encoding.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Proof of possession: a signature by the key in the request, over a request that names subject and key.
    pub fn verify(&self) -> Result<(), Error> {
        // RFC 4211 §4.1: the signature is over the CertRequest where the template has subject and key.
        match (&self.possession, &self.spki, &self.subject) {
            (Possession::Signature { algorithm, signature }, Some(spki), Some(_)) => {
                verify(spki, *algorithm, &self.signed, signature)
            }
            _ => Err(Error::Malformed("proof of possession")),
        }
    }
}

/// POPOSigningKey, without poposkInput: a template without subject is not signed for here.
fn proof(content: &[u8]) -> Result<Possession, Error> {
    let mut inner = Der::new(content);
    if inner.peek() == Some(explicit(0)) {
        return Ok(Possession::None);
    }
    let algorithm = SignatureAlgorithm::from_identifier(inner.any()?.raw)?
        .ok_or(Error::UnsupportedAlgorithm("signature of a proof of possession"))?;
    let signature = inner.bits()?.to_vec();
    inner.finish()?;
    Ok(Possession::Signature { algorithm, signature })
}

/// `CertId ::= SEQUENCE { issuer GeneralName, serialNumber INTEGER }`: the issuer's DER Name and the number.
fn certificate_id(der: &[u8]) -> Result<(Vec<u8>, Serial), Error> {
    let mut inner = Der::outer(der)?;
    let issuer = inner.expect(explicit(4))?.value.to_vec();
    Name::parse(&issuer)?;
    let serial = Serial::from_octets(inner.integer()?)?;
    inner.finish()?;
    Ok((issuer, serial))
}

/// A RevDetails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationRequest {
    /// The DER Name of the certificate's issuer.
    pub issuer: Vec<u8>,
    /// The certificate's serial number.
    pub serial: Serial,
    /// Why; `removeFromCRL` ends a suspension.
    pub reason: Option<Reason>,
}

impl RevocationRequest {
    /// Reads a RevReqContent.
    pub(super) fn parse_all(content: &[u8]) -> Result<Vec<Self>, Error> {
        let mut list = Der::outer(content)?;
        let mut requests = Vec::new();
        while !list.is_empty() {
            if requests.len() == super::MAX_PARTS {
                return Err(Error::TooMany("revocation requests"));
            }
            requests.push(Self::parse(&mut list)?);
        }
        if requests.is_empty() { Err(Error::Malformed("RevReqContent")) } else { Ok(requests) }
    }

    fn parse(list: &mut Der<'_>) -> Result<Self, Error> {
        let mut details = list.sequence()?;
        let mut template = details.sequence()?;
        let (mut issuer, mut serial) = (None, None);
        while !template.is_empty() {
            let field = template.any()?;
            if field.tag == implicit(1) {
                serial = Some(Serial::from_octets(minimal_integer(field.value)?)?);
            } else if field.tag == explicit(3) {
                Name::parse(field.value)?;
                issuer = Some(field.value.to_vec());
            }
        }
        let mut reason = None;
        if let Some(entry) = details.optional(SEQUENCE)? {
            let mut extensions = Der::new(entry.value);
            let mut count = 0;
            while !extensions.is_empty() {
                count += 1;
                if count > MAX_EXTENSIONS {
                    return Err(Error::TooMany("extensions"));
                }
                let extension = extension::read_extension(&mut extensions)?;
                if extension.oid == REASON_CODE {
                    let mut value = Der::new(extension.value);
                    let code = small_integer(value.expect(ENUMERATED)?.value)?;
                    value.finish()?;
                    let code = u8::try_from(code).map_err(|_| Error::Malformed("CRLReason"))?;
                    reason = Some(Reason::from_code(code).ok_or(Error::Malformed("CRLReason"))?);
                }
            }
        }
        details.finish()?;
        match (issuer, serial) {
            (Some(issuer), Some(serial)) => Ok(Self { issuer, serial, reason }),
            _ => Err(Error::Malformed("certDetails")),
        }
    }
}

// id-ce-cRLReasons
const REASON_CODE: Oid = Oid::new_unwrap("2.5.29.21");
