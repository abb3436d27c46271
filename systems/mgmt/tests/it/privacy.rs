//! What a card's number tells of its holder: nothing.

use model::ApplicationKind;
use production::Interface;

use crate::world::{CLERK, World, application, directory, start};

/// The access number is the card's: it is drawn with the card's number before anybody is known whose it will be, so that two persons in
/// the same place of the same queue get the same one, and each further card of a person has another.
// proves: PRIVACY-11
#[tokio::test(flavor = "multi_thread")]
async fn the_access_number_is_the_cards_and_not_the_persons() {
    let mut firsts = Vec::new();
    for number in [1, 2] {
        let (_keep, dir) = directory();
        let url = format!("sqlite:{}/db/", dir.display());
        let world = World::open(&url, &dir, start()).await;
        world.restock(3).await;
        let person = world.person(number).await;
        let first = world.card_of(&person).await;
        let mut numbers = vec![first.can().as_str().to_owned()];
        for _ in 0..2 {
            let wish = mgmt::NewApplication { kind: ApplicationKind::Renewal, ..application(&person) };
            let no = world.mgmt.submit(wish, CLERK, world.now).await.expect("submits");
            world.produce(no).await.expect("is produced");
            let next = world.mgmt.hand_over(no, CLERK, world.now).await.expect("is handed over").serial;
            // The present one opens this card, and the one before does not.
            assert_eq!(world.read(next, Interface::Contactless).verdict, terminal::Verdict::Verified);
            let channel = world.centre.reader(next, Interface::Contactless).expect("the card is there");
            let before = eac::Password::can(numbers.last().expect("one"));
            let options = terminal::ReadOptions::default();
            let random = &mut curve::SystemRandom;
            let report = terminal::read_card(channel, &before, &world.trust, &options, world.now, random);
            assert_eq!(report.refusal(), Some(terminal::Refusal::WrongPassword));
            numbers.push(next.can().as_str().to_owned());
        }
        let different: std::collections::BTreeSet<_> = numbers.iter().collect();
        assert_eq!(different.len(), 3, "{numbers:?}");
        firsts.push((person.id, numbers));
        world.close().await;
    }
    assert!(firsts[0].0 != firsts[1].0 && firsts[0].1 == firsts[1].1, "another number, the same codes");
}
