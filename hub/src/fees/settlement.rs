//! What changes what merchants are paid, written with the steps that it is about, and its sums by day.

use std::collections::BTreeMap;

use domain::fee::{Entry, EntryKind, Parts, Totals};
use domain::{Currency, MerchantId, Reason};
use jiff::civil::Date;
use server_kit::store::{Row, StoreError, Table, Tx};

use super::Fees;

const ENTRIES: Table = Table {
    name: "settlement_entries",
    key: &["day", "merchant_id", "payment_id", "kind"],
    columns: &[
        "day",
        "merchant_id",
        "payment_id",
        "kind",
        "terminal_id",
        "way",
        "currency",
        "amount_minor",
        "fee_minor",
        "issuer_minor",
        "hub_minor",
        "occurred_at",
    ],
};

/// Writes entries, all with the day and the time of their set.
pub(crate) async fn insert(tx: &mut Tx, day: &str, entries: &[Entry]) -> Result<(), StoreError> {
    let now = tx.now();
    let write = |entry: &Entry| {
        vec![
            day.into(),
            entry.merchant_id.as_str().into(),
            entry.payment_id.uuid().into(),
            entry.kind.as_str().into(),
            entry.terminal_id.as_str().into(),
            entry.way.map(|way| way.as_str().to_owned()).into(),
            entry.amount.currency.code().into(),
            entry.amount.minor.into(),
            entry.fee.minor.into(),
            entry.fee.issuer_minor.into(),
            entry.fee.hub_minor.into(),
            now.into(),
        ]
    };
    tx.insert(&ENTRIES, entries.iter().map(write).collect()).await
}

/// What one merchant is paid for a day in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settlement {
    pub(crate) day: Date,
    pub(crate) merchant_id: MerchantId,
    pub(crate) currency: Currency,
    pub(crate) totals: Totals,
}

/// The sums of what is said of entries, by merchant, currency and kind.
macro_rules! sums {
    ($of:literal) => {
        concat!(
            "SELECT merchant_id, currency, kind, count(*), CAST(sum(amount_minor) AS BIGINT), CAST(sum(fee_minor) AS BIGINT), \
             CAST(sum(issuer_minor) AS BIGINT), CAST(sum(hub_minor) AS BIGINT) FROM settlement_entries WHERE day = $1 AND ",
            $of,
            " GROUP BY merchant_id, currency, kind ORDER BY merchant_id, currency, kind"
        )
    };
}

impl Fees {
    /// What merchants are paid for a day: of those after this one in order of name, so many.
    pub(crate) async fn settlements(
        &self,
        day: Date,
        after: Option<&MerchantId>,
        most: i64,
    ) -> Result<Vec<Settlement>, StoreError> {
        let after = after.map_or("", MerchantId::as_str);
        let sql = sums!(
            "merchant_id IN (SELECT merchant_id FROM settlement_entries WHERE day = $1 AND merchant_id > $2 \
             GROUP BY merchant_id ORDER BY merchant_id LIMIT $3)"
        );
        let args = vec![day.to_string().into(), after.into(), most.into()];
        folded(day, &self.store.fetch_at_leisure(sql, args).await?)
    }

    /// What one merchant is paid for a day, in each currency.
    pub(crate) async fn settlement_of(&self, day: Date, merchant: &MerchantId) -> Result<Vec<Settlement>, StoreError> {
        let sql = sums!("merchant_id = $2");
        let args = vec![day.to_string().into(), merchant.as_str().into()];
        folded(day, &self.store.fetch_at_leisure(sql, args).await?)
    }

    /// The business day that it is.
    pub(crate) fn today(&self) -> Result<Date, Reason> {
        crate::zone::day_of(self.clock.now(), &self.zone)
    }

    /// Whether nothing is added to a day any more: it ended longer ago than any transaction lasts.
    pub(crate) fn is_closed(&self, day: Date) -> Result<bool, Reason> {
        let next = day.tomorrow().map_err(|_| Reason::TimeOutOfRange)?;
        Ok(crate::zone::start_of(next, &self.zone)?.plus(CLOSED_AFTER) <= self.clock.now())
    }
}

/// How long after its end a day is closed. A transaction that was begun before the end of the day is committed or given up long before.
const CLOSED_AFTER: std::time::Duration = std::time::Duration::from_secs(300);

/// Rows of merchant, currency and kind as one settlement for each merchant and currency, in order.
fn folded(day: Date, rows: &[Row]) -> Result<Vec<Settlement>, StoreError> {
    let mut totals: BTreeMap<(String, Currency), (MerchantId, Totals)> = BTreeMap::new();
    for row in rows {
        let merchant = row.parsed(0, MerchantId::parse)?;
        let currency = row.parsed(1, Currency::parse)?;
        let kind = row.parsed(2, EntryKind::parse)?;
        let fee = Parts { minor: row.int(5)?, issuer_minor: row.int(6)?, hub_minor: row.int(7)? };
        let key = (merchant.to_string(), currency);
        let (_, sums) = totals.entry(key).or_insert_with(|| (merchant, Totals::default()));
        sums.add(kind, row.int(3)?, row.int(4)?, fee)
            .map_err(|reason| StoreError::Unreadable { column: 4, what: reason.to_string() })?;
    }
    let settlement = |((_, currency), (merchant_id, totals))| Settlement { day, merchant_id, currency, totals };
    Ok(totals.into_iter().map(settlement).collect())
}
