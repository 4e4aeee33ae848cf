//! Response codes, field 39, and the catalogue of reasons: one table, both ways.

use domain::Reason;
use domain::reason::Class;
use iso8583::element::ResponseCode;

/// What a response code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done as it was asked for.
    Approved,
    /// No, and that is final.
    Refused(Reason),
    /// Neither: the peer cannot tell, or did something else than it was asked for. Void it, or ask again.
    Unclear(Reason),
}

use Verdict::{Approved, Refused, Unclear};

/// ISO 8583:1987, annex A.9, and what China UnionPay adds (Q/CUP 006.2). An approval that is not of the whole amount, or that
/// wants somebody to look at the holder's papers, is none here. Of two rows with one reason the first is the code that the
/// reason becomes.
#[rustfmt::skip]
const TABLE: &[(&str, Verdict)] = &[
    ("00", Approved),
    ("14", Refused(Reason::CardUnknown)),
    ("54", Refused(Reason::CardExpired)),
    ("57", Refused(Reason::NatureUnsupported)),
    ("62", Refused(Reason::CardFrozen)),
    ("75", Refused(Reason::CardLocked)),
    ("91", Unclear(Reason::BankAway)),
    ("05", Refused(Reason::BankRefused)),
    ("01", Refused(Reason::BankRefused)),
    ("02", Refused(Reason::BankRefused)),
    ("03", Refused(Reason::MerchantUnknown)),
    ("04", Refused(Reason::CardClosed)),
    ("06", Unclear(Reason::Fault)),
    ("08", Unclear(Reason::BankRefused)),
    ("09", Unclear(Reason::TooBusy)),
    ("28", Unclear(Reason::TooBusy)),
    ("10", Unclear(Reason::BankRefused)),
    ("11", Unclear(Reason::BankRefused)),
    ("16", Unclear(Reason::BankRefused)),
    ("12", Refused(Reason::NatureUnsupported)),
    ("13", Refused(Reason::AmountMalformed)),
    ("15", Refused(Reason::BankUnknown)),
    ("19", Unclear(Reason::BankAway)),
    ("22", Unclear(Reason::BankAway)),
    ("25", Refused(Reason::LegUnknown)),
    ("30", Refused(Reason::MessageMalformed)),
    ("27", Refused(Reason::MessageMalformed)),
    ("29", Refused(Reason::BankRefused)),
    ("33", Refused(Reason::CardExpired)),
    ("34", Refused(Reason::BankRefused)),
    ("36", Refused(Reason::CardFrozen)),
    ("38", Refused(Reason::CardLocked)),
    ("39", Refused(Reason::AccountUnknown)),
    ("40", Refused(Reason::NatureUnsupported)),
    ("41", Refused(Reason::CardLost)),
    ("42", Refused(Reason::AccountUnknown)),
    ("43", Refused(Reason::CardLost)),
    ("51", Refused(Reason::InsufficientFunds)),
    ("55", Refused(Reason::CardNotVerified)),
    ("56", Refused(Reason::CardUnknown)),
    ("58", Refused(Reason::TerminalUnknown)),
    ("59", Refused(Reason::BankRefused)),
    ("61", Refused(Reason::LimitExceeded)),
    ("63", Refused(Reason::Fault)),
    ("64", Refused(Reason::ReversalAmountMismatch)),
    ("65", Refused(Reason::LimitExceeded)),
    ("68", Unclear(Reason::BankAway)),
    ("78", Refused(Reason::CardInactive)),
    ("82", Refused(Reason::CardNotVerified)),
    ("90", Unclear(Reason::BankAway)),
    ("92", Unclear(Reason::BankAway)),
    ("94", Refused(Reason::IdTaken)),
    ("26", Refused(Reason::IdTaken)),
    ("96", Unclear(Reason::Fault)),
    ("98", Unclear(Reason::BankAway)),
    ("99", Refused(Reason::PinBlockUnreadable)),
    ("A0", Refused(Reason::Fault)),
];

/// What the code says. A code that is not in the table is a refusal.
pub fn verdict(code: ResponseCode) -> Verdict {
    let [first, second] = code.characters();
    let row = TABLE.iter().find(|(known, _)| known.as_bytes() == [first, second]);
    row.map_or(Refused(Reason::BankRefused), |(_, verdict)| *verdict)
}

/// The code by which a peer is told the reason: that of the table, or one for its sort of no.
pub fn code(reason: Reason) -> ResponseCode {
    let of = |verdict: &Verdict| match verdict {
        Refused(known) | Unclear(known) => *known == reason,
        Approved => false,
    };
    let preferred = match reason {
        Reason::StorageAway | Reason::ShuttingDown | Reason::HsmAway => Some("91"),
        Reason::Fault => Some("96"),
        Reason::BankRefused => Some("05"),
        _ => TABLE.iter().find(|(_, verdict)| of(verdict)).map(|(code, _)| *code),
    };
    let fallback = match reason.class() {
        Class::Invalid => "30",
        Class::NotFound => "14",
        Class::Exists => "94",
        Class::Denied | Class::Stranger => "58",
        Class::Exhausted => "61",
        Class::Away => "91",
        Class::Fault => "96",
        Class::State => "05",
    };
    ResponseCode::from_text(preferred.unwrap_or(fallback)).unwrap_or(ResponseCode::APPROVED)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn of(text: &str) -> Verdict {
        verdict(ResponseCode::from_text(text).unwrap())
    }

    #[test]
    fn c8_the_codes_of_a_credit_system_are_the_reasons_of_the_catalogue() {
        for (code, expected) in [
            ("00", Approved),
            ("05", Refused(Reason::BankRefused)),
            ("14", Refused(Reason::CardUnknown)),
            ("41", Refused(Reason::CardLost)),
            ("51", Refused(Reason::InsufficientFunds)),
            ("54", Refused(Reason::CardExpired)),
            ("55", Refused(Reason::CardNotVerified)),
            ("57", Refused(Reason::NatureUnsupported)),
            ("61", Refused(Reason::LimitExceeded)),
            ("62", Refused(Reason::CardFrozen)),
            ("65", Refused(Reason::LimitExceeded)),
            ("75", Refused(Reason::CardLocked)),
            ("91", Unclear(Reason::BankAway)),
            ("96", Unclear(Reason::Fault)),
            ("10", Unclear(Reason::BankRefused)),
            ("26", Refused(Reason::IdTaken)),
            ("28", Unclear(Reason::TooBusy)),
            ("Z9", Refused(Reason::BankRefused)),
        ] {
            assert_eq!(of(code), expected, "{code}");
        }
    }

    #[test]
    fn c8_the_reasons_of_the_catalogue_are_codes_that_a_peer_understands() {
        for (reason, expected) in [
            (Reason::BankRefused, "05"),
            (Reason::CardUnknown, "14"),
            (Reason::InsufficientFunds, "51"),
            (Reason::CardExpired, "54"),
            (Reason::CardNotVerified, "55"),
            (Reason::NatureUnsupported, "57"),
            (Reason::LimitExceeded, "61"),
            (Reason::CardLocked, "75"),
            (Reason::BankAway, "91"),
            (Reason::StorageAway, "91"),
            (Reason::Fault, "96"),
            (Reason::TextMalformed, "30"),
            (Reason::RoleNotAllowed, "58"),
        ] {
            assert_eq!(code(reason).to_string(), expected, "{reason:?}");
        }
        for reason in Reason::ALL {
            assert_ne!(code(*reason), ResponseCode::APPROVED, "{reason:?} is no approval");
        }
    }

    #[test]
    fn every_code_stands_once_and_a_reason_that_stands_comes_back() {
        let codes: HashSet<&str> = TABLE.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), TABLE.len());
        for (text, verdict) in TABLE {
            if let Refused(reason) | Unclear(reason) = verdict {
                let back = super::verdict(code(*reason));
                assert!(matches!(back, Refused(same) | Unclear(same) if same == *reason), "{text}: {back:?}");
            }
        }
    }
}
