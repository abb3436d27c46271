//! The two listeners against whatever a network sends: nothing falls over, nothing is told that is nobody's business, and
//! every answer carries its security headers.

use crate::support::{
    Answer, Country, Up, cards, exchange, get, parse_answer, request, serial_of, template, text,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// One country served for all tests of this file that only read.
struct Served {
    up: Up,
    _country: Country,
}

fn served() -> Served {
    let country = Country::new();
    let up = Up::start(&country.dir());
    Served { up, _country: country }
}

fn healthy(up: &Up) {
    assert_eq!(get(&up.web(), "/healthz").body, b"ok\n");
    assert_eq!(get(&up.status(), "/crl/npc.crl").status, 200);
}

fn secure(answer: &Answer, what: &str) {
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}: {answer:?}");
    assert!(
        answer.header("server").is_none() && answer.header("x-powered-by").is_none(),
        "{what}: {answer:?}"
    );
}

fn secure_page(answer: &Answer, what: &str) {
    secure(answer, what);
    let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{what}: {answer:?}"));
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{what}: {policy}");
    assert!(!policy.contains("script-src"), "no script at all: {policy}");
    assert!(
        policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"),
        "{what}: {policy}"
    );
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{what}");
    assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{what}");
}

#[test]
fn every_route_every_method() {
    let served = served();
    let up = &served.up;
    let serial = serial_of(&up.dir, "active_national");
    let png = format!("/cards/{serial}/face.png");
    let pdf = format!("/cards/{serial}/face.pdf");
    let web = [
        ("/", "text/html"),
        ("/healthz", "text/plain"),
        ("/static/style.css", "text/css"),
        (png.as_str(), "image/png"),
        (pdf.as_str(), "application/pdf"),
        ("/pkd/csca.cer", "application/pkix-cert"),
        ("/pkd/csca.crl", "application/pkix-crl"),
    ];
    for (path, kind) in web {
        let answer = get(&up.web(), path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.header("content-type").is_some_and(|found| found.starts_with(kind)),
            "{path}: {answer:?}"
        );
        secure_page(&answer, path);
        if !path.starts_with("/cards") {
            let head = request(&up.web(), "HEAD", path);
            assert_eq!((head.status, head.body.len()), (200, 0), "HEAD {path}");
            assert_eq!(head.header("content-length"), answer.header("content-length"), "HEAD {path}");
            secure_page(&head, path);
        }
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECTX"] {
            let answer = request(&up.web(), method, path);
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(
                answer.header("allow").is_some_and(|allow| allow.contains("GET")),
                "{method} {path}: {answer:?}"
            );
            secure_page(&answer, path);
        }
    }
    for (path, kind) in [
        ("/crl/npc.crl", "application/pkix-crl"),
        ("/crl/npc-root.crl", "application/pkix-crl"),
        ("/crl/npc-0.crl", "application/pkix-crl"),
        ("/certs/npc-ca.cer", "application/pkix-cert"),
        ("/certs/npc-root.cer", "application/pkix-cert"),
    ] {
        let answer = get(&up.status(), path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.header("content-type").is_some_and(|found| found.starts_with(kind)),
            "{path}: {answer:?}"
        );
        secure(&answer, path);
        let head = request(&up.status(), "HEAD", path);
        assert_eq!((head.status, head.body.len()), (200, 0), "HEAD {path}");
        for method in ["POST", "PUT", "DELETE"] {
            let answer = request(&up.status(), method, path);
            assert_eq!(answer.status, 405, "{method} {path}");
            secure(&answer, path);
        }
    }
    let answer = get(&up.status(), "/ocsp");
    assert_eq!(answer.status, 405);
    secure(&answer, "/ocsp");
    healthy(up);
}

#[test]
fn unknown_paths_and_paths_that_climb() {
    let served = served();
    let up = &served.up;
    let serial = serial_of(&up.dir, "active_national");
    let secret = std::fs::read_to_string(up.dir.join("neweid.json")).expect("settings");
    for path in [
        "/nothing".to_owned(),
        "/cards".into(),
        "/cards/".into(),
        format!("/cards/{serial}"),
        format!("/cards/{serial}/"),
        format!("/cards/{serial}/face.gif"),
        format!("/cards/{serial}/../../neweid.json"),
        format!("/cards/{serial}%2F..%2F..%2Fneweid.json/face.png"),
        "/cards/../neweid.json".into(),
        "/cards/..%2Fneweid.json/face.png".into(),
        "/cards/%2e%2e/face.png".into(),
        "/cards/..%5c..%5cneweid.json/face.png".into(),
        "/cards/%00/face.png".into(),
        "/cards/N5A123456%00/face.png".into(),
        "/cards/%F0%9F%92%A9/face.png".into(),
        "/cards/N5A000000/face.png".into(),
        format!("/cards/{}/face.png", "A".repeat(5_000)),
        "/static/../neweid.json".into(),
        "/static/..%2f..%2fneweid.json".into(),
        "/endpoints.json".into(),
        "/neweid.json".into(),
        "//etc/passwd".into(),
        "/.git/config".into(),
        "/%2e%2e/%2e%2e/etc/passwd".into(),
    ] {
        let answer = get(&up.web(), &path);
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        secure_page(&answer, &path);
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            !body.contains("web_url") && !body.contains(&secret) && !body.contains("root:"),
            "{path}: {body}"
        );
        assert!(
            !body.contains(&up.dir.display().to_string()),
            "where the country lies is told to nobody: {path}: {body}"
        );
        assert!(body.contains("NEWEID-E-"), "a stable code: {path}: {body}");
    }
    // What is no path at all.
    for path in ["/cards/%ZZ/face.png", "/cards/%FF%FE/face.png"] {
        let answer = get(&up.web(), path);
        assert!((400..=404).contains(&answer.status), "{path}: {answer:?}");
        secure_page(&answer, path);
    }
    for path in [
        "/",
        "/crl/",
        "/crl/../neweid.json",
        "/crl/npc-99.crl",
        "/crl/npc-00.crl",
        "/crl/%2e%2e%2fx",
        "/certs/x",
    ] {
        let answer = get(&up.status(), path);
        assert_eq!(answer.status, 404, "{path}");
        secure(&answer, path);
    }
    healthy(up);
}

// Only faces of sample persons are shown; another person's card is as unknown as one that does not exist.
#[test]
fn nobody_elses_card_is_shown() {
    let country = Country::new();
    let demo = crate::support::Ran::of(
        crate::support::neweid()
            .args(["demo", "--json", "--port-base", &crate::support::free_ports().to_string(), "--dir"])
            .arg(country.dir()),
    );
    assert_eq!(demo.code, Some(0), "{demo}");
    let serial = text(&demo.json()["serial"]);
    let up = Up::start(&country.dir());
    let page = String::from_utf8(get(&up.web(), "/").body).expect("UTF-8");
    assert!(!page.contains(&serial), "the start page shows sample persons only");
    let holder =
        cards(&country.dir()).into_iter().find(|card| card["serial"] == serial.as_str()).expect("the card");
    assert!(!page.contains(&text(&holder["holder"])), "no other person's name");
    let answer = get(&up.web(), &format!("/cards/{serial}/face.png"));
    assert_eq!(answer.status, 404);
    let unknown = get(&up.web(), "/cards/N5A000000/face.png");
    let same =
        |answer: &Answer, serial: &str| String::from_utf8_lossy(&answer.body).replace(serial, "SERIAL");
    assert_eq!(same(&answer, &serial), same(&unknown, "N5A000000"));
}

#[test]
fn the_page_shows_the_country() {
    let served = served();
    let up = &served.up;
    let page = String::from_utf8(get(&up.web(), "/").body).expect("UTF-8");
    for person in registry::sample_persons() {
        assert!(page.contains(person.person.name.chinese()), "{}", person.persona);
    }
    let cards = cards(&up.dir);
    for card in &cards {
        assert!(page.contains(&text(&card["serial"])));
        for secret in ["user_code", "pin1", "pin2"] {
            if let Some(secret) = card[secret].as_str() {
                assert!(!page.contains(&format!(">{secret}<")), "no secret stands on a page");
            }
        }
    }
    assert!(page.contains("<html lang=\"zh-Hant\">") && page.contains("lang=\"en\""));
    assert!(
        !page.contains("<script") && !page.contains("style=\"") && !page.contains("onclick"),
        "no script, no inline style"
    );
    // Every link of the page leads somewhere.
    let mut links = 0;
    for part in page.split("href=\"").skip(1) {
        let link = part.split('"').next().expect("closed");
        if let Some(id) = link.strip_prefix('#') {
            assert!(page.contains(&format!("id=\"{id}\"")), "{link}");
            continue;
        }
        if link.contains("/cards/") && links > 12 {
            continue;
        }
        links += 1;
        let (address, path) = match link.strip_prefix("http://") {
            Some(rest) => rest
                .split_once('/')
                .map(|(address, path)| (address.to_owned(), format!("/{path}")))
                .expect("a path"),
            None => (up.web(), link.to_owned()),
        };
        assert_eq!(get(&address, &path).status, 200, "{link}");
    }
    assert!(links > 8, "{links}");
}

#[test]
fn oversized_and_malformed_requests() {
    let served = served();
    let up = &served.up;
    for address in [up.web(), up.status()] {
        let huge = "x".repeat(2 << 20);
        let many: String = (0..5_000).map(|n| format!("X-{n}: y\r\n")).collect();
        for (what, text) in [
            ("huge header", format!("GET / HTTP/1.1\r\nHost: a\r\nX: {huge}\r\n\r\n")),
            ("many headers", format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")),
            ("huge path", format!("GET /{huge} HTTP/1.1\r\nHost: a\r\n\r\n")),
            ("huge method", format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "G".repeat(100_000))),
            ("no HTTP", "\u{1}\u{2}\u{3}hello\r\n\r\n".into()),
            ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".into()),
            ("two lengths", "POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!".into()),
            ("wrong length", "POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n".into()),
            ("smuggling", "POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into()),
        ] {
            // Something that no HTTP client sends may stay without an answer, but never with a good one.
            let mut stream = TcpStream::connect(&address).expect("listening");
            stream.set_read_timeout(Some(Duration::from_secs(3))).expect("a socket");
            let _ = stream.write_all(text.as_bytes());
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            if let Some(answer) = parse_answer(&bytes) {
                assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
            }
        }
    }
    // A body beyond what an OCSP request can be is refused before it is read.
    for length in ["1000000000000", "70000000"] {
        let head = format!(
            "POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Type: application/ocsp-request\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        let answer = exchange(&up.status(), head.as_bytes()).expect("an answer");
        assert_eq!(answer.status, 413, "{answer:?}");
        secure(&answer, "a huge body");
    }
    let chunks = format!(
        "POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Type: application/ocsp-request\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{}",
        format!("10000\r\n{}\r\n", "z".repeat(0x10000)).repeat(40)
    );
    let answer = exchange(&up.status(), chunks.as_bytes());
    assert!(answer.is_none_or(|answer| answer.status == 413));
    // A GET with a body is a GET.
    let body = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        1 << 20,
        "b".repeat(1 << 20)
    );
    let answer = exchange(&up.web(), body.as_bytes());
    assert!(answer.is_none_or(|answer| answer.status == 200 || answer.status == 413));
    // RFC 6960: what is no OCSP request gets malformedRequest, as an OCSP response.
    let nonsense = "POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Type: application/ocsp-request\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    let answer = exchange(&up.status(), nonsense.as_bytes()).expect("an answer");
    assert_eq!((answer.status, answer.body.as_slice()), (200, &[0x30, 0x03, 0x0A, 0x01, 0x01][..]));
    secure(&answer, "malformedRequest");
    healthy(up);
}

// Clients that connect and say nothing, or speak a byte at a time, do not keep others from being served.
#[test]
fn idle_and_slow_clients() {
    let served = served();
    let up = &served.up;
    let mut slow = Vec::new();
    for n in 0..600 {
        let address = if n % 2 == 0 { up.web() } else { up.status() };
        let mut stream = TcpStream::connect(address).expect("listening");
        match n % 3 {
            0 => {}
            1 => stream.write_all(b"GET /heal").expect("sent"),
            _ => stream
                .write_all(b"POST /ocsp HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nab")
                .expect("sent"),
        }
        slow.push(stream);
    }
    let begun = Instant::now();
    for _ in 0..20 {
        healthy(up);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(get(&up.web(), "/").status, 200);
    drop(slow);
    healthy(up);
}

// Somebody who asks for pictures all the time, and leaves before they are drawn, does not stop the page.
#[test]
fn pictures_for_many_at_once() {
    let served = served();
    let up = &served.up;
    let serial = serial_of(&template().dir, "active_national");
    let ask = format!("GET /cards/{serial}/face.png HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    for _ in 0..40 {
        let mut stream = TcpStream::connect(up.web()).expect("listening");
        stream.write_all(ask.as_bytes()).expect("sent");
        // And gone.
    }
    let begun = Instant::now();
    healthy(up);
    assert_eq!(get(&up.web(), "/").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let begun = Instant::now();
    let answer = exchange(&up.web(), ask.as_bytes()).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "those who left are not waited for: {:?}",
        begun.elapsed()
    );
    let several: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| exchange(&up.web(), ask.as_bytes()).expect("an answer").status))
            .collect();
        all.into_iter().map(|one| one.join().expect("ends")).collect()
    });
    assert_eq!(several, [200; 4]);
}
