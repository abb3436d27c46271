//! The document signer of the country: a country signing CA (CSCA), several document signers (DS) below it, and the
//! signatures they put on what is written into cards.
//!
//! - The Public Zone: an LDS security object, signed per card ([`DocumentSigning::sign_public_zone`]).
//! - The Household Zone: the same bytes for every resident of a neighbourhood, so that nobody is tracked by them (OPEN-03).
//! - EF.CardSecurity: the chip's public keys.
//! - The Encrypted Zone: a hash for every field (DOCPKI-04); and the packages that update a card (DOCPKI-15).
//! - The electronic files of paper documents, by a key that signs no chips (DOCPKI-14).
//!
//! Several document signers work in parallel, each for a short time, a part of the cards and a number of signatures, so
//! that a compromised key affects few (DOCPKI-11). Their certificates outlive the cards. When a signer's time is over its
//! private key is destroyed. The CSCA lives in generations: a roll-over makes a new key with a link certificate from the old
//! one. A roll-over and the revocation of a signer need two persons. What is published: [`DocSigner::publication`].
//!
//! The database holds certificates, revocation lists and a log of signatures with the hash of what was signed: no content
//! and no person. The order of effects is on one page, docs/issuance-cycle.md. Left out: an LDAP server (the directory is
//! given out over HTTP and as LDIF), deviation lists.

mod ceremony;
mod config;
mod crl;
mod csca;
mod delegates;
mod error;
mod ldif;
mod once;
mod papers;
mod publication;
mod schema;
mod service;
mod signers;
mod signing;

pub use ceremony::{Act, Proposal};
pub use config::Config;
pub use error::DocSignerError;
pub use papers::PaperStatus;
pub use publication::{Published, PublishedKind};
pub use schema::MIGRATIONS;
pub use service::{DocSigner, Renewal};

use async_trait::async_trait;
use jiff::Timestamp;
use lds::household::HouseholdData;
use lds::{ChipUpdate, FieldSecurityObject, LdsSecurityObject};
use model::CardSerial;
use x509::Certificate;

/// What a call of this crate returns.
pub type Result<T, E = DocSignerError> = std::result::Result<T, E>;

/// What other systems ask of the document signer.
#[async_trait]
pub trait DocumentSigning: Send + Sync {
    /// Signs the security object of a card's Public Zone and gives the whole EF.SOD. The same card and object always get
    /// the same bytes, until their signer is revoked.
    async fn sign_public_zone(
        &self,
        card: &CardSerial,
        object: &LdsSecurityObject,
        now: Timestamp,
    ) -> Result<Vec<u8>>;

    /// Signs the Household Zone and gives its CMS SignedData: the same bytes for everybody in the neighbourhood as long as
    /// its signer signs.
    async fn sign_household(&self, data: &HouseholdData, now: Timestamp) -> Result<Vec<u8>>;

    /// Signs the SecurityInfos of a chip (a DER SET with its Chip Authentication public key) and gives EF.CardSecurity.
    async fn sign_card_security(&self, security_infos: &[u8], now: Timestamp) -> Result<Vec<u8>>;

    /// Signs the security object of a card's Encrypted Zone and gives its CMS SignedData. The same card and object always
    /// get the same bytes, until their signer is revoked.
    async fn sign_encrypted_zone(
        &self,
        card: &CardSerial,
        object: &FieldSecurityObject,
        now: Timestamp,
    ) -> Result<Vec<u8>>;

    /// Signs the package that updates a card and gives its CMS SignedData. Each number of a card has one package; a number
    /// below one that is signed already is refused.
    async fn sign_chip_update(
        &self,
        card: &CardSerial,
        update: &ChipUpdate,
        now: Timestamp,
    ) -> Result<Vec<u8>>;

    /// Signs the file of a paper document under its verification number and gives the detached CMS SignedData (DOCPKI-14). The
    /// same number and file always get the same bytes; another file under the number is refused. The log names `actor`, who asked.
    async fn sign_paper(&self, number: &str, file: &[u8], actor: &str, now: Timestamp) -> Result<Vec<u8>>;

    /// The certificate of the country signing CA that signs now.
    async fn csca_certificate(&self) -> Result<Certificate>;

    /// The certificates of the country signing CA in all its generations, with the link certificates between them: what
    /// verifies every card in the field.
    async fn csca_certificates(&self) -> Result<Vec<Certificate>>;

    /// The certificates of all document signers there ever were.
    async fn ds_certificates(&self) -> Result<Vec<SignerCertificate>>;

    /// The revocation list of the CSCA that signs now, made anew when it grows old or a signer was revoked.
    async fn csca_crl(&self, now: Timestamp) -> Result<Vec<u8>>;

    /// The cards whose Public Zone this signer signed: whom to call back when it is revoked.
    async fn cards_signed_by(&self, number: u32) -> Result<Vec<CardSerial>>;
}

/// A document signer as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerCertificate {
    /// Its number, from 1.
    pub number: u32,
    /// Its certificate.
    pub certificate: Certificate,
    /// Whether it signs, has signed, or must not be trusted.
    pub state: SignerState,
}

/// The life of a document signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerState {
    /// It signs, within the period of its private key.
    Active,
    /// Its private key is destroyed; what it signed stays valid.
    Retired,
    /// Revoked.
    Revoked,
}

impl SignerState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    pub(crate) fn from_text(text: &str) -> Result<Self> {
        [Self::Active, Self::Retired, Self::Revoked]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(DocSignerError::Inconsistent("the state of a signer"))
    }
}
