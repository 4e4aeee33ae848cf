//! What is asked of a record: a filter, and sums.

use domain::purchase::CategoryCode;
use domain::record::{Group, GroupBy, PurchaseFilter, Totals};
use domain::text::Line;
use domain::{BankId, Currency, MerchantId, Money, PersonId, Reason, Timestamp};
use jiff::tz::TimeZone;
use proto::cardholder as pb;
use server_kit::store::{Store, StoreError};

use super::scan::Scan;
use crate::zone::Zone;

/// Rows of one read for a sum.
const CHUNK: usize = 500;
/// The most purchases that are summed up or exported at once.
pub(super) const MOST_PURCHASES: usize = 100_000;

/// The filter of a request; that of an unset one lets everything through.
pub(crate) fn filter_of(message: Option<&pb::PurchaseFilter>) -> Result<PurchaseFilter, Reason> {
    let Some(message) = message else { return Ok(PurchaseFilter::default()) };
    let time = |at: &prost_types::Timestamp| proto::from_timestamp(at);
    let filter = PurchaseFilter {
        banks: each(&message.bank_ids, |id| BankId::parse(id))?,
        accounts_masked: each(&message.accounts_masked, |masked| Ok(Line::parse(masked)?.to_string()))?,
        merchants: each(&message.merchant_ids, |id| MerchantId::parse(id))?,
        categories: each(&message.category_codes, |code| CategoryCode::parse(code))?,
        natures: each(&message.natures.clone(), |nature| {
            proto::from_nature((*nature).try_into().map_err(|_| Reason::FieldUnknown)?)
        })?,
        states: each(&message.states.clone(), |state| {
            proto::from_purchase_state((*state).try_into().map_err(|_| Reason::FieldUnknown)?)
        })?,
        from: message.from_time.as_ref().map(time),
        until: message.until_time.as_ref().map(time),
        currency: match message.currency_code.as_str() {
            "" => None,
            code => Some(Currency::parse(code)?),
        },
        least_minor: message.least_minor,
        most_minor: message.most_minor,
        words: match message.text.trim() {
            "" => Vec::new(),
            text => PurchaseFilter::words_of(Line::parse(text)?.as_str()),
        },
    };
    if filter.words.len() > PurchaseFilter::MOST_WORDS {
        return Err(Reason::TooManyItems);
    }
    let ends_first = |from: Timestamp| filter.until.is_some_and(|until| until < from);
    if filter.from.is_some_and(ends_first) {
        return Err(Reason::TimeOutOfRange);
    }
    Ok(filter)
}

fn each<T, U>(values: &[T], read: impl Fn(&T) -> Result<U, Reason>) -> Result<Vec<U>, Reason> {
    if values.len() > PurchaseFilter::MOST_VALUES {
        return Err(Reason::TooManyItems);
    }
    values.iter().map(read).collect()
}

/// What is to be summed up.
#[derive(Debug)]
pub(crate) struct SumAsked {
    filter: PurchaseFilter,
    by: GroupBy,
    zone: TimeZone,
}

impl SumAsked {
    pub(crate) fn read(request: &pb::SumPaymentsRequest) -> Result<Self, Reason> {
        let by = pb::GroupBy::try_from(request.group_by).map_err(|_| Reason::FieldUnknown)?;
        Ok(Self { filter: filter_of(request.filter.as_ref())?, by: group_by(by), zone: zone_of(&request.time_zone)? })
    }
}

const fn group_by(by: pb::GroupBy) -> GroupBy {
    match by {
        pb::GroupBy::Unspecified => GroupBy::Nothing,
        pb::GroupBy::Bank => GroupBy::Bank,
        pb::GroupBy::Account => GroupBy::Account,
        pb::GroupBy::Merchant => GroupBy::Merchant,
        pb::GroupBy::Category => GroupBy::Category,
        pb::GroupBy::Nature => GroupBy::Nature,
        pb::GroupBy::Day => GroupBy::Day,
        pb::GroupBy::Month => GroupBy::Month,
        pb::GroupBy::Weekday => GroupBy::Weekday,
        pb::GroupBy::Hour => GroupBy::Hour,
    }
}

/// A time zone by its IANA name, by the rules that this program brings along; UTC for none.
pub(crate) fn zone_of(name: &str) -> Result<TimeZone, Reason> {
    match name {
        "" => Ok(TimeZone::UTC),
        name => Zone::parse(name).map(|zone| zone.rules().clone()),
    }
}

/// Sums up what the record has. `Err(TooManyItems)` when there are more groups or purchases than a sum is made of.
pub(crate) async fn sum(
    store: &Store,
    person_id: PersonId,
    asked: SumAsked,
) -> Result<Result<Vec<Group>, Reason>, StoreError> {
    let mut scan = Scan::all(person_id, &asked.filter);
    let mut totals = Totals::new(asked.by, asked.zone);
    let mut looked_at = 0_usize;
    loop {
        let found = scan.next(store, CHUNK).await?;
        if found.is_empty() {
            return Ok(Ok(totals.into_groups()));
        }
        looked_at = looked_at.saturating_add(found.len());
        if looked_at > MOST_PURCHASES {
            return Ok(Err(Reason::TooManyItems));
        }
        for recorded in found.iter().filter(|recorded| asked.filter.matches(&recorded.purchase)) {
            if let Err(reason) = totals.add(&recorded.purchase) {
                return Ok(Err(reason));
            }
        }
    }
}

/// A group as a phone gets it.
pub(crate) fn to_sum(group: &Group) -> pb::PurchaseSum {
    pb::PurchaseSum {
        key: group.key.clone(),
        amount: Some(proto::to_money(Money::new(group.currency, group.amount_minor))),
        given_back_minor: group.given_back_minor,
        count: i64::try_from(group.count).unwrap_or(i64::MAX),
    }
}
