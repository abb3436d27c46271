//! Which cards a recall or an incident concerns, by what they are made of and when and in which batch they were made
//! (RECALL-01, CARD-12). The books of the centre answer: nobody else knows all of it.

use jiff::Timestamp;
use jiff::civil::Time;
use model::validity::TAIPEI;
use model::{CardSerial, RocDate};
use serde::{Deserialize, Serialize};
use store::{AssertSqlSafe, Row, Value, params};

use crate::ProductionError;
use crate::chip_types::{CardMake, ChipTypeEntry, make};
use crate::system::Centre;

/// Every criterion given must hold. Stored form, version 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakeCriteria {
    /// The type of the chip, as the register names it: `NE-0144`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip_type: Option<String>,
    /// The maker of the chip, as the register names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// An applet with its version, as the card was initialised with it: `eid 2.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applet: Option<String>,
    /// An algorithm of its keys: `RSA-2048`, `secp521r1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// The batch: the lot the card came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot: Option<String>,
    /// The first and the last of a range of serial numbers, both included, of one series: one card is a range too (RECALL-15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cards: Option<(CardSerial, CardSerial)>,
    /// Made on this day in Taipei or later. A card is made when its keys are: at its initialisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_from: Option<RocDate>,
    /// Made on this day or before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_to: Option<RocDate>,
}

impl MakeCriteria {
    /// Whether nothing is asked for, which would be every card.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// In words, for people who approve it.
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        for (zh, en, value) in [
            ("晶片型別", "chip type", &self.chip_type),
            ("製造商", "manufacturer", &self.manufacturer),
            ("程式版本", "applet", &self.applet),
            ("演算法", "algorithm", &self.algorithm),
            ("批號", "batch", &self.lot),
        ] {
            parts.extend(value.as_ref().map(|value| format!("{zh} {en} {value}")));
        }
        if let Some((first, last)) = self.cards {
            let range = if first == last { first.to_string() } else { format!("{first}..{last}") };
            parts.push(format!("卡片 cards {range}"));
        }
        for (sign, day) in [("≥", self.made_from), ("≤", self.made_to)] {
            parts.extend(day.map(|day| format!("製造日 made {sign} {}", day.iso())));
        }
        parts.join(", ")
    }
}

impl Centre {
    /// The cards that meet all criteria, in the order of their serials, whatever has become of them.
    pub async fn select_cards(&self, criteria: &MakeCriteria) -> Result<Vec<CardMake>, ProductionError> {
        if criteria.is_empty() {
            return Err(ProductionError::Selection);
        }
        let mut question = Question::default();
        if let Some(name) = &criteria.chip_type {
            question.one_of("card_type", vec![name.clone()]);
        }
        if let Some(maker) = &criteria.manufacturer {
            question.one_of("card_type", self.types_of(maker).await?);
        }
        if let Some(lot) = &criteria.lot {
            question.one_of("card.lot", vec![lot.clone()]);
        }
        if let Some((first, last)) = criteria.cards {
            if first.series() != last.series() || first > last {
                return Err(ProductionError::Selection);
            }
            question.between("card.serial", first, last);
        }
        // What cards were made with is said in a few ways for millions of them: those that mean it are looked for first.
        if let Some(applet) = &criteria.applet {
            let sql = "SELECT DISTINCT applets FROM card WHERE applets IS NOT NULL";
            question.one_of("applets", elements(&self.inner.db.all(sql, params![]).await?, applet)?);
        }
        if let Some(algorithm) = &criteria.algorithm {
            let sql = "SELECT DISTINCT algorithms FROM card WHERE algorithms IS NOT NULL";
            question.one_of("algorithms", elements(&self.inner.db.all(sql, params![]).await?, algorithm)?);
        }
        for (sign, day, time) in [
            (">=", criteria.made_from, Time::midnight()),
            ("<=", criteria.made_to, Time::constant(23, 59, 59, 999_999_999)),
        ] {
            if let Some(day) = day {
                let moment = TAIPEI.to_timestamp(day.date().to_datetime(time));
                question.made(sign, moment.map_err(|_| ProductionError::Selection)?);
            }
        }
        let sql = format!(
            "SELECT serial, state, card_type, applets, algorithms FROM card JOIN lot ON lot.lot = card.lot \
             WHERE {} ORDER BY serial",
            question.conditions.join(" AND ")
        );
        let rows = store::transaction!(self.inner.db, |tx| {
            Ok::<_, ProductionError>(tx.all(AssertSqlSafe(sql.clone()), &question.values).await?)
        })?;
        rows.iter().map(make).collect()
    }

    /// The registered types of a maker.
    async fn types_of(&self, maker: &str) -> Result<Vec<String>, ProductionError> {
        let rows = self.inner.db.all("SELECT entry FROM chip_type", params![]).await?;
        let mut types = Vec::new();
        for row in &rows {
            let entry: ChipTypeEntry = serde_json::from_str(&row.read::<String>("entry")?)
                .map_err(|_| ProductionError::Data("chip type"))?;
            if entry.manufacturer == maker {
                types.push(entry.name);
            }
        }
        Ok(types)
    }
}

#[derive(Default)]
struct Question {
    conditions: Vec<String>,
    values: Vec<Value<'static>>,
}

impl Question {
    /// None of nothing is met.
    fn one_of(&mut self, column: &str, values: Vec<String>) {
        let places: Vec<String> = values
            .into_iter()
            .map(|value| {
                self.values.push(value.into());
                format!("${}", self.values.len())
            })
            .collect();
        let condition = match places.as_slice() {
            [] => "1 = 0".to_owned(),
            places => format!("{column} IN ({})", places.join(", ")),
        };
        self.conditions.push(condition);
    }

    fn between(&mut self, column: &str, first: CardSerial, last: CardSerial) {
        self.values.extend([first, last].map(|serial| Value::from(serial.as_str().to_owned())));
        let last = self.values.len();
        self.conditions.push(format!("{column} BETWEEN ${} AND ${last}", last - 1));
    }

    fn made(&mut self, sign: &str, at: Timestamp) {
        self.values.push(at.into());
        let condition = format!(
            "EXISTS (SELECT 1 FROM card_event made WHERE made.serial = card.serial AND made.to_state = 'initialised' \
             AND made.at {sign} ${})",
            self.values.len()
        );
        self.conditions.push(condition);
    }
}

/// The texts, lists with commas, that have this element.
fn elements(rows: &[Row], element: &str) -> Result<Vec<String>, ProductionError> {
    let mut found = Vec::new();
    for row in rows {
        let text: String = row.read(0)?;
        if text.split(", ").any(|one| one == element) {
            found.push(text);
        }
    }
    Ok(found)
}
