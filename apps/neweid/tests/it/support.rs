//! What the tests share: the built program, free ports, a running `neweid up`, a country to copy.

use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest that anything may take on a busy machine; more than a demonstration waits for its card.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// The program, with nothing but what a test adds.
pub fn neweid() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neweid"));
    command.env_remove("NEWEID_LOG").stdin(Stdio::null());
    command
}

/// A finished command.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Runs a command to its end, which must come.
    pub fn of(command: &mut Command) -> Self {
        Self::within(PATIENCE, command)
    }

    /// The same for what takes longer than one command may.
    pub fn within(patience: Duration, command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let (stdout, stderr) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let (stdout, stderr) = (collect(stdout), collect(stderr));
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("our child") {
                break Some(status);
            }
            if begun.elapsed() > patience {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let text = |thread: std::thread::JoinHandle<Vec<u8>>| {
            String::from_utf8(thread.join().expect("reads")).expect("UTF-8")
        };
        let ran = Self { code: status.and_then(|s| s.code()), stdout: text(stdout), stderr: text(stderr) };
        assert!(status.is_some(), "does not end: {ran}");
        ran
    }

    /// The JSON document on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self}"))
    }

    /// What was printed, of a command that must succeed.
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self}");
        self.stdout
    }

    /// Asserts a failure with this exit code and stable code, told to people in both languages with a remedy.
    pub fn fails(&self, exit: i32, code: &str) {
        assert_eq!(self.code, Some(exit), "{self}");
        // Before it may stand what the log says.
        let lines: Vec<&str> = self.stderr.lines().skip_while(|line| !line.starts_with("錯誤")).collect();
        assert!(lines.len() >= 4, "{self}");
        assert!(lines[0].contains(&format!("錯誤 Error {code}")), "expected {code}: {self}");
        assert!(lines[1].chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "no Chinese: {self}");
        assert!(lines[2].chars().filter(char::is_ascii_alphabetic).count() > 10, "no English: {self}");
        assert!(lines[3].trim_start().starts_with("→ "), "no remedy: {self}");
        assert!(!self.stderr.contains("panicked") && !self.stderr.contains('\u{1b}'), "{self}");
    }

    /// The same for a command that was asked for JSON.
    pub fn fails_in_json(&self, exit: i32, code: &str) {
        assert_eq!(self.code, Some(exit), "{self}");
        let document = self.json();
        let error = &document["error"];
        assert_eq!(error["code"], code, "{self}");
        for field in ["message_zh", "message", "fault", "remedy"] {
            assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {self}");
        }
        assert!(!self.stderr.contains("panicked"), "{self}");
    }
}

// Reads to the end beside whatever else happens.
fn collect(mut source: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = source.read_to_end(&mut bytes);
        bytes
    })
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// Runs the program with these arguments to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    Ran::of(neweid().args(args))
}

/// Runs a command on a directory: `in_dir(dir, ["card", "list"])`.
pub fn in_dir<const N: usize>(dir: &Path, args: [&str; N]) -> Ran {
    Ran::of(neweid().args(args).arg("--dir").arg(dir))
}

/// The first of three consecutive free ports, below those the kernel hands out for connections.
pub fn free_ports() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Far from where the processes begin that are started beside this one: two must not find the same ports free at once.
    let start = u16::try_from(std::process::id() % 6_000 * 2_357 % 6_000).expect("small");
    for _ in 0..6_000 {
        let port = 12_000 + 3 * ((start + NEXT.fetch_add(1, Ordering::Relaxed)) % 6_000);
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (0..3).all(|next| free(port + next)) {
            return port;
        }
    }
    panic!("no free ports");
}

/// A running `neweid up`; killed when dropped.
pub struct Up {
    pub dir: PathBuf,
    pub port: u16,
    child: Child,
    output: TempDir,
}

impl Up {
    /// Starts on ports of its own, with these arguments more, without waiting for anything.
    pub fn spawn(dir: &Path, more: &[&str]) -> Self {
        Self::spawn_at(dir, free_ports(), more)
    }

    /// Starts on given ports without waiting for anything.
    pub fn spawn_at(dir: &Path, port: u16, more: &[&str]) -> Self {
        Self::spawn_command(&mut neweid(), dir, port, more)
    }

    /// Starts with an environment of its own.
    pub fn spawn_command(command: &mut Command, dir: &Path, port: u16, more: &[&str]) -> Self {
        let output = tempfile::tempdir().expect("a temporary directory");
        let file = |name| File::create(output.path().join(name)).expect("writable");
        command.arg("up").arg("--dir").arg(dir).args(["--port-base", &port.to_string()]).args(more);
        let child = command.stdout(file("out")).stderr(file("err")).spawn().expect("the program starts");
        Self { dir: dir.to_owned(), port, child, output }
    }

    /// Starts and waits until everything answers.
    pub fn start(dir: &Path) -> Self {
        Self::spawn(dir, &[]).ready()
    }

    /// Waits until everything answers and the welcome is printed.
    pub fn ready(mut self) -> Self {
        let begun = Instant::now();
        while !self.stdout().contains("Ctrl-C") {
            if let Some(status) = self.ended() {
                panic!("`neweid up` ended with {status}:\n{}{}", self.stdout(), self.stderr());
            }
            assert!(begun.elapsed() < PATIENCE, "not ready: {}{}", self.stdout(), self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
        self
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn stdout(&self) -> String {
        fs::read_to_string(self.output.path().join("out")).unwrap_or_default()
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(self.output.path().join("err")).unwrap_or_default()
    }

    /// How the process ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our child")
    }

    /// Waits for a process that ends by itself.
    pub fn wait(mut self) -> Ran {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.ended() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "does not end: {}{}", self.stdout(), self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        };
        Ran { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Ends it as an administrator would, and says what it printed.
    pub fn stop(self) -> Ran {
        self.signal("TERM");
        let ran = self.wait();
        assert_eq!(ran.code, Some(0), "{ran}");
        ran
    }

    /// Power cut.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The URLs of its services.
    pub fn endpoints(&self) -> Value {
        let bytes = fs::read(self.dir.join("endpoints.json")).expect("endpoints.json");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    /// `host:port` of the web pages.
    pub fn web(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `host:port` of the status services.
    pub fn status(&self) -> String {
        format!("127.0.0.1:{}", self.port + 1)
    }

    /// `host:port` of the console and its figures.
    pub fn console(&self) -> String {
        format!("127.0.0.1:{}", self.port + 2)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A country made once per run, and what `neweid up` printed when it made it.
pub struct Template {
    /// For whoever only looks: a database that is open leaves files beside it for a while.
    pub dir: PathBuf,
    /// What is copied, and opened by nobody.
    pub pristine: PathBuf,
    pub welcome: String,
    /// Bytes the process wrote while it made the country.
    pub written: u64,
}

/// The country that is copied.
pub fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let places = Path::new(env!("CARGO_TARGET_TMPDIR"));
        // Statics are never dropped: what earlier runs left goes now.
        for entry in fs::read_dir(places).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name.strip_prefix("neweid-template-");
            if owner.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let place = places.join(format!("neweid-template-{}", std::process::id()));
        let _ = fs::remove_dir_all(&place);
        fs::create_dir(&place).expect("a new directory");
        let (pristine, dir) = (place.join("pristine"), place.join("country"));
        let up = Up::start(&dir);
        let written = bytes_written(up.id());
        let welcome = up.stop().stdout;
        copy(&dir, &pristine);
        Template { dir, pristine, welcome, written }
    })
}

/// Bytes a process has handed to the kernel, or 0 when it is gone.
pub fn bytes_written(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/io")).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok()).unwrap_or(0)
}

/// A copy of the template in a temporary directory.
pub struct Country {
    place: TempDir,
}

impl Country {
    pub fn new() -> Self {
        let place = tempfile::tempdir().expect("a temporary directory");
        copy(&template().pristine, &place.path().join("country"));
        Self { place }
    }

    pub fn dir(&self) -> PathBuf {
        self.place.path().join("country")
    }

    /// A path beside the country.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }
}

/// Copies a directory with everything in it.
pub fn copy(from: &Path, to: &Path) {
    fs::DirBuilder::new().mode(0o700).create(to).expect("a new directory");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("known").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// The cards of a country as `neweid card list --json` shows them.
pub fn cards(dir: &Path) -> Vec<Value> {
    let list = in_dir(dir, ["card", "list", "--json"]).success();
    serde_json::from_str(&list).expect("an array")
}

/// The card of a persona.
pub fn card_of(cards: &[Value], persona: &str) -> Value {
    cards
        .iter()
        .find(|card| card["persona"] == persona)
        .unwrap_or_else(|| panic!("no card of {persona}"))
        .clone()
}

/// The serial of the card of a persona.
pub fn serial_of(dir: &Path, persona: &str) -> String {
    text(&card_of(&cards(dir), persona)["serial"])
}

/// A JSON string.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string")).to_owned()
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Sends bytes as they are and reads until the server closes; `None` when it closes without an answer.
pub fn exchange(address: &str, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).expect("listening");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    // A server may answer and close before it has read everything.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    parse_answer(&bytes)
}

/// Splits status, head and body.
pub fn parse_answer(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: bytes[end + 4..].to_vec() })
}

/// One request on a connection of its own.
pub fn request(address: &str, method: &str, path: &str) -> Answer {
    let text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    exchange(address, text.as_bytes()).unwrap_or_else(|| panic!("no answer to {method} {path}"))
}

/// One GET.
pub fn get(address: &str, path: &str) -> Answer {
    request(address, "GET", path)
}
