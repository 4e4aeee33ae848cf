//! Reads a person's record from its end, a chunk at a time.

use domain::purchase::{GiveBack, Purchase};
use domain::record::PurchaseFilter;
use domain::{BankId, PersonId, Reason, Timestamp};
use server_kit::store::{Row, Store, StoreError};

use super::give_back;
use super::query::MOST_PURCHASES;
use super::row::{PURCHASE_COLUMNS, purchase_columns, purchase_of};

/// The most rows of one read.
const CHUNK_AT_MOST: usize = 500;

/// A purchase with its place in the person's feed, and how many bytes of text it was stored in.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) purchase: Purchase,
    /// What came back of it, each by itself and in order, where it was asked for.
    pub(super) given_back: Vec<GiveBack>,
    pub(super) sequence: i64,
    pub(super) text_bytes: usize,
}

/// Where a reading stands. What the filter says of the time is left to the database, the rest to whoever reads.
#[derive(Debug)]
pub(super) struct Scan {
    person_id: PersonId,
    before_sequence: i64,
    from: Timestamp,
    until: Timestamp,
    /// Only this bank and account.
    of: Option<(BankId, String)>,
}

impl Scan {
    /// From the end of the record.
    pub(super) fn all(person_id: PersonId, filter: &PurchaseFilter) -> Self {
        Self::before(person_id, filter, i64::MAX)
    }

    /// From a place in the feed.
    pub(super) fn before(person_id: PersonId, filter: &PurchaseFilter, before_sequence: i64) -> Self {
        let (from, until) = (filter.from, filter.until);
        Self {
            person_id,
            before_sequence,
            from: from.unwrap_or(Timestamp::from_micros(i64::MIN)),
            until: until.unwrap_or(Timestamp::from_micros(i64::MAX)),
            of: None,
        }
    }

    /// The same of one account alone, as the record shows it.
    pub(super) fn of(self, bank_id: &BankId, account_masked: &str) -> Self {
        Self { of: Some((bank_id.clone(), account_masked.to_owned())), ..self }
    }

    /// The next purchases, the last that was recorded first; none at the end.
    pub(super) async fn next(&mut self, store: &Store, wanted: usize) -> Result<Vec<Recorded>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            purchase_columns!(),
            ", sequence FROM purchases WHERE person_id = $1 AND sequence < $2 AND occurred_at >= $3 AND occurred_at < $4 \
             AND ($6 = '' OR (bank_id = $6 AND account_masked = $7)) ORDER BY sequence DESC LIMIT $5"
        );
        let limit = i64::try_from(wanted.min(CHUNK_AT_MOST)).unwrap_or(1);
        let (from, until) = (self.from.into(), self.until.into());
        // No bank has an empty id, so that stands for every account.
        let (bank_id, account) = self.of.as_ref().map_or(("", ""), |(bank, account)| (bank.as_str(), account.as_str()));
        let mut args = vec![self.person_id.uuid().into(), self.before_sequence.into(), from, until, limit.into()];
        args.extend([bank_id.into(), account.into()]);
        let read = |row: &Row| {
            let text_bytes = row.text(7)?.len() + row.text(9)?.len();
            Ok(Recorded {
                purchase: purchase_of(row, 0, self.person_id)?,
                given_back: Vec::new(),
                sequence: row.int(PURCHASE_COLUMNS)?,
                text_bytes,
            })
        };
        let found = store.fetch(SQL, args).await?.iter().map(read).collect::<Result<Vec<_>, StoreError>>()?;
        if let Some(last) = found.last() {
            self.before_sequence = last.sequence;
        }
        Ok(found)
    }

    /// The same with what came back of each.
    pub(super) async fn next_with_given_back(
        &mut self,
        store: &Store,
        wanted: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        let mut found = self.next(store, wanted).await?;
        let (Some(newest), Some(oldest)) = (found.first(), found.last()) else { return Ok(found) };
        let mut given_back = give_back::read(store, self.person_id, oldest.sequence, newest.sequence).await?;
        for recorded in &mut found {
            let given = given_back.remove(&recorded.sequence).unwrap_or_default();
            recorded.given_back = up_to(given, recorded.purchase.given_back_minor);
        }
        Ok(found)
    }
}

/// The first of them that come to so much: what came back after the purchase was read is left to the next reading.
fn up_to(given: Vec<GiveBack>, minor: i64) -> Vec<GiveBack> {
    let mut left = minor;
    let fits = given.into_iter().take_while(|given| {
        left = left.saturating_sub(given.amount_minor);
        left >= 0
    });
    fits.collect()
}

/// All purchases that a filter lets through. `Err(TooManyItems)` when more would have to be looked at than a sum looks at.
pub(crate) async fn read_all(
    store: &Store,
    person_id: PersonId,
    filter: &PurchaseFilter,
) -> Result<Result<Vec<Purchase>, Reason>, StoreError> {
    let mut scan = Scan::all(person_id, filter);
    let (mut all, mut looked_at) = (Vec::new(), 0_usize);
    loop {
        let found = scan.next(store, CHUNK_AT_MOST).await?;
        if found.is_empty() {
            return Ok(Ok(all));
        }
        looked_at = looked_at.saturating_add(found.len());
        if looked_at > MOST_PURCHASES {
            return Ok(Err(Reason::TooManyItems));
        }
        all.extend(found.into_iter().map(|recorded| recorded.purchase).filter(|purchase| filter.matches(purchase)));
    }
}
