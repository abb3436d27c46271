//! Cards that carry certificates and nothing else, which management does not know: whose they are, and what their holders keep
//! here, the user code (NPC-40, NPC-45) and the contact (NPC-46).
//!
//! The user code is kept as management keeps those of New eID: as a salted slow hash, counted before it is compared, locked for a
//! while after too many tries. So its refusals are those of management.

use curve::Random;
use jiff::Timestamp;
use mgmt::Contact;
use model::{CardSerial, UserCode};
use npc::Carrier;
use serde_json::json;
use store::{Row, params};

use crate::request::HOLDER;
use crate::{Ra, RaError, Result};

/// Such a card.
pub(crate) struct CertificateCard {
    /// Of a citizen or a foreign resident.
    pub(crate) carrier: Carrier,
    person: Vec<u8>,
    contact: Option<Vec<u8>>,
    /// The register has ended it: it gets no certificates any more.
    pub(crate) ended: bool,
}

impl CertificateCard {
    fn read(row: &Row) -> Result<Self> {
        let carrier: String = row.read("carrier")?;
        Ok(Self {
            carrier: Carrier::from_name(&carrier).ok_or(RaError::Data("carrier"))?,
            person: row.read("person")?,
            contact: row.read("contact")?,
            ended: row.read::<Option<Timestamp>>("ended_at")?.is_some(),
        })
    }

    /// Whether it is the card of the person with this keyed hash.
    pub(crate) fn belongs_to(&self, link: &[u8; 32]) -> bool {
        curve::constant_time_eq(&self.person, link)
    }
}

impl Ra {
    /// Whether a card is one of those issued here, which management does not know.
    pub async fn is_certificate_card(&self, card: CardSerial) -> Result<bool> {
        Ok(self.certificate_card(card).await?.is_some())
    }

    pub(crate) async fn certificate_card(&self, card: CardSerial) -> Result<Option<CertificateCard>> {
        let sql = "SELECT carrier, person, contact, ended_at FROM certificate_card WHERE card = $1";
        let row = self.db.optional(sql, params![card.as_str()]).await?;
        row.as_ref().map(CertificateCard::read).transpose()
    }

    /// How the holder is reached; a card that nobody knows has nobody on file.
    pub(crate) async fn contact_of(&self, card: CardSerial) -> Result<Option<Contact>> {
        if let Some(known) = self.certificate_card(card).await? {
            let Some(sealed) = known.contact else { return Ok(Some(Contact::by_post())) };
            let plain = self.keys.open(&context(card), &sealed)?;
            return serde_json::from_slice(plain.expose()).map(Some).map_err(|_| RaError::Data("contact"));
        }
        match self.management.contact(card).await {
            Ok(contact) => Ok(Some(contact)),
            Err(error) if error.refusal() == Some(mgmt::Refusal::CardUnknown) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces how the holder is reached.
    pub(crate) async fn store_contact(
        &self,
        card: CardSerial,
        contact: &Contact,
        actor: &str,
        now: Timestamp,
    ) -> Result<()> {
        if !self.is_certificate_card(card).await? {
            return Ok(self.management.change_contact(card, contact, actor, now).await?);
        }
        contact.check().map_err(refused)?;
        let plain = serde_json::to_vec(contact).map_err(|_| RaError::Data("contact"))?;
        let sealed = self.keys.seal(&mut self.random.clone(), &context(card), &plain)?;
        store::transaction!(self.db, |tx| {
            let sql = "UPDATE certificate_card SET contact = $2 WHERE card = $1";
            tx.execute_one(sql, params![card.as_str(), &sealed]).await?;
            let detail = json!({ "way": contact.way.as_str() });
            self.audit(tx, "contact-change", card.as_str(), actor, detail, now).await?;
            Ok::<_, RaError>(())
        })
    }

    /// Confirms the user code with whoever keeps it: the right one, and no longer the default one.
    pub(crate) async fn confirm_user_code(
        &self,
        card: CardSerial,
        code: &UserCode,
        now: Timestamp,
    ) -> Result<()> {
        if !self.is_certificate_card(card).await? {
            return Ok(self.management.confirm_user_code(card, code, now).await?);
        }
        if self.compare_user_code(card, code, now).await? {
            Ok(())
        } else {
            Err(refused(mgmt::Refusal::UserCodeDefault))
        }
    }

    /// Gives a new default user code. The old one is void.
    pub(crate) async fn reset_user_code(
        &self,
        card: CardSerial,
        actor: &str,
        now: Timestamp,
    ) -> Result<UserCode> {
        if !self.is_certificate_card(card).await? {
            return Ok(self.management.reset_user_code(card, actor, now).await?);
        }
        let code = UserCode::sample(self.draw());
        self.store_user_code(card, &code, false, actor, now).await?;
        Ok(code)
    }

    /// Changes the user code. One that was begun may have been done: then the new code is the present one.
    pub(crate) async fn change_user_code(
        &self,
        card: CardSerial,
        present: &UserCode,
        new: &UserCode,
        begun: bool,
        now: Timestamp,
    ) -> Result<()> {
        if begun && self.confirm_user_code(card, new, now).await.is_ok() {
            return Ok(());
        }
        if !self.is_certificate_card(card).await? {
            return Ok(self.management.change_user_code(card, present, new, now).await?);
        }
        self.compare_user_code(card, present, now).await?;
        if present == new {
            return Err(refused(mgmt::Refusal::UserCodeUnchanged));
        }
        self.store_user_code(card, new, true, HOLDER, now).await
    }

    async fn store_user_code(
        &self,
        card: CardSerial,
        code: &UserCode,
        own: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<()> {
        let hash = self.hasher.hash(code, self.draw()).await?;
        let action = if own { "user-code-change" } else { "user-code-reset" };
        store::transaction!(self.db, |tx| {
            tx.execute_one(
                "UPDATE certificate_card SET user_code = $2, user_code_own = $3, failures = 0, locked_until = NULL \
                 WHERE card = $1",
                params![card.as_str(), &hash, own],
            )
            .await?;
            self.audit(tx, action, card.as_str(), actor, json!({}), now).await?;
            Ok::<_, RaError>(())
        })
    }

    /// Compares a code with the one that is kept here, and says whether the holder has chosen it. A try is counted before it
    /// is compared, so that neither a crash nor many tries at once give a free one.
    async fn compare_user_code(&self, card: CardSerial, code: &UserCode, now: Timestamp) -> Result<bool> {
        let lock = now.checked_add(self.config.user_code_lock).unwrap_or(Timestamp::MAX);
        let (hash, own) = store::transaction!(self.db, |tx| {
            let sql = "SELECT user_code, user_code_own, failures, locked_until FROM certificate_card WHERE card = $1";
            let row = tx.one(sql, params![card.as_str()]).await?;
            // A card whose holder never got one answers as to a wrong one, as late, and locks as early.
            let hash = row.read::<Option<String>>("user_code")?;
            let locked: Option<Timestamp> = row.read("locked_until")?;
            if locked.is_some_and(|until| until > now) {
                return Err(refused(mgmt::Refusal::UserCodeLocked));
            }
            let before: u32 = if locked.is_some() { 0 } else { row.read("failures")? };
            let failures = before + 1;
            let until = (failures >= self.config.user_code_attempts).then_some(lock);
            let sql = "UPDATE certificate_card SET failures = $2, locked_until = $3 WHERE card = $1";
            tx.execute_one(sql, params![card.as_str(), failures, until]).await?;
            Ok::<_, RaError>((hash, row.read("user_code_own")?))
        })?;
        let right = match hash {
            Some(hash) => self.hasher.matches(code, hash).await?,
            None => self.hasher.matches_nothing(code).await?,
        };
        if !right {
            store::transaction!(self.db, |tx| {
                self.audit(tx, "user-code-wrong", card.as_str(), HOLDER, json!({}), now).await?;
                Ok::<_, RaError>(())
            })?;
            return Err(refused(mgmt::Refusal::UserCodeWrong));
        }
        let sql = "UPDATE certificate_card SET failures = 0, locked_until = NULL WHERE card = $1";
        self.db.execute(sql, params![card.as_str()]).await?;
        Ok(own)
    }

    pub(crate) fn draw<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.clone().fill(&mut bytes);
        bytes
    }
}

/// What management would refuse, in its words.
fn refused(refusal: mgmt::Refusal) -> RaError {
    RaError::Management(refusal.into())
}

fn context(card: CardSerial) -> String {
    format!("ra/contact/{card}")
}
