//! The durable step of followers: something is done about an event, and it is struck out.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use domain::PersonId;
use domain::feed::Event;
use server_kit::fault;
use server_kit::store::{Owner, StepSet, StoreError, Tx};

use super::{Todo, sql};
use crate::feed::{Feed, Feeds};
use crate::notify::{Notice, Notices};

/// What a follower does about an event.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) follower: &'static str,
    pub(super) person_id: PersonId,
    pub(super) sequence: i64,
    pub(super) todo: Todo,
}

#[derive(Debug)]
pub(super) struct FollowSteps {
    pub(super) owner: Arc<Owner>,
    pub(super) feed: Feed,
    pub(super) notices: Notices,
    /// What the set that is not committed yet tells of.
    pub(super) told: Mutex<Vec<Arc<Event>>>,
}

impl StepSet for FollowSteps {
    const NAME: &'static str = "follow-writer";

    type Step = Done;
    /// Whether it was still to be done.
    type Outcome = bool;

    async fn run(&self, tx: &mut Tx, steps: &[Done]) -> Result<Vec<bool>, StoreError> {
        self.owner.fence(tx);
        let outcomes = sql::strike_out(tx, steps).await?;
        let to_do = || steps.iter().zip(&outcomes).filter(|(_, is_ours)| **is_ours).map(|(step, _)| step);
        let people: BTreeSet<PersonId> =
            to_do().filter(|step| !step.todo.news.is_empty()).map(|step| step.person_id).collect();
        let mut feeds = Feeds::load(tx, people).await?;
        let mut told = Vec::new();
        for step in to_do() {
            for news in &step.todo.news {
                told.extend(feeds.tell_news(step.person_id, news.clone(), tx.now()));
            }
        }
        self.feed.hand_on(tx, &told).await?;
        feeds.write(tx).await?;
        let notices: Vec<Notice> = to_do().flat_map(|step| step.todo.notices.iter().cloned()).collect();
        self.notices.queue(tx, &notices).await?;
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = told;
        fault::point("follow.before");
        Ok(outcomes)
    }

    fn committed(&self, _: &[Done], _: &[bool]) {
        fault::point("follow.after");
        let told = std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner));
        self.feed.publish(&told);
        self.notices.wake();
    }

    fn dropped(&self, _: &StoreError) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn recovered(&self) {
        self.feed.wake_all();
        self.notices.wake();
    }
}
