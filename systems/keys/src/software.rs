//! Keys in files: PKCS #8 encrypted with AES-256-GCM under a wrapping key that is kept elsewhere (SECURITY-33).
//!
//! One file `LABEL.key` per key, JSON, mode 0600. Label, kind, purpose and public key stand in it in the clear and are
//! authenticated with the ciphertext, so that a file renamed to another label or given another purpose does not open.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64ct::{Base64, Encoding};
use curve::rsa::RsaPrivateKey;
use curve::{Random, SecretBytes, SecretKey, mldsa};
use serde::{Deserialize, Serialize};
use x509::{EcSigner, MlDsaSigner, RsaSigner, Signer};
use zeroize::Zeroizing;

use crate::secret_file::{create_secret_file, make_directory, read_secret_file, write_atomically};
use crate::{Backup, ForeignKey, KeyError, KeyInfo, KeyKind, KeyStore, Purpose, Result, backup, check_label};

/// The AES-256 key that encrypts the key files.
pub struct WrappingKey(LessSafeKey);

impl WrappingKey {
    /// A wrapping key of 32 bytes.
    pub fn new(key: &SecretBytes) -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, key.expose())
            .map_err(|_| KeyError::Crypto("a wrapping key has 32 bytes".into()))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Reads a wrapping key written as 64 hexadecimal digits in a file of mode 0600.
    pub fn from_file(path: &Path) -> Result<Self> {
        Self::from_hex(path, &read_secret_file(path)?)
    }

    /// As [`WrappingKey::from_file`], making the file with a random key if it is not there.
    pub fn create(path: &Path, random: &mut dyn Random) -> Result<Self> {
        Self::from_hex(path, &create_secret_file(path, 32, random)?)
    }

    fn from_hex(path: &Path, text: &SecretBytes) -> Result<Self> {
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let bytes: Option<Zeroizing<Vec<u8>>> = (text.expose().len() == 64)
            .then(|| {
                text.expose().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
            })
            .and_then(|bytes: Option<Vec<u8>>| bytes.map(Zeroizing::new));
        let problem = || "a wrapping key is 64 hexadecimal digits".to_owned();
        let bytes = bytes.ok_or_else(|| KeyError::Format { path: path.to_owned(), problem: problem() })?;
        Self::new(&SecretBytes::new(&bytes))
    }
}

/// A directory of encrypted key files.
pub struct SoftwareKeyStore {
    directory: PathBuf,
    wrapping: WrappingKey,
    state: Mutex<State>,
}

struct State {
    random: Box<dyn Random + Send>,
    signers: HashMap<String, (KeyInfo, Arc<dyn Signer>)>,
}

impl SoftwareKeyStore {
    /// Opens the store in `directory`, making the directory if it is missing.
    pub fn open(directory: &Path, wrapping: WrappingKey, random: Box<dyn Random + Send>) -> Result<Self> {
        make_directory(directory)?;
        let state = Mutex::new(State { random, signers: HashMap::new() });
        Ok(Self { directory: directory.to_owned(), wrapping, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, label: &str) -> PathBuf {
        self.directory.join(format!("{label}.key"))
    }

    fn read(&self, label: &str) -> Result<Option<(KeyInfo, File)>> {
        let path = self.path(label);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(KeyError::io(&path, error)),
        };
        let problem = |problem: &str| KeyError::Format { path: path.clone(), problem: problem.to_owned() };
        let file: File = serde_json::from_slice(&text).map_err(|error| problem(&error.to_string()))?;
        if file.version != VERSION {
            return Err(problem("written by a newer program"));
        }
        let info = KeyInfo {
            label: file.label.clone(),
            kind: KeyKind::from_name(&file.kind).ok_or_else(|| problem("unknown kind of key"))?,
            purpose: Purpose::from_str(&file.purpose).ok_or_else(|| problem("unknown purpose"))?,
            spki: Base64::decode_vec(&file.spki).map_err(|_| problem("the public key is not Base64"))?,
        };
        if info.label != label {
            return Err(problem("the label is not the name of the file"));
        }
        Ok(Some((info, file)))
    }

    fn load(&self, label: &str) -> Result<(KeyInfo, Arc<dyn Signer>)> {
        let (info, pkcs8) = self.opened(label)?;
        let signer = signer_of(&info, &pkcs8).ok_or_else(|| KeyError::Sealed(label.to_owned()))?;
        Ok((info, signer))
    }

    /// The key itself.
    fn opened(&self, label: &str) -> Result<(KeyInfo, Zeroizing<Vec<u8>>)> {
        let (info, file) = self.read(label)?.ok_or_else(|| KeyError::Missing(label.to_owned()))?;
        let sealed = || KeyError::Sealed(label.to_owned());
        let nonce = Base64::decode_vec(&file.nonce).map_err(|_| sealed())?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| sealed())?;
        let mut bytes = Zeroizing::new(Base64::decode_vec(&file.sealed).map_err(|_| sealed())?);
        let length =
            self.wrapping.0.open_in_place(nonce, file.bound(), &mut bytes).map_err(|_| sealed())?.len();
        bytes.truncate(length);
        Ok((info, bytes))
    }

    /// Stores a key under its label, unless another process did it meanwhile: that one counts, ours is forgotten.
    fn store(&self, info: KeyInfo, pkcs8: &[u8]) -> Result<KeyInfo> {
        let KeyInfo { label, kind, purpose, spki } = &info;
        let mut nonce = [0; NONCE_LEN];
        self.state().random.fill(&mut nonce);
        let mut file = File {
            version: VERSION,
            label: label.clone(),
            kind: kind.name(),
            purpose: purpose.as_str().to_owned(),
            spki: Base64::encode_string(spki),
            nonce: Base64::encode_string(&nonce),
            sealed: String::new(),
        };
        let mut sealed = Zeroizing::new(pkcs8.to_vec());
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.wrapping
            .0
            .seal_in_place_append_tag(nonce, file.bound(), &mut *sealed)
            .map_err(|_| KeyError::Crypto("AES-GCM".into()))?;
        file.sealed = Base64::encode_string(&sealed);
        let text = serde_json::to_vec_pretty(&file).map_err(|error| KeyError::Crypto(error.to_string()))?;
        if !write_atomically(&self.path(label), &text, self.state().random.as_mut())? {
            let (there, _) = self.read(label)?.ok_or_else(|| KeyError::Missing(label.clone()))?;
            return there.same(*kind, *purpose);
        }
        Ok(info)
    }
}

/// The signer of a key, if it is the one that is named.
fn signer_of(info: &KeyInfo, pkcs8: &[u8]) -> Option<Arc<dyn Signer>> {
    let signer: Arc<dyn Signer> = match info.kind {
        KeyKind::Rsa(_) => Arc::new(RsaSigner::new(RsaPrivateKey::from_pkcs8(pkcs8).ok()?)),
        KeyKind::Ec(_) => Arc::new(EcSigner::new(SecretKey::from_pkcs8(pkcs8).ok()?)),
        KeyKind::MlDsa65 => Arc::new(MlDsaSigner::new(mldsa_from_pkcs8(pkcs8)?)),
    };
    (signer.spki() == info.spki).then_some(signer)
}

impl KeyStore for SoftwareKeyStore {
    fn generate(&self, label: &str, kind: KeyKind, purpose: Purpose) -> Result<KeyInfo> {
        check_label(label)?;
        if let Some((info, _)) = self.read(label)? {
            return info.same(kind, purpose);
        }
        let crypto = |error: curve::Error| KeyError::Crypto(error.to_string());
        let (pkcs8, spki) = match kind {
            KeyKind::Rsa(bits @ (2048 | 3072 | 4096)) => {
                let key = RsaPrivateKey::generate(bits).map_err(crypto)?;
                (key.to_pkcs8(), key.public().spki())
            }
            KeyKind::Ec(curve) => {
                let key = SecretKey::generate(curve, self.state().random.as_mut());
                (key.to_pkcs8(), curve::spki_from_point(&key.public_key()))
            }
            KeyKind::MlDsa65 => {
                let key = mldsa::PrivateKey::generate(self.state().random.as_mut());
                (mldsa_to_pkcs8(&key), x509::spki_from_mldsa(&key.public_key()))
            }
            KeyKind::Rsa(_) => return Err(KeyError::Kind(kind.name())),
        };
        let made = self.store(KeyInfo { label: label.to_owned(), kind, purpose, spki }, pkcs8.expose())?;
        tracing::info!(label, kind = kind.name(), purpose = purpose.as_str(), "key made");
        Ok(made)
    }

    fn signer(&self, label: &str, purpose: Purpose) -> Result<Arc<dyn Signer>> {
        check_label(label)?;
        let known = self.state().signers.get(label).cloned();
        let (info, signer) = match known {
            Some(known) => known,
            None => {
                let loaded = self.load(label)?;
                self.state().signers.insert(label.to_owned(), loaded.clone());
                loaded
            }
        };
        info.allowed(purpose)?;
        Ok(signer)
    }

    fn list(&self) -> Result<Vec<KeyInfo>> {
        let io = |error| KeyError::io(&self.directory, error);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.directory).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            let label = name.to_str().and_then(|name| name.strip_suffix(".key"));
            if let Some(label) = label.filter(|label| check_label(label).is_ok()) {
                found.extend(self.read(label)?.map(|(info, _)| info));
            }
        }
        found.sort_by(|a, b| a.label.cmp(&b.label));
        Ok(found)
    }

    fn destroy(&self, label: &str) -> Result<()> {
        check_label(label)?;
        self.state().signers.remove(label);
        let path = self.path(label);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(KeyError::Missing(label.to_owned()))
            }
            Err(error) => Err(KeyError::io(&path, error)),
        }
    }

    fn backup(&self, label: &str, threshold: u8, shares: u8) -> Result<Backup> {
        check_label(label)?;
        let (info, pkcs8) = self.opened(label)?;
        signer_of(&info, &pkcs8).ok_or_else(|| KeyError::Sealed(label.to_owned()))?;
        let made = backup::make(&info, &pkcs8, threshold, shares, self.state().random.as_mut())?;
        tracing::info!(label, threshold, shares, "key copied for its custodians");
        Ok(made)
    }

    fn restore(&self, copy: &[u8], shares: &[SecretBytes]) -> Result<KeyInfo> {
        let (info, pkcs8) = backup::open(copy, shares)?;
        check_label(&info.label)?;
        signer_of(&info, &pkcs8).ok_or_else(|| KeyError::Sealed(info.label.clone()))?;
        if let Some((there, _)) = self.read(&info.label)? {
            let same = there == info;
            return if same { Ok(there) } else { Err(KeyError::Otherwise { label: info.label }) };
        }
        let label = info.label.clone();
        let restored = self.store(info, &pkcs8)?;
        tracing::info!(label, "key put back from its copy");
        Ok(restored)
    }

    fn import(&self, label: &str, key: &ForeignKey, purpose: Purpose) -> Result<KeyInfo> {
        check_label(label)?;
        let (kind, spki) = (key.kind()?, key.spki()?);
        let info = KeyInfo { label: label.to_owned(), kind, purpose, spki };
        if let Some((there, _)) = self.read(label)? {
            let same = there == info;
            return if same { Ok(there) } else { Err(KeyError::Otherwise { label: label.to_owned() }) };
        }
        let stored = self.store(info.clone(), key.pkcs8().expose())?;
        if stored != info {
            return Err(KeyError::Otherwise { label: label.to_owned() });
        }
        tracing::info!(label, kind = kind.name(), purpose = purpose.as_str(), "key taken in");
        Ok(stored)
    }
}

/// PrivateKeyInfo up to the seed.
// RFC 9881 §6: the seed alone, as [0] IMPLICIT OCTET STRING, under the bare algorithm identifier.
fn mldsa_head() -> Vec<u8> {
    let algorithm = tlv::sequence(&[&tlv::encode_oid(tlv::oid::ML_DSA_65)]);
    let length = 3 + algorithm.len() as u8 + 2 + 2 + SEED;
    let mut head = vec![0x30, length, 0x02, 0x01, 0x00];
    head.extend(algorithm);
    head.extend([0x04, 2 + SEED, 0x80, SEED]);
    head
}

fn mldsa_to_pkcs8(key: &mldsa::PrivateKey) -> SecretBytes {
    let mut encoded = Zeroizing::new(mldsa_head());
    encoded.extend_from_slice(key.to_seed().expose());
    SecretBytes::new(&encoded)
}

fn mldsa_from_pkcs8(pkcs8: &[u8]) -> Option<mldsa::PrivateKey> {
    let seed = pkcs8.strip_prefix(mldsa_head().as_slice())?;
    mldsa::PrivateKey::from_seed(seed.try_into().ok()?).ok()
}

const SEED: u8 = mldsa::SEED_LEN as u8;

/// The persisted form. Fields are only ever added.
#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    label: String,
    kind: String,
    purpose: String,
    spki: String,
    nonce: String,
    sealed: String,
}

impl File {
    /// What the ciphertext is bound to. None of the four texts can contain a line feed.
    fn bound(&self) -> Aad<Vec<u8>> {
        let parts = ["neweid key v1", &self.label, &self.kind, &self.purpose, &self.spki];
        Aad::from(parts.join("\n").into_bytes())
    }
}

const VERSION: u32 = 1;
