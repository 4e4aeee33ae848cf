//! Between the messages of the counter and credit accounts. What cannot be read is a reason.

use domain::credit::{AutoRepay, Due, LateFee, Minimum, Statement, Terms};
use domain::ledger::{Agreement, CreditLine, NewAccount};
use domain::{AccountId, Reason};
use jiff::civil::Date;
use proto::counter;
use rust_decimal::Decimal;

use super::{DaysClosed, Page};

/// The length of a decimal such as `0.0005`: longer ones are no rate of a bank.
const MOST_DECIMAL: usize = 16;
const USUAL_PAGE: i64 = 100;
const LONGEST_PAGE: i32 = 200;

/// The limits of a credit account to open, and what is agreed on.
pub(crate) fn agreement(line: Option<&counter::CreditLine>) -> Result<(NewAccount, Agreement), Reason> {
    let line = line.ok_or(Reason::FieldMissing)?;
    let new = NewAccount::Credit { limit_minor: line.limit_minor, cash_limit_minor: line.cash_limit_minor };
    let terms = terms(line.terms.as_ref().ok_or(Reason::FieldMissing)?)?;
    let repay_from = match line.repay_from_account_id.as_str() {
        "" => None,
        id => Some(AccountId::parse(id)?),
    };
    Ok((new, Agreement { terms, repay_from }))
}

/// The terms, where what is left out is what is usual. `Err(TermsMalformed)` for what is no number or out of its range.
fn terms(terms: &counter::CreditTerms) -> Result<Terms, Reason> {
    use counter::credit_terms::Due as Given;
    let small = |number: u32| u8::try_from(number).map_err(|_| Reason::TermsMalformed);
    let usual = Terms::usual(small(terms.close_day)?);
    let read = Terms {
        close_day: usual.close_day,
        due: match terms.due {
            None => usual.due,
            Some(Given::DueDay(day)) => Due::Day(small(day)?),
            Some(Given::DueDaysAfterClose(days)) => Due::DaysAfterClose(small(days)?),
        },
        grace_days: terms.grace_days.map_or(Ok(usual.grace_days), small)?,
        daily_rate: decimal(&terms.daily_rate, usual.daily_rate)?,
        minimum: Minimum {
            purchase_share: decimal(&terms.minimum_purchase_share, usual.minimum.purchase_share)?,
            cash_share: decimal(&terms.minimum_cash_share, usual.minimum.cash_share)?,
            floor_minor: terms.minimum_floor_minor.unwrap_or(usual.minimum.floor_minor),
        },
        late_fee: LateFee {
            share: decimal(&terms.late_fee_share, usual.late_fee.share)?,
            floor_minor: terms.late_fee_floor_minor.unwrap_or(usual.late_fee.floor_minor),
            cap_minor: terms.late_fee_cap_minor.unwrap_or(usual.late_fee.cap_minor),
        },
        auto_repay: match counter::AutoRepay::try_from(terms.auto_repay).map_err(|_| Reason::FieldUnknown)? {
            counter::AutoRepay::Unspecified | counter::AutoRepay::Full => AutoRepay::Full,
            counter::AutoRepay::Minimum => AutoRepay::Minimum,
            counter::AutoRepay::Off => AutoRepay::Off,
        },
    };
    read.check()?;
    Ok(read)
}

/// A decimal of digits with at most one point among them, or what is usual for an empty one.
fn decimal(text: &str, usual: Decimal) -> Result<Decimal, Reason> {
    if text.is_empty() {
        return Ok(usual);
    }
    let whole_and_part = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() > MOST_DECIMAL || !is_number(whole_and_part.0) || !is_number(whole_and_part.1) {
        return Err(Reason::TermsMalformed);
    }
    text.parse().map_err(|_| Reason::TermsMalformed)
}

/// The credit side of an account, with nothing left out.
pub(crate) fn to_credit_line(line: CreditLine, agreement: &Agreement) -> counter::CreditLine {
    use counter::credit_terms::Due as Given;
    let terms = agreement.terms;
    let terms = counter::CreditTerms {
        close_day: terms.close_day.into(),
        due: Some(match terms.due {
            Due::Day(day) => Given::DueDay(day.into()),
            Due::DaysAfterClose(days) => Given::DueDaysAfterClose(days.into()),
        }),
        grace_days: Some(terms.grace_days.into()),
        daily_rate: terms.daily_rate.to_string(),
        minimum_purchase_share: terms.minimum.purchase_share.to_string(),
        minimum_cash_share: terms.minimum.cash_share.to_string(),
        minimum_floor_minor: Some(terms.minimum.floor_minor),
        late_fee_share: terms.late_fee.share.to_string(),
        late_fee_floor_minor: Some(terms.late_fee.floor_minor),
        late_fee_cap_minor: Some(terms.late_fee.cap_minor),
        auto_repay: match terms.auto_repay {
            AutoRepay::Full => counter::AutoRepay::Full,
            AutoRepay::Minimum => counter::AutoRepay::Minimum,
            AutoRepay::Off => counter::AutoRepay::Off,
        }
        .into(),
    };
    counter::CreditLine {
        limit_minor: line.limit_minor,
        cash_limit_minor: line.cash_limit_minor,
        terms: Some(terms),
        repay_from_account_id: agreement.repay_from.map(|id| id.to_string()).unwrap_or_default(),
    }
}

/// A day as YYYY-MM-DD; `None` for an empty one.
pub(crate) fn read_day(text: &str) -> Result<Option<Date>, Reason> {
    if text.is_empty() {
        return Ok(None);
    }
    let day: Date = text.parse().map_err(|_| Reason::DayMalformed)?;
    // Other forms of ISO 8601 are read too, and refused.
    if day.to_string() == text { Ok(Some(day)) } else { Err(Reason::DayMalformed) }
}

pub(crate) fn to_closed(closed: &DaysClosed) -> counter::CloseDaysResponse {
    counter::CloseDaysResponse {
        through: closed.through.to_string(),
        accounts: closed.accounts,
        days: closed.days,
        statements: closed.statements,
        bookings: closed.bookings,
    }
}

pub(crate) fn list_request(request: &counter::ListStatementsRequest) -> Result<Page, Reason> {
    let limit = match request.page_size {
        0 => USUAL_PAGE,
        size @ 1..=LONGEST_PAGE => size.into(),
        _ => return Err(Reason::PageSizeOutOfRange),
    };
    let before_number = (request.before_number > 0).then_some(request.before_number);
    Ok(Page { account_id: AccountId::parse(&request.account_id)?, before_number, limit })
}

pub(crate) fn to_statement((statement, missed_minor): &(Statement, Option<i64>)) -> counter::Statement {
    counter::Statement {
        number: statement.number,
        from: statement.from.to_string(),
        closed_on: statement.closed_on.to_string(),
        due_on: statement.due_on.to_string(),
        opening_minor: statement.opening_minor,
        purchases_minor: statement.purchases_minor,
        cash_advances_minor: statement.cash_advances_minor,
        fees_minor: statement.fees_minor,
        interest_on_purchases_minor: statement.interest_on_purchases_minor,
        interest_on_cash_minor: statement.interest_on_cash_minor,
        repayments_minor: statement.repayments_minor,
        refunds_minor: statement.refunds_minor,
        closing_minor: statement.closing_minor,
        minimum_due_minor: statement.minimum_due_minor,
        missed_minor: *missed_minor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> counter::CreditTerms {
        counter::CreditTerms { close_day: 5, ..counter::CreditTerms::default() }
    }

    #[test]
    fn terms_that_are_left_out_are_the_usual_ones() {
        assert_eq!(terms(&given()), Ok(Terms::usual(5)));
        let agreed = Agreement { terms: Terms { due: Due::Day(31), ..Terms::usual(5) }, repay_from: None };
        let told = to_credit_line(CreditLine { limit_minor: 7, cash_limit_minor: 3, ..CreditLine::default() }, &agreed);
        let (new, again) = agreement(Some(&told)).unwrap();
        assert_eq!((new, again), (NewAccount::Credit { limit_minor: 7, cash_limit_minor: 3 }, agreed));
        assert_eq!(agreement(None), Err(Reason::FieldMissing));
        assert_eq!(agreement(Some(&counter::CreditLine { terms: None, ..told })), Err(Reason::FieldMissing));
    }

    #[test]
    fn terms_that_make_no_sense_are_refused() {
        use counter::credit_terms::Due as Given;
        let rate = |text: &str| counter::CreditTerms { daily_rate: text.to_owned(), ..given() };
        let table = [
            counter::CreditTerms::default(),
            counter::CreditTerms { close_day: 261, ..given() },
            counter::CreditTerms { due: Some(Given::DueDay(0)), ..given() },
            counter::CreditTerms { due: Some(Given::DueDaysAfterClose(28)), ..given() },
            counter::CreditTerms { due: Some(Given::DueDaysAfterClose(256 + 20)), ..given() },
            counter::CreditTerms { grace_days: Some(8), ..given() },
            counter::CreditTerms { minimum_purchase_share: "1.01".to_owned(), ..given() },
            counter::CreditTerms { minimum_floor_minor: Some(-1), ..given() },
            counter::CreditTerms { late_fee_floor_minor: Some(60_000), ..given() },
            rate("0.02"),
            rate("-0.0001"),
            rate("+0.0001"),
            rate("1e-4"),
            rate("0.000_1"),
            rate("0,0005"),
            rate(".0005"),
            rate("0."),
            rate("0.0.5"),
            rate("０.0005"),
            rate("0.00000000001"),
            rate("0.00050000000000000000000000000000000000000000"),
        ];
        for bad in table {
            assert_eq!(terms(&bad), Err(Reason::TermsMalformed), "{bad:?}");
        }
        assert_eq!(terms(&counter::CreditTerms { auto_repay: 9, ..given() }), Err(Reason::FieldUnknown));
    }

    #[test]
    fn days_and_pages_are_read_or_refused() {
        assert_eq!(read_day(""), Ok(None));
        assert_eq!(read_day("2026-02-28"), Ok(Some(jiff::civil::date(2026, 2, 28))));
        for bad in ["2026-02-29", "20260228", "2026-2-28", "2026-02-28T00:00", "yesterday", "+002026-02-28"] {
            assert_eq!(read_day(bad), Err(Reason::DayMalformed), "{bad}");
        }
        let request = |page_size, before_number| counter::ListStatementsRequest {
            account_id: "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f".to_owned(),
            page_size,
            before_number,
        };
        let read = |page_size, before| list_request(&request(page_size, before)).map(|p| (p.limit, p.before_number));
        assert_eq!(read(0, 0), Ok((100, None)));
        assert_eq!(read(200, 3), Ok((200, Some(3))));
        for bad in [-1, 201] {
            assert_eq!(read(bad, 0), Err(Reason::PageSizeOutOfRange), "{bad}");
        }
    }
}
