//! Whatever bytes come, the chip answers, and its state changes only as its rules say.

use apdu::{Command, StatusWord};
use chip::{Interface, LifeCycle};
use proptest::prelude::*;

use crate::support::*;

/// Bytes that are commands more often than not.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let header = (
        prop_oneof![Just(0x00u8), Just(0x10), Just(0x0C), Just(0x80), Just(0x84), Just(0x8C), any::<u8>()],
        prop_oneof![
            prop::sample::select(vec![
                0xA4u8, 0xB0, 0xB1, 0x84, 0x22, 0x86, 0x88, 0x20, 0x24, 0x2C, 0x58, 0x68, 0x62, 0xCA, 0x50,
                0x82, 0xD8, 0x30, 0x32, 0xE2, 0x34, 0xF0
            ]),
            any::<u8>()
        ],
        prop_oneof![Just(0x00u8), Just(0x02), Just(0x04), Just(0xC1), Just(0x9E), any::<u8>()],
        prop_oneof![Just(0x00u8), Just(0x0C), Just(0xA4), Just(0x81), Just(0x33), any::<u8>()],
    );
    let data = prop_oneof![
        Just(Vec::new()),
        prop::sample::select(vec![
            SC_HSM.to_vec(),
            PKCS15.to_vec(),
            HOUSEHOLD.to_vec(),
            PUBLIC.to_vec(),
            EID.to_vec(),
            ISSUER.to_vec(),
            vec![0x3F, 0x00],
            vec![0x01, 0x1C],
            vec![0xCE, 0x01],
            vec![0x54, 0x01, 0x00],
            vec![0x7C, 0x00],
            b"99999999".to_vec(),
        ]),
        prop::collection::vec(any::<u8>(), 0..300),
    ];
    let le = prop::option::of(prop_oneof![Just(256u32), Just(65_536), 1u32..300]);
    prop_oneof![
        8 => (header, data, le).prop_map(|((cla, ins, p1, p2), data, le)| {
            let mut command = Command::new(cla, ins, p1, p2).with_data(data);
            command.le = le;
            command.to_bytes()
        }),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

/// Everything of a card that a stranger without PINs and keys must not be able to change. PIN2 of a sample card can be
/// tried in the clear, so its counter may fall.
fn protected(chip: &chip::Chip) -> (LifeCycle, Vec<(chip::Zone, usize)>) {
    (chip.life_cycle(), chip.memory_use().0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_stranger_changes_nothing(
        stage in prop::sample::select(vec![
            Stage::Delivered,
            Stage::Washed,
            Stage::Initialised("national"),
            Stage::Personalised("national", false),
            Stage::InUse("national"),
            Stage::InUse("interop"),
        ]),
        interface in prop::sample::select(Interface::ALL.to_vec()),
        commands in prop::collection::vec(command(), 1..40),
    ) {
        let flash = stage.flash();
        let mut chip = open(&flash);
        let before = protected(&chip);
        for bytes in &commands {
            let answer = chip.process(interface, bytes);
            let sw = apdu::Response::parse(&answer).expect("always a status word").sw;
            prop_assert!(answer.len() <= 8_192);
            // 6700 is for APDUs that are none, a missing Le, and a Le that is too small.
            if sw == StatusWord::WRONG_LENGTH && let Ok(command) = Command::parse(bytes) {
                let expects_le = matches!(command.ins, 0xB0 | 0xB1) && command.le.is_none();
                prop_assert!(expects_le || command.le.is_some() || command.cla & 0x0C != 0 || command.ins == 0x50, "{:02X?}", bytes);
            }
        }
        // Records may come and go only for counters; these are the same size before and after.
        let after = protected(&chip);
        prop_assert_eq!(before.0, after.0);
        for ((zone, was), (_, is)) in before.1.iter().zip(&after.1) {
            // Counters are made when they are first needed.
            let counters = if *zone == chip::Zone::System { 2 * 9 } else { 0 };
            prop_assert!(is.abs_diff(*was) <= counters, "{:?} {} {}", zone, was, is);
        }
        // And the holder's card still works: the CAN is never blocked.
        if matches!(stage, Stage::InUse(_) | Stage::Personalised(..)) {
            let mut reader = Reader::new(open(&flash), interface);
            prop_assert_eq!(reader.pace(&can()), Ok(()));
            reader.select(PUBLIC);
            prop_assert_eq!(reader.read_sfi(1).data, tlv::encode(0x61, &[0x61; 93]));
        }
    }

    // The same from inside a secure channel: who knows the CAN gets no further than the CAN leads.
    #[test]
    fn a_reader_with_the_access_number_changes_nothing_either(
        commands in prop::collection::vec(command(), 1..20),
    ) {
        let flash = Stage::InUse("national").flash();
        let mut reader = Reader::new(open(&flash), Interface::Contact);
        reader.pace(&can()).unwrap();
        let before = protected(reader.channel.chip());
        for bytes in &commands {
            if let Ok(command) = Command::parse(bytes) && command.cla & 0x4F == 0 && reader.sm.as_ref().unwrap().is_open() {
                reader.send(&command);
            }
        }
        let after = protected(reader.channel.chip());
        prop_assert_eq!(before.0, after.0);
        for ((_, was), (_, is)) in before.1.iter().zip(&after.1) {
            prop_assert!(is.abs_diff(*was) <= 9);
        }
    }
}

#[test]
fn every_class_and_instruction_byte_is_answered() {
    for stage in [Stage::Delivered, Stage::InUse("interop")] {
        let mut chip = stage.chip();
        for cla in 0..=255u8 {
            for ins in 0..=255u8 {
                for tail in [&[][..], &[0x00], &[0x01, 0x00], &[0x02, 0x3F], &[0x00, 0x00, 0x00]] {
                    let bytes = [&[cla, ins, 0, 0], tail].concat();
                    let answer = chip.process(Interface::Contact, &bytes);
                    assert!(answer.len() >= 2, "{bytes:02X?}");
                    if cla == 0xFF && Command::parse(&bytes).is_ok() {
                        assert_eq!(answer, [0x6E, 0x00], "{bytes:02X?}");
                    }
                }
            }
        }
    }
}

#[test]
fn truncated_and_oversized_commands() {
    let mut chip = Stage::InUse("interop").chip();
    let mut process = |bytes: &[u8]| chip.process(Interface::Contact, bytes);
    for bytes in [&[][..], &[0x00], &[0x00, 0xA4], &[0x00, 0xA4, 0x04]] {
        assert_eq!(process(bytes), [0x67, 0x00]);
    }
    // Lc and data do not agree.
    for bytes in [&[0, 0xA4, 4, 0, 5, 1][..], &[0, 0xA4, 4, 0, 1, 1, 1, 1], &[0, 0xA4, 4, 0, 0, 1, 0, 1]] {
        assert_eq!(process(bytes), [0x67, 0x00]);
    }
    // 65,535 bytes of data, and one more.
    let full = Command::new(0x00, 0x20, 0x00, 0x81).with_data(vec![0x31; 65_535]).to_bytes();
    assert_eq!(process(&full), [0x6A, 0x88]);
    assert_eq!(process(&[&full[..], &[0x31]].concat()), [0x67, 0x00]);
    // A chain without end is cut off, and the chip goes on.
    let part = Command::new(0x10, 0x20, 0x00, 0x81).with_data(vec![0x31; 60_000]).to_bytes();
    assert_eq!(process(&part), [0x90, 0x00]);
    assert_eq!(process(&part), [0x67, 0x00]);
    assert_eq!(process(&[0x00, 0xA4, 0x00, 0x0C]), [0x90, 0x00]);
}

#[test]
fn chained_parts_make_one_command() {
    let mut reader = Reader::contact(Stage::InUse("interop"));
    let select = Command::new(0x00, 0xA4, 0x04, 0x0C).with_data(SC_HSM);
    for part in apdu::split(&select, 4) {
        assert_eq!(reader.sw(&part), 0x9000);
    }
    assert_eq!(reader.pin2_status(), 0x63C3, "the application is selected");
}
