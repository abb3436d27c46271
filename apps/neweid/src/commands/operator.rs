//! `neweid operator`: the people who work at the console. Whoever may write the country's directory may do this; a person
//! never gets a password from somebody else, only a code that lets them set one.

use super::pki_ceremony::check_operator;
use crate::clock;
use crate::country::Country;
use crate::failure::{Failure, Fault};
use crate::web::console::taipei;
use clap::Subcommand;
use operators::Role;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub enum Operator {
    /// 新增 Make an account; it can be used after `enrol`.
    Add {
        /// 名稱 Its name as the logs keep it: small letters, digits and -_.
        name: String,
        /// 角色 ca-operator, ra-officer, auditor, card-centre or hotline.
        #[arg(long, value_parser = role)]
        role: Role,
        #[command(flatten)]
        common: Common,
    },
    /// 列出 List accounts, roles and states.
    List {
        /// 國家目錄 The directory of the country.
        #[arg(long, default_value = "data")]
        dir: PathBuf,
        /// 輸出 JSON Print one JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
    /// 註冊碼 Print a one-time code with which the person sets a password; also when the old one is forgotten.
    Enrol {
        /// 帳號 The account.
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// 變更角色 Give another role, or `none` to a person who leaves the office.
    Role {
        /// 帳號 The account.
        name: String,
        /// 角色 ca-operator, ra-officer, auditor, card-centre, hotline or none.
        role: String,
        #[command(flatten)]
        common: Common,
    },
    /// 停用 Disable an account; its sessions end at once.
    Disable {
        /// 帳號 The account.
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// 啟用 Enable it again.
    Enable {
        /// 帳號 The account.
        name: String,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(clap::Args, Debug)]
pub struct Common {
    /// 操作者帳號 Account of the person at the keyboard, for the log.
    #[arg(long)]
    pub operator: String,
    /// 國家目錄 The directory of the country.
    #[arg(long, default_value = "data")]
    pub dir: PathBuf,
}

impl Operator {
    /// Whether failures are to be printed as JSON.
    pub const fn wants_json(&self) -> bool {
        matches!(self, Self::List { json: true, .. })
    }
}

fn role(text: &str) -> Result<Role, String> {
    Role::from_name(text).ok_or_else(|| Role::ALL.map(Role::as_str).join(", "))
}

/// Runs `neweid operator`.
pub async fn run(command: &Operator) -> Result<ExitCode, Failure> {
    let now = clock::now();
    match command {
        Operator::Add { name, role, common } => {
            let country = open(common).await?;
            let added = country.operators.add(name, Some(*role), &common.operator, now).await;
            added.map_err(Failure::from_system)?;
            say!("已新增 added: {name} {} {}", role.zh(), role.as_str());
            say!(
                "  neweid operator enrol {name} --operator {} --dir {}",
                common.operator,
                common.dir.display()
            );
        }
        Operator::List { dir, json } => list(&Country::open(dir).await?, *json).await?,
        Operator::Enrol { name, common } => {
            let country = open(common).await?;
            let code = country.operators.new_code(name, &common.operator, now).await;
            let code = code.map_err(Failure::from_system)?;
            say!("{name} 的註冊碼（僅能使用一次，至 {} 有效）", taipei(code.until));
            say!("Enrolment code of {name}, for one use until {} (Asia/Taipei):\n", taipei(code.until));
            say!("  {}\n", code.expose());
            say!("  http://{}/console/enrol", country.directory.console_address());
        }
        Operator::Role { name, role: text, common } => {
            let new = match text.as_str() {
                "none" => None,
                text => Some(Role::from_name(text).ok_or_else(unknown_role)?),
            };
            let country = open(common).await?;
            let set = country.operators.set_role(name, new, &common.operator, now).await;
            set.map_err(Failure::from_system)?;
            say!("{name}: {}", new.map_or("none", Role::as_str));
        }
        Operator::Disable { name, common } => enable(name, false, common).await?,
        Operator::Enable { name, common } => enable(name, true, common).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn open(common: &Common) -> Result<Country, Failure> {
    check_operator(&common.operator)?;
    Country::open(&common.dir).await
}

async fn enable(name: &str, enabled: bool, common: &Common) -> Result<(), Failure> {
    let country = open(common).await?;
    let set = country.operators.set_enabled(name, enabled, &common.operator, clock::now()).await;
    set.map_err(Failure::from_system)?;
    say!("{name}: {}", if enabled { "已啟用 enabled" } else { "已停用 disabled" });
    Ok(())
}

async fn list(country: &Country, json: bool) -> Result<(), Failure> {
    let all = country.operators.list().await.map_err(Failure::from_system)?;
    if json {
        let rows: Vec<_> = all
            .iter()
            .map(|o| {
                let rights: Vec<&str> = operators::Right::ALL
                    .into_iter()
                    .filter(|right| o.role.is_some_and(|role| role.may(*right)))
                    .map(operators::Right::as_str)
                    .collect();
                serde_json::json!({
                    "name": o.name,
                    "role": o.role.map(Role::as_str),
                    "rights": rights,
                    "enabled": o.enabled,
                    "enrolled": o.enrolled,
                    "locked_until": o.locked_until.map(|at| at.to_string()),
                    "last_sign_in": o.last_sign_in.map(|at| at.to_string()),
                    "added_by": o.added_by,
                    "added_at": o.added_at.to_string(),
                })
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&rows).map_err(Failure::ours)?);
        return Ok(());
    }
    for o in all {
        let role =
            o.role.map_or("無角色 none".to_owned(), |role| format!("{} {}", role.zh(), role.as_str()));
        let state = match (o.enabled, o.enrolled) {
            (false, _) => "已停用 disabled",
            (true, false) => "未註冊 not enrolled",
            (true, true) => "使用中 in use",
        };
        let seen = o.last_sign_in.map_or("–".to_owned(), taipei);
        say!("{:<16} {role}  {state}  最近登入 last sign-in {seen}", o.name);
    }
    Ok(())
}

fn unknown_role() -> Failure {
    Failure::new(
        "NEWEID-E-ROLE",
        Fault::Caller,
        "沒有這個角色。",
        "There is no such role.",
        "ca-operator, ra-officer, auditor, card-centre, hotline, none",
    )
    .exit(2)
}
