//! Card Production Life Cycle data: what the manufacturer says about a chip.

use apdu::{CardChannel, Command};

use super::{ISSUER_SECURITY_DOMAIN, PersoError};

/// The 42 bytes of CPLC data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cplc(Vec<u8>);

impl Cplc {
    const LEN: usize = 42;

    /// Reads GET DATA's answer.
    pub fn parse(answer: &[u8]) -> Option<Self> {
        let data = tlv::expect(answer, 0x9F7F).ok()?.value;
        (data.len() == Self::LEN).then(|| Self(data.to_vec()))
    }

    /// All of it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Fabrication date, serial number and batch: unique per chip. `None` once the card is personalised and the identifier
    /// sealed.
    pub fn chip_id(&self) -> Option<[u8; 8]> {
        let id = *self.0.get(10..)?.first_chunk::<8>()?;
        (id != [0; 8]).then_some(id)
    }

    /// Maker of the chip, and type.
    pub fn ic_type(&self) -> [u16; 2] {
        let word = |at: usize| u16::from_be_bytes([self.0[at], self.0[at + 1]]);
        [word(0), word(2)]
    }
}

/// Reads the CPLC data of a card without any keys. Selects the issuer security domain.
pub fn read_cplc<C: CardChannel>(channel: &mut C) -> Result<Cplc, PersoError> {
    select_issuer(channel)?;
    let response = channel.exchange(&Command::new(0x80, 0xCA, 0x9F, 0x7F).with_le(256))?;
    let data = response.into_ok().map_err(|sw| PersoError::Refused { command: "GET DATA", sw })?;
    Cplc::parse(&data).ok_or(PersoError::Malformed("GET DATA"))
}

pub(super) fn select_issuer<C: CardChannel>(channel: &mut C) -> Result<(), PersoError> {
    let select = Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(ISSUER_SECURITY_DOMAIN);
    channel.exchange(&select)?.into_ok().map_err(|sw| PersoError::Refused { command: "SELECT", sw })?;
    Ok(())
}
