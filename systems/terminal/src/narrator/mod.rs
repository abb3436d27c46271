//! Command and response APDUs in plain words, Traditional Chinese and English, for people who want to see what a program does
//! with a card: `--trace` on the terminal's side, `neweid card watch` on the card's.
//!
//! A [`Narrator`] follows one session: which application and file is current, which protocol runs, whether a channel is
//! open. It is handed commands as they are *inside* the protection. What it says never holds a PIN, a key, or data of a file:
//! of command data it names only identifiers (applications, files, passwords by kind, certificate holders), of answers only
//! status word and length, and where PINs travel not even the length. What a refusal may be due to is said where
//! command, protocol, protection and current application tell ([`Line::why`]).
//!
//! The names are those of our card (docs/card-commands.md) and of the standards, so that other cards are understood too.

mod answers;
mod commands;
mod places;
mod reasons;

use apdu::{Command, Response, StatusWord};
use serde::Serialize;

pub use answers::status_words;
use places::Place;

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Words {
    /// Traditional Chinese.
    pub zh_hant: String,
    /// English.
    pub en: String,
}

impl Words {
    /// Both languages.
    pub fn new(zh_hant: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh_hant: zh_hant.into(), en: en.into() }
    }
}

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.zh_hant, self.en)
    }
}

/// How a command travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// In the clear.
    None,
    /// In the secure channel of PACE or Chip Authentication.
    SecureMessaging,
    /// In SCP03.
    Scp03,
}

impl Protection {
    /// The protection that the class byte of a command on the wire names.
    // ISO/IEC 7816-4 §5.4.1; GlobalPlatform 2.3.1 §11.1.4.
    pub const fn of(cla: u8) -> Self {
        match cla {
            _ if cla & 0x0C == 0x0C && cla & 0x60 == 0 => Self::SecureMessaging,
            0x84..=0x87 => Self::Scp03,
            _ => Self::None,
        }
    }

    /// A word of a few columns.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::None => "--",
            Self::SecureMessaging => "SM",
            Self::Scp03 => "SCP03",
        }
    }
}

/// One command and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// How it travelled.
    pub protection: Protection,
    /// Class, instruction and parameters under the protection, in hexadecimal.
    pub header: String,
    /// What was asked.
    pub action: Words,
    /// The status word in hexadecimal.
    pub status: String,
    /// What was answered.
    pub answer: Words,
    /// What a refusal is due to, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Words>,
}

impl std::fmt::Display for Line {
    /// One line: `SM    READ BINARY ... → 9000 ...`, Chinese first.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (mark, status) = (self.protection.mark(), &self.status);
        write!(f, "{mark:<5} {} → {status} {}", self.action.zh_hant, self.answer.zh_hant)?;
        if let Some(why) = &self.why {
            write!(f, "（{}）", why.zh_hant)?;
        }
        write!(f, " | {} → {status} {}", self.action.en, self.answer.en)?;
        if let Some(why) = &self.why {
            write!(f, " ({})", why.en)?;
        }
        Ok(())
    }
}

/// What the last MSE announced: the meaning of the GENERAL AUTHENTICATE or EXTERNAL AUTHENTICATE that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Announced {
    #[default]
    Nothing,
    /// PACE with the password of this reference.
    Pace(u8),
    TerminalAuthentication,
    ChipAuthentication,
    RestrictedIdentification,
}

/// Follows one session with a card.
#[derive(Debug, Clone, Default)]
pub struct Narrator {
    place: Place,
    file: Option<u16>,
    announced: Announced,
    in_channel: bool,
}

impl Narrator {
    /// A card that was just given power.
    pub fn new() -> Self {
        Self::default()
    }

    /// Power on, power off or reset: the session begins anew.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Tells of a command as it is under its protection, and of its answer.
    pub fn exchange(&mut self, protection: Protection, command: &Command, response: &Response) -> Line {
        // A plain command ends the channel, and with it everything that was won.
        let ends_channel = self.in_channel && protection == Protection::None;
        if ends_channel {
            self.reset();
        }
        let mut action = self.action(protection, command);
        if ends_channel {
            action.zh_hant.push_str("（未受保護，安全通道因此結束）");
            action.en.push_str(" (unprotected: it ends the secure channel)");
        }
        let answer = self.answer(command, response);
        let why = self.why(protection, command, response.sw);
        self.follow(protection, command, response);
        Line { protection, header: header(command), action, status: response.sw.to_string(), answer, why }
    }

    /// Tells of a command whose protection nobody here could take off, or that the card did not take off.
    pub fn sealed(&mut self, protection: Protection, command: &Command, response: &Response) -> Line {
        let failed = !response.sw.is_ok();
        if failed && response.data.is_empty() && protection == Protection::SecureMessaging {
            self.reset();
        }
        Line {
            protection,
            header: header(command),
            action: Words::new("受保護的指令，內容未解開", "a protected command, not opened"),
            status: response.sw.to_string(),
            answer: status_words(response.sw),
            why: (failed && response.data.is_empty()).then(|| {
                Words::new(
                    "卡片未接受其保護，安全通道結束",
                    "the card did not accept its protection; the secure channel has ended",
                )
            }),
        }
    }

    /// What the command changes for those that follow.
    fn follow(&mut self, protection: Protection, command: &Command, response: &Response) {
        let taken = !is_refused(response.sw);
        // Inside a channel that is not known to be open: whoever listens came late.
        self.in_channel |= protection == Protection::SecureMessaging;
        match command.ins {
            0xA4 if taken => self.select(command),
            0xB0 if taken && command.p1 & 0x80 != 0 => {
                self.file = self.place.fid_of(command.p1 & 0x1F);
            }
            0x22 => self.announced = announcement(command),
            // PACE and Chip Authentication open a channel with their last step.
            0x86 if taken && self.opens_channel(command) => self.in_channel = true,
            _ => {}
        }
    }

    fn opens_channel(&self, command: &Command) -> bool {
        match self.announced {
            Announced::Pace(_) => commands::authentication_step(command) == Some(0x85),
            Announced::ChipAuthentication => true,
            _ => false,
        }
    }

    fn select(&mut self, command: &Command) {
        let identifier = <[u8; 2]>::try_from(command.data.as_slice()).map(u16::from_be_bytes).ok();
        self.file = None;
        match (command.p1, identifier) {
            (0x04, _) => self.place = Place::of_aid(&command.data),
            (0x00 | 0x03, None | Some(0x3F00)) => self.place = Place::Master,
            (0x00, Some(0x5015)) => self.place = Place::Pkcs15,
            (0x00 | 0x02, Some(fid)) => {
                if self.place.file(fid).is_none() && Place::Master.file(fid).is_some() {
                    self.place = Place::Master;
                }
                self.file = Some(fid);
            }
            (0x08 | 0x09, _) => {
                if command.data.starts_with(&[0x50, 0x15]) {
                    self.place = Place::Pkcs15;
                }
                self.file = command.data.last_chunk::<2>().map(|fid| u16::from_be_bytes(*fid));
            }
            _ => {}
        }
    }
}

fn announcement(command: &Command) -> Announced {
    match (command.p1, command.p2) {
        (0xC1, 0xA4) => Announced::Pace(
            tlv::find(&command.data, 0x83).and_then(|object| object.value.first().copied()).unwrap_or(0),
        ),
        (0x81, 0xA4) => Announced::TerminalAuthentication,
        (0x41, 0xA4) => match tlv::find(&command.data, 0x80).map(|object| object.value) {
            // TR-03110-3 §A.1.1.5: id-RI.
            Some([0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x05, ..]) => Announced::RestrictedIdentification,
            _ => Announced::ChipAuthentication,
        },
        _ => Announced::Nothing,
    }
}

fn header(command: &Command) -> String {
    let [cla, ins, p1, p2] = command.header();
    // The steps of GENERAL AUTHENTICATE carry the chaining bit on the way.
    let cla = if ins == 0x86 { cla & !0x10 } else { cla };
    format!("{cla:02X} {ins:02X} {p1:02X} {p2:02X}")
}

const fn is_refused(sw: StatusWord) -> bool {
    !sw.is_ok() && !matches!(sw, StatusWord::END_OF_FILE)
}
