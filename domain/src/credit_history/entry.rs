//! One bill as its bank reports it.

use std::fmt;

use jiff::civil::Date;

use crate::bill::AccountKey;
use crate::words::Words;
use crate::{Currency, Money, PersonId, Reason};

/// How much is in arrears, in major units of the currency; the exact amount is nobody's business but the bank's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AmountBucket {
    /// 1,000 or less.
    UpTo1000,
    /// More than that, 10,000 or less.
    UpTo10000,
    /// More than that, 50,000 or less.
    UpTo50000,
    /// More than 50,000.
    Over50000,
}

impl AmountBucket {
    const ALL: [Self; 4] = [Self::UpTo1000, Self::UpTo10000, Self::UpTo50000, Self::Over50000];

    /// Where an amount falls; a bound belongs to the bucket below it.
    pub fn of(amount: Money) -> Self {
        let unit = 10_i64.saturating_pow(amount.currency.exponent());
        match amount.minor {
            minor if minor <= unit.saturating_mul(1_000) => Self::UpTo1000,
            minor if minor <= unit.saturating_mul(10_000) => Self::UpTo10000,
            minor if minor <= unit.saturating_mul(50_000) => Self::UpTo50000,
            _ => Self::Over50000,
        }
    }

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpTo1000 => "UP_TO_1000",
            Self::UpTo10000 => "UP_TO_10000",
            Self::UpTo50000 => "UP_TO_50000",
            Self::Over50000 => "OVER_50000",
        }
    }

    /// Reads a bucket as it is stored.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|bucket| bucket.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// How long something was not paid after its due date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgeBucket {
    /// 1 to 30 days.
    Days1To30,
    /// 31 to 60 days.
    Days31To60,
    /// 61 to 90 days.
    Days61To90,
    /// 91 days and more.
    Over90Days,
}

impl AgeBucket {
    /// Nothing when nothing was late.
    pub const fn of_days(days: i64) -> Option<Self> {
        match days {
            ..=0 => None,
            1..=30 => Some(Self::Days1To30),
            31..=60 => Some(Self::Days31To60),
            61..=90 => Some(Self::Days61To90),
            91.. => Some(Self::Over90Days),
        }
    }
}

/// What became of a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is to be paid, and still in time.
    Due,
    /// Paid in full and in time, which the bank's days of grace belong to.
    PaidInTime {
        /// The day of the last payment.
        on: Date,
    },
    /// Paid in full and late, before it was reported in arrears.
    PaidLate {
        /// The day of the last payment.
        on: Date,
    },
    /// Not paid on this day, which is after the due date.
    Arrears {
        /// The day that the bank speaks of.
        as_of: Date,
        /// What was left to pay on it.
        left: AmountBucket,
    },
    /// It was in arrears, and was paid in the end.
    Settled {
        /// The day of the last payment.
        on: Date,
    },
}

impl Standing {
    /// Reads a standing as it is stored.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let word = text.split(' ').next().unwrap_or_default();
        if text == "DUE" {
            return Ok(Self::Due);
        }
        let mut words = Words::after(word, text)?;
        let on = words.read("on", |text| text.parse().map_err(|_| Reason::DayMalformed))?;
        let standing = match word {
            "PAID_IN_TIME" => Self::PaidInTime { on },
            "PAID_LATE" => Self::PaidLate { on },
            "ARREARS" => Self::Arrears { as_of: on, left: words.read("left", AmountBucket::parse)? },
            "SETTLED" => Self::Settled { on },
            _ => return Err(Reason::FieldUnknown),
        };
        words.end()?;
        Ok(standing)
    }
}

/// The form in which it is stored.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Due => f.write_str("DUE"),
            Self::PaidInTime { on } => write!(f, "PAID_IN_TIME on={on}"),
            Self::PaidLate { on } => write!(f, "PAID_LATE on={on}"),
            Self::Arrears { as_of, left } => write!(f, "ARREARS on={as_of} left={}", left.as_str()),
            Self::Settled { on } => write!(f, "SETTLED on={on}"),
        }
    }
}

/// Which bill it is. An account that is billed in two currencies has two in a period.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntryKey {
    /// The account that was billed.
    pub account: AccountKey,
    /// The last day of the period that it bills.
    pub closed_on: Date,
    /// The currency of the bill.
    pub currency: Currency,
}

/// A bill as its bank reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which bill.
    pub key: EntryKey,
    /// Whose bill.
    pub person_id: PersonId,
    /// Counts up from 1; a correction is a higher version too.
    pub version: u32,
    /// What the bill came to, in minor units of the currency.
    pub billed_minor: i64,
    /// The last day to pay it without being late.
    pub due_on: Date,
    /// What became of it.
    pub standing: Standing,
}

impl Entry {
    /// `Err(HistoryMalformed)` when its days are not in order, or nothing or less was billed and yet not paid in time.
    pub fn check(&self) -> Result<(), Reason> {
        let standing_is_fine = match self.standing {
            Standing::Due => true,
            Standing::PaidInTime { on } => on >= self.key.closed_on,
            Standing::PaidLate { on } | Standing::Settled { on } => on > self.due_on && self.billed_minor > 0,
            Standing::Arrears { as_of, .. } => as_of > self.due_on && self.billed_minor > 0,
        };
        let is_fine = self.version > 0 && self.billed_minor >= 0 && self.key.closed_on < self.due_on;
        if is_fine && standing_is_fine { Ok(()) } else { Err(Reason::HistoryMalformed) }
    }

    /// Whether it speaks against the person.
    pub const fn is_negative(&self) -> bool {
        matches!(self.standing, Standing::PaidLate { .. } | Standing::Arrears { .. } | Standing::Settled { .. })
    }

    /// How many days after the due date it was paid, or was known not to be; 0 when it was not late.
    pub fn days_late(&self) -> i64 {
        match self.standing {
            Standing::Due | Standing::PaidInTime { .. } => 0,
            Standing::PaidLate { on } | Standing::Settled { on } | Standing::Arrears { as_of: on, .. } => {
                self.due_on.until(on).map_or(0, |span| i64::from(span.get_days())).max(0)
            }
        }
    }

    /// How late it was paid, or is known to be.
    pub fn age(&self) -> Option<AgeBucket> {
        AgeBucket::of_days(self.days_late())
    }
}

/// What to do with an entry that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Store it, in the place of the one before.
    Store(Entry),
    /// It is there already.
    Already,
}

/// Takes in what a bank reports, where `before` is what is stored under the same key. In this order `Err` with
/// `HistoryMalformed`; `AccountTaken` when the bill is stored as another person's; `HistoryOutdated` when a higher version is
/// stored; `HistoryVersionTaken` when this version is, with other content.
pub fn take(before: Option<&Entry>, reported: Entry) -> Result<Taken, Reason> {
    reported.check()?;
    let Some(before) = before else { return Ok(Taken::Store(reported)) };
    if before.key != reported.key {
        return Err(Reason::Fault);
    }
    if before.person_id != reported.person_id {
        return Err(Reason::AccountTaken);
    }
    if before.version > reported.version {
        return Err(Reason::HistoryOutdated);
    }
    if before.version < reported.version {
        return Ok(Taken::Store(reported));
    }
    if *before == reported { Ok(Taken::Already) } else { Err(Reason::HistoryVersionTaken) }
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{AccountId, BankId};

    pub(crate) fn person(n: u128) -> PersonId {
        PersonId::from_uuid(Uuid::from_u128(0x0192_f0c1_7a6b_7000_8000_0000_0000_0000 | n))
    }

    /// A bill of person 1 over 1,500.00 that was closed on 5 February 2026 and due on the 25th.
    pub(crate) fn entry(standing: Standing) -> Entry {
        let account = AccountKey {
            bank_id: BankId::parse("bank-a").unwrap(),
            account_id: AccountId::from_uuid(Uuid::from_u128(1)),
        };
        let key = EntryKey { account, closed_on: date(2026, 2, 5), currency: Currency::CNY };
        let due_on = date(2026, 2, 25);
        Entry { key, person_id: person(1), version: 1, billed_minor: 150_000, due_on, standing }
    }

    fn arrears(as_of: Date) -> Standing {
        Standing::Arrears { as_of, left: AmountBucket::UpTo10000 }
    }

    #[test]
    fn r9_lateness_falls_into_buckets() {
        use AgeBucket::{Days1To30, Days31To60, Days61To90, Over90Days};
        let table = [
            (Standing::Due, 0, None, false),
            (Standing::PaidInTime { on: date(2026, 2, 27) }, 0, None, false),
            (Standing::PaidLate { on: date(2026, 2, 26) }, 1, Some(Days1To30), true),
            (arrears(date(2026, 3, 27)), 30, Some(Days1To30), true),
            (arrears(date(2026, 3, 28)), 31, Some(Days31To60), true),
            (arrears(date(2026, 4, 26)), 60, Some(Days31To60), true),
            (arrears(date(2026, 4, 27)), 61, Some(Days61To90), true),
            (arrears(date(2026, 5, 26)), 90, Some(Days61To90), true),
            (Standing::Settled { on: date(2026, 5, 27) }, 91, Some(Over90Days), true),
            (Standing::Settled { on: date(2036, 2, 25) }, 3_652, Some(Over90Days), true),
        ];
        for (standing, days, age, is_negative) in table {
            let entry = entry(standing);
            assert_eq!(entry.check(), Ok(()), "{standing:?}");
            assert_eq!((entry.days_late(), entry.age(), entry.is_negative()), (days, age, is_negative), "{standing:?}");
            assert_eq!(Standing::parse(&standing.to_string()), Ok(standing));
        }
        for bad in [
            "",
            "DUE ",
            "DUE on=2026-03-01",
            "PAID_LATE",
            "PAID_LATE on=1",
            "LATE on=2026-03-01",
            "SETTLED on=2026-03-01 ",
        ] {
            assert!(Standing::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn r9_amounts_fall_into_buckets_of_major_units() {
        use AmountBucket::{Over50000, UpTo1000, UpTo10000, UpTo50000};
        let table = [
            ("CNY", 1, UpTo1000),
            ("CNY", 100_000, UpTo1000),
            ("CNY", 100_001, UpTo10000),
            ("CNY", 1_000_001, UpTo50000),
            ("CNY", 5_000_000, UpTo50000),
            ("CNY", 5_000_001, Over50000),
            ("JPY", 1_000, UpTo1000),
            ("KWD", 1_000_001, UpTo10000),
            ("KWD", i64::MAX, Over50000),
        ];
        for (currency, minor, wanted) in table {
            let amount = Money::new(Currency::parse(currency).unwrap(), minor);
            assert_eq!(AmountBucket::of(amount), wanted, "{amount}");
            assert_eq!(AmountBucket::parse(wanted.as_str()), Ok(wanted));
        }
        assert_eq!(AmountBucket::parse("SOME"), Err(Reason::FieldUnknown));
    }

    #[test]
    fn r9_an_entry_that_cannot_be_is_refused() {
        let good = entry(Standing::Due);
        let late = entry(Standing::PaidLate { on: date(2026, 3, 1) });
        let table = [
            ("version 0", Entry { version: 0, ..good.clone() }),
            ("less than nothing billed", Entry { billed_minor: -1, ..good.clone() }),
            ("due when it is closed", Entry { due_on: date(2026, 2, 5), ..good.clone() }),
            ("paid before it was closed", entry(Standing::PaidInTime { on: date(2026, 2, 4) })),
            ("late on the due date", entry(Standing::PaidLate { on: date(2026, 2, 25) })),
            ("in arrears on the due date", entry(arrears(date(2026, 2, 25)))),
            ("settled on the due date", entry(Standing::Settled { on: date(2026, 2, 25) })),
            ("late with nothing", Entry { billed_minor: 0, ..late }),
        ];
        for (name, entry) in table {
            assert_eq!(take(None, entry), Err(Reason::HistoryMalformed), "{name}");
        }
    }

    #[test]
    fn r9_what_is_reported_again_is_there_and_versions_never_go_back() {
        let version = |version, standing| Entry { version, ..entry(standing) };
        let paid = Standing::PaidInTime { on: date(2026, 2, 20) };
        let stored = version(2, Standing::Due);
        let table = [
            ("the same again", version(2, Standing::Due), Ok(Taken::Already)),
            ("the next", version(3, paid), Ok(Taken::Store(version(3, paid)))),
            ("one that skips some", version(9, paid), Ok(Taken::Store(version(9, paid)))),
            ("the one before, even with the same content", version(1, Standing::Due), Err(Reason::HistoryOutdated)),
            ("this one with other content", version(2, paid), Err(Reason::HistoryVersionTaken)),
            ("another person", Entry { person_id: person(2), ..version(3, paid) }, Err(Reason::AccountTaken)),
            ("another person, and old", Entry { person_id: person(2), ..version(1, paid) }, Err(Reason::AccountTaken)),
        ];
        for (name, reported, wanted) in table {
            assert_eq!(take(Some(&stored), reported), wanted, "{name}");
        }
        let other = EntryKey { closed_on: date(2026, 2, 6), ..stored.key.clone() };
        assert_eq!(take(Some(&stored), Entry { key: other, ..stored.clone() }), Err(Reason::Fault));
    }

    proptest! {
        #[test]
        fn r9_whatever_the_order_the_highest_version_stays(versions in prop::collection::vec(1_u32..9, 1..30)) {
            let mut stored: Option<Entry> = None;
            for version in &versions {
                let reported = Entry { version: *version, ..entry(Standing::Due) };
                match take(stored.as_ref(), reported) {
                    Ok(Taken::Store(entry)) => stored = Some(entry),
                    Ok(Taken::Already) => prop_assert_eq!(stored.as_ref().map(|entry| entry.version), Some(*version)),
                    Err(reason) => prop_assert_eq!(reason, Reason::HistoryOutdated),
                }
            }
            prop_assert_eq!(stored.map(|entry| entry.version), versions.into_iter().max());
        }
    }
}
