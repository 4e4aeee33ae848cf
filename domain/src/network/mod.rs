//! What a card network and its acquirers say to the hub over ISO 8583, as rules (M6, M7): which message is which, when it was sent, what a
//! response code means, what stands in the private field, and whether two sides count the same.
//!
//! The fields are those of ISO 8583:1987; docs/network.md lists them.

mod order;
mod private;
mod response;
mod sent;
mod settlement;
mod totals;

pub use order::{
    Again, Asked, First, Said, Standing, UNKNOWN_ENOUGH, Voiding, again, first, giving_back, is_believed, said,
    short_name, voiding,
};
pub use private::{PrivateData, Tag};
pub use response::{Response, code_of, response_of};
pub use sent::{SentAt, acquirer_day};
pub use settlement::{Balance, balance, is_told, told_again_in};
pub use totals::{Counted, Difference, Sum, Totals};
