//! The management system: its parts, and how it is opened.

use std::sync::Arc;

use ::terminal::TrustStore;
use curve::Random;
use docsigner::DocumentSigning;
use eacpki::TerminalAuthorisation;
use jiff::Timestamp;
use npc::CertificateAuthority;
use production::CardCentre;
use registry::Register;
use sealed::SharedRandom;
use store::{Db, Tx, params};
use x509::crl::Crl;

use crate::schema::MIGRATIONS;
use crate::terminal::OfficeTerminal;
use crate::user_code::UserCodeHasher;
use crate::vault::MgmtKeys;
use crate::{Config, MgmtError};

/// The management system. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Mgmt {
    pub(crate) db: Db,
    pub(crate) register: Arc<dyn Register>,
    pub(crate) certificates: Arc<dyn CertificateAuthority>,
    pub(crate) signing: Arc<dyn DocumentSigning>,
    pub(crate) centre: Arc<dyn CardCentre>,
    pub(crate) authorisation: Arc<dyn TerminalAuthorisation>,
    pub(crate) terminal: Arc<OfficeTerminal>,
    pub(crate) chain: Arc<CaChain>,
    pub(crate) keys: MgmtKeys,
    pub(crate) config: Arc<Config>,
    pub(crate) hasher: UserCodeHasher,
    random: SharedRandom,
}

/// The systems that management works with, each behind the trait it publishes.
#[derive(Clone)]
pub struct Neighbours {
    /// The household register.
    pub register: Arc<dyn Register>,
    /// The certificate system.
    pub certificates: Arc<dyn CertificateAuthority>,
    /// The document signer.
    pub signing: Arc<dyn DocumentSigning>,
    /// The card centre.
    pub centre: Arc<dyn CardCentre>,
    /// The authorisation PKI: whose terminals the cards trust.
    pub authorisation: Arc<dyn TerminalAuthorisation>,
    /// The terminal with which the offices act on cards.
    pub terminal: Arc<OfficeTerminal>,
    /// The certificates above the citizens', which every card carries.
    pub chain: CaChain,
}

/// Root and issuing CA of the natural-person certificates (DER), for slots 5 and 6 of a card (CARD-38).
#[derive(Debug, Clone)]
pub struct CaChain {
    /// The root certificate.
    pub root: Vec<u8>,
    /// The intermediate certificate.
    pub intermediate: Vec<u8>,
}

impl Mgmt {
    /// Opens management on its own database.
    pub async fn open(
        db: Db,
        neighbours: Neighbours,
        keys: MgmtKeys,
        config: Config,
        random: SharedRandom,
    ) -> Result<Self, MgmtError> {
        db.migrate(MIGRATIONS).await?;
        let Neighbours { register, certificates, signing, centre, authorisation, terminal, chain } =
            neighbours;
        let hasher = UserCodeHasher::new(config.user_code_cost);
        Ok(Self {
            db,
            register,
            certificates,
            signing,
            centre,
            authorisation,
            terminal,
            chain: Arc::new(chain),
            keys,
            config: Arc::new(config),
            hasher,
            random,
        })
    }

    /// The terminal of the offices, for another management in the same country.
    pub fn terminal(&self) -> Arc<OfficeTerminal> {
        self.terminal.clone()
    }

    /// What verifies the cards of the country, at this moment.
    pub(crate) async fn trust(&self, now: Timestamp) -> Result<TrustStore, MgmtError> {
        let mut trust = TrustStore::new();
        for certificate in self.signing.csca_certificates().await? {
            trust.add_certificate(certificate);
        }
        let list = Crl::parse(&self.signing.csca_crl(now).await?);
        trust.add_crl(list.map_err(|_| MgmtError::Data("revocation list of the CSCA"))?);
        Ok(trust)
    }

    pub(crate) fn random(&self) -> SharedRandom {
        self.random.clone()
    }

    /// Queues a step for a worker, once: a second one with the same key is not added while the first waits.
    pub(crate) async fn queue(
        &self,
        tx: &mut Tx,
        queue: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let job = store::jobs::NewJob {
            queue,
            dedupe: Some(key),
            payload: key.as_bytes(),
            due: now,
            // LOSS-11: however long another system is away, no card's certificates wait for a person.
            most_attempts: if queue == CERTIFICATES { u32::MAX } else { MOST_ATTEMPTS },
        };
        store::jobs::enqueue(tx, job, now, &mut self.random()).await?;
        Ok(())
    }

    /// Random bytes.
    pub(crate) fn draw<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random().fill(&mut bytes);
        bytes
    }
}

impl std::fmt::Debug for Mgmt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mgmt(..)")
    }
}

/// Reads how far a sequence of another system was followed.
pub(crate) async fn bookmark(tx: &mut Tx, name: &str) -> Result<u64, MgmtError> {
    let row = tx.optional("SELECT position FROM bookmark WHERE name = $1", params![name]).await?;
    Ok(row.map(|row| row.read("position")).transpose()?.unwrap_or(0))
}

/// Stores how far a sequence of another system was followed.
pub(crate) async fn set_bookmark(tx: &mut Tx, name: &str, position: u64) -> Result<(), MgmtError> {
    let position = i64::try_from(position).map_err(|_| MgmtError::Data("bookmark"))?;
    tx.execute_one(
        "INSERT INTO bookmark (name, position) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET position = EXCLUDED.position",
        params![name, position],
    )
    .await?;
    Ok(())
}

/// A step that failed so often waits for a person.
const MOST_ATTEMPTS: u32 = 20;
/// Queue of cases in production, by case number.
pub(crate) const CASES: &str = "case";
/// Queue of cards whose certificates and mark in the register have to follow the card, by serial.
pub(crate) const CERTIFICATES: &str = "certificates";
/// Queue of cards that go back to the centre, by serial.
pub(crate) const RETURNS: &str = "return";
/// Queue of orders given up, by order number.
pub(crate) const CANCELS: &str = "cancel";
