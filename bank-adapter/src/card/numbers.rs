//! The numbers of cards, for messages to an existing credit system.

use std::sync::Arc;

use domain::card::Pan;
use domain::{CardId, Reason};
use server_kit::rng::IdMaker;

use super::Cards;
use crate::credit_system::{Answered, CardNumbers, PinBook, Surroundings};

impl CardNumbers for Cards {
    fn pan(&self, card_id: CardId) -> Answered<'_, Result<Pan, Reason>> {
        Box::pin(async move {
            let known = self.known(card_id).await.map_err(|error| error.reason("credit_system"))?;
            self.pan_of(&known).map_err(|error| error.reason("credit_system"))
        })
    }
}

impl Cards {
    /// What a connector to an existing credit system finds in the node of these cards.
    pub(crate) fn surroundings(&self, federation: &str, ids: IdMaker, pins: Arc<dyn PinBook>) -> Surroundings {
        let parts = &self.parts;
        Surroundings {
            federation: federation.to_owned(),
            store: parts.ledger.store().clone(),
            owner: parts.ledger.owner(),
            hsm: parts.hsm.clone(),
            keys: parts.keys.clone(),
            clock: parts.clock.clone(),
            rng: parts.rng.clone(),
            ids,
            cards: Arc::new(self.clone()),
            pins,
        }
    }
}
