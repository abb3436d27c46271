//! A certificate as it stands in its table.

use model::validity::Validity;
use model::{CardSerial, CertificateState, KeySlot};
use store::Row;
use uuid::Uuid;
use x509::Serial;
use x509::certificate::Kind;
use x509::crl::Reason;

use crate::{IssuedCertificate, NpcError, Result};

#[derive(Clone)]
pub(crate) struct CertificateRow {
    pub(crate) serial: Serial,
    /// The generation that issued it.
    pub(crate) issuer: u32,
    pub(crate) request_id: Uuid,
    pub(crate) request_hash: [u8; 32],
    pub(crate) card: CardSerial,
    pub(crate) slot: KeySlot,
    pub(crate) holder: String,
    pub(crate) kind: Kind,
    pub(crate) validity: Validity,
    pub(crate) tbs: Vec<u8>,
    pub(crate) der: Option<Vec<u8>>,
    pub(crate) state: CertificateState,
}

/// Selects everything [`CertificateRow`] reads; a condition follows.
macro_rules! select_certificate {
    ($($condition:expr),+) => {
        concat!(
            "SELECT serial, issuer, request_id, request_hash, card, slot, holder, profile, not_before, not_after, tbs, der, \
             state FROM certificate JOIN certificate_state USING (serial) WHERE ",
            $($condition),+
        )
    };
}
pub(crate) use select_certificate;

impl CertificateRow {
    pub(crate) fn read(row: &Row) -> Result<Self> {
        let card: String = row.read("card")?;
        let profile: String = row.read("profile")?;
        Ok(Self {
            serial: serial(row)?,
            issuer: row.read("issuer")?,
            request_id: row.read("request_id")?,
            request_hash: row.read("request_hash")?,
            card: card.parse().map_err(|_| NpcError::Inconsistent("card"))?,
            slot: slot_of(row)?,
            holder: row.read("holder")?,
            kind: Kind::from_name(&profile).ok_or(NpcError::Inconsistent("profile"))?,
            validity: Validity { not_before: row.read("not_before")?, not_after: row.read("not_after")? },
            tbs: row.read("tbs")?,
            der: row.read("der")?,
            state: parse_state(&row.read::<String>("state")?)?,
        })
    }

    /// The certificate, if it was signed.
    pub(crate) fn issued(self) -> Option<IssuedCertificate> {
        Some(IssuedCertificate {
            serial: self.serial,
            card: self.card,
            slot: self.slot,
            holder_no: self.holder,
            der: self.der?,
            validity: self.validity,
            state: self.state,
        })
    }
}

/// The slot that a certificate has, or had before it was refused ([`crate::cmp::rejected`]).
pub(crate) fn slot_of(row: &Row) -> Result<KeySlot> {
    let slot = row.read::<i64>("slot")? % FREED;
    u8::try_from(slot).ok().and_then(KeySlot::from_id).ok_or(NpcError::Inconsistent("slot"))
}

/// Slots are written below this; those of refused certificates above, with one more of it for each.
pub(crate) const FREED: i64 = 100;

pub(crate) fn serial(row: &Row) -> Result<Serial> {
    let octets: Vec<u8> = row.read("serial")?;
    Serial::from_octets(&octets).map_err(|_| NpcError::Inconsistent("serial"))
}

pub(crate) fn parse_state(text: &str) -> Result<CertificateState> {
    serde_json::from_str(text).map_err(|_| NpcError::Inconsistent("state"))
}

/// A state in its columns: text, and what lists and OCSP need of it.
#[derive(Clone)]
pub(crate) struct StateColumns {
    pub(crate) state: String,
    pub(crate) status: i64,
    pub(crate) at: jiff::Timestamp,
    pub(crate) reason: i64,
}

impl StateColumns {
    pub(crate) fn of(state: &CertificateState) -> Result<Self> {
        let (status, at, reason) = match state {
            CertificateState::Suspended { .. } => {
                (SUSPENDED, state.suspended_since(), Reason::CertificateHold.code())
            }
            CertificateState::Revoked { reason, at } => (REVOKED, Some(*at), reason.code()),
            CertificateState::Good | CertificateState::Expired => (GOOD, None, 0),
        };
        let text = serde_json::to_string(state).map_err(|_| NpcError::Inconsistent("state"))?;
        let at = at.unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Ok(Self { state: text, status, at, reason: i64::from(reason) })
    }

    /// The columns of a state that followed another at `now`. Of a good certificate that says since when it is good again: a list
    /// of before may name it, which whoever did not see it listed has no other way to know.
    pub(crate) fn of_change(state: &CertificateState, now: jiff::Timestamp) -> Result<Self> {
        let columns = Self::of(state)?;
        Ok(Self { at: if columns.status == GOOD { now } else { columns.at }, ..columns })
    }
}

pub(crate) const GOOD: i64 = 0;
pub(crate) const SUSPENDED: i64 = 1;
pub(crate) const REVOKED: i64 = 2;
