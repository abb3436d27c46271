//! Killed at every commit: issuing and changes of state.

use model::{CertificateState, KeySlot, RevocationReason, SuspensionCause};
use npc::CertificateAuthority;
use status::filter::{Filter, State, Trust};
use store::testkit::each_engine_url;
use store::{Db, When, params};

use crate::support::*;

const SIDES: [When; 2] = [When::BeforeCommit, When::AfterCommit];

struct Stored {
    rows: i64,
    tbs: Option<Vec<u8>>,
}

async fn stored(db: &Db) -> Stored {
    let rows = db.one("SELECT count(*) FROM certificate", params![]).await.unwrap().read(0).unwrap();
    let row = db.optional("SELECT tbs, der FROM certificate", params![]).await.unwrap();
    // Once it is signed the certificate alone is kept.
    let tbs = row.map(|row| match row.read::<Option<Vec<u8>>>("der").unwrap() {
        Some(der) => x509::Certificate::parse(&der).unwrap().tbs().to_vec(),
        None => row.read("tbs").unwrap(),
    });
    Stored { rows, tbs }
}

#[tokio::test]
async fn a_slot_never_has_two_certificates_wherever_the_ca_is_killed() {
    each_engine_url(async |url| {
        let mut commits = 0;
        loop {
            commits += 1;
            let mut survived = true;
            for when in SIDES {
                // The caller may come back at once, or only after the CA has restarted and finished by itself.
                for restart_finishes in [false, true] {
                    let schema = format!(
                        "npc_{commits}_{}_{}",
                        u8::from(when == When::AfterCommit),
                        u8::from(restart_finishes)
                    );
                    let db = Db::open(&url, &schema).await.unwrap();
                    let npc = open(&db).await;
                    let request = request(&npc, 1, KeySlot::SigningRsa, 0).await;
                    db.fail_after(commits, when);
                    let killed = npc.issue(&request, now()).await;
                    let died = db.revive();
                    assert_eq!(killed.is_err(), died);
                    survived &= !died;
                    let before = stored(&db).await;
                    assert!(before.rows <= 1);
                    drop(npc);
                    db.close().await;

                    let db = Db::open(&url, &schema).await.unwrap();
                    let npc = open(&db).await;
                    if restart_finishes && before.rows == 1 {
                        assert_eq!(npc.certificates_of(card(1), now()).await.unwrap().len(), 1);
                    }
                    let issued = npc.issue(&request, now()).await.unwrap();
                    let after = stored(&db).await;
                    assert_eq!(after.rows, 1);
                    let certificate = x509::Certificate::parse(&issued.der).unwrap();
                    assert_eq!(Some(certificate.tbs()), after.tbs.as_deref());
                    if before.tbs.is_some() {
                        assert_eq!(before.tbs, after.tbs, "the same bytes are signed");
                    }
                    certificate.verify_signature(npc.ca_certificate().spki()).unwrap();
                    npc.verify_audit(None).await.unwrap();
                    let events = db.one("SELECT count(*) FROM event", params![]).await.unwrap();
                    assert_eq!(events.read::<i64>(0).unwrap(), 1);
                    let entries = audit::events(&db, Some("TWA000001"), 0, 10).await.unwrap();
                    assert_eq!(entries.len(), 2, "issued once, signed once");
                    db.close().await;
                }
            }
            if survived {
                break;
            }
        }
        assert_eq!(commits, 3, "two commits, and none beyond");
    })
    .await;
}

/// The audit log cannot be written: no certificate is issued and no state changes, until it can be written again.
// proves: SECURITY-47
#[tokio::test]
async fn without_the_audit_log_nothing_is_done() {
    each_engine_url(async |url| {
        let db = Db::open(&url, "npc").await.unwrap();
        let npc = open(&db).await;
        issued(&npc, 2, KeySlot::SigningRsa, 1).await;
        let request = request(&npc, 1, KeySlot::SigningRsa, 0).await;
        db.execute("ALTER TABLE audit_entry RENAME TO away", params![]).await.unwrap();
        assert_eq!(npc.issue(&request, now()).await.err().unwrap().code(), "STORE-SQL");
        let refused = npc.revoke(card(2), RevocationReason::Unspecified, "clerk", now()).await.unwrap_err();
        assert_eq!(refused.code(), "STORE-SQL");
        assert_eq!(stored(&db).await.rows, 1);
        assert_eq!(npc.certificates_of(card(2), now()).await.unwrap()[0].state, CertificateState::Good);
        db.execute("ALTER TABLE away RENAME TO audit_entry", params![]).await.unwrap();
        npc.issue(&request, now()).await.unwrap();
        npc.verify_audit(None).await.unwrap();
        db.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_was_revoked_before_it_was_signed_is_never_signed() {
    each_engine_url(async |url| {
        let db = Db::open(&url, "npc").await.unwrap();
        let npc = open(&db).await;
        let request = request(&npc, 1, KeySlot::SigningRsa, 0).await;
        db.fail_after(1, When::AfterCommit);
        npc.issue(&request, now()).await.err().unwrap();
        db.revive();
        // Between the two commits the card is reported stolen and its replacement applied for.
        let receipt =
            npc.revoke(card(1), RevocationReason::CessationOfOperation, "clerk", now()).await.unwrap();
        assert_eq!(receipt.changed.len(), 1);
        assert_eq!(npc.issue(&request, now()).await.err().unwrap().code(), "NPC-REVOKED");
        let npc = open(&db).await;
        assert_eq!(npc.issue(&request, now()).await.err().unwrap().code(), "NPC-REVOKED");
        let row = db.one("SELECT count(*), count(der) FROM certificate", params![]).await.unwrap();
        assert_eq!((row.read::<i64>(0).unwrap(), row.read::<i64>(1).unwrap()), (1, 0));
        db.close().await;
    })
    .await;
}

/// A loss report between the two commits: the certificate waits as before, its number is kept free of every new filter's noise,
/// and a restart signs it, suspended.
#[tokio::test]
async fn what_was_suspended_before_it_was_signed_is_signed_by_a_restart() {
    each_engine_url(async |url| {
        let db = Db::open(&url, "npc").await.unwrap();
        let npc = open(&db).await;
        // Half of a small population is listed: the filter is noise for half of all other numbers.
        for (number, key) in [(21, 0), (22, 1)] {
            issued(&npc, number, KeySlot::SigningRsa, key).await;
        }
        npc.suspend(card(21), SuspensionCause::Loss, "hotline", now()).await.unwrap();
        let mut requests = Vec::new();
        for number in 1..=12 {
            let request = request(&npc, number, KeySlot::SigningEc, 0).await;
            db.fail_after(1, When::AfterCommit);
            npc.issue(&request, now()).await.err().unwrap();
            db.revive();
            npc.suspend(card(number), SuspensionCause::Loss, "hotline", now()).await.unwrap();
            requests.push(request);
        }
        assert_eq!(npc.waiting(now()).await.unwrap().unsigned, 12);
        let document = npc.filter(now()).await.unwrap();
        let made = npc.ca_certificates();
        let (anchors, intermediates) = ([made.root], [made.ca.clone()]);
        let trust = Trust { anchors: &anchors, intermediates: &intermediates };
        let filter = Filter::open(&document.der, &trust, now()).unwrap();
        drop(npc);
        db.close().await;

        let db = Db::open(&url, "npc").await.unwrap();
        let npc = open(&db).await;
        assert_eq!(npc.waiting(now()).await.unwrap().unsigned, 0);
        for (number, request) in (1..).zip(&requests) {
            let [found] = npc.certificates_of(card(number), now()).await.unwrap().try_into().ok().unwrap();
            assert!(matches!(found.state, CertificateState::Suspended { .. }));
            assert_eq!(filter.state(&made.ca, &found.serial), Some(State::Good), "when it was made");
            assert!(npc.issue(request, now()).await.unwrap() == found);
        }
        let list = npc.crl(npc::Scope::Complete, now()).await.unwrap();
        assert_eq!(x509::crl::Crl::parse(&list.der).unwrap().entries().count(), 13);
        npc.verify_audit(None).await.unwrap();
        db.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_change_killed_at_its_commit_happened_or_not_and_can_be_repeated() {
    each_engine_url(async |url| {
        for when in SIDES {
            let db = Db::open(&url, &format!("npc_{}", u8::from(when == When::AfterCommit))).await.unwrap();
            let npc = open(&db).await;
            issued(&npc, 1, KeySlot::SigningRsa, 0).await;
            issued(&npc, 1, KeySlot::EncryptionRsa, 1).await;
            db.fail_after(1, when);
            npc.suspend(card(1), SuspensionCause::Loss, "hotline", now()).await.unwrap_err();
            db.revive();
            let state = async || {
                let all = npc.certificates_of(card(1), now()).await.unwrap();
                assert_eq!(all[0].state, all[1].state, "all certificates of the card or none");
                all[0].state.clone()
            };
            assert_eq!(
                matches!(state().await, CertificateState::Suspended { .. }),
                when == When::AfterCommit
            );
            npc.suspend(card(1), SuspensionCause::Loss, "hotline", now()).await.unwrap();
            assert!(matches!(state().await, CertificateState::Suspended { .. }));
            let events =
                db.one("SELECT count(*) FROM event WHERE kind = 'suspend'", params![]).await.unwrap();
            assert_eq!(events.read::<i64>(0).unwrap(), 2, "one for each certificate");
            npc.verify_audit(None).await.unwrap();
            db.close().await;
        }
    })
    .await;
}
