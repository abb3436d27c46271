//! The first commit: the bytes to be signed of a group of requests, or those of the same requests made before.
//!
//! Every question to the database is asked once for all of them; then they are decided one after the other as if each had come
//! alone. What is wrong with one is its own answer. What is wrong with the database is everybody's, and everybody may ask again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use model::{CardSerial, CertificateState, KeySlot, SuspensionCause};
use serde_json::json;
use store::{Kind, Tx, Value, params, transaction};
use uuid::Uuid;

use super::second_commit::Unsigned;
use super::{Answered, Asked, Desk};
use crate::authority::{hex, issuing_generation};
use crate::derived::rests_until;
use crate::hold::{Holds, note_sibling};
use crate::overview::{count_issued, issuance_day};
use crate::policy::version_in_force;
use crate::request::sha256;
use crate::row::{CertificateRow, StateColumns, parse_state, select_certificate};
use crate::status::at_time;
use crate::switch::ISSUING;
use crate::{Carrier, NpcError, Result, SYSTEM};

/// What is decided about a request.
enum Decision {
    /// It is stored now, in this state.
    Stored(CertificateState),
    /// It was stored before.
    Same(Box<CertificateRow>),
    /// It was stored a moment ago, in the same group: the place there.
    SameAs(usize),
    /// Other bytes must be made.
    Outdated,
}

impl Desk {
    pub(super) async fn store_group(self: &Arc<Self>, group: Vec<Asked>) {
        match self.decide(&group).await {
            Ok(decisions) => self.carry_on(group, decisions),
            Err(error) if group.len() > 1 && blames_a_row(&error) => {
                // Whatever the database has against one request must not hit the others.
                for asked in group {
                    match self.decide(std::slice::from_ref(&asked)).await {
                        Ok(decisions) => self.carry_on(vec![asked], decisions),
                        Err(error) => drop(asked.answer.send(Err(error))),
                    }
                }
            }
            Err(error) => {
                for asked in group {
                    // Who does not listen any more has gone away.
                    let _ = asked.answer.send(Err(error.for_another()));
                }
            }
        }
    }

    /// Answers what is decided, and hands on what is to be signed.
    fn carry_on(self: &Arc<Self>, group: Vec<Asked>, decisions: Vec<Result<Decision>>) {
        // Those that are the same as one of the group need its row, which is made before the group is taken apart.
        let states: Vec<_> = decisions
            .iter()
            .map(|decision| match decision {
                Ok(Decision::Stored(state)) => state.clone(),
                _ => CertificateState::Good,
            })
            .collect();
        let rows: Vec<Option<Result<CertificateRow>>> = decisions
            .into_iter()
            .enumerate()
            .map(|(place, decision)| match decision {
                Ok(Decision::Stored(state)) => Some(Ok(row_of(&group[place], state))),
                Ok(Decision::SameAs(first)) => Some(Ok(row_of(&group[first], states[first].clone()))),
                Ok(Decision::Same(row)) => Some(Ok(*row)),
                Ok(Decision::Outdated) => None,
                Err(error) => Some(Err(error)),
            })
            .collect();
        let mut unsigned = Vec::new();
        for (asked, row) in group.into_iter().zip(rows) {
            let Asked { authority, now, answer, .. } = asked;
            let said = match row {
                None => Ok(Answered::Outdated),
                Some(Err(error)) => Err(error),
                Some(Ok(row)) if row.der.is_none() => {
                    unsigned.push(Unsigned { row, authority, now, answer });
                    continue;
                }
                Some(Ok(row)) => {
                    let card = row.card;
                    let revoked = || NpcError::Revoked(card.as_str().to_owned());
                    row.issued().map(|issued| Answered::Issued(issued, 0)).ok_or_else(revoked)
                }
            };
            let _ = answer.send(said);
        }
        self.sign(unsigned);
    }

    /// What would be decided about each of these requests at this moment.
    pub(super) async fn consider(&self, group: &[Asked]) -> Result<Vec<Result<()>>> {
        let mut tx = self.db.begin().await?;
        let found = Found::read(&mut tx, group).await;
        tx.rollback().await?;
        let (decisions, _) = found?.decide(group);
        Ok(decisions.into_iter().map(|decision| decision.map(|_| ())).collect())
    }

    async fn decide(&self, group: &[Asked]) -> Result<Vec<Result<Decision>>> {
        let _turn = self.turn().await;
        transaction!(self.db, |tx| {
            // Taken first, so that whoever else writes waits for this transaction and not this one for everybody.
            audit::append_all(tx, &[]).await?;
            let found = Found::read(tx, group).await?;
            let (decisions, accepted) = found.decide(group);
            if !accepted.is_empty() {
                write(tx, &accepted).await?;
            }
            Ok::<_, NpcError>(decisions)
        })
    }
}

/// The row that is stored for a request.
fn row_of(asked: &Asked, state: CertificateState) -> CertificateRow {
    CertificateRow {
        serial: asked.serial,
        issuer: asked.authority.issuing.number,
        request_id: asked.request_id,
        request_hash: asked.hash,
        card: asked.card,
        slot: asked.slot,
        holder: asked.holder.clone(),
        kind: asked.tbs.kind(),
        validity: asked.validity,
        tbs: asked.tbs.tbs_der().to_vec(),
        der: None,
        state,
    }
}

/// Whether the database has something against what was to be written, and not against writing.
fn blames_a_row(error: &NpcError) -> bool {
    use store::StoreError::{Affected, Column, Constraint, Sql, Unique};
    match error {
        NpcError::Store(error) | NpcError::Audit(audit::AuditError::Store(error)) => {
            matches!(error, Affected { .. } | Column { .. } | Constraint { .. } | Sql { .. } | Unique { .. })
        }
        NpcError::Audit(_) | NpcError::Inconsistent(_) => true,
        _ => false,
    }
}

/// What the database knows about a group.
struct Found {
    by_number: HashMap<Uuid, CertificateRow>,
    by_slot: HashMap<(CardSerial, KeySlot), CertificateRow>,
    keys: HashSet<[u8; 32]>,
    // Keys of certificates that were refused, each with its card and slot.
    rejected: Vec<([u8; 32], String, i64)>,
    stopped: bool,
    issuing: u32,
    // The version of the policy in force.
    policy: u32,
    // Number and end of the filters that are newer than the oldest anybody has looked at.
    filters: Vec<(u64, Timestamp)>,
    holders: HashSet<String>,
    // Cards and slots with a certificate that is not revoked.
    standing: HashSet<(String, i64)>,
    chip_models: HashMap<String, String>,
    // For carriers that rest on a card, how long that lasts.
    rest_until: HashMap<CardSerial, Result<Timestamp>>,
    // How the card's other certificates stand, where it has any.
    siblings: HashMap<Uuid, Siblings>,
}

impl Found {
    async fn read(tx: &mut Tx, group: &[Asked]) -> Result<Self> {
        let (mut by_number, mut by_slot) = (HashMap::new(), HashMap::new());
        let asked = rows(group, |asked| params![asked.request_id].to_vec());
        let sql = select_certificate!("request_id IN (SELECT asked FROM given)");
        for row in tx.all_given(&[("asked", Kind::Bytes)], sql, &asked).await? {
            let row = CertificateRow::read(&row)?;
            by_number.insert(row.request_id, row);
        }
        let asked = rows(group, |asked| params![asked.card.as_str(), asked.slot.id()].to_vec());
        let sql = select_certificate!("(card, slot) IN (SELECT asked, at_slot FROM given)");
        for row in tx.all_given(&SLOT, sql, &asked).await? {
            let row = CertificateRow::read(&row)?;
            by_slot.insert((row.card, row.slot), row);
        }
        let mut found = Self {
            by_number,
            by_slot,
            keys: HashSet::new(),
            rejected: Vec::new(),
            stopped: ISSUING.is_stopped(tx).await?,
            issuing: issuing_generation(tx).await?,
            policy: version_in_force(tx).await?,
            filters: Vec::new(),
            holders: HashSet::new(),
            standing: HashSet::new(),
            chip_models: HashMap::new(),
            rest_until: HashMap::new(),
            siblings: siblings(tx, group).await?,
        };
        let asked = rows(group, |asked| params![asked.spki_hash].to_vec());
        let sql = "SELECT spki_hash FROM certificate WHERE spki_hash IN (SELECT asked FROM given)";
        for row in tx.all_given(&[("asked", Kind::Bytes)], sql, &asked).await? {
            found.keys.insert(row.read(0)?);
        }
        let sql = "SELECT spki_hash, card, slot FROM rejected WHERE spki_hash IN (SELECT asked FROM given)";
        for row in tx.all_given(&[("asked", Kind::Bytes)], sql, &asked).await? {
            found.rejected.push((row.read(0)?, row.read(1)?, row.read(2)?));
        }
        let oldest = group.iter().map(|asked| asked.filter).min().unwrap_or(0);
        let sql = "SELECT number, next_update FROM status_document WHERE kind = 'filter' AND number > $1";
        for row in tx.all(sql, params![oldest as i64]).await? {
            found.filters.push((row.read(0)?, row.read(1)?));
        }
        let asked = rows(group, |asked| params![&asked.holder].to_vec());
        let sql = "SELECT number FROM holder WHERE number IN (SELECT asked FROM given)";
        for row in tx.all_given(&[("asked", Kind::Text)], sql, &asked).await? {
            found.holders.insert(row.read(0)?);
        }
        let again = group.iter().filter(|asked| asked.reissue);
        let again = rows(again, |asked| params![asked.card.as_str(), first_slot(asked.slot).id()].to_vec());
        let sql = "SELECT card, slot FROM certificate JOIN certificate_state USING (serial) \
            WHERE status <> 2 AND (card, slot) IN (SELECT asked, at_slot FROM given)";
        for row in tx.all_given(&SLOT, sql, &again).await? {
            found.standing.insert((row.read(0)?, row.read(1)?));
        }
        let unnamed = group.iter().filter(|asked| asked.chip_model.is_none());
        let unnamed = rows(unnamed, |asked| params![asked.card.as_str()].to_vec());
        let sql = "SELECT card, MAX(chip_model) FROM certificate \
            WHERE chip_model <> '' AND card IN (SELECT asked FROM given) GROUP BY card";
        for row in tx.all_given(&[("asked", Kind::Text)], sql, &unnamed).await? {
            found.chip_models.insert(row.read(0)?, row.read(1)?);
        }
        for asked in group.iter().filter(|asked| asked.carrier == Carrier::VirtualSmartCard) {
            let until = match rests_until(tx, asked.card, &asked.holder, asked.now).await {
                Err(error) if !error.is_refusal() => return Err(error),
                answer => answer,
            };
            found.rest_until.insert(asked.card, until);
        }
        Ok(found)
    }

    /// Decides the requests one after the other, each knowing what was decided about those before it.
    fn decide<'a>(mut self, group: &'a [Asked]) -> (Vec<Result<Decision>>, Vec<Accepted<'a>>) {
        let mut earlier = Earlier::default();
        let mut accepted = Vec::new();
        let mut decisions = Vec::with_capacity(group.len());
        for (place, asked) in group.iter().enumerate() {
            let decision = self.decide_one(&earlier, group, asked);
            if let Ok(Decision::Stored(state)) = &decision {
                let chip_model =
                    asked.chip_model.clone().or_else(|| self.chip_models.get(asked.card.as_str()).cloned());
                let chip_model = chip_model.unwrap_or_default();
                if !chip_model.is_empty() {
                    self.chip_models
                        .entry(asked.card.as_str().to_owned())
                        .or_insert_with(|| chip_model.clone());
                }
                self.standing.insert((asked.card.as_str().to_owned(), i64::from(asked.slot.id())));
                self.keys.insert(asked.spki_hash);
                earlier.by_number.insert(asked.request_id, place);
                earlier.by_slot.insert((asked.card, asked.slot), place);
                let held_by = self.siblings.remove(&asked.request_id).map(|siblings| siblings.incidents);
                let held_by = held_by.unwrap_or_default();
                accepted.push(Accepted { asked, chip_model, state: state.clone(), held_by });
            }
            decisions.push(decision);
        }
        (decisions, accepted)
    }

    fn decide_one(&self, earlier: &Earlier, group: &[Asked], asked: &Asked) -> Result<Decision> {
        // The certificate this request has led to before, under its number or under another with the same content.
        let conflict = || NpcError::Conflict(asked.request_id);
        let taken = || NpcError::SlotTaken { card: asked.card.as_str().to_owned(), slot: asked.slot.id() };
        let slot = (asked.card, asked.slot);
        if let Some(row) = self.by_number.get(&asked.request_id) {
            return same(row, asked).ok_or_else(conflict);
        }
        if let Some(place) = earlier.by_number.get(&asked.request_id) {
            return same_as(group, *place, asked).ok_or_else(conflict);
        }
        if let Some(row) = self.by_slot.get(&slot) {
            return same(row, asked).ok_or_else(taken);
        }
        if let Some(place) = earlier.by_slot.get(&slot) {
            return same_as(group, *place, asked).ok_or_else(taken);
        }
        // NPC-04: what was issued before stays, and nothing new is made. Another version may be in force by now.
        if let Some(why) = asked.forbidden {
            let in_force = self.policy == asked.authority.policy_version;
            return if in_force { Err(NpcError::Policy(why)) } else { Ok(Decision::Outdated) };
        }
        let of_another = self.rejected.iter().any(|(key, card, slot)| {
            *key == asked.spki_hash && (card != asked.card.as_str() || *slot != i64::from(asked.slot.id()))
        });
        if of_another || self.keys.contains(&asked.spki_hash) {
            return Err(NpcError::DuplicateKey);
        }
        if self.stopped {
            return Err(NpcError::Stopped);
        }
        // A filter published since the number was drawn may call it revoked: another number then. One that has ended is nobody's.
        if self.filters.iter().any(|(number, until)| *number > asked.filter && *until > asked.now) {
            return Ok(Decision::Outdated);
        }
        if self.issuing != asked.authority.issuing.number {
            return Ok(Decision::Outdated);
        }
        // NPC-04: two persons have put another version of the policy in force since the request was held against it.
        if self.policy != asked.authority.policy_version {
            return Ok(Decision::Outdated);
        }
        if !self.holders.contains(&asked.holder) {
            return Err(NpcError::Request("the holder number was not given out here"));
        }
        // NPC-23: once, and only if the first certificate has not been revoked.
        let first = (asked.card.as_str().to_owned(), i64::from(first_slot(asked.slot).id()));
        if asked.reissue && !self.standing.contains(&first) {
            return Err(NpcError::NothingToReissue);
        }
        match self.rest_until.get(&asked.card) {
            Some(Err(error)) => return Err(error.for_another()),
            Some(Ok(until)) if asked.validity.not_after > *until => {
                return Err(NpcError::Primary("a virtual smart card ends with its card at the latest"));
            }
            _ => {}
        }
        let Some(siblings) = self.siblings.get(&asked.request_id) else {
            return Ok(Decision::Stored(CertificateState::Good));
        };
        siblings.state_of(asked).map(Decision::Stored)
    }
}

/// How the other certificates stand that a card has and that have not ended.
#[derive(Default)]
struct Siblings {
    // Of what registration authorities ask for by CMP alone.
    states: Vec<CertificateState>,
    // The incidents that hold one of them and whose queue does not wait for this certificate.
    incidents: Vec<u64>,
}

impl Siblings {
    /// The state in which a further certificate begins: what holds the others holds it too, whoever has decided that. The
    /// registration authority that asks is not told of it otherwise, and is to end nobody else's cause (LOSS-10).
    fn state_of(&self, asked: &Asked) -> Result<CertificateState> {
        let revoked = |state: &CertificateState| matches!(state, CertificateState::Revoked { .. });
        if !self.states.is_empty() && self.states.iter().all(revoked) {
            return Err(NpcError::Revoked(asked.card.as_str().to_owned()));
        }
        let of_others = self.states.iter().filter_map(|state| match state {
            CertificateState::Suspended { causes } => Some(causes.keys().copied()),
            _ => None,
        });
        let of_others = of_others.flatten().filter(|cause| *cause != SuspensionCause::Incident);
        let of_incidents = self.incidents.iter().map(|_| SuspensionCause::Incident);
        let causes: BTreeMap<_, _> = of_others.chain(of_incidents).map(|cause| (cause, asked.now)).collect();
        Ok(match causes.is_empty() {
            true => CertificateState::Good,
            false => CertificateState::Suspended { causes },
        })
    }
}

/// For each request of a card that has certificates already. What comes from an enrolment begins as they are; other callers know
/// their cards, and look before they ask, but for what two persons decide about cards behind them (NPC-55).
async fn siblings(tx: &mut Tx, group: &[Asked]) -> Result<HashMap<Uuid, Siblings>> {
    let asked = rows(group, |asked| params![asked.card.as_str()].to_vec());
    let mut states: HashMap<String, Vec<(Timestamp, CertificateState)>> = HashMap::new();
    // Those that were refused are none of the card's.
    let sql = "SELECT card, ends, state FROM certificate JOIN certificate_state USING (serial) \
        WHERE slot < 100 AND card IN (SELECT asked FROM given)";
    for row in tx.all_given(&[("asked", Kind::Text)], sql, &asked).await? {
        let state = parse_state(&row.read::<String>("state")?)?;
        states.entry(row.read("card")?).or_default().push((row.read("ends")?, state));
    }
    if states.is_empty() {
        return Ok(HashMap::new());
    }
    let asked = rows(group, |asked| params![asked.card.as_str(), asked.slot.id()].to_vec());
    let sql = "SELECT request_id FROM enrolment WHERE (card, slot) IN (SELECT asked, at_slot FROM given)";
    let mut enrolled: HashSet<Uuid> = HashSet::new();
    for row in tx.all_given(&SLOT, sql, &asked).await? {
        enrolled.insert(row.read(0)?);
    }
    // What is approved holds, and the states say so when its last batch is done.
    let sql = "SELECT 1 FROM incident WHERE approved_by IS NOT NULL AND finished_at IS NULL LIMIT 1";
    let unfinished = tx.optional(sql, params![]).await?.is_some();
    let mut holds = None;
    let mut found = HashMap::new();
    for asked in group {
        let Some(of_card) = states.get(asked.card.as_str()) else { continue };
        let present = of_card.iter().map(|(ends, state)| at_time(state.clone(), *ends, asked.now));
        let present: Vec<_> = present.filter(|state| *state != CertificateState::Expired).collect();
        let mut incidents = Vec::new();
        if unfinished || present.iter().any(held_by_incident) {
            let holds = match &mut holds {
                Some(holds) => holds,
                none => none.insert(Holds::read(tx).await?),
            };
            // The certificates on the next keys are what an incident's queue is for.
            let remedy = !asked.slot.is_rsa();
            incidents = holds.of_card(tx, asked.card.as_str(), remedy, asked.now).await?;
        }
        let states = if enrolled.contains(&asked.request_id) { present } else { Vec::new() };
        found.insert(asked.request_id, Siblings { states, incidents });
    }
    Ok(found)
}

fn held_by_incident(state: &CertificateState) -> bool {
    matches!(state, CertificateState::Suspended { causes } if causes.contains_key(&SuspensionCause::Incident))
}

/// What was decided before in the same group: places in it.
#[derive(Default)]
struct Earlier {
    by_number: HashMap<Uuid, usize>,
    by_slot: HashMap<(CardSerial, KeySlot), usize>,
}

/// A request that is stored.
struct Accepted<'a> {
    asked: &'a Asked,
    /// The model of the card's chip, as whoever asked for its first certificate knew it; empty if nobody did.
    chip_model: String,
    /// Good, or on hold as the card's other certificates are.
    state: CertificateState,
    /// The incidents that hold it from its beginning.
    held_by: Vec<u64>,
}

fn same(row: &CertificateRow, asked: &Asked) -> Option<Decision> {
    (row.request_hash == asked.hash).then(|| Decision::Same(Box::new(row.clone())))
}

fn same_as(group: &[Asked], place: usize, asked: &Asked) -> Option<Decision> {
    (group.get(place)?.hash == asked.hash).then_some(Decision::SameAs(place))
}

/// The slot whose certificate a reissue follows.
fn first_slot(slot: KeySlot) -> KeySlot {
    if slot.is_signing() { KeySlot::SigningRsa } else { KeySlot::EncryptionRsa }
}

fn rows<'a>(
    group: impl IntoIterator<Item = &'a Asked>,
    columns: impl Fn(&'a Asked) -> Vec<Value<'a>>,
) -> Vec<Vec<Value<'a>>> {
    group.into_iter().map(columns).collect()
}

/// Rows, states, events, audit entries and figures of what is stored.
async fn write(tx: &mut Tx, accepted: &[Accepted<'_>]) -> Result<()> {
    let mut columns = Vec::with_capacity(accepted.len());
    for Accepted { state, .. } in accepted {
        columns.push(StateColumns::of(state)?);
    }
    let (mut certificates, mut states, mut events) = (Vec::new(), Vec::new(), Vec::new());
    let mut entries = Vec::with_capacity(accepted.len());
    let mut counts: BTreeMap<(i64, &str, &str), i64> = BTreeMap::new();
    for (Accepted { asked, chip_model, state, .. }, columns) in accepted.iter().zip(&columns) {
        let (serial, kind) = (asked.serial.octets(), asked.tbs.kind().name());
        let generation = i64::from(asked.authority.issuing.number);
        let validity = &asked.validity;
        certificates.push(
            params![
                serial,
                asked.request_id,
                asked.hash,
                asked.card.as_str(),
                asked.slot.id(),
                &asked.holder,
                kind,
                validity.not_before,
                validity.not_after,
                asked.partition,
                asked.spki_hash,
                asked.tbs.tbs_der(),
                asked.carrier.as_str(),
                &asked.key_class,
                chip_model,
                &asked.fingerprint,
                generation
            ]
            .to_vec(),
        );
        states.push(
            params![
                serial,
                generation,
                columns.status,
                columns.at,
                columns.reason,
                validity.not_after,
                &columns.state
            ]
            .to_vec(),
        );
        events.push(params![asked.event, serial, asked.now, SYSTEM, &columns.state].to_vec());
        let mut detail = json!({
            "serial": hex(serial),
            "slot": asked.slot.id(),
            "request": asked.request_id.simple().to_string(),
            "tbs": hex(&sha256(asked.tbs.tbs_der())),
        });
        if let CertificateState::Suspended { causes } = state {
            detail["held"] = causes.keys().map(|cause| cause.as_str()).collect();
        }
        entries.push(audit::Event {
            at: asked.now,
            actor: SYSTEM,
            system: SYSTEM,
            action: "certificate-issue",
            subject: asked.card.as_str(),
            detail,
        });
        *counts.entry((issuance_day(asked.now), kind, asked.carrier.as_str())).or_default() += 1;
    }
    let all = accepted.len() as u64;
    for (columns, insert, rows) in [
        (&CERTIFICATE[..], INSERT_CERTIFICATE, &certificates),
        (&STATE[..], INSERT_STATE, &states),
        (&EVENT[..], INSERT_EVENT, &events),
    ] {
        if tx.execute_given(columns, insert, rows).await? != all {
            return Err(NpcError::Inconsistent("rows of a group"));
        }
    }
    for Accepted { asked, held_by, .. } in accepted {
        for incident in held_by {
            note_sibling(tx, *incident, asked.serial.octets()).await?;
        }
    }
    audit::append_all(tx, &entries).await?;
    for ((day, profile, carrier), count) in counts {
        count_issued(tx, day, profile, carrier, count).await?;
    }
    Ok(())
}

const SLOT: [(&str, Kind); 2] = [("asked", Kind::Text), ("at_slot", Kind::Integer)];

const INSERT_CERTIFICATE: &str = "INSERT INTO certificate (serial, request_id, request_hash, card, slot, holder, profile, \
    not_before, not_after, partition_no, spki_hash, tbs, carrier, key_class, chip_model, fingerprint, issuer) \
    SELECT serial, request_id, request_hash, card, slot, holder, profile, not_before, not_after, partition_no, spki_hash, \
    tbs, carrier, key_class, chip_model, fingerprint, issuer FROM given";

const CERTIFICATE: [(&str, Kind); 17] = [
    ("serial", Kind::Bytes),
    ("request_id", Kind::Bytes),
    ("request_hash", Kind::Bytes),
    ("card", Kind::Text),
    ("slot", Kind::Integer),
    ("holder", Kind::Text),
    ("profile", Kind::Text),
    ("not_before", Kind::Integer),
    ("not_after", Kind::Integer),
    ("partition_no", Kind::Integer),
    ("spki_hash", Kind::Bytes),
    ("tbs", Kind::Bytes),
    ("carrier", Kind::Text),
    ("key_class", Kind::Text),
    ("chip_model", Kind::Text),
    ("fingerprint", Kind::Text),
    ("issuer", Kind::Integer),
];

const INSERT_STATE: &str = "INSERT INTO certificate_state (serial, generation, signed, state_seq, status, status_at, reason, \
    ends, state) SELECT serial, generation, FALSE, 0, status, status_at, reason, ends, state FROM given";

const STATE: [(&str, Kind); 7] = [
    ("serial", Kind::Bytes),
    ("generation", Kind::Integer),
    ("status", Kind::Integer),
    ("status_at", Kind::Integer),
    ("reason", Kind::Integer),
    ("ends", Kind::Integer),
    ("state", Kind::Text),
];

const INSERT_EVENT: &str = "INSERT INTO event (id, serial, at, actor, kind, state) \
    SELECT id, serial, at, actor, 'issue', state FROM given";

const EVENT: [(&str, Kind); 5] = [
    ("id", Kind::Bytes),
    ("serial", Kind::Bytes),
    ("at", Kind::Integer),
    ("actor", Kind::Text),
    ("state", Kind::Text),
];
