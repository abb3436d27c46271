//! Decoders meet arbitrary and slightly changed bytes: an error is fine, a panic is not.

use curve::{Curve, Hash};
use proptest::prelude::*;
use tlv::oid;
use x509::cms::{self, SignedData, Spec};
use x509::crl::{self, Crl, Reason};
use x509::csr::{self, Csr};
use x509::ocsp::{self, BasicResponse, CertId, IssuerHashes, Request};
use x509::{Certificate, Name, PublicKey, Signer};

use crate::crl::{life, revoked};
use crate::support::*;

fn read_as_everything(bytes: &[u8]) {
    let _ = Certificate::parse(bytes);
    let _ = Crl::parse(bytes).map(|c| c.index());
    let _ = Csr::parse(bytes).map(|c| c.verify());
    let _ = Request::parse(bytes);
    let _ = BasicResponse::parse(bytes);
    let _ = SignedData::parse(bytes).map(|s| s.verify().is_ok());
    let _ = PublicKey::from_spki(bytes);
    let _ = Name::parse(bytes);
}

fn samples() -> &'static [Vec<u8>] {
    static SAMPLES: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| {
        let npc = &*NPC_EC;
        let key = ec(Curve::P256, "holder");
        let hashes = IssuerHashes::new(&npc.ca).expect("issuer");
        let id = CertId::new(&hashes, Hash::Sha256, &serial("x")).expect("id");
        let request = ocsp::build_request(&[id], Some(&[1; 32]));
        let response = ocsp::respond(
            &crate::ocsp::responder(npc),
            &request,
            crate::ocsp::answer(),
            now(),
            &npc.ocsp_key,
            |_| Some(ocsp::Status::Revoked { at: now(), reason: Reason::Superseded }),
        );
        let list = crl::partition(&npc.issuer(), life(1), PARTITION, [revoked("a", Reason::KeyCompromise)]);
        let d = &*DOCUMENTS;
        let subject = Name::builder().country("TW").common_name("x").build().expect("name");
        vec![
            npc.citizen("c", &key, false).der().to_vec(),
            d.csca.der().to_vec(),
            d.ds.der().to_vec(),
            crl::issue(&list.expect("writable"), &*npc.ca_key).expect("signed"),
            request,
            response.expect("signed"),
            cms::sign(&Spec::new(oid::LDS_SECURITY_OBJECT, b"x", &d.ds, d.ds_key.algorithm()), &d.ds_key)
                .expect("signed"),
            csr::build(&subject, key.spki(), key.algorithm(), |m| key.sign(m)).expect("signed"),
        ]
    });
    &SAMPLES
}

#[test]
fn every_prefix_of_every_structure_is_refused() {
    for sample in samples() {
        for len in 0..sample.len() {
            read_as_everything(&sample[..len]);
            assert!(Certificate::parse(&sample[..len]).is_err());
            assert!(Crl::parse(&sample[..len]).is_err());
            assert!(SignedData::parse(&sample[..len]).is_err());
        }
        let mut longer = sample.clone();
        longer.push(0);
        read_as_everything(&longer);
        assert!(Certificate::parse(&longer).is_err());
    }
}

/// Work that grows with the square of the input would let one certificate stop a server.
#[test]
fn very_many_extensions_are_refused_at_once() {
    let tbs = NPC_EC.ca.tbs();
    let mut fields = tlv::read_all(tlv::expect(tbs, 0x30).expect("a SEQUENCE").value).expect("fields");
    fields.pop();
    let value = tlv::encode(0x04, &[5, 0]);
    let many: Vec<u8> = (0..20_000u32)
        .flat_map(|n| {
            let n = n + (1 << 15);
            let arc = [0x80 | (n >> 14) as u8, 0x80 | (n >> 7) as u8, (n & 0x7F) as u8];
            tlv::sequence(&[&tlv::encode(0x06, &[&[0x2A], &arc[..]].concat()), &value])
        })
        .collect();
    let mut parts: Vec<&[u8]> = fields.iter().map(|f| f.raw).collect();
    let extensions = tlv::encode(0xA3, &tlv::sequence(&[&many]));
    parts.push(&extensions);
    let algorithm = NPC_EC.ca.signature_algorithm().expect("ours");
    let der = x509::certificate::assemble(&tlv::sequence(&parts), algorithm, &[0]);
    assert!(matches!(Certificate::parse(&der), Err(x509::Error::TooMany(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_as_everything(&bytes);
        read_as_everything(&tlv::sequence(&[&tlv::sequence(&[&bytes]), &bytes]));
    }

    #[test]
    fn changed_bytes_never_panic(which in 0usize..8, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = samples()[which].clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read_as_everything(&bytes);
    }
}
