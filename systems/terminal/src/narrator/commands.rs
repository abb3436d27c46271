//! What a command asks for. Nothing of its data is shown but identifiers.

use apdu::Command;
use eac::pace::{Mapping, Parameters, SetAuthenticationTemplate};
use eac::{Cipher, PasswordReference};

use super::places::{Place, hex};
use super::{Announced, Narrator, Protection, Words};

/// The most characters of a name that comes from outside.
const MAX_NAME: usize = 20;

impl Narrator {
    pub(super) fn action(&self, protection: Protection, command: &Command) -> Words {
        // ISO/IEC 7816-4 §5.3.3; the steps of GENERAL AUTHENTICATE carry the bit too, but each is a command.
        if command.cla & 0x90 == 0x10 && command.ins != 0x86 {
            let ins = command.ins;
            return Words::new(
                format!("指令 {ins:02X} 的一段，後面還有"),
                format!("a part of command {ins:02X}, more follows"),
            );
        }
        match (command.cla & 0x80 != 0, command.ins) {
            (false, 0xA4) => self.selection(command),
            (false, 0xB0 | 0xB1) => self.reading(command),
            (false, 0xD6 | 0xD7) => {
                let file = self.file_of(command);
                Words::new(
                    format!("UPDATE BINARY 寫入{}", file.zh_hant),
                    format!("UPDATE BINARY: write {}", file.en),
                )
            }
            (false, 0x0E) => {
                let file = self.file_of(command);
                Words::new(
                    format!("ERASE BINARY 清除{}", file.zh_hant),
                    format!("ERASE BINARY: erase {}", file.en),
                )
            }
            (false, 0x84) => Words::new("GET CHALLENGE 取得亂數", "GET CHALLENGE: a random number"),
            (false, 0x22) => self.environment(command),
            (false, 0x86) => self.authentication(command),
            (false, 0x88) => Words::new(
                "INTERNAL AUTHENTICATE 主動驗證：要求晶片簽署挑戰值",
                "INTERNAL AUTHENTICATE: active authentication, the chip signs a challenge",
            ),
            (_, 0x82) if protection == Protection::Scp03 || command.cla & 0x80 != 0 => Words::new(
                "EXTERNAL AUTHENTICATE（SCP03）以金鑰證明身分",
                "EXTERNAL AUTHENTICATE (SCP03): the host proves its keys",
            ),
            (false, 0x82)
                if protection == Protection::SecureMessaging
                    || self.announced == Announced::TerminalAuthentication =>
            {
                Words::new(
                    "EXTERNAL AUTHENTICATE 終端驗證：終端以私鑰簽署挑戰值",
                    "EXTERNAL AUTHENTICATE: terminal authentication, the terminal signs the challenge",
                )
            }
            (false, 0x82) => Words::new(
                "EXTERNAL AUTHENTICATE 基本存取控制（BAC）",
                "EXTERNAL AUTHENTICATE: basic access control (BAC)",
            ),
            (false, 0x2A) => verification(command),
            (_, 0x20) => pin_check(command),
            (false, 0x24) => Words::new(
                format!("CHANGE REFERENCE DATA 變更 {}（內容隱藏）", pin_name(command.p2).zh_hant),
                format!("CHANGE REFERENCE DATA: change {} (hidden)", pin_name(command.p2).en),
            ),
            (_, 0x2C) => {
                let pin = pin_name(command.p2);
                match command.p1 {
                    0x03 => Words::new(
                        format!("RESET RETRY COUNTER 解鎖 {}", pin.zh_hant),
                        format!("RESET RETRY COUNTER: unblock {}", pin.en),
                    ),
                    _ => Words::new(
                        format!("RESET RETRY COUNTER 設定新的 {}（內容隱藏）", pin.zh_hant),
                        format!("RESET RETRY COUNTER: set a new {} (hidden)", pin.en),
                    ),
                }
            }
            (false, 0x04) => Words::new(
                format!("DEACTIVATE 停用 {}", pin_name(command.p2).zh_hant),
                format!("DEACTIVATE {}", pin_name(command.p2).en),
            ),
            (false, 0x44) => Words::new(
                format!("ACTIVATE 啟用 {}", pin_name(command.p2).zh_hant),
                format!("ACTIVATE {}", pin_name(command.p2).en),
            ),
            (false, 0xC0) => Words::new("GET RESPONSE 取得其餘回應", "GET RESPONSE: the rest of the answer"),
            (true, 0x58) => Words::new(
                "ENUMERATE OBJECTS 列出金鑰與憑證",
                "ENUMERATE OBJECTS: list keys and certificates",
            ),
            (true, 0x68) => signing(command),
            (true, 0x62) => deciphering(command),
            (true, 0xCA) => {
                let tag = hex(&[command.p1, command.p2]);
                Words::new(format!("GET DATA 讀取 {tag}"), format!("GET DATA {tag}"))
            }
            (true, 0x50) => Words::new(
                "INITIALIZE UPDATE 開始 SCP03（生產或 PIN 管理）",
                "INITIALIZE UPDATE: begin SCP03 (production or PIN management)",
            ),
            (true, 0xD8) => Words::new("PUT KEY 更換金鑰（內容隱藏）", "PUT KEY: change keys (hidden)"),
            (true, 0x30) => {
                Words::new("INITIALISE 於晶片內產生金鑰對", "INITIALISE: make the key pairs on the chip")
            }
            (true, 0x32) => Words::new("BEGIN PERSONALISATION 開始個人化", "BEGIN PERSONALISATION"),
            (true, 0xE2 | 0x34) if protection == Protection::SecureMessaging => update(command),
            (true, 0xE2) => Words::new("STORE DATA 寫入（內容隱藏）", "STORE DATA (hidden)"),
            (true, 0x34) => {
                Words::new("COMMIT 完成個人化，一次生效", "COMMIT: personalisation takes effect at once")
            }
            (true, 0xF0) => Words::new("SET STATUS 變更卡片狀態", "SET STATUS: change the state of the card"),
            (_, ins) => Words::new(format!("未知的指令 {ins:02X}"), format!("unknown instruction {ins:02X}")),
        }
    }

    fn selection(&self, command: &Command) -> Words {
        let identifier = <[u8; 2]>::try_from(command.data.as_slice()).map(u16::from_be_bytes).ok();
        let name = match (command.p1, identifier) {
            (0x04, _) => Place::name_of_aid(&command.data),
            (0x00 | 0x03, None | Some(0x3F00)) => Words::new("主檔（MF）", "the master file"),
            (0x00, Some(0x5015)) => Words::new("憑證區（PKCS#15）", "certificate zone (PKCS#15)"),
            (0x00 | 0x02, Some(fid)) => self.file_name(fid),
            _ => {
                let path = hex(&command.data);
                Words::new(format!("路徑 {path}"), format!("path {path}"))
            }
        };
        Words::new(format!("SELECT 選取{}", name.zh_hant), format!("SELECT {}", name.en))
    }

    fn reading(&self, command: &Command) -> Words {
        let file = self.file_of(command);
        let offset = match command.ins {
            0xB0 if command.p1 & 0x80 != 0 => usize::from(command.p2),
            0xB0 => usize::from(u16::from_be_bytes([command.p1, command.p2])),
            // ISO/IEC 7816-4 §11.2.2: the offset is in data object 54.
            _ => tlv::find(&command.data, 0x54)
                .map(|object| object.value.iter().take(4).fold(0, |n, byte| n << 8 | usize::from(*byte)))
                .unwrap_or_default(),
        };
        let (from_zh, from_en) = match offset {
            0 => (String::new(), String::new()),
            n => (format!("，自第 {n} 位元組起"), format!(" from byte {n}")),
        };
        Words::new(
            format!("READ BINARY 讀取{}{from_zh}", file.zh_hant),
            format!("READ BINARY: read {}{from_en}", file.en),
        )
    }

    /// The file a command is about: by short identifier, by file identifier (odd instructions), or the current one.
    pub(super) fn file_of(&self, command: &Command) -> Words {
        let parameters = u16::from_be_bytes([command.p1, command.p2]);
        let odd = command.ins & 1 == 1;
        let fid = match parameters {
            _ if !odd && command.p1 & 0x80 == 0 => self.file,
            0x0000 => self.file,
            _ if !odd => self.place.fid_of(command.p1 & 0x1F),
            0x0001..=0x001E => self.place.fid_of(command.p2),
            fid => Some(fid),
        };
        fid.map_or_else(|| Words::new("目前的檔案", "the current file"), |fid| self.file_name(fid))
    }

    fn file_name(&self, fid: u16) -> Words {
        self.place
            .file(fid)
            .or_else(|| Place::Master.file(fid))
            .unwrap_or_else(|| Words::new(format!("檔案 {fid:04X}"), format!("file {fid:04X}")))
    }

    fn environment(&self, command: &Command) -> Words {
        match (command.p1, command.p2) {
            (0xC1, 0xA4) => match SetAuthenticationTemplate::parse(&command.data) {
                Ok(template) => pace_announced(&template),
                Err(_) => {
                    Words::new("MSE:Set AT 準備 PACE（格式不正確）", "MSE:Set AT: prepare PACE (malformed)")
                }
            },
            (0x81, 0xB6) => {
                let name = public_name(tlv::find(&command.data, 0x83).map(|object| object.value));
                Words::new(
                    format!("MSE:Set DST 終端驗證：以 {name} 的公鑰查驗下一張憑證"),
                    format!(
                        "MSE:Set DST: terminal authentication, the next certificate is checked with the key of {name}"
                    ),
                )
            }
            (0x81, 0xA4) => {
                let name = public_name(tlv::find(&command.data, 0x83).map(|object| object.value));
                Words::new(
                    format!("MSE:Set AT 終端驗證：終端為 {name}"),
                    format!("MSE:Set AT: terminal authentication of {name}"),
                )
            }
            (0x41, 0xA4) => match super::announcement(command) {
                Announced::RestrictedIdentification => Words::new(
                    "MSE:Set AT 準備限定識別（RI）",
                    "MSE:Set AT: prepare restricted identification",
                ),
                _ => Words::new("MSE:Set AT 準備晶片驗證", "MSE:Set AT: prepare chip authentication"),
            },
            _ => Words::new("MANAGE SECURITY ENVIRONMENT", "MANAGE SECURITY ENVIRONMENT"),
        }
    }

    fn authentication(&self, command: &Command) -> Words {
        let step = authentication_step(command);
        match (self.announced, step) {
            (Announced::ChipAuthentication, _) => Words::new(
                "GENERAL AUTHENTICATE 晶片驗證：以晶片金鑰協議新的通道",
                "GENERAL AUTHENTICATE: chip authentication, a new channel by the chip's own key",
            ),
            (Announced::RestrictedIdentification, _) => Words::new(
                "GENERAL AUTHENTICATE 限定識別：取得該機關專用的假名",
                "GENERAL AUTHENTICATE: restricted identification, a pseudonym for this sector",
            ),
            (announced, step) => {
                let (number, zh, en) = match step {
                    None => (1, "取得加密的亂數", "the encrypted nonce"),
                    Some(0x81) => (2, "對應公鑰", "mapping keys"),
                    Some(0x83) => (3, "臨時公鑰", "ephemeral keys"),
                    Some(0x85) => (4, "互相證明密碼正確", "tokens prove the password"),
                    Some(_) => {
                        return Words::new(
                            "GENERAL AUTHENTICATE（未知的步驟）",
                            "GENERAL AUTHENTICATE (unknown step)",
                        );
                    }
                };
                let password = match announced {
                    Announced::Pace(reference) => password_name(reference),
                    _ => Words::new("未宣告的密碼", "a password that was not announced"),
                };
                Words::new(
                    format!("PACE 第 {number}/4 步（{}）：{zh}", password.zh_hant),
                    format!("PACE step {number} of 4 ({}): {en}", password.en),
                )
            }
        }
    }
}

/// The tag of the data object in the command's 7C template; none where it is empty (PACE step 1) or malformed.
pub(super) fn authentication_step(command: &Command) -> Option<u32> {
    let template = tlv::expect(&command.data, 0x7C).ok()?;
    tlv::Reader::new(template.value).peek_tag()
}

fn pace_announced(template: &SetAuthenticationTemplate) -> Words {
    let password = password_name(template.password);
    let protocol = Parameters::mapping_and_cipher_of(template.protocol);
    let mapping = protocol.map(|(mapping, _)| match mapping {
        Mapping::Generic => "generic mapping",
        Mapping::Integrated => "integrated mapping",
        Mapping::ChipAuthentication => "chip authentication mapping",
    });
    let cipher = protocol.map(|(_, cipher)| match cipher {
        Cipher::Aes128 => "AES-128",
        Cipher::Aes192 => "AES-192",
        Cipher::Aes256 => "AES-256",
    });
    let curve = template.parameter_id.and_then(curve::Curve::from_parameter_id).map(curve::Curve::name);
    let how = [mapping, curve, cipher].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let (zh_rights, en_rights) = match &template.chat {
        Some(chat) => {
            (format!("，要求的權限 {}", hex(chat)), format!(", asking for the rights {}", hex(chat)))
        }
        None => (String::new(), String::new()),
    };
    let brackets = |open, close| if how.is_empty() { String::new() } else { format!("{open}{how}{close}") };
    Words::new(
        format!("MSE:Set AT 準備以{}開啟 PACE{}{zh_rights}", password.zh_hant, brackets("（", "）")),
        format!("MSE:Set AT: prepare PACE with {}{}{en_rights}", password.en, brackets(" (", ")")),
    )
}

pub(super) fn password_name(reference: u8) -> Words {
    let (zh, en) = match PasswordReference::from_number(reference) {
        Some(PasswordReference::Mrz) => ("機讀碼（MRZ）", "the MRZ"),
        Some(PasswordReference::Can) => ("讀取碼（CAN）", "the access number (CAN)"),
        Some(PasswordReference::Pin) => (" PIN1 ", "PIN1"),
        Some(PasswordReference::Puk) => ("解鎖碼（PUK）", "the PUK"),
        None => ("未知的密碼", "an unknown password"),
    };
    Words::new(zh, en)
}

pub(super) fn pin_name(reference: u8) -> Words {
    let (zh, en) = match reference {
        0x03 => ("PIN1", "PIN1"),
        0x81 => ("PIN2", "PIN2"),
        0x88 => ("管理者 PIN", "the security officer's PIN"),
        _ => ("未知的 PIN", "an unknown PIN"),
    };
    Words::new(zh, en)
}

fn pin_check(command: &Command) -> Words {
    // TR-03110-3 §B.9: VERIFY 80 20 80 00 compares auxiliary data.
    if command.cla & 0x80 != 0 {
        return Words::new(
            "VERIFY 比對附加資料（年齡、效期）",
            "VERIFY: compare auxiliary data (age, validity)",
        );
    }
    let pin = pin_name(command.p2);
    if command.data.is_empty() {
        Words::new(
            format!("VERIFY 查詢 {} 狀態", pin.zh_hant),
            format!("VERIFY: ask for the state of {}", pin.en),
        )
    } else {
        Words::new(format!("VERIFY 驗證 {}（內容隱藏）", pin.zh_hant), format!("VERIFY {} (hidden)", pin.en))
    }
}

// TR-03110-3 §B.4: PSO: VERIFY CERTIFICATE, the holder's name is data object 5F20 in the body 7F4E.
fn verification(command: &Command) -> Words {
    if (command.p1, command.p2) != (0x00, 0xBE) {
        return Words::new("PERFORM SECURITY OPERATION", "PERFORM SECURITY OPERATION");
    }
    let body = tlv::find(&command.data, 0x7F4E);
    let holder = body.as_ref().and_then(|body| body.child(0x5F20)).map(|object| object.value);
    let name = public_name(holder);
    Words::new(
        format!("PSO 終端驗證：查驗 {name} 的憑證"),
        format!("PSO: terminal authentication, verify the certificate of {name}"),
    )
}

// CARD-47: a terminal that may write sends them in its channel; the same instructions inside SCP03 are those of production.
fn update(command: &Command) -> Words {
    match (command.ins, command.p2) {
        (0xE2, _) => Words::new("STORE DATA 存入更新包（內容隱藏）", "STORE DATA: the update (hidden)"),
        (_, 1) => Words::new("COMMIT 取得上次更新的回條", "COMMIT: the receipt for the last update"),
        _ => Words::new("COMMIT 更新，一次生效", "COMMIT: the update takes effect at once"),
    }
}

/// A holder or authority reference: printable, and not too long.
pub(super) fn public_name(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "?".into() };
    bytes
        .iter()
        .take(MAX_NAME)
        .map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' })
        .collect()
}

fn key_name(key: u8) -> Words {
    let (zh, en) = match key {
        1 => ("金鑰 1（RSA 簽章）", "key 1 (RSA signature)"),
        2 => ("金鑰 2（RSA 解密）", "key 2 (RSA decipherment)"),
        3 => ("金鑰 3（EC 簽章）", "key 3 (EC signature)"),
        4 => ("金鑰 4（EC 金鑰協議）", "key 4 (EC key agreement)"),
        n => return Words::new(format!("金鑰 {n}"), format!("key {n}")),
    };
    Words::new(zh, en)
}

fn signing(command: &Command) -> Words {
    let key = key_name(command.p1);
    let how = match command.p2 {
        0x20 => "RSA",
        0x30..=0x35 => "RSA PKCS#1 v1.5",
        0x40..=0x45 => "RSA-PSS",
        0x70..=0x75 => "ECDSA",
        _ => "?",
    };
    Words::new(format!("SIGN 以{}簽章（{how}）", key.zh_hant), format!("SIGN with {} ({how})", key.en))
}

fn deciphering(command: &Command) -> Words {
    let key = key_name(command.p1);
    let how = match command.p2 {
        0x21 => "RSA",
        0x80 => "ECDH",
        _ => "?",
    };
    Words::new(
        format!("DECIPHER 以{}解密（{how}，結果隱藏）", key.zh_hant),
        format!("DECIPHER with {} ({how}, the result is hidden)", key.en),
    )
}
