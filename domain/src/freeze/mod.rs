//! Freezing: the person whose money it is stops it from going out, and lets it go again (F1–F4). Frozen, money can come in and none can
//! go out.
//!
//! One operation for all channels. The hub counts the orders of each account or card ([`HolderOrder`]) and tells its bank, which takes the
//! one with the greatest number and says since when it is so ([`HolderFreeze`]): so orders may come late, twice or in another order and
//! end the same. What a bank freezes for reasons of its own is another mark, which no order of the holder lifts.

mod confirmation;
mod freezing;
mod holder;
mod unfreeze;

pub use confirmation::Confirmation;
pub use freezing::{Channel, Freezing, Seen};
pub use holder::{HolderFreeze, HolderOrder};
pub use unfreeze::{MOST_INSTRUMENTS, Unfreeze};
