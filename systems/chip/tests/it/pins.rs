//! PIN1 and PIN2: counters, blocking, setting, changing.

use apdu::Command;
use chip::Interface;
use terminal::perso::PinReference;

use crate::support::*;

/// The answer to MSE:Set AT with the reference of PIN1.
fn probe(reader: &mut Reader) -> u16 {
    let mse = eac::pace::terminal::Start::new(P521, &pin1()).unwrap().mse_set_at();
    reader.sw(&mse)
}

// proves: CARD-50, OPEN-11
#[test]
fn both_pins_leave_production_unset_and_nothing_works_until_they_are_set() {
    for profile in ["national", "interop"] {
        let flash = Stage::Personalised(profile, true).flash();
        let mut reader = Reader::new(open(&flash), Interface::Contact);
        assert_eq!(probe(&mut reader), 0x6283);
        assert_eq!(reader.sw(&Command::new(0x10, 0x86, 0, 0).with_data([0x7C, 0x00]).with_le(256)), 0x6985);
        reader.pace(&can()).unwrap();
        assert_eq!(reader.select(SC_HSM), 0x9000);
        for pin in [&b"00000000"[..], b"12345678", b"000000000000", PIN2] {
            assert_eq!(reader.verify(pin), 0x6984);
        }
        assert_eq!(reader.pin2_status(), 0x6984);
        assert_eq!(reader.sw(&Command::new(0, 0x24, 0, 0x81).with_data([PIN2, PIN2].concat())), 0x6984);
        for fid in [0xCE01, 0xCE03, 0xCA05, 0xC401] {
            assert_eq!(reader.select_file(fid), 0x6985, "certificates cannot be read either");
        }
        assert_eq!(reader.sw(&Command::new(0x80, 0x68, 1, 0x20).with_data([0; 256]).with_le(256)), 0x6985);
        drop(reader);
        management(&flash).set_pin(PinReference::Pin2, &PIN2.into()).unwrap();
        let mut reader = Reader::new(open(&flash), Interface::Contact);
        reader.pace(&can()).unwrap();
        reader.select(SC_HSM);
        assert_eq!(reader.verify(PIN2), 0x9000);
        assert_eq!(reader.select_file(0xCE01), 0x9000);
    }
}

// proves: CARD-35, CARD-49, OPEN-64
#[test]
fn three_wrong_pin2_block_it_and_nothing_else() {
    let flash = Stage::InUse("interop").flash();
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    reader.select(SC_HSM);
    assert_eq!(reader.pin2_status(), 0x63C3);
    assert_eq!(reader.verify(b"99999999"), 0x63C2);
    // A success starts the count anew: only failures in a row count.
    assert_eq!(reader.verify(PIN2), 0x9000);
    assert_eq!(reader.pin2_status(), 0x9000);
    for (sw, status) in [(0x63C2, 0x63C2), (0x63C1, 0x63C1), (0x6983, 0x6983)] {
        reader.reset();
        reader.select(SC_HSM);
        assert_eq!(reader.verify(b"99999999"), sw);
        assert_eq!(reader.pin2_status(), status);
    }
    assert_eq!(reader.verify(PIN2), 0x6983, "the right one comes too late");
    assert_eq!(reader.sw(&Command::new(0x80, 0x68, 1, 0x20).with_data([0; 256]).with_le(256)), 0x6982);
    assert_eq!(probe(&mut reader), 0x9000, "PIN1 has its own counter");
    reader.select(HOUSEHOLD);
    assert_eq!(reader.read_sfi(1).sw.0, 0x9000);
    reader.pace(&can()).unwrap();
    reader.select(PUBLIC);
    assert_eq!(reader.read_sfi(1).sw.0, 0x9000);
    drop(reader);
    management(&flash).unblock_pin(PinReference::Pin2).unwrap();
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    reader.select(SC_HSM);
    assert_eq!(reader.verify(PIN2), 0x9000, "unblocked, the PIN is what it was");
}

// proves: CARD-35
#[test]
fn pin2_has_eight_to_twelve_digits() {
    let flash = Stage::InUse("interop").flash();
    let mut management = management(&flash);
    for bad in
        [&b"1234567"[..], b"1234567890123", b"1234567a", b"", b"12345678\0", "１２３４５６７８".as_bytes()]
    {
        let error = management.set_pin(PinReference::Pin2, &bad.into()).unwrap_err();
        assert_eq!(error.status_word().unwrap().0, 0x6A80);
    }
    for good in [&b"12345678"[..], b"123456789012"] {
        management.set_pin(PinReference::Pin2, &good.into()).unwrap();
    }
    drop(management);
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    reader.select(SC_HSM);
    // What cannot be a PIN2 is told so, and costs no try.
    for _ in 0..5 {
        assert_eq!(reader.verify(b"1234567"), 0x6A80);
    }
    assert_eq!(reader.verify(b"123456789012"), 0x9000);
}

// A PIN that was replaced is not kept anywhere.
#[test]
fn an_old_pin_is_erased() {
    let flash = Stage::InUse("national").flash();
    assert!(flash.image().windows(PIN2.len()).any(|w| w == PIN2));
    management(&flash).set_pin(PinReference::Pin2, &b"11223344"[..].into()).unwrap();
    assert!(!flash.image().windows(PIN2.len()).any(|w| w == PIN2));
}

#[test]
fn changing_pin2_needs_the_old_one() {
    let mut reader = Reader::contact(Stage::InUse("interop"));
    reader.select(SC_HSM);
    let change = |reader: &mut Reader, old: &[u8], new: &[u8]| {
        reader.sw(&Command::new(0, 0x24, 0, 0x81).with_data([old, new].concat()))
    };
    assert_eq!(change(&mut reader, b"99999999", b"888888888"), 0x63C2);
    assert_eq!(change(&mut reader, PIN2, b"1234567"), 0x6A80);
    assert_eq!(change(&mut reader, PIN2, b""), 0x6A80);
    assert_eq!(change(&mut reader, PIN2, b"123456789"), 0x9000);
    assert_eq!(reader.verify(PIN2), 0x63C2, "the old one is void");
    assert_eq!(change(&mut reader, b"123456789", PIN2), 0x9000);
    assert_eq!(reader.verify(PIN2), 0x9000);
    // P1 = 01 would set it without the old one.
    assert_eq!(reader.sw(&Command::new(0, 0x24, 1, 0x81).with_data(PIN2)), 0x6A86);
    assert_eq!(reader.sw(&Command::new(0, 0x24, 0, 0x88).with_data(PIN2)), 0x6983);
}

// proves: CARD-30, CARD-49
#[test]
fn pin1_counts_three_two_one_suspended_zero() {
    let flash = Stage::InUse("national").flash();
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    assert_eq!(probe(&mut reader), 0x9000);
    assert_eq!(reader.pace(&wrong_pin1()), Err(0x63C2));
    reader.reset();
    assert_eq!(probe(&mut reader), 0x63C2);
    assert_eq!(reader.pace(&pin1()), Ok(()), "a success starts the count anew");
    reader.reset();
    assert_eq!(probe(&mut reader), 0x9000);
    assert_eq!(reader.pace(&wrong_pin1()), Err(0x63C2));
    assert_eq!(reader.pace(&wrong_pin1()), Err(0x63C1));
    reader.reset();
    assert_eq!(probe(&mut reader), 0x63C1);
    // Suspended: not even the right PIN outside a channel of the CAN; nobody far away can use up the last try.
    assert_eq!(reader.pace(&pin1()), Err(0x6985));
    assert_eq!(probe(&mut reader), 0x63C1);
    // MRZ and CAN both prove the card is at hand.
    reader.pace(&can()).unwrap();
    assert_eq!(probe(&mut reader), 0x63C1);
    assert_eq!(reader.pace(&pin1()), Ok(()));
    reader.reset();
    assert_eq!(probe(&mut reader), 0x9000, "resumed");
    assert_eq!(reader.pace(&wrong_pin1()), Err(0x63C2));
    assert_eq!(reader.pace(&wrong_pin1()), Err(0x63C1));
    reader.pace(&can()).unwrap();
    assert_eq!(reader.pace(&wrong_pin1()), Err(0x63C0));
    assert_eq!(probe(&mut reader), 0x63C0, "the channel of the CAN still works");
    let first = Command::new(0x10, 0x86, 0, 0).with_data([0x7C, 0x00]).with_le(256);
    assert_eq!(reader.sw(&first), 0x6983);
    reader.reset();
    assert_eq!(probe(&mut reader), 0x63C0);
    assert_eq!(reader.sw(&first), 0x6983, "the right one comes too late");
    drop(reader);
    management(&flash).unblock_pin(PinReference::Pin1).unwrap();
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    assert_eq!(probe(&mut reader), 0x9000);
    assert_eq!(reader.pace(&pin1()), Ok(()));
}

// The order in which a well-known client changes PIN1, with its habit of leaving the channel by a command without data.
#[test]
fn pin1_is_changed_inside_its_own_channel() {
    let mut reader = Reader::contact(Stage::InUse("national"));
    let change = Command::new(0x00, 0x2C, 0x02, 0x03).with_data(*b"246802");
    assert_eq!(reader.sw(&change), 0x6982);
    reader.pace(&can()).unwrap();
    assert_eq!(reader.sw(&change), 0x6982, "the CAN is not enough");
    reader.pace(&pin1()).unwrap();
    assert_eq!(reader.sw(&Command::new(0x00, 0x2C, 0x02, 0x03).with_data(*b"24680")), 0x6A80);
    assert_eq!(reader.sw(&Command::new(0x00, 0x2C, 0x03, 0x03)), 0x6982, "unblocking is not the holder's");
    assert_eq!(reader.sw(&change), 0x9000);
    assert_ne!(reader.send_plain(&Command::new(0x00, 0x22, 0xC1, 0xA4)).sw.0, 0x9000);
    reader.sm = None;
    assert_eq!(probe(&mut reader), 0x9000);
    assert_eq!(reader.pace(&pin1()), Err(0x63C2));
    assert_eq!(reader.pace(&eac::Password::pin(b"246802")), Ok(()));
}

// proves: CARD-36
#[test]
fn first_pins_come_from_pin_management_and_cannot_be_equal() {
    let flash = Stage::Personalised("national", true).flash();
    let mut session = management(&flash);
    let status = session.status().unwrap();
    assert!(!status.pin1.set && !status.pin2.set);
    for bad in [&b"12345"[..], b"1234567", b"12345678", b"abcdef"] {
        let error = session.set_pin(PinReference::Pin1, &bad.into()).unwrap_err();
        assert_eq!(error.status_word().unwrap().0, 0x6A80, "no PIN2 is a possible PIN1");
    }
    let error = session.unblock_pin(PinReference::Pin1).unwrap_err();
    assert_eq!(error.status_word().unwrap().0, 0x6984, "there is nothing to unblock");
    session.set_pin(PinReference::Pin1, &PIN1.into()).unwrap();
    session.set_pin(PinReference::Pin2, &PIN2.into()).unwrap();
    let status = session.status().unwrap();
    assert!(status.pin1.set && status.pin2.set);
    assert_eq!((status.pin1.tries, status.pin2.tries), (3, 3));
}

#[test]
fn selecting_anything_forgets_a_verified_pin2() {
    let mut reader = Reader::contact(Stage::InUse("interop"));
    for other in [SC_HSM, PKCS15, HOUSEHOLD] {
        reader.select(SC_HSM);
        assert_eq!(reader.verify(PIN2), 0x9000);
        reader.select(other);
        reader.select(SC_HSM);
        assert_eq!(reader.pin2_status(), 0x63C3);
    }
    reader.verify(PIN2);
    reader.pace(&can()).unwrap();
    reader.select(SC_HSM);
    assert_eq!(reader.pin2_status(), 0x63C3, "a new channel forgets it too");
}

#[test]
fn pin2_is_known_in_its_own_application_only() {
    let mut reader = Reader::contact(Stage::InUse("interop"));
    for aid in [HOUSEHOLD, PUBLIC, EID, ISSUER] {
        reader.select(aid);
        assert_eq!(reader.verify(PIN2), 0x6A88);
    }
    // References a SmartCard-HSM has and this card has not: clients look for a PIN pad in the card there.
    reader.select(SC_HSM);
    for reference in [0x85, 0x86] {
        assert_eq!(reader.sw(&Command::new(0, 0x20, 0, reference)), 0x6A88);
    }
    // The security officer's PIN is blocked for ever; "not found" would invite clients to initialise the token.
    for data in [&b""[..], b"3537363231383830"] {
        assert_eq!(reader.sw(&Command::new(0, 0x20, 0, 0x88).with_data(data)), 0x6983);
    }
    assert_eq!(reader.sw(&Command::new(0, 0x2C, 0, 0x81).with_data(*b"353736323138383012345678")), 0x6982);
}
