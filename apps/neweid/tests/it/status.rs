//! The status of certificates and cards, as a reader at home finds it out.

use crate::support::{Country, Up, free_ports, get, neweid, run, serial_of, text};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

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
// proves: PRIVACY-04, PRIVACY-05
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

/// With the log at its most talkative, nothing in it says who asked, or for what.
// proves: PRIVACY-01
#[test]
fn the_log_does_not_say_who_asked_for_whose_status() {
    let country = Country::new();
    let dir = country.dir();
    let up = Up::spawn_command(neweid().env("NEWEID_LOG", "trace"), &dir, free_ports(), &[]).ready();
    let serial = serial_of(&dir, "active_national");
    let pki = country.beside("pki");
    run([
        "pki".as_ref(),
        "export".as_ref(),
        "--dir".as_ref(),
        dir.as_os_str(),
        "--out".as_ref(),
        pki.as_os_str(),
    ])
    .success();
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
