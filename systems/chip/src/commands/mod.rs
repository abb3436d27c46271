//! The handlers of the commands, by what they are about. Each is a method of [`crate::Chip`]; what the life cycle, the class
//! byte and secure messaging have to say has been said before.

mod bac;
mod certificate;
mod pace;
mod pins;
mod read;
mod select;
mod terminal;
mod update;

pub(crate) use pins::{PIN1, PIN2, Pin, delay};
pub(crate) use terminal::{RESTRICTED_HASH, RESTRICTED_KEY_ID};
pub(crate) use update::Update;
