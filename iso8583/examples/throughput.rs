//! Messages a second, read and built, on one core: `cargo run --release -p iso8583 --example throughput -- SECONDS [FOLDER]`.
//!
//! Prints a line for each dialect. Writes the messages as lines of hexadecimal into the folder, if one is named, so that
//! another codec can be measured with them.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement needs a clock and somebody who reads it"
)]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use iso8583::samples::{Sample, day};
use iso8583::{Dialect, Message, MessageBuilder, Mti, dialect};

/// As many different messages as are in the caches of a busy line.
const MESSAGES: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let length = Duration::from_secs_f64(arguments.next().as_deref().unwrap_or("1").parse()?);
    let folder = arguments.next();
    for dialect in dialect::ALL {
        let messages = day(dialect, MESSAGES)?;
        if let Some(folder) = &folder {
            let name = dialect.name.replace([' ', ':'], "_");
            std::fs::write(Path::new(folder).join(format!("{name}.hex")), hex(&messages))?;
        }
        let (read, built) = (reads(dialect, &messages, length)?, builds(dialect, &messages, length)?);
        println!("{:<45} parse {read:>10.0}/s build {built:>10.0}/s", dialect.name);
    }
    Ok(())
}

fn hex(messages: &[Vec<u8>]) -> String {
    let line = |message: &Vec<u8>| message.iter().map(|octet| format!("{octet:02X}")).collect::<String>() + "\n";
    messages.iter().map(line).collect()
}

/// Reads every message and takes the text of each of its fields.
fn reads(dialect: &Dialect, messages: &[Vec<u8>], length: Duration) -> Result<f64, Box<dyn Error>> {
    let mut text = Vec::new();
    per_second(messages.len(), length, || {
        for octets in messages {
            let message = Message::read(dialect, black_box(octets))?;
            for field in message.fields() {
                text.clear();
                field.append_text(&mut text);
                black_box(&text);
            }
        }
        Ok(())
    })
}

/// Builds every message from the values of its fields.
fn builds(dialect: &Dialect, messages: &[Vec<u8>], length: Duration) -> Result<f64, Box<dyn Error>> {
    let samples = messages
        .iter()
        .map(|octets| Message::read(dialect, octets).map(|message| Sample::of(&message)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut builder = MessageBuilder::new(dialect, Mti::FINANCIAL_REQUEST)?;
    let mut out = Vec::new();
    per_second(messages.len(), length, || {
        for sample in &samples {
            out.clear();
            black_box(sample).put(&mut builder)?;
            builder.write(&mut out)?;
            black_box(&out);
        }
        Ok(())
    })
}

fn per_second(
    messages: usize,
    length: Duration,
    mut round: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    round()?;
    let (began, mut rounds) = (Instant::now(), 0_u32);
    while began.elapsed() < length {
        round()?;
        rounds += 1;
    }
    Ok(f64::from(rounds) * messages as f64 / began.elapsed().as_secs_f64())
}
