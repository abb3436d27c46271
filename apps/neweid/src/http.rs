//! A small HTTP client for our own services: one GET with a time limit.

use crate::failure::{Failure, Fault};
use std::time::Duration;

/// Largest answer that is read.
const LIMIT: u64 = 16 * 1024 * 1024;

/// Fetches a URL and returns the body of a 200 answer.
pub fn fetch(url: &str) -> Result<Vec<u8>, Failure> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build().into();
    let read = || -> Result<Vec<u8>, ureq::Error> {
        agent.get(url).call()?.body_mut().with_config().limit(LIMIT).read_to_vec()
    };
    read().map_err(|error| {
        Failure::new(
            "NEWEID-E-SERVICE-SILENT",
            Fault::Environment,
            format!("服務 {url} 沒有回應：{error}"),
            format!("The service at {url} does not answer: {error}"),
            "neweid up 是否已啟動？ Is `neweid up` running?",
        )
    })
}
