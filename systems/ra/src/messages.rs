//! Messages to holders: one-time codes and notices (NPC-46, LOSS-13). They wait sealed in an outbox for the gateway that sends
//! mail and SMS. E-mail is preferred; SMS costs money and is counted by the month. To a holder of New eID without either a
//! letter is sent: it waits here without an address, which the office that prints it takes from the register. A one-time code
//! never goes by letter.

use curve::Random;
use jiff::Timestamp;
use mgmt::Contact;
use model::{CardSerial, RocDate, UserCode};
use serde_json::{Value, json};
use store::{Tx, params};
use uuid::Uuid;

use crate::functions::Function;
use crate::{Ra, RaError, Refusal, Result};

/// How a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// E-mail.
    Email,
    /// SMS.
    Sms,
    /// A letter to the registered address.
    Letter,
}

/// A message that waits to be sent. Names how a person is reached: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number.
    pub id: Uuid,
    /// How it goes.
    pub way: Way,
    /// The address or number; of a letter the serial number of the card, by which the office finds the holder's address.
    pub to: String,
    /// What it says, Traditional Chinese first.
    pub text: String,
}

impl Way {
    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Letter => "letter",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Email, Self::Sms, Self::Letter].into_iter().find(|way| way.as_str() == name)
    }

    /// How the holder is reached at once; not by letter.
    fn of(contact: &Contact) -> Option<(Self, &str)> {
        let email = contact.email.as_deref().map(|to| (Self::Email, to));
        email.or_else(|| contact.mobile.as_deref().map(|to| (Self::Sms, to)))
    }
}

impl Ra {
    /// Sends a one-time code for unblocking to the contact on file (NPC-46). The user code is confirmed first; a contact that
    /// was changed online a short while ago does not do (OPEN-44). A code sent before is void. Says how it went.
    pub async fn send_one_time_code(&self, card: CardSerial, code: &UserCode, now: Timestamp) -> Result<Way> {
        self.confirm_user_code(card, code, now).await?;
        let contact = self.contact_of(card).await?.ok_or(Refusal::NoContact)?;
        let (way, _) = Way::of(&contact).ok_or(Refusal::NoContact)?;
        let sql = "SELECT at FROM contact_change WHERE card = $1";
        if let Some(row) = self.db.optional(sql, params![card.as_str()]).await?
            && now.duration_since(row.read("at")?) < self.config.contact_wait
        {
            return Err(Refusal::ContactTooNew.into());
        }
        let mut bytes = [0; 8];
        self.random.clone().fill(&mut bytes);
        let sent = format!("{:08}", u64::from_be_bytes(bytes) % 100_000_000);
        let (hash, until) = (self.one_time_code_hash(card, &sent), now + self.config.one_time_code_life);
        let minutes = self.config.one_time_code_life.as_mins();
        let text = format!(
            "鎖卡解碼一次性密碼 {sent}，{minutes} 分鐘內有效。非您本人申請請撥 1996。\nYour code for unblocking the card is {sent}, good for {minutes} \
             minutes. If you did not ask for it call 1996."
        );
        store::transaction!(self.db, |tx| {
            tx.execute_one(
                "INSERT INTO one_time_code (card, hash, until, failures) VALUES ($1, $2, $3, 0) \
                 ON CONFLICT (card) DO UPDATE SET hash = EXCLUDED.hash, until = EXCLUDED.until, failures = 0, \
                 used_for = NULL",
                params![card.as_str(), hash, until],
            )
            .await?;
            self.post(tx, card, &contact, "one-time-code", &text, now, until).await?;
            let detail = json!({ "way": way.as_str() });
            self.audit(tx, "one-time-code-send", card.as_str(), crate::request::HOLDER, detail, now).await?;
            Ok::<_, RaError>(())
        })?;
        Ok(way)
    }

    /// The messages that wait, oldest first; those whose time is over are dropped. Each waits until [`Ra::message_sent`].
    pub async fn messages(&self, limit: u32, now: Timestamp) -> Result<Vec<Message>> {
        self.db.execute("DELETE FROM outbox WHERE until <= $1", params![now]).await?;
        let sql = "SELECT id, way, sealed FROM outbox ORDER BY at, id LIMIT $1";
        let rows = self.db.all(sql, params![limit]).await?;
        rows.iter()
            .map(|row| {
                let id: Uuid = row.read("id")?;
                let plain = self.keys.open(&context(id), &row.read::<Vec<u8>>("sealed")?)?;
                let value: Value =
                    serde_json::from_slice(plain.expose()).map_err(|_| RaError::Data("message"))?;
                let text = |name: &str| value[name].as_str().map(str::to_owned);
                let way = Way::from_name(&row.read::<String>("way")?);
                let (Some(way), Some(to), Some(text)) = (way, text("to"), text("text")) else {
                    return Err(RaError::Data("message"));
                };
                Ok(Message { id, way, to, text })
            })
            .collect()
    }

    /// Notes that the gateway sent a message: nothing of it stays but the count of SMS.
    pub async fn message_sent(&self, id: Uuid, now: Timestamp) -> Result<()> {
        let month = RocDate::in_taipei(now).iso()[..7].to_owned();
        store::transaction!(self.db, |tx| {
            let sql = "SELECT way FROM outbox WHERE id = $1";
            let Some(row) = tx.optional(sql, params![id]).await? else { return Ok(()) };
            tx.execute_one("DELETE FROM outbox WHERE id = $1", params![id]).await?;
            if row.read::<String>("way")? == Way::Sms.as_str() {
                tx.execute_one(
                    "INSERT INTO sms_count (month, messages) VALUES ($1, 1) \
                     ON CONFLICT (month) DO UPDATE SET messages = sms_count.messages + 1",
                    params![&month],
                )
                .await?;
            }
            Ok::<_, RaError>(())
        })
    }

    /// How many SMS were sent in each month, by its name such as `2026-11`.
    pub async fn sms_sent(&self) -> Result<Vec<(String, u64)>> {
        let rows = self.db.all("SELECT month, messages FROM sms_count ORDER BY month", params![]).await?;
        rows.iter().map(|row| Ok((row.read("month")?, row.read("messages")?))).collect()
    }

    /// Puts a message into the outbox (LOSS-13). Nobody here knows where the holder of a certificate-only card lives, who gets
    /// none without mail or telephone.
    #[allow(clippy::too_many_arguments, reason = "a message is all of this")]
    pub(crate) async fn post(
        &self,
        tx: &mut Tx,
        card: CardSerial,
        contact: &Contact,
        kind: &str,
        text: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<()> {
        let (way, to) = match Way::of(contact) {
            Some(way) => way,
            None => {
                let sql = "SELECT 1 FROM certificate_card WHERE card = $1";
                if tx.optional(sql, params![card.as_str()]).await?.is_some() {
                    return Ok(());
                }
                (Way::Letter, card.as_str())
            }
        };
        let mut random = self.random.clone();
        let id = store::new_id(now, &mut random);
        let plain = json!({ "to": to, "text": text }).to_string();
        let sealed = self.keys.seal(&mut random, &context(id), plain.as_bytes())?;
        tx.execute_one(
            "INSERT INTO outbox (id, way, kind, sealed, at, until) VALUES ($1, $2, $3, $4, $5, $6)",
            params![id, way.as_str(), kind, sealed, now, until],
        )
        .await?;
        Ok(())
    }
}

/// What a holder is told after a function was carried out; nothing after a question.
pub(crate) fn notice(function: Function, card: CardSerial, receipt: &str) -> Option<String> {
    if matches!(
        function,
        Function::QueryStatus | Function::Barcode | Function::ConfirmPassword | Function::MutualVerification
    ) {
        return None;
    }
    let tail = &card.as_str()[5..];
    Some(format!(
        "卡片（末四碼 {tail}）已辦理{}，收件編號 {receipt}。非您本人辦理請撥 1996。\nDone for your card ending in {tail}: {}, receipt {receipt}. If it \
         was not you call 1996.",
        function.zh(),
        function.as_str()
    ))
}

/// What the notice says besides where certificates were written that are on hold.
pub(crate) const ON_HOLD: &str = "\n新憑證停用中，尚不能使用：因安全事件者，解除後自動復用，無須再辦理；因另一召回案者，另行通知。\nThe new certificates are on hold and \
    cannot be used yet: where an incident holds them they are resumed when it is over, and there is nothing for you to do; where another \
    recall does, you are told of that apart.";

fn context(id: Uuid) -> String {
    format!("ra/outbox/{}", id.simple())
}
