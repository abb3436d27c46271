//! Bad input and faults of the machine: each has its stable code, says what happened and what to do, and changes nothing.

use crate::books::Books;
use crate::demo::portrait;
use crate::support::{Country, Ran, Up, free_ports, get, in_dir, neweid, serial_of};
use image::{ImageFormat, RgbImage};
use std::io::Cursor;
use std::net::TcpListener;

fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let picture =
        RgbImage::from_fn(width, height, |x, y| image::Rgb([(x % 251) as u8, (y % 241) as u8, 128]));
    picture.write_to(&mut out, format).expect("encodes");
    out.into_inner()
}

// Photo not a JPEG, too small, 6 MB, cut off.
#[test]
fn photos_that_cannot_be_used() {
    let country = Country::new();
    // One process serves, so that each attempt costs little.
    let up = Up::start(&country.dir());
    let good = std::fs::read(portrait()).expect("the portrait");
    let mut huge = good.clone();
    huge.resize(6 << 20, 0);
    let half = good[..good.len() / 2].to_vec();
    let head = good[..300].to_vec();
    let mut wrong_magic = good.clone();
    wrong_magic[..2].copy_from_slice(b"MZ");
    let photos = [
        ("empty", Vec::new(), "MGMT-E-PHOTO-NOT-JPEG"),
        ("text", b"my photo".to_vec(), "MGMT-E-PHOTO-NOT-JPEG"),
        ("png", encoded(900, 1_200, ImageFormat::Png), "MGMT-E-PHOTO-NOT-JPEG"),
        ("renamed", wrong_magic, "MGMT-E-PHOTO-NOT-JPEG"),
        ("small", encoded(825, 1_062, ImageFormat::Jpeg), "MGMT-E-PHOTO-TOO-SMALL"),
        ("low", encoded(826, 1_061, ImageFormat::Jpeg), "MGMT-E-PHOTO-TOO-SMALL"),
        ("huge", huge, "MGMT-E-PHOTO-TOO-LARGE"),
        ("half", half, "MGMT-E-PHOTO-DAMAGED"),
        ("head", head, "MGMT-E-PHOTO-DAMAGED"),
    ];
    let cases = Books::of(&country.dir()).count("mgmt", "SELECT count(*) FROM application");
    for (name, bytes, code) in photos {
        let path = country.beside(&format!("{name}.jpg"));
        std::fs::write(&path, bytes).expect("writable");
        let args = ["demo", "--json", "--photo", path.to_str().expect("a path")];
        in_dir(&country.dir(), args).fails_in_json(1, code);
    }
    // A file without an end is read no further than a photo may go.
    in_dir(&country.dir(), ["demo", "--json", "--photo", "/dev/zero"])
        .fails_in_json(1, "MGMT-E-PHOTO-TOO-LARGE");
    assert_eq!(
        Books::of(&country.dir()).count("mgmt", "SELECT count(*) FROM application"),
        cases,
        "no case is left"
    );
    up.stop();
}

#[test]
fn ports_that_are_taken() {
    let country = Country::new();
    for offset in [0, 1, 2] {
        let port = free_ports();
        let taken = TcpListener::bind(("127.0.0.1", port + offset)).expect("free");
        let ran = Up::spawn_at(&country.dir(), port, &[]).wait();
        ran.fails(1, "NEWEID-E-PORT-IN-USE");
        assert!(
            ran.stderr.contains(&(port + offset).to_string()) && ran.stderr.contains("--port-base"),
            "{ran}"
        );
        assert!(!country.dir().join("endpoints.json").exists());
        drop(taken);
        Up::spawn_at(&country.dir(), port, &[]).ready().stop();
    }
    // An address of somebody else (TEST-NET-1).
    let elsewhere = Ran::of(neweid().args(["up", "--listen", "192.0.2.1", "--dir"]).arg(country.dir()));
    elsewhere.fails(1, "NEWEID-E-ADDRESS");
}

// A wrong choice at the first run is no choice for life: until the first key is made it can be corrected.
#[test]
fn a_first_run_that_could_not_begin_is_begun_again() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let up = |name: &str, port: u16, args: &[&str]| Up::spawn_at(&place.path().join(name), port, args).wait();
    let settings = |name: &str| -> serde_json::Value {
        let bytes = std::fs::read(place.path().join(name).join("neweid.json")).expect("settings");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let port = free_ports();

    up("db", port, &["--database", "mysql://localhost/x"]).fails(2, "NEWEID-E-DATABASE-URL");
    assert!(!place.path().join("db").exists());
    up("db", port, &["--database", "postgres://nobody@127.0.0.1:1/x"]).fails(1, "STORE-UNAVAILABLE");
    up("db", port, &["--database", "postgres://nobody@127.0.0.1:1/y"]).fails(1, "STORE-UNAVAILABLE");
    assert_eq!(settings("db")["database"], "postgres://nobody@127.0.0.1:1/y");

    let pin = place.path().join("pin");
    let hsm = |token: &str| {
        let pin = pin.to_str().expect("a path");
        up("hsm", port, &["--pkcs11-module", "/none.so", "--pkcs11-token", token, "--pkcs11-pin-file", pin])
    };
    hsm("t").fails(1, "KEYS-IO");
    std::fs::write(&pin, "1234").expect("writable");
    std::fs::set_permissions(&pin, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("ours");
    hsm("t").fails(1, "KEYS-MODE");
    std::fs::set_permissions(&pin, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
    hsm("u").fails(1, "KEYS-MODULE");
    assert_eq!(settings("hsm")["hsm"]["token"], "u");

    // The ports stand in every certificate, so they must be those of the run that made the first one.
    let taken = TcpListener::bind(("127.0.0.1", port)).expect("free");
    up("ports", port, &[]).fails(1, "NEWEID-E-PORT-IN-USE");
    drop(taken);
    let dir = place.path().join("ports");
    let running = Up::spawn(&dir, &[]);
    let begun = std::time::Instant::now();
    while !dir.join("keys/npc/wrapping.key").exists() {
        assert!(begun.elapsed().as_secs() < 60, "{}", running.stderr());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let port = running.port;
    running.kill();
    let settled = settings("ports");
    assert_eq!(settled["web_url"], format!("http://127.0.0.1:{port}"), "{settled}");
    assert_eq!(settled["status_url"], format!("http://127.0.0.1:{}", port + 1), "{settled}");
    // From here on they are in keys and certificates.
    let other = free_ports();
    up("ports", other, &["--database", "postgres://nobody@127.0.0.1:1/x"])
        .fails(1, "NEWEID-E-DATABASE-CHANGED");
    let pin = pin.to_str().expect("a path");
    up("ports", other, &["--pkcs11-module", "/none.so", "--pkcs11-token", "t", "--pkcs11-pin-file", pin])
        .fails(1, "NEWEID-E-HSM-CHANGED");
    up("ports", other, &["--npc-keys", "p-384"]).fails(1, "NEWEID-E-NPC-KEYS-CHANGED");
    up("ports", other, &["--npc-partitions", "8"]).fails(1, "NEWEID-E-NPC-KEYS-CHANGED");
    assert_eq!(settings("ports"), settled);
}

#[test]
fn directories_that_are_not_ours() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let dir = place.path();
    std::fs::write(dir.join("letter.txt"), "hello").expect("writable");
    in_dir(dir, ["up"]).fails(1, "NEWEID-E-DIR-NOT-EMPTY");
    in_dir(dir, ["demo", "--json"]).fails_in_json(1, "NEWEID-E-DIR-NOT-EMPTY");
    let names: Vec<_> =
        std::fs::read_dir(dir).expect("readable").map(|e| e.expect("readable").file_name()).collect();
    assert_eq!(names, ["letter.txt"], "nothing was added");
    in_dir(&dir.join("letter.txt"), ["up"]).fails(1, "NEWEID-E-DIR-NOT-EMPTY");
}

// A country of another version is left exactly as it is.
#[test]
fn a_directory_of_another_version() {
    let country = Country::new();
    let file = country.dir().join("neweid.json");
    let ours = std::fs::read_to_string(&file).expect("settings");
    let settings: serde_json::Value = serde_json::from_str(&ours).expect("JSON");
    let format = settings["format"].as_u64().expect("a number");
    for other in [
        ours.replace(&format!("\"format\": {format}"), &format!("\"format\": {}", format - 1)),
        r#"{"format":0}"#.into(),
        r#"{"format":99999}"#.into(),
    ] {
        assert_ne!(other, ours);
        std::fs::write(&file, &other).expect("writable");
        in_dir(&country.dir(), ["up"]).fails(1, "NEWEID-E-DIR-VERSION");
        in_dir(&country.dir(), ["card", "list", "--json"]).fails_in_json(1, "NEWEID-E-DIR-VERSION");
        in_dir(&country.dir(), ["demo", "--json"]).fails_in_json(1, "NEWEID-E-DIR-VERSION");
        assert_eq!(std::fs::read_to_string(&file).expect("settings"), other);
    }
}

#[test]
fn damaged_settings() {
    let country = Country::new();
    let file = country.dir().join("neweid.json");
    let ours = std::fs::read_to_string(&file).expect("settings");
    let half = ours[..ours.len() / 2].to_owned();
    let unknown = ours.replacen('{', "{\n  \"colour\": \"blue\",", 1);
    let port = ours
        .lines()
        .map(|l| if l.contains("port_base") { "\"port_base\": 65535," } else { l })
        .collect::<String>();
    for damaged in
        [String::new(), half, "\0\0\0\0".into(), "[]".into(), r#"{"format":"one"}"#.into(), unknown, port]
    {
        std::fs::write(&file, &damaged).expect("writable");
        in_dir(&country.dir(), ["up"]).fails(1, "NEWEID-E-DIR-DAMAGED");
        in_dir(&country.dir(), ["card", "list"]).fails(1, "NEWEID-E-DIR-DAMAGED");
        assert_eq!(std::fs::read_to_string(&file).expect("settings"), damaged, "never overwritten");
    }
    std::fs::write(&file, ours).expect("writable");
    in_dir(&country.dir(), ["card", "list"]).success();
}

// One damaged card is one card: everything else goes on.
#[test]
fn damaged_card_files() {
    let country = Country::new();
    let serial = serial_of(&country.dir(), "active_national");
    let healthy = serial_of(&country.dir(), "active_interop");
    let file = country.dir().join("cards").join(format!("{serial}.card"));
    let good = std::fs::read(&file).expect("the card");
    let face = |serial: &str| {
        let out = country.beside("face.png");
        in_dir(&country.dir(), ["card", "face", serial, "--out", out.to_str().expect("a path")])
    };
    face(&serial).success();
    let mut flipped = good.clone();
    let early = good.len() / 3;
    flipped[early] ^= 0x10;
    for (what, bytes) in [("empty", Vec::new()), ("foreign", b"Dear card".repeat(300)), ("flipped", flipped)]
    {
        std::fs::write(&file, &bytes).expect("writable");
        let ran = face(&serial);
        ran.fails(1, "NEWEID-E-CARD-DAMAGED");
        assert!(ran.stderr.contains(&serial), "{what}: {ran}");
    }
    let up = Up::start(&country.dir());
    assert_eq!(get(&up.web(), &format!("/cards/{serial}/face.png")).status, 500);
    assert_eq!(get(&up.web(), &format!("/cards/{healthy}/face.png")).status, 200);
    assert_eq!(get(&up.web(), "/").status, 200);
    face(&healthy).success();
    // Gone altogether.
    std::fs::remove_file(&file).expect("ours");
    face(&serial).fails(1, "NEWEID-E-CARD-NOT-FOUND");
    up.stop();
    std::fs::write(&file, good).expect("writable");
    face(&serial).success();
}

// A damaged database is told as such, and nothing is written over it.
#[test]
fn a_damaged_database() {
    let country = Country::new();
    for system in ["npc", "mgmt"] {
        // The first page, and the log that may hold a newer one.
        let files = ["", "-wal"].map(|end| country.dir().join("db").join(format!("{system}.sqlite{end}")));
        let good = files.each_ref().map(|file| std::fs::read(file).unwrap_or_default());
        for (file, good) in files.iter().zip(&good) {
            let mut damaged = good.clone();
            let length = damaged.len().min(4_096);
            damaged[..length].fill(0x55);
            std::fs::write(file, damaged).expect("ours");
        }
        let damaged = std::fs::read(&files[0]).expect("readable");
        in_dir(&country.dir(), ["up"]).fails(1, "STORE-CORRUPT");
        assert!(std::fs::read(&files[0]).expect("readable") == damaged, "left as it is");
        for (file, good) in files.iter().zip(good) {
            std::fs::write(file, good).expect("writable");
        }
        let _ = std::fs::remove_file(country.dir().join("db").join(format!("{system}.sqlite-shm")));
    }
    in_dir(&country.dir(), ["card", "list"]).success();
}

// Keys of another country, or none: told before anything is signed with the wrong one.
#[test]
fn lost_or_exposed_keys() {
    let country = Country::new();
    let wrapping = country.dir().join("keys/npc/wrapping.key");
    let good = std::fs::read(&wrapping).expect("the key");
    std::fs::write(&wrapping, "00".repeat(32)).expect("writable");
    in_dir(&country.dir(), ["up"]).fails(1, "KEYS-SEALED");
    std::fs::write(&wrapping, &good).expect("writable");
    let mode = |mode| std::fs::set_permissions(&wrapping, std::os::unix::fs::PermissionsExt::from_mode(mode));
    mode(0o644).expect("ours");
    let ran = in_dir(&country.dir(), ["up"]);
    ran.fails(1, "KEYS-MODE");
    assert!(ran.stderr.contains("chmod 600"), "{ran}");
    mode(0o600).expect("ours");
    in_dir(&country.dir(), ["card", "list"]).success();
    // Nothing that is gone is made anew beside what depends on it.
    for gone in ["keys/mgmt/master.key", "keys/npc/wrapping.key", "db/mgmt.sqlite", "db/npc.sqlite"] {
        let (path, away) = (country.dir().join(gone), country.beside("away"));
        std::fs::rename(&path, &away).expect("ours");
        let ran = in_dir(&country.dir(), ["card", "list"]);
        ran.fails(1, "NEWEID-E-FILE-MISSING");
        assert!(!path.exists() && ran.stderr.contains(gone), "{ran}");
        in_dir(&country.dir(), ["up"]).fails(1, "NEWEID-E-FILE-MISSING");
        std::fs::rename(&away, &path).expect("ours");
    }
    in_dir(&country.dir(), ["card", "list"]).success();
}

// A directory of somebody else, and one on a medium that cannot be written.
#[test]
fn directories_that_cannot_be_written() {
    let country = Country::new();
    let uid =
        std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).expect("/proc");
    if uid != 0 {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    std::fs::set_permissions(country.beside(""), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("ours");
    let program = env!("CARGO_BIN_EXE_neweid");
    let nobody = |args: &[&str]| {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", program]).args(args);
        Ran::of(command.current_dir("/").arg("--dir").arg(country.dir()))
    };
    nobody(&["card", "list"]).fails(1, "NEWEID-E-PERMISSION");
    nobody(&["up"]).fails(1, "NEWEID-E-PERMISSION");
    nobody(&["demo", "--json"]).fails_in_json(1, "NEWEID-E-PERMISSION");
    let fresh = country.beside("").join("not-ours/country");
    std::fs::create_dir(fresh.parent().expect("a parent")).expect("new");
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", program, "up", "--dir"]);
    Ran::of(command.current_dir("/").arg(&fresh)).fails(1, "NEWEID-E-PERMISSION");
}
