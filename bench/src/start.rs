//! The whole country as a program: first run, start of an existing directory, idle memory.

use crate::Failure;
use crate::figure::Figure;
use crate::pcsc;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const GROUP: &str = "the whole country";

/// Later starts must answer within this time.
const START_LIMIT: f64 = 2_000.0;

/// A moment after the first answer, before memory is looked at.
const SETTLED: Duration = Duration::from_millis(500);

/// A first run makes keys of 4,096 bits; it is given up after this time.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn run(binary: &Path) -> Result<Vec<Figure>, Failure> {
    let place = tempfile::tempdir()?;
    let directory = place.path().join("country");
    let (first, country) = up(binary, &directory)?;
    std::thread::sleep(SETTLED);
    let after_first = resident(country.0.id())?;
    drop(country);
    let mut starts = Vec::new();
    let mut memory = 0.0;
    for _ in 0..3 {
        let (time, country) = up(binary, &directory)?;
        starts.push(time);
        std::thread::sleep(SETTLED);
        memory = resident(country.0.id())?;
    }
    starts.sort_unstable();
    let mut figures = vec![
        Figure::time(GROUP, "first run to the first answer", first),
        Figure::time(GROUP, "start of an existing directory", starts[1]).beside("limit", START_LIMIT),
        Figure::new(GROUP, "memory after the first run", after_first, "MB"),
        Figure::new(GROUP, "memory, idle", memory, "MB"),
    ];
    match pcsc::run(binary, &directory) {
        Ok(more) => figures.extend(more),
        Err(failure) => {
            let nothing = Figure::new(GROUP, "a reading over pcscd", f64::NAN, "ms");
            figures.push(nothing.beside_nothing("ours and JMRTD", &failure.to_string()));
        }
    }
    Ok(figures)
}

/// A running program, stopped when dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the country and waits for its first HTTP answer.
fn up(binary: &Path, directory: &Path) -> Result<(Duration, Running), Failure> {
    let endpoints = directory.join("endpoints.json");
    if endpoints.exists() {
        std::fs::remove_file(&endpoints)?;
    }
    let said = directory.with_extension("said");
    let begin = Instant::now();
    let child = Command::new(binary)
        .args(["up", "--dir"])
        .arg(directory)
        .args(["--port-base", "28400"])
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&said)?)
        .spawn()?;
    let mut country = Running(child);
    loop {
        if let Some(status) = country.0.try_wait()? {
            let said = std::fs::read_to_string(&said).unwrap_or_default();
            return Err(format!("neweid up has ended: {status}: {}", said.trim_end()).into());
        }
        if let Ok(text) = std::fs::read_to_string(&endpoints)
            && let Ok(endpoints) = serde_json::from_str::<Value>(&text)
            && let Some(web) = endpoints["web"].as_str()
            && ureq::get(web).call().is_ok()
        {
            return Ok((begin.elapsed(), country));
        }
        if begin.elapsed() > PATIENCE {
            return Err("neweid up does not answer".into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Resident memory in megabytes.
fn resident(process: u32) -> Result<f64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1_000.0)
}
