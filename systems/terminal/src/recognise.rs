//! What kind of card lies in a reader, and which middleware speaks with it (CARD-54): a New eID, an older natural-person
//! certificate card (自然人憑證 of the government PKI), a travel document, or something else.
//!
//! The answer to reset tells the older cards, whose makers put the name of their PKI into the historical bytes; a New eID and
//! a travel document tell by the applications they select. Nothing is read that belongs to the holder, and no PIN is asked.
//! Without a PIN or an access number nobody can tell a New eID from a card that pretends to be one: that is what
//! [`crate::read_card`] is for.

use apdu::{CardChannel, StatusWord};
use serde::Serialize;

use crate::card::{Card, CardError};
use crate::commands::{self, AID_EMRTD, AID_PUBLIC};
use crate::lengths::historical_bytes;

/// The kinds of cards that matter at a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CardKind {
    /// It selects the public zone under its national identifier.
    NewEid,
    /// A card of the government PKI from before the New eID.
    NaturalPersonCertificate,
    /// It selects the eMRTD application and no public zone of ours.
    TravelDocument,
    /// Something else.
    Other,
}

/// What works with a kind of card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Middleware {
    /// This library; for the certificate zone also any PKCS #11 module that knows the SmartCard-HSM.
    NewEid,
    /// The PKCS #11 module that the older cards' issuer gives out. It is not part of this program.
    GovernmentPki,
    /// A reader of travel documents ([`crate::read_card`] is one).
    TravelDocument,
}

impl CardKind {
    /// Which middleware to use.
    pub const fn middleware(self) -> Option<Middleware> {
        match self {
            Self::NewEid => Some(Middleware::NewEid),
            Self::NaturalPersonCertificate => Some(Middleware::GovernmentPki),
            Self::TravelDocument => Some(Middleware::TravelDocument),
            Self::Other => None,
        }
    }

    /// Name of the kind and what to do with it, in Traditional Chinese and English.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NewEid => ("New eID（本程式）", "New eID (this program)"),
            Self::NaturalPersonCertificate => (
                "舊式自然人憑證 IC 卡（使用其發卡機關提供的 PKCS #11 元件）",
                "an older natural-person certificate card (use the PKCS #11 module of its issuer)",
            ),
            Self::TravelDocument => ("旅行證件（neweid read）", "a travel document (neweid read)"),
            Self::Other => ("其他卡片", "another card"),
        }
    }
}

/// Historical bytes of the contact chips of the older cards: the name of the government PKI, then the maker's letter.
const GOVERNMENT_PKI: &[u8] = b"CHTGPKI";
/// Answer to reset of their contactless form, without the check byte (from the public list of pcsc-tools).
const GOVERNMENT_PKI_CONTACTLESS: &[u8] =
    &[0x3B, 0x8B, 0x80, 0x01, 0x00, 0x31, 0xC1, 0x64, 0x08, 0x40, 0x21, 0x30, 0x00, 0x90, 0x00];

/// What the answer to reset alone tells: the older cards. Anything else has to be asked.
pub fn kind_of_atr(atr: &[u8]) -> Option<CardKind> {
    let named = historical_bytes(atr).is_some_and(|bytes| bytes.starts_with(GOVERNMENT_PKI));
    (named || atr.starts_with(GOVERNMENT_PKI_CONTACTLESS)).then_some(CardKind::NaturalPersonCertificate)
}

/// Resets the card and says what it is.
pub fn recognise<C: CardChannel>(card: &mut Card<C>) -> Result<CardKind, CardError> {
    let atr = card.reset()?;
    if let Some(kind) = kind_of_atr(&atr) {
        return Ok(kind);
    }
    // ISO/IEC 7816-4 §5.6: 6283 is an application that is suspended, and there.
    let mut selects = |aid: &[u8]| {
        let answer = card.send(&commands::select_application(aid))?;
        Ok::<_, CardError>(matches!(answer.sw, StatusWord::OK | StatusWord::DEACTIVATED))
    };
    if selects(AID_PUBLIC)? {
        return Ok(CardKind::NewEid);
    }
    Ok(if selects(AID_EMRTD)? { CardKind::TravelDocument } else { CardKind::Other })
}
