//! The fields of the card: in which zone each stands, whether it is printed, and whether it may change without a new card
//! (CARD-45, table 4 of the plan; CARDFACE-24).

use crate::text::text_enum;

text_enum! {
    /// One of the four zones of the chip (CARD-16).
    Zone ("zone") {
        /// 戶籍地區
        Household = "household",
        /// 公開區
        Public = "public",
        /// 加密區
        Encrypted = "encrypted",
        /// 自然人憑證區
        Certificate = "certificate",
    }
}

text_enum! {
    /// A field of a zone with personal data.
    Field ("field") {
        /// 戶籍地址（僅到村里鄰）
        Household = "household",
        /// 中文姓名
        ChineseName = "chinese_name",
        /// 外文姓名
        ForeignName = "foreign_name",
        /// 統一編號
        NationalIdNo = "national_id_no",
        /// 出生日期
        BirthDate = "birth_date",
        /// 戶籍地址
        Address = "address",
        /// 結婚狀態
        MaritalStatus = "marital_status",
        /// 役別
        MilitaryService = "military_service",
        /// 卡片序號
        CardSerial = "card_serial",
        /// 應換領日期
        RenewalDate = "renewal_date",
        /// 製證日期
        IssueDate = "issue_date",
        /// 相片
        Portrait = "portrait",
        /// 配偶姓名
        SpouseName = "spouse_name",
        /// 父姓名
        FatherName = "father_name",
        /// 母姓名
        MotherName = "mother_name",
        /// 出生地
        Birthplace = "birthplace",
        /// 性別
        Sex = "sex",
        /// 讀取碼
        AccessNumber = "access_number",
    }
}

impl Field {
    /// The zone the field stands in.
    pub const fn zone(self) -> Zone {
        match self {
            Self::Household => Zone::Household,
            Self::SpouseName
            | Self::FatherName
            | Self::MotherName
            | Self::Birthplace
            | Self::Sex
            | Self::AccessNumber => Zone::Encrypted,
            _ => Zone::Public,
        }
    }

    /// Whether the field may be changed on the chip at an office, without a new card. All others are written once.
    pub const fn may_change(self) -> bool {
        matches!(
            self,
            Self::Household
                | Self::Address
                | Self::MilitaryService
                | Self::SpouseName
                | Self::FatherName
                | Self::MotherName
                | Self::Birthplace
        )
    }

    /// Whether the field is printed on the card; the access number only as part of the card serial.
    pub const fn is_printed(self) -> bool {
        matches!(
            self,
            Self::ChineseName
                | Self::ForeignName
                | Self::NationalIdNo
                | Self::BirthDate
                | Self::MaritalStatus
                | Self::CardSerial
                | Self::RenewalDate
                | Self::IssueDate
                | Self::Portrait
                | Self::AccessNumber
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(zone: Zone) -> Vec<(&'static str, bool)> {
        Field::ALL.iter().filter(|f| f.zone() == zone).map(|f| (f.as_str(), f.may_change())).collect()
    }

    #[test]
    fn the_zones_have_the_fields_of_the_plan_and_table_4_says_which_may_change() {
        assert_eq!(of(Zone::Household), [("household", true)]);
        assert_eq!(of(Zone::Public).len(), 11);
        let public: Vec<&str> =
            of(Zone::Public).into_iter().filter(|(_, change)| *change).map(|(name, _)| name).collect();
        assert_eq!(public, ["address", "military_service"]);
        assert_eq!(
            of(Zone::Encrypted),
            [
                ("spouse_name", true),
                ("father_name", true),
                ("mother_name", true),
                ("birthplace", true),
                ("sex", false),
                ("access_number", false),
            ]
        );
        assert_eq!(of(Zone::Certificate), []);
    }

    #[test]
    fn a_printed_field_never_changes_without_a_new_card() {
        for field in Field::ALL {
            assert!(!(field.is_printed() && field.may_change()), "{field}");
        }
        assert!(
            Field::MaritalStatus.is_printed() && Field::Portrait.is_printed() && !Field::Address.is_printed()
        );
    }
}
