//! Cards that answer nonsense: a reading ends with a report, in bounded time and memory.

use apdu::{CardChannel, ChannelError};
use curve::{Random, SeedRandom};
use eac::Password;
use proptest::prelude::*;
use terminal::{ReadOptions, TrustStore, Verdict, read_card};

use crate::country::now;

/// Answers what it was given, over and over.
struct Parrot {
    answers: Vec<Vec<u8>>,
    at: usize,
}

impl CardChannel for Parrot {
    fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, ChannelError> {
        self.at += 1;
        Ok(self.answers[self.at % self.answers.len()].clone())
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        Ok(self.answers[0].clone())
    }
}

fn read(channel: impl CardChannel) -> Verdict {
    let mut rng = SeedRandom::new(b"terminal");
    let options = ReadOptions::default();
    read_card(channel, &Password::can("000123"), &TrustStore::new(), &options, now(), &mut rng).verdict
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_answers_give_a_refusal(answers in prop::collection::vec(prop_oneof![
        Just(vec![0x90, 0x00]),
        Just(vec![0x61, 0x00]),
        Just(vec![0x6C, 0x10]),
        Just(vec![0x63, 0xC2]),
        prop::collection::vec(any::<u8>(), 0..5),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(|mut data| { data.extend([0x90, 0x00]); data }),
        Just(hex::decode("31143012060A04007F000702020402040201020201129000").expect("hex")),
        Just(hex::decode("7C12801095A3A016522EE98D01E76CB6B98B42C39000").expect("hex")),
    ], 1..12)) {
        prop_assert_eq!(read(Parrot { answers, at: 0 }), Verdict::Refused);
    }
}

#[test]
fn endless_files_end() {
    // One byte for every READ BINARY, and a length that promises a mebibyte.
    let byte = vec![0x31, 0x90, 0x00];
    assert_eq!(read(Parrot { answers: vec![byte], at: 0 }), Verdict::Refused);
    let mut block = vec![0x31, 0x83, 0x0F, 0xFF, 0xFF, 0x90, 0x00];
    assert_eq!(read(Parrot { answers: vec![block.clone()], at: 0 }), Verdict::Refused);
    block.splice(1..5, [0x84, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(read(Parrot { answers: vec![block], at: 0 }), Verdict::Refused);
    // Always more to fetch.
    let mut more = vec![0xAA; 64];
    SeedRandom::new(b"x").fill(&mut more);
    more.extend([0x61, 0x40]);
    assert_eq!(read(Parrot { answers: vec![more], at: 0 }), Verdict::Refused);
}
