//! Security infos, PACE of both sides, secure messaging.

use crate::standards::pieces;
use ::eac::bac as basic;
use ::eac::cvc::{Extension, Extensions};
use ::eac::pace::{Mapping, Parameters, SetAuthenticationTemplate, chip, terminal};
use ::eac::{Cipher, Password, restricted_identification as restricted, security_infos as infos, sm};
use apdu::{Command, Response, StatusWord};
use curve::{Curve, Hash, SecretBytes, SecretKey, SeedRandom};

/// The quickest parameters.
const PARAMETERS: Parameters = Parameters::generic(Curve::P256, Cipher::Aes128);

pub(crate) fn security_infos(data: &[u8]) {
    if let Ok(set) = infos::parse_set(data) {
        let written = infos::encode_set_in_order(&set);
        assert_eq!(infos::parse_set(&written).as_ref(), Ok(&set));
    }
    let _ = infos::parse_file(data);
    if let Ok(template) = SetAuthenticationTemplate::parse(data) {
        let again = SetAuthenticationTemplate::parse(&template.command().data);
        assert_eq!(again.as_ref(), Ok(&template));
    }
}

/// Public keys of sectors, announcements and answers; then the input asks for identifiers as whoever has a certificate that
/// names the hash of what it sends: the key of the card is used on points of its own curve alone.
pub(crate) fn restricted_identification(data: &[u8]) {
    if let Ok(keys) = restricted::SectorKey::parse_all(data) {
        assert_eq!(keys.iter().flat_map(|key| key.raw()).copied().collect::<Vec<_>>(), data);
        for key in &keys {
            if let Ok(point) = key.point() {
                assert_eq!(
                    restricted::SectorKey::new(&point, key.hash()).expect("a sector").hash(),
                    key.hash()
                );
            }
        }
        if let [first, rest @ ..] = keys.as_slice() {
            let command = restricted::command(first, rest.first()).expect("keys that were read");
            identify(&command.data);
        }
    }
    if let Ok(set) = infos::parse_set(data) {
        let _ = restricted::announced(&set);
    }
    let _ = restricted::identifiers(&Response::ok(data));
    identify(data);
}

fn identify(data: &[u8]) {
    let hash = |tag: u32| {
        let object = tlv::expect(data, 0x7C).ok()?.child(tag)?;
        Some(Hash::Sha256.digest(&tlv::encode(0x7F49, object.value)))
    };
    let extension = Extension::sectors(hash(0xA0).unwrap_or_default(), hash(0xA2));
    let extensions = Extensions::new(vec![extension]).expect("one");
    let secret = SecretKey::generate(Curve::P256, &mut SeedRandom::new(b"restricted"));
    let answer = restricted::identify(&secret, Hash::Sha256, &extensions, Hash::Sha256, data);
    if let Ok(answer) = answer {
        let first = restricted::identifiers(&Response::ok(answer));
        assert!(first.map_or(hash(0xA0).is_none(), |both| both.first.len() == 32));
    }
}

/// The pieces of the input are the data fields of a terminal that does not know the password.
pub(crate) fn pace_chip(data: &[u8]) {
    let mut rng = SeedRandom::new(b"fuzz");
    let key = Password::can("123456").key(PARAMETERS.cipher).expect("a key");
    let mut pace = chip::Pace::start(PARAMETERS, key);
    for piece in pieces(data, 80) {
        match pace.step(piece, &mut rng) {
            Ok((_, chip::Next::Continue(next))) => pace = next,
            Ok((_, chip::Next::Done(_))) => panic!("a stranger has opened a channel"),
            Err(_) => return,
        }
    }
}

/// The pieces of the input are the responses of a chip that does not know the password.
pub(crate) fn pace_terminal(data: &[u8]) {
    let mut rng = SeedRandom::new(b"fuzz");
    let mut responses =
        pieces(data, 80).map(|p| Response::parse(p).unwrap_or(Response::from(StatusWord::UNKNOWN)));
    let mut next = || responses.next().unwrap_or(Response::from(StatusWord::UNKNOWN));
    let start = terminal::Start::new(PARAMETERS, &Password::can("123456")).expect("a password");
    let Ok((_, state)) = start.step(&next()) else { return };
    let Ok((_, state)) = state.step(&next(), &mut rng) else { return };
    let Ok((_, state)) = state.step(&next(), &mut rng) else { return };
    let Ok((_, state)) = state.step(&next()) else { return };
    assert!(state.step(&next()).is_err(), "a stranger has opened a channel");
}

/// The first byte chooses the mapping and the side; the pieces of the rest are what comes from the other side, which does not
/// know the password.
pub(crate) fn pace_mapping(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let mapping = Mapping::ALL[usize::from(choice >> 1) % Mapping::ALL.len()];
    let parameters = Parameters { mapping, ..PARAMETERS };
    let mut rng = SeedRandom::new(b"fuzz");
    let password = Password::can("123456");
    if choice & 1 == 0 {
        let static_key = SecretKey::generate(parameters.curve, &mut SeedRandom::new(b"static"));
        let key = password.key(parameters.cipher).expect("a key");
        let mut run = chip::Pace::start(parameters, key).with_chip_key(static_key);
        for piece in pieces(data, 80) {
            match run.step(piece, &mut rng) {
                Ok((_, chip::Next::Continue(next))) => run = next,
                Ok((_, chip::Next::Done(_))) => panic!("a stranger has opened a channel"),
                Err(_) => return,
            }
        }
        return;
    }
    let mut responses =
        pieces(data, 80).map(|p| Response::parse(p).unwrap_or(Response::from(StatusWord::UNKNOWN)));
    let mut next = || responses.next().unwrap_or(Response::from(StatusWord::UNKNOWN));
    let start = terminal::Start::new(parameters, &password).expect("a password");
    let Ok((_, state)) = start.step(&next()) else { return };
    let Ok((_, state)) = state.step(&next(), &mut rng) else { return };
    let Ok((_, state)) = state.step(&next(), &mut rng) else { return };
    let Ok((_, state)) = state.step(&next()) else { return };
    assert!(state.step(&next()).is_err(), "a stranger has opened a channel");
}

/// Basic Access Control, both sides: the input is what somebody sends who does not know the MRZ.
pub(crate) fn bac(data: &[u8]) {
    let keys = || basic::AccessKeys::from_mrz_information(b"L898902C<369080619406236").expect("not empty");
    let mut rng = SeedRandom::new(b"fuzz");
    assert!(basic::answer(&keys(), &[7; 8], data, &mut rng).is_err(), "a stranger has opened a channel");
    let response = Response::parse(data).unwrap_or(Response::from(StatusWord::UNKNOWN));
    if let Ok((_, state)) = basic::Start::new(keys()).step(&response, &mut rng) {
        assert!(state.step(&response).is_err(), "a stranger has opened a channel");
    }
    let (_, state) = basic::Start::new(keys()).step(&Response::ok([7; 8]), &mut rng).expect("a challenge");
    assert!(state.step(&response).is_err(), "a stranger has opened a channel");
}

pub(crate) fn secure_messaging(data: &[u8]) {
    let (enc, mac) = (SecretBytes::new(&[1; 16]), SecretBytes::new(&[2; 16]));
    let mut chip = sm::Chip::new(&enc, &mac).expect("keys");
    if let Ok(command) = Command::parse(data) {
        assert!(chip.unwrap(&command).is_err(), "a stranger's command has passed");
        assert!(!chip.is_open());
    }
    let mut terminal = sm::Terminal::new(&enc, &mac).expect("keys");
    terminal.wrap(&Command::new(0, 0xB0, 0x81, 0).with_le(256)).expect("wraps");
    if let Some(response) = Response::parse(data) {
        assert!(terminal.unwrap(&response).is_err(), "a stranger's response has passed");
    }
}
