//! The card machine: what is done to one card, as commands over its channel (PRODUCTION-34, chip module).
//!
//! Every operation may be repeated after an interruption at any point. What a card already is, the card says: a washed
//! card no longer knows the transport keys, an initialised one answers with the same requests, a personalised one has
//! forgotten the centre's keys.

use chip::{Chip, FileMemory, InProcessChannel, Interface};
use model::CardSerial;
use scp::KeySet;
use sealed::SharedRandom;
use terminal::perso::{
    CENTRE_KEY_VERSION, EncryptedZoneFiles, InitialisationRequest, InitialisedCard,
    PIN_MANAGEMENT_KEY_VERSION, PersoError, PersonalisationFiles, Session, TRANSPORT_KEY_VERSION, read_cplc,
};

use crate::ProductionError;
use crate::package::Package;
use crate::shelf::Shelf;

/// A card put into the machine: its file, locked for others.
pub(crate) fn insert(
    shelf: &Shelf,
    serial: CardSerial,
    interface: Interface,
    random: &SharedRandom,
) -> Result<InProcessChannel, ProductionError> {
    let memory =
        FileMemory::open(shelf.path(serial)).map_err(|error| ProductionError::CardFile(error.to_string()))?;
    let chip = Chip::open(Box::new(memory), Box::new(random.clone()))
        .map_err(|error| ProductionError::Card(error.to_string()))?;
    Ok(InProcessChannel::new(chip, interface))
}

/// Reads the CPLC of a card, for comparison with the manufacturer's file (PRODUCTION-06).
pub(crate) fn cplc(channel: &mut InProcessChannel) -> Result<Vec<u8>, ProductionError> {
    read_cplc(channel).map(|cplc| cplc.as_bytes().to_vec()).map_err(perso)
}

/// Key changeover (洗卡, PRODUCTION-15): transport keys to the centre's keys.
pub(crate) fn wash(
    channel: InProcessChannel,
    transport: &KeySet,
    centre: &KeySet,
    random: &mut SharedRandom,
) -> Result<(), ProductionError> {
    let mut chip = channel.into_chip();
    let refused = {
        let channel = InProcessChannel::new(&mut chip, Interface::Contact);
        match Session::open(channel, TRANSPORT_KEY_VERSION, transport, random) {
            Ok(mut session) => return session.put_keys(CENTRE_KEY_VERSION, centre).map(drop).map_err(perso),
            Err(error) => error,
        }
    };
    // The transport keys are gone if an earlier run got this far: then the centre's keys must open it.
    let channel = InProcessChannel::new(&mut chip, Interface::Contact);
    Session::open(channel, CENTRE_KEY_VERSION, centre, random).map(drop).map_err(|_| perso(refused))
}

/// Initialisation (PRODUCTION-26): six key pairs made on the chip, four requests taken.
pub(crate) fn initialise(
    channel: InProcessChannel,
    centre: &KeySet,
    serial: CardSerial,
    profile: &str,
    random: &mut SharedRandom,
) -> Result<InitialisedCard, ProductionError> {
    let mut session = Session::open(channel, CENTRE_KEY_VERSION, centre, random).map_err(perso)?;
    let request = InitialisationRequest { serial: serial.as_str().into(), profile: profile.into() };
    session.initialise(&request).map_err(perso)
}

/// Personalisation: everything is staged on the chip and takes effect in one commit. Returns whether this run wrote it; a card that
/// no longer knows the centre's keys was written by an earlier run.
pub(crate) fn personalise(
    channel: InProcessChannel,
    centre: &KeySet,
    package: &Package,
    random: &mut SharedRandom,
) -> Result<bool, ProductionError> {
    let mut chip = channel.into_chip();
    let [enc, mac, dek] = &package.pin_management_keys;
    let pin_management = KeySet { enc: enc.clone(), mac: mac.clone(), dek: dek.clone() };
    let refused = {
        let channel = InProcessChannel::new(&mut chip, Interface::Contact);
        match Session::open(channel, CENTRE_KEY_VERSION, centre, random) {
            Ok(mut session) => {
                let files = PersonalisationFiles {
                    serial: package.serial.as_str().into(),
                    can: package.serial.can().as_str().into(),
                    mrz_information: package.mrz_information.clone(),
                    household: package.household.clone(),
                    public: package.public.clone(),
                    encrypted: EncryptedZoneFiles {
                        groups: package.encrypted.clone(),
                        security_object: package.encrypted_object.clone(),
                    },
                    trust_point: package.trust_point.clone(),
                    document_anchor: package.document_anchor.clone(),
                    card_access: package.card_access.clone(),
                    card_security: package.card_security.clone(),
                    certificates: package.certificates.clone(),
                    pin_management_keys: pin_management,
                };
                return session.personalise(&files).map(|_| true).map_err(perso);
            }
            Err(error) => error,
        }
    };
    let channel = InProcessChannel::new(&mut chip, Interface::Contact);
    match Session::open(channel, PIN_MANAGEMENT_KEY_VERSION, &pin_management, random) {
        Ok(_) => Ok(false),
        Err(_) => Err(perso(refused)),
    }
}

pub(crate) fn card(error: impl std::fmt::Display) -> ProductionError {
    ProductionError::Card(error.to_string())
}

/// A card that refuses is at fault; one that does not answer lost its power because its file could not be written, and
/// must not be scrapped for a full disk.
pub(crate) fn perso(error: PersoError) -> ProductionError {
    match error {
        PersoError::Channel(_) => ProductionError::CardFile(error.to_string()),
        _ => card(error),
    }
}
