//! PKCS #8 PrivateKeyInfo (RFC 5958) with EC keys (RFC 5915) and RSA keys (RFC 8017 §A.1.2) inside.

use crate::{Curve, Error, SecretBytes, spki::bit_string};
use tlv::oid;
use zeroize::Zeroizing;

/// AlgorithmIdentifier of an RSA key: rsaEncryption with NULL (RFC 8017 §A.1).
pub(crate) fn rsa_algorithm() -> Vec<u8> {
    tlv::sequence(&[&tlv::encode_oid(oid::RSA_ENCRYPTION), &[0x05, 0x00]])
}

fn ec_algorithm(curve: Curve) -> Vec<u8> {
    tlv::sequence(&[&tlv::encode_oid(oid::EC_PUBLIC_KEY), &tlv::encode_oid(curve.oid())])
}

fn wrap(algorithm: &[u8], key: &[u8]) -> SecretBytes {
    let octets = Zeroizing::new(tlv::encode(0x04, key));
    let body = Zeroizing::new([&[0x02, 0x01, 0x00], algorithm, octets.as_slice()].concat());
    tlv::encode(0x30, &body).into()
}

/// The AlgorithmIdentifier's content and the private key's content.
fn unwrap(der: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let parse = || {
        let mut parts = tlv::expect(der, 0x30)?.children();
        let version = parts.expect(0x02)?.value;
        let algorithm = parts.expect(0x30)?.value;
        let key = parts.expect(0x04)?.value;
        // RFC 5958 §2: attributes [0] and, in version 1, the public key [1] may follow; neither matters here.
        Ok::<_, tlv::Error>((version, algorithm, key))
    };
    match parse() {
        Ok(([0 | 1], algorithm, key)) => Ok((algorithm, key)),
        _ => Err(Error::InvalidPrivateKey),
    }
}

pub(crate) fn encode_rsa(key: &[u8]) -> SecretBytes {
    wrap(&rsa_algorithm(), key)
}

pub(crate) fn parse_rsa(der: &[u8]) -> Result<&[u8], Error> {
    let (algorithm, key) = unwrap(der)?;
    let identifier = tlv::Reader::new(algorithm).expect(0x06).map_err(|_| Error::InvalidPrivateKey)?;
    if identifier.value == oid::RSA_ENCRYPTION.as_bytes() { Ok(key) } else { Err(Error::Unsupported) }
}

pub(crate) fn encode_ec(curve: Curve, scalar: &[u8], public: &[u8]) -> SecretBytes {
    // RFC 5915 §3: ECPrivateKey; the curve stands in the AlgorithmIdentifier, so parameters [0] are left out.
    let scalar = Zeroizing::new(tlv::encode(0x04, scalar));
    let public = tlv::encode(0xA1, &bit_string(public));
    let body = Zeroizing::new([&[0x02, 0x01, 0x01], scalar.as_slice(), &public].concat());
    let key = Zeroizing::new(tlv::encode(0x30, &body));
    wrap(&ec_algorithm(curve), &key)
}

pub(crate) fn parse_ec(der: &[u8]) -> Result<(Curve, &[u8]), Error> {
    let (algorithm, key) = unwrap(der)?;
    let parse = || {
        let mut identifier = tlv::Reader::new(algorithm);
        let algorithm = identifier.expect(0x06)?.value;
        let named = identifier.expect(0x06)?.value;
        let mut parts = tlv::expect(key, 0x30)?.children();
        let version = parts.expect(0x02)?.value;
        let scalar = parts.expect(0x04)?.value;
        Ok::<_, tlv::Error>((algorithm, named, version, scalar))
    };
    let (algorithm, named, version, scalar) = parse().map_err(|_| Error::InvalidPrivateKey)?;
    if algorithm != oid::EC_PUBLIC_KEY.as_bytes() {
        return Err(Error::Unsupported);
    }
    if version != [1] {
        return Err(Error::InvalidPrivateKey);
    }
    let curve = Curve::ALL.into_iter().find(|c| c.oid().as_bytes() == named).ok_or(Error::Unsupported)?;
    Ok((curve, scalar))
}
