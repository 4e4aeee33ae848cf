//! The numbers of cards, for messages to an existing credit system.

use domain::card::Pan;
use domain::{CardId, Reason};

use super::Cards;
use crate::credit_system::{Answered, CardNumbers};

impl CardNumbers for Cards {
    fn pan(&self, card_id: CardId) -> Answered<'_, Result<Pan, Reason>> {
        Box::pin(async move {
            let known = self.known(card_id).await.map_err(|error| error.reason("credit_system"))?;
            self.pan_of(&known).map_err(|error| error.reason("credit_system"))
        })
    }
}
