//! Filters.

use jiff::SignedDuration;
use status::Error;
use status::check::{Verdict, Why, check};
use status::filter::{Filter, Population, State, StatusSigner, Trust};
use x509::path::Refusal;

use crate::support::*;

const CERTIFICATES: u64 = 5_000;

/// Every tenth certificate is revoked, every tenth and one suspended.
fn expected(n: u64) -> State {
    match n % 10 {
        0 => State::Revoked,
        1 => State::Suspended,
        _ => State::Good,
    }
}

fn number(n: u64) -> u128 {
    serial(n).to_u128().unwrap()
}

fn filter(authority: &Authority) -> Filter {
    let of = |state| {
        let mut list: Vec<u128> = (0..CERTIFICATES).filter(|n| expected(*n) == state).map(number).collect();
        list.sort_unstable();
        list
    };
    let (revoked, suspended) = (of(State::Revoked), of(State::Suspended));
    let population = Population {
        issuer: authority.ca(),
        size: CERTIFICATES,
        all: &|f| (0..CERTIFICATES).for_each(|n| f(number(n))),
        revoked: &revoked,
        suspended: &suspended,
    };
    Filter::build(7, now(), SignedDuration::from_hours(1), &[population], 1).unwrap()
}

// proves: PRIVACY-04
#[test]
fn a_certificate_is_judged_at_home() {
    let authority = Authority::new("here");
    let document = filter(&authority).sign(&authority.by()).unwrap();
    let filter = Filter::open(&document, &authority.trust(), now()).unwrap();
    assert_eq!((filter.certificates(), filter.revoked(), filter.suspended()), (CERTIFICATES, 500, 500));
    let judge = |n, from: &str, to: &str, at| {
        check(&authority.citizen(serial(n), from, to), &filter, &authority.trust(), at)
    };
    let (from, to) = ("2026-08-01T00:00:00Z", "2031-08-01T00:00:00Z");
    for n in 0..20 {
        assert_eq!(judge(n, from, to, now()), Verdict::State(expected(n)));
    }
    // What the filter cannot know.
    let later = now() + SignedDuration::from_hours(2);
    assert_eq!(judge(0, from, to, later), Verdict::NotCovered(Why::OutOfDate));
    let earlier = now() - SignedDuration::from_secs(1);
    assert_eq!(judge(0, from, to, earlier), Verdict::NotCovered(Why::OutOfDate));
    let soon = "2026-08-05T03:10:00Z";
    assert_eq!(judge(2, soon, to, at(soon)), Verdict::NotCovered(Why::Newer));
    // The chain comes first.
    assert_eq!(judge(2, from, "2026-08-04T00:00:00Z", now()), Verdict::Invalid(Refusal::Expired));
    let stranger = Authority::new("there");
    let theirs = stranger.citizen(serial(2), from, to);
    assert!(matches!(check(&theirs, &filter, &authority.trust(), now()), Verdict::Invalid(_)));
    // Whoever trusts both: the other CA of the same name is none of the filter's issuers.
    assert_eq!(check(&theirs, &filter, &stranger.trust(), now()), Verdict::NotCovered(Why::OtherIssuer));
}

#[test]
fn every_certificate_is_answered_rightly() {
    let authority = Authority::new("here");
    let filter = filter(&authority);
    for n in 0..CERTIFICATES {
        assert_eq!(filter.state(authority.ca(), &serial(n)), Some(expected(n)), "{n}");
    }
    assert_eq!(filter.state(&authority.anchors[0], &serial(0)), None, "another issuer");
}

#[test]
fn only_the_status_signer_of_a_trusted_ca_is_believed() {
    let authority = Authority::new("here");
    let filter = filter(&authority);
    let open = |document: &[u8], trust: &Trust<'_>, at| Filter::open(document, trust, at);
    let document = filter.sign(&authority.by()).unwrap();
    assert_eq!(open(&document, &authority.trust(), now()).unwrap(), filter);
    let stranger = Authority::new("there");
    assert!(matches!(open(&document, &stranger.trust(), now()), Err(Error::Untrusted(_))));
    let expired = at("2026-09-02T00:00:00Z");
    assert_eq!(open(&document, &authority.trust(), expired), Err(Error::Untrusted(Refusal::Expired)));
    // Another service of the same CA.
    let by = StatusSigner { certificate: &authority.stamper, signer: &authority.stamper_key };
    let document = filter.sign(&by).unwrap();
    assert_eq!(open(&document, &authority.trust(), now()), Err(Error::NotForStatus));
}

#[test]
fn a_changed_document_is_refused() {
    let authority = Authority::new("here");
    let document = filter(&authority).sign(&authority.by()).unwrap();
    for position in (0..document.len()).step_by(97) {
        let mut changed = document.clone();
        changed[position] ^= 1;
        let read = Filter::open(&changed, &authority.trust(), now());
        // What stands outside the signature may change without harm: the answer is then the same.
        assert!(
            read.is_err() || read == Filter::open(&document, &authority.trust(), now()),
            "byte {position}"
        );
    }
}
