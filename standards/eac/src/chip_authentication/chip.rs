//! The chip's side of Chip Authentication.

use curve::{Random, SecretKey};

use super::{DYNAMIC_AUTHENTICATION_DATA, NONCE, NONCE_LEN, Parameters, SessionKeys, TOKEN};
use crate::{Error, sm};

/// Answers GENERAL AUTHENTICATE: takes its data field, gives the data field of the response, which goes out through the old
/// channel, and the channel that begins with the next command. `compressed_key` is what Terminal Authentication announced.
pub fn authenticate(
    parameters: Parameters,
    secret: &SecretKey,
    compressed_key: &[u8],
    data: &[u8],
    rng: &mut dyn Random,
) -> Result<(Vec<u8>, sm::Chip), Error> {
    let peer = parameters.ephemeral_key(data)?;
    // TR-03110-2 §3.4, version 2: the key must be the one that was signed in Terminal Authentication.
    if peer.x() != compressed_key {
        return Err(Error::AnotherKey);
    }
    let mut nonce = [0; NONCE_LEN];
    rng.fill(&mut nonce);
    let keys = SessionKeys::derive(secret, &peer, &nonce, parameters.cipher)?;
    let token = keys.token(parameters.protocol(), &peer)?;
    let objects = [tlv::encode(NONCE, &nonce), tlv::encode(TOKEN, &token)].concat();
    Ok((tlv::encode(DYNAMIC_AUTHENTICATION_DATA, &objects), keys.chip()?))
}
