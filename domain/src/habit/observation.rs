//! What habits are told of a purchase.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Bought, Cell, Key, Size, Weekday};
use crate::ledger::Nature;
use crate::purchase::{CategoryCode, Purchase};
use crate::{Currency, MerchantId, Reason};

/// A purchase as habits see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Who sold.
    pub merchant_id: MerchantId,
    /// What kind of shop it was.
    pub category: CategoryCode,
    /// The day in the person's time zone.
    pub on: Date,
    /// The hour in the person's time zone, 0 to 23.
    pub hour: u8,
    /// Where it was; none where the terminal has no place.
    pub cell: Option<Cell>,
    /// In which currency it was paid.
    pub currency: Currency,
    /// What was charged, in minor units.
    pub amount_minor: i64,
    /// What came back of it, in minor units.
    pub given_back_minor: i64,
}

impl Observation {
    /// What habits see of a record, or none when it is no spending: money that is drawn in notes, put aside or sent to
    /// somebody is not spent yet, or not by this person.
    ///
    /// The zone is the person's at the time of the record. Who takes a record back passes the zone with which it was added,
    /// whatever the person's is by then; otherwise it may be missed at another hour. `Err(Fault)` for a time before the year
    /// -9999 or after 9999.
    pub fn of(record: &Purchase, zone: &TimeZone) -> Result<Option<Self>, Reason> {
        if !matches!(record.nature, Nature::Purchase | Nature::PreAuthorisation | Nature::Completion) {
            return Ok(None);
        }
        let at = jiff::Timestamp::from_microsecond(record.occurred_at.micros()).map_err(|_| Reason::Fault)?;
        let local = zone.to_datetime(at);
        Ok(Some(Self {
            merchant_id: record.merchant.id.clone(),
            category: record.merchant.category,
            on: local.date(),
            hour: local.hour().unsigned_abs(),
            cell: record.location.and_then(Cell::of),
            currency: record.amount.currency,
            amount_minor: record.amount.minor,
            given_back_minor: record.given_back_minor,
        }))
    }

    /// What it counts for: one purchase of what is left of the amount, or nothing when nothing is left.
    pub fn bought(&self) -> Bought {
        match self.amount_minor.saturating_sub(self.given_back_minor) {
            left if left > 0 => Bought { count: 1, sum_minor: left },
            _ => Bought::NONE,
        }
    }

    /// Under what it counts: one key of each facet. Its size is that of what was charged, whatever came back.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = vec![
            Key::Merchant(self.merchant_id.clone()),
            Key::Category(self.category),
            Key::Hour(self.hour),
            Key::Weekday(Weekday::of(self.on)),
        ];
        keys.extend(self.cell.map(Key::Cell));
        keys.push(Key::Size(Size::of(self.amount_minor)));
        keys
    }
}
