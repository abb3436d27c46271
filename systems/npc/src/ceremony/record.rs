//! What remains of a ceremony: a record that people and programs read, its hash in the audit log, a time stamp over it.

use std::fmt::Write;

use curve::Hash;
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{params, transaction};
use tlv::oid;
use x509::path::{Options, Purpose, Revocation, validate};
use x509::tsp::{self, Imprint, Request};

use super::{Ceremony, kept, subject};
use crate::authority::{hex, load};
use crate::request::sha256;
use crate::{Npc, NpcError, Result, SYSTEM};

/// The record of a finished ceremony.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The record, JSON.
    pub document: String,
    /// The TimeStampResp over it, DER (RFC 3161), as `openssl ts -verify -data` reads it.
    pub time_stamp: Vec<u8>,
}

/// One thing that [`Npc::verify_ceremony`] looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What, in Chinese and English.
    pub what: (&'static str, &'static str),
    /// Of which key or certificate, if of one.
    pub of: String,
    /// Whether it is as recorded.
    pub right: bool,
}

impl Ceremony {
    /// The script and what was done so far, for people: printed before the ceremony, and its minutes afterwards.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |zh: &str, en: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{zh} {en}: {value}");
        };
        line("典禮", "Ceremony", &format!("{} {}", self.number, self.kind));
        for (zh, en, value) in self.expected() {
            line(&format!("  {zh}"), en, &value);
        }
        line("腳本 SHA-256", "Script SHA-256", &hex(&self.script_hash));
        line("提案", "Proposed by", &format!("{} {}", self.proposed_by, self.proposed_at));
        match &self.approved {
            Some((by, at)) => line("核可", "Approved by", &format!("{by} {at}")),
            None => line("核可", "Approved by", "________"),
        }
        for (n, step) in self.steps.iter().enumerate() {
            let (zh, en) = step.words();
            line(&format!("{}. {zh}", n + 1), en, "");
            match self.done.get(n) {
                None => line(
                    "   操作 / 見證 / 時間",
                    "operator / witness / time",
                    "________ / ________ / ________",
                ),
                Some(done) => {
                    let people = format!("{} / {} / {}", done.operator, done.witness, done.at);
                    line("   操作 / 見證 / 時間", "operator / witness / time", &people);
                    for (name, value) in &done.found {
                        line("  ", name, value);
                    }
                }
            }
        }
        if let Some(given_up) = &self.abandonment {
            let people = format!("{} / {} / {}", given_up.operator, given_up.witness, given_up.at);
            line("放棄：操作 / 見證 / 時間", "given up: operator / witness / time", &people);
            line("  事由", "because", &given_up.because);
            for (name, value) in &given_up.found {
                line("  ", name, value);
            }
        }
        if let Some(at) = self.finished_at {
            let (zh, en) = if self.is_abandoned() { ("放棄", "Abandoned") } else { ("完成", "Finished") };
            line(zh, en, &at.to_string());
        }
        text
    }

    pub(super) fn document(&self, at: Timestamp) -> Value {
        let steps = self.steps.iter().zip(&self.done).map(|(step, done)| {
            let (zh, en) = step.words();
            let found: serde_json::Map<String, Value> =
                done.found.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
            json!({
                "step": step.name(),
                "zh-Hant": zh,
                "en": en,
                "operator": done.operator,
                "witness": done.witness,
                "at": done.at.to_string(),
                "found": found,
            })
        });
        let mut document = json!({
            "ceremony": self.number,
            "kind": self.kind,
            "script": self.script,
            "script_sha256": hex(&self.script_hash),
            "proposed_by": self.proposed_by,
            "proposed_at": self.proposed_at.to_string(),
            "approved_by": self.approved.as_ref().map(|(by, _)| by),
            "approved_at": self.approved.as_ref().map(|(_, at)| at.to_string()),
            "steps": steps.collect::<Vec<_>>(),
            "finished_at": at.to_string(),
        });
        if let Some(given_up) = &self.abandonment {
            // In their order: a name may stand there several times.
            document["abandoned"] = json!({
                "operator": given_up.operator,
                "witness": given_up.witness,
                "because": given_up.because,
                "at": given_up.at.to_string(),
                "found": given_up.found,
            });
        }
        document
    }
}

impl Npc {
    /// Writes the record. Its hash stands in the audit log before the time stamp is asked for.
    pub(super) async fn finish(&self, ceremony: &Ceremony, now: Timestamp) -> Result<()> {
        let number = ceremony.number as i64;
        let now = kept(now)?;
        let document = serde_json::to_string_pretty(&ceremony.document(now));
        let document = document.map_err(|_| NpcError::Inconsistent("record"))?;
        transaction!(self.db, |tx| {
            let sql =
                "UPDATE ceremony SET finished_at = $2, record = $3 WHERE number = $1 AND finished_at IS NULL";
            if tx.execute(sql, params![number, now, &document]).await? == 1 {
                let detail = json!({ "record": hex(&sha256(document.as_bytes())) });
                self.audit(tx, "ceremony-finish", &subject(ceremony.number), SYSTEM, detail, now).await?;
            }
            Ok::<_, NpcError>(())
        })?;
        self.stamp_record(ceremony.number, now).await?;
        Ok(())
    }

    /// The record of a finished ceremony. If its time stamp was interrupted, it gets one now.
    pub async fn ceremony_record(&self, number: u64, now: Timestamp) -> Result<Record> {
        let sql = "SELECT record FROM ceremony WHERE number = $1";
        let row = self.db.optional(sql, params![number as i64]).await?.ok_or(super::NONE)?;
        let document = row.read::<Option<String>>(0)?.filter(|text| !text.is_empty());
        let document = document.ok_or(NpcError::Ceremony("it is not finished, or was withdrawn"))?;
        Ok(Record { document, time_stamp: self.stamp_record(number, now).await? })
    }

    pub(super) async fn stamp_record(&self, number: u64, now: Timestamp) -> Result<Vec<u8>> {
        let sql = "SELECT record, time_stamp FROM ceremony WHERE number = $1";
        let row = self.db.one(sql, params![number as i64]).await?;
        if let Some(stamp) = row.read::<Option<Vec<u8>>>("time_stamp")? {
            return Ok(stamp);
        }
        let document: String = row.read("record")?;
        let request = request_of(&document);
        let stamp = self.time_stamp(&request, now).await;
        // Only what was granted is kept.
        tsp::Response::parse(&stamp)?.verify(&Request::parse(&request)?)?;
        let sql = "UPDATE ceremony SET time_stamp = $2 WHERE number = $1 AND time_stamp IS NULL";
        self.db.execute(sql, params![number as i64, &stamp]).await?;
        Ok(stamp)
    }

    /// Compares the record of a finished ceremony with its script, the audit log, its time stamp, and the keys and
    /// certificates that are there.
    pub async fn verify_ceremony(&self, number: u64, now: Timestamp) -> Result<Vec<Finding>> {
        let ceremony = self.ceremony(number).await?;
        let record = self.ceremony_record(number, now).await?;
        let mut findings = Vec::new();
        let mut note = |what, of: &str, right| findings.push(Finding { what, of: of.to_owned(), right });

        let same = sha256(ceremony.script.as_bytes()) == ceremony.script_hash;
        note(("腳本與核可者相同", "the script is the one that was approved"), "", same);
        let finished = ceremony.finished_at.unwrap_or(now);
        let told = serde_json::from_str::<Value>(&record.document).ok();
        note(("紀錄與步驟相符", "the record tells the steps"), "", told == Some(ceremony.document(finished)));
        let hash = hex(&sha256(record.document.as_bytes()));
        let entries = audit::events(&self.db, Some(&subject(number)), 0, 100).await?;
        let script = hex(&ceremony.script_hash);
        let has = |action: &str, value: &str| {
            entries.iter().any(|entry| entry.action == action && entry.detail.contains(value))
        };
        let end = if ceremony.abandonment.is_some() { "ceremony-abandoned" } else { "ceremony-finish" };
        let logged = has("ceremony-propose", &script)
            && (ceremony.approved.is_none() || has("ceremony-approve", &script))
            && has(end, &hash)
            && entries.iter().filter(|entry| entry.action == "ceremony-step").count() == ceremony.done.len();
        note(("稽核紀錄相符", "the audit log says the same"), "", logged);
        let chain = audit::verify(&self.db, None).await.is_ok();
        note(("稽核紀錄鏈完整", "the audit log is whole"), "", chain);
        note(("時戳有效", "the time stamp holds"), "", self.stamp_holds(&record));

        // What was given up was revoked by its root, or never left the house.
        let mut certificate = "";
        for (name, value) in ceremony.abandonment.iter().flat_map(|given_up| &given_up.found) {
            match name.as_str() {
                "certificate" => certificate = value,
                "certificate_sha256" => {
                    let row = load(&self.db, certificate).await?;
                    let right =
                        row.and_then(|stored| stored.der).is_some_and(|der| hex(&sha256(&der)) == *value);
                    note(("憑證相符", "the certificate is the recorded one"), certificate, right);
                    let hidden = !self.authority().papers.contains_key(certificate);
                    note(("憑證未公布", "the certificate is not published"), certificate, hidden);
                }
                "destroyed" => {
                    let right = self.key(value).await?.is_none();
                    note(("金鑰已不存在", "the key is gone"), value, right);
                }
                _ => {}
            }
        }
        for done in &ceremony.done {
            let value =
                |name: &str| done.found.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
            if let (Some(label), Some(wanted)) = (value("certificate"), value("certificate_sha256")) {
                let stored = load(&self.db, label).await?.and_then(|stored| stored.der);
                let right = stored.is_some_and(|der| hex(&sha256(&der)) == wanted);
                note(("憑證相符", "the certificate is the recorded one"), label, right);
            }
            if let (Some(label), Some(wanted)) = (value("key"), value("spki_sha256")) {
                // A key that a later ceremony destroyed is not there.
                match self.key(label).await? {
                    Some(key) => {
                        let right = hex(&sha256(&key.spki)) == wanted;
                        note(("金鑰相符", "the key is the recorded one"), label, right);
                    }
                    None => {
                        let right = self.was_destroyed(label).await?;
                        note(("金鑰已依典禮銷毀", "the key was destroyed by a ceremony"), label, right);
                    }
                }
            }
            if let Some(label) = value("destroyed") {
                let right = self.key(label).await?.is_none();
                note(("金鑰已不存在", "the key is gone"), label, right);
            }
        }
        Ok(findings)
    }

    async fn was_destroyed(&self, label: &str) -> Result<bool> {
        let all = self.ceremonies().await?;
        Ok(all
            .iter()
            .flat_map(|c| {
                let given_up = c.abandonment.iter().flat_map(|given_up| &given_up.found);
                c.done.iter().flat_map(|done| &done.found).chain(given_up)
            })
            .any(|(name, value)| name == "destroyed" && value == label))
    }

    fn stamp_holds(&self, record: &Record) -> bool {
        let request = request_of(&record.document);
        let (Ok(request), Ok(response)) =
            (Request::parse(&request), tsp::Response::parse(&record.time_stamp))
        else {
            return false;
        };
        let (Ok(signer), tsp::Response::Token(token)) = (response.verify(&request), &response) else {
            return false;
        };
        let authority = self.authority();
        let anchors = authority.papers.values().filter(|paper| paper.profile == "npc-root");
        let anchors: Vec<_> = anchors.map(|paper| paper.certificate.clone()).collect();
        let between: Vec<_> = authority.papers.values().map(|paper| paper.certificate.clone()).collect();
        let options = Options { revocation: Revocation::Unchecked, ..Options::at(token.at) }
            .purpose(Purpose::Extended(oid::KP_TIME_STAMPING));
        validate(signer, &between, &anchors, &options).is_ok()
    }
}

fn request_of(document: &str) -> Vec<u8> {
    tsp::build_request(&Imprint::of(Hash::Sha256, document.as_bytes()), None, None)
}
