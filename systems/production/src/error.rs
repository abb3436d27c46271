//! What can go wrong at the card centre, sorted by whose fault it is, with stable codes. No text holds personal data.

/// The error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProductionError {
    // --- the management system
    /// An order number that was never placed.
    #[error("PRODUCTION-E-ORDER-UNKNOWN: 查無此製卡單 no such order")]
    OrderUnknown,
    /// A second, different package for an order, or a package for an order in another state (PRODUCTION-33).
    #[error("PRODUCTION-E-PACKAGE-REFUSED: 製卡資料不予接受 package refused: {0}")]
    PackageRefused(&'static str),
    /// A package that does not open or read.
    #[error("PRODUCTION-E-PACKAGE-DAMAGED: 製卡資料毀損 package damaged")]
    PackageDamaged,
    /// A card that is not in this centre's books.
    #[error("PRODUCTION-E-CARD-UNKNOWN: 查無此卡 no such card")]
    CardUnknown,
    /// No such box.
    #[error("PRODUCTION-E-BOX-UNKNOWN: 查無此箱 no such box")]
    BoxUnknown,

    // --- the manufacturer
    /// Lot, card data file and transport key do not belong together, or the file was changed.
    #[error("PRODUCTION-E-LOT-FILE: 卡片資料檔無法開啟 card data file does not open with this transport key")]
    LotFile,
    /// Cards and data file differ; the whole lot is refused (PRODUCTION-21).
    #[error("PRODUCTION-E-LOT-REFUSED: 整批拒收 lot refused: {0}")]
    LotRefused(&'static str),
    /// A series of serial numbers has three capital letters or digits.
    #[error("PRODUCTION-E-SERIES: 序號字軌格式不符 series of serial numbers has the wrong form")]
    Series,
    /// No chip type of this name is known.
    #[error("PRODUCTION-E-CHIP-TYPE-UNKNOWN: 查無此晶片型別 no such chip type")]
    ChipTypeUnknown,
    /// An entry of the chip-type register that is not complete (CARD-09).
    #[error("PRODUCTION-E-CHIP-TYPE-REFUSED: 晶片型別登錄不完整 chip type refused: {0}")]
    ChipTypeRefused(&'static str),
    /// A type of chip that is judged 停用 (CARD-13).
    #[error("PRODUCTION-E-CHIP-TYPE-STOPPED: 此晶片型別已停用 this chip type is stopped")]
    ChipTypeStopped,
    /// The inspection of the printed face is not complete, or not possible (CARDFACE-16).
    #[error("PRODUCTION-E-INSPECTION: 卡面檢查未完成 inspection of the face: {0}")]
    Inspection(String),
    /// A decision that needs two persons (SECURITY-08).
    #[error("PRODUCTION-E-DUAL-CONTROL: 須由另一人核可 two persons decide: {0}")]
    DualControl(&'static str),
    /// Cards are to be selected by nothing, by a range that is none, or by a day that is none.
    #[error("PRODUCTION-E-SELECTION: 未指定範圍 no criterion to select cards by")]
    Selection,
    /// All serial numbers of the series are used.
    #[error("PRODUCTION-E-SERIES-USED-UP: 序號字軌已用罄 series of serial numbers is used up")]
    SeriesUsedUp,

    // --- the environment
    /// The database failed.
    #[error("PRODUCTION-E-STORE: {0}")]
    Store(#[from] store::StoreError),
    /// A card file cannot be opened, read or written.
    #[error("PRODUCTION-E-CARD-FILE: 卡片檔案錯誤 card file: {0}")]
    CardFile(String),
    /// The face cannot be printed: a font or a glyph is missing.
    #[error("PRODUCTION-E-FACE: 卡面無法列印 face cannot be printed: {0}")]
    Face(String),
    /// A card did not answer as it must.
    #[error("PRODUCTION-E-CARD: 卡片作業失敗 card operation failed: {0}")]
    Card(String),

    // --- us
    /// A step that the card's state does not allow (PRODUCTION-46).
    #[error("PRODUCTION-E-STATE: {0}")]
    State(#[from] model::Error),
    /// The audit log refused an event.
    #[error("PRODUCTION-E-AUDIT: {0}")]
    Audit(#[from] audit::AuditError),
    /// Sealing or opening failed.
    #[error("PRODUCTION-E-SEAL: {0}")]
    Seal(#[from] sealed::SealError),
    /// A stored value does not read.
    #[error("PRODUCTION-E-DATA: 儲存資料不一致 stored data is inconsistent: {0}")]
    Data(&'static str),
    /// A worker thread ended without an answer.
    #[error("PRODUCTION-E-WORKER: 作業中斷 worker stopped")]
    Worker,
}

impl ProductionError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OrderUnknown => "PRODUCTION-E-ORDER-UNKNOWN",
            Self::PackageRefused(_) => "PRODUCTION-E-PACKAGE-REFUSED",
            Self::PackageDamaged => "PRODUCTION-E-PACKAGE-DAMAGED",
            Self::CardUnknown => "PRODUCTION-E-CARD-UNKNOWN",
            Self::BoxUnknown => "PRODUCTION-E-BOX-UNKNOWN",
            Self::LotFile => "PRODUCTION-E-LOT-FILE",
            Self::LotRefused(_) => "PRODUCTION-E-LOT-REFUSED",
            Self::Series => "PRODUCTION-E-SERIES",
            Self::ChipTypeUnknown => "PRODUCTION-E-CHIP-TYPE-UNKNOWN",
            Self::ChipTypeRefused(_) => "PRODUCTION-E-CHIP-TYPE-REFUSED",
            Self::ChipTypeStopped => "PRODUCTION-E-CHIP-TYPE-STOPPED",
            Self::Inspection(_) => "PRODUCTION-E-INSPECTION",
            Self::DualControl(_) => "PRODUCTION-E-DUAL-CONTROL",
            Self::Selection => "PRODUCTION-E-SELECTION",
            Self::SeriesUsedUp => "PRODUCTION-E-SERIES-USED-UP",
            Self::Store(_) => "PRODUCTION-E-STORE",
            Self::CardFile(_) => "PRODUCTION-E-CARD-FILE",
            Self::Face(_) => "PRODUCTION-E-FACE",
            Self::Card(_) => "PRODUCTION-E-CARD",
            Self::State(_) => "PRODUCTION-E-STATE",
            Self::Audit(_) => "PRODUCTION-E-AUDIT",
            Self::Seal(_) => "PRODUCTION-E-SEAL",
            Self::Data(_) => "PRODUCTION-E-DATA",
            Self::Worker => "PRODUCTION-E-WORKER",
        }
    }
}

/// Code, whose fault, cause and what to do, as docs/errors-mgmt.md lists them: Traditional Chinese, then English.
pub const EXPLAINED: &[[&str; 4]] = &[
    [
        "PRODUCTION-E-ORDER-UNKNOWN",
        "介接系統 management system",
        "查無此製卡單。 No such order.",
        "先下製卡單；案件會自動重送。 Place the order first; the case does so by itself.",
    ],
    [
        "PRODUCTION-E-PACKAGE-REFUSED",
        "介接系統 management system",
        "製卡資料不予接受：同一製卡單已有另一份資料、非該卡資料，或狀態不符。 The package is refused: the order has another one, it is for another card, or the state does not fit.",
        "查詢製卡單狀態。 Look up the state of the order.",
    ],
    [
        "PRODUCTION-E-PACKAGE-DAMAGED",
        "介接系統 management system",
        "製卡資料無法解密或毀損。 The package does not open or read.",
        "確認使用製卡中心現行公鑰後重送。 Seal it to the centre's present key and send it again.",
    ],
    [
        "PRODUCTION-E-CARD-UNKNOWN",
        "操作者 caller",
        "查無此卡。 The card is not in the centre's books.",
        "核對卡片序號。 Check the card serial number.",
    ],
    [
        "PRODUCTION-E-BOX-UNKNOWN",
        "操作者 caller",
        "查無此箱。 No such box.",
        "核對箱號。 Check the box number.",
    ],
    [
        "PRODUCTION-E-LOT-FILE",
        "卡廠 manufacturer",
        "卡片資料檔與運送金鑰不符或遭更動。 Card data file and transport key do not belong together, or the file was changed.",
        "核對兩份金鑰分持與批號。 Compare both key shares and the lot number.",
    ],
    [
        "PRODUCTION-E-LOT-REFUSED",
        "卡廠 manufacturer",
        "點收或抽驗不符，整批拒收。 Count or sample differs; the whole lot is refused.",
        "退回並通知卡廠。 Return it and tell the manufacturer.",
    ],
    [
        "PRODUCTION-E-SERIES",
        "操作者 caller",
        "序號字軌須為 3 個大寫字母或數字。 A series has three capital letters or digits.",
        "改用正確字軌。 Use a correct series.",
    ],
    [
        "PRODUCTION-E-CHIP-TYPE-UNKNOWN",
        "操作者 caller",
        "晶片型別未登錄。 No chip type of this name is registered.",
        "核對型別代號。 Check the name of the type.",
    ],
    [
        "PRODUCTION-E-CHIP-TYPE-REFUSED",
        "操作者 caller",
        "晶片型別登錄不完整：須有卡廠、版本及各部分之安全認證證號。 The entry of a chip type is not complete: maker, versions, and the certificate number of each part.",
        "補齊後再登錄。 Complete it and register it again.",
    ],
    [
        "PRODUCTION-E-CHIP-TYPE-STOPPED",
        "操作者 caller",
        "此晶片型別已停用，不收料亦不製卡。 This chip type is stopped: it is neither received nor made into cards.",
        "改用其他型別；解除須二人核可。 Use another type; two persons can lift it.",
    ],
    [
        "PRODUCTION-E-INSPECTION",
        "操作者 caller",
        "卡面檢查未完成或該批不合格。 The inspection of the face is not complete, or the lot was found faulty.",
        "逐項作答後再送。 Answer for every feature and send it again.",
    ],
    [
        "PRODUCTION-E-DUAL-CONTROL",
        "操作者 caller",
        "須由提案人以外之另一人於七日內核可。 A second person approves within seven days.",
        "請另一人核可，或重新提案。 Ask somebody else, or propose it again.",
    ],
    [
        "PRODUCTION-E-SELECTION",
        "操作者 caller",
        "未指定卡片範圍，或起訖序號不屬同一字軌或前後顛倒。 No criterion says which cards are meant, or a range is not within one series, first to last.",
        "至少指定一項：型別、製造商、程式版本、演算法、批號、卡片範圍或製造日。 Give one at least: type, manufacturer, applet, algorithm, batch, cards or day.",
    ],
    [
        "PRODUCTION-E-SERIES-USED-UP",
        "操作者 caller",
        "序號字軌已用罄。 All serial numbers of the series are used.",
        "改用下一字軌。 Use the next series.",
    ],
    [
        "PRODUCTION-E-STORE",
        "環境 environment",
        "資料庫錯誤；異動未儲存。 The database failed; the change was not kept.",
        "檢查磁碟空間與資料庫。 Check disk space and database.",
    ],
    [
        "PRODUCTION-E-CARD-FILE",
        "環境 environment",
        "卡片檔案無法開啟，或正由其他程式使用。 The card's file cannot be opened, or another program uses it.",
        "關閉使用中的讀卡程式；系統將自動重試。 Close the program that uses it; the step is tried again by itself.",
    ],
    [
        "PRODUCTION-E-FACE",
        "環境 environment",
        "卡面缺少字型或字形。 A font or glyph of the face is missing.",
        "安裝全字庫字型；系統將自動重試。 Install the CNS 11643 fonts; the step is tried again by itself.",
    ],
    [
        "PRODUCTION-E-CARD",
        "卡片 card",
        "卡片作業失敗；三次後列為壞卡或報廢卡並重製。 A card operation failed; after three attempts the card is taken out and made again.",
        "無須處理；同批屢次發生者停用該批。 Nothing; if it repeats within a lot, stop the lot.",
    ],
    [
        "PRODUCTION-E-STATE",
        "操作者 caller",
        "卡片狀態不得進行此步驟。 The card's state does not allow this step.",
        "查詢卡片狀態。 Look up the state of the card.",
    ],
    [
        "PRODUCTION-E-AUDIT",
        "本系統 this system",
        "稽核紀錄無法寫入；異動未儲存。 The audit log did not take the event; the change was not made.",
        "通報維護人員。 Tell the maintainers.",
    ],
    [
        "PRODUCTION-E-SEAL",
        "本系統 this system",
        "加密或解密失敗。 Sealing or opening failed.",
        "確認金鑰目錄屬於此資料庫。 Check that the key directory belongs to this database.",
    ],
    [
        "PRODUCTION-E-DATA",
        "本系統 this system",
        "儲存資料不一致。 Stored data is inconsistent.",
        "停止操作並通報維護人員。 Stop and tell the maintainers.",
    ],
    [
        "PRODUCTION-E-WORKER",
        "本系統 this system",
        "作業執行緒中斷。 A worker thread ended without an answer.",
        "系統將自動重試；附紀錄通報維護人員。 The step is tried again; tell the maintainers.",
    ],
];

#[cfg(test)]
mod tests {
    /// Every code in this file is explained, once.
    #[test]
    fn every_code_is_explained() {
        let source = include_str!("error.rs");
        let arms = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once("=> \""));
        let codes: Vec<&str> = arms.filter_map(|(_, code)| code.strip_suffix("\",")).collect();
        let explained: Vec<&str> = super::EXPLAINED.iter().map(|row| row[0]).collect();
        assert_eq!(codes, explained);
    }
}
