//! What can go wrong in the registration authority, sorted by whose fault it is, each with a stable code, cause and remedy in
//! Traditional Chinese and English (docs/errors-ra.md). What a neighbour refused keeps the neighbour's code.

use mgmt::Fault;

/// Declares the refusals: one line each, so that code, fault, words and list cannot drift apart.
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
            /// Every kind, in the order of the list.
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
    /// The channel does not have the function.
    NotOffered "RA-E-NOT-OFFERED" Caller
        { "此通路不提供此項功能。", "This channel does not offer this function." }
        { "見 docs/ra-functions.md。", "See docs/ra-functions.md." }
    /// The function is authorised otherwise.
    NotAuthorised "RA-E-NOT-AUTHORISED" Caller
        { "此項功能不得以此方式授權。", "The function is not authorised in this way." }
        { "見 docs/ra-functions.md 之授權欄。", "See the column `authorised by` in docs/ra-functions.md." }
    /// Clerk, office or case is missing.
    NoClerk "RA-E-NO-CLERK" Caller
        { "未記載承辦人或案號。", "The clerk or the case number is missing." }
        { "填寫承辦人帳號、戶政事務所及案號。", "Give the clerk's account, the office and the case number." }
    /// There is no such case.
    CaseUnknown "RA-E-CASE-UNKNOWN" Caller
        { "查無此臨櫃案件。", "There is no such case of a counter." }
        { "核對案號；`neweid ra case` 開案。", "Compare the number; `neweid ra case` opens a case." }
    /// The case is closed.
    CaseClosed "RA-E-CASE-CLOSED" Caller
        { "案件已結案或逾期。", "The case is closed, or was open for too long." }
        { "為當事人另開新案。", "Open another case for the holder." }
    /// The case is about another card or person.
    CaseOther "RA-E-CASE-OTHER" Caller
        { "案件所載之卡片或當事人不符。", "The case is about another card or person." }
        { "核對案號與卡片。", "Compare the number of the case with the card." }
    /// The case is for something else.
    CaseService "RA-E-CASE-SERVICE" Caller
        { "案件所載申請事項不含此項功能。", "The holder did not come for this: the case is for something else." }
        { "另開載明此事項之案件。", "Open a case that names it." }
    /// There is no such office.
    NoOffice "RA-E-NO-OFFICE" Caller
        { "無此戶政事務所或機動櫃檯。", "There is no such household registration office or temporary counter." }
        { "填寫戶政事務所代碼：行政區代碼加 00，機動櫃檯為 90 至 99。", "Give the code of an office: that of the district and 00, or 90 to 99 for a temporary counter." }
    /// The request's time is not now.
    Stale "RA-E-STALE" Caller
        { "申請時間與現在相差過久。", "The time of the request is too far from now." }
        { "校正時鐘後重新申請並簽章。", "Set the clock right, and make and sign the request again." }
    /// The signature does not authorise this request.
    Signature "RA-E-SIGNATURE" Applicant
        { "簽章不符，或非以此卡片之有效簽章憑證所簽。", "The signature is wrong, or was not made with a good signing certificate of this card." }
        { "插入此卡片，以 PIN2 重新簽章；憑證已停用者請改用用戶代碼。", "Insert this card and sign again with PIN2; if its certificate is suspended use the user code." }
    /// The caller's answers.
    CallerUnknown "RA-E-CALLER" Applicant
        { "來電者之答覆與登記資料不符，或無權代為掛失。", "The caller's answers are not what is registered, or the caller may not report for the holder." }
        { "請本人或法定代理人臨櫃辦理。", "The holder or legal representative comes to a counter." }
    /// A request number was used before with other content.
    Conflict "RA-E-CONFLICT" Caller
        { "同一申請編號曾用於不同內容。", "The request number was used before with other content." }
        { "以新編號申請。", "Use a new number." }
    /// No card was given to a function that needs one.
    NoCard "RA-E-NO-CARD" Caller
        { "此項功能須讀取卡片。", "The function needs the card in a reader." }
        { "將卡片放入讀卡機後再試。", "Put the card into a reader and try again." }
    /// The function needs something it was not given.
    Incomplete "RA-E-INCOMPLETE" Caller
        { "申請內容不完整，或與功能不符。", "The request lacks what the function needs, or holds something else." }
        { "補齊後以新編號申請。", "Complete it and use a new number." }
    /// The reissue is not due.
    TooEarly "RA-E-TOO-EARLY" Applicant
        { "首張憑證尚未屆期，未達可展期日。", "The first certificate does not end soon; it is too early for the reissue." }
        { "於期滿前之展期期間內辦理。", "Come within the period for reissue before it ends." }
    /// Reissued once already.
    AlreadyReissued "RA-E-ALREADY-REISSUED" Applicant
        { "已展期一次，不得再展期。", "The certificate was reissued once, and once is all." }
        { "卡片內憑證毀損者請申請憑證重寫；屆期者請換領新卡。", "If the certificate on the card is damaged ask for a rewrite; at its end apply for a new card." }
    /// Both pairs of keys have certificates.
    NoFurtherKeys "RA-E-NO-FURTHER-KEYS" Applicant
        { "此卡片兩組金鑰均已使用，不得再變更、展期或更換金鑰。", "Both pairs of keys of the card are used; nothing can be modified, reissued or rekeyed on it any more." }
        { "臨櫃申辦新卡。", "Apply for another card at a counter." }
    /// No recall has decided it.
    NoRekey "RA-E-NO-REKEY" Applicant
        { "此卡片並非應更換金鑰之召回卡片，或已更換，或非於持卡人使用中。", "No open recall has the card go on with its other keys, or it does already, or it is not in use by its holder." }
        { "查核召回通知；已掛失者先撤銷掛失。", "Compare the notice of the recall; if the card is reported lost withdraw that first." }
    /// The certificates cannot be followed by others.
    Ended "RA-E-ENDED" Applicant
        { "原憑證已廢止或屆期，不得據以變更或展期。", "The certificates are revoked or have ended; nothing can follow them on this card." }
        { "臨櫃申辦新的純憑證卡。", "Apply for another certificate card at a counter." }
    /// The number is not that of the card's holder.
    OtherPerson "RA-E-OTHER-PERSON" Caller
        { "所填統一編號並非此卡片之當事人。", "The number is not that of the person whose card it is." }
        { "核對卡片與證件；統一編號變更者請申辦新卡。", "Compare card and papers; whoever has another number now applies for another card." }
    /// A foreign resident's name comes from the permit.
    PermitNeeded "RA-E-PERMIT-NEEDED" Applicant
        { "外來人口之姓名須由承辦人查驗居留證。", "A clerk must see a foreign resident's name on the residence permit." }
        { "攜帶居留證臨櫃辦理。", "Come to a counter with the permit." }
    /// No key of the card is here.
    NoCardKeys "RA-E-NO-CARD-KEYS" Caller
        { "純憑證卡之 PIN 由卡片自行管理，此處無其金鑰。", "A certificate card manages its PINs by itself; no key of it is kept here." }
        { "以該卡片之軟體與 PUK 辦理，或申辦新卡。", "Use the card's own software and PUK, or apply for another card." }
    /// Nothing to write to the card.
    NothingToWrite "RA-E-NOTHING-TO-WRITE" Applicant
        { "此卡片無有效憑證可重寫。", "The card has no good certificate to be written again." }
        { "先復用憑證，或申請新卡。", "Resume the certificate first, or apply for a new card." }
    /// The card has no certificate, or none that is in force or suspended.
    NoCertificate "RA-E-NO-CERTIFICATE" Applicant
        { "此卡片無有效之自然人憑證，亦無憑證條碼。", "The card has no natural-person certificate in force, and so no barcode." }
        { "以有憑證之卡片申請；憑證已廢止或屆期者請申辦新卡。", "Ask with a card that has certificates; where they are revoked or over apply for a new card." }
    /// The content of the certificate is what the register says.
    Unchanged "RA-E-UNCHANGED" Applicant
        { "憑證內容與戶籍登記或居留證相符，無須變更。", "The certificate says what the register or the permit says; there is nothing to change." }
        { "無須辦理。", "Nothing needs to be done." }
    /// Name or number changed, which are printed on the card.
    NewCardNeeded "RA-E-NEW-CARD-NEEDED" Applicant
        { "變更之姓名或統一編號亦載於卡面，新憑證隨新卡發給。", "The name or number that changed is printed on the card; the new certificate comes with a new card." }
        { "請申請換領；新卡交付時原憑證廢止。", "Apply for renewal; when the new card is handed over the old certificates are revoked." }
    /// No e-mail and no mobile number on file.
    NoContact "RA-E-NO-CONTACT" Applicant
        { "無可寄送一次性密碼之聯絡方式。", "There is no e-mail address or mobile number to send a code to." }
        { "請臨櫃辦理鎖卡解碼，並留存聯絡方式。", "Have the card unblocked at a counter, and leave a contact there." }
    /// The contact was changed a short while ago.
    ContactTooNew "RA-E-CONTACT-TOO-NEW" Applicant
        { "聯絡方式剛變更，等候期內不得用於解鎖。", "The contact was changed a short while ago and cannot be used for unblocking yet." }
        { "等候期滿後再試，或臨櫃辦理。", "Try again when the waiting time is over, or come to a counter." }
    /// Wrong or expired code.
    OneTimeCode "RA-E-ONE-TIME-CODE" Applicant
        { "一次性密碼錯誤、逾時或已使用。", "The one-time code is wrong, out of date or used." }
        { "重新取得一次性密碼。", "Have another code sent." }
    /// An inquiry that no firm under contract has signed, or that was sent before.
    FirmMessage "RA-E-FIRM-MESSAGE" Caller
        { "查詢訊息非簽約機構所簽、內容不符，或重複送出。", "The inquiry was not signed by a firm under contract, is malformed, or was sent before." }
        { "以登錄之憑證重新簽署一筆新查詢。", "Make a new inquiry and sign it with the registered certificate." }
    /// The contract has ended or does not name the class of use.
    FirmContract "RA-E-FIRM-CONTRACT" Caller
        { "契約已屆期，或不含此用途類別。", "The contract has ended or does not name this class of use." }
        { "向憑證管理中心申請變更契約。", "Have the contract changed by the certification authority." }
    /// Too many inquiries in a minute.
    FirmRate "RA-E-FIRM-RATE" Caller
        { "每分鐘查詢次數超過契約上限。", "More inquiries in a minute than the contract allows." }
        { "稍後再查詢。", "Ask again later." }
    /// Too many wrong numbers for one certificate.
    FirmGuesses "RA-E-FIRM-GUESSES" Caller
        { "此憑證今日查詢之統一編號多次不符，暫停回覆。", "Several wrong numbers were asked for this certificate today; it is not answered any more." }
        { "請當事人提出證件；次日恢復。", "Have the person show papers; it is answered again tomorrow." }
    /// Management shows another key, or an old statement.
    PeerUnknown "RA-E-PEER-UNKNOWN" Neighbour
        { "管理系統之金鑰或簽章不符。", "The key or signature of management is not what it must be." }
        { "核對兩系統之時鐘；更換金鑰須由雙方人員登錄。", "Compare the clocks of both; a new key must be registered by people on both sides." }
    /// Issuing is stopped: nothing is applied for that cannot be given.
    IssuingStopped "RA-E-ISSUING-STOPPED" Neighbour
        { "自然人憑證暫停簽發，不受理申請。", "The issuing of natural-person certificates is stopped; applications for them are not taken." }
        { "於恢復簽發後以新編號申請。", "Apply with a new number when issuing goes on." }
    /// The certificates are suspended.
    Suspended "RA-E-SUSPENDED" Applicant
        { "憑證停用中，不得辦理。", "The certificates are suspended, which does not allow this." }
        { "先復用憑證；掛失者先撤銷掛失。", "Resume them first; if the card is reported lost withdraw the report." }
}

/// The error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RaError {
    /// A request is refused by a rule; nothing was changed.
    #[error("{}: {} {}", .0.code(), .0.cause().0, .0.cause().1)]
    Refused(Refusal),
    /// The card management centre refused, or did not answer.
    #[error(transparent)]
    Management(#[from] mgmt::MgmtError),
    /// The CA refused, or did not answer.
    #[error(transparent)]
    Authority(#[from] npc::NpcError),
    /// The household register did not answer.
    #[error(transparent)]
    Register(#[from] registry::RegistryError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The audit log did not take an event, so the change was not made.
    #[error(transparent)]
    Audit(#[from] audit::AuditError),
    /// A message could not be sealed or opened.
    #[error("RA-E-SEAL: {0}")]
    Seal(#[from] sealed::SealError),
    /// A stored value does not read.
    #[error("RA-E-DATA: 儲存資料不一致 stored data is inconsistent: {0}")]
    Data(&'static str),
}

/// A sentence in Chinese and in English.
type Sentence = (&'static str, &'static str);

/// Code, fault, cause and remedy of the errors that are no refusals.
const OTHERS: [(&str, Fault, Sentence, Sentence); 2] = [
    (
        "RA-E-SEAL",
        Fault::Us,
        ("加密或解密失敗。", "Sealing or opening failed."),
        ("確認金鑰目錄屬於此資料庫。", "Check that the key directory belongs to this database."),
    ),
    (
        "RA-E-DATA",
        Fault::Us,
        ("儲存資料不一致。", "Stored data is inconsistent."),
        ("停止操作並通報維護人員。", "Stop and tell the maintainers."),
    ),
];

impl RaError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Management(error) => error.code(),
            Self::Authority(error) => error.code(),
            Self::Register(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Audit(error) => error.code(),
            Self::Seal(_) => OTHERS[0].0,
            Self::Data(_) => OTHERS[1].0,
        }
    }

    /// Fault, cause and remedy, where this crate or management has words for them.
    #[allow(clippy::type_complexity, reason = "two sentences, each in two languages")]
    pub fn explained(&self) -> Option<(Fault, (String, String), (String, String))> {
        let owned = |(zh, en): (&str, &str)| (zh.to_owned(), en.to_owned());
        match self {
            Self::Refused(refusal) => {
                Some((refusal.fault(), owned(refusal.cause()), owned(refusal.remedy())))
            }
            Self::Management(error) => {
                let (cause, remedy) = (error.cause(), error.remedy());
                // What failed elsewhere carries its own words.
                let en = if error.refusal().is_some() { cause.en } else { error.to_string() };
                Some((error.fault(), (cause.zh_hant, en), (remedy.zh_hant, remedy.en)))
            }
            Self::Seal(_) | Self::Data(_) => OTHERS
                .iter()
                .find(|other| other.0 == self.code())
                .map(|other| (other.1, owned(other.2), owned(other.3))),
            _ => None,
        }
    }

    /// Whether somebody refused by a rule; else something failed.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Management(error) => error.refusal().is_some(),
            Self::Authority(error) => error.is_refusal(),
            _ => false,
        }
    }

    /// The refusal, if it is one of this crate.
    pub const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) => Some(*refusal),
            _ => None,
        }
    }
}

impl From<Refusal> for RaError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The list as docs/errors-ra.md has it.
pub fn golden_list() -> String {
    let mut out = String::from(
        "# 註冊中心之錯誤 Errors of the registration authority\n\n代碼不變，文字可能修改。 Codes are stable, texts are not. The list is compared \
         with the program by a test. What a neighbour refuses keeps its code: [management](errors-mgmt.md), [certification authority](errors-npc.md).\n\n\
         | Code | Whose fault | Cause | What to do |\n|---|---|---|---|\n",
    );
    let rows = Refusal::ALL.iter().map(|r| (r.code(), r.fault(), r.cause(), r.remedy())).chain(OTHERS);
    for (code, fault, cause, remedy) in rows {
        let who = fault.words();
        out.push_str(&format!(
            "| {code} | {} {} | {} {} | {} {} |\n",
            who.0, who.1, cause.0, cause.1, remedy.0, remedy.1
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_current() {
        let shown = include_str!("../../../docs/errors-ra.md");
        assert!(shown == super::golden_list(), "docs/errors-ra.md must read:\n{}", super::golden_list());
    }
}
