//! Points of small order on curves with another b, in every command that brings the card a point. A card that computed with one
//! would give its private key, or the password, away piece by piece.

use apdu::Command;
use chip::Interface;
use curve::{Curve, Hash};
use eac::cvc::UpdateRights;
use eac::pace::{Mapping, Parameters, terminal};
use eac::restricted_identification;
use eac::terminal_authentication::{SetAuthenticationTemplate, external_authenticate, get_challenge};

use crate::eac_pki::{self, TERMINAL, key, reference};
use crate::encrypted_zone::{ALL_READS, reader, sectors};
use crate::support::*;

/// The points for this curve, uncompressed.
fn points(curve: Curve) -> Vec<Vec<u8>> {
    let text = include_str!("../../../../standards/curve/tests/vectors/small-order/points.txt");
    let points: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix(&format!("{curve} ")))
        .map(|line| {
            let (_, coordinates) = line.split_once(' ').unwrap();
            [vec![0x04], hex::decode(coordinates.replace(' ', "")).unwrap()].concat()
        })
        .collect();
    assert_eq!(points.len(), 5, "{curve}: of order 2, 3, 4, 5 and 7");
    points
}

fn general_authenticate(tag: u32, point: &[u8]) -> Command {
    let data = tlv::encode(0x7C, &tlv::encode(tag, point));
    Command::new(0x00, 0x86, 0x00, 0x00).with_data(data).with_le(256)
}

/// Runs PACE with the point in the place of the terminal's key in a step; the status word of that step.
fn pace(parameters: Parameters, step: usize, tag: u32, point: &[u8]) -> u16 {
    let mut reader = Reader::contact(Stage::InUse("interop"));
    let mut at = 0;
    let start = terminal::Start::new(parameters, &pin1()).unwrap();
    let run = terminal::establish::<eac::Error>(start, &mut rng("attacker"), |command| {
        let mut command = command.clone();
        if at == step {
            command.data = tlv::encode(0x7C, &tlv::encode(tag, point));
        }
        at += 1;
        Ok(reader.send(&command))
    });
    let sw = match run {
        Err(eac::Error::Refused { sw, .. }) => sw.0,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a channel"),
    };
    // It was no attempt at PIN1: nothing is counted.
    assert_eq!(reader.pin1_status(), 0x9000);
    sw
}

#[test]
fn the_card_computes_with_none_whatever_command_brings_it() {
    let flash = Stage::InUse("interop").flash();
    for parameters in &chip::Profile::by_name("interop").unwrap().pace {
        for point in points(parameters.curve) {
            if parameters.mapping != Mapping::Integrated {
                assert_eq!(pace(*parameters, 2, 0x81, &point), 0x6A80, "{parameters:?}");
            }
            assert_eq!(pace(*parameters, 3, 0x83, &point), 0x6A80, "{parameters:?}");
        }
    }
    let chip_authentication = eac::chip_authentication::SetAuthenticationTemplate {
        protocol: tlv::oid::CA_ECDH_AES_CBC_CMAC_256,
        key_id: None,
    };
    for point in points(Curve::P521) {
        // Chip Authentication of a passport.
        let mut passport = Reader::contactless(Stage::InUse("interop"));
        passport.pace(&can()).unwrap();
        assert_eq!(passport.select(EMRTD), 0x9000);
        assert_eq!(passport.sw(&chip_authentication.command()), 0x9000);
        assert_eq!(passport.sw(&general_authenticate(0x80, &point)), 0x6A80);
        // Version 2: the terminal has announced the x of the point, and signed it.
        let terminal = eac_pki::terminal(ALL_READS, UpdateRights::NONE);
        let mut agency = reader(&flash, Interface::Contact);
        let id_picc = agency.pace_for(&pin1(), terminal.rights, terminal.updates);
        agency.present(&terminal.chain).unwrap();
        let announced = SetAuthenticationTemplate {
            protocol: tlv::oid::TA_ECDSA_SHA512,
            holder: reference(TERMINAL),
            auxiliary_data: Vec::new(),
            compressed_key: point[1..=Curve::P521.field_len()].to_vec(),
        };
        assert_eq!(agency.sw(&announced.command()), 0x9000);
        let challenge = agency.send(&get_challenge()).data;
        let message = [&id_picc[..], &challenge, &announced.compressed_key].concat();
        let signature = key(TERMINAL).sign_digest(&Hash::Sha512.digest(&message));
        assert_eq!(agency.sw(&external_authenticate(&signature.to_plain())), 0x9000);
        assert_eq!(agency.sw(&chip_authentication.command()), 0x9000);
        assert_eq!(agency.sw(&general_authenticate(0x80, &point)), 0x6A80);
        // Restricted Identification: the verifier has certified the hash.
        let good = sectors::sector("bank");
        let sound = good.point().unwrap().to_uncompressed();
        let at = good.raw().windows(sound.len()).position(|window| window == sound).unwrap();
        let mut raw = good.raw().to_vec();
        raw[at..at + point.len()].copy_from_slice(&point);
        let mut service = reader(&flash, Interface::Contact);
        service.open_zone(&pin1(), &sectors::terminal(sectors::RIGHT, &raw, None)).unwrap();
        assert_eq!(service.sw(&restricted_identification::set_at(Hash::Sha256, 1).unwrap()), 0x9000);
        let value = tlv::expect(&raw, 0x7F49).unwrap().value;
        assert_eq!(service.sw(&general_authenticate(0xA0, value)), 0x6A80);
        // Key agreement of the certificate zone: the holder deciphers what somebody has sent.
        let mut holder = Reader::contact(Stage::InUse("interop"));
        assert_eq!((holder.select(SC_HSM), holder.verify(PIN2)), (0x9000, 0x9000));
        let agree = |point: &[u8]| Command::new(0x80, 0x62, 4, 0x80).with_data(point).with_le(512);
        assert_eq!(holder.sw(&agree(&sound)), 0x9000);
        assert_eq!(holder.sw(&agree(&point)), 0x6A80);
    }
}
