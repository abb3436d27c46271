//! A small hierarchy of card-verifiable certificates for tests.

use curve::{Curve, SecretKey, SeedRandom, Signature};
use eac::cvc::{
    Body, Certificate, Chat, CvcError, Date, Extension, Extensions, PublicKey, Reference, Rights, Role,
    TrustPoint, UpdateRights,
};

/// A holder with its key and certificate.
#[derive(Clone)]
pub(crate) struct Holder {
    pub(crate) key: SecretKey,
    pub(crate) certificate: Certificate,
}

pub(crate) fn reference(text: &str) -> Reference {
    text.parse().expect("a reference")
}

pub(crate) fn date(text: &str) -> Date {
    let digits: Vec<u8> = text.bytes().map(|digit| digit - b'0').collect();
    Date::from_bytes(&digits).expect("a date")
}

pub(crate) fn sign(key: &SecretKey) -> impl FnOnce(&[u8]) -> Result<Signature, CvcError> + use<'_> {
    |message| Ok(key.sign_digest(&key.curve().hash().digest(message)))
}

/// What a certificate is to say; the rest is usual.
pub(crate) struct Wish<'a> {
    pub(crate) holder: &'a str,
    pub(crate) chat: Chat,
    pub(crate) effective: &'a str,
    pub(crate) expiration: &'a str,
    pub(crate) updates: UpdateRights,
}

impl<'a> Wish<'a> {
    pub(crate) fn new(holder: &'a str, role: Role, rights: Rights) -> Self {
        Self {
            holder,
            chat: Chat::authentication(role, rights),
            effective: "260101",
            expiration: "291231",
            updates: UpdateRights::ALL,
        }
    }

    pub(crate) fn period(self, effective: &'a str, expiration: &'a str) -> Self {
        Self { effective, expiration, ..self }
    }

    fn body(&self, authority: Reference, public_key: PublicKey) -> Body {
        Body {
            authority,
            public_key,
            holder: reference(self.holder),
            chat: self.chat,
            effective: date(self.effective),
            expiration: date(self.expiration),
            extensions: Extensions::new(vec![Extension::updates(self.updates)]).expect("one extension"),
        }
    }
}

pub(crate) const ALL_RIGHTS: Rights = Rights::from_bits((1 << 38) - 1);

impl Holder {
    pub(crate) fn root(curve: Curve, wish: &Wish<'_>) -> Self {
        let key = SecretKey::generate(curve, &mut SeedRandom::new(wish.holder.as_bytes()));
        let public_key = PublicKey::explicit(&key.public_key());
        let body = wish.body(reference(wish.holder), public_key);
        let certificate = body.issue(sign(&key)).expect("signed");
        Self { key, certificate }
    }

    pub(crate) fn issue(&self, wish: &Wish<'_>) -> Self {
        let key = SecretKey::generate(self.key.curve(), &mut SeedRandom::new(wish.holder.as_bytes()));
        let explicit = wish.chat.role() == Role::Cvca;
        let point = key.public_key();
        let public_key = if explicit { PublicKey::explicit(&point) } else { PublicKey::inheriting(&point) };
        let body = wish.body(self.certificate.body().holder.clone(), public_key);
        let certificate = body.issue(sign(&self.key)).expect("signed");
        Self { key, certificate }
    }

    pub(crate) fn trust_point(&self) -> TrustPoint {
        TrustPoint::from_root(&self.certificate).expect("a root")
    }
}

/// Root, official verifier and a terminal with all rights.
pub(crate) fn country(curve: Curve) -> (Holder, Holder, Holder) {
    let root = Holder::root(curve, &Wish::new("TWCVCATEST00001", Role::Cvca, ALL_RIGHTS));
    let verifier = root.issue(&Wish::new("TWDVTEST00001", Role::OfficialVerifier, ALL_RIGHTS));
    let terminal = verifier.issue(&Wish::new("TWTERM00001", Role::Terminal, ALL_RIGHTS));
    (root, verifier, terminal)
}
