//! The hub's payments against the banks' legs: one debit for each approved payment, no debit without one.

mod read;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

pub use read::{ReadError, legs_of, payments_of};

/// A payment or refund as the hub's database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRow {
    pub id: Uuid,
    /// `PURCHASE` by phone number, `CARD`, `REFUND` or `TOMBSTONE`; `REPAYMENT` for what a repayment takes, `REPAID` for what it pays in.
    pub kind: String,
    pub state: String,
    pub currency: String,
    /// What is charged: of a pre-authorisation what a completion has made of it.
    pub amount_minor: i64,
    /// For a refund, the payment that it gives back from.
    pub original: Option<Uuid>,
    pub bank: Option<String>,
    pub leg: Option<Uuid>,
    pub reversal_leg: Option<Uuid>,
}

/// A leg as a bank has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegRow {
    pub bank: String,
    pub id: Uuid,
    pub payment: Uuid,
    /// `HELD`, `POSTED`, `VOIDED` or `REFUSED`.
    pub state: String,
    pub currency: String,
    /// Less what a completion has released.
    pub amount_minor: i64,
    /// For money given back, the leg that it comes from.
    pub original: Option<Uuid>,
}

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// Approved payments, each with its one debit.
    pub debits: usize,
    /// Refunds and reversals, each with its one credit.
    pub credits: usize,
    /// Pre-authorisations that wait for their completion, each with its one hold.
    pub reserved: usize,
    /// Payments that moved nothing.
    pub without_money: usize,
    /// What is wrong; empty when all is well.
    pub faults: Vec<String>,
}

/// Compares the two sides once everything has settled: nothing may be on its way any more, but for what is reserved by
/// pre-authorisations.
pub fn reconcile(payments: &[PaymentRow], legs: &[LegRow]) -> Reconciliation {
    let mut check = Check {
        payments: payments.iter().map(|payment| (payment.id, payment)).collect(),
        legs: legs.iter().map(|leg| ((leg.bank.as_str(), leg.id), leg)).collect(),
        explained: BTreeSet::new(),
        found: Reconciliation::default(),
    };
    for payment in payments {
        check.payment(payment);
    }
    for leg in legs {
        check.leg(leg);
    }
    check.found
}

struct Check<'r> {
    payments: BTreeMap<Uuid, &'r PaymentRow>,
    legs: BTreeMap<(&'r str, Uuid), &'r LegRow>,
    /// Legs that moved or hold money and have a payment that says why.
    explained: BTreeSet<Uuid>,
    found: Reconciliation,
}

impl Check<'_> {
    fn fault(&mut self, text: String) {
        self.found.faults.push(text);
    }

    fn payment(&mut self, payment: &PaymentRow) {
        match (payment.kind.as_str(), payment.state.as_str()) {
            ("PURCHASE" | "CARD" | "REPAYMENT", "POSTED") => {
                if self.moved(payment, payment.leg, None) {
                    self.found.debits += 1;
                }
            }
            ("REPAID" | "TOP_UP", "POSTED") => {
                if self.moved(payment, payment.leg, None) {
                    self.found.credits += 1;
                }
            }
            ("CARD", "AUTHORISED") => {
                if self.stands(payment, payment.leg, None, "HELD") {
                    self.found.reserved += 1;
                }
            }
            ("PURCHASE" | "CARD", "REVERSED") => {
                let debited = self.moved(payment, payment.leg, None);
                let returned = self.moved(payment, payment.reversal_leg, payment.leg);
                self.found.debits += usize::from(debited);
                self.found.credits += usize::from(returned);
            }
            ("REFUND", "POSTED") => {
                let original = payment.original.and_then(|id| self.payments.get(&id)).and_then(|original| original.leg);
                if original.is_none() {
                    self.fault(format!("refund {} has no payment that it gives back from", payment.id));
                } else if self.moved(payment, payment.leg, original) {
                    self.found.credits += 1;
                }
            }
            // Who routes a payment charges it and gives it back: no bank has a leg of it.
            (_, "DECLINED" | "EXPIRED" | "CANCELLED" | "ABORTED")
            | ("TOMBSTONE", "REVERSED")
            | ("ROUTED", "AUTHORISED" | "POSTED" | "REVERSED") => {
                self.found.without_money += 1;
            }
            (kind, state) => {
                let (id, kind) = (payment.id, kind.to_lowercase());
                self.fault(format!("{kind} {id} is still {state}"));
            }
        }
    }

    /// Whether the bank has this leg posted, with the amount, as one that gives back from `original` or as a debit.
    fn moved(&mut self, payment: &PaymentRow, leg: Option<Uuid>, original: Option<Uuid>) -> bool {
        self.stands(payment, leg, original, "POSTED")
    }

    fn stands(&mut self, payment: &PaymentRow, leg: Option<Uuid>, original: Option<Uuid>, state: &str) -> bool {
        let (id, bank) = (payment.id, payment.bank.as_deref().unwrap_or_default());
        let Some(leg_id) = leg else {
            self.fault(format!("payment {id} is {} and names no leg", payment.state));
            return false;
        };
        let Some(leg) = self.legs.get(&(bank, leg_id)).copied() else {
            self.fault(format!("payment {id} is {}, and {bank} has no leg for it", payment.state));
            return false;
        };
        let fits = leg.payment == id
            && leg.state == state
            && leg.amount_minor == payment.amount_minor
            && leg.currency == payment.currency
            && leg.original == original;
        if !fits {
            self.fault(format!("payment {id} is {}, and its leg {leg_id} at {bank} says otherwise", payment.state));
        }
        if !self.explained.insert(leg_id) {
            self.fault(format!("leg {leg_id} at {bank} stands for two payments"));
        }
        fits
    }

    /// A leg that moved or holds money must have been explained by a payment.
    fn leg(&mut self, leg: &LegRow) {
        match leg.state.as_str() {
            "POSTED" if !self.explained.contains(&leg.id) => {
                self.fault(format!("{} has moved money for leg {}, and no payment says why", leg.bank, leg.id));
            }
            "HELD" if !self.explained.contains(&leg.id) => {
                self.fault(format!("{} still holds money for leg {}", leg.bank, leg.id))
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn payment(n: u128, state: &str, leg: Option<u128>) -> PaymentRow {
        PaymentRow {
            id: id(n),
            kind: "PURCHASE".to_owned(),
            state: state.to_owned(),
            currency: "CNY".to_owned(),
            amount_minor: 100,
            original: None,
            bank: Some("bank-a".to_owned()),
            leg: leg.map(id),
            reversal_leg: None,
        }
    }

    fn leg(n: u128, payment: u128, state: &str) -> LegRow {
        LegRow {
            bank: "bank-a".to_owned(),
            id: id(n),
            payment: id(payment),
            state: state.to_owned(),
            currency: "CNY".to_owned(),
            amount_minor: 100,
            original: None,
        }
    }

    #[test]
    fn a_day_that_adds_up_has_no_faults() {
        let refund = PaymentRow {
            kind: "REFUND".to_owned(),
            original: Some(id(1)),
            amount_minor: 40,
            ..payment(2, "POSTED", Some(12))
        };
        let reversed = PaymentRow { reversal_leg: Some(id(14)), ..payment(3, "REVERSED", Some(13)) };
        let card = |n, state, leg| PaymentRow { kind: "CARD".to_owned(), ..payment(n, state, leg) };
        let completed = PaymentRow { amount_minor: 60, ..card(6, "POSTED", Some(17)) };
        let reserved = card(7, "AUTHORISED", Some(18));
        let declined = payment(4, "DECLINED", Some(15));
        let repayment = PaymentRow { kind: "REPAYMENT".to_owned(), ..payment(8, "POSTED", Some(19)) };
        let repaid =
            PaymentRow { kind: "REPAID".to_owned(), bank: Some("bank-b".to_owned()), ..payment(8, "POSTED", Some(20)) };
        let paid_in = PaymentRow { kind: "TOP_UP".to_owned(), ..payment(9, "POSTED", Some(21)) };
        let posted = payment(1, "POSTED", Some(11));
        let payments = [posted, refund, reversed, declined, completed, reserved, repayment, repaid, paid_in];
        let legs = [
            leg(11, 1, "POSTED"),
            LegRow { amount_minor: 40, original: Some(id(11)), ..leg(12, 2, "POSTED") },
            leg(13, 3, "POSTED"),
            LegRow { original: Some(id(13)), ..leg(14, 3, "POSTED") },
            leg(15, 4, "REFUSED"),
            leg(16, 5, "VOIDED"),
            LegRow { amount_minor: 60, ..leg(17, 6, "POSTED") },
            leg(18, 7, "HELD"),
            leg(19, 8, "POSTED"),
            LegRow { bank: "bank-b".to_owned(), ..leg(20, 8, "POSTED") },
            leg(21, 9, "POSTED"),
        ];
        let expected = Reconciliation { debits: 4, credits: 4, reserved: 1, without_money: 1, faults: Vec::new() };
        assert_eq!(reconcile(&payments, &legs), expected);
    }

    #[test]
    fn every_way_in_which_the_two_sides_can_disagree_is_found() {
        let posted = || payment(1, "POSTED", Some(11));
        let faults = |payments: &[PaymentRow], legs: &[LegRow]| reconcile(payments, legs).faults.join("; ");
        assert!(faults(&[posted()], &[]).contains("has no leg for it"));
        assert!(faults(&[posted()], &[leg(11, 1, "HELD")]).contains("says otherwise"));
        let less = LegRow { amount_minor: 99, ..leg(11, 1, "POSTED") };
        assert!(faults(&[posted()], &[less]).contains("says otherwise"));
        assert!(faults(&[], &[leg(11, 1, "POSTED")]).contains("no payment says why"));
        let twice = [leg(11, 1, "POSTED"), leg(12, 1, "POSTED")];
        assert!(faults(&[posted()], &twice).contains("no payment says why"));
        let declined = payment(1, "DECLINED", Some(11));
        assert!(faults(&[declined], &[leg(11, 1, "POSTED")]).contains("no payment says why"));
        assert!(faults(&[payment(1, "HOLDING", Some(11))], &[]).contains("still HOLDING"));
        assert!(faults(&[], &[leg(11, 1, "HELD")]).contains("still holds"));
        let shared = [posted(), PaymentRow { id: id(2), ..posted() }];
        assert!(faults(&shared, &[leg(11, 1, "POSTED")]).contains("two payments"));
        let elsewhere = LegRow { bank: "bank-b".to_owned(), ..leg(11, 1, "POSTED") };
        assert!(faults(&[posted()], &[elsewhere]).contains("has no leg for it"));
    }
}
