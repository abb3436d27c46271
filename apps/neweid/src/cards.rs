//! The virtual cards of a country as their holders have them: files in `DIR/cards`, one chip each.

use crate::directory::Directory;
use crate::failure::{Failure, Fault};
use cardface::{Face, FaceData, FontSet, Symbology};
use chip::{Chip, FileMemory, InProcessChannel, Interface};
use curve::SystemRandom;
use eac::Password;
use model::CardSerial;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use terminal::{ReadOptions, ReadReport, TrustStore, read_card};

/// Reads a serial number as typed.
pub fn parse_serial(text: &str) -> Result<CardSerial, Failure> {
    text.trim().to_uppercase().parse().map_err(|_| {
        Failure::new(
            "NEWEID-E-CARD-SERIAL",
            Fault::Caller,
            format!("「{text}」不是卡片序號：3 個大寫字母或數字，再加 6 位數字。"),
            format!(
                "`{text}` is not a card serial number: three capital letters or digits, then six digits."
            ),
            "neweid card list",
        )
        .exit(2)
    })
}

/// A card to be taken in hand: one of the country's, or one that somebody handed over as a file.
#[derive(Debug, Clone)]
pub struct CardFile {
    /// Where its memory lies.
    pub path: PathBuf,
    /// What people call it: the serial number or the name of the file.
    pub name: String,
}

impl CardFile {
    /// A card of this country.
    pub fn of(directory: &Directory, serial: CardSerial) -> Self {
        let path = directory.root.join("cards").join(format!("{serial}.card"));
        Self { path, name: serial.to_string() }
    }

    /// Whether what was typed is the file of a card.
    // The ending decides, so that a mistyped serial number is never taken for a file.
    pub fn is_named(text: &str) -> bool {
        text.to_lowercase().ends_with(".card")
    }

    /// What was typed: a serial number, looked up in the country at `dir`, or the file of a card.
    pub fn find(text: &str, dir: &Path) -> Result<Self, Failure> {
        if !Self::is_named(text) {
            return Ok(Self::of(&Directory::open(dir)?, parse_serial(text)?));
        }
        let path = PathBuf::from(text);
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self { path, name })
    }
}

/// Fails where there is no such card.
pub fn expect(card: &CardFile) -> Result<(), Failure> {
    let CardFile { path, name } = card;
    if !path.is_file() {
        return Err(Failure::new(
            "NEWEID-E-CARD-NOT-FOUND",
            Fault::Caller,
            format!("此處沒有卡片 {name}。"),
            format!("There is no card {name}: {} is not there.", path.display()),
            "neweid card list",
        ));
    }
    Ok(())
}

/// Takes a card in hand. Only one process can hold a card at a time.
pub fn open(directory: &Directory, serial: CardSerial) -> Result<Chip, Failure> {
    open_file(&CardFile::of(directory, serial))
}

/// Takes a card in hand, wherever its file lies.
pub fn open_file(card: &CardFile) -> Result<Chip, Failure> {
    expect(card)?;
    let CardFile { path, name } = card;
    let memory = FileMemory::open(path).map_err(|error| memory_failure(name, &error))?;
    Chip::open(Box::new(memory), Box::new(SystemRandom)).map_err(|error| {
        Failure::new(
            "NEWEID-E-CARD-DAMAGED",
            Fault::Environment,
            format!("卡片 {name} 的記憶體已損毀：{error}"),
            format!("The memory of card {name} is damaged: {error}"),
            "由備份還原，或作廢後重製 Restore the file from a backup, or void the card and make it again.",
        )
    })
}

fn memory_failure(name: &str, error: &chip::MemoryError) -> Failure {
    match error {
        chip::MemoryError::Locked(_) => Failure::new(
            "NEWEID-E-CARD-IN-USE",
            Fault::Caller,
            format!("卡片 {name} 正插在另一個讀卡機中。"),
            format!("Card {name} is in another reader."),
            "先取出該卡片 Take it out there first.",
        ),
        other => Failure::new(
            "NEWEID-E-CARD-DAMAGED",
            Fault::Environment,
            format!("無法開啟卡片 {name}：{other}"),
            format!("Card {name} cannot be opened: {other}"),
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
pub fn face(card: &CardFile, barcodes: Symbology) -> Result<Face, Failure> {
    let chip = open_file(card)?;
    let name = &card.name;
    // A card of plastic shows its number; a virtual one is asked for it.
    let report = chip
        .serial()
        .and_then(|serial| serial.parse().ok())
        .map(|serial| read(chip, Interface::Contact, serial, &TrustStore::default()));
    let Some(zone) = report.as_ref().and_then(ReadReport::public_zone) else {
        return Err(Failure::new(
            "NEWEID-E-CARD-EMPTY",
            Fault::Caller,
            format!("卡片 {name} 尚未個人化。"),
            format!("Card {name} is not personalised yet."),
            "製卡完成後再試 Try again when it has been made.",
        ));
    };
    let data = FaceData { barcodes, ..FaceData::new(zone, true).map_err(Failure::ours)? };
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
