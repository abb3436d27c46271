//! The envelope of both documents: CMS SignedData by a certificate for status documents.

use const_oid::ObjectIdentifier as Oid;
use jiff::Timestamp;
use tlv::oid;
use x509::cms::{SignedData, Spec, sign};
use x509::path::{Options, Purpose, validate};
use x509::{Certificate, Signer};

use crate::Error;

/// Who signs status documents.
pub struct StatusSigner<'a> {
    /// The certificate.
    pub certificate: &'a Certificate,
    /// Its key.
    pub signer: &'a dyn Signer,
}

/// Whom a reader trusts.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// Trust anchors.
    pub anchors: &'a [Certificate],
    /// Certificates that may lead to them.
    pub intermediates: &'a [Certificate],
}

pub(crate) fn seal(content_type: Oid, content: &[u8], by: &StatusSigner<'_>) -> Result<Vec<u8>, Error> {
    Ok(sign(&Spec::new(content_type, content, by.certificate, by.signer.algorithm()), by.signer)?)
}

/// The content, if its signature verifies and its signer leads to a trust anchor at `now` and is for status documents.
pub(crate) fn open(
    content_type: Oid,
    document: &[u8],
    trust: &Trust<'_>,
    now: Timestamp,
) -> Result<Vec<u8>, Error> {
    let signed = SignedData::parse(document)?;
    if signed.content_type() != content_type {
        return Err(Error::Malformed("status document: content type"));
    }
    let signer = signed.verify()?;
    // A certificate without this purpose, such as a holder's, signs other things.
    if signer.extended_key_usage() != [oid::KP_STATUS_SIGNING] {
        return Err(Error::NotForStatus);
    }
    let options = Options::at(now).purpose(Purpose::DigitalSignature);
    validate(signer, trust.intermediates, trust.anchors, &options).map_err(Error::Untrusted)?;
    Ok(signed.content().ok_or(Error::Malformed("status document without content"))?.to_vec())
}

pub(crate) mod der {
    //! The few types both contents are made of.

    use jiff::Timestamp;
    use tlv::{Reader, encode};

    use crate::Error;

    pub(crate) fn integer(n: u64) -> Vec<u8> {
        tlv::integer_unsigned(&n.to_be_bytes())
    }

    pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
        encode(0x04, bytes)
    }

    /// GeneralizedTime in whole seconds.
    pub(crate) fn time(at: Timestamp) -> Vec<u8> {
        let text = at.strftime("%Y%m%d%H%M%SZ").to_string();
        encode(0x18, text.as_bytes())
    }

    pub(crate) fn read_integer(reader: &mut Reader<'_>) -> Result<u64, Error> {
        let value = reader.expect(0x02)?.value;
        let digits = match value {
            [0, rest @ ..] if !rest.is_empty() => rest,
            [first, ..] if *first < 0x80 => value,
            _ => return Err(Error::Malformed("INTEGER")),
        };
        if digits.len() > 8 {
            return Err(Error::Malformed("INTEGER"));
        }
        Ok(digits.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    pub(crate) fn read_octets<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Error> {
        Ok(reader.expect(0x04)?.value)
    }

    pub(crate) fn read_time(reader: &mut Reader<'_>) -> Result<Timestamp, Error> {
        let malformed = Error::Malformed("GeneralizedTime");
        let value = reader.expect(0x18)?.value;
        let text = std::str::from_utf8(value).map_err(|_| malformed.clone())?;
        if value.len() != 15 || !value[..14].iter().all(u8::is_ascii_digit) || value[14] != b'Z' {
            return Err(malformed);
        }
        let [date, time] = [&text[..8], &text[8..14]];
        let iso = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &date[..4],
            &date[4..6],
            &date[6..],
            &time[..2],
            &time[2..4],
            &time[4..]
        );
        iso.parse().map_err(|_| malformed)
    }
}
