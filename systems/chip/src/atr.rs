//! Answer to reset, and what a PC/SC reader makes of the answer to select. The same for every card of one chip type: it tells
//! what the card can do, never which card it is.

use crate::access::Interface;

/// Historical bytes (ISO/IEC 7816-4 §12.1.1), up to the pre-issuing data.
#[rustfmt::skip]
const HISTORICAL: [u8; 8] = [
    0x80,                         // category: COMPACT-TLV follows
    0x31, 0xB8,                   // service: select by full name, EF.DIR and EF.ATR by READ BINARY, with MF
    0x73, 0xB4, 0x21, 0xE0,       // capabilities: select by name, path, identifier, short identifier; chaining, extended
                                  // length, limits in EF.ATR/INFO
    0x64,                         // pre-issuing data
];

/// The ATR on `interface` of a chip with these pre-issuing data.
pub(crate) fn atr(interface: Interface, pre_issuing: [u8; 4]) -> Vec<u8> {
    let historical = [&HISTORICAL[..], &pre_issuing].concat();
    let mut atr = match interface {
        // ISO/IEC 7816-3 §8.2: TA1 = 96 (115,200 b/s and more at 3.579 MHz), T=1, IFSC 254, BWI 4 and CWI 5.
        Interface::Contact => vec![0x3B, 0x90 | historical.len() as u8, 0x96, 0x81, 0x31, 0xFE, 0x45],
        // PC/SC part 3 §3.1.3.2.3.1: 3B 8n 80 01, historical bytes of the ATS, checksum.
        Interface::Contactless => vec![0x3B, 0x80 | historical.len() as u8, 0x80, 0x01],
    };
    atr.extend(historical);
    atr.push(atr[1..].iter().fold(0, |x, b| x ^ b));
    atr
}

/// EF.ATR/INFO: the limits of extended length (ISO/IEC 7816-4 §12.7.1), then service and capabilities once more.
#[rustfmt::skip]
pub(crate) const EF_ATR_INFO: &[u8] = &[
    0x43, 0x01, 0xB8,
    0x47, 0x03, 0xB4, 0x21, 0xE0,
    0x7F, 0x66, 0x08, 0x02, 0x02, 0xFF, 0xFF, 0x02, 0x02, 0x1F, 0xFE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_covers_everything_after_ts() {
        for interface in Interface::ALL {
            assert_eq!(atr(interface, *b"NeID")[1..].iter().fold(0, |x, b| x ^ b), 0);
        }
    }
}
