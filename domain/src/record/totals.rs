//! What is summed up from a record.

use std::collections::BTreeMap;

use jiff::Timestamp as Instant;
use jiff::tz::TimeZone;

use crate::purchase::Purchase;
use crate::{Currency, Reason, Timestamp};

/// What purchases are put together by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// All in one.
    Nothing,
    Bank,
    /// The bank and the account or card.
    Account,
    Merchant,
    Category,
    Nature,
    /// The day on which it was bought, in the time zone that is given, as `2026-11-22`.
    Day,
    /// The month, as `2026-11`.
    Month,
    /// The day of the week, 1 for Monday to 7 for Sunday.
    Weekday,
    /// The hour of the day, `00` to `23`.
    Hour,
}

/// The sum of some purchases in one currency, in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What they have in common; empty for all in one.
    pub key: String,
    pub currency: Currency,
    /// How many of them cost something in the end.
    pub count: u64,
    pub amount_minor: i64,
    /// How much of that came back.
    pub given_back_minor: i64,
}

/// Sums that grow purchase by purchase.
#[derive(Clone, Debug)]
pub struct Totals {
    by: GroupBy,
    zone: TimeZone,
    groups: BTreeMap<(String, &'static str), Group>,
}

impl Totals {
    /// The most groups that are kept apart.
    pub const MOST_GROUPS: usize = 1_000;

    pub const fn new(by: GroupBy, zone: TimeZone) -> Self {
        Self { by, zone, groups: BTreeMap::new() }
    }

    /// Counts a purchase in. `Err(TooManyItems)` past [`Totals::MOST_GROUPS`], `Err(AmountTooLarge)` past what a sum holds.
    pub fn add(&mut self, purchase: &Purchase) -> Result<(), Reason> {
        let (key, currency) = (self.key(purchase), purchase.amount.currency);
        let place = (key.clone(), currency.code());
        if self.groups.len() >= Self::MOST_GROUPS && !self.groups.contains_key(&place) {
            return Err(Reason::TooManyItems);
        }
        let nothing = Group { key, currency, count: 0, amount_minor: 0, given_back_minor: 0 };
        let group = self.groups.entry(place).or_insert(nothing);
        let sum = |a: i64, b: i64| a.checked_add(b).ok_or(Reason::AmountTooLarge);
        let amount_minor = sum(group.amount_minor, purchase.amount.minor)?;
        group.given_back_minor = sum(group.given_back_minor, purchase.given_back_minor)?;
        group.amount_minor = amount_minor;
        group.count += u64::from(purchase.net_minor() > 0);
        Ok(())
    }

    /// What has cost most comes first, currency by currency.
    pub fn into_groups(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        let order = |group: &Group| {
            let net = group.amount_minor.saturating_sub(group.given_back_minor);
            (group.currency.code(), std::cmp::Reverse(net))
        };
        groups.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.key.cmp(&b.key)));
        groups
    }

    fn key(&self, purchase: &Purchase) -> String {
        match self.by {
            GroupBy::Nothing => String::new(),
            GroupBy::Bank => purchase.bank_id.to_string(),
            GroupBy::Account => format!("{} {}", purchase.bank_id, purchase.account_masked),
            GroupBy::Merchant => purchase.merchant.id.to_string(),
            GroupBy::Category => purchase.merchant.category.as_str().to_owned(),
            GroupBy::Nature => purchase.nature.as_str().to_owned(),
            GroupBy::Day => self.local(purchase.occurred_at, "%Y-%m-%d"),
            GroupBy::Month => self.local(purchase.occurred_at, "%Y-%m"),
            GroupBy::Weekday => self.local(purchase.occurred_at, "%u"),
            GroupBy::Hour => self.local(purchase.occurred_at, "%H"),
        }
    }

    /// A moment as the clocks of the place showed it; empty for one that no calendar has.
    fn local(&self, at: Timestamp, format: &str) -> String {
        let at = Instant::from_microsecond(at.micros()).ok();
        at.map(|at| at.to_zoned(self.zone.clone()).strftime(format).to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::Offset;

    use super::*;
    use crate::Money;
    use crate::record::testing::purchase;

    fn zone(hours: i8) -> TimeZone {
        TimeZone::fixed(Offset::constant(hours))
    }

    #[test]
    fn r7_sums_stand_by_what_is_asked_for_in_the_persons_own_time() {
        // 2023-11-14 22:13:20 UTC, a Tuesday, and an hour later.
        let bought = [purchase(1_000, 1_700_000_000), purchase(500, 1_700_003_600), purchase(200, 1_700_003_600)];
        let keys = |by, hours| {
            let mut totals = Totals::new(by, zone(hours));
            bought.iter().for_each(|purchase| totals.add(purchase).unwrap());
            totals
                .into_groups()
                .into_iter()
                .map(|group| (group.key, group.count, group.amount_minor))
                .collect::<Vec<_>>()
        };
        let one = |key: &str, count, amount| vec![(key.to_owned(), count, amount)];
        assert_eq!(keys(GroupBy::Nothing, 0), one("", 3, 1_700));
        assert_eq!(keys(GroupBy::Bank, 0), one("bank-a", 3, 1_700));
        assert_eq!(keys(GroupBy::Account, 0), one("bank-a ****4821", 3, 1_700));
        assert_eq!(keys(GroupBy::Merchant, 0), one("noodles", 3, 1_700));
        assert_eq!(keys(GroupBy::Category, 0), one("5812", 3, 1_700));
        assert_eq!(keys(GroupBy::Nature, 0), one("PURCHASE", 3, 1_700));
        assert_eq!(keys(GroupBy::Day, 0), one("2023-11-14", 3, 1_700));
        assert_eq!(keys(GroupBy::Day, 1), [one("2023-11-14", 1, 1_000), one("2023-11-15", 2, 700)].concat());
        assert_eq!(keys(GroupBy::Month, 8), one("2023-11", 3, 1_700));
        assert_eq!(keys(GroupBy::Weekday, 8), one("3", 3, 1_700));
        assert_eq!(keys(GroupBy::Hour, 8), [one("06", 1, 1_000), one("07", 2, 700)].concat());
    }

    #[test]
    fn r7_what_came_back_stands_beside_what_was_paid_and_currencies_are_apart() {
        let mut totals = Totals::new(GroupBy::Nothing, TimeZone::UTC);
        let yen = Money::new(Currency::parse("JPY").unwrap(), 700);
        totals.add(&Purchase { given_back_minor: 1_000, ..purchase(1_000, 0) }).unwrap();
        totals.add(&Purchase { given_back_minor: 300, ..purchase(500, 0) }).unwrap();
        totals.add(&Purchase { amount: yen, ..purchase(1, 0) }).unwrap();
        let group = |currency, count, amount_minor, given_back_minor| Group {
            key: String::new(),
            currency,
            count,
            amount_minor,
            given_back_minor,
        };
        assert_eq!(totals.into_groups(), [group(Currency::CNY, 1, 1_500, 1_300), group(yen.currency, 1, 700, 0)]);
    }

    #[test]
    fn r7_sums_are_bounded() {
        let mut totals = Totals::new(GroupBy::Nothing, TimeZone::UTC);
        totals.add(&purchase(i64::MAX, 0)).unwrap();
        assert_eq!(totals.add(&purchase(1, 0)), Err(Reason::AmountTooLarge));
        let mut totals = Totals::new(GroupBy::Day, TimeZone::UTC);
        for day in 0..1_000 {
            totals.add(&purchase(1, day * 86_400)).unwrap();
        }
        assert_eq!(totals.add(&purchase(1, 1_000 * 86_400)), Err(Reason::TooManyItems));
        assert_eq!(totals.add(&purchase(1, 0)), Ok(()));
    }
}
