//! Basic Access Control (ICAO 9303-11 §4.3): only where the profile allows it, which no profile of an issued card does
//! (OPEN-06). Its channel counts as one opened with the MRZ.

use apdu::{Command, Response, StatusWord};
use eac::PasswordReference;
use eac::bac::{self, AccessKeys, CHALLENGE_LEN, MESSAGE_LEN};

use crate::chip::Chip;
use crate::commands::delay;
use crate::error::Reply;
use crate::files::Directory;
use crate::nvm::key;
use crate::session::Channel;

impl Chip {
    /// Whether the reader stands where Basic Access Control may begin: the eMRTD application is selected, outside a channel.
    pub(crate) fn bac_may_begin(&self) -> bool {
        let public = Directory::of(self.session.selected) == Some(Directory::Public);
        public && !self.session.in_channel && self.profile.is_some_and(|profile| profile.bac)
    }

    /// EXTERNAL AUTHENTICATE 00 82 in the clear, with the challenge of the command before if there was one. The command table
    /// has seen to it that the profile allows it and that the public zone is selected; on any other card it is an unknown
    /// instruction, from which readers of travel documents go on to PACE.
    pub(crate) fn basic_access_control(
        &mut self,
        command: &Command,
        challenge: Option<[u8; CHALLENGE_LEN]>,
    ) -> Reply {
        if (command.p1, command.p2) != (0, 0) {
            return Err(StatusWord::INCORRECT_P1_P2.into());
        }
        let challenge = challenge.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        if command.data.len() != MESSAGE_LEN {
            return Err(StatusWord::WRONG_DATA.into());
        }
        let secret = self.nvm.secret(key::MRZ).ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        let keys = AccessKeys::from_mrz_information(secret.expose())
            .map_err(|_| StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        // CARD-56: the same growing delay as for the access number, counted before the outcome is known.
        self.session.busy = delay(self.nvm.byte(key::ACCESS_FAILURES, 0));
        self.count_attempt(PasswordReference::Mrz)?;
        match bac::answer(&keys, &challenge, &command.data, &mut *self.rng) {
            Ok((data, sm)) => {
                self.forgive(PasswordReference::Mrz)?;
                self.session.pin2 = false;
                self.session.next_channel = Some(Channel::opened_with_access_number(sm));
                Ok(Response::ok(data))
            }
            Err(eac::Error::WrongPassword { .. }) => Err(StatusWord::AUTHENTICATION_FAILED.into()),
            Err(error) => Err(error.status_word().into()),
        }
    }
}
