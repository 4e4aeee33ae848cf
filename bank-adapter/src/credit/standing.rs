//! Where credit accounts stand between the ends of their days, as far as that is known.

use std::collections::{BTreeMap, BTreeSet};

use domain::AccountId;
use domain::credit::{Entry, Position, Statement, Terms, Verdict};
use jiff::civil::Date;
use server_kit::store::{StoreError, Tx};

use super::sql;

/// An account after its last closed day, and what has come since.
#[derive(Clone, Debug)]
pub(crate) struct AccountStanding {
    pub(crate) account_id: AccountId,
    terms: Terms,
    position: Position,
    /// In order, each with its day.
    entries: Vec<(Date, Entry)>,
    /// The last statement with what came of it, where it was asked for.
    pub(crate) last: Option<(Statement, Option<Verdict>)>,
}

impl AccountStanding {
    /// See [`Position::so_far`]. None when an entry is none that the rules know: the end of the day says so, too.
    pub(crate) fn so_far(&self) -> Option<(Position, Option<Date>)> {
        self.position.so_far(&self.terms, &self.entries).ok()
    }
}

/// Where these accounts stand, with what this transaction has written.
pub(crate) async fn load_standings(tx: &mut Tx, ids: &BTreeSet<AccountId>) -> Result<Vec<AccountStanding>, StoreError> {
    let accounts = sql::load_accounts(tx, ids).await?;
    let mut entries: BTreeMap<AccountId, Vec<(Date, Entry)>> = BTreeMap::new();
    for (id, day, entry) in sql::load_open_entries(tx, ids.iter().copied()).await? {
        entries.entry(id).or_default().push((day, entry));
    }
    let standing = |(account, position): (super::books::CreditAccount, Position)| AccountStanding {
        account_id: account.id,
        terms: account.agreement.terms,
        position,
        entries: entries.remove(&account.id).unwrap_or_default(),
        last: None,
    };
    Ok(accounts.into_iter().map(standing).collect())
}

/// The same of one account with its last statement; `None` when there is no such credit account.
pub(crate) async fn load_standing(tx: &mut Tx, id: AccountId) -> Result<Option<AccountStanding>, StoreError> {
    let Some(standing) = load_standings(tx, &[id].into()).await?.pop() else { return Ok(None) };
    Ok(Some(AccountStanding { last: sql::load_last_statement(tx, id).await?, ..standing }))
}
