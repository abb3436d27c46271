//! One read of a sample card through pcscd and vsmartcard's virtual reader, by a process of its own: which pcscd a process
//! talks to is settled when it starts.

use crate::Failure;
use crate::curves::Operations;
use crate::figure::{Figure, millis};
use crate::read::{curve_operations, read, round_trip};
use crate::start::Running;
use curve::Curve;
use jiff::Timestamp;
use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use terminal::{PcscChannel, TrustStore};

const GROUP: &str = "one read over pcscd";

/// vpcd's port on Debian.
const USUAL_PORT: u16 = 35_963;

/// Puts an active sample card of the country into a virtual reader and lets another process of this program read it.
pub(crate) fn run(binary: &Path, directory: &Path) -> Result<Vec<Figure>, Failure> {
    let output = Command::new(binary).args(["card", "list", "--json", "--dir"]).arg(directory).output()?;
    let cards: Value = serde_json::from_slice(&output.stdout)?;
    let card = cards
        .as_array()
        .and_then(|cards| cards.iter().find(|c| c["state"] == "active" && c["profile"] == "national"))
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
    if let Some(own) = &reader.own {
        other.env("PCSCLITE_CSOCK_NAME", own.directory.path().join("pcscd.comm"));
    }
    let output = other.output()?;
    if !output.status.success() {
        return Err("the card could not be read".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The other process: reads the card that is in a reader.
pub(crate) fn read_card(can: &str, trust: &Path) -> Result<Vec<Figure>, Failure> {
    let trust = TrustStore::from_dir(trust)?;
    let mut channel = connect()?;
    let transport = round_trip(&mut channel)?;
    let operations = Operations::measure(Curve::P521, 300);
    let mut times = Vec::new();
    for _ in 0..25 {
        let begin = Instant::now();
        read(&mut channel, can, &trust, Timestamp::now())?;
        times.push(begin.elapsed());
    }
    let least = times.into_iter().min().unwrap_or_default();
    Ok(vec![
        Figure::time(GROUP, "household and public zone, all checks", least)
            .beside("its curve operations", millis(curve_operations(operations))),
        Figure::time(GROUP, "one APDU without work", transport).beside("limit for transport", 0.2),
    ])
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
