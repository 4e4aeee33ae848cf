//! How a played bank opens accounts.

use std::collections::{HashMap, VecDeque};

use domain::Reason;
use proto::bank as pb;
use tonic::Status;

use super::{Play, PlayedBank, lost};

/// Whom it has opened accounts for, and how it plays next.
#[derive(Debug, Default)]
pub(super) struct Openings {
    plays: VecDeque<Play>,
    opened: HashMap<String, pb::OpenAccountRequest>,
    asked: usize,
}

impl Openings {
    pub(super) fn answer(&mut self, request: &pb::OpenAccountRequest) -> Result<pb::OpenAccountResponse, Status> {
        self.asked += 1;
        let play = self.plays.pop_front();
        match play {
            Some(Play::LoseCall) => return Err(lost()),
            Some(Play::Refuse(reason) | Play::Impossible(reason)) => return Err(proto::status(reason)),
            Some(Play::LoseAnswer | Play::Well) | None => {}
        }
        let first = self.opened.entry(request.account_id.clone()).or_insert_with(|| request.clone());
        if first != request {
            return Err(proto::status(Reason::IdTaken));
        }
        if let Some(Play::LoseAnswer) = play {
            return Err(lost());
        }
        let last_four = request.account_id.get(32..).unwrap_or_default();
        let account_masked = format!("****{last_four}");
        Ok(pb::OpenAccountResponse { account_id: request.account_id.clone(), account_masked })
    }
}

impl PlayedBank {
    /// What it does with the next wishes for accounts, in turn.
    pub(crate) fn play_openings(&self, plays: &[Play]) {
        self.vault().openings.plays = plays.iter().copied().collect();
    }

    /// How many accounts it has opened, and how often it was asked.
    pub(crate) fn openings(&self) -> (usize, usize) {
        let vault = self.vault();
        (vault.openings.opened.len(), vault.openings.asked)
    }
}
