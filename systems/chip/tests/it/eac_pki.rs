//! A small authorisation PKI: a root that the cards of the fixture trust, a document verifier, terminals.

use std::sync::LazyLock;

use curve::{Curve, SecretKey};
use eac::cvc::{
    Body, Certificate, Chat, Date, Extension, Extensions, PublicKey, Reference, Rights, Role, TrustPoint,
    UpdateRights,
};

use crate::support::rng;

/// A terminal: its certificates, and what it says in PACE that it may do.
#[derive(Clone)]
pub struct Terminal {
    pub chain: Vec<Certificate>,
    pub rights: Rights,
    pub updates: UpdateRights,
}

pub fn date(year: u16, month: u8, day: u8) -> Date {
    Date::new(year, month, day).unwrap()
}

pub fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

pub fn key(name: &str) -> SecretKey {
    SecretKey::generate(Curve::P521, &mut rng(name))
}

/// What a certificate says. Tests change it before it is signed.
pub fn body(authority: &str, holder: &str, role: Role, rights: Rights, updates: UpdateRights) -> Body {
    let public = key(holder).public_key();
    Body {
        authority: reference(authority),
        public_key: if role == Role::Cvca {
            PublicKey::explicit(&public)
        } else {
            PublicKey::inheriting(&public)
        },
        holder: reference(holder),
        chat: Chat::authentication(role, rights),
        effective: date(2026, 1, 1),
        expiration: date(2027, 12, 31),
        extensions: Extensions::new(vec![Extension::updates(updates)]).unwrap(),
    }
}

/// Signs with the key that the holder named here has.
pub fn issue(body: Body, signer: &str) -> Certificate {
    let algorithm = Curve::P521.hash();
    body.issue(|bytes| Ok::<_, std::convert::Infallible>(key(signer).sign_digest(&algorithm.digest(bytes))))
        .unwrap()
}

pub const ROOT: &str = "TWCVCA00001";
pub const VERIFIER: &str = "TWDVCA00001";
pub const TERMINAL: &str = "TWOFFICE00001";

pub fn root() -> Certificate {
    static ROOT_CERTIFICATE: LazyLock<Certificate> =
        LazyLock::new(|| issue(body(ROOT, ROOT, Role::Cvca, !Rights::NONE, UpdateRights::ALL), ROOT));
    ROOT_CERTIFICATE.clone()
}

/// What a card gets at personalisation.
pub fn trust_point() -> Vec<u8> {
    TrustPoint::from_root(&root()).unwrap().encode()
}

pub fn verifier() -> Certificate {
    static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(|| {
        issue(body(ROOT, VERIFIER, Role::OfficialVerifier, !Rights::NONE, UpdateRights::ALL), ROOT)
    });
    CERTIFICATE.clone()
}

/// A terminal with these rights, below the document verifier of the fixture.
pub fn terminal(rights: Rights, updates: UpdateRights) -> Terminal {
    let certificate = issue(body(VERIFIER, TERMINAL, Role::Terminal, rights, updates), VERIFIER);
    Terminal { chain: vec![verifier(), certificate], rights, updates }
}
