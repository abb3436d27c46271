//! The centre's keys, all from one master key of its key store, but the package key, which is made once and kept sealed.

use curve::{Curve, SecretBytes, SecretKey};
use model::CardSerial;
use scp::KeySet;
use sealed::{DataKey, MasterKey, SharedRandom};
use store::{Db, params};

use crate::ProductionError;
use crate::centre::OrderNo;

/// Keys of the card centre.
pub(crate) struct CentreKeys {
    rows: MasterKey,
    cards: SecretBytes,
    package: SecretKey,
}

impl CentreKeys {
    /// Derives the keys; makes or reads the package key.
    pub(crate) async fn open(
        db: &Db,
        master: &MasterKey,
        random: &SharedRandom,
    ) -> Result<Self, ProductionError> {
        let rows = master.derive("production/rows");
        let mut random = random.clone();
        let fresh = SecretKey::generate(Curve::P521, &mut random);
        let sealed = rows.seal(&mut random, PACKAGE, fresh.to_bytes().expose())?;
        let stored: Vec<u8> = store::transaction!(db, |tx| {
            tx.execute(
                "INSERT INTO centre_secret (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
                params![PACKAGE, &sealed],
            )
            .await?;
            let row = tx.one("SELECT sealed FROM centre_secret WHERE name = $1", params![PACKAGE]).await?;
            row.read::<Vec<u8>>("sealed")
        })?;
        let package = SecretKey::from_bytes(Curve::P521, rows.open(PACKAGE, &stored)?.expose())
            .map_err(|_| ProductionError::Data("package key"))?;
        Ok(Self { rows, cards: master.derive_bytes::<32>("production/cards"), package })
    }

    /// The key packages are opened with.
    pub(crate) const fn package(&self) -> &SecretKey {
        &self.package
    }

    /// The initial diversified keys of one card (PRODUCTION-25).
    pub(crate) fn card(&self, serial: CardSerial) -> Result<KeySet, ProductionError> {
        scp::diversify(&self.cards, serial.as_str().as_bytes())
            .map_err(|_| ProductionError::Data("card keys"))
    }

    /// A new data encryption key for an order, with its wrapped form (PRODUCTION-30).
    pub(crate) fn new_dek(
        &self,
        order: OrderNo,
        random: &mut SharedRandom,
    ) -> Result<(DataKey, Vec<u8>), ProductionError> {
        Ok(self.rows.new_data_key(random, &dek_context(order))?)
    }

    /// The data encryption key of an order.
    pub(crate) fn dek(&self, order: OrderNo, wrapped: &[u8]) -> Result<DataKey, ProductionError> {
        Ok(self.rows.unwrap_data_key(&dek_context(order), wrapped)?)
    }

    /// Seals the combined transport key of a lot until its cards are washed.
    pub(crate) fn seal_transport(
        &self,
        lot: &str,
        key: &SecretBytes,
        random: &mut SharedRandom,
    ) -> Result<Vec<u8>, ProductionError> {
        Ok(self.rows.seal(random, &lot_context(lot), key.expose())?)
    }

    /// Opens the combined transport key of a lot.
    pub(crate) fn open_transport(&self, lot: &str, sealed: &[u8]) -> Result<SecretBytes, ProductionError> {
        Ok(self.rows.open(&lot_context(lot), sealed)?)
    }
}

const PACKAGE: &str = "production/package key";

fn dek_context(order: OrderNo) -> String {
    format!("production/dek/{order}")
}

fn lot_context(lot: &str) -> String {
    format!("production/lot/{lot}")
}
