//! When a safety code may be set.

use crate::{Reason, Timestamp};

/// How somebody has shown who it is that sets a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setter {
    /// By a card and its password, over the telephone.
    Card,
    /// By a bound phone's signature and the transaction password.
    App,
}

/// Whether a code may be set now. The first one takes an identity check whose window is open; a later one takes another check, or the
/// app. `Err(SafetyCodeNotAllowed)`.
pub fn may_set(is_set: bool, open_until: Option<Timestamp>, by: Setter, now: Timestamp) -> Result<(), Reason> {
    let is_open = open_until.is_some_and(|until| now < until);
    if is_open || (is_set && by == Setter::App) { Ok(()) } else { Err(Reason::SafetyCodeNotAllowed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_a_safety_code_is_set_by_this_table() {
        let (before, now, after) = (Timestamp::from_secs(9), Timestamp::from_secs(10), Timestamp::from_secs(11));
        let table = [
            ("the first, by card, in the window", false, Some(after), Setter::Card, true),
            ("the first, by app, in the window", false, Some(after), Setter::App, true),
            ("without a check, by card", false, None, Setter::Card, false),
            ("without a check, by app", false, None, Setter::App, false),
            ("when the window is over, by card", false, Some(before), Setter::Card, false),
            ("when the window is over, by app", false, Some(before), Setter::App, false),
            ("at the end of the window", false, Some(now), Setter::App, false),
            ("another one, by card", true, None, Setter::Card, false),
            ("another one, by app", true, None, Setter::App, true),
            ("another one, by card, after another check", true, Some(after), Setter::Card, true),
            ("another one, by app, when a window is over", true, Some(before), Setter::App, true),
        ];
        for (name, is_set, open_until, by, fine) in table {
            let wanted = if fine { Ok(()) } else { Err(Reason::SafetyCodeNotAllowed) };
            assert_eq!(may_set(is_set, open_until, by, now), wanted, "{name}");
        }
    }
}
