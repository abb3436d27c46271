//! Quality control of a finished card (PRODUCTION-39, 40): it is read back as a stranger would read it, through secure
//! channel, signature and chip authentication, and every file is compared with the order.

use cardface::{Face, FaceData};
use chip::Interface;
use eac::Password;
use jiff::Timestamp;
use lds::{DataGroup, PublicZone};
use scp::KeySet;
use sealed::SharedRandom;
use terminal::perso::{ChipLifeCycle, PIN_MANAGEMENT_KEY_VERSION, Session};
use terminal::{CheckKind, Outcome, ReadOptions, TrustStore, Verdict, read_card};

use crate::machine::{card as card_error, insert, perso};
use crate::package::Package;
use crate::portrait;
use crate::shelf::Shelf;
use crate::{CentreConfig, ProductionError};

/// Inspects a personalised card against its order. `Ok(Some(defect))` is a card that fails; an error is a machine that does.
pub(crate) fn inspect(
    shelf: &Shelf,
    package: &Package,
    trust: &TrustStore,
    now: Timestamp,
    random: &SharedRandom,
) -> Result<Option<String>, ProductionError> {
    let mut random_source = random.clone();
    for interface in [Interface::Contactless, Interface::Contact] {
        let channel = insert(shelf, package.serial, interface, random)?;
        let can = Password::can(package.serial.can().as_str());
        let options = ReadOptions::default();
        let report = read_card(channel, &can, trust, &options, now, &mut random_source);
        if report.verdict != Verdict::Verified {
            // No answer is not yet a wrong answer: tried again before the card is given up.
            if report.check(CheckKind::Card).is_some_and(|check| check.outcome == Outcome::Failed) {
                return Err(ProductionError::Card(format!("{interface:?}: the card does not answer")));
            }
            let failed = report.checks.iter().find(|check| check.outcome == Outcome::Failed);
            let what = failed.map_or("unproven".into(), |check| {
                format!("{:?} {}", check.check, check.refusal.map_or("", |refusal| refusal.code()))
            });
            return Ok(Some(format!("{interface:?}: {what}")));
        }
        for (fid, ordered) in &package.public {
            let group = DataGroup::ALL.into_iter().find(|group| group.fid() == *fid);
            let name = group.map(DataGroup::file_name).unwrap_or_default();
            if report.file(name) != Some(ordered.as_slice()) {
                return Ok(Some(format!("{interface:?}: {name} differs from the order")));
            }
        }
        for (name, ordered) in
            [("household.bin", &package.household), ("ef_card_access.bin", &package.card_access)]
        {
            if report.file(name) != Some(ordered.as_slice()) {
                return Ok(Some(format!("{interface:?}: {name} differs from the order")));
            }
        }
        let zone = report.public_zone();
        if zone.is_none_or(|zone| zone.card_serial != package.serial.as_str()) {
            return Ok(Some(format!("{interface:?}: another serial number")));
        }
    }
    state_as_delivered(shelf, package, random)
}

/// CARD-24: the photo that is printed and the portrait of DG2 are one picture. Says what is wrong.
pub(crate) fn portrait(package: &Package) -> Result<Option<&'static str>, ProductionError> {
    let zone = public_zone(package)?;
    Ok(portrait::difference(package.photo.as_deref(), zone.portrait.as_deref()))
}

fn public_zone(package: &Package) -> Result<PublicZone, ProductionError> {
    let files = package
        .public
        .iter()
        .filter_map(|(fid, file)| Some((DataGroup::ALL.into_iter().find(|g| g.fid() == *fid)?, file.clone())))
        .collect();
    PublicZone::from_data_groups(&files).map_err(card_error)
}

/// The proof image of both sides, rendered from the same Public Zone that the chip gets (PRODUCTION-39).
pub(crate) fn proof(package: &Package, config: &CentreConfig) -> Result<Vec<u8>, ProductionError> {
    let zone = public_zone(package)?;
    // Every card of a test country says so.
    let mut data = FaceData::new(&zone, true).map_err(face_error)?;
    data.portrait.clone_from(&package.photo);
    data.barcodes = config.barcodes;
    Face::new(&data, &config.fonts).and_then(|face| face.render_proof(config.proof_dpi)).map_err(face_error)
}

/// A face that does not fit the order is the order's fault; a missing font or glyph is the environment's.
fn face_error(error: cardface::Error) -> ProductionError {
    match error {
        cardface::Error::NoGlyph { .. } | cardface::Error::Font { .. } => {
            ProductionError::Face(error.to_string())
        }
        _ => card_error(error),
    }
}

/// CARD-50, OPEN-11: as delivered the card is personalised and neither PIN is set; CARD-40: without certificates the
/// Certificate Zone does not answer.
fn state_as_delivered(
    shelf: &Shelf,
    package: &Package,
    random: &SharedRandom,
) -> Result<Option<String>, ProductionError> {
    let [enc, mac, dek] = &package.pin_management_keys;
    let keys = KeySet { enc: enc.clone(), mac: mac.clone(), dek: dek.clone() };
    let channel = insert(shelf, package.serial, Interface::Contact, random)?;
    let mut session =
        Session::open(channel, PIN_MANAGEMENT_KEY_VERSION, &keys, &mut random.clone()).map_err(perso)?;
    let status = session.status().map_err(perso)?;
    if status.pin1.set || status.pin2.set {
        return Ok(Some("a PIN is set".into()));
    }
    if status.life_cycle != ChipLifeCycle::Personalised {
        return Ok(Some("the chip is not personalised".into()));
    }
    let mut channel = session.into_channel();
    let select = terminal::commands::select_application(&CERTIFICATE_ZONE);
    let answer = apdu::CardChannel::exchange(&mut channel, &select).map_err(card_error)?;
    if answer.into_ok().is_ok() == package.certificates.is_empty() {
        return Ok(Some("the certificate zone is not as ordered".into()));
    }
    Ok(None)
}

/// AID of the Certificate Zone.
const CERTIFICATE_ZONE: [u8; 11] = [0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x01];
