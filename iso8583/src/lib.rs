//! The card-message codec: ISO 8583 messages read from and written to octets, by tables of fields.
//!
//! A [`Dialect`] says how one network writes its messages. There is one reader, [`Message::read`], and one writer,
//! [`MessageBuilder`], for all of them. [`frame`] takes a stream apart into messages, [`mac`] finds what an authentication
//! code covers, [`named`] has the names of dialects in a configuration, [`element`] has the types of what every message carries.
//!
//! ```
//! use iso8583::{Message, MessageBuilder, Mti, dialect};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut octets = Vec::new();
//! let mut builder = MessageBuilder::new(&dialect::ISO_1987_ASCII, Mti::NETWORK_MANAGEMENT_REQUEST)?;
//! builder.number(7, 1_116_093_000)?.number(11, 42)?.number(70, 301)?;
//! builder.write(&mut octets)?;
//! assert_eq!(octets, b"0800822000000000000004000000000000001116093000000042301");
//!
//! let message = Message::read(&dialect::ISO_1987_ASCII, &octets)?;
//! assert_eq!(message.field(11).and_then(|stan| stan.as_number()), Some(42));
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: pure, without I/O, clock or randomness; no input makes it panic; what it reads is written again as the same
//! octets; no error, `Debug` or [`dump`](Message::dump) gives away what is on a card.

pub mod alphabet;
mod bitmap;
mod build;
mod coding;
pub mod dialect;
mod dump;
pub mod element;
mod error;
pub mod field;
pub mod frame;
pub mod mac;
mod message;
pub mod mti;
pub mod named;
mod packed;
pub mod samples;

pub use bitmap::{Bitmap, LAST_FIELD};
pub use build::MessageBuilder;
pub use dialect::Dialect;
pub use dump::Dump;
pub use error::{BuildError, ReadError};
pub use message::{Field, MOST_OCTETS, Message};
pub use mti::Mti;
pub use packed::Pad;
