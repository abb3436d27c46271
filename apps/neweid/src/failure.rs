//! What a command prints when it fails: a stable code, what happened in Chinese and English, whose fault it is, and
//! what to do. The codes are listed in docs/errors.md.

use serde::Serialize;
use std::process::ExitCode;
use terminal::eid::EidError;
use terminal::narrator::Words;
use terminal::npc_card::NpcError;
use terminal::pin1::Pin1Error;
use terminal::{CardError, Refusal};

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The person at the keyboard gave something that cannot be done.
    Caller,
    /// The machine: ports, disk, missing programs.
    Environment,
    /// The card, the reader or another peer.
    Peer,
    /// A defect of this program.
    Ours,
}

/// A failed command.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Stable code: `NEWEID-E-...`, or that of the system that refused.
    pub code: String,
    /// What happened, in Traditional Chinese.
    pub message_zh: String,
    /// What happened, in English.
    pub message: String,
    /// Whose fault it is.
    pub fault: Fault,
    /// What to do about it, Chinese and English.
    pub remedy: String,
    #[serde(skip)]
    exit: u8,
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(
        code: impl Into<String>,
        fault: Fault,
        message_zh: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            code: code.into(),
            message_zh: message_zh.into(),
            message: message.into(),
            fault,
            remedy: remedy.into(),
            exit: 1,
        }
    }

    /// The same failure with another exit code.
    #[must_use]
    pub const fn exit(mut self, code: u8) -> Self {
        self.exit = code;
        self
    }

    /// Something that cannot happen by bad input or environment.
    pub fn ours(error: impl std::fmt::Display) -> Self {
        Self::new(
            "NEWEID-E-INTERNAL",
            Fault::Ours,
            format!("程式內部錯誤：{error}"),
            format!("internal error: {error}"),
            "請回報此訊息 Please report this message with the command that led to it.",
        )
    }

    /// Prints the failure to standard error (text) or standard output (JSON) and returns the exit code.
    pub fn report(&self, json: bool) -> ExitCode {
        if json {
            let document = serde_json::json!({ "error": self });
            say!("{document:#}");
        } else {
            eprintln!(
                "錯誤 Error {}\n  {}\n  {}\n  → {}",
                self.code, self.message_zh, self.message, self.remedy
            );
        }
        ExitCode::from(self.exit)
    }
}

impl Failure {
    /// What a card or its reader refused, with more for whoever looks into it: tries left, the key, a status word.
    pub fn from_refusal(refusal: Refusal, detail: Option<Words>) -> Self {
        let fault = match refusal.fault() {
            terminal::Fault::Holder | terminal::Fault::Reader => Fault::Caller,
            terminal::Fault::Card | terminal::Fault::Issuer => Fault::Peer,
            terminal::Fault::Environment => Fault::Environment,
        };
        let (zh, en) = refusal.cause();
        let (zh, en) = match detail {
            Some(detail) => (format!("{zh}（{}）", detail.zh_hant), format!("{en} ({})", detail.en)),
            None => (zh.to_owned(), en.to_owned()),
        };
        let (zh_do, en_do) = refusal.remedy();
        Self::new(refusal.code(), fault, zh, en, format!("{zh_do} {en_do}")).exit(exit_code(refusal))
    }
}

impl From<NpcError> for Failure {
    fn from(error: NpcError) -> Self {
        let detail = match &error {
            NpcError::WrongPin { tries_left } => Some(tries(*tries_left)),
            NpcError::ZoneClosed(sw) => Some(status(*sw)),
            NpcError::Card(error) => Some(technical(error)),
            _ => None,
        };
        Self::from_refusal(error.refusal(), detail)
    }
}

impl From<Pin1Error> for Failure {
    fn from(error: Pin1Error) -> Self {
        let detail = match &error {
            Pin1Error::Wrong { tries_left } => Some(tries(*tries_left)),
            Pin1Error::Card(error) => Some(technical(error)),
            _ => None,
        };
        Self::from_refusal(error.refusal(), detail)
    }
}

impl From<EidError> for Failure {
    fn from(error: EidError) -> Self {
        let detail = Words::new(error.detail.clone(), error.detail);
        Self::from_refusal(error.refusal, Some(detail).filter(|detail| !detail.en.is_empty()))
    }
}

impl From<CardError> for Failure {
    fn from(error: CardError) -> Self {
        Self::from_refusal(error.refusal(), Some(technical(&error)))
    }
}

fn tries(left: u8) -> Words {
    Words::new(format!("剩餘 {left} 次"), format!("{left} tries left"))
}

fn status(sw: apdu::StatusWord) -> Words {
    let words = terminal::narrator::status_words(sw);
    Words::new(format!("{sw} {}", words.zh_hant), format!("{sw} {}", words.en))
}

fn technical(error: &CardError) -> Words {
    let en = error.to_string();
    match error.status_word() {
        Some(sw) => {
            Words::new(status(sw).zh_hant, format!("{en}: {}", terminal::narrator::status_words(sw).en))
        }
        None => Words::new(en.clone(), en),
    }
}

/// The exit code of what a card or reader refused; the table is in docs/errors.md and the same for every command.
pub const fn exit_code(refusal: Refusal) -> u8 {
    use Refusal as R;
    match refusal {
        R::NoCardAccess
        | R::PaceUnsupported
        | R::WrongPassword
        | R::PasswordBlocked
        | R::PaceFailed
        | R::ChannelBroken
        | R::CardAccessAltered => 11,
        R::NoSecurityObject
        | R::SecurityObjectMalformed
        | R::SignatureInvalid
        | R::SignatureUnsupported
        | R::SignerUntrusted
        | R::SignerExpired
        | R::SignerRevoked
        | R::SignerProfile
        | R::RevocationUnknown
        | R::RevocationOverdue
        | R::UpdateSigner => 12,
        R::GroupMalformed
        | R::GroupAltered
        | R::GroupUnsigned
        | R::MrzInvalid
        | R::ZoneOfAnotherChip
        | R::UpdateOutdated
        | R::UpdateUnfit => 13,
        R::NoActiveAuthentication
        | R::ActiveAuthenticationUnsupported
        | R::ActiveAuthenticationUnsigned
        | R::ActiveAuthenticationFailed
        | R::ChipKeyUnsigned
        | R::ChipAuthenticationFailed => 14,
        R::HouseholdMalformed | R::HouseholdElsewhere => 15,
        R::DocumentExpired | R::CardSuspended | R::CardVoid | R::StatusUnknown => 16,
        R::Pin1Wrong
        | R::Pin1Suspended
        | R::Pin1Blocked
        | R::Pin1NotSet
        | R::Pin1Form
        | R::Pin2Wrong
        | R::Pin2Blocked
        | R::Pin2NotSet
        | R::Pin2Form
        | R::Pin2Required => 17,
        R::KeyAbsent | R::KeyInput | R::KeyOutput => 18,
        R::ZoneClosed
        | R::Pin1Absent
        | R::NoEncryptedZone
        | R::TerminalCertificateMalformed
        | R::TerminalUntrusted
        | R::TerminalCertificateRefused
        | R::TerminalKey
        | R::TerminalRight => 19,
        _ => 10,
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::new(
                "NEWEID-E-DISK-FULL",
                Fault::Environment,
                "磁碟空間不足，未完成的動作已復原。",
                "The disk is full. What was begun has been taken back; nothing is lost.",
                "釋出空間後再執行一次 Free some space and run the command again.",
            ),
            ErrorKind::ReadOnlyFilesystem => Self::new(
                "NEWEID-E-READ-ONLY",
                Fault::Environment,
                "所在的磁碟是唯讀的。",
                "The file system is read-only.",
                "以可寫入方式掛載，或另選目錄 Mount it for writing, or take another directory.",
            ),
            ErrorKind::PermissionDenied => Self::new(
                "NEWEID-E-PERMISSION",
                Fault::Environment,
                format!("沒有權限：{error}"),
                format!("Permission denied: {error}"),
                "確認目錄的擁有者 Check who owns the directory.",
            ),
            _ => Self::new(
                "NEWEID-E-IO",
                Fault::Environment,
                format!("讀寫失敗：{error}"),
                format!("Input or output failed: {error}"),
                "檢查路徑與磁碟 Check the path and the disk.",
            ),
        }
    }
}

/// An error of one of the systems: it has a stable code of its own.
pub trait SystemError: std::error::Error + 'static {
    /// The stable code.
    fn code(&self) -> String;

    /// Fault, cause in Chinese and English, and remedy, where the system has words for them.
    fn explained(&self) -> Option<(Fault, String, String, String)> {
        None
    }
}

macro_rules! system_errors {
    ($($error:ty),*) => {
        $(impl SystemError for $error {
            fn code(&self) -> String {
                <$error>::code(self).to_string()
            }
        })*
    };
}

system_errors!(
    store::StoreError,
    docsigner::DocSignerError,
    eacpki::EacPkiError,
    npc::NpcError,
    keys::KeyError,
    production::ProductionError,
    audit::AuditError
);

impl SystemError for sealed::SealError {
    fn code(&self) -> String {
        "SEALED-E-SEAL".into()
    }
}

impl SystemError for operators::OperatorError {
    fn code(&self) -> String {
        Self::code(self).into()
    }

    fn explained(&self) -> Option<(Fault, String, String, String)> {
        if !self.is_refusal() {
            return None;
        }
        let text = self.to_string();
        let (zh, en) = text.split_once(" / ").unwrap_or((&text, &text));
        let (zh, en) = (format!("{zh}。"), format!("{en}."));
        Some((Fault::Caller, zh, en, "docs/operations.md".into()))
    }
}

impl SystemError for registry::RegistryError {
    fn code(&self) -> String {
        Self::code(self).into()
    }

    fn explained(&self) -> Option<(Fault, String, String, String)> {
        let [_, fault, cause, remedy] = registry::EXPLAINED.iter().find(|row| row[0] == self.code())?;
        let fault = match fault.split_whitespace().last() {
            Some("caller") => Fault::Caller,
            Some("environment") => Fault::Environment,
            _ => Fault::Ours,
        };
        let (zh, en) = cause.split_once(' ')?;
        let en = match self {
            Self::ChangeForm { line: line @ 1.., column } => format!("{en} (line {line}, column {column})"),
            _ => en.to_owned(),
        };
        Some((fault, zh.to_owned(), en, (*remedy).to_owned()))
    }
}

impl SystemError for mgmt::MgmtError {
    fn code(&self) -> String {
        Self::code(self).into()
    }

    fn explained(&self) -> Option<(Fault, String, String, String)> {
        let fault = own_fault(self.fault());
        // A refusal is a sentence for people; what failed elsewhere carries its own words.
        let (zh, en) = match self.refusal() {
            Some(_) => (self.cause().zh_hant, self.cause().en),
            None => (self.cause().zh_hant, self.to_string()),
        };
        Some((fault, zh, en, format!("{} {}", self.remedy().zh_hant, self.remedy().en)))
    }
}

impl SystemError for ra::RaError {
    fn code(&self) -> String {
        Self::code(self).into()
    }

    fn explained(&self) -> Option<(Fault, String, String, String)> {
        let (fault, (zh, en), (zh_do, en_do)) = Self::explained(self)?;
        Some((own_fault(fault), zh, en, format!("{zh_do} {en_do}")))
    }
}

/// Whose fault a system beside management says it is, in the words of this program.
const fn own_fault(fault: mgmt::Fault) -> Fault {
    match fault {
        mgmt::Fault::Us => Fault::Ours,
        mgmt::Fault::Environment => Fault::Environment,
        mgmt::Fault::Neighbour => Fault::Peer,
        _ => Fault::Caller,
    }
}

impl Failure {
    /// A failure of one of the systems.
    pub fn from_system<E: SystemError>(error: E) -> Self {
        if is_disk_full(&error) {
            return std::io::Error::from(std::io::ErrorKind::StorageFull).into();
        }
        if let Some((fault, zh, en, remedy)) = error.explained() {
            return Self::new(error.code(), fault, zh, en, remedy);
        }
        let code = error.code();
        let (fault, remedy) = crate::listed::listed(&code).unwrap_or_else(|| {
            let again = "見 docs/errors.md；不必清除資料即可再試 See docs/errors.md; trying again is safe.";
            (Fault::Environment, again.to_owned())
        });
        let (zh, en) = match fault {
            Fault::Caller => ("要求未被接受", "This was not accepted"),
            _ => ("系統無法完成動作", "A system could not do its part"),
        };
        Self::new(code, fault, format!("{zh}：{error}"), format!("{en}: {error}"), remedy)
    }
}

// Whether the error, or one below it, is a disk that ran out of space. Whatever passes another system's error on has its code.
fn is_disk_full<E: SystemError>(error: &E) -> bool {
    if FULL.contains(&error.code().as_str()) {
        return true;
    }
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let full = |e: &std::io::Error| e.kind() == std::io::ErrorKind::StorageFull;
        if error.downcast_ref::<std::io::Error>().is_some_and(full)
            || error.downcast_ref::<store::StoreError>().is_some_and(|e| FULL.contains(&e.code()))
        {
            return true;
        }
        next = error.source();
    }
    false
}

const FULL: [&str; 2] = ["STORE-FULL", "KEYS-FULL"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    // The codes that stand in a text, each once.
    fn codes(text: &str, before: &str) -> BTreeSet<String> {
        text.split(before)
            .skip(1)
            .map(|rest| rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '-').collect())
            .filter(|code: &String| code.strip_prefix("NEWEID-E-").is_some_and(|name| !name.is_empty()))
            .collect()
    }

    fn sources(dir: &Path, out: &mut String) {
        for entry in std::fs::read_dir(dir).expect("sources are there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                sources(&path, out);
            } else {
                out.push_str(&std::fs::read_to_string(path).expect("text"));
            }
        }
    }

    #[test]
    fn the_list_of_codes_is_the_program_s() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut text = String::new();
        sources(&root.join("src"), &mut text);
        let list = std::fs::read_to_string(root.join("../../docs/errors.md")).expect("the list");
        assert_eq!(codes(&text, "\""), codes(&list, "| `"));
    }
}
