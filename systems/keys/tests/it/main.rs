//! Both key stores, through the same questions.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

mod pkcs11;
mod software;

use curve::Curve;
use keys::{KeyError, KeyKind, KeyStore, Purpose};

/// What every store must do, whatever is behind it.
fn behaves(store: &dyn KeyStore, kinds: &[KeyKind]) {
    assert!(store.list().unwrap().is_empty());
    for (number, kind) in kinds.iter().enumerate() {
        let label = format!("key-{number}");
        let made = store.generate(&label, *kind, Purpose::CertificateAuthority).unwrap();
        assert_eq!(
            (made.label.as_str(), made.kind, made.purpose),
            (label.as_str(), *kind, Purpose::CertificateAuthority)
        );
        // Made once, however often it is asked for.
        assert_eq!(store.generate(&label, *kind, Purpose::CertificateAuthority).unwrap(), made);
        let other = if *kind == KeyKind::Ec(Curve::P256) {
            KeyKind::Ec(Curve::P384)
        } else {
            KeyKind::Ec(Curve::P256)
        };
        let refused = store.generate(&label, other, Purpose::CertificateAuthority).unwrap_err();
        assert_eq!(refused.code(), "KEYS-OTHERWISE", "{refused}");

        let signer = store.signer(&label, Purpose::CertificateAuthority).unwrap();
        assert_eq!(signer.spki(), made.spki);
        for message in [&b""[..], b"message", &[0x5A; 100_000]] {
            let signature = signer.sign(message).unwrap();
            x509::verify(signer.spki(), signer.algorithm(), message, &signature).unwrap();
            assert!(x509::verify(signer.spki(), signer.algorithm(), b"another", &signature).is_err());
        }
        only_for_its_purpose(store, &label, *kind);
    }
    assert_eq!(store.list().unwrap().len(), kinds.len());
    assert!(store.list().unwrap().is_sorted_by_key(|info| info.label.clone()));

    for bad in ["", "Root", "../root", "a/b", "-a", "a.key", &"a".repeat(65)] {
        assert_eq!(
            store.generate(bad, kinds[0], Purpose::Message).unwrap_err().code(),
            "KEYS-LABEL",
            "{bad}"
        );
        assert_eq!(store.signer(bad, Purpose::Message).err().unwrap().code(), "KEYS-LABEL", "{bad}");
        assert_eq!(store.destroy(bad).unwrap_err().code(), "KEYS-LABEL", "{bad}");
    }
    assert_eq!(store.signer("nobody", Purpose::Message).err().unwrap().code(), "KEYS-MISSING");
    assert_eq!(store.destroy("nobody").unwrap_err().code(), "KEYS-MISSING");
    let small = store.generate("small", KeyKind::Rsa(1024), Purpose::Message).unwrap_err();
    assert_eq!(small.code(), "KEYS-KIND");

    store.destroy("key-0").unwrap();
    assert_eq!(store.signer("key-0", Purpose::CertificateAuthority).err().unwrap().code(), "KEYS-MISSING");
    assert_eq!(store.list().unwrap().len(), kinds.len() - 1);
}

fn only_for_its_purpose(store: &dyn KeyStore, label: &str, kind: KeyKind) {
    for purpose in Purpose::ALL.into_iter().filter(|purpose| *purpose != Purpose::CertificateAuthority) {
        let refused = store.signer(label, purpose).err().unwrap();
        assert!(
            matches!(&refused, KeyError::Purpose { asked_for, .. } if *asked_for == purpose),
            "{refused}"
        );
        assert_eq!(store.generate(label, kind, purpose).unwrap_err().code(), "KEYS-PURPOSE");
    }
}
