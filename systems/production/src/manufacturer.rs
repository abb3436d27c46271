//! The card manufacturer (卡廠), played by us: virtual blanks, each under factory keys of its own, and the encrypted card
//! data file that comes with a lot (PRODUCTION-11 to 14).
//!
//! The transport key of a lot is two shares that travel by different routes; either share alone says nothing. The keys
//! set in a chip are computed from the combined key and the chip identifier. The data file names serial, chip identifier
//! and CPLC of every card in the lot and is sealed under the same combined key.

use chip::{FactoryData, FileMemory};
use curve::SecretBytes;
use jiff::Timestamp;
use model::CardSerial;
use sealed::{MasterKey, SharedRandom};
use serde::{Deserialize, Serialize};

use crate::ProductionError;
use crate::chip_types;
use crate::package::Bytes;
use crate::serials::{SERIES_SIZE, SerialNumbers};
use crate::shelf::{Shelf, file_error};

/// Length of each share and of the combined key.
const SHARE_LEN: usize = 32;

/// One of two parts of a transport key.
#[derive(Clone)]
pub struct TransportShare(SecretBytes);

impl TransportShare {
    /// A share from its bytes.
    pub fn from_bytes(bytes: SecretBytes) -> Result<Self, ProductionError> {
        if bytes.expose().len() == SHARE_LEN { Ok(Self(bytes)) } else { Err(ProductionError::LotFile) }
    }

    /// The bytes, for the envelope it travels in.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

impl std::fmt::Debug for TransportShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TransportShare(***)")
    }
}

/// What is delivered with the cards of a lot.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Lot number.
    pub lot: String,
    /// The encrypted card data file (卡片資料檔).
    pub data_file: Vec<u8>,
    /// The shares of the transport key, each by its own route.
    pub shares: [TransportShare; 2],
}

/// An order for blanks.
#[derive(Debug, Clone)]
pub struct LotOrder {
    /// Lot number, unique.
    pub lot: String,
    /// Chip type, as the chip-type register names it.
    pub card_type: String,
    /// Series of the serial numbers.
    pub series: String,
    /// Running number of the first card in the series.
    pub first: u32,
    /// How many cards.
    pub quantity: u32,
}

/// One card of a lot as the data file lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LotCard {
    /// Serial number given to the blank.
    pub serial: CardSerial,
    /// Chip identifier.
    pub chip_id: [u8; 8],
    /// Card Production Life Cycle data.
    pub cplc: Vec<u8>,
}

/// The manufacturer with its secrets. The same key and order always make the same lot, so an interrupted order is
/// simply placed again.
#[derive(Clone)]
pub struct Manufacturer {
    key: MasterKey,
}

impl Manufacturer {
    /// The manufacturer with this key.
    pub const fn new(key: MasterKey) -> Self {
        Self { key }
    }

    /// Makes the cards of an order on the shelf, and what is delivered with them. Cards that are there already are left.
    pub fn make(
        &self,
        order: &LotOrder,
        shelf: &Shelf,
        now: Timestamp,
        random: &SharedRandom,
    ) -> Result<Delivery, ProductionError> {
        if order.first.checked_add(order.quantity).is_none_or(|end| end > SERIES_SIZE) {
            return Err(ProductionError::SeriesUsedUp);
        }
        let chip = chip_types::by_name(&order.card_type).ok_or(ProductionError::ChipTypeUnknown)?;
        let serials = SerialNumbers::new(&self.key, &order.series)?;
        let shares = ["a", "b"].map(|share| {
            TransportShare(self.key.derive_bytes::<SHARE_LEN>(&format!("transport/{}/{share}", order.lot)))
        });
        let transport = combine(&shares);
        let mut cards = Vec::with_capacity(order.quantity as usize);
        for running in order.first..order.first + order.quantity {
            let serial = serials.serial(running)?;
            let chip_id = self.chip_id(&order.series, running);
            let data = FactoryData::new(chip_id, card_keys(&transport, &chip_id)?).of_type(chip);
            make_card(shelf, serial, &data, random)?;
            cards.push(LotCard { serial, chip_id, cplc: data.cplc().to_vec() });
        }
        let file = StoredLot {
            version: 1,
            lot: order.lot.clone(),
            card_type: order.card_type.clone(),
            made: now,
            cards: cards
                .iter()
                .map(|card| StoredLotCard {
                    serial: card.serial,
                    chip_id: Bytes(card.chip_id.to_vec()),
                    cplc: Bytes(card.cplc.clone()),
                })
                .collect(),
        };
        let plain = serde_json::to_vec(&file).map_err(|_| ProductionError::Data("card data file"))?;
        let data_file = file_key(&transport)?.seal(&mut random.clone(), &file_context(&order.lot), &plain)?;
        Ok(Delivery { lot: order.lot.clone(), data_file, shares })
    }

    /// Chip identifiers do not tell serials: they are drawn under another key.
    fn chip_id(&self, series: &str, running: u32) -> [u8; 8] {
        let hash = self.key.derive("chips").lookup(format!("{series}/{running}").as_bytes());
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        // The top bits keep it from being all zero, which a chip does not accept.
        id[0] |= 0x80;
        id
    }
}

impl std::fmt::Debug for Manufacturer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Manufacturer(..)")
    }
}

/// Makes one virtual blank. The memory gets its whole content in one transaction, so a card is there or it is not.
fn make_card(
    shelf: &Shelf,
    serial: CardSerial,
    data: &FactoryData,
    random: &SharedRandom,
) -> Result<(), ProductionError> {
    let path = shelf.path(serial);
    let memory = if path.exists() { FileMemory::open(&path) } else { FileMemory::create(&path) };
    let memory = memory.map_err(memory_error)?;
    match chip::factory::manufacture(Box::new(memory), data, Box::new(random.clone())) {
        Ok(_) | Err(chip::ChipError::AlreadyAChip) => Ok(()),
        Err(chip::ChipError::Memory(error)) => Err(memory_error(error)),
        Err(error) => Err(ProductionError::Card(error.to_string())),
    }
}

fn memory_error(error: chip::MemoryError) -> ProductionError {
    match error {
        chip::MemoryError::Io(error) => file_error(error),
        other => ProductionError::CardFile(other.to_string()),
    }
}

/// Opens a card data file with both shares.
pub(crate) fn open_data_file(delivery: &Delivery) -> Result<(String, Vec<LotCard>), ProductionError> {
    let transport = combine(&delivery.shares);
    let plain = file_key(&transport)?
        .open(&file_context(&delivery.lot), &delivery.data_file)
        .map_err(|_| ProductionError::LotFile)?;
    let file: StoredLot = serde_json::from_slice(plain.expose()).map_err(|_| ProductionError::LotFile)?;
    if file.version != 1 || file.lot != delivery.lot {
        return Err(ProductionError::LotFile);
    }
    let cards = file
        .cards
        .into_iter()
        .map(|card| {
            let chip_id = card.chip_id.0.try_into().map_err(|_| ProductionError::LotFile)?;
            Ok(LotCard { serial: card.serial, chip_id, cplc: card.cplc.0 })
        })
        .collect::<Result<_, ProductionError>>()?;
    Ok((file.card_type, cards))
}

/// PRODUCTION-14: both shares are needed; each alone is uniformly random.
pub(crate) fn combine([a, b]: &[TransportShare; 2]) -> SecretBytes {
    let mut key = a.expose().to_vec();
    key.iter_mut().zip(b.expose()).for_each(|(x, y)| *x ^= y);
    SecretBytes::from(key)
}

/// PRODUCTION-11: the keys set in one chip, computed from the lot's key by an agreed algorithm.
pub(crate) fn card_keys(transport: &SecretBytes, chip_id: &[u8]) -> Result<scp::KeySet, ProductionError> {
    scp::diversify(transport, chip_id).map_err(|_| ProductionError::Data("transport key"))
}

fn file_key(transport: &SecretBytes) -> Result<MasterKey, ProductionError> {
    Ok(MasterKey::from_bytes(transport)?.derive("card data file"))
}

fn file_context(lot: &str) -> String {
    format!("manufacturer/lot/{lot}")
}

/// The card data file. Form agreed with the manufacturer, version 1.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLot {
    version: u32,
    lot: String,
    card_type: String,
    made: Timestamp,
    cards: Vec<StoredLotCard>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLotCard {
    serial: CardSerial,
    chip_id: Bytes,
    cplc: Bytes,
}

/// A random share pair for tests of [`combine`].
#[cfg(test)]
pub(crate) fn random_shares(random: &mut dyn curve::Random) -> [TransportShare; 2] {
    [0, 1].map(|_| {
        let mut bytes = [0; SHARE_LEN];
        curve::Random::fill(random, &mut bytes);
        TransportShare(SecretBytes::from(bytes.to_vec()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve::SeedRandom;

    fn order(quantity: u32) -> LotOrder {
        LotOrder { lot: "L1".into(), card_type: "NE-0144".into(), series: "N5A".into(), first: 0, quantity }
    }

    fn manufacturer() -> (Manufacturer, SharedRandom, Timestamp) {
        let key = MasterKey::generate(&mut SeedRandom::new(b"manufacturer"));
        (Manufacturer::new(key), SharedRandom::new(SeedRandom::new(b"lot")), Timestamp::UNIX_EPOCH)
    }

    // proves: PRODUCTION-12
    #[test]
    fn the_data_file_opens_with_both_shares_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::open(dir.path()).expect("opens");
        let (manufacturer, random, now) = manufacturer();
        let delivery = manufacturer.make(&order(3), &shelf, now, &random).expect("makes");
        let (card_type, cards) = open_data_file(&delivery).expect("opens");
        assert_eq!((card_type.as_str(), cards.len()), ("NE-0144", 3));
        assert_eq!(shelf.cards().expect("lists").len(), 3);
        let [a, b] = delivery.shares.clone();
        for shares in [
            [a.clone(), a.clone()],
            [b.clone(), b],
            [a, random_shares(&mut SeedRandom::new(b"x"))[0].clone()],
        ] {
            let stolen = Delivery { shares, ..delivery.clone() };
            assert!(matches!(open_data_file(&stolen), Err(ProductionError::LotFile)));
        }
        let other = Delivery { lot: "L2".into(), ..delivery.clone() };
        assert!(matches!(open_data_file(&other), Err(ProductionError::LotFile)));
    }

    #[test]
    fn an_interrupted_order_is_placed_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::open(dir.path()).expect("opens");
        let (manufacturer, random, now) = manufacturer();
        manufacturer.make(&order(2), &shelf, now, &random).expect("makes");
        let first = shelf.cards().expect("lists");
        let whole = manufacturer.make(&order(4), &shelf, now, &random).expect("makes");
        let cards = shelf.cards().expect("lists");
        assert!(cards.len() == 4 && first.is_subset(&cards));
        assert_eq!(open_data_file(&whole).expect("opens").1.len(), 4);
        let unknown = LotOrder { card_type: "XX-0000".into(), ..order(2) };
        let refused = manufacturer.make(&unknown, &shelf, now, &random);
        assert!(matches!(refused, Err(ProductionError::ChipTypeUnknown)));
        let late = LotOrder { first: SERIES_SIZE - 1, ..order(2) };
        assert!(matches!(manufacturer.make(&late, &shelf, now, &random), Err(ProductionError::SeriesUsedUp)));
    }
}
