//! What the books have of a day: the repayments between two banks (ADR 21), of the day on which each was decided, in the federation's time
//! zone. Nothing else is owed by one bank to another: a purchase is between a bank and an acquirer, whose days are those of its link.

use domain::clearing::{Account, Agent, Debt, Name, Party, Reference, Transfer, Uetr};
use domain::{Currency, Money, Reason, Timestamp};
use jiff::civil::Date;
use server_kit::store::{Row, Store, StoreError, Value};
use uuid::Uuid;

/// The business day, and from when until when the clock has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) date: Date,
    pub(super) begins: Timestamp,
    pub(super) ends: Timestamp,
}

/// What one bank owes another in a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) debtor: String,
    pub(super) creditor: String,
    pub(super) currency: Currency,
}

/// What is owed for a day: `$1` to `$2` by the clock.
macro_rules! owed {
    ($columns:literal, $tail:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM repayments WHERE decided_at >= $1 AND decided_at < $2 AND from_bank_id <> to_bank_id ",
            $tail
        )
    };
}

const DEBTS: &str = owed!(
    "from_bank_id, to_bank_id, currency, count(*), CAST(sum(amount_minor) AS BIGINT)",
    "AND state IN ('COMMITTED', 'POSTED') GROUP BY from_bank_id, to_bank_id, currency \
     ORDER BY from_bank_id, to_bank_id, currency"
);

/// Those of two banks in a currency.
const BETWEEN: &str = owed!(
    "repayment_id, from_leg_id, to_leg_id, currency, amount_minor, decided_at, from_masked, to_masked, from_bank_id, to_bank_id",
    "AND state IN ('COMMITTED', 'POSTED') AND from_bank_id = $3 AND to_bank_id = $4 AND currency = $5 \
     ORDER BY repayment_id LIMIT $6 OFFSET $7"
);

/// Those of a bank in a currency, whichever end it is.
const OF_BANK: &str = owed!(
    "repayment_id, from_leg_id, to_leg_id, currency, amount_minor, decided_at, from_masked, to_masked, from_bank_id, to_bank_id",
    "AND state IN ('COMMITTED', 'POSTED') AND (from_bank_id = $3 OR to_bank_id = $4) AND currency = $5 \
     ORDER BY repayment_id LIMIT $6 OFFSET $7"
);

/// Those of all banks.
const OF_DAY: &str = owed!(
    "repayment_id, from_leg_id, to_leg_id, currency, amount_minor, decided_at, from_masked, to_masked, from_bank_id, to_bank_id",
    "AND state IN ('COMMITTED', 'POSTED') ORDER BY repayment_id LIMIT $3"
);

/// Those that came to nothing.
const REFUSED: &str = owed!(
    "repayment_id, refusal",
    "AND state IN ('ABORTING', 'ABORTED') AND from_bank_id = $3 AND to_bank_id = $4 AND currency = $5 \
     ORDER BY repayment_id LIMIT $6 OFFSET $7"
);

/// Those that were taken in before the end of a day and are not decided yet. They are due, so their index finds them.
const UNDECIDED: &str =
    "SELECT count(*) FROM repayments WHERE due_at IS NOT NULL AND state = 'HOLDING' AND created_at < $1";

/// What is owed for a day.
pub(super) async fn debts(store: &Store, day: Day) -> Result<Vec<Debt>, StoreError> {
    let read = |row: &Row| {
        let currency = row.parsed(2, Currency::parse)?;
        Ok(Debt { debtor: row.text(0)?, creditor: row.text(1)?, currency, number: row.int(3)?, minor: row.int(4)? })
    };
    store.fetch_at_leisure(DEBTS, vec![day.begins.into(), day.ends.into()]).await?.iter().map(read).collect()
}

/// Whether everything of a day is decided.
pub(super) async fn is_decided(store: &Store, day: Day) -> Result<bool, StoreError> {
    let rows = store.fetch(UNDECIDED, vec![day.ends.into()]).await?;
    Ok(rows.first().map_or(Ok(0), |row| row.int(0))? == 0)
}

/// A page of what stands in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) after: usize,
    pub(super) most: usize,
}

fn args(day: Day, (debtor, creditor, currency): (&str, &str, Currency), part: Part) -> Vec<Value> {
    let number = |number| i64::try_from(number).unwrap_or(i64::MAX).into();
    let day: [Value; 2] = [day.begins.into(), day.ends.into()];
    let of: [Value; 3] = [debtor.into(), creditor.into(), currency.code().into()];
    day.into_iter().chain(of).chain([number(part.most), number(part.after)]).collect()
}

/// Transfers of a day between two banks, in the order of their ids.
pub(super) async fn between(
    store: &Store,
    (day, pair): (Day, &Pair),
    part: Part,
) -> Result<Result<Vec<Transfer>, Reason>, StoreError> {
    let args = args(day, (&pair.debtor, &pair.creditor, pair.currency), part);
    let rows = store.fetch_at_leisure(BETWEEN, args).await?;
    rows.iter()
        .map(|row| transfer_of(row, day.date))
        .collect::<Result<Vec<_>, _>>()
        .map(|all| all.into_iter().collect())
}

/// The same of everything that a bank owes or is owed in a currency.
pub(super) async fn of_bank(
    store: &Store,
    (day, bank, currency): (Day, &str, Currency),
    part: Part,
) -> Result<Result<Vec<Transfer>, Reason>, StoreError> {
    let rows = store.fetch_at_leisure(OF_BANK, args(day, (bank, bank, currency), part)).await?;
    rows.iter()
        .map(|row| transfer_of(row, day.date))
        .collect::<Result<Vec<_>, _>>()
        .map(|all| all.into_iter().collect())
}

/// The same of all banks, to hold a file against; those whose banks no file can name are in none.
pub(super) async fn of_day(store: &Store, day: Day, most: usize) -> Result<Vec<Transfer>, StoreError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = store.fetch_at_leisure(OF_DAY, vec![day.begins.into(), day.ends.into(), most.into()]).await?;
    let all = rows.iter().map(|row| transfer_of(row, day.date)).collect::<Result<Vec<_>, _>>()?;
    Ok(all.into_iter().flatten().collect())
}

/// An id without its dashes, which leaves it within 35 characters.
fn reference(id: Uuid) -> Result<Reference, StoreError> {
    Reference::parse(&id.simple().to_string()).map_err(|reason| StoreError::Refused(reason.to_string()))
}

/// `Err(ClearingNameTooLong)` inside if one of its banks cannot be named.
fn transfer_of(row: &Row, day: Date) -> Result<Result<Transfer, Reason>, StoreError> {
    let (id, to_masked) = (row.id(0)?, row.text(7)?);
    let account = |masked: &str| Party { name: None, account: Account::clipped(masked) };
    let (debtor_agent, creditor_agent) = match (Agent::member(&row.text(8)?), Agent::member(&row.text(9)?)) {
        (Ok(debtor), Ok(creditor)) => (debtor, creditor),
        (Err(reason), _) | (_, Err(reason)) => return Ok(Err(reason)),
    };
    Ok(Ok(Transfer {
        instruction: Some(reference(row.id(1)?)?),
        end_to_end: reference(id)?,
        transaction: Some(reference(id)?),
        uetr: Uetr::of(id),
        clearing: Some(reference(row.id(2)?)?),
        amount: Money::new(row.parsed(3, Currency::parse)?, row.int(4)?),
        day,
        accepted_at: row.maybe_time(5)?,
        debtor: account(&row.text(6)?),
        debtor_agent,
        creditor_agent,
        creditor: account(&to_masked),
        remittance: Name::clipped(&format!("Repayment of {to_masked}")).into_iter().collect(),
    }))
}

/// Repayments of a day that came to nothing, with why.
pub(super) async fn refused(
    store: &Store,
    (day, pair): (Day, &Pair),
    part: Part,
) -> Result<Vec<(Reference, Reason)>, StoreError> {
    let read = |row: &Row| {
        let why = row.maybe_text(1)?.and_then(|code| Reason::from_code(&code)).unwrap_or(Reason::BankRefused);
        Ok((reference(row.id(0)?)?, why))
    };
    let args = args(day, (&pair.debtor, &pair.creditor, pair.currency), part);
    store.fetch_at_leisure(REFUSED, args).await?.iter().map(read).collect()
}
