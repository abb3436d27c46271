//! BER-TLV, APDUs, points, keys and signatures.

use apdu::{Chain, Command, Response};
use curve::rsa::{RsaPrivateKey, RsaPublicKey};
use curve::{Curve, Point, SecretKey, Signature};

pub(crate) fn tlv(data: &[u8]) {
    walk(data, 0);
    if let Ok((object, rest)) = ::tlv::read_one(data) {
        assert_eq!(object.raw.len() + rest.len(), data.len());
        // The shortest form says the same.
        let written = ::tlv::encode(object.tag, object.value);
        let again = ::tlv::expect(&written, object.tag).expect("what was written is read");
        assert_eq!(again.value, object.value);
        assert!(written.len() <= object.raw.len());
    }
}

fn walk(data: &[u8], depth: u8) {
    for object in ::tlv::Reader::new(data).map_while(Result::ok) {
        assert!(object.value.len() < object.raw.len());
        if depth < 8 {
            walk(object.value, depth + 1);
        }
    }
}

pub(crate) fn command(data: &[u8]) {
    if let Ok(command) = Command::parse(data) {
        assert_eq!(command.to_bytes(), data);
        assert!(!format!("{command:?}").is_empty());
    }
    if let Some(response) = Response::parse(data) {
        assert_eq!(response.to_bytes(), data);
    }
}

/// The input is cut into commands of up to 40 bytes each: the first byte of a piece is its length.
pub(crate) fn chaining(data: &[u8]) {
    const LIMIT: usize = 100;
    let mut chain = Chain::new(LIMIT);
    for piece in pieces(data, 40) {
        if let Ok(command) = Command::parse(piece)
            && let Ok(Some(whole)) = chain.push(command.clone())
        {
            assert!(whole.data.len() <= LIMIT.max(command.data.len()));
            let parts = apdu::split(&whole, 7);
            assert_eq!(parts.iter().map(|p| p.data.len()).sum::<usize>(), whole.data.len());
        }
    }
}

/// Cuts input into pieces, each preceded by a byte that gives its length modulo `limit`.
pub(crate) fn pieces(data: &[u8], limit: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (len, after) = rest.split_first()?;
        let (piece, after) = after.split_at(after.len().min(usize::from(*len) % (limit + 1)));
        rest = after;
        Some(piece)
    })
}

/// The first byte chooses the curve.
pub(crate) fn point(data: &[u8]) {
    let Some((curve, data)) = choose(data) else { return };
    if let Ok(point) = Point::from_uncompressed(curve, data) {
        assert_eq!(point.as_uncompressed(), data);
        let one = SecretKey::from_bytes(curve, &one(curve)).expect("1 is a key");
        assert_eq!(one.agree_point(&point).as_ref(), Ok(&point));
    }
}

pub(crate) fn spki(data: &[u8]) {
    if let Ok(point) = curve::point_from_spki(data) {
        assert_eq!(curve::spki_from_point(&point), data);
    }
    if let Ok(key) = RsaPublicKey::from_spki(data) {
        assert_eq!(key.spki(), data);
        assert!(key.verify_pkcs1(curve::Hash::Sha256, &[0; 32], &vec![1; key.modulus().len()]).is_err());
    }
}

/// The first byte chooses the curve; nothing that comes in is a signature of the generator's key over zeros.
pub(crate) fn signature(data: &[u8]) {
    let Some((curve, data)) = choose(data) else { return };
    let base = SecretKey::from_bytes(curve, &one(curve)).expect("1 is a key").public_key();
    if let Ok(signature) = Signature::from_der(curve, data) {
        assert_eq!(signature.to_der(), data);
        let plain = Signature::from_plain(curve, &signature.to_plain()).expect("own encoding");
        assert_eq!(plain, signature);
        let _ = curve::verify_digest(&base, &[0; 64], &signature);
    }
    if let Ok(signature) = Signature::from_plain(curve, data) {
        let _ = curve::verify_digest(&base, &[0; 64], &signature);
    }
}

pub(crate) fn private_key(data: &[u8]) {
    if let Ok(key) = SecretKey::from_pkcs8(data) {
        let again = SecretKey::from_pkcs8(key.to_pkcs8().expose()).expect("own encoding");
        assert_eq!(again.public_key(), key.public_key());
    }
    if let Ok(key) = RsaPrivateKey::from_pkcs8(data) {
        let again = RsaPrivateKey::from_pkcs8(key.to_pkcs8().expose()).expect("own encoding");
        assert_eq!(again.public(), key.public());
    }
}

fn choose(data: &[u8]) -> Option<(Curve, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((Curve::ALL[usize::from(*first) % Curve::ALL.len()], rest))
}

fn one(curve: Curve) -> Vec<u8> {
    let mut one = vec![0; curve.order_len()];
    one[curve.order_len() - 1] = 1;
    one
}
