//! Time stamps.

use curve::{Curve, Hash};
use tlv::oid;
use x509::certificate::issue;
use x509::certificate::profiles::{StatusService, status_signer, timestamp_authority};
use x509::tsp::{Authority, Failure, Imprint, Request, Response, Stamp, build_request, rejection};
use x509::{EcSigner, Error, Name, Signer};

use crate::support::*;

pub(crate) fn authority(npc: &Npc) -> (EcSigner, Authority) {
    let key = ec(Curve::P256, "stamps");
    let issuer = npc.issuer();
    let name = Name::test_authority("時戳").expect("name");
    let service = service(&issuer, key.spki(), &name);
    let certificate = issue(&timestamp_authority(&service).expect("profile"), &*npc.ca_key).expect("signed");
    let made =
        Authority::new(&certificate, key.algorithm(), oid::TIME_STAMP_POLICY).expect("for time stamps");
    (key, made)
}

fn service<'a>(
    issuer: &'a x509::certificate::Issuer,
    spki: &'a [u8],
    subject: &'a Name,
) -> StatusService<'a> {
    StatusService {
        serial: serial("stamps"),
        issuer,
        subject,
        validity: years(1),
        spki,
        policy: oid::GPKI_POLICY_TEST,
        locations: LOCATIONS,
    }
}

const STAMP: fn() -> Stamp = || Stamp { serial: 7, at: now(), accuracy: 1 };

#[test]
fn a_request_is_stamped_and_the_token_is_of_nothing_else() {
    let (key, authority) = authority(&NPC_EC);
    let imprint = Imprint::of(Hash::Sha256, b"document");
    for nonce in [None, Some(0x8000_0000_0000_0001)] {
        let request = Request::parse(&build_request(&imprint, None, nonce)).expect("own request");
        let reply = authority.stamp(&request, STAMP(), &key).expect("stamped");
        let response = Response::parse(&reply).expect("own response");
        assert_eq!(response.verify(&request).expect("right"), authority.certificate());
        let Response::Token(token) = &response else { panic!("granted") };
        assert_eq!((token.at, token.accuracy, token.policy), (now(), Some(1), oid::TIME_STAMP_POLICY));
        assert_eq!(token.serial, [7]);
        for other in [
            build_request(&Imprint::of(Hash::Sha256, b"other"), None, nonce),
            build_request(&imprint, None, Some(3)),
        ] {
            assert!(response.verify(&Request::parse(&other).expect("own request")).is_err());
        }
        for position in 0..reply.len() {
            let mut changed = reply.clone();
            changed[position] ^= 0x01;
            // What stands outside the signature may change, but nothing that is said.
            if let Ok(Response::Token(other)) = Response::parse(&changed)
                && other.verify().is_ok_and(|signer| signer.verify_signature(NPC_EC.ca.spki()).is_ok())
            {
                let said =
                    |t: &x509::tsp::Token| (t.imprint.clone(), t.serial.clone(), t.at, t.nonce.clone());
                assert_eq!(said(&other), said(token), "byte {position}");
            }
        }
    }
}

#[test]
fn requests_that_cannot_be_served_are_refused_with_their_reason() {
    let imprint = Imprint::of(Hash::Sha256, b"document");
    let whole = build_request(&imprint, Some(oid::TIME_STAMP_POLICY), Some(5));
    assert_eq!(Request::parse(&whole).expect("own request").policy, Some(oid::TIME_STAMP_POLICY));
    for cut in 0..whole.len() {
        assert!(Request::parse(&whole[..cut]).is_err());
    }
    let refusal = |der: &[u8]| Failure::of(&Request::parse(der).expect_err("refused"));
    let of = |parts: &[&[u8]]| tlv::sequence(parts);
    let version: &[u8] = &[2, 1, 1];
    let sha1 = of(&[&of(&[&tlv::encode_oid(oid::SHA1), &[5, 0]]), &tlv::encode(4, &[0; 20])]);
    assert_eq!(refusal(&of(&[version, &sha1])), Failure::BadAlgorithm);
    let short = of(&[&of(&[&tlv::encode_oid(oid::SHA256), &[5, 0]]), &tlv::encode(4, &[0; 31])]);
    assert_eq!(refusal(&of(&[version, &short])), Failure::BadDataFormat);
    let right = of(&[&of(&[&tlv::encode_oid(oid::SHA256), &[5, 0]]), &tlv::encode(4, &[0; 32])]);
    assert!(Request::parse(&of(&[version, &right])).is_ok());
    assert_eq!(refusal(&of(&[&[2, 1, 2], &right])), Failure::BadDataFormat);
    let extension = of(&[&tlv::encode_oid(oid::OCSP_NONCE), &tlv::encode(4, &[5, 0])]);
    assert_eq!(
        refusal(&of(&[version, &right, &tlv::encode(0xA0, &extension)])),
        Failure::UnacceptedExtension
    );
    assert_eq!(refusal(&of(&[version, &right, &tlv::encode(2, &[1; 65])])), Failure::BadDataFormat);
    assert_eq!(refusal(&vec![0x30; 5_000]), Failure::BadDataFormat);
    for failure in [Failure::BadAlgorithm, Failure::TimeNotAvailable, Failure::SystemFailure] {
        assert_eq!(Response::parse(&rejection(failure, "no")), Ok(Response::Refused(Some(failure))));
    }
}

/// No certificate for something else can stamp.
#[test]
fn only_a_certificate_for_time_stamps_stamps() {
    let key = ec(Curve::P256, "stamps");
    let issuer = NPC_EC.issuer();
    let name = Name::test_authority("狀態").expect("name");
    let tbs = status_signer(&service(&issuer, key.spki(), &name)).expect("profile");
    let other = issue(&tbs, &*NPC_EC.ca_key).expect("signed");
    let refused = |certificate| Authority::new(certificate, key.algorithm(), oid::TIME_STAMP_POLICY).err();
    assert!(matches!(refused(&other), Some(Error::Profile(_))));
    assert!(matches!(refused(&NPC_EC.ocsp), Some(Error::Profile(_))));
}
