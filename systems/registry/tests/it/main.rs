//! The simulated register on both engines.

use curve::SeedRandom;
use jiff::Timestamp;
use model::RocDate;
use registry::{Change, EventKind, Register, RegistryError, SimulatedRegister, Status, sample_persons};
use sealed::{MasterKey, SharedRandom};
use store::Db;

fn now() -> Timestamp {
    "2026-07-01T02:00:00Z".parse().expect("a time")
}

fn today() -> RocDate {
    RocDate::in_taipei(now())
}

async fn open(db: &Db) -> SimulatedRegister {
    let key = MasterKey::generate(&mut SeedRandom::new(b"register key"));
    SimulatedRegister::open(db.clone(), &key, random()).await.expect("opens")
}

fn random() -> SharedRandom {
    SharedRandom::new(SeedRandom::new(b"rows"))
}

#[tokio::test]
async fn persons_are_found_by_number_alone() {
    store::testkit::each_engine("registry", async |db| {
        let register = open(&db).await;
        let samples = sample_persons();
        let persons: Vec<_> = samples.iter().map(|s| s.person.clone()).collect();
        register.enrol(&persons, now()).await.expect("enrols");
        register.populate(3_000, 1, today(), now()).await.expect("populates");
        assert_eq!(register.count().await.expect("counts"), 3_012);
        // A second run, as after an interruption, changes nothing.
        register.populate(3_000, 1, today(), now()).await.expect("populates");
        assert_eq!(register.count().await.expect("counts"), 3_012);
        for person in &persons {
            assert!(register.person(&person.id).await.expect("answers").as_ref() == Some(person));
        }
        let nobody = "A123456789".parse().expect("a number");
        assert!(register.person(&nobody).await.expect("answers").is_none());
    })
    .await;
}

#[tokio::test]
async fn nothing_of_a_person_stands_in_the_table() {
    store::testkit::each_engine("registry", async |db| {
        let register = open(&db).await;
        let person = sample_persons().swap_remove(0).person;
        register.enrol(std::slice::from_ref(&person), now()).await.expect("enrols");
        register.record(&person.id, &Change::Guardianship(true), now()).await.expect("records");
        for sql in [
            "SELECT lookup, wrapped_key, sealed FROM person",
            "SELECT sealed, sealed, sealed FROM register_event",
        ] {
            for row in db.all(store::AssertSqlSafe(sql), &[]).await.expect("rows") {
                for column in 0..3 {
                    let bytes: Vec<u8> = row.read(column).expect("bytes");
                    for secret in [person.id.as_str(), person.name.chinese(), person.address.rest()] {
                        assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()));
                    }
                }
            }
        }
        // Another key opens nothing and finds nobody.
        let other = MasterKey::generate(&mut SeedRandom::new(b"another key"));
        let stranger = SimulatedRegister::open(db.clone(), &other, random()).await.expect("opens");
        assert!(stranger.person(&person.id).await.expect("answers").is_none());
        assert!(matches!(stranger.events_after(0, 1).await, Err(RegistryError::Seal(_))));
    })
    .await;
}

#[tokio::test]
async fn changes_are_events_in_order() {
    store::testkit::each_engine("registry", async |db| {
        let register = open(&db).await;
        let persons: Vec<_> = sample_persons().into_iter().map(|s| s.person).collect();
        register.enrol(&persons, now()).await.expect("enrols");
        let changes = [
            (0, Change::Guardianship(true), EventKind::Guardianship),
            (1, Change::Death(today()), EventKind::Death),
            (2, Change::Moved(persons[3].address.clone()), EventKind::Moved),
            (0, Change::Guardianship(false), EventKind::GuardianshipEnded),
        ];
        for (index, (who, change, _)) in changes.iter().enumerate() {
            let sequence = register.record(&persons[*who].id, change, now()).await.expect("records");
            assert_eq!(sequence, index as u64 + 1);
        }
        let events = register.events_after(0, 100).await.expect("events");
        let seen: Vec<_> = events.iter().map(|e| (e.person, e.kind)).collect();
        let expected: Vec<_> = changes.iter().map(|(who, _, kind)| (persons[*who].id, *kind)).collect();
        assert_eq!(seen, expected);
        assert_eq!(register.events_after(3, 100).await.expect("events").len(), 1);
        let dead = register.person(&persons[1].id).await.expect("answers").expect("there");
        assert_eq!(dead.status, Status::Deceased(today()));
        let nobody = "A123456789".parse().expect("a number");
        assert!(matches!(
            register.record(&nobody, &Change::Found, now()).await,
            Err(RegistryError::PersonUnknown)
        ));
    })
    .await;
}

#[tokio::test]
async fn the_newest_photo_is_the_one_on_file() {
    store::testkit::each_engine("registry", async |db| {
        let register = open(&db).await;
        let person = sample_persons().swap_remove(0).person;
        register.enrol(std::slice::from_ref(&person), now()).await.expect("enrols");
        assert_eq!(register.portrait(&person.id).await.expect("answers"), None);
        let later = now() + jiff::SignedDuration::from_secs(60);
        register.file_portrait(&person.id, "C11500000001", b"first", now()).await.expect("files");
        register.file_portrait(&person.id, "C11500000002", b"second", later).await.expect("files");
        // Filing for the same application again, as after an interruption, keeps what is there.
        register.file_portrait(&person.id, "C11500000001", b"other", later).await.expect("files");
        assert_eq!(register.portrait(&person.id).await.expect("answers").as_deref(), Some(&b"second"[..]));
        // A change of the person does not lose the photos.
        register.record(&person.id, &Change::Guardianship(true), later).await.expect("records");
        assert_eq!(register.portrait(&person.id).await.expect("answers").as_deref(), Some(&b"second"[..]));
        let nobody = "A123456789".parse().expect("a number");
        assert!(matches!(
            register.file_portrait(&nobody, "C11500000003", b"", now()).await,
            Err(RegistryError::PersonUnknown)
        ));
    })
    .await;
}

fn renumbering(json: &str) -> registry::Renumbering {
    registry::Renumbering::from_json(json.as_bytes()).expect("a notice")
}

// proves: UPDATE-01
#[tokio::test]
async fn a_renumbering_reaches_everybody_it_names_once() {
    store::testkit::each_engine("registry", async |db| {
        let register = open(&db).await;
        let persons: Vec<_> = sample_persons().into_iter().map(|s| s.person).collect();
        register.enrol(&persons, now()).await.expect("enrols");
        let home = persons[0].address.clone();
        let household = persons.iter().filter(|person| person.address == home).count() as u64;
        let notice = |number: &str, from: &str, to: &str| {
            let (village, neighbourhood) = (home.village(), home.neighbourhood());
            renumbering(&format!(
                r#"{{"notice":"{number}","village":"{village}","houses":[{{"neighbourhood":{neighbourhood},
                    "rest":"{from}","becomes":{{"neighbourhood":{neighbourhood},"rest":"{to}"}}}}]}}"#
            ))
        };
        let first = notice("第1號", home.rest(), "測試用新路1號");
        assert_eq!(register.renumber(&first, now()).await.expect("carried out"), household);
        let person = register.person(&persons[0].id).await.expect("answers").expect("there");
        assert_eq!((person.address.village(), person.address.rest()), (home.village(), "測試用新路1號"));
        let events = register.events_after(0, 100).await.expect("events");
        assert_eq!(events.len() as u64, household);
        assert!(events.iter().all(|event| event.kind == EventKind::Renumbered));
        // Everybody else is where they were.
        for other in persons.iter().filter(|person| person.address != home) {
            assert!(register.person(&other.id).await.expect("answers").as_ref() == Some(other));
        }
        // The same notice again, as after an interruption, changes nothing, whatever stands at the old address by now.
        register.record(&person.id, &Change::Moved(home.clone()), now()).await.expect("records");
        assert_eq!(register.renumber(&first, now()).await.expect("known"), household);
        let person = register.person(&persons[0].id).await.expect("answers").expect("there");
        assert_eq!(person.address, home);
        let other = notice("第1號", home.rest(), "測試用新路2號");
        assert!(matches!(register.renumber(&other, now()).await, Err(RegistryError::NoticeKnown)));
        let nobody = notice("第2號", "測試用無人路1號", "測試用無人路2號");
        assert_eq!(register.renumber(&nobody, now()).await.expect("carried out"), 0);
    })
    .await;
}

#[tokio::test]
async fn a_change_that_contradicts_the_register_is_not_recorded() {
    store::testkit::each_engine("registry", async |db| {
        let register = open(&db).await;
        let persons: Vec<_> = sample_persons().into_iter().map(|s| s.person).collect();
        register.enrol(&persons, now()).await.expect("enrols");
        let single =
            persons.iter().find(|p| p.marital == model::MaritalStatus::Single).expect("a single person");
        let name = persons[0].name.clone();
        for change in [Change::Spouse(name.clone()), Change::MarriageEnded] {
            let refused = register.record(&single.id, &change, now()).await;
            assert!(matches!(refused, Err(RegistryError::ChangeUnfit)));
        }
        assert!(register.events_after(0, 1).await.expect("events").is_empty());
        register.record(&single.id, &Change::Married(name.clone()), now()).await.expect("records");
        register.record(&single.id, &Change::Spouse(persons[1].name.clone()), now()).await.expect("records");
        let person = register.person(&single.id).await.expect("answers").expect("there");
        assert!(person.spouse.as_ref() == Some(&persons[1].name));
    })
    .await;
}
