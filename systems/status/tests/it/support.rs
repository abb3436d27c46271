//! A small hierarchy with its status signer.

use curve::{Curve, SecretKey, SeedRandom};
use jiff::Timestamp;
use tlv::oid;
use x509::certificate::profiles::{
    Citizen, NpcIntermediate, NpcRoot, StatusLocations, StatusService, npc_citizen_signing, npc_intermediate,
    npc_root, status_signer, timestamp_authority,
};
use x509::certificate::{Issuer, TbsCertificate, issue};
use x509::{Certificate, EcSigner, Name, Serial, Signer, Validity};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    at("2026-08-05T03:00:00Z")
}

pub(crate) fn serial(n: u64) -> Serial {
    Serial::random(&mut SeedRandom::new(&n.to_be_bytes()))
}

pub(crate) struct Authority {
    pub(crate) anchors: Vec<Certificate>,
    pub(crate) intermediates: Vec<Certificate>,
    ca_key: EcSigner,
    pub(crate) signer: Certificate,
    pub(crate) signer_key: EcSigner,
    pub(crate) stamper: Certificate,
    pub(crate) stamper_key: EcSigner,
}

fn key(seed: &str) -> EcSigner {
    EcSigner::new(SecretKey::generate(Curve::P256, &mut SeedRandom::new(seed.as_bytes())))
}

const LOCATIONS: StatusLocations<'static> = StatusLocations {
    partition_crl: "http://npc.neweid.test/crl/npc-1.crl",
    complete_crl: "http://npc.neweid.test/crl/npc.crl",
    ca_issuers: "http://npc.neweid.test/certs/issued-to-this-ca.p7b",
    ocsp: "http://npc.neweid.test/ocsp",
};

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let years = Validity::new(at("2025-01-01T00:00:00Z"), at("2036-01-01T00:00:00Z")).unwrap();
        let root_key = key(&format!("{name} root"));
        let root = npc_root(&NpcRoot {
            serial: serial(1),
            subject: &Name::test_authority("憑證總管理中心").unwrap(),
            validity: years,
            spki: root_key.spki(),
            algorithm: root_key.algorithm(),
        });
        let root = issue(&root.unwrap(), &root_key).unwrap();
        let ca_key = key(&format!("{name} ca"));
        let ca = npc_intermediate(&NpcIntermediate {
            serial: serial(2),
            issuer: &Issuer::new(&root, &root_key).unwrap(),
            subject: &Name::test_authority("自然人憑證管理中心").unwrap(),
            validity: years,
            spki: ca_key.spki(),
            policy: oid::GPKI_POLICY_TEST,
            crl_uri: "http://npc.neweid.test/crl/npc-root.crl",
            ca_issuers_uri: "http://npc.neweid.test/certs/npc-root.cer",
        });
        let ca = issue(&ca.unwrap(), &root_key).unwrap();
        let issuer = Issuer::new(&ca, &ca_key).unwrap();
        let service =
            |n, spki: &[u8], make: fn(&StatusService<'_>) -> Result<TbsCertificate, x509::Error>| {
                let service = StatusService {
                    serial: serial(n),
                    issuer: &issuer,
                    subject: &Name::test_authority("狀態服務").unwrap(),
                    validity: Validity::new(at("2026-08-01T00:00:00Z"), at("2026-09-01T00:00:00Z")).unwrap(),
                    spki,
                    policy: oid::GPKI_POLICY_TEST,
                    locations: LOCATIONS,
                };
                issue(&make(&service).unwrap(), &ca_key).unwrap()
            };
        let (signer_key, stamper_key) = (key("signer"), key("stamper"));
        let signer = service(3, signer_key.spki(), status_signer);
        let stamper = service(4, stamper_key.spki(), timestamp_authority);
        Self {
            anchors: vec![root],
            intermediates: vec![ca],
            ca_key,
            signer,
            signer_key,
            stamper,
            stamper_key,
        }
    }

    pub(crate) fn ca(&self) -> &Certificate {
        &self.intermediates[0]
    }

    pub(crate) fn trust(&self) -> status::filter::Trust<'_> {
        status::filter::Trust { anchors: &self.anchors, intermediates: &self.intermediates }
    }

    pub(crate) fn by(&self) -> status::filter::StatusSigner<'_> {
        status::filter::StatusSigner { certificate: &self.signer, signer: &self.signer_key }
    }

    pub(crate) fn citizen(&self, serial: Serial, from: &str, to: &str) -> Certificate {
        let holder = key("citizen");
        let citizen = Citizen {
            serial,
            issuer: &Issuer::new(self.ca(), &self.ca_key).unwrap(),
            name: "測試用",
            holder_number: "0123456789012345",
            id_tail: "6789",
            card_number: "TWA000001",
            holder_rank: None,
            validity: Validity::new(at(from), at(to)).unwrap(),
            spki: holder.spki(),
            policy: oid::GPKI_POLICY_TEST,
            locations: LOCATIONS,
        };
        issue(&npc_citizen_signing(&citizen).unwrap(), &self.ca_key).unwrap()
    }
}
