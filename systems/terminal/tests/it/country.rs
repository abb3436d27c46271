//! A small country that signs documents: CSCA, document signer, security objects, revocation lists.

use std::sync::{Arc, LazyLock};

use curve::{Curve, Hash, SecretKey, SeedRandom, spki_from_point};
use eac::Cipher;
use eac::pace::Parameters;
use eac::security_infos::{SecurityInfo, encode_set};
use jiff::{Timestamp, ToSpan};
use lds::household::HouseholdData;
use lds::public_zone::{Address, Files};
use lds::{DataGroup, Date, LdsSecurityObject, PublicZone, dg13::Term, sod};
use terminal::TrustStore;
use tlv::oid;
use x509::certificate::{issue, profiles};
use x509::cms::{self, Spec};
use x509::crl::{self, Crl, Lifetime, Reason, Revoked};
use x509::master_list::MasterList;
use x509::{Certificate, EcSigner, MlDsaSigner, Name, Serial, Signer, Validity};

pub(crate) fn now() -> Timestamp {
    "2026-11-20T04:00:00Z".parse().expect("a time")
}

fn years(n: i64) -> Validity {
    Validity::new(now() - 24.hours(), now() + (n * 365 * 24).hours()).expect("in order")
}

fn ec(seed: &str) -> Arc<dyn Signer> {
    Arc::new(EcSigner::new(SecretKey::generate(Curve::P521, &mut SeedRandom::new(seed.as_bytes()))))
}

fn mldsa(seed: &str) -> Arc<dyn Signer> {
    let mut rng = SeedRandom::new(seed.as_bytes());
    Arc::new(MlDsaSigner::new(curve::mldsa::PrivateKey::generate(&mut rng)))
}

fn serial(seed: &str) -> Serial {
    Serial::random(&mut SeedRandom::new(seed.as_bytes()))
}

fn name(country: &str, common_name: &str) -> Name {
    Name::builder()
        .country(country)
        .organization("測試用 SPECIMEN")
        .common_name(common_name)
        .build()
        .expect("a name")
}

fn authority() -> profiles::Authority {
    profiles::Authority {
        icao_country: "TWN".into(),
        contact: "csca@neweid.test".into(),
        crl_uri: "http://pkd.neweid.test/csca.crl".into(),
    }
}

pub(crate) struct Country {
    pub(crate) csca_key: Arc<dyn Signer>,
    pub(crate) csca: Certificate,
    pub(crate) signer_key: Arc<dyn Signer>,
    pub(crate) signer: Certificate,
}

pub(crate) static COUNTRY: LazyLock<Country> = LazyLock::new(|| Country::new("real", years(12)));

impl Country {
    pub(crate) fn new(seed: &str, signer_validity: Validity) -> Self {
        Self::with_keys(seed, signer_validity, ec)
    }

    /// Signs everything with ML-DSA-65.
    pub(crate) fn of_the_laboratory() -> Self {
        Self::with_keys("laboratory", years(12), mldsa)
    }

    fn with_keys(seed: &str, signer_validity: Validity, make: fn(&str) -> Arc<dyn Signer>) -> Self {
        let csca_key = make(&format!("{seed} csca"));
        let authority = authority();
        let tbs = profiles::csca_root(&profiles::CscaRoot {
            serial: serial(seed),
            subject: &name("TW", "CSCA"),
            validity: Validity::new(now() - (400 * 24).hours(), now() + (20 * 365 * 24).hours())
                .expect("in order"),
            private_key_usage: years(5),
            spki: csca_key.spki(),
            algorithm: csca_key.algorithm(),
            authority: &authority,
        });
        let csca = issue(&tbs.expect("profile"), &csca_key).expect("CSCA");
        let signer_key = make(&format!("{seed} signer"));
        let tbs = profiles::document_signer(&profiles::DocumentSigner {
            serial: serial(&format!("{seed} signer")),
            issuer: &profiles::Issuer::new(&csca, &csca_key).expect("issuer"),
            subject: &name("TW", "Document Signer"),
            validity: signer_validity,
            private_key_usage: signer_validity,
            spki: signer_key.spki(),
            document_types: &["ID"],
            authority: &authority,
        });
        let signer = issue(&tbs.expect("profile"), &csca_key).expect("signer");
        Self { csca_key, csca, signer_key, signer }
    }

    /// Expired yesterday.
    pub(crate) fn with_expired_signer() -> Self {
        let validity = Validity::new(now() - (300 * 24).hours(), now() - 24.hours()).expect("in order");
        Self::new("expired", validity)
    }

    pub(crate) fn sign(&self, content_type: const_oid::ObjectIdentifier, content: &[u8]) -> Vec<u8> {
        let spec = Spec::new(content_type, content, &self.signer, self.signer_key.algorithm());
        cms::sign(&spec, &self.signer_key).expect("signed")
    }

    pub(crate) fn security_object(&self, files: &Files) -> Vec<u8> {
        let hashes = files.iter().map(|(group, file)| (*group, file.as_slice()));
        let object = LdsSecurityObject::over(Hash::Sha512, hashes).encode();
        sod::wrap(&self.sign(oid::LDS_SECURITY_OBJECT, &object))
    }

    /// The CSCA's list; with `revoked` its signer is on it.
    pub(crate) fn crl(&self, revoked: bool) -> Crl {
        let issuer = profiles::Issuer::new(&self.csca, &self.csca_key).expect("issuer");
        let life =
            Lifetime { number: 7, this_update: now() - 1.hours(), next_update: now() + (90 * 24).hours() };
        let entry = Revoked {
            serial: self.signer.serial().expect("a serial"),
            at: now() - 2.hours(),
            reason: Reason::KeyCompromise,
        };
        let entries = if revoked { vec![entry] } else { Vec::new() };
        let tbs = crl::csca(&issuer, life, &entries).expect("profile");
        Crl::parse(&crl::issue(&tbs, &self.csca_key).expect("signed")).expect("a list")
    }

    /// A list that was to be replaced yesterday.
    pub(crate) fn overdue_crl(&self) -> Crl {
        let issuer = profiles::Issuer::new(&self.csca, &self.csca_key).expect("issuer");
        let life =
            Lifetime { number: 6, this_update: now() - (91 * 24).hours(), next_update: now() - 24.hours() };
        let tbs = crl::csca(&issuer, life, &[]).expect("profile");
        Crl::parse(&crl::issue(&tbs, &self.csca_key).expect("signed")).expect("a list")
    }

    /// The CSCA of `next`, certified by this one's key: what a roll-over makes.
    pub(crate) fn link_to(&self, next: &Self) -> Certificate {
        let tbs = profiles::csca_link(&profiles::CscaLink {
            serial: serial("link"),
            issuer: &profiles::Issuer::new(&self.csca, &self.csca_key).expect("issuer"),
            validity: years(12),
            private_key_usage: years(5),
            spki: next.csca_key.spki(),
            authority: &authority(),
        });
        issue(&tbs.expect("profile"), &self.csca_key).expect("link")
    }

    /// A master list of these certificates, signed below this country's CSCA.
    pub(crate) fn master_list(&self, certificates: &[Certificate]) -> Vec<u8> {
        let key = ec("master list signer");
        let tbs = profiles::list_signer(&profiles::Delegate {
            serial: serial("master list signer"),
            issuer: &profiles::Issuer::new(&self.csca, &self.csca_key).expect("issuer"),
            subject: &name("TW", "Master List Signer"),
            validity: years(1),
            private_key_usage: years(1),
            spki: key.spki(),
            authority: &authority(),
        });
        let signer = issue(&tbs.expect("profile"), &self.csca_key).expect("list signer");
        let content = MasterList::new(certificates.to_vec()).expect("CSCAs").encode();
        let csca = [&self.csca];
        cms::sign(&MasterList::spec(&content, &signer, key.algorithm(), &csca, now()), &key).expect("signed")
    }

    pub(crate) fn trust(&self) -> TrustStore {
        let mut trust = TrustStore::new();
        assert!(trust.add_certificate(self.csca.clone()));
        trust.add_crl(self.crl(false));
        trust
    }
}

pub(crate) const BOTH: [Parameters; 2] = [
    Parameters::generic(Curve::P521, Cipher::Aes256),
    Parameters::generic(Curve::BrainpoolP256r1, Cipher::Aes128),
];

pub(crate) fn chip_key(seed: &str) -> SecretKey {
    SecretKey::generate(Curve::P521, &mut SeedRandom::new(seed.as_bytes()))
}

/// A picture with the head of a JPEG and `len` more bytes.
pub(crate) fn jpeg(len: usize) -> Vec<u8> {
    let mut out =
        vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0, 0, 0xFF, 0xC0, 0, 11, 8, 2, 19, 1, 157, 1, 1, 0x11, 0];
    out.extend((0..len).map(|i| (i * 7 + i / 251) as u8));
    out
}

pub(crate) fn public_zone(portrait: usize) -> PublicZone {
    PublicZone {
        chinese_name: "陳\u{2000B}玲".into(),
        cns: vec![Some([1, 0x61, 0x45]), Some([3, 0x21, 0x44]), None],
        romanised_name: Some("Tân A-bí".into()),
        foreign_name: None,
        mrz_name: "CHEN, HSIAO-LING".into(),
        id_number: "A223456781".into(),
        birth: Date::new(1990, 8, 5).expect("a date"),
        address: Address {
            county: "臺北市".into(),
            district: "中正區".into(),
            village: "黎明里".into(),
            village_code: "63000050013".into(),
            neighbourhood: 3,
            rest: "徐州路5號".into(),
        },
        marital_status: Term::new("married", "有", "Married"),
        military_service: Term::new("none", "無", "None"),
        card_serial: "TWA000123".into(),
        renewal: Some(Date::new(2036, 11, 20).expect("a date")),
        issue: Date::new(2026, 11, 20).expect("a date"),
        portrait: Some(jpeg(portrait)),
        issuing_authority: "測試用內政部 SPECIMEN".into(),
        security_infos: encode_set(&[
            SecurityInfo::active_authentication(oid::ECDSA_PLAIN_SHA512),
            BOTH[0].info(),
            BOTH[1].info(),
        ]),
        active_authentication_key: spki_from_point(&chip_key("chip").public_key()),
    }
}

pub(crate) fn household() -> HouseholdData {
    HouseholdData {
        county: "臺北市".into(),
        district: "中正區".into(),
        village: "黎明里".into(),
        village_code: "63000050013".into(),
        neighbourhood: 3,
    }
}

/// Files of the public zone with their security object.
pub(crate) fn signed_files(country: &Country, zone: &PublicZone) -> Files {
    let mut files = zone.data_groups().expect("encodes");
    let sod = country.security_object(&files);
    files.insert(DataGroup::Sod, sod);
    files
}
