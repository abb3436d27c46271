use std::collections::BTreeMap;

use curve::Hash;
use eac::passive_authentication::{Outcome, compare};

#[test]
fn each_data_group_is_told_apart() {
    let hash = Hash::Sha512;
    let signed =
        BTreeMap::from([(1, hash.digest(b"dg1")), (2, hash.digest(b"dg2")), (15, hash.digest(b"dg15"))]);
    let whole = compare(hash, &signed, [(1, &b"dg1"[..]), (2, b"dg2"), (15, b"dg15")]);
    assert!(whole.is_unaltered());
    let result = compare(hash, &signed, [(1, &b"dg1"[..]), (2, b"another portrait"), (11, b"extra")]);
    assert_eq!(
        result.groups,
        BTreeMap::from([
            (1, Outcome::Matched),
            (2, Outcome::Mismatched),
            (11, Outcome::Unlisted),
            (15, Outcome::Missing),
        ])
    );
    assert!(!result.is_unaltered());
    assert_eq!(result.with(Outcome::Missing), [15]);
    assert!(result.matched(1) && !result.matched(15));
    // Not all groups were read: what was read is unaltered. Nothing read: nothing is proved.
    assert!(compare(hash, &signed, [(1, &b"dg1"[..])]).is_unaltered());
    assert!(!compare(hash, &signed, []).is_unaltered());
    assert!(!compare(hash, &signed, [(1, &b"dg1"[..]), (3, b"unsigned")]).is_unaltered());
    // The right content under another hash function is another hash.
    assert!(!compare(Hash::Sha256, &signed, [(1, &b"dg1"[..])]).is_unaltered());
}
