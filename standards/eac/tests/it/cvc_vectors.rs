//! Certificates, requests and descriptions that others made.

use curve::{Curve, Hash};
use eac::cvc::{
    Certificate, CertificateDescription, CvcError, Date, Domain, Request, Rights, Role, TerminalType,
    TrustPoint, validate_at,
};

use crate::pki::date;
use crate::support::Vectors;

fn certificate(vectors: &Vectors, name: &str) -> Certificate {
    let bytes = vectors.bytes(name);
    // One issuer wrote the outermost length in three bytes where two do. A card never sees that length.
    if name == "dv_1" {
        assert_eq!(Certificate::parse(&bytes), Err(CvcError::Malformed("certificate")));
        let parts = tlv::expect(&bytes, 0x7F21).expect("an object").value;
        return Certificate::parse_parts(parts).expect("a certificate");
    }
    let certificate = Certificate::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(hex::encode(certificate.encode()), hex::encode(bytes), "{name}");
    certificate
}

// proves: EACPKI-02
#[test]
fn chains_of_the_field_verify_from_root_to_terminal() {
    let vectors = Vectors::read("cvc/field.txt");
    let root = TrustPoint::from_root(&certificate(&vectors, "cvca")).expect("a root");
    assert_eq!(root.reference().to_string(), "DECVCAeID00102");
    assert_eq!((root.key().curve(), root.key().hash()), (Curve::BrainpoolP256r1, Hash::Sha256));
    assert_eq!(TrustPoint::decode(&root.encode()), Ok(root.clone()));
    let mut descriptions = 0;
    for number in 1..=6 {
        let chain = ["dv", "terminal"].map(|role| certificate(&vectors, &format!("{role}_{number}")));
        let [verifier, terminal] = &chain;
        assert!(verifier.body().chat.role().is_verifier());
        let rights = validate_at(&root, &chain, terminal.body().effective).expect("valid when it began");
        assert_eq!(rights.chat.role(), Role::Terminal);
        // The issuers of the field gave nothing above that the terminal does not have below.
        assert_eq!(rights.chat.rights(), terminal.body().chat.rights());
        assert_eq!(validate_at(&root, &chain, date("200101")), Err(CvcError::Expired));
        assert_eq!(validate_at(&root, &chain, date("100101")), Err(CvcError::NotYetValid));
        if vectors.lines().any(|(name, _)| name == format!("description_{number}")) {
            let der = vectors.bytes(&format!("description_{number}"));
            let description = CertificateDescription::parse(&der).expect("a description");
            assert_eq!(hex::encode(Hash::Sha256.digest(&der)), hex::encode(hash_of(terminal)));
            assert!(description.issuer_name.contains("D-Trust"));
            assert!(!description.communication_hashes.is_empty() && !description.terms_of_usage.is_empty());
            descriptions += 1;
        }
    }
    assert_eq!(descriptions, 5);
}

fn hash_of(certificate: &Certificate) -> &[u8] {
    certificate.body().extensions.description_hash().expect("a hash of the description")
}

#[test]
fn a_root_of_another_terminal_type_is_no_root_for_these() {
    let vectors = Vectors::read("cvc/field.txt");
    let passport = TrustPoint::from_root(&certificate(&vectors, "cvca_passport")).expect("a root");
    assert_eq!(passport.authorisation().chat.terminal_type(), TerminalType::InspectionSystem);
    let chain = [certificate(&vectors, "dv_1")];
    assert_eq!(validate_at(&passport, &chain, chain[0].body().effective), Err(CvcError::UnknownIssuer));
}

#[test]
fn what_is_not_implemented_is_named_and_never_trusted() {
    let vectors = Vectors::read("cvc/field.txt");
    let root = certificate(&vectors, "root_p224");
    assert_eq!(root.body().public_key.domain(), Domain::Unsupported);
    assert_eq!(TrustPoint::from_root(&root), Err(CvcError::UnsupportedKey));
    let terminal = certificate(&vectors, "terminal_zz");
    assert_eq!(terminal.body().holder.to_string(), "ZZDKB20000R");
    assert_eq!(terminal.body().effective, Date::new(2010, 2, 17).expect("a date"));
    assert!(terminal.body().chat.rights().contains(Rights::READ_DG4));
    for (name, error) in [
        ("request_rsa", CvcError::UnsupportedKey),
        // A reference of seven letters has no room for country and sequence number.
        ("request_p192", CvcError::Malformed("holder reference")),
        ("request_p224", CvcError::UnsupportedKey),
    ] {
        assert_eq!(Request::parse(&vectors.bytes(name)), Err(error), "{name}");
    }
    assert_eq!(Certificate::parse(&vectors.bytes("terminal_rsa")), Err(CvcError::UnsupportedKey));
}
