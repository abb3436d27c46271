//! What a refusal is due to: which right, which check, which key. The same status word means another thing for each command
//! and protocol (docs/card-commands.md), so each has its own table here; where none of it fits nothing is said.

use apdu::{Command, StatusWord};
use eac::auxiliary_data;
use eac::pace::SetAuthenticationTemplate;

use super::commands::{authentication_step, password_name, public_name};
use super::places::Place;
use super::{Announced, Narrator, Protection, Words, is_refused};

const FAILED: StatusWord = StatusWord::AUTHENTICATION_FAILED;
const NO_RIGHT: StatusWord = StatusWord::SECURITY_STATUS_NOT_SATISFIED;
const BLOCKED: StatusWord = StatusWord::AUTHENTICATION_BLOCKED;
const NOT_SET: StatusWord = StatusWord::REFERENCE_DATA_NOT_USABLE;
const CONDITIONS: StatusWord = StatusWord::CONDITIONS_NOT_SATISFIED;
const WRONG_DATA: StatusWord = StatusWord::WRONG_DATA;
const UNSUPPORTED: StatusWord = StatusWord::FUNCTION_NOT_SUPPORTED;
const NOT_FOUND: StatusWord = StatusWord::REFERENCED_DATA_NOT_FOUND;

/// Traditional Chinese and English.
type Reason = Option<(&'static str, &'static str)>;

const MALFORMED: Reason = Some(("指令的資料格式不正確", "the data of the command are malformed"));
const NO_ENCRYPTED_ZONE: Reason =
    Some(("加密區只在接觸式介面", "the encrypted zone exists on the contact interface only"));

impl Narrator {
    /// Which right, which check or which key a refusal is due to.
    pub(super) fn why(&self, protection: Protection, command: &Command, sw: StatusWord) -> Option<Words> {
        if !is_refused(sw) {
            return None;
        }
        let secure = protection == Protection::SecureMessaging;
        let issuer = protection == Protection::Scp03;
        let reason = match (command.cla & 0x80 != 0, command.ins) {
            (false, 0x22) => return self.why_environment(command, sw),
            (false, 0x86) => return self.why_authentication(command, sw),
            (false, 0x2A) => return why_certificate(command, sw),
            (true, 0x20) => return why_question(command, sw),
            (proprietary, 0x82) if proprietary || issuer => why_host(sw),
            (false, 0x82) if secure || self.announced == Announced::TerminalAuthentication => {
                why_terminal(sw)
            }
            (false, 0x82) => why_basic_access(sw),
            (true, 0xE2 | 0x34) if secure => why_update(command, sw),
            (false, 0x20 | 0x24) => self.why_pin2(secure, command, sw),
            (_, 0x2C) => why_reset(issuer, command, sw),
            (true, 0x58 | 0x62 | 0x68) => self.why_key(command, sw),
            (false, 0x88) => self.why_active_authentication(secure, sw),
            (false, 0xA4 | 0xB0 | 0xB1) => self.why_file(secure, command, sw),
            (false, 0xD6 | 0xD7) if sw == NO_RIGHT => {
                Some(("終端沒有此欄位的寫入權限", "the terminal has no right to write this field"))
            }
            (true, _) => why_production(issuer, sw),
            _ => None,
        };
        reason.map(|(zh, en)| Words::new(zh, en))
    }

    fn why_file(&self, secure: bool, command: &Command, sw: StatusWord) -> Reason {
        match (command.ins, sw) {
            (0xA4, StatusWord::FILE_NOT_FOUND) if command.p1 == 0x04 => {
                Some(match Place::of_aid(&command.data) {
                    Place::Eid | Place::SmartCardHsm | Place::Pkcs15 => (
                        "此區只在接觸式介面，且須已開通",
                        "this zone answers on the contact interface only, and only where it is open",
                    ),
                    _ => ("此卡沒有安裝", "not installed on this card"),
                })
            }
            (_, NO_RIGHT) => Some(self.read_right(secure)),
            (0xB0 | 0xB1, CONDITIONS) if self.place.is_certificate_zone() => {
                Some(("尚未設定 PIN2", "PIN2 has not been set"))
            }
            (0xB0 | 0xB1, StatusWord::WRONG_P1_P2) => Some(("已讀完", "nothing is there any more")),
            _ => None,
        }
    }

    const fn read_right(&self, secure: bool) -> (&'static str, &'static str) {
        match (self.place, secure) {
            (Place::Eid, _) => (
                "須以 PIN1 開啟通道，終端憑證具此欄位權限，並完成晶片驗證",
                "needs a channel opened with PIN1, a terminal certificate with the right for this field, and chip authentication",
            ),
            (Place::Public, _) => (
                "須以讀取碼或機讀碼開啟安全通道，且其中未經終端驗證",
                "needs a secure channel opened with the access number or the MRZ, in which no terminal was authenticated",
            ),
            (Place::SmartCardHsm | Place::Pkcs15, true) => ("私鑰不能讀取", "private keys are never read"),
            (_, true) => ("任何通道都不能讀取", "no channel gives this right"),
            (_, false) => ("須先開啟安全通道（PACE）", "needs a secure channel (PACE) first"),
        }
    }

    // TR-03110-3 §B.11.1 to §B.11.3; what our card says: docs/card-commands.md.
    fn why_environment(&self, command: &Command, sw: StatusWord) -> Option<Words> {
        let name = || public_name(tlv::find(&command.data, 0x83).map(|object| object.value));
        let reason = match ((command.p1, command.p2), sw) {
            ((0xC1, 0xA4), NOT_FOUND) => Some((
                "沒有這個密碼；PIN1 不在非接觸式介面",
                "no such password; PIN1 does not exist on the contactless interface",
            )),
            ((0xC1, 0xA4), WRONG_DATA) => match SetAuthenticationTemplate::parse(&command.data) {
                Ok(_) => Some(("卡片不提供這些參數", "the card does not offer these parameters")),
                Err(_) => MALFORMED,
            },
            ((0x81, 0xB6 | 0xA4), NO_RIGHT) => NO_TERMINAL_ANNOUNCED,
            ((0x81, 0xB6 | 0xA4), UNSUPPORTED) => NO_ENCRYPTED_ZONE,
            ((0x81, 0xB6), NOT_FOUND) => {
                let name = name();
                return Some(Words::new(
                    format!("{name} 不是卡片的信任起點，此通道中亦無其憑證"),
                    format!(
                        "{name} is neither a trust point of the card nor was its certificate accepted in this channel"
                    ),
                ));
            }
            ((0x81, 0xB6), WRONG_DATA) => MALFORMED,
            ((0x81, 0xA4), NOT_FOUND) => {
                let name = name();
                return Some(Words::new(
                    format!("最後通過的終端憑證不是 {name} 的"),
                    format!("the terminal certificate that was accepted last is not that of {name}"),
                ));
            }
            ((0x81, 0xA4), WRONG_DATA) => Some((
                "格式不正確，或與憑證金鑰的演算法不同",
                "malformed, or another algorithm than that of the key in the certificate",
            )),
            ((0x41, 0xA4), sw) => match (super::announcement(command), sw) {
                (_, UNSUPPORTED) => NO_ENCRYPTED_ZONE,
                (Announced::RestrictedIdentification, NO_RIGHT) => {
                    Some(("須在安全通道中", "needs a secure channel"))
                }
                (Announced::RestrictedIdentification, NOT_FOUND) => Some((
                    "卡片沒有此編號的限定識別金鑰",
                    "the card has no key of restricted identification with this number",
                )),
                (Announced::RestrictedIdentification, WRONG_DATA) => Some((
                    "此卡不提供限定識別，或不以此協定提供",
                    "the card does not offer restricted identification, or not by this protocol",
                )),
                (_, NO_RIGHT) => Some((
                    "晶片驗證須在終端驗證之後",
                    "chip authentication comes after terminal authentication",
                )),
                (_, NOT_FOUND) => Some((
                    "卡片沒有此編號的晶片驗證金鑰",
                    "the card has no chip authentication key with this number",
                )),
                (_, WRONG_DATA) => Some((
                    "格式不正確，或卡片不以此協定提供晶片驗證",
                    "malformed, or the card does not offer chip authentication by this protocol",
                )),
                _ => None,
            },
            _ => None,
        };
        reason.map(|(zh, en)| Words::new(zh, en))
    }

    fn why_authentication(&self, command: &Command, sw: StatusWord) -> Option<Words> {
        let reason = match (self.announced, sw) {
            (Announced::Pace(password), sw) => return why_pace(password, command, sw),
            (Announced::ChipAuthentication, CONDITIONS) => Some((
                "MSE 未被接受，或其後已選取其他應用程式",
                "its MSE was not accepted, or another application was selected after it",
            )),
            (Announced::ChipAuthentication, WRONG_DATA) => Some((
                "不是曲線上的點，或不是終端驗證時所宣告的臨時金鑰",
                "no point of the curve, or not the ephemeral key that terminal authentication announced",
            )),
            (Announced::RestrictedIdentification, CONDITIONS) => {
                Some(("MSE 未被接受", "its MSE was not accepted"))
            }
            (Announced::RestrictedIdentification, NO_RIGHT) => Some((
                "須以 PIN1 開啟通道，完成終端與晶片驗證，且具 RESTRICTED_IDENTIFICATION 權限",
                "needs a channel opened with PIN1, terminal and chip authentication, and the right RESTRICTED_IDENTIFICATION",
            )),
            (Announced::RestrictedIdentification, NOT_FOUND) => Some((
                "終端憑證在此位置沒有該行業金鑰的雜湊值",
                "the terminal's certificate does not have the hash of this sector key in this place",
            )),
            (Announced::RestrictedIdentification, WRONG_DATA) => Some((
                "行業金鑰格式不正確、屬於其他協定，或不是卡片曲線上的點",
                "the sector key is malformed, of another protocol, or no point of the card's curve",
            )),
            (_, CONDITIONS) => Some(("未先以 MSE 準備", "not prepared by MSE")),
            _ => None,
        };
        reason.map(|(zh, en)| Words::new(zh, en))
    }

    fn why_pin2(&self, secure: bool, command: &Command, sw: StatusWord) -> Reason {
        match sw {
            NO_RIGHT if !secure => Some(("須先開啟安全通道", "a secure channel must be opened first")),
            BLOCKED => Some((
                "連續輸入錯誤次數已滿，須以用戶代碼解鎖",
                "too many wrong entries: it must be unblocked with the user code",
            )),
            WRONG_DATA => Some(("PIN 的格式不對，不計次", "not a possible PIN; no try was counted")),
            NOT_FOUND if !self.place.is_certificate_zone() => {
                Some(("須先選取憑證區", "the certificate zone must be selected first"))
            }
            sw if sw.remaining_tries().is_some() && !command.data.is_empty() => {
                Some(("PIN 錯誤", "wrong PIN"))
            }
            _ => None,
        }
    }

    fn why_key(&self, command: &Command, sw: StatusWord) -> Reason {
        match (command.ins, sw) {
            (0x58, NO_RIGHT) => Some(("須先開啟安全通道", "a secure channel must be opened first")),
            (0x58, CONDITIONS) => Some((
                "須先選取憑證區（SmartCard-HSM），且已設定 PIN2",
                "the certificate zone (SmartCard-HSM) must be selected, and PIN2 be set",
            )),
            (0x58, _) => None,
            (_, NO_RIGHT) => Some((
                "須先驗證 PIN2（國民版另須安全通道）",
                "PIN2 must be verified first (profile national: in a secure channel)",
            )),
            (0x68, CONDITIONS) => Some((
                "此金鑰不是簽章金鑰，或不在憑證區",
                "not a signature key, or not in the certificate zone",
            )),
            (_, CONDITIONS) => Some((
                "此金鑰不是解密金鑰，或不在憑證區",
                "not a decipherment key, or not in the certificate zone",
            )),
            (_, NOT_FOUND) => {
                Some(("沒有此金鑰，或其憑證欄位是空的", "no such key, or its certificate slot is empty"))
            }
            (_, WRONG_DATA) => Some(("資料不適用於此金鑰", "the data do not fit the key")),
            _ => None,
        }
    }

    fn why_active_authentication(&self, secure: bool, sw: StatusWord) -> Reason {
        match sw {
            NO_RIGHT => Some(self.read_right(secure)),
            CONDITIONS => Some(("須先選取公開區", "the public zone must be selected first")),
            WRONG_DATA => Some(("挑戰值須為 8 位元組", "the challenge has eight bytes")),
            _ => None,
        }
    }
}

const NO_TERMINAL_ANNOUNCED: Reason = Some((
    "須在 PACE 宣告了終端（CHAT）的通道中，且終端尚未完成驗證",
    "needs a channel whose PACE announced a terminal (CHAT), which is not authenticated yet",
));

fn why_pace(password: u8, command: &Command, sw: StatusWord) -> Option<Words> {
    let last = authentication_step(command) == Some(0x85);
    let (zh, en) = match sw {
        CONDITIONS if password == 0x03 => (
            "PIN1 未設定，或已暫停：須先以讀取碼開啟 PACE".to_owned(),
            "PIN1 is not set, or suspended: PACE with the access number first".to_owned(),
        ),
        CONDITIONS => ("未先以 MSE 準備".to_owned(), "not prepared by MSE".to_owned()),
        BLOCKED => (
            "PIN1 已鎖定，須以用戶代碼解鎖".to_owned(),
            "PIN1 is blocked: it must be unblocked with the user code".to_owned(),
        ),
        WRONG_DATA => {
            ("格式不正確，或不是曲線上的點".to_owned(), "malformed, or no point of the curve".to_owned())
        }
        sw if last && (sw == FAILED || sw.remaining_tries().is_some()) => {
            let name = password_name(password);
            (format!("{}錯誤", name.zh_hant.trim()), format!("{} is wrong", name.en))
        }
        _ => return None,
    };
    Some(Words::new(zh, en))
}

// TR-03110-3 §B.11.5.
fn why_certificate(command: &Command, sw: StatusWord) -> Option<Words> {
    if (command.p1, command.p2) != (0x00, 0xBE) {
        return None;
    }
    let (zh, en) = match sw {
        FAILED => {
            let body = tlv::find(&command.data, 0x7F4E);
            let name = |tag| public_name(body.as_ref().and_then(|b| b.child(tag)).map(|object| object.value));
            let (holder, authority) = (name(0x5F20), name(0x42));
            return Some(Words::new(
                format!(
                    "{holder} 的憑證未通過：簽章不是 {authority} 的、已過期，或 {authority} 不得授予此角色"
                ),
                format!(
                    "the certificate of {holder} was not accepted: not signed by {authority}, expired, or of a role that {authority} cannot give"
                ),
            ));
        }
        NO_RIGHT => NO_TERMINAL_ANNOUNCED?,
        CONDITIONS => (
            "須先以 MSE:Set DST 指定簽發者（僅接觸式介面）",
            "MSE:Set DST must name the issuer first (contact interface only)",
        ),
        NOT_FOUND => ("憑證的簽發者不是 MSE:Set DST 所指定的", "another issuer than MSE:Set DST has named"),
        WRONG_DATA => ("憑證格式不正確", "the certificate is malformed"),
        _ => return None,
    };
    Some(Words::new(zh, en))
}

// TR-03110-3 §B.11.6; OPEN-41.
fn why_terminal(sw: StatusWord) -> Reason {
    match sw {
        FAILED => Some((
            "終端的簽章不正確：金鑰與其憑證不符",
            "the terminal's signature is wrong: its key does not belong to its certificate",
        )),
        NO_RIGHT => Some((
            "PACE 未宣告終端；或通道以機讀碼開啟；或以讀取碼開啟，而終端既無 CAN_ALLOWED 權限，亦無任何寫入權限",
            "PACE announced no terminal; or the MRZ opened the channel; or the access number did, and the terminal has neither the right CAN_ALLOWED nor a right to write",
        )),
        CONDITIONS => Some((
            "須先通過憑證、MSE:Set AT 與 GET CHALLENGE",
            "accepted certificates, MSE:Set AT and GET CHALLENGE come first",
        )),
        WRONG_DATA => Some(("所簽的附加資料格式不正確", "the signed auxiliary data are malformed")),
        _ => None,
    }
}

// ICAO 9303-11 §4.3.
fn why_basic_access(sw: StatusWord) -> Reason {
    match sw {
        FAILED => Some(("機讀碼（MRZ）錯誤", "the MRZ is wrong")),
        NO_RIGHT => Some((
            "終端驗證須在安全通道中；基本存取控制須先選取公開區",
            "terminal authentication needs a secure channel; basic access control needs the public zone",
        )),
        CONDITIONS => Some((
            "須先選取公開區並以 GET CHALLENGE 取得亂數",
            "the public zone must be selected, and GET CHALLENGE come right before",
        )),
        WRONG_DATA => MALFORMED,
        StatusWord::INS_NOT_SUPPORTED => {
            Some(("此卡不提供基本存取控制", "the card does not offer basic access control"))
        }
        _ => None,
    }
}

// GlobalPlatform 2.3.1, amendment D §7.1.2.
fn why_host(sw: StatusWord) -> Reason {
    match sw {
        FAILED => Some(("SCP03 金鑰錯誤", "the keys of SCP03 are wrong")),
        NO_RIGHT => Some((
            "須先以 INITIALIZE UPDATE 開始，且訊息鑑別碼須正確",
            "INITIALIZE UPDATE comes first, and the authentication code of the command must be right",
        )),
        BLOCKED => Some(("錯誤次數過多，此組金鑰已鎖定", "too many failures: this key set is barred")),
        CONDITIONS => Some((
            "卡片不以此安全等級工作",
            "the card does not work with this security level, or not in its present state",
        )),
        _ => None,
    }
}

// TR-03110-2 §3.6.
fn why_question(command: &Command, sw: StatusWord) -> Option<Words> {
    let (zh, en) = match sw {
        NO_RIGHT => {
            let question = auxiliary_data::parse_verify(&command.data).ok();
            let right = question.and_then(|oid| auxiliary_data::required_right(oid).names().next());
            return Some(match right {
                Some(right) => Words::new(
                    format!("須以 PIN1 開啟通道，完成終端與晶片驗證，且具 {right} 權限"),
                    format!(
                        "needs a channel opened with PIN1, terminal and chip authentication, and the right {right}"
                    ),
                ),
                None => Words::new(
                    "須以 PIN1 開啟通道，完成終端與晶片驗證",
                    "needs a channel opened with PIN1, terminal and chip authentication",
                ),
            });
        }
        CONDITIONS => (
            "須先選取加密區（僅接觸式介面）",
            "the encrypted zone must be selected first (contact interface only)",
        ),
        NOT_FOUND => (
            "終端驗證時未簽署此問題，或卡片沒有可比對的資料",
            "the terminal did not sign this question, or the card has nothing to compare with",
        ),
        WRONG_DATA => ("格式不正確", "malformed"),
        _ => return None,
    };
    Some(Words::new(zh, en))
}

// CARD-45, CARD-47, OPEN-41.
fn why_update(command: &Command, sw: StatusWord) -> Reason {
    match (command.ins, command.p2, sw) {
        (0xE2, _, NO_RIGHT) | (_, 1, NO_RIGHT) => Some((
            "須在具更新權限且已完成終端與晶片驗證的通道中",
            "needs the channel of a terminal with an update right, after terminal and chip authentication",
        )),
        (0xE2, _, NOT_FOUND) => Some((
            "只接受更新包（0801）與連結憑證（0802）",
            "only an update (0801) and link certificates (0802) are taken",
        )),
        (0xE2, _, StatusWord::INCORRECT_P1_P2) => {
            Some(("區塊的順序不對", "the blocks are out of their order"))
        }
        (0xE2, _, StatusWord::NOT_ENOUGH_MEMORY) => Some(("更新包過大", "the update is too large")),
        (0x34, 1, NOT_FOUND) => {
            Some(("卡片尚未更新過，沒有回條", "there is no receipt: the card has had no update"))
        }
        (0x34, _, NO_RIGHT) => Some((
            "終端沒有更新包中某個檔案的更新權限，或更新包改變了不得變更的欄位",
            "the terminal has no update right for a file of the update, or the update changes a field that may not change",
        )),
        (0x34, _, FAILED) => Some((
            "更新包不是卡片所屬國家的文件簽章者所簽",
            "the update is not signed by a document signer of the card's country",
        )),
        (0x34, _, CONDITIONS) => Some((
            "卡片已有此更新或更新的版本、加密區的版本不相接，或未存入更新包",
            "the card has had this update or a later one, the number of the encrypted zone does not follow, or nothing was stored",
        )),
        (0x34, _, WRONG_DATA) => Some((
            "更新包是給另一張卡片的，或其檔案與新的安全物件不符",
            "the update is for another card, or its files do not fit their new security object",
        )),
        (0x34, _, NOT_FOUND) => {
            Some(("更新包含有卡片上沒有的檔案", "the update holds a file that does not exist on the card"))
        }
        _ => None,
    }
}

// TR-03110-3 §B.11.7, CARD-51.
fn why_reset(issuer: bool, command: &Command, sw: StatusWord) -> Reason {
    match sw {
        NO_RIGHT if issuer => Some(("須以 PIN 管理金鑰組開啟", "needs the key set of PIN management")),
        NO_RIGHT if (command.p1, command.p2) == (0x02, 0x03) => Some((
            "須以 PIN1 開啟且無終端驗證的通道，或具 PIN_MANAGEMENT 權限的終端",
            "needs a channel opened with PIN1 in which no terminal has been authenticated, or a terminal with the right PIN_MANAGEMENT",
        )),
        NO_RIGHT => {
            Some(("須為具 PIN_MANAGEMENT 權限的終端", "needs a terminal with the right PIN_MANAGEMENT"))
        }
        NOT_SET => Some(("尚未設定，無可解鎖", "it was never set: there is nothing to unblock")),
        WRONG_DATA => Some(("新 PIN 的位數不對", "the new PIN does not have the right digits")),
        NOT_FOUND => Some(("此卡沒有憑證區", "the card has no certificate zone")),
        CONDITIONS => PLACE_OR_STATE,
        _ => None,
    }
}

const PLACE_OR_STATE: Reason = Some((
    "卡片目前的生命週期狀態不允許，或未選取所屬的應用程式",
    "not in the present state of the card's life, or not in the application that is selected",
));

fn why_production(issuer: bool, sw: StatusWord) -> Reason {
    match sw {
        NO_RIGHT if !issuer => Some((
            "須在 SCP03 通道中，或為具更新權限的終端",
            "belongs inside SCP03, or into the channel of a terminal",
        )),
        NO_RIGHT => Some(("此組金鑰不得為之", "another key set may do that")),
        CONDITIONS => PLACE_OR_STATE,
        _ => None,
    }
}
