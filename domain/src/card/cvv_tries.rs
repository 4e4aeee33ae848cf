//! How often a card may be shown with a wrong verification value.

use std::time::Duration;

use super::CardCheck;
use crate::Timestamp;

/// Uses of a card with a wrong CVV2, a wrong CVV on its track or a wrong expiry since the last right one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CvvTries {
    wrong: u8,
    blocked_until: Option<Timestamp>,
}

impl CvvTries {
    /// Wrong tries in a row that block a card: of a thousand values, guesses from however many terminals find one in 200.
    pub const MOST: u8 = 5;
    /// How long it is blocked.
    pub const BLOCK: Duration = Duration::from_secs(24 * 60 * 60);

    pub const fn from_stored(wrong: u8, blocked_until: Option<Timestamp>) -> Self {
        Self { wrong, blocked_until }
    }

    pub const fn wrong(self) -> u8 {
        self.wrong
    }

    /// Until when it is blocked, or was.
    pub const fn blocked_until(self) -> Option<Timestamp> {
        self.blocked_until
    }

    pub fn is_blocked(self, now: Timestamp) -> bool {
        self.blocked_until.is_some_and(|until| now < until)
    }

    /// The tries after the card was shown once more. While it is blocked nothing is counted and nothing forgotten, so that nobody
    /// can make the block longer; when it is over, the next wrong one blocks again and a right one forgets all.
    #[must_use]
    pub fn after(self, check: CardCheck, now: Timestamp) -> Self {
        if self.is_blocked(now) {
            return self;
        }
        match check {
            CardCheck::Right => Self::default(),
            CardCheck::NotShown => self,
            CardCheck::Wrong => {
                let wrong = self.wrong.saturating_add(1).min(Self::MOST);
                let blocked_until = (wrong >= Self::MOST).then(|| now.plus(Self::BLOCK));
                Self { wrong, blocked_until }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c5_five_wrong_values_in_a_row_block_a_card_for_a_day_and_after_it_the_next_one_does() {
        use CardCheck::{NotShown, Right, Wrong};
        const DAY: i64 = 86_400;
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
        // What is shown and when; wrong ones that are counted; until when it is blocked.
        type Row<'a> = (&'a str, &'a [(i64, CardCheck)], u8, Option<i64>);
        let table: [Row<'_>; 9] = [
            ("none", &[], 0, None),
            ("four", &[(1, Wrong), (2, Wrong), (3, Wrong), (4, Wrong)], 4, None),
            ("five", &[(1, Wrong), (2, Wrong), (3, Wrong), (4, Wrong), (5, Wrong)], 5, Some(DAY + 5)),
            ("a right one between", &[(1, Wrong), (2, Wrong), (3, Wrong), (4, Wrong), (5, Right), (6, Wrong)], 1, None),
            ("a number alone between", &[(1, Wrong), (2, NotShown), (3, Wrong)], 2, None),
            ("many more", &[(1, Wrong); 300], 5, Some(DAY + 1)),
            (
                "a right one while it is blocked",
                &[(1, Wrong), (1, Wrong), (1, Wrong), (1, Wrong), (1, Wrong), (DAY, Right)],
                5,
                Some(DAY + 1),
            ),
            (
                "a right one afterwards",
                &[(1, Wrong), (1, Wrong), (1, Wrong), (1, Wrong), (1, Wrong), (DAY + 1, Right)],
                0,
                None,
            ),
            (
                "a wrong one afterwards",
                &[(1, Wrong), (1, Wrong), (1, Wrong), (1, Wrong), (1, Wrong), (DAY + 1, Wrong)],
                5,
                Some(2 * DAY + 1),
            ),
        ];
        for (name, shown, wrong, until) in table {
            let none = CvvTries::default();
            let tries = shown.iter().fold(none, |tries, (second, check)| tries.after(*check, at(*second)));
            assert_eq!((tries.wrong(), tries.blocked_until()), (wrong, until.map(at)), "{name}");
            assert_eq!(CvvTries::from_stored(wrong, until.map(at)), tries, "{name}");
        }
        let blocked = CvvTries::from_stored(5, Some(at(10)));
        assert_eq!([9, 10].map(|second| blocked.is_blocked(at(second))), [true, false]);
    }
}
