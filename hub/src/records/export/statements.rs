//! A file of statements, one for each account. The record is read once to find the accounts and what their entries add up to,
//! because a statement begins with it, and then once more for each of them.

use std::collections::BTreeMap;
use std::vec::IntoIter;

use domain::purchase::Purchase;
use domain::record::PurchaseFilter;
use domain::{BankId, Currency, Money, PersonId, Reason, Timestamp};
use server_kit::store::{Store, StoreError};

use super::super::query::MOST_PURCHASES;
use super::super::scan::{Recorded, Scan};
use super::CHUNK;
use super::entry::{Entry, booked_minor};

/// The most accounts of one file, each of which is a reading of the record.
const MOST_ACCOUNTS: usize = 50;

/// What a file of statements looks like.
pub(super) trait Format: Send + Sync {
    /// What stands before the first statement. Accounts without a credit side come first.
    fn begin(&mut self, accounts: &[Account]) -> Vec<u8>;
    /// What stands before the first entry of a statement.
    fn open(&mut self, account: &Account) -> Vec<u8>;
    /// So many purchases, the last that was recorded first.
    fn entries(&mut self, purchases: &[Recorded]) -> Vec<u8>;
    /// What stands after the last entry.
    fn close(&mut self, account: &Account) -> Vec<u8>;
    /// What stands after the last statement.
    fn end(&mut self) -> Vec<u8>;
}

/// An account or card as the record shows it, in one currency.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// Whether it is a card with a credit side.
    pub(super) has_credit: bool,
    pub(super) bank_id: BankId,
    pub(super) masked: String,
    /// What the booked entries add up to; money that went out is below zero.
    pub(super) balance: Money,
    /// The first and the last moment at which something was bought or came back.
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

impl Account {
    fn of(&self, purchase: &Purchase) -> bool {
        purchase.amount.currency == self.balance.currency
            && purchase.bank_id == self.bank_id
            && purchase.account_masked == self.masked
    }
}

/// The statements of a person, as they are made.
pub(super) struct Statements {
    person_id: PersonId,
    filter: PurchaseFilter,
    now: Timestamp,
    format: Box<dyn Format>,
    stage: Stage,
}

enum Stage {
    /// Nothing is read yet.
    Survey,
    /// The accounts whose statements are still to come, in this part of the record.
    Between { waiting: IntoIter<Account>, before_sequence: i64 },
    /// In the middle of a statement.
    Within { account: Account, scan: Scan, rest_minor: i64, waiting: IntoIter<Account>, before_sequence: i64 },
    /// There is nothing more.
    Done,
}

type Piece = Result<Option<Vec<u8>>, Reason>;

impl Statements {
    pub(super) fn new(person_id: PersonId, filter: PurchaseFilter, now: Timestamp, format: Box<dyn Format>) -> Self {
        Self { person_id, filter, now, format, stage: Stage::Survey }
    }

    pub(super) async fn next(&mut self, store: &Store) -> Result<Piece, StoreError> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Survey => self.begin(store).await,
            Stage::Between { mut waiting, before_sequence } => Ok(Ok(match waiting.next() {
                Some(account) => Some(self.open(account, waiting, before_sequence)),
                None => Some(self.format.end()),
            })),
            Stage::Within { account, mut scan, rest_minor, waiting, before_sequence } => {
                let mut found = scan.next_with_given_back(store, CHUNK).await?;
                if found.is_empty() {
                    // The statement has told a balance before its entries, and has to keep to it.
                    if rest_minor != 0 {
                        return Ok(Err(Reason::TooBusy));
                    }
                    self.stage = Stage::Between { waiting, before_sequence };
                    return Ok(Ok(Some(self.format.close(&account))));
                }
                found.retain(|it| account.of(&it.purchase) && self.filter.matches(&it.purchase));
                let booked = found.iter().map(booked_minor).fold(0, i64::saturating_add);
                let rest_minor = rest_minor.saturating_sub(booked);
                self.stage = Stage::Within { account, scan, rest_minor, waiting, before_sequence };
                Ok(Ok(Some(self.format.entries(&found))))
            }
            Stage::Done => Ok(Ok(None)),
        }
    }

    async fn begin(&mut self, store: &Store) -> Result<Piece, StoreError> {
        let (accounts, before_sequence) = match self.survey(store).await? {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        };
        let begun = self.format.begin(&accounts);
        self.stage = Stage::Between { waiting: accounts.into_iter(), before_sequence };
        Ok(Ok(Some(begun)))
    }

    fn open(&mut self, account: Account, waiting: IntoIter<Account>, before_sequence: i64) -> Vec<u8> {
        let scan = Scan::before(self.person_id, &self.filter, before_sequence).of(&account.bank_id, &account.masked);
        let opened = self.format.open(&account);
        let rest_minor = account.balance.minor;
        self.stage = Stage::Within { account, scan, rest_minor, waiting, before_sequence };
        opened
    }

    /// The accounts, and the place in the feed before which all lies that was read.
    async fn survey(&self, store: &Store) -> Result<Result<(Vec<Account>, i64), Reason>, StoreError> {
        let mut scan = Scan::all(self.person_id, &self.filter);
        let mut accounts = Accounts { now: self.now, by_key: BTreeMap::new() };
        let (mut looked_at, mut before_sequence) = (0_usize, 0);
        loop {
            let found = scan.next_with_given_back(store, CHUNK).await?;
            let Some(newest) = found.first() else { return Ok(Ok((accounts.sorted(), before_sequence))) };
            before_sequence = before_sequence.max(newest.sequence.saturating_add(1));
            looked_at = looked_at.saturating_add(found.len());
            if looked_at > MOST_PURCHASES {
                return Ok(Err(Reason::TooManyItems));
            }
            for recorded in found.iter().filter(|recorded| self.filter.matches(&recorded.purchase)) {
                if let Err(reason) = accounts.add(recorded) {
                    return Ok(Err(reason));
                }
            }
        }
    }
}

/// The accounts that were seen so far.
struct Accounts {
    now: Timestamp,
    by_key: BTreeMap<(String, String, &'static str), Account>,
}

impl Accounts {
    /// `Err(TooManyItems)` past [`MOST_ACCOUNTS`], `Err(AmountTooLarge)` past what a sum holds.
    fn add(&mut self, recorded: &Recorded) -> Result<(), Reason> {
        let purchase = &recorded.purchase;
        let currency: Currency = purchase.amount.currency;
        let key = (purchase.bank_id.to_string(), purchase.account_masked.clone(), currency.code());
        if self.by_key.len() >= MOST_ACCOUNTS && !self.by_key.contains_key(&key) {
            return Err(Reason::TooManyItems);
        }
        let account = self.by_key.entry(key).or_insert_with(|| Account {
            has_credit: false,
            bank_id: purchase.bank_id.clone(),
            masked: purchase.account_masked.clone(),
            balance: Money::new(currency, 0),
            first: purchase.occurred_at,
            // Statements reach up to the moment at which they are made.
            last: self.now,
        });
        account.has_credit |= purchase.credit_minor.is_some();
        account.first = account.first.min(purchase.occurred_at);
        let last = Entry::of(recorded).map(|entry| entry.at()).max();
        account.last = account.last.max(last.unwrap_or(purchase.occurred_at));
        account.balance = account.balance.plus(Money::new(currency, booked_minor(recorded)))?;
        Ok(())
    }

    fn sorted(self) -> Vec<Account> {
        let mut accounts: Vec<Account> = self.by_key.into_values().collect();
        accounts.sort_by_key(|account| account.has_credit);
        accounts
    }
}

/// The entries of some purchases.
pub(super) fn entries_of(purchases: &[Recorded]) -> impl Iterator<Item = Entry<'_>> {
    purchases.iter().flat_map(Entry::of)
}
