//! The status of certificates and cards, as a reader at home finds it out.

use crate::books::{Books, wait};
use crate::support::{Country, Ran, Up, card_of, cards, free_ports, get, neweid, run, serial_of, text};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use store::params;

/// Where the services were, with somebody who notices whoever calls.
struct Overheard(Vec<TcpListener>);

impl Overheard {
    fn at(port: u16) -> Self {
        let listen = |port| {
            let listener = TcpListener::bind(("127.0.0.1", port)).expect("the services have gone");
            listener.set_nonblocking(true).expect("a socket");
            listener
        };
        Self((port..port + 3).map(listen).collect())
    }

    // The kernel has accepted a connection before the one who made it goes on, so there is nothing to wait for.
    fn calls(&self) -> usize {
        let one = |listener: &TcpListener| match listener.accept() {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        };
        self.0.iter().map(|listener| std::iter::from_fn(|| one(listener).then_some(())).count()).sum()
    }
}

/// Downloaded once, the filter tells every certificate's state, and a card is read and verified with the published files,
/// while nobody is called: where the services were, somebody listens. A verifier that asks home and goes on without an answer
/// would be noticed.
// proves: PRIVACY-02, PRIVACY-04, PRIVACY-05
#[test]
fn a_certificate_is_checked_with_nobody_to_ask() {
    let country = Country::new();
    let up = Up::start(&country.dir());
    let filter = get(&up.status(), "/status/filter");
    assert_eq!((filter.status, filter.header("content-type")), (200, Some("application/pkcs7-mime")));
    for path in ["/status/cards", "/status/cards-delta"] {
        assert_eq!(get(&up.status(), path).status, 200, "{path}");
    }
    assert_eq!(get(&up.status(), "/status/other").status, 404);
    assert_eq!(get(&up.status(), "/tsa").status, 405);
    let (pki, file) = (country.beside("pki"), country.beside("filter"));
    std::fs::write(&file, &filter.body).expect("written");
    let path = |path: &std::path::Path| path.display().to_string();
    run(["pki", "export", "--dir", &path(&country.dir()), "--out", &path(&pki)]).success();
    let port = up.port;
    up.stop();
    let serial = serial_of(&country.dir(), "active_national");
    let overheard = Overheard::at(port);
    let certificate = pki.join(format!("sample-citizen-{serial}-sign.pem"));
    let check = |certificate: &std::path::Path, filter: &std::path::Path, trust: &std::path::Path| {
        run([
            "status",
            "check",
            &path(certificate),
            "--filter",
            &path(filter),
            "--trust",
            &path(trust),
            "--json",
        ])
    };
    let answer = check(&certificate, &file, &pki).json();
    assert_eq!(text(&answer["status"]), "good", "{answer}");
    assert!(answer["filter"]["certificates"].as_u64().expect("a number") > 10, "{answer}");
    let out = country.beside("read");
    let read = run([
        "read",
        "--serial",
        &serial,
        "--dir",
        &path(&country.dir()),
        "--interface",
        "contactless",
        "--trust",
        &path(&pki),
        "--out",
        &path(&out),
        "--json",
    ]);
    assert_eq!(text(&read.json()["verdict"]), "verified", "{read}");
    assert_eq!(overheard.calls(), 0, "somebody was asked");
    let _caller = TcpStream::connect(("127.0.0.1", port + 1)).expect("listening");
    assert_eq!(overheard.calls(), 1, "a call is noticed");
    // A CA's own certificate is of another issuer than the filter's.
    let root = check(&pki.join("npc-ca.pem"), &file, &pki);
    assert_eq!(text(&root.json()["status"]), "not covered");
    let mut damaged = filter.body.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&file, &damaged).expect("written");
    check(&certificate, &file, &pki).fails_in_json(2, "NEWEID-E-FILTER");
    check(&certificate, &file, &certificate).fails_in_json(2, "NEWEID-E-TRUST");
}

/// Enters so many revoked certificates that nobody signed.
async fn revoke_many(books: &Books, count: i64) {
    let db = books.db("npc").await;
    let entered = store::transaction!(db, |tx| {
        let sql = "UPDATE counter SET value = value + $1 WHERE name = 'state' RETURNING value";
        let last: i64 = tx.one(sql, params![count]).await?.read(0)?;
        let now = jiff::Timestamp::now();
        let rows = (0..count).map(|n| {
            let serial = [[0x40; 8], n.to_be_bytes()].concat();
            let ends = now + jiff::SignedDuration::from_hours(9_000);
            params![serial, 1_i64, true, last - n, 2_i64, now, 1_i64, ends, "{}"].to_vec()
        });
        let insert = "INSERT INTO certificate_state (serial, generation, signed, state_seq, status, status_at, \
            reason, ends, state)";
        tx.insert_many(insert, 9, rows.collect::<Vec<_>>()).await
    });
    assert_eq!(entered.expect("entered"), count as u64);
    db.close().await;
}

/// Gives the first of these another reason, as another process would.
async fn change_one(books: &Books, reason: i64) {
    let db = books.db("npc").await;
    let changed = store::transaction!(db, |tx| {
        let sql = "UPDATE counter SET value = value + 1 WHERE name = 'state' RETURNING value";
        let change: i64 = tx.one(sql, params![]).await?.read(0)?;
        let serial = [[0x40; 8], [0; 8]].concat();
        let sql = "UPDATE certificate_state SET reason = $2, state_seq = $3 WHERE serial = $1";
        tx.execute_one(sql, params![serial, reason, change]).await
    });
    changed.expect("changed");
    db.close().await;
}

/// What `up` starts is not kept busy with a long list by whoever asks after each change: between two of them lies a second for each
/// megabyte.
#[test]
fn two_long_lists_are_seconds_apart_however_often_one_is_asked_for() {
    let country = Country::new();
    let books = Books::of(&country.dir());
    wait(revoke_many(&books, 120_000));
    let up = Up::start(&country.dir());
    let mut last: Option<x509::crl::Crl> = None;
    for reason in [4, 1, 4, 1, 4, 1, 4, 1] {
        wait(change_one(&books, reason));
        let answer = get(&up.status(), "/crl/npc.crl");
        assert_eq!(answer.status, 200);
        assert!(answer.body.len() > 5_000_000, "{}", answer.body.len());
        let list = x509::crl::Crl::parse(&answer.body).expect("a list");
        if let Some(before) = last.filter(|before| before.number() != list.number()) {
            let apart = list.this_update().duration_since(before.this_update());
            assert!(apart >= jiff::SignedDuration::from_secs(5), "{apart:?}");
        }
        last = Some(list);
    }
    up.stop();
}

/// With the log at its most talkative, nothing in it says who asked, or for what.
// proves: PRIVACY-01
#[test]
fn the_log_does_not_say_who_asked_for_whose_status() {
    let country = Country::new();
    let dir = country.dir();
    let up = Up::spawn_command(neweid().env("NEWEID_LOG", "trace"), &dir, free_ports(), &[]).ready();
    let serial = serial_of(&dir, "active_national");
    let pki = country.beside("pki");
    let shown = |path: &std::path::Path| path.display().to_string();
    run(["pki", "export", "--dir", &shown(&dir), "--out", &shown(&pki)]).success();
    let pem =
        std::fs::read_to_string(pki.join(format!("sample-citizen-{serial}-sign.pem"))).expect("exported");
    let ca = std::fs::read_to_string(pki.join("npc-ca.pem")).expect("exported");
    let parse = |pem: &str| {
        x509::Certificate::parse(&x509::pem::decode("CERTIFICATE", pem).expect("PEM")).expect("a certificate")
    };
    let (certificate, ca) = (parse(&pem), parse(&ca));
    let issuer = x509::ocsp::IssuerHashes::new(&ca).expect("hashes");
    let number = certificate.serial().expect("a number");
    let id = x509::ocsp::CertId::new(&issuer, curve::Hash::Sha256, &number).expect("an identifier");
    let imprint = x509::tsp::Imprint::of(curve::Hash::Sha256, b"a document of somebody's");
    let nonce = [0xA7; 32];
    let mut callers = Vec::new();
    let mut ask = |head: &str, body: &[u8]| {
        let mut stream = TcpStream::connect(up.status()).expect("listening");
        callers.push(stream.local_addr().expect("an address").port());
        let length = body.len();
        let head = format!(
            "{head}\r\nHost: {}\r\nUser-Agent: caller-4711\r\nX-Forwarded-For: 203.0.113.77\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n",
            up.status()
        );
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(body).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("read");
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{head}{}", String::from_utf8_lossy(&answer));
    };
    for nonce in [None, Some(&nonce[..])] {
        let question = x509::ocsp::build_request(std::slice::from_ref(&id), nonce);
        ask("POST /ocsp HTTP/1.1\r\nContent-Type: application/ocsp-request", &question);
    }
    let stamp = x509::tsp::build_request(&imprint, None, Some(0x5EED_5EED_5EED_5EED));
    ask("POST /tsa HTTP/1.1\r\nContent-Type: application/timestamp-query", &stamp);
    for uri in certificate.crl_distribution_points() {
        let path = uri.split_once("://").and_then(|(_, rest)| rest.split_once('/')).expect("a path").1;
        ask(&format!("GET /{path} HTTP/1.1"), &[]);
    }
    for path in ["/status/filter", "/status/cards", "/certs/npc-ca.cer", "/cps"] {
        ask(&format!("GET {path} HTTP/1.1"), &[]);
    }
    let ran = up.stop();
    let log = format!("{}{}", ran.stdout, ran.stderr);
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is not talkative: {log}");
    let octets: String = number.octets().iter().map(|octet| format!("{octet:02x}")).collect();
    let decimal = number.to_u128().expect("16 octets").to_string();
    let traces = [octets.as_str(), &decimal, &serial, "203.0.113.77", "caller-4711", &"a7".repeat(8)];
    let lower = log.to_lowercase();
    for trace in traces.iter().map(|trace| trace.to_lowercase()) {
        assert!(!lower.contains(&trace), "{trace} stands in the log");
    }
    for port in callers {
        assert!(!log.contains(&format!("127.0.0.1:{port}")), "port {port} stands in the log: {log}");
    }
}

/// What a counter has: the published lists, fetched, and a card in its reader.
struct Counter {
    country: Country,
    pki: PathBuf,
}

impl Counter {
    fn new() -> Self {
        let country = Country::new();
        let pki = country.beside("pki");
        let mut export = neweid();
        export.args(["pki", "export", "--dir"]).arg(country.dir()).arg("--out").arg(&pki);
        Ran::of(&mut export).success();
        Self { country, pki }
    }

    /// Fetches full list and delta from a running country.
    fn fetch(&self, name: &str) -> [PathBuf; 2] {
        let up = Up::start(&self.country.dir());
        let files = ["card_status", "card_status_delta"].map(|key| {
            let url = text(&up.endpoints()[key]);
            let path =
                url.strip_prefix(&format!("http://{}", up.status())).expect("of this machine").to_owned();
            let file = self.country.beside(&format!("{name}-{key}"));
            std::fs::write(&file, get(&up.status(), &path).body).expect("written");
            file
        });
        up.stop();
        files
    }

    fn card(&self, serial: &str, lists: &[&Path], more: &[&str]) -> Ran {
        let mut command = neweid();
        command.args(["status", "card", serial, "--trust"]).arg(&self.pki).args(more);
        for list in lists {
            command.arg("--card-list").arg(list);
        }
        Ran::of(&mut command)
    }

    fn read(&self, serial: &str, lists: &[&Path], more: &[&str]) -> Ran {
        let mut command = neweid();
        command.args(["read", "--serial", serial, "--dir"]).arg(self.country.dir()).arg("--trust");
        command.arg(&self.pki).arg("--out").arg(self.country.beside("read")).args(more);
        for list in lists {
            command.arg("--card-list").arg(list);
        }
        Ran::of(&mut command)
    }
}

/// A counter reads a card that was reported lost: signature and chip are good, and it is refused all the same, by a list that
/// was fetched and leads to the country's root.
// proves: CARDFACE-27, DOCPKI-13, LOSS-12, LOSS-16, OPEN-37
#[test]
fn a_card_reported_lost_is_refused_by_the_published_list() {
    let counter = Counter::new();
    let dir = counter.country.dir();
    let [full, delta] = counter.fetch("before");
    let cards = cards(&dir);
    // The list by the states of all sample cards; the state in the books is the truth.
    for card in &cards {
        let expected = match text(&card["state"]).as_str() {
            "suspended" | "recalled" => (Some(3), "suspended"),
            "void" | "destroyed" => (Some(4), "void"),
            _ => (Some(0), "good"),
        };
        let ran = counter.card(&text(&card["serial"]), &[&full, &delta], &["--json"]);
        assert_eq!((ran.code, text(&ran.json()["status"]).as_str()), expected, "{card}");
    }
    for (persona, zh) in [("suspended", "停用"), ("recalled", "停用"), ("active_national", "有效")] {
        let told = counter.card(&text(&card_of(&cards, persona)["serial"]), &[&full, &delta], &[]).stdout;
        assert!(told.starts_with(zh) && told.contains("as of 20"), "{told}");
    }

    let card = card_of(&cards, "active_national");
    let serial = text(&card["serial"]);
    // Without a list nobody is told that the card is valid.
    let told = counter.read(&serial, &[], &[]).success();
    assert!(told.starts_with("驗證通過 VERIFIED，卡片狀態未查 STATUS NOT LOOKED UP"), "{told}");
    let told = counter.read(&serial, &[&full, &delta], &[]).success();
    assert!(told.starts_with("驗證通過 VERIFIED\n") && told.contains("截至 as of 20"), "{told}");
    let good = counter.read(&serial, &[&full, &delta], &["--json"]).json();
    assert_eq!(good["statements"]["card_status"], "valid", "{good}");
    assert_eq!(
        good["card_list"]["this_update"].as_str().map(|at| at.starts_with("20")),
        Some(true),
        "{good}"
    );

    let code = counter.country.beside("code");
    let mut file =
        std::os::unix::fs::OpenOptionsExt::mode(std::fs::File::options().write(true).create(true), 0o600)
            .open(&code)
            .expect("ours");
    std::io::Write::write_all(&mut file, text(&card["user_code"]).as_bytes()).expect("written");
    let mut loss = neweid();
    loss.args(["ra", "loss", "--serial", &serial, "--dir"]).arg(&dir).arg("--user-code").arg(&code);
    Ran::of(&mut loss).success();
    let [full_after, delta_after] = counter.fetch("after");
    assert_eq!(
        std::fs::read(&full).expect("there"),
        std::fs::read(&full_after).expect("there"),
        "the day's list"
    );
    let lists: [&Path; 2] = [&delta_after, &full_after];
    // The encrypted zone stays closed: the terminal would have read it.
    let terminal = |name: &str| counter.pki.join(name).display().to_string();
    let (certificate, verifier) = (terminal("terminal-identity-server.cvcert"), terminal("dv.cvcert"));
    let key = terminal("terminal-identity-server.key");
    std::fs::write(&code, text(&card["pin1"])).expect("written");
    let pin1 = code.display().to_string();
    let encrypted = ["--terminal-cert", &certificate, &verifier, "--terminal-key", &key, "--pin1", &pin1];
    let open = counter.read(&serial, &[&full, &delta], &[&encrypted[..], &["--json"]].concat());
    assert_eq!(open.json()["encrypted_zone"]["verdict"], "verified", "{open}");
    let lost = counter.read(&serial, &lists, &[&encrypted[..], &["--json"]].concat());
    let document = lost.json();
    assert_eq!((lost.code, &document["verdict"]), (Some(16), &"refused".into()), "{lost}");
    let statements = &document["statements"];
    assert_eq!(
        [&statements["signature_valid"], &statements["chip_genuine"], &statements["card_status"]],
        ["passed", "passed", "suspended"]
    );
    let check = document["checks"].as_array().and_then(|all| all.last()).expect("a check");
    assert_eq!((&check["check"], &check["outcome"]), (&"card_status".into(), &"failed".into()));
    assert_eq!(check["refusal"]["code"], "TERMINAL-E-CARD-SUSPENDED");
    assert!(document["encrypted_zone"].is_null(), "{lost}");
    let told = counter.read(&serial, &lists, &encrypted);
    assert!(told.stdout.starts_with("不採信 REFUSED\n") && told.stdout.contains("卡片已停用"), "{told}");
    assert!(told.stdout.contains("加密區未讀取"), "{told}");
    // The day's list alone is in time, and older than the loss: it says so.
    let older = counter.read(&serial, &[&full], &["--json"]).json();
    assert_eq!(older["statements"]["card_status"], "valid");
    assert_ne!(older["card_list"]["this_update"], document["card_list"]["this_update"]);

    // A list that is damaged, old, of somebody else, or half of one: refused before the card is touched.
    let refused = |lists: &[&Path], code: &str| {
        counter.read(&serial, lists, &["--json"]).fails_in_json(2, code);
        counter.card(&serial, lists, &[]).fails(2, code);
    };
    let damaged = counter.country.beside("damaged");
    let mut bytes = std::fs::read(&full).expect("there");
    // In the salt or the hashes, which the signature covers.
    let salt = bytes.windows(2).position(|window| window == [0x04, 0x20]).expect("a salt") + 5;
    bytes[salt] ^= 1;
    std::fs::write(&damaged, &bytes).expect("written");
    refused(&[&damaged], "NEWEID-E-CARD-LIST");
    refused(&[&counter.pki.join("npc-ca.pem")], "NEWEID-E-CARD-LIST");
    refused(&[&delta], "NEWEID-E-CARD-LIST-BASE");
    refused(&[&full, &full], "NEWEID-E-CARD-LIST-BASE");
    refused(&[&counter.country.beside("nowhere")], "NEWEID-E-FILE-READ");
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(72)).to_string();
    counter.card(&serial, &lists, &["--at", &later]).fails(2, "NEWEID-E-CARD-LIST-STALE");
    counter.card(&serial, &lists, &["--at", "2020-01-01T00:00:00Z"]).fails(2, "NEWEID-E-CARD-LIST-STALE");
    // Trust that ends at the country signing CA, which vouches for documents only.
    std::fs::remove_file(counter.pki.join("npc-root.pem")).expect("there");
    refused(&lists, "NEWEID-E-CARD-LIST-UNTRUSTED");
}

/// A population that was never signed: the figures are printed, and the filter answers for every certificate.
#[test]
fn a_population_is_simulated() {
    let country = Country::new();
    let out = country.beside("simulated");
    let dir = out.display().to_string();
    let arguments = [
        "npc",
        "simulate",
        "--certificates",
        "5000",
        "--revoked",
        "100",
        "--suspended",
        "20",
        "--dir",
        &dir,
        "--json",
    ];
    let report = run(arguments).json();
    assert_eq!(
        (report["filter_revoked"].as_f64(), report["filter_suspended"].as_f64()),
        (Some(100.0), Some(20.0))
    );
    for file in ["npc.crl", "npc-0.crl", "filter", "npc-ca.pem", "cases/held.pem", "cases/npc-0-delta.crl"] {
        assert!(out.join(file).exists(), "{file}");
    }
    let too_many = ["npc", "simulate", "--certificates", "5", "--revoked", "6", "--dir", &dir, "--json"];
    run(too_many).fails_in_json(2, "NEWEID-E-SIMULATE");
}
