//! The directory of a country: its layout, its version, its lock and its settings.
//!
//! ```text
//! DIR/neweid.json      format version and settings made by the first run
//! DIR/up.lock          held by the running `neweid up`
//! DIR/endpoints.json   URLs, there only while everything answers
//! DIR/db/              one SQLite file per system (absent with PostgreSQL)
//! DIR/keys/            key stores, one per system, readable by the owner alone; keys of the sample terminals
//! DIR/cards/           virtual cards: each file is one chip's memory
//! ```

use crate::failure::{Failure, Fault};
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The version of the directory's layout this program writes and reads.
pub const FORMAT: u32 = 3;

/// Port of the first service where none is given.
pub const DEFAULT_PORT_BASE: u16 = 8680;

/// What the first port may be: there are two more after it.
pub const PORTS: RangeInclusive<u16> = 1..=u16::MAX - 2;

/// The settings that the first run fixes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Version of the layout.
    pub format: u32,
    /// Address to listen on.
    pub listen: IpAddr,
    /// First port.
    pub port_base: u16,
    /// PostgreSQL URL, or none for SQLite files.
    pub database: Option<String>,
    /// Base URL of the status services as written into certificates.
    pub status_url: String,
    /// Base URL of the web pages and the public key directory as written into certificates.
    pub web_url: String,
    /// The PKCS #11 token that holds the signing keys, or none for encrypted files.
    #[serde(default)]
    pub hsm: Option<Hsm>,
    /// Kind of key of the first root and the first generation of the natural-person CA, if it is not RSA-4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub npc_keys: Option<String>,
    /// Into how many lists the first generation's revoked certificates are divided, if it is not 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub npc_partitions: Option<u16>,
}

/// A PKCS #11 token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hsm {
    /// The token's library.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// File with the user PIN, readable by its owner alone.
    pub pin_file: PathBuf,
}

/// What the first run may choose.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// Address to listen on.
    pub listen: Option<IpAddr>,
    /// First port.
    pub port_base: Option<u16>,
    /// PostgreSQL URL.
    pub database: Option<String>,
    /// PKCS #11 token.
    pub hsm: Option<Hsm>,
    /// Kind of key of the natural-person CA.
    pub npc_keys: Option<String>,
    /// Number of lists of its first generation.
    pub npc_partitions: Option<u16>,
}

/// An opened directory.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Its path.
    pub root: PathBuf,
    /// Its settings.
    pub settings: Settings,
}

/// The lock a running `neweid up` (or a demonstration that serves for itself) holds; dropped with the process.
pub struct UpLock {
    _file: File,
}

impl Directory {
    /// Opens an existing country.
    pub fn open(root: &Path) -> Result<Self, Failure> {
        let path = root.join("neweid.json");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Failure::new(
                    "NEWEID-E-DIR-NOT-FOUND",
                    Fault::Caller,
                    format!("{} 不是 New eID 的資料目錄。", root.display()),
                    format!("{} is not the directory of a country.", root.display()),
                    format!("建立一個 Create one: neweid up --dir {}", root.display()),
                ));
            }
            Err(error) => return Err(error.into()),
        };
        let damaged = |error: &dyn std::fmt::Display| {
            Failure::new(
                "NEWEID-E-DIR-DAMAGED",
                Fault::Environment,
                format!("{} 已損毀：{error}", path.display()),
                format!("{} is damaged: {error}", path.display()),
                "由備份還原 Restore it from a backup.",
            )
        };
        // The version is read first and alone: settings of a later version may have fields we do not know.
        let document: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| damaged(&error))?;
        let found = document
            .get("format")
            .and_then(serde_json::Value::as_u64)
            .ok_or_else(|| damaged(&"no version"))?;
        if found != u64::from(FORMAT) {
            return Err(Failure::new(
                "NEWEID-E-DIR-VERSION",
                Fault::Caller,
                format!("目錄 {} 的版本是 {found}，本程式使用版本 {FORMAT}。", root.display()),
                format!(
                    "Directory {} has version {found}; this program reads version {FORMAT}.",
                    root.display()
                ),
                "使用建立該目錄的版本，或另選目錄 Use the program that made it, or another directory; nothing was changed.",
            ));
        }
        let settings: Settings = serde_json::from_value(document).map_err(|error| damaged(&error))?;
        if !PORTS.contains(&settings.port_base) {
            return Err(damaged(&"port_base"));
        }
        Ok(Self { root: root.to_path_buf(), settings })
    }

    /// Opens a country, or plans a new one in a directory that is empty or not there. Until the first key is made nothing
    /// depends on the settings: a first run that could not begin may be begun again with other ones.
    pub fn open_or_create(root: &Path, choices: Choices) -> Result<Self, Failure> {
        if !root.join("neweid.json").exists() {
            refuse_other_files(root)?;
            let planned = Self::plan(root, choices);
            for path in [root.to_path_buf(), root.join("db"), root.join("keys"), root.join("cards")] {
                create_private_dir(&path)?;
            }
            return Ok(planned);
        }
        let Self { settings, .. } = Self::open(root)?;
        if is_untouched(root)? {
            return Ok(Self::plan(
                root,
                Choices {
                    listen: choices.listen.or(Some(settings.listen)),
                    port_base: choices.port_base.or(Some(settings.port_base)),
                    database: choices.database.or(settings.database),
                    hsm: choices.hsm.or(settings.hsm),
                    npc_keys: choices.npc_keys.or(settings.npc_keys),
                    npc_partitions: choices.npc_partitions.or(settings.npc_partitions),
                },
            ));
        }
        let Choices { listen, port_base, database, hsm, npc_keys, npc_partitions } = choices;
        if database.is_some() && database != settings.database {
            return Err(Failure::new(
                "NEWEID-E-DATABASE-CHANGED",
                Fault::Caller,
                "此目錄建立時使用另一個資料庫。",
                "This country was created on another database; moving it is not what --database does.",
                "省略 --database，或另選目錄 Leave --database out, or take another directory.",
            ));
        }
        if hsm.is_some() && hsm != settings.hsm {
            return Err(Failure::new(
                "NEWEID-E-HSM-CHANGED",
                Fault::Caller,
                "此目錄建立時使用另一個金鑰儲存。",
                "This country was created on another key store; keys cannot move.",
                "省略 --pkcs11-*，或另選目錄 Leave --pkcs11-* out, or take another directory.",
            ));
        }
        let other = (npc_keys.is_some() && npc_keys != settings.npc_keys)
            || (npc_partitions.is_some() && npc_partitions != settings.npc_partitions);
        if other {
            return Err(Failure::new(
                "NEWEID-E-NPC-KEYS-CHANGED",
                Fault::Caller,
                "此目錄建立時憑證機構使用另一種金鑰或清單分割數。",
                "This country was created with another kind of key, or another number of lists, of its certification authority.",
                "省略 --npc-keys 與 --npc-partitions；換代用典禮 Leave --npc-keys and --npc-partitions out; the next generation is a ceremony: neweid ceremony propose generation",
            ));
        }
        let listen = listen.unwrap_or(settings.listen);
        let port_base = port_base.unwrap_or(settings.port_base);
        Ok(Self { root: root.to_path_buf(), settings: Settings { listen, port_base, ..settings } })
    }

    // The settings of a country that is to be.
    fn plan(root: &Path, choices: Choices) -> Self {
        let Choices { listen, port_base, database, hsm, npc_keys, npc_partitions } = choices;
        let listen = listen.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let port_base = port_base.unwrap_or(DEFAULT_PORT_BASE);
        let host = if listen.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listen };
        let url = |port| format!("http://{}", SocketAddr::new(host, port));
        let (status_url, web_url) = (url(port_base + 1), url(port_base));
        let settings = Settings {
            format: FORMAT,
            listen,
            port_base,
            database,
            status_url,
            web_url,
            hsm,
            npc_keys,
            npc_partitions,
        };
        Self { root: root.to_path_buf(), settings }
    }

    /// Writes the settings of a planned country down, for good once its first key is made. The caller has the lock and
    /// the ports.
    pub fn settle(&self) -> Result<(), Failure> {
        if is_untouched(&self.root)? {
            let settings = serde_json::to_vec_pretty(&self.settings).map_err(Failure::ours)?;
            write_atomically(&self.root.join("neweid.json"), &settings)?;
        }
        Ok(())
    }

    /// Fails where the directory is on a medium that cannot be written, or is somebody else's: even reading a database
    /// takes a lock.
    pub fn expect_writable(&self) -> std::io::Result<()> {
        std::fs::OpenOptions::new().append(true).open(self.root.join("neweid.json")).map(drop)
    }

    /// Fails where the disk has no room for what one card takes.
    pub fn expect_room(&self) -> std::io::Result<()> {
        let path = self.root.join("room.new");
        let written = write_atomically(&path, &[0; 256 * 1024]);
        let _ = std::fs::remove_file(&path);
        let _ = std::fs::remove_file(self.root.join("room.new.new"));
        written
    }

    /// Takes the lock of the one process that serves this country, or says that another has it.
    pub fn lock_for_serving(&self) -> Result<UpLock, Failure> {
        let file = File::create(self.root.join("up.lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(UpLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Failure::new(
                "NEWEID-E-DIR-IN-USE",
                Fault::Caller,
                format!("{} 已在另一個程序中啟動。", self.root.display()),
                format!("{} is already served by another process.", self.root.display()),
                "使用已啟動的系統，或先停止它 Use the running one, or stop it first.",
            )),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// The database URL of one system.
    pub fn database_url(&self, system: &str) -> String {
        match &self.settings.database {
            Some(url) => url.clone(),
            None => format!("sqlite:{}", self.database_file(system).display()),
        }
    }

    /// The SQLite file of one system, where the country has no other database.
    pub fn database_file(&self, system: &str) -> PathBuf {
        self.root.join("db").join(format!("{system}.sqlite"))
    }

    /// Directory of one system's keys.
    pub fn keys(&self, system: &str) -> PathBuf {
        self.root.join("keys").join(system)
    }

    /// Where the console and its figures are: never reachable from another machine (SECURITY-28).
    pub fn console_address(&self) -> SocketAddr {
        let listen = self.settings.listen;
        let address = match listen {
            _ if listen.is_loopback() => listen,
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        SocketAddr::new(address, self.settings.port_base + 2)
    }

    /// `DIR/endpoints.json`.
    pub fn endpoints(&self) -> PathBuf {
        self.root.join("endpoints.json")
    }
}

/// Writes a file whole or not at all: temporary file, fsync, rename, and the directory's own fsync.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

// Whether no key has been made in a country's directory.
fn is_untouched(root: &Path) -> std::io::Result<bool> {
    is_empty(&root.join("keys"))
}

fn is_empty(path: &Path) -> std::io::Result<bool> {
    match std::fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

// A new country needs a place of its own. What a first run left that ended before its settings were written is ours.
fn refuse_other_files(root: &Path) -> Result<(), Failure> {
    let ours = || -> std::io::Result<bool> {
        for entry in std::fs::read_dir(root)? {
            let entry = entry?;
            let ours = match entry.file_name().to_str() {
                Some("up.lock" | "neweid.json.new") => true,
                Some("db" | "keys" | "cards") => entry.file_type()?.is_dir() && is_empty(&entry.path())?,
                _ => false,
            };
            if !ours {
                return Ok(false);
            }
        }
        Ok(true)
    };
    match ours() {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() != std::io::ErrorKind::NotADirectory => Err(error.into()),
        _ => Err(Failure::new(
            "NEWEID-E-DIR-NOT-EMPTY",
            Fault::Caller,
            format!("{} 不是空的目錄。", root.display()),
            format!("{} is not an empty directory.", root.display()),
            "選一個新的或空的目錄 Take a new or empty directory.",
        )),
    }
}

fn create_private_dir(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_another_version_is_left_alone() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("neweid.json");
        let later = format!(r#"{{"format":{},"something":"new"}}"#, FORMAT + 1);
        std::fs::write(&path, &later).expect("writable");
        let failure = Directory::open_or_create(dir.path(), Choices::default()).expect_err("another version");
        assert_eq!(failure.code, "NEWEID-E-DIR-VERSION");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), later);
    }

    #[test]
    fn a_directory_with_other_files_is_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        std::fs::write(dir.path().join("letter.txt"), "hello").expect("writable");
        let failure = Directory::open_or_create(dir.path(), Choices::default()).expect_err("not ours");
        assert_eq!(failure.code, "NEWEID-E-DIR-NOT-EMPTY");
    }

    #[test]
    fn settings_may_change_until_the_first_key_is_made() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let root = dir.path().join("country");
        let with = |port| Choices { port_base: Some(port), ..Choices::default() };
        // Ended before its settings were written.
        Directory::open_or_create(&root, with(1_000)).expect("fresh");
        std::fs::write(root.join("neweid.json.new"), "{").expect("writable");
        Directory::open_or_create(&root, with(2_000)).expect("still fresh").settle().expect("writable");
        let directory = Directory::open_or_create(&root, Choices::default()).expect("settled");
        assert_eq!(directory.settings.status_url, "http://127.0.0.1:2001");
        Directory::open_or_create(&root, with(3_000)).expect("no key yet").settle().expect("writable");
        create_private_dir(&root.join("keys/npc")).expect("writable");
        let directory = Directory::open_or_create(&root, with(4_000)).expect("settled");
        directory.settle().expect("nothing to do");
        assert_eq!(
            (directory.settings.port_base, &*directory.settings.web_url),
            (4_000, "http://127.0.0.1:3000")
        );
        assert_eq!(Directory::open(&root).expect("settled").settings.port_base, 3_000);
    }

    #[test]
    fn only_one_process_serves_a_directory() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let root = dir.path().join("country");
        let directory = Directory::open_or_create(&root, Choices::default()).expect("fresh");
        let lock = directory.lock_for_serving().expect("free");
        assert_eq!(
            directory.lock_for_serving().err().map(|f| f.code).as_deref(),
            Some("NEWEID-E-DIR-IN-USE")
        );
        drop(lock);
        assert!(directory.lock_for_serving().is_ok());
    }
}
