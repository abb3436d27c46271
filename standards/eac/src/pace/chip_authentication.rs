//! What the chip authentication mapping of PACE adds (ICAO 9303-11 §4.4.3.5): the chip's last answer carries, encrypted, the
//! quotient of its mapping key and its static key. Only who knows both private keys can form it.

use curve::{Curve, Point, SecretBytes, SecretKey, aes};

use super::{BLOCK, SessionKeys};
use crate::Error;
use crate::error::Step;
use crate::security_infos::SecurityInfo;

impl SessionKeys {
    /// E(KS_enc, CA_IC): the value of data object 8A.
    pub(super) fn encrypt_chip_data(&self, data: &SecretBytes) -> Result<Vec<u8>, Error> {
        let padded = zeroize::Zeroizing::new(aes::pad(data.expose()));
        aes::cbc_encrypt(self.enc.expose(), &self.chip_data_iv()?, &padded).map_err(|_| Error::Crypto)
    }

    /// The reverse.
    pub(super) fn decrypt_chip_data(&self, curve: Curve, encrypted: &[u8]) -> Result<SecretKey, Error> {
        const MALFORMED: Error = Error::Malformed(Step::Token);
        // A card that sends more than one scalar and its padding has something else in mind.
        if encrypted.len() != (curve.order_len() + 1).next_multiple_of(BLOCK) {
            return Err(MALFORMED);
        }
        let padded = aes::cbc_decrypt(self.enc.expose(), &self.chip_data_iv()?, encrypted);
        let padded = padded.map(zeroize::Zeroizing::new).map_err(|_| MALFORMED)?;
        // The channel's keys are proved by the tokens before this is looked at, so the padding tells nobody anything.
        let data = aes::unpad(&padded).map_err(|_| MALFORMED)?;
        // §4.4.5.6: as many octets as the order has; zero and numbers above the order are none.
        SecretKey::from_bytes(curve, data).map_err(|_| MALFORMED)
    }

    // §4.4.3.5.4: IV = E(KS_enc, -1).
    fn chip_data_iv(&self) -> Result<[u8; BLOCK], Error> {
        aes::encrypt_block(self.enc.expose(), &[0xFF; BLOCK]).map_err(|_| Error::Crypto)
    }
}

/// What a terminal holds after PACE with chip authentication mapping. It proves nothing before [`ChipProof::verify`] was
/// called with a key that passive authentication vouches for.
#[derive(Debug)]
pub struct ChipProof {
    /// CA_IC.
    data: SecretKey,
    /// PK_Map,IC.
    mapping_key: Point,
}

impl ChipProof {
    pub(super) const fn new(data: SecretKey, mapping_key: Point) -> Self {
        Self { data, mapping_key }
    }

    /// The curve the chip's static key must be on.
    pub const fn curve(&self) -> Curve {
        self.mapping_key.curve()
    }

    /// Whether the chip has the private key to `key`, which must come from a verified EF.CardSecurity.
    // §4.4.3.5.2: PK_Map,IC = KA(CA_IC, PK_IC, D_IC).
    pub fn verify(&self, key: &Point) -> Result<(), Error> {
        let expected = self.data.agree_point(key).map_err(|_| Error::ChipProof)?;
        if expected == self.mapping_key { Ok(()) } else { Err(Error::ChipProof) }
    }

    /// The same with the keys a verified EF.CardSecurity holds: one of those on this curve must be the chip's.
    pub fn verify_with_infos(&self, infos: &[SecurityInfo]) -> Result<(), Error> {
        let mut keys = infos.iter().filter_map(SecurityInfo::chip_authentication_key);
        if keys.any(|key| key.curve() == self.curve() && self.verify(&key).is_ok()) {
            Ok(())
        } else {
            Err(Error::ChipProof)
        }
    }
}
