//! The bank's own counter: accounts, cash and freezes, and cards, by operators whom the bank has named; and what is passed on to the
//! hub for them.

mod offers;
mod service;
mod wire;

pub use service::CounterService;
