//! The rows that steps name.

use std::collections::BTreeSet;

use domain::ledger::{DepositId, LegOrder, Origin, Party};
use domain::payment::Instrument;
use domain::{AccountId, CardId, LegId};

/// The rows that a set of steps names. The accounts of a leg are found when the leg is loaded.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) legs: BTreeSet<LegId>,
    pub(super) accounts: BTreeSet<AccountId>,
    pub(super) deposits: BTreeSet<DepositId>,
    pub(super) cards: BTreeSet<CardId>,
}

impl Named {
    /// What somebody pays with.
    pub(super) fn instrument(&mut self, instrument: Instrument) {
        match instrument {
            Instrument::Account(id) => self.accounts.insert(id),
            Instrument::Card(id) => self.cards.insert(id),
        };
    }

    /// What an order names.
    pub(super) fn order(&mut self, order: &LegOrder) {
        let (party, amount, savings) = match order {
            LegOrder::Charge(charge) => (charge.payer, charge.amount, charge.savings),
            LegOrder::Receipt(receipt) => (receipt.payee, receipt.amount, receipt.savings),
            LegOrder::GiveBack(_) | LegOrder::Unseen => return,
        };
        match party {
            Party::Account(account) => {
                self.accounts.insert(account);
            }
            Party::Card(card) => {
                self.cards.insert(card);
            }
            Party::UnknownCard => {}
        }
        self.accounts.extend(savings);
        let origin = if order.network_charge().is_some() { Origin::Network } else { Origin::Hub };
        self.accounts.insert(origin.settlement(amount.currency));
    }
}
