//! What an existing credit system refuses to take note of: an operator looks at it, and has it told again.

use domain::Reason;
use server_kit::identity::Principal;

use super::credit_steps::CreditStep;
use super::page;
use super::steps::{Outcome, Step};
use super::{Ledger, LedgerError, mixed_up};
use crate::call::CallError;
use crate::credit_system::{Retold, Stuck, StuckKey, StuckPlace, stuck};

/// Sets the tokens of this list apart from those of others.
const LIST: &[u8] = b"counter.stuck_advices";

/// A page of a list.
#[derive(Clone, Debug)]
pub(crate) struct PageAsked {
    /// At most this many.
    pub(crate) size: i64,
    /// Where it begins; empty for the first one.
    pub(crate) token: String,
}

impl PageAsked {
    /// As a request has it. `Err` with `PageSizeOutOfRange`.
    pub(crate) fn read(size: i32, token: String) -> Result<Self, Reason> {
        Ok(Self { size: page::size(size)?, token })
    }
}

impl Ledger {
    /// A page of the advices that are stuck, the oldest first, and the token of the next one; empty after the last.
    pub(super) async fn stuck_advices(&self, asked: PageAsked) -> Result<(Vec<Stuck>, String), CallError> {
        let after = match asked.token.as_str() {
            "" => None,
            token => {
                let place = page::open(&*self.keys, LIST, token).map_err(|error| error.reason())?;
                Some(StuckPlace::from_bytes(&place).ok_or(Reason::PageTokenMalformed)?)
            }
        };
        // One more than asked for says whether there is a next page.
        let mut found = stuck(&self.store, after, asked.size.saturating_add(1)).await?;
        let most = usize::try_from(asked.size).unwrap_or(usize::MAX);
        let more = found.len() > most;
        found.truncate(most);
        let next = match found.last().filter(|_| more) {
            Some(last) => page::seal(&*self.keys, LIST, &StuckPlace::of(last).to_bytes()).map_err(|error| {
                tracing::error!(%error, "a page token cannot be made");
                Reason::Fault
            })?,
            None => String::new(),
        };
        Ok((found, next))
    }

    /// Has an advice told again that is stuck. One that is not stays as it is. `Err` with `AdviceUnknown`.
    pub(super) async fn retell(&self, key: StuckKey, by: Principal) -> Result<Retold, LedgerError> {
        match self.writer.write(Step::Credit(CreditStep::Retell(key, by))).await? {
            Outcome::Retold(retold) => retold.map_err(LedgerError::Refused),
            other => Err(mixed_up(&other)),
        }
    }
}
