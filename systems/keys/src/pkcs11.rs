//! Keys in a hardware module, through its PKCS #11 library (OASIS PKCS #11 v2.40).
//!
//! A key's label is its CKA_LABEL; its CKA_ID is the text `PURPOSE/LABEL`, so that the purpose is kept by the token.
//! Private keys are made in the token, sensitive and not extractable. Sessions are kept and shared; when the token was
//! away and is back, one new log-in is tried. A PIN that the token has refused is not sent again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use curve::rsa::RsaPublicKey;
use curve::{Curve, Hash, Point, SecretBytes, Signature};
use x509::{PublicKey, SignError, SignatureAlgorithm, Signer};

use crate::{KeyError, KeyInfo, KeyKind, KeyStore, Module, Purpose, Result, check_label};

/// A token of a PKCS #11 module.
pub struct Pkcs11KeyStore {
    token: Arc<Token>,
}

struct Token {
    module: Pkcs11,
    label: String,
    state: Mutex<State>,
}

struct State {
    pin: AuthPin,
    refused: bool,
    slot: Slot,
    /// Holds the log-in: PKCS #11 logs out when the last session closes.
    login: Option<Session>,
    idle: Vec<Session>,
}

impl Pkcs11KeyStore {
    /// Opens the token with this label in the module and logs in. The PIN comes from a file
    /// ([`crate::read_secret_file`]), never from a command line.
    pub fn open(module: &Path, token_label: &str, pin: &SecretBytes) -> Result<Self> {
        let module = load(module)?;
        let pin =
            std::str::from_utf8(pin.expose()).map_err(|_| KeyError::TokenPin(token_label.to_owned()))?;
        let slot = find_slot(&module, token_label)?;
        let state =
            State { pin: AuthPin::new(pin.into()), refused: false, slot, login: None, idle: Vec::new() };
        let token = Arc::new(Token { module, label: token_label.to_owned(), state: Mutex::new(state) });
        token.log_in()?;
        Ok(Self { token })
    }

    fn find(&self, session: &Session, label: &str) -> Result<Option<(ObjectHandle, KeyInfo)>> {
        let template =
            [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(label.as_bytes().to_vec())];
        let found = session.find_objects(&template).map_err(|error| self.token.error(error))?;
        match found.as_slice() {
            [] => Ok(None),
            [private] => Ok(Some((*private, self.info(session, *private, label)?))),
            _ => Err(KeyError::Ambiguous(label.to_owned())),
        }
    }

    fn info(&self, session: &Session, private: ObjectHandle, label: &str) -> Result<KeyInfo> {
        let id = attributes(&self.token, session, private, &[AttributeType::Id])?;
        let Some(Attribute::Id(id)) = id.into_iter().next() else { return Err(foreign(label)) };
        let id = String::from_utf8(id).map_err(|_| foreign(label))?;
        let purpose = id.strip_suffix(label).and_then(|id| id.strip_suffix('/')).and_then(Purpose::from_str);
        let purpose = purpose.ok_or_else(|| foreign(label))?;
        let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Id(id.into_bytes())];
        let public = session.find_objects(&template).map_err(|error| self.token.error(error))?;
        let public = *public.first().ok_or_else(|| foreign(label))?;
        let spki = self.spki(session, public)?.ok_or_else(|| foreign(label))?;
        let kind = match PublicKey::from_spki(&spki).map_err(|_| foreign(label))? {
            PublicKey::Rsa(key) => KeyKind::Rsa(key.bits() as u16),
            PublicKey::Ec(point) => KeyKind::Ec(point.curve()),
            _ => return Err(foreign(label)),
        };
        Ok(KeyInfo { label: label.to_owned(), kind, purpose, spki })
    }

    fn spki(&self, session: &Session, public: ObjectHandle) -> Result<Option<Vec<u8>>> {
        let wanted = [
            AttributeType::Modulus,
            AttributeType::PublicExponent,
            AttributeType::EcParams,
            AttributeType::EcPoint,
        ];
        let (mut modulus, mut exponent, mut params, mut point) = (None, None, None, None);
        // A token may refuse the whole question for one attribute the object does not have: ask one by one.
        for attribute in wanted {
            for found in session.get_attributes(public, &[attribute]).unwrap_or_default() {
                match found {
                    Attribute::Modulus(value) if !value.is_empty() => modulus = Some(value),
                    Attribute::PublicExponent(value) if !value.is_empty() => exponent = Some(value),
                    Attribute::EcParams(value) if !value.is_empty() => params = Some(value),
                    Attribute::EcPoint(value) if !value.is_empty() => point = Some(value),
                    _ => {}
                }
            }
        }
        if let (Some(modulus), Some(exponent)) = (modulus, exponent) {
            return Ok(RsaPublicKey::from_numbers(&modulus, &exponent).ok().map(|key| key.spki()));
        }
        let (Some(params), Some(point)) = (params, point) else { return Ok(None) };
        let Some(curve) = Curve::ALL.into_iter().find(|curve| tlv::encode_oid(curve.oid()) == params) else {
            return Ok(None);
        };
        // PKCS #11 v2.40 §2.3.3: CKA_EC_POINT is the DER OCTET STRING of the point; some modules give the point itself.
        let inner = tlv::expect(&point, 0x04).map_or(point.as_slice(), |octets| octets.value);
        Ok(Point::from_uncompressed(curve, inner).ok().map(|point| curve::spki_from_point(&point)))
    }
}

impl KeyStore for Pkcs11KeyStore {
    fn generate(&self, label: &str, kind: KeyKind, purpose: Purpose) -> Result<KeyInfo> {
        check_label(label)?;
        self.token.with(|session| {
            if let Some((_, info)) = self.find(session, label)? {
                return info.same(kind, purpose);
            }
            let id = format!("{}/{label}", purpose.as_str()).into_bytes();
            let named = |token| {
                vec![
                    Attribute::Token(token),
                    Attribute::Label(label.as_bytes().to_vec()),
                    Attribute::Id(id.clone()),
                ]
            };
            let mut public = named(true);
            public.extend([Attribute::Private(false), Attribute::Verify(true)]);
            let mechanism = match kind {
                KeyKind::Rsa(bits @ (2048 | 3072 | 4096)) => {
                    public.push(Attribute::ModulusBits(u64::from(bits).into()));
                    public.push(Attribute::PublicExponent(vec![1, 0, 1]));
                    Mechanism::RsaPkcsKeyPairGen
                }
                KeyKind::Ec(curve) => {
                    public.push(Attribute::EcParams(tlv::encode_oid(curve.oid())));
                    Mechanism::EccKeyPairGen
                }
                // PKCS #11 v2.40 has no mechanism for ML-DSA.
                KeyKind::Rsa(_) | KeyKind::MlDsa65 => return Err(KeyError::Kind(kind.name())),
            };
            let mut private = named(true);
            // The purpose stands in CKA_ID: with CKA_MODIFIABLE false nobody who can log in writes another one there.
            private.extend([
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Modifiable(false),
                Attribute::Sign(true),
                Attribute::Decrypt(false),
                Attribute::Unwrap(false),
                Attribute::Derive(false),
            ]);
            session.generate_key_pair(&mechanism, &public, &private).map_err(|error| match error {
                Error::Pkcs11(
                    RvError::MechanismInvalid | RvError::MechanismParamInvalid | RvError::CurveNotSupported,
                    _,
                ) => KeyError::Kind(kind.name()),
                error => self.token.error(error),
            })?;
            tracing::info!(label, kind = kind.name(), purpose = purpose.as_str(), "key made in token");
            let (_, info) = self.find(session, label)?.ok_or_else(|| KeyError::Missing(label.to_owned()))?;
            Ok(info)
        })
    }

    fn signer(&self, label: &str, purpose: Purpose) -> Result<Arc<dyn Signer>> {
        check_label(label)?;
        let (handle, info) = self
            .token
            .with(|session| self.find(session, label)?.ok_or_else(|| KeyError::Missing(label.to_owned())))?;
        let info = info.allowed(purpose)?;
        let algorithm = match info.kind {
            KeyKind::Rsa(_) => SignatureAlgorithm::RsaSha256,
            KeyKind::Ec(curve) => SignatureAlgorithm::for_curve(curve),
            KeyKind::MlDsa65 => return Err(KeyError::Kind(info.kind.name())),
        };
        Ok(Arc::new(TokenSigner { token: self.token.clone(), info, algorithm, handle: Mutex::new(handle) }))
    }

    fn list(&self) -> Result<Vec<KeyInfo>> {
        let mut found = self.token.with(|session| {
            let template = [Attribute::Class(ObjectClass::PRIVATE_KEY)];
            let keys = session.find_objects(&template).map_err(|error| self.token.error(error))?;
            let mut found = Vec::new();
            for key in keys {
                let label =
                    attributes(&self.token, session, key, &[AttributeType::Label])?.into_iter().next();
                let Some(Attribute::Label(label)) = label else { continue };
                let Ok(label) = String::from_utf8(label) else { continue };
                // Keys of other programs in the same token are none of ours.
                match self.info(session, key, &label) {
                    Ok(info) => found.push(info),
                    Err(KeyError::Token(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(found)
        })?;
        found.sort_by(|a, b| a.label.cmp(&b.label));
        Ok(found)
    }

    fn module(&self) -> Result<Option<Module>> {
        let slot = self.token.state().slot;
        // CK_TOKEN_INFO: what the token is, not what the library in front of it is.
        let info = self.token.module.get_token_info(slot).map_err(|error| self.token.error(error))?;
        let version = info.firmware_version();
        Ok(Some(Module {
            manufacturer: info.manufacturer_id().trim().to_owned(),
            model: info.model().trim().to_owned(),
            firmware: format!("{}.{}", version.major(), version.minor()),
            serial: info.serial_number().trim().to_owned(),
        }))
    }

    fn adopt(&self, from: &str, label: &str, spki: &[u8], purpose: Purpose) -> Result<KeyInfo> {
        check_label(label)?;
        self.token.with(|session| {
            if let Some((_, info)) = self.find(session, label)? {
                return info.allowed(purpose);
            }
            let template =
                [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(from.as_bytes().to_vec())];
            let found = session.find_objects(&template).map_err(|error| self.token.error(error))?;
            let private = match found.as_slice() {
                [] => return Err(KeyError::Missing(from.to_owned())),
                [private] => *private,
                _ => return Err(KeyError::Ambiguous(from.to_owned())),
            };
            let id = format!("{}/{label}", purpose.as_str()).into_bytes();
            let named = [Attribute::Id(id.clone()), Attribute::Label(label.as_bytes().to_vec())];
            // The public key first, the private one's label last: interrupted, it is found under its old label again, and its
            // public key under the new identifier.
            let renamed = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Id(id)];
            let done = session.find_objects(&renamed).map_err(|error| self.token.error(error))?;
            if done.is_empty() {
                let public = self.public_of(session, private, from)?;
                if self.spki(session, public)?.as_deref() != Some(spki) {
                    return Err(KeyError::Foreign("the key in the token is not that of the certificate"));
                }
                session.update_attributes(public, &named).map_err(|error| self.token.error(error))?;
            }
            session.update_attributes(private, &named).map_err(|error| self.token.error(error))?;
            tracing::info!(label, purpose = purpose.as_str(), "key in token taken over");
            let (_, info) = self.find(session, label)?.ok_or_else(|| KeyError::Missing(label.to_owned()))?;
            Ok(info)
        })
    }

    fn destroy(&self, label: &str) -> Result<()> {
        check_label(label)?;
        self.token.with(|session| {
            let template =
                [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(label.as_bytes().to_vec())];
            let found = session.find_objects(&template).map_err(|error| self.token.error(error))?;
            let Some(first) = found.first() else { return Err(KeyError::Missing(label.to_owned())) };
            let info = self.info(session, *first, label)?;
            let id = format!("{}/{label}", info.purpose.as_str()).into_bytes();
            // Every one under the label: two processes may have made one each.
            for private in found {
                session.destroy_object(private).map_err(|error| self.token.error(error))?;
            }
            let public =
                session.find_objects(&[Attribute::Id(id)]).map_err(|error| self.token.error(error))?;
            for object in public {
                session.destroy_object(object).map_err(|error| self.token.error(error))?;
            }
            Ok(())
        })
    }
}

impl Pkcs11KeyStore {
    /// The public key that belongs to a private key of another program's: the one with its CKA_ID.
    fn public_of(&self, session: &Session, private: ObjectHandle, label: &str) -> Result<ObjectHandle> {
        let id = attributes(&self.token, session, private, &[AttributeType::Id])?;
        let Some(Attribute::Id(id)) = id.into_iter().next() else { return Err(foreign(label)) };
        let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Id(id)];
        let found = session.find_objects(&template).map_err(|error| self.token.error(error))?;
        match found.as_slice() {
            [public] => Ok(*public),
            [] => {
                Err(KeyError::Foreign("the token has no public key with the identifier of the private one"))
            }
            _ => Err(KeyError::Ambiguous(label.to_owned())),
        }
    }
}

impl Token {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on a session of its own. If the token says that session or log-in are gone, they are renewed and the work
    /// is done once more.
    fn with<T>(&self, work: impl Fn(&Session) -> Result<T>) -> Result<T> {
        for again in [true, false] {
            let session = self.session();
            let result = session.and_then(|session| {
                let done = work(&session);
                if !matches!(done, Err(KeyError::TokenGone(_))) {
                    self.state().idle.push(session);
                }
                done
            });
            match result {
                Err(KeyError::TokenGone(_)) if again => self.log_in()?,
                done => return done,
            }
        }
        Err(KeyError::TokenGone(self.label.clone()))
    }

    fn session(&self) -> Result<Session> {
        let slot = {
            let mut state = self.state();
            if let Some(idle) = state.idle.pop() {
                return Ok(idle);
            }
            state.slot
        };
        self.module.open_rw_session(slot).map_err(|error| self.error(error))
    }

    /// Drops all sessions, looks for the token anew (its slot may have changed) and logs in.
    fn log_in(&self) -> Result<()> {
        let mut state = self.state();
        if state.refused {
            return Err(KeyError::TokenPin(self.label.clone()));
        }
        state.idle.clear();
        state.login = None;
        state.slot = find_slot(&self.module, &self.label)?;
        let session = self.module.open_rw_session(state.slot).map_err(|error| self.error(error))?;
        match session.login(UserType::User, Some(&state.pin)) {
            // Another store of this process on the same token has logged in: that holds for the whole process.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                state.login = Some(session);
                Ok(())
            }
            Err(error) => {
                let error = self.error(error);
                state.refused = matches!(error, KeyError::TokenPin(_));
                Err(error)
            }
        }
    }

    fn error(&self, error: Error) -> KeyError {
        match error {
            Error::Pkcs11(
                RvError::DeviceRemoved
                | RvError::TokenNotPresent
                | RvError::TokenNotRecognized
                | RvError::SlotIdInvalid
                | RvError::SessionHandleInvalid
                | RvError::SessionClosed
                | RvError::UserNotLoggedIn
                | RvError::DeviceError
                | RvError::ObjectHandleInvalid
                | RvError::KeyHandleInvalid
                | RvError::CryptokiNotInitialized,
                _,
            ) => KeyError::TokenGone(self.label.clone()),
            Error::Pkcs11(
                RvError::PinIncorrect
                | RvError::PinInvalid
                | RvError::PinLenRange
                | RvError::PinLocked
                | RvError::PinExpired,
                _,
            ) => KeyError::TokenPin(self.label.clone()),
            error => KeyError::Token(error.to_string()),
        }
    }
}

struct TokenSigner {
    token: Arc<Token>,
    info: KeyInfo,
    algorithm: SignatureAlgorithm,
    handle: Mutex<ObjectHandle>,
}

impl Signer for TokenSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn spki(&self) -> &[u8] {
        &self.info.spki
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let digest = self.algorithm.hash().digest(message);
        self.sign_digest(&digest).map_err(|error| SignError::KeyStore(error.to_string()))
    }
}

impl TokenSigner {
    fn sign_digest(&self, digest: &[u8]) -> Result<Vec<u8>> {
        // The message is hashed here, since a revocation list of many megabytes need not travel to the token.
        let (mechanism, block) = match self.info.kind {
            // RFC 8017 §9.2: the token pads, but a DigestInfo names the hash.
            KeyKind::Rsa(_) => (Mechanism::RsaPkcs, digest_info(self.algorithm.hash(), digest)),
            KeyKind::Ec(_) => (Mechanism::Ecdsa, digest.to_vec()),
            KeyKind::MlDsa65 => return Err(KeyError::Kind(self.info.kind.name())),
        };
        let plain = self.token.with(|session| {
            let handle = *self.handle.lock().unwrap_or_else(PoisonError::into_inner);
            match session.sign(&mechanism, handle, &block) {
                Ok(signature) => Ok(signature),
                Err(Error::Pkcs11(RvError::ObjectHandleInvalid | RvError::KeyHandleInvalid, _)) => {
                    let handle = self.find_again(session)?;
                    *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = handle;
                    session.sign(&mechanism, handle, &block).map_err(|error| self.token.error(error))
                }
                Err(error) => Err(self.token.error(error)),
            }
        })?;
        match self.info.kind {
            KeyKind::Rsa(_) | KeyKind::MlDsa65 => Ok(plain),
            // PKCS #11 v2.40 §2.3.1: r || s, each as long as the order.
            KeyKind::Ec(curve) => Signature::from_plain(curve, &plain)
                .map(|signature| signature.to_der())
                .map_err(|_| KeyError::Token("the signature is not r || s".into())),
        }
    }

    fn find_again(&self, session: &Session) -> Result<ObjectHandle> {
        let id = format!("{}/{}", self.info.purpose.as_str(), self.info.label).into_bytes();
        let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id)];
        let found = session.find_objects(&template).map_err(|error| self.token.error(error))?;
        // The key was in the token when this signer was made.
        found.first().copied().ok_or_else(|| KeyError::TokenGone(self.token.label.clone()))
    }
}

/// RFC 8017 §A.2.4: DigestInfo with NULL parameters.
fn digest_info(hash: Hash, digest: &[u8]) -> Vec<u8> {
    let algorithm = tlv::sequence(&[&tlv::encode_oid(hash.oid()), &[0x05, 0x00]]);
    tlv::sequence(&[&algorithm, &tlv::encode(0x04, digest)])
}

/// A library can be started once in a process and is kept for its whole life.
fn load(path: &Path) -> Result<Pkcs11> {
    static MODULES: Mutex<Option<HashMap<PathBuf, Pkcs11>>> = Mutex::new(None);
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    let modules = modules.get_or_insert_default();
    if let Some(module) = modules.get(path) {
        return Ok(module.clone());
    }
    let problem = |error: Error| KeyError::Module { path: path.to_owned(), problem: error.to_string() };
    let module = Pkcs11::new(path).map_err(problem)?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, Function::Initialize)) => {}
        Err(error) => return Err(problem(error)),
    }
    modules.insert(path.to_owned(), module.clone());
    Ok(module)
}

fn find_slot(module: &Pkcs11, label: &str) -> Result<Slot> {
    let gone = || KeyError::TokenGone(label.to_owned());
    let slots = module.get_slots_with_token().map_err(|_| gone())?;
    let has_label = |slot: &Slot| module.get_token_info(*slot).is_ok_and(|info| info.label() == label);
    slots.into_iter().find(has_label).ok_or_else(gone)
}

fn attributes(
    token: &Token,
    session: &Session,
    object: ObjectHandle,
    wanted: &[AttributeType],
) -> Result<Vec<Attribute>> {
    session.get_attributes(object, wanted).map_err(|error| token.error(error))
}

fn foreign(label: &str) -> KeyError {
    KeyError::Token(format!("the key {label} was not made by this program"))
}
