//! A population in an empty database, for drills at the size of a country (RECALL-14): every row that issuing would have
//! written, without its signature. What these rows hold as their certificate is the one that was issued as their pattern.

use jiff::Timestamp;
use model::CardSerial;
use serde_json::json;
use store::{Kind, params, transaction};
use x509::Serial;

use crate::authority::new_serial;
use crate::feed::next_number;
use crate::population::Population;
use crate::{Npc, NpcError, Result, SYSTEM};

/// Cards of a drill that are alike, each with a signing and an encryption certificate.
#[derive(Debug, Clone, Copy)]
pub struct DrillLot<'a> {
    /// Their serials, one after the other, and the holder of each.
    pub cards: &'a [CardSerial],
    /// The model of their chips.
    pub chip_model: &'a str,
    /// The class of their keys.
    pub fingerprint: &'a str,
}

impl Npc {
    /// Writes a lot after the pattern of a certificate that was issued here. Only in a database made for the drill: the
    /// pattern is its first certificate and all others were written by this call. Answers with the serial numbers.
    pub async fn write_drill_lot(
        &self,
        pattern: &Serial,
        lot: DrillLot<'_>,
        now: Timestamp,
    ) -> Result<Vec<u128>> {
        let partitions = self.authority().issuing.partitions;
        let mut serials = Vec::with_capacity(lot.cards.len() * 2);
        for cards in lot.cards.chunks(BATCH) {
            let mut holders = Vec::with_capacity(cards.len());
            let mut certificates = Vec::with_capacity(cards.len() * 2);
            for card in cards {
                let mut bytes = [0; 32];
                self.random().fill(&mut bytes);
                let holder = self.candidate_number();
                holders.push(params![bytes, holder.clone()].to_vec());
                for slot in 1..=2u8 {
                    let serial = new_serial(&self.random);
                    serials.push(serial.to_u128().ok_or(NpcError::Inconsistent("serial"))?);
                    bytes[0] ^= slot;
                    let request_id = store::new_id(now, self.random().as_mut());
                    let event = store::new_id(now, self.random().as_mut());
                    let row = params![
                        pattern.octets(),
                        serial.octets().to_vec(),
                        request_id,
                        card.as_str(),
                        slot,
                        holder.clone(),
                        Population::partition_of(&serial, partitions),
                        bytes,
                        lot.chip_model,
                        lot.fingerprint,
                        0i64,
                        event,
                        now,
                        SYSTEM
                    ];
                    certificates.push(row.to_vec());
                }
            }
            transaction!(self.db, |tx| {
                audit::append_all(tx, &[]).await?;
                // Whatever was ever issued for somebody has an entry; the pattern has two.
                let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM audit_entry WHERE action = 'certificate-issue' LIMIT 2) AS issued";
                if tx.one(sql, params![]).await?.read::<i64>(0)? != 1 {
                    return Err(NpcError::Request("a drill has a database of its own"));
                }
                let count = certificates.len() as i64;
                let first = next_number(tx, "state", count).await? as i64 - count;
                let mut rows = certificates.clone();
                for (n, row) in (first + 1..).zip(&mut rows) {
                    row[SEQ] = n.into();
                }
                let sql = "INSERT INTO holder (person, number) SELECT person, number FROM given";
                tx.execute_given(&[("person", Kind::Bytes), ("number", Kind::Text)], sql, &holders).await?;
                for sql in [
                    "INSERT INTO certificate (serial, request_id, request_hash, card, slot, holder, profile, not_before, \
                     not_after, partition_no, spki_hash, tbs, der, carrier, key_class, chip_model, fingerprint, \
                     issuer) \
                     SELECT given.serial, given.request_id, p.request_hash, given.card, given.slot, given.holder, p.profile, \
                     p.not_before, p.not_after, given.partition_no, given.spki_hash, p.tbs, p.der, p.carrier, p.key_class, \
                     given.chip_model, given.fingerprint, p.issuer FROM given JOIN certificate p ON p.serial = given.pattern",
                    "INSERT INTO certificate_state (serial, generation, signed, state_seq, status, status_at, reason, ends, \
                     state) SELECT given.serial, p.generation, TRUE, given.seq, p.status, p.status_at, p.reason, p.ends, p.state \
                     FROM given JOIN certificate_state p ON p.serial = given.pattern",
                    "INSERT INTO event (id, serial, at, actor, kind, state) \
                     SELECT given.event, given.serial, given.at, given.actor, 'issue', p.state \
                     FROM given JOIN certificate_state p ON p.serial = given.pattern",
                ] {
                    if tx.execute_given(&COLUMNS, sql, &rows).await? != rows.len() as u64 {
                        return Err(NpcError::Inconsistent("the pattern of a drill"));
                    }
                }
                let detail = json!({ "certificates": rows.len(), "chip": lot.chip_model });
                self.audit(tx, "drill-populate", "drill", SYSTEM, detail, now).await?;
                Ok::<_, NpcError>(())
            })?;
        }
        self.tell_changes(now).await;
        Ok(serials)
    }
}

/// Everything that differs from row to row; the rest is the pattern's.
const COLUMNS: [(&str, Kind); 14] = [
    ("pattern", Kind::Bytes),
    ("serial", Kind::Bytes),
    ("request_id", Kind::Bytes),
    ("card", Kind::Text),
    ("slot", Kind::Integer),
    ("holder", Kind::Text),
    ("partition_no", Kind::Integer),
    ("spki_hash", Kind::Bytes),
    ("chip_model", Kind::Text),
    ("fingerprint", Kind::Text),
    ("seq", Kind::Integer),
    ("event", Kind::Bytes),
    ("at", Kind::Integer),
    ("actor", Kind::Text),
];
/// Where `seq` stands among them.
const SEQ: usize = 10;

/// Cards in one commit.
const BATCH: usize = 10_000;
