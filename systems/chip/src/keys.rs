//! The private keys of the chip: made on it, used on it, never outside it.

use std::sync::Arc;

use apdu::StatusWord;
use curve::rsa::RsaPrivateKey;
use curve::{Random, SecretBytes, SecretKey};
use x509::{Name, SignatureAlgorithm};

use crate::chip::Chip;
use crate::nvm::key;
use crate::profile::Profile;

/// RSA for signatures.
pub(crate) const SIGNING_RSA: u8 = 1;
/// RSA for decipherment.
pub(crate) const ENCRYPTION_RSA: u8 = 2;
/// Elliptic curve for signatures.
pub(crate) const SIGNING_EC: u8 = 3;
/// Elliptic curve for key agreement.
pub(crate) const ENCRYPTION_EC: u8 = 4;
/// Active authentication.
pub(crate) const ACTIVE_AUTHENTICATION: u8 = 5;
/// Chip authentication.
pub(crate) const CHIP_AUTHENTICATION: u8 = 6;

/// Restricted Identification, on cards whose profile has it: as secret as the others, and of no use for anything else.
pub(crate) const RESTRICTED_IDENTIFICATION: u8 = 7;

/// Every key pair of a card.
// CARD-37: four of the certificate zone; CARD-48: one each for active and chip authentication.
pub(crate) const ALL: [u8; 6] =
    [SIGNING_RSA, ENCRYPTION_RSA, SIGNING_EC, ENCRYPTION_EC, ACTIVE_AUTHENTICATION, CHIP_AUTHENTICATION];
/// The key pairs of the certificate zone.
pub(crate) const CERTIFIED: [u8; 4] = [SIGNING_RSA, ENCRYPTION_RSA, SIGNING_EC, ENCRYPTION_EC];

/// The key pairs that a card with this profile makes.
pub(crate) fn made_by(profile: &Profile) -> impl Iterator<Item = u8> {
    ALL.into_iter().chain(profile.restricted_identification.then_some(RESTRICTED_IDENTIFICATION))
}

/// One private key.
pub(crate) enum PrivateKey {
    Rsa(RsaPrivateKey),
    Ec(SecretKey),
}

impl PrivateKey {
    /// Makes the key of a slot.
    pub(crate) fn generate(slot: u8, profile: &Profile, rng: &mut dyn Random) -> Result<Self, curve::Error> {
        Ok(match slot {
            SIGNING_RSA | ENCRYPTION_RSA => Self::Rsa(RsaPrivateKey::generate(profile.rsa_bits)?),
            _ => Self::Ec(SecretKey::generate(profile.curve, rng)),
        })
    }

    /// How it lies in the memory.
    pub(crate) fn to_record(&self) -> SecretBytes {
        match self {
            Self::Rsa(key) => key.to_pkcs8(),
            Self::Ec(key) => key.to_pkcs8(),
        }
    }

    fn from_record(slot: u8, record: &[u8]) -> Result<Self, curve::Error> {
        match slot {
            SIGNING_RSA | ENCRYPTION_RSA => RsaPrivateKey::from_pkcs8(record).map(Self::Rsa),
            _ => SecretKey::from_pkcs8(record).map(Self::Ec),
        }
    }

    /// The SubjectPublicKeyInfo.
    pub(crate) fn spki(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => key.public().spki(),
            Self::Ec(key) => curve::spki_from_point(&key.public_key()),
        }
    }

    pub(crate) const fn ec(&self) -> Option<&SecretKey> {
        match self {
            Self::Ec(key) => Some(key),
            Self::Rsa(_) => None,
        }
    }

    /// A certification request for this key: proves that the chip has it (RFC 2986).
    pub(crate) fn request(&self, serial: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let subject = Name::builder().common_name(serial).build()?;
        match self {
            Self::Rsa(key) => {
                let algorithm = SignatureAlgorithm::RsaSha256;
                Ok(x509::csr::build(&subject, &self.spki(), algorithm, |info| {
                    key.sign_pkcs1(algorithm.hash(), &algorithm.hash().digest(info))
                })?)
            }
            Self::Ec(key) => {
                let algorithm = SignatureAlgorithm::for_curve(key.curve());
                Ok(x509::csr::build(&subject, &self.spki(), algorithm, |info| {
                    Ok::<_, curve::Error>(key.sign_digest(&algorithm.hash().digest(info)).to_der())
                })?)
            }
        }
    }
}

/// Private keys that have been read from memory once.
#[derive(Default)]
pub(crate) struct KeyRing([Option<Arc<PrivateKey>>; RESTRICTED_IDENTIFICATION as usize]);

impl Chip {
    /// The private key of a slot.
    pub(crate) fn private_key(&mut self, slot: u8) -> Result<Arc<PrivateKey>, StatusWord> {
        let place = usize::from(slot).checked_sub(1).filter(|i| *i < self.keys.0.len());
        let place = place.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        if let Some(key) = &self.keys.0[place] {
            return Ok(Arc::clone(key));
        }
        let record = self
            .nvm
            .secret(key::PRIVATE_KEY + u16::from(slot))
            .ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        let private =
            PrivateKey::from_record(slot, record.expose()).map_err(|_| StatusWord::MEMORY_FAILURE)?;
        Ok(Arc::clone(self.keys.0[place].insert(Arc::new(private))))
    }

    /// Forgets what was read: the memory has other keys now.
    pub(crate) fn forget_keys(&mut self) {
        self.keys = KeyRing::default();
    }
}
