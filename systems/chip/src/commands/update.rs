//! Updating the zones of an issued card: STORE DATA and COMMIT by a terminal that may write (CARD-45, CARD-47, OPEN-41).
//!
//! What a terminal stores lies in volatile memory of its channel. COMMIT checks it against the rights of the terminal and
//! against everything that stays, and writes it in one transaction: a card has the old state or the new one, each with the
//! security object that vouches for it. PIN1 is not needed, and no old value leaves the chip.

use std::collections::BTreeMap;

use apdu::{Command, Response, StatusWord};
use curve::Hash;
use eac::cvc::UpdateRights;
use lds::household::HouseholdData;
use lds::public_zone::Files;
use lds::{DataGroup, LdsSecurityObject, PublicZone, sod};
use tlv::oid;
use x509::cms::SignedData;

use crate::chip::Chip;
use crate::encrypted;
use crate::error::Reply;
use crate::nvm::key;
use crate::production::Staging;
use crate::rights::TerminalRights;

/// The most an update may hold: every field and the security objects of three zones.
const MAX_UPDATE: usize = 32 * 1024;

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
        let rights = self.update_rights()?;
        let update = &mut self.session.channel.as_mut().ok_or(REFUSED)?.update;
        let Some((object, content)) = Staging::accept(&mut update.staging, command)? else {
            return Ok(Response::ok([]));
        };
        // The right for each object, before anything is kept of it.
        self.may_write(object, rights)?;
        let update = &mut self.session.channel.as_mut().ok_or(REFUSED)?.update;
        let size: usize = update.objects.values().map(Vec::len).sum();
        if size + content.len() > MAX_UPDATE {
            return Err(StatusWord::NOT_ENOUGH_MEMORY.into());
        }
        update.objects.insert(object, content);
        Ok(Response::ok([]))
    }

    /// COMMIT of an update: all of it, or nothing.
    pub(crate) fn commit_update(&mut self, command: &Command) -> Reply {
        let rights = self.update_rights()?;
        // Whatever happens, another update begins from nothing.
        let update = std::mem::take(&mut self.session.channel.as_mut().ok_or(REFUSED)?.update);
        if update.staging.is_some() || update.objects.is_empty() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into());
        }
        if !curve::constant_time_eq(&command.data, &manifest(&update.objects)) {
            return Err(StatusWord::WRONG_DATA.into());
        }
        let objects = &update.objects;
        if objects.contains_key(&key::HOUSEHOLD) {
            check_household(&objects[&key::HOUSEHOLD]).ok_or(StatusWord::WRONG_DATA)?;
        }
        if [SOD, DG11, DG13].iter().any(|object| objects.contains_key(object)) {
            self.check_public(objects, rights)?;
        }
        if objects.keys().any(|object| is_encrypted(*object)) {
            self.check_encrypted(objects)?;
        }
        let changes: Vec<_> = update.objects.into_iter().map(|(object, new)| (object, Some(new))).collect();
        self.nvm.commit(&changes)?;
        self.nvm.forget_erased();
        Ok(Response::ok([]))
    }

    fn update_rights(&self) -> Result<TerminalRights, StatusWord> {
        let rights = self.session.rights();
        if rights.updates.is_empty() { Err(REFUSED) } else { Ok(rights) }
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
