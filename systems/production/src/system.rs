//! The card centre as one system: how it is opened, and what it has besides the trait that management uses.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cardface::{FontSet, Symbology};
use chip::{ChipType, InProcessChannel, Interface};
use jiff::{SignedDuration, Timestamp};
use model::{CardProfile, CardSerial, CardState};
use sealed::{MasterKey, SharedRandom};
use store::{Db, Value, params};
use terminal::TrustStore;

use crate::ProductionError;
use crate::books::{self, By, CardRow, StockKind};
use crate::chip_types;
use crate::keys::CentreKeys;
use crate::machine;
use crate::manufacturer::{Delivery, LotCard, LotOrder, Manufacturer, card_keys, combine, open_data_file};
use crate::schema::MIGRATIONS;
use crate::shelf::Shelf;
use crate::stock::{self, Counts, Stocktake};

/// How the centre works.
#[derive(Clone)]
pub struct CentreConfig {
    /// Where the cards lie.
    pub cards: PathBuf,
    /// Country signing certificates at the start: quality control reads a finished card as a stranger would.
    pub trust: TrustStore,
    /// Fonts of the printed face.
    pub fonts: Arc<FontSet>,
    /// Resolution of the proof image, dots per inch.
    pub proof_dpi: u32,
    /// The symbology of the barcodes that are printed (CARDFACE-12).
    pub barcodes: Symbology,
    /// Cards worked on at the same time (PRODUCTION-09).
    pub machines: usize,
    /// Most cards in a box (PRODUCTION-64).
    pub box_size: u32,
    /// Whether no card is made from a lot whose face was not inspected (CARDFACE-16). Virtual cards have no surface.
    pub inspect_face: bool,
    /// Initialised cards kept ready of the citizens' profile beyond what is ordered.
    pub ready: u32,
    /// How long a step may take before another worker takes it up.
    pub lease: SignedDuration,
    /// Attempts after which a card that fails is taken out.
    pub attempts: u32,
    /// After which time the keys of a type of chip are assessed again (CARD-12).
    pub key_assessment_interval: SignedDuration,
    /// The text of a profile of somebody's own (`chip::Profile::own`) that every card of this centre gets in the place of the one
    /// its order names. Of such a profile sample cards alone are made.
    pub own_profile: Option<String>,
}

impl CentreConfig {
    /// The ministry's figures for cards in this directory.
    pub fn new(cards: impl Into<PathBuf>, trust: TrustStore, fonts: Arc<FontSet>) -> Self {
        Self {
            cards: cards.into(),
            trust,
            fonts,
            proof_dpi: 300,
            barcodes: Symbology::default(),
            machines: 2,
            box_size: 250,
            inspect_face: false,
            ready: 0,
            lease: SignedDuration::from_secs(60),
            attempts: 3,
            key_assessment_interval: SignedDuration::from_hours(365 * 24),
            own_profile: None,
        }
    }
}

/// The card centre. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Centre {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) shelf: Shelf,
    pub(crate) keys: CentreKeys,
    pub(crate) config: CentreConfig,
    pub(crate) trust: Mutex<Arc<TrustStore>>,
    pub(crate) random: SharedRandom,
}

impl Centre {
    /// Opens the centre on its own database. `master` is the centre's master key.
    pub async fn open(
        db: Db,
        master: &MasterKey,
        config: CentreConfig,
        random: SharedRandom,
    ) -> Result<Self, ProductionError> {
        db.migrate(MIGRATIONS).await?;
        let shelf = Shelf::open(&config.cards)?;
        let keys = CentreKeys::open(&db, master, &random).await?;
        let trust = Mutex::new(Arc::new(config.trust.clone()));
        let centre = Self { inner: Arc::new(Inner { db, shelf, keys, config, trust, random }) };
        centre.establish_chip_types().await?;
        Ok(centre)
    }

    /// From now on quality control trusts this: newer revocation lists, or another country signing key after a roll-over.
    pub fn trust(&self, trust: TrustStore) {
        *self.inner.trust.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
    }

    /// The shelf of the cards.
    pub fn shelf(&self) -> &Shelf {
        &self.inner.shelf
    }

    /// Cards of each kind by the books (PRODUCTION-44).
    pub async fn stock(&self) -> Result<Counts, ProductionError> {
        stock::counts(&self.inner.db).await
    }

    /// Counts books, ledger and shelf against each other (PRODUCTION-47).
    pub async fn stocktake(&self) -> Result<Stocktake, ProductionError> {
        stock::stocktake(&self.inner.db, &self.inner.shelf).await
    }

    /// Blanks and initialised cards of the national profile that no order has yet.
    pub async fn available(&self) -> Result<u64, ProductionError> {
        self.available_for(CardProfile::National).await
    }

    /// How many orders of a profile wait for which there is neither a blank nor an initialised card.
    pub async fn wanting(&self, profile: CardProfile) -> Result<u64, ProductionError> {
        let sql = "SELECT count(*) FROM card_order WHERE state = 'placed' AND profile = $1";
        let placed: u64 = self.inner.db.one(sql, params![profile.as_str()]).await?.read(0)?;
        if placed == 0 {
            return Ok(0);
        }
        Ok(placed.saturating_sub(self.available_for(profile).await?))
    }

    async fn available_for(&self, profile: CardProfile) -> Result<u64, ProductionError> {
        let row = self
            .inner
            .db
            .one(
                "SELECT count(*) FROM card JOIN lot ON lot.lot = card.lot WHERE order_no IS NULL \
                 AND state IN ('blank', 'washed', 'initialised') AND (profile = $1 OR (profile IS NULL AND card_type = $2))",
                params![profile.as_str(), chip_types::chip_type_of(profile)?],
            )
            .await?;
        Ok(row.read(0)?)
    }

    /// How many cards the centre ever received of a series: the running number of the next lot.
    pub async fn received(&self, series: &str) -> Result<u32, ProductionError> {
        let row = self
            .inner
            .db
            .one("SELECT count(*) FROM card WHERE serial LIKE $1", params![format!("{series}%")])
            .await?;
        Ok(row.read(0)?)
    }

    /// Orders the next lot of a series from the manufacturer and receives it: chips of the planned type. An interrupted order
    /// is placed again by calling this again.
    pub async fn restock(
        &self,
        manufacturer: &Manufacturer,
        series: &str,
        quantity: u32,
        actor: &str,
        now: Timestamp,
    ) -> Result<usize, ProductionError> {
        let planned = ChipType::PLANNED.name();
        self.restock_type(manufacturer, &planned, series, quantity, actor, now).await
    }

    /// As [`Centre::restock`], chips of the named type.
    pub async fn restock_type(
        &self,
        manufacturer: &Manufacturer,
        card_type: &str,
        series: &str,
        quantity: u32,
        actor: &str,
        now: Timestamp,
    ) -> Result<usize, ProductionError> {
        let first = self.received(series).await?;
        let order = LotOrder {
            lot: format!("{series}-{first:06}"),
            card_type: card_type.to_owned(),
            series: series.to_owned(),
            first,
            quantity,
        };
        let (shelf, random, manufacturer) =
            (self.inner.shelf.clone(), self.inner.random.clone(), manufacturer.clone());
        let delivery = blocking(move || manufacturer.make(&order, &shelf, now, &random)).await?;
        self.receive_lot(&delivery, quantity, actor, now).await
    }

    /// Puts a card that left the centre into a reader of this process, as its holder or an office would.
    pub fn reader(
        &self,
        serial: CardSerial,
        interface: Interface,
    ) -> Result<InProcessChannel, ProductionError> {
        machine::insert(&self.inner.shelf, serial, interface, &self.inner.random)
    }

    /// Receives a lot (PRODUCTION-14, 21, 22): opens the data file with both shares, compares it with what was counted and
    /// with the cards, and takes them into the books. If anything differs the whole lot is refused. Receiving it again
    /// changes nothing. Returns the number of cards.
    pub async fn receive_lot(
        &self,
        delivery: &Delivery,
        counted: u32,
        actor: &str,
        now: Timestamp,
    ) -> Result<usize, ProductionError> {
        let inner = &self.inner;
        let known = inner.db.optional("SELECT lot FROM lot WHERE lot = $1", params![&delivery.lot]).await?;
        let (card_type, cards) = open_data_file(delivery)?;
        if known.is_some() {
            return Ok(cards.len());
        }
        self.usable_chip_type(&card_type).await?;
        if cards.len() != counted as usize {
            return Err(ProductionError::LotRefused("counted cards and card data file differ"));
        }
        let on_shelf = inner.shelf.cards()?;
        if !cards.iter().all(|card| on_shelf.contains(&card.serial)) {
            return Err(ProductionError::LotRefused("a card of the data file is missing"));
        }
        self.sample(&cards).await?;
        let transport = combine(&delivery.shares);
        let sealed = inner.keys.seal_transport(&delivery.lot, &transport, &mut inner.random.clone())?;
        store::transaction!(inner.db, |tx| {
            let known = tx.optional("SELECT lot FROM lot WHERE lot = $1", params![&delivery.lot]).await?;
            if known.is_some() {
                // Another program received it while this one counted.
                return Ok(());
            }
            tx.execute_one(
                "INSERT INTO lot (lot, card_type, quantity, transport, received_at) VALUES ($1, $2, $3, $4, $5)",
                params![&delivery.lot, &card_type, counted, &sealed, now],
            )
            .await?;
            let rows = cards.iter().map(|card| {
                vec![
                    Value::from(card.serial.as_str().to_owned()),
                    Value::from(card.chip_id),
                    Value::from(&delivery.lot),
                    Value::from(CardState::Blank.as_str()),
                    Value::from(now),
                ]
            });
            // CARD-53: a serial number, and a chip, is in one lot alone.
            tx.insert_many("INSERT INTO card (serial, chip_id, lot, state, changed_at)", 5, rows)
                .await
                .map_err(|error| match error.is_unique() {
                    true => ProductionError::LotRefused("a card of the data file is in the books already"),
                    false => error.into(),
                })?;
            let next = tx.one("SELECT COALESCE(MAX(movement), 0) + 1 FROM stock_movement", params![]).await?;
            let next: i64 = next.read(0)?;
            let moves = cards.iter().zip(next..).map(|(card, movement)| {
                vec![
                    Value::from(movement),
                    Value::from(now),
                    Value::from(card.serial.as_str().to_owned()),
                    Value::from(StockKind::Blank.as_str()),
                ]
            });
            tx.insert_many("INSERT INTO stock_movement (movement, at, serial, to_kind)", 4, moves).await?;
            for card in &cards {
                self.queue(tx, crate::work::Step::Wash, card.serial.as_str(), now).await?;
            }
            audit::append(
                tx,
                &audit::Event {
                    at: now,
                    actor,
                    system: "production",
                    action: "lot-receive",
                    subject: &delivery.lot,
                    detail: serde_json::json!({ "cards": counted, "card_type": card_type }),
                },
            )
            .await?;
            Ok::<_, ProductionError>(())
        })?;
        Ok(cards.len())
    }

    /// PRODUCTION-21, OPEN-48: two in a hundred cards are tested; one that fails refuses the lot.
    async fn sample(&self, cards: &[LotCard]) -> Result<(), ProductionError> {
        let every = cards.len().div_ceil(50).max(1);
        let step = cards.len().div_ceil(every).max(1);
        let sample: Vec<LotCard> = cards.iter().step_by(step).cloned().collect();
        let inner = self.inner.clone();
        blocking(move || {
            for card in sample {
                let mut channel =
                    machine::insert(&inner.shelf, card.serial, Interface::Contact, &inner.random)?;
                // A card that was washed already is known to the books; it does not come here.
                if machine::cplc(&mut channel)? != card.cplc {
                    return Err(ProductionError::LotRefused(
                        "a sampled card is not the card of the data file",
                    ));
                }
            }
            Ok(())
        })
        .await
    }

    /// Registers the destruction of all scrapped, void and bad cards under a list number, and destroys them
    /// (PRODUCTION-58, 61, MGMT-68). Returns their serials.
    pub async fn destroy_waste(
        &self,
        list: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<Vec<CardSerial>, ProductionError> {
        let inner = &self.inner;
        store::transaction!(inner.db, |tx| {
            let rows = tx.all("SELECT serial FROM card WHERE state IN ('flawed', 'void')", params![]).await?;
            for row in &rows {
                let card = books::card(tx, books::serial(row)?).await?;
                let by = By { at: now, actor, reason: Some(list) };
                books::step(tx, &card, CardState::Destroyed, by).await?;
            }
            Ok::<_, ProductionError>(())
        })?;
        // What was registered as destroyed is destroyed now; after an interruption the next call finds it again.
        let rows = inner.db.all("SELECT serial FROM card WHERE state = 'destroyed'", params![]).await?;
        let mut destroyed = Vec::new();
        for row in &rows {
            let serial = books::serial(row)?;
            match std::fs::remove_file(inner.shelf.path(serial)) {
                Ok(()) => destroyed.push(serial),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(crate::shelf::file_error(error)),
            }
        }
        Ok(destroyed)
    }

    /// The state of a card in the centre's books.
    pub async fn card_state(&self, serial: CardSerial) -> Result<CardState, ProductionError> {
        Ok(books::card_now(&self.inner.db, serial).await?.state)
    }

    /// Checks the audit chain.
    pub async fn verify_audit(&self) -> Result<audit::Head, ProductionError> {
        Ok(audit::verify(&self.inner.db, None).await?)
    }

    /// The keys the card travelled under.
    pub(crate) async fn transport_keys(&self, card: &CardRow) -> Result<scp::KeySet, ProductionError> {
        let row = self.inner.db.one("SELECT transport FROM lot WHERE lot = $1", params![&card.lot]).await?;
        let sealed: Vec<u8> = row.read("transport")?;
        card_keys(&self.inner.keys.open_transport(&card.lot, &sealed)?, &card.chip_id)
    }
}

impl std::fmt::Debug for Centre {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Centre(..)")
    }
}

/// Runs card work on a thread of its own: making RSA keys takes a core for a while.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProductionError> + Send + 'static,
) -> Result<T, ProductionError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ProductionError::Worker)?
}
