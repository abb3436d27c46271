//! Whole sessions in process, each side's processor time apart: a stranger's read of the public zone, and an agency's read of
//! the encrypted zone. What is spent inside the channel is the card's, the rest the reader's; one thread does both. Beside
//! each step stand the curve operations that this side cannot do without, measured in the same run.

use crate::Failure;
use crate::country::{CAN, Channel, Country, PIN1, now, open};
use crate::curves::Operations;
use crate::figure::{Figure, millis};
use crate::measure::thread_time;
use crate::read::read;
use apdu::{CardChannel, ChannelError};
use curve::{Curve, SeedRandom};
use eac::Password;
use std::time::Duration;
use terminal::Verdict;
use terminal::eid::{Grant, read_encrypted_zone};

const GROUP: &str = "sessions in process, processor time of each side";
/// Sessions of each kind; the least time of each step is kept.
const SESSIONS: usize = 100;

/// What a step of a session belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Pace,
    Terminal,
    Chip,
    Active,
    /// SELECT and READ BINARY, through secure messaging.
    Reading,
    /// What the reader does with what it reads: its end of secure messaging, and passive authentication.
    Passive,
}

impl Step {
    const ALL: [Self; 6] =
        [Self::Pace, Self::Passive, Self::Terminal, Self::Chip, Self::Active, Self::Reading];

    const fn name(self) -> &'static str {
        match self {
            Self::Pace => "PACE",
            Self::Terminal => "Terminal Authentication",
            Self::Chip => "Chip Authentication",
            Self::Active => "Active Authentication",
            Self::Reading => "reading files",
            Self::Passive => "files and Passive Authentication",
        }
    }

    /// The step that a command belongs to, which its header tells through secure messaging too.
    fn of(command: &[u8], before: Self) -> Self {
        match command {
            [_, 0x22, 0xC1, 0xA4, ..] => Self::Pace,
            [_, 0x22, _, 0xB6, ..] | [_, 0x22, 0x81, 0xA4, ..] | [_, 0x2A | 0x82 | 0x84, ..] => {
                Self::Terminal
            }
            [_, 0x22, 0x41, 0xA4, ..] => Self::Chip,
            [_, 0x86, ..] => before,
            [_, 0x88, ..] => Self::Active,
            _ => Self::Reading,
        }
    }
}

/// Processor time of each step on each side.
#[derive(Debug, Clone, Copy, Default)]
struct Sides {
    card: [Duration; Step::ALL.len()],
    reader: [Duration; Step::ALL.len()],
}

/// A channel that knows which side has the floor.
struct Watched<'a> {
    channel: &'a mut Channel,
    sides: Sides,
    step: Step,
    /// The processor time when it got the floor.
    since: Duration,
}

impl Watched<'_> {
    /// The reader has computed until now, for `next` or to finish what it was at.
    fn reader_until_now(&mut self, next: Option<Step>) {
        let step = match (self.step, next) {
            // What was read is verified before the next step, and between two files.
            (Step::Reading, _) => Step::Passive,
            // The last answer of an authentication is still to be checked.
            (before, Some(Step::Reading) | None) => before,
            // Before the first command of a step it is prepared.
            (_, Some(next)) => next,
        };
        self.sides.reader[step as usize] += thread_time().saturating_sub(self.since);
    }
}

impl CardChannel for Watched<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let step = Step::of(command, self.step);
        self.reader_until_now(Some(step));
        let begin = thread_time();
        let answer = self.channel.transmit(command);
        self.since = thread_time();
        self.sides.card[step as usize] += self.since.saturating_sub(begin);
        self.step = step;
        answer
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.channel.reset()
    }
}

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let country = Country::new()?;
    let (flash, trust) = (country.card()?, country.trust()?);
    country.set_pins(&flash)?;
    let mut channel = open(&flash)?;
    let operations = Operations::measure(Curve::P521, 300);
    let public = watch(&mut channel, |channel| read(channel, CAN, &trust, now()).map(drop))?;
    let identity = country.agency()?;
    let encrypted = watch(&mut channel, |channel| {
        let report = read_encrypted_zone(
            channel,
            &Password::pin(PIN1.as_bytes()),
            None,
            &identity,
            Grant::ALL,
            &trust,
            now(),
            &mut SeedRandom::new(b"agency"),
        );
        match report.verdict {
            Verdict::Verified => Ok(()),
            _ => Err(format!("the encrypted zone does not verify: {}", report.detail).into()),
        }
    })?;
    let mut figures = table("public zone", public, operations);
    figures.extend(table("encrypted zone", encrypted, operations));
    Ok(figures)
}

/// The least time of each step over many sessions.
fn watch(
    channel: &mut Channel,
    mut session: impl FnMut(&mut Watched<'_>) -> Result<(), Failure>,
) -> Result<Sides, Failure> {
    let mut least: Option<Sides> = None;
    for _ in 0..SESSIONS {
        let mut watched =
            Watched { channel, sides: Sides::default(), step: Step::Reading, since: thread_time() };
        session(&mut watched)?;
        watched.reader_until_now(None);
        let now = watched.sides;
        let kept = least.get_or_insert(now);
        for i in 0..Step::ALL.len() {
            kept.card[i] = kept.card[i].min(now.card[i]);
            kept.reader[i] = kept.reader[i].min(now.reader[i]);
        }
    }
    least.ok_or_else(|| "no session".into())
}

/// Curve operations that the card and the reader cannot do without in a step of a session.
fn necessary(step: Step, zone: &str, operations: Operations) -> (Duration, Duration) {
    let Operations { generate, multiply, sign, verify, .. } = operations;
    let none = Duration::ZERO;
    match step {
        Step::Pace => (operations.pace_one_side(), operations.pace_one_side()),
        // The card verifies two certificates and the terminal's signature.
        Step::Terminal => (verify * 3, generate + sign),
        Step::Chip => (multiply, multiply),
        Step::Active => (sign, verify),
        Step::Reading => (none, none),
        // Security objects (public: EF.SOD and household; encrypted: EF.CardSecurity and that of the fields), the signer's
        // certificate and its revocation list once for each of the objects of the encrypted zone.
        Step::Passive if zone == "public zone" => (none, verify * 4),
        Step::Passive => (none, verify * 6),
    }
}

fn table(zone: &str, sides: Sides, operations: Operations) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut total = [Duration::ZERO; 2];
    let mut sum = [Duration::ZERO; 2];
    for step in Step::ALL {
        let (card, reader) = necessary(step, zone, operations);
        for (side, (name, time, needed)) in
            [("card", sides.card[step as usize], card), ("reader", sides.reader[step as usize], reader)]
                .into_iter()
                .enumerate()
        {
            // A step that this session does not have.
            if time > Duration::from_micros(5) {
                total[side] += time;
                sum[side] += needed;
                let figure = Figure::time(GROUP, format!("  {}, {name}", step.name()), time);
                figures.push(if needed.is_zero() {
                    figure
                } else {
                    figure.beside("its curve operations", millis(needed))
                });
            }
        }
    }
    let whole = |name: &str, time, needed| {
        Figure::time(GROUP, format!("{zone}, whole session, {name}"), time)
            .beside("its curve operations", millis(needed))
    };
    figures.insert(0, whole("card", total[0], sum[0]));
    figures.insert(1, whole("reader", total[1], sum[1]));
    figures
}
