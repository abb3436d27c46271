//! Trust from a directory.

use std::fs;

use terminal::{Refusal, TrustStore};
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
