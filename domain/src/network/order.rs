//! What the hub asks of a bank that takes part only through a card network, and what an answer means: a message that takes money moves it,
//! and only a reversal that is acknowledged brings it back.

use super::{Response, response_of};
use crate::Reason;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// 0200: money is taken from the card.
    Charge,
    /// 0100: it is reserved, for a pre-authorisation.
    Authorisation,
    /// 0220: of what was reserved so much is taken.
    Completion,
    /// 0220 with processing code 20: money goes back to the card, in a part or on a later day.
    Refund,
    /// 0420: what was asked for is as if it had not been.
    Reversal,
}

impl Asked {
    pub const ALL: [Self; 5] = [Self::Charge, Self::Authorisation, Self::Completion, Self::Refund, Self::Reversal];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "CHARGE",
            Self::Authorisation => "AUTHORISATION",
            Self::Completion => "COMPLETION",
            Self::Refund => "REFUND",
            Self::Reversal => "REVERSAL",
        }
    }

    /// Reads what [`Asked::as_str`] gives.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|asked| asked.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    /// Whether the bank may say no. Everything else has been decided, and is told until it is acknowledged.
    pub const fn may_be_refused(self) -> bool {
        matches!(self, Self::Charge | Self::Authorisation | Self::Refund)
    }

    /// Whether a leg begins with it.
    pub const fn is_first(self) -> bool {
        matches!(self, Self::Charge | Self::Authorisation)
    }
}

/// How an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may have gone out, and what became of it is not known.
    Asked,
    Done,
    Refused(Reason),
}

impl Standing {
    /// As it is stored, with the reason beside it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "ASKED",
            Self::Done => "DONE",
            Self::Refused(_) => "REFUSED",
        }
    }

    /// Reads what was stored.
    pub fn parse(text: &str, reason: Option<&str>) -> Result<Self, Reason> {
        match text {
            "ASKED" => Ok(Self::Asked),
            "DONE" => Ok(Self::Done),
            "REFUSED" => Ok(Self::Refused(reason.and_then(Reason::from_code).unwrap_or(Reason::BankRefused))),
            _ => Err(Reason::FieldUnknown),
        }
    }
}

/// What an answer says to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Done,
    Refused(Reason),
    /// Neither: the same message again is to tell.
    Unclear(Reason),
    /// A reversal of what the network does not know. It may still be under way there, so that it counts only when it is said again.
    Unknown,
}

/// How often the network has to say of a reversal that it knows no such message before it is believed.
pub const UNKNOWN_ENOUGH: i64 = 3;

/// Whether a network is believed that says, so many times by now, that it knows nothing of what a reversal takes back. What it has approved it knows: there
/// the money would stay taken.
pub const fn is_believed(taken: Option<Standing>, times: i64) -> bool {
    !matches!(taken, Some(Standing::Done)) && times >= UNKNOWN_ENOUGH
}

/// Codes after which nobody knows, or that ask to come again (ISO 8583:1987, annex A.9; Q/CUP 006.2). An approval of a part (10), or one that
/// wants somebody to look at papers (08, 11, 16), is none here.
const UNCLEAR: [(&str, Reason); 19] = [
    ("06", Reason::Fault),
    ("08", Reason::BankRefused),
    ("09", Reason::TooBusy),
    ("10", Reason::BankRefused),
    ("11", Reason::BankRefused),
    ("16", Reason::BankRefused),
    ("19", Reason::BankAway),
    ("22", Reason::BankAway),
    ("28", Reason::TooBusy),
    ("68", Reason::BankAway),
    ("90", Reason::BankAway),
    ("91", Reason::BankAway),
    ("92", Reason::BankAway),
    ("96", Reason::Fault),
    ("98", Reason::BankAway),
    ("A0", Reason::MacRefused),
    ("N0", Reason::Fault),
    ("N2", Reason::NotSignedOn),
    ("N5", Reason::Fault),
];

/// What a response code says to an order.
pub fn said(asked: Asked, code: &str) -> Said {
    if let Some((_, reason)) = UNCLEAR.iter().find(|(known, _)| *known == code) {
        return Said::Unclear(*reason);
    }
    match (code, asked) {
        ("00", _) => Said::Done,
        // It was done before, which is what a repeat asks.
        ("94", Asked::Completion | Asked::Refund | Asked::Reversal) => Said::Done,
        ("94", Asked::Charge | Asked::Authorisation) => Said::Unclear(Reason::IdTaken),
        ("25", Asked::Reversal) => Said::Unknown,
        (code, asked) => {
            let reason = match response_of(code) {
                Response::Refused(reason) => reason,
                _ => Reason::BankRefused,
            };
            if asked.may_be_refused() { Said::Refused(reason) } else { Said::Unclear(reason) }
        }
    }
}

/// What is done about the first message of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// It is noted and sent.
    Ask,
    /// It was noted before: a repeat of the same message tells what became of it.
    AskAgain,
    Stands(Standing),
    /// The leg is void, whatever comes.
    Void,
}

/// How to go on with a leg of which this is known.
pub const fn first(known: Option<Standing>, is_reversed: bool) -> First {
    match (known, is_reversed) {
        (_, true) => First::Void,
        (None, false) => First::Ask,
        (Some(Standing::Asked), false) => First::AskAgain,
        (Some(standing), false) => First::Stands(standing),
    }
}

/// What is done so that a leg is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voiding {
    /// The network never heard of the leg, and will not: that stands in the place of a reversal.
    Bury,
    Tell,
    TellAgain,
    /// There is nothing to take back, or it has been.
    Done,
}

/// How to void a leg of which this is known: its first message, and its reversal.
pub const fn voiding(first: Option<Standing>, reversal: Option<Standing>) -> Voiding {
    match (first, reversal) {
        (_, Some(Standing::Done | Standing::Refused(_))) => Voiding::Done,
        (_, Some(Standing::Asked)) => Voiding::TellAgain,
        (None, None) => Voiding::Bury,
        (Some(Standing::Refused(_)), None) => Voiding::Done,
        (Some(Standing::Asked | Standing::Done), None) => Voiding::Tell,
    }
}

/// When a reversal is told once more, because what it takes back was approved after all: the network may have heard of the reversal first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It was never sent, but stands for a leg that is void, so that nothing can be told.
    Never,
    AtOnce,
    /// What is answered to it now may have been said before the network had what it takes back.
    OnceAnswered,
}

/// When to tell a reversal again that stands so.
pub const fn again(reversal: Standing, was_sent: bool) -> Again {
    match (reversal, was_sent) {
        (Standing::Done, true) => Again::AtOnce,
        (Standing::Asked, true) => Again::OnceAnswered,
        (Standing::Refused(_), _) | (_, false) => Again::Never,
    }
}

/// How money goes back: the whole of it on the day on which it was taken is a reversal, which nobody may refuse; anything else a refund.
pub const fn giving_back(is_whole: bool, is_same_day: bool) -> Asked {
    if is_whole && is_same_day { Asked::Reversal } else { Asked::Refund }
}

/// The last characters of a name in capitals, as many as a field of fixed length has room for: terminals and merchants have longer names in
/// the federation than fields 41 and 42.
pub fn short_name(name: &str, most: usize) -> String {
    let characters: Vec<char> = name.chars().filter(char::is_ascii).collect();
    let from = characters.len().saturating_sub(most);
    characters.iter().skip(from).map(char::to_ascii_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m6_what_a_network_answers_is_done_refused_or_told_again() {
        use Asked::{Authorisation, Charge, Completion, Refund, Reversal};
        for (asked, code, expected) in [
            (Charge, "00", Said::Done),
            (Charge, "51", Said::Refused(Reason::InsufficientFunds)),
            (Charge, "14", Said::Refused(Reason::PayerUnavailable)),
            (Charge, "Z9", Said::Refused(Reason::BankRefused)),
            (Charge, "10", Said::Unclear(Reason::BankRefused)),
            (Charge, "09", Said::Unclear(Reason::TooBusy)),
            (Charge, "91", Said::Unclear(Reason::BankAway)),
            (Charge, "94", Said::Unclear(Reason::IdTaken)),
            (Charge, "N0", Said::Unclear(Reason::Fault)),
            (Authorisation, "61", Said::Refused(Reason::LimitExceeded)),
            (Completion, "00", Said::Done),
            (Completion, "94", Said::Done),
            (Completion, "61", Said::Unclear(Reason::LimitExceeded)),
            (Refund, "94", Said::Done),
            (Refund, "21", Said::Refused(Reason::NotReversible)),
            (Refund, "96", Said::Unclear(Reason::Fault)),
            (Reversal, "00", Said::Done),
            (Reversal, "94", Said::Done),
            (Reversal, "25", Said::Unknown),
            (Reversal, "12", Said::Unclear(Reason::NatureUnsupported)),
            (Reversal, "91", Said::Unclear(Reason::BankAway)),
        ] {
            assert_eq!(said(asked, code), expected, "{asked:?} {code}");
        }
    }

    #[test]
    fn m6_only_what_may_be_refused_ever_is() {
        let characters = || ('0'..='9').chain('A'..='Z');
        for code in characters().flat_map(|a| characters().map(move |b| format!("{a}{b}"))) {
            for asked in Asked::ALL {
                let said = said(asked, &code);
                assert!(asked.may_be_refused() || !matches!(said, Said::Refused(_)), "{asked:?} {code}");
                assert!(asked.is_first() || code != "00" || said == Said::Done);
            }
        }
    }

    #[test]
    fn m6_what_was_approved_is_not_taken_back_by_being_unknown() {
        let no = Standing::Refused(Reason::InsufficientFunds);
        for (taken, times, expected) in [
            (None, 2, false),
            (None, 3, true),
            (Some(Standing::Asked), 2, false),
            (Some(Standing::Asked), 3, true),
            (Some(no), 3, true),
            (Some(Standing::Done), 3, false),
            (Some(Standing::Done), i64::MAX, false),
        ] {
            assert_eq!(is_believed(taken, times), expected, "{taken:?} {times}");
        }
    }

    #[test]
    fn m6_a_leg_is_asked_for_once_and_never_after_its_reversal() {
        let no = Standing::Refused(Reason::InsufficientFunds);
        for (known, is_reversed, expected) in [
            (None, false, First::Ask),
            (Some(Standing::Asked), false, First::AskAgain),
            (Some(Standing::Done), false, First::Stands(Standing::Done)),
            (Some(no), false, First::Stands(no)),
            (None, true, First::Void),
            (Some(Standing::Asked), true, First::Void),
            (Some(Standing::Done), true, First::Void),
        ] {
            assert_eq!(first(known, is_reversed), expected, "{known:?} {is_reversed}");
        }
    }

    #[test]
    fn m6_a_leg_is_void_when_its_reversal_is_acknowledged_or_there_is_none_to_tell() {
        let no = Standing::Refused(Reason::InsufficientFunds);
        for (known, reversal, expected) in [
            (None, None, Voiding::Bury),
            (Some(Standing::Asked), None, Voiding::Tell),
            (Some(Standing::Done), None, Voiding::Tell),
            (Some(no), None, Voiding::Done),
            (Some(Standing::Done), Some(Standing::Asked), Voiding::TellAgain),
            (Some(Standing::Done), Some(Standing::Done), Voiding::Done),
            (None, Some(Standing::Done), Voiding::Done),
        ] {
            assert_eq!(voiding(known, reversal), expected, "{known:?} {reversal:?}");
        }
    }

    #[test]
    fn m6_what_is_approved_after_all_has_its_reversal_told_again_when_that_was_answered() {
        let no = Standing::Refused(Reason::InsufficientFunds);
        for (reversal, was_sent, expected) in [
            (Standing::Asked, true, Again::OnceAnswered),
            (Standing::Asked, false, Again::Never),
            (Standing::Done, true, Again::AtOnce),
            (Standing::Done, false, Again::Never),
            (no, true, Again::Never),
        ] {
            assert_eq!(again(reversal, was_sent), expected, "{reversal:?} {was_sent}");
        }
    }

    #[test]
    fn m6_the_whole_of_the_same_day_is_reversed_and_all_else_refunded() {
        assert_eq!(giving_back(true, true), Asked::Reversal);
        for (is_whole, is_same_day) in [(true, false), (false, true), (false, false)] {
            assert_eq!(giving_back(is_whole, is_same_day), Asked::Refund);
        }
    }

    #[test]
    fn m6_what_is_stored_is_read_again_and_nothing_else_is() {
        for asked in Asked::ALL {
            assert_eq!(Asked::parse(asked.as_str()), Ok(asked));
        }
        for standing in [Standing::Asked, Standing::Done, Standing::Refused(Reason::LimitExceeded)] {
            assert_eq!(Standing::parse(standing.as_str(), Some("LIMIT_EXCEEDED")), Ok(standing));
        }
        assert_eq!(Asked::parse("charge"), Err(Reason::FieldUnknown));
        assert_eq!(Standing::parse("", None), Err(Reason::FieldUnknown));
        assert_eq!(Standing::parse("REFUSED", None), Ok(Standing::Refused(Reason::BankRefused)));
    }

    #[test]
    fn m7_long_names_are_told_by_their_last_characters() {
        for (name, most, expected) in
            [("till-1", 8, "TILL-1"), ("acquirer-1-till-12", 8, "-TILL-12"), ("", 8, ""), ("面馆-1", 8, "-1")]
        {
            assert_eq!(short_name(name, most), expected);
        }
    }
}
