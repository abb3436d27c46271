//! Orders: one card each, one package each, boxes per office.

use model::{CardProfile, CardState};
use production::{CardCentre, Order, OrderClass, ProductionError, ReportKind, StockKind};

use crate::support::{Hall, directory, order};

// proves: PRODUCTION-33
#[tokio::test(flavor = "multi_thread")]
async fn an_order_has_one_card_and_one_package() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let hall = Hall::open(&url, &dir).await;
        let centre = &hall.centre;
        let unplaced = order(9, CardProfile::National, "6300001000").order;
        assert!(matches!(centre.pair(unplaced, hall.now).await, Err(ProductionError::OrderUnknown)));
        let placed = order(1, CardProfile::National, "6300001000");
        centre.place(&[placed], hall.now).await.expect("places");
        assert_eq!(centre.pair(placed.order, hall.now).await.expect("answers"), None, "nothing in stock");

        hall.restock(4).await;
        let (one, first) = hall.paired(1).await;
        let (two, second) = hall.paired(2).await;
        assert_ne!(first.serial, second.serial);
        assert_eq!(centre.pair(one, hall.now).await.expect("answers"), Some(first.clone()), "the same again");
        assert_eq!(first.requests.len(), 4);

        let package = hall.package(&first, &hall.signer, |_| {}).await;
        let foreign = hall.package(&second, &hall.signer, |_| {}).await;
        assert!(matches!(hall.deliver(one, &foreign).await, Err(ProductionError::PackageRefused(_))));
        let garbage = centre.deliver(one, &[4; 300], hall.now).await;
        assert!(matches!(garbage, Err(ProductionError::PackageDamaged)));
        let incomplete = hall.package(&first, &hall.signer, |p| p.public.retain(|(fid, _)| *fid != 0x010F)).await;
        assert!(matches!(hall.deliver(one, &incomplete).await, Err(ProductionError::PackageRefused(_))));
        let sealed = package.seal(&centre.package_key(), one, &mut hall.random.clone()).expect("seals");
        // Sealed for another order it does not open.
        assert!(matches!(centre.deliver(two, &sealed, hall.now).await, Err(ProductionError::PackageDamaged)));
        centre.deliver(one, &sealed, hall.now).await.expect("delivers");
        centre.deliver(one, &sealed, hall.now).await.expect("the same again");
        assert!(matches!(hall.deliver(one, &package).await, Err(ProductionError::PackageRefused(_))), "another one");
        assert!(matches!(centre.cancel(one, hall.now).await, Err(ProductionError::PackageRefused(_))));

        // A cancelled order gives its card up, because certificates may stand for the card's keys.
        centre.cancel(two, hall.now).await.expect("cancels");
        centre.cancel(two, hall.now).await.expect("the same again");
        assert_eq!(centre.card_state(second.serial).await.expect("known"), CardState::Flawed);
        let reports = centre.reports_after(0, 10).await.expect("answers");
        assert!(matches!(reports.as_slice(), [r] if r.order == two && matches!(r.kind, ReportKind::Scrapped { .. })));
        assert_eq!(centre.stock().await.expect("counts")[&StockKind::Scrapped], 1);
        assert!(centre.stocktake().await.expect("counts").agrees());
    })
    .await;
}

// proves: PRIVACY-15, PRODUCTION-36, PRODUCTION-64
#[tokio::test(flavor = "multi_thread")]
async fn boxes_go_to_one_office_each_and_carry_no_data() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let hall = Hall::open(&url, &dir).await;
        let centre = &hall.centre;
        hall.restock(4).await;
        let orders: Vec<_> = [(1, "6300001000"), (2, "6300001000"), (3, "6300001000"), (4, "6500001000")]
            .map(|(number, office)| order(number, CardProfile::National, office))
            .to_vec();
        centre.place(&orders, hall.now).await.expect("places");
        centre.work(hall.now).await.expect("initialises");
        for order in &orders {
            let card = centre.pair(order.order, hall.now).await.expect("pairs").expect("in stock");
            let package = hall.package(&card, &hall.signer, |_| {}).await;
            hall.deliver(order.order, &package).await.expect("delivers");
        }
        centre.work(hall.now).await.expect("personalises");
        assert_eq!(centre.stock().await.expect("counts")[&StockKind::Finished], 4);
        let sql = "SELECT count(*) FROM card_order WHERE proof IS NOT NULL AND wrapped_dek IS NOT NULL";
        let kept = hall.db.one(sql, store::params![]).await.expect("counts");
        assert_eq!(kept.read::<i64>(0).expect("a number"), 4, "kept until packed");

        let boxes = centre.pack(hall.now).await.expect("packs");
        let content: Vec<(String, usize)> =
            boxes.iter().map(|b| (b.office.to_string(), b.cards.len())).collect();
        assert_eq!(
            content,
            [("6300001000".to_owned(), 2), ("6300001000".to_owned(), 1), ("6500001000".to_owned(), 1)]
        );
        let sql = "SELECT count(*) FROM card_order WHERE proof IS NOT NULL OR package IS NOT NULL OR wrapped_dek IS NOT NULL";
        let kept = hall.db.one(sql, store::params![]).await.expect("counts");
        assert_eq!(kept.read::<i64>(0).expect("a number"), 0, "destroyed with the packing");
        assert!(centre.pack(hall.now).await.expect("packs").is_empty());
        assert_eq!(centre.ship(hall.now).await.expect("ships").len(), 3);
        assert!(centre.ship(hall.now).await.expect("ships").is_empty());
        for packed in &boxes {
            assert_eq!(centre.roster(&packed.box_no).await.expect("answers").as_ref(), Some(packed));
        }
        assert_eq!(centre.roster("X99999999").await.expect("answers"), None);
        let kinds: Vec<bool> = centre
            .reports_after(0, 100)
            .await
            .expect("answers")
            .iter()
            .map(|report| matches!(report.kind, ReportKind::Shipped { .. }))
            .collect();
        assert_eq!(kinds, [false, false, false, false, true, true, true, true]);
        assert!(centre.stocktake().await.expect("counts").agrees());
        centre.verify_audit().await.expect("the chain is whole");
    })
    .await;
}

/// Orders of recalls come first: an ordinary one gets no card that one of them waits for, and on the line theirs are taken up before
/// any other.
// proves: RECALL-13
#[tokio::test(flavor = "multi_thread")]
async fn orders_of_recalls_come_before_ordinary_ones() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let hall = Hall::open_with(&url, &dir, |config| config.machines = 1).await;
        let (centre, now) = (&hall.centre, hall.now);
        let ordinary = order(1, CardProfile::National, "6300001000");
        let of_recall =
            Order { class: OrderClass::Recall, ..order(2, CardProfile::National, "6300001000") };
        // Of another profile: it waits for other cards, and keeps nobody from these.
        let elsewhere = Order { class: OrderClass::Recall, ..order(3, CardProfile::ReserveP384, "6300001000") };
        centre.place(&[ordinary], now).await.expect("places");
        centre.place(&[of_recall, elsewhere], now).await.expect("places");
        // Placed again as something else it is what it was.
        centre.place(&[Order { class: OrderClass::Recall, ..ordinary }], now).await.expect("places");
        hall.restock(1).await;
        centre.work(now).await.expect("initialises");
        assert_eq!(centre.pair(ordinary.order, now).await.expect("answers"), None, "it waits");
        let first = centre.pair(of_recall.order, now).await.expect("answers").expect("in stock");
        assert_eq!(centre.pair(ordinary.order, now).await.expect("answers"), None, "nothing in stock");
        hall.restock(1).await;
        centre.work(now).await.expect("initialises");
        let second = centre.pair(ordinary.order, now).await.expect("answers").expect("in stock");

        for (placed, card) in [(ordinary, &second), (of_recall, &first)] {
            let package = hall.package(card, &hall.signer, |_| {}).await;
            hall.deliver(placed.order, &package).await.expect("delivers");
        }
        assert_eq!(centre.work(now).await.expect("personalises"), 2);
        let sql = "SELECT subject FROM audit_entry WHERE action = 'card-step' AND detail LIKE '%finished%' ORDER BY seq";
        let finished = hall.db.all(sql, store::params![]).await.expect("reads");
        let finished: Vec<String> = finished.iter().map(|row| row.read(0).expect("text")).collect();
        assert_eq!(finished, [first.serial.to_string(), second.serial.to_string()]);
        centre.verify_audit().await.expect("the chain is whole");
    })
    .await;
}
