//! Ceremonies with keys in a PKCS #11 token (SoftHSM).
//!
//! SoftHSM reads its configuration from the environment when its library starts, once in a process: the outer test makes a
//! token in a temporary directory and runs the inner test in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use curve::{Curve, SecretBytes, SystemRandom};
use jiff::SignedDuration;
use keys::{KeyError, KeyInfo, KeyKind, KeyStore, Pkcs11KeyStore, Purpose};
use model::KeySlot;
use npc::{CertificateAuthority, Hands, Npc, NpcConfig, Plan, Provisions, Scope};
use store::{Db, params};
use x509::crl::{Crl, Reason};
use x509::path::{Options, Revocation, validate};
use x509::{Certificate, PublicKey, Signer};

use crate::support::*;

pub(crate) const PIN: &str = "482913";
const HANDS: Hands<'_> = Hands { operator: "chief", witness: "auditor" };

#[test]
fn ceremonies_use_a_token_from_root_to_list() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = token_in(directory.path());
    let tokens = directory.path().join("tokens");
    let run = |test| in_a_process(test, &configuration, &tokens);
    run("token::in_a_process_of_its_own");
    // SoftHSM looks for tokens when its library starts.
    std::fs::remove_dir(&tokens).unwrap();
    std::fs::rename(tokens.with_extension("away"), &tokens).unwrap();
    run("token::once_the_token_is_back");
}

fn in_a_process(test: &str, configuration: &Path, tokens: &Path) {
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("SOFTHSM2_CONF", configuration)
        .env("NEWEID_TEST_TOKENS", tokens)
        .output()
        .unwrap();
    let output =
        format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && output.contains("1 passed"), "{output}");
}

/// Makes a token in a directory; gives the configuration that names it.
pub(crate) fn token_in(directory: &Path) -> PathBuf {
    const MISSING: &str = "SoftHSM is missing: apt-get install -y --no-install-recommends softhsm2";
    let (configuration, tokens) = (directory.join("softhsm2.conf"), directory.join("tokens"));
    std::fs::create_dir_all(&tokens).unwrap();
    let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
    std::fs::write(&configuration, text).unwrap();
    let done = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "npc", "--pin", PIN, "--so-pin", "87654321"])
        .env("SOFTHSM2_CONF", &configuration)
        .output()
        .expect(MISSING);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    configuration
}

pub(crate) fn module() -> PathBuf {
    let places = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ];
    places.into_iter().map(PathBuf::from).find(|path| path.exists()).expect("SoftHSM")
}

async fn open(directory: &Path, keys: Arc<dyn KeyStore>) -> Npc {
    let db = Db::open(&format!("sqlite:{}/", directory.display()), "npc").await.unwrap();
    let key = KeyKind::Ec(Curve::P384);
    let config = NpcConfig { root_key: key, ca_key: key, partitions: 4, ..config() };
    Npc::open(db, keys, config, Box::new(SystemRandom), now()).await.unwrap()
}

async fn approved(npc: &Npc, plan: Plan) -> u64 {
    let number = npc.propose_ceremony(plan, "chief", now()).await.unwrap().number;
    npc.approve_ceremony(number, "deputy", now()).await.unwrap();
    number
}

async fn carry_out(npc: &Npc, number: u64) {
    while npc.ceremony(number).await.unwrap().finished_at.is_none() {
        npc.ceremony_step(number, HANDS, Provisions::default(), now()).await.unwrap();
    }
    for finding in npc.verify_ceremony(number, now()).await.unwrap() {
        assert!(finding.right, "{finding:?}");
    }
}

#[tokio::test]
#[ignore = "run by ceremonies_use_a_token_from_root_to_list with a token in its environment"]
#[allow(clippy::disallowed_methods, reason = "the outer test hands the directory over")]
async fn in_a_process_of_its_own() {
    let tokens = PathBuf::from(std::env::var_os("NEWEID_TEST_TOKENS").unwrap());
    let directory = tokens.parent().unwrap();
    let token = || -> Arc<dyn KeyStore> {
        Arc::new(Pkcs11KeyStore::open(&module(), "npc", &SecretBytes::new(PIN.as_bytes())).unwrap())
    };
    let keys = token();
    let npc = open(directory, keys.clone()).await;
    let labels = || keys.list().unwrap().into_iter().map(|key| key.label).collect::<Vec<_>>();

    // A root on P-521 and a generation with RSA, both made in the token.
    let number = approved(&npc, Plan::Root { key: KeyKind::Ec(Curve::P521) }).await;
    carry_out(&npc, number).await;
    let number = approved(&npc, Plan::Generation { key: KeyKind::Rsa(4096), partitions: Some(2) }).await;
    carry_out(&npc, number).await;
    assert!(labels().contains(&"npc-ca-g2".to_owned()) && labels().contains(&"npc-root-g2".to_owned()));

    // It issues, revokes and publishes with the token's keys.
    let issued = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
    let certificate = Certificate::parse(&issued.der).unwrap();
    let made = npc.ca_certificates();
    assert!(
        matches!(PublicKey::from_spki(made.ca.spki()).unwrap(), PublicKey::Rsa(key) if key.bits() == 4096)
    );
    let lists = [Scope::Complete, Scope::Root];
    let mut read = Vec::new();
    for scope in lists {
        read.push(Crl::parse(&npc.crl(scope, now()).await.unwrap().der).unwrap());
    }
    let options = Options::at(now()).crls(&read, Revocation::Required);
    validate(&certificate, std::slice::from_ref(&made.ca), std::slice::from_ref(&made.root), &options)
        .unwrap();

    // A token keeps its keys: its own tools copy them.
    let number = approved(&npc, Plan::KeyBackup { label: "npc-ca-g2".into(), threshold: 2, shares: 3 }).await;
    let mut keep = |_: &keys::Backup| Ok(());
    let provisions = Provisions { keep: Some(&mut keep), ..Provisions::default() };
    let kept = npc.ceremony_step(number, HANDS, provisions, now()).await.unwrap_err();
    assert_eq!(kept.code(), "KEYS-KEPT");
    npc.abandon_ceremony(number, HANDS, "the token's tools copy it", now()).await.unwrap();
    // It makes no key of this kind; the ceremony is given up, and the next one goes.
    let number = approved(&npc, Plan::Generation { key: KeyKind::MlDsa65, partitions: None }).await;
    let refused = npc.ceremony_step(number, HANDS, Provisions::default(), now()).await.unwrap_err();
    assert_eq!(refused.code(), "KEYS-KIND");
    npc.abandon_ceremony(number, HANDS, "the token has no ML-DSA", now()).await.unwrap();
    // One that was signed takes its key with it.
    let number = approved(&npc, Plan::Generation { key: KeyKind::Ec(Curve::P256), partitions: None }).await;
    for _ in 0..5 {
        npc.ceremony_step(number, HANDS, Provisions::default(), now()).await.unwrap();
    }
    assert!(labels().contains(&"npc-ca-g4".to_owned()) && labels().contains(&"npc-ocsp-g4-1".to_owned()));
    npc.abandon_ceremony(number, HANDS, "not needed", now()).await.unwrap();
    assert!(!labels().contains(&"npc-ca-g4".to_owned()) && !labels().contains(&"npc-ocsp-g4-1".to_owned()));
    let root = Crl::parse(&npc.crl(Scope::Root, now()).await.unwrap().der).unwrap();
    let entries: Vec<_> = root.entries().map(|entry| entry.unwrap().reason).collect();
    assert_eq!(entries, [Reason::CessationOfOperation]);

    // A run later, with the token opened anew, everything is as it was; and each key signs what it was made for alone.
    let again = open(directory, token()).await;
    assert_eq!(again.ca_certificates(), npc.ca_certificates());
    for (label, made_for) in [
        ("npc-root-g2", Purpose::CertificateAuthority),
        ("npc-ca-g2", Purpose::CertificateAuthority),
        ("npc-ocsp-g2-1", Purpose::OcspResponder),
        ("npc-tsa-1", Purpose::TimeStamp),
        ("npc-status-1", Purpose::Message),
        ("npc-cmp-1", Purpose::Message),
    ] {
        for purpose in Purpose::ALL {
            let signer = keys.signer(label, purpose);
            assert_eq!(signer.is_ok(), purpose == made_for, "{label} as {}", purpose.as_str());
        }
    }
    again.verify_audit(None).await.unwrap();

    // The token is taken away before the signature: the step is not done, and nothing is half done.
    let number = approved(&npc, Plan::Generation { key: KeyKind::Ec(Curve::P256), partitions: None }).await;
    for _ in 0..2 {
        npc.ceremony_step(number, HANDS, Provisions::default(), now()).await.unwrap();
    }
    std::fs::rename(&tokens, tokens.with_extension("away")).unwrap();
    std::fs::create_dir(&tokens).unwrap();
    let gone = npc.ceremony_step(number, HANDS, Provisions::default(), now()).await.unwrap_err();
    assert!(gone.to_string().contains("the token npc is not there"), "{gone}");
    assert_eq!(npc.ceremony(number).await.unwrap().done.len(), 2);
    // A request waits between storing and signing.
    let wanted = request(&npc, 2, KeySlot::SigningRsa, 1).await;
    let failed = npc.issue(&wanted, now()).await.err().unwrap();
    assert!(!failed.is_refusal(), "{}: to be sent again", failed.code());
    let (tbs, signed) = stored(&npc).await;
    assert!(signed.is_none());
    std::fs::write(directory.join("waiting"), tbs).unwrap();
}

/// What was stored is signed as it was stored, and the ceremony goes on.
#[tokio::test]
#[ignore = "run by ceremonies_use_a_token_from_root_to_list with a token in its environment"]
#[allow(clippy::disallowed_methods, reason = "the outer test hands the directory over")]
async fn once_the_token_is_back() {
    let tokens = PathBuf::from(std::env::var_os("NEWEID_TEST_TOKENS").unwrap());
    let keys = Pkcs11KeyStore::open(&module(), "npc", &SecretBytes::new(PIN.as_bytes())).unwrap();
    let npc = open(tokens.parent().unwrap(), Arc::new(keys)).await;
    let waited = std::fs::read(tokens.with_file_name("waiting")).unwrap();
    let (_, signed) = stored(&npc).await;
    let signed = Certificate::parse(&signed.expect("signed when the process began")).unwrap();
    assert_eq!(signed.tbs(), waited);
    let waiting = npc.ceremonies().await.unwrap().into_iter().find(|one| one.finished_at.is_none()).unwrap();
    carry_out(&npc, waiting.number).await;
    npc.verify_audit(None).await.unwrap();
}

/// Of the certificate of the second card what is signed, and the whole of it once it is.
async fn stored(npc: &Npc) -> (Vec<u8>, Option<Vec<u8>>) {
    let sql = "SELECT tbs, der FROM certificate WHERE card = $1";
    let row = npc.db().one(sql, params![card(2).as_str()]).await.unwrap();
    (row.read(0).unwrap(), row.read(1).unwrap())
}

#[test]
fn two_who_share_a_token_make_one_key_for_each_service() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = token_in(directory.path());
    in_a_process("token::two_on_one_token", &configuration, &directory.path().join("tokens"));
}

/// A token on which whoever makes a key waits a moment for the other one, and then both begin.
struct Together {
    token: Pkcs11KeyStore,
    come: Arc<(Mutex<u32>, Condvar)>,
}

impl KeyStore for Together {
    fn generate(&self, label: &str, kind: KeyKind, purpose: Purpose) -> keys::Result<KeyInfo> {
        if let Err(KeyError::Missing(_)) = self.token.signer(label, purpose) {
            let (come, bell) = &*self.come;
            let mut here = come.lock().unwrap();
            *here += 1;
            bell.notify_all();
            let both = here.next_multiple_of(2);
            drop(bell.wait_timeout_while(here, Duration::from_millis(300), |here| *here < both).unwrap());
        }
        self.token.generate(label, kind, purpose)
    }

    fn signer(&self, label: &str, purpose: Purpose) -> keys::Result<Arc<dyn Signer>> {
        self.token.signer(label, purpose)
    }

    fn list(&self) -> keys::Result<Vec<KeyInfo>> {
        self.token.list()
    }

    fn destroy(&self, label: &str) -> keys::Result<()> {
        self.token.destroy(label)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by two_who_share_a_token_make_one_key_for_each_service with a token in its environment"]
#[allow(clippy::disallowed_methods, reason = "the outer test hands the directory over")]
async fn two_on_one_token() {
    let tokens = PathBuf::from(std::env::var_os("NEWEID_TEST_TOKENS").unwrap());
    let directory = tokens.parent().unwrap();
    let come = Arc::new((Mutex::new(0), Condvar::new()));
    let token = || Pkcs11KeyStore::open(&module(), "npc", &SecretBytes::new(PIN.as_bytes())).unwrap();
    let here = Arc::new(open(directory, Arc::new(Together { token: token(), come: come.clone() })).await);
    let there = Arc::new(open(directory, Arc::new(Together { token: token(), come })).await);
    // Everything is due in both at the same moment.
    for _ in 0..4 {
        let of = [here.ca_certificates(), there.ca_certificates()];
        let at = of.iter().map(|made| made.ocsp.not_after().max(made.tsa.not_after())).max().unwrap();
        let maintained = [&here, &there].map(|npc| {
            let npc = npc.clone();
            tokio::spawn(async move { npc.maintain(at).await })
        });
        for done in maintained {
            drop(done.await.unwrap());
        }
        for npc in [&here, &there] {
            npc.maintain(at).await.unwrap();
        }
        let mut labels: Vec<_> = token().list().unwrap().into_iter().map(|key| key.label).collect();
        let all = labels.len();
        labels.dedup();
        assert_eq!(labels.len(), all, "{labels:?}");
        assert_eq!(here.ca_certificates(), there.ca_certificates());
        assert!(here.ca_certificates().ocsp.not_after() > at + SignedDuration::from_mins(1));
    }
}

/// Keys in files, of which two stand under each of some labels.
struct Twice(Arc<dyn KeyStore>, &'static [&'static str]);

impl Twice {
    fn once(&self, label: &str) -> keys::Result<()> {
        match self.1.contains(&label) {
            true => Err(KeyError::Ambiguous(label.to_owned())),
            false => Ok(()),
        }
    }
}

impl KeyStore for Twice {
    fn generate(&self, label: &str, kind: KeyKind, purpose: Purpose) -> keys::Result<KeyInfo> {
        self.once(label)?;
        self.0.generate(label, kind, purpose)
    }

    fn signer(&self, label: &str, purpose: Purpose) -> keys::Result<Arc<dyn Signer>> {
        self.once(label)?;
        self.0.signer(label, purpose)
    }

    fn list(&self) -> keys::Result<Vec<KeyInfo>> {
        self.0.list()
    }

    fn destroy(&self, label: &str) -> keys::Result<()> {
        self.0.destroy(label)
    }
}

/// What a token is asked for when it hangs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Making,
    Finding,
    Listing,
    Signing,
}

/// A token that hangs.
struct Hanging {
    inner: Arc<dyn KeyStore>,
    gate: Hangs,
}

#[derive(Clone)]
struct Hangs {
    now: Arc<(Mutex<Option<When>>, Condvar)>,
    begun: tokio::sync::mpsc::UnboundedSender<()>,
}

impl Hangs {
    fn set(&self, when: Option<When>) {
        *self.now.0.lock().unwrap() = when;
        self.now.1.notify_all();
    }

    fn at(&self, when: When) {
        let (hangs, bell) = &*self.now;
        let hangs = hangs.lock().unwrap();
        if *hangs == Some(when) {
            self.begun.send(()).unwrap();
            drop(bell.wait_while(hangs, |hangs| *hangs == Some(when)).unwrap());
        }
    }
}

/// A key in it.
struct HangingKey {
    inner: Arc<dyn Signer>,
    gate: Hangs,
}

impl Signer for HangingKey {
    fn algorithm(&self) -> x509::SignatureAlgorithm {
        self.inner.algorithm()
    }

    fn spki(&self) -> &[u8] {
        self.inner.spki()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, x509::SignError> {
        self.gate.at(When::Signing);
        self.inner.sign(message)
    }
}

impl KeyStore for Hanging {
    fn generate(&self, label: &str, kind: KeyKind, purpose: Purpose) -> keys::Result<KeyInfo> {
        match self.inner.signer(label, purpose) {
            Err(KeyError::Missing(_)) => self.gate.at(When::Making),
            _ => self.gate.at(When::Finding),
        }
        self.inner.generate(label, kind, purpose)
    }

    fn signer(&self, label: &str, purpose: Purpose) -> keys::Result<Arc<dyn Signer>> {
        self.gate.at(When::Finding);
        Ok(Arc::new(HangingKey { inner: self.inner.signer(label, purpose)?, gate: self.gate.clone() }))
    }

    fn list(&self) -> keys::Result<Vec<KeyInfo>> {
        self.gate.at(When::Listing);
        self.inner.list()
    }

    fn destroy(&self, label: &str) -> keys::Result<()> {
        self.inner.destroy(label)
    }
}

/// Whoever writes meanwhile is served, and the key is found once the token has made it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_hangs_stops_nobody_who_writes() {
    store::testkit::each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyKind::Ec(Curve::P384);
        let config = NpcConfig { root_key: key, ca_key: key, ..config() };
        let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
        let gate = Hangs { now: Arc::default(), begun };
        let keys = Hanging { inner: key_store(directory.path()), gate: gate.clone() };
        let npc = Npc::open(db.clone(), Arc::new(keys), config, Box::new(SystemRandom), now()).await.unwrap();
        let npc = Arc::new(npc);
        let before = npc.ca_certificates();
        let due = before.ocsp.not_after();
        gate.set(Some(When::Making));
        let maintained = tokio::spawn({
            let npc = npc.clone();
            async move { npc.maintain(due).await }
        });
        let has_begun = tokio::time::timeout(Duration::from_secs(60), has_begun.recv()).await;
        has_begun.expect("the key is asked for").unwrap();
        let written = tokio::time::timeout(Duration::from_secs(60), npc.holder_number(&[9; 32], due)).await;
        assert_eq!(written.expect("the database waits for no token").unwrap().len(), 16);
        let given_up = tokio::time::timeout(Duration::from_secs(60), maintained).await;
        given_up.expect("it is given up").unwrap().unwrap_err();
        assert!(npc.ca_certificates().ocsp == before.ocsp);
        gate.set(None);
        npc.maintain(due).await.unwrap();
        assert!(npc.ca_certificates().ocsp.not_after() > due);
    })
    .await;
}

/// A token that hangs when it is to find a key that is there, to list keys or to sign the certificate of a service holds nobody for
/// ever, and serves again when it answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_hangs_with_keys_that_are_there_holds_nobody_for_ever() {
    store::testkit::each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyKind::Ec(Curve::P384);
        let config = NpcConfig { root_key: key, ca_key: key, ..config() };
        let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
        let gate = Hangs { now: Arc::default(), begun };
        let open = async |at| {
            let keys = Hanging { inner: key_store(directory.path()), gate: gate.clone() };
            Npc::open(db.clone(), Arc::new(keys), config.clone(), Box::new(SystemRandom), at).await
        };
        drop(open(now()).await.unwrap());
        let mut at = now();
        for when in [When::Finding, When::Signing] {
            // The services are due: their next certificates are signed by whoever opens the CA.
            at += config.service_lifetime;
            gate.set(Some(when));
            let opened = tokio::time::timeout(Duration::from_secs(60), open(at)).await;
            let error = opened.expect("it is given up").err().unwrap();
            assert_eq!(error.code(), "KEYS-TOKEN", "{error}");
            assert!(has_begun.recv().await.is_some());
            gate.set(None);
            drop(open(at).await.unwrap());
        }
        let npc = open(at).await.unwrap();
        let due = npc.ca_certificates().ocsp.not_after() - SignedDuration::from_mins(1);
        gate.set(Some(When::Listing));
        let maintained = tokio::time::timeout(Duration::from_secs(60), npc.maintain(due)).await;
        assert_eq!(maintained.expect("it is given up").unwrap_err().code(), "KEYS-TOKEN");
        gate.set(None);
        npc.maintain(due).await.unwrap();
    })
    .await;
}

/// What two processes once made together serves nobody: the next number is taken, also where the certificate is there already.
#[tokio::test]
async fn a_label_with_two_keys_keeps_nobody_from_serving() {
    store::testkit::each_engine("npc", async |db| {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyKind::Ec(Curve::P384);
        let config = NpcConfig { root_key: key, ca_key: key, ..config() };
        let open = async |twice: &'static [&'static str]| {
            let keys = Arc::new(Twice(key_store(directory.path()), twice));
            Npc::open(db.clone(), keys, config.clone(), Box::new(SystemRandom), now()).await.unwrap()
        };
        let before = open(&["npc-tsa-1"]).await.ca_certificates();
        let npc = open(&["npc-tsa-1", "npc-ocsp-1", "npc-ocsp-2"]).await;
        assert!(npc.ca_certificates().tsa == before.tsa);
        assert!(npc.ca_certificates().ocsp != before.ocsp);
        let labels: Vec<_> =
            key_store(directory.path()).list().unwrap().into_iter().map(|key| key.label).collect();
        assert!(
            labels.contains(&"npc-tsa-2".to_owned()) && labels.contains(&"npc-ocsp-3".to_owned()),
            "{labels:?}"
        );
        npc.maintain(now()).await.unwrap();
    })
    .await;
}
