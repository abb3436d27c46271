//! Whether a proof authorises a request. Nothing is done before this has said yes.

use jiff::Timestamp;
use model::{CardSerial, CaseNo, CertificateState, UserCode};
use npc::IssuedCertificate;
use store::params;
use uuid::Uuid;
use x509::cms::SignedData;

use crate::functions::{Authorisation, Channel, Function, rule_of};
use crate::request::{Consent, Detail, Proof, Request};
use crate::{Ra, RaError, Refusal, Result};

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nobody has heard of it, or it is over.
    New,
    /// It was authorised and stored a short while ago, nobody has refused it since, and it may have been carried out.
    Begun,
    /// It has its receipt.
    Done,
}

impl Ra {
    /// Checks the proof of a request that is [`permitted`]. Tries of a secret are counted by whoever keeps it.
    pub(crate) async fn authorise(
        &self,
        request: &Request,
        proof: &Proof,
        stage: Stage,
        now: Timestamp,
    ) -> Result<()> {
        // One that was begun was fresh when it came.
        let apart = now.duration_since(request.at).abs();
        if stage == Stage::New && apart > self.config.skew {
            return Err(Refusal::Stale.into());
        }
        match proof {
            Proof::Clerk { clerk, office, case, consent } => {
                named(clerk)?;
                // NPC-09: a counter is a household registration office, or a temporary one of its.
                registry::office(*office).ok_or(Refusal::NoOffice)?;
                self.in_this_case(request, *case, stage, now).await?;
                match consent {
                    None => {}
                    Some(Consent::Signature(cms)) => self.signed(request, cms, stage, now).await?,
                    Some(Consent::UserCode(code)) => self.confirm(request, code, now).await?,
                }
            }
            Proof::Signature(cms) => self.signed(request, cms, stage, now).await?,
            Proof::UserCode(code) => self.confirm(request, code, now).await?,
            Proof::CallerUserCode { operator, code } => {
                named(operator)?;
                self.confirm(request, code, now).await?;
            }
            Proof::OneTimeCode(code, sent) => {
                self.confirm(request, code, now).await?;
                self.use_one_time_code(request, sent, now).await?;
            }
            // The card compares.
            Proof::Pin2Change(..) => {}
            // Compared once more when it is changed; here, so that a wrong one is refused before anything is stored.
            Proof::UserCodeChange(present, _) => {
                if stage == Stage::New {
                    match self.confirm(request, present, now).await {
                        // The right one, and one that may only be changed.
                        Err(RaError::Management(error))
                            if error.refusal() == Some(mgmt::Refusal::UserCodeDefault) => {}
                        compared => compared?,
                    }
                }
            }
            Proof::Caller { operator, answers } => {
                named(operator)?;
                let may = match self.certificate_card(request.card).await? {
                    None => self.management.may_report(request.card, answers, now).await?,
                    Some(card) => {
                        card.belongs_to(&self.management.person_link(&answers.number))
                            && self.management.may_report_as(answers, now).await?
                    }
                };
                if !may {
                    return Err(Refusal::CallerUnknown.into());
                }
            }
        }
        Ok(())
    }

    /// Whether management has the case, and whether it is about this card, this person and this function.
    async fn in_this_case(
        &self,
        request: &Request,
        case: CaseNo,
        stage: Stage,
        now: Timestamp,
    ) -> Result<()> {
        let found = self.management.counter_case(case, now).await?.ok_or(Refusal::CaseUnknown)?;
        let named = match &request.detail {
            Detail::NewCard(new) => Some(new.person),
            Detail::NextKeys(keys) => Some(keys.person),
            _ => None,
        };
        let another = named.is_some_and(|person| self.management.person_link(&person) != found.person);
        let others = self.certificate_card(request.card).await?;
        let others = others.is_some_and(|card| !card.belongs_to(&found.person));
        if found.card != request.card || another || others {
            return Err(Refusal::CaseOther.into());
        }
        if !request.function.services().iter().any(|service| found.services.contains(service)) {
            return Err(Refusal::CaseService.into());
        }
        // What was begun in it is finished, even if it was closed meanwhile.
        if stage == Stage::New && !found.open {
            return Err(Refusal::CaseClosed.into());
        }
        Ok(())
    }

    /// NPC-45: whoever keeps the password confirms it.
    async fn confirm(&self, request: &Request, code: &UserCode, now: Timestamp) -> Result<()> {
        self.confirm_user_code(request.card, code, now).await
    }

    /// Whether a good signing certificate of the card signed the text of the request. One that was begun was signed with a good one
    /// when it came, and may have suspended or revoked it since: it is the same signature's to be finished with.
    async fn signed(&self, request: &Request, cms: &[u8], stage: Stage, now: Timestamp) -> Result<()> {
        let signed = |certificate: &IssuedCertificate| match stage {
            Stage::Begun => certificate.validity.contains(request.at),
            Stage::New | Stage::Done => good(certificate, now),
        };
        self.signed_with(request.card, cms, &request.text(), signed, now).await
    }

    /// Whether a good signing certificate of the card signed a text.
    pub(crate) async fn signed_by_holder(
        &self,
        card: CardSerial,
        cms: &[u8],
        text: &str,
        now: Timestamp,
    ) -> Result<()> {
        self.signed_with(card, cms, text, |certificate| good(certificate, now), now).await
    }

    async fn signed_with(
        &self,
        card: CardSerial,
        cms: &[u8],
        text: &str,
        counts: impl Fn(&IssuedCertificate) -> bool + Send,
        now: Timestamp,
    ) -> Result<()> {
        let cms = SignedData::parse(cms).map_err(|_| Refusal::Signature)?;
        let signer = cms.verify_detached(text.as_bytes()).map_err(|_| Refusal::Signature)?;
        let certificates = self.authority.certificates_of(card, now).await?;
        let counts = certificates.iter().any(|certificate| {
            certificate.slot.is_signing() && certificate.der == signer.der() && counts(certificate)
        });
        if counts { Ok(()) } else { Err(Refusal::Signature.into()) }
    }

    /// Counts a try before it is compared. A code that was right is used: for this request, which may be sent again until the
    /// code's time is over, and for no other.
    async fn use_one_time_code(&self, request: &Request, sent: &str, now: Timestamp) -> Result<()> {
        let (card, most) = (request.card.as_str(), self.config.one_time_code_attempts);
        let hash = self.one_time_code_hash(request.card, sent);
        let right = store::transaction!(self.db, |tx| {
            let sql = "SELECT hash, until, failures, used_for FROM one_time_code WHERE card = $1";
            let Some(row) = tx.optional(sql, params![card]).await? else { return Ok(false) };
            let (stored, until): (Vec<u8>, Timestamp) = (row.read("hash")?, row.read("until")?);
            let failures: u32 = row.read("failures")?;
            let free = row.read::<Option<Uuid>>("used_for")?.is_none_or(|used_for| used_for == request.id);
            let right = free && now < until && failures < most && curve::constant_time_eq(&stored, &hash);
            if right {
                let sql = "UPDATE one_time_code SET used_for = $2 WHERE card = $1";
                tx.execute_one(sql, params![card, request.id]).await?;
            } else if !free || failures + 1 >= most {
                tx.execute("DELETE FROM one_time_code WHERE card = $1", params![card]).await?;
            } else {
                let sql = "UPDATE one_time_code SET failures = failures + 1 WHERE card = $1";
                tx.execute(sql, params![card]).await?;
            }
            Ok::<_, crate::RaError>(right)
        })?;
        if right { Ok(()) } else { Err(Refusal::OneTimeCode.into()) }
    }

    /// The keyed hash under which a one-time code is kept.
    pub(crate) fn one_time_code_hash(&self, card: CardSerial, code: &str) -> [u8; 32] {
        self.keys.derive("one-time-code").lookup(format!("{card}/{code}").as_bytes())
    }
}

/// Whether the table offers the function in the channel to whoever is authorised in this way.
pub(crate) fn permitted(function: Function, channel: Channel, by: Authorisation) -> Result<(), Refusal> {
    let rule = rule_of(function, channel).ok_or(Refusal::NotOffered)?;
    if rule.authorised_by.contains(&by) { Ok(()) } else { Err(Refusal::NotAuthorised) }
}

fn good(certificate: &IssuedCertificate, now: Timestamp) -> bool {
    certificate.state == CertificateState::Good && certificate.validity.contains(now)
}

/// An account stands in every event.
pub(crate) fn named(account: &str) -> Result<(), Refusal> {
    let named = !account.trim().is_empty() && account.len() <= 64 && !account.contains(char::is_control);
    if named { Ok(()) } else { Err(Refusal::NoClerk) }
}

/// Whether a request of this kind is made under an office's case.
pub(crate) const fn in_a_case(kind: Authorisation) -> bool {
    matches!(
        kind,
        Authorisation::ClerkAndCase | Authorisation::ClerkAndPin2 | Authorisation::ClerkAndUserCode
    )
}
