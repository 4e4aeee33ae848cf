//! How a played bank proves cards.

use domain::Reason;
use proto::bank as pb;
use tonic::Status;

use super::PlayedBank;

/// Cards whose PIN it takes for right, by number, and what it was asked.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    cards: Vec<(String, String)>,
    asked: Vec<pb::ProveCardRequest>,
    is_away: bool,
}

impl Proofs {
    pub(super) fn answer(&mut self, request: pb::ProveCardRequest) -> Result<pb::ProveCardResponse, Status> {
        let pan = request.card.as_ref().map(|card| card.pan.clone()).unwrap_or_default();
        let card = self.cards.iter().find(|(number, _)| *number == pan).map(|(_, id)| id.clone());
        let card = card.filter(|id| request.card_ids.contains(id));
        self.asked.push(request);
        if self.is_away {
            return Err(Status::unavailable("away"));
        }
        let card_id = card.ok_or_else(|| proto::status(Reason::CardNotVerified))?;
        Ok(pb::ProveCardResponse { card_id })
    }
}

impl PlayedBank {
    /// It takes any PIN of the card with this number for right.
    pub(crate) fn knows_card(&self, pan: &str, card_id: &str) {
        self.vault().proofs.cards.push((pan.to_owned(), card_id.to_owned()));
    }

    pub(crate) fn proves_nothing_for_now(&self, is_away: bool) {
        self.vault().proofs.is_away = is_away;
    }

    pub(crate) fn proofs_asked(&self) -> Vec<pb::ProveCardRequest> {
        self.vault().proofs.asked.clone()
    }
}
