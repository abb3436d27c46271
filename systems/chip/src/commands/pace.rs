//! The chip's part around PACE: MSE:Set AT, GENERAL AUTHENTICATE, the passwords and their counters; and active
//! authentication (ICAO 9303-11 §4.4 and §6.1, TR-03110-3 §B.1 and §B.11).

use apdu::{Command, Response, StatusWord};
use curve::SecretBytes;
use eac::pace::chip::{Next, Pace};
use eac::pace::{Mapping, Parameters, SetAuthenticationTemplate};
use eac::{Password, PasswordReference, active_authentication};

use crate::access::Interface;
use crate::chip::Chip;
use crate::commands::{PIN1, Update, delay};
use crate::error::{Fault, Reply};
use crate::files::{Directory, by_fid};
use crate::keys::{ACTIVE_AUTHENTICATION, CHIP_AUTHENTICATION};
use crate::nvm::key;
use crate::session::{Channel, PaceRun};

/// P1-P2 of MSE: set authentication template for mutual authentication.
const SET_AT_PACE: [u8; 2] = [0xC1, 0xA4];

impl Chip {
    pub(crate) fn manage_security_environment(&mut self, command: &Command) -> Reply {
        self.session.pace = PaceRun::None;
        match [command.p1, command.p2] {
            SET_AT_PACE => {}
            [0x81, 0xB6] => return self.set_dst(command),
            [0x81, 0xA4] => return self.set_at_terminal(command),
            [0x41, 0xA4] => return self.set_at_chip(command),
            [0x41, 0xA6 | 0xB6] => return Err(StatusWord::FUNCTION_NOT_SUPPORTED.into()),
            _ => return Err(StatusWord::INCORRECT_P1_P2.into()),
        }
        let template = SetAuthenticationTemplate::parse(&command.data).map_err(|_| StatusWord::WRONG_DATA)?;
        let offers = self.profile.map_or(&[][..], |p| p.pace.as_slice());
        let parameters = template.select(offers).map_err(|_| StatusWord::WRONG_DATA)?;
        let allowed = self.profile.map_or(&[][..], |p| p.passwords.as_slice());
        let password = template.password_reference().filter(|password| allowed.contains(password));
        let password = password.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        let sw = match password {
            PasswordReference::Can | PasswordReference::Mrz => StatusWord::OK,
            // CARD-31: what PIN1 opens is absent on the contactless side, and so is PIN1: a passer-by neither learns its
            // state, which tells cards apart, nor uses up its tries.
            PasswordReference::Pin if self.session.interface == Interface::Contactless => {
                return Err(StatusWord::REFERENCED_DATA_NOT_FOUND.into());
            }
            // OPEN-64, TR-03110-3 §B.11.1: what the PIN's counter says; 6283 while it is not set.
            PasswordReference::Pin if self.nvm.load(PIN1.value).is_none() => {
                return Ok(StatusWord::DEACTIVATED.into());
            }
            PasswordReference::Pin => match self.tries(PIN1) {
                tries if tries == self.max_tries() => StatusWord::OK,
                tries => StatusWord::tries_left(tries),
            },
            // The user code never reaches the card.
            PasswordReference::Puk => return Err(StatusWord::REFERENCED_DATA_NOT_FOUND.into()),
        };
        self.session.pace = PaceRun::Announced(parameters, password, command.data.clone());
        Ok(sw.into())
    }

    pub(crate) fn general_authenticate(&mut self, command: &Command) -> Reply {
        if (command.p1, command.p2) != (0, 0) {
            return Err(StatusWord::INCORRECT_P1_P2.into());
        }
        // An error anywhere leaves no run behind.
        let (run, password, set_at) = match std::mem::take(&mut self.session.pace) {
            // A terminal that was authenticated may be far away, and the access number was proved for it: even the last try of
            // PIN1 would be its to use. The number that it may have read opens a channel of its own (OPEN-04).
            PaceRun::Announced(_, PasswordReference::Pin, _)
            | PaceRun::Running(_, PasswordReference::Pin, _)
                if self.session.has_terminal() =>
            {
                return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into());
            }
            PaceRun::None if self.expects_chip_authentication() => return self.authenticate_chip(command),
            PaceRun::ChipAuthentication(parameters) => return self.prove_chip(parameters, command),
            PaceRun::RestrictedIdentification => return self.restricted_identification(command),
            PaceRun::None => return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into()),
            PaceRun::Announced(parameters, password, set_at) => {
                let run = Pace::start(parameters, self.password_key(parameters, password)?);
                let run = self.with_chip_key(run, parameters)?;
                (self.announce_trust_points(run), password, set_at)
            }
            PaceRun::Running(run, password, set_at) => (*run, password, set_at),
        };
        let left = if run.is_last_step() { Some(self.count_attempt(password)?) } else { None };
        match run.step(&command.data, &mut *self.rng) {
            Ok((data, Next::Continue(run))) => {
                self.session.pace = PaceRun::Running(Box::new(run), password, set_at);
                Ok(Response::ok(data))
            }
            Ok((data, Next::Done(session))) => {
                self.forgive(password)?;
                let before = self.session.status();
                self.session.pin2 = false;
                self.session.next_channel = Some(Channel {
                    sm: session.sm,
                    access_number: before.access_number
                        || matches!(password, PasswordReference::Can | PasswordReference::Mrz),
                    pin1: password == PasswordReference::Pin,
                    can: password == PasswordReference::Can,
                    terminal: self.expected_terminal(&set_at, &session.id_picc),
                    update: Update::default(),
                });
                Ok(Response::ok(data))
            }
            Err(eac::Error::WrongPassword { .. }) => Err(match left {
                Some(Some(tries)) => StatusWord::tries_left(tries),
                _ => StatusWord::AUTHENTICATION_FAILED,
            }
            .into()),
            Err(error) => Err(error.status_word().into()),
        }
    }

    pub(crate) fn internal_authenticate(&mut self, command: &Command) -> Reply {
        if (command.p1, command.p2) != (0, 0) {
            return Err(StatusWord::INCORRECT_P1_P2.into());
        }
        let public = Directory::of(self.session.selected) == Some(Directory::Public);
        let dg15 = by_fid(Directory::Public, 0x010F)
            .filter(|_| public)
            .ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        // The key proves the chip that holds the public zone: whoever may read the one may ask the other.
        self.may_read(dg15)?;
        // ICAO 9303-11 §6.1.2: RND.IFD has eight bytes.
        if command.data.len() != active_authentication::CHALLENGE_LEN {
            return Err(StatusWord::WRONG_DATA.into());
        }
        let private = self.private_key(ACTIVE_AUTHENTICATION)?;
        let secret = private.ec().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let hash = secret.curve().hash();
        Ok(Response::ok(active_authentication::sign(secret, hash, &command.data)))
    }

    /// Chip authentication mapping proves the key that EF.CardSecurity names.
    // ICAO 9303-11 §4.4.3.5.
    fn with_chip_key(&mut self, run: Pace, parameters: Parameters) -> Result<Pace, Fault> {
        if parameters.mapping != Mapping::ChipAuthentication {
            return Ok(run);
        }
        let private = self.private_key(CHIP_AUTHENTICATION)?;
        let key = private.ec().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        Ok(run.with_chip_key(key.clone()))
    }

    /// The references of the trust points go with the last answer of PACE, so that a terminal knows which certificates to
    /// send; on the contactless side no terminal is authenticated, and the card says nothing about itself.
    fn announce_trust_points(&self, run: Pace) -> Pace {
        match self.trust() {
            Some((points, _)) if self.session.interface == Interface::Contact => {
                let reference = |point: &eac::cvc::TrustPoint| point.reference().as_bytes().to_vec();
                run.with_trust_points(reference(points.current()), points.previous().map(reference))
            }
            _ => run,
        }
    }

    /// K_π, if the password may be tried at all.
    fn password_key(
        &mut self,
        parameters: Parameters,
        reference: PasswordReference,
    ) -> Result<SecretBytes, Fault> {
        let stored = match reference {
            PasswordReference::Can => key::CAN,
            PasswordReference::Mrz => key::MRZ,
            PasswordReference::Pin => {
                match self.tries(PIN1) {
                    0 => return Err(StatusWord::AUTHENTICATION_BLOCKED.into()),
                    // Card decision 3: the last try only after PACE with the CAN, in its channel.
                    1 if !self.session.status().access_number => {
                        return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into());
                    }
                    _ => key::PIN1,
                }
            }
            PasswordReference::Puk => return Err(StatusWord::REFERENCED_DATA_NOT_FOUND.into()),
        };
        if reference != PasswordReference::Pin {
            self.session.busy = delay(self.nvm.byte(key::ACCESS_FAILURES, 0));
        }
        let secret = self.nvm.secret(stored).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        let password = match reference {
            PasswordReference::Can => Password::Can(secret),
            PasswordReference::Mrz => Password::Mrz(secret),
            _ => Password::Pin(secret),
        };
        password.key(parameters.cipher).map_err(|_| StatusWord::REFERENCED_DATA_NOT_FOUND.into())
    }

    /// Counts an attempt before its outcome is known. For PIN1: how many tries are left.
    pub(super) fn count_attempt(&mut self, password: PasswordReference) -> Result<Option<u8>, Fault> {
        if password == PasswordReference::Pin {
            return self.count_try(PIN1).map(Some);
        }
        let failures = self.nvm.byte(key::ACCESS_FAILURES, 0);
        self.nvm.commit_byte(key::ACCESS_FAILURES, failures.saturating_add(1))?;
        Ok(None)
    }

    /// The password was right: its counter starts anew.
    pub(super) fn forgive(&mut self, password: PasswordReference) -> Result<(), Fault> {
        if password == PasswordReference::Pin {
            self.nvm.commit_byte(PIN1.tries, self.max_tries())?;
        } else {
            let mut changes = vec![(key::ACCESS_FAILURES, Some(vec![0]))];
            changes.extend(self.attempt_for_access_number());
            self.nvm.commit(&changes)?;
        }
        Ok(())
    }
}
