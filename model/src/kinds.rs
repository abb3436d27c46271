//! The small closed sets of the mission: what a field of the register or of a card can say.

use crate::text::text_enum;

text_enum! {
    /// The sex (性別) as the register has it. It is neither printed nor in the machine readable zone (OPEN-07).
    Sex ("sex") {
        /// 男
        Male = "male",
        /// 女
        Female = "female",
    }
}

text_enum! {
    /// The marital status (結婚狀態) as the card shows it: only whether there is a marriage.
    MaritalStatus ("marital status") {
        /// 無 / Single: never married, divorced or widowed.
        Single = "single",
        /// 有 / Married.
        Married = "married",
    }
}

text_enum! {
    /// The military service category (役別) by the Act of Military Service System (兵役法).
    MilitaryServiceCategory ("military service category") {
        /// 無: not liable, as women and minors.
        None = "none",
        /// 未役: liable, service not begun.
        NotServed = "not_served",
        /// 軍官役
        Officer = "officer",
        /// 士官役
        NonCommissioned = "non_commissioned",
        /// 常備兵役
        Standing = "standing",
        /// 補充兵役
        Replacement = "replacement",
        /// 替代役
        Alternative = "alternative",
        /// 國民兵役
        Militia = "militia",
        /// 免役
        Exempt = "exempt",
        /// 禁役
        Barred = "barred",
    }
}

text_enum! {
    /// The personalisation profile, by the name of the chip's profile: what citizens get, what developers use with foreign
    /// programs, and what laboratories look at.
    CardProfile ("card profile") {
        /// Own application identifiers only; private keys only inside secure messaging.
        National = "national",
        /// Answers also to the identifiers that passport readers and PKCS #11 drivers know.
        Interop = "interop",
        /// `interop` with Basic Access Control (CARD-08).
        BacLab = "bac-lab",
        /// `national` on the reserve chip with keys on P-384 (CARD-12).
        ReserveP384 = "reserve-p384",
        /// `interop` with security objects signed with ML-DSA-65.
        MldsaLab = "mldsa-lab",
    }
}

impl CardProfile {
    /// Whether only sample cards have it: no citizen ever gets one.
    pub const fn is_sample(self) -> bool {
        matches!(self, Self::Interop | Self::BacLab | Self::MldsaLab)
    }
}

text_enum! {
    /// How a type of chip is judged (CARD-13).
    ChipRisk ("risk status of a chip type") {
        /// 正常
        Normal = "normal",
        /// 觀察: cards are made, and what becomes known is followed.
        Watch = "watch",
        /// 停用: no card is made on it.
        Stopped = "stopped",
    }
}

impl ChipRisk {
    /// 正常, 觀察 or 停用.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Normal => "正常",
            Self::Watch => "觀察",
            Self::Stopped => "停用",
        }
    }
}

text_enum! {
    /// The four key pairs of the Certificate Zone (CARD-37).
    KeySlot ("key slot") {
        /// RSA-2048 for signatures, first five years.
        SigningRsa = "signing_rsa",
        /// RSA-2048 for decipherment, first five years.
        EncryptionRsa = "encryption_rsa",
        /// P-521 for signatures, after the reissue.
        SigningEc = "signing_ec",
        /// P-521 for key agreement, after the reissue.
        EncryptionEc = "encryption_ec",
    }
}

text_enum! {
    /// Why a card is applied for (MGMT-28).
    ApplicationKind ("kind of application") {
        /// 初領: the first card of a person.
        First = "first",
        /// 補領: the old card is lost.
        Replacement = "replacement",
        /// 換領: a printed field changed, new photo, damage, adding a certificate, date of renewal reached.
        Renewal = "renewal",
    }
}

text_enum! {
    /// How an application arrives.
    Channel ("channel") {
        /// 網路申請
        Online = "online",
        /// 排定地點申請
        ScheduledSite = "scheduled_site",
        /// 臨櫃申請
        Counter = "counter",
        /// 到府服務
        HomeVisit = "home_visit",
    }
}

text_enum! {
    /// Why a portrait is not printed (CARDFACE-23). The photo is handed in and kept on file all the same.
    PortraitExemption ("portrait exemption") {
        /// 顏面傷殘
        FacialInjury = "facial_injury",
        /// 重病
        SeriousIllness = "serious_illness",
        /// 植物人
        VegetativeState = "vegetative_state",
        /// 宗教因素
        Religion = "religion",
        /// 其他特殊情形
        Other = "other",
    }
}

text_enum! {
    /// Under which programme a card is issued.
    Programme ("programme") {
        /// 全面換證
        FullReplacement = "full_replacement",
        /// 例行作業
        Routine = "routine",
    }
}

impl Sex {
    /// 男 or 女.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Male => "男",
            Self::Female => "女",
        }
    }
}

impl MaritalStatus {
    /// 有 or 無 (CARDFACE-06).
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Single => "無",
            Self::Married => "有",
        }
    }

    /// `Married` or `Single`, never yes or no (CARDFACE-06).
    pub const fn en(self) -> &'static str {
        match self {
            Self::Single => "Single",
            Self::Married => "Married",
        }
    }
}

impl MilitaryServiceCategory {
    /// The category in Chinese, as the chip stores it.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::None => "無",
            Self::NotServed => "未役",
            Self::Officer => "軍官役",
            Self::NonCommissioned => "士官役",
            Self::Standing => "常備兵役",
            Self::Replacement => "補充兵役",
            Self::Alternative => "替代役",
            Self::Militia => "國民兵役",
            Self::Exempt => "免役",
            Self::Barred => "禁役",
        }
    }

    /// The category in English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::NotServed => "Not yet served",
            Self::Officer => "Officer",
            Self::NonCommissioned => "Non-commissioned officer",
            Self::Standing => "Standing service",
            Self::Replacement => "Replacement service",
            Self::Alternative => "Alternative service",
            Self::Militia => "Militia",
            Self::Exempt => "Exempt",
            Self::Barred => "Barred",
        }
    }
}

impl KeySlot {
    /// 1 to 4, the key identifier on the card.
    pub const fn id(self) -> u8 {
        self as u8 + 1
    }

    /// The slot with this identifier.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|slot| slot.id() == id)
    }

    /// Whether the key signs; otherwise it deciphers or agrees on keys.
    pub const fn is_signing(self) -> bool {
        matches!(self, Self::SigningRsa | Self::SigningEc)
    }

    /// Whether the key is RSA-2048; otherwise it is on P-521.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::SigningRsa | Self::EncryptionRsa)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // proves: CARDFACE-06
    #[test]
    fn marital_status_is_never_yes_or_no() {
        assert_eq!((MaritalStatus::Married.zh(), MaritalStatus::Married.en()), ("有", "Married"));
        assert_eq!((MaritalStatus::Single.zh(), MaritalStatus::Single.en()), ("無", "Single"));
    }

    #[test]
    fn key_slots_are_numbered_one_to_four() {
        let ids: Vec<u8> = KeySlot::ALL.iter().map(|slot| slot.id()).collect();
        assert_eq!(ids, [1, 2, 3, 4]);
        assert_eq!(KeySlot::from_id(3), Some(KeySlot::SigningEc));
        assert_eq!((KeySlot::from_id(0), KeySlot::from_id(5)), (None, None));
        assert!(KeySlot::SigningEc.is_signing() && !KeySlot::EncryptionRsa.is_signing());
        assert!(KeySlot::EncryptionRsa.is_rsa() && !KeySlot::EncryptionEc.is_rsa());
    }

    #[test]
    fn text_forms_are_read_back() {
        for value in MilitaryServiceCategory::ALL {
            assert_eq!(value.as_str().parse(), Ok(*value));
        }
        assert_eq!("Married".parse::<MaritalStatus>(), Err(crate::Error::Unknown("marital status")));
        assert_eq!(serde_json::to_string(&CardProfile::Interop).ok().as_deref(), Some("\"interop\""));
    }
}
