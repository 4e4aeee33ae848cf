//! What is asked of a leg: orders to hold, complete, void and give back.

use super::{GiveBack, Leg, LegOrder, LegState, Origin};
use crate::card::Proof;
use crate::{LegId, Money, PaymentId};

/// Reserve the money of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldOrder {
    pub leg_id: LegId,
    pub payment_id: PaymentId,
    /// A charge or a receipt.
    pub order: LegOrder,
    /// What is known of the card that was named, and of its holder.
    pub proof: Proof,
}

impl HoldOrder {
    pub fn origin(&self) -> Origin {
        if self.order.network_charge().is_some() { Origin::Network } else { Origin::Hub }
    }
}

/// End a pre-authorisation with what was really used; or post any charge of another network, which says only then how much it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletionOrder {
    pub origin: Origin,
    pub leg_id: LegId,
    pub payment_id: PaymentId,
    /// More than zero, and at most what is held.
    pub amount: Money,
}

impl Leg {
    /// The order that posts the whole of a charge; none when it is neither held nor posted.
    pub fn whole(&self) -> Option<CompletionOrder> {
        let Self { origin, id: leg_id, payment_id, state, .. } = *self;
        let amount = self.amount().filter(|_| matches!(state, LegState::Held | LegState::Posted))?;
        Some(CompletionOrder { origin, leg_id, payment_id, amount })
    }
}

/// Release a leg, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoidOrder {
    pub origin: Origin,
    pub leg_id: LegId,
    pub payment_id: PaymentId,
}

/// Give money back from a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundOrder {
    pub origin: Origin,
    /// The id of this movement.
    pub leg_id: LegId,
    /// The refund or reversal that it belongs to.
    pub payment_id: PaymentId,
    pub give_back: GiveBack,
}
