//! The second pair of keys of a certificate-only card gets certificates once: for changed content (`modify`, OPEN-17) or for the
//! second period (`extend`, NPC-23, NPC-27). The card's keys have signed the requests, which come with the request.
//!
//! Changed content never stands under the old keys: who has a certificate of before goes on meaning the old name with it. So
//! the old certificates are revoked (affiliationChanged) as soon as the new ones exist, also where the program died in between and
//! nobody asks again, and the new ones end on the same day.

use jiff::{SignedDuration, Timestamp};
use model::{CardSerial, CertificateState, KeySlot, RevocationReason, RocDate};
use npc::{Carrier, IssueRequest, IssuedCertificate, Period};
use store::{Row, params};
use x509::Certificate;

use crate::authorise::in_a_case;
use crate::certificate_card::CertificateCard;
use crate::functions::Function;
use crate::issue::{derived, may_be_copied};
use crate::request::{NextKeys, Proof, Request};
use crate::{HandedOver, Outcome, Ra, RaError, Refusal, Result};

/// The certificates of a card.
struct Pairs {
    first: Vec<IssuedCertificate>,
    next: Vec<IssuedCertificate>,
}

impl Ra {
    /// Certifies the second pair of keys.
    pub(crate) async fn certify_next_keys(
        &self,
        request: &Request,
        card: &CertificateCard,
        keys: &NextKeys,
        proof: &Proof,
        begun: bool,
        now: Timestamp,
    ) -> Result<Outcome> {
        let slots = keys.requests.iter().map(|(slot, _)| *slot);
        if !slots.eq([KeySlot::SigningEc, KeySlot::EncryptionEc]) {
            return Err(Refusal::Incomplete.into());
        }
        let link = self.management.person_link(&keys.person);
        if !card.belongs_to(&link) {
            return Err(Refusal::OtherPerson.into());
        }
        let pairs = self.pairs_of(request.card, now).await?;
        let certified = first_signing(&pairs)?;
        if pairs.first.iter().chain(&pairs.next).any(is_suspended) {
            return Err(Refusal::Suspended.into());
        }
        let issue_date = RocDate::in_taipei(certified.validity.not_before);
        let modify = request.function == Function::Modify;
        let name = self.name_now(request, card, keys, proof, certified, now).await?;
        let (period, ids) = if modify {
            may_be_modified(&pairs, begun, now)?;
            if named(certified)?.as_deref() == Some(&name) {
                return Err(Refusal::Unchanged.into());
            }
            (Period::First, [KeySlot::SigningEc, KeySlot::EncryptionEc].map(|slot| derived(request, slot)))
        } else {
            may_be_reissued(&pairs)?;
            let (day, ids) = self.begin_reissue(request.card, issue_date, begun, now).await?;
            (Period::Reissue { day }, ids.map(|(_, id)| id))
        };
        let holder_no = self.authority.holder_number(&link, now).await?;
        let asked = keys.requests.iter().zip(ids).map(|((slot, csr), request_id)| {
            IssueRequest {
                request_id,
                carrier: card.carrier,
                card: request.card,
                // It stands with the first certificate of the card.
                chip_model: None,
                slot: *slot,
                csr: csr.clone(),
                subject_name: name.clone(),
                id_tail: keys.person.tail().to_owned(),
                holder_no: holder_no.clone(),
                issue_date,
                renewal_date: None,
                period,
            }
        });
        let asked: Vec<_> = asked.collect();
        self.check_both(&asked, now).await?;
        self.begin_pair(request.card, modify, now).await?;
        let answers = self.authority.issue_many(&asked, now).await;
        let issued = self.refuse_both(&asked, answers, now).await?;
        self.follow_first(request.card, proof.actor(), now).await?;
        if card.carrier == Carrier::CertificateCard {
            self.expect_entitled(request.card, &keys.person, now).await?;
        }
        if modify {
            self.end_first(request.card, proof.actor(), now).await?;
        } else {
            let sql = "UPDATE reissue SET written_at = $2 WHERE card = $1";
            self.db.execute(sql, params![request.card.as_str(), now]).await?;
        }
        // Last: until then somebody finishes it, though nobody asks again.
        self.db.execute("DELETE FROM next_pair WHERE card = $1", params![request.card.as_str()]).await?;
        let handed = asked.iter().map(|asked| asked.slot).zip(issued.into_iter().map(|issued| issued.der));
        Ok(Outcome::Certificates(HandedOver(handed.collect())))
    }

    /// Revokes the first pair, once both certificates with the changed content are there.
    async fn end_first(&self, card: CardSerial, actor: &str, now: Timestamp) -> Result<()> {
        let pairs = self.pairs_of(card, now).await?;
        if pairs.next.len() < 2 {
            return Ok(());
        }
        for first in pairs.first.iter().filter(|first| !is_revoked(first)) {
            let reason = RevocationReason::AffiliationChanged;
            self.authority.revoke_certificate(&first.serial, reason, actor, now).await?;
        }
        Ok(())
    }

    async fn pairs_of(&self, card: CardSerial, now: Timestamp) -> Result<Pairs> {
        let all = self.authority.certificates_of(card, now).await?;
        let (first, next) = all.into_iter().partition(|certificate| certificate.slot.is_rsa());
        Ok(Pairs { first, next })
    }

    /// The holder's name at this moment: from the register, or from the permit that a clerk has seen. A reissue leaves the
    /// name of a foreign resident who does not come to a counter as it is.
    async fn name_now(
        &self,
        request: &Request,
        card: &CertificateCard,
        keys: &NextKeys,
        proof: &Proof,
        certified: &IssuedCertificate,
        now: Timestamp,
    ) -> Result<String> {
        match (card.carrier, &keys.resident_name) {
            (Carrier::CertificateCard, None) => Ok(self.management.applicant(&keys.person, now).await?.name),
            (Carrier::ForeignResidentCard, Some(name)) if in_a_case(proof.kind()) => Ok(name.clone()),
            (Carrier::ForeignResidentCard, None) if request.function == Function::Extend => {
                named(certified)?.ok_or(RaError::Data("name of a certificate"))
            }
            (Carrier::ForeignResidentCard, _) => Err(Refusal::PermitNeeded.into()),
            _ => Err(Refusal::Incomplete.into()),
        }
    }

    /// Notes that a second pair is being certified, before its first certificate exists, and whether it takes the place of the first.
    async fn begin_pair(&self, card: CardSerial, modify: bool, now: Timestamp) -> Result<()> {
        let sql = "INSERT INTO next_pair (card, at, modify) VALUES ($1, $2, $3) ON CONFLICT (card) DO UPDATE SET \
            at = EXCLUDED.at, modify = EXCLUDED.modify";
        self.db.execute(sql, params![card.as_str(), now, modify]).await?;
        Ok(())
    }

    /// Second pairs whose certification stopped in the middle follow the first ones all the same, and those with changed content
    /// end them: nobody need ask again for that.
    pub(crate) async fn follow_pairs(&self, now: Timestamp) -> Result<()> {
        let mut after = String::new();
        loop {
            let sql = "SELECT card, at, modify FROM next_pair WHERE card > $1 ORDER BY card LIMIT 100";
            let rows = self.db.all(sql, params![&after]).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.read("card")?;
            for row in &rows {
                // What is wrong with one card is not the others'; it is looked at again the next time.
                if let Err(error) = self.follow_pair(row, now).await {
                    tracing::error!(code = error.code(), "a second pair of keys does not follow the first");
                }
            }
        }
    }

    async fn follow_pair(&self, row: &Row, now: Timestamp) -> Result<()> {
        let card: CardSerial = row.read::<String>("card")?.parse().map_err(|_| RaError::Data("card"))?;
        self.follow_first(card, SYSTEM, now).await?;
        if row.read("modify")? {
            self.end_first(card, SYSTEM, now).await?;
        }
        let at: Timestamp = row.read("at")?;
        // Another process may be about to issue.
        if now.duration_since(at) > SETTLED {
            let sql = "DELETE FROM next_pair WHERE card = $1 AND at = $2";
            self.db.execute(sql, params![card.as_str(), at]).await?;
        }
        Ok(())
    }

    /// What befell the first pair while the second one was certified holds for the second one too.
    async fn follow_first(&self, card: CardSerial, actor: &str, now: Timestamp) -> Result<()> {
        for first in self.pairs_of(card, now).await?.first {
            match first.state {
                CertificateState::Suspended { causes } => {
                    for cause in causes.into_keys().filter(may_be_copied) {
                        self.authority.suspend(card, cause, actor, now).await?;
                    }
                }
                CertificateState::Revoked { reason, .. }
                    if reason != RevocationReason::AffiliationChanged =>
                {
                    self.authority.revoke(card, reason, actor, now).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// After this time nobody is in the middle of certifying a pair.
const SETTLED: SignedDuration = SignedDuration::from_mins(10);

/// The account under which a pair follows when nobody asked.
const SYSTEM: &str = "registration-authority";

fn first_signing(pairs: &Pairs) -> Result<&IssuedCertificate> {
    let signing = pairs.first.iter().find(|certificate| certificate.slot.is_signing());
    signing.ok_or(RaError::Data("first certificate of a card"))
}

/// NPC-23: while the first certificates are in force, and if the second pair is free. One that was begun is gone on with.
fn may_be_modified(pairs: &Pairs, begun: bool, now: Timestamp) -> Result<(), Refusal> {
    let begins = pairs.first.iter().map(|first| first.validity.not_before).min();
    let reissued = pairs.next.iter().any(|next| Some(next.validity.not_before) != begins);
    let revoked = pairs.first.iter().all(is_revoked);
    if reissued || (!begun && revoked && pairs.next.len() == 2) {
        return Err(Refusal::NoFurtherKeys);
    }
    let in_force = |first: &IssuedCertificate| first.validity.contains(now) && !is_revoked(first);
    if pairs.next.is_empty() && !pairs.first.iter().all(in_force) {
        return Err(Refusal::Ended);
    }
    Ok(())
}

/// NPC-23: if the first certificates are not revoked and the second pair does not have changed content.
fn may_be_reissued(pairs: &Pairs) -> Result<(), Refusal> {
    let begins = pairs.first.iter().map(|first| first.validity.not_before).min();
    if pairs.next.iter().any(|next| Some(next.validity.not_before) == begins) {
        return Err(Refusal::NoFurtherKeys);
    }
    if pairs.first.iter().any(is_revoked) { Err(Refusal::Ended) } else { Ok(()) }
}

/// The name that a certificate shows.
pub(crate) fn named(certificate: &IssuedCertificate) -> Result<Option<String>> {
    let inconsistent = |_| RaError::Data("a certificate");
    let subject = Certificate::parse(&certificate.der)
        .and_then(|parsed| parsed.subject_name())
        .map_err(inconsistent)?;
    Ok(subject.common_name().map(str::to_owned))
}

const fn is_suspended(certificate: &IssuedCertificate) -> bool {
    matches!(certificate.state, CertificateState::Suspended { .. })
}

const fn is_revoked(certificate: &IssuedCertificate) -> bool {
    matches!(certificate.state, CertificateState::Revoked { .. })
}
