//! The bank's own counter: accounts, cash and freezes, cards, and what is asked of the hub, by operators whom the bank has named.

mod identity;
mod inquiry;
mod offers;
mod service;
mod wire;

pub use service::CounterService;
