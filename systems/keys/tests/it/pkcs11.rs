//! Keys in SoftHSM.
//!
//! SoftHSM reads its configuration from the environment when its library starts, once in a process. So the outer test makes
//! a token in a temporary directory and runs the inner test in a process of its own with that environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use curve::{Curve, SecretBytes, SecretKey, SeedRandom};
use keys::{KeyKind, KeyStore, Pkcs11KeyStore, Purpose};

const PIN: &str = "482913";

fn module() -> PathBuf {
    let places = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ];
    let found = places.into_iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("SoftHSM is missing: apt-get install -y --no-install-recommends softhsm2")
}

fn init_token(configuration: &Path, label: &str) {
    let done = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "87654321"])
        .env("SOFTHSM2_CONF", configuration)
        .output()
        .expect("SoftHSM is missing: apt-get install -y --no-install-recommends softhsm2");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

// proves: NPC-06, SECURITY-33
#[test]
fn a_token_is_a_key_store() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = directory.path().join("softhsm2.conf");
    let tokens = directory.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    std::fs::write(
        &configuration,
        format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()),
    )
    .unwrap();
    init_token(&configuration, "neweid-test");
    init_token(&configuration, "neweid-other");
    // Keys of another program's, as its authority left them.
    for (label, seed, id) in [("CA key 2010", 5, "A1"), ("CA key 2015", 6, "A2")] {
        let key = SecretKey::generate(Curve::P384, &mut SeedRandom::new(&[seed]));
        let file = directory.path().join("key.pem");
        std::fs::write(&file, x509::pem::encode("PRIVATE KEY", key.to_pkcs8().expose())).unwrap();
        let done = Command::new("softhsm2-util")
            .args(["--import", file.to_str().unwrap(), "--token", "neweid-other", "--pin", PIN])
            .args(["--label", label, "--id", id])
            .env("SOFTHSM2_CONF", &configuration)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    // Two under one label of ours, as two processes once made them.
    init_token(&configuration, "neweid-twice");
    for seed in [8, 9] {
        let key = SecretKey::generate(Curve::P256, &mut SeedRandom::new(&[seed]));
        let file = directory.path().join("key.pem");
        std::fs::write(&file, x509::pem::encode("PRIVATE KEY", key.to_pkcs8().expose())).unwrap();
        let id: String = b"message/npc-cmp-1".iter().map(|byte| format!("{byte:02X}")).collect();
        let done = Command::new("softhsm2-util")
            .args(["--import", file.to_str().unwrap(), "--token", "neweid-twice", "--pin", PIN])
            .args(["--label", "npc-cmp-1", "--id", &id, "--force"])
            .env("SOFTHSM2_CONF", &configuration)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pkcs11::in_a_process_of_its_own", "--ignored", "--nocapture"])
        .env("SOFTHSM2_CONF", &configuration)
        .env("NEWEID_TEST_TOKENS", &tokens)
        .output()
        .unwrap();
    let output =
        format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && output.contains("1 passed"), "{output}");
}

#[test]
#[ignore = "run by a_token_is_a_key_store with a token in its environment"]
#[allow(clippy::disallowed_methods, reason = "the outer test hands the directory over")]
fn in_a_process_of_its_own() {
    let tokens = PathBuf::from(std::env::var_os("NEWEID_TEST_TOKENS").unwrap());
    let open =
        |label: &str, pin: &str| Pkcs11KeyStore::open(&module(), label, &SecretBytes::new(pin.as_bytes()));
    assert_eq!(open("nowhere", PIN).err().unwrap().code(), "KEYS-TOKEN-GONE");
    assert_eq!(open("neweid-test", "000000").err().unwrap().code(), "KEYS-TOKEN-PIN");
    let nothing = Pkcs11KeyStore::open(Path::new("/nonexistent.so"), "neweid-test", &SecretBytes::new(b"1"));
    assert_eq!(nothing.err().unwrap().code(), "KEYS-MODULE");

    let store = open("neweid-test", PIN).unwrap();
    let kinds = [
        KeyKind::Rsa(2048),
        KeyKind::Rsa(4096),
        KeyKind::Ec(Curve::P256),
        KeyKind::Ec(Curve::P384),
        KeyKind::Ec(Curve::P521),
    ];
    crate::behaves(&store, &kinds);
    // The token's own tools copy its keys; they are never handed out here.
    assert_eq!(store.backup("key-4", 2, 3).err().unwrap().code(), "KEYS-KEPT");
    // It says what it is; keys in files have no module.
    let module = store.module().unwrap().unwrap();
    assert!(module.manufacturer.contains("SoftHSM") && !module.serial.is_empty(), "{module:?}");
    // Another token of the same module has keys of its own.
    assert!(open("neweid-other", PIN).unwrap().list().unwrap().is_empty());

    takes_over_what_is_in_the_token(&open("neweid-other", PIN).unwrap());
    both_keys_of_a_label_go(&open("neweid-twice", PIN).unwrap());
    many_threads_share_the_token(&store);

    // Opened a second time, as after a restart.
    let again = open("neweid-test", PIN).unwrap();
    assert_eq!(again.list().unwrap(), store.list().unwrap());
    let signer = again.signer("key-4", Purpose::CertificateAuthority).unwrap();
    x509::verify(signer.spki(), signer.algorithm(), b"x", &signer.sign(b"x").unwrap()).unwrap();

    // The token is taken away under a signer that was in use.
    std::fs::remove_dir_all(&tokens).unwrap();
    std::fs::create_dir(&tokens).unwrap();
    let error = signer.sign(b"x").unwrap_err().to_string();
    assert!(error.contains("the token neweid-test is not there"), "{error}");
    assert!(!error.contains(PIN));
}

/// A key of another program's keeps its place and gets our label and purpose, if it is the key that is meant.
fn takes_over_what_is_in_the_token(store: &Pkcs11KeyStore) {
    const PURPOSE: Purpose = Purpose::CertificateAuthority;
    let spki = |seed| {
        let key = SecretKey::generate(Curve::P384, &mut SeedRandom::new(&[seed]));
        curve::spki_from_point(&key.public_key())
    };
    let code =
        |from: &str, label: &str, seed| store.adopt(from, label, &spki(seed), PURPOSE).unwrap_err().code();
    assert_eq!(code("CA key 2020", "npc-ca", 5), "KEYS-MISSING");
    assert_eq!(code("CA key 2010", "npc-ca", 6), "KEYS-FOREIGN", "another key");
    assert_eq!(code("CA key 2010", "CA", 5), "KEYS-LABEL");
    assert!(store.list().unwrap().is_empty(), "nothing was touched");
    let taken = store.adopt("CA key 2010", "npc-ca", &spki(5), PURPOSE).unwrap();
    assert_eq!((taken.kind, taken.purpose, &taken.spki), (KeyKind::Ec(Curve::P384), PURPOSE, &spki(5)));
    assert_eq!(store.adopt("CA key 2010", "npc-ca", &spki(5), PURPOSE).unwrap(), taken, "again");
    assert_eq!(store.list().unwrap(), [taken]);
    assert_eq!(store.adopt("", "npc-ca", &[], Purpose::Message).unwrap_err().code(), "KEYS-PURPOSE");
    let signer = store.signer("npc-ca", PURPOSE).unwrap();
    x509::verify(&spki(5), signer.algorithm(), b"x", &signer.sign(b"x").unwrap()).unwrap();
    let file = keys::ForeignKey::from_pkcs8(
        SecretKey::generate(Curve::P384, &mut SeedRandom::new(&[7])).to_pkcs8().expose(),
    );
    assert_eq!(store.import("npc-ca-g3", &file.unwrap(), PURPOSE).unwrap_err().code(), "KEYS-KEPT");
}

/// Nobody can tell which of two is meant, so neither signs; and they go together.
fn both_keys_of_a_label_go(store: &Pkcs11KeyStore) {
    assert_eq!(store.list().unwrap().len(), 2);
    let signer = store.signer("npc-cmp-1", Purpose::Message);
    assert_eq!(signer.err().unwrap().code(), "KEYS-AMBIGUOUS");
    store.destroy("npc-cmp-1").unwrap();
    assert!(store.list().unwrap().is_empty());
    store.generate("npc-cmp-1", KeyKind::Ec(Curve::P256), Purpose::Message).unwrap();
    store.signer("npc-cmp-1", Purpose::Message).unwrap();
}

fn many_threads_share_the_token(store: &Pkcs11KeyStore) {
    let signer = store.signer("key-2", Purpose::CertificateAuthority).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let signer = &signer;
            scope.spawn(move || {
                for n in 0..25u8 {
                    let signature = signer.sign(&[thread, n]).unwrap();
                    x509::verify(signer.spki(), signer.algorithm(), &[thread, n], &signature).unwrap();
                }
            });
        }
    });
}
