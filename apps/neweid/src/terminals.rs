//! The sample terminals of a country: what developers and tests read and update cards with.
//!
//! Their keys are samples and no secret worth keeping; a real agency keeps its key in a hardware module and sends a request.
//! Each terminal has a file for every key, `DIR/keys/terminals/NAME-NUMBER.key`, and the request beside it, so that a
//! renewal that was interrupted goes on with the same bytes.

use crate::country::Country;
use crate::directory::write_atomically;
use crate::failure::{Failure, Fault};
use curve::{Curve, Hash, SecretKey, Signature, SystemRandom};
use eac::cvc::{
    Certificate, CertificateDescription, CvcError, Date, Extensions, Reference, Request, Rights, UpdateRights,
};
use eac::restricted_identification::SectorKey;
use eacpki::{EacPkiError, Service, TerminalAuthorisation};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use terminal::eid::TerminalIdentity;
use terminal::narrator::Words;
use zeroize::Zeroizing;

/// A sample terminal.
struct Sample {
    name: &'static str,
    mnemonic: &'static str,
    purpose: &'static str,
    rights: Rights,
    updates: UpdateRights,
    /// In how many sectors it may ask for the identifier of a card.
    sectors: usize,
}

/// The fields of the Encrypted Zone in both profiles of cards: DG9, 11, 12, 14, 15, 16, and the aliases.
const SIX_FIELDS: Rights = Rights::READ_DG9
    .with(Rights::READ_DG11)
    .with(Rights::READ_DG12)
    .with(Rights::READ_DG14)
    .with(Rights::READ_DG15)
    .with(Rights::READ_DG16)
    .with(Rights::READ_DG6)
    .with(Rights::READ_DG7)
    .with(Rights::READ_DG13)
    .with(Rights::READ_DG18)
    .with(Rights::READ_DG19)
    .with(Rights::READ_DG20);

/// What every reader of identities sees: document type, state, expiry, names, date of birth, nationality.
const MIRRORED: Rights = Rights::READ_DG1
    .with(Rights::READ_DG2)
    .with(Rights::READ_DG3)
    .with(Rights::READ_DG4)
    .with(Rights::READ_DG5)
    .with(Rights::READ_DG8)
    .with(Rights::READ_DG10);

const SAMPLES: [Sample; 4] = [
    Sample {
        name: "identity-server",
        mnemonic: "IDSERVER",
        purpose: "讀取加密區六個欄位，詢問年齡與戶籍地 Reads all six fields of the Encrypted Zone, asks for age and municipality.",
        rights: SIX_FIELDS
            .with(MIRRORED)
            .with(Rights::AGE_VERIFICATION)
            .with(Rights::MUNICIPALITY_VERIFICATION)
            .with(Rights::RESTRICTED_IDENTIFICATION),
        updates: UpdateRights::NONE,
        // As a service that moves from one sector to another.
        sectors: 2,
    },
    Sample {
        name: "two-fields",
        mnemonic: "TWOFIELDS",
        purpose: "只讀取出生地與性別 Reads place of birth and sex only.",
        rights: Rights::READ_DG9
            .with(Rights::READ_DG11)
            .with(Rights::READ_DG6)
            .with(Rights::READ_DG7)
            .with(Rights::RESTRICTED_IDENTIFICATION),
        updates: UpdateRights::NONE,
        sectors: 1,
    },
    Sample {
        name: "pin-management",
        mnemonic: "PINMGMT",
        purpose: "設定與解鎖密碼 Sets and unblocks PINs; reads nothing.",
        rights: Rights::PIN_MANAGEMENT.with(Rights::CAN_ALLOWED),
        updates: UpdateRights::NONE,
        sectors: 0,
    },
    // OPEN-41: without PIN1, and without reading what it replaces.
    Sample {
        name: "update",
        mnemonic: "UPDATE",
        purpose: "更新晶片可變更欄位 Writes the fields that may change; reads nothing.",
        rights: Rights::CAN_ALLOWED,
        updates: UpdateRights::ALL,
        sectors: 0,
    },
];

/// For how many years the sample services are approved.
const YEARS: u16 = 10;

/// Sees to it that every sample terminal has a certificate with at least half of its time left.
pub async fn renew(country: &Country, now: Timestamp) -> Result<(), Failure> {
    let present = country.eacpki.terminals().await.map_err(Failure::from_system)?;
    let half = i64::from(country.eacpki.config().terminal_days / 2);
    let soon = day(now + jiff::SignedDuration::from_hours(24 * half))?;
    for sample in &SAMPLES {
        let certificate = present.iter().find(|t| t.service == sample.name).map(|t| &t.certificate);
        if certificate.is_none_or(|certificate| certificate.body().expiration <= soon) {
            issue(country, sample, certificate, now).await?;
        }
    }
    Ok(())
}

async fn issue(
    country: &Country,
    sample: &Sample,
    present: Option<&Certificate>,
    now: Timestamp,
) -> Result<(), Failure> {
    match country.eacpki.service(sample.name).await {
        Ok(_) => {}
        Err(EacPkiError::NoSuchService(_)) => {
            let service = service(sample, day(now)?)?;
            country.eacpki.approve_service(&service, ACTOR, now).await.map_err(Failure::from_system)?;
        }
        Err(error) => return Err(Failure::from_system(error)),
    }
    let last = present.map_or(Ok(0), |certificate| certificate.body().holder.sequence().parse::<u32>());
    let number = last.map_err(Failure::ours)? + 1;
    let request = path(country, sample.name, number, "request");
    let bytes = if request.exists() {
        std::fs::read(&request)?
    } else {
        let bytes = make_request(country, sample, present, number)?;
        write_atomically(&request, &bytes)?;
        bytes
    };
    country.eacpki.issue(sample.name, &bytes, ACTOR, now).await.map_err(Failure::from_system)?;
    Ok(())
}

fn make_request(
    country: &Country,
    sample: &Sample,
    present: Option<&Certificate>,
    number: u32,
) -> Result<Vec<u8>, Failure> {
    let config = country.eacpki.config();
    let file = path(country, sample.name, number, "key");
    let key = if file.exists() {
        read_key(&file)?
    } else {
        let key = SecretKey::generate(config.curve, &mut SystemRandom);
        let directory = file.parent().unwrap_or(&file);
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
            .recursive(true)
            .create(directory)?;
        write_atomically(&file, pem(sample.name, &key).as_bytes())?;
        key
    };
    let reference = Reference::new(&config.country, sample.mnemonic, &format!("{number:05}"));
    let reference = reference.map_err(Failure::ours)?;
    let point = key.public_key();
    let request = Request::create(None, reference, &point, Extensions::default(), signer(&key));
    let mut request = request.map_err(Failure::ours)?;
    if let Some(present) = present {
        let holder = present.body().holder.clone();
        let old = read_key(&path(country, sample.name, number - 1, "key"))?;
        request = request.authenticate::<CvcError>(holder, signer(&old)).map_err(Failure::ours)?;
    }
    Ok(request.encode())
}

fn signer(key: &SecretKey) -> impl FnOnce(&[u8]) -> Result<Signature, CvcError> + '_ {
    |message| Ok(key.sign_digest(&key.curve().hash().digest(message)))
}

fn service(sample: &Sample, today: Date) -> Result<Service, Failure> {
    Ok(Service {
        name: sample.name.into(),
        official: true,
        rights: sample.rights,
        updates: sample.updates,
        description: CertificateDescription {
            issuer_name: "測試用 New eID 授權驗證系統 (sample authorisation system)".into(),
            issuer_url: Some("https://eacpki.neweid.test".into()),
            subject_name: format!("測試用 {}", sample.name),
            subject_url: Some(format!("https://{}.neweid.test", sample.name)),
            terms_of_usage: format!("測試用 Sample. {}", sample.purpose),
            ..CertificateDescription::default()
        },
        sectors: (0..sample.sectors).map(|_| sector()).collect::<Result<_, _>>()?,
        until: Date::new(today.year() + YEARS, 1, 1).map_err(Failure::ours)?,
    })
}

/// A sector, on the curve and for the hash of the cards' keys. The private half is forgotten: who had it could connect sectors.
fn sector() -> Result<SectorKey, Failure> {
    let point = SecretKey::generate(Curve::P521, &mut SystemRandom).public_key();
    SectorKey::new(&point, Hash::Sha256).map_err(Failure::ours)
}

/// `terminal-NAME.cvcert`, `terminal-NAME.key` and `terminal-NAME.description` of every sample terminal, and
/// `terminal-NAME.sector` of those that have sectors.
pub async fn files(country: &Country) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut files = Vec::new();
    for terminal in country.eacpki.terminals().await.map_err(Failure::from_system)? {
        let Some(sample) = SAMPLES.iter().find(|sample| sample.name == terminal.service) else { continue };
        let (name, body) = (sample.name, terminal.certificate.body());
        let number = body.holder.sequence().parse().map_err(Failure::ours)?;
        let key = std::fs::read(path(country, name, number, "key"))?;
        let (service, _) = country.eacpki.service(name).await.map_err(Failure::from_system)?;
        files.push((format!("terminal-{name}.cvcert"), terminal.certificate.encode()));
        files.push((format!("terminal-{name}.key"), key));
        files.push((format!("terminal-{name}.description"), service.description.encode()));
        if !service.sectors.is_empty() {
            files.push((format!("terminal-{name}.sector"), service.sector_keys()));
        }
    }
    Ok(files)
}

fn path(country: &Country, name: &str, number: u32, kind: &str) -> PathBuf {
    country.directory.keys("terminals").join(format!("{name}-{number:05}.{kind}"))
}

/// A terminal from its files, for the commands that read and update cards by right.
pub fn identity(certificates: &[PathBuf], key: &Path) -> Result<TerminalIdentity, Failure> {
    let mut chain = Vec::new();
    for file in certificates {
        chain.extend(std::fs::read(file).map_err(|error| unreadable(file, &error))?);
    }
    let bytes = Zeroizing::new(std::fs::read(key).map_err(|error| unreadable(key, &error))?);
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.contains("-----BEGIN "));
    let der = match text {
        Some(text) => x509::pem::decode("PRIVATE KEY", text).map_err(|error| unreadable(key, &error))?,
        None => bytes.to_vec(),
    };
    let secret = SecretKey::from_pkcs8(&Zeroizing::new(der)).map_err(|error| unreadable(key, &error))?;
    TerminalIdentity::new(&chain, Arc::new(x509::EcSigner::new(secret))).map_err(|error| {
        let words = Words::new(error.to_string(), error.to_string());
        Failure::from_refusal(error.refusal(), Some(words)).exit(2)
    })
}

/// What is said of a file of the caller that is of no use.
pub fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        "NEWEID-E-FILE-READ",
        Fault::Caller,
        format!("無法讀取 {}：{error}", path.display()),
        format!("{} cannot be read: {error}", path.display()),
        "neweid pki export --out DIR：terminal-NAME.cvcert, dv.cvcert, terminal-NAME.key",
    )
    .exit(2)
}

/// PKCS #8 in PEM, with a line before it that says what the key is.
fn pem(name: &str, key: &SecretKey) -> String {
    let pem = x509::pem::encode("PRIVATE KEY", key.to_pkcs8().expose());
    format!(
        "測試用金鑰，不是機密 SAMPLE key of the test terminal {name}: no secret, opens test cards only.\n{pem}"
    )
}

fn read_key(file: &Path) -> Result<SecretKey, Failure> {
    let text = std::fs::read_to_string(file)?;
    let der = x509::pem::decode("PRIVATE KEY", &text).map_err(Failure::ours)?;
    SecretKey::from_pkcs8(&der).map_err(Failure::ours)
}

fn day(t: Timestamp) -> Result<Date, Failure> {
    let date = jiff::tz::Offset::UTC.to_datetime(t).date();
    Date::new(date.year().unsigned_abs(), date.month().unsigned_abs(), date.day().unsigned_abs())
        .map_err(Failure::ours)
}

const ACTOR: &str = "sample-terminals";
