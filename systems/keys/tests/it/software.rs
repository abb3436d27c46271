//! Keys in files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use curve::{Curve, SecretBytes, SeedRandom, SystemRandom};
use keys::{KeyKind, KeyStore, Purpose, SoftwareKeyStore, WrappingKey, read_secret_file, write_atomically};

fn open(directory: &Path, wrapping: u8) -> SoftwareKeyStore {
    let wrapping = WrappingKey::new(&SecretBytes::new(&[wrapping; 32])).unwrap();
    SoftwareKeyStore::open(directory, wrapping, Box::new(SystemRandom)).unwrap()
}

// proves: NPC-06
#[test]
fn keys_are_made_once_and_sign_only_what_they_were_made_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut kinds = vec![KeyKind::Rsa(2048), KeyKind::Rsa(4096)];
    kinds.extend(Curve::ALL.map(KeyKind::Ec));
    kinds.push(KeyKind::MlDsa65);
    crate::behaves(&open(&directory.path().join("deep/keys"), 1), &kinds);
}

// proves: SECURITY-33
#[test]
fn files_are_for_their_owner_alone_and_show_no_key() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("keys"), 1);
    store.generate("ds", KeyKind::Ec(Curve::P521), Purpose::DocumentSigner).unwrap();
    let mut files = 0;
    for entry in fs::read_dir(directory.path().join("keys")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.file_name(), "ds.key", "no temporary file is left");
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        files += 1;
    }
    assert_eq!(files, 1);
    assert_eq!(fs::metadata(directory.path().join("keys")).unwrap().permissions().mode() & 0o777, 0o700);
    // The key opens only with the wrapping key, which is not there.
    let message = b"message";
    let signature = store.signer("ds", Purpose::DocumentSigner).unwrap().sign(message).unwrap();
    let again = open(&directory.path().join("keys"), 1).signer("ds", Purpose::DocumentSigner).unwrap();
    x509::verify(again.spki(), again.algorithm(), message, &signature).unwrap();
    let wrong = open(&directory.path().join("keys"), 2).signer("ds", Purpose::DocumentSigner).err().unwrap();
    assert_eq!(wrong.code(), "KEYS-SEALED");
}

// proves: NPC-06
#[test]
fn an_altered_file_does_not_open() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), 1);
    store.generate("ocsp", KeyKind::Ec(Curve::P256), Purpose::OcspResponder).unwrap();
    let path = directory.path().join("ocsp.key");
    let good = fs::read_to_string(&path).unwrap();
    let code = |text: &str, purpose| {
        fs::write(&path, text).unwrap();
        open(directory.path(), 1).signer("ocsp", purpose).err().map(|error| error.code())
    };
    // A responder's key does not become a CA's by writing so into its file.
    let promoted = good.replace("ocsp-responder", "certificate-authority");
    assert_eq!(code(&promoted, Purpose::CertificateAuthority), Some("KEYS-SEALED"));
    assert_eq!(
        code(&good.replace("\"version\": 1", "\"version\": 2"), Purpose::OcspResponder),
        Some("KEYS-FORMAT")
    );
    assert_eq!(code("{}", Purpose::OcspResponder), Some("KEYS-FORMAT"));
    assert_eq!(code("", Purpose::OcspResponder), Some("KEYS-FORMAT"));
    assert_eq!(code(&good, Purpose::OcspResponder), None);
    // Nor does it answer to another label.
    fs::copy(&path, directory.path().join("root.key")).unwrap();
    let renamed = open(directory.path(), 1).signer("root", Purpose::OcspResponder).err().unwrap();
    assert_eq!(renamed.code(), "KEYS-FORMAT");
    let text = good.replace("\"label\": \"ocsp\"", "\"label\": \"root\"");
    fs::write(directory.path().join("root.key"), text).unwrap();
    let renamed = open(directory.path(), 1).signer("root", Purpose::OcspResponder).err().unwrap();
    assert_eq!(renamed.code(), "KEYS-SEALED");
}

#[test]
fn two_processes_that_make_the_same_key_end_with_one() {
    let directory = tempfile::tempdir().unwrap();
    let stores: Vec<_> = (0..8).map(|_| open(directory.path(), 1)).collect();
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = stores
            .iter()
            .map(|store| {
                scope
                    .spawn(|| store.generate("one", KeyKind::Ec(Curve::P256), Purpose::Message).unwrap().spki)
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.iter().all(|spki| *spki == made[0]));
    for store in &stores {
        assert_eq!(store.signer("one", Purpose::Message).unwrap().spki(), made[0]);
    }
}

#[test]
fn secrets_that_others_can_read_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("conf/wrapping.key");
    WrappingKey::create(&path, &mut SeedRandom::new(b"wrapping")).unwrap();
    let text = fs::read(&path).unwrap();
    assert_eq!(text.len(), 64);
    WrappingKey::create(&path, &mut SeedRandom::new(b"another")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), text, "made once");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(WrappingKey::from_file(&path).err().unwrap().code(), "KEYS-MODE");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "1234\n").unwrap();
    assert_eq!(WrappingKey::from_file(&path).err().unwrap().code(), "KEYS-FORMAT");
    assert_eq!(read_secret_file(&path).unwrap().expose(), b"1234");
    assert_eq!(read_secret_file(&directory.path().join("none")).err().unwrap().code(), "KEYS-IO");
}

#[test]
fn a_file_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    assert!(write_atomically(&path, b"first", &mut SystemRandom).unwrap());
    assert!(!write_atomically(&path, b"second", &mut SystemRandom).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"first");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// Files written by every released version are read for ever.
#[test]
fn a_key_file_of_version_1_opens() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("ds-1.key"), include_bytes!("../vectors/key-file-v1/ds-1.key")).unwrap();
    let store = open(directory.path(), 1);
    let signer = store.signer("ds-1", Purpose::DocumentSigner).unwrap();
    assert_eq!(store.list().unwrap()[0].kind, KeyKind::Ec(Curve::P256));
    x509::verify(signer.spki(), signer.algorithm(), b"x", &signer.sign(b"x").unwrap()).unwrap();
}

// A key whose file is lost comes back from its copy with enough custodians, and from nothing less.
#[test]
fn a_lost_key_comes_back_from_its_copy_with_enough_custodians() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("here"), 1);
    for (n, kind) in [KeyKind::Rsa(2048), KeyKind::Ec(Curve::P384), KeyKind::MlDsa65].into_iter().enumerate()
    {
        let label = format!("ca-{n}");
        let made = store.generate(&label, kind, Purpose::CertificateAuthority).unwrap();
        let backup = store.backup(&label, 2, 3).unwrap();
        assert_eq!(keys::backup_label(&backup.copy).unwrap(), label);
        let shares = |of: &[usize]| of.iter().map(|n| backup.shares[*n].clone()).collect::<Vec<_>>();
        // Another house, with another wrapping key.
        let there = open(&directory.path().join(format!("there-{n}")), 2);
        for too_few in [vec![], shares(&[1]), shares(&[1, 1])] {
            assert_eq!(there.restore(&backup.copy, &too_few).unwrap_err().code(), "KEYS-SHARES");
        }
        // Shares of another copy of the same key.
        let other = store.backup(&label, 2, 3).unwrap();
        let mixed = [backup.shares[0].clone(), other.shares[1].clone()];
        assert_eq!(there.restore(&backup.copy, &mixed).unwrap_err().code(), "KEYS-SHARES");
        // A copy that says something else about its key.
        let altered = String::from_utf8(backup.copy.clone()).unwrap();
        let altered = altered.replace("certificate-authority", "message");
        assert_eq!(there.restore(altered.as_bytes(), &shares(&[0, 1])).unwrap_err().code(), "KEYS-SEALED");
        assert!(there.list().unwrap().is_empty());
        assert_eq!(there.restore(&backup.copy, &shares(&[0, 2])).unwrap(), made);
        let signer = there.signer(&label, Purpose::CertificateAuthority).unwrap();
        let signature = signer.sign(b"from the other house").unwrap();
        x509::verify(&made.spki, signer.algorithm(), b"from the other house", &signature).unwrap();
        assert_eq!(there.signer(&label, Purpose::Message).err().unwrap().code(), "KEYS-PURPOSE");
        // Again, and over another key of the same name.
        assert_eq!(there.restore(&backup.copy, &shares(&[2, 1])).unwrap(), made);
        there.destroy(&label).unwrap();
        there.generate(&label, kind, Purpose::CertificateAuthority).unwrap();
        assert_eq!(there.restore(&backup.copy, &shares(&[0, 1])).unwrap_err().code(), "KEYS-OTHERWISE");
    }
    assert_eq!(store.backup("none", 2, 3).err().unwrap().code(), "KEYS-MISSING");
    for (threshold, shares) in [(1, 3), (4, 3), (0, 0)] {
        assert_eq!(store.backup("ca-0", threshold, shares).err().unwrap().code(), "KEYS-SHARES");
    }
}
