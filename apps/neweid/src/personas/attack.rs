//! The attacks on finished cards: what a forger can do who has chips whose memory can be written from outside, the access number
//! that is printed on the victim's card, and time. Nothing of this is reachable through a card's commands; the product has
//! no way that leads here.

use crate::failure::Failure;
use chip::files::{Content, Directory, FILES};
use chip::{FileMemory, Interface, Memory};
use eac::cvc::{TrustPoint, TrustPoints};
use lds::{DataGroup, Date, PublicZone};
use model::CardSerial;
use std::path::Path;
use terminal::{ReadReport, TrustStore};

/// Another date of birth: DG1, DG11 and DG13 say that the holder is ten years older, as somebody under age might want.
pub fn birth(card: &Path, serial: CardSerial) -> Result<(), Failure> {
    let mut zone = zone_of(card, serial)?;
    let before = files_of(&zone)?;
    let birth = zone.birth;
    zone.birth = Date::new(birth.year() - 10, birth.month(), birth.day()).map_err(Failure::ours)?;
    rewrite(card, &before, &files_of(&zone)?)
}

/// Another face in DG2.
pub fn portrait(card: &Path, serial: CardSerial, face: &[u8]) -> Result<(), Failure> {
    let mut zone = zone_of(card, serial)?;
    let before = files_of(&zone)?;
    zone.portrait = Some(mgmt::photo::for_chip(face).map_err(|_| Failure::ours("a portrait"))?);
    rewrite(card, &before, &files_of(&zone)?)
}

/// One bit of the signature in EF.SOD.
pub fn signature(card: &Path) -> Result<(), Failure> {
    let key = record(DataGroup::Sod)?;
    let mut memory = FileMemory::open(card).map_err(Failure::ours)?;
    let mut object = memory.load(key).ok_or_else(|| Failure::ours("a card without EF.SOD"))?.to_vec();
    // RFC 5652 §5.3: the signature is the last field of the last structure.
    if let Some(last) = object.last_mut() {
        *last ^= 1;
    }
    write(&mut memory, &[(key, Some(object))])
}

/// No attack, but a card of an earlier day: what it trusted and knew of the date before the offices' terminal, in setting its
/// PINs, led it to the present CVCA.
pub fn before_the_roll_over(card: &Path, trusted: &TrustPoint) -> Result<(), Failure> {
    let mut memory = FileMemory::open(card).map_err(Failure::ours)?;
    let (trust_points, date) = (TrustPoints::new(trusted.clone()).encode(), trusted.effective().to_bytes());
    write(&mut memory, &[(TRUST_POINTS, Some(trust_points)), (CARD_DATE, Some(date.to_vec()))])
}

/// Records of the chip: its trust points, and the date it knows.
const TRUST_POINTS: u16 = 0x0702;
const CARD_DATE: u16 = 0x0703;

/// DG13 gone.
pub fn erase(card: &Path) -> Result<(), Failure> {
    let mut memory = FileMemory::open(card).map_err(Failure::ours)?;
    write(&mut memory, &[(record(DataGroup::Dg13)?, None)])
}

/// Copies everything that a reader gets from the victim's card onto a chip of the forger's own. The private keys stay behind: they
/// never leave a chip.
pub fn clone(victim: &Path, serial: CardSerial, own: &Path) -> Result<(), Failure> {
    let read = read(victim, serial)?;
    let mut changes = Vec::new();
    for group in DataGroup::ALL {
        if let Some(content) = read.file(group.file_name()) {
            changes.push((record(group)?, Some(content.to_vec())));
        }
    }
    // The neighbourhood too, or the copy would give itself away without its chip being asked.
    if let (Some(content), Some(Content::Stored(key))) = (
        read.file("household.bin"),
        FILES.iter().find(|file| file.directory == Directory::Household).map(|file| file.content),
    ) {
        changes.push((key, Some(content.to_vec())));
    }
    let zone = read.public_zone().ok_or_else(|| Failure::ours("a card that cannot be read"))?;
    let mrz = zone.td1().map_err(Failure::ours)?.information();
    // What is printed on the victim's card opens the copy.
    changes.extend([
        (SERIAL, Some(serial.as_str().as_bytes().to_vec())),
        (CAN, Some(serial.can().as_str().as_bytes().to_vec())),
        (MRZ, Some(mrz.into_bytes())),
    ]);
    let mut memory = FileMemory::open(own).map_err(Failure::ours)?;
    write(&mut memory, &changes)
}

/// Numbers of records as the memory of a chip has them; CAN and MRZ stand in docs/card-commands.md.
const SERIAL: u16 = 0x0004;
const CAN: u16 = 0x1001;
const MRZ: u16 = 0x1002;

fn read(card: &Path, serial: CardSerial) -> Result<ReadReport, Failure> {
    let memory = FileMemory::open(card).map_err(Failure::ours)?;
    let chip = chip::Chip::open(Box::new(memory), Box::new(curve::SystemRandom)).map_err(Failure::ours)?;
    Ok(crate::cards::read(chip, Interface::Contact, serial, &TrustStore::default()))
}

fn zone_of(card: &Path, serial: CardSerial) -> Result<PublicZone, Failure> {
    let zone = read(card, serial)?.public_zone().cloned();
    zone.ok_or_else(|| Failure::ours("a card that cannot be read"))
}

fn files_of(zone: &PublicZone) -> Result<lds::public_zone::Files, Failure> {
    zone.data_groups().map_err(Failure::ours)
}

// Writes the files that differ.
fn rewrite(
    card: &Path,
    before: &lds::public_zone::Files,
    after: &lds::public_zone::Files,
) -> Result<(), Failure> {
    let mut changes = Vec::new();
    for (group, content) in after {
        if before.get(group) != Some(content) {
            changes.push((record(*group)?, Some(content.clone())));
        }
    }
    let mut memory = FileMemory::open(card).map_err(Failure::ours)?;
    write(&mut memory, &changes)
}

fn write(memory: &mut FileMemory, changes: &[(u16, Option<Vec<u8>>)]) -> Result<(), Failure> {
    memory.commit(changes).map_err(Failure::ours)?;
    // Nothing of the original stays in the journal.
    memory.forget_erased();
    Ok(())
}

// The record that a file of the Public Zone lies in.
fn record(group: DataGroup) -> Result<u16, Failure> {
    let file = FILES.iter().find(|file| file.directory == Directory::Public && file.fid == group.fid());
    match file.map(|file| file.content) {
        Some(Content::Stored(key)) => Ok(key),
        _ => Err(Failure::ours(format!("{} is no file of the card", group.name()))),
    }
}
