//! What the last sets have left: accounts that move, cards, and legs that are held.
//!
//! The ledger has one owner, which each transaction proves (`Owner::fence`), so that nobody else can have written since. A
//! leg is posted within a second of its hold, and an account that pays once will often pay again: neither is read back.

use domain::card::Card;
use domain::ledger::{Account, Leg, LegState, Origin};
use domain::{AccountId, CardId, LegId};
use server_kit::recent::Recent as Latest;

/// Rows of each sort that are remembered at most.
const MOST: usize = 8192;

/// Rows as they were last committed.
#[derive(Debug, Default)]
pub(super) struct Recent {
    accounts: Latest<AccountId, Account, MOST>,
    legs: Latest<LegId, Leg, MOST>,
    cards: Latest<CardId, Card, MOST>,
    /// What the set that is not committed yet has written.
    written: (Vec<Account>, Vec<Leg>, Vec<Card>),
}

impl Recent {
    pub(super) fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    pub(super) fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.get(&id)
    }

    pub(super) fn card(&self, id: CardId) -> Option<&Card> {
        self.cards.get(&id)
    }

    /// What a set has written, to be remembered if it is committed.
    pub(super) fn wrote(&mut self, accounts: Vec<Account>, legs: Vec<Leg>, cards: Vec<Card>) {
        self.written = (accounts, legs, cards);
    }

    /// The set is committed.
    pub(super) fn confirm(&mut self) {
        let (accounts, legs, cards) = std::mem::take(&mut self.written);
        for card in cards {
            self.cards.put(card.id, card);
        }
        for account in accounts {
            self.accounts.put(account.id, account);
        }
        for leg in legs {
            match leg.state {
                // Another network posts in days, and says what was bought besides.
                LegState::Held | LegState::Asking if leg.origin == Origin::Network => self.legs.remove(&leg.id),
                LegState::Held | LegState::Asking => self.legs.put(leg.id, leg),
                // It has come to its end, and is seldom asked for again.
                LegState::Posted | LegState::Voided | LegState::Refused(_) => self.legs.remove(&leg.id),
            }
        }
    }

    /// The set was dropped, or its outcome is unknown: what is remembered may be stale.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}
