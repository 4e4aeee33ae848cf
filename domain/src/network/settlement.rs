//! The end of a day on a line on which the hub is the acquirer: when its totals are told, and what an answer says of them.

use std::time::Duration;

use super::{Said, Sum, Totals, said};
use crate::Reason;
use crate::network::Asked;

/// How the totals of a day stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// What is under way comes to its end first.
    Waiting,
    /// They may have gone out, and are told until they are answered.
    Told,
    In,
    Out,
    /// The network compares no totals.
    Refused,
}

impl Balance {
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Told, Self::In, Self::Out, Self::Refused];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Told => "TOLD",
            Self::In => "IN_BALANCE",
            Self::Out => "OUT_OF_BALANCE",
            Self::Refused => "REFUSED",
        }
    }

    /// Reads what [`Balance::as_str`] gives.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|balance| balance.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// So many times as long as a day usually rests it waits for what is under way.
const MOST_RESTS: u32 = 10;

/// Whether the totals of a day are told: when nothing of it is under way, or after it was waited for long enough.
pub fn is_told(outstanding: i64, waited: Duration, rest: Duration) -> bool {
    outstanding == 0 || waited >= rest.saturating_mul(MOST_RESTS)
}

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// After so long somebody has to look.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(7 * 24 * 3_600);

/// When totals that were told so often are told again; none when it has been tried for a week.
pub fn told_again_in(tries: i64, waited: Duration) -> Option<Duration> {
    let doubled = Duration::from_secs(5).saturating_mul(1 << tries.clamp(0, 16));
    (waited < GIVEN_UP_AFTER).then_some(doubled.min(LONGEST_PAUSE))
}

/// What the answer to the totals says: field 39, field 66 (ISO 8583:1987, element 66: 1 is in balance), and the other side's totals where it
/// tells them. None when it decides nothing and they are told again.
pub fn balance(code: &str, settlement: Option<u64>, ours: &Totals, theirs: Option<&Totals>) -> Option<Balance> {
    match said(Asked::Refund, code) {
        Said::Unclear(_) | Said::Unknown => None,
        Said::Refused(Reason::TotalsDiffer) => Some(Balance::Out),
        Said::Refused(_) => Some(Balance::Refused),
        Said::Done => Some(match (settlement, theirs) {
            (None, None) => Balance::Refused,
            (None | Some(1), Some(theirs)) if is_same(ours, theirs) => Balance::In,
            (Some(1), None) => Balance::In,
            _ => Balance::Out,
        }),
    }
}

/// Whether both sides have the same in the end. A charge whose answer was lost and that was taken back has been a charge and its reversal to
/// the network, and nothing at all to the hub.
fn is_same(ours: &Totals, theirs: &Totals) -> bool {
    let left = |taken: Sum, back: Sum| {
        let number = i128::from(taken.number) - i128::from(back.number);
        (number, i128::from(taken.minor) - i128::from(back.minor))
    };
    let debits = |totals: &Totals| left(totals.debits, totals.debit_reversals);
    let credits = |totals: &Totals| left(totals.credits, totals.credit_reversals);
    debits(ours) == debits(theirs) && credits(ours) == credits(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m7_a_day_is_in_balance_when_both_sides_have_the_same_and_say_so() {
        let sum = |number, minor| Sum { number, minor };
        let ours = Totals { debits: sum(3, 900), credits: sum(1, 50), ..Totals::default() };
        let with_reversal = Totals { debits: sum(4, 1_000), debit_reversals: sum(1, 100), ..ours };
        let off = Totals { debits: sum(3, 901), ..ours };
        let fewer = Totals { debits: sum(2, 900), ..ours };
        for (code, settlement, theirs, expected) in [
            ("00", Some(1), Some(&ours), Some(Balance::In)),
            ("00", Some(1), None, Some(Balance::In)),
            ("00", None, Some(&ours), Some(Balance::In)),
            ("00", Some(1), Some(&with_reversal), Some(Balance::In)),
            ("94", Some(1), Some(&ours), Some(Balance::In)),
            // It says yes to what is not the same.
            ("00", Some(1), Some(&off), Some(Balance::Out)),
            ("00", Some(1), Some(&fewer), Some(Balance::Out)),
            ("00", Some(2), Some(&ours), Some(Balance::Out)),
            ("00", Some(2), None, Some(Balance::Out)),
            ("00", Some(3), None, Some(Balance::Out)),
            ("00", None, Some(&off), Some(Balance::Out)),
            ("95", Some(2), Some(&off), Some(Balance::Out)),
            ("95", None, None, Some(Balance::Out)),
            ("00", None, None, Some(Balance::Refused)),
            ("12", None, None, Some(Balance::Refused)),
            ("30", Some(1), Some(&ours), Some(Balance::Refused)),
            ("96", Some(1), Some(&ours), None),
            ("91", None, None, None),
            ("09", None, None, None),
        ] {
            assert_eq!(balance(code, settlement, &ours, theirs), expected, "{code} {settlement:?} {theirs:?}");
        }
    }

    #[test]
    fn m7_totals_wait_for_what_is_under_way_and_not_for_ever() {
        let rest = Duration::from_secs(60);
        for (outstanding, waited, told) in [(0, 60, true), (1, 60, false), (1, 599, false), (1, 600, true)] {
            assert_eq!(is_told(outstanding, Duration::from_secs(waited), rest), told, "{outstanding} {waited}");
        }
        let again = |tries, days: u64| told_again_in(tries, Duration::from_secs(days * 86_400)).map(|it| it.as_secs());
        assert_eq!((again(0, 0), again(1, 0), again(3, 1)), (Some(5), Some(10), Some(40)));
        assert_eq!((again(40, 6), again(i64::MAX, 6), again(1, 7)), (Some(600), Some(600), None));
    }

    #[test]
    fn m7_what_is_stored_of_a_day_is_read_again_and_nothing_else_is() {
        for balance in Balance::ALL {
            assert_eq!(Balance::parse(balance.as_str()), Ok(balance));
        }
        assert_eq!(Balance::parse("in"), Err(Reason::FieldUnknown));
    }
}
