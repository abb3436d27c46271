//! The natural-person certification authority (自然人憑證): root, issuing CA, the citizens' certificates, and their status:
//! revocation lists, OCSP, a revocation filter, time stamps, and a status list of cards without certificate.
//!
//! Everything another system asks of the CA goes through the trait [`CertificateAuthority`], which [`Npc`] implements on
//! a database and a key store. Relying parties use [`router`], the HTTP side. The order in which things are stored and
//! signed is written down in `docs/issuance-cycle.md`: nothing is signed before it is stored, so a CA killed at any
//! point signs the same bytes again and a card's slot never has two certificates.
//!
//! The CA knows no person: a certificate has a name, the last four characters of the identification number and a holder
//! number; who the holder is stays in the management system, which gives a keyed hash of the person.
//!
//! What this crate leaves out: who may ask for what (the registration authority's functions, the management system's
//! approvals) and eligibility of the applicant.

mod api;
mod authority;
mod batch;
mod ceremony;
mod cmp;
mod cohort;
mod common_factor;
mod compress;
mod config;
mod cps;
mod crl;
mod delta;
mod derived;
mod documents;
mod drill;
mod error;
mod feed;
mod gone_back;
mod hold;
mod http;
mod issue;
mod moduli;
mod ocsp;
mod overview;
mod policy;
mod population;
mod queue;
mod rehearse;
mod repository;
mod request;
mod row;
mod schema;
mod status;
mod switch;
mod timestamp;
mod weak_key;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use curve::Random;
use jiff::Timestamp;
use keys::KeyStore;
use store::Db;
use x509::Certificate;

pub use api::{Carrier, CertificateAuthority, IssueRequest, IssuedCertificate, Period, Receipt};
pub use authority::CaCertificates;
pub use ceremony::{
    Abandonment, Adopted, Adoption, Belongings, Ceremony, Done, Finding, Founding, Hands, KeySource, Plan,
    Provisions, Record, Serves, Step, certificates_in,
};
pub use cmp::{Enrolment, Peer, RaProposal, RegistrationAuthority};
pub use cohort::{Cohort, Incident, Listed, Measure};
pub use config::{NpcConfig, Urls};
pub use crl::{List, PublishedCrl, Scope};
pub use documents::PublishedDocument;
pub use drill::DrillLot;
pub use error::NpcError;
pub use http::{Clock, router};
pub use moduli::{CommonFactor, Compared};
#[doc(hidden)]
pub use overview::PAGE_QUERIES;
pub use overview::{AuthorityEntry, Found, Happened, Issued, Published, RecentlyIssued, Waiting};
pub use policy::{CertifiedModule, Delegated, Policy, PolicyVersion};
pub use population::{Change, Population};
pub use queue::{ClassReport, Queue, QueueCounts, QueuePlan, Queued};
pub use weak_key::Weakness;

use authority::{Authority, Ground};
use population::Populations;

/// What a call of this crate returns.
pub type Result<T, E = NpcError> = std::result::Result<T, E>;

/// The certification authority.
pub struct Npc {
    db: Db,
    keys: Arc<dyn KeyStore>,
    config: NpcConfig,
    random: Mutex<Box<dyn Random + Send>>,
    authority: RwLock<Arc<Authority>>,
    populations: Arc<RwLock<Populations>>,
    // When somebody last asked about a generation that is not known.
    followed: Mutex<Option<Timestamp>>,
    feed: feed::Feed,
    crls: crl::Cache,
    ocsp: ocsp::Cache,
    on_demand: ocsp::Admission,
    first_asked: ocsp::Admission,
    cmp_door: cmp::Door,
    stamper: timestamp::Stamper,
    documents: documents::Documents,
    moduli: Mutex<weak_key::SeenModuli>,
    desk: Arc<issue::Desk>,
    addresses: http::Addresses,
}

impl Npc {
    /// Opens the CA on its database. The first time it makes root, issuing CA and OCSP responder, unless persons found the
    /// hierarchy by a ceremony ([`Founding`]): then it opens once that is finished. After an interruption it goes on where it
    /// was, and signs what had been stored but not signed.
    ///
    /// Partitions, addresses and policy stand in every certificate: what the first run was given holds for ever, and a
    /// later `config` that says otherwise is overruled with a warning.
    pub async fn open(
        db: Db,
        keys: Arc<dyn KeyStore>,
        config: NpcConfig,
        random: Box<dyn Random + Send>,
        now: Timestamp,
    ) -> Result<Self> {
        migrate(&db).await?;
        let config = config.fixed_at_first_run(&db).await?;
        let random = Mutex::new(random);
        let (_, policy) = policy::in_force(&db, &config).await?;
        let years = policy.authority_periods();
        let ground = Ground { db: &db, keys: &keys, config: &config, random: &random, now, years };
        let authority = Authority::open(ground).await?;
        ceremony::founding::record_first_run(ground).await?;
        let mut populations = Populations::default();
        for generation in &authority.generations {
            populations.add(generation.number, generation.partitions);
        }
        let desk = issue::Desk::new(db.clone());
        let addresses = http::load_addresses(&db).await?;
        let npc = Self {
            db,
            keys,
            config,
            random,
            authority: RwLock::new(Arc::new(authority)),
            populations: Arc::new(RwLock::new(populations)),
            followed: Mutex::default(),
            feed: feed::Feed::default(),
            crls: crl::Cache::default(),
            ocsp: ocsp::Cache::default(),
            on_demand: ocsp::Admission::default(),
            first_asked: ocsp::Admission::default(),
            cmp_door: cmp::Door::default(),
            stamper: timestamp::Stamper::default(),
            documents: documents::Documents::default(),
            moduli: Mutex::default(),
            desk,
            addresses,
        };
        npc.load_population(now).await?;
        npc.remember_moduli().await?;
        npc.sign_what_is_stored(now).await?;
        Ok(npc)
    }

    /// What has to be done from time to time: leaves generations behind that have ended, renews the services' certificates, signs what waits for its
    /// signature since a token was away, learns of those of other sites, takes back what was not confirmed, goes on with interrupted
    /// incidents, makes every list and filter that is out of date or will be soon, and signs anew the OCSP
    /// answers that are asked for again and again. Call it every minute or so; several processes may.
    ///
    /// What one step cannot do does not keep the others from theirs: a list must not run out because an incident cannot go on. The
    /// first failure is the answer, and the next call tries again.
    pub async fn maintain(&self, now: Timestamp) -> Result<()> {
        let steps = [
            self.leave_ended(now).await,
            self.renew_services(now).await,
            self.sign_what_was_left(now).await,
            self.expire_transactions(now).await,
            self.work_incidents(now).await,
            self.follow_authority(now).await,
            self.note_last_ends().await,
            self.know_own_services().await,
            self.renew_due_lists(now).await,
            self.take_filters(now).await,
            self.keep_filter(now).await,
            self.refresh_answers(now).await,
        ];
        for error in steps.iter().filter_map(|step| step.as_ref().err()) {
            tracing::warn!(code = error.code(), "a part of the maintenance waits for the next turn");
        }
        steps.into_iter().collect()
    }

    /// The configuration in force.
    pub fn config(&self) -> &NpcConfig {
        &self.config
    }

    /// The certificates of the CA itself.
    pub fn ca_certificates(&self) -> CaCertificates {
        self.authority().certificates()
    }

    /// The certificate of the generation that issues.
    pub fn ca_certificate(&self) -> Certificate {
        self.authority().issuing.ca.certificate.clone()
    }

    /// Whether the CA that issues has ended at `now`: its services sign no more, until two persons have made the next generation.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        authority::has_ended(&self.authority().issuing.ca.certificate, now)
    }

    /// The number of the generation that issues.
    pub fn issuing_generation(&self) -> u32 {
        self.authority().issuing.number
    }

    /// Checks the audit chain; `kept` is a head noted down earlier.
    pub async fn verify_audit(&self, kept: Option<&audit::Head>) -> Result<audit::Head> {
        Ok(audit::verify(&self.db, kept).await?)
    }

    /// The database, for status pages and tests.
    pub fn db(&self) -> &Db {
        &self.db
    }

    fn authority(&self) -> Arc<Authority> {
        self.authority.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn random(&self) -> MutexGuard<'_, Box<dyn Random + Send>> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn migrate(db: &Db) -> Result<()> {
    db.migrate(&[
        audit::MIGRATION,
        schema::INIT,
        schema::STATUS,
        schema::COHORT,
        schema::REGISTRATION,
        schema::INCIDENT,
        schema::GENERATION,
        overview::OVERVIEW,
        repository::MIGRATION,
        schema::STATE,
        schema::QUEUE,
        schema::WITHHELD,
        policy::MIGRATION,
        schema::LISTED,
        schema::ADOPTED,
        schema::COMPLETE,
        derived::MIGRATION,
        schema::SELECTED,
        schema::CONCERNED,
        schema::ENROLLED,
        delta::MIGRATION,
        schema::UNSIGNED,
        schema::HELD,
        schema::HELD_APART,
        moduli::MIGRATION,
        cmp::rejected::MIGRATION,
        schema::RESUMED,
        cmp::REGISTRATION,
        cmp::CERT_REQ_ID,
        schema::IN_STEPS,
    ])
    .await?;
    Ok(())
}

/// The name of this system in events and audit entries.
const SYSTEM: &str = "npc";
