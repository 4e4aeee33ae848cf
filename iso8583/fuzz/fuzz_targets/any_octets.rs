//! Octets from anywhere. `cargo fuzz run any_octets` in the folder `iso8583`, on a stable compiler with `-s none`.
#![no_main]

#[path = "../any_octets.rs"]
mod any_octets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| any_octets::hold(data));
