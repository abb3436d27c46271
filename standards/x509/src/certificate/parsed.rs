//! A certificate as read: every field found once, every extension this system knows read once.

use std::fmt;
use std::ops::Range;

use const_oid::ObjectIdentifier as Oid;
use jiff::Timestamp;
use tlv::oid;

use crate::asn1::{Der, explicit, implicit};
use crate::extension::{self, BasicConstraints, DirectoryValue, Extension, GeneralName, KeyUsage};
use crate::{Error, Name, Serial, SignatureAlgorithm, Validity, verify};

/// A parsed X.509 certificate that owns its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: Range<usize>,
    version: u8,
    serial: Range<usize>,
    issuer: Range<usize>,
    validity: Validity,
    subject: Range<usize>,
    spki: Range<usize>,
    signature_algorithm: Option<SignatureAlgorithm>,
    signature: Range<usize>,
    extensions: Vec<Entry>,
    known: Known,
}

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    oid: Oid,
    critical: bool,
    value: Range<usize>,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Known {
    authority_key_identifier: Option<Range<usize>>,
    subject_key_identifier: Option<Range<usize>>,
    key_usage: Option<KeyUsage>,
    basic_constraints: Option<BasicConstraints>,
    extended_key_usage: Vec<Oid>,
    policies: Vec<Oid>,
    crl_uris: Vec<String>,
    access: Vec<(Oid, String)>,
    subject_alt_names: Vec<GeneralName>,
    directory_attributes: Vec<(Oid, DirectoryValue)>,
    private_key_usage: (Option<Timestamp>, Option<Timestamp>),
}

impl Certificate {
    /// Reads a DER certificate. An extension of a kind this system knows must be well formed; others are kept as they are.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut outer = Der::outer(der)?;
        let tbs = outer.any()?;
        let algorithm = outer.any()?.raw;
        let signature = outer.bits()?;
        outer.finish()?;
        // RFC 5280 §4.1.1.2: MUST contain the same algorithm identifier as the signature field.
        let (mut parsed, inner_algorithm) = fields(der, tbs.raw)?;
        if inner_algorithm != algorithm {
            return Err(Error::Malformed("signatureAlgorithm differs from signature"));
        }
        parsed.signature = within(der, signature);
        Ok(parsed)
    }

    /// Reads a TBSCertificate that has no signature yet.
    pub(crate) fn parse_unsigned(tbs: &[u8]) -> Result<Self, Error> {
        Ok(fields(tbs, tbs)?.0)
    }

    /// The whole encoding.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The TBSCertificate, which is what the signature covers.
    pub fn tbs(&self) -> &[u8] {
        &self.der[self.tbs.clone()]
    }

    /// 1, 2 or 3.
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// The content octets of the serial number, whatever their sign and length.
    pub fn serial_octets(&self) -> &[u8] {
        &self.der[self.serial.clone()]
    }

    /// The serial number, where it is one RFC 5280 allows.
    pub fn serial(&self) -> Result<Serial, Error> {
        Serial::from_octets(self.serial_octets())
    }

    /// The DER Name of the issuer.
    pub fn issuer(&self) -> &[u8] {
        &self.der[self.issuer.clone()]
    }

    /// The DER Name of the subject.
    pub fn subject(&self) -> &[u8] {
        &self.der[self.subject.clone()]
    }

    /// The issuer as a name.
    pub fn issuer_name(&self) -> Result<Name, Error> {
        Name::parse(self.issuer())
    }

    /// The subject as a name.
    pub fn subject_name(&self) -> Result<Name, Error> {
        Name::parse(self.subject())
    }

    /// From when to when.
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// The first second of validity.
    pub const fn not_before(&self) -> Timestamp {
        self.validity.not_before()
    }

    /// The last second of validity.
    pub const fn not_after(&self) -> Timestamp {
        self.validity.not_after()
    }

    /// The DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.der[self.spki.clone()]
    }

    /// The signature algorithm, where it is one of ours.
    pub const fn signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        self.signature_algorithm
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.der[self.signature.clone()]
    }

    /// All extensions in their order.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'_>> {
        self.extensions.iter().map(|e| Extension {
            oid: e.oid,
            critical: e.critical,
            value: &self.der[e.value.clone()],
        })
    }

    /// One extension.
    pub fn extension(&self, oid: Oid) -> Option<Extension<'_>> {
        self.extensions().find(|e| e.oid == oid)
    }

    /// keyIdentifier of the authorityKeyIdentifier.
    pub fn authority_key_identifier(&self) -> Option<&[u8]> {
        self.known.authority_key_identifier.clone().map(|r| &self.der[r])
    }

    /// subjectKeyIdentifier.
    pub fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.known.subject_key_identifier.clone().map(|r| &self.der[r])
    }

    /// keyUsage; `None` where the extension is absent.
    pub const fn key_usage(&self) -> Option<KeyUsage> {
        self.known.key_usage
    }

    /// basicConstraints; `None` where the extension is absent.
    pub const fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.known.basic_constraints
    }

    /// Whether basicConstraints says CA.
    pub fn is_ca(&self) -> bool {
        self.known.basic_constraints.is_some_and(|b| b.ca)
    }

    /// The purposes of extKeyUsage; empty where the extension is absent.
    pub fn extended_key_usage(&self) -> &[Oid] {
        &self.known.extended_key_usage
    }

    /// The policies.
    pub fn certificate_policies(&self) -> &[Oid] {
        &self.known.policies
    }

    /// The URIs of the CRL distribution points, in order.
    pub fn crl_distribution_points(&self) -> &[String] {
        &self.known.crl_uris
    }

    /// The first authorityInfoAccess location of this method.
    pub fn access_location(&self, method: Oid) -> Option<&str> {
        self.known.access.iter().find(|(m, _)| *m == method).map(|(_, uri)| uri.as_str())
    }

    /// subjectAltName.
    pub fn subject_alt_names(&self) -> &[GeneralName] {
        &self.known.subject_alt_names
    }

    /// SubjectDirectoryAttributes with their first value each.
    pub fn directory_attributes(&self) -> &[(Oid, DirectoryValue)] {
        &self.known.directory_attributes
    }

    /// One attribute of SubjectDirectoryAttributes as text.
    pub fn directory_attribute(&self, oid: Oid) -> Option<&str> {
        self.known.directory_attributes.iter().find(|(o, _)| *o == oid).and_then(|(_, v)| match v {
            DirectoryValue::Utf8(text) | DirectoryValue::Printable(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Both ends of the privateKeyUsagePeriod.
    pub const fn private_key_usage_period(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        self.known.private_key_usage
    }

    /// Whether issuer and subject are the same name.
    pub fn is_self_issued(&self) -> bool {
        crate::name::same(self.issuer(), self.subject())
    }

    /// Checks the signature with the key of the issuer (nothing else of the issuer is looked at).
    pub fn verify_signature(&self, issuer_spki: &[u8]) -> Result<(), Error> {
        let algorithm =
            self.signature_algorithm.ok_or(Error::UnsupportedAlgorithm("signature of a certificate"))?;
        verify(issuer_spki, algorithm, self.tbs(), self.signature())
    }

    /// SHA-256 over the whole certificate.
    pub fn fingerprint(&self) -> Vec<u8> {
        curve::Hash::Sha256.digest(&self.der)
    }

    /// As PEM.
    pub fn to_pem(&self) -> String {
        crate::pem::certificate(&self.der)
    }
}

/// Reads the TBSCertificate inside `whole`; also gives its `signature` AlgorithmIdentifier.
fn fields<'a>(whole: &'a [u8], tbs: &'a [u8]) -> Result<(Certificate, &'a [u8]), Error> {
    let mut inner = Der::outer(tbs)?;
    let version = match inner.optional(explicit(0))? {
        None => 1,
        Some(v) => match v.value {
            [2, 1, 1] => 2,
            [2, 1, 2] => 3,
            _ => return Err(Error::Malformed("version")),
        },
    };
    let serial = inner.integer()?;
    let algorithm = inner.any()?.raw;
    let issuer = inner.any()?;
    let mut period = inner.sequence()?;
    let validity = Validity::as_read(period.time()?, period.time()?);
    period.finish()?;
    let subject = inner.any()?;
    let spki = inner.any()?;
    for name in [issuer, subject] {
        Name::parse(name.raw)?;
    }
    inner.optional(implicit(1))?;
    inner.optional(implicit(2))?;
    let mut extensions = Vec::new();
    let mut known = Known::default();
    if let Some(list) = inner.optional(explicit(3))? {
        // RFC 5280 §4.1.2.9: only in version 3; one or more extensions.
        let mut list = Der::outer(list.value)?;
        if version != 3 || list.is_empty() {
            return Err(Error::Malformed("extensions"));
        }
        while !list.is_empty() {
            if extensions.len() == extension::MAX_EXTENSIONS {
                return Err(Error::TooMany("extensions"));
            }
            let e = extension::read_extension(&mut list)?;
            // RFC 5280 §4.2: MUST NOT include more than one instance of a particular extension.
            if extensions.iter().any(|other: &Entry| other.oid == e.oid) {
                return Err(Error::Malformed("extension stands twice"));
            }
            known.read(whole, &e)?;
            extensions.push(Entry { oid: e.oid, critical: e.critical, value: within(whole, e.value) });
        }
    }
    inner.finish()?;
    let parsed = Certificate {
        tbs: within(whole, tbs),
        version,
        serial: within(whole, serial),
        issuer: within(whole, issuer.raw),
        validity,
        subject: within(whole, subject.raw),
        spki: within(whole, spki.raw),
        signature_algorithm: SignatureAlgorithm::from_identifier(algorithm)?,
        signature: 0..0,
        extensions,
        known,
        der: whole.to_vec(),
    };
    Ok((parsed, algorithm))
}

impl Known {
    fn read(&mut self, whole: &[u8], e: &Extension<'_>) -> Result<(), Error> {
        let value = e.value;
        match e.oid {
            oid::AUTHORITY_KEY_IDENTIFIER => {
                self.authority_key_identifier =
                    extension::read_authority_key_identifier(value)?.map(|id| within(whole, id));
            }
            oid::SUBJECT_KEY_IDENTIFIER => {
                self.subject_key_identifier =
                    Some(within(whole, extension::read_subject_key_identifier(value)?));
            }
            oid::KEY_USAGE => self.key_usage = Some(extension::read_key_usage(value)?),
            oid::BASIC_CONSTRAINTS => {
                self.basic_constraints = Some(extension::read_basic_constraints(value)?)
            }
            oid::EXTENDED_KEY_USAGE => self.extended_key_usage = extension::read_oid_list(value)?,
            oid::CERTIFICATE_POLICIES => self.policies = extension::read_policies(value)?,
            oid::CRL_DISTRIBUTION_POINTS => self.crl_uris = extension::read_distribution_points(value)?,
            oid::AUTHORITY_INFO_ACCESS => self.access = extension::read_authority_info_access(value)?,
            oid::SUBJECT_ALT_NAME => {
                self.subject_alt_names = extension::read_general_names(tlv::expect(value, 0x30)?.value)?;
            }
            oid::SUBJECT_DIRECTORY_ATTRIBUTES => {
                self.directory_attributes = extension::read_directory_attributes(value)?;
            }
            oid::PRIVATE_KEY_USAGE_PERIOD => {
                self.private_key_usage = extension::read_private_key_usage_period(value)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Where `part`, a sub-slice of `whole`, stands in it.
fn within(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

// Citizens' names stay out of logs: a certificate is shown by its serial number only.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate(")?;
        self.serial_octets().iter().try_for_each(|b| write!(f, "{b:02X}"))?;
        write!(f, ")")
    }
}
