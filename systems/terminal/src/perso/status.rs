//! What a card says about itself inside SCP03: GET DATA 00E0.

use super::PersoError;

/// The state of the chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChipLifeCycle {
    /// Locked under the transport keys.
    Delivered,
    /// Under the card centre's keys.
    Washed,
    /// Key pairs made.
    Initialised,
    /// Personalised; no PIN was ever set.
    Personalised,
    /// Its holder has set a PIN.
    Operational,
    /// Locked by the ministry.
    Locked,
    /// Erased.
    Terminated,
}

/// One PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinStatus {
    /// Whether the holder has one.
    pub set: bool,
    /// Tries that are left.
    pub tries: u8,
}

/// The status of a chip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChipStatus {
    /// Where it is in its life.
    pub life_cycle: ChipLifeCycle,
    /// Card serial number, from initialisation on.
    pub serial: Option<String>,
    /// Profile, from initialisation on.
    pub profile: Option<String>,
    /// Chip identifier, until personalisation seals it.
    pub chip_id: Option<[u8; 8]>,
    /// Bytes in use by zone (0 card, 1 household, 2 public, 3 encrypted, 4 certificate, 5 system).
    pub memory: Vec<(u8, u32)>,
    /// Bytes there are in all.
    pub budget: u32,
    /// Identifiers of suspended applications.
    pub suspended: Vec<Vec<u8>>,
    /// PIN1.
    pub pin1: PinStatus,
    /// PIN2.
    pub pin2: PinStatus,
}

impl ChipStatus {
    /// Reads the template.
    pub(super) fn parse(data: &[u8]) -> Result<Self, PersoError> {
        Self::read(data).ok_or(PersoError::Malformed("GET DATA"))
    }

    fn read(data: &[u8]) -> Option<Self> {
        let template = tlv::expect(data, 0xE0).ok()?;
        let value = |tag| template.child(tag).map(|object| object.value);
        let text = |tag| value(tag).and_then(|v| std::str::from_utf8(v).ok()).map(str::to_owned);
        let life_cycle = match value(0xC0)? {
            [1] => ChipLifeCycle::Delivered,
            [2] => ChipLifeCycle::Washed,
            [3] => ChipLifeCycle::Initialised,
            [4] => ChipLifeCycle::Operational,
            [5] => ChipLifeCycle::Locked,
            [6] => ChipLifeCycle::Terminated,
            [7] => ChipLifeCycle::Personalised,
            _ => return None,
        };
        let (usage, []) = value(0xC4)?.as_chunks::<5>() else { return None };
        let [set1, tries1, set2, tries2] = *value(0xC7)?.first_chunk::<4>()?;
        Some(Self {
            life_cycle,
            serial: text(0xC1),
            profile: text(0xC2),
            chip_id: value(0xC3).and_then(|v| v.try_into().ok()),
            memory: usage
                .iter()
                .map(|[zone, a, b, c, d]| (*zone, u32::from_be_bytes([*a, *b, *c, *d])))
                .collect(),
            budget: u32::from_be_bytes(value(0xC5)?.try_into().ok()?),
            suspended: template
                .children()
                .filter_map(Result::ok)
                .filter(|object| object.tag == 0xC6)
                .map(|object| object.value.to_vec())
                .collect(),
            pin1: PinStatus { set: set1 != 0, tries: tries1 },
            pin2: PinStatus { set: set2 != 0, tries: tries2 },
        })
    }

    /// Bytes in use in all zones together.
    pub fn memory_in_use(&self) -> u32 {
        self.memory.iter().map(|(_, used)| used).sum()
    }
}
