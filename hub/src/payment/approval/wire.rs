//! What waits, and what came of it, as phones get them.

use domain::payment::{ApprovalForm, Payment, Seen};
use domain::purchase::Location;
use proto::{cardholder as pb, common};

use crate::cardholder::wire::{item, merchant};

/// A payment that waits; nothing when there is nothing that could be signed.
pub(super) fn approval(payment: &Payment, bank_name: String, form: &ApprovalForm) -> Option<pb::Approval> {
    let (seller, challenge) = (payment.seller.as_ref()?, payment.challenge.as_ref()?);
    Some(pb::Approval {
        payment_id: payment.id.to_string(),
        amount: Some(proto::to_money(payment.amount)),
        merchant: Some(merchant(&seller.merchant)),
        place: seller.place.as_ref().map(ToString::to_string).unwrap_or_default(),
        location: seller.location.map(|Location { latitude, longitude }| common::Location { latitude, longitude }),
        terminal_id: payment.terminal_id.to_string(),
        items: payment.items.iter().map(item).collect(),
        bank_id: form.bank_id.to_string(),
        bank_name,
        account_masked: form.masked.to_string(),
        created_at: Some(proto::to_timestamp(payment.created_at)),
        expires_at: Some(proto::to_timestamp(challenge.expires_at)),
        text: form.to_string(),
    })
}

/// Where a payment stands for the person who was asked, and why.
pub(super) fn outcome(payment: &Payment) -> (pb::ApprovalState, Option<common::Refusal>) {
    let seen = payment.seen();
    let state = match seen {
        Seen::AwaitingCode => pb::ApprovalState::Awaiting,
        Seen::Pending | Seen::Authorised => pb::ApprovalState::Pending,
        Seen::Approved => pb::ApprovalState::Approved,
        Seen::Declined => pb::ApprovalState::Declined,
        Seen::Reversed => pb::ApprovalState::Reversed,
    };
    let told = matches!(seen, Seen::AwaitingCode | Seen::Declined | Seen::Reversed);
    (state, payment.refusal.filter(|_| told).map(proto::refusal))
}
