//! `neweid up`: every system of the country in one process.
//!
//! Order: ports first (the first run writes them into certificates), then the directory's lock, then the country, then
//! the listeners; `endpoints.json` is written when every one of them has answered, and removed at the end.

use crate::cli::Up;
use crate::country::Country;
use crate::directory::{Choices, Directory, Hsm, write_atomically};
use crate::failure::{Failure, Fault};
use crate::listener::{Bounded, CONSOLE, PUBLIC, Remote};
use crate::signals::{Interruption, interrupted};
use crate::{clock, web};
use axum::extract::{ConnectInfo, Request};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How often work that has become due is looked for.
const PULSE: Duration = Duration::from_millis(500);

/// How often is looked whether there are enough new keys to be compared.
const KEYS: Duration = Duration::from_secs(60);

/// How long a stopping country waits for connections that are still open.
const LAST_ANSWER: Duration = Duration::from_secs(5);
/// How long it waits for the step of work that is under way.
const LAST_STEP: Duration = Duration::from_secs(15);

/// Runs the command until it is interrupted.
pub async fn run(arguments: Up) -> Result<ExitCode, Failure> {
    let started = std::time::Instant::now();
    let hsm = match (arguments.pkcs11_module, arguments.pkcs11_token, arguments.pkcs11_pin_file) {
        (Some(module), Some(token), Some(pin_file)) => Some(Hsm { module, token, pin_file }),
        _ => None,
    };
    if let Some(url) = arguments.database.as_deref().filter(|url| !url.starts_with("postgres://")) {
        return Err(Failure::new(
            "NEWEID-E-DATABASE-URL",
            Fault::Caller,
            "--database 須為 postgres:// 開頭的位址；SQLite 請省略。",
            format!("--database takes an address that begins with postgres://, not `{}`.", scheme(url)),
            "例 Example: --database postgres://neweid@localhost/neweid",
        )
        .exit(2));
    }
    let choices = Choices {
        listen: arguments.listen,
        port_base: arguments.port_base,
        database: arguments.database,
        hsm,
        npc_keys: arguments.npc_keys.map(|key| key.kind().name()),
        npc_partitions: arguments.npc_partitions,
    };
    let directory = Directory::open_or_create(&arguments.dir, choices)?;
    let mut interruption = Interruption::listen()?;
    let serving = tokio::select! {
        serving = Serving::start(&directory) => serving?,
        () = interruption.wait() => return Err(interrupted()),
    };
    print_welcome(&directory, &serving, started.elapsed()).await;
    interruption.wait().await;
    say!("\n停止中 Stopping ...");
    serving.stop().await;
    Ok(ExitCode::SUCCESS)
}

// What stands before the first colon: the rest may hold a password.
fn scheme(url: &str) -> &str {
    url.split(':').next().unwrap_or_default()
}

/// A country whose services answer.
pub struct Serving {
    /// The country.
    pub country: Arc<Country>,
    /// Name of each service and its URL, as written to `endpoints.json`.
    pub endpoints: BTreeMap<&'static str, String>,
    /// Whether this start created the country.
    pub first_run: bool,
    directory: Directory,
    stop: watch::Sender<bool>,
    listeners: [tokio::task::JoinHandle<()>; 3],
    work: [tokio::task::JoinHandle<()>; 3],
    _lock: crate::directory::UpLock,
}

impl Serving {
    /// Starts every service of the country, creating the country on the first run.
    pub async fn start(directory: &Directory) -> Result<Self, Failure> {
        let lock = directory.lock_for_serving()?;
        let endpoints_file = directory.endpoints();
        // Whoever finds the file may rely on it, so a file left by a killed process goes first.
        if endpoints_file.exists() {
            std::fs::remove_file(&endpoints_file)?;
        }
        let listen = directory.settings.listen;
        let web_listener = bind(SocketAddr::new(listen, directory.settings.port_base)).await?;
        let status_listener = bind(SocketAddr::new(listen, directory.settings.port_base + 1)).await?;
        let console_listener = bind(directory.console_address()).await?;
        directory.settle()?;
        let (country, first_run) = Country::open_or_create(directory).await?;
        let country = Arc::new(country);

        let web_url = format!("http://{}", reachable(web_listener.local_addr()?));
        let console_url = format!("http://{}", console_listener.local_addr()?);
        let status_url = format!("http://{}", reachable(status_listener.local_addr()?));
        let endpoints = BTreeMap::from([
            ("web", format!("{web_url}/")),
            ("console", format!("{console_url}/console/")),
            ("metrics", format!("{console_url}/metrics")),
            ("health", format!("{web_url}/healthz")),
            ("ocsp", format!("{status_url}/ocsp")),
            ("crl", format!("{status_url}/crl/npc.crl")),
            ("csca_crl", format!("{web_url}/pkd/csca.crl")),
            ("csca", format!("{web_url}/pkd/csca.cer")),
            ("pkd", format!("{web_url}/pkd/")),
            ("ca_issuers", format!("{status_url}/certs/npc-ca.cer")),
            ("cmp", format!("{status_url}/cmp")),
            ("ics", format!("{web_url}/ics")),
            ("cps", format!("{status_url}/cps")),
            ("tsa", format!("{status_url}/tsa")),
            ("filter", format!("{status_url}/status/filter")),
            ("card_status", format!("{status_url}/status/cards")),
            ("card_status_delta", format!("{status_url}/status/cards-delta")),
        ]);
        let (stop, stopped) = watch::channel(false);
        let site = web::router(Arc::clone(&country), endpoints.clone());
        let status = npc::router(Arc::clone(&country.npc), country.clock())
            .merge(crate::personas::laboratory::router(Arc::clone(&country)));
        let status = with_peer(web::hardened(country.meter.counting(status)));
        let console = web::console::router(Arc::clone(&country));
        let listeners = [
            serve(Bounded::new(web_listener, PUBLIC), site, stopped.clone()),
            serve(Bounded::new(status_listener, PUBLIC), status, stopped.clone()),
            serve(Bounded::new(console_listener, CONSOLE), console, stopped.clone()),
        ];
        let [working, keeping, comparing] = [(); 3].map(|()| (Arc::clone(&country), stopped.clone()));
        let work = [
            thread_of_its_own(move || work(working.0, working.1)),
            thread_of_its_own(move || upkeep(keeping.0, keeping.1)),
            thread_of_its_own(move || compare_keys(comparing.0, comparing.1)),
        ];
        let directory = directory.clone();
        let serving = Self { country, endpoints, first_run, directory, stop, listeners, work, _lock: lock };
        match serving.announce().await {
            Ok(()) => Ok(serving),
            Err(failure) => {
                serving.stop().await;
                Err(failure)
            }
        }
    }

    // Writes `endpoints.json` once everything answers.
    async fn announce(&self) -> Result<(), Failure> {
        self.country.publish_card_list(clock::now()).await?;
        // These are asked with a POST.
        let asked = |url: &&String| !["/ocsp", "/tsa", "/cmp", "/ics"].iter().any(|path| url.ends_with(path));
        // Nobody is left to sign these where the CA has ended; the ceremony for the next one is held on a country that serves.
        let ended = self.country.npc.has_ended(clock::now());
        let asked = |url: &&String| asked(url) && !(ended && url.contains("/status/"));
        for url in self.endpoints.values().filter(asked) {
            answers(url).await?;
        }
        let list = serde_json::to_vec_pretty(&self.endpoints).map_err(Failure::ours)?;
        write_atomically(&self.directory.endpoints(), &list)?;
        Ok(())
    }

    /// Ends every service: requests under way are answered, the step under way is finished.
    pub async fn stop(self) {
        let _ = std::fs::remove_file(self.directory.endpoints());
        let _ = self.stop.send(true);
        for listener in self.listeners {
            let _ = tokio::time::timeout(LAST_ANSWER, listener).await;
        }
        for work in self.work {
            let _ = tokio::time::timeout(LAST_STEP, work).await;
        }
    }
}

// An address one can connect to: a listener on every address is reached on the loopback one.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Failure::new(
            "NEWEID-E-PORT-IN-USE",
            Fault::Environment,
            format!("連接埠 {} 已被其他程式使用。", address.port()),
            format!("Port {} is taken by another program.", address.port()),
            "停止該程式，或用 --port-base 另選連接埠 Stop that program or choose other ports with --port-base.",
        ),
        std::io::ErrorKind::AddrNotAvailable => Failure::new(
            "NEWEID-E-ADDRESS",
            Fault::Caller,
            format!("本機沒有位址 {}。", address.ip()),
            format!("This machine has no address {}.", address.ip()),
            "例 Example: --listen 127.0.0.1",
        ),
        _ => error.into(),
    })
}

// Who is at the other end of each request.
fn with_peer(router: axum::Router) -> axum::Router {
    router.layer(axum::middleware::map_request(
        |ConnectInfo(Remote(address)): ConnectInfo<Remote>, mut request: Request| async move {
            request.extensions_mut().insert(npc::Peer(address.ip()));
            request
        },
    ))
}

fn serve(
    listener: Bounded,
    router: axum::Router,
    mut stopped: watch::Receiver<bool>,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let shutdown = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let service = router.into_make_service_with_connect_info::<Remote>();
        if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(shutdown).await {
            tracing::error!(%error, "a listener ended");
        }
    })
}

// Making keys and personalising cards never delays an HTTP answer, nor what has to be renewed in time.
fn thread_of_its_own<W: Future<Output = ()>>(
    work: impl FnOnce() -> W + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(work()))
}

// The pulse of the country: whatever is due is done, and a failure is tried again at the next beat.
async fn work(country: Arc<Country>, stopped: watch::Receiver<bool>) {
    loop {
        match country.work(clock::now()).await {
            Ok(true) if !*stopped.borrow() && stopped.has_changed().is_ok() => continue,
            Ok(_) => {}
            Err(failure) => tracing::warn!(code = failure.code, "{}", failure.message),
        }
        if !beat(stopped.clone()).await {
            return;
        }
    }
}

// What runs out unless it is renewed, whatever the rest of the work is doing.
async fn upkeep(country: Arc<Country>, stopped: watch::Receiver<bool>) {
    loop {
        if let Err(failure) = country.keep_up(clock::now()).await {
            tracing::warn!(code = failure.code, "{}", failure.message);
        }
        if !beat(stopped.clone()).await {
            return;
        }
    }
}

// New keys beside all there are, which may take hours; stopped in the middle, the keys under way are compared again.
async fn compare_keys(country: Arc<Country>, mut stopped: watch::Receiver<bool>) {
    let stop = async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let compare = async {
        loop {
            if let Err(error) = country.npc.compare_new_keys(clock::now()).await {
                tracing::warn!(code = error.code(), "{error}");
            }
            tokio::time::sleep(KEYS).await;
        }
    };
    tokio::select! {
        biased;
        () = stop => {}
        () = compare => {}
    }
}

// Waits for the next beat; false where the country is to stop.
async fn beat(mut stopped: watch::Receiver<bool>) -> bool {
    tokio::select! {
        biased;
        _ = stopped.wait_for(|stop| *stop) => false,
        () = tokio::time::sleep(PULSE) => true,
    }
}

// A service counts as started when it has answered an HTTP request.
async fn answers(url: &str) -> Result<(), Failure> {
    let url = url.to_owned();
    tokio::task::spawn_blocking(move || crate::http::fetch(&url).map(drop)).await.map_err(Failure::ours)?
}

async fn print_welcome(directory: &Directory, serving: &Serving, took: Duration) {
    let dir = shell_word(&directory.root);
    let made = if serving.first_run { "已建立並啟動 Created and started" } else { "已啟動 Started" };
    say!("數位身分識別證系統 New eID：{made} ({:.1} s)\n", took.as_secs_f64());
    for (name, url) in &serving.endpoints {
        say!("  {name:<17}  {url}");
    }
    say!("\n接下來 Next:");
    say!("  neweid demo --dir {dir}");
    say!("  neweid card list --dir {dir}");
    match serving.country.first_active_card().await {
        Some(serial) => say!("  neweid card insert {serial} --dir {dir} --interface contactless"),
        None => say!("  neweid pki export --dir {dir} --out pki"),
    }
    say!("\n按 Ctrl-C 停止 Press Ctrl-C to stop.");
}

// A path as one types it.
fn shell_word(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    if text.chars().all(|c| c.is_alphanumeric() || "/._-+,:@".contains(c)) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
