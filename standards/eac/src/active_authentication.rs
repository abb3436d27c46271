//! Active authentication with ECDSA: the chip signs a challenge with a key that DG15 holds and the security object covers
//! (ICAO 9303-11 §6.1, signature format TR-03111 §5.2.1).

use apdu::Command;
use const_oid::ObjectIdentifier;
use curve::{Hash, Point, SecretKey, Signature};
use tlv::oid;

use crate::Error;
use crate::security_infos::SecurityInfo;

/// Length of the challenge RND.IFD.
pub const CHALLENGE_LEN: usize = 8;

const ECDSA_PLAIN_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.127.0.7.1.1.4.1.1");
const ECDSA_PLAIN_SHA224: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.127.0.7.1.1.4.1.2");

/// INTERNAL AUTHENTICATE 00 88 00 00 with the challenge. `extended` asks for an answer of more than 256 bytes.
pub fn internal_authenticate(challenge: &[u8; CHALLENGE_LEN], extended: bool) -> Command {
    let command = Command::new(0x00, 0x88, 0x00, 0x00).with_data(*challenge);
    if extended { command.with_le(65_536) } else { command.with_le(256) }
}

/// The hash an ActiveAuthenticationInfo names, if the algorithm is ecdsa-plain with a hash of the SHA family.
pub fn hash_of(signature_algorithm: ObjectIdentifier) -> Option<Hash> {
    match signature_algorithm {
        ECDSA_PLAIN_SHA1 => Some(Hash::Sha1),
        ECDSA_PLAIN_SHA224 => Some(Hash::Sha224),
        oid::ECDSA_PLAIN_SHA256 => Some(Hash::Sha256),
        oid::ECDSA_PLAIN_SHA384 => Some(Hash::Sha384),
        oid::ECDSA_PLAIN_SHA512 => Some(Hash::Sha512),
        _ => None,
    }
}

/// The identifier of ecdsa-plain with `hash`.
pub const fn algorithm_of(hash: Hash) -> ObjectIdentifier {
    match hash {
        Hash::Sha1 => ECDSA_PLAIN_SHA1,
        Hash::Sha224 => ECDSA_PLAIN_SHA224,
        Hash::Sha256 => oid::ECDSA_PLAIN_SHA256,
        Hash::Sha384 => oid::ECDSA_PLAIN_SHA384,
        Hash::Sha512 => oid::ECDSA_PLAIN_SHA512,
    }
}

/// The signature algorithm among the SecurityInfos of DG14.
pub fn algorithm(infos: &[SecurityInfo]) -> Option<ObjectIdentifier> {
    infos.iter().find_map(|info| match info {
        SecurityInfo::ActiveAuthentication { signature_algorithm, .. } => Some(*signature_algorithm),
        _ => None,
    })
}

/// The chip's side: r||s over the hash of the challenge, each half of fixed length.
pub fn sign(key: &SecretKey, hash: Hash, challenge: &[u8]) -> Vec<u8> {
    key.sign_digest(&hash.digest(challenge)).to_plain()
}

/// The terminal's side: verifies r||s with the key of DG15 (a SubjectPublicKeyInfo).
// ICAO 9303-11 §6.1.2.3: ECDSA signatures are plain (TR-03111), not ASN.1.
pub fn verify(spki: &[u8], hash: Hash, challenge: &[u8], signature: &[u8]) -> Result<(), Error> {
    let point: Point = curve::point_from_spki(spki).map_err(|_| Error::Unsupported)?;
    let signature = Signature::from_plain(point.curve(), signature).map_err(|_| Error::Signature)?;
    curve::verify_digest(&point, &hash.digest(challenge), &signature).map_err(|_| Error::Signature)
}
