//! The CA's own keys and certificates: roots, generations of the issuing CA, and the short-lived services.
//!
//! Each is made in the same order: key in the key store, bytes to be signed in the database, signature, certificate in the
//! database. Every step is done only if its result is not there, so an interrupted first run is finished by the next.
//!
//! All keys of CAs are made by [`crate::ceremony`], but for those of a first run that nobody attends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use curve::{Curve, Random};
use jiff::{SignedDuration, Timestamp};
use keys::{KeyInfo, KeyKind, KeyStore, Purpose};
use serde_json::json;
use store::{Db, Row, Tx, params, transaction};
use tlv::oid;
use tokio::sync::Semaphore;
use x509::certificate::profiles::{
    NpcIntermediate, NpcRoot, OcspResponder, StatusLocations, StatusService, cmp_signer, npc_intermediate,
    npc_root, ocsp_responder, status_signer, timestamp_authority,
};
use x509::certificate::{self, Issuer, Kind, TbsCertificate};
use x509::ocsp::Responder;
use x509::path::{Options, Revocation, validate};
use x509::{Certificate, Serial, Signer, Validity, tsp};

use crate::ceremony::founding;
use crate::rehearse::rehearse;
use crate::{Npc, NpcConfig, NpcError, Policy, Result, SYSTEM};

/// Every CA certificate that this authority publishes, and the keys it serves with.
///
/// A *generation* is one key of the issuing CA. All have the same name, as the roots have; key identifiers tell them apart.
/// One generation issues; every other goes on telling the status of what it issued, until the last of it has ended.
pub(crate) struct Authority {
    /// The roots in use, by number.
    pub(crate) roots: Vec<Arc<Root>>,
    /// The newest, which certifies what is made now.
    pub(crate) root: Arc<Root>,
    /// The generations that tell status, by number.
    pub(crate) generations: Vec<Arc<Generation>>,
    /// The one that issues.
    pub(crate) issuing: Arc<Generation>,
    pub(crate) tsa: StampParty,
    pub(crate) status: ServiceParty,
    pub(crate) cmp: ServiceParty,
    /// The certificates of CAs by label, which is also their name in HTTP.
    pub(crate) papers: BTreeMap<String, Paper>,
    /// The highest number a generation has, also where its work is over or never began.
    pub(crate) newest: u32,
    /// The same of the roots.
    pub(crate) newest_root: u32,
    /// The policy in force, and its version.
    pub(crate) policy: Policy,
    pub(crate) policy_version: u32,
    version: i64,
}

/// A root.
pub(crate) struct Root {
    pub(crate) number: u32,
    pub(crate) certificate: Certificate,
    /// What it takes to sign as it; none if its key is another's (ADR 29).
    pub(crate) key: Option<Party>,
}

impl Root {
    /// A root of ours.
    pub(crate) fn own(number: u32, party: Party) -> Self {
        Self { number, certificate: party.certificate.clone(), key: Some(party) }
    }

    /// What it takes to sign as it.
    ///
    /// # Errors
    /// [`NpcError::ForeignRoot`] if its key is another's.
    pub(crate) fn party(&self) -> Result<&Party> {
        self.key.as_ref().ok_or(NpcError::ForeignRoot)
    }

    /// Whether its key is another's.
    pub(crate) const fn is_foreign(&self) -> bool {
        self.key.is_none()
    }
}

/// One key of the issuing CA, with what serves its certificates.
pub(crate) struct Generation {
    pub(crate) number: u32,
    pub(crate) ca: Party,
    pub(crate) responder: ResponderParty,
    pub(crate) partitions: u16,
}

/// A published certificate of a CA.
pub(crate) struct Paper {
    pub(crate) profile: String,
    pub(crate) certificate: Certificate,
}

/// A service with a short-lived certificate of the issuing CA.
pub(crate) struct ServiceParty {
    pub(crate) certificate: Certificate,
    pub(crate) signer: Arc<dyn Signer>,
    /// The certificate of the generation that certified it.
    pub(crate) issuer: Certificate,
    number: u32,
}

impl ServiceParty {
    /// Whether nothing may be signed as it any more: it has ended, or the CA above it.
    fn has_ended(&self, now: Timestamp) -> bool {
        has_ended(&self.certificate, now) || has_ended(&self.issuer, now)
    }
}

/// The time stamping authority.
pub(crate) struct StampParty {
    pub(crate) authority: tsp::Authority,
    pub(crate) signer: Arc<dyn Signer>,
    number: u32,
}

/// A CA: its certificate, and what it takes to sign as it.
pub(crate) struct Party {
    pub(crate) certificate: Certificate,
    pub(crate) issuer: Issuer,
    pub(crate) signer: Arc<dyn Signer>,
}

impl Party {
    /// Its last second.
    fn end(&self) -> Timestamp {
        self.certificate.validity().not_after()
    }
}

pub(crate) struct ResponderParty {
    pub(crate) certificate: Certificate,
    pub(crate) responder: Responder,
    pub(crate) signer: Arc<dyn Signer>,
    number: u32,
}

/// The certificates of the CA itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaCertificates {
    /// The root of the moment.
    pub root: Certificate,
    /// The generation of the issuing CA that issues.
    pub ca: Certificate,
    /// Its OCSP responder of the moment.
    pub ocsp: Certificate,
    /// The time stamping authority of the moment.
    pub tsa: Certificate,
    /// The signer of filters and card status lists of the moment.
    pub status: Certificate,
    /// The signer of answers to registration authorities of the moment.
    pub cmp: Certificate,
    /// All roots in use, with their numbers, whoever has their keys.
    pub roots: Vec<(u32, Certificate)>,
    /// All generations of the issuing CA that tell status, with their numbers.
    pub generations: Vec<(u32, Certificate)>,
    /// Every certificate of a CA by its published name: roots, generations, links and cross certificates.
    pub published: Vec<(String, Certificate)>,
}

/// What everything here is made with.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) db: &'a Db,
    pub(crate) keys: &'a Arc<dyn KeyStore>,
    pub(crate) config: &'a NpcConfig,
    pub(crate) random: &'a Mutex<Box<dyn Random + Send>>,
    pub(crate) now: Timestamp,
    /// How long a root and a generation last.
    pub(crate) years: (u32, u32),
}

impl Authority {
    pub(crate) async fn open(ground: Ground<'_>) -> Result<Self> {
        founding::first_run(ground).await?;
        // Read first: what is made meanwhile makes this old.
        let version = version(ground.db).await?;
        let (policy_version, policy) = crate::policy::in_force(ground.db, ground.config).await?;
        let mut roots = Vec::new();
        let sql = "SELECT number, key_kind FROM root_ca WHERE ended_at IS NULL ORDER BY number";
        for row in ground.db.all(sql, params![]).await? {
            roots.push(Arc::new(match row.read::<String>("key_kind")?.as_str() {
                FOREIGN => foreign_root(ground.db, row.read(0)?).await?,
                _ => open_root(ground, row.read(0)?, kind_of(&row)?).await?,
            }));
        }
        let root: Arc<Root> = roots.last().ok_or(NpcError::Inconsistent("no root"))?.clone();
        let newest_root = ground.db.one("SELECT MAX(number) FROM root_ca", params![]).await?.read(0)?;
        let (mut generations, mut issuing, mut newest) = (Vec::new(), None, 0);
        let sql =
            "SELECT number, key_kind, root, partitions, issues, last_end FROM generation ORDER BY number";
        for row in ground.db.all(sql, params![]).await? {
            let last_end: Option<Timestamp> = row.read("last_end")?;
            newest = row.read("number")?;
            // RFC 5280 §3.3: an entry stays until one list beyond the certificate's end.
            if last_end.is_some_and(|end| ground.now > end + ground.config.crl_lifetime * 2) {
                continue;
            }
            // Nothing can be certified by it any more, no responder either, and nobody relies on what it certified. The one that
            // issues stays until a ceremony has made the next: what it published is there, and others tell status beside it.
            let issues = row.read::<i64>("issues")? == 1;
            if !issues
                && let Some(Stored { der: Some(der), .. }) = load(ground.db, &ca_label(newest)).await?
                && has_ended(&Certificate::parse(&der)?, ground.now)
            {
                continue;
            }
            let certified_by: u32 = row.read("root")?;
            let above = roots.iter().find(|root| root.number == certified_by).unwrap_or(&root);
            let (number, partitions) = (newest, row.read("partitions")?);
            let made = open_generation(ground, above, number, kind_of(&row)?, partitions).await?;
            let made = Arc::new(made);
            if issues {
                issuing = Some(made.clone());
            }
            generations.push(made);
        }
        let issuing = issuing.ok_or(NpcError::Inconsistent("no generation issues"))?;
        let find = Services { ground, generations: &generations, issuing: &issuing };
        let tsa = find.service(TSA, Kind::TimestampAuthority).await?;
        let tsa = StampParty {
            authority: tsp::Authority::new(&tsa.certificate, tsa.signer.algorithm(), oid::TIME_STAMP_POLICY)?,
            signer: tsa.signer,
            number: tsa.number,
        };
        let status = find.service(STATUS, Kind::StatusSigner).await?;
        let cmp = find.service(CMP, Kind::CmpSigner).await?;
        let papers = papers(ground.db).await?;
        Ok(Self {
            roots,
            root,
            generations,
            issuing,
            tsa,
            status,
            cmp,
            papers,
            newest,
            newest_root,
            policy,
            policy_version,
            version,
        })
    }

    /// Rises with every change of the hierarchy.
    pub(crate) const fn version(&self) -> u64 {
        self.version as u64
    }

    /// The generation of this number, if it tells status.
    pub(crate) fn generation(&self, number: u32) -> Option<&Arc<Generation>> {
        self.generations.iter().find(|generation| generation.number == number)
    }

    /// The generation above a certificate and the root above that, also where their work is over; DER.
    pub(crate) fn chain_of(&self, certificate: &Certificate) -> Option<(Vec<u8>, Vec<u8>)> {
        let above = |of: &Certificate, kind: Kind| {
            let papers = self.papers.values().filter(|paper| paper.profile == kind.name());
            // One name for all: the key identifier tells.
            let mut keys = papers.map(|paper| &paper.certificate);
            keys.find(|paper| paper.subject_key_identifier() == of.authority_key_identifier())
        };
        let ca = above(certificate, Kind::NpcIntermediate)?;
        if let Some(root) = above(ca, Kind::NpcRoot) {
            return Some((ca.der().to_vec(), root.der().to_vec()));
        }
        // Other CAs stand between it and a root of another's, or no key identifier tells.
        let (between, roots) =
            (self.certificates_of(FOREIGN_CHAIN), self.certificates_of(Kind::NpcRoot.name()));
        let options = Options { revocation: Revocation::Unchecked, ..Options::at(ca.not_before()) };
        let path = validate(ca, &between, &roots, &options).ok()?;
        Some((ca.der().to_vec(), path.anchor()?.der().to_vec()))
    }

    /// The published certificates of one profile.
    pub(crate) fn certificates_of(&self, profile: &str) -> Vec<Certificate> {
        let papers = self.papers.values().filter(|paper| paper.profile == profile);
        papers.map(|paper| paper.certificate.clone()).collect()
    }

    /// The root of this number, if it is in use; its key may be another's.
    pub(crate) fn root_of(&self, number: u32) -> Option<&Arc<Root>> {
        self.roots.iter().find(|root| root.number == number)
    }

    pub(crate) fn certificates(&self) -> CaCertificates {
        CaCertificates {
            root: self.root.certificate.clone(),
            ca: self.issuing.ca.certificate.clone(),
            ocsp: self.issuing.responder.certificate.clone(),
            tsa: self.tsa.authority.certificate().clone(),
            status: self.status.certificate.clone(),
            cmp: self.cmp.certificate.clone(),
            roots: self.roots.iter().map(|root| (root.number, root.certificate.clone())).collect(),
            generations: self
                .generations
                .iter()
                .map(|generation| (generation.number, generation.ca.certificate.clone()))
                .collect(),
            published: self
                .papers
                .iter()
                .map(|(label, paper)| (label.clone(), paper.certificate.clone()))
                .collect(),
        }
    }

    /// The services whose next certificate is due: kind of key and number of the present one.
    fn due(&self, config: &NpcConfig, now: Timestamp) -> Vec<(String, u32)> {
        let due = |certificate: &Certificate, lifetime: SignedDuration, by: &Generation| {
            // What has ended certifies nothing more.
            !has_ended(&by.ca.certificate, now)
                && !serves_on(certificate.validity().not_after(), lifetime, by.ca.end(), now)
        };
        let responders = self.generations.iter().map(|generation| {
            let responder = &generation.responder;
            let due = due(&responder.certificate, config.responder_lifetime, generation);
            (responder_prefix(generation.number), responder.number, due)
        });
        let service = |prefix: &str, number, certificate| {
            (prefix.to_owned(), number, due(certificate, config.service_lifetime, &self.issuing))
        };
        let others = [
            service(TSA, self.tsa.number, self.tsa.authority.certificate()),
            service(STATUS, self.status.number, &self.status.certificate),
            service(CMP, self.cmp.number, &self.cmp.certificate),
        ];
        let all = responders.chain(others);
        all.filter_map(|(prefix, number, due)| due.then_some((prefix, number))).collect()
    }
}

impl Npc {
    /// Makes a new OCSP responder, time stamping authority, status signer or signer of CMP answers when a third of the present one's time is left.
    pub(crate) async fn renew_services(&self, now: Timestamp) -> Result<()> {
        let due = self.authority().due(&self.config, now);
        if due.is_empty() {
            return Ok(());
        }
        // Another process may have made the next one already.
        self.refresh_authority(now).await?;
        // Answers of the last one but one have expired long ago; its key goes.
        let here = ask_token(&self.keys, |keys| keys.list()).await?;
        for (prefix, number) in due {
            let of = |key: &KeyInfo| key.label.strip_prefix(&prefix)?.strip_prefix('-')?.parse::<u32>().ok();
            for gone in here.iter().filter(|key| of(key).is_some_and(|of| of < number)) {
                let label = gone.label.clone();
                match ask_token(&self.keys, move |keys| keys.destroy(&label)).await {
                    Ok(()) | Err(NpcError::Keys(keys::KeyError::Missing(_))) => {}
                    Err(error) => tracing::warn!(code = error.code(), "the key of an old service stays"),
                }
            }
        }
        Ok(())
    }

    /// The hierarchy, one of whose services is to sign something now. Where nobody has renewed it in time, this call does.
    ///
    /// # Errors
    /// [`NpcError::Ended`] if the service has ended with the CA above it: nobody is left who could sign.
    pub(crate) async fn to_sign_with(
        &self,
        service: fn(&Authority) -> &ServiceParty,
        now: Timestamp,
    ) -> Result<Arc<Authority>> {
        self.renew_ended(|authority| service(authority).has_ended(now), now).await;
        let authority = self.authority();
        match service(&authority).has_ended(now) {
            true => Err(NpcError::Ended),
            false => Ok(authority),
        }
    }

    /// Leaves generations behind whose certificate has ended.
    pub(crate) async fn leave_ended(&self, now: Timestamp) -> Result<()> {
        let authority = self.authority();
        let mut others = authority.generations.iter().filter(|one| one.number != authority.issuing.number);
        match others.any(|generation| has_ended(&generation.ca.certificate, now)) {
            true => self.refresh_authority(now).await,
            false => Ok(()),
        }
    }

    /// Reads roots, generations and services anew: another process, or a ceremony, may have made some.
    pub(crate) async fn refresh_authority(&self, now: Timestamp) -> Result<()> {
        let authority = Authority::open(self.ground(now)).await?;
        {
            let mut populations = self.populations_mut();
            for generation in &authority.generations {
                populations.add(generation.number, generation.partitions);
            }
        }
        *self.authority.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(authority);
        self.know_own_services().await?;
        self.ocsp.clear();
        Ok(())
    }

    /// Takes over what a ceremony has made in another process, if there is something.
    pub(crate) async fn follow_authority(&self, now: Timestamp) -> Result<()> {
        if version(&self.db).await? != self.authority().version {
            self.refresh_authority(now).await?;
        }
        Ok(())
    }

    /// The same for whoever asks about something unknown: once in a second at most, however many ask.
    pub(crate) async fn follow_if_due(&self, now: Timestamp) -> Result<()> {
        {
            let mut looked = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.is_some_and(|at| now >= at && now.duration_since(at) < LOOK) {
                return Ok(());
            }
            *looked = Some(now);
        }
        self.follow_authority(now).await
    }

    pub(crate) fn ground(&self, now: Timestamp) -> Ground<'_> {
        let years = self.authority().policy.authority_periods();
        Ground { db: &self.db, keys: &self.keys, config: &self.config, random: &self.random, now, years }
    }
}

/// Which generation issues, within the transaction that would store a request: exactly one does.
pub(crate) async fn issuing_generation(tx: &mut Tx) -> Result<u32> {
    Ok(tx.one("SELECT number FROM generation WHERE issues = 1", params![]).await?.read(0)?)
}

/// Raised by whoever makes a root or generation, or has another one issue.
async fn version(db: &Db) -> Result<i64> {
    Ok(db.one("SELECT value FROM counter WHERE name = 'authority'", params![]).await?.read(0)?)
}

fn kind_of(row: &Row) -> Result<KeyKind> {
    KeyKind::from_name(&row.read::<String>("key_kind")?).ok_or(NpcError::Inconsistent("kind of key"))
}

/// A root of another's: its certificate was taken over with the authority below it.
async fn foreign_root(db: &Db, number: u32) -> Result<Root> {
    let certificate = stored_certificate(db, &root_label(number)).await?;
    Ok(Root { number, certificate, key: None })
}

/// The certificate under a label, which must be there.
pub(crate) async fn stored_certificate(db: &Db, label: &str) -> Result<Certificate> {
    let der = load(db, label).await?.and_then(|stored| stored.der);
    Ok(Certificate::parse(&der.ok_or(NpcError::Inconsistent("authority"))?)?)
}

async fn open_root(ground: Ground<'_>, number: u32, kind: KeyKind) -> Result<Root> {
    let label = root_label(number);
    let key = ca_key(ground, &label, kind).await?;
    let signer = find_signer(ground.keys, &label, Purpose::CertificateAuthority).await?;
    let make = || root_to_be_signed(ground, &key, signer.as_ref());
    let certificate =
        certify(ground, Paperwork { label: &label, issuer: number, withheld: false }, None, &signer, make)
            .await?;
    Ok(Root::own(number, party(certificate, signer)?))
}

/// A root's certificate before its signature.
pub(crate) fn root_to_be_signed(
    ground: Ground<'_>,
    key: &KeyInfo,
    signer: &dyn Signer,
) -> Result<TbsCertificate, x509::Error> {
    npc_root(&NpcRoot {
        serial: new_serial(ground.random),
        subject: &ground.config.root_name,
        validity: years(ground, ground.years.0, None)?,
        spki: &key.spki,
        algorithm: signer.algorithm(),
    })
}

async fn open_generation(
    ground: Ground<'_>,
    root: &Root,
    number: u32,
    kind: KeyKind,
    partitions: u16,
) -> Result<Generation> {
    let label = ca_label(number);
    let certificate = match &root.key {
        // Certified elsewhere; a key that is gone is not made anew.
        None => stored_certificate(ground.db, &label).await?,
        Some(above) => {
            let key = ca_key(ground, &label, kind).await?;
            let make = || generation_to_be_signed(ground, root, &key);
            let paperwork = Paperwork { label: &label, issuer: root.number, withheld: false };
            certify(ground, paperwork, Some(&above.issuer), &above.signer, make).await?
        }
    };
    let ca = party(certificate, find_signer(ground.keys, &label, Purpose::CertificateAuthority).await?)?;
    let responder = responder(ground, number, &ca).await?;
    Ok(Generation { number, ca, responder, partitions })
}

/// A generation's certificate before its signature.
pub(crate) fn generation_to_be_signed(
    ground: Ground<'_>,
    root: &Root,
    key: &KeyInfo,
) -> Result<TbsCertificate, x509::Error> {
    let config = ground.config;
    let above = root.key.as_ref().ok_or(x509::Error::WrongSigner("the root's key is another's"))?;
    npc_intermediate(&NpcIntermediate {
        serial: new_serial(ground.random),
        issuer: &above.issuer,
        subject: &config.ca_name,
        validity: years(ground, ground.years.1, Some(&root.certificate))?,
        spki: &key.spki,
        policy: config.policy,
        crl_uri: &config.urls.root_crl(root.number),
        ca_issuers_uri: &config.urls.root_certificate(root.number),
    })
}

async fn responder(ground: Ground<'_>, generation: u32, ca: &Party) -> Result<ResponderParty> {
    let prefix = responder_prefix(generation);
    let config = ground.config;
    let mut least = 1;
    let (number, label, certificate) = loop {
        let kind = Kind::OcspResponder;
        let number = next_number(ground, kind, Some(generation), config.responder_lifetime, ca.end()).await?;
        let number = number.max(least);
        let label = label(&prefix, number);
        let Some(key) = service_key(ground, &label, Purpose::OcspResponder).await? else {
            least = number + 1;
            continue;
        };
        let paperwork = Paperwork { label: &label, issuer: generation, withheld: false };
        let certificate = certify(ground, paperwork, Some(&ca.issuer), &ca.signer, || {
            ocsp_responder(&OcspResponder {
                serial: new_serial(ground.random),
                issuer: &ca.issuer,
                subject: &config.ocsp_name,
                validity: service_period(ground, ca, config.responder_lifetime)?,
                spki: &key.spki,
            })
        })
        .await?;
        // Another site may have taken the number at the same moment, for the key in its own module.
        if certificate.spki() == key.spki {
            break (number, label, certificate);
        }
    };
    let signer = find_signer(ground.keys, &label, Purpose::OcspResponder).await?;
    let responder = Responder::new(&certificate, &ca.certificate, signer.algorithm())?;
    Ok(ResponderParty { certificate, responder, signer, number })
}

/// Finds or makes the services that serve all generations together.
struct Services<'a> {
    ground: Ground<'a>,
    generations: &'a [Arc<Generation>],
    issuing: &'a Arc<Generation>,
}

impl Services<'_> {
    async fn service(&self, prefix: &'static str, kind: Kind) -> Result<ServiceParty> {
        let ground = self.ground;
        let config = ground.config;
        let (purpose, subject) = match kind {
            Kind::TimestampAuthority => (Purpose::TimeStamp, &config.tsa_name),
            Kind::CmpSigner => (Purpose::Message, &config.cmp_name),
            _ => (Purpose::Message, &config.status_name),
        };
        let mut least = 1;
        loop {
            let number =
                next_number(ground, kind, None, config.service_lifetime, self.issuing.ca.end()).await?;
            let number = number.max(least);
            let label = label(prefix, number);
            let Some(key) = service_key(ground, &label, purpose).await? else {
                least = number + 1;
                continue;
            };
            // Certified by the generation that issued when it was made.
            let stored = load(ground.db, &label).await?.map(|stored| stored.issuer);
            let by = stored.and_then(|number| self.generations.iter().find(|g| g.number == number));
            let by = by.unwrap_or(self.issuing);
            let urls = &config.urls;
            let paperwork = Paperwork { label: &label, issuer: by.number, withheld: false };
            let certificate = certify(ground, paperwork, Some(&by.ca.issuer), &by.ca.signer, || {
                let service = StatusService {
                    serial: new_serial(ground.random),
                    issuer: &by.ca.issuer,
                    subject,
                    validity: service_period(ground, &by.ca, config.service_lifetime)?,
                    spki: &key.spki,
                    policy: config.policy,
                    locations: StatusLocations {
                        partition_crl: &urls.complete_crl(by.number),
                        complete_crl: &urls.complete_crl(by.number),
                        ca_issuers: &urls.issued_to_this_ca(),
                        ocsp: &urls.ocsp,
                    },
                };
                match kind {
                    Kind::TimestampAuthority => timestamp_authority(&service),
                    Kind::CmpSigner => cmp_signer(&service),
                    _ => status_signer(&service),
                }
            })
            .await?;
            // As with responders.
            if certificate.spki() == key.spki {
                let issuer = by.ca.certificate.clone();
                let signer = find_signer(ground.keys, &label, purpose).await?;
                return Ok(ServiceParty { certificate, signer, issuer, number });
            }
        }
    }
}

/// Clocks of relying parties go slow, but not before the CA began.
fn service_period(ground: Ground<'_>, ca: &Party, lifetime: SignedDuration) -> Result<Validity, x509::Error> {
    let within = ca.certificate.validity();
    Validity::new(
        (ground.now - SignedDuration::from_mins(5)).max(within.not_before()),
        (ground.now + lifetime).min(within.not_after()),
    )
}

/// Under which label a certificate stands, and the number of the generation or root that issues it.
#[derive(Clone, Copy)]
pub(crate) struct Paperwork<'a> {
    pub(crate) label: &'a str,
    pub(crate) issuer: u32,
    /// Whether nobody is shown it until a ceremony publishes it.
    pub(crate) withheld: bool,
}

/// The certificate under a label: as it stands in the database, or made now.
pub(crate) async fn certify(
    ground: Ground<'_>,
    paperwork: Paperwork<'_>,
    issuer: Option<&Issuer>,
    signer: &Arc<dyn Signer>,
    make: impl Fn() -> Result<TbsCertificate, x509::Error>,
) -> Result<Certificate> {
    if let Some(Stored { der: Some(der), .. }) = load(ground.db, paperwork.label).await? {
        return Ok(Certificate::parse(&der)?);
    }
    prepare(ground, paperwork, issuer, make).await?;
    sign_prepared(ground, paperwork, signer).await
}

/// Stores the bytes to be signed, rehearsed, unless some are there; gives those that are there.
pub(crate) async fn prepare(
    ground: Ground<'_>,
    paperwork: Paperwork<'_>,
    issuer: Option<&Issuer>,
    make: impl Fn() -> Result<TbsCertificate, x509::Error>,
) -> Result<Vec<u8>> {
    if let Some(stored) = load(ground.db, paperwork.label).await? {
        return Ok(stored.tbs);
    }
    let made = make()?;
    rehearse(&made, issuer, ground.random).await?;
    store_tbs(ground, paperwork, &made).await?;
    // Another process may have stored its own at the same moment: what stands in the database counts.
    Ok(load(ground.db, paperwork.label).await?.ok_or(NpcError::Inconsistent("authority"))?.tbs)
}

/// Signs what was prepared, unless it is signed.
pub(crate) async fn sign_prepared(
    ground: Ground<'_>,
    paperwork: Paperwork<'_>,
    signer: &Arc<dyn Signer>,
) -> Result<Certificate> {
    let label = paperwork.label;
    let stored = load(ground.db, label).await?.ok_or(NpcError::Inconsistent("authority"))?;
    if let Some(der) = stored.der {
        return Ok(Certificate::parse(&der)?);
    }
    let kind = Kind::from_name(&stored.profile).ok_or(NpcError::Inconsistent("profile"))?;
    let tbs = TbsCertificate::from_stored(kind, &stored.tbs)?;
    let certificate = sign_certificate(tbs, signer.clone()).await?;
    let sql = "UPDATE authority SET der = $2 WHERE label = $1 AND der IS NULL";
    ground.db.execute(sql, params![label, certificate.der()]).await?;
    // An elliptic-curve signature is another one each time: again, the database's counts.
    match load(ground.db, label).await? {
        Some(Stored { der: Some(der), .. }) => Ok(Certificate::parse(&der)?),
        _ => Err(NpcError::Inconsistent("authority")),
    }
}

async fn store_tbs(ground: Ground<'_>, paperwork: Paperwork<'_>, tbs: &TbsCertificate) -> Result<()> {
    let parsed = parse_tbs(tbs)?;
    let Paperwork { label, issuer, withheld } = paperwork;
    transaction!(ground.db, |tx| {
        let sql = "INSERT INTO authority (label, profile, not_after, tbs, issuer, withheld) \
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        let values = params![
            label,
            tbs.kind().name(),
            parsed.validity().not_after(),
            tbs.tbs_der(),
            i64::from(issuer),
            i64::from(withheld)
        ];
        if tx.execute(sql, values).await? == 1 {
            let event = audit::Event {
                at: ground.now,
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
pub(crate) fn parse_tbs(tbs: &TbsCertificate) -> Result<Certificate> {
    Ok(Certificate::parse(&certificate::assemble(tbs.tbs_der(), tbs.algorithm(), &[]))?)
}

/// A row of the table of the CA's own certificates.
pub(crate) struct Stored {
    pub(crate) profile: String,
    pub(crate) tbs: Vec<u8>,
    pub(crate) der: Option<Vec<u8>>,
    pub(crate) issuer: u32,
}

pub(crate) async fn load(db: &Db, label: &str) -> Result<Option<Stored>> {
    let sql = "SELECT profile, tbs, der, issuer FROM authority WHERE label = $1";
    let Some(row) = db.optional(sql, params![label]).await? else { return Ok(None) };
    let (profile, tbs, der, issuer) = (row.read(0)?, row.read(1)?, row.read(2)?, row.read(3)?);
    Ok(Some(Stored { profile, tbs, der, issuer }))
}

/// The signed certificates of CAs, with those that other CAs issued to this one.
async fn papers(db: &Db) -> Result<BTreeMap<String, Paper>> {
    let sql = "SELECT label, profile, der FROM authority WHERE der IS NOT NULL AND withheld = 0";
    let mut papers = BTreeMap::new();
    for row in db.all(sql, params![]).await? {
        let profile: String = row.read("profile")?;
        if Kind::from_name(&profile).is_none_or(Kind::is_ca) {
            let certificate = Certificate::parse(&row.read::<Vec<u8>>("der")?)?;
            papers.insert(row.read("label")?, Paper { profile, certificate });
        }
    }
    Ok(papers)
}

/// The number of a service that is to serve now: the newest whose key is in this store, or one more than any has if none of those
/// has a third of its time left. `last` is the end of the CA that would certify it; where that is over, the newest stays. Sites with a module each have services of their own: what is made later than the copy of the
/// module serves where it was made (NPC-14).
async fn next_number(
    ground: Ground<'_>,
    kind: Kind,
    generation: Option<u32>,
    lifetime: SignedDuration,
    last: Timestamp,
) -> Result<u32> {
    let sql = "SELECT label, not_after FROM authority WHERE profile = $1 AND ($2 = 0 OR issuer = $2) \
        ORDER BY not_after DESC";
    let values = params![kind.name(), i64::from(generation.unwrap_or(0))];
    let mut highest = 0;
    let mut serving = None;
    for row in ground.db.all(sql, values).await? {
        let label: String = row.read("label")?;
        let number = label.rsplit('-').next().and_then(|number| number.parse::<u32>().ok());
        let number = number.ok_or(NpcError::Inconsistent("number of a service"))?;
        highest = highest.max(number);
        let over = ground.now.as_second() > last.as_second();
        let serves = over || serves_on(row.read("not_after")?, lifetime, last, ground.now);
        if serving.is_none() && serves && has_key(ground, &label, kind).await? {
            serving = Some(number);
        }
    }
    Ok(serving.unwrap_or(highest + 1))
}

/// Whether a service goes on with the certificate it has, until `not_after`: a third of its time is left, or it ends with its CA,
/// at `last`, and a new one would last no longer.
fn serves_on(not_after: Timestamp, lifetime: SignedDuration, last: Timestamp, now: Timestamp) -> bool {
    let left = not_after.duration_since(now);
    left > lifetime / 3 || (not_after >= last && !left.is_negative())
}

/// Whether the last second of a certificate is over.
pub(crate) fn has_ended(certificate: &Certificate, now: Timestamp) -> bool {
    now.as_second() > certificate.validity().not_after().as_second()
}

/// Whether the key of a service's certificate is in this store.
async fn has_key(ground: Ground<'_>, label: &str, kind: Kind) -> Result<bool> {
    let purpose = match kind {
        Kind::OcspResponder => Purpose::OcspResponder,
        Kind::TimestampAuthority => Purpose::TimeStamp,
        _ => Purpose::Message,
    };
    let Some(stored) = load(ground.db, label).await? else { return Ok(false) };
    let certificate = match stored.der {
        Some(der) => Certificate::parse(&der)?,
        None => parse_tbs(&TbsCertificate::from_stored(kind, &stored.tbs)?)?,
    };
    match find_signer(ground.keys, label, purpose).await {
        Ok(signer) => Ok(signer.spki() == certificate.spki()),
        // Of two under one label nobody can tell which is the certificate's.
        Err(NpcError::Keys(keys::KeyError::Missing(_) | keys::KeyError::Ambiguous(_))) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(crate) fn party(certificate: Certificate, signer: Arc<dyn Signer>) -> Result<Party> {
    let issuer = Issuer::new(&certificate, signer.as_ref())?;
    Ok(Party { certificate, issuer, signer })
}

/// The key of a service: as it is in the store, or made now. A token looks and makes in two calls, so processes that share one, whose
/// services are due at the same moment, do so one after the other: two keys under one label could not be told apart. None where two
/// are there all the same: the number is spent.
async fn service_key(ground: Ground<'_>, label: &str, purpose: Purpose) -> Result<Option<KeyInfo>> {
    let kind = KeyKind::Ec(Curve::P256);
    let make = || {
        let label = label.to_owned();
        ask_token(ground.keys, move |keys| keys.generate(&label, kind, purpose))
    };
    let made = match find_signer(ground.keys, label, purpose).await {
        Err(NpcError::Keys(keys::KeyError::Missing(_))) => {
            transaction!(ground.db, |tx| {
                // Whoever else makes one waits here.
                tx.execute_one("UPDATE counter SET value = value WHERE name = 'authority'", params![])
                    .await?;
                // Whoever writes waits for this: what a token that hangs makes later is found under its label.
                make().await
            })
        }
        Err(error @ NpcError::Keys(keys::KeyError::Token(_) | keys::KeyError::TokenGone(_))) => Err(error),
        _ => make().await,
    };
    match made {
        Ok(key) => Ok(Some(key)),
        Err(NpcError::Keys(error @ keys::KeyError::Ambiguous(_))) => {
            tracing::warn!(code = error.code(), label, "the next number is taken");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// How long a token may take for the key of a service, or for a signature on its certificate: the database may wait, or whoever wants
/// to be served.
const KEY_WITHIN: Duration = Duration::from_secs(5);

/// Questions to tokens that hang hold a thread each until they are answered: no more than these.
static ASKED: Semaphore = Semaphore::const_new(8);

/// Asks a key store that may be a token, which is given up when it hangs.
async fn ask_token<T: Send + 'static>(
    keys: &Arc<dyn KeyStore>,
    ask: impl FnOnce(&dyn KeyStore) -> keys::Result<T> + Send + 'static,
) -> Result<T> {
    let keys = keys.clone();
    Ok(in_time(move || ask(keys.as_ref())).await??)
}

/// Does what a token may never end, beside the threads that serve requests; it is given up after [`KEY_WITHIN`].
async fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = async {
        let place = ASKED.acquire().await.map_err(|_| NpcError::Died)?;
        off_thread(move || {
            let _place = place;
            work()
        })
        .await
    };
    let late = || keys::KeyError::Token("no answer of the token in five seconds".to_owned());
    tokio::time::timeout(KEY_WITHIN, done).await.unwrap_or_else(|_| Err(late().into()))
}

/// What signs with a key that is there.
async fn find_signer(keys: &Arc<dyn KeyStore>, label: &str, purpose: Purpose) -> Result<Arc<dyn Signer>> {
    let label = label.to_owned();
    ask_token(keys, move |keys| keys.signer(&label, purpose)).await
}

/// The key of a CA: as it is in the store, or made now, which may take its time.
async fn ca_key(ground: Ground<'_>, label: &str, kind: KeyKind) -> Result<KeyInfo> {
    let purpose = Purpose::CertificateAuthority;
    match find_signer(ground.keys, label, purpose).await {
        Err(NpcError::Keys(keys::KeyError::Missing(_))) => generate(ground.keys, label, kind, purpose).await,
        Err(error) => Err(error),
        Ok(_) => {
            let label = label.to_owned();
            ask_token(ground.keys, move |keys| keys.generate(&label, kind, purpose)).await
        }
    }
}

/// Key generation takes seconds: not on a thread that serves requests.
pub(crate) async fn generate(
    keys: &Arc<dyn KeyStore>,
    label: &str,
    kind: KeyKind,
    purpose: Purpose,
) -> Result<KeyInfo> {
    let (keys, label) = (keys.clone(), label.to_owned());
    Ok(off_thread(move || keys.generate(&label, kind, purpose)).await??)
}

/// Signs a stored certificate; the signer may be a token that takes its time.
pub(crate) async fn sign_certificate(tbs: TbsCertificate, signer: Arc<dyn Signer>) -> Result<Certificate> {
    Ok(in_time(move || certificate::issue(&tbs, signer.as_ref())).await??)
}

pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| NpcError::Died)
}

pub(crate) fn new_serial(random: &Mutex<Box<dyn Random + Send>>) -> Serial {
    Serial::random(random.lock().unwrap_or_else(PoisonError::into_inner).as_mut())
}

fn years(ground: Ground<'_>, years: u32, within: Option<&Certificate>) -> Result<Validity, x509::Error> {
    // A year of 365.25 days: nobody counts on the day a CA ends.
    let (begin, end) = (ground.now - ground.config.backdate, ground.now + crate::policy::years(years));
    match within.map(Certificate::validity) {
        None => Validity::new(begin, end),
        Some(above) => Validity::new(begin.max(above.not_before()), end.min(above.not_after())),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn label(prefix: &str, number: u32) -> String {
    format!("{prefix}-{number}")
}

/// The label of a root, under which its certificate is published too.
pub(crate) fn root_label(number: u32) -> String {
    if number == 1 { ROOT.to_owned() } else { format!("{ROOT}-g{number}") }
}

/// The label of a generation.
pub(crate) fn ca_label(number: u32) -> String {
    if number == 1 { CA.to_owned() } else { format!("{CA}-g{number}") }
}

pub(crate) fn responder_prefix(generation: u32) -> String {
    if generation == 1 { OCSP.to_owned() } else { format!("{OCSP}-g{generation}") }
}

/// The kind of key of a root whose key is another's.
pub(crate) const FOREIGN: &str = "foreign";

/// The profile under which the certificates of CAs stand that are above an authority taken over and are no roots.
pub(crate) const FOREIGN_CHAIN: &str = "foreign-chain";

const ROOT: &str = "npc-root";
const CA: &str = "npc-ca";
const OCSP: &str = "npc-ocsp";
const TSA: &str = "npc-tsa";
const STATUS: &str = "npc-status";
const CMP: &str = "npc-cmp";

/// How often somebody's question about what is not known may ask the database.
const LOOK: SignedDuration = SignedDuration::from_secs(1);
