//! Cards per second through the whole chain: application with photo, review, batch, pairing, certificates under RSA-4096,
//! security object under P-521, package, personalisation, printed face, quality control, boxes, receipt at the office.
//! Five systems, each with its own SQLite file and its audit log, every step durable before the next.
//!
//! The cards in stock are washed and initialised before the clock runs, because making RSA keys is the chip's own time; what
//! initialisation costs beside RSA keys is added again.

use crate::Failure;
use crate::cards::{NEEDED_PER_SECOND, own_keys};
use crate::figure::Figure;
use cardface::FontSet;
use curve::{SeedRandom, SystemRandom};
use docsigner::{DocSigner, DocumentSigning};
use jiff::Timestamp;
use keys::{SoftwareKeyStore, WrappingKey};
use mgmt::{
    CaChain, Config, Contact, Decision, Inspection, Mgmt, MgmtKeys, Neighbours, NewApplication,
    OfficeTerminal, UserCodeCost,
};
use model::{ApplicationKind, ApplicationState, CardProfile, CaseNo, Channel, NationalIdNo, OfficeCode};
use npc::{Npc, NpcConfig, Urls};
use production::{Centre, CentreConfig, Manufacturer};
use registry::{Person, SimulatedRegister, sample_persons};
use sealed::{MasterKey, SharedRandom};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Db;
use terminal::TrustStore;

const GROUP: &str = "cards through the chain";
const CLERK: &str = "bench";

pub(crate) fn run(count: u32) -> Result<Vec<Figure>, Failure> {
    let place = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(place.path(), count.clamp(1, 999)))
}

async fn measure(directory: &Path, count: u32) -> Result<Vec<Figure>, Failure> {
    let now = crate::country::now();
    let country = Country::open(directory, count, now).await?;
    let begin = Instant::now();
    country.stock(count, now).await?;
    let stocked = begin.elapsed();

    let begin = Instant::now();
    let cases = country.apply(count, now).await?;
    let applied = begin.elapsed();
    let begin = Instant::now();
    country.produce(&cases, now).await?;
    let produced = begin.elapsed();
    let begin = Instant::now();
    country.receive(&cases, now).await?;
    let received = begin.elapsed();

    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u32;
    let initialised = own_keys()? * count / threads;
    let each = |time: Duration| time / count;
    let rate = |time: Duration| f64::from(count) / time.as_secs_f64();
    let whole = applied + produced + received + initialised;
    Ok(vec![
        Figure::new(GROUP, format!("cards per second, {count} cards, {threads} cores"), rate(whole), "/s")
            .beside("45,000 a day in 8 hours (goal: 10)", NEEDED_PER_SECOND),
        Figure::new(GROUP, "of these in production alone", rate(produced + initialised), "/s")
            .beside("45,000 a day in 8 hours (goal: 10)", NEEDED_PER_SECOND),
        Figure::time(GROUP, "  application with photo, review, batch", each(applied)),
        Figure::time(GROUP, "  pairing to boxes", each(produced)),
        Figure::time(GROUP, "  receipt and check at the office", each(received)),
        Figure::time(GROUP, "  initialisation but for RSA keys", each(initialised)),
        Figure::time(GROUP, "  left out: washing, initialisation with RSA keys", each(stocked)),
    ])
}

/// The systems that a card passes through.
struct Country {
    register: Arc<SimulatedRegister>,
    centre: Centre,
    mgmt: Mgmt,
}

impl Country {
    async fn open(directory: &Path, count: u32, now: Timestamp) -> Result<Self, Failure> {
        let url = |system: &str| format!("sqlite:{}", directory.join(format!("{system}.db")).display());
        let db = async |system: &str| Db::open(&url(system), system).await;
        let random = SharedRandom::new(SystemRandom);
        let register =
            SimulatedRegister::open(db("registry").await?, &key("register"), random.clone()).await?;
        let register = Arc::new(register);
        let signing = DocSigner::open(
            db("docsigner").await?,
            key_store(directory, "docsigner")?,
            docsigner::Config::default(),
            now,
            &mut random.clone(),
        )
        .await?;
        let signing = Arc::new(signing);
        let npc = Npc::open(
            db("npc").await?,
            key_store(directory, "npc")?,
            NpcConfig::test(Urls::at("http://npc.neweid.test")),
            Box::new(SystemRandom),
            now,
        )
        .await?;
        let npc = Arc::new(npc);
        let mut trust = TrustStore::new();
        trust.add_certificate(signing.csca_certificate().await?);
        let fonts = Arc::new(FontSet::system()?);
        let config =
            CentreConfig { ready: count, ..CentreConfig::new(directory.join("cards"), trust, fonts) };
        let centre = Centre::open(db("production").await?, &key("centre"), config, random.clone()).await?;
        let authorisation = eacpki::EacPki::open(
            db("eacpki").await?,
            key_store(directory, "eacpki")?,
            eacpki::Config::default(),
            now,
        )
        .await?;
        let authorisation = Arc::new(authorisation);
        authorisation.ensure_service(&OfficeTerminal::service(now)?, CLERK, now).await?;
        let config = eacpki::Config::default();
        let keys = key_store(directory, "mgmt")?;
        let terminal = OfficeTerminal::open(db("mgmt").await?, authorisation.clone(), keys, &config).await?;
        let ca = npc.ca_certificates();
        let chain = CaChain { root: ca.root.der().to_vec(), intermediate: ca.ca.der().to_vec() };
        let neighbours = Neighbours {
            register: register.clone(),
            certificates: npc.clone(),
            signing: signing.clone(),
            centre: Arc::new(centre.clone()),
            authorisation,
            terminal: Arc::new(terminal),
            chain,
        };
        // The user code is hashed when it is set, not when a card is made.
        let config = Config { user_code_cost: UserCodeCost { memory: 64, passes: 1 }, ..Config::default() };
        let keys = MgmtKeys::new(&key("mgmt"));
        let mgmt = Mgmt::open(db("mgmt").await?, neighbours, keys, config, random).await?;
        Ok(Self { register, centre, mgmt })
    }

    /// Blanks from the manufacturer, washed and initialised.
    async fn stock(&self, count: u32, now: Timestamp) -> Result<(), Failure> {
        let manufacturer = Manufacturer::new(key("manufacturer"));
        self.centre.restock(&manufacturer, "N5A", count, CLERK, now).await?;
        while self.centre.work(now).await? > 0 {}
        Ok(())
    }

    /// Applications of as many persons, reviewed and batched.
    async fn apply(&self, count: u32, now: Timestamp) -> Result<Vec<CaseNo>, Failure> {
        let persons: Vec<Person> = (0..count).map(person).collect();
        self.register.enrol(&persons, now).await?;
        let photo = photo()?;
        let mut cases = Vec::new();
        for person in &persons {
            let application = NewApplication {
                id: person.id,
                kind: ApplicationKind::First,
                channel: Channel::Counter,
                photo: photo.clone(),
                photo_taken: model::RocDate::in_taipei(now),
                wants_certificate: true,
                foreign_name: false,
                portrait_exemption: None,
                office: OfficeCode::new(person.address.village().district(), 0)?,
                contact: Contact::by_post(),
                profile: CardProfile::National,
            };
            let case = self.mgmt.submit(application, CLERK, now).await?;
            self.mgmt.review(case, Decision::Approve(mgmt::portrait::REVIEW), CLERK, now).await?;
            cases.push(case);
        }
        self.mgmt.batch(count, CLERK, now).await?;
        Ok(cases)
    }

    /// Lets both systems work until nothing moves.
    async fn produce(&self, cases: &[CaseNo], now: Timestamp) -> Result<(), Failure> {
        while self.centre.run_line(now).await? + self.mgmt.advance(now).await? > 0 {}
        self.all(cases, ApplicationState::Produced).await
    }

    /// The boxes arrive at the office and are checked.
    async fn receive(&self, cases: &[CaseNo], now: Timestamp) -> Result<(), Failure> {
        let office = self.mgmt.case(cases[0]).await?.office;
        for (number, cards) in self.mgmt.expected_boxes(office).await? {
            self.mgmt.receive_box(office, &number, &cards, CLERK, now).await?;
        }
        for case in cases {
            self.mgmt.check_received(*case, Inspection::Good, CLERK, now).await?;
        }
        self.all(cases, ApplicationState::Ready).await
    }

    async fn all(&self, cases: &[CaseNo], state: ApplicationState) -> Result<(), Failure> {
        for case in cases {
            let now = self.mgmt.case(*case).await?.state;
            if now != state {
                return Err(format!("a case stands at {now} instead of {state}").into());
            }
        }
        Ok(())
    }
}

fn key(name: &str) -> MasterKey {
    MasterKey::generate(&mut SeedRandom::new(name.as_bytes()))
}

fn key_store(directory: &Path, name: &str) -> Result<Arc<SoftwareKeyStore>, Failure> {
    let wrapping = WrappingKey::new(&key(name).derive_bytes::<32>("wrapping"))?;
    let folder = directory.join("keys").join(name);
    Ok(Arc::new(SoftwareKeyStore::open(&folder, wrapping, Box::new(SystemRandom))?))
}

/// A sample person with a number of its own.
fn person(number: u32) -> Person {
    let person = sample_persons().swap_remove(3).person;
    let digit = |place: u32| (number / 10u32.pow(place) % 10) as u8;
    Person {
        id: NationalIdNo::sample(person.sex, [3, 0, 0, 0, 0, 0, digit(2), digit(1), digit(0)]),
        ..person
    }
}

/// A photo of the size that applicants hand in.
fn photo() -> Result<Vec<u8>, Failure> {
    let image = image::RgbImage::from_fn(826, 1062, |x, y| image::Rgb([(x / 8) as u8, (y / 8) as u8, 120]));
    let mut out = std::io::Cursor::new(Vec::new());
    image.write_to(&mut out, image::ImageFormat::Jpeg)?;
    Ok(out.into_inner())
}
