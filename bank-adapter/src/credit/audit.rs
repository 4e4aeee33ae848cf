//! Checking credit accounts: every posted transfer has its entry, and positions, bookings and statements come out of the entries
//! alone.

use std::collections::HashMap;

use domain::credit::{Day, Entry, EntryKind, Portion, Position, PostingKind, Statement, Verdict, catch_up};
use domain::ledger::{Agreement, Booking, Cause, Leg, Transfer, TransferKind, credit_entry};
use domain::{AccountId, Currency, Money, Reason};
use jiff::ToSpan as _;
use jiff::civil::Date;
use server_kit::store::{Row, Store, StoreError};
use uuid::Uuid;

use super::sql::{Span, day_of, read_accounts, read_judged_statements};
use crate::ledger::read_legs_of_entries;

/// The most faults that are listed one by one.
const MOST_FAULTS: i64 = 20;
/// Accounts that are looked at together.
const ACCOUNTS_A_PAGE: i64 = 200;

/// Posted transfers at credit accounts beside their entries, debits above zero. Both sides are summed in one pass and not joined.
const ENTRIES: &str = "\
    SELECT account_id, source_id, seq, CAST(SUM(entered) AS BIGINT), CAST(SUM(posted) AS BIGINT) \
    FROM ( \
        SELECT account_id, source_id, seq, \
               CASE WHEN kind IN ('REPAYMENT', 'REFUND', 'CASH_RETURNED', 'AUTO_REPAYMENT') \
                    THEN -amount_minor ELSE amount_minor END AS entered, 0 AS posted \
        FROM credit_entries \
        UNION ALL \
        SELECT t.debit_account_id, t.source_id, t.seq, 0, t.amount_minor \
        FROM transfers t JOIN accounts a ON a.account_id = t.debit_account_id AND a.kind = 'CUSTOMER_CREDIT' \
        WHERE t.kind IN ('POSTED', 'POST_OF') \
        UNION ALL \
        SELECT t.credit_account_id, t.source_id, t.seq, 0, -t.amount_minor \
        FROM transfers t JOIN accounts a ON a.account_id = t.credit_account_id AND a.kind = 'CUSTOMER_CREDIT' \
        WHERE t.kind IN ('POSTED', 'POST_OF') \
    ) sides GROUP BY account_id, source_id, seq \
    HAVING SUM(entered) <> SUM(posted) \
    ORDER BY account_id, source_id, seq LIMIT $1";

/// Credit accounts of the ledger without a position, and the other way round.
const PAIRS: &str = "\
    SELECT a.account_id FROM accounts a WHERE a.kind = 'CUSTOMER_CREDIT' \
    AND NOT EXISTS (SELECT 1 FROM credit_accounts c WHERE c.account_id = a.account_id AND c.currency = a.currency) \
    UNION ALL \
    SELECT c.account_id FROM credit_accounts c WHERE NOT EXISTS \
    (SELECT 1 FROM accounts a WHERE a.account_id = c.account_id AND a.kind = 'CUSTOMER_CREDIT') \
    ORDER BY 1 LIMIT $1";

/// Bookings that did not move what they say between the accounts that they name.
const BOOKINGS: &str = "\
    SELECT b.booking_id FROM bookings b LEFT JOIN transfers t ON t.source_id = b.booking_id AND t.seq = 0 \
    WHERE t.source_id IS NULL OR t.kind <> 'POSTED' OR t.amount_minor <> b.amount_minor OR t.currency <> b.currency \
       OR t.debit_account_id <> CASE b.kind WHEN 'AUTO_REPAYMENT' THEN b.other_account_id ELSE b.account_id END \
       OR t.credit_account_id <> CASE b.kind WHEN 'AUTO_REPAYMENT' THEN b.account_id ELSE b.other_account_id END \
    ORDER BY b.booking_id LIMIT $1";

/// The entries of a span of accounts, in order, with their transfers and bookings.
const SPAN_ENTRIES: &str = "\
    SELECT e.account_id, e.day, e.source_id, e.kind, e.amount_minor, t.seq, t.kind, t.resolves_seq, t.debit_account_id, \
           t.credit_account_id, t.currency, t.amount_minor, t.made_at, b.kind, b.booked_on, b.account_id, \
           b.other_account_id, b.amount_minor \
    FROM credit_entries e JOIN transfers t ON t.source_id = e.source_id AND t.seq = e.seq \
    LEFT JOIN bookings b ON b.booking_id = e.source_id \
    WHERE e.account_id > $1 AND e.account_id <= $2 ORDER BY e.account_id, e.day, e.made_at, e.place";

/// Checks all credit accounts, and adds what is wrong to `faults`. What is wrong while a day is being closed and right afterwards
/// is no fault.
pub(crate) async fn check(store: &Store, faults: &mut Vec<String>) -> Result<(), StoreError> {
    for row in store.fetch_at_leisure(ENTRIES, vec![MOST_FAULTS.into()]).await? {
        let (source, seq, entered, posted) = (row.id(1)?, row.int(2)?, row.int(3)?, row.int(4)?);
        let account = row.id(0)?;
        faults.push(format!(
            "transfer {source}/{seq} moved {posted} at credit account {account} that has {entered} of it"
        ));
    }
    for row in store.fetch_at_leisure(PAIRS, vec![MOST_FAULTS.into()]).await? {
        faults.push(format!("credit account {} is in the ledger or among the credit accounts only", row.id(0)?));
    }
    for row in store.fetch_at_leisure(BOOKINGS, vec![MOST_FAULTS.into()]).await? {
        faults.push(format!("booking {} and its transfer differ", row.id(0)?));
    }
    let mut after = Uuid::nil();
    let mut left = usize::try_from(MOST_FAULTS).unwrap_or_default();
    while let Some((last, mut found)) = check_page(store, after).await? {
        if !found.is_empty() {
            // The tables were read one after the other, and somebody may have written in between.
            let again = check_page(store, after).await?.map(|(_, again)| again).unwrap_or_default();
            found.retain(|fault| again.contains(fault));
        }
        faults.extend(found.into_iter().take(left));
        left = usize::try_from(MOST_FAULTS).unwrap_or_default().saturating_sub(faults.len());
        after = last;
    }
    Ok(())
}

/// What is kept of one account.
pub(super) struct Kept {
    pub(super) id: AccountId,
    pub(super) agreement: Agreement,
    pub(super) opened_on: Date,
    pub(super) position: Position,
    /// What the ledger counts against the limit on cash advances.
    pub(super) cash_owed_minor: i64,
}

/// What is kept of one statement: its number, its text, and what came of it on which day.
pub(super) struct KeptStatement {
    pub(super) account_id: AccountId,
    pub(super) statement: Statement,
    pub(super) judged: Option<(Date, Verdict)>,
}

/// Checks the next accounts; gives the last one's id, and what is wrong. `None` after the last.
async fn check_page(store: &Store, after: Uuid) -> Result<Option<(Uuid, Vec<String>)>, StoreError> {
    let (accounts, mut faults) = read_accounts(store, after, ACCOUNTS_A_PAGE).await?;
    let Some(last) = accounts.last().map(|(id, _)| *id) else { return Ok(None) };
    let span = Span { after, last };
    let legs = read_legs_of_entries(store, span.after, span.last).await?;
    let legs: HashMap<Uuid, Leg> = legs.into_iter().map(|leg| (leg.id.uuid(), leg)).collect();
    let mut entries: HashMap<AccountId, Vec<(Date, Entry)>> = HashMap::new();
    for row in store.fetch_at_leisure(SPAN_ENTRIES, vec![span.after.into(), span.last.into()]).await? {
        let (id, day, entry) = (AccountId::from_uuid(row.id(0)?), day_of(1, &row.text(1)?)?, entry_of(&row)?);
        if expected(&row, id, day, &legs)? != Some(entry) {
            faults.push(format!(
                "entry {}/{} of credit account {id} is not what its transfer was",
                entry.source,
                row.int(5)?
            ));
        }
        entries.entry(id).or_default().push((day, entry));
    }
    let mut statements: HashMap<AccountId, Vec<KeptStatement>> = HashMap::new();
    for kept in read_judged_statements(store, span).await? {
        statements.entry(kept.account_id).or_default().push(kept);
    }
    for kept in accounts.into_iter().filter_map(|(_, kept)| kept) {
        let entries = entries.remove(&kept.id).unwrap_or_default();
        let statements = statements.remove(&kept.id).unwrap_or_default();
        match recompute(&kept, &entries, &statements) {
            Ok(None) => {}
            Ok(Some(fault)) => faults.push(format!("credit account {}: {fault}", kept.id)),
            Err(reason) => faults.push(format!("credit account {}: its days cannot be run again: {reason:?}", kept.id)),
        }
    }
    Ok(Some((last, faults)))
}

fn entry_of(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry { source: row.id(2)?, kind: row.parsed(3, EntryKind::parse)?, amount_minor: row.int(4)? })
}

/// The entry that the transfer of the row makes by the rules; `None` when it makes none on this day.
fn expected(row: &Row, id: AccountId, day: Date, legs: &HashMap<Uuid, Leg>) -> Result<Option<Entry>, StoreError> {
    let currency = row.parsed(10, Currency::parse)?;
    let resolves = row.maybe_int(7)?;
    let transfer = Transfer {
        source: row.id(2)?,
        seq: row.int(5)?,
        kind: row.parsed(6, |kind| TransferKind::parse(kind, resolves))?,
        debit_account: AccountId::from_uuid(row.id(8)?),
        credit_account: AccountId::from_uuid(row.id(9)?),
        amount: Money::new(currency, row.int(11)?),
        cash_advance: false,
        made_at: row.time(12)?,
    };
    let booking = match row.maybe_text(13)? {
        None => None,
        Some(_) => Some(Booking {
            kind: row.parsed(13, PostingKind::parse)?,
            on: day_of(14, &row.text(14)?)?,
            account_id: AccountId::from_uuid(row.id(15)?),
            other: AccountId::from_uuid(row.id(16)?),
            amount: Money::new(currency, row.int(17)?),
        }),
    };
    let cause = match (&booking, legs.get(&transfer.source)) {
        // Its id says account, day and kind.
        (Some(booking), _) if booking.id().uuid() != transfer.source || booking.on != day => return Ok(None),
        (Some(booking), _) => Cause::Booking(booking),
        (None, Some(leg)) => Cause::Leg(leg),
        (None, None) => Cause::CashDeposit,
    };
    Ok(credit_entry(id, &transfer, cause))
}

/// Runs the days of an account again from its first one, and says what differs from what is kept. What was taken from the debit
/// account is taken as it stands, since what that account had on the day is known no more; everything else has to come out.
fn recompute(kept: &Kept, entries: &[(Date, Entry)], statements: &[KeptStatement]) -> Result<Option<String>, Reason> {
    let closed_through = kept.position.closed_through();
    if entries.first().is_some_and(|(day, _)| *day < kept.opened_on) {
        return Ok(Some("an entry is older than the account".to_owned()));
    }
    let days = days(kept.opened_on, closed_through, entries);
    let ends = catch_up(&Position::opened(kept.id, kept.opened_on), &kept.agreement.terms, &days)?;
    let position = ends.last().map_or_else(|| Position::opened(kept.id, kept.opened_on), |end| end.position.clone());
    if position.to_string() != kept.position.to_string() {
        return Ok(Some(format!("its entries come to {position}, and not to {}", kept.position)));
    }
    let booked = entries.iter().filter_map(|(day, entry)| match entry.kind {
        EntryKind::Booked(kind) => Some((*day, kind, entry.amount_minor)),
        _ => None,
    });
    let mut booked: Vec<_> = booked.collect();
    let posted = ends.iter().flat_map(|end| &end.postings);
    let mut posted: Vec<_> = posted.map(|posting| (posting.on, posting.kind, posting.amount_minor)).collect();
    booked.sort_unstable();
    posted.sort_unstable();
    if booked != posted {
        return Ok(Some(format!("its entries come to the bookings {posted:?}, and not to {booked:?}")));
    }
    let stated: Vec<String> = ends.iter().filter_map(|end| end.statement.map(|it| it.to_string())).collect();
    if stated != statements.iter().map(|kept| kept.statement.to_string()).collect::<Vec<_>>() {
        return Ok(Some("its entries come to other statements".to_owned()));
    }
    let judged = days.iter().zip(&ends).filter_map(|(day, end)| end.verdict.map(|verdict| (day.on, verdict)));
    if judged.collect::<Vec<_>>() != statements.iter().filter_map(|kept| kept.judged).collect::<Vec<_>>() {
        return Ok(Some("its entries come to other verdicts on its statements".to_owned()));
    }
    let open = entries.iter().filter(|(day, _)| *day > closed_through).map(|(_, entry)| cash_of(entry));
    let cash = open.fold(position.owed_of(Portion::CashAdvance), i64::saturating_add);
    if cash != kept.cash_owed_minor {
        let counted = kept.cash_owed_minor;
        return Ok(Some(format!("{counted} counts against its limit on cash, and its entries come to {cash}")));
    }
    Ok(None)
}

/// All days of the account, with what came on each and was not booked by its end.
fn days(from: Date, through: Date, entries: &[(Date, Entry)]) -> Vec<Day> {
    let (mut days, mut on, mut rest) = (Vec::new(), from, entries);
    while on <= through {
        let count = rest.iter().take_while(|(day, _)| *day == on).count();
        let (today, later) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        rest = later;
        let is_repayment = |entry: &Entry| entry.kind == EntryKind::Booked(PostingKind::AutoRepayment);
        let repaid = today.iter().filter(|(_, entry)| is_repayment(entry)).map(|(_, entry)| entry.amount_minor);
        let came = today.iter().filter(|(_, entry)| !matches!(entry.kind, EntryKind::Booked(_)));
        let entries = came.map(|(_, entry)| *entry).collect();
        days.push(Day { on, entries, debit_available_minor: repaid.fold(0, i64::saturating_add) });
        on = on.saturating_add(1.day());
    }
    days
}

/// What an entry changes of the cash that is owed before its day is closed.
fn cash_of(entry: &Entry) -> i64 {
    match entry.kind {
        EntryKind::CashAdvance => entry.amount_minor,
        EntryKind::CashReturned => entry.amount_minor.saturating_neg(),
        _ => 0,
    }
}
