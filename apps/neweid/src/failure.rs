//! What a command prints when it fails: a stable code, what happened in Chinese and English, whose fault it is, and
//! what to do. The codes are listed in docs/errors.md.

use crate::listed::Listed;
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
        | R::ChipAuthenticationFailed
        | R::AnotherChip => 14,
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

    /// What the failure concerns, in no language: a number, a name, a file. The list's cause is the same for all of them.
    fn particular(&self) -> Option<String> {
        None
    }
}

macro_rules! system_errors {
    ($($error:ty: $particular:expr),* $(,)?) => {
        $(impl SystemError for $error {
            fn code(&self) -> String {
                <$error>::code(self).to_string()
            }

            fn particular(&self) -> Option<String> {
                let particular: fn(&$error) -> Option<String> = $particular;
                particular(self)
            }
        })*
    };
}

system_errors!(
    store::StoreError: |_| None,
    docsigner::DocSignerError: |error| match error {
        docsigner::DocSignerError::NoSuchSigner(number) => Some(number.to_string()),
        docsigner::DocSignerError::Clock { now, .. } => Some(crate::clock::taipei(*now)),
        docsigner::DocSignerError::ListOverdue { since, .. } => Some(crate::clock::taipei(*since)),
        docsigner::DocSignerError::Audit(error) => error.particular(),
        docsigner::DocSignerError::Keys(error) => error.particular(),
        _ => None,
    },
    eacpki::EacPkiError: |error| match error {
        eacpki::EacPkiError::NoSuchService(name) => Some(name.clone()),
        eacpki::EacPkiError::Audit(error) => error.particular(),
        eacpki::EacPkiError::Keys(error) => error.particular(),
        _ => None,
    },
    npc::NpcError: |error| match error {
        npc::NpcError::KeyType { slot, found, .. } => Some(format!("{slot}: {found}")),
        npc::NpcError::SlotTaken { card, slot } => Some(format!("{card}, {slot}")),
        npc::NpcError::Conflict(number) => Some(number.to_string()),
        npc::NpcError::NoCertificate(card) | npc::NpcError::Revoked(card) => Some(card.clone()),
        npc::NpcError::Audit(error) => error.particular(),
        npc::NpcError::Keys(error) => error.particular(),
        _ => None,
    },
    keys::KeyError: |error| match error {
        keys::KeyError::Otherwise { label } | keys::KeyError::Purpose { label, .. } => Some(label.clone()),
        keys::KeyError::Missing(what)
        | keys::KeyError::Kind(what)
        | keys::KeyError::Kept(what)
        | keys::KeyError::Sealed(what)
        | keys::KeyError::TokenGone(what)
        | keys::KeyError::TokenPin(what)
        | keys::KeyError::Ambiguous(what) => Some(what.clone()),
        keys::KeyError::Mode(path)
        | keys::KeyError::Format { path, .. }
        | keys::KeyError::Io { path, .. }
        | keys::KeyError::Module { path, .. } => Some(path.display().to_string()),
        _ => None,
    },
    production::ProductionError: |_| None,
    audit::AuditError: |error| match error {
        audit::AuditError::Broken { seq, .. } => Some(seq.to_string()),
        _ => None,
    },
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
        let row = crate::listed::listed(self.code())?;
        let en = match self {
            Self::ChangeForm { line: line @ 1.., column } => {
                format!("{} (line {line}, column {column})", row.en)
            }
            _ => row.en,
        };
        Some((row.fault, row.zh, en, row.remedy))
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
        let row = crate::listed::listed(&code).unwrap_or_else(|| Listed {
            fault: Fault::Environment,
            zh: "系統無法完成動作。".into(),
            en: String::new(),
            remedy: "見 docs/errors.md；不必清除資料即可再試 See docs/errors.md; trying again is safe."
                .into(),
        });
        let zh = match error.particular() {
            Some(what) => format!("{}（{what}）", row.zh.trim_end_matches('。')),
            None => row.zh,
        };
        let prefix = match row.fault {
            Fault::Caller => "This was not accepted",
            _ => "A system could not do its part",
        };
        let said = error.to_string();
        Self::new(code.clone(), row.fault, zh, format!("{prefix}: {}", english(&said, &code)), row.remedy)
    }
}

// What an error says of itself, without its code and without the Chinese before the English.
fn english<'a>(said: &'a str, code: &str) -> &'a str {
    let said = said.strip_prefix(code).map_or(said, |rest| rest.trim_start_matches(": "));
    if said.is_ascii() {
        return said;
    }
    match said.split_once(" / ") {
        Some((zh, en)) if !zh.is_ascii() => en,
        _ => said.trim_start_matches(|c: char| !c.is_ascii()).trim_start(),
    }
}

// Whether the error, or one below it, is a disk that ran out of space. Whatever passes another system's error on has its code.
fn is_disk_full<E: SystemError>(error: &E) -> bool {
    FULL.contains(&error.code().as_str()) || store::is_disk_full(error)
}

const FULL: [&str; 2] = ["STORE-FULL", "KEYS-FULL"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listed::begins_in_chinese;
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
    /// An error that says nothing in Chinese by itself.
    #[derive(Debug, thiserror::Error)]
    #[error("the database says something in English")]
    struct Coded(&'static str);

    impl SystemError for Coded {
        fn code(&self) -> String {
            self.0.into()
        }
    }

    #[test]
    fn whatever_a_system_refuses_is_said_in_chinese_first() {
        // A full disk is said in words of this program, whoever found it full.
        for code in crate::listed::codes().into_iter().filter(|code| !FULL.contains(code)) {
            let failure = Failure::from_system(Coded(code));
            assert!(begins_in_chinese(&failure.message_zh), "{failure:?}");
            assert!(
                !failure.message_zh.contains("English") && failure.message.contains("English"),
                "{failure:?}"
            );
        }
        let unknown = Failure::from_system(Coded("NOBODY-KNOWS"));
        assert!(begins_in_chinese(&unknown.message_zh), "{unknown:?}");
    }

    #[test]
    fn the_systems_errors_have_their_words_and_what_they_concern() {
        let said = |failure: Failure| {
            assert!(begins_in_chinese(&failure.message_zh), "{failure:?}");
            assert!(!begins_in_chinese(&failure.message), "{failure:?}");
            (failure.message_zh, failure.message)
        };
        let (zh, en) = said(Failure::from_system(npc::NpcError::Ceremony("not approved yet")));
        assert!(zh.starts_with("典禮之步驟不得或尚不得進行"), "{zh}");
        assert_eq!(en, "This was not accepted: the ceremony cannot go on: not approved yet");
        let (zh, _) = said(Failure::from_system(npc::NpcError::Revoked("N5A000001".into())));
        assert_eq!(zh, "憑證已廢止，不可恢復（N5A000001）");
        let (zh, _) = said(Failure::from_system(docsigner::DocSignerError::NoSuchSigner(7)));
        assert_eq!(zh, "沒有這個編號的文件簽章憑證（7）");
        let (zh, _) = said(Failure::from_system(eacpki::EacPkiError::NoSuchService("sample".into())));
        assert_eq!(zh, "沒有核准的服務（sample）");
        let missing = || keys::KeyError::Missing("npc-ca".into());
        let own = said(Failure::from_system(missing()));
        assert_eq!(own.0, "沒有此金鑰（npc-ca）");
        // Passed on by another system it reads the same.
        assert_eq!(said(Failure::from_system(npc::NpcError::Keys(missing()))), own);
        let (_, en) = said(Failure::from_system(production::ProductionError::DualControl("by another")));
        assert_eq!(en, "This was not accepted: two persons decide: by another");
        let broken = audit::AuditError::Broken { seq: 12, problem: "altered" };
        assert!(said(Failure::from_system(broken)).0.ends_with("（12）"));
        said(Failure::from_system(store::StoreError::Missing));
        said(Failure::from_system(ra::RaError::from(ra::Refusal::Stale)));
        said(Failure::from_system(registry::RegistryError::TooMany));
        said(Failure::from_system(mgmt::MgmtError::from(mgmt::Refusal::RecallEmpty)));
        for weakness in [
            operators::Weakness::Length,
            operators::Weakness::Classes,
            operators::Weakness::Name,
            operators::Weakness::Sequence,
            operators::Weakness::Reused,
        ] {
            said(Failure::from_system(operators::OperatorError::Password(weakness)));
        }
    }
}
