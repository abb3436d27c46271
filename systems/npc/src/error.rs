//! What can go wrong in the CA, sorted by whose fault it is, each with a stable code.

use crate::Weakness;

/// The one error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpcError {
    // --- the caller
    /// A field of a request is not what it must be.
    #[error("certificate request refused: {0}")]
    Request(&'static str),
    /// The certification request (PKCS #10) is malformed, or whoever made it does not hold the key.
    #[error("certification request refused: {0}")]
    Csr(x509::Error),
    /// The key is of another kind than its slot on the card.
    #[error("the key does not fit slot {slot}: {found} where {expected} is required")]
    KeyType {
        /// The slot, 1 to 4.
        slot: u8,
        /// What belongs there.
        expected: &'static str,
        /// What was sent.
        found: String,
    },
    /// The key is known to be weak.
    #[error("金鑰強度不足 / the key is weak: {0}")]
    WeakKey(Weakness),
    /// The same key was certified before.
    #[error("金鑰重複 / this key was certified before")]
    DuplicateKey,
    /// The slot of the card has a certificate.
    #[error("此卡片此金鑰已有憑證 / slot {slot} of card {card} has a certificate")]
    SlotTaken {
        /// The card's serial.
        card: String,
        /// The slot, 1 to 4.
        slot: u8,
    },
    /// A request with this number was made before with other content.
    #[error("request number {0} was used before with other content")]
    Conflict(uuid::Uuid),
    /// Nothing is left of the period the certificate would have.
    #[error("卡片效期已無剩餘憑證效期 / the card leaves no period for this certificate")]
    NoPeriod,
    /// The first certificate is missing or was revoked, so there is nothing to reissue (NPC-23).
    #[error("無可重新簽發之憑證 / there is no valid first certificate to reissue")]
    NothingToReissue,
    /// The carrier rests on a card that does not hold, or on none that is known.
    #[error("所依附之卡片不符 / the carrier does not rest on a card as it must: {0}")]
    Primary(&'static str),
    /// As many virtual smart cards as may rest on the card do so.
    #[error("此卡片之虛擬智慧卡已達 {0} 張 / {0} virtual smart cards rest on the card already")]
    TooManyDevices(usize),
    /// The certificate policy in force forbids it.
    #[error("憑證政策不允許 / the certificate policy in force does not allow it: {0}")]
    Policy(&'static str),
    /// The card has no certificate.
    #[error("此卡片無憑證 / card {0} has no certificate")]
    NoCertificate(String),
    /// The certificate was revoked, which is final.
    #[error("憑證已廢止，不可恢復 / the certificates of card {0} are revoked, which is final")]
    Revoked(String),

    /// A step of a ceremony that may not be done, or not now.
    #[error("典禮無法進行 / the ceremony cannot go on: {0}")]
    Ceremony(&'static str),
    /// The root's key is another's: its operator signs certificates and lists with it.
    #[error("上層根憑證機構之金鑰非本機構所有 / the key of the root is another's; ask its operator")]
    ForeignRoot,
    /// What is to be taken over with an authority that exists is not what it must be.
    #[error("既有憑證機構無法接管：{0} / the authority cannot be taken over: {0}")]
    Adoption(String),
    /// Persons have begun to found the hierarchy and have not finished.
    #[error("憑證體系之建立典禮尚未完成 / the ceremony that founds the hierarchy is not finished")]
    Unfounded,
    /// The second person of two is the first.
    #[error("須由另一人核可 / another person must approve")]
    SamePerson,
    /// Nobody approved a proposal in time.
    #[error("提案逾七日未經核可，已失效 / the proposal has lapsed: nobody approved it within seven days")]
    Lapsed,
    /// So many certificates of an incident's cohort have come into being since it was proposed.
    #[error(
        "提案後範圍內增加 {0} 張憑證 / {0} certificates of the cohort have come into being since the proposal"
    )]
    Grown(u64),
    /// The end of a suspension names an incident that holds nothing of what was chosen.
    #[error(
        "事件 {0} 未停用所選憑證，或尚未執行完畢 / incident {0} holds none of these certificates, or is not finished"
    )]
    NotHeld(u64),

    // --- the environment
    /// The issuing CA's own certificate has ended.
    #[error(
        "簽發憑證機構之憑證已到期 / the certificate of the issuing CA has ended; a ceremony makes the next generation"
    )]
    Ended,
    /// Issuing was stopped, because of an incident.
    #[error("憑證簽發已暫停 / issuing is stopped")]
    Stopped,
    /// What this process has read of the database is not in it any more.
    #[error(
        "資料庫倒退，已讀取之變更不在其中 / the database has gone back: changes that were read are not in it"
    )]
    WentBack,
    /// The repository was closed, because of an incident (NPC-57).
    #[error("儲存庫已關閉 / the repository of certificates is closed")]
    RepositoryClosed,
    /// More CMP messages have come in this second than are looked at.
    #[error("訊息過多，請稍後再送 / too many messages now; send it again in a second")]
    Busy,
    /// The database.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] audit::AuditError),
    /// The key store.
    #[error(transparent)]
    Keys(#[from] keys::KeyError),

    // --- us
    /// A certificate, list or answer could not be made.
    #[error(transparent)]
    X509(#[from] x509::Error),
    /// A filter or card status list could not be made.
    #[error(transparent)]
    Status(#[from] status::Error),
    /// A row of the database is not what this program writes.
    #[error("row not understood: {0}")]
    Inconsistent(&'static str),
    /// Every serial number that was drawn is taken: the source of randomness repeats itself.
    #[error("亂數來源重複，無新序號 / no new serial number: the source of randomness repeats itself")]
    NoSerial,
    /// A task died.
    #[error("a signing task died")]
    Died,
}

impl NpcError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Request(_) => "NPC-REQUEST",
            Self::Csr(_) => "NPC-CSR",
            Self::KeyType { .. } => "NPC-KEY-TYPE",
            Self::WeakKey(_) => "NPC-WEAK-KEY",
            Self::DuplicateKey => "NPC-DUPLICATE-KEY",
            Self::SlotTaken { .. } => "NPC-SLOT-TAKEN",
            Self::Conflict(_) => "NPC-CONFLICT",
            Self::NoPeriod => "NPC-NO-PERIOD",
            Self::NothingToReissue => "NPC-NOTHING-TO-REISSUE",
            Self::Primary(_) => "NPC-PRIMARY",
            Self::TooManyDevices(_) => "NPC-DEVICES",
            Self::Policy(_) => "NPC-POLICY",
            Self::NoCertificate(_) => "NPC-NO-CERTIFICATE",
            Self::Revoked(_) => "NPC-REVOKED",
            Self::Ceremony(_) => "NPC-CEREMONY",
            Self::ForeignRoot => "NPC-FOREIGN-ROOT",
            Self::Adoption(_) => "NPC-ADOPTION",
            Self::Unfounded => "NPC-UNFOUNDED",
            Self::SamePerson => "NPC-SAME-PERSON",
            Self::Lapsed => "NPC-LAPSED",
            Self::Grown(_) => "NPC-GROWN",
            Self::NotHeld(_) => "NPC-NOT-HELD",
            Self::Ended => "NPC-CA-ENDED",
            Self::Stopped => "NPC-STOPPED",
            Self::WentBack => "NPC-WENT-BACK",
            Self::RepositoryClosed => "NPC-REPOSITORY-CLOSED",
            Self::Busy => "NPC-BUSY",
            Self::Store(error) => error.code(),
            Self::Audit(error) => error.code(),
            Self::Keys(error) => error.code(),
            Self::X509(_) => "NPC-X509",
            Self::Status(_) => "NPC-STATUS",
            Self::Inconsistent(_) => "NPC-INCONSISTENT",
            Self::NoSerial => "NPC-NO-SERIAL",
            Self::Died => "NPC-DIED",
        }
    }

    /// The same for another caller whose request shared its fate. What only ever concerns one request is not told to another.
    pub(crate) fn for_another(&self) -> Self {
        match self {
            Self::Store(error) => Self::Store(error.clone()),
            Self::Audit(error) => Self::Audit(error.clone()),
            Self::X509(error) => Self::X509(error.clone()),
            Self::Inconsistent(what) => Self::Inconsistent(what),
            Self::Ended => Self::Ended,
            Self::Stopped => Self::Stopped,
            Self::WentBack => Self::WentBack,
            Self::Primary(why) => Self::Primary(why),
            Self::TooManyDevices(limit) => Self::TooManyDevices(*limit),
            _ => Self::Died,
        }
    }

    /// Whether the request itself is at fault, so that sending it again cannot help.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Request(_)
                | Self::Csr(_)
                | Self::KeyType { .. }
                | Self::WeakKey(_)
                | Self::DuplicateKey
                | Self::SlotTaken { .. }
                | Self::Conflict(_)
                | Self::NoPeriod
                | Self::NothingToReissue
                | Self::Primary(_)
                | Self::TooManyDevices(_)
                | Self::Policy(_)
                | Self::NoCertificate(_)
                | Self::Revoked(_)
                | Self::Ceremony(_)
                | Self::ForeignRoot
                | Self::Adoption(_)
                | Self::SamePerson
                | Self::Lapsed
                | Self::Grown(_)
                | Self::NotHeld(_)
        )
    }
}

#[cfg(test)]
mod tests {
    /// Every code has its line in the golden list, and the list has no other.
    #[test]
    fn the_golden_list_has_every_code() {
        let list = include_str!("../../../docs/errors-npc.md");
        store::testkit::assert_codes_listed("NPC-", include_str!("error.rs"), list);
    }
}
