//! The one binary `bankhub`, as a library: the servers' commands, a real terminal, a phone in software, the operators' calls,
//! and a whole federation on one machine for the demo, the tests and the bench.
//!
//! Invariant: everything that is printed goes through [`output`]; no secret, code, password or full phone number does.

pub mod acquirer;
pub mod args;
pub mod audit;
pub mod bench;
pub mod books;
pub mod carrier;
pub mod demo;
pub mod dev;
pub mod dictionary;
pub mod doctor;
pub mod effective;
pub mod error;
pub mod hsm;
pub mod identity_simulator;
pub mod init;
pub mod keys;
pub mod operator;
pub mod output;
pub mod phone;
pub mod profile;
pub mod serve;
pub mod sms_simulator;
pub mod terminal;
pub mod trial;
pub mod voice;

mod run;
mod typed;

pub use run::main;
