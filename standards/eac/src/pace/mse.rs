//! The data field of MSE:Set AT for PACE (ICAO 9303-11 §4.4.4.1, TR-03110-3 §B.11.1).

use apdu::Command;
use const_oid::ObjectIdentifier;
use tlv::Reader;

use super::Parameters;
use crate::error::Step;
use crate::{Error, PasswordReference};

/// What a terminal announces before PACE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAuthenticationTemplate {
    /// Data object 80: the protocol.
    pub protocol: ObjectIdentifier,
    /// Data object 83: the password. The number as it came, so that the chip can answer 6A88 for one it does not have.
    pub password: u8,
    /// Data object 84: the domain parameters; may be absent where the chip offers only one set for the protocol.
    pub parameter_id: Option<u8>,
    /// Data object 7F4C: the certificate holder authorisation template of the terminal certificate that will follow.
    pub chat: Option<Vec<u8>>,
}

impl SetAuthenticationTemplate {
    /// 00 22 C1 A4: MANAGE SECURITY ENVIRONMENT, set authentication template for mutual authentication.
    pub fn command(&self) -> Command {
        let mut data = tlv::encode(0x80, self.protocol.as_bytes());
        data.extend(tlv::encode(0x83, &[self.password]));
        if let Some(id) = self.parameter_id {
            data.extend(tlv::encode(0x84, &[id]));
        }
        if let Some(chat) = &self.chat {
            data.extend(tlv::encode(0x7F4C, chat));
        }
        Command::new(0x00, 0x22, 0xC1, 0xA4).with_data(data)
    }

    /// Reads the data field. Data objects that are not known are passed over, doubled ones refused.
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        const MALFORMED: Error = Error::Malformed(Step::SetAuthenticationTemplate);
        let (mut protocol, mut password, mut parameter_id, mut chat) = (None, None, None, None);
        for object in Reader::new(data) {
            let object = object.map_err(|_| MALFORMED)?;
            let doubled = match object.tag {
                0x80 => {
                    let oid = ObjectIdentifier::from_bytes(object.value).map_err(|_| MALFORMED)?;
                    protocol.replace(oid).is_some()
                }
                0x83 => password.replace(sole_byte(object.value)?).is_some(),
                0x84 => parameter_id.replace(sole_byte(object.value)?).is_some(),
                0x7F4C => chat.replace(object.value.to_vec()).is_some(),
                _ => false,
            };
            if doubled {
                return Err(MALFORMED);
            }
        }
        match (protocol, password) {
            (Some(protocol), Some(password)) => Ok(Self { protocol, password, parameter_id, chat }),
            _ => Err(MALFORMED),
        }
    }

    /// The password, if the number names one.
    pub const fn password_reference(&self) -> Option<PasswordReference> {
        PasswordReference::from_number(self.password)
    }

    /// The parameters meant, among those a chip `offers`.
    // ICAO 9303-11 §4.4.4.1: data object 84 is REQUIRED only if the domain parameters are ambiguous.
    pub fn select(&self, offers: &[Parameters]) -> Result<Parameters, Error> {
        let mut fitting = offers.iter().copied().filter(|offer| {
            offer.protocol() == self.protocol
                && self.parameter_id.is_none_or(|id| offer.curve.parameter_id() == id)
        });
        match (fitting.next(), fitting.next()) {
            (Some(parameters), None) => Ok(parameters),
            _ => Err(Error::Unsupported),
        }
    }
}

fn sole_byte(value: &[u8]) -> Result<u8, Error> {
    match value {
        [byte] => Ok(*byte),
        _ => Err(Error::Malformed(Step::SetAuthenticationTemplate)),
    }
}
