//! The end of a line's day: the hub tells its totals and takes note of what the network says of them (ISO 8583:1987, 0500 and 0510; ADR 38).
//!
//! A day is counted beside the writer, which payments wait for, and what was counted is numbered and kept by a step.

pub(super) mod sql;
mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::Reason;
use domain::network::{Balance, balance};
use iso8583::{Message, Mti};
use jiff::civil::Date;
use server_kit::fault;
use server_kit::store::StoreError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Issuers;
use super::line::Sending;
use super::message::Trace;
use super::steps::{Outcome, Step};
use crate::network::settle::{Asked, theirs as theirs_of};
use crate::network::sql::{Compared, days_of_links, today, words_of};

pub(super) use sql::{DayCount, DayTotals, Key};

/// How often it is looked for a day that has ended, and for what is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Issuers {
    /// Begins the totals of every line that has come to another day since the last look, and tells what is due.
    async fn look_at_days(&self, seen: &mut BTreeMap<String, Date>) -> Result<(), StoreError> {
        let now = self.inner.clock.now();
        let (days, by_clock) = (days_of_links(&self.inner.store).await?, today(now, &self.inner.steps.zone)?);
        for link in self.inner.lines.keys() {
            let day = days.get(link).copied().unwrap_or(by_clock);
            if seen.get(link) != Some(&day) {
                let begun = self.begin_days(link).await?.unwrap_or(day);
                seen.insert(link.clone(), begun);
            }
        }
        let due = sql::read_due(&self.inner.store, now).await?;
        if due.is_empty() {
            return Ok(());
        }
        let mut counted = Vec::new();
        for row in due.into_iter().filter(|row| row.balance == Balance::Waiting) {
            counted.push(sql::read_day(&self.inner.store, row.key).await?);
        }
        let Outcome::Totals(due) = self.step(Step::DueTotals(counted)).await? else { return Ok(()) };
        for (row, is_repeat) in due {
            self.tell_totals(&row, is_repeat).await?;
        }
        Ok(())
    }

    /// Begins the totals of a line's days that have ended, and gives its day by the database's clock, which may not have come so far as the hub's.
    async fn begin_days(&self, link: &str) -> Result<Option<Date>, StoreError> {
        let begin = |unbegun| self.step(Step::BeginTotals { link: link.to_owned(), unbegun });
        let Outcome::Day(day, _) = begin(Vec::new()).await? else { return Ok(None) };
        // Whatever has an earlier day stands in the database now.
        let unbegun = sql::read_unbegun(&self.inner.store, link, day).await?;
        if !unbegun.is_empty() {
            begin(unbegun).await?;
        }
        Ok(Some(day))
    }

    /// Tells the totals of a day. What is not answered clearly is due again.
    async fn tell_totals(&self, row: &DayTotals, is_repeat: bool) -> Result<(), StoreError> {
        let Some((link, line)) = self.inner.lines.get(&row.key.link) else { return Ok(()) };
        let octets = Arc::new(self.inner.steps.open_totals(row)?);
        let ours = Message::read(link.manner.dialect, &octets).ok().and_then(|message| theirs_of(&message).ok());
        let mti = Mti::RECONCILIATION_REQUEST;
        let sending = Sending { octets, is_repeat, card: None };
        let asked = line.ask(sending, Trace::of(row.stan, row.sent_at), mti.answer().unwrap_or(mti)).await;
        let (Ok(answer), Some(ours)) = (asked, ours) else { return Ok(()) };
        fault::point("issuer.totals.answered");
        let theirs = answer.totals;
        let Some(decided) = balance(&answer.code, answer.settlement, &ours, theirs.as_ref()) else {
            tracing::warn!(link = link.id, day = %row.key.day, code = answer.code, "a card network does not say whether a day is in balance");
            return Ok(());
        };
        let theirs = theirs.map(|theirs| words_of(&theirs)).unwrap_or_default();
        let step = Step::TotalsAnswered { key: row.key.clone(), balance: decided, theirs: theirs.clone() };
        let Outcome::Balance(decided) = self.step(step).await? else { return Ok(()) };
        metrics::counter!("bankhub_issuer_settlements_total", "link" => link.id.clone(), "balance" => decided.as_str())
            .increment(1);
        let (day, currency) = (row.key.day, row.key.currency);
        match decided {
            Balance::In => tracing::info!(link = link.id, %day, %currency, "a day is in balance with a card network"),
            _ => {
                let (balance, ours) = (decided.as_str(), &row.ours);
                tracing::warn!(link = link.id, %day, %currency, balance, ours, theirs, "a day is not in balance with a card network");
            }
        }
        Ok(())
    }

    /// The network's own totals of a day are compared with the hub's, and kept.
    pub(super) async fn compare(&self, link: &str, asked: Asked) -> Result<Compared, Reason> {
        let failed = |error: StoreError| {
            tracing::warn!(link, %error, "a card network's totals could not be compared");
            error.reason()
        };
        let store = &self.inner.store;
        let now = days_of_links(store).await.map_err(failed)?.get(link).copied();
        let now = match now {
            Some(day) => day,
            None => today(self.inner.clock.now(), &self.inner.steps.zone).map_err(failed)?,
        };
        let key = Key { link: link.to_owned(), day: asked.day(now)?, currency: asked.currency };
        let ours = sql::read_counted(store, &key).await.map_err(failed)?;
        let Key { link, day, currency } = key;
        let compared = Compared { link, day, currency, ours, theirs: asked.theirs };
        self.step(Step::Compare(Box::new(compared.clone()))).await.map_err(failed)?;
        Ok(compared)
    }
}

/// Looks at the days of all lines, until the hub drains.
pub(super) fn keep(issuers: &Issuers, draining: &CancellationToken) -> JoinHandle<()> {
    let (issuers, draining) = (issuers.clone(), draining.clone());
    tokio::spawn(async move {
        let (mut ticks, mut seen) = (tokio::time::interval(LOOK_EVERY), BTreeMap::new());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while draining.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = issuers.look_at_days(&mut seen).await {
                tracing::warn!(%error, "the totals of a day could not be told yet");
            }
        }
    })
}
