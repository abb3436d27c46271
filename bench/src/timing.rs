//! Whether the time of a refusal tells an attacker where a guess went wrong, after Reparaz, Balasch and Verbauwhede, "Dude,
//! is my code constant time?" (2017): two kinds of wrong input, one that differs in its first place and one that differs in
//! its last, in random order; Welch's t-test over the times of each. |t| beyond 4.5 is a finding, beyond 10 a certain one.
//!
//! The figure is no proof: it says that this many measurements on this machine show nothing. Beside it stands a comparison
//! that stops at the first difference, which the same meter must find out; where it does not, the machine is too noisy and the
//! other figures mean nothing.

use crate::Failure;
use crate::country::{Country, PIN2, open};
use crate::figure::Figure;
use apdu::{CardChannel, Command};
use chip::Flash;
use curve::{Random, SecretBytes, SeedRandom};
use eac::sm;
use scp::{Card, CardChallenge, CardData, Host, KeySet, Options, SecurityLevel};
use std::hint::black_box;
use std::time::Instant;

const GROUP: &str = "timing: Welch's t of wrong first place against wrong last place";
const LIMIT: &str = "limit";

/// Where a wrong input differs from the right one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    First,
    Last,
}

pub(crate) fn run(samples: usize) -> Result<Vec<Figure>, Failure> {
    let figure = |name: &str, t: f64| Figure::new(GROUP, name, t.abs(), "").beside(LIMIT, 4.5);
    Ok(vec![
        figure("PIN2, VERIFY on the chip", pin2(samples)?),
        figure("checksum of secure messaging", checksum(samples)?),
        figure("host cryptogram of SCP03", cryptogram(samples)?),
        figure("control: a comparison that stops early (must exceed)", early_exit(samples)),
    ])
}

/// VERIFY with a wrong PIN2; the right one in between, unmeasured, so that it is never blocked.
fn pin2(samples: usize) -> Result<f64, Failure> {
    let country = Country::new()?;
    let flash: Flash = country.card_of("interop")?;
    country.set_pins(&flash)?;
    let mut channel = open(&flash)?;
    let select = Command::new(0, 0xA4, 4, 0x0C).with_data(chip::Application::SmartCardHsm.aid());
    channel.exchange(&select)?;
    let verify = |pin: &[u8]| Command::new(0, 0x20, 0, 0x81).with_data(pin).to_bytes();
    let (first, last, right) = (verify(b"94681357"), verify(b"24681359"), verify(PIN2.as_bytes()));
    let mut refused = true;
    let t = welch(samples, |wrong| {
        let command = if wrong == Wrong::First { &first } else { &last };
        let begin = Instant::now();
        let answer = black_box(channel.transmit(black_box(command)));
        let time = begin.elapsed().as_nanos();
        refused &= answer.is_ok_and(|a| a == [0x63, 0xC2]);
        refused &= channel.transmit(&right).is_ok_and(|a| a == [0x90, 0x00]);
        time
    });
    if refused { Ok(t) } else { Err("VERIFY did not answer as it must".into()) }
}

/// The chip's end of secure messaging takes a command whose checksum is wrong.
fn checksum(samples: usize) -> Result<f64, Failure> {
    let (enc, mac) = (SecretBytes::from(&[1u8; 32][..]), SecretBytes::from(&[2u8; 32][..]));
    let command = Command::new(0, 0xA4, 4, 0x0C).with_data([7; 16]);
    let right = sm::Terminal::new(&enc, &mac)?.wrap(&command)?;
    let end = right.data.len();
    let changed = |place: usize| {
        let mut command = right.clone();
        command.data[place] ^= 0x55;
        command
    };
    let (first, last) = (changed(end - 8), changed(end - 1));
    let mut chips = Vec::new();
    for _ in 0..samples {
        chips.push(sm::Chip::new(&enc, &mac)?);
    }
    let mut accepted = false;
    let t = welch(samples, |wrong| {
        let Some(mut chip) = chips.pop() else { return 0 };
        let command = if wrong == Wrong::First { &first } else { &last };
        let begin = Instant::now();
        let result = black_box(chip.unwrap(black_box(command)));
        let time = begin.elapsed().as_nanos();
        accepted |= result.is_ok();
        time
    });
    if accepted { Err("a wrong checksum was accepted".into()) } else { Ok(t) }
}

/// The card's end of SCP03 takes a host cryptogram that is wrong.
fn cryptogram(samples: usize) -> Result<f64, Failure> {
    let keys = KeySet::random(32, &mut SeedRandom::new(b"keys"))?;
    let (update, _) = Host::initialize_update(0x31, &[7; 8])?;
    let data = CardData { diversification_data: [0; 10], key_version: 0x31 };
    // The same challenge each time, so that one right answer serves for all.
    let begin = || {
        let challenge = &mut SeedRandom::new(b"challenge");
        Card::initialize_update(&update, &keys, data, Options::I60, CardChallenge::Random(challenge))
    };
    let (response, _) = begin()?;
    let (_, host) = Host::initialize_update(0x31, &[7; 8])?;
    let (right, _) = host.on_response(&response, &keys)?.external_authenticate(SecurityLevel::Full)?;
    let changed = |place: usize| {
        let mut command = right.clone();
        command.data[place] ^= 0x55;
        command
    };
    let (first, last) = (changed(0), changed(7));
    let mut accepted = false;
    let t = welch(samples, |wrong| {
        let Ok((_, card)) = begin() else { return 0 };
        let command = if wrong == Wrong::First { &first } else { &last };
        let begin = Instant::now();
        let result = black_box(card.external_authenticate(black_box(command)));
        let time = begin.elapsed().as_nanos();
        accepted |= result.is_ok();
        time
    });
    if accepted { Err("a wrong cryptogram was accepted".into()) } else { Ok(t) }
}

/// What the meter must find: 256 bytes compared until the first difference.
fn early_exit(samples: usize) -> f64 {
    let secret = [7u8; 256];
    let (mut first, mut last) = (secret, secret);
    first[0] ^= 1;
    last[255] ^= 1;
    welch(samples, |wrong| {
        let guess = if wrong == Wrong::First { &first } else { &last };
        let begin = Instant::now();
        let equal = black_box(&secret).iter().zip(black_box(guess)).all(|(a, b)| a == b);
        let time = begin.elapsed().as_nanos();
        black_box(equal);
        time
    })
}

/// Welch's t of the two kinds, in random order. The slowest tenth of all is left out: it is other work on the machine.
fn welch(samples: usize, mut measure: impl FnMut(Wrong) -> u128) -> f64 {
    let mut order = vec![0; samples];
    SeedRandom::new(b"order").fill(&mut order);
    let mut times: Vec<(bool, f64)> = order
        .iter()
        .map(|byte| (byte & 1 == 0, measure(if byte & 1 == 0 { Wrong::First } else { Wrong::Last }) as f64))
        .collect();
    times.drain(..samples / 20);
    let mut sorted: Vec<f64> = times.iter().map(|(_, time)| *time).collect();
    sorted.sort_by(f64::total_cmp);
    let longest = sorted.get(sorted.len() * 9 / 10).copied().unwrap_or(f64::MAX);
    let of = |first: bool| {
        let kept: Vec<f64> = times
            .iter()
            .filter(|(kind, time)| *kind == first && *time <= longest)
            .map(|(_, time)| *time)
            .collect();
        let count = kept.len().max(2) as f64;
        let mean = kept.iter().sum::<f64>() / count;
        let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((mean_a, error_a), (mean_b, error_b)) = (of(true), of(false));
    let error = (error_a + error_b).sqrt();
    if error == 0.0 { 0.0 } else { (mean_a - mean_b) / error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statistic_sees_a_difference_and_none() {
        let mut noise = SeedRandom::new(b"noise");
        let mut random = move || {
            let mut byte = [0];
            noise.fill(&mut byte);
            u128::from(byte[0])
        };
        assert!(welch(10_000, |_| 1_000 + random()).abs() < 4.5);
        let mut noise = SeedRandom::new(b"more noise");
        let mut random = move || {
            let mut byte = [0];
            noise.fill(&mut byte);
            u128::from(byte[0])
        };
        let t = welch(10_000, |wrong| 1_000 + random() + if wrong == Wrong::Last { 30 } else { 0 });
        assert!(t < -10.0, "{t}");
    }
}
