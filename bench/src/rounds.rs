//! Random rounds of PACE with each of its mappings and of Active Authentication on P-521, with every coordinate of fixed
//! length.

use crate::Failure;
use crate::curves::Operations;
use crate::figure::{Figure, millis};
use crate::measure::thread_time;
use apdu::{Command, Response};
use curve::{Curve, Hash, Random, SecretKey, SeedRandom, SystemRandom};
use eac::pace::{Mapping, Parameters, chip, terminal};
use eac::{Cipher, Password, active_authentication};
use std::time::{Duration, Instant};

const GROUP: &str = "random rounds";
const GENERIC: Parameters = Parameters::generic(Curve::P521, Cipher::Aes256);
const INTEGRATED: Parameters = Parameters::integrated(Curve::P521, Cipher::Aes256);
const CHIP_AUTHENTICATION: Parameters = Parameters::chip_authentication(Curve::P521, Cipher::Aes256);

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
    let per_round = |time: Duration| time / rounds.max(1) as u32;
    let mut figures = Vec::new();
    let mut failed = 0;
    let kinds: [(&str, Round, Duration); 4] = [
        ("PACE", |rng| pace(GENERIC, rng), operations.pace()),
        ("PACE-IM", |rng| pace(INTEGRATED, rng), operations.pace_integrated()),
        ("PACE-CAM", |rng| pace(CHIP_AUTHENTICATION, rng), operations.pace_chip_authentication()),
        ("Active Authentication", active, operations.active_authentication()),
    ];
    for (name, round, beside) in kinds {
        let (time, failures) = all(rounds, &seed, name, round);
        failed += failures;
        figures.push(
            Figure::new(GROUP, format!("{name} failures in {rounds} rounds"), failures as f64, "")
                .beside("allowed", 0.0),
        );
        figures.push(
            Figure::time(GROUP, format!("one {name}, both sides, one core"), per_round(time))
                .beside("its curve operations", millis(beside)),
        );
    }
    if failed > 0 {
        return Err(format!("{failed} rounds failed").into());
    }
    Ok(figures)
}

/// One round with its own randomness.
type Round = fn(&mut dyn Random) -> Result<(), Failure>;

/// Runs the rounds on all cores. Gives the time spent, summed over the cores, and the number of failures.
fn all(rounds: usize, seed: &str, name: &str, round: Round) -> (Duration, usize) {
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

fn failed(seed: &str, round: Round) -> bool {
    match round(&mut SeedRandom::new(seed.as_bytes())) {
        Ok(()) => false,
        Err(failure) => {
            eprintln!("bench: round with seed \"{seed}\": {failure}");
            true
        }
    }
}

/// One PACE with a random access number and, where it proves one, a random static key, then one command and response through the channel.
fn pace(parameters: Parameters, rng: &mut dyn Random) -> Result<(), Failure> {
    let mut digits = [0; 6];
    rng.fill(&mut digits);
    let can: String = digits.iter().map(|d| char::from(b'0' + d % 10)).collect();
    let password = Password::can(&can);
    let mut run = chip::Pace::start(parameters, password.key(parameters.cipher)?);
    let mut chip_key = None;
    if parameters.mapping == Mapping::ChipAuthentication {
        let key = SecretKey::generate(parameters.curve, rng);
        chip_key = Some(key.public_key());
        run = run.with_chip_key(key);
    }
    let mut chip = Some(run);
    let mut session = None;
    let mut ask = |command: &Command, rng: &mut dyn Random| -> Result<Response, Failure> {
        let (data, next) = chip.take().ok_or("the chip's run is over")?.step(&command.data, rng)?;
        match next {
            chip::Next::Continue(next) => chip = Some(next),
            chip::Next::Done(done) => session = Some(done),
        }
        Ok(Response::ok(data))
    };
    let (command, state) = terminal::Start::new(parameters, &password)?.step(&Response::ok([]))?;
    let (command, state) = state.step(&ask(&command, rng)?, rng)?;
    let (command, state) = state.step(&ask(&command, rng)?, rng)?;
    let (command, state) = state.step(&ask(&command, rng)?)?;
    let opened = state.step(&ask(&command, rng)?)?;
    match (&chip_key, &opened.chip_proof) {
        (None, None) => {}
        (Some(key), Some(proof)) => proof.verify(key)?,
        _ => return Err("the proof of the chip is there exactly with its mapping".into()),
    }
    let mut terminal = opened.sm;
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
