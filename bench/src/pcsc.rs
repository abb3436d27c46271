//! One read of a sample card through pcscd and vsmartcard's virtual reader, by a process of its own: which pcscd a process
//! talks to is settled when it starts. Then JMRTD reads the same card in the same reader, where its driver is built
//! (conformance/setup).

use crate::Failure;
use crate::curves::Operations;
use crate::figure::{Figure, millis};
use crate::read::{curve_operations, read, read_with, round_trip};
use crate::start::Running;
use curve::{Curve, SystemRandom};
use jiff::Timestamp;
use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use terminal::{PcscChannel, ReadOptions, TrustStore};

const GROUP: &str = "one read over pcscd";

/// vpcd's port on Debian.
const USUAL_PORT: u16 = 35_963;

/// Readings of which the fastest counts, ours and JMRTD's alike.
const ROUNDS: usize = 100;

/// A process's first reading of a card, and its fastest.
struct Readings {
    first: Duration,
    least: Duration,
}

/// Puts an active sample card of the country into a virtual reader and lets another process of this program read it.
pub(crate) fn run(binary: &Path, directory: &Path) -> Result<Vec<Figure>, Failure> {
    let output = Command::new(binary).args(["card", "list", "--json", "--dir"]).arg(directory).output()?;
    let cards: Value = serde_json::from_slice(&output.stdout)?;
    let card = cards
        .as_array()
        .and_then(|cards| cards.iter().find(|c| c["state"] == "active" && c["profile"] == "interop"))
        .ok_or("no active card")?;
    let (serial, can) = (card["serial"].as_str().ok_or("no serial")?, card["can"].as_str().ok_or("no CAN")?);
    let trust = directory.join("bench-trust");
    Command::new(binary).args(["pki", "export", "--dir"]).arg(directory).arg("--out").arg(&trust).output()?;
    let reader = Reader::start()?;
    let insert = Command::new(binary)
        .args(["card", "insert", serial, "--interface", "contact", "--vpcd"])
        .arg(format!("127.0.0.1:{}", reader.port))
        .arg("--dir")
        .arg(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let _inserted = Running(insert);
    let mut other = Command::new(std::env::current_exe()?);
    other.args(["reader", "--json", "--can", can, "--trust"]).arg(&trust).stderr(Stdio::inherit());
    let output = reader.program(&mut other).output()?;
    if !output.status.success() {
        return Err("the card could not be read".into());
    }
    let mut figures: Vec<Figure> = serde_json::from_slice(&output.stdout)?;
    match jmrtd(&reader, can, &trust) {
        Ok(theirs) => beside_jmrtd(&mut figures, &theirs),
        Err(failure) => {
            let why = failure.to_string();
            figures = figures.into_iter().map(|figure| without_jmrtd(figure, &why)).collect();
        }
    }
    Ok(figures)
}

/// Puts JMRTD's times beside ours for the same work.
fn beside_jmrtd(figures: &mut [Figure], theirs: &Readings) {
    for figure in figures {
        let (name, time) = match figure.name.as_str() {
            PUBLIC => ("JMRTD, warm (goal: at most 0.33)", theirs.least),
            FIRST => ("JMRTD, without its machine's start", theirs.first),
            _ => continue,
        };
        *figure = figure.clone().beside(name, millis(time));
    }
}

/// The row that its times belong into says why they are not there.
fn without_jmrtd(figure: Figure, why: &str) -> Figure {
    if figure.name == PUBLIC { figure.beside_nothing("JMRTD", why) } else { figure }
}

const PUBLIC: &str = "public zone alone, all checks";
const FIRST: &str = "the same, first of a process";

/// JMRTD's readings: PACE, all data groups, passive and active authentication. The start of its machine does not count.
fn jmrtd(reader: &Reader, can: &str, trust: &Path) -> Result<Readings, Failure> {
    let driver = driver().ok_or("its driver is not built: conformance/setup")?;
    let name =
        if reader.own.is_some() { "Virtual PCD 00 00".into() } else { PcscChannel::readers()?.remove(0) };
    let path = std::fs::read_to_string(driver.join("classpath"))?;
    let mut java = Command::new("java");
    if let Some(library) = library() {
        java.arg(format!("-Dsun.security.smartcardio.library={}", library.display()));
    }
    java.arg("-cp")
        .arg(format!("{}:{}", driver.join("classes").display(), path.trim()))
        .args(["neweid.test.Main", "time", &name, "time"])
        .args([format!("can={can}"), format!("rounds={ROUNDS}")])
        .arg(format!("csca={}", trust.join("csca.pem").display()))
        .arg(format!("crl={}", trust.join("csca.crl").display()))
        .stderr(Stdio::inherit());
    let output = reader.program(&mut java).output()?;
    if !output.status.success() {
        return Err("it could not read the card".into());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let (first, least) = said.trim().split_once(' ').ok_or("it has told no times")?;
    let time = |text: &str| Ok::<_, Failure>(Duration::from_secs_f64(text.parse::<f64>()? / 1_000.0));
    Ok(Readings { first: time(first)?, least: time(least)? })
}

/// Where conformance/setup has built JMRTD's driver: in the target directory this program stands in.
fn driver() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let built = program.ancestors().map(|place| place.join("conformance/jmrtd"));
    built.into_iter().find(|place| place.join("ready").exists())
}

/// The PC/SC library, which Java does not find by itself on Debian.
fn library() -> Option<PathBuf> {
    let architecture = std::env::consts::ARCH;
    let places = [format!("/usr/lib/{architecture}-linux-gnu"), "/usr/lib64".into(), "/usr/lib".into()];
    places.into_iter().map(|place| Path::new(&place).join("libpcsclite.so.1")).find(|file| file.exists())
}

/// The other process: reads the card that is in a reader.
pub(crate) fn read_card(can: &str, trust: &Path) -> Result<Vec<Figure>, Failure> {
    let trust = TrustStore::from_dir(trust)?;
    let mut channel = connect()?;
    let transport = round_trip(&mut channel)?;
    // The first of a process also gathers randomness from the machine.
    let public = times(|| read_public(&mut channel, can, &trust))?;
    let whole = times(|| read(&mut channel, can, &trust, Timestamp::now()).map(drop))?;
    let sum = curve_operations(Operations::measure(Curve::P521, 300));
    Ok(vec![
        Figure::time(GROUP, "household and public zone, all checks", whole.least)
            .beside("its curve operations", millis(sum)),
        Figure::time(GROUP, PUBLIC, public.least),
        Figure::time(GROUP, FIRST, public.first),
        Figure::time(GROUP, "one APDU without work", transport).beside("limit for transport", 0.2),
    ])
}

/// What JMRTD reads too.
fn read_public(channel: &mut PcscChannel, can: &str, trust: &TrustStore) -> Result<(), Failure> {
    let options = ReadOptions { without_household: true, ..ReadOptions::default() };
    read_with(channel, can, trust, &options, Timestamp::now(), &mut SystemRandom).map(drop)
}

fn times(mut read: impl FnMut() -> Result<(), Failure>) -> Result<Readings, Failure> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        read()?;
        times.push(begin.elapsed());
    }
    let first = times.first().copied().unwrap_or_default();
    Ok(Readings { first, least: times.into_iter().min().unwrap_or_default() })
}

/// A virtual reader.
struct Reader {
    /// Where a card is put in.
    port: u16,
    /// The pcscd that was started for it; without one it is the machine's.
    own: Option<Own>,
}

struct Own {
    directory: tempfile::TempDir,
    _pcscd: Running,
}

impl Reader {
    /// A program that is to see this reader.
    fn program<'a>(&self, program: &'a mut Command) -> &'a mut Command {
        if let Some(own) = &self.own {
            program.env("PCSCLITE_CSOCK_NAME", own.directory.path().join("pcscd.comm"));
        }
        program
    }

    /// A pcscd of our own, where root and the kernel allow it, so that nobody else resets the card meanwhile; the machine's
    /// otherwise.
    fn start() -> Result<Self, Failure> {
        match Own::start() {
            Ok((own, port)) => Ok(Self { port, own: Some(own) }),
            Err(_) => match PcscChannel::readers() {
                Ok(readers) if !readers.is_empty() => Ok(Self { port: USUAL_PORT, own: None }),
                _ => Err("pcscd does not run with a virtual reader, and only root can start it".into()),
            },
        }
    }
}

impl Own {
    fn start() -> Result<(Self, u16), Failure> {
        let directory = tempfile::tempdir()?;
        let port = free_ports()?;
        let driver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
        if !Path::new(driver).exists() {
            return Err("the virtual reader is not installed".into());
        }
        let configuration = directory.path().join("reader.conf");
        std::fs::write(
            &configuration,
            format!(
                "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:0x{port:X}\nLIBPATH {driver}\nCHANNELID 0x{port:X}\n"
            ),
        )?;
        std::fs::create_dir_all("/run/pcscd")?;
        // pcscd's own end of the socket has a fixed path, so it gets a view of the file system of its own.
        let pcscd = Command::new("unshare")
            .args(["--mount", "sh", "-c", "mount --bind \"$1\" /run/pcscd && shift && exec \"$@\"", "sh"])
            .arg(directory.path())
            .args(["/usr/sbin/pcscd", "--foreground", "--error", "--config"])
            .arg(configuration)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut pcscd = Running(pcscd);
        let socket: PathBuf = directory.path().join("pcscd.comm");
        for _ in 0..50 {
            if socket.exists() {
                return Ok((Self { directory, _pcscd: pcscd }, port));
            }
            if pcscd.0.try_wait()?.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err("pcscd does not start".into())
    }
}

/// The first of two neighbouring ports that nothing listens on: contact and contactless slot.
fn free_ports() -> Result<u16, Failure> {
    for _ in 0..100 {
        let first = TcpListener::bind(("127.0.0.1", 0))?;
        let port = first.local_addr()?.port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free ports".into())
}

/// The card needs a moment until pcscd sees it.
fn connect() -> Result<PcscChannel, Failure> {
    for _ in 0..100 {
        for reader in PcscChannel::readers().unwrap_or_default() {
            if let Ok(channel) = PcscChannel::connect(&reader) {
                return Ok(channel);
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err("no reader shows the card".into())
}
