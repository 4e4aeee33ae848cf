//! Purchases for tests.

use uuid::Uuid;

use crate::ledger::Nature;
use crate::purchase::{Carrier, CategoryCode, LineItem, Merchant, Purchase, PurchaseState};
use crate::text::Line;
use crate::{BankId, Currency, MerchantId, Money, PaymentId, PersonId, TerminalId, Timestamp};

/// Noodles at 老王面馆, charged by bank-a.
pub(crate) fn purchase(amount_minor: i64, at_secs: i64) -> Purchase {
    Purchase {
        payment_id: PaymentId::from_uuid(Uuid::from_u128(1)),
        carrier: Carrier::Hub,
        state: PurchaseState::Posted,
        person_id: PersonId::from_uuid(Uuid::from_u128(2)),
        nature: Nature::Purchase,
        amount: Money::new(Currency::CNY, amount_minor),
        credit_minor: None,
        occurred_at: Timestamp::from_secs(at_secs),
        bank_id: BankId::parse("bank-a").unwrap(),
        account_masked: "****4821".to_owned(),
        merchant: Merchant {
            id: MerchantId::parse("noodles").unwrap(),
            name: Line::parse("老王面馆").unwrap(),
            category: CategoryCode::parse("5812").unwrap(),
        },
        terminal_id: TerminalId::parse("till-1").unwrap(),
        place: None,
        location: None,
        items: vec![LineItem::new("牛肉面", "6901234567892", 1_000, amount_minor).unwrap()],
        given_back_minor: 0,
    }
}
