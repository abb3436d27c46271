//! Setting PIN1 and PIN2 on a card, as the terminal that holds the PIN-management keys.

use apdu::CardChannel;
use curve::SecretBytes;
use jiff::Timestamp;
use model::{CardSerial, CardState, Pin1, Pin2, UserCode};
use serde_json::json;
use store::params;
use terminal::perso::{PIN_MANAGEMENT_KEY_VERSION, PersoError, PinReference, Session};

use crate::books::{card_now, log, stamp};
use crate::service::Mgmt;
use crate::{MgmtError, Refusal};

impl Mgmt {
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
        let keys = self.keys.pin_management(serial)?;
        let pin1 = SecretBytes::from(pin1.expose().as_bytes().to_vec());
        let pin2 = pin2.map(|pin2| SecretBytes::from(pin2.expose().as_bytes().to_vec()));
        let mut random = self.random();
        let channel = tokio::task::spawn_blocking(move || {
            // The keys are those of one card: another card fails here.
            let mut session =
                Session::open(channel, PIN_MANAGEMENT_KEY_VERSION, &keys, &mut random).map_err(other_card)?;
            if session.status().map_err(card_error)?.serial.as_deref() != Some(serial.as_str()) {
                return Err(Refusal::OtherCard.into());
            }
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

fn card_error(error: PersoError) -> MgmtError {
    MgmtError::Card(error.to_string())
}

fn other_card(error: PersoError) -> MgmtError {
    match error {
        PersoError::SecureChannel(_) | PersoError::Refused { .. } => Refusal::OtherCard.into(),
        other => card_error(other),
    }
}
