//! What a merchant bears for a payment, from its commit point on (M9).

use super::{Kind, Payment, State};
use crate::Timestamp;
use crate::fee::{Entry, EntryKind, Fee, Parts, Schedules, Sold, Way};
use crate::ledger::Nature;

impl Payment {
    /// Whether it is for something that was bought of whoever the hub pays, and so bears a charge and may be refunded. Who has charged a routed
    /// payment settles it with the merchant, and gives it back, too.
    pub fn is_bought(&self) -> bool {
        self.kind != Kind::Routed && matches!(self.kind.nature(), Some(Nature::Purchase | Nature::PreAuthorisation))
    }

    /// How it was paid, as far as that is known: of a pre-authorisation it is known until it is completed with less, since its bank then decides which side is released.
    pub fn way(&self) -> Way {
        let credit = self.charge.as_ref().and_then(|charge| charge.credit_minor);
        match (self.kind, credit) {
            (Kind::Card { .. }, Some(credit)) if credit > self.amount.minor.saturating_sub(credit) => Way::CardCredit,
            (Kind::Card { .. }, Some(_)) => Way::CardDebit,
            (Kind::Card { .. }, None) => Way::CardOther,
            _ => Way::Phone,
        }
    }

    /// Fixes what the merchant bears, at the commit point and with it: what was set before stays. Gives the entry of the sale. The payer is charged the same, whatever it is.
    pub fn charge_fee(&mut self, schedules: &Schedules, way: Way, now: Timestamp) -> Option<Entry> {
        if !self.is_bought() || self.state != State::Committed || self.fee.is_some() {
            return None;
        }
        let merchant = &self.seller.as_ref()?.merchant;
        let charged = self.charged();
        let sold = Sold { merchant: &merchant.id, category: merchant.category, way, currency: charged.currency };
        let fee = schedules.charge(&sold, charged.minor, now);
        self.fee = Some(fee);
        self.entry(EntryKind::Sale, (charged.minor, fee.parts), Some(way))
    }

    /// What this refund of `original` would give back of the charge, when all refunds so far come to `before` without it.
    pub(super) fn fee_of_refund(&self, before: i64, after: i64) -> Fee {
        let none = || Fee::NONE.given_back((0, 0), 0);
        self.fee.map_or_else(none, |fee| fee.given_back((before, after), self.charged().minor))
    }

    /// The entry of a refund that was just taken in.
    pub fn refund_entry(&self) -> Option<Entry> {
        let fee = self.fee?;
        self.entry(EntryKind::Refund, (self.amount.minor.saturating_neg(), fee.parts.negated()), None)
    }

    /// The entry of a refund that its bank has just refused, of which `original` is free again. What is charged then is what would be, had it never been: refunds that came
    /// in between may have rounded differently beside it.
    pub fn refusal_entry(&self, original: &Self) -> Option<Entry> {
        self.fee?;
        let after = original.refunded_minor;
        let before = after.saturating_add(self.amount.minor);
        let kept = original.fee_of_refund(after, before);
        self.entry(EntryKind::RefundRefused, (self.amount.minor, kept.parts), None)
    }

    /// The entry of a sale that is being taken back whole: so is the charge, whatever becomes of it with refunds. What was sold before there were entries has none.
    pub fn reversal_entry(&self) -> Option<Entry> {
        let fee = self.fee.filter(|_| self.state == State::Reversing)?;
        self.entry(EntryKind::Reversal, (self.charged().minor.saturating_neg(), fee.parts.negated()), None)
    }

    fn entry(&self, kind: EntryKind, (minor, fee): (i64, Parts), way: Option<Way>) -> Option<Entry> {
        let mut amount = self.amount;
        amount.minor = minor;
        Some(Entry {
            payment_id: self.id,
            kind,
            merchant_id: self.seller.as_ref()?.merchant.id.clone(),
            terminal_id: self.terminal_id.clone(),
            way,
            amount,
            fee,
        })
    }
}
