//! The passwords of PACE and the key π each of them gives (ICAO 9303-11 §4.4.4.1 and §9.7.3, TR-03110-3 §A.2.2).

use curve::{Hash, SecretBytes};

use crate::{Cipher, Error, kdf};

/// A password a terminal proves to know, and the chip compares with.
#[derive(Debug)]
pub enum Password {
    /// Card access number: the digits printed on the card.
    Can(SecretBytes),
    /// MRZ information: document number, date of birth and date of expiry with their check digits.
    Mrz(SecretBytes),
    /// Personal identification number of the eID application (PIN1).
    Pin(SecretBytes),
    /// PIN unblocking key.
    Puk(SecretBytes),
}

/// Which password a protocol run uses: data object 83 of MSE:Set AT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PasswordReference {
    /// MRZ information.
    Mrz = 1,
    /// Card access number.
    Can = 2,
    /// PIN of the eID application.
    Pin = 3,
    /// PIN unblocking key.
    Puk = 4,
}

impl PasswordReference {
    /// Reads the reference number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Mrz),
            2 => Some(Self::Can),
            3 => Some(Self::Pin),
            4 => Some(Self::Puk),
            _ => None,
        }
    }
}

impl Password {
    /// A card access number.
    pub fn can(digits: &str) -> Self {
        Self::Can(digits.as_bytes().to_vec().into())
    }

    /// The MRZ fields as printed, without check digits; dates as YYMMDD.
    pub fn mrz(document_number: &str, birth: &str, expiry: &str) -> Self {
        Self::mrz_information(&mrz_information(document_number, birth, expiry))
    }

    /// The MRZ information with its check digits already in it.
    pub fn mrz_information(information: &str) -> Self {
        Self::Mrz(information.as_bytes().to_vec().into())
    }

    /// A PIN.
    pub fn pin(digits: &[u8]) -> Self {
        Self::Pin(digits.to_vec().into())
    }

    /// A PUK.
    pub fn puk(digits: &[u8]) -> Self {
        Self::Puk(digits.to_vec().into())
    }

    /// Its reference in MSE:Set AT.
    pub const fn reference(&self) -> PasswordReference {
        match self {
            Self::Can(_) => PasswordReference::Can,
            Self::Mrz(_) => PasswordReference::Mrz,
            Self::Pin(_) => PasswordReference::Pin,
            Self::Puk(_) => PasswordReference::Puk,
        }
    }

    /// K_π, the key that encrypts the nonce.
    // ICAO 9303-11 §9.7.3: K_π = KDF(f(π), 3); f is SHA-1 of the MRZ information, or the characters of the CAN as they are.
    pub fn key(&self, cipher: Cipher) -> Result<SecretBytes, Error> {
        let secret = match self {
            Self::Can(s) | Self::Mrz(s) | Self::Pin(s) | Self::Puk(s) => s.expose(),
        };
        if secret.is_empty() {
            return Err(Error::Password);
        }
        Ok(match self {
            Self::Mrz(_) => {
                let hashed = zeroize::Zeroizing::new(Hash::Sha1.digest(secret));
                kdf::kdf(&hashed, kdf::PASSWORD, cipher)
            }
            _ => kdf::kdf(secret, kdf::PASSWORD, cipher),
        })
    }
}

/// MRZ information: the three fields, each followed by its check digit. A document number of fewer than nine characters
/// is filled up with `<`; a longer one is taken whole.
// ICAO 9303-11 §4.3.2 and 9303-3 §4.9 (check digits: weights 7, 3, 1).
pub fn mrz_information(document_number: &str, birth: &str, expiry: &str) -> String {
    let mut out = String::with_capacity(24);
    for (field, width) in [(document_number, 9), (birth, 6), (expiry, 6)] {
        let start = out.len();
        out.push_str(&field.to_ascii_uppercase());
        while out.len() - start < width {
            out.push('<');
        }
        out.push(check_digit(&out[start..]));
    }
    out
}

fn check_digit(field: &str) -> char {
    let sum: u32 = field
        .bytes()
        .zip([7, 3, 1].iter().cycle())
        .map(|(c, weight)| {
            let value = match c {
                b'0'..=b'9' => c - b'0',
                b'A'..=b'Z' => c - b'A' + 10,
                _ => 0,
            };
            u32::from(value) * weight
        })
        .sum();
    char::from(b'0' + (sum % 10) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mrz_information_of_the_worked_examples() {
        // ICAO 9303-11 Appendix G.1 and Appendix D.2.
        assert_eq!(mrz_information("T22000129", "640812", "101031"), "T22000129364081251010318");
        assert_eq!(mrz_information("L898902C", "690806", "940623"), "L898902C<369080619406236");
    }

    #[test]
    fn an_empty_password_is_refused() {
        assert_eq!(Password::can("").key(Cipher::Aes128).err(), Some(Error::Password));
    }

    #[test]
    fn debug_hides_the_password() {
        assert!(!format!("{:?}", Password::can("471147")).contains("471147"));
    }
}
