//! `neweid up` from start to end: when `endpoints.json` is there, what later starts keep, who may serve a directory.

use crate::support::{Country, PATIENCE, Up, get, in_dir, neweid, serial_of, text};
use serde_json::Value;
use std::time::{Duration, Instant};

// Whoever finds the file may use every address in it at once; and it is gone when they answer no more.
#[test]
fn endpoints_are_there_only_while_everything_answers() {
    let country = Country::new();
    let file = country.dir().join("endpoints.json");
    assert!(!file.exists(), "the country was stopped properly");
    // What a killed process left is not believed.
    std::fs::write(&file, r#"{"web":"http://127.0.0.1:9/"}"#).expect("writable");
    let begun = Instant::now();
    let up = Up::spawn(&country.dir(), &[]);
    let endpoints: Value = loop {
        let found = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        match found {
            Some(endpoints) if endpoints["web"] != "http://127.0.0.1:9/" => break endpoints,
            _ => assert!(begun.elapsed() < Duration::from_secs(60), "{}", up.stderr()),
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let object = endpoints.as_object().expect("an object");
    assert!(object.values().all(Value::is_string), "flat: {endpoints}");
    for name in ["web", "ocsp", "crl", "ca_issuers"] {
        assert!(object.contains_key(name), "{name}: {endpoints}");
    }
    for (name, url) in object {
        let url = text(url);
        let (address, path) = url.strip_prefix("http://").expect("http").split_once('/').expect("a path");
        let answer = get(address, &format!("/{path}"));
        // The responder, the time stamp authority and the doors of registration authorities and firms take POST at these addresses.
        // The console sends whoever has not signed in to do so.
        let expected = match name.as_str() {
            "ocsp" | "tsa" | "cmp" | "ics" => 405,
            "console" => 303,
            _ => 200,
        };
        assert_eq!(answer.status, expected, "{name} {url}");
    }
    let up = up.ready();
    up.signal("INT");
    let ran = up.wait();
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.stdout.contains("停止中"), "{ran}");
    assert!(!file.exists());
}

#[test]
fn a_country_lives_through_restarts() {
    let country = Country::new();
    let before = in_dir(&country.dir(), ["card", "list", "--json"]).success();
    for _ in 0..2 {
        let up = Up::start(&country.dir());
        assert!(up.stdout().contains("已啟動 Started"), "{}", up.stdout());
        let list = in_dir(&country.dir(), ["card", "list", "--json"]).success();
        assert_eq!(list, before);
        up.stop();
    }
}

// A path may hold what shells, URLs and SQL give a meaning to; the commands to copy stay commands.
#[test]
fn a_directory_with_an_awkward_name() {
    let country = Country::new();
    let dir = country.beside("國家 'x' ?a=b#c%41");
    std::fs::rename(country.dir(), &dir).expect("ours");
    let up = Up::start(&dir);
    let command =
        up.stdout().lines().find_map(|line| line.trim().strip_prefix("neweid card list ").map(str::to_owned));
    let line = format!("{} card list {}", env!("CARGO_BIN_EXE_neweid"), command.expect("a command to copy"));
    let typed = std::process::Command::new("sh").args(["-c", &line]).output().expect("a shell");
    assert!(typed.status.success(), "{line}: {}", String::from_utf8_lossy(&typed.stderr));
    up.stop();
}

// Other local addresses, and every address at once.
#[test]
fn other_addresses_to_listen_on() {
    let country = Country::new();
    for (listen, reached) in [("::1", "[::1]"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.2", "127.0.0.2")] {
        if std::net::TcpListener::bind((listen, 0)).is_err() {
            eprintln!("skipped: this machine has no {listen}");
            continue;
        }
        let up = Up::spawn(&country.dir(), &["--listen", listen]).ready();
        let web = text(&up.endpoints()["web"]);
        let host = web.strip_prefix("http://").and_then(|rest| rest.rsplit_once(':')).expect("a URL").0;
        assert_eq!(host, reached, "an address one can use");
        assert_eq!(get(&format!("{reached}:{}", up.port), "/healthz").status, 200);
        up.stop();
    }
}

// Whatever ends it in an orderly way, the file goes; a demonstration that serves for itself is no different.
#[test]
fn every_orderly_end_takes_the_endpoints_away() {
    let country = Country::new();
    let file = country.dir().join("endpoints.json");
    for signal in ["INT", "TERM"] {
        let up = Up::start(&country.dir());
        up.signal(signal);
        assert_eq!(up.wait().code, Some(0), "{signal}");
        assert!(!file.exists(), "{signal}");
    }
    // In the middle of the first run too, at once and with nothing lost.
    let fresh = country.beside("fresh");
    let mut up = Up::spawn(&fresh, &[]);
    let begun = Instant::now();
    while !fresh.join("db/mgmt.sqlite").exists() {
        assert!(up.ended().is_none() && begun.elapsed() < PATIENCE, "{}", up.stderr());
        std::thread::sleep(Duration::from_millis(5));
    }
    let begun = Instant::now();
    up.signal("INT");
    up.wait().fails(130, "NEWEID-E-INTERRUPTED");
    // A key pair that is being made is waited for, the rest of the run is not.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(!fresh.join("endpoints.json").exists());

    let port = crate::support::free_ports().to_string();
    let mut demo = Reaped(
        neweid()
            .args(["demo", "--port-base", &port, "--dir"])
            .arg(country.dir())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the program starts"),
    );
    let begun = Instant::now();
    while !file.exists() {
        assert!(demo.0.try_wait().expect("our child").is_none(), "ended too early");
        assert!(begun.elapsed() < PATIENCE, "does not serve");
        std::thread::sleep(Duration::from_millis(1));
    }
    let sent = std::process::Command::new("kill").args(["-INT", &demo.0.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
    let ended = demo.0.wait().expect("our child");
    assert_eq!(ended.code(), Some(130), "{ended}");
    assert!(!file.exists());
}

#[test]
fn one_process_serves_a_directory() {
    let country = Country::new();
    let up = Up::start(&country.dir());
    Up::spawn(&country.dir(), &[]).wait().fails(1, "NEWEID-E-DIR-IN-USE");
    Up::spawn_at(&country.dir(), up.port, &[]).wait().fails(1, "NEWEID-E-DIR-IN-USE");
    assert_eq!(get(&up.web(), "/healthz").status, 200, "the first one is not disturbed");
    assert!(country.dir().join("endpoints.json").exists());
    up.stop();
}

// A connection that never ends must not keep a stopping country alive.
#[test]
fn an_open_connection_does_not_hold_up_the_end() {
    let country = Country::new();
    let up = Up::start(&country.dir());
    let connections: Vec<_> = (0..20)
        .map(|n| {
            let mut stream = std::net::TcpStream::connect(up.web()).expect("listening");
            if n % 2 == 0 {
                std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n").expect("sent");
            }
            stream
        })
        .collect();
    let begun = Instant::now();
    up.stop();
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    drop(connections);
}

// The card is in a reader while the country is up: whoever else wants it hears so, and it is free again afterwards.
#[test]
fn a_card_is_in_one_place() {
    let country = Country::new();
    let up = Up::start(&country.dir());
    let serial = serial_of(&country.dir(), "active_interop");
    let reader = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = reader.local_addr().expect("bound").to_string();
    let insert = neweid()
        .args(["card", "insert", &serial, "--interface", "contact", "--vpcd", &address, "--dir"])
        .arg(country.dir())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut insert = Reaped(insert);
    let (mut slot, _) = reader.accept().expect("the card is inserted");
    let mut ask = |message: &[u8], answered: bool| -> Vec<u8> {
        use std::io::{Read, Write};
        let length = u16::try_from(message.len()).expect("short").to_be_bytes();
        slot.write_all(&[&length, message].concat()).expect("sent");
        if !answered {
            return Vec::new();
        }
        let mut length = [0; 2];
        slot.read_exact(&mut length).expect("an answer");
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        slot.read_exact(&mut answer).expect("an answer");
        answer
    };
    ask(&[1], false);
    assert_eq!(ask(&[4], true)[0], 0x3B, "an answer to reset");
    // SELECT of the ICAO application on a developers' card.
    let select = hex::decode("00A4040C07A0000002471001").expect("hexadecimal");
    assert_eq!(ask(&select, true), [0x90, 0x00]);

    let out = country.beside("x.png");
    let out = out.to_str().expect("a path");
    in_dir(&country.dir(), ["card", "face", &serial, "--out", out]).fails(1, "NEWEID-E-CARD-IN-USE");
    in_dir(&country.dir(), ["card", "insert", &serial, "--interface", "contact", "--vpcd", &address])
        .fails(1, "NEWEID-E-CARD-IN-USE");
    let answer = get(&up.web(), &format!("/cards/{serial}/face.png"));
    assert_eq!(answer.status, 409, "{answer:?}");
    assert!(String::from_utf8_lossy(&answer.body).contains("NEWEID-E-CARD-IN-USE"));

    let taken_out = std::process::Command::new("kill").args(["-INT", &insert.0.id().to_string()]).status();
    assert!(taken_out.is_ok_and(|status| status.success()));
    assert_eq!(insert.0.wait().expect("our child").code(), Some(0));
    assert_eq!(get(&up.web(), &format!("/cards/{serial}/face.png")).status, 200);
    up.stop();
}

/// A child that does not outlive its test.
struct Reaped(std::process::Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
