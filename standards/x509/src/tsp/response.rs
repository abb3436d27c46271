//! Responses (RFC 3161 §2.4.2): a token, or why there is none.

use tlv::encode;

use super::{Request, Token};
use crate::asn1::{BIT_STRING, Der, SEQUENCE, UTF8_STRING, integer};
use crate::{Certificate, Error};

/// `PKIFailureInfo`: why no token was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Failure {
    /// The hash is not accepted.
    BadAlgorithm = 0,
    /// This kind of request is not answered.
    BadRequest = 2,
    /// The request is not what it should be.
    BadDataFormat = 5,
    /// The clock cannot be relied on.
    TimeNotAvailable = 14,
    /// The policy is not one of this authority's.
    UnacceptedPolicy = 15,
    /// An extension is not known.
    UnacceptedExtension = 16,
    /// The authority failed, or has too much to do.
    SystemFailure = 25,
}

impl Failure {
    const ALL: [Self; 7] = [
        Self::BadAlgorithm,
        Self::BadRequest,
        Self::BadDataFormat,
        Self::TimeNotAvailable,
        Self::UnacceptedPolicy,
        Self::UnacceptedExtension,
        Self::SystemFailure,
    ];

    /// What is wrong with a request that could not be read.
    pub const fn of(error: &Error) -> Self {
        match error {
            Error::UnsupportedAlgorithm(_) => Self::BadAlgorithm,
            Error::Profile(_) => Self::UnacceptedExtension,
            _ => Self::BadDataFormat,
        }
    }
}

/// A response without a token.
pub fn rejection(failure: Failure, text: &str) -> Vec<u8> {
    let bit = failure as u8;
    let mut bits = vec![0; usize::from(bit / 8) + 2];
    // X.690 §11.2.2: a named bit list ends with its last one bit.
    bits[0] = 7 - bit % 8;
    bits[usize::from(bit / 8) + 1] = 0x80 >> (bit % 8);
    let free_text = tlv::sequence(&[&encode(UTF8_STRING, text.as_bytes())]);
    // PKIStatus rejection(2)
    let status = tlv::sequence(&[&integer(2), &free_text, &encode(BIT_STRING, &bits)]);
    tlv::sequence(&[&status])
}

/// A parsed TimeStampResp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Granted.
    Token(Box<Token>),
    /// Refused, with the first failure bit that is set and known.
    Refused(Option<Failure>),
}

impl Response {
    /// Reads a DER TimeStampResp.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let mut outer = Der::outer(der)?;
        let mut status = outer.sequence()?;
        let code = status.small()?;
        status.optional(SEQUENCE)?;
        let failure = status.optional(BIT_STRING)?.map(|t| t.value);
        status.finish()?;
        // granted(0), grantedWithMods(1)
        if code <= 1 {
            let token = outer.any()?.raw;
            outer.finish()?;
            return Ok(Self::Token(Box::new(Token::parse(token)?)));
        }
        outer.finish()?;
        let set = |f: &Failure| {
            let bit = *f as usize;
            failure.and_then(|bits| bits.get(bit / 8 + 1)).is_some_and(|b| b & (0x80 >> (bit % 8)) != 0)
        };
        Ok(Self::Refused(Failure::ALL.into_iter().find(set)))
    }

    /// The token, if it answers this request and its signer is the certificate inside, which is returned. Whether that is
    /// to be trusted is the business of [`crate::path`].
    pub fn verify(&self, request: &Request) -> Result<&Certificate, Error> {
        let Self::Token(token) = self else { return Err(Error::Malformed("time stamp response: refused")) };
        if !token.imprint.same(&request.imprint) || token.nonce != request.nonce {
            return Err(Error::Malformed("time stamp of something else"));
        }
        token.verify()
    }
}
