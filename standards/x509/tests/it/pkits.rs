//! NIST's Public Key Interoperability Test Suite (see `tests/vectors/pkits/README.md`): 223 end entities, each gives the
//! result of the suite or is listed in `skips.json` under its reason. A skip that is not needed fails the test.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use jiff::Timestamp;
use serde::Deserialize;
use x509::Certificate;
use x509::crl::Crl;
use x509::path::{Options, Revocation, validate};

const SUITE: &str = include_str!("../vectors/pkits/pkits.json");
const SKIPS: &str = include_str!("../vectors/pkits/skips.json");

#[derive(Deserialize)]
struct Suite {
    anchor: String,
    cases: Vec<Case>,
    authorities: Vec<String>,
    crls: Vec<String>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    expected: String,
    certificate: String,
}

fn der(base64: &str) -> Vec<u8> {
    Base64::decode_vec(base64).expect("base64")
}

fn certificate(base64: &str) -> Option<Certificate> {
    Certificate::parse(&der(base64)).ok()
}

// proves: DOCPKI-06
#[test]
fn the_suite_of_nist_passes_but_for_the_skips_that_have_a_reason() {
    let suite: Suite = serde_json::from_str(SUITE).expect("the suite");
    let skips: BTreeMap<String, Vec<String>> = serde_json::from_str(SKIPS).expect("the skips");
    let anchors = [certificate(&suite.anchor).expect("the trust anchor")];
    // What cannot be read cannot be used: some authorities and lists of the suite are malformed on purpose.
    let authorities: Vec<_> = suite.authorities.iter().filter_map(|c| certificate(c)).collect();
    let crls: Vec<_> = suite.crls.iter().filter_map(|c| Crl::parse(&der(c)).ok()).collect();
    // The certificates are valid from 2010 to 2030, the lists of the suite for as long.
    let now: Timestamp = "2014-05-13T16:53:20Z".parse().expect("a time");
    let options = Options::at(now).crls(&crls, Revocation::Required);
    let reason = |name: &str| skips.iter().find(|(_, names)| names.iter().any(|n| n == name)).map(|(r, _)| r);
    let (mut run, mut skipped, mut wrong) = (0, 0, Vec::new());
    for case in &suite.cases {
        let result = certificate(&case.certificate).ok_or_else(|| "unreadable".to_owned()).and_then(|leaf| {
            validate(&leaf, &authorities, &anchors, &options).map(drop).map_err(|e| e.to_string())
        });
        let right = result.is_ok() == (case.expected == "SUCCESS");
        match reason(&case.name) {
            Some(reason) if right => wrong.push(format!("{}: passes although skipped: {reason}", case.name)),
            // What this system does not process it refuses: a skip excuses no path that must fail, but for the one that only
            // a delta list speaks against.
            Some(reason) if result.is_ok() && !reason.starts_with("delta lists") => {
                wrong.push(format!("{}: accepted", case.name));
            }
            Some(_) => skipped += 1,
            None if right => run += 1,
            None => wrong.push(format!("{}: must be {}, is {result:?}", case.name, case.expected)),
        }
    }
    assert!(wrong.is_empty(), "{}\n{} of {}", wrong.join("\n"), wrong.len(), suite.cases.len());
    let listed: usize = skips.values().map(Vec::len).sum();
    assert_eq!((suite.cases.len(), run, skipped), (223, 156, listed));
}
