//! What the chip keeps in its memory: which record is what, how much there is room for, and the typed values.

use curve::SecretBytes;

use crate::ChipError;
use crate::access::Zone;
use crate::application::Application;
use crate::life_cycle::LifeCycle;
use crate::memory::{Memory, MemoryError};
use crate::profile::Profile;

/// The keys of the records. Files of the zones have the key of the object they were stored as.
pub(crate) mod key {
    pub(crate) const LIFE_CYCLE: u16 = 0x0001;
    pub(crate) const FACTORY: u16 = 0x0002;
    pub(crate) const PROFILE: u16 = 0x0003;
    pub(crate) const SERIAL: u16 = 0x0004;
    /// The key set in force: transport, then centre, then PIN management.
    pub(crate) const KEY_SET: u16 = 0x0010;
    /// PIN management keys, waiting for the commit.
    pub(crate) const KEY_SET_NEXT: u16 = 0x0011;
    pub(crate) const KEY_SET_FAILURES: u16 = 0x0012;
    pub(crate) const PIN1: u16 = 0x0020;
    pub(crate) const PIN1_TRIES: u16 = 0x0021;
    pub(crate) const PIN2: u16 = 0x0022;
    pub(crate) const PIN2_TRIES: u16 = 0x0023;
    pub(crate) const ACCESS_FAILURES: u16 = 0x0024;
    pub(crate) const SUSPENDED: u16 = 0x0025;
    /// Private keys: 0030 plus the slot; 5 is active, 6 chip authentication, 7 restricted identification.
    pub(crate) const PRIVATE_KEY: u16 = 0x0030;
    pub(crate) const HOUSEHOLD: u16 = 0x0201;
    /// Certificate requests: 0300 plus the slot, until personalisation.
    pub(crate) const REQUEST: u16 = 0x0300;
    /// Certificates: 0400 plus the slot; 5 is the root, 6 the intermediate.
    pub(crate) const CERTIFICATE: u16 = 0x0400;
    pub(crate) const DEVICE_CERTIFICATE: u16 = 0x0480;
    pub(crate) const CARD_ACCESS: u16 = 0x051C;
    pub(crate) const CARD_SECURITY: u16 = 0x051D;
    /// Data groups of the encrypted zone: 0600 plus the number, each with its salt behind it.
    pub(crate) const EID_GROUP: u16 = 0x0600;
    pub(crate) const EID_SECURITY_OBJECT: u16 = 0x0618;
    /// The trust point for terminals, until the commit.
    pub(crate) const ROOT: u16 = 0x0701;
    /// The trust points, the newest first, and the date the card knows.
    pub(crate) const TRUST_POINTS: u16 = 0x0702;
    pub(crate) const CARD_DATE: u16 = 0x0703;
    /// The certificate of the country signing CA: who may sign updates.
    pub(crate) const DOCUMENT_ANCHOR: u16 = 0x0704;
    /// The number of the last update, two bytes.
    pub(crate) const UPDATE_NUMBER: u16 = 0x0705;
    /// SHA-256 of the last update's package, for the receipt. None before the first.
    pub(crate) const UPDATE_PACKAGE_HASH: u16 = 0x0706;
    /// Objects of an update that are never stored: the signed package, and link certificates between the anchor and its signer.
    pub(crate) const UPDATE_PACKAGE: u16 = 0x0801;
    pub(crate) const UPDATE_LINKS: u16 = 0x0802;
    pub(crate) const CAN: u16 = 0x1001;
    pub(crate) const MRZ: u16 = 0x1002;
}

/// Usable memory of the chip in bytes.
// CARD-05.
pub const BUDGET: usize = 120 * 1024;

/// What a record costs beside its content.
const RECORD_HEAD: usize = 8;

/// The zone a record is counted for.
pub(crate) const fn zone_of(key: u16) -> Zone {
    match key {
        0x0031..=0x0034 | 0x0300..=0x04FF => Zone::Certificate,
        0x0035 | 0x0100..=0x01FF => Zone::Public,
        0x0036 | 0x0037 | 0x0600..=0x06FF => Zone::Encrypted,
        0x0200..=0x02FF => Zone::Household,
        0x0500..=0x05FF => Zone::Card,
        _ => Zone::System,
    }
}

/// The memory with its budget.
pub(crate) struct Nvm(Box<dyn Memory>);

/// Why a command could not write.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The budget does not allow it.
    Full,
    /// The medium refused; nothing was written.
    Failed,
    /// There is no power any more: no answer may be given.
    Dead,
}

impl Nvm {
    pub(crate) fn new(memory: Box<dyn Memory>) -> Self {
        Self(memory)
    }

    pub(crate) fn into_memory(self) -> Box<dyn Memory> {
        self.0
    }

    pub(crate) fn load(&self, key: u16) -> Option<&[u8]> {
        self.0.load(key)
    }

    pub(crate) fn secret(&self, key: u16) -> Option<SecretBytes> {
        self.load(key).map(SecretBytes::from)
    }

    /// One byte, or `default` where there is no record.
    pub(crate) fn byte(&self, key: u16, default: u8) -> u8 {
        match self.load(key) {
            Some([byte]) => *byte,
            _ => default,
        }
    }

    pub(crate) fn keys(&self) -> Vec<u16> {
        self.0.records().into_iter().map(|(key, _)| key).collect()
    }

    /// Writes all changes or none.
    pub(crate) fn commit(&mut self, changes: &[(u16, Option<Vec<u8>>)]) -> Result<(), WriteError> {
        let mut size: usize = self.0.records().iter().map(|(_, len)| len + RECORD_HEAD).sum();
        for (key, value) in changes {
            size -= self.load(*key).map_or(0, |old| old.len() + RECORD_HEAD);
            size += value.as_ref().map_or(0, |new| new.len() + RECORD_HEAD);
        }
        if size > BUDGET {
            return Err(WriteError::Full);
        }
        self.0.commit(changes).map_err(|error| match error {
            MemoryError::PowerCut => WriteError::Dead,
            _ => WriteError::Failed,
        })
    }

    /// Makes what was erased unreadable.
    pub(crate) fn forget_erased(&mut self) {
        self.0.forget_erased();
    }

    pub(crate) fn commit_byte(&mut self, key: u16, value: u8) -> Result<(), WriteError> {
        self.commit(&[(key, Some(vec![value]))])
    }

    /// Bytes in use per zone, in the order of [`Zone::ALL`].
    pub(crate) fn usage(&self) -> Vec<(Zone, usize)> {
        let mut usage: Vec<(Zone, usize)> = Zone::ALL.into_iter().map(|zone| (zone, 0)).collect();
        for (key, len) in self.0.records() {
            usage[zone_of(key) as usize].1 += len + RECORD_HEAD;
        }
        usage
    }

    pub(crate) fn life_cycle(&self) -> Result<LifeCycle, ChipError> {
        match self.load(key::LIFE_CYCLE) {
            // CARD-50: what makes a card operational is that its holder has set a PIN.
            Some([number]) => match LifeCycle::from_number(*number) {
                Some(LifeCycle::Operational)
                    if self.load(key::PIN1).is_none() && self.load(key::PIN2).is_none() =>
                {
                    Ok(LifeCycle::Personalised)
                }
                Some(LifeCycle::Personalised) | None => Err(ChipError::Inconsistent("life cycle")),
                Some(state) => Ok(state),
            },
            Some(_) => Err(ChipError::Inconsistent("life cycle")),
            None => Err(ChipError::NotAChip),
        }
    }

    pub(crate) fn profile(&self) -> Result<Option<&'static Profile>, ChipError> {
        let Some(name) = self.load(key::PROFILE) else { return Ok(None) };
        let name = std::str::from_utf8(name).map_err(|_| ChipError::Inconsistent("profile"))?;
        Profile::given(name).map(Some).ok_or(ChipError::Inconsistent("profile"))
    }

    /// Whether the certificate zone was opened at personalisation.
    pub(crate) fn certificate_zone_is_open(&self) -> bool {
        (1..=6).any(|slot| self.load(key::CERTIFICATE + slot).is_some())
    }

    pub(crate) fn is_suspended(&self, application: Application) -> bool {
        self.byte(key::SUSPENDED, 0) & application.bit() != 0
    }
}
