//! Power cuts: `kill -9` at many moments of the first run and of production, each time on the same directory. After the
//! last one everything is there, once.

use crate::books::{Books, assert_whole, settle};
use crate::support::{Country, Up, bytes_written, free_ports, in_dir, neweid, template};
use std::process::Stdio;
use std::time::{Duration, Instant};

// Waits until the process has written so many bytes, or has ended, or is ready. Counting bytes instead of time puts the
// cuts where something is being changed, on slow and fast machines alike.
fn has_written(up: &mut Up, bytes: u64, ready: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if bytes_written(up.id()) >= bytes {
            return true;
        }
        if let Some(status) = up.ended() {
            panic!("ended by itself with {status}: {}", up.stderr());
        }
        if ready() {
            return false;
        }
        assert!(begun.elapsed() < crate::support::PATIENCE, "{}", up.stderr());
        std::thread::sleep(Duration::from_micros(300));
    }
}

// proves: CARD-47
#[test]
fn first_run() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let dir = place.path().join("country");
    let whole = template().written;
    // The first cuts come at the first bytes: directory, settings, keys. The others a thirtieth of the whole apart, at
    // places that differ from run to run.
    let mut quotas = vec![1, 150, 400, 1_000, 3_000, 10_000, 40_000];
    let step = whole / 24;
    quotas.extend(
        (0..40).map(|n: u64| step / 2 + (u64::from(std::process::id()) * 7_919 + n * 104_729) % step),
    );
    let mut kills = 0;
    for quota in quotas {
        let mut up = Up::spawn(&dir, &[]);
        let endpoints = dir.join("endpoints.json");
        let cut = has_written(&mut up, quota, || endpoints.exists());
        up.kill();
        if !cut {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 20, "only {kills} kills before the country was complete");
    settle(&dir);
    assert_whole(&dir, 0);
    // No half-written file is left behind, whatever was cut.
    let temporary = leftovers(&dir);
    assert!(temporary.len() < 10, "{temporary:?}");
}

fn leftovers(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(leftovers(&path));
        } else if path.extension().is_some_and(|e| e == "new" || e == "tmp") {
            found.push(path);
        }
    }
    found
}

// A demonstration killed in the middle: whatever its case had reached goes on with the next `neweid up`.
// proves: CARD-47
#[test]
fn production() {
    let country = Country::new();
    let dir = country.dir();
    settle(&dir);
    // How much a whole one writes.
    let demo = |quota: Option<u64>| -> (u64, bool) {
        let mut child = neweid()
            .args(["demo", "--port-base", &free_ports().to_string(), "--dir"])
            .arg(&dir)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(country.beside("stderr")).expect("writable"))
            .spawn()
            .expect("the program starts");
        let mut written = 0;
        let begun = Instant::now();
        while child.try_wait().expect("our child").is_none() {
            written = written.max(bytes_written(child.id()));
            if quota.is_some_and(|quota| written >= quota) {
                let _ = child.kill();
                let _ = child.wait();
                return (written, false);
            }
            assert!(begun.elapsed() < Duration::from_secs(120));
            std::thread::sleep(Duration::from_micros(300));
        }
        let status = child.wait().expect("our child");
        let said = std::fs::read_to_string(country.beside("stderr")).unwrap_or_default();
        assert!(status.success(), "{status}: {said}");
        (written, true)
    };
    let (whole, _) = demo(None);
    let parts = 9;
    let mut finished = 1;
    for part in 1..parts {
        let (_, whole) = demo(Some(whole * part / parts));
        finished += u32::from(whole);
    }
    assert!(finished < 5, "most were killed");
    settle(&dir);
    // A case that was not approved yet waits for its clerk; every one that was became one card.
    let books = Books::of(&dir);
    let waiting =
        books.count("mgmt", "SELECT count(*) FROM application WHERE state IN ('submitted', 'approved')");
    let cases = books.count("mgmt", "SELECT count(*) FROM application");
    let cards = books.count("mgmt", "SELECT count(*) FROM card");
    assert_eq!(cards, cases - waiting, "a case without card or a card without case");
    assert_whole(&dir, usize::try_from(cards).expect("few") - 11);
    assert_eq!(in_dir(&dir, ["demo", "--json"]).code, Some(0), "the next journey goes through");
}
