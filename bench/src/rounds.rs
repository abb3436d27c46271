//! Random rounds of PACE with each of its mappings, of Terminal and Chip Authentication and of Active Authentication, with
//! every coordinate of fixed length.

use crate::Failure;
use crate::country::certify;
use crate::curves::Operations;
use crate::figure::{Figure, millis};
use crate::measure::thread_time;
use apdu::{Command, Response};
use curve::{Curve, Hash, Random, SecretKey, SeedRandom, SystemRandom};
use eac::auxiliary_data::AuxiliaryData;
use eac::cvc::{Authorisation, Chat, Date, Rights, Role, TrustPoint, TrustPoints, UpdateRights};
use eac::pace::{Mapping, Parameters, chip, terminal};
use eac::terminal_authentication::chip::TerminalAuthentication;
use eac::terminal_authentication::terminal::EphemeralKey;
use eac::{Cipher, Password, active_authentication, chip_authentication, terminal_authentication};
use std::time::Duration;

const GROUP: &str = "random rounds";

/// The curves of the issued cards: P-521 first, brainpoolP256r1 second; P-384 on those with the reserve chip.
pub(crate) const ISSUED: [Curve; 3] = [Curve::P521, Curve::BrainpoolP256r1, Curve::P384];

pub(crate) fn run(rounds: usize, seed: Option<&str>, curves: &[Curve]) -> Result<Vec<Figure>, Failure> {
    let seed = self::seed(seed);
    let mut figures = Vec::new();
    let mut failed = 0;
    for curve in curves {
        failed += on_curve(*curve, rounds, &seed, &mut figures)?;
    }
    figures.insert(
        0,
        Figure::new(GROUP, format!("failures, {rounds} rounds of each kind"), failed as f64, "")
            .beside("allowed", 0.0),
    );
    if failed > 0 {
        return Err(format!("{failed} rounds failed").into());
    }
    Ok(figures)
}

/// The seed that was given, or a new one.
pub(crate) fn seed(given: Option<&str>) -> String {
    given.map_or_else(
        || {
            let mut bytes = [0; 8];
            SystemRandom.fill(&mut bytes);
            bytes.iter().map(|b| format!("{b:02x}")).collect()
        },
        str::to_owned,
    )
}

/// Gives the number of failures.
fn on_curve(curve: Curve, rounds: usize, seed: &str, figures: &mut Vec<Figure>) -> Result<usize, Failure> {
    let mut kinds: Vec<(&str, Round)> = vec![
        ("PACE", |curve, rng| pace(Parameters::generic(curve, Cipher::Aes256), rng)),
        ("PACE-CAM", |curve, rng| pace(Parameters::chip_authentication(curve, Cipher::Aes256), rng)),
    ];
    if curve.has_point_encoding() {
        kinds.insert(1, ("PACE-IM", |curve, rng| pace(Parameters::integrated(curve, Cipher::Aes256), rng)));
    }
    // The others are for channels alone (ICAO 9303-11 §9.5.1); no key of a certificate lies on them.
    let keys = Curve::ALL.contains(&curve);
    if keys {
        kinds.push(("Terminal and Chip Authentication", extended));
        kinds.push(("Active Authentication", active));
    }
    let operations = keys.then(|| Operations::measure(curve, 200));
    let mut failed = 0;
    for (name, round) in kinds {
        let (time, failures) = all(rounds, &format!("{seed} {curve}"), name, curve, round);
        failed += failures;
        let figure = Figure::time(GROUP, format!("one {name}, {curve}"), time / rounds.max(1) as u32);
        let beside = operations.map(|operations| match name {
            "PACE" => operations.pace(),
            "PACE-IM" => operations.pace_integrated(),
            "PACE-CAM" => operations.pace_chip_authentication(),
            "Active Authentication" => operations.active_authentication(),
            _ => operations.extended_access_control(),
        });
        figures.push(match beside {
            Some(beside) => figure.beside("its curve operations, both sides", millis(beside)),
            None => figure,
        });
    }
    Ok(failed)
}

/// One round with its own randomness.
type Round = fn(Curve, &mut dyn Random) -> Result<(), Failure>;

/// Runs the rounds on all cores. Gives the time spent, summed over the cores, and the number of failures.
fn all(rounds: usize, seed: &str, name: &str, curve: Curve, round: Round) -> (Duration, usize) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let results: Vec<(Duration, usize)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                scope.spawn(move || {
                    let before = thread_time();
                    let mine = (worker..rounds).step_by(threads);
                    let failures =
                        mine.filter(|n| failed(&format!("{seed} {name} {n}"), curve, round)).count();
                    (thread_time().saturating_sub(before), failures)
                })
            })
            .collect();
        workers.into_iter().map(|w| w.join().unwrap_or((Duration::ZERO, rounds))).collect()
    });
    results.into_iter().fold((Duration::ZERO, 0), |(time, failures), (t, f)| (time + t, failures + f))
}

fn failed(seed: &str, curve: Curve, round: Round) -> bool {
    match round(curve, &mut SeedRandom::new(seed.as_bytes())) {
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
    if chip.id_picc.len() != parameters.curve.field_len() {
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

/// A new country with one terminal, its authentication to a chip, and the chip's to it, with new keys everywhere.
fn extended(curve: Curve, rng: &mut dyn Random) -> Result<(), Failure> {
    let hash = curve.hash();
    let algorithm = terminal_key_algorithm(hash);
    let [root_key, verifier_key, terminal_key, chip_key] =
        std::array::from_fn(|_| SecretKey::generate(curve, rng));
    let root = certify("TWROOT00001", "TWROOT00001", Role::Cvca, &root_key, &root_key)?;
    let verifier = certify("TWROOT00001", "TWDV00001", Role::OfficialVerifier, &verifier_key, &root_key)?;
    let terminal = certify("TWDV00001", "TWTERM00001", Role::Terminal, &terminal_key, &verifier_key)?;
    let mut id_picc = vec![0; curve.field_len()];
    rng.fill(&mut id_picc);
    let granted =
        Authorisation { chat: Chat::authentication(Role::Terminal, Rights::ALL), updates: UpdateRights::ALL };
    let trust_points = TrustPoints::new(TrustPoint::from_root(&root)?);
    let mut chip = TerminalAuthentication::new(id_picc.clone(), granted, trust_points, Date::EARLIEST);
    for command in terminal_authentication::terminal::present([&verifier, &terminal]) {
        match command.ins {
            0x22 => chip.set_dst(&command.data)?,
            _ => drop(chip.verify_certificate(&command.data)?),
        }
    }
    let ephemeral = EphemeralKey::generate(curve, rng);
    let holder = terminal.body().holder.clone();
    let start = terminal_authentication::terminal::Start::new(
        holder,
        algorithm,
        &AuxiliaryData::new(),
        &ephemeral,
        id_picc,
    );
    chip.set_at(&start.mse_set_at().data)?;
    let (_, state) = start.step(&Response::ok([]))?;
    let challenge = Response::ok(chip.challenge(rng));
    let (command, _) =
        state.step::<Failure>(&challenge, |message| Ok(terminal_key.sign_digest(&hash.digest(message))))?;
    let authenticated = chip.external_authenticate(&command.data)?;
    if authenticated.compressed_key.len() != curve.field_len() {
        return Err("the compressed key is not of fixed length".into());
    }
    let parameters = chip_authentication::Parameters { curve, cipher: Cipher::Aes256, key_id: None };
    let start = chip_authentication::terminal::Start::new(parameters, chip_key.public_key(), ephemeral)?;
    let (command, state) = start.step(&Response::ok([]))?;
    let (answer, mut card) = chip_authentication::chip::authenticate(
        parameters,
        &chip_key,
        &authenticated.compressed_key,
        &command.data,
        rng,
    )?;
    let mut reader = state.step(&Response::ok(answer))?;
    let read = Command::new(0x00, 0xB0, 0x89, 0x00).with_le(256);
    if card.unwrap(&reader.wrap(&read)?)? != read {
        return Err("the command arrived changed".into());
    }
    Ok(())
}

/// id-TA-ECDSA with the hash that matches the curve.
const fn terminal_key_algorithm(hash: Hash) -> const_oid::ObjectIdentifier {
    match hash {
        Hash::Sha384 => tlv::oid::TA_ECDSA_SHA384,
        Hash::Sha512 => tlv::oid::TA_ECDSA_SHA512,
        _ => tlv::oid::TA_ECDSA_SHA256,
    }
}

/// One Active Authentication with a new key.
fn active(curve: Curve, rng: &mut dyn Random) -> Result<(), Failure> {
    let key = SecretKey::generate(curve, rng);
    let mut challenge = [0; 8];
    rng.fill(&mut challenge);
    let signature = active_authentication::sign(&key, curve.hash(), &challenge);
    if signature.len() != 2 * curve.order_len() {
        return Err("the signature is not of fixed length".into());
    }
    let spki = curve::spki_from_point(&key.public_key());
    active_authentication::verify(&spki, curve.hash(), &challenge, &signature)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curves_of_the_issued_cards_are_those_of_their_profiles() {
        let issued = ::chip::Profile::built_in().iter().filter(|profile| !profile.sample);
        for curve in issued.flat_map(|profile| profile.pace.iter().map(|p| p.curve).chain([profile.curve])) {
            assert!(ISSUED.contains(&curve), "{curve}");
        }
    }
}
