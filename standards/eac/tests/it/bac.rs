//! Basic Access Control: the worked example of ICAO 9303-11 appendix D, both sides against each other, and attacks.

use apdu::{Command, Response, StatusWord};
use curve::SeedRandom;
use eac::bac::{self, AccessKeys, MESSAGE_LEN, Start};
use eac::sm::{self, SmError};
use eac::{Error, Step};
use proptest::prelude::*;

use crate::support::{Script, Vectors};

const MRZ: &[u8] = b"L898902C<369080619406236";

fn keys() -> AccessKeys {
    AccessKeys::from_mrz_information(MRZ).expect("not empty")
}

#[test]
fn appendix_d_keys() {
    let vectors = Vectors::read("icao-9303-11/appendix-d.txt");
    assert_eq!(curve::Hash::Sha1.digest(MRZ), vectors.bytes("mrz_information_sha1"));
    let seed = &vectors.bytes("mrz_information_sha1")[..16];
    assert_eq!(eac::kdf::kdf_3des(seed, eac::kdf::ENC).expose(), vectors.bytes("k_enc"));
    assert_eq!(eac::kdf::kdf_3des(seed, eac::kdf::MAC).expose(), vectors.bytes("k_mac"));
    assert_eq!(AccessKeys::from_mrz_information(b"").err(), Some(Error::Password));
}

#[test]
fn appendix_d_both_sides_apdu_for_apdu() {
    let vectors = Vectors::read("icao-9303-11/appendix-d.txt");
    let exchanges = vectors.exchanges();
    let mut terminal_rng = Script::new(&[vectors.bytes("rnd_ifd"), vectors.bytes("k_ifd")]);
    let mut chip_rng = Script::new(&[vectors.bytes("k_ic")]);
    let challenge = vectors.bytes("rnd_ic").try_into().expect("eight bytes");
    let (mut at, mut chip) = (0, None);
    let mut terminal = bac::establish::<Error>(Start::new(keys()), &mut terminal_rng, |command| {
        assert_eq!(hex::encode(command.to_bytes()), hex::encode(&exchanges[at].0));
        let answer = if command.ins == 0x84 {
            Response::ok(vectors.bytes("rnd_ic"))
        } else {
            let (data, channel) = bac::answer(&keys(), &challenge, &command.data, &mut chip_rng)?;
            chip = Some(channel);
            Response::ok(data)
        };
        assert_eq!(hex::encode(answer.to_bytes()), hex::encode(&exchanges[at].1));
        at += 1;
        Ok(answer)
    })
    .expect("the example succeeds");
    let mut chip = chip.expect("a channel");
    // D.4: SELECT EF.COM and READ BINARY of its first four bytes.
    let select = Command::new(0x00, 0xA4, 0x02, 0x0C).with_data([0x01, 0x1E]);
    let read = Command::new(0x00, 0xB0, 0x00, 0x00).with_le(4);
    let answers = [Response::ok([]), Response::ok([0x60, 0x14, 0x5F, 0x01])];
    for (i, (command, answer)) in [select, read].into_iter().zip(answers).enumerate() {
        let (expected, protected) = &exchanges[2 + i];
        let wrapped = terminal.wrap(&command).expect("wrapped");
        assert_eq!(hex::encode(wrapped.to_bytes()), hex::encode(expected));
        assert!(chip.unwrap(&wrapped) == Ok(command));
        let wrapped = chip.wrap(&answer);
        assert_eq!(hex::encode(wrapped.to_bytes()), hex::encode(protected));
        assert!(terminal.unwrap(&wrapped) == Ok(answer));
    }
}

/// A run with what is on the way changed; the challenge is the one the chip gave before, if `replay` says so.
fn run(
    terminal_mrz: &[u8],
    mut tamper: impl FnMut(bool, &mut Vec<u8>),
) -> (Result<sm::Terminal, Error>, Option<sm::Chip>) {
    let (mut rng, mut chip_rng) = (SeedRandom::new(b"terminal"), SeedRandom::new(b"chip"));
    let challenge = [7; 8];
    let mut chip = None;
    let terminal_keys = AccessKeys::from_mrz_information(terminal_mrz).expect("not empty");
    let result = bac::establish::<Error>(Start::new(terminal_keys), &mut rng, |command| {
        if command.ins == 0x84 {
            return Ok(Response::ok(challenge));
        }
        let mut data = command.data.clone();
        tamper(false, &mut data);
        match bac::answer(&keys(), &challenge, &data, &mut chip_rng) {
            Ok((mut data, channel)) => {
                chip = Some(channel);
                tamper(true, &mut data);
                Ok(Response::ok(data))
            }
            Err(error) => Ok(error.status_word().into()),
        }
    });
    (result, chip)
}

#[test]
fn a_wrong_mrz_opens_nothing() {
    let (terminal, chip) = run(b"L898902C<369080619406235", |_, _| ());
    assert_eq!(terminal.err(), Some(Error::WrongPassword { tries_left: None }));
    assert!(chip.is_none());
}

#[test]
fn every_changed_byte_ends_the_run() {
    for position in 0..MESSAGE_LEN {
        let (terminal, chip) = run(MRZ, |card, data| {
            if !card {
                data[position] ^= 1;
            }
        });
        assert_eq!(terminal.err(), Some(Error::WrongPassword { tries_left: None }), "byte {position}");
        assert!(chip.is_none());
        let (terminal, _) = run(MRZ, |card, data| {
            if card {
                data[position] ^= 1;
            }
        });
        assert_eq!(terminal.err(), Some(Error::CardToken), "answer, byte {position}");
    }
}

#[test]
fn an_answer_to_another_challenge_is_refused_by_both() {
    let mut rng = SeedRandom::new(b"old");
    let (command, _) = Start::new(keys()).step(&Response::ok([1; 8]), &mut rng).expect("eight bytes");
    let replayed = bac::answer(&keys(), &[2; 8], &command.data, &mut rng);
    assert_eq!(replayed.err(), Some(Error::WrongPassword { tries_left: None }));
    // The terminal's own message sent back is no answer: its halves stand the other way round.
    let (command, state) = Start::new(keys()).step(&Response::ok([1; 8]), &mut rng).expect("eight bytes");
    assert_eq!(state.step(&Response::ok(command.data)).err(), Some(Error::CardToken));
}

#[test]
fn the_3des_channel_ends_as_the_other_one_does() {
    let (terminal, chip) = run(MRZ, |_, _| ());
    let (mut terminal, mut chip) = (terminal.expect("a channel"), chip.expect("a channel"));
    let read = Command::new(0x00, 0xB0, 0x9E, 0x00).with_le(256);
    let first = terminal.wrap(&read).expect("wrapped");
    assert!(chip.unwrap(&first).is_ok());
    let _ = chip.wrap(&Response::ok(*b"x"));
    assert_eq!(chip.unwrap(&first).err(), Some(SmError::DataIncorrect), "a replayed command");
    assert!(!chip.is_open());
    let (terminal, chip) = run(MRZ, |_, _| ());
    let (mut terminal, mut chip) = (terminal.expect("a channel"), chip.expect("a channel"));
    assert_eq!(chip.unwrap(&read).err(), Some(SmError::Plain(StatusWord::SM_DATA_MISSING)));
    let wrapped = terminal.wrap(&read).expect("wrapped");
    assert_eq!(chip.unwrap(&wrapped).err(), Some(SmError::Ended));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_goes_in_comes_out(data in prop::collection::vec(any::<u8>(), 0..300), answer in prop::collection::vec(any::<u8>(), 0..300), ins in prop::sample::select(vec![0xA4u8, 0xB0, 0xB1])) {
        let (terminal, chip) = run(MRZ, |_, _| ());
        let (mut terminal, mut chip) = (terminal.expect("a channel"), chip.expect("a channel"));
        let mut command = Command::new(0x00, ins, 0, 0).with_data(data).with_le(65_536);
        command.extended = true;
        let answer = Response::ok(answer);
        prop_assert!(chip.unwrap(&terminal.wrap(&command).expect("wrapped")) == Ok(command));
        prop_assert!(terminal.unwrap(&chip.wrap(&answer)) == Ok(answer));
    }

    #[test]
    fn arbitrary_messages_never_panic(data in prop::collection::vec(any::<u8>(), 0..60), sw in any::<u16>()) {
        let mut rng = SeedRandom::new(b"fuzz");
        prop_assert!(bac::answer(&keys(), &[7; 8], &data, &mut rng).is_err());
        let response = Response::new(data, StatusWord(sw));
        if let Ok((_, state)) = Start::new(keys()).step(&response, &mut rng) {
            prop_assert!(state.step(&response).is_err());
        }
    }
}

#[test]
fn refusals_of_the_card_are_told_apart() {
    let mut rng = SeedRandom::new(b"refusals");
    let refused = Start::new(keys()).step(&StatusWord::INS_NOT_SUPPORTED.into(), &mut rng).err();
    assert_eq!(refused, Some(Error::Refused { step: Step::GetChallenge, sw: StatusWord::INS_NOT_SUPPORTED }));
    for (sw, wrong) in [(0x6300, true), (0x6982, true), (0x6985, false), (0x6D00, false)] {
        let (_, state) = Start::new(keys()).step(&Response::ok([1; 8]), &mut rng).expect("eight bytes");
        let error = state.step(&StatusWord(sw).into()).err().expect("refused");
        assert_eq!(matches!(error, Error::WrongPassword { .. }), wrong, "{sw:04X}");
    }
}
