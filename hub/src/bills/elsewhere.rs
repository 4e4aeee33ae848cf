//! Which records are those of another account, though it is masked alike: by the bank's ids of what was paid with.

use std::collections::BTreeSet;

use domain::purchase::Purchase;
use domain::{CardId, PaymentId, PersonId, Timestamp};
use server_kit::store::{Row, Store, StoreError};
use uuid::Uuid;

use super::sql::Kept;

/// What a person has at a bank besides the account of a bill, as far as it has bills of its own.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    /// Accounts, and the cards over them.
    others: BTreeSet<Uuid>,
    /// What was paid with one of them.
    purchases: BTreeSet<PaymentId>,
}

const OTHERS: &str =
    "SELECT DISTINCT account_id, card_id FROM bills WHERE person_id = $1 AND bank_id = $2 AND account_id <> $3";

/// A purchase that the hub carried is known by its payment, another one by its last report.
const PAID_WITH: &str = "\
    SELECT r.payment_id, p.account_id, p.card_id, q.instrument_id FROM purchases r \
    LEFT JOIN payments p ON p.payment_id = r.payment_id \
    LEFT JOIN reported_purchases q ON q.purchase_id = r.payment_id AND q.bank_id = r.bank_id \
    WHERE r.person_id = $1 AND r.bank_id = $2 AND r.occurred_at < $3";

impl Elsewhere {
    /// Of purchases until a moment. Nothing is asked of a person who has one account at the bank.
    pub(super) async fn load(
        store: &Store,
        person_id: PersonId,
        kept: &Kept,
        until: Timestamp,
    ) -> Result<Self, StoreError> {
        let account = &kept.bill.account;
        let (person, bank) = (person_id.uuid(), account.bank_id.as_str());
        let args = vec![person.into(), bank.into(), account.account_id.uuid().into()];
        let mut elsewhere = Self::default();
        for row in store.fetch(OTHERS, args).await? {
            elsewhere.others.insert(row.id(0)?);
            elsewhere.others.extend(row.maybe_id(1)?);
        }
        // A card that has led to both is no reason to leave anything out.
        if let Some(card) = kept.card_id {
            elsewhere.others.remove(&CardId::uuid(card));
        }
        if elsewhere.others.is_empty() {
            return Ok(elsewhere);
        }
        for row in store.fetch(PAID_WITH, vec![person.into(), bank.into(), until.into()]).await? {
            if elsewhere.is_with(&row, 1..4)? {
                elsewhere.purchases.insert(PaymentId::from_uuid(row.id(0)?));
            }
        }
        Ok(elsewhere)
    }

    /// Whether one of these columns names another account, or a card over one.
    pub(super) fn is_with(&self, row: &Row, columns: std::ops::Range<usize>) -> Result<bool, StoreError> {
        for column in columns {
            if row.maybe_id(column)?.is_some_and(|id| self.others.contains(&id)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether this was paid with another account.
    pub(super) fn has(&self, purchase: &Purchase) -> bool {
        self.purchases.contains(&purchase.payment_id)
    }
}
