//! Certificate descriptions (TR-03110-3 §C.3.1.1): who runs a terminal and for what, in words the holder is shown before
//! consenting. Only its hash is in the certificate.
//!
//! ```text
//! CertificateDescription ::= SEQUENCE {
//!     descriptionType OBJECT IDENTIFIER, issuerName [1] UTF8String, issuerURL [2] PrintableString OPTIONAL,
//!     subjectName [3] UTF8String, subjectURL [4] PrintableString OPTIONAL, termsOfUsage [5] ANY,
//!     redirectURL [6] PrintableString OPTIONAL, commCertificates [7] SET OF OCTET STRING OPTIONAL }
//! ```
//! Of the three forms of termsOfUsage only plain text is here; the others may be active content.

use curve::Hash;
use tlv::{Reader, oid};

use super::{CvcError, der};

const SEQUENCE: u32 = 0x30;
const SET: u32 = 0x31;
const OBJECT_IDENTIFIER: u32 = 0x06;
const UTF8_STRING: u32 = 0x0C;
const PRINTABLE_STRING: u32 = 0x13;
const OCTET_STRING: u32 = 0x04;
const ISSUER_NAME: u32 = 0xA1;
const ISSUER_URL: u32 = 0xA2;
const SUBJECT_NAME: u32 = 0xA3;
const SUBJECT_URL: u32 = 0xA4;
const TERMS: u32 = 0xA5;
const REDIRECT_URL: u32 = 0xA6;
const COMMUNICATION: u32 = 0xA7;

/// More than any text a person would read.
const MAX_LEN: usize = 65_536;

/// A certificate description in plain text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CertificateDescription {
    /// Who issued the certificate.
    pub issuer_name: String,
    /// Its address.
    pub issuer_url: Option<String>,
    /// Who runs the terminal.
    pub subject_name: String,
    /// Its address.
    pub subject_url: Option<String>,
    /// What the data are read for, and whom to complain to.
    pub terms_of_usage: String,
    /// Where the browser goes afterwards.
    pub redirect_url: Option<String>,
    /// Hashes of the TLS certificates of the service.
    pub communication_hashes: Vec<Vec<u8>>,
}

impl CertificateDescription {
    /// The DER encoding.
    pub fn encode(&self) -> Vec<u8> {
        let string = |tag, kind, text: &str| tlv::encode(tag, &tlv::encode(kind, text.as_bytes()));
        let url = |tag, url: &Option<String>| {
            url.as_deref().map(|url| string(tag, PRINTABLE_STRING, url)).unwrap_or_default()
        };
        let mut value = tlv::encode_oid(oid::DESCRIPTION_PLAIN);
        value.extend(string(ISSUER_NAME, UTF8_STRING, &self.issuer_name));
        value.extend(url(ISSUER_URL, &self.issuer_url));
        value.extend(string(SUBJECT_NAME, UTF8_STRING, &self.subject_name));
        value.extend(url(SUBJECT_URL, &self.subject_url));
        value.extend(string(TERMS, UTF8_STRING, &self.terms_of_usage));
        value.extend(url(REDIRECT_URL, &self.redirect_url));
        if !self.communication_hashes.is_empty() {
            let hashes: Vec<Vec<u8>> =
                self.communication_hashes.iter().map(|hash| tlv::encode(OCTET_STRING, hash)).collect();
            let set = tlv::set(&hashes.iter().map(Vec::as_slice).collect::<Vec<_>>());
            value.extend(tlv::encode(COMMUNICATION, &set));
        }
        tlv::encode(SEQUENCE, &value)
    }

    /// Reads a description. Terms of usage in another form than plain text are refused; as OCTET STRING, which real
    /// descriptions have, they are taken if they are UTF-8.
    pub fn parse(input: &[u8]) -> Result<Self, CvcError> {
        if input.len() > MAX_LEN {
            return Err(CvcError::TooLong);
        }
        let mut reader = Reader::new(der::sole(input, SEQUENCE, WHAT)?.value);
        if der::next(&mut reader, OBJECT_IDENTIFIER, WHAT)?.value != oid::DESCRIPTION_PLAIN.as_bytes() {
            return Err(CvcError::Malformed(WHAT));
        }
        let issuer_name = text(der::next(&mut reader, ISSUER_NAME, WHAT)?.value)?;
        let issuer_url = optional_text(&mut reader, ISSUER_URL)?;
        let subject_name = text(der::next(&mut reader, SUBJECT_NAME, WHAT)?.value)?;
        let subject_url = optional_text(&mut reader, SUBJECT_URL)?;
        let terms_of_usage = text(der::next(&mut reader, TERMS, WHAT)?.value)?;
        let redirect_url = optional_text(&mut reader, REDIRECT_URL)?;
        let mut communication_hashes = Vec::new();
        if let Some(object) = der::optional(&mut reader, COMMUNICATION, WHAT)? {
            let mut set = Reader::new(der::sole(object.value, SET, WHAT)?.value);
            while !set.is_empty() {
                communication_hashes.push(der::next(&mut set, OCTET_STRING, WHAT)?.value.to_vec());
            }
        }
        der::finish(&reader, WHAT)?;
        Ok(Self {
            issuer_name,
            issuer_url,
            subject_name,
            subject_url,
            terms_of_usage,
            redirect_url,
            communication_hashes,
        })
    }

    /// What the certificate's extension holds: the hash of the encoding.
    pub fn hash(&self, hash: Hash) -> Vec<u8> {
        hash.digest(&self.encode())
    }
}

fn text(value: &[u8]) -> Result<String, CvcError> {
    const MALFORMED: CvcError = CvcError::Malformed(WHAT);
    let (object, rest) = tlv::read_one(value).map_err(|_| MALFORMED)?;
    let known = matches!(object.tag, UTF8_STRING | PRINTABLE_STRING | OCTET_STRING);
    if !known || !rest.is_empty() {
        return Err(MALFORMED);
    }
    String::from_utf8(der::strict(object, WHAT)?.value.to_vec()).map_err(|_| MALFORMED)
}

fn optional_text(reader: &mut Reader<'_>, tag: u32) -> Result<Option<String>, CvcError> {
    der::optional(reader, tag, WHAT)?.map(|object| text(object.value)).transpose()
}

const WHAT: &str = "certificate description";
