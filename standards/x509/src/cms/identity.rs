//! How CMS names the holder of a certificate: by issuer and serial number, or by key identifier.

use crate::asn1::{Der, SEQUENCE, explicit, implicit};
use crate::{Certificate, Error, name};

/// SignerIdentifier, RecipientIdentifier (RFC 5652 §5.3, §6.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    IssuerAndSerial { issuer: Vec<u8>, serial: Vec<u8> },
    KeyIdentifier(Vec<u8>),
}

impl Identity {
    /// Whether `certificate` is the one meant.
    pub(super) fn is(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                certificate.serial_octets() == serial && name::same(certificate.issuer(), issuer)
            }
            Self::KeyIdentifier(id) => certificate.subject_key_identifier() == Some(id),
        }
    }

    /// Whether it names a key identifier; versions depend on it.
    pub(super) const fn is_by_key(&self) -> bool {
        matches!(self, Self::KeyIdentifier(_))
    }

    pub(super) fn read(inner: &mut Der<'_>) -> Result<Self, Error> {
        let choice = inner.any()?;
        match choice.tag {
            SEQUENCE => Self::issuer_and_serial(choice.value),
            tag if tag == implicit(0) => Ok(Self::KeyIdentifier(choice.value.to_vec())),
            _ => Err(Error::Malformed("identifier of a signer or recipient")),
        }
    }

    /// KeyAgreeRecipientIdentifier (RFC 5652 §6.2.2), whose key identifier is inside a SEQUENCE.
    pub(super) fn read_agreeing(inner: &mut Der<'_>) -> Result<Self, Error> {
        let choice = inner.any()?;
        match choice.tag {
            SEQUENCE => Self::issuer_and_serial(choice.value),
            tag if tag == explicit(0) => Ok(Self::KeyIdentifier(Der::new(choice.value).octets()?.to_vec())),
            _ => Err(Error::Malformed("identifier of a recipient")),
        }
    }

    fn issuer_and_serial(value: &[u8]) -> Result<Self, Error> {
        let mut pair = Der::new(value);
        let issuer = pair.any()?.raw.to_vec();
        let serial = pair.integer()?.to_vec();
        pair.finish()?;
        Ok(Self::IssuerAndSerial { issuer, serial })
    }
}
