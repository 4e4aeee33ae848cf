//! Telephone calls over their real wires, with a played desk: FastAGI with a peer that speaks as Asterisk does, and VoiceXML over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails loudly"
)]

mod agi;
mod asterisk;
mod bad_input;
mod desk;
mod front;
mod process;
mod prompts;
mod vxml;
