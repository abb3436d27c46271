//! Applications that are refused, each with its own code, and nothing left behind.

use mgmt::{Contact, Decision, NewApplication, NoticeWay, PhotoReason, PhotoReview, Refusal};
use model::{ApplicationKind, ApplicationState, RocDate};
use registry::{Change, Person, Status};
use store::params;

use crate::world::{CLERK, World, application, directory, later, person, photo, start};

// proves: MGMT-04, NPC-31, NPC-32, OPEN-16, CARDFACE-21, CARDFACE-22
#[tokio::test(flavor = "multi_thread")]
async fn each_fault_has_its_code_and_leaves_nothing() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        let since: RocDate = "2025-01-01".parse().expect("a date");
        let with = |number: u8, change: &dyn Fn(&mut Person)| {
            let mut person = person(number);
            change(&mut person);
            person
        };
        let persons = [
            person(1),
            with(2, &|p| p.status = Status::Deceased(since)),
            with(3, &|p| p.status = Status::Abroad(since)),
            with(4, &|p| p.status = Status::Missing(since)),
            with(5, &|p| p.guardianship = true),
            with(6, &|p| p.birth = "2008-07-02".parse().expect("a date")),
            with(7, &|p| p.name = model::PersonName::new("王小明").expect("a name")),
        ];
        world.register.enrol(&persons, world.now).await.expect("enrols");
        let good = || application(&persons[0]);
        let of = |who: usize| application(&persons[who]);
        let mut big = photo(826, 1062);
        big.resize(6_000_000, 0);
        let cases: Vec<(NewApplication, Refusal)> = vec![
            (application(&person(99)), Refusal::PersonUnknown),
            (of(1), Refusal::PersonDeceased),
            (of(2), Refusal::PersonAbroad),
            (of(3), Refusal::PersonMissing),
            (of(4), Refusal::GuardianshipNoCertificate),
            (of(5), Refusal::TooYoungForCertificate),
            (of(6), Refusal::NoForeignName),
            (NewApplication { foreign_name: false, ..of(6) }, Refusal::NoLatinName),
            (NewApplication { photo: b"GIF89a".to_vec(), ..good() }, Refusal::PhotoNotJpeg),
            (NewApplication { photo: photo(400, 500), ..good() }, Refusal::PhotoTooSmall),
            (NewApplication { photo: big, ..good() }, Refusal::PhotoTooLarge),
            (NewApplication { photo: framed(), ..good() }, Refusal::PhotoBorder),
            (
                NewApplication { photo_taken: "2025-12-31".parse().expect("a day"), ..good() },
                Refusal::PhotoTooOld,
            ),
            (
                NewApplication { photo_taken: "2026-07-02".parse().expect("a day"), ..good() },
                Refusal::PhotoTooOld,
            ),
            (NewApplication { photo: dated("2026:05:01 12:00:00"), ..good() }, Refusal::PhotoDateDiffers),
            (NewApplication { photo: photo(826, 1062)[..400].to_vec(), ..good() }, Refusal::PhotoDamaged),
            (
                NewApplication { office: "9999999900".parse().expect("a code"), ..good() },
                Refusal::OfficeUnknown,
            ),
            (
                NewApplication {
                    contact: Contact { mobile: None, email: None, way: NoticeWay::Sms },
                    ..good()
                },
                Refusal::ContactMissing,
            ),
            (NewApplication { kind: ApplicationKind::Renewal, ..good() }, Refusal::NoCard),
            (NewApplication { kind: ApplicationKind::Replacement, ..good() }, Refusal::NoCard),
        ];
        for (application, refusal) in cases {
            let refused = world.mgmt.submit(application, CLERK, world.now).await.expect_err(refusal.code());
            assert_eq!(refused.refusal(), Some(refusal));
            assert!(refused.to_string().starts_with(refusal.code()));
        }
        for table in ["SELECT count(*) FROM application", "SELECT count(*) FROM case_data"] {
            let count = world.dbs[4].one(table, params![]).await.expect("counts");
            assert_eq!(count.read::<i64>(0).expect("a number"), 0);
        }
        // Under guardianship or too young one may have a card, only not the certificate.
        for who in [4, 5] {
            let wish = NewApplication { wants_certificate: false, ..of(who) };
            world.mgmt.submit(wish, CLERK, world.now).await.expect("submits");
        }
        world.close().await;
    })
    .await;
}

/// While issuing is stopped nobody applies in vain: for certificates not at all, for a card alone as ever.
// proves: NPC-55
#[tokio::test(flavor = "multi_thread")]
async fn while_issuing_is_stopped_no_application_for_certificates_is_taken() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        let (one, other) = (world.person(1).await, world.person(2).await);
        let apply = async |person: &Person, wants_certificate| {
            let wish = NewApplication { wants_certificate, ..application(person) };
            world.mgmt.submit(wish, CLERK, world.now).await
        };
        world.npc.stop_issuing("anna", world.now).await.expect("stops");
        let refused = apply(&one, true).await.expect_err("is refused");
        assert_eq!(refused.code(), "MGMT-E-ISSUING-STOPPED");
        let count = world.dbs[4].one("SELECT count(*) FROM application", params![]).await.expect("counts");
        assert_eq!(count.read::<i64>(0).expect("a number"), 0);
        apply(&other, false).await.expect("submits");
        world.npc.start_issuing("anna", world.now).await.expect("starts");
        apply(&one, true).await.expect("submits");
        world.close().await;
    })
    .await;
}

/// A photo with a black frame.
fn framed() -> Vec<u8> {
    let portrait = image::load_from_memory(&mgmt::portrait::draw(3)).expect("decodes").to_rgb8();
    let mut framed = image::RgbImage::new(portrait.width() + 64, portrait.height() + 64);
    image::imageops::overlay(&mut framed, &portrait, 32, 32);
    let mut out = std::io::Cursor::new(Vec::new());
    framed.write_to(&mut out, image::ImageFormat::Jpeg).expect("encodes");
    out.into_inner()
}

/// A photo whose camera wrote a day, and that went through a program.
fn dated(taken: &str) -> Vec<u8> {
    // CIPA DC-008: a directory with Software and the offset of the second, which has DateTimeOriginal.
    let software = b"RetouchPro 9\0";
    let entry = |tag: u16, kind: u16, count: usize, value: usize| {
        [
            &tag.to_be_bytes()[..],
            &kind.to_be_bytes(),
            &(count as u32).to_be_bytes(),
            &(value as u32).to_be_bytes(),
        ]
        .concat()
    };
    let tiff = [
        b"MM\0\x2a\0\0\0\x08\0\x02".to_vec(),
        entry(0x0131, 2, software.len(), 56),
        entry(0x8769, 4, 1, 38),
        vec![0; 4],
        vec![0, 1],
        entry(0x9003, 2, taken.len() + 1, 56 + software.len()),
        vec![0; 4],
        software.to_vec(),
        taken.as_bytes().to_vec(),
        vec![0],
    ]
    .concat();
    let length = u16::try_from(tiff.len() + 8).expect("short").to_be_bytes();
    let picture = photo(826, 1062);
    [&[0xFF, 0xD8, 0xFF, 0xE1][..], &length, b"Exif\0\0", &tiff, &picture[2..]].concat()
}

// proves: CARDFACE-18, CARDFACE-20, CARDFACE-22
#[tokio::test(flavor = "multi_thread")]
async fn a_photo_the_clerk_refuses_is_replaced_by_another_one() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        let person = world.person(1).await;
        let taken = world.today().iso().replace('-', ":");
        let wish = NewApplication { photo: dated(&format!("{taken} 08:00:00")), ..application(&person) };
        let no = mgmt.submit(wish.clone(), CLERK, now).await.expect("submits");
        // The clerk sees that a program had it in hand, and that the camera's day is the declared one.
        let facts = mgmt.photo_facts(no).await.expect("reads").expect("noted");
        assert_eq!((facts.taken, facts.camera_agrees), (world.today(), true));
        assert_eq!(facts.software, ["RetouchPro 9"]);

        // What the review itself finds wrong is not approved.
        let good = mgmt::portrait::REVIEW;
        for (review, reason) in [
            (PhotoReview { head_percent: 69, ..good }, PhotoReason::HeadSize),
            (PhotoReview { head_percent: 81, ..good }, PhotoReason::HeadSize),
            (PhotoReview { unaltered: false, ..good }, PhotoReason::Altered),
            (PhotoReview { recognisable: false, ..good }, PhotoReason::NotRecognisable),
        ] {
            assert_eq!(review.fault(), Some(reason));
            let refused =
                mgmt.review(no, Decision::Approve(review), CLERK, now).await.expect_err("contradicts");
            assert_eq!(refused.refusal(), Some(Refusal::PhotoNotConforming));
        }
        for head_percent in [70, 80] {
            assert_eq!(PhotoReview { head_percent, ..good }.fault(), None);
        }

        mgmt.review(no, Decision::RefusePhoto(PhotoReason::Altered), CLERK, now).await.expect("refuses");
        assert_eq!(mgmt.case(no).await.expect("a case").state, ApplicationState::Draft);
        let again =
            mgmt.correct_photo(no, wish.photo, world.today(), CLERK, now).await.expect_err("the same");
        assert_eq!(again.refusal(), Some(Refusal::PhotoUnchanged));
        mgmt.correct_photo(no, photo(900, 1200), world.today(), CLERK, now).await.expect("another one");
        let facts = mgmt.photo_facts(no).await.expect("reads").expect("noted");
        assert!(facts.software.is_empty() && !facts.camera_agrees, "{facts:?}");
        mgmt.review(no, Decision::Approve(good), CLERK, now).await.expect("approves");
        assert_eq!(mgmt.case(no).await.expect("a case").state, ApplicationState::Approved);
        world.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_applications_at_once_one_is_accepted() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        let person = world.person(1).await;
        let mut submitting = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (mgmt, wish, now) = (world.mgmt.clone(), application(&person), world.now);
            submitting.spawn(async move { mgmt.submit(wish, CLERK, now).await });
        }
        let mut accepted = 0;
        while let Some(submitted) = submitting.join_next().await {
            match submitted.expect("no panic") {
                Ok(_) => accepted += 1,
                Err(error) => assert_eq!(error.refusal(), Some(Refusal::CaseOpen), "{error}"),
            }
        }
        assert_eq!(accepted, 1);
        world.close().await;
    })
    .await;
}

// proves: MGMT-38, MGMT-39, CARDFACE-07
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_what_the_register_says_at_that_moment() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        let mut cases = Vec::new();
        for number in 1..=4 {
            let person = world.person(number).await;
            let no = mgmt.submit(application(&person), CLERK, now).await.expect("submits");
            mgmt.review(no, Decision::Approve(mgmt::portrait::REVIEW), CLERK, now).await.expect("approves");
            cases.push((no, person));
        }
        world.register.record(&cases[0].1.id, &Change::Death(world.today()), now).await.expect("records");
        world.register.record(&cases[1].1.id, &Change::Guardianship(true), now).await.expect("records");
        let tomorrow = later(now, 24 * 60);
        let sent = mgmt.batch(3, CLERK, tomorrow).await.expect("batches");
        assert_eq!(sent, [cases[1].0, cases[2].0], "one is dead, one is above the capacity");
        let states: Vec<_> = {
            let mut states = Vec::new();
            for (no, _) in &cases {
                states.push(mgmt.case(*no).await.expect("a case").state);
            }
            states
        };
        use ApplicationState::*;
        assert_eq!(states, [Rejected, Batched, Batched, Approved]);
        let sql = "SELECT certificate, issue_date FROM application WHERE case_no = $1";
        let row = world.dbs[4].one(sql, params![cases[1].0.as_str()]).await.expect("a row");
        assert!(!row.read::<bool>("certificate").expect("a flag"), "guardianship since the application");
        assert_eq!(row.read::<String>("issue_date").expect("a date"), "2026-07-02");
        world.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returned_photo_is_corrected_and_a_withdrawn_case_frees_the_person() {
    store::testkit::each_engine_url(async |url| {
        let (_keep, dir) = directory();
        let world = World::open(&url, &dir, start()).await;
        world.restock(1).await;
        let (mgmt, now) = (&world.mgmt, world.now);
        let person = world.person(1).await;
        let no = mgmt.submit(application(&person), CLERK, now).await.expect("submits");
        let correction = "a photo with open eyes".to_owned();
        mgmt.review(no, Decision::Return { correction }, CLERK, now).await.expect("returns");
        assert_eq!(mgmt.case(no).await.expect("a case").state, ApplicationState::Draft);
        let refused =
            mgmt.correct_photo(no, photo(10, 10), world.today(), CLERK, now).await.expect_err("too small");
        assert_eq!(refused.refusal(), Some(Refusal::PhotoTooSmall));
        mgmt.correct_photo(no, photo(900, 1200), world.today(), CLERK, now).await.expect("corrects");
        assert_eq!(mgmt.case(no).await.expect("a case").state, ApplicationState::Submitted);
        mgmt.review(no, Decision::Approve(mgmt::portrait::REVIEW), CLERK, now).await.expect("approves");
        mgmt.batch(1, CLERK, now).await.expect("batches");
        mgmt.withdraw(no, "moved", CLERK, now).await.expect("withdraws");
        assert_eq!(mgmt.case(no).await.expect("a case").state, ApplicationState::Withdrawn);
        // Nothing is made for it, and the person may apply again.
        world.centre.run_line(now).await.expect("works");
        mgmt.advance(now).await.expect("advances");
        assert!(mgmt.cards(None, 10).await.expect("lists").is_empty());
        let again = mgmt.submit(application(&person), CLERK, now).await.expect("submits");
        let reason = "no entitlement".to_owned();
        mgmt.review(again, Decision::Reject { reason }, CLERK, now).await.expect("rejects");
        let refused = mgmt
            .review(again, Decision::Approve(mgmt::portrait::REVIEW), CLERK, now)
            .await
            .expect_err("is over");
        assert_eq!(refused.refusal(), Some(Refusal::WrongState));
        let left = world.dbs[4].one("SELECT count(*) FROM case_data", params![]).await.expect("counts");
        assert_eq!(left.read::<i64>(0).expect("a number"), 0);
        world.close().await;
    })
    .await;
}
