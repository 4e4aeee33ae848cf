//! Banks file offers and take them back; operators let them run, or take them out.

use domain::offer::{Filing, Offer, State};
use domain::{BankId, OfferId, PersonId, Reason};
use server_kit::audit::Entry;
use server_kit::store::StoreError;
use uuid::Uuid;

use super::sql::{self, StoredOffer};
use super::steps::Work;

/// Offers of one bank that are not over, withdrawn or used up.
const MOST_OPEN: usize = 200;
/// Before the id of anybody.
const NOBODY: PersonId = PersonId::from_uuid(Uuid::nil());

/// A bank files an offer.
#[derive(Debug)]
pub(super) struct File {
    pub(super) filing: Filing,
}

impl File {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<StoredOffer, Reason>, StoreError> {
        let (filing, now) = (&self.filing, work.tx.now());
        match sql::load_bank(work.tx, &filing.bank_id).await? {
            None => return Ok(Err(Reason::BankUnknown)),
            Some((_, true)) => return Ok(Err(Reason::BankSuspended)),
            Some((_, false)) => {}
        }
        let known = work.offer(filing.id);
        let offer = match (Offer::file(filing.clone(), known.map(|known| &known.offer), now), known) {
            (Err(reason), _) => return Ok(Err(reason)),
            (Ok(_), Some(known)) => return Ok(Ok(known.clone())),
            (Ok(offer), None) => offer,
        };
        let open = usize::try_from(sql::count_open(work.tx, &filing.bank_id, now).await?).unwrap_or(usize::MAX);
        if open.saturating_add(work.added_of(&filing.bank_id)) >= MOST_OPEN {
            return Ok(Err(Reason::OffersTooMany));
        }
        let content = format!("bank={} budget={} {}", filing.bank_id, filing.budget, filing.rule);
        work.log.push(Entry { kind: "offer.filed", subject: filing.id.uuid(), content });
        let stored = StoredOffer { offer, filed_at: now, sweep_at: None, sweep_after: NOBODY, version: 0 };
        work.put_offer(stored.clone());
        Ok(Ok(stored))
    }
}

/// An operator lets an offer run.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) offer_id: OfferId,
    pub(super) by: String,
}

impl Start {
    pub(super) fn apply(&self, work: &mut Work<'_>) -> Result<StoredOffer, Reason> {
        let now = work.tx.now();
        let before = work.offer(self.offer_id).ok_or(Reason::OfferUnknown)?.clone();
        if before.offer.state == State::Running {
            return Ok(before);
        }
        let offer = before.offer.clone().start(now)?;
        let sweep_at = Some(now.max(offer.filing.valid_from));
        let stored = StoredOffer { offer, sweep_at, sweep_after: NOBODY, ..before };
        let content = format!("by={}", self.by);
        work.log.push(Entry { kind: "offer.started", subject: self.offer_id.uuid(), content });
        work.put_offer(stored.clone());
        Ok(stored)
    }
}

/// A bank takes its offer back, or an operator takes one out.
#[derive(Debug)]
pub(super) struct Withdraw {
    pub(super) offer_id: OfferId,
    /// Only an offer of this bank.
    pub(super) of: Option<BankId>,
    pub(super) by: String,
}

impl Withdraw {
    pub(super) fn apply(&self, work: &mut Work<'_>) -> Result<StoredOffer, Reason> {
        let ours = |stored: &&StoredOffer| self.of.as_ref().is_none_or(|of| stored.offer.filing.bank_id == *of);
        let before = work.offer(self.offer_id).filter(ours).ok_or(Reason::OfferUnknown)?.clone();
        if before.offer.state == State::Withdrawn {
            return Ok(before);
        }
        let stored = StoredOffer { offer: before.offer.clone().withdraw(), sweep_at: None, ..before };
        let content = format!("by={}", self.by);
        work.log.push(Entry { kind: "offer.withdrawn", subject: self.offer_id.uuid(), content });
        work.put_offer(stored.clone());
        Ok(stored)
    }
}
