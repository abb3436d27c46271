//! One public-zone read in process: household and public zone, all checks, as a stranger reads it. Beside it the sum of the
//! elliptic-curve operations that both sides cannot do without, measured in the same run.

use crate::Failure;
use crate::country::{CAN, Channel, Country, now, open};
use crate::curves::Operations;
use crate::figure::{Figure, millis};
use crate::measure::typical;
use apdu::{CardChannel, ChannelError, Command};
use curve::{Curve, Random, SeedRandom};
use eac::Password;
use jiff::Timestamp;
use std::time::{Duration, Instant};
use terminal::{Outcome, ReadOptions, ReadReport, TrustStore, Verdict, read_card};

const GROUP: &str = "one read of the public zone";

/// Signatures that a reader must verify: security object, household data, the signer's certificate, the revocation list.
/// That of the chip is part of Active Authentication.
const SIGNATURES: u32 = 4;

/// The curve operations of one read, both sides.
pub(crate) fn curve_operations(operations: Operations) -> Duration {
    operations.pace() + operations.active_authentication() + operations.verify * SIGNATURES
}

/// Reads a card; anything but a verified card is an error.
pub(crate) fn read<C: CardChannel>(
    channel: C,
    can: &str,
    trust: &TrustStore,
    now: Timestamp,
) -> Result<ReadReport, Failure> {
    let begin = Instant::now();
    let clock = move || begin.elapsed();
    let options = ReadOptions { clock: Some(&clock), ..ReadOptions::default() };
    read_with(channel, can, trust, &options, now, &mut SeedRandom::new(b"reader"))
}

/// The same with these options.
pub(crate) fn read_with<C: CardChannel>(
    channel: C,
    can: &str,
    trust: &TrustStore,
    options: &ReadOptions<'_>,
    now: Timestamp,
    rng: &mut dyn Random,
) -> Result<ReadReport, Failure> {
    let report = read_card(channel, &Password::can(can), trust, options, now, rng);
    if report.verdict == Verdict::Verified {
        return Ok(report);
    }
    let failed = report.checks.iter().find(|check| check.outcome == Outcome::Failed);
    let wrong = failed.map(|check| format!("{}: {}", check.title.en, check.detail)).unwrap_or_default();
    Err(format!("the card does not verify: {wrong}").into())
}

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let country = Country::new()?;
    let (flash, trust) = (country.card()?, country.trust()?);
    let operations = Operations::measure(Curve::P521, 300);
    let sum = curve_operations(operations);
    let mut channel = open(&flash)?;
    let mut counted = Counting { channel: &mut channel, count: 0, bytes: 0 };
    let report = read(&mut counted, CAN, &trust, now())?;
    let Counting { count, bytes, .. } = counted;
    let time = typical(25, || read(&mut channel, CAN, &trust, now()).map(drop));
    let mut figures = vec![
        Figure::time(GROUP, "in process, card and reader together", time)
            .beside("its curve operations (goal: at most 2)", millis(sum)),
        Figure::new(GROUP, "APDUs", f64::from(count), ""),
        Figure::new(GROUP, "bytes both ways", f64::from(bytes) / 1_000.0, "kB"),
        Figure::time(GROUP, "one APDU without work, in process", round_trip(&mut channel)?)
            .beside("limit for transport", 0.2),
    ];
    for timing in &report.timings {
        let micros = u64::try_from(timing.micros).unwrap_or(u64::MAX);
        figures.push(Figure::time(GROUP, format!("  {}", timing.phase), Duration::from_micros(micros)));
    }
    Ok(figures)
}

/// SELECT MF, which the chip answers without computing anything.
pub(crate) fn round_trip<C: CardChannel>(channel: &mut C) -> Result<Duration, Failure> {
    let select = Command::new(0x00, 0xA4, 0x00, 0x0C).with_data([0x3F, 0x00]);
    channel.reset()?;
    if !channel.exchange(&select)?.sw.is_ok() {
        return Err("the card does not let its MF be selected".into());
    }
    Ok(typical(1_000, || channel.exchange(&select)))
}

/// Counts what passes.
struct Counting<'a> {
    channel: &'a mut Channel,
    count: u32,
    bytes: u32,
}

impl CardChannel for Counting<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let response = self.channel.transmit(command)?;
        self.count += 1;
        self.bytes += (command.len() + response.len()) as u32;
        Ok(response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.channel.reset()
    }
}
