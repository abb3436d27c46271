//! Certificate extensions: one writer and one reader per extension, named as RFC 5280 §4.2 names them.

use const_oid::ObjectIdentifier as Oid;
use jiff::Timestamp;
use tlv::{encode, encode_oid, oid, sequence};

use crate::asn1::{
    BIT_STRING, Der, GENERALIZED_TIME, OCTET_STRING, PRINTABLE_STRING, SET, UTF8_STRING, boolean_true,
    explicit, implicit, integer, small_integer,
};
use crate::{Error, Name, Validity, name, time};

/// One extension as it stands in a certificate, list or message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Which extension.
    pub oid: Oid,
    /// Whether a reader that does not know it must refuse.
    pub critical: bool,
    /// The DER inside the OCTET STRING.
    pub value: &'a [u8],
}

/// Key usages (RFC 5280 §4.2.1.3) as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// digitalSignature (0)
    pub const DIGITAL_SIGNATURE: Self = Self(1 << 15);
    /// nonRepudiation or contentCommitment (1)
    pub const CONTENT_COMMITMENT: Self = Self(1 << 14);
    /// keyEncipherment (2)
    pub const KEY_ENCIPHERMENT: Self = Self(1 << 13);
    /// dataEncipherment (3)
    pub const DATA_ENCIPHERMENT: Self = Self(1 << 12);
    /// keyAgreement (4)
    pub const KEY_AGREEMENT: Self = Self(1 << 11);
    /// keyCertSign (5)
    pub const KEY_CERT_SIGN: Self = Self(1 << 10);
    /// cRLSign (6)
    pub const CRL_SIGN: Self = Self(1 << 9);

    /// Both sets together.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every usage of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What basicConstraints says (RFC 5280 §4.2.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BasicConstraints {
    /// cA
    pub ca: bool,
    /// pathLenConstraint
    pub path_len: Option<u32>,
}

/// An attribute of SubjectDirectoryAttributes with one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryValue {
    /// OBJECT IDENTIFIER
    Oid(Oid),
    /// UTF8String
    Utf8(String),
    /// PrintableString
    Printable(String),
    /// Anything else, as DER
    Other(Vec<u8>),
}

/// A GeneralName of the kinds this system writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GeneralName {
    /// rfc822Name
    Email(String),
    /// dNSName
    Dns(String),
    /// uniformResourceIdentifier
    Uri(String),
    /// directoryName
    Directory(Name),
    /// Another kind, as DER
    Other(Vec<u8>),
}

/// The most extensions one structure may have, and policies one certificate: what is compared pairwise is bounded.
pub(crate) const MAX_EXTENSIONS: usize = 64;

// ---- writers -------------------------------------------------------------------------------------------------------

/// `Extension ::= SEQUENCE { extnID, critical DEFAULT FALSE, extnValue OCTET STRING }`
pub(crate) fn extension(oid: Oid, critical: bool, value: &[u8]) -> Vec<u8> {
    let flag = if critical { boolean_true() } else { Vec::new() };
    sequence(&[&encode_oid(oid), &flag, &encode(OCTET_STRING, value)])
}

/// RFC 5280 §4.2.1.1: keyIdentifier only; the extension MUST be non-critical.
pub(crate) fn authority_key_identifier(key_identifier: &[u8]) -> Vec<u8> {
    extension(oid::AUTHORITY_KEY_IDENTIFIER, false, &sequence(&[&encode(implicit(0), key_identifier)]))
}

/// RFC 5280 §4.2.1.2: the extension MUST be non-critical.
pub(crate) fn subject_key_identifier(key_identifier: &[u8]) -> Vec<u8> {
    extension(oid::SUBJECT_KEY_IDENTIFIER, false, &encode(OCTET_STRING, key_identifier))
}

/// RFC 5280 §4.2.1.3: SHOULD be critical. X.690 §11.2.2: a named bit list ends with its last one bit.
pub(crate) fn key_usage(usage: KeyUsage) -> Vec<u8> {
    let unused = usage.0.trailing_zeros().min(15);
    let bytes = usage.0.to_be_bytes();
    let value =
        if unused >= 8 { vec![(unused - 8) as u8, bytes[0]] } else { vec![unused as u8, bytes[0], bytes[1]] };
    extension(oid::KEY_USAGE, true, &encode(BIT_STRING, &value))
}

/// ICAO Doc 9303-12 §7.1: both ends as GeneralizedTime.
pub(crate) fn private_key_usage_period(period: &Validity) -> Vec<u8> {
    let end = |n, t: Timestamp| encode(implicit(n), &time::digits(t));
    let value = sequence(&[&end(0, period.not_before()), &end(1, period.not_after())]);
    extension(oid::PRIVATE_KEY_USAGE_PERIOD, false, &value)
}

/// RFC 5280 §4.2.1.4, without qualifiers.
pub(crate) fn certificate_policies(policies: &[Oid]) -> Vec<u8> {
    let infos: Vec<u8> = policies.iter().flat_map(|p| sequence(&[&encode_oid(*p)])).collect();
    extension(oid::CERTIFICATE_POLICIES, false, &sequence(&[&infos]))
}

/// RFC 5280 §4.2.1.6 and §4.2.1.7.
pub(crate) fn alternative_name(oid: Oid, names: &[GeneralName]) -> Vec<u8> {
    extension(oid, false, &sequence(&[&names.iter().flat_map(general_name).collect::<Vec<u8>>()]))
}

/// RFC 5280 §4.2.1.8: MUST be non-critical. One value per attribute.
pub(crate) fn subject_directory_attributes(attributes: &[(Oid, DirectoryValue)]) -> Vec<u8> {
    let list: Vec<u8> = attributes
        .iter()
        .flat_map(|(oid, value)| {
            let value = match value {
                DirectoryValue::Oid(v) => encode_oid(*v),
                DirectoryValue::Utf8(v) => encode(UTF8_STRING, v.as_bytes()),
                DirectoryValue::Printable(v) => encode(PRINTABLE_STRING, v.as_bytes()),
                DirectoryValue::Other(der) => der.clone(),
            };
            sequence(&[&encode_oid(*oid), &encode(SET, &value)])
        })
        .collect();
    extension(oid::SUBJECT_DIRECTORY_ATTRIBUTES, false, &sequence(&[&list]))
}

/// RFC 5280 §4.2.1.9: critical in CA certificates.
pub(crate) fn basic_constraints_ca(path_len: Option<u32>) -> Vec<u8> {
    let len = path_len.map(|n| integer(n.into())).unwrap_or_default();
    extension(oid::BASIC_CONSTRAINTS, true, &sequence(&[&boolean_true(), &len]))
}

/// RFC 5280 §4.2.1.5: SHOULD be critical. Each policy of the issuer beside the subject's policy that counts as it.
pub(crate) fn policy_mappings(mappings: &[(Oid, Oid)]) -> Vec<u8> {
    let list =
        mappings.iter().flat_map(|(ours, theirs)| sequence(&[&encode_oid(*ours), &encode_oid(*theirs)]));
    extension(oid::POLICY_MAPPINGS, true, &sequence(&[&list.collect::<Vec<u8>>()]))
}

/// RFC 5280 §4.2.1.10: MUST be critical. Subtrees of directory names alone; no other kind of name is constrained.
pub(crate) fn permitted_directory_subtrees(bases: &[Name]) -> Vec<u8> {
    let subtree = |base: &Name| sequence(&[&general_name(&GeneralName::Directory(base.clone()))]);
    let permitted = encode(explicit(0), &bases.iter().flat_map(subtree).collect::<Vec<u8>>());
    extension(oid::NAME_CONSTRAINTS, true, &sequence(&[&permitted]))
}

/// RFC 5280 §4.2.1.11: MUST be critical. An acceptable policy is required from here on, and no further mapping counts.
pub(crate) fn policy_constraints_strict() -> Vec<u8> {
    let zero = |n| encode(implicit(n), &[0]);
    extension(oid::POLICY_CONSTRAINTS, true, &sequence(&[&zero(0), &zero(1)]))
}

/// RFC 5280 §4.2.1.14: MUST be critical. anyPolicy counts for nothing from here on.
pub(crate) fn inhibit_any_policy() -> Vec<u8> {
    extension(oid::INHIBIT_ANY_POLICY, true, &integer(0))
}

/// RFC 5280 §4.2.1.12.
pub(crate) fn extended_key_usage(purposes: &[Oid], critical: bool) -> Vec<u8> {
    let list: Vec<u8> = purposes.iter().flat_map(|p| encode_oid(*p)).collect();
    extension(oid::EXTENDED_KEY_USAGE, critical, &sequence(&[&list]))
}

/// RFC 5280 §4.2.1.13: one DistributionPoint per URI, in this order.
pub(crate) fn crl_distribution_points(uris: &[&str]) -> Vec<u8> {
    let points: Vec<u8> = uris.iter().flat_map(|uri| sequence(&[&distribution_point_name(uri)])).collect();
    extension(oid::CRL_DISTRIBUTION_POINTS, false, &sequence(&[&points]))
}

/// `[0] { fullName [0] { uniformResourceIdentifier } }`, shared with the issuingDistributionPoint of a CRL.
pub(crate) fn distribution_point_name(uri: &str) -> Vec<u8> {
    let full_name = encode(explicit(0), &general_name(&GeneralName::Uri(uri.to_owned())));
    encode(explicit(0), &full_name)
}

/// RFC 5280 §4.2.2.1: MUST be non-critical.
pub(crate) fn authority_info_access(locations: &[(Oid, &str)]) -> Vec<u8> {
    let list: Vec<u8> = locations
        .iter()
        .flat_map(|(method, uri)| {
            sequence(&[&encode_oid(*method), &general_name(&GeneralName::Uri((*uri).to_owned()))])
        })
        .collect();
    extension(oid::AUTHORITY_INFO_ACCESS, false, &sequence(&[&list]))
}

/// RFC 6960 §4.2.2.2.1: the value is NULL; the responder's own certificate needs no status check.
pub(crate) fn ocsp_nocheck() -> Vec<u8> {
    extension(oid::OCSP_NOCHECK, false, &[0x05, 0x00])
}

/// ICAO Doc 9303-12 §7.1.1: `SEQUENCE { version 0, SET OF PrintableString }`.
pub(crate) fn document_type_list(types: &[&str]) -> Vec<u8> {
    let entries: Vec<Vec<u8>> = types.iter().map(|t| encode(PRINTABLE_STRING, t.as_bytes())).collect();
    let set = tlv::set(&entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
    extension(oid::DOCUMENT_TYPE_LIST, false, &sequence(&[&integer(0), &set]))
}

fn general_name(name: &GeneralName) -> Vec<u8> {
    match name {
        GeneralName::Email(v) => encode(implicit(1), v.as_bytes()),
        GeneralName::Dns(v) => encode(implicit(2), v.as_bytes()),
        GeneralName::Directory(v) => encode(explicit(4), v.der()),
        GeneralName::Uri(v) => encode(implicit(6), v.as_bytes()),
        GeneralName::Other(der) => der.clone(),
    }
}

// ---- readers -------------------------------------------------------------------------------------------------------

/// Reads one Extension out of `Extensions`.
pub(crate) fn read_extension<'a>(list: &mut Der<'a>) -> Result<Extension<'a>, Error> {
    let mut inner = list.sequence()?;
    let oid = inner.oid()?;
    let critical = inner.default_false()?;
    let value = inner.octets()?;
    inner.finish()?;
    Ok(Extension { oid, critical, value })
}

/// The keyIdentifier of an AuthorityKeyIdentifier; `None` where only issuer and serial stand there.
pub(crate) fn read_authority_key_identifier(value: &[u8]) -> Result<Option<&[u8]>, Error> {
    let mut inner = Der::outer(value)?;
    let id = inner.optional(implicit(0))?.map(|t| t.value);
    let issuer = inner.optional(explicit(1))?.is_some();
    let serial = inner.optional(implicit(2))?.is_some();
    inner.finish()?;
    // RFC 5280 §4.2.1.1: issuer and serial number both present or both absent.
    if issuer != serial { Err(Error::Malformed("authorityKeyIdentifier")) } else { Ok(id) }
}

pub(crate) fn read_subject_key_identifier(value: &[u8]) -> Result<&[u8], Error> {
    let mut inner = Der::new(value);
    let id = inner.octets()?;
    inner.finish()?;
    if id.is_empty() { Err(Error::Malformed("subjectKeyIdentifier")) } else { Ok(id) }
}

pub(crate) fn read_key_usage(value: &[u8]) -> Result<KeyUsage, Error> {
    let mut inner = Der::new(value);
    let bits = inner.expect(BIT_STRING)?.value;
    inner.finish()?;
    let usage = match bits {
        [unused @ 0..=7, first] => (*unused, u16::from(*first) << 8),
        [unused @ 0..=7, first, second] => (*unused + 8, u16::from(*first) << 8 | u16::from(*second)),
        _ => return Err(Error::Malformed("keyUsage")),
    };
    // RFC 5280 §4.2.1.3: at least one of the bits MUST be set.
    if usage.1 == 0 { Err(Error::Malformed("keyUsage without a usage")) } else { Ok(KeyUsage(usage.1)) }
}

pub(crate) fn read_basic_constraints(value: &[u8]) -> Result<BasicConstraints, Error> {
    let mut inner = Der::outer(value)?;
    let ca = inner.default_false()?;
    let path_len = inner.optional(0x02)?.map(|t| small_integer(t.value)).transpose()?;
    inner.finish()?;
    Ok(BasicConstraints { ca, path_len })
}

pub(crate) fn read_oid_list(value: &[u8]) -> Result<Vec<Oid>, Error> {
    let mut inner = Der::outer(value)?;
    let mut out = Vec::new();
    while !inner.is_empty() {
        out.push(inner.oid()?);
    }
    if out.is_empty() { Err(Error::Malformed("extKeyUsage without a purpose")) } else { Ok(out) }
}

pub(crate) fn read_policies(value: &[u8]) -> Result<Vec<Oid>, Error> {
    let mut inner = Der::outer(value)?;
    let mut out = Vec::new();
    while !inner.is_empty() {
        let oid = inner.sequence()?.oid()?;
        // RFC 5280 §4.2.1.4: a policy MUST NOT appear more than once.
        if out.contains(&oid) {
            return Err(Error::Malformed("certificatePolicies"));
        }
        if out.len() == MAX_EXTENSIONS {
            return Err(Error::TooMany("certificate policies"));
        }
        out.push(oid);
    }
    if out.is_empty() { Err(Error::Malformed("certificatePolicies")) } else { Ok(out) }
}

/// The URIs of every full name, in order.
pub(crate) fn read_distribution_points(value: &[u8]) -> Result<Vec<String>, Error> {
    let mut points = Der::outer(value)?;
    let mut out = Vec::new();
    while !points.is_empty() {
        let mut point = points.sequence()?;
        if let Some(name) = point.optional(explicit(0))? {
            out.extend(read_distribution_point_name(name.value)?);
        }
    }
    Ok(out)
}

/// The URIs of a DistributionPointName.
pub(crate) fn read_distribution_point_name(value: &[u8]) -> Result<Vec<String>, Error> {
    let mut inner = Der::new(value);
    let Some(full_name) = inner.optional(explicit(0))? else { return Ok(Vec::new()) };
    let names = read_general_names(full_name.value)?;
    Ok(names
        .into_iter()
        .filter_map(|n| if let GeneralName::Uri(uri) = n { Some(uri) } else { None })
        .collect())
}

pub(crate) fn read_authority_info_access(value: &[u8]) -> Result<Vec<(Oid, String)>, Error> {
    let mut inner = Der::outer(value)?;
    // RFC 5280 §4.2.2.1: SEQUENCE SIZE (1..MAX).
    if inner.is_empty() {
        return Err(Error::Malformed("authorityInfoAccess"));
    }
    let mut out = Vec::new();
    while !inner.is_empty() {
        let mut access = inner.sequence()?;
        let method = access.oid()?;
        let location = access.any()?;
        access.finish()?;
        if let GeneralName::Uri(uri) = read_general_name(location.tag, location.raw, location.value)? {
            out.push((method, uri));
        }
    }
    Ok(out)
}

/// The names of a `GeneralNames` without its outer tag.
pub(crate) fn read_general_names(list: &[u8]) -> Result<Vec<GeneralName>, Error> {
    let mut inner = Der::new(list);
    let mut out = Vec::new();
    while !inner.is_empty() {
        let name = inner.any()?;
        out.push(read_general_name(name.tag, name.raw, name.value)?);
    }
    if out.is_empty() { Err(Error::Malformed("GeneralNames")) } else { Ok(out) }
}

fn read_general_name(tag: u32, raw: &[u8], value: &[u8]) -> Result<GeneralName, Error> {
    let ia5 = || name::text(crate::asn1::IA5_STRING, value);
    Ok(match tag {
        0x81 => GeneralName::Email(ia5()?),
        0x82 => GeneralName::Dns(ia5()?),
        0x86 => GeneralName::Uri(ia5()?),
        0xA4 => GeneralName::Directory(Name::parse(value)?),
        0x87 if matches!(value.len(), 4 | 16) => GeneralName::Other(raw.to_vec()),
        0xA0 | 0xA3 | 0xA5 | 0x88 => GeneralName::Other(raw.to_vec()),
        _ => return Err(Error::Malformed("GeneralName")),
    })
}

/// The attributes with their first value each.
pub(crate) fn read_directory_attributes(value: &[u8]) -> Result<Vec<(Oid, DirectoryValue)>, Error> {
    let mut inner = Der::outer(value)?;
    let mut out = Vec::new();
    while !inner.is_empty() {
        let mut attribute = inner.sequence()?;
        let oid = attribute.oid()?;
        let mut values = Der::new(attribute.expect(SET)?.value);
        attribute.finish()?;
        let first = values.any()?;
        let read = match first.tag {
            crate::asn1::OID => DirectoryValue::Oid(crate::asn1::oid_value(first.value)?),
            UTF8_STRING => DirectoryValue::Utf8(name::text(first.tag, first.value)?),
            PRINTABLE_STRING => DirectoryValue::Printable(name::text(first.tag, first.value)?),
            _ => DirectoryValue::Other(first.raw.to_vec()),
        };
        out.push((oid, read));
    }
    Ok(out)
}

/// Both ends of a PrivateKeyUsagePeriod.
pub(crate) fn read_private_key_usage_period(
    value: &[u8],
) -> Result<(Option<Timestamp>, Option<Timestamp>), Error> {
    let mut inner = Der::outer(value)?;
    let mut end =
        |n| inner.optional(implicit(n))?.map(|t| time::parse(GENERALIZED_TIME, t.value)).transpose();
    Ok((end(0)?, end(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_usage_is_a_minimal_named_bit_list() {
        let tail = |usage| key_usage(usage)[13..].to_vec();
        assert_eq!(tail(KeyUsage::DIGITAL_SIGNATURE), [2, 7, 0x80]);
        assert_eq!(tail(KeyUsage::KEY_ENCIPHERMENT.and(KeyUsage::DATA_ENCIPHERMENT)), [2, 4, 0x30]);
        assert_eq!(tail(KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN)), [2, 1, 0x06]);
    }

    #[test]
    fn key_usage_comes_back() {
        for bit in 9..16 {
            let usage = KeyUsage(1 << bit);
            let ext = key_usage(usage);
            let read = read_extension(&mut Der::new(&ext)).expect("own encoding");
            assert!(read.critical);
            assert_eq!(read_key_usage(read.value), Ok(usage));
        }
        assert!(read_key_usage(&[3, 2, 7, 0]).is_err());
    }

    // Table 11 names nine attributes that programs of the GPKI read. What other certificates say is understood too.
    // proves: NPC-18
    #[test]
    fn the_nine_attributes_of_the_gpki_have_their_identifiers_and_come_back() {
        let text = |text: &str| DirectoryValue::Utf8(text.to_owned());
        // The last arc, and the octets of the identifier after those of 2.16.886.1.100.2.
        let attributes: [(Oid, DirectoryValue, &[u8]); 9] = [
            (oid::GPKI_SUBJECT_TYPE, DirectoryValue::Oid(oid::GPKI_NATURAL_PERSON), &[0x01]),
            (oid::GPKI_HOLDER_RANK, DirectoryValue::Printable("primary".into()), &[0x02]),
            (oid::GPKI_TAIL_OF_CITIZEN_ID, text("6789"), &[0x33]),
            (oid::GPKI_ORGANISATION_NUMBER, text("00000000"), &[0x65]),
            (oid::GPKI_ENTITY_OID, DirectoryValue::Oid(oid::GPKI_POLICY_TEST), &[0x66]),
            (oid::GPKI_GROUP_CODE, DirectoryValue::Other(vec![0x02, 0x01, 0x07]), &[0x81, 0x48]),
            (oid::GPKI_CERTIFICATE_TYPE, DirectoryValue::Other(vec![0x02, 0x01, 0x03]), &[0x81, 0x49]),
            (oid::GPKI_UID, text("TEST-1"), &[0x81, 0x4A]),
            (oid::GPKI_CARD_NUMBER, text("AB1000123"), &[0x81, 0x4C]),
        ];
        let listed: Vec<_> = attributes.iter().map(|(oid, value, _)| (*oid, value.clone())).collect();
        let der = subject_directory_attributes(&listed);
        // 2.5.29.9, and each attribute under its own identifier.
        assert!(der.windows(5).any(|part| part == [0x06, 0x03, 0x55, 0x1D, 0x09]));
        for (oid, _, last) in attributes {
            let arcs = [&[0x60, 0x86, 0x76, 0x01, 0x64, 0x02], last].concat();
            let encoded = [&[0x06, arcs.len() as u8], &arcs[..]].concat();
            assert!(der.windows(encoded.len()).any(|part| part == encoded), "{oid}");
        }
        let natural = [0x06, 0x08, 0x60, 0x86, 0x76, 0x01, 0x64, 0x03, 0x01, 0x01];
        assert!(der.windows(natural.len()).any(|part| part == natural));
        let read = read_extension(&mut Der::new(&der)).expect("own encoding");
        assert_eq!(read_directory_attributes(read.value), Ok(listed));
    }

    #[test]
    fn points_and_locations_come_back() {
        let uris = ["http://crl.example.test/p-1.crl", "http://crl.example.test/complete.crl"];
        let ext = crl_distribution_points(&uris);
        let read = read_extension(&mut Der::new(&ext)).expect("own encoding");
        assert_eq!(read_distribution_points(read.value).expect("own encoding"), uris);
        let ext = authority_info_access(&[(oid::AD_OCSP, uris[0])]);
        let read = read_extension(&mut Der::new(&ext)).expect("own encoding");
        assert_eq!(read_authority_info_access(read.value), Ok(vec![(oid::AD_OCSP, uris[0].to_owned())]));
    }

    proptest::proptest! {
        #[test]
        fn no_reader_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            for input in [bytes.clone(), sequence(&[&bytes]), sequence(&[&sequence(&[&bytes])])] {
                let _ = read_authority_key_identifier(&input);
                let _ = read_subject_key_identifier(&input);
                let _ = read_key_usage(&input);
                let _ = read_basic_constraints(&input);
                let _ = read_oid_list(&input);
                let _ = read_policies(&input);
                let _ = read_distribution_points(&input);
                let _ = read_authority_info_access(&input);
                let _ = read_general_names(&input);
                let _ = read_directory_attributes(&input);
                let _ = read_private_key_usage_period(&input);
            }
        }
    }
}
