//! Checking the books: accounts against transfers, legs against transfers, debits against credits.

use std::collections::BTreeMap;

use domain::ledger::Totals;
use server_kit::store::{Row, Store, StoreError};

/// The most faults that are listed one by one.
const MOST_FAULTS: i64 = 20;

/// What the check of the books found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BooksReport {
    pub accounts: i64,
    pub legs: i64,
    pub transfers: i64,
    /// Sums over all accounts by currency code.
    pub by_currency: BTreeMap<String, Totals>,
    /// Legs that are held.
    pub held_legs: i64,
    /// What is wrong, in words; empty when the books are right.
    pub faults: Vec<String>,
}

impl BooksReport {
    pub const fn is_right(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Every account beside what its transfers come to. One statement, so that it sees one moment.
const ACCOUNTS: &str = "\
    SELECT a.account_id, a.currency, a.debits_posted_minor, a.credits_posted_minor, a.debits_pending_minor, \
           a.credits_pending_minor, COALESCE(t.debits_posted, 0), COALESCE(t.credits_posted, 0), \
           COALESCE(t.debits_pending, 0), COALESCE(t.credits_pending, 0), a.kind \
    FROM accounts a LEFT JOIN ( \
        SELECT account_id, \
               CAST(SUM(posted * debit) AS BIGINT) AS debits_posted, \
               CAST(SUM(posted * (1 - debit)) AS BIGINT) AS credits_posted, \
               CAST(SUM(pending * debit) AS BIGINT) AS debits_pending, \
               CAST(SUM(pending * (1 - debit)) AS BIGINT) AS credits_pending \
        FROM ( \
            SELECT debit_account_id AS account_id, 1 AS debit, \
                   CASE WHEN kind IN ('POSTED', 'POST_OF') THEN amount_minor ELSE 0 END AS posted, \
                   CASE kind WHEN 'PENDING' THEN amount_minor WHEN 'POSTED' THEN 0 ELSE -amount_minor END AS pending \
            FROM transfers \
            UNION ALL \
            SELECT credit_account_id, 0, \
                   CASE WHEN kind IN ('POSTED', 'POST_OF') THEN amount_minor ELSE 0 END, \
                   CASE kind WHEN 'PENDING' THEN amount_minor WHEN 'POSTED' THEN 0 ELSE -amount_minor END \
            FROM transfers \
        ) sides GROUP BY account_id \
    ) t ON t.account_id = a.account_id \
    ORDER BY a.account_id";

/// Legs whose transfers do not say what their state says: a held leg, or one that is asking, has something pending and nothing posted, a posted
/// one is posted whole but for what a completion released, any other has moved nothing; and what was given back is what its
/// refunds say. All sides are summed by leg in one pass and not joined: where there are millions of them, only a pass takes as
/// long as there are rows.
const LEGS: &str = "\
    SELECT leg_id, MAX(state), MAX(kind), CAST(SUM(amount) AS BIGINT), CAST(SUM(posted) AS BIGINT), \
           CAST(SUM(pending) AS BIGINT), CAST(SUM(given_back) AS BIGINT), CAST(SUM(refunds) AS BIGINT) \
    FROM ( \
        SELECT leg_id, state, kind, COALESCE(amount_minor, 0) - released_minor AS amount, 0 AS posted, 0 AS pending, \
               refunded_minor AS given_back, 0 AS refunds \
        FROM legs \
        UNION ALL \
        SELECT source_id, NULL, NULL, 0, \
               CASE WHEN kind IN ('POSTED', 'POST_OF') THEN amount_minor ELSE 0 END, \
               CASE kind WHEN 'PENDING' THEN amount_minor WHEN 'POSTED' THEN 0 ELSE -amount_minor END, 0, 0 \
        FROM transfers \
        UNION ALL \
        SELECT original_leg_id, NULL, NULL, 0, 0, 0, 0, amount_minor \
        FROM legs WHERE kind = 'GIVE_BACK' AND state = 'POSTED' \
    ) sides GROUP BY leg_id \
    HAVING MAX(state) IS NOT NULL \
       AND (SUM(posted) <> CASE MAX(state) WHEN 'POSTED' THEN SUM(amount) ELSE 0 END \
            OR SUM(pending) <> CASE WHEN MAX(state) IN ('HELD', 'ASKING') THEN SUM(amount) ELSE 0 END \
            OR SUM(given_back) <> SUM(refunds)) \
    ORDER BY leg_id LIMIT $1";

/// Transfers that nothing accounts for: no leg, no deposit and no booking has caused them, or they name an account that is not there.
const STRAYS: &str = "\
    SELECT t.source_id, t.seq FROM transfers t \
    WHERE NOT EXISTS (SELECT 1 FROM accounts a WHERE a.account_id = t.debit_account_id AND a.currency = t.currency) \
       OR NOT EXISTS (SELECT 1 FROM accounts a WHERE a.account_id = t.credit_account_id AND a.currency = t.currency) \
       OR NOT (EXISTS (SELECT 1 FROM legs l WHERE l.leg_id = t.source_id) \
               OR EXISTS (SELECT 1 FROM deposits d WHERE d.deposit_id = t.source_id) \
               OR EXISTS (SELECT 1 FROM bookings b WHERE b.booking_id = t.source_id)) \
    ORDER BY t.source_id, t.seq LIMIT $1";

/// The settlement account for other networks beside what their charges come to, where the two differ: so nothing that is the hub's
/// has gone there, and nothing of theirs to the hub.
const SETTLED: &str = "\
    SELECT currency, CAST(SUM(owed) AS BIGINT), CAST(SUM(said) AS BIGINT) FROM ( \
        SELECT currency, credits_posted_minor - debits_posted_minor AS owed, 0 AS said \
        FROM accounts WHERE kind = 'NETWORK_SETTLEMENT' \
        UNION ALL \
        SELECT currency, 0, amount_minor - released_minor - refunded_minor \
        FROM legs WHERE origin = 'NETWORK' AND kind = 'CHARGE' AND state = 'POSTED' \
    ) sides GROUP BY currency HAVING SUM(owed) <> SUM(said) ORDER BY currency";

const COUNTS: &str = "\
    SELECT (SELECT COUNT(*) FROM legs), (SELECT COUNT(*) FROM transfers), \
           (SELECT COUNT(*) FROM legs WHERE state = 'HELD')";

/// Recomputes every account from its transfers, compares legs with transfers, and takes the trial balance. Reads everything: for
/// an operator's check, not for the payment path. The log of operations is checked by [`server_kit::audit::verify`].
pub async fn check_books(store: &Store) -> Result<BooksReport, StoreError> {
    let mut report = BooksReport::default();
    for row in store.fetch_at_leisure(ACCOUNTS, Vec::new()).await? {
        check_account(&mut report, &row)?;
    }
    for (currency, totals) in &report.by_currency {
        if !totals.is_balanced() {
            report.faults.push(format!("{currency} does not balance: {totals:?}"));
        }
    }
    for row in store.fetch_at_leisure(LEGS, vec![MOST_FAULTS.into()]).await? {
        report.faults.push(format!(
            "leg {} is {} ({}) over {} with {} posted and {} pending, {} given back of which refunds say {}",
            row.id(0)?,
            row.text(1)?,
            row.text(2)?,
            row.int(3)?,
            row.int(4)?,
            row.int(5)?,
            row.int(6)?,
            row.int(7)?
        ));
    }
    for row in store.fetch_at_leisure(STRAYS, vec![MOST_FAULTS.into()]).await? {
        report.faults.push(format!("transfer {}/{} belongs to nothing", row.id(0)?, row.int(1)?));
    }
    for row in store.fetch_at_leisure(SETTLED, Vec::new()).await? {
        let (owed, said) = (row.int(1)?, row.int(2)?);
        report.faults.push(format!("other networks are owed {owed} {}, but their charges say {said}", row.text(0)?));
    }
    crate::credit::check(store, &mut report.faults).await?;
    crate::report::check(store, &mut report.faults).await?;
    if let Some(row) = store.fetch_at_leisure(COUNTS, Vec::new()).await?.first() {
        (report.legs, report.transfers, report.held_legs) = (row.int(0)?, row.int(1)?, row.int(2)?);
    }
    Ok(report)
}

fn check_account(report: &mut BooksReport, row: &Row) -> Result<(), StoreError> {
    let sums = |from: usize| -> Result<[i64; 4], StoreError> {
        Ok([row.int(from)?, row.int(from + 1)?, row.int(from + 2)?, row.int(from + 3)?])
    };
    let (stored, moved) = (sums(2)?, sums(6)?);
    if stored != moved {
        let names = "debits posted, credits posted, debits pending, credits pending";
        let fault = format!("account {} has {stored:?} but its transfers say {moved:?} ({names})", row.id(0)?);
        report.faults.push(fault);
    }
    let [debits_posted, credits_posted, debits_pending, credits_pending] = stored.map(i128::from);
    let is_money = matches!(row.text(10)?.as_str(), "CUSTOMER_DEPOSIT" | "CUSTOMER_SAVINGS");
    if is_money && credits_posted - debits_posted - debits_pending < 0 {
        report.faults.push(format!("account {} is overdrawn", row.id(0)?));
    }
    report.accounts += 1;
    let totals = report.by_currency.entry(row.text(1)?).or_default();
    totals.debits_posted += debits_posted;
    totals.credits_posted += credits_posted;
    totals.debits_pending += debits_pending;
    totals.credits_pending += credits_pending;
    Ok(())
}
