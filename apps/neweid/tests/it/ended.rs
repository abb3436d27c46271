//! A country whose natural-person CA has ended, and nobody has made the next one in time.

use crate::books::{Books, wait};
use crate::support::{Country, Up, exchange, get, in_dir, serial_of};
use curve::SystemRandom;
use jiff::{SignedDuration, Timestamp};
use keys::{KeyStore, Purpose, SoftwareKeyStore, WrappingKey};
use std::path::Path;
use store::params;
use x509::Certificate;
use x509::certificate::assemble;

/// Ends the one generation of the CA, and the services it certified with it, an hour ago: their certificates as they are with other
/// dates, signed anew.
fn end_the_ca(dir: &Path) -> Timestamp {
    let place = dir.join("keys").join("npc");
    let wrapping = WrappingKey::create(&place.join("wrapping.key"), &mut SystemRandom).expect("a key");
    let keys = SoftwareKeyStore::open(&place.join("keys"), wrapping, Box::new(SystemRandom)).expect("keys");
    let end = Timestamp::now() - SignedDuration::from_hours(1);
    let begin = end - SignedDuration::from_hours(24 * 20);
    wait(async {
        let db = Books::of(dir).db("npc").await;
        let sql = "SELECT label, der FROM authority WHERE der IS NOT NULL AND label <> 'npc-root'";
        let rows = db.all(sql, params![]).await.expect("answers");
        assert!(rows.len() >= 5, "the CA, its responder and three services");
        for row in rows {
            let (label, der): (String, Vec<u8>) = (row.read(0).expect("text"), row.read(1).expect("bytes"));
            let certificate = Certificate::parse(&der).expect("a certificate");
            let tbs = certificate.tbs().to_vec();
            let tbs = replaced(&tbs, certificate.validity().not_after(), end);
            let tbs = match label.as_str() {
                "npc-ca" => tbs,
                _ => replaced(&tbs, certificate.validity().not_before(), begin),
            };
            let above = if label == "npc-ca" { "npc-root" } else { "npc-ca" };
            let signer = keys.signer(above, Purpose::CertificateAuthority).expect("the key above");
            let signature = signer.sign(&tbs).expect("signs");
            let der = assemble(&tbs, signer.algorithm(), &signature);
            assert_eq!(Certificate::parse(&der).expect("a certificate").validity().not_after(), seconds(end));
            let sql = "UPDATE authority SET tbs = $2, der = $3, not_after = $4 WHERE label = $1";
            assert_eq!(db.execute(sql, params![&label, &tbs, &der, seconds(end)]).await.expect("changed"), 1);
        }
        db.close().await;
    });
    end
}

fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).expect("a time")
}

// RFC 5280 §4.1.2.5.1: until 2049 two digits tell the year, so one date is as long as another.
fn replaced(tbs: &[u8], date: Timestamp, by: Timestamp) -> Vec<u8> {
    let text = |at: Timestamp| at.strftime("%y%m%d%H%M%SZ").to_string().into_bytes();
    let (date, by) = (text(date), text(by));
    let place = tbs.windows(date.len()).position(|part| part == date).expect("the date");
    let mut changed = tbs.to_vec();
    changed[place..place + by.len()].copy_from_slice(&by);
    changed
}

/// A genm that asks for nothing, of nobody.
fn question_over_cmp() -> Vec<u8> {
    let nobody = tlv::encode(0xA4, &tlv::sequence(&[]));
    let header = tlv::sequence(&[&[2, 1, 2], &nobody, &nobody]);
    tlv::sequence(&[&header, &tlv::encode(0xB5, &tlv::sequence(&[]))])
}

/// It starts, says that the CA has ended and what to do, signs nothing in its name and serves everything else; after the ceremony it
/// goes on.
#[test]
fn a_country_whose_ca_has_ended_starts_and_says_so() {
    let country = Country::new();
    let dir = country.dir();
    end_the_ca(&dir);
    let books = Books::of(&dir);
    let filters = || books.count("npc", "SELECT max(number) FROM status_document WHERE kind = 'filter'");
    let documents = || {
        let newest = books.count("npc", "SELECT max(number) FROM status_document");
        (newest, filters(), books.count("npc", "SELECT count(*) FROM authority"))
    };
    let before = documents();
    let up = Up::start(&dir);
    let said = up.stdout();
    assert!(said.contains("憑證已到期") && said.contains("natural-person CA has ended"), "{said}");
    assert!(said.contains("neweid ceremony propose generation"), "{said}");

    let cmp = |up: &Up| {
        let body = question_over_cmp();
        let (address, length) = (up.status(), body.len());
        let head = format!(
            "POST /cmp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/pkixcmp\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        exchange(&address, &[head.as_bytes(), &body].concat()).expect("an answer")
    };
    assert_eq!(cmp(&up).status, 503);
    // What it published is there; everything else too.
    for path in ["/crl/npc.crl", "/crl/npc-root.crl", "/certs/npc-ca.cer", "/cps"] {
        assert_eq!(get(&up.status(), path).status, 200, "{path}");
    }
    for path in ["/", "/healthz", "/pkd/csca.crl", "/pkd/"] {
        assert_eq!(get(&up.web(), path).status, 200, "{path}");
    }
    let serial = serial_of(&dir, "active_national");
    let [pki, out] = ["pki", "read"].map(|name| country.beside(name).display().to_string());
    in_dir(&dir, ["pki", "export", "--out", &pki]).success();
    in_dir(&dir, ["read", "--serial", &serial, "--trust", &pki, "--out", &out]).success();
    in_dir(&dir, ["pin", "status", "--serial", &serial]).success();
    // The maintenance has had its turns.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let ran = up.stop();
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert_eq!(documents(), before, "nothing is signed in its name: {}", ran.stderr);

    // Two persons make the next generation.
    in_dir(&dir, ["ceremony", "propose", "generation", "--key", "p-384", "--operator", "anna"]).success();
    in_dir(&dir, ["ceremony", "approve", "1", "--operator", "bert"]).success();
    in_dir(&dir, ["ceremony", "run", "1", "--operator", "anna", "--witness", "bert"]).success();
    let up = Up::start(&dir);
    assert!(!up.stdout().contains("憑證已到期"), "{}", up.stdout());
    let crl = up.endpoints()["crl"].as_str().expect("an address").to_owned();
    assert!(crl.ends_with("/crl/npc-g2.crl"), "{crl}");
    assert_eq!(get(&up.status(), "/crl/npc-g2.crl").status, 200);
    assert_eq!(cmp(&up).status, 200);
    assert_eq!(get(&up.status(), "/status/filter").status, 200);
    in_dir(&dir, ["npc", "publish", "--operator", "anna"]).success();
    assert!(filters() > before.1, "signed in the name of the next one");
    up.stop();
}
