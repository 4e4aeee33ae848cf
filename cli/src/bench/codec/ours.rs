//! Messages a second of our own codec, on the thread that asks.

use std::hint::black_box;
use std::time::Duration;

use iso8583::samples::Sample;
use iso8583::{Dialect, Message, MessageBuilder, Mti};
use server_kit::clock::Stopwatch;

use super::CodecError;

/// Reads every message and takes the text of each of its fields.
pub fn reads(dialect: &Dialect, messages: &[Vec<u8>], span: Duration) -> Result<f64, CodecError> {
    let mut text = Vec::new();
    per_second(messages.len(), span, || {
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
pub fn builds(dialect: &Dialect, messages: &[Vec<u8>], span: Duration) -> Result<f64, CodecError> {
    let samples = messages
        .iter()
        .map(|octets| Message::read(dialect, octets).map(|message| Sample::of(&message)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut builder = MessageBuilder::new(dialect, Mti::FINANCIAL_REQUEST)?;
    let mut out = Vec::new();
    per_second(messages.len(), span, || {
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
    span: Duration,
    mut round: impl FnMut() -> Result<(), CodecError>,
) -> Result<f64, CodecError> {
    // Once before the clock runs, so that memory is there.
    round()?;
    let (watch, mut rounds) = (Stopwatch::start(), 0_u32);
    loop {
        round()?;
        rounds += 1;
        let elapsed = watch.elapsed();
        if elapsed >= span {
            return Ok(f64::from(rounds) * messages as f64 / elapsed.as_secs_f64());
        }
    }
}
