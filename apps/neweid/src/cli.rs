//! The command line: noun and verb, `--json` wherever a program may listen. Secrets are never arguments.

use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// 數位身分識別證系統 New eID: a country's electronic identity system in one program.
#[derive(Parser, Debug)]
#[command(name = "neweid", version, about, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
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
    /// 讀卡 Read household and public zone of any card through PC/SC and verify them.
    Read(Read),
    /// 憑證 Certificates and revocation lists of the country.
    #[command(subcommand)]
    Pki(Pki),
    /// 離線狀態 Certificate status from a downloaded filter, without asking anybody.
    #[command(subcommand)]
    Status(Status),
    /// 憑證系統 Measure the status services of the certification authority.
    #[command(subcommand)]
    Npc(Npc),
    /// 檢查本機 Say what is missing on this machine and the command that mends it.
    Doctor(Doctor),
}

#[derive(clap::Args, Debug, Clone)]
pub struct Up {
    /// Directory that holds the country; created when absent. Deleting it starts anew.
    #[arg(long, default_value = "data")]
    pub dir: PathBuf,
    /// Address to listen on. Certificates made by the first run carry it in their URLs.
    #[arg(long)]
    pub listen: Option<std::net::IpAddr>,
    /// First of the consecutive TCP ports to use (web, then status services).
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..65_535))]
    pub port_base: Option<u16>,
    /// `postgres://USER@HOST/DATABASE`; without it every system has its own SQLite file in the directory.
    #[arg(long)]
    pub database: Option<String>,
    /// PKCS #11 library; the signing keys of the CAs are then made and kept in a token.
    #[arg(long, requires_all = ["pkcs11_token", "pkcs11_pin_file"])]
    pub pkcs11_module: Option<PathBuf>,
    /// Label of the token.
    #[arg(long, requires = "pkcs11_module")]
    pub pkcs11_token: Option<String>,
    /// File with the token's user PIN, mode 0600.
    #[arg(long, requires = "pkcs11_module")]
    pub pkcs11_pin_file: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
pub struct Demo {
    /// Directory of the country, fresh or running.
    #[arg(long, default_value = "data")]
    pub dir: PathBuf,
    /// Portrait of the applicant: JPEG, at least 826 x 1062 pixels, at most 5 MB. Without it one is drawn.
    #[arg(long)]
    pub photo: Option<PathBuf>,
    /// Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
    #[arg(long, hide = true, value_parser = clap::value_parser!(u16).range(1..65_535))]
    pub port_base: Option<u16>,
}

#[derive(Subcommand, Debug)]
pub enum Card {
    /// 列出卡片 List the cards of a country.
    List {
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// 插入卡片 Attach a virtual card to pcscd through vpcd until interrupted.
    Insert {
        /// Card serial number, as `neweid card list` shows it.
        serial: String,
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// Side of the card that touches the reader.
        #[arg(long, value_enum)]
        interface: Interface,
        /// vpcd's address; by default 127.0.0.1 with port 35963 (contact) or 35964 (contactless).
        #[arg(long, value_name = "HOST:PORT")]
        vpcd: Option<String>,
    },
    /// 卡面 Draw the face of a card.
    Face {
        serial: String,
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// `.png` (front above back) or `.pdf` (two pages).
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    Contact,
    Contactless,
}

#[derive(clap::Args, Debug)]
pub struct Read {
    /// Reader name, or the beginning of one, as `pcsc_scan` shows it.
    #[arg(long)]
    pub reader: String,
    /// Card access number: the last six digits of the card serial number (printed on the card, no secret).
    #[arg(long, required_unless_present = "mrz", conflicts_with = "mrz")]
    pub can: Option<Hidden>,
    /// File with the three lines of the machine readable zone.
    #[arg(long)]
    pub mrz: Option<PathBuf>,
    /// Directory with trusted CSCA certificates (PEM or DER) and CRLs, as `neweid pki export` writes it.
    #[arg(long)]
    pub trust: Option<PathBuf>,
    /// Directory to write the files of the card, the photo and the report to.
    #[arg(long)]
    pub out: PathBuf,
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand, Debug)]
pub enum Pki {
    /// 匯出 Write every CA and signer certificate (PEM) and the current CRLs (DER).
    Export {
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        #[arg(long)]
        out: PathBuf,
    },
    /// 提案 Propose what two persons must decide; nothing happens until another one approves.
    Propose {
        #[command(subcommand)]
        what: Proposed,
        /// Account of whoever proposes, for the log.
        #[arg(long, global = true, default_value = "")]
        operator: String,
        #[arg(long, global = true, default_value = "data")]
        dir: PathBuf,
    },
    /// 核可 Approve another person's proposal, which does it.
    Approve {
        number: u64,
        /// Account of whoever approves, for the log.
        #[arg(long)]
        operator: String,
        #[arg(long, default_value = "data")]
        dir: PathBuf,
    },
    /// 提案清單 List the proposals, newest first.
    Proposals {
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand, Debug)]
pub enum Proposed {
    /// 更換國家簽章金鑰 A new key of the country signing CA, with a link certificate from the old one.
    RollOver,
    /// 廢止文件簽章憑證 Revoke a document signer for good.
    Revoke {
        /// Its number, as in ds-NUMBER.
        #[arg(long)]
        signer: u32,
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
pub enum Status {
    /// 查驗憑證 Say whether a certificate is good, suspended or revoked, from a revocation filter; its chain is verified first.
    Check(StatusCheck),
}

#[derive(clap::Args, Debug)]
pub struct StatusCheck {
    /// The certificate, PEM or DER.
    pub certificate: PathBuf,
    /// The filter, as the address `filter` of endpoints.json gives it.
    #[arg(long)]
    pub filter: PathBuf,
    /// Certificates to trust: a directory as `neweid pki export` writes it, or one file.
    #[arg(long, default_value = "pki")]
    pub trust: PathBuf,
    /// The moment to judge for (RFC 3339), instead of now.
    #[arg(long)]
    pub at: Option<jiff::Timestamp>,
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand, Debug)]
pub enum Npc {
    /// 模擬母體 Build a population of certificates without signing each, and measure lists, OCSP and filter over it.
    Simulate(Simulate),
}

#[derive(clap::Args, Debug)]
pub struct Simulate {
    /// How many certificates there are.
    #[arg(long, default_value_t = 1_000_000)]
    pub certificates: u64,
    /// How many of them are revoked.
    #[arg(long, default_value_t = 20_000)]
    pub revoked: u64,
    /// How many more are suspended.
    #[arg(long, default_value_t = 0)]
    pub suspended: u64,
    /// Directory for what is made: complete list, a partition, filter, their issuer; created when absent.
    #[arg(long)]
    pub dir: PathBuf,
    #[arg(long)]
    pub json: bool,
}

#[derive(clap::Args, Debug)]
pub struct Doctor {
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
    /// Whether failures are to be printed as JSON.
    pub const fn wants_json(&self) -> bool {
        match &self.command {
            Command::Demo(demo) => demo.json,
            Command::Card(Card::List { json, .. }) => *json,
            Command::Read(read) => read.json,
            Command::Doctor(doctor) => doctor.json,
            Command::Pki(Pki::Proposals { json, .. }) => *json,
            Command::Status(Status::Check(check)) => check.json,
            Command::Npc(Npc::Simulate(simulate)) => simulate.json,
            Command::Up(_) | Command::Card(_) | Command::Pki(_) => false,
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
