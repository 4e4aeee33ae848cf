//! Repayments as phones get them.

use domain::payment::{Instrument, Seen};
use domain::repayment::{Leg, Repayment, Side};
use proto::cardholder as pb;

fn party(leg: &Leg) -> pb::RepaymentParty {
    pb::RepaymentParty {
        bank_id: leg.party.bank_id.to_string(),
        sort: Some(match leg.party.instrument {
            Instrument::Account(id) => pb::repayment_party::Sort::AccountId(id.to_string()),
            Instrument::Card(id) => pb::repayment_party::Sort::CardId(id.to_string()),
        }),
        masked: leg.party.masked.clone(),
    }
}

pub(super) fn repayment(repayment: &Repayment) -> pb::Repayment {
    let state = match repayment.seen() {
        Seen::Approved => pb::RepaymentState::Approved,
        Seen::Declined => pb::RepaymentState::Declined,
        // The others are of payments at terminals.
        Seen::Pending | Seen::AwaitingCode | Seen::Authorised | Seen::Reversed => pb::RepaymentState::Pending,
    };
    let refused_by = match repayment.refused_by {
        None => pb::RepaymentSide::Unspecified,
        Some(Side::Paying) => pb::RepaymentSide::Paying,
        Some(Side::Receiving) => pb::RepaymentSide::Receiving,
    };
    pb::Repayment {
        repayment_id: repayment.id.to_string(),
        state: state.into(),
        amount: Some(proto::to_money(repayment.amount)),
        from: Some(party(&repayment.paying)),
        to: Some(party(&repayment.receiving)),
        created_at: Some(proto::to_timestamp(repayment.created_at)),
        decided_at: repayment.decided_at.map(proto::to_timestamp),
        refusal: repayment.refusal.map(proto::refusal),
        refused_by: refused_by.into(),
    }
}
