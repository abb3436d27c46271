//! What the other systems see of the register.

use async_trait::async_trait;
use jiff::Timestamp;
use model::{Address, CardSerial, NationalIdNo, PersonName, RocDate};
use serde::{Deserialize, Serialize};

use crate::RegistryError;
use crate::person::{Person, Status};

/// The household register as another system uses it.
#[async_trait]
pub trait Register: Send + Sync {
    /// The person with this number as registered at this moment, or `None`.
    async fn person(&self, id: &NationalIdNo) -> Result<Option<Person>, RegistryError>;

    /// Files the photo of an accepted application in the history of digital photos (MGMT-36, MGMT-41), from which cards
    /// are made. Filed once per `filed_for`, the number of the application.
    async fn file_portrait(
        &self,
        id: &NationalIdNo,
        filed_for: &str,
        jpeg: &[u8],
        now: Timestamp,
    ) -> Result<(), RegistryError>;

    /// The newest photo on file.
    async fn portrait(&self, id: &NationalIdNo) -> Result<Option<Vec<u8>>, RegistryError>;

    /// Marks on a person's entry how a card stands (掛失註記: MGMT-41, LOSS-11). `step` counts the changes of that card: a mark with
    /// a lower one comes late and changes nothing, and the same mark may be sent again.
    async fn mark_card(
        &self,
        id: &NationalIdNo,
        card: CardSerial,
        mark: CardMark,
        step: u64,
        now: Timestamp,
    ) -> Result<(), RegistryError>;

    /// The mark of a card on a person's entry; a card that was never marked is in force.
    async fn card_mark(&self, id: &NationalIdNo, card: CardSerial) -> Result<CardMark, RegistryError>;

    /// The changes with a sequence number above `sequence`, in order, at most `limit`.
    async fn events_after(&self, sequence: u64, limit: u32) -> Result<Vec<RegisterEvent>, RegistryError>;
}

/// How a card stands, as it is marked on its holder's entry (MGMT-41).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardMark {
    /// 有效
    #[default]
    InForce,
    /// 掛失: reported lost.
    Lost,
    /// 失效: void for good.
    Void,
}

impl CardMark {
    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "in-force",
            Self::Lost => "lost",
            Self::Void => "void",
        }
    }

    /// The mission's word.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::InForce => "有效",
            Self::Lost => "掛失",
            Self::Void => "失效",
        }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        [Self::InForce, Self::Lost, Self::Void].into_iter().find(|mark| mark.as_str() == text)
    }
}

/// A change that was recorded. It says what kind of thing changed; the new data is asked for with [`Register::person`].
#[derive(Clone, PartialEq, Eq)]
pub struct RegisterEvent {
    /// Ascending without gaps.
    pub sequence: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// Whose entry changed.
    pub person: NationalIdNo,
    /// What changed.
    pub kind: EventKind,
}

impl std::fmt::Debug for RegisterEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RegisterEvent({}, {})", self.sequence, self.kind)
    }
}

/// Kinds of register events other systems react to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// Death or declaration of death.
    Death,
    /// Registration moved abroad.
    MovedAbroad,
    /// Registered again in the country.
    Returned,
    /// Reported missing.
    Missing,
    /// Withdrawn from the missing list.
    Found,
    /// Guardianship ordered.
    Guardianship,
    /// Guardianship ended.
    GuardianshipEnded,
    /// Moved within the country.
    Moved,
    /// The authorities gave the same home another address: houses renumbered, villages divided or renamed.
    Renumbered,
    /// Name changed.
    NameChanged,
    /// Marriage.
    Married,
    /// Marriage ended.
    MarriageEnded,
    /// Another category of military service.
    MilitaryService,
    /// An entry that stands on no card's face was corrected: parents, the spouse's name, place of birth.
    Corrected,
}

impl EventKind {
    const ALL: &[Self] = &[
        Self::Death,
        Self::MovedAbroad,
        Self::Returned,
        Self::Missing,
        Self::Found,
        Self::Guardianship,
        Self::GuardianshipEnded,
        Self::Moved,
        Self::Renumbered,
        Self::NameChanged,
        Self::Married,
        Self::MarriageEnded,
        Self::MilitaryService,
        Self::Corrected,
    ];

    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Death => "death",
            Self::MovedAbroad => "moved_abroad",
            Self::Returned => "returned",
            Self::Missing => "missing",
            Self::Found => "found",
            Self::Guardianship => "guardianship",
            Self::GuardianshipEnded => "guardianship_ended",
            Self::Moved => "moved",
            Self::Renumbered => "renumbered",
            Self::NameChanged => "name_changed",
            Self::Married => "married",
            Self::MarriageEnded => "marriage_ended",
            Self::MilitaryService => "military_service",
            Self::Corrected => "corrected",
        }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A change to record, with its data.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Death or declaration of death.
    Death(RocDate),
    /// Registration moved abroad.
    MovedAbroad(RocDate),
    /// Registered again at this address.
    Returned(Address),
    /// Reported missing.
    Missing(RocDate),
    /// Withdrawn from the missing list.
    Found,
    /// Guardianship ordered or ended.
    Guardianship(bool),
    /// Moved within the country.
    Moved(Address),
    /// The same home under another address; see [`crate::Renumbering`].
    Renumbered(Address),
    /// Name changed.
    Name(PersonName),
    /// Marriage with the person of this name.
    Married(PersonName),
    /// Marriage ended.
    MarriageEnded,
    /// The spouse has another name now.
    Spouse(PersonName),
    /// Another category of military service.
    MilitaryService(model::MilitaryServiceCategory),
    /// The names of father and mother corrected.
    Parents(Option<PersonName>, Option<PersonName>),
    /// The place of birth corrected.
    Birthplace(String),
}

impl Change {
    /// The kind of event it leads to.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Death(_) => EventKind::Death,
            Self::MovedAbroad(_) => EventKind::MovedAbroad,
            Self::Returned(_) => EventKind::Returned,
            Self::Missing(_) => EventKind::Missing,
            Self::Found => EventKind::Found,
            Self::Guardianship(true) => EventKind::Guardianship,
            Self::Guardianship(false) => EventKind::GuardianshipEnded,
            Self::Moved(_) => EventKind::Moved,
            Self::Renumbered(_) => EventKind::Renumbered,
            Self::Name(_) => EventKind::NameChanged,
            Self::Married(_) => EventKind::Married,
            Self::MarriageEnded => EventKind::MarriageEnded,
            Self::MilitaryService(_) => EventKind::MilitaryService,
            Self::Spouse(_) | Self::Parents(..) | Self::Birthplace(_) => EventKind::Corrected,
        }
    }

    /// Whether the register can record it of this person: nobody is the spouse of an unmarried person.
    pub(crate) fn fits(&self, person: &Person) -> bool {
        match self {
            Self::Spouse(_) | Self::MarriageEnded => person.marital == model::MaritalStatus::Married,
            _ => true,
        }
    }

    pub(crate) fn apply(&self, person: &mut Person) {
        match self {
            Self::Death(day) => person.status = Status::Deceased(*day),
            Self::MovedAbroad(day) => person.status = Status::Abroad(*day),
            Self::Returned(address) => {
                person.status = Status::Living;
                person.address = address.clone();
            }
            Self::Missing(day) => person.status = Status::Missing(*day),
            Self::Found => person.status = Status::Living,
            Self::Guardianship(ordered) => person.guardianship = *ordered,
            Self::Moved(address) | Self::Renumbered(address) => person.address = address.clone(),
            Self::Name(name) => person.name = name.clone(),
            Self::Married(spouse) => {
                person.marital = model::MaritalStatus::Married;
                person.spouse = Some(spouse.clone());
            }
            Self::MarriageEnded => {
                person.marital = model::MaritalStatus::Single;
                person.spouse = None;
            }
            Self::Spouse(name) => person.spouse = Some(name.clone()),
            Self::MilitaryService(category) => person.military = *category,
            Self::Parents(father, mother) => {
                (person.father, person.mother) = (father.clone(), mother.clone())
            }
            Self::Birthplace(place) => person.birthplace.clone_from(place),
        }
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Change({})", self.kind())
    }
}
