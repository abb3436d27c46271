//! Accounts, sign-in and sessions on both engines.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

use curve::SeedRandom;
use jiff::{SignedDuration, Timestamp};
use operators::{Config, Cost, OperatorError, Operators, Right, Role};
use store::{Db, params, testkit::each_engine};

const GOOD: &str = "Kx7!mountain-Rain";
const OTHER: &str = "Lz8?river-Stone-9";

fn start() -> Timestamp {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

fn mins(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

async fn open(db: &Db) -> Operators {
    // The cost is another matter: here it is the least that Argon2 takes.
    let config = Config { cost: Cost { memory: 8, passes: 1 }, ..Config::default() };
    Operators::open(db.clone(), config, Box::new(SeedRandom::new(b"operators"))).await.unwrap()
}

async fn with_anna(db: &Db) -> Operators {
    let operators = open(db).await;
    operators.add("anna", Some(Role::CaOperator), "root", start()).await.unwrap();
    let code = operators.new_code("anna", "root", start()).await.unwrap();
    operators.enrol("anna", code.expose(), GOOD, start()).await.unwrap();
    operators
}

async fn actions(operators: &Operators) -> Vec<(String, String)> {
    let entries = audit::events(operators.db(), None, 0, 1_000).await.unwrap();
    entries.into_iter().map(|entry| (entry.action, entry.subject)).collect()
}

fn is_refused<T>(result: Result<T, OperatorError>) -> bool {
    matches!(result, Err(OperatorError::Refused))
}

// proves: SECURITY-42
#[tokio::test]
async fn a_code_sets_a_password_once_and_in_time() {
    each_engine("operators", async |db| {
        let operators = open(&db).await;
        let now = start();
        operators.add("anna", Some(Role::Auditor), "root", now).await.unwrap();
        assert!(matches!(operators.add("anna", None, "root", now).await, Err(OperatorError::Exists(_))));
        for bad in ["", "Anna", "1anna", "a b", "a\u{1}", &"a".repeat(65)] {
            assert!(matches!(operators.add(bad, None, "root", now).await, Err(OperatorError::Name)), "{bad}");
        }
        // What identifies a person stands in no log, so it is no account.
        let person = operators.add("a123456789", None, "root", now).await;
        assert!(matches!(person, Err(OperatorError::Audit(_))));
        assert_eq!(operators.list().await.unwrap().len(), 1);
        // No password yet: nobody signs in, not with an empty one either.
        assert!(is_refused(operators.sign_in("anna", "", now).await));
        let first = operators.new_code("anna", "root", now).await.unwrap();
        let second = operators.new_code("anna", "root", now).await.unwrap();
        assert!(is_refused(operators.enrol("anna", first.expose(), GOOD, now).await), "void");
        assert!(is_refused(operators.enrol("anna", "", GOOD, now).await));
        let late = now + SignedDuration::from_hours(25);
        assert!(is_refused(operators.enrol("anna", second.expose(), GOOD, late).await), "too late");
        let third = operators.new_code("anna", "root", now).await.unwrap();
        let weak = operators.enrol("anna", third.expose(), "password", now).await;
        assert!(matches!(weak, Err(OperatorError::Password(_))));
        // As people type it.
        let typed = third.expose().to_lowercase().replace('-', " ");
        operators.enrol("anna", &typed, GOOD, now).await.unwrap();
        assert!(is_refused(operators.enrol("anna", third.expose(), OTHER, now).await), "used");
        operators.sign_in("anna", GOOD, now).await.unwrap();
        let unknown = operators.new_code("nobody", "root", now).await;
        assert!(matches!(unknown, Err(OperatorError::Unknown(_))));
    })
    .await;
}

// proves: SECURITY-23, SECURITY-L22
#[tokio::test]
async fn neither_password_nor_code_nor_token_is_stored() {
    each_engine("operators", async |db| {
        let operators = with_anna(&db).await;
        let token = operators.sign_in("anna", GOOD, start()).await.unwrap();
        let code = operators.new_code("anna", "root", start()).await.unwrap();
        let row = db.one("SELECT salt, hash FROM password WHERE name = 'anna'", params![]).await.unwrap();
        let (salt, hash): (Vec<u8>, Vec<u8>) = (row.read("salt").unwrap(), row.read("hash").unwrap());
        assert_eq!((salt.len(), hash.len()), (16, 32));
        assert_ne!(hash, curve::Hash::Sha256.digest(GOOD.as_bytes()));
        let row =
            db.one("SELECT id, (SELECT code FROM operator) AS code FROM session", params![]).await.unwrap();
        let id: Vec<u8> = row.read("id").unwrap();
        assert!(!id.iter().map(|b| format!("{b:02x}")).collect::<String>().contains(token.expose()));
        assert_ne!(row.read::<Vec<u8>>("code").unwrap(), code.expose().as_bytes());
        assert!(!format!("{token:?}").contains(token.expose()));
        // Nor told by the log.
        for entry in audit::events(&db, None, 0, 100).await.unwrap() {
            for secret in [GOOD, code.expose(), token.expose()] {
                assert!(!format!("{entry:?}").contains(secret));
            }
        }
    })
    .await;
}

// proves: SECURITY-43
#[tokio::test]
async fn three_failures_lock_the_account_for_half_an_hour() {
    each_engine("operators", async |db| {
        let operators = with_anna(&db).await;
        let now = start();
        let token = operators.sign_in("anna", GOOD, now).await.unwrap();
        for _ in 0..2 {
            assert!(is_refused(operators.sign_in("anna", OTHER, now).await));
        }
        // A success begins the count anew.
        operators.sign_in("anna", GOOD, now).await.unwrap();
        for _ in 0..3 {
            assert!(operators.session(&token, now).await.unwrap().is_some());
            assert!(is_refused(operators.sign_in("anna", OTHER, now).await));
        }
        // Now the right one does not help either, and whoever was in is out.
        assert!(is_refused(operators.sign_in("anna", GOOD, now + mins(29)).await));
        assert!(operators.session(&token, now).await.unwrap().is_none());
        assert!(operators.list().await.unwrap()[0].locked_until.is_some());
        operators.sign_in("anna", GOOD, now + mins(30)).await.unwrap();
        // What was typed as a name is not repeated; the answer is the same.
        assert!(is_refused(operators.sign_in("a-password-by-mistake", GOOD, now).await));
        let all = actions(&operators).await;
        let count = |action: &str| all.iter().filter(|entry| entry.0 == action).count();
        assert_eq!((count("sign-in"), count("sign-in-refused"), count("sign-in-locked")), (3, 6, 1));
        assert!(all.contains(&("sign-in-refused".into(), "unknown-account".into())));
        assert!(!all.iter().any(|entry| entry.1.contains("mistake")));
        audit::verify(&db, None).await.unwrap();
        // Microseconds, as they were given.
        let odd = now + SignedDuration::from_micros(1_234_567) + mins(60);
        operators.sign_in("anna", GOOD, odd).await.unwrap();
        let last = audit::events(&db, Some("anna"), 0, 1_000).await.unwrap().pop().unwrap();
        assert_eq!(last.at, odd);
    })
    .await;
}

// A guesser who sends many at once has no more tries than one after the other.
#[tokio::test]
async fn attempts_at_the_same_time_are_counted_too() {
    each_engine("operators", async |db| {
        let operators = with_anna(&db).await;
        let mut tries = Vec::new();
        for n in 0..8 {
            let operators = operators.clone();
            tries.push(tokio::spawn(async move {
                operators.sign_in("anna", &format!("{OTHER}{n}"), start()).await
            }));
        }
        for attempt in tries {
            assert!(is_refused(attempt.await.unwrap()));
        }
        let all = actions(&operators).await;
        let compared = all.iter().filter(|entry| entry.0 == "sign-in-refused").count();
        assert_eq!(compared, 3, "{all:?}");
        assert!(is_refused(operators.sign_in("anna", GOOD, start()).await));
    })
    .await;
}

// proves: SECURITY-24, SECURITY-25, SECURITY-L38, SECURITY-L39, SECURITY-L41, OPEN-27
#[tokio::test]
async fn a_session_ends_when_idle_in_time_at_sign_out_and_with_its_account() {
    each_engine("operators", async |db| {
        let operators = with_anna(&db).await;
        let now = start();
        let token = operators.sign_in("anna", GOOD, now).await.unwrap();
        let other = operators.sign_in("anna", GOOD, now).await.unwrap();
        assert_ne!(token.expose(), other.expose());
        let session = operators.session(&token, now).await.unwrap().unwrap();
        assert!(session.may(Right::DecideIncidents) && !session.may(Right::SeeAudit));
        assert!(session.owns_form(&session.form_token) && !session.owns_form(""));
        let second = operators.session(&other, now).await.unwrap().unwrap();
        assert!(!second.owns_form(&session.form_token), "a form of another session");
        // Used every ten minutes it lives for eight hours.
        let mut at = now;
        while at < now + mins(8 * 60 - 10) {
            at += mins(10);
            assert!(operators.session(&token, at).await.unwrap().is_some(), "{at}");
        }
        assert!(operators.session(&token, at + mins(10)).await.unwrap().is_none(), "eight hours");
        assert!(operators.session(&token, at).await.unwrap().is_none(), "gone for good");
        assert!(operators.session(&other, now + mins(15)).await.unwrap().is_none(), "idle");
        let token = operators.sign_in("anna", GOOD, now).await.unwrap();
        operators.sign_out(&token, "anna", now).await.unwrap();
        assert!(operators.session(&token, now).await.unwrap().is_none(), "signed out");
        let token = operators.sign_in("anna", GOOD, now).await.unwrap();
        operators.set_enabled("anna", false, "root", now).await.unwrap();
        assert!(operators.session(&token, now).await.unwrap().is_none(), "disabled");
        assert!(is_refused(operators.sign_in("anna", GOOD, now).await));
        operators.set_enabled("anna", true, "root", now).await.unwrap();
        assert!(operators.session(&token, now).await.unwrap().is_none(), "not revived");
        operators.sign_in("anna", GOOD, now).await.unwrap();
        assert!(operators::Token::from_text("../../etc").is_none());
    })
    .await;
}

// proves: OPEN-27
#[tokio::test]
async fn no_configuration_lets_a_session_idle_for_more_than_half_an_hour() {
    each_engine("operators", async |db| {
        let now = start();
        with_anna(&db).await;
        for (idle, ends) in
            [(mins(15), mins(15)), (mins(30), mins(30)), (mins(31), mins(30)), (mins(600), mins(30))]
        {
            let config = Config { idle, cost: Cost { memory: 8, passes: 1 }, ..Config::default() };
            let random = SeedRandom::new(idle.to_string().as_bytes());
            let operators = Operators::open(db.clone(), config, Box::new(random)).await.unwrap();
            assert_eq!(operators.config().idle, ends, "what is shown is what holds");
            for (after, alive) in [(ends - SignedDuration::from_secs(1), true), (ends, false)] {
                let token = operators.sign_in("anna", GOOD, now).await.unwrap();
                assert_eq!(operators.session(&token, now + after).await.unwrap().is_some(), alive, "{idle}");
            }
        }
    })
    .await;
}

// proves: SECURITY-12, SECURITY-55
#[tokio::test]
async fn a_role_that_is_withdrawn_holds_from_the_next_request() {
    each_engine("operators", async |db| {
        let operators = with_anna(&db).await;
        let now = start();
        let token = operators.sign_in("anna", GOOD, now).await.unwrap();
        operators.set_role("anna", Some(Role::Auditor), "root", now).await.unwrap();
        let session = operators.session(&token, now).await.unwrap().unwrap();
        assert!(session.may(Right::SeeAudit) && !session.may(Right::DecideIncidents));
        operators.set_role("anna", None, "root", now).await.unwrap();
        let session = operators.session(&token, now).await.unwrap().unwrap();
        assert!(Right::ALL.iter().all(|right| !session.may(*right)));
        let unknown = operators.set_role("nobody", None, "root", now).await;
        assert!(matches!(unknown, Err(OperatorError::Unknown(_))));
        // Everything that happened to the account can be queried.
        let history = audit::events(&db, Some("anna"), 0, 100).await.unwrap();
        let kinds: Vec<&str> = history.iter().map(|entry| entry.action.as_str()).collect();
        let expected =
            ["operator-add", "operator-code", "operator-enrol", "sign-in", "operator-role", "operator-role"];
        assert_eq!(kinds, expected);
        assert_eq!((history[0].actor.as_str(), history[3].actor.as_str()), ("root", "anna"));
    })
    .await;
}

// proves: OPEN-26, SECURITY-16, SECURITY-L19
#[tokio::test]
async fn a_password_is_changed_after_45_days_and_the_last_five_are_not_used_again() {
    each_engine("operators", async |db| {
        let operators = with_anna(&db).await;
        let mut now = start();
        let password = |n: u32| format!("{GOOD}-{}", char::from(b'a' + u8::try_from(n * 2).unwrap()));
        let same = operators.change_password("anna", GOOD, GOOD, now).await;
        assert!(matches!(same, Err(OperatorError::Password(operators::Weakness::Reused))));
        assert!(is_refused(operators.change_password("anna", OTHER, &password(0), now).await));
        let mut present = GOOD.to_owned();
        for n in 0..5 {
            let token = operators.sign_in("anna", &present, now).await.unwrap();
            operators.change_password("anna", &present, &password(n), now).await.unwrap();
            assert!(
                operators.session(&token, now).await.unwrap().is_none(),
                "sessions end with the password"
            );
            assert!(is_refused(operators.sign_in("anna", &present, now).await));
            present = password(n);
            let again = operators.change_password("anna", &present, &password(n / 2), now).await;
            assert!(matches!(again, Err(OperatorError::Password(_))), "{n}");
        }
        // The sixth back.
        operators.change_password("anna", &present, GOOD, now).await.unwrap();
        for (hours, old) in [(45 * 24 - 1, false), (1, true)] {
            now += SignedDuration::from_hours(hours);
            let token = operators.sign_in("anna", GOOD, now).await.unwrap();
            let session = operators.session(&token, now).await.unwrap().unwrap();
            assert_eq!((session.password_is_old, session.may(Right::Enter)), (old, !old));
        }
    })
    .await;
}

#[tokio::test]
async fn a_confirmation_counts_as_an_attempt() {
    each_engine("operators", async |db| {
        let operators = with_anna(&db).await;
        let now = start();
        let token = operators.sign_in("anna", GOOD, now).await.unwrap();
        let session = operators.session(&token, now).await.unwrap().unwrap();
        operators.confirm(&session, GOOD, now).await.unwrap();
        for _ in 0..3 {
            assert!(is_refused(operators.confirm(&session, OTHER, now).await));
        }
        assert!(operators.session(&token, now).await.unwrap().is_none());
        assert!(is_refused(operators.sign_in("anna", GOOD, now).await));
    })
    .await;
}
