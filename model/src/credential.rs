//! The three secrets of the holder as formats: user code (用戶代碼), PIN1 and PIN2. How they are kept, compared and counted is
//! the business of the management system and of the chip. None can be serialised, and none shows itself in `Debug`.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::Error;

/// The code that sets and unblocks PINs. OPEN-12: 6 to 10 letters and digits, at least one of each, case-insensitive.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCode(Zeroizing<String>);

/// The PIN of the Encrypted Zone. CARD-30: exactly 6 digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin1(Zeroizing<String>);

/// The PIN of the Certificate Zone. CARD-35: 8 to 12 digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin2(Zeroizing<String>);

impl UserCode {
    /// Makes a code of eight characters for a collection confirmation from eight random bytes: six of capital letters and
    /// digits, then one letter and one digit. Characters that people confuse (0 O 1 I L) are left out.
    pub fn sample(random: [u8; 8]) -> Self {
        const LETTERS: &[u8; 23] = b"ABCDEFGHJKMNPQRSTUVWXYZ";
        const DIGITS: &[u8; 8] = b"23456789";
        let both: Vec<u8> = [&LETTERS[..], &DIGITS[..]].concat();
        let mut code: String =
            random[..6].iter().map(|b| char::from(both[usize::from(*b) % both.len()])).collect();
        code.push(char::from(LETTERS[usize::from(random[6]) % LETTERS.len()]));
        code.push(char::from(DIGITS[usize::from(random[7]) % DIGITS.len()]));
        Self(Zeroizing::new(code))
    }
}

impl FromStr for UserCode {
    type Err = Error;

    /// The stored form is upper case, so that comparison does not depend on case.
    fn from_str(text: &str) -> Result<Self, Error> {
        let form = (6..=10).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric())
            && text.bytes().any(|b| b.is_ascii_digit())
            && text.bytes().any(|b| b.is_ascii_alphabetic());
        if form { Ok(Self(Zeroizing::new(text.to_ascii_uppercase()))) } else { Err(Error::UserCode) }
    }
}

impl FromStr for Pin1 {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let form = text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit());
        if form { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(Error::Pin1) }
    }
}

impl FromStr for Pin2 {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let form = (8..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if form { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(Error::Pin2) }
    }
}

macro_rules! secret {
    ($($type:ident),*) => {$(
        impl $type {
            /// The secret itself: for the chip, the hash, or the holder's eyes.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(***)"))
            }
        }
    )*};
}

secret!(UserCode, Pin1, Pin2);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // proves: OPEN-12
    #[test]
    fn a_user_code_has_letters_and_digits_and_no_case() {
        for good in ["abc123", "A23456789z", "1a2b3c4d"] {
            assert_eq!(
                good.parse::<UserCode>().map(|c| c.expose().to_owned()),
                Ok(good.to_ascii_uppercase())
            );
        }
        assert_eq!("abc123".parse::<UserCode>(), "ABC123".parse::<UserCode>());
        for bad in ["ab123", "abcdef12345", "abcdef", "123456", "abc 123", "abc-12", "ａbc123"] {
            assert_eq!(bad.parse::<UserCode>(), Err(Error::UserCode), "{bad}");
        }
    }

    #[test]
    fn pins_keep_their_lengths_apart() {
        assert!("000000".parse::<Pin1>().is_ok());
        for bad in ["", "12345", "1234567", "12345a", "１23456"] {
            assert_eq!(bad.parse::<Pin1>(), Err(Error::Pin1), "{bad}");
        }
        assert!("12345678".parse::<Pin2>().is_ok() && "123456789012".parse::<Pin2>().is_ok());
        for bad in ["1234567", "1234567890123", "1234567a"] {
            assert_eq!(bad.parse::<Pin2>(), Err(Error::Pin2), "{bad}");
        }
    }

    proptest! {
        // proves: CARD-36
        #[test]
        fn no_text_is_both_a_pin1_and_a_pin2(text in "[0-9]{4,14}") {
            prop_assert!(text.parse::<Pin1>().is_err() || text.parse::<Pin2>().is_err());
        }

        #[test]
        fn a_sample_code_is_a_code(random: [u8; 8]) {
            let code = UserCode::sample(random);
            prop_assert_eq!(code.expose().parse::<UserCode>(), Ok(code.clone()));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!(
            "{:?} {:?} {:?}",
            "abc123".parse::<UserCode>(),
            "123456".parse::<Pin1>(),
            "12345678".parse::<Pin2>()
        );
        assert!(!shown.contains("12"), "{shown}");
    }
}
