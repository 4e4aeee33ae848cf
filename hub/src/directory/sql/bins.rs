//! The rows of ranges of card numbers.

use domain::card::{BinRange, BinSpan, BinTable, Product};
use domain::{BankId, Reason};
use server_kit::store::{Dialect, Keys, Load, Row, Store, StoreError, Table, Tx};

const BIN_RANGES: Table = Table {
    name: "bin_ranges",
    key: &["bank_id", "first"],
    columns: &["bank_id", "first", "last", "digits", "product"],
};

const BIN_SUSPENSIONS: Table = Table {
    name: "bin_suspensions",
    key: &["span"],
    columns: &["span", "version", "first", "last", "suspended", "changed_at", "changed_by"],
};

const BIN_COLUMNS: &str = "SELECT bank_id, first, last, digits, product FROM bin_ranges ORDER BY bank_id, first";

fn bin_range_of(row: &Row) -> Result<BinRange, StoreError> {
    let digits = u8::try_from(row.int(3)?).map_err(|_| unreadable_range(Reason::CardNumberLength))?;
    let product = row.parsed(4, Product::parse)?;
    BinRange::new(&row.text(1)?, &row.text(2)?, digits, product, row.parsed(0, BankId::parse)?)
        .map_err(unreadable_range)
}

fn unreadable_range(reason: Reason) -> StoreError {
    StoreError::Unreadable { column: 1, what: format!("a range of card numbers: {reason:?}") }
}

/// The table of these ranges. That two overlap is refused when they are registered.
pub(in crate::directory) fn table_of(ranges: Vec<BinRange>) -> Result<BinTable, StoreError> {
    let mut table = BinTable::default();
    ranges.into_iter().try_for_each(|range| table.register(range)).map_err(unreadable_range)?;
    Ok(table)
}

pub(in crate::directory) async fn read_bin_table(store: &Store) -> Result<BinTable, StoreError> {
    let rows = store.fetch(BIN_COLUMNS, Vec::new()).await?;
    let mut table = table_of(rows.iter().map(bin_range_of).collect::<Result<_, _>>()?)?;
    let sql = "SELECT first, last FROM bin_suspensions WHERE suspended = 1 ORDER BY span";
    for row in store.fetch(sql, Vec::new()).await? {
        table.suspend(BinSpan::new(&row.text(0)?, &row.text(1)?).map_err(unreadable_range)?);
    }
    Ok(table)
}

/// The version of a suspension's row, and whether it holds; 0 when there is none.
pub(in crate::directory) async fn load_suspension(tx: &mut Tx, span: &BinSpan) -> Result<(i64, bool), StoreError> {
    let load = Load { select: "SELECT version, suspended FROM bin_suspensions WHERE span", tail: "", lock: true };
    let rows = tx.load(load, Keys::Names(vec![span.to_string()])).await?;
    rows.first().map_or(Ok((0, false)), |row| Ok((row.int(0)?, row.flag(1)?)))
}

/// How many suspensions hold.
pub(in crate::directory) async fn count_suspensions(tx: &mut Tx) -> Result<i64, StoreError> {
    let sql = "SELECT count(*) FROM bin_suspensions WHERE suspended = 1";
    tx.fetch(sql, Vec::new()).await?.first().map_or(Ok(0), |row| row.int(0))
}

pub(in crate::directory) async fn put_suspension(
    tx: &mut Tx,
    span: &BinSpan,
    (version, suspended): (i64, bool),
    by: &str,
) -> Result<(), StoreError> {
    let row = vec![
        span.to_string().into(),
        version.into(),
        span.first.as_str().into(),
        span.last.as_str().into(),
        suspended.into(),
        tx.now().into(),
        by.into(),
    ];
    tx.put(&BIN_SUSPENSIONS, vec![row]).await
}

/// The ranges of all banks. Until the end of the transaction nobody else changes any: two banks may register at two replicas at
/// once, and whether their ranges overlap shows only to whoever sees both.
pub(in crate::directory) async fn load_bin_ranges(tx: &mut Tx) -> Result<Vec<BinRange>, StoreError> {
    // SQLite has one writer and knows no such lock.
    if tx.dialect() == Dialect::Postgres {
        tx.execute("LOCK TABLE bin_ranges IN SHARE ROW EXCLUSIVE MODE", Vec::new()).await?;
    }
    tx.fetch(BIN_COLUMNS, Vec::new()).await?.iter().map(bin_range_of).collect()
}

pub(in crate::directory) async fn replace_bin_ranges(
    tx: &mut Tx,
    bank: &BankId,
    ranges: &[BinRange],
) -> Result<(), StoreError> {
    tx.execute("DELETE FROM bin_ranges WHERE bank_id = $1", vec![bank.as_str().into()]).await?;
    let row = |range: &BinRange| {
        vec![
            range.bank_id.as_str().into(),
            range.first.as_str().into(),
            range.last.as_str().into(),
            i64::from(range.digits).into(),
            range.product.as_str().into(),
        ]
    };
    tx.insert(&BIN_RANGES, ranges.iter().map(row).collect()).await
}
