//! Writing lists.

use jiff::Timestamp;
use tlv::{encode, oid};

use super::{Reason, Table};
use crate::asn1::{ENUMERATED, OCTET_STRING, bit_string, explicit, header, integer, sequence_of_parts};
use crate::certificate::Issuer;
use crate::{Error, Serial, SignatureAlgorithm, Signer, extension, time, verify};

/// An entry to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked {
    /// Which certificate.
    pub serial: Serial,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
}

/// Number and times of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// CRLNumber: monotonic over all lists of one scope.
    pub number: u64,
    /// When the list was made.
    pub this_update: Timestamp,
    /// When the next one will exist at the latest.
    pub next_update: Timestamp,
}

/// A list before its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TbsCrl {
    der: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

impl TbsCrl {
    /// The bytes to be signed.
    pub fn tbs_der(&self) -> &[u8] {
        &self.der
    }

    /// The algorithm the issuer must sign with.
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}

/// The complete list of an issuer, without issuingDistributionPoint.
pub fn complete(
    issuer: &Issuer,
    life: Lifetime,
    entries: impl IntoIterator<Item = Revoked>,
) -> Result<TbsCrl, Error> {
    build(issuer, life, &encode_entries(entries, false)?, Pointers::default())
}

/// The list of one partition: the certificates whose first distribution point is `uri`.
pub fn partition(
    issuer: &Issuer,
    life: Lifetime,
    uri: &str,
    entries: impl IntoIterator<Item = Revoked>,
) -> Result<TbsCrl, Error> {
    let pointers = Pointers { partition: Some(uri), ..Pointers::default() };
    build(issuer, life, &encode_entries(entries, false)?, pointers)
}

/// What a list says about itself beyond its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pointers<'a> {
    /// The distribution point of a partition: exactly the URI in the certificates. None for a complete list.
    pub partition: Option<&'a str>,
    /// Where the delta to this list is.
    pub freshest: Option<&'a str>,
    /// The CRLNumber of the list that this delta is to be added to.
    pub base: Option<u64>,
}

/// The list of one partition, or a complete one, from its table.
pub fn from_table(
    issuer: &Issuer,
    life: Lifetime,
    table: &Table,
    pointers: Pointers<'_>,
) -> Result<TbsCrl, Error> {
    let (regular, irregular) = table.encoded();
    build(issuer, life, &[regular, &irregular], pointers)
}

/// What has changed in a partition since the list numbered `base`; a certificate that has left it with
/// [`Reason::RemoveFromCrl`].
pub fn delta(
    issuer: &Issuer,
    life: Lifetime,
    uri: &str,
    base: u64,
    entries: impl IntoIterator<Item = Revoked>,
) -> Result<TbsCrl, Error> {
    if base > life.number {
        return Err(Error::Profile("a delta is older than its base"));
    }
    let pointers = Pointers { partition: Some(uri), base: Some(base), freshest: None };
    build(issuer, life, &encode_entries(entries, true)?, pointers)
}

/// The list of a country signing CA (ICAO Doc 9303-12 §7.1.4): authorityKeyIdentifier and CRLNumber, nothing else.
/// A suspension does not exist there.
pub fn csca(issuer: &Issuer, life: Lifetime, entries: &[Revoked]) -> Result<TbsCrl, Error> {
    if entries.iter().any(|e| e.reason == Reason::CertificateHold) {
        return Err(Error::Profile("a document signer is revoked, never suspended"));
    }
    build(issuer, life, &encode_entries(entries.iter().copied(), false)?, Pointers::default())
}

/// `CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signatureValue }`
pub fn assemble(tbs: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    sequence_of_parts(&[tbs, &algorithm.identifier(), &bit_string(signature)])
}

/// Signs, checks the signature and assembles.
pub fn issue(tbs: &TbsCrl, signer: &dyn Signer) -> Result<Vec<u8>, Error> {
    if signer.algorithm() != tbs.algorithm {
        return Err(Error::WrongSigner("another signature algorithm"));
    }
    let signature = signer.sign(&tbs.der)?;
    verify(signer.spki(), tbs.algorithm, &tbs.der, &signature)?;
    Ok(assemble(&tbs.der, tbs.algorithm, &signature))
}

fn encode_entries(entries: impl IntoIterator<Item = Revoked>, delta: bool) -> Result<[Vec<u8>; 1], Error> {
    let mut body = Vec::new();
    for entry in entries {
        // RFC 5280 §5.3.1: removeFromCRL only in delta lists.
        match entry.reason {
            Reason::RemoveFromCrl if delta => write_removal(&mut body, &entry),
            _ => write_entry(&mut body, &entry)?,
        }
    }
    Ok([body])
}

fn build(
    issuer: &Issuer,
    life: Lifetime,
    body: &[impl AsRef<[u8]>],
    pointers: Pointers<'_>,
) -> Result<TbsCrl, Error> {
    if life.next_update <= life.this_update {
        return Err(Error::Profile("nextUpdate is not after thisUpdate"));
    }
    for uri in [pointers.partition, pointers.freshest].into_iter().flatten() {
        if uri.is_empty() || !uri.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::Profile("the distribution point is not an ASCII URI"));
        }
    }
    let body_len: usize = body.iter().map(|part| part.as_ref().len()).sum();
    // RFC 5280 §5.1.2.6: when there are no revoked certificates, the list MUST be absent.
    let body_header = if body_len == 0 { Vec::new() } else { header(0x30, body_len) };
    let algorithm = issuer.algorithm().identifier();
    let this_update = time::encode(life.this_update);
    let next_update = time::encode(life.next_update);
    let mut extensions = extension::authority_key_identifier(issuer.key_identifier());
    // RFC 5280 §5.2.3: CRLNumber, non-critical.
    extensions.extend(extension::extension(oid::CRL_NUMBER, false, &integer(life.number)));
    if let Some(base) = pointers.base {
        // RFC 5280 §5.2.4: critical.
        extensions.extend(extension::extension(oid::DELTA_CRL_INDICATOR, true, &integer(base)));
    }
    if let Some(uri) = pointers.partition {
        // RFC 5280 §5.2.5: critical; the same name as in the certificates' distribution point.
        let idp = tlv::sequence(&[&extension::distribution_point_name(uri)]);
        extensions.extend(extension::extension(oid::ISSUING_DISTRIBUTION_POINT, true, &idp));
    }
    if let Some(uri) = pointers.freshest {
        // RFC 5280 §5.2.6: not critical; only in complete lists of their scope, never in a delta.
        let point = tlv::sequence(&[&tlv::sequence(&[&extension::distribution_point_name(uri)])]);
        extensions.extend(extension::extension(oid::FRESHEST_CRL, false, &point));
    }
    let extensions = encode(explicit(0), &tlv::sequence(&[&extensions]));
    // RFC 5280 §5.1.2.1: version v2(1), because extensions are used.
    let version = integer(1);
    let mut parts =
        vec![&version[..], &algorithm, issuer.name().der(), &this_update, &next_update, &body_header];
    parts.extend(body.iter().map(AsRef::as_ref));
    parts.push(&extensions);
    let der = sequence_of_parts(&parts);
    Ok(TbsCrl { der, algorithm: issuer.algorithm() })
}

/// One `SEQUENCE { userCertificate, revocationDate, crlEntryExtensions }`; 49 bytes with a serial of 16 octets.
pub(super) fn write_entry(out: &mut Vec<u8>, entry: &Revoked) -> Result<(), Error> {
    let serial = entry.serial.octets();
    let mut date = [0; 17];
    let date = time::write(entry.at, &mut date);
    // RFC 5280 §5.3.1: unspecified SHOULD NOT be written; removeFromCRL only in delta lists.
    let reason: &[u8] = match entry.reason {
        Reason::RemoveFromCrl => return Err(Error::Profile("removeFromCRL outside a delta list")),
        Reason::Unspecified => &[],
        reason => &reason_extension(reason),
    };
    let len = 2 + serial.len() + date.len() + reason.len();
    debug_assert!(len < 0x80, "an entry has a short length");
    out.extend_from_slice(&[0x30, len as u8, 0x02, serial.len() as u8]);
    out.extend_from_slice(serial);
    out.extend_from_slice(date);
    out.extend_from_slice(reason);
    Ok(())
}

/// An entry that says the certificate is no longer listed.
fn write_removal(out: &mut Vec<u8>, entry: &Revoked) {
    let mut held = Vec::new();
    let as_held = Revoked { reason: Reason::CertificateHold, ..*entry };
    if write_entry(&mut held, &as_held).is_ok() {
        let last = held.len() - 1;
        held[last] = Reason::RemoveFromCrl.code();
        out.extend_from_slice(&held);
    }
}

fn reason_extension(reason: Reason) -> [u8; 14] {
    // SEQUENCE { SEQUENCE { id-ce-cRLReasons, OCTET STRING { ENUMERATED } } }
    [0x30, 12, 0x30, 10, 0x06, 3, 0x55, 0x1D, 0x15, OCTET_STRING as u8, 3, ENUMERATED as u8, 1, reason.code()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_reason_is_the_extension() {
        for reason in Reason::ALL {
            let value = encode(ENUMERATED, &[reason.code()]);
            let list = tlv::sequence(&[&extension::extension(oid::CRL_REASON, false, &value)]);
            assert_eq!(reason_extension(reason).as_slice(), list);
        }
    }

    #[test]
    fn an_entry_with_a_random_serial_has_49_bytes() {
        let serial = Serial::random(&mut curve::SeedRandom::new(b"entry"));
        let mut out = Vec::new();
        let at = Timestamp::from_second(1_800_000_000).expect("in range");
        write_entry(&mut out, &Revoked { serial, at, reason: Reason::KeyCompromise }).expect("writable");
        assert_eq!(out.len(), 49);
    }
}
