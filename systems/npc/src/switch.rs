//! What one person can stop at once, in every process, until somebody lets it go on: the issuing of certificates (NPC-55) and the
//! repository (NPC-57). It stands in the database, so a restart changes nothing.

use jiff::Timestamp;
use serde_json::json;
use store::{Tx, params, transaction};

use crate::{Npc, Result};

/// Something that can be stopped.
pub(crate) struct Switch {
    /// The name of the row that is there while it is stopped.
    setting: &'static str,
    /// What the audit log calls it, its stop, and its end.
    subject: &'static str,
    stop: &'static str,
    start: &'static str,
    /// The name of the row that says why it was stopped by itself, and goes when it is let go on.
    alarm: Option<&'static str>,
}

/// When the database was last found to have gone back.
pub(crate) const WENT_BACK: &str = "database-went-back";

pub(crate) const ISSUING: Switch = Switch {
    setting: "issuing-stopped",
    subject: "issuing",
    stop: "issuing-stop",
    start: "issuing-start",
    alarm: Some(WENT_BACK),
};
pub(crate) const REPOSITORY: Switch = Switch {
    setting: "repository-closed",
    subject: "repository",
    stop: "repository-close",
    start: "repository-open",
    alarm: None,
};

const STOPPED: &str = "SELECT 1 FROM setting WHERE name = $1";

impl Switch {
    /// Whether it is stopped, as the transaction sees it.
    pub(crate) async fn is_stopped(&self, tx: &mut Tx) -> Result<bool> {
        Ok(tx.optional(STOPPED, params![self.setting]).await?.is_some())
    }

    /// Stops it within a transaction that says why in the log.
    pub(crate) async fn stop(&self, tx: &mut Tx) -> Result<()> {
        let sql = "INSERT INTO setting (name, value) VALUES ($1, 'yes') ON CONFLICT DO NOTHING";
        tx.execute(sql, params![self.setting]).await?;
        Ok(())
    }
}

impl Npc {
    /// Whether it is stopped.
    pub(crate) async fn is_stopped(&self, switch: &Switch) -> Result<bool> {
        Ok(self.db.optional(STOPPED, params![switch.setting]).await?.is_some())
    }

    /// Stops it, or lets it go on. What is so already leaves no entry in the log.
    pub(crate) async fn turn(
        &self,
        switch: &Switch,
        stopped: bool,
        operator: &str,
        now: Timestamp,
    ) -> Result<()> {
        transaction!(self.db, |tx| {
            if switch.is_stopped(tx).await? == stopped {
                return Ok(());
            }
            let (sql, action) = if stopped {
                ("INSERT INTO setting (name, value) VALUES ($1, 'yes')", switch.stop)
            } else {
                ("DELETE FROM setting WHERE name = $1", switch.start)
            };
            tx.execute_one(sql, params![switch.setting]).await?;
            if let Some(alarm) = switch.alarm.filter(|_| !stopped) {
                tx.execute("DELETE FROM setting WHERE name = $1", params![alarm]).await?;
            }
            self.audit(tx, action, switch.subject, operator, json!({}), now).await?;
            Ok(())
        })
    }
}
