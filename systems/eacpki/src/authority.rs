//! The CVCA and the document verifiers: how they are made and succeeded.
//!
//! Every authority is made in the same order: number and label stored, key made under the label, bytes to be signed stored,
//! signature, certificate stored. Whatever stops the program in between, the next call takes up where it stopped, with the
//! same number, the same key and the same bytes.

use eac::cvc::{Body, Certificate, Chat, Date, Extension, Extensions, PublicKey, Rights, Role, UpdateRights};
use jiff::Timestamp;
use serde_json::json;
use store::{Row, params, transaction};

use crate::config::{day, in_days, last_day};
use crate::system::SYSTEM;
use crate::{EacPki, EacPkiError, Result};

/// An authority as the database knows it.
pub(crate) struct Authority {
    pub(crate) role: Role,
    pub(crate) sequence: i64,
    pub(crate) label: String,
    body: Option<Vec<u8>>,
    link_body: Option<Vec<u8>>,
    pub(crate) certificate: Option<Certificate>,
}

const COLUMNS: &str = "SELECT role, sequence, key_label, body, link_body, certificate FROM authority";

impl Authority {
    fn read(row: &Row) -> Result<Self> {
        let certificate = row.read::<Option<Vec<u8>>>("certificate")?;
        Ok(Self {
            role: from_text(&row.read::<String>("role")?)?,
            sequence: row.read("sequence")?,
            label: row.read("key_label")?,
            body: row.read("body")?,
            link_body: row.read("link_body")?,
            certificate: certificate.map(|bytes| Certificate::parse(&bytes)).transpose()?,
        })
    }

    /// What its finished certificate says.
    pub(crate) fn said(&self) -> Result<&Body> {
        let certificate = self.certificate.as_ref();
        Ok(certificate.ok_or(EacPkiError::Inconsistent("an authority without certificate"))?.body())
    }
}

impl EacPki {
    /// The newest finished authority of a role.
    pub(crate) async fn latest(&self, role: Role) -> Result<Authority> {
        let sql = store::AssertSqlSafe(format!(
            "{COLUMNS} WHERE role = $1 AND certificate IS NOT NULL ORDER BY sequence DESC LIMIT 1"
        ));
        let row = self.db.optional(sql, params![text(role)]).await?;
        Authority::read(&row.ok_or(EacPkiError::Inconsistent("there is no such authority"))?)
    }

    pub(crate) async fn authority(&self, role: Role, sequence: i64) -> Result<Authority> {
        let sql = store::AssertSqlSafe(format!("{COLUMNS} WHERE role = $1 AND sequence = $2"));
        let row = self.db.optional(sql, params![text(role), sequence]).await?;
        Authority::read(&row.ok_or(EacPkiError::Inconsistent("there is no such authority"))?)
    }

    /// Plans a successor where one is due, and finishes what was planned. Gives the references of those that are new.
    pub(crate) async fn establish(&self, role: Role, now: Timestamp) -> Result<Option<String>> {
        let cvca = match role {
            Role::Cvca => None,
            _ => Some(self.latest(Role::Cvca).await?),
        };
        let authority = cvca.as_ref().map(|cvca| cvca.said().map(|body| body.holder.clone())).transpose()?;
        let soon = in_days(now, self.margin(role))?;
        let sequence = transaction!(self.db, |tx| {
            let sql =
                "SELECT sequence, certificate FROM authority WHERE role = $1 ORDER BY sequence DESC LIMIT 1";
            let last = match tx.optional(sql, params![text(role)]).await? {
                None => 0,
                Some(row) => match row.read::<Option<Vec<u8>>>("certificate")? {
                    // Planned and not finished.
                    None => return Ok(Some(row.read("sequence")?)),
                    Some(bytes) => {
                        let certificate = Certificate::parse(&bytes)?;
                        let body = certificate.body();
                        let current = authority.as_ref().is_none_or(|cvca| body.authority == *cvca);
                        if current && body.expiration > soon {
                            return Ok::<_, EacPkiError>(None);
                        }
                        row.read::<i64>("sequence")?
                    }
                },
            };
            let sequence = last + 1;
            let label = label(role, sequence);
            tx.execute_one(
                "INSERT INTO authority (role, sequence, key_label, made_at) VALUES ($1, $2, $3, $4)",
                params![text(role), sequence, &label, now],
            )
            .await?;
            self.audit(tx, now, SYSTEM, "authority-plan", &label, json!({})).await?;
            Ok(Some(sequence))
        })?;
        match sequence {
            None => Ok(None),
            Some(sequence) => self.finish(role, sequence, cvca, now).await.map(Some),
        }
    }

    async fn finish(
        &self,
        role: Role,
        sequence: i64,
        cvca: Option<Authority>,
        now: Timestamp,
    ) -> Result<String> {
        let planned = self.authority(role, sequence).await?;
        let previous = match role {
            Role::Cvca if sequence > 1 => Some(self.authority(role, sequence - 1).await?),
            _ => None,
        };
        let (body, link_body) = match (planned.body, planned.link_body) {
            (Some(body), link_body) => (body, link_body),
            (None, _) => {
                let body = self.body(role, sequence, &planned.label, cvca.as_ref(), now)?;
                let link = previous.as_ref().map(|previous| {
                    Ok::<_, EacPkiError>(Body { authority: previous.said()?.holder.clone(), ..body.clone() })
                });
                let link_body = link.transpose()?.map(|body| body.encode());
                self.store_bodies(role, sequence, body.encode(), link_body, now).await?
            }
        };
        // A verifier planned under an older CVCA is signed by that one: its body says so.
        let parsed = Body::parse(&body)?;
        let signer = match role {
            Role::Cvca => planned.label.clone(),
            _ => self.cvca_label(&parsed).await?,
        };
        let reference = parsed.holder.to_string();
        let certificate = parsed.issue(|message| self.sign(&signer, message))?;
        let link = match (&link_body, &previous) {
            (Some(body), Some(previous)) => {
                Some(Body::parse(body)?.issue(|message| self.sign(&previous.label, message))?)
            }
            _ => None,
        };
        transaction!(self.db, |tx| {
            let sql = "UPDATE authority SET certificate = $3, link = $4 \
                WHERE role = $1 AND sequence = $2 AND certificate IS NULL";
            let link = link.as_ref().map(Certificate::encode);
            // Another process may have been quicker; its certificate counts.
            if tx.execute(sql, params![text(role), sequence, certificate.encode(), link]).await? == 1 {
                let detail = json!({"reference": &reference});
                self.audit(tx, now, SYSTEM, "authority-issue", &planned.label, detail).await?;
            }
            Ok::<_, EacPkiError>(())
        })?;
        tracing::info!(reference, "authority of terminals made");
        Ok(reference)
    }

    /// Stores what is to be signed; gives what was stored first.
    async fn store_bodies(
        &self,
        role: Role,
        sequence: i64,
        body: Vec<u8>,
        link_body: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
        transaction!(self.db, |tx| {
            let sql = "SELECT body, link_body FROM authority WHERE role = $1 AND sequence = $2";
            let row = tx.one(sql, params![text(role), sequence]).await?;
            if let Some(first) = row.read::<Option<Vec<u8>>>("body")? {
                return Ok((first, row.read("link_body")?));
            }
            let sql = "UPDATE authority SET body = $3, link_body = $4 WHERE role = $1 AND sequence = $2";
            tx.execute_one(sql, params![text(role), sequence, body.clone(), link_body.clone()]).await?;
            self.audit(tx, now, SYSTEM, "authority-prepare", &label(role, sequence), json!({})).await?;
            Ok::<_, EacPkiError>((body.clone(), link_body.clone()))
        })
    }

    fn body(
        &self,
        role: Role,
        sequence: i64,
        label: &str,
        cvca: Option<&Authority>,
        now: Timestamp,
    ) -> Result<Body> {
        let point = self.make_key(label)?;
        let holder = self.config.reference(role, sequence)?;
        let (rights, updates) = bounds(role);
        let mut extensions = Vec::new();
        if !updates.is_empty() {
            extensions.push(Extension::updates(updates));
        }
        let (authority, public_key, expiration) = match cvca {
            None => (holder.clone(), PublicKey::explicit(&point), last_day(now, self.config.cvca_days)?),
            Some(cvca) => {
                let above = cvca.said()?;
                let wanted = last_day(now, self.config.verifier_days)?;
                (above.holder.clone(), PublicKey::inheriting(&point), wanted.min(above.expiration))
            }
        };
        Ok(Body {
            authority,
            public_key,
            holder,
            chat: Chat::authentication(role, rights),
            effective: day(now)?,
            expiration,
            extensions: Extensions::new(extensions)?,
        })
    }

    async fn cvca_label(&self, body: &Body) -> Result<String> {
        let sequence = body.authority.sequence().parse();
        let sequence = sequence.map_err(|_| EacPkiError::Inconsistent("the reference of a CVCA"))?;
        Ok(self.authority(Role::Cvca, sequence).await?.label)
    }

    /// How many days before its end an authority is succeeded: those below it shall have their full time.
    fn margin(&self, role: Role) -> u16 {
        match role {
            Role::Cvca => self.config.verifier_days,
            _ => self.config.verifier_days / 3,
        }
    }

    /// The last day on which a terminal's certificate may be valid below this authority.
    pub(crate) fn limit(&self, authority: &Authority) -> Result<Date> {
        Ok(authority.said()?.expiration)
    }
}

/// The most that terminals below an authority may get.
// Terminals that are not the government's read what was approved and ask; they neither write, nor manage PINs, nor use keys
// that would show which card it is.
pub(crate) const fn bounds(role: Role) -> (Rights, UpdateRights) {
    match role {
        Role::NonOfficialVerifier => (NON_OFFICIAL, UpdateRights::NONE),
        _ => (Rights::ALL, UpdateRights::ALL),
    }
}

const NON_OFFICIAL: Rights = {
    let mut rights = Rights::AGE_VERIFICATION
        .with(Rights::MUNICIPALITY_VERIFICATION)
        .with(Rights::RESTRICTED_IDENTIFICATION);
    let mut number = 1;
    while number <= 22 {
        if let Some(right) = Rights::read_dg(number) {
            rights = rights.with(right);
        }
        number += 1;
    }
    rights
};

pub(crate) const fn text(role: Role) -> &'static str {
    match role {
        Role::Cvca => "cvca",
        Role::OfficialVerifier => "official",
        Role::NonOfficialVerifier => "non-official",
        Role::Terminal => "terminal",
    }
}

pub(crate) fn from_text(name: &str) -> Result<Role> {
    let found = Role::ALL.into_iter().find(|role| text(*role) == name);
    found.ok_or(EacPkiError::Inconsistent("the role of an authority"))
}

fn label(role: Role, sequence: i64) -> String {
    match role {
        Role::Cvca => format!("cvca-{sequence}"),
        _ => format!("dv-{}-{sequence}", text(role)),
    }
}
