//! How a played bank follows orders to freeze.

use std::collections::HashMap;

use domain::freeze::{Confirmation, HolderFreeze, HolderOrder};
use domain::payment::Instrument;
use domain::{AccountId, BankId, CardId, Timestamp};
use proto::bank as pb;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::{Play, PlayedBank};

/// When a played bank has frozen what it freezes.
pub(crate) const EFFECTIVE_AT: Timestamp = Timestamp::from_secs(1_790_000_000);

/// What its customers have frozen.
#[derive(Debug, Default)]
pub(super) struct Freezing {
    left: HashMap<String, HolderFreeze>,
    /// Whose name it signs with; its own is `bank-a`.
    signs_as: Option<BankId>,
}

impl Freezing {
    pub(super) fn follow(&mut self, request: &pb::FollowOrdersRequest, play: Option<Play>) -> pb::FollowOrdersResponse {
        use pb::freeze_order::Instrument as Named;
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let bank_id = self.signs_as.clone().unwrap_or_else(|| BankId::parse("bank-a").unwrap());
        let confirmations = request.orders.iter().map(|order| {
            if let Some(Play::Refuse(reason) | Play::Impossible(reason)) = play {
                let refusal = Some(proto::refusal(reason));
                return pb::FreezeConfirmation { refusal, ..pb::FreezeConfirmation::default() };
            }
            let (id, instrument) = match order.instrument.as_ref().unwrap() {
                Named::AccountId(id) => (id, Instrument::Account(AccountId::parse(id).unwrap())),
                Named::CardId(id) => (id, Instrument::Card(CardId::parse(id).unwrap())),
            };
            let wish = HolderOrder { number: order.order_number, frozen: order.frozen };
            let left = HolderFreeze::follow(self.left.get(id).copied(), wish, EFFECTIVE_AT).unwrap();
            self.left.insert(id.clone(), left);
            let said = Confirmation { bank_id: bank_id.clone(), instrument, left };
            pb::FreezeConfirmation {
                order_number: left.order_number,
                frozen: left.frozen,
                effective_at: Some(proto::to_timestamp(left.effective_at)),
                signature: key.sign(said.statement().as_bytes()).as_ref().to_vec(),
                refusal: None,
            }
        });
        let confirmations = confirmations.collect();
        pb::FollowOrdersResponse { confirmations, public_key: key.public_key().as_ref().to_vec() }
    }
}

impl PlayedBank {
    /// It puts another name under what it confirms.
    pub(crate) fn sign_as(&self, bank: &str) {
        self.vault().freezing.signs_as = Some(BankId::parse(bank).unwrap());
    }

    /// Whether it has frozen this.
    pub(crate) fn has_frozen(&self, id: &str) -> Option<bool> {
        self.vault().freezing.left.get(id).map(|left| left.frozen)
    }

    /// It has followed orders of which the hub knows nothing.
    pub(crate) fn has_followed(&self, id: &str, order_number: i64, frozen: bool) {
        let left = HolderFreeze { order_number, frozen, effective_at: EFFECTIVE_AT };
        self.vault().freezing.left.insert(id.to_owned(), left);
    }
}
