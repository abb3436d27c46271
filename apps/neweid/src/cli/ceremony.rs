//! `neweid ceremony`: what is done with the keys of the natural-person CAs, by script and two persons.

use clap::Subcommand;
use curve::Curve;
use keys::KeyKind;
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub enum Ceremony {
    /// 提案 Propose a ceremony; nothing happens until another person approves it.
    Propose {
        #[command(subcommand)]
        what: Plan,
        /// 提案者帳號 Account of whoever proposes, for the log.
        #[arg(long, global = true, default_value = "")]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, global = true, default_value = "data")]
        dir: PathBuf,
    },
    /// 核可 Approve another person's proposal. It is carried out by `neweid ceremony run`.
    Approve {
        /// 提案編號 The number of the proposal.
        number: u64,
        /// 核可者帳號 Account of whoever approves, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 執行 Carry out an approved ceremony, from where it is; one of the two persons proposed or approved it.
    Run(Run),
    /// 放棄 Give a ceremony up: what it signed is put aside and revoked, keys it made are destroyed. One of the two persons proposed
    /// or approved it. Interrupted, do it again.
    Abandon {
        /// 提案編號 The number of the proposal.
        number: u64,
        /// 操作者帳號 Account of the person at the keyboard, for the record.
        #[arg(long)]
        operator: String,
        /// 見證者帳號 Account of the person who sees it, for the record.
        #[arg(long)]
        witness: String,
        /// 事由 Why, for the record.
        #[arg(long)]
        because: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 腳本 Print the script, with what was done so far.
    Show {
        /// 提案編號 The number of the proposal.
        number: u64,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 紀錄 Write the record of a finished ceremony: JSON, text, and a time stamp over the JSON (RFC 3161).
    Record {
        /// 提案編號 The number of the proposal.
        number: u64,
        /// 輸出目錄 Where the files go.
        #[arg(long)]
        out: PathBuf,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 驗證 Compare a record with script, audit log, time stamp, keys and certificates.
    Verify {
        /// 提案編號 The number of the proposal.
        number: u64,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 列出 List the ceremonies, newest first.
    List {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand, Debug)]
pub enum Plan {
    /// 建立體系 The first root and the first generation, in a directory that has no country yet. It is ceremony 0; `neweid up` waits
    /// for its end. Without it the first `neweid up` makes both keys by itself and records that nobody attended.
    Founding(Founding),
    /// 接管既有憑證機構 An authority that exists goes on here under its own name and keys, in a directory that has no country yet: the
    /// document names its certificates, those above, its last lists, how many certificates it issued, and its addresses. It
    /// is ceremony 0 in the place of a founding.
    Adoption {
        /// 文件檔 The document, JSON; `docs/operations.md` has one.
        document: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// 下一代簽發金鑰 The next generation of the issuing CA: same name, new key, its own lists; it issues from then on.
    Generation {
        /// 金鑰種類 Kind of key.
        #[arg(long, value_enum)]
        key: Key,
        /// 清單分割數 Into how many lists its revoked certificates are divided; as the generation before, if not given.
        #[arg(long)]
        partitions: Option<u16>,
    },
    /// 下一代根金鑰 The next root, with link certificates between it and the one before.
    Root {
        /// 金鑰種類 Kind of key.
        #[arg(long, value_enum)]
        key: Key,
    },
    /// 交互認證 A certificate for the root of somebody else, with limits.
    Cross {
        /// 外部根憑證 The foreign root's certificate, PEM or DER.
        #[arg(long)]
        foreign: PathBuf,
        /// 路徑長度 How many CAs may follow the foreign root.
        #[arg(long, default_value_t = 1)]
        path_length: u32,
        /// 限定國別 The country that everything issued there must name; that of the foreign root, if not given. May be repeated.
        #[arg(long)]
        permit_country: Vec<String>,
        /// 外部憑證政策 Which of the foreign policies counts as ours (object identifier).
        #[arg(long)]
        policy: String,
        /// 天數 How long.
        #[arg(long, default_value_t = 365)]
        days: u32,
    },
    /// 匯入交互憑證 A certificate that somebody else issued for our root, to be published.
    CrossImport {
        /// 憑證 The certificate, PEM or DER.
        certificate: PathBuf,
        /// 外部根憑證 The foreign root's certificate, PEM or DER.
        #[arg(long)]
        by: PathBuf,
    },
    /// 金鑰備份 A copy of a key for custodians who open it together.
    KeyBackup {
        /// 金鑰標籤 The key: npc-root, npc-ca, npc-ca-g2, ...
        label: String,
        /// 所需保管人數 How many custodians are needed.
        #[arg(long)]
        threshold: u8,
        /// 保管人總數 How many there are.
        #[arg(long)]
        shares: u8,
    },
    /// 金鑰還原 A lost key put back from its copy.
    KeyRestore {
        /// 金鑰標籤 Label of the key.
        label: String,
    },
    /// 金鑰銷毀 The end of a key whose work is over.
    KeyDestruction {
        /// 金鑰標籤 Label of the key.
        label: String,
    },
    /// 廢止 The revocation of the certificate of a CA that no longer issues, of a link or of a cross certificate.
    Revocation {
        /// 公布名稱 Its published name: npc-ca, npc-cross-7, ...
        label: String,
        /// 理由 Why.
        #[arg(long, value_enum)]
        reason: Reason,
    },
}

/// What the first root and generation are made with; addresses and store stay for ever, as with `neweid up`.
#[derive(clap::Args, Debug)]
pub struct Founding {
    /// 根金鑰種類 Kind of key of the root.
    #[arg(long, value_enum)]
    pub root_key: Key,
    /// 第一代金鑰種類 Kind of key of the first generation.
    #[arg(long, value_enum)]
    pub key: Key,
    #[command(flatten)]
    pub place: Place,
}

/// Where a country listens and keeps what it has.
#[derive(clap::Args, Debug)]
pub struct Place {
    /// 監聽位址 Address to listen on; it stands in the certificates.
    #[arg(long)]
    pub listen: Option<std::net::IpAddr>,
    /// 連接埠 First port; the second stands in the certificates.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..65_534))]
    pub port_base: Option<u16>,
    /// 資料庫 `postgres://USER@HOST/DATABASE`; without it SQLite files.
    #[arg(long)]
    pub database: Option<String>,
    /// 硬體金鑰模組 PKCS #11 library; the keys are then made and kept in a token.
    #[arg(long, requires_all = ["pkcs11_token", "pkcs11_pin_file"])]
    pub pkcs11_module: Option<PathBuf>,
    /// 符記標籤 Label of the token.
    #[arg(long, requires = "pkcs11_module")]
    pub pkcs11_token: Option<String>,
    /// 符記 PIN 檔 File with the token's user PIN, mode 0600.
    #[arg(long, requires = "pkcs11_module")]
    pub pkcs11_pin_file: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
pub struct Run {
    /// 提案編號 The number of the proposal.
    pub number: u64,
    /// 執行者帳號 Account of whoever does the steps, for the log.
    #[arg(long)]
    pub operator: String,
    /// 見證者帳號 Account of whoever sees them done; another person.
    #[arg(long)]
    pub witness: String,
    /// 只做下一步 Do the next step alone.
    #[arg(long)]
    pub step: bool,
    /// 備份輸出目錄 Where the copy of a key and the shares of its custodians go: a new directory.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// 金鑰備份 The copy of a key to be put back.
    #[arg(long)]
    pub copy: Option<PathBuf>,
    /// 保管人分持 A custodian's share of it; once for each.
    #[arg(long)]
    pub share: Vec<PathBuf>,
    /// 外部根憑證機構所簽憑證 The certificate that the operator of another's root made of the request, PEM or DER.
    #[arg(long)]
    pub certificate: Option<PathBuf>,
    /// 憑證申請檔 Where the certification request for the operator of another's root goes: a new file, PEM.
    #[arg(long)]
    pub request: Option<PathBuf>,
    /// 接管之私鑰 The private key of a generation that is taken over, `NUMBER=FILE`: encrypted PKCS #8, mode 0600; once for each.
    #[arg(long, requires = "passphrase_file")]
    pub private_key: Vec<String>,
    /// 通行碼檔 File with the passphrase of these keys, mode 0600.
    #[arg(long)]
    pub passphrase_file: Option<PathBuf>,
    /// 最後清單 A last list that was approved, PEM or DER; once for each.
    #[arg(long)]
    pub list: Vec<PathBuf>,
    /// 先前簽發的憑證 The certificates issued before: a file of PEM or DER one behind the other, or a directory of such files.
    #[arg(long)]
    pub certificates: Option<PathBuf>,
    /// 國家目錄 The directory of the country.
    #[arg(long, default_value = "data")]
    pub dir: PathBuf,
    /// 輸出 JSON Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Kinds of keys of CAs.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    #[value(name = "rsa-4096")]
    Rsa4096,
    #[value(name = "p-384")]
    P384,
    #[value(name = "p-521")]
    P521,
    /// 測試用 For tests with programs that read it.
    #[value(name = "ml-dsa-65")]
    MlDsa65,
}

impl Key {
    /// As the key store calls it.
    pub const fn kind(self) -> KeyKind {
        match self {
            Self::Rsa4096 => KeyKind::Rsa(4096),
            Self::P384 => KeyKind::Ec(Curve::P384),
            Self::P521 => KeyKind::Ec(Curve::P521),
            Self::MlDsa65 => KeyKind::MlDsa65,
        }
    }
}

/// Why the certificate of a CA is revoked.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
}

impl Ceremony {
    /// Whether failures are to be printed as JSON.
    pub const fn wants_json(&self) -> bool {
        match self {
            Self::Run(run) => run.json,
            Self::Show { json, .. } | Self::Verify { json, .. } | Self::List { json, .. } => *json,
            _ => false,
        }
    }
}
