//! What the ministry may decide otherwise, decided otherwise.

use mgmt::{Config, NewApplication, Refusal};
use model::{KeySlot, RocDate};
use npc::CertificateAuthority;
use registry::Person;

use crate::world::{CLERK, World, application, directory, person, start, test_config};

// proves: OPEN-16
#[tokio::test(flavor = "multi_thread")]
async fn the_least_age_for_the_certificate_is_a_parameter() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let born = |number, birth: &str| Person { birth: birth.parse().expect("a day"), ..person(number) };
        // Fourteen on the day of application, and one day younger.
        let (old_enough, too_young) = (born(1, "2012-07-01"), born(2, "2012-07-02"));
        assert_eq!(Config::default().certificate_age, 18);
        for (least_age, allowed) in [(18, false), (14, true)] {
            let policy = Config { certificate_age: least_age, ..test_config() };
            let world = World::open_with(&url, &dir, start(), policy).await;
            world.register.enrol(&[old_enough.clone(), too_young.clone()], world.now).await.expect("enrols");
            let refused = world.mgmt.submit(application(&too_young), CLERK, world.now).await;
            let refused = refused.expect_err("is too young").refusal();
            assert_eq!(refused, Some(Refusal::TooYoungForCertificate), "{least_age}");
            if !allowed {
                let refused = world.mgmt.submit(application(&old_enough), CLERK, world.now).await;
                let refused = refused.expect_err("is too young").refusal();
                assert_eq!(refused, Some(Refusal::TooYoungForCertificate), "{least_age}");
                world.close().await;
                continue;
            }
            world.restock(1).await;
            let card = world.card_of(&old_enough).await;
            let issued = world.npc.certificates_of(card, world.now).await.expect("answers");
            let ends = issued.iter().map(|one| RocDate::in_taipei(one.validity.not_after));
            let five = RocDate::in_taipei(world.now).plus_years(5);
            assert_eq!(ends.collect::<Vec<_>>(), [five; 2], "the validity of the young");
            world.close().await;
        }
    })
    .await;
}

// proves: OPEN-14
#[tokio::test(flavor = "multi_thread")]
async fn all_four_certificates_are_issued_at_once_where_policy_says_so() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let now = start();
        let mut slots = Vec::new();
        for (number, all_slots) in [(1, false), (2, true)] {
            let world = World::open_with(&url, &dir, now, Config { all_slots, ..test_config() }).await;
            world.restock(1).await;
            let person = world.person(number).await;
            assert!(!NewApplication::clone(&application(&person)).profile.is_sample(), "a national card");
            let card = world.card_of(&person).await;
            let issued = world.npc.certificates_of(card, now).await.expect("answers");
            slots.push(issued.iter().map(|one| one.slot).collect::<Vec<_>>());
            assert_eq!(world.certificate_states(card).await, vec!["good"; issued.len()]);
            world.close().await;
        }
        assert_eq!(slots, [vec![KeySlot::SigningRsa, KeySlot::EncryptionRsa], KeySlot::ALL.to_vec()]);
    })
    .await;
}
