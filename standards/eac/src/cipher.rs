//! The block ciphers a PACE protocol identifier names (TR-03110-3 §A.1.1.1, ICAO 9303-11 §9.2.1).

/// AES in CBC mode for encryption and CMAC for integrity; what differs is the key length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// AES-128, keys derived with SHA-1.
    Aes128,
    /// AES-192, keys derived with SHA-256.
    Aes192,
    /// AES-256, keys derived with SHA-256.
    Aes256,
}

impl Cipher {
    /// All three, weakest first.
    pub const ALL: [Self; 3] = [Self::Aes128, Self::Aes192, Self::Aes256];

    /// The key length in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }
}
