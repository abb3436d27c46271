//! One-way packages to a system's P-521 key: ephemeral ECDH, HKDF-SHA-512, AES-256-GCM.
//!
//! The form is `04 || x || y` of the ephemeral key (133 bytes), 12 bytes of nonce, ciphertext, tag. Both public
//! keys and the context go into the key derivation, so a package opens for one recipient and one purpose only.
//! The sender's name is not proved by a package: the channel that carries it does that.

use curve::{Curve, Point, Random, SecretBytes, SecretKey};

use crate::SealError;
use crate::keys::{DataKey, expand};

/// Length of an uncompressed P-521 point.
const POINT_LEN: usize = 133;

/// Seals `plain` to `recipient` for the purpose `context`.
pub fn seal(
    recipient: &Point,
    random: &mut dyn Random,
    context: &str,
    plain: &[u8],
) -> Result<Vec<u8>, SealError> {
    if recipient.curve() != Curve::P521 {
        return Err(SealError::Recipient);
    }
    let ephemeral = SecretKey::generate(Curve::P521, random);
    let shared = ephemeral.agree(recipient).map_err(|_| SealError::Crypto)?;
    let ephemeral_public = ephemeral.public_key().to_uncompressed();
    let key = content_key(&shared, &ephemeral_public, recipient, context);
    let mut out = ephemeral_public;
    out.extend_from_slice(&key.seal(random, context, plain)?);
    Ok(out)
}

/// Opens a package with the recipient's private key.
pub fn open(recipient: &SecretKey, context: &str, package: &[u8]) -> Result<SecretBytes, SealError> {
    let public = recipient.public_key();
    if public.curve() != Curve::P521 {
        return Err(SealError::Recipient);
    }
    let (ephemeral, body) = package.split_at_checked(POINT_LEN).ok_or(SealError::Open)?;
    let point = Point::from_uncompressed(Curve::P521, ephemeral).map_err(|_| SealError::Open)?;
    let shared = recipient.agree(&point).map_err(|_| SealError::Open)?;
    content_key(&shared, ephemeral, &public, context).open(context, body)
}

fn content_key(shared: &SecretBytes, ephemeral: &[u8], recipient: &Point, context: &str) -> DataKey {
    let mut info = Vec::with_capacity(2 * POINT_LEN + context.len());
    info.extend_from_slice(ephemeral);
    info.extend_from_slice(&recipient.to_uncompressed());
    info.extend_from_slice(context.as_bytes());
    DataKey::from_array(*expand(shared.expose(), &info))
}
