//! The terminal's end of the channel.

use apdu::{Command, Response, StatusWord};
use curve::SecretBytes;

use super::{CHECKSUM, EXPECTED_LENGTH, Objects, SECURE_MESSAGING, Session, SmError, cryptogram};
use crate::Error;

/// Wraps commands and unwraps their responses, one after the other.
pub struct Terminal {
    session: Option<Box<Session>>,
}

impl Terminal {
    /// A channel with fresh AES keys of 16, 24 or 32 bytes and counter zero.
    pub fn new(enc: &SecretBytes, mac: &SecretBytes) -> Result<Self, Error> {
        Ok(Self { session: Some(Box::new(Session::aes(enc, mac)?)) })
    }

    /// A channel with 3DES keys of 16 bytes and a counter both sides have made: after Basic Access Control.
    pub(crate) fn triple_des(enc: &SecretBytes, mac: &SecretBytes, counter: [u8; 8]) -> Result<Self, Error> {
        Ok(Self { session: Some(Box::new(Session::triple_des(enc, mac, counter)?)) })
    }

    /// Whether the channel still works.
    pub const fn is_open(&self) -> bool {
        self.session.is_some()
    }

    /// Protects one command. Its response must be unwrapped before the next command.
    // ICAO 9303-11 §9.8.4: CLA' || INS P1 P2 || Lc' || DO87/85 DO97 DO8E || Le'.
    pub fn wrap(&mut self, command: &Command) -> Result<Command, SmError> {
        let session = self.session.as_mut().ok_or(SmError::Ended)?;
        session.advance();
        let mut data = Vec::with_capacity(command.data.len() + 48);
        if !command.data.is_empty() {
            data.extend(cryptogram(command.ins & 1 == 1, &session.encrypt(&command.data)));
        }
        let extended = command.is_extended();
        if let Some(le) = command.le {
            // A full Le is written as zero, in one byte or two.
            let bytes = if extended { (le as u16).to_be_bytes().to_vec() } else { vec![le as u8] };
            data.extend(tlv::encode(EXPECTED_LENGTH, &bytes));
        }
        let cla = command.cla | SECURE_MESSAGING;
        let header = [cla, command.ins, command.p1, command.p2];
        let mac = session.checksum(Some(header), &data);
        data.extend(tlv::encode(CHECKSUM, &mac));
        if data.len() > apdu::MAX_EXTENDED {
            self.session = None;
            return Err(SmError::TooLong);
        }
        let extended = extended || data.len() > 255;
        Ok(Command {
            cla,
            data,
            le: Some(if extended { 65_536 } else { 256 }),
            extended,
            ..Command::new(cla, command.ins, command.p1, command.p2)
        })
    }

    /// Checks and opens the response to the command that was wrapped last. Any error ends the session.
    pub fn unwrap(&mut self, response: &Response) -> Result<Response, SmError> {
        let mut session = self.session.take().ok_or(SmError::Ended)?;
        let opened = open(&mut session, response)?;
        self.session = Some(session);
        Ok(opened)
    }
}

fn open(session: &mut Session, response: &Response) -> Result<Response, SmError> {
    session.advance();
    // ICAO 9303-11 §9.8.6: a status word without data objects says that the chip has ended the session.
    if response.data.is_empty() {
        return Err(SmError::Plain(response.sw));
    }
    let objects = Objects::parse(&response.data)?;
    let mac = session.checksum(None, objects.authenticated);
    if !curve::constant_time_eq(&mac, objects.checksum) {
        return Err(SmError::DataIncorrect);
    }
    let status = objects.status.ok_or(SmError::DataMissing)?;
    let status = <[u8; 2]>::try_from(status).map_err(|_| SmError::DataIncorrect)?;
    let sw = StatusWord(u16::from_be_bytes(status));
    // The outer status word is not authenticated: it must say the same.
    if sw != response.sw || objects.expected_length.is_some() {
        return Err(SmError::DataIncorrect);
    }
    let data = objects.cryptogram.map_or(Ok(Vec::new()), |cryptogram| session.decrypt(cryptogram))?;
    Ok(Response::new(data, sw))
}
