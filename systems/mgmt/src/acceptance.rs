//! The holder accepts the certificates (確認並接受, NPC-39): their content stands on the collection confirmation; whoever receives it
//! confirms it, or does not object to it. An objection revokes them. It is possible until the holder has set the PINs: whoever
//! begins to use certificates has accepted them, and ends them by a revocation (NPC-48).

use jiff::Timestamp;
use model::{CardSerial, KeySlot, RevocationReason};
use serde_json::json;
use store::{Tx, params};

use crate::books::{CardEntry, card, log, parse, parse_optional, stamp};
use crate::service::Mgmt;
use crate::{MgmtError, Refusal};

/// What a certificate says, as it is printed on the collection confirmation. Names a person: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateContent {
    /// Which key of the card.
    pub slot: KeySlot,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// Its subject.
    pub subject: String,
    /// Its first moment.
    pub not_before: Timestamp,
    /// Its last moment.
    pub not_after: Timestamp,
}

/// How the certificates of a card were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// The confirmation was received and nothing said against it.
    NotObjected,
    /// The holder confirmed the content.
    Confirmed,
    /// The holder objected, and they were revoked.
    Objected,
}

impl Acceptance {
    const ALL: [Self; 3] = [Self::NotObjected, Self::Confirmed, Self::Objected];

    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotObjected => "not-objected",
            Self::Confirmed => "confirmed",
            Self::Objected => "objected",
        }
    }
}

impl std::str::FromStr for Acceptance {
    type Err = MgmtError;

    fn from_str(text: &str) -> Result<Self, MgmtError> {
        let found = Self::ALL.into_iter().find(|answer| answer.as_str() == text);
        found.ok_or(MgmtError::Data("acceptance"))
    }
}

impl Mgmt {
    /// Notes that the holder confirms the content of the certificates, or objects to it, which revokes them. Once.
    pub async fn answer_certificates(
        &self,
        serial: CardSerial,
        accepted: bool,
        clerk: &str,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let answer = if accepted { Acceptance::Confirmed } else { Acceptance::Objected };
        store::transaction!(self.db, |tx| {
            let entry = card(tx, serial).await?;
            if !accepted && entry.pins_set.is_some() {
                return Err(MgmtError::from(Refusal::WrongState));
            }
            let sql = "UPDATE certificate_acceptance SET answer = $2, answered_at = $3, answered_by = $4 \
                WHERE serial = $1 AND answered_at IS NULL";
            if tx.execute(sql, params![serial.as_str(), answer.as_str(), now, clerk]).await? != 1 {
                return Err(Refusal::WrongState.into());
            }
            let action = if accepted { "certificates-accept" } else { "certificates-object" };
            log(tx, &stamp(now, clerk), action, serial.as_str(), json!({})).await?;
            if !accepted {
                self.revoke_in(tx, entry, RevocationReason::Superseded, now).await?;
            }
            Ok(())
        })?;
        self.follow_now(serial, now).await
    }

    /// How the certificates of a card were accepted; `None` for a card that was not handed over with certificates.
    pub async fn acceptance(&self, serial: CardSerial) -> Result<Option<Acceptance>, MgmtError> {
        let sql = "SELECT answer FROM certificate_acceptance WHERE serial = $1";
        let row = self.db.optional(sql, params![serial.as_str()]).await?;
        row.map(|row| parse(&row, "answer")).transpose()
    }

    /// The content of the certificates of a card, for its confirmation.
    pub(crate) async fn certificate_contents(
        &self,
        serial: CardSerial,
    ) -> Result<Vec<CertificateContent>, MgmtError> {
        const BROKEN: MgmtError = MgmtError::Data("certificate");
        let mut contents = Vec::new();
        for (slot, der) in self.certificates(serial).await? {
            let certificate = x509::Certificate::parse(&der).map_err(|_| BROKEN)?;
            let octets = certificate.serial_octets();
            contents.push(CertificateContent {
                slot,
                serial: octets.iter().map(|byte| format!("{byte:02x}")).collect(),
                subject: certificate.subject_name().map_err(|_| BROKEN)?.to_string(),
                not_before: certificate.validity().not_before(),
                not_after: certificate.validity().not_after(),
            });
        }
        Ok(contents)
    }
}

/// With the hand-over the confirmation is received: the certificates on it are accepted unless the holder objects.
pub(crate) async fn received(
    tx: &mut Tx,
    entry: &CardEntry,
    clerk: &str,
    now: Timestamp,
) -> Result<bool, MgmtError> {
    let sql = "SELECT revoked FROM card WHERE serial = $1";
    let row = tx.one(sql, params![entry.serial.as_str()]).await?;
    if !entry.certificate || parse_optional::<RevocationReason>(&row, "revoked")?.is_some() {
        return Ok(false);
    }
    tx.execute_one(
        "INSERT INTO certificate_acceptance (serial, answer, received_at, received_by) VALUES ($1, $2, $3, $4)",
        params![entry.serial.as_str(), Acceptance::NotObjected.as_str(), now, clerk],
    )
    .await?;
    Ok(true)
}
