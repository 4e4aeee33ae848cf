//! The telephone, for trying the hub's voice front out: the exchange's side of a call, played in a terminal, and the list of recordings.

pub mod command;
mod exchange;

pub use exchange::{CallEnded, Exchange};
