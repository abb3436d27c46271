//! The terminal's side of PACE.
//!
//! `Start` gives MSE:Set AT; every further state takes the card's response and gives the next command:
//! `Start` -> `AwaitNonce` -> `AwaitMapping` -> `AwaitKeyAgreement` -> `AwaitToken` -> [`Session`].

use apdu::{Command, Response};
use curve::{Generator, Point, Random, SecretBytes, SecretKey, aes};
use zeroize::Zeroizing;

use super::{
    BLOCK, CERTIFICATION_AUTHORITY, CERTIFICATION_AUTHORITY_PREVIOUS, DYNAMIC_AUTHENTICATION_DATA,
    ENCRYPTED_NONCE, EPHEMERAL_CHIP, EPHEMERAL_TERMINAL, MAPPING_CHIP, MAPPING_TERMINAL, MAX_NONCE,
    Parameters, SessionKeys, SetAuthenticationTemplate, TOKEN_CHIP, TOKEN_TERMINAL, peer_key, sole_object,
    template,
};
use crate::error::Step;
use crate::{Error, Password, PasswordReference, sm};

/// GENERAL AUTHENTICATE 00 86 00 00; all but the last of a run carry the chaining bit.
// ICAO 9303-11 §4.4.4.2: command chaining MUST be used to link the commands.
fn general_authenticate(data: Vec<u8>, last: bool) -> Command {
    Command::new(if last { 0x00 } else { 0x10 }, 0x86, 0x00, 0x00).with_data(data).with_le(256)
}

fn accept(response: &Response, step: Step) -> Result<&[u8], Error> {
    if response.sw.is_ok() { Ok(&response.data) } else { Err(Error::Refused { step, sw: response.sw }) }
}

/// Before anything was sent.
pub struct Start {
    parameters: Parameters,
    reference: PasswordReference,
    key: SecretBytes,
    name_parameters: bool,
    chat: Option<Vec<u8>>,
}

impl Start {
    /// A run with these parameters and this password.
    pub fn new(parameters: Parameters, password: &Password) -> Result<Self, Error> {
        Ok(Self {
            parameters,
            reference: password.reference(),
            key: password.key(parameters.cipher)?,
            name_parameters: true,
            chat: None,
        })
    }

    /// Leaves data object 84 out of MSE:Set AT, for a card with one set of parameters that does not accept it.
    #[must_use]
    pub fn without_parameter_id(mut self) -> Self {
        self.name_parameters = false;
        self
    }

    /// Announces the rights of the terminal certificate that will follow (the value of data object 7F4C).
    #[must_use]
    pub fn with_chat(mut self, chat: Vec<u8>) -> Self {
        self.chat = Some(chat);
        self
    }

    /// MSE:Set AT for this run.
    pub fn mse_set_at(&self) -> Command {
        SetAuthenticationTemplate {
            protocol: self.parameters.protocol(),
            password: self.reference as u8,
            parameter_id: self.name_parameters.then(|| self.parameters.curve.parameter_id()),
            chat: self.chat.clone(),
        }
        .command()
    }

    /// Takes the answer to MSE:Set AT and asks for the nonce.
    pub fn step(self, response: &Response) -> Result<(Command, AwaitNonce), Error> {
        // TR-03110-3 §B.11.1: 63Cx is a warning with the number of tries left; the protocol may go on while x > 0.
        let may_go_on = response.sw.is_ok() || response.sw.remaining_tries().is_some_and(|tries| tries > 0);
        if !may_go_on {
            return Err(Error::Refused { step: Step::SetAuthenticationTemplate, sw: response.sw });
        }
        let command = general_authenticate(vec![DYNAMIC_AUTHENTICATION_DATA as u8, 0], false);
        Ok((command, AwaitNonce { parameters: self.parameters, key: self.key }))
    }
}

/// The encrypted nonce was asked for.
pub struct AwaitNonce {
    parameters: Parameters,
    key: SecretBytes,
}

impl AwaitNonce {
    /// Decrypts the nonce and sends our mapping key.
    pub fn step(self, response: &Response, rng: &mut dyn Random) -> Result<(Command, AwaitMapping), Error> {
        let data = accept(response, Step::Nonce)?;
        let encrypted = sole_object(data, ENCRYPTED_NONCE, Step::Nonce)?;
        if encrypted.is_empty() || encrypted.len() > MAX_NONCE || !encrypted.len().is_multiple_of(BLOCK) {
            return Err(Error::Malformed(Step::Nonce));
        }
        // ICAO 9303-11 §4.4.4.3: z = E(K_π, s), CBC without padding, IV zero.
        let nonce = aes::cbc_decrypt(self.key.expose(), &[0; BLOCK], encrypted).map_err(|_| Error::Crypto)?;
        let key = SecretKey::generate(self.parameters.curve, rng);
        let public = key.public_key();
        let command = general_authenticate(template(MAPPING_TERMINAL, public.as_uncompressed()), false);
        let next = AwaitMapping { parameters: self.parameters, nonce: Zeroizing::new(nonce), key, public };
        Ok((command, next))
    }
}

/// Our mapping key was sent.
pub struct AwaitMapping {
    parameters: Parameters,
    nonce: Zeroizing<Vec<u8>>,
    key: SecretKey,
    public: Point,
}

impl AwaitMapping {
    /// Maps the nonce to the generator of this session and sends our ephemeral key.
    pub fn step(
        self,
        response: &Response,
        rng: &mut dyn Random,
    ) -> Result<(Command, AwaitKeyAgreement), Error> {
        let data = accept(response, Step::Mapping)?;
        let encoded = sole_object(data, MAPPING_CHIP, Step::Mapping)?;
        let peer = peer_key(self.parameters.curve, encoded, &self.public, Step::Mapping)?;
        // ICAO 9303-11 §4.4.3.3.1: H = KA(sk, PK), G' = s*G + H.
        let shared = self.key.agree_point(&peer).map_err(|_| Error::InvalidPoint(Step::Mapping))?;
        let generator =
            Generator::map_generic(&self.nonce, &shared).map_err(|_| Error::InvalidPoint(Step::Mapping))?;
        let key = generator.generate_key(rng);
        let public = generator.public_key(&key);
        let command = general_authenticate(template(EPHEMERAL_TERMINAL, public.as_uncompressed()), false);
        Ok((command, AwaitKeyAgreement { parameters: self.parameters, key, public }))
    }
}

/// Our ephemeral key was sent.
pub struct AwaitKeyAgreement {
    parameters: Parameters,
    key: SecretKey,
    public: Point,
}

impl AwaitKeyAgreement {
    /// Derives the session keys and sends our token.
    pub fn step(self, response: &Response) -> Result<(Command, AwaitToken), Error> {
        let data = accept(response, Step::KeyAgreement)?;
        let encoded = sole_object(data, EPHEMERAL_CHIP, Step::KeyAgreement)?;
        let peer = peer_key(self.parameters.curve, encoded, &self.public, Step::KeyAgreement)?;
        let shared = self.key.agree(&peer).map_err(|_| Error::InvalidPoint(Step::KeyAgreement))?;
        let keys = SessionKeys::derive(&shared, self.parameters.cipher);
        let protocol = self.parameters.protocol();
        let command = general_authenticate(template(TOKEN_TERMINAL, &keys.token(protocol, &peer)?), true);
        let expected = keys.token(protocol, &self.public)?;
        Ok((command, AwaitToken { keys, expected, id_picc: peer.x() }))
    }
}

/// Our token was sent.
pub struct AwaitToken {
    keys: SessionKeys,
    expected: [u8; 8],
    id_picc: Vec<u8>,
}

impl AwaitToken {
    /// Checks the card's token and opens the secure channel.
    pub fn step(self, response: &Response) -> Result<Session, Error> {
        // TR-03110-3 §B.1.2: 63xx says that the password was wrong; x counts the tries left where a counter exists.
        if response.sw.0 & 0xFF00 == 0x6300 {
            return Err(Error::WrongPassword { tries_left: response.sw.remaining_tries() });
        }
        let data = accept(response, Step::Token)?;
        const MALFORMED: Error = Error::Malformed(Step::Token);
        let template = tlv::expect(data, DYNAMIC_AUTHENTICATION_DATA).map_err(|_| MALFORMED)?;
        let objects = tlv::read_all(template.value).map_err(|_| MALFORMED)?;
        let value = |tag| objects.iter().find(|object| object.tag == tag).map(|object| object.value);
        let token = value(TOKEN_CHIP).ok_or(MALFORMED)?;
        if !curve::constant_time_eq(token, &self.expected) {
            return Err(Error::CardToken);
        }
        Ok(Session {
            sm: self.keys.terminal()?,
            id_picc: self.id_picc,
            certification_authority: value(CERTIFICATION_AUTHORITY).map(<[u8]>::to_vec),
            certification_authority_previous: value(CERTIFICATION_AUTHORITY_PREVIOUS).map(<[u8]>::to_vec),
        })
    }
}

/// An open secure channel and what Terminal Authentication needs from PACE.
pub struct Session {
    /// The terminal's end of the channel.
    pub sm: sm::Terminal,
    /// ID_PICC: the x-coordinate of the chip's ephemeral key.
    pub id_picc: Vec<u8>,
    /// The trust point the chip announced (data object 87).
    pub certification_authority: Option<Vec<u8>>,
    /// The trust point before it (data object 88).
    pub certification_authority_previous: Option<Vec<u8>>,
}

/// Runs the whole protocol over `transmit`, which sends one command and returns its response.
pub fn establish<E: From<Error>>(
    start: Start,
    rng: &mut dyn Random,
    mut transmit: impl FnMut(&Command) -> Result<Response, E>,
) -> Result<Session, E> {
    let answer = transmit(&start.mse_set_at())?;
    let (command, state) = start.step(&answer)?;
    let (command, state) = state.step(&transmit(&command)?, rng)?;
    let (command, state) = state.step(&transmit(&command)?, rng)?;
    let (command, state) = state.step(&transmit(&command)?)?;
    Ok(state.step(&transmit(&command)?)?)
}
