//! What a ceremony does, and by which steps.

use serde::{Deserialize, Serialize};
use x509::Certificate;
use x509::crl::Reason;

use keys::KeyKind;
use x509::Name;

use super::adoption::{ADOPTION, Inheritance};
use super::founding::FOUNDING;
use crate::authority::hex;
use crate::{NpcError, Result};

/// What is to be done, as an operator says it. Numbers and labels are fixed when it is proposed.
#[derive(Debug, Clone)]
pub enum Plan {
    /// The next generation of the issuing CA: a new key, certified by the newest root, which issues from then on.
    Generation {
        /// Kind of key.
        key: KeyKind,
        /// Into how many lists its revoked certificates are divided; as the generation before, if not given.
        partitions: Option<u16>,
    },
    /// The next root, with the link certificates between it and the one before.
    Root {
        /// Kind of key.
        key: KeyKind,
    },
    /// A certificate for the root of somebody else.
    Cross {
        /// The foreign root's own certificate, DER.
        foreign: Vec<u8>,
        /// How many CAs may follow it.
        path_len: u32,
        /// Below which names everything issued there lies.
        permitted: Vec<Name>,
        /// Which of its policies counts as ours; object identifier with dots.
        policy: String,
        /// How long, in days.
        days: u32,
    },
    /// The certificate that somebody else issued for our root, to be published.
    CrossImport {
        /// The certificate, DER.
        certificate: Vec<u8>,
        /// The foreign root's own certificate, DER.
        by: Vec<u8>,
    },
    /// A copy of a key, encrypted under a key that is divided among custodians.
    KeyBackup {
        /// The key.
        label: String,
        /// How many custodians are needed.
        threshold: u8,
        /// How many there are.
        shares: u8,
    },
    /// A lost key put back from its copy.
    KeyRestore {
        /// The key.
        label: String,
    },
    /// The end of a key whose work is over.
    KeyDestruction {
        /// The key.
        label: String,
    },
    /// The revocation of a CA's certificate by the root that issued it.
    Revocation {
        /// The published name of the certificate.
        label: String,
        /// Why.
        reason: Reason,
    },
}

/// The persisted form, with every number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Act {
    Founding {
        root_key: String,
        key: String,
        partitions: u16,
        root_name: String,
        ca_name: String,
        policy: String,
        status: String,
        attended: bool,
    },
    Adoption(Box<Inheritance>),
    Generation {
        number: u32,
        key: String,
        partitions: u16,
        root: u32,
    },
    /// The next generation under a root whose key is another's.
    GenerationElsewhere {
        number: u32,
        key: String,
        partitions: u16,
        root: u32,
    },
    Root {
        number: u32,
        key: String,
        before: u32,
    },
    Cross {
        label: String,
        root: u32,
        foreign: String,
        path_len: u32,
        permitted: Vec<String>,
        policy: String,
        days: u32,
    },
    CrossImport {
        label: String,
        root: u32,
        certificate: String,
        by: String,
    },
    KeyBackup {
        label: String,
        spki_sha256: String,
        threshold: u8,
        shares: u8,
    },
    KeyRestore {
        label: String,
        spki_sha256: String,
    },
    KeyDestruction {
        label: String,
        spki_sha256: String,
    },
    Revocation {
        label: String,
        certificate_sha256: String,
        reason: u8,
    },
}

/// What two persons agree on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Script {
    pub(super) act: Act,
    pub(super) steps: Vec<String>,
}

/// A step of a ceremony.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The first root's key pair is made in the key store.
    RootKey,
    /// The bytes of the first root's certificate are made and stored.
    RootPrepare,
    /// The first root's certificate is signed.
    RootSign,
    /// The key pair is made in the key store.
    Key,
    /// The bytes to be signed are made, linted, rehearsed with a throw-away key, and stored.
    Prepare,
    /// The certificate is signed.
    Sign,
    /// The certificate is looked at as a stranger would.
    Check,
    /// The new root's key is certified by the old root.
    NewWithOld,
    /// The old root's key is certified by the new root.
    OldWithNew,
    /// The certificate, its lists and its OCSP responder are published.
    Publish,
    /// The new key issues from here on; the one before tells status alone.
    Activate,
    /// What came from outside is looked at.
    Inspect,
    /// The copy is made and divided among the custodians.
    Divide,
    /// The key is put back.
    Restore,
    /// The key is taken out of service.
    Retire,
    /// The key is destroyed.
    Destroy,
    /// The certificate is put on its root's list.
    Revoke,
    /// The keys of an authority that exists are brought in, and shown to be those of its certificates.
    AdoptKeys,
    /// What that authority issued before is brought in, with its last lists.
    Inherit,
    /// It issues and tells status here from then on.
    TakeOver,
    /// A certification request is made for the operator of a root whose key is another's.
    Request,
    /// The certificate that the root's operator made is brought in.
    Accept,
}

const STEPS: [(Step, &str, &str, &str); 22] = [
    (Step::RootKey, "root-key", "在金鑰儲存產生根金鑰對", "The root's key pair is made in the key store"),
    (
        Step::RootPrepare,
        "root-prepare",
        "產生、檢查並保存根憑證待簽位元組",
        "The bytes of the root's certificate are made, linted, rehearsed and stored",
    ),
    (Step::RootSign, "root-sign", "簽發根憑證", "The root's certificate is signed"),
    (Step::Key, "key", "在金鑰儲存產生金鑰對", "The key pair is made in the key store"),
    (
        Step::Prepare,
        "prepare",
        "產生、檢查並保存待簽位元組",
        "The bytes to be signed are made, linted, rehearsed and stored",
    ),
    (Step::Sign, "sign", "簽發憑證", "The certificate is signed"),
    (Step::Check, "check", "以第三人角度驗證憑證", "The certificate is checked as a stranger would"),
    (
        Step::NewWithOld,
        "new-with-old",
        "以舊根金鑰簽發新根連結憑證",
        "The new root is linked with the old root's key",
    ),
    (
        Step::OldWithNew,
        "old-with-new",
        "以新根金鑰簽發舊根連結憑證",
        "The old root is linked with the new root's key",
    ),
    (Step::Publish, "publish", "公布憑證與狀態服務", "Certificate and status services are published"),
    (Step::Activate, "activate", "自此由新金鑰簽發", "The new key issues from here on"),
    (Step::Inspect, "inspect", "檢查外來憑證", "What came from outside is inspected"),
    (
        Step::Divide,
        "divide",
        "備份金鑰並分持",
        "The key is copied and the copy's key divided among custodians",
    ),
    (Step::Restore, "restore", "由備份還原金鑰", "The key is put back from its copy"),
    (Step::Retire, "retire", "金鑰停用", "The key is taken out of service"),
    (Step::Destroy, "destroy", "銷毀金鑰", "The key is destroyed"),
    (
        Step::AdoptKeys,
        "adopt-keys",
        "取得既有金鑰並證明與憑證相符",
        "The keys that exist are brought in, each shown to be that of its certificate",
    ),
    (
        Step::Inherit,
        "inherit",
        "匯入已簽發之憑證與最後清冊",
        "The certificates issued before and the last lists are brought in",
    ),
    (
        Step::TakeOver,
        "take-over",
        "自此由本系統簽發並提供狀態",
        "The authority issues and tells status here from now on",
    ),
    (
        Step::Request,
        "request",
        "產生憑證請求檔交上層根憑證機構",
        "The certification request for the operator of the root is made",
    ),
    (
        Step::Accept,
        "accept",
        "匯入並檢查上層根憑證機構簽發之憑證",
        "The certificate that the root's operator made is brought in and checked",
    ),
    (Step::Revoke, "revoke", "列入根憑證機構之廢止清冊", "The certificate is put on its root's list"),
];

impl Step {
    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// What is done, in Chinese and English.
    pub fn words(self) -> (&'static str, &'static str) {
        let row = self.row();
        (row.2, row.3)
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        STEPS.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, &'static str, &'static str) {
        STEPS.iter().find(|row| row.0 == self).unwrap_or(&STEPS[0])
    }
}

impl Act {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Founding { .. } => "founding",
            Self::Adoption(_) => "adoption",
            Self::GenerationElsewhere { .. } => "generation-elsewhere",
            Self::Generation { .. } => "generation",
            Self::Root { .. } => "root",
            Self::Cross { .. } => "cross",
            Self::CrossImport { .. } => "cross-import",
            Self::KeyBackup { .. } => "key-backup",
            Self::KeyRestore { .. } => "key-restore",
            Self::KeyDestruction { .. } => "key-destruction",
            Self::Revocation { .. } => "revocation",
        }
    }

    pub(super) const fn steps(&self) -> &'static [Step] {
        match self {
            Self::Founding { .. } => &FOUNDING,
            Self::Adoption(_) => &ADOPTION,
            Self::GenerationElsewhere { .. } => {
                &[Step::Key, Step::Request, Step::Accept, Step::Publish, Step::Activate]
            }
            Self::Generation { .. } => {
                &[Step::Key, Step::Prepare, Step::Sign, Step::Check, Step::Publish, Step::Activate]
            }
            Self::Root { .. } => &[
                Step::Key,
                Step::Prepare,
                Step::Sign,
                Step::NewWithOld,
                Step::OldWithNew,
                Step::Check,
                Step::Activate,
            ],
            Self::Cross { .. } => &[Step::Inspect, Step::Prepare, Step::Sign, Step::Publish],
            Self::CrossImport { .. } => &[Step::Inspect, Step::Publish],
            Self::KeyBackup { .. } => &[Step::Divide],
            Self::KeyRestore { .. } => &[Step::Restore],
            Self::KeyDestruction { .. } => &[Step::Retire, Step::Destroy],
            Self::Revocation { .. } => &[Step::Revoke],
        }
    }

    pub(super) fn expected(&self) -> Vec<(&'static str, &'static str, String)> {
        let key = |key: &str| ("金鑰種類", "kind of key", key.to_owned());
        let label = |label: &str| ("名稱", "label", label.to_owned());
        let spki = |hash: &str| ("公鑰指紋 SHA-256", "public key SHA-256", hash.to_owned());
        let number = |number: &u32| ("代", "generation", number.to_string());
        let root = |root: &u32| ("簽發之根", "root that signs", root.to_string());
        match self {
            Self::Founding { root_key, key: k, partitions, root_name, ca_name, policy, status, attended } => {
                let mut lines = vec![
                    ("根金鑰種類", "kind of key of the root", root_key.clone()),
                    key(k),
                    ("根之名稱", "name of the root", root_name.clone()),
                    ("簽發機構之名稱", "name of the issuing CA", ca_name.clone()),
                    ("憑證政策", "certificate policy", policy.clone()),
                    ("廢止清冊分割數", "partitions of its lists", partitions.to_string()),
                    ("廢止清冊位址", "where its lists are", status.clone()),
                ];
                if !attended {
                    let words = "首次啟動自動產生，無人提案、核可、操作或見證 made by the first run of a \
                        demonstration: nobody proposed, approved, did or witnessed it";
                    lines.push(("示範國家", "demonstration country", words.to_owned()));
                }
                lines
            }
            Self::Adoption(inheritance) => inheritance.expected(),
            Self::GenerationElsewhere { number: n, key: k, partitions, root: r } => vec![
                number(n),
                key(k),
                ("廢止清冊分割數", "partitions of its lists", partitions.to_string()),
                ("簽發之外部根", "root of another's that certifies it", r.to_string()),
            ],
            Self::Generation { number: n, key: k, partitions, root: r } => vec![
                number(n),
                key(k),
                ("廢止清冊分割數", "partitions of its lists", partitions.to_string()),
                root(r),
            ],
            Self::Root { number: n, key: k, before } => {
                vec![number(n), key(k), ("前一代根", "root before", before.to_string())]
            }
            Self::Cross { label: l, root: r, foreign, path_len, permitted, policy, days } => {
                let mut lines = vec![label(l), root(r)];
                lines.extend(foreign_lines(foreign));
                lines.push(("路徑長度上限", "path length", path_len.to_string()));
                for name in permitted {
                    let name = unhex(name).and_then(|der| Ok(Name::parse(&der)?));
                    lines.push((
                        "允許之名稱",
                        "permitted below",
                        name.map_or_else(|_| "?".into(), |n| n.to_string()),
                    ));
                }
                lines.push(("對方之憑證政策", "their policy", policy.clone()));
                lines.push(("效期（日）", "days", days.to_string()));
                lines
            }
            Self::CrossImport { label: l, root: r, by, .. } => {
                let mut lines = vec![label(l), ("受認證之根", "our root", r.to_string())];
                lines.extend(foreign_lines(by));
                lines
            }
            Self::KeyBackup { label: l, spki_sha256, threshold, shares } => {
                vec![label(l), spki(spki_sha256), ("分持", "shares", format!("{threshold} / {shares}"))]
            }
            Self::KeyRestore { label: l, spki_sha256 } | Self::KeyDestruction { label: l, spki_sha256 } => {
                vec![label(l), spki(spki_sha256)]
            }
            Self::Revocation { label: l, certificate_sha256, reason } => vec![
                label(l),
                ("憑證指紋 SHA-256", "certificate SHA-256", certificate_sha256.clone()),
                ("廢止代碼", "CRLReason", reason.to_string()),
            ],
        }
    }
}

fn foreign_lines(der: &str) -> Vec<(&'static str, &'static str, String)> {
    let Ok(certificate) = unhex(der).and_then(|der| Ok(Certificate::parse(&der)?)) else { return Vec::new() };
    let name = certificate.subject_name().map_or_else(|_| "?".into(), |name| name.to_string());
    vec![
        ("外部根憑證", "foreign root", name),
        ("外部根憑證指紋 SHA-256", "foreign root SHA-256", hex(&certificate.fingerprint())),
    ]
}

pub(super) fn unhex(text: &str) -> Result<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [a, b] => Some(digit(*a)? << 4 | digit(*b)?),
        _ => None,
    });
    pairs.collect::<Option<_>>().ok_or(NpcError::Inconsistent("script"))
}
