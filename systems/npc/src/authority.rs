//! The CA's own keys and certificates: root, issuing CA, and the short-lived services.
//!
//! Each is made in the same order: key in the key store, bytes to be signed in the database, signature, certificate in the
//! database. Every step is done only if its result is not there, so an interrupted first run is finished by the next.

use std::sync::{Arc, Mutex, PoisonError};

use curve::{Curve, Random};
use jiff::{SignedDuration, Timestamp};
use keys::{KeyInfo, KeyKind, KeyStore, Purpose};
use serde_json::json;
use store::{Db, params, transaction};
use tlv::oid;
use x509::certificate::profiles::{
    NpcIntermediate, NpcRoot, OcspResponder, StatusLocations, StatusService, cmp_signer, npc_intermediate,
    npc_root, ocsp_responder, status_signer, timestamp_authority,
};
use x509::certificate::{self, Issuer, Kind, TbsCertificate};
use x509::ocsp::Responder;
use x509::{Certificate, Serial, Signer, Validity, tsp};

use crate::rehearse::rehearse;
use crate::{Npc, NpcConfig, NpcError, Result, SYSTEM};

pub(crate) struct Authority {
    pub(crate) root: Party,
    pub(crate) ca: Party,
    pub(crate) responder: ResponderParty,
    pub(crate) tsa: StampParty,
    pub(crate) status: ServiceParty,
    pub(crate) cmp: ServiceParty,
}

/// A service with a short-lived certificate of the issuing CA.
pub(crate) struct ServiceParty {
    pub(crate) certificate: Certificate,
    pub(crate) signer: Arc<dyn Signer>,
    generation: u32,
}

/// The time stamping authority.
pub(crate) struct StampParty {
    pub(crate) authority: tsp::Authority,
    pub(crate) signer: Arc<dyn Signer>,
    generation: u32,
}

/// A CA: its certificate, and what it takes to sign as it.
pub(crate) struct Party {
    pub(crate) certificate: Certificate,
    pub(crate) issuer: Issuer,
    pub(crate) signer: Arc<dyn Signer>,
}

pub(crate) struct ResponderParty {
    pub(crate) certificate: Certificate,
    pub(crate) responder: Responder,
    pub(crate) signer: Arc<dyn Signer>,
    generation: u32,
}

/// The certificates of the CA itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaCertificates {
    /// The root.
    pub root: Certificate,
    /// The issuing CA.
    pub ca: Certificate,
    /// The OCSP responder of the moment.
    pub ocsp: Certificate,
    /// The time stamping authority of the moment.
    pub tsa: Certificate,
    /// The signer of filters and card status lists of the moment.
    pub status: Certificate,
    /// The signer of answers to registration authorities of the moment.
    pub cmp: Certificate,
}

impl Authority {
    pub(crate) async fn open(
        db: &Db,
        keys: &Arc<dyn KeyStore>,
        config: &NpcConfig,
        random: &Mutex<Box<dyn Random + Send>>,
        now: Timestamp,
    ) -> Result<Self> {
        let root = root(db, keys, config, random, now).await?;
        let ca = intermediate(db, keys, config, random, &root, now).await?;
        let due = |kind, lifetime| next_generation(db, kind, lifetime, now);
        let generation = due(Kind::OcspResponder, config.responder_lifetime).await?;
        let responder = responder(db, keys, config, random, &ca, generation, now).await?;
        let generation = due(Kind::TimestampAuthority, config.service_lifetime).await?;
        let tsa = service(db, keys, config, random, &ca, TSA, generation, now).await?;
        let tsa = StampParty {
            authority: tsp::Authority::new(&tsa.certificate, tsa.signer.algorithm(), oid::TIME_STAMP_POLICY)?,
            signer: tsa.signer,
            generation: tsa.generation,
        };
        let generation = due(Kind::StatusSigner, config.service_lifetime).await?;
        let status = service(db, keys, config, random, &ca, STATUS, generation, now).await?;
        let generation = due(Kind::CmpSigner, config.service_lifetime).await?;
        let cmp = service(db, keys, config, random, &ca, CMP, generation, now).await?;
        Ok(Self { root, ca, responder, tsa, status, cmp })
    }

    pub(crate) fn certificates(&self) -> CaCertificates {
        CaCertificates {
            root: self.root.certificate.clone(),
            ca: self.ca.certificate.clone(),
            ocsp: self.responder.certificate.clone(),
            tsa: self.tsa.authority.certificate().clone(),
            status: self.status.certificate.clone(),
            cmp: self.cmp.certificate.clone(),
        }
    }

    /// The services' certificates: kind of key, generation, whether it is time for the next.
    fn services(&self, config: &NpcConfig, now: Timestamp) -> [(&'static str, u32, bool); 4] {
        let due = |certificate: &Certificate, lifetime: SignedDuration| {
            certificate.validity().not_after().duration_since(now) <= lifetime / 3
        };
        [
            (OCSP, self.responder.generation, due(&self.responder.certificate, config.responder_lifetime)),
            (TSA, self.tsa.generation, due(self.tsa.authority.certificate(), config.service_lifetime)),
            (STATUS, self.status.generation, due(&self.status.certificate, config.service_lifetime)),
            (CMP, self.cmp.generation, due(&self.cmp.certificate, config.service_lifetime)),
        ]
    }
}

impl Npc {
    /// Makes a new OCSP responder, time stamping authority, status signer or signer of CMP answers when a third of the present one's time is left.
    pub(crate) async fn renew_services(&self, now: Timestamp) -> Result<()> {
        let present = self.authority();
        let due: Vec<(&str, u32)> = present
            .services(&self.config, now)
            .into_iter()
            .filter_map(|(prefix, generation, due)| due.then_some((prefix, generation)))
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        // Another process may have made the next one already.
        let renewed = Authority::open(&self.db, &self.keys, &self.config, &self.random, now).await?;
        *self.authority.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(renewed);
        self.know_own_services().await?;
        self.ocsp.clear();
        // Answers of the last one but one have expired long ago; its key goes.
        for (prefix, generation) in due {
            let Some(gone) = generation.checked_sub(1).filter(|generation| *generation > 0) else { continue };
            match self.keys.destroy(&label(prefix, gone)) {
                Ok(()) | Err(keys::KeyError::Missing(_)) => {}
                Err(error) => tracing::warn!(code = error.code(), "the key of an old service stays"),
            }
        }
        Ok(())
    }
}

async fn root(
    db: &Db,
    keys: &Arc<dyn KeyStore>,
    config: &NpcConfig,
    random: &Mutex<Box<dyn Random + Send>>,
    now: Timestamp,
) -> Result<Party> {
    let key = generate(keys, ROOT, config.root_key, Purpose::CertificateAuthority).await?;
    let signer = keys.signer(ROOT, Purpose::CertificateAuthority)?;
    let certificate = certify(db, ROOT, None, &signer, random, now, || {
        npc_root(&NpcRoot {
            serial: new_serial(random),
            subject: &config.root_name,
            validity: years(config, now, 30)?,
            spki: &key.spki,
            algorithm: signer.algorithm(),
        })
    })
    .await?;
    party(certificate, signer)
}

async fn intermediate(
    db: &Db,
    keys: &Arc<dyn KeyStore>,
    config: &NpcConfig,
    random: &Mutex<Box<dyn Random + Send>>,
    root: &Party,
    now: Timestamp,
) -> Result<Party> {
    let key = generate(keys, CA, config.ca_key, Purpose::CertificateAuthority).await?;
    let certificate = certify(db, CA, Some(&root.issuer), &root.signer, random, now, || {
        npc_intermediate(&NpcIntermediate {
            serial: new_serial(random),
            issuer: &root.issuer,
            subject: &config.ca_name,
            validity: years(config, now, 20)?,
            spki: &key.spki,
            policy: config.policy,
            crl_uri: &config.urls.root_crl(),
            ca_issuers_uri: &config.urls.root_certificate(),
        })
    })
    .await?;
    party(certificate, keys.signer(CA, Purpose::CertificateAuthority)?)
}

async fn responder(
    db: &Db,
    keys: &Arc<dyn KeyStore>,
    config: &NpcConfig,
    random: &Mutex<Box<dyn Random + Send>>,
    ca: &Party,
    generation: u32,
    now: Timestamp,
) -> Result<ResponderParty> {
    let label = label(OCSP, generation);
    let key = generate(keys, &label, KeyKind::Ec(Curve::P256), Purpose::OcspResponder).await?;
    let certificate = certify(db, &label, Some(&ca.issuer), &ca.signer, random, now, || {
        ocsp_responder(&OcspResponder {
            serial: new_serial(random),
            issuer: &ca.issuer,
            subject: &config.ocsp_name,
            // Clocks of relying parties go slow, but not before the CA began.
            validity: Validity::new(
                (now - SignedDuration::from_mins(5)).max(ca.certificate.validity().not_before()),
                now + config.responder_lifetime,
            )?,
            spki: &key.spki,
        })
    })
    .await?;
    let signer = keys.signer(&label, Purpose::OcspResponder)?;
    let responder = Responder::new(&certificate, &ca.certificate, signer.algorithm())?;
    Ok(ResponderParty { certificate, responder, signer, generation })
}

#[allow(clippy::too_many_arguments, reason = "what every certificate of the CA takes, and which service")]
async fn service(
    db: &Db,
    keys: &Arc<dyn KeyStore>,
    config: &NpcConfig,
    random: &Mutex<Box<dyn Random + Send>>,
    ca: &Party,
    prefix: &'static str,
    generation: u32,
    now: Timestamp,
) -> Result<ServiceParty> {
    let label = label(prefix, generation);
    let (purpose, subject) = match prefix {
        TSA => (Purpose::TimeStamp, &config.tsa_name),
        CMP => (Purpose::Message, &config.cmp_name),
        _ => (Purpose::Message, &config.status_name),
    };
    let key = generate(keys, &label, KeyKind::Ec(Curve::P256), purpose).await?;
    let urls = &config.urls;
    let certificate = certify(db, &label, Some(&ca.issuer), &ca.signer, random, now, || {
        let service = StatusService {
            serial: new_serial(random),
            issuer: &ca.issuer,
            subject,
            validity: Validity::new(
                (now - SignedDuration::from_mins(5)).max(ca.certificate.validity().not_before()),
                now + config.service_lifetime,
            )?,
            spki: &key.spki,
            policy: config.policy,
            locations: StatusLocations {
                partition_crl: &urls.complete_crl(),
                complete_crl: &urls.complete_crl(),
                ca_issuers: &urls.issued_to_this_ca(),
                ocsp: &urls.ocsp,
            },
        };
        match prefix {
            TSA => timestamp_authority(&service),
            CMP => cmp_signer(&service),
            _ => status_signer(&service),
        }
    })
    .await?;
    Ok(ServiceParty { certificate, signer: keys.signer(&label, purpose)?, generation })
}

/// The certificate under `label`: as it stands in the database, or made now.
#[allow(clippy::too_many_arguments, reason = "what every certificate of the CA takes")]
async fn certify(
    db: &Db,
    label: &str,
    issuer: Option<&Issuer>,
    signer: &Arc<dyn Signer>,
    random: &Mutex<Box<dyn Random + Send>>,
    now: Timestamp,
    make: impl Fn() -> Result<TbsCertificate, x509::Error>,
) -> Result<Certificate> {
    let (kind, tbs) = match load(db, label).await? {
        Some((_, _, Some(der))) => return Ok(Certificate::parse(&der)?),
        Some((kind, tbs, None)) => (kind, tbs),
        None => {
            let made = make()?;
            rehearse(&made, issuer, random).await?;
            store_tbs(db, label, &made, now).await?;
            // Another process may have stored its own at the same moment: what stands in the database counts.
            let (kind, tbs, _) = load(db, label).await?.ok_or(NpcError::Inconsistent("authority"))?;
            (kind, tbs)
        }
    };
    let tbs = TbsCertificate::from_stored(kind, &tbs)?;
    let certificate = sign_certificate(tbs, signer.clone()).await?;
    let sql = "UPDATE authority SET der = $2 WHERE label = $1 AND der IS NULL";
    db.execute(sql, params![label, certificate.der()]).await?;
    // An elliptic-curve signature is another one each time: again, the database's counts.
    match load(db, label).await? {
        Some((_, _, Some(der))) => Ok(Certificate::parse(&der)?),
        _ => Err(NpcError::Inconsistent("authority")),
    }
}

async fn store_tbs(db: &Db, label: &str, tbs: &TbsCertificate, now: Timestamp) -> Result<()> {
    let parsed = parse_tbs(tbs)?;
    transaction!(db, |tx| {
        let sql = "INSERT INTO authority (label, profile, not_after, tbs) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let values = params![label, tbs.kind().name(), parsed.validity().not_after(), tbs.tbs_der()];
        if tx.execute(sql, values).await? == 1 {
            let event = audit::Event {
                at: now,
                actor: SYSTEM,
                system: SYSTEM,
                action: "authority-certificate",
                subject: label,
                detail: json!({ "serial": hex(parsed.serial_octets()), "profile": tbs.kind().name() }),
            };
            audit::append(tx, &event).await?;
        }
        Ok(())
    })
}

/// The fields of a certificate that is not signed yet, by way of an empty signature.
fn parse_tbs(tbs: &TbsCertificate) -> Result<Certificate> {
    Ok(Certificate::parse(&certificate::assemble(tbs.tbs_der(), tbs.algorithm(), &[]))?)
}

type Loaded = (Kind, Vec<u8>, Option<Vec<u8>>);

async fn load(db: &Db, label: &str) -> Result<Option<Loaded>> {
    let sql = "SELECT profile, tbs, der FROM authority WHERE label = $1";
    let Some(row) = db.optional(sql, params![label]).await? else { return Ok(None) };
    let profile: String = row.read(0)?;
    let kind = Kind::from_name(&profile).ok_or(NpcError::Inconsistent("profile"))?;
    Ok(Some((kind, row.read(1)?, row.read(2)?)))
}

/// The generation of a service that is to serve now: the newest, or one more if that has a third of its time left.
async fn next_generation(db: &Db, kind: Kind, lifetime: SignedDuration, now: Timestamp) -> Result<u32> {
    let sql = "SELECT label, not_after FROM authority WHERE profile = $1 ORDER BY not_after DESC LIMIT 1";
    let Some(row) = db.optional(sql, params![kind.name()]).await? else { return Ok(1) };
    let label: String = row.read("label")?;
    let number = label.rsplit('-').next().and_then(|number| number.parse::<u32>().ok());
    let generation = number.ok_or(NpcError::Inconsistent("generation"))?;
    let left = row.read::<Timestamp>("not_after")?.duration_since(now);
    Ok(if left > lifetime / 3 { generation } else { generation + 1 })
}

fn party(certificate: Certificate, signer: Arc<dyn Signer>) -> Result<Party> {
    let issuer = Issuer::new(&certificate, signer.as_ref())?;
    Ok(Party { certificate, issuer, signer })
}

/// Key generation takes seconds: not on a thread that serves requests.
async fn generate(keys: &Arc<dyn KeyStore>, label: &str, kind: KeyKind, purpose: Purpose) -> Result<KeyInfo> {
    let (keys, label) = (keys.clone(), label.to_owned());
    Ok(off_thread(move || keys.generate(&label, kind, purpose)).await??)
}

/// Signs a stored certificate; the signer may be a token that takes its time.
pub(crate) async fn sign_certificate(tbs: TbsCertificate, signer: Arc<dyn Signer>) -> Result<Certificate> {
    Ok(off_thread(move || certificate::issue(&tbs, signer.as_ref())).await??)
}

pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| NpcError::Died)
}

pub(crate) fn new_serial(random: &Mutex<Box<dyn Random + Send>>) -> Serial {
    Serial::random(random.lock().unwrap_or_else(PoisonError::into_inner).as_mut())
}

fn years(config: &NpcConfig, now: Timestamp, years: i64) -> Result<Validity, x509::Error> {
    // A year of 365.25 days: nobody counts on the day a CA ends.
    Validity::new(now - config.backdate, now + SignedDuration::from_hours(years * 8766))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn label(prefix: &str, generation: u32) -> String {
    format!("{prefix}-{generation}")
}

const ROOT: &str = "npc-root";
const CA: &str = "npc-ca";
const OCSP: &str = "npc-ocsp";
const TSA: &str = "npc-tsa";
const STATUS: &str = "npc-status";
const CMP: &str = "npc-cmp";
