//! Where the personas lie once they are made: `DIR/personas/PROFILE/NAME.card` with `NAME.json`, and the trust anchors in
//! `DIR/personas/trust`. One process makes personas at a time; what is there stays as it is.

use crate::clock;
use crate::country::Country;
use crate::directory::{Directory, write_atomically};
use crate::failure::{Failure, Fault};
use crate::personas::earlier::EarlierAuthorisation;
use crate::personas::office::{Made, Office, Order};
use crate::personas::{Attack, Cvca, Own, PERSONAS, Persona, Pins, Signer, attack, laboratory};
use chip::{DocumentSigner, Interface};
use curve::{Curve, SystemRandom};
use docsigner::{Act, DocSigner, DocumentSigning, SignerState};
use eacpki::TerminalAuthorisation;
use jiff::Timestamp;
use keys::{KeyKind, SoftwareKeyStore, WrappingKey};
use model::{CardProfile, Sex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Db;
use terminal::{Outcome, TrustStore};
use x509::crl::Reason;

/// What a tester needs beside the card. Stored and published, version 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    format: u32,
    /// Name of the persona.
    pub persona: String,
    /// Profile of the card.
    pub profile: String,
    title: Words,
    finding: Words,
    /// Name of the card's file.
    card: String,
    /// SHA-256 of the card's file as it was made.
    sha256: String,
    serial: String,
    holder: String,
    can: String,
    mrz: [String; 3],
    pin1: Secret,
    pin2: Secret,
    user_code: String,
    expected: Expected,
    /// Names of the files a reader has to trust, beside the card's.
    trust: Vec<String>,
}

/// A text in both languages.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Words {
    #[serde(rename = "zh-Hant")]
    zh: String,
    en: String,
}

/// A PIN and its state: `absent`, `unset`, `set`, `suspended` or `blocked`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Secret {
    state: String,
    value: Option<String>,
}

/// What a reader that trusts the country has to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Expected {
    /// `verified` or `refused`.
    verdict: String,
    /// The first check that fails.
    check: Option<String>,
    /// The refusal's code.
    code: Option<String>,
}

/// What was exported: the record of a persona and where its files went.
#[derive(Debug, Serialize)]
pub struct Export {
    /// The record.
    #[serde(flatten)]
    pub record: Record,
    /// The card's file.
    pub path: PathBuf,
}

/// Whether a persona has been made.
pub fn is_made(directory: &Directory, persona: &Persona, profile: CardProfile) -> bool {
    let record = std::fs::read(place(directory, persona, persona.profile(profile), "json"));
    // Earlier versions made the card of this signer with certificates of the country's authority: that one is made anew.
    record.is_ok_and(|json| {
        persona.recipe.signer != Signer::MlDsa
            || serde_json::from_slice::<Record>(&json)
                .is_ok_and(|record| record.trust == trust_names(Signer::MlDsa))
    })
}

/// A file of a persona, `card` or `json`; made now if it is not there.
pub async fn file(
    country: &Country,
    persona: usize,
    profile: CardProfile,
    ending: &str,
) -> Result<Vec<u8>, Failure> {
    ensure(country, &[persona], profile).await?;
    let persona = &PERSONAS[persona];
    Ok(std::fs::read(place(&country.directory, persona, persona.profile(profile), ending))?)
}

/// A trust anchor or revocation list by the name the records give it; `None` for any other name.
pub async fn trust_file(country: &Country, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    let files = anchors(country).await?;
    Ok(files.into_iter().find(|(file, _)| file == name).map(|(_, content)| content))
}

/// Writes personas, given by their numbers, and the trust anchors to `out`, making what is not there yet.
pub async fn export(
    country: &Country,
    personas: &[usize],
    profile: CardProfile,
    out: &Path,
) -> Result<Vec<Export>, Failure> {
    ensure(country, personas, profile).await?;
    std::fs::create_dir_all(out.join(TRUST))?;
    let mut exports = Vec::with_capacity(personas.len());
    for number in personas {
        let persona = &PERSONAS[*number];
        let profile = persona.profile(profile);
        let path = out.join(format!("{}.card", persona.name));
        let json = std::fs::read(place(&country.directory, persona, profile, "json"))?;
        write_atomically(&path, &std::fs::read(place(&country.directory, persona, profile, "card"))?)?;
        write_atomically(&path.with_extension("json"), &json)?;
        let record: Record = serde_json::from_slice(&json).map_err(Failure::ours)?;
        exports.push(Export { record, path });
    }
    for (name, content) in anchors(country).await? {
        write_atomically(&out.join(TRUST).join(name), &content)?;
    }
    Ok(exports)
}

/// Makes a card of a persona by a profile of somebody's own and writes it to `out` with the trust anchors. Nothing of it is kept
/// here: the next one is another card.
pub async fn export_own(country: &Country, number: usize, own: &Own, out: &Path) -> Result<Export, Failure> {
    let signer = match own.profile.document_signer {
        DocumentSigner::Ecdsa(Curve::P521) => Signer::Country,
        DocumentSigner::Ecdsa(Curve::P384) => Signer::Reserve,
        DocumentSigner::MlDsa65 => Signer::MlDsa,
        DocumentSigner::Ecdsa(curve) => {
            return Err(Failure::new(
                "NEWEID-E-PROFILE-SIGNER",
                Fault::Caller,
                format!("沒有以 {} 簽署的文件簽章憑證。", curve.name()),
                format!("There is no document signer on {}.", curve.name()),
                "[documents] signer = \"secp521r1\" | \"secp384r1\" | \"ML-DSA-65\"",
            )
            .exit(2));
        }
    };
    let persona = &PERSONAS[number];
    let lock = lock(&country.directory).await?;
    let by = By { profile: base(own)?, own: Some(own) };
    make(country, (signer, Cvca::Present), &[number], by).await?;
    std::fs::create_dir_all(out.join(TRUST))?;
    let path = out.join(format!("{}.card", persona.name));
    let made = |ending: &str| by.place(&country.directory, persona, ending);
    let json = std::fs::read(made("json"))?;
    write_atomically(&path, &std::fs::read(made("card"))?)?;
    write_atomically(&path.with_extension("json"), &json)?;
    for ending in ["json", "card"] {
        std::fs::remove_file(made(ending))?;
    }
    drop(lock);
    for (name, content) in anchors(country).await? {
        write_atomically(&out.join(TRUST).join(name), &content)?;
    }
    Ok(Export { record: serde_json::from_slice(&json).map_err(Failure::ours)?, path })
}

// What the office's books call a card of somebody's own profile: one that is made on the same type of chip.
fn base(own: &Own) -> Result<CardProfile, Failure> {
    for profile in [CardProfile::Interop, CardProfile::ReserveP384] {
        if production::chip_type_of(profile).map_err(Failure::from_system)? == own.profile.chip.name() {
            return Ok(profile);
        }
    }
    Err(Failure::ours("a profile for a type of chip that no order names"))
}

/// The profile that cards are made by.
#[derive(Clone, Copy)]
struct By<'a> {
    profile: CardProfile,
    /// In its place.
    own: Option<&'a Own>,
}

impl By<'_> {
    fn name(&self) -> String {
        self.own.map_or_else(|| self.profile.to_string(), |own| own.profile.name.clone())
    }

    fn place(&self, directory: &Directory, persona: &Persona, ending: &str) -> PathBuf {
        match self.own {
            Some(_) => root(directory).join("own").join(format!("{}.{ending}", persona.name)),
            None => place(directory, persona, self.profile, ending),
        }
    }
}

/// Directory of the trust anchors beside the cards.
const TRUST: &str = "trust";

pub(super) fn root(directory: &Directory) -> PathBuf {
    directory.root.join("personas")
}

fn place(directory: &Directory, persona: &Persona, profile: CardProfile, ending: &str) -> PathBuf {
    root(directory).join(profile.as_str()).join(format!("{}.{ending}", persona.name))
}

// Makes what is missing.
async fn ensure(country: &Country, personas: &[usize], profile: CardProfile) -> Result<(), Failure> {
    let directory = &country.directory;
    let missing = || -> Vec<usize> {
        personas.iter().copied().filter(|n| !is_made(directory, &PERSONAS[*n], profile)).collect()
    };
    if missing().is_empty() {
        return Ok(());
    }
    let lock = lock(directory).await?;
    // Another process may have been at work while this one waited.
    let missing = missing();
    let offices: BTreeSet<_> = missing.iter().map(|n| PERSONAS[*n].recipe.authorities()).collect();
    for authorities in offices {
        let some: Vec<usize> =
            missing.iter().copied().filter(|n| PERSONAS[*n].recipe.authorities() == authorities).collect();
        make(country, authorities, &some, By { profile, own: None }).await?;
    }
    drop(lock);
    Ok(())
}

// One process makes personas at a time.
async fn lock(directory: &Directory) -> Result<File, Failure> {
    let root = root(directory);
    create_private(&root)?;
    let file = File::create(root.join("lock"))?;
    Ok(tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await.map_err(Failure::ours)??)
}

// Makes the personas that one signer signs and that trust the same CVCA.
async fn make(
    country: &Country,
    (signer, cvca): (Signer, Cvca),
    personas: &[usize],
    wanted: By<'_>,
) -> Result<(), Failure> {
    let work = root(&country.directory).join("work");
    // What a killed process has left.
    if work.exists() {
        std::fs::remove_dir_all(&work)?;
    }
    create_private(&work)?;
    let (signing, now): (Arc<DocSigner>, Timestamp) = match signer {
        Signer::Country => (country.docsigner.clone(), clock::now()),
        Signer::Earlier => {
            let (signing, since) = earlier(country).await?;
            (Arc::new(signing), since)
        }
        Signer::Revoked => {
            let now = clock::now();
            (Arc::new(open_signer(&root(&country.directory).join(REVOKED), now).await?), now)
        }
        Signer::Reserve => {
            let now = clock::now();
            let place = root(&country.directory).join(RESERVE);
            (Arc::new(open_signer_with(&place, RESERVE_KEYS, now).await?), now)
        }
        Signer::MlDsa => {
            let now = clock::now();
            let place = root(&country.directory).join(MLDSA);
            (Arc::new(open_signer_with(&place, MLDSA_KEYS, now).await?), now)
        }
        Signer::SelfMade => {
            let now = clock::now();
            (Arc::new(open_signer(&work.join("forger"), now).await?), now)
        }
    };
    let terminals: Arc<dyn TerminalAuthorisation> = match cvca {
        Cvca::Present => country.eacpki.clone(),
        Cvca::Earlier => Arc::new(EarlierAuthorisation::of(country).await?),
    };
    let npc = match signer {
        Signer::MlDsa => laboratory::authority(country).await?,
        _ => country.npc.clone(),
    };
    let terminal = country.mgmt.terminal();
    let trusted = terminals.trust_point().await.map_err(Failure::from_system)?;
    let office = Office::open(&work, signing.clone(), npc, terminals, terminal, now, wanted.own).await?;
    let mut orders = Vec::new();
    for number in personas {
        let persona = &PERSONAS[*number];
        let profile = persona.profile(wanted.profile);
        let place = By { profile, ..wanted }.place(&country.directory, persona, "card");
        place.parent().map_or(Ok(()), create_private)?;
        orders.push(Order { persona, number: *number, profile, copy: 0 });
        if persona.recipe.attack == Some(Attack::Clone) {
            // The card that the forger owns.
            orders.push(Order { persona, number: *number, profile, copy: 1 });
        }
    }
    let made = office.make(&orders).await?;
    office.close().await;
    if matches!(cvca, Cvca::Earlier) {
        for card in &made {
            attack::before_the_roll_over(&card.card, &trusted)?;
        }
    }
    if signer == Signer::Revoked {
        revoke(&signing).await?;
    }
    let trust = trust(country).await?;
    for (order, card) in orders.iter().zip(&made).filter(|(order, _)| order.copy == 0) {
        let (persona, by) = (order.persona, By { profile: order.profile, ..wanted });
        let own = orders.iter().zip(&made).find(|(o, _)| o.number == order.number && o.copy == 1);
        let file = match persona.recipe.attack {
            None => &card.card,
            Some(Attack::Birth) => attack::birth(&card.card, card.serial).map(|()| &card.card)?,
            Some(Attack::Portrait) => {
                let another = mgmt::portrait::draw_as(9_999, Sex::Female);
                attack::portrait(&card.card, card.serial, &another).map(|()| &card.card)?
            }
            Some(Attack::Signature) => attack::signature(&card.card).map(|()| &card.card)?,
            Some(Attack::Missing) => attack::erase(&card.card).map(|()| &card.card)?,
            Some(Attack::Clone) => {
                let (_, own) = own.ok_or_else(|| Failure::ours("the forger's card"))?;
                attack::clone(&card.card, card.serial, &own.card)?;
                &own.card
            }
        };
        let record = inspect(persona, &by.name(), signer, card, file, &trust)?;
        std::fs::rename(file, by.place(&country.directory, persona, "card"))?;
        let json = serde_json::to_vec_pretty(&record).map_err(Failure::ours)?;
        write_atomically(&by.place(&country.directory, persona, "json"), &json)?;
    }
    std::fs::remove_dir_all(&work)?;
    Ok(())
}

// Reads the card as a stranger would and compares with what the catalogue says. What does not get the verdict it is meant to
// get is never handed out.
fn inspect(
    persona: &Persona,
    profile: &str,
    signer: Signer,
    made: &Made,
    file: &Path,
    trust: &TrustStore,
) -> Result<Record, Failure> {
    let bytes = std::fs::read(file)?;
    let memory = chip::FileMemory::open(file).map_err(Failure::ours)?;
    let chip = chip::Chip::open(Box::new(memory), Box::new(SystemRandom)).map_err(Failure::ours)?;
    let report = crate::cards::read(chip, Interface::Contactless, made.serial, trust);
    let failed = report.checks.iter().find(|check| check.outcome == Outcome::Failed);
    if report.verdict != persona.verdict || failed.map(|check| check.check) != persona.check {
        return Err(Failure::new(
            "NEWEID-E-PERSONA",
            Fault::Ours,
            format!("人物卡 {} 的驗證結果與目錄不符：{report:?}", persona.name),
            format!("Persona {} does not get the verdict it is meant to get: {report:?}", persona.name),
            "請回報此訊息 Please report this message.",
        ));
    }
    let expected = Expected {
        verdict: word(&report.verdict)?,
        check: failed.map(|check| word(&check.check)).transpose()?,
        code: failed.and_then(|check| check.refusal).map(|refusal| refusal.code().to_owned()),
    };
    let recipe = &persona.recipe;
    let pin1 = match recipe.pins {
        Pins::Unset => "unset",
        Pins::Pin1Suspended => "suspended",
        Pins::Pin1Blocked => "blocked",
        Pins::Set | Pins::Pin2Blocked => "set",
    };
    let pin2 = match recipe.pins {
        _ if !recipe.certificate => "absent",
        Pins::Unset => "unset",
        Pins::Pin2Blocked => "blocked",
        _ => "set",
    };
    // A copy opens with the copied number, but has the PINs of the chip it is on: nobody but the forger knows them.
    let secret = |state: &str, value: Option<&str>| Secret {
        state: state.to_owned(),
        value: value.filter(|_| recipe.attack != Some(Attack::Clone)).map(str::to_owned),
    };
    Ok(Record {
        format: 1,
        persona: persona.name.to_owned(),
        profile: profile.to_owned(),
        title: Words { zh: persona.zh.to_owned(), en: persona.en.to_owned() },
        finding: Words { zh: persona.finding_zh.to_owned(), en: persona.finding_en.to_owned() },
        card: format!("{}.card", persona.name),
        sha256: hex::encode(curve::Hash::Sha256.digest(&bytes)),
        serial: made.serial.to_string(),
        holder: made.holder.clone(),
        can: made.serial.can().as_str().to_owned(),
        mrz: made.mrz.clone(),
        pin1: secret(pin1, made.pin1.as_ref().map(model::Pin1::expose)),
        pin2: secret(pin2, made.pin2.as_ref().map(model::Pin2::expose)),
        user_code: made.user_code.expose().to_owned(),
        expected,
        trust: trust_names(signer),
    })
}

// What a reader of a card has to trust: country signing CA and its list, and of the laboratory's card the chain of its
// certificates too, which is not the country's.
fn trust_names(signer: Signer) -> Vec<String> {
    let documents = match signer {
        Signer::Earlier => [EARLIER_CSCA, EARLIER_LIST],
        Signer::Revoked => [REVOKED_CSCA, REVOKED_LIST],
        Signer::Reserve => [RESERVE_CSCA, RESERVE_LIST],
        Signer::MlDsa => [MLDSA_CSCA, MLDSA_LIST],
        Signer::Country | Signer::SelfMade => [CSCA, CSCA_LIST],
    };
    let certificates: &[&str] = if signer == Signer::MlDsa { &laboratory::FILES } else { &[] };
    documents.iter().chain(certificates).map(|name| format!("{TRUST}/{name}")).collect()
}

// A word of the report as its JSON has it.
fn word(value: &impl Serialize) -> Result<String, Failure> {
    let value = serde_json::to_value(value).map_err(Failure::ours)?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

const CSCA: &str = "csca.pem";
const CSCA_LIST: &str = "csca.crl";
const EARLIER_CSCA: &str = "csca-earlier.pem";
const EARLIER_LIST: &str = "csca-earlier.crl";
const REVOKED_CSCA: &str = "csca-revoked.pem";
const REVOKED_LIST: &str = "csca-revoked.crl";
const RESERVE_CSCA: &str = "csca-reserve.pem";
const RESERVE_LIST: &str = "csca-reserve.crl";
const MLDSA_CSCA: &str = "csca-mldsa.pem";
const MLDSA_LIST: &str = "csca-mldsa.crl";

// Certificates and lists that readers of personas trust, under the names the records give them.
async fn anchors(country: &Country) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut files = anchor(&country.docsigner, CSCA, CSCA_LIST).await?;
    if root(&country.directory).join(EARLIER).join(SINCE).exists() {
        files.extend(anchor(&earlier(country).await?.0, EARLIER_CSCA, EARLIER_LIST).await?);
    }
    let place = root(&country.directory).join(REVOKED);
    if place.join("docsigner.sqlite").exists() {
        let signing = open_signer(&place, clock::now()).await?;
        files.extend(anchor(&signing, REVOKED_CSCA, REVOKED_LIST).await?);
    }
    for (place, keys, csca, list) in
        [(RESERVE, RESERVE_KEYS, RESERVE_CSCA, RESERVE_LIST), (MLDSA, MLDSA_KEYS, MLDSA_CSCA, MLDSA_LIST)]
    {
        let place = root(&country.directory).join(place);
        if place.join("docsigner.sqlite").exists() {
            let signing = open_signer_with(&place, keys, clock::now()).await?;
            files.extend(anchor(&signing, csca, list).await?);
        }
    }
    // The chains of the certificates on the cards.
    files.extend(laboratory::files(&country.npc, "npc").await?);
    if laboratory::exists(&country.directory) {
        let npc = laboratory::authority(country).await?;
        files.extend(laboratory::files(&npc, laboratory::PREFIX).await?);
    }
    Ok(files)
}

// What a key compromise leads to: two officers revoke every signer that may still sign.
async fn revoke(signing: &DocSigner) -> Result<(), Failure> {
    for signer in signing.ds_certificates().await.map_err(Failure::from_system)? {
        if signer.state == SignerState::Active {
            let act = Act::Revoke { number: signer.number, reason: Reason::KeyCompromise };
            let proposal = signing
                .propose(act, "persona-officer-1", clock::now())
                .await
                .map_err(Failure::from_system)?;
            signing
                .approve(proposal.number, "persona-officer-2", clock::now(), &mut SystemRandom)
                .await
                .map_err(Failure::from_system)?;
        }
    }
    Ok(())
}

async fn anchor(signing: &DocSigner, csca: &str, list: &str) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let certificate = signing.csca_certificate().await.map_err(Failure::from_system)?;
    let revoked = signing.csca_crl(clock::now()).await.map_err(Failure::from_system)?;
    Ok(vec![(csca.to_owned(), certificate.to_pem().into_bytes()), (list.to_owned(), revoked)])
}

async fn trust(country: &Country) -> Result<TrustStore, Failure> {
    let mut trust = TrustStore::default();
    for (name, content) in anchors(country).await? {
        if name.ends_with(".crl") {
            trust.add_crl(x509::crl::Crl::parse(&content).map_err(Failure::ours)?);
        } else {
            let pem = x509::pem::decode_all(&String::from_utf8_lossy(&content)).map_err(Failure::ours)?;
            for block in pem {
                trust.add_certificate(x509::Certificate::parse(&block.der).map_err(Failure::ours)?);
            }
        }
    }
    Ok(trust)
}

/// Directory of the generation of the country signing CA that signed expired cards.
const EARLIER: &str = "earlier";
/// Directory of the generation whose document signers are revoked once they have signed.
const REVOKED: &str = "revoked";
/// Directory of the generation that signs for the reserve chip.
const RESERVE: &str = "reserve";
/// Directory of the generation that signs with ML-DSA-65.
const MLDSA: &str = "mldsa";
/// Keys of the CSCA and of its document signers.
const PRESENT_KEYS: [KeyKind; 2] = [KeyKind::Ec(Curve::P521); 2];
const RESERVE_KEYS: [KeyKind; 2] = [KeyKind::Ec(Curve::P521), KeyKind::Ec(Curve::P384)];
const MLDSA_KEYS: [KeyKind; 2] = [KeyKind::MlDsa65; 2];
/// File with the moment it was made at.
const SINCE: &str = "since";
/// How long ago: longer than a card is valid, but not longer than its signer's certificate.
const AGO: i64 = (3_653 + 30) * 86_400;

// The document signer of ten years ago. Kept, so that its list can be made anew.
async fn earlier(country: &Country) -> Result<(DocSigner, Timestamp), Failure> {
    let place = root(&country.directory).join(EARLIER);
    let since = place.join(SINCE);
    if !since.exists() {
        create_private(&place)?;
        let ago = Timestamp::from_second(clock::now().as_second() - AGO).map_err(Failure::ours)?;
        write_atomically(&since, ago.to_string().as_bytes())?;
    }
    let since = std::fs::read_to_string(&since)?.parse().map_err(Failure::ours)?;
    Ok((open_signer(&place, since).await?, since))
}

async fn open_signer(place: &Path, now: Timestamp) -> Result<DocSigner, Failure> {
    open_signer_with(place, PRESENT_KEYS, now).await
}

async fn open_signer_with(
    place: &Path,
    [csca_key, signer_key]: [KeyKind; 2],
    now: Timestamp,
) -> Result<DocSigner, Failure> {
    create_private(place)?;
    let url = format!("sqlite:{}", place.join("docsigner.sqlite").display());
    let db = Db::open(&url, "docsigner").await.map_err(Failure::from_system)?;
    let wrapping =
        WrappingKey::create(&place.join("wrapping.key"), &mut SystemRandom).map_err(Failure::from_system)?;
    let keys = SoftwareKeyStore::open(&place.join("keys"), wrapping, Box::new(SystemRandom))
        .map_err(Failure::from_system)?;
    let config =
        docsigner::Config { parallel_signers: 1, csca_key, signer_key, ..docsigner::Config::default() };
    DocSigner::open(db, Arc::new(keys), config, now, &mut SystemRandom).await.map_err(Failure::from_system)
}

pub(super) fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
