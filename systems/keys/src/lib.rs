//! Where private keys live, and the only way to use them: a [`KeyStore`] makes a key under a label and hands out a signer
//! for it; the key itself never leaves.
//!
//! Two stores: [`SoftwareKeyStore`], files encrypted under a wrapping key that lies elsewhere, for laptops and tests; and
//! [`Pkcs11KeyStore`], any hardware module with a PKCS #11 library (OASIS PKCS #11 v2.40), for production.
//!
//! Every key has a [`Purpose`] from the moment it is made, kept with the key under the same protection. Whoever asks for
//! a signer names the purpose the signature is for, and a key made for another purpose is refused: an OCSP responder's
//! key cannot sign certificates, a CA's key cannot sign messages (NPC-06).
//!
//! A key in files can be copied for custodians who open the copy together ([`KeyStore::backup`]). Calls block (disk, token):
//! asynchronous code runs them where blocking is allowed. Left out: backup of hardware keys, which the module's own tools do.

mod backup;
mod error;
mod foreign;
mod pkcs11;
mod secret_file;
mod shares;
mod software;

use std::sync::Arc;

use curve::{Curve, SecretBytes};
use serde::{Deserialize, Serialize};
use x509::Signer;

pub use backup::{Backup, backup_label};
pub use error::KeyError;
pub use foreign::ForeignKey;
pub use pkcs11::Pkcs11KeyStore;
pub use secret_file::{create_secret_file, read_secret_file, write_atomically};
pub use software::{SoftwareKeyStore, WrappingKey};

/// What a call of this crate returns.
pub type Result<T, E = KeyError> = std::result::Result<T, E>;

/// A place where private keys are made, kept and used.
pub trait KeyStore: Send + Sync {
    /// Makes a key pair under `label`. If one of the same kind and purpose is there already, it is left as it is: a
    /// ceremony or first run that was interrupted can be repeated. Another kind or purpose under the label is an error.
    fn generate(&self, label: &str, kind: KeyKind, purpose: Purpose) -> Result<KeyInfo>;

    /// The signer of the key under `label`, which must have been made for `purpose`.
    fn signer(&self, label: &str, purpose: Purpose) -> Result<Arc<dyn Signer>>;

    /// All keys, by label.
    fn list(&self) -> Result<Vec<KeyInfo>>;

    /// Destroys the key under `label` for good.
    fn destroy(&self, label: &str) -> Result<()>;

    /// The cryptographic module that holds the keys, as it names itself; none for keys in files (NPC-13).
    fn module(&self) -> Result<Option<Module>> {
        Ok(None)
    }

    /// A copy of the key under `label` that `threshold` of `shares` custodians can open together. A token keeps its keys: it
    /// has means of its own, and refuses here.
    fn backup(&self, label: &str, threshold: u8, shares: u8) -> Result<Backup> {
        let _ = (threshold, shares);
        Err(KeyError::Kept(label.to_owned()))
    }

    /// Puts a key back from its copy, for the purpose it was made for. If it is there, it is left as it is.
    fn restore(&self, copy: &[u8], shares: &[SecretBytes]) -> Result<KeyInfo> {
        let _ = shares;
        Err(KeyError::Kept(backup_label(copy)?))
    }

    /// Takes a private key of another program's in, under `label` and for `purpose`. If it is there already, it is left as it is.
    /// A token refuses: its own tools bring keys in, and [`Self::adopt`] takes them over.
    fn import(&self, label: &str, key: &ForeignKey, purpose: Purpose) -> Result<KeyInfo> {
        let _ = (key, purpose);
        Err(KeyError::Kept(label.to_owned()))
    }

    /// Takes over the key that is in the token under the label `from` of another program's: it stands under `label`, for
    /// `purpose`, from then on. Another key than that of the DER SubjectPublicKeyInfo `spki` is left alone. If it was done
    /// already, it is left as it is. Keys in files are brought in by [`Self::import`].
    fn adopt(&self, from: &str, label: &str, spki: &[u8], purpose: Purpose) -> Result<KeyInfo> {
        let _ = (label, spki, purpose);
        Err(KeyError::Missing(from.to_owned()))
    }
}

/// What a cryptographic module says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Who made it.
    pub manufacturer: String,
    /// Its model.
    pub model: String,
    /// The version of its firmware.
    pub firmware: String,
    /// Its serial number.
    pub serial: String,
}

/// Algorithm and size of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// RSA with a modulus of this many bits: 2048, 3072 or 4096.
    Rsa(u16),
    /// A named curve.
    Ec(Curve),
    /// ML-DSA-65 (FIPS 204), in software alone: for the laboratory generation of the document PKI.
    MlDsa65,
}

impl KeyKind {
    /// `rsa-4096`, `P-521`, ...
    pub fn name(self) -> String {
        match self {
            Self::Rsa(bits) => format!("rsa-{bits}"),
            Self::Ec(curve) => curve.name().to_owned(),
            Self::MlDsa65 => ML_DSA_65.to_owned(),
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(bits) = name.strip_prefix("rsa-") {
            return Some(Self::Rsa(bits.parse().ok()?));
        }
        if name == ML_DSA_65 {
            return Some(Self::MlDsa65);
        }
        Curve::ALL.into_iter().find(|curve| curve.name() == name).map(Self::Ec)
    }
}

const ML_DSA_65: &str = "ML-DSA-65";

/// What a key may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Purpose {
    /// Certificates and revocation lists.
    CertificateAuthority,
    /// OCSP responses.
    OcspResponder,
    /// Security objects of cards.
    DocumentSigner,
    /// Master lists of country signing CAs.
    ListSigner,
    /// Electronic files of paper documents.
    FileSigner,
    /// Time stamps.
    TimeStamp,
    /// Messages between systems.
    Message,
    /// Challenges of cards to a terminal, and its requests for certificates.
    Terminal,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::CertificateAuthority,
        Self::OcspResponder,
        Self::DocumentSigner,
        Self::ListSigner,
        Self::FileSigner,
        Self::TimeStamp,
        Self::Message,
        Self::Terminal,
    ];

    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CertificateAuthority => "certificate-authority",
            Self::OcspResponder => "ocsp-responder",
            Self::DocumentSigner => "document-signer",
            Self::ListSigner => "list-signer",
            Self::FileSigner => "file-signer",
            Self::TimeStamp => "time-stamp",
            Self::Message => "message",
            Self::Terminal => "terminal",
        }
    }

    fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// What may be known about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its name in the store.
    pub label: String,
    /// Algorithm and size.
    pub kind: KeyKind,
    /// What it may sign.
    pub purpose: Purpose,
    /// The DER SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
}

impl KeyInfo {
    /// This key, if it is what the caller of [`KeyStore::generate`] wanted.
    fn same(self, kind: KeyKind, purpose: Purpose) -> Result<Self> {
        if self.kind == kind { self.allowed(purpose) } else { Err(KeyError::Otherwise { label: self.label }) }
    }

    fn allowed(self, purpose: Purpose) -> Result<Self> {
        if self.purpose == purpose {
            return Ok(self);
        }
        Err(KeyError::Purpose { label: self.label, made_for: self.purpose, asked_for: purpose })
    }
}

/// Labels become file names and token attributes: lower case letters, digits and hyphens, at most 64.
fn check_label(label: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=64).contains(&label.len()) && label.bytes().all(plain) && !label.starts_with('-') {
        Ok(())
    } else {
        Err(KeyError::Label)
    }
}
