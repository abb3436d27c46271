//! The encrypted zone as a whole: what must hold between its files, at personalisation and after every update.
//!
//! A reader that verifies the zone's security object can only be told the truth if the chip never holds files and hashes
//! that contradict each other. So the chip checks what it is given before it takes it; who signed it, readers check.

use apdu::StatusWord;
use lds::FieldSecurityObject;
use lds::eid::Placement;
use lds::field_security::{FieldCheck, without_salt};
use tlv::oid;
use x509::cms::SignedData;

use crate::nvm::key;

/// Checks the files that `load` gives: exactly the data groups of `placement`, each with its salt, and a signed security
/// object for this chip (its key as uncompressed point) that vouches for every one of them.
// CARD-33, CARD-47, DOCPKI-04.
pub(crate) fn inspect<'a>(
    load: impl Fn(u16) -> Option<&'a [u8]>,
    placement: Placement,
    chip_key: &[u8],
) -> Result<FieldSecurityObject, StatusWord> {
    let object = security_object(load(key::EID_SECURITY_OBJECT)).ok_or(StatusWord::WRONG_DATA)?;
    let groups = placement.groups();
    let complete = (1..=lds::eid::MAX_GROUP).all(|group| {
        let expected = groups.contains(&group);
        match load(key::EID_GROUP + u16::from(group)) {
            Some(file) => {
                expected && without_salt(file).is_ok() && object.check(group, file) == FieldCheck::Unaltered
            }
            None => !expected && !object.hashes.contains_key(&group),
        }
    });
    if complete && object.is_of_chip(chip_key) { Ok(object) } else { Err(StatusWord::WRONG_DATA) }
}

/// The security object in a file, if the file is signed by the certificate in it.
pub(crate) fn security_object(file: Option<&[u8]>) -> Option<FieldSecurityObject> {
    let cms = SignedData::parse(file?).ok()?;
    if cms.content_type() != oid::FIELD_SECURITY_OBJECT || cms.verify().is_err() {
        return None;
    }
    FieldSecurityObject::decode(cms.content()?).ok()
}
