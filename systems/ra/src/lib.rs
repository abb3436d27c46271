//! The registration authority (註冊中心, RA) of the natural-person certificates: what counters, holders, callers and systems may ask, how
//! each is authorised, and what follows (NPC-43 to NPC-54).
//!
//! It stands between the CA ([`npc::CertificateAuthority`]) and the card management centre ([`mgmt::CardManagement`]) and has
//! tables of its own (NPC-11). Everything goes through [`Ra::act`]: the table [`functions::RULES`] says what is offered where,
//! the authorisation is checked, the request is stored under its number, the neighbours act, and the receipt is stored. A
//! request sent again gets the receipt it got, or is taken up where it stopped: every call to a neighbour may be repeated.
//!
//! Messages to holders wait in an outbox for the gateway that sends them ([`Ra::messages`]). Certificates of New eID whose
//! content changed come with a new card, because all of it is printed on the card. Certificate-only cards are issued here, and
//! what management does for New eID is done here for them: user code, contact, a second pair of keys.

mod act;
mod authorise;
mod barcode;
mod carrier;
mod certificate_card;
mod charges;
mod config;
mod error;
pub mod functions;
mod ics;
mod issue;
mod loss;
mod messages;
mod next_keys;
mod peers;
mod refused;
mod register;
mod rekey;
mod request;
mod schema;
mod virtual_card;

use std::sync::Arc;

use jiff::Timestamp;
use mgmt::{CardManagement, UserCodeHasher};
use npc::CertificateAuthority;
use registry::Register;
use sealed::{MasterKey, SharedRandom};
use serde_json::Value;
use store::{Db, Tx};

pub use act::{CertificateFacts, Done, HandedOver, Outcome};
pub use barcode::{Barcode, NoBarcode};
pub use carrier::{Ask, CarrierInquiry};
pub use charges::Charges;
pub use config::Config;
pub use error::{RaError, Refusal, golden_list};
pub use ics::{Firm, Inquiry, MAX_INQUIRY, Tally, UseClass};
pub use messages::{Message, Way};
pub use request::{Consent, Detail, Device, NewCard, NextKeys, Proof, Request};

/// What a call of this crate returns.
pub type Result<T, E = RaError> = std::result::Result<T, E>;

/// The registration authority.
#[derive(Clone)]
pub struct Ra {
    db: Db,
    management: Arc<dyn CardManagement>,
    authority: Arc<dyn CertificateAuthority>,
    register: Arc<dyn Register>,
    keys: MasterKey,
    hasher: UserCodeHasher,
    config: Config,
    random: SharedRandom,
}

impl Ra {
    /// Opens the registration authority on its own database.
    pub async fn open(
        db: Db,
        management: Arc<dyn CardManagement>,
        authority: Arc<dyn CertificateAuthority>,
        register: Arc<dyn Register>,
        keys: &MasterKey,
        config: Config,
        random: SharedRandom,
    ) -> Result<Self> {
        db.migrate(schema::MIGRATIONS).await?;
        let (keys, hasher) = (keys.derive("ra"), UserCodeHasher::new(config.user_code_cost));
        Ok(Self { db, management, authority, register, keys, hasher, config, random })
    }

    /// The database, for its audit chain.
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// Checks the audit chain.
    pub async fn verify_audit(&self) -> Result<audit::Head> {
        Ok(audit::verify(&self.db, None).await?)
    }

    async fn audit(
        &self,
        tx: &mut Tx,
        action: &str,
        subject: &str,
        actor: &str,
        detail: Value,
        now: Timestamp,
    ) -> Result<audit::Head> {
        let event = audit::Event { at: now, actor, system: SYSTEM, action, subject, detail };
        Ok(audit::append(tx, &event).await?)
    }
}

/// The name of this system in events, and the account under which it acts by itself.
const SYSTEM: &str = "ra";

impl std::fmt::Debug for Ra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ra(..)")
    }
}
