//! The certificate zone's own commands, with the codes of the SmartCard-HSM profile: ENUMERATE OBJECTS, SIGN, DECIPHER.

use apdu::{Command, Response, StatusWord};
use curve::rsa::RsaPrivateKey;
use curve::{Curve, Hash, Point, SecretKey};

use crate::access::Condition;
use crate::application::Application;
use crate::chip::Chip;
use crate::error::Reply;
use crate::files::{Content, Directory, FILES, Pkcs15};
use crate::keys::{CERTIFIED, ENCRYPTION_EC, ENCRYPTION_RSA, PrivateKey, SIGNING_EC, SIGNING_RSA};
use crate::nvm::key;
use crate::rsa_padding;

/// How SIGN signs (P2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signing {
    RsaBlock,
    RsaPkcs1Prepared,
    RsaPkcs1(Hash),
    RsaPssPrepared,
    RsaPss(Hash),
    EcdsaPrepared,
    Ecdsa(Hash),
}

impl TryFrom<u8> for Signing {
    type Error = StatusWord;

    fn try_from(p2: u8) -> Result<Self, StatusWord> {
        Ok(match p2 {
            0x20 => Self::RsaBlock,
            0x30 => Self::RsaPkcs1Prepared,
            0x33 => Self::RsaPkcs1(Hash::Sha256),
            0x34 => Self::RsaPkcs1(Hash::Sha384),
            0x35 => Self::RsaPkcs1(Hash::Sha512),
            0x40 => Self::RsaPssPrepared,
            0x43 => Self::RsaPss(Hash::Sha256),
            0x44 => Self::RsaPss(Hash::Sha384),
            0x45 => Self::RsaPss(Hash::Sha512),
            0x70 => Self::EcdsaPrepared,
            0x72 => Self::Ecdsa(Hash::Sha224),
            0x73 => Self::Ecdsa(Hash::Sha256),
            0x74 => Self::Ecdsa(Hash::Sha384),
            0x75 => Self::Ecdsa(Hash::Sha512),
            // SHA-1 signs nothing here.
            0x31 | 0x41 | 0x71 => return Err(StatusWord::FUNCTION_NOT_SUPPORTED),
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        })
    }
}

/// The shortest DER signature on P-521 that clients of this profile read as one: they take the curve from the length.
// OpenSC 0.23, card-sc-hsm.c: up to 137 bytes count as a 512-bit curve.
const MIN_DER_P521: usize = 138;

impl Chip {
    pub(crate) fn enumerate_objects(&mut self, command: &Command) -> Reply {
        if (command.p1, command.p2) != (0, 0) {
            return Err(StatusWord::INCORRECT_P1_P2.into());
        }
        if self.session.selected != Application::SmartCardHsm {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into());
        }
        let condition = self.profile.map_or(Condition::Never, |p| p.read_certificate);
        if !condition.is_met(self.session.status()) {
            return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED.into());
        }
        let pin2_is_set = self.pin2_is_set();
        let list = FILES
            .iter()
            .filter(|f| f.directory == Directory::SmartCardHsm && (pin2_is_set || !f.needs_pin2_set()))
            .filter(|f| match f.content {
                Content::Stored(record) => self.nvm.load(record).is_some(),
                Content::PrivateKey(slot)
                | Content::Pkcs15(Pkcs15::PrivateKey(slot) | Pkcs15::CaCertificate(slot)) => {
                    self.has_certificate(slot)
                }
                _ => true,
            })
            .flat_map(|f| f.fid.to_be_bytes())
            .collect::<Vec<_>>();
        Ok(Response::ok(list))
    }

    pub(crate) fn sign(&mut self, command: &Command) -> Reply {
        let signing = Signing::try_from(command.p2)?;
        let private = self.usable_key(command.p1, &[SIGNING_RSA, SIGNING_EC])?;
        let data = command.data.as_slice();
        let signature = match (&*private, signing) {
            (PrivateKey::Rsa(key), Signing::RsaBlock) => raw(key, data)?,
            (PrivateKey::Rsa(key), Signing::RsaPkcs1Prepared) => {
                raw(key, &rsa_padding::pkcs1(data, key.size()).ok_or(StatusWord::WRONG_DATA)?)?
            }
            (PrivateKey::Rsa(key), Signing::RsaPkcs1(hash)) => {
                key.sign_pkcs1(hash, &hash.digest(data)).map_err(|_| StatusWord::UNKNOWN)?
            }
            (PrivateKey::Rsa(key), Signing::RsaPssPrepared) => {
                let (hash, digest) = rsa_padding::pss_input(data).ok_or(StatusWord::WRONG_DATA)?;
                raw(key, &rsa_padding::pss(hash, digest, key.size(), &mut *self.rng))?
            }
            (PrivateKey::Rsa(key), Signing::RsaPss(hash)) => {
                raw(key, &rsa_padding::pss(hash, &hash.digest(data), key.size(), &mut *self.rng))?
            }
            // From SHA-224 up to the length of the longest order.
            (PrivateKey::Ec(key), Signing::EcdsaPrepared) if (28..=66).contains(&data.len()) => {
                ecdsa(key, data)
            }
            (PrivateKey::Ec(_), Signing::EcdsaPrepared) => return Err(StatusWord::WRONG_DATA.into()),
            (PrivateKey::Ec(key), Signing::Ecdsa(hash)) => ecdsa(key, &hash.digest(data)),
            _ => return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into()),
        };
        Ok(Response::ok(signature))
    }

    pub(crate) fn decipher(&mut self, command: &Command) -> Reply {
        if !matches!(command.p2, 0x21 | 0x80) {
            return Err(StatusWord::INCORRECT_P1_P2.into());
        }
        let private = self.usable_key(command.p1, &[ENCRYPTION_RSA, ENCRYPTION_EC])?;
        let plain = match (&*private, command.p2) {
            (PrivateKey::Rsa(key), 0x21) => raw(key, &command.data)?,
            (PrivateKey::Ec(key), 0x80) => {
                let point = Point::from_uncompressed(key.curve(), &command.data)
                    .map_err(|_| StatusWord::WRONG_DATA)?;
                key.agree_point(&point).map_err(|_| StatusWord::WRONG_DATA)?.to_uncompressed()
            }
            _ => return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into()),
        };
        Ok(Response::ok(plain))
    }

    /// The private key in `slot`, if PIN2 was verified and the key is one of those the command may use.
    fn usable_key(&mut self, slot: u8, allowed: &[u8]) -> Result<std::sync::Arc<PrivateKey>, StatusWord> {
        if !matches!(self.session.selected, Application::SmartCardHsm | Application::Pkcs15) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let condition = self.profile.map_or(Condition::Never, |p| p.use_certificate);
        if !condition.is_met(self.session.status()) {
            return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
        }
        if !CERTIFIED.contains(&slot) || !self.has_certificate(slot) {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
        }
        // CARD-37: one pair for signatures, one for decipherment; neither does the other's work.
        if !allowed.contains(&slot) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        self.private_key(slot)
    }

    /// Whether a certificate lies in `slot` (5 and 6: root and intermediate).
    pub(crate) fn has_certificate(&self, slot: u8) -> bool {
        self.nvm.load(key::CERTIFICATE + u16::from(slot)).is_some()
    }
}

fn raw(key: &RsaPrivateKey, block: &[u8]) -> Result<Vec<u8>, StatusWord> {
    key.private_raw(block).map_err(|_| StatusWord::WRONG_DATA)
}

/// ECDSA in DER, signed again while it is too short for clients to know the curve by (about one signature in twenty).
fn ecdsa(key: &SecretKey, digest: &[u8]) -> Vec<u8> {
    let mut signature = key.sign_digest(digest).to_der();
    while key.curve() == Curve::P521 && signature.len() < MIN_DER_P521 {
        signature = key.sign_digest(digest).to_der();
    }
    signature
}
