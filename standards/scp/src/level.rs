//! What a channel protects, and which variant of the protocol it is.

use crate::Error;

/// §7.1.2.1: security level, the reference control parameter P1 of EXTERNAL AUTHENTICATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum SecurityLevel {
    /// Authenticated only: no secure messaging.
    Authenticated = 0x00,
    /// Commands carry a MAC.
    CMac = 0x01,
    /// Commands are encrypted and carry a MAC.
    CDecryptionCMac = 0x03,
    /// Commands and responses carry a MAC.
    CMacRMac = 0x11,
    /// Commands are encrypted, commands and responses carry a MAC.
    CDecryptionCMacRMac = 0x13,
    /// Commands and responses are encrypted and carry a MAC.
    Full = 0x33,
}

impl SecurityLevel {
    /// All levels.
    pub const ALL: [Self; 6] = [
        Self::Authenticated,
        Self::CMac,
        Self::CDecryptionCMac,
        Self::CMacRMac,
        Self::CDecryptionCMacRMac,
        Self::Full,
    ];

    /// The level with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|l| *l as u8 == code)
    }

    /// Whether commands carry a MAC.
    pub const fn c_mac(self) -> bool {
        self as u8 & 0x01 != 0
    }

    /// Whether command data is encrypted.
    pub const fn c_decryption(self) -> bool {
        self as u8 & 0x02 != 0
    }

    /// Whether responses carry a MAC.
    pub const fn r_mac(self) -> bool {
        self as u8 & 0x10 != 0
    }

    /// Whether response data is encrypted.
    pub const fn r_encryption(self) -> bool {
        self as u8 & 0x20 != 0
    }
}

/// §5.1: how long challenges, cryptograms and MACs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// 8 bytes.
    S8,
    /// 16 bytes.
    S16,
}

impl Mode {
    /// Bytes of a challenge, a cryptogram and a MAC.
    pub const fn len(self) -> usize {
        match self {
            Self::S8 => 8,
            Self::S16 => 16,
        }
    }

    /// Never: both modes have a length. Here because `len` asks for it.
    pub const fn is_empty(self) -> bool {
        false
    }

    pub(crate) fn of_challenge(challenge: &[u8]) -> Result<Self, Error> {
        match challenge.len() {
            8 => Ok(Self::S8),
            16 => Ok(Self::S16),
            _ => Err(Error::Length),
        }
    }
}

/// §5.1: the parameter "i", which says which variant of SCP03 a card implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// S8 or S16 (bit 1).
    pub mode: Mode,
    /// The card challenge is derived from a sequence counter (bit 5) instead of being random.
    pub pseudo_random: bool,
    /// Responses can carry a MAC (bit 6).
    pub r_mac: bool,
    /// Responses can be encrypted (bit 7, only together with bit 6).
    pub r_encryption: bool,
}

impl Options {
    /// i = 70: S8, pseudo-random challenge, R-MAC and R-ENCRYPTION.
    pub const I70: Self = Self { mode: Mode::S8, pseudo_random: true, r_mac: true, r_encryption: true };
    /// i = 60: S8, random challenge, R-MAC and R-ENCRYPTION.
    pub const I60: Self = Self { pseudo_random: false, ..Self::I70 };
    /// i = 71: S16, pseudo-random challenge, R-MAC and R-ENCRYPTION.
    pub const I71: Self = Self { mode: Mode::S16, ..Self::I70 };
    /// i = 61: S16, random challenge, R-MAC and R-ENCRYPTION.
    pub const I61: Self = Self { mode: Mode::S16, ..Self::I60 };

    /// The parameter "i".
    pub const fn to_i(self) -> u8 {
        matches!(self.mode, Mode::S16) as u8
            | (self.pseudo_random as u8) << 4
            | (self.r_mac as u8) << 5
            | (self.r_encryption as u8) << 6
    }

    /// The options that "i" stands for; `None` for reserved values.
    pub fn from_i(i: u8) -> Option<Self> {
        let options = Self {
            mode: if i & 0x01 == 0 { Mode::S8 } else { Mode::S16 },
            pseudo_random: i & 0x10 != 0,
            r_mac: i & 0x20 != 0,
            r_encryption: i & 0x40 != 0,
        };
        (i & 0x8E == 0 && (options.r_mac || !options.r_encryption)).then_some(options)
    }

    pub(crate) const fn allows(self, level: SecurityLevel) -> bool {
        (self.r_mac || !level.r_mac()) && (self.r_encryption || !level.r_encryption())
    }
}
