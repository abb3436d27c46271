//! Status words (ISO/IEC 7816-4 §5.6; the PACE and PIN values also TR-03110-3 §B).

/// The two status bytes that end every response.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// Normal processing.
    pub const OK: Self = Self(0x9000);
    /// Warning: end of file reached before Le bytes were read.
    pub const END_OF_FILE: Self = Self(0x6282);
    /// Warning: selected file or reference data deactivated.
    pub const DEACTIVATED: Self = Self(0x6283);
    /// Warning without counter: authentication failed.
    pub const AUTHENTICATION_FAILED: Self = Self(0x6300);
    /// Error: memory failure.
    pub const MEMORY_FAILURE: Self = Self(0x6581);
    /// Wrong length.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// Logical channel not supported.
    pub const LOGICAL_CHANNEL_NOT_SUPPORTED: Self = Self(0x6881);
    /// Secure messaging not supported.
    pub const SECURE_MESSAGING_NOT_SUPPORTED: Self = Self(0x6882);
    /// Last command of the chain expected.
    pub const LAST_COMMAND_EXPECTED: Self = Self(0x6883);
    /// Command chaining not supported.
    pub const CHAINING_NOT_SUPPORTED: Self = Self(0x6884);
    /// Security status not satisfied.
    pub const SECURITY_STATUS_NOT_SATISFIED: Self = Self(0x6982);
    /// Authentication method blocked.
    pub const AUTHENTICATION_BLOCKED: Self = Self(0x6983);
    /// Reference data not usable.
    pub const REFERENCE_DATA_NOT_USABLE: Self = Self(0x6984);
    /// Conditions of use not satisfied.
    pub const CONDITIONS_NOT_SATISFIED: Self = Self(0x6985);
    /// Command not allowed: no current EF.
    pub const NO_CURRENT_EF: Self = Self(0x6986);
    /// Expected secure messaging data objects missing.
    pub const SM_DATA_MISSING: Self = Self(0x6987);
    /// Incorrect secure messaging data objects.
    pub const SM_DATA_INCORRECT: Self = Self(0x6988);
    /// Incorrect parameters in the command data field.
    pub const WRONG_DATA: Self = Self(0x6A80);
    /// Function not supported.
    pub const FUNCTION_NOT_SUPPORTED: Self = Self(0x6A81);
    /// File or application not found.
    pub const FILE_NOT_FOUND: Self = Self(0x6A82);
    /// Record not found.
    pub const RECORD_NOT_FOUND: Self = Self(0x6A83);
    /// Not enough memory space in the file.
    pub const NOT_ENOUGH_MEMORY: Self = Self(0x6A84);
    /// Incorrect parameters P1-P2.
    pub const INCORRECT_P1_P2: Self = Self(0x6A86);
    /// Referenced data not found.
    pub const REFERENCED_DATA_NOT_FOUND: Self = Self(0x6A88);
    /// Wrong parameters P1-P2: offset beyond the end of the file.
    pub const WRONG_P1_P2: Self = Self(0x6B00);
    /// Instruction code not supported or invalid.
    pub const INS_NOT_SUPPORTED: Self = Self(0x6D00);
    /// Class not supported.
    pub const CLA_NOT_SUPPORTED: Self = Self(0x6E00);
    /// No precise diagnosis.
    pub const UNKNOWN: Self = Self(0x6F00);

    /// Warning with a counter: verification failed, `tries` further tries (0 to 15) remain.
    pub const fn tries_left(tries: u8) -> Self {
        Self(0x63C0 | (tries as u16 & 0x0F))
    }

    /// The remaining tries of a `63Cx` warning.
    pub const fn remaining_tries(self) -> Option<u8> {
        if self.0 & 0xFFF0 == 0x63C0 { Some((self.0 & 0x0F) as u8) } else { None }
    }

    /// Whether the command did what it was asked to: 9000, or 61xx (more data waits).
    pub const fn is_ok(self) -> bool {
        self.0 == 0x9000 || self.0 >> 8 == 0x61
    }
}

impl std::fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl std::fmt::Display for StatusWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}
