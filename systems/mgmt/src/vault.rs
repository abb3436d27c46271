//! Personal data of management: what is sealed, under which key, and how persons are found.
//!
//! A case has a key of its own until its card is reported finished; then the key is deleted (MGMT-42), and photo,
//! register data and package can no longer be opened by anyone. A card has another key for the little that management needs as
//! long as the card lives: whose it is and how to reach the holder.

use curve::{Curve, SecretBytes, SecretKey};
use lds::field_security::{self, SALT_LEN};
use model::{CardSerial, CaseNo, NationalIdNo, PersonName, PortraitExemption, RocDate};
use sealed::{DataKey, MasterKey, SharedRandom};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Contact, MgmtError};

/// The keys of management, all derived from one master key of its key store.
#[derive(Clone)]
pub struct MgmtKeys {
    rows: MasterKey,
    persons: MasterKey,
    salts: SecretBytes,
    pin_management: SecretBytes,
    system: SecretBytes,
}

impl MgmtKeys {
    /// Derives the keys.
    pub fn new(master: &MasterKey) -> Self {
        Self {
            rows: master.derive("mgmt/rows"),
            persons: master.derive("mgmt/persons"),
            salts: master.derive_bytes::<32>("mgmt/field-salts"),
            pin_management: master.derive_bytes::<32>("mgmt/pin-management"),
            system: master.derive_bytes::<32>("mgmt/system"),
        }
    }

    /// The keyed hash by which a person's cases and cards are linked.
    pub(crate) fn person(&self, id: &NationalIdNo) -> [u8; 32] {
        self.persons.lookup(id.as_str().as_bytes())
    }

    /// A keyed hash over the printed fields, to notice that one of them changed.
    pub(crate) fn face(&self, fields: &[&str]) -> [u8; 32] {
        let mut text = Vec::new();
        for field in fields {
            text.extend_from_slice(&(field.len() as u64).to_be_bytes());
            text.extend_from_slice(field.as_bytes());
        }
        self.persons.derive("face").lookup(&text)
    }

    /// The salt of a field of the Encrypted Zone after so many updates. It is derived, so that an update can tell from the
    /// signed hashes which fields changed without reading them off the card (OPEN-41).
    pub(crate) fn field_salt(&self, serial: CardSerial, group: u8, sequence: u16) -> [u8; SALT_LEN] {
        field_security::salt(&self.salts, serial.as_str(), group, sequence)
    }

    /// The key by which other systems know this one.
    pub(crate) fn system_key(&self) -> Result<SecretKey, MgmtError> {
        SecretKey::from_bytes(Curve::P256, self.system.expose())
            .map_err(|_| MgmtError::Data("the system's key"))
    }

    /// The key set with which PINs of one card are set. The chip identifier is gone after personalisation, so the serial
    /// tells the cards apart.
    pub(crate) fn pin_management(&self, serial: CardSerial) -> Result<scp::KeySet, MgmtError> {
        scp::diversify(&self.pin_management, serial.as_str().as_bytes())
            .map_err(|_| MgmtError::Data("PIN management keys"))
    }
}

impl std::fmt::Debug for MgmtKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MgmtKeys(..)")
    }
}

/// Seals and opens the columns of one row.
pub(crate) struct RowKey {
    key: DataKey,
    row: String,
}

impl RowKey {
    /// A new key for a case, with the wrapped form to store.
    pub(crate) fn new_case(
        keys: &MgmtKeys,
        case: CaseNo,
        random: &mut SharedRandom,
    ) -> Result<(Self, Vec<u8>), MgmtError> {
        Self::make(keys, format!("mgmt/case/{case}"), random)
    }

    /// A new key for a card, with the wrapped form to store.
    pub(crate) fn new_card(
        keys: &MgmtKeys,
        serial: CardSerial,
        random: &mut SharedRandom,
    ) -> Result<(Self, Vec<u8>), MgmtError> {
        Self::make(keys, format!("mgmt/card/{serial}"), random)
    }

    /// The key of a case from its stored form.
    pub(crate) fn of_case(keys: &MgmtKeys, case: CaseNo, wrapped: &[u8]) -> Result<Self, MgmtError> {
        Self::read(keys, format!("mgmt/case/{case}"), wrapped)
    }

    /// The key of a card from its stored form.
    pub(crate) fn of_card(keys: &MgmtKeys, serial: CardSerial, wrapped: &[u8]) -> Result<Self, MgmtError> {
        Self::read(keys, format!("mgmt/card/{serial}"), wrapped)
    }

    fn make(keys: &MgmtKeys, row: String, random: &mut SharedRandom) -> Result<(Self, Vec<u8>), MgmtError> {
        let (key, wrapped) = keys.rows.new_data_key(random, &row)?;
        Ok((Self { key, row }, wrapped))
    }

    fn read(keys: &MgmtKeys, row: String, wrapped: &[u8]) -> Result<Self, MgmtError> {
        Ok(Self { key: keys.rows.unwrap_data_key(&row, wrapped)?, row })
    }

    pub(crate) fn seal_bytes(
        &self,
        column: &str,
        plain: &[u8],
        random: &mut SharedRandom,
    ) -> Result<Vec<u8>, MgmtError> {
        Ok(self.key.seal(random, &format!("{}/{column}", self.row), plain)?)
    }

    pub(crate) fn open_bytes(&self, column: &str, sealed: &[u8]) -> Result<SecretBytes, MgmtError> {
        Ok(self.key.open(&format!("{}/{column}", self.row), sealed)?)
    }

    pub(crate) fn seal<T: Serialize>(
        &self,
        column: &str,
        value: &T,
        random: &mut SharedRandom,
    ) -> Result<Vec<u8>, MgmtError> {
        let plain =
            SecretBytes::from(serde_json::to_vec(value).map_err(|_| MgmtError::Data("sealed column"))?);
        self.seal_bytes(column, plain.expose(), random)
    }

    pub(crate) fn open<T: DeserializeOwned>(&self, column: &str, sealed: &[u8]) -> Result<T, MgmtError> {
        let plain = self.open_bytes(column, sealed)?;
        serde_json::from_slice(plain.expose()).map_err(|_| MgmtError::Data("sealed column"))
    }
}

/// What the applicant gave, sealed with the case. Stored form, version 1.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredApplicant {
    pub(crate) id: NationalIdNo,
    pub(crate) contact: Contact,
    pub(crate) foreign_name: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) portrait_exemption: Option<PortraitExemption>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) photo: Option<PhotoFacts>,
}

/// What is known of a photo beside the picture, for the reviewing clerk. Stored form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhotoFacts {
    /// The day it was taken on, as declared.
    pub taken: RocDate,
    /// Whether the camera wrote that day too.
    pub camera_agrees: bool,
    /// Programs that left their name in the file: a reason to look twice (CARDFACE-20).
    pub software: Vec<String>,
}

/// Whose a card is, sealed with the card. Stored form, version 1.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredHolder {
    pub(crate) id: NationalIdNo,
    pub(crate) name: PersonName,
    pub(crate) birth: RocDate,
    pub(crate) contact: Contact,
    pub(crate) foreign_name: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) portrait_exemption: Option<PortraitExemption>,
    pub(crate) mrz: [String; 3],
}

/// Columns of `case_data`.
pub(crate) const APPLICANT: &str = "applicant";
pub(crate) const PHOTO: &str = "photo";
pub(crate) const PACKAGE: &str = "package";
/// Column of `card`.
pub(crate) const HOLDER: &str = "holder";
