//! A past for a bank that is to be measured: legs that were held and posted, with everything that the ledger itself would have
//! stored for them.
//!
//! Each leg goes through the rules of [`domain::ledger`] at its own points in time, and its rows are written as those of any
//! set of steps.

use domain::ledger::{self as rules, Books, HoldOrder, LegState};
use domain::{BankId, Timestamp};
use server_kit::audit::{Chain, Entry};
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::IdMaker;
use server_kit::store::{Owner, Store, StoreError, Tx};

use super::Ledger;
use super::card_steps::CardFiles;
use super::recent::Recent;
use super::sql::{self, Named};
use super::steps::leg_step;

/// The log of the past, apart from the ledger's own chain.
const CHAIN: &str = "growth/ledger";

/// A leg that was held and then posted.
#[derive(Clone, Debug)]
pub struct PastLeg {
    pub order: HoldOrder,
    pub held_at: Timestamp,
    pub posted_at: Timestamp,
}

/// Writes a past into a bank's ledger, under the right that only one process has.
#[derive(Debug)]
pub struct Past {
    store: Store,
    owner: Owner,
    chain: Chain,
}

impl Past {
    /// Takes the right to write the ledger of `bank_id`, or says that another process has it.
    pub async fn open(
        store: &Store,
        bank_id: &BankId,
        keys: SharedKeyStore,
        ids: &IdMaker,
    ) -> Result<Self, StoreError> {
        let owner = Ledger::take_ownership(store, bank_id, ids).await?;
        Ok(Self { store: store.clone(), owner, chain: Chain::new(CHAIN, keys) })
    }

    /// Adds legs in one transaction. What a rule forbids, such as more than an account has, refuses all of them.
    pub async fn add(&mut self, legs: &[PastLeg]) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let done = match self.write(&mut tx, legs).await {
            Ok(()) => tx.commit().await,
            Err(error) => Err(error),
        };
        self.chain.settle(done)
    }

    /// Signs the end of the log.
    pub async fn seal(&mut self) -> Result<(), StoreError> {
        self.chain.seal_now(&self.store).await
    }

    async fn write(&mut self, tx: &mut Tx, legs: &[PastLeg]) -> Result<(), StoreError> {
        self.owner.fence(tx);
        let mut recent = Recent::default();
        // Nothing of the past is decided by the day: there are no cards in it.
        let mut books = sql::load(tx, named(legs), &recent, jiff::civil::Date::ZERO).await?;
        let mut log = Vec::with_capacity(legs.len().saturating_mul(2));
        for past in legs {
            live(&mut books, past, &mut log)?;
        }
        sql::save(tx, &books, &CardFiles::default(), &mut recent).await?;
        self.chain.append(tx, log).await
    }
}

/// Holds and posts a leg.
fn live(books: &mut Books, past: &PastLeg, log: &mut Vec<Entry>) -> Result<(), StoreError> {
    let leg_id = past.order.leg_id;
    let refused = |why: String| StoreError::Refused(format!("leg {leg_id} of the past: {why}"));
    let held = leg_step(books, rules::hold(books, &past.order, past.held_at), log);
    let held = held.map_err(|reason| refused(reason.to_string()))?;
    if held.state != LegState::Held {
        return Err(refused(format!("{:?}", held.state)));
    }
    leg_step(books, rules::post(books, leg_id, past.posted_at), log).map_err(|reason| refused(reason.to_string()))?;
    Ok(())
}

fn named(legs: &[PastLeg]) -> Named {
    let mut named = Named::default();
    for PastLeg { order, .. } in legs {
        named.legs.insert(order.leg_id);
        named.order(&order.order);
    }
    named
}
