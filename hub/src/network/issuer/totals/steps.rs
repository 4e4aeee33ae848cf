//! The durable steps of days' totals: what is told stands in the database before the network hears of it, and its answer before anybody goes by it.

use std::time::Duration;

use domain::network::{Balance, Totals, is_told, told_again_in};
use domain::{Reason, Timestamp};
use iso8583::{MessageBuilder, Mti};
use server_kit::keystore::KeyName;
use server_kit::store::{StoreError, Tx};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::sql::{self, DayCount, DayTotals, Key};
use crate::network::issuer::link::{Link, Manner};
use crate::network::issuer::message::{Trace, WireError};
use crate::network::issuer::set::Set;
use crate::network::issuer::steps::{IssuerSteps, Outcome, entry};
use crate::network::settle::total_fields;
use crate::network::sql::words_of;

/// What binds a kept message to its row.
pub(super) fn bound(key: &Key) -> Vec<u8> {
    format!("totals/{}/{}/{}", key.link, key.day, key.currency.code()).into_bytes()
}

/// The message with the totals, as it is kept.
pub(super) fn message(
    manner: &Manner,
    (key, ours): (&Key, &Totals),
    trace: Trace,
) -> Result<Zeroizing<Vec<u8>>, WireError> {
    let mut message = MessageBuilder::new(manner.dialect, Mti::RECONCILIATION_REQUEST)?;
    if let Some(header) = &manner.header {
        message.header(header)?;
    }
    message.number(7, trace.time)?.number(11, trace.stan)?.text(32, &manner.institution)?;
    if let Some(forwarder) = &manner.forwarder {
        message.text(33, forwarder)?;
    }
    message.text(50, &format!("{:03}", key.currency.numeric()))?;
    for (field, text) in total_fields(ours, key.day) {
        message.text(field, &text)?;
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(256));
    message.write(&mut octets)?;
    Ok(octets)
}

/// How long totals wait that this hub cannot tell.
const NOT_OURS: Duration = Duration::from_secs(600);

impl Set<'_> {
    /// Takes note of those of a line's days that have ended, so that their totals are told.
    pub(in crate::network::issuer) async fn begin_totals(
        &mut self,
        tx: &mut Tx,
        link: &str,
        unbegun: &[Key],
    ) -> Result<Outcome, StoreError> {
        let Some(rest) = self.steps.links.get(link).and_then(|link| link.totals_after) else {
            return Ok(Outcome::Totals(Vec::new()));
        };
        let before = self.day(link);
        let due = self.now.plus(rest);
        let begun = |key: &Key| DayTotals {
            key: key.clone(),
            version: 0,
            balance: Balance::Waiting,
            stan: 0,
            sent_at: Timestamp::from_micros(0),
            due_at: Some(due),
            tries: 0,
            ours: String::new(),
            theirs: String::new(),
            began_at: self.now,
            sealed: Vec::new(),
        };
        let mut rows = Vec::new();
        for key in unbegun.iter().filter(|key| key.day < before) {
            // Another replica may have begun it.
            if sql::load(tx, key).await?.is_none() {
                rows.push(begun(key));
            }
        }
        sql::put(tx, &rows).await?;
        Ok(Outcome::Day(before, before))
    }

    /// Gives what is to be told now. A day is told for the first time as it was counted.
    pub(in crate::network::issuer) async fn due_totals(
        &mut self,
        tx: &mut Tx,
        counted: &[DayCount],
    ) -> Result<Outcome, StoreError> {
        let mut told = Vec::new();
        // Another such step of this set finds nothing more.
        for mut row in std::mem::take(&mut self.totals) {
            let steps = self.steps;
            let Some((link, rest)) = steps.links.get(&row.key.link).and_then(|it| Some((it, it.totals_after?))) else {
                // Another replica may have the line.
                row.due_at = Some(self.now.plus(NOT_OURS));
                sql::put(tx, &[row]).await?;
                continue;
            };
            let waited = self.now.since(row.began_at);
            let is_first = row.balance == Balance::Waiting;
            if is_first {
                // What was not counted, since it has become due since, is at the next look.
                let Some(count) = counted.iter().find(|count| count.key == row.key) else { continue };
                if !is_told(count.outstanding, waited, rest) {
                    row.due_at = Some(self.now.plus(rest));
                    sql::put(tx, &[row]).await?;
                    continue;
                }
                self.make_totals(link, &count.ours, &mut row)?;
            }
            row.due_at = told_again_in(row.tries, waited).map(|pause| self.now.plus(pause));
            row.tries = row.tries.saturating_add(1);
            sql::put(tx, std::slice::from_ref(&row)).await?;
            if row.due_at.is_some() {
                told.push((row, !is_first));
            }
        }
        Ok(Outcome::Totals(told))
    }

    fn make_totals(&mut self, link: &Link, ours: &Totals, row: &mut DayTotals) -> Result<(), StoreError> {
        row.stan = self.number(&row.key.link);
        row.sent_at = Timestamp::from_micros(self.now.micros() - self.now.micros().rem_euclid(1_000_000));
        row.balance = Balance::Told;
        row.ours = words_of(ours);
        let octets = message(&link.manner, (&row.key, ours), Trace::of(row.stan, row.sent_at))
            .map_err(|error| StoreError::Refused(format!("the totals of a day cannot be written: {error}")))?;
        let sealed = self.steps.keys.seal(KeyName::SealedPayload, &bound(&row.key), &octets);
        row.sealed = sealed.map_err(|error| StoreError::Refused(error.to_string()))?;
        let Key { link, day, currency } = &row.key;
        let content = format!("link={link} day={day} currency={currency} stan={:06}", row.stan);
        self.log.push(entry("NETWORK_TOTALS_TOLD", Uuid::nil(), content));
        Ok(())
    }

    /// The network has answered the totals of a day. What was decided stays so.
    pub(in crate::network::issuer) async fn totals_answered(
        &mut self,
        tx: &mut Tx,
        (key, balance, theirs): (&Key, Balance, &str),
    ) -> Result<Outcome, StoreError> {
        let Some(mut row) = sql::load(tx, key).await? else { return Ok(Outcome::Impossible(Reason::FieldUnknown)) };
        if row.balance != Balance::Told {
            return Ok(Outcome::Balance(row.balance));
        }
        row.balance = balance;
        row.due_at = None;
        theirs.clone_into(&mut row.theirs);
        sql::put(tx, &[row]).await?;
        let Key { link, day, currency } = key;
        let content = format!("link={link} day={day} currency={currency} balance={}", balance.as_str());
        self.log.push(entry("NETWORK_TOTALS_ANSWERED", Uuid::nil(), content));
        Ok(Outcome::Balance(balance))
    }
}

impl IssuerSteps {
    /// The message of a day's totals as it was kept.
    pub(super) fn open_totals(&self, row: &DayTotals) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let opened = self.keys.open(KeyName::SealedPayload, &bound(&row.key), &row.sealed);
        opened
            .map(Zeroizing::new)
            .map_err(|error| StoreError::Refused(format!("the totals of a day do not open: {error}")))
    }
}
