//! What banks are asked of a repayment: each to hold its leg. What is held is posted and voided as any other leg.

use domain::payment::Instrument;
use domain::repayment::{Repayment, Side};
use proto::bank as pb;

use super::hold::to_merchant;
use super::{Banks, HoldAnswer};

impl Banks {
    /// Asks one of the two banks for its hold a few times, always for the same leg, until it answers.
    pub(crate) async fn hold_side(&self, repayment: &Repayment, side: Side) -> HoldAnswer {
        let bank = &repayment.leg(side).party.bank_id;
        // A card network has no message that credits somebody else's card without its holder.
        if self.line(bank).await.is_some() {
            return HoldAnswer::Impossible(domain::Reason::NatureUnsupported);
        }
        self.holds.ask(bank, hold_of(repayment, side), None).await
    }
}

fn hold_of(repayment: &Repayment, side: Side) -> pb::Hold {
    let leg = repayment.leg(side);
    pb::Hold {
        leg_id: leg.id.to_string(),
        payment_id: repayment.id.to_string(),
        payer: Some(match leg.party.instrument {
            Instrument::Account(id) => pb::hold::Payer::AccountId(id.to_string()),
            Instrument::Card(id) => pb::hold::Payer::CardId(id.to_string()),
        }),
        amount: Some(proto::to_money(repayment.amount)),
        merchant: Some(to_merchant(&repayment.leg(side.other()).party.named)),
        nature: proto::to_nature(side.nature()).into(),
        savings_account_id: String::new(),
        // Put in when it goes.
        traceparent: String::new(),
    }
}
