//! Certificate requests (TR-03110-3 §C.2): signed by the key they ask a certificate for, and, where the holder has a valid
//! certificate already, authenticated by the key of that one.

use tlv::Reader;

use super::certificate::{
    AUTHORITY, BODY, CERTIFICATE, HOLDER, PROFILE_IDENTIFIER, SIGNATURE, expect_profile,
};
use super::extension::EXTENSIONS;
use super::key::PUBLIC_KEY;
use super::{CvcError, Extensions, MAX_LEN, PublicKey, Reference, VerifyingKey, der};

/// Tag of an authenticated request.
const AUTHENTICATION: u32 = 0x67;

/// A request for a certificate. Its own signature has been verified: whoever made it has the private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    authority: Option<Reference>,
    public_key: PublicKey,
    key: VerifyingKey,
    holder: Reference,
    extensions: Extensions,
    raw: Vec<u8>,
    outer: Option<Outer>,
}

/// What an authenticated request has around it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outer {
    authority: Reference,
    signature: Vec<u8>,
}

impl Request {
    /// Makes a request. The key has explicit domain parameters, as nothing is there to inherit from; `sign` is the key the
    /// certificate is asked for.
    pub fn create<E: From<CvcError>>(
        authority: Option<Reference>,
        holder: Reference,
        key: &curve::Point,
        extensions: Extensions,
        sign: impl FnOnce(&[u8]) -> Result<curve::Signature, E>,
    ) -> Result<Self, E> {
        let mut value = tlv::encode(PROFILE_IDENTIFIER, &[0]);
        if let Some(authority) = &authority {
            value.extend(tlv::encode(AUTHORITY, authority.as_bytes()));
        }
        value.extend(PublicKey::explicit(key).raw());
        value.extend(tlv::encode(HOLDER, holder.as_bytes()));
        value.extend(extensions.encode());
        let body = tlv::encode(BODY, &value);
        let signature = tlv::encode(SIGNATURE, &sign(&body)?.to_plain());
        Ok(Self::parse(&tlv::encode(CERTIFICATE, &[body, signature].concat()))?)
    }

    /// Authenticates the request by a key that has a certificate: `holder` is the reference of that key.
    pub fn authenticate<E>(
        self,
        holder: Reference,
        sign: impl FnOnce(&[u8]) -> Result<curve::Signature, E>,
    ) -> Result<Self, E> {
        let object = tlv::encode(AUTHORITY, holder.as_bytes());
        let signature = sign(&[self.raw.as_slice(), &object].concat())?.to_plain();
        Ok(Self { outer: Some(Outer { authority: holder, signature }), ..self })
    }

    /// Reads a request, authenticated (67) or not (7F21), and verifies its own signature.
    pub fn parse(input: &[u8]) -> Result<Self, CvcError> {
        if input.len() > 2 * MAX_LEN {
            return Err(CvcError::TooLong);
        }
        let mut reader = Reader::new(input);
        let Some(object) = der::optional(&mut reader, AUTHENTICATION, WHAT)? else {
            return Self::parse_plain(der::sole(input, CERTIFICATE, WHAT)?.raw);
        };
        der::finish(&reader, WHAT)?;
        let mut reader = Reader::new(object.value);
        let request = Self::parse_plain(der::next(&mut reader, CERTIFICATE, WHAT)?.raw)?;
        let authority = Reference::from_bytes(der::next(&mut reader, AUTHORITY, WHAT)?.value)?;
        let signature = der::next(&mut reader, SIGNATURE, WHAT)?.value.to_vec();
        der::finish(&reader, WHAT)?;
        Ok(Self { outer: Some(Outer { authority, signature }), ..request })
    }

    fn parse_plain(raw: &[u8]) -> Result<Self, CvcError> {
        let mut parts = Reader::new(der::sole(raw, CERTIFICATE, WHAT)?.value);
        let body = der::next(&mut parts, BODY, WHAT)?;
        let signature = der::next(&mut parts, SIGNATURE, WHAT)?.value;
        der::finish(&parts, WHAT)?;
        let mut reader = Reader::new(body.value);
        expect_profile(&mut reader)?;
        let authority = der::optional(&mut reader, AUTHORITY, WHAT)?;
        let authority = authority.map(|object| Reference::from_bytes(object.value)).transpose()?;
        let public_key = PublicKey::parse(der::next(&mut reader, PUBLIC_KEY, WHAT)?.raw)?;
        let holder = Reference::from_bytes(der::next(&mut reader, HOLDER, WHAT)?.value)?;
        let extensions = match der::optional(&mut reader, EXTENSIONS, WHAT)? {
            Some(object) => Extensions::parse(object.raw)?,
            None => Extensions::default(),
        };
        der::finish(&reader, WHAT)?;
        // TR-03110-3 §C.2.4: the request is signed by its own key.
        let key = public_key.resolve(None)?;
        key.verify(&[body.raw], signature)?;
        Ok(Self { authority, public_key, key, holder, extensions, raw: raw.to_vec(), outer: None })
    }

    /// The authority it is for, where it names one.
    pub const fn authority(&self) -> Option<&Reference> {
        self.authority.as_ref()
    }

    /// The key, whose possession the request proves.
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The key as it stands in the request.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The reference asked for.
    pub const fn holder(&self) -> &Reference {
        &self.holder
    }

    /// The extensions asked for.
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Whose key authenticates the request, if one does.
    pub fn authenticated_by(&self) -> Option<&Reference> {
        self.outer.as_ref().map(|outer| &outer.authority)
    }

    /// Verifies the outer signature with the key of [`Self::authenticated_by`].
    // TR-03110-3 §C.2.6: over request and authority reference, one after the other.
    pub fn verify_authentication(&self, key: &VerifyingKey) -> Result<(), CvcError> {
        let outer = self.outer.as_ref().ok_or(CvcError::Signature)?;
        let reference = tlv::encode(AUTHORITY, outer.authority.as_bytes());
        key.verify(&[&self.raw, &reference], &outer.signature)
    }

    /// The data object 67 if authenticated, 7F21 otherwise.
    pub fn encode(&self) -> Vec<u8> {
        match &self.outer {
            None => self.raw.clone(),
            Some(outer) => {
                let mut value = self.raw.clone();
                value.extend(tlv::encode(AUTHORITY, outer.authority.as_bytes()));
                value.extend(tlv::encode(SIGNATURE, &outer.signature));
                tlv::encode(AUTHENTICATION, &value)
            }
        }
    }
}

const WHAT: &str = "request";
