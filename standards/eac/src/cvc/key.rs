//! Public keys inside certificates (TR-03110-3 §D.3.3).

use const_oid::ObjectIdentifier;
use curve::{Curve, Hash, Point, Signature};
use tlv::{Reader, oid};

use super::{CvcError, der};

/// Tag of the public key.
pub(crate) const PUBLIC_KEY: u32 = 0x7F49;
const OBJECT_IDENTIFIER: u32 = 0x06;
const PRIME: u32 = 0x81;
const A: u32 = 0x82;
const B: u32 = 0x83;
const BASE_POINT: u32 = 0x84;
const ORDER: u32 = 0x85;
const POINT: u32 = 0x86;
const COFACTOR: u32 = 0x87;

/// A public key for ECDSA as a certificate holds it: with explicit domain parameters, or with those of its issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    hash: Hash,
    domain: Domain,
    point: Vec<u8>,
    raw: Vec<u8>,
}

/// Where the domain parameters of a key come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Domain {
    /// The certificate has none: they are those of the issuer's key.
    Inherited,
    /// Spelled out, and those of a curve that is implemented here.
    Explicit(Curve),
    /// Spelled out, of a curve that is not implemented here.
    Unsupported,
}

impl PublicKey {
    /// A key with explicit domain parameters, signing with the hash that matches its curve.
    pub fn explicit(point: &Point) -> Self {
        Self::encode(point, point.curve().hash(), true)
    }

    /// A key that takes its domain parameters from its issuer.
    pub fn inheriting(point: &Point) -> Self {
        Self::encode(point, point.curve().hash(), false)
    }

    /// A key with explicit domain parameters and the hash it has.
    pub(super) fn spelled_out(key: &VerifyingKey) -> Self {
        Self::encode(&key.point, key.hash, true)
    }

    fn encode(point: &Point, hash: Hash, explicit: bool) -> Self {
        let domain = if explicit { Domain::Explicit(point.curve()) } else { Domain::Inherited };
        let raw = encode_object(algorithm(hash), point, explicit);
        Self { hash, domain, point: point.to_uncompressed(), raw }
    }

    /// Reads the data object 7F49.
    pub fn parse(input: &[u8]) -> Result<Self, CvcError> {
        let object = PublicKeyObject::parse(input, hash)?;
        let hash = object.hash;
        Ok(Self { hash, domain: object.domain, point: object.point.to_vec(), raw: object.raw.to_vec() })
    }

    /// The data object 7F49, as it was read or made.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The hash this key signs with.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Where the domain parameters are.
    pub const fn domain(&self) -> Domain {
        self.domain
    }

    /// The public point, not yet checked.
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// The key with its curve known and its point checked. `inherited` is the curve of the issuer.
    pub fn resolve(&self, inherited: Option<Curve>) -> Result<VerifyingKey, CvcError> {
        let curve = match self.domain {
            Domain::Explicit(curve) => curve,
            Domain::Inherited => inherited.ok_or(CvcError::NoParameters)?,
            Domain::Unsupported => return Err(CvcError::UnsupportedKey),
        };
        let point = Point::from_uncompressed(curve, &self.point).map_err(|_| CvcError::InvalidPoint)?;
        Ok(VerifyingKey { hash: self.hash, point })
    }
}

/// A data object 7F49 with a key on an elliptic curve, whatever the key is for.
pub(crate) struct PublicKeyObject<'a> {
    /// The hash that its object identifier names.
    pub(crate) hash: Hash,
    pub(crate) domain: Domain,
    /// Not yet checked.
    pub(crate) point: &'a [u8],
    pub(crate) raw: &'a [u8],
}

impl<'a> PublicKeyObject<'a> {
    /// `hash` knows the object identifiers of what the key is for: other keys have another form.
    // TR-03110-3 §D.3.3: 06, then 81 to 85 and 87 all or none, 86 always, in ascending order.
    pub(crate) fn parse(
        input: &'a [u8],
        hash: impl FnOnce(&[u8]) -> Result<Hash, CvcError>,
    ) -> Result<Self, CvcError> {
        let object = der::sole(input, PUBLIC_KEY, WHAT)?;
        let mut reader = Reader::new(object.value);
        let hash = hash(der::next(&mut reader, OBJECT_IDENTIFIER, WHAT)?.value)?;
        let prime = der::optional(&mut reader, PRIME, WHAT)?;
        let numbers = match prime {
            None => None,
            Some(prime) => {
                let mut numbers = [prime.value, &[], &[], &[], &[]];
                for (number, tag) in numbers[1..].iter_mut().zip([A, B, BASE_POINT, ORDER]) {
                    *number = der::next(&mut reader, tag, WHAT)?.value;
                }
                Some(numbers)
            }
        };
        let point = der::next(&mut reader, POINT, WHAT)?.value;
        let domain = match numbers {
            None => Domain::Inherited,
            Some(numbers) => {
                let cofactor = der::next(&mut reader, COFACTOR, WHAT)?.value;
                named(numbers, cofactor).map_or(Domain::Unsupported, Domain::Explicit)
            }
        };
        der::finish(&reader, WHAT)?;
        Ok(Self { hash, domain, point, raw: object.raw })
    }
}

/// The data object 7F49 of a point, with or without its domain parameters.
pub(crate) fn encode_object(algorithm: ObjectIdentifier, point: &Point, explicit: bool) -> Vec<u8> {
    let mut value = tlv::encode_oid(algorithm);
    if explicit {
        let domain = point.curve().parameters();
        let base = [&[0x04], domain.x, domain.y].concat();
        for (tag, number) in
            [(PRIME, domain.p), (A, domain.a), (B, domain.b), (BASE_POINT, &base), (ORDER, domain.n)]
        {
            // TR-03110-3 §D.2.1.1: unsigned integers have no leading zeros; the base point keeps its length.
            let digits = if tag == BASE_POINT { number } else { without_zeros(number) };
            value.extend(tlv::encode(tag, digits));
        }
    }
    value.extend(tlv::encode(POINT, point.as_uncompressed()));
    if explicit {
        value.extend(tlv::encode(COFACTOR, &[1]));
    }
    tlv::encode(PUBLIC_KEY, &value)
}

/// A public key that can verify signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    hash: Hash,
    point: Point,
}

impl VerifyingKey {
    /// The key, signing with the hash that matches its curve.
    pub fn new(point: Point) -> Self {
        Self { hash: point.curve().hash(), point }
    }

    /// The public point.
    pub const fn point(&self) -> &Point {
        &self.point
    }

    /// The curve.
    pub const fn curve(&self) -> Curve {
        self.point.curve()
    }

    /// The hash.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// The protocol identifier: id-TA-ECDSA with the hash.
    pub const fn algorithm(&self) -> ObjectIdentifier {
        algorithm(self.hash)
    }

    /// Verifies a signature in plain format, r ‖ s.
    pub fn verify(&self, message: &[&[u8]], signature: &[u8]) -> Result<(), CvcError> {
        // SHA-1 has an identifier and no strength left: no signature counts that was made with it.
        if self.hash == Hash::Sha1 {
            return Err(CvcError::UnsupportedKey);
        }
        let signature = Signature::from_plain(self.curve(), signature).map_err(|_| CvcError::Signature)?;
        curve::verify_digest(&self.point, &self.hash.digest_parts(message), &signature)
            .map_err(|_| CvcError::Signature)
    }
}

const HASHES: [(Hash, ObjectIdentifier); 5] = [
    (Hash::Sha1, oid::TA_ECDSA_SHA1),
    (Hash::Sha224, oid::TA_ECDSA_SHA224),
    (Hash::Sha256, oid::TA_ECDSA_SHA256),
    (Hash::Sha384, oid::TA_ECDSA_SHA384),
    (Hash::Sha512, oid::TA_ECDSA_SHA512),
];

/// id-TA-ECDSA with `hash`.
const fn algorithm(hash: Hash) -> ObjectIdentifier {
    match hash {
        Hash::Sha1 => oid::TA_ECDSA_SHA1,
        Hash::Sha224 => oid::TA_ECDSA_SHA224,
        Hash::Sha256 => oid::TA_ECDSA_SHA256,
        Hash::Sha384 => oid::TA_ECDSA_SHA384,
        Hash::Sha512 => oid::TA_ECDSA_SHA512,
    }
}

fn hash(identifier: &[u8]) -> Result<Hash, CvcError> {
    let found = HASHES.iter().find(|(_, oid)| oid.as_bytes() == identifier);
    found.map(|(hash, _)| *hash).ok_or(CvcError::UnsupportedKey)
}

/// The curve with these parameters: p, a, b, G, r. Leading zeros are passed over: some issuers pad to the field's length.
fn named(numbers: [&[u8]; 5], cofactor: &[u8]) -> Option<Curve> {
    let [p, a, b, base, order] = numbers;
    Curve::ALL.into_iter().find(|curve| {
        let domain = curve.parameters();
        let equal = |x, y| without_zeros(x) == without_zeros(y);
        equal(p, domain.p)
            && equal(a, domain.a)
            && equal(b, domain.b)
            && equal(order, domain.n)
            && *base == [&[0x04], domain.x, domain.y].concat()
            && without_zeros(cofactor) == [1]
    })
}

fn without_zeros(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}

const WHAT: &str = "public key";
