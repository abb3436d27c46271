//! Management with its real neighbours: register, certificate system, document signer, card centre and virtual cards.

mod crash;
mod journey;
mod life;
mod policy;
mod recall;
mod refusals;
mod remake;
mod sample;
mod updates;
mod world;
