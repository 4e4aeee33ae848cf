//! What is owed, item by item, and which of it money pays.

use jiff::civil::Date;

use crate::Reason;

/// What an amount that is owed is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Portion {
    Fee,
    Interest,
    CashAdvance,
    Purchase,
}

impl Portion {
    const ALL: [Self; 4] = [Self::Fee, Self::Interest, Self::CashAdvance, Self::Purchase];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fee => "FEE",
            Self::Interest => "INTEREST",
            Self::CashAdvance => "CASH_ADVANCE",
            Self::Purchase => "PURCHASE",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|portion| portion.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    /// Whether it bears interest.
    pub const fn is_principal(self) -> bool {
        matches!(self, Self::CashAdvance | Self::Purchase)
    }

    /// Its place among what one statement bills, the first to be paid being the lowest.
    const fn rank(self, order: Order) -> u8 {
        match (order, self) {
            (Order::CostsFirst, Self::Fee) | (Order::PrincipalFirst, Self::CashAdvance) => 0,
            (Order::CostsFirst, Self::Interest) | (Order::PrincipalFirst, Self::Purchase) => 1,
            (Order::CostsFirst, Self::CashAdvance) | (Order::PrincipalFirst, Self::Fee) => 2,
            (Order::CostsFirst, Self::Purchase) | (Order::PrincipalFirst, Self::Interest) => 3,
        }
    }
}

/// In which order money pays what is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Fees, interest, cash advances, purchases.
    CostsFirst,
    /// Cash advances, purchases, fees, interest: after 90 days in arrears.
    PrincipalFirst,
}

/// What came to be owed of one portion in one cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The day of the first of it.
    pub(super) posted_on: Date,
    pub(super) portion: Portion,
    /// The number of the statement that bills it; `None` before the first close after it.
    pub(super) billed: Option<u32>,
    /// What is still owed of it.
    pub(super) left_minor: i64,
    /// What was owed of it at the end of each day, summed over the days for which no interest was charged.
    pub(super) minor_days: i128,
    /// Whether it bears interest whatever happens: a cash advance, or a purchase whose statement was not paid in full in time.
    pub(super) bears: bool,
}

/// Pays items, and gives how much was left over. Items stand in the order in which they were posted.
pub(super) fn pay(items: &mut [Item], amount_minor: i64, order: Order) -> i64 {
    let mut by_turn: Vec<&mut Item> = items.iter_mut().filter(|item| item.left_minor > 0).collect();
    // A stable sort, so that within a rank the oldest comes first.
    by_turn.sort_by_key(|item| (item.billed.unwrap_or(u32::MAX), item.portion.rank(order)));
    spread(by_turn, amount_minor)
}

/// Takes cash advances back that never were: the latest first. Gives how much was left over.
pub(super) fn return_cash(items: &mut [Item], amount_minor: i64) -> i64 {
    let latest_first = items.iter_mut().rev().filter(|item| item.portion == Portion::CashAdvance);
    spread(latest_first, amount_minor)
}

fn spread<'i>(items: impl IntoIterator<Item = &'i mut Item>, amount_minor: i64) -> i64 {
    let mut rest = amount_minor;
    for item in items {
        let paid = rest.min(item.left_minor);
        item.left_minor = item.left_minor.saturating_sub(paid);
        rest = rest.saturating_sub(paid);
    }
    rest
}

/// What is owed of the items that `wanted` picks.
pub(super) fn owed(items: &[Item], wanted: impl Fn(&Item) -> bool) -> i64 {
    items.iter().filter(|item| wanted(item)).fold(0, |sum: i64, item| sum.saturating_add(item.left_minor))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn items() -> Vec<Item> {
        let item = |day, portion, billed, left_minor| {
            let bears = portion == Portion::CashAdvance;
            Item { posted_on: date(2026, 1, day), portion, billed, left_minor, minor_days: 0, bears }
        };
        vec![
            item(1, Portion::Purchase, Some(1), 10),
            item(2, Portion::CashAdvance, Some(1), 10),
            item(3, Portion::Fee, Some(2), 10),
            item(4, Portion::Interest, Some(2), 10),
            item(5, Portion::Purchase, Some(2), 10),
            item(6, Portion::CashAdvance, Some(2), 10),
            item(7, Portion::Purchase, None, 10),
            item(8, Portion::Fee, None, 10),
        ]
    }

    fn left(items: &[Item]) -> Vec<i64> {
        items.iter().map(|item| item.left_minor).collect()
    }

    #[test]
    fn c7_money_pays_the_oldest_statement_first_and_costs_before_principal() {
        // Days 1 to 8 in the order of the items.
        let table: [(i64, Order, [i64; 8], i64); 7] = [
            (5, Order::CostsFirst, [10, 5, 10, 10, 10, 10, 10, 10], 0),
            (20, Order::CostsFirst, [0, 0, 10, 10, 10, 10, 10, 10], 0),
            (45, Order::CostsFirst, [0, 0, 0, 0, 10, 5, 10, 10], 0),
            (65, Order::CostsFirst, [0, 0, 0, 0, 0, 0, 10, 5], 0),
            (100, Order::CostsFirst, [0; 8], 20),
            (45, Order::PrincipalFirst, [0, 0, 5, 10, 0, 0, 10, 10], 0),
            (55, Order::PrincipalFirst, [0, 0, 0, 5, 0, 0, 10, 10], 0),
        ];
        for (amount, order, wanted, over) in table {
            let mut all = items();
            assert_eq!(pay(&mut all, amount, order), over, "{amount} {order:?}");
            assert_eq!(left(&all), wanted, "{amount} {order:?}");
        }
    }

    #[test]
    fn an_advance_that_is_reversed_is_taken_back_from_the_latest() {
        let mut all = items();
        assert_eq!(return_cash(&mut all, 15), 0);
        assert_eq!(left(&all), [10, 5, 10, 10, 10, 0, 10, 10]);
        assert_eq!(return_cash(&mut all, 15), 10, "no more cash than was advanced");
    }
}
