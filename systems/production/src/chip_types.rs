//! The chip-type register (CARD-13): what kinds of chips the centre may buy and make cards on, who vouches for them, and how
//! they are judged at the moment. Recall and decisions about keys select cards by what stands here.
//!
//! The facts that the chip itself tells (answers to reset, algorithms) come from the chip's profiles, so that the register
//! cannot say something else; makers, versions and certificates are entered. A type is judged 正常, 觀察 or 停用. One person
//! proposes another judgement, a second one approves it; from then on a type that is 停用 is neither received, initialised,
//! paired nor personalised.

use std::collections::BTreeMap;

use chip::{ChipType, Interface, Profile};
use jiff::Timestamp;
use model::{CardSerial, CardState, ChipRisk};
use serde::{Deserialize, Serialize};
use store::{Row, Tx, params};

use crate::ProductionError;
use crate::books;
use crate::system::Centre;

/// What is entered of a type. Stored form, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChipTypeEntry {
    /// Its name, `NE-0144`: maker and type as the chip's production data have them.
    pub name: String,
    /// The maker.
    pub manufacturer: String,
    /// The maker's name and version of the chip.
    pub chip: String,
    /// The operating system and its version.
    pub operating_system: String,
    /// The applets.
    pub applets: Vec<Applet>,
    /// The certificates by which the type was admitted (CARD-09).
    pub certificates: Vec<Certification>,
    /// Whether operating system and applets can be changed on cards already issued (OPEN-13). A type whose software lies in ROM is
    /// not; where the entry does not say, neither.
    #[serde(default)]
    pub patchable: bool,
    /// What no program can find out. None in an entry from before the register asked.
    #[serde(default)]
    pub hardware: Option<Hardware>,
}

/// What the supplier has shown of card body, interface and memory: the hardware requirements as values of a product record
/// (CARD-01, CARD-04, CARD-11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// The material of every layer of the body, `PC`.
    pub body: String,
    /// The service life in years.
    pub service_years: u8,
    /// The type of the contactless interface by ISO/IEC 14443-2, `A` or `B`.
    pub contactless: String,
    /// Its bit rates in kbit/s.
    pub bit_rates: Vec<u16>,
    /// How many writes a cell of its memory bears.
    pub endurance: u32,
}

/// An applet with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applet {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A Common Criteria certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certification {
    /// Of which part.
    pub part: CertifiedPart,
    /// The assurance level, `EAL5+`.
    pub level: String,
    /// The number of the certificate.
    pub reference: String,
    /// The protection profiles it is about.
    pub profiles: Vec<String>,
}

/// What a certificate is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertifiedPart {
    /// The chip as hardware.
    Chip,
    /// The operating system.
    OperatingSystem,
    /// The applets.
    Applets,
}

/// A registered type with everything known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegisteredChip {
    /// What was entered.
    #[serde(flatten)]
    pub entry: ChipTypeEntry,
    /// The answer to reset on contacts, hexadecimal.
    pub atr: String,
    /// The answer to select of the contactless side as a PC/SC reader shows it, hexadecimal.
    pub ats: String,
    /// Key algorithms, by profile.
    pub algorithms: Vec<String>,
    /// The profiles made on it.
    pub profiles: Vec<String>,
    /// How it is judged.
    pub risk: ChipRisk,
    /// Why, where it is not 正常.
    pub reason: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// A change of judgement that waits for its second person, or that was approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RiskProposal {
    /// Its number.
    pub number: u64,
    /// Which type.
    pub name: String,
    /// The judgement proposed.
    pub risk: ChipRisk,
    /// Why.
    pub reason: String,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    pub proposed_at: Timestamp,
    /// Who approved it, once somebody has.
    pub approved_by: Option<String>,
}

impl RiskProposal {
    /// Whether nobody approved it in time: it is proposed again, or forgotten.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        self.approved_by.is_none() && now >= self.proposed_at + LAPSES
    }
}

/// What a single card is made of (CARD-12).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CardMake {
    /// The card.
    pub serial: CardSerial,
    /// Its state in the centre's books.
    pub state: CardState,
    /// The type of its chip.
    pub chip_type: String,
    /// Its applets with their versions; none before it is initialised.
    pub applets: Option<String>,
    /// The algorithms of its keys; none before it is initialised.
    pub algorithms: Option<String>,
}

/// The name of the type that cards of this profile are made on, as lots and the register have it.
pub fn chip_type_of(profile: model::CardProfile) -> Result<String, ProductionError> {
    Ok(chip_profile(profile.as_str())?.chip.name())
}

/// The type with this name, among those that have a profile.
pub(crate) fn by_name(name: &str) -> Option<ChipType> {
    Profile::built_in().iter().map(|profile| profile.chip).find(|chip| chip.name() == name)
}

/// The types the register begins with.
const FIRST: &str = include_str!("../chip-types.json");

/// How long a proposal waits.
pub(crate) const LAPSES: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);

impl ChipTypeEntry {
    /// Whether the entry may stand in the register: the type has a chip profile, everything is filled in, and the
    /// certificates reach what CARD-09 asks for.
    fn check(&self) -> Result<(), ProductionError> {
        let refused = |why| Err(ProductionError::ChipTypeRefused(why));
        if by_name(&self.name).is_none() {
            return Err(ProductionError::ChipTypeUnknown);
        }
        let named = [&self.manufacturer, &self.chip, &self.operating_system];
        if named.into_iter().any(|text| text.trim().is_empty()) {
            return refused("maker, chip and operating system are named");
        }
        let applet = |applet: &Applet| !applet.name.is_empty() && !applet.version.is_empty();
        if self.applets.is_empty() || !self.applets.iter().all(applet) {
            return refused("every applet has a version");
        }
        self.hardware
            .as_ref()
            .map_or_else(|| refused("body, interface and memory are entered"), Hardware::check)?;
        // CARD-09: the chip EAL5+ or higher, operating system and applets EAL4+ or higher, each with its number.
        for (part, least) in
            [(CertifiedPart::Chip, 5), (CertifiedPart::OperatingSystem, 4), (CertifiedPart::Applets, 4)]
        {
            let good = |c: &&Certification| c.part == part && !c.reference.trim().is_empty();
            let level = |c: &Certification| {
                let level = c.level.strip_prefix("EAL")?.strip_suffix('+')?;
                level.parse::<u8>().ok().filter(|level| *level <= 7)
            };
            let best = self.certificates.iter().filter(good).filter_map(level).max();
            if best.is_none_or(|best| best < least) {
                return refused(
                    "certificates: chip EAL5+, operating system and applets EAL4+, each with its number",
                );
            }
        }
        Ok(())
    }

    /// The applets in one line, as a card's record keeps them.
    pub fn applet_versions(&self) -> String {
        let list: Vec<_> = self.applets.iter().map(|a| format!("{} {}", a.name, a.version)).collect();
        list.join(", ")
    }
}

impl Hardware {
    fn check(&self) -> Result<(), ProductionError> {
        let refused = |why| Err(ProductionError::ChipTypeRefused(why));
        // CARD-01: all layers are polycarbonate.
        if self.body != "PC" || self.service_years < 10 {
            return refused("a body of polycarbonate (PC) in all layers, ten years of service");
        }
        // CARD-04.
        if !["A", "B"].contains(&self.contactless.as_str())
            || ![106, 212, 424].iter().all(|rate| self.bit_rates.contains(rate))
        {
            return refused("contactless type A or B with 106, 212 and 424 kbit/s");
        }
        // CARD-11.
        if self.endurance < 100_000 {
            return refused("memory that bears 100,000 writes");
        }
        Ok(())
    }
}

impl Centre {
    /// Enters the types the register begins with, where they are missing.
    pub(crate) async fn establish_chip_types(&self) -> Result<(), ProductionError> {
        let first: Vec<ChipTypeEntry> =
            serde_json::from_str(FIRST).map_err(|_| ProductionError::Data("chip-types.json"))?;
        for entry in first {
            let sql = "SELECT name FROM chip_type WHERE name = $1";
            if self.inner.db.optional(sql, params![&entry.name]).await?.is_none() {
                self.register_chip_type(&entry, "production", Timestamp::UNIX_EPOCH).await?;
            }
        }
        Ok(())
    }

    /// Enters a type, or its new versions and certificates. How it is judged stays as it is; a new one is 正常.
    pub async fn register_chip_type(
        &self,
        entry: &ChipTypeEntry,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), ProductionError> {
        entry.check()?;
        let stored = serde_json::to_string(entry).map_err(|_| ProductionError::Data("chip type"))?;
        store::transaction!(self.inner.db, |tx| {
            tx.execute_one(
                "INSERT INTO chip_type (name, entry, risk, since) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (name) DO UPDATE SET entry = EXCLUDED.entry",
                params![&entry.name, &stored, ChipRisk::Normal.as_str(), now],
            )
            .await?;
            let detail = serde_json::json!({ "entry": entry });
            log(tx, now, actor, "chip-type-register", &entry.name, detail).await
        })
    }

    /// Every registered type, by name.
    pub async fn chip_types(&self) -> Result<Vec<RegisteredChip>, ProductionError> {
        let sql = "SELECT name, entry, risk, reason, since FROM chip_type ORDER BY name";
        self.inner.db.all(sql, params![]).await?.iter().map(registered).collect()
    }

    /// The types whose software can be changed on cards already issued, by name (OPEN-13).
    pub async fn patchable_chip_types(&self) -> Result<Vec<String>, ProductionError> {
        let rows = self.inner.db.all("SELECT entry FROM chip_type ORDER BY name", params![]).await?;
        let entries = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        Ok(entries.into_iter().filter(|entry| entry.patchable).map(|entry| entry.name).collect())
    }

    /// The names of the types that are 停用.
    pub async fn stopped_chip_types(&self) -> Result<Vec<String>, ProductionError> {
        let sql = "SELECT name FROM chip_type WHERE risk = $1 ORDER BY name";
        let rows = self.inner.db.all(sql, params![ChipRisk::Stopped.as_str()]).await?;
        rows.iter().map(|row| Ok(row.read("name")?)).collect()
    }

    /// How many cards of each type are in the centre's books and not destroyed. Reads all of them: for a report, not for a page.
    pub async fn cards_by_type(&self) -> Result<BTreeMap<String, u64>, ProductionError> {
        let sql = "SELECT card_type, count(*) AS cards FROM card JOIN lot ON lot.lot = card.lot \
            WHERE card.state <> 'destroyed' GROUP BY card_type";
        let rows = self.inner.db.all(sql, params![]).await?;
        rows.iter().map(|row| Ok((row.read("card_type")?, row.read("cards")?))).collect()
    }

    /// The cards whose chip is of a type: what a recall begins with.
    pub async fn cards_of_type(&self, name: &str) -> Result<Vec<CardMake>, ProductionError> {
        let sql = "SELECT serial, state, card_type, applets, algorithms FROM card JOIN lot ON lot.lot = card.lot \
            WHERE card_type = $1 ORDER BY serial";
        self.inner.db.all(sql, params![name]).await?.iter().map(make).collect()
    }

    /// What one card is made of.
    pub async fn card_make(&self, serial: CardSerial) -> Result<CardMake, ProductionError> {
        let sql = "SELECT serial, state, card_type, applets, algorithms FROM card JOIN lot ON lot.lot = card.lot \
            WHERE serial = $1";
        let row = self.inner.db.optional(sql, params![serial.as_str()]).await?;
        make(&row.ok_or(ProductionError::CardUnknown)?)
    }

    /// Proposes to judge a type otherwise. Nothing happens until another person approves it.
    pub async fn propose_chip_risk(
        &self,
        name: &str,
        risk: ChipRisk,
        reason: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<RiskProposal, ProductionError> {
        if reason.trim().is_empty() || actor.trim().is_empty() {
            return Err(ProductionError::DualControl("a proposal has a reason and a person"));
        }
        store::transaction!(self.inner.db, |tx| {
            let known = tx.optional("SELECT risk FROM chip_type WHERE name = $1", params![name]).await?;
            let present = known.ok_or(ProductionError::ChipTypeUnknown)?.read::<String>("risk")?;
            if present == risk.as_str() {
                return Err(ProductionError::DualControl("the type is judged so already"));
            }
            let sql = "SELECT COALESCE(MAX(number), 0) FROM chip_risk_proposal";
            let number = tx.one(sql, params![]).await?.read::<i64>(0)? + 1;
            tx.execute_one(
                "INSERT INTO chip_risk_proposal (number, name, risk, reason, proposed_by, proposed_at) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
                params![number, name, risk.as_str(), reason, actor, now],
            )
            .await?;
            let detail =
                serde_json::json!({ "number": number, "from": present, "to": risk, "reason": reason });
            log(tx, now, actor, "chip-risk-propose", name, detail).await?;
            Ok(RiskProposal {
                number: number.unsigned_abs(),
                name: name.to_owned(),
                risk,
                reason: reason.to_owned(),
                proposed_by: actor.to_owned(),
                proposed_at: now,
                approved_by: None,
            })
        })
    }

    /// Approves another person's proposal, with which the judgement holds.
    pub async fn approve_chip_risk(
        &self,
        number: u64,
        actor: &str,
        now: Timestamp,
    ) -> Result<RiskProposal, ProductionError> {
        let unknown = ProductionError::DualControl("there is no such proposal");
        let row = i64::try_from(number).map_err(|_| unknown)?;
        store::transaction!(self.inner.db, |tx| {
            let sql = "SELECT number, name, risk, reason, proposed_by, proposed_at, approved_by \
                FROM chip_risk_proposal WHERE number = $1";
            let found = tx.optional(sql, params![row]).await?;
            let mut proposal =
                proposal(&found.ok_or(ProductionError::DualControl("there is no such proposal"))?)?;
            if proposal.proposed_by == actor || actor.trim().is_empty() {
                return Err(ProductionError::DualControl("whoever proposes does not approve"));
            }
            if proposal.approved_by.is_some() {
                return Err(ProductionError::DualControl("it is approved already"));
            }
            if proposal.lapsed(now) {
                return Err(ProductionError::DualControl("the proposal has lapsed"));
            }
            tx.execute_one(
                "UPDATE chip_risk_proposal SET approved_by = $2, approved_at = $3 \
                 WHERE number = $1 AND approved_by IS NULL",
                params![row, actor, now],
            )
            .await?;
            tx.execute_one(
                "UPDATE chip_type SET risk = $2, reason = $3, since = $4 WHERE name = $1",
                params![&proposal.name, proposal.risk.as_str(), &proposal.reason, now],
            )
            .await?;
            let detail = serde_json::json!({
                "number": row, "to": proposal.risk, "reason": &proposal.reason, "proposed_by": &proposal.proposed_by,
            });
            log(tx, now, actor, "chip-risk-approve", &proposal.name, detail).await?;
            proposal.approved_by = Some(actor.to_owned());
            Ok(proposal)
        })
    }

    /// The proposals, newest first.
    pub async fn chip_risk_proposals(&self) -> Result<Vec<RiskProposal>, ProductionError> {
        let sql = "SELECT number, name, risk, reason, proposed_by, proposed_at, approved_by \
            FROM chip_risk_proposal ORDER BY number DESC LIMIT 100";
        self.inner.db.all(sql, params![]).await?.iter().map(proposal).collect()
    }

    /// Whether a type may be used; an error names what it is instead.
    pub(crate) async fn usable_chip_type(&self, name: &str) -> Result<ChipTypeEntry, ProductionError> {
        let sql = "SELECT entry, risk FROM chip_type WHERE name = $1";
        let row = self.inner.db.optional(sql, params![name]).await?;
        let row = row.ok_or(ProductionError::ChipTypeUnknown)?;
        if row.read::<String>("risk")? == ChipRisk::Stopped.as_str() {
            return Err(ProductionError::ChipTypeStopped);
        }
        entry(&row)
    }

    /// The type of a card's chip.
    pub(crate) async fn chip_type_of_card(&self, serial: CardSerial) -> Result<String, ProductionError> {
        Ok(self.card_make(serial).await?.chip_type)
    }
}

/// What is noted on a card when it is initialised: its applets, and the algorithms of its keys.
pub(crate) fn made_of(entry: &ChipTypeEntry, profile: &str) -> Result<(String, String), ProductionError> {
    Ok((entry.applet_versions(), algorithms(chip_profile(profile)?)))
}

fn chip_profile(name: &str) -> Result<&'static Profile, ProductionError> {
    Profile::given(name).ok_or(ProductionError::Data("profile without a chip type"))
}

/// The algorithms of the keys that a chip makes under this profile.
fn algorithms(profile: &Profile) -> String {
    let hash = profile.active_authentication.name().replace('-', "");
    format!("{}, RSA-{}, ecdsa-plain-{hash}", profile.curve.name(), profile.rsa_bits)
}

fn registered(row: &Row) -> Result<RegisteredChip, ProductionError> {
    let entry = entry(row)?;
    let chip = by_name(&entry.name).ok_or(ProductionError::Data("chip type without a profile"))?;
    let profiles: Vec<_> = Profile::built_in().iter().filter(|profile| profile.chip == chip).collect();
    let hex = |interface| chip.atr(interface).iter().map(|byte| format!("{byte:02X}")).collect();
    Ok(RegisteredChip {
        atr: hex(Interface::Contact),
        ats: hex(Interface::Contactless),
        algorithms: profiles.iter().map(|p| format!("{}: {}", p.name, algorithms(p))).collect(),
        profiles: profiles.iter().map(|profile| profile.name.clone()).collect(),
        risk: row.read::<String>("risk")?.parse()?,
        reason: row.read("reason")?,
        since: row.read("since")?,
        entry,
    })
}

fn entry(row: &Row) -> Result<ChipTypeEntry, ProductionError> {
    serde_json::from_str(&row.read::<String>("entry")?).map_err(|_| ProductionError::Data("chip type"))
}

pub(crate) fn make(row: &Row) -> Result<CardMake, ProductionError> {
    Ok(CardMake {
        serial: books::serial(row)?,
        state: row.read::<String>("state")?.parse()?,
        chip_type: row.read("card_type")?,
        applets: row.read("applets")?,
        algorithms: row.read("algorithms")?,
    })
}

fn proposal(row: &Row) -> Result<RiskProposal, ProductionError> {
    Ok(RiskProposal {
        number: row.read("number")?,
        name: row.read("name")?,
        risk: row.read::<String>("risk")?.parse()?,
        reason: row.read("reason")?,
        proposed_by: row.read("proposed_by")?,
        proposed_at: row.read("proposed_at")?,
        approved_by: row.read("approved_by")?,
    })
}

pub(crate) async fn log(
    tx: &mut Tx,
    at: Timestamp,
    actor: &str,
    action: &str,
    subject: &str,
    detail: serde_json::Value,
) -> Result<(), ProductionError> {
    let event = audit::Event { at, actor, system: "production", action, subject, detail };
    audit::append(tx, &event).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first() -> Vec<ChipTypeEntry> {
        serde_json::from_str(FIRST).expect("reads")
    }

    // proves: CARD-09, OPEN-51
    #[test]
    fn a_type_without_its_certificates_is_refused() {
        for entry in first() {
            entry.check().expect("complete");
            type Change<'a> = &'a dyn Fn(&mut ChipTypeEntry);
            let changes: [Change; 9] = [
                &|e| e.certificates.retain(|c| c.part != CertifiedPart::Chip),
                &|e| e.certificates.retain(|c| c.part != CertifiedPart::OperatingSystem),
                &|e| e.certificates.retain(|c| c.part != CertifiedPart::Applets),
                &|e| e.certificates[0].level = "EAL4+".into(),
                &|e| e.certificates[1].level = "EAL3+".into(),
                &|e| e.certificates[2].level = "high".into(),
                &|e| e.certificates[0].reference = " ".into(),
                &|e| e.applets[0].version = String::new(),
                &|e| e.manufacturer = String::new(),
            ];
            for (number, change) in changes.into_iter().enumerate() {
                let mut changed = entry.clone();
                change(&mut changed);
                assert!(
                    matches!(changed.check(), Err(ProductionError::ChipTypeRefused(_))),
                    "change {number}"
                );
            }
            let unknown = ChipTypeEntry { name: "XX-0000".into(), ..entry };
            assert!(matches!(unknown.check(), Err(ProductionError::ChipTypeUnknown)));
        }
    }

    // The catalogue's hardware requirements as values: what falls short of one of them is not entered.
    #[test]
    fn a_type_whose_body_interface_or_memory_falls_short_is_refused() {
        for entry in first() {
            type Change<'a> = &'a dyn Fn(&mut Hardware);
            let changes: [Change; 6] = [
                &|h| h.body = "PVC".into(),
                &|h| h.service_years = 9,
                &|h| h.contactless = "C".into(),
                &|h| h.bit_rates.retain(|rate| *rate != 424),
                &|h| h.bit_rates.clear(),
                &|h| h.endurance = 99_999,
            ];
            for (number, change) in changes.into_iter().enumerate() {
                let mut changed = entry.clone();
                change(changed.hardware.as_mut().expect("entered"));
                let refused = changed.check();
                assert!(matches!(refused, Err(ProductionError::ChipTypeRefused(_))), "change {number}");
            }
            let silent = ChipTypeEntry { hardware: None, ..entry };
            assert!(matches!(silent.check(), Err(ProductionError::ChipTypeRefused(_))));
        }
    }

    // An entry from before the register asked says nothing of it.
    #[test]
    fn a_type_is_patchable_only_where_its_entry_says_so() {
        let silent = serde_json::to_value(&first()[1]).map(|mut entry| {
            entry.as_object_mut().and_then(|entry| entry.remove("patchable")).expect("it stands there");
            entry
        });
        let silent: ChipTypeEntry = serde_json::from_value(silent.expect("writes")).expect("reads");
        assert!(!silent.patchable && first()[1].patchable);
        // CARD-10: what citizens get has its software in ROM.
        assert!(!first()[0].patchable);
    }

    // A profile whose chip is not in the register could never be made.
    #[test]
    fn every_profile_has_a_registered_type() {
        let names: Vec<_> = first().into_iter().map(|entry| entry.name).collect();
        for profile in model::CardProfile::ALL {
            assert!(names.contains(&chip_type_of(*profile).expect("a type")), "{profile}");
        }
    }
}
