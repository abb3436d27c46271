//! Whether a proof authorises a request. Nothing is done before this has said yes.

use jiff::Timestamp;
use model::{CertificateState, UserCode};
use store::params;
use x509::cms::SignedData;

use crate::functions::{Authorisation, Channel, Function, rule_of};
use crate::request::{Consent, Proof, Request};
use crate::{Ra, Refusal, Result};

impl Ra {
    /// Checks the proof of a request that is [`permitted`]. Tries of a secret are counted by whoever keeps it.
    pub(crate) async fn authorise(
        &self,
        request: &Request,
        proof: &Proof,
        begun: bool,
        now: Timestamp,
    ) -> Result<()> {
        // One that was begun was fresh when it came.
        let apart = now.duration_since(request.at).abs();
        if !begun && apart > self.config.skew {
            return Err(Refusal::Stale.into());
        }
        match proof {
            Proof::Clerk { clerk, office, consent, .. } => {
                named(clerk)?;
                // NPC-09: a counter is a household registration office, or a temporary one of its.
                registry::office(*office).ok_or(Refusal::NoOffice)?;
                match consent {
                    None => {}
                    Some(Consent::Signature(cms)) => self.signed(request, cms, now).await?,
                    Some(Consent::UserCode(code)) => self.confirm(request, code, now).await?,
                }
            }
            Proof::Signature(cms) => self.signed(request, cms, now).await?,
            Proof::UserCode(code) => self.confirm(request, code, now).await?,
            Proof::CallerUserCode { operator, code } => {
                named(operator)?;
                self.confirm(request, code, now).await?;
            }
            Proof::OneTimeCode(code, sent) => {
                self.confirm(request, code, now).await?;
                self.use_one_time_code(request.card, sent, now).await?;
            }
            // The card compares, or whoever keeps the user code.
            Proof::Pin2Change(..) | Proof::UserCodeChange(..) => {}
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

    /// NPC-45: whoever keeps the password confirms it.
    async fn confirm(&self, request: &Request, code: &UserCode, now: Timestamp) -> Result<()> {
        self.confirm_user_code(request.card, code, now).await
    }

    /// Whether a good signing certificate of the card signed the text of the request.
    async fn signed(&self, request: &Request, cms: &[u8], now: Timestamp) -> Result<()> {
        let cms = SignedData::parse(cms).map_err(|_| Refusal::Signature)?;
        let signer = cms.verify_detached(request.text().as_bytes()).map_err(|_| Refusal::Signature)?;
        let certificates = self.authority.certificates_of(request.card, now).await?;
        let good = certificates.iter().any(|certificate| {
            certificate.slot.is_signing()
                && certificate.der == signer.der()
                && certificate.state == CertificateState::Good
                && certificate.validity.contains(now)
        });
        if good { Ok(()) } else { Err(Refusal::Signature.into()) }
    }

    /// Counts a try before it is compared; a code that was right is gone.
    async fn use_one_time_code(&self, card: model::CardSerial, sent: &str, now: Timestamp) -> Result<()> {
        let most = self.config.one_time_code_attempts;
        let hash = self.one_time_code_hash(card, sent);
        let right = store::transaction!(self.db, |tx| {
            let sql = "SELECT hash, until, failures FROM one_time_code WHERE card = $1";
            let Some(row) = tx.optional(sql, params![card.as_str()]).await? else { return Ok(false) };
            let (stored, until): (Vec<u8>, Timestamp) = (row.read("hash")?, row.read("until")?);
            let failures: u32 = row.read("failures")?;
            let right = now < until && failures < most && curve::constant_time_eq(&stored, &hash);
            if right || failures + 1 >= most {
                tx.execute("DELETE FROM one_time_code WHERE card = $1", params![card.as_str()]).await?;
            } else {
                let sql = "UPDATE one_time_code SET failures = failures + 1 WHERE card = $1";
                tx.execute(sql, params![card.as_str()]).await?;
            }
            Ok::<_, crate::RaError>(right)
        })?;
        if right { Ok(()) } else { Err(Refusal::OneTimeCode.into()) }
    }

    /// The keyed hash under which a one-time code is kept.
    pub(crate) fn one_time_code_hash(&self, card: model::CardSerial, code: &str) -> [u8; 32] {
        self.keys.derive("one-time-code").lookup(format!("{card}/{code}").as_bytes())
    }
}

/// Whether the table offers the function in the channel to whoever is authorised in this way.
pub(crate) fn permitted(function: Function, channel: Channel, by: Authorisation) -> Result<(), Refusal> {
    let rule = rule_of(function, channel).ok_or(Refusal::NotOffered)?;
    if rule.authorised_by.contains(&by) { Ok(()) } else { Err(Refusal::NotAuthorised) }
}

/// An account stands in every event.
fn named(account: &str) -> Result<(), Refusal> {
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
