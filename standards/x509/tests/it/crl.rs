//! Lists written and read.

use curve::{Curve, SeedRandom};
use jiff::ToSpan;
use x509::certificate::profiles::Issuer;
use x509::crl::{self, Crl, Lifetime, Reason, Revoked};
use x509::{Error, Serial};

use crate::support::*;

pub(crate) fn life(number: u64) -> Lifetime {
    Lifetime { number, this_update: now(), next_update: now() + 24.hours() }
}

pub(crate) fn revoked(seed: &str, reason: Reason) -> Revoked {
    Revoked { serial: serial(seed), at: now() - 1.hours(), reason }
}

// proves: NPC-21
#[test]
fn a_complete_list_comes_back() {
    let issuer = NPC.issuer();
    let reasons = [Reason::Unspecified, Reason::KeyCompromise, Reason::CertificateHold, Reason::Superseded];
    let entries: Vec<_> = reasons.iter().map(|r| revoked(&format!("{r:?}"), *r)).collect();
    let tbs = crl::complete(&issuer, life(2_026_070_104), entries.clone()).expect("writable");
    let der = crl::issue(&tbs, &*NPC.ca_key).expect("signed");
    let read = Crl::parse(&der).expect("own list");
    read.verify_signature(NPC.ca.spki()).expect("own signature");
    assert!(read.verify_signature(NPC.root.spki()).is_err());
    assert_eq!(read.number(), Some(2_026_070_104));
    assert_eq!((read.this_update(), read.next_update()), (now(), Some(now() + 24.hours())));
    assert_eq!(read.authority_key_identifier(), NPC.ca.subject_key_identifier());
    assert_eq!(read.issuing_distribution_point(), None);
    let back: Vec<_> = read
        .entries()
        .map(|e| {
            e.map(|e| Revoked {
                serial: Serial::from_octets(e.serial).expect("serial"),
                at: e.at,
                reason: e.reason,
            })
        })
        .collect::<Result<_, _>>()
        .expect("own entries");
    assert_eq!(back, entries);
    let index = read.index();
    assert_eq!(index.reason(&entries[1].serial), Some(Reason::KeyCompromise));
    assert_eq!(index.reason(&serial("never revoked")), None);
}

// proves: NPC-53
#[test]
fn a_partition_says_critically_which_one_it_is() {
    let tbs = crl::partition(&NPC.issuer(), life(1), PARTITION, [revoked("a", Reason::KeyCompromise)]);
    let read =
        Crl::parse(&crl::issue(&tbs.expect("writable"), &*NPC.ca_key).expect("signed")).expect("own list");
    let idp = read.issuing_distribution_point().expect("present");
    assert_eq!(idp.uris, [PARTITION]);
    assert!(!idp.only_user_certificates && !idp.indirect && !read.has_unknown_critical_extension());
    // id-ce-issuingDistributionPoint, critical TRUE
    let critical = [0x06, 3, 0x55, 0x1D, 0x1C, 1, 1, 0xFF];
    assert!(read.der().windows(critical.len()).any(|w| w == critical));
}

#[test]
fn an_empty_list_has_no_revoked_certificates_field() {
    let d = &*DOCUMENTS;
    let issuer = Issuer::new(&d.csca, &d.csca_key).expect("issuer");
    let tbs = crl::csca(&issuer, life(1), &[]).expect("writable");
    let read = Crl::parse(&crl::issue(&tbs, &d.csca_key).expect("signed")).expect("own list");
    assert_eq!(read.entries().count(), 0);
    // After nextUpdate comes [0], not a SEQUENCE.
    let next = b"260702040000Z\xA0";
    assert!(read.der().windows(next.len()).any(|w| w == next));
    assert!(crl::csca(&issuer, life(1), &[revoked("ds", Reason::CertificateHold)]).is_err());
}

#[test]
fn entries_of_every_form_are_found() {
    let key = &NPC_EC.ca_key;
    let long = Serial::from_octets(&[0x7F; 20]).expect("20 octets");
    let short = Serial::from_u128(5).expect("not zero");
    let late = at("2051-01-01T00:00:00Z");
    let entries = [
        Revoked { serial: long, at: now(), reason: Reason::KeyCompromise },
        Revoked { serial: short, at: late, reason: Reason::Unspecified },
        Revoked { serial: serial("x"), at: late, reason: Reason::Superseded },
        Revoked { serial: serial("y"), at: now(), reason: Reason::Unspecified },
    ];
    let tbs = crl::complete(&NPC_EC.issuer(), life(1), entries).expect("writable");
    let list = Crl::parse(&crl::issue(&tbs, &**key).expect("signed")).expect("own list");
    let index = list.index();
    assert_eq!((index.len(), list.entries().count()), (4, 4));
    for e in entries {
        assert_eq!(index.reason(&e.serial), Some(e.reason));
        let found = list.find(e.serial.octets()).expect("listed");
        assert_eq!((found.serial, found.at, found.reason), (e.serial.octets(), e.at, e.reason));
    }
    assert!(list.find(serial("z").octets()).is_none());
    assert!(list.find(&[]).is_none());
    for code in 0..=255 {
        assert_eq!(Reason::from_code(code).map(Reason::code), (code <= 10 && code != 7).then_some(code));
    }
}

#[test]
fn contradictory_lists_are_refused() {
    let issuer = NPC_EC.issuer();
    let backwards = Lifetime { number: 1, this_update: now(), next_update: now() };
    assert!(crl::complete(&issuer, backwards, []).is_err());
    assert!(crl::complete(&issuer, life(1), [revoked("x", Reason::RemoveFromCrl)]).is_err());
    assert!(crl::partition(&issuer, life(1), "", []).is_err());
    let tbs = crl::complete(&issuer, life(1), []).expect("writable");
    assert!(matches!(crl::issue(&tbs, &ec(Curve::P256, "other")), Err(Error::WrongSigner(_))));
}

#[test]
fn a_hundred_thousand_entries_have_49_bytes_each() {
    let mut rng = SeedRandom::new(b"many");
    let entries: Vec<_> = (0..100_000)
        .map(|_| Revoked {
            serial: Serial::random(&mut rng),
            at: now(),
            reason: Reason::CessationOfOperation,
        })
        .collect();
    let tbs = crl::complete(&NPC_EC.issuer(), life(1), entries.iter().copied()).expect("writable");
    let der = crl::issue(&tbs, &*NPC_EC.ca_key).expect("signed");
    assert!(der.len() < 49 * 100_000 + 1_000);
    let index = Crl::parse(&der).expect("own list").index();
    assert_eq!(index.len(), 100_000);
    assert!(entries.iter().all(|e| index.reason(&e.serial) == Some(e.reason)));
}
