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
    assert_eq!((suite.cases.len(), run, skipped), (223, 193, listed));
}

/// Sections 4.8, 4.10 and 4.12 of the suite's document try some paths with other settings than the default ones.
#[test]
fn policies_that_are_asked_for_decide() {
    let suite: Suite = serde_json::from_str(SUITE).expect("the suite");
    let anchors = [certificate(&suite.anchor).expect("the trust anchor")];
    let authorities: Vec<_> = suite.authorities.iter().filter_map(|c| certificate(c)).collect();
    let now: Timestamp = "2014-05-13T16:53:20Z".parse().expect("a time");
    let policy = |n: &u32| format!("2.16.840.1.101.3.2.1.48.{n}").parse().expect("an object identifier");
    let plain = Options { revocation: Revocation::Unchecked, ..Options::at(now) };
    let validated = |name: &str, options: &Options<'_>| {
        let case = suite.cases.iter().find(|case| case.name == name).expect(name);
        let leaf = certificate(&case.certificate).expect("readable");
        validate(&leaf, &authorities, &anchors, options).map(|path| path.policies().to_vec())
    };
    for (name, wanted, right) in [
        ("ValidCertificatePathTest1EE", &[1][..], true),
        ("ValidCertificatePathTest1EE", &[2], false),
        ("ValidCertificatePathTest1EE", &[1, 2], true),
        ("AllCertificatesNoPoliciesTest2EE", &[], false),
        ("DifferentPoliciesTest3EE", &[], false),
        ("DifferentPoliciesTest3EE", &[1, 2], false),
        ("OverlappingPoliciesTest6EE", &[1], true),
        ("OverlappingPoliciesTest6EE", &[2], false),
        ("AllCertificatesSamePoliciesTest10EE", &[1], true),
        ("AllCertificatesSamePoliciesTest10EE", &[2], true),
        ("AllCertificatesanyPolicyTest11EE", &[1], true),
        ("AllCertificatesSamePoliciesTest13EE", &[1], true),
        ("AllCertificatesSamePoliciesTest13EE", &[2], true),
        ("AllCertificatesSamePoliciesTest13EE", &[3], true),
        ("AnyPolicyTest14EE", &[1], true),
        ("AnyPolicyTest14EE", &[2], false),
        ("ValidPolicyMappingTest1EE", &[1], true),
        ("ValidPolicyMappingTest1EE", &[2], false),
        ("ValidPolicyMappingTest3EE", &[1], false),
        ("ValidPolicyMappingTest3EE", &[2], true),
        ("ValidPolicyMappingTest5EE", &[1], true),
        ("ValidPolicyMappingTest5EE", &[6], false),
        ("ValidPolicyMappingTest6EE", &[1], true),
    ] {
        let wanted: Vec<_> = wanted.iter().map(policy).collect();
        let result = validated(name, &plain.policies(&wanted));
        assert_eq!(result.is_ok(), right, "{name} under {wanted:?}: {result:?}");
        if let Ok(found) = result {
            assert!(found.iter().all(|policy| wanted.contains(policy)), "{name}: {found:?}");
        }
    }
    let inhibited = Options { inhibit_policy_mapping: true, ..plain };
    assert_eq!(validated("ValidPolicyMappingTest1EE", &inhibited), Err(x509::path::Refusal::Policy));
    let inhibited = Options { inhibit_any_policy: true, ..plain };
    assert_eq!(validated("inhibitAnyPolicyTest3EE", &inhibited), Err(x509::path::Refusal::Policy));
}
