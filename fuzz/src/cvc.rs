//! Card-verifiable certificates, requests, rights and descriptions, and Terminal Authentication against a stranger.

use crate::standards::pieces;
use ::eac::Cipher;
use ::eac::auxiliary_data::AuxiliaryData;
use ::eac::chip_authentication;
use ::eac::cvc::{
    Authorisation, Body, Certificate, CertificateDescription, Chain, Chat, Date, Extensions, Request, Rights,
    Role, TrustPoint, TrustPoints, UpdateRights,
};
use ::eac::terminal_authentication::chip::TerminalAuthentication;
use ::eac::terminal_authentication::{self as ta, SetAuthenticationTemplate};
use curve::{Curve, SecretKey, SeedRandom};
use std::sync::LazyLock;

static CHIP_KEY: LazyLock<SecretKey> =
    LazyLock::new(|| SecretKey::generate(Curve::P256, &mut SeedRandom::new(b"chip")));

pub(crate) fn certificate(data: &[u8]) {
    if let Ok(certificate) = Certificate::parse(data) {
        assert_eq!(certificate.encode(), data);
        assert_eq!(Certificate::parse_parts(&certificate.to_parts()).as_ref(), Ok(&certificate));
        assert_eq!(Body::parse(&certificate.body().encode()).as_ref(), Ok(certificate.body()));
        // A stranger's certificate changes nothing in a card of another country.
        let mut chain = Chain::new(trust_points(), Date::EARLIEST);
        if chain.import(&certificate).is_ok() {
            assert_eq!(certificate.body().authority, *chain.trust_points().current().reference());
        }
    }
    let _ = TrustPoints::decode(data);
}

pub(crate) fn request(data: &[u8]) {
    if let Ok(request) = Request::parse(data) {
        assert_eq!(request.encode(), data);
    }
}

pub(crate) fn rights(data: &[u8]) {
    if let Ok(chat) = Chat::parse(data) {
        assert_eq!(Chat::parse(&chat.encode()), Ok(chat));
    }
    if let Ok(extensions) = Extensions::parse(data) {
        assert_eq!(extensions.encode(), data);
    }
    if let Ok(auxiliary) = AuxiliaryData::parse(data) {
        assert_eq!(AuxiliaryData::parse(&auxiliary.encode()).as_ref(), Ok(&auxiliary));
    }
    if let Ok(template) = SetAuthenticationTemplate::parse(data) {
        assert_eq!(SetAuthenticationTemplate::parse(&template.command().data).as_ref(), Ok(&template));
    }
    if let Ok(template) = chip_authentication::SetAuthenticationTemplate::parse(data) {
        let again = chip_authentication::SetAuthenticationTemplate::parse(&template.command().data);
        assert_eq!(again.as_ref(), Ok(&template));
    }
    // What a reader of passports sends next.
    let parameters =
        chip_authentication::Parameters { curve: Curve::P256, cipher: Cipher::Aes128, key_id: None };
    if let Ok((answer, _)) = chip_authentication::version_1::answer(parameters, &CHIP_KEY, data) {
        assert_eq!(answer, [0x7C, 0x00]);
    }
}

pub(crate) fn description(data: &[u8]) {
    if let Ok(description) = CertificateDescription::parse(data) {
        let again = CertificateDescription::parse(&description.encode()).expect("our own encoding");
        assert_eq!(again.terms_of_usage, description.terms_of_usage);
    }
}

/// The pieces of the input are data fields of a terminal that has a valid certificate and not its key: set DST, certificate,
/// set AT, signature, and again.
pub(crate) fn terminal_authentication(data: &[u8]) {
    let granted =
        Authorisation { chat: Chat::authentication(Role::Terminal, Rights::ALL), updates: UpdateRights::ALL };
    let mut chip = TerminalAuthentication::new(vec![0x5A; 32], granted, trust_points(), Date::EARLIEST);
    let mut rng = SeedRandom::new(b"fuzz");
    for (step, piece) in pieces(data, 255).enumerate() {
        match step % 4 {
            0 => drop(chip.set_dst(piece)),
            1 => drop(chip.verify_certificate(piece)),
            2 => drop(chip.set_at(piece)),
            _ => {
                chip.challenge(&mut rng);
                assert!(chip.external_authenticate(piece).is_err(), "a stranger is authenticated");
            }
        }
    }
    let _ = ta::parse_set_dst(data);
}

fn trust_points() -> TrustPoints {
    TrustPoints::new(TrustPoint::from_root(&crate::corpus::cvca().1).expect("a root"))
}
