//! Chip Authentication, version 1, as passports have it (ICAO 9303-11 §6.2, TR-03110-1 §3.4): no terminal need prove itself
//! before, so the terminal's key is announced nowhere, and the chip says nothing of its own but that it can use the new keys.
//!
//! ```text
//! terminal                                              chip
//! MSE:Set AT 00 22 41 A4 { 80 CA, 84 key }        ->    9000
//! GENERAL AUTHENTICATE 7C { 80 PK_PCD }           ->    7C {}                   K = x(sk * PK), keys from K
//! ```
//! The response still comes through the old channel. That the chip has the key to the public key in DG14 is proved by its
//! first answer in the new one.

use apdu::{Command, Response};
use curve::{Point, Random, SecretKey};
use tlv::oid;

use super::{DYNAMIC_AUTHENTICATION_DATA, Parameters, SessionKeys, general_authenticate};
use crate::error::Step;
use crate::security_infos::SecurityInfo;
use crate::{Error, sm};

const STEP: Step = Step::ChipAuthentication;

impl Parameters {
    /// The first ChipAuthenticationInfo of version 1 with its public key, from the security infos of DG14. DG14 must have
    /// been verified by passive authentication.
    pub fn choose_version_1(infos: &[SecurityInfo]) -> Option<(Self, Point)> {
        Self::choose_version(infos, 1)
    }
}

/// The chip's side: answers GENERAL AUTHENTICATE. Takes its data field, gives the data field of the response, which goes
/// out through the old channel, and the channel that begins with the next command.
pub fn answer(parameters: Parameters, secret: &SecretKey, data: &[u8]) -> Result<(Vec<u8>, sm::Chip), Error> {
    let peer = parameters.ephemeral_key(data)?;
    // ICAO 9303-11 §9.7.1: the keys come of the shared secret alone.
    let keys = SessionKeys::derive(secret, &peer, &[], parameters.cipher)?;
    Ok((tlv::encode(DYNAMIC_AUTHENTICATION_DATA, &[]), keys.chip()?))
}

/// The terminal's side, before anything was sent.
pub struct Start {
    parameters: Parameters,
    chip_key: Point,
    secret: SecretKey,
}

impl Start {
    /// `chip_key` comes from DG14.
    pub fn new(parameters: Parameters, chip_key: Point, rng: &mut dyn Random) -> Result<Self, Error> {
        if chip_key.curve() != parameters.curve {
            return Err(Error::Unsupported);
        }
        Ok(Self { parameters, secret: SecretKey::generate(parameters.curve, rng), chip_key })
    }

    /// MSE:Set AT.
    pub fn mse_set_at(&self) -> Command {
        self.parameters.set_at()
    }

    /// Takes the answer to MSE:Set AT and sends the ephemeral key.
    pub fn step(self, response: &Response) -> Result<(Command, AwaitAnswer), Error> {
        if !response.sw.is_ok() {
            return Err(Error::Refused { step: Step::SetAuthenticationTemplate, sw: response.sw });
        }
        Ok((general_authenticate(&self.secret.public_key()), AwaitAnswer(self)))
    }
}

/// The ephemeral key was sent.
pub struct AwaitAnswer(Start);

impl AwaitAnswer {
    /// The new channel. The chip is proved by the first answer in it that verifies, not by this one.
    pub fn step(self, response: &Response) -> Result<sm::Terminal, Error> {
        if !response.sw.is_ok() {
            return Err(Error::Refused { step: STEP, sw: response.sw });
        }
        tlv::expect(&response.data, DYNAMIC_AUTHENTICATION_DATA).map_err(|_| Error::Malformed(STEP))?;
        let Start { parameters, chip_key, secret } = self.0;
        SessionKeys::derive(&secret, &chip_key, &[], parameters.cipher)?.terminal()
    }
}

/// Runs the protocol over `transmit`, which sends one command through the old channel and returns its response.
pub fn authenticate<E: From<Error>>(
    start: Start,
    mut transmit: impl FnMut(&Command) -> Result<Response, E>,
) -> Result<sm::Terminal, E> {
    let answer = transmit(&start.mse_set_at())?;
    let (command, state) = start.step(&answer)?;
    Ok(state.step(&transmit(&command)?)?)
}

impl SecurityInfo {
    /// ChipAuthenticationInfo of version 1 (ICAO 9303-11 §9.2.5).
    pub fn chip_authentication_version_1(parameters: Parameters) -> Self {
        Self::ChipAuthentication { protocol: parameters.protocol(), version: 1, key_id: parameters.key_id }
    }

    /// ChipAuthenticationPublicKeyInfo with a public key in the form of RFC 5480, which readers of passports know (ICAO
    /// 9303-11 §9.2.5).
    pub fn chip_authentication_named_key(key: &Point, key_id: Option<u64>) -> Self {
        Self::ChipAuthenticationPublicKey {
            protocol: oid::PK_ECDH,
            spki: curve::spki_from_point(key),
            key_id,
        }
    }
}
