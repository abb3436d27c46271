//! The command line of `neweid ra`: every function of the registration authority (docs/ra-functions.md).

use crate::hand::CardArgs;
use clap::{Subcommand, ValueEnum};
use model::{CardSerial, CaseNo, OfficeCode};
use std::path::PathBuf;
use uuid::Uuid;

#[derive(Subcommand, Debug)]
pub enum RaCommand {
    /// 功能表 What is offered where, and how it is authorised.
    Functions {
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 系統驗證 Management and registration authority prove to each other who they are.
    Verify {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 開案 Open a case of a counter: which card a holder has come with, and what for. Each of a clerk's requests names its case.
    Case {
        /// 卡片序號 Serial number of the card.
        #[arg(long, value_name = "SERIAL")]
        serial: CardSerial,
        /// 申請事項 What for: new-card, certificates, loss, codes, contact; several with commas.
        #[arg(long = "for", value_name = "SERVICE", required = true, value_delimiter = ',', value_parser = service)]
        services: Vec<mgmt::CaseService>,
        /// 承辦人帳號 Account of the clerk who identified the person.
        #[arg(long)]
        clerk: String,
        /// 承辦機關 The clerk's office.
        #[arg(long)]
        office: OfficeCode,
        /// 統一編號檔 File with the number of the person, for a card that carries certificates and nothing else.
        #[arg(long, value_name = "FILE")]
        person: Option<PathBuf>,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 結案 Close a case: nothing is begun under it any more.
    CloseCase {
        /// 案號 The case.
        case: CaseNo,
        /// 承辦人帳號 Account of the clerk.
        #[arg(long)]
        clerk: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 簽發 Certificates for a card that carries nothing else, over the requests its keys have signed.
    Issue {
        #[command(flatten)]
        request: RaRequest,
        /// 統一編號檔 File with the person's number: a citizen's, or with `--resident-name` a foreign resident's.
        #[arg(long, value_name = "FILE")]
        person: PathBuf,
        /// 居留證姓名檔 File with the name on the residence permit.
        #[arg(long, value_name = "FILE")]
        resident_name: Option<PathBuf>,
        /// 簽章金鑰申請檔 PKCS #10 request of the signing key (RSA-2048), PEM or DER.
        #[arg(long, value_name = "FILE")]
        signing: PathBuf,
        /// 加密金鑰申請檔 The same of the encryption key.
        #[arg(long, value_name = "FILE")]
        encryption: PathBuf,
    },
    /// 停用 Suspend the certificates of a card.
    Suspend(RaRequest),
    /// 復用 Resume suspended certificates.
    Resume(RaRequest),
    /// 廢止 Revoke the certificates for good.
    Revoke {
        #[command(flatten)]
        request: RaRequest,
        /// 廢止理由 Why, as RFC 5280 has it.
        #[arg(long, default_value = "cessation_of_operation", value_name = "REASON")]
        reason: model::RevocationReason,
    },
    /// 展期 Reissue the certificates once, for the P-521 keys, and write them to the card.
    Extend {
        #[command(flatten)]
        request: RaRequest,
        #[command(flatten)]
        keys: SecondPair,
    },
    /// 內容變更重發 Certificates for changed content: on a certificate-only card over its second pair of keys.
    Modify {
        #[command(flatten)]
        request: RaRequest,
        #[command(flatten)]
        keys: SecondPair,
    },
    /// 更換金鑰 Switch the card to its other pair of keys, as a recall has decided: new certificates, the old ones revoked.
    Rekey(RaRequest),
    /// 重寫 Write the valid certificates to the card again.
    Rewrite(RaRequest),
    /// 查詢 How the certificates stand.
    Query(RaRequest),
    /// 公布 Publish the certificates in the repository.
    Publish(RaRequest),
    /// 不公布 Take them out of the repository.
    Hide(RaRequest),
    /// 聯絡方式 Change e-mail address or mobile number (the latter at a counter only).
    Contact {
        #[command(flatten)]
        request: RaRequest,
        /// 新電子郵件檔 File with the new e-mail address; an empty file takes the old one away.
        #[arg(long, value_name = "FILE", required_unless_present = "mobile", conflicts_with = "mobile")]
        email: Option<PathBuf>,
        /// 新手機號碼檔 The same for the mobile number.
        #[arg(long, value_name = "FILE")]
        mobile: Option<PathBuf>,
    },
    /// 一次性密碼 Send the one-time code that unblocking online needs.
    Code(RaRequest),
    /// 鎖卡解碼 Give blocked PINs their tries back; they stay what they were.
    Unblock {
        #[command(flatten)]
        request: RaRequest,
        /// 哪一組密碼 Which PIN.
        #[arg(long, value_enum, default_value = "pin2")]
        pin: WhichBlocked,
    },
    /// 變更 PIN2 Change PIN2; the card compares the present one (`--pin2`).
    ChangePin {
        #[command(flatten)]
        request: RaRequest,
        /// 新 PIN2 檔 File with the new PIN2, readable by its owner alone; `-` is the next line of standard input.
        #[arg(long, value_name = "FILE")]
        new: Option<PathBuf>,
    },
    /// 重設用戶代碼 Give the holder at the counter a new default user code; it is shown once.
    ResetUserCode(RaRequest),
    /// 變更用戶代碼 Change the user code; `--user-code` is the present one.
    ChangeUserCode {
        #[command(flatten)]
        request: RaRequest,
        /// 新用戶代碼檔 File with the new user code, readable by its owner alone; `-` is the next line of standard input.
        #[arg(long, value_name = "FILE")]
        new: Option<PathBuf>,
    },
    /// 憑證條碼 The barcode of the card's certificate, for electronic invoices.
    Barcode {
        #[command(flatten)]
        request: RaRequest,
        /// 條碼圖檔 File for the barcode as Code 39, SVG.
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// 申辦虛擬智慧卡 Certificates for a device, under the card that signs (PIN2).
    VirtualCard {
        #[command(flatten)]
        request: RaRequest,
        /// 統一編號檔 File with the holder's number.
        #[arg(long, value_name = "FILE")]
        person: PathBuf,
        /// 裝置簽章金鑰申請檔 PKCS #10 request of the device's signing key (RSA-2048), PEM or DER.
        #[arg(long, value_name = "FILE")]
        signing: PathBuf,
        /// 裝置加密金鑰申請檔 The same of its encryption key.
        #[arg(long, value_name = "FILE")]
        encryption: PathBuf,
    },
    /// 掛失 Report the loss of a card.
    Loss(RaRequest),
    /// 撤銷掛失 Withdraw the report.
    Found(RaRequest),
    /// 身分確認 The identity confirmation service for firms under contract.
    #[command(subcommand)]
    Ics(Ics),
    /// 待寄訊息 Messages that wait for the mail and SMS gateway.
    #[command(subcommand)]
    Outbox(Outbox),
}

/// The second pair of keys of a certificate-only card. New eID has the requests of its own.
#[derive(clap::Args, Debug)]
pub struct SecondPair {
    /// 持有人編號檔 File with the holder's number.
    #[arg(long, value_name = "FILE", requires_all = ["signing", "encryption"])]
    pub person: Option<PathBuf>,
    /// 居留證姓名檔 File with the name on the residence permit, which the clerk has seen.
    #[arg(long, value_name = "FILE", requires_all = ["clerk", "person"])]
    pub resident_name: Option<PathBuf>,
    /// 第二簽章金鑰之請求檔 PKCS #10 request of the second signing key (P-521), PEM or DER.
    #[arg(long, value_name = "FILE", requires = "person")]
    pub signing: Option<PathBuf>,
    /// 第二加密金鑰之請求檔 The same of the second encryption key.
    #[arg(long, value_name = "FILE", requires = "person")]
    pub encryption: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum Outbox {
    /// 列出 The messages that wait. They hold addresses and codes: for the gateway alone.
    List {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 已寄出 A message was sent; nothing of it is kept.
    Sent {
        /// 編號 Its number.
        id: Uuid,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 簡訊數 How many SMS were sent in each month.
    Count {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand, Debug)]
pub enum Ics {
    /// 登錄機構 Register a firm, or its new contract.
    Register {
        /// 名稱 Its name here.
        name: String,
        /// 查詢簽章憑證 The certificate it signs inquiries with, PEM or DER.
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
        /// 查詢類別 What it may ask for: contract, low-risk, high-risk, account, invoice.
        #[arg(long = "class", required = true, value_parser = use_class)]
        classes: Vec<ra::UseClass>,
        /// 契約末日 The last day of the contract.
        #[arg(long)]
        until: model::RocDate,
        /// 每分鐘次數 Inquiries a minute.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
        per_minute: u32,
        /// 登錄者帳號 Account of whoever registers it.
        #[arg(long)]
        operator: String,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 回覆 Answer an inquiry: CMS signed by the firm over the content that docs/cli.md describes.
    Answer {
        /// 已簽章的查詢 The signed inquiry, DER.
        file: PathBuf,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 條碼查詢 Answer a question about a barcode, signed by an invoice platform (class `invoice`) over the content that docs/cli.md
    /// describes.
    Barcode {
        /// 已簽章的查詢 The signed question, DER.
        file: PathBuf,
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 次數 How often each firm asked, by day and class; nothing of whom.
    Tally {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

fn use_class(text: &str) -> Result<ra::UseClass, String> {
    ra::UseClass::from_name(text).ok_or_else(|| ra::UseClass::ALL.map(ra::UseClass::as_str).join(", "))
}

/// What every request has: the card, its number, and what authorises it. `--clerk` makes it one of a counter, `--operator` one
/// by telephone; otherwise the holder asks online, with PIN2 or the user code.
#[derive(clap::Args, Debug)]
pub struct RaRequest {
    #[command(flatten)]
    pub card: CardArgs,
    /// 卡片序號 Serial number of the card in the reader (`--reader`), as it is printed on it.
    #[arg(long, value_name = "SERIAL", conflicts_with = "serial")]
    pub of: Option<String>,
    /// 申請編號 Number of the request. A request sent again under its number is not carried out twice. Drawn and told if absent.
    #[arg(long, value_name = "UUID")]
    pub request: Option<Uuid>,
    /// 申請時間 Time of the request, with its number, when it is sent again.
    #[arg(long, value_name = "TIME", requires = "request")]
    pub at: Option<jiff::Timestamp>,
    /// 承辦人帳號 Account of the clerk who identified the person. With `--pin2`, `--signature` or `--user-code` the holder consents.
    #[arg(long, requires_all = ["office", "case"], conflicts_with = "operator")]
    pub clerk: Option<String>,
    /// 承辦機關 The clerk's office.
    #[arg(long, requires = "clerk")]
    pub office: Option<OfficeCode>,
    /// 案號 The case of the counter (`neweid ra case`), about this card and for this function.
    #[arg(long, requires = "clerk")]
    pub case: Option<CaseNo>,
    /// 密碼檔 File with PIN2, readable by its owner alone; `-` is the next line of standard input. The card signs the request.
    #[arg(long, value_name = "FILE", conflicts_with = "user_code")]
    pub pin2: Option<PathBuf>,
    /// 用戶代碼檔 The same with the user code. Asked for if nothing else authorises the request.
    #[arg(long, value_name = "FILE")]
    pub user_code: Option<PathBuf>,
    /// 簽章檔 File with a signature over the text of the request (CMS, detached, DER), made by a card that this program does not
    /// know; for that text see `--text`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pin2", "user_code"])]
    pub signature: Option<PathBuf>,
    /// 申請文字 Print the text of the request and stop. Its number and time come with `--signature` as `--request` and `--at`.
    #[arg(long, conflicts_with = "json")]
    pub text: bool,
    /// 憑證存放目錄 Directory for the certificates that are handed over, with those of the CA; PEM.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// 一次性密碼檔 File with the one-time code that was sent.
    #[arg(long, value_name = "FILE")]
    pub one_time_code: Option<PathBuf>,
    /// 接線者帳號 Account of the operator who takes a call.
    #[arg(long)]
    pub operator: Option<String>,
    /// 來電對象 Whom was called.
    #[arg(long, value_enum, default_value = "telephone", requires = "operator")]
    pub called: Called,
    /// 來電者答覆檔 File (JSON) with the caller's answers: `number`, `birth`, `district`, and `representative` if a legal representative
    /// calls. `-` is standard input.
    #[arg(long, value_name = "FILE", requires = "operator")]
    pub answers: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// 機關電話 An office.
    Telephone,
    /// 專線 1996
    Hotline,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichBlocked {
    Pin1,
    Pin2,
    Both,
}

fn service(text: &str) -> Result<mgmt::CaseService, String> {
    let all = || mgmt::CaseService::ALL.map(mgmt::CaseService::as_str).join(", ");
    mgmt::CaseService::from_name(text).ok_or_else(all)
}

impl RaCommand {
    /// Whether the answer is to be JSON.
    pub const fn wants_json(&self) -> bool {
        match self {
            Self::Functions { json }
            | Self::Verify { json, .. }
            | Self::Case { json, .. }
            | Self::CloseCase { json, .. }
            | Self::Outbox(Outbox::List { json, .. } | Outbox::Count { json, .. }) => *json,
            Self::Ics(Ics::Answer { json, .. } | Ics::Barcode { json, .. } | Ics::Tally { json, .. }) => {
                *json
            }
            Self::Ics(Ics::Register { .. }) | Self::Outbox(Outbox::Sent { .. }) => false,
            Self::Suspend(request)
            | Self::Resume(request)
            | Self::Revoke { request, .. }
            | Self::Extend { request, .. }
            | Self::Modify { request, .. }
            | Self::ResetUserCode(request)
            | Self::ChangeUserCode { request, .. }
            | Self::Rekey(request)
            | Self::Rewrite(request)
            | Self::Query(request)
            | Self::Publish(request)
            | Self::Hide(request)
            | Self::Contact { request, .. }
            | Self::Code(request)
            | Self::Unblock { request, .. }
            | Self::ChangePin { request, .. }
            | Self::Loss(request)
            | Self::Found(request)
            | Self::Barcode { request, .. }
            | Self::VirtualCard { request, .. }
            | Self::Issue { request, .. } => request.card.json,
        }
    }
}
