//! The verdict on a certificate without asking anybody.

use jiff::Timestamp;
use x509::Certificate;
use x509::path::{Options, Purpose, Refusal, Revocation, validate};

use crate::filter::{Filter, State, Trust};

/// What is known about a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Its chain is in order and the filter calls it good, suspended or revoked.
    State(State),
    /// Its chain is not in order: the filter has no say.
    Invalid(Refusal),
    /// The filter does not speak about it: ask OCSP or a list.
    NotCovered(Why),
}

/// Why a filter does not speak about a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The filter is of another issuer.
    OtherIssuer,
    /// The certificate begins after the filter was made.
    Newer,
    /// The filter is too old, or from the future.
    OutOfDate,
    /// The serial number has more than 128 bits, which this country's have not.
    Serial,
}

impl Why {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OtherIssuer => "the filter is of another issuer",
            Self::Newer => "the certificate begins after the filter was made",
            Self::OutOfDate => "the filter is out of date",
            Self::Serial => "the serial number is too long",
        }
    }
}

/// The verdict on `certificate` at `now` under `trust`. The chain is validated first: outside the certificates that exist a
/// filter's answer is noise.
pub fn check(certificate: &Certificate, filter: &Filter, trust: &Trust<'_>, now: Timestamp) -> Verdict {
    let options = Options { revocation: Revocation::Unchecked, ..Options::at(now).purpose(Purpose::Any) };
    let path = match validate(certificate, trust.intermediates, trust.anchors, &options) {
        Ok(path) => path,
        Err(refusal) => return Verdict::Invalid(refusal),
    };
    let Some(issuer) = path.certificates().get(1) else {
        return Verdict::NotCovered(Why::OtherIssuer);
    };
    if now < filter.this_update() || now > filter.next_update() {
        return Verdict::NotCovered(Why::OutOfDate);
    }
    if certificate.validity().not_before() > filter.this_update() {
        return Verdict::NotCovered(Why::Newer);
    }
    let Ok(serial) = certificate.serial() else { return Verdict::NotCovered(Why::Serial) };
    if serial.to_u128().is_none() {
        return Verdict::NotCovered(Why::Serial);
    }
    match filter.state(issuer, &serial) {
        Some(state) => Verdict::State(state),
        None => Verdict::NotCovered(Why::OtherIssuer),
    }
}
