//! PIN1: where it stands, and how its holder changes it (TR-03110-3 §B.11.1, §B.6.3; CARD-30, CARD-51).
//!
//! PIN1 is a password of PACE: proving it and opening a channel are one act. With one try left it is suspended, and the
//! channel must be opened inside one that proved the access number.

use apdu::{CardChannel, Command, StatusWord};
use curve::{Random, SecretBytes};
use eac::pace::{Parameters, SetAuthenticationTemplate};
use eac::{Password, PasswordReference};

use crate::{Card, CardError, Refusal};

/// Digits of PIN1.
const DIGITS: usize = 6;

/// Where PIN1 stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin1Status {
    /// Not set yet: the encrypted zone is closed.
    NotSet,
    /// Can be used; this many tries are left.
    Usable {
        /// Tries left.
        tries_left: u8,
    },
    /// One try is left, and the access number comes first.
    Suspended,
    /// No tries left.
    Blocked,
    /// Not on this interface, or not on this card.
    Absent,
}

/// Why PIN1 could not be used or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Pin1Error {
    // The holder's.
    /// Wrong PIN1.
    #[error("{refusal}（剩餘 {tries_left} 次 {tries_left} tries left）", refusal = Refusal::Pin1Wrong)]
    Wrong {
        /// Tries left.
        tries_left: u8,
    },
    /// Suspended, blocked, not set, of an impossible form, or absent.
    #[error("{0}")]
    Unusable(Refusal),

    // The card's or the reader's.
    /// Anything else the card or channel said; also a wrong access number.
    #[error("{refusal} ({0})", refusal = .0.refusal())]
    Card(#[from] CardError),
}

impl Pin1Error {
    /// The stable code, whose fault it is, and the words for people.
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::Wrong { .. } => Refusal::Pin1Wrong,
            Self::Unusable(refusal) => *refusal,
            Self::Card(error) => error.refusal(),
        }
    }
}

/// Asks where PIN1 stands. Nothing is tried, so nothing is counted.
pub fn status<C: CardChannel>(card: &mut Card<C>, parameters: Parameters) -> Result<Pin1Status, CardError> {
    let template = SetAuthenticationTemplate {
        protocol: parameters.protocol(),
        password: PasswordReference::Pin as u8,
        parameter_id: Some(parameters.curve.parameter_id()),
        chat: None,
    };
    let sw = card.send(&template.command())?.sw;
    match (sw, sw.remaining_tries()) {
        (StatusWord::OK, _) => Ok(Pin1Status::Usable { tries_left: 3 }),
        (StatusWord::DEACTIVATED, _) => Ok(Pin1Status::NotSet),
        (StatusWord::REFERENCED_DATA_NOT_FOUND, _) => Ok(Pin1Status::Absent),
        (_, Some(0)) => Ok(Pin1Status::Blocked),
        (_, Some(1)) => Ok(Pin1Status::Suspended),
        (_, Some(tries_left)) => Ok(Pin1Status::Usable { tries_left }),
        _ => Err(CardError::Refused { what: "MSE:Set AT", sw }),
    }
}

/// Makes ready what may be tried with PIN1: with one try left, a channel of the access number, where it is given. A PIN1
/// that cannot be used is told before anything is sent.
pub(crate) fn prepare<C: CardChannel>(
    card: &mut Card<C>,
    parameters: Parameters,
    access_number: Option<&Password>,
    rng: &mut dyn Random,
) -> Result<(), Pin1Error> {
    match status(card, parameters)? {
        Pin1Status::Usable { .. } => {}
        Pin1Status::Suspended => {
            let access_number = access_number.ok_or(Pin1Error::Unusable(Refusal::Pin1Suspended))?;
            card.open_channel(parameters, access_number, rng)?;
        }
        Pin1Status::NotSet => return Err(Pin1Error::Unusable(Refusal::Pin1NotSet)),
        Pin1Status::Blocked => return Err(Pin1Error::Unusable(Refusal::Pin1Blocked)),
        Pin1Status::Absent => return Err(Pin1Error::Unusable(Refusal::Pin1Absent)),
    }
    Ok(())
}

/// Opens the secure channel with PIN1; with one try left inside a channel of the access number, where it is given. A PIN1
/// that cannot be used is not sent.
pub fn open_channel<C: CardChannel>(
    card: &mut Card<C>,
    parameters: Parameters,
    pin: &SecretBytes,
    access_number: Option<&Password>,
    rng: &mut dyn Random,
) -> Result<(), Pin1Error> {
    let password = password(pin)?;
    prepare(card, parameters, access_number, rng)?;
    match card.open_channel(parameters, &password, rng) {
        Ok(_) => Ok(()),
        Err(CardError::Pace(eac::Error::WrongPassword { tries_left: Some(0) })) => {
            Err(Pin1Error::Unusable(Refusal::Pin1Blocked))
        }
        Err(CardError::Pace(eac::Error::WrongPassword { tries_left })) => {
            Err(Pin1Error::Wrong { tries_left: tries_left.unwrap_or(0) })
        }
        Err(error) => Err(error.into()),
    }
}

/// Changes PIN1; the old one is proved by opening the channel.
pub fn change<C: CardChannel>(
    card: &mut Card<C>,
    parameters: Parameters,
    old: &SecretBytes,
    new: &SecretBytes,
    access_number: Option<&Password>,
    rng: &mut dyn Random,
) -> Result<(), Pin1Error> {
    check_form(new)?;
    open_channel(card, parameters, old, access_number, rng)?;
    // TR-03110-3 §B.6.3: RESET RETRY COUNTER 02 03 with new reference data.
    let command = Command::new(0x00, 0x2C, 0x02, PasswordReference::Pin as u8).with_data(new.expose());
    match card.require("RESET RETRY COUNTER", &command) {
        Ok(_) => Ok(()),
        Err(CardError::Refused { sw: StatusWord::WRONG_DATA, .. }) => {
            Err(Pin1Error::Unusable(Refusal::Pin1Form))
        }
        Err(error) => Err(error.into()),
    }
}

/// PIN1 as a password of PACE, if it has the form of one: one that has not never reaches the card and costs no try.
pub fn password(pin: &SecretBytes) -> Result<Password, Pin1Error> {
    check_form(pin)?;
    Ok(Password::pin(pin.expose()))
}

/// PIN1 has six digits.
fn check_form(pin: &SecretBytes) -> Result<(), Pin1Error> {
    let digits = pin.expose();
    if digits.len() == DIGITS && digits.iter().all(u8::is_ascii_digit) {
        Ok(())
    } else {
        Err(Pin1Error::Unusable(Refusal::Pin1Form))
    }
}
