//! Interest for days, on what was owed at the end of each.

use rust_decimal::{Decimal, RoundingStrategy};

use super::Terms;
use super::allocation::{Item, Portion};
use crate::Reason;

/// A share of an amount, rounded half up to the minor unit. `Err(AmountTooLarge)` past `i64`.
pub(super) fn share_of(amount: i128, share: Decimal) -> Result<i64, Reason> {
    let amount = Decimal::try_from_i128_with_scale(amount, 0).map_err(|_| Reason::AmountTooLarge)?;
    let exact = amount.checked_mul(share).ok_or(Reason::AmountTooLarge)?;
    let rounded = exact.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    i64::try_from(rounded).map_err(|_| Reason::AmountTooLarge)
}

/// Adds one day to what each item has been owed for.
pub(super) fn accrue(items: &mut [Item]) {
    for item in items.iter_mut().filter(|item| item.portion.is_principal()) {
        item.minor_days = item.minor_days.saturating_add(i128::from(item.left_minor));
    }
}

/// The interest on one portion for all days that bear it and were not charged yet, rounded once. Those days are charged by it.
pub(super) fn charge(items: &mut [Item], portion: Portion, terms: &Terms) -> Result<i64, Reason> {
    let bearing = items.iter_mut().filter(|item| item.portion == portion && item.bears);
    let minor_days = bearing.fold(0_i128, |sum, item| sum.saturating_add(std::mem::take(&mut item.minor_days)));
    share_of(minor_days, terms.daily_rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_half_up() {
        let rate = Decimal::new(5, 4);
        let table = [(0, 0), (999, 0), (1_000, 1), (2_999, 1), (3_000, 2), (31 * 100_000, 1_550)];
        for (minor_days, wanted) in table {
            assert_eq!(share_of(minor_days, rate), Ok(wanted), "{minor_days}");
        }
        assert_eq!(share_of(i128::MAX, rate), Err(Reason::AmountTooLarge));
        assert_eq!(share_of(i128::from(i64::MAX) * 31, Decimal::ONE), Err(Reason::AmountTooLarge));
    }
}
