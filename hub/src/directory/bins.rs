//! Which bank a card's number belongs to: RegisterBinRanges (R2); and which numbers pay nothing for now: SetBinSuspended (M9).

use domain::card::{BinRange, BinSpan, BinTable};
use domain::{BankId, Reason};
use proto::federation as pb;
use proto::operator as operator_pb;
use server_kit::store::{StoreError, Tx};
use uuid::Uuid;

use super::changes::{Done, Log};
use super::sql;

/// Ranges of one bank.
const MOST_RANGES: usize = 200;

/// Puts the ranges of a bank in the place of those that it had.
#[derive(Debug)]
pub(super) struct RegisterBinRanges {
    bank_id: BankId,
    /// In order.
    ranges: Vec<BinRange>,
}

impl RegisterBinRanges {
    /// Reads what this bank sends. Its own ranges may not overlap either; the same one twice is one.
    pub(super) fn read(bank_id: BankId, request: &pb::RegisterBinRangesRequest) -> Result<Self, Reason> {
        if request.ranges.len() > MOST_RANGES {
            return Err(Reason::TooManyItems);
        }
        let mut table = BinTable::default();
        for range in &request.ranges {
            let product = proto::from_product(range.product())?;
            let digits = u8::try_from(range.digits).map_err(|_| Reason::CardNumberLength)?;
            table.register(BinRange::new(&range.first, &range.last, digits, product, bank_id.clone())?)?;
        }
        Ok(Self { bank_id, ranges: table.ranges().cloned().collect() })
    }

    pub(super) async fn apply(&self, tx: &mut Tx, log: &mut Log<'_>) -> Result<Result<Done, Reason>, StoreError> {
        match sql::load_bank(tx, &self.bank_id).await? {
            None => return Ok(Err(Reason::BankUnknown)),
            Some(bank) if bank.value.suspended => return Ok(Err(Reason::BankSuspended)),
            Some(_) => {}
        }
        let (before, others): (Vec<_>, Vec<_>) =
            sql::load_bin_ranges(tx).await?.into_iter().partition(|range| range.bank_id == self.bank_id);
        let mut table = sql::table_of(others)?;
        if let Some(reason) = self.ranges.iter().find_map(|range| table.register(range.clone()).err()) {
            return Ok(Err(reason));
        }
        let same = before.len() == self.ranges.len() && self.ranges.iter().all(|range| before.contains(range));
        if !same {
            sql::replace_bin_ranges(tx, &self.bank_id, &self.ranges).await?;
            for given_up in before.iter().filter(|range| !self.ranges.contains(range)) {
                log.add("BIN_RANGE_GIVEN_UP", Uuid::nil(), &line(given_up));
            }
            for new in self.ranges.iter().filter(|range| !before.contains(range)) {
                log.add("BIN_RANGE_REGISTERED", Uuid::nil(), &line(new));
            }
        }
        Ok(Ok(Done::BinRanges(self.ranges.clone())))
    }
}

fn line(range: &BinRange) -> String {
    let BinRange { first, last, digits, product, bank_id } = range;
    format!("bank={bank_id} first={first} last={last} digits={digits} product={}", product.as_str())
}

/// Suspensions that hold at once: all of them are looked at for each payment with a card.
const MOST_SUSPENSIONS: i64 = 500;

/// Suspends card numbers by their first digits, or lets them go on.
#[derive(Debug)]
pub(super) struct SuspendBins {
    span: BinSpan,
    suspended: bool,
}

impl SuspendBins {
    /// `Err(BinMalformed)`.
    pub(super) fn read(request: &operator_pb::SetBinSuspendedRequest) -> Result<Self, Reason> {
        Ok(Self { span: BinSpan::new(&request.first, &request.last)?, suspended: request.suspended })
    }

    pub(super) fn words(&self) -> String {
        format!("{} card numbers {}", if self.suspended { "suspend" } else { "resume" }, self.span)
    }

    pub(super) async fn apply(
        &self,
        tx: &mut Tx,
        log: &mut Log<'_>,
        by: &str,
    ) -> Result<Result<Done, Reason>, StoreError> {
        let (version, suspended) = sql::load_suspension(tx, &self.span).await?;
        if suspended == self.suspended {
            return Ok(Ok(Done::Bins));
        }
        if self.suspended && sql::count_suspensions(tx).await? >= MOST_SUSPENSIONS {
            return Ok(Err(Reason::LimitsTooMany));
        }
        sql::put_suspension(tx, &self.span, (version + 1, self.suspended), by).await?;
        let kind = if self.suspended { "BINS_SUSPENDED" } else { "BINS_RESUMED" };
        log.add(kind, Uuid::nil(), &format!("first={} last={}", self.span.first, self.span.last));
        Ok(Ok(Done::Bins))
    }
}

/// The ranges of all banks and what is suspended, as operators see them.
pub(super) fn listed(table: &BinTable) -> operator_pb::ListBinRangesResponse {
    let range = |range: &BinRange| operator_pb::ListedBinRange {
        bank_id: range.bank_id.to_string(),
        first: range.first.to_string(),
        last: range.last.to_string(),
        digits: range.digits.into(),
        product: range.product.as_str().to_owned(),
    };
    let span =
        |span: &BinSpan| operator_pb::BinSuspension { first: span.first.to_string(), last: span.last.to_string() };
    operator_pb::ListBinRangesResponse {
        ranges: table.ranges().map(range).collect(),
        suspensions: table.suspended().iter().map(span).collect(),
    }
}
