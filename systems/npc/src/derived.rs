//! Carriers that rest on a card: the virtual smart card (虛擬智慧卡, NPC-63, MOBILE-14) of a device. The holder applies with a card;
//! which card that is, is written down before anything is issued, and the certificates follow its state for as long as they
//! last (LOSS-07): suspended while it is, revoked with it, and never longer valid.
//!
//! Where the card comes to an end while a certificate that rests on it is being issued, one of the two waits for the other: both
//! take the head of the audit log before they look.

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::Timestamp;
use model::lifecycle::Stamp;
use model::{CardSerial, CertificateState, RocDate, SuspensionCause};
use serde_json::json;
use store::{Migration, Tx, params, transaction};
use x509::Serial;

use crate::row::{CertificateRow, select_certificate};
use crate::status::{Why, at_time};
use crate::{Carrier, Enrolment, Npc, NpcError, Result, SYSTEM};

pub(crate) const MIGRATION: Migration = Migration::new(
    19,
    "carriers that rest on a card",
    "CREATE TABLE derived (
        card TEXT PRIMARY KEY,
        rests_on TEXT NOT NULL,
        linked_by TEXT NOT NULL,
        linked_at BIGINT NOT NULL
    );
    CREATE INDEX derived_rests_on ON derived (rests_on);",
);

impl Npc {
    /// The enrolment as far as the card lasts that it rests on.
    pub(crate) async fn within_card(
        &self,
        enrolment: &Enrolment,
        holder: &str,
        now: Timestamp,
    ) -> Result<Enrolment> {
        let mut enrolment = enrolment.clone();
        match (enrolment.carrier, enrolment.rests_on) {
            (Carrier::VirtualSmartCard, Some(primary)) => {
                let mut tx = self.db.begin().await?;
                let ends = RocDate::in_taipei(end_of(&mut tx, primary, holder, now).await?);
                tx.rollback().await?;
                enrolment.renewal_date = Some(enrolment.renewal_date.map_or(ends, |date| date.min(ends)));
            }
            (Carrier::VirtualSmartCard, None) => {
                return Err(NpcError::Request("a virtual smart card rests on a card, which must be named"));
            }
            (_, Some(_)) => return Err(NpcError::Request("only a virtual smart card rests on another card")),
            (_, None) => {}
        }
        Ok(enrolment)
    }

    /// Writes down which card an enrolled carrier rests on, once and for all.
    pub(crate) async fn link_to_card(
        &self,
        tx: &mut Tx,
        enrolment: &Enrolment,
        holder: &str,
        operator: &str,
        now: Timestamp,
    ) -> Result<()> {
        let Some(primary) = enrolment.rests_on else { return Ok(()) };
        let mut devices = living_devices(tx, enrolment.card, primary, now).await?;
        // Those whose keys have not come yet will be alive.
        let sql = "SELECT enrolment.card FROM enrolment JOIN derived ON derived.card = enrolment.card \
            WHERE rests_on = $1 AND enrolment.card <> $2";
        for row in tx.all(sql, params![primary.as_str(), enrolment.card.as_str()]).await? {
            devices.insert(row.read::<String>(0)?.parse().map_err(|_| NpcError::Inconsistent("card"))?);
        }
        if devices.len() >= DEVICES {
            return Err(NpcError::TooManyDevices(DEVICES));
        }
        self.link_device(tx, enrolment.card, primary, holder, operator, now).await.map(drop)
    }

    /// The same for a device whose holder has asked with the card itself. Gives the last day of what rests on it.
    pub(crate) async fn rest_device(
        &self,
        device: CardSerial,
        primary: CardSerial,
        holder: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<RocDate> {
        transaction!(self.db, |tx| {
            // A number under which something else was issued is no device's: it would follow a card that is not its own.
            let sql = "SELECT 1 FROM certificate WHERE card = $1 AND carrier <> $2 LIMIT 1";
            let other =
                tx.optional(sql, params![device.as_str(), Carrier::VirtualSmartCard.as_str()]).await?;
            if other.is_some() {
                return Err(NpcError::Primary("the number is that of another card"));
            }
            if living_devices(tx, device, primary, now).await?.len() >= DEVICES {
                return Err(NpcError::TooManyDevices(DEVICES));
            }
            Ok(RocDate::in_taipei(self.link_device(tx, device, primary, holder, actor, now).await?))
        })
    }

    /// Gives the last moment of the card that is rested on.
    async fn link_device(
        &self,
        tx: &mut Tx,
        card: CardSerial,
        primary: CardSerial,
        holder: &str,
        operator: &str,
        now: Timestamp,
    ) -> Result<Timestamp> {
        let ends = end_of(tx, primary, holder, now).await?;
        let card = card.as_str();
        if let Some(row) = tx.optional("SELECT rests_on FROM derived WHERE card = $1", params![card]).await? {
            return match row.read::<String>(0)? == primary.as_str() {
                true => Ok(ends),
                false => Err(NpcError::Primary("the virtual smart card rests on another card already")),
            };
        }
        let sql = "INSERT INTO derived (card, rests_on, linked_by, linked_at) VALUES ($1, $2, $3, $4)";
        tx.execute_one(sql, params![card, primary.as_str(), operator, now]).await?;
        self.audit(tx, "carrier-link", card, operator, json!({ "rests_on": primary.as_str() }), now).await?;
        Ok(ends)
    }

    /// What rests on a card, changed as the card was. Called after the card's own certificates have their new state.
    pub(crate) async fn follow(
        &self,
        tx: &mut Tx,
        primary: CardSerial,
        why: &Why<'_>,
    ) -> Result<Vec<Serial>> {
        let mut changed = Vec::new();
        let sql = "SELECT 1 FROM derived WHERE rests_on = $1 LIMIT 1";
        if tx.optional(sql, params![primary.as_str()]).await?.is_none() {
            return Ok(changed);
        }
        let mut states = Vec::new();
        for row in tx.all(select_certificate!("card = $1"), params![primary.as_str()]).await? {
            let row = CertificateRow::read(&row)?;
            states.push(at_time(row.state, row.validity.not_after, why.at));
        }
        let sql =
            select_certificate!("card IN (SELECT card FROM derived WHERE rests_on = $1) ORDER BY card, slot");
        for row in tx.all(sql, params![primary.as_str()]).await? {
            let row = CertificateRow::read(&row)?;
            let state = at_time(row.state, row.validity.not_after, why.at);
            if let Some((state, kind)) = as_its_card(state, &states, Stamp::new(why.at, why.actor, SYSTEM)) {
                self.write_state(tx, &row.serial, &state, kind, why).await?;
                changed.push(row.serial);
            }
        }
        Ok(changed)
    }

    /// The same for every card of which a certificate had one of the changes with these numbers. Answers with how many
    /// certificates have followed.
    pub(crate) async fn follow_changes(
        &self,
        tx: &mut Tx,
        changes: Range<u64>,
        why: &Why<'_>,
    ) -> Result<usize> {
        // Where no virtual smart cards are, nobody looks whose cards these certificates are on.
        if tx.optional("SELECT 1 FROM derived LIMIT 1", params![]).await?.is_none() {
            return Ok(0);
        }
        let sql = "SELECT DISTINCT rests_on FROM certificate_state JOIN certificate USING (serial) \
            JOIN derived ON derived.rests_on = certificate.card \
            WHERE state_seq >= $1 AND state_seq < $2 ORDER BY rests_on";
        let mut followed = 0;
        for row in tx.all(sql, params![changes.start as i64, changes.end as i64]).await? {
            let primary = row.read::<String>(0)?.parse().map_err(|_| NpcError::Inconsistent("card"))?;
            followed += self.follow(tx, primary, why).await?.len();
        }
        Ok(followed)
    }
}

/// How many devices a holder may have under one card at a time. Each is a key that signs in the holder's name: one that is lost is
/// missed only by somebody who can count them.
const DEVICES: usize = 5;

/// The other devices with a certificate that is neither revoked nor expired that rest on a card.
async fn living_devices(
    tx: &mut Tx,
    device: CardSerial,
    primary: CardSerial,
    now: Timestamp,
) -> Result<BTreeSet<CardSerial>> {
    let sql = select_certificate!("card IN (SELECT card FROM derived WHERE rests_on = $1 AND card <> $2)");
    let mut living = BTreeSet::new();
    for row in tx.all(sql, params![primary.as_str(), device.as_str()]).await? {
        let row = CertificateRow::read(&row)?;
        let state = at_time(row.state, row.validity.not_after, now);
        if matches!(state, CertificateState::Good | CertificateState::Suspended { .. }) {
            living.insert(row.card);
        }
    }
    Ok(living)
}

/// The last moment of the card that a carrier rests on; an error if it rests on none that holds.
pub(crate) async fn rests_until(
    tx: &mut Tx,
    carrier: CardSerial,
    holder: &str,
    now: Timestamp,
) -> Result<Timestamp> {
    let row = tx.optional("SELECT rests_on FROM derived WHERE card = $1", params![carrier.as_str()]).await?;
    let unknown = NpcError::Primary("it is written down nowhere which card the virtual smart card rests on");
    let primary = row.ok_or(unknown)?.read::<String>(0)?;
    end_of(tx, primary.parse().map_err(|_| NpcError::Inconsistent("card"))?, holder, now).await
}

/// The last moment of a card that another carrier may rest on: it is the holder's, rests on no other, and has a signing
/// certificate that holds.
async fn end_of(tx: &mut Tx, primary: CardSerial, holder: &str, now: Timestamp) -> Result<Timestamp> {
    let sql = "SELECT carrier FROM certificate WHERE card = $1 AND holder = $2 LIMIT 1";
    let row = tx.optional(sql, params![primary.as_str(), holder]).await?;
    let Some(row) = row else { return Err(NpcError::Primary("the holder has no such card")) };
    if row.read::<String>(0)? == Carrier::VirtualSmartCard.as_str() {
        return Err(NpcError::Primary("a virtual smart card does not rest on another"));
    }
    let mut ends = None;
    let sql = select_certificate!("card = $1 AND der IS NOT NULL");
    for row in tx.all(sql, params![primary.as_str()]).await? {
        let row = CertificateRow::read(&row)?;
        let state = at_time(row.state, row.validity.not_after, now);
        if row.slot.is_signing() && state == CertificateState::Good {
            ends = ends.max(Some(row.validity.not_after));
        }
    }
    ends.ok_or(NpcError::Primary("the card has no signing certificate that holds"))
}

/// The state of what rests on a card whose certificates have these states, and the name of the change; nothing if it stays.
fn as_its_card(
    state: CertificateState,
    card: &[CertificateState],
    stamp: Stamp,
) -> Option<(CertificateState, &'static str)> {
    let revoked = card.iter().find_map(|state| match state {
        CertificateState::Revoked { reason, .. } => Some(*reason),
        _ => None,
    });
    let (change, kind) = if card.contains(&CertificateState::Good) {
        (state.resume(SuspensionCause::Primary, stamp), "resume")
    } else if card.iter().any(|state| matches!(state, CertificateState::Suspended { .. })) {
        (state.suspend(SuspensionCause::Primary, stamp), "suspend")
    } else {
        (state.revoke(revoked?, stamp), "revoke")
    };
    // What is so already, or has ended, refuses the change.
    change.ok().map(|(state, _event)| (state, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::RevocationReason;
    use std::collections::BTreeMap;
    use std::slice::from_ref;

    fn suspended(causes: &[SuspensionCause]) -> CertificateState {
        CertificateState::Suspended {
            causes: causes.iter().map(|cause| (*cause, Timestamp::UNIX_EPOCH)).collect::<BTreeMap<_, _>>(),
        }
    }

    fn after(state: CertificateState, card: &[CertificateState]) -> Option<(CertificateState, &'static str)> {
        as_its_card(state, card, Stamp::new(Timestamp::UNIX_EPOCH, "clerk", "test"))
    }

    #[test]
    fn a_carrier_follows_its_card_and_keeps_its_own_causes() {
        use SuspensionCause::{Holder, Loss, Primary};
        let good = CertificateState::Good;
        let at = Timestamp::UNIX_EPOCH;
        let reason = RevocationReason::KeyCompromise;
        let revoked = CertificateState::Revoked { reason, at };
        assert_eq!(after(good.clone(), from_ref(&good)), None);
        assert_eq!(after(good.clone(), &[suspended(&[Loss])]), Some((suspended(&[Primary]), "suspend")));
        assert_eq!(after(suspended(&[Primary]), &[suspended(&[Loss, Holder])]), None);
        let both = suspended(&[Holder, Primary]);
        assert_eq!(after(suspended(&[Holder]), &[suspended(&[Loss])]), Some((both.clone(), "suspend")));
        assert_eq!(after(both, from_ref(&good)), Some((suspended(&[Holder]), "resume")));
        assert_eq!(after(suspended(&[Holder]), from_ref(&good)), None);
        assert_eq!(after(good.clone(), from_ref(&revoked)), Some((revoked.clone(), "revoke")));
        assert_eq!(after(suspended(&[Holder]), from_ref(&revoked)), Some((revoked.clone(), "revoke")));
        // Keys of the first period were given up, those of the second hold.
        assert_eq!(after(good.clone(), &[revoked.clone(), good.clone()]), None);
        assert_eq!(after(revoked.clone(), from_ref(&good)), None);
        assert_eq!(after(good.clone(), &[CertificateState::Expired]), None);
        assert_eq!(after(good, &[]), None);
    }
}
