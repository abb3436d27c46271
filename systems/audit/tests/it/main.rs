//! The audit chain on both engines.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

mod chain;
mod tamper;

use audit::Event;
use jiff::Timestamp;
use serde_json::json;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(1_800_000_000_000_000 + micros).unwrap()
}

fn event(n: i64) -> Event<'static> {
    Event {
        at: at(n),
        actor: "clerk-7",
        system: "mgmt",
        action: "card-suspend",
        subject: "TWA000123",
        detail: json!({"n": n, "reason": "掛失"}),
    }
}
