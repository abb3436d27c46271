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

/// A reader takes a full list, with or without its delta, and nothing that is old, foreign or does not belong together.
// proves: LOSS-12
#[test]
fn a_reader_goes_by_one_list_that_is_in_time() {
    let authority = Authority::new("here");
    let trust = authority.trust();
    let sign = |list: &CardList| list.sign(&authority.by()).unwrap();
    let hours = |n| SignedDuration::from_hours(n);
    let base = full(1, 1, &[(1, Listed::Suspended)]);
    let later = CardList::delta(2, now() + hours(1), hours(24), &base, [(card(2), Listed::Void)]).unwrap();
    let (first, second) = (sign(&base), sign(&later));
    let alone = CardList::current(&[&first], &trust, now()).unwrap();
    assert_eq!((alone.status(card(1)), alone.status(card(2))), (Ok(Some(Listed::Suspended)), Ok(None)));
    for both in [[&first, &second], [&second, &first]] {
        let whole = CardList::current(&both, &trust, now() + hours(1)).unwrap();
        assert_eq!((whole.status(card(1)), whole.status(card(2))), (Ok(None), Ok(Some(Listed::Void))));
        assert_eq!((whole.number(), whole.this_update()), (2, now() + hours(1)));
        // The delta is in time an hour longer than its base.
        assert!(CardList::current(&both, &trust, now() + hours(25)).is_ok());
    }
    let refused = |documents: &[&Vec<u8>], at| CardList::current(documents, &trust, at).unwrap_err();
    let old = |from, hours| Error::OutOfDate { from, until: from + SignedDuration::from_hours(hours) };
    assert_eq!(refused(&[&first], now() + hours(25)), old(now(), 24));
    assert_eq!(refused(&[&first], now() - hours(1)), old(now(), 24));
    assert_eq!(refused(&[&first, &second], now() + hours(26)), old(now() + hours(1), 24));
    // Years later, when the signer's certificate has ended as well.
    assert_eq!(refused(&[&first], now() + hours(24 * 400)), old(now(), 24));
    assert_eq!(refused(&[&second], now()), Error::NotOneList);
    assert_eq!(refused(&[&first, &first], now()), Error::NotOneList);
    assert_eq!(refused(&[], now()), Error::NotOneList);
    let other = full(3, 2, &[]);
    assert_eq!(refused(&[&sign(&other), &second], now() + hours(1)), Error::OtherBase);
    let there = Authority::new("there");
    assert!(matches!(refused(&[&base.sign(&there.by()).unwrap()], now()), Error::Untrusted(_)));
    // The delta of somebody else does not get in by a good base.
    let theirs = later.sign(&there.by()).unwrap();
    assert!(matches!(refused(&[&first, &theirs], now() + hours(1)), Error::Untrusted(_)));
    for place in 0..first.len() {
        let mut changed = first.clone();
        changed[place] ^= 1;
        // What is not signed is not read: whatever else is accepted says the same.
        if let Ok(list) = CardList::current(&[&changed], &trust, now()) {
            assert_eq!(list, base, "octet {place}");
        }
    }
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
