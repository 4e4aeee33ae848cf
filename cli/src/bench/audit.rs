//! How fast the log is verified: `bench audit`.

use clap::Args;
use serde_json::json;
use server_kit::audit::{Chain, Entry, verify};
use server_kit::clock::{Stopwatch, SystemClock};
use server_kit::keystore::Keyring;
use server_kit::rng::SystemRng;
use server_kit::store::{Store, StoreError, StoreOptions};
use std::sync::Arc;
use uuid::Uuid;

use super::BenchError;
use crate::audit::rate;
use crate::output::Output;

/// Pages that are written in one transaction while the log is made.
const PAGES_AT_ONCE: usize = 2_000;

#[derive(Clone, Copy, Debug, Args)]
pub struct AuditBenchArgs {
    /// Entries of each log.
    #[arg(long, default_value_t = 400_000)]
    pub entries: usize,
}

/// Why the log could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum AuditBenchError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("keys: {0}")]
    Keys(String),
    #[error("the folder: {0}")]
    Folder(#[from] std::io::Error),
    #[error("the log that was made is not whole: {0}")]
    NotWhole(String),
}

pub(super) async fn run(args: AuditBenchArgs, out: &Output) -> Result<(), BenchError> {
    for on_a_page in [1, 32] {
        let (pages, per_second) = measure(args.entries.max(1), on_a_page).await.map_err(Box::new)?;
        let value = json!({
            "entries": args.entries,
            "entries_on_a_page": on_a_page,
            "pages": pages,
            "entries_verified_per_second": per_second.round(),
            "rows_verified_per_second": (per_second / on_a_page as f64).round(),
        });
        let fields = [
            ("entries", args.entries.to_string()),
            ("on a page", on_a_page.to_string()),
            ("rows/s", format!("{:.0}", per_second / on_a_page as f64)),
            ("entries/s", format!("{per_second:.0}")),
        ];
        out.record(&fields, &value);
    }
    Ok(())
}

/// Makes a log and verifies it; gives how many pages it has, and how many entries were verified in a second.
async fn measure(entries: usize, on_a_page: usize) -> Result<(usize, f64), AuditBenchError> {
    let folder = tempfile::tempdir()?;
    let options = StoreOptions::new(&format!("sqlite:{}", folder.path().join("log.db").display()));
    let store = Store::open(&options, &hub::migrations(), SystemClock::shared()).await?;
    let keys = Keyring::generate(SystemRng::shared()).map_err(|error| AuditBenchError::Keys(error.to_string()))?;
    let keys = Arc::new(keys);
    let mut chain = Chain::new("bench", keys.clone());
    let pages = entries.div_ceil(on_a_page);
    for first in (0..pages).step_by(PAGES_AT_ONCE) {
        let mut tx = store.begin().await?;
        for page in first..pages.min(first + PAGES_AT_ONCE) {
            let entry = |line| Entry {
                kind: "COMMITTED",
                subject: Uuid::from_u128((page * on_a_page + line) as u128),
                content: "from=HOLDING version=3 amount=12.50 CNY bank=bank-a leg=0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f"
                    .to_owned(),
            };
            chain.append(&mut tx, (0..on_a_page).map(entry).collect()).await?;
        }
        chain.settle(tx.commit().await)?;
    }
    chain.seal_now(&store).await?;
    let watch = Stopwatch::start();
    let reports = verify(&store, &*keys).await?;
    let took = watch.elapsed();
    let faults: Vec<&String> = reports.iter().flat_map(|report| &report.faults).collect();
    if let Some(fault) = faults.first() {
        return Err(AuditBenchError::NotWhole((*fault).clone()));
    }
    let verified: i64 = reports.iter().map(|report| report.entries).sum();
    store.close().await;
    Ok((pages, rate(verified, took)))
}
