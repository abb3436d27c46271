//! Figures of New eID beside limits and peers. Nothing here fails because something is slow: a slow figure is seen in the
//! table. It fails if something is wrong: a round of a protocol that does not succeed, a card that does not verify.

#![allow(clippy::disallowed_methods, reason = "measuring time is what this program is for")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a table is what this program gives")]

mod cards;
mod chain;
mod country;
mod curves;
mod face;
mod figure;
mod issuance;
mod measure;
mod pcsc;
mod random;
mod read;
mod rounds;
mod sessions;
mod start;
mod status;
mod timing;

use clap::{Parser, Subcommand};
use curve::Curve;
use figure::Figure;
use std::path::PathBuf;
use std::process::ExitCode;

/// What went wrong, in words.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(about = "Figures of New eID beside limits and peers")]
struct Arguments {
    /// Print JSON instead of a table.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Everything that can be measured on this machine (the default).
    All {
        /// The neweid program; without it nothing is measured that needs the whole country.
        #[arg(long)]
        binary: Option<PathBuf>,
        /// Rounds of PACE with each mapping, of Terminal, Chip and Active Authentication.
        #[arg(long, default_value_t = 10_000)]
        rounds: usize,
        /// Status services over the whole population, as `status --full`; rounds on every curve, as `rounds --every-curve`; 1,000
        /// random sessions with cards of each profile instead of 200.
        #[arg(long)]
        full: bool,
    },
    /// Each elliptic-curve operation on each curve.
    Curves,
    /// Random rounds of PACE, Terminal, Chip and Active Authentication; every one must succeed.
    Rounds {
        /// How many of each.
        #[arg(long, default_value_t = 10_000)]
        rounds: usize,
        /// On each of the eleven curves of the standardised domain parameters, not only on those of the issued cards: what
        /// documents of other issuers may name. Takes about four times as long.
        #[arg(long)]
        every_curve: bool,
        /// Seed of the randomness, to repeat a run.
        #[arg(long)]
        seed: Option<String>,
    },
    /// One public-zone read in process beside the sum of its elliptic-curve operations, and one APDU.
    Read,
    /// Random sessions with whole cards of every profile: readings, signatures, decipherments; every one must succeed.
    Random {
        /// How many with each profile.
        #[arg(long, default_value_t = 1_000)]
        sessions: usize,
        /// Seed of the randomness, to repeat a run.
        #[arg(long)]
        seed: Option<String>,
    },
    /// Whole sessions in process, the card's and the reader's processor time apart.
    Sessions,
    /// Whether the time of a refusal tells where a wrong PIN, token, message or cryptogram differs from the right one. Fails if
    /// it certainly does, and if a comparison that leaks on purpose is not found out.
    Timing {
        /// Measurements of each kind.
        #[arg(long, default_value_t = 20_000)]
        samples: usize,
    },
    /// The steps of production on the card alone: no database, no printed face.
    Cards {
        /// How many cards.
        #[arg(long, default_value_t = 40)]
        count: usize,
    },
    /// The printed face.
    Face,
    /// Cards per second through the whole chain, from application to office, without RSA key generation.
    Chain {
        /// How many cards.
        #[arg(long, default_value_t = 40)]
        count: u32,
    },
    /// Durable certificates per second on PostgreSQL beside the raw signatures of the CA's key.
    Issuance {
        /// Certificates of each kind of card key, under each kind of CA key.
        #[arg(long, default_value_t = 600)]
        count: usize,
        /// Cards that are certified at the same time.
        #[arg(long, default_value_t = 64)]
        callers: usize,
    },
    /// Status services: OCSP over HTTP, lists, filter, time stamps; OpenSSL's servers beside them.
    Status {
        /// Certificates in the population.
        #[arg(long, default_value_t = 1_000_000)]
        certificates: usize,
        /// How many of them are revoked.
        #[arg(long, default_value_t = 100_000)]
        revoked: usize,
        /// The whole population: 94.36 million certificates, 6 million revoked. Takes about 4 GB of memory before the filter.
        #[arg(long, conflicts_with_all = ["certificates", "revoked"])]
        full: bool,
    },
    /// First run, start of an existing directory, idle memory, and a read over pcscd where it runs.
    Start {
        /// The neweid program.
        #[arg(long)]
        binary: PathBuf,
    },
    /// One read of the card in a PC/SC reader.
    Reader {
        /// Its card access number.
        #[arg(long)]
        can: String,
        /// Directory with the certificates and lists to trust.
        #[arg(long)]
        trust: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let what = arguments.what.unwrap_or(What::All { binary: None, rounds: 10_000, full: false });
    let mut figures = Vec::new();
    let mut code = ExitCode::SUCCESS;
    // One part that fails does not take the figures of the others with it.
    for part in parts(what) {
        match part() {
            Ok(more) => figures.extend(more),
            Err(failure) => {
                eprintln!("bench: {failure}");
                code = ExitCode::FAILURE;
            }
        }
    }
    figure::print(&figures, arguments.json);
    code
}

type Part = Box<dyn FnOnce() -> Result<Vec<Figure>, Failure>>;

fn parts(what: What) -> Vec<Part> {
    match what {
        What::Curves => vec![Box::new(curves::run)],
        What::Rounds { rounds, every_curve, seed } => {
            let curves: &[Curve] = if every_curve { &Curve::STANDARDISED } else { &rounds::ISSUED };
            vec![Box::new(move || rounds::run(rounds, seed.as_deref(), curves))]
        }
        What::Random { sessions, seed } => {
            vec![Box::new(move || random::run(sessions, seed.as_deref()))]
        }
        What::Sessions => vec![Box::new(sessions::run)],
        What::Read => vec![Box::new(read::run)],
        What::Timing { samples } => vec![Box::new(move || timing::run(samples))],
        What::Cards { count } => vec![Box::new(move || cards::run(count))],
        What::Face => vec![Box::new(face::run)],
        What::Chain { count } => vec![Box::new(move || chain::run(count))],
        What::Issuance { count, callers } => vec![Box::new(move || issuance::run(count, callers))],
        What::Status { full: true, .. } => vec![Box::new(full_size)],
        What::Status { certificates, revoked, full: false } => {
            vec![Box::new(move || status::run(certificates, revoked))]
        }
        What::Start { binary } => vec![Box::new(move || start::run(&binary))],
        What::Reader { can, trust } => vec![Box::new(move || pcsc::read_card(&can, &trust))],
        What::All { binary, rounds, full } => {
            let mut all: Vec<Part> = vec![
                Box::new(curves::run),
                Box::new(move || {
                    rounds::run(rounds, None, if full { &Curve::STANDARDISED } else { &rounds::ISSUED })
                }),
                Box::new(move || random::run(if full { 1_000 } else { 200 }, None)),
                Box::new(read::run),
                Box::new(sessions::run),
                Box::new(|| timing::run(20_000)),
                Box::new(|| cards::run(40)),
                Box::new(face::run),
                Box::new(|| chain::run(40)),
                Box::new(|| issuance::run(600, 64)),
                if full { Box::new(full_size) } else { Box::new(|| status::run(1_000_000, 100_000)) },
            ];
            match binary.or_else(beside_this_program) {
                Some(binary) => all.push(Box::new(move || start::run(&binary))),
                None => eprintln!("bench: no neweid program found (--binary), start times left out"),
            }
            all
        }
    }
}

/// The status services at full size. What an incident costs there is a drill on PostgreSQL, a program of its own.
fn full_size() -> Result<Vec<figure::Figure>, Failure> {
    eprintln!(
        "bench: the drill of an incident at full size: neweid npc drill --persons 750000 --database url.txt --dir drill"
    );
    let (certificates, revoked) = status::FULL;
    status::run(certificates, revoked)
}

/// The neweid program that was built into the same directory.
fn beside_this_program() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name("neweid");
    path.exists().then_some(path)
}
