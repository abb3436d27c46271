//! The chip's side of PACE.
//!
//! The chip engine owns MSE:Set AT, retry counters and command chaining; here is the protocol itself. [`Pace`] holds the
//! state of a run between commands. It takes the dynamic authentication data of each GENERAL AUTHENTICATE and gives the
//! response data. Retry counters belong to the caller: count a try *before* the last step and restore it on success.

use curve::{Generator, Point, Random, SecretBytes, SecretKey, aes};
use zeroize::Zeroizing;

use super::{
    BLOCK, CERTIFICATION_AUTHORITY, CERTIFICATION_AUTHORITY_PREVIOUS, CHIP_AUTHENTICATION_DATA,
    DYNAMIC_AUTHENTICATION_DATA, ENCRYPTED_NONCE, EPHEMERAL_CHIP, EPHEMERAL_TERMINAL, MAPPING_CHIP,
    MAPPING_TERMINAL, Mapping, Parameters, SessionKeys, TOKEN_CHIP, TOKEN_TERMINAL, integrated, peer_key,
    sole_object, template,
};
use crate::error::Step;
use crate::{Error, sm};

/// A run of PACE, waiting for its next command.
pub struct Pace(State);

enum State {
    Nonce(AwaitNonceRequest),
    Mapping(AwaitMapping),
    KeyAgreement(AwaitKeyAgreement),
    Token(AwaitToken),
}

/// What a step leads to.
pub enum Next {
    /// Another GENERAL AUTHENTICATE must follow.
    Continue(Pace),
    /// The terminal knows the password. Send the response in the clear; the channel begins with the next command.
    Done(Session),
}

/// An open secure channel and what Terminal Authentication needs from PACE.
pub struct Session {
    /// The chip's end of the channel.
    pub sm: sm::Chip,
    /// ID_PICC: the x-coordinate of the chip's ephemeral key.
    pub id_picc: Vec<u8>,
}

impl Pace {
    /// A run after MSE:Set AT, with the key K_π of the password that was chosen. Chip authentication mapping also needs
    /// [`Self::with_chip_key`].
    pub fn start(parameters: Parameters, key: SecretBytes) -> Self {
        Self(State::Nonce(AwaitNonceRequest { parameters, key, chip_key: None, trust_points: Vec::new() }))
    }

    /// Names the trust points in the last response: data object 87, and 88 for a second one.
    #[must_use]
    pub fn with_trust_points(mut self, current: Vec<u8>, previous: Option<Vec<u8>>) -> Self {
        if let State::Nonce(state) = &mut self.0 {
            state.trust_points = [Some(current), previous].into_iter().flatten().collect();
        }
        self
    }

    /// The static key of chip authentication mapping: on the curve of the run.
    #[must_use]
    pub fn with_chip_key(mut self, key: SecretKey) -> Self {
        if let State::Nonce(state) = &mut self.0 {
            state.chip_key = Some(key);
        }
        self
    }

    /// Whether the next command is the last one, which comes without the chaining bit and decides about the password.
    pub const fn is_last_step(&self) -> bool {
        matches!(self.0, State::Token(_))
    }

    /// Takes the data field of a GENERAL AUTHENTICATE; gives the data field of the response.
    pub fn step(self, data: &[u8], rng: &mut dyn Random) -> Result<(Vec<u8>, Next), Error> {
        let (response, state) = match self.0 {
            State::Nonce(state) => state.step(data, rng).map(|(r, s)| (r, State::Mapping(s)))?,
            State::Mapping(state) => state.step(data, rng).map(|(r, s)| (r, State::KeyAgreement(s)))?,
            State::KeyAgreement(state) => state.step(data).map(|(r, s)| (r, State::Token(s)))?,
            State::Token(state) => return state.step(data).map(|(r, s)| (r, Next::Done(s))),
        };
        Ok((response, Next::Continue(Self(state))))
    }
}

struct AwaitNonceRequest {
    parameters: Parameters,
    key: SecretBytes,
    chip_key: Option<SecretKey>,
    trust_points: Vec<Vec<u8>>,
}

impl AwaitNonceRequest {
    fn step(self, data: &[u8], rng: &mut dyn Random) -> Result<(Vec<u8>, AwaitMapping), Error> {
        let template_in =
            tlv::expect(data, DYNAMIC_AUTHENTICATION_DATA).map_err(|_| Error::Malformed(Step::Nonce))?;
        if !template_in.value.is_empty() {
            return Err(Error::Malformed(Step::Nonce));
        }
        let Parameters { mapping, curve, cipher } = self.parameters;
        if !self.parameters.is_possible() {
            return Err(Error::Unsupported);
        }
        let chip_key = match (mapping, self.chip_key) {
            (Mapping::Generic | Mapping::Integrated, _) => None,
            (Mapping::ChipAuthentication, Some(key)) if key.curve() == curve => Some(key),
            (Mapping::ChipAuthentication, _) => return Err(Error::Unsupported),
        };
        let len = match mapping {
            Mapping::Integrated => integrated::chip_nonce_len(cipher),
            Mapping::Generic | Mapping::ChipAuthentication => BLOCK,
        };
        let mut nonce = Zeroizing::new(vec![0; len]);
        rng.fill(&mut nonce);
        let encrypted =
            aes::cbc_encrypt(self.key.expose(), &[0; BLOCK], &nonce).map_err(|_| Error::Crypto)?;
        let next =
            AwaitMapping { parameters: self.parameters, nonce, chip_key, trust_points: self.trust_points };
        Ok((template(ENCRYPTED_NONCE, &encrypted), next))
    }
}

struct AwaitMapping {
    parameters: Parameters,
    nonce: Zeroizing<Vec<u8>>,
    chip_key: Option<SecretKey>,
    trust_points: Vec<Vec<u8>>,
}

impl AwaitMapping {
    fn step(self, data: &[u8], rng: &mut dyn Random) -> Result<(Vec<u8>, AwaitKeyAgreement), Error> {
        let received = sole_object(data, MAPPING_TERMINAL, Step::Mapping)?;
        let Parameters { mapping, curve, cipher } = self.parameters;
        let (response, generator, chip_data) = match mapping {
            Mapping::Integrated => {
                let generator = integrated::map(curve, cipher, &self.nonce, received)?;
                // ICAO 9303-11 §4.4.5.2.2: data object 82 is empty.
                (template(MAPPING_CHIP, &[]), generator, None)
            }
            Mapping::Generic | Mapping::ChipAuthentication => {
                let key = SecretKey::generate(curve, rng);
                let public = key.public_key();
                let peer = peer_key(curve, received, &public, Step::Mapping)?;
                let shared = key.agree_point(&peer).map_err(|_| Error::InvalidPoint(Step::Mapping))?;
                let generator = Generator::map_generic(&self.nonce, &shared)
                    .map_err(|_| Error::InvalidPoint(Step::Mapping))?;
                // ICAO 9303-11 §4.4.3.5.1: CA_IC = SK_Map,IC / SK_IC. The mapping key is not needed any more after this.
                let chip_data = self.chip_key.map(|chip_key| key.divided_by(&chip_key));
                let chip_data = chip_data.transpose().map_err(|_| Error::Crypto)?;
                (template(MAPPING_CHIP, public.as_uncompressed()), generator, chip_data)
            }
        };
        let next = AwaitKeyAgreement {
            parameters: self.parameters,
            key: generator.generate_key(rng),
            generator,
            chip_data,
            trust_points: self.trust_points,
        };
        Ok((response, next))
    }
}

struct AwaitKeyAgreement {
    parameters: Parameters,
    generator: Generator,
    key: SecretKey,
    chip_data: Option<SecretBytes>,
    trust_points: Vec<Vec<u8>>,
}

impl AwaitKeyAgreement {
    fn step(self, data: &[u8]) -> Result<(Vec<u8>, AwaitToken), Error> {
        let encoded = sole_object(data, EPHEMERAL_TERMINAL, Step::KeyAgreement)?;
        let public = self.generator.public_key(&self.key);
        let peer = peer_key(self.parameters.curve, encoded, &public, Step::KeyAgreement)?;
        let shared = self.key.agree(&peer).map_err(|_| Error::InvalidPoint(Step::KeyAgreement))?;
        let response = template(EPHEMERAL_CHIP, public.as_uncompressed());
        let next = AwaitToken {
            parameters: self.parameters,
            keys: SessionKeys::derive(&shared, self.parameters.cipher),
            own: public,
            peer,
            chip_data: self.chip_data,
            trust_points: self.trust_points,
        };
        Ok((response, next))
    }
}

struct AwaitToken {
    parameters: Parameters,
    keys: SessionKeys,
    own: Point,
    peer: Point,
    chip_data: Option<SecretBytes>,
    trust_points: Vec<Vec<u8>>,
}

impl AwaitToken {
    fn step(self, data: &[u8]) -> Result<(Vec<u8>, Session), Error> {
        let token = sole_object(data, TOKEN_TERMINAL, Step::Token)?;
        let protocol = self.parameters.protocol();
        if !curve::constant_time_eq(token, &self.keys.token(protocol, &self.own)?) {
            return Err(Error::WrongPassword { tries_left: None });
        }
        let mut objects = tlv::encode(TOKEN_CHIP, &self.keys.token(protocol, &self.peer)?);
        let tags = [CERTIFICATION_AUTHORITY, CERTIFICATION_AUTHORITY_PREVIOUS];
        for (tag, reference) in tags.into_iter().zip(&self.trust_points) {
            objects.extend(tlv::encode(tag, reference));
        }
        if let Some(data) = &self.chip_data {
            objects.extend(tlv::encode(CHIP_AUTHENTICATION_DATA, &self.keys.encrypt_chip_data(data)?));
        }
        let session = Session { sm: self.keys.chip()?, id_picc: self.own.x() };
        Ok((tlv::encode(DYNAMIC_AUTHENTICATION_DATA, &objects), session))
    }
}
