//! The certificate barcode (自然人憑證條碼, NPC-65): two letters and fourteen digits that a shop's scanner reads, bound to one card. It is
//! drawn at random, says nothing about holder or card, and opens nothing: it names whom an invoice is for.
//!
//! A card gets it with its certificates where they are issued here, and otherwise when the holder first asks for it: until
//! then nobody could have shown it. Another card has another one. A barcode whose card has ended stands for the newest one
//! of the holder that is in force, so that what was aggregated to it is not lost ([`crate::CarrierInquiry`]).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use model::{CardSerial, CertificateState};
use npc::IssuedCertificate;
use serde_json::json;
use store::{Row, params};

use crate::request::HOLDER;
use crate::{Ra, RaError, Refusal, Result};

/// Two capital letters and fourteen digits. The holder's own: `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Barcode([u8; Self::LENGTH]);

impl Barcode {
    /// Characters.
    pub const LENGTH: usize = 16;
    const LETTERS: usize = 2;

    /// One for 16 random bytes: every barcode is as likely as any other, to one in 2^70.
    pub fn sample(random: [u8; 16]) -> Self {
        let mut rest = u128::from_be_bytes(random);
        let mut text = [0; Self::LENGTH];
        for (at, place) in text.iter_mut().enumerate() {
            let (first, choice) = if at < Self::LETTERS { (b'A', 26) } else { (b'0', 10) };
            // Below 26: it fits.
            *place = first + (rest % choice) as u8;
            rest /= choice;
        }
        Self(text)
    }

    /// As it is printed below its bars.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A text that is no barcode; it is not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a barcode has two capital letters and fourteen digits")]
pub struct NoBarcode;

impl FromStr for Barcode {
    type Err = NoBarcode;

    fn from_str(text: &str) -> Result<Self, NoBarcode> {
        let bytes: [u8; Self::LENGTH] = text.as_bytes().try_into().map_err(|_| NoBarcode)?;
        let (letters, digits) = bytes.split_at(Self::LETTERS);
        let formed = letters.iter().all(u8::is_ascii_uppercase) && digits.iter().all(u8::is_ascii_digit);
        if formed { Ok(Self(bytes)) } else { Err(NoBarcode) }
    }
}

impl fmt::Debug for Barcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Barcode(..)")
    }
}

/// A barcode with the card it was given for.
pub(crate) struct Given {
    pub(crate) barcode: Barcode,
    pub(crate) card: CardSerial,
    /// Keyed hash of the holder number, which all cards of a person share.
    pub(crate) holder: Vec<u8>,
}

/// How the certificates of a card stand, for its barcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    InForce,
    /// Suspended: it may come back.
    Held,
    /// Revoked or over, or there never were any.
    Ended,
}

impl Given {
    fn read(row: &Row) -> Result<Self> {
        let inconsistent = || RaError::Data("barcode");
        Ok(Self {
            barcode: row.read::<String>("barcode")?.parse().map_err(|_| inconsistent())?,
            card: row.read::<String>("card")?.parse().map_err(|_| inconsistent())?,
            holder: row.read("holder")?,
        })
    }
}

impl Ra {
    /// The barcode of a card, which is given to it if it has none. Refused where it has no certificate in force or suspended.
    pub(crate) async fn barcode_of(&self, card: CardSerial, now: Timestamp) -> Result<Barcode> {
        let all = self.authority.certificates_of(card, now).await?;
        let signing = all.iter().find(|certificate| standing(certificate, now) != Standing::Ended);
        let holder_no = &signing.ok_or(Refusal::NoCertificate)?.holder_no;
        let holder = self.keys.derive("barcode-holder").lookup(holder_no.as_bytes());
        for _ in 0..DRAWS {
            let drawn = Barcode::sample(self.draw());
            let given = store::transaction!(self.db, |tx| {
                // The card has one, or, once in ten thousand million million, another card has this one.
                let sql = "INSERT INTO barcode (barcode, card, holder, given_at) VALUES ($1, $2, $3, $4) \
                    ON CONFLICT DO NOTHING";
                let new = tx.execute(sql, params![drawn.as_str(), card.as_str(), holder, now]).await?;
                if new == 1 {
                    self.audit(tx, "barcode-give", card.as_str(), HOLDER, json!({}), now).await?;
                }
                let sql = "SELECT barcode, card, holder FROM barcode WHERE card = $1";
                Ok::<_, RaError>(tx.optional(sql, params![card.as_str()]).await?)
            })?;
            if let Some(row) = given {
                return Ok(Given::read(&row)?.barcode);
            }
        }
        Err(RaError::Data("barcode"))
    }

    pub(crate) async fn given(&self, barcode: &Barcode) -> Result<Option<Given>> {
        let sql = "SELECT barcode, card, holder FROM barcode WHERE barcode = $1";
        let row = self.db.optional(sql, params![barcode.as_str()]).await?;
        row.as_ref().map(Given::read).transpose()
    }

    /// How a card's certificates stand: in force if one that signs is.
    pub(crate) async fn standing(&self, card: CardSerial, now: Timestamp) -> Result<Standing> {
        let all = self.authority.certificates_of(card, now).await?;
        let of = |wanted| all.iter().any(|certificate| standing(certificate, now) == wanted);
        Ok(match () {
            () if of(Standing::InForce) => Standing::InForce,
            () if of(Standing::Held) => Standing::Held,
            () => Standing::Ended,
        })
    }

    /// The barcode that this one stands for: itself while it is in force, none while it is suspended, and once it has ended the
    /// newest in force of the same holder.
    pub(crate) async fn stands_for(&self, given: Given, now: Timestamp) -> Result<Option<Given>> {
        match self.standing(given.card, now).await? {
            Standing::InForce => return Ok(Some(given)),
            Standing::Held => return Ok(None),
            Standing::Ended => {}
        }
        let sql =
            "SELECT barcode, card, holder FROM barcode WHERE holder = $1 ORDER BY given_at DESC, barcode";
        for row in self.db.all(sql, params![&given.holder]).await? {
            let other = Given::read(&row)?;
            if self.standing(other.card, now).await? == Standing::InForce {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }
}

/// How a certificate stands; one for encryption says nothing.
fn standing(certificate: &IssuedCertificate, now: Timestamp) -> Standing {
    match certificate.state {
        _ if !certificate.slot.is_signing() || certificate.validity.not_after < now => Standing::Ended,
        CertificateState::Good if certificate.validity.contains(now) => Standing::InForce,
        CertificateState::Suspended { .. } => Standing::Held,
        _ => Standing::Ended,
    }
}

/// How often a barcode is drawn before something is wrong with what draws.
const DRAWS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_barcode_has_two_letters_and_fourteen_digits() {
        let all: Vec<_> = [[0; 16], [0xFF; 16], [7; 16]].map(Barcode::sample).to_vec();
        assert_eq!(all[0].as_str(), "AA00000000000000");
        for barcode in &all {
            assert_eq!(barcode.as_str().parse(), Ok(*barcode));
            assert!(!format!("{barcode:?}").contains(&barcode.as_str()[2..]));
        }
        assert_ne!(all[1], all[2]);
        let long = "AB123456789012345";
        for bad in [
            "",
            "AB1234567890123",
            long,
            "ab12345678901234",
            "A112345678901234",
            "AB1234567890123X",
            "憑證12345678901",
        ] {
            assert_eq!(bad.parse::<Barcode>(), Err(NoBarcode), "{bad}");
        }
    }
}
