//! Management with its real neighbours: register, certificate system, document signer, card centre and virtual cards.

mod crash;
mod journey;
mod life;
mod loss;
mod outings;
mod policy;
mod privacy;
mod recall;
mod recall_steps;
mod refusals;
mod remake;
mod sample;
mod updates;
mod waits;
mod world;
