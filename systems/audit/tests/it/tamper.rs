//! Whoever can write to the tables cannot do it unseen.

use audit::{AuditError, AuditLog, Head};
use store::{Db, params, testkit::each_engine};

use crate::event;

async fn chain(db: &Db) -> Head {
    let log = AuditLog::open(db.clone()).await.unwrap();
    for n in 1..=6 {
        log.append(&event(n)).await.unwrap();
    }
    log.verify(None).await.unwrap()
}

// proves: SECURITY-46
#[tokio::test]
async fn every_alteration_is_found_at_its_place() {
    each_engine("audit", async |db| {
        chain(&db).await;
        let attacks = [
            ("UPDATE audit_entry SET at = at + 1 WHERE seq = 3", 3),
            ("UPDATE audit_entry SET actor = 'nobody' WHERE seq = 1", 1),
            ("UPDATE audit_entry SET system = 'npc' WHERE seq = 2", 2),
            ("UPDATE audit_entry SET action = 'card-resume' WHERE seq = 6", 6),
            ("UPDATE audit_entry SET subject = 'TWA000124' WHERE seq = 5", 5),
            ("UPDATE audit_entry SET detail = '{}' WHERE seq = 4", 4),
            // The boundary between two fields moves, their concatenation stays.
            ("UPDATE audit_entry SET actor = 'clerk-7m', system = 'gmt' WHERE seq = 4", 4),
            ("DELETE FROM audit_entry WHERE seq = 2", 2),
            ("DELETE FROM audit_entry WHERE seq = 6", 6),
            ("UPDATE audit_entry SET seq = 7 WHERE seq = 4", 4),
            ("UPDATE audit_entry SET hash = (SELECT hash FROM audit_head) WHERE seq = 3", 3),
            ("UPDATE audit_head SET seq = 5", 5),
            ("UPDATE audit_head SET seq = 7", 7),
            ("UPDATE audit_head SET hash = (SELECT hash FROM audit_entry WHERE seq = 1)", 6),
            ("INSERT INTO audit_entry SELECT 7, at, actor, system, action, subject, detail, hash FROM audit_entry WHERE seq = 6", 7),
        ];
        for (attack, place) in attacks {
            for keep in [
                "CREATE TABLE kept_e AS SELECT * FROM audit_entry",
                "CREATE TABLE kept_h AS SELECT * FROM audit_head",
            ] {
                db.execute(keep, params![]).await.unwrap();
            }
            assert_eq!(db.execute(attack, params![]).await.unwrap(), 1, "{attack}");
            let error = audit::verify(&db, None).await.unwrap_err();
            assert!(matches!(&error, AuditError::Broken { seq, .. } if *seq == place), "{attack}: {error}");
            assert_eq!(error.code(), "AUDIT-BROKEN");
            for sql in [
                "DELETE FROM audit_entry",
                "DELETE FROM audit_head",
                "INSERT INTO audit_entry SELECT * FROM kept_e",
                "INSERT INTO audit_head SELECT * FROM kept_h",
                "DROP TABLE kept_e",
                "DROP TABLE kept_h",
            ] {
                db.execute(sql, params![]).await.unwrap();
            }
            audit::verify(&db, None).await.unwrap();
        }
    })
    .await;
}

// proves: SECURITY-46
#[tokio::test]
async fn a_chain_cut_off_or_written_anew_does_not_contain_the_head_that_was_noted_down() {
    each_engine("audit", async |db| {
        let kept = chain(&db).await;
        // An attacker who knows the encoding removes the last two entries and mends the head.
        db.execute("DELETE FROM audit_entry WHERE seq > 4", params![]).await.unwrap();
        let sql = "UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit_entry WHERE seq = 4)";
        db.execute(sql, params![]).await.unwrap();
        assert_eq!(audit::verify(&db, None).await.unwrap().seq, 4, "whole in itself");
        let cut = audit::verify(&db, Some(&kept)).await.unwrap_err();
        assert!(matches!(cut, AuditError::Broken { seq: 5, .. }), "{cut}");
        // And writes others in their place.
        let log = AuditLog::open(db.clone()).await.unwrap();
        for n in 50..55 {
            log.append(&event(n)).await.unwrap();
        }
        let anew = audit::verify(&db, Some(&kept)).await.unwrap_err();
        assert!(matches!(anew, AuditError::Broken { seq: 6, .. }), "{anew}");
    })
    .await;
}
