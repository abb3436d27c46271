//! What an attacker with a reader tries beyond the access table: the other interface, the retry counters, the order of
//! commands, and messages heard before.

use apdu::{CardChannel, Command};
use chip::Interface;
use terminal::perso::PinReference;

use crate::support::*;

fn mse(password: &eac::Password) -> Command {
    eac::pace::terminal::Start::new(P521, password).unwrap().mse_set_at()
}

fn part(data: &[u8]) -> Command {
    Command::new(0x10, 0x86, 0, 0).with_data(data).with_le(256)
}

// A passer-by must neither learn where PIN1 stands (it tells cards apart) nor use up its tries.
// proves: CARD-31, PRIVACY-12
#[test]
fn pin1_does_not_exist_on_the_contactless_interface() {
    for stage in [Stage::Personalised("national", true), Stage::InUse("national"), Stage::InUse("interop")] {
        let flash = stage.flash();
        let mut reader = Reader::new(open(&flash), Interface::Contactless);
        let writes = flash.writes();
        assert_eq!(reader.sw(&mse(&pin1())), 0x6A88);
        assert_eq!(reader.sw(&part(&[0x7C, 0x00])), 0x6985);
        assert_eq!(reader.pace(&wrong_pin1()), Err(0x6A88));
        assert_eq!(flash.writes(), writes, "no counter was touched");
        // Nor inside a channel of the access number, where the last try would be taken.
        reader.pace(&can()).unwrap();
        assert_eq!(reader.pace(&pin1()), Err(0x6A88));
        assert_eq!(reader.sw(&Command::new(0, 0x2C, 2, 3).with_data(*b"246802")), 0x6982);
    }
}

// Whoever has the card but not PIN2 must not learn how long PIN2 is: every guess at it costs a try.
#[test]
fn changing_pin2_does_not_tell_its_length() {
    for length in 8..=12usize {
        let flash = Stage::InUse("interop").flash();
        management(&flash).set_pin(PinReference::Pin2, &vec![b'7'; length].into()).unwrap();
        for both in 16..=24usize {
            let mut reader = Reader::new(open(&flash), Interface::Contact);
            reader.select(SC_HSM);
            let guess = Command::new(0, 0x24, 0, 0x81).with_data(vec![b'1'; both]);
            assert_eq!(reader.sw(&guess), 0x63C2, "PIN2 of {length} digits, {both} digits sent");
            drop(reader);
            management(&flash).unblock_pin(PinReference::Pin2).unwrap();
        }
        // The right old PIN with a new one that cannot be: told, and no try lost.
        let mut reader = Reader::new(open(&flash), Interface::Contact);
        reader.select(SC_HSM);
        for new in [20 - length, 7] {
            let data = [vec![b'7'; length], vec![b'1'; new]].concat();
            let sw = reader.sw(&Command::new(0, 0x24, 0, 0x81).with_data(data));
            assert_eq!(sw, if (8..=12).contains(&new) { 0x9000 } else { 0x6A80 });
            if sw == 0x9000 {
                let back = [vec![b'1'; new], vec![b'7'; length]].concat();
                assert_eq!(reader.sw(&Command::new(0, 0x24, 0, 0x81).with_data(back)), 0x9000);
            }
            assert_eq!(reader.pin2_status(), 0x63C3);
        }
    }
}

#[test]
fn the_steps_of_pace_come_in_their_order_and_once() {
    let mut reader = Reader::contact(Stage::InUse("national"));
    let point = [&[0x04][..], &[1; 132]].concat();
    let mapping = part(&tlv::encode(0x7C, &tlv::encode(0x81, &point)));
    let token =
        Command::new(0, 0x86, 0, 0).with_data(tlv::encode(0x7C, &tlv::encode(0x85, &[0; 8]))).with_le(256);
    // Without MSE nothing begins; a step out of order ends the run.
    assert_eq!(reader.sw(&part(&[0x7C, 0x00])), 0x6985);
    for early in [&mapping, &token] {
        assert_eq!(reader.sw(&mse(&can())), 0x9000);
        assert_eq!(reader.sw(early), 0x6A80);
        assert_eq!(reader.sw(&part(&[0x7C, 0x00])), 0x6985);
    }
    // A nonce is given once for each announcement.
    assert_eq!(reader.sw(&mse(&can())), 0x9000);
    assert_eq!(reader.sw(&part(&[0x7C, 0x00])), 0x9000);
    assert_eq!(reader.sw(&part(&[0x7C, 0x00])), 0x6A80);
    assert_eq!(reader.sw(&mapping), 0x6985);
    // A token right after the nonce is no short cut.
    assert_eq!(reader.sw(&mse(&can())), 0x9000);
    assert_eq!(reader.sw(&part(&[0x7C, 0x00])), 0x9000);
    assert_eq!(reader.sw(&token), 0x6A80);
    // A run that was begun inside a channel does not go on outside, where its channel's rights are gone.
    reader.pace(&can()).unwrap();
    assert_eq!(reader.sw(&mse(&pin1())), 0x9000);
    assert_eq!(reader.sw(&part(&[0x7C, 0x00])), 0x9000);
    assert_eq!(reader.send_plain(&mapping).sw.0, 0x6985);
}

#[test]
fn a_protected_command_is_accepted_once_and_in_its_channel() {
    let mut reader = Reader::contact(Stage::InUse("national"));
    reader.pace(&can()).unwrap();
    assert_eq!(reader.select(PUBLIC), 0x9000);
    let read = Command::new(0, 0xB0, 0x81, 0).with_le(256);
    let heard = reader.sm.as_mut().unwrap().wrap(&read).unwrap();
    assert_eq!(reader.channel.exchange(&heard).unwrap().sw.0, 0x9000);
    // The same bytes again: the counter has gone on, and the channel is over.
    assert_eq!(reader.channel.exchange(&heard).unwrap().sw.0, 0x6988);
    assert_eq!(reader.channel.exchange(&heard).unwrap().sw.0, 0x6982);
    // In a channel opened afterwards it means nothing either.
    reader.sm = None;
    reader.pace(&can()).unwrap();
    assert_eq!(reader.channel.exchange(&heard).unwrap().sw.0, 0x6988);
    // Nor after a reset.
    reader.sm = None;
    reader.pace(&can()).unwrap();
    let before = reader.sm.as_mut().unwrap().wrap(&read).unwrap();
    reader.sm = None;
    reader.reset();
    assert_eq!(reader.channel.exchange(&before).unwrap().sw.0, 0x6982);
}

// A chain is one command: it cannot begin with rights and end without them, nor the other way round.
#[test]
fn a_chain_does_not_cross_the_border_of_a_channel() {
    let mut reader = Reader::contact(Stage::InUse("national"));
    let first = Command::new(0x10, 0xA4, 0x04, 0x0C).with_data(&SC_HSM[..4]);
    let last = Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(&SC_HSM[4..]);
    assert_eq!(reader.sw(&first), 0x9000);
    assert_eq!(reader.sw(&last), 0x9000);
    // Begun in the clear, ended in the channel.
    reader.select_mf();
    assert_eq!(reader.sw(&first), 0x9000);
    assert_eq!(reader.pace(&can()), Err(0x6883), "another command voids the chain");
    reader.pace(&can()).unwrap();
    assert_eq!(reader.sw(&last), 0x6A82);
    // Begun in the channel, ended in the clear.
    assert_eq!(reader.sw(&first), 0x9000);
    assert_eq!(reader.send_plain(&last).sw.0, 0x6A82);
    reader.sm = None;
    // A chain without end uses bounded memory.
    let part = Command::new(0x10, 0x24, 0, 0x81).with_data(vec![0; 60_000]);
    assert_eq!(reader.sw(&part), 0x9000);
    assert_eq!(reader.sw(&part), 0x6700);
    for _ in 0..1_000 {
        assert_eq!(reader.sw(&Command::new(0x10, 0x24, 0, 0x81)), 0x9000);
    }
}

// Messages of PIN management, heard at the office, played to the card at home.
#[test]
fn a_session_of_pin_management_cannot_be_played_again() {
    let flash = Stage::InUse("national").flash();
    let mut heard: Vec<Vec<u8>> = Vec::new();
    struct Ear<'a>(Contact, &'a mut Vec<Vec<u8>>);
    impl CardChannel for Ear<'_> {
        fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, apdu::ChannelError> {
            self.1.push(command.to_vec());
            self.0.transmit(command)
        }
        fn reset(&mut self) -> Result<Vec<u8>, apdu::ChannelError> {
            self.0.reset()
        }
    }
    let keys = management_keys();
    let ear = Ear(contact(open(&flash)), &mut heard);
    let mut session =
        terminal::perso::Session::open(ear, chip::PIN_MANAGEMENT_KEY_VERSION, &keys, &mut rng("office"))
            .unwrap();
    session.set_pin(PinReference::Pin2, &b"11112222"[..].into()).unwrap();
    drop(session);
    management(&flash).set_pin(PinReference::Pin2, &PIN2.into()).unwrap();

    // Another power on: other random numbers.
    let memory = chip::RamMemory::open(flash.clone()).unwrap();
    let mut card = contact(chip::Chip::open(Box::new(memory), boxed_rng("at home")).unwrap());
    let answers: Vec<u16> = heard
        .iter()
        .map(|command| {
            let answer = card.transmit(command).unwrap();
            u16::from_be_bytes([answer[answer.len() - 2], answer[answer.len() - 1]])
        })
        .collect();
    // SELECT, INITIALIZE UPDATE; then the card's new challenge makes everything else worthless.
    assert_eq!(answers[..2], [0x9000, 0x9000]);
    assert!(answers[2..].iter().all(|sw| *sw != 0x9000), "{answers:04X?}");
    drop(card);
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    reader.pace(&can()).unwrap();
    reader.select(SC_HSM);
    assert_eq!(reader.verify(PIN2), 0x9000);
}
