//! Banks are told of orders until they confirm.

use std::time::Duration;

use domain::freeze::{Confirmation, HolderFreeze, HolderOrder, MOST_INSTRUMENTS};
use domain::payment::Instrument;
use domain::{BankId, PersonId, Reason};
use futures_util::future::join_all;
use proto::bank as pb;
use ring::signature::{ED25519, UnparsedPublicKey};
use server_kit::store::StoreError;
use tokio_util::sync::CancellationToken;

use super::Freezes;
use super::answer::{Answer, Answered, Claim, Missed};
use super::sql::{Bound, Signature};
use super::steps::{Done, Step};

/// What one bank is to be told of one person's orders; at most [`MOST_INSTRUMENTS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Telling {
    pub(super) person_id: PersonId,
    pub(super) bank_id: BankId,
    pub(super) orders: Vec<(Instrument, HolderOrder)>,
}

impl Telling {
    /// What is to be told of these, bank by bank.
    pub(super) fn of<'b>(person_id: PersonId, bound: impl Iterator<Item = &'b Bound>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for bound in bound {
            let Some(kept) = bound.kept.as_ref().filter(|kept| kept.freezing.is_to_be_told()) else { continue };
            Self::add(&mut all, person_id, &bound.name.bank_id, (bound.name.instrument, kept.freezing.order));
        }
        all
    }

    pub(super) fn add(all: &mut Vec<Self>, person_id: PersonId, bank: &BankId, order: (Instrument, HolderOrder)) {
        let has_room = |telling: &&mut Self| {
            telling.bank_id == *bank && telling.person_id == person_id && telling.orders.len() < MOST_INSTRUMENTS
        };
        match all.iter_mut().find(has_room) {
            Some(telling) => telling.orders.push(order),
            None => all.push(Self { person_id, bank_id: bank.clone(), orders: vec![order] }),
        }
    }

    fn message(&self) -> pb::FollowOrdersRequest {
        use pb::freeze_order::Instrument as Named;
        let order = |(instrument, order): &(Instrument, HolderOrder)| pb::FreezeOrder {
            instrument: Some(match instrument {
                Instrument::Account(id) => Named::AccountId(id.to_string()),
                Instrument::Card(id) => Named::CardId(id.to_string()),
            }),
            order_number: order.number,
            frozen: order.frozen,
        };
        pb::FollowOrdersRequest { orders: self.orders.iter().map(order).collect() }
    }

    /// What the bank has said, as far as it can be believed; none when it said something else than it was asked.
    fn read(&self, said: &pb::FollowOrdersResponse) -> Option<Vec<Answer>> {
        if said.confirmations.len() != self.orders.len() {
            return None;
        }
        let both = self.orders.iter().zip(&said.confirmations);
        both.map(|((instrument, order), confirmation)| {
            let left = match &confirmation.refusal {
                Some(refusal) => Err(final_reason(&refusal.reason)?),
                None => Ok(self.believed(*instrument, confirmation, &said.public_key)?),
            };
            Some(Answer { instrument: *instrument, number: order.number, left })
        })
        .collect()
    }

    fn believed(
        &self,
        instrument: Instrument,
        said: &pb::FreezeConfirmation,
        public_key: &[u8],
    ) -> Option<(HolderFreeze, Signature)> {
        let effective_at = proto::from_timestamp(said.effective_at.as_ref()?);
        let left = HolderFreeze { order_number: said.order_number, frozen: said.frozen, effective_at };
        let confirmation = Confirmation { bank_id: self.bank_id.clone(), instrument, left };
        let key = UnparsedPublicKey::new(&ED25519, public_key);
        key.verify(confirmation.statement().as_bytes(), &said.signature).ok()?;
        Some((left, Signature { bytes: said.signature.clone(), public_key: public_key.to_vec() }))
    }
}

/// A reason after which the bank need not be asked again; none for one that it has no business to give.
fn final_reason(code: &str) -> Option<Reason> {
    let reason = Reason::from_code(code)?;
    matches!(
        reason,
        Reason::AccountUnknown
            | Reason::AccountClosed
            | Reason::CardUnknown
            | Reason::CardReplaced
            | Reason::CardClosed
            | Reason::IdTaken
    )
    .then_some(reason)
}

impl Freezes {
    /// Tells banks, all of them at once, and takes in what they answer.
    pub(super) async fn tell(&self, tellings: Vec<Telling>) -> Result<(), StoreError> {
        let told = join_all(tellings.into_iter().map(|telling| self.tell_one(telling))).await;
        told.into_iter().collect()
    }

    async fn tell_one(&self, telling: Telling) -> Result<(), StoreError> {
        let answer = self.banks.follow_orders(&telling.bank_id, telling.message()).await;
        let bank = &telling.bank_id;
        let answers = answer.and_then(|said| telling.read(&said).ok_or_else(|| "it cannot be believed".to_owned()));
        let step = match answers {
            Ok(answers) => {
                Step::Answered(Answered { person_id: telling.person_id, bank_id: telling.bank_id.clone(), answers })
            }
            Err(error) => {
                tracing::warn!(%bank, error, "a bank has not confirmed a freeze; it is told again");
                let instruments = telling.orders.iter().map(|(instrument, _)| *instrument).collect();
                Step::Missed(Missed { bank_id: telling.bank_id.clone(), instruments })
            }
        };
        self.writer.write(step).await.map(|_| ())
    }

    /// Tells banks what they are to be told by now, and gives for how many people and banks.
    pub(super) async fn tell_what_is_due(&self) -> Result<usize, StoreError> {
        let tellings = match self.writer.write(Step::Claim(Claim)).await?.done {
            Ok(Done::Claimed(tellings)) => tellings,
            _ => Vec::new(),
        };
        let count = tellings.len();
        self.tell(tellings).await?;
        Ok(count)
    }
}

/// Tells banks what they have not confirmed, every `every`, until the server drains.
pub async fn tell_banks(freezes: Freezes, every: Duration, draining: CancellationToken) {
    // What was told is not due any more, whatever the bank has said.
    let tell = || async { Ok(freezes.tell_what_is_due().await? > 0) };
    crate::sweep::sweep("freezes", every, draining, tell).await;
}
