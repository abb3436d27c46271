//! Orders: placed, paired with exactly one card, packed per office, shipped (PRODUCTION-33, 63 to 66).
//!
//! Orders of recalls come first (RECALL-13): an ordinary one gets no card that one of them waits for, and the line takes theirs up
//! before any other.

use async_trait::async_trait;
use curve::{Hash, Point};
use jiff::Timestamp;
use model::{CardSerial, CardState, OfficeCode};
use store::{Row, params};

use crate::ProductionError;
use crate::books::{self, By, card_row, report, report_row};
use crate::centre::{CardCentre, Order, OrderClass, OrderNo, PairedCard, Report, ReportKind, Roster};
use crate::chip_types::CardMake;
use crate::package::Package;
use crate::selection::MakeCriteria;
use crate::system::Centre;
use crate::work::{QUEUE, RECALLS, REQUIRED, Step, package_context, paired_card, scrap_in};

#[async_trait]
impl CardCentre for Centre {
    fn package_key(&self) -> Point {
        self.inner.keys.package().public_key()
    }

    async fn place(&self, orders: &[Order], now: Timestamp) -> Result<(), ProductionError> {
        store::transaction!(self.inner.db, |tx| {
            for order in orders {
                tx.execute(
                    "INSERT INTO card_order (order_no, case_no, office, profile, state, placed_at, changed_at, class) \
                     VALUES ($1, $2, $3, $4, 'placed', $5, $5, $6) ON CONFLICT (order_no) DO NOTHING",
                    params![
                        order.order.to_string(),
                        order.order.case.as_str(),
                        order.office.as_str(),
                        order.profile.as_str(),
                        now,
                        order.class.as_str()
                    ],
                )
                .await?;
            }
            Ok(())
        })
    }

    async fn pair(&self, order: OrderNo, now: Timestamp) -> Result<Option<PairedCard>, ProductionError> {
        let number = order.to_string();
        store::transaction!(self.inner.db, |tx| {
            let row = tx
                .optional(
                    "SELECT state, profile, serial, class FROM card_order WHERE order_no = $1",
                    params![&number],
                )
                .await?
                .ok_or(ProductionError::OrderUnknown)?;
            if let Some(serial) = row.read::<Option<String>>("serial")? {
                return paired_card(&books::card(tx, serial.parse()?).await?).map(Some);
            }
            if row.read::<String>("state")? != "placed" {
                return Err(ProductionError::PackageRefused("the order was cancelled"));
            }
            let profile: String = row.read("profile")?;
            // RECALL-13: as many cards as orders of recalls wait for are left to them.
            let before = if row.read::<String>("class")? == OrderClass::Recall.as_str() {
                0
            } else {
                tx.one(RECALL_ORDERS, params![&profile]).await?.read::<i64>(0)?
            };
            let free = tx
                .optional(
                    "SELECT serial, chip_id, card.lot AS lot, state, profile, order_no, public_data FROM card \
                     JOIN lot ON lot.lot = card.lot JOIN chip_type ON chip_type.name = lot.card_type \
                     WHERE state = 'initialised' AND profile = $1 AND order_no IS NULL AND risk <> 'stopped' \
                     ORDER BY serial LIMIT 1 OFFSET $2",
                    params![&profile, before],
                )
                .await?;
            let Some(free) = free else { return Ok(None) };
            let mut card = card_row(&free)?;
            tx.execute_one(
                "UPDATE card SET order_no = $2 WHERE serial = $1 AND order_no IS NULL",
                params![card.serial.as_str(), &number],
            )
            .await?;
            card.order = Some(order);
            books::step(tx, &card, CardState::Paired, By::system(now)).await?;
            tx.execute_one(
                "UPDATE card_order SET state = 'paired', serial = $2, changed_at = $3 WHERE order_no = $1",
                params![&number, card.serial.as_str(), now],
            )
            .await?;
            paired_card(&card).map(Some)
        })
    }

    async fn deliver(&self, order: OrderNo, package: &[u8], now: Timestamp) -> Result<(), ProductionError> {
        let number = order.to_string();
        let digest = Hash::Sha256.digest(package);
        let row = self
            .inner
            .db
            .optional(
                "SELECT state, serial, package_digest, class FROM card_order WHERE order_no = $1",
                params![&number],
            )
            .await?
            .ok_or(ProductionError::OrderUnknown)?;
        match row.read::<Option<Vec<u8>>>("package_digest")? {
            Some(before) if before == digest => return Ok(()),
            Some(_) => return Err(ProductionError::PackageRefused("the order has another package")),
            None => {}
        }
        let opened = Package::open(self.inner.keys.package(), order, package)?;
        let paired: Option<String> = row.read("serial")?;
        if row.read::<String>("state")? != "paired" || paired.as_deref() != Some(opened.serial.as_str()) {
            return Err(ProductionError::PackageRefused("it is not for the card of the order"));
        }
        if !REQUIRED.iter().all(|group| opened.public.iter().any(|(fid, _)| *fid == group.fid())) {
            return Err(ProductionError::PackageRefused("a file of the public zone is missing"));
        }
        let mut random = self.inner.random.clone();
        let (dek, wrapped) = self.inner.keys.new_dek(order, &mut random)?;
        let sealed = dek.seal(&mut random, &package_context(order), opened.encode()?.expose())?;
        store::transaction!(self.inner.db, |tx| {
            let taken = tx
                .execute(
                    "UPDATE card_order SET state = 'in_production', package_digest = $2, wrapped_dek = $3, \
                     package = $4, changed_at = $5 WHERE order_no = $1 AND state = 'paired'",
                    params![&number, &digest, &wrapped, &sealed, now],
                )
                .await?;
            if taken == 1 {
                let queue =
                    if row.read::<String>("class")? == OrderClass::Recall.as_str() { RECALLS } else { QUEUE };
                self.queue_in(tx, queue, Step::Personalise, opened.serial.as_str(), now).await?;
            }
            Ok(())
        })
    }

    async fn cancel(&self, order: OrderNo, now: Timestamp) -> Result<(), ProductionError> {
        let number = order.to_string();
        store::transaction!(self.inner.db, |tx| {
            let row = tx
                .optional("SELECT state, serial FROM card_order WHERE order_no = $1", params![&number])
                .await?;
            let Some(row) = row else { return Ok(()) };
            match row.read::<String>("state")?.as_str() {
                "placed" => {
                    tx.execute_one(
                        "UPDATE card_order SET state = 'cancelled', changed_at = $2 WHERE order_no = $1",
                        params![&number, now],
                    )
                    .await?;
                }
                "paired" => {
                    let serial: Option<String> = row.read("serial")?;
                    let serial = serial.ok_or(ProductionError::Data("card of the order"))?;
                    let card = books::card(tx, serial.parse()?).await?;
                    scrap_in(tx, &card, "order cancelled", now).await?;
                }
                "cancelled" | "scrapped" => {}
                _ => return Err(ProductionError::PackageRefused("the card is in production")),
            }
            Ok(())
        })
    }

    async fn reports_after(&self, sequence: u64, limit: u32) -> Result<Vec<Report>, ProductionError> {
        let after = i64::try_from(sequence).unwrap_or(i64::MAX);
        let rows = self
            .inner
            .db
            .all(
                "SELECT sequence, at, order_no, serial, kind, detail FROM report WHERE sequence > $1 \
                 ORDER BY sequence LIMIT $2",
                params![after, limit],
            )
            .await?;
        rows.iter().map(report_row).collect()
    }

    async fn roster(&self, box_no: &str) -> Result<Option<Roster>, ProductionError> {
        let row = self.inner.db.optional("SELECT office FROM box WHERE box_no = $1", params![box_no]).await?;
        let Some(row) = row else { return Ok(None) };
        let rows = self
            .inner
            .db
            .all(
                "SELECT order_no, serial FROM card_order WHERE box_no = $1 ORDER BY order_no",
                params![box_no],
            )
            .await?;
        let cards = rows.iter().map(order_and_serial).collect::<Result<_, _>>()?;
        Ok(Some(Roster { box_no: box_no.to_owned(), office: office(&row)?, cards }))
    }

    async fn select(&self, criteria: &MakeCriteria) -> Result<Vec<CardMake>, ProductionError> {
        self.select_cards(criteria).await
    }

    async fn patchable_types(&self) -> Result<Vec<String>, ProductionError> {
        self.patchable_chip_types().await
    }

    async fn stopped_types(&self) -> Result<Vec<String>, ProductionError> {
        self.stopped_chip_types().await
    }

    async fn take_back(
        &self,
        serial: CardSerial,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), ProductionError> {
        store::transaction!(self.inner.db, |tx| {
            let card = books::card(tx, serial).await?;
            if card.state == CardState::Shipped {
                books::step(tx, &card, CardState::Void, By::system(now).because(reason)).await?;
            }
            Ok(())
        })
    }
}

impl Centre {
    /// Packs all finished cards in boxes per office. With a card in its box its personal data is destroyed and its order
    /// reported finished, in one transaction (PRODUCTION-36). Returns the boxes packed.
    pub async fn pack(&self, now: Timestamp) -> Result<Vec<Roster>, ProductionError> {
        let mut boxes = Vec::new();
        while let Some(packed) = self.pack_one(now).await? {
            boxes.push(packed);
        }
        Ok(boxes)
    }

    async fn pack_one(&self, now: Timestamp) -> Result<Option<Roster>, ProductionError> {
        // Looked at first outside a transaction: mostly there is nothing to pack.
        let first = self.inner.db.optional(FIRST_FINISHED, params![]).await?;
        if first.is_none() {
            return Ok(None);
        }
        store::transaction!(self.inner.db, |tx| {
            let Some(first) = tx.optional(FIRST_FINISHED, params![]).await? else { return Ok(None) };
            let office = office(&first)?;
            let rows = tx
                .all(
                    "SELECT order_no, serial FROM card_order WHERE state = 'finished' AND office = $1 \
                     ORDER BY order_no LIMIT $2",
                    params![office.as_str(), self.inner.config.box_size],
                )
                .await?;
            let cards = rows.iter().map(order_and_serial).collect::<Result<Vec<_>, _>>()?;
            let next: i64 = tx.one("SELECT count(*) + 1 FROM box", params![]).await?.read(0)?;
            let box_no = format!("X{next:08}");
            tx.execute_one(
                "INSERT INTO box (box_no, office, cards, packed_at) VALUES ($1, $2, $3, $4)",
                params![&box_no, office.as_str(), i64::try_from(cards.len()).unwrap_or(0), now],
            )
            .await?;
            for (order, serial) in &cards {
                tx.execute_one(
                    "UPDATE card_order SET state = 'packed', box_no = $2, wrapped_dek = NULL, package = NULL, \
                     proof = NULL, changed_at = $3 WHERE order_no = $1 AND state = 'finished'",
                    params![order.to_string(), &box_no, now],
                )
                .await?;
                report(tx, *order, *serial, &ReportKind::Finished { box_no: box_no.clone() }, now).await?;
                let event = audit::Event {
                    at: now,
                    actor: "production",
                    system: "production",
                    action: "order-data-destroyed",
                    subject: &order.to_string(),
                    detail: serde_json::json!({ "box": box_no }),
                };
                audit::append(tx, &event).await?;
            }
            Ok(Some(Roster { box_no, office, cards }))
        })
    }

    /// Gives all packed boxes to the carrier. Returns their numbers.
    pub async fn ship(&self, now: Timestamp) -> Result<Vec<String>, ProductionError> {
        let rows = self
            .inner
            .db
            .all("SELECT box_no FROM box WHERE shipped_at IS NULL ORDER BY box_no", params![])
            .await?;
        let mut shipped = Vec::new();
        for row in rows {
            let box_no: String = row.read("box_no")?;
            let sent = store::transaction!(self.inner.db, |tx| {
                let taken = tx
                    .execute(
                        "UPDATE box SET shipped_at = $2 WHERE box_no = $1 AND shipped_at IS NULL",
                        params![&box_no, now],
                    )
                    .await?;
                if taken == 0 {
                    return Ok::<_, ProductionError>(false);
                }
                let cards = tx
                    .all("SELECT order_no, serial FROM card_order WHERE box_no = $1", params![&box_no])
                    .await?;
                for row in &cards {
                    let (order, serial) = order_and_serial(row)?;
                    let card = books::card(tx, serial).await?;
                    books::step(tx, &card, CardState::Shipped, By::system(now)).await?;
                    tx.execute_one(
                        "UPDATE card_order SET state = 'shipped', changed_at = $2 WHERE order_no = $1",
                        params![order.to_string(), now],
                    )
                    .await?;
                    report(tx, order, serial, &ReportKind::Shipped { box_no: box_no.clone() }, now).await?;
                }
                Ok(true)
            })?;
            if sent {
                shipped.push(box_no);
            }
        }
        Ok(shipped)
    }

    /// Ends the claims of workers that were killed, so that their cards go on at once. Only while nobody else works.
    pub async fn take_over(&self, now: Timestamp) -> Result<(), ProductionError> {
        Ok(store::jobs::take_over(&self.inner.db, now).await.map(drop)?)
    }

    /// Everything the centre does by itself: work, pack, ship. Returns how many steps were done.
    pub async fn run_line(&self, now: Timestamp) -> Result<usize, ProductionError> {
        let worked = self.work(now).await?;
        let packed = self.pack(now).await?.len();
        let shipped = self.ship(now).await?.len();
        Ok(worked + packed + shipped)
    }
}

fn office(row: &Row) -> Result<OfficeCode, ProductionError> {
    Ok(row.read::<String>("office")?.parse()?)
}

fn order_and_serial(row: &Row) -> Result<(OrderNo, CardSerial), ProductionError> {
    Ok((row.read::<String>("order_no")?.parse()?, books::serial(row)?))
}

// As text, not as parameters: the index over them is for these rows alone.
const RECALL_ORDERS: &str =
    "SELECT count(*) FROM card_order WHERE state = 'placed' AND class = 'recall' AND profile = $1";
const FIRST_FINISHED: &str =
    "SELECT office FROM card_order WHERE state = 'finished' ORDER BY changed_at, order_no LIMIT 1";
