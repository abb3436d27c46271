//! The files that operators and firms hand in, against kept and changed inputs: decoders of crates that bring a database, which
//! are too much for `fuzz/` to build. The corpora and the changes are those of `fuzz/`, whose README lists them.

#[path = "../../../fuzz/src/mutate.rs"]
mod mutate;

use crate::commands::{Adoption, caller_answers, enrolment, queue_assignments, queue_plan};
use curve::SecretBytes;
use keys::KeyStore;
use mutate::Mutator;
use ra::{CarrierInquiry, Inquiry};
use registry::{Change, Renumbering};
use std::path::Path;

/// Changed inputs for each decoder.
const ROUNDS: usize = 4_000;

/// Runs a decoder over its corpus, over nothing, and over changed copies. It says whether it took the input: it must take every
/// seed, and must not take everything.
fn survives(name: &str, rounds: usize, run: impl Fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    let corpus: Vec<_> = files.iter().map(|file| std::fs::read(file).expect("readable")).collect();
    for (file, input) in files.iter().zip(&corpus) {
        let seed = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-"));
        assert!(run(input) || !seed, "{} is not taken", file.display());
    }
    assert!(!run(&[]), "{name} takes nothing for something");
    let mut mutator = Mutator::new(name);
    let (mut refused, mut last) = (0, corpus[0].clone());
    for round in 0..rounds {
        let input = mutator.change(&corpus[round % corpus.len()], &last);
        refused += usize::from(!run(&input));
        last = input;
    }
    assert!(refused > rounds / 3, "{name} takes nearly everything");
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

#[test]
fn files_of_the_register_are_taken_whole_or_not_at_all() {
    survives("register_change", ROUNDS, |data| Change::from_json(data).is_ok());
    survives("register_renumbering", ROUNDS, |data| match Renumbering::from_json(data) {
        Ok(notice) => !notice.notice().is_empty(),
        Err(error) => {
            assert!(!error.to_string().contains("徐州路"), "an error quotes what was read");
            false
        }
    });
}

#[test]
fn files_of_registration_authorities_are_taken_whole_or_not_at_all() {
    survives("enrolment", ROUNDS, |data| {
        text(data).is_some_and(|text| match enrolment(text) {
            Ok(_) => true,
            Err(failure) => {
                assert!(!failure.message.contains("王小明"), "a failure quotes what was read");
                false
            }
        })
    });
    survives("caller_answers", ROUNDS, |data| text(data).is_some_and(|text| caller_answers(text).is_ok()));
    let country = npc::NpcConfig::default();
    survives("npc_policy", ROUNDS, |data| {
        text(data).is_some_and(|text| match npc::Policy::from_json(text, &country) {
            Ok(policy) => {
                let again = serde_json::to_string(&policy).expect("its own form");
                assert_eq!(npc::Policy::from_json(&again, &country).ok(), Some(policy));
                true
            }
            Err(error) => {
                assert!(!error.to_string().contains("測試用卡片"), "an error quotes what was read");
                false
            }
        })
    });
    survives("queue_plan", ROUNDS, |data| text(data).is_some_and(|text| queue_plan(text).is_ok()));
    survives("queue_assignments", ROUNDS, |data| {
        text(data).and_then(|text| queue_assignments(text).ok()).is_some_and(|cards| !cards.is_empty())
    });
    survives("inquiry", ROUNDS, |data| {
        // What is understood is written back and understood again.
        Inquiry::decode(data)
            .inspect(|inquiry| {
                let again = Inquiry::decode(&inquiry.encode()).expect("its own encoding");
                assert_eq!(again.encode(), inquiry.encode());
            })
            .is_some()
    });
    survives("carrier_inquiry", ROUNDS, |data| {
        CarrierInquiry::decode(data)
            .inspect(|inquiry| assert!(CarrierInquiry::decode(&inquiry.encode()).as_ref() == Some(inquiry)))
            .is_some()
    });
    survives("update_request", ROUNDS, |data| {
        mgmt::UpdateRequest::from_json(data)
            .inspect(|request| {
                assert_eq!(mgmt::UpdateRequest::from_json(&request.to_json()).as_ref(), Ok(request));
            })
            .is_ok()
    });
}

// ADR 24: whoever brings a copy and shares gets a key in the store only if all of it is what was handed out.
#[test]
fn copies_of_keys_and_shares_are_taken_whole_or_not_at_all() {
    let place = tempfile::tempdir().expect("a directory");
    let store = |name: &str| {
        let wrapping = keys::WrappingKey::new(&SecretBytes::new(&[7; 32])).expect("32 bytes");
        let random = Box::new(curve::SeedRandom::new(name.as_bytes()));
        keys::SoftwareKeyStore::open(&place.path().join(name), wrapping, random).expect("a store")
    };
    let (ours, empty) = (store("ours"), store("empty"));
    let made =
        ours.generate("ca", keys::KeyKind::Ec(curve::Curve::P256), keys::Purpose::CertificateAuthority);
    let made = made.expect("a key");
    let backup = ours.backup("ca", 2, 3).expect("a copy");
    let (copy, shares) = (backup.copy, backup.shares);
    let mut mutator = Mutator::new("key_copy");
    let mut taken = 0;
    for _ in 0..1_500 {
        let other_copy = mutator.change(&copy, shares[0].expose());
        let other_share = [mutator.change(shares[0].expose(), &copy).into(), shares[1].clone()];
        // White space, or a number that says nothing about the key: what is taken is the key that was copied.
        let restored = [empty.restore(&other_copy, &shares[..2]), empty.restore(&copy, &other_share)];
        for key in restored.into_iter().flatten() {
            assert_eq!(key, made);
            taken += 1;
        }
    }
    assert!(taken < 1_000, "{taken} of 3000 changed inputs are taken");
    assert!(empty.restore(&copy, &shares[..1]).is_err(), "one custodian is not enough");
    assert_eq!(empty.restore(&copy, &shares[1..]).expect("two are"), made);
}

// ADR 29: what comes from the system of before.
#[test]
fn files_of_an_adoption_are_taken_whole_or_not_at_all() {
    survives("adoption", ROUNDS, |data| Adoption::from_json(data).is_some());
    survives("certificates_before", ROUNDS, |data| {
        let all: Result<Vec<_>, _> = npc::certificates_in(data).collect();
        let whole = |der: &Vec<u8>| {
            x509::Certificate::parse(der).is_ok_and(|own| own.verify_signature(own.spki()).is_ok())
        };
        all.is_ok_and(|all| !all.is_empty() && all.iter().all(whole))
    });
    // Rounds of its passphrase cost time: a few of these, and their number may change as well.
    let word = SecretBytes::new(b"correct horse");
    survives("encrypted_key", 300, |data| keys::ForeignKey::open(&SecretBytes::new(data), &word).is_ok());
}
