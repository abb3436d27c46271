//! The terminal's side of Terminal Authentication.

use apdu::{Command, Response};
use const_oid::ObjectIdentifier;
use curve::{Curve, Random, SecretKey, Signature};

use super::{
    CHALLENGE_LEN, SetAuthenticationTemplate, external_authenticate, get_challenge, message, set_dst,
    verify_certificate,
};
use crate::Error;
use crate::auxiliary_data::AuxiliaryData;
use crate::cvc::{Certificate, Reference};
use crate::error::Step;

/// The key pair for Chip Authentication that Terminal Authentication announces.
pub struct EphemeralKey(SecretKey);

impl EphemeralKey {
    /// A fresh key on the curve of the card's Chip Authentication key.
    pub fn generate(curve: Curve, rng: &mut dyn Random) -> Self {
        Self(SecretKey::generate(curve, rng))
    }

    /// Comp(PK): the x-coordinate, of fixed length.
    // TR-03110-3 §A.2.2.3.
    pub fn compressed(&self) -> Vec<u8> {
        self.0.public_key().x()
    }

    /// The key itself, for Chip Authentication.
    pub fn into_secret(self) -> SecretKey {
        self.0
    }
}

/// The commands that present certificates, in their order; each must be answered 9000.
pub fn present<'a>(chain: impl IntoIterator<Item = &'a Certificate>) -> Vec<Command> {
    chain.into_iter().flat_map(|c| [set_dst(&c.body().authority), verify_certificate(c)]).collect()
}

/// What the terminal announces about itself before it signs.
pub struct Start {
    template: SetAuthenticationTemplate,
    id_picc: Vec<u8>,
}

impl Start {
    /// `holder` and `protocol` are those of the terminal certificate, `id_picc` comes from PACE.
    pub fn new(
        holder: Reference,
        protocol: ObjectIdentifier,
        auxiliary_data: &AuxiliaryData,
        key: &EphemeralKey,
        id_picc: Vec<u8>,
    ) -> Self {
        let (auxiliary_data, compressed_key) = (auxiliary_data.encode(), key.compressed());
        Self {
            template: SetAuthenticationTemplate { protocol, holder, auxiliary_data, compressed_key },
            id_picc,
        }
    }

    /// MSE:Set AT.
    pub fn mse_set_at(&self) -> Command {
        self.template.command()
    }

    /// Takes the answer to MSE:Set AT and asks for the challenge.
    pub fn step(self, response: &Response) -> Result<(Command, AwaitChallenge), Error> {
        accept(response, Step::SetAuthenticationTemplate)?;
        Ok((get_challenge(), AwaitChallenge { template: self.template, id_picc: self.id_picc }))
    }
}

/// The challenge was asked for.
pub struct AwaitChallenge {
    template: SetAuthenticationTemplate,
    id_picc: Vec<u8>,
}

impl AwaitChallenge {
    /// Has the challenge signed by `sign`, which takes the bytes to be signed: the key may lie in a hardware module.
    pub fn step<E: From<Error>>(
        self,
        response: &Response,
        sign: impl FnOnce(&[u8]) -> Result<Signature, E>,
    ) -> Result<(Command, AwaitVerdict), E> {
        let challenge = accept(response, Step::GetChallenge)?;
        if challenge.len() != CHALLENGE_LEN {
            return Err(Error::Malformed(Step::GetChallenge).into());
        }
        let template = &self.template;
        let message =
            message(&self.id_picc, challenge, &template.compressed_key, &template.auxiliary_data).concat();
        Ok((external_authenticate(&sign(&message)?.to_plain()), AwaitVerdict(())))
    }
}

/// The signature was sent.
pub struct AwaitVerdict(());

impl AwaitVerdict {
    /// Whether the card accepts the terminal.
    pub fn step(self, response: &Response) -> Result<(), Error> {
        accept(response, Step::ExternalAuthenticate).map(drop)
    }
}

fn accept(response: &Response, step: Step) -> Result<&[u8], Error> {
    if response.sw.is_ok() { Ok(&response.data) } else { Err(Error::Refused { step, sw: response.sw }) }
}

/// Presents the chain and authenticates the terminal over `transmit`, which sends one command through the channel and
/// returns its response.
pub fn authenticate<'a, E: From<Error>>(
    chain: impl IntoIterator<Item = &'a Certificate>,
    start: Start,
    sign: impl FnOnce(&[u8]) -> Result<Signature, E>,
    mut transmit: impl FnMut(&Command) -> Result<Response, E>,
) -> Result<(), E> {
    for (index, command) in present(chain).iter().enumerate() {
        let step = if index % 2 == 0 { Step::SetDigitalSignatureTemplate } else { Step::VerifyCertificate };
        accept(&transmit(command)?, step)?;
    }
    let answer = transmit(&start.mse_set_at())?;
    let (command, state) = start.step(&answer)?;
    let (command, state) = state.step(&transmit(&command)?, sign)?;
    Ok(state.step(&transmit(&command)?)?)
}
