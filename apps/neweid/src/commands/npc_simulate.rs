//! `neweid npc simulate`: the status services over a population as large as a country's, without signing each certificate.
//! Serial numbers are what the CA would draw; lists, answers and filter are made by the code that serves the country, under
//! keys that are thrown away. Every figure is the processor time of one thread.

use crate::cli::Simulate;
use crate::clock;
use crate::failure::{Failure, Fault};
use crate::figures::{Report, thread_time};
use curve::{Curve, Random, SecretKey, SystemRandom};
use jiff::{SignedDuration, Timestamp};
use npc::{Change, NpcConfig, Population, Urls};
use status::filter::{Filter, StatusSigner};
use std::process::ExitCode;
use x509::certificate::profiles::{
    NpcIntermediate, NpcRoot, OcspResponder, StatusLocations, StatusService, npc_intermediate, npc_root,
    ocsp_responder, status_signer,
};
use x509::certificate::{Issuer, issue};
use x509::crl::{self, Lifetime, Pointers, Reason};
use x509::ocsp::{Answer, CertId, IssuerHashes, Responder};
use x509::{Certificate, EcSigner, Serial, Signer, Validity};

const PARTITIONS: u16 = 1024;
/// Changes taken over at once.
const BATCH: usize = 250_000;

/// Runs the command.
pub fn run(arguments: &Simulate) -> Result<ExitCode, Failure> {
    if arguments.certificates == 0 || arguments.revoked + arguments.suspended > arguments.certificates {
        return Err(Failure::new(
            "NEWEID-E-SIMULATE",
            Fault::Caller,
            "廢止與停用的憑證不能多於全部憑證。",
            "There cannot be more revoked and suspended certificates than certificates.",
            "例 Example: --certificates 1000000 --revoked 20000",
        )
        .exit(2));
    }
    std::fs::create_dir_all(&arguments.dir)?;
    let now = clock::now();
    let authority = Authority::new(now).map_err(Failure::ours)?;
    let mut report = Report::new(arguments.json);

    let began = thread_time();
    let (mut population, listed) = populate(arguments, now).map_err(Failure::from_system)?;
    report.work("population", began);
    report.number("certificates", population.len() as f64);
    report.number("listed", listed.len() as f64);
    report.number("population_bytes", population.memory() as f64);

    super::npc_cases::write(&arguments.dir.join("cases"), &authority, now)?;
    lists(&mut population, &authority, arguments, now, &mut report)?;
    answers(&population, &authority, &listed, now, &mut report)?;
    filter(&population, &authority, arguments, now, &mut report)?;
    report.number("peak_resident_bytes", peak_resident() as f64);
    report.finish();
    Ok(ExitCode::SUCCESS)
}

// Numbers as the CA draws them: 16 octets, the first bit zero.
fn populate(arguments: &Simulate, now: Timestamp) -> Result<(Population, Vec<Serial>), npc::NpcError> {
    let count = arguments.certificates as usize;
    let mut serials = Vec::with_capacity(count);
    let mut bytes = vec![0u8; 1 << 20];
    while serials.len() < count {
        SystemRandom.fill(&mut bytes);
        for chunk in bytes.as_chunks::<16>().0.iter().take(count - serials.len()) {
            let number = u128::from_be_bytes(*chunk) >> 1;
            serials.push(if number >> 119 == 0 { number | 1 << 126 } else { number });
        }
    }
    let number = |n: &u128| Serial::from_u128(*n);
    let listed: Vec<Serial> =
        serials.iter().take((arguments.revoked + arguments.suspended) as usize).filter_map(number).collect();
    let mut population = Population::of(PARTITIONS, serials);
    let reasons = [Reason::KeyCompromise, Reason::Superseded, Reason::CessationOfOperation];
    let at = now - SignedDuration::from_hours(24);
    for (n, batch) in listed.chunks(BATCH).enumerate() {
        let changes: Vec<Change> = batch
            .iter()
            .zip(n * BATCH..)
            .map(|(serial, place)| Change {
                serial: *serial,
                listed: Some((
                    at,
                    match (place as u64) < arguments.revoked {
                        true => reasons[place % 3],
                        false => Reason::CertificateHold,
                    },
                )),
                was_listed: false,
                not_after: now + SignedDuration::from_hours(24 * (1 + place as i64 % 1_826)),
                seq: place as u64 + 1,
            })
            .collect();
        population.apply(&changes)?;
        population.table(None, Timestamp::UNIX_EPOCH)?;
    }
    Ok((population, listed))
}

fn lists(
    population: &mut Population,
    authority: &Authority,
    arguments: &Simulate,
    now: Timestamp,
    report: &mut Report,
) -> Result<(), Failure> {
    let life = Lifetime { number: 1, this_update: now, next_update: now + SignedDuration::from_hours(24) };
    let began = thread_time();
    let table = population.table(None, now).map_err(Failure::from_system)?;
    let tbs = crl::from_table(&authority.issuer, life, &table, Pointers::default()).map_err(Failure::ours)?;
    let der = crl::issue(&tbs, &authority.ca_key).map_err(Failure::ours)?;
    report.work("complete_crl", began);
    report.number("complete_crl_bytes", der.len() as f64);
    std::fs::write(arguments.dir.join("npc.crl"), &der)?;
    drop((tbs, der));

    let began = thread_time();
    for n in 0..PARTITIONS {
        let table = population.table(Some(n), now).map_err(Failure::from_system)?;
        let uri = format!("{}/npc-{n}.crl", authority.urls.crl);
        let pointers = Pointers { partition: Some(&uri), ..Pointers::default() };
        let tbs = crl::from_table(&authority.issuer, life, &table, pointers).map_err(Failure::ours)?;
        let der = crl::issue(&tbs, &authority.ca_key).map_err(Failure::ours)?;
        if n == 0 {
            report.number("partition_crl_bytes", der.len() as f64);
            std::fs::write(arguments.dir.join("npc-0.crl"), &der)?;
        }
    }
    report.work("all_partition_crls", began);
    Ok(())
}

fn answers(
    population: &Population,
    authority: &Authority,
    listed: &[Serial],
    now: Timestamp,
    report: &mut Report,
) -> Result<(), Failure> {
    // Listed ones, and as many that were never given out.
    let mut asked: Vec<Serial> = listed.iter().copied().take(100_000).collect();
    asked.extend((0..100_000).map(|_| Serial::random(&mut SystemRandom)));
    let began = thread_time();
    let known =
        asked.iter().filter(|serial| population.status(serial) != x509::ocsp::Status::Unknown).count();
    report.rate("status_lookups_per_second", asked.len(), thread_time() - began);
    if known != listed.len().min(100_000) {
        return Err(Failure::ours("a status is wrong"));
    }
    let hashes = IssuerHashes::new(&authority.ca).map_err(Failure::ours)?;
    let answer = Answer { this_update: now, next_update: now + SignedDuration::from_hours(1) };
    let began = thread_time();
    let count = 20_000;
    for serial in asked.iter().cycle().take(count) {
        let id = CertId::new(&hashes, curve::Hash::Sha256, serial).map_err(Failure::ours)?;
        let status = population.status(serial);
        let signed = authority.responder.sign(&[(&id, status)], None, answer, now, &authority.responder_key);
        signed.map_err(Failure::ours)?;
    }
    report.rate("ocsp_signed_per_second", count, thread_time() - began);
    Ok(())
}

fn filter(
    population: &Population,
    authority: &Authority,
    arguments: &Simulate,
    now: Timestamp,
    report: &mut Report,
) -> Result<(), Failure> {
    let began = thread_time();
    let (revoked, suspended) = population.revoked_and_suspended();
    let all = status::filter::Population {
        issuer: &authority.ca,
        size: population.len() as u64,
        all: &|f| population.each(f),
        revoked: &revoked,
        suspended: &suspended,
    };
    let filter = Filter::build(1, now, SignedDuration::from_hours(1), &[all], 1).map_err(Failure::ours)?;
    let by = StatusSigner { certificate: &authority.status, signer: &authority.status_key };
    let document = filter.sign(&by).map_err(Failure::ours)?;
    report.work("filter", began);
    report.number("filter_bytes", document.len() as f64);
    // Every certificate is asked for once: a filter that is wrong about one is wrong.
    let began = thread_time();
    let key_hash = status::filter::key_hash(&authority.ca);
    let (mut count, mut found) = (0usize, [0u64; 3]);
    population.each(&mut |number| {
        count += 1;
        if let Some(state) = filter.state_by_key(&key_hash, number) {
            found[state as usize] += 1;
        }
    });
    report.rate("filter_queries_per_second", count, thread_time() - began);
    report.number("filter_revoked", found[2] as f64);
    report.number("filter_suspended", found[1] as f64);
    let wrong = found[2] != revoked.len() as u64
        || found[1] != suspended.len() as u64
        || revoked.iter().any(|n| filter.state_by_key(&key_hash, *n) != Some(status::filter::State::Revoked));
    if wrong {
        return Err(Failure::ours("the filter is wrong"));
    }
    std::fs::write(arguments.dir.join("filter"), &document)?;
    std::fs::write(arguments.dir.join("npc-root.pem"), authority.root.to_pem())?;
    std::fs::write(arguments.dir.join("npc-ca.pem"), authority.ca.to_pem())?;
    Ok(())
}

/// A CA that is thrown away, with the names of the test country.
pub struct Authority {
    pub urls: Urls,
    pub root: Certificate,
    pub ca: Certificate,
    pub ca_key: EcSigner,
    pub issuer: Issuer,
    responder: Responder,
    responder_key: EcSigner,
    status: Certificate,
    pub status_key: EcSigner,
}

impl Authority {
    fn new(now: Timestamp) -> Result<Self, x509::Error> {
        let config = NpcConfig::default();
        let key = |curve| EcSigner::new(SecretKey::generate(curve, &mut SystemRandom));
        let [root_key, ca_key] = [Curve::P384; 2].map(key);
        let [responder_key, status_key] = [Curve::P256; 2].map(key);
        let serial = || Serial::random(&mut SystemRandom);
        let validity =
            Validity::new(now - SignedDuration::from_hours(24), now + SignedDuration::from_hours(24 * 30))?;
        let root = npc_root(&NpcRoot {
            serial: serial(),
            subject: &config.root_name,
            validity,
            spki: root_key.spki(),
            algorithm: root_key.algorithm(),
        })?;
        let root = issue(&root, &root_key)?;
        let ca = npc_intermediate(&NpcIntermediate {
            serial: serial(),
            issuer: &Issuer::new(&root, &root_key)?,
            subject: &config.ca_name,
            validity,
            spki: ca_key.spki(),
            policy: config.policy,
            crl_uri: &format!("{}/npc-root.crl", config.urls.crl),
            ca_issuers_uri: &format!("{}/npc-root.cer", config.urls.certs),
        })?;
        let ca = issue(&ca, &root_key)?;
        let issuer = Issuer::new(&ca, &ca_key)?;
        let responder = ocsp_responder(&OcspResponder {
            serial: serial(),
            issuer: &issuer,
            subject: &config.ocsp_name,
            validity,
            spki: responder_key.spki(),
        })?;
        let responder = issue(&responder, &ca_key)?;
        let complete = format!("{}/npc.crl", config.urls.crl);
        let status = status_signer(&StatusService {
            serial: serial(),
            issuer: &issuer,
            subject: &config.status_name,
            validity,
            spki: status_key.spki(),
            policy: config.policy,
            locations: StatusLocations {
                partition_crl: &complete,
                complete_crl: &complete,
                ca_issuers: &format!("{}/issued-to-this-ca.p7b", config.urls.certs),
                ocsp: &config.urls.ocsp,
            },
        })?;
        Ok(Self {
            status: issue(&status, &ca_key)?,
            responder: Responder::new(&responder, &ca, responder_key.algorithm())?,
            urls: config.urls,
            root,
            ca,
            ca_key,
            issuer,
            responder_key,
            status_key,
        })
    }
}

// The most memory this process ever had, where the system tells.
fn peak_resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
