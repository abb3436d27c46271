//! Both sides of Terminal and Chip Authentication, Restricted Identification and auxiliary data against each other.

use apdu::{Command, Response, StatusWord};
use curve::{Curve, Hash, Point, SecretKey, SeedRandom};
use eac::auxiliary_data::{self, AuxiliaryData, Facts};
use eac::chip_authentication::{self, Parameters, version_1};
use eac::cvc::{
    Authorisation, Chat, Date, Extension, Extensions, Rights, Role, TerminalType, TrustPoints, UpdateRights,
};
use eac::restricted_identification::SectorKey;
use eac::security_infos::SecurityInfo;
use eac::terminal_authentication::chip::{AuthenticatedTerminal, TerminalAuthentication};
use eac::terminal_authentication::terminal::{self, EphemeralKey, Start};
use eac::{Cipher, Error, restricted_identification, sm};
use tlv::oid;

use crate::pki::{ALL_RIGHTS, Holder, Wish, country, date, sign};
use crate::support::Script;

const ID_PICC: &[u8] = &[0x5A; 32];

fn consent(rights: Rights) -> Authorisation {
    Authorisation { chat: Chat::authentication(Role::Terminal, rights), updates: UpdateRights::ALL }
}

fn chip(root: &Holder, granted: Authorisation) -> TerminalAuthentication {
    let trust_points = TrustPoints::new(root.trust_point());
    TerminalAuthentication::new(ID_PICC.to_vec(), granted, trust_points, Date::EARLIEST)
}

/// A chip that speaks nothing but Terminal Authentication.
struct Card {
    chip: TerminalAuthentication,
    rng: SeedRandom,
    terminal: Option<AuthenticatedTerminal>,
}

impl Card {
    fn new(root: &Holder, granted: Authorisation) -> Self {
        Self { chip: chip(root, granted), rng: SeedRandom::new(b"card"), terminal: None }
    }

    fn process(&mut self, command: &Command) -> Response {
        let answer = match (command.ins, command.p1, command.p2) {
            (0x22, 0x81, 0xB6) => self.chip.set_dst(&command.data).map(|()| Vec::new()),
            (0x2A, 0x00, 0xBE) => self.chip.verify_certificate(&command.data).map(|_| Vec::new()),
            (0x22, 0x81, 0xA4) => self.chip.set_at(&command.data).map(|()| Vec::new()),
            (0x84, 0, 0) => Ok(self.chip.challenge(&mut self.rng).to_vec()),
            (0x82, 0, 0) => self.chip.external_authenticate(&command.data).map(|terminal| {
                self.terminal = Some(terminal);
                Vec::new()
            }),
            _ => panic!("unexpected command"),
        };
        answer.map_or_else(|error| Response::from(error.status_word()), Response::ok)
    }
}

fn run(
    card: &mut Card,
    chain: &[&Holder],
    key: &EphemeralKey,
    auxiliary: &AuxiliaryData,
    mut tamper: impl FnMut(&mut Command),
) -> Result<(), Error> {
    let last = chain.last().expect("a terminal");
    let body = last.certificate.body();
    let protocol = last.certificate.key(Some(last.key.curve())).expect("a key").algorithm();
    let start = Start::new(body.holder.clone(), protocol, auxiliary, key, ID_PICC.to_vec());
    let signer = |message: &[u8]| sign(&last.key)(message).map_err(Error::from);
    terminal::authenticate(chain.iter().map(|holder| &holder.certificate), start, signer, |command| {
        let mut command = command.clone();
        tamper(&mut command);
        Ok(card.process(&command))
    })
}

fn ephemeral(curve: Curve, seed: &[u8]) -> EphemeralKey {
    EphemeralKey::generate(curve, &mut SeedRandom::new(seed))
}

// proves: CARD-32, EACPKI-19
#[test]
fn a_terminal_is_authenticated_on_every_curve_and_the_channel_renewed() {
    for curve in Curve::ALL {
        let (root, verifier, terminal) = country(curve);
        let mut card = Card::new(&root, consent(Rights::READ_DG9));
        let key = ephemeral(curve, b"ephemeral");
        let questions = AuxiliaryData::new().born_on_or_before("20080101");
        run(&mut card, &[&verifier, &terminal], &key, &questions, |_| ()).expect("authentic");
        let authenticated = card.terminal.expect("authenticated");
        // The holder consented to one field.
        assert_eq!(authenticated.authorisation.chat.rights(), Rights::READ_DG9);
        assert_eq!(authenticated.auxiliary_data, questions);

        let secret = SecretKey::generate(curve, &mut SeedRandom::new(b"chip key"));
        for cipher in Cipher::ALL {
            let parameters = Parameters { curve, cipher, key_id: Some(1) };
            let key = ephemeral(curve, b"ephemeral");
            let (mut reader, mut chip) = renew(
                parameters,
                &secret,
                &secret.public_key(),
                key,
                &authenticated.compressed_key,
                |_, _| (),
            )
            .expect("genuine");
            let command = Command::new(0, 0xB0, 0x89, 0).with_le(256);
            let wrapped = reader.wrap(&command).expect("wrapped");
            assert!(chip.unwrap(&wrapped) == Ok(command));
        }
    }
}

/// Chip Authentication; `tamper` sees the data of every message (from the card?, bytes).
fn renew(
    parameters: Parameters,
    secret: &SecretKey,
    chip_key: &Point,
    key: EphemeralKey,
    compressed: &[u8],
    mut tamper: impl FnMut(bool, &mut Vec<u8>),
) -> Result<(sm::Terminal, sm::Chip), Error> {
    let mut rng = SeedRandom::new(b"nonce");
    let mut channel = None;
    let start = chip_authentication::terminal::Start::new(parameters, chip_key.clone(), key)?;
    let reader = chip_authentication::terminal::authenticate(start, |command: &Command| {
        if command.ins == 0x22 {
            let template = chip_authentication::SetAuthenticationTemplate::parse(&command.data)?;
            assert_eq!((template.protocol, template.key_id), (parameters.protocol(), parameters.key_id));
            return Ok(Response::ok([]));
        }
        let mut data = command.data.clone();
        tamper(false, &mut data);
        let (mut data, chip) =
            chip_authentication::chip::authenticate(parameters, secret, compressed, &data, &mut rng)?;
        channel = Some(chip);
        tamper(true, &mut data);
        Ok::<_, Error>(Response::ok(data))
    })?;
    Ok((reader, channel.expect("a channel")))
}

// proves: CARD-33
#[test]
fn the_holder_consents_and_the_chain_limits() {
    let (root, verifier, _) = country(Curve::P256);
    let terminal = verifier.issue(&Wish {
        updates: UpdateRights::SPOUSE.with(UpdateRights::FATHER),
        ..Wish::new("TWTWO00001", Role::Terminal, Rights::READ_DG9.with(Rights::READ_DG11))
    });
    let granted = |chat: Chat, extensions: Option<Extensions>| {
        let extensions = extensions.map(|e| e.encode());
        TerminalAuthentication::granted(&chat.to_value(), extensions.as_deref()).expect("well formed")
    };
    let chat = Chat::authentication(Role::Terminal, Rights::READ_DG9.with(Rights::READ_DG16));
    let updates = Extensions::new(vec![Extension::updates(UpdateRights::SPOUSE)]).expect("one");
    for (extensions, expected) in [(None, UpdateRights::NONE), (Some(updates), UpdateRights::SPOUSE)] {
        let mut card = Card::new(&root, granted(chat, extensions));
        run(&mut card, &[&verifier, &terminal], &ephemeral(Curve::P256, b"e"), &AuxiliaryData::new(), |_| ())
            .expect("authentic");
        let authorisation = card.terminal.expect("authenticated").authorisation;
        assert_eq!(authorisation.chat.rights(), Rights::READ_DG9);
        assert_eq!(authorisation.updates, expected);
    }
    // PACE announced another type of terminal.
    let other = Chat::new(TerminalType::InspectionSystem, Role::Terminal, ALL_RIGHTS);
    let mut card = Card::new(&root, granted(other, None));
    let result =
        run(&mut card, &[&verifier, &terminal], &ephemeral(Curve::P256, b"e"), &AuxiliaryData::new(), |_| ());
    assert!(matches!(result, Err(Error::Refused { sw: StatusWord::CONDITIONS_NOT_SATISFIED, .. })));
}

#[test]
fn every_changed_byte_is_found_out() {
    let (root, verifier, terminal) = country(Curve::P256);
    let questions = AuxiliaryData::new().valid_on("20261121");
    let mut commands = 0;
    let key = ephemeral(Curve::P256, b"e");
    run(&mut Card::new(&root, consent(ALL_RIGHTS)), &[&verifier, &terminal], &key, &questions, |_| {
        commands += 1
    })
    .expect("authentic");
    assert_eq!(commands, 7);
    for target in 0..commands {
        for at in 0..400 {
            let (mut index, mut touched) = (0, false);
            let mut card = Card::new(&root, consent(ALL_RIGHTS));
            let result = run(&mut card, &[&verifier, &terminal], &key, &questions, |command| {
                if index == target && at < command.data.len() {
                    command.data[at] ^= 0x01;
                    touched = true;
                }
                index += 1;
            });
            if !touched {
                break;
            }
            assert!(result.is_err() && card.terminal.is_none(), "command {target} byte {at}");
        }
    }
}

#[test]
fn steps_out_of_order_and_replays_are_refused() {
    let (root, verifier, terminal) = country(Curve::P256);
    let mut card = Card::new(&root, consent(ALL_RIGHTS));
    let mut log = Vec::new();
    let key = ephemeral(Curve::P256, b"e");
    run(&mut card, &[&verifier, &terminal], &key, &AuxiliaryData::new(), |c| log.push(c.clone()))
        .expect("authentic");
    let [dst_root, dv, dst_dv, certificate, at, challenge, external] = &log[..] else {
        panic!("seven commands")
    };
    // The signature again: the challenge is used up, and a fresh one is another.
    assert_eq!(card.process(external).sw, StatusWord::CONDITIONS_NOT_SATISFIED);
    card.process(at);
    card.process(challenge);
    assert_eq!(card.process(external).sw, StatusWord::AUTHENTICATION_FAILED);
    // Wrong orders on a fresh card.
    for (order, status) in [
        (vec![dv], StatusWord::CONDITIONS_NOT_SATISFIED),
        (vec![dst_dv], StatusWord::REFERENCED_DATA_NOT_FOUND),
        (vec![dst_root, certificate], StatusWord::REFERENCED_DATA_NOT_FOUND),
        (vec![dst_root, dv, at], StatusWord::REFERENCED_DATA_NOT_FOUND),
        (vec![dst_root, dv, dst_dv, certificate, challenge, external], StatusWord::CONDITIONS_NOT_SATISFIED),
        (vec![dst_root, dv, dst_dv, certificate, at, external], StatusWord::CONDITIONS_NOT_SATISFIED),
        // Another verifier in between takes the terminal away.
        (vec![dst_root, dv, dst_dv, certificate, dst_root, dv, at], StatusWord::REFERENCED_DATA_NOT_FOUND),
    ] {
        let mut card = Card::new(&root, consent(ALL_RIGHTS));
        let (last, before) = order.split_last().expect("commands");
        for command in before {
            assert!(card.process(command).sw.is_ok());
        }
        assert_eq!(card.process(last).sw, status);
        assert!(card.terminal.is_none());
    }
    // Readers that ask for the challenge before they present their chain are served.
    let mut card = Card::new(&root, consent(ALL_RIGHTS));
    for command in [challenge, dst_root, dv, dst_dv, certificate, at] {
        assert!(card.process(command).sw.is_ok());
    }
    assert!(card.process(external).sw.is_ok() && card.terminal.is_some());
}

#[test]
fn a_signature_for_another_channel_does_not_count() {
    let (root, verifier, terminal) = country(Curve::P256);
    let mut card = Card::new(&root, consent(ALL_RIGHTS));
    let body = terminal.certificate.body();
    let protocol = terminal.certificate.key(Some(Curve::P256)).expect("a key").algorithm();
    let key = ephemeral(Curve::P256, b"e");
    // A relay: the chip's key of another PACE run.
    let start = Start::new(body.holder.clone(), protocol, &AuxiliaryData::new(), &key, vec![0xA5; 32]);
    let chain = [&verifier.certificate, &terminal.certificate];
    let signer = |message: &[u8]| sign(&terminal.key)(message).map_err(Error::from);
    let result = terminal::authenticate::<Error>(chain, start, signer, |command| Ok(card.process(command)));
    assert!(matches!(result, Err(Error::Refused { sw: StatusWord::AUTHENTICATION_FAILED, .. })));
}

#[test]
fn chip_authentication_refuses_other_keys_and_bad_points() {
    let curve = Curve::P521;
    let parameters = Parameters { curve, cipher: Cipher::Aes256, key_id: None };
    let secret = SecretKey::generate(curve, &mut SeedRandom::new(b"chip key"));
    let public = secret.public_key();
    let compressed = ephemeral(curve, b"announced").compressed();
    let attempt = |key: EphemeralKey, tamper: &mut dyn FnMut(bool, &mut Vec<u8>)| {
        renew(parameters, &secret, &public, key, &compressed, tamper).err()
    };
    assert_eq!(attempt(ephemeral(curve, b"announced"), &mut |_, _| ()), None);
    assert_eq!(attempt(ephemeral(curve, b"another"), &mut |_, _| ()), Some(Error::AnotherKey));
    let point = |coordinates: &[u8]| {
        let encoded = [&[0x04], coordinates].concat();
        tlv::encode(0x7C, &tlv::encode(0x80, &encoded))
    };
    let zero = vec![0; 2 * curve.field_len()];
    // The announced x with a y that is not on the curve: the comparison alone would let it through.
    let off_curve = [compressed.clone(), vec![0; curve.field_len()]].concat();
    for wrong in [point(&zero), point(&off_curve), tlv::encode(0x7C, &[0x80, 1, 0]), tlv::encode(0x7C, &[])] {
        let result = attempt(ephemeral(curve, b"announced"), &mut |from_card, data| {
            if !from_card {
                data.clone_from(&wrong);
            }
        });
        assert!(matches!(result, Some(Error::InvalidPoint(_) | Error::Malformed(_))), "{result:?}");
    }
    // A card without the private key, and a changed answer.
    let other = SecretKey::generate(curve, &mut SeedRandom::new(b"clone"));
    let result = renew(parameters, &other, &public, ephemeral(curve, b"announced"), &compressed, |_, _| ());
    assert_eq!(result.err(), Some(Error::CardToken));
    for at in 0..22 {
        let result = attempt(ephemeral(curve, b"announced"), &mut |from_card, data| {
            if from_card {
                data[at] ^= 1;
            }
        });
        assert!(matches!(result, Some(Error::CardToken | Error::Malformed(_))), "byte {at}");
    }
}

// The ends of the range that keys are drawn from, on either side: the base point itself and its opposite come out.
#[test]
fn the_smallest_and_the_largest_scalar_are_keys_as_every_other() {
    for curve in Curve::ALL {
        let order = curve.parameters().n;
        let mut one = vec![0; order.len()];
        let mut largest = order.to_vec();
        *one.last_mut().expect("bytes") = 1;
        *largest.last_mut().expect("bytes") -= 1;
        assert!(SecretKey::from_bytes(curve, &vec![0; order.len()]).is_err(), "{curve}: zero");
        assert!(SecretKey::from_bytes(curve, order).is_err(), "{curve}: the order");
        let parameters = Parameters { curve, cipher: Cipher::Aes256, key_id: None };
        for (chip, terminal) in [(&one, &one), (&one, &largest), (&largest, &one), (&largest, &largest)] {
            let secret = SecretKey::from_bytes(curve, chip).expect("in range");
            let mut drawn = Script::new(std::slice::from_ref(terminal));
            let start = version_1::Start::new(parameters, secret.public_key(), &mut drawn).expect("a start");
            let mut channel = None;
            let opened = version_1::authenticate::<Error>(start, |command| {
                if command.ins == 0x22 {
                    return Ok(Response::ok([]));
                }
                let (answer, sm) = version_1::answer(parameters, &secret, &command.data)?;
                channel = Some(sm);
                Ok(Response::ok(answer))
            });
            let (mut terminal, mut chip) = (opened.expect("a channel"), channel.expect("a channel"));
            let command = Command::new(0x00, 0x84, 0x00, 0x00).with_le(8);
            let received = chip.unwrap(&terminal.wrap(&command).expect("wraps")).expect("the same keys");
            assert_eq!((received.ins, received.le), (command.ins, command.le), "{curve}");
            // The same keys sign, and give identifiers.
            let digest = curve.hash().digest(b"challenge");
            let signature = secret.sign_digest(&digest);
            assert!(curve::verify_digest(&secret.public_key(), &digest, &signature).is_ok(), "{curve}");
        }
    }
}

#[test]
fn two_hundred_rounds_on_p521() {
    // Coordinates and secrets with leading zeros are among them: one in 256 has one, and the top byte is 0 or 1 anyway.
    let curve = Curve::P521;
    let parameters = Parameters { curve, cipher: Cipher::Aes256, key_id: None };
    let secret = SecretKey::generate(curve, &mut SeedRandom::new(b"chip key"));
    for round in 0u32..200 {
        let key = ephemeral(curve, &round.to_be_bytes());
        let compressed = key.compressed();
        assert_eq!(compressed.len(), curve.field_len());
        renew(parameters, &secret, &secret.public_key(), key, &compressed, |_, _| ()).expect("genuine");
    }
}

#[test]
fn the_key_of_several_is_found_by_its_identifier() {
    let key = |seed: &[u8], curve| SecretKey::generate(curve, &mut SeedRandom::new(seed)).public_key();
    let (first, second) = (key(b"1", Curve::P521), key(b"2", Curve::P384));
    let infos = [
        SecurityInfo::terminal_authentication(),
        SecurityInfo::chip_authentication_public_key(&first, Some(1)),
        SecurityInfo::chip_authentication(Cipher::Aes256, Some(2)),
        SecurityInfo::chip_authentication_public_key(&second, Some(2)),
        SecurityInfo::chip_authentication(Cipher::Aes256, Some(1)),
    ];
    let (parameters, found) = Parameters::choose(&infos).expect("a key");
    assert_eq!((parameters.key_id, found), (Some(2), second));
    assert_eq!(Parameters::choose(&infos[..3]), None);
}

#[test]
fn auxiliary_data_are_answered_with_yes_or_no() {
    let facts =
        Facts { date_of_birth: b"20080229", date_of_expiry: Some(b"20361231"), municipality: b"63000010" };
    let questions = AuxiliaryData::new().born_on_or_before("20080229").valid_on("20370101").lives_in(b"63");
    assert_eq!(AuxiliaryData::parse(&questions.encode()), Ok(questions.clone()));
    let ask = |questions: &AuxiliaryData, oid| questions.verify(oid, &facts);
    assert_eq!(ask(&questions, oid::AUXILIARY_DATE_OF_BIRTH), Ok(true));
    assert_eq!(ask(&questions, oid::AUXILIARY_DATE_OF_EXPIRY), Ok(false));
    assert_eq!(ask(&questions, oid::AUXILIARY_MUNICIPALITY), Ok(true));
    let day_before = AuxiliaryData::new().born_on_or_before("20080228").valid_on("20361231").lives_in(b"64");
    assert_eq!(ask(&day_before, oid::AUXILIARY_DATE_OF_BIRTH), Ok(false));
    assert_eq!(ask(&day_before, oid::AUXILIARY_DATE_OF_EXPIRY), Ok(true));
    assert_eq!(ask(&day_before, oid::AUXILIARY_MUNICIPALITY), Ok(false));
    // What was not asked under the signature, or means nothing, is not answered.
    for questions in [AuxiliaryData::new(), AuxiliaryData::new().born_on_or_before("2008").lives_in(b"")] {
        for oid in [oid::AUXILIARY_DATE_OF_BIRTH, oid::AUXILIARY_MUNICIPALITY, oid::RI_ECDH_SHA256] {
            assert!(matches!(ask(&questions, oid), Err(Error::NotFound(_))));
        }
    }
    // A card without an end is always valid; 65 and over have no date of renewal.
    let endless = Facts { date_of_expiry: None, ..facts };
    assert_eq!(questions.verify(oid::AUXILIARY_DATE_OF_EXPIRY, &endless), Ok(true));
    let command = auxiliary_data::verify_command(oid::AUXILIARY_DATE_OF_BIRTH);
    assert_eq!(auxiliary_data::parse_verify(&command.data), Ok(oid::AUXILIARY_DATE_OF_BIRTH));
    let twice = AuxiliaryData::new().valid_on("20260101").valid_on("20260102").encode();
    assert!(AuxiliaryData::parse(&twice).is_err());
}

#[test]
fn sectors_know_a_card_by_different_identifiers() {
    let curve = Curve::P256;
    let secret = SecretKey::generate(curve, &mut SeedRandom::new(b"identity"));
    let sector = |seed: &[u8]| {
        let point = SecretKey::generate(curve, &mut SeedRandom::new(seed)).public_key();
        SectorKey::new(&point, Hash::Sha256).expect("a sector")
    };
    let identifier = |key: &SectorKey, allowed: &SectorKey| {
        let extension = Extension::sectors(Hash::Sha256.digest(allowed.raw()), None);
        let extensions = Extensions::new(vec![extension]).expect("one");
        let command = restricted_identification::command(key, None).expect("a command");
        let data = restricted_identification::identify(
            &secret,
            Hash::Sha256,
            &extensions,
            Hash::Sha256,
            &command.data,
        )?;
        restricted_identification::identifiers(&Response::ok(data)).map(|both| both.first)
    };
    let (bank, post) = (sector(b"bank"), sector(b"post"));
    let first = identifier(&bank, &bank).expect("an identifier");
    assert_eq!(identifier(&bank, &bank), Ok(first.clone()));
    assert_ne!(identifier(&post, &post), Ok(first));
    // Asking in the sector of somebody else.
    assert!(matches!(identifier(&bank, &post), Err(Error::NotFound(_))));
}

#[test]
fn what_a_certificate_changes_is_told_before_the_answer() {
    let (root, verifier, _) = country(Curve::P256);
    let mut chip = chip(&root, consent(ALL_RIGHTS));
    let [dst, certificate] = &terminal::present([&verifier.certificate])[..] else { panic!("two commands") };
    chip.set_dst(&dst.data).expect("known");
    let update = chip.verify_certificate(&certificate.data).expect("valid");
    assert_eq!(update.date, Some(date("260101")));
}
