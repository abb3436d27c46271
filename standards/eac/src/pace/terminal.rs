//! The terminal's side of PACE.
//!
//! `Start` gives MSE:Set AT; every further state takes the card's response and gives the next command:
//! `Start` -> `AwaitNonce` -> `AwaitMapping` -> `AwaitKeyAgreement` -> `AwaitToken` -> [`Session`].

use apdu::{Command, Response};
use curve::{Generator, Point, Random, SecretBytes, SecretKey, aes};
use zeroize::Zeroizing;

use super::{
    BLOCK, CERTIFICATION_AUTHORITY, CERTIFICATION_AUTHORITY_PREVIOUS, CHIP_AUTHENTICATION_DATA, ChipProof,
    DYNAMIC_AUTHENTICATION_DATA, ENCRYPTED_NONCE, EPHEMERAL_CHIP, EPHEMERAL_TERMINAL, MAPPING_CHIP,
    MAPPING_TERMINAL, MAX_NONCE, Mapping, Parameters, SessionKeys, SetAuthenticationTemplate, TOKEN_CHIP,
    TOKEN_TERMINAL, integrated, peer_key, sole_object, template,
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
        let Parameters { mapping, curve, cipher } = self.parameters;
        if !self.parameters.is_possible() {
            return Err(Error::Unsupported);
        }
        // ICAO 9303-11 §4.4.3.3: z = E(K_π, s), CBC without padding, IV zero.
        let nonce = aes::cbc_decrypt(self.key.expose(), &[0; BLOCK], encrypted).map_err(|_| Error::Crypto)?;
        let (sent, object) = match mapping {
            Mapping::Integrated if nonce.len() != integrated::chip_nonce_len(cipher) => {
                return Err(Error::Malformed(Step::Nonce));
            }
            Mapping::Integrated => {
                let mut own = vec![0; integrated::terminal_nonce_len(cipher)];
                rng.fill(&mut own);
                (Sent::Nonce(own.clone()), own)
            }
            Mapping::Generic | Mapping::ChipAuthentication => {
                let key = SecretKey::generate(curve, rng);
                let public = key.public_key();
                let object = public.to_uncompressed();
                (Sent::Key(key, public), object)
            }
        };
        let command = general_authenticate(template(MAPPING_TERMINAL, &object), false);
        let next = AwaitMapping { parameters: self.parameters, nonce: Zeroizing::new(nonce), sent };
        Ok((command, next))
    }
}

/// What went out for the mapping.
enum Sent {
    /// Integrated mapping: our nonce t.
    Nonce(Vec<u8>),
    /// The other two: our mapping key.
    Key(SecretKey, Point),
}

/// Our mapping data were sent.
pub struct AwaitMapping {
    parameters: Parameters,
    nonce: Zeroizing<Vec<u8>>,
    sent: Sent,
}

impl AwaitMapping {
    /// Maps the nonce to the generator of this session and sends our ephemeral key.
    pub fn step(
        self,
        response: &Response,
        rng: &mut dyn Random,
    ) -> Result<(Command, AwaitKeyAgreement), Error> {
        let data = accept(response, Step::Mapping)?;
        let received = sole_object(data, MAPPING_CHIP, Step::Mapping)?;
        let Parameters { mapping, curve, cipher } = self.parameters;
        let (generator, mapping_key) = match self.sent {
            // ICAO 9303-11 §4.4.5.2.2: data object 82 SHALL be empty.
            Sent::Nonce(_) if !received.is_empty() => return Err(Error::Malformed(Step::Mapping)),
            Sent::Nonce(own) => (integrated::map(curve, cipher, &self.nonce, &own)?, None),
            Sent::Key(key, public) => {
                let peer = peer_key(curve, received, &public, Step::Mapping)?;
                // ICAO 9303-11 §4.4.3.3.1: H = KA(sk, PK), G' = s*G + H.
                let shared = key.agree_point(&peer).map_err(|_| Error::InvalidPoint(Step::Mapping))?;
                let generator = Generator::map_generic(&self.nonce, &shared)
                    .map_err(|_| Error::InvalidPoint(Step::Mapping))?;
                (generator, (mapping == Mapping::ChipAuthentication).then_some(peer))
            }
        };
        let key = generator.generate_key(rng);
        let public = generator.public_key(&key);
        let command = general_authenticate(template(EPHEMERAL_TERMINAL, public.as_uncompressed()), false);
        Ok((command, AwaitKeyAgreement { parameters: self.parameters, key, public, mapping_key }))
    }
}

/// Our ephemeral key was sent.
pub struct AwaitKeyAgreement {
    parameters: Parameters,
    key: SecretKey,
    public: Point,
    /// The chip's mapping key, where it is to prove its static key.
    mapping_key: Option<Point>,
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
        let (id_picc, mapping_key) = (peer.x(), self.mapping_key);
        Ok((command, AwaitToken { keys, expected, id_picc, mapping_key }))
    }
}

/// Our token was sent.
pub struct AwaitToken {
    keys: SessionKeys,
    expected: [u8; 8],
    id_picc: Vec<u8>,
    mapping_key: Option<Point>,
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
        // ICAO 9303-11 §4.4.5: data object 8A MUST be there with chip authentication mapping and MUST NOT otherwise.
        let chip_proof = match (self.mapping_key, value(CHIP_AUTHENTICATION_DATA)) {
            (None, None) => None,
            (Some(key), Some(encrypted)) => {
                Some(ChipProof::new(self.keys.decrypt_chip_data(key.curve(), encrypted)?, key))
            }
            _ => return Err(MALFORMED),
        };
        Ok(Session {
            sm: self.keys.terminal()?,
            id_picc: self.id_picc,
            chip_proof,
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
    /// With chip authentication mapping: what is still to be verified with the key of EF.CardSecurity.
    pub chip_proof: Option<ChipProof>,
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
