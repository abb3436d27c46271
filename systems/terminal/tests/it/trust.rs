//! Trust from a directory.

use std::fs;

use terminal::{Refusal, TrustStore};
use x509::crl::Crl;
use x509::pem;

use crate::country::{COUNTRY, Country, now};

#[test]
fn a_directory_of_mixed_files_gives_the_anchors_and_lists() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, content: &[u8]| fs::write(dir.path().join(name), content).expect("written");
    write("csca.pem", COUNTRY.csca.to_pem().as_bytes());
    // A document signer beside it is no anchor, whatever its name.
    write("ds-1.pem", COUNTRY.signer.to_pem().as_bytes());
    write("csca.crl", COUNTRY.crl(false).der());
    write("broken.pem", b"-----BEGIN CERTIFICATE-----\nnot base64\n-----END CERTIFICATE-----\n");
    write("readme.txt", COUNTRY.csca.to_pem().as_bytes());
    write("noise.der", &[0x30, 0x03, 0x02, 0x01]);
    let trust = TrustStore::from_dir(dir.path()).expect("read");
    assert_eq!((trust.anchors().len(), trust.crls().len()), (1, 1));
    assert_eq!(trust.skipped(), ["broken.pem", "ds-1.pem", "noise.der"]);
    let found = trust.check_signer(&COUNTRY.signer, now());
    assert_eq!((found.chain, found.revocation), (Ok(()), Ok(())));
}

#[test]
fn several_blocks_in_one_file_and_der() {
    let dir = tempfile::tempdir().expect("a directory");
    let other = Country::new("other", COUNTRY.signer.validity());
    let both =
        [COUNTRY.signer.to_pem(), COUNTRY.csca.to_pem(), pem::encode("X509 CRL", COUNTRY.crl(true).der())]
            .concat();
    fs::write(dir.path().join("all.PEM"), both).expect("written");
    fs::write(dir.path().join("other.cer"), other.csca.der()).expect("written");
    let trust = TrustStore::from_dir(dir.path()).expect("read");
    assert_eq!((trust.anchors().len(), trust.crls().len()), (2, 1));
    let found = trust.check_signer(&COUNTRY.signer, now());
    assert_eq!((found.chain, found.revocation), (Ok(()), Err(Refusal::SignerRevoked)));
    assert_eq!(found.is_trusted(), Err(Refusal::SignerRevoked));
    let found = trust.check_signer(&other.signer, now());
    assert_eq!((found.chain, found.revocation), (Ok(()), Err(Refusal::RevocationUnknown)));
    assert_eq!(found.is_trusted(), Ok(()));
}

#[test]
fn a_missing_directory_is_an_error_with_its_name() {
    let error = TrustStore::from_dir(std::path::Path::new("/nonexistent/trust")).expect_err("no directory");
    assert!(error.to_string().contains("/nonexistent/trust"), "{error}");
    assert!(error.to_string().starts_with("TERMINAL-E-TRUST-READ"));
}

// proves: DOCPKI-06
#[test]
fn missing_overdue_and_revoked_are_three_answers() {
    let found = |lists: &[Crl]| {
        let mut trust = TrustStore::new();
        trust.add_certificate(COUNTRY.csca.clone());
        lists.iter().for_each(|list| trust.add_crl(list.clone()));
        trust.check_signer(&COUNTRY.signer, now())
    };
    let overdue = COUNTRY.overdue_crl();
    let expected = [
        (found(&[]), Err(Refusal::RevocationUnknown)),
        (found(std::slice::from_ref(&overdue)), Err(Refusal::RevocationOverdue)),
        (found(&[overdue.clone(), COUNTRY.crl(false)]), Ok(())),
        (found(&[overdue, COUNTRY.crl(true)]), Err(Refusal::SignerRevoked)),
    ];
    for (found, revocation) in expected {
        assert_eq!((found.chain, found.revocation), (Ok(()), revocation));
        let trusted = if revocation == Err(Refusal::SignerRevoked) { revocation } else { Ok(()) };
        assert_eq!(found.is_trusted(), trusted);
    }
}

// proves: DOCPKI-10
#[test]
fn a_package_of_files_verifies_offline_over_a_roll_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, content: &[u8]| fs::write(dir.path().join(name), content).expect("written");
    let second = Country::new("second", COUNTRY.signer.validity());
    // What somebody had before the roll-over: the old certificate. What the directory gives: lists, link, master list.
    write("csca-1.cer", COUNTRY.csca.der());
    write("csca-1.crl", COUNTRY.crl(false).der());
    write("csca-2.crl", second.crl(false).der());
    let link = COUNTRY.link_to(&second);
    write("master-list.ml", &COUNTRY.master_list(&[COUNTRY.csca.clone(), second.csca.clone(), link.clone()]));
    let mut trust = TrustStore::from_dir(dir.path()).expect("read");
    assert_eq!(
        trust.check_signer(&second.signer, now()).chain,
        Err(Refusal::SignerUntrusted),
        "not opened yet"
    );
    assert!(trust.open_master_lists(now()).is_empty());
    assert_eq!(trust.anchors().len(), 2);
    for signer in [&COUNTRY.signer, &second.signer] {
        let found = trust.check_signer(signer, now());
        assert_eq!((found.chain, found.revocation), (Ok(()), Ok(())));
    }
    // The link alone does it too.
    let mut linked = TrustStore::new();
    linked.add_certificate(COUNTRY.csca.clone());
    assert!(linked.add_certificate(link));
    assert_eq!(linked.anchors().len(), 1, "a link is no anchor");
    linked.add_crl(COUNTRY.crl(false));
    linked.add_crl(second.crl(true));
    let found = linked.check_signer(&second.signer, now());
    assert_eq!((found.chain, found.revocation), (Ok(()), Err(Refusal::SignerRevoked)));
}

#[test]
fn a_master_list_of_a_stranger_is_refused() {
    let stranger = Country::new("stranger", COUNTRY.signer.validity());
    let mut trust = TrustStore::new();
    trust.add_certificate(COUNTRY.csca.clone());
    trust.add_master_list("strange.ml", stranger.master_list(std::slice::from_ref(&stranger.csca)));
    trust.add_master_list("noise.ml", b"noise".to_vec());
    assert_eq!(trust.open_master_lists(now()), ["strange.ml", "noise.ml"]);
    assert_eq!(trust.skipped(), ["strange.ml", "noise.ml"]);
    assert_eq!(trust.anchors(), std::slice::from_ref(&COUNTRY.csca));
    // Two lists, the second signed by somebody whom only the first brings: neither vouches for the other.
    trust.add_master_list("own.ml", COUNTRY.master_list(std::slice::from_ref(&stranger.csca)));
    trust.add_master_list("strange.ml", stranger.master_list(std::slice::from_ref(&stranger.csca)));
    assert_eq!(trust.open_master_lists(now()), ["strange.ml"]);
    assert_eq!(trust.anchors().len(), 2);
}
