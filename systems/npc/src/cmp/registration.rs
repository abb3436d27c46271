//! Which registration authorities there are: who may ask for certificates (NPC-08, NPC-54).
//!
//! Two persons decide it: one proposes a name with the certificate of the key that will sign, another approves that within seven days.
//! What is approved is what was shown: a proposal counts no more once the name has another certificate than it had then, or was
//! removed. To remove one, whose messages count no more then, one person is enough.

use jiff::Timestamp;
use serde_json::json;
use store::{Migration, Row, Tx, params, transaction};
use x509::Certificate;

use super::RegistrationAuthority;
use crate::authority::hex;
use crate::ceremony::check_person;
use crate::cohort::LAPSES;
use crate::feed::next_number;
use crate::{Npc, NpcError, Result};

pub(crate) const MIGRATION: Migration = Migration::new(
    35,
    "proposals of registration authorities",
    "-- replaces: the fingerprint of the certificate that the name had when it was proposed
    CREATE TABLE registration_proposal (
        number BIGINT PRIMARY KEY,
        name TEXT NOT NULL,
        der BYTEA NOT NULL,
        replaces BYTEA,
        proposed_by TEXT NOT NULL,
        proposed_at BIGINT NOT NULL,
        approved_by TEXT
    );
    INSERT INTO counter (name, value) VALUES ('registration', 0);",
);

/// A proposal to make a registration authority known, or to give a known one another certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaProposal {
    /// Its number.
    pub number: u64,
    /// The registration authority's name in events.
    pub name: String,
    /// The certificate of the key that is to sign its messages.
    pub certificate: Certificate,
    /// The fingerprint (SHA-256) of the certificate that the name had when this was proposed; none if it was not known.
    pub replaces: Option<Vec<u8>>,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    pub proposed_at: Timestamp,
    /// Who approved it.
    pub approved_by: Option<String>,
}

impl RaProposal {
    /// Whether nobody approved it in time: it is proposed again, or forgotten.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        self.approved_by.is_none() && now >= self.proposed_at + LAPSES
    }
}

impl Npc {
    /// Proposes to make a registration authority known, or to give a known one another certificate; it counts when another person has
    /// approved it. A name that another one had, which is no longer known, is not given again while certificates are written down under
    /// it: they would be the new one's to hold and to end.
    ///
    /// # Errors
    /// [`NpcError::Request`] for a name or a certificate that a registration authority cannot have.
    pub async fn propose_ra(
        &self,
        name: &str,
        certificate: &[u8],
        operator: &str,
        now: Timestamp,
    ) -> Result<RaProposal> {
        check_person(operator)?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 40 || !name.bytes().all(plain) {
            return Err(NpcError::Request("a registration authority's name: small letters, digits, hyphens"));
        }
        let certificate = Certificate::parse(certificate)
            .map_err(|_| NpcError::Request("the certificate of a registration authority is not read"))?;
        if certificate.is_ca() || certificate.subject_name()?.is_empty() {
            return Err(NpcError::Request("a registration authority is no CA, and has a name"));
        }
        x509::PublicKey::from_spki(certificate.spki())
            .map_err(|_| NpcError::Request("the key of the registration authority is none of ours"))?;
        is_valid(&certificate, now)?;
        transaction!(self.db, |tx| {
            let replaces = registered(tx, name).await?;
            expect_no_twin(tx, name, &certificate).await?;
            let number = next_number(tx, "registration", 1).await?;
            let sql = "INSERT INTO registration_proposal (number, name, der, replaces, proposed_by, proposed_at) \
                VALUES ($1, $2, $3, $4, $5, $6)";
            let values = params![number as i64, name, certificate.der(), replaces.as_deref(), operator, now];
            tx.execute_one(sql, values).await?;
            let detail = json!({ "proposal": number, "certificate": hex(&certificate.fingerprint()) });
            self.audit(tx, "ra-propose", name, operator, detail, now).await?;
            Ok::<_, NpcError>(RaProposal {
                number,
                name: name.to_owned(),
                certificate: certificate.clone(),
                replaces,
                proposed_by: operator.to_owned(),
                proposed_at: now,
                approved_by: None,
            })
        })
    }

    /// Approves a proposal of another person's: the registration authority is known by this certificate, and by no other, from now on.
    /// The same approval again changes nothing.
    ///
    /// # Errors
    /// [`NpcError::SamePerson`]; [`NpcError::Lapsed`] seven days after the proposal; [`NpcError::Request`] if the certificate has ended
    /// since, or if the name has another certificate than when it was proposed.
    pub async fn approve_ra(&self, number: u64, operator: &str, now: Timestamp) -> Result<RaProposal> {
        check_person(operator)?;
        transaction!(self.db, |tx| {
            let sql = "SELECT * FROM registration_proposal WHERE number = $1";
            let row = tx.optional(sql, params![number as i64]).await?;
            let row =
                row.ok_or(NpcError::Request("there is no such proposal of a registration authority"))?;
            let mut proposal = proposal(&row)?;
            match &proposal.approved_by {
                Some(by) if by == operator => return Ok(proposal),
                Some(_) => return Err(NpcError::Request("it is approved already")),
                None => {}
            }
            if proposal.proposed_by == operator {
                return Err(NpcError::SamePerson);
            }
            if proposal.lapsed(now) {
                return Err(NpcError::Lapsed);
            }
            is_valid(&proposal.certificate, now)?;
            if registered(tx, &proposal.name).await? != proposal.replaces {
                return Err(NpcError::Request("another certificate was registered since it was proposed"));
            }
            expect_no_twin(tx, &proposal.name, &proposal.certificate).await?;
            let sql =
                "UPDATE registration_proposal SET approved_by = $2 WHERE number = $1 AND approved_by IS NULL";
            tx.execute_one(sql, params![number as i64, operator]).await?;
            let sql = "INSERT INTO registration_authority (name, der, added_by, added_at) \
                VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE SET der = EXCLUDED.der, \
                added_by = EXCLUDED.added_by, added_at = EXCLUDED.added_at";
            tx.execute_one(sql, params![&proposal.name, proposal.certificate.der(), operator, now]).await?;
            let fingerprint = hex(&proposal.certificate.fingerprint());
            let detail = json!({ "proposal": number, "certificate": fingerprint });
            self.audit(tx, "ra-register", &proposal.name, operator, detail, now).await?;
            proposal.approved_by = Some(operator.to_owned());
            Ok(proposal)
        })
    }

    /// The proposals, newest first.
    pub async fn ra_proposals(&self) -> Result<Vec<RaProposal>> {
        let sql = "SELECT * FROM registration_proposal ORDER BY number DESC";
        self.db.all(sql, params![]).await?.iter().map(proposal).collect()
    }

    /// The proposals that another person may approve at this moment, newest first.
    pub async fn open_ra_proposals(&self, now: Timestamp) -> Result<Vec<RaProposal>> {
        let (mut open, ras) = (self.ra_proposals().await?, self.ras().await?);
        open.retain(|proposal| {
            let known = ras.iter().find(|ra| ra.name == proposal.name);
            let present = known.map(|ra| ra.certificate.fingerprint());
            proposal.approved_by.is_none() && !proposal.lapsed(now) && present == proposal.replaces
        });
        Ok(open)
    }

    /// Forgets a registration authority: nothing it signs counts from now on, and what was enrolled for it goes with its names. What
    /// was proposed for it and not approved is withdrawn.
    pub async fn remove_ra(&self, name: &str, operator: &str, now: Timestamp) -> Result<()> {
        transaction!(self.db, |tx| {
            let gone =
                tx.execute("DELETE FROM registration_authority WHERE name = $1", params![name]).await?;
            if gone == 0 {
                return Err(NpcError::Request("there is no registration authority of this name"));
            }
            let sql = "DELETE FROM registration_proposal WHERE name = $1 AND approved_by IS NULL";
            let withdrawn = tx.execute(sql, params![name]).await?;
            let enrolled = tx.execute("DELETE FROM enrolment WHERE ra = $1", params![name]).await?;
            // What became a certificate stays written down.
            let sql = "DELETE FROM enrolled WHERE ra = $1 AND NOT EXISTS \
                (SELECT 1 FROM certificate WHERE certificate.request_id = enrolled.request_id)";
            tx.execute(sql, params![name]).await?;
            let detail = json!({ "enrolments": enrolled, "proposals": withdrawn });
            self.audit(tx, "ra-remove", name, operator, detail, now).await?;
            Ok(())
        })
    }

    /// The registration authorities, by name.
    pub async fn ras(&self) -> Result<Vec<RegistrationAuthority>> {
        let sql = "SELECT name, der FROM registration_authority ORDER BY name";
        self.db.all(sql, params![]).await?.iter().map(authority).collect()
    }
}

fn is_valid(certificate: &Certificate, now: Timestamp) -> Result<()> {
    match certificate.validity().contains(now) {
        true => Ok(()),
        false => Err(NpcError::Request("the certificate of the registration authority is not valid now")),
    }
}

/// Refuses a certificate by which messages would be taken for another's: what a message says of its sender is a key identifier, or a
/// name where the certificate has none. A key is one registration authority's.
async fn expect_no_twin(tx: &mut Tx, name: &str, certificate: &Certificate) -> Result<()> {
    for row in tx.all("SELECT name, der FROM registration_authority ORDER BY name", params![]).await? {
        let other = authority(&row)?;
        let (one, two) = (certificate, &other.certificate);
        let same_sender = match (one.subject_key_identifier(), two.subject_key_identifier()) {
            (None, None) => one.subject() == two.subject(),
            (one, two) => one == two,
        };
        if other.name != name && (same_sender || one.spki() == two.spki()) {
            return Err(NpcError::Request("another registration authority has this key or its identifier"));
        }
    }
    Ok(())
}

/// The fingerprint of the certificate that a name has; none if it is free.
async fn registered(tx: &mut Tx, name: &str) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT name, der FROM registration_authority WHERE name = $1";
    if let Some(row) = tx.optional(sql, params![name]).await? {
        return Ok(Some(authority(&row)?.certificate.fingerprint()));
    }
    let had = "SELECT 1 FROM enrolled WHERE ra = $1 LIMIT 1";
    match tx.optional(had, params![name]).await? {
        Some(_) => Err(NpcError::Request("the name was another one's, whose certificates there are")),
        None => Ok(None),
    }
}

fn authority(row: &Row) -> Result<RegistrationAuthority> {
    let der: Vec<u8> = row.read("der")?;
    Ok(RegistrationAuthority { name: row.read("name")?, certificate: Certificate::parse(&der)? })
}

fn proposal(row: &Row) -> Result<RaProposal> {
    let der: Vec<u8> = row.read("der")?;
    Ok(RaProposal {
        number: row.read::<i64>("number")? as u64,
        name: row.read("name")?,
        certificate: Certificate::parse(&der)?,
        replaces: row.read("replaces")?,
        proposed_by: row.read("proposed_by")?,
        proposed_at: row.read("proposed_at")?,
        approved_by: row.read("approved_by")?,
    })
}
