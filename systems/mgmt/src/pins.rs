//! Setting PIN1 and PIN2 on a card, as the terminal with the right to manage PINs: PACE with the access number, Terminal
//! Authentication, Chip Authentication (ADR 12).

use std::sync::Arc;

use apdu::CardChannel;
use curve::SecretBytes;
use eac::Password;
use eac::auxiliary_data::AuxiliaryData;
use eac::cvc::{Rights, UpdateRights};
use jiff::Timestamp;
use model::{CardSerial, CardState, Pin1, Pin2, UserCode};
use sealed::SharedRandom;
use serde_json::json;
use store::params;
use terminal::eid::{Document, EidError, Grant, Session, TerminalIdentity};
use terminal::perso::PinReference;
use terminal::{ReadReport, TrustStore};

use crate::books::{CardEntry, card_now, log, stamp};
use crate::service::Mgmt;
use crate::{MgmtError, Refusal};

/// What opens a session with one card.
pub(crate) struct Opening {
    identity: TerminalIdentity,
    trust: Arc<TrustStore>,
    grant: Grant,
    serial: CardSerial,
    chip_key: Vec<u8>,
    now: Timestamp,
    random: SharedRandom,
}

impl Opening {
    /// Opens the session; the card must be the one meant: its access number and its chip's key say so. With a reading of a
    /// public zone that zone must be this card's too.
    pub(crate) fn open<C: CardChannel>(
        &mut self,
        channel: C,
        public_zone: Option<&ReadReport>,
    ) -> Result<Session<C>, MgmtError> {
        let can = Password::can(self.serial.can().as_str());
        let session = Session::open(
            channel,
            &can,
            public_zone.map(|report| Document { password: &can, fresh_pin1: false, report }),
            &self.identity,
            self.grant,
            &AuxiliaryData::new(),
            &self.trust,
            self.now,
            &mut self.random,
        )
        .map_err(|error| match error.refusal {
            terminal::Refusal::WrongPassword | terminal::Refusal::AnotherChip => Refusal::OtherCard.into(),
            _ => card_error(error),
        })?;
        if curve::spki_from_point(session.chip_key()) == self.chip_key {
            Ok(session)
        } else {
            Err(Refusal::OtherCard.into())
        }
    }
}

impl Mgmt {
    /// Prepares a session with a card as the terminal of the offices.
    pub(crate) async fn opening(
        &self,
        entry: &CardEntry,
        rights: Rights,
        updates: UpdateRights,
        trust: Arc<TrustStore>,
        now: Timestamp,
    ) -> Result<Opening, MgmtError> {
        Ok(Opening {
            identity: self.terminal.identity(now).await?,
            trust,
            grant: Grant { rights: rights | Rights::CAN_ALLOWED, updates },
            serial: entry.serial,
            chip_key: entry.chip_key.clone().ok_or(MgmtError::Data("the chip's key"))?,
            now,
            random: self.random(),
        })
    }

    /// Sets the PINs of a card in a reader: the first ones, or new ones for forgotten or blocked ones (CARD-51). The user
    /// code must be right and no longer the default one. A card with certificates gets both PINs, one without only PIN1.
    pub async fn set_pins<C: CardChannel + Send + 'static>(
        &self,
        serial: CardSerial,
        code: &UserCode,
        pin1: &Pin1,
        pin2: Option<&Pin2>,
        channel: C,
        now: Timestamp,
    ) -> Result<C, MgmtError> {
        let entry = card_now(&self.db, serial).await?;
        if entry.state() != CardState::Active {
            return Err(Refusal::WrongState.into());
        }
        match (entry.certificate, pin2) {
            (true, None) => return Err(Refusal::Pin2Missing.into()),
            (false, Some(_)) => return Err(Refusal::CertificateZoneClosed.into()),
            _ => {}
        }
        // CARD-36: their lengths keep them apart; should a policy change the lengths, this still does.
        if pin2.is_some_and(|pin2| pin2.expose() == pin1.expose()) {
            return Err(Refusal::PinsEqual.into());
        }
        self.own_user_code(serial, code, now).await?;
        let trust = Arc::new(self.trust(now).await?);
        let mut opening =
            self.opening(&entry, Rights::PIN_MANAGEMENT, UpdateRights::NONE, trust, now).await?;
        let pin1 = SecretBytes::from(pin1.expose().as_bytes().to_vec());
        let pin2 = pin2.map(|pin2| SecretBytes::from(pin2.expose().as_bytes().to_vec()));
        let channel = tokio::task::spawn_blocking(move || {
            let mut session = opening.open(channel, None)?;
            session.set_pin(PinReference::Pin1, &pin1).map_err(card_error)?;
            if let Some(pin2) = &pin2 {
                session.set_pin(PinReference::Pin2, pin2).map_err(card_error)?;
            }
            Ok::<_, MgmtError>(session.into_channel())
        })
        .await
        .map_err(|_| MgmtError::Card("worker".into()))??;
        store::transaction!(self.db, |tx| {
            tx.execute_one(
                "UPDATE card SET pins_set_at = $2 WHERE serial = $1",
                params![serial.as_str(), now],
            )
            .await?;
            let detail = json!({ "pin2": entry.certificate });
            log(tx, &stamp(now, "holder"), "pins-set", serial.as_str(), detail).await
        })?;
        Ok(channel)
    }
}

pub(crate) fn card_error(error: EidError) -> MgmtError {
    MgmtError::Card(error.to_string())
}
