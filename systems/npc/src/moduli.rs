//! Every RSA modulus beside every other: what two of them have in common is a factor of both, and whoever has the certificates can
//! compute both private keys (NPC-58). The keys of this country's citizen cards were factored so in 2013.
//!
//! What is new is compared with all there is, in groups of at most [`GROUP`] moduli, beside everything else: a group takes some 0.1 s
//! of a core for each group before it, twenty minutes where fifty million keys came before. Of a group the product is kept, and the
//! next group is compared with the products: memory holds one group and one product at a time, whatever there is in all. What
//! is found is written down with an audit entry and told to operators; two persons revoke it, as an incident of the class
//! [`SHARED_FACTOR`]. Which factor it is stands nowhere.
//!
//! Keys of certificates that have ended or were revoked are compared too: the factor they share is another's as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashu_int::UBig;
use dashu_int::ops::Gcd;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{Kind, Migration, Row, params, transaction};
use x509::{Certificate, PublicKey, Serial};

use crate::authority::hex;
use crate::common_factor::Group;
use crate::feed::next_number;
use crate::row::{parse_state, serial};
use crate::status::at_time;
use crate::{Npc, NpcError, Result, SYSTEM};

pub(crate) const MIGRATION: Migration = Migration::new(
    31,
    "common factors",
    "-- moduli that were compared with all before them, and the group each stands in
    CREATE TABLE modulus (serial BYTEA PRIMARY KEY, modulus_group BIGINT NOT NULL);
    CREATE INDEX modulus_of_group ON modulus (modulus_group);
    CREATE TABLE modulus_group (number BIGINT PRIMARY KEY, moduli BIGINT NOT NULL, product BYTEA NOT NULL);
    -- certificates whose modulus has a factor in common with that of another one
    CREATE TABLE common_factor (serial BYTEA PRIMARY KEY, other BYTEA NOT NULL, found_at BIGINT NOT NULL);
    -- up to which change all moduli are compared; when that was done last
    INSERT INTO counter (name, value) VALUES ('modulus-change', 0), ('modulus-group', 0), ('modulus-time', 0);",
);

/// The class of a cohort by which an incident concerns what was found here, in place of a class stored at issuance.
pub(crate) const SHARED_FACTOR: &str = "shared-factor";

/// A certificate whose key has a factor in common with another certificate's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommonFactor {
    /// Its serial number.
    pub serial: Serial,
    /// Its card.
    pub card: String,
    /// The certificate with the other key; there may be more.
    pub other: Serial,
    /// When it was found.
    pub found_at: Timestamp,
    /// The state of the certificate: `good`, `suspended`, `revoked`, `expired`.
    pub state: &'static str,
}

/// How far a comparison of all keys is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compared {
    /// Moduli compared by now.
    pub moduli: u64,
    /// Certificates that were found with a common factor and were not known to have one.
    pub found: u64,
}

impl Npc {
    /// Compares all keys with each other, also those that were compared before. `progress` hears of every group. If it is
    /// interrupted, [`Npc::compare_new_keys`] goes on.
    pub async fn check_common_factors(
        &self,
        operator: &str,
        now: Timestamp,
        progress: &mut (dyn FnMut(Compared) + Send),
    ) -> Result<Compared> {
        transaction!(self.db, |tx| {
            self.audit(tx, "common-factors", "keys", operator, json!({}), now).await?;
            // What was compared is forgotten by its number: there is a row for each key of the country.
            for forget in [
                "UPDATE counter SET value = (SELECT value FROM counter WHERE name = 'modulus-group') \
                 WHERE name = 'modulus-before'",
                "UPDATE counter SET value = 0 WHERE name = 'modulus-change'",
            ] {
                tx.execute_one(forget, params![]).await?;
            }
            Ok::<_, NpcError>(())
        })?;
        let mut all = Compared::default();
        while let Some(group) = self.compare_group(now).await? {
            all = Compared { moduli: all.moduli + group.moduli, found: all.found + group.found };
            progress(all);
        }
        Ok(all)
    }

    /// The certificates whose keys have a factor in common with another's, those found last first; at most a thousand.
    pub async fn common_factors(&self, now: Timestamp) -> Result<Vec<CommonFactor>> {
        let sql = "SELECT serial, card, other, found_at, ends, state FROM common_factor \
            JOIN certificate USING (serial) JOIN certificate_state USING (serial) \
            ORDER BY found_at DESC, serial LIMIT 1000";
        let found = |row: &Row| {
            let state = parse_state(&row.read::<String>("state")?)?;
            Ok(CommonFactor {
                serial: serial(row)?,
                card: row.read("card")?,
                other: Serial::from_octets(&row.read::<Vec<u8>>("other")?)?,
                found_at: row.read("found_at")?,
                state: at_time(state, row.read("ends")?, now).as_str(),
            })
        };
        self.db.all(sql, params![]).await?.iter().map(found).collect()
    }

    /// Compares new keys with all others, when there are enough for a group or the last time was a day ago. Call it every minute or
    /// so, apart from [`Npc::maintain`]: it may take long. It may be stopped at any time; the group under way is done again.
    pub async fn compare_new_keys(&self, now: Timestamp) -> Result<()> {
        let sql = "SELECT (SELECT value FROM counter WHERE name = 'modulus-time') AS at, \
            (SELECT value FROM counter WHERE name = 'modulus-look') AS look, \
            (SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM issuance) AS issued";
        let row = self.db.one(sql, params![]).await?;
        let (at, look, issued): (Timestamp, i64, i64) =
            (row.read("at")?, row.read("look")?, row.read("issued")?);
        let mut due = now >= at + EVERY;
        // Whatever changes, suspensions of millions too: fewer new keys than certificates were issued.
        if !due && issued < look {
            return Ok(());
        }
        loop {
            let left = GROUP as i64 - self.new_keys().await?;
            if !due && left > 0 {
                let sql = "UPDATE counter SET value = $1 WHERE name = 'modulus-look'";
                self.db.execute(sql, params![issued + left]).await?;
                return Ok(());
            }
            due = false;
            if self.compare_group(now).await?.is_none() {
                return Ok(());
            }
        }
    }

    /// How many keys are compared with none yet; [`GROUP`] if there are more.
    async fn new_keys(&self) -> Result<i64> {
        let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM certificate_state JOIN certificate USING (serial) \
            WHERE state_seq > (SELECT value FROM counter WHERE name = 'modulus-change') AND signed = TRUE \
            AND key_class LIKE 'RSA%' AND NOT EXISTS (SELECT 1 FROM modulus \
            WHERE modulus.serial = certificate_state.serial \
            AND modulus_group > (SELECT value FROM counter WHERE name = 'modulus-before')) LIMIT $1) AS new";
        Ok(self.db.one(sql, params![GROUP as i64]).await?.read(0)?)
    }

    /// Makes room where products stand that are compared with nothing any more, one commit for some of them.
    async fn forget_groups(&self, before: i64) -> Result<()> {
        let forget = "DELETE FROM modulus_group WHERE number IN \
            (SELECT number FROM modulus_group WHERE number <= $1 ORDER BY number LIMIT $2)";
        while self.db.execute(forget, params![before, FORGOTTEN_AT_ONCE]).await? > 0 {}
        Ok(())
    }

    /// The next group; nothing if all are compared.
    async fn compare_group(&self, now: Timestamp) -> Result<Option<Compared>> {
        let sql = "SELECT (SELECT value FROM counter WHERE name = 'state') AS last, \
            (SELECT value FROM counter WHERE name = 'modulus-change') AS done, \
            (SELECT value FROM counter WHERE name = 'modulus-before') AS earlier";
        let row = self.db.one(sql, params![]).await?;
        let (last, done, before): (i64, i64, i64) =
            (row.read("last")?, row.read("done")?, row.read("earlier")?);
        self.forget_groups(before).await?;
        // A certificate that changes has a greater number from then on: none is passed over.
        let sql = "SELECT state_seq, serial, card, der FROM certificate_state JOIN certificate USING (serial) \
            WHERE state_seq > $1 AND state_seq <= $2 AND signed = TRUE AND key_class LIKE 'RSA%' \
            AND NOT EXISTS (SELECT 1 FROM modulus WHERE modulus.serial = certificate_state.serial \
            AND modulus_group > $4) ORDER BY state_seq LIMIT $3";
        let rows = self.db.all(sql, params![done, last, GROUP as i64, before]).await?;
        let next = match rows.last() {
            Some(row) if rows.len() == GROUP => row.read("state_seq")?,
            _ => last,
        };
        let mut new = Vec::with_capacity(rows.len());
        for row in &rows {
            new.extend(modulus(row)?);
        }
        drop(rows);
        let (found, product) = match new.is_empty() {
            true => (BTreeMap::new(), Vec::new()),
            false => self.compare_with_all(&new, before).await?,
        };
        let count = new.len() as u64;
        let kept = transaction!(self.db, |tx| {
            if !found.is_empty() {
                audit::append_all(tx, &[]).await?;
            }
            // Another process may have done the same meanwhile, or begun anew.
            let sql = "UPDATE counter SET value = $2 WHERE name = 'modulus-change' AND value = $1";
            if tx.execute(sql, params![done, next]).await? == 0 {
                return Ok(0);
            }
            let sql = "UPDATE counter SET value = $1 WHERE name = 'modulus-time'";
            tx.execute_one(sql, params![now.as_microsecond()]).await?;
            if new.is_empty() {
                return Ok(0);
            }
            let number = next_number(tx, "modulus-group", 1).await? as i64;
            let sql = "INSERT INTO modulus_group (number, moduli, product) VALUES ($1, $2, $3)";
            tx.execute_one(sql, params![number, count as i64, &product[..]]).await?;
            let rows = new.iter().map(|key| params![key.serial.octets(), number].to_vec());
            let sql = "INSERT INTO modulus (serial, modulus_group) SELECT serial, number FROM given WHERE TRUE \
                ON CONFLICT (serial) DO UPDATE SET modulus_group = excluded.modulus_group";
            tx.execute_given(&COMPARED, sql, &rows.collect::<Vec<_>>()).await?;
            let mut unknown = Vec::new();
            for (serial, other) in &found {
                let sql = "INSERT INTO common_factor (serial, other, found_at) VALUES ($1, $2, $3) \
                    ON CONFLICT (serial) DO NOTHING";
                if tx.execute(sql, params![serial.octets(), other.octets(), now]).await? == 1 {
                    unknown.push(hex(serial.octets()));
                }
            }
            let found = unknown.len() as u64;
            if found > 0 {
                unknown.truncate(NAMED);
                let detail = json!({ "certificates": unknown, "count": found });
                self.audit(tx, "common-factor", "keys", SYSTEM, detail, now).await?;
            }
            Ok::<_, NpcError>(found)
        })?;
        if kept > 0 {
            tracing::error!(certificates = kept, "keys have factors in common: their private keys are known");
        }
        Ok((count > 0).then_some(Compared { moduli: count, found: kept }))
    }

    /// Compares these moduli with each other and with all groups after `earlier`. Gives every certificate with a common factor, new or old,
    /// with another one that has it, and the product of these moduli.
    async fn compare_with_all(
        &self,
        new: &[Key],
        earlier: i64,
    ) -> Result<(BTreeMap<Serial, Serial>, Vec<u8>)> {
        let moduli = new.iter().map(|key| key.modulus.clone()).collect();
        let mut group = aside(move || Group::new(moduli)).await?;
        let sql = "SELECT number FROM modulus_group WHERE number > $1 ORDER BY number";
        let numbers = self.db.all(sql, params![earlier]).await?;
        let mut before = Vec::with_capacity(numbers.len());
        for row in &numbers {
            let number: i64 = row.read(0)?;
            let sql = "SELECT product FROM modulus_group WHERE number = $1";
            let Some(row) = self.db.optional(sql, params![number]).await? else { continue };
            let product: Vec<u8> = row.read(0)?;
            group = aside(move || {
                group.compare(&product);
                group
            })
            .await?;
            before.push(number);
        }
        let product = group.product();
        let mut divisors = aside(move || group.found()).await?;
        divisors.retain(|divisor| *divisor != UBig::ONE);
        divisors.sort();
        divisors.dedup();
        if divisors.is_empty() {
            return Ok((BTreeMap::new(), product));
        }
        // Whose they are: among the new ones, and in each group whose product has one of them as well.
        let divisors = Arc::new(divisors);
        let having_any = async |all: Vec<Key>| {
            let divisors = divisors.clone();
            let having = move || all.into_iter().filter(|key| share_any(&key.modulus, &divisors)).collect();
            aside::<Vec<Key>>(having).await
        };
        let mut having = having_any(new.to_vec()).await?;
        for number in before {
            let sql = "SELECT product FROM modulus_group WHERE number = $1";
            let Some(row) = self.db.optional(sql, params![number]).await? else { continue };
            let (product, divisors): (Vec<u8>, _) = (row.read(0)?, divisors.clone());
            if !aside(move || share_any(&UBig::from_le_bytes(&product), &divisors)).await? {
                continue;
            }
            let sql = "SELECT serial, card, der FROM modulus JOIN certificate USING (serial) WHERE modulus_group = $1";
            let mut all = Vec::new();
            for row in &self.db.all(sql, params![number]).await? {
                all.extend(modulus(row)?);
            }
            having.extend(having_any(all).await?);
        }
        let found = aside(move || {
            let with =
                |key: &Key| having.iter().find(|other| other.shares_with(key)).map(|other| other.serial);
            having.iter().filter_map(|key| Some((key.serial, with(key)?))).collect()
        });
        Ok((found.await?, product))
    }
}

/// Arithmetic that takes its time, away from the threads that serve requests.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| NpcError::Died)
}

fn share_any(modulus: &UBig, divisors: &[UBig]) -> bool {
    divisors.iter().any(|divisor| (modulus % divisor).gcd(divisor) != UBig::ONE)
}

/// The modulus of a certificate.
#[derive(Clone)]
struct Key {
    serial: Serial,
    card: String,
    modulus: UBig,
}

impl Key {
    /// A card that refused a certificate may have another one for the same key.
    fn shares_with(&self, other: &Self) -> bool {
        let same = self.modulus == other.modulus && self.card == other.card;
        self.serial != other.serial && !same && (&self.modulus).gcd(&other.modulus) != UBig::ONE
    }
}

fn modulus(row: &Row) -> Result<Option<Key>> {
    let der: Vec<u8> = row.read("der")?;
    Ok(match PublicKey::from_spki(Certificate::parse(&der)?.spki())? {
        PublicKey::Rsa(key) => Some(Key {
            serial: serial(row)?,
            card: row.read("card")?,
            modulus: UBig::from_be_bytes(key.modulus()),
        }),
        _ => None,
    })
}

/// Moduli in a group. Of 2,048 bits each their product is a megabyte, and the tree above them thirteen.
const GROUP: usize = 4_096;

/// Products of some megabyte that are forgotten in one commit.
const FORGOTTEN_AT_ONCE: u32 = 100;

const COMPARED: [(&str, Kind); 2] = [("serial", Kind::Bytes), ("number", Kind::Integer)];

/// How often the new ones are compared that are too few for a group.
const EVERY: SignedDuration = SignedDuration::from_hours(24);

/// Certificates that an audit entry names.
const NAMED: usize = 100;
