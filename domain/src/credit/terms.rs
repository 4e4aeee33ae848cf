//! The rules of one credit account.

use rust_decimal::Decimal;

use crate::Reason;

/// When a statement is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// On the first such day of a month after the close; a shorter month's last day stands for days that it does not have.
    Day(u8),
    /// So many days after the close.
    DaysAfterClose(u8),
}

/// How much is repaid from the debit account on the due day (C7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoRepay {
    Off,
    Minimum,
    /// All that the statement bills.
    Full,
}

/// The least that has to be paid by the due date: all fees and interest, what was not paid of the minimum before, and shares
/// of what is owed of purchases and of cash advances; at least the floor, at most what is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minimum {
    /// 0 to 1.
    pub purchase_share: Decimal,
    /// 0 to 1.
    pub cash_share: Decimal,
    pub floor_minor: i64,
}

/// What it costs when the minimum is not paid in time: a share of what is missing, within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateFee {
    /// 0 to 1.
    pub share: Decimal,
    pub floor_minor: i64,
    pub cap_minor: i64,
}

/// The rules of one credit account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The day of the month on which a statement is closed, 1 to 31; a shorter month's last day stands for days that it does
    /// not have.
    pub close_day: u8,
    pub due: Due,
    /// Days after the due date on which money still counts as paid in time.
    pub grace_days: u8,
    /// Interest a day as a share: 0.0005 is 0.05 %. 0 to 0.01.
    pub daily_rate: Decimal,
    pub minimum: Minimum,
    pub late_fee: LateFee,
    pub auto_repay: AutoRepay,
}

impl Terms {
    /// What a bank in China would offer: 20 days to pay and 3 of grace, 0.05 % a day, a minimum of a tenth of the purchases
    /// and all cash advances, a late fee of 5 % of what is missing. Floors and caps in minor units of a currency with two
    /// decimals.
    pub fn usual(close_day: u8) -> Self {
        Self {
            close_day,
            due: Due::DaysAfterClose(20),
            grace_days: 3,
            daily_rate: Decimal::new(5, 4),
            minimum: Minimum { purchase_share: Decimal::new(10, 2), cash_share: Decimal::ONE, floor_minor: 5_000 },
            late_fee: LateFee { share: Decimal::new(5, 2), floor_minor: 1_000, cap_minor: 50_000 },
            auto_repay: AutoRepay::Full,
        }
    }

    /// `Err(TermsMalformed)` when something is out of its range.
    pub fn check(&self) -> Result<(), Reason> {
        let is_share = |share: Decimal| share >= Decimal::ZERO && share <= Decimal::ONE;
        let due_is_fine = match self.due {
            Due::Day(day) => (1..=31).contains(&day),
            Due::DaysAfterClose(days) => (1..=27).contains(&days),
        };
        let fine = (1..=31).contains(&self.close_day)
            && due_is_fine
            && self.grace_days <= 7
            && self.daily_rate >= Decimal::ZERO
            && self.daily_rate <= Decimal::new(1, 2)
            && is_share(self.minimum.purchase_share)
            && is_share(self.minimum.cash_share)
            && is_share(self.late_fee.share)
            && self.minimum.floor_minor >= 0
            && self.late_fee.floor_minor >= 0
            && self.late_fee.floor_minor <= self.late_fee.cap_minor;
        if fine { Ok(()) } else { Err(Reason::TermsMalformed) }
    }
}
