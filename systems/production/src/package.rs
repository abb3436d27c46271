//! The personalisation package: everything that is written on and in one card (PRODUCTION-32).
//!
//! It travels sealed to the centre's key, bound to its order number, and is stored only under the data encryption key of
//! its order. The stored and sent form is JSON with base64 for bytes, version 3.

use curve::{Point, Random, SecretBytes, SecretKey};
use model::CardSerial;
use serde::{Deserialize, Serialize};

use crate::ProductionError;
use crate::centre::OrderNo;

/// What one card gets.
#[derive(Clone)]
pub struct Package {
    /// The card it is for, and no other (PRODUCTION-33).
    pub serial: CardSerial,
    /// The MRZ information, the second password of the Public Zone.
    pub mrz_information: String,
    /// The Household Zone with its signature.
    pub household: Vec<u8>,
    /// EF.COM, the data groups and EF.SOD of the Public Zone by file identifier.
    pub public: Vec<(u16, Vec<u8>)>,
    /// The Encrypted Zone: number and file of each data group, with its salt behind it.
    pub encrypted: Vec<(u8, Vec<u8>)>,
    /// The signed security object of the Encrypted Zone.
    pub encrypted_object: Vec<u8>,
    /// The trust point of the authorisation PKI: whose terminals the card trusts.
    pub trust_point: Vec<u8>,
    /// The certificate of the country signing CA: whose signers' updates the card takes.
    pub document_anchor: Vec<u8>,
    /// EF.CardAccess.
    pub card_access: Vec<u8>,
    /// EF.CardSecurity.
    pub card_security: Vec<u8>,
    /// Certificates: 1 to 4 of the keys, 5 root, 6 intermediate. None at all closes the Certificate Zone (CARD-40).
    pub certificates: Vec<(u8, Vec<u8>)>,
    /// The key set with which the ministry sets PINs later: ENC, MAC, DEK.
    pub pin_management_keys: [SecretBytes; 3],
    /// The portrait for the colour printer; none where it is exempted.
    pub photo: Option<Vec<u8>>,
}

impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Package({:?})", self.serial)
    }
}

impl Package {
    /// Seals the package to the card centre.
    pub fn seal(
        &self,
        centre: &Point,
        order: OrderNo,
        random: &mut dyn Random,
    ) -> Result<Vec<u8>, ProductionError> {
        Ok(sealed::package::seal(centre, random, &context(order), self.encode()?.expose())?)
    }

    /// Opens a package with the centre's key.
    pub(crate) fn open(key: &SecretKey, order: OrderNo, sealed: &[u8]) -> Result<Self, ProductionError> {
        let plain = sealed::package::open(key, &context(order), sealed)
            .map_err(|_| ProductionError::PackageDamaged)?;
        Self::decode(plain.expose())
    }

    pub(crate) fn encode(&self) -> Result<SecretBytes, ProductionError> {
        let [enc, mac, dek] = &self.pin_management_keys;
        let wire = Wire {
            version: VERSION,
            serial: self.serial,
            mrz_information: self.mrz_information.clone(),
            household: Bytes(self.household.clone()),
            public: self.public.iter().map(|(fid, file)| (*fid, Bytes(file.clone()))).collect(),
            encrypted: self.encrypted.iter().map(|(group, file)| (*group, Bytes(file.clone()))).collect(),
            encrypted_object: Bytes(self.encrypted_object.clone()),
            trust_point: Bytes(self.trust_point.clone()),
            document_anchor: Bytes(self.document_anchor.clone()),
            card_access: Bytes(self.card_access.clone()),
            card_security: Bytes(self.card_security.clone()),
            certificates: self.certificates.iter().map(|(id, der)| (*id, Bytes(der.clone()))).collect(),
            pin_management_keys: [enc, mac, dek].map(|key| Bytes(key.expose().to_vec())),
            photo: self.photo.clone().map(Bytes),
        };
        let json = serde_json::to_vec(&wire).map_err(|_| ProductionError::Data("package"))?;
        Ok(SecretBytes::from(json))
    }

    pub(crate) fn decode(json: &[u8]) -> Result<Self, ProductionError> {
        let wire: Wire = serde_json::from_slice(json).map_err(|_| ProductionError::PackageDamaged)?;
        if wire.version != VERSION {
            return Err(ProductionError::PackageDamaged);
        }
        Ok(Self {
            serial: wire.serial,
            mrz_information: wire.mrz_information,
            household: wire.household.0,
            public: wire.public.into_iter().map(|(fid, file)| (fid, file.0)).collect(),
            encrypted: wire.encrypted.into_iter().map(|(group, file)| (group, file.0)).collect(),
            encrypted_object: wire.encrypted_object.0,
            trust_point: wire.trust_point.0,
            document_anchor: wire.document_anchor.0,
            card_access: wire.card_access.0,
            card_security: wire.card_security.0,
            certificates: wire.certificates.into_iter().map(|(id, der)| (id, der.0)).collect(),
            pin_management_keys: wire.pin_management_keys.map(|key| SecretBytes::from(key.0)),
            photo: wire.photo.map(|photo| photo.0),
        })
    }
}

fn context(order: OrderNo) -> String {
    format!("production/package/{order}")
}

const VERSION: u32 = 3;

/// The stored and sent form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u32,
    serial: CardSerial,
    mrz_information: String,
    household: Bytes,
    public: Vec<(u16, Bytes)>,
    encrypted: Vec<(u8, Bytes)>,
    encrypted_object: Bytes,
    trust_point: Bytes,
    document_anchor: Bytes,
    card_access: Bytes,
    card_security: Bytes,
    certificates: Vec<(u8, Bytes)>,
    pin_management_keys: [Bytes; 3],
    photo: Option<Bytes>,
}

/// Bytes as base64 (RFC 4648 §4).
#[derive(Clone, Default)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64ct::{Base64, Encoding};
        serializer.serialize_str(&Base64::encode_string(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64ct::{Base64, Encoding};
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Base64::decode_vec(&text).map(Self).map_err(|_| serde::de::Error::custom("not base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve::{Curve, SeedRandom};

    fn package() -> Package {
        let key = |n: u8| SecretBytes::from(vec![n; 32]);
        Package {
            serial: "N5A123456".parse().expect("a serial"),
            mrz_information: "N5A12345609001011".into(),
            household: vec![0x30, 0],
            public: vec![(0x011E, vec![0x60, 0]), (0x0101, vec![0x61, 0])],
            encrypted: vec![(9, vec![0x69, 0])],
            encrypted_object: vec![0x30, 0],
            trust_point: vec![0x7F, 0x21, 0],
            document_anchor: vec![0x30, 3, 0],
            card_access: vec![0x31, 0],
            card_security: vec![0x30, 1, 0],
            certificates: vec![(1, vec![0x30, 2, 5, 0])],
            pin_management_keys: [key(1), key(2), key(3)],
            photo: Some(vec![0xFF, 0xD8, 0xFF]),
        }
    }

    // proves: PRODUCTION-32
    #[test]
    fn a_package_opens_for_the_centre_and_its_order_alone() {
        let mut random = SeedRandom::new(b"package");
        let centre = SecretKey::generate(Curve::P521, &mut random);
        let order: OrderNo = "C11500000001-0".parse().expect("an order");
        let other: OrderNo = "C11500000001-1".parse().expect("an order");
        let sealed = package().seal(&centre.public_key(), order, &mut random).expect("seals");
        let opened = Package::open(&centre, order, &sealed).expect("opens");
        assert_eq!(opened.encode().expect("encodes").expose(), package().encode().expect("encodes").expose());
        assert!(matches!(Package::open(&centre, other, &sealed), Err(ProductionError::PackageDamaged)));
        assert!(!sealed.windows(9).any(|w| w == b"N5A123456"));
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic() {
        for json in [&b""[..], b"{}", b"[]", b"{\"version\":1}", b"\xff\xff"] {
            assert!(matches!(Package::decode(json), Err(ProductionError::PackageDamaged)));
        }
        let json = String::from_utf8(package().encode().expect("encodes").expose().to_vec()).expect("text");
        assert!(Package::decode(json.replace("\"version\":3", "\"version\":2").as_bytes()).is_err());
        assert!(Package::decode(json.replace("/9j/", "!!!!").as_bytes()).is_err());
    }
}
