//! Paths: what is accepted, and one refusal of each kind.

use curve::Curve;
use jiff::ToSpan;
use x509::certificate::profiles::{self, Issuer};
use x509::certificate::{assemble, issue};
use x509::crl::{self, Crl, Reason};
use x509::path::{Options, Purpose, Refusal, Revocation, validate};
use x509::{Certificate, Signer};

use crate::crl::{life, revoked};
use crate::support::*;

fn list(npc: &Npc, partition: Option<&str>, seeds: &[(&str, Reason)]) -> Crl {
    let entries = seeds.iter().map(|(s, r)| revoked(s, *r));
    let tbs = match partition {
        Some(uri) => crl::partition(&npc.issuer(), life(1), uri, entries),
        None => crl::complete(&npc.issuer(), life(1), entries),
    };
    Crl::parse(&crl::issue(&tbs.expect("writable"), &*npc.ca_key).expect("signed")).expect("own list")
}

fn root_list(npc: &Npc) -> Crl {
    let issuer = Issuer::new(&npc.root, &*npc.root_key).expect("issuer");
    let tbs = crl::complete(&issuer, life(1), []).expect("writable");
    Crl::parse(&crl::issue(&tbs, &*npc.root_key).expect("signed")).expect("own list")
}

fn check(c: &Certificate, options: &Options<'_>) -> Result<usize, Refusal> {
    let npc = &*NPC_EC;
    validate(c, std::slice::from_ref(&npc.ca), std::slice::from_ref(&npc.root), options)
        .map(|p| p.certificates().len())
}

// proves: DOCPKI-06
#[test]
fn a_document_signer_is_valid_below_its_csca_until_it_is_revoked() {
    let d = &*DOCUMENTS;
    let issuer = Issuer::new(&d.csca, &d.csca_key).expect("issuer");
    let options = Options::at(now()).purpose(Purpose::DocumentSigner);
    let anchors = [d.csca.clone()];
    validate(&d.ds, &[], &anchors, &options).expect("valid");
    let tbs = crl::csca(&issuer, life(2), &[revoked("ds", Reason::KeyCompromise)]).expect("writable");
    let lists = [Crl::parse(&crl::issue(&tbs, &d.csca_key).expect("signed")).expect("own list")];
    let refused = validate(&d.ds, &[], &anchors, &options.crls(&lists, Revocation::Required));
    let at = now() - 1.hours();
    assert_eq!(refused, Err(Refusal::Revoked { depth: 0, at, reason: Reason::KeyCompromise }));
    // The CSCA itself is no document signer, another country's CSCA no anchor.
    assert_eq!(validate(&d.csca, &[], &anchors, &options), Err(Refusal::KeyUsage));
    let other = Documents::new(Curve::P384, Curve::P384);
    assert_eq!(validate(&d.ds, &[], &[other.csca], &options), Err(Refusal::NoPath));
}

#[test]
fn a_citizen_is_valid_in_time_and_for_the_purpose_of_the_certificate() {
    let key = ec(Curve::P256, "citizen");
    let signing = NPC_EC.citizen("citizen", &key, false);
    let encryption = NPC_EC.citizen("citizen e", &key, true);
    assert_eq!(check(&signing, &Options::at(now()).purpose(Purpose::DigitalSignature)), Ok(3));
    assert_eq!(check(&encryption, &Options::at(now()).purpose(Purpose::Encryption)), Ok(3));
    let wrong = Options::at(now()).purpose(Purpose::DigitalSignature);
    assert_eq!(check(&encryption, &wrong), Err(Refusal::KeyUsage));
    assert_eq!(check(&signing, &Options::at(now() - 1.seconds())), Err(Refusal::NotYetValid));
    assert_eq!(check(&signing, &Options::at(signing.not_after())), Ok(3));
    assert_eq!(check(&signing, &Options::at(signing.not_after() + 1.seconds())), Err(Refusal::Expired));
    assert_eq!(
        validate(&signing, &[], std::slice::from_ref(&NPC_EC.root), &Options::at(now())),
        Err(Refusal::NoPath)
    );
    assert_eq!(check(&NPC_EC.ocsp, &Options::at(now()).purpose(Purpose::OcspSigning)), Ok(3));
}

#[test]
fn lists_count_only_in_their_scope() {
    let npc = &*NPC_EC;
    let key = ec(Curve::P256, "citizen");
    let c = npc.citizen("citizen", &key, false);
    let own = ("citizen", Reason::CertificateHold);
    let refused = Err(Refusal::Revoked { depth: 0, at: now() - 1.hours(), reason: Reason::CertificateHold });
    let options = Options::at(now());
    for (crl, wanted, status_known) in [
        (list(npc, None, &[]), Ok(3), true),
        (list(npc, None, &[own]), refused, true),
        (list(npc, Some(PARTITION), &[own]), refused, true),
        (list(npc, Some(PARTITION), &[]), Ok(3), true),
        (list(npc, Some("http://crl.npc.test/crl/npc-1-38.crl"), &[own]), Ok(3), false),
        (list(&NPC, None, &[own]), Ok(3), false),
    ] {
        let lists = [crl, root_list(npc)];
        assert_eq!(check(&c, &options.crls(&lists, Revocation::IfListed)), wanted);
        let required = check(&c, &options.crls(&lists, Revocation::Required));
        assert_eq!(required, if status_known { wanted } else { Err(Refusal::StatusUnknown) });
        assert_eq!(check(&c, &options.crls(&lists, Revocation::Unchecked)), Ok(3));
    }
    // A list past its nextUpdate says nothing.
    let stale = [list(npc, None, &[own]), root_list(npc)];
    let later = Options::at(now() + 25.hours());
    assert_eq!(check(&c, &later.crls(&stale, Revocation::Required)), Err(Refusal::StatusUnknown));
}

#[test]
fn a_changed_signature_and_a_false_ca_are_refused() {
    let npc = &*NPC_EC;
    let key = ec(Curve::P384, "citizen");
    let citizen = npc.citizen("citizen", &key, false);
    let algorithm = citizen.signature_algorithm().expect("ours");
    let forged = assemble(citizen.tbs(), algorithm, &key.sign(citizen.tbs()).expect("signed"));
    let forged = Certificate::parse(&forged).expect("well formed");
    assert_eq!(check(&forged, &Options::at(now())), Err(Refusal::Signature));
    // A citizen's certificate as issuer: the profile refuses to make it, so it is put together by hand.
    let victim = npc.citizen("victim", &ec(Curve::P256, "victim"), false);
    let key_id = |c: &Certificate| c.subject_key_identifier().expect("identifier").to_vec();
    let tbs = replace(victim.tbs(), &key_id(&npc.ca), &key_id(&citizen));
    let issuer_name = tlv::sequence(&[&tlv::read_one(npc.ca.subject()).expect("name").0.raw[2..]]);
    assert_eq!(issuer_name.len(), npc.ca.subject().len());
    let below = Certificate::parse(&assemble(&tbs, algorithm, &key.sign(&tbs).expect("signed")))
        .expect("well formed");
    let intermediates = [npc.ca.clone(), citizen];
    let refused = validate(&below, &intermediates, std::slice::from_ref(&npc.root), &Options::at(now()));
    assert_eq!(refused, Err(Refusal::NoPath));
}

#[test]
fn a_ca_below_path_length_zero_is_refused() {
    let npc = &*NPC_EC;
    let sub_key = ec(Curve::P384, "sub");
    let sub = profiles::npc_intermediate(&profiles::NpcIntermediate {
        serial: serial("sub"),
        issuer: &npc.issuer(),
        subject: &x509::Name::test_authority("偽").expect("name"),
        validity: years(10),
        spki: sub_key.spki(),
        policy: tlv::oid::GPKI_POLICY_TEST,
        crl_uri: COMPLETE,
        ca_issuers_uri: LOCATIONS.ca_issuers,
    });
    let sub = issue(&sub.expect("profile"), &*npc.ca_key).expect("issued");
    let holder = ec(Curve::P256, "holder");
    let issuer = Issuer::new(&sub, &sub_key).expect("issuer");
    let tbs = profiles::npc_citizen_signing(&citizen(&issuer, "x", holder.spki())).expect("profile");
    let c = issue(&tbs, &sub_key).expect("issued");
    let intermediates = [sub, npc.ca.clone()];
    let refused = validate(&c, &intermediates, std::slice::from_ref(&npc.root), &Options::at(now()));
    assert_eq!(refused, Err(Refusal::PathLength));
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|w| w == from).expect("inside");
    let mut out = bytes.to_vec();
    out[at..at + from.len()].copy_from_slice(to);
    out
}
