//! Updating the zones of an issued card: STORE DATA and COMMIT by a terminal that may write (CARD-45, CARD-47, OPEN-41).
//!
//! An update is a package that a document signer of the country has signed for this chip (UPDATE-07, DOCPKI-15). It lies in
//! volatile memory of the channel until COMMIT, which verifies signer, chip and number of the package, then checks its files
//! against the rights of the terminal and against everything that stays, and writes them in one transaction: a card has the
//! old state or the new one, each with the security object that vouches for it. PIN1 is not needed, and no old value leaves
//! the chip. Two keys take part: that of the terminal, which may write, and that of the signer, who says what. The chip signs
//! what it took: the receipt (UPDATE-08), which may be asked for again where an answer was lost.

use std::collections::BTreeMap;

use apdu::{Command, Response, StatusWord};
use curve::Hash;
use eac::cvc::{Date, UpdateRights};
use jiff::Timestamp;
use jiff::tz::Offset;
use lds::chip_update::{ChipUpdate, NotForThisChip, UpdatedFile};
use lds::household::HouseholdData;
use lds::public_zone::Files;
use lds::{DataGroup, LdsSecurityObject, PublicZone, UpdateReceipt, sod};
use tlv::oid;
use x509::Certificate;
use x509::cms::SignedData;
use x509::path::{self, Options, Purpose, Revocation};

use crate::application::Application;
use crate::chip::Chip;
use crate::encrypted;
use crate::error::Reply;
use crate::files::{Content, Directory, FILES};
use crate::keys::ACTIVE_AUTHENTICATION;
use crate::nvm::key;
use crate::production::Staging;
use crate::rights::TerminalRights;

/// The most an update may hold: every field, the security objects of three zones and their signatures.
const MAX_UPDATE: usize = 40 * 1024;
/// The most link certificates: one for each roll-over in the life of a card, and some.
const MAX_LINKS: usize = 8;

const SOD: u16 = 0x011D;
const DG11: u16 = 0x010B;
const DG13: u16 = 0x010D;

/// An update under way in a channel.
#[derive(Default)]
pub(crate) struct Update {
    staging: Option<Staging>,
    objects: BTreeMap<u16, Vec<u8>>,
}

impl Chip {
    /// STORE DATA in the channel of a terminal that may write something.
    pub(crate) fn store_update(&mut self, command: &Command) -> Reply {
        self.update_rights()?;
        let update = &mut self.session.channel.as_mut().ok_or(REFUSED)?.update;
        let Some((object, content)) = Staging::accept(&mut update.staging, command)? else {
            return Ok(Response::ok([]));
        };
        if !matches!(object, key::UPDATE_PACKAGE | key::UPDATE_LINKS) {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND.into());
        }
        let update = &mut self.session.channel.as_mut().ok_or(REFUSED)?.update;
        let size: usize = update.objects.values().map(Vec::len).sum();
        if size + content.len() > MAX_UPDATE {
            return Err(StatusWord::NOT_ENOUGH_MEMORY.into());
        }
        update.objects.insert(object, content);
        Ok(Response::ok([]))
    }

    /// COMMIT of an update: all of it, or nothing. With Le the answer is the receipt; P2 = 01 asks for that of the last
    /// update alone.
    pub(crate) fn commit_update(&mut self, command: &Command) -> Reply {
        let rights = self.update_rights()?;
        match (command.p1, command.p2) {
            (0, 0) => {}
            (0, 1) => return Ok(Response::ok(self.update_receipt()?)),
            _ => return Err(StatusWord::INCORRECT_P1_P2.into()),
        }
        // Whatever happens, another update begins from nothing.
        let update = std::mem::take(&mut self.session.channel.as_mut().ok_or(REFUSED)?.update);
        if update.staging.is_some() || update.objects.is_empty() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into());
        }
        if !curve::constant_time_eq(&command.data, &manifest(&update.objects)) {
            return Err(StatusWord::WRONG_DATA.into());
        }
        let (package, hash) = self.verified_package(&update.objects)?;
        let number = package.sequence;
        let objects = &self.objects_of(package, rights)?;
        if objects.contains_key(&key::HOUSEHOLD) {
            check_household(&objects[&key::HOUSEHOLD]).ok_or(StatusWord::WRONG_DATA)?;
        }
        if [SOD, DG11, DG13].iter().any(|object| objects.contains_key(object)) {
            self.check_public(objects, rights)?;
        }
        if objects.keys().any(|object| is_encrypted(*object)) {
            self.check_encrypted(objects)?;
        }
        let files = objects.iter().map(|(object, new)| (*object, Some(new.clone())));
        let number = (key::UPDATE_NUMBER, Some(number.to_be_bytes().to_vec()));
        let changes: Vec<_> = files.chain([number, (key::UPDATE_PACKAGE_HASH, Some(hash))]).collect();
        self.nvm.commit(&changes)?;
        self.nvm.forget_erased();
        match command.le {
            Some(_) => Ok(Response::ok(self.update_receipt()?)),
            None => Ok(Response::ok([])),
        }
    }

    /// The receipt for the last update, signed anew.
    fn update_receipt(&mut self) -> Result<Vec<u8>, StatusWord> {
        let package = self.nvm.load(key::UPDATE_PACKAGE_HASH).map(<[u8]>::to_vec);
        let package = package.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        let number = self.update_number()?;
        let private = self.private_key(ACTIVE_AUTHENTICATION)?;
        let secret = private.ec().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let digest = secret.curve().hash().digest(&UpdateReceipt::to_be_signed(number, &package));
        let signature = secret.sign_digest(&digest).to_plain();
        Ok(UpdateReceipt { number, package, signature }.encode())
    }

    /// The number of the last update.
    fn update_number(&self) -> Result<u16, StatusWord> {
        let number = self.nvm.load(key::UPDATE_NUMBER).and_then(|bytes| bytes.try_into().ok());
        number.map(u16::from_be_bytes).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)
    }

    fn update_rights(&self) -> Result<TerminalRights, StatusWord> {
        let rights = self.session.rights();
        if rights.updates.is_empty() { Err(REFUSED) } else { Ok(rights) }
    }

    /// The package and its SHA-256, if a document signer of the country signed it for this chip, and no later one was taken
    /// before.
    // ADR 20, DOCPKI-15, UPDATE-07.
    fn verified_package(
        &mut self,
        objects: &BTreeMap<u16, Vec<u8>>,
    ) -> Result<(ChipUpdate, Vec<u8>), StatusWord> {
        let cms = objects.get(&key::UPDATE_PACKAGE).and_then(|cms| SignedData::parse(cms).ok());
        let cms = cms.filter(|cms| cms.content_type() == oid::CHIP_UPDATE).ok_or(StatusWord::WRONG_DATA)?;
        let links = objects.get(&key::UPDATE_LINKS).map_or(Some(Vec::new()), |links| certificates(links));
        self.is_signer(&cms, &links.ok_or(StatusWord::WRONG_DATA)?)
            .ok_or(StatusWord::AUTHENTICATION_FAILED)?;
        let content = cms.content().ok_or(StatusWord::WRONG_DATA)?;
        let package = ChipUpdate::decode(content).map_err(|_| StatusWord::WRONG_DATA)?;
        let hash = Hash::Sha256.digest(content);
        let chip_key = self.chip_authentication_point()?;
        match package.is_next_for(chip_key.as_uncompressed(), self.update_number()?) {
            // A package that never reached the card leaves a gap; what it said is in the next one.
            Ok(()) | Err(NotForThisChip::Early) => Ok((package, hash)),
            Err(NotForThisChip::OtherChip) => Err(StatusWord::WRONG_DATA),
            Err(NotForThisChip::Replayed) => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
        }
    }

    /// Whether the signature is good and leads to the country signing CA that the card was given.
    fn is_signer(&self, cms: &SignedData, links: &[Certificate]) -> Option<()> {
        let anchor = Certificate::parse(self.nvm.load(key::DOCUMENT_ANCHOR)?).ok()?;
        let signer = cms.verify().ok()?;
        // The chip has no clock: what it knows is a day that has come (CARD-57), and that the signer's has.
        let (_, date) = self.trust()?;
        let now = start_of(date)?.max(signer.not_before());
        let options = Options::at(now).purpose(Purpose::DocumentSigner).crls(&[], Revocation::Unchecked);
        path::validate(signer, links, &[anchor], &options).ok().map(drop)
    }

    /// The records that the files of a package are, each of which the terminal may write.
    fn objects_of(
        &self,
        package: ChipUpdate,
        rights: TerminalRights,
    ) -> Result<BTreeMap<u16, Vec<u8>>, StatusWord> {
        let mut objects = BTreeMap::new();
        for file in package.files {
            let (application, object) = object_of(&file).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
            self.may_write(object, rights)?;
            if self.nvm.is_suspended(application) {
                return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
            }
            if objects.insert(object, file.content).is_some() {
                return Err(StatusWord::WRONG_DATA);
            }
        }
        Ok(objects)
    }

    /// Whether the terminal may store this object at all: a field that it may write, or the security object of a zone in
    /// which it may write something.
    fn may_write(&self, object: u16, rights: TerminalRights) -> Result<(), StatusWord> {
        let placement = self.profile.ok_or(REFUSED)?.fields;
        let public = UpdateRights::ADDRESS.with(UpdateRights::MILITARY_SERVICE);
        let any_public = !(rights.updates & public).is_empty();
        let allowed = match object {
            key::HOUSEHOLD => rights.updates.contains(UpdateRights::HOUSEHOLD),
            DG11 => rights.updates.contains(UpdateRights::ADDRESS),
            SOD | DG13 => any_public,
            key::EID_SECURITY_OBJECT => {
                lds::eid::Field::ALL.into_iter().any(|field| rights.may_update(field))
            }
            _ => group_of(object)
                .and_then(|group| placement.field(group))
                .is_some_and(|field| rights.may_update(field)),
        };
        if allowed { Ok(()) } else { Err(REFUSED) }
    }

    /// The public zone after the update: its security object vouches for every data group, and nothing has changed but what
    /// table 4 and the terminal's rights let change.
    fn check_public(
        &self,
        objects: &BTreeMap<u16, Vec<u8>>,
        rights: TerminalRights,
    ) -> Result<(), StatusWord> {
        let stored = |group: DataGroup| self.nvm.load(group.fid()).map(<[u8]>::to_vec);
        let old: Files =
            DataGroup::ALL.into_iter().filter_map(|group| Some((group, stored(group)?))).collect();
        let mut new = old.clone();
        for group in [DataGroup::Dg11, DataGroup::Dg13, DataGroup::Sod] {
            if let Some(file) = objects.get(&group.fid()) {
                new.insert(group, file.clone());
            }
        }
        let security_object = new.get(&DataGroup::Sod).filter(|_| objects.contains_key(&SOD));
        let signed =
            security_object.and_then(|file| lds_security_object(file)).ok_or(StatusWord::WRONG_DATA)?;
        if PublicZone::security_object(signed.hash, &new) != signed {
            return Err(StatusWord::WRONG_DATA);
        }
        let decode = |files: &Files| PublicZone::from_data_groups(files).map_err(|_| StatusWord::WRONG_DATA);
        let (old, new) = (decode(&old)?, decode(&new)?);
        let mut allowed = old;
        if rights.updates.contains(UpdateRights::ADDRESS) {
            allowed.address = new.address.clone();
        }
        if rights.updates.contains(UpdateRights::MILITARY_SERVICE) {
            allowed.military_service = new.military_service.clone();
        }
        if allowed == new { Ok(()) } else { Err(REFUSED) }
    }

    /// The encrypted zone after the update, with the security object that follows the one before: an old package cannot come
    /// back, and none is left out (DOCPKI-15).
    fn check_encrypted(&mut self, objects: &BTreeMap<u16, Vec<u8>>) -> Result<(), StatusWord> {
        let placement = self.profile.ok_or(REFUSED)?.fields;
        if !objects.contains_key(&key::EID_SECURITY_OBJECT) {
            return Err(StatusWord::WRONG_DATA);
        }
        let chip_key = self.chip_authentication_point()?;
        let load = |object: u16| objects.get(&object).map(Vec::as_slice).or_else(|| self.nvm.load(object));
        let new = encrypted::inspect(load, placement, chip_key.as_uncompressed())?;
        let old = encrypted::security_object(self.nvm.load(key::EID_SECURITY_OBJECT));
        if old.is_some_and(|old| Some(new.sequence) == old.sequence.checked_add(1)) {
            Ok(())
        } else {
            Err(StatusWord::CONDITIONS_NOT_SATISFIED)
        }
    }
}

/// The right is missing.
const REFUSED: StatusWord = StatusWord::SECURITY_STATUS_NOT_SATISFIED;

/// The application of a file and its record, if it is one that is stored.
fn object_of(file: &UpdatedFile) -> Option<(Application, u16)> {
    let application = Application::from_aid(&file.application)?;
    let directory = match application {
        Application::Household => Directory::Household,
        Application::PublicNational => Directory::Public,
        Application::Eid => Directory::Eid,
        _ => return None,
    };
    let fid = u16::from_be_bytes(file.file);
    let file = FILES.iter().find(|f| f.directory == directory && f.fid == fid)?;
    match file.content {
        Content::Stored(object) => Some((application, object)),
        _ => None,
    }
}

/// Certificates one after the other.
fn certificates(der: &[u8]) -> Option<Vec<Certificate>> {
    let objects = tlv::Reader::new(der).map(|object| Certificate::parse(object.ok()?.raw).ok());
    objects.collect::<Option<Vec<_>>>().filter(|list| list.len() <= MAX_LINKS)
}

/// The first moment of a day.
fn start_of(day: Date) -> Option<Timestamp> {
    let year = i16::try_from(day.year()).ok()?;
    let (month, day) = (i8::try_from(day.month()).ok()?, i8::try_from(day.day()).ok()?);
    let date = jiff::civil::Date::new(year, month, day).ok()?;
    Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()
}

/// The data group an object of the encrypted zone is.
fn group_of(object: u16) -> Option<u8> {
    let group = u8::try_from(object.checked_sub(key::EID_GROUP)?).ok()?;
    (1..=lds::eid::MAX_GROUP).contains(&group).then_some(group)
}

fn is_encrypted(object: u16) -> bool {
    object == key::EID_SECURITY_OBJECT || group_of(object).is_some()
}

/// The hash over identifier, length and content of each object.
fn manifest(objects: &BTreeMap<u16, Vec<u8>>) -> Vec<u8> {
    let mut hasher = Hash::Sha256.hasher();
    for (object, content) in objects {
        hasher.update(&object.to_be_bytes());
        hasher.update(&(content.len() as u32).to_be_bytes());
        hasher.update(content);
    }
    hasher.finish()
}

fn check_household(file: &[u8]) -> Option<()> {
    let cms = SignedData::parse(file).ok()?;
    cms.verify().ok()?;
    HouseholdData::decode(cms.content().filter(|_| cms.content_type() == oid::HOUSEHOLD_DATA)?).ok()?;
    Some(())
}

fn lds_security_object(file: &[u8]) -> Option<LdsSecurityObject> {
    let cms = SignedData::parse(sod::unwrap(file).ok()?).ok()?;
    cms.verify().ok()?;
    LdsSecurityObject::decode(cms.content().filter(|_| cms.content_type() == oid::LDS_SECURITY_OBJECT)?).ok()
}
