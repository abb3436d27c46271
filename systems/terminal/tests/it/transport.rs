//! Readers of the old kind: T=0, where answers are fetched with GET RESPONSE and lengths are corrected with 6Cxx.

use apdu::{CardChannel, ChannelError, Command, Response, StatusWord};
use curve::SeedRandom;
use eac::Password;
use terminal::{Card, CardError, Lengths, ReadOptions, Verdict, commands, read_card};

use crate::country::{COUNTRY, jpeg, now};
use crate::emrtd::Emrtd;

/// A card behind T=0: no extended length, no command with data and answer at once.
struct CharacterProtocol {
    card: Emrtd,
    waiting: Vec<u8>,
    fetched: usize,
    corrected: usize,
}

impl CharacterProtocol {
    fn announce(&self, sw: StatusWord) -> Vec<u8> {
        if self.waiting.is_empty() {
            return Response::from(sw).to_bytes();
        }
        let len = if self.waiting.len() > 255 { 0 } else { self.waiting.len() as u16 };
        Response::from(StatusWord(0x6100 | len)).to_bytes()
    }
}

impl CardChannel for CharacterProtocol {
    fn transmit(&mut self, bytes: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let command = Command::parse(bytes).expect("a command");
        assert!(!command.extended, "T=0 has no extended length");
        if command.ins == 0xC0 {
            self.fetched += 1;
            let len = (command.le.expect("Le") as usize).min(self.waiting.len());
            let data: Vec<u8> = self.waiting.drain(..len).collect();
            let sw = self.announce(StatusWord::OK);
            return Ok([data, sw].concat());
        }
        let answer = Response::parse(&self.card.transmit(bytes)?).expect("an answer");
        // ISO/IEC 7816-3 §12.2.2: case 2: a wrong Le is corrected.
        if command.data.is_empty() && !answer.data.is_empty() && command.le != Some(answer.data.len() as u32)
        {
            self.corrected += 1;
            return Ok(Response::from(StatusWord(0x6C00 | (answer.data.len() as u16 & 0xFF))).to_bytes());
        }
        // Case 4: the answer waits, in parts of at most 100 bytes.
        if !command.data.is_empty() && answer.sw == StatusWord::OK {
            self.waiting = answer.data;
            return Ok(self.announce(answer.sw));
        }
        Ok(answer.to_bytes())
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.waiting.clear();
        self.card.reset()?;
        // T=0, historical bytes without card capabilities.
        Ok(vec![0x3B, 0x02, 0x14, 0x50])
    }
}

// proves: CARD-02
#[test]
fn a_card_behind_t_0_is_read() {
    let mut reader =
        CharacterProtocol { card: Emrtd::new(3000), waiting: Vec::new(), fetched: 0, corrected: 0 };
    let mut rng = SeedRandom::new(b"terminal");
    let options = ReadOptions::default();
    let report =
        read_card(&mut reader, &Password::can("000123"), &COUNTRY.trust(), &options, now(), &mut rng);
    assert_eq!(report.verdict, Verdict::Verified, "{:?}", report.checks);
    assert_eq!(report.file("portrait.jpg"), Some(&jpeg(3000)[..]));
    assert!(reader.fetched > 20 && reader.corrected > 0, "{} {}", reader.fetched, reader.corrected);
}

/// Answers from a list and keeps what was sent.
struct Scripted {
    answers: Vec<&'static str>,
    sent: Vec<String>,
}

impl CardChannel for Scripted {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        self.sent.push(hex::encode_upper(command));
        if self.answers.is_empty() {
            return Err(ChannelError::CardGone);
        }
        Ok(hex::decode(self.answers.remove(0)).expect("hex"))
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        Ok(vec![0x3B])
    }
}

#[test]
fn long_commands_go_in_parts_where_only_short_length_is_known() {
    let channel = Scripted { answers: vec!["9000", "9000", "AABB9000"], sent: Vec::new() };
    let mut card = Card::new(channel);
    card.set_lengths(Lengths::Short);
    let command = Command::new(0x00, 0x2A, 0x00, 0xBE).with_data(vec![7; 500]).with_le(65_536);
    assert_eq!(card.require("VERIFY CERTIFICATE", &command), Ok(vec![0xAA, 0xBB]));
    let sent = card.into_channel().sent;
    assert_eq!(sent.iter().map(|s| &s[..10]).collect::<Vec<_>>(), ["102A00BEDF", "102A00BEDF", "002A00BE36"]);
    assert!(sent[2].ends_with("0700"));
}

#[test]
fn refusals_and_ends_are_told_apart() {
    let read = |answers: Vec<&'static str>| {
        let mut card = Card::new(Scripted { answers, sent: Vec::new() });
        card.read_object(terminal::FileRef::new(0x011C, 0x1C))
    };
    assert_eq!(read(vec!["3102AABB9000"]), Ok(vec![0x31, 2, 0xAA, 0xBB]));
    assert_eq!(
        read(vec!["3102AABBFF6282"]),
        Ok(vec![0x31, 2, 0xAA, 0xBB]),
        "padding of the file is left out"
    );
    assert_eq!(read(vec!["31049000", "", ""]).err(), Some(CardError::Channel(ChannelError::Malformed)));
    assert_eq!(read(vec!["3104AA9000", "BB9000", "CCDD6282"]), Ok(vec![0x31, 4, 0xAA, 0xBB, 0xCC, 0xDD]));
    assert!(matches!(read(vec!["3104AA9000", "9000"]), Err(CardError::Malformed(_))));
    assert!(matches!(read(vec!["9000"]), Err(CardError::Malformed(_))));
    // No short identifiers: by file identifier. No file at all.
    assert_eq!(read(vec!["6A86", "9000", "31009000"]), Ok(vec![0x31, 0]));
    assert_eq!(
        read(vec!["6A82", "6A82"]).err().and_then(|e| e.status_word()),
        Some(StatusWord::FILE_NOT_FOUND)
    );
    let refused = read(vec!["6982"]).err().and_then(|e| e.status_word());
    assert_eq!(refused, Some(StatusWord::SECURITY_STATUS_NOT_SATISFIED));
    let mut card = Card::new(Scripted { answers: vec!["6C02", "AABB9000"], sent: Vec::new() });
    assert_eq!(card.require("READ BINARY", &commands::read_binary(0, 256)), Ok(vec![0xAA, 0xBB]));
    assert_eq!(card.into_channel().sent, ["00B0000000", "00B0000002"]);
}
