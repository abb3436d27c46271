//! The x509-limbo suite (see `tests/vectors/limbo/README.md`): 208 cases, each gives the published result or is listed in
//! `skips.json` under its reason. A skip that is not needed fails the test.

use std::collections::BTreeMap;

use const_oid::ObjectIdentifier as Oid;
use jiff::Timestamp;
use serde::Deserialize;
use x509::crl::Crl;
use x509::path::{Options, Purpose, Revocation, validate};
use x509::{Certificate, pem};

const SUITE: &str = include_str!("../vectors/limbo/x509-limbo-208.json");
const SKIPS: &str = include_str!("../vectors/limbo/skips.json");

#[derive(Deserialize)]
struct Suite {
    testcases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    features: Vec<String>,
    validation_kind: String,
    trusted_certs: Vec<String>,
    untrusted_intermediates: Vec<String>,
    peer_certificate: String,
    validation_time: Option<Timestamp>,
    expected_result: String,
    max_chain_depth: Option<usize>,
    crls: Vec<String>,
}

fn accepted(case: &Case) -> Result<(), String> {
    const SERVER_AUTH: Oid = Oid::new_unwrap("1.3.6.1.5.5.7.3.1");
    const CLIENT_AUTH: Oid = Oid::new_unwrap("1.3.6.1.5.5.7.3.2");
    let parse = |text: &String| {
        pem::decode("CERTIFICATE", text).and_then(|der| Certificate::parse(&der)).map_err(|e| e.to_string())
    };
    let readable = |list: &[String]| list.iter().filter_map(|c| parse(c).ok()).collect::<Vec<_>>();
    let crls: Vec<Crl> = case
        .crls
        .iter()
        .filter_map(|text| pem::decode("X509 CRL", text).and_then(|der| Crl::parse(&der)).ok())
        .collect();
    let purpose = if case.validation_kind == "CLIENT" { CLIENT_AUTH } else { SERVER_AUTH };
    let now = case.validation_time.unwrap_or_else(|| "2026-07-01T00:00:00Z".parse().expect("a time"));
    let revocation = if case.features.iter().any(|f| f == "has-crl") {
        Revocation::Required
    } else {
        Revocation::Unchecked
    };
    let mut options = Options::at(now).purpose(Purpose::Extended(purpose)).crls(&crls, revocation);
    if let Some(depth) = case.max_chain_depth {
        options.max_intermediates = depth;
    }
    let leaf = parse(&case.peer_certificate)?;
    let (intermediates, anchors) = (readable(&case.untrusted_intermediates), readable(&case.trusted_certs));
    validate(&leaf, &intermediates, &anchors, &options).map(|_| ()).map_err(|e| e.to_string())
}

// proves: DOCPKI-06
#[test]
fn the_suite_passes_but_for_the_skips_that_have_a_reason() {
    let suite: Suite = serde_json::from_str(SUITE).expect("the suite");
    let skips: BTreeMap<String, Vec<String>> = serde_json::from_str(SKIPS).expect("the skips");
    let reason =
        |id: &str| skips.iter().find(|(_, ids)| ids.iter().any(|i| i == id)).map(|(reason, _)| reason);
    let (mut run, mut skipped, mut wrong) = (0, 0, Vec::new());
    for case in &suite.testcases {
        let result = accepted(case);
        let right = result.is_ok() == (case.expected_result == "SUCCESS");
        match reason(&case.id) {
            // A skip that is no longer needed must go.
            Some(reason) if right => wrong.push(format!("{}: passes although skipped: {reason}", case.id)),
            Some(_) => skipped += 1,
            None if right => run += 1,
            None => wrong.push(format!("{}: must be {}, is {result:?}", case.id, case.expected_result)),
        }
    }
    for id in skips.values().flatten() {
        assert!(suite.testcases.iter().any(|c| c.id == *id), "the skip {id} names no case");
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!((suite.testcases.len(), run, skipped), (208, 169, 39));
}
