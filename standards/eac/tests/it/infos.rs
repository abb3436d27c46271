use curve::{Curve, SecretKey, SeedRandom};
use eac::pace::Parameters;
use eac::security_infos::{SecurityInfo, encode_set, encode_set_in_order, parse_file, parse_set};
use eac::{Cipher, active_authentication};
use proptest::prelude::*;
use tlv::oid;

use crate::support::Vectors;

#[test]
fn the_worked_example_is_read_and_written_back() {
    let file = Vectors::read("tr-03110/pace-ecdh.txt").bytes("ef_card_access");
    let infos = parse_set(&file).expect("SecurityInfos");
    let wanted = Parameters::generic(Curve::BrainpoolP256r1, Cipher::Aes128);
    assert_eq!(Parameters::choose(&infos), Some(wanted));
    assert!(infos.contains(&SecurityInfo::terminal_authentication()));
    assert!(infos.contains(&SecurityInfo::chip_authentication(Cipher::Aes128, Some(1))));
    assert!(infos.contains(&SecurityInfo::chip_authentication_domain(Curve::BrainpoolP256r1, Some(1))));
    let unknown = infos.iter().filter(|info| matches!(info, SecurityInfo::Unknown { .. })).count();
    assert_eq!((infos.len(), unknown), (6, 2), "card locator and privileged terminal info");
    assert_eq!(encode_set(&infos), file);
}

#[test]
fn cards_of_other_issuers_are_read_and_written_back() {
    let mut count = 0;
    for (name, value) in Vectors::read("recorded/ef-card-access.txt").lines() {
        let file = hex::decode(value).expect("hex");
        let infos = parse_file(&file).expect(name);
        // The old test card speaks PACE version 1 with explicit domain parameters, the Slovenian one no PACE.
        let without = ["old_testcard", "slowenia"];
        assert_eq!(Parameters::choose(&infos).is_none(), without.contains(&name), "{name}");
        assert_eq!(encode_set_in_order(&infos), tlv::read_one(&file).expect("DER").0.raw, "{name}");
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn our_own_card_access() {
    let p521 = Parameters::generic(Curve::P521, Cipher::Aes256);
    let brainpool = Parameters::generic(Curve::BrainpoolP256r1, Cipher::Aes128);
    let key = SecretKey::generate(Curve::P521, &mut SeedRandom::new(b"ca")).public_key();
    let infos = vec![
        p521.info(),
        brainpool.info(),
        SecurityInfo::terminal_authentication(),
        SecurityInfo::chip_authentication(Cipher::Aes256, Some(1)),
        SecurityInfo::chip_authentication_domain(Curve::P521, Some(1)),
        SecurityInfo::chip_authentication_public_key(&key, Some(1)),
        SecurityInfo::active_authentication(oid::ECDSA_PLAIN_SHA512),
    ];
    let in_order = encode_set_in_order(&infos);
    assert_eq!(parse_set(&in_order).as_ref(), Ok(&infos));
    assert_eq!(Parameters::choose(&infos), Some(p521));
    assert_eq!(active_authentication::algorithm(&infos), Some(oid::ECDSA_PLAIN_SHA512));
    // The same infos in DER: sorted by their encoding, whatever their order was.
    let mut reversed = infos.clone();
    reversed.reverse();
    assert_eq!(encode_set(&infos), encode_set(&reversed));
    assert_eq!(parse_set(&encode_set(&infos)).expect("DER").len(), infos.len());
}

#[test]
fn what_is_not_implemented_is_not_chosen() {
    for (protocol, version, parameter_id) in [
        ("0.4.0.127.0.7.2.2.4.1.2", 2, Some(2)),
        ("0.4.0.127.0.7.2.2.4.2.1", 2, Some(13)),
        ("0.4.0.127.0.7.2.2.4.4.1", 2, Some(13)),
        ("0.4.0.127.0.7.2.2.4.4.2", 2, Some(10)),
        ("0.4.0.127.0.7.2.2.4.6.1", 2, Some(13)),
        ("0.4.0.127.0.7.2.2.4.6.4", 1, Some(13)),
        ("0.4.0.127.0.7.2.2.4.2.2", 1, Some(13)),
        ("0.4.0.127.0.7.2.2.4.2.2", 2, Some(7)),
        ("0.4.0.127.0.7.2.2.4.2.2", 2, Some(19)),
        ("0.4.0.127.0.7.2.2.4.2.2", 2, Some(269)),
        ("0.4.0.127.0.7.2.2.4.2.2", 2, None),
    ] {
        let protocol = protocol.parse().expect("an identifier");
        let info = SecurityInfo::Pace { protocol, version, parameter_id };
        assert_eq!(SecurityInfo::parse(&info.encode()).as_ref(), Ok(&info));
        assert_eq!(Parameters::from_info(&info), None, "{info:?}");
    }
}

proptest! {
    #[test]
    fn arbitrary_files_never_panic(input in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_file(&input);
        let _ = parse_set(&tlv::encode(0x31, &input));
    }

    #[test]
    fn whatever_is_read_is_written_back(protocol in prop::sample::select(vec![
        "0.4.0.127.0.7.2.2.4.2.2", "2.23.136.1.1.5", "0.4.0.127.0.7.2.2.3.2", "0.4.0.127.0.7.2.2.3.2.4",
        "0.4.0.127.0.7.2.2.1.2", "0.4.0.127.0.7.2.2.2", "1.2.3",
    ]), rest in prop::collection::vec(prop_oneof![
        any::<u64>().prop_map(|n| tlv::integer_unsigned(&n.to_be_bytes())),
        Just(tlv::encode_oid(oid::ECDSA_PLAIN_SHA256)),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|v| tlv::encode(0x30, &v)),
    ], 0..4)) {
        let protocol = tlv::encode_oid(protocol.parse().expect("an identifier"));
        let der = tlv::sequence(&[&protocol, &rest.concat()]);
        let info = SecurityInfo::parse(&der).expect("a sequence with an identifier");
        prop_assert_eq!(info.encode(), der);
    }
}
