//! What other programs may ask of the books: lists of cases and cards, counts, histories.

use jiff::Timestamp;
use model::{
    ApplicationState, CardProfile, CardSerial, CardState, CaseNo, KeySlot, OfficeCode, RevocationReason,
    RocDate,
};
use serde::Serialize;
use store::params;

use crate::books::{card_now, case_now, parse, parse_optional};
use crate::service::Mgmt;
use crate::vault::{APPLICANT, HOLDER, RowKey, StoredApplicant, StoredHolder};
use crate::{MgmtError, Refusal};

/// A card as lists show it. Holds the holder's name: personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct CardSummary {
    /// Card serial number.
    pub serial: CardSerial,
    /// The case it was made for.
    pub case: CaseNo,
    /// Its state.
    pub state: CardState,
    /// Its profile.
    pub profile: CardProfile,
    /// The holder's name in Chinese characters.
    pub holder: String,
    /// The three lines of the machine readable zone.
    pub mrz: [String; 3],
    /// Date of issue.
    pub issue: RocDate,
    /// Date of renewal.
    pub renewal: Option<RocDate>,
    /// Whether the Certificate Zone is open.
    pub certificate: bool,
    /// Whether the holder suspended the certificates.
    pub certificates_suspended: bool,
    /// Whether the certificates are revoked, and why.
    pub certificates_revoked: Option<RevocationReason>,
    /// Whether the default user code was changed.
    pub user_code_set: bool,
    /// When the PINs were set.
    pub pins_set: Option<Timestamp>,
    /// Since when the chip's content is out of date, and the kind of change in the register that did it. The card is valid
    /// all the same (UPDATE-14).
    pub outdated: Option<(Timestamp, String)>,
    /// The persona and secrets of a sample person.
    pub sample: Option<SampleSecrets>,
}

impl std::fmt::Debug for CardSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CardSummary({:?}, {})", self.serial, self.state)
    }
}

/// What is recorded of sample persons, and of nobody else.
#[derive(Clone, PartialEq, Eq)]
pub struct SampleSecrets {
    /// The persona.
    pub persona: String,
    /// The user code, where the holder has changed it.
    pub user_code: Option<String>,
    /// PIN1, where it is set.
    pub pin1: Option<String>,
    /// PIN2, where it is set.
    pub pin2: Option<String>,
}

impl std::fmt::Debug for SampleSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SampleSecrets({})", self.persona)
    }
}

/// A case as lists show it.
#[derive(Clone, PartialEq, Eq)]
pub struct CaseSummary {
    /// Case number.
    pub case: CaseNo,
    /// Its state.
    pub state: ApplicationState,
    /// First issue, replacement or renewal.
    pub kind: model::ApplicationKind,
    /// How it arrived.
    pub channel: model::Channel,
    /// Office of collection.
    pub office: OfficeCode,
    /// When it was submitted.
    pub submitted: Timestamp,
    /// Whether a clerk has put it on hold.
    pub held: bool,
    /// The card, once there is one.
    pub serial: Option<CardSerial>,
    /// The persona, for sample persons.
    pub persona: Option<String>,
    /// The applicant's name, while the case has its data or a card.
    pub applicant: Option<String>,
}

impl std::fmt::Debug for CaseSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CaseSummary({}, {})", self.case, self.state)
    }
}

/// How many cases and cards are in each state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StateCounts {
    /// Cases by state, states without any left out.
    pub cases: Vec<(ApplicationState, u64)>,
    /// Cards by state, states without any left out.
    pub cards: Vec<(CardState, u64)>,
}

/// How many cards there are in each state, from an index alone.
pub const CARD_COUNTS: &str = "SELECT state, count(*) AS n FROM card GROUP BY state";

impl Mgmt {
    /// All cards, sample persons' first, at most `limit` after `after` in the order of their serials.
    pub async fn cards(&self, after: Option<CardSerial>, limit: u32) -> Result<Vec<CardSummary>, MgmtError> {
        let after = after.map_or(String::new(), |serial| serial.to_string());
        let rows = self
            .db
            .all("SELECT serial FROM card WHERE serial > $1 ORDER BY serial LIMIT $2", params![after, limit])
            .await?;
        let mut cards = Vec::with_capacity(rows.len());
        for row in &rows {
            cards.push(self.card(parse(row, "serial")?).await?);
        }
        Ok(cards)
    }

    /// The cards whose content is out of date (UPDATE-14), in the order of their serials, at most `limit` after `after`.
    pub async fn outdated_cards(
        &self,
        after: Option<CardSerial>,
        limit: u32,
    ) -> Result<Vec<CardSummary>, MgmtError> {
        let after = after.map_or(String::new(), |serial| serial.to_string());
        let sql = "SELECT serial FROM card WHERE outdated_at IS NOT NULL AND serial > $1 AND state NOT IN ($3, $4, $5) \
            ORDER BY serial LIMIT $2";
        let [void, destroyed, flawed] =
            [CardState::Void, CardState::Destroyed, CardState::Flawed].map(CardState::as_str);
        let rows = self.db.all(sql, params![after, limit, void, destroyed, flawed]).await?;
        let mut cards = Vec::with_capacity(rows.len());
        for row in &rows {
            cards.push(self.card(parse(row, "serial")?).await?);
        }
        Ok(cards)
    }

    /// One card.
    pub async fn card(&self, serial: CardSerial) -> Result<CardSummary, MgmtError> {
        let entry = card_now(&self.db, serial).await?;
        let holder: StoredHolder =
            RowKey::of_card(&self.keys, serial, &entry.wrapped_key)?.open(HOLDER, &entry.holder)?;
        let in_use = entry.pins_set.is_some();
        let code_set = entry.user_code_state == "set";
        let sample = self.sample_of(entry.case).await?.map(|sample| SampleSecrets {
            persona: sample.persona,
            user_code: sample.user_code.filter(|_| code_set),
            pin1: sample.pin1.filter(|_| in_use),
            pin2: sample.pin2.filter(|_| in_use && entry.certificate),
        });
        Ok(CardSummary {
            serial,
            case: entry.case,
            state: entry.state(),
            profile: entry.profile,
            holder: holder.name.chinese().to_owned(),
            mrz: holder.mrz,
            issue: entry.issue,
            renewal: entry.renewal,
            certificate: entry.certificate,
            certificates_suspended: entry.held_by_holder,
            certificates_revoked: entry.revoked,
            user_code_set: code_set,
            pins_set: entry.pins_set,
            outdated: entry.outdated,
            sample,
        })
    }

    /// The certificates of a card by slot, DER.
    pub async fn certificates(&self, serial: CardSerial) -> Result<Vec<(KeySlot, Vec<u8>)>, MgmtError> {
        let rows = self
            .db
            .all(
                "SELECT slot, certificate FROM card_certificate WHERE serial = $1 AND certificate IS NOT NULL",
                params![serial.as_str()],
            )
            .await?;
        let mut certificates = rows
            .iter()
            .map(|row| Ok((parse::<KeySlot>(row, "slot")?, row.read("certificate")?)))
            .collect::<Result<Vec<_>, MgmtError>>()?;
        certificates.sort_by_key(|(slot, _)| slot.id());
        Ok(certificates)
    }

    /// Cases, oldest first, at most `limit` after `after`; of one state if it is named.
    pub async fn cases(
        &self,
        state: Option<ApplicationState>,
        after: Option<CaseNo>,
        limit: u32,
    ) -> Result<Vec<CaseSummary>, MgmtError> {
        let after = after.map_or(String::new(), |case| case.to_string());
        let rows = match state {
            None => {
                let sql = "SELECT case_no FROM application WHERE case_no > $1 ORDER BY case_no LIMIT $2";
                self.db.all(sql, params![after, limit]).await?
            }
            Some(state) => {
                let sql = "SELECT case_no FROM application WHERE case_no > $1 AND state = $3 ORDER BY case_no LIMIT $2";
                self.db.all(sql, params![after, limit, state.as_str()]).await?
            }
        };
        let mut cases = Vec::with_capacity(rows.len());
        for row in &rows {
            cases.push(self.case(parse(row, "case_no")?).await?);
        }
        Ok(cases)
    }

    /// One case (MGMT-17).
    pub async fn case(&self, no: CaseNo) -> Result<CaseSummary, MgmtError> {
        let case = case_now(&self.db, no).await?;
        let applicant = match (&case.wrapped_key, case.serial) {
            (_, Some(serial)) => Some(self.card(serial).await?.holder),
            (Some(wrapped), None) => {
                let key = RowKey::of_case(&self.keys, no, wrapped)?;
                let applicant: StoredApplicant = key.open(APPLICANT, &self.data(no, APPLICANT).await?)?;
                let person = self.register.person(&applicant.id).await?;
                person.map(|person| person.name.chinese().to_owned())
            }
            (None, None) => None,
        };
        Ok(CaseSummary {
            case: no,
            state: case.application.state(),
            kind: case.kind,
            channel: case.channel,
            office: case.office,
            submitted: case.submitted,
            held: case.held,
            serial: case.serial,
            persona: self.sample_of(no).await?.map(|sample| sample.persona),
            applicant,
        })
    }

    /// Counts by state, for the start page.
    pub async fn counts(&self) -> Result<StateCounts, MgmtError> {
        let mut counts = StateCounts::default();
        let rows =
            self.db.all("SELECT state, count(*) AS n FROM application GROUP BY state", params![]).await?;
        for row in &rows {
            counts.cases.push((parse(row, "state")?, row.read("n")?));
        }
        let rows = self.db.all(CARD_COUNTS, params![]).await?;
        for row in &rows {
            counts.cards.push((parse(row, "state")?, row.read("n")?));
        }
        counts.cases.sort();
        counts.cards.sort();
        Ok(counts)
    }

    /// The whole history of a card for an auditor (MGMT-72): its events as stored, oldest first.
    pub async fn card_history(&self, serial: CardSerial) -> Result<Vec<model::card::CardEvent>, MgmtError> {
        let sql = "SELECT content FROM card_event WHERE serial = $1 ORDER BY step";
        let rows = self.db.all(sql, params![serial.as_str()]).await?;
        rows.iter().map(|row| crate::books::from_json(&row.read::<String>("content")?)).collect()
    }

    /// The whole history of a case.
    pub async fn case_history(
        &self,
        no: CaseNo,
    ) -> Result<Vec<model::application::ApplicationEvent>, MgmtError> {
        let sql = "SELECT content FROM case_event WHERE case_no = $1 ORDER BY step";
        let rows = self.db.all(sql, params![no.as_str()]).await?;
        rows.iter().map(|row| crate::books::from_json(&row.read::<String>("content")?)).collect()
    }

    /// Checks the audit chain.
    pub async fn verify_audit(&self) -> Result<audit::Head, MgmtError> {
        Ok(audit::verify(&self.db, None).await?)
    }

    /// What is recorded of the sample person of a case.
    pub(crate) async fn sample_of(&self, case: CaseNo) -> Result<Option<SampleSecrets>, MgmtError> {
        let sql = "SELECT persona, user_code, pin1, pin2 FROM sample WHERE case_no = $1";
        let row = self.db.optional(sql, params![case.as_str()]).await?;
        row.map(|row| {
            Ok(SampleSecrets {
                persona: row.read("persona")?,
                user_code: row.read("user_code")?,
                pin1: row.read("pin1")?,
                pin2: row.read("pin2")?,
            })
        })
        .transpose()
    }

    /// The case of a persona.
    pub async fn sample_case(&self, persona: &str) -> Result<CaseNo, MgmtError> {
        let row = self.db.optional("SELECT case_no FROM sample WHERE persona = $1", params![persona]).await?;
        let row = row.ok_or(Refusal::CaseUnknown)?;
        parse_optional(&row, "case_no")?.ok_or(MgmtError::Data("case of a persona"))
    }
}
