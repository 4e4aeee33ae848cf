//! Whether a past was honest: the filled databases pass what `bankhub doctor` checks, and the hub's payments are the banks'
//! legs, one by one.

use std::collections::{BTreeMap, HashMap};

use server_kit::store::{Store, StoreError};
use uuid::Uuid;

use super::growth::{GrowthError, kind_of};
use crate::doctor::{Check, Files, ServerKind, Verdict, examine};
use crate::trial::Federation;

const PAYMENTS: &str = "SELECT payment_id, leg_id, amount_minor, state, bank_id FROM payments \
                        WHERE payment_id > $1 ORDER BY payment_id LIMIT 5000";
const LEGS: &str = "SELECT leg_id, payment_id, amount_minor, state FROM legs \
                    WHERE leg_id > $1 ORDER BY leg_id LIMIT 5000";

/// The most faults that are printed.
const MOST_FAULTS: usize = 20;

/// The payment and the amount of each leg that is posted.
type Posted = HashMap<Uuid, (Uuid, i64)>;

/// Examines every database of a federation that stands still.
pub async fn check(federation: &Federation) -> Result<(), GrowthError> {
    let mut legs: BTreeMap<String, Posted> = BTreeMap::new();
    let mut hub = None;
    for server in federation.servers() {
        let kind = kind_of(server);
        let files = Files::load(kind, server.config(), &[])?;
        sound(server.name(), &examine(kind, &files).await)?;
        let store = files.open_store(kind).await?;
        match kind {
            ServerKind::Hub => hub = Some(store),
            ServerKind::Adapter => {
                legs.insert(server.name().to_owned(), posted_legs(&store).await?);
                store.close().await;
            }
        }
    }
    let Some(hub) = hub else { return Ok(()) };
    let faults = compare(&hub, legs).await?;
    hub.close().await;
    verdict(&faults)
}

fn sound(server: &str, checks: &[Check]) -> Result<(), GrowthError> {
    let faults = checks.iter().filter(|check| check.verdict != Verdict::Good);
    let faults: Vec<_> = faults.map(|check| format!("{server}, {}: {}", check.name, check.detail)).collect();
    verdict(&faults)
}

fn verdict(faults: &[String]) -> Result<(), GrowthError> {
    let most = faults.get(..MOST_FAULTS).unwrap_or(faults);
    if faults.is_empty() { Ok(()) } else { Err(GrowthError::Unsound(most.join("; "))) }
}

async fn posted_legs(store: &Store) -> Result<Posted, StoreError> {
    let (mut posted, mut last) = (Posted::new(), Uuid::nil());
    loop {
        let rows = store.fetch_at_leisure(LEGS, vec![last.into()]).await?;
        for row in &rows {
            last = row.id(0)?;
            if row.text(3)? == "POSTED" {
                posted.insert(last, (row.id(1)?, row.int(2)?));
            }
        }
        if rows.is_empty() {
            return Ok(posted);
        }
    }
}

/// Each payment that is posted has its leg, and each posted leg a payment that was approved. A payment whose bank has posted
/// and whose hub was stopped before it heard of it is COMMITTED still.
async fn compare(hub: &Store, mut legs: BTreeMap<String, Posted>) -> Result<Vec<String>, StoreError> {
    let (mut faults, mut last) = (Vec::new(), Uuid::nil());
    loop {
        let rows = hub.fetch_at_leisure(PAYMENTS, vec![last.into()]).await?;
        for row in &rows {
            last = row.id(0)?;
            let (amount_minor, state) = (row.int(2)?, row.text(3)?);
            if !matches!(state.as_str(), "COMMITTED" | "POSTED") {
                continue;
            }
            let bank = row.maybe_text(4)?.unwrap_or_default();
            let leg = row.maybe_id(1)?.and_then(|leg_id| legs.get_mut(&bank)?.remove(&leg_id));
            let fits = leg.map_or(state == "COMMITTED", |leg| leg == (last, amount_minor));
            if !fits {
                faults.push(format!("payment {last} is {state}, and its leg at {bank} is {leg:?}"));
            }
        }
        if rows.is_empty() {
            break;
        }
    }
    for (bank, legs) in legs.iter().filter(|(_, legs)| !legs.is_empty()) {
        faults.push(format!("{bank} has posted {} legs of which the hub knows nothing", legs.len()));
    }
    Ok(faults)
}
