//! How long commands and answers may be, as a card announces it before anybody can ask.

use crate::card::{EXTENDED_BLOCK, Lengths};

// ISO/IEC 7816-4 §12.7.1: extended length information, 7F66 with two integers: command and response buffer.
/// What EF.ATR/INFO says.
pub(crate) fn announced_lengths(info: &[u8]) -> Option<Lengths> {
    let object = tlv::find(info, 0x7F66)?;
    let response = object.children().filter_map(Result::ok).filter(|o| o.tag == 0x02).nth(1)?;
    let bytes = response.value.iter().fold(0usize, |n, byte| n.saturating_mul(256) + usize::from(*byte));
    // The status word is counted in.
    (bytes > 258).then(|| Lengths::Extended { response: (bytes - 2).min(apdu::MAX_EXTENDED) })
}

// ISO/IEC 7816-4 §12.1.1.9: card capabilities in the historical bytes, third byte, bit 7: extended Lc and Le fields.
/// What the ATR says; without a word about it, short length.
pub(crate) fn lengths_of_atr(atr: &[u8]) -> Lengths {
    let extended = historical_bytes(atr)
        .and_then(|historical| match historical {
            // Category 80: compact TLV objects follow; 00: the same, with three status bytes at the end.
            [0x80, objects @ ..] => Some(objects),
            [0x00, objects @ .., _, _, _] => Some(objects),
            _ => None,
        })
        .and_then(capabilities)
        .is_some_and(|third| third & 0x40 != 0);
    if extended { Lengths::Extended { response: EXTENDED_BLOCK } } else { Lengths::Short }
}

pub(crate) fn historical_bytes(atr: &[u8]) -> Option<&[u8]> {
    let format = *atr.get(1)?;
    let count = usize::from(format & 0x0F);
    let (mut at, mut indicator) = (2, format >> 4);
    loop {
        at += (indicator & 0x07).count_ones() as usize;
        if indicator & 0x08 == 0 {
            return atr.get(at..at + count);
        }
        indicator = *atr.get(at)? >> 4;
        at += 1;
    }
}

/// The third byte of the card capabilities, tag 7.
fn capabilities(mut objects: &[u8]) -> Option<u8> {
    while let [head, rest @ ..] = objects {
        let value = rest.get(..usize::from(head & 0x0F))?;
        if head >> 4 == 7 {
            return value.get(2).copied();
        }
        objects = &rest[value.len()..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_length_is_announced_in_the_atr_or_in_ef_atr() {
        let short = Lengths::Short;
        let extended = Lengths::Extended { response: EXTENDED_BLOCK };
        for (atr, lengths) in [
            // An identity card on a contactless reader: 3B 8A 80 01, category 80, card capabilities 73 84 21 C0.
            ("3B8A80018031F873F741E08290007500", extended),
            ("3B8480018031B873840140A3", short),
            ("3B8880018073C821C000900000", extended),
            ("3B80800101", short),
            ("3B", short),
            ("", short),
        ] {
            let bytes = hex::decode(atr).expect("hex");
            assert_eq!(lengths_of_atr(&bytes), lengths, "{atr}");
        }
        let info = hex::decode("7F66080202200002022000").expect("hex");
        assert_eq!(announced_lengths(&info), Some(Lengths::Extended { response: 8190 }));
        assert_eq!(announced_lengths(&[0x43, 1, 0]), None);
        assert_eq!(announced_lengths(&[]), None);
    }

    #[test]
    fn any_atr_is_read_without_panic() {
        for first in 0..=255u8 {
            for len in 0..12 {
                let _ = lengths_of_atr(&[&[0x3B, first][..], &vec![first; len]].concat());
            }
        }
    }
}
