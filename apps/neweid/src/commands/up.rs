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
        // That of a generation that has ended is served no more.
        let crl =
            npc::List { generation: country.npc.issuing_generation(), scope: npc::Scope::Complete }.file();
        let endpoints = BTreeMap::from([
            ("web", format!("{web_url}/")),
            ("console", format!("{console_url}/console/")),
            ("metrics", format!("{console_url}/metrics")),
            ("health", format!("{web_url}/healthz")),
            ("ocsp", format!("{status_url}/ocsp")),
            ("crl", format!("{status_url}/crl/{crl}")),
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
    if serving.country.npc.has_ended(clock::now()) {
        say!(
            "\n注意 Note: 自然人憑證管理中心之憑證已到期，不再簽發憑證，亦不簽章狀態、時戳與註冊中心之回覆；其餘照常。"
        );
        say!(
            "  The certificate of the natural-person CA has ended: nothing is issued, and no status, time stamp or answer to a \
             registration authority is signed. Everything else goes on. Two persons make the next generation:"
        );
        say!("  neweid ceremony propose generation --key rsa-4096 --operator NAME --dir {dir}");
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

#[cfg(test)]
mod tests {
    use super::*;
    use curve::{Curve, SecretKey, SystemRandom};
    use jiff::{SignedDuration, Timestamp};
    use std::io::{Read, Write};
    use std::sync::atomic::{AtomicI64, Ordering};
    use x509::{EcSigner, Name, Signer};

    /// The certificate of a registration authority, for a key that it has made itself.
    fn certificate_for(signer: &EcSigner, now: Timestamp) -> Vec<u8> {
        let name = Name::builder().country("TW").common_name("sample counter").build().expect("a name");
        let date = |at: Timestamp| tlv::encode(0x17, at.strftime("%y%m%d%H%M%SZ").to_string().as_bytes());
        let hour = SignedDuration::from_hours(1);
        let algorithm = signer.algorithm();
        let tbs = tlv::sequence(&[
            &tlv::encode(0xA0, &[2, 1, 2]),
            &[2, 1, 7],
            &algorithm.identifier(),
            name.der(),
            &tlv::sequence(&[&date(now - hour), &date(now + hour)]),
            name.der(),
            signer.spki(),
        ]);
        x509::certificate::assemble(&tbs, algorithm, &signer.sign(&tbs).expect("signs"))
    }

    /// A genm that asks for nothing, under this transactionID.
    fn question(signer: &EcSigner, certificate: &[u8], now: Timestamp, transaction: u8) -> Vec<u8> {
        let certificate = x509::Certificate::parse(certificate).expect("a certificate");
        let octets = |number, bytes: &[u8]| tlv::encode(number, &tlv::encode(0x04, bytes));
        let time = tlv::encode(0x18, now.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes());
        let algorithm = signer.algorithm().identifier();
        let sender = tlv::encode(0xA4, certificate.subject());
        let header = tlv::sequence(&[
            &[2, 1, 2],
            &sender,
            &sender,
            &tlv::encode(0xA0, &time),
            &tlv::encode(0xA1, &algorithm),
            &octets(0xA4, &[transaction; 16]),
            &octets(0xA5, &[7; 16]),
        ]);
        let body = tlv::encode(0xB5, &tlv::sequence(&[]));
        let signature = signer.sign(&tlv::sequence(&[&header, &body])).expect("signs");
        let protection = tlv::encode(0xA0, &tlv::encode(0x03, &[&[0], &signature[..]].concat()));
        tlv::sequence(&[&header, &body, &protection])
    }

    /// The status of the answer to a message that is sent from one of this machine's addresses.
    fn post(to: SocketAddr, from: [u8; 4], message: &[u8]) -> u16 {
        use socket2::{Domain, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("an address of this machine");
        socket.connect(&to.into()).expect("listening");
        let mut stream = std::net::TcpStream::from(socket);
        let head = format!(
            "POST /cmp HTTP/1.1\r\nHost: {to}\r\nContent-Type: application/pkixcmp\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            message.len()
        );
        stream.write_all(&[head.as_bytes(), message].concat()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("read");
        let answer = String::from_utf8_lossy(&answer);
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    /// One address floods the door of the registration authorities with forgeries; a registration authority at another one is served.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_address_that_forges_keeps_no_registration_authority_at_another_from_its_turn() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let wrapping = keys::WrappingKey::new(&curve::SecretBytes::new(&[7; 32])).expect("a key");
        let store =
            keys::SoftwareKeyStore::open(&place.path().join("keys"), wrapping, Box::new(SystemRandom));
        let key = keys::KeyKind::Ec(Curve::P384);
        let config = npc::NpcConfig {
            root_key: key,
            ca_key: key,
            cmp_verified_per_second: 8,
            cmp_strangers_per_second: 1_000,
            ..npc::NpcConfig::default()
        };
        let begun = Timestamp::from_second(clock::now().as_second()).expect("a time");
        let db =
            store::Db::open(&format!("sqlite:{}", place.path().join("npc.sqlite").display()), "npc").await;
        let opened = npc::Npc::open(
            db.expect("the database opens"),
            Arc::new(store.expect("keys")),
            config,
            Box::new(SystemRandom),
            begun,
        );
        let npc = Arc::new(opened.await.expect("opens"));
        let signer = EcSigner::new(SecretKey::generate(Curve::P256, &mut SystemRandom));
        let certificate = certificate_for(&signer, begun);
        let proposal = npc.propose_ra("counter", &certificate, "anna", begun).await.expect("proposed");
        npc.approve_ra(proposal.number, "bert", begun).await.expect("approved");

        // All of a second's messages come in the same one.
        let second = Arc::new(AtomicI64::new(begun.as_second()));
        let clock: npc::Clock = {
            let second = Arc::clone(&second);
            Arc::new(move || Timestamp::from_second(second.load(Ordering::Relaxed)).expect("a time"))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let to = listener.local_addr().expect("an address");
        let (stop, stopped) = watch::channel(false);
        let served = serve(Bounded::new(listener, PUBLIC), with_peer(npc::router(npc, clock)), stopped);
        let (flooding, sound) = ([127, 0, 0, 1], [127, 0, 0, 2]);
        let asked = tokio::task::spawn_blocking(move || {
            let message = |transaction| question(&signer, &certificate, begun, transaction);
            // Who is known is looked up with the first message.
            assert_eq!(post(to, sound, &message(1)), 200);
            second.fetch_add(1, Ordering::Relaxed);
            for n in 0..20 {
                // It says who it is from, and somebody else has signed it.
                let mut forged = message(100 + n);
                let last = forged.len() - 1;
                forged[last] ^= 1;
                assert_eq!(post(to, flooding, &forged), if n < 4 { 200 } else { 503 }, "{n}");
            }
            assert_eq!(post(to, flooding, &message(2)), 503, "half of what is found out is used up");
            for n in 3..7 {
                assert_eq!(post(to, sound, &message(n)), 200, "{n}");
            }
            second.fetch_add(1, Ordering::Relaxed);
            assert_eq!(post(to, flooding, &message(8)), 200, "the next second");
        });
        asked.await.expect("as expected");
        stop.send(true).expect("it listens");
        served.await.expect("ends");
    }
}
