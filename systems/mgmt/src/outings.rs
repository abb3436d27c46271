//! Outings (行動化更新, UPDATE-11): an office brings devices and readers to an announced place at an announced time and updates chips there,
//! after the papers were checked as at its counter. For changes that come to a whole place at once: of administrative areas, of house
//! numbers, of the status of a county or city.
//!
//! A request made on an outing names it and the device, and is signed so by the clerk; it counts there and then alone.

use jiff::Timestamp;
use model::{CardSerial, OfficeCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Row, params};

use crate::books::{from_json, log, parse, stamp, to_json};
use crate::service::Mgmt;
use crate::update_request::{Applicant, Document, Occasion, UpdateRequest};
use crate::{MgmtError, Refusal};

/// What an office announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOuting {
    /// The office.
    pub office: OfficeCode,
    /// Where, in words that people find it by.
    pub place: String,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// The devices that are taken along, by the names under which the office keeps them.
    pub devices: Vec<String>,
}

/// An outing that was announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outing {
    /// Its number.
    pub number: u64,
    /// What was announced.
    pub announced: NewOuting,
    /// By which clerk.
    pub clerk: String,
    /// When.
    pub at: Timestamp,
    /// How many updates were written to chips on it.
    pub updates: u64,
}

/// Where a request was made, if not at the counter of the office.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnOuting {
    /// The number of the outing.
    pub outing: u64,
    /// The device.
    pub device: String,
}

impl Mgmt {
    /// Announces an outing of a clerk's own office: before it begins, with a place, an end and at least one device.
    pub async fn announce_outing(
        &self,
        outing: NewOuting,
        clerk: &str,
        now: Timestamp,
    ) -> Result<Outing, MgmtError> {
        if self.clerk(clerk).await?.office != outing.office {
            return Err(Refusal::OutingElsewhere.into());
        }
        let NewOuting { place, devices, .. } = &outing;
        let named = !place.trim().is_empty() && !place.contains(char::is_control);
        let taken = !devices.is_empty() && devices.iter().all(|device| !device.trim().is_empty());
        if !named || !taken || outing.from <= now || outing.until <= outing.from {
            return Err(Refusal::OutingIncomplete.into());
        }
        let number = store::transaction!(self.db, |tx| {
            let row = tx.one("SELECT COALESCE(MAX(number), 0) FROM outing", params![]).await?;
            let number = row.read::<i64>(0)? + 1;
            tx.execute_one(
                "INSERT INTO outing (number, office, place, begins, ends, devices, clerk, at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                params![
                    number,
                    outing.office.as_str(),
                    outing.place.trim(),
                    outing.from,
                    outing.until,
                    to_json(&outing.devices)?,
                    clerk,
                    now
                ],
            )
            .await?;
            let detail = json!({
                "office": outing.office, "place": outing.place.trim(), "from": outing.from.to_string(),
                "until": outing.until.to_string(), "devices": &outing.devices,
            });
            log(tx, &stamp(now, clerk), "outing", &format!("outing-{number}"), detail).await?;
            Ok::<_, MgmtError>(number)
        })?;
        self.outing(number.unsigned_abs()).await
    }

    /// The outings that have not ended at this time, or all: those that begin last first, at most `limit`, behind the outing with
    /// the number `after`.
    pub async fn outings(
        &self,
        open_at: Option<Timestamp>,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Outing>, MgmtError> {
        let open_at = open_at.unwrap_or(Timestamp::UNIX_EPOCH);
        let (begins, number) = match after {
            Some(after) => (self.outing(after).await?.announced.from, after as i64),
            None => (Timestamp::MAX, i64::MAX),
        };
        let sql = "SELECT number, office, place, begins, ends, devices, clerk, at, (SELECT count(*) FROM card_update \
            JOIN update_request ON update_request.request = card_update.request \
            WHERE update_request.outing = outing.number AND result = 'written') AS updates \
            FROM outing WHERE ends > $1 AND (begins < $2 OR (begins = $2 AND number < $3)) \
            ORDER BY begins DESC, number DESC LIMIT $4";
        self.db.all(sql, params![open_at, begins, number, limit]).await?.iter().map(outing).collect()
    }

    async fn outing(&self, number: u64) -> Result<Outing, MgmtError> {
        let number = i64::try_from(number).map_err(|_| Refusal::OutingElsewhere)?;
        let sql = "SELECT number, office, place, begins, ends, devices, clerk, at, (SELECT count(*) FROM card_update \
            JOIN update_request ON update_request.request = card_update.request \
            WHERE update_request.outing = outing.number AND result = 'written') AS updates \
            FROM outing WHERE number = $1";
        outing(&self.db.optional(sql, params![number]).await?.ok_or(Refusal::OutingElsewhere)?)
    }

    /// As [`Mgmt::request_update`], on an outing that goes on at this moment.
    #[allow(clippy::too_many_arguments, reason = "a request is all of this")]
    pub async fn request_update_on_outing(
        &self,
        card: CardSerial,
        account: &str,
        occasion: Occasion,
        applicant: Applicant,
        documents: &[Document],
        on: OnOuting,
        now: Timestamp,
    ) -> Result<UpdateRequest, MgmtError> {
        let mut request = self.request_update(card, account, occasion, applicant, documents, now).await?;
        request.on = Some(on);
        self.check_outing(&request, now).await?;
        Ok(request)
    }

    /// Whether a request that names an outing was made on it and is carried out on it.
    pub(crate) async fn check_outing(
        &self,
        request: &UpdateRequest,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let Some(on) = &request.on else { return Ok(()) };
        let NewOuting { office, from, until, devices, .. } = self.outing(on.outing).await?.announced;
        let during = |at: Timestamp| from <= at && at <= until;
        let there = request.office == office && during(request.at) && during(now);
        let for_places =
            matches!(request.occasion, Occasion::Area | Occasion::Renumbering | Occasion::CountyStatus);
        if there && for_places && devices.contains(&on.device) {
            Ok(())
        } else {
            Err(Refusal::OutingElsewhere.into())
        }
    }
}

fn outing(row: &Row) -> Result<Outing, MgmtError> {
    Ok(Outing {
        number: row.read("number")?,
        announced: NewOuting {
            office: parse(row, "office")?,
            place: row.read("place")?,
            from: row.read("begins")?,
            until: row.read("ends")?,
            devices: from_json(&row.read::<String>("devices")?)?,
        },
        clerk: row.read("clerk")?,
        at: row.read("at")?,
        updates: row.read("updates")?,
    })
}
