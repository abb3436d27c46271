//! What operators see of the CA: certificates and when they end, how many certificates were issued, lists, filter, feed.
//! Nothing here names a person, and nothing counts the rows of the certificate table: 94 million of them would be counted
//! with every view. What was issued is counted as it is issued, one row for each day, profile and carrier.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use model::{CertificateState, KeySlot};
use store::{Migration, Row, Tx, params};
use x509::{Certificate, Serial};

use crate::cohort::LAPSES;
use crate::queue::COUNTS;
use crate::row::{parse_state, serial, slot_of};
use crate::status::at_time;
use crate::switch::ISSUING;
use crate::{Npc, NpcError, Result};

/// What was issued, counted; and the way to the last ones.
// Days are those of Taipei, eight hours before UTC's, counted from 1970-01-01; both engines divide integers alike.
pub(crate) const OVERVIEW: Migration = Migration::new(
    10,
    "overview",
    "CREATE TABLE issuance (
        day BIGINT NOT NULL,
        profile TEXT NOT NULL,
        carrier TEXT NOT NULL,
        count BIGINT NOT NULL,
        PRIMARY KEY (day, profile, carrier)
    );
    INSERT INTO issuance (day, profile, carrier, count)
        SELECT (event.at + 28800000000) / 86400000000, profile, carrier, COUNT(*)
        FROM event JOIN certificate ON certificate.serial = event.serial WHERE event.kind = 'issue'
        GROUP BY 1, 2, 3;
    CREATE INDEX event_issued ON event (id) WHERE kind = 'issue';",
);

/// A certificate of the CA's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityEntry {
    /// Its label, which is its key's too.
    pub label: String,
    /// Its profile.
    pub profile: String,
    /// The certificate; none while it is stored and not signed.
    pub certificate: Option<Certificate>,
    /// Its last moment.
    pub not_after: Timestamp,
}

/// Certificates issued on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The day, in Taipei.
    pub day: Date,
    /// Their profile.
    pub profile: String,
    /// What carries them.
    pub carrier: String,
    /// How many.
    pub count: u64,
}

/// A certificate among the last ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentlyIssued {
    /// When.
    pub at: Timestamp,
    /// Its serial number.
    pub serial: Serial,
    /// Its profile.
    pub profile: String,
    /// What carries it.
    pub carrier: String,
    /// Kind and size of its key.
    pub key_class: String,
}

/// What happened to a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at: Timestamp,
    /// What: `issue`, `suspend`, `resume`, `revoke`, ...
    pub kind: String,
    /// Who did it, or approved it.
    pub actor: String,
    /// The number of the incident by which it happened.
    pub incident: Option<u64>,
}

/// One certificate as an operator sees it: no name, no holder number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its serial number.
    pub serial: Serial,
    /// The card.
    pub card: String,
    /// Which of its keys.
    pub slot: KeySlot,
    /// Its profile.
    pub profile: String,
    /// What carries it.
    pub carrier: String,
    /// Kind and size of its key.
    pub key_class: String,
    /// The list it belongs to.
    pub partition: u16,
    /// From when.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// Whether it was signed.
    pub signed: bool,
    /// Its state.
    pub state: CertificateState,
    /// What happened to it; the last 50.
    pub events: Vec<Happened>,
}

/// A published list or document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What it is: `npc.crl`, `npc-3.crl`, `filter`, ...
    pub name: String,
    /// Its number.
    pub number: u64,
    /// For which moment it holds.
    pub this_update: Timestamp,
    /// Until when it may be used.
    pub next_update: Timestamp,
    /// Its size in bytes.
    pub bytes: u64,
}

/// How much work waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Certificates stored and not signed, but for those that never will be because they were revoked before.
    pub unsigned: u64,
    /// Incidents that nobody has approved and somebody still may.
    pub proposed: u64,
    /// Incidents approved and not finished.
    pub running: u64,
    /// Certificates asked for over CMP and not confirmed.
    pub unconfirmed: u64,
    /// Certificates that hold and whose key has a factor in common with another's: two persons revoke them.
    pub common_factors: u64,
}

impl Npc {
    /// The CA's own certificates, by label.
    pub async fn authorities(&self) -> Result<Vec<AuthorityEntry>> {
        let sql = "SELECT label, profile, not_after, der FROM authority ORDER BY label";
        let entry = |row: &Row| {
            let der: Option<Vec<u8>> = row.read("der")?;
            Ok(AuthorityEntry {
                label: row.read("label")?,
                profile: row.read("profile")?,
                certificate: der.map(|der| Certificate::parse(&der)).transpose()?,
                not_after: row.read("not_after")?,
            })
        };
        self.db.all(sql, params![]).await?.iter().map(entry).collect()
    }

    /// Whether issuing is stopped.
    pub async fn issuing_is_stopped(&self) -> Result<bool> {
        self.is_stopped(&ISSUING).await
    }

    /// What was issued since a day in Taipei, newest day first.
    pub async fn issued_since(&self, day: Date) -> Result<Vec<Issued>> {
        let sql = "SELECT day, profile, carrier, count FROM issuance WHERE day >= $1 ORDER BY day DESC, profile, carrier";
        let issued = |row: &Row| {
            let midnight = Timestamp::from_second(row.read::<i64>("day")? * DAY);
            let midnight = midnight.map_err(|_| NpcError::Inconsistent("day"))?;
            Ok(Issued {
                day: Offset::UTC.to_datetime(midnight).date(),
                profile: row.read("profile")?,
                carrier: row.read("carrier")?,
                count: row.read("count")?,
            })
        };
        self.db.all(sql, params![number_of(day)]).await?.iter().map(issued).collect()
    }

    /// How many certificates of each profile and carrier were ever issued.
    pub async fn issued_in_all(&self) -> Result<Vec<(String, String, u64)>> {
        // SUM of BIGINT is NUMERIC on PostgreSQL.
        let sql = "SELECT profile, carrier, CAST(SUM(count) AS BIGINT) FROM issuance GROUP BY profile, carrier \
            ORDER BY profile, carrier";
        let read = |row: &Row| Ok((row.read(0)?, row.read(1)?, row.read(2)?));
        self.db.all(sql, params![]).await?.iter().map(read).collect()
    }

    /// The last certificates issued, newest first.
    pub async fn recently_issued(&self, count: u32) -> Result<Vec<RecentlyIssued>> {
        let recent = |row: &Row| {
            Ok(RecentlyIssued {
                at: row.read("at")?,
                serial: serial(row)?,
                profile: row.read("profile")?,
                carrier: row.read("carrier")?,
                key_class: row.read("key_class")?,
            })
        };
        self.db.all(RECENT, params![count]).await?.iter().map(recent).collect()
    }

    /// One certificate by its serial number.
    pub async fn find_certificate(&self, number: &Serial, now: Timestamp) -> Result<Option<Found>> {
        let Some(row) = self.db.optional(ONE, params![number.octets()]).await? else { return Ok(None) };
        let events = self.db.all(EVENTS_OF_ONE, params![number.octets()]).await?;
        let event = |row: &Row| {
            let incident = row.read::<Option<i64>>("incident")?.map(|number| number as u64);
            Ok(Happened { at: row.read("at")?, kind: row.read("kind")?, actor: row.read("actor")?, incident })
        };
        let not_after: Timestamp = row.read("not_after")?;
        Ok(Some(Found {
            serial: serial(&row)?,
            card: row.read("card")?,
            slot: slot_of(&row)?,
            profile: row.read("profile")?,
            carrier: row.read("carrier")?,
            key_class: row.read("key_class")?,
            partition: row.read("partition_no")?,
            not_before: row.read("not_before")?,
            not_after,
            signed: row.read("signed")?,
            state: at_time(parse_state(&row.read::<String>("state")?)?, not_after, now),
            events: events.iter().map(event).collect::<Result<_>>()?,
        }))
    }

    /// The newest list of each scope, filter and card status lists, as they are stored.
    pub async fn published(&self) -> Result<Vec<Published>> {
        let lists = "SELECT scope, number, this_update, next_update, LENGTH(der) AS bytes FROM crl \
            WHERE der IS NOT NULL ORDER BY scope, number";
        let documents = "SELECT kind, number, this_update, next_update, LENGTH(der) AS bytes FROM status_document \
            ORDER BY kind, number";
        let mut all: Vec<Published> = Vec::new();
        let mut add = |name: String, row: &Row| {
            let found = Published {
                name,
                number: row.read("number")?,
                this_update: row.read("this_update")?,
                next_update: row.read("next_update")?,
                bytes: row.read("bytes")?,
            };
            // In the order of their numbers: the newest of each name stays.
            match all.last_mut().filter(|last| last.name == found.name) {
                Some(last) => *last = found,
                None => all.push(found),
            }
            Ok::<_, NpcError>(())
        };
        for row in self.db.all(lists, params![]).await? {
            add(list_name(row.read("scope")?), &row)?;
        }
        for row in self.db.all(documents, params![]).await? {
            add(row.read("kind")?, &row)?;
        }
        Ok(all)
    }

    /// How much work waits.
    pub async fn waiting(&self, now: Timestamp) -> Result<Waiting> {
        let row = self.db.one(WAITING, params![now - LAPSES]).await?;
        // A row for each finding, and none for most countries for ever.
        let sql = "SELECT COUNT(*) FROM common_factor JOIN certificate_state USING (serial) WHERE status <> 2 AND ends >= $1";
        let common_factors = self.db.one(sql, params![now]).await?.read(0)?;
        Ok(Waiting {
            unsigned: row.read("unsigned")?,
            proposed: row.read("proposed")?,
            running: row.read("running")?,
            unconfirmed: row.read("unconfirmed")?,
            common_factors,
        })
    }

    /// How many certificates are known to the status services.
    pub fn certificates_known(&self) -> u64 {
        // Numbers of generations have gaps: some have ended, and others' ceremonies were abandoned.
        self.populations().generations().map(|(_, one)| one.len() as u64).sum()
    }

    /// For which moment states are known: how old what relying parties are told is.
    pub async fn states_known_at(&self, now: Timestamp) -> Result<Timestamp> {
        self.known_as_of(now).await
    }
}

const RECENT: &str = "SELECT event.at AS at, certificate.serial AS serial, profile, carrier, key_class \
    FROM event JOIN certificate ON certificate.serial = event.serial \
    WHERE event.kind = 'issue' ORDER BY event.id DESC LIMIT $1";
const ONE: &str = "SELECT serial, card, slot, profile, carrier, key_class, partition_no, not_before, not_after, state, \
    signed FROM certificate JOIN certificate_state USING (serial) WHERE serial = $1";
const EVENTS_OF_ONE: &str =
    "SELECT at, kind, actor, incident FROM event WHERE serial = $1 ORDER BY id DESC LIMIT 50";
// The first two by way of an index with the few rows in question; incidents are few.
const WAITING: &str = "SELECT (SELECT COUNT(*) FROM certificate_state WHERE signed = FALSE AND status <> 2) AS unsigned, \
    (SELECT COUNT(*) FROM cmp_transaction WHERE waits = 1) AS unconfirmed, \
    (SELECT COUNT(*) FROM incident WHERE approved_by IS NULL AND proposed_at > $1) AS proposed, \
    (SELECT COUNT(*) FROM incident WHERE approved_by IS NOT NULL AND finished_at IS NULL) AS running";

/// The questions to the tables that have a row for each certificate, as the pages ask them: for the test that none of them reads
/// a whole table.
#[doc(hidden)]
pub const PAGE_QUERIES: [&str; 5] = [RECENT, ONE, EVENTS_OF_ONE, WAITING, COUNTS];

/// Counts certificates that have just come into being on a day ([`issuance_day`]).
pub(crate) async fn count_issued(
    tx: &mut Tx,
    day: i64,
    profile: &str,
    carrier: &str,
    count: i64,
) -> Result<()> {
    let sql = "INSERT INTO issuance (day, profile, carrier, count) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (day, profile, carrier) DO UPDATE SET count = issuance.count + $4";
    Ok(tx.execute_one(sql, params![day, profile, carrier, count]).await?)
}

/// The day under which a certificate is counted: Taipei's.
pub(crate) fn issuance_day(now: Timestamp) -> i64 {
    number_of(model::validity::TAIPEI.to_datetime(now).date())
}

/// A day's number from 1970-01-01.
fn number_of(day: Date) -> i64 {
    Offset::UTC.to_timestamp(day.to_datetime(Time::midnight())).map_or(0, |at| at.as_second().div_euclid(DAY))
}

/// The name of a list in its address, from its key in the table: each generation has 100,000 of them.
fn list_name(key: i64) -> String {
    let (generation, within) = ((key + 2).div_euclid(100_000) + 1, (key + 2).rem_euclid(100_000) - 2);
    let of = if generation == 1 { String::new() } else { format!("-g{generation}") };
    match within {
        -2 => format!("npc-root{of}.crl"),
        -1 => format!("npc{of}.crl"),
        number => format!("npc{of}-{number}.crl"),
    }
}

/// Seconds of a day.
const DAY: i64 = 86_400;
