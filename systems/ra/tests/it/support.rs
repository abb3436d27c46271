//! A country with a registration authority, and requests in short.

use std::path::Path;
use std::sync::Arc;

use curve::{Hash, Random, SecretBytes, SeedRandom, SystemRandom};
use jiff::Timestamp;
use model::{CardSerial, KeySlot, Pin1, Pin2, UserCode};
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
    pub(crate) ra: Ra,
    pub(crate) db: Db,
    pub(crate) person: Person,
    pub(crate) card: CardSerial,
}

impl Counter {
    /// The holder has set user code and PINs.
    pub(crate) async fn open(url: &str, dir: &Path) -> Self {
        let world = World::open(url, dir, start()).await;
        world.restock(1).await;
        let person = world.person(1).await;
        let card = world.card_of(&person).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        let default = mgmt.reset_user_code(card, CLERK, now).await.unwrap();
        mgmt.change_user_code(card, &default, &code(), now).await.unwrap();
        let reader = world.centre.reader(card, Interface::Contact).unwrap();
        let (pin1, pin2): (Pin1, Pin2) = ("123456".parse().unwrap(), PIN2.parse().unwrap());
        drop(mgmt.set_pins(card, &code(), &pin1, Some(&pin2), reader, now).await.unwrap());
        let (db, ra) = authority(url, &world).await;
        Self { world, ra, db, person, card }
    }

    /// Everything closed and opened again, as after a restart.
    pub(crate) async fn reopen(self, url: &str, dir: &Path, now: Timestamp) -> Self {
        let (person, card) = (self.person.clone(), self.card);
        self.close().await;
        let world = World::open(url, dir, now).await;
        let (db, ra) = authority(url, &world).await;
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
            case: "C11500000077".parse().unwrap(),
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

async fn authority(url: &str, world: &World) -> (Db, Ra) {
    let db = Db::open(url, "ra").await.unwrap();
    let key = MasterKey::generate(&mut SeedRandom::new(b"ra"));
    let ra = Ra::open(
        db.clone(),
        Arc::new(world.mgmt.clone()),
        world.npc.clone(),
        world.register.clone(),
        &key,
        Config { user_code_cost: crate::world::test_config().user_code_cost, ..Config::default() },
        SharedRandom::new(SystemRandom),
    );
    (db, ra.await.unwrap())
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
