//! What a receipt charges (NPC-12): the carrier where one is handed out, and never a certificate.

/// What was charged for a request, in new Taiwan dollars. There is no way to say a price of a certificate: it has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Charges {
    /// The card that carries the certificates, as the policy in force had it when the request came.
    pub carrier: u32,
}

impl Charges {
    /// For the certificates.
    pub const fn certificate(self) -> u32 {
        0
    }

    /// All of it.
    pub const fn total(self) -> u32 {
        self.carrier
    }
}
