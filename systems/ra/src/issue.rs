//! Certificates for cards that carry nothing else (NPC-02, NPC-34, NPC-42): a clerk identified the person, the register or the
//! residence permit says who it is, the card's keys have signed the requests.

use curve::Hash;
use jiff::Timestamp;
use model::{
    CardSerial, CertificateState, KeySlot, NationalIdNo, RevocationReason, RocDate, SuspensionCause,
};
use npc::{Carrier, IssueRequest, NpcError, Period};
use serde_json::json;
use store::params;

use crate::request::{NewCard, Request};
use crate::{HandedOver, Outcome, Ra, RaError, Refusal, Result, SYSTEM};

impl Ra {
    pub(crate) async fn issue_card(
        &self,
        request: &Request,
        card: &NewCard,
        actor: &str,
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
        let name = self.name_of(card, now).await?;
        let link = self.management.person_link(&card.person);
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
        self.expect_free(request.card, &link, card.carrier, now).await?;
        self.check_both(&asked, now).await?;
        // The card is known here before it has certificates: whoever suspends, revokes or follows the register finds it.
        self.enter_card(request.card, &link, card.carrier, actor, now).await?;
        // A change of the register before this moment is seen here, a later one finds the card.
        self.name_of(card, now).await?;
        let handed = self.issue_both(&asked, request.card, now).await?;
        if card.carrier == Carrier::CertificateCard {
            self.expect_entitled(request.card, &card.person, now).await?;
        }
        // NPC-65: it has its barcode from the day it is issued.
        match self.barcode_of(request.card, now).await {
            // One that was taken up again after its card has ended has none.
            Err(error) if error.refusal() == Some(Refusal::NoCertificate) => {}
            given => drop(given?),
        }
        Ok(Outcome::Certificates(handed))
    }

    /// The holder's name: from the register, or from the permit that a clerk has seen.
    async fn name_of(&self, card: &NewCard, now: Timestamp) -> Result<String> {
        match (card.carrier, &card.resident_name) {
            (Carrier::CertificateCard, None) => Ok(self.management.applicant(&card.person, now).await?.name),
            (Carrier::ForeignResidentCard, Some(name)) if card.person.is_resident() => Ok(name.clone()),
            _ => Err(Refusal::Incomplete.into()),
        }
    }

    /// Whether a card may get its first certificates: nobody else's, not ended, and nothing of it revoked.
    async fn expect_free(
        &self,
        card: CardSerial,
        link: &[u8; 32],
        carrier: Carrier,
        now: Timestamp,
    ) -> Result<()> {
        let Some(known) = self.certificate_card(card).await? else { return Ok(()) };
        if !known.belongs_to(link) || known.carrier != carrier {
            return Err(Refusal::OtherPerson.into());
        }
        let revoked = |state: &CertificateState| matches!(state, CertificateState::Revoked { .. });
        let all = self.authority.certificates_of(card, now).await?;
        if known.ended || all.iter().any(|certificate| revoked(&certificate.state)) {
            return Err(Refusal::Ended.into());
        }
        Ok(())
    }

    /// Writes down whose card it is. One that was entered before is that person's.
    pub(crate) async fn enter_card(
        &self,
        card: CardSerial,
        link: &[u8; 32],
        carrier: Carrier,
        actor: &str,
        now: Timestamp,
    ) -> Result<()> {
        let entered = store::transaction!(self.db, |tx| {
            let sql = "INSERT INTO certificate_card (card, carrier, person, issued_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (card) DO NOTHING";
            let new = tx.execute(sql, params![card.as_str(), carrier.as_str(), link, now]).await? == 1;
            if new {
                let detail = json!({ "carrier": carrier.as_str() });
                self.audit(tx, "card-enter", card.as_str(), actor, detail, now).await?;
            }
            Ok::<_, RaError>(new)
        })?;
        // Two requests at once may have been for different persons.
        if entered { Ok(()) } else { self.expect_free(card, link, carrier, now).await }
    }

    /// Refuses a pair of requests of which the CA would refuse one: before the other has its certificate.
    pub(crate) async fn check_both(&self, asked: &[IssueRequest], now: Timestamp) -> Result<()> {
        self.refuse_both(asked, self.authority.check_many(asked, now).await, now).await.map(drop)
    }

    /// The certificates for a pair of requests of a card, both or neither.
    pub(crate) async fn issue_both(
        &self,
        asked: &[IssueRequest],
        card: CardSerial,
        now: Timestamp,
    ) -> Result<HandedOver> {
        let answers = self.authority.issue_many(asked, now).await;
        let issued = self.refuse_both(asked, answers, now).await?;
        self.keep_together(card, now).await?;
        let handed = asked.iter().map(|asked| asked.slot).zip(issued.into_iter().map(|issued| issued.der));
        Ok(HandedOver(handed.collect()))
    }

    /// The answers for a pair of requests, or the refusal of one of them. Where the other has its certificate already, it is
    /// revoked: a card with half of its certificates is none, and the pair can never be whole.
    pub(crate) async fn refuse_both<T>(
        &self,
        asked: &[IssueRequest],
        answers: Vec<Result<T, NpcError>>,
        now: Timestamp,
    ) -> Result<Vec<T>> {
        let mut granted = Vec::with_capacity(answers.len());
        let mut refused = None;
        for (asked, answer) in asked.iter().zip(answers) {
            match answer {
                Ok(answer) => granted.push(answer),
                // What can be tried again decides nothing.
                Err(error) if !error.is_refusal() => return Err(error.into()),
                Err(error) => refused = refused.or(Some((asked, error))),
            }
        }
        let asked_slots: Vec<KeySlot> = asked.iter().map(|asked| asked.slot).collect();
        let Some((asked, error)) = refused else { return Ok(granted) };
        let all = self.authority.certificates_of(asked.card, now).await?;
        // The certificate that stands in the refused slot is an earlier request's, and so is the pair.
        if !all.iter().any(|certificate| certificate.slot == asked.slot) {
            // The first pair of a card whose second one is asked for has nothing to do with it.
            let halves = all.into_iter().filter(|one| asked_slots.contains(&one.slot));
            for half in halves {
                let reason = RevocationReason::CessationOfOperation;
                self.authority.revoke_certificate(&half.serial, reason, SYSTEM, now).await?;
            }
        }
        Err(error.into())
    }

    /// What befell one certificate of a card while another was issued holds for both.
    async fn keep_together(&self, card: CardSerial, now: Timestamp) -> Result<()> {
        for certificate in self.authority.certificates_of(card, now).await? {
            match certificate.state {
                CertificateState::Suspended { causes } => {
                    for cause in causes.into_keys().filter(may_be_copied) {
                        self.authority.suspend(card, cause, SYSTEM, now).await?;
                    }
                }
                CertificateState::Revoked { reason, .. } => {
                    self.authority.revoke(card, reason, SYSTEM, now).await?;
                    return Err(Refusal::Ended.into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The register may have changed while certificates were issued, and whoever follows it have passed the change by.
    pub(crate) async fn expect_entitled(
        &self,
        card: CardSerial,
        person: &NationalIdNo,
        now: Timestamp,
    ) -> Result<()> {
        match self.management.applicant(person, now).await {
            Ok(_) => Ok(()),
            // A register that does not answer says nothing of the person.
            Err(error) if error.refusal().is_none() => Err(error.into()),
            Err(error) => {
                self.end_certificate_card(card, error.code(), now).await?;
                Err(error.into())
            }
        }
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

/// Whether a cause of one certificate is given to the others of its card. An incident's is not: two persons decide whom it concerns,
/// and what is issued beside a certificate that it holds begins on hold for it (NPC-55).
pub(crate) fn may_be_copied(cause: &SuspensionCause) -> bool {
    *cause != SuspensionCause::Incident
}

/// The number of a request at the CA, always the same for a request here and a slot.
pub(crate) fn derived(request: &Request, slot: KeySlot) -> uuid::Uuid {
    let hash = Hash::Sha256.digest(&[&request.id.as_bytes()[..], &[slot.id()]].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
