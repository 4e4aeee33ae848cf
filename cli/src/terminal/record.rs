//! What a terminal writes down, and what it owes according to what is written.

use std::collections::{BTreeMap, BTreeSet};

use domain::{AttemptId, Currency, ErrandId, Money, PaymentId};
use serde::{Deserialize, Serialize};

/// One line of the journal. It carries no phone number, no code and no password: whoever finds the journal of a
/// stolen terminal learns amounts and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// A payment or a refund is about to be sent for the first time (D0).
    Begun {
        #[serde(with = "as_text")]
        payment_id: PaymentId,
        currency: String,
        amount_minor: i64,
        /// For a refund, the payment that it gives back from.
        #[serde(with = "as_maybe_text", default, skip_serializing_if = "Option::is_none")]
        refund_of: Option<PaymentId>,
    },
    /// A try at authorising is about to be sent.
    Attempt {
        #[serde(with = "as_text")]
        payment_id: PaymentId,
        #[serde(with = "as_text")]
        attempt_id: AttemptId,
    },
    /// The hub has answered the try, so that the next one is a new one.
    Answered {
        #[serde(with = "as_text")]
        payment_id: PaymentId,
    },
    /// The terminal gave up: the reversal is sent until it is acknowledged.
    ReversalOwed {
        #[serde(with = "as_text")]
        payment_id: PaymentId,
        currency: String,
        amount_minor: i64,
    },
    /// What a pre-authorisation came to: the completion is sent until it is acknowledged.
    CompletionOwed {
        #[serde(with = "as_text")]
        payment_id: PaymentId,
        currency: String,
        amount_minor: i64,
    },
    /// An errand is about to be sent for the first time (D0).
    ErrandBegun {
        #[serde(with = "as_text")]
        errand_id: ErrandId,
        /// What it is for, in the words of the contract.
        errand: String,
    },
    /// The end of an errand was heard.
    ErrandSettled {
        #[serde(with = "as_text")]
        errand_id: ErrandId,
        outcome: String,
    },
    /// Nothing is left to do: a final state was seen, or the reversal was acknowledged.
    Settled {
        #[serde(with = "as_text")]
        payment_id: PaymentId,
        outcome: String,
    },
}

impl Record {
    pub(super) fn begun(payment_id: PaymentId, amount: Money, refund_of: Option<PaymentId>) -> Self {
        Self::Begun { payment_id, currency: amount.currency.code().to_owned(), amount_minor: amount.minor, refund_of }
    }

    pub(super) fn reversal_owed(payment_id: PaymentId, amount: Money) -> Self {
        Self::ReversalOwed { payment_id, currency: amount.currency.code().to_owned(), amount_minor: amount.minor }
    }

    pub(super) fn completion_owed(payment_id: PaymentId, amount: Money) -> Self {
        let currency = amount.currency.code().to_owned();
        Self::CompletionOwed { payment_id, currency, amount_minor: amount.minor }
    }

    pub(super) fn settled(payment_id: PaymentId, outcome: &str) -> Self {
        Self::Settled { payment_id, outcome: outcome.to_owned() }
    }

    /// Whether the record must be on disk before anything else happens. What is only bookkeeping may be lost: the
    /// terminal then asks once more.
    pub(super) const fn is_promise(&self) -> bool {
        matches!(
            self,
            Self::Begun { .. }
                | Self::Attempt { .. }
                | Self::ReversalOwed { .. }
                | Self::CompletionOwed { .. }
                | Self::ErrandBegun { .. }
        )
    }

    /// The record before which a terminal may die without having sent anything.
    pub(super) const fn is_begun(&self) -> bool {
        matches!(self, Self::Begun { .. })
    }
}

/// A payment that is not settled, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPayment {
    pub amount: Money,
    pub refund_of: Option<PaymentId>,
    /// The try that was sent and not answered.
    pub attempt: Option<AttemptId>,
    pub reversal_owed: bool,
    /// What it is to be completed with, as long as the hub has not acknowledged it.
    pub completion_owed: Option<Money>,
}

impl OpenPayment {
    /// Whether something about it is to be sent until it is acknowledged.
    pub const fn is_owed(&self) -> bool {
        self.reversal_owed || self.completion_owed.is_some()
    }
}

/// Everything that is not settled. It is made by applying the records in their order.
#[derive(Debug, Default)]
pub(super) struct Book {
    open: BTreeMap<PaymentId, OpenPayment>,
    errands: BTreeSet<ErrandId>,
}

impl Book {
    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::Begun { payment_id, currency, amount_minor, refund_of } => {
                self.enter(*payment_id, currency, *amount_minor, *refund_of);
            }
            Record::Attempt { payment_id, attempt_id } => {
                if let Some(open) = self.open.get_mut(payment_id) {
                    open.attempt = Some(*attempt_id);
                }
            }
            Record::Answered { payment_id } => {
                if let Some(open) = self.open.get_mut(payment_id) {
                    open.attempt = None;
                }
            }
            Record::ReversalOwed { payment_id, currency, amount_minor } => {
                self.enter(*payment_id, currency, *amount_minor, None);
                if let Some(open) = self.open.get_mut(payment_id) {
                    open.reversal_owed = true;
                }
            }
            Record::CompletionOwed { payment_id, currency, amount_minor } => {
                self.enter(*payment_id, currency, *amount_minor, None);
                if let (Some(open), Ok(currency)) = (self.open.get_mut(payment_id), Currency::parse(currency)) {
                    open.completion_owed = Some(Money::new(currency, *amount_minor));
                }
            }
            Record::Settled { payment_id, .. } => {
                self.open.remove(payment_id);
            }
            Record::ErrandBegun { errand_id, .. } => {
                self.errands.insert(*errand_id);
            }
            Record::ErrandSettled { errand_id, .. } => {
                self.errands.remove(errand_id);
            }
        }
    }

    fn enter(&mut self, id: PaymentId, currency: &str, minor: i64, refund_of: Option<PaymentId>) {
        // The currency was checked before it was written, and the checksum vouches for the record.
        if let Ok(currency) = Currency::parse(currency) {
            let amount = Money::new(currency, minor);
            let new = OpenPayment { amount, refund_of, attempt: None, reversal_owed: false, completion_owed: None };
            self.open.entry(id).or_insert(new);
        }
    }

    pub(super) fn get(&self, id: PaymentId) -> Option<&OpenPayment> {
        self.open.get(&id)
    }

    pub(super) fn errands(&self) -> Vec<ErrandId> {
        self.errands.iter().copied().collect()
    }

    pub(super) fn all(&self) -> Vec<(PaymentId, OpenPayment)> {
        self.open.iter().map(|(id, open)| (*id, open.clone())).collect()
    }
}

/// Ids in their one spelling.
mod as_text {
    use std::fmt::Display;

    use domain::{AttemptId, ErrandId, PaymentId, Reason};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) trait Spelled: Sized {
        fn read(text: &str) -> Result<Self, Reason>;
    }

    impl Spelled for PaymentId {
        fn read(text: &str) -> Result<Self, Reason> {
            Self::parse(text)
        }
    }

    impl Spelled for ErrandId {
        fn read(text: &str) -> Result<Self, Reason> {
            Self::parse(text)
        }
    }

    impl Spelled for AttemptId {
        fn read(text: &str) -> Result<Self, Reason> {
            Self::parse(text)
        }
    }

    pub(super) fn serialize<T: Display, S: Serializer>(id: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, T: Spelled, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::read(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

mod as_maybe_text {
    use domain::PaymentId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &Option<PaymentId>, serializer: S) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => serializer.collect_str(id),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PaymentId>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| PaymentId::parse(&text)).transpose().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment() -> PaymentId {
        PaymentId::parse("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f").unwrap()
    }

    fn attempt() -> AttemptId {
        AttemptId::parse("0192f0c1-7a6b-7c3d-8e4f-000000000001").unwrap()
    }

    fn yuan(minor: i64) -> Money {
        Money::new(Currency::CNY, minor)
    }

    fn book(records: &[Record]) -> Book {
        let mut book = Book::default();
        records.iter().for_each(|record| book.apply(record));
        book
    }

    #[test]
    fn a_try_that_was_not_answered_is_found_again_and_an_answered_one_is_not() {
        let begun = Record::begun(payment(), yuan(1250), None);
        let tried = Record::Attempt { payment_id: payment(), attempt_id: attempt() };
        let open = book(&[begun.clone(), tried.clone()]);
        assert_eq!(open.get(payment()).unwrap().attempt, Some(attempt()));
        let answered = book(&[begun, tried, Record::Answered { payment_id: payment() }]);
        assert_eq!(answered.get(payment()).unwrap().attempt, None);
    }

    #[test]
    fn what_is_settled_is_owed_no_longer_and_a_later_reversal_is_owed_again() {
        let begun = Record::begun(payment(), yuan(1250), None);
        let settled = Record::settled(payment(), "APPROVED");
        assert!(book(&[begun.clone(), settled.clone()]).all().is_empty());
        let owed = Record::reversal_owed(payment(), yuan(1250));
        let again = book(&[begun, settled, owed]);
        let open = again.get(payment()).unwrap();
        assert!(open.reversal_owed && open.amount == yuan(1250));
    }

    #[test]
    fn a_completion_is_owed_until_it_is_settled() {
        let begun = Record::begun(payment(), yuan(1250), None);
        let owed = Record::completion_owed(payment(), yuan(900));
        let open = book(&[begun.clone(), owed.clone()]);
        assert_eq!(open.get(payment()).unwrap().completion_owed, Some(yuan(900)));
        assert_eq!(open.get(payment()).unwrap().amount, yuan(1250));
        assert!(book(&[begun, owed, Record::settled(payment(), "APPROVED")]).all().is_empty());
    }

    #[test]
    fn a_record_says_nothing_of_the_payer() {
        let text = serde_json::to_string(&Record::begun(payment(), yuan(1250), None)).unwrap();
        let expected = r#"{"kind":"begun","payment_id":"0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f","currency":"CNY","amount_minor":1250}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), Record::begun(payment(), yuan(1250), None));
    }
}
