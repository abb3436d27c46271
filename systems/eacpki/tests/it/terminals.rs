//! Services and their terminals.

use curve::{Curve, Hash, SecretKey, SeedRandom};
use eac::cvc::{CvcError, Rights, UpdateRights, validate_at};
use eac::restricted_identification::SectorKey;
use eacpki::{EacPki, EacPkiError, Service, ServiceState, TerminalAuthorisation};
use jiff::Timestamp;
use store::testkit::each_engine;

use crate::support::*;

async fn issue(
    pki: &EacPki,
    name: &str,
    request: &[u8],
    at: Timestamp,
) -> Result<eac::cvc::Certificate, EacPkiError> {
    pki.issue(name, request, "test", at).await
}

// proves: EACPKI-04, EACPKI-05
#[tokio::test]
async fn a_terminal_gets_what_was_approved_and_not_longer() {
    each_engine("eacpki", async |db| {
        let place = Place::new(db);
        let pki = place.open(now()).await.expect("opens");
        let wanted = Service { updates: UpdateRights::SPOUSE, ..service("server") };
        pki.approve_service(&wanted, "test", now()).await.expect("approved");
        let terminal = Terminal::new("TWSERVER00001");
        let request = terminal.request().encode();
        let certificate = issue(&pki, "server", &request, now()).await.expect("issued");
        let body = certificate.body();
        assert_eq!((body.effective, body.expiration), (date(2026, 7, 1), date(2026, 7, 14)));
        let hash = wanted.description.hash(Curve::P521.hash());
        assert_eq!(body.extensions.description_hash(), Some(hash.as_slice()));
        let mut chain = pki.certificates().await.expect("certificates");
        chain.push(certificate.clone());
        let root = pki.trust_point().await.expect("a root");
        let authorisation = validate_at(&root, &chain, date(2026, 7, 14)).expect("valid");
        assert_eq!(authorisation.chat.rights(), wanted.rights);
        assert_eq!(authorisation.updates, UpdateRights::SPOUSE);
        assert_eq!(validate_at(&root, &chain, date(2026, 7, 15)), Err(CvcError::Expired));
        // The same request has the same answer, and no other terminal gets the name or the key.
        assert_eq!(issue(&pki, "server", &request, days(1)).await.expect("kept"), certificate);
        let mut thief = Terminal::new("TWTHIEF00001");
        thief.reference = terminal.reference.clone();
        let result = issue(&pki, "server", &thief.request_by(&terminal), now()).await;
        assert!(matches!(result, Err(EacPkiError::Conflict)));
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}

#[tokio::test]
async fn a_certificate_names_the_sectors_that_were_approved() {
    each_engine("eacpki", async |db| {
        let place = Place::new(db);
        let pki = place.open(now()).await.expect("opens");
        let sector = |seed: &[u8], curve| {
            let point = SecretKey::generate(curve, &mut SeedRandom::new(seed)).public_key();
            SectorKey::new(&point, Hash::Sha256).expect("a sector")
        };
        let (old, new) = (sector(b"old", Curve::P521), sector(b"new", Curve::P521));
        let rights = Rights::READ_DG9.with(Rights::RESTRICTED_IDENTIFICATION);
        let wanted = Service { rights, sectors: vec![old.clone(), new.clone()], ..service("server") };
        for refused in [
            Service { rights: Rights::READ_DG9, ..wanted.clone() },
            Service { sectors: vec![old.clone(), old.clone()], ..wanted.clone() },
            Service {
                sectors: vec![old.clone(), new.clone(), sector(b"third", Curve::P521)],
                ..wanted.clone()
            },
        ] {
            let result = pki.approve_service(&refused, "test", now()).await;
            assert!(matches!(result, Err(EacPkiError::Refused(_))), "{refused:?}");
        }
        pki.approve_service(&wanted, "test", now()).await.expect("approved");
        assert_eq!(pki.service("server").await.expect("there").0, wanted, "kept as approved");
        let request = Terminal::new("TWSERVER00001").request().encode();
        let certificate = issue(&pki, "server", &request, now()).await.expect("issued");
        let hash = |key: &SectorKey| Hash::Sha512.digest(key.raw());
        let (first, second) = (hash(&old), hash(&new));
        let named = certificate.body().extensions.sector_hashes();
        assert_eq!(named, (Some(first.as_slice()), Some(second.as_slice())));
        // None was approved, none is named.
        pki.approve_service(&service("bank"), "test", now()).await.expect("approved");
        let request = Terminal::new("TWBANK00001").request().encode();
        let certificate = issue(&pki, "bank", &request, now()).await.expect("issued");
        assert_eq!(certificate.body().extensions.sector_hashes(), (None, None));
    })
    .await;
}

#[tokio::test]
async fn the_next_certificate_is_asked_for_with_the_present_key() {
    each_engine("eacpki", async |db| {
        let place = Place::new(db);
        let pki = place.open(now()).await.expect("opens");
        pki.approve_service(&service("server"), "test", now()).await.expect("approved");
        let [first, second, third] = ["TWSERVER00001", "TWSERVER00002", "TWSERVER00003"].map(Terminal::new);
        issue(&pki, "server", &first.request().encode(), now()).await.expect("issued");
        for request in [second.request().encode(), second.request_by(&third)] {
            let result = issue(&pki, "server", &request, days(5)).await;
            assert!(matches!(result, Err(EacPkiError::NotAuthenticated)));
        }
        issue(&pki, "server", &second.request_by(&first), days(5)).await.expect("issued");
        // Its time is over: somebody has to look again, as for the first one.
        issue(&pki, "server", &third.request().encode(), days(60)).await.expect("issued");
        let terminals = pki.terminals().await.expect("terminals");
        assert_eq!(terminals.len(), 1);
        assert_eq!(terminals[0].certificate.body().holder, third.reference);
        assert_eq!(pki.issued("server").await.expect("a number"), 3);
    })
    .await;
}

// proves: EACPKI-21, EACPKI-24
#[tokio::test]
async fn without_approval_there_is_no_certificate() {
    each_engine("eacpki", async |db| {
        let place = Place::new(db);
        let pki = place.open(now()).await.expect("opens");
        let [first, second] = ["TWSERVER00001", "TWSERVER00002"].map(Terminal::new);
        let request = first.request().encode();
        assert!(matches!(issue(&pki, "server", &request, now()).await, Err(EacPkiError::NoSuchService(_))));
        pki.approve_service(&service("server"), "test", now()).await.expect("approved");
        issue(&pki, "server", &request, now()).await.expect("issued");
        pki.set_service_state("server", ServiceState::Suspended, "test", now()).await.expect("suspended");
        let next = second.request_by(&first);
        assert!(matches!(issue(&pki, "server", &next, days(1)).await, Err(EacPkiError::NotAuthorised)));
        pki.set_service_state("server", ServiceState::Approved, "test", now()).await.expect("resumed");
        issue(&pki, "server", &next, days(1)).await.expect("issued");
        // The last day of the approval ends the certificate, and the next day brings none.
        let last = Terminal::new("TWSERVER00003");
        let result = issue(&pki, "server", &last.request().encode(), days(360)).await;
        assert!(matches!(result, Err(EacPkiError::VerifierExpired)), "nobody renewed the verifier");
        pki.renew(days(360)).await.expect("renewed");
        let certificate = issue(&pki, "server", &last.request().encode(), days(360)).await.expect("issued");
        assert_eq!(certificate.body().expiration, date(2027, 6, 30));
        let late = Terminal::new("TWSERVER00004");
        let result = issue(&pki, "server", &late.request_by(&last), days(366)).await;
        assert!(matches!(result, Err(EacPkiError::NotAuthorised)));
        pki.set_service_state("server", ServiceState::Revoked, "test", now()).await.expect("revoked");
        let result = pki.set_service_state("server", ServiceState::Approved, "test", now()).await;
        assert!(matches!(result, Err(EacPkiError::NotAuthorised)), "revoked is for good");
    })
    .await;
}

#[tokio::test]
async fn what_may_not_be_approved_or_certified_is_refused() {
    each_engine("eacpki", async |db| {
        let place = Place::new(db);
        let config =
            eacpki::Config { non_official_mnemonic: Some("NEIDDVOTH".into()), ..eacpki::Config::default() };
        let pki = place.open_with(config, now()).await.expect("opens");
        let non_official = Service { official: false, ..service("bank") };
        for refused in [
            Service { rights: Rights::PIN_MANAGEMENT, ..non_official.clone() },
            Service { updates: UpdateRights::ADDRESS, ..non_official.clone() },
            Service { name: "Bank".into(), ..non_official.clone() },
            Service { rights: Rights::from_bits(1 << 31), ..service("server") },
        ] {
            let result = pki.approve_service(&refused, "test", now()).await;
            assert!(matches!(result, Err(EacPkiError::Refused(_))), "{refused:?}");
        }
        pki.approve_service(&non_official, "test", now()).await.expect("approved");
        pki.approve_service(&non_official, "test", now()).await.expect("again");
        let changed = Service { rights: Rights::READ_DG16, ..non_official };
        assert!(matches!(pki.approve_service(&changed, "test", now()).await, Err(EacPkiError::Conflict)));
        // Another curve, another country, and bytes that are no request.
        let mut terminal = Terminal::new("TWBANK00001");
        terminal.key = SecretKey::generate(Curve::P256, &mut SeedRandom::new(b"p256"));
        let foreign = Terminal::new("DEBANK00001");
        for request in [terminal.request().encode(), foreign.request().encode()] {
            assert!(matches!(issue(&pki, "bank", &request, now()).await, Err(EacPkiError::Refused(_))));
        }
        assert!(matches!(issue(&pki, "bank", b"\x7F\x21\x00", now()).await, Err(EacPkiError::Request(_))));
    })
    .await;
}
