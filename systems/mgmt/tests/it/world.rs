//! The five systems on one address and one directory, to be closed and opened again like a program that is restarted.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use cardface::FontSet;
use curve::{Curve, SeedRandom, SystemRandom};
use docsigner::DocSigner;
use jiff::{SignedDuration, Timestamp};
use keys::{KeyKind, SoftwareKeyStore, WrappingKey};
use mgmt::{
    CaChain, Config, Contact, Decision, Inspection, Mgmt, MgmtError, MgmtKeys, Neighbours, NewApplication,
    OfficeTerminal, UserCodeCost,
};
use model::{
    ApplicationKind, ApplicationState, CardProfile, CardSerial, CaseNo, Channel, NationalIdNo, OfficeCode,
    RocDate,
};
use npc::{CertificateAuthority, Npc, NpcConfig, Urls};
use production::{Centre, CentreConfig, Interface, Manufacturer};
use registry::{Person, SimulatedRegister, sample_persons};
use sealed::{MasterKey, SharedRandom};
use store::{Db, When};
use terminal::TrustStore;

pub(crate) const CLERK: &str = "clerk-1";

/// The systems of a country.
pub(crate) struct World {
    pub(crate) register: Arc<SimulatedRegister>,
    pub(crate) npc: Arc<Npc>,
    #[allow(dead_code, reason = "tests of the registration authority, ten years on")]
    pub(crate) signing: Arc<DocSigner>,
    pub(crate) centre: Centre,
    pub(crate) mgmt: Mgmt,
    pub(crate) trust: TrustStore,
    pub(crate) dbs: Vec<Db>,
    pub(crate) now: Timestamp,
}

/// The databases in which a crash is injected, by their place in [`World::dbs`].
pub(crate) const SYSTEMS: [&str; 6] = ["registry", "docsigner", "npc", "production", "mgmt", "eacpki"];

pub(crate) fn start() -> Timestamp {
    "2026-07-01T02:00:00Z".parse().expect("a time")
}

fn key(name: &str) -> MasterKey {
    MasterKey::generate(&mut SeedRandom::new(name.as_bytes()))
}

fn fonts() -> Arc<FontSet> {
    static FONTS: OnceLock<Arc<FontSet>> = OnceLock::new();
    FONTS
        .get_or_init(|| Arc::new(FontSet::system().expect("the fonts of the card face are installed")))
        .clone()
}

fn key_store(dir: &Path, name: &str) -> Arc<SoftwareKeyStore> {
    let wrapping = WrappingKey::new(&key(name).derive_bytes::<32>("wrapping")).expect("32 bytes");
    let dir = dir.join("keys").join(name);
    Arc::new(SoftwareKeyStore::open(&dir, wrapping, Box::new(SystemRandom)).expect("the key store opens"))
}

impl World {
    pub(crate) async fn open(url: &str, dir: &Path, now: Timestamp) -> Self {
        Self::open_with(url, dir, now, test_config()).await
    }

    pub(crate) async fn open_with(url: &str, dir: &Path, now: Timestamp, config: Config) -> Self {
        let mut dbs = Vec::new();
        for system in SYSTEMS {
            dbs.push(Db::open(url, system).await.expect("the database opens"));
        }
        let random = SharedRandom::new(SystemRandom);
        let register = SimulatedRegister::open(dbs[0].clone(), &key("register"), random.clone()).await;
        let register = Arc::new(register.expect("the register opens"));
        let config_ds = docsigner::Config { parallel_signers: 1, ..docsigner::Config::default() };
        let signing =
            DocSigner::open(dbs[1].clone(), key_store(dir, "docsigner"), config_ds, now, &mut random.clone())
                .await;
        let signing = Arc::new(signing.expect("the document signer opens"));
        // Elliptic curves where the country has RSA-4096: a test does not wait for primes.
        let npc_config = NpcConfig {
            root_key: KeyKind::Ec(Curve::P384),
            ca_key: KeyKind::Ec(Curve::P384),
            partitions: 1,
            ..NpcConfig::test(Urls::at("http://npc.neweid.test"))
        };
        let npc =
            Npc::open(dbs[2].clone(), key_store(dir, "npc"), npc_config, Box::new(SystemRandom), now).await;
        let npc = Arc::new(npc.expect("the CA opens"));
        let mut trust = TrustStore::new();
        let csca = docsigner::DocumentSigning::csca_certificate(&*signing).await.expect("a CSCA");
        assert!(trust.add_certificate(csca));
        let centre_config =
            CentreConfig { proof_dpi: 72, ..CentreConfig::new(dir.join("cards"), trust.clone(), fonts()) };
        let centre =
            Centre::open(dbs[3].clone(), &key("centre"), centre_config, random.clone()).await.expect("opens");
        let authorisation =
            eacpki::EacPki::open(dbs[5].clone(), key_store(dir, "eacpki"), eacpki::Config::default(), now)
                .await;
        let authorisation = Arc::new(authorisation.expect("the authorisation PKI opens"));
        let service = OfficeTerminal::service(now).expect("a service");
        authorisation.ensure_service(&service, "ministry", now).await.expect("approved");
        let config_eac = eacpki::Config::default();
        let terminal =
            OfficeTerminal::open(dbs[4].clone(), authorisation.clone(), key_store(dir, "mgmt"), &config_eac);
        let terminal = Arc::new(terminal.await.expect("the terminal opens"));
        let ca = npc.ca_certificates();
        let chain = CaChain { root: ca.root.der().to_vec(), intermediate: ca.ca.der().to_vec() };
        let neighbours = Neighbours {
            register: register.clone(),
            certificates: npc.clone(),
            signing: signing.clone(),
            centre: Arc::new(centre.clone()),
            authorisation,
            terminal,
            chain,
        };
        let keys = MgmtKeys::new(&key("mgmt"));
        let mgmt = Mgmt::open(dbs[4].clone(), neighbours, keys, config, random).await.expect("opens");
        Self { register, npc, signing, centre, mgmt, trust, dbs, now }
    }

    /// Plans the death of the program at the `n`-th commit in one of its databases.
    pub(crate) fn kill_at(&self, system: usize, n: u64, when: When) {
        self.dbs[system].fail_after(n, when);
    }

    pub(crate) async fn close(self) {
        for db in &self.dbs {
            db.close().await;
        }
    }

    /// Two persons roll the country signing key over, which signs for five years. Who trusts the new one is opened again.
    #[allow(dead_code, reason = "tests of the registration authority, ten years on")]
    pub(crate) async fn roll_over_country_signing(&self, now: Timestamp) {
        let proposal = self.signing.propose(docsigner::Act::RollOver, "chief", now).await.expect("proposed");
        self.signing.approve(proposal.number, "deputy", now, &mut SystemRandom).await.expect("approved");
        self.signing.renew(now, &mut SystemRandom).await.expect("renewed");
    }

    pub(crate) fn today(&self) -> RocDate {
        RocDate::in_taipei(self.now)
    }

    /// Blanks from the manufacturer.
    pub(crate) async fn restock(&self, cards: u32) {
        let manufacturer = Manufacturer::new(key("manufacturer"));
        self.centre.restock(&manufacturer, "N5A", cards, CLERK, self.now).await.expect("the lot is received");
    }

    /// Blanks of the reserve chip (CARD-12).
    #[allow(dead_code, reason = "tests of recalls")]
    pub(crate) async fn restock_reserve(&self, cards: u32) {
        let (manufacturer, chip) = (Manufacturer::new(key("manufacturer")), "RS-0180");
        let received = self.centre.restock_type(&manufacturer, chip, "R5A", cards, CLERK, self.now).await;
        received.expect("the lot is received");
    }

    /// An adult who lives in the country, with the given number in the register.
    pub(crate) async fn person(&self, number: u8) -> Person {
        let person = person(number);
        self.register.enrol(std::slice::from_ref(&person), self.now).await.expect("enrols");
        person
    }

    /// Takes a case from wherever it is to the office's counter: production, boxes, checks.
    pub(crate) async fn produce(&self, no: CaseNo) -> Result<(), MgmtError> {
        self.produce_until(no, ApplicationState::Ready).await
    }

    /// As [`World::produce`], but no further than `end`.
    pub(crate) async fn produce_until(&self, no: CaseNo, end: ApplicationState) -> Result<(), MgmtError> {
        loop {
            let case = self.mgmt.case(no).await?;
            if case.state == end {
                return Ok(());
            }
            match case.state {
                ApplicationState::Submitted => {
                    self.mgmt.review(no, Decision::Approve(mgmt::portrait::REVIEW), CLERK, self.now).await?
                }
                ApplicationState::Approved => {
                    self.mgmt.batch(100, CLERK, self.now).await?;
                }
                ApplicationState::Batched | ApplicationState::InProduction => {
                    let mut steps = 0;
                    // A card whose file somebody else holds just now is put off for a moment.
                    for minute in 0..10 {
                        let now = later(self.now, minute);
                        steps += self.mgmt.advance(now).await? + self.centre.run_line(now).await?;
                        if steps > 0 || self.mgmt.case(no).await?.state != case.state {
                            break;
                        }
                    }
                    if steps == 0 && self.mgmt.case(no).await?.state == case.state {
                        return Err(MgmtError::Unfinished);
                    }
                }
                ApplicationState::Produced => {
                    self.centre.run_line(self.now).await?;
                    self.mgmt.advance(self.now).await?;
                    for (box_no, cards) in self.mgmt.expected_boxes(case.office).await? {
                        let receipt =
                            self.mgmt.receive_box(case.office, &box_no, &cards, CLERK, self.now).await?;
                        assert!(receipt.missing.is_empty() && receipt.unexpected.is_empty());
                    }
                }
                ApplicationState::Received => {
                    self.mgmt.check_received(no, Inspection::Good, CLERK, self.now).await?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// A card in its holder's hands, PINs not set.
    pub(crate) async fn card_of(&self, person: &Person) -> CardSerial {
        let no = self.mgmt.submit(application(person), CLERK, self.now).await.expect("submits");
        self.produce(no).await.expect("is produced");
        self.mgmt.hand_over(no, CLERK, self.now).await.expect("is handed over").serial
    }

    /// The states of a card's certificates.
    pub(crate) async fn certificate_states(&self, serial: CardSerial) -> Vec<String> {
        let certificates = self.npc.certificates_of(serial, self.now).await.expect("answers");
        certificates.iter().map(|c| c.state.as_str().to_owned()).collect()
    }

    /// Reads a card as a stranger.
    pub(crate) fn read(&self, serial: CardSerial, interface: Interface) -> terminal::ReadReport {
        let channel = self.centre.reader(serial, interface).expect("the card is there");
        let can = eac::Password::can(serial.can().as_str());
        let options = terminal::ReadOptions::default();
        terminal::read_card(channel, &can, &self.trust, &options, self.now, &mut SystemRandom)
    }
}

/// Hashes of user codes as cheap as Argon2 allows; everything else as in the country.
pub(crate) fn test_config() -> Config {
    Config { user_code_cost: UserCodeCost { memory: 64, passes: 1 }, ..Config::default() }
}

pub(crate) fn person(number: u8) -> Person {
    let person = sample_persons().swap_remove(3).person;
    Person { id: NationalIdNo::sample(person.sex, [3, 0, 0, 0, 0, 0, 0, 1, number]), ..person }
}

pub(crate) fn office(person: &Person) -> OfficeCode {
    OfficeCode::new(person.address.village().district(), 0).expect("an office")
}

pub(crate) fn application(person: &Person) -> NewApplication {
    NewApplication {
        id: person.id,
        kind: ApplicationKind::First,
        channel: Channel::Counter,
        photo: photo(826, 1062),
        photo_taken: RocDate::in_taipei(start()),
        wants_certificate: true,
        foreign_name: true,
        portrait_exemption: None,
        office: office(person),
        contact: Contact::by_post(),
        profile: CardProfile::National,
    }
}

/// A JPEG of this size.
pub(crate) fn photo(width: u32, height: u32) -> Vec<u8> {
    let image =
        image::RgbImage::from_fn(width, height, |x, y| image::Rgb([(x / 8) as u8, (y / 8) as u8, 120]));
    let mut out = std::io::Cursor::new(Vec::new());
    image.write_to(&mut out, image::ImageFormat::Jpeg).expect("encodes");
    out.into_inner()
}

pub(crate) fn later(now: Timestamp, minutes: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_mins(minutes)).expect("in range")
}

/// A directory for keys and cards of one test.
pub(crate) fn directory() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_owned();
    (dir, path)
}

/// A clerk with a natural-person certificate whose key lies here instead of on a card.
pub(crate) struct ClerkCard {
    key: curve::SecretKey,
    pub(crate) certificate: x509::Certificate,
}

impl ClerkCard {
    /// Has a certificate issued on the card `TWC00000number`.
    pub(crate) async fn new(world: &World, number: u8) -> Self {
        let key = curve::SecretKey::generate(Curve::P521, &mut SeedRandom::new(&[b'c', number]));
        let subject = x509::Name::builder().common_name("clerk").build().expect("a name");
        let spki = curve::spki_from_point(&key.public_key());
        let algorithm = x509::SignatureAlgorithm::for_curve(Curve::P521);
        let csr = x509::csr::build(&subject, &spki, algorithm, |info| {
            Ok::<_, curve::Error>(key.sign_digest(&algorithm.hash().digest(info)).to_der())
        });
        let request = npc::IssueRequest {
            request_id: uuid::Uuid::from_bytes([number; 16]),
            carrier: npc::Carrier::CertificateCard,
            card: format!("TWC{number:06}").parse().expect("a serial number"),
            chip_model: None,
            slot: model::KeySlot::SigningEc,
            csr: csr.expect("a request"),
            subject_name: "承辦人".into(),
            id_tail: "6789".into(),
            holder_no: world.npc.holder_number(&[number; 32], world.now).await.expect("a number"),
            issue_date: world.today(),
            renewal_date: None,
            period: npc::Period::First,
        };
        let issued = world.npc.issue(&request, world.now).await.expect("issued");
        Self { key, certificate: x509::Certificate::parse(&issued.der).expect("a certificate") }
    }

    /// A request with this clerk's signature.
    pub(crate) fn sign(&self, content: &[u8]) -> mgmt::SignedRequest {
        let algorithm = x509::SignatureAlgorithm::for_curve(Curve::P521);
        let spec = x509::cms::Spec {
            detached: true,
            ..x509::cms::Spec::new(tlv::oid::CMS_DATA, content, &self.certificate, algorithm)
        };
        let prepared = x509::cms::prepare(&spec).expect("prepares");
        let digest = algorithm.hash().digest(prepared.to_be_signed());
        let signature = prepared.finish(&self.key.sign_digest(&digest).to_der()).expect("a message");
        mgmt::SignedRequest { content: content.to_vec(), signature }
    }
}
