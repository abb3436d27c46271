//! A card in a reader: sends commands, opens the secure channel, reads whole files.
//!
//! After [`Card::open_channel`] every command travels in secure messaging. The first error of the channel ends it, and with
//! it the [`Card`]'s usefulness: reset and begin anew.

use apdu::{CardChannel, ChannelError, Command, Response, StatusWord};
use curve::Random;
use eac::pace::terminal::{Session, Start, establish};
use eac::pace::{self, Parameters};
use eac::sm::SmError;
use eac::{Password, bac, security_infos, sm};

use crate::lengths::{announced_lengths, lengths_of_atr};
use crate::{Refusal, commands};

/// The largest file that is read: a photo of a travel document has some 20 to 100 KiB.
const MAX_FILE: usize = 1024 * 1024;
/// The most commands one file may take: a card that hands out single bytes must not keep a reader for hours.
const MAX_READS: usize = 6_000;
/// EF.CardAccess.
const EF_CARD_ACCESS: FileRef = FileRef::new(0x011C, 0x1C);
/// EF.ATR/INFO.
const EF_ATR_INFO: FileRef = FileRef::new(0x2F01, 0x01);
/// Response bytes of a card that says nothing about its buffers, in extended length.
pub(crate) const EXTENDED_BLOCK: usize = 1024;
/// What fits into a short command or response with secure messaging around it.
const SHORT_BLOCK: usize = 0xDF;
/// The first read of a file when the usual one is refused: enough for tag and length.
const HEADER: u32 = 8;

/// Why the card did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    // The card's fault.
    /// It answered with this status word.
    #[error("the card refused {what} with {sw}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Its answer.
        sw: StatusWord,
    },
    /// A file is not what its format says.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// A file is larger than any such file can be.
    #[error("a file is larger than {MAX_FILE} bytes")]
    TooLarge,
    /// PACE failed.
    #[error(transparent)]
    Pace(#[from] eac::Error),
    /// The secure channel broke.
    #[error(transparent)]
    SecureMessaging(#[from] SmError),

    // The environment's.
    /// The way to the card.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

impl CardError {
    /// The status word of a refusal.
    pub const fn status_word(&self) -> Option<StatusWord> {
        match self {
            Self::Refused { sw, .. } => Some(*sw),
            _ => None,
        }
    }

    /// The stable code, whose fault it is, and the words for people.
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::Channel(ChannelError::CardGone) => Refusal::CardGone,
            Self::Channel(ChannelError::Malformed) | Self::Malformed(_) | Self::TooLarge => {
                Refusal::CardAnswer
            }
            Self::Channel(_) => Refusal::ReaderFailed,
            Self::SecureMessaging(_) => Refusal::ChannelBroken,
            Self::Pace(eac::Error::WrongPassword { .. }) => Refusal::WrongPassword,
            Self::Pace(eac::Error::Unsupported) => Refusal::PaceUnsupported,
            Self::Pace(eac::Error::Refused { sw, .. }) if is_blocked(*sw) => Refusal::PasswordBlocked,
            Self::Pace(_) => Refusal::PaceFailed,
            Self::Refused { .. } => Refusal::CardRefused,
        }
    }
}

/// Answers to PACE that say the password cannot be used now.
const fn is_blocked(sw: StatusWord) -> bool {
    matches!(
        sw,
        StatusWord(0x63C0)
            | StatusWord::DEACTIVATED
            | StatusWord::AUTHENTICATION_BLOCKED
            | StatusWord::REFERENCE_DATA_NOT_USABLE
            | StatusWord::CONDITIONS_NOT_SATISFIED
            | StatusWord::REFERENCED_DATA_NOT_FOUND
    )
}

/// How long the commands and answers of a card may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lengths {
    /// Short length only.
    Short,
    /// Extended length with at most this many response bytes (without status word).
    Extended {
        /// The response buffer.
        response: usize,
    },
}

/// A file to read: by short identifier where it has one, by file identifier otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRef {
    /// The file identifier.
    pub fid: u16,
    /// The short file identifier.
    pub sfi: Option<u8>,
}

impl FileRef {
    /// A file with both identifiers.
    pub const fn new(fid: u16, sfi: u8) -> Self {
        Self { fid, sfi: Some(sfi) }
    }
}

/// Where a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With its one data object.
    Object,
    /// Where the card says so.
    File,
}

/// A card behind a channel.
pub struct Card<C> {
    channel: C,
    secure: Option<sm::Terminal>,
    lengths: Lengths,
}

impl<C: CardChannel> Card<C> {
    /// A card as it lies behind `channel`, without a reset.
    pub const fn new(channel: C) -> Self {
        Self { channel, secure: None, lengths: Lengths::Extended { response: EXTENDED_BLOCK } }
    }

    /// Resets the card and returns its ATR.
    pub fn reset(&mut self) -> Result<Vec<u8>, CardError> {
        self.secure = None;
        Ok(self.channel.reset()?)
    }

    /// Resets the card and learns how long its commands and answers may be; the MF is selected then. Returns the ATR.
    pub fn connect(&mut self) -> Result<Vec<u8>, CardError> {
        let atr = self.reset()?;
        // Whether extended length works is not known before EF.ATR/INFO was read: read it in short length.
        self.lengths = Lengths::Short;
        // A card that refuses is taken as it is: some have no other selection after reset.
        refused_or(self.select_mf())?;
        let info = refused_or(self.read_to_end(EF_ATR_INFO).map(Some))?;
        self.lengths = info.and_then(|info| announced_lengths(&info)).unwrap_or(lengths_of_atr(&atr));
        Ok(atr)
    }

    /// Gives the channel back.
    pub fn into_channel(self) -> C {
        self.channel
    }

    /// Uses these lengths from now on.
    pub const fn set_lengths(&mut self, lengths: Lengths) {
        self.lengths = lengths;
    }

    /// The lengths in use.
    pub const fn lengths(&self) -> Lengths {
        self.lengths
    }

    /// Whether commands travel in secure messaging.
    pub fn is_secure(&self) -> bool {
        self.secure.as_ref().is_some_and(sm::Terminal::is_open)
    }

    /// Sends one command, in the secure channel if there is one, and returns whatever the card answers. Where the card or the
    /// reader knows only short length, a command that is longer goes in parts, and at most 256 bytes are asked for.
    pub fn send(&mut self, command: &Command) -> Result<Response, CardError> {
        if self.lengths != Lengths::Short {
            return self.send_whole(command);
        }
        let command = Command { le: command.le.map(|le| le.min(256)), extended: false, ..command.clone() };
        // ISO/IEC 7816-4 §5.3.3: chaining is a bit of the interindustry class byte; proprietary commands do not have it.
        if command.cla & 0x80 != 0 {
            return self.send_whole(&command);
        }
        let mut answer = Response::ok([]);
        for part in apdu::split(&command, SHORT_BLOCK) {
            answer = self.send_whole(&part)?;
            if !answer.sw.is_ok() {
                break;
            }
        }
        Ok(answer)
    }

    fn send_whole(&mut self, command: &Command) -> Result<Response, CardError> {
        let Some(secure) = &mut self.secure else {
            return self.exchange(command);
        };
        let wrapped = secure.wrap(command)?;
        let answer = self.exchange(&wrapped)?;
        // Borrowed anew: `exchange` needs the whole card.
        let response = match &mut self.secure {
            Some(secure) => secure.unwrap(&answer)?,
            None => return Err(SmError::Ended.into()),
        };
        self.channel.unwrapped(command, &response);
        Ok(response)
    }

    /// Sends one command that must succeed.
    pub fn require(&mut self, what: &'static str, command: &Command) -> Result<Vec<u8>, CardError> {
        self.send(command)?.into_ok().map_err(|sw| CardError::Refused { what, sw })
    }

    /// Transport level: collects what `61xx` announces, repeats with the length `6Cxx` asks for.
    // ISO/IEC 7816-3 §12.2 (T=0), ISO/IEC 7816-4 §5.6.
    fn exchange(&mut self, command: &Command) -> Result<Response, CardError> {
        let mut answer = self.channel.exchange(command)?;
        if answer.sw.0 >> 8 == 0x6C && answer.data.is_empty() {
            let again = Command { le: Some(short_length(answer.sw)), ..command.clone() };
            answer = self.channel.exchange(&again)?;
        }
        while answer.sw.0 >> 8 == 0x61 {
            let more = self.channel.exchange(&commands::get_response(short_length(answer.sw)))?;
            if more.data.is_empty() && more.sw.0 >> 8 == 0x61 {
                return Err(CardError::Malformed("GET RESPONSE"));
            }
            answer.data.extend_from_slice(&more.data);
            answer.sw = more.sw;
            // Data and status word of the longest response, with room for secure messaging.
            if answer.data.len() > apdu::MAX_EXTENDED + 64 {
                return Err(CardError::TooLarge);
            }
        }
        Ok(answer)
    }

    /// What the card wants PACE to run with: the first offer of EF.CardAccess that is known here. The MF is selected then.
    pub fn pace_parameters(&mut self) -> Result<Parameters, CardError> {
        refused_or(self.select_mf())?;
        let access = self.read_object(EF_CARD_ACCESS)?;
        let infos = security_infos::parse_file(&access)?;
        Parameters::choose(&infos).ok_or(CardError::Pace(eac::Error::Unsupported))
    }

    /// Resets the card and says what it wants PACE to run with. A reader that breaks on extended length, whatever the card says of
    /// itself, is found out here, before a password has been tried: short length is used from then on.
    pub fn connect_for_pace(&mut self) -> Result<Parameters, CardError> {
        self.connect()?;
        match self.pace_parameters() {
            Err(
                CardError::Channel(ChannelError::Reader(_))
                | CardError::Refused { sw: StatusWord::WRONG_LENGTH, .. },
            ) if self.lengths != Lengths::Short => {
                self.reset()?;
                self.lengths = Lengths::Short;
                self.pace_parameters()
            }
            result => result,
        }
    }

    /// Runs PACE and opens the secure channel. Inside an open channel PACE runs in it, and the new channel replaces it.
    pub fn open_channel(
        &mut self,
        parameters: Parameters,
        password: &Password,
        rng: &mut dyn Random,
    ) -> Result<OpenedChannel, CardError> {
        let start = Start::new(parameters, password)?;
        let Session { sm, id_picc, chip_proof, certification_authority, .. } =
            establish::<CardError>(start, rng, |command| self.send(command))?;
        self.secure = Some(sm);
        Ok(OpenedChannel { parameters, id_picc, chip_proof, certification_authority })
    }

    /// Runs Basic Access Control, for which the eMRTD application must be selected, and opens the secure channel with 3DES.
    /// The MRZ information is document number, date of birth and date of expiry with their check digits.
    // ICAO 9303-11 §4.3: for documents without PACE, and for the laboratory.
    pub fn open_basic_channel(
        &mut self,
        mrz_information: &[u8],
        rng: &mut dyn Random,
    ) -> Result<(), CardError> {
        let start = bac::Start::new(bac::AccessKeys::from_mrz_information(mrz_information)?);
        let channel = bac::establish::<CardError>(start, rng, |command| self.send(command))?;
        self.secure = Some(channel);
        Ok(())
    }

    /// Uses another secure channel from now on: that of PACE or of Chip Authentication.
    pub(crate) fn replace_channel(&mut self, secure: sm::Terminal) {
        self.secure = Some(secure);
    }

    /// SELECT of the master file; inside and outside of the secure channel.
    pub fn select_mf(&mut self) -> Result<(), CardError> {
        self.require("SELECT MF", &commands::select_mf()).map(drop)
    }

    /// SELECT of an application.
    pub fn select_application(&mut self, aid: &[u8]) -> Result<(), CardError> {
        self.require("SELECT application", &commands::select_application(aid)).map(drop)
    }

    /// Reads a file that holds one data object: as many bytes as its length field says.
    pub fn read_object(&mut self, file: FileRef) -> Result<Vec<u8>, CardError> {
        self.read(file, End::Object)
    }

    /// Reads a file to its end.
    pub fn read_to_end(&mut self, file: FileRef) -> Result<Vec<u8>, CardError> {
        self.read(file, End::File)
    }

    /// Reads a file that holds one data object through READ BINARY with odd instruction, by its file identifier and without
    /// selecting it: the way of the SmartCard-HSM, which answers without data object 53 around the data.
    pub fn read_by_odd_instruction(&mut self, file: FileRef) -> Result<Vec<u8>, CardError> {
        let block = self.block();
        let mut content = Vec::new();
        for _ in 0..MAX_READS {
            let answer =
                self.send(&commands::read_binary_odd(file.fid, content.len() as u32, block as u32))?;
            let part = match answer.sw {
                StatusWord::OK | StatusWord::END_OF_FILE => answer.data,
                StatusWord::WRONG_P1_P2 if !content.is_empty() => Vec::new(),
                sw => return Err(CardError::Refused { what: "READ BINARY", sw }),
            };
            content.extend_from_slice(&part);
            let total = object_length(&content).ok_or(CardError::Malformed("file"))?;
            if total > MAX_FILE {
                return Err(CardError::TooLarge);
            }
            if content.len() >= total {
                content.truncate(total);
                return Ok(content);
            }
            if part.is_empty() {
                return Err(CardError::Malformed("file: shorter than its length"));
            }
        }
        Err(CardError::TooLarge)
    }

    fn read(&mut self, file: FileRef, end: End) -> Result<Vec<u8>, CardError> {
        let block = self.block();
        let mut content = match file.sfi {
            Some(sfi) => match self.first_block(|le| commands::read_binary_short_id(sfi, 0, le), block) {
                // ICAO 9303-10 §3.6.3: some cards know their files by file identifier only.
                Err(CardError::Refused { sw, .. }) if may_lack_short_identifier(sw) => {
                    self.select_and_read(file.fid, block)?
                }
                result => result?,
            },
            None => self.select_and_read(file.fid, block)?,
        };
        let total = match end {
            End::Object => object_length(&content).ok_or(CardError::Malformed("file"))?,
            End::File => usize::MAX,
        };
        if end == End::Object && total > MAX_FILE {
            return Err(CardError::TooLarge);
        }
        let mut reads = 1;
        while content.len() < total {
            let part = self.next_block(content.len(), block.min(total - content.len()), end)?;
            if part.is_empty() {
                break;
            }
            content.extend_from_slice(&part);
            reads += 1;
            if content.len() > MAX_FILE || reads > MAX_READS {
                return Err(CardError::TooLarge);
            }
        }
        match end {
            End::Object if content.len() < total => {
                Err(CardError::Malformed("file: shorter than its length"))
            }
            End::Object => {
                content.truncate(total);
                Ok(content)
            }
            End::File => Ok(content),
        }
    }

    fn select_and_read(&mut self, fid: u16, block: usize) -> Result<Vec<u8>, CardError> {
        self.require("SELECT file", &commands::select_file(fid))?;
        self.first_block(|le| commands::read_binary(0, le), block)
    }

    fn first_block(&mut self, read: impl Fn(u32) -> Command, block: usize) -> Result<Vec<u8>, CardError> {
        let answer = self.send(&read(block as u32))?;
        match answer.sw {
            StatusWord::OK | StatusWord::END_OF_FILE => Ok(answer.data),
            // Cards that do not give less than what was asked for: begin with the header of the file.
            StatusWord::WRONG_P1_P2 | StatusWord::WRONG_LENGTH => self.require("READ BINARY", &read(HEADER)),
            sw => Err(CardError::Refused { what: "READ BINARY", sw }),
        }
    }

    fn next_block(&mut self, offset: usize, len: usize, end: End) -> Result<Vec<u8>, CardError> {
        let odd = offset > commands::MAX_SHORT_OFFSET;
        // The answer comes in data object 53: its tag and length need room too.
        let len = if odd { len.min(self.block() - 4) } else { len };
        let command = match u16::try_from(offset) {
            Ok(short) if !odd => commands::read_binary(short, len as u32),
            _ => commands::read_binary_odd(0, offset as u32, (len + 1 + tlv::length_of_length(len)) as u32),
        };
        let answer = self.send(&command)?;
        match answer.sw {
            StatusWord::OK | StatusWord::END_OF_FILE if odd => {
                let object =
                    tlv::read_one(&answer.data).map_err(|_| CardError::Malformed("READ BINARY B1"))?.0;
                if object.tag != 0x53 {
                    return Err(CardError::Malformed("READ BINARY B1"));
                }
                Ok(object.value.to_vec())
            }
            StatusWord::OK | StatusWord::END_OF_FILE => Ok(answer.data),
            StatusWord::WRONG_P1_P2 if end == End::File => Ok(Vec::new()),
            sw => Err(CardError::Refused { what: "READ BINARY", sw }),
        }
    }

    /// How many plain bytes one proprietary command takes, of at most `most`.
    pub(crate) const fn command_block(&self, most: usize) -> usize {
        match self.lengths {
            Lengths::Short if most > SHORT_BLOCK => SHORT_BLOCK,
            _ => most,
        }
    }

    /// How many plain bytes one READ BINARY asks for.
    fn block(&self) -> usize {
        match (self.lengths, self.is_secure()) {
            (Lengths::Short, _) => SHORT_BLOCK,
            (Lengths::Extended { response }, true) => sm::max_plain_response(response).max(SHORT_BLOCK),
            (Lengths::Extended { response }, false) => response.max(SHORT_BLOCK),
        }
    }
}

/// Nothing where the card refuses; errors of another kind stay errors.
pub(crate) fn refused_or<T: Default>(result: Result<T, CardError>) -> Result<T, CardError> {
    match result {
        Err(CardError::Refused { .. }) => Ok(T::default()),
        result => result,
    }
}

/// What PACE gave besides the channel.
#[derive(Debug)]
pub struct OpenedChannel {
    /// The parameters it ran with.
    pub parameters: pace::Parameters,
    /// ID_PICC: the x-coordinate of the chip's ephemeral key.
    pub id_picc: Vec<u8>,
    /// With chip authentication mapping: what is to be verified with the key of EF.CardSecurity.
    pub chip_proof: Option<pace::ChipProof>,
    /// The trust point of Terminal Authentication, where the card named one.
    pub certification_authority: Option<Vec<u8>>,
}

/// The length `61xx` or `6Cxx` names; 00 is 256.
const fn short_length(sw: StatusWord) -> u32 {
    let low = sw.0 & 0xFF;
    if low == 0 { 256 } else { low as u32 }
}

/// Refusals that may mean "no such short identifier" rather than "no such file".
const fn may_lack_short_identifier(sw: StatusWord) -> bool {
    matches!(
        sw,
        StatusWord::FILE_NOT_FOUND
            | StatusWord::NO_CURRENT_EF
            | StatusWord::INCORRECT_P1_P2
            | StatusWord::WRONG_P1_P2
            | StatusWord::FUNCTION_NOT_SUPPORTED
            | StatusWord(0x6981)
    )
}

/// Tag, length field and value of the data object that begins `content`, which need not be whole.
fn object_length(content: &[u8]) -> Option<usize> {
    let tag = match content {
        [first, ..] if first & 0x1F != 0x1F => 1,
        [_, second, ..] if second & 0x80 == 0 => 2,
        [_, _, third, ..] if third & 0x80 == 0 => 3,
        _ => return None,
    };
    let first = usize::from(*content.get(tag)?);
    if first < 0x80 {
        return Some(tag + 1 + first);
    }
    let count = first & 0x7F;
    if count == 0 || count > 4 {
        return None;
    }
    let length = content.get(tag + 1..=tag + count)?;
    let length = length.iter().fold(0usize, |n, byte| n << 8 | usize::from(*byte));
    length.checked_add(tag + 1 + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_file_is_in_its_first_bytes() {
        for (bytes, length) in [
            (&[0x60, 0x16][..], Some(24)),
            (&[0x75, 0x82, 0x41, 0x40, 0], Some(4 + 0x4140)),
            (&[0x7F, 0x61, 0x81, 0x80], Some(4 + 0x80)),
            (&[0x60], None),
            (&[0x60, 0x82, 0x01], None),
            (&[0x60, 0x80], None),
            (&[0x60, 0x85, 1, 1, 1, 1, 1], None),
            (&[], None),
            (&[0x7F], None),
        ] {
            assert_eq!(object_length(bytes), length, "{bytes:02X?}");
        }
    }
}
