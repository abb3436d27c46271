//! Quality control: what must not leave the house.

use model::CardState;
use production::{CardCentre, Package, ReportKind};

use crate::support::{Hall, directory, later, portrait, signer};

/// Delivers a package, lets the line work until the card is finished or taken out, and says what was wrong.
async fn inspect(
    hall: &mut Hall,
    number: u32,
    foreign: bool,
    dir: &std::path::Path,
    url: &str,
    change: fn(&mut Package),
) -> Option<String> {
    let (order, card) = hall.paired(number).await;
    let stranger;
    let signer = if foreign {
        stranger = signer(url, dir, "stranger").await;
        &stranger
    } else {
        &hall.signer
    };
    let package = hall.package(&card, signer, change).await;
    hall.deliver(order, &package).await.expect("delivers");
    for _ in 0..4 {
        hall.centre.work(hall.now).await.expect("works");
        match hall.centre.card_state(card.serial).await.expect("known") {
            CardState::Finished => return None,
            CardState::Flawed => break,
            _ => hall.now = later(hall.now, 10),
        }
    }
    let sql =
        "SELECT count(*) FROM card_order WHERE order_no = $1 AND package IS NULL AND wrapped_dek IS NULL";
    let row = hall.db.one(sql, store::params![order.to_string()]).await.expect("counts");
    assert_eq!(row.read::<i64>(0).expect("a number"), 1, "the data of a scrapped card is destroyed");
    let reports = hall.centre.reports_after(0, 100).await.expect("answers");
    match reports.into_iter().find(|report| report.order == order).map(|report| report.kind) {
        Some(ReportKind::Scrapped { defect }) => Some(defect),
        other => panic!("{other:?}"),
    }
}

// proves: PRODUCTION-39, PRODUCTION-41
#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_a_stranger_would_refuse_is_scrapped() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut hall = Hall::open(&url, &dir).await;
        hall.restock(8).await;
        assert_eq!(inspect(&mut hall, 1, false, &dir, &url, |_| {}).await, None, "a good card");

        // Signed by a country nobody trusts.
        let defect = inspect(&mut hall, 2, true, &dir, &url, |_| {}).await.expect("is scrapped");
        assert!(defect.starts_with("Contactless: Signer "), "{defect}");

        // A data group that was changed after it was signed: military category, one letter.
        let defect = inspect(&mut hall, 3, false, &dir, &url, |package| {
            let (_, dg13) = package.public.iter_mut().find(|(fid, _)| *fid == 0x010D).expect("DG13");
            let at = dg13.windows(4).position(|w| w == b"none").expect("the category");
            dg13[at] = b'm';
        })
        .await
        .expect("is scrapped");
        assert!(defect.starts_with("Contactless: DataGroups "), "{defect}");

        // Another card's key for active authentication: the chip itself refuses the package.
        let defect = inspect(&mut hall, 4, false, &dir, &url, |package| {
            let (_, dg15) = package.public.iter_mut().find(|(fid, _)| *fid == 0x010F).expect("DG15");
            let last = dg15.len() - 1;
            dg15[last] ^= 1;
        })
        .await
        .expect("is scrapped");
        assert_eq!(defect, "PRODUCTION-E-CARD");

        // A household signed for another place than the one ordered cannot be told here, but one that is not signed can.
        let defect = inspect(&mut hall, 5, false, &dir, &url, |package| {
            let last = package.household.len() - 1;
            package.household[last] ^= 1;
        })
        .await
        .expect("is scrapped");
        assert!(defect.starts_with("Contactless: Household "), "{defect}");
        assert!(hall.centre.stocktake().await.expect("counts").agrees());
    })
    .await;
}

// proves: CARD-24
#[tokio::test(flavor = "multi_thread")]
async fn a_card_with_somebody_elses_photo_is_scrapped_before_anything_is_printed() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut hall = Hall::open(&url, &dir).await;
        hall.restock(4).await;
        type Change = fn(&mut Package);
        let changes: [(Change, &str); 3] = [
            (|package| package.photo = Some(portrait(100)), "the printed portrait is not that of the chip"),
            (|package| package.photo = None, "a portrait in the chip and none printed"),
            (|package| package.photo = Some(b"no picture".to_vec()), "a portrait that is no picture"),
        ];
        for (number, (change, found)) in changes.into_iter().enumerate() {
            let number = 1 + number as u32;
            assert_eq!(inspect(&mut hall, number, false, &dir, &url, change).await.as_deref(), Some(found));
        }
        assert_eq!(inspect(&mut hall, 9, false, &dir, &url, |_| {}).await, None, "a good card");
    })
    .await;
}

/// A card that another program holds, or whose file cannot be written, is no bad card: the line waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_in_another_reader_is_waited_for() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let mut hall = Hall::open(&url, &dir).await;
        hall.restock(1).await;
        let (order, card) = hall.paired(1).await;
        let package = hall.package(&card, &hall.signer, |_| {}).await;
        hall.deliver(order, &package).await.expect("delivers");
        let held = hall.centre.reader(card.serial, production::Interface::Contact).expect("free");
        for _ in 0..10 {
            hall.centre.work(hall.now).await.expect("goes on");
            assert_eq!(hall.centre.card_state(card.serial).await.expect("known"), CardState::Paired);
            hall.now = later(hall.now, 60 * 24);
        }
        drop(held);
        hall.centre.work(hall.now).await.expect("works");
        assert_eq!(hall.centre.card_state(card.serial).await.expect("known"), CardState::Finished);
    })
    .await;
}
