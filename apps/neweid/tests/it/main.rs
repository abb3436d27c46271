//! The program as people and scripts use it: every test runs the built binary in directories of its own, on ports of its
//! own. Most tests work on a copy of one country that is created once per run ([`support::Country`]).
#![allow(
    clippy::disallowed_methods,
    reason = "tests stand outside: they read the clock, the environment and sockets"
)]
// A skip says why.
#![allow(clippy::print_stderr)]
// Nothing is reachable from outside of a test program.
#![allow(unreachable_pub)]

mod adoption;
mod books;
mod chip_type;
mod cli;
mod console;
mod databases;
mod demo;
mod disk;
mod ended;
mod faults;
mod holder;
mod kill;
mod lifecycle;
mod listeners;
mod papers;
mod personas;
mod ra;
mod recall;
mod status;
mod support;
mod weak_keys;
