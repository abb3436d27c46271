//! The delta to a partition's list: what has changed since its base, a full list of some hours ago.
//!
//! A delta can be added to its base and to every full list that came after it (RFC 5280 §5.2.4): it also takes back what only
//! one of those in between has named. So each full list is stored with the number of its base, which stays in the table as long
//! as deltas refer to it, and with the serial numbers that were named since and no longer are. Every process makes
//! the same delta from that, under the number of the same full list.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use store::{Migration, Tx, params};
use x509::Serial;
use x509::crl::{self, Crl, Lifetime, Reason, Revoked, Table};

use crate::crl::{List, PublishedCrl, Scope, UNKNOWN, new_list};
use crate::{Npc, NpcError, Result};

pub(crate) const MIGRATION: Migration = Migration::new(
    27,
    "bases of deltas",
    "-- of a partition's list: the number of the list that the delta of this moment is added to, and the serial numbers that
    -- lists from it on have named and this one does not
    ALTER TABLE crl ADD COLUMN base BIGINT;
    ALTER TABLE crl ADD COLUMN lifted BYTEA;",
);

/// What a delta to a full list is made from.
pub(crate) struct Since {
    /// The number of the base.
    pub(crate) base: u64,
    /// What was named by it or after it and is no longer.
    pub(crate) lifted: Lifted,
}

/// Serial numbers, each once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifted(BTreeSet<Serial>);

impl Lifted {
    /// As they are stored: each behind its length.
    pub(crate) fn stored(&self) -> Vec<u8> {
        let octets = self.0.iter().map(Serial::octets);
        octets.flat_map(|octets| std::iter::once(octets.len() as u8).chain(octets.iter().copied())).collect()
    }

    fn read(mut stored: &[u8]) -> Result<Self> {
        let mut serials = BTreeSet::new();
        while let Some((&length, rest)) = stored.split_first() {
            let (octets, rest) = rest.split_at_checked(length.into()).ok_or(BROKEN)?;
            serials.insert(Serial::from_octets(octets)?);
            stored = rest;
        }
        Ok(Self(serials))
    }
}

impl Npc {
    /// What is stored with a full list that is about to be stored: the base of the list before, unless that has served its
    /// time. Nothing for a list that has no delta.
    pub(crate) async fn since_base(
        &self,
        tx: &mut Tx,
        list: List,
        made: &PublishedCrl,
    ) -> Result<Option<Since>> {
        let Scope::Partition(_) = list.scope else { return Ok(None) };
        let sql = "SELECT last.number AS number, last.base AS base, last.lifted AS lifted, base.this_update AS since \
            FROM crl AS last JOIN crl AS base ON base.scope = last.scope AND base.number = last.base \
            WHERE last.scope = $1 AND last.number < $2 AND last.der IS NOT NULL ORDER BY last.number DESC LIMIT 1";
        let last = tx.optional(sql, params![list.key(), made.number as i64]).await?;
        let anew = Since { base: made.number, lifted: Lifted::default() };
        let Some(last) = last else { return Ok(Some(anew)) };
        // Until then every reader has fetched the base, or a later list. A clock that went back begins anew, too.
        let age = made.this_update.duration_since(last.read::<Timestamp>("since")?);
        if age < SignedDuration::ZERO || age >= self.config.crl_lifetime / 2 {
            return Ok(Some(anew));
        }
        let number: i64 = last.read("number")?;
        let der = match self.kept(list).filter(|kept| kept.number == number as u64) {
            Some(kept) => kept.der.clone(),
            None => {
                let sql = "SELECT der FROM crl WHERE scope = $1 AND number = $2";
                tx.one(sql, params![list.key(), number]).await?.read::<Vec<u8>>(0)?.into()
            }
        };
        let (before, present) = (Crl::parse(&der)?, Crl::parse(&made.der)?.index());
        let mut lifted = Lifted::read(&last.read::<Option<Vec<u8>>>("lifted")?.unwrap_or_default())?;
        for entry in before.entries() {
            lifted.0.insert(Serial::from_octets(entry?.serial)?);
        }
        lifted.0.retain(|serial| present.reason(serial).is_none());
        Ok(Some(Since { base: last.read("base")?, lifted }))
    }

    /// The delta to a partition: under the number of the full list of the same moment, from which it takes its times. Made for
    /// the first who asks; it needs no number of its own and is not stored.
    pub(crate) async fn delta_list(
        &self,
        generation: u32,
        partition: u16,
        now: Timestamp,
    ) -> Result<Arc<PublishedCrl>> {
        let list = List { generation, scope: Scope::Delta(partition) };
        let of = List { generation, scope: Scope::Partition(partition) };
        let era = self.era();
        let full = self.full_list(of, now).await?;
        let fitting = |kept: &Arc<PublishedCrl>| kept.number == full.number;
        if let Some(kept) = self.kept(list).filter(fitting) {
            return Ok(kept);
        }
        let _turn = self.crls.turn(list.scope).lock().await;
        if let Some(kept) = self.kept(list).filter(fitting) {
            return Ok(kept);
        }
        let sql = "SELECT base.number AS number, base.der AS der, made.lifted AS lifted \
            FROM crl AS made JOIN crl AS base ON base.scope = made.scope AND base.number = made.base \
            WHERE made.scope = $1 AND made.number = $2";
        let row = self.db.optional(sql, params![of.key(), full.number as i64]).await?;
        let present = table(&full.der)?;
        // A list that another process has replaced meanwhile is its own base.
        let (base, before, lifted) = match row {
            Some(row) => {
                let lifted: Option<Vec<u8>> = row.read("lifted")?;
                (row.read("number")?, table(&row.read::<Vec<u8>>("der")?)?, lifted.unwrap_or_default())
            }
            None => (full.number, present.clone(), Vec::new()),
        };
        let changed = present.iter().filter(|e| before.find(&e.serial) != Some((e.at, e.reason)));
        let at = full.this_update;
        let removed = Lifted::read(&lifted)?.0.into_iter();
        let removed = removed.map(|serial| {
            let at = before.find(&serial).map_or(at, |(at, _)| at);
            Revoked { serial, at, reason: Reason::RemoveFromCrl }
        });
        let mut entries: Vec<Revoked> = changed.chain(removed).collect();
        entries.sort_by_key(|entry| entry.serial);
        let life = Lifetime { number: full.number, this_update: at, next_update: full.next_update };
        let uri = self.config.urls.partition_crl(generation, partition);
        let tbs = {
            let authority = self.authority();
            let issuer = &authority.generation(generation).ok_or(UNKNOWN)?.ca.issuer;
            crl::delta(issuer, life, &uri, base, entries)?
        };
        let der = self.signed(list, tbs).await?;
        Ok(self.keep(list, era, new_list(life, full.covers, der)).await)
    }
}

fn table(der: &[u8]) -> Result<Table> {
    let parsed = Crl::parse(der)?;
    let entries = parsed.entries().map(|entry| {
        let entry = entry?;
        Ok(Revoked { serial: Serial::from_octets(entry.serial)?, at: entry.at, reason: entry.reason })
    });
    Ok(Table::new(entries.collect::<Result<Vec<_>>>()?)?)
}

const BROKEN: NpcError = NpcError::Inconsistent("a list's changes since its base");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_return_as_they_were_stored() {
        let serials =
            [&[1u8][..], &[0x7f; 20], &[0x12, 0x34]].map(|octets| Serial::from_octets(octets).unwrap());
        let lifted = Lifted(serials.into_iter().collect());
        assert_eq!(Lifted::read(&lifted.stored()).unwrap(), lifted);
        assert_eq!(Lifted::read(&[]).unwrap(), Lifted::default());
        let mut cut = lifted.stored();
        cut.pop();
        assert!(Lifted::read(&cut).is_err());
    }
}
