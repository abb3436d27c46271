//! The chip's end of the channel.

use apdu::{Command, Response};
use curve::SecretBytes;

use super::{
    CHECKSUM, Objects, PROCESSING_STATUS, SECURE_MESSAGING, Session, SmError, cryptogram, is_protected,
};
use crate::Error;

/// Unwraps commands and wraps their responses, one after the other.
pub struct Chip {
    session: Option<Box<Session>>,
    /// Whether the command being answered has an odd instruction byte.
    odd: bool,
}

impl Chip {
    /// A channel with fresh AES keys of 16, 24 or 32 bytes and counter zero.
    pub fn new(enc: &SecretBytes, mac: &SecretBytes) -> Result<Self, Error> {
        Ok(Self { session: Some(Box::new(Session::aes(enc, mac)?)), odd: false })
    }

    /// A channel with 3DES keys of 16 bytes and a counter both sides have made: after Basic Access Control.
    pub(crate) fn triple_des(enc: &SecretBytes, mac: &SecretBytes, counter: [u8; 8]) -> Result<Self, Error> {
        Ok(Self { session: Some(Box::new(Session::triple_des(enc, mac, counter)?)), odd: false })
    }

    /// Whether the channel still works.
    pub const fn is_open(&self) -> bool {
        self.session.is_some()
    }

    /// Checks and opens one command as received. Any error ends the session: answer its status word without secure
    /// messaging and drop the security status the session had won.
    pub fn unwrap(&mut self, command: &Command) -> Result<Command, SmError> {
        let mut session = self.session.take().ok_or(SmError::Ended)?;
        let opened = open(&mut session, command)?;
        self.session = Some(session);
        self.odd = opened.ins & 1 == 1;
        Ok(opened)
    }

    /// Protects the response to the command that was unwrapped last. After the end of the session the status word goes
    /// out alone.
    // ICAO 9303-11 §9.8.4: DO87/85, DO99, DO8E.
    pub fn wrap(&mut self, response: &Response) -> Response {
        let Some(session) = self.session.as_mut() else {
            return Response::from(response.sw);
        };
        session.advance();
        let mut data = Vec::with_capacity(response.data.len() + 48);
        if !response.data.is_empty() {
            data.extend(cryptogram(self.odd, &session.encrypt(&response.data)));
        }
        data.extend(tlv::encode(PROCESSING_STATUS, &response.sw.0.to_be_bytes()));
        let mac = session.checksum(None, &data);
        data.extend(tlv::encode(CHECKSUM, &mac));
        Response::new(data, response.sw)
    }
}

fn open(session: &mut Session, command: &Command) -> Result<Command, SmError> {
    session.advance();
    if !is_protected(command.cla) {
        return Err(SmError::Plain(apdu::StatusWord::SM_DATA_MISSING));
    }
    let objects = Objects::parse(&command.data)?;
    let mac = session.checksum(Some(command.header()), objects.authenticated);
    if !curve::constant_time_eq(&mac, objects.checksum) {
        return Err(SmError::DataIncorrect);
    }
    let data = objects.cryptogram.map_or(Ok(Vec::new()), |cryptogram| session.decrypt(cryptogram))?;
    let le = match objects.expected_length {
        None => None,
        Some([0]) => Some(256),
        Some([le]) => Some(u32::from(*le)),
        Some([0, 0]) => Some(65_536),
        Some([hi, lo]) => Some(u32::from(u16::from_be_bytes([*hi, *lo]))),
        Some(_) => return Err(SmError::DataIncorrect),
    };
    if objects.status.is_some() {
        return Err(SmError::DataIncorrect);
    }
    Ok(Command {
        data,
        le,
        extended: command.extended,
        ..Command::new(command.cla & !SECURE_MESSAGING, command.ins, command.p1, command.p2)
    })
}
