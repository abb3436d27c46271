//! An office, a management system and a card centre for personas alone. Their books lie in a working directory that goes when
//! the cards are made; what signs and certifies is handed in.

use crate::failure::Failure;
use crate::personas::{Own, Persona, Pins};
use chip::Profile;
use curve::{Random, SecretBytes, SystemRandom};
use docsigner::DocumentSigning;
use eac::Password;
use eac::pace::Parameters;
use eacpki::TerminalAuthorisation;
use jiff::Timestamp;
use mgmt::{
    CaChain, Contact, Decision, Inspection, Mgmt, MgmtKeys, Neighbours, NewApplication, OfficeTerminal,
};
use model::{
    ApplicationKind, ApplicationState, CardProfile, CardSerial, CaseNo, Channel, OfficeCode, Pin1, Pin2,
    RocDate, UserCode,
};
use npc::Npc;
use production::{Centre, CentreConfig, Interface, Manufacturer};
use registry::SimulatedRegister;
use sealed::{MasterKey, SharedRandom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Db;
use terminal::npc_card::NpcCard;
use terminal::{Card, TrustStore};

/// The account of the clerk.
const CLERK: &str = "persona-clerk";

/// The office with its systems.
pub struct Office {
    mgmt: Mgmt,
    centre: Centre,
    register: Arc<SimulatedRegister>,
    manufacturer: Manufacturer,
    databases: Vec<Db>,
    now: Timestamp,
    /// The profile that every card of this office gets, if it is none of those built in.
    own: Option<&'static Profile>,
}

/// A card that went all the way, and what its holder knows.
pub struct Made {
    pub serial: CardSerial,
    pub holder: String,
    /// What is printed on it.
    pub mrz: [String; 3],
    pub card: PathBuf,
    pub user_code: UserCode,
    pub pin1: Option<Pin1>,
    pub pin2: Option<Pin2>,
}

/// An order to the office.
pub struct Order<'a> {
    pub persona: &'a Persona,
    /// Its number in the catalogue.
    pub number: usize,
    pub profile: CardProfile,
    /// Which of several cards for this persona.
    pub copy: usize,
}

impl Office {
    /// Opens an office in an empty directory, whose clock says `now`.
    pub async fn open(
        directory: &Path,
        signing: Arc<dyn DocumentSigning>,
        certificates: Arc<Npc>,
        authorisation: Arc<dyn TerminalAuthorisation>,
        terminal: Arc<OfficeTerminal>,
        now: Timestamp,
        own: Option<&Own>,
    ) -> Result<Self, Failure> {
        let random = SharedRandom::new(SystemRandom);
        let key = || MasterKey::generate(&mut SystemRandom);
        let mut databases = Vec::new();
        for system in ["registry", "production", "mgmt"] {
            let url = format!("sqlite:{}", directory.join(format!("{system}.sqlite")).display());
            databases.push(Db::open(&url, system).await.map_err(Failure::from_system)?);
        }
        let register = SimulatedRegister::open(databases[0].clone(), &key(), random.clone())
            .await
            .map_err(Failure::from_system)?;
        let register = Arc::new(register);
        let mut trust = TrustStore::default();
        trust.add_certificate(signing.csca_certificate().await.map_err(Failure::from_system)?);
        let list = signing.csca_crl(now).await.map_err(Failure::from_system)?;
        trust.add_crl(x509::crl::Crl::parse(&list).map_err(Failure::ours)?);
        let config = CentreConfig {
            own_profile: own.map(|own| own.text.clone()),
            ..CentreConfig::new(directory.join("cards"), trust, crate::cards::fonts()?)
        };
        let centre = Centre::open(databases[1].clone(), &key(), config, random.clone())
            .await
            .map_err(Failure::from_system)?;
        let authority = certificates.ca_certificates();
        let chain =
            CaChain { root: authority.root.der().to_vec(), intermediate: authority.ca.der().to_vec() };
        let neighbours = Neighbours {
            register: register.clone(),
            certificates,
            signing,
            centre: Arc::new(centre.clone()),
            authorisation,
            terminal,
            chain,
        };
        let mgmt = Mgmt::open(
            databases[2].clone(),
            neighbours,
            MgmtKeys::new(&key()),
            mgmt::Config { own_profile: own.map(|own| own.profile), ..mgmt::Config::default() },
            random,
        )
        .await
        .map_err(Failure::from_system)?;
        let manufacturer = Manufacturer::new(key());
        Ok(Self { mgmt, centre, register, manufacturer, databases, now, own: own.map(|own| own.profile) })
    }

    /// Ends the office.
    pub async fn close(self) {
        for database in &self.databases {
            database.close().await;
        }
    }

    /// Makes a card for each order, up to the state its holder left it in.
    pub async fn make(&self, orders: &[Order<'_>]) -> Result<Vec<Made>, Failure> {
        let mut cases = Vec::with_capacity(orders.len());
        for order in orders {
            cases.push(self.apply(order).await?);
        }
        self.produce(&cases).await?;
        let mut made = Vec::with_capacity(orders.len());
        for (order, case) in orders.iter().zip(cases) {
            made.push(self.hand_over(order, case).await?);
        }
        Ok(made)
    }

    async fn apply(&self, order: &Order<'_>) -> Result<CaseNo, Failure> {
        let now = self.now;
        let recipe = &order.persona.recipe;
        // A second card for the same persona is somebody else's, as far as the office knows.
        let number = order.number + 100 * order.copy;
        let person = recipe
            .person
            .person(number, RocDate::in_taipei(now))
            .ok_or_else(|| Failure::ours("a persona is no person"))?;
        // A series of its own, so that no serial number of a persona is one of the country's, or another persona's.
        let letter = match self.own {
            Some(_) => "U",
            None => ["P", "Q", "R", "S", "T"][order.profile as usize % 5],
        };
        let series = format!("{letter}{:02}", number % 100 + order.copy * 50);
        let chip = match self.own {
            Some(own) => own.chip.name(),
            None => production::chip_type_of(order.profile).map_err(Failure::from_system)?,
        };
        self.centre
            .restock_type(&self.manufacturer, &chip, &series, 1, CLERK, now)
            .await
            .map_err(Failure::from_system)?;
        self.register.enrol(std::slice::from_ref(&person), now).await.map_err(Failure::from_system)?;
        let (sex, seed) = (person.sex, 4_000 + number as u64);
        let photo = tokio::task::spawn_blocking(move || mgmt::portrait::draw_as(seed, sex))
            .await
            .map_err(Failure::ours)?;
        let application = NewApplication {
            id: person.id,
            kind: ApplicationKind::First,
            channel: Channel::Counter,
            photo,
            photo_taken: RocDate::in_taipei(now),
            wants_certificate: recipe.certificate,
            foreign_name: person.name.foreign().is_some(),
            portrait_exemption: recipe.exemption,
            office: OfficeCode::new(person.address.village().district(), 0).map_err(Failure::ours)?,
            contact: Contact::by_post(),
            profile: order.profile,
        };
        let case = self.mgmt.submit(application, CLERK, now).await.map_err(Failure::from_system)?;
        let decision = match recipe.exemption {
            Some(exemption) => Decision::ApproveExempted(mgmt::portrait::REVIEW, exemption),
            None => Decision::Approve(mgmt::portrait::REVIEW),
        };
        self.mgmt.review(case, decision, CLERK, now).await.map_err(Failure::from_system)?;
        Ok(case)
    }

    async fn produce(&self, cases: &[CaseNo]) -> Result<(), Failure> {
        let now = self.now;
        self.mgmt.batch(100, CLERK, now).await.map_err(Failure::from_system)?;
        loop {
            let made = self.centre.run_line(now).await.map_err(Failure::from_system)?;
            let advanced = self.mgmt.advance(now).await.map_err(Failure::from_system)?;
            if made + advanced == 0 {
                break;
            }
        }
        for case in cases {
            let summary = self.mgmt.case(*case).await.map_err(Failure::from_system)?;
            if summary.state == ApplicationState::Produced {
                for (box_no, roster) in
                    self.mgmt.expected_boxes(summary.office).await.map_err(Failure::from_system)?
                {
                    self.mgmt
                        .receive_box(summary.office, &box_no, &roster, CLERK, now)
                        .await
                        .map_err(Failure::from_system)?;
                }
            }
            self.mgmt
                .check_received(*case, Inspection::Good, CLERK, now)
                .await
                .map_err(Failure::from_system)?;
        }
        Ok(())
    }

    async fn hand_over(&self, order: &Order<'_>, case: CaseNo) -> Result<Made, Failure> {
        let now = self.now;
        let recipe = &order.persona.recipe;
        let confirmation = self.mgmt.hand_over(case, CLERK, now).await.map_err(Failure::from_system)?;
        let serial = confirmation.serial;
        let (name, _) = self.mgmt.holder_of(serial).await.map_err(Failure::from_system)?;
        let summary = self.mgmt.card(serial).await.map_err(Failure::from_system)?;
        let mut made = Made {
            serial,
            holder: name.chinese().to_owned(),
            mrz: summary.mrz,
            card: self.centre.shelf().path(serial),
            user_code: confirmation.default_user_code,
            pin1: None,
            pin2: None,
        };
        if recipe.pins == Pins::Unset {
            return Ok(made);
        }
        let user_code = UserCode::sample(drawn());
        self.mgmt
            .change_user_code(serial, &made.user_code, &user_code, now)
            .await
            .map_err(Failure::from_system)?;
        let pin1: Pin1 = digits(6).parse().map_err(Failure::ours)?;
        let pin2: Option<Pin2> =
            recipe.certificate.then(|| digits(8).parse().map_err(Failure::ours)).transpose()?;
        let channel = self.centre.reader(serial, Interface::Contact).map_err(Failure::from_system)?;
        drop(
            self.mgmt
                .set_pins(serial, &user_code, &pin1, pin2.as_ref(), channel, now)
                .await
                .map_err(Failure::from_system)?,
        );
        match recipe.pins {
            Pins::Unset | Pins::Set => {}
            Pins::Pin1Suspended => self.forget_pin1(serial, &pin1, 2)?,
            Pins::Pin1Blocked => self.forget_pin1(serial, &pin1, 3)?,
            Pins::Pin2Blocked => self.forget_pin2(serial, pin2.as_ref())?,
        }
        (made.user_code, made.pin1, made.pin2) = (user_code, Some(pin1), pin2);
        Ok(made)
    }

    /// Enters a wrong PIN1 this many times, as a forgetful holder does.
    fn forget_pin1(&self, serial: CardSerial, pin1: &Pin1, times: usize) -> Result<(), Failure> {
        let wrong = Password::pin(other(pin1.expose()).as_bytes());
        let channel = self.centre.reader(serial, Interface::Contact).map_err(Failure::from_system)?;
        let mut card = Card::new(channel);
        for attempt in 0..times {
            card.connect().map_err(Failure::ours)?;
            // BSI TR-03110-2 §2.3.3: the last try only inside a channel of the access number.
            if attempt == 2 {
                let can = Password::can(serial.can().as_str());
                card.open_channel(self.pace(), &can, &mut SystemRandom).map_err(Failure::ours)?;
            }
            if card.open_channel(self.pace(), &wrong, &mut SystemRandom).is_ok() {
                return Err(Failure::ours("a card took a wrong PIN1"));
            }
        }
        Ok(())
    }

    /// The parameters that the cards prefer.
    fn pace(&self) -> Parameters {
        self.own.and_then(|own| own.pace.first().copied()).unwrap_or(PACE)
    }

    /// Enters a wrong PIN2 three times.
    fn forget_pin2(&self, serial: CardSerial, pin2: Option<&Pin2>) -> Result<(), Failure> {
        let wrong = SecretBytes::from(other(pin2.map_or("00000000", Pin2::expose)).into_bytes());
        let channel = self.centre.reader(serial, Interface::Contact).map_err(Failure::from_system)?;
        let can = Password::can(serial.can().as_str());
        let mut card = NpcCard::open(channel, &can, &mut SystemRandom).map_err(Failure::ours)?;
        for _ in 0..3 {
            if card.verify_pin2(&wrong).is_ok() {
                return Err(Failure::ours("a card took a wrong PIN2"));
            }
        }
        Ok(())
    }
}

/// The parameters every card of the country prefers.
const PACE: Parameters = Parameters::generic(curve::Curve::P521, eac::Cipher::Aes256);

fn drawn<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom.fill(&mut bytes);
    bytes
}

fn digits(count: usize) -> String {
    drawn::<12>()[..count].iter().map(|byte| char::from(b'0' + byte % 10)).collect()
}

/// As many digits, and another first one.
fn other(pin: &str) -> String {
    let first = if pin.starts_with('7') { '8' } else { '7' };
    std::iter::once(first).chain(pin.chars().skip(1)).collect()
}
