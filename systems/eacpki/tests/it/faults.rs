//! The program is stopped at every single commit, on both sides of it, and started again.

use eac::cvc::{Date, validate_at};
use eacpki::TerminalAuthorisation;
use store::When;
use store::testkit::each_engine;

use crate::support::*;

const SIDES: [When; 2] = [When::BeforeCommit, When::AfterCommit];

#[tokio::test]
async fn an_interrupted_roll_over_is_finished_with_the_same_key() {
    for when in SIDES {
        for n in 1.. {
            let reached = std::cell::Cell::new(true);
            each_engine("eacpki", async |db| {
                let place = Place::new(db);
                let first = place.open(now()).await.expect("opens").root().await.expect("a root");
                let pki = place.open(now()).await.expect("opens");
                place.db.fail_after(n, when);
                let renewed = pki.renew(days(1000)).await;
                reached.set(place.db.revive());
                assert_eq!(renewed.is_err(), reached.get(), "commit {n}");
                let pki = place.open(days(1001)).await.expect("opens");
                let root = pki.root().await.expect("a root");
                assert_eq!(root.body().holder.to_string(), "TWNEIDCVCA00002");
                let labels: Vec<String> =
                    place.keys.list().expect("keys").into_iter().map(|k| k.label).collect();
                assert_eq!(labels, ["cvca-1", "cvca-2", "dv-official-1", "dv-official-2"], "commit {n}");
                let link = pki.certificates().await.expect("certificates");
                let link = link.iter().find(|c| c.body().holder == root.body().holder).expect("a link");
                link.verify(&first.key(None).expect("a key")).expect("the old root leads to the new one");
                assert_eq!(link.body().public_key, root.body().public_key);
                audit::verify(&place.db, None).await.expect("an unbroken log");
            })
            .await;
            if !reached.get() {
                assert!(n > 5, "a roll-over has more commits than {n}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_interrupted_terminal_certificate_is_made_once() {
    each_engine("eacpki", async |db| {
        let place = Place::new(db);
        let pki = place.open(now()).await.expect("opens");
        pki.approve_service(&service("server"), "test", now()).await.expect("approved");
        let mut present: Option<Terminal> = None;
        for (number, (when, n)) in SIDES.iter().flat_map(|w| [(*w, 1), (*w, 2), (*w, 3)]).enumerate() {
            let terminal = Terminal::new(&format!("TWSERVER{number:05}"));
            let request = match &present {
                None => terminal.request().encode(),
                Some(present) => terminal.request_by(present),
            };
            place.db.fail_after(n, when);
            let first = pki.issue("server", &request, "test", now()).await;
            let came = place.db.revive();
            assert_eq!(came, n <= 2, "one commit before the signature, one after it");
            assert_eq!(first.is_err(), came);
            let second = pki.issue("server", &request, "test", now()).await.expect("issued");
            assert_eq!(pki.issue("server", &request, "test", now()).await.expect("kept"), second);
            let mut chain = pki.certificates().await.expect("certificates");
            chain.push(second);
            let root = pki.trust_point().await.expect("a root");
            validate_at(&root, &chain, Date::new(2026, 7, 2).expect("a date")).expect("valid");
            present = Some(terminal);
        }
        assert_eq!(pki.issued("server").await.expect("a number"), 6);
        audit::verify(&place.db, None).await.expect("an unbroken log");
    })
    .await;
}
