//! The durable steps of offers, in sets. Locked are first the agreements of all people whom the steps are about, then what they have got,
//! then the offers, then the people's feeds, here and by every replica; so no two wait for each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::feed::{Event, News};
use domain::offer::{Agreement, Delivery, State};
use domain::{BankId, OfferId, PersonId, Reason, Timestamp};
use server_kit::audit::{Entry, HeldChain};
use server_kit::fault;
use server_kit::keystore::{KeyStore, SharedKeyStore};
use server_kit::store::{Owner, StepSet, StoreError, Tx};

use super::agreeing::{Agree, Stop};
use super::answering::{Accept, Decline};
use super::deliver::Deliver;
use super::filing::{File, Start, Withdraw};
use super::sql::{self, AcceptedRow, NewDelivery, SignedRow, StoredAgreement, StoredDelivery, StoredOffer};
use super::sweep::{LEASE, MOST_PERSONS, Swept};
use crate::feed::{Feed, Feeds};

#[derive(Debug)]
pub(super) enum Step {
    File(File),
    Start(Start),
    Withdraw(Withdraw),
    Agree(Agree),
    Stop(Stop),
    Deliver(Deliver),
    Accept(Accept),
    Decline(Decline),
    /// Takes an offer whose people are to be gone through.
    ClaimOffer,
    /// They have been, as far as it says.
    Swept(Swept),
    /// Takes people who are to be looked at.
    ClaimPersons,
    /// Somebody was looked at for the purchases up to a place in the feed.
    Looked {
        person_id: PersonId,
        through: i64,
    },
}

/// What was done.
#[derive(Debug)]
pub(super) enum Done {
    Offer(Box<StoredOffer>),
    Agreed(Agreement),
    Answered,
    Delivered,
    ClaimedOffer(Option<Box<StoredOffer>>),
    Swept,
    Looked,
    /// Each is put off to this time, unless it is looked at before.
    ClaimedPersons(Vec<(PersonId, Timestamp)>),
}

#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) done: Result<Done, Reason>,
    events: Vec<Arc<Event>>,
}

/// What a set works with: what its steps are about, and what they have changed of it.
pub(super) struct Work<'w> {
    pub(super) tx: &'w mut Tx,
    pub(super) keys: &'w dyn KeyStore,
    pub(super) log: Vec<Entry>,
    agreements: BTreeMap<PersonId, StoredAgreement>,
    deliveries: BTreeMap<PersonId, BTreeMap<OfferId, StoredDelivery>>,
    offers: BTreeMap<OfferId, StoredOffer>,
    feeds: Feeds,
    events: Vec<Arc<Event>>,
    changed: Changed,
}

/// What is to be written.
#[derive(Default)]
struct Changed {
    agreements: BTreeMap<PersonId, Option<SignedRow>>,
    /// The banks of an agreement before its first change.
    banks: BTreeMap<PersonId, BTreeSet<BankId>>,
    offers: BTreeSet<OfferId>,
    delivered: Vec<NewDelivery>,
    answered: BTreeMap<(PersonId, OfferId), Option<AcceptedRow>>,
}

impl Work<'_> {
    pub(super) fn offer(&self, id: OfferId) -> Option<&StoredOffer> {
        self.offers.get(&id)
    }

    /// An offer as it stands from now on.
    pub(super) fn put_offer(&mut self, stored: StoredOffer) {
        let id = stored.offer.filing.id;
        self.changed.offers.insert(id);
        self.offers.insert(id, stored);
    }

    pub(super) fn agreement(&self, person_id: PersonId) -> Option<&StoredAgreement> {
        self.agreements.get(&person_id)
    }

    /// An agreement as it stands from now on, with what was signed where that is new.
    pub(super) fn put_agreement(&mut self, person_id: PersonId, stored: StoredAgreement, signed: Option<SignedRow>) {
        let before = self.agreements.insert(person_id, stored);
        let banks = before.map(|before| before.agreement.banks).unwrap_or_default();
        self.changed.banks.entry(person_id).or_insert(banks);
        let known = self.changed.agreements.entry(person_id).or_default();
        if signed.is_some() {
            *known = signed;
        }
    }

    /// What a person has got, by offer.
    pub(super) fn deliveries(&self, person_id: PersonId) -> impl Iterator<Item = &Delivery> {
        self.deliveries.get(&person_id).into_iter().flat_map(BTreeMap::values).map(|stored| &stored.delivery)
    }

    pub(super) fn delivery(&self, person_id: PersonId, offer_id: OfferId) -> Option<&Delivery> {
        self.deliveries.get(&person_id)?.get(&offer_id).map(|stored| &stored.delivery)
    }

    /// Tells a person news; gives its place in the feed, or nothing for somebody who has none.
    pub(super) fn tell(&mut self, person_id: PersonId, news: News) -> Option<i64> {
        let event = self.feeds.tell_news(person_id, news, self.tx.now())?;
        let sequence = event.sequence;
        self.events.push(event);
        Some(sequence)
    }

    pub(super) fn add_delivery(&mut self, new: NewDelivery) {
        let Delivery { person_id, offer_id, .. } = new.delivery;
        let stored = StoredDelivery { delivery: new.delivery, version: 1 };
        self.deliveries.entry(person_id).or_default().insert(offer_id, stored);
        self.changed.delivered.push(new);
    }

    /// What a person has answered.
    pub(super) fn answer(&mut self, delivery: Delivery, accepted: Option<AcceptedRow>) {
        let Delivery { person_id, offer_id, .. } = delivery;
        if let Some(stored) = self.deliveries.get_mut(&person_id).and_then(|of| of.get_mut(&offer_id)) {
            stored.delivery = delivery;
            self.changed.answered.insert((person_id, offer_id), accepted);
        }
    }

    /// How many offers of a bank this set has added.
    pub(super) fn added_of(&self, bank_id: &BankId) -> usize {
        self.offers.values().filter(|stored| stored.version == 0 && stored.offer.filing.bank_id == *bank_id).count()
    }

    /// Takes an offer whose people are to be gone through, for as long as a lease.
    async fn claim_offer(&mut self) -> Result<Option<Box<StoredOffer>>, StoreError> {
        let now = self.tx.now();
        let Some(id) = sql::claim_offer(self.tx, now).await? else { return Ok(None) };
        if !self.offers.contains_key(&id) {
            let found = sql::load_offers(self.tx, &BTreeSet::from([id])).await?;
            self.offers.extend(found);
        }
        let Some(stored) = self.offers.get(&id).cloned() else { return Ok(None) };
        let runs = stored.offer.state == State::Running && !stored.offer.is_over(now);
        let claimed = StoredOffer { sweep_at: runs.then(|| now.plus(LEASE)), ..stored };
        self.put_offer(claimed.clone());
        Ok(runs.then(|| Box::new(claimed)))
    }

    /// Takes people who are to be looked at, for as long as a lease.
    async fn claim_persons(&mut self) -> Result<Vec<(PersonId, Timestamp)>, StoreError> {
        let now = self.tx.now();
        let until = now.plus(LEASE);
        let found = sql::claim_persons(self.tx, now, MOST_PERSONS).await?;
        let missing: BTreeSet<PersonId> =
            found.iter().copied().filter(|person| !self.agreements.contains_key(person)).collect();
        let loaded = sql::load_agreements(self.tx, &missing).await?;
        self.agreements.extend(loaded);
        let mut claimed = Vec::with_capacity(found.len());
        for person_id in found {
            let Some(stored) = self.agreements.get(&person_id).cloned() else { continue };
            self.put_agreement(person_id, StoredAgreement { look_at: Some(until), ..stored }, None);
            claimed.push((person_id, until));
        }
        Ok(claimed)
    }
}

impl Step {
    /// The people and the offers whom it is about.
    fn names(&self) -> (Option<PersonId>, &[OfferId]) {
        match self {
            Self::File(File { filing }) => (None, std::slice::from_ref(&filing.id)),
            Self::Start(Start { offer_id, .. }) | Self::Withdraw(Withdraw { offer_id, .. }) => {
                (None, std::slice::from_ref(offer_id))
            }
            Self::Swept(Swept { offer_id, .. }) => (None, std::slice::from_ref(offer_id)),
            Self::Agree(Agree(signed)) => (Some(signed.person_id), &[]),
            Self::Stop(Stop { person_id, .. }) => (Some(*person_id), &[]),
            Self::Deliver(Deliver { person_id, offers, .. }) => (Some(*person_id), offers),
            Self::Accept(Accept { signed, form }) => (Some(signed.person_id), std::slice::from_ref(&form.offer_id)),
            Self::Decline(Decline { person_id, offer_id }) => (Some(*person_id), std::slice::from_ref(offer_id)),
            Self::ClaimOffer | Self::ClaimPersons | Self::Looked { .. } => (None, &[]),
        }
    }

    async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        let offer = |stored: StoredOffer| Done::Offer(Box::new(stored));
        Ok(match self {
            Self::File(file) => file.apply(work).await?.map(offer),
            Self::Start(start) => start.apply(work).map(offer),
            Self::Withdraw(withdraw) => withdraw.apply(work).map(offer),
            Self::Agree(agree) => agree.apply(work).await?.map(Done::Agreed),
            Self::Stop(stop) => Ok(Done::Agreed(stop.apply(work).await?)),
            Self::Deliver(deliver) => deliver.apply(work).await.map(|()| Ok(Done::Delivered))?,
            Self::Accept(accept) => accept.apply(work).await?.map(|()| Done::Answered),
            Self::Decline(decline) => decline.apply(work).map(|()| Done::Answered),
            Self::ClaimOffer => Ok(Done::ClaimedOffer(work.claim_offer().await?)),
            Self::ClaimPersons => Ok(Done::ClaimedPersons(work.claim_persons().await?)),
            Self::Looked { person_id, through } => {
                sql::strike_out(work.tx, *person_id, *through).await.map(|()| Ok(Done::Looked))?
            }
            Self::Swept(swept) => {
                swept.apply(work);
                Ok(Done::Swept)
            }
        })
    }
}

/// The steps' surroundings.
#[derive(Debug)]
pub(super) struct OfferSteps {
    pub(super) chain: HeldChain,
    pub(super) keys: SharedKeyStore,
    pub(super) owner: Arc<Owner>,
    pub(super) feed: Feed,
}

impl StepSet for OfferSteps {
    const NAME: &'static str = "offers-writer";

    type Step = Step;
    type Outcome = Outcome;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let persons: BTreeSet<PersonId> = steps.iter().filter_map(|step| step.names().0).collect();
        let offers: BTreeSet<OfferId> = steps.iter().flat_map(|step| step.names().1).copied().collect();
        let agreements = sql::load_agreements(tx, &persons).await?;
        let deliveries = sql::load_deliveries(tx, &persons).await?;
        let offers = sql::load_offers(tx, &offers).await?;
        let feeds = Feeds::load(tx, persons).await?;
        let mut work = Work {
            tx,
            keys: &*self.keys,
            log: Vec::new(),
            agreements,
            deliveries,
            offers,
            feeds,
            events: Vec::new(),
            changed: Changed::default(),
        };
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            let done = step.apply(&mut work).await?;
            outcomes.push(Outcome { done, events: std::mem::take(&mut work.events) });
        }
        let told: Vec<Arc<Event>> = outcomes.iter().flat_map(|it| &it.events).cloned().collect();
        let delivers = !work.changed.delivered.is_empty();
        self.write(work, &told).await?;
        if delivers {
            fault::point("offer.before");
        }
        Ok(outcomes)
    }

    fn committed(&self, _: &[Step], outcomes: &[Outcome]) {
        self.chain.confirm();
        let delivers = |it: &Outcome| matches!(it.done, Ok(Done::Delivered)) && !it.events.is_empty();
        if outcomes.iter().any(delivers) {
            fault::point("offer.after");
        }
        for outcome in outcomes {
            self.feed.publish(&outcome.events);
        }
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn recovered(&self) {
        self.feed.wake_all();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.owner.fence(tx);
        self.chain.seal(tx).await
    }
}

impl OfferSteps {
    /// Writes what has changed, one statement for each table; of who gets a bank's offers a few for each agreement.
    async fn write(&self, work: Work<'_>, told: &[Arc<Event>]) -> Result<(), StoreError> {
        let Work { tx, log, mut agreements, mut deliveries, mut offers, mut feeds, changed, .. } = work;
        let mut agreed = Vec::new();
        for (person_id, signed) in changed.agreements {
            let Some(stored) = agreements.remove(&person_id) else { continue };
            if let Some(before) = changed.banks.get(&person_id) {
                sql::change_recipients(tx, person_id, before, &stored.agreement.banks).await?;
            }
            feeds.mark_offers(person_id, !stored.agreement.banks.is_empty());
            agreed.push((person_id, stored, signed));
        }
        sql::put_agreements(tx, agreed).await?;
        sql::put_offers(tx, changed.offers.iter().filter_map(|id| offers.remove(id)).collect()).await?;
        sql::insert_deliveries(tx, changed.delivered).await?;
        let mut answered = Vec::new();
        for ((person_id, offer_id), accepted) in changed.answered {
            let stored = deliveries.get_mut(&person_id).and_then(|of| of.remove(&offer_id));
            answered.extend(stored.map(|stored| (stored, accepted)));
        }
        sql::update_deliveries(tx, answered).await?;
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        self.feed.hand_on(tx, told).await?;
        feeds.write(tx).await
    }
}
