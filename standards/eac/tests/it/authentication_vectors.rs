//! Terminal and Chip Authentication of the worked example of TR-03110.

use apdu::{Command, Response};
use curve::{Curve, Hash, Point, SecretKey};
use eac::auxiliary_data::AuxiliaryData;
use eac::chip_authentication::{self, Parameters};
use eac::cvc::{
    Authorisation, Body, Certificate, Chat, CvcError, Date, Extension, Extensions, Reference, Rights, Role,
    TrustPoint, TrustPoints, UpdateRights,
};
use eac::restricted_identification::{self, Identifiers, SectorKey};
use eac::security_infos::{self, SecurityInfo};
use eac::terminal_authentication::chip::TerminalAuthentication;
use eac::terminal_authentication::terminal::EphemeralKey;
use eac::terminal_authentication::{SetAuthenticationTemplate, set_dst, verify_certificate};
use eac::{Cipher, Error};

use crate::pki::{ALL_RIGHTS, date};
use crate::support::{Script, Vectors};

const CURVE: Curve = Curve::BrainpoolP256r1;

/// The root of the example with the terminal type of the certificates below it.
fn trust_points(root: &Certificate) -> TrustPoints {
    let chat = Chat::authentication(Role::Cvca, ALL_RIGHTS);
    let body = Body { chat, ..root.body().clone() };
    TrustPoints::new(TrustPoint::decode(&body.encode()).expect("a trust point"))
}

#[test]
fn terminal_authentication_of_the_worked_example() {
    let vectors = Vectors::read("tr-03110/ta-ca-ecdh.txt");
    let parse = |name| Certificate::parse(&vectors.bytes(name)).expect("a certificate");
    let (root, verifier, terminal) = (parse("cvca"), parse("dv"), parse("terminal"));
    TrustPoint::from_root(&root).expect("the root verifies itself");
    let pace_key = Point::from_uncompressed(CURVE, &vectors.bytes("pace_chip_public")).expect("a point");
    let granted =
        Authorisation { chat: Chat::authentication(Role::Terminal, ALL_RIGHTS), updates: UpdateRights::NONE };
    let mut chip = TerminalAuthentication::new(pace_key.x(), granted, trust_points(&root), Date::EARLIEST);
    let mut dates = Vec::new();
    for certificate in [&verifier, &terminal] {
        chip.set_dst(&set_dst(&certificate.body().authority).data).expect("a known authority");
        let update =
            chip.verify_certificate(&verify_certificate(certificate).data).expect("a valid certificate");
        assert!(update.trust_points.is_none());
        dates.push(update.date);
    }
    assert_eq!(dates, [Some(date("100930")), None]);
    let key = Point::from_uncompressed(CURVE, &vectors.bytes("ca_terminal_public")).expect("a point");
    let announced = SetAuthenticationTemplate {
        protocol: tlv::oid::TA_ECDSA_SHA512,
        holder: "DETESTATDE019".parse::<Reference>().expect("a reference"),
        auxiliary_data: AuxiliaryData::new().encode(),
        compressed_key: key.x(),
    };
    chip.set_at(&announced.command().data).expect("announced");
    let challenge = vectors.bytes("challenge");
    assert_eq!(chip.challenge(&mut Script::new(std::slice::from_ref(&challenge))).to_vec(), challenge);
    let authenticated = chip.external_authenticate(&vectors.bytes("terminal_signature")).expect("authentic");
    assert_eq!(authenticated.authorisation.chat.rights(), Rights::READ_DG1.with(Rights::CAN_ALLOWED));
    // The challenge is used up.
    assert!(matches!(
        chip.external_authenticate(&vectors.bytes("terminal_signature")),
        Err(Error::Conditions(_))
    ));
}

#[test]
fn chip_authentication_of_the_worked_example() {
    let vectors = Vectors::read("tr-03110/ta-ca-ecdh.txt");
    let secret = |name| SecretKey::from_bytes(CURVE, &vectors.bytes(name)).expect("a key");
    let parameters = Parameters { curve: CURVE, cipher: Cipher::Aes128, key_id: None };
    let chip_key = Point::from_uncompressed(CURVE, &vectors.bytes("ca_chip_public")).expect("a point");
    let public = vectors.bytes("ca_terminal_public");
    let key = EphemeralKey::generate(CURVE, &mut Script::new(&[vectors.bytes("ca_terminal_secret")]));
    let compressed = key.compressed();
    assert_eq!(compressed, public[1..33]);
    let start = chip_authentication::terminal::Start::new(parameters, chip_key, key).expect("one curve");
    let mut chip_channel = None;
    let mut terminal_channel =
        chip_authentication::terminal::authenticate::<Error>(start, |command: &Command| {
            if command.ins == 0x22 {
                return Ok(Response::ok([]));
            }
            let expected = tlv::encode(0x7C, &tlv::encode(0x80, &public));
            assert_eq!(hex::encode(&command.data), hex::encode(expected));
            let mut rng = Script::new(&[vectors.bytes("ca_nonce")]);
            let (data, channel) = chip_authentication::chip::authenticate(
                parameters,
                &secret("ca_chip_secret"),
                &compressed,
                &command.data,
                &mut rng,
            )?;
            let objects = [
                tlv::encode(0x81, &vectors.bytes("ca_nonce")),
                tlv::encode(0x82, &vectors.bytes("ca_token")),
            ];
            assert_eq!(hex::encode(&data), hex::encode(tlv::encode(0x7C, &objects.concat())));
            chip_channel = Some(channel);
            Ok(Response::ok(data))
        })
        .expect("the example succeeds");
    // The channel has the keys of the example: compared through what it sends.
    let mut expected =
        eac::sm::Terminal::new(&vectors.secret("ca_k_enc"), &vectors.secret("ca_k_mac")).expect("keys");
    let command = Command::new(0, 0xB0, 0x84, 0).with_le(256);
    let wrapped = terminal_channel.wrap(&command).expect("wrapped");
    assert!(expected.wrap(&command) == Ok(wrapped.clone()));
    assert!(chip_channel.expect("a channel").unwrap(&wrapped) == Ok(command));
}

#[test]
fn the_chip_key_is_found_in_the_security_infos() {
    let vectors = Vectors::read("tr-03110/ta-ca-ecdh.txt");
    // The SecurityInfos are the content of the CMS message: the OCTET STRING that begins with a SET.
    let file = vectors.bytes("ef_card_security");
    let content = file.windows(2).enumerate().find_map(|(at, pair)| {
        if pair[0] != 0x31 {
            return None;
        }
        let (object, _) = tlv::read_one(&file[at..]).ok()?;
        let infos = security_infos::parse_set(object.raw).ok()?;
        infos
            .iter()
            .any(|info| matches!(info, SecurityInfo::ChipAuthenticationPublicKey { .. }))
            .then_some(infos)
    });
    let infos = content.expect("SecurityInfos with a key");
    let (parameters, key) = Parameters::choose(&infos).expect("Chip Authentication");
    assert_eq!((parameters.curve, parameters.cipher), (CURVE, Cipher::Aes128));
    assert_eq!(hex::encode(key.as_uncompressed()), hex::encode(vectors.bytes("ca_chip_public")));
}

/// The three cards of the vectors, each with its first and second sector.
fn restricted(vectors: &Vectors, name: &str, curve: Curve) -> (SecretKey, [SectorKey; 2], Extensions) {
    let of = |what: &str| vectors.bytes(&format!("{name}_{what}"));
    let secret = SecretKey::from_bytes(curve, &of("card_secret")).expect("a key");
    let sectors = ["first_key", "second_key"].map(|key| SectorKey::parse(&of(key)).expect("a sector"));
    let hashes = Extension::sectors(of("first_key_hash"), Some(of("second_key_hash")));
    (secret, sectors, Extensions::new(vec![hashes]).expect("one"))
}

const RESTRICTED: [(&str, Curve, Hash); 3] = [
    ("p256", Curve::BrainpoolP256r1, Hash::Sha256),
    ("p521", Curve::P521, Hash::Sha256),
    ("p521_long", Curve::P521, Hash::Sha512),
];

#[test]
fn restricted_identification_gives_the_identifiers_that_openssl_computes() {
    let vectors = Vectors::read("tr-03110/restricted-identification.txt");
    for (name, curve, hash) in RESTRICTED {
        let of = |what: &str| vectors.bytes(&format!("{name}_{what}"));
        let (secret, [first, second], extensions) = restricted(&vectors, name, curve);
        for sector in [&first, &second] {
            let point = sector.point().expect("a point of the curve");
            assert_eq!(SectorKey::new(&point, hash).as_ref(), Ok(sector), "{name}: written as it was read");
        }
        let answer = |first, second| {
            let command = restricted_identification::command(first, second).expect("a command");
            restricted_identification::identify(&secret, hash, &extensions, curve.hash(), &command.data)
                .and_then(|data| restricted_identification::identifiers(&Response::ok(data)))
        };
        let (one, two) = (of("first_identifier"), of("second_identifier"));
        let both = Identifiers { first: one.clone(), second: Some(two.clone()) };
        assert_eq!(answer(&first, Some(&second)), Ok(both), "{name}");
        assert_eq!(answer(&first, None), Ok(Identifiers { first: one, second: None }), "{name}");
        // Each key stands for its own place in the certificate.
        assert!(matches!(answer(&second, None), Err(Error::NotFound(_))), "{name}");
        assert!(matches!(answer(&first, Some(&first)), Err(Error::NotFound(_))), "{name}");
        // What EF.CardSecurity says of such a card, and what a terminal makes of it.
        let infos = restricted_identification::infos(hash, 1, curve).expect("a protocol");
        let der = infos.clone().map(|info| match info {
            SecurityInfo::Unknown { der, .. } => der,
            _ => panic!("another kind"),
        });
        assert_eq!(der, [of("info"), of("domain")], "{name}");
        let read = security_infos::parse_set(&security_infos::encode_set(&infos)).expect("a set");
        assert_eq!(restricted_identification::announced(&read), Some((hash, 1)), "{name}");
    }
}

// The certificate that names the hash may be the attacker's: what it names is looked at all the same.
#[test]
fn restricted_identification_refuses_keys_that_are_none_whatever_is_certified() {
    let vectors = Vectors::read("tr-03110/restricted-identification.txt");
    let (secret, [sector, _], _) = restricted(&vectors, "p256", Curve::BrainpoolP256r1);
    let answer = |key: &[u8]| {
        let extension = Extension::sectors(Hash::Sha256.digest(key), None);
        let extensions = Extensions::new(vec![extension]).expect("one");
        let inner = tlv::expect(key, 0x7F49).expect("a key").value;
        let data = tlv::encode(0x7C, &tlv::encode(0xA0, inner));
        restricted_identification::identify(&secret, Hash::Sha256, &extensions, Hash::Sha256, &data)
    };
    assert!(answer(sector.raw()).is_ok());
    let point = sector.point().expect("a point").to_uncompressed();
    let with_point = |other: &[u8]| {
        assert_eq!(other.len(), point.len());
        let at = sector.raw().windows(point.len()).position(|window| window == point).expect("there");
        let mut key = sector.raw().to_vec();
        key[at..at + other.len()].copy_from_slice(other);
        key
    };
    let mut off_curve = point.clone();
    off_curve[64] ^= 1;
    let mut no_residue = point.clone();
    no_residue[33..].fill(0);
    let mut too_great = point.clone();
    too_great[1..33].fill(0xFF);
    let mut compressed = point.clone();
    compressed[0] = 0x02;
    for (what, other) in [
        ("off", off_curve),
        ("(x, 0)", no_residue),
        ("x > p", too_great),
        ("form", compressed),
        ("0", vec![0; 65]),
    ] {
        assert!(matches!(answer(&with_point(&other)), Err(Error::InvalidPoint(_))), "{what}");
    }
    // A weaker curve under the same name: another b, another base point, another cofactor.
    for tag in [0x83, 0x84, 0x87] {
        let mut key = sector.raw().to_vec();
        let value = tlv::expect(&key, 0x7F49).expect("a key").child(tag).expect("explicit").value.to_vec();
        let at = key.windows(value.len()).rposition(|window| window == value).expect("there");
        key[at + value.len() - 1] ^= 2;
        assert!(answer(&key).is_err(), "{tag:02X}");
    }
    // Another curve, another hash, and a key that signs certificates.
    let (_, [other_curve, _], _) = restricted(&vectors, "p521", Curve::P521);
    assert!(matches!(answer(other_curve.raw()), Err(Error::InvalidPoint(_))));
    let long = SectorKey::new(&sector.point().expect("a point"), Hash::Sha512).expect("a sector");
    assert!(matches!(answer(long.raw()), Err(Error::Unsupported)));
    let signs = eac::cvc::PublicKey::explicit(&sector.point().expect("a point"));
    assert_eq!(answer(signs.raw()), Err(Error::Certificate(CvcError::UnsupportedKey)));
}
