//! The bank's own counter: accounts, cash and freezes, and cards, by operators whom the bank has named.

mod service;
mod wire;

pub use service::CounterService;
