//! A country with a registration authority, and requests in short.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use curve::{Hash, Random, SecretBytes, SeedRandom, SystemRandom};
use jiff::Timestamp;
use mgmt::{CaseService, Mgmt, NewCounterCase};
use model::{CardSerial, CaseNo, KeySlot, NationalIdNo, Pin1, Pin2, UserCode};
use npc::CertificateAuthority;
use production::Interface;
use ra::functions::{Channel, Function};
use ra::{Config, Consent, Detail, Done, Proof, Ra, RaError, Request};
use registry::Person;
use sealed::{MasterKey, SharedRandom};
use store::Db;
use terminal::npc_card::{NpcCard, NpcError};
use uuid::Uuid;
use x509::certificate::profiles::{NpcRoot, npc_root};
use x509::{Certificate, EcSigner, Name, Serial, Signer, Validity};

use crate::world::{CLERK, World, office, start};

pub(crate) const PIN2: &str = "20212021";

/// A country, its registration authority, and one card in its holder's hands.
pub(crate) struct Counter {
    pub(crate) world: World,
    pub(crate) ra: Desk,
    pub(crate) db: Db,
    pub(crate) person: Person,
    pub(crate) card: CardSerial,
}

impl Counter {
    /// The holder has set user code and PINs.
    pub(crate) async fn open(url: &str, dir: &Path) -> Self {
        Self::open_with(url, dir, |_| {}).await
    }

    /// The same under a policy of its own.
    pub(crate) async fn open_with(url: &str, dir: &Path, policy: impl Fn(&mut Config)) -> Self {
        Self::of(url, World::open(url, dir, start()).await, policy).await
    }

    /// The same in a country that is there.
    pub(crate) async fn of(url: &str, world: World, policy: impl Fn(&mut Config)) -> Self {
        world.restock(1).await;
        let person = world.person(1).await;
        let card = world.card_of(&person).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        let default = mgmt.reset_user_code(card, CLERK, now).await.unwrap();
        mgmt.change_user_code(card, &default, &code(), now).await.unwrap();
        let reader = world.centre.reader(card, Interface::Contact).unwrap();
        let (pin1, pin2): (Pin1, Pin2) = ("123456".parse().unwrap(), PIN2.parse().unwrap());
        drop(mgmt.set_pins(card, &code(), &pin1, Some(&pin2), reader, now).await.unwrap());
        let (db, ra) = authority(url, &world, policy).await;
        Self { world, ra, db, person, card }
    }

    /// Everything closed and opened again, as after a restart.
    pub(crate) async fn reopen(self, url: &str, dir: &Path, now: Timestamp) -> Self {
        let (person, card, people) = (self.person.clone(), self.card, self.ra.people.clone());
        self.close().await;
        let mut counter = Self::there(url, dir, person, card, now).await;
        counter.ra.people = people;
        counter
    }

    /// A country that stands in this database and this directory.
    pub(crate) async fn there(
        url: &str,
        dir: &Path,
        person: Person,
        card: CardSerial,
        now: Timestamp,
    ) -> Self {
        let world = World::open(url, dir, now).await;
        let (db, ra) = authority(url, &world, |_| {}).await;
        Self { world, ra, db, person, card }
    }

    pub(crate) async fn close(self) {
        self.db.close().await;
        self.world.close().await;
    }

    pub(crate) fn reader(&self) -> mgmt::Reader {
        Box::new(self.world.centre.reader(self.card, Interface::Contact).unwrap())
    }

    pub(crate) fn zone(&self) -> NpcCard<mgmt::Reader> {
        let can = eac::Password::can(self.card.can().as_str());
        NpcCard::open(self.reader(), &can, &mut SystemRandom).unwrap()
    }

    /// Signs the text of a request with PIN2.
    pub(crate) fn sign(&self, request: &Request, slot: KeySlot) -> Proof {
        let mut zone = self.zone();
        zone.verify_pin2(&secret(PIN2)).unwrap();
        let hash = if slot.is_rsa() { Hash::Sha256 } else { Hash::Sha512 };
        Proof::Signature(zone.sign_cms(slot, hash, request.text().as_bytes(), Some(request.at)).unwrap())
    }

    /// Three wrong entries.
    pub(crate) fn block_pin2(&self) {
        let mut zone = self.zone();
        while zone.verify_pin2(&secret("99999999")) != Err(NpcError::PinBlocked) {}
    }

    pub(crate) fn clerk(&self) -> Proof {
        Proof::Clerk {
            clerk: CLERK.into(),
            office: office(&self.person),
            case: to_be_opened(),
            consent: None,
        }
    }

    /// The same with the holder's consent.
    pub(crate) fn clerk_with(&self, consent: Consent) -> Proof {
        let Proof::Clerk { clerk, office, case, .. } = self.clerk() else { panic!("a clerk") };
        Proof::Clerk { clerk, office, case, consent: Some(consent) }
    }

    /// A function that needs no card, at the counter.
    pub(crate) async fn at_counter(&self, function: Function, detail: Detail) -> Result<Done, RaError> {
        let request = request(function, self.card, detail, self.world.now);
        self.ra.act(Channel::Counter, &request, &self.clerk(), None, self.world.now).await
    }

    /// The same online, with the user code.
    pub(crate) async fn online(&self, function: Function, detail: Detail) -> Result<Done, RaError> {
        let request = request(function, self.card, detail, self.world.now);
        self.ra.act(Channel::Online, &request, &Proof::UserCode(code()), None, self.world.now).await
    }
}

async fn authority(url: &str, world: &World, policy: impl Fn(&mut Config)) -> (Db, Desk) {
    authority_under(url, world, world.npc.clone(), policy).await
}

/// The same with a CA that does something beside.
pub(crate) async fn authority_with(
    url: &str,
    world: &World,
    npc: Arc<dyn CertificateAuthority>,
) -> (Db, Desk) {
    authority_under(url, world, npc, |_| {}).await
}

async fn authority_under(
    url: &str,
    world: &World,
    npc: Arc<dyn CertificateAuthority>,
    policy: impl Fn(&mut Config),
) -> (Db, Desk) {
    let user_code_cost = crate::world::test_config().user_code_cost;
    let mut config = Config { user_code_cost, ..Config::default() };
    policy(&mut config);
    let db = Db::open(url, "ra").await.unwrap();
    let key = MasterKey::generate(&mut SeedRandom::new(b"ra"));
    let ra = Ra::open(
        db.clone(),
        Arc::new(world.mgmt.clone()),
        npc,
        world.register.clone(),
        &key,
        config,
        SharedRandom::new(SystemRandom),
    );
    (db, Desk::new(ra.await.unwrap(), world))
}

/// The registration authority with a desk in front of it: where a clerk comes without a case of a holder's, one is opened for the
/// card, by the person whose it is, for everything that there is.
pub(crate) struct Desk {
    ra: Ra,
    mgmt: Mgmt,
    people: Arc<Mutex<HashMap<CardSerial, NationalIdNo>>>,
}

impl Desk {
    pub(crate) fn new(ra: Ra, world: &World) -> Self {
        Self { ra, mgmt: world.mgmt.clone(), people: Arc::default() }
    }

    pub(crate) async fn act(
        &self,
        channel: Channel,
        request: &Request,
        proof: &Proof,
        reader: Option<mgmt::Reader>,
        now: Timestamp,
    ) -> Result<Done, RaError> {
        let mut proof = proof.clone();
        if let Proof::Clerk { case, .. } = &mut proof
            && *case == to_be_opened()
        {
            *case = self.case_for(request, now).await;
        }
        self.ra.act(channel, request, &proof, reader, now).await
    }

    async fn case_for(&self, request: &Request, now: Timestamp) -> CaseNo {
        let person = {
            let mut people = self.people.lock().unwrap();
            match &request.detail {
                Detail::NewCard(new) => Some(*people.entry(request.card).or_insert(new.person)),
                _ => people.get(&request.card).copied(),
            }
        };
        let office = registry::offices().next().unwrap().code;
        let services = CaseService::ALL.to_vec();
        let mut case = NewCounterCase { card: request.card, person: None, services, office };
        if let Ok(no) = self.mgmt.open_counter_case(&case, CLERK, now).await {
            return no;
        }
        // Not a card of management's: somebody has come with it.
        case.person = Some(person.unwrap_or_else(|| NationalIdNo::sample(model::Sex::Male, [7; 9])));
        self.mgmt.open_counter_case(&case, CLERK, now).await.unwrap()
    }
}

impl std::ops::Deref for Desk {
    type Target = Ra;

    fn deref(&self) -> &Ra {
        &self.ra
    }
}

/// Stands for a case that the desk opens.
pub(crate) fn to_be_opened() -> CaseNo {
    "C11500000077".parse().unwrap()
}

pub(crate) fn code() -> UserCode {
    "mycode1".parse().unwrap()
}

pub(crate) fn secret(pin: &str) -> SecretBytes {
    SecretBytes::from(pin.as_bytes().to_vec())
}

pub(crate) fn request(function: Function, card: CardSerial, detail: Detail, at: Timestamp) -> Request {
    let mut id = [0; 16];
    SystemRandom.fill(&mut id);
    Request { id: Uuid::from_bytes(id), function, card, at, detail }
}

/// The code of a refusal.
pub(crate) fn refused(result: Result<Done, RaError>) -> &'static str {
    result.expect_err("is refused").code()
}

/// A certificate of its own for a key that somebody outside of the country has.
pub(crate) fn certificate_for(signer: &EcSigner, now: Timestamp) -> Certificate {
    let subject = Name::builder().country("TW").common_name("sample bank").build().unwrap();
    let root = NpcRoot {
        serial: Serial::random(&mut SystemRandom),
        subject: &subject,
        validity: Validity::new(now, now + jiff::SignedDuration::from_hours(24 * 365)).unwrap(),
        spki: signer.spki(),
        algorithm: signer.algorithm(),
    };
    x509::certificate::issue(&npc_root(&root).unwrap(), signer).unwrap()
}
