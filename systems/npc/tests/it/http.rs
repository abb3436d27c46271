//! The HTTP side: paths, media types, caching, limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use curve::Hash;
use jiff::Timestamp;
use model::{KeySlot, RevocationReason};
use npc::CertificateAuthority;
use store::{Db, testkit::each_engine};
use x509::Certificate;
use x509::crl::Crl;
use x509::ocsp::{BasicResponse, CertId, CertificateStatus, IssuerHashes, build_request};

use crate::support::*;

fn clock() -> (Arc<AtomicI64>, npc::Clock) {
    let second = Arc::new(AtomicI64::new(now().as_second()));
    let read = second.clone();
    (second, Arc::new(move || Timestamp::from_second(read.load(Ordering::Relaxed)).unwrap()))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = DIGITS[(n >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[tokio::test]
async fn lists_are_served_fresh_and_cached_by_tag() {
    each_engine("npc", async |db| {
        let (second, clock) = clock();
        let (npc, address) = served(&db, clock).await;
        let issued = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        // The addresses in the certificate are those that answer.
        let certificate = Certificate::parse(&issued.der).unwrap();
        for uri in certificate.crl_distribution_points() {
            let path = uri.strip_prefix(&format!("http://{address}")).unwrap();
            let reply = fetch(address, path).await;
            assert_eq!(reply.status, 200);
            assert_eq!(reply.header("content-type"), Some("application/pkix-crl"));
            Crl::parse(&reply.body).unwrap().verify_signature(npc.ca_certificate().spki()).unwrap();
        }
        let first = fetch(address, "/crl/npc.crl").await;
        let etag = first.header("etag").unwrap().to_owned();
        assert_eq!(first.header("cache-control"), Some("public, no-transform, must-revalidate, max-age=60"));
        assert!(first.header("last-modified").unwrap().ends_with(" GMT"));
        let ask = async || {
            let head = format!("GET /crl/npc.crl HTTP/1.1\r\nIf-None-Match: {etag}");
            http(address, &head, &[]).await
        };
        let same = ask().await;
        assert_eq!((same.status, same.body.len()), (304, 0));
        second.fetch_add(1, Ordering::Relaxed);
        npc.revoke(card(1), RevocationReason::Superseded, "clerk", now()).await.unwrap();
        let changed = ask().await;
        assert_eq!(changed.status, 200);
        assert!(Crl::parse(&changed.body).unwrap().find(issued.serial.octets()).is_some());
        let head = http(address, "HEAD /crl/npc.crl HTTP/1.1", &[]).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        let root = fetch(address, "/crl/npc-root.crl").await;
        Crl::parse(&root.body).unwrap().verify_signature(npc.ca_certificates().root.spki()).unwrap();
        for nowhere in [
            "npc-16.crl",
            "npc-01.crl",
            "npc-+1.crl",
            "npc-.crl",
            "npc-x.crl",
            "other.crl",
            "npc",
            ".crl",
            "..%2Fnpc.crl",
        ] {
            assert_eq!(fetch(address, &format!("/crl/{nowhere}")).await.status, 404, "{nowhere}");
        }
    })
    .await;
}

#[tokio::test]
async fn ocsp_answers_post_and_get() {
    each_engine("npc", async |db| {
        let (_, clock) = clock();
        let (npc, address) = served(&db, clock).await;
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        let issuer = IssuerHashes::new(&npc.ca_certificate()).unwrap();
        let post = async |request: &[u8], content_type: &str| {
            http(address, &format!("POST /ocsp HTTP/1.1\r\nContent-Type: {content_type}"), request).await
        };
        let good = |body: &[u8]| {
            let response = BasicResponse::parse(body).unwrap();
            response.verify(&npc.ca_certificate(), now()).unwrap();
            assert_eq!(response.answers[0].status, CertificateStatus::Good);
        };
        for hash in [Hash::Sha1, Hash::Sha256] {
            let request = build_request(&[CertId::new(&issuer, hash, &serial).unwrap()], None);
            let reply = post(&request, "application/ocsp-request").await;
            assert_eq!(
                (reply.status, reply.header("content-type")),
                (200, Some("application/ocsp-response"))
            );
            good(&reply.body);
            let text = base64(&request);
            let escaped = text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
            for form in [text.clone(), escaped, text.trim_end_matches('=').to_owned()] {
                let get = fetch(address, &format!("/ocsp/{form}")).await;
                assert_eq!(get.status, 200, "{form}");
                assert_eq!(get.body, reply.body, "the kept answer");
                assert!(get.header("cache-control").unwrap().contains("max-age=60"));
                assert!(get.header("etag").is_some());
            }
        }
        // With a nonce the answer is for its asker alone.
        let request = build_request(&[CertId::new(&issuer, Hash::Sha256, &serial).unwrap()], Some(b"nonce"));
        let reply = post(&request, "application/ocsp-request").await;
        good(&reply.body);
        assert_eq!(reply.header("cache-control"), Some("no-store"));

        assert_eq!(post(&request, "text/plain").await.status, 415);
        assert_eq!(post(&vec![0x30; 17 * 1024], "application/ocsp-request").await.status, 413);
        assert_eq!(post(b"nonsense", "application/ocsp-request").await.body, [0x30, 3, 0x0A, 1, 1]);
        assert_eq!(fetch(address, "/ocsp/@@@").await.body, [0x30, 3, 0x0A, 1, 1]);
        assert_eq!(fetch(address, "/ocsp/%").await.body, [0x30, 3, 0x0A, 1, 1]);
        assert_eq!(fetch(address, "/elsewhere").await.status, 404);
        assert_eq!(fetch(address, "/ocsp").await.status, 405);
    })
    .await;
}

#[tokio::test]
async fn the_certificates_of_the_ca_are_served() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}/", directory.path().display()), "npc").await.unwrap();
    let (_, clock) = clock();
    let (npc, address) = served(&db, clock).await;
    let made = npc.ca_certificates();
    for (path, certificate) in [("/certs/npc-root.cer", &made.root), ("/certs/npc-ca.cer", &made.ca)] {
        let reply = fetch(address, path).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/pkix-cert")));
        assert_eq!(reply.body, certificate.der());
    }
    let bundle = fetch(address, "/certs/issued-to-this-ca.p7b").await;
    assert_eq!(bundle.header("content-type"), Some("application/pkcs7-mime"));
    assert!(bundle.body.windows(made.ca.der().len()).any(|window| window == made.ca.der()));
    assert_eq!(fetch(address, "/certs/npc-ocsp.cer").await.status, 404);
}

/// The database goes away under the service: what is in memory is served while it holds, what is not is refused, and all of
/// it recovers.
#[tokio::test]
async fn a_failing_database_is_said_so() {
    each_engine("npc", async |db| {
        let (second, clock) = clock();
        let (npc, address) = served(&db, clock).await;
        let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
        let issuer = IssuerHashes::new(&npc.ca_certificate()).unwrap();
        let request = build_request(&[CertId::new(&issuer, Hash::Sha256, &serial).unwrap()], None);
        let path = format!("/ocsp/{}", base64(&request));
        assert_eq!(fetch(address, "/crl/npc.crl").await.status, 200);
        db.fail_after(1, store::When::BeforeCommit);
        npc.revoke(card(1), RevocationReason::Unspecified, "clerk", now()).await.unwrap_err();
        second.fetch_add(60, Ordering::Relaxed);
        BasicResponse::parse(&fetch(address, &path).await.body).unwrap();
        assert_eq!(fetch(address, "/crl/npc.crl").await.status, 200, "made before");
        assert_eq!(fetch(address, "/crl/npc-root.crl").await.status, 503, "never made");
        second.fetch_add(25 * 3600, Ordering::Relaxed);
        assert_eq!(fetch(address, &path).await.body, [0x30, 3, 0x0A, 1, 3]);
        assert_eq!(fetch(address, "/crl/npc.crl").await.status, 503, "no longer holds");
        db.revive();
        assert_eq!(fetch(address, "/crl/npc.crl").await.status, 200);
        BasicResponse::parse(&fetch(address, &path).await.body).unwrap();
    })
    .await;
}

#[tokio::test]
async fn lists_are_served_in_parts_and_compressed() {
    each_engine("npc", async |db| {
        let (_, clock) = clock();
        let (npc, address) = served(&db, clock).await;
        // A list with one entry is no shorter when it is compressed.
        for number in 1..=9 {
            issued(&npc, number, KeySlot::SigningEc, 0).await;
            npc.revoke(card(number), RevocationReason::Superseded, "clerk", now()).await.unwrap();
        }
        let whole = fetch(address, "/crl/npc.crl").await;
        let etag = whole.header("etag").unwrap().to_owned();
        let size = whole.body.len();
        assert_eq!(whole.header("accept-ranges"), Some("bytes"));
        for (range, expected) in [
            ("0-9", Some((0, 9))),
            ("100-", Some((100, size - 1))),
            ("-7", Some((size - 7, size - 1))),
            ("-999999", Some((0, size - 1))),
            ("5-999999", Some((5, size - 1))),
            ("9-5", None),
            ("0-1,4-5", None),
            ("x-", None),
        ] {
            let reply = fetch_with(address, "/crl/npc.crl", &format!("Range: bytes={range}")).await;
            match expected {
                Some((from, to)) => {
                    assert_eq!(reply.status, 206, "{range}");
                    assert_eq!(reply.body, whole.body[from..=to]);
                    assert_eq!(
                        reply.header("content-range"),
                        Some(format!("bytes {from}-{to}/{size}").as_str())
                    );
                }
                None => assert_eq!((reply.status, reply.body), (200, whole.body.clone()), "{range}"),
            }
        }
        let outside = fetch_with(address, "/crl/npc.crl", "Range: bytes=999999-").await;
        assert_eq!(
            (outside.status, outside.header("content-range")),
            (416, Some(format!("bytes */{size}").as_str()))
        );
        let changed = fetch_with(address, "/crl/npc.crl", "Range: bytes=0-9\r\nIf-Range: \"other\"").await;
        assert_eq!(changed.status, 200);
        let same =
            fetch_with(address, "/crl/npc.crl", &format!("Range: bytes=0-9\r\nIf-Range: {etag}")).await;
        assert_eq!(same.status, 206);

        let packed = fetch_with(address, "/crl/npc.crl", "Accept-Encoding: br, gzip").await;
        assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")));
        assert_eq!(packed.header("vary"), Some("Accept-Encoding"));
        assert_ne!(packed.header("etag"), Some(etag.as_str()), "another representation");
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed.body[..]), &mut unpacked)
            .unwrap();
        assert_eq!(unpacked, whole.body);
        let refused = fetch_with(address, "/crl/npc.crl", "Accept-Encoding: gzip;q=0").await;
        assert_eq!(refused.header("content-encoding"), None);
    })
    .await;
}

/// Runs curl on the address of a list, beside the server that runs here.
async fn curl(url: &str, args: &[&str]) -> Vec<u8> {
    let mut command = std::process::Command::new("curl");
    command.args(["--silent", "--show-error", "--fail"]).args(args).arg(url);
    let ran =
        tokio::task::spawn_blocking(move || command.output().expect("curl is installed")).await.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

/// What a program of the world's makes of compression and ranges: it unpacks, goes on where it was interrupted, also within the
/// compressed form, and starts anew where the list has changed.
#[tokio::test]
async fn curl_takes_lists_compressed_and_goes_on_where_it_stopped() {
    each_engine("npc", async |db| {
        let (_, clock) = clock();
        let (npc, address) = served(&db, clock).await;
        // A list with one entry is no shorter when it is compressed.
        for number in 1..=10 {
            issued(&npc, number, KeySlot::SigningEc, 0).await;
        }
        for number in 1..10 {
            npc.revoke(card(number), RevocationReason::Superseded, "clerk", now()).await.unwrap();
        }
        let url = format!("http://{address}/crl/npc.crl");
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let whole = curl(&url, &[]).await;
        Crl::parse(&whole).unwrap().verify_signature(npc.ca_certificate().spki()).unwrap();
        let (head, body) = (file("head"), file("body"));
        curl(&url, &["--compressed", "--dump-header", &head, "--output", &body]).await;
        assert_eq!(std::fs::read(&body).unwrap(), whole, "unpacked");
        let head = std::fs::read_to_string(&head).unwrap().to_ascii_lowercase();
        assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
        let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
        assert!(tag.ends_with("-gzip\""), "{tag}");

        // A download that broke off.
        std::fs::write(&body, &whole[..100]).unwrap();
        curl(&url, &["--continue-at", "-", "--output", &body]).await;
        assert_eq!(std::fs::read(&body).unwrap(), whole);
        // The same of the compressed form.
        let gzip = ["--header", "Accept-Encoding: gzip"];
        let packed = curl(&url, &gzip).await;
        assert!(packed.len() < whole.len());
        let same = format!("If-Range: {tag}");
        let rest = curl(&url, &[&gzip[..], &["--header", &same, "--range", "40-"]].concat()).await;
        assert_eq!([&packed[..40], &rest].concat(), packed);
        // A part without saying of which form is of the list as it is.
        assert_eq!(curl(&url, &[&gzip[..], &["--range", "0-9"]].concat()).await, whole[..10]);
        // Changed meanwhile: all of the new one.
        npc.revoke(card(10), RevocationReason::Superseded, "clerk", now()).await.unwrap();
        let anew = curl(&url, &[&gzip[..], &["--header", &same, "--range", "40-"]].concat()).await;
        let now_whole = curl(&url, &[]).await;
        assert_ne!(now_whole, whole);
        assert_eq!(anew, now_whole, "the tag is of no form of it any more");
    })
    .await;
}

/// Floods of what has to be signed for its asker alone, and of what is no request at all, over many connections: each is told so
/// at once, and cached answers and lists are there as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_leaves_answers_and_lists_of_others_alone() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}/", directory.path().display()), "npc").await.unwrap();
    let (_, clock) = clock();
    let config = npc::NpcConfig { on_demand_per_second: 40, stamps_per_second: 8, ..config() };
    let (npc, address) = served_as(&db, clock, config).await;
    let serial = issued(&npc, 1, KeySlot::SigningRsa, 0).await.serial;
    let issuer = IssuerHashes::new(&npc.ca_certificate()).unwrap();
    let id = CertId::new(&issuer, Hash::Sha256, &serial).unwrap();
    let path = format!("/ocsp/{}", base64(&build_request(std::slice::from_ref(&id), None)));
    let cached = fetch(address, &path).await;
    let mut flood = tokio::task::JoinSet::new();
    for n in 0..6u8 {
        let id = id.clone();
        flood.spawn(async move {
            let (mut signed, mut later, mut too_large) = (0, 0, 0);
            for m in 0..40u8 {
                let head = "POST /ocsp HTTP/1.1\r\nContent-Type: application/ocsp-request";
                let body = match n {
                    0 => vec![0x30; 16_500],
                    _ => build_request(std::slice::from_ref(&id), Some(&[n, m, 7, 7, 7, 7, 7, 7])),
                };
                let reply = http(address, head, &body).await;
                match (reply.status, reply.body.as_slice()) {
                    (413, _) => too_large += 1,
                    (200, [0x30, 3, 0x0A, 1, 3]) => later += 1,
                    (200, body) => {
                        BasicResponse::parse(body).unwrap();
                        signed += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
            (signed, later, too_large)
        });
    }
    for _ in 0..40 {
        let answer = fetch(address, &path).await;
        assert_eq!((answer.status, &answer.body), (200, &cached.body));
        assert_eq!(fetch(address, "/crl/npc.crl").await.status, 200);
    }
    // Time stamps have a budget of their own, and say when to come back to whoever reads HTTP alone.
    let query = x509::tsp::build_request(&x509::tsp::Imprint::of(Hash::Sha256, b"document"), None, None);
    for n in 0..12 {
        let head = "POST /tsa HTTP/1.1\r\nContent-Type: application/timestamp-query";
        let reply = http(address, head, &query).await;
        let answer = x509::tsp::Response::parse(&reply.body).unwrap();
        assert_eq!(reply.header("content-type"), Some("application/timestamp-reply"));
        if n < 8 {
            assert!(matches!(answer, x509::tsp::Response::Token(_)));
            assert_eq!((reply.status, reply.header("retry-after")), (200, None));
        } else {
            assert_eq!(answer, x509::tsp::Response::Refused(Some(x509::tsp::Failure::SystemFailure)));
            assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
        }
    }
    let counts = flood.join_all().await;
    let sum = |of: fn(&(u32, u32, u32)) -> u32| counts.iter().map(of).sum::<u32>();
    assert_eq!(
        (sum(|c| c.0), sum(|c| c.1), sum(|c| c.2)),
        (40, 160, 40),
        "the budget of one second, and no more"
    );
    assert_eq!(fetch(address, &path).await.body, cached.body);
    db.close().await;
}
