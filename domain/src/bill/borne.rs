//! What a credit account bears of a purchase, and of what comes back of it.

use crate::ledger::Nature;
use crate::purchase::Purchase;

/// What the account bears, in minor units: where nothing is said of a card's two sides, all of it.
pub fn borne(purchase: &Purchase) -> i64 {
    purchase.credit_minor.unwrap_or(purchase.amount.minor).min(purchase.amount.minor)
}

/// How much of `back_minor` goes back to the account after `before_minor` came back: what was drawn last comes back first
/// (`ledger::give_back`), which is the deposit side, but for cash the credit side.
pub fn borne_back(purchase: &Purchase, before_minor: i64, back_minor: i64) -> i64 {
    let credit = borne(purchase);
    let deposit = purchase.amount.minor.saturating_sub(credit);
    let to_credit = |back: i64| match purchase.nature {
        Nature::CashWithdrawal => back.min(credit),
        _ => back.saturating_sub(deposit).clamp(0, credit),
    };
    to_credit(before_minor.saturating_add(back_minor)).saturating_sub(to_credit(before_minor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::purchase::{Carrier, CategoryCode, Merchant, PurchaseState};
    use crate::text::Line;
    use crate::{BankId, Currency, MerchantId, Money, PaymentId, PersonId, TerminalId, Timestamp};

    fn purchase(nature: Nature, credit_minor: Option<i64>) -> Purchase {
        let id = uuid::Uuid::from_u128(1);
        Purchase {
            payment_id: PaymentId::from_uuid(id),
            carrier: Carrier::Hub,
            state: PurchaseState::Posted,
            person_id: PersonId::from_uuid(id),
            nature,
            amount: Money::new(Currency::CNY, 100),
            credit_minor,
            occurred_at: Timestamp::from_secs(0),
            bank_id: BankId::parse("bank-a").unwrap(),
            account_masked: "****4821".into(),
            merchant: Merchant {
                id: MerchantId::parse("tea").unwrap(),
                name: Line::parse("茶馆").unwrap(),
                category: CategoryCode::parse("5814").unwrap(),
            },
            terminal_id: TerminalId::parse("till-1").unwrap(),
            place: None,
            location: None,
            items: Vec::new(),
            given_back_minor: 0,
        }
    }

    #[test]
    fn r8_a_purchase_over_two_sides_comes_back_to_the_credit_side_as_the_ledger_gives_it_back() {
        use Nature::{CashWithdrawal, Purchase};
        // Borne by the credit side; back before and back now of 100; what of that goes to the credit side.
        let table = [
            (Purchase, None, 0, 30, 30),
            (Purchase, None, 90, 10, 10),
            (Purchase, Some(0), 0, 100, 0),
            (Purchase, Some(60), 0, 30, 0),
            (Purchase, Some(60), 30, 30, 20),
            (Purchase, Some(60), 60, 40, 40),
            (Purchase, Some(60), 0, 100, 60),
            (CashWithdrawal, Some(60), 0, 30, 30),
            (CashWithdrawal, Some(60), 30, 40, 30),
            (CashWithdrawal, Some(60), 70, 30, 0),
        ];
        for (nature, credit, before, back, wanted) in table {
            let purchase = purchase(nature, credit);
            assert_eq!(borne(&purchase), credit.unwrap_or(100));
            assert_eq!(borne_back(&purchase, before, back), wanted, "{nature:?} {credit:?} {before} {back}");
        }
    }
}
