//! Finds the days of credit accounts that are open and has them closed, shortly after midnight and when it is asked to.

use std::time::Duration;

use domain::{AccountId, Reason};
use jiff::civil::Date;
use server_kit::clock::SharedClock;
use server_kit::identity::Principal;
use tokio_util::sync::CancellationToken;

use super::{Calendar, CloseOrder, OpenDay};
use crate::ledger::{Ledger, LedgerError};

/// Accounts that one step closes: so few that a payment in the same set does not wait for long.
const ACCOUNTS_A_STEP: usize = 64;
/// Accounts that are looked up at once.
const ACCOUNTS_A_PAGE: i64 = 1024;
/// How often the schedule looks at the clock.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// The longest pause while a run fails; the pause doubles up to it.
const PAUSE_AT_MOST: Duration = Duration::from_secs(3600);

/// What a run has closed. What others have closed meanwhile is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaysClosed {
    /// The last day that is closed of all accounts; earlier than the one asked for when some account failed.
    pub through: Date,
    /// Accounts that were looked at.
    pub accounts: i64,
    /// Days over all accounts.
    pub days: i64,
    pub statements: i64,
    pub bookings: i64,
    /// Accounts with a day that could not be closed: the log says which, and somebody has to look.
    pub failed: i64,
}

/// Has days closed. Any number may run at once: a day that one has closed the others pass over.
#[derive(Clone, Debug)]
pub struct DayCloser {
    ledger: Ledger,
    calendar: Calendar,
    clock: SharedClock,
}

impl DayCloser {
    pub const fn new(ledger: Ledger, calendar: Calendar, clock: SharedClock) -> Self {
        Self { ledger, calendar, clock }
    }

    /// The last day that is over.
    pub fn yesterday(&self) -> Date {
        self.calendar.yesterday(self.clock.now())
    }

    /// Closes shortly after midnight what is over, and at once what is open from before, until `stop`. `by` is who stands in the
    /// log.
    pub async fn run(self, by: Principal, stop: CancellationToken) {
        let (mut closed, mut pause) = (None, LOOK_EVERY);
        loop {
            let due = self.calendar.due_through(self.clock.now());
            if closed.is_none_or(|closed| closed < due) {
                let Some(result) = stop.run_until_cancelled(self.close(due, &by)).await else { return };
                (closed, pause) = match told(&result) {
                    true => (Some(due), LOOK_EVERY),
                    false => (closed, pause.saturating_mul(2).min(PAUSE_AT_MOST)),
                };
            }
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Closes all days up to and with this one that are open of any account. `Err(DayNotOver)` when it is not over.
    pub async fn close(&self, through: Date, by: &Principal) -> Result<DaysClosed, LedgerError> {
        if through > self.yesterday() {
            return Err(LedgerError::Refused(Reason::DayNotOver));
        }
        let mut all = DaysClosed { through, accounts: 0, days: 0, statements: 0, bookings: 0, failed: 0 };
        loop {
            let pass = self.pass(through, by).await?;
            // The first pass has met every account.
            all.accounts = all.accounts.max(pass.accounts);
            all.days = all.days.saturating_add(pass.days);
            all.statements = all.statements.saturating_add(pass.statements);
            all.bookings = all.bookings.saturating_add(pass.bookings);
            all.failed = pass.failed;
            // One step closes so many days of an account at most; another pass goes on where it ended.
            if pass.days == 0 || pass.accounts == 0 {
                break;
            }
        }
        let first_open = self.ledger.open_days(None, through, 1).await?;
        all.through = first_open.first().map_or(through, |open| open.closed_through);
        Ok(all)
    }

    /// Goes over all accounts that have an open day, the longest open first, once.
    async fn pass(&self, through: Date, by: &Principal) -> Result<DaysClosed, LedgerError> {
        let mut pass = DaysClosed { through, accounts: 0, days: 0, statements: 0, bookings: 0, failed: 0 };
        let mut after: Option<OpenDay> = None;
        loop {
            let page = self.ledger.open_days(after, through, ACCOUNTS_A_PAGE).await?;
            let Some(last) = page.last() else { return Ok(pass) };
            after = Some(*last);
            for part in page.chunks(ACCOUNTS_A_STEP) {
                let accounts: Vec<AccountId> = part.iter().map(|open| open.account_id).collect();
                pass.accounts = pass.accounts.saturating_add_unsigned(accounts.len() as u64);
                let closed = self.ledger.close_days(CloseOrder { accounts, through }, by.clone()).await?;
                pass.days = pass.days.saturating_add(closed.days);
                pass.statements = pass.statements.saturating_add(closed.statements);
                pass.bookings = pass.bookings.saturating_add(closed.bookings);
                pass.failed = pass.failed.saturating_add_unsigned(closed.failed.len() as u64);
                // Whoever pays meanwhile is in the next set before these accounts are.
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Tells what came of a run, and whether all was closed.
fn told(result: &Result<DaysClosed, LedgerError>) -> bool {
    match result {
        Ok(closed) if closed.failed > 0 => {
            tracing::error!(?closed, "days of some credit accounts cannot be closed");
            false
        }
        Ok(closed) => {
            if closed.days > 0 {
                tracing::info!(?closed, "closed the days of credit accounts");
            }
            true
        }
        Err(error) => {
            tracing::warn!(%error, "closing days is broken off and goes on later");
            false
        }
    }
}
