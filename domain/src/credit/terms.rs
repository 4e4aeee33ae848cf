//! The rules of one credit account.

use std::fmt;

use rust_decimal::Decimal;

use crate::Reason;
use crate::words::Words;

const FORM: &str = "terms.v1";
/// Digits after the point of a rate or a share: what is finer is a mistake, and would overflow where it is multiplied.
const MOST_DECIMALS: u32 = 10;
/// The highest floor or cap, in minor units: ten billion of a currency with two decimals.
const MOST_MINOR: i64 = 1_000_000_000_000;

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

impl AutoRepay {
    const ALL: [Self; 3] = [Self::Off, Self::Minimum, Self::Full];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Minimum => "MINIMUM",
            Self::Full => "FULL",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|auto| auto.as_str() == text).ok_or(Reason::FieldUnknown)
    }
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
        let is_fine = |share: Decimal| share >= Decimal::ZERO && share.scale() <= MOST_DECIMALS;
        let is_share = |share: Decimal| is_fine(share) && share <= Decimal::ONE;
        let is_amount = |minor: i64| (0..=MOST_MINOR).contains(&minor);
        let due_is_fine = match self.due {
            Due::Day(day) => (1..=31).contains(&day),
            Due::DaysAfterClose(days) => (1..=27).contains(&days),
        };
        let fine = (1..=31).contains(&self.close_day)
            && due_is_fine
            && self.grace_days <= 7
            && is_fine(self.daily_rate)
            && self.daily_rate <= Decimal::new(1, 2)
            && is_share(self.minimum.purchase_share)
            && is_share(self.minimum.cash_share)
            && is_share(self.late_fee.share)
            && is_amount(self.minimum.floor_minor)
            && is_amount(self.late_fee.floor_minor)
            && is_amount(self.late_fee.cap_minor)
            && self.late_fee.floor_minor <= self.late_fee.cap_minor;
        if fine { Ok(()) } else { Err(Reason::TermsMalformed) }
    }

    /// Reads terms as they are stored.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let mut words = Words::after(FORM, text)?;
        let close_day = words.value("close_day")?;
        let number = |text: &str| text.parse().map_err(|_| Reason::FieldUnknown);
        let due = match words.take("due_day") {
            Some(day) => Due::Day(number(day)?),
            None => Due::DaysAfterClose(words.value("due_days_after_close")?),
        };
        let terms = Self {
            close_day,
            due,
            grace_days: words.value("grace_days")?,
            daily_rate: words.value("daily_rate")?,
            minimum: Minimum {
                purchase_share: words.value("minimum_purchase_share")?,
                cash_share: words.value("minimum_cash_share")?,
                floor_minor: words.number("minimum_floor_minor")?,
            },
            late_fee: LateFee {
                share: words.value("late_fee_share")?,
                floor_minor: words.number("late_fee_floor_minor")?,
                cap_minor: words.number("late_fee_cap_minor")?,
            },
            auto_repay: words.read("auto_repay", AutoRepay::parse)?,
        };
        words.end()?;
        Ok(terms)
    }
}

/// The form in which they are stored: one line of words.
impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { close_day, due, grace_days, daily_rate, minimum, late_fee, auto_repay } = self;
        write!(f, "{FORM} close_day={close_day} ")?;
        match due {
            Due::Day(day) => write!(f, "due_day={day}")?,
            Due::DaysAfterClose(days) => write!(f, "due_days_after_close={days}")?,
        }
        write!(f, " grace_days={grace_days} daily_rate={daily_rate}")?;
        write!(f, " minimum_purchase_share={} minimum_cash_share={}", minimum.purchase_share, minimum.cash_share)?;
        write!(f, " minimum_floor_minor={} late_fee_share={}", minimum.floor_minor, late_fee.share)?;
        write!(f, " late_fee_floor_minor={} late_fee_cap_minor={}", late_fee.floor_minor, late_fee.cap_minor)?;
        write!(f, " auto_repay={}", auto_repay.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_back_as_they_were_written() {
        let usual = Terms::usual(5);
        let table = [
            (
                usual,
                "terms.v1 close_day=5 due_days_after_close=20 grace_days=3 daily_rate=0.0005 minimum_purchase_share=0.10 \
                 minimum_cash_share=1 minimum_floor_minor=5000 late_fee_share=0.05 late_fee_floor_minor=1000 \
                 late_fee_cap_minor=50000 auto_repay=FULL",
            ),
            (
                Terms { due: Due::Day(31), grace_days: 0, auto_repay: AutoRepay::Off, ..usual },
                "terms.v1 close_day=5 due_day=31 grace_days=0 daily_rate=0.0005 minimum_purchase_share=0.10 \
                 minimum_cash_share=1 minimum_floor_minor=5000 late_fee_share=0.05 late_fee_floor_minor=1000 \
                 late_fee_cap_minor=50000 auto_repay=OFF",
            ),
        ];
        for (terms, text) in table {
            assert_eq!(terms.to_string(), text);
            assert_eq!(Terms::parse(text), Ok(terms));
        }
        let text = usual.to_string();
        for bad in [
            String::new(),
            text.replace("terms.v1", "terms.v2"),
            text.replace("close_day=5 ", ""),
            text.replace("due_days_after_close=20", "due_days_after_close=-1"),
            text.replace("due_days_after_close=20", "due_day=x"),
            text.replace("daily_rate=0.0005", "daily_rate=much"),
            text.replace("FULL", "SOME"),
            format!("{text} more=1"),
        ] {
            assert!(Terms::parse(&bad).is_err(), "{bad}");
        }
    }
}
