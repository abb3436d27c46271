//! Certificates for cards that carry nothing else (NPC-02, NPC-34, NPC-42): a clerk identified the person, the register or the
//! residence permit says who it is, the card's keys have signed the requests.

use curve::Hash;
use jiff::Timestamp;
use model::{CardSerial, KeySlot, RevocationReason, RocDate, SuspensionCause};
use npc::{Carrier, IssueRequest, Period};
use store::params;

use crate::request::{NewCard, Request};
use crate::{Outcome, Ra, RaError, Refusal, Result};

impl Ra {
    pub(crate) async fn issue_card(
        &self,
        request: &Request,
        card: &NewCard,
        now: Timestamp,
    ) -> Result<Outcome> {
        let slots: Vec<KeySlot> = card.requests.iter().map(|(slot, _)| *slot).collect();
        if slots != [KeySlot::SigningRsa, KeySlot::EncryptionRsa] {
            return Err(Refusal::Incomplete.into());
        }
        let (name, link) = match (card.carrier, &card.resident_name) {
            (Carrier::CertificateCard, None) => {
                let subject = self.management.applicant(&card.person, now).await?;
                (subject.name, subject.link)
            }
            (Carrier::ForeignResidentCard, Some(name)) if card.person.is_resident() => {
                (name.clone(), self.management.person_link(&card.person))
            }
            _ => return Err(Refusal::Incomplete.into()),
        };
        let holder_no = self.authority.holder_number(&link, now).await?;
        let asked = card.requests.iter().map(|(slot, csr)| {
            IssueRequest {
                request_id: derived(request, *slot),
                carrier: card.carrier,
                card: request.card,
                chip_model: None,
                slot: *slot,
                csr: csr.clone(),
                subject_name: name.clone(),
                id_tail: card.person.tail().to_owned(),
                holder_no: holder_no.clone(),
                // Of the request, so that one taken up on the next day asks for the same.
                issue_date: RocDate::in_taipei(request.at),
                renewal_date: None,
                period: Period::First,
            }
        });
        let asked: Vec<_> = asked.collect();
        for answer in self.authority.issue_many(&asked, now).await {
            answer?;
        }
        self.db
            .execute(
                "INSERT INTO certificate_card (card, carrier, person, issued_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (card) DO NOTHING",
                params![request.card.as_str(), card.carrier.as_str(), link, now],
            )
            .await?;
        // The register may have changed while this was under way, and whoever follows it have passed the change by.
        if card.carrier == Carrier::CertificateCard
            && let Err(error) = self.management.applicant(&card.person, now).await
        {
            let reason = RevocationReason::PrivilegeWithdrawn;
            self.authority.revoke(request.card, reason, crate::request::HOLDER, now).await?;
            return Err(error.into());
        }
        Ok(Outcome::Written(card.requests.len()))
    }

    /// Whether a card is one of those issued here, which management does not know.
    pub(crate) async fn is_certificate_card(&self, card: CardSerial) -> Result<bool, RaError> {
        let sql = "SELECT 1 FROM certificate_card WHERE card = $1";
        Ok(self.db.optional(sql, params![card.as_str()]).await?.is_some())
    }

    /// Suspends or resumes the certificates of such a card; a loss is another cause than the holder's wish.
    pub(crate) async fn hold_certificate_card(
        &self,
        card: CardSerial,
        cause: SuspensionCause,
        held: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<Outcome> {
        if held {
            self.authority.suspend(card, cause, actor, now).await?;
        } else {
            self.authority.resume(card, cause, actor, now).await?;
        }
        Ok(Outcome::Done)
    }

    /// Revokes them.
    pub(crate) async fn revoke_certificate_card(
        &self,
        card: CardSerial,
        reason: RevocationReason,
        actor: &str,
        now: Timestamp,
    ) -> Result<Outcome> {
        self.authority.revoke(card, reason, actor, now).await?;
        Ok(Outcome::Done)
    }
}

/// The number of a request at the CA, always the same for a request here and a slot.
fn derived(request: &Request, slot: KeySlot) -> uuid::Uuid {
    let hash = Hash::Sha256.digest(&[&request.id.as_bytes()[..], &[slot.id()]].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
