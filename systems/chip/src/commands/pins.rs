//! PIN1 and PIN2: VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (ISO/IEC 7816-4 §11.6), and the counters.

use std::ops::RangeInclusive;
use std::time::Duration;

use apdu::{Command, Response, StatusWord};

use crate::access::Condition;
use crate::application::Application;
use crate::chip::Chip;
use crate::error::{Fault, Reply};
use crate::life_cycle::LifeCycle;
use crate::nvm::key;
use crate::profile::Profile;

/// One PIN of the card: where it is kept.
#[derive(Clone, Copy)]
pub(crate) struct Pin {
    pub(crate) value: u16,
    pub(crate) tries: u16,
    digits: fn(&Profile) -> RangeInclusive<usize>,
}

/// PIN1 opens the encrypted zone by PACE.
pub(crate) const PIN1: Pin =
    Pin { value: key::PIN1, tries: key::PIN1_TRIES, digits: |p| p.pin1_digits.clone() };
/// PIN2 frees the keys of the certificate zone.
pub(crate) const PIN2: Pin =
    Pin { value: key::PIN2, tries: key::PIN2_TRIES, digits: |p| p.pin2_digits.clone() };

/// Reference of PIN2 in P2.
const PIN2_REFERENCE: u8 = 0x81;
/// Reference of the security officer's PIN in P2, as the SmartCard-HSM profile has it.
const SECURITY_OFFICER_REFERENCE: u8 = 0x88;
/// Reference of PIN1 in P2: its number as a PACE password.
const PIN1_REFERENCE: u8 = 0x03;

impl Chip {
    pub(crate) fn verify(&mut self, command: &Command) -> Reply {
        self.pin2_command(command)?;
        if command.data.is_empty() {
            return Ok(if self.session.pin2 { StatusWord::OK } else { self.pin2_state()? }.into());
        }
        self.usable(PIN2)?;
        if !self.is_well_formed(PIN2, &command.data) {
            return Err(StatusWord::WRONG_DATA.into());
        }
        self.session.pin2 = false;
        self.compare(PIN2, |stored| curve::constant_time_eq(stored, &command.data))?;
        self.session.pin2 = true;
        Ok(Response::ok([]))
    }

    pub(crate) fn change_reference_data(&mut self, command: &Command) -> Reply {
        self.pin2_command(command)?;
        self.usable(PIN2)?;
        // Both PINs have several possible lengths, so only the card knows where one ends. Until the old one is proved nothing
        // but the sum of the lengths is judged: otherwise the answer would tell how long the PIN is, free of charge.
        let digits = self.profile.map_or(0..=0, |p| (PIN2.digits)(p));
        let sum = 2 * digits.start()..=2 * digits.end();
        if !sum.contains(&command.data.len()) || !command.data.iter().all(u8::is_ascii_digit) {
            return Err(StatusWord::WRONG_DATA.into());
        }
        let length = self.nvm.load(PIN2.value).map_or(0, <[u8]>::len).min(command.data.len());
        let (old, new) = command.data.split_at(length);
        self.session.pin2 = false;
        self.compare(PIN2, |stored| curve::constant_time_eq(stored, old))?;
        if !self.is_well_formed(PIN2, new) {
            return Err(StatusWord::WRONG_DATA.into());
        }
        self.set_pin(PIN2, new)?;
        Ok(Response::ok([]))
    }

    /// PIN1 changed by its holder, who has proved the old one by PACE; or either PIN set and unblocked by a terminal with
    /// the right to manage PINs, which answers for having checked the user code (CARD-51, OPEN-11).
    // TR-03110-3 §B.6.3, §B.11.7: RESET RETRY COUNTER 02 (new value) and 03 (tries only). TR-03127 §4.4: the holder changes
    // PIN1 at a terminal that is not authenticated; of one that is, the right counts (EACPKI-04).
    pub(crate) fn reset_retry_counter(&mut self, command: &Command) -> Reply {
        let managed = self.session.rights().may_manage_pins();
        match (command.p1, command.p2) {
            (0x02, PIN1_REFERENCE) if self.session.is_holders_own() || managed => {}
            (0x02 | 0x03, PIN1_REFERENCE | PIN2_REFERENCE) if managed => {}
            (0x02 | 0x03, PIN1_REFERENCE | PIN2_REFERENCE) => {
                return Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED.into());
            }
            _ => return Err(StatusWord::INCORRECT_P1_P2.into()),
        }
        self.set_or_unblock(command)
    }

    /// Setting and unblocking by the ministry's PIN management.
    pub(crate) fn issuer_reset_retry_counter(&mut self, command: &Command) -> Reply {
        self.set_or_unblock(command)
    }

    fn set_or_unblock(&mut self, command: &Command) -> Reply {
        let pin = match command.p2 {
            PIN1_REFERENCE => PIN1,
            PIN2_REFERENCE if self.nvm.certificate_zone_is_open() => PIN2,
            // CARD-40: the closed zone has no PIN.
            PIN2_REFERENCE => return Err(StatusWord::REFERENCED_DATA_NOT_FOUND.into()),
            _ => return Err(StatusWord::INCORRECT_P1_P2.into()),
        };
        match (command.p1, command.data.as_slice()) {
            (0x02, new) if self.is_well_formed(pin, new) => self.set_pin(pin, new)?,
            (0x02, _) => return Err(StatusWord::WRONG_DATA.into()),
            (0x03, []) => {
                if self.nvm.load(pin.value).is_none() {
                    return Err(StatusWord::REFERENCE_DATA_NOT_USABLE.into());
                }
                self.nvm.commit_byte(pin.tries, self.max_tries())?;
            }
            (0x03, _) => return Err(StatusWord::WRONG_DATA.into()),
            _ => return Err(StatusWord::INCORRECT_P1_P2.into()),
        }
        Ok(Response::ok([]))
    }

    /// P1, P2, application and channel of a command about PIN2.
    fn pin2_command(&self, command: &Command) -> Result<(), StatusWord> {
        if command.p1 != 0 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let here = matches!(self.session.selected, Application::SmartCardHsm | Application::Pkcs15);
        // Nobody ever has this PIN. Clients of the profile take "not found" for a token that wants to be initialised.
        if here && command.p2 == SECURITY_OFFICER_REFERENCE {
            return Err(StatusWord::AUTHENTICATION_BLOCKED);
        }
        if command.p2 != PIN2_REFERENCE || !here {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
        }
        let condition = self.profile.map_or(Condition::Never, |p| p.use_certificate.channel_part());
        if condition.is_met(self.session.status()) {
            Ok(())
        } else {
            Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED)
        }
    }

    /// The answer to a VERIFY without data while PIN2 is not verified.
    fn pin2_state(&self) -> Result<StatusWord, StatusWord> {
        self.usable(PIN2)?;
        Ok(StatusWord::tries_left(self.tries(PIN2)))
    }

    /// 6984 if the PIN is not set, 6983 if it is blocked.
    fn usable(&self, pin: Pin) -> Result<(), StatusWord> {
        if self.nvm.load(pin.value).is_none() {
            return Err(StatusWord::REFERENCE_DATA_NOT_USABLE);
        }
        if self.tries(pin) == 0 { Err(StatusWord::AUTHENTICATION_BLOCKED) } else { Ok(()) }
    }

    /// Compares, with the try counted before and given back after.
    // CARD-49: a comparison that is cut short costs the try.
    fn compare(&mut self, pin: Pin, equals: impl FnOnce(&[u8]) -> bool) -> Result<(), Fault> {
        let left = self.count_try(pin)?;
        if !self.nvm.load(pin.value).is_some_and(equals) {
            return Err(if left == 0 {
                StatusWord::AUTHENTICATION_BLOCKED
            } else {
                StatusWord::tries_left(left)
            }
            .into());
        }
        self.nvm.commit_byte(pin.tries, self.max_tries())?;
        Ok(())
    }

    /// Takes a try away, in memory that survives, and says how many are left.
    pub(crate) fn count_try(&mut self, pin: Pin) -> Result<u8, Fault> {
        let left = self.tries(pin).checked_sub(1).ok_or(StatusWord::AUTHENTICATION_BLOCKED)?;
        self.nvm.commit_byte(pin.tries, left)?;
        Ok(left)
    }

    /// How many tries are left.
    pub(crate) fn tries(&self, pin: Pin) -> u8 {
        self.nvm.byte(pin.tries, 0)
    }

    pub(crate) fn max_tries(&self) -> u8 {
        self.profile.map_or(0, |p| p.tries)
    }

    pub(crate) fn pin2_is_set(&self) -> bool {
        self.nvm.load(PIN2.value).is_some()
    }

    fn is_well_formed(&self, pin: Pin, value: &[u8]) -> bool {
        self.profile.is_some_and(|p| (pin.digits)(p).contains(&value.len()))
            && value.iter().all(u8::is_ascii_digit)
    }

    fn set_pin(&mut self, pin: Pin, value: &[u8]) -> Result<(), Fault> {
        let tries = self.max_tries();
        self.nvm.commit(&[(pin.value, Some(value.to_vec())), (pin.tries, Some(vec![tries]))])?;
        self.nvm.forget_erased();
        if self.state == LifeCycle::Personalised {
            self.state = LifeCycle::Operational;
        }
        Ok(())
    }
}

/// How long the chip takes after `failures` failures in a row: nothing for the first two, then 1 s, twice as long each
/// time, at most 30 s.
// CARD-56: a search of the million access numbers takes most of a year; nobody is ever locked out.
pub(crate) const fn delay(failures: u8) -> Duration {
    match failures {
        0..=2 => Duration::ZERO,
        3..=7 => Duration::from_secs(1 << (failures - 3)),
        _ => Duration::from_secs(30),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: CARD-56
    #[test]
    fn the_delay_grows_and_has_an_end() {
        let seconds: Vec<u64> = (0..12).map(|n| delay(n).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30, 30]);
        // Half of the number space on average, at the longest delay.
        assert!(u64::from(500_000u32) * delay(u8::MAX).as_secs() > 150 * 86_400);
    }
}
