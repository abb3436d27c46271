//! Keys with common factors among all keys, whenever and by whom they were certified.

use jiff::SignedDuration;
use model::{KeySlot, RevocationReason};
use npc::{CertificateAuthority, Cohort, Compared, IssueRequest, Measure, Npc};
use store::params;
use store::testkit::each_engine;
use x509::Serial;

use crate::support::*;

async fn listed(npc: &Npc) -> Vec<(Serial, Serial, &'static str)> {
    let found = npc.common_factors(now()).await.unwrap();
    found.into_iter().map(|one| (one.serial, one.other, one.state)).collect()
}

/// Two processes certify one key each of a pair with a common factor, and neither knows of the other's: they are found
/// the next day, beside keys that it has compared before. Two persons revoke them, and nobody before.
// proves: NPC-58
#[tokio::test]
async fn a_factor_shared_with_a_key_of_long_ago_is_found() {
    each_engine("npc", async |db| {
        let [first, second] = [
            include_bytes!("../vectors/shared-factor/first.csr.der").as_slice(),
            include_bytes!("../vectors/shared-factor/second.csr.der").as_slice(),
        ];
        let (npc, other) = (open(&db).await, open(&db).await);
        let day = |days: i64| now() + SignedDuration::from_hours(24 * days);
        issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        issued(&npc, 1, KeySlot::SigningEc, 0).await;
        let wanted = request(&npc, 2, KeySlot::SigningRsa, 1).await;
        let old = npc.issue(&IssueRequest { csr: first.to_vec(), ..wanted }, now()).await.unwrap().serial;
        npc.compare_new_keys(now()).await.unwrap();
        let wanted = request(&other, 3, KeySlot::SigningRsa, 1).await;
        let new = other.issue(&IssueRequest { csr: second.to_vec(), ..wanted }, now()).await.unwrap().serial;
        issued(&other, 4, KeySlot::SigningRsa, 2).await;
        // Too few for a group of their own, whatever else changes: an incident changes more certificates than there are new ones.
        npc.compare_new_keys(now()).await.unwrap();
        db.execute("UPDATE counter SET value = value + 10000 WHERE name = 'state'", params![]).await.unwrap();
        db.execute("UPDATE counter SET value = 0 WHERE name = 'modulus-look'", params![]).await.unwrap();
        npc.compare_new_keys(now()).await.unwrap();
        assert_eq!(listed(&npc).await, []);
        // Nobody counts them again before as many certificates were issued as are missing.
        let sql = "SELECT value FROM counter WHERE name = 'modulus-look'";
        let look = db.one(sql, params![]).await.unwrap().read::<i64>(0).unwrap();
        assert_eq!(look, 5 + 4_096 - 2);
        npc.compare_new_keys(day(1)).await.unwrap();
        let mut both = [(old, new, "good"), (new, old, "good")];
        both.sort();
        assert_eq!(listed(&npc).await, both);
        assert_eq!(npc.waiting(now()).await.unwrap().common_factors, 2);
        other.compare_new_keys(day(2)).await.unwrap();
        assert_eq!(listed(&other).await, both, "once");

        // All anew: the same, and one group.
        let mut heard = Vec::new();
        let all = npc.check_common_factors("anna", now(), &mut |so_far| heard.push(so_far)).await.unwrap();
        assert_eq!((all, heard), (Compared { moduli: 4, found: 0 }, vec![all]));
        assert_eq!(listed(&npc).await, both);
        let groups = db.one("SELECT count(*) FROM modulus_group", params![]).await.unwrap();
        assert_eq!(groups.read::<i64>(0).unwrap(), 1, "what was compared before is forgotten");

        let weak = Cohort { fingerprint: Some("shared-factor".into()), ..Cohort::default() };
        let revoke = Measure::Revoke(RevocationReason::KeyCompromise);
        let proposed = npc.propose_incident(weak, revoke, "anna", now()).await.unwrap();
        assert_eq!(proposed.concerned, 2);
        npc.approve_incident(proposed.number, "bert", now()).await.unwrap();
        assert!(listed(&npc).await.iter().all(|(.., state)| *state == "revoked"));
        assert_eq!(npc.waiting(now()).await.unwrap().common_factors, 0);
        for (number, state) in [(1, "good"), (4, "good"), (3, "revoked")] {
            let made = npc.certificates_of(card(number), now()).await.unwrap();
            assert!(made.iter().all(|one| one.state.as_str() == state), "card {number}");
        }
        npc.verify_audit(None).await.unwrap();
    })
    .await;
}
