//! One file per command.

mod adoption;
mod card_data_list;
mod card_face;
mod card_holder;
mod card_insert;
mod card_kind;
mod card_list;
mod card_profile;
mod card_update;
mod card_updates;
mod card_watch;
mod ceremony;
mod cert_list;
mod chip_type;
mod clerk;
mod cvc_print;
mod decipher;
mod demo;
pub mod doctor;
pub mod notice;
mod npc_cases;
mod npc_drill;
pub mod npc_incident;
mod npc_keys;
mod npc_policy;
mod npc_queue;
pub mod npc_ra;
mod npc_simulate;
pub mod operator;
pub mod outing;
pub mod persona;
mod pin;
pub mod pki_ceremony;
mod pki_export;
mod pki_paper;
mod ra;
mod read;
mod recall;
mod register;
mod sign;
mod status_card;
pub mod status_check;
mod up;

// What `decoders.rs` feeds.
#[cfg(test)]
pub use {
    adoption::Document as Adoption, npc_queue::assignments as queue_assignments,
    npc_queue::plan_of as queue_plan, npc_ra::parse as enrolment, ra::answers_of as caller_answers,
};

use crate::cli::{Arguments, Card, Cert, ChipType, Command, Cvc, Npc, Persona, Pin, Pki, Status};
use crate::commands::card_insert::Telling;
use crate::failure::{Failure, Fault};
use crate::hand::CardArgs;
use apdu::CardChannel;
use curve::SystemRandom;
use eac::Password;
use model::KeySlot;
use std::path::Path;
use std::process::ExitCode;
use terminal::narrator::Words;
use terminal::npc_card::{CertificateId, NpcCard, NpcError};

/// Runs the command that was asked for.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Up(up) => up::run(up).await,
        Command::Demo(demo) => demo::run(demo).await,
        Command::Card(Card::List { outdated, dir, json }) => card_list::run(&dir, outdated, json).await,
        Command::Card(Card::Insert { card, dir, interface, vpcd, watch, json }) => {
            card_insert::run(&card, &dir, interface, vpcd.as_deref(), Telling { watch, json }).await
        }
        Command::Card(Card::Watch { card, dir, json }) => card_watch::run(&card, &dir, json).await,
        Command::Card(Card::Profile(verb)) => card_profile::run(&verb),
        Command::Card(Card::Kind(kind)) => card_kind::run(kind).await,
        Command::Card(Card::Update(update)) => card_update::run(update).await,
        Command::Card(Card::DataList(list)) => card_data_list::run(list).await,
        Command::Card(Card::Request(request)) => card_updates::request(&request).await,
        Command::Card(Card::Updates { serial, dir, json }) => card_updates::list(&serial, &dir, json).await,
        Command::Card(Card::Accept { serial, object, clerk, dir, json }) => {
            card_holder::accept(&serial, !object, &clerk, &dir, json).await
        }
        Command::Card(Card::PaperLoss { person, clerk, dir, json }) => {
            card_holder::paper_loss(&person, &clerk, &dir, json).await
        }
        Command::Clerk(clerk) => clerk::run(&clerk).await,
        Command::Card(Card::Face { card, dir, out, side, layout, barcodes, dpi, json }) => {
            card_face::run(&card, &dir, &out, (side, layout, barcodes, dpi), json).await
        }
        Command::Persona(Persona::List { json }) => persona::list(json),
        Command::Persona(Persona::Export { name, dir, out, profile, json, .. }) => {
            persona::export(name.as_deref(), &dir, &out, &profile, json).await
        }
        Command::Outing(outing) => outing::run(outing).await,
        Command::Notice(notice) => notice::run(&notice).await,
        Command::Register(register) => register::run(&register).await,
        Command::Read(read) => read::run(read).await,
        Command::Pin(Pin::Status(status)) => pin::status(status).await,
        Command::Pin(Pin::Change(change)) => pin::change(change).await,
        Command::Sign(sign) => sign::run(sign).await,
        Command::Decipher(decipher) => decipher::run(decipher).await,
        Command::Cert(Cert::List(list)) => cert_list::run(list).await,
        Command::Pki(Pki::Export { dir, out }) => pki_export::run(&dir, &out).await,
        Command::Pki(Pki::Paper(paper)) => pki_paper::run(&paper).await,
        Command::Pki(Pki::Propose { what, operator, dir }) => {
            pki_ceremony::check_operator(&operator)?;
            pki_ceremony::propose(&dir, &what, &operator).await
        }
        Command::Pki(Pki::Approve { number, operator, dir }) => {
            pki_ceremony::check_operator(&operator)?;
            pki_ceremony::approve(&dir, number, &operator).await
        }
        Command::Pki(Pki::Proposals { dir, json }) => pki_ceremony::proposals(&dir, json).await,
        Command::ChipType(ChipType::List { dir, json }) => chip_type::list(&dir, json).await,
        Command::ChipType(ChipType::Cards { name, dir, json }) => chip_type::cards(&dir, &name, json).await,
        Command::ChipType(ChipType::Register { file, operator, dir }) => {
            pki_ceremony::check_operator(&operator)?;
            chip_type::register(&dir, &file, &operator).await
        }
        Command::ChipType(ChipType::Propose { name, risk, reason, operator, dir }) => {
            pki_ceremony::check_operator(&operator)?;
            chip_type::propose(&dir, &name, risk, &reason, &operator).await
        }
        Command::ChipType(ChipType::Approve { number, operator, dir }) => {
            pki_ceremony::check_operator(&operator)?;
            chip_type::approve(&dir, number, &operator).await
        }
        Command::ChipType(ChipType::Proposals { dir, json }) => chip_type::proposals(&dir, json).await,
        Command::ChipType(ChipType::Assess { name, algorithm, result, findings, operator, dir }) => {
            pki_ceremony::check_operator(&operator)?;
            chip_type::assess(&dir, (&name, &algorithm), result, &findings, &operator).await
        }
        Command::ChipType(ChipType::ApproveAssessment { number, operator, dir }) => {
            pki_ceremony::check_operator(&operator)?;
            chip_type::approve_assessment(&dir, number, &operator).await
        }
        Command::ChipType(ChipType::Assessments { dir, json }) => chip_type::assessments(&dir, json).await,
        Command::Recall(recall) => recall::run(&recall).await,
        Command::Operator(operator) => operator::run(&operator).await,
        Command::Cvc(Cvc::Print { files, json }) => cvc_print::run(&files, json),
        Command::Doctor(doctor) => doctor::run(&doctor),
        Command::Status(Status::Check(check)) => status_check::run(&check),
        Command::Status(Status::Card(card)) => status_card::run(&card),
        Command::Ra(command) => ra::run(command).await,
        Command::Ceremony(ceremony) => ceremony::run(&ceremony).await,
        Command::Npc(Npc::Simulate(simulate)) => npc_simulate::run(&simulate),
        Command::Npc(Npc::Drill(drill)) => npc_drill::run(&drill).await,
        Command::Npc(Npc::Queue(queue)) => npc_queue::run(&queue).await,
        Command::Npc(Npc::Keys(keys)) => npc_keys::run(&keys).await,
        Command::Npc(Npc::Incident(incident)) => npc_incident::run(&incident).await,
        Command::Npc(Npc::Issuing { switch, operator, dir }) => {
            npc_incident::issuing(switch, &operator, &dir).await
        }
        Command::Npc(Npc::Repository { switch, operator, dir }) => {
            npc_incident::repository(switch, &operator, &dir).await
        }
        Command::Npc(Npc::Publish { operator, dir }) => npc_incident::publish(&operator, &dir).await,
        Command::Npc(Npc::Policy(verb)) => npc_policy::run(&verb).await,
        Command::Npc(Npc::Cps { out, dir }) => npc_policy::practice_statement(out.as_deref(), &dir).await,
        Command::Npc(Npc::Ra(ra)) => npc_ra::run(&ra).await,
        Command::Npc(Npc::Enrol { file, operator, dir }) => npc_ra::enrol(&file, &operator, &dir).await,
    }
}

/// The access number for a command that sends PIN2. Without it PIN2 would cross the wire in the clear, to whatever card lies in the
/// reader: any card can say that it takes it so. Nobody gets that who has not asked for it.
// CARD-43.
fn access_number_for_pin2(card: &CardArgs, in_clear: bool) -> Result<Option<Password>, Failure> {
    let access_number = card.access_number()?;
    if access_number.is_some() || card.reader.is_none() || in_clear {
        return Ok(access_number);
    }
    Err(Failure::new(
        "NEWEID-E-CAN-MISSING",
        Fault::Caller,
        "未提供讀取碼：PIN2 將以明文傳送，因此未傳送。",
        "No access number was given: PIN2 would travel in the clear, so it was not sent.",
        "加上 --can（卡片序號末 6 碼）；僅互通測試卡可用 --in-clear The last six digits of the card serial number with --can; \
         for sample cards of profile `interop` alone --in-clear",
    )
    .exit(2))
}

/// The certificate zone: in the secure channel where the access number is known, in the clear otherwise.
fn zone<C: CardChannel>(channel: C, access_number: Option<&Password>) -> Result<NpcCard<C>, Failure> {
    Ok(match access_number {
        Some(password) => NpcCard::open(channel, password, &mut SystemRandom)?,
        None => NpcCard::open_in_clear(channel)?,
    })
}

/// A refusal with the key it is about.
fn with_key(error: NpcError, slot: KeySlot) -> Failure {
    match &error {
        NpcError::Absent | NpcError::Input | NpcError::Output | NpcError::PinRequired => {
            let (id, name) = (slot.id(), key_name(slot));
            let detail = Words::new(format!("金鑰 {id} {name}"), format!("key {id} {name}"));
            Failure::from_refusal(error.refusal(), Some(detail))
        }
        _ => error.into(),
    }
}

/// What a key is called on the command line and in documents.
const fn key_name(slot: KeySlot) -> &'static str {
    match slot {
        KeySlot::SigningRsa => "rsa-sign",
        KeySlot::EncryptionRsa => "rsa-decrypt",
        KeySlot::SigningEc => "ec-sign",
        KeySlot::EncryptionEc => "ec-agree",
    }
}

/// What a certificate slot is called.
const fn slot_name(id: CertificateId) -> &'static str {
    match id {
        CertificateId::SigningRsa => key_name(KeySlot::SigningRsa),
        CertificateId::EncryptionRsa => key_name(KeySlot::EncryptionRsa),
        CertificateId::SigningEc => key_name(KeySlot::SigningEc),
        CertificateId::EncryptionEc => key_name(KeySlot::EncryptionEc),
        CertificateId::Root => "root",
        CertificateId::Intermediate => "intermediate",
    }
}

/// The file a command works on.
fn input(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        Failure::new(
            "NEWEID-E-INPUT-FILE",
            Fault::Caller,
            format!("無法讀取 {}：{error}", path.display()),
            format!("{} cannot be read: {error}", path.display()),
            "檢查 --in 的路徑 Check the path given with --in.",
        )
        .exit(2)
    })
}

/// The DER in a file that may be PEM with one of these labels.
fn der(bytes: &[u8], labels: &[&str]) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN "));
    text.and_then(|text| labels.iter().find_map(|label| x509::pem::decode(label, text).ok()))
        .unwrap_or_else(|| bytes.to_vec())
}
