//! §4.1.5: the data derivation scheme, a key derivation function in counter mode (NIST SP 800-108) over CMAC.

use crate::Error;
use curve::{SecretBytes, aes::Cmac};
use zeroize::{Zeroize, Zeroizing};

/// §4.1.5, table 4-1: derivation constants, the last byte of the label.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Purpose {
    CardCryptogram = 0x00,
    HostCryptogram = 0x01,
    CardChallenge = 0x02,
    SEnc = 0x04,
    SMac = 0x06,
    SRMac = 0x07,
}

/// SP 800-108 §4.1: as many blocks CMAC(key, `before` ‖ counter ‖ `after`) as `len` bytes need, with a counter of one
/// byte that begins at 1.
pub fn kdf_counter(key: &[u8], before: &[u8], after: &[u8], len: usize) -> Result<SecretBytes, Error> {
    if len > 255 * 16 {
        return Err(Error::Length);
    }
    let cmac = Cmac::new(key)?;
    let mut out = Zeroizing::new(Vec::with_capacity(len.next_multiple_of(16)));
    for counter in 1..=len.div_ceil(16) as u8 {
        let mut block = cmac.mac(&[before, &[counter], after]);
        out.extend_from_slice(&block);
        block.zeroize();
    }
    out.truncate(len);
    Ok(out.into())
}

/// §4.1.5: label of 12 bytes, a separation byte, the length L in bits, the counter, the context.
pub(crate) fn derive(key: &[u8], label: &[u8; 12], context: &[u8], len: usize) -> Result<SecretBytes, Error> {
    let [hi, lo] = (len as u16 * 8).to_be_bytes();
    let mut before = [0; 15];
    before[..12].copy_from_slice(label);
    before[13] = hi;
    before[14] = lo;
    kdf_counter(key, &before, context, len)
}

/// The same with the standard's label: eleven zero bytes and the derivation constant.
pub(crate) fn derive_for(
    key: &[u8],
    purpose: Purpose,
    context: &[u8],
    len: usize,
) -> Result<SecretBytes, Error> {
    let mut label = [0; 12];
    label[11] = purpose as u8;
    derive(key, &label, context, len)
}
