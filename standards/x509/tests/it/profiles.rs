//! The profiles as written, and what they refuse.

use curve::Curve;
use tlv::oid;
use x509::certificate::profiles::{self, Issuer};
use x509::certificate::{Kind, Rehearsal, TbsCertificate, assemble, issue, lint};
use x509::extension::{BasicConstraints, DirectoryValue, KeyUsage};
use x509::{Certificate, Error, Name, Serial, Signer, Validity};

use crate::support::*;

// NPC-20 without SubjectAltName: docs/adr/0031
// NPC-17: three of the nine attributes, docs/requirements/exceptions.md
// proves: NPC-15, NPC-16, NPC-18, NPC-68
#[test]
fn the_citizen_certificate_has_the_fields_of_the_gpki_profile_in_their_order() {
    let key = rsa(2048);
    let c = NPC.citizen("citizen", &key, false);
    assert_eq!(
        c.subject_name().expect("name").to_string(),
        "C=TW, CN=王小明𠀋, serialNumber=0000000112345678"
    );
    assert_eq!(c.issuer(), NPC.ca.subject());
    assert_eq!(c.serial_octets().len(), 16);
    let order: Vec<_> = c.extensions().map(|e| (e.oid, e.critical)).collect();
    assert_eq!(
        order,
        [
            (oid::AUTHORITY_KEY_IDENTIFIER, false),
            (oid::SUBJECT_KEY_IDENTIFIER, false),
            (oid::KEY_USAGE, true),
            (oid::CERTIFICATE_POLICIES, false),
            (oid::SUBJECT_DIRECTORY_ATTRIBUTES, false),
            (oid::CRL_DISTRIBUTION_POINTS, false),
            (oid::AUTHORITY_INFO_ACCESS, false),
        ]
    );
    assert_eq!(c.authority_key_identifier(), NPC.ca.subject_key_identifier());
    assert_eq!(c.certificate_policies(), [oid::GPKI_POLICY_TEST]);
    assert_eq!(c.crl_distribution_points(), [PARTITION, COMPLETE]);
    assert_eq!(c.access_location(oid::AD_OCSP), Some(LOCATIONS.ocsp));
    assert_eq!(c.access_location(oid::AD_CA_ISSUERS), Some(LOCATIONS.ca_issuers));
    assert_eq!(c.directory_attribute(oid::GPKI_TAIL_OF_CITIZEN_ID), Some("6789"));
    assert_eq!(c.directory_attribute(oid::GPKI_CARD_NUMBER), Some("AB1000123"));
    let subject_type = DirectoryValue::Oid(oid::GPKI_NATURAL_PERSON);
    assert_eq!(c.directory_attributes()[0], (oid::GPKI_SUBJECT_TYPE, subject_type));
    // What the holder may do for a firm is nothing a certificate of a person says (NPC-68).
    let attributes: Vec<_> = c.directory_attributes().iter().map(|(oid, _)| *oid).collect();
    assert_eq!(attributes, [oid::GPKI_SUBJECT_TYPE, oid::GPKI_TAIL_OF_CITIZEN_ID, oid::GPKI_CARD_NUMBER]);
    assert_eq!(c.not_after(), at("2031-07-01T15:59:59Z"));
}

// proves: NPC-19
#[test]
fn key_usage_follows_purpose_and_key_type() {
    let (rsa, ec) = (rsa(2048), ec(Curve::P521, "holder"));
    let encryption = KeyUsage::KEY_ENCIPHERMENT.and(KeyUsage::DATA_ENCIPHERMENT);
    for (key, for_encryption, usage) in [
        (&rsa as &dyn Signer, false, KeyUsage::DIGITAL_SIGNATURE),
        (&rsa, true, encryption),
        (&ec, false, KeyUsage::DIGITAL_SIGNATURE),
        (&ec, true, KeyUsage::KEY_AGREEMENT),
    ] {
        assert_eq!(NPC.citizen("usage", key, for_encryption).key_usage(), Some(usage));
    }
}

#[test]
fn the_root_after_2049_uses_generalized_time() {
    let not_after = b"\x18\x0F20560630155959Z";
    assert!(NPC.root.der().windows(not_after.len()).any(|w| w == not_after));
    assert_eq!(NPC.root.not_after(), at("2056-06-30T15:59:59Z"));
    assert_eq!(NPC.root.basic_constraints(), Some(BasicConstraints { ca: true, path_len: None }));
    assert_eq!(NPC.ca.basic_constraints(), Some(BasicConstraints { ca: true, path_len: Some(0) }));
}

// proves: DOCPKI-01
#[test]
fn country_signing_ca_and_document_signer_have_the_fields_of_doc_9303() {
    let d = &*DOCUMENTS;
    let ca_usage = KeyUsage::KEY_CERT_SIGN.and(KeyUsage::CRL_SIGN);
    assert_eq!(d.csca.key_usage(), Some(ca_usage));
    assert_eq!(d.csca.basic_constraints(), Some(BasicConstraints { ca: true, path_len: Some(0) }));
    assert_eq!(d.ds.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE));
    assert_eq!(d.ds.basic_constraints(), None);
    assert!(d.ds.extended_key_usage().is_empty());
    assert_eq!(d.ds.private_key_usage_period(), (Some(now()), Some(years(1).not_after())));
    let types = d.ds.extension(oid::DOCUMENT_TYPE_LIST).expect("document types");
    assert_eq!(types.value, [0x30, 9, 2, 1, 0, 0x31, 4, 0x13, 2, b'I', b'D']);
    assert_eq!(d.csca.subject_alt_names().len(), 2);
    d.ds.verify_signature(d.csca.spki()).expect("signed by the CSCA");
}

#[test]
fn a_link_certificate_keeps_the_name_and_changes_the_key() {
    let d = &*DOCUMENTS;
    let new_key = ec(Curve::P521, "csca 2");
    let link = profiles::CscaLink {
        serial: serial("link"),
        issuer: &Issuer::new(&d.csca, &d.csca_key).expect("issuer"),
        validity: years(20),
        private_key_usage: years(5),
        spki: new_key.spki(),
        authority: &authority(),
    };
    let link_certificate = issue(&profiles::csca_link(&link).expect("profile"), &d.csca_key).expect("link");
    assert!(link_certificate.is_self_issued());
    assert_ne!(link_certificate.subject_key_identifier(), d.csca.subject_key_identifier());
    link_certificate.verify_signature(d.csca.spki()).expect("signed by the old key");
    let old_key = profiles::CscaLink { spki: d.csca_key.spki(), ..link };
    assert!(profiles::csca_link(&old_key).is_err());
}

#[test]
fn contradictions_are_refused() {
    let issuer = NPC_EC.issuer();
    let key = ec(Curve::P256, "holder");
    let good = citizen(&issuer, "good", key.spki());
    profiles::npc_citizen_signing(&good).expect("the unchanged input is allowed");
    let refused = |c: profiles::Citizen<'_>| assert!(profiles::npc_citizen_signing(&c).is_err());
    refused(profiles::Citizen { name: "", ..good.clone() });
    refused(profiles::Citizen { name: &"名".repeat(65), ..good.clone() });
    refused(profiles::Citizen { holder_number: "123456789012345", ..good.clone() });
    refused(profiles::Citizen { holder_number: "A123456789012345", ..good.clone() });
    refused(profiles::Citizen { id_tail: "A123456789", ..good.clone() });
    refused(profiles::Citizen { id_tail: "678", ..good.clone() });
    refused(profiles::Citizen { card_number: "", ..good.clone() });
    refused(profiles::Citizen { card_number: "卡", ..good.clone() });
    refused(profiles::Citizen { holder_rank: Some("first"), ..good.clone() });
    refused(profiles::Citizen { spki: b"no key", ..good.clone() });
    refused(profiles::Citizen { serial: Serial::from_u128(7).expect("not zero"), ..good.clone() });
    refused(profiles::Citizen { validity: years(30), ..good.clone() });
    let locations = profiles::StatusLocations { ocsp: "ocsp.test", ..LOCATIONS };
    refused(profiles::Citizen { locations, ..good.clone() });
    let locations = profiles::StatusLocations { partition_crl: "http://crl.test/é", ..LOCATIONS };
    refused(profiles::Citizen { locations, ..good });
    assert!(Validity::new(at("2031-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z")).is_err());
}

#[test]
fn a_document_signer_of_another_country_or_period_is_refused() {
    let d = &*DOCUMENTS;
    let issuer = Issuer::new(&d.csca, &d.csca_key).expect("issuer");
    let (subject, authority) = (icao_name("DS"), authority());
    let good = profiles::DocumentSigner {
        serial: serial("x"),
        issuer: &issuer,
        subject: &subject,
        validity: years(12),
        private_key_usage: years(1),
        spki: d.ds_key.spki(),
        document_types: &["ID"],
        authority: &authority,
    };
    profiles::document_signer(&good).expect("the unchanged input is allowed");
    let other = Name::builder().country("JP").common_name("DS").build().expect("name");
    let refused = |p: profiles::DocumentSigner<'_>| assert!(profiles::document_signer(&p).is_err());
    refused(profiles::DocumentSigner { subject: &other, ..good.clone() });
    refused(profiles::DocumentSigner { validity: years(27), ..good.clone() });
    refused(profiles::DocumentSigner { private_key_usage: years(13), ..good.clone() });
    refused(profiles::DocumentSigner { document_types: &[], ..good.clone() });
    refused(profiles::DocumentSigner { document_types: &["IDX"], ..good.clone() });
    let lower = profiles::Authority { icao_country: "twn".into(), ..authority.clone() };
    refused(profiles::DocumentSigner { authority: &lower, ..good });
}

#[test]
fn a_weak_or_wrong_key_is_refused() {
    let weak = curve::rsa::RsaPublicKey::from_numbers(&[0xFB; 128], &[1, 0, 1]);
    if let Ok(weak) = weak {
        let spki = weak.spki();
        let issuer = NPC_EC.issuer();
        let input = citizen(&issuer, "weak", &spki);
        assert!(profiles::npc_citizen_signing(&input).is_err());
    }
    let ec = ec(Curve::P256, "root");
    let root = profiles::NpcRoot {
        serial: serial("r"),
        subject: &Name::test_authority("根").expect("name"),
        validity: years(20),
        spki: ec.spki(),
        algorithm: x509::SignatureAlgorithm::RsaSha256,
    };
    assert!(profiles::npc_root(&root).is_err());
}

#[test]
fn another_key_than_the_issuers_does_not_sign() {
    let stranger = ec(Curve::P384, "stranger");
    let issuer = NPC_EC.issuer();
    let key = ec(Curve::P256, "holder");
    let tbs = profiles::npc_citizen_signing(&citizen(&issuer, "x", key.spki())).expect("profile");
    assert!(matches!(issue(&tbs, &ec(Curve::P256, "other algorithm")), Err(Error::WrongSigner(_))));
    assert!(matches!(Issuer::new(&NPC_EC.ca, &stranger), Err(Error::WrongSigner(_))));
    assert!(Issuer::new(&NPC_EC.ocsp, &NPC_EC.ocsp_key).is_err(), "a responder is no CA");
}

#[test]
fn what_is_stored_before_signing_is_signed_later() {
    let issuer = NPC_EC.issuer();
    let key = ec(Curve::P256, "holder");
    let tbs = profiles::npc_citizen_signing(&citizen(&issuer, "later", key.spki())).expect("profile");
    for (kind, name) in Kind::ALL {
        assert_eq!(Kind::from_name(name), Some(kind));
    }
    let stored = TbsCertificate::from_stored(tbs.kind(), tbs.tbs_der()).expect("as it was");
    assert_eq!(stored, tbs);
    let c = issue(&stored, &*NPC_EC.ca_key).expect("issued");
    assert_eq!(c.tbs(), tbs.tbs_der());
    // Another profile, or a changed byte in an extension, is found before anything is signed.
    assert!(matches!(TbsCertificate::from_stored(Kind::NpcIntermediate, tbs.tbs_der()), Err(Error::Lint(_))));
    let ski = c.subject_key_identifier().expect("identifier");
    let at = tbs.tbs_der().windows(ski.len()).position(|w| w == ski).expect("inside");
    let mut changed = tbs.tbs_der().to_vec();
    changed[at] ^= 1;
    assert!(matches!(TbsCertificate::from_stored(tbs.kind(), &changed), Err(Error::Lint(_))));
}

#[test]
fn every_own_certificate_is_without_findings_and_only_in_its_own_profile() {
    let key = ec(Curve::P521, "holder");
    let signing = NPC_EC.citizen("s", &key, false);
    let own: [(&Certificate, Kind); 6] = [
        (&NPC.root, Kind::NpcRoot),
        (&NPC.ca, Kind::NpcIntermediate),
        (&NPC.ocsp, Kind::OcspResponder),
        (&signing, Kind::NpcCitizenSigning),
        (&DOCUMENTS.csca, Kind::CscaRoot),
        (&DOCUMENTS.ds, Kind::DocumentSigner),
    ];
    for (certificate, kind) in own {
        assert_eq!(lint::inspect(certificate, kind), [], "{kind:?}");
        for (other, _) in Kind::ALL {
            assert_eq!(lint::inspect(certificate, other).is_empty(), kind == other, "{kind:?} as {other:?}");
        }
    }
}

#[test]
fn generations_of_one_name_are_told_apart_by_their_keys() {
    let second = ec(Curve::P384, "ca 2");
    let ca2 = issue(&ca_tbs(&NPC_EC.root, &*NPC_EC.root_key, &second), &*NPC_EC.root_key).expect("second CA");
    assert_eq!(ca2.subject(), NPC_EC.ca.subject());
    let key = ec(Curve::P256, "holder");
    let c = NPC_EC.citizen("x", &key, false);
    let cas = [ca2, NPC_EC.ca.clone()];
    let anchors = [NPC_EC.root.clone()];
    let path = x509::path::validate(&c, &cas, &anchors, &x509::path::Options::at(now())).expect("valid");
    assert_eq!(path.certificates()[1].der(), NPC_EC.ca.der());
}

#[test]
fn a_certificate_shows_no_name_in_debug() {
    let key = ec(Curve::P256, "holder");
    let c = NPC_EC.citizen("x", &key, false);
    assert!(!format!("{c:?} {:?}", c.subject_name()).contains('王'));
}

#[test]
fn assembled_parts_are_the_certificate() {
    let c = &NPC_EC.ca;
    let algorithm = c.signature_algorithm().expect("ours");
    assert_eq!(assemble(c.tbs(), algorithm, c.signature()), c.der());
    assert_eq!(x509::pem::decode("CERTIFICATE", &c.to_pem()), Ok(c.der().to_vec()));
}

/// A slip that no profile function makes is found before the key that counts is asked.
#[test]
fn a_rehearsal_sees_the_whole_certificate_and_its_issuer() {
    let issuer = NPC_EC.issuer();
    let key = ec(Curve::P256, "holder");
    let good = profiles::npc_citizen_signing(&citizen(&issuer, "good", key.spki())).expect("profile");
    let rehearsal =
        Rehearsal::draw(issuer.algorithm(), &mut curve::SeedRandom::new(b"thrown away")).expect("key");
    assert_eq!(rehearsal.inspect(&good, Some(&issuer)), Ok(()));
    let refused = |tbs: &TbsCertificate, issuer: Option<&Issuer>, rule: &str| match rehearsal
        .inspect(tbs, issuer)
    {
        Err(x509::Error::Lint(findings)) => assert!(findings.iter().any(|f| f.rule == rule), "{findings:?}"),
        other => panic!("{other:?}"),
    };
    // The issuer of another generation: same name, other key.
    let other_root = ec(Curve::P384, "another root");
    let other_ca = ec(Curve::P384, "another generation");
    let root = issue(&root_tbs(&other_root), &other_root).expect("root");
    let other = issue(&ca_tbs(&root, &other_root, &other_ca), &other_root).expect("CA");
    let other = Issuer::new(&other, &other_ca).expect("issuer");
    refused(&good, Some(&other), "RFC 5280 §4.2.1.1");
    refused(&good, None, "RFC 5280 §3.2");
    // Every byte of the extensions counts: one bit of keyUsage, one of the distribution points' tags.
    let bits = [0x03, 0x02, 0x07, 0x80];
    let place = good.tbs_der().windows(4).position(|w| w == bits).expect("keyUsage") + 3;
    let mut bent = good.tbs_der().to_vec();
    bent[place] = 0xC0;
    assert!(TbsCertificate::from_stored(good.kind(), &bent).is_err());
    // A rehearsal for another algorithm says nothing.
    let rsa = Rehearsal::draw(x509::SignatureAlgorithm::RsaSha256, &mut curve::SeedRandom::new(b"rsa"));
    assert!(matches!(rsa.expect("key").inspect(&good, Some(&issuer)), Err(x509::Error::WrongSigner(_))));
}
