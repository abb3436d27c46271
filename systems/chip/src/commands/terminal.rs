//! Terminal Authentication and Chip Authentication, version 2, in the channel of PACE; and the questions of an authenticated
//! terminal (TR-03110-2 §3, TR-03110-3 §B.2, §B.3, §B.11). And Chip Authentication, version 1, of a passport (ICAO 9303-11
//! §6.2) on sample cards, for readers that know no other.
//!
//! The order PACE, Terminal Authentication, Chip Authentication stands here alone (OPEN-05). All of it is part of the
//! encrypted zone and absent on the contactless interface (CARD-31).

use apdu::{Command, Response, StatusWord};
use curve::Hash;
use eac::Cipher;
use eac::auxiliary_data::{self, Facts};
use eac::chip_authentication::{self, Parameters};
use eac::cvc::{Date, Rights, TrustPoints, Update as TrustUpdate};
use eac::restricted_identification;
use eac::terminal_authentication::chip::TerminalAuthentication;
use lds::eid::Value;
use lds::field_security::without_salt;
use lds::household::HouseholdData;
use tlv::oid;
use x509::cms::SignedData;

use crate::access::Interface;
use crate::application::Application;
use crate::chip::Chip;
use crate::error::Reply;
use crate::files::{Directory, by_fid};
use crate::keys::{CHIP_AUTHENTICATION, RESTRICTED_IDENTIFICATION};
use crate::nvm::key;
use crate::rights::TerminalRights;
use crate::session::{Channel, PaceRun, Sectors, Terminal};

/// The hash of Restricted Identification.
pub(crate) const RESTRICTED_HASH: Hash = Hash::Sha256;
/// The number of its key, as EF.CardSecurity announces it.
pub(crate) const RESTRICTED_KEY_ID: u8 = 1;

/// Certificate extensions among the data objects of MSE:Set AT for PACE.
const EXTENSIONS: u32 = 0x65;

impl Chip {
    /// The trust points and the date the chip knows. None before it is personalised.
    pub(crate) fn trust(&self) -> Option<(TrustPoints, Date)> {
        let trust_points = TrustPoints::decode(self.nvm.load(key::TRUST_POINTS)?).ok()?;
        let date = self.nvm.load(key::CARD_DATE).and_then(|bytes| Date::from_bytes(bytes).ok());
        Some((trust_points, date.unwrap_or(Date::EARLIEST)))
    }

    /// What begins with a PACE channel whose MSE:Set AT had these data: the terminal that it announced may follow.
    pub(crate) fn expected_terminal(&self, set_at: &[u8], id_picc: &[u8]) -> Terminal {
        let object = |tag| tlv::Reader::new(set_at).map_while(Result::ok).find(|object| object.tag == tag);
        let granted = object(CHAT).and_then(|chat| {
            TerminalAuthentication::granted(chat.value, object(EXTENSIONS).map(|object| object.raw)).ok()
        });
        match (granted, self.trust()) {
            (Some(granted), Some((trust_points, date))) if self.session.interface == Interface::Contact => {
                let id_picc = id_picc.to_vec();
                Terminal::Expected(Box::new(TerminalAuthentication::new(
                    id_picc,
                    granted,
                    trust_points,
                    date,
                )))
            }
            _ => Terminal::None,
        }
    }

    /// MSE:Set DST.
    pub(crate) fn set_dst(&mut self, command: &Command) -> Reply {
        self.terminal_authentication()?.set_dst(&command.data).map_err(|error| error.status_word())?;
        Ok(Response::ok([]))
    }

    /// MSE:Set AT for Terminal Authentication.
    pub(crate) fn set_at_terminal(&mut self, command: &Command) -> Reply {
        self.terminal_authentication()?.set_at(&command.data).map_err(|error| error.status_word())?;
        Ok(Response::ok([]))
    }

    /// PSO:Verify Certificate.
    pub(crate) fn verify_certificate(&mut self, command: &Command) -> Reply {
        if (command.p1, command.p2) != (0x00, 0xBE) {
            return Err(StatusWord::INCORRECT_P1_P2.into());
        }
        let changed = self
            .terminal_authentication()?
            .verify_certificate(&command.data)
            .map_err(|error| error.status_word())?;
        // CARD-57: what the chip learns from a certificate survives the loss of power before it answers; both together.
        if !changed.is_empty() {
            let TrustUpdate { trust_points, date } = changed;
            let mut changes = Vec::new();
            changes.extend(trust_points.map(|points| (key::TRUST_POINTS, Some(points.encode()))));
            changes.extend(date.map(|date| (key::CARD_DATE, Some(date.to_bytes().to_vec()))));
            self.nvm.commit(&changes)?;
        }
        Ok(Response::ok([]))
    }

    /// GET CHALLENGE of Terminal Authentication, if that may follow in this channel.
    pub(crate) fn terminal_challenge(&mut self) -> Option<Response> {
        let rng = &mut *self.rng;
        let channel = self.session.channel.as_mut().filter(|_| self.session.in_channel)?;
        match &mut channel.terminal {
            Terminal::Expected(run) => Some(Response::ok(run.challenge(rng))),
            _ => None,
        }
    }

    /// EXTERNAL AUTHENTICATE.
    pub(crate) fn authenticate_terminal(&mut self, command: &Command) -> Reply {
        if (command.p1, command.p2) != (0, 0) {
            return Err(StatusWord::INCORRECT_P1_P2.into());
        }
        let terminal = self
            .terminal_authentication()?
            .external_authenticate(&command.data)
            .map_err(|error| error.status_word())?;
        let channel = self.session.channel.as_mut().ok_or(REFUSED)?;
        // TR-03110-2 §3.2: without PIN1 only a terminal that may use the access number; OPEN-41: or one that writes. What is
        // granted is the CAN: the MRZ is a password of inspection systems, and says more of the holder.
        let rights = terminal.authorisation.chat.rights();
        let may_use_can = rights.contains(Rights::CAN_ALLOWED) || !terminal.authorisation.updates.is_empty();
        let accepted = channel.pin1 || (channel.can && may_use_can);
        if !accepted {
            return Err(REFUSED.into());
        }
        channel.terminal = Terminal::Authenticated(Box::new(terminal), None);
        Ok(Response::ok([]))
    }

    /// MSE:Set AT for Chip Authentication.
    pub(crate) fn set_at_chip(&mut self, command: &Command) -> Reply {
        let passport = self.offers_version_1();
        if !passport {
            self.contact_only()?;
        }
        let template = chip_authentication::SetAuthenticationTemplate::parse(&command.data)
            .map_err(|error| error.status_word())?;
        if let Some(hash) = restricted_identification::hash_of(template.protocol) {
            return self.set_at_restricted(hash, template.key_id);
        }
        let cipher = Parameters::cipher_of(template.protocol).filter(|cipher| *cipher == Cipher::Aes256);
        let cipher = cipher.ok_or(StatusWord::WRONG_DATA)?;
        if template.key_id.is_some() {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND.into());
        }
        let curve = self.profile.ok_or(REFUSED)?.curve;
        let parameters = Parameters { curve, cipher, key_id: None };
        match self.own_channel()? {
            Channel { terminal: Terminal::Authenticated(_, announced), .. } => {
                *announced = Some(parameters);
                Ok(Response::ok([]))
            }
            _ if passport => {
                self.session.pace = PaceRun::ChipAuthentication(parameters);
                Ok(Response::ok([]))
            }
            // TR-03110-2 §3.4: version 2 comes after Terminal Authentication.
            _ => Err(REFUSED.into()),
        }
    }

    /// MSE:Set AT for Restricted Identification, which has the same P1-P2.
    fn set_at_restricted(&mut self, hash: Hash, key_id: Option<u64>) -> Reply {
        self.contact_only()?;
        if !self.profile.is_some_and(|profile| profile.restricted_identification) || hash != RESTRICTED_HASH {
            return Err(StatusWord::WRONG_DATA.into());
        }
        if key_id != Some(u64::from(RESTRICTED_KEY_ID)) {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND.into());
        }
        self.own_channel()?;
        if self.nvm.is_suspended(Application::Eid) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into());
        }
        self.session.pace = PaceRun::RestrictedIdentification;
        Ok(Response::ok([]))
    }

    /// GENERAL AUTHENTICATE of Restricted Identification: the identifier of this card in a sector of the terminal.
    // TR-03110-2 §3.5: after Chip Authentication, for terminals with the right; CARD-29: and with PIN1.
    pub(crate) fn restricted_identification(&mut self, command: &Command) -> Reply {
        self.contact_only()?;
        let private = self.private_key(RESTRICTED_IDENTIFICATION)?;
        let secret = private.ec().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let channel = self.own_channel()?;
        let Terminal::Proven(rights, _, sectors) = &channel.terminal else { return Err(REFUSED.into()) };
        if !channel.pin1 || !rights.rights.contains(Rights::RESTRICTED_IDENTIFICATION) {
            return Err(REFUSED.into());
        }
        let Sectors { extensions, hash } = sectors;
        let data = &command.data;
        restricted_identification::identify(secret, RESTRICTED_HASH, extensions, *hash, data)
            .map(Response::ok)
            .map_err(|error| error.status_word().into())
    }

    /// Whether the present command may ask for Chip Authentication of version 1: in the public zone of a card that offers
    /// it, by whoever may read there. An authenticated terminal goes on with version 2: in a new channel without a terminal it
    /// would pass for the holder's own device.
    // ICAO 9303-11 §6.2.
    fn offers_version_1(&self) -> bool {
        let dg14 = by_fid(Directory::Public, 0x010E)
            .filter(|_| Directory::of(self.session.selected) == Some(Directory::Public));
        self.profile.is_some_and(|profile| profile.chip_authentication)
            && dg14.is_some_and(|file| self.may_read(file).is_ok())
            && self.session.in_channel
            && !self.session.has_terminal()
    }

    /// GENERAL AUTHENTICATE of Chip Authentication, version 1. The channel it opens has what the present one has, but no
    /// terminal: the one that PACE announced would have come first.
    pub(crate) fn prove_chip(&mut self, parameters: Parameters, command: &Command) -> Reply {
        if !self.offers_version_1() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into());
        }
        let private = self.private_key(CHIP_AUTHENTICATION)?;
        let secret = private.ec().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let (data, sm) = chip_authentication::version_1::answer(parameters, secret, &command.data)
            .map_err(|error| error.status_word())?;
        let channel = self.own_channel()?;
        let Channel { access_number, pin1, can, .. } = *channel;
        let (terminal, update) = (Terminal::None, Default::default());
        self.session.pin2 = false;
        self.session.next_channel = Some(Channel { sm, access_number, pin1, can, terminal, update });
        Ok(Response::ok(data))
    }

    /// Whether the next GENERAL AUTHENTICATE is that of Chip Authentication.
    pub(crate) fn expects_chip_authentication(&self) -> bool {
        let channel = self.session.channel.as_ref().filter(|_| self.session.in_channel);
        channel.is_some_and(|channel| matches!(channel.terminal, Terminal::Authenticated(_, Some(_))))
    }

    /// GENERAL AUTHENTICATE of Chip Authentication. The channel it opens is that of an authenticated terminal.
    pub(crate) fn authenticate_chip(&mut self, command: &Command) -> Reply {
        let private = self.private_key(CHIP_AUTHENTICATION)?;
        let secret = private.ec().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let rng = &mut *self.rng;
        let channel = self.session.channel.as_mut().ok_or(REFUSED)?;
        let Terminal::Authenticated(terminal, announced) = &mut channel.terminal else {
            return Err(REFUSED.into());
        };
        let parameters = announced.take().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let (data, sm) = chip_authentication::chip::authenticate(
            parameters,
            secret,
            &terminal.compressed_key,
            &command.data,
            rng,
        )
        .map_err(|error| error.status_word())?;
        // TR-03110-2 §3.2: without PIN1 the rights of TR-03110 are those of a terminal that may use the access number. One that was
        // let in because it writes (OPEN-41) writes, and does nothing else.
        let own = terminal.authorisation.chat.rights();
        let may_use = channel.pin1 || own.contains(Rights::CAN_ALLOWED);
        let rights = TerminalRights {
            rights: if may_use { own } else { Rights::NONE },
            updates: terminal.authorisation.updates,
        };
        let questions = std::mem::take(&mut terminal.auxiliary_data);
        let sectors = Sectors { extensions: std::mem::take(&mut terminal.extensions), hash: terminal.hash };
        self.session.pin2 = false;
        self.session.next_channel = Some(Channel {
            sm,
            access_number: channel.access_number,
            pin1: channel.pin1,
            can: channel.can,
            terminal: Terminal::Proven(rights, questions, sectors),
            update: Default::default(),
        });
        Ok(Response::ok(data))
    }

    /// VERIFY of auxiliary data: answers a question that the terminal signed.
    pub(crate) fn verify_auxiliary_data(&mut self, command: &Command) -> Reply {
        if (command.p1, command.p2) != (0x80, 0x00) {
            return Err(StatusWord::INCORRECT_P1_P2.into());
        }
        if self.session.selected != Application::Eid {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED.into());
        }
        let question = auxiliary_data::parse_verify(&command.data).map_err(|error| error.status_word())?;
        let (birth, expiry, municipality) = (self.mirror(8).flatten(), self.mirror(3), self.municipality());
        let channel = self.own_channel()?;
        let Terminal::Proven(rights, questions, _) = &channel.terminal else { return Err(REFUSED.into()) };
        // CARD-29: nothing about the holder leaves the zone without PIN1, not even yes or no.
        if !channel.pin1 || !rights.rights.contains(auxiliary_data::required_right(question)) {
            return Err(REFUSED.into());
        }
        // A wrong answer would be worse than none: of a file that is not there or not to be understood nothing is said.
        let known = match question {
            oid::AUXILIARY_DATE_OF_BIRTH => birth.is_some(),
            oid::AUXILIARY_DATE_OF_EXPIRY => expiry.is_some(),
            oid::AUXILIARY_MUNICIPALITY => !municipality.is_empty(),
            _ => true,
        };
        if !known {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND.into());
        }
        let (birth, expiry) = (birth.unwrap_or_default(), expiry.flatten());
        let facts = Facts {
            date_of_birth: birth.as_bytes(),
            date_of_expiry: expiry.as_ref().map(String::as_bytes),
            municipality: municipality.as_bytes(),
        };
        match questions.verify(question, &facts) {
            Ok(true) => Ok(Response::ok([])),
            Ok(false) => Err(StatusWord::AUTHENTICATION_FAILED.into()),
            Err(error) => Err(error.status_word().into()),
        }
    }

    /// Where the holder is registered: the code of the village in the household zone, whose digits lead from the county over
    /// the district to the village. Empty where the file says none.
    fn municipality(&self) -> String {
        let code = || {
            let cms = SignedData::parse(self.nvm.load(key::HOUSEHOLD)?).ok()?;
            Some(HouseholdData::decode(cms.content()?).ok()?.village_code)
        };
        code().unwrap_or_default()
    }

    /// A date in one of the mirrors, as eight digits, or that it is unlimited; nothing where the file does not say.
    fn mirror(&self, group: u8) -> Option<Option<String>> {
        let file = without_salt(self.nvm.load(key::EID_GROUP + u16::from(group))?).ok()?;
        match Value::decode(&self.profile?.fields, group, file).ok()? {
            Value::Date(date) => Some(date.map(lds::Date::compact)),
            _ => None,
        }
    }

    /// Terminal Authentication in the channel of the present command.
    fn terminal_authentication(&mut self) -> Result<&mut TerminalAuthentication, StatusWord> {
        self.contact_only()?;
        match &mut self.own_channel()?.terminal {
            Terminal::Expected(run) => Ok(run),
            // No certificate template in PACE, or done already.
            _ => Err(REFUSED),
        }
    }

    /// The channel the present command came through.
    fn own_channel(&mut self) -> Result<&mut Channel, StatusWord> {
        let in_channel = self.session.in_channel;
        self.session.channel.as_mut().filter(|_| in_channel).ok_or(REFUSED)
    }

    fn contact_only(&self) -> Result<(), StatusWord> {
        match self.session.interface {
            Interface::Contact => Ok(()),
            Interface::Contactless => Err(StatusWord::FUNCTION_NOT_SUPPORTED),
        }
    }
}

const REFUSED: StatusWord = StatusWord::SECURITY_STATUS_NOT_SATISFIED;

/// The certificate holder authorisation template among the data objects of MSE:Set AT.
const CHAT: u32 = 0x7F4C;
