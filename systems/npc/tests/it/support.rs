//! A CA with quick keys, cards that make requests, and a client for its HTTP side.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use curve::rsa::RsaPrivateKey;
use curve::{Curve, Hash, SecretBytes, SecretKey, SeedRandom, SystemRandom};
use jiff::{SignedDuration, Timestamp};
use keys::{KeyKind, KeyStore, SoftwareKeyStore, WrappingKey};
use model::{CardSerial, KeySlot, RocDate};
use npc::{CertificateAuthority, IssueRequest, IssuedCertificate, Npc, NpcConfig, NpcError, Period, Urls};
use store::Db;
use uuid::Uuid;
use x509::{EcSigner, Name, RsaSigner, Signer, csr};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Some day after the cards of the tests were issued.
pub(crate) fn now() -> Timestamp {
    at("2026-08-05T03:00:00Z")
}

pub(crate) fn date(text: &str) -> RocDate {
    text.parse().unwrap()
}

pub(crate) fn card(number: u32) -> CardSerial {
    CardSerial::new("TWA", number).unwrap()
}

pub(crate) fn config() -> NpcConfig {
    NpcConfig {
        root_key: KeyKind::Rsa(2048),
        ca_key: KeyKind::Rsa(2048),
        // Other processes' changes are looked for before every answer.
        feed_interval: SignedDuration::ZERO,
        ..NpcConfig::default()
    }
}

pub(crate) fn key_store(directory: &Path) -> Arc<dyn KeyStore> {
    let wrapping = WrappingKey::new(&SecretBytes::new(&[7; 32])).unwrap();
    Arc::new(SoftwareKeyStore::open(directory, wrapping, Box::new(SystemRandom)).unwrap())
}

/// Keys all tests share, since making RSA keys takes its time. Every test has its own database.
pub(crate) fn shared_keys() -> Arc<dyn KeyStore> {
    static DIRECTORY: OnceLock<tempfile::TempDir> = OnceLock::new();
    key_store(DIRECTORY.get_or_init(|| tempfile::tempdir().unwrap()).path())
}

pub(crate) async fn open(db: &Db) -> Npc {
    try_open(db).await.unwrap()
}

pub(crate) async fn try_open(db: &Db) -> Result<Npc, NpcError> {
    Npc::open(db.clone(), shared_keys(), config(), Box::new(SystemRandom), now()).await
}

/// A registration authority that two persons have made known by this certificate.
pub(crate) async fn registered(npc: &Npc, name: &str, certificate: &[u8], at: Timestamp) {
    let proposal = npc.propose_ra(name, certificate, "anna", at).await.unwrap();
    npc.approve_ra(proposal.number, "bert", at).await.unwrap();
}

/// The n-th RSA key of this process.
pub(crate) fn rsa(n: usize) -> RsaSigner {
    RsaSigner::new(RsaPrivateKey::from_pkcs8(rsa_key(n)).unwrap())
}

/// The same as other programs read it.
pub(crate) fn rsa_pem(n: usize) -> String {
    x509::pem::encode("PRIVATE KEY", rsa_key(n))
}

fn rsa_key(n: usize) -> &'static [u8] {
    static KEYS: OnceLock<Vec<SecretBytes>> = OnceLock::new();
    let keys =
        KEYS.get_or_init(|| (0..8).map(|_| RsaPrivateKey::generate(2048).unwrap().to_pkcs8()).collect());
    keys[n].expose()
}

pub(crate) fn ec(curve: Curve, seed: u32) -> EcSigner {
    EcSigner::new(SecretKey::generate(curve, &mut SeedRandom::new(&seed.to_be_bytes())))
}

pub(crate) fn csr_of(signer: &dyn Signer) -> Vec<u8> {
    let subject = Name::builder().country("TW").common_name("card").build().unwrap();
    csr::build(&subject, signer.spki(), signer.algorithm(), |info| signer.sign(info)).unwrap()
}

pub(crate) fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// The request for a slot of a card; RSA keys are numbered, elliptic-curve keys follow from card and slot.
pub(crate) async fn request(npc: &Npc, number: u32, slot: KeySlot, rsa_key: usize) -> IssueRequest {
    let person = Hash::Sha256.digest(&number.to_be_bytes()).try_into().unwrap();
    let csr = if slot.is_rsa() {
        csr_of(&rsa(rsa_key))
    } else {
        csr_of(&ec(Curve::P521, number * 10 + u32::from(slot.id())))
    };
    IssueRequest {
        request_id: id(u128::from(number) << 8 | u128::from(slot.id())),
        carrier: npc::Carrier::NewEid,
        card: card(number),
        chip_model: Some("NE-0144".into()),
        slot,
        csr,
        subject_name: "測試用𠮷田".into(),
        id_tail: "6789".into(),
        holder_no: npc.holder_number(&person, now()).await.unwrap(),
        issue_date: date("2026-08-01"),
        renewal_date: Some(date("2036-08-01")),
        period: Period::First,
    }
}

pub(crate) async fn issued(npc: &Npc, number: u32, slot: KeySlot, rsa_key: usize) -> IssuedCertificate {
    let request = request(npc, number, slot, rsa_key).await;
    npc.issue(&request, now()).await.unwrap()
}

/// Serves a CA on loopback and gives its address. `make` is given the base of its URLs.
pub(crate) async fn serve(npc: Arc<Npc>, listener: tokio::net::TcpListener, clock: npc::Clock) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, npc::router(npc, clock)).await.unwrap() });
    address
}

/// A CA whose certificates carry the address it is served at.
pub(crate) async fn served(db: &Db, clock: npc::Clock) -> (Arc<Npc>, SocketAddr) {
    served_as(db, clock, config()).await
}

/// The same with a configuration of its own.
pub(crate) async fn served_as(db: &Db, clock: npc::Clock, config: NpcConfig) -> (Arc<Npc>, SocketAddr) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let urls = Urls::at(&format!("http://{}", listener.local_addr().unwrap()));
    let config = NpcConfig { urls, ..config };
    let npc = Npc::open(db.clone(), shared_keys(), config, Box::new(SystemRandom), clock()).await.unwrap();
    let npc = Arc::new(npc);
    let address = serve(npc.clone(), listener, clock).await;
    (npc, address)
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let find = |line: &str| line.split_once(": ").is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        let line = self.head.lines().find(|line| find(line))?;
        line.split_once(": ").map(|(_, value)| value)
    }
}

/// One HTTP/1.1 request.
pub(crate) async fn http(address: SocketAddr, head: &str, body: &[u8]) -> Reply {
    let mut message =
        format!("{head}\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())
            .into_bytes();
    message.extend_from_slice(body);
    let bytes = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        // A server that refuses a body may close before it has read all of it.
        let _ = stream.write_all(&message);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes
    })
    .await
    .unwrap();
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head, body: bytes[split + 4..].to_vec() }
}

/// One HTTP/1.1 GET with further header lines.
pub(crate) async fn fetch_with(address: SocketAddr, path: &str, headers: &str) -> Reply {
    http(address, &format!("GET {path} HTTP/1.1\r\n{headers}"), &[]).await
}

pub(crate) async fn fetch(address: SocketAddr, path: &str) -> Reply {
    http(address, &format!("GET {path} HTTP/1.1"), &[]).await
}
