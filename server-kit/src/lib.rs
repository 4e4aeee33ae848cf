//! What both servers need and neither owns: who is calling, configuration, telemetry, time, keys, shutdown and the store.
//!
//! Invariant: nothing here knows what a payment, a bank or a card is.

pub mod audit;
pub mod certificate;
pub mod clock;
pub mod config;
pub mod fault;
pub mod identity;
pub mod keystore;
pub mod lifecycle;
pub mod ops;
pub mod recent;
pub mod rng;
pub mod rotation;
pub mod serve;
#[cfg(any(test, feature = "testing"))]
pub mod shown;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod trace;

mod private_file;
