//! The terminal's side of Chip Authentication.

use apdu::{Command, Response};
use curve::{Point, SecretKey};

use super::{DYNAMIC_AUTHENTICATION_DATA, NONCE, Parameters, SessionKeys, TOKEN, general_authenticate};
use crate::error::Step;
use crate::terminal_authentication::terminal::EphemeralKey;
use crate::{Error, sm};

/// Before anything was sent.
pub struct Start {
    parameters: Parameters,
    chip_key: Point,
    secret: SecretKey,
}

impl Start {
    /// `chip_key` comes from EF.CardSecurity, `key` is the one that Terminal Authentication announced.
    pub fn new(parameters: Parameters, chip_key: Point, key: EphemeralKey) -> Result<Self, Error> {
        let secret = key.into_secret();
        if chip_key.curve() != parameters.curve || secret.curve() != parameters.curve {
            return Err(Error::Unsupported);
        }
        Ok(Self { parameters, chip_key, secret })
    }

    /// MSE:Set AT.
    pub fn mse_set_at(&self) -> Command {
        self.parameters.set_at()
    }

    /// Takes the answer to MSE:Set AT and sends the ephemeral key.
    pub fn step(self, response: &Response) -> Result<(Command, AwaitToken), Error> {
        if !response.sw.is_ok() {
            return Err(Error::Refused { step: Step::SetAuthenticationTemplate, sw: response.sw });
        }
        let public = self.secret.public_key();
        Ok((general_authenticate(&public), AwaitToken { start: self, public }))
    }
}

/// The ephemeral key was sent.
pub struct AwaitToken {
    start: Start,
    public: Point,
}

impl AwaitToken {
    /// Checks the chip's token: it holds the private key. Gives the new channel.
    pub fn step(self, response: &Response) -> Result<sm::Terminal, Error> {
        const STEP: Step = Step::ChipAuthentication;
        if !response.sw.is_ok() {
            return Err(Error::Refused { step: STEP, sw: response.sw });
        }
        let template =
            tlv::expect(&response.data, DYNAMIC_AUTHENTICATION_DATA).map_err(|_| Error::Malformed(STEP))?;
        let (nonce, token) = match tlv::read_all(template.value).as_deref() {
            Ok([nonce, token]) if nonce.tag == NONCE && token.tag == TOKEN => (nonce.value, token.value),
            _ => return Err(Error::Malformed(STEP)),
        };
        let Start { parameters, chip_key, secret } = self.start;
        let keys = SessionKeys::derive(&secret, &chip_key, nonce, parameters.cipher)?;
        if !curve::constant_time_eq(token, &keys.token(parameters.protocol(), &self.public)?) {
            return Err(Error::CardToken);
        }
        keys.terminal()
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
