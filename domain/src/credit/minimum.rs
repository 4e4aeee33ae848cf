//! The least that has to be paid, and what it costs when it is not.

use super::allocation::{Item, Portion, owed};
use super::interest::share_of;
use super::{LateFee, Minimum};
use crate::Reason;

impl Minimum {
    /// The minimum due of a statement over these items, where `missed_minor` was not paid of the minimum before and
    /// `closing_minor` is owed in all. Costs that were missed are not counted twice.
    pub(super) fn due(&self, items: &[Item], missed_minor: i64, closing_minor: i64) -> Result<i64, Reason> {
        let of = |portion| owed(items, |item| item.portion == portion);
        let costs = |item: &Item| !item.portion.is_principal();
        let missed = missed_minor.saturating_sub(owed(items, |item| costs(item) && item.billed.is_some())).max(0);
        let purchases = share_of(i128::from(of(Portion::Purchase)), self.purchase_share)?;
        let cash = share_of(i128::from(of(Portion::CashAdvance)), self.cash_share)?;
        let parts = [owed(items, costs), missed, purchases, cash];
        let sum = parts.into_iter().fold(0_i64, i64::saturating_add);
        Ok(sum.max(self.floor_minor).min(closing_minor.max(0)))
    }
}

impl LateFee {
    /// The fee when so much of the minimum is missing on the last day to pay; nothing when nothing is.
    pub(super) fn fee(&self, missing_minor: i64) -> Result<i64, Reason> {
        if missing_minor <= 0 {
            return Ok(0);
        }
        Ok(share_of(i128::from(missing_minor), self.share)?.clamp(self.floor_minor, self.cap_minor))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use rust_decimal::Decimal;

    use super::*;
    use crate::credit::Terms;

    fn item(portion: Portion, billed: Option<u32>, left_minor: i64) -> Item {
        Item { posted_on: date(2026, 1, 1), portion, billed, left_minor, minor_days: 0, bears: false }
    }

    #[test]
    fn r8_the_minimum_is_a_share_of_purchases_all_costs_all_cash_and_what_was_missed() {
        use Portion::{CashAdvance, Fee, Interest, Purchase};
        let terms = Terms::usual(5);
        let table = [
            ("nothing owed", vec![], 0, 0, 0),
            ("less than the floor: all of it", vec![item(Purchase, None, 3_000)], 0, 3_000, 3_000),
            ("the floor", vec![item(Purchase, None, 40_000)], 0, 40_000, 5_000),
            ("a tenth", vec![item(Purchase, None, 100_005)], 0, 100_005, 10_001),
            ("all cash", vec![item(Purchase, None, 100_000), item(CashAdvance, None, 50_000)], 0, 150_000, 60_000),
            (
                "all costs",
                vec![item(Purchase, None, 100_000), item(Fee, None, 1_000), item(Interest, None, 777)],
                0,
                101_777,
                11_777,
            ),
            ("what was missed", vec![item(Purchase, Some(1), 100_000)], 9_000, 100_000, 19_000),
            (
                "missed costs once",
                vec![item(Purchase, Some(1), 100_000), item(Fee, Some(1), 1_000)],
                11_000,
                101_000,
                10_000 + 1_000 + 10_000,
            ),
            ("a surplus", vec![], 0, -500, 0),
        ];
        for (name, items, missed, closing, wanted) in table {
            assert_eq!(terms.minimum.due(&items, missed, closing), Ok(wanted), "{name}");
        }
    }

    #[test]
    fn the_late_fee_is_a_share_of_what_is_missing_within_its_bounds() {
        let fee = LateFee { share: Decimal::new(5, 2), floor_minor: 1_000, cap_minor: 50_000 };
        for (missing, wanted) in [(0, 0), (-5, 0), (1, 1_000), (20_010, 1_001), (100_000, 5_000), (9_000_000, 50_000)] {
            assert_eq!(fee.fee(missing), Ok(wanted), "{missing}");
        }
    }
}
