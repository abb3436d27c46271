//! Questions to a card that it answers with yes or no and nothing else (TR-03110-2 §3.2, §3.6): the terminal signs them with
//! its authentication, the holder allows them with PIN1.

use eac::auxiliary_data::{AuxiliaryData, required_right};
use eac::cvc::Rights;
use model::RocDate;
use serde::Serialize;
use std::str::FromStr;
use terminal::Refusal;
use terminal::eid::EidError;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Was the holder born on this day or before?
    BornBy(RocDate),
    /// Is the document valid on this day?
    ValidOn(RocDate),
    /// Is the holder registered where the code of the village begins with these digits?
    LivesIn(String),
}

/// Longest code of a village.
const VILLAGE: usize = 11;

impl FromStr for Question {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "born-by=YYYY-MM-DD, valid-on=YYYY-MM-DD, lives-in=CODE".to_owned();
        let (kind, value) = text.split_once('=').ok_or_else(form)?;
        let day = || value.parse().map_err(|error| format!("{error}"));
        match kind {
            "born-by" => day().map(Self::BornBy),
            "valid-on" => day().map(Self::ValidOn),
            "lives-in"
                if (1..=VILLAGE).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit()) =>
            {
                Ok(Self::LivesIn(value.to_owned()))
            }
            _ => Err(form()),
        }
    }
}

impl Question {
    /// Its name on the command line and in documents.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::BornBy(_) => "born-by",
            Self::ValidOn(_) => "valid-on",
            Self::LivesIn(_) => "lives-in",
        }
    }

    /// What the card compares with, as it was typed.
    pub fn value(&self) -> String {
        match self {
            Self::BornBy(day) | Self::ValidOn(day) => day.iso(),
            Self::LivesIn(code) => code.clone(),
        }
    }

    /// In words.
    pub const fn words(&self) -> &'static str {
        match self {
            Self::BornBy(_) => "出生日不晚於 born on or before",
            Self::ValidOn(_) => "證件於此日有效 valid on",
            Self::LivesIn(_) => "戶籍地代碼起首為 registered in",
        }
    }

    /// Its object identifier.
    pub const fn oid(&self) -> const_oid::ObjectIdentifier {
        match self {
            Self::BornBy(_) => tlv::oid::AUXILIARY_DATE_OF_BIRTH,
            Self::ValidOn(_) => tlv::oid::AUXILIARY_DATE_OF_EXPIRY,
            Self::LivesIn(_) => tlv::oid::AUXILIARY_MUNICIPALITY,
        }
    }

    fn add(&self, data: AuxiliaryData) -> AuxiliaryData {
        match self {
            Self::BornBy(day) => data.born_on_or_before(&day.compact()),
            Self::ValidOn(day) => data.valid_on(&day.compact()),
            Self::LivesIn(code) => data.lives_in(code.as_bytes()),
        }
    }
}

/// What the terminal signs.
pub fn auxiliary_data(questions: &[Question]) -> AuxiliaryData {
    questions.iter().fold(AuxiliaryData::new(), |data, question| question.add(data))
}

/// The rights the questions need, and no more.
pub fn rights(questions: &[Question]) -> Rights {
    questions.iter().fold(Rights::NONE, |rights, question| rights.with(required_right(question.oid())))
}

/// What the card said to a question, or why it said nothing.
#[derive(Serialize)]
pub struct Answer {
    pub question: &'static str,
    pub value: String,
    #[serde(skip)]
    pub words: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Answer {
    /// From what came back.
    pub fn new(question: &Question, result: Result<bool, EidError>) -> Self {
        let (answer, refusal, detail) = match result {
            Ok(answer) => (Some(answer), None, String::new()),
            Err(EidError { refusal, detail }) => (None, Some(refusal), detail),
        };
        let (kind, value, words) = (question.kind(), question.value(), question.words());
        Self { question: kind, value, words, answer, refusal, detail }
    }
}
