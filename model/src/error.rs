//! What can be wrong with a value of the model. No message ever repeats the value: most are personal data or secrets.

/// Sorted by whose fault it is: whoever typed or sent the value first, then whoever asked for a forbidden step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not one letter and nine digits, or a second character other than 1, 2, 8 or 9.
    #[error("national identification number: one letter, then 1, 2, 8 or 9, then eight digits")]
    NationalIdForm,
    /// The form is right, the last digit is not.
    #[error("national identification number: wrong check digit")]
    NationalIdCheckDigit,
    /// Not three capital letters or digits followed by six digits.
    #[error("card serial: three capital letters or digits, then six digits")]
    CardSerial,
    /// Not six digits.
    #[error("card access number: six digits")]
    Can,
    /// Not 6 to 10 letters and digits with at least one of each.
    #[error("user code: 6 to 10 letters and digits, at least one of each")]
    UserCode,
    /// Not exactly six digits.
    #[error("PIN1: exactly 6 digits")]
    Pin1,
    /// Not 8 to 12 digits.
    #[error("PIN2: 8 to 12 digits")]
    Pin2,
    /// Not a date of the calendar, or not in the form asked for.
    #[error("not a date of the calendar")]
    Date,
    /// An empty name, a control character, or more than the longest name the register allows.
    #[error("name: 1 to {max} characters without control characters", max = crate::PersonName::MAX_CHARS)]
    Name,
    /// A CNS 11643 code outside planes 1 to 80, rows and columns 21 to 7E.
    #[error("CNS 11643 code: plane-rowcolumn, as in 1-4421")]
    CnsCode,
    /// A well-formed CNS 11643 code to which the table assigns no character.
    #[error("CNS 11643 code without an assigned character")]
    CnsUnassigned,
    /// A county, district or village code of the wrong length, or with anything but digits.
    #[error("administrative division code: 8 digits, a village 11")]
    DivisionCode,
    /// A well-formed code of no division, or a name that the division above does not have.
    #[error("no such county, district or village")]
    DivisionUnknown,
    /// A neighbourhood number of 0 or above 999, or an empty or overlong rest.
    #[error("address: neighbourhood 1 to 999, rest 1 to 120 characters")]
    Address,
    /// A text that names no value of the kind asked for.
    #[error("unknown {0}")]
    Unknown(&'static str),
    /// An office code or case number of the wrong form.
    #[error("{0} has the wrong form")]
    Form(&'static str),
    /// A step that the life cycle does not know from the present state.
    #[error("{life}: no step from {from} to {to}")]
    Transition {
        /// Which life cycle: `card`, `application` or `certificate`.
        life: &'static str,
        /// The present state.
        from: &'static str,
        /// The state asked for.
        to: &'static str,
    },
}
