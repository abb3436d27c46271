//! PACE, secure messaging, active authentication, and what ends a channel.

use apdu::{CardChannel, Command};
use chip::Interface;

use crate::support::*;

const IN_USE: Stage = Stage::InUse("national");

// proves: CARD-25, CARD-26, CARD-43
#[test]
fn the_public_zone_opens_with_the_access_number_or_the_mrz_on_both_interfaces() {
    for interface in Interface::ALL {
        for password in [can(), mrz()] {
            for parameters in [P521, BRAINPOOL] {
                let mut reader = Reader::new(IN_USE.chip(), interface);
                assert_eq!(reader.select(PUBLIC), 0x9000);
                assert_eq!(reader.read_sfi(1).sw.0, 0x6982, "nothing in the clear");
                assert_eq!(reader.pace_with(parameters, &password), Ok(()));
                let dg1 = reader.read_sfi(1);
                assert_eq!((dg1.sw.0, dg1.data), (0x9000, tlv::encode(0x61, &[0x61; 93])));
            }
        }
    }
}

#[test]
fn a_wrong_access_number_or_mrz_is_told_and_opens_nothing() {
    for password in [wrong_can(), eac::Password::mrz_information("AB1234568485010183101019")] {
        let mut reader = Reader::contact(IN_USE);
        assert_eq!(reader.pace(&password), Err(0x6300));
        reader.select(PUBLIC);
        assert_eq!(reader.read_sfi(1).sw.0, 0x6982);
    }
}

// proves: CARD-56, OPEN-61
#[test]
fn wrong_access_numbers_slow_the_card_down_and_never_block_it() {
    let mut reader = Reader::contact(IN_USE);
    let start = |reader: &mut Reader| {
        let mse = eac::pace::terminal::Start::new(P521, &can()).unwrap().mse_set_at();
        assert_eq!(reader.sw(&mse), 0x9000);
        let first = Command::new(0x10, 0x86, 0, 0).with_data([0x7C, 0x00]).with_le(256);
        reader.channel.chip().process_timed(Interface::Contact, &first.to_bytes()).busy.as_secs()
    };
    let mut delays = Vec::new();
    for _ in 0..9 {
        delays.push(start(&mut reader));
        // Power off and on does not help: the count is in the memory, and taken before the comparison.
        reader.reset();
        assert_eq!(reader.pace(&wrong_can()), Err(0x6300));
        reader.reset();
    }
    assert_eq!(delays, [0, 0, 0, 1, 2, 4, 8, 16, 30]);
    assert_eq!(reader.pace(&can()), Ok(()), "the right number always works");
    reader.reset();
    assert_eq!(start(&mut reader), 0, "and ends the delay");
}

#[test]
fn a_power_cut_before_the_verdict_costs_the_attempt() {
    let flash = IN_USE.flash();
    // The attempt is written before the token is compared: the first write of PACE is the count.
    flash.cut_power(1, chip::Cut::After);
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reader.pace(&wrong_pin1())));
    assert!(outcome.is_err(), "no answer came");
    flash.restore_power();
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    let mse = eac::pace::terminal::Start::new(P521, &pin1()).unwrap().mse_set_at();
    assert_eq!(reader.sw(&mse), 0x63C2);
}

// proves: CARD-48
#[test]
fn active_authentication_proves_the_key_of_dg15() {
    let mut reader = Reader::contact(IN_USE);
    let challenge = [1, 2, 3, 4, 5, 6, 7, 8];
    let command = eac::active_authentication::internal_authenticate(&challenge, false);
    reader.select(PUBLIC);
    assert_eq!(reader.sw(&command), 0x6982, "not without a channel");
    reader.pace(&can()).unwrap();
    let spki = reader.read_sfi(0x0F).data[..].to_vec();
    let spki = tlv::expect(&spki, 0x6F).unwrap().value.to_vec();
    let answer = reader.send(&command);
    assert_eq!((answer.sw.0, answer.data.len()), (0x9000, 132));
    eac::active_authentication::verify(&spki, curve::Hash::Sha512, &challenge, &answer.data).unwrap();
    assert!(eac::active_authentication::verify(&spki, curve::Hash::Sha512, &[0; 8], &answer.data).is_err());
    // Another length than eight is no challenge; and it is the public zone's key.
    assert_eq!(reader.sw(&Command::new(0, 0x88, 0, 0).with_data([0; 16]).with_le(256)), 0x6A80);
    reader.select_mf();
    assert_eq!(reader.sw(&command), 0x6985);
}

#[test]
fn a_plain_command_ends_the_channel_and_is_executed_without_rights() {
    let mut reader = Reader::contact(IN_USE);
    reader.pace(&can()).unwrap();
    assert_eq!(reader.select(PUBLIC), 0x9000);
    assert_eq!(reader.read_sfi(1).sw.0, 0x9000);
    let ef_dir = reader.send_plain(&Command::new(0x00, 0xB0, 0x9E, 0).with_le(256));
    assert_eq!(ef_dir.sw.0, 0x9000, "the MF is current again, its free files are readable");
    assert_eq!(reader.read_sfi(1).sw.0, 0x6982, "the old channel is gone");
    reader.sm = None;
    reader.select(PUBLIC);
    assert_eq!(reader.read_sfi(1).sw.0, 0x6982);
}

#[test]
fn a_wrong_checksum_ends_the_channel() {
    let mut reader = Reader::contact(IN_USE);
    reader.pace(&can()).unwrap();
    reader.select(PUBLIC);
    let mut wrapped = reader.sm.as_mut().unwrap().wrap(&Command::new(0, 0xB0, 0x81, 0).with_le(256)).unwrap();
    *wrapped.data.last_mut().unwrap() ^= 1;
    assert_eq!(reader.send_plain(&wrapped).sw.0, 0x6988);
    *wrapped.data.last_mut().unwrap() ^= 1;
    assert_eq!(reader.send_plain(&wrapped).sw.0, 0x6982, "not even the right one works any more");
}

#[test]
fn reset_forgets_the_channel() {
    let mut reader = Reader::contact(IN_USE);
    reader.pace(&can()).unwrap();
    reader.select(PUBLIC);
    let sm = reader.sm.take();
    reader.channel.reset().unwrap();
    reader.sm = sm;
    assert_eq!(reader.read_sfi(1).sw.0, 0x6982);
}

#[test]
fn the_two_interfaces_do_not_share_a_session() {
    let mut chip = IN_USE.chip();
    {
        let mut contact = Reader::new(chip, Interface::Contact);
        contact.pace(&can()).unwrap();
        contact.select(PUBLIC);
        chip = contact.channel.into_chip();
    }
    let mut contactless = Reader::new(chip, Interface::Contactless);
    contactless.select(PUBLIC);
    assert_eq!(contactless.read_sfi(1).sw.0, 0x6982);
}

// The whole portrait in as few commands as extended length allows, and in many short ones.
#[test]
fn long_files_are_read_whole_in_both_lengths() {
    let expected = tlv::encode(0x75, &vec![0x75; 15_000]);
    for (le, most) in [(65_536, 3), (256, 80), (223, 80), (100, 160)] {
        let mut reader = Reader::contact(IN_USE);
        reader.pace(&can()).unwrap();
        reader.select(PUBLIC);
        assert_eq!(reader.select_file(0x0102), 0x9000);
        let (mut file, mut commands) = (Vec::new(), 0);
        while file.len() < expected.len() {
            let [hi, lo] = (file.len() as u16).to_be_bytes();
            let part = reader.send(&Command::new(0, 0xB0, hi, lo).with_le(le));
            assert!(matches!(part.sw.0, 0x9000 | 0x6282), "{}", part.sw);
            assert!(!part.data.is_empty());
            file.extend(part.data);
            commands += 1;
        }
        assert_eq!(file, expected);
        assert!(commands <= most, "{commands} commands of Le {le}");
    }
}

#[test]
fn a_response_never_exceeds_what_readers_have_room_for() {
    let mut reader = Reader::contact(IN_USE);
    reader.pace(&can()).unwrap();
    reader.select(PUBLIC);
    reader.select_file(0x0102);
    for (le, extended, room) in [(256, false, 256), (65_536, true, 8190), (8_190, true, 8190)] {
        let mut command = Command::new(0, 0xB0, 0, 0).with_le(le);
        command.extended = extended;
        let wrapped = reader.sm.as_mut().unwrap().wrap(&command).unwrap();
        let response = reader.channel.transmit(&wrapped.to_bytes()).unwrap();
        assert!(response.len() - 2 <= room, "{} bytes for Le {le}", response.len() - 2);
        let response = apdu::Response::parse(&response).unwrap();
        reader.sm.as_mut().unwrap().unwrap(&response).unwrap();
    }
}

#[test]
fn the_chip_offers_just_what_its_profile_says() {
    let mut reader = Reader::contact(IN_USE);
    let mse = |protocol: const_oid::ObjectIdentifier, password: u8, parameter: Option<u8>| {
        eac::pace::SetAuthenticationTemplate { protocol, password, parameter_id: parameter, chat: None }
            .command()
    };
    use tlv::oid;
    for (protocol, password, parameter, sw) in [
        (oid::PACE_ECDH_GM_AES_CBC_CMAC_256, 2, Some(18), 0x9000),
        (oid::PACE_ECDH_GM_AES_CBC_CMAC_256, 2, None, 0x9000),
        (oid::PACE_ECDH_GM_AES_CBC_CMAC_128, 1, Some(13), 0x9000),
        (oid::PACE_ECDH_GM_AES_CBC_CMAC_256, 2, Some(13), 0x6A80),
        (oid::PACE_ECDH_GM_AES_CBC_CMAC_192, 2, Some(18), 0x6A80),
        (oid::PACE_ECDH_IM_AES_CBC_CMAC_256, 2, Some(18), 0x6A80),
        // PUK, and numbers that mean nothing.
        (oid::PACE_ECDH_GM_AES_CBC_CMAC_256, 4, Some(18), 0x6A88),
        (oid::PACE_ECDH_GM_AES_CBC_CMAC_256, 0, Some(18), 0x6A88),
        (oid::PACE_ECDH_GM_AES_CBC_CMAC_256, 9, Some(18), 0x6A88),
    ] {
        assert_eq!(reader.sw(&mse(protocol, password, parameter)), sw, "{protocol} {password} {parameter:?}");
    }
    // With a CHAT, as terminals that go on to Terminal Authentication send it.
    let mut template = eac::pace::SetAuthenticationTemplate {
        protocol: oid::PACE_ECDH_GM_AES_CBC_CMAC_256,
        password: 2,
        parameter_id: Some(18),
        chat: Some(vec![
            0x06, 0x09, 0x04, 0x00, 0x7F, 0x00, 0x07, 0x03, 0x01, 0x02, 0x02, 0x53, 0x05, 0, 0, 0, 0, 0,
        ]),
    };
    assert_eq!(reader.sw(&template.command()), 0x9000);
    template.chat = None;
    // GENERAL AUTHENTICATE out of order.
    reader.reset();
    let first = Command::new(0x10, 0x86, 0, 0).with_data([0x7C, 0x00]).with_le(256);
    assert_eq!(reader.sw(&first), 0x6985);
    reader.sw(&template.command());
    assert_eq!(
        reader.sw(&Command::new(0x10, 0x86, 0, 0).with_data([0x7C, 0x02, 0x81, 0x00]).with_le(256)),
        0x6A80
    );
    assert_eq!(reader.sw(&first), 0x6985, "an error ends the run");
}
