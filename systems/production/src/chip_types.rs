//! Types of chips: how a lot names its type, and which type a card of a profile needs (CARD-12).

use chip::{ChipType, Profile};

use crate::ProductionError;

/// The name of the type that cards of this profile are made on, as lots and the register have it.
pub fn chip_type_of(profile: model::CardProfile) -> Result<String, ProductionError> {
    let profile =
        Profile::by_name(profile.as_str()).ok_or(ProductionError::Data("profile without a chip type"))?;
    Ok(profile.chip.name())
}

/// The type with this name, among those that have a profile.
pub(crate) fn by_name(name: &str) -> Option<ChipType> {
    Profile::built_in().iter().map(|profile| profile.chip).find(|chip| chip.name() == name)
}
