//! What is counted while the country runs: signatures and how long they take, answers of the status services, errors by their
//! codes. Numbers alone: no serial number, no address, no person. [`crate::web::console`] publishes them as Prometheus
//! reads them; docs/operations.md says what each means.

use crate::clock;
use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use curve::SecretBytes;
use jiff::Timestamp;
use keys::{Backup, KeyInfo, KeyKind, KeyStore, Purpose};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use x509::{SignError, SignatureAlgorithm, Signer};

/// The counters of one process.
#[derive(Default)]
pub struct Meter {
    signatures: Mutex<BTreeMap<(&'static str, &'static str), Signatures>>,
    answers: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
}

/// Signatures of one kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signatures {
    /// How many were made.
    pub made: u64,
    /// How many failed.
    pub failed: u64,
    /// Time spent on them.
    pub spent: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Meter {
    /// The same key store, its signatures counted by system and purpose.
    pub fn store(self: &Arc<Self>, system: &'static str, inner: Arc<dyn KeyStore>) -> Arc<dyn KeyStore> {
        Arc::new(CountedStore { inner, system, meter: Arc::clone(self) })
    }

    /// The same routes, their answers counted by service and kind.
    pub fn counting(self: &Arc<Self>, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(Arc::clone(self), count))
    }

    /// Signatures by system and purpose.
    pub fn signatures(&self) -> BTreeMap<(&'static str, &'static str), Signatures> {
        lock(&self.signatures).clone()
    }

    /// Answers by service and kind.
    pub fn answers(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        lock(&self.answers).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn count(State(meter): State<Arc<Meter>>, request: Request, next: Next) -> Response {
    let service = service(request.uri().path());
    let answer = next.run(request).await;
    *lock(&meter.answers).entry((service, kind(service, &answer))).or_default() += 1;
    answer
}

// The first part of the path, among the few that there are: whatever somebody asks for makes no new counter.
fn service(path: &str) -> &'static str {
    match path.trim_start_matches('/').split('/').next().unwrap_or_default() {
        "ocsp" => "ocsp",
        "crl" => "crl",
        "status" => "status",
        "certs" => "certs",
        "tsa" => "tsa",
        "cmp" => "cmp",
        _ => "other",
    }
}

fn kind(service: &str, answer: &Response) -> &'static str {
    let status = answer.status();
    if service == "ocsp" && status == StatusCode::OK {
        // RFC 6960 §4.2.1: an error is five bytes. What anybody may have may also be kept (RFC 9111).
        if answer.body().size_hint().exact() == Some(OCSP_ERROR) {
            return "error";
        }
        let control = answer.headers().get(header::CACHE_CONTROL);
        return if control.is_some_and(|value| value == "no-store") { "single" } else { "shared" };
    }
    match status.as_u16() {
        304 => "not-modified",
        200..=399 => "ok",
        400..=499 => "refused",
        _ => "failed",
    }
}

const OCSP_ERROR: u64 = 5;

struct CountedStore {
    inner: Arc<dyn KeyStore>,
    system: &'static str,
    meter: Arc<Meter>,
}

impl KeyStore for CountedStore {
    fn generate(&self, label: &str, kind: KeyKind, purpose: Purpose) -> keys::Result<KeyInfo> {
        self.inner.generate(label, kind, purpose)
    }

    fn signer(&self, label: &str, purpose: Purpose) -> keys::Result<Arc<dyn Signer>> {
        let inner = self.inner.signer(label, purpose)?;
        let meter = Arc::clone(&self.meter);
        Ok(Arc::new(CountedSigner { inner, kind: (self.system, purpose.as_str()), meter }))
    }

    fn list(&self) -> keys::Result<Vec<KeyInfo>> {
        self.inner.list()
    }

    fn destroy(&self, label: &str) -> keys::Result<()> {
        self.inner.destroy(label)
    }

    fn module(&self) -> keys::Result<Option<keys::Module>> {
        self.inner.module()
    }

    fn backup(&self, label: &str, threshold: u8, shares: u8) -> keys::Result<Backup> {
        self.inner.backup(label, threshold, shares)
    }

    fn restore(&self, copy: &[u8], shares: &[SecretBytes]) -> keys::Result<KeyInfo> {
        self.inner.restore(copy, shares)
    }

    fn import(&self, label: &str, key: &keys::ForeignKey, purpose: Purpose) -> keys::Result<KeyInfo> {
        self.inner.import(label, key, purpose)
    }

    fn adopt(&self, from: &str, label: &str, spki: &[u8], purpose: Purpose) -> keys::Result<KeyInfo> {
        self.inner.adopt(from, label, spki, purpose)
    }
}

struct CountedSigner {
    inner: Arc<dyn Signer>,
    kind: (&'static str, &'static str),
    meter: Arc<Meter>,
}

impl Signer for CountedSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }

    fn spki(&self) -> &[u8] {
        self.inner.spki()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let begun = Instant::now();
        let signature = self.inner.sign(message);
        let spent = begun.elapsed();
        let mut all = lock(&self.meter.signatures);
        let counted = all.entry(self.kind).or_default();
        match signature {
            Ok(_) => counted.made += 1,
            Err(_) => counted.failed += 1,
        }
        counted.spent += spent;
        counted.longest = counted.longest.max(spent);
        signature
    }
}

/// An error that the log has told of.
#[derive(Debug, Clone, Copy)]
pub struct Errors {
    /// How often.
    pub count: u64,
    /// When last.
    pub last: Timestamp,
}

static ERRORS: Mutex<BTreeMap<String, Errors>> = Mutex::new(BTreeMap::new());

/// Errors and warnings of the log by their stable codes, since the start.
pub fn errors() -> BTreeMap<String, Errors> {
    lock(&ERRORS).clone()
}

/// Counts what the log tells of at warning or worse, by its `code`.
pub struct ErrorCounter;

impl<S: Subscriber> Layer<S> for ErrorCounter {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut code = Code(None);
        event.record(&mut code);
        let Some(code) = code.0 else { return };
        let mut all = lock(&ERRORS);
        // Codes are few and fixed; a bound all the same.
        if all.len() >= MOST_CODES && !all.contains_key(&code) {
            return;
        }
        let last = clock::now();
        all.entry(code)
            .and_modify(|e| *e = Errors { count: e.count + 1, last })
            .or_insert(Errors { count: 1, last });
    }
}

const MOST_CODES: usize = 300;

struct Code(Option<String>);

impl Visit for Code {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "code" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "code" {
            self.0 = Some(format!("{value:?}").trim_matches('"').to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn answers_are_sorted_by_what_they_are() {
        let ocsp = |body: Vec<u8>, control: &'static str| {
            let answer = Response::builder().header(header::CACHE_CONTROL, control).body(Body::from(body));
            kind("ocsp", &answer.expect("an answer"))
        };
        assert_eq!(ocsp(vec![0x30, 3, 0x0A, 1, 3], "no-store"), "error");
        assert_eq!(ocsp(vec![0; 500], "no-store"), "single");
        assert_eq!(ocsp(vec![0; 500], "max-age=1800"), "shared");
        for (path, expected) in [("/ocsp/MFo", "ocsp"), ("/crl/npc.crl", "crl"), ("/A123456789", "other")] {
            assert_eq!(service(path), expected);
        }
    }

    #[test]
    fn a_signature_is_counted_by_system_and_purpose() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let wrapping =
            keys::WrappingKey::create(&dir.path().join("w"), &mut curve::SystemRandom).expect("new");
        let inner =
            keys::SoftwareKeyStore::open(&dir.path().join("keys"), wrapping, Box::new(curve::SystemRandom));
        let meter = Arc::new(Meter::default());
        let store = meter.store("npc", Arc::new(inner.expect("open")));
        store.generate("ocsp-1", KeyKind::Ec(curve::Curve::P256), Purpose::OcspResponder).expect("made");
        let signer = store.signer("ocsp-1", Purpose::OcspResponder).expect("a signer");
        for _ in 0..3 {
            signer.sign(b"message").expect("signed");
        }
        let counted = meter.signatures()[&("npc", "ocsp-responder")];
        assert_eq!((counted.made, counted.failed), (3, 0));
        assert!(counted.longest <= counted.spent && !counted.spent.is_zero());
        // What a key may sign is not softened by counting.
        assert!(store.signer("ocsp-1", Purpose::CertificateAuthority).is_err());
    }
}
