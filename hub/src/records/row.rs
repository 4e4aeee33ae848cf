//! A purchase as it is stored.

use domain::ledger::Nature;
use domain::purchase::{Carrier, Purchase, PurchaseState};
use domain::{BankId, Currency, Money, PaymentId, PersonId, TerminalId};
use server_kit::store::{Row, StoreError};

use crate::directory::snapshot::{items_from_json, merchant_from_json};

/// The columns of a purchase that [`purchase_of`] reads, in order.
macro_rules! purchase_columns {
    () => {
        "payment_id, occurred_at, currency, amount_minor, given_back_minor, bank_id, account_masked, merchant, terminal_id, \
         items, nature, credit_minor, state, carrier"
    };
}
pub(crate) use purchase_columns;

/// How many columns those are.
pub(crate) const PURCHASE_COLUMNS: usize = 14;

/// Reads [`purchase_columns`], the first of which stands in column `at` of the row.
pub(crate) fn purchase_of(row: &Row, at: usize, person_id: PersonId) -> Result<Purchase, StoreError> {
    let snapshot = row.parsed(at + 7, merchant_from_json)?;
    Ok(Purchase {
        payment_id: PaymentId::from_uuid(row.id(at)?),
        carrier: row.parsed(at + 13, Carrier::parse)?,
        state: row.parsed(at + 12, PurchaseState::parse)?,
        person_id,
        nature: row.parsed(at + 10, Nature::parse)?,
        credit_minor: row.maybe_int(at + 11)?,
        amount: Money::new(row.parsed(at + 2, Currency::parse)?, row.int(at + 3)?),
        occurred_at: row.time(at + 1)?,
        bank_id: row.parsed(at + 5, BankId::parse)?,
        account_masked: row.text(at + 6)?,
        merchant: snapshot.merchant,
        terminal_id: row.parsed(at + 8, TerminalId::parse)?,
        place: snapshot.place,
        location: snapshot.location,
        items: row.parsed(at + 9, items_from_json)?,
        given_back_minor: row.int(at + 4)?,
    })
}
