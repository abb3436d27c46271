//! A country opened: every system on its own database with its own keys, wired to its neighbours by their traits.

use crate::clock;
use crate::directory::{Directory, write_atomically};
use crate::failure::{Failure, Fault};
use crate::meter::Meter;
use curve::{Random, SecretBytes, SystemRandom};
use docsigner::{DocSigner, PublishedKind};
use eacpki::EacPki;
use jiff::Timestamp;
use keys::{KeyStore, Pkcs11KeyStore, SoftwareKeyStore, WrappingKey};
use mgmt::{CaChain, Mgmt, MgmtKeys, Neighbours, OfficeTerminal};
use npc::{Npc, NpcConfig, NpcError, Urls};
use operators::{Operators, Role};
use production::{Centre, CentreConfig, Manufacturer};
use ra::Ra;
use registry::SimulatedRegister;
use sealed::{MasterKey, SharedRandom};
use std::path::Path;
use std::sync::Arc;
use store::{Db, Migration, params};
use terminal::TrustStore;

/// Invented persons in a new register, beside the sample persons.
const POPULATION: u32 = 1_000;
/// Seed of the population: every test country has the same people.
const POPULATION_SEED: u64 = 2026;
/// Blank cards the manufacturer delivers at a time.
const LOT: u32 = 24;
/// Stock below which the next lot is ordered.
const LOW_STOCK: u64 = 6;
/// How long the first run waits for steps that cannot be done at the moment.
const CREATION_PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);
/// How long ago the first CVCA of a new country was made: long enough for a successor, not so long that it has ended.
const CVCA_PAST: jiff::SignedDuration = jiff::SignedDuration::from_hours(24 * 1_000);
/// How often what runs out is renewed, and how soon again where that failed.
const UPKEEP: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
const UPKEEP_AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(5);
/// Series of the serial numbers of the test country.
const SERIES: &str = "N5A";
/// The series of cards on the reserve chip.
const RESERVE_SERIES: &str = "R5A";
/// The profile of cards on the reserve chip (CARD-12).
const RESERVE: model::CardProfile = model::CardProfile::ReserveP384;

/// The operators a new country begins with; one of them has left the office.
const SAMPLE_OPERATORS: [(&str, Option<Role>); 8] = [
    ("ca-anna", Some(Role::CaOperator)),
    ("ca-bert", Some(Role::CaOperator)),
    ("ra-chen", Some(Role::RaOfficer)),
    ("audit-lin", Some(Role::Auditor)),
    ("card-wu", Some(Role::CardCentre)),
    ("card-yang", Some(Role::CardCentre)),
    ("line-tsai", Some(Role::Hotline)),
    ("former-hsu", None),
];

/// The systems of one country.
pub struct Country {
    /// Its directory.
    pub directory: Directory,
    /// Household register.
    pub register: Arc<SimulatedRegister>,
    /// Country signing CA and document signers.
    pub docsigner: Arc<DocSigner>,
    /// Which terminal may do what with a card.
    pub eacpki: Arc<EacPki>,
    /// Natural-person certificates.
    pub npc: Arc<Npc>,
    /// Card centre.
    pub centre: Centre,
    /// Management system.
    pub mgmt: Mgmt,
    /// The people who work at the console.
    pub operators: Operators,
    /// What is counted of the services while they run.
    pub meter: Arc<Meter>,
    /// The database of each system, for its audit chain and its queue.
    pub books: Vec<(&'static str, Db)>,
    /// Registration authority.
    pub ra: Ra,
    /// The natural-person authority of the laboratory, once somebody has asked for it (`personas::laboratory`).
    pub laboratory: tokio::sync::OnceCell<Arc<Npc>>,
    manufacturer: Manufacturer,
    random: SharedRandom,
    next_maintenance: tokio::sync::Mutex<Timestamp>,
}

impl Country {
    /// Opens a country; the first time creates its keys, register, offices and sample cards. A creation that was
    /// interrupted is continued where it was.
    pub async fn open_or_create(directory: &Directory) -> Result<(Self, bool), Failure> {
        let country = Self::wire(directory).await?;
        country.take_over(clock::now()).await?;
        let marker = directory.root.join("created");
        if marker.exists() {
            return Ok((country, false));
        }
        country.create().await?;
        write_atomically(&marker, clock::now().to_string().as_bytes())?;
        Ok((country, true))
    }

    /// Takes up at once what a killed predecessor had begun. Only for the process that has the directory's lock: it alone
    /// does the country's work.
    pub async fn take_over(&self, now: Timestamp) -> Result<(), Failure> {
        self.centre.take_over(now).await.map_err(Failure::from_system)?;
        self.mgmt.take_over(now).await.map_err(Failure::from_system)
    }

    /// Opens a country that has been created; for commands beside a running `neweid up` or without one.
    pub async fn open(dir: &Path) -> Result<Self, Failure> {
        let directory = Directory::open(dir)?;
        directory.expect_writable()?;
        if !directory.root.join("created").exists() {
            return Err(Failure::new(
                "NEWEID-E-DIR-INCOMPLETE",
                Fault::Caller,
                format!("{} 尚未建立完成。", dir.display()),
                format!("The country in {} is not complete yet.", dir.display()),
                format!("neweid up --dir {}", dir.display()),
            ));
        }
        Self::wire(&directory).await
    }

    async fn wire(directory: &Directory) -> Result<Self, Failure> {
        let now = clock::now();
        let random = SharedRandom::new(SystemRandom);
        // Token and database are opened before the first key is made: until then the settings may be corrected.
        let token = token(directory)?;
        let meter = Arc::new(Meter::default());
        let register_db = database(directory, "registry").await?;
        claim_database(directory).await?;
        let register =
            SimulatedRegister::open(register_db, &master_key(directory, "registry")?, random.clone())
                .await
                .map_err(Failure::from_system)?;
        let docsigner = DocSigner::open(
            database(directory, "docsigner").await?,
            meter.store("docsigner", key_store(directory, token.as_ref(), "docsigner")?),
            docsigner::Config {
                publication: format!("{}/pkd/", directory.settings.web_url),
                ..docsigner::Config::default()
            },
            now,
            &mut SystemRandom,
        )
        .await
        .map_err(Failure::from_system)?;
        let eacpki = EacPki::open_with_past(
            database(directory, "eacpki").await?,
            meter.store("eacpki", key_store(directory, token.as_ref(), "eacpki")?),
            eacpki::Config::default(),
            now - CVCA_PAST,
            now,
        )
        .await
        .map_err(Failure::from_system)?;
        let npc = Npc::open(
            database(directory, "npc").await?,
            meter.store("npc", key_store(directory, token.as_ref(), "npc")?),
            npc_config(directory)?,
            Box::new(SystemRandom),
            now,
        )
        .await
        .map_err(Failure::from_system)?;
        let (register, docsigner, npc) = (Arc::new(register), Arc::new(docsigner), Arc::new(npc));
        let eacpki = Arc::new(eacpki);

        let trust = trust(&docsigner).await?;
        let production_db = database(directory, "production").await?;
        let centre = Centre::open(
            production_db.clone(),
            &master_key(directory, "production")?,
            CentreConfig::new(directory.root.join("cards"), trust, crate::cards::fonts()?),
            random.clone(),
        )
        .await
        .map_err(Failure::from_system)?;
        let authority = npc.ca_certificates();
        let mgmt_db = database(directory, "mgmt").await?;
        let service = OfficeTerminal::service(now).map_err(Failure::from_system)?;
        eacpki.ensure_service(&service, "ministry", now).await.map_err(Failure::from_system)?;
        let office_keys = key_store(directory, token.as_ref(), "mgmt")?;
        let terminal =
            OfficeTerminal::open(mgmt_db.clone(), eacpki.clone(), office_keys, eacpki.config()).await;
        let mgmt = Mgmt::open(
            mgmt_db.clone(),
            Neighbours {
                register: register.clone(),
                certificates: npc.clone(),
                signing: docsigner.clone(),
                centre: Arc::new(centre.clone()),
                authorisation: eacpki.clone(),
                terminal: Arc::new(terminal.map_err(Failure::from_system)?),
                chain: CaChain {
                    root: authority.root.der().to_vec(),
                    intermediate: authority.ca.der().to_vec(),
                },
            },
            MgmtKeys::new(&master_key(directory, "mgmt")?),
            mgmt::Config::default(),
            random.clone(),
        )
        .await
        .map_err(Failure::from_system)?;
        let operators = operators(directory, random.clone()).await?;
        let ra = registration_authority(directory, &mgmt, &npc, &register, random.clone()).await?;
        let books = vec![
            ("npc", npc.db().clone()),
            ("docsigner", docsigner.db().clone()),
            ("eacpki", eacpki.db().clone()),
            ("production", production_db),
            ("mgmt", mgmt_db),
            ("operators", operators.db().clone()),
            ("ra", ra.db().clone()),
        ];
        let manufacturer = Manufacturer::new(master_key(directory, "manufacturer")?);
        Ok(Self {
            directory: directory.clone(),
            register,
            docsigner,
            eacpki,
            npc,
            centre,
            mgmt,
            operators,
            meter,
            books,
            ra,
            laboratory: tokio::sync::OnceCell::new(),
            manufacturer,
            random,
            next_maintenance: tokio::sync::Mutex::new(now),
        })
    }

    /// The natural-person CA's hierarchy before there is a country: for the ceremony that founds it. The caller has the
    /// directory's lock.
    pub async fn founding(directory: &Directory) -> Result<npc::Founding, Failure> {
        let token = token(directory)?;
        claim_database(directory).await?;
        let db = database(directory, "npc").await?;
        let keys = key_store(directory, token.as_ref(), "npc")?;
        let founding = npc::Founding::open(db, keys, npc_config(directory)?, Box::new(SystemRandom)).await;
        founding.map_err(Failure::from_system)
    }

    /// The clock handed to services.
    pub fn clock(&self) -> npc::Clock {
        Arc::new(clock::now)
    }

    /// A source of randomness for one task.
    pub fn random(&self) -> impl Random + Send + use<> {
        self.random.clone()
    }

    /// Does everything that is due now, in a process that does nothing else: upkeep and work.
    pub async fn work_due(&self, now: Timestamp) -> Result<bool, Failure> {
        let kept = self.keep_up(now).await;
        let worked = self.work(now).await;
        kept.and(worked)
    }

    /// The card centre's line and the cases of management. Returns whether something was done, so that there may be more to do.
    /// What fails keeps nothing else from being done: a death is followed while there are no blank cards.
    pub async fn work(&self, now: Timestamp) -> Result<bool, Failure> {
        let steps = [
            self.restock(now).await.map(|()| 0),
            self.centre.run_line(now).await.map_err(Failure::from_system),
            self.mgmt.advance(now).await.map_err(Failure::from_system),
            self.ra.follow_register(now).await.map_err(Failure::from_system),
            self.ra.sum_up_refusals(now).await.map(|_| 0).map_err(Failure::from_system),
        ];
        let done = steps.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(done.into_iter().any(|count| count > 0))
    }

    /// What runs out unless somebody renews it: lists, filters, answers, certificates of services and terminals. Once a minute,
    /// and again soon where something failed; what fails keeps nothing else from being renewed.
    pub async fn keep_up(&self, now: Timestamp) -> Result<(), Failure> {
        let mut next = self.next_maintenance.lock().await;
        // A clock that was put back does not stop the upkeep until it has caught up.
        if now < *next && next.duration_since(now) <= UPKEEP {
            return Ok(());
        }
        let steps = [
            self.npc.maintain(now).await.map_err(Failure::from_system),
            self.publish_card_list(now).await,
            self.renew_document_signer(now).await,
            self.eacpki.renew(now).await.map(drop).map_err(Failure::from_system),
            crate::terminals::renew(self, now).await,
            crate::personas::laboratory::keep_up(self, now).await,
        ];
        let done = steps.iter().all(Result::is_ok);
        *next = now + if done { UPKEEP } else { UPKEEP_AGAIN };
        steps.into_iter().collect()
    }

    async fn renew_document_signer(&self, now: Timestamp) -> Result<(), Failure> {
        self.docsigner.renew(now, &mut SystemRandom).await.map_err(Failure::from_system)?;
        // Quality control sees new lists and, after a roll-over, the new key.
        self.centre.trust(trust(&self.docsigner).await?);
        Ok(())
    }

    /// Publishes which cards are not to be accepted (OPEN-37). Where the natural-person CA has ended nobody is left to sign that, until
    /// two persons have made the next one; everything else goes on.
    pub async fn publish_card_list(&self, now: Timestamp) -> Result<(), Failure> {
        let cards = self.mgmt.cards_not_to_be_accepted(now).await.map_err(Failure::from_system)?;
        let cards: Vec<_> =
            cards.into_iter().filter_map(|(serial, state)| Some((serial, listed(state)?))).collect();
        match self.npc.publish_cards(&cards, now).await {
            Err(error @ NpcError::Ended) => {
                tracing::warn!(code = error.code(), "no card status list is signed any more");
                Ok(())
            }
            published => published.map(drop).map_err(Failure::from_system),
        }
    }

    // Orders blank cards when stock runs low, and chips of the reserve type when somebody waits for them (RECALL-13). A lot that was
    // ordered and not yet received is the same lot again.
    async fn restock(&self, now: Timestamp) -> Result<(), Failure> {
        let wanting = self.centre.wanting(RESERVE).await.map_err(Failure::from_system)?;
        let reserve = production::chip_type_of(RESERVE).map_err(Failure::from_system)?;
        if wanting > 0
            && !self.centre.stopped_chip_types().await.map_err(Failure::from_system)?.contains(&reserve)
        {
            self.centre
                .restock_type(&self.manufacturer, &reserve, RESERVE_SERIES, LOT, "stock", now)
                .await
                .map_err(Failure::from_system)?;
        }
        if self.centre.available().await.map_err(Failure::from_system)? >= LOW_STOCK {
            return Ok(());
        }
        self.centre
            .restock(&self.manufacturer, SERIES, LOT, "stock", now)
            .await
            .map(drop)
            .map_err(Failure::from_system)
    }

    // The first run: register, blank cards, sample persons with their cards.
    async fn create(&self) -> Result<(), Failure> {
        let now = clock::now();
        let today = clock::today(now).into();
        self.register
            .populate(POPULATION, POPULATION_SEED, today, now)
            .await
            .map_err(Failure::from_system)?;
        self.create_operators(now).await?;
        crate::terminals::renew(self, now).await?;
        self.restock(now).await?;
        self.create_cards().await?;
        self.npc.maintain(clock::now()).await.map_err(Failure::from_system)?;
        Ok(())
    }

    // The sample operators: accounts without password, until somebody asks for an enrolment code.
    async fn create_operators(&self, now: Timestamp) -> Result<(), Failure> {
        for (name, role) in SAMPLE_OPERATORS {
            match self.operators.add(name, role, "neweid", now).await {
                Ok(()) | Err(operators::OperatorError::Exists(_)) => {}
                Err(error) => return Err(Failure::from_system(error)),
            }
        }
        Ok(())
    }

    // Steps that wait for something (a card that another program reads, a disk without room) are tried again for a while.
    async fn create_cards(&self) -> Result<(), Failure> {
        let patience = clock::now() + CREATION_PATIENCE;
        loop {
            let now = clock::now();
            match mgmt::sample::create_country(&self.mgmt, &self.register, &self.centre, now).await {
                Err(mgmt::MgmtError::Unfinished) if now < patience => {
                    self.directory.expect_room()?;
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
                other => return other.map_err(Failure::from_system),
            }
        }
    }

    /// A card in the hands of its holder that developers can use, for the hints of `neweid up`.
    pub async fn first_active_card(&self) -> Option<model::CardSerial> {
        let cards = self.mgmt.cards(None, 100).await.ok()?;
        let active = |profile| {
            cards.iter().find(|card| card.state == model::CardState::Active && card.profile == profile)
        };
        let card = active(model::CardProfile::Interop).or_else(|| active(model::CardProfile::National))?;
        Some(card.serial)
    }

    /// The trust anchors of this country's documents.
    pub async fn trust(&self) -> Result<TrustStore, Failure> {
        trust(&self.docsigner).await
    }
}

// The registration authority came to countries that were there before it: where neither its database nor its key is, both
// are made.
async fn registration_authority(
    directory: &Directory,
    mgmt: &Mgmt,
    npc: &Arc<Npc>,
    register: &Arc<SimulatedRegister>,
    random: SharedRandom,
) -> Result<Ra, Failure> {
    create_private(&directory.keys("ra"))?;
    let key = directory.keys("ra").join(MASTER_KEY);
    if directory.database_file("ra").exists() {
        expect_file(directory, &key)?;
    } else if key.exists() && directory.settings.database.is_none() {
        expect_file(directory, &directory.database_file("ra"))?;
    }
    let key = master_key_in(&key)?;
    let db = Db::open(&directory.database_url("ra"), "ra").await.map_err(Failure::from_system)?;
    // Holders of a test country may reissue at once, to see what it does; elsewhere it is due after almost five years.
    let config = ra::Config { reissue_days: 5 * 366, ..ra::Config::default() };
    Ra::open(db, Arc::new(mgmt.clone()), npc.clone(), register.clone(), &key, config, random)
        .await
        .map_err(Failure::from_system)
}

async fn trust(docsigner: &DocSigner) -> Result<TrustStore, Failure> {
    let mut trust = TrustStore::default();
    for file in docsigner.publication(clock::now()).await.map_err(Failure::from_system)? {
        match file.kind {
            PublishedKind::Csca | PublishedKind::Link => {
                trust.add_certificate(x509::Certificate::parse(&file.content).map_err(Failure::ours)?);
            }
            PublishedKind::RevocationList => {
                trust.add_crl(x509::crl::Crl::parse(&file.content).map_err(Failure::ours)?);
            }
            _ => {}
        }
    }
    Ok(trust)
}

async fn database(directory: &Directory, system: &str) -> Result<Db, Failure> {
    if directory.settings.database.is_none() {
        expect_file(directory, &directory.database_file(system))?;
    }
    Db::open(&directory.database_url(system), system).await.map_err(Failure::from_system)
}

// A country of an earlier version has none yet: they are made once, and never anew when they are gone.
async fn operators(directory: &Directory, random: SharedRandom) -> Result<Operators, Failure> {
    let marker = directory.root.join("operators");
    let db = if marker.exists() {
        database(directory, "operators").await?
    } else {
        Db::open(&directory.database_url("operators"), "operators").await.map_err(Failure::from_system)?
    };
    let operators = Operators::open(db, operators::Config::default(), Box::new(random)).await;
    let operators = operators.map_err(Failure::from_system)?;
    if !marker.exists() {
        write_atomically(&marker, b"db/operators\n")?;
    }
    Ok(operators)
}

// A database on a server outlives a directory. Opened from another directory its rows would meet other keys, so the
// first directory leaves a mark there that only its own key can make.
async fn claim_database(directory: &Directory) -> Result<(), Failure> {
    let Some(url) = &directory.settings.database else { return Ok(()) };
    let db = Db::open(url, "neweid").await.map_err(Failure::from_system)?;
    db.migrate(&[Migration::new(
        1,
        "owner",
        "CREATE TABLE owner (id BIGINT PRIMARY KEY, mark BYTEA NOT NULL)",
    )])
    .await
    .map_err(Failure::from_system)?;
    let taken =
        db.optional("SELECT mark FROM owner WHERE id = 1", params![]).await.map_err(Failure::from_system)?;
    if taken.is_some() && !directory.keys("registry").join(MASTER_KEY).exists() {
        return Err(database_taken());
    }
    let mark = master_key(directory, "registry")?.lookup(b"owner of the database");
    db.execute("INSERT INTO owner (id, mark) VALUES (1, $1) ON CONFLICT (id) DO NOTHING", params![mark])
        .await
        .map_err(Failure::from_system)?;
    let owner =
        db.one("SELECT mark FROM owner WHERE id = 1", params![]).await.map_err(Failure::from_system)?;
    let owner: Vec<u8> = owner.read("mark").map_err(Failure::from_system)?;
    db.close().await;
    if owner == mark { Ok(()) } else { Err(database_taken()) }
}

fn database_taken() -> Failure {
    Failure::new(
        "NEWEID-E-DATABASE-TAKEN",
        Fault::Caller,
        "此資料庫屬於另一個目錄所建立的國家。",
        "This database holds the country of another directory.",
        "使用該目錄，或另給一個空的資料庫 Use that directory, or give an empty database.",
    )
}

// Once the country is complete its files are never made anew: another key or an empty database beside the rest would do
// more harm than stopping.
fn expect_file(directory: &Directory, path: &Path) -> Result<(), Failure> {
    if path.exists() || !directory.root.join("created").exists() {
        return Ok(());
    }
    Err(Failure::new(
        "NEWEID-E-FILE-MISSING",
        Fault::Environment,
        format!("檔案 {} 不見了。", path.display()),
        format!("The file {} is gone.", path.display()),
        "由備份還原 Restore it from a backup; no other is made in its place.",
    ))
}

/// File with the key that a system's rows are sealed under.
const MASTER_KEY: &str = "master.key";

// 32 random bytes in a file that only its owner can read; made at the first run.
fn master_key(directory: &Directory, system: &str) -> Result<MasterKey, Failure> {
    let path = directory.keys(system).join(MASTER_KEY);
    expect_file(directory, &path)?;
    create_private(&directory.keys(system))?;
    master_key_in(&path)
}

fn master_key_in(path: &Path) -> Result<MasterKey, Failure> {
    let text = keys::create_secret_file(path, 32, &mut SystemRandom).map_err(Failure::from_system)?;
    let bytes =
        hex::decode(text.expose()).map_err(|_| Failure::ours("master key file is not hexadecimal"))?;
    MasterKey::from_bytes(&SecretBytes::from(bytes)).map_err(Failure::from_system)
}

// The hardware module that holds the signing keys of both CAs, where one is configured.
// The first run makes root and first generation with keys of this kind; afterwards the CA's own books count.
fn npc_config(directory: &Directory) -> Result<NpcConfig, Failure> {
    let mut config = NpcConfig::test(Urls::at(&directory.settings.status_url));
    config.partitions = directory.settings.npc_partitions.unwrap_or(config.partitions);
    let Some(name) = &directory.settings.npc_keys else { return Ok(config) };
    let key = keys::KeyKind::from_name(name).ok_or_else(|| {
        let path = directory.root.join("neweid.json");
        Failure::new(
            "NEWEID-E-DIR-DAMAGED",
            Fault::Environment,
            format!("{} 已損毀：npc_keys", path.display()),
            format!("{} is damaged: npc_keys", path.display()),
            "由備份還原 Restore it from a backup.",
        )
    })?;
    Ok(NpcConfig { root_key: key, ca_key: key, ..config })
}

fn token(directory: &Directory) -> Result<Option<Arc<dyn KeyStore>>, Failure> {
    let Some(hsm) = &directory.settings.hsm else { return Ok(None) };
    let pin = keys::read_secret_file(&hsm.pin_file).map_err(Failure::from_system)?;
    let token = Pkcs11KeyStore::open(&hsm.module, &hsm.token, &pin).map_err(Failure::from_system)?;
    Ok(Some(Arc::new(token)))
}

fn key_store(
    directory: &Directory,
    token: Option<&Arc<dyn KeyStore>>,
    system: &str,
) -> Result<Arc<dyn KeyStore>, Failure> {
    if let Some(token) = token {
        return Ok(Arc::clone(token));
    }
    let dir = directory.keys(system);
    let wrapping_key = dir.join("wrapping.key");
    expect_file(directory, &wrapping_key)?;
    create_private(&dir)?;
    let wrapping = WrappingKey::create(&wrapping_key, &mut SystemRandom).map_err(Failure::from_system)?;
    let store = SoftwareKeyStore::open(&dir.join("keys"), wrapping, Box::new(SystemRandom))
        .map_err(Failure::from_system)?;
    Ok(Arc::new(store))
}

fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// How a card that is not to be accepted stands in the card status list; nothing for one that the list does not name.
// OPEN-37, LOSS-12: what may end is suspended (a report of loss, a recall), what never comes back is void.
const fn listed(state: model::CardState) -> Option<status::cards::Listed> {
    use model::CardState as State;
    use status::cards::Listed;
    match state {
        State::Suspended | State::Recalled => Some(Listed::Suspended),
        State::Void | State::Destroyed => Some(Listed::Void),
        // Not yet in anybody's hands, in use, or past the day that is printed on it.
        State::Blank
        | State::Washed
        | State::Initialised
        | State::Paired
        | State::Personalised
        | State::Finished
        | State::Shipped
        | State::Received
        | State::Flawed
        | State::AwaitingCollection
        | State::Active
        | State::Expired => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::CardState;
    use status::cards::Listed;

    // proves: LOSS-12
    #[test]
    fn what_may_end_is_suspended_and_what_never_comes_back_is_void() {
        for state in CardState::ALL {
            // Whoever made it void may still destroy it, and nobody may hand it out again.
            let ended = [CardState::Void, CardState::Destroyed].contains(state);
            let held = state.may_become(CardState::Active) && *state != CardState::AwaitingCollection;
            let expected = match (ended, held) {
                (true, _) => Some(Listed::Void),
                (_, true) => Some(Listed::Suspended),
                _ => None,
            };
            assert_eq!(listed(*state), expected, "{state}");
        }
    }
}
