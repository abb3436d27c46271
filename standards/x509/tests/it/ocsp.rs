//! The responder and its client.

use curve::{Curve, Hash};
use jiff::ToSpan;
use x509::crl::Reason;
use x509::ocsp::*;
use x509::{Error, Serial, Signer};

use crate::support::*;

pub(crate) fn responder(npc: &Npc) -> Responder {
    Responder::new(&npc.ocsp, &npc.ca, npc.ocsp_key.algorithm()).expect("delegated")
}

pub(crate) fn answer() -> Answer {
    Answer { this_update: now(), next_update: now() + 12.hours() }
}

fn known(serial: &Serial) -> Option<Status> {
    Some(if *serial == crate::support::serial("good") {
        Status::Good
    } else if *serial == crate::support::serial("revoked") {
        Status::Revoked { at: now() - 1.hours(), reason: Reason::KeyCompromise }
    } else if *serial == crate::support::serial("database down") {
        return None;
    } else {
        Status::Unknown
    })
}

fn ask(request: &[u8]) -> Vec<u8> {
    let npc = &*NPC_EC;
    respond(&responder(npc), request, answer(), now(), &npc.ocsp_key, known).expect("signed")
}

// proves: NPC-52
#[test]
fn good_revoked_and_unknown_are_answered_for_both_hashes() {
    let npc = &*NPC_EC;
    let hashes = IssuerHashes::new(&npc.ca).expect("issuer");
    for hash in [Hash::Sha1, Hash::Sha256] {
        let serials = ["good", "revoked", "never issued"].map(serial);
        let ids: Vec<_> = serials.iter().map(|s| CertId::new(&hashes, hash, s).expect("id")).collect();
        let nonce = [7u8; 32];
        let response = BasicResponse::parse(&ask(&build_request(&ids, Some(&nonce)))).expect("successful");
        response.verify(&npc.ca, now()).expect("delegated and signed");
        assert_eq!(response.nonce.as_deref(), Some(&nonce[..]));
        let status = |s| response.status_of(&hashes, s, now()).map(|a| a.status);
        assert_eq!(status(&serials[0]), Some(CertificateStatus::Good));
        let revoked =
            CertificateStatus::Revoked { at: now() - 1.hours(), reason: Some(Reason::KeyCompromise) };
        assert_eq!(status(&serials[1]), Some(revoked));
        assert_eq!(status(&serials[2]), Some(CertificateStatus::Unknown));
        assert_eq!(response.status_of(&hashes, &serials[0], now() + 13.hours()), None, "out of date");
    }
}

#[test]
fn foreign_issuers_broken_requests_and_failed_lookups_get_their_error() {
    let error = |status| error_response(status).to_vec();
    let foreign = IssuerHashes::new(&NPC_EC.root).expect("issuer");
    let id = CertId::new(&foreign, Hash::Sha256, &serial("good")).expect("id");
    assert_eq!(ask(&build_request(&[id], None)), error(ErrorStatus::Unauthorized));
    assert_eq!(ask(b"not a request"), error(ErrorStatus::MalformedRequest));
    assert_eq!(ask(&[]), error(ErrorStatus::MalformedRequest));
    assert_eq!(ask(&vec![0x30; MAX_REQUEST_BYTES + 1]), error(ErrorStatus::MalformedRequest));
    assert_eq!(ask(&build_request(&[], None)), error(ErrorStatus::MalformedRequest));
    let own = IssuerHashes::new(&NPC_EC.ca).expect("issuer");
    let id = |s: &str| CertId::new(&own, Hash::Sha1, &serial(s)).expect("id");
    assert_eq!(ask(&build_request(&[id("good"), id("database down")], None)), error(ErrorStatus::TryLater));
    let many: Vec<_> = (0..=MAX_REQUESTS).map(|n| id(&n.to_string())).collect();
    assert_eq!(ask(&build_request(&many, None)), error(ErrorStatus::MalformedRequest));
    assert!(BasicResponse::parse(&ask(&build_request(&many[1..], None))).is_ok());
    assert!(BasicResponse::parse(&error(ErrorStatus::TryLater)).is_err());
}

#[test]
fn a_nonce_has_1_to_128_octets() {
    let own = IssuerHashes::new(&NPC_EC.ca).expect("issuer");
    let id = [CertId::new(&own, Hash::Sha1, &serial("good")).expect("id")];
    for (len, allowed) in [(0, false), (1, true), (32, true), (128, true), (129, false)] {
        let response = ask(&build_request(&id, Some(&vec![1; len])));
        assert_eq!(BasicResponse::parse(&response).is_ok(), allowed, "{len}");
    }
}

#[test]
fn the_get_form_is_decoded() {
    let own = IssuerHashes::new(&NPC_EC.ca).expect("issuer");
    let request = build_request(&[CertId::new(&own, Hash::Sha1, &serial("good")).expect("id")], None);
    let base64 = x509::pem::encode("X", &request).lines().filter(|l| !l.starts_with('-')).collect::<String>();
    let escaped: String = base64.bytes().map(|b| format!("%{b:02X}")).collect();
    for path in [
        base64.clone(),
        format!("/{base64}"),
        escaped,
        base64.trim_end_matches('=').into(),
        base64.replace('+', " "),
    ] {
        assert_eq!(decode_get_path(&path), Ok(request.clone()));
    }
    for path in ["%", "%4", "%GG", "!!!!", "字"] {
        assert!(decode_get_path(path).is_err(), "{path}");
    }
    assert!(matches!(decode_get_path(&"A".repeat(100_000)), Err(Error::TooMany(_))));
}

#[test]
fn a_response_by_anybody_else_is_refused() {
    let npc = &*NPC_EC;
    let own = IssuerHashes::new(&npc.ca).expect("issuer");
    let request = build_request(&[CertId::new(&own, Hash::Sha1, &serial("good")).expect("id")], None);
    let response = ask(&request);
    let read = BasicResponse::parse(&response).expect("successful");
    assert!(read.verify(&NPC.ca, now()).is_err(), "another CA");
    assert!(read.verify(&npc.ca, now() + (3 * 8760).hours()).is_err(), "responder expired");
    let mut changed = response;
    let status = changed.windows(2).position(|w| w == [0x80, 0]).expect("good");
    changed[status] = 0x82;
    assert_eq!(
        BasicResponse::parse(&changed).expect("well formed").verify(&npc.ca, now()),
        Err(Error::Signature)
    );
    // A citizen's certificate does not make a responder.
    let key = ec(Curve::P256, "citizen");
    let citizen = npc.citizen("citizen", &key, false);
    assert!(Responder::new(&citizen, &npc.ca, key.algorithm()).is_err());
}
