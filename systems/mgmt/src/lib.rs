//! The New eID management system (New eID 管理系統): every card from application to the end of its life.
//!
//! [`Mgmt`] takes applications ([`Mgmt::submit`]), has clerks review them, sends batches to the card centre, drives their
//! production ([`Mgmt::advance`]), receives and hands over cards, sets PINs with the user code, updates cards, and lets cards and their
//! certificates be suspended, resumed, revoked and voided. It works with four neighbours, each behind the trait it
//! publishes ([`Neighbours`]), and owns no private key but those with which it seals its rows and that of its terminal.
//!
//! Every change of state stands in one transaction with its event and its audit entry. What another system has to do
//! follows by a queue; the order of effects is on one page, docs/issuance-cycle.md. Refusals are [`Refusal`]s with stable codes, cause and
//! remedy in two languages (docs/errors-mgmt.md).
//!
//! Left out in this version: schedules and notices by household, quotas, fees, delegation papers, temporary certificates,
//! lists of cards that a renumbering concerns. Notices wait here for whoever sends them.

mod acceptance;
mod application;
mod books;
mod card_list;
mod card_management;
mod cards;
mod config;
mod counter_case;
mod data_list;
mod error;
mod notices;
mod office;
mod outings;
pub mod photo;
pub mod photo_metadata;
mod pins;
pub mod portrait;
mod produce;
mod queries;
mod recall;
mod recall_revocation;
mod register_events;
mod rekey;
mod reports;
mod review;
pub mod sample;
mod schema;
mod service;
mod submit;
mod terminal;
mod update_request;
mod updates;
mod user_code;
mod vault;
mod written;
mod zones;

pub use acceptance::{Acceptance, CertificateContent};
pub use application::{Contact, NewApplication, NoticeWay};
pub use card_list::NOT_ACCEPTED;
pub use card_management::{
    CallerAnswers, CardManagement, CertifiedCard, PeerProof, PeerStatement, Reader, Subject,
};
pub use config::{Config, UserCodeCost};
pub use counter_case::{CaseService, CounterCase, NewCounterCase};
pub use data_list::{DataList, DataListStatus, ListedField};
pub use error::{Fault, Message, MgmtError, Refusal, golden_list};
pub use notices::{Notice, RecallPerson, RecallStage, ToldBy, WhichNotices};
pub use office::{Checked, CollectionConfirmation, Inspection, Receipt};
pub use outings::{NewOuting, OnOuting, Outing};
pub use queries::{CARD_COUNTS, CardSummary, CaseSummary, SampleSecrets, StateCounts};
pub use recall::{Recall, RecallCard, RecallLevel, RecallPlan, RecallProgress, Treatment};
pub use recall_revocation::{RecallRevocation, RevocationNo};
pub use rekey::{KeyPair, RekeyCase};
pub use review::{Decision, PhotoReason, PhotoReview};
pub use service::{CaChain, Mgmt, Neighbours};
pub use terminal::OfficeTerminal;
pub use update_request::{Applicant, Clerk, Document, Occasion, SignedRequest, UpdateRequest};
pub use updates::{CardUpdate, UpdateProof, UpdateRecord};
pub use user_code::UserCodeHasher;
pub use vault::{MgmtKeys, PhotoFacts};
