//! What a credit account is opened with beside its limits.

use super::{Account, AccountKind, AccountStatus, Books, Decided, NewAccount, OpeningOrder, open_account};
use crate::credit::Terms;
use crate::{AccountId, Reason, Timestamp};

/// What bank and holder have agreed on for a credit account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    pub terms: Terms,
    /// The deposit account of the same holder that repays it on the due day; `None` when none does.
    pub repay_from: Option<AccountId>,
}

/// Opens a credit account. `before` is what it was opened with if it is there already: the same again gives the account as it
/// stands. `Err` with `TermsMalformed`, `FieldUnknown` for another kind of account, `IdTaken`, `AmountMalformed`, or for the
/// account that is to repay it `AccountUnknown` (none of this holder, or not one that can) or `AccountClosed`.
pub fn open_credit_account(
    books: &Books,
    order: &OpeningOrder,
    agreement: &Agreement,
    before: Option<&Agreement>,
    now: Timestamp,
) -> Result<Decided<Account>, Reason> {
    agreement.terms.check()?;
    if !matches!(order.new, NewAccount::Credit { .. }) {
        return Err(Reason::FieldUnknown);
    }
    let decided = open_account(books, order, now)?;
    if decided.change.is_empty() {
        return if before == Some(agreement) { Ok(decided) } else { Err(Reason::IdTaken) };
    }
    if let Some(id) = agreement.repay_from {
        let same_holder = |account: &&Account| {
            account.kind == AccountKind::CustomerDeposit
                && account.currency == order.currency
                && account.holder.as_ref() == Some(&order.holder)
        };
        let source = books.account(id).filter(same_holder).ok_or(Reason::AccountUnknown)?;
        if source.status == AccountStatus::Closed {
            return Err(Reason::AccountClosed);
        }
    }
    Ok(decided)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use uuid::Uuid;

    use super::*;
    use crate::Currency;
    use crate::credit::AutoRepay;
    use crate::text::Line;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const LIMITS: NewAccount = NewAccount::Credit { limit_minor: 1_000, cash_limit_minor: 300 };

    fn id(n: u128) -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(n))
    }

    fn order(n: u128, new: NewAccount, currency: &str, holder: &str) -> OpeningOrder {
        OpeningOrder {
            account_id: id(n),
            new,
            currency: Currency::parse(currency).unwrap(),
            holder: Line::parse(holder).unwrap(),
            payment_limit_minor: 0,
            number: n.to_string().into(),
        }
    }

    /// Deposit accounts 1 of Zoë, 2 of Zoë in dollars, 3 of somebody else, 5 that is closed, and savings 4 of Zoë.
    fn books() -> Books {
        let mut books = Books::default();
        books.load_cards([], date(2026, 1, 6));
        for (n, new, currency, holder) in [
            (1, NewAccount::Deposit, "CNY", "Zoë"),
            (2, NewAccount::Deposit, "USD", "Zoë"),
            (3, NewAccount::Deposit, "CNY", "王小明"),
            (4, NewAccount::Savings, "CNY", "Zoë"),
            (5, NewAccount::Deposit, "CNY", "Zoë"),
        ] {
            let opened = open_account(&books, &order(n, new, currency, holder), NOW).unwrap();
            books.apply(opened.change);
        }
        let closed = Account { status: AccountStatus::Closed, ..books.account(id(5)).unwrap().clone() };
        books.load([closed], [], []);
        books
    }

    fn agreement(repay_from: Option<u128>) -> Agreement {
        Agreement { terms: Terms::usual(5), repay_from: repay_from.map(id) }
    }

    #[test]
    fn c7_a_credit_account_is_repaid_from_a_deposit_account_of_the_same_holder_and_currency() {
        let table = [
            ("none", None, Ok(())),
            ("of the same holder", Some(1), Ok(())),
            ("in another currency", Some(2), Err(Reason::AccountUnknown)),
            ("of somebody else", Some(3), Err(Reason::AccountUnknown)),
            ("savings", Some(4), Err(Reason::AccountUnknown)),
            ("closed", Some(5), Err(Reason::AccountClosed)),
            ("itself", Some(9), Err(Reason::AccountUnknown)),
        ];
        for (name, repay_from, wanted) in table {
            let order = order(9, LIMITS, "CNY", "Zoë");
            let opened = open_credit_account(&books(), &order, &agreement(repay_from), None, NOW);
            assert_eq!(opened.map(|_| ()), wanted, "{name}");
        }
    }

    #[test]
    fn the_same_opening_gives_the_same_account_and_another_one_is_refused() {
        let (mut books, agreed) = (books(), agreement(Some(1)));
        let first = order(9, LIMITS, "CNY", "Zoë");
        let opened = open_credit_account(&books, &first, &agreed, None, NOW).unwrap();
        assert_eq!(opened.change.position.as_ref().map(crate::credit::Position::next_day), Some(date(2026, 1, 6)));
        books.apply(opened.change);
        let again = |order: &OpeningOrder, agreement: &Agreement| {
            open_credit_account(&books, order, agreement, Some(&agreed), NOW).map(|decided| decided.change.is_empty())
        };
        assert_eq!(again(&first, &agreed), Ok(true));
        let terms = Terms { auto_repay: AutoRepay::Off, ..agreed.terms };
        let limits = NewAccount::Credit { limit_minor: 1_001, cash_limit_minor: 300 };
        for (order, agreement) in [
            (&first, Agreement { terms, ..agreed }),
            (&first, Agreement { repay_from: None, ..agreed }),
            (&order(9, limits, "CNY", "Zoë"), agreed),
            (&order(1, LIMITS, "CNY", "Zoë"), agreed),
        ] {
            assert_eq!(again(order, &agreement), Err(Reason::IdTaken), "{order:?}");
        }
        let malformed = Agreement { terms: Terms { close_day: 0, ..agreed.terms }, ..agreed };
        assert_eq!(again(&first, &malformed), Err(Reason::TermsMalformed));
        assert_eq!(again(&order(9, NewAccount::Deposit, "CNY", "Zoë"), &agreed), Err(Reason::FieldUnknown));
    }
}
