//! READ BINARY (ISO/IEC 7816-4 §11.3.3), GET CHALLENGE, and the contents that are made when they are read.

use std::borrow::Cow;

use apdu::{Command, Response, StatusWord};

use crate::application::Application;
use crate::atr::EF_ATR_INFO;
use crate::chip::Chip;
use crate::error::{Fault, Reply};
use crate::files::{Content, Directory, File, Read, by_fid, by_sfi};
use crate::pkcs15;

/// The most random bytes GET CHALLENGE gives.
const MAX_CHALLENGE: usize = 1024;

impl Chip {
    pub(crate) fn read_binary(&mut self, command: &Command) -> Reply {
        let (file, offset) = if command.p1 & 0x80 != 0 {
            // ISO/IEC 7816-4 §11.3.3: bits 7 and 6 are zero, bits 5-1 the short identifier.
            if command.p1 & 0x60 != 0 {
                return Err(StatusWord::INCORRECT_P1_P2.into());
            }
            (self.file_by_sfi(command.p1 & 0x1F)?, usize::from(command.p2))
        } else {
            let file = self.session.file.ok_or(StatusWord::NO_CURRENT_EF)?;
            (file, usize::from(u16::from_be_bytes([command.p1, command.p2])))
        };
        let expected = Expected::of(command)?;
        self.may_read(file)?;
        let content = self.content(file)?;
        let part = slice(&content, offset, expected, self.session.room)?;
        let response = Response::new(part.data, part.sw);
        self.session.file = Some(file);
        Ok(response)
    }

    pub(crate) fn read_binary_odd(&mut self, command: &Command) -> Reply {
        let file = match u16::from_be_bytes([command.p1, command.p2]) {
            0 => self.session.file.ok_or(StatusWord::NO_CURRENT_EF)?,
            sfi @ 1..=0x1E => self.file_by_sfi(sfi as u8)?,
            fid => Directory::of(self.session.selected)
                .and_then(|d| by_fid(d, fid))
                .ok_or(StatusWord::FILE_NOT_FOUND)?,
        };
        let offset = tlv::expect(&command.data, 0x54).map_err(|_| StatusWord::WRONG_DATA)?.value;
        if offset.is_empty() || offset.len() > 4 {
            return Err(StatusWord::WRONG_DATA.into());
        }
        let offset = offset.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
        let expected = Expected::of(command)?;
        self.may_read(file)?;
        let content = self.content(file)?;
        let response = if self.session.selected == Application::SmartCardHsm {
            // Clients of this profile read on until they are told that the file has ended, and give up at an error.
            match slice(&content, offset, expected, self.session.room) {
                Err(StatusWord::WRONG_P1_P2) => Response::new([], StatusWord::END_OF_FILE),
                part => part.map(|part| Response::new(part.data, part.sw))?,
            }
        } else {
            // The data object's own head is part of what Le asks for.
            let part = slice(&content, offset, expected.without_head(), self.session.room.saturating_sub(4))?;
            Response::new(tlv::encode(0x53, part.data), part.sw)
        };
        self.session.file = Some(file);
        Ok(response)
    }

    pub(crate) fn get_challenge(&mut self, command: &Command) -> Reply {
        if (command.p1, command.p2) != (0, 0) {
            return Err(StatusWord::INCORRECT_P1_P2.into());
        }
        if matches!(command.le, None | Some(8 | 256 | 65_536))
            && let Some(challenge) = self.terminal_challenge()
        {
            return Ok(challenge);
        }
        let len = match command.le {
            Some(le) if self.session.selected == Application::SmartCardHsm => le as usize,
            None | Some(256 | 65_536) => 8,
            Some(le) => le as usize,
        };
        if len > MAX_CHALLENGE {
            return Err(StatusWord::WRONG_LENGTH.into());
        }
        let mut challenge = vec![0; len];
        self.rng.fill(&mut challenge);
        if self.bac_may_begin() {
            self.session.challenge = challenge.as_slice().try_into().ok();
        }
        Ok(Response::ok(challenge))
    }

    fn file_by_sfi(&self, sfi: u8) -> Result<&'static File, StatusWord> {
        Directory::of(self.session.selected).and_then(|d| by_sfi(d, sfi)).ok_or(StatusWord::FILE_NOT_FOUND)
    }

    /// Whether the reader has shown what reading `file` needs. Says nothing about whether the file is there, so that
    /// nobody learns that before having the right to.
    pub(crate) fn may_read(&self, file: &File) -> Result<(), StatusWord> {
        let profile = self.profile.ok_or(StatusWord::FILE_NOT_FOUND)?;
        let mut status = self.session.status();
        // CARD-33: a right for each data group.
        status.field_right = match file.read {
            Read::Group(group) => self.session.rights().may_read(group),
            _ => false,
        };
        if !file.condition(profile, self.session.interface).is_met(status) {
            return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED);
        }
        // CARD-50: until the holder has set PIN2, the zone cannot be read.
        if file.needs_pin2_set() && !self.pin2_is_set() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        Ok(())
    }

    /// The content of `file`.
    pub(crate) fn content(&self, file: &File) -> Result<Cow<'_, [u8]>, Fault> {
        let made = match file.content {
            Content::Stored(key) => {
                return self.nvm.load(key).map(Cow::Borrowed).ok_or(StatusWord::FILE_NOT_FOUND.into());
            }
            Content::Info if self.state.is_personalised() => return Ok(Cow::Borrowed(EF_ATR_INFO)),
            Content::Directory if self.state.is_personalised() => self.ef_dir(),
            Content::Pkcs15(description) => {
                pkcs15::description(self, description).ok_or(StatusWord::FILE_NOT_FOUND)?
            }
            Content::Info | Content::Directory | Content::PrivateKey(_) => {
                return Err(StatusWord::FILE_NOT_FOUND.into());
            }
        };
        Ok(Cow::Owned(made))
    }

    /// EF.DIR: one application template for each application that answers on this interface, and nothing after them.
    // ISO/IEC 7816-4 §12.2.3: 61 { 4F identifier, 50 label }.
    fn ef_dir(&self) -> Vec<u8> {
        self.answering_applications()
            .flat_map(|application| {
                let template =
                    [tlv::encode(0x4F, application.aid()), tlv::encode(0x50, application.label().as_bytes())];
                tlv::encode(0x61, &template.concat())
            })
            .collect()
    }
}

/// How much a reader wants.
#[derive(Clone, Copy)]
enum Expected {
    /// What there is, up to this.
    UpTo(usize),
    /// This much.
    Exactly(usize),
}

impl Expected {
    fn of(command: &Command) -> Result<Self, StatusWord> {
        match command.le {
            None => Err(StatusWord::WRONG_LENGTH),
            Some(le @ (256 | 65_536)) => Ok(Self::UpTo(le as usize)),
            Some(le) => Ok(Self::Exactly(le as usize)),
        }
    }

    /// What is left for the content after tag and length of data object 53.
    const fn without_head(self) -> Self {
        match self {
            Self::UpTo(n) => Self::UpTo(content_of_object(n)),
            Self::Exactly(n) => Self::Exactly(content_of_object(n)),
        }
    }
}

const fn content_of_object(len: usize) -> usize {
    match len {
        0..=2 => 0,
        3..=129 => len - 2,
        130..=258 => len - 3,
        _ => len - 4,
    }
}

struct Part<'a> {
    data: &'a [u8],
    sw: StatusWord,
}

/// The part of a file a reader gets, with 6282 where it asked for more than there is.
fn slice(content: &[u8], offset: usize, expected: Expected, room: usize) -> Result<Part<'_>, StatusWord> {
    if offset >= content.len() && !(offset == 0 && content.is_empty()) {
        return Err(StatusWord::WRONG_P1_P2);
    }
    let rest = &content[offset..];
    let (wanted, warn) = match expected {
        Expected::UpTo(n) => (n, false),
        Expected::Exactly(n) => (n, n > rest.len()),
    };
    let data = &rest[..rest.len().min(wanted).min(room)];
    // Warn only if the end was reached: a part that was cut for lack of room is not the end.
    let sw = if warn && data.len() == rest.len() { StatusWord::END_OF_FILE } else { StatusWord::OK };
    Ok(Part { data, sw })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_gets() {
        let content = [1u8, 2, 3, 4, 5];
        let ask =
            |offset, expected| slice(&content, offset, expected, 100).map(|p| (p.data.to_vec(), p.sw.0));
        assert_eq!(ask(0, Expected::UpTo(256)), Ok((vec![1, 2, 3, 4, 5], 0x9000)));
        assert_eq!(ask(3, Expected::UpTo(256)), Ok((vec![4, 5], 0x9000)));
        assert_eq!(ask(3, Expected::Exactly(2)), Ok((vec![4, 5], 0x9000)));
        assert_eq!(ask(3, Expected::Exactly(3)), Ok((vec![4, 5], 0x6282)));
        assert_eq!(ask(5, Expected::UpTo(256)), Err(StatusWord::WRONG_P1_P2));
        assert_eq!(ask(9, Expected::Exactly(1)), Err(StatusWord::WRONG_P1_P2));
        let cut = slice(&content, 0, Expected::Exactly(9), 2).map(|p| (p.data.to_vec(), p.sw.0));
        assert_eq!(cut, Ok((vec![1, 2], 0x9000)));
        assert_eq!(slice(&[], 0, Expected::Exactly(1), 9).map(|p| p.sw), Ok(StatusWord::END_OF_FILE));
    }

    #[test]
    fn a_data_object_never_exceeds_what_was_asked_for() {
        for asked in 3..700 {
            assert!(tlv::encode(0x53, &vec![0; content_of_object(asked)]).len() <= asked);
        }
    }
}
