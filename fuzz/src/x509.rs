//! Certificates, requests, lists, OCSP, CMS.

use ::x509::certificate::Certificate;
use ::x509::cms::{EnvelopedData, SignedData};
use ::x509::csr::Csr;
use ::x509::master_list::MasterList;
use ::x509::ocsp::{BasicResponse, Request, decode_get_path};
use ::x509::tsp;

pub(crate) fn certificate(data: &[u8]) {
    if let Ok(certificate) = Certificate::parse(data) {
        assert_eq!(certificate.der(), data);
        let _ = certificate.verify_signature(certificate.spki());
    }
    let _ = ::x509::Name::parse(data);
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
