//! Random rounds of PACE with each of its mappings, of Terminal and Chip Authentication and of Active Authentication on P-521,
//! with every coordinate of fixed length.

use crate::Failure;
use crate::curves::Operations;
use crate::figure::{Figure, millis};
use crate::measure::thread_time;
use apdu::{Command, Response};
use curve::{Curve, Hash, Random, SecretKey, SeedRandom, SystemRandom};
use eac::auxiliary_data::AuxiliaryData;
use eac::cvc::{
    Authorisation, Body, Certificate, Chat, Date, Extensions, PublicKey, Rights, Role, TrustPoint,
    TrustPoints, UpdateRights,
};
use eac::pace::{Mapping, Parameters, chip, terminal};
use eac::terminal_authentication::chip::TerminalAuthentication;
use eac::terminal_authentication::terminal::EphemeralKey;
use eac::{Cipher, Password, active_authentication, chip_authentication, terminal_authentication};
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
    let kinds: [(&str, Round, Duration); 5] = [
        ("PACE", |rng| pace(GENERIC, rng), operations.pace()),
        ("PACE-IM", |rng| pace(INTEGRATED, rng), operations.pace_integrated()),
        ("PACE-CAM", |rng| pace(CHIP_AUTHENTICATION, rng), operations.pace_chip_authentication()),
        ("Terminal and Chip Authentication", extended, operations.extended_access_control()),
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

/// A new country with one terminal, its authentication to a chip, and the chip's to it, with new keys everywhere.
fn extended(rng: &mut dyn Random) -> Result<(), Failure> {
    let curve = Curve::P521;
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
        tlv::oid::TA_ECDSA_SHA512,
        &AuxiliaryData::new(),
        &ephemeral,
        id_picc,
    );
    chip.set_at(&start.mse_set_at().data)?;
    let (_, state) = start.step(&Response::ok([]))?;
    let challenge = Response::ok(chip.challenge(rng));
    let (command, _) = state
        .step::<Failure>(&challenge, |message| Ok(terminal_key.sign_digest(&Hash::Sha512.digest(message))))?;
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

fn certify(
    authority: &str,
    holder: &str,
    role: Role,
    key: &SecretKey,
    signer: &SecretKey,
) -> Result<Certificate, Failure> {
    let point = key.public_key();
    let public_key =
        if role == Role::Cvca { PublicKey::explicit(&point) } else { PublicKey::inheriting(&point) };
    let body = Body {
        authority: authority.parse()?,
        public_key,
        holder: holder.parse()?,
        chat: Chat::authentication(role, Rights::ALL),
        effective: Date::new(2026, 1, 1)?,
        expiration: Date::new(2028, 12, 31)?,
        extensions: Extensions::default(),
    };
    body.issue(|message| Ok(signer.sign_digest(&Hash::Sha512.digest(message))))
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
