//! The simulated register: persons encrypted each under a key of their own, found by keyed hash, changes as events.

use async_trait::async_trait;
use jiff::Timestamp;
use model::{CardSerial, NationalIdNo, RocDate};
use sealed::{DataKey, MasterKey, SharedRandom};
use store::{Db, Migration, Row, Tx, Value, params};

use crate::error::RegistryError;
use crate::notice::Renumbering;
use crate::person::Person;
use crate::population;
use crate::register::{CardMark, Change, EventKind, Register, RegisterEvent};

/// The register's tables. An event's sealed part is the number of the person it is about.
const MIGRATIONS: &[Migration] = &[
    Migration::new(
        1,
        "persons, portraits, events",
        "CREATE TABLE person (
        lookup BYTEA PRIMARY KEY,
        wrapped_key BYTEA NOT NULL,
        sealed BYTEA NOT NULL,
        changed_at BIGINT NOT NULL
    );
    CREATE TABLE portrait (
        lookup BYTEA NOT NULL REFERENCES person (lookup),
        filed_for TEXT NOT NULL,
        filed_at BIGINT NOT NULL,
        sealed BYTEA NOT NULL,
        PRIMARY KEY (lookup, filed_for)
    );
    CREATE TABLE register_event (
        sequence BIGINT PRIMARY KEY,
        at BIGINT NOT NULL,
        kind TEXT NOT NULL,
        sealed BYTEA NOT NULL
    );",
    ),
    Migration::new(
        2,
        "renumberings carried out",
        "CREATE TABLE renumbering (
            notice TEXT PRIMARY KEY,
            content BYTEA NOT NULL,
            persons BIGINT NOT NULL,
            at BIGINT NOT NULL
        );",
    ),
    Migration::new(
        3,
        "marks of cards",
        "CREATE TABLE card_mark (
            lookup BYTEA NOT NULL REFERENCES person (lookup),
            card TEXT NOT NULL,
            mark TEXT NOT NULL,
            -- the change of the card that it follows; one that comes late is not heard
            step BIGINT NOT NULL,
            at BIGINT NOT NULL,
            PRIMARY KEY (lookup, card)
        );",
    ),
];

/// Persons written in one transaction.
const CHUNK: usize = 2_000;
/// Persons read at a time when a renumbering looks for addresses: the rows are sealed, so each is opened.
const SCAN: u32 = 500;

/// A register of invented persons.
pub struct SimulatedRegister {
    db: Db,
    rows: MasterKey,
    numbers: MasterKey,
    random: SharedRandom,
}

impl SimulatedRegister {
    /// Opens the register on its own database. `key` is the register's master key.
    pub async fn open(db: Db, key: &MasterKey, random: SharedRandom) -> Result<Self, RegistryError> {
        db.migrate(MIGRATIONS).await?;
        let (rows, numbers) = (key.derive("registry/rows"), key.derive("registry/numbers"));
        Ok(Self { db, rows, numbers, random })
    }

    /// Fills the register with `count` invented persons. The same seed gives the same persons; those already there
    /// stay as they are, so an interrupted run is continued by another. `today` fixes the ages.
    pub async fn populate(
        &self,
        count: u32,
        seed: u64,
        today: RocDate,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        if u64::from(count) > population::MOST {
            return Err(RegistryError::TooMany);
        }
        let mut persons = population::Population::new(seed, today).take(count as usize).peekable();
        while persons.peek().is_some() {
            let chunk: Vec<Person> = persons.by_ref().take(CHUNK).collect();
            self.enrol(&chunk, now).await?;
        }
        Ok(())
    }

    /// Adds persons; one whose number is there already stays as it is.
    pub async fn enrol(&self, persons: &[Person], now: Timestamp) -> Result<(), RegistryError> {
        let mut lookups = Vec::with_capacity(persons.len());
        for person in persons {
            lookups.push((self.lookup(&person.id), person));
        }
        // Which are missing is asked before anything is encrypted: a restart finds nearly all of them there.
        let mut rows = Vec::new();
        for (lookup, person) in lookups {
            let there =
                self.db.optional("SELECT changed_at FROM person WHERE lookup = $1", params![lookup]).await?;
            if there.is_none() {
                let context = person_context(&lookup);
                let (key, wrapped_key) = self.rows.new_data_key(&mut self.random(), &context)?;
                let sealed = self.seal(&key, &context, person)?;
                rows.push((lookup, wrapped_key, sealed));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        store::transaction!(self.db, |tx| {
            tx.insert_many(
                "INSERT INTO person (lookup, wrapped_key, sealed, changed_at)",
                4,
                rows.iter().map(|(lookup, wrapped_key, sealed)| {
                    vec![Value::from(lookup), Value::from(wrapped_key), Value::from(sealed), Value::from(now)]
                }),
            )
            .await?;
            Ok::<_, RegistryError>(())
        })
    }

    /// Records a change of a person together with its event. Returns the event's sequence number.
    pub async fn record(
        &self,
        id: &NationalIdNo,
        change: &Change,
        now: Timestamp,
    ) -> Result<u64, RegistryError> {
        let lookup = self.lookup(id);
        store::transaction!(self.db, |tx| {
            let row = tx
                .optional("SELECT wrapped_key, sealed FROM person WHERE lookup = $1", params![lookup])
                .await?
                .ok_or(RegistryError::PersonUnknown)?;
            self.change(tx, &lookup, &row, change, now).await
        })
    }

    /// Carries out a renumbering of houses or a change of villages (UPDATE-14): everybody whose registered address it names
    /// gets the new one, each with an event, all in one transaction. Returns how many persons; the same notice once more
    /// changes nothing and returns the same.
    pub async fn renumber(&self, notice: &Renumbering, now: Timestamp) -> Result<u64, RegistryError> {
        let content = curve::Hash::Sha256.digest(&notice.to_stored()?);
        store::transaction!(self.db, |tx| {
            let sql = "SELECT content, persons FROM renumbering WHERE notice = $1";
            if let Some(done) = tx.optional(sql, params![notice.notice()]).await? {
                let same = done.read::<Vec<u8>>("content")? == content;
                return if same { Ok(done.read("persons")?) } else { Err(RegistryError::NoticeKnown) };
            }
            let (mut persons, mut after) = (0u64, Vec::new());
            loop {
                let sql = "SELECT lookup, wrapped_key, sealed FROM person WHERE lookup > $1 ORDER BY lookup LIMIT $2";
                let rows = tx.all(sql, params![&after, SCAN]).await?;
                let Some(last) = rows.last() else { break };
                after = last.read("lookup")?;
                for row in &rows {
                    let lookup: [u8; 32] = row.read("lookup")?;
                    let (_, person) = self.open_row(&lookup, row)?;
                    if let Some(address) = notice.apply(&person.address)? {
                        self.change(tx, &lookup, row, &Change::Renumbered(address), now).await?;
                        persons += 1;
                    }
                }
            }
            tx.execute_one(
                "INSERT INTO renumbering (notice, content, persons, at) VALUES ($1, $2, $3, $4)",
                params![notice.notice(), &content, i64::try_from(persons).unwrap_or(i64::MAX), now],
            )
            .await?;
            Ok(persons)
        })
    }

    /// Stores a changed person with the event. `row` is the person's as it was read in this transaction.
    async fn change(
        &self,
        tx: &mut Tx,
        lookup: &[u8; 32],
        row: &Row,
        change: &Change,
        now: Timestamp,
    ) -> Result<u64, RegistryError> {
        let (key, mut person) = self.open_row(lookup, row)?;
        if !change.fits(&person) {
            return Err(RegistryError::ChangeUnfit);
        }
        change.apply(&mut person);
        let sealed = self.seal(&key, &person_context(lookup), &person)?;
        tx.execute_one(
            "UPDATE person SET sealed = $2, changed_at = $3 WHERE lookup = $1",
            params![lookup, sealed, now],
        )
        .await?;
        let sequence = next_sequence(tx).await?;
        let number =
            self.rows.seal(&mut self.random(), &event_context(sequence), person.id.as_str().as_bytes())?;
        tx.execute_one(
            "INSERT INTO register_event (sequence, at, kind, sealed) VALUES ($1, $2, $3, $4)",
            params![sequence, now, change.kind().as_str(), number],
        )
        .await?;
        u64::try_from(sequence).map_err(|_| RegistryError::Data("event sequence"))
    }

    /// How many persons the register holds.
    pub async fn count(&self) -> Result<u64, RegistryError> {
        Ok(self.db.one("SELECT count(*) FROM person", params![]).await?.read(0)?)
    }

    fn lookup(&self, id: &NationalIdNo) -> [u8; 32] {
        self.numbers.lookup(id.as_str().as_bytes())
    }

    fn random(&self) -> SharedRandom {
        self.random.clone()
    }

    fn seal(&self, key: &DataKey, context: &str, person: &Person) -> Result<Vec<u8>, RegistryError> {
        Ok(key.seal(&mut self.random(), context, &person.to_stored()?)?)
    }

    fn open_row(&self, lookup: &[u8; 32], row: &Row) -> Result<(DataKey, Person), RegistryError> {
        let context = person_context(lookup);
        let key = self.rows.unwrap_data_key(&context, &row.read::<Vec<u8>>("wrapped_key")?)?;
        let plain = key.open(&context, &row.read::<Vec<u8>>("sealed")?)?;
        Ok((key, Person::from_stored(plain.expose())?))
    }

    async fn data_key(&self, lookup: &[u8; 32]) -> Result<Option<DataKey>, RegistryError> {
        let row =
            self.db.optional("SELECT wrapped_key FROM person WHERE lookup = $1", params![lookup]).await?;
        let Some(row) = row else { return Ok(None) };
        let wrapped: Vec<u8> = row.read("wrapped_key")?;
        Ok(Some(self.rows.unwrap_data_key(&person_context(lookup), &wrapped)?))
    }

    fn event(&self, row: &Row) -> Result<RegisterEvent, RegistryError> {
        let sequence: i64 = row.read("sequence")?;
        let number = self.rows.open(&event_context(sequence), &row.read::<Vec<u8>>("sealed")?)?;
        let person = std::str::from_utf8(number.expose())
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(RegistryError::Data("event's person"))?;
        Ok(RegisterEvent {
            sequence: u64::try_from(sequence).map_err(|_| RegistryError::Data("event sequence"))?,
            at: row.read("at")?,
            person,
            kind: EventKind::read(&row.read::<String>("kind")?).ok_or(RegistryError::Data("event kind"))?,
        })
    }
}

#[async_trait]
impl Register for SimulatedRegister {
    async fn person(&self, id: &NationalIdNo) -> Result<Option<Person>, RegistryError> {
        let lookup = self.lookup(id);
        let row = self
            .db
            .optional("SELECT wrapped_key, sealed FROM person WHERE lookup = $1", params![lookup])
            .await?;
        row.map(|row| self.open_row(&lookup, &row).map(|(_, person)| person)).transpose()
    }

    async fn file_portrait(
        &self,
        id: &NationalIdNo,
        filed_for: &str,
        jpeg: &[u8],
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        let lookup = self.lookup(id);
        let key = self.data_key(&lookup).await?.ok_or(RegistryError::PersonUnknown)?;
        let sealed = key.seal(&mut self.random(), &portrait_context(&lookup, filed_for), jpeg)?;
        store::transaction!(self.db, |tx| {
            tx.execute(
                "INSERT INTO portrait (lookup, filed_for, filed_at, sealed) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (lookup, filed_for) DO NOTHING",
                params![lookup, filed_for, now, &sealed],
            )
            .await
        })?;
        Ok(())
    }

    async fn portrait(&self, id: &NationalIdNo) -> Result<Option<Vec<u8>>, RegistryError> {
        let lookup = self.lookup(id);
        let row = self
            .db
            .optional(
                "SELECT filed_for, sealed FROM portrait WHERE lookup = $1 ORDER BY filed_at DESC, filed_for DESC",
                params![lookup],
            )
            .await?;
        let (Some(row), Some(key)) = (row, self.data_key(&lookup).await?) else { return Ok(None) };
        let context = portrait_context(&lookup, &row.read::<String>("filed_for")?);
        Ok(Some(key.open(&context, &row.read::<Vec<u8>>("sealed")?)?.expose().to_vec()))
    }

    async fn mark_card(
        &self,
        id: &NationalIdNo,
        card: CardSerial,
        mark: CardMark,
        step: u64,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        let lookup = self.lookup(id);
        let step = i64::try_from(step).map_err(|_| RegistryError::Data("step of a mark"))?;
        store::transaction!(self.db, |tx| {
            let known = tx.optional("SELECT 1 FROM person WHERE lookup = $1", params![lookup]).await?;
            known.ok_or(RegistryError::PersonUnknown)?;
            tx.execute(
                "INSERT INTO card_mark (lookup, card, mark, step, at) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (lookup, card) DO UPDATE SET mark = EXCLUDED.mark, step = EXCLUDED.step, at = EXCLUDED.at \
                 WHERE card_mark.step < EXCLUDED.step",
                params![lookup, card.as_str(), mark.as_str(), step, now],
            )
            .await?;
            Ok::<_, RegistryError>(())
        })
    }

    async fn card_mark(&self, id: &NationalIdNo, card: CardSerial) -> Result<CardMark, RegistryError> {
        let sql = "SELECT mark FROM card_mark WHERE lookup = $1 AND card = $2";
        let row = self.db.optional(sql, params![self.lookup(id), card.as_str()]).await?;
        let Some(row) = row else { return Ok(CardMark::InForce) };
        CardMark::read(&row.read::<String>("mark")?).ok_or(RegistryError::Data("mark of a card"))
    }

    async fn events_after(&self, sequence: u64, limit: u32) -> Result<Vec<RegisterEvent>, RegistryError> {
        let after = i64::try_from(sequence).unwrap_or(i64::MAX);
        let rows = self
            .db
            .all(
                "SELECT sequence, at, kind, sealed FROM register_event WHERE sequence > $1 \
                 ORDER BY sequence LIMIT $2",
                params![after, limit],
            )
            .await?;
        rows.iter().map(|row| self.event(row)).collect()
    }
}

/// Transactions are serialisable, so two changes never get the same number and readers never see a gap filled later.
async fn next_sequence(tx: &mut Tx) -> Result<i64, RegistryError> {
    Ok(tx.one("SELECT COALESCE(MAX(sequence), 0) + 1 FROM register_event", params![]).await?.read(0)?)
}

fn person_context(lookup: &[u8; 32]) -> String {
    let mut context = String::with_capacity(80);
    context.push_str("registry/person/");
    for byte in lookup {
        context.push_str(&format!("{byte:02x}"));
    }
    context
}

fn portrait_context(lookup: &[u8; 32], filed_for: &str) -> String {
    format!("{}/portrait/{filed_for}", person_context(lookup))
}

fn event_context(sequence: i64) -> String {
    format!("registry/event/{sequence}")
}
