//! The first root and the first generation: by persons from nothing, or by a first run that says it was one.

use std::path::Path;

use curve::{Curve, SystemRandom};
use jiff::SignedDuration;
use keys::{KeyKind, Purpose};
use model::KeySlot;
use npc::{Ceremony, Founding, Hands, Npc, NpcError};
use store::testkit::{each_engine, each_engine_url};
use store::{Db, When};
use x509::path::{Options, Revocation, validate};
use x509::{Certificate, PublicKey};

use crate::support::*;

const HANDS: Hands<'_> = Hands { operator: "chief", witness: "auditor" };

async fn founding(db: &Db, keys: &Path) -> Result<Founding, NpcError> {
    Founding::open(db.clone(), key_store(keys), config(), Box::new(SystemRandom)).await
}

async fn opened(db: &Db, keys: &Path) -> Result<Npc, NpcError> {
    Npc::open(db.clone(), key_store(keys), config(), Box::new(SystemRandom), now()).await
}

async fn approved(founding: &Founding) -> Ceremony {
    let (root, issuing) = (KeyKind::Ec(Curve::P521), KeyKind::Ec(Curve::P384));
    founding.propose(root, issuing, "chief", now()).await.unwrap();
    founding.approve("deputy", now()).await.unwrap()
}

async fn verified(npc: &Npc) {
    for finding in npc.verify_ceremony(0, now()).await.unwrap() {
        assert!(finding.right, "{finding:?}");
    }
}

// proves: SECURITY-08
#[tokio::test]
async fn persons_found_a_hierarchy_from_nothing() {
    each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path();
        let founding = self::founding(&db, keys).await.unwrap();
        let kind = KeyKind::Rsa(4096);
        assert!(founding.ceremony().await.is_err() && founding.step(HANDS, now()).await.is_err());
        founding.propose(kind, kind, "chief", now()).await.unwrap();
        // From here on no first run makes keys of its own.
        assert_eq!(opened(&db, keys).await.err().unwrap().code(), "NPC-UNFOUNDED");
        assert_eq!(founding.step(HANDS, now()).await.unwrap_err().code(), "NPC-CEREMONY", "not approved");
        let week = now() + SignedDuration::from_hours(24 * 8);
        assert_eq!(founding.approve("deputy", week).await.unwrap_err().code(), "NPC-CEREMONY", "lapsed");
        // Nobody has approved it: proposed anew with other keys.
        let ceremony = approved(&founding).await;
        assert_eq!(founding.approve("deputy", now()).await.unwrap(), ceremony, "again");
        for (code, error) in [
            ("NPC-CEREMONY", founding.approve("third", now()).await),
            ("NPC-CEREMONY", founding.propose(kind, kind, "chief", now()).await),
            ("NPC-SAME-PERSON", founding.step(Hands { operator: "chief", witness: "chief" }, now()).await),
            ("NPC-CEREMONY", founding.step(Hands { operator: "clerk", witness: "auditor" }, now()).await),
        ] {
            assert_eq!(error.unwrap_err().code(), code);
        }
        let text = ceremony.text();
        assert!(text.contains("secp521r1") && text.contains("secp384r1"), "{text}");
        assert!(key_store(keys).list().unwrap().is_empty(), "nothing is made before it is carried out");
        let mut steps = 0;
        while founding.step(HANDS, now()).await.unwrap().finished_at.is_none() {
            steps += 1;
            if steps < 7 {
                assert_eq!(opened(&db, keys).await.err().unwrap().code(), "NPC-UNFOUNDED");
            }
        }
        assert_eq!(steps, 7);
        let npc = opened(&db, keys).await.unwrap();
        let made = npc.ca_certificates();
        let curve = |c: &Certificate| PublicKey::from_spki(c.spki()).unwrap().name().to_owned();
        assert_eq!((curve(&made.root).as_str(), curve(&made.ca).as_str()), ("secp521r1", "secp384r1"));
        verified(&npc).await;
        let ceremony = npc.ceremony(0).await.unwrap();
        assert_eq!((ceremony.kind, ceremony.done.len()), ("founding", 8));
        assert!(ceremony.done.iter().all(|d| d.operator == "chief" && d.witness == "auditor"));
        let issued = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        let certificate = Certificate::parse(&issued.der).unwrap();
        let options = Options { revocation: Revocation::Unchecked, ..Options::at(now()) };
        validate(&certificate, std::slice::from_ref(&made.ca), std::slice::from_ref(&made.root), &options)
            .unwrap();
        assert_eq!(self::founding(&db, keys).await.err().unwrap().code(), "NPC-CEREMONY", "founded already");
        assert_eq!(founding.step(HANDS, now()).await.unwrap(), ceremony, "again");
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_founding_killed_at_any_commit_goes_on_where_it_was() {
    each_engine_url(async |url| {
        let directory = tempfile::tempdir().unwrap();
        let mut commits = 0;
        loop {
            commits += 1;
            let schema = format!("npc_{commits}");
            let db = Db::open(&url, &schema).await.unwrap();
            let keys = directory.path().join(&schema);
            let founding = self::founding(&db, &keys).await.unwrap();
            approved(&founding).await;
            let when = if commits % 2 == 0 { When::BeforeCommit } else { When::AfterCommit };
            db.fail_after(commits, when);
            let mut killed = false;
            for _ in 0..8 {
                killed |= founding.step(HANDS, now()).await.is_err();
                if killed {
                    break;
                }
            }
            let died = db.revive();
            let db = Db::open(&url, &schema).await.unwrap();
            match self::founding(&db, &keys).await {
                // Killed behind the last effect, the record alone is missing: the CA opens and writes it with the last step.
                Err(error) => assert_eq!(error.code(), "NPC-CEREMONY"),
                Ok(again) => while again.step(HANDS, now()).await.unwrap().finished_at.is_none() {},
            }
            let npc = opened(&db, &keys).await.unwrap();
            if npc.ceremony(0).await.unwrap().finished_at.is_none() {
                npc.ceremony_step(0, HANDS, npc::Provisions::default(), now()).await.unwrap();
            }
            verified(&npc).await;
            assert_eq!(
                key_store(&keys)
                    .list()
                    .unwrap()
                    .iter()
                    .filter(|key| key.purpose == Purpose::CertificateAuthority)
                    .count(),
                2
            );
            npc.verify_audit(None).await.unwrap();
            db.close().await;
            if !died && !killed {
                break;
            }
        }
        assert!(commits > 14, "eight steps with their effects: {commits}");
    })
    .await;
}

#[tokio::test]
async fn a_first_run_leaves_a_record_that_says_nobody_attended_it() {
    each_engine("npc", async |db| {
        let npc = open(&db).await;
        let ceremony = npc.ceremony(0).await.unwrap();
        assert!(ceremony.approved.is_none() && ceremony.finished_at.is_some() && !ceremony.is_abandoned());
        let text = ceremony.text();
        assert!(text.contains("nobody proposed, approved, did or witnessed it"), "{text}");
        assert!(text.contains("無人提案"), "{text}");
        verified(&npc).await;
        let record = npc.ceremony_record(0, now()).await.unwrap();
        // A later opening leaves it as it is.
        let again = open(&db).await;
        assert_eq!(again.ceremony_record(0, now()).await.unwrap(), record);
        assert_eq!(again.ceremonies().await.unwrap().len(), 1);
    })
    .await;
}
