//! The model from outside: data tables, names, addresses, life cycles.

mod cns;
mod divisions;
mod lifecycles;
mod persisted;
