//! Status words in words, and what a refusal is due to.

use apdu::{Command, Response, StatusWord};

use super::places::Place;
use super::{Announced, Narrator, Protection, Words, commands, is_refused};

/// A status word in words (ISO/IEC 7816-4 §5.6, TR-03110-3 §B).
pub fn status_words(sw: StatusWord) -> Words {
    if let Some(tries) = sw.remaining_tries() {
        return match tries {
            0 => Words::new("失敗，已無剩餘次數", "failed, no tries left"),
            n => Words::new(format!("失敗，剩餘 {n} 次"), format!("failed, {n} tries left")),
        };
    }
    let (zh, en) = match sw.0 {
        0x9000 => ("成功", "done"),
        0x6282 => ("已到檔案結尾", "end of the file"),
        0x6283 => ("已停用或未設定", "deactivated or not set"),
        0x6285 => ("卡片已終止使用", "the card is terminated"),
        0x6300 => ("驗證失敗", "authentication failed"),
        0x6581 => ("記憶體故障", "memory failure"),
        0x6700 => ("長度錯誤", "wrong length"),
        0x6881 => ("不支援邏輯通道", "logical channels are not supported"),
        0x6882 => ("不支援此種安全通訊", "this secure messaging is not supported"),
        0x6883 => ("應為指令鏈的最後一段", "the last command of a chain was expected"),
        0x6884 => ("不支援指令鏈", "chaining is not supported"),
        0x6982 => ("權限不足", "security status not satisfied"),
        0x6983 => ("已鎖定", "blocked"),
        0x6984 => ("尚未設定", "not set"),
        0x6985 => ("使用條件不符", "conditions of use not satisfied"),
        0x6986 => ("沒有選取檔案", "no file is selected"),
        0x6987 => ("缺少安全通訊資料", "secure messaging data are missing"),
        0x6988 => ("安全通訊資料不正確", "secure messaging data are incorrect"),
        0x6A80 => ("資料內容不正確", "incorrect data"),
        0x6A81 => ("不支援此功能", "function not supported"),
        0x6A82 => ("沒有此檔案或應用程式", "no such file or application"),
        0x6A83 => ("沒有此紀錄", "no such record"),
        0x6A84 => ("記憶體不足", "not enough memory"),
        0x6A86 => ("參數 P1 P2 不正確", "incorrect parameters P1 P2"),
        0x6A88 => ("沒有所指的資料或金鑰", "referenced data or key not found"),
        0x6B00 => ("超出檔案範圍", "beyond the end of the file"),
        0x6D00 => ("沒有此指令", "no such instruction"),
        0x6E00 => ("沒有此指令類別", "no such class"),
        0x6F00 => ("不明錯誤", "no precise diagnosis"),
        0x6100..=0x61FF => ("成功，尚有資料", "done, more data waits"),
        0x6C00..=0x6CFF => ("要求的長度不對", "another length must be asked for"),
        _ => ("其他狀態", "another status"),
    };
    Words::new(zh, en)
}

impl Narrator {
    pub(super) fn answer(&self, command: &Command, response: &Response) -> Words {
        // TR-03110-3 §B.11.1: the answer to MSE:Set AT for PIN1 is the state of its counter, not a failure.
        if (command.ins, command.p1) == (0x22, 0xC1)
            && super::announcement(command) == Announced::Pace(0x03)
            && let Some(words) = pin_state(response.sw)
        {
            return words;
        }
        if (command.ins, command.data.is_empty()) == (0x20, true)
            && let Some(tries) = response.sw.remaining_tries()
        {
            return Words::new(
                format!("需要驗證，剩餘 {tries} 次"),
                format!("must be verified, {tries} tries left"),
            );
        }
        let mut words = status_words(response.sw);
        // Lengths of what is read are no secret; those of what is deciphered might be.
        let shows_length = matches!(command.ins, 0xB0 | 0xB1 | 0x58 | 0x68 | 0xCA | 0xC0);
        if shows_length && !response.data.is_empty() {
            let n = response.data.len();
            words.zh_hant.push_str(&format!("，{n} 位元組"));
            words.en.push_str(&format!(", {n} bytes"));
        }
        words
    }

    /// Which right, which check or which key a refusal is due to.
    pub(super) fn why(&self, protection: Protection, command: &Command, sw: StatusWord) -> Option<Words> {
        if !is_refused(sw) {
            return None;
        }
        let secure = protection == Protection::SecureMessaging;
        let (zh, en) = match (command.ins, sw) {
            (0xA4, StatusWord::FILE_NOT_FOUND) if command.p1 == 0x04 => match Place::of_aid(&command.data) {
                Place::Eid | Place::SmartCardHsm | Place::Pkcs15 => (
                    "此區只在接觸式介面，且須已開通",
                    "this zone answers on the contact interface only, and only where it is open",
                ),
                _ => ("此卡沒有安裝", "not installed on this card"),
            },
            (0xA4 | 0xB0 | 0xB1, StatusWord::SECURITY_STATUS_NOT_SATISFIED) => self.read_right(secure),
            (0xB0 | 0xB1, StatusWord::CONDITIONS_NOT_SATISFIED) if self.place.is_certificate_zone() => {
                ("尚未設定 PIN2", "PIN2 has not been set")
            }
            (0xB0 | 0xB1, StatusWord::WRONG_P1_P2) => ("已讀完", "nothing is there any more"),
            (0x20 | 0x24, StatusWord::SECURITY_STATUS_NOT_SATISFIED) => {
                ("須先開啟安全通道", "a secure channel must be opened first")
            }
            (0x20 | 0x24, StatusWord::AUTHENTICATION_BLOCKED) => (
                "連續輸入錯誤次數已滿，須以用戶代碼解鎖",
                "too many wrong entries: it must be unblocked with the user code",
            ),
            (0x20 | 0x24, StatusWord::WRONG_DATA) => {
                ("PIN 的格式不對，不計次", "not a possible PIN; no try was counted")
            }
            (0x20 | 0x24, sw) if sw.remaining_tries().is_some() && !command.data.is_empty() => {
                ("PIN 錯誤", "wrong PIN")
            }
            (0x2C, StatusWord::SECURITY_STATUS_NOT_SATISFIED) => (
                "須以 PIN1 開啟的通道，或具 PIN 管理權限",
                "needs a channel opened with PIN1, or the PIN-management right",
            ),
            (0x68 | 0x62, StatusWord::SECURITY_STATUS_NOT_SATISFIED) => (
                "須先驗證 PIN2（國民版另須安全通道）",
                "PIN2 must be verified first (profile national: in a secure channel)",
            ),
            (0x68, StatusWord::CONDITIONS_NOT_SATISFIED) => {
                ("此金鑰不是簽章金鑰，或不在憑證區", "not a signature key, or not in the certificate zone")
            }
            (0x62, StatusWord::CONDITIONS_NOT_SATISFIED) => {
                ("此金鑰不是解密金鑰，或不在憑證區", "not a decipherment key, or not in the certificate zone")
            }
            (0x68 | 0x62, StatusWord::REFERENCED_DATA_NOT_FOUND) => {
                ("沒有此金鑰，或其憑證欄位是空的", "no such key, or its certificate slot is empty")
            }
            (0x68 | 0x62, StatusWord::WRONG_DATA) => ("資料不適用於此金鑰", "the data do not fit the key"),
            (0x22, StatusWord::REFERENCED_DATA_NOT_FOUND) => (
                "沒有這個密碼；PIN1 不在非接觸式介面",
                "no such password; PIN1 does not exist on the contactless interface",
            ),
            (0x22, StatusWord::WRONG_DATA) => {
                ("卡片不提供這些參數", "the card does not offer these parameters")
            }
            (0x86, sw) => return self.why_authentication(command, sw),
            (0x2A | 0x82, StatusWord::SECURITY_STATUS_NOT_SATISFIED | StatusWord::AUTHENTICATION_FAILED) => (
                "憑證鏈或簽章未通過，終端沒有權限",
                "certificate chain or signature refused: the terminal has no rights",
            ),
            (0xD6 | 0xD7, StatusWord::SECURITY_STATUS_NOT_SATISFIED) => {
                ("終端沒有此欄位的寫入權限", "the terminal has no right to write this field")
            }
            (_, StatusWord::CONDITIONS_NOT_SATISFIED) if command.cla & 0x80 != 0 => {
                ("卡片目前的生命週期狀態不允許", "not in the present state of the card's life")
            }
            _ => return None,
        };
        Some(Words::new(zh, en))
    }

    const fn read_right(&self, secure: bool) -> (&'static str, &'static str) {
        match (self.place, secure) {
            (Place::Eid, _) => (
                "須以 PIN1 開啟通道，終端憑證具此欄位權限，並完成晶片驗證",
                "needs a channel opened with PIN1, a terminal certificate with the right for this field, and chip authentication",
            ),
            (Place::Public, _) => (
                "須以讀取碼或機讀碼開啟安全通道",
                "needs a secure channel opened with the access number or the MRZ",
            ),
            (Place::SmartCardHsm | Place::Pkcs15, true) => ("私鑰不能讀取", "private keys are never read"),
            (_, true) => ("任何通道都不能讀取", "no channel gives this right"),
            (_, false) => ("須先開啟安全通道（PACE）", "needs a secure channel (PACE) first"),
        }
    }

    fn why_authentication(&self, command: &Command, sw: StatusWord) -> Option<Words> {
        let Announced::Pace(password) = self.announced else { return None };
        let last = commands::authentication_step(command) == Some(0x85);
        let name = commands::password_name(password);
        let (zh, en) = match sw {
            StatusWord::CONDITIONS_NOT_SATISFIED if password == 0x03 => (
                "PIN1 未設定，或已暫停：須先以讀取碼開啟 PACE".to_owned(),
                "PIN1 is not set, or suspended: PACE with the access number first".to_owned(),
            ),
            StatusWord::CONDITIONS_NOT_SATISFIED => {
                ("未先以 MSE 準備".to_owned(), "not prepared by MSE".to_owned())
            }
            StatusWord::AUTHENTICATION_BLOCKED => (
                "PIN1 已鎖定，須以用戶代碼解鎖".to_owned(),
                "PIN1 is blocked: it must be unblocked with the user code".to_owned(),
            ),
            sw if last && (sw == StatusWord::AUTHENTICATION_FAILED || sw.remaining_tries().is_some()) => {
                (format!("{}錯誤", name.zh_hant.trim()), format!("{} is wrong", name.en))
            }
            _ => return None,
        };
        Some(Words::new(zh, en))
    }
}

fn pin_state(sw: StatusWord) -> Option<Words> {
    let (zh, en) = match (sw, sw.remaining_tries()) {
        (StatusWord::OK, _) => ("可用，剩餘 3 次".to_owned(), "usable, three tries left".to_owned()),
        (StatusWord::DEACTIVATED, _) => ("PIN1 尚未設定".to_owned(), "PIN1 is not set".to_owned()),
        (_, Some(0)) => ("PIN1 已鎖定".to_owned(), "PIN1 is blocked".to_owned()),
        (_, Some(1)) => (
            "PIN1 已暫停，剩餘 1 次，須先輸入讀取碼".to_owned(),
            "PIN1 is suspended, one try left: the access number first".to_owned(),
        ),
        (_, Some(n)) => (format!("可用，剩餘 {n} 次"), format!("usable, {n} tries left")),
        _ => return None,
    };
    Some(Words::new(zh, en))
}
