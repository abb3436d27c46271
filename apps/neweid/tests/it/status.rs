//! The status of certificates and cards, as a reader at home finds it out.

use crate::support::{Country, Up, get, run, serial_of, text};

/// Downloaded once, the filter tells every certificate's state with no service running; the published card list knows a
/// card that was reported lost.
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
    up.stop();
    let serial = serial_of(&country.dir(), "active_national");
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
