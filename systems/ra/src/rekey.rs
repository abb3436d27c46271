//! 更換金鑰 (`rekey`, OPEN-13, OPEN-17): a New eID whose keys are doubted goes on with its other pair, as an approved recall has decided
//! (RECALL-14). The certificates of the other pair are issued, taken into the books and written to the card; then the old ones are
//! revoked with the recall's reason, and the card is released.
//!
//! The new certificates end when the old ones would have (NPC-22). So a card that is rekeyed in its first period has no second one:
//! both pairs are used. After the first period the other pair serves the second one, as in a reissue.

use curve::Hash;
use jiff::Timestamp;
use mgmt::{CertifiedCard, KeyPair, Reader, RekeyCase, Subject};
use model::{CardSerial, CertificateState, KeySlot};
use npc::{Carrier, IssueRequest, IssuedCertificate, Period};
use store::params;
use uuid::Uuid;

use crate::{Outcome, Ra, RaError, Refusal, Result};

/// A certificate, with the number of its request at the CA.
type Taken = (KeySlot, Uuid, Vec<u8>);

impl Ra {
    /// Switches the card in the reader to its other pair of keys. Every step may be repeated; one that was interrupted is finished
    /// by the same request or another.
    pub(crate) async fn rekey(
        &self,
        card: CardSerial,
        reader: Option<Reader>,
        actor: &str,
        begun: bool,
        now: Timestamp,
    ) -> Result<Outcome> {
        let reader = reader.ok_or(Refusal::NoCard)?;
        let case = self.management.rekey_case(card).await?.ok_or(Refusal::NoRekey)?;
        if case.done {
            return if begun {
                self.rekeyed(card, &case, 2, now).await
            } else {
                Err(Refusal::NoRekey.into())
            };
        }
        let entry = self.management.certified_card(card).await?;
        expect_certified(&entry)?;
        let all = self.authority.certificates_of(card, now).await?;
        let (next, old): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|certificate| case.pair.has(certificate.slot));
        let taken = self.other_pair(&case, &entry, &next, &old, begun, now).await?;
        // What holds for the card holds for them: of a card that is called in they are suspended until it is released.
        self.management.take_certificates(card, &taken, actor, now).await?;
        let count = taken.len();
        let written = taken.into_iter().map(|(slot, _, der)| (slot, der)).collect();
        self.management.write_certificates(card, written, reader, actor, now).await?;
        // Before the card is released, so that they are good at no moment.
        for certificate in old.iter().filter(|certificate| in_force(certificate)) {
            self.authority.revoke_certificate(&certificate.serial, case.revocation, actor, now).await?;
        }
        self.management.note_rekeyed(card, case.recall, actor, now).await?;
        let sql = "UPDATE reissue SET written_at = $2 WHERE card = $1 AND written_at IS NULL";
        self.db.execute(sql, params![card.as_str(), now]).await?;
        self.rekeyed(card, &case, count, now).await
    }

    /// What the holder is told: whether the new certificates serve, or an incident or another recall holds them as it held the old ones.
    async fn rekeyed(
        &self,
        card: CardSerial,
        case: &RekeyCase,
        count: usize,
        now: Timestamp,
    ) -> Result<Outcome> {
        let all = self.authority.certificates_of(card, now).await?;
        let on_hold = |one: &IssuedCertificate| {
            case.pair.has(one.slot) && matches!(one.state, CertificateState::Suspended { .. })
        };
        Ok(if all.iter().any(on_hold) { Outcome::WrittenOnHold(count) } else { Outcome::Written(count) })
    }

    /// The certificates of the pair that is to serve: those that it has, or new ones.
    #[allow(clippy::too_many_arguments, reason = "the case, and what is known of the card")]
    async fn other_pair(
        &self,
        case: &RekeyCase,
        entry: &CertifiedCard,
        next: &[IssuedCertificate],
        old: &[IssuedCertificate],
        begun: bool,
        now: Timestamp,
    ) -> Result<Vec<Taken>> {
        // A pair whose certificates have come to their end serves no more.
        if !next.iter().all(in_force) {
            return Err(Refusal::NoFurtherKeys.into());
        }
        if next.len() == 2 {
            // Issued together with the others, or by this rekey before it was interrupted.
            let held = next.iter();
            return Ok(held.map(|held| (held.slot, number(entry, held.slot), held.der.clone())).collect());
        }
        let subject = self.management.subject(entry.serial).await?;
        if subject.outdated {
            return Err(Refusal::NewCardNeeded.into());
        }
        let signing = old.iter().find(|certificate| certificate.slot.is_signing());
        let ends = signing.ok_or(RaError::Data("first certificate of a card"))?.validity.not_after;
        let (period, ids) = match case.pair {
            _ if now <= ends => (Period::First, case.pair.slots().map(|slot| (slot, number(entry, slot)))),
            KeyPair::Ec => {
                let (day, ids) = self.begin_reissue(entry.serial, entry.issue, begun, now).await?;
                (Period::Reissue { day }, ids)
            }
            // NPC-28: RSA serves no second period.
            KeyPair::Rsa => return Err(Refusal::NoFurtherKeys.into()),
        };
        self.issue_pair(entry, &subject, &ids, period, now).await
    }

    /// Certificates for a pair of keys of a card, over the requests that the chip made for them: both or neither, for half a pair is
    /// none.
    pub(crate) async fn issue_pair(
        &self,
        entry: &CertifiedCard,
        subject: &Subject,
        numbers: &[(KeySlot, Uuid)],
        period: Period,
        now: Timestamp,
    ) -> Result<Vec<Taken>> {
        let holder_no = self.authority.holder_number(&subject.link, now).await?;
        let made_by_chip = self.management.certification_requests(entry.serial, now).await?;
        let mut asked = Vec::with_capacity(numbers.len());
        for &(slot, request_id) in numbers {
            let csr = made_by_chip.iter().find(|(id, _)| *id == slot).ok_or(RaError::Data("request"))?;
            asked.push(IssueRequest {
                request_id,
                carrier: Carrier::NewEid,
                card: entry.serial,
                // It stands with the first certificate of the card.
                chip_model: None,
                slot,
                csr: csr.1.clone(),
                subject_name: subject.name.clone(),
                id_tail: subject.id_tail.clone(),
                holder_no: holder_no.clone(),
                issue_date: entry.issue,
                renewal_date: entry.renewal,
                period,
            });
        }
        self.check_both(&asked, now).await?;
        let answers = self.authority.issue_many(&asked, now).await;
        let issued = self.refuse_both(&asked, answers, now).await?;
        Ok(asked
            .iter()
            .zip(issued)
            .map(|(asked, issued)| (asked.slot, asked.request_id, issued.der))
            .collect())
    }

    /// Refuses a reissue on a card whose second pair of keys serves in its first period already: it was rekeyed, or had all of its
    /// certificates at once.
    pub(crate) async fn expect_free_pair(&self, card: CardSerial, now: Timestamp) -> Result<()> {
        let all = self.authority.certificates_of(card, now).await?;
        let begin = |rsa: bool| {
            let of_pair = all.iter().filter(move |certificate| certificate.slot.is_rsa() == rsa);
            of_pair.map(|certificate| certificate.validity.not_before).min()
        };
        match (begin(true), begin(false)) {
            (Some(first), Some(next)) if first == next => Err(Refusal::NoFurtherKeys.into()),
            _ => Ok(()),
        }
    }
}

/// Certificates that are not revoked as a whole, and that their holder has not suspended.
fn expect_certified(entry: &CertifiedCard) -> Result<()> {
    match entry {
        _ if !entry.certificate => Err(RaError::Management(mgmt::Refusal::CertificateZoneClosed.into())),
        _ if entry.revoked.is_some() => Err(RaError::Management(mgmt::Refusal::WrongState.into())),
        _ if entry.held_by_holder => Err(Refusal::Suspended.into()),
        _ => Ok(()),
    }
}

/// The number of the request at the CA, always the same for a card and a slot: a card is rekeyed once.
fn number(entry: &CertifiedCard, slot: KeySlot) -> Uuid {
    let hash = Hash::Sha256.digest(&[b"rekey ", entry.serial.as_str().as_bytes(), &[slot.id()]].concat());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// Neither revoked nor past its last day.
fn in_force(certificate: &IssuedCertificate) -> bool {
    matches!(certificate.state, CertificateState::Good | CertificateState::Suspended { .. })
}
