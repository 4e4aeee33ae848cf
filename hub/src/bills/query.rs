//! What is asked of bills: the list by account, what runs since, and the sum over all banks.

use domain::bill::{Bill, Cycle, Record, RunningBill, Total, total};
use domain::{AccountId, BankId, PersonId, Reason};
use jiff::civil::Date;
use proto::cardholder as pb;
use server_kit::store::StoreError;

use super::Bills;
use super::records::{self, OfAccount, Sort, Wanted};
use super::sql::{self, Kept};

const USUAL: usize = 12;
const MOST: i32 = 60;

/// Which bills are asked for.
#[derive(Debug)]
pub(crate) struct ListAsked {
    bank_id: Option<BankId>,
    account_id: Option<AccountId>,
    most: usize,
}

impl ListAsked {
    pub(crate) fn read(request: &pb::ListBillsRequest) -> Result<Self, Reason> {
        let named = |text: &str| !text.is_empty();
        Ok(Self {
            bank_id: Some(&request.bank_id).filter(|id| named(id)).map(|id| BankId::parse(id)).transpose()?,
            account_id: Some(&request.account_id).filter(|id| named(id)).map(|id| AccountId::parse(id)).transpose()?,
            most: match request.most {
                0 => USUAL,
                most @ 1..=MOST => usize::try_from(most).unwrap_or(USUAL),
                _ => return Err(Reason::PageSizeOutOfRange),
            },
        })
    }

    fn lets_through(&self, kept: &Kept) -> bool {
        let account = &kept.bill.account;
        self.bank_id.as_ref().is_none_or(|bank_id| *bank_id == account.bank_id)
            && self.account_id.is_none_or(|account_id| account_id == account.account_id)
    }
}

/// The bills of one account in one currency, the newest first, and what runs since.
#[derive(Debug)]
pub(crate) struct OfOne {
    pub(crate) bills: Vec<Kept>,
    pub(crate) running: RunningBill,
}

impl Bills {
    pub(crate) async fn list(
        &self,
        person_id: PersonId,
        asked: &ListAsked,
        today: Date,
    ) -> Result<Result<Vec<OfOne>, Reason>, StoreError> {
        let all = sql::of_person(&self.store, person_id).await?;
        let mut accounts = Vec::new();
        for bills in by_account(&all) {
            if !bills.first().is_some_and(|kept| asked.lets_through(kept)) {
                continue;
            }
            match self.running(person_id, bills, today).await? {
                Ok(running) => {
                    let bills = bills.iter().take(asked.most).cloned().collect();
                    accounts.push(OfOne { bills, running });
                }
                Err(reason) => return Ok(Err(reason)),
            }
        }
        Ok(Ok(accounts))
    }

    /// What the records come to since the newest of these bills.
    async fn running(
        &self,
        person_id: PersonId,
        bills: &[Kept],
        today: Date,
    ) -> Result<Result<RunningBill, Reason>, StoreError> {
        let Some(last) = bills.first() else { return Ok(Err(Reason::BillUnknown)) };
        let before = bills.get(1).map(|kept| &kept.bill);
        let period = match Cycle::of_bills(&last.bill, before) {
            Ok(cycle) => cycle.running(last.bill.closed_on, today),
            Err(reason) => return Ok(Err(reason)),
        };
        let wanted = Wanted { person_id, kept: last, from: period.from, until: period.closes_on };
        let found = match records::read(&self.store, &wanted, &self.zone).await? {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        };
        let counts = |it: &OfAccount| matches!(it.sort, Sort::Posted | Sort::Held);
        let found: Vec<Record> = found.into_iter().filter(counts).map(|it| it.record).collect();
        Ok(RunningBill::of(last.bill.account.clone(), last.bill.currency, period, &found))
    }

    /// What is to be paid over all banks on this day.
    pub(crate) async fn total(
        &self,
        person_id: PersonId,
        today: Date,
    ) -> Result<Result<Vec<Total>, Reason>, StoreError> {
        // More may be marked than stand in it: a hub from before the marks, which still runs beside this one, takes none away.
        Ok(total(&sql::in_total(&self.store, person_id).await?, today))
    }
}

/// Bills in the order of the table, put together by account and currency.
fn by_account(all: &[Kept]) -> impl Iterator<Item = &[Kept]> {
    all.chunk_by(|a, b| a.bill.account == b.bill.account && a.bill.currency == b.bill.currency)
}

/// The newest bill of each account and currency, which has in it what was left of those before.
pub(crate) fn newest(all: &[Kept]) -> impl Iterator<Item = &Bill> {
    by_account(all).filter_map(|bills| bills.first()).map(|kept| &kept.bill)
}
