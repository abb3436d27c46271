//! Certificates (TR-03110-3 §C.1).

use curve::Curve;
use tlv::Reader;

use super::chat::CHAT;
use super::extension::EXTENSIONS;
use super::key::PUBLIC_KEY;
use super::{Chat, CvcError, Date, Extensions, PublicKey, Reference, VerifyingKey, der};

/// Tag of a certificate and of a request.
pub(super) const CERTIFICATE: u32 = 0x7F21;
pub(super) const BODY: u32 = 0x7F4E;
pub(super) const SIGNATURE: u32 = 0x5F37;
pub(super) const PROFILE_IDENTIFIER: u32 = 0x5F29;
pub(super) const AUTHORITY: u32 = 0x42;
pub(super) const HOLDER: u32 = 0x5F20;
const EFFECTIVE: u32 = 0x5F25;
const EXPIRATION: u32 = 0x5F24;

/// More than the longest certificate there is (a root on P-521 has 786 bytes) with room for extensions.
pub const MAX_LEN: usize = 4096;

/// What a certificate says, before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Whose key verifies the certificate.
    pub authority: Reference,
    /// The key of the holder.
    pub public_key: PublicKey,
    /// Whose certificate it is.
    pub holder: Reference,
    /// Role and rights of the holder.
    pub chat: Chat,
    /// First day.
    pub effective: Date,
    /// Last day.
    pub expiration: Date,
    /// Extensions.
    pub extensions: Extensions,
}

impl Body {
    /// The data object 7F4E: what is signed.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = tlv::encode(PROFILE_IDENTIFIER, &[0]);
        value.extend(tlv::encode(AUTHORITY, self.authority.as_bytes()));
        value.extend(self.public_key.raw());
        value.extend(tlv::encode(HOLDER, self.holder.as_bytes()));
        value.extend(self.chat.encode());
        value.extend(tlv::encode(EFFECTIVE, &self.effective.to_bytes()));
        value.extend(tlv::encode(EXPIRATION, &self.expiration.to_bytes()));
        value.extend(self.extensions.encode());
        tlv::encode(BODY, &value)
    }

    /// Reads the data object 7F4E.
    pub fn parse(input: &[u8]) -> Result<Self, CvcError> {
        if input.len() > MAX_LEN {
            return Err(CvcError::TooLong);
        }
        let mut reader = Reader::new(der::sole(input, BODY, WHAT)?.value);
        expect_profile(&mut reader)?;
        let authority = Reference::from_bytes(der::next(&mut reader, AUTHORITY, WHAT)?.value)?;
        let public_key = PublicKey::parse(der::next(&mut reader, PUBLIC_KEY, WHAT)?.raw)?;
        let holder = Reference::from_bytes(der::next(&mut reader, HOLDER, WHAT)?.value)?;
        let chat = Chat::parse(der::next(&mut reader, CHAT, WHAT)?.raw)?;
        let effective = Date::from_bytes(der::next(&mut reader, EFFECTIVE, WHAT)?.value)?;
        let expiration = Date::from_bytes(der::next(&mut reader, EXPIRATION, WHAT)?.value)?;
        let extensions = match der::optional(&mut reader, EXTENSIONS, WHAT)? {
            Some(object) => Extensions::parse(object.raw)?,
            None => Extensions::default(),
        };
        der::finish(&reader, WHAT)?;
        if expiration < effective {
            return Err(CvcError::Malformed("period: it ends before it begins"));
        }
        Ok(Self { authority, public_key, holder, chat, effective, expiration, extensions })
    }

    /// Has the body signed by `sign`, which takes the bytes to be signed and gives the signature of the authority's key:
    /// the key may lie in a hardware module.
    pub fn issue<E>(self, sign: impl FnOnce(&[u8]) -> Result<curve::Signature, E>) -> Result<Certificate, E> {
        let raw = self.encode();
        let signature = sign(&raw)?.to_plain();
        Ok(Certificate { body: self, raw, signature })
    }
}

/// A certificate as it was read or issued. That it is well formed says nothing about its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    body: Body,
    /// The data object 7F4E as it was signed.
    raw: Vec<u8>,
    signature: Vec<u8>,
}

impl Certificate {
    /// Reads the data object 7F21.
    pub fn parse(input: &[u8]) -> Result<Self, CvcError> {
        if input.len() > MAX_LEN {
            return Err(CvcError::TooLong);
        }
        Self::parse_parts(der::sole(input, CERTIFICATE, WHAT)?.value)
    }

    /// Reads body and signature, 7F4E and 5F37, as PSO: Verify Certificate hands them over.
    pub fn parse_parts(input: &[u8]) -> Result<Self, CvcError> {
        if input.len() > MAX_LEN {
            return Err(CvcError::TooLong);
        }
        let mut reader = Reader::new(input);
        let raw = der::next(&mut reader, BODY, WHAT)?.raw.to_vec();
        let signature = der::next(&mut reader, SIGNATURE, WHAT)?.value.to_vec();
        der::finish(&reader, WHAT)?;
        Ok(Self { body: Body::parse(&raw)?, raw, signature })
    }

    /// What the certificate says.
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// The signature, r ‖ s.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Body and signature one after the other.
    pub fn to_parts(&self) -> Vec<u8> {
        [self.raw.as_slice(), &tlv::encode(SIGNATURE, &self.signature)].concat()
    }

    /// The data object 7F21.
    pub fn encode(&self) -> Vec<u8> {
        tlv::encode(CERTIFICATE, &self.to_parts())
    }

    /// Whether holder and authority are the same: a root.
    pub fn is_self_issued(&self) -> bool {
        self.body.holder == self.body.authority
    }

    /// Verifies the signature with the authority's key. Dates and roles are not looked at.
    pub fn verify(&self, authority: &VerifyingKey) -> Result<(), CvcError> {
        authority.verify(&[&self.raw], &self.signature)
    }

    /// The holder's key, where the authority's key is on `inherited`.
    pub fn key(&self, inherited: Option<Curve>) -> Result<VerifyingKey, CvcError> {
        self.body.public_key.resolve(inherited)
    }
}

/// TR-03110-3 §C.1.1: version 1 of the profile is written as zero.
pub(super) fn expect_profile(reader: &mut Reader<'_>) -> Result<(), CvcError> {
    match der::next(reader, PROFILE_IDENTIFIER, WHAT)?.value {
        [0] => Ok(()),
        [version] => Err(CvcError::Profile(*version)),
        _ => Err(CvcError::Malformed(WHAT)),
    }
}

const WHAT: &str = "certificate";
