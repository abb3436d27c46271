//! What is stored and sent keeps its form: values written by version 1 are still read, and written the same.

use model::card::CardEvent;
use model::{
    Address, Application, Card, CardSerial, CertificateState, KeySlot, NationalIdNo, PersonName, RocDate,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn keeps<T: Serialize + DeserializeOwned>(texts: &[&str]) {
    for text in texts {
        let value: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let written = serde_json::to_value(&value).expect("serialises");
        let expected: serde_json::Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(written, expected);
    }
}

#[test]
fn version_1_of_the_life_cycles() {
    keeps::<Card>(&[
        r#"{"state":"blank"}"#,
        r#"{"state":"paired","case":"C11500000042"}"#,
        r#"{"state":"shipped","case":"C11500000042","office":"6300001000"}"#,
        r#"{"state":"awaiting_collection","case":"C11500000042","office":"6300001000"}"#,
        r#"{"state":"active","handed_over":"2026-11-20T08:00:00Z"}"#,
        r#"{"state":"suspended","handed_over":"2026-11-20T08:00:00Z","reported":"2026-11-21T08:00:00Z"}"#,
        r#"{"state":"recalled","recall":"R-1","before":{"was":"active","handed_over":"2026-11-20T08:00:00Z"}}"#,
        r#"{"state":"expired","since":"2036-11-20T16:00:00Z"}"#,
        r#"{"state":"flawed","case":null,"defect":"no answer to reset"}"#,
        r#"{"state":"void","reason":"not_entitled"}"#,
        r#"{"state":"destroyed","list":"L-1"}"#,
    ]);
    keeps::<CardEvent>(&[
        r#"{"at":"2026-11-20T08:00:00Z","actor":"clerk-7","system":"mgmt","reason":"found","from":"suspended","to":{"state":"active","handed_over":"2026-11-19T08:00:00Z"}}"#,
    ]);
    let approval = r#""submitted":"2026-11-01T08:00:00Z","approved":"2026-11-02T08:00:00Z","remakes":1"#;
    let batched = format!(r#"{{"state":"batched",{approval},"batch":"B-1"}}"#);
    let ready = format!(r#"{{"state":"ready",{approval},"card":"TWA000001","office":"6300001000"}}"#);
    keeps::<Application>(&[
        r#"{"state":"draft"}"#,
        r#"{"state":"under_review","submitted":"2026-11-01T08:00:00Z","clerk":"clerk-7"}"#,
        &batched,
        &ready,
        r#"{"state":"collected","card":"TWA000001","at":"2026-11-20T08:00:00Z"}"#,
        r#"{"state":"withdrawn","reason":"changed mind"}"#,
    ]);
    keeps::<CertificateState>(&[
        r#"{"state":"good"}"#,
        r#"{"state":"suspended","causes":{"holder":"2026-11-20T08:00:00Z","loss":"2026-11-21T08:00:00Z"}}"#,
        r#"{"state":"revoked","reason":"superseded","at":"2026-11-20T08:00:00Z"}"#,
        r#"{"state":"expired"}"#,
    ]);
}

#[test]
fn version_1_of_the_values() {
    keeps::<NationalIdNo>(&["\"A123456789\""]);
    keeps::<CardSerial>(&["\"TWA000123\""]);
    keeps::<RocDate>(&["\"2006-08-05\""]);
    keeps::<KeySlot>(&["\"signing_rsa\"", "\"encryption_ec\""]);
    keeps::<PersonName>(&[
        r#"{"chinese":"陳𠀋","codes":["1-5D73","3-2144"],"romanised":"Tân A-bí","foreign":"CHEN, ELAINE"}"#,
        r#"{"chinese":"王","codes":["1-455E"]}"#,
    ]);
    keeps::<Address>(&[r#"{"village":"63000050024","neighbourhood":3,"rest":"徐州路5號"}"#]);
}

#[test]
fn values_that_no_version_wrote_are_refused() {
    assert!(serde_json::from_str::<Card>(r#"{"state":"lost"}"#).is_err());
    assert!(serde_json::from_str::<NationalIdNo>("\"A123456788\"").is_err());
    assert!(serde_json::from_str::<PersonName>(r#"{"chinese":"王","codes":["1-4421"]}"#).is_err());
    assert!(serde_json::from_str::<PersonName>(r#"{"chinese":"王","nick":"x"}"#).is_err());
    assert!(
        serde_json::from_str::<Address>(r#"{"village":"63000050024","neighbourhood":0,"rest":"路"}"#)
            .is_err()
    );
}
