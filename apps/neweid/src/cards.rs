//! The virtual cards of a country as their holders have them: files in `DIR/cards`, one chip each.

use crate::directory::Directory;
use crate::failure::{Failure, Fault};
use cardface::{Face, FaceData, FontSet};
use chip::{Chip, FileMemory, InProcessChannel, Interface};
use curve::SystemRandom;
use eac::Password;
use model::CardSerial;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use terminal::{ReadOptions, ReadReport, TrustStore, read_card};

/// Reads a serial number as typed.
pub fn parse_serial(text: &str) -> Result<CardSerial, Failure> {
    text.trim().to_uppercase().parse().map_err(|error| {
        Failure::new(
            "NEWEID-E-CARD-SERIAL",
            Fault::Caller,
            format!("「{text}」不是卡片序號：{error}"),
            format!("`{text}` is not a card serial number: {error}"),
            "neweid card list",
        )
        .exit(2)
    })
}

/// The file of a card.
pub fn path(directory: &Directory, serial: CardSerial) -> PathBuf {
    directory.root.join("cards").join(format!("{serial}.card"))
}

/// Fails where there is no such card.
pub fn expect(directory: &Directory, serial: CardSerial) -> Result<(), Failure> {
    if !path(directory, serial).exists() {
        return Err(Failure::new(
            "NEWEID-E-CARD-NOT-FOUND",
            Fault::Caller,
            format!("此處沒有卡片 {serial}。"),
            format!("There is no card {serial} in {}.", directory.root.display()),
            format!("neweid card list --dir {}", directory.root.display()),
        ));
    }
    Ok(())
}

/// Takes a card in hand. Only one process can hold a card at a time.
pub fn open(directory: &Directory, serial: CardSerial) -> Result<Chip, Failure> {
    expect(directory, serial)?;
    let memory =
        FileMemory::open(&path(directory, serial)).map_err(|error| memory_failure(serial, &error))?;
    Chip::open(Box::new(memory), Box::new(SystemRandom)).map_err(|error| {
        Failure::new(
            "NEWEID-E-CARD-DAMAGED",
            Fault::Environment,
            format!("卡片 {serial} 的記憶體已損毀：{error}"),
            format!("The memory of card {serial} is damaged: {error}"),
            "由備份還原，或作廢後重製 Restore the file from a backup, or void the card and make it again.",
        )
    })
}

fn memory_failure(serial: CardSerial, error: &chip::MemoryError) -> Failure {
    match error {
        chip::MemoryError::Locked(_) => Failure::new(
            "NEWEID-E-CARD-IN-USE",
            Fault::Caller,
            format!("卡片 {serial} 正插在另一個讀卡機中。"),
            format!("Card {serial} is in another reader."),
            "先取出該卡片 Take it out there first.",
        ),
        other => Failure::new(
            "NEWEID-E-CARD-DAMAGED",
            Fault::Environment,
            format!("無法開啟卡片 {serial}：{other}"),
            format!("Card {serial} cannot be opened: {other}"),
            "由備份還原，或作廢後重製 Restore the file from a backup, or void the card and make it again.",
        ),
    }
}

/// Reads household and public zone of a card as a stranger who sees its printed access number would.
pub fn read(chip: Chip, interface: Interface, serial: CardSerial, trust: &TrustStore) -> ReadReport {
    let password = Password::can(serial.can().as_str());
    let options = ReadOptions::default();
    let channel = InProcessChannel::new(chip, interface);
    read_card(channel, &password, trust, &options, crate::clock::now(), &mut SystemRandom)
}

/// Draws the face of a card from what its chip says.
pub fn face(directory: &Directory, serial: CardSerial) -> Result<Face, Failure> {
    let report = read(open(directory, serial)?, Interface::Contact, serial, &TrustStore::default());
    let Some(zone) = report.public_zone() else {
        return Err(Failure::new(
            "NEWEID-E-CARD-EMPTY",
            Fault::Caller,
            format!("卡片 {serial} 尚未個人化。"),
            format!("Card {serial} is not personalised yet."),
            "製卡完成後再試 Try again when it has been made.",
        ));
    };
    let data = FaceData::new(zone, true).map_err(Failure::ours)?;
    Face::new(&data, fonts()?.as_ref()).map_err(|error| {
        Failure::new(
            "NEWEID-E-FACE",
            Fault::Environment,
            format!("無法繪製卡面：{error}"),
            format!("The face cannot be drawn: {error}"),
            "apt-get install -y fonts-cns11643-kai fonts-cns11643-sung fonts-noto-cjk",
        )
    })
}

/// The fonts of the card face, looked up once per process.
pub fn fonts() -> Result<Arc<FontSet>, Failure> {
    static FONTS: OnceLock<Arc<FontSet>> = OnceLock::new();
    if let Some(fonts) = FONTS.get() {
        return Ok(Arc::clone(fonts));
    }
    let fonts = FontSet::system().map_err(|error| {
        Failure::new(
            "NEWEID-E-FONTS",
            Fault::Environment,
            format!("缺少字型：{error}"),
            format!("Fonts are missing: {error}"),
            "apt-get install -y fonts-cns11643-kai fonts-cns11643-sung fonts-noto-cjk",
        )
    })?;
    Ok(Arc::clone(FONTS.get_or_init(|| Arc::new(fonts))))
}
