//! Whole dialogues with the chip, with structure: the input is a list of actions (select, open a channel, read, enter a PIN,
//! sign, manage, forge, replay, cut the power) and not of bytes, so that it gets where random bytes never do. A model goes
//! along that knows what was proved; the chip must never give more than the model allows.
//!
//! What must hold: the holder's data only through a channel that proved the access number or the MRZ; a signature only on
//! contact, in its application, after PIN2 in this very selection; on contactless nothing of the zones that are on contact
//! only; a forged or replayed message ends the session; a counter goes up only for the right PIN or by PIN management.

use crate::chip::{CAN, MARK, MRZ, PIN2, contains, host_session, open, states};
use ::terminal::perso::PinReference;
use apdu::{CardChannel, ChannelError, Command, Response};
use chip::files::FILES;
use chip::{Application, Chip, Cut, Flash, InProcessChannel, Interface, Memory, RamMemory};
use curve::{Curve, SeedRandom};
use eac::pace::{Parameters, terminal};
use eac::{Cipher, Password, sm};

const PIN1: &[u8] = b"135790";
const WRONG: &[u8] = b"99999999";
const PARAMETERS: Parameters = Parameters::generic(Curve::BrainpoolP256r1, Cipher::Aes128);

/// The images to begin with: both profiles, without and with PINs (their places in [`states`]).
const IMAGES: [usize; 4] = [3, 4, 6, 7];

/// What was proved since the channel was opened, or the power came.
#[derive(Default)]
struct Proved {
    access_number: bool,
    /// PIN2, in the present selection and channel.
    pin2: bool,
}

struct Dialogue {
    flash: Flash,
    channel: InProcessChannel<Chip>,
    sm: Option<sm::Terminal>,
    /// The reader's randomness. The chip's begins anew each time it has power: what was heard in one session must be
    /// refused in the next all the same, because the reader never says the same twice.
    random: SeedRandom,
    /// The last protected command, for somebody who has listened.
    heard: Option<Vec<u8>>,
    proved: Proved,
    sample: bool,
    /// What happened, for a test that the seeds get somewhere.
    reached: Reached,
}

/// What a run has reached.
#[derive(Default, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) holder_data: usize,
    pub(crate) signatures: usize,
    pub(crate) ended_by_forgery: usize,
    pub(crate) power_cuts: usize,
    pub(crate) managed: usize,
}

/// Runs one input.
pub(crate) fn dialogue(data: &[u8]) {
    play(data);
}

pub(crate) fn play(data: &[u8]) -> Reached {
    let Some((&choice, actions)) = data.split_first() else { return Reached::default() };
    let image = IMAGES[usize::from(choice % 4)];
    let interface = if choice & 0x80 == 0 { Interface::Contact } else { Interface::Contactless };
    let flash = Flash::from_image(states()[image].clone());
    let mut dialogue = Dialogue {
        channel: channel(&flash, interface),
        flash,
        sm: None,
        random: SeedRandom::new(b"reader"),
        heard: None,
        proved: Proved::default(),
        sample: image >= 6,
        reached: Reached::default(),
    };
    // A dialogue has an end: some actions take a millisecond.
    for action in actions.chunks(2).take(40) {
        dialogue.act(action[0], action.get(1).copied().unwrap_or(0));
    }
    dialogue.reached
}

fn channel(flash: &Flash, interface: Interface) -> InProcessChannel<Chip> {
    InProcessChannel::new(open(flash), interface).without_waiting()
}

/// Tries left of PIN1 and PIN2, from the memory itself.
fn tries(flash: &Flash) -> [u8; 2] {
    let memory = RamMemory::open(Flash::from_image(flash.image())).expect("the memory holds a chip");
    [0x0021, 0x0023].map(|key| memory.load(key).map_or(0, |value| value[0]))
}

impl Dialogue {
    fn act(&mut self, action: u8, with: u8) {
        let before = tries(&self.flash);
        let mut may_rise = [false; 2];
        match action % 12 {
            0 => self.select(Application::ALL[usize::from(with) % Application::ALL.len()]),
            1 => may_rise[0] = self.pace(with),
            2 => self.read(Command::new(0, 0xB0, 0x80 | (with & 0x1F), 0).with_le(65_536)),
            3 => {
                let [hi, lo] = FILES[usize::from(with) % FILES.len()].fid.to_be_bytes();
                self.read(Command::new(0, 0xB1, hi, lo).with_data([0x54, 1, 0]).with_le(65_536));
            }
            4 => may_rise[1] = self.verify(if with & 1 == 0 { PIN2 } else { WRONG }),
            5 => self.sign(),
            6 => self.forge(usize::from(with)),
            7 => self.replay(),
            8 => {
                let interface = if with & 1 == 0 { Interface::Contact } else { Interface::Contactless };
                self.power(interface);
            }
            9 => {
                let cut = [Cut::Before, Cut::Torn, Cut::After][usize::from(with) % 3];
                self.flash.cut_power(1 + usize::from(with / 3 % 3), cut);
            }
            10 => {
                let [hi, lo] = FILES[usize::from(with) % FILES.len()].fid.to_be_bytes();
                drop(self.send(&Command::new(0, 0xA4, 2, 0x0C).with_data([hi, lo])));
                self.read(Command::new(0, 0xB0, 0, 0).with_le(65_536));
            }
            _ => {
                self.manage(with);
                may_rise = [true; 2];
            }
        }
        for ((was, is), may) in before.iter().zip(tries(&self.flash)).zip(may_rise) {
            assert!(may || is <= *was, "tries went from {was} to {is} by action {action} with {with}");
        }
    }

    fn contact(&self) -> bool {
        self.channel.interface() == Interface::Contact
    }

    fn power(&mut self, interface: Interface) {
        self.flash.restore_power();
        self.channel = channel(&self.flash, interface);
        self.sm = None;
        self.proved = Proved::default();
    }

    /// The card has lost its power while it worked: it comes back with what it has written.
    fn lost(&mut self) {
        self.reached.power_cuts += 1;
        self.power(self.channel.interface());
    }

    /// Sends a command through the channel if there is one; `None` if no answer came or the session was ended by it.
    fn send(&mut self, command: &Command) -> Option<Response> {
        let Some(sm) = self.sm.as_mut() else { return self.send_plain(&command.to_bytes()) };
        let wrapped = sm.wrap(command).ok()?.to_bytes();
        self.heard = Some(wrapped.clone());
        let answer = self.send_raw(&wrapped)?;
        match self.sm.as_mut().map(|sm| sm.unwrap(&answer)) {
            Some(Ok(response)) => Some(response),
            _ => {
                self.end();
                None
            }
        }
    }

    fn send_plain(&mut self, bytes: &[u8]) -> Option<Response> {
        self.end();
        self.send_raw(bytes)
    }

    fn send_raw(&mut self, bytes: &[u8]) -> Option<Response> {
        match self.channel.transmit(bytes) {
            Ok(answer) => {
                assert!(!contains(&answer, MARK), "the holder's data went out in the clear");
                Some(Response::parse(&answer).expect("a status word"))
            }
            Err(ChannelError::CardGone) => {
                self.lost();
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// There is no channel any more, and nothing of what it proved. PIN2 in the clear is won without one.
    fn end(&mut self) {
        if self.sm.take().is_some() {
            self.proved = Proved::default();
        }
    }

    fn select(&mut self, application: Application) {
        let answer = self.send(&Command::new(0, 0xA4, 4, 0x0C).with_data(application.aid()));
        // ISO/IEC 7816-4 §11.2.2: what was selected stays selected if the command fails.
        if !answer.is_some_and(|a| a.sw.is_ok()) {
            return;
        }
        self.proved.pin2 = false;
        let contact_only = !matches!(
            application,
            Application::Household | Application::PublicNational | Application::PublicIcao
        );
        assert!(!contact_only || self.contact(), "{application:?} answers on contactless");
    }

    /// Opens a channel, with a right or a wrong password. Whether PIN1's tries may rise.
    fn pace(&mut self, with: u8) -> bool {
        let (password, right) = match with % 6 {
            0 => (Password::can(CAN), true),
            1 => (Password::mrz_information(MRZ), true),
            2 => (Password::pin(PIN1), true),
            3 => (Password::can("000000"), false),
            4 => (Password::pin(b"000000"), false),
            _ => (Password::puk(b"1234567890"), false),
        };
        let pin = matches!(with % 6, 2 | 4);
        let had_number = self.proved.access_number;
        if self.try_pace(&password).is_some() {
            assert!(right, "a wrong password opens a channel");
            assert!(!pin || self.contact(), "PIN1 on contactless");
            self.proved = Proved { access_number: !pin || had_number, pin2: false };
        }
        pin && right
    }

    fn try_pace(&mut self, password: &Password) -> Option<()> {
        let start = terminal::Start::new(PARAMETERS, password).ok()?;
        let announce = start.mse_set_at();
        let (command, state) = start.step(&self.send(&announce)?).ok()?;
        let answer = self.send(&command)?;
        let (command, state) = state.step(&answer, &mut self.random).ok()?;
        let answer = self.send(&command)?;
        let (command, state) = state.step(&answer, &mut self.random).ok()?;
        let (command, state) = state.step(&self.send(&command)?).ok()?;
        let session = state.step(&self.send(&command)?).ok()?;
        self.sm = Some(session.sm);
        Some(())
    }

    fn read(&mut self, command: Command) {
        let Some(answer) = self.send(&command) else { return };
        if contains(&answer.data, MARK) {
            assert!(
                self.sm.is_some() && self.proved.access_number,
                "the holder's data without the access number"
            );
            self.reached.holder_data += 1;
        }
    }

    /// Whether PIN2's tries may rise.
    fn verify(&mut self, pin: &[u8]) -> bool {
        let before = self.proved.pin2;
        self.proved.pin2 = false;
        let answer = self.send(&Command::new(0, 0x20, 0, 0x81).with_data(pin));
        if let Some(answer) = answer {
            if answer.sw.is_ok() {
                assert!(pin == PIN2 && self.contact(), "a wrong PIN2, or one on contactless");
                assert!(self.sample || self.sm.is_some(), "PIN2 in the clear on a citizen's card");
                self.proved.pin2 = true;
            } else if answer.sw.remaining_tries().is_none() && answer.sw.0 != 0x6983 {
                // It was not compared.
                self.proved.pin2 = before;
            }
        }
        pin == PIN2
    }

    fn sign(&mut self) {
        let answer = self.send(&Command::new(0x80, 0x68, 3, 0x70).with_data([9; 64]).with_le(256));
        if answer.is_some_and(|a| a.sw.is_ok()) {
            assert!(self.contact() && self.proved.pin2, "a signature without PIN2");
            assert!(self.sample || self.sm.is_some(), "a signature in the clear on a citizen's card");
            self.reached.signatures += 1;
        }
    }

    /// A protected command with one bit changed.
    fn forge(&mut self, place: usize) {
        let Some(sm) = self.sm.as_mut() else { return };
        let Ok(mut command) = sm.wrap(&Command::new(0, 0xB0, 0x81, 0).with_le(256)) else { return };
        let place = place % command.data.len();
        command.data[place] ^= 1;
        let Some(answer) = self.send_raw(&command.to_bytes()) else { return };
        assert!(answer.data.is_empty() && !answer.sw.is_ok(), "a forged message was answered");
        self.over();
    }

    /// Something heard before.
    fn replay(&mut self) {
        let Some(heard) = self.heard.take() else { return };
        let Some(answer) = self.send_raw(&heard) else { return };
        assert!(answer.data.is_empty() && !answer.sw.is_ok(), "a message was accepted twice");
        self.over();
    }

    /// The session is over: a command of it is refused.
    fn over(&mut self) {
        let Some(mut sm) = self.sm.take() else { return };
        self.proved = Proved::default();
        let Ok(next) = sm.wrap(&Command::new(0, 0xB0, 0x9E, 0).with_le(256)) else { return };
        if let Some(answer) = self.send_raw(&next.to_bytes()) {
            assert_eq!(answer.sw.0, 0x6982, "the session has survived");
            self.reached.ended_by_forgery += 1;
        }
    }

    /// What the ministry does, over SCP03. The card is in its reader, on contact.
    fn manage(&mut self, with: u8) {
        self.power(Interface::Contact);
        let Some(mut session) = host_session(&self.flash) else { return };
        let done = match with % 6 {
            0 => session.set_pin(PinReference::Pin1, &PIN1.into()),
            1 => session.set_pin(PinReference::Pin2, &PIN2.into()),
            2 => session.unblock_pin(PinReference::Pin2),
            3 => session.suspend_application(Application::SmartCardHsm.aid()),
            4 => session.resume_application(Application::SmartCardHsm.aid()),
            _ => session.unblock_pin(PinReference::Pin1),
        };
        self.reached.managed += usize::from(done.is_ok());
        drop(session);
        self.power(Interface::Contact);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Dialogues of honest readers and of dishonest ones: if they got nowhere, the model would have nothing to judge.
    #[test]
    fn the_seeds_reach_what_they_are_meant_to_reach() {
        let all: Vec<Reached> = crate::corpus::seeds("sessions").iter().map(|seed| play(seed)).collect();
        let sum = |count: fn(&Reached) -> usize| all.iter().map(count).sum::<usize>();
        assert!(sum(|r| r.holder_data) >= 2 && sum(|r| r.signatures) >= 2, "{all:?}");
        assert!(
            sum(|r| r.ended_by_forgery) >= 2 && sum(|r| r.power_cuts) >= 1 && sum(|r| r.managed) >= 2,
            "{all:?}"
        );
    }
}
