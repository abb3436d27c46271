//! What can go wrong in management, sorted by whose fault it is. Each kind has a stable code, a cause and a remedy, in
//! Traditional Chinese first and in English (the golden list is docs/errors-mgmt.md). No text holds personal data.

use crate::photo::{DayFault, PhotoFault};

/// Who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The person who applies or holds the card.
    Applicant,
    /// The clerk or program that asked.
    Caller,
    /// A system beside this one; the step is tried again by itself.
    Neighbour,
    /// Disk, database, reader.
    Environment,
    /// This program or its data.
    Us,
}

impl Fault {
    /// The word in both languages.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Applicant => ("申請人", "applicant"),
            Self::Caller => ("操作者", "caller"),
            Self::Neighbour => ("介接系統", "neighbouring system"),
            Self::Environment => ("環境", "environment"),
            Self::Us => ("本系統", "this system"),
        }
    }
}

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Traditional Chinese.
    pub zh_hant: String,
    /// English.
    pub en: String,
}

/// Declares the kinds of refusal: one line each, so that code, fault, words and golden list cannot drift apart.
macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident $code:literal $fault:ident
        { $zh:literal, $en:literal } { $zh_do:literal, $en_do:literal })+) => {
        /// Why something is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Refusal {
            $($(#[$doc])* $name,)+
        }

        impl Refusal {
            /// Every kind, in the order of the golden list.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// Who can mend it.
            pub const fn fault(self) -> Fault {
                match self { $(Self::$name => Fault::$fault,)+ }
            }

            /// The cause, Traditional Chinese and English.
            pub const fn cause(self) -> (&'static str, &'static str) {
                match self { $(Self::$name => ($zh, $en),)+ }
            }

            /// What to do, Traditional Chinese and English.
            pub const fn remedy(self) -> (&'static str, &'static str) {
                match self { $(Self::$name => ($zh_do, $en_do),)+ }
            }
        }
    };
}

refusals! {
    // --- the photo (CARDFACE-18 to 22)
    /// More than 5 MB.
    PhotoTooLarge "MGMT-E-PHOTO-TOO-LARGE" Applicant
        { "相片檔案超過 5 MB。", "The photo file is larger than 5 MB." }
        { "請以較小的檔案重新繳交，像素不得少於寬 826、高 1062。", "Hand in a smaller file of at least 826 x 1062 pixels." }
    /// Not a JPEG file.
    PhotoNotJpeg "MGMT-E-PHOTO-NOT-JPEG" Applicant
        { "相片不是 JPEG 檔案。", "The photo is not a JPEG file." }
        { "請將相片存成 JPEG（.jpg）後重新繳交。", "Save the photo as JPEG (.jpg) and hand it in again." }
    /// Cannot be decoded.
    PhotoDamaged "MGMT-E-PHOTO-DAMAGED" Applicant
        { "相片檔案毀損，無法讀取。", "The photo file is damaged and cannot be read." }
        { "請由原始相片重新存檔後繳交。", "Save the original photo again and hand it in." }
    /// Fewer than 826 x 1062 pixels.
    PhotoTooSmall "MGMT-E-PHOTO-TOO-SMALL" Applicant
        { "相片像素不足，寬至少 826、高至少 1062 像素。", "The photo has too few pixels: at least 826 wide and 1,062 high." }
        { "請以較高解析度重新拍攝或掃描。", "Take or scan the photo at a higher resolution." }
    /// More pixels than are decoded.
    PhotoTooManyPixels "MGMT-E-PHOTO-TOO-MANY-PIXELS" Applicant
        { "相片像素過多，無法處理。", "The photo has more pixels than can be processed." }
        { "請縮小至每邊 10,000 像素以內。", "Scale it down to at most 10,000 pixels a side." }
    /// A frame around the picture.
    PhotoBorder "MGMT-E-PHOTO-BORDER" Applicant
        { "相片四周有邊框。", "The photo has a frame around it." }
        { "請繳交無邊框的相片。", "Hand in a photo without a frame." }
    /// In the few bytes of the chip it is another picture than on the card.
    PhotoTooDetailed "MGMT-E-PHOTO-TOO-DETAILED" Applicant
        { "相片過於細碎（雜訊、網點或紋理），縮至晶片容量後即與卡面不符。", "The photo is too fine-grained (noise, screen dots, texture): small enough for the chip it is another picture than on the card." }
        { "請繳交背景單純、無雜訊之相片。", "Hand in a photo with a plain background and without noise." }
    /// Taken more than six months ago, or on a day to come.
    PhotoTooOld "MGMT-E-PHOTO-TOO-OLD" Applicant
        { "相片不是最近 6 個月內所攝。", "The photo was not taken within the last six months." }
        { "請重新拍攝，並填報拍攝日期。", "Have a new one taken and declare the day." }
    /// The file says another day.
    PhotoDateDiffers "MGMT-E-PHOTO-DATE-DIFFERS" Applicant
        { "填報之拍攝日期與檔案所載不符。", "The declared day is not the one that the file says the photo was taken on." }
        { "請核對拍攝日期，或繳交新相片。", "Check the day, or hand in a new photo." }
    /// The photo that was refused, once more.
    PhotoUnchanged "MGMT-E-PHOTO-UNCHANGED" Applicant
        { "與經退回之相片相同。", "It is the photo that was refused." }
        { "請重新拍攝後繳交新相片。", "Have another one taken and hand it in." }
    // --- the person (MGMT-03, MGMT-04, NPC-31, NPC-32)
    /// Not in the household register.
    PersonUnknown "MGMT-E-PERSON-UNKNOWN" Applicant
        { "查無此人之現戶戶籍資料。", "The household register has no such person." }
        { "請核對國民身分證統一編號。", "Check the national identification number." }
    /// Dead or declared dead.
    PersonDeceased "MGMT-E-PERSON-DECEASED" Applicant
        { "此人已死亡或經死亡宣告。", "The person is dead or was declared dead." }
        { "戶籍資料有誤時，請先向戶政事務所更正。", "If the register is wrong, have the household office correct it first." }
    /// Registration moved abroad.
    PersonAbroad "MGMT-E-PERSON-ABROAD" Applicant
        { "此人戶籍已遷出國外。", "The person's registration was moved abroad." }
        { "恢復戶籍時可同時申請。", "Apply together with the new registration in the country." }
    /// On the missing list.
    PersonMissing "MGMT-E-PERSON-MISSING" Applicant
        { "此人為失蹤人口，尚未撤尋。", "The person is on the missing list." }
        { "請先向警察機關撤尋。", "Have the police withdraw the search first." }
    /// Under guardianship: no certificate.
    GuardianshipNoCertificate "MGMT-E-GUARDIANSHIP-NO-CERTIFICATE" Applicant
        { "受監護宣告者不得申請自然人憑證。", "A person under guardianship cannot have the natural-person certificate." }
        { "請勾選「不申請自然人憑證」後重新送件。", "Choose 'no natural-person certificate' and send the application again." }
    /// Too young for the certificate.
    TooYoungForCertificate "MGMT-E-TOO-YOUNG-FOR-CERTIFICATE" Applicant
        { "未達申請自然人憑證之年齡。", "The person is too young for the natural-person certificate." }
        { "請勾選「不申請自然人憑證」後重新送件。", "Choose 'no natural-person certificate' and send the application again." }
    /// Issuing is stopped: nothing is applied for that cannot be given.
    IssuingStopped "MGMT-E-ISSUING-STOPPED" Neighbour
        { "自然人憑證暫停簽發，不受理申請。", "The issuing of natural-person certificates is stopped; applications for them are not taken." }
        { "請於恢復簽發後申請，或勾選「不申請自然人憑證」後重新送件。", "Apply when issuing goes on, or choose 'no natural-person certificate' and send the application again." }
    // --- the application
    /// A case is open already.
    CaseOpen "MGMT-E-CASE-OPEN" Applicant
        { "此人已有案件辦理中，不得重複請領。", "A case of this person is open; nobody is issued two cards." }
        { "請等候該案完成，或撤回該案。", "Wait for that case, or withdraw it." }
    /// First issue, but a card is valid or lost.
    CardExists "MGMT-E-CARD-EXISTS" Applicant
        { "此人已領有 New eID，不得再次初領。", "The person has a New eID already; this is no first issue." }
        { "請改申請換領；遺失者請先掛失再申請補領。", "Apply for renewal; if the card is lost, report the loss and apply for replacement." }
    /// Renewal or replacement without a card.
    NoCard "MGMT-E-NO-CARD" Applicant
        { "此人尚未領有 New eID，無從換領或補領。", "The person has no New eID to renew or replace." }
        { "請改申請初領。", "Apply for first issue." }
    /// Replacement without a loss report.
    LossNotReported "MGMT-E-LOSS-NOT-REPORTED" Applicant
        { "原證未經掛失，不得補領。", "The loss of the card was not reported, so it cannot be replaced." }
        { "請先掛失。", "Report the loss first." }
    /// Renewal of a lost card.
    CardLost "MGMT-E-CARD-LOST" Applicant
        { "原證已掛失，不得換領。", "The card is reported lost, so it cannot be renewed." }
        { "請申請補領，或先撤銷掛失。", "Apply for replacement, or withdraw the loss report first." }
    /// No registered foreign name to print.
    NoForeignName "MGMT-E-NO-FOREIGN-NAME" Applicant
        { "戶籍資料無外文姓名可列印。", "The register has no foreign name to print." }
        { "請先登記外文姓名，或不列印外文姓名。", "Have the foreign name registered first, or do without it." }
    /// No Latin name for the machine readable zone.
    NoLatinName "MGMT-E-NO-LATIN-NAME" Applicant
        { "機讀碼須有外文姓名或羅馬拼音。", "The machine readable zone needs a foreign or romanised name." }
        { "請先登記羅馬拼音。", "Have the romanised name registered first." }
    /// No way to notify the applicant.
    ContactMissing "MGMT-E-CONTACT-MISSING" Applicant
        { "未填聯絡方式，或格式不符。", "No contact was given, or its form is wrong." }
        { "請填行動電話（09 開頭 10 碼）、電子郵件，或選擇郵寄通知。", "Give a mobile number (10 digits beginning with 09), an e-mail address, or choose notice by post." }
    /// A replacement was applied for.
    ReplacementApplied "MGMT-E-REPLACEMENT-APPLIED" Applicant
        { "已申請補領，不得撤銷掛失。", "A replacement was applied for; the loss report cannot be withdrawn." }
        { "尋獲之原證請繳回戶政事務所。", "Return the found card to a household office." }
    // --- user code and PINs
    /// Wrong user code.
    UserCodeWrong "MGMT-E-USER-CODE-WRONG" Applicant
        { "用戶代碼錯誤。", "The user code is wrong." }
        { "請核對後再試；多次錯誤將暫時鎖定。", "Check it and try again; after several failures it is locked for a while." }
    /// Too many failures.
    UserCodeLocked "MGMT-E-USER-CODE-LOCKED" Applicant
        { "用戶代碼錯誤次數過多，暫時鎖定。", "Too many wrong user codes; it is locked for a while." }
        { "請稍後再試，或至戶政事務所重設。", "Try later, or reset it at a household office." }
    /// The default code was not changed yet.
    UserCodeDefault "MGMT-E-USER-CODE-DEFAULT" Applicant
        { "預設用戶代碼須先變更，始得設定 PIN 碼。", "The default user code must be changed before PINs can be set with it." }
        { "請先變更用戶代碼。", "Change the user code first." }
    /// New code equal to the old one.
    UserCodeUnchanged "MGMT-E-USER-CODE-UNCHANGED" Applicant
        { "新用戶代碼不得與原代碼相同。", "The new user code must differ from the old one." }
        { "請另選一組 6 至 10 碼英數字。", "Choose another code of 6 to 10 letters and digits." }
    /// PIN1 equals PIN2.
    PinsEqual "MGMT-E-PINS-EQUAL" Applicant
        { "PIN1 與 PIN2 不得相同。", "PIN1 and PIN2 must not be equal." }
        { "請另選 PIN2（8 至 12 位數字）。", "Choose another PIN2 (8 to 12 digits)." }
    /// PIN2 for a card without certificate.
    CertificateZoneClosed "MGMT-E-CERTIFICATE-ZONE-CLOSED" Applicant
        { "此卡未申請自然人憑證，無 PIN2。", "The card was issued without certificate and has no PIN2." }
        { "僅設定 PIN1。", "Set PIN1 alone." }
    /// PIN2 not given for a card with certificate.
    Pin2Missing "MGMT-E-PIN2-MISSING" Applicant
        { "此卡附自然人憑證，須同時設定 PIN2。", "The card carries certificates; PIN2 must be set too." }
        { "請輸入 8 至 12 位數字之 PIN2。", "Give a PIN2 of 8 to 12 digits." }
    /// Another card lies in the reader.
    OtherCard "MGMT-E-OTHER-CARD" Applicant
        { "讀卡機內之卡片不是這張卡。", "The card in the reader is another card." }
        { "請插入正確的卡片。", "Insert the right card." }
    // --- updates of the chip
    /// A printed field changed.
    NewCardNeeded "MGMT-E-NEW-CARD-NEEDED" Applicant
        { "異動涉及卡面欄位，不得以晶片更新辦理。", "A printed field has changed; an update of the chip cannot mend that." }
        { "請申請換領。", "Apply for a new card." }
    /// The card does not verify.
    CardUntrusted "MGMT-E-CARD-UNTRUSTED" Applicant
        { "卡片未通過驗證，未寫入任何資料。", "The card does not verify; nothing was written." }
        { "請以 neweid read 查明原因，並收回卡片。", "Find out why with neweid read, and keep the card." }
    /// Under 14, and somebody else than the legal representative asks.
    RepresentativeNeeded "MGMT-E-REPRESENTATIVE-NEEDED" Applicant
        { "未滿 14 歲，由法定代理人辦理。", "Under 14 years the legal representative asks." }
        { "請法定代理人攜帶身分證明文件辦理。", "The legal representative comes with proof of identity." }
    /// Somebody asks who may not on this occasion.
    ApplicantNotEntitled "MGMT-E-APPLICANT-NOT-ENTITLED" Applicant
        { "申請人不得就此事由代為辦理。", "Whoever asks may not do so for the holder on this occasion." }
        { "由本人辦理，或出具委託書委託辦理。", "The holder asks, or gives a proxy." }
    // --- the caller
    /// The papers that a request needs were not seen.
    IdentityNotVerified "MGMT-E-IDENTITY-NOT-VERIFIED" Caller
        { "未記載已查驗申請人身分所需文件。", "The request does not say that the papers it needs were seen." }
        { "查驗身分證與代理、委託文件後，於申請中載明。", "See the card and the papers of whoever acts for the holder, and state them in the request." }
    /// No such clerk.
    ClerkUnknown "MGMT-E-CLERK-UNKNOWN" Caller
        { "查無此承辦人員之登錄。", "No such clerk is registered." }
        { "neweid clerk add", "neweid clerk add" }
    /// Not a good certificate of the country.
    ClerkCertificate "MGMT-E-CLERK-CERTIFICATE" Caller
        { "承辦人員之自然人憑證無效、已停用或廢止。", "The clerk's certificate is not a good natural-person certificate." }
        { "以有效之自然人憑證登錄。", "Register a certificate that is valid, neither suspended nor revoked." }
    /// Not a request.
    UpdateRequestMalformed "MGMT-E-UPDATE-REQUEST-MALFORMED" Caller
        { "更新申請格式不符。", "The file is no request for an update." }
        { "以 neweid card request 產生。", "Make it with neweid card request." }
    /// Not signed by the clerk it names.
    UpdateRequestSignature "MGMT-E-UPDATE-REQUEST-SIGNATURE" Caller
        { "更新申請未經所載承辦人員簽章，或簽章後遭變更。", "The request is not signed by the clerk it names, or was changed afterwards." }
        { "由登錄之承辦人員以 neweid sign --format cms 簽章。", "The registered clerk signs it with neweid sign --format cms." }
    /// Too old.
    UpdateRequestStale "MGMT-E-UPDATE-REQUEST-STALE" Caller
        { "更新申請已逾 8 小時，或時間在未來。", "The request is older than eight hours, or from a time to come." }
        { "重新查驗身分並另立申請。", "Verify the identity again and make another request." }
    /// An update was written by it, or it is another one with the same number.
    UpdateRequestUsed "MGMT-E-UPDATE-REQUEST-USED" Caller
        { "此更新申請已辦理完畢。", "An update was written by this request." }
        { "另有異動時另立申請。", "Make another request for another change." }
    /// Not announced with place, time and devices, or too late.
    OutingIncomplete "MGMT-E-OUTING" Caller
        { "行動化更新須於開始前公告地點、起迄時間及攜帶之載具。", "An outing is announced before it begins, with a place, an end and the devices taken along." }
        { "補齊後重新公告。", "Complete it and announce it again." }
    /// Not there, not then, not with this device, or for another kind of change.
    OutingElsewhere "MGMT-E-OUTING-ELSEWHERE" Caller
        { "非公告之機關、時間、載具，或非行政區域調整、門牌整編、改制之更新。", "It is not the office, time or device that was announced, or not an update for a change of area, house numbers or status." }
        { "核對公告；其他更新請臨櫃辦理。", "Compare the announcement; other updates are made at a counter." }
    /// No such case.
    CaseUnknown "MGMT-E-CASE-UNKNOWN" Caller
        { "查無此案件編號。", "No such case number." }
        { "請核對案件編號。", "Check the case number." }
    /// Whose card it is does not fit.
    CasePerson "MGMT-E-CASE-PERSON" Caller
        { "所填之人並非此卡片之持卡人，或卡片非本系統所發而未填統一編號。", "The person is not the card's holder, or the card is not known here and no person was named." }
        { "核對卡片與證件；純憑證卡請填統一編號。", "Compare card and papers; for a certificate-only card give the person's number." }
    /// No such card.
    CardUnknown "MGMT-E-CARD-UNKNOWN" Caller
        { "查無此卡片序號。", "No such card serial number." }
        { "請核對卡片序號。", "Check the card serial number." }
    /// No such office.
    OfficeUnknown "MGMT-E-OFFICE-UNKNOWN" Caller
        { "查無此戶政事務所。", "No such household registration office." }
        { "請核對戶政事務所代碼。", "Check the office code." }
    /// No such box, or not for this office.
    BoxUnknown "MGMT-E-BOX-UNKNOWN" Caller
        { "查無此箱號，或非寄交本所。", "No such box, or it is not for this office." }
        { "請核對箱號與領卡名冊。", "Compare box number and collection roster." }
    /// The step does not fit the state.
    WrongState "MGMT-E-WRONG-STATE" Caller
        { "案件或卡片目前狀態不得進行此步驟。", "The case or card is in a state that does not allow this step." }
        { "請重新查詢目前狀態。", "Look up the present state again." }
    /// No such recall.
    RecallUnknown "MGMT-E-RECALL-UNKNOWN" Caller
        { "查無此召回案。", "No such recall." }
        { "neweid recall list", "neweid recall list" }
    /// It concerns no card, or says not why.
    RecallEmpty "MGMT-E-RECALL-EMPTY" Caller
        { "召回案未涉及使用中之卡片，或未載明原因。", "The recall concerns no card in use, or gives no reason." }
        { "核對選取條件。", "Check the criteria." }
    /// An update, though the software of the chips cannot be changed.
    RecallNotPatchable "MGMT-E-RECALL-NOT-PATCHABLE" Caller
        { "所選卡片有晶片型別未登錄為可更新韌體。", "Among these cards are chips whose type is not registered as patchable." }
        { "改為更換金鑰（改用卡上另一組金鑰）或換發新卡。", "Decide for other keys of the same cards (rekey), or for a new card." }
    /// None of the cards has other keys to go on with.
    RecallNoOtherKeys "MGMT-E-RECALL-NO-OTHER-KEYS" Caller
        { "所選卡片均無另一組金鑰可用。", "None of these cards has other keys to go on with." }
        { "改為換發新卡。", "Decide for a new card." }
    /// New cards of a profile that recalled cards are not exchanged for.
    RecallReplacement "MGMT-E-RECALL-REPLACEMENT" Caller
        { "新卡卡別為樣卡，或其晶片已停用，或即為召回之晶片型別。", "The profile of the new cards is for samples alone, or its type of chip is stopped, or is the one that is called in." }
        { "改以另一型晶片之卡別提案：neweid chip-type list", "Name a profile on another type of chip: neweid chip-type list" }
    /// Nobody approved it in time.
    RecallLapsed "MGMT-E-RECALL-LAPSED" Caller
        { "提案已逾七日未經核可，不得再核可。", "The proposal was not approved within seven days, and cannot be any more." }
        { "請重新提案：涉及之卡片將重新選取。", "Propose it again: the cards it concerns are chosen anew." }
    /// The second person of two is the first, or it was approved already.
    RecallApproval "MGMT-E-RECALL-APPROVAL" Caller
        { "召回案須由提案人以外之另一人於七日內核可一次。", "A second person approves a recall, once and within seven days." }
        { "請另一人核可，或重新提案。", "Ask somebody else, or propose it again." }
    /// What was to be approved is not what is proposed any more.
    RecallReplaced "MGMT-E-RECALL-REPLACED" Caller
        { "此廢止提案已由後一提案取代。", "Another proposal has taken the place of this revocation." }
        { "查看後一提案再核可：neweid recall list", "Look at the other one before you approve it: neweid recall list" }
    /// Cards are neither updated nor exchanged yet.
    RecallWaits "MGMT-E-RECALL-WAITS" Caller
        { "尚有卡片未更新、更換金鑰或換發，不得結案。", "Cards of the recall wait: they are not updated, have no other keys yet, and are not exchanged." }
        { "neweid recall report", "neweid recall report" }
    /// An approval of a photo that the review itself finds wrong (CARDFACE-18, CARDFACE-20).
    PhotoNotConforming "MGMT-E-PHOTO-NOT-CONFORMING" Caller
        { "審核結果與核准不符：頭部須占 70 至 80 %，且相片未經修改、可資辨識。", "The review contradicts the approval: the head takes 70 to 80 %, and the photo is unaltered and recognisable." }
        { "請以原因退回相片，由申請人另繳新相片。", "Refuse the photo with its reason; the applicant hands in another one." }
    /// An approval that does not decide about the exemption applied for, or about another one (CARDFACE-23).
    ExemptionUndecided "MGMT-E-EXEMPTION-UNDECIDED" Caller
        { "核准未載明所申請之免列印相片事由，或與申請不符。", "The approval does not name the exemption from the portrait that was applied for, or names another." }
        { "請依申請載明事由核准，或退回申請。", "Approve with the reason applied for, or return the application." }
    /// Another system shows another key, or an old statement.
    PeerUnknown "MGMT-E-PEER-UNKNOWN" Caller
        { "對方系統之金鑰或簽章不符。", "The other system's key or signature is not what it must be." }
        { "核對兩系統之時鐘；更換金鑰須由雙方人員登錄。", "Compare the clocks of both; a new key must be registered by people on both sides." }
    /// Entitlement was lost between application and hand-over.
    NoLongerEntitled "MGMT-E-NO-LONGER-ENTITLED" Caller
        { "當事人已不具請領資格，卡片作廢。", "The person is no longer entitled; the card was voided." }
        { "請依作廢程序打洞截角。", "Punch and cut the card as a void one." }
    /// A printed field changed after production.
    FaceOutdated "MGMT-E-FACE-OUTDATED" Caller
        { "製卡後卡面資料已變更，原卡作廢重製。", "A printed field changed after production; the card was voided and is made again." }
        { "請等候重製之卡片到所。", "Wait for the remade card." }
}

/// The error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MgmtError {
    /// A request is refused by a rule; nothing was changed unless the code says so.
    #[error("{}: {} {}", .0.code(), .0.cause().0, .0.cause().1)]
    Refused(Refusal),
    /// The register did not answer, or not sensibly.
    #[error("MGMT-E-REGISTER: 戶役政資訊系統無法使用 household register unavailable: {0}")]
    Register(#[from] registry::RegistryError),
    /// The certificate system did not answer, or refused.
    #[error("MGMT-E-CERTIFICATES: 憑證系統無法使用 certificate system unavailable: {0}")]
    Certificates(#[from] npc::NpcError),
    /// The document signer did not answer, or refused.
    #[error("MGMT-E-DOCUMENT-SIGNER: 文件簽署系統無法使用 document signer unavailable: {0}")]
    DocumentSigner(#[from] docsigner::DocSignerError),
    /// The authorisation PKI did not answer, or refused.
    #[error("MGMT-E-AUTHORISATION: 授權驗證系統無法使用 authorisation PKI unavailable: {0}")]
    Authorisation(#[from] eacpki::EacPkiError),
    /// The card centre did not answer, or refused.
    #[error("MGMT-E-CARD-CENTRE: 製卡中心無法使用 card centre unavailable: {0}")]
    CardCentre(#[from] production::ProductionError),
    /// Steps wait for another system; calling again goes on.
    #[error("MGMT-E-UNFINISHED: 尚有步驟等候介接系統 steps wait for another system")]
    Unfinished,
    /// The card in the reader did not answer as it must.
    #[error("MGMT-E-CARD: 卡片或讀卡機錯誤 card or reader failed: {0}")]
    Card(String),
    /// The database failed.
    #[error("MGMT-E-STORE: {0}")]
    Store(#[from] store::StoreError),
    /// A stored value does not open or read.
    #[error("MGMT-E-DATA: 儲存資料不一致 stored data is inconsistent: {0}")]
    Data(&'static str),
    /// The zones of a card could not be built.
    #[error("MGMT-E-ZONES: 無法產生晶片資料 chip data could not be built: {0}")]
    Zones(String),
    /// Sealing or hashing failed.
    #[error("MGMT-E-SEAL: {0}")]
    Seal(#[from] sealed::SealError),
    /// The key store failed.
    #[error("MGMT-E-KEYS: 金鑰儲存系統無法使用 key store unavailable: {0}")]
    Keys(#[from] keys::KeyError),
    /// The audit log did not take an event, so the change was not made.
    #[error("MGMT-E-AUDIT: {0}")]
    Audit(#[from] audit::AuditError),
}

/// Code, fault, cause and remedy.
type Explained = (&'static str, Fault, (&'static str, &'static str), (&'static str, &'static str));

/// Codes of the errors that are no refusals, with fault, cause and remedy for the golden list.
const OTHERS: &[Explained] = &[
    (
        "MGMT-E-REGISTER",
        Fault::Neighbour,
        ("戶役政資訊系統無法使用。", "The household register does not answer."),
        ("系統將自動重試。", "The step is tried again by itself."),
    ),
    (
        "MGMT-E-CERTIFICATES",
        Fault::Neighbour,
        ("憑證系統無法使用或拒絕。", "The certificate system does not answer or refuses."),
        (
            "系統將自動重試；持續發生時查詢憑證系統。",
            "The step is tried again; if it persists look at the certificate system.",
        ),
    ),
    (
        "MGMT-E-DOCUMENT-SIGNER",
        Fault::Neighbour,
        ("文件簽署系統無法使用或拒絕。", "The document signer does not answer or refuses."),
        ("系統將自動重試。", "The step is tried again by itself."),
    ),
    (
        "MGMT-E-AUTHORISATION",
        Fault::Neighbour,
        ("授權驗證系統無法使用或拒絕。", "The authorisation PKI does not answer or refuses."),
        ("系統將自動重試。", "The step is tried again by itself."),
    ),
    (
        "MGMT-E-CARD-CENTRE",
        Fault::Neighbour,
        ("製卡中心無法使用或拒絕。", "The card centre does not answer or refuses."),
        ("系統將自動重試。", "The step is tried again by itself."),
    ),
    (
        "MGMT-E-UNFINISHED",
        Fault::Neighbour,
        ("尚有步驟等候介接系統。", "Steps still wait for another system."),
        ("稍後再執行一次。", "Run it again a little later; it goes on where it stopped."),
    ),
    (
        "MGMT-E-CARD",
        Fault::Environment,
        ("卡片或讀卡機未正常回應。", "Card or reader did not answer as it must."),
        ("重新插卡後再試。", "Insert the card again and retry."),
    ),
    (
        "MGMT-E-STORE",
        Fault::Environment,
        ("資料庫錯誤；異動未儲存。", "The database failed; the change was not kept."),
        ("檢查磁碟空間與資料庫。", "Check disk space and database."),
    ),
    (
        "MGMT-E-DATA",
        Fault::Us,
        ("儲存資料不一致。", "Stored data is inconsistent."),
        ("停止操作並通報維護人員。", "Stop and tell the maintainers."),
    ),
    (
        "MGMT-E-ZONES",
        Fault::Us,
        ("無法產生晶片資料。", "The chip data could not be built."),
        ("通報維護人員。", "Tell the maintainers."),
    ),
    (
        "MGMT-E-SEAL",
        Fault::Us,
        ("加密或解密失敗。", "Sealing or opening failed."),
        ("確認金鑰目錄屬於此資料庫。", "Check that the key directory belongs to this database."),
    ),
    (
        "MGMT-E-KEYS",
        Fault::Environment,
        ("金鑰儲存系統無法使用。", "The key store does not answer."),
        ("檢查金鑰目錄或硬體模組後再試。", "Check the key directory or the hardware module, and try again."),
    ),
    (
        "MGMT-E-AUDIT",
        Fault::Us,
        ("稽核紀錄無法寫入；異動未儲存。", "The audit log did not take the event; the change was not made."),
        ("通報維護人員。", "Tell the maintainers."),
    ),
];

impl MgmtError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Register(_) => "MGMT-E-REGISTER",
            Self::Certificates(_) => "MGMT-E-CERTIFICATES",
            Self::DocumentSigner(_) => "MGMT-E-DOCUMENT-SIGNER",
            Self::Authorisation(_) => "MGMT-E-AUTHORISATION",
            Self::CardCentre(_) => "MGMT-E-CARD-CENTRE",
            Self::Unfinished => "MGMT-E-UNFINISHED",
            Self::Card(_) => "MGMT-E-CARD",
            Self::Store(_) => "MGMT-E-STORE",
            Self::Data(_) => "MGMT-E-DATA",
            Self::Zones(_) => "MGMT-E-ZONES",
            Self::Seal(_) => "MGMT-E-SEAL",
            Self::Keys(_) => "MGMT-E-KEYS",
            Self::Audit(_) => "MGMT-E-AUDIT",
        }
    }

    /// Who can mend it.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Refused(refusal) => refusal.fault(),
            _ => self.other().1,
        }
    }

    /// The cause, to show.
    pub fn cause(&self) -> Message {
        message(match self {
            Self::Refused(refusal) => refusal.cause(),
            _ => self.other().2,
        })
    }

    /// What to do, to show.
    pub fn remedy(&self) -> Message {
        message(match self {
            Self::Refused(refusal) => refusal.remedy(),
            _ => self.other().3,
        })
    }

    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) => Some(*refusal),
            _ => None,
        }
    }

    fn other(&self) -> &'static Explained {
        let code = self.code();
        OTHERS.iter().find(|other| other.0 == code).unwrap_or(&OTHERS[OTHERS.len() - 1])
    }
}

impl From<Refusal> for MgmtError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<PhotoFault> for MgmtError {
    fn from(fault: PhotoFault) -> Self {
        Self::Refused(match fault {
            PhotoFault::TooLarge => Refusal::PhotoTooLarge,
            PhotoFault::NotJpeg => Refusal::PhotoNotJpeg,
            PhotoFault::Damaged => Refusal::PhotoDamaged,
            PhotoFault::TooSmall { .. } => Refusal::PhotoTooSmall,
            PhotoFault::TooManyPixels => Refusal::PhotoTooManyPixels,
            PhotoFault::Border => Refusal::PhotoBorder,
            PhotoFault::TooDetailed => Refusal::PhotoTooDetailed,
        })
    }
}

impl From<DayFault> for MgmtError {
    fn from(fault: DayFault) -> Self {
        Self::Refused(match fault {
            DayFault::TooOld => Refusal::PhotoTooOld,
            DayFault::Differs => Refusal::PhotoDateDiffers,
        })
    }
}

fn message((zh, en): (&str, &str)) -> Message {
    Message { zh_hant: zh.to_owned(), en: en.to_owned() }
}

/// The golden list as docs/errors-mgmt.md has it.
pub fn golden_list() -> String {
    let mut out = String::from(
        "# Errors of the management system, the card centre and the household register\n\n代碼不變，文字可能修改。 Codes are stable, texts are not. \
         The list is compared with the program by a test.\n\n\
         | Code | Whose fault | Cause | What to do |\n|---|---|---|---|\n",
    );
    let rows = Refusal::ALL
        .iter()
        .map(|r| (r.code(), r.fault(), r.cause(), r.remedy()))
        .chain(OTHERS.iter().copied());
    for (code, fault, cause, remedy) in rows {
        let who = fault.words();
        out.push_str(&format!(
            "| {code} | {} {} | {} {} | {} {} |\n",
            who.0, who.1, cause.0, cause.1, remedy.0, remedy.1
        ));
    }
    for [code, who, cause, remedy] in production::EXPLAINED.iter().chain(registry::EXPLAINED) {
        out.push_str(&format!("| {code} | {who} | {cause} | {remedy} |\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::{MAX_FILE_BYTES, MIN_HEIGHT, MIN_WIDTH};

    #[test]
    fn the_golden_list_is_current() {
        let shown = include_str!("../../../docs/errors-mgmt.md");
        assert!(shown == golden_list(), "docs/errors-mgmt.md must read:\n{}", golden_list());
    }

    #[test]
    fn codes_are_unique() {
        let mut codes: Vec<_> =
            Refusal::ALL.iter().map(|r| r.code()).chain(OTHERS.iter().map(|other| other.0)).collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }

    #[test]
    fn the_words_about_photos_name_the_real_limits() {
        for number in [MIN_WIDTH.to_string(), MIN_HEIGHT.to_string()] {
            assert!(Refusal::PhotoTooSmall.cause().0.contains(&number));
        }
        assert_eq!(MAX_FILE_BYTES, 5 << 20);
    }
}
