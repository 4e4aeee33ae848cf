//! How many times a second the disk under a folder makes a small append durable, which bounds every group commit.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use server_kit::clock::Stopwatch;

/// Appends 4 KiB and waits for the disk, over and over; gives the flushes a second.
pub fn per_second(folder: &Path, span: Duration) -> io::Result<f64> {
    let path = folder.join("flush.probe");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    let page = [0x5a_u8; 4096];
    let watch = Stopwatch::start();
    let mut flushes = 0_u32;
    while watch.elapsed() < span {
        file.write_all(&page)?;
        file.sync_data()?;
        flushes += 1;
    }
    let rate = f64::from(flushes) / watch.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(rate)
}
