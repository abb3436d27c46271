//! The chip's side of Terminal Authentication.
//!
//! The chip engine owns the memory: [`TerminalAuthentication::verify_certificate`] says what a certificate changes for good,
//! and the engine stores that before it answers 9000. Everything else lives as long as the channel that PACE opened.

use curve::{Hash, Random};

use super::{CHALLENGE_LEN, SetAuthenticationTemplate, message, parse_set_dst};
use crate::Error;
use crate::auxiliary_data::AuxiliaryData;
use crate::cvc::{
    Authorisation, Certificate, Chain, Chat, Date, Extensions, Reference, Role, TrustPoints, Update,
    UpdateRights,
};
use crate::error::Step;

/// Terminal Authentication in one PACE channel.
pub struct TerminalAuthentication {
    id_picc: Vec<u8>,
    granted: Authorisation,
    chain: Chain,
    authority: Option<Reference>,
    announced: Option<SetAuthenticationTemplate>,
    challenge: Option<[u8; CHALLENGE_LEN]>,
}

/// A terminal that has proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedTerminal {
    /// Whose certificate it has.
    pub holder: Reference,
    /// What it may do: its whole chain and the holder's consent agree.
    pub authorisation: Authorisation,
    /// Its questions.
    pub auxiliary_data: AuxiliaryData,
    /// The key it will use for Chip Authentication, compressed.
    pub compressed_key: Vec<u8>,
    /// The extensions of its certificate: description, sectors.
    pub extensions: Extensions,
    /// The hash of the key in its certificate, by which the extensions name what stands outside.
    pub hash: Hash,
}

impl TerminalAuthentication {
    /// Begins in a channel whose PACE gave `id_picc`. `granted` is what the holder consented to there: the template (7F4C)
    /// and extensions (65) of PACE's MSE:Set AT. A terminal that announced none cannot authenticate itself.
    // TR-03110-2 §3.2: the CHAT of PACE says which terminal type follows and restricts its rights.
    pub fn new(id_picc: Vec<u8>, granted: Authorisation, trust_points: TrustPoints, date: Date) -> Self {
        let chain = Chain::new(trust_points, date);
        Self { id_picc, granted, chain, authority: None, announced: None, challenge: None }
    }

    /// What the holder consented to, from the data objects of PACE's MSE:Set AT: the value of 7F4C, and the whole data
    /// object 65 or nothing. Without the latter no authorisation extension is granted.
    pub fn granted(chat: &[u8], extensions: Option<&[u8]>) -> Result<Authorisation, Error> {
        let updates = match extensions {
            Some(object) => Extensions::parse(object)?.update_rights(),
            None => UpdateRights::NONE,
        };
        Ok(Authorisation { chat: Chat::from_value(chat)?, updates })
    }

    /// The trust points as they are now: what PACE announces.
    pub const fn trust_points(&self) -> &TrustPoints {
        self.chain.trust_points()
    }

    /// MSE:Set DST: takes the data field.
    pub fn set_dst(&mut self, data: &[u8]) -> Result<(), Error> {
        self.authority = None;
        let reference = parse_set_dst(data)?;
        if !self.chain.knows(&reference) {
            return Err(Error::NotFound(Step::SetDigitalSignatureTemplate));
        }
        self.authority = Some(reference);
        Ok(())
    }

    /// PSO:Verify Certificate: takes the data field, body and signature. What the certificate changes for good must be
    /// stored before the answer.
    pub fn verify_certificate(&mut self, data: &[u8]) -> Result<Update, Error> {
        let authority = self.authority.as_ref().ok_or(Error::Conditions(Step::VerifyCertificate))?;
        let certificate = Certificate::parse_parts(data)?;
        // The terminal said whose key it is; a certificate of somebody else does not come in under it.
        if certificate.body().authority != *authority {
            return Err(Error::NotFound(Step::VerifyCertificate));
        }
        self.announced = None;
        Ok(self.chain.import(&certificate)?)
    }

    /// MSE:Set AT: takes the data field.
    pub fn set_at(&mut self, data: &[u8]) -> Result<(), Error> {
        self.announced = None;
        let announced = SetAuthenticationTemplate::parse(data)?;
        let terminal = self.chain.terminal().filter(|terminal| terminal.holder == announced.holder);
        let terminal = terminal.ok_or(Error::NotFound(Step::SetAuthenticationTemplate))?;
        if announced.protocol != terminal.key.algorithm() {
            return Err(Error::Unsupported);
        }
        self.announced = Some(announced);
        Ok(())
    }

    /// GET CHALLENGE: a fresh challenge, which one EXTERNAL AUTHENTICATE uses up.
    pub fn challenge(&mut self, rng: &mut dyn Random) -> [u8; CHALLENGE_LEN] {
        let mut challenge = [0; CHALLENGE_LEN];
        rng.fill(&mut challenge);
        self.challenge = Some(challenge);
        challenge
    }

    /// EXTERNAL AUTHENTICATE: takes the signature. Challenge and announcement are used up, whatever comes of it.
    pub fn external_authenticate(&mut self, signature: &[u8]) -> Result<AuthenticatedTerminal, Error> {
        const CONDITIONS: Error = Error::Conditions(Step::ExternalAuthenticate);
        let (announced, challenge) = (self.announced.take(), self.challenge.take());
        let (announced, challenge) = (announced.ok_or(CONDITIONS)?, challenge.ok_or(CONDITIONS)?);
        let terminal = self.chain.terminal().ok_or(CONDITIONS)?;
        let chat = terminal.authorisation.chat;
        if chat.terminal_type() != self.granted.chat.terminal_type() || chat.role() != Role::Terminal {
            return Err(CONDITIONS);
        }
        let message =
            message(&self.id_picc, &challenge, &announced.compressed_key, &announced.auxiliary_data);
        terminal.key.verify(&message, signature).map_err(|_| Error::Signature)?;
        let auxiliary_data = match announced.auxiliary_data.as_slice() {
            [] => AuxiliaryData::new(),
            data => AuxiliaryData::parse(data)?,
        };
        Ok(AuthenticatedTerminal {
            holder: terminal.holder.clone(),
            authorisation: terminal.authorisation.and(&self.granted),
            auxiliary_data,
            compressed_key: announced.compressed_key,
            extensions: terminal.extensions.clone(),
            hash: terminal.key.hash(),
        })
    }
}
