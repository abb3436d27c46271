//! One small country: a natural-person PKI with RSA keys and a document PKI with P-521 keys.

use std::sync::LazyLock;

use curve::rsa::RsaPrivateKey;
use curve::{Curve, SecretKey, SeedRandom};
use jiff::{Timestamp, ToSpan};
use tlv::oid;
use x509::certificate::profiles::{self, Authority, Citizen, Issuer, StatusLocations};
use x509::certificate::{TbsCertificate, issue};
use x509::{Certificate, EcSigner, Name, RsaSigner, Serial, Signer, Validity};

pub(crate) const PARTITION: &str = "http://crl.npc.test/crl/npc-1-37.crl";
pub(crate) const COMPLETE: &str = "http://crl.npc.test/crl/npc-complete.crl";

pub(crate) const LOCATIONS: StatusLocations<'static> = StatusLocations {
    partition_crl: PARTITION,
    complete_crl: COMPLETE,
    ca_issuers: "http://npc.test/certs/npc-ca.cer",
    ocsp: "http://ocsp.npc.test/ocsp",
};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("test time")
}

pub(crate) fn now() -> Timestamp {
    at("2026-07-01T04:00:00Z")
}

pub(crate) fn years(n: i64) -> Validity {
    Validity::new(now(), now() + (n * 365 * 24).hours()).expect("in order")
}

pub(crate) fn serial(seed: &str) -> Serial {
    Serial::random(&mut SeedRandom::new(seed.as_bytes()))
}

pub(crate) fn ec(curve: Curve, seed: &str) -> EcSigner {
    EcSigner::new(SecretKey::generate(curve, &mut SeedRandom::new(seed.as_bytes())))
}

pub(crate) fn rsa(bits: u16) -> RsaSigner {
    RsaSigner::new(RsaPrivateKey::generate(bits).expect("key generation"))
}

pub(crate) struct Npc {
    pub(crate) root_key: Box<dyn Signer>,
    pub(crate) root: Certificate,
    pub(crate) ca_key: Box<dyn Signer>,
    pub(crate) ca: Certificate,
    pub(crate) ocsp_key: EcSigner,
    pub(crate) ocsp: Certificate,
}

impl Npc {
    pub(crate) fn new(root_key: Box<dyn Signer>, ca_key: Box<dyn Signer>) -> Self {
        let root = issue(&root_tbs(&*root_key), &*root_key).expect("root");
        let ca = issue(&ca_tbs(&root, &*root_key, &*ca_key), &*root_key).expect("issuing CA");
        let ocsp_key = ec(Curve::P256, "ocsp");
        let responder = profiles::ocsp_responder(&profiles::OcspResponder {
            serial: serial("ocsp"),
            issuer: &Issuer::new(&ca, &*ca_key).expect("issuer"),
            subject: &Name::test_authority("自然人憑證 OCSP").expect("name"),
            validity: years(1),
            spki: ocsp_key.spki(),
        });
        let ocsp = issue(&responder.expect("profile"), &*ca_key).expect("OCSP responder");
        Self { root_key, root, ca_key, ca, ocsp_key, ocsp }
    }

    pub(crate) fn issuer(&self) -> Issuer {
        Issuer::new(&self.ca, &*self.ca_key).expect("issuer")
    }

    pub(crate) fn citizen(&self, seed: &str, key: &dyn Signer, encryption: bool) -> Certificate {
        let issuer = self.issuer();
        let input = citizen(&issuer, seed, key.spki());
        let tbs = if encryption {
            profiles::npc_citizen_encryption(&input)
        } else {
            profiles::npc_citizen_signing(&input)
        };
        issue(&tbs.expect("profile"), &*self.ca_key).expect("citizen")
    }
}

pub(crate) fn root_tbs(key: &dyn Signer) -> TbsCertificate {
    profiles::npc_root(&profiles::NpcRoot {
        serial: serial("root"),
        subject: &Name::test_authority("政府根憑證管理中心").expect("name"),
        validity: Validity::new(now(), at("2056-06-30T15:59:59Z")).expect("in order"),
        spki: key.spki(),
        algorithm: key.algorithm(),
    })
    .expect("profile")
}

pub(crate) fn ca_tbs(root: &Certificate, root_key: &dyn Signer, ca_key: &dyn Signer) -> TbsCertificate {
    profiles::npc_intermediate(&profiles::NpcIntermediate {
        serial: serial("ca"),
        issuer: &Issuer::new(root, root_key).expect("issuer"),
        subject: &Name::test_authority("內政部憑證管理中心").expect("name"),
        validity: years(20),
        spki: ca_key.spki(),
        policy: oid::GPKI_POLICY_TEST,
        crl_uri: "http://crl.npc.test/crl/root.crl",
        ca_issuers_uri: "http://npc.test/certs/npc-root.cer",
    })
    .expect("profile")
}

pub(crate) fn citizen<'a>(issuer: &'a Issuer, seed: &str, spki: &'a [u8]) -> Citizen<'a> {
    Citizen {
        serial: serial(seed),
        issuer,
        name: "王小明𠀋",
        holder_number: "0000000112345678",
        id_tail: "6789",
        card_number: "AB1000123",
        holder_rank: None,
        validity: Validity::new(now(), at("2031-07-01T15:59:59Z")).expect("in order"),
        spki,
        policy: oid::GPKI_POLICY_TEST,
        locations: LOCATIONS,
    }
}

/// RSA-4096 above RSA-2048, as in the field (the issuing CA smaller to keep the tests short).
pub(crate) static NPC: LazyLock<Npc> = LazyLock::new(|| Npc::new(Box::new(rsa(4096)), Box::new(rsa(2048))));

/// The same country on elliptic curves.
pub(crate) static NPC_EC: LazyLock<Npc> =
    LazyLock::new(|| Npc::new(Box::new(ec(Curve::P521, "root")), Box::new(ec(Curve::P384, "ca"))));

pub(crate) struct Documents {
    pub(crate) csca_key: EcSigner,
    pub(crate) csca: Certificate,
    pub(crate) ds_key: EcSigner,
    pub(crate) ds: Certificate,
}

pub(crate) fn authority() -> Authority {
    Authority {
        icao_country: "TWN".into(),
        contact: "csca@neweid.test".into(),
        crl_uri: "http://pkd.neweid.test/csca.crl".into(),
    }
}

pub(crate) fn icao_name(common_name: &str) -> Name {
    Name::builder()
        .country("TW")
        .organization("測試用 New eID")
        .organizational_unit("(測試用) 國民身分證")
        .common_name(common_name)
        .build()
        .expect("name")
}

impl Documents {
    pub(crate) fn new(csca_curve: Curve, ds_curve: Curve) -> Self {
        let csca_key = ec(csca_curve, "csca");
        let csca = profiles::csca_root(&profiles::CscaRoot {
            serial: serial("csca"),
            subject: &icao_name("CSCA 1"),
            validity: years(26),
            private_key_usage: years(5),
            spki: csca_key.spki(),
            algorithm: csca_key.algorithm(),
            authority: &authority(),
        });
        let csca = issue(&csca.expect("profile"), &csca_key).expect("CSCA");
        let ds_key = ec(ds_curve, "ds");
        let ds = profiles::document_signer(&profiles::DocumentSigner {
            serial: serial("ds"),
            issuer: &Issuer::new(&csca, &csca_key).expect("issuer"),
            subject: &icao_name("Document Signer 1"),
            validity: years(12),
            private_key_usage: years(1),
            spki: ds_key.spki(),
            document_types: &["ID"],
            authority: &authority(),
        });
        let ds = issue(&ds.expect("profile"), &csca_key).expect("document signer");
        Self { csca_key, csca, ds_key, ds }
    }
}

pub(crate) static DOCUMENTS: LazyLock<Documents> = LazyLock::new(|| Documents::new(Curve::P521, Curve::P521));
