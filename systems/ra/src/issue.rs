//! Certificates for cards that carry nothing else (NPC-02, NPC-34, NPC-42): a clerk identified the person, the register or the
//! residence permit says who it is, the card's keys have signed the requests.

use curve::Hash;
use jiff::Timestamp;
use model::{CardSerial, KeySlot, NationalIdNo, RevocationReason, RocDate, SuspensionCause};
use npc::{Carrier, IssueRequest, Period};
use store::params;

use crate::request::{NewCard, Request};
use crate::{HandedOver, Outcome, Ra, Refusal, Result};

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
        // What management knows is New eID, whose certificates come with the card.
        match self.management.certified_card(request.card).await {
            Ok(_) => return Err(Refusal::Incomplete.into()),
            Err(error) if error.refusal() == Some(mgmt::Refusal::CardUnknown) => {}
            Err(error) => return Err(error.into()),
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
        let mut issued = Vec::with_capacity(asked.len());
        for (asked, answer) in asked.iter().zip(self.authority.issue_many(&asked, now).await) {
            issued.push((asked.slot, answer?.der));
        }
        self.db
            .execute(
                "INSERT INTO certificate_card (card, carrier, person, issued_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (card) DO NOTHING",
                params![request.card.as_str(), card.carrier.as_str(), link, now],
            )
            .await?;
        if card.carrier == Carrier::CertificateCard {
            self.expect_entitled(request.card, &card.person, now).await?;
        }
        Ok(Outcome::Certificates(HandedOver(issued)))
    }

    /// The register may have changed while certificates were issued, and whoever follows it have passed the change by.
    pub(crate) async fn expect_entitled(
        &self,
        card: CardSerial,
        person: &NationalIdNo,
        now: Timestamp,
    ) -> Result<()> {
        if let Err(error) = self.management.applicant(person, now).await {
            let reason = RevocationReason::PrivilegeWithdrawn;
            self.authority.revoke(card, reason, crate::request::HOLDER, now).await?;
            return Err(error.into());
        }
        Ok(())
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
pub(crate) fn derived(request: &Request, slot: KeySlot) -> uuid::Uuid {
    let hash = Hash::Sha256.digest(&[&request.id.as_bytes()[..], &[slot.id()]].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
