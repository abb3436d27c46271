//! The physical security features of the card (CARDFACE-16): the list to choose from, which of them this card has, and the
//! inspection of a lot against it. The same list is what inspectors are trained with (docs/face-features.md).
//!
//! Features lie in the card body that the manufacturer delivers, so a lot is inspected when it comes in. Virtual cards have no
//! surface; a centre that makes real ones sets [`CentreConfig::inspect_face`](crate::CentreConfig), and then makes no card
//! from a lot whose inspection is not passed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::params;

use crate::ProductionError;
use crate::system::Centre;

/// One feature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceFeature {
    /// Its stable name.
    pub code: String,
    /// Its name in Traditional Chinese.
    pub zh: String,
    /// Its name in English.
    pub en: String,
    /// What an inspector has to find, in Traditional Chinese.
    pub look_zh: String,
    /// What an inspector has to find, in English.
    pub look_en: String,
    /// What it takes to see it; nothing for most.
    pub equipment: Option<String>,
    /// Whether this card has it.
    pub chosen: bool,
}

/// What an inspector found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// There, as it should be.
    Good,
    /// Missing, or not as it should be.
    Faulty,
}

/// The inspector's answers by the code of the feature.
pub type Answers = BTreeMap<String, Finding>;

const TEXT: &str = include_str!("../face-features.json");

static FEATURES: LazyLock<Vec<FaceFeature>> =
    LazyLock::new(|| serde_json::from_str(TEXT).expect("the list is read by a test"));

/// Every feature one can choose from.
pub fn face_features() -> &'static [FaceFeature] {
    &FEATURES
}

/// The chosen features that turned out faulty. An answer that is missing, or about a feature that the card does not have, is an
/// error: what was not looked at has not passed.
fn judge(answers: &Answers) -> Result<Vec<&'static str>, ProductionError> {
    let chosen = || face_features().iter().filter(|feature| feature.chosen);
    if let Some(foreign) = answers.keys().find(|code| !chosen().any(|feature| feature.code == **code)) {
        return Err(ProductionError::Inspection(format!(
            "{foreign}: 本卡無此特徵 not a feature of this card"
        )));
    }
    let open: Vec<_> = chosen().filter(|feature| !answers.contains_key(&feature.code)).collect();
    if !open.is_empty() {
        let names: Vec<_> = open.into_iter().map(|feature| feature.code.as_str()).collect();
        return Err(ProductionError::Inspection(format!("{}: 未檢查 not answered", names.join(", "))));
    }
    Ok(chosen().filter(|f| answers[&f.code] == Finding::Faulty).map(|f| f.code.as_str()).collect())
}

impl Centre {
    /// Records the inspection of a lot's cards. It is passed when every chosen feature was looked at and is good; returns the
    /// faulty ones. A lot once found faulty stays so.
    pub async fn inspect_lot(
        &self,
        lot: &str,
        answers: &Answers,
        inspector: &str,
        now: Timestamp,
    ) -> Result<Vec<&'static str>, ProductionError> {
        let faulty = judge(answers)?;
        store::transaction!(self.inner.db, |tx| {
            let row = tx.optional("SELECT face_fault FROM lot WHERE lot = $1", params![lot]).await?;
            let row =
                row.ok_or_else(|| ProductionError::Inspection(format!("{lot}: 查無此批 no such lot")))?;
            if let Some(fault) = row.read::<Option<String>>("face_fault")? {
                return Err(ProductionError::Inspection(format!(
                    "{lot}: 前次檢查不合格 found faulty before: {fault}"
                )));
            }
            let fault = (!faulty.is_empty()).then(|| faulty.join(", "));
            let passed = faulty.is_empty().then_some(now);
            tx.execute_one(
                "UPDATE lot SET face_fault = $2, face_passed_at = $3 WHERE lot = $1",
                params![lot, fault, passed],
            )
            .await?;
            let event = audit::Event {
                at: now,
                actor: inspector,
                system: "production",
                action: "lot-inspect",
                subject: lot,
                detail: serde_json::json!({ "answers": answers, "passed": faulty.is_empty() }),
            };
            audit::append(tx, &event).await?;
            Ok(())
        })?;
        Ok(faulty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_good() -> Answers {
        let chosen = face_features().iter().filter(|feature| feature.chosen);
        chosen.map(|feature| (feature.code.clone(), Finding::Good)).collect()
    }

    // The catalogue's list: fourteen named features, two further designs, and as the seventeenth that at least two of those
    // on the card need special equipment.
    // proves: CARDFACE-16
    #[test]
    fn the_list_is_the_catalogues() {
        let features = face_features();
        assert_eq!(features.len(), 16);
        let catalogue = include_str!("../../../docs/requirements/CARDFACE.md");
        let row = catalogue.lines().find(|line| line.contains("CARDFACE-16")).expect("the requirement");
        for feature in &features[..14] {
            let name = feature.zh.split('（').next().unwrap_or_default();
            assert!(row.contains(name), "{name}");
        }
        let special = features.iter().filter(|f| f.chosen && f.equipment.is_some()).count();
        assert!(special >= 2, "{special} features need equipment");
        let mut codes: Vec<_> = features.iter().map(|feature| &feature.code).collect();
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), features.len());
    }

    // proves: CARDFACE-16
    #[test]
    fn what_was_not_looked_at_has_not_passed() {
        assert_eq!(judge(&all_good()).expect("complete"), Vec::<&str>::new());
        for feature in face_features() {
            let mut answers = all_good();
            if feature.chosen {
                answers.remove(&feature.code);
                let open = judge(&answers).expect_err("an answer is missing");
                assert!(open.to_string().contains(&feature.code), "{open}");
                answers.insert(feature.code.clone(), Finding::Faulty);
                assert_eq!(judge(&answers).expect("complete"), [feature.code.as_str()]);
            } else {
                answers.insert(feature.code.clone(), Finding::Good);
                assert!(judge(&answers).is_err(), "{}", feature.code);
            }
        }
        assert!(judge(&Answers::new()).is_err());
    }

    // Inspectors are trained with the page; it says what the list says.
    #[test]
    fn the_page_for_people_has_every_feature() {
        let page = include_str!("../../../docs/face-features.md");
        for feature in face_features() {
            let equipment = feature.equipment.as_deref().unwrap_or("—");
            let chosen = if feature.chosen { "✓" } else { "" };
            let row = format!(
                "| {chosen} | `{}` | {} {} | {} {} | {equipment} |",
                feature.code, feature.zh, feature.en, feature.look_zh, feature.look_en
            );
            assert!(page.contains(&row), "docs/face-features.md lacks\n{row}");
        }
    }
}
