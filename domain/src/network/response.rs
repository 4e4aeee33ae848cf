//! Response codes, field 39, and the catalogue of reasons: one table, both ways.
//!
//! ISO 8583:1987, annex A.9, and what China UnionPay adds (Q/CUP 006.2); N0 to ZZ are the standard's for private use. Many reasons share
//! a code; the exact one stands in field 120 (tag 03).

use crate::Reason;
use crate::reason::Class;

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// 00: done.
    Approved,
    /// N0: the payer was sent a code; the payment waits for it.
    CodeSent,
    /// 09: taken in, and the bank has not answered yet; the same message again tells the outcome.
    InProgress,
    /// N5: the network is to charge the card in field 2 by itself, and to tell what became of it.
    Route,
    /// Anything else.
    Refused(Reason),
}

/// The first reason of a row is the one that its code is read as.
#[rustfmt::skip]
const TABLE: &[(&str, &[Reason])] = &[
    ("03", &[Reason::MerchantUnknown]),
    ("05", &[Reason::BankRefused, Reason::PayerDeclined]),
    ("12", &[Reason::NatureUnsupported, Reason::FieldUnknown, Reason::NotAwaitingCode]),
    ("13", &[Reason::AmountMalformed, Reason::AmountNotPositive, Reason::AmountTooLarge, Reason::CurrencyUnknown, Reason::CurrencyMismatch]),
    ("14", &[Reason::PayerUnavailable, Reason::PhoneNumberMalformed, Reason::CardUnknown, Reason::BinUnknown, Reason::BinSuspended, Reason::CardNumberInvalid]),
    ("15", &[Reason::BankUnknown]),
    ("17", &[Reason::Cancelled]),
    ("21", &[Reason::NotReversible, Reason::NotRefundable]),
    ("25", &[Reason::PaymentUnknown, Reason::OriginalUnknown]),
    ("30", &[Reason::MessageMalformed]),
    ("38", &[Reason::AttemptsExhausted]),
    ("41", &[Reason::CardLost]),
    ("51", &[Reason::InsufficientFunds]),
    ("54", &[Reason::CardExpired]),
    ("55", &[Reason::VerificationFailed, Reason::CodeMalformed, Reason::PasswordMalformed, Reason::CardNotVerified]),
    ("58", &[Reason::TerminalUnknown, Reason::TerminalSuspended, Reason::RoleNotAllowed, Reason::NotYours, Reason::RoutingSuspended, Reason::RoutingNeedsTls]),
    ("61", &[Reason::LimitExceeded, Reason::PaymentAboveLimit, Reason::SpendingLimitReached]),
    ("62", &[Reason::AccountFrozen, Reason::CardFrozen]),
    ("64", &[Reason::ReversalAmountMismatch, Reason::RefundTooLarge]),
    ("65", &[Reason::CodesExhausted, Reason::PaymentsTooMany, Reason::LookupsExhausted]),
    ("68", &[Reason::DecisionTimedOut, Reason::RoutingLapsed]),
    ("75", &[Reason::CardLocked]),
    ("78", &[Reason::AccountInactive, Reason::CardInactive, Reason::AccountClosed, Reason::AccountUnknown]),
    ("91", &[Reason::BankAway, Reason::StorageAway, Reason::HubAway, Reason::BankSuspended, Reason::HsmAway]),
    ("92", &[Reason::ShuttingDown]),
    ("94", &[Reason::PaymentIdTaken, Reason::IdTaken]),
    ("95", &[Reason::TotalsDiffer]),
    ("96", &[Reason::Fault]),
    ("99", &[Reason::PinBlockUnreadable, Reason::PinBlockMalformed, Reason::PinRequired]),
    ("A0", &[Reason::MacRefused]),
    ("N1", &[Reason::ReversedBeforeApproval]),
    ("N2", &[Reason::NotSignedOn]),
    ("N3", &[Reason::CodeExpired]),
    ("N4", &[Reason::TooBusy]),
    ("N6", &[Reason::InstrumentNotRoutable]),
];

const APPROVED: &str = "00";
const CODE_SENT: &str = "N0";
const IN_PROGRESS: &str = "09";
const ROUTE: &str = "N5";

/// The two characters of field 39.
pub fn code_of(response: Response) -> &'static str {
    let reason = match response {
        Response::Approved => return APPROVED,
        Response::CodeSent => return CODE_SENT,
        Response::InProgress => return IN_PROGRESS,
        Response::Route => return ROUTE,
        Response::Refused(reason) => reason,
    };
    let row = TABLE.iter().find(|(_, reasons)| reasons.contains(&reason));
    row.map_or(fallback(reason), |(code, _)| code)
}

/// For a reason that no row names, one for its sort of no.
const fn fallback(reason: Reason) -> &'static str {
    match reason.class() {
        Class::Invalid => "30",
        Class::NotFound => "25",
        Class::Exists => "94",
        Class::State => "05",
        Class::Denied | Class::Stranger => "58",
        Class::Exhausted => "65",
        Class::Away => "91",
        Class::Fault => "96",
    }
}

/// What a peer's code says. One that is not in the table is a refusal.
pub fn response_of(code: &str) -> Response {
    match code {
        APPROVED => Response::Approved,
        CODE_SENT => Response::CodeSent,
        IN_PROGRESS => Response::InProgress,
        ROUTE => Response::Route,
        code => {
            let row = TABLE.iter().find(|(known, _)| *known == code);
            Response::Refused(row.and_then(|(_, reasons)| reasons.first()).copied().unwrap_or(Reason::BankRefused))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn m7_every_reason_has_a_code_that_is_no_approval() {
        for reason in Reason::ALL {
            let code = code_of(Response::Refused(*reason));
            assert_eq!(code.len(), 2, "{reason:?}");
            assert!(matches!(response_of(code), Response::Refused(_)), "{reason:?} would be read as {code}");
        }
    }

    #[test]
    fn m7_every_code_and_every_reason_stands_once_and_the_first_comes_back() {
        let codes: HashSet<&str> = TABLE.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), TABLE.len());
        let reasons: Vec<Reason> = TABLE.iter().flat_map(|(_, reasons)| *reasons).copied().collect();
        assert_eq!(reasons.iter().collect::<HashSet<_>>().len(), reasons.len());
        for (code, reasons) in TABLE {
            for reason in *reasons {
                assert_eq!(code_of(Response::Refused(*reason)), *code, "{reason:?}");
            }
            assert_eq!(response_of(code), Response::Refused(*reasons.first().unwrap()));
        }
        for (response, code) in [
            (Response::Approved, "00"),
            (Response::CodeSent, "N0"),
            (Response::InProgress, "09"),
            (Response::Route, "N5"),
        ] {
            assert_eq!((code_of(response), response_of(code)), (code, response));
        }
        assert_eq!(response_of("Z9"), Response::Refused(Reason::BankRefused));
    }
}
