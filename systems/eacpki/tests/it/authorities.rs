//! The CVCA, the verifiers, and how they are succeeded.

use curve::Curve;
use eac::cvc::{Chain, Date, Role, TrustPoint, TrustPoints, path};
use eacpki::{Config, EacPkiError, TerminalAuthorisation};
use store::testkit::each_engine;

use crate::support::*;

// proves: EACPKI-02, OPEN-38
#[tokio::test]
async fn the_first_opening_makes_root_and_verifier() {
    each_engine("eacpki", async |db| {
        let place = Place::new(db);
        let pki = place.open(now()).await.expect("opens");
        let root = pki.root().await.expect("a root");
        assert_eq!(root.body().holder.to_string(), "TWNEIDCVCA00001");
        let point = pki.trust_point().await.expect("a trust point");
        assert_eq!((point.key().curve(), point.effective()), (Curve::P521, date(2026, 7, 1)));
        assert_eq!(point.expiration(), date(2029, 6, 29));
        let certificates = pki.certificates().await.expect("certificates");
        let [verifier] = &certificates[..] else { panic!("one verifier") };
        assert_eq!(verifier.body().chat.role(), Role::OfficialVerifier);
        verifier.verify(point.key()).expect("signed by the root");
        // Opening again makes nothing new.
        let again = place.open(now()).await.expect("opens");
        assert_eq!(again.root().await.expect("a root"), root);
        assert_eq!(again.certificates().await.expect("certificates"), certificates);
        let labels: Vec<String> = place.keys.list().expect("keys").into_iter().map(|k| k.label).collect();
        assert_eq!(labels, ["cvca-1", "dv-official-1"]);
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}

// proves: EACPKI-03
#[tokio::test]
async fn a_card_follows_two_roll_overs() {
    each_engine("eacpki", async |db| {
        let place = Place::new(db);
        let pki = place.open(now()).await.expect("opens");
        let first = pki.trust_point().await.expect("a trust point");
        let mut begun = Vec::new();
        for month in 1..=64 {
            let renewal = pki.renew(days(30 * month)).await.expect("renewed");
            begun.extend(renewal.begun.into_iter().filter(|name| name.contains("CVCA")));
        }
        assert_eq!(begun, ["TWNEIDCVCA00002", "TWNEIDCVCA00003"]);
        let pki = place.open(days(1921)).await.expect("opens");
        pki.approve_service(&service_until_2040(), "test", days(1921)).await.expect("approved");
        let terminal = Terminal::new("TWSERVER00001");
        let request = terminal.request().encode();
        let certificate = pki.issue("server", &request, "test", days(1921)).await.expect("issued");

        // A card that lay in a drawer since the first year.
        let mut certificates = pki.certificates().await.expect("certificates");
        certificates.push(certificate.clone());
        let presented =
            path(&certificates, &[first.reference().clone()], &terminal.reference).expect("a path");
        let roles: Vec<Role> = presented.iter().map(|c| c.body().chat.role()).collect();
        assert_eq!(roles, [Role::Cvca, Role::Cvca, Role::OfficialVerifier, Role::Terminal]);
        let mut card = Chain::new(TrustPoints::new(first), Date::EARLIEST);
        for certificate in presented {
            card.import(certificate).expect("accepted");
        }
        let imported = card.terminal().expect("a terminal");
        assert_eq!(imported.authorisation.chat.rights(), certificate.body().chat.rights());
        let current = pki.trust_point().await.expect("a trust point");
        assert_eq!(card.trust_points().current().reference(), current.reference());
        assert_eq!(card.date(), certificate.body().effective);
        // A card made today trusts the same terminal at once.
        let mut new = Chain::new(TrustPoints::new(current.clone()), Date::EARLIEST);
        for certificate in
            path(&certificates, &[current.reference().clone()], &terminal.reference).expect("a path")
        {
            new.import(certificate).expect("accepted");
        }
    })
    .await;
}

fn service_until_2040() -> eacpki::Service {
    eacpki::Service { until: date(2040, 12, 31), ..service("server") }
}

#[tokio::test]
async fn verifiers_are_succeeded_and_never_outlive_the_root() {
    each_engine("eacpki", async |db| {
        let place = Place::new(db);
        let config = Config { non_official_mnemonic: Some("NEIDDVOTH".into()), ..Config::default() };
        let pki = place.open_with(config, now()).await.expect("opens");
        assert_eq!(pki.renew(days(100)).await.expect("nothing to do").begun, Vec::<String>::new());
        let renewal = pki.renew(days(121)).await.expect("renewed");
        assert_eq!(renewal.begun, ["TWNEIDDVOFF00002", "TWNEIDDVOTH00002"]);
        for month in 5..40 {
            pki.renew(days(30 * month)).await.expect("renewed");
        }
        let mut roots: Vec<TrustPoint> = vec![];
        for certificate in pki.certificates().await.expect("certificates") {
            let body = certificate.body();
            assert!(body.effective <= body.expiration);
            if body.chat.role() == Role::Cvca {
                roots.push(pki.trust_point().await.expect("a trust point"));
            } else {
                assert!(body.public_key.resolve(None).is_err(), "parameters are the root's");
            }
        }
        assert_eq!(roots.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn periods_that_do_not_fit_are_refused() {
    each_engine("eacpki", async |db| {
        let place = Place::new(db);
        for config in [
            Config { terminal_days: 0, ..Config::default() },
            Config { terminal_days: 60, ..Config::default() },
            Config { verifier_days: 400, ..Config::default() },
            Config { country: "tw".into(), ..Config::default() },
        ] {
            let result = place.open_with(config, now()).await;
            assert!(matches!(result, Err(EacPkiError::Refused(_) | EacPkiError::Request(_))));
        }
    })
    .await;
}
