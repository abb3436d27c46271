//! Card status lists.

use jiff::SignedDuration;
use model::CardSerial;
use proptest::prelude::*;
use status::Error;
use status::cards::{CardList, Listed};

use crate::support::*;

fn card(n: u32) -> CardSerial {
    CardSerial::new("N5A", n).unwrap()
}

fn full(number: u64, salt: u8, cards: &[(u32, Listed)]) -> CardList {
    let cards = cards.iter().map(|(n, listed)| (card(*n), *listed));
    CardList::full(number, now(), SignedDuration::from_hours(24), [salt; 32], cards).unwrap()
}

fn delta(number: u64, base: &CardList, cards: &[(u32, Listed)]) -> CardList {
    let cards = cards.iter().map(|(n, listed)| (card(*n), *listed));
    CardList::delta(number, now(), SignedDuration::from_hours(24), base, cards).unwrap()
}

// proves: LOSS-12, LOSS-16, OPEN-37
#[test]
fn a_lost_card_without_certificate_is_recognised() {
    let authority = Authority::new("here");
    let base = full(1, 1, &[(1, Listed::Suspended), (2, Listed::Void)]);
    let document = base.sign(&authority.by()).unwrap();
    let read = CardList::open(&document, &authority.trust(), now()).unwrap();
    let of = |list: &CardList, n| list.status(card(n)).unwrap();
    assert_eq!([1, 2, 3].map(|n| of(&read, n)), [Some(Listed::Suspended), Some(Listed::Void), None]);
    // The card is found, another is lost, a third is replaced.
    let changes = delta(2, &base, &[(2, Listed::Void), (3, Listed::Suspended), (4, Listed::Void)]);
    let document = changes.sign(&authority.by()).unwrap();
    let changes = CardList::open(&document, &authority.trust(), now()).unwrap();
    assert_eq!(changes.len(), 3, "only what changed");
    assert_eq!(changes.status(card(1)), Err(Error::OtherBase), "a delta alone knows nothing");
    let whole = read.with(&changes).unwrap();
    let expected = [None, Some(Listed::Void), Some(Listed::Suspended), Some(Listed::Void)];
    assert_eq!([1, 2, 3, 4].map(|n| of(&whole, n)), expected);
    assert!(CardList::open(&document, &Authority::new("there").trust(), now()).is_err());
}

#[test]
fn the_serial_number_is_not_there_and_lists_of_different_days_cannot_be_joined() {
    let cards = [(1, Listed::Suspended), (2, Listed::Suspended)];
    let (monday, tuesday) = (full(1, 1, &cards), full(2, 2, &cards));
    let hashes = |list: &CardList| {
        let bytes = list.write();
        assert!(!bytes.windows(9).any(|window| window == b"N5A000001"));
        bytes[bytes.len() - 4 - 32..bytes.len() - 4].to_vec()
    };
    let (a, b) = (hashes(&monday), hashes(&tuesday));
    assert!(a.chunks(16).all(|hash| b.chunks(16).all(|other| hash != other)));
    assert_eq!(monday.with(&delta(3, &tuesday, &cards)), Err(Error::OtherBase));
}

proptest! {
    #[test]
    fn base_and_delta_are_the_new_list(
        before in prop::collection::btree_map(0u32..20, any::<bool>(), 0..12),
        after in prop::collection::btree_map(0u32..20, any::<bool>(), 0..12),
    ) {
        let listed = |void: bool| if void { Listed::Void } else { Listed::Suspended };
        let list = |map: &std::collections::BTreeMap<u32, bool>| map.iter().map(|(n, v)| (*n, listed(*v))).collect::<Vec<_>>();
        let base = full(1, 9, &list(&before));
        let whole = base.with(&delta(2, &base, &list(&after))).unwrap();
        prop_assert_eq!(&whole, &full(2, 9, &list(&after)));
        prop_assert_eq!(CardList::read(&whole.write()), Ok(whole));
    }
}
