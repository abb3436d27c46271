//! Blanks: received, counted, sampled, their keys changed over.

use chip::{Chip, FileMemory, InProcessChannel, Interface};
use model::CardState;
use production::{Delivery, LotOrder, ProductionError, StockKind};
use store::params;
use terminal::perso::{InitialisationRequest, Session, TRANSPORT_KEY_VERSION};

use crate::support::{CLERK, Hall, directory, lot, manufacturer};

// proves: PRODUCTION-14, PRODUCTION-21
#[tokio::test(flavor = "multi_thread")]
async fn a_lot_that_does_not_agree_is_refused_as_a_whole() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let hall = Hall::open(&url, &dir).await;
        let centre = &hall.centre;
        let delivery = manufacturer().make(&lot(4), centre.shelf(), hall.now, &hall.random).expect("makes");

        let miscounted = centre.receive_lot(&delivery, 5, CLERK, hall.now).await;
        assert!(matches!(miscounted, Err(ProductionError::LotRefused(_))));
        let [a, _] = delivery.shares.clone();
        let one_share = Delivery { shares: [a.clone(), a], ..delivery.clone() };
        let refused = centre.receive_lot(&one_share, 4, CLERK, hall.now).await;
        assert!(matches!(refused, Err(ProductionError::LotFile)));
        let mut tampered = delivery.clone();
        tampered.data_file[40] ^= 1;
        let refused = centre.receive_lot(&tampered, 4, CLERK, hall.now).await;
        assert!(matches!(refused, Err(ProductionError::LotFile)));

        // A card is missing; then another chip lies in its place. Every card of so small a lot is in the sample's reach.
        let cards: Vec<_> = centre.shelf().cards().expect("lists").into_iter().collect();
        let path = centre.shelf().path(cards[0]);
        let aside = dir.join("aside");
        std::fs::rename(&path, &aside).expect("moves");
        let refused = centre.receive_lot(&delivery, 4, CLERK, hall.now).await;
        assert!(matches!(refused, Err(ProductionError::LotRefused(_))));
        for card in &cards[1..] {
            // The sample is one card in fifty, so the swap is made with each card in turn.
            std::fs::copy(centre.shelf().path(*card), &path).expect("copies");
        }
        let swapped: Vec<Vec<u8>> =
            cards.iter().map(|c| std::fs::read(centre.shelf().path(*c)).expect("reads")).collect();
        for (card, bytes) in cards.iter().zip(swapped.iter().cycle().skip(1)) {
            std::fs::write(centre.shelf().path(*card), bytes).expect("writes");
        }
        let refused = centre.receive_lot(&delivery, 4, CLERK, hall.now).await;
        assert!(matches!(refused, Err(ProductionError::LotRefused(_))), "{refused:?}");

        // Nothing of all that is in the books.
        assert_eq!(centre.received("N5A").await.expect("counts"), 0);
        assert!(centre.stock().await.expect("counts").values().all(|count| *count == 0));
        let stocktake = centre.stocktake().await.expect("counts");
        assert_eq!(stocktake.unknown.len(), 4);
    })
    .await;
}

// proves: CARD-53
#[tokio::test(flavor = "multi_thread")]
async fn a_serial_number_is_in_one_lot_alone() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let hall = Hall::open(&url, &dir).await;
        let centre = &hall.centre;
        let make = |lot: &LotOrder| manufacturer().make(lot, centre.shelf(), hall.now, &hall.random);
        let first = make(&lot(3)).expect("makes");
        assert_eq!(centre.receive_lot(&first, 3, CLERK, hall.now).await.expect("receives"), 3);
        // The last card of the first lot again; then all of it; what is new in them is not taken either.
        for (name, from, quantity) in [("L2", 2, 3), ("L3", 0, 5)] {
            let order = LotOrder { lot: name.into(), first: from, ..lot(quantity) };
            let delivery = make(&order).expect("makes");
            let refused = centre.receive_lot(&delivery, quantity, CLERK, hall.now).await;
            assert!(matches!(refused, Err(ProductionError::LotRefused(_))), "{name}: {refused:?}");
            assert_eq!(centre.received("N5A").await.expect("counts"), 3);
        }
        let next = make(&LotOrder { lot: "L4".into(), first: 3, ..lot(2) }).expect("makes");
        assert_eq!(centre.receive_lot(&next, 2, CLERK, hall.now).await.expect("receives"), 2);
        let row = hall.db.one("SELECT count(DISTINCT serial) FROM card", params![]).await.expect("counts");
        assert_eq!(row.read::<i64>(0).expect("a number"), 5);
    })
    .await;
}

// proves: PRODUCTION-15, PRODUCTION-44, PRODUCTION-47
#[tokio::test(flavor = "multi_thread")]
async fn after_the_changeover_the_manufacturer_opens_nothing() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let hall = Hall::open(&url, &dir).await;
        let centre = &hall.centre;
        let delivery = manufacturer().make(&lot(3), centre.shelf(), hall.now, &hall.random).expect("makes");
        assert_eq!(centre.receive_lot(&delivery, 3, CLERK, hall.now).await.expect("receives"), 3);
        assert_eq!(centre.receive_lot(&delivery, 3, CLERK, hall.now).await.expect("again"), 3);
        assert_eq!(centre.stock().await.expect("counts")[&StockKind::Blank], 3);

        let [a, b] = &delivery.shares;
        let transport: Vec<u8> = a.expose().iter().zip(b.expose()).map(|(x, y)| x ^ y).collect();
        let transport = curve::SecretBytes::from(transport);
        let serial = centre.shelf().cards().expect("lists").into_iter().next().expect("a card");
        let sql = "SELECT chip_id FROM card WHERE serial = $1";
        let row = hall.db.one(sql, params![serial.as_str()]).await.expect("a row");
        let keys = scp::diversify(&transport, &row.read::<Vec<u8>>(0).expect("an id")).expect("keys");
        let opens = || {
            let memory = FileMemory::open(centre.shelf().path(serial)).expect("free");
            let chip = Chip::open(Box::new(memory), Box::new(hall.random.clone())).expect("a chip");
            let channel = InProcessChannel::new(chip, Interface::Contact);
            Session::open(channel, TRANSPORT_KEY_VERSION, &keys, &mut hall.random.clone()).is_ok()
        };
        assert!(opens(), "as delivered the transport keys open it");
        // Until the keys are changed over nobody initialises it, not even with the right keys.
        {
            let memory = FileMemory::open(centre.shelf().path(serial)).expect("free");
            let chip = Chip::open(Box::new(memory), Box::new(hall.random.clone())).expect("a chip");
            let channel = InProcessChannel::new(chip, Interface::Contact);
            let mut session = Session::open(channel, TRANSPORT_KEY_VERSION, &keys, &mut hall.random.clone())
                .expect("the transport keys open it");
            let request = InitialisationRequest { serial: serial.to_string(), profile: "national".into() };
            assert!(session.initialise(&request).is_err());
        }
        assert_eq!(centre.work(hall.now).await.expect("works"), 3);
        assert!(!opens(), "control has passed");
        assert_eq!(centre.card_state(serial).await.expect("known"), CardState::Washed);
        let row = hall.db.one("SELECT transport FROM lot", params![]).await.expect("a row");
        assert_eq!(row.read::<Option<Vec<u8>>>(0).expect("reads"), None, "the lot's key is deleted");
        assert!(centre.stocktake().await.expect("counts").agrees());

        // A card lifted out, and a movement struck out, are noticed.
        let (path, aside) = (centre.shelf().path(serial), dir.join("aside"));
        std::fs::rename(&path, &aside).expect("moves");
        assert_eq!(centre.stocktake().await.expect("counts").missing, [serial]);
        std::fs::rename(&aside, &path).expect("moves back");
        let sql = "DELETE FROM stock_movement WHERE serial = $1";
        hall.db.execute(sql, params![serial.as_str()]).await.expect("deletes");
        let differs = centre.stocktake().await.expect("counts").ledger_differs;
        assert_eq!(differs, [(StockKind::Blank, 3, 2)]);
    })
    .await;
}
