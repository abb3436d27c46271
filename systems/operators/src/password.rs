//! Passwords: the rule they follow (SECURITY-16) and their slow hashes (SECURITY-23).

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use curve::{SecretBytes, constant_time_eq};
use tokio::sync::Semaphore;

use crate::{OperatorError, Result};

/// What a hash costs: RFC 9106 §4 asks for as much as the machine can bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        // OWASP's second choice for Argon2id: 19 MiB, two passes.
        Self { memory: 19 * 1024, passes: 2 }
    }
}

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// Fewer than 12 or more than 128 characters.
    Length,
    /// Not all of upper case, lower case, digits and other characters.
    Classes,
    /// The account's name is in it.
    Name,
    /// A run of the keyboard, the alphabet or the digits, or one character again and again.
    Sequence,
    /// One of the last five.
    Reused,
}

impl Weakness {
    /// What is wrong, in both languages.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Length => "密碼須 12 至 128 個字元 / a password has 12 to 128 characters",
            Self::Classes => {
                "密碼須含大寫、小寫英文字母、數字與符號 / a password has upper and lower case letters, digits and symbols"
            }
            Self::Name => "密碼不得包含帳號 / a password does not contain the account's name",
            Self::Sequence => {
                "密碼不得含四個以上連續或重複的字元 / a password has no run of four or more characters in order or alike"
            }
            Self::Reused => "不得使用最近五次的密碼 / the last five passwords cannot be used again",
        }
    }
}

/// Whether a password may be used by this operator; whether it was used before is looked up elsewhere.
pub fn check(name: &str, password: &str) -> Result<(), Weakness> {
    let chars: Vec<char> = password.chars().collect();
    if !(SHORTEST..=LONGEST).contains(&chars.len()) {
        return Err(Weakness::Length);
    }
    let has = |class: fn(&char) -> bool| chars.iter().any(class);
    let other = |c: &char| !c.is_alphanumeric() && !c.is_control();
    if !(has(|c| c.is_ascii_uppercase())
        && has(|c| c.is_ascii_lowercase())
        && has(|c| c.is_ascii_digit())
        && chars.iter().any(other))
    {
        return Err(Weakness::Classes);
    }
    let lower: Vec<char> = password.to_lowercase().chars().collect();
    if lower.iter().collect::<String>().contains(&name.to_lowercase()) {
        return Err(Weakness::Name);
    }
    let runs = |window: &[char]| {
        let step = |by: i64| {
            window.windows(2).all(|pair| i64::from(u32::from(pair[1])) - i64::from(u32::from(pair[0])) == by)
        };
        let text: String = window.iter().collect();
        let back: String = window.iter().rev().collect();
        let row = ROWS.iter().any(|row| row.contains(&text) || row.contains(&back));
        step(0) || row || (window.iter().all(char::is_ascii_alphanumeric) && (step(1) || step(-1)))
    };
    if lower.windows(RUN).any(runs) { Err(Weakness::Sequence) } else { Ok(()) }
}

/// Hashes off the requests' threads, no more at a time than the machine has processors.
#[derive(Clone)]
pub(crate) struct Hasher {
    cost: Cost,
    places: Arc<Semaphore>,
}

/// A stored password.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) salt: [u8; 16],
    pub(crate) hash: [u8; 32],
    pub(crate) cost: Cost,
}

impl Hasher {
    pub(crate) fn new(cost: Cost) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { cost, places: Arc::new(Semaphore::new(processors)) }
    }

    /// The hash to be stored.
    pub(crate) async fn hash(&self, password: &SecretBytes, salt: [u8; 16]) -> Result<Stored> {
        let hash = self.compute(password, salt, self.cost).await?;
        Ok(Stored { salt, hash, cost: self.cost })
    }

    /// Whether the password is the stored one.
    pub(crate) async fn matches(&self, password: &SecretBytes, stored: &Stored) -> Result<bool> {
        let hash = self.compute(password, stored.salt, stored.cost).await?;
        Ok(constant_time_eq(&hash, &stored.hash))
    }

    /// As much work as a comparison: for an account that is not there.
    pub(crate) async fn waste(&self, password: &SecretBytes) -> Result<()> {
        self.compute(password, [0; 16], self.cost).await.map(drop)
    }

    async fn compute(&self, password: &SecretBytes, salt: [u8; 16], cost: Cost) -> Result<[u8; 32]> {
        let died = |_| OperatorError::Inconsistent("hash worker");
        let place = Arc::clone(&self.places).acquire_owned().await;
        let password = password.clone();
        let work = move || {
            // Kept by the work, not by the request: one that was given up still computes.
            let _place = place;
            let params = Params::new(cost.memory, cost.passes, 1, Some(32))
                .map_err(|_| OperatorError::Inconsistent("hash cost"))?;
            let mut hash = [0; 32];
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(password.expose(), &salt, &mut hash)
                .map_err(|_| OperatorError::Inconsistent("password hash"))?;
            Ok(hash)
        };
        tokio::task::spawn_blocking(work).await.map_err(died)?
    }
}

/// Fewest characters.
const SHORTEST: usize = 12;
/// Most characters.
const LONGEST: usize = 128;
/// From how many characters on a run counts.
const RUN: usize = 4;
/// Rows of a keyboard.
const ROWS: [&str; 4] = ["1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./"];

#[cfg(test)]
mod tests {
    use super::*;

    // proves: SECURITY-L18
    #[test]
    fn the_password_rule() {
        let bad = [
            ("Aa1!Aa1!Aa1", Weakness::Length),
            ("lowercase-only-7", Weakness::Classes),
            ("UPPERCASE-ONLY-7", Weakness::Classes),
            ("No-Digits-At-All", Weakness::Classes),
            ("NoSymbols4You2See", Weakness::Classes),
            ("My-Anna-Key-42!", Weakness::Name),
            ("Qwer-tz!7zzBlue", Weakness::Sequence),
            ("Blue!4321x-Tree", Weakness::Sequence),
            ("Blue!abcdX-Tr33", Weakness::Sequence),
            ("Bluuuue!7-Tree-x", Weakness::Sequence),
        ];
        for (password, weakness) in bad {
            assert_eq!(check("anna", password), Err(weakness), "{password}");
        }
        assert_eq!(check("anna", &"aA1!".repeat(33)), Err(Weakness::Length));
        for password in ["Kx7!mountain-Rain", "correct-Horse-7-staple", "雨落山Aa7!雨落山Bc8?"] {
            assert_eq!(check("anna", password), Ok(()), "{password}");
        }
    }

    proptest::proptest! {
        // Nothing anybody types makes the rule fail otherwise than with a reason.
        #[test]
        fn any_text_is_judged(name in "[a-z]{1,8}", text in ".{0,200}") {
            let _ = check(&name, &text);
        }
    }
}
