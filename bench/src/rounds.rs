//! Random rounds of PACE and of Active Authentication on P-521: card.md 9.8, every coordinate of fixed length.

use crate::Failure;
use crate::curves::Operations;
use crate::figure::{Figure, millis};
use crate::measure::thread_time;
use apdu::{Command, Response};
use curve::{Curve, Hash, Random, SecretKey, SeedRandom, SystemRandom};
use eac::pace::{Parameters, chip, terminal};
use eac::{Cipher, Password, active_authentication};
use std::time::{Duration, Instant};

const GROUP: &str = "random rounds";
const PARAMETERS: Parameters = Parameters::generic(Curve::P521, Cipher::Aes256);

pub(crate) fn run(rounds: usize, seed: Option<&str>) -> Result<Vec<Figure>, Failure> {
    let seed = match seed {
        Some(seed) => seed.to_owned(),
        None => {
            let mut bytes = [0; 8];
            SystemRandom.fill(&mut bytes);
            bytes.iter().map(|b| format!("{b:02x}")).collect()
        }
    };
    let operations = Operations::measure(Curve::P521, 200);
    let (pace_time, pace_failures) = all(rounds, &seed, "PACE", pace);
    let (active_time, active_failures) = all(rounds, &seed, "Active Authentication", active);
    let per_round = |time: Duration| time / rounds.max(1) as u32;
    let figures = vec![
        Figure::new(GROUP, format!("PACE failures in {rounds} rounds"), pace_failures as f64, "")
            .beside("allowed", 0.0),
        Figure::new(GROUP, format!("Active Authentication failures in {rounds}"), active_failures as f64, "")
            .beside("allowed", 0.0),
        Figure::time(GROUP, "one PACE, both sides, one core", per_round(pace_time))
            .beside("its curve operations", millis(operations.pace())),
        Figure::time(GROUP, "one Active Authentication, both sides", per_round(active_time))
            .beside("its curve operations", millis(operations.active_authentication())),
    ];
    if pace_failures + active_failures > 0 {
        return Err(format!(
            "{pace_failures} PACE and {active_failures} Active Authentication rounds failed"
        )
        .into());
    }
    Ok(figures)
}

/// Runs the rounds on all cores. Gives the time spent, summed over the cores, and the number of failures.
fn all(
    rounds: usize,
    seed: &str,
    name: &str,
    round: fn(&mut dyn Random) -> Result<(), Failure>,
) -> (Duration, usize) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let results: Vec<(Duration, usize)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                scope.spawn(move || {
                    let begin = Instant::now();
                    let before = thread_time(begin);
                    let mine = (worker..rounds).step_by(threads);
                    let failures = mine.filter(|n| failed(&format!("{seed} {name} {n}"), round)).count();
                    (thread_time(begin).saturating_sub(before), failures)
                })
            })
            .collect();
        workers.into_iter().map(|w| w.join().unwrap_or((Duration::ZERO, rounds))).collect()
    });
    results.into_iter().fold((Duration::ZERO, 0), |(time, failures), (t, f)| (time + t, failures + f))
}

fn failed(seed: &str, round: fn(&mut dyn Random) -> Result<(), Failure>) -> bool {
    match round(&mut SeedRandom::new(seed.as_bytes())) {
        Ok(()) => false,
        Err(failure) => {
            eprintln!("bench: round with seed \"{seed}\": {failure}");
            true
        }
    }
}

/// One PACE with a random access number, then one command and response through the channel.
fn pace(rng: &mut dyn Random) -> Result<(), Failure> {
    let mut digits = [0; 6];
    rng.fill(&mut digits);
    let can: String = digits.iter().map(|d| char::from(b'0' + d % 10)).collect();
    let password = Password::can(&can);
    let mut chip = Some(chip::Pace::start(PARAMETERS, password.key(PARAMETERS.cipher)?));
    let mut session = None;
    let mut ask = |command: &Command, rng: &mut dyn Random| -> Result<Response, Failure> {
        let (data, next) = chip.take().ok_or("the chip's run is over")?.step(&command.data, rng)?;
        match next {
            chip::Next::Continue(next) => chip = Some(next),
            chip::Next::Done(done) => session = Some(done),
        }
        Ok(Response::ok(data))
    };
    let (command, state) = terminal::Start::new(PARAMETERS, &password)?.step(&Response::ok([]))?;
    let (command, state) = state.step(&ask(&command, rng)?, rng)?;
    let (command, state) = state.step(&ask(&command, rng)?, rng)?;
    let (command, state) = state.step(&ask(&command, rng)?)?;
    let mut terminal = state.step(&ask(&command, rng)?)?.sm;
    let mut chip = session.ok_or("the chip has no channel")?;
    if chip.id_picc.len() != Curve::P521.field_len() {
        return Err("ID_PICC is not of fixed length".into());
    }
    let read = Command::new(0x00, 0xB0, 0x81, 0x00).with_le(256);
    if chip.sm.unwrap(&terminal.wrap(&read)?)? != read {
        return Err("the command arrived changed".into());
    }
    let answer = Response::ok(*b"content");
    if terminal.unwrap(&chip.sm.wrap(&answer))? != answer {
        return Err("the response arrived changed".into());
    }
    Ok(())
}

/// One Active Authentication with a new key.
fn active(rng: &mut dyn Random) -> Result<(), Failure> {
    let key = SecretKey::generate(Curve::P521, rng);
    let mut challenge = [0; 8];
    rng.fill(&mut challenge);
    let signature = active_authentication::sign(&key, Hash::Sha512, &challenge);
    if signature.len() != 2 * Curve::P521.order_len() {
        return Err("the signature is not of fixed length".into());
    }
    let spki = curve::spki_from_point(&key.public_key());
    active_authentication::verify(&spki, Hash::Sha512, &challenge, &signature)?;
    Ok(())
}
