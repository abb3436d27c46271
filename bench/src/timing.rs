//! Whether the time of a refusal tells an attacker where a guess went wrong, after Reparaz, Balasch and Verbauwhede, "Dude,
//! is my code constant time?" (2017): two kinds of wrong input, one that differs in its first place and one that differs in
//! its last, in random order; Welch's t-test over the times of each. |t| beyond 4.5 is a finding, beyond 10 a certain one.
//!
//! The figure is no proof: it says that this many measurements on this machine show nothing. Beside it stands a comparison
//! that stops at the first difference, which the same meter must find out; where it does not, the machine is too noisy, the
//! other figures mean nothing, and this part fails. It fails as well where a comparison of the chip is a certain finding.

use crate::Failure;
use crate::country::{Country, PIN1, PIN2, open};
use crate::figure::Figure;
use apdu::{CardChannel, Command, Response};
use chip::Flash;
use curve::{Curve, Random, SecretBytes, SeedRandom};
use eac::pace::chip::{Next, Pace};
use eac::pace::{self, Parameters};
use eac::{Cipher, Password, sm};
use scp::{Card, CardChallenge, CardData, Host, KeySet, Options, SecurityLevel};
use std::hint::black_box;
use std::time::Instant;

const GROUP: &str = "timing: Welch's t of wrong first place against wrong last place";
const LIMIT: &str = "limit";
/// From here on a difference is a finding that may still be chance; the control must reach it.
const FINDING: f64 = 4.5;
/// From here on it is certain.
const CERTAIN: f64 = 10.0;

/// Where a wrong input differs from the right one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    First,
    Last,
}

pub(crate) fn run(samples: usize) -> Result<Vec<Figure>, Failure> {
    let comparisons = [
        ("PIN1, token of PACE on the chip", token(samples)?),
        ("PIN2, VERIFY on the chip", pin2(samples)?),
        ("checksum of secure messaging", checksum(samples)?),
        ("host cryptogram of SCP03", cryptogram(samples)?),
    ];
    let control = ("control: a comparison that stops early (must exceed)", early_exit(samples));
    judge(&comparisons, control.1)?;
    let figure = |(name, t): (&str, f64)| Figure::new(GROUP, name, t.abs(), "").beside(LIMIT, FINDING);
    Ok(comparisons.into_iter().chain([control]).map(figure).collect())
}

/// Whether the figures may stand: the meter has found what it must find, and nothing certain where it must find nothing.
fn judge(comparisons: &[(&str, f64)], control: f64) -> Result<(), Failure> {
    if control.abs() < FINDING {
        return Err(format!(
            "timing: the control was not found out (|t| {:.1}): these measurements say nothing",
            control.abs()
        )
        .into());
    }
    let leaks: Vec<String> = comparisons
        .iter()
        .filter(|(_, t)| t.abs() > CERTAIN)
        .map(|(name, t)| format!("{name}, |t| {:.1}", t.abs()))
        .collect();
    if leaks.is_empty() { Ok(()) } else { Err(format!("timing tells: {}", leaks.join("; ")).into()) }
}

/// The last step of PACE with PIN1 on the chip takes a wrong token. The steps before it are the same in every run, because
/// the chip's randomness is, and they are not measured.
fn token(samples: usize) -> Result<f64, Failure> {
    let parameters = Parameters::generic(Curve::P256, Cipher::Aes128);
    let pin = Password::pin(PIN1.as_bytes());
    let begin =
        || Ok::<_, Failure>((Pace::start(parameters, pin.key(parameters.cipher)?), SeedRandom::new(b"chip")));
    let (mut run, mut chip_rng) = (Some(begin()?.0), begin()?.1);
    let mut commands = Vec::new();
    let start = pace::terminal::Start::new(parameters, &pin)?;
    pace::terminal::establish::<Failure>(start, &mut SeedRandom::new(b"terminal"), |command| {
        if command.ins == 0x22 {
            return Ok(Response::ok([]));
        }
        commands.push(command.data.clone());
        let (data, next) = run.take().ok_or("the chip's run is over")?.step(&command.data, &mut chip_rng)?;
        if let Next::Continue(next) = next {
            run = Some(next);
        }
        Ok(Response::ok(data))
    })?;
    let right = commands.pop().ok_or("no command")?;
    let prepared = || {
        let (mut run, mut rng) = begin()?;
        for data in &commands {
            run = match run.step(data, &mut rng)? {
                (_, Next::Continue(next)) => next,
                (_, Next::Done(_)) => return Err("the chip is done too early".into()),
            };
        }
        Ok::<_, Failure>((run, rng))
    };
    let changed = |place: usize| {
        let mut data = right.clone();
        data[place] ^= 0x55;
        data
    };
    let (first, last) = (changed(right.len() - 8), changed(right.len() - 1));
    let mut refused = true;
    let t = welch(samples, |wrong| {
        let Ok((run, mut rng)) = prepared() else { return 0 };
        let data = if wrong == Wrong::First { &first } else { &last };
        let begin = Instant::now();
        let result = black_box(run.step(black_box(data), &mut rng));
        let time = begin.elapsed().as_nanos();
        refused &= matches!(result, Err(eac::Error::WrongPassword { .. }));
        time
    });
    // And the right one is right, so that it was the token that was wrong.
    let (run, mut rng) = prepared()?;
    refused &= matches!(run.step(&right, &mut rng), Ok((_, Next::Done(_))));
    if refused { Ok(t) } else { Err("PACE did not answer a token as it must".into()) }
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
    fn what_the_meter_must_find_and_must_not_find_fails_the_part() {
        let quiet = [("one", 0.3), ("two", -4.4), ("perhaps", 9.0)];
        assert!(judge(&quiet, -300.0).is_ok());
        let error = judge(&quiet, 4.0).expect_err("the control was missed").to_string();
        assert!(error.contains("say nothing"), "{error}");
        let error = judge(&[("one", 0.3), ("two", -11.0)], 300.0).expect_err("a leak").to_string();
        assert!(error.contains("two, |t| 11.0") && !error.contains("one"), "{error}");
    }

    #[test]
    fn the_token_is_measured_in_the_step_that_compares_it() {
        assert!(token(60).is_ok_and(f64::is_finite));
    }

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
