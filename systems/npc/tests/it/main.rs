//! The CA on both engines, with OpenSSL as judge.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

mod adoption;
mod beside;
mod ceremonies;
mod cmp;
mod crash;
mod derived;
mod drill;
mod faults;
mod founding;
mod generations;
mod gone_back;
mod groups;
mod hierarchy;
mod holds;
mod home;
mod http;
mod incidents;
mod issue;
mod lifecycle;
mod lists;
mod moduli;
mod ocsp;
mod openssl;
mod overview;
mod policy;
mod privacy;
mod queue;
mod refusals;
mod repository;
mod sites;
mod stamps;
mod support;
mod token;
