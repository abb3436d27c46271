//! The country on a PostgreSQL server, and with its signing keys in a PKCS #11 token.

use crate::books::{Books, assert_whole, settle, wait};
use crate::support::{Ran, Up, cards, free_ports, neweid};
use std::path::{Path, PathBuf};
use std::process::Command;

fn demo(dir: &Path, command: &mut Command) -> Ran {
    Ran::of(command.args(["demo", "--json", "--port-base", &free_ports().to_string(), "--dir"]).arg(dir))
}

// First run, demonstration and restart with every system in a schema of its own.
#[test]
fn postgresql() {
    wait(store::testkit::each_engine_url(async |url: String| {
        // On SQLite runs every other test.
        if url.starts_with("postgres:") {
            tokio::task::spawn_blocking(move || on_postgresql(&url)).await.expect("passes");
        }
    }));
}

fn on_postgresql(url: &str) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let dir = place.path().join("country");
    let up = Up::spawn(&dir, &["--database", url]).ready();
    assert_eq!(cards(&dir).len(), 11);
    let beside = demo(&dir, &mut neweid());
    assert_eq!(beside.code, Some(0), "{beside}");
    up.stop();
    assert!(files(&dir.join("db")).is_empty(), "nothing in files");
    let alone = demo(&dir, &mut neweid());
    assert_eq!(alone.code, Some(0), "{alone}");
    settle(&dir);
    assert_whole(&dir, 2);
    let schemas = "SELECT count(*) FROM information_schema.schemata \
        WHERE schema_name IN ('registry', 'docsigner', 'eacpki', 'npc', 'production', 'mgmt', 'ra')";
    assert_eq!(Books::of(&dir).count("mgmt", schemas), 7);

    // The address may hold a password: it stays in a file that only the owner can read, and is never printed.
    let settings = std::fs::metadata(dir.join("neweid.json")).expect("settings");
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&settings) & 0o077, 0);
    // Another directory on the same database would have other keys for the same rows.
    let other = place.path().join("other");
    let second = Up::spawn(&other, &["--database", url]).wait();
    second.fails(1, "NEWEID-E-DATABASE-TAKEN");
    settle(&dir);
    assert_whole(&dir, 2);
    let elsewhere = Up::spawn(&dir, &["--database", "postgres://u:Xyzzy77@127.0.0.1:1/other"]).wait();
    elsewhere.fails(1, "NEWEID-E-DATABASE-CHANGED");
    assert!(!elsewhere.stderr.contains("Xyzzy77"), "{elsewhere}");
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries.map(|entry| entry.expect("readable").path()).collect()
}

const PIN: &str = "482913";

fn module() -> PathBuf {
    let places = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ];
    let found = places.into_iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("SoftHSM is missing: apt-get install -y --no-install-recommends softhsm2")
}

// The keys of every office in a hardware module's stead: they are made there, each a key of its own, and no file holds any of them.
// proves: DOCPKI-12
#[test]
fn a_pkcs11_token() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let configuration = place.path().join("softhsm2.conf");
    let tokens = place.path().join("tokens");
    std::fs::create_dir(&tokens).expect("a new directory");
    std::fs::write(
        &configuration,
        format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()),
    )
    .expect("writable");
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "country", "--pin", PIN, "--so-pin", "87654321"])
        .env("SOFTHSM2_CONF", &configuration)
        .output()
        .expect("SoftHSM is missing: apt-get install -y --no-install-recommends softhsm2");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let pin_file = place.path().join("pin");
    keys::write_atomically(&pin_file, format!("{PIN}\n").as_bytes(), &mut curve::SystemRandom)
        .expect("writable");

    let dir = place.path().join("country");
    let with_token = || {
        let mut command = neweid();
        command.env("SOFTHSM2_CONF", &configuration);
        command
    };
    let module = module();
    let options = [
        "--pkcs11-module",
        module.to_str().expect("a path"),
        "--pkcs11-token",
        "country",
        "--pkcs11-pin-file",
        pin_file.to_str().expect("a path"),
        "--npc-partitions",
        "4",
    ];
    Up::spawn_command(&mut with_token(), &dir, free_ports(), &options).ready().stop();
    for system in ["docsigner", "eacpki", "npc"] {
        assert!(files(&dir.join("keys").join(system)).is_empty(), "{system} has no key in a file");
    }
    // With this one the management system seals its rows; the key of its terminal is in the module.
    assert_eq!(files(&dir.join("keys/mgmt")), [dir.join("keys/mgmt/master.key")]);
    let objects = |kind: &str| -> Vec<String> {
        let output = Command::new("pkcs11-tool")
            .args(["--token-label", "country", "--login", "--pin", "env:TOKEN_PIN", "-O", "--type", kind])
            .arg("--module")
            .arg(&module)
            .env("TOKEN_PIN", PIN)
            .env("SOFTHSM2_CONF", &configuration)
            .output()
            .expect("pkcs11-tool is missing: apt-get install -y --no-install-recommends opensc");
        String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim().to_owned()).collect()
    };
    let mut labels: Vec<_> = objects("privkey")
        .iter()
        .filter_map(|line| Some(line.strip_prefix("label:")?.trim().to_owned()))
        .collect();
    labels.sort_unstable();
    let every = labels.len();
    labels.dedup();
    assert_eq!(labels.len(), every, "one key under each label: {labels:?}");
    for office in ["csca-1", "ds-1", "cvca-1", "npc-root", "npc-ca", "terminal-1"] {
        assert!(labels.iter().any(|label| label == office), "{office}: {labels:?}");
    }
    let public = objects("pubkey");
    let points: Vec<_> = public.iter().filter(|line| line.starts_with("EC_POINT")).collect();
    let distinct: std::collections::BTreeSet<_> = points.iter().collect();
    assert!(distinct.len() == points.len() && distinct.len() >= 4, "no two offices have one key: {public:?}");
    // Later starts know where the keys are.
    let journey = demo(&dir, &mut with_token());
    assert_eq!(journey.code, Some(0), "{journey}");
    let out = place.path().join("pki");
    Ran::of(with_token().args(["pki", "export", "--dir"]).arg(&dir).arg("--out").arg(&out)).success();
    assert!(
        out.join("npc-3.crl").exists() && !out.join("npc-4.crl").exists(),
        "as many lists as the first run chose"
    );
    let settings = std::fs::read_to_string(dir.join("neweid.json")).expect("settings");
    assert!(!settings.contains(PIN), "the PIN stays in its file");

    // The token is gone, or locked: said before anything else.
    let up = |command: &mut Command| Up::spawn_command(command, &dir, free_ports(), &[]).wait();
    up(neweid().env("SOFTHSM2_CONF", "/dev/null")).fails(1, "KEYS-TOKEN-GONE");
    std::fs::remove_file(&pin_file).expect("ours");
    keys::write_atomically(&pin_file, b"999999", &mut curve::SystemRandom).expect("writable");
    let locked = up(&mut with_token());
    locked.fails(1, "KEYS-TOKEN-PIN");
    assert!(!locked.stderr.contains("999999") && !locked.stderr.contains(PIN), "{locked}");
}
