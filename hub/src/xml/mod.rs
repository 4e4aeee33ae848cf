//! XML of files: written in pieces, and read within bounds.

mod read;
mod write;

pub(crate) use read::{Document, MOST_OCTETS, Piece};
pub use read::{Fault, NamedAt};
pub(crate) use write::{Xml, written_time};
