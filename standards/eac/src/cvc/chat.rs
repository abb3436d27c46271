//! The certificate holder authorisation template: who a terminal is and what it may do (TR-03110-3 §C.4, TR-03110-2 §3.2).

use std::fmt;
use std::ops::{BitAnd, BitOr, Not, Sub};

use const_oid::ObjectIdentifier;
use tlv::{Reader, oid};

use super::{CvcError, der};

/// What kind of terminal a certificate or a chain of certificates is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TerminalType {
    /// Reads travel documents.
    InspectionSystem,
    /// Reads and writes the eID application: the terminals of the Encrypted Zone.
    AuthenticationTerminal,
    /// Makes signatures with the card.
    SignatureTerminal,
}

impl TerminalType {
    /// All of them.
    pub const ALL: [Self; 3] =
        [Self::InspectionSystem, Self::AuthenticationTerminal, Self::SignatureTerminal];

    /// Its object identifier.
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::InspectionSystem => oid::ROLE_INSPECTION_SYSTEM,
            Self::AuthenticationTerminal => oid::ROLE_AUTHENTICATION_TERMINAL,
            Self::SignatureTerminal => oid::ROLE_SIGNATURE_TERMINAL,
        }
    }

    /// Bytes of the relative authorisation.
    const fn width(self) -> usize {
        match self {
            Self::InspectionSystem | Self::SignatureTerminal => 1,
            Self::AuthenticationTerminal => 5,
        }
    }

    /// Bits of the relative authorisation below the two of the role.
    const fn mask(self) -> u64 {
        (1 << (self.width() * 8 - 2)) - 1
    }
}

/// What the holder of a certificate is in the hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Country verifying certification authority: the trust point.
    Cvca,
    /// Document verifier of the own country and government.
    OfficialVerifier,
    /// Document verifier of another country, or of non-governmental services.
    NonOfficialVerifier,
    /// Terminal.
    Terminal,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Cvca, Self::OfficialVerifier, Self::NonOfficialVerifier, Self::Terminal];

    // TR-03110-3 §C.4: the two most significant bits.
    const fn bits(self) -> u8 {
        match self {
            Self::Cvca => 0b11,
            Self::OfficialVerifier => 0b10,
            Self::NonOfficialVerifier => 0b01,
            Self::Terminal => 0b00,
        }
    }

    const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b11 => Self::Cvca,
            0b10 => Self::OfficialVerifier,
            0b01 => Self::NonOfficialVerifier,
            _ => Self::Terminal,
        }
    }

    /// Whether this is a document verifier of either kind.
    pub const fn is_verifier(self) -> bool {
        matches!(self, Self::OfficialVerifier | Self::NonOfficialVerifier)
    }
}

/// A set of rights: the bits of a relative authorisation below those of the role. What a bit means depends on the type of
/// terminal; the named ones are those of authentication terminals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rights(u64);

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl Rights {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*
            /// Every right of an authentication terminal that has a name.
            pub const ALL: Self = Self(0 $(| 1 << $bit)*);
            /// Every named right of an authentication terminal with its name, the highest bit first.
            pub const NAMED: &[(&str, Self)] = &[$((stringify!($name), Self::$name)),*];
        }
    };
}

// TR-03110-3 §C.4.2, v2.21.
rights! {
    /// Write DG17.
    WRITE_DG17 = 37;
    /// Write DG18.
    WRITE_DG18 = 36;
    /// Write DG19.
    WRITE_DG19 = 35;
    /// Write DG20.
    WRITE_DG20 = 34;
    /// Write DG21.
    WRITE_DG21 = 33;
    /// Write DG22.
    WRITE_DG22 = 32;
    /// Pseudonymous signature for authentication.
    PSEUDONYMOUS_SIGNATURE = 30;
    /// Read DG22.
    READ_DG22 = 29;
    /// Read DG21.
    READ_DG21 = 28;
    /// Read DG20.
    READ_DG20 = 27;
    /// Read DG19.
    READ_DG19 = 26;
    /// Read DG18.
    READ_DG18 = 25;
    /// Read DG17.
    READ_DG17 = 24;
    /// Read DG16.
    READ_DG16 = 23;
    /// Read DG15.
    READ_DG15 = 22;
    /// Read DG14.
    READ_DG14 = 21;
    /// Read DG13.
    READ_DG13 = 20;
    /// Read DG12.
    READ_DG12 = 19;
    /// Read DG11.
    READ_DG11 = 18;
    /// Read DG10.
    READ_DG10 = 17;
    /// Read DG9.
    READ_DG9 = 16;
    /// Read DG8.
    READ_DG8 = 15;
    /// Read DG7.
    READ_DG7 = 14;
    /// Read DG6.
    READ_DG6 = 13;
    /// Read DG5.
    READ_DG5 = 12;
    /// Read DG4.
    READ_DG4 = 11;
    /// Read DG3.
    READ_DG3 = 10;
    /// Read DG2.
    READ_DG2 = 9;
    /// Read DG1.
    READ_DG1 = 8;
    /// Install a qualified certificate.
    INSTALL_QUALIFIED_CERTIFICATE = 7;
    /// Install a certificate.
    INSTALL_CERTIFICATE = 6;
    /// Set and unblock PINs.
    PIN_MANAGEMENT = 5;
    /// Use the access number in place of the PIN.
    CAN_ALLOWED = 4;
    /// Privileged terminal: may use the chip-individual keys.
    PRIVILEGED_TERMINAL = 3;
    /// Ask for the identifier of the card in a sector.
    RESTRICTED_IDENTIFICATION = 2;
    /// Compare the municipality.
    MUNICIPALITY_VERIFICATION = 1;
    /// Compare the age.
    AGE_VERIFICATION = 0;
}

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self(0);

    /// The right to read data group `number`, 1 to 22.
    pub const fn read_dg(number: u8) -> Option<Self> {
        match number {
            1..=22 => Some(Self(1 << (number as u32 + 7))),
            _ => None,
        }
    }

    /// The right to write data group `number`, 17 to 22.
    pub const fn write_dg(number: u8) -> Option<Self> {
        match number {
            17..=22 => Some(Self(1 << (54 - number as u32))),
            _ => None,
        }
    }

    /// The bits as a number.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The rights with these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Whether every right of `other` is among these.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both sets together, in constants.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of these rights as those of an authentication terminal, the highest bit first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.iter().filter(move |(_, right)| self.contains(*right)).map(|(name, _)| *name)
    }
}

impl BitAnd for Rights {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Rights {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Sub for Rights {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self & !other
    }
}

impl Not for Rights {
    type Output = Self;
    fn not(self) -> Self {
        Self(!self.0)
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rights({:#x})", self.0)
    }
}

/// A certificate holder authorisation template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chat {
    terminal_type: TerminalType,
    role: Role,
    rights: Rights,
}

/// Tag of the template.
pub(crate) const CHAT: u32 = 0x7F4C;
const OBJECT_IDENTIFIER: u32 = 0x06;
pub(super) const DISCRETIONARY_DATA: u32 = 0x53;

impl Chat {
    /// A template. Bits that the type of terminal does not have are left out.
    pub const fn new(terminal_type: TerminalType, role: Role, rights: Rights) -> Self {
        Self { terminal_type, role, rights: Rights(rights.0 & terminal_type.mask()) }
    }

    /// The template of an authentication terminal, or of an authority above such terminals.
    pub const fn authentication(role: Role, rights: Rights) -> Self {
        Self::new(TerminalType::AuthenticationTerminal, role, rights)
    }

    /// The type of terminal.
    pub const fn terminal_type(&self) -> TerminalType {
        self.terminal_type
    }

    /// The role.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The rights.
    pub const fn rights(&self) -> Rights {
        self.rights
    }

    /// The same template with these rights only.
    #[must_use]
    pub const fn with_rights(self, rights: Rights) -> Self {
        Self::new(self.terminal_type, self.role, rights)
    }

    /// Reads the whole data object 7F4C.
    pub fn parse(input: &[u8]) -> Result<Self, CvcError> {
        Self::from_value(der::sole(input, CHAT, WHAT)?.value)
    }

    /// Reads the value of data object 7F4C: what PACE hands on.
    pub fn from_value(value: &[u8]) -> Result<Self, CvcError> {
        let mut reader = Reader::new(value);
        let identifier = der::next(&mut reader, OBJECT_IDENTIFIER, WHAT)?.value;
        let bytes = der::next(&mut reader, DISCRETIONARY_DATA, WHAT)?.value;
        der::finish(&reader, WHAT)?;
        let terminal_type = TerminalType::ALL.into_iter().find(|kind| kind.oid().as_bytes() == identifier);
        let terminal_type = terminal_type.ok_or(CvcError::TerminalType)?;
        if bytes.len() != terminal_type.width() {
            return Err(CvcError::Malformed(WHAT));
        }
        let role = Role::from_bits(bytes[0] >> 6);
        let bits = bytes.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        Ok(Self::new(terminal_type, role, Rights(bits)))
    }

    /// The value of data object 7F4C.
    pub fn to_value(&self) -> Vec<u8> {
        let bits = self.rights.0.to_be_bytes();
        let mut bytes = bits[bits.len() - self.terminal_type.width()..].to_vec();
        bytes[0] |= self.role.bits() << 6;
        let mut value = tlv::encode_oid(self.terminal_type.oid());
        value.extend(tlv::encode(DISCRETIONARY_DATA, &bytes));
        value
    }

    /// The data object 7F4C.
    pub fn encode(&self) -> Vec<u8> {
        tlv::encode(CHAT, &self.to_value())
    }
}

const WHAT: &str = "holder authorisation template";
