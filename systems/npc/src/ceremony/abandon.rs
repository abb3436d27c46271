//! The way out of a ceremony that cannot be finished: a check that fails, a key store that is gone, a script that was wrong.
//!
//! Two persons give it up, one of whom decided about it, and say why. What it made is put aside for ever: certificates that
//! a root of ours signed go on that root's list, whether somebody has seen them or not; a root's own certificate is revoked
//! by nobody, and is recorded as never published. Keys that it made are destroyed. Its number is spent: the next ceremony
//! takes the next label, so that no two keys ever stand under one.
//!
//! Order: first what is decided is stored, with everything that follows from it inside the database; then the list is made;
//! then the keys go; then the record is written. Interrupted anywhere, giving up again goes on where it was.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Tx, params, transaction};
use x509::Certificate;
use x509::certificate::Kind;
use x509::crl::Reason;

use super::act::Act;
use super::work::{changed, found, link_label};
use super::{Ceremony, GIVEN_UP, Hands, kept, subject};
use crate::authority::{ca_label, hex, off_thread, responder_prefix, root_label};
use crate::request::sha256;
use crate::{List, Npc, NpcError, Result, Scope};

/// How a ceremony was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abandonment {
    /// Who gave it up.
    pub operator: String,
    /// Who saw it.
    pub witness: String,
    /// Why, in their words.
    pub because: String,
    /// When.
    pub at: Timestamp,
    /// What became of what the ceremony had made: names and values.
    pub found: Vec<(String, String)>,
}

/// The persisted form.
#[derive(Serialize, Deserialize)]
struct Stored {
    operator: String,
    witness: String,
    because: String,
    at: String,
    found: Vec<(String, String)>,
}

impl Abandonment {
    pub(super) fn read(text: &str) -> Result<Self> {
        const BROKEN: NpcError = NpcError::Inconsistent("abandonment");
        let Stored { operator, witness, because, at, found } =
            serde_json::from_str(text).map_err(|_| BROKEN)?;
        Ok(Self { operator, witness, because, at: at.parse().map_err(|_| BROKEN)?, found })
    }

    fn write(&self) -> Result<String> {
        let Self { operator, witness, because, at, found } = self.clone();
        let stored = Stored { operator, witness, because, at: at.to_string(), found };
        serde_json::to_string(&stored).map_err(|_| NpcError::Inconsistent("abandonment"))
    }
}

impl Npc {
    /// Gives a ceremony up that is not finished, whatever it has made so far: certificates are put aside and revoked where
    /// somebody can revoke them, keys that it made are destroyed, its number is spent. Two persons do it, one of whom proposed or approved; the record is as that of a finished ceremony. What
    /// already issues or certifies cannot be given up; it is finished, and revoked by a ceremony of its own.
    ///
    /// # Errors
    /// [`NpcError::SamePerson`], [`NpcError::Ceremony`] if it is finished or these are not the persons,
    /// [`NpcError::Request`] without a reason. After [`NpcError::Keys`] or [`NpcError::Store`]: call it again.
    pub async fn abandon_ceremony(
        &self,
        number: u64,
        hands: Hands<'_>,
        because: &str,
        now: Timestamp,
    ) -> Result<Ceremony> {
        let ceremony = self.ceremony(number).await?;
        ceremony.expect_persons(hands)?;
        if because.trim().is_empty() || because.chars().count() > 400 || because.chars().any(char::is_control)
        {
            return Err(NpcError::Request("say in 1 to 400 characters why the ceremony is given up"));
        }
        if ceremony.is_abandoned() {
            return Ok(ceremony);
        }
        if ceremony.finished_at.is_some() || ceremony.next().is_none() {
            return Err(NpcError::Ceremony("it is finished"));
        }
        self.follow_authority(now).await?;
        if ceremony.abandonment.is_none() {
            let (operator, witness) = (hands.operator.to_owned(), hands.witness.to_owned());
            let because = because.to_owned();
            let given_up = Abandonment { operator, witness, because, at: kept(now)?, found: Vec::new() };
            self.put_aside(&ceremony, &given_up, now).await?;
        }
        let mut ceremony = self.ceremony(number).await?;
        let all = self.clear_away(&ceremony, now).await?;
        let given_up = ceremony.abandonment.as_mut().ok_or(NpcError::Inconsistent("abandonment"))?;
        given_up.found = all;
        self.close(&ceremony, hands, now).await?;
        self.ceremony(number).await
    }

    /// What is decided, and all that follows from it inside the database, at once.
    async fn put_aside(&self, ceremony: &Ceremony, given_up: &Abandonment, now: Timestamp) -> Result<()> {
        let text = given_up.write()?;
        // A root that was retired and whose key is still there serves again.
        let serves_again = match &ceremony.act {
            Act::KeyDestruction { label, .. } if self.key(label).await?.is_some() => Some(label.clone()),
            _ => None,
        };
        transaction!(self.db, |tx| {
            let sql = "UPDATE ceremony SET abandonment = $2 \
                WHERE number = $1 AND finished_at IS NULL AND abandonment IS NULL";
            if tx.execute(sql, params![ceremony.number as i64, &text]).await? != 1 {
                return Err(GIVEN_UP);
            }
            // Until it was approved it had no number of its own, and what stands under that number is another's.
            if ceremony.approved.is_some() {
                spend(tx, &ceremony.act, now).await?;
                for label in ceremony.act.certificates() {
                    let sql = "DELETE FROM authority WHERE label = $1 AND der IS NULL";
                    tx.execute(sql, params![&label]).await?;
                    let sql =
                        "UPDATE authority SET withheld = 1, revoked_at = $2, reason = $3 WHERE label = $1";
                    let reason = i64::from(Reason::CessationOfOperation.code());
                    tx.execute(sql, params![&label, now, reason]).await?;
                }
                if let Act::Generation { number, .. } | Act::GenerationElsewhere { number, .. } =
                    &ceremony.act
                {
                    let profile = Kind::OcspResponder.name();
                    let sql = "UPDATE authority SET withheld = 1 WHERE profile = $1 AND issuer = $2";
                    tx.execute(sql, params![profile, i64::from(*number)]).await?;
                }
                if let Some(label) = &serves_again {
                    let root = (1..=64u32).find(|number| root_label(*number) == *label);
                    let sql = "UPDATE root_ca SET ended_at = NULL WHERE number = $1";
                    tx.execute(sql, params![root.map_or(0, i64::from)]).await?;
                }
            }
            let detail = json!({ "witness": given_up.witness, "because": given_up.because });
            let about = subject(ceremony.number);
            self.audit(tx, "ceremony-abandon", &about, &given_up.operator, detail, now).await?;
            changed(tx).await
        })
    }

    /// Publishes what is revoked and destroys the keys. What is done already is told again.
    async fn clear_away(&self, ceremony: &Ceremony, now: Timestamp) -> Result<Vec<(String, String)>> {
        self.refresh_authority(now).await?;
        let mut all = Vec::new();
        if ceremony.approved.is_none() {
            return Ok(all);
        }
        for label in ceremony.act.certificates() {
            let sql = "SELECT profile, der, issuer FROM authority WHERE label = $1 AND der IS NOT NULL";
            let Some(row) = self.db.optional(sql, params![&label]).await? else { continue };
            let certificate = Certificate::parse(&row.read::<Vec<u8>>("der")?)?;
            all.push(found("certificate", label.clone()));
            all.push(found("serial", hex(certificate.serial_octets())));
            all.push(found("certificate_sha256", hex(&certificate.fingerprint())));
            let (profile, issuer): (String, u32) = (row.read("profile")?, row.read("issuer")?);
            let listed = [Kind::NpcIntermediate.name(), Kind::NpcRootLink.name(), Kind::NpcCross.name()];
            // A root that never began has no list, and nobody trusts what it signed.
            if listed.contains(&profile.as_str())
                && self.publishes(List { generation: issuer, scope: Scope::Root })
            {
                let list = self.list(List { generation: issuer, scope: Scope::Root }, now).await?;
                all.push(found("list_number", list.number.to_string()));
                all.push(found("list_sha256", hex(&sha256(&list.der))));
            } else {
                all.push(found("never_published", label));
            }
        }
        for label in self.own_keys(&ceremony.act).await? {
            let (keys, name) = (self.keys.clone(), label.clone());
            match off_thread(move || keys.destroy(&name)).await? {
                Ok(()) | Err(keys::KeyError::Missing(_)) => all.push(found("destroyed", label)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }

    /// The labels of the keys that were made for what the ceremony was to make, as far as they can be there.
    async fn own_keys(&self, act: &Act) -> Result<Vec<String>> {
        Ok(match act {
            Act::Root { number, .. } => vec![root_label(*number)],
            Act::Generation { number, .. } | Act::GenerationElsewhere { number, .. } => {
                let prefix = format!("{}-", responder_prefix(*number));
                let keys = self.keys.clone();
                let all = off_thread(move || keys.list()).await??;
                let responders = all.into_iter().map(|key| key.label).filter(|label| {
                    label.strip_prefix(&prefix).is_some_and(|rest| rest.parse::<u32>().is_ok())
                });
                [ca_label(*number)].into_iter().chain(responders).collect()
            }
            _ => Vec::new(),
        })
    }

    async fn close(&self, ceremony: &Ceremony, hands: Hands<'_>, now: Timestamp) -> Result<()> {
        let now = kept(now)?;
        let text = ceremony.abandonment.as_ref().ok_or(NpcError::Inconsistent("abandonment"))?.write()?;
        let document = serde_json::to_string_pretty(&ceremony.document(now));
        let document = document.map_err(|_| NpcError::Inconsistent("record"))?;
        transaction!(self.db, |tx| {
            let sql = "UPDATE ceremony SET finished_at = $2, record = $3, abandonment = $4 \
                WHERE number = $1 AND finished_at IS NULL";
            if tx.execute(sql, params![ceremony.number as i64, now, &document, &text]).await? == 1 {
                let detail = json!({ "record": hex(&sha256(document.as_bytes())), "witness": hands.witness });
                let about = subject(ceremony.number);
                self.audit(tx, "ceremony-abandoned", &about, hands.operator, detail, now).await?;
            }
            Ok::<_, NpcError>(())
        })?;
        self.stamp_record(ceremony.number, now).await?;
        Ok(())
    }
}

impl Act {
    /// Under which labels certificates of its making can stand.
    fn certificates(&self) -> Vec<String> {
        match self {
            Self::Root { number, before, .. } => {
                vec![root_label(*number), link_label(*number, *before), link_label(*before, *number)]
            }
            Self::Generation { number, .. } | Self::GenerationElsewhere { number, .. } => {
                vec![ca_label(*number)]
            }
            Self::Cross { label, .. } | Self::CrossImport { label, .. } => vec![label.clone()],
            _ => Vec::new(),
        }
    }
}

/// Nobody takes this number again, so that no other key ever stands under its label. Refuses what serves already.
async fn spend(tx: &mut Tx, act: &Act, now: Timestamp) -> Result<()> {
    let spent = match act {
        Act::Generation { number, key, partitions, root }
        | Act::GenerationElsewhere { number, key, partitions, root } => {
            // With an end long past it neither issues nor tells status.
            let sql = "INSERT INTO generation (number, root, key_kind, partitions, issues, last_end) \
                VALUES ($1, $2, $3, $4, 0, 0) \
                ON CONFLICT (number) DO UPDATE SET last_end = 0 WHERE generation.issues = 0";
            let values = params![i64::from(*number), i64::from(*root), key, *partitions];
            tx.execute(sql, values).await?
        }
        Act::Root { number, key, .. } => {
            let sql = "INSERT INTO root_ca (number, key_kind, ended_at) VALUES ($1, $2, $3) \
                ON CONFLICT DO NOTHING";
            tx.execute(sql, params![i64::from(*number), key, now]).await?
        }
        _ => 1,
    };
    if spent == 1 { Ok(()) } else { Err(SERVES) }
}

const SERVES: NpcError = NpcError::Ceremony("what it made serves already: finish it, then revoke");
