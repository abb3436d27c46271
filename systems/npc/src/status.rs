//! Suspending, resuming, revoking; holder numbers; and the trait other systems use.

use async_trait::async_trait;
use jiff::Timestamp;
use model::lifecycle::Stamp;
use model::{CardSerial, CertificateState, RevocationReason, RocDate, SuspensionCause};
use serde_json::{Value, json};
use store::{Tx, new_id, params, transaction};
use x509::Serial;

use crate::authority::hex;
use crate::feed::next_number;
use crate::row::{CertificateRow, StateColumns, select_certificate};
use crate::switch::ISSUING;
use crate::{
    Carrier, CertificateAuthority, IssueRequest, IssuedCertificate, Npc, NpcError, Receipt, Result, SYSTEM,
};

#[async_trait]
impl CertificateAuthority for Npc {
    async fn holder_number(&self, person: &[u8; 32], now: Timestamp) -> Result<String> {
        let candidate = self.candidate_number();
        transaction!(self.db, |tx| {
            let known = tx.optional("SELECT number FROM holder WHERE person = $1", params![person]).await?;
            if let Some(row) = known {
                return Ok(row.read(0)?);
            }
            let sql = "INSERT INTO holder (person, number) VALUES ($1, $2)";
            tx.execute_one(sql, params![person, &candidate]).await?;
            self.audit(tx, "holder-number", "holder", SYSTEM, json!({}), now).await?;
            Ok(candidate.clone())
        })
    }

    async fn issue(&self, request: &IssueRequest, now: Timestamp) -> Result<IssuedCertificate> {
        let mut answers = self.issue_certificates(std::slice::from_ref(request), now).await;
        answers.pop().unwrap_or(Err(NpcError::Died))
    }

    async fn issue_many(&self, requests: &[IssueRequest], now: Timestamp) -> Vec<Result<IssuedCertificate>> {
        self.issue_certificates(requests, now).await
    }

    async fn check_many(&self, requests: &[IssueRequest], now: Timestamp) -> Vec<Result<()>> {
        self.check_certificates(requests, now).await
    }

    async fn suspend(
        &self,
        card: CardSerial,
        cause: SuspensionCause,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt> {
        self.suspend_which(Which::Card(card), cause, actor, now).await
    }

    async fn resume(
        &self,
        card: CardSerial,
        cause: SuspensionCause,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt> {
        self.resume_which(Which::Card(card), cause, actor, now).await
    }

    async fn revoke(
        &self,
        card: CardSerial,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt> {
        self.revoke_which(Which::Card(card), reason, actor, now).await
    }

    async fn revoke_certificate(
        &self,
        serial: &Serial,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt> {
        self.revoke_which(Which::One(*serial), reason, actor, now).await
    }

    async fn certificates_of(&self, card: CardSerial, now: Timestamp) -> Result<Vec<IssuedCertificate>> {
        let sql = select_certificate!("card = $1 AND der IS NOT NULL ORDER BY slot");
        let rows = self.db.all(sql, params![card.as_str()]).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut row = CertificateRow::read(row)?;
            row.state = at_time(row.state, row.validity.not_after, now);
            found.extend(row.issued());
        }
        Ok(found)
    }

    async fn publish(
        &self,
        card: CardSerial,
        published: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt> {
        self.change_publication(card, published, actor, now).await
    }

    async fn is_published(&self, card: CardSerial) -> Result<bool> {
        self.card_is_published(card).await
    }

    async fn certificate(&self, serial: &Serial, now: Timestamp) -> Result<Option<IssuedCertificate>> {
        let sql = select_certificate!("serial = $1 AND der IS NOT NULL");
        let Some(row) = self.db.optional(sql, params![serial.octets()]).await? else { return Ok(None) };
        let mut row = CertificateRow::read(&row)?;
        row.state = at_time(row.state, row.validity.not_after, now);
        Ok(row.issued())
    }

    async fn status(&self, serial: &Serial, now: Timestamp) -> Result<Option<CertificateState>> {
        Ok(self.certificate(serial, now).await?.map(|certificate| certificate.state))
    }

    async fn issuing_is_stopped(&self) -> Result<bool> {
        self.is_stopped(&ISSUING).await
    }

    async fn rest_on(
        &self,
        device: CardSerial,
        primary: CardSerial,
        holder_no: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<RocDate> {
        self.rest_device(device, primary, holder_no, actor, now).await
    }

    async fn carrier_fee(&self, carrier: Carrier) -> Result<u32> {
        match carrier {
            Carrier::CertificateCard | Carrier::ForeignResidentCard => Ok(self.policy().await?.1.carrier_fee),
            // A New eID is management's to charge for, and a virtual smart card is no thing.
            Carrier::NewEid | Carrier::VirtualSmartCard => Ok(0),
        }
    }

    async fn chain_of(&self, certificate: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        Ok(self.authority().chain_of(&x509::Certificate::parse(certificate)?))
    }
}

/// What changes.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    /// All certificates of a card.
    Card(CardSerial),
    /// One certificate.
    One(Serial),
}

/// How a change is written down.
struct Change {
    action: &'static str,
    kind: &'static str,
    detail: Value,
}

/// On whose behalf certificates change, when, and by which incident.
#[derive(Clone, Copy)]
pub(crate) struct Why<'a> {
    pub(crate) actor: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) incident: Option<u64>,
}

fn revocation(reason: RevocationReason) -> Change {
    Change { action: "certificate-revoke", kind: "revoke", detail: json!({ "reason": reason.as_str() }) }
}

/// The state allows no change any more, which the caller must hear.
struct Final;

type Step = Result<Option<(CertificateState, model::certificate::CertificateEvent)>, Final>;

impl Npc {
    pub(crate) async fn suspend_which(
        &self,
        which: Which,
        cause: SuspensionCause,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt> {
        not_of_an_incident(cause)?;
        let change = Change {
            action: "certificate-suspend",
            kind: "suspend",
            detail: json!({ "cause": cause.as_str() }),
        };
        self.change(which, actor, now, change, |state, stamp| match state {
            CertificateState::Suspended { causes } if causes.contains_key(&cause) => Ok(None),
            CertificateState::Good | CertificateState::Suspended { .. } => {
                Ok(state.suspend(cause, stamp).ok())
            }
            _ => Ok(None),
        })
        .await
    }

    pub(crate) async fn resume_which(
        &self,
        which: Which,
        cause: SuspensionCause,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt> {
        not_of_an_incident(cause)?;
        let change = Change {
            action: "certificate-resume",
            kind: "resume",
            detail: json!({ "cause": cause.as_str() }),
        };
        self.change(which, actor, now, change, |state, stamp| match state {
            CertificateState::Revoked { .. } => Err(Final),
            CertificateState::Suspended { .. } => Ok(state.resume(cause, stamp).ok()),
            _ => Ok(None),
        })
        .await
    }

    pub(crate) async fn revoke_which(
        &self,
        which: Which,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt> {
        let change = revocation(reason);
        self.change(which, actor, now, change, |state, stamp| Ok(state.revoke(reason, stamp).ok())).await
    }

    /// The same within a transaction of the caller's, who tells of it afterwards ([`Self::tell_changes`]).
    pub(crate) async fn revoke_in(
        &self,
        tx: &mut Tx,
        which: Which,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<Receipt> {
        let step = |state: CertificateState, stamp| -> Step { Ok(state.revoke(reason, stamp).ok()) };
        self.change_in(tx, which, actor, now, &revocation(reason), &step).await
    }

    /// Applies `step` to every certificate concerned in one transaction, with events, counters of the lists and one audit
    /// entry. `Ok(None)` leaves a certificate as it is.
    async fn change(
        &self,
        which: Which,
        actor: &str,
        now: Timestamp,
        change: Change,
        step: impl Fn(CertificateState, Stamp) -> Step + Send + Sync,
    ) -> Result<Receipt> {
        let receipt =
            transaction!(self.db, |tx| self.change_in(tx, which, actor, now, &change, &step).await)?;
        // Whoever hears of the change finds it in every answer of this process.
        self.tell_changes(now).await;
        Ok(receipt)
    }

    /// The same within a transaction.
    async fn change_in(
        &self,
        tx: &mut Tx,
        which: Which,
        actor: &str,
        now: Timestamp,
        change: &Change,
        step: &(impl Fn(CertificateState, Stamp) -> Step + Send + Sync),
    ) -> Result<Receipt> {
        // Taken before anything is read: what rests on this card is issued before this or after it.
        audit::append_all(tx, &[]).await?;
        let rows = match which {
            Which::Card(card) => {
                tx.all(select_certificate!("card = $1 ORDER BY slot"), params![card.as_str()]).await?
            }
            Which::One(serial) => {
                let sql = select_certificate!("serial = $1 AND der IS NOT NULL");
                tx.all(sql, params![serial.octets()]).await?
            }
        };
        let card = match (which, rows.first()) {
            (Which::Card(card), Some(_)) => card,
            (Which::One(_), Some(row)) => CertificateRow::read(row)?.card,
            (Which::Card(card), None) => return Err(NpcError::NoCertificate(card.as_str().to_owned())),
            (Which::One(serial), None) => return Err(NpcError::NoCertificate(hex(serial.octets()))),
        };
        let why = Why { actor, at: now, incident: None };
        let (mut changed, mut refused) = (Vec::new(), 0);
        for row in &rows {
            let row = CertificateRow::read(row)?;
            let state = at_time(row.state, row.validity.not_after, now);
            match step(state, Stamp::new(now, actor, SYSTEM)) {
                Ok(None) => {}
                Err(Final) => refused += 1,
                Ok(Some((state, _event))) => {
                    self.write_state(tx, &row.serial, &state, change.kind, &why).await?;
                    changed.push(row.serial);
                }
            }
        }
        changed.extend(self.follow(tx, card, &why).await?);
        if let (Which::Card(card), "revoke") = (which, change.kind) {
            // Nothing more is issued for this card, and no name waits for it.
            tx.execute("DELETE FROM enrolment WHERE card = $1", params![card.as_str()]).await?;
        }
        if refused == rows.len() {
            return Err(NpcError::Revoked(card.as_str().to_owned()));
        }
        let mut detail = change.detail.clone();
        detail["changed"] = changed.iter().map(|serial| hex(serial.octets())).collect();
        let head = self.audit(tx, change.action, card.as_str(), actor, detail, now).await?;
        Ok(Receipt { number: format!("NPC-{:010}", head.seq), changed })
    }

    pub(crate) async fn write_state(
        &self,
        tx: &mut Tx,
        serial: &Serial,
        state: &CertificateState,
        kind: &str,
        why: &Why<'_>,
    ) -> Result<()> {
        let seq = next_number(tx, "state", 1).await?;
        let columns = StateColumns::of_change(state, why.at)?;
        tx.execute_one(
            "UPDATE certificate_state SET state = $2, status = $3, status_at = $4, reason = $5, state_seq = $6 \
             WHERE serial = $1",
            params![serial.octets(), &columns.state, columns.status, columns.at, columns.reason, seq as i64],
        )
        .await?;
        let id = new_id(why.at, self.random().as_mut());
        let incident = why.incident.map(|number| number as i64);
        tx.execute_one(
            "INSERT INTO event (id, serial, at, actor, kind, state, incident) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            params![id, serial.octets(), why.at, why.actor, kind, &columns.state, incident],
        )
        .await?;
        Ok(())
    }

    /// What was just changed is told from now on. If it cannot be read now, it is read before the next answer.
    pub(crate) async fn tell_changes(&self, now: Timestamp) {
        let read = self.read_changes(now).await;
        self.doubt_what_is_known(read);
    }

    /// The same for certificates that have come into being, up to the change with this number.
    pub(crate) async fn tell_changes_to(&self, change: u64, now: Timestamp) {
        let read = self.read_changes_to(change, now).await;
        self.doubt_what_is_known(read);
    }

    fn doubt_what_is_known(&self, read: Result<()>) {
        if let Err(error) = read {
            tracing::warn!(code = error.code(), "a change is not told yet");
            self.feed.doubt();
        }
    }

    /// 16 random digits; the table refuses one that is taken, which the next attempt mends.
    pub(crate) fn candidate_number(&self) -> String {
        let mut bytes = [0; 16];
        self.random().fill(&mut bytes);
        format!("{:016}", u128::from_be_bytes(bytes) % 10_000_000_000_000_000)
    }
}

/// What two persons decide for a cohort, no caller decides for a card.
fn not_of_an_incident(cause: SuspensionCause) -> Result<()> {
    match cause {
        SuspensionCause::Incident => Err(NpcError::Request("an incident holds and lets go by two persons")),
        _ => Ok(()),
    }
}

/// The state as it is at `now`: what is not revoked ends with its last second.
pub(crate) fn at_time(state: CertificateState, not_after: Timestamp, now: Timestamp) -> CertificateState {
    match state {
        CertificateState::Good | CertificateState::Suspended { .. }
            if now.as_second() > not_after.as_second() =>
        {
            CertificateState::Expired
        }
        state => state,
    }
}
