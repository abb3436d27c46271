//! Distinguished names: built in the order given, one attribute per RDN, and compared as RFC 5280 §7.1 asks.

use std::fmt;

use const_oid::ObjectIdentifier as Oid;
use tlv::oid;

use crate::Error;
use crate::asn1::{Der, IA5_STRING, PRINTABLE_STRING, SEQUENCE, SET, UTF8_STRING};

/// id-at-localityName: the ICAO country code inside the alternative names of Doc 9303-12.
pub const LOCALITY: Oid = Oid::new_unwrap("2.5.4.7");

/// A distinguished name with its DER encoding.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name {
    der: Vec<u8>,
    attributes: Vec<Attribute>,
}

/// One attribute of a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// The attribute type.
    pub oid: Oid,
    /// The value as text.
    pub value: String,
}

impl Name {
    /// Starts a new name.
    pub fn builder() -> Builder {
        Builder { attributes: Vec::new(), rdns: Vec::new(), fault: None }
    }

    /// The name of an authority of this test country: `C=TW, O=測試用 New eID, OU=(測試用) <unit>`.
    pub fn test_authority(unit: &str) -> Result<Self, Error> {
        let unit = format!("(測試用) {unit}");
        Self::builder().country("TW").organization("測試用 New eID").organizational_unit(&unit).build()
    }

    /// Reads a DER Name.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut attributes = Vec::new();
        let mut rdns = Der::outer(der)?;
        while !rdns.is_empty() {
            let mut rdn = Der::new(rdns.expect(SET)?.value);
            if rdn.is_empty() {
                return Err(Error::Malformed("empty RelativeDistinguishedName"));
            }
            while !rdn.is_empty() {
                let mut attribute = rdn.sequence()?;
                let oid = attribute.oid()?;
                let value = attribute.any()?;
                attribute.finish()?;
                attributes.push(Attribute { oid, value: text(value.tag, value.value)? });
            }
        }
        Ok(Self { der: der.to_vec(), attributes })
    }

    /// The DER encoding.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The attributes in their order.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The value of the first attribute of this type.
    pub fn attribute(&self, oid: Oid) -> Option<&str> {
        self.attributes.iter().find(|a| a.oid == oid).map(|a| a.value.as_str())
    }

    /// The country, as written.
    pub fn country(&self) -> Option<&str> {
        self.attribute(oid::COUNTRY)
    }

    /// The common name.
    pub fn common_name(&self) -> Option<&str> {
        self.attribute(oid::COMMON_NAME)
    }

    /// Whether the name has no attribute.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }
}

/// Collects attributes; the first fault is reported by [`Builder::build`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    attributes: Vec<Attribute>,
    rdns: Vec<u8>,
    fault: Option<&'static str>,
}

impl Builder {
    /// countryName: two upper-case letters, PrintableString (RFC 5280 appendix A.1).
    pub fn country(mut self, code: &str) -> Self {
        if code.len() != 2 || !code.bytes().all(|b| b.is_ascii_uppercase()) {
            self.fault.get_or_insert("a country is two upper-case letters");
        }
        self.push(oid::COUNTRY, PRINTABLE_STRING, code)
    }

    /// organizationName, UTF8String.
    pub fn organization(self, value: &str) -> Self {
        self.push(oid::ORGANIZATION, UTF8_STRING, value)
    }

    /// organizationalUnitName, UTF8String.
    pub fn organizational_unit(self, value: &str) -> Self {
        self.push(oid::ORGANIZATIONAL_UNIT, UTF8_STRING, value)
    }

    /// commonName, UTF8String.
    pub fn common_name(self, value: &str) -> Self {
        self.push(oid::COMMON_NAME, UTF8_STRING, value)
    }

    /// localityName, UTF8String.
    pub fn locality(self, value: &str) -> Self {
        self.push(LOCALITY, UTF8_STRING, value)
    }

    /// serialNumber, PrintableString (RFC 5280 appendix A.1).
    pub fn serial_number(mut self, value: &str) -> Self {
        if !is_printable(value) {
            self.fault.get_or_insert("serialNumber is a PrintableString");
        }
        self.push(oid::SERIAL_NUMBER, PRINTABLE_STRING, value)
    }

    /// The finished name.
    pub fn build(self) -> Result<Name, Error> {
        match self.fault {
            Some(fault) => Err(Error::Profile(fault)),
            None if self.attributes.is_empty() => Err(Error::Profile("a name needs an attribute")),
            None => Ok(Name { der: tlv::encode(SEQUENCE, &self.rdns), attributes: self.attributes }),
        }
    }

    fn push(mut self, oid: Oid, tag: u32, value: &str) -> Self {
        // RFC 5280 appendix A.1: ub-common-name, ub-organization-name, ub-serial-number and the like are 64 characters.
        if value.trim().is_empty() || value.chars().count() > 64 {
            self.fault.get_or_insert("an attribute of a name has 1 to 64 characters");
        } else if value.chars().any(char::is_control) {
            self.fault.get_or_insert("an attribute of a name has no control characters");
        }
        let pair = tlv::sequence(&[&tlv::encode_oid(oid), &tlv::encode(tag, value.as_bytes())]);
        self.rdns.extend_from_slice(&tlv::encode(SET, &pair));
        self.attributes.push(Attribute { oid, value: value.to_owned() });
        self
    }
}

/// Whether two DER names are the same name (RFC 5280 §7.1): same bytes, or same attributes in the same order after
/// folding case and runs of spaces, whatever the string types.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    match (folded(a), folded(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// Type and folded text of each attribute of an RDN, sorted.
pub(crate) type FoldedRdn = Vec<(Oid, String)>;

/// A DER name in the form in which names are compared.
pub(crate) fn folded(der: &[u8]) -> Result<Vec<FoldedRdn>, Error> {
    let mut rdns = Der::outer(der)?;
    let mut out = Vec::new();
    while !rdns.is_empty() {
        let mut set = Der::new(rdns.expect(SET)?.value);
        let mut rdn = FoldedRdn::new();
        while !set.is_empty() {
            let mut attribute = set.sequence()?;
            let oid = attribute.oid()?;
            let value = attribute.any()?;
            let text = text(value.tag, value.value)?;
            rdn.push((oid, text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()));
        }
        rdn.sort();
        out.push(rdn);
    }
    Ok(out)
}

/// The characters of a PrintableString (X.680 §41.4).
pub(crate) fn is_printable(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b))
}

/// A DirectoryString or IA5String as text.
pub(crate) fn text(tag: u32, value: &[u8]) -> Result<String, Error> {
    const TELETEX_STRING: u32 = 0x14;
    const BMP_STRING: u32 = 0x1E;
    const UNIVERSAL_STRING: u32 = 0x1C;
    let malformed = Error::Malformed("character string");
    match tag {
        UTF8_STRING => String::from_utf8(value.to_vec()).map_err(|_| malformed),
        PRINTABLE_STRING | IA5_STRING if value.is_ascii() => {
            Ok(value.iter().map(|b| char::from(*b)).collect())
        }
        TELETEX_STRING => Ok(value.iter().map(|b| char::from(*b)).collect()),
        BMP_STRING if value.len().is_multiple_of(2) => {
            let units: Vec<u16> = value.chunks_exact(2).map(|c| u16::from_be_bytes([c[0], c[1]])).collect();
            String::from_utf16(&units).map_err(|_| malformed)
        }
        UNIVERSAL_STRING if value.len().is_multiple_of(4) => value
            .chunks_exact(4)
            .map(|c| char::from_u32(u32::from_be_bytes([c[0], c[1], c[2], c[3]])))
            .collect::<Option<_>>()
            .ok_or(malformed),
        _ => Err(malformed),
    }
}

fn short(oid: Oid) -> Option<&'static str> {
    Some(match oid {
        oid::COUNTRY => "C",
        oid::ORGANIZATION => "O",
        oid::ORGANIZATIONAL_UNIT => "OU",
        oid::COMMON_NAME => "CN",
        oid::SERIAL_NUMBER => "serialNumber",
        LOCALITY => "L",
        _ => return None,
    })
}

impl fmt::Display for Name {
    /// `C=TW, O=測試用 New eID, CN=...`, in the order of the encoding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, a) in self.attributes.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            match short(a.oid) {
                Some(name) => write!(f, "{comma}{name}={}", a.value)?,
                None => write!(f, "{comma}{}={}", a.oid, a.value)?,
            }
        }
        Ok(())
    }
}

// Certificates of citizens carry personal names: they stay out of logs.
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({} attributes)", self.attributes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_and_string_types_are_those_of_the_profile() {
        let name =
            Name::builder().country("TW").common_name("王小明").serial_number("0000000112345678").build();
        let name = name.expect("well formed");
        assert_eq!(name.to_string(), "C=TW, CN=王小明, serialNumber=0000000112345678");
        assert_eq!(
            &name.der()[..13],
            [0x30, 60, 0x31, 0x0B, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x13, 0x02]
        );
        assert_eq!(Name::parse(name.der()), Ok(name));
    }

    #[test]
    fn faults_are_refused() {
        assert!(Name::builder().build().is_err());
        assert!(Name::builder().country("tw").build().is_err());
        assert!(Name::builder().country("TWN").build().is_err());
        assert!(Name::builder().common_name("").build().is_err());
        assert!(Name::builder().common_name("  ").build().is_err());
        assert!(Name::builder().common_name(&"字".repeat(65)).build().is_err());
        assert!(Name::builder().common_name("a\nb").build().is_err());
        assert!(Name::builder().serial_number("一").build().is_err());
        assert!(Name::builder().common_name(&"字".repeat(64)).build().is_ok());
    }

    #[test]
    fn names_are_compared_after_folding() {
        let encode = |tag: u32, value: &str| {
            let pair =
                tlv::sequence(&[&tlv::encode_oid(oid::ORGANIZATION), &tlv::encode(tag, value.as_bytes())]);
            tlv::sequence(&[&tlv::encode(SET, &pair)])
        };
        assert!(same(&encode(UTF8_STRING, "New  eID "), &encode(PRINTABLE_STRING, "new EID")));
        assert!(!same(&encode(UTF8_STRING, "New eID"), &encode(UTF8_STRING, "NeweID")));
        assert!(!same(&encode(UTF8_STRING, "A"), &encode(UTF8_STRING, "B")));
    }

    proptest! {
        #[test]
        fn any_name_comes_back(o in "[\\p{L}\\p{N}][\\p{L}\\p{N} ]{0,30}", cn in "[\u{20000}-\u{2A6D6}\u{F0000}-\u{F00FF}]{1,64}") {
            let name = Name::builder().country("TW").organization(&o).common_name(&cn).build().expect("well formed");
            let back = Name::parse(name.der()).expect("own encoding");
            prop_assert_eq!(back.common_name(), Some(cn.as_str()));
            prop_assert_eq!(back, name);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Name::parse(&bytes);
            let _ = same(&bytes, &tlv::sequence(&[&bytes]));
        }
    }
}
