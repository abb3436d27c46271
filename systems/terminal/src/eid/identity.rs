//! Who a terminal is: its certificates and the signer of its key.

use std::sync::Arc;

use curve::Signature;
use eac::cvc::{Authorisation, Certificate, Reference, Role, path};
use x509::Signer;

use crate::Refusal;

/// The certificates of a terminal and the signer of its key, which may lie in a hardware module.
#[derive(Clone)]
pub struct TerminalIdentity {
    certificates: Vec<Certificate>,
    terminal: usize,
    signer: Arc<dyn Signer>,
}

/// Why certificates and key are no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Not a sequence of card-verifiable certificates (7F21).
    #[error("the file holds no card-verifiable certificates")]
    Malformed,
    /// No terminal certificate for this key among them.
    #[error("none of the certificates is a terminal's with this key")]
    OtherKey,
    /// Not a key on an elliptic curve.
    #[error("the terminal's key is not on an elliptic curve")]
    KeyKind,
}

impl TerminalIdentity {
    /// The certificates one after the other as a file holds them, in any order: document verifier, terminal, link
    /// certificates. A root among them does no harm.
    pub fn new(certificates: &[u8], signer: Arc<dyn Signer>) -> Result<Self, IdentityError> {
        let mut reader = tlv::Reader::new(certificates);
        let mut list = Vec::new();
        while !reader.is_empty() {
            let object = reader.read().map_err(|_| IdentityError::Malformed)?;
            list.push(Certificate::parse(object.raw).map_err(|_| IdentityError::Malformed)?);
        }
        Self::from_certificates(list, signer)
    }

    /// The same from parsed certificates.
    pub fn from_certificates(
        certificates: Vec<Certificate>,
        signer: Arc<dyn Signer>,
    ) -> Result<Self, IdentityError> {
        let key =
            curve::point_from_spki(signer.spki()).map_err(|_| IdentityError::KeyKind)?.to_uncompressed();
        let terminal = certificates
            .iter()
            .position(|c| c.body().chat.role() == Role::Terminal && c.body().public_key.point() == key)
            .ok_or(IdentityError::OtherKey)?;
        Ok(Self { certificates, terminal, signer })
    }

    /// The terminal's own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificates[self.terminal]
    }

    /// What the terminal's own certificate grants; a card grants no more, and less where those above it do.
    pub fn authorisation(&self) -> Authorisation {
        Authorisation::of(self.certificate().body())
    }

    /// The certificates from one of a card's trust points to the terminal.
    pub(super) fn path(&self, trusted: &[Reference]) -> Option<Vec<&Certificate>> {
        path(&self.certificates, trusted, &self.certificate().body().holder)
    }

    /// All certificates at hand.
    pub(super) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Signature> {
        let curve = curve::point_from_spki(self.signer.spki()).ok()?.curve();
        Signature::from_der(curve, &self.signer.sign(message).ok()?).ok()
    }

    pub(super) fn curve(&self) -> Option<curve::Curve> {
        Some(curve::point_from_spki(self.signer.spki()).ok()?.curve())
    }
}

impl IdentityError {
    /// The refusal that explains it.
    pub const fn refusal(self) -> Refusal {
        match self {
            Self::Malformed => Refusal::TerminalCertificateMalformed,
            Self::OtherKey | Self::KeyKind => Refusal::TerminalKey,
        }
    }
}

impl std::fmt::Debug for TerminalIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TerminalIdentity({})", self.certificate().body().holder)
    }
}
