//! The command line: noun and verb, `--json` wherever a program may listen. Secrets are never arguments.

pub mod ceremony;
pub mod policy;
pub mod recall;

use crate::cli_ra::RaCommand;
use crate::hand::CardArgs;
use crate::questions::Question;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// 數位身分識別證系統 New eID: a country's electronic identity system in one program.
#[derive(Parser, Debug)]
#[command(
    name = "neweid",
    version,
    about = "數位身分識別證系統 New eID: a country's electronic identity system in one program",
    disable_help_flag = true,
    disable_version_flag = true
)]
#[command(disable_help_subcommand = true, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    /// 說明 Print help; `-h` prints a summary.
    #[arg(short, long, global = true, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
    /// 版本 Print the version.
    #[arg(short = 'V', long, action = clap::ArgAction::Version)]
    pub version: Option<bool>,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// 啟動整個系統 Start every system on this machine; the first run creates keys, register, offices and sample cards.
    Up(Up),
    /// 完整示範 Run the whole journey from application to revocation and check it with foreign programs.
    Demo(Demo),
    /// 卡片 List, insert and show virtual cards.
    #[command(subcommand)]
    Card(Card),
    /// 人物卡 Sample cards as files, one for each situation a reader has to understand.
    #[command(subcommand)]
    Persona(Persona),
    /// 戶籍 What the simulated household register says of a person, and changes of it.
    #[command(subcommand)]
    Register(Register),
    /// 承辦人員 Clerks whose signed requests begin updates of cards.
    #[command(subcommand)]
    Clerk(Clerk),
    /// 讀卡 Read household and public zone of any card and verify them; with a terminal certificate the encrypted zone too.
    Read(Read),
    /// 個人密碼 PIN1 and PIN2 of a card: where they stand, and the holder's change of one.
    #[command(subcommand)]
    Pin(Pin),
    /// 簽章 Sign a file with a key of the card; needs PIN2.
    Sign(Sign),
    /// 解密 Open with a key of the card what was enciphered to its holder; needs PIN2.
    Decipher(Decipher),
    /// 卡片上的憑證 The certificates on a card.
    #[command(subcommand)]
    Cert(Cert),
    /// 憑證 Certificates and revocation lists of the country.
    #[command(subcommand)]
    Pki(Pki),
    /// 離線狀態 Status of certificates and cards from a downloaded filter or list, without asking anybody.
    #[command(subcommand)]
    Status(Status),
    /// 憑證系統 Measure the status services of the certification authority.
    #[command(subcommand)]
    Npc(Npc),
    /// 註冊中心 The registration authority: suspend, resume, reissue, unblock, at a counter or online.
    #[command(subcommand)]
    Ra(RaCommand),
    /// 典禮 Scripts for the keys of the certification authorities, decided and done by two persons.
    #[command(subcommand)]
    Ceremony(ceremony::Ceremony),
    /// 晶片型別 The register of chip types: makers, versions, certificates, and how each type is judged.
    #[command(subcommand)]
    ChipType(ChipType),
    /// 召回 Cards that are called in: proposed by one person, approved by another, followed office by office.
    #[command(subcommand)]
    Recall(recall::Recall),
    /// 行動化更新 Chips that an office updates at an announced place and time.
    #[command(subcommand)]
    Outing(crate::commands::outing::Outing),
    /// 通知 What holders are to be told: recalls, cards to collect, content out of date.
    #[command(subcommand)]
    Notice(crate::commands::notice::Notice),
    /// 操作者 The people who work at the console: accounts, roles, enrolment codes.
    #[command(subcommand)]
    Operator(crate::commands::operator::Operator),
    /// 終端授權憑證 Show card-verifiable certificates.
    #[command(subcommand)]
    Cvc(Cvc),
    /// 檢查本機 Say what is missing on this machine and the command that mends it.
    Doctor(Doctor),
}

#[derive(clap::Args, Debug, Clone)]
pub struct Up {
    /// 國家目錄 Directory that holds the country; created when absent. Deleting it starts anew.
    #[arg(long, default_value = "data")]
    pub dir: PathBuf,
    /// 監聽位址 Address to listen on. Certificates made by the first run carry it in their URLs.
    #[arg(long)]
    pub listen: Option<std::net::IpAddr>,
    /// 連接埠 First of the consecutive TCP ports to use: web, status services, console.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..65_534))]
    pub port_base: Option<u16>,
    /// 資料庫 `postgres://USER@HOST/DATABASE`; without it every system has its own SQLite file in the directory.
    #[arg(long)]
    pub database: Option<String>,
    /// 硬體金鑰模組 PKCS #11 library; the signing keys of the CAs are then made and kept in a token.
    #[arg(long, requires_all = ["pkcs11_token", "pkcs11_pin_file"])]
    pub pkcs11_module: Option<PathBuf>,
    /// 符記標籤 Label of the token.
    #[arg(long, requires = "pkcs11_module")]
    pub pkcs11_token: Option<String>,
    /// 符記 PIN 檔 File with the token's user PIN, mode 0600.
    #[arg(long, requires = "pkcs11_module")]
    pub pkcs11_pin_file: Option<PathBuf>,
    /// 根與第一代的金鑰種類 Kind of key of the first root and the first generation of the natural-person CA: RSA-4096 if not given. Later
    /// generations are made by `neweid ceremony`.
    #[arg(long, value_enum)]
    pub npc_keys: Option<ceremony::Key>,
    /// 第一代的清單分割數 Into how many lists the first generation's revoked certificates are divided, a power of two up to 1024;
    /// 16 if not given. A country takes 1024.
    #[arg(long, value_parser = power_of_two)]
    pub npc_partitions: Option<u16>,
}

#[derive(clap::Args, Debug)]
pub struct Demo {
    /// 國家目錄 Directory of the country, fresh or running.
    #[arg(long, default_value = "data")]
    pub dir: PathBuf,
    /// 相片 Portrait of the applicant: JPEG, at least 826 x 1062 pixels, at most 5 MB. Without it one is drawn.
    #[arg(long)]
    pub photo: Option<PathBuf>,
    /// 輸出 JSON Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
    /// 連接埠 First of the consecutive TCP ports.
    #[arg(long, hide = true, value_parser = clap::value_parser!(u16).range(1..65_534))]
    pub port_base: Option<u16>,
}

#[derive(Subcommand, Debug)]
pub enum Card {
    /// 列出卡片 List the cards of a country.
    List {
        /// 內容過時者 Only cards whose content is out of date: valid, and to be updated at an office.
        #[arg(long)]
        outdated: bool,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 插入卡片 Attach a virtual card to pcscd through vpcd until interrupted.
    Insert {
        /// 卡片序號 Card serial number, as `neweid card list` shows it, or the file of a card (`NAME.card`).
        card: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 卡片介面 Side of the card that touches the reader.
        #[arg(long, value_enum)]
        interface: Interface,
        /// 虛擬讀卡機位址 vpcd's address; by default 127.0.0.1 with port 35963 (contact) or 35964 (contactless).
        #[arg(long, value_name = "HOST:PORT")]
        vpcd: Option<String>,
        /// 逐一說明收到的指令 Tell in plain words what every program does with the card; secrets are hidden.
        #[arg(long)]
        watch: bool,
        /// 每行一份 JSON One JSON document per line.
        #[arg(long)]
        json: bool,
    },
    /// 旁觀 Tell in plain words what programs do with a card that `neweid card insert` holds, until it is taken out.
    Watch {
        /// 卡片序號 Card serial number, or the file of a card (`NAME.card`).
        card: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 每行一份 JSON One JSON document per line.
        #[arg(long)]
        json: bool,
    },
    /// 辨識 Say what kind of card it is and which middleware works with it: a New eID, an older natural-person certificate
    /// card, a travel document.
    Kind(CardKindOf),
    /// 設定檔 The profiles of cards: what each offers, and whether one of your own contradicts itself.
    #[command(subcommand)]
    Profile(ProfileVerb),
    /// 更新申請 Write down who asks for an update of a card and which papers the clerk has seen; the clerk signs it.
    Request(UpdateRequest),
    /// 更新晶片 Update the fields of a card that may change: as an office of the country in `--dir` with what the register says
    /// now, or with a package that was signed elsewhere.
    Update(CardUpdate),
    /// 更新紀錄 List the updates of a card and verify each: the clerk's signature, the chip's receipt, the audit log.
    Updates {
        /// 卡片序號 Card serial number.
        serial: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 晶片資料清單 Make a chip data list: chosen fields of the card in the reader on paper, for agencies that cannot read chips. It is good
    /// together with the card alone; `neweid pki paper status` tells whether.
    DataList(DataListArgs),
    /// 接受憑證 Note that the holder confirms what the certificates of a card handed over say, or objects, which revokes them.
    Accept {
        /// 卡片序號 Card serial number.
        serial: String,
        /// 提出異議 The holder objects: possible until the PINs are set.
        #[arg(long)]
        object: bool,
        /// 承辦人帳號 Account of the clerk before whom it is said.
        #[arg(long)]
        clerk: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 紙本身分證掛失 Report the loss of the paper identity card of before New eID, after which its replacement can be applied for online.
    PaperLoss {
        /// 統一編號檔 File with the number of whoever lost it.
        #[arg(long, value_name = "FILE")]
        person: PathBuf,
        /// 受理者帳號 Account of whoever takes the report.
        #[arg(long)]
        clerk: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 卡面 Draw the face of a card.
    Face {
        /// 卡片序號 Card serial number, as `neweid card list` shows it, or the file of a card (`NAME.card`).
        card: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出檔 `.svg`, `.png` or `.pdf`; a document has one page per side.
        #[arg(long)]
        out: PathBuf,
        /// 哪一面 Which side to draw.
        #[arg(long, value_enum, default_value = "both")]
        side: FaceSide,
        /// 排列方式 How both sides stand in one picture.
        #[arg(long, value_enum, default_value = "vertical")]
        layout: FaceLayout,
        /// 條碼種類 The symbology of both barcodes.
        #[arg(long, value_enum, default_value = "code128")]
        barcodes: FaceBarcodes,
        /// 解析度 Resolution of a `.png` in dots per inch; 300, 400 and 600 keep bars on whole pixels.
        #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(72..=1200))]
        dpi: u32,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// Profiles as files; docs/card-profiles.md explains them.
#[derive(Subcommand, Debug)]
pub enum ProfileVerb {
    /// 列出 The built-in profiles and what each is for.
    List {
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 顯示 The file of a built-in profile: a place to start from.
    Show {
        /// 名稱 Its name, as `neweid card profile list` shows it.
        name: String,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 檢查 Say what a profile file offers, or everything that is wrong with it, each with its code and line.
    Check {
        /// 檔案 The file.
        file: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

impl ProfileVerb {
    /// Whether failures are to be printed as JSON.
    const fn wants_json(&self) -> bool {
        match self {
            Self::List { json } | Self::Show { json, .. } | Self::Check { json, .. } => *json,
        }
    }
}

/// Changes of the simulated household register. They name persons, so they come from files or standard input.
#[derive(Subcommand, Debug)]
pub enum Register {
    /// 查詢 Show what is registered of the holder of a card. Personal data.
    Show {
        /// 卡片序號 Serial number of the card.
        #[arg(long = "of", value_name = "SERIAL")]
        serial: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 異動 Record a change of the holder of a card: a move, the spouse's name, military service, ...
    Change {
        /// 檔案 JSON file, see docs/cli.md; `-` is standard input.
        file: PathBuf,
        /// 卡片序號 Serial number of the card.
        #[arg(long = "of", value_name = "SERIAL")]
        serial: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 門牌整編 Renumber houses, or make a village part of another, and list the cards that are out of date by it.
    Renumber {
        /// 檔案 JSON file, see docs/cli.md; `-` is standard input.
        file: PathBuf,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args, Debug)]
pub struct CardKindOf {
    #[command(flatten)]
    pub card: CardArgs,
}

#[derive(clap::Args, Debug)]
pub struct UpdateRequest {
    /// 卡片序號 Serial number of the card.
    #[arg(long = "of", value_name = "SERIAL")]
    pub serial: String,
    /// 承辦人帳號 Account of the clerk, as registered with `neweid clerk add`.
    #[arg(long)]
    pub clerk: String,
    /// 更新事由 Why: registration, area, renumbering, county-status, military-service.
    #[arg(long, default_value = "registration")]
    pub occasion: mgmt::Occasion,
    /// 申請人 Who asks: holder, legal-representative, delegate, household-member.
    #[arg(long, default_value = "holder")]
    pub applicant: mgmt::Applicant,
    /// 所驗文件 What the clerk has seen; repeat it: card, representative-id, delegate-id, proxy, member-id.
    #[arg(long = "seen", value_name = "DOCUMENT", required = true)]
    pub documents: Vec<mgmt::Document>,
    /// 行動化更新編號 On which outing it is made (`neweid outing list`), if not at the counter: for changes of area, house numbers or status.
    #[arg(long, requires = "device")]
    pub outing: Option<u64>,
    /// 載具 With which of its devices.
    #[arg(long, requires = "outing")]
    pub device: Option<String>,
    /// 申請檔 File for the request, which the clerk then signs.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// 國家目錄 The directory of the country.
    #[arg(long, default_value = "data")]
    pub dir: PathBuf,
    /// 輸出 JSON Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Clerks, by the certificate that their requests are signed with.
#[derive(Subcommand, Debug)]
pub enum Clerk {
    /// 登錄 Register a clerk; again for another certificate or office.
    Add {
        /// 帳號 The account.
        account: String,
        /// 機關代碼 Code of the office.
        #[arg(long)]
        office: model::OfficeCode,
        /// 承辦人憑證 The clerk's natural-person certificate, PEM or DER.
        #[arg(long)]
        certificate: PathBuf,
        /// 操作者帳號 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 移除 Forget a clerk: nothing the clerk signs counts any more.
    Remove {
        /// 帳號 The account.
        account: String,
        /// 操作者帳號 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 列出 List them.
    List {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args, Debug)]
pub struct DataListArgs {
    #[command(flatten)]
    pub card: CardArgs,
    /// 卡片序號 Serial number of the card in the reader (`--reader`), as it is printed on it.
    #[arg(long, value_name = "SERIAL", conflicts_with = "serial")]
    pub of: Option<String>,
    /// 欄位 Which fields, as the holder wishes: name, foreign-name, number, birth, address, marital-status, military-service, issue,
    /// renewal; several with commas.
    #[arg(long, value_name = "FIELD", required = true, value_delimiter = ',', value_parser = listed_field)]
    pub fields: Vec<mgmt::ListedField>,
    /// 承辦人帳號 Account of the clerk who identified the holder.
    #[arg(long)]
    pub clerk: String,
    /// 承辦機關 The clerk's office.
    #[arg(long)]
    pub office: model::OfficeCode,
    /// 檔案 Where the list goes; its signature beside it with `.p7s`.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

fn listed_field(text: &str) -> Result<mgmt::ListedField, String> {
    let all = || mgmt::ListedField::ALL.map(mgmt::ListedField::as_str).join(", ");
    mgmt::ListedField::from_name(text).ok_or_else(all)
}

#[derive(clap::Args, Debug)]
pub struct CardUpdate {
    #[command(flatten)]
    pub card: CardArgs,
    /// 卡片序號 Serial number of the card in the reader (`--reader`), as it is printed on it.
    #[arg(long, value_name = "SERIAL", conflicts_with_all = ["package", "serial"])]
    pub of: Option<String>,
    /// 申請檔 What `neweid card request` wrote.
    #[arg(long, value_name = "FILE", requires = "signature", required_unless_present_any = ["package", "compare"])]
    pub request: Option<PathBuf>,
    /// 申請之簽章 The clerk's signature on it, as `neweid sign --format cms` writes it.
    #[arg(long, value_name = "FILE", requires = "request")]
    pub signature: Option<PathBuf>,
    /// 只比對 Only tell in which fields card and register differ; nothing is signed, written or noted.
    #[arg(long, conflicts_with_all = ["package", "out", "request"])]
    pub compare: bool,
    /// 更新包存放目錄 Directory to keep the signed package in: `update.p7`, and `links.der` with the link certificates. It holds personal
    /// data.
    #[arg(long, value_name = "DIR", conflicts_with = "package")]
    pub out: Option<PathBuf>,
    /// 更新包 A signed package, instead of what the register says.
    #[arg(long, value_name = "FILE", requires_all = ["terminal_cert", "terminal_key", "trust"])]
    pub package: Option<PathBuf>,
    /// 連結憑證 CSCA link certificates (DER, one after the other) from the card's to that of the package's signer.
    #[arg(long, value_name = "FILE", requires = "package")]
    pub links: Option<PathBuf>,
    /// 終端憑證 The certificates of a terminal with the right to update, and those above it.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "package")]
    pub terminal_cert: Vec<PathBuf>,
    /// 終端私鑰 The terminal's private key: PKCS #8, PEM or DER.
    #[arg(long, value_name = "FILE", requires = "package")]
    pub terminal_key: Option<PathBuf>,
    /// 信任憑證目錄 Directory with trusted CSCA certificates and CRLs, by which the card is verified first.
    #[arg(long, value_name = "DIR", requires = "package")]
    pub trust: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    Contact,
    Contactless,
}

impl Interface {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Contactless => "contactless",
        }
    }
}

#[derive(Subcommand, Debug)]
pub enum Persona {
    /// 列出人物 List the personas and the verdict each is meant to get.
    List {
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 匯出 Write personas as files: NAME.card, NAME.json with what a tester needs, and the trust anchors.
    Export {
        /// 人物名稱 Name, as `neweid persona list` shows it.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        name: Option<String>,
        /// 全部人物 Every persona.
        #[arg(long)]
        all: bool,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出目錄 Where the files go.
        #[arg(long)]
        out: PathBuf,
        /// 卡片規格 Profile of the card: `interop` for foreign programs, `national` as citizens get it, or a file of your own (`FILE.toml`),
        /// of which a card is made anew each time. A persona about a profile keeps its own.
        #[arg(long, default_value = "interop", value_parser = persona_profile)]
        profile: PersonaProfile,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

fn power_of_two(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|n: &u16| n.is_power_of_two() && *n <= 1_024);
    number.ok_or_else(|| "1, 2, 4, ... 1024".to_owned())
}

/// A profile that personas are offered in.
#[derive(Clone, Debug)]
pub enum PersonaProfile {
    /// One of those that are kept.
    Offered(model::CardProfile),
    /// A file of somebody's own.
    Own(PathBuf),
}

// The ending decides, so that a mistyped name is never taken for a file.
fn persona_profile(text: &str) -> Result<PersonaProfile, String> {
    if text.to_lowercase().ends_with(".toml") {
        return Ok(PersonaProfile::Own(text.into()));
    }
    let mut offered = crate::personas::OFFERED.into_iter();
    offered
        .find(|profile| profile.as_str() == text)
        .map(PersonaProfile::Offered)
        .ok_or_else(|| "interop, national, FILE.toml".to_owned())
}

/// Sides of a card face.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaceSide {
    /// 正面 The front.
    Front,
    /// 背面 The back.
    Back,
    /// 正面與背面 Both.
    Both,
}

/// The symbology of the barcodes of a card face.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaceBarcodes {
    /// 一般讀取設備 ISO/IEC 15417.
    Code128,
    /// 僅能讀取 Code 39 之設備 ISO/IEC 16388, for readers that know nothing else.
    Code39,
}

/// How both sides stand in one picture.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaceLayout {
    /// 直式：正面在上 The front above the back.
    Vertical,
    /// 橫式：正面在左 The front to the left of the back.
    Horizontal,
}

#[derive(clap::Args, Debug)]
pub struct Read {
    #[command(flatten)]
    pub card: CardArgs,
    /// 機讀碼檔 File with the three lines of the machine readable zone, instead of the access number. Neither is needed with a
    /// terminal that may read the access number in the Encrypted Zone.
    #[arg(long, conflicts_with = "can", required_unless_present_any = ["can", "serial", "terminal_key"])]
    pub mrz: Option<PathBuf>,
    /// 安全通道 How the secure channel to the public zone is opened.
    #[arg(long, value_enum, default_value = "pace")]
    pub access: AccessChoice,
    /// 晶片驗證 Has the chip prove itself by Chip Authentication where it offers that to everybody, as passports and sample cards do.
    /// Otherwise it signs a challenge (active authentication), where it can.
    #[arg(long)]
    pub chip_authentication: bool,
    /// 信任憑證目錄 Directory with trusted CSCA certificates (PEM or DER) and CRLs, as `neweid pki export` writes it.
    #[arg(long)]
    pub trust: Option<PathBuf>,
    /// 輸出目錄 Directory to write the files of the card, the photo and the report to.
    #[arg(long)]
    pub out: PathBuf,
    /// 顯示戶籍地址、戶籍地區與役別 Tells the registered address, also that of the household zone, and the military service category
    /// too, and writes the files that have them (DG11, DG13, the household file). Only with a reason to ask for them.
    #[arg(long)]
    pub address: bool,
    /// 卡片狀態清單 Says whether the card is good, suspended or void: the card status list, as the address `card_status` of
    /// endpoints.json gives it; again for the delta to it (`card_status_delta`). Its root stands in `--trust`.
    #[arg(long, value_name = "FILE", requires = "trust")]
    pub card_list: Vec<PathBuf>,
    /// 讀取加密區 Reads the Encrypted Zone too, with the rights of this terminal: its certificate and those above it, as `neweid pki
    /// export` writes them. Certificates that are not needed do no harm.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "terminal_key")]
    pub terminal_cert: Vec<PathBuf>,
    /// 終端私鑰 The terminal's private key: PKCS #8, PEM or DER.
    #[arg(long, value_name = "FILE", requires = "terminal_cert")]
    pub terminal_key: Option<PathBuf>,
    /// 密碼檔 File with PIN1, which the Encrypted Zone needs, readable by its owner alone; `-` is the next line of standard input.
    /// Asked for if absent.
    #[arg(long, value_name = "FILE", requires = "terminal_cert")]
    pub pin1: Option<PathBuf>,
    /// 行業識別碼 Asks for the identifiers of the card in the one or two sectors of these public keys, whose hashes stand in the
    /// terminal's certificate (Restricted Identification): `terminal-NAME.sector`. Sample cards have them.
    #[arg(long, value_name = "FILE", requires = "terminal_cert")]
    pub restricted_id: Option<PathBuf>,
    /// 詢問卡片 Asks the card, which answers yes or no: born-by=YYYY-MM-DD, valid-on=YYYY-MM-DD, lives-in=CODE (the village's
    /// code, from the county on). Each kind once; needs PIN1 and a terminal's certificate.
    #[arg(long, value_name = "QUESTION", requires = "terminal_cert")]
    pub ask: Vec<Question>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessChoice {
    /// 最強 PACE with the strongest parameters that the card offers.
    Pace,
    /// 通用對應 PACE with generic mapping.
    Gm,
    /// 整合對應 PACE with integrated mapping.
    Im,
    /// 晶片驗證對應 PACE with chip authentication mapping.
    Cam,
    /// 基本存取控制 Basic Access Control with the MRZ (`--mrz`): older passports, and the laboratory card `bac-lab`.
    Bac,
}

#[derive(Subcommand, Debug)]
pub enum Pin {
    /// 查詢 Where PIN1 and PIN2 stand: not set, usable, suspended, blocked. Nothing is tried.
    Status(PinStatus),
    /// 變更 Change a PIN; the present one is needed. A forgotten or blocked PIN is the issuer's business.
    Change(PinChange),
}

#[derive(clap::Args, Debug)]
pub struct PinStatus {
    #[command(flatten)]
    pub card: CardArgs,
}

#[derive(clap::Args, Debug)]
pub struct PinChange {
    /// 哪一組密碼 Which of the two.
    #[arg(value_enum)]
    pub which: WhichPin,
    #[command(flatten)]
    pub card: CardArgs,
    #[command(flatten)]
    pub way: Pin2Way,
    /// 現用 PIN 檔 File with the present PIN, readable by its owner alone; `-` is the next line of standard input. Asked for if absent.
    #[arg(long, value_name = "FILE")]
    pub old: Option<PathBuf>,
    /// 新 PIN 檔 The same for the new PIN.
    #[arg(long, value_name = "FILE")]
    pub new: Option<PathBuf>,
}

/// How PIN2 travels where the access number is not known.
#[derive(clap::Args, Debug, Clone, Copy)]
pub struct Pin2Way {
    /// 明文傳送 PIN2 Sends PIN2 in the clear to the card in the reader, where no access number is given. For sample cards of profile
    /// `interop`; any card that is put in their place gets to know PIN2.
    #[arg(long, conflicts_with = "can")]
    pub in_clear: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichPin {
    /// 加密區密碼 Six digits, opens the encrypted zone.
    Pin1,
    /// 憑證區密碼 Eight to twelve digits, frees the keys of the certificate zone.
    Pin2,
}

#[derive(clap::Args, Debug)]
pub struct Sign {
    #[command(flatten)]
    pub card: CardArgs,
    #[command(flatten)]
    pub way: Pin2Way,
    /// 金鑰 Which key.
    #[arg(long, value_enum)]
    pub key: SigningKey,
    /// 要簽章的檔案 File to sign.
    #[arg(long = "in", value_name = "FILE")]
    pub input: PathBuf,
    /// 簽章檔 File for the signature.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// 簽章格式 What the signature looks like.
    #[arg(long, value_enum, default_value = "raw")]
    pub format: SignFormat,
    /// 雜湊演算法 Hash; without it SHA-256 with RSA and SHA-512 with EC.
    #[arg(long, value_enum)]
    pub hash: Option<HashChoice>,
    /// 密碼檔 File with PIN2, readable by its owner alone; `-` is the next line of standard input. Asked for if absent.
    #[arg(long, value_name = "FILE")]
    pub pin2: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKey {
    /// 簽章金鑰 Key 1, RSA-2048.
    RsaSign,
    /// 簽章金鑰 Key 3, P-521.
    EcSign,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignFormat {
    /// 僅簽章值 The signature alone: RSASSA-PKCS1-v1_5, or ECDSA in DER.
    Raw,
    /// 分離式簽章 Detached CMS SignedData (PKCS #7) in DER, with the certificates of the card.
    Cms,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashChoice {
    Sha256,
    Sha384,
    Sha512,
}

#[derive(clap::Args, Debug)]
pub struct Decipher {
    #[command(flatten)]
    pub card: CardArgs,
    #[command(flatten)]
    pub way: Pin2Way,
    /// 要解密的檔案 File to open.
    #[arg(long = "in", value_name = "FILE")]
    pub input: PathBuf,
    /// 明文檔 File for what was inside; readable by its owner alone.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// 輸入格式 What the input is.
    #[arg(long, value_enum, default_value = "auto")]
    pub format: DecipherFormat,
    /// 密碼檔 File with PIN2, readable by its owner alone; `-` is the next line of standard input. Asked for if absent.
    #[arg(long, value_name = "FILE")]
    pub pin2: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecipherFormat {
    /// 自動判斷 Whatever it looks like.
    Auto,
    /// 數位信封 CMS EnvelopedData in DER or PEM, to the RSA or the EC key.
    Cms,
    /// 密文 256 bytes of RSAES-PKCS1-v1_5.
    Rsa,
    /// 對方公鑰 The other side's EC public key: gives the shared secret of ECDH.
    Ecdh,
}

#[derive(Subcommand, Debug)]
pub enum Cert {
    /// 列出 Slots of the card: subject, validity, whether the private key fits, status.
    List(CertList),
}

#[derive(clap::Args, Debug)]
pub struct CertList {
    #[command(flatten)]
    pub card: CardArgs,
    #[command(flatten)]
    pub way: Pin2Way,
    /// 試用各私鑰 Uses each private key once to see that it belongs to its certificate: file with PIN2, readable by its owner alone; `-`
    /// is the next line of standard input.
    #[arg(long, value_name = "FILE")]
    pub pin2: Option<PathBuf>,
    /// 查驗憑證狀態 Says whether each certificate is trusted and not revoked: directory with root and CA certificates and CRLs, as
    /// `neweid pki export` writes it.
    #[arg(long, value_name = "DIR")]
    pub trust: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum Pki {
    /// 匯出 Write every CA and signer certificate (PEM), the current CRLs (DER), the authorities of terminals and the sample
    /// terminals with their keys.
    Export {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出目錄 Where the files go.
        #[arg(long)]
        out: PathBuf,
    },
    /// 紙本文件 Files of paper documents with a verification number.
    #[command(subcommand)]
    Paper(Paper),
    /// 提案 Propose what two persons must decide; nothing happens until another one approves.
    Propose {
        #[command(subcommand)]
        what: Proposed,
        /// 提案者帳號 Account of whoever proposes, for the log.
        #[arg(long, global = true, default_value = "")]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, global = true, default_value = "data")]
        dir: PathBuf,
    },
    /// 核可 Approve another person's proposal, which does it.
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
    /// 提案清單 List the proposals, newest first.
    Proposals {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// Paper documents with a verification number (DOCPKI-14).
#[derive(Subcommand, Debug)]
pub enum Paper {
    /// 簽章 Sign the electronic file of a paper document under its verification number: a detached CMS SignedData (DER).
    Sign {
        #[command(flatten)]
        paper: PaperArgs,
        /// 簽章檔 Where the signature goes.
        #[arg(long)]
        out: PathBuf,
        /// 操作者帳號 Account of whoever has it signed, for the log.
        #[arg(long)]
        operator: String,
    },
    /// 查驗 What the records say of a file: valid, withdrawn, altered, unknown or suspended. Exit code 0, 3, 4, 5 or 6. A chip data list
    /// is suspended and void with its card.
    Status {
        #[command(flatten)]
        paper: PaperArgs,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 註銷 Withdraw a paper document, for instance when the card it stood in for is handed over.
    Withdraw {
        /// 查驗號碼 The verification number.
        number: String,
        /// 操作者帳號 Account of whoever withdraws, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
}

#[derive(clap::Args, Debug)]
pub struct PaperArgs {
    /// 查驗號碼 The verification number: 6 to 32 capital letters, digits and hyphens.
    pub number: String,
    /// 檔案 The file of the paper document.
    #[arg(long = "in", value_name = "FILE")]
    pub input: PathBuf,
    /// 國家目錄 The directory of the country.
    #[arg(long, default_value = "data")]
    pub dir: PathBuf,
}

#[derive(Subcommand, Debug)]
pub enum Proposed {
    /// 更換國家簽章金鑰 A new key of the country signing CA, with a link certificate from the old one.
    RollOver,
    /// 廢止文件簽章憑證 Revoke a document signer for good.
    Revoke {
        /// 簽章憑證號碼 Its number, as in ds-NUMBER.
        #[arg(long)]
        signer: u32,
        /// 理由 Why.
        #[arg(long, value_enum)]
        reason: RevocationReason,
    },
}

/// Why a document signer is revoked.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationReason {
    KeyCompromise,
    Superseded,
    CessationOfOperation,
}

#[derive(Subcommand, Debug)]
pub enum ChipType {
    /// 登錄清單 List the registered types.
    List {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 卡片清單 List the cards on a type, with applets and key algorithms of each.
    Cards {
        /// 型別名稱 Its name, as `neweid chip-type list` shows it.
        name: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 登錄異動 Enter another version of a type: its maker, versions, certificates, and whether it is patchable. How it is judged
    /// stays as it is.
    Register {
        /// 登錄資料 The entry as JSON, with the names of `neweid chip-type list --json`.
        file: PathBuf,
        /// 登錄者帳號 Account of whoever enters it, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 提案變更風險狀態 Propose to judge a type otherwise; nothing changes until another person approves.
    Propose {
        /// 名稱 Its name.
        name: String,
        /// 風險狀態 `normal` 正常, `watch` 觀察 or `stopped` 停用.
        #[arg(long)]
        risk: model::ChipRisk,
        /// 理由 Why.
        #[arg(long)]
        reason: String,
        /// 提案者帳號 Account of whoever proposes, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 核可 Approve another person's proposal, which does it.
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
    /// 提案清單 List the proposals, newest first.
    Proposals {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 評估金鑰風險 Enter an assessment of the keys that a type of chip makes; it counts once another person approves it.
    Assess {
        /// 名稱 Its name.
        name: String,
        /// 金鑰演算法 The algorithm of the keys: RSA-2048, secp521r1.
        #[arg(long)]
        algorithm: String,
        /// 結果 `normal` 正常, `watch` 觀察 or `stopped` 停用.
        #[arg(long)]
        result: model::ChipRisk,
        /// 評估內容 What was looked at and found.
        #[arg(long)]
        findings: String,
        /// 評估者帳號 Account of whoever assessed, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 核可評估 Approve another person's assessment, with which it counts.
    ApproveAssessment {
        /// 評估編號 The number of the assessment.
        number: u64,
        /// 核可者帳號 Account of whoever approves, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 評估清單 List the assessments, newest first.
    Assessments {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand, Debug)]
pub enum Status {
    /// 查驗憑證 Say whether a certificate is good, suspended or revoked, from a revocation filter; its chain is verified first.
    Check(StatusCheck),
    /// 查驗卡片 Say whether a card is good, suspended or void, from a card status list; its signature and age are verified first.
    Card(StatusCard),
}

#[derive(clap::Args, Debug)]
pub struct StatusCard {
    /// 卡片序號 Card serial number, as it is printed on the card.
    pub serial: String,
    /// 卡片狀態清單 The card status list, as the address `card_status` of endpoints.json gives it; again for the delta to it
    /// (`card_status_delta`).
    #[arg(long, value_name = "FILE", required = true)]
    pub card_list: Vec<PathBuf>,
    /// 信任憑證 Certificates to trust: a directory as `neweid pki export` writes it, or one file.
    #[arg(long, default_value = "pki")]
    pub trust: PathBuf,
    /// 查驗時點 The moment to judge for (RFC 3339), instead of now.
    #[arg(long)]
    pub at: Option<jiff::Timestamp>,
    /// 輸出 JSON Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

#[derive(clap::Args, Debug)]
pub struct StatusCheck {
    /// 憑證 The certificate, PEM or DER.
    pub certificate: PathBuf,
    /// 篩選檔 The filter, as the address `filter` of endpoints.json gives it.
    #[arg(long)]
    pub filter: PathBuf,
    /// 信任憑證 Certificates to trust: a directory as `neweid pki export` writes it, or one file.
    #[arg(long, default_value = "pki")]
    pub trust: PathBuf,
    /// 查驗時點 The moment to judge for (RFC 3339), instead of now.
    #[arg(long)]
    pub at: Option<jiff::Timestamp>,
    /// 輸出 JSON Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand, Debug)]
pub enum Npc {
    /// 模擬母體 Build a population of certificates without signing each, and measure lists, OCSP and filter over it.
    Simulate(Simulate),
    /// 演習 Run an incident at the size of a country on a database of its own, and measure it.
    Drill(Drill),
    /// 重新簽發佇列 Who gets new certificates after an incident, in which order and when.
    #[command(subcommand)]
    Queue(Queues),
    /// 事件 Suspend, resume or revoke many certificates at once; two persons.
    #[command(subcommand)]
    Incident(Incidents),
    /// 金鑰查核 Compare the RSA keys of all certificates with each other.
    #[command(subcommand)]
    Keys(NpcKeys),
    /// 簽發開關 Stop issuing, or go on.
    Issuing {
        /// 停止或恢復 Stop or start.
        #[arg(value_enum)]
        switch: Issuing,
        /// 操作者帳號 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 儲存庫開關 Close the repository of holders' certificates in an incident, or open it again.
    Repository {
        /// 關閉或開啟 Closed or open.
        #[arg(value_enum)]
        switch: Repository,
        /// 操作者 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 立即公布 Make revocation lists and filter now instead of at their next turn.
    Publish {
        /// 操作者 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 憑證政策 The certificate policy as data, in versions: identifiers, kinds of keys, periods; two persons.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// 實務作業基準 The skeleton of the certification practice statement (RFC 3647), from the policy in force, as Markdown.
    Cps {
        /// 輸出檔 File for it; printed, if not given.
        #[arg(long)]
        out: Option<PathBuf>,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 註冊中心 The registration authorities that may ask for certificates over CMP.
    #[command(subcommand)]
    Ra(Ra),
    /// 登記 Enrol what a registration authority will send a key for.
    Enrol {
        /// 檔案 JSON file; `-` is standard input.
        file: PathBuf,
        /// 操作者帳號 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
}

#[derive(Subcommand, Debug)]
pub enum NpcKeys {
    /// 查核共用因數 Look for factors that two RSA keys have in common, among all keys there are, also those compared before.
    CheckCommonFactors {
        /// 操作者帳號 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 列出共用因數 List the certificates whose keys were found with a common factor.
    CommonFactors {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand, Debug)]
pub enum Incidents {
    /// 提案 Propose what is to be done with a cohort of certificates.
    Propose {
        #[command(flatten)]
        selection: Box<Selection>,
        /// 操作者帳號 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 核可 Approve another person's proposal, and do it; after an interruption, go on.
    Approve {
        /// 事件編號 The number of the incident.
        number: u64,
        /// 操作者帳號 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 列出 List the incidents and how far each is.
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
pub enum Queues {
    /// 開設 Open the queue of an approved incident, or go on with filling it.
    Open {
        /// 事件編號 The number of the incident.
        incident: u64,
        /// 檔案 JSON file with classes, quotas and days; `-` is standard input.
        #[arg(long)]
        plan: PathBuf,
        /// 操作者帳號 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 分派 Put cards into classes and at offices.
    Assign {
        /// 事件編號 The number of the incident.
        incident: u64,
        /// 名單檔 Lines of card,class or card,class,office; `-` is standard input.
        file: PathBuf,
        /// 操作者帳號 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 排定 Give every waiting card its day.
    Plan {
        /// 事件編號 The number of the incident.
        incident: u64,
        /// 起始日 The first day (YYYY-MM-DD).
        #[arg(long)]
        from: model::RocDate,
        /// 操作者帳號 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 當日名單 List the cards an office expects, the most urgent first.
    Due {
        /// 事件編號 The number of the incident.
        incident: u64,
        /// 機關 The office.
        #[arg(long)]
        office: String,
        /// 日期 The day (YYYY-MM-DD).
        #[arg(long)]
        day: model::RocDate,
        /// 筆數上限 At most so many.
        #[arg(long, default_value_t = 1_000)]
        most: u32,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 失敗 Note that a card's turn came and did not succeed.
    Fail {
        /// 事件編號 The number of the incident.
        incident: u64,
        /// 卡片序號 The card.
        card: model::CardSerial,
        /// 失敗代碼 What went wrong, as a code that names nobody.
        #[arg(long)]
        problem: String,
        /// 操作者帳號 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 處理 Put a card that waits for a person back into the queue, or note that its holder has another card.
    Settle {
        /// 事件編號 The number of the incident.
        incident: u64,
        /// 卡片序號 The card.
        card: model::CardSerial,
        /// 持卡人已有新卡 The holder has another card; only for cards without further keys.
        #[arg(long)]
        replaced: bool,
        /// 操作者帳號 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 進度 Tell how far the queue is, class by class.
    Report {
        /// 事件編號 The number of the incident.
        incident: u64,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args, Debug)]
pub struct Drill {
    /// 人數 How many persons have a suspected card, with two certificates each; half as many more have another card.
    #[arg(long, default_value_t = 750_000)]
    pub persons: u32,
    /// 資料庫位址檔 File with the address of an empty PostgreSQL database; without it the drill runs on SQLite in the directory.
    #[arg(long)]
    pub database: Option<PathBuf>,
    /// 演習目錄 Directory for the keys of the drill; created when absent.
    #[arg(long)]
    pub dir: PathBuf,
    /// 輸出 JSON Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Whom an incident concerns: every criterion given must hold, and at least one is given, except with resume.
#[derive(clap::Args, Debug)]
pub struct Selection {
    /// 處置 What is to be done.
    #[arg(value_enum)]
    pub action: Action,
    /// 廢止理由 Why, with revoke: unspecified, key_compromise, superseded, cessation_of_operation, ...
    #[arg(long)]
    pub reason: Option<String>,
    /// 所終止之停用事件 With resume: the number of the incident whose hold ends; what another one holds too stays on hold.
    #[arg(long)]
    pub of: Option<u64>,
    /// 金鑰種類 Kind of key: RSA-2048 or secp521r1.
    #[arg(long)]
    pub key_class: Option<String>,
    /// 金鑰特徵 What the keys show of their maker: roca, or another class as stored at issuance; or shared-factor, as
    /// `neweid npc keys common-factors` lists them.
    #[arg(long)]
    pub fingerprint: Option<String>,
    /// 晶片型號 Model of the chip, as `neweid chip-type list` names it.
    #[arg(long)]
    pub chip_model: Option<String>,
    /// 載具種類 new-eid, certificate-card or foreign-resident-card.
    #[arg(long)]
    pub carrier: Option<String>,
    /// 卡片範圍 One card, or FIRST..LAST, both included.
    #[arg(long)]
    pub cards: Option<String>,
    /// 起始日自 Certificates that begin on this day or later (YYYY-MM-DD, Taipei).
    #[arg(long)]
    pub from: Option<model::RocDate>,
    /// 起始日至 Certificates that begin on this day or before.
    #[arg(long)]
    pub to: Option<model::RocDate>,
    #[command(flatten)]
    pub make: Make,
}

/// Cards by what the card centre's books say of them; every criterion given must hold.
#[derive(clap::Args, Debug, Default)]
pub struct Make {
    /// 晶片製造商 Maker of the chip, as `neweid chip-type list` names it.
    #[arg(long)]
    pub manufacturer: Option<String>,
    /// 程式與版本 Applet with its version, as the card was initialised with it: 'eid 2.0'.
    #[arg(long)]
    pub applet: Option<String>,
    /// 金鑰演算法 Algorithm of a key of the card: RSA-2048, secp521r1.
    #[arg(long)]
    pub algorithm: Option<String>,
    /// 製造批號 Production batch: the lot the card came in.
    #[arg(long)]
    pub lot: Option<String>,
    /// 製造日自 Cards whose keys were made on this day or later (YYYY-MM-DD, Taipei).
    #[arg(long)]
    pub made_from: Option<model::RocDate>,
    /// 製造日至 Cards whose keys were made on this day or before.
    #[arg(long)]
    pub made_to: Option<model::RocDate>,
}

impl Make {
    /// The same for the card centre.
    pub fn criteria(&self, chip_type: Option<&str>) -> production::MakeCriteria {
        production::MakeCriteria {
            chip_type: chip_type.map(str::to_owned),
            manufacturer: self.manufacturer.clone(),
            applet: self.applet.clone(),
            algorithm: self.algorithm.clone(),
            lot: self.lot.clone(),
            cards: None,
            made_from: self.made_from,
            made_to: self.made_to,
        }
    }
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// 停用 On hold, by the authority.
    Suspend,
    /// 復用 The end of one incident's hold.
    Resume,
    /// 廢止 For good.
    Revoke,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuing {
    /// 停止簽發 No certificate is issued any more.
    Stop,
    /// 恢復簽發 Certificates are issued again.
    Start,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repository {
    /// 關閉 Nothing is found any more.
    Close,
    /// 開啟 What holders publish is found again.
    Open,
}

#[derive(Subcommand, Debug)]
pub enum Ra {
    /// 提案登錄 Propose to make one known by the certificate of the key that signs its messages, or to give a known one another certificate.
    #[command(alias = "add")]
    Propose {
        /// 名稱 Its name in events: small letters, digits, hyphens.
        name: String,
        /// 憑證 The certificate, PEM or DER.
        #[arg(long)]
        certificate: PathBuf,
        /// 提案者帳號 Account of whoever proposes, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 核可 Approve another person's proposal: from now on the registration authority is known by that certificate.
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
    /// 待核可之提案 List what waits for another person, with the certificates' fingerprints.
    Proposals {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 移除 Forget one: nothing it signs counts from now on.
    Remove {
        /// 名稱 Its name.
        name: String,
        /// 操作者帳號 Account of the person at the keyboard, for the log.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 列出 List them.
    List {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args, Debug)]
pub struct Simulate {
    /// 憑證數 How many certificates there are.
    #[arg(long, default_value_t = 1_000_000)]
    pub certificates: u64,
    /// 廢止數 How many of them are revoked.
    #[arg(long, default_value_t = 20_000)]
    pub revoked: u64,
    /// 停用數 How many more are suspended.
    #[arg(long, default_value_t = 0)]
    pub suspended: u64,
    /// 輸出目錄 Directory for what is made: complete list, a partition, filter, their issuer; created when absent.
    #[arg(long)]
    pub dir: PathBuf,
    /// 輸出 JSON Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand, Debug)]
pub enum Cvc {
    /// 顯示 Show certificates, requests and descriptions in plain words, and which of the given keys signed them.
    Print {
        /// 檔案 Files in TLV, as `neweid pki export` and other programs write them.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args, Debug)]
pub struct Doctor {
    /// 輸出 JSON Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

/// An argument that never stands in a log: Debug hides it.
#[derive(Clone)]
pub struct Hidden(pub String);

impl std::str::FromStr for Hidden {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl Arguments {
    /// Whether the command serves until it is stopped.
    pub const fn stays(&self) -> bool {
        matches!(self.command, Command::Up(_))
    }

    /// Whether failures are to be printed as JSON.
    pub const fn wants_json(&self) -> bool {
        match &self.command {
            Command::Demo(demo) => demo.json,
            Command::Card(
                Card::List { json, .. }
                | Card::Insert { json, .. }
                | Card::Watch { json, .. }
                | Card::Updates { json, .. }
                | Card::Accept { json, .. }
                | Card::PaperLoss { json, .. }
                | Card::Face { json, .. },
            ) => *json,
            Command::Card(Card::Request(request)) => request.json,
            Command::Clerk(Clerk::List { json, .. }) => *json,
            Command::Clerk(_) => false,
            Command::Register(
                Register::Show { json, .. } | Register::Change { json, .. } | Register::Renumber { json, .. },
            ) => *json,
            Command::Card(Card::Profile(verb)) => verb.wants_json(),
            Command::Card(Card::Kind(kind)) => kind.card.json,
            Command::Card(Card::Update(update)) => update.card.json,
            Command::Card(Card::DataList(list)) => list.card.json,
            Command::Read(read) => read.card.json,
            Command::Pin(Pin::Status(PinStatus { card }) | Pin::Change(PinChange { card, .. })) => card.json,
            Command::Sign(Sign { card, .. })
            | Command::Decipher(Decipher { card, .. })
            | Command::Cert(Cert::List(CertList { card, .. })) => card.json,
            Command::Doctor(doctor) => doctor.json,
            Command::Pki(Pki::Proposals { json, .. } | Pki::Paper(Paper::Status { json, .. })) => *json,
            Command::ChipType(
                ChipType::List { json, .. }
                | ChipType::Cards { json, .. }
                | ChipType::Proposals { json, .. }
                | ChipType::Assessments { json, .. },
            ) => *json,
            Command::Recall(recall) => recall.wants_json(),
            Command::Status(
                Status::Check(StatusCheck { json, .. }) | Status::Card(StatusCard { json, .. }),
            ) => *json,
            Command::Npc(Npc::Simulate(simulate)) => simulate.json,
            Command::Npc(Npc::Drill(drill)) => drill.json,
            Command::Npc(Npc::Queue(Queues::Report { json, .. })) => *json,
            Command::Npc(Npc::Policy(policy::Policy::List { json, .. })) => *json,
            Command::Npc(
                Npc::Ra(Ra::List { json, .. } | Ra::Proposals { json, .. })
                | Npc::Incident(Incidents::List { json, .. })
                | Npc::Keys(NpcKeys::CommonFactors { json, .. }),
            ) => *json,
            Command::Npc(_) => false,
            Command::Ra(ra) => ra.wants_json(),
            Command::Ceremony(ceremony) => ceremony.wants_json(),
            Command::Cvc(Cvc::Print { json, .. }) => *json,
            Command::Persona(Persona::List { json } | Persona::Export { json, .. }) => *json,
            Command::Operator(operator) => operator.wants_json(),
            Command::Notice(notice) => notice.wants_json(),
            Command::Outing(outing) => outing.wants_json(),
            Command::Up(_) | Command::Pki(_) | Command::ChipType(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    // Traditional Chinese first, then English: every command, every option, every place, every value that has words.
    #[test]
    fn every_command_and_option_helps_in_both_languages() {
        fn helps(what: &str, help: Option<&clap::builder::StyledStr>, wrong: &mut Vec<String>) {
            let text = help.map(ToString::to_string).unwrap_or_default();
            let chinese = text.starts_with(|c: char| ('\u{3400}'..='\u{9fff}').contains(&c));
            if !chinese || !text.contains(|c: char| c.is_ascii_alphanumeric()) {
                wrong.push(format!("{what}: {text:?}"));
            }
        }
        fn walk(command: &clap::Command, path: &str, seen: &mut usize, wrong: &mut Vec<String>) {
            helps(path, command.get_about(), wrong);
            for argument in command.get_arguments() {
                *seen += 1;
                let name = format!("{path} {}", argument.get_id());
                helps(&name, argument.get_help(), wrong);
                for value in argument.get_possible_values().iter().filter(|value| value.get_help().is_some())
                {
                    helps(&format!("{name}={}", value.get_name()), value.get_help(), wrong);
                }
            }
            for verb in command.get_subcommands() {
                walk(verb, &format!("{path} {}", verb.get_name()), seen, wrong);
            }
        }
        let mut command = Arguments::command();
        command.build();
        let (mut seen, mut wrong) = (0, Vec::new());
        walk(&command, "neweid", &mut seen, &mut wrong);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(seen > 400, "{seen}");
    }

    #[test]
    fn the_access_number_is_not_in_debug() {
        let arguments = ["neweid", "read", "--reader", "Virtual PCD", "--out", "x", "--can", "135790"];
        let parsed = Arguments::try_parse_from(arguments).expect("complete");
        assert!(!format!("{parsed:?}").contains("135790"));
    }

    #[test]
    fn a_card_is_read_with_can_or_mrz_but_not_both() {
        let base = ["neweid", "read", "--reader", "Virtual PCD", "--out", "x"];
        assert!(Arguments::try_parse_from(base).is_err());
        assert!(Arguments::try_parse_from(base.iter().chain(&["--can", "123456"])).is_ok());
        assert!(Arguments::try_parse_from(base.iter().chain(&["--can", "123456", "--mrz", "m"])).is_err());
    }
}
