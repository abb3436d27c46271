//! Names, periods and keys of the authorities.

use curve::Curve;
use eac::cvc::{Date, Reference, Role};
use jiff::Timestamp;
use jiff::tz::Offset;

use crate::{EacPkiError, Result};

/// What can be chosen. The default is a test country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The country in references: two upper-case letters.
    pub country: String,
    /// Mnemonic of the CVCA.
    pub cvca_mnemonic: String,
    /// Mnemonic of the verifier of official terminals.
    pub official_mnemonic: String,
    /// Mnemonic of the verifier of other terminals, or none if there is none.
    pub non_official_mnemonic: Option<String>,
    /// The curve of all keys.
    pub curve: Curve,
    /// For how many days a CVCA certificate is valid.
    pub cvca_days: u16,
    /// For how many days a document verifier's certificate is valid.
    pub verifier_days: u16,
    /// For how many days a terminal's certificate is valid.
    pub terminal_days: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            country: "TW".into(),
            cvca_mnemonic: "NEIDCVCA".into(),
            official_mnemonic: "NEIDDVOFF".into(),
            non_official_mnemonic: None,
            curve: Curve::P521,
            // TR-03110-3 §C and BSI CP of the field: CVCA three years, verifiers some months, terminals days.
            cvca_days: 3 * 365,
            verifier_days: 180,
            terminal_days: 14,
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<()> {
        let in_order = self.terminal_days > 0
            && self.verifier_days / 3 > self.terminal_days
            && self.cvca_days / 3 > self.verifier_days;
        if !in_order {
            return Err(EacPkiError::Refused(
                "configuration: a terminal lasts less than a third of its verifier, a verifier less than a third of the CVCA",
            ));
        }
        for role in [Role::Cvca, Role::OfficialVerifier] {
            self.reference(role, 1)?;
        }
        Ok(())
    }

    /// The reference of the authority with this role and number.
    pub(crate) fn reference(&self, role: Role, sequence: i64) -> Result<Reference> {
        let mnemonic = match role {
            Role::Cvca => Some(self.cvca_mnemonic.as_str()),
            Role::OfficialVerifier => Some(self.official_mnemonic.as_str()),
            Role::NonOfficialVerifier => self.non_official_mnemonic.as_deref(),
            Role::Terminal => None,
        };
        let mnemonic = mnemonic.ok_or(EacPkiError::Refused("configuration: there is no such authority"))?;
        Ok(Reference::new(&self.country, mnemonic, &format!("{sequence:05}"))?)
    }

    /// The verifiers there are.
    pub(crate) fn verifiers(&self) -> Vec<Role> {
        let other = self.non_official_mnemonic.as_ref().map(|_| Role::NonOfficialVerifier);
        [Role::OfficialVerifier].into_iter().chain(other).collect()
    }
}

/// The day of a time, in UTC: certificates know days only.
pub(crate) fn day(t: Timestamp) -> Result<Date> {
    let date = Offset::UTC.to_datetime(t).date();
    let year = u16::try_from(date.year()).map_err(|_| OUT_OF_RANGE)?;
    Date::new(year, date.month().unsigned_abs(), date.day().unsigned_abs()).map_err(|_| OUT_OF_RANGE)
}

/// The last day of a period of `days` that begins today.
pub(crate) fn last_day(today: Timestamp, days: u16) -> Result<Date> {
    let end = today.as_second() + (i64::from(days) - 1) * 86_400;
    day(Timestamp::from_second(end).map_err(|_| OUT_OF_RANGE)?)
}

/// `days` later than `today`.
pub(crate) fn in_days(today: Timestamp, days: u16) -> Result<Date> {
    last_day(today, days + 1)
}

const OUT_OF_RANGE: EacPkiError = EacPkiError::Refused("a date outside 2000 to 2099");
