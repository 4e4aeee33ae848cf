//! What a card network tells by itself, and what is told again by itself: nobody waits for either.

use std::sync::Arc;
use std::time::Duration;

use domain::BankId;
use server_kit::store::StoreError;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::line::Told;
use super::link::Link;
use super::message::{Answer, Trace};
use super::steps::{Outcome, Step};
use super::{Issuers, sql};
use crate::directory::Directory;
use crate::network::sent::time;

/// How often it is looked for what is to be told again.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After so long a bank that is not registered yet is looked for again.
const REGISTER_AGAIN: Duration = Duration::from_secs(2);

/// Takes in what a network tells, until the hub drains.
pub(super) fn listen(
    issuers: &Issuers,
    link: Arc<Link>,
    mut told: mpsc::Receiver<Told>,
    draining: &CancellationToken,
) -> JoinHandle<()> {
    let (issuers, draining) = (issuers.clone(), draining.clone());
    tokio::spawn(async move {
        while let Some(Some(told)) = draining.run_until_cancelled(told.recv()).await {
            match told {
                Told::Late(trace, answer) => issuers.late(&link, trace, answer).await,
                Told::CutOver { day, done } => {
                    let _ = done.send(issuers.cut_over(&link, day).await);
                }
                Told::Totals { asked, done } => {
                    let _ = done.send(issuers.compare(&link.id, asked).await);
                }
            }
        }
        // Whoever drains leaves what is still told to its next start: a late approval comes again with the repeat of its reversal.
        draining.cancelled().await;
    })
}

impl Issuers {
    async fn late(&self, link: &Link, trace: Trace, answer: Box<Answer>) {
        let Ok(sent_at) = time(trace.time, self.inner.clock.now()) else { return };
        let stan = i64::try_from(trace.stan).unwrap_or(0);
        metrics::counter!("bankhub_issuer_late_approvals_total", "link" => link.id.clone()).increment(1);
        if let Err(error) = self.step(Step::Late { link: link.id.clone(), stan, sent_at, answer }).await {
            tracing::error!(link = link.id, stan, %error, "a late approval could not be kept");
        }
    }

    async fn cut_over(&self, link: &Link, day: u16) -> bool {
        match self.step(Step::CutOver { link: link.id.clone(), day }).await {
            Ok(Outcome::Day(_, day)) => {
                tracing::info!(link = link.id, %day, "a card network has gone over to another day");
                true
            }
            Ok(_) => false,
            Err(error) => {
                tracing::warn!(link = link.id, %error, "a card network's new day could not be kept");
                false
            }
        }
    }

    async fn tell_due(&self) -> Result<(), StoreError> {
        if !sql::is_any_due(&self.inner.store, self.inner.clock.now()).await? {
            return Ok(());
        }
        let Outcome::Due(orders) = self.step(Step::Due).await? else { return Ok(()) };
        for order in orders {
            self.send(&order, true, None).await;
        }
        Ok(())
    }
}

/// Tells again what is due, until the hub drains.
pub(super) fn tell_again(issuers: &Issuers, draining: &CancellationToken) -> JoinHandle<()> {
    let (issuers, draining) = (issuers.clone(), draining.clone());
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while draining.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = issuers.tell_due().await {
                tracing::warn!(%error, "what is due at a card network could not be told yet");
            }
        }
    })
}

/// Registers the card numbers of the banks behind a line, as an adapter would for its own, as soon as each bank is registered.
pub(super) fn register(link: Arc<Link>, directory: Directory, draining: &CancellationToken) -> JoinHandle<()> {
    let draining = draining.clone();
    tokio::spawn(async move {
        let mut left: Vec<BankId> = link.banks.keys().cloned().collect();
        while !left.is_empty() {
            let mut later = Vec::new();
            for bank in left {
                let Some(member) = link.banks.get(&bank) else { continue };
                match directory.register_bin_ranges(bank.clone(), &member.ranges).await {
                    Ok(Ok(ranges)) => {
                        tracing::info!(link = link.id, %bank, ranges = ranges.len(), "a network's bank has its card numbers");
                    }
                    Ok(Err(reason)) => {
                        tracing::debug!(link = link.id, %bank, reason = reason.code(), "a network's bank has no card numbers yet");
                        later.push(bank);
                    }
                    Err(error) => {
                        tracing::warn!(link = link.id, %bank, %error, "card numbers could not be registered yet");
                        later.push(bank);
                    }
                }
            }
            left = later;
            if draining.run_until_cancelled(tokio::time::sleep(REGISTER_AGAIN)).await.is_none() {
                return;
            }
        }
        draining.cancelled().await;
    })
}
