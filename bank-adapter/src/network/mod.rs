//! Charges that other networks carried, as the bank's own switch brings them to the counter. They are legs of the ledger by the
//! rules of the hub's, of which the hub does not know: what was bought is reported to it (see [`report`](crate::report)).

mod desk;
mod sale;
mod wire;

pub(crate) use desk::NetworkDesk;
pub(crate) use sale::{read_sale, to_item, write_sale};

/// Before the name of a merchant or a terminal that is none of the federation's, as in the record at the hub.
const OUTSIDE: &str = "ext-";

/// The acquirer's own code for a merchant or a terminal.
pub(crate) fn code_of(name: &str) -> &str {
    name.strip_prefix(OUTSIDE).unwrap_or(name)
}
