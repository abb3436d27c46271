//! Carrying out a request: stored before the neighbours act, with its receipt afterwards.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use mgmt::{CertifiedCard, NoticeWay, Reader};
use model::{CardSerial, CardState, CertificateState, KeySlot, RocDate, SuspensionCause, UserCode};
use npc::{IssuedCertificate, Period};
use serde_json::json;
use store::params;
use uuid::Uuid;

use crate::authorise::{Stage, in_a_case, permitted};
use crate::certificate_card::CertificateCard;
use crate::functions::{Channel, Function, OnCertificateCard};
use crate::messages::{ON_HOLD, notice};
use crate::request::{Detail, Proof, Request};
use crate::{Barcode, Charges, Ra, RaError, Refusal, Result};

/// A request that was carried out (NPC-54).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The receipt number: `RA-` and the number of the audit entry.
    pub receipt: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether it had been carried out before.
    pub repeated: bool,
    /// What it costs (NPC-12).
    pub charges: Charges,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is done.
    Done,
    /// Certificates were written to the card, or handed over before, so many.
    Written(usize),
    /// The same, and they are on hold: what holds the card's certificates holds them too.
    WrittenOnHold(usize),
    /// Certificates (DER) for a card that its own software writes to.
    Certificates(HandedOver),
    /// The new default user code, for the holder alone. It is told once.
    UserCode(UserCode),
    /// The barcode of the card (NPC-65).
    Barcode(Barcode),
    /// The number of a virtual smart card, and its certificates for the device (NPC-63).
    VirtualCard(CardSerial, HandedOver),
    /// How the card and its certificates stand: whoever takes loss reports answers for both (LOSS-15).
    Status {
        /// The card; none for one that carries certificates and nothing else.
        card: Option<CardState>,
        /// Each of them.
        certificates: Vec<CertificateFacts>,
        /// Whether they are published.
        published: bool,
    },
}

/// Certificates that are handed over, each with the key it is for. Name a person, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct HandedOver(pub Vec<(KeySlot, Vec<u8>)>);

impl std::fmt::Debug for HandedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(slot, _)| slot)).finish()
    }
}

/// A certificate in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// Which key of the card.
    pub slot: KeySlot,
    /// `good`, `suspended`, `revoked` or `expired`.
    pub state: &'static str,
    /// Its first moment.
    pub not_before: Timestamp,
    /// Its last moment.
    pub not_after: Timestamp,
}

/// How far a request is known.
enum Known {
    New,
    /// Stored, and neither refused nor done since: the neighbours may have acted.
    Begun,
    /// Refused by a neighbour, or begun so long ago that nobody waits for it any more.
    Over,
    Done(Done),
}

/// A request nothing speaks against.
enum Admitted {
    /// It was carried out before.
    Before(Done),
    /// It is carried out now.
    Now(InProgress),
}

struct InProgress {
    certificate_card: Option<CertificateCard>,
    known: Known,
}

impl Ra {
    /// Carries out a request that came in through a channel. `reader` holds the card, for the functions that need it.
    pub async fn act(
        &self,
        channel: Channel,
        request: &Request,
        proof: &Proof,
        reader: Option<Reader>,
        now: Timestamp,
    ) -> Result<Done> {
        let hash = request.hash(channel);
        let admitted = match self.examine(channel, request, proof, &hash, reader.is_some(), now).await {
            Ok(Admitted::Before(done)) => return Ok(done),
            Ok(Admitted::Now(admitted)) => admitted,
            Err(error) => {
                self.note_refused(channel, request, proof, &error, now).await?;
                return Err(error);
            }
        };
        let InProgress { certificate_card, known } = admitted;
        if !matches!(known, Known::Begun) {
            self.begin(channel, request, proof, &hash, now).await?;
        }
        // One that changed a secret, was interrupted, and was refused when it was taken up has changed it. Nothing else that was
        // refused counts as done.
        let begun = match known {
            Known::Over => matches!(request.function, Function::ChangePin | Function::ChangeUserCode),
            known => matches!(known, Known::Begun),
        };
        let outcome = match self.carry_out(request, proof, certificate_card, reader, begun, now).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.note_failure(request, proof, &error, now).await?;
                return Err(error);
            }
        };
        self.finish(request, proof, outcome, now).await
    }

    /// Everything that can be said against a request before anything of it is stored.
    async fn examine(
        &self,
        channel: Channel,
        request: &Request,
        proof: &Proof,
        hash: &[u8],
        card_in_reader: bool,
        now: Timestamp,
    ) -> Result<Admitted> {
        permitted(request.function, channel, proof.kind())?;
        if !request.detail.fits(request.function) {
            return Err(Refusal::Incomplete.into());
        }
        let known = match self.known(request, hash, now).await? {
            // An answer about a person is given to nobody who cannot ask for it.
            Known::Done(mut done) => {
                let may_know = match done.outcome {
                    Outcome::Status { .. }
                    | Outcome::Certificates(_)
                    | Outcome::Barcode(_)
                    | Outcome::VirtualCard(..) => self.authorise(request, proof, Stage::Done, now).await,
                    _ => Ok(()),
                };
                if let (Err(_), Outcome::Certificates(all)) = (&may_know, &done.outcome) {
                    // The receipt is the request's, whatever has become of the certificate that signed it.
                    done.outcome = Outcome::Written(all.0.len());
                    return Ok(Admitted::Before(done));
                }
                may_know?;
                return Ok(Admitted::Before(done));
            }
            known => known,
        };
        let stage = if matches!(known, Known::Begun) { Stage::Begun } else { Stage::New };
        self.authorise(request, proof, stage, now).await?;
        // NPC-55: one that was begun may have its certificates, and gets those.
        if stage == Stage::New
            && request.function.needs_certificates()
            && self.authority.issuing_is_stopped().await?
        {
            return Err(Refusal::IssuingStopped.into());
        }
        let on = self.certificate_card(request.card).await?;
        match on.as_ref().map(|_| request.function.on_certificate_card()) {
            Some(OnCertificateCard::Refused(refusal)) => return Err(refusal.into()),
            None if request.function.needs_card() && !card_in_reader => return Err(Refusal::NoCard.into()),
            _ => {}
        }
        Ok(Admitted::Now(InProgress { certificate_card: on, known }))
    }

    async fn known(&self, request: &Request, hash: &[u8], now: Timestamp) -> Result<Known> {
        let sql = "SELECT hash, at, refused_at, receipt, outcome, carrier_fee FROM request WHERE id = $1";
        let Some(row) = self.db.optional(sql, params![request.id]).await? else { return Ok(Known::New) };
        if row.read::<Vec<u8>>("hash")? != hash {
            return Err(Refusal::Conflict.into());
        }
        let Some(receipt) = row.read::<Option<String>>("receipt")? else {
            let refused = row.read::<Option<Timestamp>>("refused_at")?.is_some();
            let late = now.duration_since(row.read("at")?) > self.config.begun_life;
            return Ok(if refused || late { Known::Over } else { Known::Begun });
        };
        let charges = Charges { carrier: row.read("carrier_fee")? };
        let outcome: String = row.read("outcome")?;
        let outcome = match outcome.split_once(' ') {
            Some(("written", count)) => {
                Outcome::Written(count.parse().map_err(|_| RaError::Data("outcome"))?)
            }
            Some(("written-on-hold", count)) => {
                Outcome::WrittenOnHold(count.parse().map_err(|_| RaError::Data("outcome"))?)
            }
            Some(("virtual-card", device)) => {
                let device = device.parse().map_err(|_| RaError::Data("outcome"))?;
                Outcome::VirtualCard(device, HandedOver(self.good_certificates(device, now).await?))
            }
            Some(("certificates", _)) => {
                // Those of the request: a card may have another pair, which it got by another one.
                let mut all = self.good_certificates(request.card, now).await?;
                all.retain(|(slot, _)| request.detail.asks_for(*slot));
                Outcome::Certificates(HandedOver(all))
            }
            _ if outcome == "status" => self.status(request.card, now).await?,
            _ if outcome == "barcode" => Outcome::Barcode(self.barcode_of(request.card, now).await?),
            _ => Outcome::Done,
        };
        Ok(Known::Done(Done { receipt, outcome, repeated: true, charges }))
    }

    /// Stores a request that was authorised now. One that is over begins again, under the proof that it has this time.
    async fn begin(
        &self,
        channel: Channel,
        request: &Request,
        proof: &Proof,
        hash: &[u8],
        now: Timestamp,
    ) -> Result<()> {
        let kind = proof.kind();
        let charges = self.charges(request).await?;
        let place = match proof {
            Proof::Clerk { office, case, .. } if in_a_case(kind) => Some((office, case)),
            _ => None,
        };
        store::transaction!(self.db, |tx| {
            tx.execute_one(
                "INSERT INTO request (id, hash, function, channel, authorised_by, card, actor, office, case_no, at, carrier_fee) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
                 ON CONFLICT (id) DO UPDATE SET authorised_by = EXCLUDED.authorised_by, actor = EXCLUDED.actor, \
                 office = EXCLUDED.office, case_no = EXCLUDED.case_no, at = EXCLUDED.at, refused_at = NULL \
                 WHERE request.receipt IS NULL AND (request.refused_at IS NOT NULL OR request.at < $12)",
                params![
                    request.id,
                    hash,
                    request.function.as_str(),
                    channel.as_str(),
                    kind.as_str(),
                    request.card.as_str(),
                    proof.actor(),
                    place.map(|(office, _)| office.as_str()),
                    place.map(|(_, case)| case.as_str()),
                    now,
                    charges.carrier,
                    now - self.config.begun_life,
                ],
            )
            .await?;
            let detail = json!({
                "request": request.id.simple().to_string(), "function": request.function.as_str(),
                "channel": channel.as_str(), "authorised_by": kind.as_str(),
                "office": place.map(|(office, _)| office.as_str()), "case": place.map(|(_, case)| case.as_str()),
            });
            self.audit(tx, "request-begin", request.card.as_str(), proof.actor(), detail, now).await?;
            Ok::<_, RaError>(())
        })
    }

    /// Notes why a request was not carried out. Where it was refused it is over: who sends it again is authorised again, by what
    /// holds then.
    async fn note_failure(
        &self,
        request: &Request,
        proof: &Proof,
        error: &RaError,
        now: Timestamp,
    ) -> Result<()> {
        let detail = json!({ "request": request.id.simple().to_string(), "code": error.code() });
        store::transaction!(self.db, |tx| {
            let (card, actor) = (request.card.as_str(), proof.actor());
            self.audit(tx, "request-refuse", card, actor, detail.clone(), now).await?;
            if error.is_refusal() {
                let sql = "UPDATE request SET refused_at = $2 WHERE id = $1 AND receipt IS NULL";
                tx.execute(sql, params![request.id, now]).await?;
            }
            Ok::<_, RaError>(())
        })
    }

    /// Receipt, event and notice in one transaction.
    async fn finish(
        &self,
        request: &Request,
        proof: &Proof,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Done> {
        let contact = self.contact_of(request.card).await?;
        let stored = match &outcome {
            Outcome::Done | Outcome::UserCode(_) => "done".to_owned(),
            Outcome::Certificates(all) => format!("certificates {}", all.0.len()),
            Outcome::Written(count) => format!("written {count}"),
            Outcome::WrittenOnHold(count) => format!("written-on-hold {count}"),
            Outcome::Status { .. } => "status".to_owned(),
            Outcome::Barcode(_) => "barcode".to_owned(),
            Outcome::VirtualCard(device, _) => format!("virtual-card {device}"),
        };
        let (receipt, charges) = store::transaction!(self.db, |tx| {
            let row = tx.one("SELECT carrier_fee FROM request WHERE id = $1", params![request.id]).await?;
            let charges = Charges { carrier: row.read(0)? };
            let detail = json!({
                "request": request.id.simple().to_string(), "function": request.function.as_str(), "outcome": &stored,
                "charges": { "certificate": charges.certificate(), "carrier": charges.carrier },
            });
            let head =
                self.audit(tx, "request-done", request.card.as_str(), proof.actor(), detail, now).await?;
            let receipt = format!("RA-{:010}", head.seq);
            tx.execute_one(
                "UPDATE request SET receipt = $2, outcome = $3 WHERE id = $1 AND receipt IS NULL",
                params![request.id, &receipt, &stored],
            )
            .await?;
            if let (Some(contact), Some(mut text)) =
                (&contact, notice(request.function, request.card, &receipt))
            {
                if matches!(outcome, Outcome::WrittenOnHold(_)) {
                    text.push_str(ON_HOLD);
                }
                let until = now + jiff::SignedDuration::from_hours(24 * 7);
                let kind = request.function.as_str();
                self.post(tx, request.card, contact, kind, &text, now, until).await?;
            }
            Ok::<_, RaError>((receipt, charges))
        })?;
        Ok(Done { receipt, outcome, repeated: false, charges })
    }

    /// What a request costs: the carrier that is handed out with certificates, by the policy in force. What a New eID costs
    /// is management's.
    async fn charges(&self, request: &Request) -> Result<Charges> {
        match &request.detail {
            Detail::NewCard(new) => Ok(Charges { carrier: self.authority.carrier_fee(new.carrier).await? }),
            _ => Ok(Charges::default()),
        }
    }

    async fn carry_out(
        &self,
        request: &Request,
        proof: &Proof,
        certificate_card: Option<CertificateCard>,
        reader: Option<Reader>,
        begun: bool,
        now: Timestamp,
    ) -> Result<Outcome> {
        let (card, actor) = (request.card, proof.actor());
        if let (Function::VirtualCard, Detail::Device(device)) = (request.function, &request.detail) {
            return self.bind_device(request, device, certificate_card.as_ref(), actor, now).await;
        }
        if let Some(known) = &certificate_card {
            let (holder, loss) = (SuspensionCause::Holder, SuspensionCause::Loss);
            match (request.function, &request.detail) {
                (Function::Suspend, _) => {
                    return self.hold_certificate_card(card, holder, true, actor, now).await;
                }
                (Function::Resume, _) => {
                    return self.hold_certificate_card(card, holder, false, actor, now).await;
                }
                (Function::ReportLoss, _) => {
                    return self.hold_certificate_card(card, loss, true, actor, now).await;
                }
                (Function::WithdrawLoss, _) => {
                    return self.hold_certificate_card(card, loss, false, actor, now).await;
                }
                (Function::Revoke, Detail::Reason(reason)) => {
                    return self.revoke_certificate_card(card, *reason, actor, now).await;
                }
                (Function::Extend | Function::Modify, Detail::NextKeys(keys)) => {
                    return self.certify_next_keys(request, known, keys, proof, begun, now).await;
                }
                (Function::Extend | Function::Modify, _) => return Err(Refusal::Incomplete.into()),
                (Function::Rewrite, _) => {
                    return Ok(Outcome::Certificates(HandedOver(
                        self.certificates_to_write(card, now).await?,
                    )));
                }
                _ => {}
            }
        }
        match (request.function, &request.detail) {
            (Function::Issue, Detail::NewCard(new)) => self.issue_card(request, new, actor, now).await,
            (Function::Suspend, _) => self.hold(card, true, actor, begun, now).await,
            (Function::Resume, _) => self.hold(card, false, actor, begun, now).await,
            (Function::Revoke, Detail::Reason(reason)) => {
                if !(begun && self.management.certified_card(card).await?.revoked.is_some()) {
                    self.management.revoke_certificates(card, *reason, actor, now).await?;
                }
                Ok(Outcome::Done)
            }
            (Function::ReportLoss, _) => self.lose(card, true, actor, begun, now).await,
            (Function::WithdrawLoss, _) => self.lose(card, false, actor, begun, now).await,
            (Function::QueryStatus, _) => self.status(card, now).await,
            (Function::Barcode, _) => Ok(Outcome::Barcode(self.barcode_of(card, now).await?)),
            (Function::ChangePublication, Detail::Published(published)) => {
                self.authority.publish(card, *published, actor, now).await?;
                Ok(Outcome::Done)
            }
            (Function::ChangeEmail | Function::ChangeMobile, detail) => {
                self.change_contact(card, detail, proof, now).await
            }
            (Function::Extend | Function::Modify, Detail::NextKeys(_)) => Err(Refusal::Incomplete.into()),
            // All that a certificate of New eID says is printed on the card.
            (Function::Modify, _) => {
                let outdated = self.management.subject(card).await?.outdated;
                Err(if outdated { Refusal::NewCardNeeded } else { Refusal::Unchanged }.into())
            }
            (Function::Extend, _) => self.extend(card, reader, actor, begun, now).await,
            (Function::Rekey, _) => self.rekey(card, reader, actor, begun, now).await,
            (Function::Rewrite, _) => self.rewrite(card, reader, actor, now).await,
            (Function::Unblock, Detail::Pins(pins)) => {
                let reader = reader.ok_or(Refusal::NoCard)?;
                self.management.unblock(card, pins, reader, actor, now).await?;
                Ok(Outcome::Done)
            }
            (Function::ChangePin, _) => {
                let (Some(reader), Proof::Pin2Change(present, new)) = (reader, proof) else {
                    return Err(Refusal::Incomplete.into());
                };
                self.management.change_pin2(card, present, new, begun, reader, now).await?;
                Ok(Outcome::Done)
            }
            (Function::ResetUserCode, _) => {
                Ok(Outcome::UserCode(self.reset_user_code(card, actor, now).await?))
            }
            (Function::ChangeUserCode, _) => {
                let Proof::UserCodeChange(present, new) = proof else {
                    return Err(Refusal::Incomplete.into());
                };
                self.change_user_code(card, present, new, begun, now).await?;
                Ok(Outcome::Done)
            }
            // The confirmation was the authorisation.
            (Function::ConfirmPassword, _) => Ok(Outcome::Done),
            _ => Err(Refusal::Incomplete.into()),
        }
    }

    /// The holder's suspension. A request that was begun may have reached management before: then it is done.
    async fn hold(
        &self,
        card: CardSerial,
        held: bool,
        actor: &str,
        begun: bool,
        now: Timestamp,
    ) -> Result<Outcome> {
        if !(begun && self.management.certified_card(card).await?.held_by_holder == held) {
            self.management.hold_certificates(card, held, actor, now).await?;
        }
        Ok(Outcome::Done)
    }

    async fn lose(
        &self,
        card: CardSerial,
        lost: bool,
        actor: &str,
        begun: bool,
        now: Timestamp,
    ) -> Result<Outcome> {
        if begun {
            let entry = self.management.certified_card(card).await?;
            let in_use =
                [CardState::Active, CardState::Suspended, CardState::Recalled].contains(&entry.state);
            if in_use && entry.lost == lost {
                return Ok(Outcome::Done);
            }
        }
        self.management.mark_lost(card, lost, actor, now).await?;
        Ok(Outcome::Done)
    }

    async fn status(&self, card: CardSerial, now: Timestamp) -> Result<Outcome> {
        let certificates = self.authority.certificates_of(card, now).await?;
        let published = self.authority.is_published(card).await?;
        let state = match self.management.certified_card(card).await {
            Ok(entry) => Some(entry.state),
            Err(error) if error.refusal() == Some(mgmt::Refusal::CardUnknown) => None,
            Err(error) => return Err(error.into()),
        };
        let certificates = certificates.iter().map(facts).collect();
        Ok(Outcome::Status { card: state, certificates, published })
    }

    /// The contact in the books of management. The old one is told; one that was changed online waits until it may be used for
    /// unblocking (OPEN-44).
    async fn change_contact(
        &self,
        card: CardSerial,
        detail: &Detail,
        proof: &Proof,
        now: Timestamp,
    ) -> Result<Outcome> {
        let unknown = || RaError::Management(mgmt::Refusal::CardUnknown.into());
        let old = self.contact_of(card).await?.ok_or_else(unknown)?;
        let mut new = old.clone();
        match detail {
            Detail::Email(email) => new.email.clone_from(email),
            Detail::Mobile(mobile) => new.mobile.clone_from(mobile),
            _ => return Err(Refusal::Incomplete.into()),
        }
        // NPC-46: e-mail before SMS, and a letter where there is neither.
        new.way = match (&new.email, &new.mobile) {
            (Some(_), _) => NoticeWay::Email,
            (None, Some(_)) => NoticeWay::Sms,
            (None, None) => NoticeWay::Post,
        };
        let before_clerk = in_a_case(proof.kind());
        let until = now + jiff::SignedDuration::from_hours(24 * 7);
        let text = notice(Function::ChangeEmail, card, "-").unwrap_or_default();
        // The waiting time begins before the contact is there, so that no crash between leaves one without it.
        store::transaction!(self.db, |tx| {
            if before_clerk {
                tx.execute("DELETE FROM contact_change WHERE card = $1", params![card.as_str()]).await?;
            } else {
                tx.execute_one(
                    "INSERT INTO contact_change (card, at) VALUES ($1, $2) \
                     ON CONFLICT (card) DO UPDATE SET at = EXCLUDED.at",
                    params![card.as_str(), now],
                )
                .await?;
            }
            self.post(tx, card, &old, "contact-change", &text, now, until).await
        })?;
        self.store_contact(card, &new, proof.actor(), now).await?;
        Ok(Outcome::Done)
    }

    /// The one reissue (NPC-23, NPC-24): certificates for the P-521 keys over the requests that the chip made for them, taken
    /// into the books, then written to the card. What was begun on a day is finished with that day.
    async fn extend(
        &self,
        card: CardSerial,
        reader: Option<Reader>,
        actor: &str,
        begun: bool,
        now: Timestamp,
    ) -> Result<Outcome> {
        let reader = reader.ok_or(Refusal::NoCard)?;
        let entry = self.management.certified_card(card).await?;
        expect_usable(&entry)?;
        self.expect_free_pair(card, now).await?;
        let (day, requests) = self.begin_reissue(card, entry.issue, begun, now).await?;
        let subject = self.management.subject(card).await?;
        if subject.outdated {
            return Err(Refusal::NewCardNeeded.into());
        }
        let taken = self.issue_pair(&entry, &subject, &requests, Period::Reissue { day }, now).await?;
        self.management.take_certificates(card, &taken, actor, now).await?;
        let count = taken.len();
        let written = taken.into_iter().map(|(slot, _, der)| (slot, der)).collect();
        self.management.write_certificates(card, written, reader, actor, now).await?;
        self.db
            .execute("UPDATE reissue SET written_at = $2 WHERE card = $1", params![card.as_str(), now])
            .await?;
        Ok(Outcome::Written(count))
    }

    /// The day of the reissue and the numbers of its two requests at the CA, stored before the first of them is sent.
    pub(crate) async fn begin_reissue(
        &self,
        card: CardSerial,
        issue: RocDate,
        begun: bool,
        now: Timestamp,
    ) -> Result<(RocDate, [(KeySlot, Uuid); 2])> {
        let today = RocDate::in_taipei(now);
        let first_ends: Date = issue.plus_years(5).date();
        let opens = first_ends.checked_sub(self.config.reissue_days.days()).unwrap_or(first_ends);
        let ids = [(); 2].map(|()| store::new_id(now, &mut self.random.clone()));
        store::transaction!(self.db, |tx| {
            let sql = "SELECT day, signing, encryption, written_at FROM reissue WHERE card = $1";
            let slots =
                |signing, encryption| [(KeySlot::SigningEc, signing), (KeySlot::EncryptionEc, encryption)];
            if let Some(row) = tx.optional(sql, params![card.as_str()]).await? {
                if !begun && row.read::<Option<Timestamp>>("written_at")?.is_some() {
                    return Err(Refusal::AlreadyReissued.into());
                }
                let day = row.read::<String>("day")?.parse().map_err(|_| RaError::Data("day"))?;
                return Ok((day, slots(row.read("signing")?, row.read("encryption")?)));
            }
            if today.date() < opens {
                return Err(Refusal::TooEarly.into());
            }
            tx.execute_one(
                "INSERT INTO reissue (card, day, signing, encryption) VALUES ($1, $2, $3, $4)",
                params![card.as_str(), today.iso(), ids[0], ids[1]],
            )
            .await?;
            Ok((today, slots(ids[0], ids[1])))
        })
    }

    /// Writes the valid certificates of the card onto it again (OPEN-17, UPDATE-20).
    async fn rewrite(
        &self,
        card: CardSerial,
        reader: Option<Reader>,
        actor: &str,
        now: Timestamp,
    ) -> Result<Outcome> {
        let reader = reader.ok_or(Refusal::NoCard)?;
        let good = self.certificates_to_write(card, now).await?;
        let count = good.len();
        self.management.write_certificates(card, good, reader, actor, now).await?;
        Ok(Outcome::Written(count))
    }

    /// The valid certificates of a card, if there are any and nobody has suspended them.
    async fn certificates_to_write(
        &self,
        card: CardSerial,
        now: Timestamp,
    ) -> Result<Vec<(KeySlot, Vec<u8>)>> {
        let all = self.authority.certificates_of(card, now).await?;
        if all.iter().any(|certificate| matches!(certificate.state, CertificateState::Suspended { .. })) {
            return Err(Refusal::Suspended.into());
        }
        let good = good(all);
        if good.is_empty() { Err(Refusal::NothingToWrite.into()) } else { Ok(good) }
    }

    async fn good_certificates(&self, card: CardSerial, now: Timestamp) -> Result<Vec<(KeySlot, Vec<u8>)>> {
        Ok(good(self.authority.certificates_of(card, now).await?))
    }
}

fn good(all: Vec<IssuedCertificate>) -> Vec<(KeySlot, Vec<u8>)> {
    let good = all.into_iter().filter(|certificate| certificate.state == CertificateState::Good);
    good.map(|certificate| (certificate.slot, certificate.der)).collect()
}

/// Whether certificates may be added to a card: in use, not suspended by anybody, not revoked.
fn expect_usable(entry: &CertifiedCard) -> Result<(), RaError> {
    let wrong_state = || RaError::Management(mgmt::Refusal::WrongState.into());
    match entry {
        _ if !entry.certificate => Err(RaError::Management(mgmt::Refusal::CertificateZoneClosed.into())),
        _ if entry.revoked.is_some() => Err(wrong_state()),
        _ if entry.held_by_holder || entry.state == CardState::Suspended => Err(Refusal::Suspended.into()),
        _ if entry.state != CardState::Active => Err(wrong_state()),
        _ => Ok(()),
    }
}

fn facts(certificate: &IssuedCertificate) -> CertificateFacts {
    CertificateFacts {
        serial: certificate.serial.octets().iter().map(|byte| format!("{byte:02x}")).collect(),
        slot: certificate.slot,
        state: certificate.state.as_str(),
        not_before: certificate.validity.not_before,
        not_after: certificate.validity.not_after,
    }
}
