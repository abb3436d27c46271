//! For tests: every storage test runs on both engines.
//!
//! [`each_engine`] gives a test an empty database on SQLite (a file in a directory of its own) and then one on PostgreSQL.
//! The PostgreSQL server is private to the test process: made once with Debian's programs in a temporary directory, reached
//! over a socket in it, without syncing to disk. A shell holds the server and reads from a pipe this process holds open:
//! however the process ends, panic or `kill -9`, the pipe closes, and the shell stops the server and removes the directory.
//!
//! Missing PostgreSQL programs fail the test and name the package; nothing is skipped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::Db;
use crate::engine::Boxed;

/// Asserts that the codes a system's `source` answers with (`=> "PREFIX..."`) are those in the first column of `list`, a
/// document for people: each once, and no other.
pub fn assert_codes_listed(prefix: &str, source: &str, list: &str) {
    let code = |text: &str| text.starts_with(prefix).then(|| text.to_owned());
    let mut codes: Vec<_> = source
        .lines()
        .filter(|line| line.contains("=> \""))
        .filter_map(|line| code(line.split('"').nth(1)?))
        .collect();
    let mut listed: Vec<_> = list
        .lines()
        .filter_map(|line| code(line.strip_prefix("| ")?.split(' ').next()?.trim_matches('`')))
        .collect();
    codes.sort();
    listed.sort();
    assert!(!codes.is_empty());
    assert_eq!(codes, listed);
}

/// Runs `test` with an empty database of the system `schema` on each engine.
pub async fn each_engine(schema: &str, test: impl AsyncFn(Db)) {
    each_engine_url(async |url| {
        let db = Db::open(&url, schema).await.expect("the database opens");
        test(db.clone()).await;
        db.close().await;
    })
    .await;
}

/// Runs `test` with an address on each engine where several systems can open their databases, again and again.
pub async fn each_engine_url(test: impl AsyncFn(String)) {
    let directory = Directory::new("sqlite");
    test(format!("sqlite:{}/", directory.0.display())).await;
    drop(directory);
    let database = PostgresDatabase::new().await;
    test(database.url()).await;
    database.remove().await;
}

/// A PostgreSQL server that belongs to one test, which may kill it and start it again. Unlike the other, it keeps what it has
/// confirmed.
pub struct OwnServer {
    server: Server,
    restarts: u32,
}

impl OwnServer {
    /// Starts one with an empty database.
    pub fn start() -> Self {
        Self { server: Server::start_with(CONFIRMING), restarts: 0 }
    }

    /// Starts one that keeps what it has confirmed through a power failure too, as one in production does: whoever measures
    /// durable transactions measures the disk.
    pub fn durable() -> Self {
        Self { server: Server::start_with(DURABLE), restarts: 0 }
    }

    /// The process above all others of the server.
    pub fn process(&self) -> u32 {
        let file = self.server.directory.join("data/postmaster.pid");
        let text = std::fs::read_to_string(&file).expect("a running server has its number in a file");
        text.lines().next().and_then(|line| line.trim().parse().ok()).expect("a number")
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        self.server.url("postgres")
    }

    /// Kills the server as a failure does, in the middle of whatever it is doing, and starts it again on what it has kept. Returns
    /// when it answers.
    pub fn kill_and_restart(&mut self) {
        self.restarts += 1;
        self.server.pipe.write_all(b"restart\n").expect("the shell reads");
        let there = self.server.directory.join(format!("restarted-{}", self.restarts));
        for _ in 0..3_000 {
            if there.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("PostgreSQL did not come back; see {}", self.server.directory.join("log").display());
    }
}

/// A temporary directory that goes when this value goes.
struct Directory(PathBuf);

impl Directory {
    fn new(kind: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("neweid-{kind}-{}-{number}", std::process::id()));
        // The number of a process can come again; what its forerunner left is gone before this one starts.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary directory can be made");
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct PostgresDatabase {
    name: String,
    server: &'static Server,
}

impl PostgresDatabase {
    async fn new() -> Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        let server = SERVER.get_or_init(Server::start);
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        server.command(format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        Self { name, server }
    }

    fn url(&self) -> String {
        self.server.url(&self.name)
    }

    async fn remove(self) {
        self.server.command(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

struct Server {
    directory: PathBuf,
    /// Open as long as this process lives.
    pipe: ChildStdin,
    _shell: Child,
}

impl Server {
    fn start() -> Self {
        Self::start_with(FORGETFUL)
    }

    fn start_with(settings: &str) -> Self {
        let programs = programs();
        let directory = Directory::new("postgres");
        let path = directory.0.clone();
        // From here on the shell removes the directory.
        std::mem::forget(directory);
        let mut shell = as_unprivileged_user(&path);
        let mut shell = shell
            .args(["sh", "-c", SCRIPT])
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .env("DIR", &path)
            .env("SETTINGS", settings)
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        let mut pipe = shell.stdin.take().expect("the shell's input is a pipe");
        pipe.write_all(b"\n").expect("the shell reads");
        for _ in 0..3_000 {
            if path.join("ready").exists() {
                return Self { directory: path, pipe, _shell: shell };
            }
            if let Ok(Some(status)) = shell.try_wait() {
                let log = std::fs::read_to_string(path.join("log")).unwrap_or_default();
                panic!("PostgreSQL did not start ({status}):\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("PostgreSQL was not ready after 60 s; see {}", path.join("log").display());
    }

    fn url(&self, database: &str) -> String {
        let host = self.directory.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@localhost/{database}?host={host}")
    }

    fn command(&self, sql: String) -> Boxed<'_, ()> {
        Box::pin(async move {
            let mut connection =
                PgConnection::connect(&self.url("postgres")).await.expect("the test server answers");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("the test server obeys");
            connection.close().await.expect("the connection closes");
        })
    }
}

/// Debian keeps the server's programs outside the path, one directory a version.
fn programs() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            let bin = path.join("bin");
            bin.join("initdb").exists().then_some((version, bin))
        })
        .collect();
    found.sort();
    let Some((_, newest)) = found.pop() else {
        panic!(
            "PostgreSQL's server programs are missing: apt-get install -y --no-install-recommends postgresql"
        );
    };
    newest
}

/// PostgreSQL refuses to run as root: root becomes the user `postgres`, anybody else stays who they are.
fn as_unprivileged_user(directory: &Path) -> Command {
    use std::os::unix::fs::MetadataExt;
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !root {
        let mut command = Command::new("env");
        command.arg("--");
        return command;
    }
    let owned = Command::new("chown").arg("postgres").arg(directory).status();
    assert!(
        owned.is_ok_and(|status| status.success()),
        "the user postgres is missing: apt-get install -y --no-install-recommends postgresql"
    );
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]);
    command
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// For tests: what a database is needs no disk.
const FORGETFUL: &str =
    "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off -c shared_buffers=64MB";
/// Keeps what it has confirmed when its processes are killed.
const CONFIRMING: &str =
    "-c fsync=off -c synchronous_commit=on -c full_page_writes=off -c autovacuum=off -c shared_buffers=64MB";
const DURABLE: &str =
    "-c fsync=on -c synchronous_commit=on -c full_page_writes=on -c autovacuum=on -c shared_buffers=256MB";

const SCRIPT: &str = r#"
exec >"$DIR/log" 2>&1
initdb -D "$DIR/data" -U postgres -A trust -E UTF8 --no-sync --no-instructions || exit 1
start() {
    postgres -D "$DIR/data" -k "$DIR" -c listen_addresses= -c max_connections=300 -c log_min_messages=fatal $SETTINGS &
    SERVER=$!
    until pg_isready -q -h "$DIR"; do kill -0 $SERVER || exit 1; sleep 0.02; done
}
trap 'kill -QUIT $SERVER; wait $SERVER; rm -rf "$DIR"' EXIT
trap 'exit 0' INT TERM HUP
start
read -r STARTED
touch "$DIR/ready"
N=0
while read -r LINE; do
    N=$((N + 1))
    kill -QUIT $SERVER
    wait $SERVER
    start
    touch "$DIR/restarted-$N"
done
"#;
