//! Status words in words.

use apdu::{Command, Response, StatusWord};

use super::{Announced, Narrator, Words};

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
        // TR-03110-3 §B.11.9: the answer to a question that a terminal asks; no is as good an answer as yes.
        if command.cla & 0x80 != 0 && command.ins == 0x20 {
            match response.sw {
                StatusWord::OK => return Words::new("是", "yes"),
                StatusWord::AUTHENTICATION_FAILED => return Words::new("否", "no"),
                _ => {}
            }
        }
        if (command.cla & 0x80, command.ins, command.data.is_empty()) == (0, 0x20, true)
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
