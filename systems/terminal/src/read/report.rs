//! What a reading says: every check separately, the fields, the files, the time each phase took.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::refusal::{Refusal, Text};

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was made and passed.
    Passed,
    /// It was made and did not pass.
    Failed,
    /// It could not be made; nothing is known.
    Unknown,
}

/// The checks, in the order of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// The card answers and says how it wants to be spoken to.
    Card,
    /// PACE opened the secure channel.
    SecureChannel,
    /// Everything the card lists was read.
    Files,
    /// The signature over EF.SOD.
    SecurityObject,
    /// The signer's certificate leads to a trusted CSCA, is valid now and made for this.
    Signer,
    /// The signer is not on its CSCA's revocation list.
    SignerRevocation,
    /// Every data group is what was signed.
    DataGroups,
    /// The fields decode, and the check digits of the MRZ are right.
    Contents,
    /// The document has not expired.
    Expiry,
    /// The chip holds the key that was signed for it: see [`ChipMechanism`].
    Chip,
    /// The signature over the household data, and its signer.
    Household,
    /// Valid, suspended or void, as the issuer says.
    CardStatus,
}

impl CheckKind {
    /// The title in both languages.
    pub const fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::Card => ("卡片通訊", "communication with the card"),
            Self::SecureChannel => ("安全通道（PACE）", "secure channel (PACE)"),
            Self::Files => ("檔案讀取", "files"),
            Self::SecurityObject => ("安全物件簽章", "signature of the security object"),
            Self::Signer => ("簽章憑證", "certificate of the signer"),
            Self::SignerRevocation => ("簽章憑證廢止查驗", "revocation of the signer"),
            Self::DataGroups => ("資料完整性（被動驗證）", "data groups (passive authentication)"),
            Self::Contents => ("資料格式與檢查碼", "contents and check digits"),
            Self::Expiry => ("有效期限", "date of expiry"),
            Self::Chip => ("晶片真偽（主動驗證）", "chip (active authentication)"),
            Self::Household => ("戶籍地區簽章", "signature of the household zone"),
            Self::CardStatus => ("卡片狀態", "status of the card"),
        }
    }
}

/// How a chip proves that it is no copy of its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChipMechanism {
    /// It signs a challenge with the key of DG15 (ICAO 9303-11 §6.1).
    ActiveAuthentication,
    /// PACE itself has used the key of EF.CardSecurity (ICAO 9303-11 §4.4.3.5), which DG14 names too.
    ChipAuthenticationMapping,
    /// It opens a channel with the key of DG14, version 1 of Chip Authentication (ICAO 9303-11 §6.2).
    ChipAuthentication,
}

impl ChipMechanism {
    /// The title of [`CheckKind::Chip`] in both languages.
    pub const fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::ActiveAuthentication => CheckKind::Chip.title(),
            Self::ChipAuthenticationMapping => {
                ("晶片真偽（PACE 晶片驗證對應）", "chip (chip authentication mapping)")
            }
            Self::ChipAuthentication => ("晶片真偽（晶片驗證）", "chip (chip authentication)"),
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Which.
    pub check: CheckKind,
    /// Its title.
    pub title: Text,
    /// How it went.
    pub outcome: Outcome,
    /// Why it did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// More for whoever looks into it: a file name, a status word. Never personal data.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Signature and chip were checked and are good. The card's status is another question.
    Verified,
    /// Nothing failed, but signature or chip could not be checked.
    Unproven,
    /// A check failed.
    Refused,
}

/// Whether the issuer lets the card be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CardStatus {
    /// Nobody was asked.
    Unknown,
    /// In use.
    Valid,
    /// Suspended.
    Suspended,
    /// Void for good.
    Void,
}

/// The statements a person must not mistake for each other (DOCPKI-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Statements {
    /// The data are what the issuing country signed.
    pub signature_valid: Outcome,
    /// The chip is the one the issuer made, not a copy of its data.
    pub chip_genuine: Outcome,
    /// The household data are what the issuing country signed.
    pub household_signature_valid: Outcome,
    /// Whether the card may be used.
    pub card_status: CardStatus,
}

/// What became of one data group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupReport {
    /// `DG1`.
    pub name: &'static str,
    /// Its number.
    pub number: u8,
    /// The size of the file, 0 if it was not read.
    pub bytes: usize,
    /// `matched`, `mismatched`, `missing`, `unlisted`; `unchecked` without a security object.
    pub outcome: &'static str,
}

/// The secure channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelReport {
    /// The protocol's object identifier.
    pub protocol: String,
    /// The curve.
    pub curve: &'static str,
    /// `can` or `mrz`.
    pub password: &'static str,
}

/// The certificate that signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignerReport {
    /// Its subject.
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// Its serial number.
    pub serial: String,
    /// First moment of validity.
    pub not_before: String,
    /// Last moment of validity.
    pub not_after: String,
    /// SHA-256 of the certificate.
    pub fingerprint: String,
}

/// Microseconds by phase, in the order they ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Timing {
    /// `connect`, `household`, `pace`, `public_zone`, `passive_authentication`, `active_authentication`.
    pub phase: &'static str,
    /// How long it took.
    pub micros: u128,
}

/// Everything one reading gave.
#[derive(Clone, Serialize)]
pub struct ReadReport {
    /// In one word.
    pub verdict: Verdict,
    /// In four.
    pub statements: Statements,
    /// What it is good for, and what not: the same for every reading (CARD-41).
    pub assurance: Text,
    /// To what the holder consents by handing the card over: the same for every reading (OPEN-08).
    pub consent: Text,
    /// Every check, in order.
    pub checks: Vec<Check>,
    /// The answer to reset, hexadecimal.
    pub atr: String,
    /// The secure channel, if it was opened.
    pub channel: Option<ChannelReport>,
    /// How the chip was asked to prove itself, if it could be asked.
    pub chip_mechanism: Option<ChipMechanism>,
    /// `public_zone` or `emrtd`, whichever application was read.
    pub application: Option<&'static str>,
    /// The data groups.
    pub data_groups: Vec<GroupReport>,
    /// Who signed the public zone.
    pub signer: Option<SignerReport>,
    /// The household zone, where the address was asked for ([`ReadOptions::address`](super::ReadOptions::address)): it says most of it.
    pub household: Option<super::fields::Household>,
    /// The fields of the public zone.
    pub holder: Option<super::fields::Holder>,
    /// How long it took, if there was a clock.
    pub timings: Vec<Timing>,
    /// Name and content of each file.
    #[serde(skip)]
    pub(crate) files: BTreeMap<&'static str, Vec<u8>>,
    /// The typed fields.
    #[serde(skip)]
    pub(crate) public_zone: Option<lds::PublicZone>,
}

/// What reading a zone is good for.
// CARD-41: network identity and signatures are the certificate zone's, with PIN2.
pub(crate) const ASSURANCE: Text = Text {
    zh_hant: "資料驗證；非網路身分識別，亦非簽章",
    en: "data verification; neither a network identity nor a signature",
};

/// Access number and MRZ stand on the card, so handing it over is the consent; a reader says to whom and to what.
// OPEN-08.
pub const CONSENT: Text = Text {
    zh_hant: "持卡人交出卡片，即同意本次讀卡者讀取一次；戶籍地址與役別另行要求才顯示",
    en: "By handing over the card its holder consents to one reading by whoever runs this reader; address and military \
         service category are shown only where asked for",
};

impl ReadReport {
    /// The check of a kind, if the reading came that far.
    pub fn check(&self, kind: CheckKind) -> Option<&Check> {
        self.checks.iter().find(|check| check.check == kind)
    }

    /// The first check that failed.
    pub fn refusal(&self) -> Option<Refusal> {
        self.checks.iter().find(|check| check.outcome == Outcome::Failed).and_then(|check| check.refusal)
    }

    /// The files under the names a reader stores them: `ef_card_access.bin`, `dg1.bin`, `portrait.jpg` and so on.
    pub fn files(&self) -> Vec<(&'static str, &[u8])> {
        self.files.iter().map(|(name, content)| (*name, content.as_slice())).collect()
    }

    /// One file by its name.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// The typed fields of the public zone, if they decode.
    pub fn public_zone(&self) -> Option<&lds::PublicZone> {
        self.public_zone.as_ref()
    }

    /// Enters what the issuer said about the card, and in `detail` as of when.
    // LOSS-16: signature and chip say nothing about it, because the chip of a lost card cannot know.
    pub fn set_card_status(&mut self, status: CardStatus, detail: String) {
        self.statements.card_status = status;
        let outcome = match status {
            CardStatus::Unknown => Outcome::Unknown,
            CardStatus::Valid => Outcome::Passed,
            CardStatus::Suspended | CardStatus::Void => Outcome::Failed,
        };
        if let Some(check) = self.checks.iter_mut().find(|check| check.check == CheckKind::CardStatus) {
            check.outcome = outcome;
            check.detail = detail;
            check.refusal = match status {
                CardStatus::Unknown => Some(Refusal::StatusUnknown),
                CardStatus::Valid => None,
                CardStatus::Suspended => Some(Refusal::CardSuspended),
                CardStatus::Void => Some(Refusal::CardVoid),
            };
        }
        self.verdict = verdict(&self.statements, &self.checks);
    }

    /// The report as JSON for machines and people. It holds personal data.
    pub fn to_json(&self) -> String {
        // The report has string keys and no maps with other keys: nothing in it can fail to serialise.
        serde_json::to_string_pretty(self).expect("a report serialises")
    }
}

/// From the checks to one word.
pub(super) fn verdict(statements: &Statements, checks: &[Check]) -> Verdict {
    if checks.iter().any(|check| check.outcome == Outcome::Failed) {
        Verdict::Refused
    } else if statements.signature_valid == Outcome::Passed && statements.chip_genuine == Outcome::Passed {
        Verdict::Verified
    } else {
        Verdict::Unproven
    }
}

// The report holds a person's data: a log shows how the reading went, not whom it was about.
impl std::fmt::Debug for ReadReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadReport")
            .field("verdict", &self.verdict)
            .field("statements", &self.statements)
            .field("refusal", &self.refusal().map(Refusal::code))
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}
