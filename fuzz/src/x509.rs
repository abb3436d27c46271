//! Certificates, requests, lists, OCSP, CMS.

use std::sync::OnceLock;

use ::x509::certificate::Certificate;
use ::x509::cms::{EnvelopedData, SignedData};
use ::x509::csr::Csr;
use ::x509::master_list::MasterList;
use ::x509::ocsp::{BasicResponse, Request, decode_get_path};
use ::x509::path::{Options, validate};
use ::x509::tsp;
use ::x509::{EcSigner, Name, Signer};
use const_oid::ObjectIdentifier as Oid;
use curve::{Curve, Hash, SecretKey, SeedRandom};
use jiff::Timestamp;
use tlv::oid;

use crate::standards::pieces;

pub(crate) fn certificate(data: &[u8]) {
    if let Ok(certificate) = Certificate::parse(data) {
        assert_eq!(certificate.der(), data);
        let _ = certificate.verify_signature(certificate.spki());
    }
    let _ = ::x509::Name::parse(data);
}

/// What RFC 5280 §6 reads only on the way to a trust anchor, in certificates that are signed: pieces are the values of
/// nameConstraints of the root; of nameConstraints, certificatePolicies, policyMappings, policyConstraints and inhibitAnyPolicy of the
/// CA below; of certificatePolicies and subjectAltName of the holder. An empty piece is no extension.
pub(crate) fn path(data: &[u8]) {
    path_is_valid(data);
}

fn path_is_valid(data: &[u8]) -> bool {
    let mut pieces = pieces(data, 255);
    let mut piece = |oid, critical| (oid, critical, pieces.next().unwrap_or_default());
    let root = [piece(oid::NAME_CONSTRAINTS, true)];
    let ca = [
        piece(oid::NAME_CONSTRAINTS, true),
        piece(oid::CERTIFICATE_POLICIES, false),
        piece(oid::POLICY_MAPPINGS, true),
        piece(oid::POLICY_CONSTRAINTS, true),
        piece(oid::INHIBIT_ANY_POLICY, true),
    ];
    let holder = [piece(oid::CERTIFICATE_POLICIES, false), piece(oid::SUBJECT_ALT_NAME, false)];
    let keys = Keys::kept();
    let made = |root: &[Value<'_>], ca: &[Value<'_>]| {
        Some((
            keys.certificate("Root", &keys.root, "Root", &keys.root, root)?,
            keys.certificate("CA", &keys.ca, "Root", &keys.root, ca)?,
            keys.certificate("Holder", &keys.holder, "CA", &keys.ca, &holder)?,
        ))
    };
    let any = Options::at(Timestamp::from_second(1_800_000_000).expect("in range"));
    let policies = [oid::GPKI_POLICY_TEST];
    let valid = |(root, ca, holder): &(Certificate, Certificate, Certificate), options: &Options<'_>| {
        let told = validate(holder, std::slice::from_ref(ca), std::slice::from_ref(root), options).ok()?;
        assert_eq!(told.certificates().len(), 3);
        Some(told.policies().to_vec())
    };
    let Some(chain) = made(&root, &ca) else { return false };
    let loose = valid(&chain, &any);
    if let Some(told) = valid(&chain, &any.policies(&policies)) {
        assert!(loose.is_some(), "whoever asks for a policy is content with less");
        assert!(
            !told.is_empty()
                && told.iter().all(|policy| policies.contains(policy) || *policy == oid::ANY_POLICY)
        );
    }
    if loose.is_some()
        && let Some(free) = made(&[], &ca[1..])
    {
        assert!(valid(&free, &any).is_some(), "constraints on names only take away");
    }
    loose.is_some()
}

type Value<'a> = (Oid, bool, &'a [u8]);

struct Keys {
    root: EcSigner,
    ca: EcSigner,
    holder: EcSigner,
}

impl Keys {
    fn kept() -> &'static Self {
        static KEYS: OnceLock<Keys> = OnceLock::new();
        let key = |seed: &str| {
            EcSigner::new(SecretKey::generate(Curve::P256, &mut SeedRandom::new(seed.as_bytes())))
        };
        KEYS.get_or_init(|| Self { root: key("root"), ca: key("ca"), holder: key("holder") })
    }

    /// A certificate with these values as they are; none, if it is not even one.
    fn certificate(
        &self,
        subject: &str,
        key: &EcSigner,
        issuer: &str,
        issuer_key: &EcSigner,
        values: &[Value<'_>],
    ) -> Option<Certificate> {
        let name = |cn: &str| Name::builder().country("TW").common_name(cn).build().expect("a name");
        let identifier = |key: &EcSigner| Hash::Sha1.digest(key.spki());
        // A CA signs certificates and has a basicConstraints; BIT STRING keyCertSign, digitalSignature.
        let (usage, basic): (&[u8], _) = match subject {
            "Holder" => (&[3, 2, 7, 0x80], Vec::new()),
            _ => (&[3, 2, 2, 4], tlv::sequence(&[&[1, 1, 0xFF]])),
        };
        let authority = tlv::sequence(&[&tlv::encode(0x80, &identifier(issuer_key))]);
        let own = tlv::encode(4, &identifier(key));
        let fixed: [Value<'_>; 4] = [
            (oid::AUTHORITY_KEY_IDENTIFIER, false, &authority),
            (oid::SUBJECT_KEY_IDENTIFIER, false, &own),
            (oid::KEY_USAGE, true, usage),
            (oid::BASIC_CONSTRAINTS, true, &basic),
        ];
        let extension = |(oid, critical, value): &Value<'_>| {
            let critical: &[u8] = if *critical { &[1, 1, 0xFF] } else { &[] };
            tlv::sequence(&[&tlv::encode_oid(*oid), critical, &tlv::encode(4, value)])
        };
        let all = fixed.iter().chain(values).filter(|(_, _, value)| !value.is_empty());
        let extensions: Vec<u8> = all.flat_map(extension).collect();
        let time = |text: &str| tlv::encode(0x17, text.as_bytes());
        let algorithm = issuer_key.algorithm();
        let tbs = tlv::sequence(&[
            &[0xA0, 3, 2, 1, 2],
            &[2, 1, 7],
            &algorithm.identifier(),
            name(issuer).der(),
            &tlv::sequence(&[&time("260101000000Z"), &time("360101000000Z")]),
            name(subject).der(),
            key.spki(),
            &tlv::encode(0xA3, &tlv::sequence(&[&extensions])),
        ]);
        let signature = issuer_key.sign(&tbs).expect("signs");
        Certificate::parse(&::x509::certificate::assemble(&tbs, algorithm, &signature)).ok()
    }
}

pub(crate) fn csr(data: &[u8]) {
    if let Ok(request) = Csr::parse(data) {
        let _ = request.verify();
    }
}

pub(crate) fn crl(data: &[u8]) {
    let _ = ::x509::crl::Crl::parse(data);
}

pub(crate) fn cmp(data: &[u8]) {
    let Ok(message) = ::x509::cmp::Message::parse(data) else { return };
    if let ::x509::cmp::Body::Requests(requests) = &message.body {
        for request in requests {
            let _ = request.verify();
        }
    }
    for certificate in &message.extra_certificates {
        if let Ok(certificate) = Certificate::parse(certificate) {
            let _ = message.verify(certificate.spki());
        }
    }
}

pub(crate) fn ocsp_request(data: &[u8]) {
    let _ = Request::parse(data);
    if let Ok(path) = std::str::from_utf8(data) {
        let _ = decode_get_path(path);
    }
}

pub(crate) fn ocsp_response(data: &[u8]) {
    let _ = BasicResponse::parse(data);
}

pub(crate) fn time_stamp_request(data: &[u8]) {
    let _ = tsp::Request::parse(data);
}

pub(crate) fn time_stamp_response(data: &[u8]) {
    if let Ok(tsp::Response::Token(token)) = tsp::Response::parse(data) {
        let _ = token.verify();
    }
}

pub(crate) fn revocation_filter(data: &[u8]) {
    if let Ok(filter) = status::filter::Filter::read(data) {
        // Whatever a filter says about whatever number, it says it.
        let _ = filter.state_by_key(&[0; 32], 1);
        let again = status::filter::Filter::read(&filter.write());
        assert_eq!(again.as_ref(), Ok(&filter));
    }
}

pub(crate) fn card_list(data: &[u8]) {
    if let Ok(list) = status::cards::CardList::read(data) {
        assert_eq!(status::cards::CardList::read(&list.write()).as_ref(), Ok(&list));
    }
}

pub(crate) fn cms(data: &[u8]) {
    if let Ok(signed) = SignedData::parse(data) {
        let _ = signed.verify();
        let _ = signed.verify_detached(b"content");
    }
    if let Ok(envelope) = EnvelopedData::parse(data) {
        let _ = envelope.open(&curve::SecretBytes::new(&[1; 32]));
    }
}

pub(crate) fn master_list(data: &[u8]) {
    if let Ok(list) = MasterList::decode(data) {
        let again = MasterList::decode(&list.encode()).expect("own encoding");
        assert_eq!(again.certificates, list.certificates);
    }
    let options = ::x509::path::Options::at(::jiff::Timestamp::UNIX_EPOCH);
    assert!(MasterList::verify(data, &[], &[], &options).is_err(), "nobody is trusted");
}

pub(crate) fn pem(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(blocks) = ::x509::pem::decode_all(text)
    {
        for block in blocks {
            let again = ::x509::pem::encode(&block.label, &block.der);
            assert_eq!(::x509::pem::decode(&block.label, &again).as_ref(), Ok(&block.der));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_of_paths_are_paths() {
        for (n, seed) in crate::corpus::seeds("path").iter().enumerate() {
            assert!(path_is_valid(seed), "{n}");
        }
        assert!(path_is_valid(&[]), "without any of it");
        // Outside what the root permits.
        let permitted =
            tlv::sequence(&[&tlv::encode(0xA0, &tlv::sequence(&[&tlv::encode(0x82, b"a.test")]))]);
        let names = tlv::sequence(&[&tlv::encode(0x82, b"b.test")]);
        let mut pieces = vec![Vec::new(); 8];
        (pieces[0], pieces[7]) = (permitted, names);
        assert!(!path_is_valid(&crate::corpus::joined(&pieces)));
    }
}
