//! The functions of the registration authority (NPC-43, NPC-44, NPC-45): which channel offers which, and how whoever asks is
//! authorised. One table; nothing is done that does not stand in it.

/// What may be asked of the registration authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// New eID 管理系統與 RA 系統驗證: management and registration authority prove to each other who they are.
    MutualVerification,
    /// 憑證簽發: certificates for a card that carries nothing else (NPC-02, NPC-34).
    Issue,
    /// 憑證停用
    Suspend,
    /// 憑證復用
    Resume,
    /// 憑證廢止 (NPC-48)
    Revoke,
    /// 憑證展期, which is the one reissue (OPEN-17).
    Extend,
    /// 憑證內容變更重發
    Modify,
    /// 更換金鑰: the card goes on with its other pair of keys, as a recall has decided (OPEN-13, OPEN-17).
    Rekey,
    /// 修改聯絡人電子信箱
    ChangeEmail,
    /// 修改聯絡人行動電話
    ChangeMobile,
    /// 民眾憑證重寫
    Rewrite,
    /// 查詢憑證狀態
    QueryStatus,
    /// 修改憑證公布狀態
    ChangePublication,
    /// 鎖卡解碼
    Unblock,
    /// 變更 PIN 碼
    ChangePin,
    /// 確認鎖卡解碼身分識別密碼 (NPC-45)
    ConfirmPassword,
    /// 掛失
    ReportLoss,
    /// 撤銷掛失
    WithdrawLoss,
    /// 重設用戶代碼: a new default code (MGMT-61)
    ResetUserCode,
    /// 變更用戶代碼 (MGMT-59)
    ChangeUserCode,
    /// 查詢憑證條碼 (NPC-65)
    Barcode,
    /// 申辦虛擬智慧卡 (NPC-63): a device whose certificates rest on the card.
    VirtualCard,
}

/// Where it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// 臨櫃: a registration counter (RAO), which is a household registration office (NPC-09).
    Counter,
    /// 線上: the holder by himself.
    Online,
    /// 電話: the office is called (LOSS-04).
    Telephone,
    /// 1996 內政服務專線: the ministry's hotline (LOSS-05).
    Hotline,
    /// Between systems.
    Systems,
}

/// What authorises it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authorisation {
    /// The clerk's account, who identified the person, with office and case number.
    ClerkAndCase,
    /// The same, and the holder's consent: the request is signed with a good certificate of the card.
    ClerkAndPin2,
    /// The same with the user code as the holder's consent.
    ClerkAndUserCode,
    /// PIN2: the request is signed with a good certificate of the card.
    Pin2,
    /// The user code, no longer the default one.
    UserCode,
    /// The user code, and a code sent to the contact on file.
    UserCodeAndOneTimeCode,
    /// The present PIN, which the card itself compares.
    PresentPin,
    /// The present user code, be it the default one.
    PresentUserCode,
    /// Questions that the caller answered to an operator (OPEN-43).
    CallerAnswers,
    /// The operator's account and the user code that the caller says.
    CallerUserCode,
    /// A key of each of the two systems.
    SystemKeys,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What.
    pub function: Function,
    /// Where.
    pub channel: Channel,
    /// Its number in the list of the channel (NPC-43, NPC-44); none for what stands in neither.
    pub number: Option<u8>,
    /// Any one of these.
    pub authorised_by: &'static [Authorisation],
}

use mgmt::CaseService;

use crate::Refusal;

use Authorisation as A;
use Channel as C;
use Function as F;

const CLERK: &[A] = &[A::ClerkAndCase];
const HOLDER: &[A] = &[A::Pin2, A::UserCode];
// UPDATE-20: what is written to the certificate zone has the holder's consent by PIN2 or user code, at a counter too.
const CLERK_AND_HOLDER: &[A] = &[A::ClerkAndPin2, A::ClerkAndUserCode];

const fn rule(function: F, channel: C, number: u8, authorised_by: &'static [A]) -> Rule {
    Rule { function, channel, number: if number == 0 { None } else { Some(number) }, authorised_by }
}

/// Everything that is offered.
pub const RULES: &[Rule] = &[
    // NPC-43: the counter.
    rule(F::MutualVerification, C::Counter, 1, &[A::SystemKeys]),
    rule(F::Issue, C::Counter, 2, CLERK),
    rule(F::Suspend, C::Counter, 3, CLERK),
    rule(F::Resume, C::Counter, 3, CLERK),
    rule(F::Extend, C::Counter, 4, CLERK_AND_HOLDER),
    rule(F::ChangeEmail, C::Counter, 5, CLERK),
    // NPC-44: the mobile number can be changed at the counter only.
    rule(F::ChangeMobile, C::Counter, 5, CLERK),
    rule(F::Rewrite, C::Counter, 6, CLERK_AND_HOLDER),
    rule(F::QueryStatus, C::Counter, 7, CLERK),
    rule(F::ChangePublication, C::Counter, 8, CLERK),
    // CARD-51: with the user code here too. Whoever has forgotten that is given another one first.
    rule(F::Unblock, C::Counter, 9, &[A::ClerkAndUserCode]),
    rule(F::Revoke, C::Counter, 0, CLERK),
    rule(F::ReportLoss, C::Counter, 0, CLERK),
    rule(F::WithdrawLoss, C::Counter, 0, CLERK),
    // What a residence permit says, a clerk alone has seen; that the present certificates end, the holder consents to.
    rule(F::Modify, C::Counter, 0, CLERK_AND_HOLDER),
    rule(F::Rekey, C::Counter, 0, CLERK_AND_HOLDER),
    rule(F::ResetUserCode, C::Counter, 0, CLERK),
    rule(F::Barcode, C::Counter, 0, CLERK),
    // NPC-44: online.
    rule(F::Suspend, C::Online, 1, HOLDER),
    // A suspended certificate signs nothing.
    rule(F::Resume, C::Online, 1, &[A::UserCode]),
    rule(F::Extend, C::Online, 2, HOLDER),
    rule(F::Modify, C::Online, 3, &[A::Pin2]),
    rule(F::ChangeEmail, C::Online, 4, HOLDER),
    rule(F::Rewrite, C::Online, 5, HOLDER),
    rule(F::QueryStatus, C::Online, 6, HOLDER),
    rule(F::ChangePublication, C::Online, 7, HOLDER),
    rule(F::Unblock, C::Online, 8, &[A::UserCodeAndOneTimeCode]),
    rule(F::ChangePin, C::Online, 9, &[A::PresentPin]),
    rule(F::Rekey, C::Online, 0, HOLDER),
    rule(F::Revoke, C::Online, 0, &[A::Pin2]),
    rule(F::ReportLoss, C::Online, 0, HOLDER),
    rule(F::WithdrawLoss, C::Online, 0, &[A::UserCode]),
    rule(F::ChangeUserCode, C::Online, 0, &[A::PresentUserCode]),
    rule(F::Barcode, C::Online, 0, HOLDER),
    // MOBILE-14: the holder applies with the card itself.
    rule(F::VirtualCard, C::Online, 0, &[A::Pin2]),
    // LOSS-04, LOSS-05, OPEN-43: whoever calls may do little harm.
    rule(F::ReportLoss, C::Telephone, 0, &[A::CallerAnswers]),
    rule(F::WithdrawLoss, C::Telephone, 0, &[A::CallerUserCode]),
    rule(F::ReportLoss, C::Hotline, 0, &[A::CallerAnswers]),
    // NPC-45: to the card management centre.
    rule(F::ConfirmPassword, C::Systems, 1, &[A::UserCode]),
];

/// The line for a function in a channel, if it is offered there.
pub fn rule_of(function: Function, channel: Channel) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.function == function && rule.channel == channel)
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::MutualVerification,
        Self::Issue,
        Self::Suspend,
        Self::Resume,
        Self::Revoke,
        Self::Extend,
        Self::Modify,
        Self::Rekey,
        Self::ChangeEmail,
        Self::ChangeMobile,
        Self::Rewrite,
        Self::QueryStatus,
        Self::ChangePublication,
        Self::Unblock,
        Self::ChangePin,
        Self::ConfirmPassword,
        Self::ReportLoss,
        Self::WithdrawLoss,
        Self::ResetUserCode,
        Self::ChangeUserCode,
        Self::Barcode,
        Self::VirtualCard,
    ];

    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MutualVerification => "mutual-verification",
            Self::Issue => "issue",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Revoke => "revoke",
            Self::Extend => "extend",
            Self::Modify => "modify",
            Self::Rekey => "rekey",
            Self::ChangeEmail => "change-email",
            Self::ChangeMobile => "change-mobile",
            Self::Rewrite => "rewrite",
            Self::QueryStatus => "query-status",
            Self::ChangePublication => "change-publication",
            Self::Unblock => "unblock",
            Self::ChangePin => "change-pin",
            Self::ConfirmPassword => "confirm-password",
            Self::ReportLoss => "report-loss",
            Self::WithdrawLoss => "withdraw-loss",
            Self::ResetUserCode => "reset-user-code",
            Self::ChangeUserCode => "change-user-code",
            Self::Barcode => "barcode",
            Self::VirtualCard => "virtual-card",
        }
    }

    /// The mission's word.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::MutualVerification => "管理系統與 RA 系統驗證",
            Self::Issue => "憑證簽發",
            Self::Suspend => "憑證停用",
            Self::Resume => "憑證復用",
            Self::Revoke => "憑證廢止",
            Self::Extend => "憑證展期（重新簽發）",
            Self::Modify => "憑證內容變更重發",
            Self::Rekey => "更換金鑰",
            Self::ChangeEmail => "修改聯絡電子信箱",
            Self::ChangeMobile => "修改聯絡行動電話",
            Self::Rewrite => "憑證重寫",
            Self::QueryStatus => "查詢憑證狀態",
            Self::ChangePublication => "修改憑證公布狀態",
            Self::Unblock => "鎖卡解碼",
            Self::ChangePin => "變更 PIN 碼",
            Self::ConfirmPassword => "確認鎖卡解碼身分識別密碼",
            Self::ReportLoss => "掛失",
            Self::WithdrawLoss => "撤銷掛失",
            Self::ResetUserCode => "重設用戶代碼",
            Self::ChangeUserCode => "變更用戶代碼",
            Self::Barcode => "查詢憑證條碼",
            Self::VirtualCard => "申辦虛擬智慧卡",
        }
    }

    /// Whether a New eID in a reader takes part.
    pub const fn needs_card(self) -> bool {
        matches!(self, Self::Extend | Self::Rekey | Self::Rewrite | Self::Unblock | Self::ChangePin)
    }

    /// Whether certificates are applied for.
    pub const fn needs_certificates(self) -> bool {
        matches!(self, Self::Issue | Self::Extend | Self::Modify | Self::Rekey | Self::VirtualCard)
    }

    /// For what a holder came to a counter under whose case the function is offered: one of these.
    pub const fn services(self) -> &'static [CaseService] {
        match self {
            Self::Issue => &[CaseService::NewCard],
            Self::Suspend
            | Self::Resume
            | Self::Revoke
            | Self::Extend
            | Self::Modify
            | Self::Rekey
            | Self::Rewrite
            | Self::Barcode
            | Self::VirtualCard
            | Self::ChangePublication => &[CaseService::Certificates],
            // LOSS-15: whoever takes a loss report answers for the certificates too.
            Self::QueryStatus => &[CaseService::Certificates, CaseService::Loss],
            Self::ReportLoss | Self::WithdrawLoss => &[CaseService::Loss],
            Self::Unblock | Self::ChangePin | Self::ResetUserCode | Self::ChangeUserCode => {
                &[CaseService::Codes]
            }
            Self::ChangeEmail | Self::ChangeMobile => &[CaseService::Contact],
            // Between systems.
            Self::MutualVerification | Self::ConfirmPassword => &[],
        }
    }

    /// What the function is for a card that carries certificates and nothing else.
    pub const fn on_certificate_card(self) -> OnCertificateCard {
        match self {
            Self::MutualVerification => OnCertificateCard::NoCard,
            Self::Issue | Self::Rewrite => OnCertificateCard::HandsOver,
            Self::Extend | Self::Modify => OnCertificateCard::NextKeys,
            // Recalls are management's, which does not know these cards.
            Self::Rekey => OnCertificateCard::Refused(Refusal::NoRekey),
            Self::Unblock | Self::ChangePin => OnCertificateCard::Refused(Refusal::NoCardKeys),
            _ => OnCertificateCard::Same,
        }
    }
}

/// What a function is for a card that carries certificates and nothing else. No channel leads from here to such a card: its
/// own middleware writes to it what is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCertificateCard {
    /// What it is for New eID.
    Same,
    /// Certificates are handed to whoever asked.
    HandsOver,
    /// The same, for the card's second pair of keys, whose requests come with it.
    NextKeys,
    /// It needs keys of the card.
    Refused(Refusal),
    /// It concerns no card.
    NoCard,
}

impl OnCertificateCard {
    /// Words for people, Traditional Chinese and English.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Same => ("同 New eID", "as for New eID"),
            Self::HandsOver => {
                ("交付憑證，由卡片之軟體寫入", "hands the certificates over; the card's software writes them")
            }
            Self::NextKeys => (
                "以第二組金鑰之申請檔簽發並交付憑證",
                "certificates over the requests of the second pair of keys, handed over",
            ),
            Self::Refused(refusal) => (refusal.cause().0, refusal.cause().1),
            Self::NoCard => ("與卡片無關", "concerns no card"),
        }
    }
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Counter, Self::Online, Self::Telephone, Self::Hotline, Self::Systems];

    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Online => "online",
            Self::Telephone => "telephone",
            Self::Hotline => "hotline",
            Self::Systems => "systems",
        }
    }

    /// The mission's word.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Counter => "臨櫃",
            Self::Online => "線上",
            Self::Telephone => "電話",
            Self::Hotline => "1996 專線",
            Self::Systems => "系統間",
        }
    }
}

impl Authorisation {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::ClerkAndCase,
        Self::ClerkAndPin2,
        Self::ClerkAndUserCode,
        Self::Pin2,
        Self::UserCode,
        Self::UserCodeAndOneTimeCode,
        Self::PresentPin,
        Self::PresentUserCode,
        Self::CallerAnswers,
        Self::CallerUserCode,
        Self::SystemKeys,
    ];

    /// The stable text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClerkAndCase => "clerk-and-case",
            Self::ClerkAndPin2 => "clerk-and-pin2",
            Self::ClerkAndUserCode => "clerk-and-user-code",
            Self::Pin2 => "pin2",
            Self::UserCode => "user-code",
            Self::UserCodeAndOneTimeCode => "user-code-and-one-time-code",
            Self::PresentPin => "present-pin",
            Self::PresentUserCode => "present-user-code",
            Self::CallerAnswers => "caller-answers",
            Self::CallerUserCode => "caller-user-code",
            Self::SystemKeys => "system-keys",
        }
    }

    /// Words for people, Traditional Chinese and English.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::ClerkAndCase => {
                ("承辦人查驗身分，並有案號", "the clerk who identified the person, with a case")
            }
            Self::ClerkAndPin2 => (
                "承辦人查驗身分並有案號，當事人以 PIN2 簽章同意",
                "the clerk with a case, and the holder's consent signed with PIN2",
            ),
            Self::ClerkAndUserCode => (
                "承辦人查驗身分並有案號，當事人以用戶代碼同意",
                "the clerk with a case, and the user code as the holder's consent",
            ),
            Self::Pin2 => ("以卡片有效憑證簽章（PIN2）", "signed with a good certificate of the card (PIN2)"),
            Self::UserCode => ("用戶代碼", "the user code"),
            Self::UserCodeAndOneTimeCode => (
                "用戶代碼，及寄至留存聯絡方式之一次性密碼",
                "the user code, and a code sent to the contact on file",
            ),
            Self::PresentPin => ("目前的 PIN，由卡片比對", "the present PIN, which the card compares"),
            Self::PresentUserCode => {
                ("目前的用戶代碼，含預設者", "the present user code, be it the default one")
            }
            Self::CallerAnswers => ("來電者答覆身分問題", "the caller answers questions about the holder"),
            Self::CallerUserCode => ("來電者報出用戶代碼", "the caller says the user code"),
            Self::SystemKeys => ("兩系統之金鑰", "a key of each system"),
        }
    }
}

/// The table as docs/ra-functions.md has it.
pub fn document() -> String {
    let mut out = String::from(
        "# 註冊中心功能 Functions of the registration authority\n\n由程式產生，與程式不符時測試失敗。 Made from the table in the program \
         (`systems/ra/src/functions.rs`); a test compares.\n\n\
         | 通路 Channel | 序號 No. | 功能 Function | 名稱 Name | 授權 Authorised by any of | 讀卡 Card |\n|---|---|---|---|---|---|\n",
    );
    for rule in RULES {
        let by: Vec<String> = rule
            .authorised_by
            .iter()
            .map(|by| {
                let (zh, en) = by.words();
                format!("`{}` {zh} {en}", by.as_str())
            })
            .collect();
        out.push_str(&format!(
            "| {} {} | {} | {} | `{}` | {} | {} |\n",
            rule.channel.zh(),
            rule.channel.as_str(),
            rule.number.map(|n| n.to_string()).unwrap_or_default(),
            rule.function.zh(),
            rule.function.as_str(),
            by.join("<br>"),
            if rule.function.needs_card() { "是 yes" } else { "" }
        ));
    }
    out.push_str(
        "\n## 純憑證卡 Cards that carry certificates and nothing else\n\n註冊中心簽發之純憑證卡，卡片管理系統並無登錄；用戶代碼與聯絡方式由註冊中心保管。 \
         Management does not know these cards; the registration authority keeps user code and contact of their holders.\n\n\
         | 功能 Function | 名稱 Name | 純憑證卡 On such a card |\n|---|---|---|\n",
    );
    for function in Function::ALL {
        let on = function.on_certificate_card();
        let code = if let OnCertificateCard::Refused(refusal) = on {
            format!("`{}` ", refusal.code())
        } else {
            String::new()
        };
        let (zh, en) = on.words();
        out.push_str(&format!("| {} | `{}` | {code}{zh} {en} |\n", function.zh(), function.as_str()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The functions of a channel in the order of its list.
    fn list(channel: Channel) -> Vec<(u8, Function)> {
        let mut list: Vec<_> = RULES
            .iter()
            .filter(|rule| rule.channel == channel)
            .filter_map(|rule| Some((rule.number?, rule.function)))
            .collect();
        list.sort();
        list
    }

    // proves: NPC-43, NPC-44, NPC-45, NPC-49, OPEN-17
    #[test]
    fn the_lists_are_complete() {
        use Function as F;
        let counter = [
            (1, F::MutualVerification),
            (2, F::Issue),
            (3, F::Suspend),
            (3, F::Resume),
            (4, F::Extend),
            (5, F::ChangeEmail),
            (5, F::ChangeMobile),
            (6, F::Rewrite),
            (7, F::QueryStatus),
            (8, F::ChangePublication),
            (9, F::Unblock),
        ];
        assert_eq!(list(Channel::Counter), counter);
        let online = [
            (1, F::Suspend),
            (1, F::Resume),
            (2, F::Extend),
            (3, F::Modify),
            (4, F::ChangeEmail),
            (5, F::Rewrite),
            (6, F::QueryStatus),
            (7, F::ChangePublication),
            (8, F::Unblock),
            (9, F::ChangePin),
        ];
        assert_eq!(list(Channel::Online), online);
        assert_eq!(list(Channel::Systems), [(1, F::ConfirmPassword)]);
    }

    #[test]
    fn every_line_stands_once_and_names_who_may() {
        for rule in RULES {
            assert_eq!(rule_of(rule.function, rule.channel), Some(rule));
            assert!(!rule.authorised_by.is_empty());
            // Whoever is not before a clerk never acts in a clerk's name, and no clerk in the holder's.
            for by in rule.authorised_by {
                let clerk = by.as_str().starts_with("clerk") || *by == Authorisation::SystemKeys;
                assert_eq!(clerk, rule.channel == Channel::Counter, "{rule:?}");
            }
        }
        for function in Function::ALL {
            assert!(RULES.iter().any(|rule| rule.function == function), "{function:?}");
        }
    }

    // proves: UPDATE-20
    #[test]
    fn nothing_is_written_to_the_certificate_zone_without_the_holders_consent() {
        let consent =
            |by: &Authorisation| by.as_str().ends_with("pin2") || by.as_str().ends_with("user-code");
        let writes = |function| {
            matches!(function, Function::Extend | Function::Modify | Function::Rekey | Function::Rewrite)
        };
        for rule in RULES.iter().filter(|rule| writes(rule.function)) {
            assert!(rule.authorised_by.iter().all(consent), "{rule:?}");
        }
    }

    #[test]
    fn the_document_is_current() {
        let shown = include_str!("../../../docs/ra-functions.md");
        assert!(shown == document(), "docs/ra-functions.md must read:\n{}", document());
    }
}
